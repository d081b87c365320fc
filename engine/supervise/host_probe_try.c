/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trying out what the host gives: "cleat-runtime check" for what a start does, and our networks. A crash, a hang or nonsense of either is an
 * answer; must come to an end in any case, and believe no byte of it beyond the table's words.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervise/host_probe.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/loop.h"
#include "util/places.h"
#include "util/str.h"

#define MAX_OUTPUT 16384
#define RUNTIME_USEC (12 * USEC_SEC) /* four of its tries may hang */
#define NETWORK_USEC (3 * USEC_SEC)

static void read_line(struct host_record *record, char *line, unsigned *count)
{
	char *id = line, *answer = strchr(line, ' '), *text;
	uint64_t number;

	if (!answer)
		return;
	*answer++ = '\0';
	if (!host_check_find(id))
		return;
	if (str_eq(answer, "yes")) {
		host_record_yes(record, id);
	} else if (str_starts(answer, "no ")) {
		answer += strlen("no ");
		text = strchr(answer, ' ');
		if (!text)
			return;
		*text++ = '\0';
		if (!str_to_u64(answer, 4095, &number))
			return;
		host_record_no(record, id, (int)number, "%s", text);
	} else {
		return;
	}
	host_record_set_tried(record, id);
	(*count)++;
}

unsigned host_read_tries(struct host_record *record, const char *text)
{
	char line[1024];
	unsigned count = 0;

	while (*text) {
		size_t len = strcspn(text, "\n");

		if (len < sizeof(line)) {
			memcpy(line, text, len);
			line[len] = '\0';
			read_line(record, line, &count);
		}
		text += len;
		text += *text == '\n';
	}
	return count;
}

/* Until the end, the bound or the deadline; false: it was the deadline. */
static bool read_until(int fd, usec_t deadline, struct buf *out)
{
	char piece[1024];

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		usec_t now = clock_now_usec();
		ssize_t n;

		if (now >= deadline)
			return false;
		n = poll(&p, 1, (int)((deadline - now) / USEC_MSEC) + 1);
		if (n <= 0)
			continue;
		n = read(fd, piece, sizeof(piece));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || buf_add(out, piece, (size_t)n) < 0)
			return true;
	}
}

static void note_failure(struct host_record *record, const char *what, const char *why)
{
	host_record_no(record, "host-probe", 0, "%s: %s", what, why);
	host_record_set_tried(record, "host-probe");
}

/* What a child that has written its answers to fd comes to. */
static void take_answers(struct host_record *record, const char *what, pid_t pid, int fd,
			 usec_t patience)
{
	auto_buf text = BUF_INIT(MAX_OUTPUT);
	bool ended = read_until(fd, clock_now_usec() + patience, &text);
	int status = 0;
	char why[64] = "";

	if (!ended)
		kill(pid, SIGKILL);
	/* one that the kernel does not let go of is left to whoever reaps after us */
	for (int i = 0; i < 100 && waitpid(pid, &status, WNOHANG) == 0; i++)
		usleep(10000);
	if (!ended)
		str_copy(why, sizeof(why), "it hangs");
	else if (WIFSIGNALED(status))
		snprintf(why, sizeof(why), "killed by signal %d", WTERMSIG(status));
	if (host_read_tries(record, buf_str(&text)) == 0 && !why[0])
		str_copy(why, sizeof(why), "it says nothing");
	if (why[0])
		note_failure(record, what, why);
}

/* The one that was built with us, on whatever machine; on the appliance both are in /usr/bin. */
static void find_runtime(char *out, size_t size)
{
	char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	str_copy(out, size, CLEAT_RUNTIME_PROGRAM);
	if (n <= 0)
		return;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return;
	*slash = '\0';
	if ((size_t)snprintf(out, size, "%s/cleat-runtime", self) >= size || access(out, X_OK) < 0)
		str_copy(out, size, CLEAT_RUNTIME_PROGRAM);
}

static _Noreturn void become_runtime(const char *program, const char *data_dir, int writer)
{
	char *argv[] = { "cleat-runtime",
			 "check",
			 "--record",
			 "--data-dir",
			 (char *)(uintptr_t)(data_dir ? data_dir : "/nonexistent"),
			 NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (null >= 0 && dup2(null, 0) >= 0 && dup2(writer, 1) >= 0 && dup2(null, 2) >= 0)
		execv(program, argv);
	_exit(127);
}

/* By fork: clone3 may be what is withheld. */
static void try_runtime(struct host_record *record, const char *data_dir)
{
	char program[600];
	int ends[2];
	pid_t pid;

	find_runtime(program, sizeof(program));
	if (pipe2(ends, O_CLOEXEC) < 0)
		return note_failure(record, "pipe", strerror(errno));

	auto_fd int reader = ends[0];
	auto_fd int writer = ends[1];

	pid = fork();
	if (pid == 0)
		become_runtime(program, data_dir, writer);
	if (pid < 0)
		return note_failure(record, "fork", strerror(errno));
	close_fd(&writer);
	take_answers(record, "cleat-runtime check", pid, reader, RUNTIME_USEC);
}

static void try_network(struct host_record *record)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return note_failure(record, "pipe", strerror(errno));

	auto_fd int reader = ends[0];
	auto_fd int writer = ends[1];

	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		host_try_network(writer);
		_exit(0);
	}
	if (pid < 0)
		return note_failure(record, "fork", strerror(errno));
	close_fd(&writer);
	take_answers(record, "networks", pid, reader, NETWORK_USEC);
}

void host_try_all(struct host_record *record, const char *data_dir)
{
	host_record_yes(record, "host-probe");
	host_record_set_tried(record, "host-probe");
	try_runtime(record, data_dir);
	try_network(record);
}
