/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process that joins a container has that the first one has not: words of its own about
 * directory, environment and user, and a terminal. All of it runs inside, where everything that can
 * be opened by name may have been put there by an enemy.
 */
#include "runtime/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/path.h"

/* Of the container's own devpts: programs find their terminal by its name there (ttyname(3)). */
#define PTMX "/dev/pts/ptmx"
#define PTMX_MAJOR 5u
#define PTMX_MINOR 2u

void exec_put_variable(struct strings *env, const char *text)
{
	size_t len = strcspn(text, "=") + 1;

	for (size_t i = 0; i < env->count; i++)
		if (strncmp(env->items[i], text, len) == 0) {
			env->items[i] = text;
			return;
		}
	env->items[env->count++] = text;
}

int exec_own_environment(struct child *c, struct err *err)
{
	struct strings *env = &c->plan->env;
	size_t more = 0;
	const char **items;

	while (c->env && c->env[more])
		more++;
	items = plan_alloc(c->plan, env->count + more + 2, sizeof(*items), err);
	if (!items)
		return -1;
	if (env->count)
		memcpy(items, env->items, env->count * sizeof(*items));
	env->items = items;
	if (c->wants_terminal && !exec_has_variable(env, "TERM"))
		exec_put_variable(env, "TERM=xterm");
	for (size_t i = 0; i < more; i++)
		exec_put_variable(env, c->env[i]);
	if (c->cwd)
		c->plan->cwd = c->cwd;
	return 0;
}

/* podman's rule: root has what the container may have at most, others what was added for all. */
int exec_own_rights(struct child *c, struct err *err)
{
	uint64_t *caps = c->plan->caps;

	if (c->user) {
		uint64_t kept = c->id.uid == 0 ? caps[CAPS_BOUNDING] : caps[CAPS_AMBIENT];

		caps[CAPS_PERMITTED] = caps[CAPS_EFFECTIVE] = kept;
		caps[CAPS_INHERITABLE] = caps[CAPS_AMBIENT] = c->id.uid == 0 ? 0 : kept;
	}
	return privileges_ids_and_caps(c, err);
}

/* A link, a fifo, a file, another device: whatever the container put there instead is not used. */
static int open_ptmx(struct child *c, struct err *err)
{
	struct statfs fs;
	struct stat st;
	auto_fd int fd = path_open_in_root(c->root, PTMX, O_RDWR | O_NOCTTY | O_NONBLOCK, 0, err);

	if (fd < 0)
		return err_wrap(err, PTMX);
	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return err_sys(err, PTMX);
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(PTMX_MAJOR, PTMX_MINOR) ||
	    fs.f_type != DEVPTS_SUPER_MAGIC)
		return err_set(err, ERR_INPUT, "%s: the container has put something else there",
			       PTMX);
	return take_fd(&fd);
}

/* By descriptor, not by name: the name's file system may be another one by now. */
static int open_peer(int master, struct err *err)
{
	int unlock = 0, fd;

	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return err_sys(err, "TIOCSPTLCK");
	fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? err_sys(err, "TIOCGPTPEER") : fd;
}

static int become_terminal(const struct child *c, int peer, struct err *err)
{
	struct winsize size = { .ws_row = c->rows, .ws_col = c->columns };

	if (size.ws_row && size.ws_col && ioctl(peer, TIOCSWINSZ, &size) < 0)
		return err_sys(err, "TIOCSWINSZ");
	if (fchown(peer, c->id.uid, (gid_t)-1) < 0)
		return err_sys(err, "chown");
	if (ioctl(peer, TIOCSCTTY, 0) < 0)
		return err_sys(err, "TIOCSCTTY");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(peer, fd) < 0)
			return err_sys(err, "descriptor %d", fd);
	return 0;
}

int exec_terminal(struct child *c, struct err *err)
{
	const struct sync_message message = { .type = SYNC_TERMINAL };
	auto_fd int master = -1;
	auto_fd int peer = -1;

	if (!c->wants_terminal)
		return 0;
	master = open_ptmx(c, err);
	if (master < 0)
		return -1;
	peer = open_peer(master, err);
	if (peer < 0 || become_terminal(c, peer, err) < 0)
		return -1;
	return sync_send(c->sync, &message, master, err);
}
