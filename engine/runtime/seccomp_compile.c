/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OCI profile -> libseccomp rules -> BPF as a binary tree over ranges (the linear form of a long list costs
 * every system call of the container and 1 ms at every start). Must never make a filter that
 * allows more than the profile: what is not understood is an error.
 */
#include "runtime/seccomp_compile.h"

#include <errno.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/seccomp.h"
#include "runtime/seccomp_ranges.h"
#include "util/cleanup.h"
#include "util/str.h"

#define MAX_RULES 2048
#define MAX_ARGS 6

struct compile {
	scmp_filter_ctx ctx;
	uint32_t default_action;
};

static int read_action(yyjson_val *name, yyjson_val *number, uint32_t *out, struct err *err)
{
	const char *word = yyjson_get_str(name);
	uint32_t value = EPERM;

	if (number) {
		if (!yyjson_is_uint(number) || yyjson_get_uint(number) > 4095)
			return err_set(err, ERR_INPUT, "errnoRet: not an error number");
		value = (uint32_t)yyjson_get_uint(number);
	}
	if (!word)
		return err_set(err, ERR_INPUT, "action: not a string");
	if (str_eq(word, "SCMP_ACT_ALLOW"))
		*out = SCMP_ACT_ALLOW;
	else if (str_eq(word, "SCMP_ACT_ERRNO"))
		*out = SCMP_ACT_ERRNO(value);
	else if (str_eq(word, "SCMP_ACT_KILL") || str_eq(word, "SCMP_ACT_KILL_THREAD"))
		*out = SCMP_ACT_KILL_THREAD;
	else if (str_eq(word, "SCMP_ACT_KILL_PROCESS"))
		*out = SCMP_ACT_KILL_PROCESS;
	else if (str_eq(word, "SCMP_ACT_TRAP"))
		*out = SCMP_ACT_TRAP;
	else if (str_eq(word, "SCMP_ACT_LOG"))
		*out = SCMP_ACT_LOG;
	else if (str_eq(word, "SCMP_ACT_TRACE"))
		*out = SCMP_ACT_TRACE(value);
	else
		return err_set(err, ERR_UNSUPPORTED, "action \"%s\" is not supported", word);
	return 0;
}

static int read_operator(yyjson_val *value, enum scmp_compare *out, struct err *err)
{
	static const struct {
		const char *word;
		enum scmp_compare op;
	} operators[] = {
		{ "SCMP_CMP_NE", SCMP_CMP_NE },
		{ "SCMP_CMP_LT", SCMP_CMP_LT },
		{ "SCMP_CMP_LE", SCMP_CMP_LE },
		{ "SCMP_CMP_EQ", SCMP_CMP_EQ },
		{ "SCMP_CMP_GE", SCMP_CMP_GE },
		{ "SCMP_CMP_GT", SCMP_CMP_GT },
		{ "SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ },
	};
	const char *word = yyjson_get_str(value);

	for (size_t i = 0; word && i < sizeof(operators) / sizeof(operators[0]); i++) {
		if (!str_eq(operators[i].word, word))
			continue;
		*out = operators[i].op;
		return 0;
	}
	return err_set(err, ERR_INPUT, "op: unknown comparison");
}

static int read_arg(yyjson_val *item, struct scmp_arg_cmp *out, struct err *err)
{
	yyjson_val *index = yyjson_obj_get(item, "index"), *value = yyjson_obj_get(item, "value");
	yyjson_val *second = yyjson_obj_get(item, "valueTwo");

	if (!yyjson_is_uint(index) || yyjson_get_uint(index) >= MAX_ARGS)
		return err_set(err, ERR_INPUT, "index: not a number from 0 to 5");
	if (!yyjson_is_uint(value) || (second && !yyjson_is_uint(second)))
		return err_set(err, ERR_INPUT, "value: not a number");
	*out = (struct scmp_arg_cmp){
		.arg = (unsigned)yyjson_get_uint(index),
		.datum_a = yyjson_get_uint(value),
		.datum_b = yyjson_get_uint(second),
	};
	return read_operator(yyjson_obj_get(item, "op"), &out->op, err);
}

/* The number of conditions, -1 on error. */
static int read_args(yyjson_val *list, struct scmp_arg_cmp args[MAX_ARGS], struct err *err)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *item;
	int count = 0;

	if (yyjson_arr_size(list) > MAX_ARGS)
		return err_set(err, ERR_LIMIT, "args: more than %d", MAX_ARGS);
	while ((item = yyjson_arr_iter_next(&it)))
		if (read_arg(item, &args[count++], err) < 0)
			return err_wrap(err, "args");
	return count;
}

static bool args_repeat_index(const struct scmp_arg_cmp *args, int count)
{
	for (int i = 0; i < count; i++)
		for (int j = 0; j < i; j++)
			if (args[i].arg == args[j].arg)
				return true;
	return false;
}

