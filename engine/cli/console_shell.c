/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat console-shell": root's shell on the appliance's terminal, after a password where there is one. It stays with the shell, because it
 * leads the session: the terminal is given back by it, and not by the kernel, which would hang it up under everybody who writes there. It
 * holds SCREEN_LOCK, so that another engine leaves the terminal to it. Must never keep a password longer than the comparison.
 */
#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/console_login.h"
#include "log/log.h"
#include "supervise/screen.h"
#include "unit/appliance.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/lock.h"
#include "util/loop.h"
#include "util/proc.h"
#include "util/str.h"

#define TRIES 3
#define ANSWER_SEC 60u
#define HASH_MAX_BYTES 256u
#define VIRTUAL_TERMINALS 4 /* major number */

struct words {
	const char *terminal;
	bool with_password;
	uint64_t refused;
};

/* --- the password --------------------------------------------------------------------------------------------------------- */

bool console_password_fits(const char *password, const char *hash)
{
	const char *got;
	unsigned char differs = 0;

	if (!appliance_is_password_hash(hash))
		return false;
	got = crypt(password, hash);
	if (!got || strlen(got) != strlen(hash))
		return false;
	for (size_t i = 0; hash[i]; i++)
		differs |= (unsigned char)got[i] ^ (unsigned char)hash[i];
	return differs == 0;
}

int console_read_line(int fd, char *out, size_t size, unsigned seconds)
{
	usec_t end = clock_now_usec() + seconds * USEC_SEC;
	size_t len = 0;
	bool is_cut = false;

	for (;;) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		usec_t now = clock_now_usec();
		char c;
		ssize_t n;

		if (now >= end || poll(&pfd, 1, (int)((end - now) / USEC_MSEC) + 1) == 0)
			return -1;
		n = read(fd, &c, 1);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			return -1;
		if (c == '\n' || c == '\r')
			break;
		if (len + 1 < size)
			out[len++] = c;
		else
			is_cut = true;
	}
	out[len] = '\0';
	return is_cut ? 0 : 1;
}

/* True: they are root. */
static bool ask(const char *hash, uint64_t refused)
{
	char password[128];
	bool fits;
	int rc;

	if (refused)
		sleep(screen_login_delay_sec((unsigned)refused));
	tcflush(STDIN_FILENO, TCIFLUSH); /* what was typed before the question is no answer */
	dprintf(STDOUT_FILENO, "Password of root: ");
	rc = console_read_line(STDIN_FILENO, password, sizeof(password), ANSWER_SEC);
	fits = rc == 1 && console_password_fits(password, hash);
	explicit_bzero(password, sizeof(password));
	dprintf(STDOUT_FILENO, "\r\n");
	return fits;
}

static bool log_in(const struct words *w, struct err *err)
{
	auto_buf hash = BUF_INIT(HASH_MAX_BYTES);

	if (file_read_fd(SCREEN_HASH_FD, HASH_MAX_BYTES, &hash, err) < 0)
		return false;
	close(SCREEN_HASH_FD);
	err_set(err, ERR_INPUT, "wrong password, %d times", TRIES);
	for (unsigned i = 0; i < TRIES; i++) {
		if (ask(buf_str(&hash), w->refused + i))
			return true;
		dprintf(STDOUT_FILENO, "That is not it.\r\n");
	}
	return false;
}

/* --- the terminal --------------------------------------------------------------------------------------------------------- */

static void set_mode(bool echo)
{
	struct termios mode;

	if (tcgetattr(STDIN_FILENO, &mode) < 0)
		return;
	mode.c_iflag = BRKINT | ICRNL | IXON | IUTF8;
	mode.c_oflag = OPOST | ONLCR;
	mode.c_lflag = ISIG | ICANON | IEXTEN | ECHOE | ECHOK | ECHOCTL | ECHOKE |
		       (echo ? ECHO : (tcflag_t)0);
	tcsetattr(STDIN_FILENO, TCSANOW, &mode);
}

