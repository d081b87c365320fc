/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of "podman pod create", and Pod= of a container. On a member is refused what belongs to its pod, as podman does, or says
 * nothing and leaves it out.
 */
#include "spec/options.h"
#include "spec/pod.h"

#include <assert.h>

#include "net/names.h"
#include "net/plan.h"
#include "unit/unit.h"
#include "util/str.h"

#define LETTER(name, letter, arg, parse, text, example, bad)                        \
	{                                                                           \
		name, letter, OPTION_##arg, OPTION_ACTED, parse, text, example, bad \
	}
#define ACT(name, arg, parse, text, example, bad) LETTER(name, 0, arg, parse, text, example, bad)
#define NOTE(name, arg, text, example)                                         \
	{                                                                      \
		name, 0, OPTION_##arg, OPTION_NOTED, NULL, text, example, NULL \
	}
#define REFUSE(name, arg, text, example)                                         \
	{                                                                        \
		name, 0, OPTION_##arg, OPTION_REFUSED, NULL, text, example, NULL \
	}

static const char no_infra[] = "there is no infra container: one sleeping process holds the pod";
static const char one_map[] =
	"all containers have one id map; use UserNS=keep-id to choose the process's user";
static const char in_members[] = "write it in each container of the pod";
static const char not_yet[] = "not supported in this version";

static void parse_exit_policy(struct options *o, const char *value)
{
	static const char *const words[] = { "stop", "continue", NULL };

	if (!str_eq(value, "stop") && !str_eq(value, "continue"))
		option_error(o, "\"%s\" is neither stop nor continue%s", option_shown(o, value),
			     str_hint((char[STR_HINT_BYTES]){ 0 }, value, words));
	o->spec->pod_continues = str_eq(value, "continue");
}

/* What is shared is no choice here: less would not be the pod that its containers are written for. */
static void parse_share(struct options *o, const char *value)
{
	static const char *const words[] = { "ipc", "net", "uts" };
	struct strv parts = strv_split(o->arena, value[0] == '+' ? value + 1 : value, ',');

	for (size_t i = 0; i < parts.count; i++)
		if (!str_eq(parts.items[i], "ipc") && !str_eq(parts.items[i], "net") &&
		    !str_eq(parts.items[i], "uts") && !str_eq(parts.items[i], "user")) {
			option_error(o, "\"%s\": ipc, net, user and uts are shared, always",
				     option_shown(o, parts.items[i]));
			return;
		}
	for (size_t i = 0; value[0] != '+' && i < sizeof(words) / sizeof(words[0]); i++)
		if (!strv_has(&parts, words[i]))
			option_error(
				o, "\"%s\": without %s: ipc, net, user and uts are shared, always",
				option_shown(o, value), words[i]);
}

static void parse_infra(struct options *o, const char *value)
{
	if (str_eq(value, "false"))
		option_error(o, "false: the containers would share nothing; leave out Pod= then");
}

