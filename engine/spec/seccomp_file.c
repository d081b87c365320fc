/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A seccomp profile of the operator's: podman's and Docker's form (conditions on capabilities,
 * architectures and kernel) or the plain OCI form -> plain OCI rules for this machine. Whatever is
 * not understood is an error: half a profile is none.
 */
#include "spec/oci_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <yyjson.h>

#include "util/cleanup.h"
#include "util/str.h"

#define KERNEL_MAJOR 5 /* the oldest kernel that we run on: a rule for a newer one is left out */
#define KERNEL_MINOR 15

static bool is_one_of(const char *text, const char *const *words, size_t count)
{
	for (size_t i = 0; text && i < count; i++)
		if (str_eq(text, words[i]))
			return true;
	return false;
}

static bool is_action(const char *text)
{
	static const char *const actions[] = {
		"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL",	    "SCMP_ACT_KILL_PROCESS",
		"SCMP_ACT_LOG",	  "SCMP_ACT_TRAP",  "SCMP_ACT_KILL_THREAD",
	};

	return is_one_of(text, actions, sizeof(actions) / sizeof(actions[0]));
}

static bool is_operator(const char *text)
{
	static const char *const operators[] = {
		"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",	    "SCMP_CMP_EQ",
		"SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ",
	};

	return is_one_of(text, operators, sizeof(operators) / sizeof(operators[0]));
}

static bool is_syscall_name(const char *text)
{
	return text && text[0] && strlen(text) <= 64 &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
		       strlen(text);
}

/* errnoRet as a number wins over errno as a name, which is podman's own addition. */
static int error_number(yyjson_val *object, const char *number_key, const char *name_key,
			uint64_t *out, bool *found, struct err *err)
{
	static const struct {
		const char *name;
		unsigned number;
	} names[] = {
		{ "EPERM", EPERM },	{ "ENOENT", ENOENT },	      { "EACCES", EACCES },
		{ "EINVAL", EINVAL },	{ "ENOSYS", ENOSYS },	      { "EAGAIN", EAGAIN },
		{ "ENOTSUP", ENOTSUP }, { "EOPNOTSUPP", EOPNOTSUPP },
	};
	yyjson_val *number = yyjson_obj_get(object, number_key);
	const char *name = yyjson_get_str(yyjson_obj_get(object, name_key));

	*found = true;
	if (yyjson_is_uint(number) && yyjson_get_uint(number) <= 4095) {
		*out = yyjson_get_uint(number);
		return 0;
	}
	if (number && !yyjson_is_null(number))
		return err_set(err, ERR_INPUT, "%s is no error number from 0 to 4095", number_key);
	for (size_t i = 0; name && i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq(name, names[i].name)) {
			*out = names[i].number;
			return 0;
		}
	if (name && name[0])
		return err_set(err, ERR_INPUT, "%s \"%.40s\" is not known: give %s", name_key, name,
			       number_key);
	*found = false;
	return 0;
}

static bool list_has(yyjson_val *list, const char *word)
{
	size_t index, count;
	yyjson_val *item;

	yyjson_arr_foreach(list, index, count, item)
	{
		const char *text = yyjson_get_str(item);

		if (text && str_eq(text, word))
			return true;
	}
	return false;
}

static bool has_all(yyjson_val *list, const struct strv *capabilities)
{
	size_t index, count;
	yyjson_val *item;

	yyjson_arr_foreach(list, index, count, item)
	{
		const char *text = yyjson_get_str(item);

		if (!text || !strv_has(capabilities, text))
			return false;
	}
	return true;
}

static bool has_any(yyjson_val *list, const struct strv *capabilities)
{
	size_t index, count;
	yyjson_val *item;

	yyjson_arr_foreach(list, index, count, item)
	{
		const char *text = yyjson_get_str(item);

		if (text && strv_has(capabilities, text))
			return true;
	}
	return false;
}

/* "4.8" against the oldest kernel we support. */
static bool kernel_is_at_least(const char *version)
{
	char *end;
	unsigned long major = strtoul(version, &end, 10);
	unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;

	return major < KERNEL_MAJOR || (major == KERNEL_MAJOR && minor <= KERNEL_MINOR);
}

/* The rule of containers/common: all included conditions hold, and no excluded one. */
static bool applies(yyjson_val *rule, const struct strv *capabilities)
{
	yyjson_val *in = yyjson_obj_get(rule, "includes");
	yyjson_val *ex = yyjson_obj_get(rule, "excludes");
	yyjson_val *arches = yyjson_obj_get(in, "arches");
	const char *in_kernel = yyjson_get_str(yyjson_obj_get(in, "minKernel"));
	const char *ex_kernel = yyjson_get_str(yyjson_obj_get(ex, "minKernel"));

	if (yyjson_arr_size(arches) && !list_has(arches, SECCOMP_GOARCH))
		return false;
	if (list_has(yyjson_obj_get(ex, "arches"), SECCOMP_GOARCH))
		return false;
	if (!has_all(yyjson_obj_get(in, "caps"), capabilities) ||
	    has_any(yyjson_obj_get(ex, "caps"), capabilities))
		return false;
	if (in_kernel && in_kernel[0] && !kernel_is_at_least(in_kernel))
		return false;
	return !(ex_kernel && ex_kernel[0] && kernel_is_at_least(ex_kernel));
}

