/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker that holds the network ("cleat net"), and starts that wait for it. At most one request is under way; what comes
 * meanwhile goes into the next, so that a boot of a hundred containers is a handful of requests. Must never change a link itself.
 */
#include "supervise/network.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervise/files.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

#define LEASES CLEAT_NETWORK_DIR "/leases"
#define MARK CLEAT_NETWORK_DIR "/in-use" /* the kernel may hold something of ours */
#define LOCK CLEAT_NETWORK_DIR "/lock"	 /* whose turn it is of the workers; never removed */
#define CLEAR_MSEC 3000
#define ANSWER_USEC (20 * USEC_SEC)
#define RECORD "network"
#define PROBES_MAX 256 /* of one container: the loop waits for them */
/* What has gone is told with the start that follows, if one does. */
#define LATE_USEC (200 * USEC_MSEC)

static void push(void *arg);

struct network_slot *network_slot(const struct engine *e, unsigned index)
{
	return &e->network->slots[index];
}

void network_run_path(const struct engine *e, unsigned index, const char *file, char out[128])
{
	snprintf(out, 128, "%s/%s/%s", CLEAT_CONTAINER_DIR, e->entries[index].run.id, file);
}

static struct net_attached_list attached_list(const struct network *n)
{
	return (struct net_attached_list){ n->list, n->e->count };
}

static void save_leases(struct network *n)
{
	auto_buf text = BUF_INIT(NET_LEASES_MAX_BYTES);
	struct err err;

	net_leases_format(&n->leases, false, &text);
	if (buf_check(&text, LEASES, &err) < 0 ||
	    file_write_atomic(AT_FDCWD, LEASES, text.data, text.len, 0600, false, &err) < 0)
		log_msg(LOG_WARN, "network", "%s", err.msg);
}

/* Its start goes on, or fails with what the worker said. */
static void release(struct network *n, struct network_slot *slot, const struct err *failure)
{
	struct err err;

	slot->is_waiting = false;
	if (failure) {
		engine_fail_start(n->e, slot->index, failure);
		return;
	}
	network_proxy_sync(n, slot);
	if (run_launch(n->e, slot->index, &err) < 0)
		engine_fail_start(n->e, slot->index, &err);
}

static bool stands(const struct network *n, const struct network_slot *slot)
{
	const struct net_report *r = &n->report;

	if (r->ok)
		return true;
	if (!r->failed_bridges)
		return false;
	for (size_t i = 0; i < slot->attached->end_count; i++)
		for (size_t k = 0; k < n->sent_bridge_count; k++)
			if (r->failed_bridges >> k & 1 &&
			    str_eq(n->sent_bridges[k], slot->attached->ends[i].bridge.name))
				return false;
	return true;
}

static void release_all(struct network *n, uint32_t generation, const struct err *failure)
{
	for (unsigned i = 0; i < n->e->count; i++) {
		struct network_slot *slot = &n->slots[i];
		struct err err;

		if (!slot->is_waiting || slot->is_held ||
		    (int32_t)(slot->generation - generation) > 0)
			continue;
		if (!failure && !stands(n, slot)) {
			err_set(&err, ERR_BUSY, "network: %s", n->report.text);
			release(n, slot, &err);
		} else {
			release(n, slot, failure);
		}
	}
}

static void note_nat(struct network *n)
{
	publish_drop_notes(n->e, "network:");
	if (!n->report.ok)
		publish_note(n->e, 2, "network: %s", n->report.text);
	else if (!n->report.nat)
		publish_note(
			n->e, 1,
			"network: published ports go through a proxy, client addresses are lost; containers reach nothing outside%s: %s",
			n->report.spoof_guard ? "" :
						"; forged frames are not filtered between them",
			n->report.text);
	else if (!n->report.spoof_guard)
		publish_note(n->e, 0,
			     "network: forged frames are not filtered between containers: %s",
			     n->report.text);
}

