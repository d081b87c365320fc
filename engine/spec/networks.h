/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Networks as units describe them: the words of "podman network create" -> struct net_network, containers -> struct net_container, and what
 * all of them together say. Pure; strings live in the arena or in the words.
 */
#include "net/plan.h"
#include "spec/spec.h"

/* The default network, which no unit describes: 10.88.0.0/16 on cleat0. */
void spec_network_default(struct net_network *out);

/* Options and name of "podman network create", as a .network unit has them. Problems go to diags with the word's origin; -1 when
 * there was an error. place of the network is the origin of its Subnet=, else of its name. */
int spec_network_from_args(struct net_network *out, struct arena *arena,
			   const struct arg_list *args, const char *label,
			   struct diags *diags) MUST_CHECK;

/* A container's wishes; false when it has none (host, none). place: struct origin. label is kept. */
bool spec_to_net_container(const struct container_spec *spec, const char *name, const char *label,
			   bool boot, struct arena *arena, struct net_container *out);

/* All networks of a set (the default one is put before them) and all containers, judged together: subnets that overlap, names
 * that nobody has, addresses outside, ports and addresses that two have. networks are filled as net_plan_networks() does, with room
 * for count + 1; leases and facts as there. What can never start is an error, what may take turns a warning. */
size_t spec_networks_judge(struct net_network *networks, size_t count,
			   const struct net_container *containers, size_t container_count,
			   struct diags *diags);
