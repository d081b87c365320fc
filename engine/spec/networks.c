/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .network units and what containers want of networks, in the plan's terms. What podman could make of a network and we do not is refused
 * by name: a network that is less closed or less open than asked for must not come up.
 */
#include "spec/networks.h"

#include <arpa/inet.h>
#include <string.h>

#include "spec/options.h"
#include "util/str.h"

struct creating {
	struct net_network *out;
	struct arena *arena;
	struct diags *diags;
	const struct arg *word; /* the option */
	const struct arg *subnet, *gateway, *range;
	bool has_failed;
};

static void refuse(struct creating *c, const struct arg *at, const char *fmt, ...) ERR_PRINTF(3, 4);

static void refuse(struct creating *c, const struct arg *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	arg_diag(c->diags, DIAG_ERROR, at, "%s", arena_vprintf(c->arena, fmt, ap));
	va_end(ap);
	c->has_failed = true;
}

static void set_subnet(struct creating *c, const char *value)
{
	if (c->subnet) {
		refuse(c, c->word, "a network has one subnet in this version");
		return;
	}
	c->subnet = c->word;
	if (!net_block_parse(value, &c->out->subnet))
		refuse(c, c->word,
		       strchr(value, ':') ?
			       "IPv6 inside networks is not supported in this version: '%s'" :
			       "'%s' is not ADDRESS/BITS",
		       value);
}

static void set_gateway(struct creating *c, const char *value)
{
	c->gateway = c->word;
	if (inet_pton(AF_INET, value, &c->out->gateway) != 1)
		refuse(c, c->word, "'%s' is no IPv4 address", value);
}

/* ADDRESS/BITS or FIRST-LAST. */
static void set_range(struct creating *c, const char *value)
{
	const char *dash = strchr(value, '-');
	struct net_block block;

	c->range = c->word;
	if (!dash && net_block_parse(value, &block)) {
		c->out->first = block.address;
		c->out->last = net_block_last(&block);
		return;
	}
	if (!dash ||
	    inet_pton(AF_INET, arena_strndup(c->arena, value, (size_t)(dash - value)),
		      &c->out->first) != 1 ||
	    inet_pton(AF_INET, dash + 1, &c->out->last) != 1)
		refuse(c, c->word, "'%s' is neither ADDRESS/BITS nor FIRST-LAST", value);
}

static bool is_true(const char *value)
{
	bool on;

	return option_to_bool(value, &on) && on;
}

static void set_internal(struct creating *c, const char *value)
{
	c->out->internal = is_true(value);
}

static void set_no_names(struct creating *c, const char *value)
{
	c->out->no_names = is_true(value);
}

static void set_ipv6(struct creating *c, const char *value)
{
	if (is_true(value))
		refuse(c, c->word, "IPv6 inside networks is not supported in this version");
}

static void set_driver(struct creating *c, const char *value)
{
	if (!str_eq(value, "bridge"))
		refuse(c, c->word, "'%s' is not supported in this version: only bridge is", value);
}

static void set_ipam(struct creating *c, const char *value)
{
	if (!str_eq(value, "host-local"))
		refuse(c, c->word, "'%s' is not supported: only host-local is", value);
}

static void set_interface(struct creating *c, const char *value)
{
	refuse(c, c->word, "the bridge has a name of ours: '%s' cannot be given", value);
}

static void set_dns(struct creating *c, const char *value)
{
	refuse(c, c->word,
	       "name servers of a network are not supported in this version: write DNS=%s in each container",
	       value);
}

/* mtu=, isolate=; podman's others are about routing. */
static void set_option(struct creating *c, const char *value)
{
	uint64_t mtu;

	if (str_starts(value, "mtu=") || str_starts(value, "com.docker.network.driver.mtu=")) {
		if (!str_to_u64(strchr(value, '=') + 1, 65535, &mtu) || (mtu && mtu < 68))
			refuse(c, c->word, "'%s': 68 to 65535 bytes are possible", value);
		else
			c->out->mtu = (uint32_t)mtu;
	} else if (str_eq(value, "isolate=false") || str_eq(value, "isolate=0")) {
		/* podman's default, which nobody writes who wants separation */
		c->out->no_isolation = true;
	} else if (!str_eq(value, "isolate=true") && !str_eq(value, "isolate=1") &&
		   !str_eq(value, "isolate=strict")) {
		refuse(c, c->word, "the option '%s' is not supported: mtu= and isolate= are",
		       value);
	}
}

