/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The sources of /config that are no files: disks and devices that come to a machine, keys that a container manager keeps. "cleat
 * config-watch" tells of them, "cleat boot config late" does what is to be done; what comes of it is seen by who watches the files.
 */
struct engine;

/* Where there is anything to watch: in a machine, or in a container with a guest socket. */
void sources_start(struct engine *e);
void sources_stop(struct engine *e);
