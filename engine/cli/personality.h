/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * cleat called by another name: /usr/bin/podman, docker, systemctl, journalctl and /usr/sbin/reboot, poweroff, halt are
 * links to it, for scripts and for the command lines of units. One table each; a row leads to a command of ours or to a function. What a row does not know is refused by name with what to write
 * instead; exit codes are theirs where scripts depend on them. Internal to this folder.
 */
#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"
#include "util/published.h"

/* True: argv[0] is one of these names, and *result is the exit code. */
bool personality_main(int argc, char **argv, int *result);

struct personality_call {
	const char *program; /* "podman" */
	const struct personality_row *row;
	int argc; /* argv[0] is the row's name, then the words behind it */
	char **argv;
};
struct personality_row {
	const char *words; /* "network create" */
	const char *to;	   /* our command, "image rm"; NULL: run or refusal */
	int (*run)(const struct personality_call *call);
	/* Options that are left out, between blanks; "--time=" takes a value. */
	const char *drops;
	int failed;	     /* exit code for our CLI_FAILED; 0: as ours */
	const char *refusal; /* when to and run are NULL: what to do instead */
};

int personality_podman(int argc, char **argv);
int personality_systemctl(int argc, char **argv);
int personality_journalctl(int argc, char **argv);
/* reboot, poweroff, halt: the name is argv[0]. */
int personality_end(int argc, char **argv);
int personality_end_call(const struct personality_call *call);

/* The row that the words begin with; *taken: how many of them. */
const struct personality_row *personality_find(const struct personality_row *rows, size_t count,
					       char *const *words, int *taken);
/* Of each table; words as for personality_find(). */
const struct personality_row *personality_podman_row(char *const *words);
const struct personality_row *personality_systemctl_row(char *const *words);
/* For words that are no command of ours but theirs: says on stderr what to write. False: nothing is known of them. */
bool personality_advise(char *const *words);
/* The value of an option at argv[*i], "--longer=VALUE", "--longer VALUE", "-s VALUE" or "-sVALUE", on which *i stands then; NULL: it is none of these. */
const char *personality_value(const struct personality_call *call, int *i, const char *longer,
			      const char *shorter);
/* Runs the row. usage: exit code of wrong words and of an engine that does not answer; failed: of our CLI_FAILED when the row has none. */
int personality_run(const struct personality_call *call, int usage, int failed);
/* One of our commands: words between blanks, then the arguments (NULL-terminated; may be NULL). Our exit codes. */
int personality_cleat(const char *words, char *const *arguments);
/* The same with its output thrown away. */
int personality_quietly(const char *words, char *const *arguments);
/* podman's general code, and docker's. */
int personality_failure(const struct personality_call *call);
/* In the command line of a unit: its container's name; NULL. */
const char *personality_caller(void);

/* A row of published state and what systemd calls it. */
struct personality_state {
	const char *active, *sub; /* "active", "running" */
	int code;		  /* of is-active: 0 or 3 */
};
struct personality_state personality_state_of(const struct published_unit *unit);
/* "web.service": of the file's name. */
void personality_service(const struct published_unit *unit, char *out, size_t size);
/* "web.service", "web" and our names; NULL with the reason. */
const struct published_unit *personality_unit(const struct published_unit *units, unsigned count,
					      const char *name, struct err *err);
/* "enabled", "disabled", "masked", "static": what a boot does with it. */
const char *personality_enabled(const struct published_unit *unit);
/* systemctl's "show". */
int personality_show(const struct personality_call *call);

/* Go's templates as far as people write them for inspect and ps: text, {{.A.B}}, {{json .A}}, {{index .A 0}}. Prints a line. */
struct yyjson_val;
struct yyjson_doc;
int personality_template(const char *program, const char *text, struct yyjson_val *value);
/* The format of a row: of "table {{.Names}}" what stands behind "table"; a heading is printed for that when it is wanted. */
const char *personality_heading(const char *format, bool is_wanted);
/* GET of prefix, name (encoded) and suffix as JSON, to be freed; NULL after saying why. */
struct yyjson_doc *personality_ask(const char *prefix, const char *name, const char *suffix);
/* "podman inspect", "podman ps". */
int personality_inspect(const struct personality_call *call);
int personality_ps(const struct personality_call *call);

/* commands.c: runs one of our commands; argv[0] begins its name. */
int cli_run(int argc, char **argv);
