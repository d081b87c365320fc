/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network-config as links. Values are judged here, so that whoever applies them finds addresses where addresses are promised. Must never
 * give a link more than the file says: what is not understood leaves that line out, and says so.
 */
#include "unit/network_config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "unit/yaml_tree.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/places.h"
#include "util/str.h"

#define MTU_MIN 68
#define MTU_MAX 65535
#define IFNAME_MAX 15

struct reading {
	struct network_config *out;
	struct arena *arena;
	struct diags *diags;
};

static void say(struct reading *r, enum diag_severity severity, const struct yaml_node *at,
		const char *fmt, ...) ERR_PRINTF(4, 5);

/* At the key that it is about, where there is one. */
static void say(struct reading *r, enum diag_severity severity, const struct yaml_node *at,
		const char *fmt, ...)
{
	struct diag place = { .severity = severity,
			      .file = r->out->path,
			      .line = at->key ? at->key_line : at->line,
			      .column = at->key ? at->key_column : at->column,
			      .key = "" };
	va_list ap;

	va_start(ap, fmt);
	diag_vadd(r->diags, &place, fmt, ap);
	va_end(ap);
}

/* Keys that are not in the list (NULL-terminated). */
static void say_unknown(struct reading *r, const struct yaml_node *map, const char *const *known)
{
	for (const struct yaml_node *child = map->first; child; child = child->next) {
		bool is_known = false;

		for (const char *const *k = known; *k && !is_known; k++)
			is_known = str_eq(child->key, *k);
		if (!is_known)
			say(r, DIAG_WARNING, child, "%s: not supported; left out", child->key);
	}
}

static bool is_map(struct reading *r, const struct yaml_node *node, const char *what)
{
	if (node->kind == YAML_MAP)
		return true;
	say(r, DIAG_ERROR, node, "%s: a map is expected", what);
	return false;
}

static bool is_true(const char *text)
{
	return text && (str_eq(text, "true") || str_eq(text, "True") || str_eq(text, "TRUE") ||
			str_eq(text, "yes") || str_eq(text, "on"));
}

/* --- values --------------------------------------------------------------------------------------------------------------- */

static int family_of(const char *text)
{
	unsigned char bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		return AF_INET;
	return inet_pton(AF_INET6, text, bytes) == 1 ? AF_INET6 : 0;
}

/* "255.255.255.0" or "24"; -1: neither. */
static int length_of_netmask(const char *text, int family)
{
	uint64_t number, max = family == AF_INET ? 32 : 128;
	struct in_addr mask;
	uint32_t bits;

	if (str_to_u64(text, max, &number))
		return (int)number;
	if (family != AF_INET || inet_pton(AF_INET, text, &mask) != 1)
		return -1;
	bits = ntohl(mask.s_addr);
	if (bits & (~bits >> 1)) /* a one behind a zero */
		return -1;
	return bits ? 32 - __builtin_ctz(bits) : 0;
}

/* "ADDRESS/LENGTH"; the length may be in netmask instead. NULL: it is none. */
static const char *address_of(struct reading *r, const char *text, const char *netmask)
{
	const char *slash = strchr(text, '/');
	const char *length = slash ? slash + 1 : netmask;
	char address[64];
	int family, bits;

	if (!length || (size_t)snprintf(address, sizeof(address), "%.*s", (int)strcspn(text, "/"),
					text) >= sizeof(address))
		return NULL;
	family = family_of(address);
	bits = family ? length_of_netmask(length, family) : -1;
	return bits < 0 ? NULL : arena_printf(r->arena, "%s/%d", address, bits);
}

static bool is_mac(const char *text)
{
	if (strlen(text) != 17)
		return false;
	for (size_t i = 0; i < 17; i++)
		if (i % 3 == 2 ? text[i] != ':' : str_hex_value(text[i]) < 0)
			return false;
	return true;
}

static const char *lower(struct reading *r, const char *text)
{
	char *copy = arena_strdup(r->arena, text);

	for (char *p = copy; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return copy;
}

static bool is_interface_name(const char *text)
{
	size_t len = strlen(text);

	if (!len || len > IFNAME_MAX || str_eq(text, ".") || str_eq(text, ".."))
		return false;
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || strchr("/:%*?[]", *p))
			return false;
	return true;
}

