/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of appliance.ini and its reader. Must never keep the appliance from running: what is wrong is said and left out.
 */
#include "unit/appliance.h"

#include <fcntl.h>
#include <string.h>

#include "unit/appliance_internal.h"
#include "unit/span_internal.h"
#include "unit/syntax_internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/path.h"
#include "util/places.h"
#include "util/str.h"
#include "util/syslog_url.h"

#define BUDGET_MIN_BYTES (1024 * 1024)
#define LOG_MIN_BYTES (64 * 1024)
#define LOG_MAX_FILES 100
#define MAX_DISTANCE 3
#define STOP_MIN_USEC UINT64_C(10000000)
#define SPAN_MIN_USEC UINT64_C(1000000)
#define SPAN_MAX_USEC (UINT64_C(366) * 86400 * 1000000)

static const char *set_budget(struct appliance *a, struct arena *arena, const char *value)
{
	static const char expected[] = "a size of at least 1m, or 1% to 90% of the file system";
	size_t len = strlen(value);
	char number[8];
	uint64_t n;

	(void)arena;
	if (len > 1 && len < sizeof(number) && value[len - 1] == '%') {
		memcpy(number, value, len - 1);
		number[len - 1] = '\0';
		if (!str_to_u64(number, 90, &n) || n == 0)
			return expected;
		a->log_budget_percent = (unsigned)n;
		a->log_budget_bytes = 0;
		return NULL;
	}
	if (!str_to_bytes(value, &n) || n < BUDGET_MIN_BYTES)
		return expected;
	a->log_budget_bytes = n;
	a->log_budget_percent = 0;
	return NULL;
}

static const char *set_max_size(struct appliance *a, struct arena *arena, const char *value)
{
	uint64_t n;

	(void)arena;
	if (!str_to_bytes(value, &n) || n < LOG_MIN_BYTES || n > (UINT64_C(1) << 40))
		return "a size from 64k to 1t";
	a->log_max_bytes = n;
	return NULL;
}

static const char *set_max_files(struct appliance *a, struct arena *arena, const char *value)
{
	uint64_t n;

	(void)arena;
	if (!str_to_u64(value, LOG_MAX_FILES, &n) || n == 0)
		return "a number from 1 to 100";
	a->log_max_files = (unsigned)n;
	return NULL;
}

static const char *set_ship(struct appliance *a, struct arena *arena, const char *value)
{
	struct syslog_url url;

	if (syslog_url_parse(value, &url, NULL) < 0)
		return "udp://HOST:PORT, tcp://HOST:PORT or tls://HOST:PORT";
	a->log_ship = arena_strdup(arena, value);
	return NULL;
}

static const char *set_ship_ca(struct appliance *a, struct arena *arena, const char *value)
{
	char clean[256];

	if (!path_clean(value, clean, sizeof(clean)))
		return "an absolute path of at most 255 bytes";
	a->log_ship_ca = arena_strdup(arena, clean);
	return NULL;
}

static const char *set_interval(struct appliance *a, struct arena *arena, const char *value)
{
	static const char expected[] = "a time span of 1s to 1y, or off";
	uint64_t usec;

	(void)arena;
	if (str_eq(value, "off")) {
		a->update_interval_usec = APPLIANCE_UPDATE_NEVER;
		return NULL;
	}
	if (!span_parse(value, &usec) || usec < SPAN_MIN_USEC || usec > SPAN_MAX_USEC)
		return expected;
	a->update_interval_usec = usec;
	return NULL;
}

static const char *set_healthy_after(struct appliance *a, struct arena *arena, const char *value)
{
	uint64_t usec;

	(void)arena;
	if (!span_parse(value, &usec) || usec < SPAN_MIN_USEC || usec > SPAN_MAX_USEC)
		return "a time span of 1s to 1y";
	a->update_healthy_usec = usec;
	return NULL;
}

static const char *set_unknown_keys(struct appliance *a, struct arena *arena, const char *value)
{
	(void)arena;
	if (!str_eq(value, "error") && !str_eq(value, "warning"))
		return "error or warning";
	a->unknown_keys_are_warnings = str_eq(value, "warning");
	return NULL;
}

static const char *set_stop_budget(struct appliance *a, struct arena *arena, const char *value)
{
	uint64_t usec;

	(void)arena;
	if (!span_parse(value, &usec) || usec < STOP_MIN_USEC || usec > APPLIANCE_STOP_MAX_USEC)
		return "a time from 10s to 1h";
	a->stop_budget_usec = usec;
	return NULL;
}

