/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening log directories as root. LogOpt=path= may lie below a folder that a container can write: a link there must lead nowhere, and a
 * folder with somebody's data in it must not become ours.
 */
#include "log/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/files.h"
#include "util/cleanup.h"
#include "util/ids.h"
#include "util/path.h"
#include "util/str.h"

#define COMPONENT_MAX 255

static int open_next(int dirfd, const char *name, bool make, struct err *err)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && make) {
		if (mkdirat(dirfd, name, LOG_DIR_MODE) < 0 && errno != EEXIST)
			return err_sys(err, "%s: mkdir", name);
		fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return err_set(err, ERR_INPUT, "%s: not a folder (a link is not followed)", name);
	return fd < 0 ? err_sys(err, "%s: open", name) : fd;
}

int log_directory_open(const char *path, bool make, struct err *err)
{
	auto_fd int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "/");
	for (const char *p = path + strspn(path, "/"); *p; p += strspn(p, "/")) {
		char name[COMPONENT_MAX + 1];
		size_t len = strcspn(p, "/");
		int next;

		if (len > COMPONENT_MAX)
			return err_set(err, ERR_LIMIT, "%s: a name is too long", path);
		memcpy(name, p, len);
		name[len] = '\0';
		if (str_eq(name, ".."))
			return err_set(err, ERR_INPUT, "%s: \"..\" has no place in it", path);
		next = open_next(fd, name, make, err);
		if (next < 0)
			return err_wrap(err, "%s", path);
		close(fd);
		fd = next;
		p += len;
	}
	return take_fd(&fd);
}

static bool is_ours(const char *name)
{
	uint64_t number;

	return str_eq(name, ".") || str_eq(name, "..") || str_eq(name, LOG_CURRENT) ||
	       str_eq(name, LOG_LOCK) || str_eq(name, "lost+found") ||
	       str_to_u64(name, LOG_MAX_FILES, &number);
}

static int check_contents(int dirfd, struct err *err)
{
	auto_dir DIR *dir = path_list(dirfd, err);
	struct dirent *d;

	if (!dir)
		return -1;
	while ((d = readdir(dir)))
		if (!is_ours(d->d_name))
			return err_set(err, ERR_INPUT,
				       "holds \"%s\": not a log directory; name an empty folder",
				       d->d_name);
	return 0;
}

static int adopt_file(int dirfd, const char *name, struct err *err)
{
	if (fchownat(dirfd, name, IDS_WORKER_LOG, IDS_WORKER_LOG, AT_SYMLINK_NOFOLLOW) < 0 &&
	    errno != ENOENT)
		return err_sys(err, "%s: chown", name);
	return 0;
}

int log_directory_adopt(int dirfd, bool is_chosen, struct err *err)
{
	char name[LOG_NAME_MAX];
	struct stat st;

	if (fstat(dirfd, &st) < 0)
		return err_sys(err, "fstat");
	if (st.st_uid == IDS_WORKER_LOG && st.st_gid == IDS_WORKER_LOG)
		return 0;
	if (is_chosen && check_contents(dirfd, err) < 0)
		return -1;
	if (fchown(dirfd, IDS_WORKER_LOG, IDS_WORKER_LOG) < 0)
		return err_sys(err, "chown");
	if (adopt_file(dirfd, LOG_LOCK, err) < 0)
		return -1;
	for (unsigned n = 0; n < LOG_MAX_FILES; n++)
		if (adopt_file(dirfd, log_files_name(n, name), err) < 0)
			return -1;
	return 0;
}
