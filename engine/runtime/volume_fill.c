/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes, the half inside: only here is to be seen what the image has at a mount point, and only as the container's root do owners
 * come out right. Before the first mount: the image as it is. Must never see a volume's folder itself, only the one beside it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/child.h"
#include "util/cleanup.h"
#include "util/path.h"

/* podman: a mount point that the image does not have belongs to the container's user. */
static int give_to_user(const struct child *c, int dir, struct err *err)
{
	if (fchown(dir, c->id.uid, c->id.gid) < 0 || fchmod(dir, 0755) < 0)
		return err_sys(err, "owner and mode");
	return 0;
}

static int dress_as(int dir, int like, struct err *err)
{
	struct stat st;

	if (fstat(like, &st) < 0)
		return err_sys(err, "stat");
	if (fchown(dir, st.st_uid, st.st_gid) < 0 || fchmod(dir, st.st_mode & 07777) < 0)
		return err_sys(err, "owner and mode");
	return 0;
}

static int fill(const struct child *c, const struct plan_mount *mount, struct err *err)
{
	auto_fd int to = openat(mount->staging, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_fd int from = -1;

	if (to < 0)
		return err_sys(err, "open");
	if (mount->is_missing)
		return give_to_user(c, to, err);
	from = path_open_in_root(c->root, mount->target, O_RDONLY | O_DIRECTORY, 0, err);
	if (from < 0 && err->code == ERR_NOT_FOUND)
		return give_to_user(c, to, err);
	if (from < 0)
		return -1;
	if (mount->copy_content && copyup_tree(c, from, to, err) < 0)
		return -1;
	return dress_as(to, from, err);
}

static bool is_asked_for(const struct plan_mount *mount)
{
	return mount->kind == PLAN_MOUNT_BIND &&
	       (mount->tree < 0 || mount->change_owner || (mount->volume && mount->staging >= 0));
}

static int receive_made(struct child *c, struct err *err)
{
	struct sync_message message;

	for (size_t i = 0; i < c->plan->mount_count; i++) {
		struct plan_mount *mount = &c->plan->mounts[i];

		if (mount->kind != PLAN_MOUNT_BIND || mount->tree >= 0)
			continue;
		if (sync_receive(c->sync, &message, &mount->tree, err) < 0)
			return -1;
		if (message.type != SYNC_VOLUME || mount->tree < 0)
			return err_set(err, ERR_BUSY, "%s: was not made", mount->source);
	}
	if (sync_receive(c->sync, &message, NULL, err) < 0)
		return -1;
	if (message.type != SYNC_READY)
		return err_set(err, ERR_BUSY, "whoever started this process is gone");
	return 0;
}

int volumes_prepare(struct child *c, struct err *err)
{
	struct plan *plan = c->plan;
	struct sync_message message = { .type = SYNC_VOLUMES,
					.inside_uid = c->id.uid,
					.inside_gid = c->id.gid };
	bool is_asked = false;

	for (size_t i = 0; i < plan->mount_count; i++) {
		const struct plan_mount *mount = &plan->mounts[i];

		is_asked |= is_asked_for(mount);
		if (mount->volume && mount->staging >= 0 && fill(c, mount, err) < 0)
			return err_wrap(err, "%s: first use: %s", mount->source, mount->target);
	}
	if (!is_asked)
		return 0;
	/* Sources are made outside, for a user that only the image's passwd knows. */
	plan_id_outside(plan->uid_map, plan->uid_map_count, c->id.uid, &message.uid);
	plan_id_outside(plan->gid_map, plan->gid_map_count, c->id.gid, &message.gid);
	if (sync_send(c->sync, &message, -1, err) < 0)
		return -1;
	return receive_made(c, err);
}
