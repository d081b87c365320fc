/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status screen: what stands in which line. What is wrong comes first, so that a list that is longer than the terminal hides what is
 * well. Times are points in time, not spans: a screen that shows an age would have to be drawn for ever. Must never write.
 */
#include "cli/console_draw.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "util/host.h"
#include "util/str.h"

#define MAX_LINKS_SHOWN 4
#define MAX_NOTES_SHOWN 4
#define MIN_UNIT_LINES 3
#define NAME_MAX_COLUMNS 30
#define STATE_COLUMNS 10
#define HEALTH_COLUMNS 9
#define SINCE_COLUMNS 15
#define GAP 2

enum colour { PLAIN, BOLD, GREEN, YELLOW, RED };

/* In the order of the list. */
enum rank { RANK_BROKEN, RANK_ON_ITS_WAY, RANK_WELL, RANK_DOWN, RANK_COUNT };

struct drawing {
	const struct console_view *view;
	struct buf *out;
	unsigned columns, left; /* lines that may still come */
	unsigned at;		/* columns of this line that are taken */
	bool is_coloured;
	unsigned lines;
	uint8_t ranks[PUBLISHED_MAX_UNITS];
	unsigned count, states[PUBLISHED_START_LIMIT + 1], unhealthy;
	unsigned name_columns;
};

/* --- one line ------------------------------------------------------------------------------------------------------------- */

/* Of a well-formed sequence of more than one byte. Latin letters and two signs of our own are one column wide on every terminal; others
 * may be none, or two, or turn the direction of the line. */
static bool is_shown(const char *text, size_t length)
{
	unsigned code = (unsigned char)text[0];

	if (length == 2) {
		code = (code & 0x1f) << 6 | ((unsigned char)text[1] & 0x3f);
		return code >= 0xa1 && code <= 0x17f && code != 0xad;
	}
	return length == 3 && (memcmp(text, "→", 3) == 0 || memcmp(text, "…", 3) == 0);
}

/* As much as fits before column end; a text that is cut ends in "~". */
static void put_until(struct drawing *d, const char *text, unsigned end)
{
	size_t left = strlen(text);

	if (end > d->columns)
		end = d->columns;
	while (left && d->at < end) {
		size_t length = str_utf8_len(text, left), step = length ? length : 1;
		bool good = length == 1 ? *text >= ' ' && *text <= '~' : is_shown(text, length);

		if (d->at + 1 == end && left > step) {
			buf_putc(d->out, '~');
			d->at++;
			return;
		}
		if (good)
			buf_add(d->out, text, length);
		else
			buf_putc(d->out, '?');
		d->at++;
		text += step;
		left -= step;
	}
}

static void put(struct drawing *d, const char *text)
{
	put_until(d, text, d->columns);
}

static void colour(struct drawing *d, enum colour c)
{
	static const char *const codes[] = { "\033[0m", "\033[1m", "\033[32m", "\033[33m",
					     "\033[31m" };

	if (!d->view->with_colours || (c == PLAIN && !d->is_coloured))
		return;
	buf_puts(d->out, codes[c]);
	d->is_coloured = c != PLAIN;
}

static void pad(struct drawing *d, unsigned column)
{
	for (; d->at < column && d->at < d->columns; d->at++)
		buf_putc(d->out, ' ');
}

static void end_line(struct drawing *d)
{
	colour(d, PLAIN);
	buf_putc(d->out, '\n');
	d->at = 0;
	d->lines++;
	if (d->left)
		d->left--;
}

static void put_time(struct drawing *d, int64_t real_usec)
{
	time_t seconds = (time_t)(real_usec / 1000000);
	struct tm tm;
	char text[32];

	if (real_usec <= 0 || !localtime_r(&seconds, &tm) ||
	    strftime(text, sizeof(text), "%b %e %H:%M:%S", &tm) == 0)
		str_copy(text, sizeof(text), "-");
	put(d, text);
}

/* --- the head ------------------------------------------------------------------------------------------------------------- */

struct link_line {
	char name[16], state[16], addresses[400], first[64];
};

/* The word at *at, cut to size; false: the line is over. */
static bool next_word(const char **at, char *out, size_t size)
{
	size_t len;

	*at += strspn(*at, " ");
	len = strcspn(*at, " \n");
	if (!len)
		return false;
	snprintf(out, size, "%.*s", (int)len, *at);
	*at += len;
	return true;
}

