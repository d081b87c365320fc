/* SPDX-License-Identifier: Apache-2.0 */
/*
 * appliance.ini, [System]: what the machine is called, its time zone, its console. Judges and keeps values; who applies them is
 * supervise/system.c. Must never keep a password, only what crypt(3) has made of one.
 */
#include <ctype.h>
#include <string.h>

#include "unit/appliance_internal.h"
#include "unit/zones.h"
#include "util/str.h"

#define HOSTNAME_MAX 63 /* the kernel's 64 with room for an end everywhere */
#define LABEL_MAX 63

bool appliance_is_hostname(const char *name)
{
	size_t label = 0;

	if (!*name || strlen(name) > HOSTNAME_MAX || str_eq(name, "localhost"))
		return false;
	for (const char *p = name; *p; p++) {
		if (*p == '.') {
			if (label == 0 || p[-1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!isalnum((unsigned char)*p) && (*p != '-' || label == 0))
			return false;
		if (++label > LABEL_MAX)
			return false;
	}
	return label > 0 && name[strlen(name) - 1] != '-';
}

const char *appliance_set_hostname(struct appliance *a, struct arena *arena, const char *value)
{
	if (!appliance_is_hostname(value))
		return "a name of letters, digits, - and ., at most 63 bytes, not localhost,";
	a->hostname = arena_strdup(arena, value);
	return NULL;
}

const char *appliance_set_time_zone(struct appliance *a, struct arena *arena, const char *value)
{
	char rule[ZONE_MAX_BYTES], near[ZONE_MAX_BYTES];

	if (zone_rule(value, rule, sizeof(rule))) {
		a->time_zone = arena_strdup(arena, value);
		return NULL;
	}
	if (zone_suggest(value, near, sizeof(near)))
		return arena_printf(arena, "a time zone (did you mean %s?)", near);
	return "a time zone such as Europe/Berlin, or a rule such as CET-1CEST,M3.5.0,M10.5.0/3,";
}

const char *appliance_set_console(struct appliance *a, struct arena *arena, const char *value)
{
	static const char *const words[] = {
		[APPLIANCE_CONSOLE_STATUS] = "status",
		[APPLIANCE_CONSOLE_LOG] = "log",
		[APPLIANCE_CONSOLE_SHELL] = "shell",
		[APPLIANCE_CONSOLE_OFF] = "off",
	};

	(void)arena;
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!str_eq(value, words[i]))
			continue;
		a->console = (enum appliance_console)i;
		return NULL;
	}
	return "status, log, shell or off";
}

/* Characters of crypt(3)'s own base 64. */
static size_t span_of_hash(const char *text)
{
	return strspn(text, "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
}

/* "$6$[rounds=N$]SALT$HASH" */
static bool is_sha_hash(const char *text, size_t hash_len)
{
	size_t len;

	if (str_starts(text, "rounds=")) {
		text += strlen("rounds=");
		len = strspn(text, "0123456789");
		if (len < 4 || len > 7 || text[len] != '$')
			return false;
		text += len + 1;
	}
	len = span_of_hash(text);
	if (len == 0 || len > 16 || text[len] != '$')
		return false;
	text += len + 1;
	return span_of_hash(text) == hash_len && !text[hash_len];
}

/* "$2b$COST$SALT-AND-HASH" */
static bool is_bcrypt_hash(const char *text)
{
	uint64_t cost;
	char digits[3] = "";

	if (strlen(text) != 2 + 1 + 53 || text[2] != '$')
		return false;
	memcpy(digits, text, 2);
	return str_to_u64(digits, 31, &cost) && cost >= 4 && span_of_hash(text + 3) == 53;
}

bool appliance_is_password_hash(const char *text)
{
	if (str_starts(text, "$6$"))
		return is_sha_hash(text + 3, 86);
	if (str_starts(text, "$5$"))
		return is_sha_hash(text + 3, 43);
	if (str_starts(text, "$2b$") || str_starts(text, "$2y$") || str_starts(text, "$2a$"))
		return is_bcrypt_hash(text + 4);
	return false;
}

const char *appliance_set_root_password(struct appliance *a, struct arena *arena, const char *value)
{
	if (str_eq(value, "off")) {
		a->root_password = "";
		return NULL;
	}
	if (!appliance_is_password_hash(value))
		return "off, or what \"cleat password\" or \"openssl passwd -6\" makes of a password,";
	a->root_password = arena_strdup(arena, value);
	return NULL;
}
