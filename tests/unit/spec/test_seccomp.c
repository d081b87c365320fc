/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The built-in profile: its shape, its conditions, and that it allows what podman's own file on
 * this machine allows.
 */
#include "spec_test.h"

#include <fcntl.h>

#include "spec/oci_internal.h"
#include "util/digest.h"
#include "util/file.h"

#define DEBIAN_PROFILE "/usr/share/containers/seccomp.json"

static yyjson_doc *profile(struct arena *arena, const struct strv *capabilities)
{
	const char *text;
	struct err err;
	yyjson_doc *doc;

	assert_int_equal(seccomp_default_text(capabilities, arena, &text, &err), 0);
	doc = yyjson_read(text, strlen(text), 0);
	assert_non_null(doc);
	return doc;
}

/* Is there a rule of this action for the name, without conditions on arguments? */
static bool has_plain(yyjson_doc *doc, const char *action, const char *name)
{
	yyjson_val *rules = yyjson_obj_get(yyjson_doc_get_root(doc), "syscalls"), *rule;
	size_t index, count;

	yyjson_arr_foreach(rules, index, count, rule)
	{
		if (!yyjson_equals_str(yyjson_obj_get(rule, "action"), action) ||
		    yyjson_arr_size(yyjson_obj_get(rule, "args")))
			continue;
		if (list_has_str(yyjson_obj_get(rule, "names"), name))
			return true;
	}
	return false;
}

static bool allows(yyjson_doc *doc, const char *name)
{
	return has_plain(doc, "SCMP_ACT_ALLOW", name);
}

static bool denies(yyjson_doc *doc, const char *name)
{
	return has_plain(doc, "SCMP_ACT_ERRNO", name);
}

static void everything_else_does_not_exist(void **state)
{
	struct arena arena = { 0 };
	yyjson_doc *doc = profile(&arena, &capability_defaults);
	yyjson_val *root = yyjson_doc_get_root(doc);

	(void)state;
	assert_string_equal(yyjson_get_str(yyjson_obj_get(root, "defaultAction")),
			    "SCMP_ACT_ERRNO");
	assert_int_equal(yyjson_get_int(yyjson_obj_get(root, "defaultErrnoRet")), 38);
	assert_int_equal(yyjson_arr_size(yyjson_obj_get(root, "architectures")), 1);
	assert_true(allows(doc, "openat") && allows(doc, "futex") && allows(doc, "clone3"));
	assert_true(denies(doc, "kexec_load") && denies(doc, "userfaultfd"));
	assert_false(allows(doc, "io_uring_setup") || denies(doc, "io_uring_setup"));
	assert_false(allows(doc, "add_key") || allows(doc, "request_key"));
	yyjson_doc_free(doc);
	arena_fini(&arena);
}

static void capabilities_open_their_calls(void **state)
{
	static const struct {
		const char *capability, *name;
	} rows[] = {
		{ "CAP_SYS_ADMIN", "quotactl" },
		{ "CAP_SYS_ADMIN", "bpf" },
		{ "CAP_BPF", "bpf" },
		{ "CAP_PERFMON", "perf_event_open" },
		{ "CAP_SYS_CHROOT", "chroot" },
		{ "CAP_SYS_MODULE", "init_module" },
		{ "CAP_SYS_PACCT", "acct" },
		{ "CAP_SYS_PTRACE", "kcmp" },
		{ "CAP_SYS_RAWIO", "iopl" },
		{ "CAP_SYS_TIME", "clock_settime" },
		{ "CAP_SYS_TTY_CONFIG", "vhangup" },
		{ "CAP_DAC_READ_SEARCH", "open_by_handle_at" },
	};
	struct arena arena = { 0 };
	struct strv none = { 0 };
	yyjson_doc *without = profile(&arena, &none);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct strv one = { 0 };
		yyjson_doc *with;

		strv_push(&arena, &one, rows[i].capability);
		with = profile(&arena, &one);
		assert_true(allows(with, rows[i].name) && !denies(with, rows[i].name));
		assert_true(denies(without, rows[i].name) && !allows(without, rows[i].name));
		yyjson_doc_free(with);
	}
	yyjson_doc_free(without);
	arena_fini(&arena);
}

