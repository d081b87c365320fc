/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks, names and published ports. Names of networks are not looked up here: which there are is known when all units are
 * (spec/networks.h).
 */
#include "spec/options.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <strings.h>

#include "net/names.h"
#include "net/plan.h"
#include "util/str.h"

/* Kinds of networks that are no names, and what to write instead. */
static const struct {
	const char *kind, *text;
} refused_kinds[] = {
	{ "container",
	  "sharing another container's network is not supported in this version: put both into one network and use names" },
	{ "ns",
	  "network namespaces of somebody else are not supported: use Network=host, none or a network" },
	{ "slirp4netns",
	  "rootless networking has no place here: leave it out, the default network is a bridge" },
	{ "pasta",
	  "rootless networking has no place here: leave it out, the default network is a bridge" },
	{ "private", "leave it out: the default network is a bridge of its own" },
	{ "default", "leave it out: the default network is a bridge of its own" },
};

static bool is_refused_kind(struct options *o, const char *value)
{
	for (size_t i = 0; i < sizeof(refused_kinds) / sizeof(refused_kinds[0]); i++) {
		size_t len = strlen(refused_kinds[i].kind);

		if (strncmp(value, refused_kinds[i].kind, len) != 0 ||
		    (value[len] && value[len] != ':'))
			continue;
		option_error(o, "\"%s\": %s", option_shown(o, value), refused_kinds[i].text);
		return true;
	}
	return false;
}

static void set_mode(struct options *o, enum spec_network mode)
{
	if (o->network_word && o->spec->network != mode)
		option_error(o, "host, none and networks exclude each other");
	o->spec->network = mode;
}

