/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What differs between the units as they are and what an earlier engine has started: by digests that were written down when each
 * run began, so that it does not matter whether that engine was replaced, was killed, or was killed while it did this. Must
 * never restart what is as its files say, and never start what gave up and is the same still.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "supervise/commands.h"
#include "supervise/files.h"
#include "supervise/inputs.h"
#include "util/digest.h"
#include "util/file.h"
#include "util/str.h"

#define KNOWN CLEAT_RUN_DIR "/units-known"

static const uint8_t unknown[32];

static bool is_same(const uint8_t a[32], const uint8_t b[32])
{
	return memcmp(a, b, 32) == 0;
}

static bool is_known(const uint8_t digest[32])
{
	return !is_same(digest, unknown);
}

const char *files_outcome_name(enum files_outcome outcome)
{
	static const char *const names[] = {
		[FILES_UNCHANGED] = "unchanged", [FILES_STARTED] = "started",
		[FILES_RESTARTED] = "restarted", [FILES_RELOADED] = "reloaded",
		[FILES_STOPPED] = "stopped",
	};

	return names[outcome];
}

static void hash_words(struct sha256 *sha, const struct arg_list *words)
{
	uint64_t count = words->count;

	sha256_update(sha, &count, sizeof(count));
	for (size_t i = 0; i < words->count; i++)
		sha256_update(sha, words->items[i].text, strlen(words->items[i].text) + 1);
}

static const struct unit *find_unit(const struct engine *e, const char *name)
{
	for (size_t i = 0; i < e->units.count; i++)
		if (str_eq(e->units.units[i].name, name))
			return &e->units.units[i];
	return NULL;
}

/* A volume is what it was made as, an image is named in the words: of what a unit refers to, networks and pods count. */
static void hash_refs(const struct engine *e, struct sha256 *sha, const struct unit *unit)
{
	for (size_t i = 0; i < unit->ref_count; i++) {
		const struct unit *other;

		if (unit->refs[i].kind != UNIT_NETWORK && unit->refs[i].kind != UNIT_POD)
			continue;
		other = find_unit(e, unit->refs[i].file);
		if (other)
			hash_words(sha, &other->spec_args);
	}
}

void files_digest_entry(struct engine *e, unsigned index)
{
	struct engine_entry *entry = &e->entries[index];
	const struct unit *unit = entry->unit;
	struct sha256 sha;

	if (!entry->spec)
		return;
	sha256_init(&sha);
	hash_words(&sha, &unit->spec_args);
	hash_words(&sha, &unit->global_args);
	sha256_update(&sha, unit->service_digest, sizeof(unit->service_digest));
	hash_refs(e, &sha, unit);
	sha256_final(&sha, entry->effect);
}

void files_started(struct engine *e, unsigned index)
{
	struct engine_entry *entry = &e->entries[index];

	memcpy(entry->record.effect, entry->effect, sizeof(entry->effect));
	inputs_digest(entry->spec, &secret_places, entry->record.inputs);
	inputs_digest_taken(entry->spec, &secret_places, entry->record.taken);
}

bool files_is_due(const struct engine *e, unsigned index)
{
	const struct engine_entry *entry = &e->entries[index];

	return entry->outcome == FILES_RESTARTED && !is_same(entry->record.effect, entry->effect);
}

static struct core_rest rest_of(const struct engine_entry *entry)
{
	const struct unit_record *record = entry->found;

	return (struct core_rest){
		.state = (enum core_state)record->core_state,
		.result = (enum core_result)record->core_result,
		.finished = record->finished,
		.is_wanted = record->want == CORE_WANT_UP && !entry->unit->is_removed,
		.end = record->end,
		.exit_code = record->exit_code,
		.exit_signal = record->exit_signal,
		.growth = record->growth,
		.limit_begin = record->limit_begin,
		.limit_count = record->limit_count,
		.deadline = record->deadline,
		.job_deadline = record->job_deadline,
		.reason = record->reason,
	};
}

bool files_starts_again(const struct engine_entry *entry)
{
	struct core_rest rest = rest_of(entry);

	return core_rest_starts_again(&rest);
}

