/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles of the operator's own: both forms, conditions, and that half a profile is refused. */
#include "spec_test.h"

#include "spec/oci_internal.h"

static const char *convert(struct arena *arena, const char *text)
{
	const char *out;
	struct err err;

	if (seccomp_file_text(text, &capability_defaults, arena, &out, &err) < 0)
		fail_msg("%s", err.msg);
	return out;
}

static void expect_error(const char *text, const char *part)
{
	struct arena arena = { 0 };
	const char *out;
	struct err err;

	if (seccomp_file_text(text, &capability_defaults, &arena, &out, &err) == 0)
		fail_msg("%s was accepted", text);
	if (!strstr(err.msg, part))
		fail_msg("\"%s\" has no \"%s\"", err.msg, part);
	arena_fini(&arena);
}

#define ARCHITECTURES "\"architectures\":[\"" SECCOMP_ARCH "\"]"

static void the_oci_form_passes(void **state)
{
	struct arena arena = { 0 };

	(void)state;
	assert_string_equal(
		convert(&arena,
			"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":1,\"architectures\":[\"SCMP_ARCH_X86\"],"
			"\"syscalls\":[{\"names\":[\"read\",\"write\"],\"action\":\"SCMP_ACT_ALLOW\","
			"\"args\":[{\"index\":1,\"value\":2,\"valueTwo\":3,\"op\":\"SCMP_CMP_MASKED_EQ\"}]}]}"),
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":1," ARCHITECTURES
		",\"syscalls\":[{\"names\":[\"read\",\"write\"],\"action\":\"SCMP_ACT_ALLOW\","
		"\"args\":[{\"index\":1,\"value\":2,\"valueTwo\":3,\"op\":\"SCMP_CMP_MASKED_EQ\"}]}]}");
	arena_fini(&arena);
}

static void conditions_are_resolved(void **state)
{
	static const char *const kept[] = {
		"{\"includes\":{\"caps\":[\"CAP_CHOWN\"]}",
		"{\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}",
		"{\"includes\":{\"arches\":[\"" SECCOMP_GOARCH "\",\"x32\"]}",
		"{\"includes\":{\"minKernel\":\"4.8\"}",
		"{\"includes\":{\"minKernel\":\"5.15\"}",
		"{\"excludes\":{\"minKernel\":\"6.1\"}",
		"{\"includes\":{},\"excludes\":{}",
		"{\"includes\":null,\"args\":null",
	};
	static const char *const dropped[] = {
		"{\"includes\":{\"caps\":[\"CAP_CHOWN\",\"CAP_SYS_ADMIN\"]}",
		"{\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\",\"CAP_CHOWN\"]}",
		"{\"includes\":{\"arches\":[\"s390x\"]}",
		"{\"excludes\":{\"arches\":[\"" SECCOMP_GOARCH "\"]}",
		"{\"includes\":{\"minKernel\":\"6.1\"}",
		"{\"excludes\":{\"minKernel\":\"4.8\"}",
	};
	struct arena arena = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		const char *text = arena_printf(
			&arena,
			"{\"defaultAction\":\"SCMP_ACT_KILL\",\"syscalls\":[%s,\"names\":[\"x\"],\"action\":\"SCMP_ACT_LOG\"}]}",
			kept[i]);

		if (!strstr(convert(&arena, text), "\"names\":[\"x\"]"))
			fail_msg("%s was dropped", kept[i]);
	}
	for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++) {
		const char *text = arena_printf(
			&arena,
			"{\"defaultAction\":\"SCMP_ACT_KILL\",\"syscalls\":[%s,\"names\":[\"x\"],\"action\":\"SCMP_ACT_LOG\"}]}",
			dropped[i]);

		if (strstr(convert(&arena, text), "\"names\""))
			fail_msg("%s was kept", dropped[i]);
	}
	arena_fini(&arena);
}

static void error_numbers_by_number_and_name(void **state)
{
	struct arena arena = { 0 };

	(void)state;
	assert_non_null(strstr(
		convert(&arena,
			"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrno\":\"ENOSYS\",\"syscalls\":["
			"{\"name\":\"a\",\"action\":\"SCMP_ACT_ERRNO\",\"errno\":\"EPERM\"},"
			"{\"names\":[\"b\"],\"action\":\"SCMP_ACT_ERRNO\",\"errno\":\"EPERM\",\"errnoRet\":22}]}"),
		"\"defaultErrnoRet\":38"));
	assert_non_null(strstr(
		convert(&arena,
			"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
			"{\"names\":[\"b\"],\"action\":\"SCMP_ACT_ERRNO\",\"errno\":\"EPERM\",\"errnoRet\":22}]}"),
		"\"errnoRet\":22"));
	arena_fini(&arena);
}

static void half_a_profile_is_none(void **state)
{
	(void)state;
	expect_error("", "is no JSON object");
	expect_error("[]", "is no JSON object");
	expect_error("{}", "no valid defaultAction");
	expect_error("{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", "no valid defaultAction");
	expect_error("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/x\"}",
		     "listenerPath");
	expect_error("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":-1}",
		     "defaultErrnoRet is no error number");
	expect_error("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrno\":\"EODD\"}",
		     "defaultErrno \"EODD\" is not known");
	expect_error("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[7]}",
		     "rule 1 is no object");
	expect_error("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{}]}",
		     "rule 1: a rule has no names");
	expect_error("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"a b\"]}]}",
		     "no system call's name");
	expect_error("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[1]}]}",
		     "no system call's name");
	expect_error("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"name\":\"-\"}]}",
		     "no system call's name");
	expect_error("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"a\"]}]}",
		     "action \"\" is not supported");
	expect_error(
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_TRACE\"}]}",
		"action \"SCMP_ACT_TRACE\"");
	expect_error(
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_LOG\","
		"\"args\":[{\"index\":6,\"value\":0,\"op\":\"SCMP_CMP_EQ\"}]}]}",
		"no valid index, value and op");
	expect_error(
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_LOG\","
		"\"args\":[{\"index\":0,\"value\":0,\"op\":\"EQ\"}]}]}",
		"no valid index, value and op");
}

static void size_is_bounded(void **state)
{
	char *big = malloc(SPEC_SECCOMP_MAX_BYTES + 2);

	(void)state;
	memset(big, ' ', SPEC_SECCOMP_MAX_BYTES + 1);
	big[SPEC_SECCOMP_MAX_BYTES + 1] = '\0';
	expect_error(big, "at most 262144 are allowed");
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_oci_form_passes),
		cmocka_unit_test(conditions_are_resolved),
		cmocka_unit_test(error_numbers_by_number_and_name),
		cmocka_unit_test(half_a_profile_is_none),
		cmocka_unit_test(size_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
