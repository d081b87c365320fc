/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A link's configuration as text, for comparing. */
#include "unit_test.h"

#include <stdio.h>
#include <string.h>

#include "net/uplink.h"
#include "util/buf.h"

static inline void print_link(const struct uplink_link *link, struct buf *out)
{
	char a[NET_IP_TEXT], b[NET_IP_TEXT];

	buf_printf(out, "%s%s%s%s%s", link->name, link->is_off ? " off" : "",
		   link->dhcp ? " dhcp" : "", link->dhcp6 ? " dhcp6" : "",
		   link->adverts ? " adverts" : "");
	if (link->mtu)
		buf_printf(out, " mtu %u", link->mtu);
	for (unsigned i = 0; i < link->address_count; i++) {
		net_ip_text(&link->addresses[i], true, a);
		buf_printf(out, " %s", a);
	}
	for (unsigned i = 0; i < link->route_count; i++) {
		net_ip_text(&link->routes[i].to, true, a);
		net_ip_text(&link->routes[i].via, false, b);
		buf_printf(out, " %s>%s", a, b);
	}
	for (unsigned i = 0; i < link->dns_count; i++) {
		net_ip_text(&link->dns[i], false, a);
		buf_printf(out, " dns %s", a);
	}
	if (link->search[0])
		buf_printf(out, " search %s", link->search);
	buf_puts(out, "\n");
}
