/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters as ranges give the verdicts of the filters that they were made of: for every number at which anything could change, for
 * native and foreign architectures, for arguments on both sides of each comparison. The filters are libseccomp's, of profiles
 * that a fixed sequence of numbers makes.
 */
#include "unit_test.h"

#include "filter_test.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/seccomp.h"
#include "runtime/seccomp_ranges.h"

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#endif

struct program {
	size_t length;
	struct sock_filter code[SECCOMP_MAX_INSNS];
};

static struct program before, after;
static uint32_t sequence;

static uint32_t next_number(uint32_t below)
{
	sequence = sequence * 1664525u + 1013904223u;
	return (sequence >> 8) % below;
}

static uint32_t verdict(const struct program *p, const struct seccomp_data *data)
{
	return run_filter(p->code, p->length, data);
}

static void assert_same(uint32_t arch, uint32_t number)
{
	static const uint64_t values[] = { 0, 1, 7, 8, 9, 0x10000000, 1ull << 32 | 8, ~0ull };

	for (size_t n = 0; n < sizeof(values) / sizeof(values[0]); n++) {
		struct seccomp_data data = { .nr = (int)number, .arch = arch };

		for (size_t arg = 0; arg < 6; arg++)
			data.args[arg] = n == 0 ? number : values[(n + arg * 3) % 8];
		if (verdict(&before, &data) != verdict(&after, &data))
			fail_msg("number %#x, architecture %#x, arguments %zu: %#x, was %#x",
				 number, arch, n, verdict(&after, &data), verdict(&before, &data));
	}
}

static void assert_same_everywhere(void)
{
	assert_int_equal(after.code[after.length - 1].code,
			 BPF_RET | BPF_K); /* the kernel's rule */
	for (uint32_t number = 0; number < 600; number++)
		assert_same(NATIVE, number);
	for (size_t pc = 0; pc < before.length; pc++)
		for (uint32_t d = 0; d < 3; d++)
			assert_same(NATIVE, before.code[pc].k + d - 1);
	assert_same(NATIVE, UINT32_MAX);
	assert_same(AUDIT_ARCH_I386, 0);
	assert_same(AUDIT_ARCH_I386, 59);
	assert_same(0, UINT32_MAX);
}

static void read_filter(scmp_filter_ctx ctx)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);

	assert_int_equal(seccomp_export_bpf(ctx, fd), 0);
	seccomp_release(ctx);
	before.length =
		(size_t)pread(fd, before.code, sizeof(before.code), 0) / sizeof(before.code[0]);
	close(fd);
}

/* Stretches of one action with holes in them; "conditions" of 24 rules look at an argument. */
static void make_profile(uint32_t numbers, uint32_t conditions)
{
	static const uint32_t actions[] = { SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(1), SCMP_ACT_LOG,
					    SCMP_ACT_KILL_PROCESS };
	scmp_filter_ctx ctx = seccomp_init(next_number(2) ? SCMP_ACT_ERRNO(38) : SCMP_ACT_ALLOW);
	uint32_t action = actions[next_number(4)];

	assert_non_null(ctx);
	assert_int_equal(seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, next_number(2) ? 2 : 1),
			 0);
	for (uint32_t number = next_number(9); number < numbers; number++) {
		struct scmp_arg_cmp cmp = { .arg = next_number(6),
					    .op = SCMP_CMP_NE + next_number(7),
					    .datum_a = next_number(2) ? 8 : number,
					    .datum_b = 8 };
		bool has_condition = next_number(24) < conditions;

		if (next_number(12) == 0)
			action = actions[next_number(4)];
		if (next_number(12) == 0)
			number += next_number(4);
		/* one that says what the default does is refused, and left out */
		seccomp_rule_add_array(ctx, action, (int)number, has_condition, &cmp);
	}
	read_filter(ctx);
}

static void shorten(void)
{
	after.length = seccomp_ranges(before.code, before.length, after.code, SECCOMP_MAX_INSNS);
}

static void verdicts_stay(void **state)
{
	unsigned shorter = 0;

	(void)state;
	for (unsigned n = 0; n < 60; n++) {
		make_profile(8 + next_number(460), n % 9);
		shorten();
		if (after.length == 0)
			continue;
		assert_true(after.length < before.length);
		assert_same_everywhere();
		shorter++;
	}
	assert_true(shorter > 30);
}

static void append(uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	before.code[before.length++] = (struct sock_filter){ code, jt, jf, k };
}

