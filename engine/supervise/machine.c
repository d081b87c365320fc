/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FailureAction= and its like, done. Must never ask a PID 1 that is not ours, never decide whether something is to be done (the
 * core has), and never let a slow disk come before it: the record of it is written after PID 1 has been asked.
 */
#include "supervise/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "supervise/internal.h"
#include "util/cleanup.h"
#include "util/ending.h"
#include "util/file.h"
#include "util/path.h"
#include "util/str.h"

#define PREFIX "1 "
#define COUNT_MAX 1000000u

/* --- the words ---------------------------------------------------------------------------------------------------------------- */

enum how { IN_ORDER, FORCED, AT_ONCE };

/* There is neither a second kernel to jump to nor half a reboot (init/README.md): a whole one is the nearest. */
static const struct {
	int signal;
	enum how how;
	bool has_status;
} rows[] = {
	[SERVICE_ACTION_REBOOT] = { ENDING_REBOOT, IN_ORDER, false },
	[SERVICE_ACTION_REBOOT_FORCE] = { ENDING_REBOOT, FORCED, false },
	[SERVICE_ACTION_REBOOT_IMMEDIATE] = { ENDING_REBOOT, AT_ONCE, false },
	[SERVICE_ACTION_POWEROFF] = { ENDING_POWEROFF, IN_ORDER, false },
	[SERVICE_ACTION_POWEROFF_FORCE] = { ENDING_POWEROFF, FORCED, false },
	[SERVICE_ACTION_POWEROFF_IMMEDIATE] = { ENDING_POWEROFF, AT_ONCE, false },
	[SERVICE_ACTION_EXIT] = { ENDING_POWEROFF, IN_ORDER, true },
	[SERVICE_ACTION_EXIT_FORCE] = { ENDING_POWEROFF, FORCED, true },
	[SERVICE_ACTION_SOFT_REBOOT] = { ENDING_REBOOT, IN_ORDER, false },
	[SERVICE_ACTION_SOFT_REBOOT_FORCE] = { ENDING_REBOOT, FORCED, false },
	[SERVICE_ACTION_KEXEC] = { ENDING_REBOOT, IN_ORDER, false },
	[SERVICE_ACTION_KEXEC_FORCE] = { ENDING_REBOOT, FORCED, false },
	[SERVICE_ACTION_HALT] = { ENDING_HALT, IN_ORDER, false },
	[SERVICE_ACTION_HALT_FORCE] = { ENDING_HALT, FORCED, false },
	[SERVICE_ACTION_HALT_IMMEDIATE] = { ENDING_HALT, AT_ONCE, false },
};

int machine_signal_of(enum service_action action, int status, int *value)
{
	enum how how = rows[action].how;

	*value = 0;
	if (!rows[action].signal)
		return 0;
	if (how == AT_ONCE)
		*value |= ENDING_AT_ONCE;
	if (rows[action].has_status && status >= 0)
		*value |= ENDING_HAS_STATUS | (status & ENDING_STATUS);
	return rows[action].signal + (how == IN_ORDER ? 0 : ENDING_FORCE);
}

static int exit_status(const struct service *s, const struct core_action *action)
{
	if (action->machine_why == CORE_MACHINE_FAILURE && s->failure_exit_status >= 0)
		return s->failure_exit_status;
	if (action->machine_why == CORE_MACHINE_SUCCESS && s->success_exit_status >= 0)
		return s->success_exit_status;
	return action->code;
}

/* --- what is left of it for the next boot --------------------------------------------------------------------------------------- */

int machine_record_format(const struct machine_record *record, char *out, size_t size)
{
	int n = snprintf(out, size, PREFIX "%u %" PRId64 " %s\n%s\n", record->count,
			 record->real_sec, record->boot, record->text);

	return n > 0 && (size_t)n < size ? n : -1;
}

static bool take_number(char **at, uint64_t max, uint64_t *out)
{
	char *word = strsep(at, " ");

	return word && *at && str_to_u64(word, max, out);
}

/* It is shown on terminals. */
static bool is_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

/* Takes the line away from the rest; NULL: it has no end. */
static char *take_line(char **rest)
{
	char *line = *rest, *end = line ? strchr(line, '\n') : NULL;

	if (!end)
		return NULL;
	*end = '\0';
	*rest = end + 1;
	return is_plain(line) ? line : NULL;
}

int machine_record_parse(const char *text, struct machine_record *out, struct err *err)
{
	char copy[MACHINE_RECORD_MAX_BYTES + 1];
	char *rest = copy, *head, *line;
	uint64_t count, seconds;

	*out = (struct machine_record){ 0 };
	if (str_copy(copy, sizeof(copy), text) && (head = take_line(&rest)) &&
	    (line = take_line(&rest)) && str_starts(head, PREFIX)) {
		head += strlen(PREFIX);
		if (take_number(&head, COUNT_MAX, &count) && count > 0 &&
		    take_number(&head, INT64_MAX, &seconds) &&
		    str_copy(out->boot, sizeof(out->boot), head)) {
			out->count = (unsigned)count;
			out->real_sec = (int64_t)seconds;
			str_copy_text(out->text, sizeof(out->text), line);
			return 0;
		}
	}
	*out = (struct machine_record){ 0 };
	return err_set(err, ERR_INTEGRITY, "not a record of what a unit asked of the appliance");
}

