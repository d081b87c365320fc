/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A scratch directory for each test, files in it, and plans read from text. */
#include "unit_test.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/plan.h"

static char scratch[64];

static inline int scratch_setup(void **state)
{
	(void)state;
	strcpy(scratch, "/tmp/cleat-unit-XXXXXX");
	return mkdtemp(scratch) ? 0 : -1;
}

static inline int scratch_remove(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static inline int scratch_teardown(void **state)
{
	(void)state;
	return nftw(scratch, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline const char *in_scratch(const char *name)
{
	static char paths[8][256];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", scratch, name);
	return path;
}

static inline void write_text(const char *name, const char *text)
{
	FILE *file = fopen(in_scratch(name), "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static inline void make_directory(const char *name, mode_t mode)
{
	assert_int_equal(mkdir(in_scratch(name), 0700), 0);
	assert_int_equal(chmod(in_scratch(name), mode), 0);
}

static inline int open_directory(const char *name)
{
	int fd = open(in_scratch(name), O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static inline int read_plan_text(struct plan *plan, const char *text, struct err *err)
{
	write_text("config.json", text);
	return plan_read(plan, in_scratch("config.json"), err);
}
