/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Core view -> the shared mapping that the status server and the command line read. Nothing
 * decides here; a fact that is not in the record is not public.
 */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "supervise/choices.h"
#include "supervise/internal.h"
#include "supervise/network.h"
#include "supervise/notify.h"
#include "supervise/pods.h"
#include "supervise/update.h"
#include "util/host.h"
#include "util/str.h"

#ifndef CLEAT_VERSION
#error "CLEAT_VERSION comes from the Makefile"
#endif

int publish_open(struct engine *e, struct err *err)
{
	struct published_header *h = &e->header;
	struct utsname uts;

	e->published = published_create(CLEAT_PUBLISHED, err);
	if (!e->published)
		return -1;
	h->engine_pid = getpid();
	h->engine_start_ticks = proc_start_ticks(getpid());
	h->engine_started_real_usec = clock_real_usec();
	h->boot_real_usec = clock_real_usec() - (int64_t)(clock_now_usec() - e->boot_usec);
	str_copy(h->version, sizeof(h->version), CLEAT_VERSION);
	if (uname(&uts) == 0) {
		str_copy(h->hostname, sizeof(h->hostname), uts.nodename);
		str_copy(e->hostname, sizeof(e->hostname), uts.nodename);
	}
	e->is_header_held = true;
	return 0;
}

void publish_begin(struct engine *e)
{
	e->is_header_held = false;
	publish_header(e);
}

void publish_header(struct engine *e)
{
	struct published_header *h = &e->header;

	str_copy(h->boot_id, sizeof(h->boot_id), e->boot_id);
	h->draining = e->stopping;
	h->data_state = !e->data_present ? 2 : !e->data_writable ? 1 : 0;
	h->settled = e->settled;
	if (e->published && !e->is_header_held)
		published_put_header(e->published, h);
}

void publish_note(struct engine *e, unsigned level, const char *fmt, ...)
{
	struct published_header *h = &e->header;
	struct published_note note = { .level = (uint8_t)level };
	unsigned at = 0;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(note.text, sizeof(note.text), fmt, ap);
	va_end(ap);
	for (unsigned i = 0; i < h->note_count; i++)
		if (str_eq(h->notes[i].text, note.text))
			return; /* said already, and still so */
	log_msg(level == 2 ? LOG_ERROR :
		level == 1 ? LOG_WARN :
			     LOG_INFO,
		"engine", "%s", note.text);
	if (h->note_count == PUBLISHED_MAX_NOTES)
		return;
	while (at < h->note_count && h->notes[at].level >= level)
		at++;
	memmove(&h->notes[at + 1], &h->notes[at], (h->note_count - at) * sizeof(note));
	h->notes[at] = note;
	h->note_count++;
	publish_header(e);
}

void publish_drop_notes(struct engine *e, const char *prefix)
{
	struct published_header *h = &e->header;
	unsigned kept = 0;

	for (unsigned i = 0; i < h->note_count; i++)
		if (!str_starts(h->notes[i].text, prefix))
			h->notes[kept++] = h->notes[i];
	if (kept == h->note_count)
		return;
	h->note_count = kept;
	publish_header(e);
}

static enum published_state public_state(const struct core_unit_view *view)
{
	switch (view->state) {
	case CORE_DOWN:
		return PUBLISHED_DOWN;
	case CORE_WAITING:
		return PUBLISHED_WAITING;
	case CORE_PULLING:
		return PUBLISHED_PULLING;
	case CORE_STARTING:
		return PUBLISHED_STARTING;
	case CORE_UP:
		return PUBLISHED_UP;
	case CORE_STOPPING:
	case CORE_CLEANING:
		return PUBLISHED_STOPPING;
	case CORE_BACKOFF:
		return PUBLISHED_BACKOFF;
	case CORE_FAILED:
		break;
	}
	return view->result == CORE_RESULT_IMAGE       ? PUBLISHED_NO_IMAGE :
	       view->result == CORE_RESULT_START_LIMIT ? PUBLISHED_START_LIMIT :
							 PUBLISHED_FAILED;
}

/* The operator has to mend something: a file, an image, a volume. A crash of the program is not that. */
static bool is_operator_fault(const struct core_unit_view *view)
{
	return view->want == CORE_WANT_UP &&
	       (view->result == CORE_RESULT_IMAGE || view->result == CORE_RESULT_START_ERROR);
}

static void put_notes(const struct engine *e, const struct engine_entry *entry, char *out,
		      size_t size)
{
	const struct run_status *status = &entry->run.status;
	auto_buf text = BUF_INIT(size - 1);

	for (size_t i = 0; i < entry->unit->note_count; i++)
		buf_printf(&text, "%s: %s\n", entry->unit->notes[i].key,
			   entry->unit->notes[i].text);
	if (entry->remarks[0])
		buf_printf(&text, "%s\n", entry->remarks);
	network_notes(e, (unsigned)(entry - e->entries), &text);
	notify_notes(e, (unsigned)(entry - e->entries), &text);
	if (entry->health_problem)
		buf_printf(&text, "%s\n", entry->health_problem);
	if (status->lost && entry->run.phase == RUN_RUNNING) {
		char names[HOST_LOSSES_SIZE];

		host_loss_names(status->lost, names);
		buf_printf(&text, "isolation lost, as appliance.ini allows: %s\n", names);
	}
	if (status->unenforced[0])
		buf_printf(&text, "not enforced: %s\n", status->unenforced);
	if (status->log_error[0])
		buf_printf(&text, "output is not kept: %s\n", status->log_error);
	if (text.len)
		text.data[text.len - 1] = '\0'; /* lines are separated, not ended */
	str_copy_text(out, size, buf_str(&text));
}

