/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One exec session: a child of the shim that starts the program inside, answers the client and
 * moves bytes between the two until the program has ended. A program is told of its client's end as
 * by a terminal's: SIGHUP. Must never outlive the program by more than what a slow client needs for
 * the last output, and that is bounded.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shim/exec_frames.h"
#include "shim/internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/json.h"
#include "util/str.h"

#define CHUNK 16384
#define LAST_OUTPUT_MSEC 10000	     /* without progress */
#define LAST_OUTPUT_BYTES (1u << 20) /* as much as a pipe may hold (/proc/sys/fs/pipe-max-size) */
#define EXIT_NOT_STARTED 125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127
#define END_OF_INPUT "\004" /* ^D, what a terminal's user types */

/* Descriptors of this process: three of /dev/null, then these. */
enum { FD_CLIENT = 3, FD_RESIZE, FD_PIDFD, FD_CGROUP, FD_RUN_DIR, FD_COUNT };

enum { WAIT_CLIENT, WAIT_PROGRAM, WAIT_RESIZE, WAIT_INPUT, WAIT_OUT, WAIT_ERR, WAIT_COUNT };

struct session {
	const struct shim_order *order;
	const char *run_dir;
	pid_t target;
	struct shim_exec_record record;
	int client, resize, program; /* program: its pidfd */
	int terminal;		     /* master; -1 */
	int input, sources[2];	     /* our ends */
	bool has_ended;		     /* the program */
	bool is_last;		     /* nothing follows what is in out */
	bool client_is_done;	     /* sends no more */
	struct exec_input frames;
	char in[CHUNK];
	size_t in_at, in_length;
	const char *data; /* of in: what the program has to get */
	size_t data_length;
	char out[SHIM_EXEC_FRAME_HEAD + CHUNK];
	size_t out_at, out_length;
	uint64_t progress_msec;
	size_t last_bytes; /* behind the program's end */
	const char *words[SHIM_EXEC_MAX_WORDS + 1], *variables[SHIM_EXEC_MAX_WORDS + 1];
};

static uint64_t now_msec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* --- before the program runs --- */

static int place_descriptors(const struct shim *s, int client, int resize)
{
	const int from[FD_COUNT] = { s->null_fd,
				     s->null_fd,
				     s->null_fd,
				     client,
				     resize,
				     s->container.init.pidfd,
				     s->container.cgroup_fd,
				     s->run_dirfd };
	int high[FD_COUNT];

	for (int i = 0; i < FD_COUNT; i++) {
		high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, FD_COUNT);
		if (high[i] < 0)
			return -1;
	}
	for (int i = 0; i < FD_COUNT; i++)
		if (dup3(high[i], i, O_CLOEXEC) < 0)
			return -1;
	/* ctl above all: its end is the shim's. */
	return (int)syscall(SYS_close_range, (unsigned)FD_COUNT, ~0u, 0);
}

static void write_record(struct session *s, uint32_t state, int exit_code)
{
	char name[SHIM_EXEC_NAME_MAX];
	struct err ignored; /* the run directory may be gone, and the session with it */

	s->record.state = state;
	s->record.exit_code = exit_code;
	if (file_write_atomic(FD_RUN_DIR, shim_exec_name(s->order->id, name), &s->record,
			      sizeof(s->record), 0600, false, &ignored) < 0)
		return;
}

static void split_text(struct session *s)
{
	const char *text = s->order->text;

	for (uint32_t i = 0; i < s->order->word_count; i++, text += strlen(text) + 1)
		s->words[i] = text;
	for (uint32_t i = 0; i < s->order->variable_count; i++, text += strlen(text) + 1)
		s->variables[i] = text;
}

/* ours is not to block, theirs is what the program expects. */
static int make_pipe(int *ours, int *theirs, bool is_input, struct err *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "pipe2");
	*ours = ends[is_input ? 1 : 0];
	*theirs = ends[is_input ? 0 : 1];
	return fcntl(*ours, F_SETFL, O_NONBLOCK) < 0 ? err_sys(err, "O_NONBLOCK") : 0;
}

static int make_streams(struct session *s, int theirs[3], struct err *err)
{
	if (s->order->flags & (SHIM_EXEC_TTY | SHIM_EXEC_DETACH))
		return 0;
	if ((s->order->flags & SHIM_EXEC_STDIN) && make_pipe(&s->input, &theirs[0], true, err) < 0)
		return -1;
	if (make_pipe(&s->sources[0], &theirs[1], false, err) < 0)
		return -1;
	return make_pipe(&s->sources[1], &theirs[2], false, err);
}

