/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The built-in seccomp profile as an OCI object, its conditions on capabilities resolved here, so
 * that the runtime has plain rules and equal sets give equal text: the text's digest names the
 * compiled filter in the runtime's cache.
 */
#include "spec/oci_internal.h"

#include <errno.h>

#include "util/cleanup.h"
#include "util/str.h"

enum rule_kind { RULE_ALLOW, RULE_ALLOW_ON, RULE_ALLOW_WITH, RULE_ALLOW_VALUE, RULE_DENY };

struct rule {
	enum rule_kind kind;
	const char *names;     /* blank-separated */
	const char *condition; /* architecture, or capabilities of which one is enough */
	unsigned index;
	uint64_t value;
};

#define ALLOW(names) { RULE_ALLOW, names, NULL, 0, 0 },
#define ALLOW_ON(arch, names) { RULE_ALLOW_ON, names, arch, 0, 0 },
#define ALLOW_WITH(capability, names) { RULE_ALLOW_WITH, names, capability, 0, 0 },
#define ALLOW_VALUE(name, index, value) { RULE_ALLOW_VALUE, name, NULL, index, value },
#define DENY(names) { RULE_DENY, names, NULL, 0, 0 },
static const struct rule rules[] = {
#include "../../appliance/seccomp/default.def"
};

#define AF_NETLINK_NUMBER 16
#define NETLINK_AUDIT_NUMBER 9

static void write_names(struct json *j, const char *names)
{
	while (*(names += strspn(names, " "))) {
		size_t len = strcspn(names, " ");

		json_strn(j, NULL, names, len);
		names += len;
	}
}

static bool has_one_of(const char *wanted, const struct strv *capabilities)
{
	for (size_t i = 0; i < capabilities->count; i++) {
		const char *at = strstr(wanted, capabilities->items[i]);
		size_t len = strlen(capabilities->items[i]);

		if (at && (at[len] == '\0' || at[len] == ' '))
			return true;
	}
	return false;
}

static bool is_allowed_plainly(const struct rule *rule, const struct strv *capabilities)
{
	switch (rule->kind) {
	case RULE_ALLOW:
		return true;
	case RULE_ALLOW_ON:
		return str_eq(rule->condition, SECCOMP_MACHINE);
	case RULE_ALLOW_WITH:
		return has_one_of(rule->condition, capabilities);
	case RULE_ALLOW_VALUE:
	case RULE_DENY:
		return false;
	}
	return false;
}

static bool is_denied(const struct rule *rule, const struct strv *capabilities)
{
	return rule->kind == RULE_DENY ||
	       (rule->kind == RULE_ALLOW_WITH && !has_one_of(rule->condition, capabilities));
}

static void write_argument(struct json *j, unsigned index, uint64_t value, const char *op)
{
	json_object(j, NULL);
	json_uint(j, "index", index);
	json_uint(j, "value", value);
	json_str(j, "op", op);
	json_object_end(j);
}

static void write_value_rule(struct json *j, const char *name, unsigned index, uint64_t value,
			     const char *op)
{
	json_object(j, NULL);
	json_array(j, "names");
	json_str(j, NULL, name);
	json_array_end(j);
	json_str(j, "action", "SCMP_ACT_ALLOW");
	json_array(j, "args");
	write_argument(j, index, value, op);
	json_array_end(j);
	json_object_end(j);
}

/*
 * The audit family answers EINVAL, as a kernel without it does: login programs then go on without
 * auditing. A rule takes one comparison an argument, so "not both" is "not the one" and "not the
 * other".
 */
static void write_socket(struct json *j)
{
	write_value_rule(j, "socket", 2, NETLINK_AUDIT_NUMBER, "SCMP_CMP_NE");
	write_value_rule(j, "socket", 0, AF_NETLINK_NUMBER, "SCMP_CMP_NE");
	json_object(j, NULL);
	json_array(j, "names");
	json_str(j, NULL, "socket");
	json_array_end(j);
	json_str(j, "action", "SCMP_ACT_ERRNO");
	json_uint(j, "errnoRet", EINVAL);
	json_array(j, "args");
	write_argument(j, 0, AF_NETLINK_NUMBER, "SCMP_CMP_EQ");
	write_argument(j, 2, NETLINK_AUDIT_NUMBER, "SCMP_CMP_EQ");
	json_array_end(j);
	json_object_end(j);
}

static void write_plain(struct json *j, const struct strv *capabilities, bool allowed)
{
	json_object(j, NULL);
	json_array(j, "names");
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (allowed ? is_allowed_plainly(&rules[i], capabilities) :
			      is_denied(&rules[i], capabilities))
			write_names(j, rules[i].names);
	if (allowed && strv_has(capabilities, "CAP_AUDIT_WRITE"))
		json_str(j, NULL, "socket");
	json_array_end(j);
	json_str(j, "action", allowed ? "SCMP_ACT_ALLOW" : "SCMP_ACT_ERRNO");
	if (!allowed)
		json_uint(j, "errnoRet", EPERM);
	json_object_end(j);
}

int seccomp_default_text(const struct strv *capabilities, struct arena *arena, const char **out,
			 struct err *err)
{
	auto_buf text = BUF_INIT(SECCOMP_TEXT_MAX);
	struct json j = JSON_TO(&text);

	json_object(&j, NULL);
	json_str(&j, "defaultAction", "SCMP_ACT_ERRNO");
	json_uint(&j, "defaultErrnoRet", ENOSYS);
	json_array(&j, "architectures");
	json_str(&j, NULL, SECCOMP_ARCH);
	json_array_end(&j);
	json_array(&j, "syscalls");
	write_plain(&j, capabilities, true);
	write_plain(&j, capabilities, false);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].kind == RULE_ALLOW_VALUE)
			write_value_rule(&j, rules[i].names, rules[i].index, rules[i].value,
					 "SCMP_CMP_EQ");
	if (!strv_has(capabilities, "CAP_AUDIT_WRITE"))
		write_socket(&j);
	json_array_end(&j);
	json_object_end(&j);
	if (buf_check(&text, "seccomp profile", err) < 0)
		return -1;
	*out = arena_strdup(arena, buf_str(&text));
	return 0;
}