/* clang-format off */
static const struct appliance_key keys[] = {
	{ "Log", "Budget", "How much all logs together may take; the oldest finished files of the largest go first.",
	  "the lesser of 256m and 10%", "512m", "10", set_budget },
	{ "Log", "MaxSize", "Size of a log file at which the next one is begun, for units without LogOpt=max-size=.",
	  "10m", "50m", "much", set_max_size },
	{ "Log", "MaxFiles", "Files that are kept of a container, for units without LogOpt=max-file=.",
	  "3", "5", "0", set_max_files },
	{ "Log", "Ship", "Syslog server (RFC 5424) that all output and events are sent to.",
	  "none", "tls://logs.example.com:6514", "logs.example.com", set_ship },
	{ "Log", "ShipCA", "Certificates that a tls:// server is checked against.",
	  "the appliance's own", "/config/certs.d/logs.crt", "logs.crt", set_ship_ca },
	{ "Update", "Interval", "How often AutoUpdate= looks for newer images; up to a tenth of it, at most 15 min, comes on top by chance.",
	  "1d", "6h", "0", set_interval },
	{ "Update", "HealthyAfter", "How long an updated container without a health check has to be up to count as good.",
	  "1min", "5min", "soon", set_healthy_after },
	{ "Units", "UnknownKeys", "What a key that nobody knows is: error (the unit is not started) or warning.",
	  "error", "warning", "maybe", set_unknown_keys },
	{ "Stop", "Budget", "Time for the whole appliance to stop; 5s before its end what still runs is killed. The host has to wait longer than that.",
	  "25s", "1min 30s", "5s", set_stop_budget },
	{ "Status", "Address", "Where the status server listens; IPv6 in brackets. One that no link has yet is waited for.",
	  "all addresses, port 25328", "192.0.2.1:25328", "192.0.2.1:0", appliance_set_status_address },
	{ "Isolation", "AllowLoss", "Isolation that containers may go without where the host withholds it: private-proc, private-sys.",
	  "none", "private-proc private-sys", "user-namespace", appliance_set_allow_loss },
	{ "System", "Hostname", "Name of the appliance.",
	  "what the host has set, else cleat- and six digits of the machine's identity", "web-1", "-web", appliance_set_hostname },
	{ "System", "TimeZone", "Zone of the appliance's own times and of containers with Timezone=local: a name, or a rule of POSIX.",
	  "UTC", "Europe/Berlin", "Berlin/Europe/Mars", appliance_set_time_zone },
	{ "System", "Console", "What the console shows: status (a screen of units), log (lines), shell (of root, without a password) or off.",
	  "status", "log", "maybe", appliance_set_console },
	{ "System", "RootPassword", "Hash of the password that opens a shell on the status screen, or off.",
	  "the one that the host wrote into /etc/shadow or /etc/passwd, else none",
	  "$5$0123456789abcdef$LQh5dDdmCsGVrZVGQPc4VNXIxKJ2RY2Vv2aBr6RCKs6", "secret", appliance_set_root_password },
	{ "System", "NTP", "Time servers of a machine (a container has its host's clock): names or addresses, or off.",
	  "those that DHCP tells, else pool.ntp.org", "ntp.example.com 192.0.2.1", "-x", appliance_set_ntp },
	{ "Network", "DNS", "Name servers, before those that DHCP tells.",
	  "those of DHCP and of router advertisements", "192.0.2.53 2001:db8::53", "dns.example.com", appliance_set_dns },
	{ "Network", "Search", "Domains that names without a dot are looked up in.",
	  "those of DHCP and of router advertisements", "example.com", "example com/x", appliance_set_search },
	{ "Link NAME", "Method", "How the link of this name, or of this MAC address, gets its addresses: dhcp, static, auto (router advertisements only) or off (left alone).",
	  "static with Address=, else dhcp", "static", "bootp", appliance_set_link_method },
	{ "Link NAME", "Address", "Addresses, with the length of their network.",
	  "none", "192.0.2.7/24 2001:db8::7/64", "192.0.2.7", appliance_set_link_address },
	{ "Link NAME", "Gateway", "Routers, one for IPv4 and one for IPv6; one that is in none of the link's networks is on the link all the same.",
	  "none", "192.0.2.1", "192.0.2.0/24", appliance_set_link_gateway },
	{ "Link NAME", "DHCPv6", "Whether an address of IPv6 is asked for by DHCPv6, whatever Method= says; routes come of router advertisements.",
	  "no", "yes", "both", appliance_set_link_dhcp6 },
	{ "Link NAME", "MTU", "Largest packet.",
	  "what DHCP tells, else as it is", "1400", "100", appliance_set_link_mtu },
};
/* clang-format on */
#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

const struct appliance_key *appliance_keys(size_t *count)
{
	*count = KEY_COUNT;
	return keys;
}

/* A row of [Link NAME] is about all links. */
static bool is_of(const struct appliance_key *key, const char *section)
{
	return str_eq(key->section, section) ||
	       (appliance_is_link(key->section) && appliance_is_link(section));
}

static const struct appliance_key *find(const char *section, const char *name)
{
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (is_of(&keys[i], section) && str_eq(keys[i].name, name))
			return &keys[i];
	return NULL;
}

static bool is_section(const char *name)
{
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (is_of(&keys[i], name))
			return true;
	return false;
}

