/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The time in front of a log line: UTC, nanoseconds, always the same width, so that two of them
 * compare as text. */
#include <stdint.h>

#define LOG_STAMP_LEN 30 /* 2026-11-21T10:00:00.123456789Z */

/* Years 0 to 9999; a time outside is clamped. out is terminated. */
void log_stamp_format(int64_t real_nsec, char out[LOG_STAMP_LEN + 1]);
/* CLOCK_REALTIME in nanoseconds since 1970. */
int64_t log_stamp_now(void);
