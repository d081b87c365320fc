/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Updates of images: what the policy decides becomes restarts, imports and records, and what happens becomes its events. Decides nothing
 * itself. Must never touch a unit that has no AutoUpdate= unless somebody asks for it by name.
 */
#include "supervise/update.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "util/json.h"
#include "util/str.h"

#define DEFAULT_INTERVAL_USEC (24 * 3600 * USEC_SEC)
#define DEFAULT_HEALTHY_USEC (60 * USEC_SEC)
#define PATIENCE_USEC (600 * USEC_SEC) /* for what has no limit of its own */

static void on_judge(struct loop *loop, usec_t now, void *arg);

static uint64_t healthy_after(const struct engine *e)
{
	return e->appliance.update_healthy_usec ? e->appliance.update_healthy_usec :
						  DEFAULT_HEALTHY_USEC;
}

/* --- what the policy sees ---------------------------------------------------------------------------------------------------- */

static uint64_t health_limit(const struct engine *e, const struct engine_entry *entry)
{
	const struct spec_health *health = &entry->health;
	uint64_t limit =
		healthy_after(e) + health->start_period_usec +
		(health->retries + UINT64_C(1)) * (health->interval_usec + health->timeout_usec);

	if (health->startup.check.kind != SPEC_PROBE_NONE)
		limit += PATIENCE_USEC;
	else if (health->check.kind == SPEC_PROBE_NONE)
		return 0;
	return limit;
}

static void describe_unit(struct engine *e, unsigned index, struct update_event *event)
{
	const struct engine_entry *entry = &e->entries[index];
	const struct service *service = &entry->unit->service;
	struct core_unit_view view;

	core_view(e->core, index, &view);
	event->now = loop_now(e->loop);
	event->real_usec = clock_real_usec();
	event->run_digest = entry->record.image_digest;
	event->run_id = entry->run.id;
	event->state = view.state;
	event->health = view.health;
	event->result = view.result;
	event->is_wanted = view.want == CORE_WANT_UP;
	event->is_oneshot = service->type == SERVICE_ONESHOT;
	event->since = view.since;
	event->healthy_after_usec = healthy_after(e);
	event->health_limit_usec = health_limit(e, entry);
	event->start_limit_usec = service->timeout_start_usec < PATIENCE_USEC ?
					  service->timeout_start_usec + PATIENCE_USEC :
					  PATIENCE_USEC;
}

static void set_judge_timer(struct engine *e)
{
	usec_t earliest = USEC_NEVER;

	for (unsigned i = 0; i < e->count; i++)
		if (e->updates->units[i] && e->updates->units[i]->state.deadline < earliest)
			earliest = e->updates->units[i]->state.deadline;
	if (!e->updates->judge_timer)
		e->updates->judge_timer = loop_timer(e->loop, earliest, on_judge, e);
	else
		loop_timer_set(e->loop, e->updates->judge_timer, earliest);
}

/* --- what it decides --------------------------------------------------------------------------------------------------------- */

static void restart(struct engine *e, unsigned index, const char *why)
{
	struct core_unit_view view;

	core_view(e->core, index, &view);
	if (view.want != CORE_WANT_UP) /* somebody has stopped it: the next start takes it */
		return;
	/* the starts of one image are no reason not to start the other */
	engine_feed(e, &(struct core_event){ .type = CORE_EV_RESET_FAILED, .unit = index });
	engine_feed(e, &(struct core_event){ .type = view.state == CORE_FAILED ? CORE_EV_START :
										 CORE_EV_RESTART,
					     .unit = index,
					     .text = why });
}

static void obey(struct engine *e, unsigned index, const struct update_step *step)
{
	struct update_unit *u = e->updates->units[index];
	bool is_update = step->tell == UPDATE_TELL_UPDATE;

	if (step->tell != UPDATE_TELL_NOTHING) {
		event_emit(e, is_update ? EVENT_UPDATE : EVENT_ROLLBACK, index,
			   &(struct event_details){ .text = is_update ? u->state.kept.pin :
									step->text });
		console_step(e, "%s  %s%s", e->entries[index].name,
			     is_update ? "" : "update taken back: ", step->text);
		log_msg(is_update ? LOG_INFO : LOG_WARN, "update", "%s: %s%s",
			e->entries[index].name, is_update ? "" : "rolled back: ", step->text);
	}
	if (step->save) {
		u->save_due = true;
		update_save_next(e);
	}
	if (step->pull) {
		u->wants_pull = true;
		update_import_next(e);
	}
	if (step->restart)
		restart(e, index, step->text);
}

