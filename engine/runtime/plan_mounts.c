/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The "mounts" list of config.json: types and option words by table, so that a word which the
 * kernel would take in another meaning never reaches it. "rw", "exec", "suid" and "dev" only
 * take back an earlier word of the same list: what the appliance's own mount forbids stays
 * forbidden.
 */
#include "runtime/kernel.h"

#include <limits.h>
#include <string.h>

#include "runtime/plan.h"
#include "util/str.h"

struct type {
	const char *name;
	enum plan_mount_kind kind;
	const char *const *data_words; /* options that go to the file system */
};

static const char *const tmpfs_words[] = { "size", "mode", "nr_inodes", "nr_blocks",
					   "uid",  "gid",  NULL };
static const char *const devpts_words[] = { "newinstance", "ptmxmode", "mode", "gid", "uid", NULL };
static const char *const proc_words[] = { "hidepid", "subset", "gid", NULL };
static const char *const no_words[] = { NULL };

static const struct type types[] = {
	{ "bind", PLAN_MOUNT_BIND, no_words },
	{ "none", PLAN_MOUNT_BIND, no_words },
	{ "tmpfs", PLAN_MOUNT_TMPFS, tmpfs_words },
	{ "proc", PLAN_MOUNT_PROC, proc_words },
	{ "sysfs", PLAN_MOUNT_SYSFS, no_words },
	{ "devpts", PLAN_MOUNT_DEVPTS, devpts_words },
	{ "mqueue", PLAN_MOUNT_MQUEUE, no_words },
	{ "cgroup", PLAN_MOUNT_CGROUP, no_words },
	{ "cgroup2", PLAN_MOUNT_CGROUP, no_words },
	{ "x-cleat-pod", PLAN_MOUNT_POD_MEMORY, no_words },
};

enum option_for { FOR_ALL, FOR_BIND, FOR_TMPFS, FOR_KERNEL };

struct option {
	const char *word;
	enum option_for scope;
	uint64_t set, clear; /* MOUNT_ATTR_* */
	uint64_t propagation;
};

/* clang-format off */
static const struct option options[] = {
	{ "ro",		  FOR_ALL, MOUNT_ATTR_RDONLY, 0, 0 },
	{ "rw",		  FOR_ALL, 0, MOUNT_ATTR_RDONLY, 0 },
	{ "rro",	  FOR_BIND, MOUNT_ATTR_RDONLY, 0, 0 },
	{ "nosuid",	  FOR_ALL, MOUNT_ATTR_NOSUID, 0, 0 },
	{ "suid",	  FOR_ALL, 0, MOUNT_ATTR_NOSUID, 0 },
	{ "nodev",	  FOR_ALL, MOUNT_ATTR_NODEV, 0, 0 },
	{ "dev",	  FOR_ALL, 0, MOUNT_ATTR_NODEV, 0 },
	{ "noexec",	  FOR_ALL, MOUNT_ATTR_NOEXEC, 0, 0 },
	{ "exec",	  FOR_ALL, 0, MOUNT_ATTR_NOEXEC, 0 },
	{ "nosymfollow",  FOR_ALL, MOUNT_ATTR_NOSYMFOLLOW, 0, 0 },
	{ "symfollow",	  FOR_ALL, 0, MOUNT_ATTR_NOSYMFOLLOW, 0 },
	{ "nodiratime",	  FOR_ALL, MOUNT_ATTR_NODIRATIME, 0, 0 },
	{ "noatime",	  FOR_ALL, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME, 0 },
	{ "strictatime",  FOR_ALL, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME, 0 },
	{ "relatime",	  FOR_ALL, 0, MOUNT_ATTR__ATIME, 0 },	/* the kernel's default */
	{ "defaults",	  FOR_ALL, 0, 0, 0 },
	{ "bind",	  FOR_BIND, 0, 0, 0 },
	{ "rbind",	  FOR_BIND, 0, 0, 0 },
	{ "private",	  FOR_ALL, 0, 0, MS_PRIVATE },
	{ "rprivate",	  FOR_ALL, 0, 0, MS_PRIVATE },
	{ "slave",	  FOR_BIND, 0, 0, MS_SLAVE },
	{ "rslave",	  FOR_BIND, 0, 0, MS_SLAVE },
	{ "x-cleat-make", FOR_BIND, 0, 0, 0 },
	{ "x-cleat-volume", FOR_BIND, 0, 0, 0 },
	{ "x-cleat-copy", FOR_BIND, 0, 0, 0 },
	{ "x-cleat-chown", FOR_ALL, 0, 0, 0 },
	{ "x-cleat-owner", FOR_TMPFS, 0, 0, 0 },
	{ "x-cleat-missing", FOR_BIND, 0, 0, 0 },
	{ "x-cleat-own", FOR_BIND, 0, 0, 0 },
	{ "x-cleat-share", FOR_KERNEL, 0, 0, 0 },
	{ "idmap",	  FOR_BIND, 0, 0, 0 },
	{ "tmpcopyup",	  FOR_TMPFS, 0, 0, 0 },
	{ "notmpcopyup",  FOR_TMPFS, 0, 0, 0 },
	{ NULL, FOR_ALL, 0, 0, 0 },
};
/* clang-format on */

