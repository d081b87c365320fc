/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EXEC probes: a child of the shim starts the program inside the container and waits for it. The
 * child and not the shim does it, because starting reads the disk (which may be stalled) and
 * config.json (which costs memory). Standard input, output and error of this process are the
 * program's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/internal.h"

static size_t split_words(const char *text, size_t length,
			  const char *words[SHIM_PROBE_MAX_WORDS + 1])
{
	size_t count = 0;

	for (size_t at = 0; at < length && count < SHIM_PROBE_MAX_WORDS;
	     at += strlen(text + at) + 1)
		words[count++] = text + at;
	words[count] = NULL;
	return count;
}

static void wait_for_end(const struct proc *proc, struct shim_probe_answer *answer)
{
	siginfo_t info = { 0 };

	while (waitid(P_PIDFD, (id_t)proc->pidfd, &info, WEXITED | __WALL) < 0)
		if (errno != EINTR) {
			shim_probe_say(answer, SHIM_PROBE_ERROR, "waitid: %s", strerror(errno));
			return;
		}
	answer->exit_code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
	answer->verdict = answer->exit_code == 0 ? SHIM_PROBE_PASS : SHIM_PROBE_FAIL;
	answer->output_length = 0;
}

void shim_probe_exec(const struct shim *s, const char *text, size_t text_length,
		     struct shim_probe_answer *answer)
{
	const char *words[SHIM_PROBE_MAX_WORDS + 1];
	char config[4096];
	struct runtime_exec exec = {
		.config_path = config,
		.target_pid = s->container.init.pid,
		.target_pidfd = s->container.init.pidfd,
		.cgroup_fd = s->probe.cgroup_fd,
		.argv = words,
		.stdio = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO },
	};
	struct proc proc = { .pidfd = -1 };
	struct err err = { 0 };
	int n = snprintf(config, sizeof(config), "%s/config.json", s->args.run_dir);

	split_words(text, text_length, words);
	if (n < 0 || (size_t)n >= sizeof(config))
		shim_probe_say(answer, SHIM_PROBE_ERROR, "%s: path too long", s->args.run_dir);
	else if (runtime_exec(&exec, &proc, &err) < 0)
		shim_probe_say(answer, SHIM_PROBE_ERROR, "%s", err.msg);
	else
		wait_for_end(&proc, answer);
}
