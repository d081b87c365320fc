/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Shipping: "cleat log-ship" reads the log directories and the ring of events and sends each line as an RFC 5424 message over UDP (RFC
 * 5426), TCP (RFC 6587, octet counting) or TLS (RFC 5425). The logs themselves are the spool: what was rotated away before it was sent is
 * counted. How far it is stands in one file a container in the folder SHIP_FOLDER of the first root, and counts only what the server's
 * kernel has acknowledged; after a lost connection sending begins there, so that lines may arrive twice, and none is left out.
 */
#include <stdbool.h>
#include <stdint.h>

#include "log/set.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/syslog_url.h"

#define SHIP_FOLDER ".shipped"
#define SHIP_PEN "32473" /* RFC 5612: the enterprise number of examples; we have none of our own */
#define SHIP_MESSAGE_MAX (24u * 1024)
#define SHIP_UDP_MAX 8192u

/* What the worker tells the engine, one message each on descriptor 1; grows at its end. */
struct ship_report {
	uint32_t magic;
	uint16_t version, length;
	uint32_t is_connected;
	uint32_t reserved;
	uint64_t sent, dropped; /* lines and events since the worker began */
	char error[200];	/* why it is not connected; "" */
};
#define SHIP_REPORT_MAGIC 0x31534c53u /* "SLS1" */

/* "cleat log-ship": descriptors 0 and 1 are a socket to the engine whose end of file ends the worker, 3 the published state, 4 the ring of
 * events. Options: --url URL [--ca FILE] --root DIR... [--dir NAME=DIR]... */
int cmd_log_ship(int argc, char **argv);

/* ship_format.c: one message. Pure. */
struct ship_message {
	bool is_stderr, is_event;
	bool is_partial;   /* a piece of a long line */
	unsigned severity; /* of an event; of a line its stream says it */
	const char *stamp; /* LOG_STAMP_LEN bytes */
	const char *hostname;
	const char *app;			       /* APP-NAME: tag or container */
	const char *run_id, *unit, *container, *msgid; /* "" not known */
	const char *text;
	size_t len;
};
/* Without framing; text is cut so that the whole has at most max bytes. */
void ship_format(const struct ship_message *message, size_t max, struct buf *out);

/* ship_wire.c: the connection. All calls wait for at most some seconds, or until stop_fd has something (the engine is gone). */
struct ship_tls;
struct ship_wire {
	struct syslog_url url;
	int stop_fd;	      /* borrowed */
	int fd;		      /* owned; -1: not connected */
	uint64_t total;	      /* bytes given to the kernel since connecting */
	uint64_t acked_base;  /* what TCP_INFO said at the beginning */
	struct ship_tls *tls; /* owned; NULL: not needed */
	struct buf out;	      /* of a stream: framed, not given to the kernel yet */
};
int ship_wire_open(struct ship_wire *wire, const struct syslog_url *url, const char *ca_pem,
		   size_t ca_len, int stop_fd, struct err *err) MUST_CHECK;
void ship_wire_close(struct ship_wire *wire);
int ship_wire_connect(struct ship_wire *wire, struct err *err) MUST_CHECK;
void ship_wire_disconnect(struct ship_wire *wire);
int ship_wire_flush(struct ship_wire *wire, struct err *err) MUST_CHECK;
/* One message; framing is done here. Gathered until there is enough, or a flush. -1: the connection is lost. */
int ship_wire_send(struct ship_wire *wire, const char *data, size_t len,
		   struct err *err) MUST_CHECK;
/* Has the server closed it? What it says is read and thrown away. */
int ship_wire_check(struct ship_wire *wire, struct err *err) MUST_CHECK;
/* How many of total the server's kernel has. */
uint64_t ship_wire_acked(const struct ship_wire *wire);

/* ship_source.c: one log directory. */
struct ship_place {
	uint64_t id; /* of the file; 0: nothing was sent yet */
	uint64_t offset;
};

struct ship_file {
	uint64_t id, lines;
};

struct ship_source {
	char name[128];
	int dirfd; /* owned */
	int fd;	   /* owned; file under way, -1 */
	struct ship_place at, pending, committed, saved;
	struct ship_file
		known[LOG_MAX_FILES]; /* finished and not sent yet: what is lost when they go */
	unsigned known_count;
	uint64_t seen_current; /* id at the last look */
	uint64_t dropped;
};

struct log_line;
typedef int ship_line_fn(void *arg, const struct log_line *line, struct err *err);

/* dirfd becomes the source's. */
void ship_source_init(struct ship_source *source, const char *name, int dirfd);
void ship_source_fini(struct ship_source *source);
/* Hands on lines from source->at on, at most about max_bytes; buffer: LOG_SCAN_BYTES, may be shared. 1: there may be more, 0: at the end,
 * -1: fn failed (at stays before that line) or the disk did. */
int ship_source_read(struct ship_source *source, char *buffer, size_t max_bytes, ship_line_fn *fn,
		     void *arg, struct err *err) MUST_CHECK;
/* Looks what was rotated away unsent; cheap when nothing was rotated. */
void ship_source_survey(struct ship_source *source, char *buffer);
/* Back to what is committed: the connection was lost. */
void ship_source_rewind(struct ship_source *source);
int ship_source_load(struct ship_source *source, int folder, struct err *err) MUST_CHECK;
int ship_source_save(struct ship_source *source, int folder, struct err *err) MUST_CHECK;
