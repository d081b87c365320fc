/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes that cross the shim's boundary: a message from a client, a status record from disk, a
 * probe's URL, frames of an exec session's client, a line of a log file. Oracle beside the sanitizers: an order's text lies inside its
 * message and is terminated, texts of a record are terminated, an accepted URL has an address and
 * nothing that could end a request line, a parsed log line lies inside what was given.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log/line.h"
#include "shim/decode.h"
#include "shim/exec_frames.h"
#include "shim/tail.h"
#include "shim/url.h"
#include "tests/fuzz/fuzz.h"
#include "util/buf.h"
#include "util/str.h"

/* Every text that an exec order counts is there and ends before the order does. */
static void check_exec(const struct shim_order *order, const char *data, size_t size)
{
	const char *end = data + size, *text = order->text;

	check(order->word_count > 0 && text[0], "there is a program");
	check(order->user >= data && order->cwd > order->user && text > order->cwd,
	      "texts lie in the message");
	for (uint32_t i = 0; i < order->word_count + order->variable_count; i++) {
		const char *nul = memchr(text, '\0', (size_t)(end - text));

		check(nul != NULL, "every text is terminated");
		text = nul + 1;
	}
	check(text <= end && text == order->text + order->text_length, "all texts are counted");
}

/* The same bytes in one piece and in pieces give the same input. */
static void try_frames(const char *data, size_t size, size_t piece, struct buf *input)
{
	struct exec_input in = { 0 };
	struct exec_event e;

	for (size_t at = 0; at < size;) {
		size_t length = size - at < piece ? size - at : piece;
		size_t n = exec_input_take(&in, data + at, length, &e);

		check(n > 0 && n <= length, "something is taken, and no more than there is");
		check(e.kind != EXEC_DATA || (e.length > 0 && e.data >= data + at &&
					      e.data + e.length == data + at + n),
		      "input is the end of what was taken");
		if (e.kind == EXEC_DATA)
			buf_add(input, e.data, e.length);
		else if (e.kind != EXEC_MORE)
			buf_printf(input, "<%d %u %u>", (int)e.kind, e.rows, e.columns);
		if (e.kind == EXEC_BAD)
			return;
		at += n;
	}
}

static void try_all_frames(const char *data, size_t size)
{
	auto_buf whole = BUF_INIT(1 << 20);
	auto_buf pieces = BUF_INIT(1 << 20);

	try_frames(data, size, SIZE_MAX, &whole);
	try_frames(data, size, 1, &pieces);
	check(whole.len == pieces.len && strcmp(buf_str(&whole), buf_str(&pieces)) == 0,
	      "pieces make no difference");
}

static void try_message(const char *data, size_t size)
{
	struct shim_order order;
	struct err err = { 0 };
	int rc = shim_decode(data, size, &order, &err);

	check(rc >= -1 && rc <= 1, "decode says -1, 0 or 1");
	check(rc >= 0 || err.msg[0], "a refusal has a reason");
	if (rc == 1 && order.type == SHIM_EXEC)
		check_exec(&order, data, size);
	if (rc != 1 || order.type != SHIM_PROBE || order.kind == 0)
		return;
	check(order.text >= data && order.text_length <= size - (size_t)(order.text - data),
	      "the text lies in the message");
	check(order.text[order.text_length - 1] == '\0', "the text is terminated");
	check(order.timeout_usec > 0, "there is a deadline");
}

static void try_record(const char *data, size_t size)
{
	struct shim_status status;

	if (!shim_status_parse(data, size, &status))
		return;
	check(memchr(status.run_id, 0, sizeof(status.run_id)) &&
		      memchr(status.name, 0, sizeof(status.name)) &&
		      memchr(status.error, 0, sizeof(status.error)) &&
		      memchr(status.boot_id, 0, sizeof(status.boot_id)) &&
		      memchr(status.log_error, 0, sizeof(status.log_error)) &&
		      memchr(status.unenforced, 0, sizeof(status.unenforced)),
	      "texts of a record are terminated");
}

static void try_url(const char *text)
{
	struct shim_url url;
	struct err err = { 0 };

	for (int is_http = 0; is_http < 2; is_http++) {
		if (shim_url_parse(text, is_http, &url, &err) < 0) {
			check(err.msg[0], "a refusal has a reason");
			continue;
		}
		check(url.count >= 1 && url.count <= 2, "a URL has an address");
		for (const char *p = text; *p; p++)
			check((unsigned char)*p > ' ' && (unsigned char)*p < 0x7f,
			      "a URL has printable bytes only");
	}
}

static void try_line(const char *data, size_t size)
{
	struct log_line line;

	if (log_line_parse(data, size, &line))
		check(line.text >= data && line.text + line.len == data + size,
		      "a line's text is its end");
}

/* Output in pieces of a size that the bytes choose, from both streams in turn: its last words can be shown to anybody. */
static void try_tail(const char *data, size_t size)
{
	struct shim_tail tail = { .len = 0 };
	char text[SHIM_TAIL_BYTES + 1], small[8];
	size_t piece = size ? (unsigned char)data[0] + 1u : 1, length, lines = 1;

	for (size_t at = 0; at < size; at += piece)
		shim_tail_add(&tail, at / piece % 2, data + at,
			      size - at < piece ? size - at : piece);
	check(tail.len <= sizeof(tail.data), "what is kept is bounded");
	shim_tail_text(&tail, text, sizeof(text));
	length = strnlen(text, sizeof(text));
	check(length < sizeof(text), "last words end");
	for (size_t i = 0, n; i < length; i += n) {
		n = str_utf8_len(text + i, length - i);
		check(n > 0, "last words are UTF-8");
		check(text[i] == '\n' || ((unsigned char)text[i] >= ' ' && text[i] != 0x7f),
		      "last words control no terminal");
		lines += text[i] == '\n';
	}
	check(lines <= SHIM_TAIL_LINES, "last words are a few lines");
	shim_tail_text(&tail, small, sizeof(small));
	check(memchr(small, '\0', sizeof(small)) != NULL, "last words end where there is no room");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of exactly this size and alignment: what reads beyond it is seen. */
	char *copy = malloc(size + 1);

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	copy[size] = '\0';
	try_message(copy, size);
	try_record(copy, size);
	try_line(copy, size);
	try_url(copy);
	try_all_frames(copy, size);
	try_tail(copy, size);
	free(copy);
	return 0;
}
