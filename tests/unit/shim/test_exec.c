/* SPDX-License-Identifier: Apache-2.0 */
/* Orders of exec sessions, and what their clients send: whole, in pieces, lying. */
#include "unit_test.h"

#include "shim/decode.h"
#include "shim/exec_frames.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct message {
	struct shim_exec exec;
	char text[1024];
};

static size_t fill(struct message *m, const char *text, size_t length, uint32_t words,
		   uint32_t variables)
{
	*m = (struct message){ .exec = { .word_count = words,
					 .variable_count = variables,
					 .text_length = (uint32_t)length } };
	memcpy(m->exec.id, ID, SHIM_EXEC_ID_LEN);
	memcpy((char *)m + sizeof(m->exec), text, length);
	m->exec.header = (struct shim_header){ SHIM_PROTOCOL_VERSION, SHIM_EXEC,
					       (uint32_t)(sizeof(m->exec) + length) };
	return sizeof(m->exec) + length;
}

#define TEXT "app\0/tmp\0/bin/sh\0-c\0A=b"
#define TEXT_SIZE sizeof(TEXT)

static void an_order(void **state)
{
	struct shim_order order;
	struct message m;
	struct err err;
	size_t size = fill(&m, TEXT, TEXT_SIZE, 2, 1);

	(void)state;
	m.exec.flags = SHIM_EXEC_TTY | SHIM_EXEC_FRAMES;
	m.exec.rows = 40;
	m.exec.columns = 100;
	assert_int_equal(shim_decode(&m, size, &order, &err), 1);
	assert_int_equal(order.type, SHIM_EXEC);
	assert_string_equal(order.id, ID);
	assert_int_equal(order.flags, SHIM_EXEC_TTY | SHIM_EXEC_FRAMES);
	assert_int_equal(order.rows, 40);
	assert_int_equal(order.columns, 100);
	assert_string_equal(order.user, "app");
	assert_string_equal(order.cwd, "/tmp");
	assert_int_equal(order.word_count, 2);
	assert_int_equal(order.variable_count, 1);
	assert_int_equal(order.text_length, sizeof("/bin/sh\0-c\0A=b"));
	assert_memory_equal(order.text, "/bin/sh\0-c\0A=b", order.text_length);
}

static void refused(struct message *m, size_t size, const char *reason)
{
	struct shim_order order;
	struct err err = { 0 };

	if (shim_decode(m, size, &order, &err) != -1)
		fail_msg("accepted, expected: %s", reason);
	if (!strstr(err.msg, reason))
		fail_msg("\"%s\" is not in \"%s\"", reason, err.msg);
	assert_int_equal(err.code, ERR_INTEGRITY);
}

static void orders_that_lie(void **state)
{
	struct message m;
	size_t size;

	(void)state;
	size = fill(&m, TEXT, TEXT_SIZE, 2, 2);
	refused(&m, size, "not what it says");
	size = fill(&m, TEXT, TEXT_SIZE, 1, 1);
	refused(&m, size, "not what it says");
	size = fill(&m, TEXT, TEXT_SIZE - 1, 2, 1);
	refused(&m, size, "not what it says");
	size = fill(&m, TEXT, 0, 2, 1);
	refused(&m, size, "not what it says");
	size = fill(&m, TEXT, TEXT_SIZE, 0, 3);
	refused(&m, size, "0 words");
	size = fill(&m, TEXT, TEXT_SIZE, SHIM_EXEC_MAX_WORDS, 1);
	refused(&m, size, "1024 words and 1 variables");
	size = fill(&m, TEXT, TEXT_SIZE, 2, UINT32_MAX);
	refused(&m, size, "variables");
	size = fill(&m, TEXT, TEXT_SIZE, 2, 1);
	m.exec.text_length++;
	refused(&m, size, "exec text of");
	m.exec.text_length = UINT32_MAX;
	refused(&m, size, "exec text of");
	size = fill(&m, TEXT, TEXT_SIZE, 2, 1);
	m.exec.id[3] = 'X';
	refused(&m, size, "hex digits");
	size = fill(&m, TEXT, TEXT_SIZE, 2, 1);
	m.exec.flags = 1u << 31;
	refused(&m, size, "unknown flags");
	size = fill(&m, "\0\0\0-c\0A=b", sizeof("\0\0\0-c\0A=b"), 2, 1);
	refused(&m, size, "without a name");
	for (size_t length = sizeof(m.exec.header); length < sizeof(m.exec); length++) {
		fill(&m, TEXT, TEXT_SIZE, 2, 1);
		m.exec.header.length = (uint32_t)length;
		refused(&m, length, "exec message of");
	}
}

static void nothing_said_is_the_container_s(void **state)
{
	struct shim_order order;
	struct message m;
	struct err err;
	size_t size = fill(&m, "\0\0true", sizeof("\0\0true"), 1, 0);

	(void)state;
	assert_int_equal(shim_decode(&m, size, &order, &err), 1);
	assert_string_equal(order.user, "");
	assert_string_equal(order.cwd, "");
	assert_string_equal(order.text, "true");
}

