/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The rules of systemd as pure functions over a unit's policy: what an end counts as, whether
 * Restart= covers it, how long the next start is delayed, and when the start limit is reached
 * (systemd.service(5), systemd.unit(5)). No state but the caller's, nothing allocates, nothing
 * blocks. Times are microseconds.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "supervise/core.h"

/* Retries of what never reached the program (image not reachable, volume not there yet): 1 s, 2 s,
 * 4 s ... 60 s. */
#define POLICY_RETRY_FIRST_USEC (1 * USEC_SEC)
#define POLICY_RETRY_MAX_USEC (60 * USEC_SEC)
#define POLICY_SPAN_MAX 40 /* bytes that policy_format_span() may need */

/* The window of StartLimitIntervalSec=: it opens with a start and counts those that follow inside
 * it. */
struct start_limit {
	usec_t begin;
	unsigned count; /* 0: no window is open */
};

/* a + b, or USEC_NEVER when either is or the sum does not fit. */
usec_t policy_add_usec(usec_t a, usec_t b);
/* True when the set names this end. An end by a signal matches its number and also the exit code
 * 128 + signal, because that is what podman makes of it and what people write
 * (SuccessExitStatus=143). */
bool policy_exit_in_set(const struct exit_set *set, int code, int signal);
/* SUCCESS, EXIT_CODE, SIGNAL or OOM. signal is 0 when the process ended by itself. */
enum core_result policy_exit_result(const struct core_policy *policy, int code, int signal,
				    bool oom);
/* The table of Restart=, without the exceptions of RestartPreventExitStatus= and
 * RestartForceExitStatus=. */
bool policy_restart_covers(enum service_restart restart, enum core_result result);
/* The whole decision. has_exit: the run left an exit status (code, signal). */
bool policy_shall_restart(const struct core_policy *policy, enum core_result result, bool has_exit,
			  int code, int signal);
/* Delay before the nth automatic restart in a row, n from 1: RestartSec= growing geometrically to
 * RestartMaxDelaySec= in RestartSteps=. */
usec_t policy_restart_delay_usec(const struct core_policy *policy, unsigned nth);
/* Delay before the nth retry of something that failed before the program ran, n from 1. */
usec_t policy_retry_delay_usec(unsigned nth);
/* When a start is to be over: JobTimeoutSec= from the word to it, JobRunningTimeoutSec= from the order to its first command or its
 * container (USEC_NEVER: that has not come); the earlier one. USEC_NEVER: no limit. */
usec_t policy_job_deadline(const struct core_policy *policy, usec_t asked_at, usec_t begun_at);
/* True when one more start at this time would exceed the limit. */
bool start_limit_is_reached(const struct start_limit *limit, const struct core_policy *policy,
			    usec_t now);
/* Counts one start. */
void start_limit_count(struct start_limit *limit, const struct core_policy *policy, usec_t now);
/* "100ms", "90s", "1.500s", "forever"; returns out, which has POLICY_SPAN_MAX bytes. */
const char *policy_format_span(char *out, uint64_t usec);
/* "SIGKILL", or "signal 42" for the rarer ones; out has POLICY_SPAN_MAX bytes. */
const char *policy_format_signal(char *out, int signal);
