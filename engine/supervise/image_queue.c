/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images that units wait for: found in the store at once where the unit's policy lets that stand, else looked for in the archives of
 * the config mount and in registries by one import process at a time, whose flat records arrive here. Archives win over the store: an
 * image that came from an archive which has changed since is looked up again. Decides nothing about retries: that is the core's.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervise/internal.h"
#include "util/cleanup.h"
#include "util/str.h"

static void import_next(struct engine *e);

static void tell(struct engine *e, unsigned index, const char *progress)
{
	struct engine_entry *entry = &e->entries[index];

	if (str_eq(entry->image_progress, progress))
		return;
	str_copy_text(entry->image_progress, sizeof(entry->image_progress), progress);
	publish_unit(e, index);
}

static void answer(struct engine *e, unsigned index, const char *error, bool permanent)
{
	struct core_event event = { .unit = index, .text = error, .permanent = permanent };

	event.type = error ? CORE_EV_IMAGE_FAILED : CORE_EV_IMAGE_READY;
	e->entries[index].image_wanted = false;
	e->entries[index].image_progress[0] = '\0';
	if (!error)
		e->entries[index].waits_for_image_unit = false;
	engine_feed(e, &event);
}

static void want_of_spec(const struct container_spec *spec, struct pull_want *out)
{
	const struct spec_registry *registry = &spec->registry;

	out->auth_file = registry->auth_file;
	out->creds = registry->creds;
	out->cert_dir = registry->cert_dir;
	out->tls_verify_given = registry->tls_verify != SPEC_UNSET;
	out->tls_verify = registry->tls_verify != SPEC_NO;
	out->retries = registry->retries;
	out->retry_delay_usec = registry->retry_delay_usec;
}

static enum pull_policy policy_of_spec(const struct container_spec *spec)
{
	static const enum pull_policy policies[] = {
		[SPEC_PULL_MISSING] = PULL_MISSING,
		[SPEC_PULL_ALWAYS] = PULL_ALWAYS,
		[SPEC_PULL_NEVER] = PULL_NEVER,
		[SPEC_PULL_NEWER] = PULL_NEWER,
	};

	return policies[spec->pull];
}

static const struct unit *image_unit_of(const struct engine *e, const struct unit *unit)
{
	for (size_t i = 0; i < unit->ref_count; i++) {
		if (unit->refs[i].kind != UNIT_IMAGE)
			continue;
		for (size_t k = e->resource_begin; k < e->units.count; k++)
			if (str_eq(e->units.units[k].name, unit->refs[i].file))
				return &e->units.units[k];
	}
	return NULL;
}

/* The .image unit says where from and with which rights; it is asked once, as the oneshot that it is, and then the container's own
 * Pull= holds. */
int image_queue_bind(struct engine *e, struct engine_entry *entry)
{
	const struct unit *image = image_unit_of(e, entry->unit);
	struct container_spec *spec;
	char name[REF_MAX];

	ref_format(&entry->ref, name);
	entry->want = (struct pull_want)PULL_WANT_INIT(arena_strdup(&entry->spec_arena, name));
	entry->want.policy = policy_of_spec(entry->spec);
	want_of_spec(entry->spec, &entry->want);
	if (!image)
		return 0;
	spec = arena_new(&entry->spec_arena, struct container_spec);
	if (spec_image_from_args(spec, &entry->spec_arena, &image->spec_args, &e->units.diags) < 0)
		return -1;
	want_of_spec(spec, &entry->want);
	if (!str_eq(spec->image, entry->spec->image))
		entry->want.from = spec->image; /* ImageTag= is the container's word */
	entry->unit_policy = policy_of_spec(spec);
	entry->waits_for_image_unit = true;
	return 0;
}

static enum pull_policy policy_now(const struct engine_entry *entry)
{
	return entry->waits_for_image_unit && entry->want.policy == PULL_MISSING ?
		       entry->unit_policy :
		       entry->want.policy;
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
	if (look_up(e, index, &is_current, &err) == 0) {
		is_current &= pull_decide(policy_now(entry), &entry->ref, true) == PULL_STEP_STORE;
		if (is_current || e->store_read_only) {
			answer(e, index, NULL, false);
			return;
		}
	}
	if (!e->store || (e->store_read_only && !entry->has_image)) {
		char text[600];

		snprintf(text, sizeof(text),
			 "image %s is not in the store, and the store cannot be written: %s",
			 entry->spec->image, e->store ? CLEAT_STORE_DIR " is read-only" : err.msg);
		answer(e, index, text, true); /* the store is opened once */
		return;
	}
	if (e->import.pid)
		tell(e, index, "waits for the images that others asked for before");
	import_next(e);
}

