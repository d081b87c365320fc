/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The id map, once as numbers and once as the text that the kernel reads. Every user namespace of
 * ours has exactly this map. Must never map an id inside the reserved band to itself.
 */
#include "util/ids.h"

#include <stddef.h>

const struct ids_range ids_map[3] = {
	{ 0, IDS_ROOT, 1 },
	{ 1, 1, IDS_RESERVED_FIRST - 1 },
	{ IDS_RESERVED_LAST + 1, IDS_RESERVED_LAST + 1, IDS_LAST - IDS_RESERVED_LAST },
};

const char *ids_map_text(void)
{
	_Static_assert(IDS_ROOT == 65000 && IDS_RESERVED_FIRST == 65000 &&
			       IDS_RESERVED_LAST == 65023 && IDS_LAST == 65535,
		       "the text below says the same as the table above");
	return "0 65000 1\n"
	       "1 1 64999\n"
	       "65024 65024 512\n";
}

bool ids_to_outside(uint32_t inside, uint32_t *outside)
{
	for (size_t i = 0; i < sizeof(ids_map) / sizeof(ids_map[0]); i++) {
		const struct ids_range *r = &ids_map[i];

		if (inside >= r->inside && inside - r->inside < r->count) {
			*outside = inside - r->inside + r->outside;
			return true;
		}
	}
	return false;
}

bool ids_to_inside(uint32_t outside, uint32_t *inside)
{
	for (size_t i = 0; i < sizeof(ids_map) / sizeof(ids_map[0]); i++) {
		const struct ids_range *r = &ids_map[i];

		if (outside >= r->outside && outside - r->outside < r->count) {
			*inside = outside - r->outside + r->inside;
			return true;
		}
	}
	return false;
}
