/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One annotation an end: what the runtime makes inside the container's network namespace. The words are the plan's; nothing is
 * decided here.
 */
#include "spec/oci_internal.h"

#include "net/plan.h"

void oci_write_networks(struct oci *o)
{
	const struct host_facts *host = o->host;

	if (o->spec->network != SPEC_NETWORK_DEFAULT || o->spec->pod || !host->ends)
		return;
	for (size_t i = 0; i < host->end_count; i++) {
		auto_buf words = BUF_INIT(512);

		net_end_words(&host->ends[i], host->default_end == (int)i, &words);
		json_str(o->json, arena_printf(o->arena, "org.cleat.network.%zu", i),
			 buf_str(&words));
	}
}
