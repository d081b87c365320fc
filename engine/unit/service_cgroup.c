/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of [Service] in podman's words: under podman they are the service's cgroup's, in which the container's stands
 * (--cgroups=split), so here they are the container's own, and of two the stricter one counts (spec/option_cgroup.c). A pod's are those of
 * all its containers together: with podman they would hold for the infra container, of which there is none. Must never round a
 * limit up, and never lose one: what cannot be said refuses the unit.
 */
#include <stdio.h>

#include "unit/convert_internal.h"
#include "unit/service_internal.h"
#include "util/str.h"

#define SHARE_UNIT 100 /* ten-thousandths in one percent */
#define QUOTA_MIN_USEC 1000
#define WHOLE 10000

static void push(struct reading *r, struct arg_list *words, const char *key, const char *file,
		 const char *value)
{
	const struct syntax_entry *entry = syntax_last(syntax_group(r->file, "Service"), key);

	if (entry && value)
		convert_flag(r, words, "--cgroup-conf",
			     arena_printf(r->arena, "%s=%s", file, value), entry->origin);
}

/* "max" is no limit, so it is not said. */
static const char *amount_text(struct reading *r, const struct service_amount *amount)
{
	if (amount->form == SERVICE_AMOUNT_FIXED)
		return arena_printf(r->arena, "%llu", (unsigned long long)amount->value);
	if (amount->form != SERVICE_AMOUNT_SHARE)
		return NULL;
	if (amount->value < SHARE_UNIT)
		return "1%";
	return arena_printf(r->arena, "%llu%%", (unsigned long long)(amount->value / SHARE_UNIT));
}

static void push_memory(struct reading *r, struct arg_list *words)
{
	const struct service_resources *s = &r->unit->service.resources;
	bool is_old = !syntax_last(syntax_group(r->file, "Service"), "MemoryMax");

	push(r, words, is_old ? "MemoryLimit" : "MemoryMax", "memory.max",
	     amount_text(r, &s->memory_max));
	push(r, words, "MemoryHigh", "memory.high", amount_text(r, &s->memory_high));
	push(r, words, "MemorySwapMax", "memory.swap.max", amount_text(r, &s->memory_swap_max));
	push(r, words, "MemoryZSwapMax", "memory.zswap.max", amount_text(r, &s->memory_zswap_max));
}

/* The kernel's least quota is 1 ms: a longer period makes the same share of it. */
static void push_cpu(struct reading *r, struct arg_list *words)
{
	const struct service_resources *s = &r->unit->service.resources;
	uint64_t period = s->cpu_quota_period_usec, quota = s->cpu_quota_permyriad;

	if (quota > UINT64_C(1024) * WHOLE) {
		reading_refuse(r, syntax_last(syntax_group(r->file, "Service"), "CPUQuota")->origin,
			       "more than 1024 processors");
	} else if (quota) {
		while (quota * period / WHOLE < QUOTA_MIN_USEC && period < USEC_SEC)
			period = period * 2 < USEC_SEC ? period * 2 : USEC_SEC;
		quota = quota * period / WHOLE;
		push(r, words, "CPUQuota", "cpu.max",
		     arena_printf(r->arena, "%llu %llu",
				  (unsigned long long)(quota < QUOTA_MIN_USEC ? QUOTA_MIN_USEC :
										quota),
				  (unsigned long long)period));
	}
	if (s->cpu_weight == SERVICE_WEIGHT_IDLE)
		push(r, words, "CPUWeight", "cpu.idle", "1");
	else if (s->cpu_weight)
		push(r, words, "CPUWeight", "cpu.weight",
		     arena_printf(r->arena, "%u", s->cpu_weight));
	push(r, words, "AllowedCPUs", "cpuset.cpus", s->allowed_cpus[0] ? s->allowed_cpus : NULL);
	push(r, words, "AllowedMemoryNodes", "cpuset.mems",
	     s->allowed_memory_nodes[0] ? s->allowed_memory_nodes : NULL);
}

static void push_tasks(struct reading *r, struct arg_list *words)
{
	const struct service_amount *tasks = &r->unit->service.resources.tasks_max;

	if (tasks->form == SERVICE_AMOUNT_SHARE)
		reading_refuse(r, syntax_last(syntax_group(r->file, "Service"), "TasksMax")->origin,
			       "a share of the machine's tasks is not supported: write a number");
	else
		push(r, words, "TasksMax", "pids.max", amount_text(r, tasks));
}

static void push_disks(struct reading *r, struct arg_list *words)
{
	static const char *const names[] = {
		[SERVICE_IO_READ_BYTES] = "rbps",
		[SERVICE_IO_WRITE_BYTES] = "wbps",
		[SERVICE_IO_READ_OPERATIONS] = "riops",
		[SERVICE_IO_WRITE_OPERATIONS] = "wiops",
	};
	const struct service_resources *s = &r->unit->service.resources;

	if (s->io_weight)
		push(r, words, "IOWeight", "io.weight", arena_printf(r->arena, "%u", s->io_weight));
	for (size_t i = 0; i < s->io_count; i++) {
		const struct service_io_rule *rule = &s->io[i];

		if ((size_t)rule->which >= sizeof(names) / sizeof(names[0]) ||
		    rule->value == UINT64_MAX)
			continue;
		if (strpbrk(rule->path, " \n"))
			reading_refuse(r, rule->origin, "a path with blanks cannot name a disk");
		else
			convert_flag(r, words, "--cgroup-conf",
				     arena_printf(r->arena, "io.max=%s %s=%llu", rule->path,
						  names[rule->which],
						  (unsigned long long)rule->value),
				     rule->origin);
	}
}

void service_push_limits(struct reading *r, struct arg_list *words)
{
	push_memory(r, words);
	push_cpu(r, words);
	push_tasks(r, words);
	push_disks(r, words);
}

void service_check_limits(struct reading *r)
{
	struct arg_list words = { 0 };

	if (r->unit->kind == UNIT_CONTAINER || r->unit->kind == UNIT_POD)
		return;
	service_push_limits(r, &words);
	for (size_t i = 1; i < words.count; i += 2)
		reading_note(r, words.items[i].origin,
			     "there is no process of its own that could be limited");
}
