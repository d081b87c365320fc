/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What units say together about networks: subnets that overlap, names that nobody has, addresses and ports that two have. A
 * unit with errors of its own is left out: they are said elsewhere. Must never keep a whole spec: only what its networks are.
 */
#include "cli/findings.h"

#include "spec/networks.h"

static bool is_counted(const struct unit *unit)
{
	return unit->is_valid && !unit->is_template;
}

void check_networks_init(struct check_networks *n)
{
	*n = (struct check_networks){ .arena = { .is_brief = true } };
	n->networks = arena_alloc(&n->arena, (NET_MAX_NETWORKS + 1) * sizeof(*n->networks));
}

void check_networks_add(struct check_networks *n, const struct unit *unit)
{
	struct diags ignored = { 0 };

	if (is_counted(unit) && n->network_count < NET_MAX_NETWORKS - 1 &&
	    spec_network_from_args(&n->networks[n->network_count], &n->arena, &unit->spec_args,
				   unit->name, &ignored) == 0)
		n->network_count++;
	diags_fini(&ignored);
}

static const char *keep_text(struct arena *arena, const char *text)
{
	return text ? arena_strdup(arena, text) : NULL;
}

/* What points into the spec's own memory. */
static const struct net_join *keep_joins(struct arena *arena, const struct net_join *from,
					 size_t count)
{
	struct net_join *joins = arena_alloc(arena, (count + 1) * sizeof(*joins));

	for (size_t i = 0; i < count; i++) {
		const char **aliases =
			arena_alloc(arena, (from[i].alias_count + 1) * sizeof(*aliases));

		for (size_t k = 0; k < from[i].alias_count; k++)
			aliases[k] = keep_text(arena, from[i].aliases[k]);
		joins[i] = from[i];
		joins[i].network = keep_text(arena, from[i].network);
		joins[i].interface = keep_text(arena, from[i].interface);
		joins[i].aliases = aliases;
	}
	return joins;
}

const struct net_container *check_networks_container(struct arena *arena, const struct unit *unit,
						     const struct container_spec *spec)
{
	const char *name = spec->name ? spec->name : unit->container_name;
	struct net_container *container;

	if (!is_counted(unit) || spec->network != SPEC_NETWORK_DEFAULT)
		return NULL;
	container = arena_new(arena, struct net_container);
	if (!spec_to_net_container(spec, name, unit->name, unit->service.boot, arena, container))
		return NULL;
	container->name = keep_text(arena, name);
	container->joins = keep_joins(arena, container->joins, container->join_count);
	return container;
}

void check_networks_add_container(struct check_networks *n, const struct net_container *container)
{
	if (container)
		*arena_push(&n->arena, n->containers, n->container_count) = *container;
}

void check_networks_judge(struct check_networks *n, struct diags *out)
{
	spec_networks_judge(n->networks, n->network_count, n->containers, n->container_count, out);
}

void check_networks_fini(struct check_networks *n)
{
	arena_fini(&n->arena);
}
