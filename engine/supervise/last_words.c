/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a container failed, in its own words: the last lines of its output, which its shim leaves in the status record, and the figures of
 * its memory. Nothing here reads a log. Kept until the next end of the unit's container says otherwise, so that a container that comes up
 * for a moment between two crashes does not hide them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervise/internal.h"
#include "util/str.h"

#define MIB_BYTES (1024 * 1024)

static void put_bytes(struct buf *out, uint64_t bytes)
{
	if (bytes >= MIB_BYTES)
		buf_printf(out, "%" PRIu64 ".%" PRIu64 " MiB", bytes / MIB_BYTES,
			   bytes % MIB_BYTES * 10 / MIB_BYTES);
	else
		buf_printf(out, "%" PRIu64 " KiB", bytes / 1024);
}

void last_words_oom(const struct run_status *status, char *out, size_t size)
{
	auto_buf text = BUF_INIT(size - 1);

	buf_puts(&text, "out of memory");
	if (status->memory_max_bytes) {
		buf_puts(&text, ": limit ");
		put_bytes(&text, status->memory_max_bytes);
	}
	if (status->memory_peak_bytes) {
		buf_puts(&text, ", peak ");
		put_bytes(&text, status->memory_peak_bytes);
	} else if (status->max_rss_bytes) {
		buf_puts(&text, ", largest process ");
		put_bytes(&text, status->max_rss_bytes);
	}
	if (status->oom_kills > 1)
		buf_printf(&text, ", %" PRIu32 " processes killed", status->oom_kills);
	str_copy(out, size, buf_str(&text));
}

void last_words_ended(struct engine *e, unsigned index)
{
	struct engine_entry *entry = &e->entries[index];
	const struct run_status *status = &entry->run.status;
	struct last_words *words = &entry->end;

	free(words->text);
	*words = (struct last_words){
		.real_usec = status->exited_real_usec ? status->exited_real_usec :
							clock_real_usec(),
		.memory_max_bytes = status->memory_max_bytes,
		.memory_peak_bytes = status->memory_peak_bytes,
		.max_rss_bytes = status->max_rss_bytes,
		.oom_kills = status->oom_kills,
		.is_new = true,
		/* without memory for them they are missing, and nothing else */
		.text = status->last_output[0] ? strdup(status->last_output) : NULL,
	};
}

static bool is_at_rest(enum core_state state)
{
	return state == CORE_CLEANING || state == CORE_BACKOFF || state == CORE_FAILED ||
	       state == CORE_DOWN;
}

static void publish(struct published_unit *p, const struct last_words *words)
{
	p->memory_max_bytes = words->memory_max_bytes;
	p->memory_peak_bytes = words->memory_peak_bytes;
	p->max_rss_bytes = words->max_rss_bytes;
	p->oom_kills = words->oom_kills;
	p->last_output_real_usec = words->real_usec;
	str_copy_text(p->last_output, sizeof(p->last_output), words->text ? words->text : "");
}

void last_words_publish(struct engine *e, unsigned index, const struct core_unit_view *view,
			struct published_unit *p)
{
	struct engine_entry *entry = &e->entries[index];

	if (view->health == CORE_UNHEALTHY && view->state == CORE_UP) {
		if (entry->run.status.last_output[0]) {
			p->last_output_real_usec = clock_real_usec();
			str_copy_text(p->last_output, sizeof(p->last_output),
				      entry->run.status.last_output);
		}
		return;
	}
	if (!entry->end.real_usec || !is_at_rest(view->state) || view->result == CORE_RESULT_NONE)
		return;
	if (view->result == CORE_RESULT_SUCCESS) {
		free(entry->end.text);
		entry->end = (struct last_words){ 0 };
	}
	publish(p, &entry->end);
}

/* The shim answers a greeting with its state of now. */
void last_words_ask(struct engine *e, unsigned index)
{
	struct shim_header hello = { SHIM_PROTOCOL_VERSION, SHIM_HELLO, sizeof(hello) };
	struct err err;

	if (run_send(e, index, &hello, sizeof(hello), &err) < 0)
		log_msg(LOG_DEBUG, "supervise", "%s: last output: %s", e->entries[index].name,
			err.msg);
}

void last_words_console(struct engine *e, unsigned index, const struct core_unit_view *view)
{
	struct engine_entry *entry = &e->entries[index];
	char text[sizeof(((struct shim_status *)0)->last_output)];

	if (!entry->end.is_new || !is_at_rest(view->state) || view->result == CORE_RESULT_NONE)
		return;
	entry->end.is_new = false;
	if (view->result == CORE_RESULT_SUCCESS || view->want == CORE_WANT_DOWN)
		return;
	str_copy(text, sizeof(text), entry->end.text ? entry->end.text : "");
	for (char *line = text, *next; line && line[0]; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		console_step(e, "%s  | %s", entry->name, line);
	}
}

void last_words_record(const struct engine_entry *entry, struct unit_record *record)
{
	const struct published_unit *p = entry->published;

	record->memory_max_bytes = p->memory_max_bytes;
	record->memory_peak_bytes = p->memory_peak_bytes;
	record->max_rss_bytes = p->max_rss_bytes;
	record->oom_kills = p->oom_kills;
	record->last_output_real_usec = p->last_output_real_usec;
	str_copy(record->last_output, sizeof(record->last_output), p->last_output);
}

void last_words_adopt(struct engine *e, unsigned index)
{
	struct published_unit *p = &e->drafts[index];
	const struct unit_record *record = e->entries[index].found;

	if (!record)
		return;
	p->memory_max_bytes = record->memory_max_bytes;
	p->memory_peak_bytes = record->memory_peak_bytes;
	p->max_rss_bytes = record->max_rss_bytes;
	p->oom_kills = record->oom_kills;
	p->last_output_real_usec = record->last_output_real_usec;
	str_copy_text(p->last_output, sizeof(p->last_output), record->last_output);
}
