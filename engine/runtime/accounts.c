/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A user and a group that are numbers unknown to the image get the lines that config.json has for
 * them, as with podman: a writable root in the files themselves, which are the container's own copies then, so that useradd
 * works; a read-only one as copies that are mounted over them. What the image has there was looked at by
 * identity.c, and nothing of the image runs yet. A layer is never written to.
 */
#include "runtime/child.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "runtime/kernel.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/path.h"
#include "util/str.h"

#define TEXT_MAX_BYTES (IDENTITY_FILE_MAX_BYTES + 8192)

static const char *const files[] = { "/etc/passwd", "/etc/group" };

static const char *line_of(const struct plan *plan, size_t file)
{
	return file == 0 ? plan->passwd_line : plan->group_line;
}

int plan_accounts_mounts(struct plan *plan, struct err *err)
{
	struct plan_mount *mounts;

	/* A bundle's own root is not ours to write to. */
	if (!plan->layers.count)
		plan->passwd_line = plan->group_line = NULL;
	if (!plan->root_read_only || (!plan->passwd_line && !plan->group_line))
		return 0;
	mounts = plan_alloc(plan, plan->mount_count + 2, sizeof(*mounts), err);
	if (!mounts)
		return -1;
	if (plan->mount_count)
		memcpy(mounts, plan->mounts, plan->mount_count * sizeof(*mounts));
	plan->mounts = mounts;
	for (size_t i = 0; i < 2; i++)
		if (line_of(plan, i))
			mounts[plan->mount_count++] =
				(struct plan_mount){ .kind = PLAN_MOUNT_ACCOUNTS,
						     .source = "line",
						     .target = files[i],
						     .data = "",
						     .tree = -1,
						     .staging = -1,
						     .staging_lock = -1 };
	return 0;
}

/* The image's last line may lack its end. */
static int add_line(struct buf *text, const char *line, uint32_t gid, struct err *err)
{
	const char *word = strstr(line, "$GID");

	if (text->len && text->data[text->len - 1] != '\n')
		buf_puts(text, "\n");
	for (; word; line = word + strlen("$GID"), word = strstr(line, "$GID")) {
		buf_add(text, line, (size_t)(word - line));
		buf_printf(text, "%u", gid);
	}
	buf_puts(text, line);
	buf_puts(text, "\n");
	return buf_check(text, "accounts", err);
}

static int append(struct child *c, const char *path, const char *text, size_t len, struct err *err)
{
	auto_fd int fd = path_open_in_root(c->root, path,
					   O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY, 0, err);

	if (fd < 0 && err->code == ERR_NOT_FOUND)
		fd = mounts_make_target(c->root, path, false, err);
	return fd < 0 ? -1 : file_write_all(fd, text, len, err);
}

static struct plan_mount *find_mount(struct plan *plan, const char *path)
{
	for (size_t i = 0; i < plan->mount_count; i++)
		if (plan->mounts[i].kind == PLAN_MOUNT_ACCOUNTS &&
		    str_eq(plan->mounts[i].target, path))
			return &plan->mounts[i];
	return NULL;
}

/* podman's flags of it on a read-only root */
static int make_copy(struct child *c, const char *path, const struct buf *text, struct err *err)
{
	struct plan_mount *mount = find_mount(c->plan, path);
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
					       MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC };
	const char *name = strrchr(path, '/') + 1;
	auto_fd int fd = -1;

	if (!mount)
		return err_set(err, ERR_BUG, "there is no mount for it");
	if (root_need_staging(c, err) < 0)
		return -1;
	fd = openat(c->staging, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(err, "staging: create");
	if (file_write_all(fd, buf_str(text), text->len, err) < 0)
		return -1;
	mount->tree = kernel_open_tree(c->staging, name, 0);
	if (mount->tree < 0)
		return err_sys(err, "open_tree");
	return kernel_mount_setattr(mount->tree, 0, &attr) < 0 ? err_sys(err, "mount_setattr") : 0;
}

static int add(struct child *c, const char *path, const char *line, struct buf *text,
	       struct err *err)
{
	size_t before;

	if (identity_read(c->root, path, text, err) < 0)
		return -1;
	before = text->len;
	if (add_line(text, line, c->id.gid, err) < 0)
		return -1;
	if (c->plan->root_read_only)
		return make_copy(c, path, text, err);
	return append(c, path, text->data + before, text->len - before, err);
}

int accounts_add(struct child *c, struct err *err)
{
	const bool is_lacking[] = { c->id.lacks_user, c->id.lacks_group };

	for (size_t i = 0; i < 2; i++) {
		auto_buf text = BUF_INIT(TEXT_MAX_BYTES);
		const char *line = line_of(c->plan, i);

		if (!line || !is_lacking[i])
			continue;
		if (add(c, files[i], line, &text, err) < 0)
			return err_wrap(err, "%s", files[i]);
		if (i == 0)
			identity_take_home(&text, &c->id);
	}
	return 0;
}