/* Becomes stdin and stdout. Blocking is a matter of the description, and this one is ours alone. */
static int open_terminal(const char *path, struct err *err)
{
	int fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || !isatty(fd) || fcntl(fd, F_SETFL, O_RDWR) < 0 || dup2(fd, STDIN_FILENO) < 0 ||
	    dup2(fd, STDOUT_FILENO) < 0)
		return err_sys(err, "%s", path);
	close(fd);
	/* It may be another session's; without it there is a shell all the same, but no job control. */
	if (ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
		ioctl(STDIN_FILENO, TIOCSCTTY, 1);
	return 0;
}

static bool is_virtual_terminal(void)
{
	struct stat st;

	return fstat(STDIN_FILENO, &st) == 0 && major(st.st_rdev) == VIRTUAL_TERMINALS &&
	       minor(st.st_rdev) < 64;
}

/* Without the control of the terminal nobody else gets its keys: SIGHUP ends what is left of the session. */
static void give_back(void)
{
	ioctl(STDIN_FILENO, TIOCNOTTY);
}

/* --- the shell ------------------------------------------------------------------------------------------------------------ */

static void become_shell(void)
{
	char *const argv[] = { "-sh", NULL };
	char *const envp[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
			       "HOME=/root",
			       "USER=root",
			       "LOGNAME=root",
			       "SHELL=/bin/sh",
			       is_virtual_terminal() ? "TERM=linux" : "TERM=vt220",
			       NULL };

	setpgid(0, 0);
	/* from a process group in the background this would stop us */
	signal(SIGTTOU, SIG_IGN);
	tcsetpgrp(STDIN_FILENO, getpid());
	proc_default_signals(true);
	if (dup2(STDOUT_FILENO, STDERR_FILENO) < 0 || (chdir("/root") < 0 && chdir("/") < 0))
		_exit(1);
	execve("/bin/sh", argv, envp);
	dprintf(STDOUT_FILENO, "/bin/sh: %s\r\n", strerror(errno));
	_exit(1);
}

static int stay_with_shell(struct err *err)
{
	pid_t pid;
	int status;

	pid = fork();
	if (pid < 0)
		return err_sys(err, "fork");
	if (pid == 0)
		become_shell();
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, "waitpid");
	return 0;
}

/* --- the program ---------------------------------------------------------------------------------------------------------- */

static int parse(struct words *w, int argc, char **argv, struct err *err)
{
	const char *refused = "0";
	const struct cli_option options[] = {
		{ NULL, "--terminal", NULL, &w->terminal },
		{ NULL, "--refused", NULL, &refused },
		{ NULL, "--password", &w->with_password, NULL },
	};

	if (cli_options(argc, argv, options, sizeof(options) / sizeof(options[0])) != 0 ||
	    !w->terminal || !str_to_u64(refused, UINT16_MAX, &w->refused))
		return err_set(err, ERR_INPUT, "--terminal is needed");
	return 0;
}

static int take_lock(struct err *err)
{
	/* closed on exec: the shell does not have it, and a record lock is this process's anyway */
	int fd = open(SCREEN_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? err_sys(err, "%s", SCREEN_LOCK) : lock_take(fd, err);
}

int cmd_console_shell(int argc, char **argv)
{
	struct words w = { 0 };
	struct err err = { 0 };
	int code = CLI_OK;

	prctl(PR_SET_NAME, "cleat-login");
	log_init("cleat-console", LOG_INFO);
	signal(SIGHUP,
	       SIG_IGN); /* giving the terminal back sends it to its foreground, which may be us */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	if (parse(&w, argc, argv, &err) < 0)
		return CLI_USAGE;
	if (take_lock(&err) < 0 || open_terminal(w.terminal, &err) < 0) {
		log_msg(LOG_WARN, "console", "%s", err.msg);
		return SCREEN_EXIT_GONE;
	}
	set_mode(!w.with_password);
	if (w.with_password && !log_in(&w, &err))
		code = SCREEN_EXIT_REFUSED;
	set_mode(true);
	if (code == CLI_OK && stay_with_shell(&err) < 0)
		code = CLI_FAILED;
	if (code != CLI_OK)
		log_msg(LOG_WARN, "console", "%s: %s", w.terminal, err.msg);
	give_back();
	return code;
}
