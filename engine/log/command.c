/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat log-stream": the worker behind a client that reads a container's log. It is started with
 * the log directory as descriptor 3 and the client as descriptors 0 and 1, keeps these, and becomes
 * IDS_WORKER_LOG with a handful of system calls before it reads the first line. Who follows a container
 * that has not started yet has it make the directory as the shim would: the disk may stall here, and not
 * in the engine. Must never open anything by a path that a client named.
 */
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/directory.h"
#include "log/log.h"
#include "log/stream.h"
#include "util/cleanup.h"
#include "util/ids.h"
#include "util/proc.h"
#include "util/str.h"

#define DIR_FD 3
#define EXIT_USAGE 2
#define REAL_USEC_MAX INT64_C(253402300799000000) /* end of the year 9999 */

static const char usage[] =
	"log-stream [--follow] [--timestamps] [--docker-frames] [--no-stdout] [--no-stderr] "
	"[--tail=N] [--since=USEC] [--until=USEC] [--alive=PATH] [--make=PATH | --make-chosen=PATH]";

static bool *flag_of(struct log_query *q, const char *word, bool *value)
{
	*value = !str_starts(word, "--no-");
	if (str_eq(word, "--follow"))
		return &q->follow;
	if (str_eq(word, "--timestamps"))
		return &q->timestamps;
	if (str_eq(word, "--docker-frames"))
		return &q->docker_frames;
	if (str_eq(word, "--no-stdout"))
		return &q->want_stdout;
	if (str_eq(word, "--no-stderr"))
		return &q->want_stderr;
	return NULL;
}

static const char *value_of(const char *word, const char *name)
{
	return str_starts(word, name) ? word + strlen(name) : NULL;
}

struct words {
	struct log_query query;
	const char *make; /* the directory is not there yet; NULL: it is descriptor 3 */
	bool is_chosen;	  /* ... by the unit */
};

static int parse_word(struct words *w, const char *word, struct err *err)
{
	struct log_query *q = &w->query;
	const char *v;
	bool flag_value;
	bool *flag = flag_of(q, word, &flag_value);
	bool ok = true;

	if (flag)
		*flag = flag_value;
	else if ((v = value_of(word, "--tail=")))
		ok = str_to_u64(v, UINT64_MAX, &q->tail_lines);
	else if ((v = value_of(word, "--since=")))
		ok = str_to_i64(v, 0, REAL_USEC_MAX, &q->since_real_usec);
	else if ((v = value_of(word, "--until=")))
		ok = str_to_i64(v, 0, REAL_USEC_MAX, &q->until_real_usec);
	else if ((v = value_of(word, "--alive=")))
		q->alive_path = v;
	else if ((v = value_of(word, "--make=")) || (v = value_of(word, "--make-chosen=")))
		w->make = v;
	else
		return err_set(err, ERR_INPUT, "%s: unknown option; %s", word, usage);
	w->is_chosen |= str_starts(word, "--make-chosen=");
	return ok ? 0 : err_set(err, ERR_INPUT, "%s: not a number in range", word);
}

static int make_directory(const struct words *w, struct err *err)
{
	auto_fd int fd = log_directory_open(w->make, true, err);

	if (fd < 0 || log_directory_adopt(fd, w->is_chosen, err) < 0)
		return -1;
	if (fd == DIR_FD) {
		take_fd(&fd);
		return 0;
	}
	return dup2(fd, DIR_FD) < 0 ? err_sys(err, "%s", w->make) : 0;
}

static int confine(struct err *err)
{
	static const int extra[] = { SCMP_SYS(openat), -1 };
	static const char *const read_paths[] = { ".", NULL };
	struct proc_confine c = {
		.uid = IDS_WORKER_LOG,
		.gid = IDS_WORKER_LOG,
		.read_paths = read_paths,
		.syscalls = extra,
	};

	return proc_confine(&c, err);
}

int cmd_log_stream(int argc, char **argv)
{
	struct words words = {
		.query = { .want_stdout = true, .want_stderr = true, .tail_lines = UINT64_MAX },
	};
	struct log_reader reader = { .inotify_fd = -1, .alive_fd = -1 };
	struct err err;

	log_init("cleat log-stream", LOG_INFO);
	signal(SIGPIPE, SIG_IGN);
	for (int i = 1; i < argc; i++)
		if (parse_word(&words, argv[i], &err) < 0) {
			log_msg(LOG_ERROR, "log", "%s", err.msg);
			return EXIT_USAGE;
		}
	/* Rights go last: directory, events and the sign of life are opened as root. */
	if ((words.make && make_directory(&words, &err) < 0) ||
	    log_reader_open(&reader, DIR_FD, &words.query, &err) < 0 || confine(&err) < 0 ||
	    log_reader_run(&reader, STDOUT_FILENO, &err) < 0) {
		log_msg(LOG_ERROR, "log", "%s", err.msg);
		return 1;
	}
	return 0;
}
