/* SPDX-License-Identifier: Apache-2.0 */
/* What Docker's clients say of an exec, as an order that the shim understands. */
#include "unit_test.h"

#include "api/internal.h"
#include "shim/protocol.h"

struct order {
	struct shim_exec head;
	const char *user, *cwd, *text; /* text: words, variables */
};

/* tests/unit/shim has the other end, which takes what this one makes: the layout is the contract's. */
static void create(const char *body, struct buf *message, struct order *order)
{
	struct err err = { 0 };

	if (api_exec_read(body, strlen(body), message, &err) < 0)
		fail_msg("%s: %s", body, err.msg);
	memcpy(&order->head, message->data, sizeof(order->head));
	assert_int_equal(order->head.header.type, SHIM_EXEC);
	assert_int_equal(order->head.header.length, message->len);
	assert_int_equal(order->head.text_length, message->len - sizeof(order->head));
	order->user = message->data + sizeof(order->head);
	order->cwd = order->user + strlen(order->user) + 1;
	order->text = order->cwd + strlen(order->cwd) + 1;
	assert_true(order->text < message->data + message->len);
}

static void all_words(void **state)
{
	struct order order;
	struct buf message;

	(void)state;
	create("{\"AttachStdin\":true,\"AttachStdout\":true,\"AttachStderr\":true,\"Tty\":true,"
	       "\"DetachKeys\":\"ctrl-p\",\"Cmd\":[\"sh\",\"-c\",\"\"],\"Env\":[\"A=b=c\",\"E=\"],"
	       "\"User\":\"1001:5\",\"WorkingDir\":\"/srv\",\"ConsoleSize\":[40,100],\"Privileged\":false}",
	       &message, &order);
	assert_int_equal(order.head.flags, SHIM_EXEC_TTY | SHIM_EXEC_STDIN);
	assert_int_equal(order.head.rows, 40);
	assert_int_equal(order.head.columns, 100);
	assert_string_equal(order.user, "1001:5");
	assert_string_equal(order.cwd, "/srv");
	assert_int_equal(order.head.word_count, 3);
	assert_int_equal(order.head.variable_count, 2);
	assert_memory_equal(order.text, "sh\0-c\0\0A=b=c\0E=", sizeof("sh\0-c\0\0A=b=c\0E="));
	buf_fini(&message);
}

static void as_dockers_own_client_writes_it(void **state)
{
	struct order order;
	struct buf message;

	(void)state;
	create("{\"User\":\"\",\"Privileged\":false,\"Tty\":false,\"AttachStdin\":false,\"AttachStderr\":true,"
	       "\"AttachStdout\":true,\"Detach\":false,\"DetachKeys\":\"\",\"Env\":null,\"WorkingDir\":\"\","
	       "\"ConsoleSize\":null,\"Cmd\":[\"true\"],\"New\":[],\"Newer\":{},\"Newest\":0}",
	       &message, &order);
	assert_int_equal(order.head.flags, 0);
	assert_int_equal(order.head.variable_count, 0);
	assert_string_equal(order.text, "true");
	buf_fini(&message);
}