/* podman's names: [a-zA-Z0-9][a-zA-Z0-9_.-]* */
static bool is_network_name(const char *name)
{
	static const char bytes[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	return name[0] && !strchr("_.-", name[0]) && name[strspn(name, bytes)] == '\0' &&
	       strlen(name) < NET_NAME_BYTES;
}

static struct spec_join *add_join(struct options *o, const char *name)
{
	struct container_spec *spec = o->spec;
	struct spec_join *join;

	if (str_eq(name, "bridge"))
		name = NET_DEFAULT;
	if (!is_network_name(name)) {
		option_error(o, "\"%s\" is no name of a network", option_shown(o, name));
		return NULL;
	}
	for (size_t i = 0; i < spec->join_count; i++)
		if (str_eq(spec->joins[i].network, name)) {
			option_error(o, "network %s is named twice", name);
			return NULL;
		}
	if (spec->join_count == NET_MAX_ENDS) {
		option_error(o, "more than %d networks", NET_MAX_ENDS);
		return NULL;
	}
	join = arena_push(o->arena, spec->joins, spec->join_count);
	*join = (struct spec_join){ .network = arena_strdup(o->arena, name),
				    .origin = o->word->origin };
	return join;
}

static const char *checked_ip(struct options *o, const char *value)
{
	struct in_addr address;

	if (inet_pton(AF_INET, value, &address) == 1 && address.s_addr)
		return arena_strdup(o->arena, value);
	option_error(o, "\"%s\" is no IPv4 address", option_shown(o, value));
	return NULL;
}

static const char *checked_mac(struct options *o, const char *value)
{
	uint8_t mac[6];

	if (net_mac_parse(value, mac))
		return arena_strdup(o->arena, value);
	option_error(o, "\"%s\" is no MAC address of one station, as 02:00:00:00:00:01",
		     option_shown(o, value));
	return NULL;
}

static void push_alias(struct options *o, struct strv *to, const char *value)
{
	if (!net_name_is_host(value))
		option_error(o, "\"%s\" is no name of a host", option_shown(o, value));
	else if (to->count == NET_MAX_ALIASES)
		option_error(o, "more than %d aliases", NET_MAX_ALIASES);
	else
		strv_push(o->arena, to, arena_strdup(o->arena, value));
}

/* The kernel's rule for names of links, and none that the runtime has taken. */
static bool is_interface(const char *name)
{
	return name[0] && strlen(name) < NET_LINK_NAME && !name[strcspn(name, "/: \t%=,")] &&
	       !str_eq(name, ".") && !str_eq(name, "..") && !str_eq(name, "lo") &&
	       !str_eq(name, "all") && !str_eq(name, "default");
}

static void join_option(struct options *o, struct spec_join *join, const char *option)
{
	if (str_starts(option, "ip=")) {
		join->ip = checked_ip(o, option + 3);
	} else if (str_starts(option, "mac=")) {
		join->mac = checked_mac(o, option + 4);
	} else if (str_starts(option, "alias=")) {
		push_alias(o, &join->aliases, option + 6);
	} else if (str_starts(option, "interface_name=")) {
		join->interface = arena_strdup(o->arena, option + 15);
		if (!is_interface(join->interface))
			option_error(o, "\"%s\" is no name of an interface",
				     option_shown(o, join->interface));
	} else if (str_starts(option, "ip6=")) {
		option_error(o, "containers have no IPv6 addresses in this version");
	} else if (str_starts(option, "host_interface_name=")) {
		option_error(o, "the appliance's end of a network has a name of ours");
	} else {
		option_error(
			o,
			"\"%s\" is no option of a network: ip=, mac=, alias= and interface_name= are",
			option_shown(o, option));
	}
}

/* NAME[,NAME]... or NAME:OPTION[,OPTION]... */
static void parse_joins(struct options *o, const char *value)
{
	const char *colon = strchr(value, ':');
	struct strv parts = strv_split(o->arena, colon ? colon + 1 : value, ',');
	struct spec_join *join;

	set_mode(o, SPEC_NETWORK_DEFAULT);
	if (!colon) {
		for (size_t i = 0; i < parts.count; i++)
			add_join(o, parts.items[i]);
		return;
	}
	join = add_join(o, arena_strndup(o->arena, value, (size_t)(colon - value)));
	for (size_t i = 0; join && i < parts.count; i++)
		join_option(o, join, parts.items[i]);
}

void parse_network(struct options *o, const char *value)
{
	if (str_eq(value, "host") || str_eq(value, "none"))
		set_mode(o, value[0] == 'h' ? SPEC_NETWORK_HOST : SPEC_NETWORK_NONE);
	else if (!is_refused_kind(o, value))
		parse_joins(o, value);
	o->network_word = o->word;
}

void parse_ip(struct options *o, const char *value)
{
	o->ip_word = o->word;
	o->ip = checked_ip(o, value);
}

void parse_mac_address(struct options *o, const char *value)
{
	o->mac_word = o->word;
	o->mac = checked_mac(o, value);
}

void parse_network_alias(struct options *o, const char *value)
{
	push_alias(o, &o->aliases, value);
}

static bool is_address(const char *value)
{
	struct in6_addr six;
	struct in_addr four;

	return inet_pton(AF_INET, value, &four) == 1 || inet_pton(AF_INET6, value, &six) == 1;
}

void parse_add_host(struct options *o, const char *value)
{
	const char *colon = strchr(value, ':'), *address = colon ? colon + 1 : "";
	struct strv names;

	if (address[0] == '[' && str_ends(address, "]")) /* podman takes both forms of IPv6 */
		address = arena_strndup(o->arena, address + 1, strlen(address) - 2);
	if (!colon || (!is_address(address) && !str_eq(address, "host-gateway"))) {
		option_error(o, "\"%s\" is no NAME[;NAME]:ADDRESS", option_shown(o, value));
		return;
	}
	names = strv_split(o->arena, arena_strndup(o->arena, value, (size_t)(colon - value)), ';');
	for (size_t i = 0; i < names.count; i++) {
		if (!net_name_is_host(names.items[i])) {
			option_error(o, "\"%s\" is no name of a host",
				     option_shown(o, names.items[i]));
			return;
		}
		*arena_push(o->arena, o->spec->add_hosts, o->spec->add_host_count) =
			(struct spec_add_host){ .name = names.items[i],
						.address = str_eq(address, "host-gateway") ?
								   NULL :
								   arena_strdup(o->arena, address),
						.origin = o->word->origin };
	}
}

void parse_dns(struct options *o, const char *value)
{
	o->dns_word = o->word;
	if (str_eq(value, "none"))
		o->spec->keeps_resolv_conf = true;
	else if (!is_address(value))
		option_error(o, "\"%s\" is no address of a name server", option_shown(o, value));
	else
		strv_push(o->arena, &o->spec->dns, arena_strdup(o->arena, value));
}

void parse_dns_search(struct options *o, const char *value)
{
	o->dns_word = o->word;
	if (!str_eq(value, ".") && !net_name_is_host(value))
		option_error(o, "\"%s\" is no domain", option_shown(o, value));
	else
		strv_push(o->arena, &o->spec->dns_search, arena_strdup(o->arena, value));
}

void parse_dns_option(struct options *o, const char *value)
{
	o->dns_word = o->word;
	if (!value[0] || value[strcspn(value, " \t\n\r#;")])
		option_error(o, "\"%s\" is no option of a resolver", option_shown(o, value));
	else
		strv_push(o->arena, &o->spec->dns_options, arena_strdup(o->arena, value));
}

static void say_at(struct options *o, const struct arg *word, const char *option)
{
	o->word = word;
	o->row = option_find(o->table, option, strlen(option));
}

/* --ip and --mac-address are about one network, and one only. */
static void give_to_only_network(struct options *o, const struct arg *word, const char *option,
				 const char *value, const char **field)
{
	struct container_spec *spec = o->spec;

	if (!word || !value)
		return;
	say_at(o, word, option);
	if (spec->join_count != 1)
		option_error(o, "is for a single network: write NAME:%s=%s",
			     str_eq(option, "ip") ? "ip" : "mac", value);
	else if (*field)
		option_error(o, "is said of the network already");
	else
		*field = value;
}

static void judge_dns(struct options *o)
{
	struct container_spec *spec = o->spec;

	if (!o->dns_word)
		return;
	say_at(o, o->dns_word, "dns");
	if (spec->network == SPEC_NETWORK_NONE)
		option_error(o, "names cannot be looked up with Network=none");
	else if (spec->keeps_resolv_conf &&
		 (spec->dns.count || spec->dns_search.count || spec->dns_options.count))
		option_error(o,
			     "none keeps the image's /etc/resolv.conf: nothing can be put into it");
}

void network_finish(struct options *o)
{
	struct container_spec *spec = o->spec;

	judge_dns(o);
	if (spec->network != SPEC_NETWORK_DEFAULT) {
		const struct arg *word = o->ip_word ? o->ip_word : o->mac_word;

		if (word) {
			say_at(o, word, o->ip_word ? "ip" : "mac-address");
			option_error(o, "has no meaning with Network=%s",
				     spec->network == SPEC_NETWORK_HOST ? "host" : "none");
		}
		return;
	}
	if (!spec->join_count && !o->pod_word)
		*arena_push(o->arena, spec->joins, spec->join_count) = (struct spec_join){
			.network = NET_DEFAULT,
			.origin = o->image_word ? o->image_word->origin : NULL,
		};
	if (!spec->join_count)
		return;
	give_to_only_network(o, o->ip_word, "ip", o->ip, &spec->joins[0].ip);
	give_to_only_network(o, o->mac_word, "mac-address", o->mac, &spec->joins[0].mac);
	for (size_t i = 0; i < spec->join_count; i++)
		for (size_t k = 0; k < o->aliases.count; k++)
			if (spec->joins[i].aliases.count < NET_MAX_ALIASES)
				strv_push(o->arena, &spec->joins[i].aliases, o->aliases.items[k]);
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
	*udp = strcasecmp(slash + 1, "udp") == 0;
	return *udp || strcasecmp(slash + 1, "tcp") == 0;
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

/* What was meant by a text that is no port. */
static const char *port_hint(const char *value)
{
	const char *colon = strchr(value, ':');

	if (value[0] == '"' || value[0] == '\'')
		return ": quotes are a part of the value here, leave them out";
	if (strchr(value, ' '))
		return ": each port has a line of its own";
	if (str_starts(value, "localhost:"))
		return ": write 127.0.0.1 for localhost";
	if (str_ends(value, ":tcp") || str_ends(value, ":udp"))
		return ": the protocol stands behind a slash";
	if (colon && !strchr(colon + 1, ':') && memchr(value, '.', (size_t)(colon - value)))
		return ": write ADDRESS:HOST:PORT, or ADDRESS::PORT for a free port of the host";
	return "";
}

void parse_publish(struct options *o, const char *value)
{
	struct spec_port port = { .origin = o->word->origin };

	if (str_ends(value, "/sctp")) {
		option_error(o, "\"%s\": sctp is not supported: tcp and udp are",
			     option_shown(o, value));
		return;
	}
	if (o->spec->port_count == NET_MAX_PUBLISHED) {
		option_error(o, "more than %d published ports", NET_MAX_PUBLISHED);
		return;
	}
	if (!port_parts(o, value, &port)) {
		option_error(
			o,
			"\"%s\" is no [ADDRESS:][HOST[-END]:]PORT[-END][/tcp|udp] with ports from 1 to 65535 and ranges of equal length%s",
			option_shown(o, value), port_hint(value));
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