static void sizes(void **state)
{
	struct shim_exec_resize m = { .header = { SHIM_PROTOCOL_VERSION, SHIM_EXEC_RESIZE,
						  sizeof(m) },
				      .rows = 1,
				      .columns = 65535 };
	struct shim_order order;
	struct err err;

	(void)state;
	memcpy(m.id, ID, SHIM_EXEC_ID_LEN);
	assert_int_equal(shim_decode(&m, sizeof(m), &order, &err), 1);
	assert_string_equal(order.id, ID);
	assert_int_equal(order.rows, 1);
	assert_int_equal(order.columns, 65535);
	m.id[0] = '\0';
	assert_int_equal(shim_decode(&m, sizeof(m), &order, &err), -1);
	m.header.length = sizeof(m) - 1;
	assert_int_equal(shim_decode(&m, sizeof(m) - 1, &order, &err), -1);
}

/* --- frames --- */

#define STREAM                      \
	"\0\0\0\0\0\0\0\3abc"       \
	"\4\0\0\0\0\0\0\4\0\50\1\0" \
	"\0\0\0\0\0\0\0\0"          \
	"\0\0\0\0\0\0\0\2de"        \
	"\5\0\0\0\0\0\0\0"
#define STREAM_SIZE (sizeof(STREAM) - 1)

/* What came of the bytes, as text. */
static void take_all(struct exec_input *in, const char *bytes, size_t length, char *out,
		     size_t size)
{
	struct exec_event e;
	size_t at = strlen(out);

	for (size_t taken = 0; taken < length;) {
		size_t n = exec_input_take(in, bytes + taken, length - taken, &e);

		assert_true(n > 0 && n <= length - taken);
		if (e.kind == EXEC_DATA) {
			assert_true(e.data >= bytes + taken && e.length > 0);
			assert_true(e.data + e.length == bytes + taken + n);
			at += (size_t)snprintf(out + at, size - at, "%.*s", (int)e.length, e.data);
		} else if (e.kind == EXEC_RESIZE) {
			at += (size_t)snprintf(out + at, size - at, "<%ux%u>", e.rows, e.columns);
		} else if (e.kind == EXEC_EOF) {
			at += (size_t)snprintf(out + at, size - at, "<eof>");
		} else if (e.kind == EXEC_BAD) {
			snprintf(out + at, size - at, "<bad>");
			return;
		}
		taken += n;
	}
}

static void frames_in_any_pieces(void **state)
{
	(void)state;
	for (size_t piece = 1; piece <= STREAM_SIZE; piece++) {
		struct exec_input in = { 0 };
		char out[128] = "";

		for (size_t at = 0; at < STREAM_SIZE; at += piece)
			take_all(&in, STREAM + at,
				 STREAM_SIZE - at < piece ? STREAM_SIZE - at : piece, out,
				 sizeof(out));
		assert_string_equal(out, "abc<40x256>de<eof>");
	}
}

static void frames_of_no_kind(void **state)
{
	static const char *const heads[] = {
		"\1\0\0\0\0\0\0\1", /* output is not for us */
		"\3\0\0\0\0\0\0\4",	    "\6\0\0\0\0\0\0\0", "\377\0\0\0\0\0\0\0",
		"\0\1\0\0\0\0\0\1",	    "\0\0\0\1\0\0\0\1", "\0\0\0\0\0\1\0\1",
		"\0\0\0\0\377\377\377\377", "\4\0\0\0\0\0\0\0", "\4\0\0\0\0\0\0\5",
		"\5\0\0\0\0\0\0\1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct exec_input in = { 0 };
		char out[32] = "";

		take_all(&in, heads[i], SHIM_EXEC_FRAME_HEAD, out, sizeof(out));
		if (strcmp(out, "<bad>") != 0)
			fail_msg("head %zu: %s", i, out);
	}
}

static void raw_input_is_input(void **state)
{
	struct exec_input in = { .is_raw = true };
	char out[64] = "";

	(void)state;
	take_all(&in, "\1\2\3abc", 6, out, sizeof(out));
	assert_string_equal(out, "\1\2\3abc");
}

static void heads(void **state)
{
	unsigned char head[SHIM_EXEC_FRAME_HEAD];

	(void)state;
	exec_frame_head(head, SHIM_FRAME_STDERR, 0x01020304);
	assert_memory_equal(head, "\2\0\0\0\1\2\3\4", sizeof(head));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_order),
		cmocka_unit_test(orders_that_lie),
		cmocka_unit_test(nothing_said_is_the_container_s),
		cmocka_unit_test(sizes),
		cmocka_unit_test(frames_in_any_pieces),
		cmocka_unit_test(frames_of_no_kind),
		cmocka_unit_test(raw_input_is_input),
		cmocka_unit_test(heads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
