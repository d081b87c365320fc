/* SPDX-License-Identifier: Apache-2.0 */
/* Names of capabilities and podman's rule of sets. */
#include "spec_test.h"

#include <linux/capability.h>

static void names_are_in_order_of_number(void **state)
{
	struct arena arena = { 0 };
	const char *word = CAPABILITY_ALL;
	struct strv all = { &word, 1 }, none = { 0 }, out;
	struct err err;

	(void)state;
	assert_int_equal(capability_merge(&none, &all, &none, &arena, &out, &err), 0);
	assert_int_equal(out.count, CAP_LAST_CAP + 1);
	assert_string_equal(out.items[CAP_CHOWN], "CAP_CHOWN");
	assert_string_equal(out.items[CAP_NET_RAW], "CAP_NET_RAW");
	assert_string_equal(out.items[CAP_SYS_ADMIN], "CAP_SYS_ADMIN");
	assert_string_equal(out.items[CAP_SETFCAP], "CAP_SETFCAP");
	assert_string_equal(out.items[CAP_SYSLOG], "CAP_SYSLOG");
	assert_string_equal(out.items[CAP_CHECKPOINT_RESTORE], "CAP_CHECKPOINT_RESTORE");
	arena_fini(&arena);
}

static void names_in_any_form(void **state)
{
	(void)state;
	assert_string_equal(capability_name("net_raw"), "CAP_NET_RAW");
	assert_string_equal(capability_name("Cap_Net_Raw"), "CAP_NET_RAW");
	assert_string_equal(capability_name("all"), "ALL");
	assert_string_equal(capability_name("CAP_ALL"), "ALL");
	assert_null(capability_name("NET"));
	assert_null(capability_name(""));
	assert_null(capability_name("CAP_CAP_CHOWN"));
}

/* Words at blanks. */
static struct strv words(struct arena *arena, const char *text)
{
	return *text ? strv_split(arena, text, ' ') : (struct strv){ 0 };
}

static void podmans_rule(void **state)
{
	static const struct {
		const char *add, *drop, *result;
	} cases[] = {
		{ "",
		  "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_NET_BIND_SERVICE CAP_SYS_CHROOT",
		  "CAP_SETFCAP" },
		{ "", "ALL", "" },
		{ "CAP_NET_RAW", "ALL", "CAP_NET_RAW" },
		{ "CAP_KILL CAP_CHOWN", "ALL", "CAP_CHOWN CAP_KILL" },
		{ "CAP_KILL", "ALL CAP_KILL", "CAP_KILL" },
		{ "", "CAP_NET_RAW",
		  "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_NET_BIND_SERVICE CAP_SYS_CHROOT CAP_SETFCAP" },
	};
	struct arena arena = { 0 };
	struct strv out;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct strv add = words(&arena, cases[i].add), drop = words(&arena, cases[i].drop);
		struct strv expected = words(&arena, cases[i].result);

		assert_int_equal(
			capability_merge(&capability_defaults, &add, &drop, &arena, &out, &err), 0);
		assert_int_equal(out.count, expected.count);
		for (size_t k = 0; k < out.count; k++)
			assert_string_equal(out.items[k], expected.items[k]);
	}
	arena_fini(&arena);
}

static void all_but_one(void **state)
{
	struct arena arena = { 0 };
	struct strv add = words(&arena, "ALL"), drop = words(&arena, "CAP_SYS_ADMIN"), none = { 0 },
		    out;
	struct err err;

	(void)state;
	assert_int_equal(capability_merge(&capability_defaults, &add, &drop, &arena, &out, &err),
			 0);
	assert_int_equal(out.count, CAP_LAST_CAP);
	assert_false(strv_has(&out, "CAP_SYS_ADMIN"));
	assert_int_equal(capability_merge(&none, &add, &none, &arena, &out, &err), 0);
	assert_int_equal(out.count, CAP_LAST_CAP + 1);
	arena_fini(&arena);
}

static void contradictions(void **state)
{
	struct arena arena = { 0 };
	struct strv all = words(&arena, "ALL"), kill = words(&arena, "CAP_KILL"), out;
	struct err err;

	(void)state;
	assert_int_equal(capability_merge(&capability_defaults, &all, &all, &arena, &out, &err),
			 -1);
	assert_string_equal(err.msg, "capabilities: ALL is both added and dropped");
	assert_int_equal(capability_merge(&capability_defaults, &kill, &kill, &arena, &out, &err),
			 -1);
	assert_string_equal(err.msg, "capabilities: CAP_KILL is both added and dropped");
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_in_order_of_number),
		cmocka_unit_test(names_in_any_form),
		cmocka_unit_test(podmans_rule),
		cmocka_unit_test(all_but_one),
		cmocka_unit_test(contradictions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
