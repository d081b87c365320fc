/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat volume export and import. Export reads what a container wrote: it gives up all it can before. Import reads what anybody may
 * have written: the confined worker unpacks it beside the volume, and only a whole tree takes the volume's place.
 */
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/volume_internal.h"
#include "cli/volume_use.h"
#include "image/tree.h"
#include "supervise/volume_store.h"
#include "util/cleanup.h"
#include "util/places.h"
#include "util/proc.h"
#include "util/str.h"

#define RESERVE_BYTES (UINT64_C(16) * 1024 * 1024) /* of free space that an import leaves */

/* The volume's folder. ERR_UNSUPPORTED: it has none. */
static int open_folder(int store, const char *name, struct err *err)
{
	auto_arena arena = { 0 };
	struct volume_record record;
	int fd;

	if (volume_store_read(store, name, &arena, &record, err) < 0)
		return -1;
	if (record.spec.kind != VOLUME_FOLDER)
		return err_set(err, ERR_UNSUPPORTED, "volume %s is no folder of its own (Type=)",
			       name);
	fd = openat(store, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_sys(err, "volume %s", name) : fd;
}

/* Reading a tree whatever its modes are, and writing to what is open: nothing else. */
static int confine_reader(int folder, struct err *err)
{
	static const int extra[] = { SCMP_SYS(openat),	   SCMP_SYS(getdents64),
				     SCMP_SYS(readlinkat), SCMP_SYS(flistxattr),
				     SCMP_SYS(fgetxattr),  -1 };
	static const int caps[] = { CAP_DAC_READ_SEARCH, -1 };
	static const char *const top[] = { "/", NULL };
	struct proc_confine confine = { .read_paths = top, .keep_caps = caps, .syscalls = extra };

	if (fchdir(folder) < 0 || chroot(".") < 0)
		return err_sys(err, "chroot");
	return proc_confine(&confine, err);
}

static int open_output(const char *path, struct err *err)
{
	int fd;

	if (str_eq(path, "-") || str_eq(path, "/dev/stdout")) {
		if (isatty(STDOUT_FILENO))
			return err_set(err, ERR_INPUT,
				       "an archive is not written to a terminal: use -o FILE");
		return STDOUT_FILENO;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return fd < 0 ? err_sys(err, "%s", path) : fd;
}

static int export_volume(const char *name, const char *path, struct tree_counts *counts,
			 struct err *err)
{
	auto_fd int store = volume_store_open(CLEAT_VOLUME_DIR, false, err);
	auto_fd int folder = store < 0 ? -1 : open_folder(store, name, err);
	int out;

	if (folder < 0)
		return -1;
	out = open_output(path, err);
	if (out < 0)
		return -1;
	if (confine_reader(folder, err) < 0)
		return err_wrap(err, "confine");
	if (tree_pack(folder, out, counts, err) < 0)
		return err_wrap(err, "volume %s", name);
	/* A full disk may be told as late as here. */
	if (out != STDOUT_FILENO && close(out) < 0)
		return err_sys(err, "%s", path);
	return 0;
}

int cmd_volume_export(int argc, char **argv)
{
	const char *output = "-";
	const struct cli_option options[] = { { "-o", "--output", NULL, &output } };
	int names = cli_options(argc, argv, options, 1);
	struct tree_counts counts;
	struct err err;

	if (names < 0)
		return CLI_USAGE;
	if (names != 1)
		return cli_usage(argv[0], "needs the name of one volume");
	if (!volume_is_here(argv[0]))
		return CLI_USAGE;
	if (export_volume(argv[1], output, &counts, &err) < 0)
		return cli_fail(argv[0], &err);
	if (counts.sockets_left_out || counts.devices_left_out)
		fprintf(stderr, "cleat volume export: left out: %llu sockets, %llu devices\n",
			(unsigned long long)counts.sockets_left_out,
			(unsigned long long)counts.devices_left_out);
	if (!counts.foreign_left_out)
		return CLI_OK;
	/* The rest is in the archive; but whoever moves a volume by it would lose these. */
	fprintf(stderr,
		"cleat volume export: left out: %llu files and folders (not what is in those) whose owner no container has: the first is %s; give them to 65000 (root in containers) and export again\n",
		(unsigned long long)counts.foreign_left_out, counts.foreign);
	return CLI_FAILED;
}

static int check_not_running(const char *name, struct err *err)
{
	struct volume_use use = { 0 };
	auto_buf who = BUF_INIT(300);
	int rc = volume_use_find(&use, CLEAT_CONTAINER_DIR, CLEAT_UNIT_DIR, CLEAT_VOLUME_DIR, err);

	if (rc == 0 && volume_use_has(&use, name, true)) {
		volume_use_write(&use, name, true, &who);
		rc = err_set(err, ERR_BUSY, "volume %s is used by %s: stop it first", name,
			     buf_str(&who));
	}
	volume_use_fini(&use);
	return rc;
}

/* What is there stays unless somebody says otherwise: half of two trees is neither. */
static int check_empty(int folder, const char *name, struct err *err)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_dir DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!list) {
		err_sys(err, "volume %s", name);
		close_fd(&fd);
		return -1;
	}
	while ((entry = readdir(list)))
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
			return err_set(
				err, ERR_INPUT,
				"volume %s is not empty: --replace puts the archive in its place",
				name);
	return 0;
}

