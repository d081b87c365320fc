/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images that units wait for: found in the store at once, or looked for in the archives of the config mount by one import
 * process at a time, whose flat records arrive here. Archives win over the store: an image that came from an archive which has
 * changed since is looked up again.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervise/internal.h"
#include "util/cleanup.h"
#include "util/str.h"

static void import_next(struct engine *e);

static void answer(struct engine *e, unsigned index, const char *error, bool permanent)
{
	struct core_event event = { .unit = index, .text = error, .permanent = permanent };

	event.type = error ? CORE_EV_IMAGE_FAILED : CORE_EV_IMAGE_READY;
	e->entries[index].image_wanted = false;
	engine_feed(e, &event);
}

static int look_up(struct engine *e, unsigned index, bool *is_current, struct err *err)
{
	struct engine_entry *entry = &e->entries[index];
	const char *source = "";

	entry->has_image = false;
	arena_fini(&entry->image_arena);
	if (!e->store) {
		*err = e->store_error;
		return -1;
	}
	if (store_find(e->store, &entry->ref, &entry->image_arena, &entry->image, &source, err) < 0)
		return -1;
	entry->has_image = true;
	*is_current = store_source_is_current(source);
	return 0;
}

void image_queue_want(struct engine *e, unsigned index)
{
	struct engine_entry *entry = &e->entries[index];
	bool is_current = false;
	struct err err;

	entry->image_wanted = true;
	if (look_up(e, index, &is_current, &err) == 0 && (is_current || e->store_read_only)) {
		answer(e, index, NULL, false);
		return;
	}
	if (!e->store || (e->store_read_only && !entry->has_image)) {
		char text[600];

		snprintf(text, sizeof(text),
			 "image %s is not in the store, and the store cannot be written: %s",
			 entry->spec->image, e->store ? CLEAT_STORE_DIR " is read-only" : err.msg);
		answer(e, index, text, true); /* the store is opened once */
		return;
	}
	import_next(e);
}

static bool wants_ref(const struct engine *e, unsigned index, const char *ref)
{
	char wanted[REF_MAX];

	if (!e->entries[index].image_wanted)
		return false;
	ref_format(&e->entries[index].ref, wanted);
	return str_eq(wanted, ref);
}

static void on_image(struct engine *e, const char *ref)
{
	for (unsigned i = 0; i < e->count; i++) {
		bool is_current;
		struct err err;

		if (!wants_ref(e, i, ref))
			continue;
		if (look_up(e, i, &is_current, &err) == 0)
			answer(e, i, NULL, false);
		else
			answer(e, i, err.msg, false);
	}
}

static void on_no_image(struct engine *e, const struct import_record *record)
{
	char text[1100];

	snprintf(text, sizeof(text), "image %s: %s", record->ref, record->text);
	for (unsigned i = 0; i < e->count; i++)
		if (wants_ref(e, i, record->ref))
			answer(e, i, text, true);
}

static void on_record(struct engine *e, struct import_record *record)
{
	record->ref[sizeof(record->ref) - 1] = '\0';
	record->digest[sizeof(record->digest) - 1] = '\0';
	record->text[sizeof(record->text) - 1] = '\0';
	switch ((enum import_kind)record->kind) {
	case IMPORT_PROGRESS:
		break;
	case IMPORT_IMAGE:
		on_image(e, record->ref);
		break;
	case IMPORT_MISSING:
	case IMPORT_ERROR:
		on_no_image(e, record);
		break;
	case IMPORT_ARCHIVE_ERROR:
		publish_note(e, 1, "image archive: %s", record->text);
		break;
	case IMPORT_DONE:
		e->import_done = true;
		break;
	}
}

/* The process is gone. Whoever still waits asked too late (next round) or lost his answer (a crash). */
static void import_ended(struct engine *e)
{
	bool crashed = !e->import_done;

	loop_remove(e->loop, e->import_source);
	e->import_source = NULL;
	close_fd(&e->import_fd);
	close_fd(&e->import.pidfd);
	e->import.pid = 0;
	if (crashed)
		for (unsigned i = 0; i < e->count; i++)
			if (e->entries[i].image_wanted)
				answer(e, i,
				       "the image worker ended without an answer; its message is on the console",
				       false);
	import_next(e);
}

static void on_import(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct engine *e = arg;
	struct import_record record = { 0 };
	ssize_t n = recv(e->import_fd, &record, sizeof(record), 0);

	(void)loop;
	(void)events;
	(void)now;
	if (n > 0)
		on_record(e, &record);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		import_ended(e);
}

static void on_import_reaped(void *arg, pid_t pid, int wait_status)
{
	(void)arg;
	(void)pid;
	(void)wait_status; /* end of file on the record socket says it */
}

static void fail_all(struct engine *e, const struct err *err)
{
	for (unsigned i = 0; i < e->count; i++)
		if (e->entries[i].image_wanted)
			answer(e, i, err->msg, false);
}

static void import_next(struct engine *e)
{
	static char names[CORE_MAX_UNITS][REF_MAX];
	const char *refs[CORE_MAX_UNITS];
	unsigned count = 0;
	struct err err;

	if (e->import.pid || e->stopping)
		return;
	for (unsigned i = 0; i < e->count; i++) {
		if (!e->entries[i].image_wanted)
			continue;
		ref_format(&e->entries[i].ref, names[count]);
		refs[count] = names[count];
		count++;
	}
	if (!count)
		return;
	e->import_done = false;
	if (import_start(CLEAT_STORE_DIR, CLEAT_IMAGE_DIR, refs, count, e->work_cgroup, &e->import,
			 &e->import_fd, &err) < 0) {
		e->import.pid = 0;
		fail_all(e, &err);
		return;
	}
	e->import_source = loop_add(e->loop, e->import_fd, EPOLLIN, on_import, e, &err);
	if (!e->import_source || children_watch(e, e->import.pid, on_import_reaped, NULL, &err) < 0)
		log_msg(LOG_ERROR, "image", "%s", err.msg);
}
