/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets. The file system for them is made outside, because only there "noswap" is to be had; it
 * is filled inside, so that the container's cgroup pays for it. Must never put a value into an
 * error, nor into memory that another process than the container's own has.
 */
#include "runtime/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/kernel.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/path.h"
#include "util/str.h"

/* The kernel's MAX_ARG_STRLEN: 32 pages for one string, its end counted. */
#define VARIABLE_MAX_BYTES (128u * 1024)

/* --- the plan --- */

/* Next field of a line, which is cut up; NULL: there is none. */
static char *next_field(char **rest)
{
	char *field = *rest;
	size_t len;

	if (!field)
		return NULL;
	len = strcspn(field, ",");
	*rest = field[len] ? field + len + 1 : NULL;
	field[len] = '\0';
	return field;
}

static int read_file_fields(struct plan_secret *s, char **rest, struct err *err)
{
	const char *uid = next_field(rest), *gid = next_field(rest), *mode = next_field(rest);
	uint64_t numbers[2];

	if (!mode || !str_to_u64(uid, UINT32_MAX - 1, &numbers[0]) ||
	    !str_to_u64(gid, UINT32_MAX - 1, &numbers[1]) || !str_to_mode(mode, &s->mode) ||
	    s->mode > 0777)
		return err_set(err, ERR_INPUT, "owner or mode is missing or none");
	s->uid = (uint32_t)numbers[0];
	s->gid = (uint32_t)numbers[1];
	return 0;
}

static int check_target(const struct plan_secret *s, struct err *err)
{
	char clean[4096];

	if (!s->target || !s->target[0])
		return err_set(err, ERR_INPUT, "it has no target");
	if (s->is_env && strchr(s->target, '='))
		return err_set(err, ERR_INPUT, "\"%s\" is no variable's name", s->target);
	if (!s->is_env && (s->target[0] != '/' || !path_clean(s->target, clean, sizeof(clean)) ||
			   !str_eq(s->target, clean) || str_eq(clean, "/")))
		return err_set(err, ERR_INPUT, "\"%s\" is not the absolute path of a file",
			       s->target);
	return 0;
}

/* "env,NAME,VARIABLE", "mount,NAME,UID,GID,MODE,PATH": names hold no commas, the last field may. */
static int read_line(struct plan_secret *s, char *line, struct err *err)
{
	char *rest = line;
	const char *kind = next_field(&rest);

	*s = (struct plan_secret){ .file = { .fd = -1 } };
	s->name = next_field(&rest);
	if (!s->name || !secret_name_is_valid(s->name))
		return err_set(err, ERR_INPUT, "it has no name of a secret");
	s->is_env = str_eq(kind, "env");
	if (!s->is_env && !str_eq(kind, "mount"))
		return err_set(err, ERR_INPUT, "\"%s\" is neither env nor mount", kind);
	if (!s->is_env && read_file_fields(s, &rest, err) < 0)
		return -1;
	s->target = rest;
	return check_target(s, err);
}

int plan_secrets(struct plan *plan, yyjson_val *value, struct err *err)
{
	const char *text;
	size_t count = 1;
	char *line;

	if (plan_str(value, &text, err) < 0)
		return -1;
	for (const char *p = text; *p; p++)
		count += *p == '\n';
	if (count > PLAN_MAX_SECRETS)
		return err_set(err, ERR_LIMIT, "%zu secrets, at most %d are allowed", count,
			       PLAN_MAX_SECRETS);
	line = plan_alloc(plan, strlen(text) + 1, 1, err);
	plan->secrets = plan_alloc(plan, count, sizeof(*plan->secrets), err);
	if (!line || !plan->secrets)
		return -1;
	memcpy(line, text, strlen(text) + 1);
	while (plan->secret_count < count) {
		size_t len = strcspn(line, "\n");

		line[len] = '\0';
		if (read_line(&plan->secrets[plan->secret_count], line, err) < 0)
			return err_wrap(err, "line %zu", plan->secret_count + 1);
		plan->secret_count++;
		line += len + 1;
	}
	return 0;
}

static size_t count_files(const struct plan *plan)
{
	size_t files = 0;

	for (size_t i = 0; i < plan->secret_count; i++)
		files += !plan->secrets[i].is_env;
	return files;
}

