/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /status and /readyz for people. Must never pass on a byte of a unit, an image or a container that a terminal would obey.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "status/internal.h"
#include "util/host.h"

#define COLUMNS 6
#define CELL_BYTES 264

static const char *const titles[COLUMNS] = {
	"NAME", "STATE", "HEALTH", "SINCE", "RESTARTS", "IMAGE"
};

static void cells_of(const struct published_unit *u, char cells[COLUMNS][CELL_BYTES])
{
	const char *health = published_health_name(u->health);
	char since[32] = "-";

	if (u->since_real_usec > 0)
		status_time(u->since_real_usec, false, since);
	snprintf(cells[0], CELL_BYTES, "%s", u->name);
	snprintf(cells[1], CELL_BYTES, "%s%s", published_state_name(u->state),
		 published_state_remark(u));
	snprintf(cells[2], CELL_BYTES, "%s", health[0] ? health : "-");
	snprintf(cells[3], CELL_BYTES, "%s", since);
	snprintf(cells[4], CELL_BYTES, "%" PRIu32, u->restarts);
	snprintf(cells[5], CELL_BYTES, "%s", u->image[0] ? u->image : "-");
}

static void measure(const struct status_server *s, size_t widths[COLUMNS])
{
	char cells[COLUMNS][CELL_BYTES];
	struct published_unit u;

	for (size_t c = 0; c < COLUMNS; c++)
		widths[c] = strlen(titles[c]);
	for (unsigned i = 0; status_unit_get(s, i, &u); i++) {
		cells_of(&u, cells);
		for (size_t c = 0; c < COLUMNS; c++) {
			size_t width = status_clean_width(cells[c]);

			widths[c] = width > widths[c] ? width : widths[c];
		}
	}
}

/* A record may have grown since it was measured: then its row is out of line, once. */
static void put_cell(struct buf *out, const char *text, size_t width, bool is_last)
{
	size_t columns = status_put_clean(out, text);

	if (is_last)
		buf_putc(out, '\n');
	else
		buf_printf(out, "%*s", (int)(columns < width ? width - columns : 0) + 2, "");
}

/* A record is large: inlined, the frames of all loops over them would add up. */
__attribute__((noinline)) static void put_table(const struct status_server *s, struct buf *out)
{
	char cells[COLUMNS][CELL_BYTES];
	size_t widths[COLUMNS];
	struct published_unit u;

	measure(s, widths);
	for (size_t c = 0; c < COLUMNS; c++)
		put_cell(out, titles[c], widths[c], c + 1 == COLUMNS);
	for (unsigned i = 0; status_unit_get(s, i, &u); i++) {
		cells_of(&u, cells);
		for (size_t c = 0; c < COLUMNS; c++)
			put_cell(out, cells[c], widths[c], c + 1 == COLUMNS);
	}
}

static void put_line(struct buf *out, const char *title, const char *text)
{
	if (!text[0])
		return;
	buf_printf(out, "  %-9s ", title);
	status_put_clean(out, text);
	buf_putc(out, '\n');
}

/* Each line of a text with the same title. */
static void put_lines(struct buf *out, const char *title, const char *notes)
{
	char line[sizeof(((struct published_unit *)NULL)->last_output)];

	while (*notes) {
		size_t len = strcspn(notes, "\n");

		memcpy(line, notes, len);
		line[len] = '\0';
		put_line(out, title, line);
		notes += len;
		notes += *notes == '\n';
	}
}

static void put_exit(struct buf *out, const struct published_unit *u)
{
	const char *memory = u->oom_killed ? " (out of memory)" : "";

	if (u->exit_signal > 0)
		buf_printf(out, "  %-9s signal %" PRId32 "%s\n", "last exit", u->exit_signal,
			   memory);
	else if (u->exit_code > 0)
		buf_printf(out, "  %-9s code %" PRId32 "%s\n", "last exit", u->exit_code, memory);
}

