/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * NoCloud's network-config, versions 1 and 2 (cloud-init, "Networking config"): what of it an appliance can do, as the same links that
 * [Link NAME] of appliance.ini describes. Ethernet links only: version 1 "physical" with subnets static, dhcp, manual and the ones of
 * IPv6, and "nameserver"; version 2 "ethernets" with dhcp4, dhcp6, accept-ra, addresses, gateway4, gateway6, routes to default,
 * nameservers, mtu, match. What is not understood is an error with file and line; the rest counts all the same.
 */
#include "unit/appliance.h"

#define NETWORK_CONFIG_MAX_BYTES (64u * 1024)

struct network_config {
	/* Named by MAC address (lower case) where one is given, else by interface. method is always set. Addresses beside
	 * APPLIANCE_METHOD_DHCP come on top of the lease. */
	struct appliance_link links[APPLIANCE_MAX_LINKS];
	unsigned link_count;
	struct appliance_texts dns, search; /* of all links together, each once */
	const char *path;		    /* of the file that was read; NULL: there is none */
};

/* The appliance's own: CLEAT_NETWORK_CONFIG, else what a cidata disk brought (CLEAT_NOCLOUD_DIR "/network-config"). None is no error: no links. Texts in
 * the arena. -1: it cannot be read. */
int network_config_find(struct network_config *out, struct arena *arena, struct diags *diags,
			struct err *err) MUST_CHECK;
/* One file; missing: no links, path NULL. */
int network_config_load(struct network_config *out, struct arena *arena, struct diags *diags,
			const char *path, struct err *err) MUST_CHECK;
/* Text in memory; path is borrowed. */
void network_config_read(struct network_config *out, struct arena *arena, struct diags *diags,
			 const char *path, const char *text, size_t len);
