/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of allowed system calls as a seccomp filter: a binary search over the ranges of numbers that meet the same fate, and comparisons of
 * arguments behind it. By hand, because nothing but allowing is asked for: each worker makes its filter at its start, and libseccomp, which can do
 * all there is, takes fifty times as long. Must never allow what is not in a list: what does not fit is an error.
 */
#include "util/confine_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define MAX_RULES 160u
#define MAX_JUMP 255u
#define ALWAYS -1 /* of rule.arg */

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#define FIRST_X32_NUMBER 0x40000000u /* another architecture, by its numbers */
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "seccomp: say which architecture is native here"
#endif

struct rule {
	uint32_t number;
	int arg; /* allowed if args[arg] & mask == value */
	uint64_t mask, value;
};

struct range {
	uint32_t first; /* number; the range ends where the next one begins */
	uint32_t fate;	/* instruction */
};

struct work {
	struct rule rules[MAX_RULES];
	size_t rule_count;
	struct range ranges[2 * MAX_RULES + 3];
	size_t range_count;
	/* Written from its end: so all that is jumped to is there. */
	struct sock_filter *code;
	uint32_t at;
	uint32_t deny, allow;
	bool is_full;
};

/* --- what is allowed -------------------------------------------------------------------------- */

/* A negative number: a call that this architecture does not have. */
static void add(struct work *w, int number, int arg, uint64_t mask, uint64_t value)
{
	if (number < 0)
		return;
	if (w->rule_count == MAX_RULES)
		w->is_full = true;
	else
		w->rules[w->rule_count++] =
			(struct rule){ (uint32_t)number, arg, mask, value & mask };
}

/* Memory that is both written and executed is what exploits make; nobody of ours loads code. And
 * of ioctl only what stdio asks before its first write. */
static void add_in_part(struct work *w)
{
	add(w, SCMP_SYS(mmap), 2, PROT_EXEC, 0);
	add(w, SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
	add(w, SCMP_SYS(ioctl), 1, UINT64_MAX, TIOCGWINSZ);
	add(w, SCMP_SYS(ioctl), 1, UINT64_MAX, TCGETS);
}

/*
 * Not F_SETOWN and F_SETSIG, by which a descriptor sends any signal to whomever its ids may: Landlock keeps those in only since Linux 6.12.
 * Numbers of asm-generic/fcntl.h and linux/fcntl.h, the same on all machines of 64 bits.
 */
static void add_fcntl(struct work *w)
{
	add(w, SCMP_SYS(fcntl), 1, ~UINT64_C(7), F_DUPFD); /* to F_SETLKW */
	add(w, SCMP_SYS(fcntl), 1, ~UINT64_C(3), F_OFD_GETLK);
	add(w, SCMP_SYS(fcntl), 1, ~UINT64_C(1), F_DUPFD_CLOEXEC); /* F_SETPIPE_SZ */
	add(w, SCMP_SYS(fcntl), 1, ~UINT64_C(3), F_GETPIPE_SZ);	   /* seals */
}

/* O_CREAT beside O_DIRECTORY made files until Linux 6.4, and O_TMPFILE has O_DIRECTORY in it. */
static void add_folders(struct work *w)
{
	const uint64_t mask = O_DIRECTORY | O_ACCMODE | O_CREAT | O_TRUNC;

	add(w, SCMP_SYS(openat), 2, mask, O_DIRECTORY);
	add(w, SCMP_SYS(open), 1, mask, O_DIRECTORY);
}

/* clang-format off */
static const int base_syscalls[] = {
	/* memory; mmap and mprotect without PROT_EXEC are always allowed, and what is harmless of fcntl */
	SCMP_SYS(brk), SCMP_SYS(madvise), SCMP_SYS(mremap), SCMP_SYS(munmap),
	/* the end, signals' return, aborting by a lock that nobody holds */
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(futex), SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	/* descriptors that are open already; stdio writes with writev, reads with readv */
	SCMP_SYS(close), SCMP_SYS(fstat), SCMP_SYS(lseek), SCMP_SYS(newfstatat),
	SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(statx),
	SCMP_SYS(write), SCMP_SYS(writev),
	/* waiting */
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2), SCMP_SYS(epoll_wait), SCMP_SYS(poll), SCMP_SYS(ppoll),
	SCMP_SYS(sched_yield),
	/* time, where the vdso cannot answer */
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_nanosleep), SCMP_SYS(gettimeofday),
	SCMP_SYS(nanosleep),
	/* facts about ourselves */
	SCMP_SYS(getegid), SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getpid),
	SCMP_SYS(getrandom), SCMP_SYS(gettid), SCMP_SYS(getuid),
	-1,
};
/* clang-format on */

static void add_all_of(struct work *w, const int *calls)
{
	for (; calls && *calls != -1; calls++)
		add(w, *calls, ALWAYS, 0, 0);
}

