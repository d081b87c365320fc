/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Internal to spec/: the option table and what its parsers share. One row per option word of
 * "podman run"; the row feeds the parser, "did you mean", OPTIONS.md, the fuzz dictionary and the
 * tests.
 */
#include "image/ref.h"
#include "spec/spec.h"

#define OPTIONS_MAX_WORDS 8192
#define OPTIONS_MAX_WORD_BYTES (32 * 1024)

enum option_state {
	OPTION_ACTED, /* does what podman does, or says at once that this value is not supported */
	OPTION_NOTED, /* a note: leaving it out cannot weaken isolation or lose data */
	OPTION_REFUSED, /* an error with the reason */
};

enum option_arg {
	OPTION_VALUE, /* --opt=V, --opt V */
	OPTION_LIST,  /* the same; V is split at commas and every element is parsed by itself */
	OPTION_BOOL,  /* --opt, --opt=true|false */
};

struct options;

struct option {
	const char *name;
	char letter; /* 0: none */
	enum option_arg arg;
	enum option_state state;
	void (*parse)(struct options *o, const char *value); /* acted on: never NULL */
	const char *text;    /* acted: what it does; noted, refused: why */
	const char *example; /* a value that is accepted; for refused rows any value */
	const char *bad;     /* a value that is refused; NULL: every text is good */
};

/* One vocabulary: the options of "podman run", or those of podman itself, which stand before the command. */
struct option_table {
	const struct option *rows;
	size_t count;
};

extern const struct option_table options_of_run, options_of_podman;
extern const struct option_table options_of_image_pull;
extern const struct option_table options_of_pod;
const struct option *option_find(const struct option_table *table, const char *name, size_t len);
const struct option *option_find_letter(const struct option_table *table, char letter);

/* One run over the words. Parsers report through option_error and go on. */
struct options {
	const struct option_table *table;
	struct container_spec *spec; /* NULL: options of another command */
	struct volume_spec *volume;  /* of "volume create"; NULL */
	struct arena *arena;
	struct diags *diags;
	const struct option *row;
	const struct arg *word; /* where diagnostics point to */
	/* Judged when all words are known. */
	const struct arg *image_word, *network_word, *net_sysctl_word, *ports_word, *swap_word;
	const struct arg *pod_word;
	const struct arg *
		pods_words[16]; /* option_pod.c: options that a pod's container leaves to its pod */
	const struct arg *ip_word, *mac_word, *dns_word;
	const char *ip, *mac; /* of --ip and --mac-address: of the only network */
	struct strv aliases;  /* of --network-alias: of all networks */
	const struct arg *cpus_word, *cpu_quota_word, *health_word, *capability_word;
	const struct arg *startup_word, *startup_cmd_word;
	const struct arg *update_word;
	const struct image_ref
		*image; /* as image_word has it; NULL: it is not valid, or there is none */
	bool health_command_seen, health_interval_off, no_healthcheck, startup_interval_off;
};

void option_error(struct options *o, const char *fmt, ...) ERR_PRINTF(2, 3);
void option_warn(struct options *o, const char *fmt, ...) ERR_PRINTF(2, 3);
void option_note(struct options *o, const char *fmt, ...) ERR_PRINTF(2, 3);
/* Diagnostics point to that word from now on; option: the row that it belongs to. */
void option_point_to(struct options *o, const struct arg *word, const char *option);
/* The value for a message: bounded. */
const char *option_shown(struct options *o, const char *value);
/* True if value has no control byte (NUL cannot occur); else an error naming what. */
bool option_is_text(struct options *o, const char *what, const char *value);
void strv_push(struct arena *arena, struct strv *v, const char *item);
/* Splits at every separator byte; empty parts are kept. */
struct strv strv_split(struct arena *arena, const char *text, char separator);
bool strv_has(const struct strv *v, const char *item);
/* strconv.ParseBool: 1 t T true TRUE True and their opposites. */
bool option_to_bool(const char *value, bool *out);
/* Go's duration form: "1m30s", "500ms", "1.5h"; false when it is none or above a year. */
bool option_to_usec(const char *value, uint64_t *out_usec);
/* Size of a tmpfs as podman and the kernel have it: bytes, or percent of the memory; an error otherwise. */
void option_tmpfs_size(struct options *o, const char *value, uint64_t *bytes, unsigned *percent);
/* An absolute path in its clean form, in the arena; NULL after an error. */
const char *option_path(struct options *o, const char *what, const char *value);

/* Takes option words from args->items[from] on; returns the index of the first that is none (args->count: no more). */
size_t options_take(struct options *o, const struct arg_list *args, size_t from);
/* The first look at the words: how many, and where errors stand before the first one is read. */
int options_begin(struct options *o, const struct arg_list *args) MUST_CHECK;

/* Capabilities (capabilities.c). */
#define CAPABILITY_ALL "ALL"
/* "net_admin", "CAP_NET_ADMIN", "all" -> static canonical name; NULL when unknown. */
const char *capability_name(const char *text);
/*
 * podman's rule: default set, minus drops, plus adds; sorted by number. Fails when one is both
 * added and dropped.
 */
int capability_merge(const struct strv *base, const struct strv *add, const struct strv *drop,
		     struct arena *arena, struct strv *out, struct err *err) MUST_CHECK;
extern const struct strv capability_defaults;

