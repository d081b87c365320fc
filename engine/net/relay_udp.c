/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions of datagrams. Must never look at their bytes, and never answer from another address than the one that was asked: a
 * resolver drops such an answer.
 */
#include "net/relay_udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"

#define DATAGRAM_MAX 65535
#define A_TURN 64 /* datagrams of one socket, then it is somebody else's turn */
#define BUCKETS 256
#define SWEEP_USEC (10 * USEC_SEC)

/* The appliance's address that a datagram was sent to. */
struct local {
	int family;
	struct in_pktinfo four;
	struct in6_pktinfo six;
};

struct session {
	struct relay_udp *relay;
	const struct listener *listener;
	struct session *next;
	struct sockaddr_storage client;
	socklen_t client_length;
	struct local local;
	int fd;
	struct loop_source *source;
	usec_t used;
	unsigned bucket;
};

struct listener {
	struct relay_udp *relay;
	struct listener *next;
	int fd;
	struct loop_source *source;
	struct net_address target;
};

struct relay_udp {
	struct loop *loop;
	struct listener *listeners;
	struct session *buckets[BUCKETS];
	struct loop_source *sweeper;
	unsigned count, max;
};

static char datagram[DATAGRAM_MAX];

static void session_free(struct session *s)
{
	struct session **at = &s->relay->buckets[s->bucket];

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	s->relay->count--;
	loop_remove(s->relay->loop, s->source);
	close_fd(&s->fd);
	free(s);
}

static unsigned bucket_of(const struct listener *l, const struct sockaddr_storage *client,
			  socklen_t length)
{
	const unsigned char *bytes = (const unsigned char *)client;
	uint32_t hash = 2166136261u ^ (uint32_t)l->fd;

	for (socklen_t i = 0; i < length; i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	return hash % BUCKETS;
}

static bool local_is(const struct local *a, const struct local *b)
{
	if (a->family != b->family)
		return false;
	if (a->family == AF_INET)
		return a->four.ipi_addr.s_addr == b->four.ipi_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&a->six.ipi6_addr, &b->six.ipi6_addr);
}

static void make_room(struct relay_udp *relay, usec_t now)
{
	struct session *oldest = NULL;

	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct session *s = relay->buckets[i]; s; s = s->next)
			if (!oldest || s->used < oldest->used)
				oldest = s;
	if (oldest && now - oldest->used >= RELAY_UDP_SPARE_USEC)
		session_free(oldest);
}

