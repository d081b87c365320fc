/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The "process" object of config.json, and our annotations. Names of capabilities and limits become
 * numbers here; user names stay text, they mean something inside the container only.
 */
#include <sys/resource.h>

#include <stdlib.h>
#include <string.h>

#include "runtime/names.h"
#include "runtime/plan.h"
#include "runtime/secret.h"
#include "util/str.h"

static int read_terminal(struct plan *plan, yyjson_val *value, struct err *err)
{
	bool terminal;

	(void)plan;
	if (plan_bool(value, &terminal, err) < 0)
		return -1;
	return terminal ? err_set(err, ERR_UNSUPPORTED, "no terminal is given to containers") : 0;
}

static int read_uid(struct plan *plan, yyjson_val *value, struct err *err)
{
	return plan_u32(value, &plan->uid, err);
}

static int read_gid(struct plan *plan, yyjson_val *value, struct err *err)
{
	return plan_u32(value, &plan->gid, err);
}

static int read_umask(struct plan *plan, yyjson_val *value, struct err *err)
{
	uint32_t mask;

	if (plan_u32(value, &mask, err) < 0)
		return -1;
	if (mask > 0777)
		return err_set(err, ERR_INPUT, "%u is above 0777", mask);
	plan->umask = (int)mask;
	return 0;
}

static int read_groups(struct plan *plan, yyjson_val *value, struct err *err)
{
	yyjson_val *item;
	yyjson_arr_iter it;
	size_t n;

	if (plan_array(value, PLAN_MAX_GROUPS, &n, err) < 0)
		return -1;
	plan->groups = plan_alloc(plan, n, sizeof(*plan->groups), err);
	if (!plan->groups)
		return -1;
	it = yyjson_arr_iter_with(value);
	while ((item = yyjson_arr_iter_next(&it)))
		if (plan_u32(item, &plan->groups[plan->group_count++], err) < 0)
			return -1;
	return 0;
}

static int read_user(struct plan *plan, yyjson_val *value, struct err *err)
{
	static const struct plan_key keys[] = {
		{ "uid", read_uid },	 { "gid", read_gid },
		{ "umask", read_umask }, { "additionalGids", read_groups },
		{ NULL, NULL },
	};

	return plan_walk(plan, value, keys, err);
}

static int read_args(struct plan *plan, yyjson_val *value, struct err *err)
{
	return plan_strings(plan, value, PLAN_MAX_WORDS, &plan->args, err);
}

static int read_env(struct plan *plan, yyjson_val *value, struct err *err)
{
	if (plan_strings(plan, value, PLAN_MAX_WORDS, &plan->env, err) < 0)
		return -1;
	for (size_t i = 0; i < plan->env.count; i++)
		if (!strchr(plan->env.items[i], '='))
			return err_set(err, ERR_INPUT, "\"%s\" has no \"=\"", plan->env.items[i]);
	return 0;
}

static int read_cwd(struct plan *plan, yyjson_val *value, struct err *err)
{
	return plan_path(plan, value, &plan->cwd, err);
}

static int read_cap_set(struct plan *plan, yyjson_val *value, enum plan_cap_set set,
			struct err *err)
{
	yyjson_val *item;
	yyjson_arr_iter it;
	size_t n;

	if (plan_array(value, 64, &n, err) < 0)
		return -1;
	it = yyjson_arr_iter_with(value);
	while ((item = yyjson_arr_iter_next(&it))) {
		const char *name;
		int number;

		if (plan_str(item, &name, err) < 0)
			return -1;
		number = name_to_capability(name);
		if (number < 0)
			return err_set(err, ERR_INPUT, "unknown capability \"%s\"", name);
		plan->caps[set] |= UINT64_C(1) << number;
	}
	return 0;
}

static int read_bounding(struct plan *plan, yyjson_val *value, struct err *err)
{
	return read_cap_set(plan, value, CAPS_BOUNDING, err);
}

static int read_permitted(struct plan *plan, yyjson_val *value, struct err *err)
{
	return read_cap_set(plan, value, CAPS_PERMITTED, err);
}

static int read_effective(struct plan *plan, yyjson_val *value, struct err *err)
{
	return read_cap_set(plan, value, CAPS_EFFECTIVE, err);
}

static int read_inheritable(struct plan *plan, yyjson_val *value, struct err *err)
{
	return read_cap_set(plan, value, CAPS_INHERITABLE, err);
}

