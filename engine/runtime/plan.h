/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * config.json as the steps need it: checked, bounded, numbers instead of words. Everything lives
 * in one anonymous mapping that plan_fini() gives back, so that a shim that stays keeps none of
 * it. Keys that we do not act on are refused by name unless plan*.c's tables say why leaving
 * them out is harmless.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yyjson.h>

#include "util/err.h"
#include "util/secret.h"

#define PLAN_CONFIG_MAX_BYTES (4u << 20)
#define PLAN_MAX_WORDS 4096 /* args, env */
#define PLAN_MAX_MOUNTS 256
#define PLAN_MAX_PATHS 256 /* maskedPaths, readonlyPaths */
#define PLAN_MAX_LAYERS 128
#define PLAN_MAX_SETTINGS 64
#define PLAN_MAX_DEVICES 64
#define PLAN_MAX_SYSCTLS 64
#define PLAN_MAX_RLIMITS 16
#define PLAN_MAX_GROUPS 256
#define PLAN_MAX_ID_RANGES 32
#define PLAN_MAX_NETWORKS 8
#define PLAN_LINK_NAME 16 /* IFNAMSIZ */
#define PLAN_MAX_SECRETS 64

struct pool {
	char *base; /* owned: mmap, unless it is lent */
	size_t size, used;
	bool is_lent;
};

struct strings {
	const char **items; /* NULL-terminated */
	size_t count;
};

enum plan_mount_kind {
	PLAN_MOUNT_BIND,
	PLAN_MOUNT_TMPFS,
	PLAN_MOUNT_PROC,
	PLAN_MOUNT_SYSFS,
	PLAN_MOUNT_DEVPTS,
	PLAN_MOUNT_MQUEUE,
	PLAN_MOUNT_CGROUP,
	PLAN_MOUNT_SECRET, /* source: the secret's name; tree: secret.c */
	PLAN_MOUNT_ACCOUNTS, /* passwd or group with a line more; tree: accounts.c, -1 when the image's will do */
	PLAN_MOUNT_POD_MEMORY, /* what the members of a pod share as /dev/shm; tree: join.c */
};

struct plan_mount {
	enum plan_mount_kind kind;
	const char *source;   /* bind: absolute path in the appliance */
	const char *target;   /* absolute, cleaned, never "/" */
	const char *data;     /* options for the file system, "size=1m,mode=755"; "" */
	uint64_t attributes;  /* MOUNT_ATTR_* to set */
	uint64_t propagation; /* MS_PRIVATE or MS_SLAVE */
	bool recursive;	      /* rbind: attributes hold for everything below as well */
	bool make;	      /* x-cleat-make: a missing source is made for the container's user */
	bool copy_up;	      /* tmpcopyup: a tmpfs begins with what the image has there */
	bool volume;	      /* x-cleat-volume: a named volume, runtime/volume.h */
	bool copy_content;    /* x-cleat-copy: an empty volume is filled from the image */
	bool change_owner;    /* x-cleat-chown: all of it is given to the container's user */
	bool own_missing;     /* x-cleat-owner: the user's, if the image has no such directory */
	bool only_missing;    /* x-cleat-missing: not where the image has something */
	bool own;   /* x-cleat-own: a writable root gets a copy that is its own, where it can */
	bool idmap; /* idmap: ids on disk are those of the container */
	bool share; /* x-cleat-share: where the kernel refuses proc or sysfs, the appliance's, read-only */
	bool is_shared;	   /* proc: so it came */
	bool is_missing;   /* the mount point had to be made: the image has none */
	bool is_directory; /* bind: what the source is */
	int tree;	   /* bind: detached mount, opened by start; -1 until then */
	int staging; /* volume: detached mount of the folder that its content is made in; -1: none is needed */
	int staging_lock; /* the volume's lock, held meanwhile; -1 */
};

struct plan_device {
	const char *path;
	bool check; /* major and minor were given */
	unsigned major, minor;
	int tree;
};

struct plan_id_range {
	uint32_t inside, outside, count;
};