/* "name action index:op:value ..." of every rule with arguments, each once. */
static struct strv argument_rules(struct arena *arena, yyjson_doc *doc)
{
	yyjson_val *rules = yyjson_obj_get(yyjson_doc_get_root(doc), "syscalls"), *rule, *arg;
	size_t index, count, k, args;
	struct strv out = { 0 };

	yyjson_arr_foreach(rules, index, count, rule)
	{
		yyjson_val *list = yyjson_obj_get(rule, "args");
		const char *text;

		if (!yyjson_arr_size(list))
			continue;
		text = arena_printf(
			arena, "%s %s %d",
			yyjson_get_str(yyjson_arr_get(yyjson_obj_get(rule, "names"), 0)),
			yyjson_get_str(yyjson_obj_get(rule, "action")),
			yyjson_get_int(yyjson_obj_get(rule, "errnoRet")));
		yyjson_arr_foreach(list, k, args, arg)
		{
			text = arena_printf(
				arena, "%s %d:%s:%llu", text,
				yyjson_get_int(yyjson_obj_get(arg, "index")),
				yyjson_get_str(yyjson_obj_get(arg, "op")),
				(unsigned long long)yyjson_get_uint(yyjson_obj_get(arg, "value")));
		}
		if (!strv_has(&out, text))
			strv_push(arena, &out, text);
	}
	return out;
}

static void arguments_are_filtered(void **state)
{
	struct arena arena = { 0 };
	struct strv audit = { 0 };
	yyjson_doc *doc = profile(&arena, &capability_defaults);
	struct strv rules = argument_rules(&arena, doc);

	(void)state;
	assert_true(strv_has(&rules, "personality SCMP_ACT_ALLOW 0 0:SCMP_CMP_EQ:4294967295"));
	assert_true(strv_has(&rules, "personality SCMP_ACT_ALLOW 0 0:SCMP_CMP_EQ:131080"));
	assert_true(strv_has(&rules, "socket SCMP_ACT_ALLOW 0 2:SCMP_CMP_NE:9"));
	assert_true(strv_has(&rules, "socket SCMP_ACT_ALLOW 0 0:SCMP_CMP_NE:16"));
	assert_true(strv_has(&rules, "socket SCMP_ACT_ERRNO 22 0:SCMP_CMP_EQ:16 2:SCMP_CMP_EQ:9"));
	assert_int_equal(rules.count, 8);
	assert_false(allows(doc, "socket"));
	yyjson_doc_free(doc);
	strv_push(&arena, &audit, "CAP_AUDIT_WRITE");
	doc = profile(&arena, &audit);
	assert_true(allows(doc, "socket"));
	assert_int_equal(argument_rules(&arena, doc).count, 5);
	yyjson_doc_free(doc);
	arena_fini(&arena);
}

static void equal_sets_give_equal_text(void **state)
{
	struct arena arena = { 0 };
	struct strv none = { 0 };
	const char *a, *b, *c;
	struct err err;

	(void)state;
	assert_int_equal(seccomp_default_text(&capability_defaults, &arena, &a, &err), 0);
	assert_int_equal(seccomp_default_text(&capability_defaults, &arena, &b, &err), 0);
	assert_int_equal(seccomp_default_text(&none, &arena, &c, &err), 0);
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
	arena_fini(&arena);
}

