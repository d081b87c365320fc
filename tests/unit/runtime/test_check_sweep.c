/* SPDX-License-Identifier: Apache-2.0 */
/* What a check that was killed has left behind: found by the number of a process that is no more, and by nothing else. */
#include "unit_test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/check.h"
#include "util/cleanup.h"
#include "util/str.h"

static char told[8][64];
static unsigned told_count;

static void remember(int dir, const char *name)
{
	assert_true(told_count < 8);
	str_copy(told[told_count++], sizeof(told[0]), name);
	assert_int_equal(unlinkat(dir, name, AT_REMOVEDIR), 0);
}

static pid_t ended_process(int more)
{
	pid_t pid = fork();
	siginfo_t info;

	if (pid == 0)
		_exit(0);
	assert_true(pid > 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | more), 0);
	return pid;
}

static void only_what_a_dead_check_has_made_is_told(void **state)
{
	char place[] = "/tmp/cleat-test-sweep-XXXXXX", left[64], mine[64];
	const char *const others[] = { "check-",    "check-x", "check-0",
				       "check-12x", "other",   "check-99999999999999999999" };

	(void)state;
	assert_non_null(mkdtemp(place));

	auto_fd int dir = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	snprintf(left, sizeof(left), "check-%d", (int)ended_process(0));
	snprintf(mine, sizeof(mine), "check-%d", (int)getpid());
	assert_int_equal(mkdirat(dir, left, 0755), 0);
	assert_int_equal(mkdirat(dir, mine, 0755), 0);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(mkdirat(dir, others[i], 0755), 0);
	check_sweep(dir, "check-", remember);
	assert_int_equal(told_count, 1);
	assert_string_equal(told[0], left);
	check_sweep(dir, "check-", remember);
	check_sweep(-1, "check-", remember);
	assert_int_equal(told_count, 1);
	assert_int_equal(unlinkat(dir, mine, AT_REMOVEDIR), 0);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_int_equal(unlinkat(dir, others[i], AT_REMOVEDIR), 0);
	rmdir(place);
}

/* Whoever started it may never wait for it. */
static void one_that_nobody_has_waited_for_is_dead_as_well(void **state)
{
	char place[] = "/tmp/cleat-test-sweep-XXXXXX", left[64];
	pid_t zombie = ended_process(WNOWAIT);

	(void)state;
	told_count = 0;
	assert_non_null(mkdtemp(place));

	auto_fd int dir = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	snprintf(left, sizeof(left), "check-%d", (int)zombie);
	assert_int_equal(mkdirat(dir, left, 0755), 0);
	check_sweep(dir, "check-", remember);
	assert_int_equal(waitpid(zombie, NULL, 0), zombie);
	assert_int_equal(told_count, 1);
	assert_string_equal(told[0], left);
	rmdir(place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_a_dead_check_has_made_is_told),
		cmocka_unit_test(one_that_nobody_has_waited_for_is_dead_as_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