/* clang-format off */
static const struct option rows[] = {
	ACT("add-host", VALUE, parse_add_host, "NAME[;NAME]:ADDRESS for /etc/hosts; host-gateway is the appliance", "db:192.0.2.7", "db"),
	ACT("blkio-weight", VALUE, parse_blkio_weight, "weight for all disks, 10 to 1000", "100", "1001"),
	REFUSE("blkio-weight-device", VALUE, "weights of single disks are not supported: use --device-read-bps and its like", "/dev/sda:100"),
	ACT("cgroup-conf", VALUE, parse_cgroup_conf, "FILE=VALUE: a limit of cgroup v2; [Service] writes its limits so", "memory.high=1000000", "memory.peak=0"),
	NOTE("cgroup-parent", VALUE, "the appliance has a place of its own for cgroups", "/x"),
	ACT("cpu-shares", VALUE, parse_cpu_shares, "weight, 2 to 262144", "512", "1"),
	ACT("cpus", VALUE, parse_cpus, "number of processors, with a fraction", "1.5", "one"),
	ACT("cpuset-cpus", VALUE, parse_cpuset_cpus, "processors that they may use", "0", "1-0"),
	ACT("cpuset-mems", VALUE, parse_cpuset_mems, "memory nodes that they may use", "0", "a"),
	REFUSE("device", LIST, in_members, "/dev/null"),
	ACT("device-read-bps", LIST, parse_device_read_bps, "DEVICE:RATE", "/dev/sda:1m", "/dev/sda"),
	ACT("device-write-bps", LIST, parse_device_write_bps, "DEVICE:RATE", "/dev/sda:1m", "/dev/sda"),
	ACT("dns", LIST, parse_dns, "name server; none keeps the images' resolv.conf", "192.0.2.53", "dns"),
	ACT("dns-option", LIST, parse_dns_option, "option of the resolver", "ndots:1", "a b"),
	ACT("dns-search", LIST, parse_dns_search, "search domain; . for none", "example.com", "a b"),
	ACT("exit-policy", VALUE, parse_exit_policy, "stop, continue: what it does when its last container has ended", "continue", "never"),
	REFUSE("gidmap", LIST, one_map, "0:1000:1"),
	REFUSE("gpus", LIST, not_yet, "all"),
	ACT("hostname", VALUE, parse_hostname, "host name of all containers", "web-1", "a b"),
	REFUSE("hosts-file", VALUE, "own hosts files are not supported in this version", "none"),
	ACT("infra", BOOL, parse_infra, "true: something has to hold what is shared", "true", "false"),
	NOTE("infra-command", VALUE, no_infra, "/pause"),
	NOTE("infra-conmon-pidfile", VALUE, no_infra, "/run/x.pid"),
	NOTE("infra-image", VALUE, no_infra, "registry.example/pause"),
	NOTE("infra-name", VALUE, no_infra, "x-infra"),
	ACT("ip", VALUE, parse_ip, "IPv4 address in the only network", "10.88.0.9", "10.88.0.256"),
	REFUSE("ip6", VALUE, "containers have no IPv6 addresses in this version", "fd00::9"),
	LETTER("label", 'l', VALUE, parse_label, "NAME=VALUE", "tier=web", "=x"),
	REFUSE("label-file", LIST, "label files are not supported in this version: use Label=", "/config/labels"),
	ACT("mac-address", VALUE, parse_mac_address, "MAC address in the only network", "02:00:00:00:00:01", "01:00:00:00:00:01"),
	ACT("memory", VALUE, parse_memory, "bytes with b k m g, of all containers together", "64m", "12q"),
	ACT("memory-swap", VALUE, parse_memory_swap, "memory plus swap in bytes; -1: unlimited swap", "-1", "12q"),
	LETTER("name", 'n', VALUE, parse_name, "the pod's name", "web", "-web"),
	ACT("network", VALUE, parse_network, "host, none, or networks: NAME[:ip=,mac=,alias=,interface_name=]", "bridge:alias=web", "macvlan:x=y"),
	ACT("network-alias", LIST, parse_network_alias, "further name for the other containers of its networks", "db", "a b"),
	ACT("no-hostname", BOOL, parse_no_hostname, "keep the images' /etc/hostname", "true", "maybe"),
	ACT("no-hosts", BOOL, parse_no_hosts, "keep the images' /etc/hosts", "true", "maybe"),
	ACT("pid", VALUE, parse_private_namespace, "always private", "private", "host"),
	NOTE("pod-id-file", VALUE, "files of our own are below /run/cleat", "/run/pod"),
	LETTER("publish", 'p', LIST, parse_publish, "[ADDRESS:][HOST[-END]:]PORT[-END][/tcp|udp]; its containers share it", "8000:80", "99999:80"),
	ACT("replace", BOOL, parse_own_way, "pods are always made anew", "true", NULL),
	ACT("restart", VALUE, parse_restart, "no; all else belongs into [Service]: Restart=", "no", "always"),
	REFUSE("security-opt", LIST, in_members, "no-new-privileges"),
	ACT("share", VALUE, parse_share, "ipc, net, user and uts are shared, always", "ipc,net,uts", "pid"),
	NOTE("share-parent", BOOL, "each container has a cgroup of its own", "true"),
	ACT("shm-size", VALUE, parse_shm_size, "size of the /dev/shm that its containers share, with b k m g", "64m", "12q"),
	NOTE("shm-size-systemd", VALUE, "systemd inside a container is not supported", "64m"),
	ACT("stop-timeout", VALUE, parse_stop_timeout, "seconds (StopTimeout=)", "30", "30s"),
	REFUSE("subgidname", VALUE, one_map, "web"),
	REFUSE("subuidname", VALUE, one_map, "web"),
	REFUSE("sysctl", LIST, in_members, "net.core.somaxconn=1"),
	REFUSE("uidmap", LIST, one_map, "0:1000:1"),
	ACT("userns", VALUE, parse_userns, "keep-id[:uid=,gid=]", "keep-id", "host"),
	ACT("uts", VALUE, parse_private_namespace, "always the pod's own", "private", "host"),
	LETTER("volume", 'v', VALUE, parse_volume, "as of podman run; mounted in each container of the pod", "/data/logs:/logs:ro,Z", "data:logs"),
	REFUSE("volumes-from", VALUE, not_yet, "db"),
};
/* clang-format on */

