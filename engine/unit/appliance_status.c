/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [Status] and [Isolation] of appliance.ini: where the status server listens, and which losses of isolation the operator takes where the
 * host withholds what containers need. Must never take a word that allows more than it says.
 */
#include <arpa/inet.h>
#include <string.h>

#include "unit/appliance_internal.h"
#include "util/host.h"
#include "util/str.h"

#define MAX_ADDRESS 80

static bool is_v4(const char *text)
{
	struct in_addr address;
	uint32_t number;

	if (inet_pton(AF_INET, text, &address) != 1)
		return false;
	number = ntohl(address.s_addr);
	return number >> 28 != 0xe && number != UINT32_MAX; /* multicast, broadcast */
}

/* One of a link needs the link's name, one that stands for IPv4 is better written as that. */
static bool is_v6(const char *text)
{
	struct in6_addr address;

	return inet_pton(AF_INET6, text, &address) == 1 && !IN6_IS_ADDR_MULTICAST(&address) &&
	       !IN6_IS_ADDR_LINKLOCAL(&address) && !IN6_IS_ADDR_V4MAPPED(&address);
}

/* Cuts text into its address and what follows the colon behind it, NULL if nothing does. */
static bool split(char *text, char **address, char **port)
{
	char *end;

	*port = NULL;
	*address = text;
	if (text[0] == '[') {
		*address = text + 1;
		end = strchr(text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
		if (end[1])
			*port = end + 2;
		*end = '\0';
		return is_v6(*address);
	}
	end = strchr(text, ':');
	if (end && strchr(end + 1, ':'))
		return is_v6(text); /* a bare one, without a port */
	if (end) {
		*end = '\0';
		*port = end + 1;
	}
	return is_v4(text);
}

const char *appliance_set_status_address(struct appliance *a, struct arena *arena,
					 const char *value)
{
	static const char expected[] =
		"ADDRESS or ADDRESS:PORT, IPv4 or [IPv6], neither multicast nor of a single link,";
	char text[MAX_ADDRESS], *address, *port;
	uint64_t number = 0;

	if (!str_copy(text, sizeof(text), value) || !split(text, &address, &port))
		return expected;
	if (port && (!str_to_u64(port, 65535, &number) || number == 0))
		return expected;
	a->status_address = arena_strdup(arena, address);
	a->status_port = (uint16_t)number;
	return NULL;
}

const char *appliance_set_allow_loss(struct appliance *a, struct arena *arena, const char *value)
{
	static const char expected[] = "private-proc or private-sys, or both with a blank between,";
	uint32_t bits = 0;

	for (value += strspn(value, " "); *value; value += strspn(value, " ")) {
		size_t len = strcspn(value, " ");
		char *word = arena_strndup(arena, value, len);
		const char *why;
		uint32_t bit = host_loss_find(word, &why);

		if (!bit && why)
			return arena_printf(arena, "%s (%s cannot be allowed: %s)", expected, word,
					    why);
		if (!bit)
			return expected;
		bits |= bit;
		value += len;
	}
	a->allowed_losses |= bits;
	return NULL;
}
