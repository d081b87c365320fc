/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * struct container_spec: what a container is, whoever asked for it. Made from an argument list in
 * podman's vocabulary (spec_from_args, by the option table), joined with image facts and host facts
 * into an OCI runtime config.json (spec_to_oci). Both are pure. Strings and vectors live in the
 * arena given at creation. Secrets are references by name, never values.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unit/args.h"
#include "util/arena.h"
#include "util/buf.h"
#include "util/err.h"

struct net_end;
struct strv {
	const char **items;
	size_t count;
};

enum spec_tristate { SPEC_UNSET, SPEC_NO, SPEC_YES };

/* DEFAULT: bridges, those of spec->joins (the default network when none was named). */
enum spec_network { SPEC_NETWORK_DEFAULT, SPEC_NETWORK_HOST, SPEC_NETWORK_NONE };
enum spec_userns { SPEC_USERNS_DEFAULT, SPEC_USERNS_KEEP_ID };

struct spec_env {
	const char *name, *value;
	const struct origin *origin;
};

struct spec_env_file {
	const char *path;
	const struct origin *origin;
};

struct spec_mount {
	enum spec_mount_kind { SPEC_MOUNT_BIND, SPEC_MOUNT_TMPFS, SPEC_MOUNT_VOLUME } kind;
	const char *source;  /* bind: absolute path in the appliance */
	const char *volume;  /* volume: its name (spec/volume.h); NULL: anonymous */
	const char *subpath; /* volume: a folder in it, relative and clean; NULL */
	const char *target;  /* absolute, cleaned */
	bool read_only, no_exec, no_suid, no_dev, no_copy;
	/* bind below CLEAT_DATA_DIR: made when missing, owned by the container's user */
	bool make_source;
	bool recursive;		 /* rbind (podman's default) */
	uint64_t size_bytes;	 /* tmpfs; 0: the default of DESIGN "Sizes" */
	unsigned size_percent;	 /* tmpfs: of the appliance's memory, instead of bytes; 0 */
	unsigned mode;		 /* tmpfs; 01777 unless given */
	uint32_t uid, gid;	 /* tmpfs, inside; UINT32_MAX: the image's */
	bool change_owner;	 /* "U": everything in it is given to the container's user */
	bool idmap;		 /* ids on disk are the container's own, 0 too */
	const char *propagation; /* "rprivate" unless given */
	bool copy_up; /* tmpfs: starts with what the image has there (podman's default) */
	const struct origin *origin;
};

#define SPEC_MAX_SECRETS 64

/* A reference: the runtime finds the value under the name (util/secret.h). */
struct spec_secret {
	const char *name;
	bool is_env;
	const char *target;	     /* env: the variable; else the file's path, absolute */
	uint32_t uid, gid;	     /* of the file, inside */
	unsigned mode;		     /* of the file */
	const struct origin *origin; /* never NULL */
};

struct spec_ulimit {
	int resource;	     /* RLIMIT_* */
	const char *name;    /* "nofile" */
	uint64_t soft, hard; /* UINT64_MAX: unlimited */
};

struct spec_pair {
	const char *name, *value;
	const struct origin *origin;
};

struct spec_port {
	const char *host_ip;			   /* "" */
	unsigned host_port, container_port, count; /* host_port 0: ephemeral */
	bool udp;
	const struct origin *origin;
};

/* Membership of a network; texts are checked. */
struct spec_join {
	const char *network;   /* its name: "podman", "systemd-app" */
	const char *ip, *mac;  /* NULL: chosen */
	const char *interface; /* NULL: eth0, eth1 ... */
	struct strv aliases;
	const struct origin *origin;
};

struct spec_add_host {
	const char *name, *address; /* NULL: the appliance ("host-gateway") */
	const struct origin *origin;
};

/* What is asked of a container, in whichever form it was written. */
struct spec_check {
	enum spec_probe {
		SPEC_PROBE_NONE,  /* no check, or switched off by "none" */
		SPEC_PROBE_EXEC,  /* argv runs inside */
		SPEC_PROBE_HTTP,  /* http://HOST:PORT/PATH: 2xx or 3xx is a pass */
		SPEC_PROBE_TCP,	  /* tcp://HOST:PORT: connecting is a pass */
		SPEC_PROBE_HTTPS, /* as HTTP, over TLS; whose certificate it is does not matter */
	} kind;
	struct strv argv; /* EXEC: "/bin/sh" "-c" TEXT for the shell form */
	const char *url;  /* HTTP, TCP, HTTPS */
};

