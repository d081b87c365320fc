/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the core said of each unit, with real times: its trace lines, the newest HISTORY_LINES of a unit, in one file on tmpfs
 * (CLEAT_HISTORY). The engine is the only writer; "cleat explain --history" reads the file and asks nobody. It outlives the
 * engine: the next one copies what there is. Never more than HISTORY_MAX_BYTES, and what is not written takes nothing.
 *
 * File: struct history_header, slots of struct history_unit, then for each slot its ring of records; the record of number N lies at
 * place N % lines. A record is written with one pwrite and carries its number at both ends, so that one that was cut off
 * or is being written is known as torn. Another version is another format.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/arena.h"
#include "util/err.h"
#include "util/loop.h"

#define HISTORY_LINES 64u
#define HISTORY_LINES_MANY 16u /* with more units than HISTORY_UNITS_FEW */
#define HISTORY_UNITS_FEW 256u
#define HISTORY_SLOTS_MAX 1280u /* the core's units, the appliance, and some that have gone */
#define HISTORY_MAX_BYTES (6u * 1024 * 1024)
#define HISTORY_OF_ALL "all"	  /* the slot of what is about no single unit */
#define HISTORY_MAGIC 0x31484c43u /* "CLH1" */
#define HISTORY_VERSION 1

struct history_header {
	uint32_t magic;
	uint16_t version, length; /* of this header */
	uint32_t slots, lines, unit_size, record_size;
};

struct history_unit {
	char name[128]; /* as the core calls it: the container's; "": free */
	char unit[128]; /* its file: "web.container" */
};

struct history_record {
	uint64_t sequence; /* 1, 2, ... of this unit; 0: none */
	uint64_t order;	   /* 1, 2, ... of all lines */
	int64_t real_usec; /* CLOCK_REALTIME */
	uint64_t monotonic_usec;
	char text[216]; /* without the name; UTF-8, cut with "..." */
	uint64_t sequence_end;
};

/* Writer. NULL: it could not be made; then there is no history, and nothing else is different. units[0..count) in any order, name and
 * unit each; the slot of HISTORY_OF_ALL is there without being asked for. */
struct history;
struct history *history_open(const char *path, const struct history_unit *units, unsigned count,
			     struct err *err) MUST_CHECK;
/* "web: up -> stopping: asked to stop"; a name that has no slot is about nobody and lost. Never blocks (tmpfs). */
void history_add(struct history *history, usec_t monotonic, const char *line);
void history_close(struct history *history); /* NULL is fine */

/* Reader. */
struct history_line {
	uint64_t order;
	int64_t real_usec;
	uint64_t monotonic_usec;
	bool is_of_all; /* about the whole appliance */
	const char *text;
};
struct history_view {
	const char *name, *unit;
	struct history_line *lines; /* oldest first, those of the appliance among them */
	size_t count;
	uint64_t lost; /* lines of the unit that were overwritten or torn */
};
/* From the file's bytes, which are believed nothing: of the unit that is called "web", "web.container", "web.service" or by its
 * container's name. Texts are in the arena, UTF-8, and may hold control bytes. ERR_INTEGRITY: no such file; ERR_UNSUPPORTED: of another
 * version; ERR_NOT_FOUND: nothing is known of the unit. */
int history_parse(const void *data, size_t len, const char *name, struct arena *arena,
		  struct history_view *out, struct err *err) MUST_CHECK;
/* The same of a file. ERR_NOT_FOUND names the file when it is not there. */
int history_read(const char *path, const char *name, struct arena *arena, struct history_view *out,
		 struct err *err) MUST_CHECK;
