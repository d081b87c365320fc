/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the sources of /config share. */
#include "boot/config_tree.h"
#include "boot/disk_label.h"
#include "util/buf.h"
#include "util/err.h"

#define CONFIG_MAX_PROBLEMS_BYTES 440 /* of a note */

/* What was left out, for a note: ORIGIN and why, "; " between them; what does not fit is counted. */
struct config_problems {
	struct buf text; /* BUF_INIT(CONFIG_MAX_PROBLEMS_BYTES) */
	unsigned more;	 /* that did not fit */
};
void config_problems_add(struct config_problems *p, const char *origin, const struct err *err);
/* Says how many did not fit. */
void config_problems_end(struct config_problems *p);
/* Writes the note STEP of boot.h, or takes it away. */
void config_problems_note(struct config_problems *p, const char *step);

/* Copies what is a configuration's out of the folder src (the root of a file system that somebody made, borrowed): its files at the
 * top, units/ and its drop-ins, secrets/, keys/, certs.d/; with is_loose units also from the top and from quadlets/. What is no unit and
 * lies where others put theirs is passed over without a word. */
int config_copy(struct config_tree *t, int src, bool is_loose, struct config_problems *problems,
		struct err *err) MUST_CHECK;

/* fw_cfg.c: opt/cleat/... of QEMU. dir is FW_CFG_DIR. Returns how many files there are, -1. */
#define FW_CFG_DIR "/sys/firmware/qemu_fw_cfg/by_key"
int fw_cfg_take(struct config_tree *t, const char *dir, struct config_problems *problems,
		struct err *err) MUST_CHECK;

/* nocloud.c: network-config and the host's name of a cidata disk (src: its root) into the folder out. */
int nocloud_take_facts(int src, const char *out, struct config_problems *problems,
		       struct err *err) MUST_CHECK;
/* The host's name: local-hostname of meta-data, else hostname or fqdn of a #cloud-config; up to its first dot. "": none, or one that
 * is no name. Pure. */
void nocloud_hostname(const char *meta_data, size_t meta_len, const char *user_data,
		      size_t user_len, char *out, size_t size);

/* config_mount.c: a file system that somebody else made, mounted in a child because a dead server or a broken disk may never answer. */
struct config_mount {
	const char *type, *source; /* "virtiofs", "config"; "vfat", "/dev/vdb" */
	const char *target;	   /* an existing folder */
	uint64_t limit_usec;	   /* 0: CONFIG_MOUNT_LIMIT_USEC */
};
/* Read-only, nosuid, nodev. ERR_NOT_FOUND: there is no such tag or device. Waits for the limit at most (ERR_BUSY); what hangs is left
 * behind and never appears. */
#define CONFIG_MOUNT_LIMIT_USEC UINT64_C(5000000)
int config_mount_run(const struct config_mount *m, struct err *err) MUST_CHECK;
/* source, a folder of ours, on target, read-only. */
int config_bind(const char *source, const char *target, struct err *err) MUST_CHECK;
