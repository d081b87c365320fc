/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What units say together about networks: subnets that overlap, names that nobody has, addresses and ports that two have. A
 * unit with errors of its own is left out: they are said elsewhere.
 */
#include "cli/findings.h"

#include "spec/networks.h"

static void add_network(const struct unit *unit, struct arena *arena, struct net_network *networks,
			size_t *count)
{
	struct diags ignored = { 0 };

	if (*count < NET_MAX_NETWORKS - 1 &&
	    spec_network_from_args(&networks[*count], arena, &unit->spec_args, unit->name,
				   &ignored) == 0)
		(*count)++;
	diags_fini(&ignored);
}

static void add_container(const struct unit *unit, struct arena *arena,
			  struct net_container **containers, size_t *count)
{
	struct container_spec *spec = arena_new(arena, struct container_spec);
	struct net_container container;
	struct diags ignored = { 0 };

	if (spec_from_args(spec, arena, &unit->spec_args, &ignored) == 0 &&
	    spec_to_net_container(spec, unit->container_name, unit->name, unit->service.boot, arena,
				  &container))
		*arena_push(arena, *containers, *count) = container;
	diags_fini(&ignored);
}

void check_networks(const struct unit_set *set, struct diags *out)
{
	auto_arena arena = { 0 };
	struct net_network *networks =
		arena_alloc(&arena, (NET_MAX_NETWORKS + 1) * sizeof(*networks));
	struct net_container *containers = NULL;
	size_t network_count = 0, container_count = 0;

	for (size_t i = 0; i < set->count; i++) {
		const struct unit *unit = &set->units[i];

		if (!unit->is_valid || unit->is_template)
			continue;
		if (unit->kind == UNIT_NETWORK)
			add_network(unit, &arena, networks, &network_count);
		else if (unit->kind == UNIT_CONTAINER)
			add_container(unit, &arena, &containers, &container_count);
	}
	spec_networks_judge(networks, network_count, containers, container_count, out);
}
