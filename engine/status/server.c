/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is let in, who has to go, and which engine we belong to. The engine is known by a pidfd that was opened while we still had
 * rights: our parent is the engine that started us, and a new one brings its own server, so there is never another to look for.
 * Must never answer for an engine that another has replaced.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "status/internal.h"
#include "util/cleanup.h"
#include "util/proc.h"

#define ACCEPTS_A_TURN 16

/* ------------------------------------------------------------------ the engine */

static void engine_gone(struct status_server *s, usec_t now)
{
	loop_remove(s->loop, s->engine_source);
	s->engine_source = NULL;
	close_fd(&s->engine_pidfd);
	s->engine_gone = now ? now : 1;
}

static void on_engine_end(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	(void)loop;
	(void)events;
	engine_gone(arg, now);
}

/* A pid of 1 is init, who inherits us when the engine has ended before we looked. */
static int watch_engine(struct status_server *s, pid_t engine_pid, usec_t now, struct err *err)
{
	s->engine_pid = engine_pid;
	if (engine_pid > 1)
		s->engine_pidfd = (int)syscall(SYS_pidfd_open, engine_pid, 0);
	if (s->engine_pidfd >= 0)
		s->engine_ticks = proc_start_ticks(engine_pid);
	if (s->engine_ticks) {
		s->engine_source =
			loop_add(s->loop, s->engine_pidfd, EPOLLIN, on_engine_end, s, err);
		return s->engine_source ? 0 : -1;
	}
	if (engine_pid > 1 && s->engine_pidfd < 0 && errno != ESRCH)
		return err_sys(err, "engine: pidfd_open %ld", (long)engine_pid);
	engine_gone(s, now);
	return 0;
}

/*
 * Our engine writes the header soon after it has started us; until then the mapping holds what an engine before it left, perhaps
 * one that was the same process: to read changed units it executes itself. A start time before our own is that of who started us,
 * a later one is a successor's.
 */
static bool is_successor(const struct status_server *s, bool is_ours)
{
	int64_t started = s->header.engine_started_real_usec;

	if (!is_ours)
		return s->engine_started_usec || started != s->first_started_usec;
	return s->engine_started_usec && started != s->engine_started_usec &&
	       started > s->opened_real_usec;
}

static void judge_engine(struct status_server *s, usec_t now)
{
	const struct published_header *h = &s->header;
	bool is_ours = s->engine_ticks && h->engine_pid == s->engine_pid &&
		       h->engine_start_ticks == s->engine_ticks;

	if (is_successor(s, is_ours)) {
		status_server_leave(s, now, now + STATUS_HEAD_USEC + STATUS_ANSWER_USEC);
	} else if (is_ours && h->engine_started_real_usec != s->engine_started_usec) {
		s->engine_started_usec = h->engine_started_real_usec;
		/* Now, while the clock is still the one that the engine took the time of the boot from. */
		s->boot_offset_usec = h->boot_real_usec - s->real_offset_usec;
	}
}

static void read_header(struct status_server *s)
{
	uint64_t generation = published_generation(s->published);
	struct published_header fresh;
	struct err err;

	if (s->has_header && !s->is_torn && generation == s->generation)
		return;
	/* The counter was read first: what changes meanwhile is seen the next time. */
	s->generation = generation;
	s->is_torn = published_get_header(s->published, &fresh, &err) < 0;
	if (s->is_torn)
		return;
	s->header = fresh;
	s->has_header = fresh.engine_started_real_usec != 0;
}

/* An engine of another version replaces the file: the name leads elsewhere, and ours is no longer written. */
static bool is_replaced(const struct status_server *s)
{
	struct stat st;

	return fstat(s->published_fd, &st) == 0 && st.st_nlink == 0;
}

void status_server_look(struct status_server *s, usec_t now)
{
	if (is_replaced(s))
		status_server_leave(s, now, now + STATUS_HEAD_USEC + STATUS_ANSWER_USEC);
	read_header(s);
	if (s->has_header && !s->is_torn)
		judge_engine(s, now);
}

/* ------------------------------------------------------------------ clients */

static unsigned rank(const struct status_connection *c)
{
	if (status_connection_is_idle(c))
		return 0;
	switch (c->phase) {
	case STATUS_LINGERING:
		return 1;
	case STATUS_READING:
		return 2;
	case STATUS_WRITING:
		break;
	}
	return 3;
}

/* The idle one that has been silent for the longest; then who has had his answer, who drips a head, who takes an answer slowly. */
static struct status_connection *victim(struct status_server *s)
{
	struct status_connection *worst = &s->connections[0];

	for (unsigned i = 1; i < STATUS_MAX_CONNECTIONS; i++) {
		struct status_connection *c = &s->connections[i];

		if (rank(c) < rank(worst) || (rank(c) == rank(worst) && c->since < worst->since))
			worst = c;
	}
	return worst;
}

static struct status_connection *free_connection(struct status_server *s)
{
	struct status_connection *worst;

	for (unsigned i = 0; i < STATUS_MAX_CONNECTIONS; i++)
		if (s->connections[i].fd < 0)
			return &s->connections[i];
	worst = victim(s);
	status_connection_close(worst);
	return worst;
}

static void pause_accepting(struct status_server *s)
{
	loop_remove(s->loop, s->listen_source);
	s->listen_source = NULL;
}

