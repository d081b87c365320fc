/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A filter compares the system call's number with constants; between two neighbouring ones all numbers meet the same fate: an
 * action, or the first instruction that looks at an argument. So the fate of each such stretch is found by walking the filter
 * once, equal neighbours become one range, and a binary search over the ranges takes the place of the comparisons. What looks at
 * arguments is copied as it is. Must never guess: what is not exactly of this form is left alone.
 */
#include "runtime/seccomp_ranges.h"

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/seccomp.h"
#include "util/cleanup.h"

/* A conditional jump reaches 255 instructions; two detours may come between. */
#define NEAR 253u
#define MAX_RANGES (2 * SECCOMP_MAX_INSNS + 1)
#define NOWHERE UINT32_MAX

struct range {
	uint32_t first; /* number; the range ends where the next one begins */
	uint32_t fate;	/* instruction of "in" */
};

struct work {
	const struct sock_filter *in;
	uint32_t count;
	uint32_t range_count;
	struct range ranges[MAX_RANGES];
	uint32_t same[SECCOMP_MAX_INSNS];  /* for a return: the last one that returns the same */
	uint32_t place[SECCOMP_MAX_INSNS]; /* where an instruction of "in" has gone */
	bool wanted[SECCOMP_MAX_INSNS];
	/* Written from its end: so all that is jumped to is there. */
	uint32_t at;
	bool is_full;
	struct sock_filter code[SECCOMP_MAX_INSNS];
};

static bool is_load(const struct sock_filter *i, size_t offset)
{
	return i->code == (BPF_LD | BPF_W | BPF_ABS) && i->k == offset;
}

static bool is_return(const struct sock_filter *i)
{
	return i->code == (BPF_RET | BPF_K);
}

/* Every instruction that may come, and no jump that leads out. */
static bool form_is_known(const struct work *w)
{
	for (uint32_t pc = 0; pc < w->count; pc++) {
		const struct sock_filter *i = &w->in[pc];
		uint32_t left = w->count - pc - 1;

		switch (i->code) {
		case BPF_RET | BPF_K:
			break;
		case BPF_LD | BPF_W | BPF_ABS:
		case BPF_ALU | BPF_AND | BPF_K:
			if (left == 0)
				return false;
			break;
		case BPF_JMP | BPF_JA:
			if (i->k >= left)
				return false;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
		case BPF_JMP | BPF_JGT | BPF_K:
		case BPF_JMP | BPF_JGE | BPF_K:
		case BPF_JMP | BPF_JSET | BPF_K:
			if (i->jt >= left || i->jf >= left)
				return false;
			break;
		default:
			return false;
		}
	}
	return true;
}

static void find_same_returns(struct work *w)
{
	for (uint32_t pc = 0; pc < w->count; pc++) {
		w->same[pc] = pc;
		if (!is_return(&w->in[pc]))
			continue;
		for (uint32_t other = pc + 1; other < w->count; other++)
			if (is_return(&w->in[other]) && w->in[other].k == w->in[pc].k)
				w->same[pc] = other;
	}
}

/* Where "number" gets to before an argument counts; NOWHERE: the form is not known. */
static uint32_t fate_of(const struct work *w, uint32_t number)
{
	uint32_t a = 0;

	for (uint32_t pc = 0; pc < w->count; pc++) {
		const struct sock_filter *i = &w->in[pc];

		if (is_load(i, offsetof(struct seccomp_data, nr))) {
			a = number;
		} else if (is_load(i, offsetof(struct seccomp_data, arch))) {
			a = w->in[1].k;
		} else if (i->code == (BPF_LD | BPF_W | BPF_ABS) || is_return(i)) {
			return w->same[pc];
		} else if (i->code == (BPF_JMP | BPF_JA)) {
			pc += i->k;
		} else if (i->code == (BPF_JMP | BPF_JEQ | BPF_K)) {
			pc += a == i->k ? i->jt : i->jf;
		} else if (i->code == (BPF_JMP | BPF_JGT | BPF_K)) {
			pc += a > i->k ? i->jt : i->jf;
		} else if (i->code == (BPF_JMP | BPF_JGE | BPF_K)) {
			pc += a >= i->k ? i->jt : i->jf;
		} else {
			return NOWHERE; /* bits of the number: there are no ranges then */
		}
	}
	return NOWHERE;
}

