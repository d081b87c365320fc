/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What units say about networks -> the plan's input, and what of the machine it depends on. Subnets that were chosen are kept below
 * /data, so that they stay over boots; written here, before the loop runs.
 */
#include "supervise/network.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "spec/networks.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/path.h"
#include "util/str.h"

#define LEASES CLEAT_NETWORK_DIR "/leases"
#define SUBNETS CLEAT_DATA_DIR "/networks"
#define ROUTES_MAX_BYTES (256 * 1024)
#define PORT_RANGE "/proc/sys/net/ipv4/ip_local_port_range"

/* A column of /proc/net/route: the address as the kernel holds it. */
static bool to_address(const char *text, struct in_addr *out)
{
	char *end;
	unsigned long value = strtoul(text, &end, 16);

	out->s_addr = (in_addr_t)value;
	return end - text == 8;
}

static uint8_t prefix_of(struct in_addr mask)
{
	uint32_t number = net_address_number(mask);
	uint8_t prefix = 0;

	for (; number & 0x80000000u; number <<= 1)
		prefix++;
	return prefix;
}

/* "eth0\t000A000A\t00000000\t0001\t0\t0\t0\t00FFFFFF..." */
static void add_route(struct network *n, char *line)
{
	char *columns[8], *save = line;
	struct in_addr address, mask;
	size_t count = 0;

	while (count < 8 && save) {
		columns[count++] = save;
		save = strchr(save, '\t');
		if (save)
			*save++ = '\0';
	}
	if (count < 8 || str_eq(columns[0], NET_DEFAULT_BRIDGE) ||
	    str_starts(columns[0], "cleat-") || !to_address(columns[1], &address))
		return;
	columns[7][8 < strlen(columns[7]) ? 8 : strlen(columns[7])] = '\0';
	if (!to_address(columns[7], &mask) || !mask.s_addr)
		return;
	*arena_push(&n->arena, n->routes, n->route_count) =
		(struct net_block){ address, prefix_of(mask) };
}

static void read_routes(struct network *n)
{
	auto_buf text = BUF_INIT(ROUTES_MAX_BYTES);
	struct err err;
	char *line;

	if (file_read_at(AT_FDCWD, "/proc/net/route", ROUTES_MAX_BYTES, &text, &err) < 0) {
		log_msg(LOG_WARN, "network", "%s", err.msg);
		return;
	}
	line = text.len ? strchr(text.data, '\n') : NULL; /* titles */
	while (line && *++line) {
		char *end = strchr(line, '\n');

		if (end)
			*end = '\0';
		add_route(n, line);
		line = end;
	}
}

static void read_port_range(struct network *n)
{
	auto_buf text = BUF_INIT(64);
	uint64_t first, last;
	struct err err;
	char *blank;

	n->facts.port_first = 32768;
	n->facts.port_last = 60999;
	if (file_read_at(AT_FDCWD, PORT_RANGE, 64, &text, &err) < 0 || !text.len)
		return;
	text.data[strcspn(text.data, "\n")] = '\0';
	blank = strpbrk(text.data, " \t");
	if (!blank)
		return;
	*blank = '\0';
	if (str_to_u64(text.data, 65535, &first) &&
	    str_to_u64(blank + 1 + strspn(blank + 1, " \t"), 65535, &last) && first &&
	    first <= last) {
		n->facts.port_first = (uint16_t)first;
		n->facts.port_last = (uint16_t)last;
	}
}

/* Somebody outside could reach it: neither loopback nor link-local. */
static bool is_public(const struct ifaddrs *entry)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)entry->ifa_addr;

	return entry->ifa_addr && entry->ifa_addr->sa_family == AF_INET6 &&
	       !IN6_IS_ADDR_LOOPBACK(&six->sin6_addr) && !IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr);
}

void network_probe_ipv6(struct network *n)
{
	struct ifaddrs *list = NULL;

	n->has_ipv6 = false;
	if (getifaddrs(&list) < 0)
		return;
	for (const struct ifaddrs *entry = list; entry; entry = entry->ifa_next)
		n->has_ipv6 |= is_public(entry);
	freeifaddrs(list);
}

static void read_leases(struct network *n, const char *path)
{
	auto_buf text = BUF_INIT(NET_LEASES_MAX_BYTES);
	struct err err;

	if (file_read_at(AT_FDCWD, path, NET_LEASES_MAX_BYTES, &text, &err) < 0) {
		if (err.code != ERR_NOT_FOUND)
			log_msg(LOG_WARN, "network", "%s", err.msg);
		return;
	}
	if (net_leases_parse(&n->leases, buf_str(&text), &err) < 0)
		publish_note(n->e, 1, "%s: %s: addresses are given out anew", path, err.msg);
}

static void save_subnets(struct network *n)
{
	auto_buf text = BUF_INIT(NET_LEASES_MAX_BYTES), old = BUF_INIT(NET_LEASES_MAX_BYTES);
	struct err err;

	if (!n->e->data_writable || !n->leases.subnet_count)
		return;
	net_leases_format(&n->leases, true, &text);
	if (file_read_at(AT_FDCWD, SUBNETS, NET_LEASES_MAX_BYTES, &old, &err) == 0 &&
	    str_eq(buf_str(&old), buf_str(&text)))
		return;
	if (buf_check(&text, SUBNETS, &err) < 0 ||
	    file_write_atomic(AT_FDCWD, SUBNETS, text.data, text.len, 0600, true, &err) < 0)
		publish_note(n->e, 1, "%s", err.msg);
}

