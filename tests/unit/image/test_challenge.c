/* SPDX-License-Identifier: Apache-2.0 */
/* WWW-Authenticate: which of the challenges is taken, what its values are, and everything that is refused. */
#include "unit_test.h"

#include "image/pull_config.h"

static struct auth_challenge parsed(struct arena *arena, const char *header)
{
	size_t length = strlen(header);
	char *copy = malloc(length ? length : 1); /* no NUL behind it: reading on is seen */
	struct auth_challenge out;
	struct err err;

	assert_non_null(copy);
	memcpy(copy, header, length);
	if (auth_challenge_parse(copy, length, arena, &out, &err) < 0)
		fail_msg("%s: %s", header, err.msg);
	free(copy);
	return out;
}

static void docker_hubs_header_is_understood(void **state)
{
	auto_arena arena = { 0 };
	struct auth_challenge c = parsed(
		&arena,
		"Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\","
		"scope=\"repository:library/alpine:pull\",error=\"insufficient_scope\"");

	(void)state;
	assert_int_equal(c.kind, AUTH_BEARER);
	assert_string_equal(c.realm, "https://auth.docker.io/token");
	assert_string_equal(c.service, "registry.docker.io");
	assert_string_equal(c.scope, "repository:library/alpine:pull");
	assert_string_equal(c.error, "insufficient_scope");
	assert_string_equal(c.scheme, "Bearer");
}

static void names_and_blanks_may_be_written_freely(void **state)
{
	auto_arena arena = { 0 };
	struct auth_challenge c = parsed(
		&arena, "\t,, bEaReR\t  REALM = \"https://a/t\" ,\t, Service=reg ,x=\"y\" , ");

	(void)state;
	assert_int_equal(c.kind, AUTH_BEARER);
	assert_string_equal(c.realm, "https://a/t");
	assert_string_equal(c.service, "reg");
	assert_string_equal(c.scope, "");
	assert_string_equal(c.error, "");
}

static void quoted_pairs_and_separators_inside_quotes(void **state)
{
	auto_arena arena = { 0 };
	struct auth_challenge c =
		parsed(&arena, "Bearer realm=\"https://a/t?x=\\\"1\\\\,\\z\",scope=\"a b, c=d\"");

	(void)state;
	assert_string_equal(c.realm, "https://a/t?x=\"1\\,z");
	assert_string_equal(c.scope, "a b, c=d");
}

static void urls_without_quotes_are_taken_as_some_servers_write_them(void **state)
{
	auto_arena arena = { 0 };
	struct auth_challenge c =
		parsed(&arena, "Bearer realm=https://a.example:5001/token?x=1,service=a.example");

	(void)state;
	assert_string_equal(c.realm, "https://a.example:5001/token?x=1");
	assert_string_equal(c.service, "a.example");
}

static void the_strongest_that_can_be_answered_wins(void **state)
{
	auto_arena arena = { 0 };
	struct auth_challenge c;

	(void)state;
	c = parsed(&arena, "Basic realm=\"r\", Bearer realm=\"https://a/t\",service=\"s\"");
	assert_int_equal(c.kind, AUTH_BEARER);
	assert_string_equal(c.realm, "https://a/t");
	c = parsed(&arena, "Bearer realm=\"https://a/t\", Basic realm=\"r\"");
	assert_int_equal(c.kind, AUTH_BEARER);
	c = parsed(&arena, "Bearer realm=\"https://a/1\", Bearer realm=\"https://a/2\"");
	assert_string_equal(c.realm, "https://a/1");
	c = parsed(&arena, "Negotiate, Digest realm=\"d\", nonce=\"n\", Basic realm=\"b\"");
	assert_int_equal(c.kind, AUTH_BASIC);
	assert_string_equal(c.realm, "b");
	assert_string_equal(c.scheme, "Basic");
	c = parsed(&arena, "Bearer, Basic realm=\"b\"");
	assert_int_equal(c.kind, AUTH_BASIC);
	c = parsed(&arena, "Basic");
	assert_int_equal(c.kind, AUTH_BASIC);
	assert_string_equal(c.realm, "");
}

static void words_of_base64_are_passed_over(void **state)
{
	auto_arena arena = { 0 };
	struct auth_challenge c;

	(void)state;
	c = parsed(&arena, "Negotiate YII/+ab==, Basic realm=\"b\"");
	assert_int_equal(c.kind, AUTH_BASIC);
	c = parsed(&arena, "Negotiate YII=");
	assert_int_equal(c.kind, AUTH_NONE);
	assert_string_equal(c.scheme, "Negotiate");
}

