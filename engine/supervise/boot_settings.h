/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What safe mode has to know of appliance.ini without reading it: where the status server listens, what the console is for, and who may log in
 * there. An engine that has read the file leaves it in CLEAT_RUN_DIR "/settings" (root's alone: the hash of a password is in it).
 */
#include <stdint.h>

#include "unit/appliance.h"
#include "util/buf.h"

#define BOOT_SETTINGS_MAX_BYTES 1024

struct boot_settings {
	uint16_t status_port;	 /* 0: CLEAT_STATUS_PORT */
	char status_address[48]; /* ""; all */
	enum appliance_console console;
	char password[160]; /* a hash; "": nobody may */
};

/* A line each: "status PORT [ADDRESS]", "console NUMBER", "password [HASH]". */
void boot_settings_text(const struct boot_settings *settings, struct buf *out);
/* Lines that make no sense are as if they were not there. Pure. */
void boot_settings_parse(const char *text, struct boot_settings *out);

struct engine;
/* After appliance.ini has been read and system_apply() has been called; where the status server listens is published, too. */
void boot_settings_keep(struct engine *e);
/* Safe mode: what was kept becomes that of e->appliance. */
void boot_settings_take(struct engine *e);
