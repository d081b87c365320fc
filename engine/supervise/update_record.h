/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What is kept of a unit's updates: /data/units/history/NAME (the unit file's name), text, at most UPDATE_RECORD_MAX_BYTES.
 *
 *   #cleat update 1
 *   image NAME        what all of it is about: nothing holds for another image
 *   pin DIGEST        what a start takes, whatever the name means; absent: the name decides
 *   bad DIGEST        tried and found bad: not tried again until the name means another
 *   old DIGEST        an update is under way, the pin is the newer one, this is where it goes back to
 *   keep              ... and it does not go back (--rollback=false)
 *   boot ID COUNT     the boot that has tried it last, and how many there were
 *   h USEC RESULT DIGEST TEXT   history, oldest first (CLOCK_REALTIME)
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/err.h"

#define UPDATE_HISTORY_MAX 20
#define UPDATE_RECORD_MAX_BYTES (16u * 1024)
#define UPDATE_DIGEST_SIZE 80
#define UPDATE_BOOT_SIZE 72

enum update_result {
	UPDATE_WAS_BEFORE, /* what ran when the first update came */
	UPDATE_WAS_UPDATED,
	UPDATE_WAS_ROLLED_BACK, /* digest: the bad one; text: why */
	UPDATE_WAS_BY_HAND,	/* somebody went back to this digest */
	UPDATE_WAS_KEPT,	/* bad, and left all the same */
	UPDATE_RESULT_COUNT
};
const char *update_result_name(enum update_result result); /* "rolled-back" */

struct update_entry {
	int64_t real_usec;
	enum update_result result;
	char digest[UPDATE_DIGEST_SIZE];
	char text[160];
};

struct update_record {
	char image[512];
	char pin[UPDATE_DIGEST_SIZE], bad[UPDATE_DIGEST_SIZE], old[UPDATE_DIGEST_SIZE];
	bool keeps_failed;
	char boot_id[UPDATE_BOOT_SIZE];
	unsigned boots;
	struct update_entry history[UPDATE_HISTORY_MAX];
	unsigned count;
};

void update_record_add(struct update_record *record, int64_t real_usec, enum update_result result,
		       const char *digest, const char *text);
void update_record_write(const struct update_record *record, struct buf *out);
/* text is modified. ERR_INTEGRITY names the line. */
int update_record_read(char *text, struct update_record *out, struct err *err) MUST_CHECK;
/* Of a unit file. 1: out is it; 0: there is none; -1: it cannot be read. */
int update_record_load(const char *unit, struct update_record *out, struct err *err) MUST_CHECK;
/* Digests that have to stay in the store for the unit: pin, the way back, the last good one before what is in use. Borrowed; returns
 * their number. */
#define UPDATE_KEEPS_MAX 4
unsigned update_record_keeps(const struct update_record *record, const char *out[UPDATE_KEEPS_MAX]);
