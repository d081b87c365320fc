/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat run-commands": one list of a unit's command lines, in order, up to the first that fails. What they print goes to the engine's own log
 * with the unit's name, so many lines of a list at most; the last line is part of what is said about a failure. Runs as a child
 * of the engine; must never outlive its list, and needs no undoing: its cgroup is killed behind it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log/log.h"
#include "supervise/commands.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/proc.h"
#include "util/str.h"

#define RESULT_FD 3
#define MAX_LINES 100 /* of a list */
#define MAX_LINE_BYTES 400
#define EXIT_CHDIR 200 /* systemd's numbers for what fails before the program is there */
#define EXIT_EXEC 203
#define EXIT_NOT_RUN \
	255 /* of an ExecCondition=: one that cannot be run must not skip the unit in silence */

extern char **environ;

struct line { /* one command */
	bool ignores_failure, is_late, is_for_shell, is_condition;
	const char *label, *program;
	char **words;
	size_t count;
};

struct runner {
	const char *unit;
	const char *key; /* of the command that runs: "ExecStartPre" */
	struct arena arena;
	int signal_fd;
	bool is_asked;		   /* to end */
	char text[MAX_LINE_BYTES]; /* the line that is being read */
	size_t length;
	char last[MAX_LINE_BYTES]; /* the last whole one that says something */
	unsigned lines;
	struct command_result result;
};

int command_report(const struct command_result *result)
{
	struct command_result record = *result;
	struct err err;

	record.magic = COMMAND_RESULT_MAGIC;
	if (file_write_all(RESULT_FD, &record, sizeof(record), &err) < 0)
		log_msg(LOG_WARN, "commands", "result: %s", err.msg);
	return 1;
}

/* --- output ------------------------------------------------------------------------------------------------------------------- */

static void end_line(struct runner *r)
{
	r->text[r->length] = '\0';
	for (size_t i = 0; i < r->length; i++)
		if ((unsigned char)r->text[i] < ' ' || r->text[i] == 127)
			r->text[i] = ' ';
	if (r->length) {
		str_copy_text(r->last, sizeof(r->last), r->text);
		if (r->lines++ < MAX_LINES)
			log_msg(LOG_INFO, r->unit, "%s: %s", r->key, r->last);
	}
	r->length = 0;
}

static void take_output(struct runner *r, const char *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\n' || r->length == sizeof(r->text) - 1)
			end_line(r);
		if (data[i] != '\n')
			r->text[r->length++] = data[i];
	}
}

/* What is there now; whoever still holds the other end is not waited for. False: the end. */
static bool read_output(struct runner *r, int fd)
{
	char data[4096];
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0)
		take_output(r, data, (size_t)n);
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* --- one command -------------------------------------------------------------------------------------------------------------- */

static int fail(struct runner *r, const struct line *line, int code, int number, const char *fmt,
		...) ERR_PRINTF(5, 6);
