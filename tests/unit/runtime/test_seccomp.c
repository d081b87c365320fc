/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles -> filters, judged by running the filter: a small interpreter of the classic BPF that
 * seccomp takes says what the kernel would do with a system call. And the cache: what is trusted
 * and what is not.
 */
#include "filter_test.h"
#include "runtime_test.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "runtime/seccomp.h"
#include "runtime/seccomp_compile.h"
#include "util/digest.h"

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#endif

static struct sock_filter program[SECCOMP_MAX_INSNS];
static size_t program_length;

static uint32_t verdict(long number, uint64_t arg0, uint64_t arg1)
{
	struct seccomp_data data = { .nr = (int)number, .arch = NATIVE, .args = { arg0, arg1 } };

	return run_filter(program, program_length, &data);
}

static int compile(const char *text, struct err *err)
{
	yyjson_doc *doc = yyjson_read(text, strlen(text), 0);
	int fd = open(in_scratch("filter"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n;
	int rc;

	assert_non_null(doc);
	assert_true(fd >= 0);
	rc = seccomp_compile(yyjson_doc_get_root(doc), fd, err);
	n = pread(fd, program, sizeof(program), 0);
	program_length = (size_t)n / sizeof(program[0]);
	close(fd);
	yyjson_doc_free(doc);
	return rc;
}

static void assert_compiles(const char *text)
{
	struct err err;

	if (compile(text, &err) < 0)
		fail_msg("%s", err.msg);
}

#define ERRNO(n) (SECCOMP_RET_ERRNO | (n))

static void lists_and_defaults(void **state)
{
	(void)state;
	assert_compiles(
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,\"syscalls\":["
		"{\"names\":[\"read\",\"write\",\"no_such_call\"],\"action\":\"SCMP_ACT_ALLOW\"},"
		"{\"names\":[\"kexec_load\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":1},"
		"{\"names\":[\"ptrace\"],\"action\":\"SCMP_ACT_ERRNO\"},"
		"{\"names\":[\"mount\"],\"action\":\"SCMP_ACT_KILL_PROCESS\"},"
		"{\"names\":[\"reboot\"],\"action\":\"SCMP_ACT_KILL\"},"
		"{\"names\":[\"acct\"],\"action\":\"SCMP_ACT_TRAP\"},"
		"{\"names\":[\"sync\"],\"action\":\"SCMP_ACT_LOG\"},"
		"{\"names\":[\"bpf\"],\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":7},"
		"{\"names\":[\"swapon\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":38}]}");
	assert_int_equal(verdict(SYS_read, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(SYS_write, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(SYS_close, 0, 0), ERRNO(ENOSYS));
	assert_int_equal(verdict(100000, 0, 0), ERRNO(ENOSYS));
	assert_int_equal(verdict(SYS_kexec_load, 0, 0), ERRNO(EPERM));
	assert_int_equal(verdict(SYS_ptrace, 0, 0), ERRNO(EPERM));
	assert_int_equal(verdict(SYS_mount, 0, 0), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(verdict(SYS_reboot, 0, 0), SECCOMP_RET_KILL_THREAD);
	assert_int_equal(verdict(SYS_acct, 0, 0), SECCOMP_RET_TRAP);
	assert_int_equal(verdict(SYS_sync, 0, 0), SECCOMP_RET_LOG);
	assert_int_equal(verdict(SYS_bpf, 0, 0), SECCOMP_RET_TRACE | 7);
	assert_int_equal(verdict(SYS_swapon, 0, 0), ERRNO(ENOSYS));
}

static void arguments(void **state)
{
	(void)state;
	assert_compiles(
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
		"{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":["
		"{\"index\":0,\"value\":8,\"op\":\"SCMP_CMP_EQ\"}]},"
		"{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":["
		"{\"index\":0,\"value\":2114060288,\"valueTwo\":0,\"op\":\"SCMP_CMP_MASKED_EQ\"}]},"
		"{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":["
		"{\"index\":0,\"value\":40,\"op\":\"SCMP_CMP_NE\"},"
		"{\"index\":1,\"value\":2,\"op\":\"SCMP_CMP_LT\"}]},"
		"{\"names\":[\"dup\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":["
		"{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},"
		"{\"index\":0,\"value\":2,\"op\":\"SCMP_CMP_EQ\"}]}]}");
	assert_int_equal(verdict(SYS_personality, 8, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(SYS_personality, UINT64_C(1) << 32 | 8, 0), ERRNO(EPERM));
	assert_int_equal(verdict(SYS_personality, 9, 0), ERRNO(EPERM));
	assert_int_equal(verdict(SYS_clone, 17, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(SYS_clone, 0x10000000, 0), ERRNO(EPERM));
	/* Different arguments: all conditions; the same argument twice: one is enough. */
	assert_int_equal(verdict(SYS_socket, 2, 1), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(SYS_socket, 40, 1), ERRNO(EPERM));
	assert_int_equal(verdict(SYS_socket, 2, 2), ERRNO(EPERM));
	assert_int_equal(verdict(SYS_dup, 1, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(SYS_dup, 2, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(SYS_dup, 3, 0), ERRNO(EPERM));
}

static void other_architectures_are_killed(void **state)
{
	struct seccomp_data data = { .nr = SYS_read, .arch = AUDIT_ARCH_I386 };

	(void)state;
	assert_compiles(
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86\"],"
		"\"syscalls\":[{\"names\":[\"reboot\"],\"action\":\"SCMP_ACT_ERRNO\"}]}");
	assert_int_equal(run_filter(program, program_length, &data), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(verdict(SYS_read, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(verdict(SYS_reboot, 0, 0), ERRNO(EPERM));
#if defined(__x86_64__)
	/* x32 shares the architecture's number and has bit 30 set in the call's. */
	assert_int_equal(verdict(0x40000000 | SYS_read, 0, 0), SECCOMP_RET_KILL_PROCESS);
#endif
}

static void refusals(void **state)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ "{}", "default: action" },
		{ "{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", "SCMP_ACT_NOTIFY" },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":\"EPERM\"}",
		  "errnoRet" },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":5000}", "errnoRet" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"action\":\"SCMP_ACT_ERRNO\"}]}",
		  "rule 1: names" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[1],"
		  "\"action\":\"SCMP_ACT_ERRNO\"}]}",
		  "names: not a string" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],"
		  "\"action\":\"SCMP_ACT_ERRNO\",\"includes\":{}}]}",
		  "\"includes\"" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],"
		  "\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":6,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}]}",
		  "index" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],"
		  "\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":1,\"value\":-1,\"op\":\"SCMP_CMP_EQ\"}]}]}",
		  "value" },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"],"
		  "\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":1,\"value\":1,\"op\":\"SCMP_CMP_XX\"}]}]}",
		  "comparison" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { 0 };

		assert_int_equal(compile(cases[i].text, &err), -1);
		if (!strstr(err.msg, cases[i].reason))
			fail_msg("\"%s\" is not in \"%s\"", cases[i].reason, err.msg);
	}
}

/* --- the cache --- */

#define PROFILE \
	"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"reboot\"],\"action\":\"SCMP_ACT_ERRNO\"}]}"
#define CONFIG(profile)                                                                                     \
	"{\"process\":{\"args\":[\"x\"],\"cwd\":\"/\"},\"root\":{\"path\":\"r\"},\"linux\":{"               \
	"\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":1}],"                                    \
	"\"gidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":1}],"                                    \
	"\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"user\"}],\"seccomp\":" profile \
	"}}"

