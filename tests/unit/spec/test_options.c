/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How words are read: forms of options, values, the image, the command, what is judged at the end.
 */
#include "spec_test.h"

static void values_come_with_equals_or_as_the_next_word(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE(&f, "--network", "none", "--memory=256m", "--name", "web", "localhost/app:1");
	assert_good(&f);
	assert_int_equal(f.spec.network, SPEC_NETWORK_NONE);
	assert_int_equal(f.spec.memory_bytes, 256 * MIB);
	assert_string_equal(f.spec.name, "web");
	assert_string_equal(f.spec.image, "localhost/app:1");
	assert_int_equal(f.spec.command.count, 0);
	teardown(&f);
}

static void short_options_take_all_of_their_forms(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-v", "/data/a:/a", "-v/data/b:/b", "-v=/data/c:/c", "-dit", "-e", "A=1",
		      "-eB=2");
	assert_good(&f);
	assert_int_equal(f.spec.mount_count, 3);
	assert_string_equal(f.spec.mounts[1].target, "/b");
	assert_string_equal(f.spec.mounts[2].source, "/data/c");
	assert_int_equal(f.spec.env_count, 2);
	assert_note(&f, "standard input is /dev/null");
	assert_note(&f, "there is no terminal");
	teardown(&f);
}

static void a_value_may_look_like_an_option(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--entrypoint", "--strange", "--health-cmd", "-x");
	assert_good(&f);
	assert_string_equal(f.spec.entrypoint.items[0], "--strange");
	assert_string_equal(f.spec.health.check.argv.items[2], "-x");
	teardown(&f);
}

static void the_first_other_word_is_the_image_and_the_rest_the_command(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE(&f, "--network=host", "localhost/app", "--memory=1", "-v", "");
	assert_good(&f);
	assert_string_equal(f.spec.image, "localhost/app");
	assert_int_equal(f.spec.command.count, 3);
	assert_string_equal(f.spec.command.items[0], "--memory=1");
	assert_string_equal(f.spec.command.items[2], "");
	assert_int_equal(f.spec.memory_bytes, 0);
	teardown(&f);
}

static void two_dashes_end_the_options(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE(&f, "--network=host", "--", "localhost/app", "x");
	assert_good(&f);
	assert_string_equal(f.spec.image, "localhost/app");
	assert_int_equal(f.spec.command.count, 1);
	teardown(&f);
}

static void unknown_options_are_errors_with_a_proposal(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--memmory=1g");
	assert_error(&f, "unknown option --memmory: did you mean --memory?");
	assert_int_equal(f.diags.items[0].line, 11);
	assert_string_equal(f.diags.items[0].file, "web.container");
	teardown(&f);
	expect_refused("--completely-different=1", "unknown option --completely-different");
	expect_refused("-Z", "unknown option -Z");
}

static void a_missing_value_is_an_error(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE(&f, "--network=host", "--memory");
	assert_error(&f, "--memory: needs a value");
	assert_error(&f, "no image");
	teardown(&f);
}

static void an_image_is_needed_and_must_be_a_reference(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE(&f, "--network=host");
	assert_error(&f, "no image");
	teardown(&f);
	setup(&f);
	PARSE(&f, "--network=host", "Not An Image");
	assert_error(&f, "Not An Image");
	teardown(&f);
	setup(&f);
	parse_words(&f, (const char *const[]){ NULL });
	assert_error(&f, "no image");
	teardown(&f);
}

static void switches_take_go_booleans(void **state)
{
	static const char *const yes[] = { "--read-only",      "--read-only=1",
					   "--read-only=t",    "--read-only=T",
					   "--read-only=true", "--read-only=TRUE",
					   "--read-only=True" };
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		setup(&f);
		PARSE_OPTIONS(&f, yes[i]);
		assert_good(&f);
		assert_true(f.spec.read_only);
		teardown(&f);
	}
	setup(&f);
	PARSE_OPTIONS(&f, "--read-only", "--read-only=F");
	assert_good(&f);
	assert_false(f.spec.read_only);
	teardown(&f);
	expect_refused("--read-only=yes", "neither true nor false");
}

static void lists_are_split_at_commas(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--cap-drop=CHOWN,KILL", "--group-add=1,2", "--publish=80:80,81:81");
	assert_good(&f);
	assert_int_equal(f.spec.cap_drop.count, 2);
	assert_int_equal(f.spec.group_add.count, 2);
	assert_int_equal(f.spec.port_count, 2);
	teardown(&f);
}

static void without_a_network_it_is_the_default_one(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE(&f, "localhost/app");
	assert_good(&f);
	assert_int_equal(f.spec.network, SPEC_NETWORK_DEFAULT);
	assert_int_equal(f.spec.join_count, 1);
	assert_string_equal(f.spec.joins[0].network, "podman");
	teardown(&f);
}

static void in_a_pod_no_network_is_missed(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE(&f, "--pod", "web", "localhost/app");
	assert_good(&f);
	assert_int_equal(f.spec.join_count, 0);
	assert_string_equal(f.spec.pod, "web");
	teardown(&f);
}

static void the_option_is_named_only_where_the_key_does_not_name_it(void **state)
{
	struct origin key = { .file = "w", .line = 3, .key = "Container.Memory" };
	struct origin args = { .file = "w", .line = 4, .key = "Container.PodmanArgs" };
	struct arg words[] = { { "--memory=1q", &key },
			       { "--memory=1q", &args },
			       { "localhost/a", &key } };
	struct arg_list list = { words, 3 };
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(spec_from_args(&f.spec, &f.arena, &list, &f.diags), -1);
	assert_string_equal(f.diags.items[0].key, "Container.Memory");
	assert_true(str_starts(f.diags.items[0].text, "\"1q\" is no size"));
	assert_true(str_starts(f.diags.items[1].text, "--memory: \"1q\" is no size"));
	teardown(&f);
}

