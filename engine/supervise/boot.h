/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Between PID 1 with its steps (boot/boot.h) and the engine. */
#include <stdbool.h>

#include "util/err.h"

/* Set by cleat-init after several crashes in a row. */
#define SAFE_MODE_VARIABLE "CLEAT_SAFE_MODE"

struct engine;

/* CLEAT_BOOT_DIR/NAME.note, lines "LEVEL TEXT", become the appliance's notes. At most 32 files of 4 KiB and 8 lines. */
void boot_notes_read(struct engine *e);
/* Whoever watches CLEAT_BOOT_DIR learns that the configuration has been read anew. */
void boot_leave_mark(struct engine *e);
/* The loop turns as often as CLEAT_WATCHDOG_USEC= asks for, even with nothing to do. */
void boot_watchdog_start(struct engine *e);

/* Safe mode: status and control socket only. */
bool boot_is_safe_mode(void);
void boot_leave_safe_mode(void); /* for the engine that this one becomes */
int boot_set_up_safe(struct engine *e, struct err *err) MUST_CHECK;
