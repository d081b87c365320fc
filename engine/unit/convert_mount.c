/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount=: a line of comma separated fields, read and written as CSV, because a field may hold a
 * comma in quotes. The type comes first and the source is resolved. Must never let through a source
 * that podman would look for elsewhere.
 */
#include "unit/convert_internal.h"
#include "util/str.h"

/* From behind the opening quote at p; *end: behind the closing one. "" is a quote. */
static const char *csv_quoted(struct reading *r, const char *p, const char **end)
{
	const char *close = p;
	char *field, *out;

	while (*close && (*close != '"' || close[1] == '"'))
		close += *close == '"' ? 2 : 1;
	if (!*close || (close[1] && close[1] != ','))
		return NULL;
	*end = close + 1;
	field = out = arena_alloc(r->arena, (size_t)(close - p) + 1);
	for (; p < close; p++) {
		*out++ = *p;
		p += *p == '"';
	}
	*out = '\0';
	return field;
}

/* One field of a comma separated line; *at moves behind it. Quotes as in CSV: "a,b" and ""
 * inside. NULL: no CSV of one line. */
static const char *csv_field(struct reading *r, const char **at)
{
	const char *p = *at;
	size_t len = strcspn(p, ",");

	if (*p == '"')
		return csv_quoted(r, p + 1, at);
	*at = p + len;
	return strcspn(p, "\"\n") < len ? NULL : arena_strndup(r->arena, p, len);
}

static void csv_write(struct buf *out, const char *field)
{
	if (out->len)
		buf_putc(out, ',');
	if (!syntax_blank_bytes(field, field + strlen(field)) && !str_eq(field, "\\.") &&
	    !field[strcspn(field, ",\"\r\n")]) {
		buf_puts(out, field);
		return;
	}
	buf_putc(out, '"');
	for (; *field; field++) {
		if (*field == '"')
			buf_putc(out, '"');
		buf_putc(out, *field);
	}
	buf_putc(out, '"');
}

/* The fields of a Mount= word without its type=, which goes to *type. */
static bool split_mount(struct reading *r, const struct arg *mount, struct arg_list *fields,
			const char **type)
{
	const char *at = mount->text;

	*type = NULL;
	for (;;) {
		const char *field = csv_field(r, &at);

		if (!field) {
			reading_fail(
				r, mount->origin,
				"a quote that is not closed or stands inside a field, or a new line");
			return false;
		}
		if (!*type && str_starts(field, "type=") && !strchr(field + 5, '='))
			*type = field + 5;
		else
			arg_push(r->arena, fields, field, mount->origin);
		if (*at != ',')
			return true;
		at++;
	}
}

static const char *convert_mount_word(struct reading *r, const struct arg *mount)
{
	static const char *const with_source[] = { "volume", "bind", "glob", "image", "artifact" };
	struct arg_list fields = { 0 };
	const char *type, *source = NULL;
	bool needs_source = false;
	size_t place = 0;

	if (!split_mount(r, mount, &fields, &type))
		return mount->text;
	type = type ? type : "volume";
	for (size_t i = 0; i < sizeof(with_source) / sizeof(with_source[0]); i++)
		needs_source |= str_eq(type, with_source[i]);
	if (!needs_source)
		return mount->text;
	for (size_t i = 0; i < fields.count; i++) {
		const char *text = fields.items[i].text;
		const char *value = str_starts(text, "source=") ? text + 7 :
				    str_starts(text, "src=")	? text + 4 :
								  NULL;

		if (value) {
			source = value;
			place = i;
		} else if (str_eq(text, "source") || str_eq(text, "src")) {
			reading_fail(r, mount->origin, "%s without a value", text);
			return mount->text;
		}
	}
	if (source && *source)
		fields.items[place].text = arena_join(
			r->arena, "source=", convert_source(r, source, mount->origin, true));
	else if (!str_eq(type, "volume"))
		reading_fail(r, mount->origin, "a mount of type %s needs source=", type);

	auto_buf out = BUF_INIT(4 * UNIT_MAX_LINE_BYTES);

	csv_write(&out, arena_join(r->arena, "type=", type));
	for (size_t i = 0; i < fields.count; i++)
		csv_write(&out, fields.items[i].text);
	return arena_strdup(r->arena, buf_str(&out));
}

void convert_mounts(struct reading *r, struct arg_list *words)
{
	struct arg_list values = value_args(r, r->own, "Mount");

	for (size_t i = 0; i < values.count; i++)
		convert_flag(r, words, "--mount", convert_mount_word(r, &values.items[i]),
			     values.items[i].origin);
}
