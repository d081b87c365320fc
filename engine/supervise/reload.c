/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From "something has changed" to a new engine. A child reads all units first, with the same code: where the configuration hangs,
 * the child hangs; what only looks changed changes nothing; a directory that cannot be read takes nothing away. Then the engine
 * becomes a new one by exec, which adopts what runs and does what differs.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervise/boot.h"
#include "supervise/files.h"
#include "supervise/units_confine.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/json.h"
#include "util/str.h"

#define SLOW_USEC (10 * USEC_SEC)
#define HOLD_LOOK_USEC (50 * USEC_MSEC)
#define HOLD_MAX_USEC (20 * USEC_SEC)
#define NOTE "unit files: "
#define ANSWER_MAX_BYTES 4096

static void on_hold(struct loop *loop, usec_t now, void *arg);

/* Who waits for what his order comes to would lose his answer with the connection. Not for ever: a unit may take long to stop. */
static bool is_held(struct engine *e)
{
	struct files_check *check = &e->files->check;
	usec_t now = loop_now(e->loop);

	if (!e->control || !e->hooks->control_is_waited_for(e->control))
		return false;
	if (!check->hold)
		check->held_since = now;
	loop_remove(e->loop, check->hold);
	check->hold = NULL;
	if (now - check->held_since >= HOLD_MAX_USEC)
		return false;
	check->hold = loop_timer(e->loop, now + HOLD_LOOK_USEC, on_hold, e);
	return true;
}

/* Nobody who connects meanwhile is turned away. */
static void hand_on(struct engine *e, bool on)
{
	status_server_hand_on(e, on);
	if (e->control)
		e->hooks->control_hand_on(e->control, on);
}

static void become_new(struct engine *e)
{
	char *const argv[] = { "cleat", "engine", NULL };

	if (e->stopping || is_held(e))
		return;
	console_step(e, "reading the units again");
	event_emit(e, EVENT_RELOAD, EVENT_OF_APPLIANCE, NULL);
	hand_on(e, true);
	execv("/proc/self/exe", argv);
	hand_on(e, false);
	log_msg(LOG_ERROR, "engine", "reload: exec: %s", strerror(errno));
}

static void on_hold(struct loop *loop, usec_t now, void *arg)
{
	(void)loop;
	(void)now;
	become_new(arg);
}

static void on_slow(struct loop *loop, usec_t now, void *arg)
{
	struct engine *e = arg;

	(void)loop;
	(void)now;
	publish_note(e, 1, NOTE "%s has not been read for %u s: what runs goes on", CLEAT_UNIT_DIR,
		     (unsigned)(SLOW_USEC / USEC_SEC));
}

/* "d" and the digest, or "e" and a text. */
static void judge(struct engine *e, const struct buf *answer)
{
	struct files *f = e->files;

	f->check_error[0] = '\0';
	publish_drop_notes(e, NOTE);
	if (answer->len == 1 + sizeof(f->digest) && answer->data[0] == 'd') {
		if (f->check.is_forced ||
		    memcmp(answer->data + 1, f->digest, sizeof(f->digest)) != 0)
			become_new(e);
		return;
	}
	str_copy_text(f->check_error, sizeof(f->check_error),
		      answer->len > 1 && answer->data[0] == 'e' ?
			      buf_str(answer) + 1 :
			      "the process that reads units has died");
	publish_note(e, 2, NOTE "%s: what runs goes on", f->check_error);
}

static void on_ended(void *arg, pid_t pid, int wait_status)
{
	struct engine *e = arg;
	struct files_check *check = &e->files->check;
	auto_buf answer = BUF_INIT(ANSWER_MAX_BYTES);
	bool again = check->again;
	struct err err;

	(void)wait_status;
	if (pid != check->pid)
		return;
	check->pid = 0;
	loop_remove(e->loop, check->timer);
	check->timer = NULL;
	if (file_read_fd(check->fd, ANSWER_MAX_BYTES, &answer, &err) < 0)
		log_msg(LOG_WARN, "units", "%s", err.msg);
	close_fd(&check->fd);
	if (again) {
		check->again = false;
		files_check(e, check->is_forced);
		return;
	}
	judge(e, &answer);
	check->is_forced = false;
}

void files_check(struct engine *e, bool is_forced)
{
	struct files_check *check = &e->files->check;
	char *argv[] = { "cleat", "units-read", NULL };
	int ends[2];
	struct err err;

	if (e->stopping)
		return;
	check->is_forced |= is_forced;
	check->again = check->pid != 0;
	if (check->pid)
		return;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		log_msg(LOG_ERROR, "units", "pipe: %s", strerror(errno));
		return;
	}

	struct proc_spawn spawn = {
		.path = "/proc/self/exe",
		.argv = argv,
		.cgroup_fd = e->work_cgroup,
		.fds = { -1, ends[1], -1 },
		.fd_count = 3,
	};
	int rc = children_spawn(e, &spawn, on_ended, e, &check->pid, &err);

	close(ends[1]);
	check->fd = ends[0];
	if (rc < 0) {
		close_fd(&check->fd);
		str_copy(e->files->check_error, sizeof(e->files->check_error), err.msg);
		log_msg(LOG_ERROR, "units", "%s", err.msg);
		return;
	}
	check->timer = loop_timer(e->loop, loop_now(e->loop) + SLOW_USEC, on_slow, e);
}

void engine_reload(struct engine *e)
{
	if (e->is_safe_mode) {
		boot_leave_safe_mode();
		become_new(e);
		return;
	}
	files_check(e, true);
}

