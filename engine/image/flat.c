/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flat records, written by unprivileged workers and read by everybody else: so the reader is the
 * boundary. It takes no number, no nesting and no length on trust, and never allocates.
 */
#include "image/flat.h"

#include <stdio.h>

#include "util/str.h"

static void put_escaped(struct buf *b, const char *value, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t run = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)value[i];
		char escape[3] = { '%', digits[c >> 4], digits[c & 15] };

		if (c >= ' ' && c != '%' && c != 0x7f)
			continue;
		buf_add(b, value + run, i - run);
		buf_add(b, escape, sizeof(escape));
		run = i + 1;
	}
	buf_add(b, value + run, len - run);
}

void flat_putn(struct buf *b, const char *key, const char *value, size_t len)
{
	buf_puts(b, key);
	buf_putc(b, ' ');
	put_escaped(b, value, len);
	buf_putc(b, '\n');
}

void flat_put(struct buf *b, const char *key, const char *value)
{
	flat_putn(b, key, value, strlen(value));
}

void flat_put_u64(struct buf *b, const char *key, uint64_t value)
{
	buf_printf(b, "%s %llu\n", key, (unsigned long long)value);
}

int flat_seal(const char *kind, const struct buf *body, struct buf *out, struct err *err)
{
	if (buf_check(body, kind, err) < 0)
		return -1;
	buf_printf(out, "cleat-%s %d %zu\n", kind, FLAT_VERSION, body->len);
	buf_add(out, buf_str(body), body->len);
	return buf_check(out, kind, err);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* In place: a decoded value is never longer than its text. Returns the length or -1. */
static long decode_value(char *value)
{
	char *out = value;

	for (const char *in = value; *in; in++) {
		int high, low;

		if (*in != '%') {
			*out++ = *in;
			continue;
		}
		high = hex_digit(in[1]);
		low = high < 0 ? -1 : hex_digit(in[2]);
		if (low < 0 || (high == 0 && low == 0))
			return -1;
		*out++ = (char)(high << 4 | low);
		in += 2;
	}
	*out = '\0';
	return out - value;
}

int flat_decode(char *line, struct flat_line *out, struct err *err)
{
	size_t key = strspn(line, "abcdefghijklmnopqrstuvwxyz-");
	long len = 0;

	*out = (struct flat_line){ .key = line, .value = "" };
	if (key == 0 || key > FLAT_KEY_MAX || (line[key] != ' ' && line[key] != '\0'))
		return err_set(err, ERR_INTEGRITY, "record line without a key");
	if (line[key] == ' ') {
		out->value = line + key + 1;
		len = decode_value(line + key + 1);
	}
	line[key] = '\0';
	if (len < 0)
		return err_set(err, ERR_INTEGRITY, "record line %s: bad escape", line);
	out->len = (size_t)len;
	return 0;
}

static bool head_number(char **at, char end, uint64_t *out)
{
	char *stop = strchr(*at, end);

	if (!stop)
		return false;
	*stop = '\0';
	if (!str_to_u64(*at, UINT32_MAX, out))
		return false;
	*at = stop + 1;
	return true;
}

int flat_open(char *text, size_t len, const char *kind, struct flat_reader *out, struct err *err)
{
	uint64_t version, length;
	char head[64];
	char *at;

	text[len] = '\0';
	snprintf(head, sizeof(head), "cleat-%s ", kind);
	if (!str_starts(text, head))
		return err_set(err, ERR_INTEGRITY, "not a %s record", kind);
	at = text + strlen(head);
	if (!head_number(&at, ' ', &version))
		return err_set(err, ERR_INTEGRITY, "%s record: torn head", kind);
	if (version != FLAT_VERSION)
		return err_set(err, ERR_UNSUPPORTED,
			       "%s record: version %llu is not known to this version", kind,
			       (unsigned long long)version);
	if (!head_number(&at, '\n', &length) || length != (uint64_t)(text + len - at))
		return err_set(err, ERR_INTEGRITY, "%s record: torn", kind);
	*out = (struct flat_reader){ .at = at, .end = text + len };
	return 0;
}

int flat_next(struct flat_reader *reader, struct flat_line *out, struct err *err)
{
	char *line = reader->at, *stop;

	*out = (struct flat_line){ .value = "" };
	if (line == reader->end)
		return 0;
	stop = memchr(line, '\n', (size_t)(reader->end - line));
	if (!stop || memchr(line, '\0', (size_t)(stop - line)))
		return err_set(err, ERR_INTEGRITY, "record: torn line");
	*stop = '\0';
	reader->at = stop + 1;
	return flat_decode(line, out, err);
}
