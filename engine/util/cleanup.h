/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Ownership in four words: acquire, check, use, take. Initialise at declaration; every cleanup
 * accepts the empty value and keeps errno. close is never retried: on Linux the descriptor is
 * gone even after EINTR.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *p)
{
	int saved = errno;

	free(*(void **)p);
	errno = saved;
}

static inline void cleanup_fd(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

static inline void cleanup_dir(DIR **dir)
{
	int saved = errno;

	if (*dir)
		closedir(*dir);
	*dir = NULL;
	errno = saved;
}

static inline void cleanup_file(FILE **file)
{
	int saved = errno;

	if (*file)
		fclose(*file);
	*file = NULL;
	errno = saved;
}

#define auto_free __attribute__((cleanup(cleanup_free)))
#define auto_fd __attribute__((cleanup(cleanup_fd)))
#define auto_dir __attribute__((cleanup(cleanup_dir)))
#define auto_file __attribute__((cleanup(cleanup_file)))

/* Hands the value to the caller and leaves the empty value behind. */
static inline int take_fd(int *fd)
{
	int value = *fd;

	*fd = -1;
	return value;
}

#define take_ptr(pp)                              \
	({                                        \
		__typeof__(*(pp)) taken_ = *(pp); \
		*(pp) = NULL;                     \
		taken_;                           \
	})

/* Closes now and forgets. */
static inline void close_fd(int *fd)
{
	cleanup_fd(fd);
}
