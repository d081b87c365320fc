/* SPDX-License-Identifier: Apache-2.0 */
/* The last step: finding the program, and what is said when there is none. Each try runs in a
 * process of its own. */
#include "runtime_test.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "runtime/child.h"

struct result {
	int status; /* of the process */
	struct err err;
};

static struct result *result;
static const char *args[3];
static const char *env[4];

static int exec_setup(void **state)
{
	result = mmap(NULL, sizeof(*result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	memset(args, 0, sizeof(args));
	memset(env, 0, sizeof(env));
	return result == MAP_FAILED ? -1 : scratch_setup(state);
}

static int exec_teardown(void **state)
{
	munmap(result, sizeof(*result));
	return scratch_teardown(state);
}

static size_t count(const char **list)
{
	size_t n = 0;

	while (list[n])
		n++;
	return n;
}

static void run_child(const char *cwd, const char *home)
{
	struct plan plan = { .cwd = cwd,
			     .args = { args, count(args) },
			     .env = { env, count(env) } };
	struct child child = { .plan = &plan };
	pid_t pid;

	snprintf(child.id.home, sizeof(child.id.home), "%s", home);
	memset(result, 0, sizeof(*result));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		plan.pool.base = mmap(NULL, 65536, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		plan.pool.size = 65536;
		if (exec_workdir(&child, &result->err) == 0 &&
		    exec_environment(&child, &result->err) == 0)
			exec_program(&child, &result->err);
		_exit(111);
	}
	assert_int_equal(waitpid(pid, &result->status, 0), pid);
}

static void assert_fails(const char *message, int number)
{
	assert_int_equal(WEXITSTATUS(result->status), 111);
	assert_string_equal(result->err.msg, message);
	assert_int_equal(result->err.code, ERR_INPUT);
	assert_int_equal(result->err.sys_errno, number);
}

static void script(const char *name, const char *text, mode_t mode)
{
	write_text(name, text);
	assert_int_equal(chmod(in_scratch(name), mode), 0);
}

static const char *path_of(const char *a, const char *b)
{
	static char path[512];

	snprintf(path, sizeof(path), "PATH=:%s:%s:/nonexistent", in_scratch(a), in_scratch(b));
	return path;
}

static void programs_are_found_in_path(void **state)
{
	(void)state;
	make_directory("a", 0755);
	make_directory("b", 0755);
	/* A file of that name that is not executable does not end the search. */
	script("a/prog", "", 0644);
	script("b/prog", "#!/bin/sh\n[ \"$HOME\" = /home/x ] && exit 42\n", 0755);
	args[0] = "prog";
	env[0] = path_of("a", "b");
	run_child("/", "/home/x");
	assert_true(WIFEXITED(result->status));
	assert_int_equal(WEXITSTATUS(result->status), 42);
}

static void home_of_the_configuration_wins(void **state)
{
	(void)state;
	script("prog", "#!/bin/sh\n[ \"$HOME\" = /own ] && [ \"$PWD\" = /usr ] && exit 42\n", 0755);
	args[0] = in_scratch("prog");
	env[0] = "HOME=/own";
	run_child("/usr", "/home/x");
	assert_int_equal(WEXITSTATUS(result->status), 42);
	script("prog", "#!/bin/sh\n[ \"$HOME\" = / ] && exit 43\n", 0755);
	args[0] = in_scratch("prog");
	env[0] = NULL;
	run_child("/", "");
	assert_int_equal(WEXITSTATUS(result->status), 43);
}

static void missing_programs(void **state)
{
	char message[600];

	(void)state;
	args[0] = "prog";
	env[0] = "PATH=/nonexistent:/nowhere";
	run_child("/", "");
	assert_fails("not in PATH (/nonexistent:/nowhere): prog: No such file or directory",
		     ENOENT);
	args[0] = in_scratch("none");
	run_child("/", "");
	snprintf(message, sizeof(message), "%s/none: No such file or directory", scratch);
	assert_fails(message, ENOENT);
	/* The working directory is not searched, whatever PATH says. */
	script("prog", "#!/bin/sh\nexit 0\n", 0755);
	args[0] = "prog";
	env[0] = "PATH=:";
	run_child(scratch, "");
	assert_fails("not in PATH (:): prog: No such file or directory", ENOENT);
}

static void programs_that_cannot_be_executed(void **state)
{
	char message[600], path[600];

	(void)state;
	script("prog", "#!/bin/sh\n", 0644);
	args[0] = in_scratch("prog");
	run_child("/", "");
	snprintf(message, sizeof(message), "%s/prog: Permission denied", scratch);
	assert_fails(message, EACCES);
	snprintf(path, sizeof(path), "PATH=%s", scratch);
	args[0] = "prog";
	env[0] = path;
	run_child("/", "");
	assert_fails("prog: Permission denied", EACCES);
	script("prog", "#!/nonexistent/interpreter\n", 0755);
	run_child("/", "");
	snprintf(message, sizeof(message),
		 "%s/prog: its loader or the program of its #! line: No such file or directory",
		 scratch);
	assert_fails(message, ENOENT);
	script("prog", "no magic number", 0755);
	run_child("/", "");
	snprintf(message, sizeof(message),
		 "%s/prog: for another machine, or a script without #!: Exec format error",
		 scratch);
	assert_fails(message, ENOEXEC);
}

static void missing_working_directory(void **state)
{
	(void)state;
	args[0] = "/bin/true";
	run_child("/nonexistent", "");
	assert_fails("/nonexistent: No such file or directory", ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(programs_are_found_in_path, exec_setup,
						exec_teardown),
		cmocka_unit_test_setup_teardown(home_of_the_configuration_wins, exec_setup,
						exec_teardown),
		cmocka_unit_test_setup_teardown(missing_programs, exec_setup, exec_teardown),
		cmocka_unit_test_setup_teardown(programs_that_cannot_be_executed, exec_setup,
						exec_teardown),
		cmocka_unit_test_setup_teardown(missing_working_directory, exec_setup,
						exec_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
