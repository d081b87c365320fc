/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat dhcp6" as a process: a socket on the link's own address, a timer, a file. Must never hold a privilege once it reads packets, nor end
 * because of one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/dhcp6.h"
#include "net/lease.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/ids.h"
#include "util/proc.h"
#include "util/str.h"

#define MEMORY_BYTES (32u << 20)

struct run {
	struct dhcp6 client;
	struct loop *loop;
	struct loop_source *timer;
	int fd, signal_fd;
	unsigned index;
	char path[sizeof(UPLINK_LEASES6_DIR) + UPLINK_NAME + 1];
};

static int read_mac(const char *link, uint8_t mac[6], struct err *err)
{
	struct ifreq ask = { 0 };
	auto_fd int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	str_copy(ask.ifr_name, sizeof(ask.ifr_name), link);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &ask) < 0)
		return err_sys(err, "hardware address");
	if (ask.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return err_set(err, ERR_UNSUPPORTED, "the link is no Ethernet");
	memcpy(mac, ask.ifr_hwaddr.sa_data, 6);
	return 0;
}

static int find_own(const char *link, struct sockaddr_in6 *out, struct err *err)
{
	struct ifaddrs *all;
	bool found = false;

	if (getifaddrs(&all) < 0)
		return err_sys(err, "addresses");
	for (struct ifaddrs *a = all; a && !found; a = a->ifa_next) {
		if (!a->ifa_addr || a->ifa_addr->sa_family != AF_INET6 ||
		    !str_eq(a->ifa_name, link))
			continue;
		memcpy(out, a->ifa_addr, sizeof(*out));
		found = IN6_IS_ADDR_LINKLOCAL(&out->sin6_addr);
	}
	freeifaddrs(all);
	if (!found)
		return err_set(err, ERR_NOT_FOUND, "no link-local address");
	return 0;
}

/* Of the link alone: nothing that a router would bring arrives at such an address. */
static int listen_on(struct run *r, const char *link, struct err *err)
{
	struct sockaddr_in6 own;

	if (find_own(link, &own, err) < 0)
		return -1;
	r->index = if_nametoindex(link);
	own.sin6_port = htons(DHCP6_CLIENT_PORT);
	own.sin6_scope_id = r->index;
	r->fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->fd < 0 ||
	    setsockopt(r->fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) < 0 ||
	    bind(r->fd, (const struct sockaddr *)&own, sizeof(own)) < 0)
		return err_sys(err, "port %d", DHCP6_CLIENT_PORT);
	return 0;
}

static int catch_signals(struct run *r, struct err *err)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigaddset(&mask, SIGTERM);
	r->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (r->signal_fd < 0 || sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
		return err_sys(err, "signals");
	return 0;
}

static int confine(struct err *err)
{
	static const int extra[] = { SCMP_SYS(sendto),	  SCMP_SYS(recvfrom),  SCMP_SYS(openat),
				     SCMP_SYS(open),	  SCMP_SYS(rename),    SCMP_SYS(renameat),
				     SCMP_SYS(renameat2), SCMP_SYS(unlink),    SCMP_SYS(unlinkat),
				     SCMP_SYS(fchmod),	  SCMP_SYS(ftruncate), -1 };
	static const char *const writes[] = { UPLINK_LEASES6_DIR, NULL };
	struct proc_confine c = {
		.uid = IDS_WORKER_DHCP,
		.gid = IDS_WORKER_DHCP,
		.write_paths = writes,
		.syscalls = extra,
		.memory_max_bytes = MEMORY_BYTES,
		.max_fds = 64,
	};

	return proc_confine(&c, err);
}

