/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /etc/hosts as a container has left it, between the text that it was given and the next: parts by a line "%%". Oracle beside the
 * sanitizers: what changes is one piece of whole lines, the rest stays byte by byte.
 */
#include <string.h>

#include "shim/merge.h"
#include "tests/fuzz/fuzz.h"

#define MAX_BYTES 65536

static void next_part(const uint8_t **at, size_t *left, struct buf *out)
{
	const uint8_t *end = memmem(*at, *left, "%%\n", 3);
	size_t len = end ? (size_t)(end - *at) : *left, skip = end ? len + 3 : len;

	buf_add(out, (const char *)*at, len);
	*at += skip;
	*left -= skip;
}

static bool same(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (!a->len || memcmp(a->data, b->data, a->len) == 0);
}

/* One piece of whole lines has become the next text. */
static bool is_merged(const struct buf *now, const struct buf *before, const struct buf *next,
		      const struct buf *out)
{
	if (now->len < before->len || out->len != now->len - before->len + next->len)
		return false;
	for (size_t at = 0; at + before->len <= now->len; at++) {
		const char *text = buf_str(now), *made = buf_str(out);

		if ((at == 0 || text[at - 1] == '\n') &&
		    memcmp(text + at, buf_str(before), before->len) == 0 &&
		    memcmp(text, made, at) == 0 && memcmp(made + at, buf_str(next), next->len) == 0)
			return memcmp(text + at + before->len, made + at + next->len,
				      now->len - at - before->len) == 0;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_buf now = BUF_INIT(MAX_BYTES), before = BUF_INIT(MAX_BYTES),
		 next = BUF_INIT(MAX_BYTES);
	auto_buf merged = BUF_INIT(2 * MAX_BYTES), whole = BUF_INIT(2 * MAX_BYTES);
	bool is_ours;

	if (size > MAX_BYTES)
		return 0;
	next_part(&data, &size, &now);
	next_part(&data, &size, &before);
	next_part(&data, &size, &next);
	is_ours = same(&now, &before) && (!before.len || before.data[before.len - 1] == '\n');
	if (shim_merge(&now, &before, &next, false, &merged))
		check(is_merged(&now, &before, &next, &merged),
		      "only the text of ours has changed");
	else
		check(!is_ours, "a file that nobody has touched is ours");
	check(shim_merge(&now, &before, &next, true, &whole) == is_ours,
	      "a whole text is replaced as it was given, or not at all");
	if (is_ours)
		check(same(&whole, &next), "by the next");
	return 0;
}
