/* SPDX-License-Identifier: Apache-2.0 */
/* A URL of a syslog server. Takes the whole text or nothing; user, path and query have no place in it. */
#include "util/syslog_url.h"

#include <stdio.h>
#include <string.h>

#include "util/str.h"

static const struct {
	const char *scheme, *port;
} transports[] = {
	[SYSLOG_UDP] = { "udp://", "514" },
	[SYSLOG_TCP] = { "tcp://", "601" },
	[SYSLOG_TLS] = { "tls://", "6514" },
};

static bool is_host(const char *text, size_t len, bool is_v6)
{
	static const char name[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	static const char v6[] = "0123456789abcdefABCDEF:.%";

	return len > 0 && strspn(text, is_v6 ? v6 : name) >= len;
}

static bool set_port(const char *text, struct syslog_url *out)
{
	uint64_t port;

	if (!str_to_u64(text, 65535, &port) || port == 0)
		return false;
	snprintf(out->port, sizeof(out->port), "%u", (unsigned)port);
	return true;
}

int syslog_url_parse(const char *text, struct syslog_url *out, struct err *err)
{
	const char *host = NULL, *end;
	bool is_v6;
	size_t len;

	for (unsigned i = 0; i < sizeof(transports) / sizeof(transports[0]); i++)
		if (str_starts(text, transports[i].scheme)) {
			out->transport = (enum syslog_transport)i;
			host = text + strlen(transports[i].scheme);
			str_copy(out->port, sizeof(out->port), transports[i].port);
		}
	if (!host)
		return err_set(
			err, ERR_INPUT,
			"%s: udp://HOST:PORT, tcp://HOST:PORT or tls://HOST:PORT is expected",
			text);
	is_v6 = *host == '[';
	host += is_v6;
	len = strcspn(host, is_v6 ? "]" : ":");
	end = host + len + (is_v6 && host[len]);
	if (len >= sizeof(out->host) || !is_host(host, len, is_v6) || (is_v6 && !host[len]))
		return err_set(err, ERR_INPUT, "%s: no host name or address", text);
	memcpy(out->host, host, len);
	out->host[len] = '\0';
	if (*end && (*end != ':' || !set_port(end + 1, out)))
		return err_set(err, ERR_INPUT, "%s: a port from 1 to 65535 is expected at the end",
			       text);
	return 0;
}
