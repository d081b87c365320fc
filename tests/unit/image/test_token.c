/* SPDX-License-Identifier: Apache-2.0 */
/* Logging in: what is sent where, what is kept, and token servers that loop, lie or point elsewhere. */
#include "registry_test.h"

#include "image/token.h"

static struct world w;
static struct taken taken[MAX_LAYERS];

static int tear_down(void **state)
{
	(void)state;
	world_close(&w);
	for (size_t i = 0; i < MAX_LAYERS; i++)
		taken_free(&taken[i]);
	return 0;
}

/* Pure parts. */

static void basic_is_base64(void **state)
{
	(void)state;
	assert_string_equal(token_basic(&w.arena, "ann", "secret"), "Basic YW5uOnNlY3JldA==");
	assert_string_equal(token_basic(&w.arena, "ann", "secre"), "Basic YW5uOnNlY3Jl");
	assert_string_equal(token_basic(&w.arena, "anna", "secre"), "Basic YW5uYTpzZWNyZQ==");
	assert_string_equal(token_basic(&w.arena, "", ""), "Basic Og==");
	assert_string_equal(token_basic(&w.arena, "\xc3\xbf", "\xff"), "Basic w786/w==");
}

static void a_realm_must_be_safe(void **state)
{
	static const struct {
		const char *realm, *host;
		bool secure, own;
		const char *part; /* NULL: fine */
	} rows[] = {
		{ "https://auth.example/token", "registry.example:5000", true, false, NULL },
		{ "https://registry.example/token", "registry.example:5000", true, true, NULL },
		{ "https://REGISTRY.example/token", "registry.example", false, true, NULL },
		{ "http://registry.example:81/token", "registry.example:5000", false, true, NULL },
		{ "http://[::1]:81/token", "[::1]:5000", false, true, NULL },
		{ "http://registry.example/token", "registry.example", true, false,
		  "is not https" },
		{ "http://auth.example/token", "registry.example", false, false,
		  "http://auth.example:80 is not https" },
		{ "file:///etc/shadow", "registry.example", true, false, "scheme file" },
		{ "https://ann:secret@auth.example/", "registry.example", true, false,
		  "with a user name" },
		{ "/token", "registry.example", true, false, "no address" },
		{ "", "registry.example", true, false, "no address" },
		{ "https://auth.example/", "not a host", true, false, "no host" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char site[TOKEN_SITE_SIZE];
		bool own = false;
		int rc = token_check_realm(rows[i].realm, rows[i].host, rows[i].secure, &own, site,
					   &w.err);

		if (rows[i].part) {
			assert_int_equal(rc, -1);
			assert_says(&w.err, ERR_INPUT, rows[i].part);
			assert_null(strstr(w.err.msg, "secret"));
		} else {
			assert_int_equal(rc, 0);
			assert_int_equal(own, rows[i].own);
		}
	}
}

static void a_token_is_asked_for_with_everything_escaped(void **state)
{
	struct auth_challenge challenge = { .kind = AUTH_BEARER,
					    .realm = "https://auth.example/token?x=y#z",
					    .service = "the & registry",
					    .scope = "" };
	const char *out;

	(void)state;
	assert_int_equal(
		token_url(&w.arena, &challenge, "repository:a/b:pull", "a&b", &out, &w.err), 0);
	assert_string_equal(out,
			    "https://auth.example/token?x=y&account=a%26b&service=the+%26+registry"
			    "&scope=repository%3aa%2fb%3apull");
	assert_int_equal(
		token_form(&w.arena, &challenge, "repository:a/b:pull", "t=&", &out, &w.err), 0);
	assert_string_equal(out,
			    "grant_type=refresh_token&client_id=cleat&service=the%20%26%20registry"
			    "&scope=repository%3Aa%2Fb%3Apull&refresh_token=t%3D%26");
}

static void answers_of_token_servers_are_checked(void **state)
{
	static const struct {
		const char *json, *token;
		unsigned lifetime;
		const char *part;
	} rows[] = {
		{ "{\"token\":\"abc\"}", "abc", 60, NULL },
		{ "{\"access_token\":\"abc\",\"expires_in\":300}", "abc", 300, NULL },
		{ "{\"token\":\"\",\"access_token\":\"abc\",\"expires_in\":1e30}", "abc", 86400,
		  NULL },
		{ "{\"token\":\"abc\",\"access_token\":\"def\",\"expires_in\":-5}", "abc", 60,
		  NULL },
		{ "{\"token\":\"abc\",\"expires_in\":0}", "abc", 10, NULL },
		{ "{\"token\":\"abc\",\"expires_in\":\"soon\"}", "abc", 60, NULL },
		{ "{\"token\":\"abc\",\"expires_in\":99.5}", "abc", 99, NULL },
		{ "{}", NULL, 0, "neither token nor access_token" },
		{ "{\"token\":7}", NULL, 0, "neither token" },
		{ "[\"token\"]", NULL, 0, "not a JSON object" },
		{ "", NULL, 0, "answer of the token server" },
		{ "{\"token\":\"a\",\"token\":\"b\"}", NULL, 0, "stands twice" },
		{ "{\"token\":\"a\\r\\nX-Evil: 1\"}", NULL, 0, "no header value" },
		{ "{\"token\":\"a b\"}", NULL, 0, "no header value" },
		{ "{\"token\":\"a\\u0000b\"}", NULL, 0, "no header value" },
		{ "{\"token\":\"\xc3\xa4\"}", NULL, 0, "no header value" },
	};
	struct token_answer answer;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rc = token_answer_parse(rows[i].json, strlen(rows[i].json), &w.arena, &answer,
					    &w.err);

		if (rows[i].part) {
			assert_int_equal(rc, -1);
			assert_says(&w.err, ERR_INPUT, rows[i].part);
			continue;
		}
		assert_int_equal(rc, 0);
		assert_string_equal(answer.token, rows[i].token);
		assert_int_equal(answer.lifetime_sec, rows[i].lifetime);
	}
}

