/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * appliance.ini: what concerns the whole appliance and no single unit. Same syntax as unit files. One row a key; a line that is wrong is an
 * error with file and line, all others count all the same. To add a key: a member below, a row in appliance.c.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/arena.h"
#include "util/diag.h"
#include "util/err.h"

#define APPLIANCE_MAX_BYTES (64u * 1024)
/* What the whole appliance has to stop in, and what of it is not the units' own: killing what is left and taking it down, then
 * the network. Hosts wait for 30 s (incus), 60 s (lxc-stop) or longer, and PID 1 needs up to 4 s more. */
#define APPLIANCE_STOP_BUDGET_USEC UINT64_C(25000000)
#define APPLIANCE_STOP_RESERVE_USEC UINT64_C(5000000)
#define APPLIANCE_STOP_MAX_USEC UINT64_C(3600000000)

#define APPLIANCE_UPDATE_NEVER UINT64_MAX /* update_interval_usec: off */

struct appliance {
	uint64_t log_budget_bytes; /* [Log] Budget=; 0: not set, or in percent */
	unsigned log_budget_percent; /* of the file system; 0: not set. Neither: the lesser of 256 MiB and 10 % */
	uint64_t log_max_bytes; /* [Log] MaxSize=: of units without max-size=; 0: log.h's default */
	unsigned log_max_files; /* [Log] MaxFiles= */
	const char *log_ship;	/* [Log] Ship=: URL (util/syslog_url.h); NULL: lines stay here */
	const char *log_ship_ca;       /* [Log] ShipCA=: file; NULL: the appliance's certificates */
	uint64_t update_interval_usec; /* [Update] Interval=; 0: a day */
	uint64_t update_healthy_usec;  /* [Update] HealthyAfter=; 0: a minute */
	bool unknown_keys_are_warnings; /* [Units] UnknownKeys=warning */
	uint64_t stop_budget_usec;	/* [Stop] Budget=; 0: not set, APPLIANCE_STOP_BUDGET_USEC */
};

struct appliance_key {
	const char *section, *name;
	const char *help, *preset, *example;
	const char *bad; /* a value that is refused */
	/* NULL: taken; else what is expected */
	const char *(*set)(struct appliance *out, struct arena *arena, const char *value);
};
const struct appliance_key *appliance_keys(size_t *count);

/* A missing file is all defaults. Texts in the arena. -1: it cannot be read; what is wrong in it is in diags. */
int appliance_load(struct appliance *out, struct arena *arena, struct diags *diags,
		   const char *path, struct err *err) MUST_CHECK;
/* The same for text in memory. path is borrowed. */
void appliance_read(struct appliance *out, struct arena *arena, struct diags *diags,
		    const char *path, const char *text, size_t len);