/* A descriptor each for both directions, so that they end one by one. */
static int share_terminal(struct session *s, struct err *err)
{
	if (s->terminal < 0)
		return 0;
	if (fcntl(s->terminal, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return err_sys(err, "O_NONBLOCK");
	s->sources[0] = fcntl(s->terminal, F_DUPFD_CLOEXEC, 3);
	if (s->sources[0] < 0)
		return err_sys(err, "descriptor");
	if (!(s->order->flags & SHIM_EXEC_STDIN))
		return 0;
	s->input = fcntl(s->terminal, F_DUPFD_CLOEXEC, 3);
	return s->input < 0 ? err_sys(err, "descriptor") : 0;
}

static int start_program(struct session *s, struct err *err)
{
	int theirs[3] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	char config[4096];
	struct proc proc = { .pidfd = -1 };
	struct runtime_exec exec = {
		.config_path = config,
		.target_pid = s->target,
		.target_pidfd = FD_PIDFD,
		.cgroup_fd = FD_CGROUP,
		.argv = s->words,
		.env = s->variables,
		.user = s->order->user[0] ? s->order->user : NULL,
		.cwd = s->order->cwd[0] ? s->order->cwd : NULL,
		.terminal = s->order->flags & SHIM_EXEC_TTY ? &s->terminal : NULL,
		.rows = s->order->rows,
		.columns = s->order->columns,
	};
	int rc, n = snprintf(config, sizeof(config), "%s/config.json", s->run_dir);

	if (n < 0 || (size_t)n >= sizeof(config))
		return err_set(err, ERR_LIMIT, "%s: path too long", s->run_dir);
	rc = make_streams(s, theirs, err);
	memcpy(exec.stdio, theirs, sizeof(theirs));
	if (rc == 0)
		rc = runtime_exec(&exec, &proc, err);
	for (int i = 0; i < 3; i++)
		if (theirs[i] > STDERR_FILENO)
			close(theirs[i]);
	s->program = proc.pidfd;
	s->record.pid = proc.pid;
	return rc < 0 ? rc : share_terminal(s, err);
}

/* --- the client --- */

static int exit_code_of(const struct err *err)
{
	if (str_starts(err->msg, "exec: "))
		return err->sys_errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
	return err->code == ERR_INPUT ? EXIT_NOT_EXECUTABLE : EXIT_NOT_STARTED;
}

void shim_exec_refuse(int client, int status, int exit_code, const char *reason)
{
	auto_buf body = BUF_INIT(2048);
	auto_buf out = BUF_INIT(4096);
	struct json json = JSON_TO(&body);

	json_object(&json, NULL);
	json_str(&json, "message", reason);
	json_int(&json, "exitCode", exit_code);
	json_object_end(&json);
	buf_printf(&out,
		   "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
		   "Connection: close\r\n\r\n%s",
		   status, status == 400 ? "Bad Request" : "Error", body.len, buf_str(&body));
	/* It has read nothing since its request, so there is room; if not, it has no use for
	 * this. */
	while (send(client, buf_str(&out), out.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
	       errno == EINTR)
		;
}

static void say_started(struct session *s)
{
	const uint32_t flags = s->order->flags;
	const char *text =
		flags & SHIM_EXEC_DETACH ?
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" :
		!(flags & SHIM_EXEC_UPGRADE) ?
			"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n" :
		flags & SHIM_EXEC_FRAMES ?
			"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: cleat-exec\r\n\r\n" :
			"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
			"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n";

	s->out_length = strlen(text);
	memcpy(s->out, text, s->out_length);
}

/* Nobody is there any more. What the program still writes ends it as it would in a terminal that
 * was closed. */
static void hang_up(struct session *s)
{
	close_fd(&s->client);
	close_fd(&s->input);
	close_fd(&s->terminal);
	close_fd(&s->sources[0]);
	close_fd(&s->sources[1]);
	s->out_at = s->out_length = s->data_length = s->in_at = s->in_length = 0;
	if (s->program >= 0)
		syscall(SYS_pidfd_send_signal, s->program, SIGHUP, NULL, 0);
}

static void flush_out(struct session *s)
{
	while (s->client >= 0 && s->out_at < s->out_length) {
		ssize_t n = send(s->client, s->out + s->out_at, s->out_length - s->out_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			hang_up(s);
			return;
		}
		s->out_at += (size_t)n;
		s->progress_msec = now_msec();
	}
	s->out_at = s->out_length = 0;
}

/* --- bytes --- */

static void read_source(struct session *s, int index)
{
	bool is_framed = !(s->order->flags & SHIM_EXEC_TTY) || (s->order->flags & SHIM_EXEC_FRAMES);
	size_t head = is_framed ? SHIM_EXEC_FRAME_HEAD : 0;
	ssize_t n;

	if (s->sources[index] < 0 || s->out_length)
		return;
	n = read(s->sources[index], s->out + head, CHUNK);
	if (n < 0 && errno == EINTR)
		return;
	/* Behind the program's end nothing is waited for: somebody else may hold the pipe for
	 * years. */
	if (n < 0 && errno == EAGAIN && !s->has_ended)
		return;
	if (n > 0 && s->has_ended)
		s->last_bytes += (size_t)n;
	if (n <= 0 || s->last_bytes > LAST_OUTPUT_BYTES) {
		close_fd(&s->sources[index]);
		return;
	}
	if (is_framed)
		exec_frame_head((unsigned char *)s->out,
				index ? SHIM_FRAME_STDERR : SHIM_FRAME_STDOUT, (uint32_t)n);
	s->out_length = head + (size_t)n;
	flush_out(s);
}

static void set_size(struct session *s, uint16_t rows, uint16_t columns)
{
	struct winsize size = { .ws_row = rows, .ws_col = columns };

	if (s->terminal >= 0 && rows && columns)
		ioctl(s->terminal, TIOCSWINSZ, &size);
}

static void end_input(struct session *s)
{
	static const char end[] = END_OF_INPUT;

	s->client_is_done = true;
	if (s->input >= 0 && s->terminal >= 0 && (s->order->flags & SHIM_EXEC_FRAMES) &&
	    write(s->input, end, 1) < 0)
		close_fd(&s->input);
	if (s->terminal < 0)
		close_fd(&s->input);
}

/* False: the program takes no more for now. */
static bool write_input(struct session *s)
{
	while (s->data_length) {
		/* Without an input, or behind its end, bytes go nowhere. */
		ssize_t n = s->input < 0 ? (ssize_t)s->data_length :
					   write(s->input, s->data, s->data_length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0) {
			close_fd(&s->input);
			continue;
		}
		s->data += n;
		s->data_length -= (size_t)n;
	}
	return true;
}

static void take_event(struct session *s, const struct exec_event *event)
{
	switch (event->kind) {
	case EXEC_MORE:
		break;
	case EXEC_DATA:
		s->data = event->data;
		s->data_length = event->length;
		break;
	case EXEC_RESIZE:
		set_size(s, event->rows, event->columns);
		break;
	case EXEC_EOF:
		end_input(s);
		break;
	case EXEC_BAD:
		hang_up(s);
		break;
	}
}

/* What has come from the client, as far as the program takes it. */
static void feed_input(struct session *s)
{
	struct exec_event event;

	while (write_input(s) && s->in_at < s->in_length) {
		s->in_at += exec_input_take(&s->frames, s->in + s->in_at, s->in_length - s->in_at,
					    &event);
		take_event(s, &event);
	}
}

static void read_client(struct session *s)
{
	ssize_t n = recv(s->client, s->in, sizeof(s->in), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		hang_up(s);
		return;
	}
	if (n == 0) {
		if (!s->client_is_done)
			end_input(s);
		return;
	}
	s->in_at = 0;
	s->in_length = (size_t)n;
	feed_input(s);
}

static void read_resize(struct session *s)
{
	uint16_t size[2];
	ssize_t n = read(s->resize, size, sizeof(size));

	if (n == (ssize_t)sizeof(size))
		set_size(s, size[0], size[1]);
	else if (n == 0) /* the shim has ended */
		close_fd(&s->resize);
}

/* --- the loop --- */

static void note_end(struct session *s)
{
	siginfo_t info = { 0 };

	while (waitid(P_PIDFD, (id_t)s->program, &info, WEXITED | __WALL) < 0 && errno == EINTR)
		;
	close_fd(&s->program);
	close_fd(&s->input);
	s->has_ended = true;
	s->progress_msec = now_msec();
	write_record(s, SHIM_EXEC_ENDED,
		     info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status);
}

/* All output is out: the exit code follows, and then nothing. */
static void add_last(struct session *s)
{
	uint32_t code = (uint32_t)s->record.exit_code;

	if (!s->has_ended || s->is_last || s->out_length || s->sources[0] >= 0 ||
	    s->sources[1] >= 0)
		return;
	s->is_last = true;
	if (!(s->order->flags & SHIM_EXEC_FRAMES) || s->client < 0)
		return;
	exec_frame_head((unsigned char *)s->out, SHIM_FRAME_EXIT, 4);
	for (int i = 0; i < 4; i++)
		s->out[SHIM_EXEC_FRAME_HEAD + i] = (char)(code >> (24 - 8 * i));
	s->out_length = SHIM_EXEC_FRAME_HEAD + 4;
	flush_out(s);
}

static bool is_over(const struct session *s)
{
	if (!s->has_ended)
		return false;
	return (s->is_last && !s->out_length) || now_msec() - s->progress_msec > LAST_OUTPUT_MSEC;
}

static short client_events(const struct session *s)
{
	bool wants_input = !s->client_is_done && !s->data_length && s->in_at == s->in_length;

	return (short)((wants_input ? POLLIN : 0) | (s->out_length ? POLLOUT : 0));
}

/* A descriptor that nothing is wanted of is left out: its end would wake without pause. The
 * client's end is wanted always. */
static void wait_for_events(struct session *s, struct pollfd p[WAIT_COUNT])
{
	bool has_room = s->out_length == 0;

	p[WAIT_CLIENT] = (struct pollfd){ .fd = s->client, .events = client_events(s) };
	p[WAIT_PROGRAM] = (struct pollfd){ .fd = s->program, .events = POLLIN };
	p[WAIT_RESIZE] = (struct pollfd){ .fd = s->resize, .events = POLLIN };
	p[WAIT_INPUT] = (struct pollfd){ .fd = s->data_length ? s->input : -1, .events = POLLOUT };
	for (int i = 0; i < 2; i++)
		p[WAIT_OUT + i] =
			(struct pollfd){ .fd = has_room ? s->sources[i] : -1, .events = POLLIN };
	if (poll(p, WAIT_COUNT, s->has_ended ? 1000 : -1) < 0)
		memset(p, 0, sizeof(*p) * WAIT_COUNT);
}

static void handle_events(struct session *s, const struct pollfd p[WAIT_COUNT])
{
	if (p[WAIT_CLIENT].revents & POLLOUT)
		flush_out(s);
	if (s->client >= 0 && (p[WAIT_CLIENT].revents & POLLIN))
		read_client(s);
	if (s->client >= 0 && (p[WAIT_CLIENT].revents & (POLLHUP | POLLERR)))
		hang_up(s);
	if (p[WAIT_INPUT].revents)
		feed_input(s);
	if (p[WAIT_RESIZE].revents)
		read_resize(s);
	if (p[WAIT_PROGRAM].revents)
		note_end(s);
	for (int i = 0; i < 2; i++)
		if (p[WAIT_OUT + i].revents || s->has_ended)
			read_source(s, i);
	add_last(s);
}

static void serve(struct session *s)
{
	struct pollfd p[WAIT_COUNT];

	flush_out(s);
	if (s->order->flags & SHIM_EXEC_DETACH) {
		close_fd(&s->client);
		/* A terminal that nobody looks at is emptied all the same. */
	}
	while (!is_over(s)) {
		wait_for_events(s, p);
		handle_events(s, p);
	}
}

/* Docker's client shows no answer but an upgrade's, and asks for the exit code afterwards. */
static void say_failed(struct session *s, int code, const struct err *err)
{
	const uint32_t flags = s->order->flags;
	size_t head, length = strlen(err->msg);

	write_record(s, SHIM_EXEC_FAILED, code);
	if (!(flags & SHIM_EXEC_UPGRADE) || (flags & (SHIM_EXEC_FRAMES | SHIM_EXEC_DETACH))) {
		shim_exec_refuse(s->client, code == EXIT_NOT_STARTED ? 500 : 400, code, err->msg);
		return;
	}
	say_started(s);
	head = flags & SHIM_EXEC_TTY ? 0 : SHIM_EXEC_FRAME_HEAD;
	if (head)
		exec_frame_head((unsigned char *)s->out + s->out_length, SHIM_FRAME_STDERR,
				(uint32_t)length + 2);
	memcpy(s->out + s->out_length + head, err->msg, length);
	memcpy(s->out + s->out_length + head + length, "\r\n", 2);
	s->out_length += head + length + 2;
	flush_out(s);
}

_Noreturn void shim_exec_session(const struct shim *shim, const struct shim_order *order,
				 int client, int resize)
{
	struct err err = { 0 };
	/* Not on a stack that every shim would have to have, nor beside the few variables that all of them write. */
	struct session *s = log_memory_map(sizeof(*s), &err);

	prctl(PR_SET_NAME, "cleat-exec", 0, 0, 0);
	if (!s) {
		shim_exec_refuse(client, 500, EXIT_NOT_STARTED, err.msg);
		_exit(1);
	}
	s->client = FD_CLIENT;
	s->resize = FD_RESIZE;
	s->program = s->terminal = s->input = s->sources[0] = s->sources[1] = -1;
	s->order = order;
	s->run_dir = shim->args.run_dir;
	s->target = shim->container.init.pid;
	s->frames.is_raw = !(order->flags & SHIM_EXEC_FRAMES);
	s->record = (struct shim_exec_record){ .magic = SHIM_EXEC_MAGIC,
					       .version = SHIM_PROTOCOL_VERSION,
					       .length = sizeof(s->record),
					       .flags = order->flags };
	if (place_descriptors(shim, client, resize) < 0)
		_exit(1);
	split_text(s);
	if (start_program(s, &err) < 0) {
		say_failed(s, exit_code_of(&err), &err);
		_exit(1);
	}
	write_record(s, SHIM_EXEC_RUNNING, 0);
	say_started(s);
	serve(s);
	_exit(0);
}