static int fail(struct runner *r, const struct line *line, int code, int number, const char *fmt,
		...)
{
	char text[sizeof(r->result.text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (line->ignores_failure && !r->is_asked) {
		log_msg(LOG_INFO, r->unit, "%s: %s: ignored, as - asks for", line->label, text);
		return 0;
	}
	r->result.code = code;
	r->result.signal = number;
	auto_buf whole = BUF_INIT(2048);

	buf_printf(&whole, "%s: %s", line->label, text);
	str_copy_text(r->result.text, sizeof(r->result.text), buf_str(&whole));
	return -1;
}

/* "/usr/bin/mkdir" -> "mkdir": in one of the folders that are one and the same where units are written. NULL: somewhere else. */
static const char *name_in_system(const char *program)
{
	static const char *const folders[] = { "/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/" };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (str_starts(program, folders[i]) && !strchr(program + strlen(folders[i]), '/'))
			return program + strlen(folders[i]);
	return NULL;
}

/* A bare name is looked for in PATH. So is one of a system folder in which it is not: /bin and /usr/bin are two here. NULL: nowhere. */
static const char *find_program(struct runner *r, const char *program)
{
	const char *path = getenv("PATH");

	if (program[0] == '/' && access(program, F_OK) == 0)
		return program;
	if (program[0] == '/')
		program = name_in_system(program);
	if (!program)
		return NULL;
	for (size_t len; path && *path; path += len + (path[len] == ':')) {
		len = strcspn(path, ":");
		if (len && len < 4096) {
			char *whole = arena_printf(&r->arena, "%.*s/%s", (int)len, path, program);

			if (access(whole, X_OK) == 0)
				return whole;
		}
	}
	return NULL;
}

/* "|": the words, joined by blanks, are the shell's; with @ it is a login shell. */
static char **shell_words(struct runner *r, const struct line *line, char **words)
{
	char **argv = arena_alloc(&r->arena, 4 * sizeof(*argv));
	bool is_login = !str_eq(line->words[0], line->program);
	auto_buf text = BUF_INIT(256 * 1024);

	buf_puts(&text, line->program);
	for (size_t i = 1; words[i]; i++)
		buf_printf(&text, " %s", words[i]);
	argv[0] = arena_strdup(&r->arena, is_login ? "-sh" : "sh");
	argv[1] = arena_strdup(&r->arena, "-c");
	argv[2] = arena_strdup(&r->arena, buf_str(&text));
	return argv;
}

static char **words_of(struct runner *r, const struct line *line)
{
	char **words;

	if (line->is_late)
		return commands_expand(&r->arena, line->words, line->count);
	words = arena_alloc(&r->arena, (line->count + 1) * sizeof(*words));
	memcpy(words, line->words, line->count * sizeof(*words));
	return words;
}

static int start(struct runner *r, const struct line *line, int output, struct proc *proc)
{
	const char *program = line->is_for_shell ? "/bin/sh" : find_program(r, line->program);
	char **words = words_of(r, line);
	int code = line->is_condition ? EXIT_NOT_RUN : EXIT_EXEC;
	struct proc_spawn spawn = {
		.path = program,
		.argv = line->is_for_shell ? shell_words(r, line, words) : words,
		.envp = environ,
		.cgroup_fd = -1, /* born in ours */
		.fds = { -1, output, output },
		.fd_count = 3,
		.new_session = true,
	};
	struct err err;

	if (!program)
		return fail(r, line, code, 0, "there is no such program here; %s",
			    str_ends(line->program, "bash") ?
				    "write /bin/sh and what busybox's ash understands" :
				    "the appliance has those of busybox");
	if (proc_spawn(&spawn, proc, &err) < 0)
		return fail(r, line, code, 0, "%s", err.msg);
	return 1;
}

/* What is said if the engine has to kill us along with the command; a second record says it better. */
static void report_early(const struct runner *r, const struct line *line)
{
	struct command_result result = { .code = -1, .signal = SIGKILL };
	auto_buf text = BUF_INIT(2048);

	buf_printf(&text, "%s: had to be killed%s%s", line->label, r->last[0] ? ": " : "", r->last);
	str_copy_text(result.text, sizeof(result.text), buf_str(&text));
	command_report(&result);
}

/* Asked to end: the command first, its whole session; what does not listen is killed by the engine. */
static void on_signal(struct runner *r, const struct line *line, pid_t pid)
{
	struct signalfd_siginfo info;

	while (read(r->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (!r->is_asked)
			report_early(r, line);
		r->is_asked = true;
		kill(-pid, SIGTERM);
	}
}

static void attend(struct runner *r, const struct line *line, const struct proc *proc, int *output)
{
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = proc->pidfd, .events = POLLIN },
			{ .fd = r->signal_fd, .events = POLLIN },
			{ .fd = *output, .events = POLLIN },
		};

		if (poll(fds, 3, -1) < 0 && errno != EINTR)
			return;
		if (fds[2].revents && !read_output(r, *output))
			close_fd(output);
		if (fds[1].revents)
			on_signal(r, line, proc->pid);
		if (fds[0].revents)
			return;
	}
}

static int judge(struct runner *r, const struct line *line, int status)
{
	const char *colon = r->last[0] ? ": " : "";

	if (WIFSIGNALED(status))
		return fail(r, line, -1, WTERMSIG(status), "ended by signal %d (%s)%s%s",
			    WTERMSIG(status), strsignal(WTERMSIG(status)), colon, r->last);
	if (WEXITSTATUS(status))
		return fail(r, line, WEXITSTATUS(status), 0, "exited with code %d%s%s",
			    WEXITSTATUS(status), colon, r->last);
	return 0;
}

