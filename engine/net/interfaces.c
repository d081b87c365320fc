/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /etc/network/interfaces: one pass over logical lines. Users keep lines of their own in it, so whatever is not known is named and left
 * out, and the rest holds. Must never run anything that it reads.
 */
#include "net/interfaces.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "net/lease.h"
#include "util/str.h"

#define LINE_MAX_BYTES 1024
#define MAX_WORDS 16
#define MAX_AUTO 16

struct stanza {
	struct uplink_link *link; /* NULL: none, or one that is left out */
	uint8_t family;
	bool is_static;
	bool is_quiet; /* of lo: its lines need no word */
	struct net_ip address;
	bool has_address, has_length;
	unsigned line; /* of the address */
};

struct reader {
	struct interfaces *out;
	struct stanza stanza;
	char autos[MAX_AUTO][UPLINK_NAME];
	unsigned auto_count;
	unsigned line;
	char *words[MAX_WORDS];
	unsigned count;
	const char *text; /* the line as it stood */
};

static void ignore_line(struct reader *r, unsigned line, const char *text)
{
	struct interfaces *out = r->out;

	if (out->ignored_count < INTERFACES_MAX_IGNORED) {
		struct interfaces_ignored *ignored = &out->ignored[out->ignored_count];

		ignored->line = line;
		str_copy_text(ignored->text, sizeof(ignored->text), text);
		for (char *p = ignored->text; *p; p++)
			if ((unsigned char)*p < ' ' || *p == 0x7f)
				*p = ' ';
	}
	out->ignored_count++;
}

static void ignore(struct reader *r)
{
	ignore_line(r, r->line, r->text);
}

static struct uplink_link *find_link(struct reader *r, const char *name)
{
	struct interfaces *out = r->out;

	for (unsigned i = 0; i < out->count; i++)
		if (str_eq(out->links[i].name, name))
			return &out->links[i];
	if (out->count == UPLINK_MAX_LINKS || strlen(name) >= UPLINK_NAME)
		return NULL;
	out->links[out->count] = (struct uplink_link){ 0 };
	str_copy(out->links[out->count].name, sizeof(out->links[0].name), name);
	return &out->links[out->count++];
}

/* An address may come before its netmask: it counts when its stanza ends. */
static void end_stanza(struct reader *r)
{
	struct stanza *s = &r->stanza;

	if (s->has_address && !uplink_add_address(s->link, &s->address))
		ignore_line(r, s->line, "address: there are too many");
	*s = (struct stanza){ 0 };
}

static void take_auto(struct reader *r)
{
	end_stanza(r);
	for (unsigned i = 1; i < r->count; i++) {
		if (r->auto_count == MAX_AUTO || strlen(r->words[i]) >= UPLINK_NAME)
			ignore(r);
		else
			str_copy(r->autos[r->auto_count++], UPLINK_NAME, r->words[i]);
	}
}

static bool take_method(struct reader *r, const char *method)
{
	struct stanza *s = &r->stanza;

	if (str_eq(method, "static"))
		s->is_static = true;
	else if (str_eq(method, "dhcp") && s->family == AF_INET)
		s->link->dhcp = true;
	else if (str_eq(method, "dhcp"))
		s->link->adverts = s->link->dhcp6 = true;
	else if (str_eq(method, "auto") || str_eq(method, "manual"))
		s->link->adverts |= s->family == AF_INET6;
	else
		return false;
	return true;
}

static void take_iface(struct reader *r)
{
	struct stanza *s = &r->stanza;

	end_stanza(r);
	if (r->count >= 4 && str_eq(r->words[3], "loopback")) {
		s->is_quiet = true;
		return;
	}
	if (r->count == 4 && str_eq(r->words[2], "inet"))
		s->family = AF_INET;
	else if (r->count == 4 && str_eq(r->words[2], "inet6"))
		s->family = AF_INET6;
	if (s->family)
		s->link = find_link(r, r->words[1]);
	if (s->link && take_method(r, r->words[3]))
		return;
	*s = (struct stanza){ 0 };
	ignore(r);
}

static bool take_address(struct reader *r, const char *text)
{
	struct stanza *s = &r->stanza;
	struct net_ip ip;

	if (!s->is_static || s->has_address || !net_ip_parse_prefix(text, &ip) ||
	    ip.family != s->family || !net_ip_is_host(&ip))
		return false;
	if (s->has_length && !strchr(text, '/') && s->address.prefix <= ip.prefix)
		ip.prefix = s->address.prefix;
	s->address = ip;
	s->has_address = true;
	s->line = r->line;
	return true;
}

static bool take_netmask(struct reader *r, const char *text)
{
	struct stanza *s = &r->stanza;
	uint8_t prefix;
	uint64_t n;

	if (str_to_u64(text, s->family == AF_INET ? 32 : 128, &n))
		prefix = (uint8_t)n;
	else if (s->family != AF_INET || !net_ip_netmask(text, &prefix))
		return false;
	s->has_length = true;
	s->address.prefix = prefix;
	return s->is_static;
}

static bool take_gateway(struct reader *r, const char *text)
{
	struct net_ip ip;

	return r->stanza.is_static && net_ip_parse(text, &ip) && ip.family == r->stanza.family &&
	       net_ip_is_host(&ip) && uplink_add_gateway(r->stanza.link, &ip);
}

static bool take_mtu(struct reader *r, const char *text)
{
	uint64_t n;

	if (!str_to_u64(text, 65535, &n) || n < 576)
		return false;
	r->stanza.link->mtu = (unsigned)n;
	return true;
}

