/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a log directory that rotates meanwhile. Newest first: a rotation moves files to higher
 * numbers, so what has not been opened yet comes towards us and at worst one file is met twice,
 * which its inode tells. An open file keeps its inode number from being used again.
 */
#include "log/set.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "util/cleanup.h"

int log_place_of(int fd, struct log_place *out, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "fstat");
	*out = (struct log_place){ .dev = st.st_dev, .ino = st.st_ino };
	return 0;
}

static bool is_place(const struct stat *st, const struct log_place *place)
{
	return place && st->st_dev == place->dev && st->st_ino == place->ino;
}

int log_place_is_current(int dirfd, const struct log_place *place)
{
	struct stat st;

	return fstatat(dirfd, LOG_CURRENT, &st, AT_SYMLINK_NOFOLLOW) == 0 && is_place(&st, place);
}

static bool is_known(const struct log_set *set, const struct stat *st)
{
	struct stat other;

	for (unsigned i = 0; i < set->count; i++)
		if (fstat(set->fds[i], &other) == 0 && other.st_ino == st->st_ino &&
		    other.st_dev == st->st_dev)
			return true;
	return false;
}

int log_set_open(struct log_set *set, int dirfd, const struct log_place *newer_than, bool *found,
		 struct err *err)
{
	char name[LOG_NAME_MAX];

	set->count = 0;
	*found = false;
	for (unsigned n = 0; n < LOG_MAX_FILES && !*found; n++) {
		auto_fd int fd = openat(dirfd, log_files_name(n, name),
					O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		struct stat st;

		if (fd < 0 && errno == ENOENT)
			continue; /* a crash in the middle of a rotation leaves a gap */
		if (fd < 0 || fstat(fd, &st) < 0) {
			err_sys(err, "%s: open", name);
			log_set_close(set);
			return -1;
		}
		*found = is_place(&st, newer_than);
		if (!*found && S_ISREG(st.st_mode) && !is_known(set, &st))
			set->fds[set->count++] = take_fd(&fd);
	}
	return 0;
}

void log_set_close(struct log_set *set)
{
	while (set->count > 0)
		close_fd(&set->fds[--set->count]);
}