static void words_are_bounded(void **state)
{
	struct fixture f;
	const char **words;
	char *word;

	(void)state;
	setup(&f);
	word = arena_alloc(&f.arena, OPTIONS_MAX_WORD_BYTES + 20);
	memset(word, 'a', OPTIONS_MAX_WORD_BYTES + 10);
	memcpy(word, "--name=", 7);
	PARSE_OPTIONS(&f, word);
	assert_error(&f, "at most 32768 are allowed");
	teardown(&f);

	setup(&f);
	words = arena_alloc(&f.arena, (OPTIONS_MAX_WORDS + 2) * sizeof(*words));
	for (size_t i = 0; i <= OPTIONS_MAX_WORDS; i++)
		words[i] = "x";
	parse_words(&f, words);
	assert_error(&f, "8193 words; at most 8192 are allowed");
	teardown(&f);
}

/* --NAME=PREFIX<i>SUFFIX for i below count, all in one list. */
static void parse_many(struct fixture *f, const char *format, unsigned count)
{
	const char **words = arena_alloc(&f->arena, (count + 3) * sizeof(*words));
	unsigned at = 0;

	words[at++] = "--network=none";
	for (unsigned i = 0; i < count; i++) {
		char number[16];
		const char *hash = strchr(format, '#');

		snprintf(number, sizeof(number), "%u", i);
		words[at++] = arena_printf(&f->arena, "%.*s%s%s", (int)(hash - format), format,
					   number, hash + 1);
	}
	words[at] = "localhost/app";
	parse_words(f, words);
}

static void lists_are_bounded_as_the_runtime_bounds_them(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	parse_many(&f, "--sysctl=net.ipv4.x#=1", 65);
	assert_error(&f, "more than 64 kernel parameters");
	teardown(&f);
	setup(&f);
	parse_many(&f, "--group-add=#", 257);
	assert_error(&f, "more than 256 groups");
	teardown(&f);
	setup(&f);
	parse_many(&f, "--tmpfs=/x#", 241);
	MAKE_FAILS(&f, "at most 240 are possible");
	teardown(&f);
	setup(&f);
	parse_many(&f, "--tmpfs=/x#", 1);
	f.spec.command.count = 5000;
	f.spec.command.items = arena_alloc(&f.arena, 5000 * sizeof(char *));
	for (size_t i = 0; i < 5000; i++)
		f.spec.command.items[i] = "x";
	MAKE_FAILS(&f, "at most 4096 are possible");
	teardown(&f);
}

static void durations_are_gos(void **state)
{
	static const struct {
		const char *text;
		uint64_t usec;
	} good[] = {
		{ "30s", 30000000 },
		{ "1m30s", 90000000 },
		{ "500ms", 500000 },
		{ "1.5h", 5400000000 },
		{ "0", 0 },
		{ "100us", 100 },
		{ "100\xc2\xb5s", 100 },
		{ "1h1m1s", 3661000000 },
		{ "2500ns", 2 },
		{ ".5s", 500000 },
		{ "+1s", 1000000 },
		{ "0.0000009s", 0 },
	};
	static const char *const bad[] = { "",
					   "30",
					   "s",
					   "1x",
					   "-1s",
					   "1s1",
					   " 1s",
					   "1 s",
					   "9999999999h",
					   "1e3s",
					   ".s",
					   "99999999999999999999s",
					   "366h366h99999h" };
	uint64_t usec;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(option_to_usec(good[i].text, &usec));
		assert_int_equal(usec, good[i].usec);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (option_to_usec(bad[i], &usec))
			fail_msg("\"%s\" was taken for a duration", bad[i]);
}

static void adding_and_dropping_one_capability_is_an_error_at_its_line(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--cap-add=chown", "--cap-drop=CAP_CHOWN");
	assert_error(&f, "CAP_CHOWN is both added and dropped");
	assert_int_equal(f.diags.items[0].line, 12);
	teardown(&f);
}

static void ports_and_network_are_judged_together(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE(&f, "-p", "8000:8000", "--network=host", "localhost/app");
	assert_good(&f);
	assert_note(&f, "the program's ports are the appliance's");
	teardown(&f);
	setup(&f);
	PARSE(&f, "-p", "8000:8000", "--network=none", "localhost/app");
	assert_good(&f);
	assert_note(&f, "published ports have no effect with Network=none");
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_come_with_equals_or_as_the_next_word),
		cmocka_unit_test(short_options_take_all_of_their_forms),
		cmocka_unit_test(a_value_may_look_like_an_option),
		cmocka_unit_test(the_first_other_word_is_the_image_and_the_rest_the_command),
		cmocka_unit_test(two_dashes_end_the_options),
		cmocka_unit_test(unknown_options_are_errors_with_a_proposal),
		cmocka_unit_test(a_missing_value_is_an_error),
		cmocka_unit_test(an_image_is_needed_and_must_be_a_reference),
		cmocka_unit_test(switches_take_go_booleans),
		cmocka_unit_test(lists_are_split_at_commas),
		cmocka_unit_test(without_a_network_it_is_the_default_one),
		cmocka_unit_test(in_a_pod_no_network_is_missed),
		cmocka_unit_test(the_option_is_named_only_where_the_key_does_not_name_it),
		cmocka_unit_test(words_are_bounded),
		cmocka_unit_test(lists_are_bounded_as_the_runtime_bounds_them),
		cmocka_unit_test(durations_are_gos),
		cmocka_unit_test(adding_and_dropping_one_capability_is_an_error_at_its_line),
		cmocka_unit_test(ports_and_network_are_judged_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
