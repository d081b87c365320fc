/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of what a host may withhold. Must never look at anything: the same words are read by processes that may open nothing.
 */
#include "util/host.h"

#include <stdio.h>
#include <string.h>

#include "util/published.h"
#include "util/str.h"

#define PVE_NESTING "pct set ID --features nesting=1; pct reboot ID"
#define INCUS_NESTING "incus config set NAME security.nesting=true; incus restart NAME"
#define LXC_NESTING "lxc.include = /usr/share/lxc/config/nesting.conf"
#define HOST_KERNEL "a kernel of 5.15 or newer on the host"
#define NO_CONTAINER "no container can start"
#define NO_NETWORK "containers with a network of their own cannot start; Network=host works"

/* clang-format off */
static const struct host_check checks[] = {
	/* what everything else hangs on first: "after" names rows above */
	{ "kernel", HOST_MISSING, "Linux 5.15 or newer", NO_CONTAINER, NULL, 0,
	  HOST_KERNEL, NULL, NULL, "a kernel of 5.15 or newer" },
	{ "capabilities", HOST_MISSING, "the capabilities that starting containers takes", NO_CONTAINER, NULL, 0,
	  "take them out of lxc.cap.drop in /etc/pve/lxc/ID.conf", "take them out of lxc.cap.drop in incus config get NAME raw.lxc",
	  "take them out of lxc.cap.drop", "start the appliance with all capabilities" },
	{ "id-range", HOST_MISSING, "65536 user and group ids", NO_CONTAINER, NULL, 0,
	  "lxc.idmap = u 0 100000 65536 and lxc.idmap = g 0 100000 65536 in /etc/pve/lxc/ID.conf", "incus config set NAME security.idmap.size=65536",
	  "lxc.idmap = u 0 100000 65536 and lxc.idmap = g 0 100000 65536", "start it as root, with an id map of 65536 ids" },
	{ "clone3", HOST_MISSING, "clone3, which starts a process in its namespaces and its cgroup", NO_CONTAINER, "kernel", 0,
	  "the seccomp profile of the host has to pass clone3", NULL, NULL, NULL },
	{ "mount-calls", HOST_MISSING, "the mount calls of Linux 5.12", NO_CONTAINER, "capabilities", 0,
	  PVE_NESTING, INCUS_NESTING, LXC_NESTING, "start it as root, with CAP_SYS_ADMIN" },
	{ "openat2", HOST_MISSING, "openat2, the way to paths that nobody can redirect", NO_CONTAINER, "kernel", 0,
	  "the seccomp profile of the host has to pass openat2", NULL, NULL, NULL },
	{ "user-namespace", HOST_MISSING, "user namespaces", NO_CONTAINER, "clone3", 0,
	  PVE_NESTING, INCUS_NESTING, LXC_NESTING,
	  "sysctl user.max_user_namespaces above 0, kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0" },
	{ "namespaces", HOST_MISSING, "mount, pid, ipc, uts, cgroup and network namespaces", NO_CONTAINER, "user-namespace", 0,
	  PVE_NESTING, INCUS_NESTING, LXC_NESTING, "sysctl user.max_*_namespaces above 0" },
	{ "id-map", HOST_MISSING, "id maps of more than one id", NO_CONTAINER, "user-namespace", 0,
	  PVE_NESTING, INCUS_NESTING, LXC_NESTING, "start it as root" },
	{ "tmpfs", HOST_MISSING, "tmpfs inside a container", NO_CONTAINER, "namespaces", 0,
	  PVE_NESTING, INCUS_NESTING, LXC_NESTING, "a kernel with CONFIG_TMPFS" },
	{ "pivot-root", HOST_MISSING, "pivot_root", NO_CONTAINER, "tmpfs", 0,
	  PVE_NESTING, INCUS_NESTING, LXC_NESTING, "no filter of pivot_root" },
	{ "private-proc", HOST_MISSING, "a /proc of the container's own", NO_CONTAINER, "namespaces", HOST_LOSS_PROC,
	  PVE_NESTING, INCUS_NESTING, LXC_NESTING, "nothing mounted over parts of /proc" },
	{ "overlay", HOST_MISSING, "overlay mounts", NO_CONTAINER, "tmpfs", 0,
	  PVE_NESTING, INCUS_NESTING, LXC_NESTING " and, on the host: modprobe overlay", "modprobe overlay" },
	{ "seccomp", HOST_MISSING, "seccomp filters", NO_CONTAINER, NULL, 0,
	  "a kernel with CONFIG_SECCOMP_FILTER on the host", NULL, NULL, "a kernel with CONFIG_SECCOMP_FILTER" },
	{ "cgroup-tree", HOST_MISSING, "a cgroup v2 tree that can be written", NO_CONTAINER, NULL, 0,
	  "boot the host with systemd.unified_cgroup_hierarchy=1", NULL,
	  "lxc.mount.auto = cgroup:mixed, and cgroup v2 on the host (systemd.unified_cgroup_hierarchy=1)", "mount -t cgroup2 cgroup2 /sys/fs/cgroup" },
	{ "cgroup-birth", HOST_MISSING, "processes born in their cgroup", NO_CONTAINER, "cgroup-tree clone3", 0,
	  HOST_KERNEL ", and no filter of clone3", NULL, NULL, "a kernel of 5.15 or newer, and no filter of clone3" },
	{ "cgroup-kill", HOST_MISSING, "cgroup.kill", "containers do not end when they should", "cgroup-tree", 0,
	  HOST_KERNEL, NULL, NULL, "a kernel of 5.15 or newer" },
	{ "data", HOST_MISSING, "a /data that can be written", "images, volumes and logs cannot be kept; only what is in the store already can run", NULL, 0,
	  "pct set ID --mp1 STORAGE:8,mp=/data", "incus config device add NAME data disk source=/srv/NAME path=/data shift=true",
	  "lxc.mount.entry = /srv/NAME data none bind 0 0, /srv/NAME owned by the id that is root here", "a disk for /data" },
	{ "data-overlay", HOST_MISSING, "overlay mounts of what lies on /data", NO_CONTAINER, "overlay", 0,
	  "ext4, xfs, btrfs or ZFS 2.2 below /data", NULL, NULL, NULL },

	{ "overlay-upper", HOST_LIMITED, "overlay mounts with room to write", "containers start with ReadOnly=true only", "overlay", 0,
	  PVE_NESTING, INCUS_NESTING, LXC_NESTING, "modprobe overlay" },
	{ "private-sys", HOST_LIMITED, "a /sys of the container's own", NO_NETWORK, "namespaces", HOST_LOSS_SYS,
	  PVE_NESTING, INCUS_NESTING, LXC_NESTING, "nothing mounted over parts of /sys" },
	{ "bridges", HOST_LIMITED, "bridges and pairs of network interfaces", NO_NETWORK, "namespaces", 0,
	  "on the host: modprobe -a veth bridge", NULL, NULL, "modprobe -a veth bridge" },
	{ "nftables", HOST_LIMITED, "nftables with NAT",
	  "published ports go through a proxy, client addresses are lost, containers with a network of their own reach nothing outside", NULL, 0,
	  "on the host: modprobe -a nf_tables nft_chain_nat nft_masq nft_nat nft_fib_inet nft_ct", NULL, NULL,
	  "modprobe -a nf_tables nft_chain_nat nft_masq nft_nat nft_fib_inet nft_ct" },
	{ "frame-filter", HOST_LIMITED, "nftables on bridges", "forged frames between containers are not filtered", "nftables", 0,
	  "on the host: modprobe -a nf_tables nft_meta_bridge", NULL, NULL, "modprobe -a nf_tables nft_meta_bridge" },
	{ "limits", HOST_LIMITED, "controllers for memory, cpu and pids", "limits of that kind are not enforced", "cgroup-tree", 0,
	  "boot the host with cgroup v2 alone: systemd.unified_cgroup_hierarchy=1", NULL,
	  "cgroup v2 alone on the host (systemd.unified_cgroup_hierarchy=1), its controllers delegated (systemd: Delegate=yes)",
	  "cgroup v2 alone: systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all" },
	{ "swap-limit", HOST_LIMITED, "a limit of swap", "MemorySwap= is not enforced", "limits", 0,
	  "boot the host with swapaccount=1", NULL, NULL, "swapaccount=1 on the kernel's command line" },
	{ "data-xattr", HOST_LIMITED, "user.* attributes on /data", "images that replace or remove folders of their base cannot be unpacked", NULL, 0,
	  "ext4, xfs, btrfs or ZFS (xattr=sa) below /data", NULL, NULL, NULL },
	{ "data-exec", HOST_LIMITED, "a /data that is not mounted noexec", "programs in volumes cannot be executed", NULL, 0,
	  "no noexec among mountoptions= of the mount point of /data", "no noexec in the mount of /data", NULL, NULL },
	{ "open-files", HOST_LIMITED, "65536 open files for a process", "LimitNOFILE= above that is cut", NULL, 0,
	  "lxc.prlimit.nofile = 1048576 in /etc/pve/lxc/ID.conf", "incus config set NAME limits.kernel.nofile=1048576", "lxc.prlimit.nofile = 1048576",
	  "ulimit -n 1048576 before the appliance starts" },
	{ "clock", HOST_LIMITED, "a clock that is not before this version's making", "certificates count as not valid yet, images cannot be pulled", NULL, 0,
	  "set the host's clock", NULL, NULL, "set the clock, or let NTP do it" },
	{ "entropy", HOST_LIMITED, "random numbers", "TLS waits, images cannot be pulled", NULL, 0,
	  "wait for the host's random numbers", NULL, NULL, "a virtio-rng device" },
	{ "host-probe", HOST_LIMITED, "a look at the host that comes to its end", "it is not known what is withheld", NULL, 0,
	  "cleat doctor --probe", NULL, NULL, NULL },

	{ "resources", HOST_NOTE, "CAP_SYS_RESOURCE over the machine", "limits are not raised above the host's, OOMScoreAdjust= is not lowered", NULL, 0,
	  "a privileged container would have it; it is not worth that", NULL, NULL, "start the appliance with CAP_SYS_RESOURCE" },
	{ "idmapped-mounts", HOST_NOTE, "idmapped mounts of /data", "UserNS=auto takes the one id map, volumes with idmap are refused", "mount-calls id-map", 0,
	  "/data on a volume of the container's own (Linux 6.x: ext4, xfs, btrfs)", NULL, NULL, "ext4, xfs, btrfs or tmpfs below /data" },
	{ "tmpfs-xattr", HOST_NOTE, "user.* attributes on tmpfs", "with room to write, a folder that replaces a removed one of the image fails with EIO", "tmpfs", 0,
	  "a kernel of 6.6 or newer on the host", NULL, NULL, "a kernel of 6.6 or newer" },
	{ "landlock", HOST_NOTE, "Landlock", "the appliance's own workers are confined by seccomp and ids alone: those that are root (uplink, units-keep, health-log) may write more files than theirs", NULL, 0,
	  "Linux 5.19 or newer with lsm=landlock,... on the host's kernel command line", NULL, NULL,
	  "Linux 5.19 or newer with lsm=landlock,... on the kernel's command line" },
};
/* clang-format on */
#define CHECK_COUNT (sizeof(checks) / sizeof(checks[0]))