/* "eth0 up dhcp 192.0.2.7/24,fe80::1/64 gateway ..."; false: a line of another kind. */
static bool read_link(const char *line, struct link_line *out)
{
	char how[16];
	const char *address;

	*out = (struct link_line){ 0 };
	if (!next_word(&line, out->name, sizeof(out->name)) || str_ends(out->name, ":") ||
	    !next_word(&line, out->state, sizeof(out->state)) ||
	    !next_word(&line, how, sizeof(how)))
		return false;
	if (!next_word(&line, out->addresses, sizeof(out->addresses)) || out->addresses[0] == '-')
		out->addresses[0] = '\0';
	for (address = out->addresses; *address && str_starts(address, "fe80:");) {
		address += strcspn(address, ",");
		address += *address == ',';
	}
	snprintf(out->first, sizeof(out->first), "%.*s", (int)strcspn(address, "/,"), address);
	return true;
}

static const char *next_line(const char *text)
{
	text += strcspn(text, "\n");
	return *text ? text + 1 : text;
}

/* The address that a monitor would be given: the first that leads here. */
static void find_address(const struct console_view *view, char *out, size_t size)
{
	struct link_line link;

	out[0] = '\0';
	for (const char *line = view->links; *line && !out[0]; line = next_line(line))
		if (read_link(line, &link))
			str_copy(out, size, link.first);
}

static void draw_title(struct drawing *d)
{
	const struct published_header *h = d->view->header;

	colour(d, BOLD);
	put(d, "Cleat ");
	put(d, h->version);
	if (h->hostname[0]) {
		put(d, " on ");
		put(d, h->hostname);
	}
	colour(d, PLAIN);
	put(d, h->draining ? ", stopping" : ", since ");
	if (!h->draining)
		put_time(d, h->boot_real_usec);
	if (h->safe_mode) {
		put(d, ", ");
		colour(d, RED);
		put(d, "safe mode");
	}
	end_line(d);
	/* why is a note; what to do would be cut off there */
	if (h->safe_mode && d->left) {
		put(d, "to leave safe mode: cleat reload, cleat upgrade, or a reboot");
		end_line(d);
	}
}

static void draw_links(struct drawing *d)
{
	unsigned shown = 0, more = 0;
	struct link_line link;
	char text[32];

	for (const char *line = d->view->links; *line; line = next_line(line)) {
		if (!read_link(line, &link))
			continue;
		if (shown == MAX_LINKS_SHOWN) {
			more++;
			continue;
		}
		shown++;
		put(d, link.name);
		pad(d, d->at < 8 ? 8 : d->at + GAP);
		put(d, link.addresses[0] ? "" : link.state);
		for (char *p = link.addresses; *p; p++)
			if (*p == ',')
				*p = ' ';
		put(d, link.addresses);
		end_line(d);
	}
	if (more) {
		snprintf(text, sizeof(text), "and %u more links", more);
		put(d, text);
		end_line(d);
	}
}

static void draw_url(struct drawing *d)
{
	const char *status = d->view->status;
	char address[64];
	bool is_v6;

	put(d, "status  ");
	if (status[strspn(status, "0123456789")]) {
		put(d, "http://");
		put(d, status);
		put(d, "/status");
		end_line(d);
		return;
	}
	find_address(d->view, address, sizeof(address));
	is_v6 = strchr(address, ':') != NULL;
	put(d, address[0] ? "http://" : "port ");
	put(d, is_v6 ? "[" : "");
	put(d, address);
	put(d, is_v6 ? "]:" : address[0] ? ":" : "");
	put(d, status);
	put(d, address[0] ? "/status" : "; no address yet");
	end_line(d);
}

/* --- units ---------------------------------------------------------------------------------------------------------------- */

static enum rank rank_of(const struct published_unit *u)
{
	switch ((enum published_state)u->state) {
	case PUBLISHED_UP:
		return u->health == PUBLISHED_UNHEALTHY	      ? RANK_BROKEN :
		       u->health == PUBLISHED_HEALTH_STARTING ? RANK_ON_ITS_WAY :
								RANK_WELL;
	case PUBLISHED_WAITING:
	case PUBLISHED_PULLING:
	case PUBLISHED_STARTING:
	case PUBLISHED_STOPPING:
		return RANK_ON_ITS_WAY;
	case PUBLISHED_DOWN:
		return RANK_DOWN;
	case PUBLISHED_INVALID:
	case PUBLISHED_FAILED:
	case PUBLISHED_NO_IMAGE:
	case PUBLISHED_START_LIMIT:
	case PUBLISHED_BACKOFF:
		break;
	}
	return RANK_BROKEN;
}

