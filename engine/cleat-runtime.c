/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat-runtime: the hands of the appliance. One program, so that fifty shims share its pages; a
 * table of commands and what each needs from the command line, nothing else. Must stay free of
 * the engine's code.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/runtime.h"
#include "shim/shim.h"
#include "util/cgroup.h"
#include "util/cleanup.h"
#include "util/host.h"
#include "util/places.h"
#include "util/relro.h"
#include "util/str.h"

#define EXIT_USAGE 64
/* As podman and shells have it. */
#define EXIT_NOT_STARTED 125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127

#define TEARDOWN_TIMEOUT_USEC 10000000

struct command {
	const char *name, *usage;
	int (*run)(int argc, char **argv);
};

static int complain(const struct err *err)
{
	fprintf(stderr, "cleat-runtime: %s\n", err->msg);
	return 1;
}

/* Options of the form "--name VALUE" in front of the words; -1 and a message for an unknown one. */
struct option_value {
	const char *name;
	const char **value;
};

static int take_options(int argc, char **argv, const struct option_value *options, int *first)
{
	int i = 1;

	while (i < argc && str_starts(argv[i], "--") && argv[i][2]) {
		const struct option_value *o = options;

		while (o->name && !str_eq(o->name, argv[i] + 2))
			o++;
		if (!o->name || i + 1 >= argc) {
			fprintf(stderr, "cleat-runtime %s: %s %s\n", argv[0], argv[i],
				o->name ? "needs a value" : "is not an option");
			return -1;
		}
		*o->value = argv[i + 1];
		i += 2;
	}
	*first = i + (i < argc && str_eq(argv[i], "--"));
	return 0;
}

static int start_exit_code(const struct err *err)
{
	if (!str_starts(err->msg, "exec: "))
		return EXIT_NOT_STARTED;
	return err->sys_errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}