/* As many fates as numbers: most of what is jumped to is further away than a conditional jump reaches, and every third looks at an argument. */
static void long_filters_are_right(void **state)
{
	(void)state;
	before.length = 0;
	append(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
	append(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, NATIVE);
	append(BPF_JMP | BPF_JA, 0, 0, 0);
	append(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
	append(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	for (uint32_t number = 0; number < 450; number++) {
		append(BPF_JMP | BPF_JEQ | BPF_K, 0, number % 3 ? 5 : 8, number);
		for (unsigned n = 0; n < 4; n++) /* which are left out */
			append(BPF_JMP | BPF_JA, 0, 0, 0);
		if (number % 3 == 0) {
			append(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, args));
			append(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 8);
			append(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_TRACE | number);
		}
		append(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | number);
	}
	append(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
	shorten();
	assert_true(after.length > 700);
	assert_same_everywhere();
}

static void lists_become_ranges(void **state)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(38));

	(void)state;
	for (int number = 0; number < 300; number++)
		assert_int_equal(seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 0), 0);
	read_filter(ctx);
	shorten();
	assert_true(after.length > 0 && after.length < 16);
	assert_same_everywhere();
}

#define LOAD(what)                                                                  \
	{                                                                           \
		BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, what) \
	}
#define RETURN(k)                        \
	{                                \
		BPF_RET | BPF_K, 0, 0, k \
	}

static void assert_left_alone(const struct sock_filter *code, size_t count)
{
	assert_int_equal(seccomp_ranges(code, count, after.code, SECCOMP_MAX_INSNS), 0);
}

static void what_is_not_known_is_left_alone(void **state)
{
	const struct sock_filter no_arch[] = {
		LOAD(nr), { BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 3 }, RETURN(1), RETURN(2)
	};
	const struct sock_filter bits[] = {
		LOAD(arch), { BPF_JMP | BPF_JEQ | BPF_K, 1, 0, NATIVE }, RETURN(0),
		LOAD(nr),   { BPF_JMP | BPF_JSET | BPF_K, 0, 1, 1 },	 RETURN(1),
		RETURN(2)
	};
	const struct sock_filter masked[] = { LOAD(arch),
					      { BPF_JMP | BPF_JEQ | BPF_K, 1, 0, NATIVE },
					      RETURN(0),
					      LOAD(nr),
					      { BPF_ALU | BPF_AND | BPF_K, 0, 0, 7 },
					      { BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 1 },
					      RETURN(1),
					      RETURN(2) };
	const struct sock_filter two_archs[] = {
		LOAD(arch), { BPF_JMP | BPF_JEQ | BPF_K, 0, 1, NATIVE },
		RETURN(1),  { BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 3 },
		RETURN(1),  RETURN(2)
	};
	const struct sock_filter out_of_it[] = {
		LOAD(arch), { BPF_JMP | BPF_JEQ | BPF_K, 1, 9, NATIVE }, RETURN(0), RETURN(1)
	};
	const struct sock_filter no_end[] = {
		LOAD(arch), { BPF_JMP | BPF_JEQ | BPF_K, 0, 0, NATIVE }, RETURN(0), LOAD(nr)
	};
	const struct sock_filter other_code[] = { LOAD(arch),
						  { BPF_JMP | BPF_JEQ | BPF_K, 1, 0, NATIVE },
						  RETURN(0),
						  { BPF_LDX | BPF_W | BPF_IMM, 0, 0, 1 },
						  RETURN(1) };
	const struct sock_filter shortest[] = {
		LOAD(arch), { BPF_JMP | BPF_JEQ | BPF_K, 1, 0, NATIVE }, RETURN(0), RETURN(1)
	};

	(void)state;
	assert_left_alone(no_arch, 4);
	assert_left_alone(bits, 7);
	assert_left_alone(masked, 8);
	assert_left_alone(two_archs, 6);
	assert_left_alone(out_of_it, 4);
	assert_left_alone(no_end, 4);
	assert_left_alone(other_code, 5);
	assert_left_alone(shortest, 4);
	assert_left_alone(shortest, 0);
	assert_left_alone(before.code, SECCOMP_MAX_INSNS + 1);
}

static void room_is_kept_to(void **state)
{
	size_t needed;

	(void)state;
	make_profile(300, 0);
	shorten();
	needed = after.length;
	assert_true(needed > 0);
	assert_int_equal(seccomp_ranges(before.code, before.length, after.code, needed - 1), 0);
	assert_int_equal(seccomp_ranges(before.code, before.length, after.code, needed), needed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts_stay),
		cmocka_unit_test(long_filters_are_right),
		cmocka_unit_test(lists_become_ranges),
		cmocka_unit_test(what_is_not_known_is_left_alone),
		cmocka_unit_test(room_is_kept_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
