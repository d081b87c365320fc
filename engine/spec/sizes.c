/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How large a tmpfs may be. A tmpfs without size= takes half of the machine's memory, and in LXC
 * that is the host's: so every one gets a number, as a share of the memory that this container can
 * have. Shares are bounds, not reservations.
 */
#include "spec/oci_internal.h"

#define MIB (UINT64_C(1024) * 1024)
#define FALLBACK_BYTES \
	(128 * MIB) /* nobody knows: the smallest machine that we promise to run on */
#define LEAST_BYTES (UINT64_C(64) * 1024)
#define PAGE_BYTES UINT64_C(4096)

uint64_t sizes_limit(const struct container_spec *spec, const struct host_facts *host)
{
	uint64_t limit = host->memory_bytes ? host->memory_bytes : FALLBACK_BYTES, most;

	if (spec->limited_by)
		limit = sizes_limit(spec->limited_by, host);
	if (spec_cgroup_bytes(spec, host, "memory.max", &most) && most < limit)
		limit = most;
	return spec->memory_bytes && spec->memory_bytes < limit ? spec->memory_bytes : limit;
}

static uint64_t share(uint64_t limit_bytes, unsigned part)
{
	uint64_t bytes = limit_bytes / part & ~(PAGE_BYTES - 1);

	return bytes < LEAST_BYTES ? LEAST_BYTES : bytes;
}

uint64_t sizes_percent(const struct host_facts *host, unsigned percent)
{
	uint64_t memory = host->memory_bytes ? host->memory_bytes : FALLBACK_BYTES;

	return share(memory / 100 * percent, 1);
}

uint64_t sizes_root(uint64_t limit_bytes)
{
	return share(limit_bytes, 4);
}

uint64_t sizes_scratch(uint64_t limit_bytes)
{
	return share(limit_bytes, 4);
}

uint64_t sizes_run(uint64_t limit_bytes)
{
	return share(limit_bytes, 16);
}

uint64_t sizes_shm(uint64_t limit_bytes)
{
	uint64_t bytes = share(limit_bytes, 8);

	return bytes < 64 * MIB ? bytes : 64 * MIB;
}