static uint64_t free_bytes(int fd)
{
	struct statvfs fs;
	uint64_t bytes;

	if (fstatvfs(fd, &fs) < 0)
		return 0;
	bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	return bytes > RESERVE_BYTES ? bytes - RESERVE_BYTES : 0;
}

static int unpack_beside(int store, const char *name, int archive, struct layer_counts *counts,
			 struct err *err)
{
	auto_fd int staged = volume_store_stage(store, name, err);

	if (staged < 0)
		return -1;
	if (tree_unpack(archive, staged, free_bytes(store), counts, err) < 0 ||
	    check_not_running(name, err) < 0)
		return -1;
	return volume_store_commit(store, name, staged, err);
}

static int import_volume(const char *name, const char *path, bool replace,
			 struct layer_counts *counts, struct err *err)
{
	auto_fd int store = volume_store_open(CLEAT_VOLUME_DIR, false, err);
	auto_fd int folder = store < 0 ? -1 : open_folder(store, name, err);
	auto_fd int archive = -1, lock = -1;
	int rc;

	if (folder < 0)
		return -1;
	archive = str_eq(path, "-") ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) :
				      open(path, O_RDONLY | O_CLOEXEC);
	if (archive < 0)
		return err_sys(err, "%s", path);
	if (!replace && check_empty(folder, name, err) < 0)
		return -1;
	lock = volume_store_lock(store, name, err);
	if (lock < 0 || check_not_running(name, err) < 0)
		return -1;
	rc = unpack_beside(store, name, archive, counts, err);
	if (rc < 0)
		volume_store_unstage(store, name);
	return rc < 0 ? err_wrap(err, "volume %s", name) : 0;
}

int cmd_volume_import(int argc, char **argv)
{
	bool replace = false;
	const struct cli_option options[] = { { NULL, "--replace", &replace, NULL } };
	int names = cli_options(argc, argv, options, 1);
	struct layer_counts counts;
	struct err err;

	if (names < 0)
		return CLI_USAGE;
	if (names < 1 || names > 2)
		return cli_usage(argv[0], "needs the name of a volume, and FILE or -");
	if (!volume_is_here(argv[0]))
		return CLI_USAGE;
	if (import_volume(argv[1], names == 2 ? argv[2] : "-", replace, &counts, &err) < 0)
		return cli_fail(argv[0], &err);
	if (counts.devices_left_out || counts.sockets_left_out || counts.xattrs_left_out)
		fprintf(stderr,
			"cleat volume import: left out: %llu devices, %llu sockets, %llu extended attributes\n",
			(unsigned long long)counts.devices_left_out,
			(unsigned long long)counts.sockets_left_out,
			(unsigned long long)counts.xattrs_left_out);
	return CLI_OK;
}
