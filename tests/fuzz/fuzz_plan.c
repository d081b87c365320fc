/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as the config.json of a container, which cleat-runtime reads. Oracle beside the sanitizers: a refusal has a reason that no bug of
 * ours is; what is accepted has a root or holds a pod, enters no namespace but those of a holder that it names with the time of its
 * start, and its ids have one place outside at most.
 */
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/plan.h"
#include "tests/fuzz/fuzz.h"

static char path[64];
static int file;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	file = memfd_create("config.json", MFD_CLOEXEC);
	check(file >= 0, "memory for the file");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	return 0;
}

static void check_ids(const struct plan_id_range *map, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t out;

		check(plan_id_outside(map, count, map[i].inside, &out), "an id has its place");
	}
}

static void check_plan(const struct plan *plan)
{
	const uint64_t may_join = CLONE_NEWUSER | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET;

	check(plan->is_holder || plan->layers.count || (plan->root_path && plan->root_path[0]),
	      "a container has a root");
	check(!(plan->joined & ~may_join) && !(plan->joined & ~plan->namespaces),
	      "only what a pod shares is joined");
	check(!plan->joined || (plan->holder_pid && plan->holder_pid == plan->joined_pid &&
				plan->holder_ticks),
	      "who is joined is named with the time of its start");
	check(!plan->is_holder || (plan->hold_bytes && !plan->joined), "a holder holds");
	check(plan->network_count <= PLAN_MAX_NETWORKS, "networks are bounded");
	for (size_t i = 0; i < plan->mount_count; i++)
		check(plan->mounts[i].target && plan->mounts[i].target[0] == '/',
		      "targets are absolute");
	check_ids(plan->uid_map, plan->uid_map_count);
	check_ids(plan->gid_map, plan->gid_map_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plan plan;
	struct err err = { 0 };

	check(ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size,
	      "the file is written");
	if (plan_read(&plan, path, &err) == 0)
		check_plan(&plan);
	else
		check(err.msg[0] && err.code != ERR_BUG && err.code != ERR_SYS,
		      "a refusal has a reason");
	plan_fini(&plan);
	return 0;
}
