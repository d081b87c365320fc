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
		{ "cmd /bin/check", 1, { "/bin/check" } },
		{ "cmd-shell a && b", 3, { "/bin/sh", "-c", "a && b" } },
		{ "[\"CMD-SHELL\",\"a\",\"b\"]", 3, { "/bin/sh", "-c", "a b" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f;

		setup(&f);
		PARSE_OPTIONS(&f, "--health-cmd", cases[i].text);
		assert_good(&f);
		assert_int_equal(f.spec.health.check.kind, SPEC_PROBE_EXEC);
		assert_int_equal(f.spec.health.check.argv.count, cases[i].count);
		for (size_t k = 0; k < cases[i].count; k++)
			assert_string_equal(f.spec.health.check.argv.items[k], cases[i].argv[k]);
		teardown(&f);
	}
}

static void none_switches_off(void **state)
{
	static const char *const offs[] = { "none",   "NONE",	    "None",
					    "none x", "[\"NONE\"]", "[\"none\"]" };
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof(offs) / sizeof(offs[0]); i++) {
		setup(&f);
		PARSE_OPTIONS(&f, "--health-cmd=true", "--health-cmd", offs[i],
			      "--health-retries=2");
		assert_good(&f);
		assert_int_equal(f.spec.health.check.kind, SPEC_PROBE_NONE);
		assert_true(f.spec.health.is_off);
		assert_int_equal(f.diags.count, 0);
		teardown(&f);
	}
	setup(&f);
	PARSE_OPTIONS(&f, "--no-healthcheck", "--health-interval=5s");
	assert_good(&f);
	assert_int_equal(f.spec.health.check.kind, SPEC_PROBE_NONE);
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
		assert_int_equal(f.spec.health.check.kind, SPEC_PROBE_HTTP);
		assert_string_equal(f.spec.health.check.url, https[i]);
		teardown(&f);
	}
	for (size_t i = 0; i < sizeof(tcps) / sizeof(tcps[0]); i++) {
		setup(&f);
		PARSE_OPTIONS(&f, "--health-cmd", tcps[i]);
		assert_good(&f);
		assert_int_equal(f.spec.health.check.kind, SPEC_PROBE_TCP);
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
		"https://web/",
		"https://127.0.0.1:0/",
		"https://",
		"http://127.0.0.1/#x",
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
	expect_refused("--health-cmd=  ", "is empty");
	expect_refused("--health-cmd=CMD", "is empty");
	expect_refused("--health-cmd=CMD-SHELL  ", "is empty");
	expect_refused("--health-cmd=[\"CMD\"]", "is empty");
	expect_refused("--health-cmd=[]", "is empty");
	expect_refused("--health-cmd=[\"CMD-SHELL\"]", "is empty");
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
	assert_int_equal(f.spec.health.check.kind, SPEC_PROBE_NONE);
	assert_note(&f, "the health check never runs");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--health-cmd=true", "--health-interval=0s", "--health-interval=5s");
	assert_good(&f);
	assert_int_equal(f.spec.health.check.kind, SPEC_PROBE_EXEC);
	teardown(&f);
}

static void an_empty_command_is_none_of_the_unit_s_own(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--health-cmd=true", "--health-cmd=");
	assert_good(&f);
	assert_int_equal(f.spec.health.check.kind, SPEC_PROBE_NONE);
	assert_false(f.spec.health.is_off);
	teardown(&f);
}

static void https_is_probed(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--health-cmd=https://127.0.0.1:8443/health?x=1");
	assert_good(&f);
	assert_int_equal(f.spec.health.check.kind, SPEC_PROBE_HTTPS);
	assert_string_equal(f.spec.health.check.url, "https://127.0.0.1:8443/health?x=1");
	teardown(&f);
}

static void a_command_beyond_one_message_is_refused(void **state)
{
	char *text = test_malloc(SPEC_HEALTH_MAX_BYTES + 32);
	struct fixture f;

	(void)state;
	memset(text, 'x', SPEC_HEALTH_MAX_BYTES + 31);
	text[SPEC_HEALTH_MAX_BYTES + 31] = '\0';
	setup(&f);
	PARSE_OPTIONS(&f, "--health-cmd", text);
	assert_int_equal(f.result, -1);
	teardown(&f);
	text[SPEC_HEALTH_MAX_BYTES - 32] = '\0';
	setup(&f);
	PARSE_OPTIONS(&f, "--health-cmd", text);
	assert_good(&f);
	teardown(&f);
	test_free(text);
}