/* It goes on where it was: given up, or waiting for its next start. Another version of the unit begins afresh. */
void files_restore(struct engine *e, unsigned index)
{
	struct engine_entry *entry = &e->entries[index];
	struct core_rest rest = rest_of(entry);

	if (!entry->goes_on || !entry->spec || entry->masked_by)
		return;
	core_restore(e->core, index, &rest);
	entry->end_pending = rest.state == CORE_CLEANING && rest.end;
	if (rest.state == CORE_FAILED || rest.state == CORE_BACKOFF || entry->end_pending)
		entry->start_at_boot_pending = false;
}

static void load_known(struct engine *e)
{
	auto_buf text = BUF_INIT(CORE_MAX_UNITS * UNIT_MAX_NAME_BYTES + 64);
	struct files *f = e->files;
	struct err err;
	char *line;

	if (file_read_at(AT_FDCWD, KNOWN, text.max, &text, &err) < 0)
		return;
	for (line = text.data; line && *line;) {
		char *next = strchr(line, '\n');

		if (next)
			*next++ = '\0';
		if (line == text.data && !str_eq(line, e->boot_id))
			return;
		*arena_push(&f->arena, f->known, f->known_count) = arena_strdup(&f->arena, line);
		line = next;
	}
}

void files_adopt(struct engine *e, unsigned index)
{
	struct engine_entry *entry = &e->entries[index];
	const struct unit_record *found = entry->found;
	bool has_run = found && (found->run_id[0] || found->ended);

	if (!e->files->known)
		load_known(e);
	entry->was_running = has_run && found->want == CORE_WANT_UP;
	entry->goes_on = found && is_same(found->source, entry->unit->source_digest);
	entry->was_waiting = entry->goes_on && found->want == CORE_WANT_UP && !has_run &&
			     found->core_state != CORE_FAILED && found->core_state != CORE_BACKOFF;
	entry->is_copied = found && is_same(found->copied, entry->unit->source_digest);
	/* only an engine after the first of a boot knows what was there before */
	if (entry->invalid_reason)
		event_emit(e, EVENT_UNIT_INVALID, index,
			   &(struct event_details){ .text = entry->invalid_reason });
	else if (e->files->known_count && !found && entry->spec &&
		 !files_was_known(e, entry->unit->name))
		event_emit(e, EVENT_UNIT_ADD, index, NULL);
	if (entry->unit->is_removed) {
		entry->start_at_boot_pending = false;
		entry->outcome = FILES_STOPPED;
		console_step(e, "%s: its unit file is gone: stopping", entry->name);
		event_emit(e, EVENT_UNIT_REMOVE, index, NULL);
	} else if (entry->masked_by) {
		entry->start_at_boot_pending = false;
	} else if (!found && files_was_known(e, entry->unit->name)) {
		entry->start_at_boot_pending = false; /* it has been left alone so far */
	} else if (!found && entry->start_at_boot_pending && entry->spec) {
		entry->outcome = FILES_STARTED;
	} else if (found && found->want == CORE_WANT_UP && !has_run) {
		files_restore(e, index);
		if (entry->start_at_boot_pending && !entry->was_waiting)
			entry->outcome = FILES_STARTED;
	} else if (found && !has_run &&
		   (found->core_state == CORE_DOWN || found->core_state == CORE_CLEANING)) {
		files_restore(e, index);
	}
}

static void restart(struct engine *e, unsigned index, const char *why)
{
	struct engine_entry *entry = &e->entries[index];

	entry->outcome = FILES_RESTARTED;
	entry->outcome_at = loop_now(e->loop);
	console_step(e, "%s: %s: restarting", entry->name, why);
	event_emit(e, EVENT_UNIT_CHANGE, index, &(struct event_details){ .text = why });
	engine_feed(e, &(struct core_event){ .type = CORE_EV_RESTART, .unit = index, .text = why });
}

