/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat boot config": /config is always one tree, from the first source that has one (README.md has the table). Done by a step of the boot, and
 * again by the engine when a disk comes or keys change: what is there stays. Must never write to what somebody else made.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/boot.h"
#include "boot/config_internal.h"
#include "boot/guest.h"
#include "boot/modules.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/path.h"
#include "util/places.h"
#include "util/str.h"

#define NOTE "config"
#define NOTE_DISK "config-disk"	    /* what is wrong on a cidata disk or in fw_cfg */
#define NOTE_UNUSED "config-unused" /* sources that another one hides */
#define NOCLOUD_MOUNT CLEAT_RUN_DIR "/cidata"
#define MOUNTINFO_MAX_BYTES (1024 * 1024)

struct boot_config {
	bool is_machine;
	bool is_late;	 /* asked by the engine: keys are in the tree already, or a disk has come */
	bool wants_tree; /* nothing better has been found yet */
	char source[160]; /* what /config is from now; "": nothing yet */
	struct config_problems disk;
	struct err first; /* of what went wrong on the way */
};

static void remember(struct boot_config *c, const struct err *err)
{
	if (c->first.code == ERR_NONE)
		c->first = *err;
}

/* --- what is there already -------------------------------------------------------------------------------------------------------- */

static bool is_empty(const char *path)
{
	auto_dir DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, "..") &&
		    !str_eq(entry->d_name, "lost+found"))
			return false;
	return true;
}

static bool is_ours(void)
{
	struct stat config, made;

	return stat(CLEAT_CONFIG_DIR, &config) == 0 && stat(CLEAT_CONFIG_MADE, &made) == 0 &&
	       config.st_dev == made.st_dev && config.st_ino == made.st_ino;
}

/* Of the topmost mount on /config, "MAJOR:MINOR" as the kernel writes it in a line "36 35 98:0 /root /mount ...". */
static bool find_device(char *out, size_t size)
{
	auto_buf text = BUF_INIT(MOUNTINFO_MAX_BYTES);
	bool is_found = false;
	struct err err;
	char *rest, *line;

	if (file_read_at(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX_BYTES, &text, &err) < 0 ||
	    !text.len)
		return false;
	for (rest = text.data; (line = strsep(&rest, "\n"));) {
		char *words[5], *at = line;
		unsigned n = 0;

		while (n < 5 && (words[n] = strsep(&at, " ")))
			n++;
		if (n == 5 && str_eq(words[4], CLEAT_CONFIG_DIR))
			is_found = str_copy(out, size, words[2]);
	}
	return is_found;
}

/* A disk that was pulled leaves its mount behind, on which nothing can be read. */
static void drop_dead_disk(struct boot_config *c)
{
	char device[32], path[64];

	if (!c->is_machine || !path_is_mount(CLEAT_CONFIG_DIR, 0) ||
	    !find_device(device, sizeof(device)) || str_starts(device, "0:"))
		return;
	snprintf(path, sizeof(path), "/sys/dev/block/%s", device);
	if (access(path, F_OK) < 0 && errno == ENOENT && umount2(CLEAT_CONFIG_DIR, MNT_DETACH) == 0)
		fprintf(stderr, "%s: its disk is gone\n", CLEAT_CONFIG_DIR);
}

/* --- machines -------------------------------------------------------------------------------------------------------------------- */

/* Asking costs a process a tag, and a line of the kernel's: only where there is such a device. */
static bool has_virtiofs(void)
{
	auto_dir DIR *dir = opendir("/sys/bus/virtio/drivers/virtiofs");
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (str_starts(entry->d_name, "virtio"))
			return true;
	return false;
}

static bool try_virtiofs(struct boot_config *c)
{
	static const char *const tags[] = { "config", "cleat" };

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		struct config_mount m = { "virtiofs", tags[i], CLEAT_CONFIG_DIR, 0 };
		struct err err;

		if (config_mount_run(&m, &err) == 0) {
			snprintf(c->source, sizeof(c->source), "virtiofs tag %s", tags[i]);
			return true;
		}
		if (err.code == ERR_UNSUPPORTED)
			return false; /* a kernel without it has no such device either */
		if (err.code != ERR_NOT_FOUND)
			remember(c, &err);
	}
	return false;
}

