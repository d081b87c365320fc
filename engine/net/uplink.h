/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The appliance's own links. "cleat uplink" brings them up and keeps them as they should be: as the host has set them, as appliance.ini,
 * network-config or /etc/network/interfaces say, else by DHCP and router advertisements. It holds CAP_NET_ADMIN and nothing else; the DHCP
 * clients (busybox udhcpc, net/dhcp6.h) are started by the engine, which it tells for which links; they write what they got into UPLINK_LEASES_DIR
 * and UPLINK_LEASES6_DIR (net/lease.h).
 * What it has set stands in UPLINK_OWN, so that its successor takes over without taking anything away. Its end takes nothing away either.
 *
 * UPLINK_STATE, for people and the engine, is replaced as a whole whenever it changes. A line each link:
 *     eth0 up dhcp 192.0.2.7/24,fe80::1/64 gateway 192.0.2.1 mtu 1500 until 1764000000
 * name; up, no-carrier or down; host, dhcp, static, auto, manual or off; addresses separated by commas, or "-"; gateways separated
 * by commas, or "-"; mtu; the end of the lease, the first of two, in seconds since 1970, where there is one. After these lines:
 *     dns: 192.0.2.53 2001:db8::53
 *     search: example.org
 *     online: yes
 * No link's name ends in a colon. Online: a default route, and a name server in /etc/resolv.conf.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "net/uplink_ip.h"
#include "util/err.h"
#include "util/places.h"

#define UPLINK_STATE CLEAT_LINKS_DIR "/state"
#define UPLINK_OWN CLEAT_LINKS_DIR "/own"
#define UPLINK_NTP CLEAT_LINKS_DIR "/ntp" /* time servers of the leases, an address a line */
#define UPLINK_LEASES_DIR CLEAT_LINKS_DIR "/leases" /* written by IDS_WORKER_DHCP; a file a link */
#define UPLINK_LEASES6_DIR CLEAT_LINKS_DIR "/leases6" /* the same of DHCPv6 */

#define UPLINK_NAME 16 /* as the kernel has it, with the NUL */
#define UPLINK_MAX_LINKS 8
#define UPLINK_MAX_ADDRESSES 8
#define UPLINK_MAX_ROUTES 16
#define UPLINK_MAX_SERVERS 8
#define UPLINK_SEARCH 256 /* names separated by blanks */

struct uplink_route {
	struct net_ip to;  /* prefix 0: everything */
	struct net_ip via; /* family 0: the link itself */
};

/* What somebody wrote about a link. All zero but the name: it is left as it is. */
struct uplink_link {
	char name[18]; /* or a MAC address, "0a:58:00:00:00:01" */
	bool is_off;   /* hands off, not even up */
	bool dhcp;     /* IPv4 */
	bool dhcp6;    /* an IPv6 address by DHCPv6; the ways from it come by adverts */
	bool adverts;  /* IPv6 addresses and routes by router advertisements */
	struct net_ip addresses[UPLINK_MAX_ADDRESSES];
	unsigned address_count;
	struct uplink_route routes[UPLINK_MAX_ROUTES];
	unsigned route_count;
	struct net_ip dns[UPLINK_MAX_SERVERS];
	unsigned dns_count;
	char search[UPLINK_SEARCH];
	unsigned mtu; /* 0: as it is */
};
/* False: there is no more room. What is there already is fine. */
bool uplink_add_address(struct uplink_link *link, const struct net_ip *address);
bool uplink_add_route(struct uplink_link *link, const struct net_ip *to, const struct net_ip *via);
bool uplink_add_gateway(struct uplink_link *link, const struct net_ip *gateway);
bool uplink_add_dns(struct uplink_link *link, const struct net_ip *server);

struct uplink_config {
	struct uplink_link chosen[UPLINK_MAX_LINKS]; /* by the operator: beat what the host has set */
	unsigned chosen_count;
	struct uplink_link written[UPLINK_MAX_LINKS]; /* in /etc/network/interfaces */
	unsigned written_count;
	struct net_ip dns[UPLINK_MAX_SERVERS]; /* beat those of links */
	unsigned dns_count;
	char search[UPLINK_SEARCH];
	char notes[1200]; /* what of all this could not be taken, a line each */
};

/* --- the process and the engine ------------------------------------------------------------------ */

#define UPLINK_VERSION 2
#define UPLINK_MAX_CLIENTS (2 * UPLINK_MAX_LINKS)

/* Uplink -> engine over the socket (SOCK_SEQPACKET), whenever one of these changes. The engine sends nothing; its end of file ends uplink. */
struct uplink_report {
	uint16_t version, length; /* of this struct */
	uint32_t is_online;
	uint32_t client_count;
	struct uplink_client {
		char link[UPLINK_NAME];
		uint32_t index; /* of the link: another one under the same name is another client */
		uint32_t is_v6;
		char request[16];      /* the address of IPv4 that it had; "" */
	} clients[UPLINK_MAX_CLIENTS]; /* DHCP clients that should run */
	char state[1400];	       /* UPLINK_STATE */
	char notes[1400];	       /* for publish_note(): a line each */
};
/* As it came from a socket: texts are terminated, counts in range. False: it is none. */
bool uplink_report_check(struct uplink_report *report, size_t length);

/* Returns when the engine has gone (0), when a file of configuration has changed (0), or on an error. */
int uplink_run(const struct uplink_config *config, int engine_fd, struct err *err) MUST_CHECK;

/* Starts "cleat uplink --socket 3", the engine's end in *fd_out (non-blocking, owned by the caller). */
struct proc;
int uplink_start(int cgroup_fd, struct proc *proc_out, int *fd_out, struct err *err) MUST_CHECK;
