/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * From what units ask for to what the kernel should hold (net/wanted.h), in pure steps:
 *
 *   net_plan_networks   networks as asked for -> bridges with subnets (leases keep chosen ones)
 *   net_plan_check      all containers that there are -> problems that are known before anything runs
 *   net_plan_attach     one container that is about to start -> its ends and ports, beside those in force
 *   net_plan_wanted     all that are attached -> struct net_wanted
 *
 * The same input gives the same bytes. What is attached stays as it was made until it is taken away, whatever the units say
 * meanwhile: it is written beside the container (net_attached_format) and read by the next engine.
 */
#include "net/ipam.h"
#include "net/wanted.h"

#define NET_DEFAULT "podman" /* the network of containers that name none */
#define NET_DEFAULT_BRIDGE "cleat0"
#define NET_MAX_NETWORKS NET_MAX_BRIDGES
#define NET_MAX_ENDS 8	       /* networks of one container */
#define NET_MAX_PUBLISHED 1024 /* rows of one container; a range counts once */
#define NET_MAX_ALIASES 64     /* of one container in one network */
#define NET_ATTACHED_MAX_BYTES 262144

/* A network as somebody asks for it, and what becomes of it. Strings are borrowed. */
struct net_network {
	const char *name;
	const char *label;	    /* for messages: "app.network", "the default network" */
	const void *place;	    /* the caller's: comes back with problems */
	struct net_block subnet;    /* prefix 0: one is chosen */
	struct in_addr gateway;	    /* INADDR_ANY: the first address */
	struct in_addr first, last; /* to choose from; INADDR_ANY: all */
	bool internal, no_isolation, no_names;
	uint32_t mtu;
	/* net_plan_networks() */
	struct net_bridge bridge;
	bool is_moved; /* the default network's own subnet is the appliance's: another was chosen */
	const char *problem; /* in the arena given; NULL: it can be used */
};

/* A container's wish to be in a network. */
struct net_join {
	const char *network;
	const void *place;
	struct in_addr address; /* INADDR_ANY: any */
	bool has_mac;
	uint8_t mac[6];
	const char *interface; /* NULL: eth0, eth1 ... */
	const char *const *aliases;
	size_t alias_count;
};

/* A published port. Of host addresses at most one is set; neither: every address of the appliance, or, is_v4_only ("0.0.0.0"), those of IPv4. */
struct net_publish {
	const void *place;
	const char *label; /* for messages: "web.container:5" */
	bool udp, is_v6, is_v4_only;
	struct in_addr host_address;
	struct in6_addr host_address6; /* is_v6 */
	uint16_t host_first;	       /* 0: chosen */
	uint16_t first, count;
};

/* No address was given: every one of the appliance, of IPv6, too. */
bool net_publish_is_any(const struct net_publish *port);

struct net_container {
	const char *name, *label; /* "web", "web.container" */
	bool boot;		  /* starts by itself: then so do its conflicts */
	const struct net_join *joins;
	size_t join_count;
	const struct net_publish *ports;
	size_t port_count;
};

/* One end of a container, as it is in force. */
struct net_end {
	char network[NET_NAME_BYTES];
	struct net_bridge bridge;
	char link[NET_LINK_NAME], interface[NET_LINK_NAME];
	uint8_t mac[6];
	struct in_addr address;
	bool no_names;
	const char **aliases; /* in the arena of the attachment */
	size_t alias_count;
};

struct net_attached {
	struct arena arena;
	char owner[NET_NAME_BYTES]; /* the container's name */
	char run_id[16];
	struct net_end ends[NET_MAX_ENDS];
	size_t end_count;
	struct net_publish *ports; /* with host_first; place and label: NULL */
	size_t port_count;
	bool has_target;       /* false: all its networks are internal, nothing can be published */
	struct in_addr target; /* where ports lead to, on target_bridge */
	char target_bridge[NET_LINK_NAME];
};

struct net_plan_facts {
	const struct net_block
		*routes; /* of the appliance, without the default route and bridges of ours */
	size_t route_count;
	uint16_t port_first, port_last; /* ip_local_port_range */
	const struct net_publish *busy; /* of other programs: never chosen */
	size_t busy_count;
};

struct net_attached_list {
	struct net_attached *const *items; /* NULL entries are passed over */
	size_t count;
};

/* Fills bridges; never fails: a network that cannot be has a problem. Chosen subnets become leases. */
void net_plan_networks(struct net_network *networks, size_t count, struct net_leases *leases,
		       const struct net_plan_facts *facts, struct arena *arena);
/* Puts what is in force over what was asked for: a network keeps its bridge until its last container has gone. True when one
 * of them differs (its new settings wait). */
bool net_plan_keep(struct net_network *network, const struct net_attached_list *attached);

/* place: of the join or port that the problem is about. is_error: it can never start. */
typedef void net_problem_fn(void *arg, const void *place, bool is_error, const char *text);
void net_plan_check(const struct net_network *networks, size_t network_count,
		    const struct net_container *containers, size_t container_count,
		    net_problem_fn *say, void *arg);

const struct net_network *net_network_find(const struct net_network *networks, size_t count,
					   const char *name);
/* Takes addresses and ephemeral ports. out is zeroed by the caller and emptied with net_attached_fini(), also after an error.
 * static_wishes: addresses that other containers ask for by number in any network. */
int net_plan_attach(const struct net_network *networks, size_t network_count,
		    const struct net_container *container, const char *run_id,
		    const struct net_attached_list *attached, const struct net_taken *static_wishes,
		    const struct net_plan_facts *facts, struct net_leases *leases,
		    struct net_attached *out, struct err *err) MUST_CHECK;
void net_attached_fini(struct net_attached *attached);

/* Sorted; vectors in the arena. ERR_LIMIT when there are more than NET_MAX_... */
int net_plan_wanted(const struct net_attached_list *attached, struct arena *arena,
		    struct net_wanted *out, struct err *err) MUST_CHECK;

/* Ports that the kernel does not forward: every one without NAT, and those of IPv6 addresses, the appliance's own (when it has any)
 * or one that was asked for. Words of "cleat proxy", one a line; false: the first NET_MAX_PROXIED only. */
#define NET_MAX_PROXIED 1024
bool net_proxy_words(const struct net_attached *attached, bool has_nat, bool has_ipv6,
		     struct buf *out);

/* The words of the annotation org.cleat.network.N for an end. */
void net_end_words(const struct net_end *end, bool has_gateway, struct buf *out);
/* Which end has the default route; -1: none, all are internal. */
int net_attached_default(const struct net_attached *attached);

void net_attached_format(const struct net_attached *attached, struct buf *out);
int net_attached_parse(const char *text, struct net_attached *out, struct err *err) MUST_CHECK;

/* "10.88.0.5" -> 0a:58:0a:58:00:05: of an end, and of a bridge as its gateway, whatever hangs on it. */
void net_address_mac(struct in_addr address, uint8_t out[6]);
bool net_mac_parse(const char *text, uint8_t out[6]); /* unicast only */
void net_mac_text(const uint8_t mac[6], char out[18]);
/* cleat0, or "cleat-" and 8 hex digits of the name; salt: another one. */
void net_bridge_name(const char *network, unsigned salt, char out[NET_LINK_NAME]);
