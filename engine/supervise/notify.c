/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NOTIFY_SOCKET: makes it, reads it, tells the core. Who can reach the socket may speak: it lies behind a folder that
 * only the appliance's root can enter and is bound into one container. The sender's cgroup is not asked for, because a
 * "systemd-notify --ready" has often ended by the time that its message is read. Must never take a descriptor
 * from a container, nor let one that talks without end hold up the loop.
 */
#include "supervise/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "supervise/internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/pass_fd.h"
#include "util/str.h"

/* A turn of the loop takes at most so many messages of a container; one that has more to say waits, and blocks when
 * its queue is full. A change costs a record and a publication, so this bounds what a flood costs: 160 a second. */
#define MESSAGES_A_TURN 8
#define PAUSE_USEC (50 * USEC_MSEC)
#define MESSAGES_AT_END 64
#define REST_MAX_BYTES \
	(SHIM_NOTIFY_REST_MAX * (sizeof(struct shim_notify_rest) + SHIM_NOTIFY_REST_TEXT))
/* Messages that wait in the kernel while no engine reads; the kernel's own default is 10, systemd's this. */
#define QUEUE_MESSAGES "512\n"
#define QUEUE_FILE "/proc/sys/net/unix/max_dgram_qlen"

struct notify {
	struct engine *e;
	unsigned index;
	int fd; /* owned */
	struct loop_source *source, *pause;
	unsigned noted; /* bit set: 1u << enum notify_noted */
	bool has_refused, has_complained;
	char unknown[32];
	/* what the status text is made of */
	char status[NOTIFY_STATUS_MAX], bus_error[NOTIFY_BUS_ERROR_MAX];
	unsigned error;
};

static uint64_t watchdog_of(const struct service *service)
{
	return service->watchdog_usec == USEC_NEVER ? 0 : service->watchdog_usec;
}

bool notify_is_wanted(const struct container_spec *spec, const struct service *service)
{
	return service->type == SERVICE_NOTIFY &&
	       (spec->notify == SPEC_NOTIFY_CONTAINER || watchdog_of(service));
}

/* A first process without a handler ignores SIGABRT (pid_namespaces(7)), so unless the unit says how long an abort may
 * take, SIGKILL comes as it does after the stop signal. */
void notify_policy(const struct container_spec *spec, const struct service *service,
		   struct core_policy *policy)
{
	uint64_t stop = spec->stop_timeout_usec < service->timeout_stop_usec ?
				spec->stop_timeout_usec :
				service->timeout_stop_usec;

	policy->timeout_abort_usec = service->has_timeout_abort ? service->timeout_abort_usec :
								  stop;
	if (service->type != SERVICE_NOTIFY)
		return;
	policy->ready_by_notify = spec->notify == SPEC_NOTIFY_CONTAINER;
	policy->watchdog_usec = watchdog_of(service);
}

static void folder_of(const char *run_id, const char *rest, char out[128])
{
	snprintf(out, 128, "%s/%s/notify%s", CLEAT_CONTAINER_DIR, run_id, rest);
}

void notify_facts(const struct engine_entry *entry, struct arena *arena, struct host_facts *host)
{
	const struct service *service = &entry->unit->service;
	char path[128];

	if (!notify_is_wanted(entry->spec, service))
		return;
	folder_of(entry->run.id, "/in", path);
	host->notify_dir = arena_strdup(arena, path);
	host->watchdog_usec = watchdog_of(service);
}

/* Of this network namespace, for sockets that are made from now on. Not every host lets us; then less may wait. */
static void lengthen_queues(void)
{
	static bool is_done;
	auto_fd int fd = -1;
	char text[24] = "";
	uint64_t have;

	if (is_done)
		return;
	is_done = true;
	fd = open(QUEUE_FILE, O_RDWR | O_CLOEXEC);
	if (fd < 0 || pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	if (str_to_u64(text, UINT32_MAX, &have) && have < strtoul(QUEUE_MESSAGES, NULL, 10) &&
	    pwrite(fd, QUEUE_MESSAGES, strlen(QUEUE_MESSAGES), 0) < 0)
		log_msg(LOG_DEBUG, "notify", "%s: %s", QUEUE_FILE, strerror(errno));
}

/* Credentials are asked for before the name exists: no message comes without them. */
static int make_socket(const char *run_id, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	auto_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, n;

	n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s/notify/in/notify.sock",
		     CLEAT_CONTAINER_DIR, run_id);
	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return err_set(err, ERR_LIMIT, "notify.sock: the path is too long");
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_sys(err, "%s", address.sun_path);
	/* any user of the container may write to it, whatever our umask is */
	if (chmod(address.sun_path, 0666) < 0)
		return err_sys(err, "%s", address.sun_path);
	return take_fd(&fd);
}

