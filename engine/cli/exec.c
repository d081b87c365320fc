/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat exec: a program in a running container, its terminal and its exit code. The engine is asked
 * twice; after that the other end of the connection is the container's shim, so that the session
 * outlives the engine. Must give the terminal back as it was, however it ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "shim/protocol.h"
#include "util/arena.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/json.h"
#include "util/str.h"
#include "yyjson.h"

/* podman's, where the program had no chance to have one. */
#define EXIT_NOT_STARTED 125
#define CHUNK 16384
#define MAX_VARIABLES SHIM_EXEC_MAX_WORDS
#define MESSAGE_MAX 512

struct words {
	struct arena arena;
	bool is_interactive, is_tty, is_detached;
	const char *user, *cwd, *name;
	const char *variables[MAX_VARIABLES];
	unsigned variable_count;
	char **command; /* NULL-terminated */
};

static int fail(const char *text)
{
	char shown[MESSAGE_MAX];

	str_copy(shown, sizeof(shown), text);
	cli_clean(shown);
	fprintf(stderr, "cleat exec: %s\n", shown);
	return EXIT_NOT_STARTED;
}

/* --- words: options end where the name begins, because the program has options, too --- */

static bool complain(const char *what, const char *word)
{
	fprintf(stderr, "cleat exec: %s %s; see \"cleat help exec\"\n", what, word);
	return false;
}

/* "NAME" alone is what it is here, as with podman; nothing if it is not set. */
static bool add_variable(struct words *w, const char *text)
{
	if (text[0] == '=' || !text[0])
		return complain("not NAME=VALUE:", text);
	if (!strchr(text, '=')) {
		if (!getenv(text))
			return true;
		text = arena_printf(&w->arena, "%s=%s", text, getenv(text));
	}
	if (w->variable_count == MAX_VARIABLES)
		return complain("too many variables:", text);
	w->variables[w->variable_count++] = text;
	return true;
}

static bool take_value(struct words *w, char letter, const char *value)
{
	switch (letter) {
	case 'u':
		w->user = value;
		return true;
	case 'w':
		w->cwd = value;
		return true;
	default:
		return add_variable(w, value);
	}
}

static bool take_flag(struct words *w, char letter)
{
	switch (letter) {
	case 'i':
		w->is_interactive = true;
		return true;
	case 't':
		w->is_tty = true;
		return true;
	case 'd':
		w->is_detached = true;
		return true;
	default:
		return false;
	}
}

static const struct {
	const char *name;
	char letter;
} long_names[] = {
	{ "interactive", 'i' }, { "tty", 't' },	    { "detach", 'd' },
	{ "user", 'u' },	{ "workdir", 'w' }, { "env", 'e' },
};

static char letter_of(const char *name, size_t length)
{
	for (size_t i = 0; i < sizeof(long_names) / sizeof(long_names[0]); i++)
		if (strlen(long_names[i].name) == length &&
		    strncmp(long_names[i].name, name, length) == 0)
			return long_names[i].letter;
	return 0;
}

static bool has_value(char letter)
{
	return letter == 'u' || letter == 'w' || letter == 'e';
}

/* at: moves over the value if that is a word of its own. */
static bool take_option(struct words *w, char letter, const char *attached, char **argv, int *at)
{
	if (!has_value(letter))
		return take_flag(w, letter);
	if (!attached)
		attached = argv[*at + 1] ? argv[++*at] : NULL;
	return attached ? take_value(w, letter, attached) :
			  complain("a value is missing:", argv[*at]);
}

static bool take_long(struct words *w, char **argv, int *at)
{
	const char *name = argv[*at] + 2;
	size_t length = strcspn(name, "=");
	char letter = letter_of(name, length);
	const char *attached = name[length] ? name + length + 1 : NULL;

	if (!letter)
		return complain("unknown option", argv[*at]);
	if (attached && !has_value(letter))
		return complain("no value is expected:", argv[*at]);
	return take_option(w, letter, attached, argv, at);
}

static bool take_short(struct words *w, char **argv, int *at)
{
	for (const char *p = argv[*at] + 1; *p; p++) {
		if (!strchr("itduwe", *p))
			return complain("unknown option", argv[*at]);
		if (has_value(*p))
			return take_option(w, *p, p[1] ? p + 1 : NULL, argv, at);
		take_flag(w, *p);
	}
	return true;
}

static bool read_words(struct words *w, char **argv)
{
	int at = 1;

	for (; argv[at] && argv[at][0] == '-' && argv[at][1]; at++) {
		if (str_eq(argv[at], "--")) {
			at++;
			break;
		}
		if (!(argv[at][1] == '-' ? take_long(w, argv, &at) : take_short(w, argv, &at)))
			return false;
	}
	w->name = argv[at];
	if (!w->name || !argv[at + 1]) {
		fprintf(stderr,
			"cleat exec: a container and a command are expected; see \"cleat help exec\"\n");
		return false;
	}
	w->command = argv + at + 1;
	return true;
}