static size_t columns_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void count_units(struct drawing *d)
{
	static struct published_unit u;
	unsigned total = d->view->header->unit_count;

	d->count = total < PUBLISHED_MAX_UNITS ? total : PUBLISHED_MAX_UNITS;
	d->name_columns = 4;
	for (unsigned i = 0; i < d->count; i++) {
		size_t len;

		d->ranks[i] = RANK_COUNT;
		if (!d->view->get(d->view->arg, i, &u))
			continue;
		d->ranks[i] = (uint8_t)rank_of(&u);
		if (u.state <= PUBLISHED_START_LIMIT)
			d->states[u.state]++;
		d->unhealthy += u.state == PUBLISHED_UP && u.health == PUBLISHED_UNHEALTHY;
		len = columns_of(u.name);
		if (len > d->name_columns)
			d->name_columns = len < NAME_MAX_COLUMNS ? (unsigned)len : NAME_MAX_COLUMNS;
	}
	if (d->columns < 60 && d->name_columns > d->columns / 2)
		d->name_columns = d->columns / 2;
}

/* "3 containers: 1 up, 1 unhealthy, 1 failed" */
static void draw_summary(struct drawing *d)
{
	auto_buf text = BUF_INIT(512);
	const char *comma = "";

	buf_printf(&text, "%u container%s", d->count, d->count == 1 ? "" : "s");
	d->states[PUBLISHED_UP] -= d->unhealthy;
	for (unsigned i = 0; i <= PUBLISHED_START_LIMIT; i++) {
		/* what is well comes first here */
		unsigned state = i == 0 ? PUBLISHED_UP : i <= PUBLISHED_UP ? i - 1 : i;

		if (d->states[state])
			buf_printf(&text, "%s%u %s", *comma ? comma : ": ", d->states[state],
				   published_state_name(state));
		if (d->states[state])
			comma = ", ";
		if (i == 0 && d->unhealthy)
			buf_printf(&text, "%s%u unhealthy", *comma ? comma : ": ", d->unhealthy);
		if (i == 0 && d->unhealthy)
			comma = ", ";
	}
	if (!d->view->header->settled && !d->view->header->draining)
		buf_puts(&text, "; still starting");
	put(d, buf_str(&text));
	end_line(d);
}

static enum colour colour_of(enum rank rank)
{
	switch (rank) {
	case RANK_BROKEN:
		return RED;
	case RANK_ON_ITS_WAY:
		return YELLOW;
	case RANK_WELL:
		return GREEN;
	case RANK_DOWN:
	case RANK_COUNT:
		break;
	}
	return PLAIN;
}

/* Cells of the list, from left to right; the last takes what is left. */
static void draw_cells(struct drawing *d, const char *const *cells, enum colour state_colour,
		       int64_t since)
{
	unsigned column = d->name_columns;

	put_until(d, cells[0], column);
	pad(d, column += GAP);
	colour(d, state_colour);
	put_until(d, cells[1], column + STATE_COLUMNS);
	colour(d, PLAIN);
	pad(d, column += STATE_COLUMNS + GAP);
	put_until(d, cells[2], column + HEALTH_COLUMNS);
	pad(d, column += HEALTH_COLUMNS + GAP);
	if (column + SINCE_COLUMNS <= d->columns) {
		if (since)
			put_time(d, since);
		else
			put(d, cells[3]);
		pad(d, column + SINCE_COLUMNS + GAP);
		put(d, cells[4]);
	}
	end_line(d);
}

/* Why something is not up; of one that is unhealthy, what the probe said. */
static const char *reason_of(const struct published_unit *u)
{
	if (u->state == PUBLISHED_UP)
		return u->health == PUBLISHED_UNHEALTHY ? u->probe_output : u->status_text;
	return u->detail;
}

/* The last line of what the program has said. */
static const char *last_line(const struct published_unit *u)
{
	const char *newline = strrchr(u->last_output, '\n');

	return newline ? newline + 1 : u->last_output;
}

