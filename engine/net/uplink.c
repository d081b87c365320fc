/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat uplink" as a process: the kernel's notifications and the DHCP clients' records on one side, the engine on the other. Level-triggered: every
 * notice leads to one look at everything and to what differs. Must never take away what it did not set itself, nor do anything at its end.
 */
#include "net/uplink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/rtnetlink.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "net/uplink_internal.h"
#include "net/uplink_solicit.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/idle.h"
#include "util/loop.h"
#include "util/proc.h"
#include "util/str.h"

#define SETTLE_USEC (20 * USEC_MSEC)
#define RETRY_USEC (10 * USEC_SEC)
#define IDLE_USEC USEC_SEC
#define EVENTS_BUFFER_BYTES (256 * 1024)
#define MEMORY_BYTES (64u << 20)
#define RESOLV "/etc/resolv.conf"
#define HOSTS "/etc/hosts"
#define CHANGED (IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE | IN_CREATE)

struct uplink {
	const struct uplink_config *config;
	int engine_fd, sysctl_fd, inotify_fd, hostname_fd;
	struct loop *loop;
	struct loop_source *settle, *retry, *idle;
	struct netlink route, events;
	struct uplink_found found;
	struct uplink_owns owns;
	struct uplink_report report;
	struct solicit solicit;
	bool has_report;
	struct buf notes;
	struct buf own_text, ntp_text; /* as they stand */
	struct uplink_names names;
	bool is_dynamic; /* some link of ours has its servers by DHCP or advertisements */
	bool has_errors;
	bool is_due; /* a look has been asked for */
	char hostname[65];
};

static uint64_t boot_sec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec;
}

static void complain(struct uplink *u, const char *link, const struct err *err)
{
	u->has_errors = true;
	buf_printf(&u->notes, "%s%s%s\n", link, link[0] ? ": " : "", err->msg);
}

static void read_leases(struct uplink *u, struct uplink_own *own, uint64_t now_sec)
{
	struct err err;

	for (unsigned family = 0; family < UPLINK_FAMILIES; family++)
		if (uplink_lease_read(own, (enum uplink_family)family, now_sec, &err) < 0)
			complain(u, own->name, &err);
}

/* --- a link -------------------------------------------------------------------------------------------- */

static void set_sysctls(struct uplink *u, const char *name, const struct uplink_wanted *w)
{
	char path[64];
	struct err nobodys;
	int rc = 0;

	/* 2: also where the machine forwards, which bridges of containers can bring about at any time. Without IPv6, or where the
	 * files are read-only, there is nothing to be done, and nothing lost as long as nobody forwards. */
	if (w->adverts) {
		snprintf(path, sizeof(path), "ipv6/conf/%s/accept_ra", name);
		rc = uplink_sysctl(u->sysctl_fd, path, 2, &nobodys);
	}
	if (w->no_autoconf) {
		snprintf(path, sizeof(path), "ipv6/conf/%s/autoconf", name);
		rc = uplink_sysctl(u->sysctl_fd, path, 0, &nobodys);
	}
	(void)rc;
}

static void set_mtu(struct uplink *u, const struct uplink_found_link *link, struct uplink_own *own,
		    unsigned mtu)
{
	struct err err;

	if (!mtu || mtu == link->mtu)
		return;
	if (!own->mtu_was)
		own->mtu_was = link->mtu;
	if (uplink_link_mtu(&u->route, link->index, mtu, &err) < 0)
		complain(u, link->name, &err);
	else if (mtu == own->mtu_was)
		own->mtu_was = 0;
}

static bool is_wanted(const struct uplink_wanted *w, const struct net_ip *ip)
{
	for (unsigned i = 0; i < w->address_count; i++)
		if (net_ip_same(&w->addresses[i], ip))
			return true;
	return false;
}

static bool is_found(const struct uplink *u, uint32_t index, const struct net_ip *ip)
{
	for (unsigned i = 0; i < u->found.address_count; i++)
		if (u->found.addresses[i].index == index &&
		    net_ip_same(&u->found.addresses[i].ip, ip))
			return true;
	return false;
}