/* --- asking the engine --- */

static void window_size(uint16_t *rows, uint16_t *columns)
{
	struct winsize size;

	*rows = *columns = 0;
	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0 &&
	    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		return;
	*rows = size.ws_row;
	*columns = size.ws_col;
}

static void write_order(struct words *w, struct buf *out)
{
	struct json j = JSON_TO(out);

	json_object(&j, NULL);
	json_bool(&j, "AttachStdin", w->is_interactive);
	json_bool(&j, "AttachStdout", !w->is_detached);
	json_bool(&j, "AttachStderr", !w->is_detached);
	json_bool(&j, "Tty", w->is_tty);
	json_str(&j, "User", w->user ? w->user : "");
	json_str(&j, "WorkingDir", w->cwd ? w->cwd : "");
	json_array(&j, "Env");
	if (w->is_tty && getenv("TERM"))
		json_str(&j, NULL, arena_printf(&w->arena, "TERM=%s", getenv("TERM")));
	for (unsigned i = 0; i < w->variable_count; i++)
		json_str(&j, NULL, w->variables[i]);
	json_array_end(&j);
	json_array(&j, "Cmd");
	for (char **word = w->command; *word; word++)
		json_str(&j, NULL, *word);
	json_array_end(&j);
	json_object_end(&j);
}

/* What the answer says went wrong, and its exit code. */
static int refused(const struct cli_response *r)
{
	yyjson_doc *doc = yyjson_read(buf_str(&r->body), r->body.len, 0);
	yyjson_val *code = yyjson_obj_get(yyjson_doc_get_root(doc), "exitCode");
	int rc = yyjson_is_int(code) ? (int)yyjson_get_sint(code) : EXIT_NOT_STARTED;
	char text[MESSAGE_MAX];

	yyjson_doc_free(doc);
	cli_message(r, text, sizeof(text));
	fail(text);
	return rc >= EXIT_NOT_STARTED && rc <= 127 ? rc : EXIT_NOT_STARTED;
}

/* The session's id; an exit code if there is none. */
static int create(struct words *w, char id[SHIM_EXEC_ID_LEN + 1], struct err *err)
{
	auto_buf body = BUF_INIT(64u * 1024);
	auto_buf path = BUF_INIT(2048);
	struct cli_ask ask = { .method = "POST",
			       .headers =
				       "Connection: close\r\nContent-Type: application/json\r\n" };
	struct cli_response response = { .body = BUF_INIT(0) };
	const char *text;
	yyjson_doc *doc;
	int rc = 0;

	buf_puts(&path, "/containers/");
	cli_encode(w->name, &path);
	buf_puts(&path, "/exec");
	write_order(w, &body);
	if (buf_check(&path, "the name", err) < 0 || buf_check(&body, "the command", err) < 0)
		return fail(err->msg);
	ask.path = buf_str(&path);
	ask.body = buf_str(&body);
	ask.body_length = body.len;
	if (cli_ask(&ask, &response, err) < 0)
		rc = fail(err->msg);
	else if (response.status != 201)
		rc = refused(&response);
	doc = rc ? NULL : yyjson_read(buf_str(&response.body), response.body.len, 0);
	text = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "Id"));
	if (!rc && (!text || !str_is_hex(text, SHIM_EXEC_ID_LEN)))
		rc = fail("the engine's answer has no id");
	if (!rc)
		memcpy(id, text, SHIM_EXEC_ID_LEN + 1);
	yyjson_doc_free(doc);
	buf_fini(&response.body);
	return rc;
}

/* The connection, -1 with an exit code: what went wrong has been said. */
static int start(const struct words *w, const char *id, struct cli_response *response, int *rc,
		 struct err *err)
{
	uint16_t rows, columns;
	char path[128], body[128];
	struct cli_ask ask = { .method = "POST",
			       .path = path,
			       .body = body,
			       .headers = "Connection: Upgrade\r\nUpgrade: cleat-exec\r\n"
					  "Content-Type: application/json\r\n" };
	auto_fd int fd = -1;

