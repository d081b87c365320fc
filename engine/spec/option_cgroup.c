/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits that have no field of their own: each is a file of the container's cgroup and what is written there, as --cgroup-conf
 * says it. Only files of this table, and only values that the kernel takes, because a limit that fails at the start costs the start.
 * [Service] limits come here as well (unit/service_cgroup.c). Must never let a second word loosen what the first has said.
 * Facts: Documentation/admin-guide/cgroup-v2.rst.
 */
#include <stdio.h>
#include <string.h>

#include "spec/options.h"
#include "util/path.h"
#include "util/str.h"

#define SETTINGS_MAX 64
#define PERIOD_DEFAULT_USEC 100000
#define SHARE_MAX 100
#define LIST_MAX 8192 /* what the kernel can be built for (CONFIG_NR_CPUS) */

static bool is_max(const char *value)
{
	return str_eq(value, "max");
}

static bool is_bytes(const char *value)
{
	uint64_t n;
	size_t len = strlen(value);
	char number[8];

	if (len > 1 && len < sizeof(number) && value[len - 1] == '%') {
		memcpy(number, value, len - 1);
		number[len - 1] = '\0';
		return str_to_u64(number, SHARE_MAX, &n) && n > 0;
	}
	return is_max(value) || str_to_u64(value, INT64_MAX, &n);
}

static bool is_count(const char *value)
{
	uint64_t n;

	return is_max(value) || (str_to_u64(value, 4194304, &n) && n > 0);
}

static bool is_weight(const char *value)
{
	uint64_t n;

	return str_to_u64(value, 10000, &n) && n > 0;
}

static bool is_flag(const char *value)
{
	return str_eq(value, "0") || str_eq(value, "1");
}

/* "50000 100000", "50000", "max" */
static bool read_cpu_max(const char *value, uint64_t *quota, uint64_t *period)
{
	const char *blank = strchr(value, ' ');
	char first[24];
	size_t len = blank ? (size_t)(blank - value) : strlen(value);

	if (len >= sizeof(first))
		return false;
	memcpy(first, value, len);
	first[len] = '\0';
	*period = PERIOD_DEFAULT_USEC;
	*quota = 0;
	if (blank && (!str_to_u64(blank + 1, 1000000, period) || *period < 1000))
		return false;
	return is_max(first) ||
	       (str_to_u64(first, UINT64_C(1024) * 1000000, quota) && *quota >= 1000);
}

static bool is_cpu_max(const char *value)
{
	uint64_t quota, period;

	return read_cpu_max(value, &quota, &period);
}

/* "0-3,5" */
static bool is_list(const char *value)
{
	const char *p = value;

	while (*p) {
		uint64_t low = 0, high;
		size_t digits = strspn(p, "0123456789");

		if (!digits || digits > 4)
			return false;
		for (size_t i = 0; i < digits; i++)
			low = low * 10 + (uint64_t)(p[i] - '0');
		p += digits;
		high = low;
		if (*p == '-') {
			digits = strspn(++p, "0123456789");
			if (!digits || digits > 4)
				return false;
			high = 0;
			for (size_t i = 0; i < digits; i++)
				high = high * 10 + (uint64_t)(p[i] - '0');
			p += digits;
		}
		if (high < low || high >= LIST_MAX || (*p && *p++ != ','))
			return false;
	}
	return p > value && p[-1] != ',';
}

/* "8:0" */
static bool is_number_pair(const char *text)
{
	size_t major = strspn(text, "0123456789");
	const char *minor = text + major + 1;

	return major && text[major] == ':' && *minor &&
	       strspn(minor, "0123456789") == strlen(minor);
}

/* "/dev/sda rbps=1000 wiops=max", or the kernel's own "8:0 rbps=1000" */
static bool is_io_max(const char *value)
{
	static const char *const words[] = { "rbps=", "wbps=", "riops=", "wiops=" };
	const char *p = strchr(value, ' ');
	char device[4096];

	if (!p || (size_t)(p - value) >= sizeof(device))
		return false;
	memcpy(device, value, (size_t)(p - value));
	device[p - value] = '\0';
	if (device[0] == '/' ? strchr(device, '\n') != NULL : !is_number_pair(device))
		return false;
	while (p && *p) {
		bool known = false;
		char number[24];

		p++;
		for (size_t i = 0; !known && i < sizeof(words) / sizeof(words[0]); i++) {
			size_t len = strcspn(p, " ");
			size_t skip = strlen(words[i]);
			uint64_t n;

			if (!str_starts(p, words[i]) || len - skip >= sizeof(number))
				continue;
			memcpy(number, p + skip, len - skip);
			number[len - skip] = '\0';
			if (!is_max(number) && (!str_to_u64(number, INT64_MAX, &n) || !n))
				return false;
			known = true;
		}
		if (!known)
			return false;
		p = strchr(p, ' ');
	}
	return true;
}

