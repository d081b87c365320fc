/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of "cleat uplink" share: what the kernel has, what is ours of it, what should be. */
#include "net/interfaces.h"
#include "net/lease.h"
#include "net/uplink.h"
#include "util/buf.h"
#include "util/loop.h"
#include "util/netlink.h"

#define UPLINK_FOUND_LINKS 16
#define UPLINK_FOUND_ADDRESSES 128
#define UPLINK_FOUND_ROUTES 256
#define UPLINK_PROTOCOL 193 /* rtm_protocol of our routes: nobody's in linux/rtnetlink.h */
#define UPLINK_METRIC \
	100 /* of the first link; each further one 1 more. Router advertisements: 1024 */
#define UPLINK_FOREVER UINT64_MAX
#define UPLINK_OWN_MAX_BYTES 65536
#define UPLINK_RA_SERVERS 4
#define UPLINK_MOST_ADDRESSES \
	(UPLINK_MAX_ADDRESSES + 2) /* those that are written, and a lease of each family */
#define UPLINK_FILE_MAX_BYTES 65536

/* --- uplink_found.c: the kernel's links that could be the appliance's own ---------------------------- */

struct uplink_found_link {
	uint32_t index, mtu;
	char name[UPLINK_NAME];
	uint8_t mac[6];
	bool is_up, has_carrier;
	bool ra_managed; /* the router says: addresses by DHCPv6 */
};
struct uplink_found_address {
	uint32_t index;
	struct net_ip ip;
	bool is_global;	   /* of a scope beyond the link */
	bool is_permanent; /* false: it has a lifetime, or the kernel made it of a router's words */
	bool is_usable;	   /* not tentative, no duplicate */
};
struct uplink_found_route {
	uint32_t index, metric;
	struct net_ip to, via;
	uint8_t protocol;
};
/* What does not fit is not seen: links first come first served, in the order of their numbers. */
struct uplink_found {
	struct uplink_found_link links[UPLINK_FOUND_LINKS];
	struct uplink_found_address addresses[UPLINK_FOUND_ADDRESSES];
	struct uplink_found_route routes[UPLINK_FOUND_ROUTES];
	unsigned link_count, address_count, route_count;
	bool has_default_route; /* on any link */
};
int uplink_found_read(struct netlink *nl, struct uplink_found *out, struct err *err) MUST_CHECK;
/* One message of a dump; links come before what is on them. */
void uplink_found_message(struct uplink_found *found, const struct netlink_message *message);
/* A router's words on name servers (RTM_NEWNDUSEROPT). False: it is about something else. */
struct uplink_ra {
	uint32_t index;
	struct net_ip servers[UPLINK_RA_SERVERS];
	unsigned server_count;
	uint32_t servers_sec;
	char search[UPLINK_SEARCH]; /* "": not said */
	uint32_t search_sec;
};
bool uplink_ra_read(const struct netlink_message *message, struct uplink_ra *out);

/* --- uplink_own.c: what we have set, and what we were told, as it stands in UPLINK_OWN ----------------------- */

enum uplink_family { UPLINK_V4, UPLINK_V6, UPLINK_FAMILIES };
/* What a DHCP server gave. */
struct uplink_held {
	uint64_t until; /* 0: nothing */
	char stamp[48]; /* of the record that it is about */
	/* not in the file */
	struct lease lease;
	bool is_there;
	bool is_new; /* its lifetime has to be told to the kernel */
};
/* Times are seconds of CLOCK_BOOTTIME: a machine that slept has lost its lease as well. */
struct uplink_own {
	char name[UPLINK_NAME];
	uint32_t index;
	struct net_ip addresses[UPLINK_MOST_ADDRESSES];
	unsigned address_count;
	unsigned mtu_was; /* before we changed it; 0: we have not */
	struct uplink_held held[UPLINK_FAMILIES];
	struct {
		struct net_ip ip;
		uint64_t until;
	} servers[UPLINK_RA_SERVERS];
	unsigned server_count;
	char search[UPLINK_SEARCH];
	uint64_t search_until;
};
struct uplink_owns {
	struct uplink_own links[UPLINK_MAX_LINKS];
	unsigned count;
};
/* Lines that make no sense are left out: the file is ours, but nothing depends on it. */
void uplink_own_parse(const char *text, struct uplink_owns *out);
void uplink_own_format(const struct uplink_owns *owns, struct buf *out);
/* NULL: there is no room. */
struct uplink_own *uplink_own_get(struct uplink_owns *owns, const char *name, uint32_t index);
void uplink_own_heard(struct uplink_own *own, const struct uplink_ra *ra, uint64_t now_sec);
bool uplink_own_has(const struct uplink_own *own, const struct net_ip *address);

