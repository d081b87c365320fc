/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's filter gives the verdicts of the one that libseccomp makes of the same lists: for every number, on native and foreign
 * architectures, with arguments on both sides of each comparison. The lists are our own rules and those that a fixed sequence of numbers makes.
 */
#include "unit_test.h"

#include "filter_test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/confine_filter.h"

#define MAX_CALLS 100
#define LAST_NUMBER 600u
#define ROUNDS 300u

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#endif

static struct sock_filter ours[CONFINE_MAX_INSNS], theirs[4096];
static size_t our_length, their_length;
static uint32_t sequence;

static uint32_t next_number(uint32_t below)
{
	sequence = sequence * 1664525u + 1013904223u;
	return (sequence >> 8) % below;
}

static void allow(scmp_filter_ctx ctx, int number, struct scmp_arg_cmp cmp)
{
	if (number >= 0)
		assert_int_equal(seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, number, 1, &cmp), 0);
}

static void allow_all_of(scmp_filter_ctx ctx, const int *calls)
{
	for (; *calls != -1; calls++)
		assert_int_equal(seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, *calls, 0, NULL), 0);
}

/* What every worker needs, said a second time: a change of it has to be meant. */
/* clang-format off */
static const int base[] = {
	SCMP_SYS(brk), SCMP_SYS(madvise), SCMP_SYS(mremap), SCMP_SYS(munmap), SCMP_SYS(exit), SCMP_SYS(exit_group),
	SCMP_SYS(futex), SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack), SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(lseek), SCMP_SYS(newfstatat), SCMP_SYS(pread64),
	SCMP_SYS(pwrite64), SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(statx), SCMP_SYS(write), SCMP_SYS(writev),
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(epoll_wait),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(sched_yield), SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(gettimeofday), SCMP_SYS(nanosleep), SCMP_SYS(getegid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getpid),
	SCMP_SYS(getrandom), SCMP_SYS(gettid), SCMP_SYS(getuid), -1,
};
/* clang-format on */

static void make_theirs(const struct proc_confine *c)
{
	scmp_filter_ctx ctx =
		seccomp_init(c->kill_on_violation ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(EPERM));
	const uint64_t folder = O_DIRECTORY | O_ACCMODE | O_CREAT | O_TRUNC;
	int fd = memfd_create("filter", MFD_CLOEXEC);

	assert_non_null(ctx);
	assert_int_equal(seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), 0);
	allow(ctx, SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	allow(ctx, SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	allow(ctx, SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, TIOCGWINSZ, 0));
	allow(ctx, SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, TCGETS, 0));
	allow(ctx, SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, ~UINT64_C(7), F_DUPFD));
	allow(ctx, SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, ~UINT64_C(3), F_OFD_GETLK));
	allow(ctx, SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, ~UINT64_C(1), F_DUPFD_CLOEXEC));
	allow(ctx, SCMP_SYS(fcntl), SCMP_A1(SCMP_CMP_MASKED_EQ, ~UINT64_C(3), F_GETPIPE_SZ));
	if (c->opens_folders_only) {
		allow(ctx, SCMP_SYS(openat), SCMP_A2(SCMP_CMP_MASKED_EQ, folder, O_DIRECTORY));
		allow(ctx, SCMP_SYS(open), SCMP_A1(SCMP_CMP_MASKED_EQ, folder, O_DIRECTORY));
	}
	allow_all_of(ctx, base);
	if (c->syscalls)
		allow_all_of(ctx, c->syscalls);
	assert_int_equal(seccomp_export_bpf(ctx, fd), 0);
	seccomp_release(ctx);
	their_length = (size_t)pread(fd, theirs, sizeof(theirs), 0) / sizeof(theirs[0]);
	close(fd);
}

