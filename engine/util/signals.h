/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Names of signals and their numbers, which are the same on x86-64 and arm64 (signal(7)). */
#include <stdbool.h>

/* systemd's files: capitals, one name each (signal_from_string() of its basic/signal-util.c). Everybody else's, podman's and docker's habits:
 * small letters, too, and the other names of CHLD, ABRT and IO. */
enum signal_spelling { SIGNAL_OF_SYSTEMD, SIGNAL_OF_PODMAN };

/* "SIGTERM", "TERM", "15", "SIGRTMIN+3" (37), "RTMAX-1": 1-64; false when it is no signal, and nothing is set. Real-time signals count from 34,
 * whatever the C library keeps for itself (musl's begin with 35): files and images mean glibc's numbers. */
bool signal_parse(const char *text, enum signal_spelling spelling, int *number);

/* "TERM"; NULL: it has no name, as the real-time ones. */
const char *signal_name(int number);
