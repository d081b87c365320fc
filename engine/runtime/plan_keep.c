/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a plan a process needs that joins the container later, in a few hundred bytes that the shim keeps: a probe every ten
 * seconds would otherwise read and understand config.json again each time, most of which says what only a start wants. Must never
 * keep half of what there is: what does not fit, or needs more than memory, is read from config.json as ever.
 */
#include "runtime/identity.h"
#include "runtime/plan.h"

#include <linux/filter.h>
#include <string.h>
#include <sys/mman.h>

#define KEEP_MAX_BYTES 16384u /* of which only the pages count that are used */

struct keep {
	char *base;
	size_t used;
	bool is_full;
};

static void *keep_bytes(struct keep *k, const void *bytes, size_t size)
{
	char *p = k->base + k->used;
	size_t room = (size + 15) & ~(size_t)15;

	if (!bytes || k->is_full)
		return NULL;
	if (size > KEEP_MAX_BYTES || room > KEEP_MAX_BYTES - k->used) {
		k->is_full = true;
		return NULL;
	}
	k->used += room;
	if (size)
		memcpy(p, bytes, size);
	return p;
}

static const char *keep_text(struct keep *k, const char *text)
{
	return text ? keep_bytes(k, text, strlen(text) + 1) : NULL;
}

static void keep_strings(struct keep *k, struct strings *list)
{
	list->items = keep_bytes(k, list->items, list->count * sizeof(*list->items));
	for (size_t i = 0; !k->is_full && list->items && i < list->count; i++)
		list->items[i] = keep_text(k, list->items[i]);
}

/* Everything is copied, so that what is added one day is not forgotten; then nothing may be left that points into the plan. */
static void forget_start(struct plan *p)
{
	p->pool = (struct pool){ 0 };
	p->doc = NULL;
	p->args = p->layers = p->masked = p->read_only_paths = (struct strings){ 0 };
	p->root_path = p->hostname = p->domainname = p->seccomp_key = NULL;
	p->passwd_line = p->group_line = NULL;
	p->mounts = NULL;
	p->devices = NULL;
	p->sysctls = NULL;
	p->mount_count = p->device_count = p->sysctl_count = p->network_count = 0;
	p->limits = (struct plan_limits){ 0 };
	p->seccomp = NULL; /* what it says is in the filter */
}

const struct plan *plan_keep(const struct plan *plan, const struct identity *identity)
{
	struct keep k = { 0 };
	struct plan *kept;

	/* values of secrets are read anew for each process; a profile counts only once it is a filter */
	if (plan->secret_count || plan->is_holder || (plan->seccomp && !plan->filter) ||
	    identity->group_count > IDENTITY_MAX_GROUPS)
		return NULL;
	k.base = mmap(NULL, KEEP_MAX_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	if (k.base == MAP_FAILED)
		return NULL;
	kept = keep_bytes(&k, plan, sizeof(*plan));
	forget_start(kept);
	keep_strings(&k, &kept->env);
	kept->cwd = keep_text(&k, plan->cwd);
	kept->user_text = keep_text(&k, plan->user_text);
	kept->groups_text = keep_text(&k, plan->groups_text);
	kept->groups = keep_bytes(&k, plan->groups, plan->group_count * sizeof(*plan->groups));
	kept->rlimits = keep_bytes(&k, plan->rlimits, plan->rlimit_count * sizeof(*plan->rlimits));
	kept->uid_map = keep_bytes(&k, plan->uid_map, plan->uid_map_count * sizeof(*plan->uid_map));
	kept->gid_map = keep_bytes(&k, plan->gid_map, plan->gid_map_count * sizeof(*plan->gid_map));
	kept->filter =
		keep_bytes(&k, plan->filter, plan->filter_count * sizeof(struct sock_filter));
	kept->identity = keep_bytes(&k, identity, identity_size(identity));
	if (!k.is_full && mprotect(k.base, KEEP_MAX_BYTES, PROT_READ) == 0)
		return kept;
	munmap(k.base, KEEP_MAX_BYTES);
	return NULL;
}

void plan_keep_end(const struct plan *kept)
{
	if (kept)
		munmap((void *)(uintptr_t)kept, KEEP_MAX_BYTES);
}
