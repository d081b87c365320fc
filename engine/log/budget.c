/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeping all logs within a budget. Sizes are what files take on disk. Runs for a moment every minute in a process of its own, because a
 * disk may be slow. Must never remove a file that somebody writes: a directory's lock says whether there is a writer.
 */
#include "log/budget.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "log/files.h"
#include "util/cleanup.h"
#include "util/lock.h"

struct dir_use {
	int fd;		/* borrowed */
	uint64_t total; /* of finished files and current */
	uint64_t current_bytes;
	int64_t current_time;
	unsigned oldest; /* number of the oldest finished file, 0: none */
	uint64_t oldest_bytes;
};

int log_budget_bytes(const struct log_budget *budget, int dirfd, uint64_t *bytes, struct err *err)
{
	unsigned percent = budget->percent ? budget->percent : LOG_BUDGET_PERCENT;
	struct statvfs fs;

	*bytes = budget->bytes;
	if (budget->bytes)
		return 0;
	if (fstatvfs(dirfd, &fs) < 0)
		return err_sys(err, "statvfs");
	*bytes = (uint64_t)fs.f_blocks * fs.f_frsize / 100 * percent;
	if (!budget->percent && *bytes > LOG_BUDGET_BYTES)
		*bytes = LOG_BUDGET_BYTES;
	return 0;
}

static uint64_t size_of(int dirfd, unsigned number, int64_t *time)
{
	char name[LOG_NAME_MAX];
	struct stat st;

	if (fstatat(dirfd, log_files_name(number, name), &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode))
		return 0;
	*time = st.st_mtim.tv_sec;
	return (uint64_t)st.st_blocks * 512;
}

static void measure(struct dir_use *use, int dirfd)
{
	bool found[LOG_MAX_FILES];
	int64_t time;

	*use = (struct dir_use){ .fd = dirfd };
	use->current_bytes = use->total = size_of(dirfd, 0, &use->current_time);
	log_files_look(dirfd, found);
	for (unsigned n = 1; n < LOG_MAX_FILES; n++) {
		uint64_t size = found[n] ? size_of(dirfd, n, &time) : 0;

		if (size == 0)
			continue;
		use->total += size;
		use->oldest = n;
		use->oldest_bytes = size;
	}
}

static bool has_writer(int dirfd)
{
	auto_fd int fd = openat(dirfd, LOG_LOCK, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct err ignored;

	/* No lock file, no writer yet; anything else that is wrong counts as one. */
	if (fd < 0)
		return errno != ENOENT;
	return lock_holder(fd, &ignored) != 0;
}

static struct dir_use *largest(struct dir_use *uses, unsigned count)
{
	struct dir_use *best = NULL;

	for (unsigned i = 0; i < count; i++)
		if (uses[i].oldest && (!best || uses[i].total > best->total))
			best = &uses[i];
	return best;
}

static struct dir_use *abandoned(struct dir_use *uses, unsigned count)
{
	struct dir_use *best = NULL;

	for (unsigned i = 0; i < count; i++)
		if (uses[i].current_bytes && !uses[i].oldest &&
		    (!best || uses[i].current_time < best->current_time) && !has_writer(uses[i].fd))
			best = &uses[i];
	return best;
}

static int remove_one(struct dir_use *use, uint64_t *freed, struct err *err)
{
	char name[LOG_NAME_MAX];
	uint64_t bytes = use->oldest ? use->oldest_bytes : use->current_bytes;

	if (unlinkat(use->fd, log_files_name(use->oldest, name), 0) < 0 && errno != ENOENT)
		return err_sys(err, "%s: unlink", name);
	*freed += bytes;
	measure(use, use->fd);
	return 0;
}

int log_budget_apply(const int *dirfds, unsigned count, uint64_t bytes, unsigned *removed,
		     uint64_t *freed, struct err *err)
{
	auto_free struct dir_use *uses = calloc((size_t)count + 1, sizeof(*uses));
	uint64_t total = 0;

	*removed = 0;
	*freed = 0;
	if (!uses)
		return err_set(err, ERR_LIMIT, "out of memory");
	for (unsigned i = 0; i < count; i++) {
		measure(&uses[i], dirfds[i]);
		total += uses[i].total;
	}
	while (total > bytes) {
		struct dir_use *use = largest(uses, count);
		uint64_t before;

		if (!use)
			use = abandoned(uses, count);
		if (!use)
			break; /* only what is being written is left */
		before = use->total;
		if (remove_one(use, freed, err) < 0)
			return -1;
		total -= before > use->total ? before - use->total : 0;
		++*removed;
		/* a directory in which files appear faster than they go must not keep us for ever */
		if (*removed > count * LOG_MAX_FILES)
			break;
	}
	return 0;
}
