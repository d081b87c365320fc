/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a unit asks of the whole appliance, done: PID 1 is asked as "cleat reboot" asks it (util/ending.h), where it is ours. The
 * last one is kept in CLEAT_LAST_ACTION until somebody stops the appliance, so that a box that boots again and again says why.
 */
#include "unit/service.h"
#include "util/err.h"

struct core_action;
struct engine;

/* Which signal asks PID 1 for it, and with what value; status: what "exit" ends it with, -1: nothing is said. 0: nothing is asked. */
int machine_signal_of(enum service_action action, int status, int *value);

/* CORE_ACT_MACHINE. Where it is not done the core is told, and everybody else, too. */
void machine_do(struct engine *e, const struct core_action *action);

/* What an earlier boot ended with, as a note of the appliance. */
void machine_tell_last(struct engine *e);
/* The appliance ends: forgets it, unless this boot ends by one, too. */
void machine_forget_last(const struct engine *e);

/* CLEAT_LAST_ACTION: "1 COUNT REAL-SECONDS BOOT\nTEXT\n" */
#define MACHINE_RECORD_MAX_BYTES 512u
struct machine_record {
	unsigned count; /* boots in a row that ended so; 0: none */
	int64_t real_sec;
	char boot[64];	/* of this appliance: the kernel's id is that of all containers of a host */
	char text[400]; /* "web: FailureAction=reboot: exited with code 3" */
};
/* ERR_INTEGRITY: it is none. */
int machine_record_parse(const char *text, struct machine_record *out, struct err *err) MUST_CHECK;
int machine_record_format(const struct machine_record *record, char *out, size_t size) MUST_CHECK;
