/* SPDX-License-Identifier: Apache-2.0 */
/* What the shim reads from the container's cgroup, with folders that look like one. */
#include "unit_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/internal.h"

struct group {
	char path[64];
	int fd;
};

static struct group group_open(void)
{
	struct group g = { .path = "/tmp/cleat-test-shim-XXXXXX" };

	assert_non_null(mkdtemp(g.path));
	g.fd = open(g.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(g.fd >= 0);
	return g;
}

static void put(const struct group *g, const char *name, const char *text)
{
	int fd = openat(g->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void group_close(struct group *g)
{
	unlinkat(g->fd, "memory.events", 0);
	unlinkat(g->fd, "cgroup.procs", 0);
	unlinkat(g->fd, "child/cgroup.procs", 0);
	unlinkat(g->fd, "child", AT_REMOVEDIR);
	close(g->fd);
	assert_int_equal(rmdir(g->path), 0);
}

static void oom_kills(void **state)
{
	struct group g = group_open();

	(void)state;
	assert_int_equal(shim_group_oom_kills(g.fd), 0); /* no memory controller */
	put(&g, "memory.events", "low 0\nhigh 0\nmax 12\noom 3\noom_kill 0\noom_group_kill 7\n");
	assert_int_equal(shim_group_oom_kills(g.fd), 0);
	put(&g, "memory.events", "low 0\nhigh 0\nmax 12\noom 3\noom_kill 10\noom_group_kill 1\n");
	assert_int_equal(shim_group_oom_kills(g.fd), 10);
	put(&g, "memory.events", "");
	assert_int_equal(shim_group_oom_kills(g.fd), 0);
	put(&g, "memory.events", "67108864\n");
	assert_int_equal(shim_group_number(g.fd, "memory.events"), 67108864);
	put(&g, "memory.events", "max\n");
	assert_int_equal(shim_group_number(g.fd, "memory.events"), 0);
	assert_int_equal(shim_group_number(g.fd, "memory.peak"), 0); /* before Linux 5.19 */
	group_close(&g);
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

/* Numbers may be cut by the reader's buffer: the list is longer than that. */
static void every_listed_process_gets_the_signal(void **state)
{
	struct group g = group_open();
	pid_t first = sleeper(), last = sleeper(), nested = sleeper();
	char text[8192];
	int n = snprintf(text, sizeof(text), "%d\n0\n", (int)first);

	(void)state;
	/* Numbers above the kernel's highest pid are nobody's. */
	for (int i = 0; i < 500; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%d\n", 2000000000 + i);
	snprintf(text + n, sizeof(text) - (size_t)n, "%d\n", (int)last);
	put(&g, "cgroup.procs", text);
	assert_int_equal(mkdirat(g.fd, "child", 0700), 0);
	snprintf(text, sizeof(text), "%d\n", (int)nested);
	put(&g, "child/cgroup.procs", text);
	shim_group_signal(g.fd, SIGUSR1);
	assert_int_equal(end_of(first), SIGUSR1);
	assert_int_equal(end_of(last), SIGUSR1);
	assert_int_equal(end_of(nested), SIGUSR1);
	group_close(&g);
}

/* 0 and 1 in the list, and lines that are no numbers, must not become kill(0), kill(-1) or init. */
static void what_is_no_process_of_the_container_gets_none(void **state)
{
	struct group g = group_open();

	(void)state;
	put(&g, "cgroup.procs", "0\n1\n\n-1\nabc\n");
	shim_group_signal(g.fd, SIGUSR2); /* would end this test */
	put(&g, "cgroup.procs", "");
	shim_group_signal(g.fd, SIGUSR2);
	group_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(oom_kills),
		cmocka_unit_test(every_listed_process_gets_the_signal),
		cmocka_unit_test(what_is_no_process_of_the_container_gets_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