static int make_folders(const char *run_id, struct err *err)
{
	char outer[128], inner[128];

	folder_of(run_id, "", outer);
	folder_of(run_id, "/in", inner);
	if (mkdir(outer, 0700) < 0)
		return err_sys(err, "%s", outer);
	if (mkdir(inner, 0755) < 0 || chmod(inner, 0755) < 0)
		return err_sys(err, "%s", inner);
	return 0;
}

static struct notify *slot_new(struct engine *e, unsigned index, int fd)
{
	struct notify *n = calloc(1, sizeof(*n));

	if (n)
		*n = (struct notify){ .e = e, .index = index, .fd = fd };
	return n;
}

int notify_make(struct engine *e, unsigned index, struct err *err)
{
	struct engine_entry *entry = &e->entries[index];
	auto_fd int fd = -1;

	if (!notify_is_wanted(entry->spec, &entry->unit->service))
		return 0;
	lengthen_queues();
	if (make_folders(entry->run.id, err) < 0)
		return -1;
	fd = make_socket(entry->run.id, err);
	if (fd < 0)
		return -1;
	entry->run.notify = slot_new(e, index, fd);
	if (!entry->run.notify)
		return err_errno(err, ENOMEM, "NOTIFY_SOCKET");
	take_fd(&fd);
	return 0;
}

int notify_descriptor(const struct engine *e, unsigned index)
{
	const struct notify *n = e->entries[index].run.notify;

	return n ? n->fd : -1;
}

/* --- what is said --- */

/* STATUS= and what belongs to it, on one line. */
static void status_text(const struct notify *n, char out[NOTIFY_STATUS_MAX])
{
	auto_buf text = BUF_INIT(NOTIFY_STATUS_MAX - 1);

	buf_puts(&text, n->status);
	if (n->error)
		buf_printf(&text, "%serror %u: %s", text.len ? "; " : "", n->error,
			   strerror((int)n->error));
	if (n->bus_error[0])
		buf_printf(&text, "%s%s", text.len ? "; " : "", n->bus_error);
	str_copy_text(out, NOTIFY_STATUS_MAX, buf_str(&text));
}

/* True when the text has changed; it is in out then. */
static bool take_status(struct notify *n, const struct notify_message *m,
			char out[NOTIFY_STATUS_MAX])
{
	char before[NOTIFY_STATUS_MAX];

	status_text(n, before);
	if (m->has_status)
		str_copy(n->status, sizeof(n->status), m->status);
	if (m->has_bus_error)
		str_copy(n->bus_error, sizeof(n->bus_error), m->bus_error);
	if (m->has_error)
		n->error = m->error;
	status_text(n, out);
	return !str_eq(before, out);
}

/* Once for each container, so that a program that says it every second fills no log. */
static void note_rest(struct notify *n, const struct notify_message *m)
{
	const char *name = n->e->entries[n->index].name;
	unsigned fresh = m->noted & ~n->noted;

	if (!fresh)
		return;
	n->noted |= fresh;
	if (fresh & 1u << NOTIFY_NOTED_UNKNOWN)
		str_copy(n->unknown, sizeof(n->unknown), m->unknown);
	for (unsigned i = 0; i < NOTIFY_NOTED_COUNT; i++)
		if (fresh & 1u << i)
			log_msg(LOG_INFO, "notify", "%s: %s%s%s", name, notify_noted_text(i),
				i == NOTIFY_NOTED_UNKNOWN ? ": " : "",
				i == NOTIFY_NOTED_UNKNOWN ? n->unknown : "");
	publish_unit(n->e, n->index);
}