	window_size(&rows, &columns);
	snprintf(path, sizeof(path), "/exec/%s/start", id);
	snprintf(body, sizeof(body), "{\"Detach\":%s,\"ConsoleSize\":[%u,%u]}",
		 w->is_detached ? "true" : "false", rows, columns);
	ask.body_length = strlen(body);
	fd = cli_ask_stream(&ask, response, err);
	*rc = EXIT_NOT_STARTED;
	if (fd < 0) {
		*rc = fail(err->msg);
		return -1;
	}
	if (response->status == 101 || (w->is_detached && response->status == 200))
		return take_fd(&fd);
	/* its length is known, and it is short */
	while (response->length != SIZE_MAX && response->body.len < response->length) {
		char data[1024];
		ssize_t n = recv(fd, data, sizeof(data), 0);

		if (n <= 0 || buf_add(&response->body, data, (size_t)n) < 0)
			break;
	}
	*rc = refused(response);
	return -1;
}

/* --- the terminal --- */

static struct termios saved_terminal;
static bool terminal_is_raw;

static void terminal_restore(void)
{
	if (terminal_is_raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_terminal);
	terminal_is_raw = false;
}

static void terminal_make_raw(void)
{
	struct termios raw;

	if (terminal_is_raw || tcgetattr(STDIN_FILENO, &saved_terminal) < 0)
		return;
	raw = saved_terminal;
	cfmakeraw(&raw);
	terminal_is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

/* --- moving bytes --- */

struct session {
	const struct words *words;
	int fd, signals;
	bool input_is_over;
	char out[SHIM_EXEC_FRAME_HEAD + CHUNK]; /* to the session */
	size_t out_at, out_length;
	bool resize_is_due;
	unsigned char head[SHIM_EXEC_FRAME_HEAD]; /* from it */
	size_t head_length;
	uint32_t left;
	int exit_code; /* -1: not known yet */
};

static void put_frame(struct session *s, unsigned type, size_t length)
{
	memset(s->out, 0, SHIM_EXEC_FRAME_HEAD);
	s->out[0] = (char)type;
	s->out[6] = (char)(length >> 8);
	s->out[7] = (char)length;
	s->out_at = 0;
	s->out_length = SHIM_EXEC_FRAME_HEAD + length;
}

static void put_size(struct session *s)
{
	unsigned char *body = (unsigned char *)s->out + SHIM_EXEC_FRAME_HEAD;
	uint16_t rows, columns;

	s->resize_is_due = false;
	window_size(&rows, &columns);
	if (!s->words->is_tty || !rows || !columns)
		return;
	body[0] = (unsigned char)(rows >> 8);
	body[1] = (unsigned char)rows;
	body[2] = (unsigned char)(columns >> 8);
	body[3] = (unsigned char)columns;
	put_frame(s, SHIM_FRAME_RESIZE, 4);
}

static void read_input(struct session *s)
{
	ssize_t n = read(STDIN_FILENO, s->out + SHIM_EXEC_FRAME_HEAD, CHUNK);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0) {
		put_frame(s, SHIM_FRAME_STDIN, (size_t)n);
		return;
	}
	s->input_is_over = true;
	put_frame(s, SHIM_FRAME_EOF, 0);
}

