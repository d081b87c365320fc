/* SPDX-License-Identifier: Apache-2.0 */
/* Messages from clients: short, long, lying, of other versions. */
#include "unit_test.h"

#include <signal.h>

#include "shim/decode.h"

union message {
	struct shim_header header;
	struct shim_signal signal;
	char bytes[SHIM_MESSAGE_MAX];
	struct {
		struct shim_probe probe;
		char text[256];
	} p;
};

static int decode(union message *m, size_t length, uint32_t type, struct shim_order *out)
{
	struct err err;

	m->header = (struct shim_header){ SHIM_PROTOCOL_VERSION, (uint16_t)type, (uint32_t)length };
	return shim_decode(m, length, out, &err);
}

static void orders_without_content(void **state)
{
	static const uint32_t types[] = { SHIM_HELLO, SHIM_KILL, SHIM_PROBE_CANCEL, SHIM_NOTIFY_ASK,
					  SHIM_FILES };
	union message m = { 0 };
	struct shim_order order;

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		assert_int_equal(decode(&m, sizeof(m.header), types[i], &order), 1);
		assert_int_equal(order.type, types[i]);
		assert_int_equal(decode(&m, sizeof(m.header) + 500, types[i], &order), 1);
	}
}

static void no_version_is_refused(void **state)
{
	static const uint16_t versions[] = { 0, 1, 2, 65535 };
	union message m = { 0 };
	struct shim_order order;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		m.header = (struct shim_header){ versions[i], SHIM_HELLO, sizeof(m.header) };
		assert_int_equal(shim_decode(&m, sizeof(m.header), &order, &err), 1);
	}
}

static void unknown_types_are_ignored(void **state)
{
	union message m = { 0 };
	struct shim_order order;

	(void)state;
	assert_int_equal(decode(&m, sizeof(m.header), 0, &order), 0);
	assert_int_equal(decode(&m, 1000, 60000, &order), 0);
	assert_int_equal(decode(&m, sizeof(m.header), SHIM_STATE, &order), 0);
}

static void the_length_must_be_true(void **state)
{
	union message m = { 0 };
	struct shim_order order;
	struct err err;

	(void)state;
	for (size_t length = 0; length < sizeof(m.header); length++) {
		m.header = (struct shim_header){ 1, SHIM_HELLO, (uint32_t)length };
		assert_int_equal(shim_decode(&m, length, &order, &err), -1);
		assert_int_equal(err.code, ERR_INTEGRITY);
	}
	m.header = (struct shim_header){ 1, SHIM_HELLO, sizeof(m.header) + 1 };
	assert_int_equal(shim_decode(&m, sizeof(m.header), &order, &err), -1);
	assert_string_equal(err.msg, "message of 8 bytes says 9");
}

static void signals(void **state)
{
	union message m = { 0 };
	struct shim_order order;

	(void)state;
	m.signal.number = SIGTERM;
	m.signal.all = 1;
	assert_int_equal(decode(&m, sizeof(m.signal), SHIM_SIGNAL, &order), 1);
	assert_int_equal(order.signal, SIGTERM);
	assert_true(order.all);
	/* Shorter: what is not there is zero, whatever lies behind the message. */
	assert_int_equal(decode(&m, offsetof(struct shim_signal, all), SHIM_SIGNAL, &order), 1);
	assert_false(order.all);
	assert_int_equal(decode(&m, offsetof(struct shim_signal, all) - 1, SHIM_SIGNAL, &order),
			 -1);
	for (int32_t number = -1; number <= 66; number++) {
		m.signal.number = number;
		assert_int_equal(decode(&m, sizeof(m.signal), SHIM_SIGNAL, &order),
				 number >= 1 && number <= 64 ? 1 : -1);
	}
}

static int decode_probe(union message *m, uint32_t kind, uint64_t timeout, const char *text,
			size_t length, struct shim_order *order)
{
	memset(m, 0, sizeof(*m));
	m->p.probe.order = 42;
	m->p.probe.kind = kind;
	m->p.probe.timeout_usec = timeout;
	m->p.probe.text_length = (uint32_t)length;
	memcpy(m->bytes + sizeof(m->p.probe), text, length);
	return decode(m, sizeof(m->p.probe) + length, SHIM_PROBE, order);
}

