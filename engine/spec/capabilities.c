/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and sets of capabilities: capabilities(7) in order of number, podman's default set,
 * podman's rule of adding and dropping.
 */
#include "spec/options.h"

#include <stdlib.h>
#include <strings.h>

#include "util/str.h"

static const char *const names[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

#define CAPABILITY_COUNT (sizeof(names) / sizeof(names[0]))
_Static_assert(CAPABILITY_COUNT == 41, "a name for every number up to CAP_LAST_CAP of Linux 5.9");

/* The eleven of containers-common. */
static const char *default_items[] = {
	"CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FOWNER",  "CAP_FSETID",		  "CAP_KILL",
	"CAP_SETGID",  "CAP_SETUID",	   "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
	"CAP_SETFCAP",
};
const struct strv capability_defaults = { default_items,
					  sizeof(default_items) / sizeof(default_items[0]) };

const char *capability_name(const char *text)
{
	if (strcasecmp(text, CAPABILITY_ALL) == 0 || strcasecmp(text, "CAP_ALL") == 0)
		return CAPABILITY_ALL;
	if (strncasecmp(text, "CAP_", 4) == 0)
		text += 4;
	for (size_t i = 0; i < CAPABILITY_COUNT; i++)
		if (strcasecmp(text, names[i] + 4) == 0)
			return names[i];
	return NULL;
}

int capability_merge(const struct strv *base, const struct strv *add, const struct strv *drop,
		     struct arena *arena, struct strv *out, struct err *err)
{
	bool add_all = strv_has(add, CAPABILITY_ALL);
	bool drop_all = strv_has(drop, CAPABILITY_ALL);

	if (add_all && drop_all)
		return err_set(err, ERR_INPUT, "capabilities: ALL is both added and dropped");
	*out = (struct strv){ 0 };
	/* What most units say. */
	if (drop_all && !add->count)
		return 0;
	for (size_t i = 0; i < CAPABILITY_COUNT; i++) {
		bool added = strv_has(add, names[i]);
		bool dropped = strv_has(drop, names[i]);

		/* Beside ALL a single name says the exception; otherwise it is a contradiction. */
		if (added && dropped && !add_all && !drop_all)
			return err_set(err, ERR_INPUT, "capabilities: %s is both added and dropped",
				       names[i]);
		if (drop_all ? added : !dropped && (add_all || added || strv_has(base, names[i])))
			strv_push(arena, out, names[i]);
	}
	return 0;
}