static int run_line(struct runner *r, const struct line *line)
{
	struct proc proc = { .pidfd = -1 };
	int ends[2], status = 0, started;

	r->last[0] = '\0';
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail(r, line, EXIT_NOT_RUN, 0, "pipe2: %s", strerror(errno));

	auto_fd int input = ends[0];
	auto_fd int output = ends[1];

	/* Only our end: O_NONBLOCK belongs to the open file, and the two ends of a pipe are two. */
	if (fcntl(input, F_SETFL, O_NONBLOCK) < 0)
		return fail(r, line, EXIT_NOT_RUN, 0, "fcntl: %s", strerror(errno));
	started = start(r, line, output, &proc);
	if (started <= 0)
		return started;
	close_fd(&output);
	attend(r, line, &proc, &input);
	while (waitpid(proc.pid, &status, 0) < 0 && errno == EINTR)
		;
	close(proc.pidfd);
	if (input >= 0)
		read_output(r, input);
	end_line(r);
	return judge(r, line, status);
}

/* --- the list ----------------------------------------------------------------------------------------------------------------- */

/* FLAGS LABEL PROGRAM COUNT WORD...; returns how many words it was, 0: they are none. */
static int parse_line(char **words, int left, struct line *out)
{
	uint64_t count;

	if (left < 5 || !str_to_u64(words[3], (uint64_t)left - 4, &count) || !count)
		return 0;
	*out = (struct line){
		.ignores_failure = strchr(words[0], '-'),
		.is_late = strchr(words[0], 'l'),
		.is_for_shell = strchr(words[0], 's'),
		.is_condition = strchr(words[0], 'c'),
		.label = words[1],
		.program = words[2],
		.words = words + 4,
		.count = (size_t)count,
	};
	return 4 + (int)count;
}

/* "web.container:12: ExecStartPre=/bin/x" -> "ExecStartPre" */
static const char *key_of(struct runner *r, const char *label)
{
	const char *begin = strstr(label, ": ");

	begin = begin ? begin + 2 : label;
	return arena_strndup(&r->arena, begin, strcspn(begin, "="));
}

static int enter(struct runner *r, const char *umask_text, const char *folder)
{
	unsigned mask;
	bool may_miss = folder[0] == '-';
	struct line whole = { .label = r->unit };

	if (!str_to_mode(umask_text, &mask))
		return fail(r, &whole, EXIT_NOT_RUN, 0, "umask %s", umask_text);
	umask((mode_t)mask);
	if (chdir(folder + may_miss) == 0 || (may_miss && chdir("/") == 0))
		return 0;
	return fail(r, &whole, EXIT_CHDIR, 0, "WorkingDirectory=%s: %s", folder + may_miss,
		    strerror(errno));
}

static int open_signals(struct runner *r)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return -1;
	r->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return r->signal_fd < 0 ? -1 : 0;
}

static int run_list(struct runner *r, char **words, int count)
{
	struct line line;
	int taken;

	for (; count > 0 && !r->is_asked; words += taken, count -= taken) {
		taken = parse_line(words, count, &line);
		if (!taken)
			return fail(r, &(struct line){ .label = r->unit }, EXIT_NOT_RUN, 0,
				    "\"%s\" begins no command", words[0]);
		r->key = key_of(r, line.label);
		if (run_line(r, &line) < 0)
			return -1;
	}
	if (count <= 0)
		return 0;
	return fail(r, &(struct line){ .label = r->unit }, -1, SIGTERM, "asked to end");
}

int cmd_run_commands(int argc, char **argv)
{
	struct runner r = { .signal_fd = -1, .unit = argc > 1 ? argv[1] : "" };

	log_init("cleat", LOG_INFO);
	if (argc < 4) {
		fprintf(stderr,
			"usage: cleat run-commands NAME UMASK FOLDER (FLAGS LABEL PROGRAM COUNT WORD...)...\n");
		return 2;
	}
	/* the record is the engine's, no command may write it */
	if (fcntl(RESULT_FD, F_SETFD, FD_CLOEXEC) < 0 || open_signals(&r) < 0) {
		log_msg(LOG_ERROR, "commands", "%s: %s", r.unit, strerror(errno));
		return 1;
	}
	if (enter(&r, argv[2], argv[3]) < 0 || run_list(&r, argv + 4, argc - 4) < 0)
		command_report(&r.result);
	if (r.lines > MAX_LINES)
		log_msg(LOG_WARN, r.unit, "%s: %u more lines were left out", r.key,
			r.lines - MAX_LINES);
	arena_fini(&r.arena);
	return r.result.text[0] ? 1 : 0;
}
