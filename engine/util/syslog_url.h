/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Where log lines are shipped to: udp://HOST[:PORT], tcp://..., tls://...; an IPv6 address stands in brackets. */
#include "util/err.h"

enum syslog_transport { SYSLOG_UDP, SYSLOG_TCP, SYSLOG_TLS };

struct syslog_url {
	enum syslog_transport transport;
	char host[256];
	char port[8]; /* 514 (udp), 601 (tcp, RFC 6587 and 3195), 6514 (tls, RFC 5425) if not said */
};

int syslog_url_parse(const char *text, struct syslog_url *out, struct err *err) MUST_CHECK;
