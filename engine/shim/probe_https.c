/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTPS probes, in a child of the shim. It joins the container's network and becomes "cleat probe-https", which gives up
 * everything before it connects: TLS is too much to have in every shim. Descriptor SHIM_PROBE_ANSWER_FD is all that it gets. Must
 * never read a byte of what the container answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shim/internal.h"
#include "util/places.h"

void shim_probe_https(const struct shim *shim, const char *url, uint64_t timeout_usec,
		      struct shim_probe_answer *answer)
{
	char seconds[24], target[2048];
	char *argv[] = { "cleat", "probe-https", seconds, target, NULL };
	char *envp[] = { NULL };
	struct err err;

	snprintf(seconds, sizeof(seconds), "%" PRIu64, timeout_usec / SHIM_SEC + 1);
	if (snprintf(target, sizeof(target), "%s", url) >= (int)sizeof(target)) {
		shim_probe_say(answer, SHIM_PROBE_ERROR, "URL too long");
		return;
	}
	/* Should the shim be killed, nobody else keeps the deadline; it outlives execve. */
	alarm((unsigned)(timeout_usec / SHIM_SEC) + 2);
	if (shim_probe_join_network(shim, &err) < 0) {
		shim_probe_say(answer, SHIM_PROBE_ERROR, "%s", err.msg);
		return;
	}
	/* all others are closed by execve */
	if (fcntl(SHIM_PROBE_ANSWER_FD, F_SETFD, 0) == 0)
		execve(CLEAT_PROGRAM, argv, envp);
	shim_probe_say(answer, SHIM_PROBE_ERROR, "%s: %s", CLEAT_PROGRAM, strerror(errno));
}
