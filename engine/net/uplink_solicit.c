/* SPDX-License-Identifier: Apache-2.0 */
/* Router solicitations. Must never read a packet. */
#include "net/uplink_solicit.h"

#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "util/cleanup.h"

#define TRIES 3
#define FIRST_USEC (200 * USEC_MSEC) /* a link-local address takes a moment to be usable */
#define NEXT_USEC (4 * USEC_SEC)     /* RTR_SOLICITATION_INTERVAL */
#define HOPS 255		     /* others are not answered */

static void ask(const struct solicit *s, uint32_t index)
{
	const struct nd_router_solicit packet = { .nd_rs_type = ND_ROUTER_SOLICIT };
	struct sockaddr_in6 routers = { .sin6_family = AF_INET6, .sin6_scope_id = index };

	routers.sin6_addr.s6_addr[0] = 0xff;
	routers.sin6_addr.s6_addr[1] = 0x02;
	routers.sin6_addr.s6_addr[15] = 2;
	/* not sent (no address yet, no carrier): the next one may be */
	(void)!sendto(s->fd, &packet, sizeof(packet), MSG_DONTWAIT | MSG_NOSIGNAL,
		      (const struct sockaddr *)&routers, sizeof(routers));
}

static void on_timer(struct loop *loop, usec_t now, void *arg)
{
	struct solicit *s = arg;
	bool again = false;

	for (unsigned i = 0; i < s->count; i++) {
		if (!s->links[i].left)
			continue;
		ask(s, s->links[i].index);
		again |= --s->links[i].left > 0;
	}
	if (again)
		loop_timer_set(loop, s->timer, now + NEXT_USEC);
}

void solicit_open(struct solicit *s, struct loop *loop)
{
	struct icmp6_filter deaf;
	int hops = HOPS;

	s->loop = loop;
	s->fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);
	if (s->fd < 0)
		return;
	ICMP6_FILTER_SETBLOCKALL(&deaf);
	s->timer = loop_timer(loop, USEC_NEVER, on_timer, s);
	if (setsockopt(s->fd, IPPROTO_ICMPV6, ICMP6_FILTER, &deaf, sizeof(deaf)) < 0 ||
	    setsockopt(s->fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)) < 0 ||
	    !s->timer)
		close_fd(&s->fd);
}

void solicit_close(struct solicit *s)
{
	close_fd(&s->fd);
}

void solicit_want(struct solicit *s, uint32_t index)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->links[i].index == index)
			return;
	if (s->fd < 0 || s->count == UPLINK_MAX_LINKS)
		return;
	s->links[s->count].left = TRIES;
	s->links[s->count++].index = index;
	loop_timer_set(s->loop, s->timer, loop_now(s->loop) + FIRST_USEC);
}

void solicit_answered(struct solicit *s, uint32_t index)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->links[i].index == index)
			s->links[i].left = 0;
}
