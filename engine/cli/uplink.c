/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat uplink": appliance.ini, network-config and /etc/network/interfaces -> what net/uplink.h takes; and "cleat dhcp", which becomes a DHCP
 * client after it has given up what such a client does not need ("cleat dhcp6" is one itself). Must never read configuration once the network is being looked at.
 */
#include <fcntl.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "net/dhcp6.h"
#include "net/interfaces.h"
#include "net/uplink.h"
#include "unit/appliance.h"
#include "unit/network_config.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/ids.h"
#include "util/places.h"
#include "util/proc.h"
#include "util/str.h"

#define BUSYBOX "/bin/busybox"
#define SCRIPT "/usr/share/udhcpc/default.script"
#define CLIENT_MEMORY_BYTES (32u << 20)
#define FILE_MAX_BYTES (64u << 10)
#define HOST_NAME "cleat"

/* --- configuration ---------------------------------------------------------------------------------------------- */

/* More than there is room for is said once and left out. */
static void note(struct uplink_config *c, const char *text)
{
	size_t len = strlen(c->notes);

	if (len + strlen(text) + 2 <= sizeof(c->notes))
		snprintf(c->notes + len, sizeof(c->notes) - len, "%s\n", text);
}

static void join(char out[UPLINK_SEARCH], const struct appliance_texts *texts)
{
	size_t len = strlen(out);

	for (unsigned i = 0; i < texts->count; i++)
		if (len + strlen(texts->text[i]) + 2 <= UPLINK_SEARCH)
			len += (size_t)snprintf(out + len, UPLINK_SEARCH - len, "%s%s",
						len ? " " : "", texts->text[i]);
}

static void take_link(const struct appliance_link *from, struct uplink_link *out)
{
	enum appliance_method method = from->has_method	     ? from->method :
				       from->addresses.count ? APPLIANCE_METHOD_STATIC :
							       APPLIANCE_METHOD_DHCP;
	struct net_ip ip;

	*out = (struct uplink_link){ .mtu = from->mtu };
	str_copy(out->name, sizeof(out->name), from->name);
	out->is_off = method == APPLIANCE_METHOD_OFF;
	out->dhcp = method == APPLIANCE_METHOD_DHCP;
	out->dhcp6 = from->dhcp6;
	out->adverts = method == APPLIANCE_METHOD_DHCP || method == APPLIANCE_METHOD_AUTO ||
		       from->dhcp6;
	/* there is room: the lists here are as long as those there */
	for (unsigned i = 0; i < from->addresses.count; i++)
		if (net_ip_parse_prefix(from->addresses.text[i], &ip))
			uplink_add_address(out, &ip);
	for (unsigned i = 0; i < from->gateways.count; i++)
		if (net_ip_parse(from->gateways.text[i], &ip))
			uplink_add_gateway(out, &ip);
}

static bool is_chosen(const struct uplink_config *c, const char *name)
{
	for (unsigned i = 0; i < c->chosen_count; i++)
		if (str_eq(c->chosen[i].name, name))
			return true;
	return false;
}

static void take_links(struct uplink_config *c, const struct appliance_link *links, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (is_chosen(c, links[i].name))
			continue;
		if (c->chosen_count == UPLINK_MAX_LINKS) {
			note(c, "more than 8 links are described: the others are left out");
			return;
		}
		take_link(&links[i], &c->chosen[c->chosen_count++]);
	}
}

static void take_names(struct uplink_config *c, const struct appliance_texts *dns,
		       const struct appliance_texts *search)
{
	struct net_ip ip;

	for (unsigned i = 0; !c->dns_count && i < dns->count; i++)
		if (net_ip_parse(dns->text[i], &ip))
			c->dns[c->dns_count++] = ip;
	if (!c->search[0])
		join(c->search, search);
}

static void take_appliance(struct uplink_config *c, struct arena *arena)
{
	static struct appliance appliance;
	static struct network_config network;
	struct diags diags = { 0 };
	struct err err;

	/* what is wrong in them the engine says */
	if (appliance_load(&appliance, arena, &diags, CLEAT_APPLIANCE_INI, &err) == 0) {
		take_links(c, appliance.links, appliance.link_count);
		take_names(c, &appliance.dns, &appliance.search);
	}
	diags_fini(&diags);
	diags = (struct diags){ 0 };
	if (network_config_find(&network, arena, &diags, &err) < 0)
		note(c, err.msg);
	for (size_t i = 0; i < diags.count; i++) {
		auto_buf line = BUF_INIT(1024);

		diag_format(&diags.items[i], &line);
		note(c, buf_str(&line));
	}
	diags_fini(&diags);
	take_links(c, network.links, network.link_count);
	take_names(c, &network.dns, &network.search);
}

