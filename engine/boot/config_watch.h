/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * "cleat config-watch keys|disks": the process that notices what happens to the sources of /config outside the file system: keys of a
 * container manager (and it keeps the tree CLEAT_CONFIG_MADE like them), disks and devices that come. A child of the engine; ends with it,
 * that is when descriptor 1, a SOCK_SEQPACKET socket, has no other end. Each thing to tell is one packet, a "c" and what was left out of the
 * keys and why (CONFIG_WATCH_MAX_BYTES in all); the engine answers it by "cleat boot config late". The engine's only packet,
 * CONFIG_WATCH_READY, is passed on to the container manager: the appliance is up.
 */
#include <stdbool.h>
#include <stddef.h>

#define CONFIG_WATCH_MAX_BYTES 512
#define CONFIG_WATCH_READY "r"
/* Exit code: there is no socket (now). 0: the manager refuses to tell, or the engine has gone; else trying again may help. */
#define CONFIG_WATCH_EXIT_NO_SOCKET 3

/* A kernel's message about a device (kobject_uevent(3): "add@/devices/...", then NAME=VALUE, each with its NUL) that may be a new
 * source: a block device or one of virtio has come. Pure. */
bool config_watch_is_source(const char *message, size_t len);

int cmd_config_watch(int argc, char **argv);
