/* SPDX-License-Identifier: Apache-2.0 */
/* The logs' own folder belongs to root; whoever reads logs gets in by its group. Must never change a folder of another user. */
#include "log/roots.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/directory.h"
#include "util/cleanup.h"
#include "util/ids.h"

int log_root_open(const char *path, struct err *err)
{
	auto_fd int fd = log_directory_open(path, true, err);
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "%s", path);
	if (geteuid() == 0 && st.st_uid == 0 &&
	    (st.st_gid != IDS_WORKER_LOG || (st.st_mode & 050) != 050) &&
	    (fchown(fd, (uid_t)-1, IDS_WORKER_LOG) < 0 ||
	     fchmod(fd, (st.st_mode & 07777) | 050) < 0))
		return err_sys(err, "%s", path);
	return take_fd(&fd);
}

void log_raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}