/* What the table leaves out. */
static void put_details(struct buf *out, const struct published_unit *u)
{
	put_line(out, "says", u->status_text);
	put_line(out, "update", u->update);
	if (u->probe_failures) {
		buf_printf(out, "  %-9s %sfailed %" PRIu32 " times in a row%s", "probe",
			   u->startup_probe ? "startup probe " : "", u->probe_failures,
			   u->probe_output[0] ? ": " : "");
		status_put_clean(out, u->probe_output);
		buf_putc(out, '\n');
	}
	put_exit(out, u);
	if (u->log_dropped_lines)
		buf_printf(out, "  %-9s %" PRIu64 " log lines\n", "dropped", u->log_dropped_lines);
	put_lines(out, "output", u->last_output);
	put_lines(out, "note", u->notes);
}

static void put_failure(const char *name, bool ok, const char *reason, void *arg)
{
	struct buf *out = arg;

	if (ok)
		return;
	buf_puts(out, "not ready: ");
	status_put_clean(out, name);
	buf_puts(out, ": ");
	status_put_clean(out, reason);
	buf_putc(out, '\n');
}

/* What the host withholds: "missing: private-proc: no container can start: ..." */
static void put_findings(struct buf *out, const struct published_header *h)
{
	char text[HOST_SENTENCE_SIZE];

	for (unsigned i = 0; i < h->finding_count; i++) {
		host_sentence(h, i, text);
		buf_printf(out, "host: %s: ", host_level_name(h->findings[i].level));
		status_put_clean(out, text);
		buf_putc(out, '\n');
	}
}

/* Continues the line and the page that routes.c begins with what changes by the second. */
bool status_render_text(const struct status_server *s, struct buf *out)
{
	const struct published_header *h = &s->header;
	struct published_unit u;
	unsigned count = 0;
	bool ready = status_check(s, put_failure, out);

	for (unsigned i = 0; i < h->note_count; i++) {
		buf_printf(out, "%s: ", status_note_level(h->notes[i].level));
		status_put_clean(out, h->notes[i].text);
		buf_putc(out, '\n');
	}
	put_findings(out, h);
	buf_putc(out, '\n');
	put_table(s, out);
	for (; status_unit_get(s, count, &u); count++) {
		size_t before, title;

		before = out->len;
		buf_putc(out, '\n');
		status_put_clean(out, u.name);
		buf_putc(out, '\n');
		title = out->len;
		/* one that runs as it should has no why */
		if (u.state != PUBLISHED_UP || u.health == PUBLISHED_UNHEALTHY)
			put_line(out, "why", u.detail);
		put_details(out, &u);
		if (out->len == title && !out->failed) {
			out->len = before;
			out->data[before] = '\0';
		}
	}
	if (!count)
		buf_puts(out, "no units\n");
	return ready;
}

void status_render_unit_text(const struct published_unit *u, struct buf *out)
{
	char cells[COLUMNS][CELL_BYTES];

	cells_of(u, cells);
	status_put_clean(out, u->name);
	buf_putc(out, '\n');
	for (size_t c = 1; c < COLUMNS; c++) {
		static const char *const names[COLUMNS] = { "",	     "state",	 "health",
							    "since", "restarts", "image" };

		put_line(out, names[c], cells[c]);
	}
	put_line(out, "digest", u->image_digest);
	put_line(out, "unit", u->source);
	put_line(out, "pod", u->pod);
	put_line(out, "addresses", u->addresses);
	put_line(out, "ports", u->ports);
	if (u->pid > 0)
		buf_printf(out, "  %-9s %" PRId32 "\n", "pid", u->pid);
	put_line(out, "why", u->detail);
	put_details(out, u);
}

struct check_text {
	struct buf *out;
	bool failures_only;
};

/* As Kubernetes prints them. */
static void put_check(const char *name, bool ok, const char *reason, void *arg)
{
	struct check_text *t = arg;

	if (ok && t->failures_only)
		return;
	buf_puts(t->out, ok ? "[+]" : "[-]");
	status_put_clean(t->out, name);
	buf_puts(t->out, ok ? " ok" : " failed: ");
	status_put_clean(t->out, reason);
	buf_putc(t->out, '\n');
}

bool status_render_checks(const struct status_server *s, bool failures_only, struct buf *out)
{
	struct check_text text = { .out = out, .failures_only = failures_only };
	bool ready = status_check(s, put_check, &text);

	buf_puts(out, ready ? "ready\n" : "not ready\n");
	return ready;
}
