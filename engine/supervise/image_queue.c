/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images that units wait for: found in the store at once where the unit's policy lets that stand, else looked for in the archives of
 * the config mount and in registries by import processes, one a registry, whose flat records arrive here: a registry that does not
 * answer holds up nobody who wants something of another. Archives win over the store: an image that came from an archive which has
 * changed since is looked up again. Decides nothing about retries: that is the core's.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "supervise/internal.h"
#include "supervise/update.h"
#include "util/cleanup.h"
#include "util/str.h"

#define PROGRESS_SIZE 160

static void import_next(struct engine *e);

static void tell(struct engine *e, unsigned index, const char *progress)
{
	struct engine_entry *entry = &e->entries[index];
	char text[PROGRESS_SIZE];

	str_copy_text(text, sizeof(text), progress);
	if (str_eq(entry->image_progress, text))
		return;
	str_keep(&entry->image_progress, text);
	publish_unit(e, index);
}

static void answer(struct engine *e, unsigned index, const char *error, bool permanent)
{
	struct core_event event = { .unit = index, .text = error, .permanent = permanent };

	event.type = error ? CORE_EV_IMAGE_FAILED : CORE_EV_IMAGE_READY;
	e->entries[index].image_wanted = false;
	e->entries[index].image_import = NULL;
	str_drop(&e->entries[index].image_progress);
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
int image_queue_bind(struct engine *e, struct engine_entry *entry, const struct image_ref *ref)
{
	const struct unit *image = image_unit_of(e, entry->unit);
	struct container_spec *spec;
	char name[REF_MAX];

	ref_format(ref, name);
	entry->want = (struct pull_want)PULL_WANT_INIT(arena_strdup(&e->units.arena, name));
	entry->want.policy = policy_of_spec(entry->spec);
	want_of_spec(entry->spec, &entry->want);
	if (!image)
		return 0;
	spec = arena_new(&e->units.arena, struct container_spec);
	if (spec_image_from_args(spec, &e->units.arena, &image->spec_args, &e->units.diags) < 0)
		return -1;
	want_of_spec(spec, &entry->want);
	if (!str_eq(spec->image, entry->spec->image))
		entry->want.from = spec->image; /* ImageTag= is the container's word */
	entry->unit_policy = policy_of_spec(spec);
	entry->waits_for_image_unit = true;
	return 0;
}

void image_queue_ref(const struct engine_entry *entry, struct image_ref *out)
{
	struct err err;

	/* it was parsed when the unit was read: units.c */
	if (!entry->spec || entry->spec->is_pod || ref_parse(entry->spec->image, out, &err) < 0)
		*out = (struct image_ref){ .domain = "" };
}

static enum pull_policy policy_now(const struct engine_entry *entry)
{
	return entry->waits_for_image_unit && entry->want.policy == PULL_MISSING ?
		       entry->unit_policy :
		       entry->want.policy;
}

/* What a start takes: the unit's pin, or what its name means. A pinned image that is gone (somebody took it away by force) is no reason
 * to stay down. */
static int find(struct engine *e, unsigned index, const char **source, struct err *err)
{
	struct engine_entry *entry = &e->entries[index];
	const char *pin = update_pin(e, index);
	struct image_ref ref, pinned;

	entry->is_pinned = false;
	image_queue_ref(entry, &ref);
	if (pin) {
		pinned = ref;
		str_copy(pinned.digest, sizeof(pinned.digest), pin);
		if (store_find(e->store, &pinned, &entry->image_arena, &entry->image, NULL, err) ==
		    0) {
			entry->is_pinned = true;
			return 0;
		}
		arena_fini(&entry->image_arena);
		log_msg(LOG_WARN, "image", "%s: pinned to %s: %s: what %s means now is taken",
			entry->name, pin, err->msg, entry->spec->image);
	}
	return store_find(e->store, &ref, &entry->image_arena, &entry->image, source, err);
}

void image_queue_ref_of_run(const struct engine *e, unsigned index, struct image_ref *out)
{
	const struct engine_entry *entry = &e->entries[index];
	const char *digest = entry->record.image_digest[0] ? entry->record.image_digest :
							     update_pin(e, index);

	image_queue_ref(entry, out);
	if (digest)
		str_copy(out->digest, sizeof(out->digest), digest);
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
	if (find(e, index, &source, err) < 0)
		return -1;
	entry->has_image = true;
	health_take_image(e, index);
	*is_current = store_source_is_current(source);
	return 0;
}

void image_queue_want(struct engine *e, unsigned index)
{
	struct engine_entry *entry = &e->entries[index];
	struct image_ref ref;
	bool is_current = false;
	struct err err;

	entry->image_wanted = true;
	if (entry->spec->is_pod) {
		answer(e, index, NULL, false);
		return;
	}
	if (look_up(e, index, &is_current, &err) == 0) {
		image_queue_ref(entry, &ref);
		is_current &= pull_decide(policy_now(entry), &ref, true) == PULL_STEP_STORE;
		is_current |= entry->is_pinned;
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
	import_next(e);
	if (entry->image_wanted && !entry->image_import)
		tell(e, index, "waits for the images that others asked for before");
}

/* Also of those who asked when the process was on its way already. */
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
		if (look_up(e, i, &is_current, &err) == 0) {
			event_emit(e, EVENT_PULL, i,
				   &(struct event_details){ .image = ref,
							    .text = e->entries[i].image.digest });
			answer(e, i, NULL, false);
		} else
			answer(e, i, err.msg, false);
	}
}

