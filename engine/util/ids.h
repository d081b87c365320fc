/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The one id map (containers and the unpacker): container id 0 is appliance id 65000; 1-64999 and
 * 65024-65535 are themselves; 65000-65023 are the appliance's own and not mapped. So /data means
 * the same in LXC with 65536 ids, in a VM and on a host, and nothing in a container is root
 * outside.
 */
#include <stdbool.h>
#include <stdint.h>

#define IDS_ROOT 65000u /* what container root is outside */
#define IDS_RESERVED_FIRST 65000u
#define IDS_RESERVED_LAST 65023u
#define IDS_LAST 65535u
#define IDS_WORKER_FETCH 65001u
#define IDS_WORKER_STATUS 65002u
#define IDS_WORKER_PROXY 65003u
#define IDS_WORKER_PROBE 65004u
#define IDS_WORKER_LOG 65005u
#define IDS_WORKER_NET 65006u
#define IDS_WORKER_SHIP 65007u	  /* reads logs by the group of IDS_WORKER_LOG */
#define IDS_WORKER_CONFIG 65008u  /* boot/guest.h */
#define IDS_WORKER_CONSOLE 65009u /* the status screen */
#define IDS_WORKER_NTP 65010u	  /* sets a machine's clock */
#define IDS_WORKER_DHCP 65011u	  /* the DHCP clients of the appliance's links */

struct ids_range {
	uint32_t inside, outside, count;
};
extern const struct ids_range ids_map[3];
/* The map as text for /proc/PID/uid_map: three lines. */
const char *ids_map_text(void);
/* Outside id of a container id; false when the id has no place in the map. */
bool ids_to_outside(uint32_t inside, uint32_t *outside);
bool ids_to_inside(uint32_t outside, uint32_t *inside);
