/* SPDX-License-Identifier: Apache-2.0 */
/* --secret in podman's forms, and what of it reaches config.json. */
#include "spec_test.h"

struct secret_case {
	const char *text, *name, *target;
	bool is_env;
	uint32_t uid, gid;
	unsigned mode;
};

static void forms(void **state)
{
	static const struct secret_case cases[] = {
		{ "db", "db", "/run/secrets/db", false, 0, 0, 0444 },
		{ "db,type=mount", "db", "/run/secrets/db", false, 0, 0, 0444 },
		{ "db,target=x/y", "db", "/run/secrets/x/y", false, 0, 0, 0444 },
		{ "db,target=", "db", "/run/secrets/db", false, 0, 0, 0444 },
		{ "db,target=/etc//key", "db", "/etc/key", false, 0, 0, 0444 },
		{ "db,uid=1001,gid=65024,mode=0400", "db", "/run/secrets/db", false, 1001, 65024,
		  0400 },
		{ "db,UID=5,GID=6,mode=640", "db", "/run/secrets/db", false, 5, 6, 0640 },
		{ "db,type=env", "db", "db", true, 0, 0, 0444 },
		{ "db,type=env,target=PASSWORD", "db", "PASSWORD", true, 0, 0, 0444 },
		{ "type=env,source=db,target=A", "db", "A", true, 0, 0, 0444 },
		{ "source=db,target=A", "db", "/run/secrets/A", false, 0, 0, 0444 },
		{ "with blank", "with blank", "/run/secrets/with blank", false, 0, 0, 0444 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct spec_secret *s;
		struct fixture f;

		setup(&f);
		PARSE_OPTIONS(&f, "--secret", cases[i].text);
		assert_good(&f);
		assert_int_equal(f.spec.secret_count, 1);
		s = &f.spec.secrets[0];
		assert_string_equal(s->name, cases[i].name);
		assert_string_equal(s->target, cases[i].target);
		assert_true(s->is_env == cases[i].is_env);
		assert_int_equal(s->uid, cases[i].uid);
		assert_int_equal(s->gid, cases[i].gid);
		assert_int_equal(s->mode, cases[i].mode);
		assert_int_equal(s->origin->line, 11);
		teardown(&f);
	}
}

static void refusals(void **state)
{
	(void)state;
	expect_refused("--secret=", "no name of a secret");
	expect_refused("--secret=,type=env", "no name of a secret");
	expect_refused("--secret=type=env", "is no name of a secret");
	expect_refused("--secret=type=env,target=A", "no name of a secret");
	expect_refused("--secret=a/b", "is no name of a secret");
	expect_refused("--secret=.a", "is no name of a secret");
	expect_refused("--secret=a,b", "\"b\" is not NAME=VALUE");
	expect_refused("--secret=a,", "is not NAME=VALUE");
	expect_refused("--secret=a,size=4", "\"size=4\" is not known");
	expect_refused("--secret=a,type=file", "type=file: neither mount nor env");
	expect_refused("--secret=a,type=Env", "neither mount nor env: did you mean env?");
	expect_refused("--secret=a,type=env,type=env", "type is given twice");
	expect_refused("--secret=a,mode=8", "mode=8: not an octal mode");
	expect_refused("--secret=a,mode=4755", "mode=4755: not an octal mode");
	expect_refused("--secret=a,uid=root", "uid=root: not a number");
	expect_refused("--secret=a,uid=65001",
		       "containers have the numbers 0-64999 and 65024-65535");
	expect_refused("--secret=a,gid=65536", "containers have the numbers");
	expect_refused("--secret=a,uid=4294967296", "not a number");
	expect_refused("--secret=a,type=env,uid=0", "cannot be given with type=env");
	expect_refused("--secret=a,type=env,mode=0444", "cannot be given with type=env");
	expect_refused("--secret=a,type=env,target=A=B", "a variable's name has no \"=\"");
	expect_refused("--secret=a,target=/", "no place for a file");
	expect_refused("--secret=a,target=/run/secrets/", "no place for a file");
	expect_refused("--secret=a,target=../../../proc/self/x", "no place for a file");
	expect_refused("--secret=a\nb", "control");
}

static void two_things_at_one_place(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--secret=a,target=x", "--secret=b,target=x");
	assert_error(&f, "mount target /run/secrets/x is already used at web.container:11");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--secret=a,target=/x", "--tmpfs=/x");
	assert_error(&f, "mount target /x is already used at web.container:12");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--secret=a,type=env,target=X", "--secret=b,type=env,target=X");
	assert_error(&f, "variable X is already used at web.container:11");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--secret=a", "--secret=a,target=b", "--secret=a,type=env,target=b");
	assert_good(&f);
	teardown(&f);
}

static void there_are_at_most_64(void **state)
{
	const char *words[SPEC_MAX_SECRETS + 4] = { "--network=host" };
	struct fixture f;

	(void)state;
	setup(&f);
	for (int i = 0; i <= SPEC_MAX_SECRETS; i++)
		words[i + 1] = arena_printf(&f.arena, "--secret=s%d", i);
	words[SPEC_MAX_SECRETS + 2] = "localhost/app";
	parse_words(&f, words);
	assert_error(&f, "more than 64 secrets");
	teardown(&f);
}

static void config_json_has_references(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--secret=a,uid=7,gid=8,mode=0400", "--secret=b c,type=env,target=WORD");
	MAKE(&f);
	assert_string_equal(
		yyjson_get_str(yyjson_obj_get(at(&f, "/annotations"), "org.cleat.secrets")),
		"mount,a,7,8,400,/run/secrets/a\nenv,b c,WORD");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--env=A=B");
	MAKE(&f);
	assert_null(yyjson_obj_get(at(&f, "/annotations"), "org.cleat.secrets"));
	teardown(&f);
}

static void the_spec_shows_them(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--secret=a,mode=0400", "--secret=b,type=env");
	assert_good(&f);
	spec_to_json(&f.spec, &f.json);
	f.doc = yyjson_read(f.json.data, f.json.len, 0);
	assert_string_equal(str_at(&f, "/secrets/0/target"), "/run/secrets/a");
	assert_string_equal(str_at(&f, "/secrets/0/mode"), "0400");
	assert_string_equal(str_at(&f, "/secrets/1/type"), "env");
	assert_string_equal(str_at(&f, "/secrets/1/name"), "b");
	assert_int_equal(uint_at(&f, "/secrets/1/line"), 12);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(refusals),
		cmocka_unit_test(two_things_at_one_place),
		cmocka_unit_test(there_are_at_most_64),
		cmocka_unit_test(config_json_has_references),
		cmocka_unit_test(the_spec_shows_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