static void on_no_image(struct engine *e, const struct import_record *record, bool permanent)
{
	char text[1100];

	snprintf(text, sizeof(text), "image %s: %s", record->ref, record->text);
	for (unsigned i = 0; i < e->count; i++) {
		if (!wants_ref(e, i, record->ref))
			continue;
		event_emit(e, EVENT_PULL_FAILED, i,
			   &(struct event_details){ .image = record->ref, .text = record->text });
		answer(e, i, text, permanent);
	}
}

static void on_progress(struct engine *e, const struct import_record *record)
{
	for (unsigned i = 0; i < e->count; i++)
		if (wants_ref(e, i, record->ref))
			tell(e, i, record->text);
}

static void on_record(struct import_slot *slot, struct import_record *record)
{
	struct engine *e = slot->e;

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
	case IMPORT_NEWER: /* only answers what update_import.c asks */
		break;
	case IMPORT_DONE:
		slot->is_done = true;
		break;
	}
}

/* The process is gone. Whoever still waits asked too late (next round) or lost his answer (a crash). */
static void import_ended(struct import_slot *slot)
{
	struct engine *e = slot->e;

	loop_remove(e->loop, slot->source);
	slot->source = NULL;
	close_fd(&slot->fd);
	close_fd(&slot->proc.pidfd);
	slot->proc.pid = 0;
	for (unsigned i = 0; i < e->count; i++) {
		if (e->entries[i].image_import != slot)
			continue;
		e->entries[i].image_import = NULL;
		if (e->entries[i].image_wanted && !slot->is_done)
			answer(e, i,
			       "the image worker ended without an answer; its message is on the console",
			       false);
	}
	import_next(e);
}

static void on_import(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct import_slot *slot = arg;
	struct import_record record = { 0 };
	ssize_t n = recv(slot->fd, &record, sizeof(record), 0);

	(void)loop;
	(void)events;
	(void)now;
	if (n > 0)
		on_record(slot, &record);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		import_ended(slot);
}

static void on_import_reaped(void *arg, pid_t pid, int wait_status)
{
	(void)arg;
	(void)pid;
	(void)wait_status; /* end of file on the record socket says it */
}

