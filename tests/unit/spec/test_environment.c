/* SPDX-License-Identifier: Apache-2.0 */
/* Which variables the first process gets, and which of two of the same name. */
#include "spec_test.h"

static void image_env(struct fixture *f, const char *const *items)
{
	f->image.env = (struct strv){ 0 };
	for (; *items; items++)
		strv_push(&f->arena, &f->image.env, *items);
}
#define IMAGE_ENV(f, ...) image_env((f), (const char *const[]){ __VA_ARGS__, NULL })

static void defaults(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	f.host.hostname = "box";
	PARSE_OPTIONS(&f, "-d");
	MAKE(&f);
	assert_string_equal(env_of(&f, "PATH"),
			    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	assert_string_equal(env_of(&f, "TERM"), "xterm");
	assert_string_equal(env_of(&f, "container"), "podman");
	assert_string_equal(env_of(&f, "HOSTNAME"), "box");
	assert_null(env_of(&f, "HOME"));
	assert_int_equal(yyjson_arr_size(at(&f, "/process/env")), 4);
	teardown(&f);
}

static void later_ones_win(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	IMAGE_ENV(&f, "PATH=/image", "A=image", "B=image", "C=image", "HOSTNAME=h");
	PARSE_OPTIONS(&f, "--env-file=/f1,/f2", "-e", "C=option", "--tz=UTC");
	strv_push(&f.arena, &f.env_texts, "A=first\nB=first\n");
	strv_push(&f.arena, &f.env_texts, "B=second");
	MAKE(&f);
	assert_string_equal(env_of(&f, "PATH"), "/image");
	assert_string_equal(env_of(&f, "A"), "first");
	assert_string_equal(env_of(&f, "B"), "second");
	assert_string_equal(env_of(&f, "C"), "option");
	assert_string_equal(env_of(&f, "HOSTNAME"), "h");
	assert_string_equal(env_of(&f, "TZ"), "UTC");
	assert_int_equal(yyjson_arr_size(at(&f, "/process/env")), 8);
	teardown(&f);
}

static void files_are_in_podmans_form(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--env-file=/f");
	strv_push(
		&f.arena, &f.env_texts,
		"# comment\n\n  \t# another\n  A=1\nB= two words \nQ=\"quoted\"\nE=\nX=a=b#c\nCRLF=x\r\nALONE\nS\\\n=");
	assert_good(&f);
	MAKE_FAILS(&f, "environment file /f:12: no variable's name before \"=\"");
	teardown(&f);

	setup(&f);
	PARSE_OPTIONS(&f, "--env-file=/f");
	strv_push(
		&f.arena, &f.env_texts,
		"# comment\n\n  \t# another\n  A=1\nB= two words \nQ=\"quoted\"\nE=\nX=a=b#c\nCRLF=x\r\nALONE\n");
	MAKE(&f);
	assert_string_equal(env_of(&f, "A"), "1");
	assert_string_equal(env_of(&f, "B"), " two words ");
	assert_string_equal(env_of(&f, "Q"), "\"quoted\"");
	assert_string_equal(env_of(&f, "E"), "");
	assert_string_equal(env_of(&f, "X"), "a=b#c");
	assert_string_equal(env_of(&f, "CRLF"), "x");
	assert_null(env_of(&f, "ALONE"));
	assert_true(has_remark(&f, "environment file /f:10: ALONE has no value"));
	teardown(&f);
}

static void names_can_be_taken_out(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	IMAGE_ENV(&f, "A=1", "B=2");
	PARSE_OPTIONS(&f, "--unsetenv=A", "--unsetenv=TERM", "--unsetenv=HOSTNAME");
	MAKE(&f);
	assert_null(env_of(&f, "A"));
	assert_null(env_of(&f, "TERM"));
	assert_null(env_of(&f, "HOSTNAME"));
	assert_string_equal(env_of(&f, "B"), "2");
	teardown(&f);
	setup(&f);
	IMAGE_ENV(&f, "A=1");
	PARSE_OPTIONS(&f, "--unsetenv-all", "-e", "X=1");
	MAKE(&f);
	assert_int_equal(yyjson_arr_size(at(&f, "/process/env")), 1);
	teardown(&f);
}

static void a_hostile_image_cannot_smuggle_lines(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	IMAGE_ENV(&f, "NOVALUE", "=x", "A\nB=1", "GOOD=1");
	PARSE_OPTIONS(&f, "-d");
	MAKE(&f);
	assert_int_equal(f.remarks.count, 3);
	assert_true(has_remark(&f, "is no NAME=VALUE"));
	assert_string_equal(env_of(&f, "GOOD"), "1");
	assert_int_equal(yyjson_arr_size(at(&f, "/process/env")), 5);
	teardown(&f);
}

static void bounds(void **state)
{
	struct fixture f;
	char *big;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--env-file=/f");
	big = arena_alloc(&f.arena, 140000);
	memset(big, 'x', 139999);
	memcpy(big, "BIG=", 4);
	strv_push(&f.arena, &f.env_texts, big);
	MAKE_FAILS(
		&f,
		"environment file /f:1: environment: BIG: 139999 bytes, at most 131071 are possible");
	teardown(&f);

	setup(&f);
	PARSE_OPTIONS(&f, "--env-file=/f");
	big = arena_alloc(&f.arena, 9000 * 8);
	for (int i = 0, used = 0; i < 4200; i++)
		used += snprintf(big + used, 9, "V%d=\n", i);
	strv_push(&f.arena, &f.env_texts, big);
	MAKE_FAILS(&f, "more than 4096 variables");
	teardown(&f);
}

static void texts_must_fit_the_files(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--env-file=/f");
	MAKE_FAILS(&f, "1 environment files, 0 texts");
	assert_int_equal(f.err.code, ERR_BUG);
	teardown(&f);
}

static void notify_socket_and_watchdog_are_facts(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--sdnotify=container");
	MAKE(&f);
	assert_null(env_of(&f, "NOTIFY_SOCKET"));
	assert_null(env_of(&f, "WATCHDOG_USEC"));
	teardown(&f);
	setup(&f);
	f.host.notify_dir = "/run/cleat/c/" RUN_ID "/notify/in";
	f.host.watchdog_usec = 30000000;
	PARSE_OPTIONS(&f, "--env=NOTIFY_SOCKET=/elsewhere", "--env=WATCHDOG_USEC=1");
	MAKE(&f);
	assert_string_equal(env_of(&f, "NOTIFY_SOCKET"), "/run/notify/notify.sock");
	assert_string_equal(env_of(&f, "WATCHDOG_USEC"), "30000000");
	assert_null(env_of(&f, "WATCHDOG_PID"));
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(later_ones_win),
		cmocka_unit_test(files_are_in_podmans_form),
		cmocka_unit_test(names_can_be_taken_out),
		cmocka_unit_test(a_hostile_image_cannot_smuggle_lines),
		cmocka_unit_test(bounds),
		cmocka_unit_test(texts_must_fit_the_files),
		cmocka_unit_test(notify_socket_and_watchdog_are_facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
