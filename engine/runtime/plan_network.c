/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Annotations org.cleat.network.N, one per interface: "bridge=cleat0 link=v1a2b3c4d5e6f0 name=eth0 mac=0a:58:0a:58:00:05
 * address=10.88.0.5/16 gateway=10.88.0.1 mtu=1500". Words in any order, one blank between them. What is not understood to the
 * last byte is refused: half a network is a container that looks healthy and is not reachable.
 */
#include <arpa/inet.h>
#include <string.h>

#include "runtime/plan.h"
#include "util/cleanup.h"
#include "util/str.h"

#define PREFIX "org.cleat.network."
#define MTU_MIN 68 /* RFC 791 */
#define MTU_MAX 65535

/* What the kernel takes for a name of an interface (dev_valid_name), and no more than people use. */
static int read_name(const char *text, char out[PLAN_LINK_NAME], struct err *err)
{
	size_t len =
		strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	if (len == 0 || text[len] || len >= PLAN_LINK_NAME || str_eq(text, ".") ||
	    str_eq(text, ".."))
		return err_set(err, ERR_INPUT, "\"%s\" is not a name of an interface", text);
	memcpy(out, text, len + 1);
	return 0;
}

static int read_bridge(struct plan_network *n, char *text, struct err *err)
{
	return read_name(text, n->bridge, err);
}

static int read_link(struct plan_network *n, char *text, struct err *err)
{
	return read_name(text, n->link, err);
}