static bool try_config_disk(void *arg, const struct disk *disk)
{
	struct config_mount m = { disk_fs_name(disk->label.fs), disk->device, CLEAT_CONFIG_DIR, 0 };
	struct boot_config *c = arg;
	struct err err;

	if (disk->label.fs == DISK_FS_NONE || !str_eq(disk->label.text, "CLEAT"))
		return false;
	if (config_mount_run(&m, &err) < 0) {
		remember(c, &err);
		return false;
	}
	snprintf(c->source, sizeof(c->source), "%s (label CLEAT)", disk->device);
	return true;
}

/* cloud-init takes both spellings; vfat keeps capitals only. */
static bool is_cidata(const struct disk *disk)
{
	return (disk->label.fs == DISK_FS_VFAT || disk->label.fs == DISK_FS_ISO9660) &&
	       (str_eq(disk->label.text, "cidata") || str_eq(disk->label.text, "CIDATA"));
}

/* Attached while it is read; images/ is large and stays on the disk. */
static void take_cidata(struct boot_config *c, const struct disk *disk)
{
	struct config_mount m = { disk_fs_name(disk->label.fs), disk->device, NOCLOUD_MOUNT, 0 };
	struct config_tree tree = { .dir = -1 };
	bool has_images, is_used = false;
	auto_fd int root = -1;
	struct err err;

	if (path_mkdirs(NOCLOUD_MOUNT, 0755, &err) < 0 || config_mount_run(&m, &err) < 0) {
		remember(c, &err);
		return;
	}
	root = open(NOCLOUD_MOUNT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	has_images = faccessat(root, "images", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	if (nocloud_take_facts(root, CLEAT_NOCLOUD_DIR, &c->disk, &err) < 0)
		remember(c, &err);
	if (c->wants_tree && (config_tree_open(&tree, CLEAT_CONFIG_MADE, 0, &err) < 0 ||
			      config_copy(&tree, root, true, &c->disk, &err) < 0 ||
			      config_tree_finish(&tree, &err) < 0))
		remember(c, &err);
	is_used = c->wants_tree && (tree.unit_count || has_images ||
				    faccessat(tree.dir, "appliance.ini", F_OK, 0) == 0);
	if (is_used && has_images &&
	    (path_mkdirs(CLEAT_CONFIG_MADE "/images", 0755, &err) < 0 ||
	     config_bind(NOCLOUD_MOUNT "/images", CLEAT_CONFIG_MADE "/images", &err) < 0))
		remember(c, &err);
	close_fd(&root);
	umount2(NOCLOUD_MOUNT, MNT_DETACH); /* a bind of images/ keeps what it needs */
	if (is_used)
		snprintf(c->source, sizeof(c->source), "%s (label %s)", disk->device,
			 disk->label.text);
	config_tree_close(&tree);
}

static bool try_cidata(void *arg, const struct disk *disk)
{
	if (!is_cidata(disk))
		return false;
	take_cidata(arg, disk);
	return true;
}

/* Its module lists all that the firmware was given, which under emulation takes as long as loading five others: it comes when nothing else
 * has a configuration, and at the boot only, because the engine's children may not load any. */
static void try_fw_cfg(struct boot_config *c)
{
	static const char *const modules[] = { "qemu_fw_cfg", NULL };
	struct config_tree tree;
	struct err err;
	int count = 0;

	if (!c->is_late && modules_load_named(modules, &err) < 0)
		remember(c, &err);
	if (access(FW_CFG_DIR, F_OK) < 0)
		return;
	if (config_tree_open(&tree, CLEAT_CONFIG_MADE, 0, &err) < 0 ||
	    (count = fw_cfg_take(&tree, FW_CFG_DIR, &c->disk, &err)) < 0 ||
	    (count > 0 && config_tree_finish(&tree, &err) < 0))
		remember(c, &err);
	if (tree.count)
		snprintf(c->source, sizeof(c->source), "fw_cfg, %u file%s", tree.count,
			 tree.count == 1 ? "" : "s");
	config_tree_close(&tree);
}

static void bind_made(struct boot_config *c)
{
	struct err err;

	if (config_bind(CLEAT_CONFIG_MADE, CLEAT_CONFIG_DIR, &err) == 0)
		return;
	c->source[0] = '\0';
	remember(c, &err);
}

static void look_at_disks(struct boot_config *c, disk_fn *fn)
{
	struct err err;

	if (disk_each(DISK_SYS, DISK_DEV, fn, c, &err) < 0)
		remember(c, &err);
}

/* A cidata disk is looked at in any case: it says what this machine is called, and how its network is. */
static void take_machine(struct boot_config *c, bool is_used)
{
	if (!is_used && !(has_virtiofs() && try_virtiofs(c)))
		look_at_disks(c, try_config_disk);
	c->wants_tree = !is_used && !c->source[0];
	look_at_disks(c, try_cidata);
	if (c->wants_tree && !c->source[0])
		try_fw_cfg(c);
	if (c->wants_tree && c->source[0])
		bind_made(c);
}

/* --- containers ------------------------------------------------------------------------------------------------------------------- */

static bool has_keys(void)
{
	return access(CLEAT_CONFIG_MADE "/appliance.ini", F_OK) == 0 ||
	       !is_empty(CLEAT_CONFIG_MADE "/units");
}

static void say_unused(bool is_hidden)
{
	struct err err;

	if (boot_note(
		    NOTE_UNUSED, 1,
		    is_hidden ? CLEAT_CONFIG_DIR
			    ": keys user.quadlet.* and user.cleat.* are not used: it is a mount, or has files" :
				"",
		    &err) < 0)
		fprintf(stderr, "%s\n", err.msg);
}

static void take_container(struct boot_config *c, bool is_used)
{
	struct err err;

	if (!c->is_late && !is_used && guest_sync_once(CLEAT_CONFIG_MADE, &err) < 0)
		remember(c, &err);
	say_unused(is_used && !is_ours() && has_keys());
	if (is_used || !has_keys())
		return;
	str_copy(c->source, sizeof(c->source), "keys of the container");
	bind_made(c);
}

/* A later look at a machine that has its configuration takes nothing back of what the first one had to say. */
static void leave_notes(struct boot_config *c, bool is_used)
{
	auto_buf note = BUF_INIT(sizeof(c->first.msg) + sizeof(CLEAT_CONFIG_DIR));
	struct err err;

	if (c->is_machine && !is_used)
		config_problems_note(&c->disk, NOTE_DISK);
	if (c->is_machine && is_used && c->first.code == ERR_NONE)
		return;
	if (c->first.code != ERR_NONE)
		buf_printf(&note, CLEAT_CONFIG_DIR ": %s", c->first.msg);
	/* what was passed over matters less than that there is nothing */
	if (boot_note(NOTE, is_used || c->source[0] ? 1 : 2, buf_str(&note), &err) < 0)
		fprintf(stderr, "%s\n", err.msg);
}

int boot_config(int argc, char **argv)
{
	const char *world = getenv("CLEAT_WORLD");
	struct boot_config c = { .disk.text = BUF_INIT(CONFIG_MAX_PROBLEMS_BYTES) };
	bool is_used;

	umask(022);
	c.is_machine = world && str_eq(world, "machine");
	c.is_late = argc > 1 && str_eq(argv[1], "late");
	if (mkdir(CLEAT_CONFIG_DIR, 0755) < 0 && errno != EEXIST)
		err_sys(&c.first, "%s", CLEAT_CONFIG_DIR);
	drop_dead_disk(&c);
	is_used = path_is_mount(CLEAT_CONFIG_DIR, 0) || !is_empty(CLEAT_CONFIG_DIR);
	if (c.is_machine)
		take_machine(&c, is_used);
	else
		take_container(&c, is_used);
	if (!is_used && c.source[0])
		fprintf(stderr, "%s: %s\n", CLEAT_CONFIG_DIR, c.source);
	leave_notes(&c, is_used);
	buf_fini(&c.disk.text);
	if (c.first.code == ERR_NONE)
		return 0;
	fprintf(stderr, "%s: %s\n", CLEAT_CONFIG_DIR, c.first.msg);
	return 1;
}
