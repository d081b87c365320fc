/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .network units: "podman network create". Subnets, gateways and ranges belong together by their
 * position. Addresses are judged in the engine's pass; names are never looked up.
 */
#include "unit/oneshot_internal.h"

#include <arpa/inet.h>

#include "util/str.h"

const char *resource_network(struct reading *r)
{
	return oneshot_name(r, "NetworkName");
}

static void push_subnets(struct reading *r, struct arg_list *words)
{
	struct arg_list subnets = value_list(r, r->own, "Subnet");
	struct arg_list gateways = value_list(r, r->own, "Gateway");
	struct arg_list ranges = value_list(r, r->own, "IPRange");

	if (!subnets.count && (gateways.count || ranges.count)) {
		reading_fail(r, (gateways.count ? gateways : ranges).items[0].origin,
			     "cannot set gateway or range without subnet");
		return;
	}
	if (gateways.count > subnets.count)
		reading_fail(r, gateways.items[subnets.count].origin,
			     "cannot set more gateways than subnets");
	if (ranges.count > subnets.count)
		reading_fail(r, ranges.items[subnets.count].origin,
			     "cannot set more ranges than subnets");
	for (size_t i = 0; i < subnets.count; i++) {
		convert_push_pair(r, words, "--subnet", &subnets.items[i]);
		if (i < gateways.count)
			convert_push_pair(r, words, "--gateway", &gateways.items[i]);
		if (i < ranges.count)
			convert_push_pair(r, words, "--ip-range", &ranges.items[i]);
	}
}

struct arg_list convert_network_unit(struct reading *r, size_t *image_index)
{
	struct arg_list words = { 0 };

	(void)image_index;
	if (r->is_podman)
		convert_push(r, &words, "--ignore");
	push_subnets(r, &words);
	convert_keys(r, &words);
	oneshot_push_name(r, &words, "NetworkName");
	return words;
}

void service_network(struct reading *r, const struct arg_list *words)
{
	struct arg_list rm = { 0 };

	if (value_bool(r, r->own, "NetworkDeleteOnStop") == VALUE_TRUE) {
		service_text_push(r, &rm,
				  (const char *const[]){ "network", "rm",
							 words->items[words->count - 1].text,
							 NULL });
		service_text_command(r, "ExecStopPost", "", &rm);
	}
	oneshot_service(r, (const char *const[]){ "network", "create", NULL }, words, true);
}

struct address {
	int family;    /* 0: none */
	unsigned bits; /* of the family, or before the slash */
	unsigned char bytes[sizeof(struct in6_addr)];
};

static struct address read_address(const char *text)
{
	struct address a = { 0 };

	if (inet_pton(AF_INET, text, a.bytes) == 1) {
		a.family = AF_INET;
		a.bits = 32;
	} else if (inet_pton(AF_INET6, text, a.bytes) == 1) {
		a.family = AF_INET6;
		a.bits = 128;
	}
	return a;
}

/* "10.89.0.0/24" */
static struct address read_block(struct reading *r, const char *text)
{
	const char *slash = strchr(text, '/');
	struct address a = { 0 };
	uint64_t bits;

	if (!slash)
		return a;
	a = read_address(arena_strndup(r->arena, text, (size_t)(slash - text)));
	if (!str_to_u64(slash + 1, a.bits, &bits))
		a.family = 0;
	else
		a.bits = (unsigned)bits;
	return a;
}

/* The block holds the address, or all of the smaller block. */
static bool is_inside(const struct address *a, const struct address *block)
{
	unsigned whole = block->bits / 8, rest = block->bits % 8;

	if (a->family != block->family || a->bits < block->bits ||
	    memcmp(a->bytes, block->bytes, whole) != 0)
		return false;
	return !rest || (a->bytes[whole] ^ block->bytes[whole]) >> (8 - rest) == 0;
}

static void judge_gateway(struct reading *r, const struct arg *value, const struct address *subnet)
{
	struct address gateway = read_address(value->text);

	if (oneshot_is_open(value->text))
		return;
	if (!gateway.family)
		reading_refuse(r, value->origin, "'%s' is no address", value->text);
	else if (subnet->family && !is_inside(&gateway, subnet))
		reading_refuse(r, value->origin, "%s is outside of its Subnet=", value->text);
}

/* A block, or the first and the last address. */
static void judge_range(struct reading *r, const struct arg *value, const struct address *subnet)
{
	const char *dash = strchr(value->text, '-');
	struct address first, last;

	if (oneshot_is_open(value->text))
		return;
	if (dash) {
		first = read_address(
			arena_strndup(r->arena, value->text, (size_t)(dash - value->text)));
		last = read_address(dash + 1);
	} else {
		first = last = read_block(r, value->text);
	}
	if (!first.family || !last.family)
		reading_refuse(r, value->origin, "'%s' is neither ADDRESS/BITS nor FIRST-LAST",
			       value->text);
	else if (first.family != last.family ||
		 memcmp(first.bytes, last.bytes, sizeof(first.bytes)) > 0)
		reading_refuse(r, value->origin, "%s ends before it begins", value->text);
	else if (subnet->family && (!is_inside(&first, subnet) || !is_inside(&last, subnet)))
		reading_refuse(r, value->origin, "%s is outside of its Subnet=", value->text);
}

static void judge_subnets(struct reading *r)
{
	struct arg_list subnets = value_list(r, r->own, "Subnet");
	struct arg_list gateways = value_list(r, r->own, "Gateway");
	struct arg_list ranges = value_list(r, r->own, "IPRange");

	for (size_t i = 0; i < subnets.count; i++) {
		struct address subnet = read_block(r, subnets.items[i].text);

		if (!subnet.family && !oneshot_is_open(subnets.items[i].text))
			reading_refuse(r, subnets.items[i].origin, "'%s' is not ADDRESS/BITS",
				       subnets.items[i].text);
		if (i < gateways.count)
			judge_gateway(r, &gateways.items[i], &subnet);
		if (i < ranges.count)
			judge_range(r, &ranges.items[i], &subnet);
	}
}

/* Network= of podman run takes them for something else: podman network create refuses them. */
static void judge_reserved(struct reading *r)
{
	static const char *const reserved[] = { "none",	       "host",	"bridge",    "private",
						"slirp4netns", "pasta", "container", "ns",
						"default",     NULL };
	struct arg name;

	if (!value_text(r, r->own, "NetworkName", &name))
		return;
	for (size_t i = 0; reserved[i]; i++)
		if (str_eq(name.text, reserved[i]))
			reading_refuse(r, name.origin,
				       "'%s' is a kind of network, not the name of one", name.text);
}

void judge_network_unit(struct reading *r)
{
	oneshot_judge_name(r, "NetworkName");
	judge_reserved(r);
	oneshot_judge_choice(r, "Driver",
			     (const char *const[]){ "bridge", "macvlan", "ipvlan", NULL });
	oneshot_judge_choice(r, "IPAMDriver",
			     (const char *const[]){ "host-local", "dhcp", "none", NULL });
	judge_subnets(r);
	/* No word comes of it, so nothing else would say what is wrong with it. */
	(void)value_bool(r, r->own, "NetworkDeleteOnStop");
}
