/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /etc/hosts, /etc/resolv.conf and /etc/hostname of containers: files of their run directories, bound inside, and written in place when
 * something changes: another file under the same name would not be seen inside. Must never leave one shorter than it was for longer
 * than one write.
 */
#include "supervise/network.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/names.h"
#include "shim/protocol.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

#define RESOLV "/etc/resolv.conf"
#define RESOLV_MAX_BYTES 65536
#define HOSTS_GIVEN "hosts.given"
#define RESOLV_GIVEN "resolv.conf.given"
#define WATCHED (IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE)

static uint64_t hash_of(const struct buf *text)
{
	uint64_t hash = 14695981039346656037u;

	for (size_t i = 0; i < text->len; i++)
		hash = (hash ^ (unsigned char)text->data[i]) * 1099511628211u;
	return hash ? hash : 1;
}

static int write_in_place(const char *path, const struct buf *text, struct err *err)
{
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (buf_check(text, path, err) < 0)
		return -1;
	if (fd < 0)
		return err_sys(err, "%s", path);
	return file_rewrite_fd(fd, text, err) < 0 ? err_wrap(err, "%s", path) : 0;
}

/* given: what the container begins with, if it gets a file of its own; NULL. The shim looks after it from then on. */
static int update(const struct engine *e, unsigned index, const char *file, const char *given,
		  const struct buf *text, uint64_t *hash, struct err *err)
{
	uint64_t mine = hash_of(text);
	char path[128];

	if (given) {
		network_run_path(e, index, given, path);
		if (write_in_place(path, text, err) < 0)
			return -1;
	}
	if (*hash == mine)
		return 0;
	network_run_path(e, index, file, path);
	if (write_in_place(path, text, err) < 0)
		return -1;
	*hash = mine;
	return 0;
}

static const char *own_hostname(const struct engine *e, unsigned index)
{
	const struct engine_entry *entry = &e->entries[index];

	if (entry->spec->hostname)
		return entry->spec->hostname;
	return entry->spec->network == SPEC_NETWORK_HOST ? e->hostname : entry->run.id;
}

static void add_host(struct names_hosts *hosts, struct arena *arena, struct in_addr address,
		     const char *const *names, size_t count)
{
	struct names_host *list = (struct names_host *)hosts->hosts;

	*arena_push(arena, list, hosts->host_count) = (struct names_host){ address, names, count };
	hosts->hosts = list;
}

static bool has_name(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(names[i], name))
			return true;
	return false;
}

/* podman: the container's name, then the aliases; of the container itself its host name before them. */
static void add_end(struct names_hosts *hosts, struct arena *arena, const struct net_end *end,
		    const char *hostname, const char *owner)
{
	const char **names = NULL;
	size_t count = 0;

	if (hostname)
		*arena_push(arena, names, count) = hostname;
	if (!has_name(names, count, owner))
		*arena_push(arena, names, count) = owner;
	for (size_t i = 0; i < end->alias_count; i++)
		if (!has_name(names, count, end->aliases[i]))
			*arena_push(arena, names, count) = end->aliases[i];
	add_host(hosts, arena, end->address, names, count);
}

static void add_own(const struct engine *e, unsigned index, struct names_hosts *hosts,
		    struct arena *arena)
{
	const struct in_addr loopback = { htonl(INADDR_LOOPBACK) };
	const char **names = NULL;
	size_t count = 0;

	*arena_push(arena, names, count) = own_hostname(e, index);
	if (!str_eq(names[0], e->entries[index].name))
		*arena_push(arena, names, count) = e->entries[index].name;
	add_host(hosts, arena, loopback, names, count);
}

static void add_neighbours(const struct network *n, unsigned index, const struct net_end *end,
			   struct names_hosts *hosts, struct arena *arena)
{
	for (unsigned i = 0; i < n->e->count; i++) {
		const struct net_attached *other = n->list[i];

		for (size_t k = 0; i != index && other && k < other->end_count; k++)
			if (str_eq(other->ends[k].network, end->network))
				add_end(hosts, arena, &other->ends[k], NULL, other->owner);
	}
}

static void add_extras(const struct container_spec *spec, struct names_hosts *hosts,
		       struct arena *arena)
{
	struct names_extra *extras =
		arena_alloc(arena, (spec->add_host_count + 1) * sizeof(*extras));

	for (size_t i = 0; i < spec->add_host_count; i++)
		extras[i] =
			(struct names_extra){ spec->add_hosts[i].name, spec->add_hosts[i].address };
	hosts->extras = extras;
	hosts->extra_count = spec->add_host_count;
}

