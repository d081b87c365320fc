/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vocabulary of "podman run", one row a word, and what is generated from it. A word that podman
 * has and this table has not is a bug of the table. Examples and bad values are data for the tests,
 * the documentation and the fuzzer.
 */
#include "spec/options.h"

#include <assert.h>
#include <stdio.h>

#include "util/str.h"

#define ACT(name, letter, arg, parse, text, example, bad)                  \
	{                                                                  \
		name, letter, arg, OPTION_ACTED, parse, text, example, bad \
	}
#define NOTE(name, letter, arg, text, example)                             \
	{                                                                  \
		name, letter, arg, OPTION_NOTED, NULL, text, example, NULL \
	}
#define REFUSE(name, letter, arg, text, example)                             \
	{                                                                    \
		name, letter, arg, OPTION_REFUSED, NULL, text, example, NULL \
	}

static const char not_yet[] = "not supported in this version";
static const char no_ipv6[] = "containers have no IPv6 addresses in this version";
static const char own_files[] =
	"not written: run ids, names and pids are in \"cleat ps --json\" and /status";
static const char platform[] = "only images of this machine's platform can run";
static const char one_map[] =
	"every container has the appliance's one id map; use UserNS=keep-id or nothing";

/* clang-format off */
static const struct option run_rows[] = {
	ACT("add-host", 0, OPTION_LIST, parse_add_host, "NAME[;NAME]:ADDRESS in /etc/hosts; host-gateway is the appliance", "db:10.0.0.2", "db:nowhere"),
	ACT("annotation", 0, OPTION_VALUE, parse_annotation, "NAME=VALUE for config.json", "org.example.tier=web", "=x"),
	REFUSE("arch", 0, OPTION_VALUE, platform, "arm64"),
	NOTE("attach", 'a', OPTION_LIST, "output always goes to the container's log", "stdout"),
	ACT("authfile", 0, OPTION_VALUE, parse_auth_file, "file with the registries' passwords, in place of /config/auth.json", "/config/auth.json", "auth.json"),
	ACT("blkio-weight", 0, OPTION_VALUE, parse_blkio_weight, "share of the disks, 10 to 1000", "100", "5"),
	NOTE("blkio-weight-device", 0, OPTION_LIST, "a weight, no limit: the kernel's default is used", "/dev/sda:100"),
	ACT("cap-add", 0, OPTION_LIST, parse_cap_add, "add a capability; ALL", "NET_ADMIN", "NET_ADMINN"),
	ACT("cap-drop", 0, OPTION_LIST, parse_cap_drop, "drop a capability; ALL", "all", "everything"),
	ACT("cert-dir", 0, OPTION_VALUE, parse_cert_dir, "folder with the registry's certificates, in place of /config/certs.d", "/config/certs.d/registry", "certs"),
	ACT("cgroup-conf", 0, OPTION_VALUE, parse_cgroup_conf, "FILE=VALUE: a limit of cgroup v2; where an option or another word says the same, the stricter one counts", "memory.high=1000000", "memory.peak=0"),
	REFUSE("cgroup-parent", 0, OPTION_VALUE, "containers live in cgroups of the engine's own", "/other"),
	ACT("cgroupns", 0, OPTION_VALUE, parse_private_namespace, "always private", "private", "host"),
	ACT("cgroups", 0, OPTION_VALUE, parse_cgroups, "split, enabled and no-conmon are what is done anyway", "split", "disabled"),
	REFUSE("chrootdirs", 0, OPTION_LIST, not_yet, "/chroot"),
	NOTE("cidfile", 0, OPTION_VALUE, own_files, "/run/web.cid"),
	NOTE("conmon-pidfile", 0, OPTION_VALUE, own_files, "/run/web.pid"),
	ACT("cpu-period", 0, OPTION_VALUE, parse_cpu_period, "microseconds, 1000 to 1000000", "100000", "10"),
	ACT("cpu-quota", 0, OPTION_VALUE, parse_cpu_quota, "microseconds a period, at least 1000; 0 and -1: none", "50000", "10"),
	NOTE("cpu-rt-period", 0, OPTION_VALUE, "cgroup v2 has no such limit; podman ignores it too", "1000"),
	NOTE("cpu-rt-runtime", 0, OPTION_VALUE, "cgroup v2 has no such limit; podman ignores it too", "1000"),
	ACT("cpu-shares", 'c', OPTION_VALUE, parse_cpu_shares, "share of the processors, 2 to 262144", "512", "1"),
	ACT("cpus", 0, OPTION_VALUE, parse_cpus, "number of processors, with a fraction", "1.5", "one"),
	ACT("cpuset-cpus", 0, OPTION_VALUE, parse_cpuset_cpus, "processors that it may use", "0-1", "1-0"),
	ACT("cpuset-mems", 0, OPTION_VALUE, parse_cpuset_mems, "memory nodes that it may use", "0", "a"),
	ACT("creds", 0, OPTION_VALUE, parse_creds, "USER:PASSWORD for the registry", "user:word", "user"),
	NOTE("decryption-key", 0, OPTION_LIST, "encrypted layers are refused by name", "/config/keys/key.pem"),
	ACT("detach", 'd', OPTION_BOOL, parse_own_way, "containers always run in the background", "true", NULL),
	NOTE("detach-keys", 0, OPTION_VALUE, "nothing is attached", "ctrl-p,ctrl-q"),
	ACT("device", 0, OPTION_LIST, parse_device, "HOST[:CONTAINER][:rw|rwm]: a device node of the appliance", "/dev/net/tun:/dev/net/tun:rwm", "/dev/net/tun:r"),
	REFUSE("device-cgroup-rule", 0, OPTION_LIST, "device rules have no place in a user namespace (podman refuses them there too)", "c 1:3 rwm"),
	ACT("device-read-bps", 0, OPTION_LIST, parse_device_read_bps, "DEVICE:BYTES a second; a folder or file stands for the disk that it is on", "/dev/sda:1mb", "/dev/sda:much"),
	ACT("device-read-iops", 0, OPTION_LIST, parse_device_read_iops, "DEVICE:OPERATIONS a second; a folder or file stands for the disk that it is on", "/dev/sda:100", "/dev/sda:much"),
	ACT("device-write-bps", 0, OPTION_LIST, parse_device_write_bps, "DEVICE:BYTES a second; a folder or file stands for the disk that it is on", "/dev/sda:1mb", "/dev/sda:much"),
	ACT("device-write-iops", 0, OPTION_LIST, parse_device_write_iops, "DEVICE:OPERATIONS a second; a folder or file stands for the disk that it is on", "/dev/sda:100", "/dev/sda:much"),
	NOTE("disable-content-trust", 0, OPTION_BOOL, "has no effect in podman either", "true"),
	ACT("dns", 0, OPTION_LIST, parse_dns, "address of a name server, in place of the appliance's; none: the image's /etc/resolv.conf", "192.0.2.1", "ns.example.org"),
	ACT("dns-option", 0, OPTION_LIST, parse_dns_option, "option of the resolver, besides the appliance's", "ndots:1", "a b"),
	ACT("dns-search", 0, OPTION_LIST, parse_dns_search, "search domain, in place of the appliance's; . is none", "example.org", "-x"),
	ACT("entrypoint", 0, OPTION_VALUE, parse_entrypoint, "a program, or a JSON array of words; empty: none", "[\"/bin/app\",\"-v\"]", NULL),
	ACT("env", 'e', OPTION_VALUE, parse_env, "NAME=VALUE", "MODE=fast", "MODE"),
	ACT("env-file", 0, OPTION_LIST, parse_env_file, "file of NAME=VALUE lines, absolute", "/config/units/web.env", "web.env"),
	REFUSE("env-host", 0, OPTION_BOOL, "the engine's environment is not handed to containers", "true"),
	REFUSE("env-merge", 0, OPTION_VALUE, "merging with the image's environment is not supported in this version", "PATH=${PATH}:/app"),
	NOTE("expose", 0, OPTION_LIST, "naming a port opens none: publish it", "8080"),
	REFUSE("gidmap", 0, OPTION_LIST, one_map, "0:1000:1"),
	REFUSE("gpus", 0, OPTION_VALUE, not_yet, "all"),
	ACT("group-add", 0, OPTION_LIST, parse_group_add, "supplementary group, name or number", "audio", "a:b"),
	ACT("group-entry", 0, OPTION_VALUE, parse_group_entry, "line for /etc/group when the image lacks the number of the group; $GROUPNAME, $GID, $USERLIST", "app:x:$GID:$USERLIST", "a\tb"),
	ACT("health-cmd", 0, OPTION_VALUE, parse_health_cmd, "command, JSON array, http://HOST:PORT/PATH, https://HOST:PORT/PATH (whoever signed its certificate), tcp://HOST:PORT, or none", "http://127.0.0.1:8000/health", "https://web/"),
	ACT("health-interval", 0, OPTION_VALUE, parse_health_interval, "Go duration; disable", "30s", "30"),
	ACT("health-log-destination", 0, OPTION_VALUE, parse_health_log_destination, "local, events_logger (the engine's log, too), or a folder for ID-healthcheck.log", "local", "logs"),
	ACT("health-max-log-count", 0, OPTION_VALUE, parse_health_log_count, "results that are kept; at most 100", "5", "few"),
	ACT("health-max-log-size", 0, OPTION_VALUE, parse_health_log_size, "bytes of each result's output that are kept; at most 500", "500", "5k"),
	ACT("health-on-failure", 0, OPTION_VALUE, parse_health_on_failure, "none, kill, restart, stop", "kill", "reboot"),
	ACT("health-retries", 0, OPTION_VALUE, parse_health_retries, "failures in a row until unhealthy", "3", "0"),
	ACT("health-start-period", 0, OPTION_VALUE, parse_health_start_period, "Go duration in which failures do not count", "1m30s", "soon"),
	ACT("health-startup-cmd", 0, OPTION_VALUE, parse_startup_cmd, "runs instead of the health check until it has passed; same forms", "/bin/ready", "http://web/"),
	ACT("health-startup-interval", 0, OPTION_VALUE, parse_startup_interval, "Go duration", "10s", "10"),
	ACT("health-startup-retries", 0, OPTION_VALUE, parse_startup_retries, "failures in a row that restart the container; 0: never", "3", "few"),
	ACT("health-startup-success", 0, OPTION_VALUE, parse_startup_success, "passes in a row that are needed", "1", "few"),
	ACT("health-startup-timeout", 0, OPTION_VALUE, parse_startup_timeout, "Go duration, at least 1s", "5s", "500ms"),
	ACT("health-timeout", 0, OPTION_VALUE, parse_health_timeout, "Go duration, at least 1s", "5s", "500ms"),
	ACT("hostname", 'h', OPTION_VALUE, parse_hostname, "host name inside", "web-1", "a b"),
	REFUSE("hosts-file", 0, OPTION_VALUE, "own hosts files are not supported in this version", "none"),
	REFUSE("hostuser", 0, OPTION_LIST, "the appliance has no users of its own to hand on", "admin"),
	NOTE("http-proxy", 0, OPTION_BOOL, "no proxy variables are handed to containers; set them with Environment=", "true"),
	ACT("image-volume", 0, OPTION_VALUE, parse_image_volume, "anonymous, tmpfs: bounded scratch space; ignore", "ignore", "bind"),
	ACT("init", 0, OPTION_BOOL, parse_init, "a small init is process 1: it hands on signals, and waits for orphans", "true", "maybe"),
	REFUSE("init-path", 0, OPTION_VALUE, not_yet, "/usr/bin/init"),
	NOTE("interactive", 'i', OPTION_BOOL, "standard input is /dev/null", "true"),
	ACT("ip", 0, OPTION_VALUE, parse_ip, "IPv4 address in the only network", "10.88.0.9", "10.88.0.256"),
	REFUSE("ip6", 0, OPTION_VALUE, no_ipv6, "fd00::9"),
	ACT("ipc", 0, OPTION_VALUE, parse_ipc, "private, shareable, none: always private", "private", "host"),
	NOTE("kernel-memory", 0, OPTION_VALUE, "has no effect in podman either", "64m"),
	ACT("label", 'l', OPTION_VALUE, parse_label, "NAME=VALUE", "tier=web", "=x"),
	REFUSE("label-file", 0, OPTION_LIST, "label files are not supported in this version: use Label=", "/config/labels"),
	REFUSE("link-local-ip", 0, OPTION_VALUE, "further addresses of a container are not supported", "169.254.1.1"),
	ACT("log-driver", 0, OPTION_VALUE, parse_log_driver, "none keeps nothing, passthrough writes to the engine's own output; journald, k8s-file, json-file: noted, output goes to our files", "journald", "passthrough-tty"),
	ACT("log-opt", 0, OPTION_LIST, parse_log_opt, "max-size=, max-file=, tag=, path= below /data; label= is noted", "max-size=20m", "max-size=much"),
	ACT("mac-address", 0, OPTION_VALUE, parse_mac_address, "MAC address in the only network", "02:00:00:00:00:01", "01:00:00:00:00:01"),
	ACT("memory", 'm', OPTION_VALUE, parse_memory, "bytes with b k m g", "256m", "12q"),
	NOTE("memory-reservation", 0, OPTION_VALUE, "a request, no limit", "64m"),
	ACT("memory-swap", 0, OPTION_VALUE, parse_memory_swap, "memory plus swap in bytes; -1: unlimited swap", "-1", "12q"),
	NOTE("memory-swappiness", 0, OPTION_VALUE, "cgroup v2 has no such setting", "60"),
	ACT("mount", 0, OPTION_VALUE, parse_mount, "type=bind|volume|tmpfs,...", "type=bind,src=/data/x,dst=/x,ro", "type=image,src=x,dst=/x"),
	ACT("name", 0, OPTION_VALUE, parse_name, "container name", "web", "-web"),
	ACT("network", 0, OPTION_VALUE, parse_network, "host, none, or networks: NAME[:ip=,mac=,alias=,interface_name=]; bridge and podman: the default one", "bridge:alias=web", "macvlan:x=y"),
	ACT("network-alias", 0, OPTION_LIST, parse_network_alias, "further name for the other containers of its networks", "db", "a b"),
	ACT("no-healthcheck", 0, OPTION_BOOL, parse_no_healthcheck, "no health check", "true", "maybe"),
	ACT("no-hostname", 0, OPTION_BOOL, parse_no_hostname, "keep the image's /etc/hostname", "true", "maybe"),
	ACT("no-hosts", 0, OPTION_BOOL, parse_no_hosts, "keep the image's /etc/hosts", "true", "maybe"),
	NOTE("oom-kill-disable", 0, OPTION_BOOL, "cgroup v2 has no such setting", "true"),
	NOTE("oom-score-adj", 0, OPTION_VALUE, "the engine's order of victims is kept: containers go first", "100"),
	REFUSE("os", 0, OPTION_VALUE, platform, "linux"),
	ACT("passwd", 0, OPTION_BOOL, parse_passwd, "lines in /etc/passwd and /etc/group for a user and a group that the image lacks the numbers of", "false", "maybe"),
	ACT("passwd-entry", 0, OPTION_VALUE, parse_passwd_entry, "line for /etc/passwd when the image lacks the number of the user; $USERNAME, $UID, $GID, $NAME, $HOME", "app:x:$UID:$GID::$HOME:/bin/sh", "a\tb"),
	REFUSE("personality", 0, OPTION_VALUE, not_yet, "LINUX32"),
	ACT("pid", 0, OPTION_VALUE, parse_private_namespace, "always private", "private", "host"),
	NOTE("pidfile", 0, OPTION_VALUE, own_files, "/run/web.pid"),
	ACT("pids-limit", 0, OPTION_VALUE, parse_pids_limit, "number of processes; 0 and -1: unlimited", "100", "many"),
	REFUSE("platform", 0, OPTION_VALUE, platform, "linux/arm64"),
	ACT("pod", 0, OPTION_VALUE, parse_pod, "the pod of a .pod unit, by Pod=NAME.pod", "web", NULL),
	REFUSE("pod-id-file", 0, OPTION_VALUE, "write Pod=NAME.pod", "/run/pod"),
	REFUSE("preserve-fd", 0, OPTION_LIST, not_yet, "5"),
	REFUSE("preserve-fds", 0, OPTION_VALUE, not_yet, "1"),
	REFUSE("privileged", 0, OPTION_BOOL, "name the capabilities (AddCapability=) and devices (AddDevice=) that are needed", "true"),
	ACT("publish", 'p', OPTION_LIST, parse_publish, "[ADDRESS:][HOST[-END]:]PORT[-END][/tcp|udp]; without HOST one is chosen", "127.0.0.1:8000-8001:80-81/tcp", "99999:80"),
	REFUSE("publish-all", 'P', OPTION_BOOL, "name the ports with --publish (PublishPort=): which ones an image exposes is not known when units are checked", "true"),
	ACT("pull", 0, OPTION_VALUE, parse_pull, "always, missing, never, newer; archives in /config/images win", "missing", "sometimes"),
	NOTE("quiet", 'q', OPTION_BOOL, "progress is in /status", "true"),
	REFUSE("rdt-class", 0, OPTION_VALUE, not_yet, "class"),
	ACT("read-only", 0, OPTION_BOOL, parse_read_only, "read-only root", "true", "maybe"),
	ACT("read-only-tmpfs", 0, OPTION_BOOL, parse_read_only_tmpfs, "with --read-only: scratch space on /run, /tmp, /var/tmp", "false", "maybe"),
	ACT("replace", 0, OPTION_BOOL, parse_own_way, "containers are always made anew", "true", NULL),
	REFUSE("requires", 0, OPTION_LIST, "belongs into [Unit]: Requires=", "db"),
	ACT("restart", 0, OPTION_VALUE, parse_restart, "no; all else belongs into [Service]: Restart=", "no", "always"),
	ACT("retry", 0, OPTION_VALUE, parse_retry, "how often one request to a registry is tried again", "3", "often"),
	ACT("retry-delay", 0, OPTION_VALUE, parse_retry_delay, "pause before the first of these tries; it doubles", "5s", "soon"),
	ACT("rm", 0, OPTION_BOOL, parse_own_way, "containers are always removed when they end", "true", NULL),
	NOTE("rmi", 0, OPTION_BOOL, "images are kept; they are removed by hand", "true"),
	REFUSE("rootfs", 0, OPTION_BOOL, "a root directory instead of an image is not supported in this version", "true"),
	ACT("sdnotify", 0, OPTION_VALUE, parse_sdnotify, "conmon; healthy; container: READY=1 through NOTIFY_SOCKET; ignore is conmon", "container", "always"),
	ACT("seccomp-policy", 0, OPTION_VALUE, parse_seccomp_policy, "default", "default", "image"),
	ACT("secret", 0, OPTION_VALUE, parse_secret, "NAME[,type=mount|env][,target=][,uid=,gid=,mode=]", "key,type=env", "key,type=file"),
	ACT("security-opt", 0, OPTION_VALUE, parse_security_opt, "no-new-privileges, seccomp=, mask=, unmask=; label=, apparmor=unconfined are noted", "no-new-privileges", "apparmor=strict"),
	ACT("shm-size", 0, OPTION_VALUE, parse_shm_size, "bytes with b k m g", "64m", "12q"),
	NOTE("shm-size-systemd", 0, OPTION_VALUE, "systemd inside a container is not supported", "64m"),
	NOTE("sig-proxy", 0, OPTION_BOOL, "nothing is attached", "true"),
	REFUSE("signature-policy", 0, OPTION_VALUE, "own signature policies are not supported in this version", "/config/policy.json"),
	ACT("stop-signal", 0, OPTION_VALUE, parse_stop_signal, "name with or without SIG, or number", "SIGRTMIN+3", "SIGSTOPP"),
	ACT("stop-timeout", 0, OPTION_VALUE, parse_stop_timeout, "seconds", "30", "30s"),
	REFUSE("subgidname", 0, OPTION_VALUE, one_map, "web"),
	REFUSE("subuidname", 0, OPTION_VALUE, one_map, "web"),
	ACT("sysctl", 0, OPTION_LIST, parse_sysctl, "NAME=VALUE of the container's own namespaces", "kernel.shmmax=1000000", "vm.swappiness=1"),
	ACT("systemd", 0, OPTION_VALUE, parse_systemd, "false; true is noted", "false", "always"),
	REFUSE("timeout", 0, OPTION_VALUE, "belongs into [Service]: RuntimeMaxSec=", "60"),
	ACT("tls-verify", 0, OPTION_BOOL, parse_tls_verify, "false: the registry's certificate is not checked, and plain HTTP will do", "true", "maybe"),
	ACT("tmpfs", 0, OPTION_VALUE, parse_tmpfs, "DIR[:size=,mode=,rw,ro,exec,noexec,...]; size in bytes with k, m, g, or as 10%: of the appliance's memory", "/tmp:rw,size=64m,mode=1777", "/tmp:size=12q"),
	NOTE("tty", 't', OPTION_BOOL, "there is no terminal: output goes to the container's log", "true"),
	ACT("tz", 0, OPTION_VALUE, parse_timezone, "time zone of the program, as TZ= and /etc/localtime; rules that hold from now on", "Europe/Berlin", "../etc"),
	REFUSE("uidmap", 0, OPTION_LIST, one_map, "0:1000:1"),
	ACT("ulimit", 0, OPTION_LIST, parse_ulimit, "NAME=SOFT[:HARD]; host", "nofile=1024:4096", "nofiles=1"),
	ACT("umask", 0, OPTION_VALUE, parse_umask, "octal", "0027", "9"),
	ACT("unsetenv", 0, OPTION_VALUE, parse_unset_env, "take a name out of the default and image environment", "TERM", "A=B"),
	ACT("unsetenv-all", 0, OPTION_BOOL, parse_unset_env_all, "take all of them out", "true", "maybe"),
	ACT("user", 'u', OPTION_VALUE, parse_user, "USER[:GROUP], names or numbers", "1001:1001", "1001:1:1"),
	ACT("userns", 0, OPTION_VALUE, parse_userns, "keep-id[:uid=,gid=]", "keep-id:uid=1001,gid=1001", "host"),
	ACT("uts", 0, OPTION_VALUE, parse_private_namespace, "always private", "private", "host"),
	REFUSE("variant", 0, OPTION_VALUE, platform, "v8"),
	ACT("volume", 'v', OPTION_VALUE, parse_volume, "SOURCE:/TARGET[:OPTIONS], SOURCE a path or a volume's name; /TARGET alone: scratch space", "/data/logs:/logs:ro,Z", "data:logs"),
	REFUSE("volumes-from", 0, OPTION_VALUE, not_yet, "db"),
	ACT("workdir", 'w', OPTION_VALUE, parse_workdir, "absolute directory", "/app", "app"),
};
/* clang-format on */

