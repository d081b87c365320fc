/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /status for programs. README.md documents every member; members are added, never renamed. Times are absolute, so that a rendering
 * stays true as long as its generation.
 */
#include "util/json.h"

#include <stdio.h>
#include <string.h>

#include "status/internal.h"
#include "util/host.h"

static void put_time(struct json *j, const char *key, int64_t real_usec)
{
	char text[32];

	if (real_usec <= 0) {
		json_null(j, key);
		return;
	}
	status_time(real_usec, true, text);
	json_str(j, key, text);
}

static void put_number(struct json *j, const char *key, int64_t value, bool is_known)
{
	if (is_known)
		json_int(j, key, value);
	else
		json_null(j, key);
}

static void put_bytes(struct json *j, const char *key, uint64_t value)
{
	if (value)
		json_uint(j, key, value);
	else
		json_null(j, key);
}

static void put_lines(struct json *j, const char *key, const char *text)
{
	json_array(j, key);
	while (*text) {
		size_t len = strcspn(text, "\n");

		if (len)
			json_strn(j, NULL, text, len);
		text += len;
		text += *text == '\n';
	}
	json_array_end(j);
}

static void put_words(struct json *j, const char *key, const char *text)
{
	json_array(j, key);
	for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
		size_t len = strcspn(text, " ");

		json_strn(j, NULL, text, len);
		text += len;
	}
	json_array_end(j);
}

static void put_losses(struct json *j, const char *key, uint32_t losses)
{
	char names[HOST_LOSSES_SIZE];

	host_loss_names(losses, names);
	put_words(j, key, names);
}

static void put_exit(struct json *j, const struct published_unit *u)
{
	json_object(j, "exit");
	put_number(j, "code", u->exit_code, u->exit_code >= 0);
	put_number(j, "signal", u->exit_signal, u->exit_signal > 0);
	json_bool(j, "oom_killed", u->oom_killed);
	put_number(j, "oom_kills", u->oom_kills, u->oom_kills > 0);
	put_bytes(j, "memory_max_bytes", u->memory_max_bytes);
	put_bytes(j, "memory_peak_bytes", u->memory_peak_bytes);
	put_bytes(j, "max_rss_bytes", u->max_rss_bytes);
	json_object_end(j);
}

static void put_unit(struct json *j, const struct status_server *s, const struct published_unit *u)
{
	const char *health = published_health_name(u->health);
	int64_t next = (int64_t)u->next_monotonic_usec + s->real_offset_usec;

	json_object(j, NULL);
	json_str(j, "name", u->name);
	json_str(j, "unit", u->unit);
	json_str(j, "source", u->source);
	json_str(j, "state", published_state_name(u->state));
	json_str(j, "health", health[0] ? health : "none");
	json_bool(j, "wanted", u->wanted);
	json_bool(j, "boot", u->boot_start);
	json_bool(j, "last_good", u->last_good);
	json_bool(j, "masked", u->masked);
	json_str(j, "choice", u->choice == 1 ? "enabled" : u->choice == 2 ? "disabled" : "");
	json_bool(j, "operator_fault", u->operator_fault);
	json_bool(j, "ready", !published_unit_fault(u));
	json_str(j, "detail", u->detail);
	json_str(j, "status_text", u->status_text);
	json_str(j, "update", u->update);
	put_time(j, "since", u->since_real_usec);
	put_number(j, "pid", u->pid, u->pid > 0);
	put_time(j, "started", u->started_real_usec);
	put_time(j, "next_start", u->next_monotonic_usec ? next : 0);
	put_exit(j, u);
	json_uint(j, "restarts", u->restarts);
	json_object(j, "probe");
	json_uint(j, "failures", u->probe_failures);
	json_str(j, "output", u->probe_output);
	json_bool(j, "startup", u->startup_probe);
	json_object_end(j);
	put_lines(j, "last_output", u->last_output);
	put_time(j, "last_output_time", u->last_output_real_usec);
	json_str(j, "run_id", u->run_id);
	json_str(j, "pod", u->pod);
	json_str(j, "image", u->image);
	json_str(j, "image_digest", u->image_digest);
	put_words(j, "addresses", u->addresses);
	put_words(j, "ports", u->ports);
	json_uint(j, "log_dropped_lines", u->log_dropped_lines);
	put_losses(j, "lost_isolation", u->lost);
	put_lines(j, "notes", u->notes);
	json_object_end(j);
}