static void tell_core(struct notify *n, const struct notify_message *m)
{
	struct engine *e = n->e;
	unsigned index = n->index;
	struct unit_kept *record = &e->entries[index].record;
	char text[NOTIFY_STATUS_MAX];
	bool is_first = m->ready && !record->said_ready;
	struct core_event event = {
		.type = CORE_EV_NOTIFY,
		.unit = index,
		.notify_ready = m->ready,
		.notify_reloading = m->reloading,
		.notify_stopping = m->stopping,
		.notify_watchdog = m->watchdog,
		.notify_watchdog_trigger = m->watchdog_trigger,
		.notify_extend_usec = m->extend_usec,
		.notify_watchdog_usec = m->watchdog_usec,
	};

	if (take_status(n, m, text))
		event.text = text;
	if (m->ready)
		record->said_ready = true;
	if (m->watchdog_usec)
		record->said_watchdog_usec = m->watchdog_usec;
	if (event.text || m->ready || m->reloading || m->stopping || m->watchdog ||
	    m->watchdog_trigger || m->extend_usec || m->watchdog_usec)
		engine_feed(e, &event);
	/* n may be gone. What is not said again has to be known to the next engine. */
	if (is_first || m->watchdog_usec || event.text)
		record_save(e, index);
}

static void complain(struct notify *n, const char *text)
{
	if (!n->has_complained)
		log_msg(LOG_WARN, "notify", "%s: %s: left out", n->e->entries[n->index].name, text);
	n->has_complained = true;
}

static void refuse(struct notify *n, pid_t sender)
{
	if (n->has_refused)
		return;
	n->has_refused = true;
	log_msg(LOG_WARN, "notify",
		"%s: process %d is not the container's first one, and NotifyAccess= lets only that speak: left out",
		n->e->entries[n->index].name, (int)sender);
	publish_unit(n->e, n->index);
}

static void hear(struct notify *n, const char *bytes, size_t length, pid_t sender)
{
	const struct engine_entry *entry = &n->e->entries[n->index];
	enum service_notify_access access = entry->unit->service.notify_access;
	struct notify_message message;
	struct err err;

	if (!notify_is_allowed(access, sender, entry->run.status.container_pid)) {
		refuse(n, sender);
		return;
	}
	if (notify_parse(bytes, length, &message, &err) < 0) {
		complain(n, err.msg);
		return;
	}
	note_rest(n, &message);
	tell_core(n, &message);
}

/*
 * Looks at a message, acts on it, and takes it then: an engine that dies on the way leaves it to the next one, and to hear
 * it twice does no harm. The kernel itself closes descriptors that come along, those of FDSTORE= and, which is what its
 * sender waits for, that of BARRIER=.
 */
static bool read_one(struct notify *n)
{
	static char bytes[NOTIFY_MESSAGE_MAX + 1];
	struct engine *e = n->e;
	unsigned index = n->index;
	pid_t sender = 0;
	ssize_t length =
		pass_pid_receive(n->fd, bytes, sizeof(bytes), &sender, MSG_PEEK | MSG_DONTWAIT);

	if (length < 0)
		return false;
	hear(n, bytes, (size_t)length, sender);
	if (e->entries[index].run.notify != n) /* closed by what followed */
		return false;
	return recv(n->fd, bytes, 1, MSG_DONTWAIT) >= 0;
}

static void on_pause_over(struct loop *loop, usec_t now, void *arg)
{
	struct notify *n = arg;
	struct err err;

	(void)now;
	if (loop_modify(loop, n->source, EPOLLIN, &err) < 0)
		log_msg(LOG_ERROR, "notify", "%s: %s", n->e->entries[n->index].name, err.msg);
}

static void on_message(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct notify *n = arg;
	struct engine *e = n->e;
	unsigned index = n->index;
	struct err err;

	(void)events;
	for (unsigned i = 0; i < MESSAGES_A_TURN; i++)
		if (!read_one(n))
			return;
	if (e->entries[index].run.notify == n && loop_modify(loop, n->source, 0, &err) == 0)
		loop_timer_set(loop, n->pause, now + PAUSE_USEC);
}

/* --- the life of the socket --- */

void notify_begin(struct engine *e, unsigned index)
{
	struct notify *n = e->entries[index].run.notify;
	struct err err = { 0 };

	if (!n || n->source)
		return;
	n->pause = loop_timer(e->loop, USEC_NEVER, on_pause_over, n);
	n->source = loop_add(e->loop, n->fd, EPOLLIN, on_message, n, &err);
	if (!n->pause || !n->source)
		log_msg(LOG_ERROR, "notify", "%s: its NOTIFY_SOCKET is not read: %s",
			e->entries[index].name, err.msg);
}

