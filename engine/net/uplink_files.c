/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolv.conf, hosts and the state as text. Who else writes these files: a container manager at each start (Proxmox, between its markers), a
 * host by a mount, an operator. Must never change a line of theirs.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "net/uplink_internal.h"
#include "util/path.h"
#include "util/str.h"

#define PVE_MARK "# --- BEGIN PVE ---"
#define RESOLVERS 3
#define HOST_LINE "127.0.1.1"

void uplink_names_add(struct uplink_names *names, const struct net_ip *servers, unsigned count,
		      const char *search)
{
	for (unsigned i = 0; i < count; i++) {
		unsigned k = 0;

		while (k < names->dns_count && !net_ip_same_address(&names->dns[k], &servers[i]))
			k++;
		if (k == names->dns_count && k < sizeof(names->dns) / sizeof(names->dns[0]))
			names->dns[names->dns_count++] = servers[i];
	}
	if (!names->search[0])
		str_copy(names->search, sizeof(names->search), search);
}

void uplink_resolv_text(const struct uplink_names *names, struct buf *out)
{
	buf_puts(out, UPLINK_MARK "\n");
	if (names->search[0])
		buf_printf(out, "search %s\n", names->search);
	for (unsigned i = 0; i < names->dns_count && i < RESOLVERS; i++) {
		char text[NET_IP_TEXT];

		net_ip_text(&names->dns[i], false, text);
		buf_printf(out, "nameserver %s\n", text);
	}
}

/* Line by line: begins it so? */
static bool has_line(const char *text, const char *begin)
{
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
		if (str_starts(text, begin))
			return true;
	return false;
}

bool uplink_resolv_has_server(const char *text)
{
	return has_line(text, "nameserver ") || has_line(text, "nameserver\t");
}

bool uplink_resolv_is_others(const char *text, bool is_static)
{
	if (has_line(text, PVE_MARK))
		return true;
	return is_static && uplink_resolv_has_server(text) && !str_starts(text, UPLINK_MARK);
}

/* --- hosts -------------------------------------------------------------------------------------------- */

/* Of a line "ADDRESS NAME...": whether the name is among them. */
static bool line_names(const char *line, size_t len, const char *name)
{
	size_t size = strlen(name), at = strcspn(line, " \t\n#");

	while (at < len && line[at] != '#') {
		at += strspn(line + at, " \t");
		if (at >= len || line[at] == '#')
			return false;

		size_t word = strcspn(line + at, " \t\n#");

		if (word == size && strncmp(line + at, name, size) == 0)
			return true;
		at += word;
		if (!word)
			return false;
	}
	return false;
}

static bool is_own_line(const char *line, size_t len)
{
	size_t mark = strlen(UPLINK_MARK);

	return str_starts(line, HOST_LINE) && len > mark &&
	       strncmp(line + len - mark, UPLINK_MARK, mark) == 0;
}

/* The line of ours is put anew; another one with the name makes it needless. */
bool uplink_hosts_text(const char *text, const char *hostname, struct buf *out)
{
	const char *line = text;
	bool has_v4 = false, has_v6 = false;
	bool has_name = !hostname[0] || str_eq(hostname, "localhost");

	while (*line) {
		size_t len = strcspn(line, "\n");

		if (!is_own_line(line, len)) {
			has_v4 |= str_starts(line, "127.") && line_names(line, len, "localhost");
			has_v6 |= str_starts(line, "::1") && line_names(line, len, "localhost");
			has_name |= line_names(line, len, hostname);
			buf_add(out, line, len);
			buf_puts(out, "\n");
		}
		line += len + (line[len] == '\n');
	}
	if (!has_v4)
		buf_puts(out, "127.0.0.1\tlocalhost\n");
	if (!has_v6)
		buf_puts(out, "::1\tlocalhost\n");
	if (!has_name)
		buf_printf(out, HOST_LINE "\t%s\t" UPLINK_MARK "\n", hostname);
	return !str_eq(buf_str(out), text);
}

/* --- state ---------------------------------------------------------------------------------------------- */

static void put_addresses(const struct uplink_found *found, uint32_t index, struct buf *out)
{
	bool any = false;

	for (unsigned i = 0; i < found->address_count; i++) {
		const struct uplink_found_address *a = &found->addresses[i];
		char text[NET_IP_TEXT];

		if (a->index != index || !a->is_usable)
			continue;
		net_ip_text(&a->ip, true, text);
		buf_printf(out, "%s%s", any ? "," : "", text);
		any = true;
	}
	buf_puts(out, any ? "" : "-");
}

static void put_gateways(const struct uplink_found *found, uint32_t index, struct buf *out)
{
	bool any = false;

	for (unsigned i = 0; i < found->route_count; i++) {
		const struct uplink_found_route *r = &found->routes[i];
		char text[NET_IP_TEXT];

		if (r->index != index || r->to.prefix || !r->via.family)
			continue;
		net_ip_text(&r->via, false, text);
		buf_printf(out, "%s%s", any ? "," : "", text);
		any = true;
	}
	buf_puts(out, any ? "" : "-");
}

void uplink_state_line(const struct uplink_found *found, const struct uplink_found_link *link,
		       const char *method, uint64_t until_sec, struct buf *out)
{
	buf_printf(out, "%s %s %s ", link->name,
		   !link->is_up	      ? "down" :
		   !link->has_carrier ? "no-carrier" :
					"up",
		   method);
	put_addresses(found, link->index, out);
	buf_puts(out, " gateway ");
	put_gateways(found, link->index, out);
	buf_printf(out, " mtu %" PRIu32, link->mtu);
	if (until_sec)
		buf_printf(out, " until %" PRIu64, until_sec);
	buf_puts(out, "\n");
}

bool uplink_is_mount(const char *path)
{
	return path_is_mount(path, AT_SYMLINK_NOFOLLOW);
}
