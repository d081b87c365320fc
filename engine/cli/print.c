/* SPDX-License-Identifier: Apache-2.0 */
/* Printing for people. Nothing that a unit, an image or a container said reaches the terminal with control bytes in it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "util/str.h"

#define TABLE_MAX (16u * 1024 * 1024)

/* C1 controls are two bytes in UTF-8; a terminal obeys U+009B as it does ESC [. */
static bool is_control(const char *text, size_t length)
{
	unsigned char first = (unsigned char)text[0];

	if (length == 2)
		return first == 0xc2 && (unsigned char)text[1] < 0xa0;
	return length == 1 && (first < ' ' || first == 0x7f);
}

void cli_clean(char *text)
{
	size_t left = strlen(text);

	while (left) {
		/* Most of it needs no look. */
		if (*text >= ' ' && *text < 0x7f) {
			text++;
			left--;
			continue;
		}
		size_t length = str_utf8_len(text, left);
		size_t step = length ? length : 1;

		if (!length || is_control(text, length))
			memset(text, '?', step);
		text += step;
		left -= step;
	}
}

void cli_print_lines(char *text)
{
	for (char *line = text, *next; line && *line; line = next) {
		size_t len = strcspn(line, "\n");

		next = line + len + (line[len] == '\n');
		line[len] = '\0';
		cli_clean(line);
		puts(line);
	}
}

/* It escapes what ASCII has of control bytes and may carry what a container printed; a terminal knows more. */
void cli_print_json(char *text, size_t len)
{
	if (isatty(STDOUT_FILENO))
		cli_print_lines(text);
	else if (text)
		fwrite(text, 1, len, stdout);
}

/* Bytes are not columns: continuation bytes of UTF-8 take no room. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

void cli_table_cell(struct cli_table *table, enum cli_colour colour, const char *text)
{
	size_t column = table->count % table->columns, width;
	size_t at = table->cells.len + 1;

	if (!table->cells.max)
		table->cells = (struct buf)BUF_INIT(TABLE_MAX);
	if (buf_putc(&table->cells, (char)('0' + colour)) < 0 ||
	    buf_add(&table->cells, text, strlen(text) + 1) < 0)
		return;
	cli_clean(table->cells.data + at);
	width = width_of(table->cells.data + at);
	if (width > table->widths[column])
		table->widths[column] = width;
	table->count++;
}

static void print_cell(FILE *out, const char *cell, bool with_colours)
{
	static const char *const codes[] = {
		[CLI_PLAIN] = "", [CLI_GREEN] = "\033[32m", [CLI_YELLOW] = "\033[33m", [CLI_RED] = "\033[31m"
	};
	const char *code = codes[cell[0] - '0'];

	if (with_colours && *code)
		fprintf(out, "%s%s\033[0m", code, cell + 1);
	else
		fputs(cell + 1, out);
}

void cli_table_print(struct cli_table *table, FILE *out, bool with_colours)
{
	const char *cell = buf_str(&table->cells);

	for (size_t i = 0; i < table->count; i++) {
		size_t column = i % table->columns;

		print_cell(out, cell, with_colours);
		if (column + 1 < table->columns)
			fprintf(out, "%*s", (int)(table->widths[column] - width_of(cell + 1)) + 2,
				"");
		else
			fputc('\n', out);
		cell += strlen(cell) + 1;
	}
	buf_fini(&table->cells);
}

bool cli_wants_colours(FILE *out)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return !(no_color && *no_color) && term && *term && !str_eq(term, "dumb") &&
	       isatty(fileno(out));
}

void cli_span(int64_t usec, char out[24])
{
	int64_t s = usec / 1000000;

	if (s < 0)
		s = 0;
	if (s < 120)
		snprintf(out, 24, "%" PRId64 " s", s);
	else if (s < 7200)
		snprintf(out, 24, "%" PRId64 " min", s / 60);
	else if (s < 172800)
		snprintf(out, 24, "%" PRId64 " h", s / 3600);
	else
		snprintf(out, 24, "%" PRId64 " d", s / 86400);
}

int cli_fail(const char *command, const struct err *err)
{
	char text[sizeof(err->msg)];

	str_copy(text, sizeof(text), err->msg);
	cli_clean(text);
	fprintf(stderr, "cleat %s: %s\n", command, text);
	return CLI_FAILED;
}

int cli_usage(const char *command, const char *text)
{
	fprintf(stderr, "cleat %s: %s; see \"cleat help %s\"\n", command, text, command);
	return CLI_USAGE;
}
