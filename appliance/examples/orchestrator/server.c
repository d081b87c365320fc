/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program in the example image: a small HTTP server as an orchestrator might be one. It answers /health, writes
 * scratch to /tmp and one line per request to standard output and to the log on its volume. One thread, poll, fixed
 * memory; ends at once on SIGTERM (as PID 1 it would ignore it without asking for it).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_PORT 8000
#define LOG_PATH "/app/logs/orchestrator.log"
#define SCRATCH_PATH "/tmp/scratch"
#define MAX_CLIENTS 60
#define REQUEST_MAX_BYTES 4096
#define CLIENT_TIMEOUT_SEC 10

struct client {
	int fd; /* 0: free */
	time_t since;
	size_t len;
	char request[REQUEST_MAX_BYTES];
};

struct server {
	int signal_fd, listen_fd, log_fd;
	unsigned long requests;
	const char *greeting;
	struct client clients[MAX_CLIENTS];
};

__attribute__((format(printf, 2, 3))) static void log_line(const struct server *s, const char *fmt,
							   ...)
{
	char text[512], line[600], stamp[32];
	time_t now = time(NULL);
	struct tm tm;
	va_list ap;
	int n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	n = snprintf(line, sizeof(line), "%s %s\n", stamp, text);
	/* A full disk must not stop the service; standard output still has the line. */
	if (write(STDOUT_FILENO, line, (size_t)n) < 0 ||
	    (s->log_fd >= 0 && write(s->log_fd, line, (size_t)n) < 0))
		return;
}

static int fail(const char *what)
{
	fprintf(stderr, "orchestrator: %s: %s\n", what, strerror(errno));
	return -1;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int open_listener(unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;

	if (fd < 0)
		return fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 128) < 0)
		return fail("listen");
	return fd;
}

static const char *write_scratch(const struct server *s)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "request %lu\n", s->requests);
	int fd = open(SCRATCH_PATH, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write(fd, text, (size_t)n) == n;

	if (fd >= 0)
		close(fd);
	return ok ? "200 OK" : "507 Insufficient Storage";
}

static void respond(struct server *s, const struct client *c)
{
	char path[128] = "", body[256], answer[512];
	const char *status = "404 Not Found";
	size_t len;
	int n;

	s->requests++;
	if (strncmp(c->request, "GET /", 5) == 0) {
		len = strcspn(c->request + 4, " \r\n?");
		snprintf(path, sizeof(path), "%.*s", (int)(len < 100 ? len : 100), c->request + 4);
	}
	snprintf(body, sizeof(body), "%s\n", status);
	if (strcmp(path, "/health") == 0) {
		status = "200 OK";
		snprintf(body, sizeof(body), "ok\n");
	} else if (strcmp(path, "/scratch") == 0) {
		status = write_scratch(s);
		snprintf(body, sizeof(body), "%s %s\n", SCRATCH_PATH, status);
	} else if (strcmp(path, "/") == 0) {
		status = "200 OK";
		snprintf(body, sizeof(body), "%.150s\nrequest %lu, uid %u\n", s->greeting,
			 s->requests, getuid());
	}
	n = snprintf(
		answer, sizeof(answer),
		"HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
		status, strlen(body), body);
	/* fits any socket's buffer; a client that is gone is no error */
	if (write(c->fd, answer, (size_t)n) < 0)
		status = "client gone";
	log_line(s, "GET %s %s", path, status);
}

static void drop(struct client *c)
{
	shutdown(c->fd, SHUT_WR);
	close(c->fd);
	c->fd = 0;
}

static void accept_clients(struct server *s)
{
	for (unsigned i = 0; i < MAX_CLIENTS; i++) {
		struct client *c = &s->clients[i];

		if (c->fd)
			continue;
		c->fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (c->fd < 0) {
			c->fd = 0;
			return;
		}
		c->len = 0;
		c->since = time(NULL);
	}
}

static void read_client(struct server *s, struct client *c)
{
	ssize_t n = read(c->fd, c->request + c->len, sizeof(c->request) - 1 - c->len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(c);
		return;
	}
	c->len += (size_t)n;
	c->request[c->len] = '\0';
	if (strstr(c->request, "\r\n\r\n") || strstr(c->request, "\n\n")) {
		respond(s, c);
		drop(c);
	} else if (c->len == sizeof(c->request) - 1) {
		drop(c);
	}
}

/* False when asked to end. */
static bool turn(struct server *s)
{
	struct pollfd fds[2 + MAX_CLIENTS] = { { .fd = s->signal_fd, .events = POLLIN } };
	unsigned active = 0;
	time_t now;

	for (unsigned i = 0; i < MAX_CLIENTS; i++) {
		fds[2 + i] = (struct pollfd){ .fd = s->clients[i].fd ? s->clients[i].fd : -1,
					      .events = POLLIN };
		active += s->clients[i].fd != 0;
	}
	fds[1] =
		(struct pollfd){ .fd = active < MAX_CLIENTS ? s->listen_fd : -1, .events = POLLIN };
	if (poll(fds, 2 + MAX_CLIENTS, active ? 1000 : -1) < 0)
		return errno == EINTR;
	if (fds[0].revents)
		return false;
	now = time(NULL);
	for (unsigned i = 0; i < MAX_CLIENTS; i++) {
		struct client *c = &s->clients[i];

		if (fds[2 + i].revents)
			read_client(s, c);
		else if (c->fd && now - c->since > CLIENT_TIMEOUT_SEC)
			drop(c);
	}
	if (fds[1].revents)
		accept_clients(s);
	return true;
}

int main(void)
{
	static struct server s;
	const char *port_text = getenv("MOE_PORT");
	unsigned long port = port_text ? strtoul(port_text, NULL, 10) : DEFAULT_PORT;

	s.greeting = getenv("MOE_GREETING") ? getenv("MOE_GREETING") : "orchestrator";
	s.log_fd = open(LOG_PATH, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (s.log_fd < 0)
		return fail(LOG_PATH) < 0;
	s.signal_fd = open_signals();
	s.listen_fd = port >= 1 && port <= 65535 ? open_listener((unsigned)port) : -1;
	if (s.signal_fd < 0 || s.listen_fd < 0)
		return 1;
	log_line(&s, "started: port %lu, uid %u, gid %u", port, getuid(), getgid());
	while (turn(&s))
		;
	log_line(&s, "stopped after %lu requests", s.requests);
	return 0;
}