/* False when nobody waits, or nobody can be let in now. */
static bool accept_one(struct status_server *s, usec_t now)
{
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0) {
		status_connection_open(s, free_connection(s), fd, now);
		return true;
	}
	/* Errors of the connection are not ours (accept(2)); without memory a level-triggered listener would spin. */
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
		pause_accepting(s);
	return errno == EINTR || errno == ECONNABORTED;
}

static void on_listen(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	(void)loop;
	(void)events;
	for (unsigned i = 0; i < ACCEPTS_A_TURN && accept_one(arg, now); i++)
		;
}

static int start_accepting(struct status_server *s, struct err *err)
{
	s->listen_source = loop_add(s->loop, s->listen_fd, EPOLLIN, on_listen, s, err);
	return s->listen_source ? 0 : -1;
}

static void close_all(struct status_server *s, bool idle_only)
{
	for (unsigned i = 0; i < STATUS_MAX_CONNECTIONS; i++) {
		struct status_connection *c = &s->connections[i];

		if (c->fd >= 0 && (!idle_only || (c->is_reused && status_connection_is_idle(c))))
			status_connection_close(c);
	}
}

/*
 * Whoever is in the queue has been promised an answer by the kernel: all are let in, and the socket is closed at once. Open until the
 * last client has gone it would have its share of those who come meanwhile, and reset them at our end.
 */
void status_server_leave(struct status_server *s, usec_t now, usec_t deadline)
{
	if (s->leave_at) {
		s->leave_at = deadline < s->leave_at ? deadline : s->leave_at;
		return;
	}
	s->leave_at = deadline;
	for (unsigned i = 0; i < STATUS_MAX_CONNECTIONS && s->listen_source && accept_one(s, now);
	     i++)
		;
	pause_accepting(s);
	close_fd(&s->listen_fd);
	close_all(s, true);
	loop_timer_set(s->loop, s->tick, now);
}

/* ------------------------------------------------------------------ life */

void status_server_tick(struct status_server *s, usec_t now, int64_t real_usec)
{
	struct err err;

	s->real_offset_usec = real_usec - (int64_t)now;
	status_server_look(s, now);
	for (unsigned i = 0; i < STATUS_MAX_CONNECTIONS; i++)
		if (s->connections[i].fd >= 0 && s->connections[i].deadline <= now)
			status_connection_expire(&s->connections[i], now);
	if (!s->leave_at && !s->listen_source && start_accepting(s, &err) < 0)
		pause_accepting(s);
	if (!s->leave_at)
		return;
	if (s->leave_at <= now)
		close_all(s, false);
	if (!s->connection_count)
		loop_stop(s->loop);
}

static void on_tick(struct loop *loop, usec_t now, void *arg)
{
	struct status_server *s = arg;

	loop_timer_set(loop, s->tick,
		       now + (s->leave_at ? STATUS_TICK_USEC / 50 : STATUS_TICK_USEC));
	status_server_tick(s, now, clock_real_usec());
}

void status_server_free(struct status_server *s)
{
	if (!s)
		return;
	close_all(s, false);
	for (unsigned i = 0; i < STATUS_MAX_CONNECTIONS; i++)
		buf_fini(&s->connections[i].out);
	for (unsigned i = 0; i < STATUS_PAGE_KINDS; i++)
		status_page_release(s, s->pages[i]);
	loop_remove(s->loop, s->tick);
	loop_remove(s->loop, s->listen_source);
	loop_remove(s->loop, s->engine_source);
	close_fd(&s->listen_fd);
	close_fd(&s->engine_pidfd);
	published_close(s->published);
	buf_fini(&s->body);
	free(s);
}

static int set_up(struct status_server *s, pid_t engine_pid, struct err *err)
{
	usec_t now = loop_now(s->loop);

	s->opened_real_usec = clock_real_usec();
	s->real_offset_usec = s->opened_real_usec - (int64_t)now;
	s->published = published_open_fd(s->published_fd, err);
	if (!s->published || watch_engine(s, engine_pid, now, err) < 0 ||
	    start_accepting(s, err) < 0)
		return -1;
	s->tick = loop_timer(s->loop, now + STATUS_TICK_USEC, on_tick, s);
	read_header(s);
	s->first_started_usec = s->header.engine_started_real_usec;
	s->boot_offset_usec = s->header.boot_real_usec - s->real_offset_usec;
	judge_engine(s, now);
	return 0;
}

struct status_server *status_server_new(struct loop *loop, int listen_fd, int published_fd,
					pid_t engine_pid, struct err *err)
{
	struct status_server *s = calloc(1, sizeof(*s));

	if (!s) {
		err_set(err, ERR_LIMIT, "status server: out of memory");
		return NULL;
	}
	s->loop = loop;
	s->listen_fd = listen_fd;
	s->published_fd = published_fd;
	s->engine_pidfd = -1;
	s->body = (struct buf)BUF_INIT(STATUS_MAX_ANSWER_BYTES / 2);
	for (unsigned i = 0; i < STATUS_MAX_CONNECTIONS; i++)
		s->connections[i].fd = -1;
	if (set_up(s, engine_pid, err) < 0) {
		s->listen_fd = -1;
		status_server_free(s);
		return NULL;
	}
	return s;
}