static void assert_same(uint32_t arch, uint32_t number, const uint64_t args[6])
{
	struct seccomp_data data = { .nr = (int)number, .arch = arch };
	const struct sock_filter *code = ours + CONFINE_MAX_INSNS - our_length;
	uint32_t want, is;

	memcpy(data.args, args, sizeof(data.args));
	want = run_filter(theirs, their_length, &data);
	is = run_filter(code, our_length, &data);
	if (want != is)
		fail_msg("number %#x, architecture %#x, argument %#llx: %#x, should be %#x", number,
			 arch, (unsigned long long)args[1], is, want);
}

/* Around each value that a rule compares with, in either half, and each bit by itself. */
static void assert_same_arguments(uint32_t number)
{
	static const uint64_t values[] = { TIOCGWINSZ,	 TCGETS,      F_OFD_GETLK, F_DUPFD_CLOEXEC,
					   F_GETPIPE_SZ, O_DIRECTORY, O_TMPFILE,   0,
					   PROT_EXEC };
	uint64_t args[6];

	for (size_t n = 0; n < sizeof(values) / sizeof(values[0]); n++) {
		for (unsigned bit = 0; bit <= 64; bit++) {
			uint64_t value = bit == 64 ? values[n] : values[n] ^ UINT64_C(1) << bit;

			for (size_t i = 0; i < 6; i++)
				args[i] = value;
			assert_same(NATIVE, number, args);
		}
		for (size_t near = 0; near < 24; near++) {
			for (size_t i = 0; i < 6; i++)
				args[i] = values[n] - 8 + near;
			assert_same(NATIVE, number, args);
		}
	}
}

static void assert_same_everywhere(const struct proc_confine *c, bool all_arguments)
{
	static const uint32_t odd[] = { 0x3fffffff, 0x40000000, 0x40000001, 0x400000ff,
					0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff };
	static const uint64_t none[6];
	struct err err;

	make_theirs(c);
	assert_int_equal(confine_filter(c, ours, &our_length, &err), 0);
	for (uint32_t number = 0; number < LAST_NUMBER; number++) {
		assert_same(NATIVE, number, none);
		assert_same(AUDIT_ARCH_I386, number, none);
		if (all_arguments)
			assert_same_arguments(number);
	}
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		assert_same(NATIVE, odd[i], none);
		assert_same(0, odd[i], none);
	}
}

static void own_rules_are_those_of_libseccomp(void **state)
{
	struct proc_confine c = { 0 };

	(void)state;
	for (unsigned n = 0; n < 4; n++) {
		c.opens_folders_only = n & 1;
		c.kill_on_violation = n & 2;
		assert_same_everywhere(&c, true);
	}
}

/* What has a condition of its own may be in a list, too; calls may be named twice, or be of another architecture. */
static void lists_are_those_of_libseccomp(void **state)
{
	int calls[MAX_CALLS + 1];

	(void)state;
	for (unsigned n = 0; n < ROUNDS; n++) {
		struct proc_confine c = { .syscalls = calls,
					  .kill_on_violation = next_number(2),
					  .opens_folders_only = next_number(2) };
		size_t count = next_number(MAX_CALLS);
		int number = 0;

		for (size_t i = 0; i < count; i++) {
			number = next_number(3) ? number + 1 : (int)next_number(460);
			calls[i] = next_number(20) ? number : SCMP_SYS(socketcall);
		}
		calls[count] = -1;
		assert_same_everywhere(&c, n % 50 == 0);
	}
}

static void too_long_a_list_is_an_error(void **state)
{
	int calls[400];
	struct proc_confine c = { .syscalls = calls };
	struct err err;

	(void)state;
	for (int i = 0; i < 399; i++)
		calls[i] = 2 * i;
	calls[399] = -1;
	assert_int_equal(confine_filter(&c, ours, &our_length, &err), -1);
	assert_int_equal(err.code, ERR_BUG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_rules_are_those_of_libseccomp),
		cmocka_unit_test(lists_are_those_of_libseccomp),
		cmocka_unit_test(too_long_a_list_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
