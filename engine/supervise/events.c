/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events: the engine says what it does, once, where it does it. What follows from the core's states alone (health, restarts, giving up) is
 * found by comparing with what was said last. Must never decide anything.
 */
#include "supervise/events.h"

#include "supervise/internal.h"
#include "util/str.h"

void events_open(struct engine *e)
{
	struct err err;

	if (e->run_layout_unknown)
		return;
	e->events = event_writer_open(CLEAT_EVENTS, &err);
	if (!e->events)
		publish_note(e, 1, "events: %s", err.msg);
}

void events_close(struct engine *e)
{
	event_writer_close(e->events);
	e->events = NULL;
}

static void put_entry(struct event *event, const struct engine_entry *entry)
{
	str_copy(event->run_id, sizeof(event->run_id), entry->run.id);
	str_copy_text(event->name, sizeof(event->name), entry->name);
	str_copy_text(event->unit, sizeof(event->unit), entry->unit->name);
	str_copy_text(event->image, sizeof(event->image), entry->spec ? entry->spec->image : "");
}

void event_emit(struct engine *e, enum event_kind kind, unsigned index,
		const struct event_details *details)
{
	struct event event = { .kind = kind };

	if (!e->events)
		return;
	if (index != EVENT_OF_APPLIANCE)
		put_entry(&event, &e->entries[index]);
	if (details) {
		event.code = details->code;
		event.signal = details->signal;
		if (details->text)
			str_copy_text(event.text, sizeof(event.text), details->text);
		if (details->image)
			str_copy_text(event.image, sizeof(event.image), details->image);
		if (details->unit)
			str_copy_text(event.unit, sizeof(event.unit), details->unit);
	}
	event_write(e->events, &event);
}

static void emit_text(struct engine *e, enum event_kind kind, unsigned index, const char *text)
{
	const struct event_details details = { .text = text };

	event_emit(e, kind, index, &details);
}

static void of_health(struct engine *e, unsigned index, const struct core_unit_view *view)
{
	struct engine_entry *entry = &e->entries[index];

	/* what is acted on in the same step is no health any more, but it has happened */
	if (view->state == CORE_STOPPING && entry->event_state != CORE_STOPPING &&
	    view->result == CORE_RESULT_UNHEALTHY && entry->event_health != CORE_UNHEALTHY)
		emit_text(e, EVENT_HEALTH_STATUS, index, core_health_name(CORE_UNHEALTHY));
	if (view->health == entry->event_health)
		return;
	entry->event_health = view->health;
	if (view->health != CORE_HEALTH_NONE)
		emit_text(e, EVENT_HEALTH_STATUS, index, core_health_name(view->health));
}

static void of_state(struct engine *e, unsigned index, const struct core_unit_view *view)
{
	struct engine_entry *entry = &e->entries[index];
	enum core_state before = entry->event_state;

	if (view->state == before)
		return;
	entry->event_state = view->state;
	if (view->state == CORE_FAILED)
		emit_text(e, EVENT_FAILED, index, view->reason);
	else if (view->state == CORE_DOWN && view->want == CORE_WANT_DOWN &&
		 (before == CORE_CLEANING || before == CORE_STOPPING))
		event_emit(e, EVENT_STOP, index, NULL);
}

void events_of_state(struct engine *e, unsigned index)
{
	struct engine_entry *entry = &e->entries[index];
	struct core_unit_view view;

	core_view(e->core, index, &view);
	of_health(e, index, &view);
	if (view.restarts > entry->event_restarts)
		emit_text(e, EVENT_RESTART, index, view.reason);
	entry->event_restarts = view.restarts;
	of_state(e, index, &view);
}

void events_adopted(struct engine *e, unsigned index, enum core_health health)
{
	e->entries[index].event_state = CORE_UP;
	e->entries[index].event_health = health;
	event_emit(e, EVENT_ADOPT, index, NULL);
}