static void drop_addresses(struct uplink *u, struct uplink_own *own, const struct uplink_wanted *w)
{
	unsigned kept = 0;
	struct err err;

	for (unsigned i = 0; i < own->address_count; i++) {
		const struct net_ip *ip = &own->addresses[i];

		if (is_wanted(w, ip)) {
			own->addresses[kept++] = *ip;
			continue;
		}
		if (is_found(u, own->index, ip) &&
		    uplink_address_drop(&u->route, own->index, ip, &err) < 0)
			complain(u, own->name, &err);
	}
	own->address_count = kept;
}

/* One that was there before us stays whose it is. */
static void claim_addresses(struct uplink *u, struct uplink_own *own, const struct uplink_wanted *w)
{
	for (unsigned i = 0; i < w->address_count; i++)
		if (!uplink_own_has(own, &w->addresses[i]) &&
		    !is_found(u, own->index, &w->addresses[i]) &&
		    own->address_count < UPLINK_MOST_ADDRESSES)
			own->addresses[own->address_count++] = w->addresses[i];
}

static void put_addresses(struct uplink *u, struct uplink_own *own, const struct uplink_wanted *w)
{
	struct err err;

	for (unsigned i = 0; i < w->address_count; i++) {
		const struct net_ip *ip = &w->addresses[i];
		bool renews = false;

		for (unsigned k = 0; k < UPLINK_FAMILIES; k++)
			renews |= own->held[k].is_new &&
				  net_ip_same(ip, &own->held[k].lease.address);

		if (!uplink_own_has(own, ip) || (is_found(u, own->index, ip) && !renews))
			continue;
		if (uplink_address_put(&u->route, own->index, ip, w->lifetimes[i], &err) < 0)
			complain(u, own->name, &err);
	}
	for (unsigned k = 0; k < UPLINK_FAMILIES; k++)
		own->held[k].is_new = false;
}

static bool same_route(const struct uplink_found_route *found, const struct uplink_route *route)
{
	return net_ip_same(&found->to, &route->to) && net_ip_same_address(&found->via, &route->via);
}

static void drop_routes(struct uplink *u, uint32_t index, const struct uplink_wanted *w,
			uint32_t metric)
{
	struct err err;

	for (unsigned i = 0; i < u->found.route_count; i++) {
		const struct uplink_found_route *r = &u->found.routes[i];
		bool wanted = false;

		if (r->index != index || r->protocol != UPLINK_PROTOCOL)
			continue;
		for (unsigned k = 0; k < w->route_count; k++)
			wanted |= same_route(r, &w->routes[k].route) && r->metric == metric;
		if (!wanted && uplink_route_drop(&u->route, r, &err) < 0)
			complain(u, "", &err);
	}
}

/* First what is on the link, then what leads over that. */
static void put_routes(struct uplink *u, const struct uplink_found_link *link,
		       const struct uplink_wanted *w, uint32_t metric)
{
	struct err err;

	for (unsigned i = 0; i < 2 * w->route_count; i++) {
		const struct uplink_wanted_route *want = &w->routes[i % w->route_count];
		bool is_there = (i < w->route_count) == (want->route.via.family != 0);

		for (unsigned k = 0; k < u->found.route_count && !is_there; k++)
			is_there = u->found.routes[k].index == link->index &&
				   same_route(&u->found.routes[k], &want->route);
		if (!is_there && uplink_route_put(&u->route, link->index, want, metric, &err) < 0)
			complain(u, link->name, &err);
	}
}

static void save_own(struct uplink *u)
{
	auto_buf text = BUF_INIT(UPLINK_OWN_MAX_BYTES);
	struct err err;

	uplink_own_format(&u->owns, &text);
	if (str_eq(buf_str(&text), buf_str(&u->own_text)))
		return;
	if (buf_check(&text, UPLINK_OWN, &err) < 0 ||
	    file_write_atomic(AT_FDCWD, UPLINK_OWN, buf_str(&text), text.len, 0644, false, &err) <
		    0) {
		complain(u, "", &err);
		return;
	}
	buf_clear(&u->own_text);
	buf_add(&u->own_text, buf_str(&text), text.len);
}

