/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Netlink as bytes: building messages, asking the kernel, reading what it says. Facts: netlink(7), linux/netlink.h. The
 * kernel handles a request inside sendmsg(2), so its answers are there when that returns: nothing here waits.
 * Families: NETLINK_ROUTE (links, addresses, routes) and NETLINK_NETFILTER (nftables, conntrack). No call on a descriptor
 * but those of one socket; no clock.
 */
#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/err.h"

/* --- the socket ------------------------------------------------------------------------------ */

struct netlink {
	int fd; /* owned; non-blocking reads */
	uint32_t port;
	uint32_t seq;
	uint32_t failed;     /* after a refusal: how many messages of the request stood before it */
	unsigned char *room; /* owned: what was received */
};

/* Bound to a port that the kernel chooses. netlink_close() in any case. */
int netlink_open(struct netlink *nl, int protocol, struct err *err) MUST_CHECK;
void netlink_close(struct netlink *nl); /* fine twice */
/* Hears a multicast group (RTNLGRP_*, NFNLGRP_*); buffer_bytes is asked for as the receive buffer, 0: leave. */
int netlink_join(struct netlink *nl, int group, int buffer_bytes, struct err *err) MUST_CHECK;

static inline void netlink_cleanup(struct netlink *nl)
{
	netlink_close(nl);
}
#define auto_netlink __attribute__((cleanup(netlink_cleanup))) struct netlink

/* --- building: errors stay in the buffer (buf_check) ------------------------------------------- */

#define NETLINK_MESSAGES_MAX (16u << 20)

/* Appends a message header and the family's own header (a multiple of 4 bytes); returns where it began, for
 * netlink_end(). Sequence numbers and NLM_F_REQUEST come with the sending. */
size_t netlink_begin(struct buf *out, uint16_t type, uint16_t flags, const void *header,
		     size_t len);
void netlink_end(struct buf *out, size_t begin);
/* An attribute; one of more than 65531 bytes fails the buffer. */
void netlink_put(struct buf *out, uint16_t type, const void *data, size_t len);
void netlink_put_u8(struct buf *out, uint16_t type, uint8_t value);
void netlink_put_u32(struct buf *out, uint16_t type, uint32_t value);
void netlink_put_be32(struct buf *out, uint16_t type, uint32_t value);	 /* in network order */
void netlink_put_text(struct buf *out, uint16_t type, const char *text); /* with its NUL */
size_t netlink_nest(struct buf *out, uint16_t type);			 /* with NLA_F_NESTED */
void netlink_nest_end(struct buf *out, size_t begin);

/* --- asking ------------------------------------------------------------------------------------ */

/*
 * Sends all messages of the buffer in one datagram and collects the answers. At least one has to ask for NLM_F_ACK. -1 with the
 * kernel's own words when one is refused ("Invalid mount type: Operation not supported"); err->sys_errno is the number,
 * nl->failed the place. A datagram larger than the socket's send buffer is ERR_LIMIT.
 */
int netlink_request(struct netlink *nl, struct buf *messages, struct err *err) MUST_CHECK;

struct netlink_message {
	uint16_t type, flags;
	uint32_t seq, port;
	const unsigned char *data; /* borrowed; the family's header first */
	size_t len;
};

/* What to do with each part of a dump. again() is called when it begins, and whenever the kernel says that what it told is
 * stale (NLM_F_DUMP_INTR): forget everything. message() returns -1 with err to give up. */
struct netlink_reader {
	void (*again)(void *arg);
	int (*message)(const struct netlink_message *message, void *arg, struct err *err);
	void *arg;
};
/* The buffer holds one message; NLM_F_DUMP is added. */
int netlink_dump(struct netlink *nl, struct buf *request, const struct netlink_reader *reader,
		 struct err *err) MUST_CHECK;

/* The next notifications of a group, if there are any: 1 with *data, *len (borrowed until the next call), 0 when there are none
 * now, -1 when some were lost (ENOBUFS, ERR_LIMIT) or on an error. What did not come from the kernel is passed over. */
int netlink_heard(struct netlink *nl, const unsigned char **data, size_t *len,
		  struct err *err) MUST_CHECK;

/* --- reading: every length is checked against what is there --------------------------------------- */

struct netlink_span {
	const unsigned char *data;
	size_t len;
};
/* Takes the next message or attribute off the front; false at the end, or when what follows cannot be one. */
bool netlink_next(struct netlink_span *rest, struct netlink_message *out);

struct netlink_attr {
	uint16_t type; /* without NLA_F_* */
	struct netlink_span value;
};
bool netlink_attr_next(struct netlink_span *rest, struct netlink_attr *out);
/* The attributes behind a header of this many bytes; empty when the message is shorter. */
struct netlink_span netlink_attrs(const struct netlink_message *message, size_t header);
/* The last one of this type, as the kernel reads it too. */
bool netlink_find(struct netlink_span attrs, uint16_t type, struct netlink_span *out);
/* False when the value has another size; text: when it does not fit or holds no NUL. */
bool netlink_u32(struct netlink_span value, uint32_t *out);
bool netlink_text(struct netlink_span value, char *out, size_t size);