struct plan_secret {
	const char *name, *target; /* target: path of the file, or name of the variable */
	bool is_env;
	uint32_t uid, gid; /* inside */
	unsigned mode;
	size_t mount;		 /* index of its mount */
	struct secret_file file; /* fd -1 until secrets_open() */
};

struct plan_rlimit {
	int resource;
	uint64_t soft, hard; /* UINT64_MAX: unlimited */
};

/* org.cleat.network.N: an interface of the container and what it hangs on. */
struct plan_network {
	char bridge[PLAN_LINK_NAME],
		link[PLAN_LINK_NAME]; /* the appliance's: bridge, end of the pair */
	char name[PLAN_LINK_NAME];    /* inside */
	uint8_t mac[6];
	struct in_addr address, gateway;
	uint8_t prefix; /* 1..30 */
	bool has_gateway;
	uint32_t mtu; /* 0: the kernel's */
};

struct plan_sysctl {
	const char *name, *value;
};

enum plan_cap_set {
	CAPS_BOUNDING,
	CAPS_PERMITTED,
	CAPS_EFFECTIVE,
	CAPS_INHERITABLE,
	CAPS_AMBIENT,
	CAPS_SETS
};

struct plan_limits {
	uint64_t memory_bytes; /* 0: none; UINT64_MAX: "max" */
	uint64_t memory_low_bytes;
	bool has_swap;
	uint64_t swap_bytes;			  /* of swap alone; UINT64_MAX: "max" */
	uint64_t cpu_quota_usec, cpu_period_usec; /* 0: none */
	uint64_t cpu_weight;			  /* 1..10000, 0: none */
	uint64_t pids;				  /* 0: none; UINT64_MAX: "max" */
	/* linux.resources.unified: further files of the cgroup. Lines of io.max may name a disk by a path (runtime/disks.h). */
	struct plan_setting {
		const char *file, *value;
	} * settings;
	size_t setting_count;
	/* Of linux.cgroupsPath: "pod-NAME", in which the cgroup lies; NULL: it lies in none. The limits of a holder are that one's, and
	 * its own has none. */
	const char *pod;
	bool is_pods;
};

struct identity; /* identity.h */

struct plan {
	struct pool pool;
	yyjson_doc *doc; /* in the pool */

	struct strings args, env;
	const char *cwd;
	uint32_t uid, gid;
	uint32_t *groups;
	size_t group_count;
	const char *user_text,
		*groups_text; /* org.cleat.user, org.cleat.groups: resolved inside; NULL */
	/* org.cleat.passwd, org.cleat.group: lines for a user and a group that the image lacks; "$GID" is the user's group. NULL */
	const char *passwd_line, *group_line;
	int umask;		  /* -1: leave */
	uint64_t caps[CAPS_SETS]; /* bit n: capability n; none unless asked for */
	bool no_new_privs;
	bool has_oom_score;
	int oom_score_adj;
	struct plan_rlimit *rlimits;
	size_t rlimit_count;

	const char *root_path; /* plain OCI bundle; NULL with layers */
	struct strings layers; /* org.cleat.layers, bottom first */
	bool root_read_only;
	uint64_t root_upper_bytes; /* tmpfs upper when not read-only (layers only) */
	const char *hostname, *domainname;

	struct plan_mount *mounts;
	size_t mount_count;
	struct plan_device *devices;
	size_t device_count;
	struct strings masked, read_only_paths;
	struct plan_sysctl *sysctls;
	size_t sysctl_count;
	struct plan_network networks[PLAN_MAX_NETWORKS];
	size_t network_count;
	struct plan_secret *secrets;
	size_t secret_count;
	int secret_fs; /* detached mount that takes the files; -1 until secrets_open() */

	uint64_t namespaces; /* CLONE_NEW* */
	/* Of these: those of a pod, which are joined; and the process that holds them (join.c). */
	uint64_t joined;
	uint32_t joined_pid; /* as the paths of the namespaces name it */
	uint32_t holder_pid; /* org.cleat.pod */
	uint64_t holder_ticks;
	/* This is such a process (org.cleat.hold, hold.c): it has no program and no root, but the memory. */
	bool is_holder;
	uint64_t hold_bytes;
	struct plan_id_range *uid_map, *gid_map;
	size_t uid_map_count, gid_map_count;
	struct plan_limits limits;

