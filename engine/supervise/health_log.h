/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The last results of a container's health checks: a record on tmpfs, CLEAT_CONTAINER_DIR/RUNID/health, that lives as long as
 * the container and is read by whoever wants to show it. The engine is its only writer; one that is read while it is written is
 * torn by its own sum. Begins with version and length; head and entries grow at their end.
 */
#include <stdbool.h>
#include <stdint.h>

#include "util/arena.h"
#include "util/buf.h"
#include "util/err.h"
#include "util/json.h"

#define HEALTH_LOG_MAX_COUNT 100u
#define HEALTH_LOG_MAX_TEXT 4096u
#define HEALTH_LOG_MAX_BYTES (512u * 1024)

struct health_result {
	int64_t start_real_usec, end_real_usec;
	int32_t exit_code;  /* 0: passed; -1: timed out or could not be run, as Docker has it */
	bool startup;	    /* of the startup check */
	const char *output; /* borrowed; any bytes but NUL */
};

struct health_log {
	struct health_result *items; /* oldest first */
	size_t count;
};

void health_log_path(const char *run_id, char out[128]);
/* Bytes of a record of any version; output is in the arena. ERR_INTEGRITY: torn or none. */
int health_log_parse(const void *bytes, size_t length, struct arena *arena, struct health_log *out,
		     struct err *err) MUST_CHECK;
void health_log_format(const struct health_log *log, struct buf *out);
/* An empty log when there is no file; looks again when it finds a torn one. */
int health_log_read(const char *path, struct arena *arena, struct health_log *out,
		    struct err *err) MUST_CHECK;
/* Reads, appends, drops the oldest beyond max_count, writes (in place when it fits into a page: a kill leaves the old one or the new one). A record that cannot be read is begun anew. */
int health_log_add(const char *path, const struct health_result *result, unsigned max_count,
		   struct err *err) MUST_CHECK;
/* The members Status, FailingStreak and Log of Docker's State.Health, into an open object. */
void health_log_json(const struct health_log *log, const char *status, unsigned failing_streak,
		     struct json *out);
