/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits: memory, processors, processes, resources of setrlimit(2), kernel parameters. Out of range
 * is an error here; whether this machine can enforce a limit is said by spec_to_oci.
 */
#include "spec/options.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "util/str.h"

#define MEMORY_MIN_BYTES (UINT64_C(512) * 1024)
#define MEMORY_MAX_BYTES (UINT64_C(1) << 50)
#define SYSCTLS_MAX 64
#define PERIOD_DEFAULT_USEC 100000

static bool to_size(struct options *o, const char *value, uint64_t min, uint64_t *out)
{
	uint64_t bytes;

	if (!str_to_bytes(value, &bytes) || bytes > MEMORY_MAX_BYTES) {
		option_error(o, "\"%s\" is no size: a number with b, k, m, g or t",
			     option_shown(o, value));
		return false;
	}
	if (bytes && bytes < min) {
		option_error(o, "%s is too small: at least %llu bytes are needed",
			     option_shown(o, value), (unsigned long long)min);
		return false;
	}
	*out = bytes;
	return true;
}

void parse_memory(struct options *o, const char *value)
{
	to_size(o, value, MEMORY_MIN_BYTES, &o->spec->memory_bytes);
}

void parse_memory_swap(struct options *o, const char *value)
{
	uint64_t bytes;

	o->swap_word = o->word;
	if (str_eq(value, "-1")) {
		o->spec->memory_swap_bytes = -1;
		return;
	}
	if (to_size(o, value, MEMORY_MIN_BYTES, &bytes))
		o->spec->memory_swap_bytes = (int64_t)bytes;
}

/* "1.5" in millionths; false when it is no plain decimal or above 1024. */
static bool to_millionths(const char *value, uint64_t *out)
{
	uint64_t whole = 0, fraction = 0, scale = 1000000;
	size_t digits = strspn(value, "0123456789");
	const char *rest = value + digits;

	if (digits > 4 || (digits == 0 && *rest != '.'))
		return false;
	for (size_t i = 0; i < digits; i++)
		whole = whole * 10 + (uint64_t)(value[i] - '0');
	if (*rest == '.') {
		rest++;
		if (!*rest || strspn(rest, "0123456789") != strlen(rest))
			return false;
		for (; *rest && scale > 1; rest++) {
			scale /= 10;
			fraction += (uint64_t)(*rest - '0') * scale;
		}
	} else if (*rest) {
		return false;
	}
	*out = whole * 1000000 + fraction;
	return whole <= 1024;
}

void parse_cpus(struct options *o, const char *value)
{
	uint64_t millionths;

	if (!to_millionths(value, &millionths)) {
		option_error(o, "\"%s\" is no number of processors, like 1.5",
			     option_shown(o, value));
		return;
	}
	o->cpus_word = millionths ? o->word : NULL;
	o->spec->cpu_period_usec = millionths ? PERIOD_DEFAULT_USEC : 0;
	o->spec->cpu_quota_usec = millionths * PERIOD_DEFAULT_USEC / 1000000;
	/* The kernel's least quota is 1 ms a period (sched/core.c: min_cfs_quota_period). */
	if (millionths && o->spec->cpu_quota_usec < 1000)
		option_error(o, "%s is too small: at least 0.01 processors can be asked for",
			     option_shown(o, value));
}

void parse_cpu_quota(struct options *o, const char *value)
{
	uint64_t quota;

	if (str_eq(value, "-1") || str_eq(value, "0")) {
		o->spec->cpu_quota_usec = 0;
		return;
	}
	if (!str_to_u64(value, UINT64_C(1024) * 1000000, &quota) || quota < 1000) {
		option_error(o, "\"%s\" is no quota of 1000 or more microseconds",
			     option_shown(o, value));
		return;
	}
	o->cpu_quota_word = o->word;
	o->spec->cpu_quota_usec = quota;
	if (!o->spec->cpu_period_usec)
		o->spec->cpu_period_usec = PERIOD_DEFAULT_USEC;
}

void parse_cpu_period(struct options *o, const char *value)
{
	uint64_t period;

	if (!str_to_u64(value, 1000000, &period) || (period && period < 1000)) {
		option_error(o, "\"%s\" is no period of 1000 to 1000000 microseconds",
			     option_shown(o, value));
		return;
	}
	if (!period)
		return;
	o->cpu_quota_word = o->word;
	o->spec->cpu_period_usec = period;
}

void parse_pids_limit(struct options *o, const char *value)
{
	int64_t limit;

	/* 4194304 is the kernel's PID_MAX_LIMIT. */
	if (!str_to_i64(value, -1, 4194304, &limit))
		option_error(o, "\"%s\" is no number of processes up to 4194304, nor -1",
			     option_shown(o, value));
	else
		o->spec->pids_limit = limit == 0 ? -1 : limit;
}

void parse_shm_size(struct options *o, const char *value)
{
	to_size(o, value, 4096, &o->spec->shm_bytes);
}

static const struct ulimit_name {
	const char *name;
	int resource;
} ulimit_names[] = {
	{ "as", RLIMIT_AS },
	{ "core", RLIMIT_CORE },
	{ "cpu", RLIMIT_CPU },
	{ "data", RLIMIT_DATA },
	{ "fsize", RLIMIT_FSIZE },
	{ "locks", RLIMIT_LOCKS },
	{ "memlock", RLIMIT_MEMLOCK },
	{ "msgqueue", RLIMIT_MSGQUEUE },
	{ "nice", RLIMIT_NICE },
	{ "nofile", RLIMIT_NOFILE },
	{ "nproc", RLIMIT_NPROC },
	{ "rss", RLIMIT_RSS },
	{ "rtprio", RLIMIT_RTPRIO },
	{ "rttime", RLIMIT_RTTIME },
	{ "sigpending", RLIMIT_SIGPENDING },
	{ "stack", RLIMIT_STACK },
};