void update_feed(struct engine *e, unsigned index, struct update_event *event)
{
	struct update_unit *u = e->updates->units[index];
	enum update_outcome before = u->state.outcome;
	struct update_step step;

	describe_unit(e, index, event);
	update_step(&u->state, event, &step);
	if (u->state.outcome != before && u->state.outcome == UPDATE_FAILED)
		log_msg(LOG_WARN, "update", "%s: %s", e->entries[index].name, u->state.text);
	obey(e, index, &step);
	set_judge_timer(e);
	if (u->state.outcome != before)
		publish_unit(e, index);
}

static void judge(struct engine *e, unsigned index)
{
	struct update_unit *u = e->updates->units[index];

	if (u->state.phase != UPDATE_IDLE)
		update_feed(e, index, &(struct update_event){ .type = UPDATE_EV_UNIT });
}

static void on_judge(struct loop *loop, usec_t now, void *arg)
{
	struct engine *e = arg;

	(void)loop;
	for (unsigned i = 0; i < e->count; i++)
		if (e->updates->units[i] && e->updates->units[i]->state.deadline <= now)
			judge(e, i);
	set_judge_timer(e);
}

void update_on_publish(struct engine *e, unsigned index)
{
	if (e->updates && index < CORE_MAX_UNITS && e->updates->units[index] && !e->stopping)
		judge(e, index);
}

/* --- what others ask --------------------------------------------------------------------------------------------------------- */

const char *update_pin(const struct engine *e, unsigned index)
{
	const struct update_unit *u = e->updates ? e->updates->units[index] : NULL;

	return u && u->state.kept.pin[0] ? u->state.kept.pin : NULL;
}

void update_keeps(const struct engine *e, unsigned index, struct arena *arena,
		  struct pull_request *request)
{
	const struct update_unit *u = e->updates ? e->updates->units[index] : NULL;
	const char *digests[UPDATE_KEEPS_MAX];
	unsigned count = u ? update_record_keeps(&u->state.kept, digests) : 0;

	for (unsigned i = 0; i < count; i++)
		*arena_push(arena, request->keeps, request->keep_count) =
			arena_join(arena, "kept@", digests[i]);
}

void update_text(const struct engine *e, unsigned index, char *out, size_t size)
{
	const struct update_unit *u = e->updates ? e->updates->units[index] : NULL;
	char text[sizeof(u->state.text) + 40] = "";

	/* that there was nothing new is nothing to tell */
	if (u && u->state.outcome != UPDATE_UNKNOWN &&
	    (u->state.outcome != UPDATE_FALSE || u->state.text[0]))
		snprintf(text, sizeof(text), "%s%s%s", update_outcome_name(u->state.outcome),
			 u->state.text[0] ? ": " : "", u->state.text);
	else if (u && u->state.kept.pin[0])
		snprintf(text, sizeof(text), "pinned to %s", u->state.kept.pin);
	str_copy_text(out, size, text);
}

/* --- checking ---------------------------------------------------------------------------------------------------------------- */

static void say_false(struct update_unit *u, const char *text)
{
	u->state.outcome = UPDATE_FALSE;
	str_copy_text(u->state.text, sizeof(u->state.text), text);
}

/* podman's "local" is what the name means here. An archive is asked for only where what the store has is not known to be the newest: the
 * folder has changed since. False: that has to be asked. */
static bool check_store(struct engine *e, unsigned index)
{
	struct store_image image;
	struct image_ref ref;
	auto_arena arena = { 0 };
	const char *source = "";
	struct err err;

	image_queue_ref(&e->entries[index], &ref);
	if (!e->store || store_find(e->store, &ref, &arena, &image, &source, &err) < 0 ||
	    !(store_source_is_current(source) || e->store_read_only))
		return false;
	update_feed(e, index,
		    &(struct update_event){ .type = UPDATE_EV_FOUND,
					    .digest = image.digest,
					    .in_store = true,
					    .is_dry = e->updates->is_dry,
					    .keeps_failed = e->updates->keeps_failed });
	return true;
}

static void check_unit(struct engine *e, unsigned index)
{
	const struct engine_entry *entry = &e->entries[index];
	struct update_unit *u = e->updates->units[index];
	struct core_unit_view view;
	const char *unfit;

	core_view(e->core, index, &view);
	if (u->state.phase != UPDATE_IDLE)
		return;
	u->state.outcome = UPDATE_PENDING;
	u->state.text[0] = '\0';
	if (view.state != CORE_UP || view.want != CORE_WANT_UP) {
		say_false(u, "it is not up");
	} else if (!entry->record.image_digest[0]) {
		say_false(u,
			  "which image it runs is not known: it was started by an earlier version");
	} else if (u->is_local) {
		u->wants_answer = !check_store(e, index);
	} else if ((unfit = spec_update_unfit(entry->want.from ? entry->want.from :
								 entry->want.ref))) {
		update_feed(e, index,
			    &(struct update_event){ .type = UPDATE_EV_NOT_FOUND, .text = unfit });
	} else {
		u->wants_answer = true;
	}
}

