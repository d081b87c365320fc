/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The status server from inside: connections over routes over pages over the published mapping. One thread; nothing here blocks.
 * Time comes in as an argument, so that tests can be in the future.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/buf.h"
#include "util/err.h"
#include "util/http.h"
#include "util/loop.h"
#include "util/published.h"

#define STATUS_MAX_CONNECTIONS 64
#define STATUS_MAX_PAGES 12 /* alive at a time: cached or still being sent */
#define STATUS_MAX_PAGE_BYTES \
	(32 * 1024 * 1024) /* 1,024 units full of bytes that JSON escapes need 17 MB */
#define STATUS_MAX_ANSWER_BYTES (64 * 1024) /* head and what is made for one request */

#define STATUS_HEAD_USEC \
	(10 * USEC_SEC) /* from accept, or from the first byte of a later request */
#define STATUS_IDLE_USEC (30 * USEC_SEC)   /* between two requests */
#define STATUS_ANSWER_USEC (10 * USEC_SEC) /* to take an answer, and a second for every ... */
#define STATUS_SLOWEST_BYTES (64 * 1024)  /* ... of it: a page of megabytes may cross a slow line */
#define STATUS_LINGER_USEC (2 * USEC_SEC) /* from our last byte to the client's end */
#define STATUS_TICK_USEC USEC_SEC
#define STATUS_AWAY_USEC (30 * USEC_SEC) /* without an engine before /livez is 503 */
#define STATUS_STOP_USEC USEC_SEC	 /* SIGTERM: what is being answered has this long */

/* A rendered document, shared by the cache and by connections that still send it. */
enum status_page_kind {
	STATUS_PAGE_JSON,     /* /status but its first member */
	STATUS_PAGE_TEXT,     /* the same for people, but its first line */
	STATUS_PAGE_CHECKS,   /* /readyz?verbose */
	STATUS_PAGE_FAILURES, /* /readyz when it is 503 */
};
#define STATUS_PAGE_KINDS 4

struct status_page {
	struct buf body;
	uint64_t generation;
	unsigned facts; /* what else it was made of: status_facts() */
	bool ready;
	unsigned users;
};

enum status_phase { STATUS_READING, STATUS_WRITING, STATUS_LINGERING };

struct status_connection {
	struct status_server *server;
	int fd; /* -1: free */
	struct loop_source *source;
	uint32_t watched; /* epoll events */
	enum status_phase phase;
	usec_t since;	 /* of its last sign of life */
	usec_t deadline; /* of the phase */
	bool is_reused;	 /* has had an answer */
	bool close_after;
	struct buf out;		  /* head, and what was made for this request */
	struct status_page *page; /* follows out; may be NULL */
	size_t sent;		  /* of out and page together */
	size_t in_len;
	char in[HTTP_MAX_HEAD];
};

struct status_server {
	struct loop *loop;	     /* borrowed */
	struct published *published; /* owned */
	int published_fd;	     /* borrowed */
	int listen_fd;		     /* owned; -1: we are leaving */
	int engine_pidfd;	     /* owned; -1: the engine is gone */
	struct loop_source *listen_source, *engine_source, *tick;
	int64_t real_offset_usec; /* CLOCK_REALTIME - CLOCK_MONOTONIC */

	/* the engine that started us, and since when it is gone */
	pid_t engine_pid;
	uint64_t engine_ticks;	     /* 0: not known, it was gone before we looked */
	int64_t engine_started_usec; /* as published; 0: it has not published yet */
	int64_t first_started_usec;  /* what the mapping said when we opened it */
	int64_t opened_real_usec;    /* when we opened it */
	usec_t engine_gone;	     /* 0: it lives */
	int64_t boot_offset_usec;    /* monotonic time of the appliance's boot */
	usec_t leave_at;	     /* 0: we stay */

	/* the mapping's header as last read */
	struct published_header header;
	uint64_t generation;
	bool has_header, is_torn;

	struct status_page *pages[STATUS_PAGE_KINDS]; /* a reference each */
	unsigned page_count;			      /* alive */
	struct http_request request; /* of the connection that is served right now */
	struct buf body;	     /* its answer, before the head is known */
	unsigned connection_count;
	struct status_connection connections[STATUS_MAX_CONNECTIONS];
};