static int read_inner_name(struct plan_network *n, char *text, struct err *err)
{
	if (str_eq(text, "lo") || str_eq(text, "all") || str_eq(text, "default"))
		return err_set(err, ERR_INPUT, "\"%s\" is taken", text);
	return read_name(text, n->name, err);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_mac(struct plan_network *n, char *text, struct err *err)
{
	static const uint8_t none[6];

	for (size_t i = 0; i < 6; i++) {
		const char *p = text + 3 * i;
		int high = hex_digit(p[0]), low = high < 0 ? -1 : hex_digit(p[1]);

		if (low < 0 || p[2] != (i == 5 ? '\0' : ':'))
			return err_set(err, ERR_INPUT,
				       "\"%s\" is not six bytes in lower-case digits", text);
		n->mac[i] = (uint8_t)(high << 4 | low);
	}
	if ((n->mac[0] & 1) || memcmp(n->mac, none, 6) == 0)
		return err_set(err, ERR_INPUT, "\"%s\" is not the address of one interface", text);
	return 0;
}

static int read_ipv4(const char *text, struct in_addr *out, struct err *err)
{
	if (inet_pton(AF_INET, text, out) != 1)
		return err_set(err, ERR_INPUT, "\"%s\" is not an IPv4 address", text);
	return 0;
}

static int read_address(struct plan_network *n, char *text, struct err *err)
{
	char *slash = strchr(text, '/');
	uint64_t prefix;

	if (!slash || !str_to_u64(slash + 1, 30, &prefix) || prefix < 1)
		return err_set(err, ERR_INPUT, "\"%s\" is not ADDRESS/1 to ADDRESS/30", text);
	*slash = '\0';
	n->prefix = (uint8_t)prefix;
	return read_ipv4(text, &n->address, err);
}

static int read_gateway(struct plan_network *n, char *text, struct err *err)
{
	n->has_gateway = true;
	return read_ipv4(text, &n->gateway, err);
}

static int read_mtu(struct plan_network *n, char *text, struct err *err)
{
	uint64_t mtu;

	if (!str_to_u64(text, MTU_MAX, &mtu) || mtu < MTU_MIN)
		return err_set(err, ERR_INPUT, "\"%s\" is not %d to %d", text, MTU_MIN, MTU_MAX);
	n->mtu = (uint32_t)mtu;
	return 0;
}

static const struct word {
	const char *name;
	int (*read)(struct plan_network *n, char *text, struct err *err);
	bool needed;
} words[] = {
	{ "bridge", read_bridge, true },   { "link", read_link, true },
	{ "name", read_inner_name, true }, { "mac", read_mac, true },
	{ "address", read_address, true }, { "gateway", read_gateway, false },
	{ "mtu", read_mtu, false },
};
#define WORD_COUNT (sizeof(words) / sizeof(words[0]))

static int read_word(struct plan_network *n, char *text, bool seen[WORD_COUNT], struct err *err)
{
	char *value = strchr(text, '=');

	for (size_t i = 0; value && i < WORD_COUNT; i++) {
		size_t len = strlen(words[i].name);

		if ((size_t)(value - text) != len || strncmp(text, words[i].name, len) != 0)
			continue;
		if (seen[i])
			return err_set(err, ERR_INPUT, "%s= is there twice", words[i].name);
		seen[i] = true;
		if (words[i].read(n, value + 1, err) < 0)
			return err_wrap(err, "%s", words[i].name);
		return 0;
	}
	return err_set(err, ERR_INPUT, "\"%s\" is not known", text);
}

static bool is_network(struct in_addr a, struct in_addr b, uint8_t prefix)
{
	return ((ntohl(a.s_addr) ^ ntohl(b.s_addr)) >> (32 - prefix)) == 0;
}

static int check_network(const struct plan *plan, const struct plan_network *n, struct err *err)
{
	if (n->has_gateway && !is_network(n->address, n->gateway, n->prefix))
		return err_set(err, ERR_INPUT, "the gateway is not in the address's subnet");
	for (size_t i = 0; i < plan->network_count; i++) {
		const struct plan_network *other = &plan->networks[i];

		if (str_eq(other->name, n->name) || str_eq(other->link, n->link))
			return err_set(err, ERR_INPUT, "%s and %s: two interfaces have this name",
				       n->name, n->link);
	}
	return 0;
}

static int read_network(struct plan *plan, yyjson_val *value, struct err *err)
{
	struct plan_network *n = &plan->networks[plan->network_count];
	bool seen[WORD_COUNT] = { false };
	char text[256], *next = text;
	const char *given;

	if (plan_str(value, &given, err) < 0)
		return -1;
	if (!str_copy(text, sizeof(text), given))
		return err_set(err, ERR_LIMIT, "longer than %zu bytes", sizeof(text) - 1);
	while (next) {
		char *word = next;

		next = strchr(word, ' ');
		if (next)
			*next++ = '\0';
		if (read_word(n, word, seen, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < WORD_COUNT; i++)
		if (words[i].needed && !seen[i])
			return err_set(err, ERR_INPUT, "%s= is missing", words[i].name);
	if (check_network(plan, n, err) < 0)
		return -1;
	plan->network_count++;
	return 0;
}

/* A number that nobody reads would be an interface that is not there. */
static int check_names(yyjson_val *annotations, struct err *err)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(annotations);
	yyjson_val *key;

	while ((key = yyjson_obj_iter_next(&it))) {
		const char *name = yyjson_get_str(key), *rest;

		if (!str_starts(name, PREFIX))
			continue;
		rest = name + strlen(PREFIX);
		if (rest[0] < '0' || rest[0] >= '0' + PLAN_MAX_NETWORKS || rest[1])
			return err_set(err, ERR_INPUT, "%s: networks are %s0 to %s%d", name, PREFIX,
				       PREFIX, PLAN_MAX_NETWORKS - 1);
	}
	return 0;
}

int plan_networks(struct plan *plan, yyjson_val *annotations, struct err *err)
{
	char name[] = PREFIX "0";

	if (check_names(annotations, err) < 0)
		return -1;
	for (int i = 0; i < PLAN_MAX_NETWORKS; i++) {
		yyjson_val *value;

		name[sizeof(name) - 2] = (char)('0' + i);
		value = yyjson_obj_get(annotations, name);
		if (value && read_network(plan, value, err) < 0)
			return err_wrap(err, "%s", name);
	}
	return 0;
}