static bool to_limit(const char *text, uint64_t *out)
{
	if (str_eq(text, "-1") || str_eq(text, "unlimited")) {
		*out = UINT64_MAX;
		return true;
	}
	return str_to_u64(text, INT64_MAX, out);
}

static void put_ulimit(struct options *o, const struct spec_ulimit *limit)
{
	struct container_spec *spec = o->spec;

	for (size_t i = 0; i < spec->ulimit_count; i++)
		if (spec->ulimits[i].resource == limit->resource) {
			spec->ulimits[i] = *limit;
			return;
		}
	*arena_push(o->arena, spec->ulimits, spec->ulimit_count) = *limit;
}

void parse_ulimit(struct options *o, const char *value)
{
	size_t len = strcspn(value, "=");
	const struct ulimit_name *row = NULL;
	struct spec_ulimit limit = { 0 };
	struct strv parts;

	if (str_eq(value, "host")) {
		o->spec->ulimit_host = true;
		return;
	}
	for (size_t i = 0; i < sizeof(ulimit_names) / sizeof(ulimit_names[0]); i++)
		if (strlen(ulimit_names[i].name) == len &&
		    strncmp(ulimit_names[i].name, value, len) == 0)
			row = &ulimit_names[i];
	if (!row || !value[len]) {
		option_error(
			o,
			"\"%s\" is no NAME=SOFT[:HARD] with a name of setrlimit(2) in small letters, like nofile",
			option_shown(o, value));
		return;
	}
	parts = strv_split(o->arena, value + len + 1, ':');
	limit.name = row->name;
	limit.resource = row->resource;
	if (parts.count > 2 || !to_limit(parts.items[0], &limit.soft) ||
	    !to_limit(parts.items[parts.count - 1], &limit.hard))
		option_error(o, "\"%s\": SOFT[:HARD] are numbers, -1 for unlimited",
			     option_shown(o, value));
	else if (limit.soft > limit.hard)
		option_error(o, "\"%s\": the soft limit is above the hard one",
			     option_shown(o, value));
	else
		put_ulimit(o, &limit);
}

enum sysctl_scope { SYSCTL_IPC, SYSCTL_NET };

/*
 * Only what belongs to a namespace of the container's own; all else would change the machine (the
 * list of Docker and podman).
 */
static const struct sysctl_row {
	const char *prefix;
	bool exact;
	enum sysctl_scope scope;
} sysctl_rows[] = {
	{ "kernel.msgmax", true, SYSCTL_IPC }, { "kernel.msgmnb", true, SYSCTL_IPC },
	{ "kernel.msgmni", true, SYSCTL_IPC }, { "kernel.sem", true, SYSCTL_IPC },
	{ "kernel.shmall", true, SYSCTL_IPC }, { "kernel.shmmax", true, SYSCTL_IPC },
	{ "kernel.shmmni", true, SYSCTL_IPC }, { "kernel.shm_rmid_forced", true, SYSCTL_IPC },
	{ "fs.mqueue.", false, SYSCTL_IPC },   { "net.", false, SYSCTL_NET },
};

static const struct sysctl_row *sysctl_find(const char *name)
{
	for (size_t i = 0; i < sizeof(sysctl_rows) / sizeof(sysctl_rows[0]); i++) {
		const struct sysctl_row *row = &sysctl_rows[i];

		if (row->exact ? str_eq(name, row->prefix) :
				 str_starts(name, row->prefix) && name[strlen(row->prefix)])
			return row;
	}
	return NULL;
}

/* The name becomes a path below /proc/sys, its dots slashes. */
static bool is_sysctl_name(const char *name)
{
	static const char bytes[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

	return strspn(name, bytes) == strlen(name) && !strstr(name, "..") && !str_ends(name, ".") &&
	       strlen(name) <= 128;
}

static void put_sysctl(struct options *o, const char *name, const char *value)
{
	struct spec_pair *pair = NULL;

	for (size_t i = 0; i < o->spec->sysctl_count; i++)
		if (str_eq(o->spec->sysctls[i].name, name))
			pair = &o->spec->sysctls[i];
	if (!pair && o->spec->sysctl_count >= SYSCTLS_MAX) {
		option_error(o, "more than %d kernel parameters", SYSCTLS_MAX);
		return;
	}
	if (!pair)
		pair = arena_push(o->arena, o->spec->sysctls, o->spec->sysctl_count);
	pair->name = name;
	pair->value = arena_strdup(o->arena, value);
	pair->origin = o->word->origin;
}

void parse_sysctl(struct options *o, const char *value)
{
	const char *equals = strchr(value, '=');
	const struct sysctl_row *row;
	char *name;

	if (!equals) {
		option_error(o, "\"%s\" is no NAME=VALUE", option_shown(o, value));
		return;
	}
	name = arena_strndup(o->arena, value, (size_t)(equals - value));
	for (char *p = name; *p; p++) /* sysctl(8) takes both */
		if (*p == '/')
			*p = '.';
	row = is_sysctl_name(name) ? sysctl_find(name) : NULL;
	if (!row) {
		option_error(
			o,
			"%s belongs to no namespace of the container: allowed are kernel.shm* msg* sem, fs.mqueue.* and, but with Network=host, net.*",
			option_shown(o, name));
		return;
	}
	if (!option_is_text(o, "the value", equals + 1))
		return;
	if (row->scope == SYSCTL_NET)
		o->net_sysctl_word = o->word;
	put_sysctl(o, name, equals + 1);
}