static void draw_remark(struct drawing *d, const char *mark, const char *text)
{
	if (!*text || !d->left)
		return;
	put(d, mark);
	put(d, text);
	end_line(d);
}

/* keep: lines below that have to stay free. */
static void draw_unit(struct drawing *d, const struct published_unit *u, enum rank rank,
		      unsigned keep)
{
	const char *const cells[] = { u->name, published_state_name(u->state),
				      u->health ? published_health_name(u->health) : "-", "-",
				      u->ports };

	draw_cells(d, cells, colour_of(rank), u->since_real_usec);
	if (rank != RANK_WELL && rank != RANK_DOWN && d->left > keep)
		draw_remark(d, "  ", reason_of(u));
	if (rank == RANK_BROKEN && d->left > keep)
		draw_remark(d, "  | ", last_line(u));
}

/* Leaves keep lines free. */
static void draw_units(struct drawing *d, unsigned keep)
{
	static const char *const titles[] = { "NAME", "STATE", "HEALTH", "SINCE", "PORTS" };
	static struct published_unit u;
	unsigned shown = 0;
	char text[32];

	if (!d->count || d->left < keep + 2)
		return;
	draw_cells(d, titles, BOLD, 0);
	for (unsigned rank = 0; rank < RANK_COUNT; rank++) {
		for (unsigned i = 0; i < d->count; i++) {
			/* the line that says how many more there are needs one, unless this is the last */
			unsigned need = keep + (shown + 1 < d->count);

			if (d->ranks[i] != rank || d->left <= need)
				continue;
			if (!d->view->get(d->view->arg, i, &u))
				continue;
			draw_unit(d, &u, (enum rank)rank, need);
			shown++;
		}
	}
	if (shown < d->count && d->left > keep) {
		snprintf(text, sizeof(text), "and %u more", d->count - shown);
		put(d, text);
		end_line(d);
	}
}

/* --- all of it ------------------------------------------------------------------------------------------------------------ */

static unsigned notes_shown(const struct console_view *view)
{
	unsigned count = view->header->note_count;

	return count < MAX_NOTES_SHOWN ? count : MAX_NOTES_SHOWN;
}

/* What the host withholds is one line, the worst of it in words. */
static bool has_host_line(const struct published_header *h)
{
	return h->allowed_losses || (h->finding_count && h->findings[0].level >= HOST_LIMITED);
}

static void put_limits(struct drawing *d)
{
	const struct published_header *h = d->view->header;
	const char *comma = " ";

	put(d, "limited:");
	for (unsigned i = 0; i < h->finding_count && i < PUBLISHED_MAX_FINDINGS; i++) {
		if (h->findings[i].level < HOST_LIMITED)
			break;
		put(d, comma);
		put(d, h->findings[i].id);
		comma = ", ";
	}
	put(d, "; cleat doctor says more");
}

static void draw_host(struct drawing *d)
{
	const struct published_header *h = d->view->header;
	char text[HOST_SENTENCE_SIZE], losses[HOST_LOSSES_SIZE];
	bool is_missing = h->finding_count && h->findings[0].level >= HOST_MISSING;
	bool is_limited = h->finding_count && h->findings[0].level >= HOST_LIMITED;

	if (!has_host_line(h) || !d->left)
		return;
	colour(d, is_missing ? RED : YELLOW);
	put(d, "host: ");
	colour(d, PLAIN);
	if (is_missing) {
		host_sentence(h, 0, text);
		put(d, text);
		end_line(d);
		return;
	}
	if (h->allowed_losses) {
		host_loss_names(h->allowed_losses, losses);
		put(d, "less isolation is allowed: ");
		put(d, losses);
		put(d, is_limited ? "; " : "");
	}
	if (is_limited)
		put_limits(d);
	end_line(d);
}

static void draw_notes(struct drawing *d)
{
	static const char *const titles[] = { "note: ", "warning: ", "error: " };
	static const enum colour colours[] = { PLAIN, YELLOW, RED };
	const struct published_header *h = d->view->header;
	unsigned count = notes_shown(d->view);

	for (unsigned i = 0; i < count && d->left; i++) {
		unsigned level = h->notes[i].level < 3 ? h->notes[i].level : 2;
		bool is_last = i + 1 == count && h->note_count > count;
		char text[48];

		if (is_last) {
			snprintf(text, sizeof(text), "and %" PRIu32 " more notes: cleat status",
				 h->note_count - i);
			put(d, text);
		} else {
			colour(d, colours[level]);
			put(d, titles[level]);
			colour(d, PLAIN);
			put(d, h->notes[i].text);
		}
		end_line(d);
	}
}