static const struct type *find_type(const char *name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (str_eq(types[i].name, name))
			return &types[i];
	return NULL;
}

static bool is_data_word(const struct type *type, const char *text)
{
	size_t len = strcspn(text, "=");

	for (const char *const *word = type->data_words; *word; word++)
		if (strlen(*word) == len && strncmp(*word, text, len) == 0)
			return true;
	return false;
}

static int add_data(struct plan *plan, struct plan_mount *mount, const char *text, struct err *err)
{
	if (strchr(text, ','))
		return err_set(err, ERR_INPUT, "option \"%s\" contains a comma", text);
	mount->data = mount->data[0] ? plan_printf(plan, err, "%s,%s", mount->data, text) : text;
	return mount->data ? 0 : -1;
}

static bool option_fits(const struct option *option, enum plan_mount_kind kind)
{
	switch (option->scope) {
	case FOR_BIND:
		return kind == PLAN_MOUNT_BIND;
	case FOR_TMPFS:
		return kind == PLAN_MOUNT_TMPFS;
	case FOR_KERNEL:
		return kind == PLAN_MOUNT_PROC || kind == PLAN_MOUNT_SYSFS;
	case FOR_ALL:
		break;
	}
	return true;
}

static void set_switch(struct plan_mount *mount, const char *text)
{
	const struct {
		const char *word;
		bool *flag;
		bool value;
	} switches[] = {
		{ "rbind", &mount->recursive, true },
		{ "x-cleat-make", &mount->make, true },
		{ "x-cleat-volume", &mount->volume, true },
		{ "x-cleat-copy", &mount->copy_content, true },
		{ "x-cleat-chown", &mount->change_owner, true },
		{ "x-cleat-owner", &mount->own_missing, true },
		{ "x-cleat-missing", &mount->only_missing, true },
		{ "x-cleat-own", &mount->own, true },
		{ "x-cleat-share", &mount->share, true },
		{ "idmap", &mount->idmap, true },
		{ "tmpcopyup", &mount->copy_up, true },
		{ "notmpcopyup", &mount->copy_up, false },
	};

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
		if (str_eq(text, switches[i].word))
			*switches[i].flag = switches[i].value;
}

static int add_option(struct plan *plan, struct plan_mount *mount, const struct type *type,
		      const char *text, struct err *err)
{
	const struct option *option = options;

	if (is_data_word(type, text))
		return add_data(plan, mount, text, err);
	while (option->word && !str_eq(option->word, text))
		option++;
	if (!option->word && (str_ends(text, "shared") || str_ends(text, "unbindable")))
		return err_set(err, ERR_UNSUPPORTED,
			       "option \"%s\": mounts do not propagate out of a container", text);
	if (!option->word || !option_fits(option, mount->kind))
		return err_set(err, ERR_UNSUPPORTED, "option \"%s\" is not known for type %s", text,
			       type->name);
	mount->attributes = (mount->attributes & ~option->clear) | option->set;
	if (option->propagation)
		mount->propagation = option->propagation;
	set_switch(mount, text);
	return 0;
}

