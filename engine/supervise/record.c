/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The per-unit record that lets the next engine take over: want and run id, written before a
 * shim is asked for. On tmpfs, so no fsync; replaced atomically. A record of another boot or of unknown shape is as
 * good as none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervise/internal.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

#define RECORD_DIR CLEAT_RUN_DIR "/units"
#define UNIT_RECORD_MIN offsetof(struct unit_record, public_state)

static void record_path(const char *name, char out[512])
{
	snprintf(out, 512, "%s/%s", RECORD_DIR, name);
}

/* Where it would go on without a container. */
static void record_rest(struct engine *e, unsigned index, struct unit_record *record)
{
	struct core_rest rest;

	core_get_rest(e->core, index, &rest);
	memcpy(record->source, e->entries[index].unit->source_digest, sizeof(record->source));
	record->core_state = (uint32_t)rest.state;
	record->core_result = (uint32_t)rest.result;
	record->finished = rest.finished;
	record->end = rest.end;
	record->exit_code = rest.exit_code;
	record->exit_signal = rest.exit_signal;
	record->growth = rest.growth;
	record->limit_count = rest.limit_count;
	record->limit_begin = rest.limit_begin;
	record->deadline = rest.deadline;
	record->job_deadline = rest.job_deadline;
	str_copy_text(record->reason, sizeof(record->reason), rest.reason);
}

/* What is to be written before anything else is done: as it was when it was put here. */
static struct {
	struct unit_record record;
	bool is_full;
} due;

void record_forget(const char *name)
{
	char path[512];

	if (due.is_full && str_eq(due.record.container_name, name))
		due.is_full = false;
	record_path(name, path);
	if (unlink(path) < 0 && errno != ENOENT)
		log_msg(LOG_WARN, "supervise", "%s: %s", path, strerror(errno));
}

static void describe(struct engine *e, unsigned index, struct unit_record *record)
{
	struct engine_entry *entry = &e->entries[index];
	struct core_unit_view view;
	const struct unit_kept *kept = &entry->record;

	*record = (struct unit_record){ .magic = UNIT_RECORD_MAGIC };
	core_view(e->core, index, &view);
	record->version = 1;
	record->length = sizeof(*record);
	record->want = (uint32_t)view.want;
	record->restarts = entry->restarts_before + view.restarts;
	record->failed = view.state == CORE_FAILED;
	record->health = (uint32_t)view.health;
	record->public_state = entry->published->state;
	record->public_health = entry->published->health;
	record->since_real_usec = entry->published->since_real_usec;
	record->ended = view.state == CORE_UP && entry->run.phase == RUN_NONE;
	last_words_record(entry, record);
	record->was_up = view.was_up;
	record->startup_passed = view.startup_passed;
	record->had_member = view.had_member;
	record->said_ready = kept->said_ready;
	record->said_watchdog_usec = kept->said_watchdog_usec;
	memcpy(record->effect, kept->effect, sizeof(record->effect));
	memcpy(record->inputs, kept->inputs, sizeof(record->inputs));
	memcpy(record->copied, kept->copied, sizeof(record->copied));
	memcpy(record->taken, kept->taken, sizeof(record->taken));
	str_copy(record->image_digest, sizeof(record->image_digest), kept->image_digest);
	str_copy(record->status_text, sizeof(record->status_text),
		 view.status_text ? view.status_text : "");
	str_copy(record->run_id, sizeof(record->run_id), entry->run.id);
	str_copy(record->boot_id, sizeof(record->boot_id), e->boot_id);
	str_copy(record->container_name, sizeof(record->container_name), entry->name);
	str_copy(record->unit_name, sizeof(record->unit_name), entry->unit->name);
	record_rest(e, index, record);
}

