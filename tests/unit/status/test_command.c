/* SPDX-License-Identifier: Apache-2.0 */
/* "cleat status-server" as the engine starts it: a process of its own, confined, told apart from its engine. Needs root. */
#include "unit_test.h"

#include <sys/prctl.h>

#include "status/status.h"
#include "status_test.h"
#include "util/file.h"
#include "util/ids.h"

static int run_with(int listen_fd, int published_fd, int error_fd, int argc)
{
	char *argv[] = { "status-server", "word", NULL };

	if (error_fd >= 0)
		dup2(error_fd, 2);
	if (dup2(listen_fd, 3) < 0 || dup2(published_fd, 4) < 0)
		return 99;
	argv[argc] = NULL;
	return cmd_status_server(argc, argv);
}

/* The descriptors may be 3 and 4 themselves, the wrong way round. */
static pid_t fork_server(struct fixture *f)
{
	int listen_fd = fcntl(f->listen_fd, F_DUPFD_CLOEXEC, 10),
	    published_fd = fcntl(f->published_fd, F_DUPFD_CLOEXEC, 10);
	pid_t pid = fork();

	must(pid >= 0 && listen_fd >= 0 && published_fd >= 0, "fork");
	if (pid == 0)
		_exit(run_with(listen_fd, published_fd, -1, 1));
	close(listen_fd);
	close(published_fd);
	return pid;
}

static int exit_code(pid_t pid)
{
	int status;

	must(waitpid(pid, &status, 0) == pid, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* This process is the engine. */
static int setup(void **state)
{
	struct fixture *f = fixture_world();
	struct published_header h = fixture_header(getpid());
	struct published_unit u = fixture_unit("web");

	published_put_header(f->writer, &h);
	fixture_put(f, 0, &u);
	*state = f;
	return 0;
}

#define command_test(fn) cmocka_unit_test_setup_teardown(fn, setup, fixture_teardown)

static void serves_without_rights_until_it_is_told_to_stop(void **state)
{
	struct fixture *f = *state;
	struct buf status = BUF_INIT(65536);
	pid_t pid = fork_server(f);
	char path[64], ids[64];
	struct err err;

	assert_get(f, "/livez", 200, "ok");
	assert_get(f, "/readyz", 200, "ok");
	assert_get(f, "/status", 200, "\"name\": \"web\"");
	assert_get(f, "/status?format=text", 200, "web   up     healthy");
	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	assert_int_equal(file_read_at(AT_FDCWD, path, 65536, &status, &err), 0);
	snprintf(ids, sizeof(ids), "\nUid:\t%u\t%u\t%u\t%u\n", IDS_WORKER_STATUS, IDS_WORKER_STATUS,
		 IDS_WORKER_STATUS, IDS_WORKER_STATUS);
	assert_contains(status.data, ids);
	assert_contains(status.data, "Name:\tcleat-status\n");
	assert_contains(status.data, "\nCapPrm:\t0000000000000000\n");
	assert_contains(status.data, "\nCapBnd:\t0000000000000000\n");
	assert_contains(status.data, "\nNoNewPrivs:\t1\n");
	assert_contains(status.data, "\nSeccomp:\t2\n");
	buf_fini(&status);
	kill(pid, SIGTERM);
	assert_int_equal(exit_code(pid), 0);
}

static void leaves_when_another_engine_publishes(void **state)
{
	struct fixture *f = *state;
	struct published_header h = fixture_header(getpid());
	pid_t pid = fork_server(f);

	assert_get(f, "/livez", 200, "ok");
	h.engine_started_real_usec = clock_real_usec();
	published_put_header(f->writer, &h);
	assert_int_equal(exit_code(pid), 0);
}

static void leaves_when_its_mapping_is_replaced(void **state)
{
	struct fixture *f = *state;
	pid_t pid = fork_server(f);

	assert_get(f, "/livez", 200, "ok");
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(exit_code(pid), 0);
}

/* An engine between us and the server, which ends like one that is killed. */
static void outlives_its_engine(void **state)
{
	struct fixture *f = *state;
	struct published_header h;
	int pids[2], wait_status;
	pid_t engine, server;

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	assert_int_equal(pipe(pids), 0);
	engine = fork();
	must(engine >= 0, "fork");
	if (engine == 0) {
		/* the server has to find its engine in the mapping */
		h = fixture_header(getpid());
		published_put_header(f->writer, &h);
		server = fork_server(f);
		if (write(pids[1], &server, sizeof(server)) != (ssize_t)sizeof(server))
			_exit(1);
		for (;;)
			pause();
	}
	must(read(pids[0], &server, sizeof(server)) == (ssize_t)sizeof(server), "read");
	assert_get(f, "/readyz", 200, "ok");
	kill(engine, SIGKILL);
	must(waitpid(engine, &wait_status, 0) == engine, "waitpid");
	assert_get(f, "/livez", 200, "ok\nengine: away since 20");
	assert_get(f, "/readyz", 503, "[-]engine failed");
	assert_get(f, "/status", 200, "\"alive\": false");
	/* the next engine has its own server */
	h = fixture_header(getpid());
	h.engine_started_real_usec++;
	published_put_header(f->writer, &h);
	assert_int_equal(exit_code(server), 0);
	close(pids[0]);
	close(pids[1]);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0), 0);
}

/* Exit code and what stands on stderr. */
static void assert_start_fails(int listen_fd, int published_fd, int argc, int code, const char *why)
{
	struct buf said = BUF_INIT(65536);
	int error[2];
	struct err err;
	pid_t pid;

	listen_fd = fcntl(listen_fd, F_DUPFD_CLOEXEC, 10);
	published_fd = fcntl(published_fd, F_DUPFD_CLOEXEC, 10);
	assert_int_equal(pipe(error), 0);
	pid = fork();
	must(pid >= 0, "fork");
	if (pid == 0)
		_exit(run_with(listen_fd, published_fd, error[1], argc));
	close(error[1]);
	assert_int_equal(file_read_fd(error[0], 65536, &said, &err), 0);
	assert_int_equal(exit_code(pid), code);
	assert_contains(buf_str(&said), why);
	buf_fini(&said);
	close(error[0]);
	close(listen_fd);
	close(published_fd);
}

static void starts_that_fail_say_why(void **state)
{
	struct fixture *f = *state;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_start_fails(f->listen_fd, f->published_fd, 2, 2, "usage: cleat status-server");
	assert_start_fails(null, f->published_fd, 1, 1,
			   "cleat status-server: descriptor 3: no TCP socket");
	assert_start_fails(f->listen_fd, null, 1, 1,
			   "cleat status-server: published state: not a published state file");
	close(null);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		command_test(serves_without_rights_until_it_is_told_to_stop),
		command_test(leaves_when_another_engine_publishes),
		command_test(leaves_when_its_mapping_is_replaced),
		command_test(outlives_its_engine),
		command_test(starts_that_fail_say_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
