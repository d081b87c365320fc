/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd's restart rules as tables and arithmetic. Must never keep state or look at a clock: the
 * core hands in all that is needed, so that each rule can be tested on its own.
 */
#include "supervise/policy.h"

#include <signal.h>
#include <stdio.h>

#define COVER(restart) (1u << (restart))

/* One row per result: the values of Restart= that answer it with a restart. No bit: never. */
static const unsigned restart_table[] = {
	[CORE_RESULT_NONE] = 0,
	[CORE_RESULT_SUCCESS] = COVER(SERVICE_RESTART_ON_SUCCESS) | COVER(SERVICE_RESTART_ALWAYS),
	[CORE_RESULT_EXIT_CODE] = COVER(SERVICE_RESTART_ON_FAILURE) | COVER(SERVICE_RESTART_ALWAYS),
	[CORE_RESULT_SIGNAL] = COVER(SERVICE_RESTART_ON_FAILURE) |
			       COVER(SERVICE_RESTART_ON_ABNORMAL) |
			       COVER(SERVICE_RESTART_ON_ABORT) | COVER(SERVICE_RESTART_ALWAYS),
	[CORE_RESULT_OOM] = COVER(SERVICE_RESTART_ON_FAILURE) | COVER(SERVICE_RESTART_ON_ABNORMAL) |
			    COVER(SERVICE_RESTART_ON_ABORT) | COVER(SERVICE_RESTART_ALWAYS),
	[CORE_RESULT_TIMEOUT] = COVER(SERVICE_RESTART_ON_FAILURE) |
				COVER(SERVICE_RESTART_ON_ABNORMAL) | COVER(SERVICE_RESTART_ALWAYS),
	/* The nearest thing that systemd knows is its watchdog. */
	[CORE_RESULT_UNHEALTHY] =
		COVER(SERVICE_RESTART_ON_FAILURE) | COVER(SERVICE_RESTART_ON_ABNORMAL) |
		COVER(SERVICE_RESTART_ON_WATCHDOG) | COVER(SERVICE_RESTART_ALWAYS),
	/* podman run ends with 125 to 127 then: an exit code. */
	[CORE_RESULT_START_ERROR] = COVER(SERVICE_RESTART_ON_FAILURE) |
				    COVER(SERVICE_RESTART_ALWAYS),
	/* Only a signal takes a shim away. */
	[CORE_RESULT_SHIM_LOST] = COVER(SERVICE_RESTART_ON_FAILURE) |
				  COVER(SERVICE_RESTART_ON_ABNORMAL) |
				  COVER(SERVICE_RESTART_ON_ABORT) | COVER(SERVICE_RESTART_ALWAYS),
	[CORE_RESULT_IMAGE] = 0,
	[CORE_RESULT_START_LIMIT] = 0,
	[CORE_RESULT_DEPENDENCY] = 0,
	[CORE_RESULT_INVALID] = 0,
	[CORE_RESULT_WATCHDOG] = COVER(SERVICE_RESTART_ON_FAILURE) |
				 COVER(SERVICE_RESTART_ON_ABNORMAL) |
				 COVER(SERVICE_RESTART_ON_WATCHDOG) | COVER(SERVICE_RESTART_ALWAYS),
	[CORE_RESULT_CONDITION] = 0, /* nothing ran, and nothing failed */
	[CORE_RESULT_ASSERT] = 0,
	[CORE_RESULT_PROTOCOL] = COVER(SERVICE_RESTART_ON_FAILURE) |
				 COVER(SERVICE_RESTART_ON_ABNORMAL) | COVER(SERVICE_RESTART_ALWAYS),
};

usec_t policy_add_usec(usec_t a, usec_t b)
{
	usec_t sum;

	if (a == USEC_NEVER || b == USEC_NEVER || __builtin_add_overflow(a, b, &sum))
		return USEC_NEVER;
	return sum;
}

static bool has_code(const struct exit_set *set, int code)
{
	return code >= 0 && code <= 255 && (set->codes[code / 64] >> (code % 64) & 1);
}

bool policy_exit_in_set(const struct exit_set *set, int code, int signal)
{
	if (signal == 0)
		return has_code(set, code);
	if (signal > 0 && signal < 64 && (set->signals >> signal & 1))
		return true;
	return has_code(set, 128 + signal);
}

static bool is_clean(const struct core_policy *policy, int code, int signal)
{
	if (policy_exit_in_set(&policy->success, code, signal))
		return true;
	if (signal == 0)
		return code == 0;
	return signal == SIGHUP || signal == SIGINT || signal == SIGTERM || signal == SIGPIPE;
}

enum core_result policy_exit_result(const struct core_policy *policy, int code, int signal,
				    bool oom)
{
	if (is_clean(policy, code, signal))
		return CORE_RESULT_SUCCESS;
	if (oom)
		return CORE_RESULT_OOM;
	return signal != 0 ? CORE_RESULT_SIGNAL : CORE_RESULT_EXIT_CODE;
}

bool policy_restart_covers(enum service_restart restart, enum core_result result)
{
	return (restart_table[result] & COVER(restart)) != 0;
}

