/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Pods: what "podman pod create" is told becomes a container_spec with is_pod (no image, no program), a member takes over what is the
 * pod's, and the pod becomes the config.json of a holder of namespaces. All pure.
 */
#include "spec/spec.h"

/* The words of a .pod unit. Strings live in the arena or in the words; problems go to diags at the words' origins; -1 when there was an
 * error. spec->name and spec->hostname are set after success. */
int spec_pod_from_args(struct container_spec *spec, struct arena *arena,
		       const struct arg_list *args, struct diags *diags) MUST_CHECK;

/* A pod whose containers' cgroups lie in one of its own. */
bool spec_has_limits(const struct container_spec *pod);

/* Gives a member (member->pod) what the pod shares: network, names, host name, user namespace and, where it mounts nothing of its own at
 * the place, the pod's volumes (borrowed); its limits hold for the member as well (the pod is borrowed). And the pod the member's name, under which other containers of its networks find it.
 * Strings live in the arena. */
void spec_join_pod(struct container_spec *member, struct container_spec *pod, struct arena *arena);

/* The same with the pod as its unit in the set has it, for who shows what will be. -1: the set has none, or its words have errors;
 * the member stays as it is. */
struct unit_set;
int spec_join_pod_of(const struct unit_set *set, struct container_spec *member,
		     struct arena *arena) MUST_CHECK;

/* A pod -> config.json of its holder. As spec_to_oci(). */
int spec_pod_to_oci(const struct container_spec *pod, const struct host_facts *host,
		    const char *run_id, struct spec_remarks *remarks, struct arena *arena,
		    struct buf *out, struct err *err) MUST_CHECK;