static void reload(struct engine *e, unsigned index, const uint8_t inputs[32])
{
	struct engine_entry *entry = &e->entries[index];

	entry->outcome = FILES_RELOADED;
	entry->outcome_at = loop_now(e->loop);
	console_step(e, "%s: a file that it reads has changed: reloading", entry->name);
	event_emit(e, EVENT_UNIT_CHANGE, index,
		   &(struct event_details){ .text = "a file that it reads has changed" });
	memcpy(entry->record.inputs, inputs, 32);
	engine_feed(e, &(struct core_event){ .type = CORE_EV_RELOAD, .unit = index });
	record_save(e, index);
}

/* What a start would not find any more; what runs has it, and is not taken down for that. */
static int find_inputs(const struct container_spec *spec, struct err *err)
{
	for (size_t i = 0; i < spec->env_file_count; i++)
		if (access(spec->env_files[i].path, F_OK) < 0)
			return err_sys(err, "environment file %s", spec->env_files[i].path);
	for (size_t i = 0; i < spec->mount_count; i++)
		if (spec->mounts[i].kind == SPEC_MOUNT_BIND && spec->mounts[i].read_only &&
		    access(spec->mounts[i].source, F_OK) < 0)
			return err_sys(err, "%s", spec->mounts[i].source);
	return secrets_check(spec, err);
}

/* It runs, has a way to be told, and looks at what has changed when it is told. */
static bool can_reload(struct engine *e, unsigned index)
{
	const struct engine_entry *entry = &e->entries[index];
	struct core_unit_view view;
	uint8_t taken[32];
	struct err err;

	core_view(e->core, index, &view);
	if (view.state != CORE_UP || entry->run.phase != RUN_RUNNING ||
	    commands_cannot_reload(e, index, &err))
		return false;
	inputs_digest_taken(entry->spec, &secret_places, taken);
	return !is_known(entry->record.taken) || is_same(entry->record.taken, taken);
}

/* A start that failed may have failed for want of what is there now: a secret, an environment file. */
static void start_failed(struct engine *e, unsigned index)
{
	static const char why[] = "a file that it reads has changed";
	struct engine_entry *entry = &e->entries[index];
	struct core_unit_view view;
	uint8_t inputs[32];

	core_view(e->core, index, &view);
	if (entry->was_running || !entry->spec || entry->unit->is_remnant ||
	    !is_known(entry->record.effect) || view.want != CORE_WANT_UP ||
	    view.result == CORE_RESULT_IMAGE ||
	    (view.state != CORE_FAILED && view.state != CORE_BACKOFF))
		return;
	inputs_digest(entry->spec, &secret_places, inputs);
	if (is_same(entry->record.inputs, inputs))
		return;
	entry->outcome = FILES_STARTED;
	console_step(e, "%s: %s: starting", entry->name, why);
	event_emit(e, EVENT_UNIT_CHANGE, index, &(struct event_details){ .text = why });
	engine_feed(e, &(struct core_event){ .type = CORE_EV_RESET_FAILED, .unit = index });
	engine_feed(e, &(struct core_event){ .type = CORE_EV_START, .unit = index });
}

/* What runs, or ran when the engine before this one wrote it down: it may have ended since, by that engine's own order, which was killed
 * while it restarted the unit for this very change. */
static void apply_one(struct engine *e, unsigned index)
{
	struct engine_entry *entry = &e->entries[index];
	uint8_t inputs[32];
	struct err err;

	if (!entry->was_running || !entry->spec || entry->unit->is_removed ||
	    entry->unit->is_remnant || entry->masked_by || !is_known(entry->record.effect))
		return;
	if (!is_same(entry->record.effect, entry->effect)) {
		restart(e, index, "its unit file has changed");
		return;
	}
	inputs_digest(entry->spec, &secret_places, inputs);
	if (is_same(entry->record.inputs, inputs))
		return;
	if (entry->run.phase == RUN_RUNNING && find_inputs(entry->spec, &err) < 0) {
		console_step(e, "%s: goes on as it was started: %s", entry->name, err.msg);
		publish_note(e, 1, "%s goes on as it was started: %s", entry->name, err.msg);
		return;
	}
	if (can_reload(e, index))
		reload(e, index, inputs);
	else
		restart(e, index, "a file that it reads has changed");
}

