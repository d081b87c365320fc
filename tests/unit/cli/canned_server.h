/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* An engine of paper: a unix socket in a scratch folder that answers each connection with the next of some texts. */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"

struct canned {
	char folder[64], path[96];
	int fd;
	pthread_t thread;
	const char *const *answers; /* NULL-terminated */
	bool does_not_listen;	    /* answers and closes before it reads anything */
	char requests[8][512];	    /* what was asked */
	unsigned count;
};

static inline void canned_one(struct canned *c, int fd, const char *answer)
{
	size_t length = 0, sent = 0, total = strlen(answer);
	char *request = c->requests[c->count++ % 8];

	while (!c->does_not_listen && length < 511) {
		ssize_t n = read(fd, request + length, 511 - length);

		if (n <= 0)
			break;
		length += (size_t)n;
		request[length] = '\0';
		if (strstr(request, "\r\n\r\n"))
			break;
	}
	while (sent < total) {
		ssize_t n = send(fd, answer + sent, total - sent, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	close(fd);
}

static inline void *canned_run(void *arg)
{
	struct canned *c = arg;

	for (const char *const *answer = c->answers; *answer; answer++) {
		int fd = accept(c->fd, NULL, NULL);

		if (fd < 0)
			abort();
		canned_one(c, fd, *answer);
	}
	return NULL;
}

static inline void canned_start(struct canned *c, const char *const *answers)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(c->folder, sizeof(c->folder), "/tmp/cleat-unit-XXXXXX");
	if (!mkdtemp(c->folder))
		abort();
	snprintf(c->path, sizeof(c->path), "%s/cleat.sock", c->folder);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", c->path);
	c->answers = answers;
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(c->fd, 16) < 0 || pthread_create(&c->thread, NULL, canned_run, c) != 0)
		abort();
	cli_set_socket(c->path);
}

/* Every answer has been asked for. */
static inline void canned_stop(struct canned *c)
{
	if (pthread_join(c->thread, NULL) != 0)
		abort();
	close(c->fd);
	unlink(c->path);
	rmdir(c->folder);
}