static void settle_link(struct uplink *u, const struct uplink_found_link *link,
			struct uplink_own *own, const struct uplink_wanted *w)
{
	uint32_t metric = UPLINK_METRIC + (uint32_t)(link - u->found.links);
	struct err err;

	set_sysctls(u, link->name, w);
	set_mtu(u, link, own, w->mtu);
	drop_routes(u, link->index, w, metric);
	drop_addresses(u, own, w);
	claim_addresses(u, own, w);
	save_own(u);
	if (!link->is_up && uplink_link_up(&u->route, link->index, &err) < 0) {
		complain(u, link->name, &err);
		return;
	}
	put_addresses(u, own, w);
	put_routes(u, link, w, metric);
}

/* --- all links ------------------------------------------------------------------------------------------ */

static void add_client(struct uplink_report *r, const struct uplink_found_link *link,
		       const struct uplink_own *own, enum uplink_family family)
{
	struct uplink_client *client;
	char text[NET_IP_TEXT];

	if (r->client_count == UPLINK_MAX_CLIENTS)
		return;
	client = &r->clients[r->client_count++];
	str_copy(client->link, sizeof(client->link), link->name);
	client->index = link->index;
	client->is_v6 = family == UPLINK_V6;
	if (client->is_v6 || !own->held[UPLINK_V4].is_there)
		return;
	net_ip_text(&own->held[UPLINK_V4].lease.address, false, text);
	str_copy(client->request, sizeof(client->request), text);
}

/* Seconds since 1970, to the minute: the clock and the lease are read one after the other, and nobody wants the state to flicker. */
static uint64_t real_end(const struct uplink_own *own, uint64_t now_sec)
{
	uint64_t until = UPLINK_FOREVER, end;

	for (unsigned k = 0; k < UPLINK_FAMILIES; k++)
		if (own->held[k].is_there && own->held[k].until > now_sec &&
		    own->held[k].until < until)
			until = own->held[k].until;
	if (until == UPLINK_FOREVER)
		return 0;
	end = (uint64_t)(clock_real_usec() / (int64_t)USEC_SEC) + until - now_sec;
	return end - end % 60;
}

static void put_ntp(const struct uplink_own *own, struct buf *out)
{
	const struct uplink_held *held = &own->held[UPLINK_V4];
	char text[NET_IP_TEXT];

	for (unsigned i = 0; held->is_there && i < held->lease.ntp_count; i++) {
		net_ip_text(&held->lease.ntp[i], false, text);
		buf_printf(out, "%s\n", text);
	}
}

static void add_names(struct uplink *u, const struct uplink_own *own, const struct uplink_wanted *w)
{
	bool is_told = own->held[UPLINK_V4].is_there || own->held[UPLINK_V6].is_there ||
		       own->server_count;

	u->is_dynamic |= is_told && w->dns_count;
	uplink_names_add(&u->names, w->dns, w->dns_count, w->search);
}

static struct uplink_own *own_of(struct uplink *u, const struct uplink_found_link *link,
				 struct uplink_own *spare)
{
	for (unsigned i = 0; i < u->owns.count; i++)
		if (u->owns.links[i].index == link->index &&
		    str_eq(u->owns.links[i].name, link->name))
			return &u->owns.links[i];
	*spare = (struct uplink_own){ 0 };
	return spare;
}

static void look_at(struct uplink *u, const struct uplink_found_link *link, uint64_t now_sec,
		    struct uplink_report *r, struct buf *state, struct buf *ntp)
{
	static struct uplink_own spare;
	struct uplink_own *own = own_of(u, link, &spare);
	struct uplink_wanted w;
	struct err err;