static void save_known(struct engine *e)
{
	auto_buf text = BUF_INIT(CORE_MAX_UNITS * UNIT_MAX_NAME_BYTES + 64);
	struct err err;

	buf_printf(&text, "%s\n", e->boot_id);
	for (unsigned i = 0; i < e->files->removed_begin; i++)
		if (e->entries[i].spec)
			buf_printf(&text, "%s\n", e->entries[i].unit->name);
	if (e->layout_unknown)
		return;
	if (buf_check(&text, KNOWN, &err) < 0 ||
	    file_write_atomic(AT_FDCWD, KNOWN, text.data, text.len, 0600, false, &err) < 0)
		log_msg(LOG_ERROR, "units", "%s", err.msg);
}

bool files_was_known(const struct engine *e, const char *unit)
{
	for (size_t i = 1; e->files->known && i < e->files->known_count; i++)
		if (str_eq(e->files->known[i], unit))
			return true;
	return false;
}

/* Who was started, restarted or stopped because another one was. */
static void note_others(struct engine *e)
{
	for (unsigned i = 0; i < e->files->removed_begin; i++) {
		struct engine_entry *entry = &e->entries[i];
		struct core_unit_view view;

		core_view(e->core, i, &view);
		if (entry->outcome != FILES_UNCHANGED)
			continue;
		if (!entry->was_running && !entry->was_waiting &&
		    (view.state == CORE_PULLING || view.state == CORE_WAITING ||
		     view.state == CORE_STARTING))
			entry->outcome = FILES_STARTED;
		if (view.state != CORE_STOPPING)
			continue;
		entry->outcome = view.want == CORE_WANT_UP ? FILES_RESTARTED : FILES_STOPPED;
		entry->outcome_at = loop_now(e->loop);
	}
}

void files_apply(struct engine *e)
{
	for (unsigned i = 0; i < e->count; i++)
		apply_one(e, i);
	for (unsigned i = 0; i < e->count; i++)
		start_failed(e, i);
	image_queue_ask_again(e);
	note_others(e);
	save_known(e);
	if (e->files->stale_count || e->files->removed_begin < e->files->all_count)
		files_on_publish(e, e->files->removed_begin);
	files_watch_soon(e);
}

static bool is_gone(const struct engine *e, unsigned index)
{
	struct core_unit_view view;

	core_view(e->core, index, &view);
	return e->entries[index].run.phase == RUN_NONE &&
	       (view.state == CORE_DOWN || view.state == CORE_FAILED);
}

/* What has no file any more is listed until it is down, then forgotten. */
static void forget_removed(struct engine *e)
{
	struct files *f = e->files;

	if (e->count == f->removed_begin)
		return;
	for (unsigned i = f->removed_begin; i < f->all_count; i++)
		if (!is_gone(e, i))
			return;
	for (unsigned i = f->removed_begin; i < f->all_count; i++) {
		record_forget(e->entries[i].name);
		/* its copy may have been made after this engine has looked which there are, by a child of the one before */
		*arena_push(&f->arena, f->stale, f->stale_count) = e->entries[i].unit->name;
	}
	e->count = f->removed_begin;
	if (e->published)
		published_set_unit_count(e->published, e->count);
}

static bool has_come_up_well(const struct engine_entry *entry, const struct core_unit_view *view)
{
	if (view->state == CORE_DOWN)
		return view->result == CORE_RESULT_SUCCESS && view->exit_code == 0 &&
		       entry->unit->service.type == SERVICE_ONESHOT;
	return view->state == CORE_UP &&
	       (view->health == CORE_HEALTH_NONE || view->health == CORE_HEALTHY);
}

void files_on_publish(struct engine *e, unsigned index)
{
	struct files *f = e->files;
	struct engine_entry *entry = &e->entries[index];
	struct core_unit_view view;

	if (index >= f->removed_begin) {
		forget_removed(e);
		if (e->count == f->removed_begin && f->stale_count)
			files_keep(e, 0);
		return;
	}
	core_view(e->core, index, &view);
	if (entry->is_copied || entry->wants_copy || !entry->spec || entry->unit->is_substituted ||
	    !has_come_up_well(entry, &view))
		return;
	entry->wants_copy = true;
	files_keep(e, USEC_SEC / 4);
}