static const struct setting {
	const char *file;
	bool (*is_good)(const char *value);
	const char *expected;
} settings[] = {
	{ "cpu.idle", is_flag, "0 or 1" },
	{ "cpu.max", is_cpu_max, "QUOTA PERIOD in microseconds, or max" },
	{ "cpu.weight", is_weight, "a weight from 1 to 10000" },
	{ "cpuset.cpus", is_list, "a list of numbers like 0-3,5" },
	{ "cpuset.mems", is_list, "a list of numbers like 0-3,5" },
	{ "io.max", is_io_max, "DEVICE rbps=N wbps=N riops=N wiops=N" },
	{ "io.weight", is_weight, "a weight from 1 to 10000" },
	{ "memory.high", is_bytes, "bytes, a share like 20%, or max" },
	{ "memory.low", is_bytes, "bytes, a share like 20%, or max" },
	{ "memory.max", is_bytes, "bytes, a share like 20%, or max" },
	{ "memory.min", is_bytes, "bytes, a share like 20%, or max" },
	{ "memory.swap.max", is_bytes, "bytes, a share like 20%, or max" },
	{ "memory.zswap.max", is_bytes, "bytes, a share like 20%, or max" },
	{ "pids.max", is_count, "a number of processes, or max" },
};

static struct spec_pair *find(struct container_spec *spec, const char *file)
{
	for (size_t i = 0; i < spec->cgroup_count; i++)
		if (str_eq(spec->cgroup[i].name, file))
			return &spec->cgroup[i];
	return NULL;
}

/* The last word counts, but each device has its own line of io.max. */
static void put(struct options *o, const char *file, const char *value)
{
	struct container_spec *spec = o->spec;
	struct spec_pair *old = str_eq(file, "io.max") ? NULL : find(spec, file);

	if (!old && spec->cgroup_count == SETTINGS_MAX) {
		option_error(o, "more than %d settings of one cgroup", SETTINGS_MAX);
		return;
	}
	if (!old) {
		old = arena_push(o->arena, spec->cgroup, spec->cgroup_count);
		old->name = file;
	}
	old->value = arena_strdup(o->arena, value);
}

void parse_cgroup_conf(struct options *o, const char *value)
{
	const char *sign = strchr(value, '=');

	for (size_t i = 0; sign && i < sizeof(settings) / sizeof(settings[0]); i++) {
		const struct setting *s = &settings[i];

		if (strlen(s->file) != (size_t)(sign - value) ||
		    strncmp(s->file, value, (size_t)(sign - value)) != 0)
			continue;
		if (s->is_good(sign + 1))
			put(o, s->file, sign + 1);
		else
			option_error(o, "%s: %s is expected", option_shown(o, value), s->expected);
		return;
	}
	option_error(
		o,
		"%s: FILE=VALUE is expected, with a limit of cgroup v2, like memory.high=256000000",
		option_shown(o, value));
}

/* "/dev/sda:1mb" */
static void parse_device_limit(struct options *o, const char *value, const char *word, bool is_rate)
{
	const char *colon = strrchr(value, ':');
	const char *device;
	uint64_t n;

	if (!colon || colon == value) {
		option_error(o, "%s: DEVICE:%s is expected", option_shown(o, value),
			     is_rate ? "RATE" : "NUMBER");
		return;
	}
	device = option_path(o, "device", arena_strndup(o->arena, value, (size_t)(colon - value)));
	if (!device)
		return;
	if (strchr(device, ' ') || strchr(device, '\n') ||
	    !(is_rate ? str_to_bytes(colon + 1, &n) : str_to_u64(colon + 1, INT64_MAX, &n)) || !n ||
	    n > INT64_MAX) {
		option_error(o, "%s: DEVICE:%s is expected", option_shown(o, value),
			     is_rate ? "RATE, like /dev/sda:1mb" : "NUMBER, like /dev/sda:100");
		return;
	}
	put(o, "io.max", arena_printf(o->arena, "%s %s=%llu", device, word, (unsigned long long)n));
}

void parse_device_read_bps(struct options *o, const char *value)
{
	parse_device_limit(o, value, "rbps", true);
}

