/* SPDX-License-Identifier: Apache-2.0 */
/* network-config: each link that comes of it has a name and a method, each address is one, and every complaint has a line of the file. */
#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "boot/config_internal.h"
#include "unit/network_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int family_of(const char *text)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, text, bytes) == 1  ? AF_INET :
	       inet_pton(AF_INET6, text, bytes) == 1 ? AF_INET6 :
						       0;
}

static void check_link(const struct appliance_link *link)
{
	assert(link->name[0] && strlen(link->name) <= 17 && !strpbrk(link->name, "/ \n%*"));
	assert(link->has_method && link->method <= APPLIANCE_METHOD_OFF);
	assert(link->mtu == 0 || (link->mtu >= 68 && link->mtu <= 65535));
	assert(link->addresses.count <= APPLIANCE_MAX_TEXTS);
	for (unsigned i = 0; i < link->addresses.count; i++) {
		char address[64];
		const char *slash = strchr(link->addresses.text[i], '/');

		assert(slash && (size_t)(slash - link->addresses.text[i]) < sizeof(address));
		snprintf(address, sizeof(address), "%.*s", (int)(slash - link->addresses.text[i]),
			 link->addresses.text[i]);
		assert(family_of(address) && strspn(slash + 1, "0123456789") == strlen(slash + 1));
	}
	for (unsigned i = 0; i < link->gateways.count; i++)
		assert(family_of(link->gateways.text[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct network_config config;
	struct arena arena = { 0 };
	struct diags diags = { 0 };
	char name[64];

	if (size > NETWORK_CONFIG_MAX_BYTES)
		return 0;
	network_config_read(&config, &arena, &diags, "file", (const char *)data, size);
	assert(config.link_count <= APPLIANCE_MAX_LINKS);
	for (unsigned i = 0; i < config.link_count; i++)
		check_link(&config.links[i]);
	for (unsigned i = 0; i < config.dns.count; i++)
		assert(family_of(config.dns.text[i]));
	for (size_t i = 0; i < diags.count; i++)
		assert(diags.items[i].line > 0 && diags.items[i].text[0]);
	/* the same bytes as what a cidata disk says of its machine */
	nocloud_hostname((const char *)data, size, (const char *)data, size, name, sizeof(name));
	assert(strlen(name) <= 63 && !strpbrk(name, ". /\n"));
	arena_fini(&arena);
	diags_fini(&diags);
	return 0;
}
