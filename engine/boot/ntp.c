/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time of a machine: busybox ntpd, started with the servers that are right now, and anew when those change. It runs as a user of its own
 * that may set the clock and nothing else. It looks names up by itself, again and again until there is a network, so
 * nothing here waits for one. Must never run in a container, whose clock is its host's.
 */
#include "boot/ntp.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot/boot.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/ids.h"
#include "util/path.h"
#include "util/places.h"
#include "util/proc.h"
#include "util/str.h"

#define NTPD "/bin/busybox"
#define TOLD CLEAT_LINKS_DIR "/ntp"
#define TOLD_MAX_BYTES 4096
#define AGAIN_MSEC 10000 /* ntpd ends only when something is wrong */
#define QUIET_MSEC 1000	 /* while links come up, its folders change several times a second */

static const char *const pool[] = { "0.pool.ntp.org", "1.pool.ntp.org", "2.pool.ntp.org" };

static void add(struct ntp_servers *out, const char *name)
{
	if (out->count < NTP_MAX_SERVERS && str_copy(out->name[out->count], NTP_NAME_SIZE, name))
		out->count++;
}

static bool is_address(const char *text)
{
	unsigned char address[16];

	return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

void ntp_choose(const struct appliance *appliance, const char *told, struct ntp_servers *out)
{
	*out = (struct ntp_servers){ .count = 0 };
	if (appliance->ntp_off)
		return;
	for (unsigned i = 0; i < appliance->ntp.count; i++)
		add(out, appliance->ntp.text[i]);
	while (!appliance->ntp.count && *told) {
		size_t len = strcspn(told, "\n");
		char line[64] = "";

		if (len < sizeof(line))
			memcpy(line, told, len);
		if (is_address(line))
			add(out, line);
		told += len + (told[len] == '\n');
	}
	for (size_t i = 0; !out->count && i < sizeof(pool) / sizeof(pool[0]); i++)
		str_copy(out->name[i], NTP_NAME_SIZE, pool[i]);
	if (!out->count)
		out->count = sizeof(pool) / sizeof(pool[0]);
}

static void read_servers(struct ntp_servers *out)
{
	auto_buf told = BUF_INIT(TOLD_MAX_BYTES);
	struct appliance appliance;
	struct arena arena = { 0 };
	struct diags diags = { 0 };
	struct err err;

	/* what is wrong there is said by the engine, which reads the same file */
	if (appliance_load(&appliance, &arena, &diags, CLEAT_APPLIANCE_INI, &err) < 0)
		appliance = (struct appliance){ 0 };
	if (file_read_at(AT_FDCWD, TOLD, TOLD_MAX_BYTES, &told, NULL) < 0)
		buf_clear(&told);
	ntp_choose(&appliance, buf_str(&told), out);
	diags_fini(&diags);
	arena_fini(&arena);
}

/* --- ntpd ------------------------------------------------------------------------------------ */

/* In the child: the clock and nothing else, handed over the exec as an ambient capability (capabilities(7)). */
static int become_clock_user(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { 0 };
	const unsigned bit = 1u << CAP_SYS_TIME;

	for (int cap = 0; cap < 64; cap++)
		if (cap != CAP_SYS_TIME)
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(IDS_WORKER_NTP, IDS_WORKER_NTP, IDS_WORKER_NTP) < 0 ||
	    setresuid(IDS_WORKER_NTP, IDS_WORKER_NTP, IDS_WORKER_NTP) < 0)
		return -1;
	sets[0] = (struct __user_cap_data_struct){ bit, bit, bit };
	if (syscall(SYS_capset, &header, sets) < 0 ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_TIME, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static _Noreturn void be_ntpd(const struct ntp_servers *servers)
{
	static char *const no_env[] = { NULL };
	char *argv[3 + 2 * NTP_MAX_SERVERS + 1] = { "ntpd", "-n" };
	int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
	unsigned n = 2;

	for (unsigned i = 0; i < servers->count; i++) {
		argv[n++] = "-p";
		argv[n++] = (char *)servers->name[i];
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	proc_default_signals(true);
	if (access(NTPD, X_OK) == 0 && become_clock_user() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* forgotten with the change of ids */
		/* without a network it complains every few seconds */
		if (quiet >= 0)
			dup2(quiet, STDERR_FILENO);
		execve(NTPD, argv, no_env);
	}
	fprintf(stderr, "ntp: %s: %s\n", NTPD, strerror(errno));
	_exit(1);
}

static pid_t start(const struct ntp_servers *servers)
{
	pid_t pid = servers->count ? fork() : 0;

	if (pid == 0 && servers->count)
		be_ntpd(servers);
	return pid;
}

static void stop(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* --- the step -------------------------------------------------------------------------------- */

/* The links' folder has the servers of DHCP; the engine leaves a mark in the boot's whenever it has read appliance.ini. */
static int open_watch(struct err *err)
{
	static const char *const folders[] = { CLEAT_LINKS_DIR, CLEAT_BOOT_DIR };
	auto_fd int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	if (fd < 0)
		return err_sys(err, "inotify");
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (path_mkdirs(folders[i], 0755, err) < 0)
			return -1;
		if (inotify_add_watch(fd, folders[i], IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE) < 0)
			return err_sys(err, "%s", folders[i]);
	}
	return take_fd(&fd);
}

static int open_child_signal(struct err *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 ||
	    (fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
		return err_sys(err, "signalfd");
	return fd;
}

static void drain(int fd)
{
	char room[4096] __attribute__((aligned(8)));

	while (read(fd, room, sizeof(room)) > 0)
		;
}

static bool is_synchronised(void)
{
	struct timex state = { 0 };

	return adjtimex(&state) >= 0 && !(state.status & STA_UNSYNC);
}

static _Noreturn void keep_running(int watch, int signals)
{
	struct pollfd fds[] = { { .fd = watch, .events = POLLIN },
				{ .fd = signals, .events = POLLIN } };
	static struct ntp_servers now, next;
	bool is_due = true; /* another ntpd, once it is quiet */
	pid_t pid = 0;

	for (;;) {
		int limit_msec = is_due ? QUIET_MSEC : now.count && pid <= 0 ? AGAIN_MSEC : -1;
		int rc = poll(fds, 2, limit_msec);

		if (fds[1].revents)
			drain(signals);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			pid = 0;
		if (rc == 0) {
			stop(pid);
			read_servers(&now);
			pid = start(&now);
			is_due = false;
		}
		if (!(rc > 0 && fds[0].revents))
			continue;
		drain(watch);
		read_servers(&next);
		/* one that began before there was a network sleeps half a minute between its tries */
		if (memcmp(&now, &next, sizeof(now)) != 0 || !is_synchronised())
			is_due = true;
	}
}

int boot_ntp(int argc, char **argv)
{
	struct err err;
	auto_fd int watch = open_watch(&err);
	auto_fd int signals = watch < 0 ? -1 : open_child_signal(&err);

	(void)argc;
	(void)argv;
	if (signals >= 0)
		keep_running(watch, signals);
	fprintf(stderr, "ntp: %s\n", err.msg);
	return 1;
}
