/* SPDX-License-Identifier: Apache-2.0 */
/*
 * healthcheck run: the container's check now, through the engine, which counts the result like any other; and health-log, the
 * process that writes results into a folder for the engine, because that folder's disk may stall. Exit codes are podman's: 0
 * passed, 1 did not, 125 there was no result.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <seccomp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "supervise/health_log.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/places.h"
#include "util/proc.h"
#include "util/str.h"
#include "yyjson.h"

enum { NO_RESULT = 125 };

static int no_result(const char *text)
{
	fprintf(stderr, "cleat healthcheck run: %s\n", text);
	return NO_RESULT;
}

static void trim_end(char *text)
{
	for (size_t n = strlen(text); n > 0 && text[n - 1] == '\n'; n--)
		text[n - 1] = '\0';
}

/* Prints what is wrong, as podman does: a pass says nothing. */
static int print_result(const struct cli_response *response)
{
	yyjson_doc *doc = yyjson_read(buf_str(&response->body), response->body.len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc);
	yyjson_val *code = yyjson_obj_get(root, "ExitCode");
	const char *status = yyjson_get_str(yyjson_obj_get(root, "Status"));
	const char *output = yyjson_get_str(yyjson_obj_get(root, "Output"));
	int result = NO_RESULT;

	if (!yyjson_is_int(code) || !status)
		no_result("the engine's answer has no result");
	else if ((result = yyjson_get_sint(code) == 0 ? CLI_OK : CLI_FAILED) != CLI_OK) {
		char text[1024];

		str_copy_text(text, sizeof(text), output ? output : "");
		trim_end(text);
		cli_clean(text);
		printf("%s%s%s\n", status, text[0] ? ": " : "", text);
	}
	yyjson_doc_free(doc);
	return result;
}

int cmd_healthcheck_run(int argc, char **argv)
{
	struct cli_response response = { 0 };
	auto_buf path = BUF_INIT(2048);
	bool ignore = false;
	const struct cli_option options[] = { { NULL, "--ignore-result", &ignore, NULL } };
	int words = cli_options(argc, argv, options, 1), result;
	struct err err;

	if (words != 1 || !argv[1][0])
		return words < 0 ? NO_RESULT : no_result("the name of one container is expected");
	buf_puts(&path, "/cleat/v1/units/");
	cli_encode(argv[1], &path);
	buf_puts(&path, "/healthcheck");
	if (buf_check(&path, "the name", &err) < 0 ||
	    cli_request("POST", path.data, &response, &err) < 0) {
		result = no_result(err.msg);
	} else if (response.status != 200) {
		char message[700];

		cli_message(&response, message, sizeof(message));
		result = no_result(message);
	} else {
		result = print_result(&response);
	}
	buf_fini(&response.body);
	return ignore && result == CLI_FAILED ? CLI_OK : result;
}

static void print_check(const struct health_result *r)
{
	time_t seconds = (time_t)(r->start_real_usec / 1000000);
	char when[24] = "", text[512];
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(when, sizeof(when), "%H:%M:%S", &tm);
	str_copy_text(text, sizeof(text), r->output);
	trim_end(text);
	cli_clean(text);
	printf("  %-10s %s %sexit code %d%s%s\n", "check", when, r->startup ? "startup " : "",
	       r->exit_code, text[0] ? ": " : "", text);
}

void cli_print_checks(const char *run_id)
{
	auto_arena arena = { 0 };
	struct health_log log;
	char path[128];
	struct err err;

	/* with --socket the run directories are another machine's */
	if (!cli_is_inside() || !str_is_hex(run_id, CLEAT_RUNID_LEN))
		return;
	health_log_path(run_id, path);
	if (health_log_read(path, &arena, &log, &err) < 0)
		return;
	for (size_t i = 0; i < log.count; i++)
		print_check(&log.items[i]);
}

/* A container may own what lies on the way: no link leads anywhere. */
static int open_folder(const char *path, struct err *err)
{
	struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
				.resolve = RESOLVE_NO_SYMLINKS };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	return fd < 0 ? err_sys(err, "%s", path) : fd;
}

/* Below /data the last folder is made when it is missing, as the source of a volume is. */
static int open_log_folder(const char *path, struct err *err)
{
	auto_fd int parent = -1;
	char above[4096];
	char *slash;
	int fd = open_folder(path, err);

	if (fd >= 0 || errno != ENOENT || !str_starts(path, CLEAT_DATA_DIR "/"))
		return fd;
	if (!str_copy(above, sizeof(above), path) || !(slash = strrchr(above, '/')))
		return -1;
	*slash = '\0';
	parent = open_folder(above, err);
	if (parent < 0)
		return -1;
	if (mkdirat(parent, slash + 1, 0755) < 0 && errno != EEXIST)
		return err_sys(err, "%s", path);
	return open_folder(path, err);
}

/* Root, for the files are root's, but of its rights only the one to write where somebody else owns the folder, and no other folder. */
static int confine(int folder, struct err *err)
{
	static const int extra[] = { SCMP_SYS(openat),	  SCMP_SYS(fchmod),   SCMP_SYS(renameat),
				     SCMP_SYS(renameat2), SCMP_SYS(unlinkat), -1 };
	static const int caps[] = { CAP_DAC_OVERRIDE, -1 };
	static const char *const here[] = { ".", NULL };
	struct proc_confine c = { .keep_caps = caps, .write_paths = here, .syscalls = extra };

	if (fchdir(folder) < 0)
		return err_sys(err, "fchdir");
	return proc_confine(&c, err);
}

static int write_log(const char *folder, const char *name, struct err *err)
{
	auto_buf text = BUF_INIT(2 * HEALTH_LOG_MAX_BYTES);
	auto_fd int fd = -1;

	if (file_read_fd(STDIN_FILENO, 2 * HEALTH_LOG_MAX_BYTES, &text, err) < 0)
		return -1;
	fd = open_log_folder(folder, err);
	if (fd < 0 || confine(fd, err) < 0)
		return -1;
	return file_write_atomic(fd, name, text.data, text.len, 0600, false, err);
}

int cmd_health_log(int argc, char **argv)
{
	struct err err;

	if (argc != 3 || strchr(argv[2], '/'))
		return cli_usage("health-log", "what is expected is a folder and a file's name");
	return write_log(argv[1], argv[2], &err) == 0 ? CLI_OK : cli_fail("health-log", &err);
}