static bool is_domain(const char *text)
{
	size_t len = strlen(text);

	if (!len || len > 253)
		return false;
	for (const char *p = text; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("-._", *p))
			return false;
	return true;
}

static void add_text(struct reading *r, const struct yaml_node *at, struct appliance_texts *list,
		     const char *text)
{
	for (unsigned i = 0; i < list->count; i++)
		if (str_eq(list->text[i], text))
			return;
	if (list->count == APPLIANCE_MAX_TEXTS)
		say(r, DIAG_WARNING, at, "%s: more than %d are not supported; left out", text,
		    APPLIANCE_MAX_TEXTS);
	else
		list->text[list->count++] = text;
}

/* One text, or a list of them. */
static void each_text(struct reading *r, const struct yaml_node *node,
		      void (*take)(struct reading *, const struct yaml_node *, const char *))
{
	if (!node)
		return;
	if (node->kind == YAML_TEXT && node->text[0])
		take(r, node, node->text);
	else if (node->kind == YAML_MAP)
		say(r, DIAG_ERROR, node, "%s: a list is expected", node->key ? node->key : "it");
	for (const struct yaml_node *item = node->first; node->kind == YAML_LIST && item;
	     item = item->next)
		if (item->kind == YAML_TEXT)
			take(r, item, item->text);
		else
			say(r, DIAG_ERROR, item, "a text is expected");
}

static void take_dns(struct reading *r, const struct yaml_node *at, const char *text)
{
	if (family_of(text))
		add_text(r, at, &r->out->dns, text);
	else
		say(r, DIAG_ERROR, at, "'%s': the address of a name server is expected", text);
}

static void take_search(struct reading *r, const struct yaml_node *at, const char *text)
{
	if (is_domain(text))
		add_text(r, at, &r->out->search, text);
	else
		say(r, DIAG_ERROR, at, "'%s': a domain is expected", text);
}

static void take_mtu(struct reading *r, const struct yaml_node *map, struct appliance_link *link)
{
	const struct yaml_node *node = yaml_get(map, "mtu");
	uint64_t mtu;

	if (!node || (node->kind == YAML_TEXT && !node->text[0]))
		return;
	if (node->kind == YAML_TEXT && str_to_u64(node->text, MTU_MAX, &mtu) && mtu >= MTU_MIN)
		link->mtu = (unsigned)mtu;
	else
		say(r, DIAG_ERROR, node, "mtu: a number from %d to %d is expected", MTU_MIN,
		    MTU_MAX);
}

static void take_gateway(struct reading *r, const struct yaml_node *at, struct appliance_link *link,
			 int family)
{
	int found = at && at->kind == YAML_TEXT ? family_of(at->text) : 0;

	if (!at || (at->kind == YAML_TEXT && !at->text[0]))
		return;
	if (found && (!family || family == found))
		add_text(r, at, &link->gateways, at->text);
	else
		say(r, DIAG_ERROR, at, "%s: an address%s is expected", at->key,
		    family == AF_INET  ? " of IPv4" :
		    family == AF_INET6 ? " of IPv6" :
					 "");
}

/* --- links ---------------------------------------------------------------------------------------------------------------- */

/* NULL: there are too many, or neither name nor address can be one. */
static struct appliance_link *add_link(struct reading *r, const struct yaml_node *at,
				       const char *name, const char *mac)
{
	struct network_config *out = r->out;
	struct appliance_link *link;

	if (mac && !is_mac(mac)) {
		say(r, DIAG_ERROR, at, "'%s': a MAC address is expected", mac);
		return NULL;
	}
	if (!mac && (!name || !is_interface_name(name))) {
		say(r, DIAG_ERROR, at,
		    "'%s': the name of an interface, or a MAC address, is expected; patterns are not supported",
		    name ? name : "");
		return NULL;
	}
	name = mac ? lower(r, mac) : name;
	for (unsigned i = 0; i < out->link_count; i++) {
		if (!str_eq(out->links[i].name, name))
			continue;
		say(r, DIAG_ERROR, at, "%s: this interface stands here twice", name);
		return NULL;
	}
	if (out->link_count == APPLIANCE_MAX_LINKS) {
		say(r, DIAG_ERROR, at, "more than %d interfaces are not supported",
		    APPLIANCE_MAX_LINKS);
		return NULL;
	}
	link = &out->links[out->link_count++];
	*link = (struct appliance_link){ .name = name,
					 .has_method = true,
					 .method = APPLIANCE_METHOD_OFF };
	return link;
}