static void large_tokens_and_answers_are_refused(void **state)
{
	static char json[TOKEN_ANSWER_MAX_BYTES + 100];
	struct token_answer answer;
	size_t n = (size_t)snprintf(json, sizeof(json), "{\"token\":\"");

	(void)state;
	memset(json + n, 'x', TOKEN_MAX_BYTES + 1);
	memcpy(json + n + TOKEN_MAX_BYTES + 1, "\"}", 3);
	assert_int_equal(token_answer_parse(json, strlen(json), &w.arena, &answer, &w.err), -1);
	assert_says(&w.err, ERR_INPUT, "longer than 16384");
	memset(json, ' ', sizeof(json));
	assert_int_equal(token_answer_parse(json, sizeof(json), &w.arena, &answer, &w.err), -1);
	assert_says(&w.err, ERR_LIMIT, "larger than 65536");
}

static void the_cache_keeps_hosts_repositories_and_users_apart(void **state)
{
	struct token_cache cache = { 0 };
	char name[32];

	(void)state;
	assert_int_equal(token_cache_put(&cache, "h", "r", NULL, "one", 100 * USEC_SEC, &w.err), 0);
	assert_int_equal(token_cache_put(&cache, "h", "r", "ann", "two", 100 * USEC_SEC, &w.err),
			 0);
	assert_int_equal(token_cache_put(&cache, "h", "r2", NULL, "three", 100 * USEC_SEC, &w.err),
			 0);
	assert_string_equal(token_cache_find(&cache, "h", "r", "", 0), "one");
	assert_string_equal(token_cache_find(&cache, "h", "r", "ann", 0), "two");
	assert_string_equal(token_cache_find(&cache, "h", "r2", NULL, 0), "three");
	assert_null(token_cache_find(&cache, "h2", "r", NULL, 0));
	assert_null(token_cache_find(&cache, "h", "r", "an", 0));
	assert_null(token_cache_find(&cache, "h", "r", "annn", 0));
	/* five seconds are kept for the way */
	assert_non_null(token_cache_find(&cache, "h", "r", NULL, 94 * USEC_SEC));
	assert_null(token_cache_find(&cache, "h", "r", NULL, 95 * USEC_SEC));
	assert_int_equal(token_cache_put(&cache, "h", "r", NULL, "four", 100 * USEC_SEC, &w.err),
			 0);
	assert_string_equal(token_cache_find(&cache, "h", "r", NULL, 0), "four");
	assert_int_equal(cache.count, 3);
	token_cache_drop(&cache, "h", "r", NULL);
	assert_null(token_cache_find(&cache, "h", "r", NULL, 0));
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "r%d", i);
		assert_int_equal(token_cache_put(&cache, "h", name, NULL, "x", UINT64_MAX, &w.err),
				 0);
	}
	assert_true(cache.count <= 64);
	assert_non_null(token_cache_find(&cache, "h", "r999", NULL, 0));
	token_cache_fini(&cache);
	assert_int_equal(cache.count, 0);
}

