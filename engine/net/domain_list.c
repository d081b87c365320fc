/* SPDX-License-Identifier: Apache-2.0 */
/* Labels -> names. Must never let a text through to resolv.conf that is more than names. */
#include "net/domain_list.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "net/lease.h"

/* One name of labels at *at; false at the end of the list, or when it is none. */
static bool read_name(const uint8_t *data, size_t len, size_t *at, char name[256])
{
	size_t used = 0;

	while (*at < len && data[*at]) {
		size_t label = data[*at];

		if (label > 63 || *at + 1 + label > len || used + label + 2 > 256)
			return false;
		if (used)
			name[used++] = '.';
		memcpy(name + used, data + *at + 1, label);
		used += label;
		*at += 1 + label;
	}
	name[used] = '\0';
	if (*at >= len)
		return false;
	++*at;
	return used > 0 && strlen(name) == used;
}

void domain_list_read(const uint8_t *data, size_t len, char *out, size_t size)
{
	size_t at = 0, used = strlen(out);
	char name[256];

	while (read_name(data, len, &at, name)) {
		if (!lease_is_domain(name) || used + strlen(name) + 2 > size)
			continue;
		used += (size_t)snprintf(out + used, size - used, "%s%s", used ? " " : "", name);
	}
}
