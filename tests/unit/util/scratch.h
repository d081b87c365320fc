/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A temporary directory per test: cmocka setup and teardown, and small ways to fill and read it. */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct scratch {
	char path[64];
	int fd;
};

static int scratch_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int scratch_setup(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	snprintf(s->path, sizeof(s->path), "/tmp/cleat-unit-XXXXXX");
	if (!mkdtemp(s->path))
		return -1;
	s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = s;
	return s->fd < 0 ? -1 : 0;
}

static inline int scratch_teardown(void **state)
{
	struct scratch *s = *state;
	int rc = nftw(s->path, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);

	close(s->fd);
	free(s);
	return rc;
}

#define scratch_test(fn) cmocka_unit_test_setup_teardown(fn, scratch_setup, scratch_teardown)

static inline void scratch_write(const struct scratch *s, const char *rel, const char *text)
{
	int fd = openat(s->fd, rel, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
		perror(rel);
		abort();
	}
	close(fd);
}

static inline void scratch_mkdir(const struct scratch *s, const char *rel)
{
	if (mkdirat(s->fd, rel, 0755) < 0) {
		perror(rel);
		abort();
	}
}

static inline void scratch_link(const struct scratch *s, const char *target, const char *rel)
{
	if (symlinkat(target, s->fd, rel) < 0) {
		perror(rel);
		abort();
	}
}

static inline bool scratch_exists(const struct scratch *s, const char *rel)
{
	return faccessat(s->fd, rel, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Names in a directory, "." and ".." not counted. */
static inline unsigned scratch_count(const struct scratch *s, const char *rel)
{
	int fd = openat(s->fd, rel, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	unsigned count = 0;

	if (!dir)
		return ~0u;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

/* Open descriptors of this process. */
static inline unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}