/* Parsers, one file per subject. */
/* option_basic.c */
void parse_name(struct options *o, const char *value);
void parse_hostname(struct options *o, const char *value);
void parse_entrypoint(struct options *o, const char *value);
void parse_env(struct options *o, const char *value);
void parse_env_file(struct options *o, const char *value);
void parse_unset_env(struct options *o, const char *value);
void parse_unset_env_all(struct options *o, const char *value);
void parse_label(struct options *o, const char *value);
void parse_annotation(struct options *o, const char *value);
void parse_user(struct options *o, const char *value);
void parse_group_add(struct options *o, const char *value);
void parse_passwd(struct options *o, const char *value);
void parse_passwd_entry(struct options *o, const char *value);
void parse_group_entry(struct options *o, const char *value);
void parse_workdir(struct options *o, const char *value);
void parse_stop_signal(struct options *o, const char *value);
void parse_stop_timeout(struct options *o, const char *value);
void parse_timezone(struct options *o, const char *value);
void parse_umask(struct options *o, const char *value);
void parse_pull(struct options *o, const char *value);
void parse_sdnotify(struct options *o, const char *value);
void parse_restart(struct options *o, const char *value);
void parse_log_driver(struct options *o, const char *value);
void parse_log_opt(struct options *o, const char *value);
void parse_own_way(struct options *o, const char *value);
/* option_mount.c */
void parse_volume(struct options *o, const char *value);
void parse_mount(struct options *o, const char *value);
void parse_tmpfs(struct options *o, const char *value);
void parse_device(struct options *o, const char *value);
void parse_image_volume(struct options *o, const char *value);
/* option_pull.c */
void parse_auth_file(struct options *o, const char *value);
void parse_cert_dir(struct options *o, const char *value);
void parse_creds(struct options *o, const char *value);
void parse_tls_verify(struct options *o, const char *value);
void parse_retry(struct options *o, const char *value);
void parse_retry_delay(struct options *o, const char *value);
/* What a spec is before its first word. */
void spec_defaults(struct container_spec *spec);
/* option_secret.c */
void parse_secret(struct options *o, const char *value);
/* When all words are known: no two things at one place. */
void secrets_judge(struct options *o);
void update_judge(struct options *o);
/* option_limit.c */
void parse_memory(struct options *o, const char *value);
void parse_memory_swap(struct options *o, const char *value);
void parse_cpus(struct options *o, const char *value);
/* option_cgroup.c */
void parse_cgroup_conf(struct options *o, const char *value);
void parse_device_read_bps(struct options *o, const char *value);
void parse_device_write_bps(struct options *o, const char *value);
void parse_device_read_iops(struct options *o, const char *value);
void parse_device_write_iops(struct options *o, const char *value);
void parse_cpuset_cpus(struct options *o, const char *value);
void parse_cpuset_mems(struct options *o, const char *value);
void parse_cpu_shares(struct options *o, const char *value);
void parse_blkio_weight(struct options *o, const char *value);
/* Of two limits of one thing the stricter one is kept; when all words have been taken. */
void cgroup_merge(struct options *o);
void options_judge_limits(struct options *o); /* what they are together */
/* option_limit.c */
void parse_cpu_quota(struct options *o, const char *value);
void parse_cpu_period(struct options *o, const char *value);
void parse_pids_limit(struct options *o, const char *value);
void parse_shm_size(struct options *o, const char *value);
void parse_ulimit(struct options *o, const char *value);
void parse_sysctl(struct options *o, const char *value);
/* option_security.c */
void parse_cap_add(struct options *o, const char *value);
void parse_cap_drop(struct options *o, const char *value);
void parse_security_opt(struct options *o, const char *value);
void parse_read_only(struct options *o, const char *value);
void parse_read_only_tmpfs(struct options *o, const char *value);
void parse_init(struct options *o, const char *value);
void parse_userns(struct options *o, const char *value);
void parse_private_namespace(struct options *o, const char *value);
void parse_ipc(struct options *o, const char *value);
void parse_cgroups(struct options *o, const char *value);
void parse_systemd(struct options *o, const char *value);
void parse_seccomp_policy(struct options *o, const char *value);
/* option_network.c */
void parse_network(struct options *o, const char *value);
void parse_publish(struct options *o, const char *value);
void parse_ip(struct options *o, const char *value);
void parse_mac_address(struct options *o, const char *value);
void parse_network_alias(struct options *o, const char *value);
void parse_add_host(struct options *o, const char *value);
void parse_dns(struct options *o, const char *value);
void parse_dns_search(struct options *o, const char *value);
void parse_dns_option(struct options *o, const char *value);
/* When all words are known: what they say together. */
void network_finish(struct options *o);
void parse_no_hosts(struct options *o, const char *value);
void parse_no_hostname(struct options *o, const char *value);
/* option_pod.c */
void parse_pod(struct options *o, const char *value);
/* An option of "podman run" is about to be acted on. */
void pod_saw_option(struct options *o);
void pod_prepare(void); /* fills the table of that */
/* When all words are known: a container of a pod has none that are the pod's. */
void pod_judge(struct options *o);
/* option_health.c */
void parse_health_cmd(struct options *o, const char *value);
void parse_health_interval(struct options *o, const char *value);
void parse_health_timeout(struct options *o, const char *value);
void parse_health_start_period(struct options *o, const char *value);
void parse_health_retries(struct options *o, const char *value);
void parse_health_on_failure(struct options *o, const char *value);
void parse_no_healthcheck(struct options *o, const char *value);
void parse_startup_cmd(struct options *o, const char *value);
void parse_startup_interval(struct options *o, const char *value);
void parse_startup_timeout(struct options *o, const char *value);
void parse_startup_retries(struct options *o, const char *value);
void parse_startup_success(struct options *o, const char *value);
void parse_health_log_destination(struct options *o, const char *value);
void parse_health_log_count(struct options *o, const char *value);
void parse_health_log_size(struct options *o, const char *value);
/* When all words are known. */
void health_judge(struct options *o);
/* A JSON array of strings, in the arena; false when text is none. */
bool parse_json_strings(struct arena *arena, const char *text, struct strv *out);
