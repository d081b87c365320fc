/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts -> findings. Pure: no clock, no descriptor; what a machine withholds is judged the same in a test as on the machine.
 */
#include "supervise/host_probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/str.h"

/* A table that has a circle in it ends here. */
#define MAX_CAUSES 8

static bool is_lacking(const struct host_record *record, const char *id)
{
	const struct host_fact *fact = host_record_find(record, id);

	return fact && fact->answer == HOST_NO;
}

static const struct host_check *find_check(const char *name, size_t len)
{
	char id[HOST_ID_SIZE];

	snprintf(id, sizeof(id), "%.*s", (int)len, name);
	return host_check_find(id);
}

/* What lacks first on the way down: everything behind it fails for its sake. NULL: nothing does. */
static const struct host_check *cause_of(const struct host_record *record,
					 const struct host_check *check, int depth)
{
	const char *names = check->after ? check->after : "";

	for (names += strspn(names, " "); *names && depth < MAX_CAUSES;
	     names += strspn(names, " ")) {
		size_t len = strcspn(names, " ");
		const struct host_check *above = find_check(names, len);
		const struct host_check *cause = above ? cause_of(record, above, depth + 1) : NULL;

		if (cause)
			return cause;
		if (above && is_lacking(record, above->id))
			return above;
		names += len;
	}
	return NULL;
}

/* A call that a kernel of this age has, and that is not there, was taken away by a filter. */
static bool is_filtered(const struct host_record *record, const struct host_fact *fact)
{
	return fact->number == ENOSYS && !is_lacking(record, "kernel") &&
	       !str_eq(fact->id, "kernel");
}

static void judge_lack(const struct host_record *record, const struct host_fact *fact,
		       struct host_finding *out)
{
	const struct host_check *check = out->check;
	const struct host_check *cause = cause_of(record, check, 0);

	if (cause) {
		out->level = HOST_UNKNOWN;
		snprintf(out->evidence, sizeof(out->evidence), "hidden behind %s", cause->id);
		return;
	}
	out->level = check->level;
	if (check->loss_bit & record->allowed)
		out->level = HOST_LIMITED;
	/* a security module says EACCES where the kernel itself says EPERM */
	if (fact->number == EACCES && record->label[0])
		snprintf(out->evidence, sizeof(out->evidence), "%s (security profile %s)",
			 fact->text, record->label);
	else
		str_copy(out->evidence, sizeof(out->evidence), fact->text);
	out->is_filtered = is_filtered(record, fact);
	host_remedy(check, record->kind, out->is_filtered, out->remedy);
}

static void judge_one(const struct host_record *record, const struct host_check *check,
		      struct host_finding *out)
{
	const struct host_fact *fact = host_record_find(record, check->id);

	*out = (struct host_finding){ .check = check, .level = HOST_FINE };
	if (fact && fact->answer == HOST_NO)
		judge_lack(record, fact, out);
	else if (!fact || fact->answer == HOST_UNASKED) {
		out->level = HOST_UNKNOWN;
		str_copy_text(out->evidence, sizeof(out->evidence), fact ? fact->text : "");
	}
}

size_t host_judge(const struct host_record *record, struct host_finding out[HOST_MAX_FINDINGS])
{
	size_t rows, count = 0;
	const struct host_check *checks = host_checks(&rows);

	for (int level = HOST_MISSING; level >= HOST_FINE; level--) {
		for (size_t i = 0; i < rows && count < HOST_MAX_FINDINGS; i++) {
			judge_one(record, &checks[i], &out[count]);
			count += (int)out[count].level == level;
		}
	}
	return count;
}

enum host_level host_worst(const struct host_finding *findings, size_t count)
{
	enum host_level worst = HOST_FINE;

	for (size_t i = 0; i < count; i++)
		if (findings[i].level > worst)
			worst = findings[i].level;
	return worst;
}
