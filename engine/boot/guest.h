/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * /config out of the keys of an Incus or LXD container: user.quadlet.NAME is the text of the unit file NAME (with its suffix),
 * user.cleat.SECTION.KEY a line of appliance.ini (SECTION may have a second part: user.cleat.Link.eth0.Address is [Link eth0]; a value of
 * several lines is several assignments), user.network-config and cloud-init.network-config the file network-config. Read through
 * /dev/incus/sock or /dev/lxd/sock ("Communication between instance and host", doc/dev-incus.md), which answers to root only, by the
 * credentials at connect(2): so the connections are made first, and all rights dropped then.
 */
#include <stdbool.h>
#include <stddef.h>

#include "boot/config_internal.h"
#include "boot/config_tree.h"
#include "util/arena.h"
#include "util/buf.h"
#include "util/err.h"

#define GUEST_MAX_KEYS 512u
#define GUEST_LIMIT_USEC UINT64_C(5000000) /* for one answer, and for all of them at boot */

struct guest_key {
	const char *name; /* "user.quadlet.web.container" */
	const char *value;
	size_t len;
};

/* guest_keys.c, pure. Names in the answer to GET /1.0/config (a JSON list of "/1.0/config/KEY") that concern us, in order. */
int guest_keys_parse(const char *json, size_t len, struct arena *arena, struct guest_key **keys,
		     size_t *count, struct err *err) MUST_CHECK;
/* Into the tree; what is no unit or no key is a problem that names it. */
void guest_keys_fill(struct config_tree *t, const struct guest_key *keys, size_t count,
		     struct config_problems *problems);
/* The text of appliance.ini that the keys come to; "" when there are none. */
void guest_keys_appliance(const struct guest_key *keys, size_t count, struct buf *out,
			  struct config_problems *problems);

/* guest.c. A connection: requests one after the other. */
struct guest {
	int fd;	       /* owned; -1 */
	struct buf in; /* bytes that came and are not used yet */
};
/* The path of the socket that is there; NULL: this container has none. */
const char *guest_socket(void);
int guest_connect(struct guest *g, const char *path, struct err *err) MUST_CHECK;
void guest_close(struct guest *g);
/* Blocks for GUEST_LIMIT_USEC at most. 404 is an answer like any other. */
int guest_get(struct guest *g, const char *path, int *status, struct buf *body,
	      struct err *err) MUST_CHECK;
/* Says that the appliance is up ("Ready", which "incus list" shows). ERR_UNSUPPORTED: this manager does not want to know. */
int guest_say_ready(struct guest *g, struct err *err) MUST_CHECK;
/* Makes the connection one that tells of changed keys. */
int guest_subscribe(struct guest *g, struct err *err) MUST_CHECK;
/* Reads what has come on such a connection. 1: something has changed; 0: nothing; -1: it has ended. Never blocks but to answer a ping. */
int guest_hear(struct guest *g, struct err *err) MUST_CHECK;
/* Reads all keys and makes the tree say the same. */
/* ERR_UNSUPPORTED: the manager refuses to tell; trying again is of no use. */
int guest_sync(struct guest *g, struct config_tree *t, struct config_problems *problems,
	       struct err *err) MUST_CHECK;
/* Gives up every right but to fill the folder path. */
int guest_confine(const char *path, struct err *err) MUST_CHECK;
/* All of it once, in a child, within GUEST_LIMIT_USEC; nothing when there is no socket. */
int guest_sync_once(const char *path, struct err *err) MUST_CHECK;