void parse_device_write_bps(struct options *o, const char *value)
{
	parse_device_limit(o, value, "wbps", true);
}

void parse_device_read_iops(struct options *o, const char *value)
{
	parse_device_limit(o, value, "riops", false);
}

void parse_device_write_iops(struct options *o, const char *value)
{
	parse_device_limit(o, value, "wiops", false);
}

static void parse_list(struct options *o, const char *value, const char *file)
{
	if (!is_list(value))
		option_error(o, "%s: a list of numbers like 0-3,5 is expected",
			     option_shown(o, value));
	else
		put(o, file, value);
}

void parse_cpuset_cpus(struct options *o, const char *value)
{
	parse_list(o, value, "cpuset.cpus");
}

void parse_cpuset_mems(struct options *o, const char *value)
{
	parse_list(o, value, "cpuset.mems");
}

/* cgroup v1's 2 to 262144 onto v2's 1 to 10000, the line that podman, crun and runc use. */
void parse_cpu_shares(struct options *o, const char *value)
{
	uint64_t shares;

	if (!str_to_u64(value, 262144, &shares) || shares == 1) {
		option_error(o, "%s: a number from 2 to 262144 is expected",
			     option_shown(o, value));
		return;
	}
	if (shares)
		put(o, "cpu.weight",
		    arena_printf(o->arena, "%u", (unsigned)(1 + (shares - 2) * 9999 / 262142)));
}

/* v1's 10 to 1000 likewise. */
void parse_blkio_weight(struct options *o, const char *value)
{
	uint64_t weight;

	if (!str_to_u64(value, 1000, &weight) || (weight && weight < 10)) {
		option_error(o, "%s: a number from 10 to 1000 is expected", option_shown(o, value));
		return;
	}
	if (weight)
		put(o, "io.weight",
		    arena_printf(o->arena, "%u", (unsigned)(1 + (weight - 10) * 9999 / 990)));
}

static void forget(struct container_spec *spec, struct spec_pair *pair)
{
	size_t at = (size_t)(pair - spec->cgroup);

	for (; at + 1 < spec->cgroup_count; at++)
		spec->cgroup[at] = spec->cgroup[at + 1];
	spec->cgroup_count--;
}

/* What has an option of its own as well: the stricter one counts, as if one cgroup stood in the other. */
static void merge_cpu(struct container_spec *spec)
{
	struct spec_pair *pair = find(spec, "cpu.max");
	uint64_t quota, period;

	if (!pair || !read_cpu_max(pair->value, &quota, &period))
		return;
	forget(spec, pair);
	if (!quota)
		return;
	/* at most 2^30 * 10^6: no overflow */
	if (spec->cpu_quota_usec && spec->cpu_quota_usec * period <= quota * spec->cpu_period_usec)
		return;
	spec->cpu_quota_usec = quota;
	spec->cpu_period_usec = period;
}

static void merge_pids(struct container_spec *spec)
{
	struct spec_pair *pair = find(spec, "pids.max");
	/* the default is one of containers */
	int64_t own = spec->pids_limit ? spec->pids_limit : spec->is_pod ? -1 : SPEC_PIDS_DEFAULT;
	uint64_t limit;
	bool is_number;

	if (!pair)
		return;
	is_number = str_to_u64(pair->value, 4194304, &limit);
	forget(spec, pair);
	if (is_number && (own < 0 || limit < (uint64_t)own))
		spec->pids_limit = (int64_t)limit;
}

void cgroup_merge(struct options *o)
{
	merge_cpu(o->spec);
	merge_pids(o->spec);
}

bool spec_cgroup_bytes(const struct container_spec *spec, const struct host_facts *host,
		       const char *file, uint64_t *bytes)
{
	for (size_t i = 0; i < spec->cgroup_count; i++) {
		const char *value = spec->cgroup[i].value;
		size_t len = strlen(value);
		char number[8];

		if (!str_eq(spec->cgroup[i].name, file) || is_max(value))
			continue;
		if (value[len - 1] != '%')
			return str_to_u64(value, INT64_MAX, bytes);
		if (len > sizeof(number))
			return false;
		memcpy(number, value, len - 1);
		number[len - 1] = '\0';
		if (!host->memory_bytes || !str_to_u64(number, SHARE_MAX, bytes))
			return false;
		*bytes = host->memory_bytes > UINT64_MAX / SHARE_MAX ?
				 host->memory_bytes / SHARE_MAX * *bytes :
				 host->memory_bytes * *bytes / SHARE_MAX;
		return true;
	}
	return false;
}
