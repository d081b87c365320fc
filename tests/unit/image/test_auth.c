/* SPDX-License-Identifier: Apache-2.0 */
/* auth.json: who we are to which registry, by the longest key; what is noted, what is refused, and that no secret is in a message. */
#include "pull_test.h"

#define USER_SECRET "dXNlcjpzZWNyZXQ="	   /* user:secret */
#define USER_COLONS "dTpwOnc="		   /* u:p:w */
#define USER_PADDED "dXNlcjpzZWNyZXQAAA==" /* user:secret and two NUL bytes */
#define NO_PAIR "bm9wYWly"		   /* nopair */
#define NO_PASSWORD "dXNlcjo="		   /* user: */
#define NO_USER "OnB3"			   /* :pw */
#define NUL_INSIDE "dXMAZXI6cHc="	   /* us NUL er:pw */
#define DOCKER_AZURE "MDAwMDo="		   /* 0000: */

static void the_longest_key_of_a_repository_counts(void **state)
{
	const struct record *files = RECORDS(AUTH("{\"auths\":{\"r.io\":{\"auth\":\"YTph\"},"
						  "\"r.io/ns\":{\"auth\":\"Yjpi\"},"
						  "\"r.io/ns/app\":{\"auth\":\"Yzpj\"},"
						  "\"r.io:5000\":{\"auth\":\"ZDpk\"}}}"));

	(void)state;
	assert_resolves(files, "r.io/x", "r.io/x:latest -> r.io/x[r.io a:a]");
	assert_resolves(files, "r.io/ns/x", "r.io/ns/x:latest -> r.io/ns/x[r.io/ns b:b]");
	assert_resolves(files, "r.io/ns/app", "r.io/ns/app:latest -> r.io/ns/app[r.io/ns/app c:c]");
	assert_resolves(files, "r.io/ns/app/x",
			"r.io/ns/app/x:latest -> r.io/ns/app/x[r.io/ns/app c:c]");
	assert_resolves(files, "r.io/nsx/x", "r.io/nsx/x:latest -> r.io/nsx/x[r.io a:a]");
	assert_resolves(files, "r.io:5000/ns/x",
			"r.io:5000/ns/x:latest -> r.io:5000/ns/x[r.io:5000 d:d]");
	assert_resolves(files, "q.io/ns/x", "q.io/ns/x:latest -> q.io/ns/x");
}

static void docker_hub_has_many_names(void **state)
{
	static const char *const keys[] = { "https://index.docker.io/v1/", "index.docker.io",
					    "docker.io", "registry-1.docker.io",
					    "http://docker.io/x/y" };

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		auto_arena arena = { 0 };

		assert_resolves(RECORDS(AUTH(arena_join(&arena, "{\"auths\":{\"", keys[i],
							"\":{\"auth\":\"" USER_SECRET "\"}}}"))),
				"docker.io/alpine",
				arena_join(&arena,
					   "docker.io/library/alpine:latest -> "
					   "registry-1.docker.io/library/alpine[",
					   keys[i], " user:secret]"));
	}
	assert_resolves(RECORDS(AUTH("{\"auths\":{\"docker.io/library\":{\"auth\":\"YTph\"},"
				     "\"https://index.docker.io/v1/\":{\"auth\":\"Yjpi\"}}}")),
			"docker.io/alpine",
			"docker.io/library/alpine:latest -> "
			"registry-1.docker.io/library/alpine[docker.io/library a:a]");
}

static void keys_with_a_scheme_mean_their_host(void **state)
{
	const struct record *files = RECORDS(
		AUTH("{\"auths\":{\"https://r.io:5000/v2/\":{\"auth\":\"" USER_SECRET "\"}}}"));

	(void)state;
	assert_resolves(files, "r.io:5000/x",
			"r.io:5000/x:latest -> r.io:5000/x[https://r.io:5000/v2/ user:secret]");
	assert_resolves(files, "r.io/x", "r.io/x:latest -> r.io/x");
}

static void passwords_may_hold_colons_and_dockers_padding(void **state)
{
	(void)state;
	assert_resolves(RECORDS(AUTH("{\"auths\":{\"r.io\":{\"auth\":\"" USER_COLONS "\"}}}")),
			"r.io/x", "r.io/x:latest -> r.io/x[r.io u:p:w]");
	assert_resolves(RECORDS(AUTH("{\"auths\":{\"r.io\":{\"auth\":\"" USER_PADDED "\"}}}")),
			"r.io/x", "r.io/x:latest -> r.io/x[r.io user:secret]");
}