static void ignore(struct creating *c, const char *value)
{
	(void)c;
	(void)value;
}

static const struct creation {
	const char *name;
	bool is_switch;
	void (*set)(struct creating *c, const char *value);
} creations[] = {
	{ "--disable-dns", true, set_no_names },
	{ "--dns", false, set_dns },
	{ "--driver", false, set_driver },
	{ "-d", false, set_driver },
	{ "--gateway", false, set_gateway },
	{ "--ignore", true, ignore },
	{ "--interface-name", false, set_interface },
	{ "--internal", true, set_internal },
	{ "--ip-range", false, set_range },
	{ "--ipam-driver", false, set_ipam },
	{ "--ipv6", true, set_ipv6 },
	{ "--label", false, ignore },
	{ "--opt", false, set_option },
	{ "-o", false, set_option },
	{ "--subnet", false, set_subnet },
};

static const struct creation *creation_find(const char *word, size_t len)
{
	for (size_t i = 0; i < sizeof(creations) / sizeof(creations[0]); i++)
		if (strlen(creations[i].name) == len && strncmp(creations[i].name, word, len) == 0)
			return &creations[i];
	return NULL;
}

/* Returns how many words it took. */
static size_t take_option(struct creating *c, const struct arg_list *args, size_t at)
{
	const char *word = args->items[at].text;
	size_t len = strcspn(word, "=");
	const struct creation *row = creation_find(word, len);

	c->word = &args->items[at];
	if (!row) {
		refuse(c, c->word, "the option %.*s of podman network create is not supported",
		       (int)(len < 60 ? len : 60), word);
		return 1;
	}
	if (word[len] || row->is_switch) {
		row->set(c, word[len] ? word + len + 1 : "true");
		return 1;
	}
	if (at + 1 == args->count) {
		refuse(c, c->word, "%s needs a value", word);
		return 1;
	}
	row->set(c, args->items[at + 1].text);
	return 2;
}

static void finish(struct creating *c)
{
	struct net_network *n = c->out;
	char subnet[20];

	if (c->has_failed || !n->subnet.prefix)
		return;
	net_block_text(&n->subnet, subnet);
	if (n->subnet.prefix > 30)
		refuse(c, c->subnet, "%s has no room for containers: at least /30 is needed",
		       subnet);
	else if (c->gateway && !net_block_has(&n->subnet, n->gateway))
		refuse(c, c->gateway, "the gateway is outside of %s", subnet);
	else if (c->range &&
		 (!net_block_has(&n->subnet, n->first) || !net_block_has(&n->subnet, n->last) ||
		  net_address_number(n->first) > net_address_number(n->last)))
		refuse(c, c->range, "the range is outside of %s", subnet);
}

int spec_network_from_args(struct net_network *out, struct arena *arena,
			   const struct arg_list *args, const char *label, struct diags *diags)
{
	struct creating c = { .out = out, .arena = arena, .diags = diags };
	const struct arg *name = NULL;

	*out = (struct net_network){ .name = "", .label = label };
	for (size_t i = 0; i < args->count;) {
		if (args->items[i].text[0] == '-') {
			i += take_option(&c, args, i);
			continue;
		}
		if (name)
			refuse(&c, &args->items[i], "a second name: '%s'", args->items[i].text);
		name = &args->items[i++];
	}
	if (!name || !name->text[0] || strlen(name->text) >= NET_NAME_BYTES) {
		diag_add(diags, DIAG_ERROR, "", 0, 0, "Network.NetworkName",
			 "%s: a name of 1 to %d bytes is needed", label, NET_NAME_BYTES - 1);
		return -1;
	}
	out->name = name->text;
	out->place = c.subnet ? c.subnet->origin : name->origin;
	if (str_eq(out->name, NET_DEFAULT))
		refuse(&c, name, "%s is the default network, which has no unit", NET_DEFAULT);
	finish(&c);
	return c.has_failed ? -1 : 0;
}