static void send_due(struct run *r, usec_t now)
{
	struct sockaddr_in6 servers = { .sin6_family = AF_INET6,
					.sin6_port = htons(DHCP6_SERVER_PORT),
					.sin6_scope_id = r->index };
	uint8_t packet[DHCP6_PACKET_BYTES];
	size_t len = dhcp6_turn(&r->client, now, packet);

	/* ff02::1:2; what could not be sent is as good as lost on the way */
	servers.sin6_addr.s6_addr[0] = 0xff;
	servers.sin6_addr.s6_addr[1] = 0x02;
	servers.sin6_addr.s6_addr[13] = 1;
	servers.sin6_addr.s6_addr[15] = 2;
	if (len)
		(void)!sendto(r->fd, packet, len, MSG_NOSIGNAL, (const struct sockaddr *)&servers,
			      sizeof(servers));
	loop_timer_set(r->loop, r->timer, dhcp6_due(&r->client));
}

static void on_timer(struct loop *loop, usec_t now, void *arg)
{
	(void)loop;
	send_due(arg, now);
}

static void write_record(struct run *r, enum dhcp6_event event, const struct dhcp6_lease *lease)
{
	auto_buf text = BUF_INIT(LEASE_MAX_BYTES);
	struct err err;

	dhcp6_record(event, lease, &text);
	if (buf_check(&text, "lease", &err) < 0 ||
	    file_write_atomic(AT_FDCWD, r->path, buf_str(&text), text.len, 0644, false, &err) < 0)
		fprintf(stderr, "cleat dhcp6: %s: %s\n", r->path, err.msg);
}

/* A flood is read a piece at a time, and the timer has its turn between. */
static void on_packet(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	static uint8_t packet[DHCP6_READ_BYTES];
	struct run *r = arg;
	struct dhcp6_lease lease;
	struct sockaddr_in6 from = { .sin6_port = 0 };
	socklen_t size = sizeof(from);
	ssize_t got = recvfrom(r->fd, packet, sizeof(packet), MSG_DONTWAIT | MSG_TRUNC,
			       (struct sockaddr *)&from, &size);
	enum dhcp6_event event;

	(void)loop;
	(void)events;
	if (got < 0 || (size_t)got > sizeof(packet) || size != sizeof(from) ||
	    from.sin6_port != htons(DHCP6_SERVER_PORT))
		return;
	event = dhcp6_take(&r->client, packet, (size_t)got, now, &lease);
	if (event != DHCP6_NOTHING)
		write_record(r, event, &lease);
	send_due(r, now);
}

/* SIGUSR1 renews, as with udhcpc. */
static void on_signal(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct run *r = arg;
	struct signalfd_siginfo info;

	(void)events;
	if (read(r->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo != SIGUSR1) {
		loop_stop(loop);
		return;
	}
	dhcp6_hurry(&r->client, now);
	send_due(r, now);
}

static int prepare(struct run *r, const char *link, struct err *err)
{
	uint8_t mac[6];
	uint32_t seed;

	if (strlen(link) >= UPLINK_NAME || strchr(link, '/') || link[0] == '.')
		return err_set(err, ERR_INPUT, "no name of a link");
	snprintf(r->path, sizeof(r->path), UPLINK_LEASES6_DIR "/%s", link);
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return err_sys(err, "getrandom");
	r->loop = loop_new(err);
	if (!r->loop || read_mac(link, mac, err) < 0 || listen_on(r, link, err) < 0 ||
	    catch_signals(r, err) < 0)
		return -1;
	r->timer = loop_timer(r->loop, USEC_NEVER, on_timer, r);
	if (!r->timer)
		return err_set(err, ERR_LIMIT, "no memory for a timer");
	if (!loop_add(r->loop, r->fd, EPOLLIN, on_packet, r, err) ||
	    !loop_add(r->loop, r->signal_fd, EPOLLIN, on_signal, r, err) || confine(err) < 0)
		return -1;
	dhcp6_start(&r->client, mac, seed, clock_now_usec());
	loop_timer_set(r->loop, r->timer, dhcp6_due(&r->client));
	return 0;
}

int dhcp6_run(const char *link, struct err *err)
{
	static struct run r = { .fd = -1, .signal_fd = -1 };
	int rc = prepare(&r, link, err);

	if (rc == 0)
		rc = loop_run(r.loop, err);
	close_fd(&r.fd);
	close_fd(&r.signal_fd);
	if (r.loop)
		loop_free(r.loop);
	return rc;
}