/* With servers. */

static const char *log_of(size_t server)
{
	return w.server[server].shared->log;
}

static void open_with(serve_fn *serve)
{
	world_open(&w, 1);
	w.limits.retries = 0;
	world_serve(&w, serve);
}

static void open_as_ann(serve_fn *serve)
{
	open_with(serve);
	w.endpoints[0].user = "ann";
	w.endpoints[0].password = "secret";
	w.endpoints[0].auth_key = "registry.example";
}

static void ask_for_token(struct ask *ask, const char *realm_path, const char *more)
{
	char headers[600];

	snprintf(headers, sizeof(headers),
		 "WWW-Authenticate: Bearer realm=\"http://127.0.0.1:%d%s\",service=\"reg\"%s\r\n",
		 ask->port, realm_path, more);
	reply_text(
		ask, "401 Unauthorized", headers,
		"{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\"}]}");
}

static bool has_token(const struct ask *ask, const char *token)
{
	const char *value = header_of(ask, "Authorization: Bearer ");

	return value && !strcmp(value, token);
}

/* A token for everybody, and nothing without one. */
static void serve_tokens(struct ask *ask)
{
	if (!strncmp(ask->path, "/token?", 7))
		reply_text(ask, "200 OK", "", "{\"token\":\"t1\",\"expires_in\":300}");
	else if (has_token(ask, "t1"))
		serve_fixture(ask, &w.fixture);
	else
		ask_for_token(ask, "/token", "");
}

static void an_anonymous_token_is_fetched_once(void **state)
{
	(void)state;
	open_with(serve_tokens);
	world_resolves(&w);
	world_fetch(&w, 0, &taken[0]);
	world_run(&w);
	assert_true(taken[0].is_over && !taken[0].has_failed);
	assert_int_equal(count_in(log_of(0), "GET /token?"), 1);
	assert_non_null(strstr(log_of(0),
			       "GET /token?service=reg&scope=repository%3ateam%2fapp%3apull HTTP"));
	assert_null(strstr(log_of(0), "Authorization: Basic"));
	assert_int_equal(count_in(log_of(0), "Authorization: Bearer t1"), 3);
}

static void serve_tokens_for_ann(struct ask *ask)
{
	const char *login = header_of(ask, "Authorization: Basic ");

	if (!strncmp(ask->path, "/token?", 7) && (!login || strcmp(login, "YW5uOnNlY3JldA==") != 0))
		reply_text(ask, "401 Unauthorized", "",
			   "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"who?\"}]}");
	else
		serve_tokens(ask);
}

static void the_password_goes_to_the_token_server_only(void **state)
{
	(void)state;
	open_as_ann(serve_tokens_for_ann);
	world_resolves(&w);
	assert_int_equal(count_in(log_of(0), "Authorization: Basic"), 1);
	assert_non_null(strstr(log_of(0), "GET /token?account=ann&service=reg&scope="));
}

static void a_wrong_password_is_said_and_not_shown(void **state)
{
	(void)state;
	open_as_ann(serve_tokens_for_ann);
	w.limits.retries = 3;
	w.endpoints[0].password = "hunter2";
	world_refuses(&w, ERR_INPUT,
		      "access is denied to user ann (login \"registry.example\"): who?");
	assert_null(strstr(w.err.msg, "hunter2"));
	assert_int_equal(count_in(log_of(0), "GET /token?"), 1);
}

static void serve_never_satisfied(struct ask *ask)
{
	if (!strncmp(ask->path, "/token?", 7))
		reply_text(ask, "200 OK", "", "{\"token\":\"t1\"}");
	else
		ask_for_token(ask, "/token", "");
}

static void a_registry_that_wants_one_token_after_the_other_gets_two(void **state)
{
	(void)state;
	open_with(serve_never_satisfied);
	w.limits.retries = 5;
	world_refuses(&w, ERR_NOT_FOUND, "podman login --authfile auth.json 127.0.0.1:");
	assert_int_equal(count_in(log_of(0), "GET /token?"), 2);
	assert_int_equal(count_in(log_of(0), "/manifests/"), 3);
}