static void answer(const struct session *s, size_t length)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} control = { 0 };
	struct iovec part = { datagram, length };
	struct msghdr message = { .msg_name = (void *)&s->client,
				  .msg_namelen = s->client_length,
				  .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes };
	struct cmsghdr *head;
	bool is_four = s->local.family == AF_INET;
	size_t size = is_four ? sizeof(s->local.four) : sizeof(s->local.six);

	message.msg_controllen = (socklen_t)CMSG_SPACE(size);
	head = CMSG_FIRSTHDR(&message);
	head->cmsg_level = is_four ? IPPROTO_IP : IPPROTO_IPV6;
	head->cmsg_type = is_four ? IP_PKTINFO : IPV6_PKTINFO;
	head->cmsg_len = (socklen_t)CMSG_LEN(size);
	memcpy(CMSG_DATA(head), is_four ? (const void *)&s->local.four : &s->local.six, size);
	if (sendmsg(s->listener->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return; /* a datagram may be lost */
}

static void on_target(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct session *s = arg;

	(void)loop;
	(void)events;
	for (int i = 0; i < A_TURN; i++) {
		ssize_t n = recv(s->fd, datagram, sizeof(datagram), MSG_DONTWAIT);

		if (n <
		    0) /* nothing more, or nobody listens there: the client tries again or gives up */
			return;
		s->used = now;
		answer(s, (size_t)n);
	}
}

static int session_connect(struct session *s)
{
	const struct net_address *target = &s->listener->target;
	struct err err;

	s->fd = socket(target->storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0 ||
	    connect(s->fd, (const struct sockaddr *)&target->storage, target->length) < 0)
		return -1;
	s->source = loop_add(s->relay->loop, s->fd, EPOLLIN, on_target, s, &err);
	return s->source ? 0 : -1;
}

static struct session *session_of(const struct listener *l, const struct sockaddr_storage *client,
				  socklen_t length, const struct local *local, usec_t now)
{
	struct relay_udp *relay = l->relay;
	unsigned bucket = bucket_of(l, client, length);
	struct session *s;

	for (s = relay->buckets[bucket]; s; s = s->next)
		if (s->listener == l && s->client_length == length &&
		    memcmp(&s->client, client, length) == 0 && local_is(&s->local, local))
			return s;
	if (relay->count >= relay->max)
		make_room(relay, now);
	if (relay->count >= relay->max)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	*s = (struct session){ .relay = relay,
			       .listener = l,
			       .next = relay->buckets[bucket],
			       .client = *client,
			       .client_length = length,
			       .local = *local,
			       .fd = -1,
			       .bucket = bucket };
	relay->buckets[bucket] = s;
	relay->count++;
	if (session_connect(s) == 0)
		return s;
	session_free(s);
	return NULL;
}

/* Nothing but the one kind was asked for, so it is the only one. */
static void take_local(struct msghdr *message, struct local *out)
{
	const struct cmsghdr *head = CMSG_FIRSTHDR(message);

	if (!head)
		return;
	if (head->cmsg_level == IPPROTO_IP && head->cmsg_type == IP_PKTINFO) {
		out->family = AF_INET;
		memcpy(&out->four, CMSG_DATA(head), sizeof(out->four));
		out->four.ipi_ifindex =
			0; /* ipi_spec_dst is the source of what is sent: a broadcast is answered, too */
	} else if (head->cmsg_level == IPPROTO_IPV6 && head->cmsg_type == IPV6_PKTINFO) {
		out->family = AF_INET6;
		memcpy(&out->six, CMSG_DATA(head), sizeof(out->six));
		if (!IN6_IS_ADDR_LINKLOCAL(&out->six.ipi6_addr))
			out->six.ipi6_ifindex = 0;
	}
}

static ssize_t receive(const struct listener *l, struct sockaddr_storage *client, socklen_t *length,
		       struct local *local)
{
	union {
		struct cmsghdr align;
		char bytes[256];
	} control;
	struct iovec part = { datagram, sizeof(datagram) };
	struct msghdr message = { .msg_name = client,
				  .msg_namelen = sizeof(*client),
				  .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(l->fd, &message, MSG_DONTWAIT);

	if (n >= 0)
		take_local(&message, local);
	*length = message.msg_namelen;
	return n;
}

static void on_listener(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	const struct listener *l = arg;

	(void)loop;
	(void)events;
	for (int i = 0; i < A_TURN; i++) {
		struct sockaddr_storage client = { 0 };
		struct local local = { 0 };
		struct session *s;
		socklen_t length;
		ssize_t n = receive(l, &client, &length, &local);

		if (n < 0)
			return;
		s = local.family ? session_of(l, &client, length, &local, now) : NULL;
		if (!s)
			continue;
		s->used = now;
		if (send(s->fd, datagram, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			continue; /* lost, as datagrams may be */
	}
}

static void on_sweep(struct loop *loop, usec_t now, void *arg)
{
	struct relay_udp *relay = arg;

	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct session *s = relay->buckets[i], *next; s; s = next) {
			next = s->next;
			if (now - s->used >= RELAY_UDP_IDLE_USEC)
				session_free(s);
		}
	loop_timer_set(loop, relay->sweeper, now + SWEEP_USEC);
}

int relay_udp_prepare(int fd, int family, struct err *err)
{
	int on = 1;

	if (family == AF_INET6 ?
		    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0 :
		    setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) < 0)
		return err_sys(err, "setsockopt: PKTINFO");
	return 0;
}

struct relay_udp *relay_udp_new(struct loop *loop, unsigned max_sessions, struct err *err)
{
	struct relay_udp *relay = calloc(1, sizeof(*relay));

	if (!relay) {
		err_set(err, ERR_LIMIT, "out of memory");
		return NULL;
	}
	relay->loop = loop;
	relay->max = max_sessions;
	relay->sweeper = loop_timer(loop, loop_now(loop) + SWEEP_USEC, on_sweep, relay);
	return relay;
}

int relay_udp_listen(struct relay_udp *relay, int fd, const struct net_address *target,
		     struct err *err)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return err_set(err, ERR_LIMIT, "out of memory");
	l->relay = relay;
	l->fd = fd;
	l->target = *target;
	l->source = loop_add(relay->loop, fd, EPOLLIN, on_listener, l, err);
	if (!l->source) {
		free(l);
		return -1;
	}
	l->next = relay->listeners;
	relay->listeners = l;
	return 0;
}

void relay_udp_free(struct relay_udp *relay)
{
	struct listener *l;

	if (!relay)
		return;
	for (unsigned i = 0; i < BUCKETS; i++)
		while (relay->buckets[i])
			session_free(relay->buckets[i]);
	while ((l = relay->listeners)) {
		relay->listeners = l->next;
		loop_remove(relay->loop, l->source);
		free(l);
	}
	loop_remove(relay->loop, relay->sweeper);
	free(relay);
}
