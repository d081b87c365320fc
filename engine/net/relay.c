/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pair of sockets, two directions, each with a pipe of 64 KiB as its buffer once it needs one. A direction moves bytes as long as both
 * its ends let it, then says which end it waits for; interests of the two directions are joined per socket. Level-triggered, so nothing
 * is lost when a turn ends early, and a turn does end early: no pair keeps the others waiting. Must never look at a byte.
 *
 * What is small goes by one copy in and one out: for a request or an answer that costs less than two splices and the pages of a pipe. A
 * source that fills the small buffer is spliced from until it has less to give.
 *
 * To a container the kernel shakes hands within connect(), so most pairs are made, connected and read from in the turn that accepts.
 */
#include "net/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"

#define CHUNK 65536
#define ROUNDS_A_TURN 16 /* 1 MiB a direction, then it is somebody else's turn */
#define ACCEPTS_A_TURN 16
/* Fits into the smallest pipe: beyond fs.pipe-user-pages-soft a user's new pipes have two pages. */
#define SMALL 8192
#define ACCEPT_PAUSE_USEC (100 * USEC_MSEC)

struct direction {
	int pipe[2];  /* made when something has to be held, or is large */
	size_t held;  /* bytes in the pipe */
	bool is_bulk; /* the source had more than fits into the small buffer */
	bool is_eof;  /* the source has no more */
	bool is_done; /* and the sink was told */
};

struct end {
	struct pair *pair;
	int fd;
	struct loop_source *source;
	uint32_t events;
};

struct pair {
	struct relay *relay;
	struct pair *next, *prev;
	struct end end[2];	 /* 0: accepted, 1: connected */
	struct direction dir[2]; /* dir[i]: from end[i] to end[1 - i] */
	const struct net_address *target;
	struct loop_source *timer; /* while it connects */
	bool is_connecting;
};

struct listener {
	struct relay *relay;
	struct listener *next;
	int fd;
	struct loop_source *source, *timer;
	struct net_address target;
};

struct relay {
	struct loop *loop;
	struct listener *listeners;
	struct pair *pairs;
	unsigned count, max;
	char small[SMALL]; /* empty between two calls */
};

static void pair_free(struct pair *p)
{
	struct relay *relay = p->relay;

	loop_remove(relay->loop, p->timer);
	for (int i = 0; i < 2; i++) {
		loop_remove(relay->loop, p->end[i].source);
		close_fd(&p->end[i].fd);
		close_fd(&p->dir[i].pipe[0]);
		close_fd(&p->dir[i].pipe[1]);
	}
	if (p->prev)
		p->prev->next = p->next;
	else
		relay->pairs = p->next;
	if (p->next)
		p->next->prev = p->prev;
	relay->count--;
	free(p);
}

