/* SPDX-License-Identifier: Apache-2.0 */
/* The record by which the next engine takes over: of an older engine, of a newer one, of nobody. */
#include "unit_test.h"

#include "supervise/internal.h"
#include "util/str.h"

static struct unit_record sample(void)
{
	struct unit_record r = { .magic = UNIT_RECORD_MAGIC, .version = 1, .length = sizeof(r) };

	str_copy(r.run_id, sizeof(r.run_id), "0123456789ab");
	str_copy(r.boot_id, sizeof(r.boot_id), "fedcba98-7654-3210-fedc-ba9876543210");
	str_copy(r.container_name, sizeof(r.container_name), "systemd-web");
	str_copy(r.unit_name, sizeof(r.unit_name), "web.container");
	r.want = CORE_WANT_UP;
	r.health = CORE_UNHEALTHY;
	r.core_state = CORE_BACKOFF;
	r.core_result = CORE_RESULT_PROTOCOL;
	return r;
}

static void comes_back_as_it_was(void **state)
{
	struct unit_record one = sample(), two;
	struct err err;

	(void)state;
	assert_int_equal(record_parse(&one, sizeof(one), &two, &err), 0);
	assert_memory_equal(&one, &two, sizeof(one));
}

static void an_older_one_is_shorter_and_a_newer_one_longer(void **state)
{
	struct {
		struct unit_record record;
		char more[64];
	} newer = { .record = sample() };
	struct unit_record out;
	struct err err;

	(void)state;
	memset(newer.more, 0x7f, sizeof(newer.more));
	assert_int_equal(record_parse(&newer, sizeof(newer), &out, &err), 0);
	assert_memory_equal(&out, &newer.record, sizeof(out));
	newer.record.public_state = PUBLISHED_UP;
	newer.record.startup_passed = 0;
	assert_int_equal(record_parse(&newer, offsetof(struct unit_record, was_up), &out, &err), 0);
	assert_true(out.was_up && out.startup_passed);
	assert_int_equal(out.core_state, CORE_DOWN);
	assert_string_equal(out.unit_name, "web.container");
}

static void what_only_a_later_engine_knows_is_as_good_as_not_told(void **state)
{
	struct unit_record one = sample(), out;
	struct err err;

	(void)state;
	one.health = CORE_UNHEALTHY + 1;
	one.core_result = CORE_RESULT_PROTOCOL + 1;
	assert_int_equal(record_parse(&one, sizeof(one), &out, &err), 0);
	assert_int_equal(out.health, CORE_HEALTH_NONE);
	assert_int_equal(out.core_state, CORE_DOWN);
	assert_int_equal(out.core_result, CORE_RESULT_NONE);
	one = sample();
	one.core_state = CORE_FAILED + 1;
	assert_int_equal(record_parse(&one, sizeof(one), &out, &err), 0);
	assert_int_equal(out.core_state, CORE_DOWN);
}

static void texts_end_whatever_is_in_them(void **state)
{
	struct unit_record one = sample(), out;
	struct err err;

	(void)state;
	memset(one.reason, 'x', sizeof(one.reason));
	memset(one.last_output, 'x', sizeof(one.last_output));
	memset(one.status_text, 'x', sizeof(one.status_text));
	assert_int_equal(record_parse(&one, sizeof(one), &out, &err), 0);
	assert_int_equal(strlen(out.reason), sizeof(out.reason) - 1);
	assert_int_equal(strlen(out.last_output), sizeof(out.last_output) - 1);
	assert_int_equal(strlen(out.status_text), sizeof(out.status_text) - 1);
}

static void refused(const void *bytes, size_t length)
{
	static const struct unit_record nothing;
	struct unit_record out;
	struct err err;

	assert_int_equal(record_parse(bytes, length, &out, &err), -1);
	assert_int_equal(err.code, ERR_INTEGRITY);
	assert_memory_equal(&out, &nothing, sizeof(out));
}

static void what_is_none_is_refused_and_leaves_nothing(void **state)
{
	struct unit_record one = sample();

	(void)state;
	refused(&one, 0);
	refused(&one, offsetof(struct unit_record, public_state) - 1);
	one.magic++;
	refused(&one, sizeof(one));
	one = sample();
	str_copy(one.run_id, sizeof(one.run_id), "../../../etc");
	refused(&one, sizeof(one));
	one = sample();
	str_copy(one.unit_name, sizeof(one.unit_name), "../web.container");
	refused(&one, sizeof(one));
	one = sample();
	str_copy(one.container_name, sizeof(one.container_name), "../web");
	refused(&one, sizeof(one));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_as_it_was),
		cmocka_unit_test(an_older_one_is_shorter_and_a_newer_one_longer),
		cmocka_unit_test(what_only_a_later_engine_knows_is_as_good_as_not_told),
		cmocka_unit_test(texts_end_whatever_is_in_them),
		cmocka_unit_test(what_is_none_is_refused_and_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