static void put_engine(struct json *j, const struct status_server *s)
{
	bool is_ours = s->engine_started_usec != 0;

	json_object(j, "engine");
	json_bool(j, "alive", !s->engine_gone);
	put_number(j, "pid", s->engine_pid, !s->engine_gone);
	put_time(j, "started", is_ours ? s->engine_started_usec : 0);
	put_time(j, "gone_since",
		 s->engine_gone ? (int64_t)s->engine_gone + s->real_offset_usec : 0);
	json_object_end(j);
}

static void put_notes(struct json *j, const struct published_header *h)
{
	json_array(j, "notes");
	for (unsigned i = 0; i < h->note_count; i++) {
		json_object(j, NULL);
		json_str(j, "level", status_note_level(h->notes[i].level));
		json_str(j, "text", h->notes[i].text);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_finding(struct json *j, const struct published_header *h, unsigned i)
{
	const struct published_finding *finding = &h->findings[i];
	const struct host_check *check = host_check_find(finding->id);
	char remedy[HOST_REMEDY_SIZE] = "";

	if (check)
		host_remedy(check, h->host_kind, finding->is_filtered, remedy);
	json_object(j, NULL);
	json_str(j, "id", finding->id);
	json_str(j, "level", host_level_name(finding->level));
	json_str(j, "loss", check ? host_loss_text(check, h->allowed_losses) : "");
	json_str(j, "evidence", finding->evidence);
	json_str(j, "remedy", remedy);
	json_object_end(j);
}

static void put_host(struct json *j, const struct published_header *h)
{
	json_object(j, "host");
	json_str(j, "kind", host_kind_name(h->host_kind));
	json_bool(j, "tried", h->host_tried);
	put_losses(j, "allowed_losses", h->allowed_losses);
	json_array(j, "findings");
	for (unsigned i = 0; i < h->finding_count; i++)
		put_finding(j, h, i);
	json_array_end(j);
	json_object_end(j);
}

static void put_shipping(struct json *j, const struct published_header *h)
{
	if (!h->ship_url[0]) {
		json_null(j, "log_shipping");
		return;
	}
	json_object(j, "log_shipping");
	json_str(j, "url", h->ship_url);
	json_bool(j, "connected", h->ship_connected);
	json_uint(j, "sent", h->ship_sent);
	json_uint(j, "dropped", h->ship_dropped);
	json_str(j, "error", h->ship_error);
	json_object_end(j);
}

static void put_reason(const char *name, bool ok, const char *reason, void *arg)
{
	char text[1024];

	if (ok)
		return;
	snprintf(text, sizeof(text), "%s: %s", name, reason);
	json_str(arg, NULL, text);
}

/* Continues the object that routes.c opens with the members that change by the second. */
bool status_render_json(const struct status_server *s, struct buf *out)
{
	static const char *const data_states[] = { "ok", "read-only", "absent" };
	struct json j = { .out = out, .pretty = true, .depth = 1 };
	const struct published_header *h = &s->header;
	struct published_unit u;
	bool ready;

	json_str(&j, "version", h->version);
	json_str(&j, "hostname", h->hostname);
	json_str(&j, "boot_id", h->boot_id);
	put_time(&j, "booted", h->boot_real_usec);
	put_engine(&j, s);
	json_str(&j, "data", h->data_state < 3 ? data_states[h->data_state] : "unknown");
	json_bool(&j, "settled", h->settled);
	json_bool(&j, "draining", h->draining);
	json_array(&j, "reasons");
	ready = status_check(s, put_reason, &j);
	json_array_end(&j);
	json_bool(&j, "ready", ready);
	put_notes(&j, h);
	put_host(&j, h);
	put_shipping(&j, h);
	status_put_links(&j, h);
	json_array(&j, "units");
	for (unsigned i = 0; status_unit_get(s, i, &u); i++)
		put_unit(&j, s, &u);
	json_array_end(&j);
	json_object_end(&j);
	buf_putc(out, '\n');
	return ready;
}

void status_render_unit_json(const struct status_server *s, const struct published_unit *unit,
			     struct buf *out)
{
	struct json j = { .out = out, .pretty = true, .first = true };

	put_unit(&j, s, unit);
	buf_putc(out, '\n');
}
