/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads etc/passwd and etc/group of an image: hostile text, so bounded, line by line, and a line
 * that does not parse is no line. Must never follow a link out of the root nor wait on a FIFO.
 */
#include "runtime/identity.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "util/buf.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/path.h"
#include "util/str.h"

#define MAX_FIELDS 7

/* A missing file is an empty one: images from scratch have neither. */
int identity_read(int root, const char *path, struct buf *out, struct err *err)
{
	auto_fd int fd = path_open_in_root(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, err);
	struct stat st;

	if (fd < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "%s: fstat", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INPUT, "/%s in the image is not a regular file", path);
	if (file_read_fd(fd, IDENTITY_FILE_MAX_BYTES, out, err) < 0)
		return err_wrap(err, "/%s in the image", path);
	return 0;
}

/* Cuts the next line off *rest into fields separated by ":"; their number, 0 at the end. */
static int next_entry(char **rest, char *fields[MAX_FIELDS])
{
	while (**rest) {
		char *line = *rest;
		size_t len = strcspn(line, "\n");
		int n = 0;

		*rest = line + len + (line[len] == '\n');
		line[len] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		while (n < MAX_FIELDS) {
			size_t field = strcspn(line, ":");
			bool last = line[field] == '\0';

			fields[n++] = line;
			line[field] = '\0';
			if (last)
				break;
			line += field + 1;
		}
		return n;
	}
	return 0;
}

static bool to_id(const char *text, uint32_t *out)
{
	uint64_t value;

	if (!str_to_u64(text, UINT32_MAX - 1, &value))
		return false;
	*out = (uint32_t)value;
	return true;
}

struct lookup {
	const char *user; /* as asked for */
	bool by_number;
	uint32_t number;
	char matched[256]; /* login name of the line that fits, "" none */
};

static void find_user(struct buf *passwd, struct lookup *want, struct identity *out)
{
	char *rest = passwd->data, *f[MAX_FIELDS];
	int n;

	while (rest && (n = next_entry(&rest, f)) > 0) {
		uint32_t uid, gid;

		if (n < 6 || !to_id(f[2], &uid) || !to_id(f[3], &gid))
			continue;
		if (want->by_number ? uid != want->number : !str_eq(f[0], want->user))
			continue;
		if (!str_copy(want->matched, sizeof(want->matched), f[0]))
			continue;
		out->uid = uid;
		out->gid = gid;
		if (f[5][0] == '/' && !str_copy(out->home, sizeof(out->home), f[5]))
			out->home[0] = '\0';
		return;
	}
}

static int add_group(struct identity *id, uint32_t gid, struct err *err)
{
	for (size_t i = 0; i < id->group_count; i++)
		if (id->groups[i] == gid)
			return 0;
	if (id->group_count == IDENTITY_MAX_GROUPS)
		return err_set(err, ERR_LIMIT, "more than %d supplementary groups",
			       IDENTITY_MAX_GROUPS);
	id->groups[id->group_count++] = gid;
	return 0;
}

static bool list_has(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = list; *p;) {
		size_t n = strcspn(p, ",");

		if (n == len && strncmp(p, name, len) == 0)
			return true;
		p += n + (p[n] == ',');
	}
	return false;
}

/* The database is cut up by reading it: every pass works on a copy. */
static int copy_text(const struct buf *from, struct buf *to, struct err *err)
{
	buf_add(to, buf_str(from), from->len);
	return buf_check(to, "group file", err);
}

static int add_memberships(const struct buf *group, const char *user, struct identity *id,
			   struct err *err)
{
	auto_buf text = BUF_INIT(IDENTITY_FILE_MAX_BYTES);
	char *rest, *f[MAX_FIELDS];
	uint32_t gid;
	int n;

	if (copy_text(group, &text, err) < 0)
		return -1;
	rest = text.data;
	while (rest && (n = next_entry(&rest, f)) > 0)
		if (n >= 4 && to_id(f[2], &gid) && list_has(f[3], user) &&
		    add_group(id, gid, err) < 0)
			return -1;
	return 0;
}

/* A number is a number even where somebody's group has it for a name. */
static int group_number(const struct buf *group, const char *name, uint32_t *out, struct err *err)
{
	auto_buf text = BUF_INIT(IDENTITY_FILE_MAX_BYTES);
	char *rest, *f[MAX_FIELDS];
	int n;

	if (to_id(name, out))
		return 0;
	if (copy_text(group, &text, err) < 0)
		return -1;
	rest = text.data;
	while (rest && (n = next_entry(&rest, f)) > 0)
		if (n >= 3 && str_eq(f[0], name) && to_id(f[2], out))
			return 0;
	return err_set(err, ERR_INPUT, "group \"%s\" is not in the image's /etc/group", name);
}