static void take_interfaces(struct uplink_config *c)
{
	static struct interfaces interfaces;
	auto_buf text = BUF_INIT(INTERFACES_MAX_BYTES);
	struct err err;
	char line[160];

	if (file_read_at(AT_FDCWD, INTERFACES_FILE, INTERFACES_MAX_BYTES, &text, &err) < 0) {
		if (err.code != ERR_NOT_FOUND)
			note(c, err.msg);
		return;
	}
	interfaces_parse(buf_str(&text), &interfaces);
	memcpy(c->written, interfaces.links, sizeof(c->written));
	c->written_count = interfaces.count;
	for (unsigned i = 0; i < interfaces.ignored_count && i < INTERFACES_MAX_IGNORED; i++) {
		snprintf(line, sizeof(line), INTERFACES_FILE ":%u: ignored: %s",
			 interfaces.ignored[i].line, interfaces.ignored[i].text);
		note(c, line);
	}
	if (interfaces.ignored_count > INTERFACES_MAX_IGNORED) {
		snprintf(line, sizeof(line), INTERFACES_FILE ": %u more lines are ignored",
			 interfaces.ignored_count - INTERFACES_MAX_IGNORED);
		note(c, line);
	}
}

int cmd_uplink(int argc, char **argv)
{
	static struct uplink_config config;
	struct arena arena = { 0 };
	uint64_t fd;
	struct err err;

	if (argc != 3 || !str_eq(argv[1], "--socket") || !str_to_u64(argv[2], 1023, &fd)) {
		fprintf(stderr, "usage: cleat uplink --socket FD\n");
		return CLI_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	take_appliance(&config, &arena);
	take_interfaces(&config);
	arena_fini(&arena);
	if (uplink_run(&config, (int)fd, &err) == 0)
		return CLI_OK;
	fprintf(stderr, "cleat uplink: %s\n", err.msg);
	return CLI_FAILED;
}

/* --- the DHCP client ----------------------------------------------------------------------------------------------- */

/* Raw frames before there is an address, port 68 afterwards; a script that writes one file. */
static int confine_client(struct err *err)
{
	static const int extra[] = {
		SCMP_SYS(execve),
		SCMP_SYS(clone),
		SCMP_SYS(clone3),
		SCMP_SYS(fork),
		SCMP_SYS(vfork),
		SCMP_SYS(wait4),
		SCMP_SYS(waitid),
		SCMP_SYS(pipe),
		SCMP_SYS(pipe2),
		SCMP_SYS(dup),
		SCMP_SYS(dup2),
		SCMP_SYS(dup3),
		SCMP_SYS(socket),
		SCMP_SYS(bind),
		SCMP_SYS(connect),
		SCMP_SYS(setsockopt),
		SCMP_SYS(getsockopt),
		SCMP_SYS(sendto),
		SCMP_SYS(recvfrom),
		SCMP_SYS(sendmsg),
		SCMP_SYS(recvmsg),
		SCMP_SYS(getsockname),
		SCMP_SYS(ioctl),
		SCMP_SYS(openat),
		SCMP_SYS(open),
		SCMP_SYS(stat),
		SCMP_SYS(lstat),
		SCMP_SYS(access),
		SCMP_SYS(faccessat),
		SCMP_SYS(faccessat2),
		SCMP_SYS(rename),
		SCMP_SYS(renameat),
		SCMP_SYS(renameat2),
		SCMP_SYS(unlink),
		SCMP_SYS(unlinkat),
		SCMP_SYS(umask),
		SCMP_SYS(getppid),
		SCMP_SYS(getpgrp),
		SCMP_SYS(getpgid),
		SCMP_SYS(setsid),
		SCMP_SYS(kill),
		SCMP_SYS(rt_sigsuspend),
		SCMP_SYS(arch_prctl),
		SCMP_SYS(set_tid_address),
		SCMP_SYS(set_robust_list),
		SCMP_SYS(rseq),
		SCMP_SYS(prlimit64),
		SCMP_SYS(getcwd),
		SCMP_SYS(sysinfo),
		SCMP_SYS(uname),
		SCMP_SYS(time),
		SCMP_SYS(select),
		SCMP_SYS(pselect6),
		SCMP_SYS(alarm),
		SCMP_SYS(setitimer),
		SCMP_SYS(readlink),
		SCMP_SYS(readlinkat),
		SCMP_SYS(getgroups),
		SCMP_SYS(chdir),
		-1,
	};
	static const int keep[] = { CAP_NET_RAW, CAP_NET_BIND_SERVICE, -1 };
	static const char *const writes[] = { UPLINK_LEASES_DIR, "/dev/null", NULL };
	static const char *const executes[] = { BUSYBOX, SCRIPT, NULL };
	struct proc_confine c = {
		.uid = IDS_WORKER_DHCP,
		.gid = IDS_WORKER_DHCP,
		.write_paths = writes,
		.exec_paths = executes,
		.keep_caps = keep,
		.keep_over_exec = true,
		.syscalls = extra,
		.memory_max_bytes = CLIENT_MEMORY_BYTES,
		.max_fds = 64,
	};

	/* a record has a few hundred bytes, and lies on a tmpfs */
	if (setrlimit(RLIMIT_FSIZE, &(struct rlimit){ FILE_MAX_BYTES, FILE_MAX_BYTES }) < 0)
		return err_sys(err, "RLIMIT_FSIZE");
	return proc_confine(&c, err);
}

/* What the server shall call us; a name that nobody has chosen is none. */
static void host_option(char out[96])
{
	struct utsname names;

	if (uname(&names) < 0 || !names.nodename[0] || str_eq(names.nodename, "(none)") ||
	    str_eq(names.nodename, "localhost") || strlen(names.nodename) > 63)
		str_copy(names.nodename, sizeof(names.nodename), HOST_NAME);
	snprintf(out, 96, "hostname:%s", names.nodename);
}

/* What it has to say of every packet goes to /dev/null, which descriptor 0 is; why it could not begin does not. Returns on failure. */
static void become_client(char *const *words, struct err *err)
{
	char *environment[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

	if (saved < 0 || dup2(STDIN_FILENO, STDERR_FILENO) < 0) {
		err_sys(err, "dup");
		return;
	}
	execve(BUSYBOX, words, environment);
	err_sys(err, BUSYBOX);
	dup2(saved, STDERR_FILENO);
}

int cmd_dhcp(int argc, char **argv)
{
	char hostname[96];
	char *words[24] = { (char *)"udhcpc", (char *)"-f",   (char *)"-i", NULL,
			    (char *)"-s",     (char *)SCRIPT, (char *)"-A", (char *)"10",
			    (char *)"-O",     (char *)"mtu",  (char *)"-O", (char *)"staticroutes",
			    (char *)"-x",     hostname,	      (char *)"-V", (char *)"cleat" };
	struct err err;

	if ((argc != 3 && argc != 5) || !str_eq(argv[1], "--link") ||
	    (argc == 5 && !str_eq(argv[3], "--request"))) {
		fprintf(stderr, "usage: cleat dhcp --link NAME [--request ADDRESS]\n");
		return CLI_USAGE;
	}
	words[3] = argv[2];
	host_option(hostname);
	if (argc == 5) {
		words[16] = (char *)"-r";
		words[17] = argv[4];
	}
	if (confine_client(&err) == 0)
		become_client(words, &err);
	fprintf(stderr, "cleat dhcp: %s: %s\n", argv[2], err.msg);
	return CLI_FAILED;
}

int cmd_dhcp6(int argc, char **argv)
{
	struct err err;

	if (argc != 3 || !str_eq(argv[1], "--link")) {
		fprintf(stderr, "usage: cleat dhcp6 --link NAME\n");
		return CLI_USAGE;
	}
	if (dhcp6_run(argv[2], &err) == 0)
		return CLI_OK;
	fprintf(stderr, "cleat dhcp6: %s: %s\n", argv[2], err.msg);
	return CLI_FAILED;
}
