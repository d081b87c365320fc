/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Time zones: names and the rules of POSIX that they stand for (tzset(3)), from the tz database of the Debian suite at build time
 * (image-recipes/tzdata.sh). Only what holds from now on; no history.
 */
#include <stdbool.h>
#include <stddef.h>

#define ZONE_MAX_BYTES 80 /* of a rule, its end included */

/* "Europe/Berlin" or a rule itself, "CET-1CEST,M3.5.0,M10.5.0/3". False: neither, and out is "". */
bool zone_rule(const char *zone, char *out, size_t size);
/* The name that was probably meant: another case, the city alone, a slip of the finger. False: none is near, and out is "". */
bool zone_suggest(const char *zone, char *out, size_t size);
/* A rule as tzset(3) takes it; a zone with summer time has to say when. */
bool zone_is_rule(const char *text);
/* What /etc/localtime has to hold for that rule: a file of the tz database (RFC 8536) without history. Returns its length; size of at
 * least ZONE_FILE_BYTES. */
#define ZONE_FILE_BYTES (2 * (44 + 6 + 6) + 9 + 1 + ZONE_MAX_BYTES)
size_t zone_file(const char *rule, char *out, size_t size);
/* Whether those bytes are such a file of ours. */
bool zone_is_our_file(const char *bytes, size_t len);
