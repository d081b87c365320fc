/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What is left of a run that ended in order. Never waits: it is done in the engine's loop. */
#include <stdbool.h>

/* Removes the empty cgroup of a run (just below cgroups) and its name (a link below names), in this order; true: nothing is left but its directory,
 * in which nobody looks any more. False: it is not as easy (something lives in the cgroup or has made others below it, the cgroup is not there, or
 * the name is not this run's), and the teardown has to do it, for which nothing that it goes by is gone. The caller knows that the shim has ended. */
bool clear_run(int cgroups, int names, const char *name, const char *run_id);