static bool is_busy(struct engine *e, unsigned index)
{
	const struct update_unit *u = e->updates->units[index];
	struct core_unit_view view;

	if (!u)
		return false;
	core_view(e->core, index, &view);
	return u->wants_answer || u->is_asked ||
	       update_is_busy(&u->state, view.want == CORE_WANT_UP);
}

static int refuse_without_policy(struct engine *e, unsigned index, struct err *err)
{
	const struct update_unit *u = e->updates->units[index];

	if (!e->entries[index].spec)
		return err_set(err, ERR_INPUT, "%s", e->entries[index].invalid_reason);
	if (!u || !u->policy)
		return err_set(err, ERR_INPUT,
			       "%s has no AutoUpdate=registry and no AutoUpdate=local",
			       e->entries[index].unit->name);
	return 0;
}

int engine_update(struct engine *e, const unsigned *index, bool is_dry, bool keeps_failed,
		  struct err *err)
{
	struct updates *up = e->updates;

	if (e->stop_wanted)
		return err_set(err, ERR_BUSY, "the appliance is stopping");
	if (index && refuse_without_policy(e, *index, err) < 0)
		return -1;
	if (up->proc.pid)
		return err_set(err, ERR_BUSY, "images are being asked for already");
	up->is_dry = is_dry;
	up->keeps_failed = keeps_failed;
	up->is_full_pass = !index && !is_dry;
	for (unsigned i = 0; i < e->count; i++)
		if (up->units[i] && up->units[i]->policy && (!index || *index == i))
			check_unit(e, i);
	update_import_next(e);
	return 0;
}

int engine_rollback(struct engine *e, unsigned index, const char *digest, struct err *err)
{
	struct update_unit *u = e->updates->units[index];
	const struct engine_entry *entry = &e->entries[index];
	struct image_ref ref;
	struct store_image image;
	auto_arena arena = { 0 };
	const char *found;
	char target[UPDATE_DIGEST_SIZE];

	if (e->stop_wanted)
		return err_set(err, ERR_BUSY, "the appliance is stopping");
	if (!u || !entry->spec)
		return err_set(err, ERR_NOT_FOUND, "%s: there was no update yet",
			       entry->unit->name);
	if (is_busy(e, index))
		return err_set(err, ERR_BUSY, "%s: an update is under way", entry->unit->name);
	if (!e->data_writable)
		return err_set(err, ERR_UNSUPPORTED, "%s cannot be written: nothing can be kept",
			       CLEAT_DATA_DIR);
	found = update_rollback_target(&u->state.kept, entry->record.image_digest,
				       digest && digest[0] ? digest : NULL, err);
	if (!found)
		return err_wrap(err, "%s", entry->unit->name);
	str_copy(target, sizeof(target), found); /* the history moves when it grows */
	image_queue_ref(entry, &ref);
	str_copy(ref.digest, sizeof(ref.digest), target);
	if (!e->store || store_find(e->store, &ref, &arena, &image, NULL, err) < 0)
		return err_wrap(e->store ? err : (*err = e->store_error, err), "%s",
				entry->unit->name);
	update_feed(e, index,
		    &(struct update_event){ .type = UPDATE_EV_ROLLBACK, .digest = target });
	return 0;
}

/* --- the report -------------------------------------------------------------------------------------------------------------- */

static void report_unit(struct engine *e, unsigned index, struct json *json)
{
	const struct engine_entry *entry = &e->entries[index];
	const struct update_unit *u = e->updates->units[index];
	const struct update_record *kept = &u->state.kept;

	json_object(json, NULL);
	json_str(json, "unit", entry->unit->name);
	json_str(json, "service", entry->unit->service_name);
	json_str(json, "name", entry->name);
	json_str(json, "image", entry->spec ? entry->spec->image : "");
	json_str(json, "digest", entry->record.image_digest);
	json_str(json, "policy", u->policy ? u->policy : "");
	json_str(json, "updated", update_outcome_name(u->state.outcome));
	json_str(json, "text", u->state.text);
	json_bool(json, "busy", is_busy(e, index));
	json_str(json, "pin", kept->pin);
	json_str(json, "bad", kept->bad);
	json_array(json, "history");
	for (unsigned i = kept->count; i > 0; i--) {
		json_object(json, NULL);
		json_int(json, "time_usec", kept->history[i - 1].real_usec);
		json_str(json, "result", update_result_name(kept->history[i - 1].result));
		json_str(json, "digest", kept->history[i - 1].digest);
		json_str(json, "text", kept->history[i - 1].text);
		json_object_end(json);
	}
	json_array_end(json);
	json_object_end(json);
}