static int add_options(struct plan *plan, struct plan_mount *mount, const struct type *type,
		       yyjson_val *list, struct err *err)
{
	yyjson_arr_iter it;
	yyjson_val *item;
	size_t n;

	if (!list)
		return 0;
	if (plan_array(list, 64, &n, err) < 0)
		return -1;
	it = yyjson_arr_iter_with(list);
	while ((item = yyjson_arr_iter_next(&it))) {
		const char *text;

		if (plan_str(item, &text, err) < 0 || add_option(plan, mount, type, text, err) < 0)
			return -1;
	}
	return 0;
}

/* A bind is one by type or by option: {"type": "none", "options": ["rbind"]} is what some write,
 * and others leave the type out. */
static const struct type *mount_type(yyjson_val *item, struct err *err)
{
	yyjson_val *value = yyjson_obj_get(item, "type");
	const struct type *type;
	const char *name = "bind";

	if (value && plan_str(value, &name, err) < 0)
		return NULL;
	type = find_type(name[0] ? name : "bind");
	if (!type)
		err_set(err, ERR_UNSUPPORTED, "file system type \"%s\" is not supported", name);
	return type;
}

static int read_source(struct plan *plan, yyjson_val *item, struct plan_mount *mount,
		       struct err *err)
{
	if (mount->kind != PLAN_MOUNT_BIND)
		return 0;
	if (plan_path(plan, yyjson_obj_get(item, "source"), &mount->source, err) < 0)
		return err_wrap(err, "source");
	return 0;
}

static int check_keys(yyjson_val *item, struct err *err)
{
	static const char *const known[] = { "destination", "type", "source", "options" };
	yyjson_obj_iter it;
	yyjson_val *key;

	if (!yyjson_is_obj(item))
		return err_set(err, ERR_INPUT, "not an object");
	it = yyjson_obj_iter_with(item);
	while ((key = yyjson_obj_iter_next(&it))) {
		bool found = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			found = found || str_eq(known[i], yyjson_get_str(key));
		if (!found)
			return err_set(err, ERR_UNSUPPORTED, "key \"%s\" is not supported",
				       yyjson_get_str(key));
	}
	return 0;
}

static int read_mount(struct plan *plan, yyjson_val *item, struct plan_mount *mount,
		      struct err *err)
{
	const struct type *type;

	*mount = (struct plan_mount){
		.data = "", .propagation = MS_PRIVATE, .tree = -1, .staging = -1, .staging_lock = -1
	};
	if (check_keys(item, err) < 0)
		return -1;
	if (plan_path(plan, yyjson_obj_get(item, "destination"), &mount->target, err) < 0)
		return err_wrap(err, "destination");
	if (str_eq(mount->target, "/"))
		return err_set(err, ERR_INPUT, "destination: / would hide the container's root");
	type = mount_type(item, err);
	if (!type)
		return err_wrap(err, "%s", mount->target);
	mount->kind = type->kind;
	mount->is_directory = true;
	if (read_source(plan, item, mount, err) < 0 ||
	    add_options(plan, mount, type, yyjson_obj_get(item, "options"), err) < 0)
		return err_wrap(err, "%s", mount->target);
	if (mount->change_owner && mount->kind != PLAN_MOUNT_BIND &&
	    mount->kind != PLAN_MOUNT_TMPFS)
		return err_set(err, ERR_UNSUPPORTED,
			       "%s: option \"x-cleat-chown\" is not known for type %s",
			       mount->target, type->name);
	return 0;
}

int plan_mounts(struct plan *plan, yyjson_val *value, struct err *err)
{
	yyjson_arr_iter it;
	yyjson_val *item;
	size_t n;

	if (plan_array(value, PLAN_MAX_MOUNTS, &n, err) < 0)
		return -1;
	plan->mounts = plan_alloc(plan, n, sizeof(*plan->mounts), err);
	if (!plan->mounts)
		return -1;
	it = yyjson_arr_iter_with(value);
	while ((item = yyjson_arr_iter_next(&it)))
		if (read_mount(plan, item, &plan->mounts[plan->mount_count++], err) < 0)
			return -1;
	return 0;
}