static int add_rule(struct compile *c, uint32_t action, const char *name,
		    const struct scmp_arg_cmp *args, int count, struct err *err)
{
	int number = seccomp_syscall_resolve_name(name);
	int rc = 0;

	if (number == __NR_SCMP_ERROR || action == c->default_action)
		return 0;
	if (args_repeat_index(args, count)) {
		/* libseccomp takes one condition per argument; runc and crun read several on
		 * the same one as alternatives, and profiles are written for that. */
		for (int i = 0; i < count && rc == 0; i++)
			rc = seccomp_rule_add_array(c->ctx, action, number, 1, &args[i]);
	} else {
		rc = seccomp_rule_add_array(c->ctx, action, number, (unsigned)count, args);
	}
	/* The same rule twice, or a call that another architecture has. */
	if (rc < 0 && rc != -EEXIST && rc != -EDOM)
		return err_errno(err, -rc, "%s: seccomp_rule_add", name);
	return 0;
}

static int check_rule_keys(yyjson_val *rule, struct err *err)
{
	static const char *const known[] = { "names", "action", "errnoRet", "args" };
	yyjson_obj_iter it = yyjson_obj_iter_with(rule);
	yyjson_val *key;

	while ((key = yyjson_obj_iter_next(&it))) {
		size_t i = 0;

		while (i < 4 && !str_eq(known[i], yyjson_get_str(key)))
			i++;
		if (i == 4)
			return err_set(err, ERR_UNSUPPORTED, "key \"%s\" is not supported",
				       yyjson_get_str(key));
	}
	return 0;
}

static int add_syscalls(struct compile *c, yyjson_val *rule, struct err *err)
{
	yyjson_val *names = yyjson_obj_get(rule, "names"), *item;
	yyjson_arr_iter it = yyjson_arr_iter_with(names);
	struct scmp_arg_cmp args[MAX_ARGS];
	uint32_t action;
	int count;

	if (check_rule_keys(rule, err) < 0)
		return -1;
	if (yyjson_arr_size(names) == 0)
		return err_set(err, ERR_INPUT, "names: empty or not a list");
	if (read_action(yyjson_obj_get(rule, "action"), yyjson_obj_get(rule, "errnoRet"), &action,
			err) < 0)
		return -1;
	count = read_args(yyjson_obj_get(rule, "args"), args, err);
	if (count < 0)
		return -1;
	while ((item = yyjson_arr_iter_next(&it))) {
		const char *name = yyjson_get_str(item);

		if (!name)
			return err_set(err, ERR_INPUT, "names: not a string");
		if (add_rule(c, action, name, args, count, err) < 0)
			return -1;
	}
	return 0;
}

static int add_rules(struct compile *c, yyjson_val *list, struct err *err)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *rule;
	size_t n = 0;

	if (yyjson_arr_size(list) > MAX_RULES)
		return err_set(err, ERR_LIMIT, "more than %d rules", MAX_RULES);
	while ((rule = yyjson_arr_iter_next(&it))) {
		n++;
		if (add_syscalls(c, rule, err) < 0)
			return err_wrap(err, "rule %zu", n);
	}
	return 0;
}

static int set_attributes(struct compile *c, struct err *err)
{
	int rc = seccomp_attr_set(c->ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);

	if (rc == 0)
		rc = seccomp_attr_set(c->ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	return rc < 0 ? err_errno(err, -rc, "seccomp_attr_set") : 0;
}

/* Two filters in one piece of memory: as libseccomp made it, as it becomes. */
static int shorten_filter(int fd, size_t size, struct err *err)
{
	auto_free struct sock_filter *filter = calloc(2, size);
	size_t count = size / sizeof(*filter), shorter;
	ssize_t bytes;

	if (!filter)
		return err_sys(err, "filter");
	if (pread(fd, filter, size, 0) != (ssize_t)size)
		return err_sys(err, "filter: pread");
	shorter = seccomp_ranges(filter, count, filter + count, count);
	if (shorter == 0)
		return 0;
	bytes = (ssize_t)(shorter * sizeof(*filter));
	if (pwrite(fd, filter + count, (size_t)bytes, 0) != bytes || ftruncate(fd, bytes) < 0)
		return err_sys(err, "filter: pwrite");
	return 0;
}

static int export_filter(struct compile *c, int fd, struct err *err)
{
	int rc = seccomp_export_bpf(c->ctx, fd);
	struct stat st;

	if (rc < 0)
		return err_errno(err, -rc, "seccomp_export_bpf");
	if (fstat(fd, &st) < 0)
		return err_sys(err, "fstat");
	if ((size_t)st.st_size > SECCOMP_MAX_INSNS * sizeof(struct sock_filter))
		return err_set(err, ERR_LIMIT, "profile needs %zu instructions, at most %u",
			       (size_t)st.st_size / sizeof(struct sock_filter), SECCOMP_MAX_INSNS);
	return shorten_filter(fd, (size_t)st.st_size, err);
}

static void release_ctx(scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}

int seccomp_compile(yyjson_val *profile, int fd, struct err *err)
{
	__attribute__((cleanup(release_ctx))) scmp_filter_ctx ctx = NULL;
	struct compile c = { 0 };

	if (read_action(yyjson_obj_get(profile, "defaultAction"),
			yyjson_obj_get(profile, "defaultErrnoRet"), &c.default_action, err) < 0)
		return err_wrap(err, "default");
	ctx = seccomp_init(c.default_action);
	if (!ctx)
		return err_set(err, ERR_SYS, "seccomp_init");
	c.ctx = ctx;
	if (set_attributes(&c, err) < 0)
		return -1;
	if (add_rules(&c, yyjson_obj_get(profile, "syscalls"), err) < 0)
		return err_wrap(err, "syscalls");
	return export_filter(&c, fd, err);
}
