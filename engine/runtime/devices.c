/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev of a container. A user namespace cannot make device nodes, so the appliance's own are
 * bound, one by one; the links are those that programs expect (OCI runtime specification,
 * "Default Devices").
 */
#include "runtime/child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "runtime/kernel.h"
#include "util/cleanup.h"
#include "util/path.h"
#include "util/str.h"

static const char *const default_devices[] = {
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
};

static const struct {
	const char *name, *target;
} links[] = {
	{ "fd", "/proc/self/fd" },	 { "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
	{ "core", "/proc/kcore" },	 { "ptmx", "pts/ptmx" },
};

bool devices_wanted(const struct plan *plan)
{
	for (size_t i = 0; i < plan->mount_count; i++)
		if (plan->mounts[i].kind == PLAN_MOUNT_TMPFS &&
		    str_eq(plan->mounts[i].target, "/dev"))
			return true;
	return false;
}

/* The appliance's node: a copy of the mount that shows it, with nothing else below. */
static int open_node(const struct plan_device *device, struct err *err)
{
	auto_fd int tree = kernel_open_tree(AT_FDCWD, device->path, AT_SYMLINK_NOFOLLOW);
	struct stat st;

	if (tree < 0)
		return err_sys(err, "open_tree");
	if (fstat(tree, &st) < 0)
		return err_sys(err, "fstat");
	if (!S_ISCHR(st.st_mode))
		return err_set(err, ERR_INPUT, "not a character device of the appliance");
	if (device->check && st.st_rdev != makedev(device->major, device->minor))
		return err_set(err, ERR_INPUT, "the appliance's is %u:%u, not %u:%u",
			       major(st.st_rdev), minor(st.st_rdev), device->major, device->minor);
	return take_fd(&tree);
}

/* The directory of the last one, which mostly is that of the next. */
struct directory {
	int fd; /* owned; -1: there was none yet */
	char path[PATH_MAX];
};

static void directory_close(struct directory *d)
{
	close_fd(&d->fd);
}

static int enter(int root, struct directory *d, const char *device, struct err *err)
{
	size_t len = (size_t)(strrchr(device, '/') - device);

	if (len >= sizeof(d->path))
		return err_set(err, ERR_LIMIT, "path is too long");
	if (d->fd >= 0 && strncmp(d->path, device, len) == 0 && d->path[len] == '\0')
		return 0;
	directory_close(d);
	memcpy(d->path, device, len);
	d->path[len] = '\0';
	d->fd = path_mkdirs_in_root(root, d->path, 0755, err);
	return d->fd < 0 ? -1 : 0;
}

static int bind_device(int root, struct directory *dir, const struct plan_device *device,
		       struct err *err)
{
	auto_fd int tree = open_node(device, err);

	if (tree < 0 || enter(root, dir, device->path, err) < 0)
		return -1;

	auto_fd int node = openat(dir->fd, strrchr(device->path, '/') + 1,
				  O_CREAT | O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (node < 0)
		return err_sys(err, "create");
	return kernel_move_mount(tree, node) < 0 ? err_sys(err, "move_mount") : 0;
}

static bool is_default(const char *path)
{
	for (size_t i = 0; i < sizeof(default_devices) / sizeof(default_devices[0]); i++)
		if (str_eq(default_devices[i], path))
			return true;
	return false;
}

static int make_links(int root, struct err *err)
{
	auto_fd int dev = path_open_in_root(root, "/dev", O_PATH | O_DIRECTORY, 0, err);

	if (dev < 0)
		return -1;
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlinkat(links[i].target, dev, links[i].name) < 0 && errno != EEXIST)
			return err_sys(err, "/dev/%s: symlink", links[i].name);
	return 0;
}

int devices_make(struct child *c, struct err *err)
{
	__attribute__((cleanup(directory_close))) struct directory dir = { .fd = -1 };

	if (!devices_wanted(c->plan)) {
		if (c->plan->device_count)
			return err_set(err, ERR_INPUT, "devices need a tmpfs on /dev");
		return 0;
	}
	for (size_t i = 0; i < sizeof(default_devices) / sizeof(default_devices[0]); i++) {
		struct plan_device device = { .path = default_devices[i] };

		if (bind_device(c->root, &dir, &device, err) < 0)
			return err_wrap(err, "%s", device.path);
	}
	for (size_t i = 0; i < c->plan->device_count; i++)
		if (!is_default(c->plan->devices[i].path) &&
		    bind_device(c->root, &dir, &c->plan->devices[i], err) < 0)
			return err_wrap(err, "%s", c->plan->devices[i].path);
	return make_links(c->root, err);
}