/* --- uplink_lease.c: the clients' records -------------------------------------------------------------------- */

/* own->held[family] after what stands in the record now; none: nothing is held. */
int uplink_lease_read(struct uplink_own *own, enum uplink_family family, uint64_t now_sec,
		      struct err *err) MUST_CHECK;
/* Removes the records of a link that is gone: another one may come under its name. */
void uplink_lease_forget(const char *name);

/* --- uplink_plan.c: pure ------------------------------------------------------------------------------------ */

struct uplink_wanted {
	const char *method; /* of the state line */
	bool is_ours;	    /* false: hands off */
	bool wants_client[UPLINK_FAMILIES];
	bool adverts, dhcp6;
	bool no_autoconf; /* addresses of IPv6 are static: none by advertisements */
	unsigned mtu;	  /* 0: as it is */
	struct net_ip addresses[UPLINK_MOST_ADDRESSES];
	uint32_t lifetimes[UPLINK_MOST_ADDRESSES]; /* seconds; LEASE_FOREVER */
	unsigned address_count;
	struct uplink_wanted_route {
		struct uplink_route route;
		bool onlink;
	} routes[2 * UPLINK_MAX_ROUTES];
	unsigned route_count;
	struct net_ip dns[3 * UPLINK_MAX_SERVERS]; /* of this link */
	unsigned dns_count;
	char search[UPLINK_SEARCH];
};
/* Whether a link of this name is one that is configured without a word about it. */
bool uplink_is_default(const char *name);
/* Names of what containers hang on, and of the networks' bridges. */
bool uplink_is_containers(const char *name);
void uplink_plan(const struct uplink_config *config, const struct uplink_found *found,
		 const struct uplink_found_link *link, const struct uplink_own *own,
		 uint64_t now_sec, struct uplink_wanted *out);

/* --- uplink_change.c ------------------------------------------------------------------------------------------ */

int uplink_link_up(struct netlink *nl, uint32_t index, struct err *err) MUST_CHECK;
int uplink_link_mtu(struct netlink *nl, uint32_t index, unsigned mtu, struct err *err) MUST_CHECK;
/* Sets it, or its lifetime when it is there. */
int uplink_address_put(struct netlink *nl, uint32_t index, const struct net_ip *ip,
		       uint32_t lifetime_sec, struct err *err) MUST_CHECK;
/* One that is not there, a route that is: fine. */
int uplink_address_drop(struct netlink *nl, uint32_t index, const struct net_ip *ip,
			struct err *err) MUST_CHECK;
int uplink_route_put(struct netlink *nl, uint32_t index, const struct uplink_wanted_route *route,
		     uint32_t metric, struct err *err) MUST_CHECK;
int uplink_route_drop(struct netlink *nl, const struct uplink_found_route *route,
		      struct err *err) MUST_CHECK;
/* Writes a number into /proc/sys/net/PATH unless it stands there already. */
int uplink_sysctl(int sysctl_fd, const char *path, unsigned value, struct err *err) MUST_CHECK;

/* --- uplink_files.c: texts, and who may write them --------------------------------------------------------------- */

#define UPLINK_MARK "# cleat"

struct uplink_names {
	struct net_ip dns[4 * UPLINK_MAX_SERVERS];
	unsigned dns_count;
	char search[UPLINK_SEARCH];
};
void uplink_names_add(struct uplink_names *names, const struct net_ip *servers, unsigned count,
		      const char *search);
/* resolv.conf: at most three servers, which is what resolvers read. */
void uplink_resolv_text(const struct uplink_names *names, struct buf *out);
/* What of resolv.conf there is stays: somebody else's (markers of Proxmox). is_static: no link of ours has its servers by DHCP. */
bool uplink_resolv_is_others(const char *text, bool is_static);
bool uplink_resolv_has_server(const char *text);
/* hosts with what is missing of localhost and the machine's own name; false: nothing is. */
bool uplink_hosts_text(const char *text, const char *hostname, struct buf *out);
/* A line of UPLINK_STATE. until: seconds since 1970, 0: none. */
void uplink_state_line(const struct uplink_found *found, const struct uplink_found_link *link,
		       const char *method, uint64_t until_sec, struct buf *out);
/* A mount of its own, which cannot be replaced by renaming. */
bool uplink_is_mount(const char *path);