/* Bytes moved, 0 when there was nothing to do or no room, -1 on a broken connection. */
static ssize_t move_some(int from, int to, size_t limit, bool *is_eof)
{
	ssize_t n = splice(from, NULL, to, NULL, limit, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	*is_eof = n == 0;
	return n;
}

static bool has_pipe(struct direction *d)
{
	return d->pipe[0] >= 0 || pipe2(d->pipe, O_CLOEXEC | O_NONBLOCK) == 0;
}

/* With nothing held: the pipe takes what the sink does not. False on a broken connection. */
static bool copy_small(struct direction *d, int from, int to, char *small)
{
	ssize_t in = recv(from, small, SMALL, 0), out;

	if (in < 0)
		return errno == EAGAIN || errno == EINTR;
	d->is_eof = in == 0;
	d->is_bulk = in == SMALL;
	if (!in)
		return true;
	out = send(to, small, (size_t)in, MSG_NOSIGNAL);
	if (out < 0 && errno != EAGAIN && errno != EINTR)
		return false;
	if (out < 0)
		out = 0;
	d->held = (size_t)(in - out);
	if (!d->held)
		return true;
	return has_pipe(d) && write(d->pipe[1], small + out, d->held) == (ssize_t)d->held;
}

static bool splice_bulk(struct direction *d, int from, int to)
{
	for (int round = 0; round < ROUNDS_A_TURN; round++) {
		ssize_t in = 0, out = 0;
		bool ignored;

		if (!d->is_eof && d->held < CHUNK)
			in = move_some(from, d->pipe[1], CHUNK - d->held, &d->is_eof);
		if (in < 0)
			return false;
		if (!d->held)
			d->is_bulk = in >= SMALL;
		d->held += (size_t)in;
		if (d->held)
			out = move_some(d->pipe[0], to, d->held, &ignored);
		if (out < 0)
			return false;
		d->held -= (size_t)out;
		if (!in && !out)
			break;
	}
	return true;
}

/* Moves what can be moved now; false on a broken connection. */
static bool direction_move(struct direction *d, int from, int to, char *small)
{
	if (!d->held && !d->is_bulk && !d->is_eof && !copy_small(d, from, to, small))
		return false;
	if ((d->held || d->is_bulk) && (!has_pipe(d) || !splice_bulk(d, from, to)))
		return false;
	if (d->is_eof && !d->held && !d->is_done) {
		shutdown(to, SHUT_WR);
		d->is_done = true;
	}
	return true;
}

/*
 * With bytes held the sink decides, without any the source does: asking for both would spin on a source that is readable while
 * the pipe is full.
 */
static uint32_t wanted_events(const struct pair *p, int i)
{
	uint32_t events = 0;

	if (!p->dir[i].is_eof && !p->dir[i].held)
		events |= EPOLLIN;
	if (p->dir[1 - i].held)
		events |= EPOLLOUT;
	return events;
}

static void pair_wait(struct pair *p)
{
	struct loop *loop = p->relay->loop;

	for (int i = 0; i < 2; i++) {
		struct end *end = &p->end[i];
		uint32_t events = wanted_events(p, i);
		struct err err;

		if (p->dir[i].is_eof && p->dir[1 - i].is_done) {
			/* done with this socket; watched on, its hang-up would wake every turn */
			loop_remove(loop, end->source);
			end->source = NULL;
			continue;
		}
		if (events != end->events && loop_modify(loop, end->source, events, &err) < 0) {
			pair_free(p);
			return;
		}
		end->events = events;
	}
}

/* Only what the event is about: asking the other direction's source for nothing is a system call, too. */
static bool is_concerned(int direction, int end, uint32_t events)
{
	if (events & EPOLLHUP)
		return true;
	return (events & (direction == end ? EPOLLIN : EPOLLOUT)) != 0;
}

static void pair_move(struct pair *p, int end, uint32_t events)
{
	for (int i = 0; i < 2; i++) {
		if (is_concerned(i, end, events) &&
		    !direction_move(&p->dir[i], p->end[i].fd, p->end[1 - i].fd, p->relay->small)) {
			pair_free(p);
			return;
		}
	}
	if (p->dir[0].is_done && p->dir[1].is_done)
		pair_free(p);
	else
		pair_wait(p);
}

/* Asked again, connect() says how far it is: 1 connected, 0 under way, -1 failed. */
static int try_connect(const struct pair *p)
{
	const struct sockaddr *address = (const struct sockaddr *)&p->target->storage;

	if (connect(p->end[1].fd, address, p->target->length) == 0)
		return 1;
	return errno == EINPROGRESS || errno == EALREADY ? 0 : -1;
}

static void on_end(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	const struct end *end = arg;
	struct pair *p = end->pair;
	int connected = 1;

	(void)now;
	/* While it connects, the accepted end is asked for nothing: what comes from there is its end. */
	if (p->is_connecting)
		connected = end == &p->end[0] ? -1 : try_connect(p);
	else if (events & EPOLLERR)
		connected = -1;
	if (connected < 0)
		pair_free(p);
	if (connected <= 0)
		return;
	if (p->is_connecting) {
		p->is_connecting = false;
		loop_remove(loop, p->timer);
		p->timer = NULL;
	}
	pair_move(p, end == &p->end[1], events);
}

static void on_timeout(struct loop *loop, usec_t now, void *arg)
{
	(void)loop;
	(void)now;
	pair_free(arg);
}

/*
 * Small writes go on at once (what Nagle would save here the two ends have saved already), and a peer that vanished without a
 * word is noticed in the end.
 */
static void tune(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

static int pair_connect(struct pair *p)
{
	struct loop *loop = p->relay->loop;
	int connected;

	p->end[1].fd =
		socket(p->target->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->end[1].fd < 0)
		return -1;
	tune(p->end[1].fd);
	connected = try_connect(p);
	if (connected == 0) /* which it says whenever it sends the first packet, answered or not */
		connected = try_connect(p);
	if (connected < 0)
		return -1;
	p->is_connecting = !connected;
	if (p->is_connecting)
		p->timer = loop_timer(loop, loop_now(loop) + RELAY_CONNECT_USEC, on_timeout, p);
	return 0;
}

static int pair_open(struct pair *p)
{
	struct err err;

	if (pair_connect(p) < 0)
		return -1;
	p->end[0].events = p->is_connecting ? 0 : EPOLLIN;
	p->end[1].events = p->is_connecting ? EPOLLOUT : EPOLLIN;
	for (int i = 0; i < 2; i++) {
		struct end *end = &p->end[i];

		end->source = loop_add(p->relay->loop, end->fd, end->events, on_end, end, &err);
		if (!end->source)
			return -1;
	}
	return 0;
}

/* Takes fd. */
static struct pair *pair_new(struct relay *relay, int fd, const struct net_address *target)
{
	struct pair *p = calloc(1, sizeof(*p));

	if (!p) {
		close(fd);
		return NULL;
	}
	p->relay = relay;
	p->target = target;
	p->next = relay->pairs;
	if (p->next)
		p->next->prev = p;
	relay->pairs = p;
	relay->count++;
	for (int i = 0; i < 2; i++) {
		p->end[i] = (struct end){ .pair = p, .fd = -1 };
		p->dir[i].pipe[0] = p->dir[i].pipe[1] = -1;
	}
	p->end[0].fd = fd;
	return p;
}

static void listener_watch(struct listener *l, uint32_t events)
{
	struct err err;

	if (loop_modify(l->relay->loop, l->source, events, &err) < 0)
		loop_timer_set(l->relay->loop, l->timer,
			       loop_now(l->relay->loop) + ACCEPT_PAUSE_USEC);
}

static void on_pause_over(struct loop *loop, usec_t now, void *arg)
{
	(void)loop;
	(void)now;
	listener_watch(arg, EPOLLIN);
}

/* False when there is no more to accept now. */
static bool accept_one(struct listener *l, usec_t now)
{
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct pair *p;

	/* The machine is short of descriptors or memory: the connection stays queued and would wake every turn. */
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
		listener_watch(l, 0);
		loop_timer_set(l->relay->loop, l->timer, now + ACCEPT_PAUSE_USEC);
	}
	if (fd < 0)
		return false;
	if (l->relay->count >= l->relay->max) {
		close(fd);
		return true;
	}
	p = pair_new(l->relay, fd, &l->target);
	if (!p)
		return true;
	if (pair_open(p) < 0)
		pair_free(p);
	else if (!p->is_connecting)
		pair_move(p, 0, EPOLLIN); /* who connects has something to say, mostly */
	return true;
}

static void on_listener(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	(void)loop;
	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN && accept_one(arg, now); i++)
		;
}

