/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP and TCP probes, in a child of the shim. It joins the container's network, gives up
 * everything else, and only then reads what the container answers. The shim ends it at the
 * deadline. Must never resolve a name, follow a redirect or read without a bound.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/internal.h"
#include "shim/url.h"
#include "util/cleanup.h"
#include "util/ids.h"
#include "util/proc.h"

#define HTTP_ANSWER_MAX 8192 /* status line, interim answers included */
#define HTTP_DRAIN_MAX 65536 /* read and forgotten, so that the server does not see a reset */

void shim_probe_say(struct shim_probe_answer *answer, uint32_t verdict, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(answer->output, sizeof(answer->output), fmt, ap);
	va_end(ap);
	answer->verdict = verdict;
	answer->exit_code = verdict == SHIM_PROBE_PASS ? 0 : 1;
	answer->output_length = n < 0				     ? 0 :
				(uint32_t)n < sizeof(answer->output) ? (uint32_t)n :
								       sizeof(answer->output) - 1;
}

/* With the host's network there is nothing to join, and in a nested container that would be
 * forbidden. */
int shim_probe_join_network(const struct shim *shim, struct err *err)
{
	struct stat own, other;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)shim->container.init.pid);
	if (stat(path, &other) == 0 && stat("/proc/self/ns/net", &own) == 0 &&
	    own.st_ino == other.st_ino && own.st_dev == other.st_dev)
		return 0;
	if (setns(shim->container.init.pidfd, CLONE_NEWNET) < 0)
		return err_sys(err, "join the container's network");
	return 0;
}

static int confine(struct err *err)
{
	static const int extra[] = { SCMP_SYS(socket), SCMP_SYS(connect),  SCMP_SYS(getsockopt),
				     SCMP_SYS(sendto), SCMP_SYS(recvfrom), -1 };
	struct proc_confine c = {
		.uid = IDS_WORKER_PROBE,
		.gid = IDS_WORKER_PROBE,
		.syscalls = extra,
		.memory_max_bytes = 64u * 1024 * 1024,
		.max_fds = 16,
	};

	return proc_confine(&c, err);
}

static int wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	while (poll(&p, 1, -1) < 0)
		if (errno != EINTR)
			return -1;
	return 0;
}

static int connect_one(const struct shim_url *url, unsigned index, struct err *err)
{
	const struct sockaddr *address = (const struct sockaddr *)&url->addresses[index];
	auto_fd int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int number = 0;
	socklen_t length = sizeof(number);

	if (fd < 0)
		return err_sys(err, "socket");
	if (connect(fd, address, url->lengths[index]) < 0) {
		if (errno != EINPROGRESS)
			return err_sys(err, "connect to %s", url->host);
		if (wait_for(fd, POLLOUT) < 0 ||
		    getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &length) < 0)
			return err_sys(err, "connect to %s", url->host);
		if (number)
			return err_errno(err, number, "connect to %s", url->host);
	}
	return take_fd(&fd);
}

static int connect_any(const struct shim_url *url, struct err *err)
{
	struct err later;
	int fd = connect_one(url, 0, err);

	/* The first address is what people mean by localhost: its error is the one to show. */
	for (unsigned i = 1; fd < 0 && i < url->count; i++)
		fd = connect_one(url, i, &later);
	return fd;
}

static int send_request(int fd, const struct shim_url *url, struct err *err)
{
	char request[SHIM_URL_MAX + 256];
	int n = snprintf(
		request, sizeof(request),
		"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: cleat-probe/1\r\nAccept: */*\r\nConnection: close\r\n\r\n",
		url->path[0] ? url->path : "/", url->host);
	size_t length = (size_t)n, sent = 0;

	if (n < 0 || length >= sizeof(request))
		return err_set(err, ERR_LIMIT, "request too long");
	while (sent < length) {
		ssize_t put = send(fd, request + sent, length - sent, MSG_NOSIGNAL);

		if (put >= 0)
			sent += (size_t)put;
		else if (errno == EAGAIN && wait_for(fd, POLLOUT) < 0)
			return err_sys(err, "send");
		else if (errno != EAGAIN && errno != EINTR)
			return err_sys(err, "send");
	}
	return 0;
}

/* Length of the line at text without its end, when it is there whole. */
static const char *line_end(const char *text, size_t length, size_t *line_length)
{
	const char *end = memchr(text, '\n', length);

	if (!end)
		return NULL;
	*line_length = (size_t)(end - text);
	if (*line_length > 0 && text[*line_length - 1] == '\r')
		(*line_length)--;
	return end + 1;
}

