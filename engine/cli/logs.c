/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat logs": containers' output. Through the control socket (Docker's framing: stdout and stderr apart); without an engine, straight from
 * the log directory when that is on this machine. The bytes of one container are its own, as podman and docker print them; of several each
 * line has its container's name in front, and lines stand in the order of their times.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/logs.h"
#include "log/log.h"
#include "util/cleanup.h"
#include "util/loop.h"
#include "util/places.h"
#include "util/str.h"
static bool read_time(const char *option, const char *text, int64_t *usec)
{
	if (!text || cli_parse_time(text, clock_real_usec(), usec))
		return true;
	fprintf(stderr,
		"cleat logs: %s %s: not a time (10m, 1h30m, 2026-11-21T10:00:00Z, or seconds since 1970)\n",
		option, text);
	return false;
}

static bool read_tail(const char *text, uint64_t *lines)
{
	if (!text || str_eq(text, "all") || str_eq(text, "-1") ||
	    str_to_u64(text, UINT64_MAX - 1, lines))
		return true;
	fprintf(stderr, "cleat logs: --tail %s: a number or \"all\" is expected\n", text);
	return false;
}

/* How many containers are named; -1: said what was wrong. */
static int read_words(int argc, char **argv, bool as_docker, struct log_query *query, bool *names)
{
	const char *tail = NULL, *since = NULL, *until = NULL;
	const struct cli_option options[] = {
		{ "-f", "--follow", &query->follow, NULL },
		{ "-t", "--timestamps", &query->timestamps, NULL },
		{ as_docker ? NULL : "-n", "--names", names, NULL },
		{ as_docker ? "-n" : NULL, "--tail", NULL, &tail },
		{ NULL, "--since", NULL, &since },
		{ NULL, "--until", NULL, &until },
	};
	int count = cli_options(argc, argv, options, sizeof(options) / sizeof(options[0]));

	if (count < 0)
		return -1;
	if (count < 1 || count > LOGS_MAX_STREAMS || !argv[1][0]) {
		fprintf(stderr, "cleat logs: 1 to %d names are expected; see \"cleat help logs\"\n",
			LOGS_MAX_STREAMS);
		return -1;
	}
	return read_tail(tail, &query->tail_lines) &&
			       read_time("--since", since, &query->since_real_usec) &&
			       read_time("--until", until, &query->until_real_usec) ?
		       count :
		       -1;
}

static void add_time(struct buf *path, const char *name, int64_t usec)
{
	if (usec)
		buf_printf(path, "&%s=%" PRId64 ".%06d", name, usec / 1000000,
			   (int)(usec % 1000000));
}

static void request_path(const char *name, const struct log_query *query, struct buf *path)
{
	buf_puts(path, "/containers/");
	cli_encode(name, path);
	buf_printf(path, "/logs?stdout=1&stderr=1&follow=%d&timestamps=%d", query->follow,
		   query->timestamps);
	if (query->tail_lines != UINT64_MAX)
		buf_printf(path, "&tail=%" PRIu64, query->tail_lines);
	add_time(path, "since", query->since_real_usec);
	add_time(path, "until", query->until_real_usec);
}

static int copy_stream(int fd, const struct cli_response *response)
{
	struct cli_frames frames = { 0 };
	char data[65536 / 8];
	struct err err;
	ssize_t n;

	if (cli_frames_feed(&frames, buf_str(&response->body), response->body.len, STDOUT_FILENO,
			    STDERR_FILENO, &err) < 0) {
		fprintf(stderr, "cleat: %s\n", err.msg);
		return CLI_FAILED;
	}
	while ((n = read(fd, data, sizeof(data))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		if (cli_frames_feed(&frames, data, (size_t)n, STDOUT_FILENO, STDERR_FILENO, &err) <
		    0) {
			fprintf(stderr, "cleat: %s\n", err.msg);
			return CLI_FAILED;
		}
	}
	if (n == 0 && cli_frames_are_whole(&frames))
		return CLI_OK;
	fprintf(stderr, "cleat: the log stream broke off\n");
	return CLI_FAILED;
}

/* The folder is called after the container; a name for a unit or a service leads there through what was published last. */
static void container_name(const char *name, char *out, size_t size)
{
	struct published_header header;
	struct published_unit *units = NULL;
	const struct published_unit *u = NULL;
	unsigned count;
	struct err err;

	if (cli_read_published(&header, &units, &count, &err) == 0)
		u = cli_find_unit(units, count, name, &err);
	str_copy(out, size, u ? u->name : name);
	free(units);
}

/* -1: there is nothing to read on this machine. */
static int logs_from_disk(const char *name, const struct log_query *query)
{
	static const char *const roots[] = { CLEAT_LOG_DIR, CLEAT_RUN_LOGS };
	char container[256], path[512];
	struct err err;

	container_name(name, container, sizeof(container));
	if (!cli_is_inside() || strchr(container, '/') || container[0] == '.')
		return -1;
	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		auto_fd int fd = -1;

		snprintf(path, sizeof(path), "%s/%s", roots[i], container);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			continue;
		fprintf(stderr, "cleat: the engine does not answer; reading %s\n", path);
		if (log_stream(fd, query, STDOUT_FILENO, &err) == 0)
			return CLI_OK;
		fprintf(stderr, "cleat: %s: %s\n", path, err.msg);
		return CLI_FAILED;
	}
	return -1;
}