void spec_network_default(struct net_network *out)
{
	*out = (struct net_network){ .name = NET_DEFAULT, .label = "the default network" };
	if (!net_block_parse("10.88.0.0/16", &out->subnet))
		out->problem = "10.88.0.0/16 is no block";
}

static void fill_join(const struct spec_join *from, struct net_join *to)
{
	*to = (struct net_join){ .network = from->network,
				 .place = from->origin,
				 .interface = from->interface,
				 .aliases = from->aliases.items,
				 .alias_count = from->aliases.count };
	if (from->ip && inet_pton(AF_INET, from->ip, &to->address) != 1)
		to->address.s_addr = INADDR_ANY;
	to->has_mac = from->mac && net_mac_parse(from->mac, to->mac);
}

static void fill_port(const struct spec_port *from, const char *label, struct arena *arena,
		      struct net_publish *to)
{
	*to = (struct net_publish){
		.place = from->origin,
		.label = from->origin && from->origin->line ?
				 arena_printf(arena, "%s:%u", label, from->origin->line) :
				 label,
		.udp = from->udp,
		.host_first = (uint16_t)from->host_port,
		.first = (uint16_t)from->container_port,
		.count = (uint16_t)from->count,
	};
	if (!from->host_ip[0])
		return;
	if (inet_pton(AF_INET, from->host_ip, &to->host_address) == 1) {
		to->is_v4_only = !to->host_address.s_addr;
		return;
	}
	to->is_v6 = inet_pton(AF_INET6, from->host_ip, &to->host_address6) == 1;
}

bool spec_to_net_container(const struct container_spec *spec, const char *name, const char *label,
			   bool boot, struct arena *arena, struct net_container *out)
{
	struct net_publish *ports = arena_alloc(arena, (spec->port_count + 1) * sizeof(*ports));
	struct net_join *joins = arena_alloc(arena, (spec->join_count + 1) * sizeof(*joins));

	if (spec->network != SPEC_NETWORK_DEFAULT || spec->pod)
		return false;
	for (size_t i = 0; i < spec->join_count; i++)
		fill_join(&spec->joins[i], &joins[i]);
	for (size_t i = 0; i < spec->port_count; i++)
		fill_port(&spec->ports[i], label, arena, &ports[i]);
	*out = (struct net_container){ .name = name,
				       .label = label,
				       .boot = boot,
				       .joins = joins,
				       .join_count = spec->join_count,
				       .ports = ports,
				       .port_count = spec->port_count };
	return true;
}

static void say(void *arg, const void *place, bool is_error, const char *text)
{
	const struct origin *origin = place;
	static const struct origin nowhere = { .file = "", .key = "" };

	if (!origin)
		origin = &nowhere;
	diag_add(arg, is_error ? DIAG_ERROR : DIAG_WARNING, origin->file, origin->line,
		 origin->column, origin->key, "%s", text);
}

size_t spec_networks_judge(struct net_network *networks, size_t count,
			   const struct net_container *containers, size_t container_count,
			   struct diags *diags)
{
	struct net_leases leases = { 0 };
	struct net_plan_facts facts = { .port_first = 32768, .port_last = 60999 };
	auto_arena arena = { 0 };

	memmove(networks + 1, networks, count * sizeof(*networks));
	spec_network_default(&networks[0]);
	for (size_t i = 1; i <= count; i++)
		for (size_t k = 1; k < i; k++)
			if (!networks[i].problem && str_eq(networks[i].name, networks[k].name))
				networks[i].problem = arena_printf(&diags->arena,
								   "its name is that of %s, too",
								   networks[k].label);
	net_plan_networks(networks, count + 1, &leases, &facts, &diags->arena);
	for (size_t i = 1; i <= count; i++)
		if (networks[i].problem)
			say(diags, networks[i].place, true, networks[i].problem);
	net_plan_check(networks, count + 1, containers, container_count, say, diags);
	net_leases_fini(&leases);
	return count + 1;
}