	if (own != &spare)
		read_leases(u, own, now_sec);
	uplink_plan(u->config, &u->found, link, own, now_sec, &w);
	if (!w.is_ours && str_eq(w.method, "off") && !uplink_is_default(link->name))
		return;
	if (w.is_ours && own == &spare) {
		own = uplink_own_get(&u->owns, link->name, link->index);
		if (!own) {
			err_set(&err, ERR_LIMIT, "more than %d links", UPLINK_MAX_LINKS);
			complain(u, link->name, &err);
			return;
		}
	}
	if (w.is_ours)
		settle_link(u, link, own, &w);
	else if (str_eq(w.method, "host") && !link->is_up &&
		 uplink_link_up(&u->route, link->index, &err) < 0)
		complain(u, link->name, &err);
	for (unsigned k = 0; k < UPLINK_FAMILIES; k++)
		if (w.wants_client[k])
			add_client(r, link, own, (enum uplink_family)k);
	if (w.is_ours && w.adverts && !w.dhcp6 && link->ra_managed)
		buf_printf(
			&u->notes,
			"%s: the router tells of DHCPv6, which nobody asked for: [Link %s] DHCPv6=yes in appliance.ini does\n",
			link->name, link->name);
	if (w.adverts && link->has_carrier)
		solicit_want(&u->solicit, link->index);
	add_names(u, own, &w);
	put_ntp(own, ntp);
	uplink_state_line(&u->found, link, w.method, real_end(own, now_sec), state);
}

/* What belonged to links that are gone; another one may come under the name. */
static void drop_gone(struct uplink *u)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < u->owns.count; i++) {
		struct uplink_own *own = &u->owns.links[i];
		bool is_there = false;

		for (unsigned k = 0; k < u->found.link_count; k++)
			is_there |= u->found.links[k].index == own->index &&
				    str_eq(u->found.links[k].name, own->name);
		if (is_there) {
			if (kept != i)
				u->owns.links[kept] = *own;
			kept++;
			continue;
		}
		uplink_lease_forget(own->name);
	}
	u->owns.count = kept;
}

static uint64_t earlier(uint64_t best, uint64_t until, uint64_t now_sec)
{
	return until > now_sec && until < best ? until : best;
}

static void arm_retry(struct uplink *u, usec_t now, uint64_t now_sec)
{
	uint64_t next = UPLINK_FOREVER;
	usec_t at = USEC_NEVER;

	for (unsigned i = 0; i < u->owns.count; i++) {
		const struct uplink_own *own = &u->owns.links[i];

		for (unsigned k = 0; k < UPLINK_FAMILIES; k++)
			next = earlier(next, own->held[k].until, now_sec);
		next = earlier(next, own->search_until, now_sec);
		for (unsigned k = 0; k < own->server_count; k++)
			next = earlier(next, own->servers[k].until, now_sec);
	}
	if (next != UPLINK_FOREVER && next - now_sec < UINT32_MAX)
		at = now + (next - now_sec + 1) * USEC_SEC;
	if (u->has_errors && at > now + RETRY_USEC)
		at = now + RETRY_USEC;
	loop_timer_set(u->loop, u->retry, at);
}

/* --- files ----------------------------------------------------------------------------------------------- */

static int read_file(const char *path, struct buf *out, struct err *err)
{
	if (file_read_at(AT_FDCWD, path, UPLINK_FILE_MAX_BYTES, out, err) == 0 ||
	    err->code == ERR_NOT_FOUND)
		return 0;
	return err_wrap(err, "%s", path);
}

static void write_file(struct uplink *u, const char *path, const struct buf *text)
{
	struct err err;

	if (buf_check(text, path, &err) < 0 ||
	    file_write_atomic(AT_FDCWD, path, buf_str(text), text->len, 0644, false, &err) < 0) {
		err_wrap(&err, "%s is not renewed", path);
		complain(u, "", &err);
	}
}

/* Whether there is a name server in it now. */
static bool settle_resolv(struct uplink *u)
{
	auto_buf old = BUF_INIT(UPLINK_FILE_MAX_BYTES), new = BUF_INIT(UPLINK_FILE_MAX_BYTES);
	const struct uplink_config *c = u->config;
	struct uplink_names names = { 0 };
	bool is_chosen = c->dns_count || c->search[0];
	struct err err;

	if (read_file(RESOLV, &old, &err) < 0) {
		complain(u, "", &err);
		return false;
	}
	uplink_names_add(&names, c->dns, c->dns_count, c->search);
	uplink_names_add(&names, u->names.dns, c->dns_count ? 0 : u->names.dns_count,
			 u->names.search);
	uplink_resolv_text(&names, &new);
	if (str_eq(buf_str(&old), buf_str(&new)) ||
	    (!names.dns_count && !str_starts(buf_str(&old), UPLINK_MARK)))
		return uplink_resolv_has_server(buf_str(&old));
	if (uplink_is_mount(RESOLV) ||
	    uplink_resolv_is_others(buf_str(&old), !is_chosen && !u->is_dynamic)) {
		if (is_chosen)
			buf_puts(&u->notes,
				 RESOLV " is the host's: DNS= and Search= are not used\n");
		return uplink_resolv_has_server(buf_str(&old));
	}
	write_file(u, RESOLV, &new);
	return names.dns_count;
}