/* By number, what is always allowed first. */
static int compare_rules(const void *a, const void *b)
{
	const struct rule *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return (x->arg > y->arg) - (x->arg < y->arg);
}

/* --- the program ------------------------------------------------------------------------------ */

static void put(struct work *w, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	if (w->at == 0)
		w->is_full = true;
	else
		w->code[--w->at] = (struct sock_filter){ code, jt, jf, k };
}

static void put_branch(struct work *w, uint16_t code, uint32_t k, uint32_t then, uint32_t otherwise)
{
	if (then - w->at > MAX_JUMP || otherwise - w->at > MAX_JUMP)
		w->is_full = true;
	put(w, code, (uint8_t)(then - w->at), (uint8_t)(otherwise - w->at), k);
}

/* One half of an argument. */
static void put_compare(struct work *w, size_t offset, uint32_t mask, uint32_t value, uint32_t then,
			uint32_t otherwise)
{
	if (mask == 0 && then == w->at)
		return; /* any will do */
	put_branch(w, BPF_JMP | BPF_JEQ | BPF_K, value, then, otherwise);
	if (mask != UINT32_MAX)
		put(w, BPF_ALU | BPF_AND | BPF_K, 0, 0, mask);
	put(w, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

/* All rules of one number; the fate of that. */
static uint32_t put_rules(struct work *w, const struct rule *rules, size_t count)
{
	uint32_t fate = w->deny;

	if (rules[0].arg == ALWAYS)
		return w->allow;
	for (size_t i = count; i-- > 0;) {
		const struct rule *r = &rules[i];
		size_t low = offsetof(struct seccomp_data, args) + (size_t)r->arg * 8;

		put_compare(w, low, (uint32_t)r->mask, (uint32_t)r->value, w->allow, fate);
		put_compare(w, low + 4, (uint32_t)(r->mask >> 32), (uint32_t)(r->value >> 32),
			    w->at, fate);
		fate = w->at;
	}
	return fate;
}

/* Behind the last one; where that would begin at the same number, it takes its place. */
static void add_range(struct work *w, uint32_t first, uint32_t fate)
{
	if (w->range_count > 0 && w->ranges[w->range_count - 1].first == first)
		w->range_count--;
	if (w->range_count == 0 || w->ranges[w->range_count - 1].fate != fate)
		w->ranges[w->range_count++] = (struct range){ first, fate };
}

static void put_all_rules(struct work *w)
{
	add_range(w, 0, w->deny);
	for (size_t i = 0, next; i < w->rule_count; i = next) {
		uint32_t number = w->rules[i].number;

		for (next = i + 1; next < w->rule_count && w->rules[next].number == number;)
			next++;
		add_range(w, number, put_rules(w, &w->rules[i], next - i));
		add_range(w, number + 1, w->deny);
	}
}

/* Where the search among ranges [begin, end) starts. */
static uint32_t put_search(struct work *w, size_t begin, size_t end)
{
	size_t middle = begin + (end - begin) / 2;

	if (end - begin == 1)
		return w->ranges[begin].fate;

	uint32_t above = put_search(w, middle, end);
	uint32_t below = put_search(w, begin, middle);

	put_branch(w, BPF_JMP | BPF_JGE | BPF_K, w->ranges[middle].first, above, below);
	return w->at;
}

static void put_program(struct work *w, uint32_t otherwise)
{
	uint32_t kill;

	put(w, BPF_RET | BPF_K, 0, 0, otherwise);
	w->deny = w->at;
	put(w, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
	w->allow = w->at;
	put(w, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
	kill = w->at;
	put_all_rules(w);
#ifdef FIRST_X32_NUMBER
	add_range(w, FIRST_X32_NUMBER, kill);
	add_range(w, UINT32_MAX, w->deny); /* no call: what a tracer leaves of one */
#endif
	put_search(w, 0, w->range_count);
	put(w, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	put_branch(w, BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, w->at, kill);
	put(w, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
}

int confine_filter(const struct proc_confine *confine, struct sock_filter code[CONFINE_MAX_INSNS],
		   size_t *length, struct err *err)
{
	struct work w = { .code = code, .at = CONFINE_MAX_INSNS };

	add_in_part(&w);
	add_fcntl(&w);
	if (confine->opens_folders_only)
		add_folders(&w);
	add_all_of(&w, base_syscalls);
	add_all_of(&w, confine->syscalls);
	qsort(w.rules, w.rule_count, sizeof(w.rules[0]), compare_rules);
	put_program(&w, confine->kill_on_violation ? SECCOMP_RET_KILL_PROCESS :
						     SECCOMP_RET_ERRNO | EPERM);
	if (w.is_full)
		return err_set(err, ERR_BUG,
			       "more system calls than a filter of ours has room for");
	*length = CONFINE_MAX_INSNS - w.at;
	return 0;
}