static void startup_checks_have_their_own_times(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--health-cmd=true", "--health-startup-cmd=tcp://127.0.0.1:80",
		      "--health-startup-interval=2s", "--health-startup-timeout=3s",
		      "--health-startup-retries=4", "--health-startup-success=5");
	assert_good(&f);
	assert_int_equal(f.diags.count, 0);
	assert_int_equal(f.spec.health.startup.check.kind, SPEC_PROBE_TCP);
	assert_int_equal(f.spec.health.startup.interval_usec, 2000000);
	assert_int_equal(f.spec.health.startup.timeout_usec, 3000000);
	assert_int_equal(f.spec.health.startup.retries, 4);
	assert_int_equal(f.spec.health.startup.success, 5);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--health-cmd=true", "--health-startup-cmd=/bin/ready -v");
	assert_good(&f);
	assert_string_equal(f.spec.health.startup.check.argv.items[2], "/bin/ready -v");
	assert_int_equal(f.spec.health.startup.interval_usec, 30000000);
	assert_int_equal(f.spec.health.startup.timeout_usec, 30000000);
	assert_int_equal(f.spec.health.startup.retries, 0);
	teardown(&f);
}

static void startup_checks_that_cannot_count_are_said(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--health-startup-cmd=true");
	assert_good(&f);
	assert_note(&f, "only where the image has a health check");
	assert_int_equal(f.spec.health.startup.check.kind, SPEC_PROBE_EXEC);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--health-cmd=none", "--health-startup-cmd=true");
	assert_good(&f);
	assert_note(&f, "the startup check is not run either");
	assert_int_equal(f.spec.health.startup.check.kind, SPEC_PROBE_NONE);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--health-cmd=true", "--health-startup-retries=3");
	assert_good(&f);
	assert_note(&f, "there is no startup command");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--health-cmd=true", "--health-startup-cmd=true",
		      "--health-startup-interval=disable");
	assert_int_equal(f.result, -1);
	teardown(&f);
	expect_refused("--health-startup-success=many", "from 0 to 1000000");
	expect_refused("--health-startup-timeout=10ms", "too short");
	expect_refused("--health-startup-cmd=http://web/", "numeric address");
}

static void results_are_kept_where_the_unit_says(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--health-cmd=true");
	assert_int_equal(f.spec.health.log_count, 5);
	assert_int_equal(f.spec.health.log_bytes, 500);
	assert_null(f.spec.health.log_directory);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--health-cmd=true", "--health-log-destination=/data//logs/",
		      "--health-max-log-count=7", "--health-max-log-size=12");
	assert_good(&f);
	assert_int_equal(f.diags.count, 0);
	assert_int_equal(f.spec.health.log_count, 7);
	assert_int_equal(f.spec.health.log_bytes, 12);
	assert_string_equal(f.spec.health.log_directory, "/data/logs");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--health-cmd=true", "--health-log-destination=events_logger",
		      "--health-max-log-count=0", "--health-max-log-size=501");
	assert_good(&f);
	assert_true(f.spec.health.log_to_engine);
	assert_int_equal(f.spec.health.log_count, SPEC_HEALTH_LOG_MAX_COUNT);
	assert_int_equal(f.spec.health.log_bytes, SPEC_HEALTH_LOG_MAX_BYTES);
	assert_note(&f, "the last 100 results are kept");
	assert_note(&f, "500 bytes of each result are kept");
	teardown(&f);
	expect_refused("--health-log-destination=logs", "an absolute folder");
	expect_refused("--health-log-destination=Local", "did you mean local?");
}

struct join_case {
	const char *test[4];
	enum spec_probe kind;
	const char *argv[4];
	const char *problem;
};