/* Fields of a health check that the unit has said itself. */
enum spec_health_said {
	SPEC_HEALTH_INTERVAL = 1,
	SPEC_HEALTH_TIMEOUT = 2,
	SPEC_HEALTH_START_PERIOD = 4,
	SPEC_HEALTH_RETRIES = 8,
};

#define SPEC_HEALTH_MAX_BYTES 8192 /* of a command, with its NULs */
#define SPEC_HEALTH_MAX_WORDS 256
#define SPEC_HEALTH_LOG_MAX_COUNT 100 /* "no limit" of podman */
#define SPEC_HEALTH_LOG_MAX_BYTES 500 /* of one result's output */

struct spec_health {
	struct spec_check check;
	bool is_off; /* "none", --no-healthcheck, no interval: the image's check is not run either */
	unsigned said; /* bits of enum spec_health_said */
	uint64_t interval_usec, timeout_usec, start_period_usec;
	uint64_t start_interval_usec; /* of the image only: between checks in the start period; 0: not said */
	unsigned retries;
	/* Runs instead of check until it has passed; kind NONE: there is none. */
	struct spec_startup {
		struct spec_check check;
		uint64_t interval_usec, timeout_usec;
		unsigned retries; /* failures that restart the container; 0: never */
		unsigned success; /* passes that are needed; 0 is 1 */
	} startup;
	unsigned log_count, log_bytes; /* results kept, bytes of each one's output */
	const char *log_directory;     /* NULL: beside the container's own records */
	bool log_to_engine;	       /* events_logger: the engine's own log gets them, too */
	enum spec_on_failure {
		SPEC_ON_FAILURE_UNSET,
		SPEC_ON_FAILURE_NONE,
		SPEC_ON_FAILURE_KILL,
		SPEC_ON_FAILURE_RESTART,
		SPEC_ON_FAILURE_STOP
	} on_failure;
};

/* How a registry is asked; paths are absolute. */
struct spec_registry {
	const char *auth_file, *creds, *cert_dir; /* NULL: not given */
	enum spec_tristate tls_verify;
	unsigned retries; /* of one request; podman: 3 */
	uint64_t retry_delay_usec;
};

#define SPEC_PIDS_DEFAULT 2048 /* podman's */

struct container_spec {
	const char *name, *hostname, *image;
	struct strv command; /* words after the image; empty: the image's */
	bool entrypoint_set;
	struct strv entrypoint;
	struct spec_env *env;
	size_t env_count;
	struct spec_env_file *env_files;
	size_t env_file_count;
	const char *user; /* "UID[:GID]" or names; NULL: the image's, then root */
	struct strv group_add;
	bool no_passwd; /* no lines for users and groups that the image lacks */
	const char *passwd_entry,
		*group_entry; /* such lines, with podman's words ($UID ...); NULL: podman's own */
	const char *workdir;
	struct spec_mount *mounts;
	size_t mount_count;
	struct spec_secret *secrets;
	size_t secret_count;
	struct strv cap_add, cap_drop; /* "CAP_NET_ADMIN" upper case; "ALL" */
	struct strv devices;
	bool no_new_privileges, read_only, read_only_tmpfs /* default true */, init;
	bool privileged;
	const char *seccomp; /* NULL: default profile; "unconfined"; or a path */
	struct strv mask, unmask;
	enum spec_network network;
	enum spec_userns userns;
	uint32_t keep_uid, keep_gid; /* keep-id:uid=,gid=; UINT32_MAX: unset */
	struct spec_port *ports;
	size_t port_count;
	uint64_t memory_bytes;			  /* 0: none */
	uint64_t cpu_quota_usec, cpu_period_usec; /* 0: none */
	int64_t pids_limit; /* 0: SPEC_PIDS_DEFAULT, of a pod none; -1: unlimited */
	struct spec_pair *
		cgroup; /* files of its cgroup and what is written there, from option_cgroup.c; io.max once a device */
	size_t cgroup_count;
	uint64_t shm_bytes; /* 0: default */
	struct spec_ulimit *ulimits;
	size_t ulimit_count;
	struct spec_pair *sysctls;
	size_t sysctl_count;
	struct spec_pair *labels;
	size_t label_count;
	struct spec_pair *annotations;
	size_t annotation_count;
	const char *stop_signal;    /* NULL: the image's, then SIGTERM */
	uint64_t stop_timeout_usec; /* podman: 10 s */
	struct spec_health health;
	const char *log_driver; /* NULL: default */
	uint64_t log_max_bytes; /* 0: default 10 MiB */
	unsigned log_max_files; /* 0: default 3 */
	const char *log_tag;	/* with {{.Name}} and {{.ImageName}}; NULL: the container's name */
	const char *log_path;	/* folder below /data; NULL: the appliance's own */
	const char *
		timezone; /* given to the program as TZ= and as files; "local": it has the appliance's /etc/localtime */
	/* memory plus swap; 0: podman's default (twice the memory), -1: unlimited */
	int64_t memory_swap_bytes;
	struct strv unset_env; /* names taken out of the defaults and the image's environment */
	bool unset_env_all;
	int umask;		    /* -1: the default 0022 */
	bool no_hosts, no_hostname; /* keep the image's own /etc/hosts, /etc/hostname */
	bool ulimit_host;	    /* no default limits: inherit the appliance's */
	enum { SPEC_IMAGE_VOLUME_TMPFS, SPEC_IMAGE_VOLUME_IGNORE } image_volumes;
	enum spec_pull {
		SPEC_PULL_MISSING,
		SPEC_PULL_ALWAYS,
		SPEC_PULL_NEVER,
		SPEC_PULL_NEWER
	} pull;
	struct spec_registry registry;
	const char *auto_update; /* label value: "registry", "local"; NULL: none */
	enum { SPEC_NOTIFY_CONMON, SPEC_NOTIFY_CONTAINER, SPEC_NOTIFY_HEALTHY } notify;
	struct spec_join *joins; /* of SPEC_NETWORK_DEFAULT: one at least */
	size_t join_count;
	struct spec_add_host *add_hosts;
	size_t add_host_count;
	struct strv dns, dns_search, dns_options;
	bool keeps_resolv_conf; /* --dns=none: the image's own */
	/* spec/pod.h. Of a container: the name of the pod that it joins; NULL. */
	const char *pod;
	/* The pod whose limits hold for it beside its own; NULL: it has none. Borrowed. */
	const struct container_spec *limited_by;
	const struct origin *pod_origin;
	bool is_pod;	    /* this is one: no image, no program */
	bool pod_continues; /* ExitPolicy=continue */
};