static void hosts_text(const struct network *n, unsigned index, struct buf *out)
{
	const struct container_spec *spec = n->e->entries[index].spec;
	const struct net_attached *attached = n->list[index];
	auto_buf base = BUF_INIT(RESOLV_MAX_BYTES);
	auto_arena arena = { 0 };
	struct names_hosts hosts = { 0 };
	struct err err;
	int gateway;

	add_extras(spec, &hosts, &arena);
	if (spec->network == SPEC_NETWORK_HOST) {
		hosts.gateway.s_addr = htonl(INADDR_LOOPBACK); /* it is the appliance */
		if (file_read_at(AT_FDCWD, "/etc/hosts", RESOLV_MAX_BYTES, &base, &err) == 0)
			hosts.base = buf_str(&base);
	} else if (attached) {
		gateway = net_attached_default(attached);
		if (gateway >= 0)
			hosts.gateway = attached->ends[gateway].bridge.address;
		for (size_t i = 0; i < attached->end_count; i++)
			add_end(&hosts, &arena, &attached->ends[i],
				i ? NULL : own_hostname(n->e, index), attached->owner);
		for (size_t i = 0; i < attached->end_count; i++)
			if (!attached->ends[i].no_names)
				add_neighbours(n, index, &attached->ends[i], &hosts, &arena);
	} else if (spec->network == SPEC_NETWORK_NONE && !spec->pod) {
		/* it finds itself all the same, as with podman */
		add_own(n->e, index, &hosts, &arena);
	}
	names_hosts_text(&hosts, out);
}

static int update_hosts(struct network *n, unsigned index, const char *given, struct err *err)
{
	auto_buf text = BUF_INIT(NAMES_MAX_BYTES);

	hosts_text(n, index, &text);
	return update(n->e, index, "hosts", given, &text, &n->slots[index].hosts_hash, err);
}

static int update_resolv(struct network *n, unsigned index, const char *given, struct err *err)
{
	const struct container_spec *spec = n->e->entries[index].spec;
	auto_buf text = BUF_INIT(NAMES_MAX_BYTES);
	struct names_resolv wish = {
		.base = buf_str(&n->resolv),
		.keep_loopback = spec->network == SPEC_NETWORK_HOST,
		.servers = { spec->dns.items, spec->dns.count },
		.search = { spec->dns_search.items, spec->dns_search.count },
		.options = { spec->dns_options.items, spec->dns_options.count },
	};

	n->slots[index].resolv_dropped = names_resolv_text(&wish, &text);
	return update(n->e, index, "resolv.conf", given, &text, &n->slots[index].resolv_hash, err);
}

/* Files of a container that may run: its run directory is there. */
static bool has_files(const struct network *n, unsigned index)
{
	const struct engine_entry *entry = &n->e->entries[index];

	return entry->spec && entry->run.id[0] && !n->slots[index].is_waiting &&
	       (entry->run.phase == RUN_ASKED || entry->run.phase == RUN_RUNNING) &&
	       entry->spec->network != SPEC_NETWORK_NONE;
}

/* One that is not connected looks by itself when it is. A container without such a file was started before there were any: its shim
 * would take the message for a mistake. */
static void tell_shim(struct engine *e, unsigned index)
{
	const struct shim_header message = { SHIM_PROTOCOL_VERSION, SHIM_FILES, sizeof(message) };
	struct err ignored;
	char path[128];

	network_run_path(e, index, HOSTS_GIVEN, path);
	if (access(path, F_OK) == 0 && run_send(e, index, &message, sizeof(message), &ignored) < 0)
		return;
}

static void update_all(struct loop *loop, usec_t now, void *arg)
{
	struct network *n = arg;
	struct err err;

	(void)loop;
	(void)now;
	for (unsigned i = 0; i < n->e->count; i++) {
		char path[128];

		unsigned dropped = n->slots[i].resolv_dropped;
		uint64_t hosts = n->slots[i].hosts_hash, resolv = n->slots[i].resolv_hash;

		if (!has_files(n, i))
			continue;
		/* an earlier version, or a directory that is on its way out, has none: nothing is made there */
		network_run_path(n->e, i, "resolv.conf", path);
		if (access(path, W_OK) < 0)
			continue;
		if (update_hosts(n, i, NULL, &err) < 0 || update_resolv(n, i, NULL, &err) < 0)
			log_msg(LOG_ERROR, "network", "%s: %s", n->e->entries[i].name, err.msg);
		if (hosts != n->slots[i].hosts_hash || resolv != n->slots[i].resolv_hash)
			tell_shim(n->e, i);
		if (dropped != n->slots[i].resolv_dropped)
			publish_unit(n->e, i);
	}
}

void network_files_soon(struct network *n)
{
	loop_timer_set(n->e->loop, n->files_timer, loop_now(n->e->loop));
}

static int write_hostname(const struct engine *e, unsigned index, const char *path, struct err *err)
{
	auto_buf text = BUF_INIT(512);

	buf_printf(&text, "%s\n", own_hostname(e, index));
	return write_in_place(path, &text, err);
}

int network_files_make(struct engine *e, unsigned index, struct arena *arena,
		       struct host_facts *host, struct err *err)
{
	struct network *n = e->network;
	const struct container_spec *spec = e->entries[index].spec;
	struct network_slot *slot = &n->slots[index];
	bool owns = spec_owns_files(spec);
	char path[128];

