/* SPDX-License-Identifier: Apache-2.0 */
/* Address texts. Strict: what inet_pton does not take and ports outside 1-65535 are errors. Never asks a resolver. */
#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "util/str.h"

int net_address_parse(const char *text, struct net_address *out, struct err *err)
{
	const char *colon = strrchr(text, ':');
	struct sockaddr_in *v4 = (struct sockaddr_in *)&out->storage;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->storage;
	char host[INET6_ADDRSTRLEN + 2];
	uint64_t port;

	memset(out, 0, sizeof(*out));
	out->text = text;
	if (!colon || (size_t)(colon - text) >= sizeof(host) ||
	    !str_to_u64(colon + 1, 65535, &port) || !port)
		return err_set(err, ERR_INPUT, "%s: not ADDRESS:PORT", text);
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		out->length = sizeof(*v4);
		return 0;
	}
	if (host[0] == '[' && str_ends(host, "]")) {
		host[strlen(host) - 1] = '\0';
		if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1) {
			v6->sin6_family = AF_INET6;
			v6->sin6_port = htons((uint16_t)port);
			out->length = sizeof(*v6);
			return 0;
		}
	}
	return err_set(err, ERR_INPUT, "%s: the address is not numeric (127.0.0.1:80, [::1]:80)",
		       text);
}
