/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [System] of appliance.ini, applied: the host's name, /etc/localtime, who may log in on the console. Files of /etc are replaced, never
 * written in place; one that is a mount of the host's stays as it is, and that is said. Must never keep the appliance from running.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "supervise/internal.h"
#include "supervise/screen.h"
#include "unit/appliance.h"
#include "unit/zones.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

#define HOSTNAME_FILE "/etc/hostname"
#define LOCALTIME_FILE "/etc/localtime"
#define MACHINE_ID_FILE "/etc/machine-id"
#define PASSWD_MAX_BYTES (64u * 1024)
#define MACHINE_ID_LEN 32
#define NOTE "system: "

/* --- the name ------------------------------------------------------------------------------------------------------------- */

bool system_name_of_machine(const char *machine_id, char *out, size_t size)
{
	char digits[MACHINE_ID_LEN + 1];

	snprintf(digits, sizeof(digits), "%s", machine_id);
	if (!str_is_hex(digits, MACHINE_ID_LEN) || strspn(digits, "0") == MACHINE_ID_LEN)
		return false;
	snprintf(out, size, "cleat-%.6s", digits);
	return true;
}

/* First line of a small file; false: there is none. */
static bool read_line(const char *path, char *out, size_t size)
{
	auto_buf text = BUF_INIT(4096);
	struct err err;

	if (file_read_at(AT_FDCWD, path, 4096, &text, &err) < 0)
		return false;
	snprintf(out, size, "%.*s", (int)strcspn(buf_str(&text), " \t\r\n"), buf_str(&text));
	return out[0] != '\0';
}

/* What it should be called when nobody has said: nothing to do where the host has given a name. */
static bool find_name(const char *current, char *out, size_t size)
{
	char line[128];

	if (appliance_is_hostname(current) && !str_eq(current, "localhost.localdomain"))
		return false;
	if (read_line(HOSTNAME_FILE, line, sizeof(line)) && appliance_is_hostname(line))
		return str_copy(out, size, line);
	if (read_line(MACHINE_ID_FILE, line, sizeof(line)) &&
	    system_name_of_machine(line, out, size))
		return true;
	return str_copy(out, size, "cleat");
}

/* A chosen name is written down; a made one is not, so that a clone with another identity gets its own. */
static void write_hostname(struct engine *e, const char *name)
{
	char line[128], text[130];
	struct err err;

	if (read_line(HOSTNAME_FILE, line, sizeof(line)) && str_eq(line, name))
		return;
	snprintf(text, sizeof(text), "%s\n", name);
	if (file_write_atomic(AT_FDCWD, HOSTNAME_FILE, text, strlen(text), 0644, false, &err) < 0)
		publish_note(e, 1, NOTE "Hostname=: %s is left as it is: %s", HOSTNAME_FILE,
			     err.msg);
}

static void apply_hostname(struct engine *e)
{
	const char *wanted = e->appliance.hostname;
	struct utsname uts = { 0 };
	char name[128];

	if (uname(&uts) < 0)
		return;
	if (wanted)
		str_copy(name, sizeof(name), wanted);
	else if (!find_name(uts.nodename, name, sizeof(name)))
		return;
	if (!str_eq(name, uts.nodename) && sethostname(name, strlen(name)) < 0) {
		publish_note(e, 1, NOTE "the host name %s cannot be set: %s", name,
			     strerror(errno));
		return;
	}
	if (wanted)
		write_hostname(e, name);
	str_copy(e->hostname, sizeof(e->hostname), name);
	str_copy(e->header.hostname, sizeof(e->header.hostname), name);
	e->unit_facts.hostname = arena_strdup(&e->arena, name); /* %H */
	publish_header(e);
}

/* --- time ----------------------------------------------------------------------------------------------------------------- */

static void write_localtime(struct engine *e, const char *bytes, size_t len)
{
	auto_buf have = BUF_INIT(ZONE_FILE_BYTES);
	struct err err;

	if (file_read_at(AT_FDCWD, LOCALTIME_FILE, ZONE_FILE_BYTES, &have, &err) == 0 &&
	    have.len == len && memcmp(have.data, bytes, len) == 0)
		return;
	if (file_write_atomic(AT_FDCWD, LOCALTIME_FILE, bytes, len, 0644, false, &err) < 0)
		publish_note(e, 1, NOTE "TimeZone=: %s is left as it is: %s", LOCALTIME_FILE,
			     err.msg);
}

/* What stands there is the host's, unless we have written it. */
static void forget_localtime(struct engine *e)
{
	auto_buf have = BUF_INIT(ZONE_FILE_BYTES);
	struct err err;

	if (file_read_at(AT_FDCWD, LOCALTIME_FILE, ZONE_FILE_BYTES, &have, &err) < 0 ||
	    !zone_is_our_file(buf_str(&have), have.len))
		return;
	if (unlink(LOCALTIME_FILE) < 0)
		publish_note(e, 1, NOTE "%s: %s", LOCALTIME_FILE, strerror(errno));
}

static void apply_time_zone(struct engine *e)
{
	char rule[ZONE_MAX_BYTES], bytes[ZONE_FILE_BYTES];

	if (!e->appliance.time_zone)
		forget_localtime(e);
	else if (zone_rule(e->appliance.time_zone, rule, sizeof(rule)))
		write_localtime(e, bytes, zone_file(rule, bytes, sizeof(bytes)));
	e->host.localtime_file = access(LOCALTIME_FILE, R_OK) == 0 ? LOCALTIME_FILE : "";
}

/* --- who may log in ------------------------------------------------------------------------------------------------------- */

void system_root_hash(const char *passwd, char *out, size_t size)
{
	const char *root = str_starts(passwd, "root:") ? passwd : strstr(passwd, "\nroot:");

	out[0] = '\0';
	if (!root)
		return;
	root = strchr(root, ':') + 1;
	snprintf(out, size, "%.*s", (int)strcspn(root, ":\n"), root);
	if (!appliance_is_password_hash(out))
		out[0] = '\0';
}

/* Proxmox writes the password that was asked for at creation into one of these. */
static void find_root_password(struct engine *e)
{
	static const char *const files[] = { "/etc/shadow", "/etc/passwd" };
	char hash[160] = "";

	for (size_t i = 0; i < 2 && !e->appliance.root_password; i++) {
		auto_buf text = BUF_INIT(PASSWD_MAX_BYTES);
		struct err err;

		if (file_read_at(AT_FDCWD, files[i], PASSWD_MAX_BYTES, &text, &err) < 0)
			continue;
		system_root_hash(buf_str(&text), hash, sizeof(hash));
		if (hash[0])
			e->appliance.root_password = arena_strdup(&e->arena, hash);
	}
	if (!e->appliance.root_password)
		e->appliance.root_password = "";
}

void system_apply(struct engine *e)
{
	apply_hostname(e);
	apply_time_zone(e);
	find_root_password(e);
}
