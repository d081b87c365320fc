/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat unpack: one layer's compressed bytes into one folder. It sees nothing but that folder (chroot, Landlock), is root of
 * the container id map's user namespace only (so owners and file capabilities come out right), and keeps no more than
 * the five capabilities that writing a tree takes. The order of the steps is the security argument.
 */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/inflate.h"
#include "image/layer.h"
#include "image/tree.h"
#include "image/worker.h"
#include "image/worker_internal.h"
#include "util/cleanup.h"
#include "util/digest.h"
#include "util/file.h"
#include "util/str.h"

#define UNPACK_MEMORY_MAX_BYTES \
	(512u * 1024 * 1024) /* a zstd window of 128 MiB and 64 MiB of folder names fit */

struct unpack {
	pid_t parent;
	const char *diff_id;
	uint64_t max_bytes, max_entries;
};

static int parse(int argc, char **argv, struct unpack *out, struct err *err)
{
	if (argc != 4 || !(digest_is_valid(argv[1]) || str_eq(argv[1], UNPACK_TREE)) ||
	    !str_to_u64(argv[2], INT64_MAX, &out->max_bytes) ||
	    !str_to_u64(argv[3], UINT32_MAX, &out->max_entries))
		return err_set(err, ERR_BUG, "usage: cleat unpack DIFF-ID MAX-BYTES MAX-ENTRIES");
	out->diff_id = argv[1];
	return 0;
}

/* The coordinator, who has the privilege for it, writes the map between our line and its byte. */
static int enter_user_namespace(const struct unpack *u, struct err *err)
{
	static const char ready[] = "ready\n";
	char go;
	ssize_t n;

	(void)u;
	if (unshare(CLONE_NEWUSER) < 0)
		return err_sys(
			err,
			"user namespace: unshare (in LXC allow nesting for this container; sysctl "
			"user.max_user_namespaces must not be 0)");
	if (file_write_all(WORKER_FD_RECORDS, ready, sizeof(ready) - 1, err) < 0)
		return -1;
	do
		n = read(WORKER_FD_GO, &go, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		return err_set(err, ERR_SYS, "user namespace: the coordinator wrote no id map");
	return 0;
}

/* Large windows are taken by one unpack at a time. A coordinator that has nobody else to think of has closed its end. */
static int ask_for_window(void *arg, struct err *err)
{
	static const char line[] = WORKER_WINDOW_LINE;
	char go;
	ssize_t n;

	(void)arg;
	if (file_write_all(WORKER_FD_RECORDS, line, sizeof(line) - 1, err) < 0)
		return -1;
	do
		n = read(WORKER_FD_GO, &go, 1);
	while (n < 0 && errno == EINTR);
	return n < 0 ? err_sys(err, "leave for a large zstd window") : 0;
}

static int become_container_root(const struct unpack *u, struct err *err)
{
	if (setgroups(0, NULL) < 0)
		return err_sys(err, "setgroups");
	if (setresgid(0, 0, 0) < 0)
		return err_sys(err, "setresgid");
	if (setresuid(0, 0, 0) < 0)
		return err_sys(err, "setresuid");
	/* changing the ids has reset it */
	return worker_die_with(u->parent, err);
}

static int enter_folder(const struct unpack *u, struct err *err)
{
	(void)u;
	umask(0);
	if (fchdir(WORKER_FD_DATA) < 0)
		return err_sys(err, "fchdir");
	if (chroot(".") < 0)
		return err_sys(err, "chroot");
	return 0;
}

static int confine(const struct unpack *u, struct err *err)
{
	static const int extra[] = {
		SCMP_SYS(openat),    SCMP_SYS(openat2),	   SCMP_SYS(mkdirat),
		SCMP_SYS(unlinkat),  SCMP_SYS(linkat),	   SCMP_SYS(symlinkat),
		SCMP_SYS(mknodat),   SCMP_SYS(renameat),   SCMP_SYS(renameat2),
		SCMP_SYS(fchown),    SCMP_SYS(fchownat),   SCMP_SYS(fchmod),
		SCMP_SYS(fchmodat),  SCMP_SYS(fsetxattr),  SCMP_SYS(utimensat),
		SCMP_SYS(ftruncate), SCMP_SYS(getdents64), -1,
	};
	static const int caps[] = { CAP_CHOWN,	CAP_FOWNER,  CAP_DAC_OVERRIDE,
				    CAP_FSETID, CAP_SETFCAP, -1 };
	static const char *const folder[] = { "/", NULL };
	struct proc_confine c = {
		.write_paths = folder,
		.keep_caps = caps,
		.syscalls = extra,
		.memory_max_bytes = UNPACK_MEMORY_MAX_BYTES,
		.max_fds = 64,
	};

	(void)u;
	return proc_confine(&c, err);
}

/* clang-format off */
static const struct {
	const char *name;
	int (*run)(const struct unpack *, struct err *);
} steps[] = {
	{ "user namespace", enter_user_namespace },
	{ "ids", become_container_root },
	{ "folder", enter_folder },	/* needs CAP_SYS_CHROOT */
	{ "confine", confine },		/* takes all that the above needed */
};
/* clang-format on */

static void put_counts(const struct layer_counts *counts, uint64_t plain_bytes, struct buf *out)
{
	flat_put_u64(out, "bytes", plain_bytes);
	flat_put_u64(out, "entries", counts->entries);
	flat_put_u64(out, "whiteouts", counts->whiteouts);
	flat_put_u64(out, "devices-left-out", counts->devices_left_out);
	flat_put_u64(out, "sockets-left-out", counts->sockets_left_out);
	flat_put_u64(out, "xattrs-left-out", counts->xattrs_left_out);
	flat_put_u64(out, "aufs-left-out", counts->aufs_left_out);
}

static int unpack_layer(const struct unpack *u, struct inflate *in, struct buf *out,
			struct err *err)
{
	bool is_tree = str_eq(u->diff_id, UNPACK_TREE);
	struct layer_options options = { .max_entries = u->max_entries,
					 .set_owner = true,
					 .is_plain = is_tree };
	char found[DIGEST_STR_LEN + 1];
	struct layer_counts counts;

	if (layer_unpack(WORKER_FD_DATA, in, &options, &counts, err) < 0)
		return -1;
	inflate_digest(in, found);
	if (!is_tree && !str_eq(found, u->diff_id))
		return err_set(
			err, ERR_INTEGRITY,
			"wrong digest: the unpacked layer is %s, its image promises %s: the image is damaged",
			found, u->diff_id);
	put_counts(&counts, inflate_total_bytes(in), out);
	return buf_check(out, "unpack record", err);
}

static int run(const struct unpack *u, struct buf *out, struct err *err)
{
	struct inflate *in;
	int rc;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (steps[i].run(u, err) < 0)
			return err_wrap(err, "%s", steps[i].name);
	in = inflate_open(WORKER_FD_IN, u->max_bytes, err);
	if (!in)
		return -1;
	inflate_ask_before_large_window(in, ask_for_window, NULL);
	rc = unpack_layer(u, in, out, err);
	inflate_close(in);
	return rc;
}

int cmd_unpack(int argc, char **argv)
{
	auto_buf out = BUF_INIT(FLAT_SMALL_MAX_BYTES);
	struct unpack u = { .parent = getppid() };
	struct err err;
	int rc;

	signal(SIGPIPE, SIG_IGN);
	rc = parse(argc, argv, &u, &err);
	if (rc == 0)
		rc = run(&u, &out, &err);
	return worker_finish(&out, rc, &err);
}