static int open_signals(void)
{
	static const int forwarded[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,
					 SIGUSR1, SIGUSR2, SIGWINCH };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
		sigaddset(&set, forwarded[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static void forward_signal(int signals, int pidfd)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		syscall(SYS_pidfd_send_signal, pidfd, (int)info.ssi_signo, NULL, 0);
}

/* Passes signals on until the process has ended; its exit code, 128 + n for signal n. */
static int wait_for_end(int pidfd, int signals)
{
	struct pollfd fds[] = { { .fd = pidfd, .events = POLLIN },
				{ .fd = signals, .events = POLLIN } };
	siginfo_t info = { 0 };

	while (!(fds[0].revents & POLLIN)) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return EXIT_NOT_STARTED;
		if (fds[1].revents & POLLIN)
			forward_signal(signals, pidfd);
	}
	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

static int run_and_wait(const struct runtime_start *start, bool *ours)
{
	struct runtime_container container;
	auto_fd int signals = open_signals();
	struct err err;
	int code;

	if (runtime_start(start, &container, &err) < 0) {
		/* What lives under that id is somebody else's. */
		*ours = err.code != ERR_BUSY;
		complain(&err);
		return start_exit_code(&err);
	}
	if (container.unenforced[0])
		fprintf(stderr, "cleat-runtime: not enforced here: %s\n", container.unenforced);
	if (container.lost) {
		char names[HOST_LOSSES_SIZE];

		host_loss_names(container.lost, names);
		fprintf(stderr, "cleat-runtime: isolation lost here: %s\n", names);
	}
	code = wait_for_end(container.init.pidfd, signals);
	close(container.init.pidfd);
	close(container.cgroup_fd);
	return code;
}

static int cmd_run(int argc, char **argv)
{
	const char *bundle = ".", *data = NULL, *cache = NULL, *cgroup = NULL;
	const struct option_value options[] = { { "bundle", &bundle },
						{ "data-dir", &data },
						{ "cache-dir", &cache },
						{ "cgroup-mount", &cgroup },
						{ NULL, NULL } };
	char config[4096];
	bool ours = true;
	struct err err;
	int first, code, n;

	if (take_options(argc, argv, options, &first) < 0 || argc - first != 1)
		return EXIT_USAGE;
	n = snprintf(config, sizeof(config), "%s/config.json", bundle);
	if (n < 0 || (size_t)n >= sizeof(config))
		return EXIT_USAGE;

	const struct runtime_start start = { .config_path = config,
					     .run_id = argv[first],
					     .cgroup_mount = cgroup,
					     .data_dir = data,
					     .cache_dir = cache,
					     .stdio = { 0, 1, 2 } };

	code = run_and_wait(&start, &ours);
	if (ours && runtime_teardown(start.run_id, cgroup, TEARDOWN_TIMEOUT_USEC, &err) < 0)
		complain(&err);
	return code;
}

static int cmd_teardown(int argc, char **argv)
{
	const char *cgroup = NULL;
	const struct option_value options[] = { { "cgroup-mount", &cgroup }, { NULL, NULL } };
	struct err err;
	int first;

	if (take_options(argc, argv, options, &first) < 0 || argc - first != 1)
		return EXIT_USAGE;
	if (runtime_teardown(argv[first], cgroup, TEARDOWN_TIMEOUT_USEC, &err) < 0)
		return complain(&err);
	return 0;
}

static int open_cgroup_of(const char *mount, const char *run_id, struct err *err)
{
	char found[4096];

	if (!runtime_id_is_valid(run_id))
		return err_set(err, ERR_INPUT, "\"%s\" is not a run id", run_id);
	if (!mount && cgroup_find_mount(found, sizeof(found), err) < 0)
		return -1;
	return cgroup_open_run(mount ? mount : found, run_id, NULL, err);
}

static int exec_and_wait(struct runtime_exec *exec, const char *mount, const char *run_id)
{
	struct proc proc;
	struct err err;
	auto_fd int signals = open_signals();
	auto_fd int cgroup = open_cgroup_of(mount, run_id, &err);
	auto_fd int pidfd = (int)syscall(SYS_pidfd_open, exec->target_pid, 0);
	int code;

	if (pidfd < 0)
		err_sys(&err, "process %d", (int)exec->target_pid);
	exec->cgroup_fd = cgroup;
	exec->target_pidfd = pidfd;
	if (cgroup < 0 || pidfd < 0 || runtime_exec(exec, &proc, &err) < 0) {
		complain(&err);
		return start_exit_code(&err);
	}
	code = wait_for_end(proc.pidfd, signals);
	close(proc.pidfd);
	return code;
}

static int cmd_exec(int argc, char **argv)
{
	const char *bundle = ".", *pid = "", *user = NULL, *cache = NULL, *cgroup = NULL;
	const struct option_value options[] = {
		{ "bundle", &bundle },	     { "pid", &pid },
		{ "user", &user },	     { "cache-dir", &cache },
		{ "cgroup-mount", &cgroup }, { NULL, NULL }
	};
	struct runtime_exec exec = { .stdio = { 0, 1, 2 } };
	char config[4096];
	uint64_t number;
	int first, n;

	if (take_options(argc, argv, options, &first) < 0 || argc - first < 2 ||
	    !str_to_u64(pid, INT32_MAX, &number) || number == 0)
		return EXIT_USAGE;
	n = snprintf(config, sizeof(config), "%s/config.json", bundle);
	if (n < 0 || (size_t)n >= sizeof(config))
		return EXIT_USAGE;
	exec.config_path = config;
	exec.target_pid = (pid_t)number;
	exec.user = user;
	exec.cache_dir = cache;
	exec.argv = (const char *const *)(argv + first + 1);
	return exec_and_wait(&exec, cgroup, argv[first]);
}

static int cmd_seccomp_compile(int argc, char **argv)
{
	const char *cache = NULL;
	const struct option_value options[] = { { "cache-dir", &cache }, { NULL, NULL } };
	char path[4096];
	struct err err;
	int first;

	if (take_options(argc, argv, options, &first) < 0 || argc - first != 1)
		return EXIT_USAGE;
	if (runtime_compile_seccomp(argv[first], cache, path, sizeof(path), &err) < 0)
		return complain(&err);
	puts(path);
	return 0;
}

/* What the holder of a pod becomes (runtime/hold.c): whatever ends it, ends the pod. */
static int cmd_hold(int argc, char **argv)
{
	(void)argv;
	if (argc != 1)
		return EXIT_USAGE;
	prctl(PR_SET_NAME, "cleat-hold", 0, 0, 0);
	for (;;)
		pause();
}

static int cmd_check(int argc, char **argv)
{
	const char *data_dir = NULL;
	bool as_record = false;

	for (int i = 1; i < argc; i++) {
		if (str_eq(argv[i], "--record"))
			as_record = true;
		else if (str_eq(argv[i], "--data-dir") && i + 1 < argc)
			data_dir = argv[++i];
		else
			return EXIT_USAGE;
	}
	return runtime_check(STDOUT_FILENO, as_record, data_dir) == 0 ? 0 : 1;
}

static int cmd_version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	puts("cleat-runtime " CLEAT_VERSION);
	return 0;
}

static const struct command commands[] = {
	{ "shim", "--id RUNID ... (for the engine: engine/shim/README.md)", cmd_shim },
	{ "hold", "(what the holder of a pod's namespaces becomes)", cmd_hold },
	{ "teardown", "[--cgroup-mount DIR] RUNID", cmd_teardown },
	{ "run", "[--bundle DIR] [--data-dir DIR] [--cache-dir DIR] [--cgroup-mount DIR] RUNID",
	  cmd_run },
	{ "exec",
	  "--pid PID [--bundle DIR] [--user USER] [--cache-dir DIR] [--cgroup-mount DIR] RUNID "
	  "PROGRAM [WORD...]",
	  cmd_exec },
	{ "seccomp-compile", "[--cache-dir DIR] FILE", cmd_seccomp_compile },
	{ "check", "[--record] [--data-dir DIR] (what this kernel gives)", cmd_check },
	{ "--version", "", cmd_version },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static int usage(void)
{
	fputs("usage:\n", stderr);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(stderr, "  cleat-runtime %s %s\n", commands[i].name, commands[i].usage);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	relro_protect();
	for (size_t i = 0; argc > 1 && i < COMMAND_COUNT; i++) {
		int code;

		if (!str_eq(commands[i].name, argv[1]))
			continue;
		code = commands[i].run(argc - 1, argv + 1);
		if (code == EXIT_USAGE)
			fprintf(stderr, "usage: cleat-runtime %s %s\n", argv[1], commands[i].usage);
		return code;
	}
	return usage();
}