static void put_range(struct buf *out, unsigned first, unsigned count)
{
	if (count > 1)
		buf_printf(out, "%u-%u", first, first + count - 1);
	else
		buf_printf(out, "%u", first);
}

/* Of a container that has a network: what is published; of others what the unit names. */
static void put_ports(const struct net_attached *attached, const struct engine_entry *entry,
		      char *out, size_t size)
{
	auto_buf text = BUF_INIT(size - 1);
	char address[INET6_ADDRSTRLEN];

	for (size_t i = 0; attached && i < attached->port_count; i++) {
		const struct net_publish *port = &attached->ports[i];

		buf_puts(&text, i ? " " : "");
		if (port->is_v6 &&
		    inet_ntop(AF_INET6, &port->host_address6, address, sizeof(address)))
			buf_printf(&text, "[%s]:", address);
		else if (!net_publish_is_any(port)) {
			net_address_text(port->host_address, address);
			buf_printf(&text, "%s:", address);
		}
		put_range(&text, port->host_first, port->count);
		buf_puts(&text, "->");
		put_range(&text, port->first, port->count);
		buf_puts(&text, port->udp ? "/udp" : "/tcp");
	}
	for (size_t i = 0; !attached && entry->spec && i < entry->spec->port_count; i++) {
		const struct spec_port *port = &entry->spec->ports[i];

		buf_puts(&text, i ? " " : "");
		put_range(&text, port->container_port, port->count);
		buf_puts(&text, port->udp ? "/udp" : "/tcp");
	}
	str_copy_text(out, size, buf_str(&text));
}

static void put_network(const struct engine *e, const struct engine_entry *entry,
			struct published_unit *p)
{
	const struct net_attached *attached =
		e->network ? network_slot(e, (unsigned)(entry - e->entries))->attached : NULL;
	auto_buf text = BUF_INIT(sizeof(p->addresses) - 1);

	for (size_t i = 0; attached && i < attached->end_count; i++) {
		char address[INET_ADDRSTRLEN];

		net_address_text(attached->ends[i].address, address);
		buf_printf(&text, "%s%s", i ? " " : "", address);
	}
	str_copy_text(p->addresses, sizeof(p->addresses), buf_str(&text));
	put_ports(attached, entry, p->ports, sizeof(p->ports));
}

static void put_identity(const struct engine *e, const struct engine_entry *entry,
			 struct published_unit *p)
{
	str_copy(p->name, sizeof(p->name), entry->name);
	str_copy(p->unit, sizeof(p->unit), entry->unit->name);
	str_copy_text(p->source, sizeof(p->source), entry->unit->path);
	str_copy(p->run_id, sizeof(p->run_id), entry->run.id);
	str_copy_text(p->image, sizeof(p->image),
		      entry->spec && !entry->unit->is_remnant ? entry->spec->image : "");
	str_copy(p->image_digest, sizeof(p->image_digest),
		 entry->run.phase != RUN_NONE && entry->record.image_digest[0] ?
			 entry->record.image_digest :
		 entry->has_image ? entry->image.digest :
				    "");
	update_text(e, (unsigned)(entry - e->entries), p->update, sizeof(p->update));
	str_copy(p->pod, sizeof(p->pod), entry->pod ? pods_of(e, entry)->name : "");
	p->boot_start = entry->unit->service.boot;
	p->last_good = entry->spec && entry->invalid_reason;
	p->masked = entry->masked_by != NULL;
	p->oneshot = entry->unit->service.type == SERVICE_ONESHOT;
	p->choice = !entry->choice	       ? 0 :
		    entry->choice->is_enabled  ? 1 :
		    entry->choice->is_disabled ? 2 :
						 0;
	put_notes(e, entry, p->notes, sizeof(p->notes));
	put_network(e, entry, p);
	logs_tag(e, (unsigned)(entry - e->entries), p->log_tag, sizeof(p->log_tag));
}

static bool is_as_adopted(const struct engine_entry *entry, uint8_t state, uint8_t health)
{
	return entry->adopted_since && state == entry->adopted_state &&
	       health == entry->adopted_health;
}

/* Now; but what a new engine finds as its predecessor knew it has been so since then. */
static int64_t since_when(struct engine_entry *entry, uint8_t state, uint8_t health)
{
	int64_t since = entry->adopted_since;

	if (!is_as_adopted(entry, state, health))
		return clock_real_usec();
	entry->adopted_since = 0;
	return since;
}