static bool wants_ref(const struct engine *e, unsigned index, const char *ref)
{
	return e->entries[index].image_wanted && str_eq(e->entries[index].want.ref, ref);
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

static void on_no_image(struct engine *e, const struct import_record *record, bool permanent)
{
	char text[1100];

	snprintf(text, sizeof(text), "image %s: %s", record->ref, record->text);
	for (unsigned i = 0; i < e->count; i++)
		if (wants_ref(e, i, record->ref))
			answer(e, i, text, permanent);
}

static void on_progress(struct engine *e, const struct import_record *record)
{
	for (unsigned i = 0; i < e->count; i++)
		if (wants_ref(e, i, record->ref))
			tell(e, i, record->text);
}

static void on_record(struct engine *e, struct import_record *record)
{
	record->ref[sizeof(record->ref) - 1] = '\0';
	record->digest[sizeof(record->digest) - 1] = '\0';
	record->text[sizeof(record->text) - 1] = '\0';
	switch ((enum import_kind)record->kind) {
	case IMPORT_PROGRESS:
		on_progress(e, record);
		break;
	case IMPORT_LAYER:
		break;
	case IMPORT_IMAGE:
		on_image(e, record->ref);
		break;
	case IMPORT_MISSING:
	case IMPORT_ERROR:
		on_no_image(e, record, true);
		break;
	case IMPORT_RETRY:
		on_no_image(e, record, false);
		break;
	case IMPORT_ARCHIVE_ERROR:
		publish_note(e, 1, "image archive: %s", record->text);
		break;
	case IMPORT_NOTE:
		publish_note(e, 1, "images: %s", record->text);
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

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && str_eq(a, b));
}

static bool same_want(const struct pull_want *a, const struct pull_want *b)
{
	return str_eq(a->ref, b->ref) && same_text(a->from, b->from) && a->policy == b->policy &&
	       same_text(a->auth_file, b->auth_file) && same_text(a->creds, b->creds) &&
	       same_text(a->cert_dir, b->cert_dir) && a->tls_verify_given == b->tls_verify_given &&
	       a->tls_verify == b->tls_verify && a->retries == b->retries &&
	       a->retry_delay_usec == b->retry_delay_usec;
}

static bool is_asked_for(const struct pull_request *request, const struct pull_want *want)
{
	for (size_t i = 0; i < request->want_count; i++)
		if (same_want(&request->wants[i], want))
			return true;
	return false;
}

/* Two units may want one name in two ways: each is a want of its own, and the first answer is for both. */
static void make_request(struct engine *e, struct pull_request *out, struct arena *arena)
{
	for (unsigned i = 0; i < e->count; i++) {
		struct engine_entry *entry = &e->entries[i];
		struct pull_want want = entry->want;

		if (!entry->spec)
			continue;
		*arena_push(arena, out->keeps, out->keep_count) = want.ref;
		if (!entry->image_wanted)
			continue;
		want.policy = policy_now(entry);
		entry->image_progress[0] = '\0';
		if (!is_asked_for(out, &want))
			*arena_push(arena, out->wants, out->want_count) = want;
	}
}

static void import_next(struct engine *e)
{
	struct pull_request request = { 0 };
	auto_arena arena = { 0 };
	struct err err;

	if (e->import.pid || e->stopping)
		return;
	make_request(e, &request, &arena);
	if (!request.want_count)
		return;
	e->import_done = false;
	if (import_start(CLEAT_STORE_DIR, CLEAT_IMAGE_DIR, &request, e->work_cgroup, &e->import,
			 &e->import_fd, &err) < 0) {
		e->import.pid = 0;
		fail_all(e, &err);
		return;
	}
	e->import_source = loop_add(e->loop, e->import_fd, EPOLLIN, on_import, e, &err);
	if (!e->import_source || children_watch(e, e->import.pid, on_import_reaped, NULL, &err) < 0)
		log_msg(LOG_ERROR, "image", "%s", err.msg);
}

void engine_images_changed(struct engine *e)
{
	for (unsigned i = 0; i < e->count; i++) {
		struct core_unit_view view;
		bool is_current;
		struct err err;

		core_view(e->core, i, &view);
		if (!e->entries[i].spec || view.want != CORE_WANT_UP ||
		    view.result != CORE_RESULT_IMAGE ||
		    (view.state != CORE_BACKOFF && view.state != CORE_FAILED))
			continue;
		if (look_up(e, i, &is_current, &err) == 0)
			engine_feed(e,
				    &(struct core_event){ .type = CORE_EV_IMAGE_READY, .unit = i });
	}
}