static int find_number(const struct buf *group, const char *number, bool *found, struct err *err)
{
	auto_buf text = BUF_INIT(IDENTITY_FILE_MAX_BYTES);
	char *rest, *f[MAX_FIELDS];
	uint32_t wanted, gid;
	int n;

	*found = !to_id(number, &wanted);
	if (*found)
		return 0;
	if (copy_text(group, &text, err) < 0)
		return -1;
	rest = text.data;
	while (!*found && rest && (n = next_entry(&rest, f)) > 0)
		*found = n >= 3 && to_id(f[2], &gid) && gid == wanted;
	return 0;
}

static int add_named_groups(const struct buf *group, const char *list, struct identity *id,
			    struct err *err)
{
	char name[256];
	uint32_t gid;

	for (const char *p = list; *p;) {
		size_t n = strcspn(p, ",");

		if (n == 0 || n >= sizeof(name))
			return err_set(err, ERR_INPUT, "groups \"%s\": a name is empty or too long",
				       list);
		memcpy(name, p, n);
		name[n] = '\0';
		if (group_number(group, name, &gid, err) < 0 || add_group(id, gid, err) < 0)
			return -1;
		p += n + (p[n] == ',');
	}
	return 0;
}

/* "USER[:GROUP]" cut in two; group NULL when there is none. */
static int split_user(char *text, size_t size, const char *user, char **group, struct err *err)
{
	char *colon;

	if (!str_copy(text, size, user))
		return err_set(err, ERR_LIMIT, "user: longer than %zu bytes", size - 1);
	colon = strchr(text, ':');
	*group = NULL;
	if (colon) {
		*colon = '\0';
		*group = colon[1] ? colon + 1 : NULL;
	}
	return 0;
}

static int resolve_user(struct lookup *want, struct buf *passwd, struct identity *out,
			struct err *err)
{
	want->by_number = to_id(want->user, &want->number);
	find_user(passwd, want, out);
	if (want->matched[0])
		return 0;
	if (!want->by_number)
		return err_set(err, ERR_INPUT, "user \"%s\" is not in the image's /etc/passwd",
			       want->user);
	out->uid = want->number;
	out->gid = 0;
	out->lacks_user = true;
	return 0;
}

static int resolve_text(const char *user, const struct buf *group, struct buf *passwd,
			struct identity *out, struct err *err)
{
	struct lookup want = { 0 };
	char text[512], *group_name = NULL;
	bool has_group;

	if (split_user(text, sizeof(text), user, &group_name, err) < 0)
		return -1;
	want.user = text[0] ? text : "0";
	if (resolve_user(&want, passwd, out, err) < 0 ||
	    find_number(group, group_name ? group_name : want.user, &has_group, err) < 0)
		return -1;
	out->lacks_group = !has_group;
	if (group_name)
		return group_number(group, group_name, &out->gid, err);
	return want.matched[0] ? add_memberships(group, want.matched, out, err) : 0;
}

static void resolve_numbers(const struct plan *plan, struct buf *passwd, struct identity *out)
{
	struct lookup want = { .by_number = true, .number = plan->uid };

	find_user(passwd, &want, out);
	out->uid = plan->uid;
	out->gid = plan->gid;
}

static int check_ids(const struct plan *plan, const struct identity *id, struct err *err)
{
	uint32_t outside;

	if (!plan_id_outside(plan->uid_map, plan->uid_map_count, id->uid, &outside))
		return err_set(err, ERR_INPUT, "uid %u has no place in the container's id map",
			       id->uid);
	for (size_t i = 0; i < id->group_count; i++)
		if (!plan_id_outside(plan->gid_map, plan->gid_map_count, id->groups[i], &outside))
			return err_set(err, ERR_INPUT,
				       "gid %u has no place in the container's id map",
				       id->groups[i]);
	return 0;
}

int identity_resolve(const struct plan *plan, const char *user, const char *groups, int root,
		     struct identity *out, struct err *err)
{
	auto_buf passwd = BUF_INIT(IDENTITY_FILE_MAX_BYTES);
	auto_buf group = BUF_INIT(IDENTITY_FILE_MAX_BYTES);

	*out = (struct identity){ 0 };
	if (identity_read(root, "etc/passwd", &passwd, err) < 0 ||
	    identity_read(root, "etc/group", &group, err) < 0)
		return -1;
	if (!user || !user[0])
		resolve_numbers(plan, &passwd, out);
	else if (resolve_text(user, &group, &passwd, out, err) < 0)
		return -1;
	for (size_t i = 0; i < plan->group_count; i++)
		if (add_group(out, plan->groups[i], err) < 0)
			return -1;
	if ((groups && add_named_groups(&group, groups, out, err) < 0) ||
	    add_group(out, out->gid, err) < 0)
		return -1;
	return check_ids(plan, out, err);
}

void identity_take_home(struct buf *passwd, struct identity *id)
{
	struct lookup want = { .by_number = true, .number = id->uid };
	struct identity found = { 0 };

	find_user(passwd, &want, &found);
	memcpy(id->home, found.home, sizeof(id->home));
}

size_t identity_size(const struct identity *id)
{
	return offsetof(struct identity, groups) + id->group_count * sizeof(id->groups[0]);
}
