/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What PID 1 and the steps of the boot have for the engine: their notes, the watchdog that wants to see the loop turn, and safe mode after too
 * many crashes. Must never do more in safe mode than show and obey: what the engine crashed over may be anything that it reads.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "supervise/boot.h"
#include "supervise/boot_settings.h"
#include "supervise/files.h"
#include "supervise/internal.h"
#include "supervise/update.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/path.h"
#include "util/str.h"

#define NOTE_MAX_BYTES 4096u
#define MAX_NOTE_FILES 32u
#define MAX_LINES 8u /* of one step */
#define MARK CLEAT_BOOT_DIR "/engine"

/* "LEVEL TEXT" */
static void read_note(struct engine *e, const char *file, char *line)
{
	if (line[0] < '0' || line[0] > '2' || line[1] != ' ' || !line[2]) {
		log_msg(LOG_WARN, "boot", "%s/%s: not a note: %s", CLEAT_BOOT_DIR, file, line);
		return;
	}
	publish_note(e, (unsigned)(line[0] - '0'), "%s", line + 2);
}

static void read_notes(struct engine *e, int dir, const char *file)
{
	auto_buf text = BUF_INIT(NOTE_MAX_BYTES);
	struct err err;
	unsigned left = MAX_LINES;

	if (file_read_at(dir, file, NOTE_MAX_BYTES, &text, &err) < 0) {
		log_msg(LOG_WARN, "boot", "%s/%s: %s", CLEAT_BOOT_DIR, file, err.msg);
		return;
	}
	for (char *line = text.data; line && *line && left; left--) {
		char *end = strchr(line, '\n');

		if (end)
			*end = '\0';
		read_note(e, file, line);
		line = end ? end + 1 : NULL;
	}
}

void boot_notes_read(struct engine *e)
{
	auto_dir DIR *dir = opendir(CLEAT_BOOT_DIR);
	unsigned left = MAX_NOTE_FILES;

	for (struct dirent *entry; dir && left && (entry = readdir(dir));) {
		if (!str_ends(entry->d_name, ".note"))
			continue;
		read_notes(e, dirfd(dir), entry->d_name);
		left--;
	}
}

void boot_leave_mark(struct engine *e)
{
	struct err err;

	if (e->run_layout_unknown)
		return;
	if (path_mkdirs(CLEAT_BOOT_DIR, 0755, &err) < 0 ||
	    file_write_atomic(AT_FDCWD, MARK, "", 0, 0644, false, &err) < 0)
		log_msg(LOG_WARN, "boot", "%s", err.msg);
}

/* A turn of the loop is all it takes: each one writes its time down. */
static void on_tick(struct loop *loop, usec_t now, void *arg)
{
	const struct engine *e = arg;

	loop_timer_set(loop, e->watchdog_timer, now + e->watchdog_usec);
}

void boot_watchdog_start(struct engine *e)
{
	const char *text = getenv("CLEAT_WATCHDOG_USEC");
	uint64_t usec;

	if (!text || !str_to_u64(text, 3600 * USEC_SEC, &usec) || !usec)
		return;
	e->watchdog_usec = usec;
	e->watchdog_timer = loop_timer(e->loop, clock_now_usec() + usec, on_tick, e);
}

/* --- safe mode ------------------------------------------------------------------------------- */

bool boot_is_safe_mode(void)
{
	return getenv(SAFE_MODE_VARIABLE) != NULL;
}

void boot_leave_safe_mode(void)
{
	unsetenv(SAFE_MODE_VARIABLE);
}

/* No unit is read, none adopted; what is published of units is what the engine before has left. */
int boot_set_up_safe(struct engine *e, struct err *err)
{
	e->shims_cgroup = e->work_cgroup = -1;
	e->header.safe_mode = 1;
	boot_settings_take(e);
	e->data_present = access(CLEAT_DATA_DIR, F_OK) == 0;
	e->data_writable = e->data_present && access(CLEAT_DATA_DIR, W_OK) == 0;
	err_set(&e->store_error, ERR_BUSY, "safe mode");
	events_open(e);
	if (files_open(e, err) < 0)
		return -1;
	e->core = core_new(NULL, NULL);
	if (core_link(e->core, err) < 0)
		return -1;
	update_open(e);
	boot_notes_read(e);
	publish_note(
		e, 2,
		"safe mode: the engine has crashed too often; containers go on, nothing is started, watched or stopped; \"cleat reload\" tries again, \"cleat upgrade\" with another program");
	return 0;
}
