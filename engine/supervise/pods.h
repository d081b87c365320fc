/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Pods in the engine. A pod is an entry like a container: run directory, shim, status, teardown and adoption are the same; what its shim
 * stays with is a holder of namespaces (runtime/hold.c). Its network is an entry's like any other; its members have none of their own.
 */
#include "supervise/core.h"
#include "supervise/internal.h"

/* A .pod unit's words -> entry->spec. -1: said in the unit set's diagnostics. */
int pods_convert(struct engine *e, struct engine_entry *entry) MUST_CHECK;
/* When every unit has been converted: members find their pods and get what is the pods'. One whose pod has errors is invalid, too. */
void pods_link(struct engine *e);
/* What of the policy is a pod's; after everything else was put into it. */
void pods_policy(const struct container_spec *spec, struct core_policy *policy);
/* A pod's config.json, as text, with its files of names beside it. */
int pods_config(struct engine *e, unsigned index, struct spec_remarks *remarks, struct arena *arena,
		struct buf *out, struct err *err) MUST_CHECK;
/* A member's start: the holder, and the files of names, which are the pod's. ERR_BUSY: the pod does not run. */
int pods_describe(const struct engine *e, const struct engine_entry *member, struct arena *arena,
		  struct host_facts *host, struct err *err) MUST_CHECK;
/* The pod of an entry; NULL: it is in none. */
const struct engine_entry *pods_of(const struct engine *e, const struct engine_entry *entry);
