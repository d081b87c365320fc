/* SPDX-License-Identifier: Apache-2.0 */
/* appliance.ini, [System] NTP=: time servers of a machine. Judges names and addresses; must never look one up. */
#include <arpa/inet.h>
#include <string.h>

#include "unit/appliance_internal.h"
#include "util/str.h"

#define SERVER_MAX_LEN 253

static bool is_server(const char *text)
{
	unsigned char address[16];

	if (inet_pton(AF_INET6, text, address) == 1)
		return true;
	/* a name or an IPv4 address: nothing that ntpd could take for an option or for a "keyno:" */
	return text[0] != '-' && text[0] != '.' && strlen(text) <= SERVER_MAX_LEN &&
	       !text[strspn(text,
			    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.")];
}

const char *appliance_set_ntp(struct appliance *a, struct arena *arena, const char *value)
{
	struct appliance_texts servers = { .count = 0 };
	char *rest = NULL, *text;

	if (str_eq(value, "off")) {
		a->ntp_off = true;
		a->ntp.count = 0;
		return NULL;
	}
	text = arena_strdup(arena, value);
	for (char *word = strtok_r(text, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
		if (!is_server(word) || str_eq(word, "off") || servers.count == APPLIANCE_MAX_TEXTS)
			return "off, or up to 8 host names or addresses with blanks between them,";
		servers.text[servers.count++] = word;
	}
	a->ntp_off = false;
	a->ntp = servers;
	return NULL;
}