static void nothing_that_can_be_answered_is_none_and_says_what_was_offered(void **state)
{
	auto_arena arena = { 0 };
	struct auth_challenge c;

	(void)state;
	c = parsed(&arena, "");
	assert_int_equal(c.kind, AUTH_NONE);
	assert_string_equal(c.scheme, "");
	assert_string_equal(c.realm, "");
	c = parsed(&arena, "Digest realm=\"d\", Negotiate");
	assert_int_equal(c.kind, AUTH_NONE);
	assert_string_equal(c.scheme, "Digest");
	/* a token from nowhere */
	c = parsed(&arena, "Bearer service=\"s\"");
	assert_int_equal(c.kind, AUTH_NONE);
	assert_string_equal(c.scheme, "Bearer");
	assert_string_equal(c.service, "");
	c = parsed(&arena, "Bearer realm=\"\"");
	assert_int_equal(c.kind, AUTH_NONE);
}

static void what_can_be_read_in_two_ways_is_refused(void **state)
{
	static const struct {
		const char *header, *reason;
	} cases[] = {
		{ "Bearer realm=\"https://a/t", "string without an end" },
		{ "Bearer realm=\"https://a/t\\", "string without an end" },
		{ "Bearer realm=\"a\",realm=\"b\"", "a parameter stands there twice" },
		{ "Bearer realm=\"a\", REALM=\"b\"", "a parameter stands there twice" },
		{ "Bearer realm=\"a\" service=\"b\"", "no comma between parameters" },
		{ "Bearer realm=\"a\"x", "no comma between parameters" },
		{ "Bearer realm=a\"b\"", "no comma between parameters" },
		{ "\"Bearer\" realm=\"a\"", "a scheme expected" },
		{ "Bearer/1 realm=\"a\"", "a blank expected behind the scheme" },
		{ "Negotiate a b", "no comma between challenges" },
		{ "Negotiate a\"b", "neither parameters nor a word behind a scheme" },
		{ "Bearer realm=\"a\nb\"", "control character" },
		{ "Bearer realm=\"a\x7f\"", "control character" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		auto_arena arena = { 0 };
		struct auth_challenge out;
		struct err err;

		assert_int_equal(auth_challenge_parse(cases[i].header, strlen(cases[i].header),
						      &arena, &out, &err),
				 -1);
		assert_string_equal(err.msg,
				    arena_join(&arena, "WWW-Authenticate: ", cases[i].reason));
		assert_int_equal(err.code, ERR_INTEGRITY);
	}
}

static void nul_bytes_are_refused(void **state)
{
	auto_arena arena = { 0 };
	struct auth_challenge out;
	struct err err;

	(void)state;
	assert_int_equal(auth_challenge_parse("Basic\0 x", 8, &arena, &out, &err), -1);
	assert_string_equal(err.msg, "WWW-Authenticate: control character");
}

static void length_and_number_of_parameters_are_bounded(void **state)
{
	auto_buf header = BUF_INIT(64 * 1024);
	auto_arena arena = { 0 };
	struct auth_challenge out;
	struct err err;

	(void)state;
	buf_puts(&header, "Bearer realm=\"https://a/t\"");
	for (int i = 1; i < 64; i++)
		buf_printf(&header, ",p%d=\"x\"", i);
	assert_int_equal(auth_challenge_parse(header.data, header.len, &arena, &out, &err), 0);
	assert_int_equal(out.kind, AUTH_BEARER);
	buf_puts(&header, ",q=1");
	assert_int_equal(auth_challenge_parse(header.data, header.len, &arena, &out, &err), -1);
	assert_string_equal(err.msg, "WWW-Authenticate: too many parameters");
	while (header.len <= 16 * 1024)
		buf_puts(&header, ", ");
	assert_int_equal(auth_challenge_parse(header.data, header.len, &arena, &out, &err), -1);
	assert_string_equal(err.msg, "WWW-Authenticate: longer than 16384 bytes");
	assert_int_equal(err.code, ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(docker_hubs_header_is_understood),
		cmocka_unit_test(names_and_blanks_may_be_written_freely),
		cmocka_unit_test(quoted_pairs_and_separators_inside_quotes),
		cmocka_unit_test(urls_without_quotes_are_taken_as_some_servers_write_them),
		cmocka_unit_test(the_strongest_that_can_be_answered_wins),
		cmocka_unit_test(words_of_base64_are_passed_over),
		cmocka_unit_test(nothing_that_can_be_answered_is_none_and_says_what_was_offered),
		cmocka_unit_test(what_can_be_read_in_two_ways_is_refused),
		cmocka_unit_test(nul_bytes_are_refused),
		cmocka_unit_test(length_and_number_of_parameters_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