const struct option_table options_of_pod = { rows, sizeof(rows) / sizeof(rows[0]) };

/* --- Pod= of a container --- */

/* In podman: "published or exposed ports must be defined when the pod is created" and the like; or nothing is said and nothing done. */
static const struct {
	const char *option, *key;
} of_the_pod[] = {
	{ "add-host", "AddHost" },
	{ "dns", "DNS" },
	{ "dns-option", "DNSOption" },
	{ "dns-search", "DNSSearch" },
	{ "hostname", "HostName" },
	{ "ip", "IP" },
	{ "ipc", NULL },
	{ "mac-address", "Network=NAME:mac" },
	{ "network", "Network" },
	{ "network-alias", "NetworkAlias" },
	{ "publish", "PublishPort" },
	{ "shm-size", "ShmSize" },
	{ "userns", "UserNS" },
	{ "uts", NULL },
};

#define RUN_ROWS_MAX 512

/* By row of "podman run": 1 + which of the above, 0: none. */
static unsigned char places[RUN_ROWS_MAX];
static bool has_places;

void pod_prepare(void)
{
	for (size_t i = 0; !has_places && i < sizeof(of_the_pod) / sizeof(of_the_pod[0]); i++) {
		const struct option *row = option_find(&options_of_run, of_the_pod[i].option,
						       strlen(of_the_pod[i].option));

		assert(row && row - options_of_run.rows < RUN_ROWS_MAX);
		places[row - options_of_run.rows] = (unsigned char)(i + 1);
	}
	has_places = true;
}

/* Asked for each option of each unit. */
void pod_saw_option(struct options *o)
{
	size_t place;

	if (!has_places)
		pod_prepare();
	place = places[o->row - options_of_run.rows];
	if (place)
		o->pods_words[place - 1] = o->word;
}

void parse_pod(struct options *o, const char *value)
{
	const char *key = o->word->origin ? o->word->origin->key : "";

	o->pod_word = o->word; /* the network is the pod's, whatever else is wrong */
	if (key && str_ends(key, "PodmanArgs")) {
		option_error(
			o,
			"\"%s\": write Pod=NAME.pod: only then do the pod and the container wait for each other",
			option_shown(o, value));
		return;
	}
	o->spec->pod = arena_strdup(o->arena, value);
	o->spec->pod_origin = o->word->origin;
}

void pod_judge(struct options *o)
{
	_Static_assert(sizeof(of_the_pod) / sizeof(of_the_pod[0]) <=
			       sizeof(o->pods_words) / sizeof(o->pods_words[0]),
		       "room for each");
	for (size_t i = 0; o->pod_word && i < sizeof(of_the_pod) / sizeof(of_the_pod[0]); i++) {
		if (!o->pods_words[i])
			continue;
		option_point_to(o, o->pods_words[i], of_the_pod[i].option);
		if (of_the_pod[i].key)
			option_error(
				o,
				"is the pod's, which its containers share: write %s= in the .pod unit",
				of_the_pod[i].key);
		else
			option_error(o, "is the pod's, which its containers share");
	}
}