/* False: it is no link's name, which has been said. */
static bool begin_group(struct appliance *out, struct arena *arena, struct diags *diags,
			const struct syntax_group *group)
{
	const char *expected = appliance_is_link(group->name) ?
				       appliance_begin_link(out, arena, group->name) :
				       NULL;

	if (expected)
		diag_add(diags, DIAG_ERROR, group->origin->file, group->origin->line,
			 group->origin->column, "", "[%s]: %s", group->name, expected);
	return !expected;
}

static void complain_section(struct diags *diags, const struct syntax_group *group)
{
	const char *best = NULL;
	unsigned best_distance = MAX_DISTANCE;

	for (size_t i = 0; i < KEY_COUNT; i++) {
		unsigned distance = str_distance(group->name, keys[i].section, MAX_DISTANCE);

		if (distance < best_distance) {
			best = keys[i].section;
			best_distance = distance;
		}
	}
	diag_add(diags, DIAG_ERROR, group->origin->file, group->origin->line, group->origin->column,
		 "", "[%s]: unknown section%s%s%s", group->name, best ? "; did you mean [" : "",
		 best ? best : "", best ? "]?" : "");
}

static void complain_key(struct diags *diags, const struct syntax_group *group,
			 const struct syntax_entry *entry)
{
	const struct appliance_key *best = NULL;
	unsigned best_distance = MAX_DISTANCE + 1;

	for (size_t i = 0; i < KEY_COUNT; i++) {
		unsigned distance = str_distance(entry->key, keys[i].name, MAX_DISTANCE);

		/* the same word of another section is worth naming, too */
		if (distance < best_distance ||
		    (distance == best_distance && best && is_of(&keys[i], group->name) &&
		     !is_of(best, group->name))) {
			best = &keys[i];
			best_distance = distance;
		}
	}
	diag_add(diags, DIAG_ERROR, entry->origin->file, entry->origin->line, 1, entry->origin->key,
		 "unknown key%s%s%s%s%s", best ? "; did you mean " : "",
		 best && !is_of(best, group->name) ? best->section : "",
		 best && !is_of(best, group->name) ? "." : "", best ? best->name : "",
		 best ? "=?" : "");
}

static void apply(struct appliance *out, struct arena *arena, struct diags *diags,
		  const struct syntax_group *group, const struct syntax_entry *entry)
{
	const struct appliance_key *key = find(group->name, entry->key);
	const char *expected;

	if (!key) {
		complain_key(diags, group, entry);
		return;
	}
	/* as in unit files: an empty value goes back to what holds when nothing is said */
	if (!entry->value[0])
		return;
	expected = key->set(out, arena, entry->value);
	if (!expected)
		return;
	/* what stands there may be the password itself */
	if (key->set == appliance_set_root_password)
		diag_add(diags, DIAG_ERROR, entry->origin->file, entry->origin->line,
			 entry->origin->column, entry->origin->key,
			 "the value (not shown here): %s is expected", expected);
	else
		diag_add(diags, DIAG_ERROR, entry->origin->file, entry->origin->line,
			 entry->origin->column, entry->origin->key, "'%s': %s is expected",
			 entry->value, expected);
}

void appliance_read(struct appliance *out, struct arena *arena, struct diags *diags,
		    const char *path, const char *text, size_t len)
{
	struct syntax_file file;

	*out = (struct appliance){ 0 };
	syntax_read(&file, arena, diags, path, text, len);
	for (size_t g = 0; g < file.group_count; g++) {
		const struct syntax_group *group = &file.groups[g];

		if (!is_section(group->name)) {
			complain_section(diags, group);
			continue;
		}
		if (!begin_group(out, arena, diags, group))
			continue;
		for (size_t i = 0; i < group->entry_count; i++)
			if (group->entries[i].key)
				apply(out, arena, diags, group, &group->entries[i]);
	}
}

/* What a cidata disk calls the machine, when appliance.ini does not. */
static void take_cidata_hostname(struct appliance *out, struct arena *arena)
{
	auto_buf name = BUF_INIT(128);
	struct err err;

	if (out->hostname ||
	    file_read_at(AT_FDCWD, CLEAT_NOCLOUD_DIR "/hostname", 128, &name, &err) < 0 ||
	    !name.len)
		return;
	if (name.data[name.len - 1] == '\n')
		name.data[--name.len] = '\0';
	if (appliance_is_hostname(name.data))
		out->hostname = arena_strdup(arena, name.data);
}

int appliance_load(struct appliance *out, struct arena *arena, struct diags *diags,
		   const char *path, struct err *err)
{
	bool is_own = str_eq(path, CLEAT_APPLIANCE_INI);

	auto_buf text = BUF_INIT(APPLIANCE_MAX_BYTES);

	*out = (struct appliance){ 0 };
	if (file_read_at(AT_FDCWD, path, APPLIANCE_MAX_BYTES, &text, err) < 0) {
		if (err->code != ERR_NOT_FOUND)
			return -1;
	} else {
		appliance_read(out, arena, diags, path, buf_str(&text), text.len);
	}
	if (is_own)
		take_cidata_hostname(out, arena);
	return 0;
}