/* --- the child ------------------------------------------------------------------------------------------------------------ */

static int answer_error(const char *text)
{
	auto_buf out = BUF_INIT(ANSWER_MAX_BYTES);
	struct err err;

	buf_printf(&out, "e%s", text);
	return file_write_all(STDOUT_FILENO, out.data, out.len, &err) == 0 ? 0 : 1;
}

int cmd_units_read(int argc, char **argv)
{
	struct engine *e = calloc(1, sizeof(*e));
	char answer[1 + sizeof(e->files->digest)] = "d";
	struct err err;

	(void)argv;
	log_init("cleat-units", LOG_ERROR);
	if (!e || argc > 1 || files_open(e, &err) < 0)
		return 2;
	e->files->is_check = true;
	e->data_present = true;
	unit_facts_init(&e->unit_facts, &e->arena, CLEAT_HOME_DIR);
	if (units_confine(UNITS_READ, &err) < 0)
		return answer_error(err.msg);
	files_read(e);
	if (e->files->is_unreadable)
		return answer_error(e->files->unreadable_why);
	memcpy(answer + 1, e->files->digest, sizeof(e->files->digest));
	return file_write_all(STDOUT_FILENO, answer, sizeof(answer), &err) == 0 ? 0 : 1;
}

/* --- what an operator asks ------------------------------------------------------------------------------------------------ */

int engine_choose(struct engine *e, const char *unit, enum choices_verb verb, struct err *err)
{
	struct files *f = e->files;

	if (e->stop_wanted)
		return err_set(err, ERR_BUSY, "the appliance is stopping");
	if (!e->data_writable)
		return err_set(err, ERR_UNSUPPORTED, "%s cannot be written: nothing can be kept",
			       CLEAT_DATA_DIR);
	if (choices_make(&f->choices, unit, verb, err) < 0)
		return -1;
	if (mkdir(CLEAT_UNIT_STATE_DIR, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "%s", CLEAT_UNIT_STATE_DIR);
	if (choices_save(&f->choices, CLEAT_CHOICES, err) < 0)
		return -1;
	log_msg(LOG_INFO, "units", "%s: %s", choices_verb_name(verb), unit);
	f->keep.wants_sync = true;
	files_keep(e, 0);
	return 0;
}

void engine_apply_choices(struct engine *e)
{
	become_new(e);
}

/* Something that a waiting unit may be waiting for. A pull may take as long as the network likes. */
static bool any_moves(const struct engine *e)
{
	for (unsigned i = 0; i < e->count; i++) {
		struct core_unit_view view;

		core_view(e->core, i, &view);
		if (view.state == CORE_STARTING || view.state == CORE_STOPPING ||
		    view.state == CORE_CLEANING)
			return true;
	}
	return false;
}

static bool is_done(struct engine *e, unsigned index, const struct core_unit_view *view,
		    bool any_moves)
{
	const struct engine_entry *entry = &e->entries[index];

	switch (view->state) {
	case CORE_UP:
		if (entry->outcome == FILES_RELOADED)
			return !view->is_reloading && view->command == CORE_COMMAND_NONE;
		return entry->outcome == FILES_STARTED || view->since > entry->outcome_at ||
		       entry->run.phase == RUN_NONE;
	case CORE_DOWN:
	case CORE_FAILED:
	case CORE_BACKOFF:
		return entry->run.phase == RUN_NONE;
	case CORE_PULLING:
		return true;
	case CORE_WAITING: /* for one that failed: for ever */
		return !any_moves;
	case CORE_STARTING:
	case CORE_STOPPING:
	case CORE_CLEANING:
		break;
	}
	return false;
}

static void write_unit(struct engine *e, unsigned index, bool any_moves, struct json *json)
{
	const struct engine_entry *entry = &e->entries[index];
	struct core_unit_view view;

	core_view(e->core, index, &view);
	json_object(json, NULL);
	json_str(json, "name", entry->name);
	json_str(json, "unit", entry->unit->name);
	json_str(json, "action", files_outcome_name((enum files_outcome)entry->outcome));
	json_str(json, "state", core_state_name(view.state));
	json_str(json, "reason", view.reason ? view.reason : "");
	json_bool(json, "done", is_done(e, index, &view, any_moves));
	json_object_end(json);
}

void engine_reload_report(struct engine *e, struct buf *out)
{
	const struct files *f = e->files;
	struct json json = JSON_TO(out);
	const char *line = buf_str(&f->errors);
	bool moves = any_moves(e);

	json_object(&json, NULL);
	json_int(&json, "engine_started_usec", e->header.engine_started_real_usec);
	json_bool(&json, "settled", e->settled);
	json_bool(&json, "reading", f->check.pid != 0 || f->check.hold != NULL);
	/* whoever asked for a normal engine has got this one instead: that crashed too, or could not be begun */
	json_str(&json, "error",
		 e->is_safe_mode ? "the engine is in safe mode; its log says why" : f->check_error);
	json_array(&json, "errors");
	while (*line) {
		char text[4096];
		size_t length = strcspn(line, "\n");

		snprintf(text, sizeof(text), "%.*s", (int)length, line);
		json_str(&json, NULL, text);
		line += length + (line[length] == '\n');
	}
	json_array_end(&json);
	json_array(&json, "units");
	for (unsigned i = 0; i < f->all_count; i++)
		if (e->entries[i].outcome != FILES_UNCHANGED)
			write_unit(e, i, moves, &json);
	json_array_end(&json);
	json_object_end(&json);
	buf_putc(out, '\n');
}