const struct host_check *host_checks(size_t *count)
{
	*count = CHECK_COUNT;
	return checks;
}

const struct host_check *host_check_find(const char *id)
{
	for (size_t i = 0; i < CHECK_COUNT; i++)
		if (str_eq(checks[i].id, id))
			return &checks[i];
	return NULL;
}

const char *host_level_name(unsigned level)
{
	static const char *const names[HOST_LEVELS] = { "ok", "unknown", "note", "limited",
							"missing" };

	return level < HOST_LEVELS ? names[level] : "unknown";
}

static const struct {
	const char *name, *title;
} kinds[HOST_KINDS] = {
	[HOST_MACHINE] = { "machine", "a machine of its own" },
	[HOST_PROXMOX] = { "proxmox", "a Proxmox VE container" },
	[HOST_INCUS] = { "incus", "an Incus container" },
	[HOST_LXD] = { "lxd", "an LXD container" },
	[HOST_LXC] = { "lxc", "an LXC container" },
	[HOST_CONTAINER] = { "container", "a container" },
};

const char *host_kind_name(unsigned kind)
{
	return kind < HOST_KINDS ? kinds[kind].name : "unknown";
}

const char *host_kind_title(unsigned kind)
{
	return kind < HOST_KINDS ? kinds[kind].title : "a host of an unknown kind";
}

