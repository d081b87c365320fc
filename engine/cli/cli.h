/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the commands share: where the engine is, asking it, reading words, printing for people. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "util/buf.h"
#include "util/err.h"
#include "util/published.h"

/* Exit codes: 0 done, 1 the thing asked for failed, 2 the words of the command are wrong, 125 the engine cannot be reached. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_NO_ENGINE = 125 };

/* The whole program: finds the command of argv, runs it, returns the exit status. */
int cli_main(int argc, char **argv);

/* Set from --socket (borrowed); the published state lies beside the socket. */
void cli_set_socket(const char *path);
const char *cli_socket(void);
/* False after --socket: then the engine's other places (/data, /run) are not this machine's. */
bool cli_is_inside(void);
void cli_published_path(char *out, size_t size);

/* client.c: one request to the control socket. Blocks until the answer is complete (the engine holds some back until a unit rests).
 * -1: the engine cannot be reached or broke off. body is the caller's in any case (buf_fini). */
struct cli_response {
	int status;
	size_t length; /* Content-Length; SIZE_MAX: until the end of the connection */
	struct buf body;
};
int cli_request(const char *method, const char *path, struct cli_response *out,
		struct err *err) MUST_CHECK;
/* The same, but leaves the body on the descriptor, of which the first bytes may be in out->body already. Returns it. */
int cli_open_stream(const char *method, const char *path, struct cli_response *out,
		    struct err *err) MUST_CHECK;
/* The same two with header lines (each with CRLF) and a body. Connection is "close" unless the headers have one. */
struct cli_ask {
	const char *method, *path, *headers, *body;
	size_t body_length;
};
int cli_ask(const struct cli_ask *ask, struct cli_response *out, struct err *err) MUST_CHECK;
int cli_ask_stream(const struct cli_ask *ask, struct cli_response *out, struct err *err) MUST_CHECK;
/* The head of an answer at the front of body, taken off it. 1: done, 0: more bytes are needed, -1: it is none. */
int cli_parse_head(struct cli_response *response, struct err *err) MUST_CHECK;
/* The "message" of an error answer, or its status. */
void cli_message(const struct cli_response *response, char *out, size_t size);
/* Asks /_ping. Any answer counts: "too many clients" is said by an engine, too. What has been published can be shown without an answer: that waits for a glance only. */
#define CLI_PING_MSEC 5000
#define CLI_PING_GLANCE_MSEC 1500
bool cli_engine_answers(unsigned limit_msec);
/* After images came into the store at that path: units that had none look again. Does nothing for another store than the appliance's,
 * or without an engine; says on stderr when the engine could not be told. */
void cli_images_changed(const char *store_path);
/* Percent-encodes one path segment or query value. */
void cli_encode(const char *text, struct buf *out);

/* options.c: the words of a command. One row an option; either flag or value is set. */
struct cli_option {
	const char *shorter; /* "-f"; NULL: none */
	const char *longer;  /* "--follow" */
	bool *flag;
	const char **value; /* borrowed from argv */
};
/* Takes the options out of argv (anywhere, until "--") and leaves the names in argv[1...]. Returns how many names there are; -1 after
 * saying on stderr what was not understood. */
int cli_options(int argc, char **argv, const struct cli_option *options, size_t count) MUST_CHECK;

/* published.c: a copy of everything published, each text safe for a terminal; *units is owned by the caller (free). */
int cli_read_published(struct published_header *header, struct published_unit **units,
		       unsigned *count, struct err *err) MUST_CHECK;
/* By container name, unit file, service, or the beginning (4 digits at least) of a run id or of Docker's id. NULL with the reason. */
const struct published_unit *cli_find_unit(const struct published_unit *units, unsigned count,
					   const char *name, struct err *err) MUST_CHECK;

/* time.c: "90s", "1h30m", "2d" before now; "2026-11-21", "2026-11-21T10:00[:00[.5]][Z|+02:00]" (UTC unless said); seconds since 1970
 * with a fraction. Microseconds since 1970. */
bool cli_parse_time(const char *text, int64_t now_usec, int64_t *usec) MUST_CHECK;

/* frames.c: Docker's stream of stdout and stderr in frames, taken apart as the bytes come. Zeroed at first. */
struct cli_frames {
	unsigned char head[8];
	size_t head_length;
	size_t left; /* bytes of the frame that are still to come */
};
/* -1: a write failed, or these are no frames (ERR_INTEGRITY). */
int cli_frames_feed(struct cli_frames *frames, const void *data, size_t length, int out_fd,
		    int err_fd, struct err *err) MUST_CHECK;
bool cli_frames_are_whole(const struct cli_frames *frames); /* nothing is missing */

/* print.c: a text table; cells are copied, control bytes become '?'. */
#define CLI_MAX_COLUMNS 12
enum cli_colour { CLI_PLAIN, CLI_GREEN, CLI_YELLOW, CLI_RED };
struct cli_table {
	unsigned columns;
	struct buf cells; /* each NUL-terminated, with its colour in front */
	size_t widths[CLI_MAX_COLUMNS];
	size_t count;
};
void cli_table_cell(struct cli_table *table, enum cli_colour colour, const char *text);
void cli_table_print(struct cli_table *table, FILE *out, bool with_colours); /* frees */
/* On a terminal, unless NO_COLOR says otherwise. */
bool cli_wants_colours(FILE *out);
/* A text that ends with NUL, or NULL; it is changed: control bytes become '?', in JSON only on a terminal. */
void cli_print_lines(char *text);
void cli_print_json(char *text, size_t len);
/* healthcheck.c: the last results of a run's health checks, a line each; nothing where there are none or they are not ours to read. */
void cli_print_checks(const char *run_id);
/* "3 min", "2 h", "5 d" */
void cli_span(int64_t usec, char out[24]);
/* Control bytes (C0, DEL, C1) and what is no UTF-8 become '?', in place. */
void cli_clean(char *text);
/* "cleat COMMAND: REASON" on standard error; CLI_FAILED. */
int cli_fail(const char *command, const struct err *err);
/* "cleat: REASON" on stderr; CLI_NO_ENGINE, and of an answer that says no, CLI_FAILED. */
int cli_unreachable(const struct err *err);
int cli_refused(const struct cli_response *response);
/* The same for words that are wrong, with where to look; CLI_USAGE. */
int cli_usage(const char *command, const char *text);
