/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a command prints: standard output and error into files while it runs. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct captured {
	int result;
	char out[262144], err[65536];
};

static inline int capture_begin(int fd, int *saved)
{
	int file = memfd_create("capture", MFD_CLOEXEC);

	*saved = fcntl(fd, F_DUPFD_CLOEXEC, 100);
	if (file < 0 || *saved < 0 || dup2(file, fd) < 0)
		abort();
	return file;
}

static inline void capture_end(int fd, int saved, int file, char *out, size_t size)
{
	ssize_t n = pread(file, out, size - 1, 0);

	if (n < 0 || dup2(saved, fd) < 0)
		abort();
	out[n] = '\0';
	close(saved);
	close(file);
}

/* words: the command line without the program, between blanks; NULL-terminated list. */
static inline void capture(struct captured *c, int (*run)(int argc, char **argv),
			   const char *const *words)
{
	char *argv[32];
	int argc = 0, saved[2], files[2];

	while (words[argc]) {
		argv[argc] = strdup(words[argc]);
		argc++;
	}
	argv[argc] = NULL;

	char *owned[32];

	memcpy(owned, argv, sizeof(char *) * (size_t)(argc + 1)); /* commands reorder argv */
	fflush(stdout);
	fflush(stderr);
	for (int i = 0; i < 2; i++)
		files[i] = capture_begin(i + 1, &saved[i]);
	c->result = run(argc, argv);
	fflush(stdout);
	fflush(stderr);
	capture_end(1, saved[0], files[0], c->out, sizeof(c->out));
	capture_end(2, saved[1], files[1], c->err, sizeof(c->err));
	for (int i = 0; owned[i]; i++)
		free(owned[i]);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
