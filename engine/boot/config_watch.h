/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * "cleat config-watch keys|disks": the process that notices what happens to the sources of /config outside the file system: keys of a
 * container manager (and it keeps the tree CLEAT_CONFIG_MADE like them), disks and devices that come. A child of the engine; ends with it,
 * that is when descriptor 1, a SOCK_SEQPACKET socket, has no other end. Each thing to tell is one packet, a "c" and what was left out of the
 * keys and why (CONFIG_WATCH_MAX_BYTES in all); the engine answers it by "cleat boot config late".
 */
#include <stdbool.h>
#include <stddef.h>

#define CONFIG_WATCH_MAX_BYTES 512

/* A kernel's message about a device (kobject_uevent(3): "add@/devices/...", then NAME=VALUE, each with its NUL) that may be a new
 * source: a block device or one of virtio has come. Pure. */
bool config_watch_is_source(const char *message, size_t len);

int cmd_config_watch(int argc, char **argv);