int plan_secrets_mounts(struct plan *plan, struct err *err)
{
	size_t files = count_files(plan);
	struct plan_mount *mounts;

	if (!files)
		return 0;
	mounts = plan_alloc(plan, plan->mount_count + files, sizeof(*mounts), err);
	if (!mounts)
		return -1;
	if (plan->mount_count)
		memcpy(mounts, plan->mounts, plan->mount_count * sizeof(*mounts));
	plan->mounts = mounts;
	for (size_t i = 0; i < plan->secret_count; i++) {
		if (plan->secrets[i].is_env)
			continue;
		plan->secrets[i].mount = plan->mount_count;
		mounts[plan->mount_count++] = (struct plan_mount){
			.kind = PLAN_MOUNT_SECRET,
			.source = plan->secrets[i].name,
			.target = plan->secrets[i].target,
			.data = "",
			.tree = -1,
		};
	}
	return 0;
}

/* --- outside --- */

static int set_bounds(int fs, const struct plan *plan, struct err *err)
{
	uint64_t bytes = 0;
	char size[24], inodes[24];

	for (size_t i = 0; i < plan->secret_count; i++)
		if (!plan->secrets[i].is_env)
			bytes += (plan->secrets[i].file.length + 65535) / 65536 * 65536;
	snprintf(size, sizeof(size), "%llu", (unsigned long long)bytes);
	snprintf(inodes, sizeof(inodes), "%zu", count_files(plan) + 1);
	if (kernel_fsconfig_string(fs, "size", size) < 0 ||
	    kernel_fsconfig_string(fs, "nr_inodes", inodes) < 0)
		return err_sys(err, "tmpfs: fsconfig");
	return 0;
}

/* Linux 6.4, and not inside a user namespace. Neither knows ramfs, which is never swapped out
 * and takes what it is given: whole files of bounded size, and nobody can write to it
 * afterwards. */
static int create_fs(const struct plan *plan, struct err *err)
{
	auto_fd int fs = kernel_fsopen("tmpfs");

	if (fs < 0)
		return err_sys(err, "tmpfs: fsopen");
	if (set_bounds(fs, plan, err) < 0)
		return -1;
	if (kernel_fsconfig_flag(fs, "noswap") == 0 && kernel_fsconfig_create(fs) == 0)
		return take_fd(&fs);
	close_fd(&fs);
	fs = kernel_fsopen("ramfs");
	if (fs < 0 || kernel_fsconfig_create(fs) < 0)
		return err_sys(err, "neither tmpfs with noswap nor ramfs can be mounted");
	return take_fd(&fs);
}

