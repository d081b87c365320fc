/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding and decoding of requests. Both ends are the same program, but the engine may have been replaced by a newer one under a
 * worker that lives: version and lengths are compared. Must never hand on a name that is not ours to change.
 */
#include "net/worker_message.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "net/diff.h"
#include "util/str.h"

#define MTU_MIN 68
#define MTU_MAX 65535

int net_request_encode(enum net_request_kind kind, uint32_t generation,
		       const struct net_wanted *wanted, struct buf *out, struct err *err)
{
	static const struct net_wanted none;
	const struct net_wanted *w = wanted ? wanted : &none;
	const struct net_request head = {
		.version = NET_WORKER_VERSION,
		.kind = (uint16_t)kind,
		.generation = generation,
		.bridge_count = (uint32_t)w->bridge_count,
		.endpoint_count = (uint32_t)w->endpoint_count,
		.port_count = (uint32_t)w->port_count,
	};

	if (w->bridge_count > NET_MAX_BRIDGES || w->endpoint_count > NET_MAX_ENDPOINTS ||
	    w->port_count > NET_MAX_PORTS)
		return err_set(err, ERR_LIMIT,
			       "%zu networks, %zu interfaces, %zu ports: more than %d, %d, %d",
			       w->bridge_count, w->endpoint_count, w->port_count, NET_MAX_BRIDGES,
			       NET_MAX_ENDPOINTS, NET_MAX_PORTS);
	buf_add(out, &head, sizeof(head));
	if (w->bridge_count)
		buf_add(out, w->bridges, w->bridge_count * sizeof(*w->bridges));
	if (w->endpoint_count)
		buf_add(out, w->endpoints, w->endpoint_count * sizeof(*w->endpoints));
	if (w->port_count)
		buf_add(out, w->ports, w->port_count * sizeof(*w->ports));
	return buf_check(out, "request", err);
}

/* Takes an array off the front. */
static int take(const unsigned char **data, size_t *len, size_t count, size_t max, size_t size,
		void *out, struct err *err)
{
	void **items = out;

	if (count > max || count * size > *len)
		return err_set(err, ERR_INTEGRITY, "%zu entries in %zu bytes", count, *len);
	*items = NULL;
	if (count == 0)
		return 0;
	*items = malloc(count * size);
	if (!*items)
		return err_sys(err, "request");
	memcpy(*items, *data, count * size);
	*data += count * size;
	*len -= count * size;
	return 0;
}

/* Letters that neither a path of /proc/sys nor a message could misread. */
static bool is_name(const char name[NET_LINK_NAME])
{
	size_t len = strnlen(name, NET_LINK_NAME);

	return len > 0 && len < NET_LINK_NAME &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
		       len;
}

/* To load any other byte as a bool is undefined. */
static bool is_bool(const bool *p)
{
	unsigned char byte;

	memcpy(&byte, p, 1);
	return byte <= 1;
}

static int check_bridge(const struct net_wanted *w, size_t at, struct err *err)
{
	const struct net_bridge *b = &w->bridges[at];

	if (!is_name(b->name) || !net_is_ours(b->name))
		return err_set(err, ERR_INTEGRITY, "bridge %zu: not a name of ours", at);
	if (!is_bool(&b->internal) || !is_bool(&b->isolate) || b->prefix < 1 || b->prefix > 30 ||
	    b->address.s_addr == 0 || (b->mtu && (b->mtu < MTU_MIN || b->mtu > MTU_MAX)))
		return err_set(err, ERR_INTEGRITY, "bridge %s: a number is out of range", b->name);
	for (size_t i = 0; i < at; i++)
		if (str_eq(w->bridges[i].name, b->name))
			return err_set(err, ERR_INTEGRITY, "bridge %s: twice", b->name);
	return 0;
}

static bool has_bridge(const struct net_wanted *w, const char *name)
{
	for (size_t i = 0; i < w->bridge_count; i++)
		if (str_eq(w->bridges[i].name, name))
			return true;
	return false;
}