bool policy_shall_restart(const struct core_policy *policy, enum core_result result, bool has_exit,
			  int code, int signal)
{
	if (has_exit && policy_exit_in_set(&policy->restart_prevent, code, signal))
		return false;
	if (has_exit && policy_exit_in_set(&policy->restart_force, code, signal))
		return true;
	/* systemd refuses Restart=always for a oneshot: what has done its work is done. */
	if (policy->type == SERVICE_ONESHOT && result == CORE_RESULT_SUCCESS)
		return false;
	return policy_restart_covers(policy->restart, result);
}

static double power(double base, unsigned n)
{
	double out = 1;

	for (; n > 0; n >>= 1, base *= base)
		if (n & 1)
			out *= base;
	return out;
}

/* The nth root by bisection: no libm, and the same bits on every machine. ratio >= 1, n >= 1. */
static double root(double ratio, unsigned n)
{
	double low = 1, high = ratio;

	for (int i = 0; i < 100; i++) {
		double middle = (low + high) / 2;

		if (power(middle, n) > ratio)
			high = middle;
		else
			low = middle;
	}
	return (low + high) / 2;
}

usec_t policy_restart_delay_usec(const struct core_policy *policy, unsigned nth)
{
	usec_t first = policy->restart_usec, last = policy->restart_max_usec;
	double grown;

	if (nth <= 1 || policy->restart_steps == 0 || first == 0 || last == USEC_NEVER ||
	    first >= last)
		return first;
	if (nth > policy->restart_steps)
		return last;
	/* first * (last / first) ^ (i / steps), i = restarts before this one: systemd's curve */
	grown = (double)first *
		power(root((double)last / (double)first, policy->restart_steps), nth - 1);
	return grown >= (double)last ? last : (usec_t)(grown + 0.5);
}

usec_t policy_retry_delay_usec(unsigned nth)
{
	usec_t delay = POLICY_RETRY_FIRST_USEC;

	for (unsigned i = 1; i < nth && delay < POLICY_RETRY_MAX_USEC; i++)
		delay *= 2;
	return delay < POLICY_RETRY_MAX_USEC ? delay : POLICY_RETRY_MAX_USEC;
}

static usec_t job_limit(usec_t from, uint64_t limit_usec)
{
	return limit_usec == 0 ? USEC_NEVER : policy_add_usec(from, limit_usec);
}

usec_t policy_job_deadline(const struct core_policy *policy, usec_t asked_at, usec_t begun_at)
{
	usec_t whole = job_limit(asked_at, policy->job_timeout_usec);
	usec_t running = job_limit(begun_at, policy->job_running_timeout_usec);

	return whole < running ? whole : running;
}

static bool window_is_open(const struct start_limit *limit, const struct core_policy *policy,
			   usec_t now)
{
	return limit->count > 0 &&
	       now <= policy_add_usec(limit->begin, policy->start_limit_interval_usec);
}

bool start_limit_is_reached(const struct start_limit *limit, const struct core_policy *policy,
			    usec_t now)
{
	if (policy->start_limit_interval_usec == 0 || policy->start_limit_burst == 0)
		return false;
	return window_is_open(limit, policy, now) && limit->count >= policy->start_limit_burst;
}

void start_limit_count(struct start_limit *limit, const struct core_policy *policy, usec_t now)
{
	if (!window_is_open(limit, policy, now)) {
		limit->begin = now;
		limit->count = 1;
	} else if (limit->count < UINT32_MAX) {
		limit->count++;
	}
}

const char *policy_format_span(char *out, uint64_t usec)
{
	unsigned long long n = usec;

	if (usec == USEC_NEVER)
		snprintf(out, POLICY_SPAN_MAX, "forever");
	else if (n % USEC_SEC == 0)
		snprintf(out, POLICY_SPAN_MAX, "%llus", n / USEC_SEC);
	else if (n > USEC_SEC)
		snprintf(out, POLICY_SPAN_MAX, "%llu.%03llus", n / USEC_SEC,
			 n % USEC_SEC / USEC_MSEC);
	else if (n % USEC_MSEC == 0)
		snprintf(out, POLICY_SPAN_MAX, "%llums", n / USEC_MSEC);
	else
		snprintf(out, POLICY_SPAN_MAX, "%lluus", n);
	return out;
}

const char *policy_format_signal(char *out, int signal)
{
	static const struct {
		int number;
		const char *name;
	} names[] = {
		{ SIGHUP, "SIGHUP" },	{ SIGINT, "SIGINT" },	{ SIGQUIT, "SIGQUIT" },
		{ SIGILL, "SIGILL" },	{ SIGTRAP, "SIGTRAP" }, { SIGABRT, "SIGABRT" },
		{ SIGBUS, "SIGBUS" },	{ SIGFPE, "SIGFPE" },	{ SIGKILL, "SIGKILL" },
		{ SIGUSR1, "SIGUSR1" }, { SIGSEGV, "SIGSEGV" }, { SIGUSR2, "SIGUSR2" },
		{ SIGPIPE, "SIGPIPE" }, { SIGALRM, "SIGALRM" }, { SIGTERM, "SIGTERM" },
		{ SIGSYS, "SIGSYS" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].number == signal) {
			snprintf(out, POLICY_SPAN_MAX, "%s", names[i].name);
			return out;
		}
	}
	snprintf(out, POLICY_SPAN_MAX, "signal %d", signal);
	return out;
}
