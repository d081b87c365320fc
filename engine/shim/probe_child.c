/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EXEC probes: a child of the shim is born in the container and becomes the program. Reading
 * files and starting is its business and not the shim's, because the disk may be stalled and the
 * words cost memory; what of config.json is needed again the shim has kept.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/internal.h"

struct early {
	struct shim *shim;
	int out_fd;
};

static void split_words(const char *text, size_t length,
			const char *words[SHIM_PROBE_MAX_WORDS + 1])
{
	size_t count = 0;

	for (size_t at = 0; at < length && count < SHIM_PROBE_MAX_WORDS;
	     at += strlen(text + at) + 1)
		words[count++] = text + at;
	words[count] = NULL;
}

/* The container's pidfd stays where it is. Of all others the engine's end of ctl must go above all: it must close with the shim. */
static int close_others(int pidfd)
{
	if (pidfd > 3 && syscall(SYS_close_range, 3u, (unsigned)pidfd - 1, 0) < 0)
		return -1;
	return (int)syscall(SYS_close_range, (unsigned)pidfd + 1, ~0u, 0);
}

/* A shim has 0, 1 and 2 from its first moment, so nothing else of its can be in the way there. */
static int take_place(struct runtime_exec *exec, void *arg, struct err *err)
{
	struct early *early = arg;
	int null = early->shim->null_fd, out = early->out_fd, pidfd = exec->target_pidfd;

	prctl(PR_SET_NAME, "cleat-probe", 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (null < 3 || out < 3 || pidfd < 3)
		return err_set(err, ERR_BUG, "descriptors: %d, %d and %d", null, out, pidfd);
	if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || close_others(pidfd) < 0)
		return err_sys(err, "descriptors");
	for (int i = 0; i < 3; i++)
		exec->stdio[i] = i;
	return 0;
}

int shim_probe_exec(struct shim *s, const struct shim_order *order, int out_fd, struct err *err)
{
	const char *words[SHIM_PROBE_MAX_WORDS + 1];
	char config[4096];
	struct runtime_exec exec = {
		.config_path = config,
		.kept = s->container.kept,
		.signals_are_default = true,
		.stays_in_session = !s->has_terminal,
		.target_pid = s->container.init.pid,
		.target_pidfd = s->container.init.pidfd,
		.cgroup_fd = s->probe.cgroup_fd,
		.argv = words,
		.stdio = { s->null_fd, out_fd, out_fd },
	};
	int n = exec.kept ? 0 : snprintf(config, sizeof(config), "%s/config.json", s->args.run_dir);

	split_words(order->text, order->text_length, words);
	if (n < 0 || (size_t)n >= sizeof(config))
		return err_set(err, ERR_LIMIT, "%s: path too long", s->args.run_dir);
	if (runtime_exec_begin(&exec, take_place, &(struct early){ s, out_fd }, &s->probe.joiner,
			       err) < 0)
		return -1;
	s->probe.pidfd = s->probe.joiner.proc.pidfd;
	return 0;
}
