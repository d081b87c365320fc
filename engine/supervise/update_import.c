/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What registries and archives mean by names now, and fetching it: the import process of the image module, one at a time, for all units
 * that want something. First everybody is asked, then what is newer is taken, so several units of one image cost one pull. Must never give
 * an answer to a unit that did not ask, nor a registry's to one with AutoUpdate=local: those have a process of their own.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervise/update.h"
#include "util/cleanup.h"
#include "util/str.h"

static void answer(struct engine *e, const struct import_record *record, struct update_event *event)
{
	for (unsigned i = 0; i < e->count; i++) {
		struct update_unit *u = e->updates->units[i];

		if (!u || !u->is_asked || !str_eq(e->entries[i].want.ref, record->ref))
			continue;
		u->is_asked = false;
		update_feed(e, i, event);
		if (event->type == UPDATE_EV_PULLED)
			event_emit(e, EVENT_PULL, i,
				   &(struct event_details){ .image = record->ref,
							    .text = record->digest });
	}
}

static void on_digest(struct engine *e, const struct import_record *record, bool in_store)
{
	answer(e, record,
	       &(struct update_event){ .type = e->updates->is_taking ? UPDATE_EV_PULLED :
								       UPDATE_EV_FOUND,
				       .digest = record->digest,
				       .in_store = in_store,
				       .is_dry = e->updates->is_dry,
				       .keeps_failed = e->updates->keeps_failed });
}

static void on_failure(struct engine *e, const struct import_record *record)
{
	answer(e, record,
	       &(struct update_event){ .type = e->updates->is_taking ? UPDATE_EV_NOT_PULLED :
								       UPDATE_EV_NOT_FOUND,
				       .text = record->text });
}

static void on_record(struct engine *e, struct import_record *record)
{
	record->ref[sizeof(record->ref) - 1] = '\0';
	record->digest[sizeof(record->digest) - 1] = '\0';
	record->text[sizeof(record->text) - 1] = '\0';
	switch ((enum import_kind)record->kind) {
	case IMPORT_IMAGE:
		on_digest(e, record, true);
		break;
	case IMPORT_NEWER:
		on_digest(e, record, false);
		break;
	case IMPORT_MISSING:
	case IMPORT_ERROR:
	case IMPORT_RETRY:
		on_failure(e, record);
		break;
	case IMPORT_ARCHIVE_ERROR:
		publish_note(e, 1, "image archive: %s", record->text);
		/* a newer one that is broken: what is in the store instead is no answer */
		if (record->ref[0] && e->updates->is_local)
			on_failure(e, record);
		break;
	case IMPORT_NOTE:
		publish_note(e, 1, "images: %s", record->text);
		break;
	case IMPORT_DONE:
		e->updates->is_done = true;
		break;
	case IMPORT_PROGRESS:
	case IMPORT_LAYER:
		break;
	}
}

static void fail_rest(struct engine *e, const char *why)
{
	for (unsigned i = 0; i < e->count; i++) {
		struct import_record record = { 0 };

		if (!e->updates->units[i] || !e->updates->units[i]->is_asked)
			continue;
		str_copy(record.ref, sizeof(record.ref), e->entries[i].want.ref);
		str_copy_text(record.text, sizeof(record.text), why);
		on_failure(e, &record);
	}
}

static void ended(struct engine *e)
{
	struct updates *up = e->updates;

	loop_remove(e->loop, up->source);
	up->source = NULL;
	close_fd(&up->fd);
	close_fd(&up->proc.pidfd);
	fail_rest(e, up->is_done ? "the image worker said nothing about it" :
				   "the image worker ended without an answer");
	up->proc.pid = 0;
	update_import_next(e);
}

static void on_import(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct engine *e = arg;
	struct import_record record = { 0 };
	ssize_t n = recv(e->updates->fd, &record, sizeof(record), 0);

	(void)loop;
	(void)events;
	(void)now;
	if (n > 0)
		on_record(e, &record);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		ended(e);
}

static void on_reaped(void *arg, pid_t pid, int wait_status)
{
	(void)arg;
	(void)pid;
	(void)wait_status; /* end of file on the record socket says it */
}

static void start(struct engine *e, const struct pull_request *request)
{
	struct updates *up = e->updates;
	struct err err;

	up->is_done = false;
	if (import_start(CLEAT_STORE_DIR, CLEAT_IMAGE_DIR, request, e->work_cgroup, &up->proc,
			 &up->fd, &err) < 0) {
		up->proc.pid = 0;
		fail_rest(e, err.msg);
		return;
	}
	up->source = loop_add(e->loop, up->fd, EPOLLIN, on_import, e, &err);
	if (!up->source || children_watch(e, up->proc.pid, on_reaped, NULL, &err) < 0)
		log_msg(LOG_ERROR, "update", "%s", err.msg);
}

static bool wants_something(const struct update_unit *u, bool is_taking)
{
	return u && (is_taking ? u->wants_pull : u->wants_answer);
}

/* Everybody is asked before anything is taken, archives before registries. */
static void choose_round(struct engine *e)
{
	struct updates *up = e->updates;

	up->is_taking = true;
	for (unsigned i = 0; i < e->count; i++)
		up->is_taking &= !wants_something(up->units[i], false);
	up->is_local = false;
	for (unsigned i = 0; i < e->count; i++)
		up->is_local |= wants_something(up->units[i], up->is_taking) &&
				up->units[i]->is_local;
}

/* A pull for one is also for those who hear of it while it begins. */
static bool make_request(struct engine *e, struct arena *arena, struct pull_request *out)
{
	const struct updates *up = e->updates;

	choose_round(e);
	for (unsigned i = 0; i < e->count; i++) {
		struct update_unit *u = up->units[i];
		struct pull_want want = e->entries[i].want;

		image_queue_keep(e, i, arena, out);
		if (!wants_something(u, up->is_taking) || u->is_local != up->is_local)
			continue;
		if (up->is_taking)
			u->wants_pull = false;
		else
			u->wants_answer = false;
		u->is_asked = true;
		want.policy = u->is_local ? PULL_NEVER : PULL_ALWAYS;
		want.only_asks = !up->is_taking;
		image_queue_add_want(arena, out, &want);
	}
	return out->want_count > 0;
}

static bool is_anybody_busy(const struct engine *e)
{
	for (unsigned i = 0; i < e->count; i++) {
		const struct update_unit *u = e->updates->units[i];

		if (u && (u->state.phase == UPDATE_PINNING || u->state.phase == UPDATE_FETCHING))
			return true;
	}
	return false;
}

void update_import_next(struct engine *e)
{
	struct updates *up = e->updates;
	struct pull_request request = { 0 };
	auto_arena arena = { 0 };

	if (up->proc.pid || e->stopping)
		return;
	if (make_request(e, &arena, &request)) {
		start(e, &request);
	} else if (up->is_full_pass && !is_anybody_busy(e)) {
		/* an engine that ends earlier begins anew */
		up->is_full_pass = false;
		up->checked_real_usec = clock_real_usec();
		up->checked_due = true;
		update_save_next(e);
	}
}
