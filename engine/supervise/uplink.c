/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat uplink" as the engine sees it: a worker that is started again when it ends, whose report is published, and for which DHCP clients are
 * run, because it has given up the right to start anything. Clients outlive the engine, so that a reload of units does not ask the DHCP server
 * anew. Must never touch a link, and nothing may wait for it.
 */
#include "supervise/uplink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/uplink.h"
#include "supervise/internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/path.h"
#include "util/str.h"

#define CLIENTS CLEAT_LINKS_DIR "/clients" /* a line each: link, its number, pid, start time, "6" */
#define CLIENTS_MAX_BYTES 4096
#define NOTE "links: "
#define START_USEC (20 * USEC_MSEC) /* what can start without a network has the processors first */

struct client {
	struct uplinks *u;
	char link[UPLINK_NAME];
	uint32_t index;
	bool is_v6;
	pid_t pid; /* 0: no such client, or one that waits for its next start */
	uint64_t start_ticks;
	int pidfd;
	struct loop_source *source;
	struct respawn respawn;
};

struct uplinks {
	struct engine *e;
	pid_t pid;
	int fd; /* -1 */
	struct loop_source *source;
	struct respawn respawn;
	bool has_report;
	struct uplink_report report;
	struct client clients[UPLINK_MAX_CLIENTS]; /* link "": free */
};

static void sync_clients(void *arg);

/* --- clients ------------------------------------------------------------------------------------------------ */

static const char *name_of(const struct client *c)
{
	return c->is_v6 ? "DHCPv6" : "DHCP";
}

static void save_clients(struct uplinks *u)
{
	auto_buf text = BUF_INIT(CLIENTS_MAX_BYTES);
	struct err err;

	for (unsigned i = 0; i < UPLINK_MAX_CLIENTS; i++) {
		const struct client *c = &u->clients[i];

		if (c->pid)
			buf_printf(&text, "%s %" PRIu32 " %d %" PRIu64 "%s\n", c->link, c->index,
				   (int)c->pid, c->start_ticks, c->is_v6 ? " 6" : "");
	}
	if (buf_check(&text, CLIENTS, &err) < 0 ||
	    file_write_atomic(AT_FDCWD, CLIENTS, buf_str(&text), text.len, 0600, false, &err) < 0)
		log_msg(LOG_WARN, "links", "%s", err.msg);
}

static void forget_process(struct client *c)
{
	loop_remove(c->u->e->loop, c->source);
	c->source = NULL;
	close_fd(&c->pidfd);
	c->pid = 0;
}

/* Its descriptor says that it has ended, whoever started it. */
static void on_client_ended(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct client *c = arg;
	struct uplinks *u = c->u;

	(void)loop;
	(void)events;
	(void)now;
	forget_process(c);
	if (!u->e->stopping)
		log_msg(LOG_WARN, "links", "%s: its %s client ended: starting it again", c->link,
			name_of(c));
	respawn_again(&c->respawn);
	save_clients(u);
	sync_clients(u);
}

static int watch_client(struct client *c, struct err *err)
{
	c->source = loop_add(c->u->e->loop, c->pidfd, EPOLLIN, on_client_ended, c, err);
	return c->source ? 0 : -1;
}

static void on_client_reaped(void *arg, pid_t pid, int wait_status)
{
	(void)arg;
	(void)pid;
	(void)wait_status; /* told by its descriptor */
}

static int start_client(struct client *c, const char *request, struct err *err)
{
	struct engine *e = c->u->e;
	char *argv[] = { "cleat", c->is_v6 ? "dhcp6" : "dhcp",	   "--link",
			 c->link, request[0] ? "--request" : NULL, (char *)(uintptr_t)request,
			 NULL };
	const struct proc_spawn spawn = {
		.path = "/proc/self/exe",
		.argv = argv,
		.cgroup_fd = e->work_cgroup,
		.fds = { -1, -1, STDERR_FILENO },
		.fd_count = 3,
		.new_session = true,
	};
	struct proc proc;

	if (proc_spawn(&spawn, &proc, err) < 0)
		return -1;
	c->pid = proc.pid;
	c->pidfd = proc.pidfd;
	c->start_ticks = proc_start_ticks(proc.pid);
	respawn_began(&c->respawn);
	if (children_watch(e, proc.pid, on_client_reaped, NULL, err) < 0)
		return -1;
	return watch_client(c, err);
}

static void stop_client(struct client *c)
{
	if (c->pid)
		syscall(SYS_pidfd_send_signal, c->pidfd, SIGTERM, NULL, 0);
	forget_process(c);
	c->link[0] = '\0';
	respawn_stop(&c->respawn);
	respawn_well(&c->respawn);
}

static struct client *find_client(struct uplinks *u, const char *link, bool is_v6)
{
	for (unsigned i = 0; i < UPLINK_MAX_CLIENTS; i++)
		if (str_eq(u->clients[i].link, link) && u->clients[i].is_v6 == is_v6)
			return &u->clients[i];
	return NULL;
}

