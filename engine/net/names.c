/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /etc/hosts and /etc/resolv.conf of a container, as text. Must never write a byte that could begin another line: names and
 * addresses are checked where they are read.
 */
#include "net/names.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "net/ipam.h"
#include "util/arena.h"
#include "util/str.h"

#define GATEWAY_NAMES "host.containers.internal host.docker.internal"
#define RESOLV_MAX_LINE 1024

bool net_name_is_host(const char *text)
{
	size_t len = strlen(text);

	if (!len || len > 253 || text[0] == '-' || text[0] == '.' || text[len - 1] == '-' ||
	    text[len - 1] == '.')
		return false;
	for (const char *p = text; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '.' && *p != '_')
			return false;
	return true;
}

static void write_host(const struct names_host *host, struct buf *out)
{
	char address[INET_ADDRSTRLEN];

	net_address_text(host->address, address);
	buf_printf(out, "%s\t", address);
	for (size_t i = 0; i < host->count; i++)
		buf_printf(out, "%s%s", i ? " " : "", host->names[i]);
	buf_putc(out, '\n');
}

void names_hosts_text(const struct names_hosts *hosts, struct buf *out)
{
	char gateway[INET_ADDRSTRLEN];

	net_address_text(hosts->gateway, gateway);
	for (size_t i = 0; i < hosts->extra_count; i++) {
		const struct names_extra *extra = &hosts->extras[i];

		if (!extra->address && !hosts->gateway.s_addr)
			continue; /* no way to the appliance */
		buf_printf(out, "%s\t%s\n", extra->address ? extra->address : gateway, extra->name);
	}
	if (hosts->base) {
		buf_puts(out, hosts->base);
		if (out->len && out->data[out->len - 1] != '\n')
			buf_putc(out, '\n');
	} else {
		buf_puts(out, "127.0.0.1\tlocalhost\n::1\tlocalhost\n");
	}
	if (hosts->gateway.s_addr)
		buf_printf(out, "%s\t" GATEWAY_NAMES "\n", gateway);
	for (size_t i = 0; i < hosts->host_count; i++)
		write_host(&hosts->hosts[i], out);
}

struct resolving {
	const struct names_resolv *wish;
	struct buf *out;
	unsigned servers, dropped;
	struct buf search, options;
};

/* A container reaches neither the appliance's loopback nor, so far, anything by IPv6. */
static void take_server(struct resolving *r, const char *text)
{
	struct in6_addr six;
	struct in_addr four;

	if (r->servers == RESOLV_MAX_SERVERS)
		return;
	if (!r->wish->keep_loopback) {
		if (inet_pton(AF_INET, text, &four) == 1) {
			if (net_address_number(four) >> 24 == 127 || !four.s_addr) {
				r->dropped |= NAMES_DROPPED_LOOPBACK;
				return;
			}
		} else if (inet_pton(AF_INET6, text, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six)) {
			r->dropped |= NAMES_DROPPED_LOOPBACK;
			return;
		} else { /* fe80::1%eth0, too */
			r->dropped |= NAMES_DROPPED_IPV6;
			return;
		}
	}
	buf_printf(r->out, "nameserver %s\n", text);
	r->servers++;
}

static bool is_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return false;
	return true;
}

/* Words of "search" and "options"; of several "search" lines the last one counts, as with the resolvers. */
static void take_words(struct buf *to, const char *rest, bool clears)
{
	if (clears)
		buf_clear(to);
	while (*(rest += strspn(rest, " \t"))) {
		size_t len = strcspn(rest, " \t");

		buf_putc(to, ' ');
		for (; len; len--, rest++)
			buf_putc(to, (unsigned char)*rest < ' ' || *rest == 0x7f ? '?' : *rest);
	}
}

static void take_line(struct resolving *r, char *line)
{
	char *rest = line + strcspn(line, " \t");

	if (*rest)
		*rest++ = '\0';
	rest += strspn(rest, " \t");
	if (str_eq(line, "nameserver") && !r->wish->servers.count) {
		rest[strcspn(rest, " \t")] = '\0';
		if (*rest && is_plain(rest))
			take_server(r, rest);
	} else if ((str_eq(line, "search") || str_eq(line, "domain")) && !r->wish->search.count) {
		take_words(&r->search, rest, true);
	} else if (str_eq(line, "options")) {
		take_words(&r->options, rest, false);
	}
}

static void take_base(struct resolving *r, const char *text)
{
	char line[RESOLV_MAX_LINE];

	while (*text) {
		size_t len = strcspn(text, "\n");

		if (len < sizeof(line)) {
			memcpy(line, text, len);
			line[len] = '\0';
			line[strcspn(line, "\r#;")] = '\0';
			take_line(r, line + strspn(line, " \t"));
		}
		text += len + (text[len] == '\n');
	}
}

unsigned names_resolv_text(const struct names_resolv *wish, struct buf *out)
{
	struct resolving r = {
		.wish = wish, .out = out, .search = BUF_INIT(4096), .options = BUF_INIT(4096)
	};

	for (size_t i = 0; i < wish->servers.count; i++, r.servers++)
		buf_printf(out, "nameserver %s\n", wish->servers.items[i]);
	take_base(&r, wish->base);
	for (size_t i = 0; i < wish->search.count; i++)
		if (!str_eq(wish->search.items[i], ".")) /* podman's word for none */
			buf_printf(&r.search, " %s", wish->search.items[i]);
	for (size_t i = 0; i < wish->options.count; i++)
		buf_printf(&r.options, " %s", wish->options.items[i]);
	if (r.search.len)
		buf_printf(out, "search%s\n", buf_str(&r.search));
	if (r.options.len)
		buf_printf(out, "options%s\n", buf_str(&r.options));
	buf_fini(&r.search);
	buf_fini(&r.options);
	return r.servers ? r.dropped : r.dropped | NAMES_NO_SERVER;
}