static void no_name_has_two_plain_verdicts(void **state)
{
	struct arena arena = { 0 };
	yyjson_doc *doc = profile(&arena, &capability_defaults);
	yyjson_val *rules = yyjson_obj_get(yyjson_doc_get_root(doc), "syscalls"), *rule, *name;
	size_t index, count, k, names;
	struct strv seen = { 0 };

	(void)state;
	yyjson_arr_foreach(rules, index, count, rule)
	{
		if (yyjson_arr_size(yyjson_obj_get(rule, "args")))
			continue;
		yyjson_arr_foreach(yyjson_obj_get(rule, "names"), k, names, name)
		{
			if (strv_has(&seen, yyjson_get_str(name)))
				fail_msg("%s is there twice", yyjson_get_str(name));
			strv_push(&arena, &seen, yyjson_get_str(name));
		}
	}
	assert_true(seen.count > 380);
	yyjson_doc_free(doc);
	arena_fini(&arena);
}

/*
 * Where the two may differ: between the releases of podman's profile, and calls that 64-bit
 * machines do not have.
 */
static bool may_differ(const char *name)
{
	static const char *const names[] = {
		"fchmodat2", "quotactl_fd", "riscv_flush_icache", "swapcontext", "readdir",
		"sigaction", "sigpending",  "sigsuspend",	  "syscall",	 "timerfd",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq(name, names[i]))
			return true;
	return false;
}

static void assert_covers(yyjson_doc *wide, yyjson_doc *narrow, const char *what)
{
	yyjson_val *rules = yyjson_obj_get(yyjson_doc_get_root(narrow), "syscalls"), *rule, *name;
	size_t index, count, k, names;

	yyjson_arr_foreach(rules, index, count, rule)
	{
		if (!yyjson_equals_str(yyjson_obj_get(rule, "action"), "SCMP_ACT_ALLOW") ||
		    yyjson_arr_size(yyjson_obj_get(rule, "args")))
			continue;
		yyjson_arr_foreach(yyjson_obj_get(rule, "names"), k, names, name)
		{
			const char *text = yyjson_get_str(name);

			if (!allows(wide, text) && !may_differ(text))
				fail_msg("%s is allowed by %s only", text, what);
		}
	}
}

static void compare_with(const char *debian_text, const struct strv *capabilities)
{
	struct arena arena = { 0 };
	yyjson_doc *ours = profile(&arena, capabilities), *debian;
	struct strv our_rules, their_rules;
	const char *text;
	struct err err;

	assert_int_equal(seccomp_file_text(debian_text, capabilities, &arena, &text, &err), 0);
	debian = yyjson_read(text, strlen(text), 0);
	assert_covers(ours, debian, "Debian's profile");
	assert_covers(debian, ours, "our profile");
	our_rules = argument_rules(&arena, ours);
	their_rules = argument_rules(&arena, debian);
	assert_int_equal(our_rules.count, their_rules.count);
	for (size_t i = 0; i < our_rules.count; i++)
		if (!strv_has(&their_rules, our_rules.items[i]))
			fail_msg("rule \"%s\" is ours only", our_rules.items[i]);
	yyjson_doc_free(ours);
	yyjson_doc_free(debian);
	arena_fini(&arena);
}

static void allows_what_podmans_profile_allows(void **state)
{
	struct arena arena = { 0 };
	struct buf text = BUF_INIT(SPEC_SECCOMP_MAX_BYTES);
	const char *word = CAPABILITY_ALL;
	struct strv none = { 0 }, add = { &word, 1 }, all;
	struct err err;

	(void)state;
	if (file_read_at(AT_FDCWD, DEBIAN_PROFILE, SPEC_SECCOMP_MAX_BYTES, &text, &err) < 0) {
		print_message("%s: install golang-github-containers-common\n", err.msg);
		skip();
	}
	assert_int_equal(capability_merge(&none, &add, &none, &arena, &all, &err), 0);
	compare_with(text.data, &capability_defaults);
	compare_with(text.data, &none);
	compare_with(text.data, &all);
	buf_fini(&text);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_else_does_not_exist),
		cmocka_unit_test(capabilities_open_their_calls),
		cmocka_unit_test(arguments_are_filtered),
		cmocka_unit_test(equal_sets_give_equal_text),
		cmocka_unit_test(no_name_has_two_plain_verdicts),
		cmocka_unit_test(allows_what_podmans_profile_allows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