static unsigned bounded(unsigned value, unsigned otherwise, unsigned max)
{
	return value == 0 ? otherwise : value < max ? value : max;
}

static unsigned rows_of(const struct console_view *view)
{
	return bounded(view->rows, CONSOLE_ROWS, CONSOLE_MAX_ROWS);
}

static unsigned lines_allowed(const struct console_view *view)
{
	unsigned rows = rows_of(view);

	if (!view->is_shared)
		return rows;
	return rows > 2 * CONSOLE_SHARED_LINES ? rows - CONSOLE_SHARED_LINES - 1 : rows / 2;
}

unsigned console_lines(const struct console_view *view, struct buf *out)
{
	static struct drawing d; /* the ranks are a kilobyte that the stack need not grow for */
	unsigned keep = notes_shown(view) + view->can_log_in + has_host_line(view->header);

	d = (struct drawing){
		.view = view,
		.out = out,
		.columns = bounded(view->columns, CONSOLE_COLUMNS, CONSOLE_MAX_COLUMNS),
		.left = lines_allowed(view),
	};
	count_units(&d);
	draw_title(&d);
	if (d.left > keep + MIN_UNIT_LINES + MAX_LINKS_SHOWN + 2)
		draw_links(&d);
	if (d.left)
		draw_url(&d);
	if (d.left)
		draw_summary(&d);
	if (d.left > keep + MIN_UNIT_LINES + 2)
		end_line(&d);
	if (d.left < keep + MIN_UNIT_LINES && d.count)
		keep = d.left > MIN_UNIT_LINES ? d.left - MIN_UNIT_LINES : 0;
	draw_units(&d, keep);
	draw_host(&d);
	draw_notes(&d);
	if (view->can_log_in && d.left) {
		put(&d, "Enter: log in");
		end_line(&d);
	}
	return d.lines;
}

/* --- bytes ---------------------------------------------------------------------------------------------------------------- */

static void put_lines(const char *text, struct buf *out, unsigned count, bool is_shared)
{
	unsigned n = 0;

	for (; *text; text = next_line(text), n++) {
		size_t len = strcspn(text, "\n");

		buf_add(out, text, len);
		/* a newline in the last row would scroll */
		buf_puts(out, n + 1 < count || is_shared ? "\033[K\n" : "\033[K");
	}
	for (; n < count; n++)
		buf_puts(out, "\033[K\n");
}

static void put_rule(struct buf *out, unsigned columns)
{
	for (unsigned i = 0; i + 1 < columns; i++)
		buf_putc(out, '-');
	buf_puts(out, "\033[K");
}

/*
 * Lines are not wrapped while this is drawn. On a terminal of its own what is below is cleared. On the one of the boot's lines those
 * go on below a rule, in a region that scrolls; the cursor stays in its last row, where whoever writes a line next finds it.
 */
unsigned console_frame(const struct console_view *view, struct buf *out)
{
	auto_buf text = BUF_INIT(out->max);
	unsigned lines = console_lines(view, &text), rows = rows_of(view);
	unsigned allowed = lines_allowed(view);

	if (view->is_shared && lines < view->min_lines && view->min_lines <= allowed)
		lines = view->min_lines;
	if (view->is_shared &&
	    view->is_first) { /* what stands there goes up, and stays in the history */
		buf_printf(out, "\033[r\033[%u;1H", rows);
		for (unsigned i = 0; i <= lines; i++)
			buf_putc(out, '\n');
	}
	buf_puts(out, "\033[?25l\033[?7l\033[0m\033[r\033[H");
	put_lines(buf_str(&text), out, lines, view->is_shared);
	if (view->is_shared) {
		put_rule(out, bounded(view->columns, CONSOLE_COLUMNS, CONSOLE_MAX_COLUMNS));
		buf_printf(out, "\033[%u;%ur\033[%u;1H\033[?7h\033[?25h", lines + 2, rows, rows);
	} else {
		buf_puts(out, "\033[J\033[?7h");
	}
	return lines;
}

void console_leave(const struct console_view *view, struct buf *out)
{
	buf_printf(out, "\033[0m\033[r\033[?7h\033[?25h\033[%u;1H\r\n", rows_of(view));
}
