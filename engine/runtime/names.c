/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Name tables. Plain arrays instead of libcap's lookups, because the shim that stays with a
 * container pays for every page that a library's constructor touches.
 */
#include "runtime/names.h"

#include <linux/capability.h>
#include <stddef.h>
#include <sys/resource.h>

#include "util/str.h"

struct name {
	const char *word;
	int number;
};

#define NAME(x)       \
	{             \
#x, x \
	}

static const struct name capabilities[] = {
	NAME(CAP_CHOWN),
	NAME(CAP_DAC_OVERRIDE),
	NAME(CAP_DAC_READ_SEARCH),
	NAME(CAP_FOWNER),
	NAME(CAP_FSETID),
	NAME(CAP_KILL),
	NAME(CAP_SETGID),
	NAME(CAP_SETUID),
	NAME(CAP_SETPCAP),
	NAME(CAP_LINUX_IMMUTABLE),
	NAME(CAP_NET_BIND_SERVICE),
	NAME(CAP_NET_BROADCAST),
	NAME(CAP_NET_ADMIN),
	NAME(CAP_NET_RAW),
	NAME(CAP_IPC_LOCK),
	NAME(CAP_IPC_OWNER),
	NAME(CAP_SYS_MODULE),
	NAME(CAP_SYS_RAWIO),
	NAME(CAP_SYS_CHROOT),
	NAME(CAP_SYS_PTRACE),
	NAME(CAP_SYS_PACCT),
	NAME(CAP_SYS_ADMIN),
	NAME(CAP_SYS_BOOT),
	NAME(CAP_SYS_NICE),
	NAME(CAP_SYS_RESOURCE),
	NAME(CAP_SYS_TIME),
	NAME(CAP_SYS_TTY_CONFIG),
	NAME(CAP_MKNOD),
	NAME(CAP_LEASE),
	NAME(CAP_AUDIT_WRITE),
	NAME(CAP_AUDIT_CONTROL),
	NAME(CAP_SETFCAP),
	NAME(CAP_MAC_OVERRIDE),
	NAME(CAP_MAC_ADMIN),
	NAME(CAP_SYSLOG),
	NAME(CAP_WAKE_ALARM),
	NAME(CAP_BLOCK_SUSPEND),
	NAME(CAP_AUDIT_READ),
	NAME(CAP_PERFMON),
	NAME(CAP_BPF),
	NAME(CAP_CHECKPOINT_RESTORE),
};

static const struct name rlimits[] = {
	NAME(RLIMIT_AS),     NAME(RLIMIT_CORE),	  NAME(RLIMIT_CPU),	   NAME(RLIMIT_DATA),
	NAME(RLIMIT_FSIZE),  NAME(RLIMIT_LOCKS),  NAME(RLIMIT_MEMLOCK),	   NAME(RLIMIT_MSGQUEUE),
	NAME(RLIMIT_NICE),   NAME(RLIMIT_NOFILE), NAME(RLIMIT_NPROC),	   NAME(RLIMIT_RSS),
	NAME(RLIMIT_RTPRIO), NAME(RLIMIT_RTTIME), NAME(RLIMIT_SIGPENDING), NAME(RLIMIT_STACK),
};

static int find(const struct name *table, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(table[i].word, word))
			return table[i].number;
	return -1;
}

int name_to_capability(const char *name)
{
	return find(capabilities, sizeof(capabilities) / sizeof(capabilities[0]), name);
}

int name_to_rlimit(const char *name)
{
	return find(rlimits, sizeof(rlimits) / sizeof(rlimits[0]), name);
}
