/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes on the control socket -> http_parse -> api_read: what a request says, without an engine. Oracle beside the sanitizers: a request
 * is taken or refused with a status and one JSON object; what was taken has a name where its row wants one, only words that "cleat
 * log-stream" understands, a signal that exists; the same bytes give the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "api/internal.h"
#include "shim/protocol.h"
#include "tests/fuzz/fuzz.h"
#include "util/str.h"

static void check_refusal(const struct api_answer *answer)
{
	yyjson_doc *doc = yyjson_read(buf_str(&answer->body), answer->body.len, 0);

	check(answer->status >= 400 && answer->status < 500, "a refusal is the client's fault");
	check(!answer->is_pending && !answer->is_stream && !answer->reload,
	      "a refusal is nothing else");
	check(yyjson_is_str(yyjson_obj_get(yyjson_doc_get_root(doc), "message")),
	      "a refusal has a message");
	check(!answer->extra[0] || str_ends(answer->extra, "\r\n"), "header lines are whole");
	yyjson_doc_free(doc);
}

static void check_word(const char *word)
{
	static const char *const plain[] = { "--docker-frames", "--follow", "--timestamps",
					     "--no-stdout", "--no-stderr" };
	static const char *const numbers[] = { "--tail=", "--since=", "--until=" };
	uint64_t value;

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (str_eq(word, plain[i]))
			return;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (str_starts(word, numbers[i]) &&
		    str_to_u64(word + strlen(numbers[i]), UINT64_MAX, &value))
			return;
	check(false, "a word for log-stream");
}

static void check_order(const struct api_order *order)
{
	bool has_hole = strstr(order->route->pattern, "{}") != NULL;

	check(has_hole == (order->name[0] != '\0'),
	      "a name stands where the row has a place for it");
	check(!strchr(order->name, '/'), "a name is one segment");
	check(order->signal >= 0 && order->signal <= 64, "the signal exists");
	check(order->log_args.count <= API_MAX_LOG_ARGS, "the words fit");
	for (unsigned i = 0; i < order->log_args.count; i++)
		check_word(order->log_args.words[i]);
}

/* The bytes are copied: parsing writes into them. */
static bool read_once(const uint8_t *data, size_t size, struct api_order *order,
		      struct api_answer *answer)
{
	static char copy[HTTP_MAX_HEAD];
	size_t length = size < sizeof(copy) ? size : sizeof(copy);
	struct http_request request;
	int status = 0;
	struct err err = { 0 };

	memcpy(copy, data, length);
	*answer = (struct api_answer){ .body = BUF_INIT(65536) };
	switch (http_parse(copy, length, &request, &status, &err)) {
	case HTTP_PARSE_MORE:
		check(length < HTTP_MAX_HEAD, "a head ends somewhere");
		return false;
	case HTTP_PARSE_BAD:
		check(status >= 400 && err.msg[0], "bad bytes have a status and a reason");
		return false;
	case HTTP_PARSE_DONE:
		break;
	}
	check(request.head_length <= length, "a head is inside its bytes");
	if (!api_read(&request, order, answer)) {
		check_refusal(answer);
		return false;
	}
	check(answer->status == 0 && answer->body.len == 0, "what was taken has no answer yet");
	check_order(order);
	return true;
}

/* Bodies of POST /containers/NAME/exec: what is taken is a whole order, as long as it says. */
static void try_exec(const char *data, size_t size)
{
	struct buf message;
	struct shim_exec head;
	struct err err = { 0 };

	if (api_exec_read(data, size, &message, &err) == 0) {
		memcpy(&head, message.data, sizeof(head));
		check(head.header.length == message.len && message.len <= SHIM_MESSAGE_MAX,
		      "an order is as long as it says");
		check(head.text_length + sizeof(head) == message.len && head.word_count > 0,
		      "an order has a program");
		check(message.data[message.len - 1] == '\0', "its texts are terminated");
		if (api_exec_read_start(data, size, &message, &err) < 0)
			check(err.msg[0], "a refusal has a reason");
	} else {
		check(err.msg[0], "a refusal has a reason");
	}
	buf_fini(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct api_order first, second;
	struct api_answer a, b;
	bool taken = read_once(data, size, &first, &a);

	check(read_once(data, size, &second, &b) == taken, "the same bytes give the same");
	check(a.status == b.status && str_eq(buf_str(&a.body), buf_str(&b.body)),
	      "the same refusal");
	if (taken)
		check(first.route == second.route && first.signal == second.signal &&
			      first.stop_usec == second.stop_usec &&
			      str_eq(first.name, second.name),
		      "the same order");
	buf_fini(&a.body);
	buf_fini(&b.body);
	try_exec((const char *)data, size);
	return 0;
}