static void serve_token_loop(struct ask *ask)
{
	if (!strncmp(ask->path, "/token", 6))
		reply_text(ask, "302 Found", "Location: /token/more\r\n", "");
	else
		ask_for_token(ask, "/token", "");
}

static void a_token_server_that_redirects_in_circles_is_left(void **state)
{
	(void)state;
	open_with(serve_token_loop);
	world_refuses(&w, ERR_LIMIT, "token server http://127.0.0.1:");
	assert_says(&w.err, ERR_LIMIT, "more than 5 redirects");
}

static void serve_token_in_token(struct ask *ask)
{
	ask_for_token(ask, "/token", "");
}

static void a_token_server_that_wants_a_token_is_left(void **state)
{
	(void)state;
	open_with(serve_token_in_token);
	world_refuses(&w, ERR_NOT_FOUND, "HTTP 401");
	assert_int_equal(count_in(log_of(0), "GET /token?"), 1);
}

static void serve_realm_elsewhere(struct ask *ask)
{
	char headers[600];
	static const char *const realms[] = { "http://localhost:1/token",
					      "https://169.254.169.254/latest/",
					      "https://[ff02::1]/", "gopher://127.0.0.1/" };

	snprintf(headers, sizeof(headers),
		 "WWW-Authenticate: Bearer realm=\"%s\",service=\"reg\"\r\n",
		 realms[ask->shared->count[0]]);
	reply_text(ask, "401 Unauthorized", headers, "");
}

static void a_realm_that_points_elsewhere_gets_nothing(void **state)
{
	static const char *const parts[] = { "http://localhost:1 is not https",
					     "link-local address", "reserved address",
					     "scheme gopher" };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		open_as_ann(serve_realm_elsewhere);
		w.server[0].shared->count[0] = i;
		world_refuses(&w, ERR_INPUT, parts[i]);
		tear_down(NULL);
	}
}

static void serve_endless_token(struct ask *ask)
{
	if (strncmp(ask->path, "/token", 6) != 0) {
		ask_for_token(ask, "/token", "");
		return;
	}
	send_text(ask, "HTTP/1.1 200 OK\r\n\r\n{\"token\":\"");
	for (;;)
		send_text(ask, "0123456789abcdef");
}

static void serve_evil_token(struct ask *ask)
{
	if (!strncmp(ask->path, "/token", 6))
		reply_text(ask, "200 OK", "", "{\"token\":\"x\\r\\nX-Evil: yes\"}");
	else
		ask_for_token(ask, "/token", "");
}

static void tokens_that_cannot_be_are_refused(void **state)
{
	(void)state;
	open_with(serve_endless_token);
	world_refuses(&w, ERR_LIMIT, "larger than 65536 bytes");
	tear_down(NULL);
	open_with(serve_evil_token);
	world_refuses(&w, ERR_INPUT, "no header value");
	assert_null(strstr(log_of(0), "X-Evil"));
}

/* The first token is good for the manifest alone. */
static void serve_short_lived(struct ask *ask)
{
	if (!strncmp(ask->path, "/token?", 7)) {
		char json[100];

		snprintf(json, sizeof(json), "{\"access_token\":\"t%u\",\"expires_in\":300}",
			 atomic_fetch_add(&ask->shared->count[0], 1));
		reply_text(ask, "200 OK", "", json);
	} else if (has_token(ask, "t1") ||
		   (has_token(ask, "t0") && strstr(ask->path, "/manifests/"))) {
		serve_fixture(ask, &w.fixture);
	} else {
		ask_for_token(ask, "/token", ",error=\"invalid_token\"");
	}
}

static void a_token_that_has_run_out_is_replaced(void **state)
{
	(void)state;
	open_with(serve_short_lived);
	world_resolves(&w);
	assert_int_equal(count_in(log_of(0), "GET /token?"), 2);
}

/* Wants another scope than the usual one, and says so. */
static void serve_other_scope(struct ask *ask)
{
	if (!strncmp(ask->path, "/token?", 7))
		reply_text(ask, "200 OK", "",
			   strstr(ask->path, "proxy%2fteam") ? "{\"token\":\"t1\"}" :
							       "{\"token\":\"t0\"}");
	else if (has_token(ask, "t1"))
		serve_fixture(ask, &w.fixture);
	else
		ask_for_token(
			ask, "/token",
			",scope=\"repository:proxy/team/app:pull\",error=\"insufficient_scope\"");
}