static void settle_hosts(struct uplink *u)
{
	auto_buf old = BUF_INIT(UPLINK_FILE_MAX_BYTES), new = BUF_INIT(UPLINK_FILE_MAX_BYTES + 512);
	struct utsname names;
	struct err err;

	if (uname(&names) < 0)
		names.nodename[0] = '\0';
	str_copy(u->hostname, sizeof(u->hostname), names.nodename);
	if (str_eq(names.nodename, "(none)"))
		names.nodename[0] = '\0';
	if (read_file(HOSTS, &old, &err) < 0)
		complain(u, "", &err);
	else if (uplink_hosts_text(buf_str(&old), names.nodename, &new) && !uplink_is_mount(HOSTS))
		write_file(u, HOSTS, &new);
}

static void settle_ntp(struct uplink *u, const struct buf *text)
{
	if (str_eq(buf_str(text), buf_str(&u->ntp_text)))
		return;
	write_file(u, UPLINK_NTP, text);
	buf_clear(&u->ntp_text);
	buf_add(&u->ntp_text, buf_str(text), text->len);
}

/* The file's lines, because what is in force may be somebody else's. */
static void put_resolv_lines(struct buf *state)
{
	auto_buf text = BUF_INIT(UPLINK_FILE_MAX_BYTES);
	auto_buf servers = BUF_INIT(512), search = BUF_INIT(512);
	struct err err;

	if (read_file(RESOLV, &text, &err) < 0)
		return;
	for (const char *line = buf_str(&text); *line;) {
		size_t len = strcspn(line, "\n"), at = strcspn(line, " \t\n");

		if (at < len && str_starts(line, "nameserver"))
			buf_printf(&servers, " %.*s", (int)(len - at - 1), line + at + 1);
		else if (at < len && str_starts(line, "search"))
			buf_printf(&search, " %.*s", (int)(len - at - 1), line + at + 1);
		line += len + (line[len] == '\n');
	}
	if (servers.len)
		buf_printf(state, "dns:%s\n", buf_str(&servers));
	if (search.len)
		buf_printf(state, "search:%s\n", buf_str(&search));
}

/* --- one look ---------------------------------------------------------------------------------------------- */

static void send_report(struct uplink *u, struct uplink_report *r)
{
	ssize_t n;

	if (u->has_report && memcmp(r, &u->report, sizeof(*r)) == 0)
		return;
	memcpy(&u->report, r, sizeof(*r));
	u->has_report = true;
retry:
	n = send(u->engine_fd, r, sizeof(*r), MSG_NOSIGNAL);
	if (n < 0 && errno == EINTR)
		goto retry;
	/* gone: its end of file is read next */
}

static void look(struct uplink *u, usec_t now)
{
	static struct uplink_report r;
	auto_buf state = BUF_INIT(sizeof(r.state) - 1), ntp = BUF_INIT(1024);
	uint64_t now_sec = boot_sec();
	bool has_server;
	struct err err;

	memset(&r, 0, sizeof(r)); /* compared as bytes */
	r.version = UPLINK_VERSION;
	r.length = sizeof(r);
	u->has_errors = u->is_dynamic = u->is_due = false;
	u->names = (struct uplink_names){ 0 };
	buf_clear(&u->notes);
	buf_puts(&u->notes, u->config->notes);
	if (uplink_found_read(&u->route, &u->found, &err) < 0) {
		complain(u, "", &err);
	} else {
		drop_gone(u);
		for (unsigned i = 0; i < u->found.link_count; i++)
			look_at(u, &u->found.links[i], now_sec, &r, &state, &ntp);
	}
	save_own(u);
	has_server = settle_resolv(u);
	settle_hosts(u);
	settle_ntp(u, &ntp);
	put_resolv_lines(&state);
	r.is_online = u->found.has_default_route && has_server;
	buf_printf(&state, "online: %s\n", r.is_online ? "yes" : "no");
	str_copy_text(r.state, sizeof(r.state), buf_str(&state));
	str_copy_text(r.notes, sizeof(r.notes), buf_str(&u->notes));
	if (!u->has_report || !str_eq(r.state, u->report.state))
		write_file(u, UPLINK_STATE, &state);
	send_report(u, &r);
	arm_retry(u, now, now_sec);
	loop_timer_set(u->loop, u->idle, now + IDLE_USEC);
}