/* The unit's error, or one of our own about it. */
static const char *first_error(struct network *n, size_t before, const char *fallback)
{
	const struct diags *diags = &n->e->units.diags;

	for (size_t i = before; i < diags->count; i++) {
		auto_buf line = BUF_INIT(1024);

		if (diags->items[i].severity != DIAG_ERROR)
			continue;
		diag_format(&diags->items[i], &line);
		return arena_strdup(&n->arena, buf_str(&line));
	}
	return fallback;
}

static void add_network(struct network *n, const struct unit *unit)
{
	struct net_network *network = &n->networks[n->network_count];
	size_t before = n->e->units.diags.count;

	if (n->network_count == NET_MAX_NETWORKS) {
		publish_note(n->e, 2, "%s: more than %d networks, it is left out", unit->path,
			     NET_MAX_NETWORKS);
		return;
	}
	if (spec_network_from_args(network, &n->arena, &unit->spec_args, unit->name,
				   &n->e->units.diags) < 0) {
		network->problem = first_error(n, before, "its unit has errors");
		network->name = unit->resource_name;
	} else if (net_network_find(n->networks, n->network_count, network->name)) {
		network->problem = "its name is taken";
	}
	if (network->problem)
		publish_note(n->e, 2, "%s: network %s: %s", unit->name, network->name,
			     network->problem);
	/* two of one name: who asks for it finds the first */
	n->network_count++;
}

static void add_networks(struct network *n)
{
	const struct unit_set *set = &n->e->units;

	n->networks = arena_alloc(&n->arena, NET_MAX_NETWORKS * sizeof(*n->networks));
	spec_network_default(&n->networks[n->network_count++]);
	for (size_t i = n->e->resource_begin; i < set->count; i++)
		if (set->units[i].kind == UNIT_NETWORK)
			add_network(n, &set->units[i]);
}

static void plan_networks(struct network *n)
{
	char subnet[20];

	for (size_t i = 0; i < n->network_count; i++)
		if (n->networks[i].problem)
			n->networks[i].subnet.prefix = 0;
	net_plan_networks(n->networks, n->network_count, &n->leases, &n->facts, &n->arena);
	net_block_text(&n->networks[0].subnet, subnet);
	if (n->networks[0].is_moved)
		publish_note(n->e, 0,
			     "the default network is %s: 10.88.0.0/16 is in use in this network",
			     subnet);
}

static void add_containers(struct network *n)
{
	struct engine *e = n->e;

	for (unsigned i = 0; i < e->count; i++) {
		const struct engine_entry *entry = &e->entries[i];
		struct network_slot *slot = &n->slots[i];

		slot->e = e;
		slot->index = i;
		network_proxy_init(slot);
		slot->has_container = entry->spec &&
				      spec_to_net_container(entry->spec, entry->name,
							    entry->unit->name,
							    entry->unit->service.boot, &n->arena,
							    &slot->container);
		for (size_t k = 0; slot->has_container && k < slot->container.join_count; k++)
			if (slot->container.joins[k].address.s_addr)
				*arena_push(&n->arena, n->wishes, n->wish_count) =
					slot->container.joins[k].address;
	}
}

static void say(void *arg, const void *place, bool is_error, const char *text)
{
	static const struct origin nowhere = { .file = "", .key = "" };
	const struct origin *at = place ? place : &nowhere;

	(void)is_error; /* the start says it when it comes to that */
	diag_add(arg, DIAG_WARNING, at->file, at->line, at->column, at->key, "%s", text);
}

static void check_together(struct network *n)
{
	struct net_container *containers = NULL;
	size_t count = 0;

	for (unsigned i = 0; i < n->e->count; i++)
		if (n->slots[i].has_container)
			*arena_push(&n->arena, containers, count) = n->slots[i].container;
	net_plan_check(n->networks, n->network_count, containers, count, say, &n->e->units.diags);
}

void network_open(struct engine *e)
{
	struct network *n = calloc(1, sizeof(*n));
	struct err err;

	if (!n)
		abort();
	e->network = n;
	n->e = e;
	n->fd = n->worker.pidfd = n->inotify_fd = -1;
	network_worker_init(n);
	n->slots = arena_alloc(&n->arena, (e->count + 1) * sizeof(*n->slots));
	n->list = arena_alloc(&n->arena, (e->count + 1) * sizeof(struct net_attached *));
	if (path_mkdirs(CLEAT_NETWORK_DIR, 0755, &err) < 0)
		publish_note(e, 2, "%s", err.msg);
	read_routes(n);
	read_port_range(n);
	n->facts.routes = n->routes;
	n->facts.route_count = n->route_count;
	read_leases(n, SUBNETS);
	read_leases(n, LEASES);
	add_networks(n);
	plan_networks(n);
	save_subnets(n);
	add_containers(n);
	check_together(n);
	network_probe_ipv6(n);
	network_files_open(n);
}