/* "HTTP/1.1 200 OK" -> 200, -1 when it is not that. */
static int status_of(const char *line, size_t length)
{
	int code = 0;

	if (length < 12 || memcmp(line, "HTTP/1.", 7) != 0 || line[7] < '0' || line[7] > '9' ||
	    line[8] != ' ')
		return -1;
	for (int i = 9; i < 12; i++) {
		if (line[i] < '0' || line[i] > '9')
			return -1;
		code = code * 10 + (line[i] - '0');
	}
	return code >= 100 && (length == 12 || line[12] == ' ') ? code : -1;
}

/* The text behind the header block at its beginning, NULL while that is not whole. */
static const char *behind_block(const char *text, size_t length)
{
	const char *p = text, *next;
	size_t line_length;

	while ((next = line_end(p, length - (size_t)(p - text), &line_length))) {
		if (line_length == 0)
			return next;
		p = next;
	}
	return NULL;
}

/* True when the final status line is there (or something that is none). Interim answers (1xx) are
 * stepped over. */
static bool find_status(const char *text, size_t length, const char **line, size_t *line_length)
{
	const char *p = text;

	while (line_end(p, length - (size_t)(p - text), line_length)) {
		int code = status_of(p, *line_length);

		*line = p;
		if (code < 100 || code > 199)
			return true;
		p = behind_block(p, length - (size_t)(p - text));
		if (!p)
			return false;
	}
	return false;
}

static void judge(const char *line, size_t length, struct shim_probe_answer *answer)
{
	int code = status_of(line, length);
	int shown =
		(int)(length < SHIM_PROBE_OUTPUT_MAX - 64 ? length : SHIM_PROBE_OUTPUT_MAX - 64);

	if (code < 0)
		shim_probe_say(answer, SHIM_PROBE_FAIL, "not an HTTP answer: %.*s", shown, line);
	else
		shim_probe_say(answer,
			       code >= 200 && code <= 399 ? SHIM_PROBE_PASS : SHIM_PROBE_FAIL,
			       "%.*s", shown, line);
}

/* What has come already is taken off the socket: closing over unread bytes would reset the
 * connection. */
static void drain(int fd)
{
	char waste[4096];

	for (size_t total = 0; total < HTTP_DRAIN_MAX;) {
		ssize_t n = recv(fd, waste, sizeof(waste), MSG_DONTWAIT);

		if (n <= 0)
			return;
		total += (size_t)n;
	}
}

static void read_answer(int fd, struct shim_probe_answer *answer)
{
	char text[HTTP_ANSWER_MAX];
	size_t length = 0, line_length;
	const char *line;

	while (length < sizeof(text)) {
		ssize_t n = recv(fd, text + length, sizeof(text) - length, 0);

		if (n == 0) {
			shim_probe_say(answer, SHIM_PROBE_FAIL,
				       "connection closed before a status line came");
			return;
		}
		if (n > 0) {
			length += (size_t)n;
			if (find_status(text, length, &line, &line_length)) {
				judge(line, line_length, answer);
				drain(fd);
				return;
			}
		} else if (errno != EINTR && (errno != EAGAIN || wait_for(fd, POLLIN) < 0)) {
			shim_probe_say(answer, SHIM_PROBE_FAIL, "recv: %s", strerror(errno));
			return;
		}
	}
	shim_probe_say(answer, SHIM_PROBE_FAIL, "no status line within %d bytes", HTTP_ANSWER_MAX);
}

void shim_probe_net(const struct shim *shim, uint32_t kind, const char *text, uint64_t timeout_usec,
		    struct shim_probe_answer *answer)
{
	struct shim_url url;
	struct err err = { 0 };

	/* Should the shim be killed, nobody else keeps the deadline. */
	alarm((unsigned)(timeout_usec / SHIM_SEC) + 2);
	if (shim_url_parse(text, kind == SHIM_PROBE_HTTP, &url, &err) < 0 ||
	    shim_probe_join_network(shim, &err) < 0 || confine(&err) < 0) {
		shim_probe_say(answer, SHIM_PROBE_ERROR, "%s", err.msg);
		return;
	}

	auto_fd int fd = connect_any(&url, &err);

	if (fd < 0 || (kind == SHIM_PROBE_HTTP && send_request(fd, &url, &err) < 0))
		shim_probe_say(answer, SHIM_PROBE_FAIL, "%s", err.msg);
	else if (kind == SHIM_PROBE_TCP)
		shim_probe_say(answer, SHIM_PROBE_PASS, "connected to %s", url.host);
	else
		read_answer(fd, answer);
}
