/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The appliance's terminal: which one it is, and the process on it, one at a time: the status screen ("cleat console"), or a shell
 * ("cleat console-shell"). A shell outlives the engine: while it holds SCREEN_LOCK the terminal is its own.
 */
#include <stdbool.h>
#include <stddef.h>

#include "util/places.h"

struct engine;

#define SCREEN_LOCK CLEAT_RUN_DIR "/console.lock"

/* Descriptors of the two processes beyond stdio. */
#define SCREEN_PUBLISHED_FD 3 /* the screen: CLEAT_PUBLISHED */
#define SCREEN_WAKE_FD \
	4 /* the screen: a pipe; a byte: look again; its end: the engine is another one or none */
#define SCREEN_HASH_FD \
	3 /* the shell, with --password: what crypt(3) made of it, to the end of the pipe */

/* Exit codes. */
#define SCREEN_EXIT_GONE 3    /* there is no such terminal, or no longer */
#define SCREEN_EXIT_REFUSED 4 /* wrong passwords */
#define SCREEN_EXIT_LOGIN 10  /* the screen: somebody wants to log in */

/* What console there is in this world (CLEAT_WORLD=), below root ("" but for tests). False: none. *is_shared: the boot's lines go there. */
bool screen_find_terminal(const char *root, const char *world, char *out, size_t size,
			  bool *is_shared);
/* The last word of a list, as /sys/class/tty/console/active has it, as a path; tty0 stands for the first terminal. "" : none. */
void screen_last_console(const char *active, char *out, size_t size);
/* How long the next login waits after that many that were refused. */
unsigned screen_login_delay_sec(unsigned refused);

/* system.c: the host's name, the time zone, who may log in. After appliance.ini has been read. */
void system_apply(struct engine *e);
/* Field 2 of root's line of a file like passwd(5) when that is a hash that we take; "" else. */
void system_root_hash(const char *passwd, char *out, size_t size);
/* Six digits of an identity as machine-id(5) has it, behind "cleat-"; false: it is none. */
bool system_name_of_machine(const char *machine_id, char *out, size_t size);