static int read_ambient(struct plan *plan, yyjson_val *value, struct err *err)
{
	return read_cap_set(plan, value, CAPS_AMBIENT, err);
}

static int read_capabilities(struct plan *plan, yyjson_val *value, struct err *err)
{
	static const struct plan_key keys[] = {
		{ "bounding", read_bounding },	 { "permitted", read_permitted },
		{ "effective", read_effective }, { "inheritable", read_inheritable },
		{ "ambient", read_ambient },	 { NULL, NULL },
	};

	return plan_walk(plan, value, keys, err);
}

/* Go writes unlimited as 18446744073709551615, others as -1. */
static int read_limit(yyjson_val *object, const char *key, uint64_t *out, struct err *err)
{
	yyjson_val *value = yyjson_obj_get(object, key);

	if (yyjson_is_uint(value))
		*out = yyjson_get_uint(value);
	else if (yyjson_is_sint(value) && yyjson_get_sint(value) == -1)
		*out = UINT64_MAX;
	else
		return err_set(err, ERR_INPUT, "%s: not a number", key);
	return 0;
}

static int read_rlimit(yyjson_val *item, struct plan_rlimit *out, struct err *err)
{
	const char *name;

	if (plan_str(yyjson_obj_get(item, "type"), &name, err) < 0)
		return err_wrap(err, "type");
	out->resource = name_to_rlimit(name);
	if (out->resource < 0)
		return err_set(err, ERR_INPUT, "unknown limit \"%s\"", name);
	if (read_limit(item, "soft", &out->soft, err) < 0 ||
	    read_limit(item, "hard", &out->hard, err) < 0)
		return err_wrap(err, "%s", name);
	if (out->soft > out->hard)
		return err_set(err, ERR_INPUT, "%s: soft is above hard", name);
	return 0;
}

static int read_rlimits(struct plan *plan, yyjson_val *value, struct err *err)
{
	yyjson_val *item;
	yyjson_arr_iter it;
	size_t n;

	if (plan_array(value, PLAN_MAX_RLIMITS, &n, err) < 0)
		return -1;
	plan->rlimits = plan_alloc(plan, n, sizeof(*plan->rlimits), err);
	if (!plan->rlimits)
		return -1;
	it = yyjson_arr_iter_with(value);
	while ((item = yyjson_arr_iter_next(&it)))
		if (read_rlimit(item, &plan->rlimits[plan->rlimit_count++], err) < 0)
			return -1;
	return 0;
}

static int read_no_new_privs(struct plan *plan, yyjson_val *value, struct err *err)
{
	return plan_bool(value, &plan->no_new_privs, err);
}

static int read_oom_score(struct plan *plan, yyjson_val *value, struct err *err)
{
	if (!yyjson_is_int(value) || yyjson_get_sint(value) < -1000 ||
	    yyjson_get_sint(value) > 1000)
		return err_set(err, ERR_INPUT, "not a number from -1000 to 1000");
	plan->has_oom_score = true;
	plan->oom_score_adj = (int)yyjson_get_sint(value);
	return 0;
}

/* Security modules: an empty profile asks for nothing; any other is asked for in vain. */
static int read_must_be_empty(struct plan *plan, yyjson_val *value, struct err *err)
{
	const char *text;

	(void)plan;
	if (plan_str(value, &text, err) < 0)
		return -1;
	return text[0] ? err_set(err, ERR_UNSUPPORTED, "\"%s\" cannot be applied", text) : 0;
}

int plan_process(struct plan *plan, yyjson_val *value, struct err *err)
{
	static const struct plan_key keys[] = {
		{ "terminal", read_terminal },
		{ "consoleSize", NULL }, /* means nothing without a terminal */
		{ "user", read_user },
		{ "args", read_args },
		{ "env", read_env },
		{ "cwd", read_cwd },
		{ "capabilities", read_capabilities },
		{ "rlimits", read_rlimits },
		{ "noNewPrivileges", read_no_new_privs },
		{ "oomScoreAdj", read_oom_score },
		{ "apparmorProfile", read_must_be_empty },
		{ "selinuxLabel", read_must_be_empty },
		{ NULL, NULL },
	};

	return plan_walk(plan, value, keys, err);
}