	yyjson_val *seccomp;	 /* the profile; NULL: none */
	const char *seccomp_key; /* org.cleat.seccomp: sha256 of its text, NULL */
	unsigned seccomp_flags;	 /* SECCOMP_FILTER_FLAG_* */
	const void *filter;	 /* struct sock_filter[]; NULL: none */
	size_t filter_count;
	/* Who the first process became (identity_size() bytes of it); of what was kept only, else NULL. */
	const struct identity *identity;
};

/* Reads and checks the file. plan_fini() in any case. */
int plan_read(struct plan *plan, const char *path, struct err *err) MUST_CHECK;
void plan_fini(struct plan *plan);

/* What a process needs of it that joins the container later, in read-only memory of its own: environment, limits,
 * capabilities, namespaces, filter, and who the first process became; not the arguments, and nothing of a start. NULL: it cannot be kept (a secret, a lot of
 * environment), and config.json has to be read. plan_keep_end(), NULL allowed. */
const struct plan *plan_keep(const struct plan *plan, const struct identity *identity);
void plan_keep_end(const struct plan *kept);
/* A plan that points into what was kept, which has to stay. What is added goes into the caller's room (of malloc's alignment) as long as that lasts, because
 * a mapping of its own costs a probe more than all that comes into it. plan_fini() in any case. */
void plan_from_kept(struct plan *plan, const struct plan *kept, void *room, size_t size);

/* Outside id of an id inside by a map of the plan; false when it has no place there. */
bool plan_id_outside(const struct plan_id_range *map, size_t count, uint32_t inside, uint32_t *out);

/* --- for plan_*.c ------------------------------------------------------------------------- */

/* Zeroed memory of the plan, NULL and ERR_LIMIT when its bound is reached. */
void *plan_alloc(struct plan *plan, size_t count, size_t size, struct err *err) MUST_CHECK;
const char *plan_printf(struct plan *plan, struct err *err, const char *fmt, ...) ERR_PRINTF(3, 4);

/* One row per key of a JSON object; read == NULL: known and without effect here (say why). */
struct plan_key {
	const char *name;
	int (*read)(struct plan *plan, yyjson_val *value, struct err *err);
};
/* Calls the rows for every key; an unknown key is an error. Errors are wrapped with the key. */
int plan_walk(struct plan *plan, yyjson_val *object, const struct plan_key *keys, struct err *err);

/* Typed values; errors say what was expected. */
int plan_str(yyjson_val *value, const char **out, struct err *err);
int plan_bool(yyjson_val *value, bool *out, struct err *err);
int plan_u32(yyjson_val *value, uint32_t *out, struct err *err);
int plan_strings(struct plan *plan, yyjson_val *value, size_t max, struct strings *out,
		 struct err *err);
/* An array's length within the bound; -1. */
int plan_array(yyjson_val *value, size_t max, size_t *count, struct err *err);
/* An absolute path, cleaned. */
int plan_path(struct plan *plan, yyjson_val *value, const char **out, struct err *err);

int plan_process(struct plan *plan, yyjson_val *value, struct err *err);
int plan_mounts(struct plan *plan, yyjson_val *value, struct err *err);
/* accounts.c: places for copies of passwd and group, where the root cannot be written to; layers are known. */
int plan_accounts_mounts(struct plan *plan, struct err *err) MUST_CHECK;
int plan_linux(struct plan *plan, yyjson_val *value, struct err *err);
/* plan_pod.c: annotations org.cleat.hold and org.cleat.pod, the path of a namespace, and what they mean for the whole. */
int plan_hold(struct plan *plan, yyjson_val *value, struct err *err);
int plan_pod(struct plan *plan, yyjson_val *value, struct err *err);
int plan_joined(struct plan *plan, const char *path, uint64_t flag, struct err *err);
int plan_check_holder(const struct plan *plan, struct err *err);
int plan_check_joined(const struct plan *plan, struct err *err);
int plan_annotations(struct plan *plan, yyjson_val *value, struct err *err);
int plan_networks(struct plan *plan, yyjson_val *annotations, struct err *err);
