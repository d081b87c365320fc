/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The parts of appliance.ini's table that have a file of their own. Each: NULL when the value was taken, else what is expected. */
#include "unit/appliance.h"

typedef const char *appliance_set_fn(struct appliance *a, struct arena *arena, const char *value);

/* appliance_status.c, [Status] and [Isolation] */
appliance_set_fn appliance_set_status_address, appliance_set_allow_loss;

/* appliance_system.c, [System] */
appliance_set_fn appliance_set_hostname, appliance_set_time_zone, appliance_set_console,
	appliance_set_root_password;
/* appliance_ntp.c, [System] */
appliance_set_fn appliance_set_ntp;

/* appliance_network.c, [Network] and [Link NAME]; those of links are about the one that appliance_begin_link() has named last */
appliance_set_fn appliance_set_dns, appliance_set_search, appliance_set_link_method,
	appliance_set_link_address, appliance_set_link_gateway, appliance_set_link_dhcp6,
	appliance_set_link_mtu;
bool appliance_is_link(const char *section);
/* NULL, or what is expected. */
const char *appliance_begin_link(struct appliance *a, struct arena *arena, const char *section);