/* --- the pod --- */

static const struct origin no_origin = { .file = "", .key = "" };
static const struct arg no_word = { .text = "", .origin = &no_origin };

static void judge(struct options *o)
{
	struct container_spec *spec = o->spec;

	network_finish(o);
	options_judge_limits(o);
	if (o->ports_word && spec->network != SPEC_NETWORK_DEFAULT) {
		option_point_to(o, o->ports_word, "publish");
		option_note(o, "noted: published ports have no effect with Network=%s",
			    spec->network == SPEC_NETWORK_HOST ?
				    "host: the programs' ports are the appliance's" :
				    "none");
	}
	o->row = NULL;
	if (!spec->name)
		option_error(o, "a pod needs a name");
	/* podman's; the kernel takes 64 bytes of it. */
	else if (!spec->hostname)
		spec->hostname = arena_strndup(o->arena, spec->name,
					       strlen(spec->name) < 64 ? strlen(spec->name) : 64);
}

int spec_pod_from_args(struct container_spec *spec, struct arena *arena,
		       const struct arg_list *args, struct diags *diags)
{
	struct options o = { .table = &options_of_pod,
			     .spec = spec,
			     .arena = arena,
			     .diags = diags,
			     .word = &no_word };
	size_t errors_before = diags->error_count, next;

	spec_defaults(spec);
	spec->is_pod = true;
	spec->image = "";
	if (options_begin(&o, args) < 0)
		return -1;
	next = options_take(&o, args, 0);
	if (next < args->count) {
		o.word = &args->items[next];
		o.row = NULL;
		option_error(&o, "\"%s\" is no option", option_shown(&o, o.word->text));
	}
	judge(&o);
	return diags->error_count == errors_before ? 0 : -1;
}

static bool mounts_at(const struct container_spec *spec, const char *target)
{
	for (size_t i = 0; i < spec->mount_count; i++)
		if (str_eq(spec->mounts[i].target, target))
			return true;
	return false;
}

bool spec_has_limits(const struct container_spec *pod)
{
	return pod->memory_bytes || pod->memory_swap_bytes || pod->cpu_quota_usec ||
	       pod->pids_limit || pod->cgroup_count;
}

void spec_join_pod(struct container_spec *member, struct container_spec *pod, struct arena *arena)
{
	member->network = pod->network;
	member->hostname = pod->hostname;
	member->userns = pod->userns;
	member->keep_uid = pod->keep_uid;
	member->keep_gid = pod->keep_gid;
	member->no_hosts |= pod->no_hosts;
	member->no_hostname |= pod->no_hostname;
	member->keeps_resolv_conf = pod->keeps_resolv_conf;
	member->limited_by = spec_has_limits(pod) ? pod : NULL;
	for (size_t i = 0; i < pod->mount_count; i++)
		if (!mounts_at(member, pod->mounts[i].target))
			*arena_push(arena, member->mounts, member->mount_count) = pod->mounts[i];
	for (size_t i = 0; member->name && i < pod->join_count; i++)
		if (pod->joins[i].aliases.count < NET_MAX_ALIASES &&
		    net_name_is_host(member->name) && !str_eq(member->name, pod->name))
			strv_push(arena, &pod->joins[i].aliases, member->name);
}

int spec_join_pod_of(const struct unit_set *set, struct container_spec *member, struct arena *arena)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct unit *unit = &set->units[i];
		struct diags diags = { 0 };
		struct container_spec *pod;
		int rc;

		if (unit->kind != UNIT_POD || unit->is_template || !unit->is_valid ||
		    !str_eq(unit->resource_name, member->pod))
			continue;
		pod = arena_new(arena, struct container_spec);
		rc = spec_pod_from_args(pod, arena, &unit->spec_args, &diags);
		diags_fini(&diags);
		if (rc == 0)
			spec_join_pod(member, pod, arena);
		return rc;
	}
	return -1;
}
