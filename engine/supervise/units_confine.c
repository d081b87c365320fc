/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the three processes around the unit directory may still do. They stay root by number, because what they see has to be what the
 * engine sees, on file systems too that ask for the number (NFS, FUSE, 9p): else each would find a difference that is none. Of
 * root's rights they keep the one to look everywhere; nobody may write but units-keep, and that in one folder. Must run before the first
 * file is looked at.
 */
#include "supervise/units_confine.h"

#include <linux/capability.h>
#include <seccomp.h>

#include "util/places.h"
#include "util/proc.h"

/* Names: stat in all the forms that libc has for it. */
#define LOOK                                                                    \
	SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(access), SCMP_SYS(faccessat), \
		SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), \
		SCMP_SYS(getdents64), SCMP_SYS(statfs), SCMP_SYS(fstatfs), SCMP_SYS(uname)
#define READ SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(sysinfo)

static const int watch_calls[] = { LOOK, SCMP_SYS(inotify_add_watch), -1 };
static const int read_calls[] = { LOOK, READ, -1 };
static const int keep_calls[] = { LOOK,
				  READ,
				  SCMP_SYS(flock),
				  SCMP_SYS(fsync),
				  SCMP_SYS(fchmod),
				  SCMP_SYS(rename),
				  SCMP_SYS(renameat),
				  SCMP_SYS(renameat2),
				  SCMP_SYS(unlink),
				  SCMP_SYS(unlinkat),
				  -1 };

static const int look_caps[] = { CAP_DAC_READ_SEARCH, -1 };
/* What a restored backup has left may have another owner. */
static const int keep_caps[] = { CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE, -1 };

static const char *const everywhere[] = { "/", NULL };
static const char *const state[] = { CLEAT_UNIT_STATE_DIR, NULL };

static const struct proc_confine works[] = {
	[UNITS_WATCH] = { .keep_caps = look_caps,
			  .list_paths = everywhere,
			  .opens_folders_only = true,
			  .syscalls = watch_calls },
	[UNITS_READ] = { .keep_caps = look_caps, .read_paths = everywhere, .syscalls = read_calls },
	[UNITS_KEEP] = { .keep_caps = keep_caps,
			 .read_paths = everywhere,
			 .write_paths = state,
			 .syscalls = keep_calls },
};

int units_confine(enum units_work work, struct err *err)
{
	return proc_confine(&works[work], err);
}