/* Why what is not in this list with a bit is not to be had. */
static const struct {
	const char *name;
	uint32_t bit;
	const char *why;
} losses[] = {
	{ "private-proc", HOST_LOSS_PROC, NULL },
	{ "private-sys", HOST_LOSS_SYS, NULL },
	{ "user-namespace", 0, "root of a container would be root of the appliance" },
	{ "seccomp", 0,
	  "the appliance's own workers need filters too; a unit says SeccompProfile=unconfined" },
	{ "capabilities", 0, "without them nothing can be isolated" },
	{ "limits", 0, "what is not enforced is listed, and the container starts" },
	{ "overlay", 0, "there is no other way to a root that leaves the image as it is" },
	{ "cgroup-tree", 0, "a container could not be ended for certain" },
};
#define LOSS_COUNT (sizeof(losses) / sizeof(losses[0]))

uint32_t host_loss_find(const char *name, const char **why)
{
	*why = NULL;
	for (size_t i = 0; i < LOSS_COUNT; i++) {
		if (!str_eq(losses[i].name, name))
			continue;
		*why = losses[i].why;
		return losses[i].bit;
	}
	return 0;
}

void host_loss_names(uint32_t bits, char out[HOST_LOSSES_SIZE])
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < LOSS_COUNT; i++)
		if (losses[i].bit & bits)
			len += (size_t)snprintf(out + len, HOST_LOSSES_SIZE - len, "%s%s",
						len ? " " : "", losses[i].name);
}