static int split_layers(struct plan *plan, const char *text, struct err *err)
{
	size_t count = 1, n = 0;
	char *copy;

	for (const char *p = text; *p; p++)
		count += *p == ':';
	if (count > PLAN_MAX_LAYERS)
		return err_set(err, ERR_LIMIT, "%zu layers, at most %d are allowed", count,
			       PLAN_MAX_LAYERS);
	copy = plan_alloc(plan, strlen(text) + 1, 1, err);
	plan->layers.items = plan_alloc(plan, count + 1, sizeof(*plan->layers.items), err);
	if (!copy || !plan->layers.items)
		return -1;
	memcpy(copy, text, strlen(text) + 1);
	for (char *p = copy; n < count; n++) {
		size_t len = strcspn(p, ":");

		p[len] = '\0';
		if (p[0] != '/')
			return err_set(err, ERR_INPUT, "layer \"%s\" is not an absolute path", p);
		plan->layers.items[n] = p;
		p += len + 1;
	}
	plan->layers.count = n;
	return 0;
}

static int read_layers(struct plan *plan, yyjson_val *value, struct err *err)
{
	const char *text;

	if (plan_str(value, &text, err) < 0)
		return -1;
	return split_layers(plan, text, err);
}

static int read_root_kind(struct plan *plan, yyjson_val *value, struct err *err)
{
	const char *text;

	if (plan_str(value, &text, err) < 0)
		return -1;
	if (str_eq(text, "read-only")) {
		plan->root_read_only = true;
		return 0;
	}
	if (str_starts(text, "tmpfs:") &&
	    str_to_u64(text + 6, UINT64_C(1) << 50, &plan->root_upper_bytes) &&
	    plan->root_upper_bytes > 0) {
		plan->root_read_only = false;
		return 0;
	}
	return err_set(err, ERR_INPUT, "\"%s\" is neither read-only nor tmpfs:BYTES", text);
}

static int read_user_text(struct plan *plan, yyjson_val *value, struct err *err)
{
	return plan_str(value, &plan->user_text, err);
}

static int read_groups_text(struct plan *plan, yyjson_val *value, struct err *err)
{
	return plan_str(value, &plan->groups_text, err);
}

#define LINE_MAX_BYTES 4096

static int read_line(yyjson_val *value, const char **out, struct err *err)
{
	if (plan_str(value, out, err) < 0)
		return -1;
	for (const char *p = *out; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f || p - *out >= LINE_MAX_BYTES)
			return err_set(err, ERR_INPUT, "no line of at most %d bytes",
				       LINE_MAX_BYTES);
	return 0;
}

static int read_passwd_line(struct plan *plan, yyjson_val *value, struct err *err)
{
	return read_line(value, &plan->passwd_line, err);
}

static int read_group_line(struct plan *plan, yyjson_val *value, struct err *err)
{
	return read_line(value, &plan->group_line, err);
}

static int read_seccomp_key(struct plan *plan, yyjson_val *value, struct err *err)
{
	if (plan_str(value, &plan->seccomp_key, err) < 0)
		return -1;
	if (!str_is_hex(plan->seccomp_key, 64))
		return err_set(err, ERR_INPUT, "not a sha256 in hexadecimal digits");
	return 0;
}

/* Annotations are anybody's: of others' nothing is asked, of ours everything is known. */
int plan_annotations(struct plan *plan, yyjson_val *value, struct err *err)
{
	static const struct plan_key keys[] = {
		{ "org.cleat.layers", read_layers },	   { "org.cleat.root", read_root_kind },
		{ "org.cleat.user", read_user_text },	   { "org.cleat.groups", read_groups_text },
		{ "org.cleat.seccomp", read_seccomp_key }, { "org.cleat.secrets", plan_secrets },
		{ "org.cleat.passwd", read_passwd_line },  { "org.cleat.group", read_group_line },
		{ "org.cleat.hold", plan_hold },	   { "org.cleat.pod", plan_pod },
	};
	static const size_t key_count = sizeof(keys) / sizeof(keys[0]);

	if (!yyjson_is_obj(value))
		return err_set(err, ERR_INPUT, "not an object");
	for (size_t i = 0; i < key_count; i++) {
		yyjson_val *item = yyjson_obj_get(value, keys[i].name);

		if (item && keys[i].read(plan, item, err) < 0)
			return err_wrap(err, "%s", keys[i].name);
	}
	return plan_networks(plan, value, err);
}
