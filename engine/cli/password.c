/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat password": makes of a password what RootPassword= takes. From a terminal it is asked for twice and not shown; else it is the first line of
 * standard input. Must never take it as a word of the command line, where everybody sees it.
 */
#include <crypt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "util/str.h"

#define MIN_BYTES 8
#define SALT_BYTES 16

static volatile sig_atomic_t ended_by;

static void note_end(int number)
{
	ended_by = number;
}

/* A terminal gives whole lines: when there is something, nobody is waited for. A signal counts whenever it comes, also before the wait. */
static char *read_line(const sigset_t *unblocked, char *out, size_t size)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

	return ppoll(&input, 1, NULL, unblocked) < 0 ? NULL : fgets(out, (int)size, stdin);
}

/* Who gives up at the prompt gets a terminal back that shows what is typed. */
static char *read_unseen(const char *prompt, const struct termios *mode, char *out, size_t size)
{
	static const int ends[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP };
	const struct sigaction action = { .sa_handler = note_end };
	struct sigaction before[sizeof(ends) / sizeof(ends[0])];
	struct termios quiet = *mode;
	sigset_t blocked, unblocked;
	char *line;

	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		sigaddset(&blocked, ends[i]);
		sigaction(ends[i], &action, &before[i]);
	}
	sigprocmask(SIG_BLOCK, &blocked, &unblocked);
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	/* asked first, a quick answer would be seen and lost */
	fprintf(stderr, "%s", prompt);
	line = read_line(&unblocked, out, size);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, mode);
	fprintf(stderr, "\n");
	sigprocmask(SIG_SETMASK, &unblocked, NULL);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		sigaction(ends[i], &before[i], NULL);
	if (ended_by)
		raise(ended_by);
	return line;
}

static int read_one(const char *prompt, char *out, size_t size)
{
	struct termios mode;
	char *line = tcgetattr(STDIN_FILENO, &mode) == 0 ? read_unseen(prompt, &mode, out, size) :
							   fgets(out, (int)size, stdin);

	if (!line || !strchr(out, '\n'))
		return -1;
	out[strcspn(out, "\n")] = '\0';
	return 0;
}

static int make_salt(char *out, size_t size)
{
	static const char letters[] =
		"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	unsigned char bytes[SALT_BYTES];
	char salt[SALT_BYTES + 1] = "";

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -1;
	for (unsigned i = 0; i < SALT_BYTES; i++)
		salt[i] = letters[bytes[i] % 64];
	snprintf(out, size, "$6$%s", salt);
	return 0;
}

static const char *read_password(char *first, char *again, size_t size)
{
	if (read_one("Password: ", first, size) < 0)
		return "there is no line with a password, or it is longer than 126 bytes";
	if (strlen(first) < MIN_BYTES)
		return "a password has at least 8 bytes";
	if (isatty(STDIN_FILENO) &&
	    (read_one("The same again: ", again, size) < 0 || !str_eq(first, again)))
		return "these are two passwords";
	return NULL;
}

int cmd_password(int argc, char **argv)
{
	char first[128], again[128], salt[SALT_BYTES + 8];
	int words = cli_options(argc, argv, NULL, 0);
	const char *problem, *hash;

	if (words != 0)
		return words < 0 ? CLI_USAGE : cli_usage("password", "the password is asked for");
	problem = read_password(first, again, sizeof(first));
	if (!problem && make_salt(salt, sizeof(salt)) < 0)
		problem = "no random bytes";
	hash = problem ? NULL : crypt(first, salt);
	explicit_bzero(first, sizeof(first));
	explicit_bzero(again, sizeof(again));
	if (!problem && (!hash || hash[0] == '*'))
		problem = "crypt(3) does not know SHA-512 here";
	if (problem) {
		fprintf(stderr, "cleat password: %s\n", problem);
		return CLI_FAILED;
	}
	printf("%s\n", hash);
	return CLI_OK;
}