static void probes(void **state)
{
	union message m;
	struct shim_order order;

	(void)state;
	assert_int_equal(decode_probe(&m, SHIM_PROBE_EXEC, 1000, "/bin/a\0b\0", 9, &order), 1);
	assert_int_equal(order.kind, SHIM_PROBE_EXEC);
	assert_int_equal(order.probe, 42);
	assert_int_equal(order.timeout_usec, 1000);
	assert_int_equal(order.text_length, 9);
	assert_memory_equal(order.text, "/bin/a\0b\0", 9);
	assert_int_equal(decode_probe(&m, SHIM_PROBE_HTTP, UINT64_MAX, "http://x/", 10, &order), 1);
	assert_int_equal(order.kind, SHIM_PROBE_HTTP);
	assert_int_equal(order.timeout_usec, SHIM_PROBE_TIMEOUT_MAX_USEC);
	assert_int_equal(decode_probe(&m, SHIM_PROBE_HTTPS, 1000, "https://x/", 11, &order), 1);
	assert_int_equal(order.kind, SHIM_PROBE_HTTPS);
}

/* Their sender waits for a result, so they are orders all the same. */
static void probes_that_cannot_be_run(void **state)
{
	char many[600];
	union message m;
	struct shim_order order;

	(void)state;
	for (size_t i = 0; i < sizeof(many); i++)
		many[i] = i % 2 ? '\0' : 'x';
	const struct {
		uint32_t kind;
		uint64_t timeout;
		const char *text;
		size_t length;
	} cases[] = {
		{ 0, 1, "x", 2 },
		{ 5, 1, "x", 2 },
		{ SHIM_PROBE_EXEC, 0, "x", 2 },
		{ SHIM_PROBE_EXEC, 1, "", 0 },
		{ SHIM_PROBE_EXEC, 1, "\0x", 3 },
		{ SHIM_PROBE_EXEC, 1, "no end", 6 },
		{ SHIM_PROBE_TCP, 1, "a\0b", 4 },
		{ SHIM_PROBE_EXEC, 1, many, 2 * (SHIM_PROBE_MAX_WORDS + 1) },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(decode_probe(&m, cases[i].kind, cases[i].timeout, cases[i].text,
					      cases[i].length, &order),
				 1);
		assert_int_equal(order.type, SHIM_PROBE);
		assert_int_equal(order.probe, 42);
		assert_int_equal(order.kind, 0);
	}
	assert_int_equal(
		decode_probe(&m, SHIM_PROBE_EXEC, 1, many, 2 * SHIM_PROBE_MAX_WORDS, &order), 1);
	assert_int_equal(order.kind, SHIM_PROBE_EXEC);
}

static void probes_with_false_lengths(void **state)
{
	union message m;
	struct shim_order order;

	(void)state;
	decode_probe(&m, SHIM_PROBE_EXEC, 1, "/bin/true", 10, &order);
	for (size_t length = sizeof(m.header); length < sizeof(m.p.probe) + 10; length++)
		assert_int_equal(decode(&m, length, SHIM_PROBE, &order), -1);
	m.p.probe.text_length = UINT32_MAX;
	assert_int_equal(decode(&m, sizeof(m.p.probe) + 10, SHIM_PROBE, &order), -1);
	/* A newer client appends: the text is what its length says. */
	m.p.probe.text_length = 10;
	assert_int_equal(decode(&m, sizeof(m.p.probe) + 100, SHIM_PROBE, &order), 1);
	assert_int_equal(order.text_length, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders_without_content),
		cmocka_unit_test(no_version_is_refused),
		cmocka_unit_test(unknown_types_are_ignored),
		cmocka_unit_test(the_length_must_be_true),
		cmocka_unit_test(signals),
		cmocka_unit_test(probes),
		cmocka_unit_test(probes_that_cannot_be_run),
		cmocka_unit_test(probes_with_false_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
