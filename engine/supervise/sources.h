/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The sources of /config that are no files: disks and devices that come to a machine, keys that a container manager keeps. "cleat
 * config-watch" tells of them, "cleat boot config late" does what is to be done; what comes of it is seen by who watches the files. The
 * manager is told once a boot, and again when it has been away, that the appliance is ready as /readyz means it.
 */
struct engine;

/* In a machine, and in a container with a guest socket as soon as it has one. */
void sources_start(struct engine *e);
/* Before each sleep: what was published may make the appliance ready. */
void sources_wake(struct engine *e);
void sources_stop(struct engine *e);