/* A refusal; the rest of its body may still be on the way. */
static int print_refusal(int fd, struct cli_response *response)
{
	char message[700], data[4096];
	ssize_t n;

	while (response->body.len < 65536 && (n = read(fd, data, sizeof(data))) > 0)
		buf_add(&response->body, data, (size_t)n);
	cli_message(response, message, sizeof(message));
	fprintf(stderr, "cleat: %s\n", message);
	return CLI_FAILED;
}

/* With the time in front whatever was asked for: it is what lines are sorted by. */
static int open_one(const char *name, const struct log_query *query, struct logs_stream *stream)
{
	struct log_query stamped = *query;
	auto_buf path = BUF_INIT(4096);
	struct err err;
	int result;

	stamped.timestamps = true;
	request_path(name, &stamped, &path);
	if (buf_check(&path, "the name", &err) < 0) {
		fprintf(stderr, "cleat logs: %s\n", err.msg);
		return CLI_USAGE;
	}
	logs_stream_init(stream, name);
	stream->fd = cli_open_stream("GET", buf_str(&path), &stream->response, &err);
	if (stream->fd < 0) {
		fprintf(stderr, "cleat: %s\n", err.msg);
		return CLI_NO_ENGINE;
	}
	if (stream->response.status == 200)
		return CLI_OK;
	result = print_refusal(stream->fd, &stream->response);
	return result;
}

static int logs_of_several(char **names, unsigned count, const struct log_query *query)
{
	struct logs_stream *streams = calloc(count, sizeof(*streams));
	int result = CLI_OK;
	unsigned opened = 0;

	if (!streams) {
		fprintf(stderr, "cleat logs: out of memory\n");
		return CLI_FAILED;
	}
	while (result == CLI_OK && opened < count) {
		result = open_one(names[opened], query, &streams[opened]);
		opened++;
	}
	if (result == CLI_OK)
		result = logs_merge(streams, count, query->timestamps, query->follow);
	for (unsigned i = 0; i < opened; i++)
		logs_stream_fini(&streams[i]);
	free(streams);
	return result;
}

static int logs_of_one(const char *name, const struct log_query *query)
{
	auto_buf path = BUF_INIT(4096);
	struct cli_response response = { 0 };
	auto_fd int fd = -1;
	struct err err;
	int result;

	request_path(name, query, &path);
	if (buf_check(&path, "the name", &err) < 0) {
		fprintf(stderr, "cleat logs: %s\n", err.msg);
		return CLI_USAGE;
	}
	fd = cli_open_stream("GET", buf_str(&path), &response, &err);
	if (fd < 0) {
		result = logs_from_disk(name, query);
		if (result < 0) {
			fprintf(stderr, "cleat: %s\n", err.msg);
			result = CLI_NO_ENGINE;
		}
	} else {
		result = response.status == 200 ? copy_stream(fd, &response) :
						  print_refusal(fd, &response);
	}
	buf_fini(&response.body);
	return result;
}

int cmd_logs(int argc, char **argv)
{
	return cli_logs(argc, argv, false);
}

int cli_logs(int argc, char **argv, bool as_docker)
{
	struct log_query query = { .want_stdout = true,
				   .want_stderr = true,
				   .tail_lines = UINT64_MAX };
	bool names = false;
	int count = read_words(argc, argv, as_docker, &query, &names);

	if (count < 0)
		return CLI_USAGE;
	return count == 1 && !names ? logs_of_one(argv[1], &query) :
				      logs_of_several(argv + 1, (unsigned)count, &query);
}