static struct client *find_free(struct uplinks *u)
{
	for (unsigned i = 0; i < UPLINK_MAX_CLIENTS; i++)
		if (!u->clients[i].link[0])
			return &u->clients[i];
	return NULL;
}

static bool is_asked_for(const struct uplinks *u, const struct client *c)
{
	for (unsigned i = 0; i < u->report.client_count; i++)
		if (u->report.clients[i].index == c->index &&
		    (u->report.clients[i].is_v6 != 0) == c->is_v6 &&
		    str_eq(u->report.clients[i].link, c->link))
			return true;
	return false;
}

static void want_client(struct uplinks *u, const struct uplink_client *wanted)
{
	struct client *c = find_client(u, wanted->link, wanted->is_v6 != 0);
	struct err err;

	if (!c) {
		c = find_free(u);
		if (!c)
			return; /* there are as many as a report has room for */
		str_copy(c->link, sizeof(c->link), wanted->link);
		c->index = wanted->index;
		c->is_v6 = wanted->is_v6 != 0;
	}
	if (c->pid || c->respawn.timer || start_client(c, wanted->request, &err) == 0)
		return;
	log_msg(LOG_ERROR, "links", "%s: %s client: %s", c->link, name_of(c), err.msg);
	if (c->pid)
		syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0);
	forget_process(c);
	respawn_again(&c->respawn);
}

/* What is asked for runs, and nothing else does. */
static void sync_clients(void *arg)
{
	struct uplinks *u = arg;

	if (!u->has_report || u->e->stopping)
		return;
	for (unsigned i = 0; i < UPLINK_MAX_CLIENTS; i++)
		if (u->clients[i].link[0] && !is_asked_for(u, &u->clients[i]))
			stop_client(&u->clients[i]);
	for (unsigned i = 0; i < u->report.client_count; i++)
		want_client(u, &u->report.clients[i]);
	save_clients(u);
}

/* "eth0 4 123 4567" or "eth0 4 124 4568 6" of an engine before; one that has ended is started by the first report. */
static void adopt_client(struct uplinks *u, char *line)
{
	char *words[5], *next = line;
	uint64_t index, pid, ticks;
	struct client *c = find_free(u);
	struct err err;

	for (unsigned i = 0; i < 5; i++) {
		words[i] = next;
		next += strcspn(next, " ");
		if (*next)
			*next++ = '\0';
	}
	if (!c || !words[0][0] || strlen(words[0]) >= sizeof(c->link) ||
	    !str_to_u64(words[1], UINT32_MAX, &index) || !str_to_u64(words[2], INT32_MAX, &pid) ||
	    !str_to_u64(words[3], UINT64_MAX, &ticks) || !pid)
		return;
	c->pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	/* after the opening: another process under this number has another start time */
	if (c->pidfd < 0 || proc_start_ticks((pid_t)pid) != ticks) {
		close_fd(&c->pidfd);
		return;
	}
	str_copy(c->link, sizeof(c->link), words[0]);
	c->index = (uint32_t)index;
	c->is_v6 = str_eq(words[4], "6");
	c->pid = (pid_t)pid;
	c->start_ticks = ticks;
	respawn_began(&c->respawn);
	if (watch_client(c, &err) < 0)
		stop_client(c);
}

static void adopt_clients(struct uplinks *u)
{
	auto_buf text = BUF_INIT(CLIENTS_MAX_BYTES);
	struct err err;

	if (file_read_at(AT_FDCWD, CLIENTS, CLIENTS_MAX_BYTES, &text, &err) < 0)
		return; /* the first engine of this boot */
	for (char *line = text.data; line && *line;) {
		char *end = line + strcspn(line, "\n");
		bool more = *end;

		*end = '\0';
		adopt_client(u, line);
		line = end + more;
	}
}

/* --- what it says ------------------------------------------------------------------------------------------------ */

/* Images that could not be had are asked for at once, instead of when their next try is due. */
static void came_online(struct engine *e)
{
	for (unsigned i = 0; i < e->count; i++) {
		struct core_event event = { .type = CORE_EV_IMAGE_READY,
					    .unit = i,
					    .text = "the network has come" };
		struct core_unit_view view;

		core_view(e->core, i, &view);
		if (e->entries[i].spec && view.want == CORE_WANT_UP &&
		    view.result == CORE_RESULT_IMAGE && view.state == CORE_BACKOFF)
			engine_feed(e, &event);
	}
}

static void put_notes(struct engine *e, char *notes)
{
	publish_drop_notes(e, NOTE);
	for (char *line = notes; *line;) {
		char *end = line + strcspn(line, "\n");
		bool more = *end;

		*end = '\0';
		if (*line)
			publish_note(e, 1, NOTE "%s", line);
		line = end + more;
	}
}

