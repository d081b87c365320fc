/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last words. Both streams in the order in which they were read, which is as near to the order of writing as two pipes tell. Must
 * never cost more than a short copy while output flows: lines are looked for when somebody asks.
 */
#include "shim/tail.h"

#include <stdbool.h>
#include <string.h>

#include "util/str.h"

static void put(struct shim_tail *t, const char *data, size_t len)
{
	if (len > SHIM_TAIL_BYTES) {
		data += len - SHIM_TAIL_BYTES;
		len = SHIM_TAIL_BYTES;
	}
	if (t->len + len > sizeof(t->data)) {
		memmove(t->data, t->data + t->len - SHIM_TAIL_BYTES, SHIM_TAIL_BYTES);
		t->len = SHIM_TAIL_BYTES;
	}
	memcpy(t->data + t->len, data, len);
	t->len += (unsigned)len;
}

void shim_tail_add(struct shim_tail *t, unsigned stream, const char *data, size_t len)
{
	if (len == 0)
		return;
	if (t->stream != stream && t->len > 0 && t->data[t->len - 1] != '\n')
		put(t, "\n", 1);
	t->stream = stream;
	put(t, data, len);
}

/* Where the last lines begin; is_cut: in the middle of one. */
static const char *last_lines(const char *begin, const char *end, bool *is_cut)
{
	const char *p = end;
	unsigned lines = 0;

	while (p > begin) {
		if (p[-1] == '\n' && ++lines == SHIM_TAIL_LINES)
			break;
		p--;
	}
	*is_cut = p == begin;
	return p;
}

static size_t put_char(const char *p, const char *end, char *out, size_t room)
{
	size_t n = str_utf8_len(p, (size_t)(end - p));
	unsigned char c = (unsigned char)*p;
	/* U+0080 to U+009F are control codes to a terminal, too */
	bool is_c1 = n == 2 && c == 0xc2 && (unsigned char)p[1] < 0xa0;

	if (n > room)
		return 0;
	if (c == '\n' || (n == 1 && c >= ' ' && c != 0x7f) || (n > 1 && !is_c1))
		memcpy(out, p, n);
	else
		*out = c == '\t' ? ' ' : '?';
	return n > 1 && !is_c1 ? n : 1;
}

void shim_tail_text(const struct shim_tail *t, char *out, size_t size)
{
	const char *begin = t->data, *end = t->data + t->len;
	size_t used = 0, room = size - 1;
	bool is_cut;

	while (end > begin && (end[-1] == '\n' || end[-1] == '\r'))
		end--;
	if ((size_t)(end - begin) + 4 > room)
		begin = end - (room - 4);
	begin = last_lines(begin, end, &is_cut);
	/* Nothing has been thrown away as long as the buffer begins with the first byte. */
	if (is_cut && (begin > t->data || t->len >= SHIM_TAIL_BYTES)) {
		memcpy(out, "...", 3);
		used = 3;
		/* not in the middle of a character */
		while (begin < end && ((unsigned char)*begin & 0xc0) == 0x80)
			begin++;
	}
	while (begin < end) {
		size_t step = str_utf8_len(begin, (size_t)(end - begin));
		size_t n = put_char(begin, end, out + used, room - used);

		if (n == 0)
			break;
		used += n;
		begin += step > 0 ? step : 1;
	}
	out[used] = '\0';
}