struct relay *relay_new(struct loop *loop, unsigned max_pairs, struct err *err)
{
	struct relay *relay = calloc(1, sizeof(*relay));

	if (!relay) {
		err_set(err, ERR_LIMIT, "out of memory");
		return NULL;
	}
	relay->loop = loop;
	relay->max = max_pairs;
	return relay;
}

int relay_listen(struct relay *relay, int fd, const struct net_address *target, struct err *err)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return err_set(err, ERR_LIMIT, "out of memory");
	l->relay = relay;
	l->fd = fd;
	l->target = *target;
	tune(fd); /* what is accepted inherits it */
	l->source = loop_add(relay->loop, fd, EPOLLIN, on_listener, l, err);
	if (!l->source) {
		free(l);
		return -1;
	}
	l->timer = loop_timer(relay->loop, USEC_NEVER, on_pause_over, l);
	l->next = relay->listeners;
	relay->listeners = l;
	return 0;
}

unsigned relay_count(const struct relay *relay)
{
	return relay->count;
}

void relay_free(struct relay *relay)
{
	struct listener *l;

	if (!relay)
		return;
	while (relay->pairs)
		pair_free(relay->pairs);
	while ((l = relay->listeners)) {
		relay->listeners = l->next;
		loop_remove(relay->loop, l->source);
		loop_remove(relay->loop, l->timer);
		free(l);
	}
	free(relay);
}