/* Its top directory belongs to the container's root, who is to make files there. */
static int make_fs(struct plan *plan, struct err *err)
{
	auto_fd int fs = create_fs(plan, err);
	uint32_t uid, gid;

	if (fs < 0)
		return -1;
	plan->secret_fs =
		kernel_fsmount(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	if (plan->secret_fs < 0)
		return err_sys(err, "fsmount");
	if (!plan_id_outside(plan->uid_map, plan->uid_map_count, 0, &uid) ||
	    !plan_id_outside(plan->gid_map, plan->gid_map_count, 0, &gid))
		return err_set(err, ERR_INPUT, "the id maps have no place for id 0");
	if (fchownat(plan->secret_fs, "", uid, gid, AT_EMPTY_PATH) < 0 ||
	    fchmodat(plan->secret_fs, ".", 0700, 0) < 0)
		return err_sys(err, "owner of the file system");
	return 0;
}

int secrets_open(struct plan *plan, const struct secret_places *places, enum secrets_wanted wanted,
		 struct err *err)
{
	for (size_t i = 0; i < plan->secret_count; i++) {
		struct plan_secret *s = &plan->secrets[i];

		if (wanted == SECRETS_ENV && !s->is_env)
			continue;
		if (secret_open(places ? places : &secret_places, s->name, &s->file, err) == 0)
			continue;
		/* Removed meanwhile: the container goes on with what it was given, and a session or a probe without. */
		if (err->code == ERR_NOT_FOUND && wanted == SECRETS_ENV)
			continue;
		if (err->code == ERR_NOT_FOUND || err->code == ERR_LIMIT)
			err->code = ERR_INPUT;
		return -1;
	}
	if (wanted == SECRETS_ALL && count_files(plan) && make_fs(plan, err) < 0)
		return err_wrap(err, "secrets");
	return 0;
}

void secrets_close(struct plan *plan)
{
	for (size_t i = 0; i < plan->secret_count; i++)
		close_fd(&plan->secrets[i].file.fd);
	close_fd(&plan->secret_fs);
}

/* --- inside --- */

static int copy_value(const struct plan_secret *s, int to, struct err *err)
{
	char text[4096];
	int rc = 0;

	for (uint64_t at = 0; rc == 0 && at < s->file.length; at += sizeof(text)) {
		struct secret_file part = s->file;

		part.offset += at;
		part.length = s->file.length - at < sizeof(text) ? s->file.length - at :
								   sizeof(text);
		rc = secret_read(&part, text, err);
		if (rc == 0)
			rc = file_write_all(to, text, (size_t)part.length, err);
	}
	explicit_bzero(text, sizeof(text));
	return rc;
}

static int fill_file(const struct plan_secret *s, int fs, const char *name, struct err *err)
{
	auto_fd int fd = openat(fs, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(err, "create");
	if (copy_value(s, fd, err) < 0)
		return -1;
	if (fchown(fd, s->uid, s->gid) < 0)
		return err_sys(err, "chown %u:%u", s->uid, s->gid);
	return fchmod(fd, s->mode) < 0 ? err_sys(err, "chmod") : 0;
}

/* A file's tree is a copy of the mount with the file as its top. */
static int make_tree(int fs, const char *name, struct plan_mount *mount, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	mount->tree = kernel_open_tree(fs, name, 0);
	if (mount->tree < 0)
		return err_sys(err, "open_tree");
	if (kernel_mount_setattr(mount->tree, 0, &attr) < 0)
		return err_sys(err, "mount_setattr");
	return 0;
}

static int fill_and_copy(struct child *c, struct err *err)
{
	for (size_t i = 0; i < c->plan->secret_count; i++) {
		struct plan_secret *s = &c->plan->secrets[i];
		char name[24];

		if (s->is_env)
			continue;
		snprintf(name, sizeof(name), "%zu", i);
		if (fill_file(s, c->plan->secret_fs, name, err) < 0 ||
		    make_tree(c->plan->secret_fs, name, &c->plan->mounts[s->mount], err) < 0)
			return err_wrap(err, "%s", s->name);
	}
	return 0;
}

/* Parts of a mount that is attached nowhere can be copied since Linux 6.15 only: so it lies over
 * the old root for that moment. */
static int place_files(struct child *c, struct err *err)
{
	auto_fd int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char path[64];
	int rc;

	if (slash < 0)
		return err_sys(err, "/");
	if (kernel_move_mount(c->plan->secret_fs, slash) < 0)
		return err_sys(err, "move_mount");
	rc = fill_and_copy(c, err);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", c->plan->secret_fs);
	if (kernel_umount_detach(path) < 0 && rc == 0)
		rc = err_sys(err, "umount");
	return rc;
}

/* Memory of this process alone, which is not even dumped: step_session() saw to that. */
static char *read_variable(const struct plan_secret *s, struct err *err)
{
	size_t name_len = strlen(s->target), length = (size_t)s->file.length;
	char *text;

	if (name_len + 1 + length + 1 > VARIABLE_MAX_BYTES) {
		err_set(err, ERR_INPUT, "%zu bytes are too long for a variable: use type=mount",
			length);
		return NULL;
	}
	text = mmap(NULL, name_len + 1 + length + 1, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (text == MAP_FAILED) {
		err_sys(err, "mmap");
		return NULL;
	}
	memcpy(text, s->target, name_len);
	text[name_len] = '=';
	if (secret_read(&s->file, text + name_len + 1, err) < 0)
		return NULL;
	if (strlen(text + name_len + 1) == length)
		return text;
	err_set(err, ERR_INPUT, "holds a NUL byte, as no variable can: use type=mount");
	return NULL;
}

static int place_variables(struct plan *plan, size_t count, struct err *err)
{
	const char **items;

	items = plan_alloc(plan, plan->env.count + count + 1, sizeof(*items), err);
	if (!items)
		return -1;
	if (plan->env.count)
		memcpy(items, plan->env.items, plan->env.count * sizeof(*items));
	plan->env.items = items;
	for (size_t i = 0; i < plan->secret_count; i++) {
		const char *text;

		if (!plan->secrets[i].is_env || plan->secrets[i].file.fd < 0)
			continue;
		text = read_variable(&plan->secrets[i], err);
		if (!text)
			return err_wrap(err, "%s", plan->secrets[i].name);
		exec_put_variable(&plan->env, text);
	}
	return 0;
}

int secrets_place(struct child *c, struct err *err)
{
	size_t files = count_files(c->plan);

	if (c->plan->secret_fs >= 0 && place_files(c, err) < 0)
		return -1;
	if (c->plan->secret_count == files)
		return 0;
	return place_variables(c->plan, c->plan->secret_count - files, err);
}