static int write_names(struct json *j, yyjson_val *rule, struct err *err)
{
	yyjson_val *names = yyjson_obj_get(rule, "names");
	const char *name = yyjson_get_str(yyjson_obj_get(rule, "name"));
	size_t index, count;
	yyjson_val *item;

	json_array(j, "names");
	if (name && name[0]) {
		if (!is_syscall_name(name))
			return err_set(err, ERR_INPUT, "\"%.80s\" is no system call's name", name);
		json_str(j, NULL, name);
	} else if (!yyjson_arr_size(names)) {
		return err_set(err, ERR_INPUT, "a rule has no names");
	}
	yyjson_arr_foreach(names, index, count, item)
	{
		const char *text = yyjson_get_str(item);

		if (!is_syscall_name(text))
			return err_set(err, ERR_INPUT, "\"%.80s\" is no system call's name",
				       text ? text : "");
		json_str(j, NULL, text);
	}
	json_array_end(j);
	return 0;
}

static int write_argument(struct json *j, yyjson_val *arg, struct err *err)
{
	yyjson_val *index = yyjson_obj_get(arg, "index");
	yyjson_val *value = yyjson_obj_get(arg, "value");
	yyjson_val *second = yyjson_obj_get(arg, "valueTwo");
	const char *op = yyjson_get_str(yyjson_obj_get(arg, "op"));

	if (!yyjson_is_uint(index) || yyjson_get_uint(index) > 5 || !yyjson_is_uint(value) ||
	    !is_operator(op) || (second && !yyjson_is_uint(second)))
		return err_set(err, ERR_INPUT, "an argument has no valid index, value and op");
	json_object(j, NULL);
	json_uint(j, "index", yyjson_get_uint(index));
	json_uint(j, "value", yyjson_get_uint(value));
	if (second)
		json_uint(j, "valueTwo", yyjson_get_uint(second));
	json_str(j, "op", op);
	json_object_end(j);
	return 0;
}

static int write_rule(struct json *j, yyjson_val *rule, struct err *err)
{
	const char *action = yyjson_get_str(yyjson_obj_get(rule, "action"));
	yyjson_val *args = yyjson_obj_get(rule, "args");
	size_t index, count;
	yyjson_val *arg;
	uint64_t number;
	bool found;

	json_object(j, NULL);
	if (write_names(j, rule, err) < 0)
		return -1;
	if (!is_action(action))
		return err_set(err, ERR_UNSUPPORTED, "action \"%.40s\" is not supported",
			       action ? action : "");
	json_str(j, "action", action);
	if (error_number(rule, "errnoRet", "errno", &number, &found, err) < 0)
		return -1;
	if (found)
		json_uint(j, "errnoRet", number);
	if (yyjson_arr_size(args)) {
		json_array(j, "args");
		yyjson_arr_foreach(args, index, count, arg)
		{
			if (write_argument(j, arg, err) < 0)
				return -1;
		}
		json_array_end(j);
	}
	json_object_end(j);
	return 0;
}

static int write_profile(struct json *j, yyjson_val *root, const struct strv *capabilities,
			 struct err *err)
{
	const char *action = yyjson_get_str(yyjson_obj_get(root, "defaultAction"));
	yyjson_val *rules = yyjson_obj_get(root, "syscalls");
	size_t index, count;
	yyjson_val *rule;
	uint64_t number;
	bool found;

	if (!is_action(action))
		return err_set(err, ERR_INPUT, "no valid defaultAction");
	if (yyjson_obj_get(root, "listenerPath"))
		return err_set(err, ERR_UNSUPPORTED, "listenerPath is not supported");
	json_object(j, NULL);
	json_str(j, "defaultAction", action);
	if (error_number(root, "defaultErrnoRet", "defaultErrno", &number, &found, err) < 0)
		return -1;
	if (found)
		json_uint(j, "defaultErrnoRet", number);
	json_array(j, "architectures");
	json_str(j, NULL, SECCOMP_ARCH);
	json_array_end(j);
	json_array(j, "syscalls");
	yyjson_arr_foreach(rules, index, count, rule)
	{
		if (!yyjson_is_obj(rule))
			return err_set(err, ERR_INPUT, "rule %zu is no object", index + 1);
		if (applies(rule, capabilities) && write_rule(j, rule, err) < 0)
			return err_wrap(err, "rule %zu", index + 1);
	}
	json_array_end(j);
	json_object_end(j);
	return 0;
}

int seccomp_file_text(const char *text, const struct strv *capabilities, struct arena *arena,
		      const char **out, struct err *err)
{
	auto_buf result = BUF_INIT(SECCOMP_TEXT_MAX);
	struct json j = JSON_TO(&result);
	size_t len = strlen(text);
	yyjson_doc *doc;
	int status;

	if (len > SPEC_SECCOMP_MAX_BYTES)
		return err_set(err, ERR_LIMIT, "%zu bytes, at most %d are allowed", len,
			       SPEC_SECCOMP_MAX_BYTES);
	doc = yyjson_read(text, len, 0);
	if (!yyjson_is_obj(yyjson_doc_get_root(doc)))
		status = err_set(err, ERR_INPUT, "is no JSON object");
	else
		status = write_profile(&j, yyjson_doc_get_root(doc), capabilities, err);
	yyjson_doc_free(doc);
	if (status < 0 || buf_check(&result, "seccomp profile", err) < 0)
		return -1;
	*out = arena_strdup(arena, buf_str(&result));
	return 0;
}