/* Facts of an image, as read from its config by an unprivileged worker. */
struct image_facts {
	const char *digest;			  /* manifest digest, "sha256:..." */
	const char *user, *workdir, *stop_signal; /* "" when absent */
	struct strv env;			  /* NAME=VALUE */
	struct strv entrypoint, command;
	struct strv volumes; /* anonymous volume targets */
	struct strv layers;  /* absolute directories, bottom first */
};

/* HEALTHCHECK of an image; zeroes and nothing where it says nothing. */
struct spec_image_health {
	struct strv test; /* Docker's form: NONE, CMD and words, CMD-SHELL and text */
	uint64_t interval_usec, timeout_usec, start_period_usec, start_interval_usec;
	unsigned retries;
};

/*
 * The check that a container of this image has: the unit's own command with the unit's own times; else
 * the image's command, with the image's times where the unit says none (as Docker has it; podman
 * ignores the unit's then). out->check.kind is NONE when neither has one. Returns NULL, or why the
 * image's check cannot be run, as text for people. Strings are borrowed from the unit; those of the image
 * are copied into the arena.
 */
const char *spec_health_join(const struct spec_health *unit, const struct spec_image_health *image,
			     struct arena *arena, struct spec_health *out);

/* Facts of the machine, probed once at start. */
struct host_facts {
	/* L of DESIGN before the unit's own limit: least of ancestors' memory.max and MemTotal. */
	uint64_t memory_bytes;
	uint64_t nofile_hard, nproc_hard; /* RLIM_INFINITY as UINT64_MAX */
	bool has_memory_controller, has_cpu_controller, has_pids_controller;
	bool has_io_controller, has_cpuset_controller;
	const char *cgroup_mount;    /* where cgroup2 is mounted in the appliance */
	uint32_t home_uid, home_gid; /* owner of CLEAT_HOME_DIR: keep-id */
	bool can_make_data;	     /* /data is writable */
	const char *resolv_conf;     /* path bound as /etc/resolv.conf, "" none */
	/* What follows may stay NULL. */
	const char *hostname;	   /* of the appliance: with the host's network; NULL: the run id */
	const char *hosts;	   /* path bound as /etc/hosts; NULL: "/etc/hosts", "" none */
	const char *hostname_file; /* path bound as /etc/hostname; NULL or "": none */
	/* Path of an empty file bound as /run/.containerenv; NULL or "": none. */
	const char *containerenv_file;
	/* What is known of named volumes (spec/volume.h); one that is missing here is a plain folder. */
	const struct volume_spec *volumes;
	size_t volume_count;
	/* With SPEC_NETWORK_DEFAULT: what becomes of spec->joins, in their order; NULL: nothing is known of it, nothing is
	 * written. default_end: which has the default route, -1 none. */
	const struct net_end *ends;
	size_t end_count;
	int default_end;
	/* Of spec->pod: the process that holds its namespaces, and field 22 of its /proc/PID/stat; 0: not known. */
	uint32_t pod_pid;
	uint64_t pod_start_ticks;
	/* The profile that spec->seccomp names, read by the caller; at most SPEC_SECCOMP_MAX_BYTES. */
	const char *seccomp_text;
	/* Folder with notify.sock, bound as /run/notify and told as NOTIFY_SOCKET; NULL: none. */
	const char *notify_dir;
	uint64_t watchdog_usec;	 /* told as WATCHDOG_USEC; 0: none */
	uint32_t allowed_losses; /* enum host_loss of util/host.h: what appliance.ini allows */
	const char *
		localtime_file; /* path bound as /etc/localtime with --tz=local; NULL or "": none */
	const char
		*zone_file; /* the same with --tz=NAME, and bound as that name's zone; NULL: none */
};

