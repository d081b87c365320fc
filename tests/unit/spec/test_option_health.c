/* SPDX-License-Identifier: Apache-2.0 */
/* Health commands in all of their forms, times, actions. */
#include "spec_test.h"

struct command_case {
	const char *text;
	size_t count;
	const char *argv[4];
};

static void commands_in_every_form(void **state)
{
	static const struct command_case cases[] = {
		{ "curl -f localhost || exit 1",
		  3,
		  { "/bin/sh", "-c", "curl -f localhost || exit 1" } },
		{ "CMD-SHELL curl -f localhost", 3, { "/bin/sh", "-c", "curl -f localhost" } },
		{ "CMD  /bin/check  -x", 2, { "/bin/check", "-x" } },
		{ "[\"CMD\",\"/bin/check\",\"a b\"]", 2, { "/bin/check", "a b" } },
		{ "[\"cmd-shell\",\"a && b\"]", 3, { "/bin/sh", "-c", "a && b" } },
		{ "[\"/bin/check\",\"-x\"]", 2, { "/bin/check", "-x" } },
		{ "[\"a && b\"]", 3, { "/bin/sh", "-c", "a && b" } },
		{ "[ -f /ready ]", 3, { "/bin/sh", "-c", "[ -f /ready ]" } },
		{ "CMDX y", 3, { "/bin/sh", "-c", "CMDX y" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f;

		setup(&f);
		PARSE_OPTIONS(&f, "--health-cmd", cases[i].text);
		assert_good(&f);
		assert_int_equal(f.spec.health.kind, SPEC_PROBE_EXEC);
		assert_int_equal(f.spec.health.argv.count, cases[i].count);
		for (size_t k = 0; k < cases[i].count; k++)
			assert_string_equal(f.spec.health.argv.items[k], cases[i].argv[k]);
		teardown(&f);
	}
}

static void none_switches_off(void **state)
{
	static const char *const offs[] = { "none", "NONE", "[\"NONE\"]", "[\"none\"]" };
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof(offs) / sizeof(offs[0]); i++) {
		setup(&f);
		PARSE_OPTIONS(&f, "--health-cmd=true", "--health-cmd", offs[i],
			      "--health-retries=2");
		assert_good(&f);
		assert_int_equal(f.spec.health.kind, SPEC_PROBE_NONE);
		assert_int_equal(f.diags.count, 0);
		teardown(&f);
	}
	setup(&f);
	PARSE_OPTIONS(&f, "--no-healthcheck", "--health-interval=5s");
	assert_good(&f);
	assert_int_equal(f.spec.health.kind, SPEC_PROBE_NONE);
	teardown(&f);
}

static void built_in_probes(void **state)
{
	static const char *const https[] = { "http://127.0.0.1:8000/health", "http://localhost",
					     "http://[::1]:80/x?y=1", "http://[::1]/",
					     "http://10.0.0.1:1" };
	static const char *const tcps[] = { "tcp://127.0.0.1:5432", "tcp://localhost:1",
					    "tcp://[::1]:6379" };
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof(https) / sizeof(https[0]); i++) {
		setup(&f);
		PARSE_OPTIONS(&f, "--health-cmd", https[i]);
		assert_good(&f);
		assert_int_equal(f.spec.health.kind, SPEC_PROBE_HTTP);
		assert_string_equal(f.spec.health.url, https[i]);
		teardown(&f);
	}
	for (size_t i = 0; i < sizeof(tcps) / sizeof(tcps[0]); i++) {
		setup(&f);
		PARSE_OPTIONS(&f, "--health-cmd", tcps[i]);
		assert_good(&f);
		assert_int_equal(f.spec.health.kind, SPEC_PROBE_TCP);
		teardown(&f);
	}
}

static void urls_that_cannot_be_probed_are_errors(void **state)
{
	static const char *const bad[] = {
		"http://web:8000/",
		"http://",
		"http://127.0.0.1:0/",
		"http://127.0.0.1:65536/",
		"http://127.0.0.1:/",
		"http://user@127.0.0.1/",
		"http://[::1/",
		"http://[::1]x/",
		"tcp://127.0.0.1",
		"tcp://127.0.0.1:1/x",
		"tcp://db:5432",
		"http://127.0.0.1?x",
		"http://127.0.0.1/a b",
		"http://127.0.0.1/\r\nHost: x",
		"http://127.0.0.1/\xc3\xa4",
		"https://127.0.0.1/",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fixture f;

		setup(&f);
		PARSE_OPTIONS(&f, "--health-cmd", bad[i]);
		if (f.result == 0)
			fail_msg("\"%s\" was accepted", bad[i]);
		teardown(&f);
	}
}

static void empty_commands_are_errors(void **state)
{
	(void)state;
	expect_refused("--health-cmd=", "is empty");
	expect_refused("--health-cmd=CMD", "is empty");
	expect_refused("--health-cmd=CMD-SHELL  ", "is empty");
	expect_refused("--health-cmd=[\"CMD\"]", "is empty");
	expect_refused("--health-cmd=[]", "is empty");
	expect_refused("--health-cmd=[\"CMD-SHELL\",\"a\",\"b\"]", "takes one text");
}

static void times_and_defaults(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--health-cmd=true");
	assert_good(&f);
	assert_int_equal(f.spec.health.interval_usec, 30000000);
	assert_int_equal(f.spec.health.timeout_usec, 30000000);
	assert_int_equal(f.spec.health.start_period_usec, 0);
	assert_int_equal(f.spec.health.retries, 3);
	assert_int_equal(f.spec.health.on_failure, SPEC_ON_FAILURE_UNSET);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--health-interval=1m30s", "--health-timeout=1s",
		      "--health-start-period=0", "--health-retries=1",
		      "--health-on-failure=Restart", "--health-cmd=true");
	assert_good(&f);
	assert_int_equal(f.spec.health.interval_usec, 90000000);
	assert_int_equal(f.spec.health.timeout_usec, 1000000);
	assert_int_equal(f.spec.health.retries, 1);
	assert_int_equal(f.spec.health.on_failure, SPEC_ON_FAILURE_RESTART);
	teardown(&f);
	expect_refused("--health-interval=10ms", "too short");
	expect_refused("--health-timeout=999ms", "at least 1000 ms");
	expect_refused("--health-retries=-1", "1 to 1000000");
}

static void without_an_interval_nothing_is_checked(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--health-cmd=true", "--health-interval=disable");
	assert_good(&f);
	assert_int_equal(f.spec.health.kind, SPEC_PROBE_NONE);
	assert_note(&f, "the health check never runs");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--health-cmd=true", "--health-interval=0s", "--health-interval=5s");
	assert_good(&f);
	assert_int_equal(f.spec.health.kind, SPEC_PROBE_EXEC);
	teardown(&f);
}

static void settings_without_a_command_are_noted(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--health-on-failure=kill");
	assert_good(&f);
	assert_note(&f, "there is no health command");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--health-cmd=https://127.0.0.1/", "--health-retries=2");
	assert_int_equal(f.result, -1);
	assert_int_equal(f.diags.count, 1);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_in_every_form),
		cmocka_unit_test(none_switches_off),
		cmocka_unit_test(built_in_probes),
		cmocka_unit_test(urls_that_cannot_be_probed_are_errors),
		cmocka_unit_test(empty_commands_are_errors),
		cmocka_unit_test(times_and_defaults),
		cmocka_unit_test(without_an_interval_nothing_is_checked),
		cmocka_unit_test(settings_without_a_command_are_noted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