const struct option_table options_of_run = { run_rows, sizeof(run_rows) / sizeof(run_rows[0]) };

struct alias {
	const char *name, *means;
};

/* Old spellings that podman still takes. */
static const struct alias aliases[] = {
	{ "dns-opt", "dns-option" },
	{ "health-command", "health-cmd" },
	{ "healthcheck-command", "health-cmd" },
	{ "healthcheck-interval", "health-interval" },
	{ "healthcheck-retries", "health-retries" },
	{ "healthcheck-start-period", "health-start-period" },
	{ "healthcheck-timeout", "health-timeout" },
	{ "net", "network" },
	{ "net-alias", "network-alias" },
	{ "override-arch", "arch" },
	{ "override-os", "os" },
	{ "override-variant", "variant" },
};

static bool name_is(const char *row, const char *name, size_t len)
{
	return strncmp(row, name, len) == 0 && row[len] == '\0';
}

/* Rows are sorted by name. */
static const struct option *find_row(const struct option_table *table, const char *name, size_t len)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		const char *row = table->rows[middle].name;
		int order = row[0] != name[0] ? (unsigned char)row[0] - (unsigned char)name[0] :
						strncmp(row, name, len);

		if (!order && !row[len])
			return &table->rows[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* Every word of every unit is looked for among those of "podman run": its rows by a hash of the name, and by letter. */
#define SLOTS 1024 /* a power of two, twice the rows at least */
static struct {
	bool is_filled;
	const struct option *slots[SLOTS], *letters[128];
} of_run;

static_assert(sizeof(run_rows) / sizeof(run_rows[0]) < SLOTS / 2, "the table never fills");

/* The slot of the name, or the free one where it would be. */
static const struct option **find_slot(const char *name, size_t len)
{
	size_t slot = len * 31;

	if (len)
		slot += (size_t)(unsigned char)name[0] * 37 +
			(size_t)(unsigned char)name[len / 2] * 101 +
			(size_t)(unsigned char)name[len - 1] * 7;
	for (slot %= SLOTS; of_run.slots[slot]; slot = (slot + 1) % SLOTS)
		if (strncmp(of_run.slots[slot]->name, name, len) == 0 &&
		    !of_run.slots[slot]->name[len])
			break;
	return &of_run.slots[slot];
}

static void fill_slots(void)
{
	if (of_run.is_filled)
		return;
	for (size_t i = 0; i < options_of_run.count; i++) {
		const struct option *row = &run_rows[i];

		*find_slot(row->name, strlen(row->name)) = row;
		if (row->letter && !of_run.letters[row->letter & 127])
			of_run.letters[row->letter & 127] = row;
	}
	of_run.is_filled = true;
}

void spec_prepare(void)
{
	fill_slots();
	pod_prepare();
}

const struct option *option_find(const struct option_table *table, const char *name, size_t len)
{
	const struct option *row;

	if (table == &options_of_run) {
		fill_slots();
		row = *find_slot(name, len);
	} else {
		row = find_row(table, name, len);
	}

	for (size_t i = 0; !row && i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (name_is(aliases[i].name, name, len))
			row = find_row(table, aliases[i].means, strlen(aliases[i].means));
	return row;
}

const struct option *option_find_letter(const struct option_table *table, char letter)
{
	if (table == &options_of_run) {
		fill_slots();
		return letter > 0 ? of_run.letters[(unsigned char)letter] : NULL;
	}
	for (size_t i = 0; i < table->count; i++)
		if (letter && table->rows[i].letter == letter)
			return &table->rows[i];
	return NULL;
}

static const char *state_name(enum option_state state)
{
	switch (state) {
	case OPTION_ACTED:
		return "acted on";
	case OPTION_NOTED:
		return "noted";
	case OPTION_REFUSED:
		return "refused";
	}
	return "";
}

/* A bar would end the table's cell. */
static void cell(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			buf_putc(out, '\\');
		buf_putc(out, *text);
	}
}

static void write_table(struct buf *out, const struct option_table *table)
{
	buf_puts(out, "| option | state | meaning or reason | example |\n|---|---|---|---|\n");
	for (size_t i = 0; i < table->count; i++) {
		const struct option *row = &table->rows[i];

		buf_printf(out, "| `--%s`", row->name);
		if (row->letter)
			buf_printf(out, ", `-%c`", row->letter);
		buf_printf(out, " | %s | ", state_name(row->state));
		cell(out, row->text);
		buf_puts(out, " | `");
		cell(out, row->example);
		buf_puts(out, "` |\n");
	}
}

void spec_options_markdown(struct buf *out)
{
	buf_puts(
		out,
		"# Options of `podman run`, one row a word\n\n"
		"Generated by `cleat spec --options`. *Acted on*: does what podman does, or says for a value that it is not supported;\n"
		"*noted*: accepted with a note, because leaving it out cannot weaken isolation or lose data; *refused*: an error with\n"
		"the reason. A switch that is refused or noted may be given as `=false`. Any other word is an error.\n\n");
	write_table(out, &options_of_run);
	buf_puts(out, "\n## Options of podman itself, before its command (`GlobalArgs=`)\n\n");
	write_table(out, &options_of_podman);
	buf_puts(out, "\n## Options of `podman pod create` (`.pod` units)\n\n");
	write_table(out, &options_of_pod);
}

static void dictionary_word(struct buf *out, const char *text)
{
	buf_putc(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *text);
	}
	buf_puts(out, "\"\n");
}

static void write_words(struct buf *out, const struct option_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct option *row = &table->rows[i];
		char word[128];

		snprintf(word, sizeof(word), "--%s=", row->name);
		dictionary_word(out, word);
		dictionary_word(out, row->example);
		if (row->bad)
			dictionary_word(out, row->bad);
	}
}

void spec_options_dictionary(struct buf *out)
{
	write_words(out, &options_of_run);
	write_words(out, &options_of_podman);
	write_words(out, &options_of_pod);
}
