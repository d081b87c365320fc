/* SPDX-License-Identifier: Apache-2.0 */
/* Network mode and published ports. */
#include "spec/options.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "util/str.h"

void parse_network(struct options *o, const char *value)
{
	enum spec_network network;

	if (str_eq(value, "host")) {
		network = SPEC_NETWORK_HOST;
	} else if (str_eq(value, "none")) {
		network = SPEC_NETWORK_NONE;
	} else {
		o->network_word = o->word;
		option_error(o, "\"%s\" is not supported in this version: use host or none",
			     option_shown(o, value));
		return;
	}
	if (o->network_word && o->spec->network != network)
		option_error(o, "host and none exclude each other");
	o->network_word = o->word;
	o->spec->network = network;
}

struct port_range {
	unsigned first, last;
};

/* "N" or "N-M". */
static bool port_range(const char *text, struct port_range *out)
{
	const char *dash = strchr(text, '-');
	char first[8];
	uint64_t a, b;
	size_t len = dash ? (size_t)(dash - text) : strlen(text);

	if (len >= sizeof(first))
		return false;
	memcpy(first, text, len);
	first[len] = '\0';
	if (!str_to_u64(first, 65535, &a) || a == 0)
		return false;
	b = a;
	if (dash && (!str_to_u64(dash + 1, 65535, &b) || b < a))
		return false;
	out->first = (unsigned)a;
	out->last = (unsigned)b;
	return true;
}

/* Takes "[v6]:" or "v4:" off the front; a lone word is no address. */
static bool take_address(char **rest, const char **address)
{
	struct in6_addr v6;
	struct in_addr v4;
	char *colon;

	*address = "";
	if (**rest == '[') {
		char *end = strchr(*rest, ']');

		if (!end || end[1] != ':')
			return false;
		*end = '\0';
		*address = *rest + 1;
		*rest = end + 2;
		return inet_pton(AF_INET6, *address, &v6) == 1;
	}
	colon = strchr(*rest, ':');
	if (!colon || !strchr(colon + 1, ':'))
		return true;
	*colon = '\0';
	*address = *rest;
	*rest = colon + 1;
	return !**address || inet_pton(AF_INET, *address, &v4) == 1;
}

static bool take_protocol(char *rest, bool *udp)
{
	char *slash = strchr(rest, '/');

	*udp = false;
	if (!slash)
		return true;
	*slash = '\0';
	*udp = str_eq(slash + 1, "udp");
	return *udp || str_eq(slash + 1, "tcp");
}

/* [ADDRESS:][HOST[-END]:]PORT[-END][/PROTOCOL] */
static bool port_parts(struct options *o, const char *value, struct spec_port *port)
{
	char *rest = arena_strdup(o->arena, value);
	struct port_range host = { 0, 0 }, inside;
	char *colon;

	if (!take_protocol(rest, &port->udp) || !take_address(&rest, &port->host_ip))
		return false;
	colon = strchr(rest, ':');
	if (colon) {
		*colon = '\0';
		if (*rest && !port_range(rest, &host))
			return false;
		rest = colon + 1;
	}
	if (!port_range(rest, &inside))
		return false;
	if (host.first && host.last - host.first != inside.last - inside.first)
		return false;
	port->host_port = host.first;
	port->container_port = inside.first;
	port->count = inside.last - inside.first + 1;
	return true;
}

void parse_publish(struct options *o, const char *value)
{
	struct spec_port port = { .origin = o->word->origin };

	if (!port_parts(o, value, &port)) {
		option_error(
			o,
			"\"%s\" is no [ADDRESS:][HOST[-END]:]PORT[-END][/tcp|udp] with ports from 1 to 65535 and ranges of equal length",
			option_shown(o, value));
		return;
	}
	o->ports_word = o->word;
	*arena_push(o->arena, o->spec->ports, o->spec->port_count) = port;
}

void parse_no_hosts(struct options *o, const char *value)
{
	o->spec->no_hosts = str_eq(value, "true");
}

void parse_no_hostname(struct options *o, const char *value)
{
	o->spec->no_hostname = str_eq(value, "true");
}