static const char *detail_text(const struct engine_entry *entry, const struct core_unit_view *view)
{
	if (entry->invalid_reason)
		return entry->invalid_reason;
	if (entry->unit->is_removed)
		return "its unit file is gone";
	if (entry->masked_by && (view->state == CORE_DOWN || view->state == CORE_FAILED))
		return "masked";
	if (view->state == CORE_PULLING && entry->image_progress[0])
		return entry->image_progress;
	if (view->reason && view->reason[0])
		return view->reason;
	if (view->state == CORE_DOWN && view->want != CORE_WANT_UP && !entry->unit->service.boot)
		return "loaded (not started at boot)";
	return "";
}

#define UNSHOWN "units are missing from /status: "

/* Records find room in their order, so the last one tells of all. */
static void put_record(struct engine *e, unsigned index, const struct published_unit *unit)
{
	published_put_unit(e->published, index, unit);
	if (!published_unit_at(e->published, index))
		publish_note(e, 2, UNSHOWN CLEAT_RUN_DIR " is full: make room there");
	else if (published_unit_at(e->published, e->count - 1))
		publish_drop_notes(e, UNSHOWN);
}

void publish_unit(struct engine *e, unsigned index)
{
	static struct published_unit next;
	struct engine_entry *entry = &e->entries[index];
	struct published_unit *p = &next;
	struct core_unit_view view;
	uint8_t state, health, was_health = entry->published->health;
	bool running;

	next = *entry->published;
	core_view(e->core, index, &view);
	running = entry->run.phase == RUN_RUNNING;
	state = (uint8_t)(entry->invalid_reason ? PUBLISHED_INVALID : public_state(&view));
	if (entry->masked_by && view.result == CORE_RESULT_INVALID && state == PUBLISHED_FAILED)
		state = PUBLISHED_DOWN; /* somebody wanted it, and was refused */
	health = (uint8_t)view.health;
	/* a start of this engine's own: what comes of it is new, even if it is what the engine before has seen */
	if (state != entry->adopted_state &&
	    (state == PUBLISHED_PULLING || state == PUBLISHED_STARTING))
		entry->adopted_since = 0;
	/* what is down or invalid has been published before its record was read */
	if (state != p->state || health != p->health || !p->since_real_usec ||
	    is_as_adopted(entry, state, health))
		p->since_real_usec = since_when(entry, state, health);
	p->state = state;
	p->health = health;
	p->wanted = view.want == CORE_WANT_UP;
	p->operator_fault = entry->invalid_reason || is_operator_fault(&view);
	p->pid = running ? entry->run.status.container_pid : 0;
	p->started_real_usec = running ? entry->run.status.started_real_usec : 0;
	p->exit_code = view.exit_code;
	p->exit_signal = view.exit_signal;
	p->oom_killed = view.oom;
	p->restarts = entry->restarts_before + view.restarts;
	p->probe_failures = view.probe_failures;
	p->startup_probe = running && view.health == CORE_HEALTH_STARTING && !view.startup_passed;
	if (entry->run.phase != RUN_NONE) /* of the last run, once there is none */
		p->log_dropped_lines = entry->run.status.log_dropped_lines;
	p->client_lost = network_client_lost(e, index);
	p->lost = running ? entry->run.status.lost : 0;
	p->next_monotonic_usec = view.state == CORE_BACKOFF ? view.deadline : 0;
	str_copy_text(p->detail, sizeof(p->detail), detail_text(entry, &view));
	str_copy_text(p->probe_output, sizeof(p->probe_output),
		      view.probe_output ? view.probe_output : "");
	str_copy_text(p->status_text, sizeof(p->status_text),
		      view.status_text ? view.status_text : "");
	if (p->health == PUBLISHED_UNHEALTHY && was_health != PUBLISHED_UNHEALTHY)
		last_words_ask(e, index);
	last_words_publish(e, index, &view, p);
	put_identity(e, entry, p);
	if (e->drafts)
		e->drafts[index] = next;
	if (e->published && e->is_publishing)
		put_record(e, index, p);
	if (e->watch_fn)
		e->watch_fn(e->watch_arg, index, loop_now(e->loop));
}

void publish_draft(struct engine *e)
{
	e->drafts = calloc(e->count + 1, sizeof(*e->drafts));
	if (!e->drafts) {
		log_msg(LOG_ERROR, "engine", "out of memory: %u units", e->count);
		abort();
	}
	for (unsigned i = 0; i < e->count; i++)
		e->entries[i].published = &e->drafts[i];
}

/* What readers see is remembered by us, too; the drafts go, unless tmpfs had no room for all. */
static void drop_drafts(struct engine *e)
{
	for (unsigned i = 0; i < e->count; i++)
		if (!published_unit_at(e->published, i))
			return;
	for (unsigned i = 0; i < e->count; i++)
		e->entries[i].published = published_unit_at(e->published, i);
	free(e->drafts);
	e->drafts = NULL;
}

void publish_all(struct engine *e)
{
	e->is_publishing = true;
	if (e->published)
		published_set_unit_count(e->published, e->count);
	for (unsigned i = 0; i < e->count; i++)
		publish_unit(e, i);
	if (e->published)
		drop_drafts(e);
}