void engine_update_report(struct engine *e, struct buf *out)
{
	struct json json = JSON_TO(out);

	json_object(&json, NULL);
	json_bool(&json, "settled", e->settled);
	json_array(&json, "units");
	for (unsigned i = 0; i < e->count; i++)
		if (e->updates->units[i])
			report_unit(e, i, &json);
	json_array_end(&json);
	json_object_end(&json);
	buf_putc(out, '\n');
}

/* --- the timer --------------------------------------------------------------------------------------------------------------- */

static void set_check_timer(struct engine *e);

static void on_check(struct loop *loop, usec_t now, void *arg)
{
	struct engine *e = arg;
	struct err err;

	(void)loop;
	(void)now;
	if (engine_update(e, NULL, false, false, &err) < 0)
		log_msg(LOG_DEBUG, "update", "%s", err.msg);
	/* also when the registry cannot be reached, the next time is an interval away */
	if (!e->updates->proc.pid)
		e->updates->checked_real_usec = clock_real_usec();
	set_check_timer(e);
}

static void set_check_timer(struct engine *e)
{
	uint64_t interval = e->appliance.update_interval_usec ? e->appliance.update_interval_usec :
								DEFAULT_INTERVAL_USEC;
	int64_t last = e->updates->checked_real_usec;
	uint64_t random = 0, wait;
	bool any = false;

	for (unsigned i = 0; i < e->count && !any; i++)
		any = e->updates->units[i] && e->updates->units[i]->policy;
	if (!any || interval == APPLIANCE_UPDATE_NEVER)
		return;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint64_t)clock_real_usec(); /* it only has to differ between machines */
	/* one that is under way counts from now */
	wait = update_next_check(interval, e->updates->proc.pid ? clock_real_usec() : last,
				 clock_real_usec(), random);
	if (e->updates->check_timer)
		loop_timer_set(e->loop, e->updates->check_timer, loop_now(e->loop) + wait);
	else
		e->updates->check_timer =
			loop_timer(e->loop, loop_now(e->loop) + wait, on_check, e);
}

/* --- the beginning ----------------------------------------------------------------------------------------------------------- */

static const char *policy_of(const struct engine_entry *entry)
{
	const char *text = entry->spec && !entry->spec->is_pod && !entry->unit->is_remnant &&
					   !entry->unit->is_removed ?
				   entry->spec->auto_update :
				   NULL;

	if (text && (str_eq(text, "registry") || str_eq(text, "image")))
		return "registry"; /* "image" is the older word for it, also in podman */
	return text && str_eq(text, "local") ? "local" : NULL;
}

static void open_unit(struct engine *e, unsigned index)
{
	const struct engine_entry *entry = &e->entries[index];
	const char *policy = policy_of(entry);
	struct update_record record;
	struct update_unit *u;
	struct update_step step;
	char boot[UPDATE_BOOT_SIZE];
	struct err err;
	int rc;

	if (!entry->spec || entry->spec->is_pod)
		return;
	rc = e->data_present ? update_record_load(entry->unit->name, &record, &err) : 0;
	if (rc < 0)
		publish_note(e, 1, "updates: %s: it counts as none", err.msg);
	if (rc <= 0)
		record = (struct update_record){ 0 };
	if (rc <= 0 && !policy)
		return;
	u = e->updates->units[index] = arena_new(&e->arena, struct update_unit);
	*u = (struct update_unit){ .policy = policy,
				   .is_local = policy && str_eq(policy, "local") };
	/* in a container the kernel's own id does not change when we boot again */
	snprintf(boot, sizeof(boot), "%s.%llu", e->boot_id, (unsigned long long)e->boot_usec);
	update_restore(&u->state, &record, entry->want.ref, boot, clock_real_usec(), &step);
	obey(e, index, &step);
}

void update_open(struct engine *e)
{
	e->updates = calloc(1, sizeof(*e->updates));
	if (!e->updates)
		abort();
	e->updates->fd = -1;
	for (unsigned i = 0; i < e->count && i < CORE_MAX_UNITS; i++)
		open_unit(e, i);
}

void update_start(struct engine *e)
{
	e->updates->checked_real_usec = update_last_check();
	for (unsigned i = 0; i < e->count; i++) {
		if (e->updates->units[i] && e->updates->units[i]->state.kept.pin[0])
			update_feed(e, i, &(struct update_event){ .type = UPDATE_EV_ADOPTED });
		if (e->updates->units[i])
			judge(e, i);
	}
	set_check_timer(e);
	update_save_next(e);
}
