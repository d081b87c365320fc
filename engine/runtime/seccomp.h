/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Seccomp profiles: OCI text -> classic BPF for the native architecture, kept in a file of the
 * cache directory (seccomp-SHA256.bpf, mode 0600). Compiling podman's profile costs milliseconds
 * and megabytes, so it happens once per boot and in a process of its own, and for the profile of
 * nearly all containers not at all (seccomp_ready.h); loading the result costs 85 us.
 */
#include "runtime/plan.h"

#define SECCOMP_MAX_INSNS 4096u /* BPF_MAXINSNS */

/* Fills plan->filter (in the plan's memory) from the cache, compiling on a miss. No profile:
 * nothing. */
int seccomp_prepare(struct plan *plan, const char *cache_dir, struct err *err) MUST_CHECK;
/* Loads plan->filter into the calling process; without no_new_privs that needs CAP_SYS_ADMIN
 * here. */
int seccomp_load_filter(const struct plan *plan, struct err *err) MUST_CHECK;
/* Compiles the profile in a file (a profile object, or a config.json that has one) into the
 * cache. out: the path. */
int seccomp_compile_file(const char *path, const char *cache_dir, char *out, size_t size,
			 struct err *err) MUST_CHECK;