static void user_and_password_in_plain_are_taken_when_there_is_no_auth(void **state)
{
	(void)state;
	assert_resolves(RECORDS(AUTH("{\"auths\":{\"r.io\":{\"username\":\"a\",\"password\":\"b\","
				     "\"email\":\"a@b\"}}}")),
			"r.io/x", "r.io/x:latest -> r.io/x[r.io a:b]");
	assert_resolves(RECORDS(AUTH("{\"auths\":{\"r.io\":{\"username\":\"a\",\"password\":\"b\","
				     "\"auth\":\"" USER_SECRET "\"}}}")),
			"r.io/x", "r.io/x:latest -> r.io/x[r.io user:secret]");
}

static void identity_tokens_are_handed_on(void **state)
{
	(void)state;
	assert_resolves(RECORDS(AUTH("{\"auths\":{\"r.io\":{\"auth\":\"" DOCKER_AZURE
				     "\",\"identitytoken\":\"tok\"}}}")),
			"r.io/x", "r.io/x:latest -> r.io/x[r.io -:- tok]");
	assert_resolves(RECORDS(AUTH("{\"auths\":{\"r.io\":{\"identitytoken\":\"tok\"}}}")),
			"r.io/x", "r.io/x:latest -> r.io/x[r.io -:- tok]");
	assert_resolves(RECORDS(AUTH("{\"auths\":{\"r.io\":{\"auth\":\"" USER_SECRET
				     "\",\"identitytoken\":\"tok\"}}}")),
			"r.io/x", "r.io/x:latest -> r.io/x[r.io user:secret tok]");
}

static void the_next_file_is_asked_when_one_has_nothing_usable(void **state)
{
	const struct record *files =
		RECORDS(AUTH("{\"auths\":{\"r.io\":{},\"s.io\":{\"auth\":\"YTph\"}}}"),
			{ "auth", "/etc/containers/auth.json",
			  "{\"auths\":{\"r.io\":{\"auth\":\"" USER_SECRET
			  "\"},\"s.io\":{\"auth\":\"Yjpi\"}}}" });

	(void)state;
	assert_resolves(files, "r.io/x", "r.io/x:latest -> r.io/x[r.io user:secret]");
	assert_resolves(files, "s.io/x", "s.io/x:latest -> s.io/x[s.io a:a]");
}

