/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's root. From layers: an overlay of the layers alone (read-only), or with a tmpfs
 * of bounded size on top (writable, gone with the container); a single layer that has every
 * mount point is bound as it is. From root.path (plain OCI bundle): a bind. All of it is mounted
 * by the container's own root inside its own mount namespace, on top of the old "/", and nothing
 * is ever written to a layer.
 */
#include "runtime/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/kernel.h"
#include "util/buf.h"
#include "util/cleanup.h"

/* Directories of mount points, and copies of passwd and group (accounts.c); nothing else is ever written there. */
#define SKELETON_BYTES "4194304"
#define SKELETON_INODES "4096"

/* Old root, staging; more would be somebody's mistake. */
#define MAX_STACKED_MOUNTS 4

/* overlayfs: one page of options is all that mount(2) hands on. */
#define OVERLAY_OPTIONS_MAX 4095

/* Opened here and not by start.c: overlayfs takes only directories of the mount namespace it is
 * mounted in. */
int root_open_layers(struct child *c, struct err *err)
{
	const struct strings *layers = &c->plan->layers;

	for (size_t i = 0; i < layers->count; i++) {
		c->layers[i] =
			open(layers->items[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (c->layers[i] < 0)
			return err_sys(err, "%s", layers->items[i]);
	}
	return 0;
}

static int attach_over(int mount, const char *place, struct err *err)
{
	auto_fd int directory = openat(AT_FDCWD, place, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (directory < 0)
		return err_sys(err, "%s", place);
	if (kernel_move_mount(mount, directory) < 0)
		return err_sys(err, "move_mount");
	return 0;
}

/* On top of the old root: relative to nothing, and out of everybody's way. */
static int attach_over_root(int mount, struct err *err)
{
	return attach_over(mount, "/", err);
}

/* Where nothing is looked for by its name any more: then it goes with the old root in one piece, and the kernel waits for all processors once instead
 * of twice. */
static int attach_staging(int mount, struct err *err)
{
	if (attach_over(mount, "/run", err) == 0)
		return 0;
	return err->code == ERR_NOT_FOUND ? attach_over_root(mount, err) : -1;
}

static int make_staging(struct child *c, struct err *err)
{
	char size[24], inodes[24];
	uint64_t bytes = c->plan->root_upper_bytes;
	auto_fd int fs = kernel_fsopen("tmpfs");

	if (fs < 0)
		return err_sys(err, "tmpfs: fsopen");
	snprintf(size, sizeof(size), "%llu", (unsigned long long)bytes);
	/* Inodes cost kernel memory that size= does not count: one for each 2 KiB, and some. */
	snprintf(inodes, sizeof(inodes), "%llu", (unsigned long long)(bytes / 2048 + 4096));
	if (kernel_fsconfig_string(fs, "size", bytes ? size : SKELETON_BYTES) < 0 ||
	    kernel_fsconfig_string(fs, "nr_inodes", bytes ? inodes : SKELETON_INODES) < 0 ||
	    kernel_fsconfig_string(fs, "mode", "0755") < 0 || kernel_fsconfig_create(fs) < 0)
		return err_sys(err, "tmpfs: fsconfig");
	c->staging = kernel_fsmount(fs, 0);
	if (c->staging < 0)
		return err_sys(err, "tmpfs: fsmount");
	return attach_staging(c->staging, err);
}

int root_need_staging(struct child *c, struct err *err)
{
	return c->staging >= 0 ? 0 : make_staging(c, err);
}

static int make_dir(int parent, const char *name, struct err *err)
{
	if (mkdirat(parent, name, 0755) < 0)
		return err_sys(err, "staging: %s: mkdir", name);
	return 0;
}

/* Top first, as overlayfs wants it. */
static int lower_option(const struct child *c, bool skeleton, struct buf *out, struct err *err)
{
	buf_puts(out, "lowerdir=");
	if (skeleton)
		buf_printf(out, "/proc/self/fd/%d/skeleton:", c->staging);
	for (size_t i = c->plan->layers.count; i > 0; i--)
		buf_printf(out, "/proc/self/fd/%d%s", c->layers[i - 1], i > 1 ? ":" : "");
	/* The namespace's root cannot write trusted.* attributes, and must not read them. */
	buf_puts(out, ",userxattr");
	return buf_check(out, "overlay options", err);
}

static int overlay_refused(const struct child *c, struct err *err)
{
	int number = errno;

	if (number == ENODEV)
		return err_errno(err, number, "overlay: the kernel's module overlay is not loaded");
	if (number == EPERM)
		return err_errno(err, number,
				 "overlay: the host forbids it, allow nesting for this machine");
	return err_errno(err, number, "overlay of %zu layers", c->plan->layers.count);
}

/* Mounts the overlay on staging/NAME; returns its top directory. */
static int mount_overlay(const struct child *c, const char *name, const char *options,
			 unsigned long flags, struct err *err)
{
	char target[64];
	int fd;

	if (make_dir(c->staging, name, err) < 0)
		return -1;
	snprintf(target, sizeof(target), "/proc/self/fd/%d/%s", c->staging, name);
	if (kernel_mount("overlay", target, "overlay", flags, options) < 0)
		return overlay_refused(c, err);
	fd = openat(c->staging, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "overlay: open");
	return fd;
}

static int make_upper(const struct child *c, struct err *err)
{
	auto_fd int upper = -1;

	if (make_dir(c->staging, "upper", err) < 0 || make_dir(c->staging, "work", err) < 0)
		return -1;
	upper = openat(c->staging, "upper", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (upper < 0)
		return err_sys(err, "staging: upper");
	return skeleton_copy_top(c->layers[c->plan->layers.count - 1], upper, err);
}

static int overlay_writable(struct child *c, struct err *err)
{
	auto_buf options = BUF_INIT(OVERLAY_OPTIONS_MAX);

	if (make_staging(c, err) < 0 || make_upper(c, err) < 0 ||
	    lower_option(c, false, &options, err) < 0)
		return -1;
	buf_printf(&options, ",upperdir=/proc/self/fd/%d/upper,workdir=/proc/self/fd/%d/work",
		   c->staging, c->staging);
	if (buf_check(&options, "overlay options", err) < 0)
		return -1;
	c->root = mount_overlay(c, "root", buf_str(&options), 0, err);
	return c->root < 0 ? -1 : 0;
}

static int overlay_lower(const struct child *c, const char *name, bool skeleton, struct err *err)
{
	auto_buf options = BUF_INIT(OVERLAY_OPTIONS_MAX);

	if (lower_option(c, skeleton, &options, err) < 0)
		return -1;
	return mount_overlay(c, name, buf_str(&options), MS_RDONLY, err);
}

/* Mount points that the image does not have come as one more layer on top of it. */
static int overlay_with_skeleton(struct child *c, int view, struct err *err)
{
	auto_fd int skeleton = -1;

	if (root_need_staging(c, err) < 0)
		return -1;
	if (make_dir(c->staging, "skeleton", err) < 0)
		return -1;
	skeleton = openat(c->staging, "skeleton", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (skeleton < 0)
		return err_sys(err, "staging: skeleton");
	if (skeleton_fill(c, view, skeleton, err) < 0)
		return -1;
	c->root = overlay_lower(c, "root", true, err);
	return c->root < 0 ? -1 : 0;
}

static int bind_layer(struct child *c, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	c->root = kernel_open_tree(c->layers[0], "", AT_EMPTY_PATH);
	if (c->root < 0)
		return err_sys(err, "%s: open_tree", c->plan->layers.items[0]);
	if (kernel_mount_setattr(c->root, 0, &attr) < 0)
		return err_sys(err, "%s: mount_setattr", c->plan->layers.items[0]);
	return attach_over_root(c->root, err);
}

/* Whoever may mount inside could take the bind's read-only flag back and write to the store, which
 * belongs to the containers' root; an overlay without an upper directory stays what it is. */
static bool may_remount(const struct plan *plan)
{
	return plan->caps[CAPS_BOUNDING] & (UINT64_C(1) << CAP_SYS_ADMIN);
}

static int one_layer(struct child *c, struct err *err)
{
	if (may_remount(c->plan) || skeleton_is_needed(c, c->layers[0]))
		return overlay_with_skeleton(c, c->layers[0], err);
	return bind_layer(c, err);
}

static int many_layers(struct child *c, struct err *err)
{
	if (make_staging(c, err) < 0)
		return -1;

	auto_fd int image = overlay_lower(c, "image", false, err);

	if (image < 0)
		return -1;
	if (skeleton_is_needed(c, image))
		return overlay_with_skeleton(c, image, err);
	c->root = take_fd(&image);
	return 0;
}

int root_build(struct child *c, struct err *err)
{
	/* The copy of the old tree must neither hear of the appliance's mounts nor tell it of
	 * ours. */
	if (kernel_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(err, "/: private");
	if (c->plan->layers.count == 0)
		return attach_over_root(c->root, err);
	if (!c->plan->root_read_only)
		return overlay_writable(c, err);
	return c->plan->layers.count == 1 ? one_layer(c, err) : many_layers(c, err);
}

int root_make_read_only(struct child *c, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	if (c->plan->root_read_only && kernel_mount_setattr(c->root, 0, &attr) < 0)
		return err_sys(err, "mount_setattr");
	return 0;
}

/*
 * After pivot_root(".", ".") the old root lies on top of the new one, and on top of it what
 * attach_over_root() put there; umount(".") takes the topmost. "/.." names the topmost too, for
 * us as for any program that comes later: the way out is closed when it is the root itself, and
 * not before.
 */
static int detach_old_root(int root, struct err *err)
{
	uint64_t ours = kernel_mount_id(root, "", AT_EMPTY_PATH);

	for (int i = 0; i < MAX_STACKED_MOUNTS; i++) {
		uint64_t top = kernel_mount_id(AT_FDCWD, "/..", 0);

		if (ours == 0 || top == 0)
			return err_sys(err, "statx");
		if (top == ours)
			return 0;
		if (kernel_umount_detach(".") < 0)
			return err_sys(err, "umount");
	}
	return err_set(err, ERR_BUG, "the old root does not go away");
}

int root_pivot(struct child *c, struct err *err)
{
	if (fchdir(c->root) < 0)
		return err_sys(err, "fchdir");
	if (kernel_pivot_root(".", ".") < 0)
		return err_sys(err, "pivot_root");
	if (detach_old_root(c->root, err) < 0)
		return -1;
	if (chdir("/") < 0)
		return err_sys(err, "chdir");
	return 0;
}