static void the_scope_is_the_registrys_when_ours_is_not_enough(void **state)
{
	(void)state;
	open_with(serve_other_scope);
	world_resolves(&w);
	assert_int_equal(count_in(log_of(0), "GET /token?"), 2);
}

static void serve_oauth(struct ask *ask)
{
	if (!strcmp(ask->path, "/token") && !strcmp(ask->method, "POST")) {
		if (strstr(ask->body, "refresh_token=identity"))
			reply_text(ask, "200 OK", "", "{\"access_token\":\"t1\"}");
		else
			reply_text(ask, "400 Bad Request", "", "{\"error\":\"invalid_grant\"}");
	} else if (has_token(ask, "t1")) {
		serve_fixture(ask, &w.fixture);
	} else {
		ask_for_token(ask, "/token", "");
	}
}

static void an_identity_token_is_posted(void **state)
{
	(void)state;
	open_with(serve_oauth);
	w.endpoints[0].identity_token = "identity";
	world_resolves(&w);
	assert_int_equal(count_in(log_of(0), "POST /token HTTP"), 1);
	tear_down(NULL);
	open_with(serve_oauth);
	w.endpoints[0].identity_token = "another";
	world_refuses(&w, ERR_INPUT, "access is denied to user with identity token");
	assert_null(strstr(w.err.msg, "another"));
}

static void serve_post_redirect(struct ask *ask)
{
	if (!strcmp(ask->path, "/token"))
		reply_text(ask, "307 Temporary Redirect", "Location: /other\r\n", "");
	else
		ask_for_token(ask, "/token", "");
}

static void a_posted_identity_token_is_not_redirected(void **state)
{
	(void)state;
	open_with(serve_post_redirect);
	w.endpoints[0].identity_token = "identity";
	world_refuses(&w, ERR_INPUT, "redirect of a form with a token");
	assert_null(strstr(log_of(0), "/other"));
}

static void serve_basic(struct ask *ask)
{
	const char *login = header_of(ask, "Authorization: Basic ");

	if (login && !strcmp(login, "YW5uOnNlY3JldA=="))
		serve_fixture(ask, &w.fixture);
	else
		reply_text(ask, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"r\"\r\n", "");
}

static void basic_is_asked_for_once_and_then_sent_unasked(void **state)
{
	(void)state;
	open_as_ann(serve_basic);
	world_resolves(&w);
	assert_int_equal(count_in(log_of(0), "GET "), 3);
	assert_int_equal(count_in(log_of(0), "Authorization: Basic"), 2);
	tear_down(NULL);
	open_as_ann(serve_basic);
	w.endpoints[0].password = "wrong";
	world_refuses(&w, ERR_INPUT, "access is denied to user ann");
	assert_int_equal(count_in(log_of(0), "GET "), 2);
}

static void without_a_login_the_message_says_what_to_do(void **state)
{
	(void)state;
	open_with(serve_basic);
	w.endpoints[0].auth_note = "auth.json: credHelpers are not asked";
	world_refuses(&w, ERR_NOT_FOUND, "without a login");
	assert_non_null(strstr(w.err.msg, "credHelpers are not asked"));
	assert_int_equal(count_in(log_of(0), "GET "), 1);
}

static void serve_negotiate(struct ask *ask)
{
	reply_text(ask, "401 Unauthorized", "WWW-Authenticate: Negotiate\r\n", "");
}

static void serve_without_challenge(struct ask *ask)
{
	reply_text(ask, "401 Unauthorized", "", "");
}

static void serve_forbidden(struct ask *ask)
{
	reply_text(ask, "403 Forbidden", "", "{\"errors\":[{\"code\":\"DENIED\"}]}");
}

static void other_refusals_are_told_apart(void **state)
{
	(void)state;
	open_with(serve_negotiate);
	world_refuses(&w, ERR_UNSUPPORTED, "\"Negotiate\"");
	tear_down(NULL);
	open_with(serve_without_challenge);
	world_refuses(&w, ERR_NOT_FOUND, "HTTP 401");
	tear_down(NULL);
	open_as_ann(serve_forbidden);
	world_refuses(
		&w, ERR_INPUT,
		"HTTP 403: access is denied to user ann (login \"registry.example\"): DENIED");
}