static void half_of_a_pair_is_nobody_and_says_why(void **state)
{
	static const struct {
		const char *entry, *note;
	} cases[] = {
		{ "{}", "" },
		{ "{\"auth\":\"\"}", "" },
		{ "{\"auth\":\"" NO_PAIR "\"}",
		  "(/config/auth.json: auths: r.io: auth is not the base64 of USER:PASSWORD)" },
		{ "{\"auth\":\"" NO_PASSWORD "\"}",
		  "(/config/auth.json: auths: r.io: user or password is empty)" },
		{ "{\"auth\":\"" NO_USER "\"}",
		  "(/config/auth.json: auths: r.io: user or password is empty)" },
		{ "{\"username\":\"a:b\",\"password\":\"c\"}",
		  "(/config/auth.json: auths: r.io: username holds a colon)" },
		{ "{\"username\":\"a\"}",
		  "(/config/auth.json: auths: r.io: user or password is empty)" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		auto_arena arena = { 0 };

		assert_resolves(RECORDS(AUTH(arena_join(
					&arena, "{\"auths\":{\"r.io\":", cases[i].entry, "}}"))),
				"r.io/x",
				arena_join(&arena, "r.io/x:latest -> r.io/x", cases[i].note));
	}
}

static void a_broken_entry_concerns_its_registry_only(void **state)
{
	const struct record *files = RECORDS(AUTH("{\"auths\":{\"r.io\":{\"auth\":\"not base64!\"},"
						  "\"s.io\":{\"auth\":\"" NUL_INSIDE
						  "\"},\"t.io\":{\"auth\":\"YTph\"}}}"));

	(void)state;
	assert_resolves(files, "r.io/x",
			"error: /config/auth.json: auths: r.io: auth is not base64");
	assert_resolves(files, "s.io/x",
			"error: /config/auth.json: auths: s.io: auth holds a NUL byte");
	assert_resolves(files, "t.io/x", "t.io/x:latest -> t.io/x[t.io a:a]");
}

static void each_endpoint_has_its_own_credentials(void **state)
{
	const struct record *files =
		RECORDS(CONF("[[registry]]\nprefix = 'r.io'\nlocation = 'real.io/x'\n"
			     "[[registry.mirror]]\nlocation = 'm.io/cache'\n"),
			AUTH("{\"auths\":{\"r.io\":{\"auth\":\"YTph\"},\"m.io/cache\":{\"auth\":"
			     "\"Yjpi\"},\"real.io\":{\"auth\":\"Yzpj\"}}}"));

	(void)state;
	assert_resolves(files, "r.io/app",
			"r.io/app:latest -> mirror:m.io/cache/app[m.io/cache b:b] "
			"real.io/x/app[real.io c:c]");
}

static void given_credentials_never_go_to_another_host(void **state)
{
	const struct record *files = RECORDS(
		CONF("[[registry]]\nlocation = 'r.io'\n"
		     "[[registry.mirror]]\nlocation = 'm.io'\n"
		     "[[registry.mirror]]\nlocation = 'n.io'\n"),
		AUTH("{\"auths\":{\"m.io\":{\"auth\":\"Yjpi\"},\"r.io\":{\"auth\":\"YTph\"}}}"),
		{ "creds", "me:my:secret", NULL });

	(void)state;
	assert_resolves(files, "r.io/app",
			"r.io/app:latest -> mirror:m.io/app[m.io b:b] mirror:n.io/app "
			"r.io/app[Creds me:my:secret]");
}

static void given_credentials_need_both_halves(void **state)
{
	static const char *const wrong[] = { "justuser", ":pw", "user:" };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_refused(RECORDS({ "creds", wrong[i], NULL }), ERR_INPUT,
			       "Creds: not USER:PASSWORD");
}

static void helpers_are_noted_and_explain_a_missing_login(void **state)
{
	const struct record *files = RECORDS(AUTH(
		"{\"auths\":{\"r.io\":{},\"s.io\":{\"auth\":\"YTph\"}},\"credHelpers\":{\"r.io\":"
		"\"ecr-login\",\"s.io\":\"pass\",\"index.docker.io\":\"hub\"},"
		"\"credsStore\":\"desktop\"}"));

	(void)state;
	assert_notes(
		files,
		"/config/auth.json: credHelpers: r.io: docker-credential-ecr-login is not "
		"supported: write user and password below auths\n"
		"/config/auth.json: credHelpers: s.io: docker-credential-pass is not "
		"supported: write user and password below auths\n"
		"/config/auth.json: credHelpers: index.docker.io: docker-credential-hub is not "
		"supported: write user and password below auths\n"
		"/config/auth.json: credsStore: docker-credential-desktop is not supported: "
		"write user and password below auths\n");
	assert_resolves(files, "r.io/x",
			"r.io/x:latest -> r.io/x(/config/auth.json: credHelpers: r.io: "
			"docker-credential-ecr-login is not supported)");
	assert_resolves(files, "s.io/x", "s.io/x:latest -> s.io/x[s.io a:a]");
	assert_resolves(files, "docker.io/x",
			"docker.io/library/x:latest -> registry-1.docker.io/library/x("
			"/config/auth.json: credHelpers: index.docker.io: docker-credential-hub is "
			"not supported)");
}

static void what_else_docker_keeps_there_is_noted(void **state)
{
	(void)state;
	assert_notes(RECORDS(AUTH("{\"HttpHeaders\":{\"x\":\"secret\"},\"auths\":{\"r.io\":{"
				  "\"registrytoken\":\"secret\",\"serveraddress\":\"r.io\"}},"
				  "\"credsStore\":null,\"credHelpers\":null}")),
		     "/config/auth.json: HttpHeaders is not used\n"
		     "/config/auth.json: r.io: registrytoken is not used\n");
	assert_notes(RECORDS(AUTH("{}")), "");
	assert_notes(RECORDS(AUTH("{\"auths\":null}")), "");
}

static void notes_are_bounded(void **state)
{
	auto_buf text = BUF_INIT(64 * 1024);
	auto_arena arena = { 0 };
	const char *const *notes;
	struct pull_config *config;
	struct err err;

	(void)state;
	buf_puts(&text, "{\"a\":1");
	for (int i = 0; i < 200; i++)
		buf_printf(&text, ",\"k%d\":1", i);
	buf_puts(&text, "}");
	config = config_of(&arena, RECORDS(AUTH(text.data)), &err);
	assert_non_null(config);
	assert_int_equal(pull_config_notes(config, &notes), 64);
}

static void wrong_files_are_refused_without_their_values(void **state)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{ "{\"auths\":\n{\"r.io\":{\"auth\":hunter2}}}", ":2: " },
		{ "", ":1: " },
		{ "{\"auths\":{}} x", ":1: " },
		{ "[]", ": not a JSON object" },
		{ "{\"auths\":[\"hunter2\"]}", ": auths is not an object" },
		{ "{\"auths\":{\"r.io\":\"hunter2\"}}", ": auths: r.io is not an object" },
		{ "{\"auths\":{\"r.io\":{\"auth\":2}}}", ": r.io: auth is not a string" },
		{ "{\"auths\":{\"r.io\":{\"password\":[\"hunter2\"]}}}",
		  ": r.io: password is not a string" },
		{ "{\"auths\":{\"r.io\":{\"identitytoken\":\"hunter2\\u0000\"}}}",
		  ": r.io: identitytoken holds a NUL byte" },
		{ "{\"auths\":{\"r.io\":{},\"r.io\":{\"auth\":\"hunter2\"}}}",
		  ": auths: r.io stands there twice" },
		{ "{\"auths\":{},\"auths\":{}}", ": auths stands there twice" },
		{ "{\"auths\":{\"\":{}}}", ": auths: a name of 0 bytes" },
		{ "{\"credHelpers\":\"hunter2\"}", ": credHelpers is not an object" },
		{ "{\"credHelpers\":{\"r.io\":1}}", ": credHelpers: r.io is not a string" },
		{ "{\"credsStore\":1}", ": credsStore: name is not a string" },
		{ "{\"r.io\":{\"auth\":\"hunter2\"}}",
		  ": r.io: entries stand below \"auths\": {\"auths\": {\"HOST\": {\"auth\": "
		  "\"...\"}}}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		auto_arena arena = { 0 };
		const char *expected = arena_join(&arena, "/config/auth.json", cases[i].reason);
		struct err err;

		assert_null(config_of(&arena, RECORDS(AUTH(cases[i].text)), &err));
		assert_int_equal(err.code, ERR_INPUT);
		/* what the JSON reader says behind the line is its own business */
		if (cases[i].reason[0] == ':' && cases[i].reason[1] != ' ')
			assert_memory_equal(err.msg, expected, strlen(expected));
		else
			assert_string_equal(err.msg, expected);
		assert_null(strstr(err.msg, "hunter2"));
	}
}