static void on_settle(struct loop *loop, usec_t now, void *arg)
{
	(void)loop;
	look(arg, now);
}

static void on_idle(struct loop *loop, usec_t now, void *arg)
{
	(void)loop;
	(void)now;
	(void)arg;
	idle_release();
}

/* --- what wakes --------------------------------------------------------------------------------------------- */

/* Notices that never stop (somebody's script, a client gone wild) do not put it off for ever. */
static void look_soon(struct uplink *u, usec_t now)
{
	if (u->is_due)
		return;
	u->is_due = true;
	loop_timer_set(u->loop, u->settle, now + SETTLE_USEC);
}

static void take_advert(struct uplink *u, const struct netlink_message *message)
{
	struct uplink_ra ra;

	if (!uplink_ra_read(message, &ra))
		return;
	solicit_answered(&u->solicit, ra.index);
	for (unsigned i = 0; i < u->owns.count; i++)
		if (u->owns.links[i].index == ra.index)
			uplink_own_heard(&u->owns.links[i], &ra, boot_sec());
}

static void on_events(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct uplink *u = arg;
	struct netlink_span rest;
	struct netlink_message message;

	(void)loop;
	(void)events;
	/* lost ones (-1) are as good as told: everything is looked at */
	while (netlink_heard(&u->events, &rest.data, &rest.len, NULL) > 0)
		while (netlink_next(&rest, &message))
			take_advert(u, &message);
	look_soon(u, now);
}

/* The kernel tells of the names of all containers of the host. */
static void on_hostname(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct uplink *u = arg;
	struct utsname names;

	(void)loop;
	(void)events;
	if (uname(&names) < 0 || !str_eq(names.nodename, u->hostname))
		look_soon(u, now);
}

/* A changed configuration is read by the next process: this one has given up the right to. */
static void on_inotify(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	static const char *const config[] = { "appliance.ini", "interfaces", "network",
					      "network-config" };
	static _Alignas(struct inotify_event) char data[4096];
	struct uplink *u = arg;
	ssize_t got;

	(void)events;
	while ((got = read(u->inotify_fd, data, sizeof(data))) > 0)
		for (char *p = data; p < data + got;) {
			const struct inotify_event *event = (const void *)p;

			for (size_t i = 0; i < sizeof(config) / sizeof(config[0]); i++)
				if (event->len && str_eq(event->name, config[i]))
					loop_stop(loop);
			p += sizeof(*event) + event->len;
		}
	look_soon(u, now);
}

/* The engine says nothing; it only ends. */
static void on_engine(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct uplink *u = arg;
	char byte;
	ssize_t n = recv(u->engine_fd, &byte, 1, MSG_DONTWAIT);

	(void)events;
	(void)now;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		loop_stop(loop);
}

/* --- the process --------------------------------------------------------------------------------------------- */