static void take_applied(struct network *n, const struct net_report *report)
{
	const struct net_report *old = &n->report;
	bool is_first = !n->has_report, nat_changed = old->nat != report->nat;
	bool says_new = is_first || nat_changed || old->ok != report->ok ||
			old->spoof_guard != report->spoof_guard || !str_eq(old->text, report->text);

	n->report = *report;
	n->has_report = true;
	respawn_well(&n->respawn);
	if (report->generation == n->sent)
		n->sent = 0;
	if (says_new)
		note_nat(n);
	release_all(n, report->generation, NULL);
	for (unsigned i = 0; (nat_changed || is_first) && i < n->e->count; i++) {
		if (!n->slots[i].attached || n->slots[i].is_waiting)
			continue;
		network_proxy_sync(n, &n->slots[i]);
		publish_unit(n->e, i);
	}
	push(n);
}

static void on_changed(struct network *n)
{
	bool had_ipv6 = n->has_ipv6;

	network_resolv_read(n);
	network_probe_ipv6(n);
	for (unsigned i = 0; had_ipv6 != n->has_ipv6 && n->has_report && i < n->e->count; i++)
		if (n->slots[i].attached && !n->slots[i].is_waiting)
			network_proxy_sync(n, &n->slots[i]);
}

/* The worker knows bridges; people know the unit that wants one. */
static void name_network(const struct network *n, struct net_report *report)
{
	char text[sizeof(report->text)];

	for (size_t i = 0; i < n->network_count; i++) {
		const char *bridge = n->networks[i].bridge.name;
		size_t length = strlen(bridge);

		if (!length || !str_starts(report->text, bridge) || report->text[length] != ':')
			continue;
		snprintf(text, sizeof(text), "%.100s (%s)%.*s", n->networks[i].label, bridge,
			 (int)(sizeof(text) - 150), report->text + length);
		str_copy(report->text, sizeof(report->text), text);
		return;
	}
}

static void on_report(struct network *n, struct net_report *report)
{
	report->text[sizeof(report->text) - 1] = '\0';
	name_network(n, report);
	switch ((enum net_report_kind)report->kind) {
	case NET_REPORT_APPLIED:
		take_applied(n, report);
		break;
	case NET_REPORT_REPAIRED:
		log_msg(LOG_WARN, "network", "somebody changed what is ours, it is repaired: %s",
			report->text);
		break;
	case NET_REPORT_CHANGED:
		on_changed(n);
		break;
	}
}

static void worker_lost(struct network *n, const char *why)
{
	struct err err;

	loop_remove(n->e->loop, n->source);
	n->source = NULL;
	close_fd(&n->fd);
	close_fd(&n->worker.pidfd);
	n->sent = 0;
	n->has_report = false;
	log_msg(LOG_ERROR, "network", "%s: the worker is started again", why);
	respawn_again(&n->respawn);
	err_set(&err, ERR_BUSY, "network: %s", why);
	release_all(n, n->generation, &err);
}

static void on_socket(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct network *n = arg;
	struct net_report report = { 0 };
	ssize_t got = recv(n->fd, &report, sizeof(report), MSG_DONTWAIT);

	(void)loop;
	(void)events;
	(void)now;
	if (got >= (ssize_t)offsetof(struct net_report, text))
		on_report(n, &report);
	else if (got >= 0 || (errno != EAGAIN && errno != EINTR))
		worker_lost(n, got > 0 ? "the worker said something that is no report" :
					 "the worker ended");
}

static void on_worker_reaped(void *arg, pid_t pid, int wait_status)
{
	(void)arg;
	(void)pid;
	(void)wait_status; /* end of file on its socket says it */
}