static int check_endpoint(const struct net_wanted *w, size_t at, struct err *err)
{
	const struct net_endpoint *p = &w->endpoints[at];

	if (!is_name(p->link) || net_is_ours(p->link) || str_eq(p->link, "lo"))
		return err_set(err, ERR_INTEGRITY, "interface %zu: not a name of ours", at);
	if (!is_name(p->bridge) || !has_bridge(w, p->bridge))
		return err_set(err, ERR_INTEGRITY, "interface %s: on a bridge that is not wanted",
			       p->link);
	if (p->address.s_addr == 0 || (p->mac[0] & 1))
		return err_set(err, ERR_INTEGRITY, "interface %s: an address is out of range",
			       p->link);
	for (size_t i = 0; i < at; i++)
		if (str_eq(w->endpoints[i].link, p->link))
			return err_set(err, ERR_INTEGRITY, "interface %s: twice", p->link);
	return 0;
}

static int check_port(const struct net_wanted *w, size_t at, struct err *err)
{
	const struct net_port *p = &w->ports[at];

	if (!is_bool(&p->udp) || p->count == 0 || p->host_first == 0 || p->first == 0 ||
	    p->host_first + p->count - 1 > UINT16_MAX || p->first + p->count - 1 > UINT16_MAX)
		return err_set(err, ERR_INTEGRITY, "port %zu: a number is out of range", at);
	if (p->address.s_addr == 0 || !is_name(p->bridge) || !has_bridge(w, p->bridge))
		return err_set(err, ERR_INTEGRITY, "port %u: leads nowhere", p->host_first);
	return 0;
}

static int check(const struct net_wanted *w, struct err *err)
{
	for (size_t i = 0; i < w->bridge_count; i++)
		if (check_bridge(w, i, err) < 0)
			return -1;
	for (size_t i = 0; i < w->endpoint_count; i++)
		if (check_endpoint(w, i, err) < 0)
			return -1;
	for (size_t i = 0; i < w->port_count; i++)
		if (check_port(w, i, err) < 0)
			return -1;
	return 0;
}

static int decode(const unsigned char *data, size_t len, struct net_request *head,
		  struct net_wanted *out, struct err *err)
{
	if (len < sizeof(*head))
		return err_set(err, ERR_INTEGRITY, "%zu bytes", len);
	memcpy(head, data, sizeof(*head));
	data += sizeof(*head);
	len -= sizeof(*head);
	if (head->version != NET_WORKER_VERSION)
		return err_set(err, ERR_INTEGRITY, "version %u, this program knows %d",
			       head->version, NET_WORKER_VERSION);
	if (head->kind != NET_REQUEST_APPLY && head->kind != NET_REQUEST_CLEAR)
		return err_set(err, ERR_INTEGRITY, "kind %u", head->kind);
	if (take(&data, &len, head->bridge_count, NET_MAX_BRIDGES, sizeof(*out->bridges),
		 &out->bridges, err) < 0)
		return -1;
	out->bridge_count = head->bridge_count;
	if (take(&data, &len, head->endpoint_count, NET_MAX_ENDPOINTS, sizeof(*out->endpoints),
		 &out->endpoints, err) < 0)
		return -1;
	out->endpoint_count = head->endpoint_count;
	if (take(&data, &len, head->port_count, NET_MAX_PORTS, sizeof(*out->ports), &out->ports,
		 err) < 0)
		return -1;
	out->port_count = head->port_count;
	if (len)
		return err_set(err, ERR_INTEGRITY, "%zu bytes too many", len);
	return check(out, err);
}

int net_request_decode(const void *data, size_t len, struct net_request *head,
		       struct net_wanted *out, struct err *err)
{
	*head = (struct net_request){ 0 };
	*out = (struct net_wanted){ 0 };
	if (decode(data, len, head, out, err) == 0)
		return 0;
	net_wanted_fini(out);
	return err_wrap(err, "request");
}

void net_wanted_fini(struct net_wanted *wanted)
{
	free(wanted->bridges);
	free(wanted->endpoints);
	free(wanted->ports);
	*wanted = (struct net_wanted){ 0 };
}
