/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is attached as text in the container's run directory: the next engine takes it over as it is, whatever the units say by then.
 * Must never keep half of a record.
 */
#include "net/plan.h"

#include <arpa/inet.h>
#include <string.h>

#include "util/str.h"

#define HEAD "cleat-network 1\n"
#define WORDS_MAX (16 + NET_MAX_ALIASES)

static void format_end(const struct net_end *end, struct buf *out)
{
	char address[INET_ADDRSTRLEN], gateway[INET_ADDRSTRLEN], mac[18];

	net_address_text(end->address, address);
	net_address_text(end->bridge.address, gateway);
	net_mac_text(end->mac, mac);
	buf_printf(out, "end %s %s %s %s %s %s %s %u -%s%s%s %u", end->network, end->link,
		   end->interface, mac, address, end->bridge.name, gateway, end->bridge.prefix,
		   end->bridge.internal ? "i" : "", end->bridge.isolate ? "s" : "",
		   end->no_names ? "n" : "", end->bridge.mtu);
	for (size_t i = 0; i < end->alias_count; i++)
		buf_printf(out, " %s", end->aliases[i]);
	buf_putc(out, '\n');
}

static void format_port(const struct net_publish *port, struct buf *out)
{
	char host[INET6_ADDRSTRLEN];

	if (!inet_ntop(port->is_v6 ? AF_INET6 : AF_INET,
		       port->is_v6 ? (const void *)&port->host_address6 : &port->host_address, host,
		       sizeof(host)))
		return;
	buf_printf(out, "port %s %s %u %u %u%s\n", port->udp ? "udp" : "tcp", host,
		   port->host_first, port->first, port->count, port->is_v4_only ? " 4" : "");
}

void net_attached_format(const struct net_attached *attached, struct buf *out)
{
	char target[INET_ADDRSTRLEN];

	buf_puts(out, HEAD);
	buf_printf(out, "owner %s %s\n", attached->owner, attached->run_id);
	for (size_t i = 0; i < attached->end_count; i++)
		format_end(&attached->ends[i], out);
	if (attached->has_target) {
		net_address_text(attached->target, target);
		buf_printf(out, "target %s %s\n", target, attached->target_bridge);
	}
	for (size_t i = 0; i < attached->port_count; i++)
		format_port(&attached->ports[i], out);
}

static size_t split(char *line, char *words[WORDS_MAX])
{
	size_t count = 0;

	for (char *word = line; word; count++) {
		char *blank = strchr(word, ' ');

		if (count == WORDS_MAX || !*word)
			return 0;
		if (blank)
			*blank++ = '\0';
		words[count] = word;
		word = blank;
	}
	return count;
}

static bool to_u16(const char *text, uint16_t *out)
{
	uint64_t value;

	if (!str_to_u64(text, UINT16_MAX, &value))
		return false;
	*out = (uint16_t)value;
	return true;
}

static bool parse_flags(const char *text, struct net_end *end)
{
	if (*text++ != '-')
		return false;
	for (; *text; text++) {
		if (*text == 'i')
			end->bridge.internal = true;
		else if (*text == 's')
			end->bridge.isolate = true;
		else if (*text == 'n')
			end->no_names = true;
		else
			return false;
	}
	return true;
}

static bool parse_end(char *const *words, size_t count, struct net_attached *out)
{
	struct net_end end = { 0 };
	uint64_t prefix, mtu;

	if (count < 11 || out->end_count == NET_MAX_ENDS || count - 11 > NET_MAX_ALIASES ||
	    !str_copy(end.network, sizeof(end.network), words[1]) ||
	    !str_copy(end.link, sizeof(end.link), words[2]) ||
	    !str_copy(end.interface, sizeof(end.interface), words[3]) ||
	    !net_mac_parse(words[4], end.mac) || inet_pton(AF_INET, words[5], &end.address) != 1 ||
	    !str_copy(end.bridge.name, sizeof(end.bridge.name), words[6]) ||
	    inet_pton(AF_INET, words[7], &end.bridge.address) != 1 ||
	    !str_to_u64(words[8], 32, &prefix) || !prefix || !parse_flags(words[9], &end) ||
	    !str_to_u64(words[10], UINT32_MAX, &mtu))
		return false;
	end.bridge.prefix = (uint8_t)prefix;
	end.bridge.mtu = (uint32_t)mtu;
	for (size_t i = 11; i < count; i++)
		*arena_push(&out->arena, end.aliases, end.alias_count) =
			arena_strdup(&out->arena, words[i]);
	out->ends[out->end_count++] = end;
	return true;
}

static bool parse_port(char *const *words, size_t count, struct net_attached *out)
{
	struct net_publish port = { 0 };

	if ((count != 6 && (count != 7 || !str_eq(words[6], "4"))) ||
	    out->port_count == NET_MAX_PUBLISHED)
		return false;
	port.udp = str_eq(words[1], "udp");
	if (!port.udp && !str_eq(words[1], "tcp"))
		return false;
	port.is_v6 = strchr(words[2], ':') != NULL;
	port.is_v4_only = count == 7;
	if (inet_pton(port.is_v6 ? AF_INET6 : AF_INET, words[2],
		      port.is_v6 ? (void *)&port.host_address6 : &port.host_address) != 1 ||
	    !to_u16(words[3], &port.host_first) || !to_u16(words[4], &port.first) ||
	    !to_u16(words[5], &port.count) || !port.host_first || !port.first || !port.count ||
	    port.host_first + port.count > 65536 || port.first + port.count > 65536)
		return false;
	*arena_push(&out->arena, out->ports, out->port_count) = port;
	return true;
}

static bool parse_line(char *line, struct net_attached *out)
{
	char *words[WORDS_MAX];
	size_t count = split(line, words);

	if (!count)
		return false;
	if (str_eq(words[0], "end"))
		return parse_end(words, count, out);
	if (str_eq(words[0], "port"))
		return parse_port(words, count, out);
	if (str_eq(words[0], "owner"))
		return count == 3 && str_copy(out->owner, sizeof(out->owner), words[1]) &&
		       str_copy(out->run_id, sizeof(out->run_id), words[2]);
	if (str_eq(words[0], "target")) {
		out->has_target = true;
		return count == 3 && inet_pton(AF_INET, words[1], &out->target) == 1 &&
		       str_copy(out->target_bridge, sizeof(out->target_bridge), words[2]);
	}
	return false;
}

int net_attached_parse(const char *text, struct net_attached *out, struct err *err)
{
	auto_arena work = { 0 };
	unsigned number = 1;
	size_t len;

	if (!str_starts(text, HEAD))
		return err_set(err, ERR_INTEGRITY, "line 1: no \"cleat-network 1\"");
	for (text += strlen(HEAD); *text; text += len + 1) {
		number++;
		len = strcspn(text, "\n");
		if (text[len] == '\n' && parse_line(arena_strndup(&work, text, len), out))
			continue;
		net_attached_fini(out);
		return err_set(err, ERR_INTEGRITY, "line %u: not understood", number);
	}
	if (out->owner[0] && out->end_count)
		return 0;
	net_attached_fini(out);
	return err_set(err, ERR_INTEGRITY, "no owner or no network");
}