static void take_report(struct uplinks *u, struct uplink_report *report)
{
	struct engine *e = u->e;
	bool was_online = e->header.is_online;
	bool notes_differ = !u->has_report || !str_eq(u->report.notes, report->notes);
	char notes[sizeof(report->notes)];

	u->report = *report;
	u->has_report = true;
	e->header.is_online = report->is_online != 0;
	str_copy_text(e->header.links, sizeof(e->header.links), report->state);
	memcpy(notes, report->notes, sizeof(notes));
	if (notes_differ)
		put_notes(e, notes);
	publish_header(e);
	sync_clients(u);
	if (!was_online && report->is_online && e->settled)
		came_online(e);
}

/* --- the worker ------------------------------------------------------------------------------------------------------ */

static void worker_lost(struct uplinks *u, bool is_failure)
{
	loop_remove(u->e->loop, u->source);
	u->source = NULL;
	close_fd(&u->fd);
	if (is_failure)
		respawn_again(&u->respawn);
	else
		respawn_later(&u->respawn, 0);
}

static void on_socket(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct uplinks *u = arg;
	static struct uplink_report report;
	ssize_t got = recv(u->fd, &report, sizeof(report), MSG_DONTWAIT);

	(void)loop;
	(void)events;
	(void)now;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got > 0 && uplink_report_check(&report, (size_t)got)) {
		take_report(u, &report);
		return;
	}
	if (got > 0) {
		log_msg(LOG_ERROR, "links", "the worker said something that is no report");
		kill(u->pid, SIGKILL); /* a child of ours that has not been reaped */
	}
	loop_remove(u->e->loop, u->source);
	u->source = NULL; /* its end is told by its reaping */
}

static void on_worker_ended(void *arg, pid_t pid, int wait_status)
{
	struct uplinks *u = arg;

	if (u->pid != pid)
		return;
	u->pid = 0;
	/* 0: a file of configuration has changed, the next one reads it */
	if (wait_status != 0 && !u->e->stopping)
		log_msg(LOG_ERROR, "links",
			"the worker ended (wait status %d): it is started again", wait_status);
	worker_lost(u, wait_status != 0);
}

static int make_folders(struct err *err)
{
	static const char *const folders[] = { UPLINK_LEASES_DIR, UPLINK_LEASES6_DIR };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		if (path_mkdirs(folders[i], 0755, err) < 0)
			return -1;
		/* the clients' group writes there, and nobody else */
		if (chown(folders[i], 0, IDS_WORKER_DHCP) < 0 || chmod(folders[i], 0775) < 0)
			return err_sys(err, "%s", folders[i]);
	}
	return 0;
}

static int try_worker(struct uplinks *u, struct err *err)
{
	struct engine *e = u->e;
	struct proc proc;

	if (make_folders(err) < 0 || uplink_start(e->work_cgroup, &proc, &u->fd, err) < 0)
		return -1;
	close(proc.pidfd);
	u->pid = proc.pid;
	respawn_began(&u->respawn);
	if (children_watch(e, proc.pid, on_worker_ended, u, err) < 0)
		return -1;
	u->source = loop_add(e->loop, u->fd, EPOLLIN, on_socket, u, err);
	return u->source ? 0 : -1;
}

static void start_worker(void *arg)
{
	struct uplinks *u = arg;
	struct err err;

	if (u->e->stopping || u->pid || engine_puts_off(u->e, &u->respawn))
		return;
	publish_drop_notes(u->e, NOTE "not looked after");
	if (try_worker(u, &err) == 0)
		return;
	publish_note(u->e, 1, NOTE "not looked after: %s", err.msg);
	worker_lost(u, true);
}

static const struct respawn_policy worker_policy = { start_worker, USEC_SEC / 4, 64 * USEC_SEC,
						     60 * USEC_SEC };
static const struct respawn_policy client_policy = { sync_clients, USEC_SEC / 4, 64 * USEC_SEC,
						     60 * USEC_SEC };

void uplink_open(struct engine *e)
{
	struct uplinks *u = calloc(1, sizeof(*u));

	if (!u || e->run_layout_unknown) {
		free(u);
		return;
	}
	u->e = e;
	u->fd = -1;
	for (unsigned i = 0; i < UPLINK_MAX_CLIENTS; i++) {
		u->clients[i].u = u;
		u->clients[i].pidfd = -1;
		respawn_init(&u->clients[i].respawn, &client_policy, e->loop, u);
	}
	respawn_init(&u->respawn, &worker_policy, e->loop, u);
	e->uplinks = u;
	adopt_clients(u);
	respawn_later(&u->respawn, START_USEC);
}

void uplink_close(struct engine *e)
{
	struct uplinks *u = e->uplinks;

	if (!u)
		return;
	for (unsigned i = 0; i < UPLINK_MAX_CLIENTS; i++)
		stop_client(&u->clients[i]);
	loop_remove(e->loop, u->source);
	respawn_stop(&u->respawn);
	close_fd(&u->fd);
	free(u);
	e->uplinks = NULL;
}
