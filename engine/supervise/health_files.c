/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where results of health checks go: the container's record on tmpfs, the engine's log, a folder that the unit names. That one
 * may lie on a disk that stalls: it is written by a process of its own, one at a time, and what comes meanwhile is in the next
 * one's file. Must never write anywhere but below CLEAT_RUN_DIR itself.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervise/health_log.h"
#include "supervise/internal.h"
#include "util/cleanup.h"
#include "util/digest.h"
#include "util/file.h"
#include "util/str.h"

static bool writer_runs;
static unsigned written; /* whose log it is */

static void write_next(struct engine *e);

static void on_written(void *arg, pid_t pid, int wait_status)
{
	struct engine *e = arg;

	(void)pid;
	writer_runs = false;
	e->entries[written].turn.log_fails = !WIFEXITED(wait_status) || WEXITSTATUS(wait_status);
	write_next(e);
}

/* Docker's id of a container, as the control socket shows it. */
static void file_name(const char *container, char out[128])
{
	char digest[DIGEST_STR_LEN + 1];

	digest_of(container, strlen(container), digest);
	snprintf(out, 128, "%s-healthcheck.log", strchr(digest, ':') + 1);
}

static int make_text(struct engine *e, unsigned index, struct err *err)
{
	auto_fd int fd = memfd_create("health", MFD_CLOEXEC);
	auto_buf text = BUF_INIT(2 * HEALTH_LOG_MAX_BYTES);
	struct json json = JSON_TO(&text);
	auto_arena arena = { 0 };
	struct core_unit_view view;
	struct health_log log;
	char path[128];

	if (fd < 0)
		return err_sys(err, "memfd_create");
	core_view(e->core, index, &view);
	health_log_path(e->entries[index].run.id, path);
	if (health_log_read(path, &arena, &log, err) < 0)
		return -1;
	json_object(&json, NULL);
	health_log_json(&log, core_health_name(view.health), view.probe_failures, &json);
	json_object_end(&json);
	buf_putc(&text, '\n');
	if (buf_check(&text, "health log", err) < 0 ||
	    file_write_all(fd, text.data, text.len, err) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, "lseek");
	return take_fd(&fd);
}

static int spawn_writer(struct engine *e, unsigned index, struct err *err)
{
	const struct engine_entry *entry = &e->entries[index];
	char name[128], folder[4096];
	char *argv[] = { "cleat", "health-log", folder, name, NULL };
	auto_fd int text = make_text(e, index, err);
	struct proc_spawn spawn = {
		.path = CLEAT_PROGRAM,
		.argv = argv,
		.cgroup_fd = e->work_cgroup,
		/* why it fails is said once, not after each probe */
		.fds = { text, -1, entry->turn.log_fails ? -1 : STDERR_FILENO },
		.fd_count = 3,
	};

	if (text < 0)
		return -1;
	file_name(entry->name, name);
	if (!str_copy(folder, sizeof(folder), entry->health.log_directory))
		return err_set(err, ERR_LIMIT, "the folder's path is too long");
	return children_spawn(e, &spawn, on_written, e, NULL, err);
}

static void write_next(struct engine *e)
{
	static unsigned begin; /* in turn */

	for (unsigned i = 0; !writer_runs && i < e->count; i++) {
		unsigned index = (begin + i) % e->count;
		struct engine_entry *entry = &e->entries[index];
		struct err err;

		if (!entry->turn.log_is_due)
			continue;
		entry->turn.log_is_due = false;
		if (!entry->run.id[0] || !entry->health.log_directory)
			continue;
		begin = index + 1;
		written = index;
		writer_runs = spawn_writer(e, index, &err) == 0;
		if (!writer_runs)
			log_msg(LOG_WARN, "health", "%s: %s: %s", entry->name,
				entry->health.log_directory, err.msg);
	}
}

/* Docker's numbers: -1 for what never came to an exit code. */
static int exit_code(const struct shim_probe_result *result)
{
	switch ((enum shim_probe_verdict)result->verdict) {
	case SHIM_PROBE_PASS:
		return 0;
	case SHIM_PROBE_FAIL:
		return result->exit_code ? result->exit_code : 1;
	case SHIM_PROBE_TIMEOUT:
	case SHIM_PROBE_ERROR:
	case SHIM_PROBE_BUSY:
	case SHIM_PROBE_CANCELLED:
		break;
	}
	return -1;
}

static void format_output(const struct engine_entry *entry, const struct shim_probe_result *result,
			  const char *output, char *out, size_t size)
{
	uint64_t timeout = entry->turn.startup ? entry->health.startup.timeout_usec :
						 entry->health.timeout_usec;

	if (result->verdict == SHIM_PROBE_TIMEOUT)
		snprintf(out, size, "Health check exceeded timeout (%g s)%s%s",
			 (double)timeout / 1e6, output[0] ? ": " : "", output);
	else
		snprintf(out, size, "%s", output);
	if (strlen(out) > entry->health.log_bytes)
		out[entry->health.log_bytes] = '\0';
}

void health_keep(struct engine *e, unsigned index, const struct shim_probe_result *result,
		 const char *output)
{
	struct engine_entry *entry = &e->entries[index];
	char text[SHIM_PROBE_OUTPUT_MAX + 128], path[128];
	struct health_result kept = {
		.end_real_usec = clock_real_usec(),
		.exit_code = exit_code(result),
		.startup = entry->turn.startup,
		.output = text,
	};
	struct err err;

	format_output(entry, result, output, text, sizeof(text));
	kept.start_real_usec = kept.end_real_usec - (int64_t)result->took_usec;
	health_log_path(entry->run.id, path);
	if (health_log_add(path, &kept, entry->health.log_count, &err) < 0)
		log_msg(LOG_WARN, "health", "%s: %s", entry->name, err.msg);
	if (entry->health.log_to_engine)
		log_msg(LOG_INFO, "health", "%s: exit code %d: %.*s", entry->name, kept.exit_code,
			(int)strcspn(text, "\n"), text);
	if (!entry->health.log_directory)
		return;
	entry->turn.log_is_due = true;
	write_next(e);
}
