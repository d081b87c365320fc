/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of the control socket share; nobody outside this folder includes it. */
#include <stdbool.h>

#include "api/api.h"
#include "util/buf.h"
#include "util/http.h"

#define API_MAX_CLIENTS 64
#define API_MAX_ANSWER (8u * 1024 * 1024)
#define API_VERSION "1.41" /* the newest of Docker's API versions whose routes we follow */
#define API_MAX_LOG_ARGS 7

/* Words for "cleat log-stream". */
struct api_log_args {
	char words[API_MAX_LOG_ARGS][48];
	unsigned count;
	bool is_following;
};

/* An answer that is ready, or what it waits for. */
struct api_answer {
	int status;		  /* 0: not yet */
	const char *content_type; /* NULL: application/json */
	struct buf body;	  /* owned */
	char extra[160];	  /* header lines, each with CRLF */
	/* held back until the unit has come to rest */
	bool is_pending;
	bool has_run; /* the unit has been starting since */
	unsigned index;
	enum engine_verb verb;
	usec_t asked_at;
	uint64_t results_before; /* of health checks, when a new one was asked for */
	usec_t stop_usec; /* SIGKILL that long after the stop signal, if the unit's own limit is longer; USEC_NEVER */
	/* asked by a command line of that unit (COMMANDS_OF_VARIABLE): what can come only when the command has ended is not waited for */
	bool has_caller;
	unsigned caller;
	/* the connection becomes a log stream */
	bool is_stream;
	struct api_log_args log_args;
	const char *const
		*event_words; /* not NULL: a stream of events; borrowed until the next request */
	bool reload;	      /* after the answer has gone out */
	bool applies_choices; /* the same */
	/* the connection goes to the container's shim, with this order */
	bool is_exec;
	const struct buf *exec; /* borrowed until the next request */
};

struct api_route;
/* What a request says, before any unit is looked at. */
struct api_order {
	const struct api_route *route;
	char name[256];	  /* what stood for {}; never empty where the pattern has one */
	bool all;	  /* also what does not run; a signal to every process */
	bool no_wait;	  /* answered as soon as the engine knows of it */
	char caller[128]; /* a container's name; "": nobody's command line */
	int signal;
	usec_t stop_usec;
	uint16_t rows, columns;
	struct api_log_args log_args;
	uint64_t since_usec, until_usec; /* of events; 0: none */
	bool is_dry, keeps_failed;	 /* of an update */
	char digest[80];		 /* of a rollback; "": the one before */
	char filters[1024];		 /* Docker's, as JSON */
	char file[1024];		 /* a path of the appliance */
};

struct api_call {
	struct engine *engine;
	const struct http_request *request;
	const struct api_order *order;
	struct api_answer *answer;
};

/* One row of the table: how a request is recognised, what may stand in its query, who reads that and who acts. */
struct api_route {
	const char *method;
	const char *pattern; /* {} stands for one path segment */
	const char *params;  /* names between blanks; all others are refused */
	bool (*read)(const struct http_request *request, struct api_order *order,
		     struct api_answer *answer);
	void (*run)(struct api_call *call);
};

/* router.c. Pure: the same bytes give the same order or the same refusal. False: answer holds the refusal. */
bool api_read(const struct http_request *request, struct api_order *order,
	      struct api_answer *answer);
const struct api_route *api_routes(size_t *count);
/* api_read(), then what the row says. */
void api_route(struct engine *engine, const struct http_request *request,
	       struct api_answer *answer);
void api_fail(struct api_answer *answer, int status, const char *fmt, ...) ERR_PRINTF(3, 4);
/* What an order was refused for, under the status of its kind; 202 and {}: it is taken. */
void api_refuse(struct api_answer *answer, const struct err *err);
void api_accept(struct api_answer *answer);

/* exec.c. The readers are pure: a body into an order for the shim (struct shim_exec without id), and what a start adds to
 * it. message is the caller's in any case (buf_fini). */
int api_exec_read(const char *body, size_t length, struct buf *message, struct err *err) MUST_CHECK;
int api_exec_read_start(const char *body, size_t length, struct buf *message,
			struct err *err) MUST_CHECK;
/* exec_created.c: what was created and not started yet, for the next engine. message is the caller's in any case. */
void api_exec_keep(const char *id, const struct buf *message);
void api_exec_forget(const char *id);
int api_exec_kept(const char *id, struct buf *message, struct err *err) MUST_CHECK;
/* Is this the whole order of that session? ERR_INTEGRITY. Pure. */
int api_exec_check(const struct buf *message, const char *id, struct err *err) MUST_CHECK;
void api_exec_create(struct api_call *call);
void api_exec_start(struct api_call *call);
void api_exec_resize(struct api_call *call);
void api_exec_inspect(struct api_call *call);

/* act.c: what is done; asks the engine, never waits. */
/* The unit that the order names; false: the answer says why there is none. */
bool api_find(struct api_call *call, unsigned *index);
void api_ping(struct api_call *call);
void api_version(struct api_call *call);
void api_info(struct api_call *call);
void api_list(struct api_call *call);
void api_inspect(struct api_call *call);
void api_status(struct api_call *call);
void api_logs(struct api_call *call);
void api_events(struct api_call *call); /* events.c */
void api_start(struct api_call *call);
void api_stop(struct api_call *call);
void api_restart(struct api_call *call);
void api_reset(struct api_call *call);
void api_reload_unit(struct api_call *call);
void api_healthcheck(struct api_call *call);
void api_kill(struct api_call *call);
void api_reload(struct api_call *call);
void api_images_changed(struct api_call *call);
/* files.c */
void api_reload_report(struct api_call *call);
/* updates.c */
void api_update_all(struct api_call *call);
void api_update(struct api_call *call);
void api_update_report(struct api_call *call);
void api_rollback(struct api_call *call);
void api_enable(struct api_call *call);
void api_disable(struct api_call *call);
void api_mask(struct api_call *call);
void api_unmask(struct api_call *call);
/* upgrade.c */
void api_upgrade(struct api_call *call);
void api_upgrade_report(struct api_call *call);
/* Has a held-back answer come to a result? Fills status and body then and is no longer pending. */
bool api_settled(struct engine *engine, struct api_answer *answer);
/* Does a change of this unit concern the held-back answer? */
bool api_concerns(struct engine *engine, const struct api_answer *answer, unsigned changed);
/* The client's own limit for a stop: kills when it has passed. Returns when to ask again, USEC_NEVER: not any more. */
usec_t api_hurry(struct engine *engine, const struct api_answer *answer, usec_t now);

/* render.c: Docker's shapes */
void api_render_list(struct engine *engine, bool all, struct buf *out);
void api_render_inspect(struct engine *engine, unsigned index, struct buf *out);
void api_render_version(struct buf *out);
/* The last result of a health check. */
void api_render_health(struct engine *engine, unsigned index, struct buf *out);
void api_render_info(struct engine *engine, struct buf *out);
void api_render_status(struct engine *engine, struct buf *out);
/* Docker's words for a span of time: "About a minute", "3 hours". */
void api_span(int64_t seconds, char out[40]);

/* render_network.c: Docker's Ports, NetworkSettings and NetworkMode. */
struct json;
void api_render_ports(struct json *json, const struct engine_unit *unit);
void api_render_network(struct json *json, const struct engine_unit *unit);
const char *api_network_mode(const struct container_spec *spec);