/*
 * server.c: published_fd is borrowed, listen_fd is taken when it succeeds. The server watches them from now on; loop_run() ends when
 * it has left.
 */
struct status_server *status_server_new(struct loop *loop, int listen_fd, int published_fd,
					pid_t engine_pid, struct err *err) MUST_CHECK;
void status_server_free(struct status_server *s);
/* Once a second: deadlines, changes of the mapping. real_usec is CLOCK_REALTIME. */
void status_server_tick(struct status_server *s, usec_t now, int64_t real_usec);
/* The listening socket is closed; connections that are here have until deadline. */
void status_server_leave(struct status_server *s, usec_t now, usec_t deadline);
/* Before every request and at every tick: reads the header when something changed, leaves when another engine took over. */
void status_server_look(struct status_server *s, usec_t now);

/* connection.c */
void status_connection_open(struct status_server *s, struct status_connection *c, int fd,
			    usec_t now);
void status_connection_close(struct status_connection *c);
bool status_connection_is_idle(const struct status_connection *c);
void status_connection_expire(struct status_connection *c,
			      usec_t now); /* its deadline has passed */

/* routes.c */
struct status_answer {
	int status;
	bool is_json;		  /* else text */
	bool retry_after;	  /* with a Retry-After */
	bool allow;		  /* with an Allow */
	struct buf *body;	  /* borrowed; comes first */
	struct status_page *page; /* NULL, or borrowed from the cache */
};
void status_route(struct status_server *s, const struct http_request *request, usec_t now,
		  struct status_answer *answer);
/* An answer to bytes that are no request. */
void status_refuse(int status, const char *why, struct status_answer *answer);

/* page.c: the current rendering, made if there is none of this generation. Borrowed until the next call; hold keeps it. NULL: it is
 * larger than STATUS_MAX_PAGE_BYTES or there is no memory. */
struct status_page *status_page_get(struct status_server *s, enum status_page_kind kind);
struct status_page *status_page_hold(struct status_page *page);
void status_page_release(struct status_server *s, struct status_page *page); /* NULL is fine */

/* check.c: what /readyz looks at, one call per check in a fixed order; reason is "" when it passed. True: all passed. */
typedef void status_check_fn(const char *name, bool ok, const char *reason, void *arg);
bool status_check(const struct status_server *s, status_check_fn *fn, void *arg);
/* The record, or one that says that it cannot be read; false past the last. */
bool status_unit_get(const struct status_server *s, unsigned index, struct published_unit *out);
/* By container name, unit file, its stem or service name. */
bool status_unit_find(const struct status_server *s, const char *name, struct published_unit *out);

/* json.c, text.c: the renderings; those of a whole appliance return whether it is ready. */
bool status_render_json(const struct status_server *s, struct buf *out);
/* links.c: the member "network" */
struct json;
void status_put_links(struct json *j, const struct published_header *h);
void status_render_unit_json(const struct status_server *s, const struct published_unit *unit,
			     struct buf *out);
bool status_render_text(const struct status_server *s, struct buf *out);
void status_render_unit_text(const struct published_unit *unit, struct buf *out);
bool status_render_checks(const struct status_server *s, bool failures_only, struct buf *out);

/* format.c */
const char *status_note_level(unsigned level);
/* "2026-03-01T09:08:07.654Z" (RFC 3339), or without the fraction; years 1970 to 9999 */
void status_time(int64_t real_usec, bool fraction, char out[32]);
/* "Sun, 01 Mar 2026 09:08:07 GMT" (RFC 9110) */
void status_http_date(int64_t real_usec, char out[40]);
/* Appends text for a terminal: control bytes, bidirectional overrides and bytes that are not UTF-8 become \xNN. Returns the columns. */
size_t status_put_clean(struct buf *out, const char *text);
size_t status_clean_width(const char *text);
/* "4 s", "3 min", "5 h", "9 d" */
void status_span(uint64_t usec, char out[32]);
