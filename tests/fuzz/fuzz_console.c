/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status screen of whatever units, links and notes say, on a terminal of any size; a time zone, and a file of passwords. Oracle beside the
 * sanitizers: nothing but printable letters, no line wider and no list longer than the terminal, and only those sequences of escape that
 * the screen itself has.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/console_draw.h"
#include "supervise/screen.h"
#include "unit/appliance.h"
#include "unit/zones.h"
#include "util/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct published_unit unit;
static struct published_header header;

static void check(bool holds, const char *what)
{
	if (holds)
		return;
	dprintf(STDERR_FILENO, "does not hold: %s\n", what);
	abort();
}

static bool get(void *arg, unsigned index, struct published_unit *out)
{
	const char *text = arg;

	*out = unit;
	out->state = (uint8_t)(index + (unsigned char)text[0]);
	return index % 7 != 6;
}

static void check_lines(const struct console_view *view)
{
	auto_buf out = BUF_INIT(1024 * 1024);
	unsigned lines = console_lines(view, &out), seen = 0, width = 0;
	unsigned columns = view->columns ? view->columns : CONSOLE_COLUMNS;
	unsigned rows = view->rows ? view->rows : CONSOLE_ROWS;

	check(!out.failed, "it fits");
	for (const char *p = buf_str(&out); *p; p++) {
		check(*p == '\n' || ((unsigned char)*p >= ' ' && *p != 0x7f), "printable");
		width = *p == '\n' ? 0 : width + (((unsigned char)*p & 0xc0) != 0x80);
		check(width <= columns, "as wide as the terminal");
		seen += *p == '\n';
	}
	check(seen == lines && lines <= rows, "as high as the terminal");
}

static void check_frame(struct console_view *view)
{
	auto_buf out = BUF_INIT(1024 * 1024);

	view->with_colours = true;
	console_frame(view, &out);
	for (const char *p = strchr(buf_str(&out), '\033'); p; p = strchr(p + 1, '\033'))
		check(p[1] == '[' && strchr("?;0123456789HJKmrhl", p[2]), "a sequence of ours");
	check(!strstr(buf_str(&out), "\302\233"), "no C1 control");
}

static void screen(const char *text, const uint8_t *sizes)
{
	struct console_view view = {
		.header = &header,
		.get = get,
		.arg = (void *)(uintptr_t)text,
		.links = text,
		.status = sizes[0] & 1 ? "25328" : "192.0.2.1:80",
		.columns = sizes[1],
		.rows = sizes[2],
		.min_lines = sizes[0] >> 3,
		.is_shared = sizes[0] & 2,
		.can_log_in = sizes[0] & 4,
	};

	header = (struct published_header){ .unit_count = sizes[0], .note_count = sizes[0] % 33 };
	unit = (struct published_unit){ .health = sizes[0] % 5, .since_real_usec = 1 };
	snprintf(header.hostname, sizeof(header.hostname), "%s", text);
	snprintf(header.notes[0].text, sizeof(header.notes[0].text), "%s", text);
	snprintf(unit.name, sizeof(unit.name), "%s", text);
	snprintf(unit.detail, sizeof(unit.detail), "%s", text);
	snprintf(unit.last_output, sizeof(unit.last_output), "%s", text);
	snprintf(unit.ports, sizeof(unit.ports), "%s", text);
	check_lines(&view);
	check_frame(&view);
}

static void small_texts(const char *text)
{
	char rule[ZONE_MAX_BYTES], bytes[ZONE_FILE_BYTES], hash[160], path[64];
	size_t len;

	if (zone_rule(text, rule, sizeof(rule))) {
		len = zone_file(rule, bytes, sizeof(bytes));
		check(zone_is_rule(rule) && len && zone_is_our_file(bytes, len),
		      "a zone has a file");
	}
	zone_suggest(text, rule, sizeof(rule));
	zone_is_our_file(text, strlen(text));
	system_root_hash(text, hash, sizeof(hash));
	check(!hash[0] || appliance_is_password_hash(hash), "a hash is one");
	screen_last_console(text, path, sizeof(path));
	check(!path[0] || (str_starts(path, "/dev/") && !strchr(path + 5, '/')), "a device");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[2048];

	if (size < 4)
		return 0;
	snprintf(text, sizeof(text), "%.*s", (int)(size - 3), (const char *)data + 3);
	screen(text, data);
	small_texts(text);
	return 0;
}
