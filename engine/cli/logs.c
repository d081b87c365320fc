/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat logs": a container's output. Through the control socket (Docker's framing: stdout and stderr apart); without an engine,
 * straight from the log directory when that is on this machine. The bytes are the container's own, as podman and docker
 * print them.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
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
	if (!text || str_eq(text, "all") || str_to_u64(text, UINT64_MAX - 1, lines))
		return true;
	fprintf(stderr, "cleat logs: --tail %s: a number or \"all\" is expected\n", text);
	return false;
}

/* False: said what was wrong. */
static bool read_words(int argc, char **argv, struct log_query *query)
{
	const char *tail = NULL, *since = NULL, *until = NULL;
	const struct cli_option options[] = {
		{ "-f", "--follow", &query->follow, NULL },
		{ "-t", "--timestamps", &query->timestamps, NULL },
		{ "-n", "--tail", NULL, &tail },
		{ NULL, "--since", NULL, &since },
		{ NULL, "--until", NULL, &until },
	};
	int count = cli_options(argc, argv, options, sizeof(options) / sizeof(options[0]));

	if (count < 0)
		return false;
	if (count != 1 || !argv[1][0]) {
		fprintf(stderr, "cleat logs: one name is expected; see \"cleat help logs\"\n");
		return false;
	}
	return read_tail(tail, &query->tail_lines) &&
	       read_time("--since", since, &query->since_real_usec) &&
	       read_time("--until", until, &query->until_real_usec);
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

int cmd_logs(int argc, char **argv)
{
	struct log_query query = { .want_stdout = true,
				   .want_stderr = true,
				   .tail_lines = UINT64_MAX };
	auto_buf path = BUF_INIT(4096);
	struct cli_response response = { 0 };
	auto_fd int fd = -1;
	struct err err;
	int result;

	if (!read_words(argc, argv, &query))
		return CLI_USAGE;
	request_path(argv[1], &query, &path);
	if (buf_check(&path, "the name", &err) < 0) {
		fprintf(stderr, "cleat logs: %s\n", err.msg);
		return CLI_USAGE;
	}
	fd = cli_open_stream("GET", buf_str(&path), &response, &err);
	if (fd < 0) {
		result = logs_from_disk(argv[1], &query);
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