/* What is asked for, together: a lease counts for more than addresses, addresses for more than announcements. */
static void raise_method(struct appliance_link *link, enum appliance_method method)
{
	static const unsigned rank[] = {
		[APPLIANCE_METHOD_OFF] = 0,
		[APPLIANCE_METHOD_AUTO] = 1,
		[APPLIANCE_METHOD_STATIC] = 2,
		[APPLIANCE_METHOD_DHCP] = 3,
	};

	if (rank[method] > rank[link->method])
		link->method = method;
}

/* --- version 1 ------------------------------------------------------------------------------------------------------------ */

static void take_static_v1(struct reading *r, const struct yaml_node *subnet,
			   struct appliance_link *link)
{
	const struct yaml_node *at = yaml_get(subnet, "address");
	const char *address = NULL;

	if (at && at->kind == YAML_TEXT)
		address = address_of(r, at->text, yaml_text(subnet, "netmask"));
	if (!address) {
		say(r, DIAG_ERROR, at ? at : subnet,
		    "address: ADDRESS/LENGTH, or an address with netmask, is expected");
		return;
	}
	add_text(r, at, &link->addresses, address);
	raise_method(link, APPLIANCE_METHOD_STATIC);
}

static void take_subnet_v1(struct reading *r, const struct yaml_node *subnet,
			   struct appliance_link *link)
{
	static const char *const known[] = {
		"type",	      "address", "netmask", "gateway", "dns_nameservers",
		"dns_search", "control", NULL
	};
	const char *type;

	if (!is_map(r, subnet, "subnets"))
		return;
	type = yaml_text(subnet, "type");
	say_unknown(r, subnet, known);
	if (type && (str_eq(type, "dhcp") || str_eq(type, "dhcp4"))) {
		raise_method(link, APPLIANCE_METHOD_DHCP);
	} else if (type && (str_eq(type, "static") || str_eq(type, "static6"))) {
		take_static_v1(r, subnet, link);
	} else if (type && (str_eq(type, "ipv6_slaac") || str_eq(type, "ipv6_dhcpv6-stateless") ||
			    str_eq(type, "ipv6_dhcpv6-stateful") || str_eq(type, "dhcp6"))) {
		link->dhcp6 |= str_eq(type, "ipv6_dhcpv6-stateful") || str_eq(type, "dhcp6");
		raise_method(link, APPLIANCE_METHOD_AUTO);
	} else if (!type || !str_eq(type, "manual")) {
		say(r, DIAG_ERROR, subnet,
		    "type '%s': dhcp, static, static6, dhcp6, ipv6_slaac or manual is expected",
		    type ? type : "");
	}
	take_gateway(r, yaml_get(subnet, "gateway"), link, 0);
	each_text(r, yaml_get(subnet, "dns_nameservers"), take_dns);
	each_text(r, yaml_get(subnet, "dns_search"), take_search);
}

static void take_physical_v1(struct reading *r, const struct yaml_node *item)
{
	static const char *const known[] = { "type", "name", "mac_address", "mtu", "subnets", NULL };
	const struct yaml_node *subnets = yaml_get(item, "subnets");
	struct appliance_link *link =
		add_link(r, item, yaml_text(item, "name"), yaml_text(item, "mac_address"));

	if (!link)
		return;
	say_unknown(r, item, known);
	take_mtu(r, item, link);
	if (subnets && subnets->kind != YAML_LIST)
		say(r, DIAG_ERROR, subnets, "subnets: a list is expected");
	for (const struct yaml_node *subnet = subnets ? subnets->first : NULL;
	     subnet && subnets->kind == YAML_LIST; subnet = subnet->next)
		take_subnet_v1(r, subnet, link);
}