static void refusals(void **state)
{
	static const char *const rows[][2] = {
		{ "", "no JSON" },
		{ "x", "no JSON" },
		{ "[]", "no JSON object" },
		{ "{}", "No exec command" },
		{ "{\"Cmd\":null}", "No exec command" },
		{ "{\"Cmd\":[]}", "No exec command" },
		{ "{\"Cmd\":[\"\"]}", "No exec command" },
		{ "{\"Cmd\":\"a\"}", "Cmd: not a list" },
		{ "{\"Cmd\":[1]}", "Cmd: not a list of texts" },
		{ "{\"Cmd\":[null]}", "Cmd: not a list of texts" },
		{ "{\"Cmd\":[\"a\\u0000b\"]}", "Cmd: not a list of texts" },
		{ "{\"Cmd\":[\"a\"],\"Env\":[\"A\"]}", "Env: \"A\" is not NAME=VALUE" },
		{ "{\"Cmd\":[\"a\"],\"Env\":[\"=A\"]}", "is not NAME=VALUE" },
		{ "{\"Cmd\":[\"a\"],\"Env\":{\"a\":1}}", "Env: not a list" },
		{ "{\"Cmd\":[\"a\"],\"User\":5}", "User: not a text" },
		{ "{\"Cmd\":[\"a\"],\"User\":\"a\\u0000\"}", "User: not a text" },
		{ "{\"Cmd\":[\"a\"],\"WorkingDir\":\"a\"}", "WorkingDir: not an absolute path" },
		{ "{\"Cmd\":[\"a\"],\"Tty\":1}", "Tty: neither" },
		{ "{\"Cmd\":[\"a\"],\"ConsoleSize\":[1,70000]}", "ConsoleSize: not a height" },
		{ "{\"Cmd\":[\"a\"],\"ConsoleSize\":[-1,7]}", "ConsoleSize: not a height" },
		{ "{\"Cmd\":[\"a\"],\"Privileged\":true}", "Privileged is not supported" },
		{ "{\"Cmd\":[\"a\"],\"Other\":\"x\"}", "Other is not supported" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf message;
		struct err err = { 0 };

		if (api_exec_read(rows[i][0], strlen(rows[i][0]), &message, &err) == 0)
			fail_msg("accepted: %s", rows[i][0]);
		if (!strstr(err.msg, rows[i][1]))
			fail_msg("%s: \"%s\" is not in \"%s\"", rows[i][0], rows[i][1], err.msg);
		buf_fini(&message);
	}
}

static void bounds(void **state)
{
	auto_buf body = BUF_INIT(1 << 20);
	struct buf message;
	struct err err;

	(void)state;
	buf_puts(&body, "{\"Cmd\":[\"a\"");
	for (unsigned i = 0; i < SHIM_EXEC_MAX_WORDS; i++)
		buf_puts(&body, ",\"a\"");
	buf_puts(&body, "]}");
	assert_int_equal(api_exec_read(buf_str(&body), body.len, &message, &err), -1);
	assert_non_null(strstr(err.msg, "more than 1024"));
	buf_fini(&message);
	buf_clear(&body);
	buf_puts(&body, "{\"Cmd\":[\"");
	for (unsigned i = 0; i < SHIM_MESSAGE_MAX; i++)
		buf_putc(&body, 'x');
	buf_puts(&body, "\"]}");
	assert_int_equal(api_exec_read(buf_str(&body), body.len, &message, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	buf_fini(&message);
}

static void starting(void **state)
{
	struct order order;
	struct buf message;
	struct shim_exec head;
	struct err err;

	(void)state;
	create("{\"Cmd\":[\"a\"],\"Tty\":true,\"ConsoleSize\":[1,2]}", &message, &order);
	assert_int_equal(api_exec_read_start(NULL, 0, &message, &err), 0);
	assert_int_equal(
		api_exec_read_start("{\"Tty\":false,\"Detach\":false}", 28, &message, &err), 0);
	memcpy(&head, message.data, sizeof(head));
	assert_int_equal(head.flags, SHIM_EXEC_TTY);
	assert_int_equal(head.rows, 1);
	assert_int_equal(api_exec_read_start("{\"Detach\":true,\"ConsoleSize\":[3,4]}", 35,
					     &message, &err),
			 0);
	memcpy(&head, message.data, sizeof(head));
	assert_int_equal(head.flags, SHIM_EXEC_TTY | SHIM_EXEC_DETACH);
	assert_int_equal(head.rows, 3);
	assert_int_equal(head.columns, 4);
	assert_int_equal(api_exec_read_start("{", 1, &message, &err), -1);
	assert_int_equal(api_exec_read_start("{\"Cmd\":[\"b\"]}", 13, &message, &err), -1);
	assert_non_null(strstr(err.msg, "Cmd is not supported"));
	buf_fini(&message);
}

static void what_is_kept_for_the_next_engine_is_checked(void **state)
{
	static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	struct order order;
	struct buf message;
	struct shim_exec head;
	struct err err = { 0 };
	size_t whole;

	(void)state;
	create("{\"Cmd\":[\"sh\",\"-c\",\"true\"],\"Env\":[\"A=b\"],\"User\":\"1\"}", &message,
	       &order);
	memcpy(message.data + offsetof(struct shim_exec, id), id, SHIM_EXEC_ID_LEN);
	assert_int_equal(api_exec_check(&message, id, &err), 0);
	whole = message.len;
	for (message.len = 0; message.len < whole; message.len++)
		assert_int_equal(api_exec_check(&message, id, &err), -1);
	message.len = whole;
	assert_int_equal(
		api_exec_check(&message,
			       "1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
			       &err),
		-1);
	for (uint32_t count = 0; count < 6;
	     count++) { /* a walk over the words must end in the message */
		memcpy(&head, message.data, sizeof(head));
		head.word_count = count;
		memcpy(message.data, &head, sizeof(head));
		assert_int_equal(api_exec_check(&message, id, &err), count == 3 ? 0 : -1);
	}
	head.word_count = 3;
	head.header.type = SHIM_KILL;
	memcpy(message.data, &head, sizeof(head));
	assert_int_equal(api_exec_check(&message, id, &err), -1);
	buf_fini(&message);
	assert_int_equal(api_exec_kept("../../../etc/passwd", &message, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	buf_fini(&message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_words),
		cmocka_unit_test(what_is_kept_for_the_next_engine_is_checked),
		cmocka_unit_test(as_dockers_own_client_writes_it),
		cmocka_unit_test(refusals),
		cmocka_unit_test(bounds),
		cmocka_unit_test(starting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
