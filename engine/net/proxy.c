/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proxy as a process: words, listeners here, connections there, rights away, loop. Must never touch a byte from outside
 * before it is confined.
 */
#include "net/proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "net/relay.h"
#include "net/relay_udp.h"
#include "util/cleanup.h"
#include "util/ids.h"
#include "util/proc.h"
#include "util/str.h"

#define MAX_PAIRS 1024
#define FDS_OTHER 32 /* standard streams, the loop's own */

struct forward {
	struct net_address listen, connect;
	bool udp;
	int fd;
};

struct proxy {
	struct forward forwards[MAX_PAIRS];
	unsigned listen_count, connect_count, udp_count;
	const char *netns;
};

static int parse(struct proxy *proxy, int argc, char **argv, struct err *err)
{
	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			return err_set(err, ERR_INPUT, "%s: a value is missing", argv[i]);
		if (str_eq(argv[i], "--netns")) {
			proxy->netns = argv[i + 1];
		} else if ((str_eq(argv[i], "--listen") || str_eq(argv[i], "--listen-udp")) &&
			   proxy->listen_count < MAX_PAIRS) {
			proxy->forwards[proxy->listen_count].udp = argv[i][8] == '-';
			proxy->udp_count += argv[i][8] == '-';
			if (net_address_parse(argv[i + 1],
					      &proxy->forwards[proxy->listen_count++].listen,
					      err) < 0)
				return -1;
		} else if (str_eq(argv[i], "--connect") && proxy->connect_count < MAX_PAIRS) {
			if (net_address_parse(argv[i + 1],
					      &proxy->forwards[proxy->connect_count++].connect,
					      err) < 0)
				return -1;
		} else {
			return err_set(err, ERR_INPUT, "%s: unknown, or more than %d pairs",
				       argv[i], MAX_PAIRS);
		}
	}
	if (!proxy->listen_count || proxy->listen_count != proxy->connect_count)
		return err_set(err, ERR_INPUT,
			       "--listen or --listen-udp and --connect come in pairs");
	return 0;
}

static int listen_on(struct forward *f, struct err *err)
{
	int on = 1, kind = f->udp ? SOCK_DGRAM : SOCK_STREAM;

	f->fd = socket(f->listen.storage.ss_family, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (f->fd < 0)
		return err_sys(err, "%s: socket", f->listen.text);
	if (!f->udp) /* of datagrams two would share the port, one hearing nothing */
		setsockopt(f->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* [::]:80 beside 0.0.0.0:80 is two listeners, whatever net.ipv6.bindv6only says */
	if (f->listen.storage.ss_family == AF_INET6)
		setsockopt(f->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(f->fd, (struct sockaddr *)&f->listen.storage, f->listen.length) < 0 ||
	    (!f->udp && listen(f->fd, RELAY_MAX) < 0))
		return err_sys(err, "%s", f->listen.text);
	return f->udp ? relay_udp_prepare(f->fd, f->listen.storage.ss_family, err) : 0;
}

static int enter_netns(const char *path, struct err *err)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "%s", path);
	if (setns(fd, CLONE_NEWNET) < 0)
		return err_sys(err, "%s: setns", path);
	return 0;
}

struct limits {
	unsigned fds, pairs, sessions;
};

/* As many as the hard limit allows: listeners first, then half of the rest of what is wanted for each kind. */
static int raise_fds(const struct proxy *proxy, struct limits *out, struct err *err)
{
	rlim_t fixed = FDS_OTHER + proxy->listen_count;
	rlim_t sessions = proxy->udp_count ? RELAY_UDP_MAX : 0;
	rlim_t wanted = fixed + sessions + RELAY_MAX * RELAY_FDS_A_PAIR;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return err_sys(err, "getrlimit");
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	if (limit.rlim_cur < fixed + 2 * RELAY_FDS_A_PAIR)
		return err_set(err, ERR_LIMIT, "only %llu descriptors are allowed (RLIMIT_NOFILE)",
			       (unsigned long long)limit.rlim_cur);
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return err_sys(err, "setrlimit");
	if (sessions > (limit.rlim_cur - fixed) / 2)
		sessions = (limit.rlim_cur - fixed) / 2;
	out->fds = (unsigned)limit.rlim_cur;
	out->sessions = (unsigned)sessions;
	out->pairs = (unsigned)((limit.rlim_cur - fixed - sessions) / RELAY_FDS_A_PAIR);
	return 0;
}