/* The first server sends everything to the second, which asks for a login in its own words. */
static int second_port;

static void serve_to_thief(struct ask *ask)
{
	char headers[8400];

	snprintf(headers, sizeof(headers), "Location: http://127.0.0.1:%d%s\r\n", second_port,
		 ask->path);
	reply_text(ask, "307 Temporary Redirect", headers, "");
}

static void serve_thief(struct ask *ask)
{
	if (!strncmp(ask->path, "/token", 6))
		reply_text(ask, "200 OK", "", "{\"token\":\"t1\"}");
	else
		ask_for_token(ask, "/token", "");
}

static void serve_basic_thief(struct ask *ask)
{
	reply_text(ask, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"r\"\r\n", "");
}

static void who_was_redirected_to_is_not_told_the_password(void **state)
{
	static serve_fn *const thieves[] = { serve_thief, serve_basic_thief };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		world_open(&w, 1);
		w.limits.retries = 0;
		server_start(&w.server[1], thieves[i]);
		second_port = w.server[1].port;
		world_serve(&w, serve_to_thief);
		w.endpoints[0].user = "ann";
		w.endpoints[0].password = "secret";
		world_refuses(&w, ERR_BUSY, "which answers HTTP 401");
		assert_int_equal(count_in(log_of(1), "GET "), 1);
		assert_null(strstr(log_of(1), "Authorization"));
		assert_null(strstr(log_of(0), "Authorization"));
		tear_down(NULL);
	}
}

static void serve_tired_token_server(struct ask *ask)
{
	if (!strncmp(ask->path, "/token?", 7) && atomic_fetch_add(&ask->shared->count[0], 1) == 0)
		reply_text(ask, "502 Bad Gateway", "", "");
	else
		serve_tokens(ask);
}

static void a_token_server_that_is_tired_is_asked_again(void **state)
{
	(void)state;
	open_with(serve_tired_token_server);
	world_refuses(&w, ERR_BUSY, "HTTP 502");
	tear_down(NULL);
	open_with(serve_tired_token_server);
	w.limits.retries = 1;
	world_resolves(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(basic_is_base64, tear_down),
		cmocka_unit_test_teardown(a_realm_must_be_safe, tear_down),
		cmocka_unit_test_teardown(a_token_is_asked_for_with_everything_escaped, tear_down),
		cmocka_unit_test_teardown(answers_of_token_servers_are_checked, tear_down),
		cmocka_unit_test_teardown(large_tokens_and_answers_are_refused, tear_down),
		cmocka_unit_test_teardown(the_cache_keeps_hosts_repositories_and_users_apart,
					  tear_down),
		cmocka_unit_test_teardown(an_anonymous_token_is_fetched_once, tear_down),
		cmocka_unit_test_teardown(the_password_goes_to_the_token_server_only, tear_down),
		cmocka_unit_test_teardown(a_wrong_password_is_said_and_not_shown, tear_down),
		cmocka_unit_test_teardown(a_registry_that_wants_one_token_after_the_other_gets_two,
					  tear_down),
		cmocka_unit_test_teardown(a_token_server_that_redirects_in_circles_is_left,
					  tear_down),
		cmocka_unit_test_teardown(a_token_server_that_wants_a_token_is_left, tear_down),
		cmocka_unit_test_teardown(a_realm_that_points_elsewhere_gets_nothing, tear_down),
		cmocka_unit_test_teardown(tokens_that_cannot_be_are_refused, tear_down),
		cmocka_unit_test_teardown(a_token_that_has_run_out_is_replaced, tear_down),
		cmocka_unit_test_teardown(the_scope_is_the_registrys_when_ours_is_not_enough,
					  tear_down),
		cmocka_unit_test_teardown(an_identity_token_is_posted, tear_down),
		cmocka_unit_test_teardown(a_posted_identity_token_is_not_redirected, tear_down),
		cmocka_unit_test_teardown(basic_is_asked_for_once_and_then_sent_unasked, tear_down),
		cmocka_unit_test_teardown(without_a_login_the_message_says_what_to_do, tear_down),
		cmocka_unit_test_teardown(other_refusals_are_told_apart, tear_down),
		cmocka_unit_test_teardown(a_token_server_that_is_tired_is_asked_again, tear_down),
		cmocka_unit_test_teardown(who_was_redirected_to_is_not_told_the_password,
					  tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