/* False: there is none, or it cannot be read, which is said. */
static bool load_last(struct machine_record *out)
{
	auto_buf text = BUF_INIT(MACHINE_RECORD_MAX_BYTES);
	struct err err;

	if (file_read_at(AT_FDCWD, CLEAT_LAST_ACTION, MACHINE_RECORD_MAX_BYTES, &text, &err) == 0 &&
	    machine_record_parse(buf_str(&text), out, &err) == 0)
		return true;
	if (err.code != ERR_NOT_FOUND)
		log_msg(LOG_WARN, "engine", "%s: %s", CLEAT_LAST_ACTION, err.msg);
	return false;
}

static void boot_name(const struct engine *e, char out[64])
{
	snprintf(out, 64, "%s+%" PRIu64, e->boot_id, e->boot_usec);
}

static bool is_of_this_boot(const struct engine *e, const struct machine_record *record)
{
	char boot[64];

	boot_name(e, boot);
	return str_eq(record->boot, boot);
}

static void keep(const struct engine *e, const char *text)
{
	char bytes[MACHINE_RECORD_MAX_BYTES];
	struct machine_record record, last;
	struct err err = { 0 };
	int n;

	if (!e->data_present || !e->data_writable || e->layout_unknown)
		return;
	record = (struct machine_record){ .count = 1, .real_sec = (int64_t)time(NULL) };
	if (load_last(&last))
		record.count = last.count < COUNT_MAX ? last.count + 1 : COUNT_MAX;
	boot_name(e, record.boot);
	str_copy_text(record.text, sizeof(record.text), text);
	n = machine_record_format(&record, bytes, sizeof(bytes));
	if (n < 0 || path_mkdirs(CLEAT_UNIT_STATE_DIR, 0700, &err) < 0 ||
	    file_write_atomic(AT_FDCWD, CLEAT_LAST_ACTION, bytes, (size_t)n, 0600, false, &err) < 0)
		log_msg(LOG_WARN, "engine", "%s: %s", CLEAT_LAST_ACTION, err.msg);
}

void machine_tell_last(struct engine *e)
{
	struct machine_record last;
	char when[32] = "";
	struct tm tm;
	time_t at;

	if (!e->data_present || e->layout_unknown || !load_last(&last) || is_of_this_boot(e, &last))
		return;
	at = (time_t)last.real_sec;
	if (gmtime_r(&at, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
	if (last.count > 1)
		publish_note(e, 1, "a unit has ended the appliance %u times in a row, last %s: %s",
			     last.count, when, last.text);
	else
		publish_note(e, 1, "a unit has ended the appliance %s: %s", when, last.text);
}

void machine_forget_last(const struct engine *e)
{
	struct machine_record last;

	if (!e->data_present || !e->data_writable || e->layout_unknown ||
	    access(CLEAT_LAST_ACTION, F_OK) < 0)
		return;
	if (load_last(&last) && is_of_this_boot(e, &last))
		return;
	if (unlink(CLEAT_LAST_ACTION) < 0)
		log_msg(LOG_WARN, "engine", "%s: %s", CLEAT_LAST_ACTION, strerror(errno));
}

/* --- asking ----------------------------------------------------------------------------------------------------------------------- */

/* PID 1 is ours: it has started this engine, and has told it so, in a root that is the appliance's. */
static bool is_beneath_init(const struct engine *e)
{
	return getppid() == 1 && getenv("CLEAT_WORLD") && str_eq(e->unit_facts.os_id, "cleat");
}

static void write_argument(const struct service *s, enum core_machine_why why)
{
	const char *text = why == CORE_MACHINE_JOB_TIMEOUT ? s->job_timeout_reboot_argument :
							     s->reboot_argument;
	struct err err;

	if (text[0] && file_write_atomic(AT_FDCWD, CLEAT_REBOOT_ARGUMENT, text, strlen(text), 0600,
					 false, &err) < 0)
		log_msg(LOG_WARN, "engine", "RebootArgument=: %s", err.msg);
}

static int ask(const struct engine *e, const struct service *s, const struct core_action *action,
	       struct err *err)
{
	union sigval value = { 0 };
	int number = machine_signal_of(action->machine, exit_status(s, action), &value.sival_int);

	if (!is_beneath_init(e))
		return err_set(err, ERR_UNSUPPORTED,
			       "the engine does not run beneath the appliance's own PID 1");
	write_argument(s, action->machine_why);
	if (sigqueue(1, number, value) < 0)
		return err_sys(err, "PID 1");
	return 0;
}

void machine_do(struct engine *e, const struct core_action *action)
{
	const struct engine_entry *entry = &e->entries[action->unit];
	struct core_unit_view view;
	char text[400], *what;
	struct err err;

	core_view(e->core, action->unit, &view);
	what = text + snprintf(text, sizeof(text), "%.120s: ", entry->name);
	snprintf(what, sizeof(text) - (size_t)(what - text), "%s=%s: %.200s",
		 core_machine_key(action->machine_why), service_action_name(action->machine),
		 view.reason);
	event_emit(e, EVENT_ACTION, action->unit, &(struct event_details){ .text = what });
	console_step(e, "%s", text);
	if (ask(e, &entry->unit->service, action, &err) == 0) {
		log_msg(LOG_WARN, "supervise", "asked of PID 1: %s", text);
		keep(e, text);
		return;
	}
	publish_note(e, 1, "%s=%s of %s is not done: %s", core_machine_key(action->machine_why),
		     service_action_name(action->machine), entry->name, err.msg);
	core_machine_refused(e->core);
}
