/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probe URLs. The text is the operator's, but it ends up in a request line: blanks, control bytes
 * and anything beyond ASCII are refused rather than sent.
 */
#include "shim/url.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "util/str.h"

static int check_text(const char *text, struct err *err)
{
	size_t length = strnlen(text, SHIM_URL_MAX + 1);

	if (length > SHIM_URL_MAX)
		return err_set(err, ERR_LIMIT, "URL longer than %u bytes", SHIM_URL_MAX);
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7f)
			return err_set(err, ERR_INPUT, "URL with the byte 0x%02x",
				       (unsigned char)text[i]);
	return 0;
}

/* After the host: ":PORT" or nothing. */
static int parse_port(const char *text, bool is_http, uint16_t *out, struct err *err)
{
	uint64_t port;

	if (text[0] == '\0' && is_http) {
		*out = 80;
		return 0;
	}
	if (text[0] != ':' || !str_to_u64(text + 1, 65535, &port) || port == 0)
		return err_set(err, ERR_INPUT, "URL needs a port from 1 to 65535 after the host");
	*out = (uint16_t)port;
	return 0;
}

static bool add_v4(struct shim_url *u, const char *host, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, host, &a.sin_addr) != 1)
		return false;
	memcpy(&u->addresses[u->count], &a, sizeof(a));
	u->lengths[u->count++] = sizeof(a);
	return true;
}

static bool add_v6(struct shim_url *u, const char *host, uint16_t port)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	if (inet_pton(AF_INET6, host, &a.sin6_addr) != 1)
		return false;
	memcpy(&u->addresses[u->count], &a, sizeof(a));
	u->lengths[u->count++] = sizeof(a);
	return true;
}

static int parse_host(struct shim_url *u, bool is_http, struct err *err)
{
	char host[sizeof(u->host)];
	bool is_v6 = u->host[0] == '[';
	size_t length = strcspn(u->host + is_v6, is_v6 ? "]" : ":");
	const char *rest = u->host + is_v6 + length;
	uint16_t port = 0;

	memcpy(host, u->host + is_v6, length);
	host[length] = '\0';
	if (is_v6 && *rest++ != ']')
		return err_set(err, ERR_INPUT, "URL with [ but no ]");
	if (parse_port(rest, is_http, &port, err) < 0)
		return -1;
	if (is_v6 ? add_v6(u, host, port) : add_v4(u, host, port))
		return 0;
	if (!is_v6 && str_eq(host, "localhost"))
		return add_v4(u, "127.0.0.1", port) && add_v6(u, "::1", port) ? 0 : -1;
	return err_set(err, ERR_INPUT,
		       "%s: only IPv4, [IPv6] addresses and localhost can be probed", host);
}

int shim_url_parse(const char *text, bool is_http, struct shim_url *out, struct err *err)
{
	const char *scheme = is_http ? "http://" : "tcp://";
	size_t length;

	*out = (struct shim_url){ 0 };
	if (check_text(text, err) < 0)
		return -1;
	if (str_starts(text, "https://"))
		return err_set(err, ERR_UNSUPPORTED,
			       "https:// is not supported: probe http:// or tcp://");
	if (!str_starts(text, scheme))
		return err_set(err, ERR_INPUT, "URL does not begin with %s", scheme);
	text += strlen(scheme);
	length = strcspn(text, "/?#");
	if (memchr(text, '@', length))
		return err_set(err, ERR_INPUT, "URL with a user name");
	if (length == 0 || length >= sizeof(out->host))
		return err_set(err, ERR_INPUT, "URL with a host of %zu bytes", length);
	memcpy(out->host, text, length);
	out->path = text + length;
	if (out->path[0] && (!is_http || out->path[0] != '/' || strchr(out->path, '#')))
		return err_set(err, ERR_INPUT,
			       is_http ? "URL needs a path that begins with / and has no #" :
					 "tcp:// takes no path");
	return parse_host(out, is_http, err);
}