static int watch_kernel(struct uplink *u, struct err *err)
{
	static const int groups[] = { RTNLGRP_LINK,	  RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
				      RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,  RTNLGRP_ND_USEROPT };

	if (netlink_open(&u->route, NETLINK_ROUTE, err) < 0 ||
	    netlink_open(&u->events, NETLINK_ROUTE, err) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (netlink_join(&u->events, groups[i], EVENTS_BUFFER_BYTES, err) < 0)
			return -1;
	return loop_add(u->loop, u->events.fd, EPOLLIN, on_events, u, err) ? 0 : -1;
}

/* What cannot be watched is not there: its coming is that of a folder that is. */
static int watch_files(struct uplink *u, struct err *err)
{
	static const char *const places[] = { UPLINK_LEASES_DIR, UPLINK_LEASES6_DIR,
					      CLEAT_CONFIG_DIR, "/etc", "/etc/network" };

	u->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (u->inotify_fd < 0)
		return err_sys(err, "inotify");
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		inotify_add_watch(u->inotify_fd, places[i], CHANGED);
	if (!loop_add(u->loop, u->inotify_fd, EPOLLIN, on_inotify, u, err))
		return -1;
	u->hostname_fd = open("/proc/sys/kernel/hostname", O_RDONLY | O_CLOEXEC);
	if (u->hostname_fd >= 0 &&
	    !loop_add(u->loop, u->hostname_fd, EPOLLPRI, on_hostname, u, err))
		return -1;
	return 0;
}

static int confine(struct err *err)
{
	static const int extra[] = { SCMP_SYS(recvmsg),	  SCMP_SYS(recvfrom), SCMP_SYS(sendmsg),
				     SCMP_SYS(sendto),	  SCMP_SYS(openat),   SCMP_SYS(open),
				     SCMP_SYS(rename),	  SCMP_SYS(renameat), SCMP_SYS(renameat2),
				     SCMP_SYS(unlink),	  SCMP_SYS(unlinkat), SCMP_SYS(fchmod),
				     SCMP_SYS(ftruncate), SCMP_SYS(uname),    -1 };
	static const int keep[] = { CAP_NET_ADMIN, -1 };
	static const char *const writes[] = { "/etc", CLEAT_LINKS_DIR, "/proc/sys/net", NULL };
	struct proc_confine c = {
		.write_paths = writes,
		.keep_caps = keep,
		.syscalls = extra,
		.memory_max_bytes = MEMORY_BYTES,
	};

	return proc_confine(&c, err);
}

static int read_own(struct uplink *u, struct err *err)
{
	if (read_file(UPLINK_OWN, &u->own_text, err) < 0)
		return -1;
	uplink_own_parse(buf_str(&u->own_text), &u->owns);
	return 0;
}

static int prepare(struct uplink *u, struct err *err)
{
	u->loop = loop_new(err);
	if (!u->loop)
		return -1;
	u->settle = loop_timer(u->loop, USEC_NEVER, on_settle, u);
	u->retry = loop_timer(u->loop, USEC_NEVER, on_settle, u);
	u->idle = loop_timer(u->loop, USEC_NEVER, on_idle, u);
	u->sysctl_fd = open("/proc/sys/net", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!u->settle || !u->retry || !u->idle || u->sysctl_fd < 0)
		return err_sys(err, "/proc/sys/net");
	if (watch_kernel(u, err) < 0 || watch_files(u, err) < 0 || read_own(u, err) < 0)
		return -1;
	if (!loop_add(u->loop, u->engine_fd, EPOLLIN, on_engine, u, err))
		return -1;
	solicit_open(&u->solicit, u->loop);
	return confine(err);
}

int uplink_run(const struct uplink_config *config, int engine_fd, struct err *err)
{
	static struct uplink u = { .sysctl_fd = -1,
				   .inotify_fd = -1,
				   .hostname_fd = -1,
				   .route.fd = -1,
				   .events.fd = -1,
				   .solicit.fd = -1,
				   .notes = BUF_INIT(4096),
				   .own_text = BUF_INIT(UPLINK_OWN_MAX_BYTES),
				   .ntp_text = BUF_INIT(1024) };
	int rc;

	u.config = config;
	u.engine_fd = engine_fd;
	rc = prepare(&u, err);
	if (rc == 0) {
		look(&u, clock_now_usec());
		rc = loop_run(u.loop, err);
	}
	netlink_close(&u.route);
	netlink_close(&u.events);
	close_fd(&u.sysctl_fd);
	close_fd(&u.inotify_fd);
	close_fd(&u.hostname_fd);
	solicit_close(&u.solicit);
	buf_fini(&u.notes);
	buf_fini(&u.own_text);
	buf_fini(&u.ntp_text);
	if (u.loop)
		loop_free(u.loop);
	return rc;
}
