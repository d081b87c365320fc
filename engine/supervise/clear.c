/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a run that ended in order, which nearly all do: a cgroup where nothing lives, a link; a few files of ours on /run go later (run.c). A process
 * for these removals takes longer than all else that lies between one run and the next. Must never kill, wait or walk through what a container has
 * made: that is for `cleat-runtime teardown`, which does this and more for whatever end.
 */
#include "supervise/clear.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "util/str.h"

/* A unit that was given another name while it ran has its run under the one before. */
static bool is_name_of(int names, const char *name, const char *run_id)
{
	char target[64], ours[64];
	ssize_t n = readlinkat(names, name, target, sizeof(target) - 1);

	if (n < 0)
		return false;
	target[n] = '\0';
	snprintf(ours, sizeof(ours), "../c/%s", run_id);
	return str_eq(target, ours);
}

bool clear_run(int cgroups, int names, const char *name, const char *run_id)
{
	if (!is_name_of(names, name, run_id))
		return false;
	/* The kernel refuses this for as long as anything lives there, or is below: so it is the proof, too. One that is not there says nothing:
	 * it may be in a pod's. */
	if (unlinkat(cgroups, run_id, AT_REMOVEDIR) < 0)
		return false;
	return unlinkat(names, name, 0) == 0;
}