	slot->hosts_hash = slot->resolv_hash = 0;
	network_run_path(e, index, "hostname", path);
	if (write_hostname(e, index, path, err) < 0)
		return -1;
	host->hostname_file = arena_strdup(arena, path);
	if (update_hosts(n, index, owns ? HOSTS_GIVEN : NULL, err) < 0)
		return -1;
	network_run_path(e, index, owns ? HOSTS_GIVEN : "hosts", path);
	host->hosts = arena_strdup(arena, path);
	if (spec->network != SPEC_NETWORK_NONE) {
		if (update_resolv(n, index, owns ? RESOLV_GIVEN : NULL, err) < 0)
			return -1;
		network_run_path(e, index, owns ? RESOLV_GIVEN : "resolv.conf", path);
		host->resolv_conf = arena_strdup(arena, path);
	}
	if (!slot->attached)
		return 0;
	host->ends = slot->attached->ends;
	host->end_count = slot->attached->end_count;
	host->default_end = net_attached_default(slot->attached);
	return 0;
}

bool network_client_lost(const struct engine *e, unsigned index)
{
	const struct network *n = e->network;
	const struct net_attached *attached = n ? n->slots[index].attached : NULL;

	return attached && attached->has_target && attached->port_count && n->has_report &&
	       !n->report.nat;
}

void network_notes(const struct engine *e, unsigned index, struct buf *out)
{
	const struct network *n = e->network;
	const struct network_slot *slot = n ? &n->slots[index] : NULL;
	unsigned dropped = slot ? slot->resolv_dropped : 0;

	if (!slot || !slot->attached)
		return;
	if (!slot->attached->has_target && slot->attached->port_count)
		buf_puts(out, "ports are not published: all its networks are internal\n");
	else if (network_client_lost(e, index))
		buf_puts(
			out,
			"published ports go through a proxy: the client's address is lost, the program sees the gateway's\n");
	if (slot->proxy.respawn.failures && !slot->proxy.pid)
		buf_puts(
			out,
			"the port proxy does not run and is started again and again: the appliance's log says why\n");
	if (dropped & NAMES_DROPPED_LOOPBACK)
		buf_puts(
			out,
			"resolv.conf: the appliance's name server on its loopback cannot be reached from here, it is left out\n");
	if (dropped & NAMES_DROPPED_IPV6)
		buf_puts(out, "resolv.conf: name servers with IPv6 addresses are left out\n");
	if (dropped & NAMES_NO_SERVER)
		buf_puts(out, "resolv.conf: no name server is left: write DNS=\n");
}

void network_resolv_read(struct network *n)
{
	auto_buf text = BUF_INIT(RESOLV_MAX_BYTES);
	struct err err;

	if (file_read_at(AT_FDCWD, RESOLV, RESOLV_MAX_BYTES, &text, &err) < 0 &&
	    err.code != ERR_NOT_FOUND)
		return; /* half a change: another notice follows */
	if (n->resolv.len == text.len &&
	    (!text.len || memcmp(n->resolv.data, text.data, text.len) == 0))
		return;
	buf_clear(&n->resolv);
	buf_add(&n->resolv, buf_str(&text), text.len);
	network_files_soon(n);
}

/* The folder of what a link leads to, too: a DHCP client may write there. */
static void watch_resolv(struct network *n)
{
	char target[PATH_MAX], *slash;

	inotify_add_watch(n->inotify_fd, "/etc", WATCHED);
	if (!realpath(RESOLV, target))
		return;
	slash = strrchr(target, '/');
	str_copy(n->resolv_target, sizeof(n->resolv_target), slash + 1);
	*slash = '\0';
	if (!str_eq(target, "/etc"))
		inotify_add_watch(n->inotify_fd, target[0] ? target : "/", WATCHED);
}

static void on_inotify(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	static _Alignas(struct inotify_event) char data[16384];
	struct network *n = arg;
	bool is_about = false;
	ssize_t got;

	(void)loop;
	(void)events;
	(void)now;
	while ((got = read(n->inotify_fd, data, sizeof(data))) > 0)
		for (char *p = data; p < data + got;) {
			const struct inotify_event *event = (const void *)p;

			is_about |= (event->mask & IN_Q_OVERFLOW) ||
				    (event->len && (str_eq(event->name, "resolv.conf") ||
						    str_eq(event->name, n->resolv_target)));
			p += sizeof(*event) + event->len;
		}
	if (!is_about)
		return;
	watch_resolv(n); /* it may lead elsewhere now */
	network_resolv_read(n);
}

void network_files_open(struct network *n)
{
	struct err err;

	n->resolv = (struct buf)BUF_INIT(RESOLV_MAX_BYTES);
	n->files_timer = loop_timer(n->e->loop, USEC_NEVER, update_all, n);
	n->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (n->inotify_fd < 0) {
		publish_note(n->e, 1, RESOLV ": changes are not noticed: %s", strerror(errno));
		return;
	}
	watch_resolv(n);
	n->inotify_source = loop_add(n->e->loop, n->inotify_fd, EPOLLIN, on_inotify, n, &err);
	if (!n->inotify_source)
		publish_note(n->e, 1, RESOLV ": changes are not noticed: %s", err.msg);
}

void network_files_close(struct network *n)
{
	loop_remove(n->e->loop, n->files_timer);
	loop_remove(n->e->loop, n->inotify_source);
	close_fd(&n->inotify_fd);
	buf_fini(&n->resolv);
}