#define SPEC_SECCOMP_MAX_BYTES (256 * 1024)

/* Once before several threads ask for specs: fills the tables that are filled at their first use. */
void spec_prepare(void);
/* Options, image, command -> spec. Problems go to diags with the word's origin; -1 when there was
 * an error. Words beyond what the table knows are errors that name the option. What is accepted
 * and not acted on is a DIAG_NOTE that begins with "noted: ". */
int spec_from_args(struct container_spec *spec, struct arena *arena, const struct arg_list *args,
		   struct diags *diags) MUST_CHECK;

/* The words of an .image unit ("podman image pull"): spec->image, spec->pull (newer unless given) and spec->registry; the rest as
 * without a word. */
int spec_image_from_args(struct container_spec *spec, struct arena *arena,
			 const struct arg_list *args, struct diags *diags) MUST_CHECK;

/* GlobalArgs=: the options that stand between "podman" and its command, at most UNIT_MAX_WORDS of them. None changes a
 * container here: what would have to is refused, the rest is noted. -1 when there was an error. */
int spec_check_global_args(const struct arg_list *args, struct diags *diags) MUST_CHECK;

/* What the option of a word ("--memory", "--memory=1g", "-v") of "podman run" is for, or why it is not done; NULL: the word is
 * no option. Static. */
const char *spec_option_text(const char *word);

/* What spec->cgroup says of a file of bytes, shares counted of the host's memory; false: nothing, or no limit. */
bool spec_cgroup_bytes(const struct container_spec *spec, const struct host_facts *host,
		       const char *file, uint64_t *bytes);

/* What this machine or image makes of the spec, one sentence an entry: limits that are not
 * enforced, values that were lowered, volumes that are not kept. */
struct spec_remarks {
	const char **items;
	size_t count;
};

/*
 * Everything -> config.json (OCI runtime specification 1.1 and our annotations, which
 * engine/spec/README.md lists). env_file_text: contents of spec->env_files in order, read by the
 * caller. rootfs is built by the runtime from the annotations "org.cleat.layers" (colon-separated)
 * and "org.cleat.root" ("read-only" or "tmpfs:BYTES"). remarks may be NULL. After an error out
 * holds half a document. ERR_INPUT: unit or image; ERR_UNSUPPORTED; ERR_LIMIT; ERR_BUG: facts.
 */
/* Its /etc/hosts, /etc/hostname and /etc/resolv.conf are files of its own, which it may write to. */
bool spec_owns_files(const struct container_spec *spec);
int spec_to_oci(const struct container_spec *spec, const struct image_facts *image,
		const struct host_facts *host, const char *run_id, const struct strv *env_file_text,
		struct spec_remarks *remarks, struct arena *arena, struct buf *out,
		struct err *err) MUST_CHECK;

/* The option table as a markdown document (engine/spec/OPTIONS.md) and as a libFuzzer dictionary. */
void spec_options_markdown(struct buf *out);
void spec_options_dictionary(struct buf *out);

/* The spec as JSON for "cleat spec UNIT". */
void spec_to_json(const struct container_spec *spec, struct buf *out);

/* Why no registry can be asked what is newer, in podman's words where it has some; NULL: one can. */
const char *spec_update_unfit(const char *image);