static int confine(unsigned max_fds, struct err *err)
{
	static const int extra[] = { SCMP_SYS(socket),	    SCMP_SYS(connect),
				     SCMP_SYS(accept4),	    SCMP_SYS(splice),
				     SCMP_SYS(pipe2),	    SCMP_SYS(shutdown),
				     SCMP_SYS(setsockopt),  SCMP_SYS(recvmsg),
				     SCMP_SYS(sendmsg),	    SCMP_SYS(recvfrom),
				     SCMP_SYS(sendto),	    SCMP_SYS(epoll_ctl),
				     SCMP_SYS(sched_yield), -1 };
	struct proc_confine c = {
		.uid = IDS_WORKER_PROXY,
		.gid = IDS_WORKER_PROXY,
		.syscalls = extra,
		.memory_max_bytes = 64u * 1024 * 1024,
		.max_fds = max_fds,
	};

	return proc_confine(&c, err);
}

static void on_signal(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	(void)events;
	(void)now;
	(void)arg;
	loop_stop(loop);
}

static int watch_signals(struct loop *loop, struct err *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	signal(SIGPIPE, SIG_IGN); /* splice into a closed socket raises it */
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_sys(err, "signalfd");
	return loop_add(loop, fd, EPOLLIN, on_signal, NULL, err) ? 0 : -1;
}

static int listen_on_all(struct proxy *proxy, struct err *err)
{
	for (unsigned i = 0; i < proxy->listen_count; i++)
		if (listen_on(&proxy->forwards[i], err) < 0)
			return -1;
	return 0;
}

/* Rights are gone when it returns; nothing has been accepted yet. */
static int prepare(struct proxy *proxy, struct loop *loop, struct limits *limits, struct err *err)
{
	if (raise_fds(proxy, limits, err) < 0 || listen_on_all(proxy, err) < 0 ||
	    watch_signals(loop, err) < 0)
		return -1;
	if (proxy->netns && enter_netns(proxy->netns, err) < 0)
		return -1;
	return confine(limits->fds, err);
}

/* On a busy machine those at both ends of the connections want to run, too. Then there is more to do than one answer when our turn comes:
 * a seventh more requests a second on two processors. Where nothing else wants to run it costs next to nothing. */
static void let_others_run(struct loop *loop, usec_t now, usec_t late_usec, void *arg)
{
	(void)loop;
	(void)now;
	(void)late_usec;
	(void)arg;
	sched_yield();
}

static int serve(struct proxy *proxy, struct loop *loop, struct relay *relay,
		 struct relay_udp *relay_udp, struct err *err)
{
	for (unsigned i = 0; i < proxy->listen_count; i++) {
		const struct forward *f = &proxy->forwards[i];

		if (f->udp ? relay_udp_listen(relay_udp, f->fd, &f->connect, err) < 0 :
			     relay_listen(relay, f->fd, &f->connect, err) < 0)
			return -1;
	}
	loop_before_sleep(loop, let_others_run, NULL);
	if (puts("ready") < 0 || fflush(stdout) != 0)
		return err_sys(err, "stdout");
	return loop_run(loop, err);
}

static int run(struct proxy *proxy, struct err *err)
{
	struct loop *loop = loop_new(err);
	struct relay *relay = NULL;
	struct relay_udp *relay_udp = NULL;
	struct limits limits = { 0 };
	int rc = -1;

	if (loop && prepare(proxy, loop, &limits, err) == 0)
		relay = relay_new(loop, limits.pairs, err);
	if (relay)
		relay_udp = relay_udp_new(loop, limits.sessions, err);
	if (relay_udp)
		rc = serve(proxy, loop, relay, relay_udp, err);
	relay_udp_free(relay_udp);
	relay_free(relay);
	loop_free(loop);
	return rc;
}

int cmd_proxy(int argc, char **argv)
{
	static struct proxy proxy;
	struct err err;

	if (parse(&proxy, argc, argv, &err) < 0) {
		fprintf(stderr, "cleat proxy: %s\n", err.msg);
		return 2;
	}
	if (run(&proxy, &err) < 0) {
		fprintf(stderr, "cleat proxy: %s\n", err.msg);
		return 1;
	}
	return 0;
}