static void fail_all(struct import_slot *slot, const struct err *err)
{
	for (unsigned i = 0; i < slot->e->count; i++)
		if (slot->e->entries[i].image_import == slot)
			answer(slot->e, i, err->msg, false);
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

void image_queue_add_want(struct arena *arena, struct pull_request *request,
			  const struct pull_want *want)
{
	if (!is_asked_for(request, want))
		*arena_push(arena, request->wants, request->want_count) = *want;
}

void image_queue_keep(struct engine *e, unsigned index, struct arena *arena,
		      struct pull_request *request)
{
	const struct engine_entry *entry = &e->entries[index];

	if (entry->spec && entry->spec->is_pod)
		return;
	if (entry->spec)
		*arena_push(arena, request->keeps, request->keep_count) = entry->want.ref;
	update_keeps(e, index, arena, request);
}

/* Whom to ask: two processes for one registry would only wait for each other. */
static void registry_of(const struct engine_entry *entry, char *out, size_t size)
{
	struct image_ref ref;
	struct err err;

	if (!entry->want.from || ref_parse(entry->want.from, &ref, &err) < 0)
		image_queue_ref(entry, &ref);
	str_copy(out, size, ref.domain);
}

static bool is_being_asked(const struct engine *e, const char *registry)
{
	for (size_t i = 0; i < ENGINE_MAX_IMPORTS; i++)
		if (e->imports[i].proc.pid && str_eq(e->imports[i].registry, registry))
			return true;
	return false;
}

/* The registry of the first who waits for one that nobody asks. */
static bool choose_registry(struct engine *e, char *out, size_t size)
{
	for (unsigned i = 0; i < e->count; i++) {
		if (!e->entries[i].image_wanted || e->entries[i].image_import)
			continue;
		registry_of(&e->entries[i], out, size);
		if (!is_being_asked(e, out))
			return true;
	}
	return false;
}

/* Two units may want one name in two ways: each is a want of its own, and the first answer is for both. */
static void make_request(struct import_slot *slot, struct pull_request *out, struct arena *arena)
{
	struct engine *e = slot->e;
	char registry[sizeof(slot->registry)];

	for (unsigned i = 0; i < e->count; i++) {
		struct engine_entry *entry = &e->entries[i];
		struct pull_want want = entry->want;

		image_queue_keep(e, i, arena, out);
		if (!entry->spec || entry->spec->is_pod)
			continue;
		if (!entry->image_wanted || entry->image_import)
			continue;
		registry_of(entry, registry, sizeof(registry));
		if (!str_eq(registry, slot->registry))
			continue;
		entry->image_import = slot;
		want.policy = policy_now(entry);
		str_drop(&entry->image_progress);
		image_queue_add_want(arena, out, &want);
	}
}

static void import_begin(struct import_slot *slot)
{
	struct engine *e = slot->e;
	struct pull_request request = { 0 };
	auto_arena arena = { 0 };
	struct err err;

	make_request(slot, &request, &arena);
	slot->is_done = false;
	slot->fd = slot->proc.pidfd = -1;
	if (import_start(CLEAT_STORE_DIR, CLEAT_IMAGE_DIR, &request, e->work_cgroup, &slot->proc,
			 &slot->fd, &err) < 0) {
		slot->proc.pid = 0;
		fail_all(slot, &err);
		return;
	}
	slot->source = loop_add(e->loop, slot->fd, EPOLLIN, on_import, slot, &err);
	if (!slot->source || children_watch(e, slot->proc.pid, on_import_reaped, NULL, &err) < 0)
		log_msg(LOG_ERROR, "image", "%s", err.msg);
}

static void import_next(struct engine *e)
{
	for (size_t i = 0; i < ENGINE_MAX_IMPORTS && !e->stopping; i++) {
		struct import_slot *slot = &e->imports[i];

		if (slot->proc.pid)
			continue;
		if (!choose_registry(e, slot->registry, sizeof(slot->registry)))
			return;
		slot->e = e;
		import_begin(slot);
	}
}

static bool lacks_image(const struct engine *e, unsigned index)
{
	struct core_unit_view view;

	core_view(e->core, index, &view);
	return e->entries[index].spec && view.want == CORE_WANT_UP &&
	       view.result == CORE_RESULT_IMAGE &&
	       (view.state == CORE_BACKOFF || view.state == CORE_FAILED);
}

void engine_images_changed(struct engine *e)
{
	for (unsigned i = 0; i < e->count; i++) {
		bool is_current;
		struct err err;

		if (lacks_image(e, i) && look_up(e, i, &is_current, &err) == 0)
			engine_feed(e,
				    &(struct core_event){ .type = CORE_EV_IMAGE_READY, .unit = i });
	}
}

void image_queue_ask_again(struct engine *e)
{
	for (unsigned i = 0; i < e->count; i++)
		if (lacks_image(e, i))
			engine_feed(e, &(struct core_event){ .type = CORE_EV_IMAGE_READY,
							     .unit = i,
							     .text = "its image is asked for "
								     "again" });
}
