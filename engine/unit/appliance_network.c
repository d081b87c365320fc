/* SPDX-License-Identifier: Apache-2.0 */
/*
 * [Network] and [Link NAME] of appliance.ini. Judged here, so that "cleat check" says what is wrong before a machine is without its network.
 * Must never look at the links that there are: one may come later.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "unit/appliance_internal.h"
#include "util/str.h"

#define LINK_WORD "Link "
#define NAME_MAX_BYTES 15 /* of an interface */
#define MTU_MIN 576
#define MTU_MAX 65535

static bool is_mac(const char *text)
{
	for (unsigned i = 0; i < 17; i++)
		if (i % 3 == 2 ? text[i] != ':' : str_hex_value(text[i]) < 0)
			return false;
	return text[17] == '\0';
}

static bool is_interface(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= NAME_MAX_BYTES && text[0] != '.' && text[0] != '-' &&
	       !strpbrk(text, "/: \t%");
}

bool appliance_is_link(const char *section)
{
	return str_starts(section, LINK_WORD);
}

/* The one that is spoken of is the last; which stands where says nothing. */
const char *appliance_begin_link(struct appliance *a, struct arena *arena, const char *section)
{
	const char *name = section + strlen(LINK_WORD);
	struct appliance_link last;
	char *lower;

	if (!is_mac(name) && !is_interface(name))
		return "the name of an interface, as eth0, or its MAC address is expected";
	lower = arena_strdup(arena, name);
	for (char *p = lower; is_mac(name) && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	for (unsigned i = 0; i < a->link_count; i++) {
		if (!str_eq(a->links[i].name, lower))
			continue;
		last = a->links[i];
		a->links[i] = a->links[a->link_count - 1];
		a->links[a->link_count - 1] = last;
		return NULL;
	}
	if (a->link_count == APPLIANCE_MAX_LINKS)
		return "at most 8 links are expected";
	a->links[a->link_count++] = (struct appliance_link){ .name = lower };
	return NULL;
}

static struct appliance_link *current(struct appliance *a)
{
	return &a->links[a->link_count - 1];
}

static bool is_address(const char *text, unsigned *bits)
{
	unsigned char bytes[16];

	*bits = 32;
	if (inet_pton(AF_INET, text, bytes) == 1)
		return bytes[0] != 0 && bytes[0] < 224;
	*bits = 128;
	return inet_pton(AF_INET6, text, bytes) == 1 && bytes[0] != 0xff;
}

static bool is_gateway(const char *text)
{
	unsigned bits;

	return is_address(text, &bits);
}

static bool is_address_and_length(const char *text)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	unsigned bits;
	uint64_t length;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	return is_address(address, &bits) && str_to_u64(slash + 1, bits, &length) && length > 0;
}

static bool is_domain(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > 253 || text[0] == '.' || text[0] == '-')
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("-_.", *text))
			return false;
	return true;
}

/* Words of the value behind those that are there; none is taken when one is no good. */
static bool add_words(struct appliance_texts *out, struct arena *arena, const char *value,
		      bool (*is_good)(const char *))
{
	struct appliance_texts texts = *out;
	char *word = arena_strdup(arena, value);

	for (word += strspn(word, " \t,"); *word; word += strspn(word, " \t,")) {
		size_t len = strcspn(word, " \t,");
		char *next = word + len + (word[len] != '\0');

		word[len] = '\0';
		if (!is_good(word) || texts.count == APPLIANCE_MAX_TEXTS)
			return false;
		texts.text[texts.count++] = word;
		word = next;
	}
	*out = texts;
	return true;
}

const char *appliance_set_dns(struct appliance *a, struct arena *arena, const char *value)
{
	return add_words(&a->dns, arena, value, is_gateway) ? NULL :
							      "up to 8 addresses of name servers";
}

const char *appliance_set_search(struct appliance *a, struct arena *arena, const char *value)
{
	return add_words(&a->search, arena, value, is_domain) ? NULL : "up to 8 names of domains";
}

const char *appliance_set_link_method(struct appliance *a, struct arena *arena, const char *value)
{
	static const char *const names[] = {
		[APPLIANCE_METHOD_DHCP] = "dhcp",
		[APPLIANCE_METHOD_STATIC] = "static",
		[APPLIANCE_METHOD_AUTO] = "auto",
		[APPLIANCE_METHOD_OFF] = "off",
	};

	(void)arena;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq(value, names[i])) {
			current(a)->has_method = true;
			current(a)->method = (enum appliance_method)i;
			return NULL;
		}
	return "dhcp, static, auto or off";
}

const char *appliance_set_link_address(struct appliance *a, struct arena *arena, const char *value)
{
	return add_words(&current(a)->addresses, arena, value, is_address_and_length) ?
		       NULL :
		       "ADDRESS/LENGTH, up to 8 of them";
}

const char *appliance_set_link_gateway(struct appliance *a, struct arena *arena, const char *value)
{
	return add_words(&current(a)->gateways, arena, value, is_gateway) ?
		       NULL :
		       "the address of a router, up to 8 of them";
}

const char *appliance_set_link_dhcp6(struct appliance *a, struct arena *arena, const char *value)
{
	(void)arena;
	if (!str_eq(value, "yes") && !str_eq(value, "no"))
		return "yes or no";
	current(a)->dhcp6 = str_eq(value, "yes");
	return NULL;
}

const char *appliance_set_link_mtu(struct appliance *a, struct arena *arena, const char *value)
{
	uint64_t n;

	(void)arena;
	if (!str_to_u64(value, MTU_MAX, &n) || n < MTU_MIN)
		return "a number from 576 to 65535";
	current(a)->mtu = (unsigned)n;
	return NULL;
}