static int start_worker(struct network *n, struct err *err)
{
	auto_fd int mark = open(MARK, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (mark < 0)
		return err_sys(err, "%s", MARK);

	auto_fd int lock = open(LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (lock < 0)
		return err_sys(err, "%s", LOCK);
	if (net_worker_start(n->e->work_cgroup, lock, &n->worker, &n->fd, err) < 0) {
		n->fd = -1;
		return -1;
	}
	respawn_began(&n->respawn);
	n->source = loop_add(n->e->loop, n->fd, EPOLLIN, on_socket, n, err);
	if (!n->source || children_watch(n->e, n->worker.pid, on_worker_reaped, NULL, err) < 0)
		return -1;
	return 0;
}

/* It hangs in the kernel, or in a loop: whoever waits for it hears so, and another one takes its place. */
static void on_no_answer(struct loop *loop, usec_t now, void *arg)
{
	struct network *n = arg;

	(void)loop;
	(void)now;
	if (!n->sent || n->fd < 0)
		return;
	syscall(SYS_pidfd_send_signal, n->worker.pidfd, SIGKILL, NULL, 0);
	worker_lost(n, "the worker did not answer");
}

static int send_wanted(struct network *n, struct err *err)
{
	auto_arena arena = { 0 };
	struct net_attached_list list = attached_list(n);
	struct net_wanted wanted;

	if (net_plan_wanted(&list, &arena, &wanted, err) < 0 ||
	    net_worker_apply(n->fd, n->generation, &wanted, err) < 0)
		return -1;
	n->sent = n->generation;
	if (!n->answer_timer)
		n->answer_timer = loop_timer(n->e->loop, USEC_NEVER, on_no_answer, n);
	loop_timer_set(n->e->loop, n->answer_timer, loop_now(n->e->loop) + ANSWER_USEC);
	n->sent_bridge_count = wanted.bridge_count;
	for (size_t i = 0; i < wanted.bridge_count; i++)
		memcpy(n->sent_bridges[i], wanted.bridges[i].name, NET_LINK_NAME);
	return 0;
}

/* Asks for what is wanted, if that is not under way. */
static void push(void *arg)
{
	struct network *n = arg;
	struct err err;

	if (n->sent || n->respawn.timer || (n->has_report && n->report.generation == n->generation))
		return;
	if (n->fd < 0 && start_worker(n, &err) < 0) {
		worker_lost(n, err.msg);
		return;
	}
	if (send_wanted(n, &err) == 0)
		return;
	if (err.code == ERR_LIMIT) /* nothing that a new worker would cure */
		release_all(n, n->generation, &err);
	else
		worker_lost(n, err.msg);
}

static void on_late(struct loop *loop, usec_t now, void *arg)
{
	(void)loop;
	(void)now;
	push(arg);
}

void network_worker_init(struct network *n)
{
	static const struct respawn_policy policy = { push, USEC_SEC / 10, 13 * USEC_SEC,
						      60 * USEC_SEC };

	respawn_init(&n->respawn, &policy, n->e->loop, n);
	n->late = loop_timer(n->e->loop, USEC_NEVER, on_late, n);
}

static void changed(struct network *n)
{
	if (!++n->generation)
		n->generation = 1;
	network_files_soon(n);
}

static void want_again(struct network *n)
{
	changed(n);
	push(n);
}

/* A restart is one change, not two: between them a network with one container would be taken apart. */
static void want_less(struct network *n)
{
	changed(n);
	loop_timer_set(n->e->loop, n->late, loop_now(n->e->loop) + LATE_USEC);
}

static int write_record(struct engine *e, unsigned index, const struct net_attached *attached,
			struct err *err)
{
	auto_buf text = BUF_INIT(NET_ATTACHED_MAX_BYTES);
	char path[128];

	network_run_path(e, index, RECORD, path);
	net_attached_format(attached, &text);
	if (buf_check(&text, "network record", err) < 0)
		return -1;
	return file_write_atomic(AT_FDCWD, path, text.data, text.len, 0600, false, err);
}

static void forget(struct network *n, unsigned index)
{
	struct network_slot *slot = &n->slots[index];

	slot->is_waiting = slot->is_held = false;
	if (!slot->attached)
		return;
	net_attached_fini(slot->attached);
	free(slot->attached);
	slot->attached = n->list[index] = NULL;
	slot->hosts_hash = 0;
}

/* New settings of a network wait until nobody is in it any more. */
static void keep_in_force(struct network *n, struct net_network *networks)
{
	struct net_attached_list list = attached_list(n);

	memcpy(networks, n->networks, n->network_count * sizeof(*networks));
	for (size_t i = 0; i < n->network_count; i++)
		if (net_plan_keep(&networks[i], &list))
			log_msg(LOG_INFO, "network",
				"network %s keeps its earlier settings until its last container has stopped",
				networks[i].name);
}

/* Somebody on the appliance listens there already: its traffic would go to the container. SO_REUSEADDR: what only lingers does not
 * count. */
static int probe_port(const struct net_publish *port, unsigned number, struct err *err)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)number),
				       .sin_addr = port->host_address };
	auto_fd int fd = socket(AF_INET, (port->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return err_sys(err, "socket");
	if (!port->udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno != EADDRINUSE)
		return 0; /* an address that is not here yet may come */
	return err_set(err, ERR_BUSY,
		       "port %u/%s is in use on the appliance: a program there listens on it",
		       number, port->udp ? "udp" : "tcp");
}

/* The first that somebody has; NULL: none. Without NAT the proxy finds out by itself, and tries again. */
static const struct net_publish *probe_ports(const struct network *n,
					     const struct net_attached *attached, struct err *err)
{
	unsigned left = PROBES_MAX;

	if ((n->has_report && !n->report.nat) || !attached->has_target)
		return NULL;
	for (size_t i = 0; i < attached->port_count; i++) {
		const struct net_publish *port = &attached->ports[i];

		for (unsigned k = 0; left && !port->is_v6 && k < port->count; k++, left--)
			if (probe_port(port, port->host_first + k, err) < 0)
				return port;
	}
	return NULL;
}

static int attach_once(struct network *n, struct network_slot *slot,
		       const struct net_network *networks, struct err *err)
{
	struct net_attached_list list = attached_list(n);
	struct net_taken wishes = { n->wishes, n->wish_count };

	return net_plan_attach(networks, n->network_count, &slot->container,
			       n->e->entries[slot->index].run.id, &list, &wishes, &n->facts,
			       &n->leases, slot->attached, err);
}

/* A port that was chosen and turns out to be somebody's is not chosen again. */
static int attach(struct network *n, struct network_slot *slot, struct err *err)
{
	struct net_network networks[NET_MAX_NETWORKS];

	keep_in_force(n, networks);
	for (;;) {
		const struct net_publish *taken;
		size_t row;

		if (attach_once(n, slot, networks, err) < 0)
			return -1;
		taken = probe_ports(n, slot->attached, err);
		if (!taken)
			return 0;
		row = (size_t)(taken - slot->attached->ports);
		if (slot->container.ports[row].host_first || n->facts.busy_count == BUSY_MAX)
			return -1;
		n->busy[n->facts.busy_count++] = *taken;
		n->facts.busy = n->busy;
		net_attached_fini(slot->attached);
	}
}

static bool has_end_in(const struct net_attached *attached, const char *network)
{
	for (size_t i = 0; attached && i < attached->end_count; i++)
		if (str_eq(attached->ends[i].network, network))
			return true;
	return false;
}

/* It stops, or is about to: those who need it stop first. */
static bool is_leaving(const struct engine *e, unsigned index)
{
	struct core_unit_view view;

	core_view(e->core, index, &view);
	return view.state == CORE_STOPPING || view.state == CORE_CLEANING || files_is_due(e, index);
}

/* All who are in a network that was changed are restarted for it. Who is ready first would find its old settings, and keep them in
 * force for the others: it waits for them. One that stays keeps them anyway. */
static bool must_be_held(const struct network *n, const struct network_slot *slot)
{
	struct net_attached_list list = attached_list(n);

	for (size_t i = 0; i < slot->container.join_count; i++) {
		const struct net_network *network = net_network_find(
			n->networks, n->network_count, slot->container.joins[i].network);
		struct net_network kept;
		bool leaves = false, stays = false;

		if (!network)
			continue;
		kept = *network;
		if (!net_plan_keep(&kept, &list))
			continue;
		for (unsigned k = 0; k < n->e->count; k++)
			if (has_end_in(n->list[k], network->name))
				*(is_leaving(n->e, k) ? &leaves : &stays) = true;
		if (leaves && !stays)
			return true;
	}
	return false;
}

int network_attach(struct engine *e, unsigned index, struct err *err)
{
	struct network *n = e->network;
	struct network_slot *slot = &n->slots[index];

	if (!slot->has_container)
		return 0;
	forget(n, index);
	if (must_be_held(n, slot)) {
		slot->is_waiting = slot->is_held = true;
		return 1;
	}
	slot->attached = calloc(1, sizeof(*slot->attached));
	if (!slot->attached)
		return err_set(err, ERR_LIMIT, "out of memory");
	if (attach(n, slot, err) < 0 || write_record(e, index, slot->attached, err) < 0) {
		forget(n, index);
		return -1;
	}
	save_leases(n);
	n->list[index] = slot->attached;
	slot->is_waiting = true;
	slot->generation = n->generation + 1;
	want_again(n);
	return 1;
}

bool network_cancel(struct engine *e, unsigned index)
{
	struct network_slot *slot = network_slot(e, index);
	bool was_waiting = slot->is_waiting;

	slot->is_waiting = slot->is_held = false;
	return was_waiting;
}

static void attach_held(struct engine *e)
{
	for (unsigned i = 0; i < e->count; i++) {
		struct err err;

		if (e->network->slots[i].is_held && network_attach(e, i, &err) < 0)
			engine_fail_start(e, i, &err);
	}
}

void network_detach(struct engine *e, unsigned index)
{
	struct network_slot *slot = network_slot(e, index);
	bool had = slot->attached != NULL;

	network_proxy_stop(slot);
	forget(e->network, index);
	if (!had)
		return;
	want_less(e->network);
	attach_held(e);
}

void network_adopt(struct engine *e, unsigned index)
{
	struct network *n = e->network;
	struct network_slot *slot = &n->slots[index];
	auto_buf text = BUF_INIT(NET_ATTACHED_MAX_BYTES);
	char path[128];
	struct err err;

	network_run_path(e, index, RECORD, path);
	if (file_read_at(AT_FDCWD, path, NET_ATTACHED_MAX_BYTES, &text, &err) < 0) {
		if (err.code != ERR_NOT_FOUND)
			log_msg(LOG_ERROR, "network", "%s", err.msg);
		return;
	}
	forget(n, index);
	slot->attached = calloc(1, sizeof(*slot->attached));
	if (!slot->attached)
		return;
	if (net_attached_parse(buf_str(&text), slot->attached, &err) < 0) {
		log_msg(LOG_ERROR, "network", "%s: %s: its network is taken away", path, err.msg);
		forget(n, index);
		return;
	}
	n->list[index] = slot->attached;
	network_proxy_adopt(slot);
}

void network_settle(struct engine *e)
{
	struct network *n = e->network;
	bool is_needed = access(MARK, F_OK) == 0;

	for (unsigned i = 0; i < e->count; i++)
		is_needed |= n->list[i] != NULL;
	network_resolv_read(n);
	network_files_soon(n);
	if (is_needed && !e->layout_unknown)
		want_again(n);
}

/* The loop is over: waits for the answer itself. */
static void wait_cleared(struct network *n)
{
	struct pollfd pfd = { .fd = n->fd, .events = POLLIN };
	usec_t end = clock_now_usec() + CLEAR_MSEC * USEC_MSEC;
	struct net_report report;

	for (;;) {
		usec_t now = clock_now_usec();

		if (now >= end || poll(&pfd, 1, (int)((end - now) / USEC_MSEC) + 1) <= 0)
			break;
		memset(&report, 0, sizeof(report));
		if (recv(n->fd, &report, sizeof(report), MSG_DONTWAIT) <= 0)
			break;
		if (report.kind != NET_REPORT_APPLIED || report.generation != n->generation)
			continue;
		if (!report.ok)
			break;
		unlink(MARK);
		return;
	}
	log_msg(LOG_ERROR, "network", "bridges and rules could not be taken away");
}

void network_close(struct engine *e)
{
	struct network *n = e->network;
	struct err err;

	if (!n)
		return;
	for (unsigned i = 0; i < e->count; i++) {
		network_proxy_stop(&n->slots[i]);
		forget(n, i);
	}
	if (n->fd >= 0) {
		n->generation++;
		if (net_worker_clear(n->fd, n->generation, &err) < 0)
			log_msg(LOG_ERROR, "network", "%s", err.msg);
		else
			wait_cleared(n);
	}
	loop_remove(e->loop, n->source);
	respawn_stop(&n->respawn);
	loop_remove(e->loop, n->answer_timer);
	loop_remove(e->loop, n->late);
	close_fd(&n->fd);
	close_fd(&n->worker.pidfd);
	network_files_close(n);
	net_leases_fini(&n->leases);
	arena_fini(&n->arena);
	free(n);
	e->network = NULL;
}