static bool take_servers(struct reader *r)
{
	struct net_ip ip;
	bool all = r->count > 1;

	for (unsigned i = 1; i < r->count; i++)
		all &= net_ip_parse(r->words[i], &ip) && uplink_add_dns(r->stanza.link, &ip);
	return all;
}

static bool take_search(struct reader *r)
{
	char *search = r->stanza.link->search;
	bool all = r->count > 1;

	for (unsigned i = 1; i < r->count; i++) {
		size_t len = strlen(search);

		if (!lease_is_domain(r->words[i]) ||
		    len + strlen(r->words[i]) + 2 > UPLINK_SEARCH) {
			all = false;
			continue;
		}
		snprintf(search + len, UPLINK_SEARCH - len, "%s%s", len ? " " : "", r->words[i]);
	}
	return all;
}

/* "ip route add TO [via GATEWAY] [dev LINK]"; TO of the family "default" is that of the gateway. */
static bool take_route(struct reader *r)
{
	struct net_ip to = { 0 }, via = { 0 };
	bool is_default = r->count > 4 && str_eq(r->words[4], "default");

	if (r->count < 6 || !str_eq(r->words[1], "ip") || !str_eq(r->words[2], "route") ||
	    !str_eq(r->words[3], "add") ||
	    (!is_default && !net_ip_parse_prefix(r->words[4], &to)) || r->count % 2 == 0)
		return false;
	for (unsigned i = 5; i + 1 < r->count; i += 2)
		if (str_eq(r->words[i], "via")) {
			if (!net_ip_parse(r->words[i + 1], &via) || !net_ip_is_host(&via))
				return false;
		} else if (!str_eq(r->words[i], "dev") ||
			   !str_eq(r->words[i + 1], r->stanza.link->name)) {
			return false;
		}
	if (is_default)
		to.family = via.family;
	if (!to.family || (via.family && via.family != to.family))
		return false;
	return uplink_add_route(r->stanza.link, &to, &via);
}

/* Links are never taken down here, so a line that takes back a route is as good as done. */
static bool is_mirror(const struct reader *r)
{
	return r->count > 4 && str_eq(r->words[1], "ip") && str_eq(r->words[2], "route") &&
	       str_eq(r->words[3], "del");
}

static bool take_option(struct reader *r)
{
	const char *key = r->words[0], *value = r->count == 2 ? r->words[1] : NULL;

	if (str_eq(key, "address"))
		return value && take_address(r, value);
	if (str_eq(key, "netmask"))
		return value && take_netmask(r, value);
	if (str_eq(key, "gateway"))
		return value && take_gateway(r, value);
	if (str_eq(key, "mtu"))
		return value && take_mtu(r, value);
	if (str_eq(key, "dns-nameservers") || str_eq(key, "dns-nameserver"))
		return take_servers(r);
	if (str_eq(key, "dns-search") || str_eq(key, "dns-domain"))
		return take_search(r);
	if (str_eq(key, "up") || str_eq(key, "post-up"))
		return take_route(r);
	if (str_eq(key, "down") || str_eq(key, "pre-down"))
		return is_mirror(r);
	return false;
}

static void take_line(struct reader *r)
{
	const char *key = r->words[0];

	if (str_eq(key, "auto") || str_eq(key, "allow-auto") || str_eq(key, "allow-hotplug"))
		take_auto(r);
	else if (str_eq(key, "iface"))
		take_iface(r);
	else if (r->stanza.link ? !take_option(r) : !r->stanza.is_quiet)
		ignore(r);
}

/* Words of the line, in place. False: there are too many. */
static bool split(struct reader *r, char *line)
{
	r->count = 0;
	for (line += strspn(line, " \t\r"); *line; line += strspn(line, " \t\r")) {
		if (r->count == MAX_WORDS)
			return false;
		r->words[r->count++] = line;
		line += strcspn(line, " \t\r");
		if (*line)
			*line++ = '\0';
	}
	return true;
}

/* One logical line from *text on into line: "\" at the end of a line joins it with the next. False: it does not fit. */
static bool next_line(const char **text, char *line, unsigned *lines)
{
	size_t at = 0;
	bool fits = true;

	for (*lines = 0;;) {
		size_t len = strcspn(*text, "\n"), keep = len;
		bool joins = len && (*text)[len - 1] == '\\' && (*text)[len];

		keep -= joins;
		fits &= at + keep < LINE_MAX_BYTES;
		if (fits) {
			memcpy(line + at, *text, keep);
			at += keep;
		}
		*text += len + ((*text)[len] == '\n');
		++*lines;
		if (!joins)
			break;
	}
	line[fits ? at : 0] = '\0';
	return fits;
}

static bool is_auto(const struct reader *r, const char *name)
{
	for (unsigned i = 0; i < r->auto_count; i++)
		if (str_eq(r->autos[i], name))
			return true;
	return false;
}

void interfaces_parse(const char *text, struct interfaces *out)
{
	struct reader r = { .out = out, .line = 1 };
	char line[LINE_MAX_BYTES], shown[LINE_MAX_BYTES];
	unsigned lines;

	*out = (struct interfaces){ 0 };
	for (; *text; r.line += lines) {
		bool fits = next_line(&text, line, &lines);

		str_copy(shown, sizeof(shown), line + strspn(line, " \t\r"));
		r.text = fits ? shown : "a line that is too long";
		if (shown[0] == '#')
			continue;
		if (!fits || !split(&r, line))
			ignore(&r);
		else if (r.count)
			take_line(&r);
	}
	end_stanza(&r);
	for (unsigned i = 0; i < out->count; i++)
		out->links[i].is_off = !is_auto(&r, out->links[i].name);
}
