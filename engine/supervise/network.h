/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Networks in the engine: what is attached, the worker that makes it so, files of names, proxies. A container that needs a bridge is
 * started when the worker has said that its bridge and ports stand. Everything here is called from the loop and never blocks, but
 * network_close().
 */
#include "net/plan.h"
#include "net/worker.h"
#include "supervise/internal.h"

#define BUSY_MAX 64

struct network_proxy {
	pid_t pid; /* 0: none */
	uint64_t start_ticks;
	int pidfd;
	struct loop_source *source;
	struct respawn respawn;
	char *words;		    /* owned: its arguments, one a line */
	struct loop_source *serves; /* when it must have ended, if it cannot */
	bool is_noted;		    /* that its ports are not served */
};

/* One per unit, same index as entries. */
struct network_slot {
	struct engine *e;
	unsigned index;
	bool has_container; /* it wants bridges: container is filled */
	struct net_container container;
	struct net_attached *attached; /* owned; NULL: nothing is in force */
	bool is_waiting;	       /* its start goes on when generation stands */
	bool is_held; /* with is_waiting: it is attached when those who hold its network's old settings have gone */
	uint32_t generation;
	uint64_t hosts_hash, resolv_hash; /* of what was written */
	unsigned resolv_dropped;	  /* NAMES_... */
	struct network_proxy proxy;
};

struct network {
	struct engine *e;
	struct arena arena;
	struct net_network *networks; /* the default one first */
	size_t network_count;
	struct network_slot *slots;
	struct net_attached **list; /* of all slots, NULL where nothing is attached */
	struct in_addr *wishes;	    /* addresses asked for by number */
	size_t wish_count;
	struct net_block *routes;
	size_t route_count;
	struct net_plan_facts facts;
	struct net_publish busy[BUSY_MAX]; /* chosen ports that other programs have */
	struct net_leases leases;
	/* the worker */
	struct proc worker;
	int fd; /* -1 */
	struct loop_source *source, *answer_timer;
	struct respawn respawn;
	uint32_t generation, sent; /* wanted; asked for and not answered, 0: none */
	bool has_report;
	struct net_report report; /* the last one of kind APPLIED or REPAIRED */
	char sent_bridges[NET_MAX_BRIDGES][NET_LINK_NAME];
	size_t sent_bridge_count;
	struct loop_source *late;	 /* asks for what is wanted when nothing else does */
	struct loop_source *files_timer; /* hosts of everybody, once a turn */
	int inotify_fd;
	struct loop_source *inotify_source;
	char resolv_target[256]; /* base name of what /etc/resolv.conf leads to */
	struct buf resolv;	 /* the appliance's */
	bool has_ipv6;
};

/* Networks and wishes of all units; reads what earlier engines of this boot gave out. Before the first unit is started. */
void network_open(struct engine *e);
/* After adoption: makes what is in force so, if there ever was anything. */
void network_settle(struct engine *e);
/* Takes everything away (orderly stop), at most 3 s. */
void network_close(struct engine *e);

/* A start, before its config.json is written: addresses, ports; asks the worker. 1: run_launch() is called when it stands;
 * 0: there is nothing to wait for; -1: it cannot start. */
int network_attach(struct engine *e, unsigned index, struct err *err) MUST_CHECK;
/* A living container of an earlier engine: what its record says is in force. */
void network_adopt(struct engine *e, unsigned index);
/* The start that waits is called off. False: none did. */
bool network_cancel(struct engine *e, unsigned index);
/* The container is gone. */
void network_detach(struct engine *e, unsigned index);
/* Files of names of a run directory, and what spec_to_oci() is told of networks. */
int network_files_make(struct engine *e, unsigned index, struct arena *arena,
		       struct host_facts *host, struct err *err) MUST_CHECK;
/* Appends notes of a unit about its network, lines. */
void network_notes(const struct engine *e, unsigned index, struct buf *out);
/* It has published ports, and the kernel does not forward them. */
bool network_client_lost(const struct engine *e, unsigned index);

/* Between the files of this subject. */
struct network_slot *network_slot(const struct engine *e, unsigned index);
void network_files_open(struct network *n);
void network_files_close(struct network *n);
void network_files_soon(struct network *n); /* somebody came or went */
void network_resolv_read(struct network *n);
void network_worker_init(struct network *n);
void network_proxy_init(struct network_slot *slot);
void network_proxy_sync(struct network *n, struct network_slot *slot);
void network_proxy_adopt(struct network_slot *slot);
void network_proxy_stop(struct network_slot *slot);
void network_probe_ipv6(struct network *n);
void network_run_path(const struct engine *e, unsigned index, const char *file, char out[128]);