static void take_v1(struct reading *r, const struct yaml_node *root)
{
	const struct yaml_node *config = yaml_get(root, "config");

	if (!config || config->kind != YAML_LIST) {
		say(r, DIAG_ERROR, config ? config : root, "config: a list is expected");
		return;
	}
	for (const struct yaml_node *item = config->first; item; item = item->next) {
		const char *type = yaml_text(item, "type");

		if (!is_map(r, item, "config"))
			continue;
		if (type && str_eq(type, "physical")) {
			take_physical_v1(r, item);
		} else if (type && str_eq(type, "nameserver")) {
			each_text(r, yaml_get(item, "address"), take_dns);
			each_text(r, yaml_get(item, "search"), take_search);
		} else if (!type || !str_eq(type, "loopback")) {
			say(r, DIAG_ERROR, item, "type '%s': physical and nameserver are supported",
			    type ? type : "");
		}
	}
}

/* --- version 2 ------------------------------------------------------------------------------------------------------------ */

/* An address, or a map of one with its options. */
static void take_addresses_v2(struct reading *r, const struct yaml_node *list,
			      struct appliance_link *link)
{
	if (list && list->kind != YAML_LIST) {
		say(r, DIAG_ERROR, list, "addresses: a list is expected");
		return;
	}
	for (const struct yaml_node *item = list ? list->first : NULL; item; item = item->next) {
		const struct yaml_node *named = item->kind == YAML_MAP ? item->first : NULL;
		const char *text = item->kind == YAML_TEXT ? item->text : named ? named->key : "";
		const char *address = address_of(r, text, NULL);

		if (!address) {
			say(r, DIAG_ERROR, item, "'%s': ADDRESS/LENGTH is expected", text);
			continue;
		}
		if (named)
			say(r, DIAG_WARNING, item,
			    "%s: options of an address are not supported; left out", text);
		add_text(r, item, &link->addresses, address);
		raise_method(link, APPLIANCE_METHOD_STATIC);
	}
}

static void take_routes_v2(struct reading *r, const struct yaml_node *list,
			   struct appliance_link *link)
{
	static const char *const known[] = { "to", "via", "on-link", NULL };

	if (list && list->kind != YAML_LIST) {
		say(r, DIAG_ERROR, list, "routes: a list is expected");
		return;
	}
	for (const struct yaml_node *item = list ? list->first : NULL; item; item = item->next) {
		const char *to = yaml_text(item, "to");

		if (!is_map(r, item, "routes"))
			continue;
		say_unknown(r, item, known);
		if (!to ||
		    (!str_eq(to, "default") && !str_eq(to, "0.0.0.0/0") && !str_eq(to, "::/0")))
			say(r, DIAG_ERROR, item,
			    "a route to '%s': only default routes are supported", to ? to : "");
		else if (!yaml_get(item, "via"))
			say(r, DIAG_ERROR, item, "via: the address of a gateway is expected");
		else
			take_gateway(r, yaml_get(item, "via"), link,
				     str_eq(to, "0.0.0.0/0") ? AF_INET :
				     str_eq(to, "::/0")	     ? AF_INET6 :
							       0);
	}
}

static void take_nameservers_v2(struct reading *r, const struct yaml_node *node)
{
	static const char *const known[] = { "addresses", "search", NULL };

	if (!node || !is_map(r, node, "nameservers"))
		return;
	say_unknown(r, node, known);
	each_text(r, yaml_get(node, "addresses"), take_dns);
	each_text(r, yaml_get(node, "search"), take_search);
}

static void take_methods_v2(const struct yaml_node *node, struct appliance_link *link)
{
	if (is_true(yaml_text(node, "dhcp4")))
		raise_method(link, APPLIANCE_METHOD_DHCP);
	if (is_true(yaml_text(node, "accept-ra")))
		raise_method(link, APPLIANCE_METHOD_AUTO);
	if (is_true(yaml_text(node, "dhcp6"))) {
		link->dhcp6 = true;
		raise_method(link, APPLIANCE_METHOD_AUTO);
	}
}

