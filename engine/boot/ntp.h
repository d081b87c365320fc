/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which time servers a machine asks: those of [System] NTP=, else those that DHCP has told, else the pool's. */
#include <stddef.h>

#include "unit/appliance.h"

#define NTP_MAX_SERVERS APPLIANCE_MAX_TEXTS
#define NTP_NAME_SIZE 256

struct ntp_servers {
	char name[NTP_MAX_SERVERS][NTP_NAME_SIZE];
	unsigned count; /* 0: off */
};

/* told: what stands in CLEAT_LINKS_DIR/ntp, an address a line; lines that are no address are passed over. */
void ntp_choose(const struct appliance *appliance, const char *told, struct ntp_servers *out);