void notify_ask(struct engine *e, unsigned index)
{
	struct engine_entry *entry = &e->entries[index];
	struct shim_header ask = { SHIM_PROTOCOL_VERSION, SHIM_NOTIFY_ASK, sizeof(ask) };
	char path[128];
	struct err err;

	if (entry->run.notify || !entry->spec)
		return;
	folder_of(entry->run.id, "/in/notify.sock", path);
	if (access(path, F_OK) < 0) {
		if (notify_is_wanted(entry->spec, &entry->unit->service))
			log_msg(LOG_WARN, "notify",
				"%s: it was started without NOTIFY_SOCKET: what its unit says of that holds from its next start on",
				entry->name);
		return;
	}
	if (run_send(e, index, &ask, sizeof(ask), &err) < 0)
		log_msg(LOG_WARN, "notify", "%s: NOTIFY_SOCKET: %s", entry->name, err.msg);
}

/* A shim of ours that was started with the socket has it, so its absence is a shim that does not know the question or
 * the answer. The container goes on; what it says is not heard. */
void notify_given(struct engine *e, unsigned index, int fd)
{
	struct engine_entry *entry = &e->entries[index];
	struct core_unit_view view;
	auto_fd int given = fd;

	if (entry->run.notify)
		return;
	if (given < 0) {
		log_msg(LOG_WARN, "notify", "%s: its shim has no NOTIFY_SOCKET: it is not heard",
			entry->name);
		return;
	}
	entry->run.notify = slot_new(e, index, given);
	if (!entry->run.notify)
		return;
	take_fd(&given);
	core_view(e->core, index, &view);
	str_copy(entry->run.notify->status, sizeof(entry->run.notify->status), view.status_text);
	if (entry->run.phase == RUN_RUNNING)
		notify_begin(e, index);
}

void notify_forget(struct unit_kept *record)
{
	record->said_ready = false;
	record->said_watchdog_usec = 0;
}

void notify_adopted(struct engine *e, unsigned index, const struct unit_record *before)
{
	struct core_event event = {
		.type = CORE_EV_NOTIFY,
		.unit = index,
		.notify_ready = before->said_ready,
		.notify_watchdog_usec = before->said_watchdog_usec,
		.text = before->status_text[0] ? before->status_text : NULL,
	};

	if (event.notify_ready || event.notify_watchdog_usec || event.text)
		engine_feed(e, &event);
}

/* It ended while no engine lived, and its shim has left what it had said. */
static void hear_rest(struct engine *e, unsigned index)
{
	struct engine_entry *entry = &e->entries[index];
	auto_buf rest = BUF_INIT(REST_MAX_BYTES);
	struct notify *n = NULL;
	char path[128];
	struct err err;
	size_t at = 0;

	snprintf(path, sizeof(path), "%s/%s/" SHIM_NOTIFY_REST_FILE, CLEAT_CONTAINER_DIR,
		 entry->run.id);
	if (!entry->spec || file_read_at(AT_FDCWD, path, REST_MAX_BYTES, &rest, &err) < 0)
		return;
	n = entry->run.notify = slot_new(e, index, -1);
	while (n && entry->run.notify == n) {
		struct shim_notify_rest head;

		if (rest.len - at < sizeof(head))
			return;
		memcpy(&head, rest.data + at, sizeof(head));
		at += sizeof(head);
		if (head.length > rest.len - at)
			return;
		hear(n, rest.data + at, head.length, head.pid);
		at += head.length;
	}
}

void notify_drain(struct engine *e, unsigned index)
{
	struct notify *n = e->entries[index].run.notify;

	if (e->entries[index].run.phase != RUN_RUNNING)
		return;
	if (!n) {
		hear_rest(e, index);
		return;
	}
	for (unsigned i = 0; i < MESSAGES_AT_END; i++)
		if (!read_one(n))
			return;
}

void notify_close(struct engine *e, unsigned index)
{
	struct notify *n = e->entries[index].run.notify;

	if (!n)
		return;
	loop_remove(e->loop, n->source);
	loop_remove(e->loop, n->pause);
	close_fd(&n->fd);
	free(n);
	e->entries[index].run.notify = NULL;
}

void notify_notes(const struct engine *e, unsigned index, struct buf *out)
{
	const struct notify *n = e->entries[index].run.notify;

	if (!n)
		return;
	for (unsigned i = 0; i < NOTIFY_NOTED_COUNT; i++)
		if (n->noted & 1u << i)
			buf_printf(out, "NOTIFY_SOCKET: %s%s%s\n", notify_noted_text(i),
				   i == NOTIFY_NOTED_UNKNOWN ? ": " : "",
				   i == NOTIFY_NOTED_UNKNOWN ? n->unknown : "");
	if (n->has_refused)
		buf_puts(
			out,
			"NOTIFY_SOCKET: messages of other processes than the first were left out: NotifyAccess=\n");
}