static void take_ethernet_v2(struct reading *r, const struct yaml_node *node)
{
	static const char *const known[] = { "match",	  "set-name",	 "dhcp4",    "dhcp6",
					     "accept-ra", "addresses",	 "gateway4", "gateway6",
					     "routes",	  "nameservers", "mtu",	     "optional",
					     "renderer",  NULL };
	const struct yaml_node *match = yaml_get(node, "match");
	const char *name = node->key;
	struct appliance_link *link;

	if (!is_map(r, node, node->key))
		return;
	if (yaml_text(match, "name"))
		name = yaml_text(match, "name");
	else if (yaml_text(node, "set-name"))
		name = yaml_text(node, "set-name");
	link = add_link(r, node, name, yaml_text(match, "macaddress"));
	if (!link)
		return;
	say_unknown(r, node, known);
	take_methods_v2(node, link);
	take_addresses_v2(r, yaml_get(node, "addresses"), link);
	take_gateway(r, yaml_get(node, "gateway4"), link, AF_INET);
	take_gateway(r, yaml_get(node, "gateway6"), link, AF_INET6);
	take_routes_v2(r, yaml_get(node, "routes"), link);
	take_nameservers_v2(r, yaml_get(node, "nameservers"));
	take_mtu(r, node, link);
}

static void take_v2(struct reading *r, const struct yaml_node *root)
{
	static const char *const known[] = { "version", "ethernets", "renderer", NULL };
	const struct yaml_node *ethernets = yaml_get(root, "ethernets");

	for (const struct yaml_node *child = root->first; child; child = child->next) {
		bool is_known = false;

		for (const char *const *k = known; *k && !is_known; k++)
			is_known = str_eq(child->key, *k);
		if (!is_known)
			say(r, DIAG_ERROR, child, "%s: only ethernets are supported", child->key);
	}
	if (!ethernets || !is_map(r, ethernets, "ethernets"))
		return;
	for (const struct yaml_node *node = ethernets->first; node; node = node->next)
		take_ethernet_v2(r, node);
}

/* --- files ---------------------------------------------------------------------------------------------------------------- */

void network_config_read(struct network_config *out, struct arena *arena, struct diags *diags,
			 const char *path, const char *text, size_t len)
{
	struct reading r = { out, arena, diags };
	const struct yaml_node *root, *inner;
	const char *version;

	*out = (struct network_config){ .path = path };
	root = yaml_read(arena, diags, path, text, len);
	if (!root || !is_map(&r, root, "the file"))
		return;
	/* cloud-init takes both forms, and netplan's files have the outer key */
	inner = yaml_get(root, "network");
	if (inner && !is_map(&r, inner, "network"))
		return;
	root = inner ? inner : root;
	version = yaml_text(root, "version");
	if (version && str_eq(version, "1"))
		take_v1(&r, root);
	else if (version && str_eq(version, "2"))
		take_v2(&r, root);
	else
		say(&r, DIAG_ERROR, root, "version '%s': 1 or 2 is expected",
		    version ? version : "");
}

int network_config_load(struct network_config *out, struct arena *arena, struct diags *diags,
			const char *path, struct err *err)
{
	auto_buf text = BUF_INIT(NETWORK_CONFIG_MAX_BYTES);

	*out = (struct network_config){ .path = NULL };
	if (file_read_at(AT_FDCWD, path, NETWORK_CONFIG_MAX_BYTES, &text, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	network_config_read(out, arena, diags, path, buf_str(&text), text.len);
	return 0;
}

int network_config_find(struct network_config *out, struct arena *arena, struct diags *diags,
			struct err *err)
{
	if (network_config_load(out, arena, diags, CLEAT_NETWORK_CONFIG, err) < 0 || out->path)
		return out->path ? 0 : -1;
	return network_config_load(out, arena, diags, CLEAT_NOCLOUD_DIR "/network-config", err);
}
