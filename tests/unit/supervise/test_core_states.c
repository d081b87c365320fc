/* SPDX-License-Identifier: Apache-2.0 */
#include "unit_test.h"

#include "supervise/core.h"
#include "util/str.h"

#define PICTURE "engine/supervise/states.dot"

static void every_state_has_a_name_and_a_way_in_and_out(void **state)
{
	struct buf dot = BUF_INIT(64 * 1024);

	(void)state;
	core_states_dot(&dot);
	assert_false(dot.failed);
	for (int i = CORE_DOWN; i <= CORE_FAILED; i++) {
		const char *name = core_state_name((enum core_state)i);
		char in[64], out[64];

		assert_string_not_equal(name, "unknown");
		snprintf(in, sizeof(in), "-> %s;", name);
		snprintf(out, sizeof(out), "\t%s -> ", name);
		assert_non_null(strstr(buf_str(&dot), in));
		assert_non_null(strstr(buf_str(&dot), out));
		snprintf(in, sizeof(in), "\t%s -> %s;", name, name);
		assert_null(strstr(buf_str(&dot), in));
	}
	buf_fini(&dot);
}

static void no_container_is_left_without_a_teardown(void **state)
{
	struct buf dot = BUF_INIT(64 * 1024);
	const char *text;

	(void)state;
	core_states_dot(&dot);
	text = buf_str(&dot);
	/* out of a running container only through cleaning */
	assert_null(strstr(text, "\tstarting -> down"));
	assert_null(strstr(text, "\tstarting -> failed"));
	assert_null(strstr(text, "\tstarting -> backoff"));
	assert_null(strstr(text, "\tstopping -> down"));
	assert_null(strstr(text, "\tup -> backoff"));
	assert_non_null(strstr(text, "\tstopping -> cleaning;"));
	/* and into one only through the image */
	assert_null(strstr(text, "\tbackoff -> starting"));
	assert_null(strstr(text, "\tfailed -> starting"));
	buf_fini(&dot);
}

static void the_checked_in_picture_is_current(void **state)
{
	struct buf dot = BUF_INIT(64 * 1024);
	static char text[64 * 1024];
	FILE *file = fopen(PICTURE, "re");
	size_t n;

	(void)state;
	if (!file)
		fail_msg("%s is missing (run from the top; cleat states --dot makes it)", PICTURE);
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	core_states_dot(&dot);
	assert_string_equal(text, buf_str(&dot));
	buf_fini(&dot);
}

static void names_of_what_does_not_exist_are_unknown(void **state)
{
	(void)state;
	assert_string_equal(core_state_name((enum core_state)99), "unknown");
	assert_string_equal(core_health_name((enum core_health)99), "unknown");
	assert_string_equal(core_result_name((enum core_result)99), "unknown");
	for (int i = 0; i <= CORE_UNHEALTHY; i++)
		assert_string_not_equal(core_health_name((enum core_health)i), "unknown");
	for (int i = 0; i <= CORE_RESULT_INVALID; i++)
		assert_string_not_equal(core_result_name((enum core_result)i), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_has_a_name_and_a_way_in_and_out),
		cmocka_unit_test(no_container_is_left_without_a_teardown),
		cmocka_unit_test(the_checked_in_picture_is_current),
		cmocka_unit_test(names_of_what_does_not_exist_are_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