static void sizes_are_bounded(void **state)
{
	auto_buf text = BUF_INIT(4 * 1024 * 1024);
	auto_arena arena = { 0 };
	struct err err;

	(void)state;
	buf_puts(&text, "{\"auths\":{\"r.io\":{}");
	for (int i = 0; i < 4096; i++)
		buf_printf(&text, ",\"r%d.io\":{}", i);
	buf_puts(&text, "}}");
	assert_null(config_of(&arena, RECORDS(AUTH(text.data)), &err));
	assert_int_equal(err.code, ERR_LIMIT);
	assert_string_equal(err.msg, "/config/auth.json: auths has more than 4096 entries");

	buf_clear(&text);
	buf_puts(&text, "{\"auths\":{\"r.io\":{\"auth\":\"");
	for (int i = 0; i < 65 * 1024; i++)
		buf_putc(&text, 'A');
	buf_puts(&text, "\"}}}");
	assert_null(config_of(&arena, RECORDS(AUTH(text.data)), &err));
	assert_int_equal(err.code, ERR_LIMIT);
	assert_string_equal(err.msg, "/config/auth.json: r.io: auth is longer than 65536 bytes");

	while (text.len <= 1024 * 1024)
		buf_puts(&text, "                                        ");
	assert_null(config_of(&arena, RECORDS(AUTH(text.data)), &err));
	assert_string_equal(err.msg, "/config/auth.json: larger than 1048576 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_key_of_a_repository_counts),
		cmocka_unit_test(docker_hub_has_many_names),
		cmocka_unit_test(keys_with_a_scheme_mean_their_host),
		cmocka_unit_test(passwords_may_hold_colons_and_dockers_padding),
		cmocka_unit_test(user_and_password_in_plain_are_taken_when_there_is_no_auth),
		cmocka_unit_test(identity_tokens_are_handed_on),
		cmocka_unit_test(the_next_file_is_asked_when_one_has_nothing_usable),
		cmocka_unit_test(half_of_a_pair_is_nobody_and_says_why),
		cmocka_unit_test(a_broken_entry_concerns_its_registry_only),
		cmocka_unit_test(each_endpoint_has_its_own_credentials),
		cmocka_unit_test(given_credentials_never_go_to_another_host),
		cmocka_unit_test(given_credentials_need_both_halves),
		cmocka_unit_test(helpers_are_noted_and_explain_a_missing_login),
		cmocka_unit_test(what_else_docker_keeps_there_is_noted),
		cmocka_unit_test(notes_are_bounded),
		cmocka_unit_test(wrong_files_are_refused_without_their_values),
		cmocka_unit_test(sizes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