/* The one return that all other architectures get to. */
static uint32_t foreign_fate(const struct work *w)
{
	uint32_t pc = 2 + w->in[1].jf;

	while (pc < w->count && w->in[pc].code == (BPF_JMP | BPF_JA))
		pc += 1 + w->in[pc].k;
	return pc < w->count && is_return(&w->in[pc]) ? pc : NOWHERE;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* Numbers from which on an answer may be another one; those of comparisons with arguments do no harm. */
static void cut_numbers(struct work *w)
{
	w->ranges[w->range_count++].first = 0;
	for (uint32_t pc = 0; pc < w->count; pc++) {
		const struct sock_filter *i = &w->in[pc];
		bool equal = i->code == (BPF_JMP | BPF_JEQ | BPF_K);

		if (equal || i->code == (BPF_JMP | BPF_JGE | BPF_K))
			w->ranges[w->range_count++].first = i->k;
		if ((equal || i->code == (BPF_JMP | BPF_JGT | BPF_K)) && i->k < UINT32_MAX)
			w->ranges[w->range_count++].first = i->k + 1;
	}
	qsort(w->ranges, w->range_count, sizeof(w->ranges[0]), compare_ranges);
}

static bool find_ranges(struct work *w)
{
	uint32_t kept = 0;

	cut_numbers(w);
	for (uint32_t n = 0; n < w->range_count; n++) {
		struct range range = { w->ranges[n].first, fate_of(w, w->ranges[n].first) };

		if (range.fate == NOWHERE)
			return false;
		if (kept == 0 || w->ranges[kept - 1].fate != range.fate)
			w->ranges[kept++] = range;
	}
	w->range_count = kept;
	return true;
}

static void put(struct work *w, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	if (w->at == 0)
		w->is_full = true;
	else
		w->code[--w->at] = (struct sock_filter){ code, jt, jf, k };
}

/* A way to "target" for the instruction that comes next. */
static void put_way(struct work *w, uint32_t target)
{
	if (is_return(&w->code[target]))
		put(w, BPF_RET | BPF_K, 0, 0, w->code[target].k);
	else
		put(w, BPF_JMP | BPF_JA, 0, 0, target - w->at);
}

static uint32_t brought_near(struct work *w, uint32_t target)
{
	if (target - w->at <= NEAR)
		return target;
	put_way(w, target);
	return w->at;
}

static void put_branch(struct work *w, uint16_t code, uint32_t k, uint32_t then, uint32_t otherwise)
{
	uint32_t t = brought_near(w, then), f = brought_near(w, otherwise);

	put(w, code, (uint8_t)(t - w->at), (uint8_t)(f - w->at), k);
}

static void want(struct work *w, uint32_t pc)
{
	w->wanted[w->same[pc]] = true;
}

static void mark_wanted(struct work *w)
{
	for (uint32_t n = 0; n < w->range_count; n++)
		want(w, w->ranges[n].fate);
	for (uint32_t pc = 0; pc < w->count; pc++) {
		const struct sock_filter *i = &w->in[pc];

		if (!w->wanted[pc] || is_return(i))
			continue;
		if (i->code == (BPF_JMP | BPF_JA)) {
			want(w, pc + 1 + i->k);
		} else if (BPF_CLASS(i->code) == BPF_JMP) {
			want(w, pc + 1 + i->jt);
			want(w, pc + 1 + i->jf);
		} else {
			want(w, pc + 1);
		}
	}
}

static void copy_wanted(struct work *w)
{
	for (uint32_t pc = w->count; pc-- > 0 && !w->is_full;) {
		const struct sock_filter *i = &w->in[pc];

		if (!w->wanted[pc])
			continue;
		if (is_return(i)) {
			put(w, i->code, 0, 0, i->k);
		} else if (i->code == (BPF_JMP | BPF_JA)) {
			w->place[pc] = w->place[w->same[pc + 1 + i->k]];
			continue;
		} else if (BPF_CLASS(i->code) == BPF_JMP) {
			put_branch(w, i->code, i->k, w->place[w->same[pc + 1 + i->jt]],
				   w->place[w->same[pc + 1 + i->jf]]);
		} else {
			if (w->place[w->same[pc + 1]] != w->at)
				put_way(w, w->place[w->same[pc + 1]]);
			put(w, i->code, 0, 0, i->k);
		}
		w->place[pc] = w->at;
	}
}

/* Where the search among ranges [begin, end) starts. */
static uint32_t put_search(struct work *w, uint32_t begin, uint32_t end)
{
	uint32_t middle = begin + (end - begin) / 2;

	if (end - begin == 1)
		return w->place[w->ranges[begin].fate];

	uint32_t above = put_search(w, middle, end);
	uint32_t below = put_search(w, begin, middle);

	if (!w->is_full)
		put_branch(w, BPF_JMP | BPF_JGE | BPF_K, w->ranges[middle].first, above, below);
	return w->at;
}

static bool rewrite(struct work *w)
{
	uint32_t foreign, start;

	if (w->count < 3 || !form_is_known(w) ||
	    !is_load(&w->in[0], offsetof(struct seccomp_data, arch)) ||
	    w->in[1].code != (BPF_JMP | BPF_JEQ | BPF_K))
		return false;
	foreign = foreign_fate(w);
	if (foreign == NOWHERE)
		return false;
	find_same_returns(w);
	if (!find_ranges(w))
		return false;
	mark_wanted(w);
	copy_wanted(w);
	start = put_search(w, 0, w->range_count);
	if (start != w->at)
		put_way(w, start);
	put(w, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	put(w, BPF_RET | BPF_K, 0, 0, w->in[foreign].k);
	put(w, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, w->in[1].k);
	put(w, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
	return !w->is_full;
}

size_t seccomp_ranges(const struct sock_filter *in, size_t count, struct sock_filter *out,
		      size_t room)
{
	auto_free struct work *w = NULL;
	size_t length;

	if (count > SECCOMP_MAX_INSNS)
		return 0;
	w = calloc(1, sizeof(*w));
	if (!w)
		return 0;
	w->in = in;
	w->count = (uint32_t)count;
	w->at = SECCOMP_MAX_INSNS;
	if (!rewrite(w))
		return 0;
	length = SECCOMP_MAX_INSNS - w->at;
	if (length >= count || length > room)
		return 0;
	memcpy(out, w->code + w->at, length * sizeof(*out));
	return length;
}