static void an_image_s_check_in_every_form(void **state)
{
	static const struct join_case cases[] = {
		{ { "CMD", "/bin/check", "a b" }, SPEC_PROBE_EXEC, { "/bin/check", "a b" }, NULL },
		{ { "CMD-SHELL", "a && b" }, SPEC_PROBE_EXEC, { "/bin/sh", "-c", "a && b" }, NULL },
		{ { "CMD-SHELL", "a", "b" }, SPEC_PROBE_EXEC, { "/bin/sh", "-c", "a b" }, NULL },
		{ { "/bin/check", "-x" }, SPEC_PROBE_EXEC, { "/bin/check", "-x" }, NULL },
		{ { "NONE" }, SPEC_PROBE_NONE, { NULL }, NULL },
		{ { "" }, SPEC_PROBE_NONE, { NULL }, NULL },
		{ { NULL }, SPEC_PROBE_NONE, { NULL }, NULL },
		{ { "CMD" }, SPEC_PROBE_NONE, { NULL }, "is empty" },
		{ { "CMD-SHELL", "" }, SPEC_PROBE_NONE, { NULL }, "is empty" },
		{ { "CMD", "" }, SPEC_PROBE_NONE, { NULL }, "is empty" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct spec_image_health image = { 0 };
		struct spec_health out;
		const char *problem;
		struct fixture f;

		setup(&f);
		PARSE_OPTIONS(&f, "--name=web");
		for (size_t k = 0; k < 4 && cases[i].test[k]; k++)
			strv_push(&f.arena, &image.test, cases[i].test[k]);
		problem = spec_health_join(&f.spec.health, &image, &f.arena, &out);
		assert_int_equal(out.check.kind, cases[i].kind);
		assert_int_equal(!!problem, !!cases[i].problem);
		if (problem)
			assert_non_null(strstr(problem, cases[i].problem));
		for (size_t k = 0; k < out.check.argv.count; k++)
			assert_string_equal(out.check.argv.items[k], cases[i].argv[k]);
		assert_true(out.check.argv.count == 4 || !cases[i].argv[out.check.argv.count]);
		teardown(&f);
	}
}

static void what_the_unit_says_wins_over_its_image(void **state)
{
	static const char *words[] = { "CMD", "/bin/check" };
	const struct spec_image_health image = { .test = { words, 2 },
						 .interval_usec = 7000000,
						 .timeout_usec = 1,
						 .start_period_usec = 9000000,
						 .start_interval_usec = 2000000,
						 .retries = 8 };
	struct spec_health out;
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--health-retries=2", "--health-start-period=4s",
		      "--health-startup-cmd=true");
	assert_null(spec_health_join(&f.spec.health, &image, &f.arena, &out));
	assert_int_equal(out.interval_usec, 7000000);
	assert_int_equal(out.timeout_usec, 1000);
	assert_int_equal(out.start_period_usec, 4000000);
	assert_int_equal(out.start_interval_usec, 2000000);
	assert_int_equal(out.retries, 2);
	assert_int_equal(out.startup.check.kind, SPEC_PROBE_EXEC);
	teardown(&f);
	/* a command of the unit's own: the image says nothing any more */
	setup(&f);
	PARSE_OPTIONS(&f, "--health-cmd=tcp://127.0.0.1:1");
	assert_null(spec_health_join(&f.spec.health, &image, &f.arena, &out));
	assert_int_equal(out.check.kind, SPEC_PROBE_TCP);
	assert_int_equal(out.interval_usec, 30000000);
	assert_int_equal(out.retries, 3);
	teardown(&f);
	for (int i = 0; i < 3; i++) {
		static const char *const offs[] = { "--health-cmd=none", "--no-healthcheck",
						    "--health-interval=disable" };

		setup(&f);
		PARSE_OPTIONS(&f, offs[i]);
		assert_null(spec_health_join(&f.spec.health, &image, &f.arena, &out));
		assert_int_equal(out.check.kind, SPEC_PROBE_NONE);
		teardown(&f);
	}
}

static void an_image_that_says_too_much_or_too_little(void **state)
{
	static const char *words[] = { "CMD", NULL };
	char *text = test_malloc(SPEC_HEALTH_MAX_BYTES + 1);
	struct spec_image_health image = { .test = { words, 2 },
					   .interval_usec = UINT64_MAX,
					   .retries = UINT32_MAX };
	struct spec_health out;
	struct fixture f;

	(void)state;
	memset(text, 'x', SPEC_HEALTH_MAX_BYTES);
	text[SPEC_HEALTH_MAX_BYTES] = '\0';
	words[1] = text;
	setup(&f);
	PARSE_OPTIONS(&f, "--health-startup-cmd=true");
	assert_non_null(
		strstr(spec_health_join(&f.spec.health, &image, &f.arena, &out), "too long"));
	assert_int_equal(out.check.kind, SPEC_PROBE_NONE);
	assert_int_equal(out.startup.check.kind, SPEC_PROBE_NONE);
	words[1] = "x";
	assert_null(spec_health_join(&f.spec.health, &image, &f.arena, &out));
	assert_int_equal(out.interval_usec, UINT64_C(31622400000000));
	assert_int_equal(out.timeout_usec, 30000000);
	assert_int_equal(out.retries, 1000000);
	teardown(&f);
	test_free(text);
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
	PARSE_OPTIONS(&f, "--health-cmd=https://web/", "--health-retries=2");
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
		cmocka_unit_test(an_empty_command_is_none_of_the_unit_s_own),
		cmocka_unit_test(https_is_probed),
		cmocka_unit_test(a_command_beyond_one_message_is_refused),
		cmocka_unit_test(startup_checks_have_their_own_times),
		cmocka_unit_test(startup_checks_that_cannot_count_are_said),
		cmocka_unit_test(results_are_kept_where_the_unit_says),
		cmocka_unit_test(an_image_s_check_in_every_form),
		cmocka_unit_test(what_the_unit_says_wins_over_its_image),
		cmocka_unit_test(an_image_that_says_too_much_or_too_little),
		cmocka_unit_test(settings_without_a_command_are_noted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
