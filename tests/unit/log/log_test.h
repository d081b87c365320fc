/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the tests of the log share: a directory of their own, whole files in and out. */
#include "unit_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

struct log_dir {
	char path[64];
	int fd;
};

static inline struct log_dir log_dir_open(void)
{
	struct log_dir d = { .path = "/tmp/cleat-test-log-XXXXXX" };

	assert_non_null(mkdtemp(d.path));
	d.fd = open(d.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(d.fd >= 0);
	return d;
}

static inline void log_dir_close(struct log_dir *d)
{
	DIR *dir = fdopendir(d->fd);
	struct dirent *e;

	assert_non_null(dir);
	rewinddir(dir);
	while ((e = readdir(dir)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
		    unlinkat(d->fd, e->d_name, 0) < 0)
			unlinkat(d->fd, e->d_name, AT_REMOVEDIR);
	closedir(dir);
	assert_int_equal(rmdir(d->path), 0);
}

static inline void log_file_put(const struct log_dir *d, const char *name, const char *text,
				size_t len)
{
	int fd = openat(d->fd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

/* The whole file, terminated; caller frees. NULL when it is missing. */
static inline char *log_file_get(const struct log_dir *d, const char *name, size_t *len)
{
	int fd = openat(d->fd, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text;

	if (fd < 0)
		return NULL;
	assert_int_equal(fstat(fd, &st), 0);
	text = malloc((size_t)st.st_size + 1);
	assert_non_null(text);
	assert_int_equal(read(fd, text, (size_t)st.st_size), st.st_size);
	text[st.st_size] = '\0';
	if (len)
		*len = (size_t)st.st_size;
	close(fd);
	return text;
}

static inline bool log_file_is(const struct log_dir *d, const char *name, const char *text)
{
	char *have = log_file_get(d, name, NULL);
	bool same = have && strcmp(have, text) == 0;

	if (!same)
		print_error("%s holds: %s\n", name, have ? have : "(missing)");
	free(have);
	return same;
}