static size_t prepare(struct err *err)
{
	struct plan plan;
	size_t count;

	assert_int_equal(read_plan_text(&plan, CONFIG(PROFILE), err), 0);
	count = seccomp_prepare(&plan, in_scratch("cache"), err) == 0 ? plan.filter_count : 0;
	if (count) {
		memcpy(program, plan.filter, count * sizeof(program[0]));
		program_length = count;
	}
	plan_fini(&plan);
	return count;
}

static const char *cached_path(void)
{
	static char path[256];
	char digest[DIGEST_STR_LEN + 1];

	digest_of(PROFILE, strlen(PROFILE), digest);
	snprintf(path, sizeof(path), "%s/cache/seccomp-%s.bpf", scratch, digest + 7);
	return path;
}

static void cache_is_filled_and_used(void **state)
{
	static const struct sock_filter allow = { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW };
	struct err err = { 0 };
	struct stat st;
	int fd;

	(void)state;
	assert_true(prepare(&err) > 3);
	assert_int_equal(verdict(SYS_reboot, 0, 0), ERRNO(EPERM));
	assert_int_equal(stat(cached_path(), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(in_scratch("cache"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	/* What lies there is what is used: nothing is compiled a second time. */
	fd = open(cached_path(), O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, &allow, sizeof(allow)), sizeof(allow));
	close(fd);
	assert_int_equal(prepare(&err), 1);
}

static void untrustworthy_files_are_replaced(void **state)
{
	struct err err = { 0 };
	size_t good = prepare(&err);
	struct stat st;

	(void)state;
	assert_true(good > 3);
	assert_int_equal(chmod(cached_path(), 0620), 0);
	assert_int_equal(prepare(&err), good);
	assert_int_equal(stat(cached_path(), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(truncate(cached_path(), 12), 0);
	assert_int_equal(prepare(&err), good);
	assert_int_equal(truncate(cached_path(), 0), 0);
	assert_int_equal(prepare(&err), good);
	assert_int_equal(truncate(cached_path(), 8 * (SECCOMP_MAX_INSNS + 1)), 0);
	assert_int_equal(prepare(&err), good);
	/* A link may lead to a file of somebody's choice. */
	assert_int_equal(rename(cached_path(), in_scratch("elsewhere")), 0);
	assert_int_equal(symlink(in_scratch("elsewhere"), cached_path()), 0);
	assert_int_equal(prepare(&err), good);
	assert_int_equal(lstat(cached_path(), &st), 0);
	assert_true(S_ISREG(st.st_mode));
	if (geteuid() == 0) {
		assert_int_equal(chown(cached_path(), 65001, 65001), 0);
		assert_int_equal(prepare(&err), good);
		assert_int_equal(stat(cached_path(), &st), 0);
		assert_int_equal(st.st_uid, 0);
	}
}

#if defined(__x86_64__)
#define KEY(text) text
#define INSN(code, jt, jf, k)
/* clang-format off */
static const char ready_key[] =
#include "../../../appliance/seccomp/ready_default_x86_64.def"
	;
/* clang-format on */

/* Nothing is compiled, and nothing kept, for the profile that nearly every container has. */
static void the_default_profile_is_there_without_a_compiler(void **state)
{
	char text[1024], last;
	struct plan plan;
	struct err err = { 0 };
	struct stat st;

	(void)state;
	last = ready_key[sizeof(ready_key) - 2];
	for (int i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "%s", CONFIG(PROFILE));
		text[strlen(text) - 1] = '\0';
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 ",\"annotations\":{\"org.cleat.seccomp\":\"%.63s%c\"}}", ready_key,
			 i == 0	     ? last :
			 last == '0' ? '1' :
				       '0');
		assert_int_equal(read_plan_text(&plan, text, &err), 0);
		if (i == 0) {
			assert_int_equal(seccomp_prepare(&plan, in_scratch("cache"), &err), 0);
			assert_true(plan.filter_count > 50);
			program_length = plan.filter_count;
			memcpy(program, plan.filter, program_length * sizeof(program[0]));
			assert_int_equal(verdict(SYS_read, 0, 0), SECCOMP_RET_ALLOW);
			assert_int_equal(verdict(SYS_init_module, 0, 0), ERRNO(EPERM));
			assert_int_equal(verdict(100000, 0, 0), ERRNO(ENOSYS));
		} else { /* another number is another profile's */
			assert_int_equal(seccomp_prepare(&plan, in_scratch("cache"), &err), -1);
			assert_non_null(strstr(err.msg, "is not the profile's sha256"));
		}
		assert_int_equal(stat(in_scratch("cache"), &st), -1);
		plan_fini(&plan);
	}
}
#endif

static void errors_of_the_compiler_come_back(void **state)
{
	struct plan plan;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(read_plan_text(&plan, CONFIG("{\"defaultAction\":\"X\"}"), &err), 0);
	assert_int_equal(seccomp_prepare(&plan, in_scratch("cache"), &err), -1);
	assert_string_equal(err.msg, "seccomp: default: action \"X\" is not supported");
	assert_int_equal(err.code, ERR_UNSUPPORTED);
	plan_fini(&plan);
}

static void files_are_compiled_ahead(void **state)
{
	struct err err = { 0 };
	char path[256];

	(void)state;
	write_text("profile.json", PROFILE);
	assert_int_equal(seccomp_compile_file(in_scratch("profile.json"), in_scratch("cache"), path,
					      sizeof(path), &err),
			 0);
	assert_string_equal(path, cached_path());
	assert_int_equal(unlink(path), 0);
	write_text("config.json", CONFIG(PROFILE));
	assert_int_equal(seccomp_compile_file(in_scratch("config.json"), in_scratch("cache"), path,
					      sizeof(path), &err),
			 0);
	assert_string_equal(path, cached_path());
	write_text("other.json", "{\"a\":1}");
	assert_int_equal(seccomp_compile_file(in_scratch("other.json"), in_scratch("cache"), path,
					      sizeof(path), &err),
			 -1);
	assert_non_null(strstr(err.msg, "no seccomp profile"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lists_and_defaults, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(arguments, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(other_architectures_are_killed, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(refusals, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(cache_is_filled_and_used, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(untrustworthy_files_are_replaced, scratch_setup,
						scratch_teardown),
#if defined(__x86_64__)
		cmocka_unit_test_setup_teardown(the_default_profile_is_there_without_a_compiler,
						scratch_setup, scratch_teardown),
#endif
		cmocka_unit_test_setup_teardown(errors_of_the_compiler_come_back, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(files_are_compiled_ahead, scratch_setup,
						scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
