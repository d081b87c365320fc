/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Internal to spec/: what the writers of config.json share. Everything is decided before the first
 * byte is written.
 */
#include "spec/options.h"
#include "spec/spec.h"
#include "util/json.h"

struct oci {
	const struct container_spec *spec;
	const struct image_facts *image;
	const struct host_facts *host;
	const char *run_id;
	struct arena *arena;
	struct spec_remarks *remarks;
	struct json *json;

	uint64_t limit_bytes; /* L of DESIGN "Sizes" */
	const char *user;     /* raw: names or numbers; "0" when nobody said anything */
	bool user_is_said;
	bool is_root; /* as podman judges: nobody said anything, "0" or "root" */
	struct strv args;
	struct strv env;      /* NAME=VALUE */
	struct strv bounding; /* also permitted and effective of root */
	struct strv ambient;  /* of anybody else: permitted, effective, inheritable, ambient */
	const char *hostname;
	const char *seccomp; /* the object's text; NULL: unconfined */
};

#define OCI_NOTIFY_TARGET "/run/notify"	   /* where podman has it */
#define OCI_INIT_TARGET "/run/podman-init" /* likewise; programs look for it in /proc/1 */

void oci_remark(struct oci *o, const char *fmt, ...) ERR_PRINTF(2, 3);

/* environment.c: defaults, image, files, --env, in podman's order. */
int environment_make(struct oci *o, const struct strv *env_file_text, struct err *err) MUST_CHECK;

/* sizes.c: every tmpfs gets a number. */
uint64_t sizes_limit(const struct container_spec *spec, const struct host_facts *host);
uint64_t sizes_percent(const struct host_facts *host,
		       unsigned percent); /* of the memory, whatever the unit's share of it */
uint64_t sizes_root(uint64_t limit_bytes);
uint64_t sizes_scratch(uint64_t limit_bytes); /* /tmp, a tmpfs without a size, an image's volume */
uint64_t sizes_run(uint64_t limit_bytes);     /* /run, /var/tmp */
uint64_t sizes_shm(uint64_t limit_bytes);

/* oci_secrets.c: the value of annotation org.cleat.secrets (README.md), in the arena. */
const char *oci_secrets_text(struct oci *o);

/* oci_accounts.c: annotations org.cleat.passwd and org.cleat.group. */
#define OCI_ACCOUNT_MAX_BYTES 4096
void oci_write_accounts(struct oci *o);

/* oci_process.c, oci_mounts.c, oci_linux.c */
void oci_write_process(struct oci *o);
const char *oci_workdir(const struct oci *o);
/* Does a mount of the user's lie at the target or above it? */
bool oci_user_mounts_over(const struct container_spec *spec, const char *target);
int oci_write_mounts(struct oci *o, struct err *err) MUST_CHECK;
void oci_write_linux(struct oci *o);
/* oci_network.c: annotations org.cleat.network.N. */
void oci_write_networks(struct oci *o);
/* oci_linux.c: the id maps. */
void oci_write_maps(struct oci *o);
/* oci_pod.c: an entry of "namespaces", that of the pod if there is one and it shares it; the annotation that says who holds them. */
void oci_write_namespace(struct oci *o, const char *type);
/* names ends in NULL; the network, if there is one of its own, comes last. */
void oci_write_namespaces(struct oci *o, const char *const *names);
void oci_write_pod(struct oci *o);
void oci_write_cgroup(struct oci *o); /* cgroupsPath, resources */
/* Is sysfs bound instead of mounted? Mounting needs a network namespace of the same owner. */
bool oci_binds_sysfs(const struct container_spec *spec);
/* Does an --unmask pattern take the path out of the lists? */
bool oci_is_unmasked(const struct container_spec *spec, const char *path);

/*
 * seccomp.c: the object of config.json as text; the built-in profile resolved for a set of
 * capabilities.
 */
int seccomp_default_text(const struct strv *capabilities, struct arena *arena, const char **out,
			 struct err *err) MUST_CHECK;
/* seccomp_file.c: a profile in podman's or the OCI form, resolved the same way. */
int seccomp_file_text(const char *text, const struct strv *capabilities, struct arena *arena,
		      const char **out, struct err *err) MUST_CHECK;
#define SECCOMP_TEXT_MAX (1024 * 1024)
#if defined(__x86_64__)
#define SECCOMP_ARCH "SCMP_ARCH_X86_64"
#define SECCOMP_MACHINE "x86_64"
#define SECCOMP_GOARCH "amd64"
#elif defined(__aarch64__)
#define SECCOMP_ARCH "SCMP_ARCH_AARCH64"
#define SECCOMP_MACHINE "aarch64"
#define SECCOMP_GOARCH "arm64"
#else
#error "no seccomp architecture is known for this machine"
#endif