static const char *column(const struct host_check *check, unsigned kind)
{
	const char *incus = check->incus ? check->incus : check->proxmox;
	const char *lxc = check->lxc ? check->lxc : incus;

	switch ((enum host_kind)kind) {
	case HOST_PROXMOX:
		return check->proxmox;
	case HOST_INCUS:
	case HOST_LXD:
		return incus;
	case HOST_LXC:
	case HOST_CONTAINER:
		return lxc;
	case HOST_MACHINE:
		break;
	}
	return check->machine ? check->machine : lxc;
}

/* LXD's client has the words of the one that came from it. */
static void replace_client(char text[HOST_REMEDY_SIZE])
{
	char *at;

	while ((at = strstr(text, "incus "))) {
		memcpy(at, "lxc", 3);
		memmove(at + 3, at + 5, strlen(at + 5) + 1);
	}
}

void host_remedy(const struct host_check *check, unsigned kind, bool is_filtered,
		 char out[HOST_REMEDY_SIZE])
{
	static const char filtered[] = "the host's seccomp profile has to pass this call";

	str_copy(out, HOST_REMEDY_SIZE, is_filtered ? filtered : column(check, kind));
	if (kind == HOST_LXD)
		replace_client(out);
}

const char *host_loss_text(const struct host_check *check, uint32_t allowed)
{
	if (check->loss_bit & allowed)
		return check->loss_bit == HOST_LOSS_PROC ?
			       "containers see the appliance's /proc, as appliance.ini allows" :
			       "containers see the appliance's /sys, as appliance.ini allows";
	return check->loss;
}

void host_sentence(const struct published_header *header, unsigned index,
		   char out[HOST_SENTENCE_SIZE])
{
	const struct published_finding *finding = &header->findings[index];
	const struct host_check *check = host_check_find(finding->id);
	char remedy[HOST_REMEDY_SIZE], text[HOST_SENTENCE_SIZE + 256];

	if (!check) { /* of a newer engine */
		snprintf(text, sizeof(text), "%s: %s", finding->id, finding->evidence);
	} else {
		host_remedy(check, header->host_kind, finding->is_filtered, remedy);
		snprintf(text, sizeof(text), "%s: %s: %s; to change it: %s", finding->id,
			 host_loss_text(check, header->allowed_losses), finding->evidence, remedy);
	}
	str_copy_text(out, HOST_SENTENCE_SIZE, text);
}
