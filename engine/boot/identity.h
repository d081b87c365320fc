/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Who this appliance is: the machine id, made on the first boot, kept on /data, and made anew when a copy of /data wakes up in another machine.
 * The other machine is told by what its host gives it: the DMI's UUID and the hardware addresses of its links (a container: addresses and
 * host name). A change that one machine may undergo (one of two links replaced, a container renamed) is no clone.
 */
#include <stdbool.h>

#include "util/buf.h"
#include "util/err.h"

#define IDENTITY_ID_LEN 32
#define IDENTITY_MAX_MACS 16

struct identity_facts {
	char uuid[40];	    /* of the machine; "": a container, or not known */
	char host_name[65]; /* of a container; "": a machine */
	char macs[IDENTITY_MAX_MACS]
		 [18]; /* given by the host: not those that the kernel made up at this start */
	unsigned mac_count;
};

/* root: "" or a folder with sys/ and proc/ in it. host_name: "" in a machine. Facts that are not there are left out. */
void identity_read_facts(const char *root, bool is_machine, const char *host_name,
			 struct identity_facts *out);
/* Lines "uuid X", "mac X", "host X"; what is not understood is passed over. */
void identity_parse(const char *text, struct identity_facts *out);
void identity_format(const struct identity_facts *facts, struct buf *out);
/* Facts that both know decide, the UUID before addresses before the name; none: not a clone. */
bool identity_is_clone(const struct identity_facts *then, const struct identity_facts *now);

struct identity_places {
	const char *data;  /* CLEAT_IDENTITY_DIR; NULL: nothing can be kept */
	const char *run;   /* the same for this boot only */
	const char *etc;   /* /etc/machine-id */
	bool is_read_only; /* data is */
};
/* Settles the id and writes it where it belongs. why: what an operator should know, "" for nothing; level as boot_note() has it. */
int identity_settle(const struct identity_places *places, const struct identity_facts *now,
		    char *why, size_t why_size, unsigned *level, struct err *err) MUST_CHECK;

/* Random bytes that never wait; from a pool that is not full yet they are mixed with what differs between machines. */
void identity_random(void *out, size_t len, const struct identity_facts *facts);

/* CLEAT_WORLD= says so. */
bool identity_is_machine(void);
/* Nothing is written to a /data of another layout. */
bool identity_is_our_layout(void);
