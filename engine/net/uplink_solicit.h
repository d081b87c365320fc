/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Asking routers for their advertisements (RFC 4861): a link that was up before this process heard anything would otherwise not get
 * its name servers until the next one by itself, minutes later. The answers are the kernel's business; the socket is deaf.
 */
#include <stdint.h>

#include "net/uplink.h"
#include "util/loop.h"

struct solicit {
	int fd; /* -1: there is no IPv6, or no right to */
	struct loop *loop;
	struct loop_source *timer;
	struct {
		uint32_t index;
		unsigned left;
	} links[UPLINK_MAX_LINKS];
	unsigned count;
};

/* Before rights are given up: needs CAP_NET_RAW. Without it, nothing is asked. */
void solicit_open(struct solicit *s, struct loop *loop);
void solicit_close(struct solicit *s);
/* Up to three times, until answered; of a link once in the life of the process. */
void solicit_want(struct solicit *s, uint32_t index);
void solicit_answered(struct solicit *s, uint32_t index);
