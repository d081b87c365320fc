/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * /etc/network/interfaces as Proxmox writes it: interfaces(5) without its commands. Taken are auto, allow-auto, allow-hotplug, iface with the
 * families inet and inet6 and the methods static, dhcp, auto, manual, loopback; address (with or without a length), netmask, gateway, mtu,
 * dns-nameservers, dns-search; of the commands "ip route add TO [via GATEWAY] [dev LINK]" behind up and post-up. No command is ever run:
 * each other line is named in ignored. Pure.
 *
 * inet6 manual means "what router advertisements say", because that is what Proxmox makes of dhcp and auto for this kind of system.
 */
#include "net/uplink.h"

#define INTERFACES_FILE "/etc/network/interfaces"
#define INTERFACES_MAX_BYTES 65536
#define INTERFACES_MAX_IGNORED 8

struct interfaces {
	struct uplink_link links[UPLINK_MAX_LINKS];
	unsigned count;
	struct interfaces_ignored {
		unsigned line;
		char text[64]; /* its beginning; printable */
	} ignored[INTERFACES_MAX_IGNORED];
	unsigned ignored_count; /* may be more than there is room for */
};

/* text: at most INTERFACES_MAX_BYTES. Links that nothing brings up (no auto) are is_off. */
void interfaces_parse(const char *text, struct interfaces *out);