static void send_out(struct session *s)
{
	while (s->out_at < s->out_length) {
		ssize_t n = send(s->fd, s->out + s->out_at, s->out_length - s->out_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		/* what it still has to say is read first */
		if (n < 0) {
			s->input_is_over = true;
			break;
		}
		s->out_at += (size_t)n;
	}
	s->out_at = s->out_length = 0;
}

/* Bytes of one frame's body. */
static int take_body(struct session *s, const char *data, size_t length, struct err *err)
{
	if (s->head[0] == SHIM_FRAME_STDOUT)
		return file_write_all(STDOUT_FILENO, data, length, err);
	if (s->head[0] == SHIM_FRAME_STDERR)
		return file_write_all(STDERR_FILENO, data, length, err);
	/* The exit code: of four bytes the last has it. */
	if (length == s->left)
		s->exit_code = (unsigned char)data[length - 1];
	return 0;
}

static int check_head(const struct session *s, struct err *err)
{
	if (s->head[0] == SHIM_FRAME_STDOUT || s->head[0] == SHIM_FRAME_STDERR ||
	    (s->head[0] == SHIM_FRAME_EXIT && s->left == 4))
		return 0;
	return err_set(err, ERR_INTEGRITY, "the session sent a frame of type %d and %u bytes",
		       s->head[0], s->left);
}

static int take_head(struct session *s, char byte, struct err *err)
{
	s->head[s->head_length++] = (unsigned char)byte;
	if (s->head_length < sizeof(s->head))
		return 0;
	s->left = get_be32(s->head + 4);
	if (!s->left)
		s->head_length = 0;
	return check_head(s, err);
}

static int take_bytes(struct session *s, const char *data, size_t length, struct err *err)
{
	while (length) {
		size_t n = 1;
		int rc;

		if (s->head_length < sizeof(s->head)) {
			rc = take_head(s, *data, err);
		} else {
			n = length < s->left ? length : s->left;
			rc = take_body(s, data, n, err);
			s->left -= (uint32_t)n;
			if (!s->left)
				s->head_length = 0;
		}
		if (rc < 0)
			return -1;
		data += n;
		length -= n;
	}
	return 0;
}

/* 1: more may follow, 0: the end. */
static int receive(struct session *s, struct err *err)
{
	char data[8192];
	ssize_t n = recv(s->fd, data, sizeof(data), MSG_DONTWAIT);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 1;
	if (n < 0 && errno != ECONNRESET)
		return err_sys(err, "connection");
	if (n <= 0)
		return 0;
	return take_bytes(s, data, (size_t)n, err) < 0 ? -1 : 1;
}

/* As a shell would have it: stopped with the terminal as it was, raw again when it goes on. */
static void stop_here(void)
{
	terminal_restore();
	raise(SIGSTOP);
}

/* 0, or the signal that ends us. */
static int read_signal(struct session *s)
{
	struct signalfd_siginfo info;

	if (read(s->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	switch (info.ssi_signo) {
	case SIGWINCH:
		s->resize_is_due = true;
		return 0;
	case SIGTSTP:
		stop_here();
		return 0;
	case SIGCONT:
		if (s->words->is_tty && s->words->is_interactive)
			terminal_make_raw();
		s->resize_is_due = true;
		return 0;
	default:
		return (int)info.ssi_signo;
	}
}

static int open_signals(void)
{
	static const int numbers[] = {
		SIGWINCH, SIGCONT, SIGTSTP, SIGINT, SIGTERM, SIGHUP, SIGQUIT
	};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&set, numbers[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int step(struct session *s, struct err *err)
{
	bool wants_input;

	if (!s->out_length && s->resize_is_due)
		put_size(s);
	wants_input = !s->out_length && !s->input_is_over && s->words->is_interactive;

	struct pollfd p[] = {
		{ .fd = s->fd, .events = (short)(POLLIN | (s->out_length ? POLLOUT : 0)) },
		{ .fd = s->signals, .events = POLLIN },
		{ .fd = wants_input ? STDIN_FILENO : -1, .events = POLLIN },
	};

	if (poll(p, sizeof(p) / sizeof(p[0]), -1) < 0)
		return errno == EINTR ? 1 : err_sys(err, "poll");
	if (p[2].revents)
		read_input(s);
	if (s->out_length)
		send_out(s);
	return p[0].revents & (POLLIN | POLLHUP | POLLERR) ? receive(s, err) : 1;
}

/* The program's exit code, or ours. */
static int serve(struct session *s, struct cli_response *response)
{
	struct err err = { 0 };
	int rc = 1, number = 0;

	if (take_bytes(s, buf_str(&response->body), response->body.len, &err) < 0)
		return fail(err.msg);
	while (rc > 0 && !number) {
		rc = step(s, &err);
		number = read_signal(s);
	}
	terminal_restore();
	if (number)
		return 128 + number;
	if (s->exit_code >= 0)
		return s->exit_code;
	return fail(rc < 0 ? err.msg : "the session was broken off before the program ended");
}

static int attend(const struct words *w, int fd, struct cli_response *response)
{
	static struct session s;
	int rc;

	s.fd = fd;
	s.exit_code = -1;
	s.signals = open_signals();
	if (s.signals < 0)
		return fail(strerror(errno));
	s.words = w;
	if (w->is_tty && w->is_interactive)
		terminal_make_raw();
	s.resize_is_due = true; /* it may have changed while we asked */
	rc = serve(&s, response);
	close(s.signals);
	s.words = NULL; /* the caller's */
	return rc;
}

int cmd_exec(int argc, char **argv)
{
	struct words w = { 0 };
	char id[SHIM_EXEC_ID_LEN + 1] = "";
	struct cli_response response = { .body = BUF_INIT(0) };
	struct err err = { 0 };
	auto_fd int fd = -1;
	int rc;

	(void)argc;
	if (!read_words(&w, argv))
		return CLI_USAGE;
	if (w.is_tty && w.is_interactive && !isatty(STDIN_FILENO))
		fprintf(stderr, "cleat exec: standard input is no terminal\n");
	rc = create(&w, id, &err);
	if (!rc)
		fd = start(&w, id, &response, &rc, &err);
	if (fd >= 0 && w.is_detached) {
		puts(id);
		rc = CLI_OK;
	} else if (fd >= 0) {
		rc = attend(&w, fd, &response);
	}
	buf_fini(&response.body);
	arena_fini(&w.arena);
	return rc;
}
