/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The text of a container's /etc/hosts and /etc/resolv.conf. Pure. Everything that comes in has been checked to be a name or an address
 * (net_name_is_host, inet_pton); the appliance's own resolv.conf has not and is read line by line, unknown lines left out.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/buf.h"

#define NAMES_MAX_BYTES 262144
#define RESOLV_MAX_SERVERS 3 /* what resolvers read: MAXNS */

/* Somebody with an address and names; the first is the one that a look-up of the address gives. */
struct names_host {
	struct in_addr address;
	const char *const *names;
	size_t count;
};
/* AddHost=; address may be IPv6. NULL: host-gateway. */
struct names_extra {
	const char *name, *address;
};
struct names_hosts {
	const char
		*base; /* NULL: localhost alone; the appliance's file, for who shares its network */
	struct in_addr gateway; /* INADDR_ANY: none, no host.containers.internal */
	const struct names_extra *extras;
	size_t extra_count;
	const struct names_host *hosts; /* own ones first */
	size_t host_count;
};
/* Extras come first, as with podman: the first line with a name counts. */
void names_hosts_text(const struct names_hosts *hosts, struct buf *out);

struct names_list {
	const char *const *items;
	size_t count;
};
struct names_resolv {
	const char *base;   /* text of the appliance's /etc/resolv.conf, "" none */
	bool keep_loopback; /* it shares the appliance's network, where 127.0.0.53 can be reached */
	struct names_list servers, search,
		options; /* given ones take the place of base's; options are added */
};
/* What of base cannot work and was left out: bits. */
#define NAMES_DROPPED_LOOPBACK 1u
#define NAMES_DROPPED_IPV6 2u
#define NAMES_NO_SERVER 4u /* none is left */
unsigned names_resolv_text(const struct names_resolv *resolv, struct buf *out);

/* Letters, digits, - . _, at most 253 bytes, neither - nor . at the ends. */
bool net_name_is_host(const char *text);