/* The first one has no folder yet. */
static int write_record(const char *path, const struct unit_record *record, struct err *err)
{
	if (file_write_atomic(AT_FDCWD, path, record, sizeof(*record), 0600, false, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND || mkdir(RECORD_DIR, 0755) < 0)
		return -1;
	return file_write_atomic(AT_FDCWD, path, record, sizeof(*record), 0600, false, err);
}

static void save(const struct unit_record *record)
{
	char path[512];
	struct err err;

	record_path(record->container_name, path);
	if (write_record(path, record, &err) < 0)
		log_msg(LOG_ERROR, "supervise", "record of %s: %s", record->container_name,
			err.msg);
}

static bool has_record(const struct engine *e, unsigned index)
{
	return !e->layout_unknown && e->entries[index].spec;
}

void record_save_due(void)
{
	if (due.is_full)
		save(&due.record);
	due.is_full = false;
}

void record_later(struct engine *e, unsigned index)
{
	if (!has_record(e, index))
		return;
	if (!str_eq(due.record.container_name, e->entries[index].name))
		record_save_due();
	describe(e, index, &due.record);
	due.is_full = true;
}

void record_save(struct engine *e, unsigned index)
{
	record_later(e, index);
	record_save_due();
}

static void terminate(struct unit_record *r)
{
	r->run_id[sizeof(r->run_id) - 1] = '\0';
	r->boot_id[sizeof(r->boot_id) - 1] = '\0';
	r->container_name[sizeof(r->container_name) - 1] = '\0';
	r->unit_name[sizeof(r->unit_name) - 1] = '\0';
	r->reason[sizeof(r->reason) - 1] = '\0';
	r->image_digest[sizeof(r->image_digest) - 1] = '\0';
	r->last_output[sizeof(r->last_output) - 1] = '\0';
	r->status_text[sizeof(r->status_text) - 1] = '\0';
}

/* A later engine may have states and reasons that this one does not know. */
static void forget_unknown(struct unit_record *r)
{
	if (r->health > CORE_UNHEALTHY)
		r->health = CORE_HEALTH_NONE;
	if (r->core_state > CORE_FAILED || r->core_result > CORE_RESULT_PROTOCOL) {
		r->core_state = CORE_DOWN;
		r->core_result = CORE_RESULT_NONE;
	}
}

int record_parse(const void *bytes, size_t length, struct unit_record *out, struct err *err)
{
	memset(out, 0, sizeof(*out));
	if (length < UNIT_RECORD_MIN)
		return err_set(err, ERR_INTEGRITY, "%zu bytes, expected %zu", length, sizeof(*out));
	/* an older engine's is shorter, a newer one's longer */
	memcpy(out, bytes, length < sizeof(*out) ? length : sizeof(*out));
	terminate(out);
	if (out->magic != UNIT_RECORD_MAGIC ||
	    (out->run_id[0] && !str_is_hex(out->run_id, CLEAT_RUNID_LEN)) ||
	    strchr(out->unit_name, '/') || strchr(out->container_name, '/')) {
		memset(out, 0, sizeof(*out));
		return err_set(err, ERR_INTEGRITY, "not a unit record");
	}
	forget_unknown(out);
	if (length < offsetof(struct unit_record, reserved_said)) { /* its engine knew neither */
		out->was_up = out->public_state == PUBLISHED_UP;
		out->startup_passed = 1;
	}
	return 0;
}

int record_load(const char *name, const char *boot_id, struct unit_record *out, struct err *err)
{
	auto_buf text = BUF_INIT(4096);
	char path[512];

	record_path(name, path);
	memset(out, 0, sizeof(*out));
	if (file_read_at(AT_FDCWD, path, 4096, &text, err) < 0)
		return -1;
	if (record_parse(buf_str(&text), text.len, out, err) < 0)
		return err_wrap(err, "%s", path);
	if (!str_eq(out->boot_id, boot_id)) {
		memset(out, 0, sizeof(*out));
		return err_set(err, ERR_NOT_FOUND, "%s: of an earlier boot", path);
	}
	return 0;
}
