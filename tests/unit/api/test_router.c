/* SPDX-License-Identifier: Apache-2.0 */
/* What a request says: the table, version prefixes, names, methods, query parameters, and each refusal. No engine. */
#include "unit_test.h"

#include <yyjson.h>

#include "api/internal.h"
#include "util/str.h"

struct outcome {
	struct api_order order;
	struct api_answer answer;
	bool ok;
	char message[700];
};

static void read_request(const char *text, struct outcome *o)
{
	static char copy[HTTP_MAX_HEAD];
	struct http_request request;
	int status = 0;
	struct err err = { 0 };
	yyjson_doc *doc;

	snprintf(copy, sizeof(copy), "%s HTTP/1.1\r\nHost: x\r\n\r\n", text);
	if (http_parse(copy, strlen(copy), &request, &status, &err) != HTTP_PARSE_DONE)
		fail_msg("\"%s\": %s", text, err.msg);
	*o = (struct outcome){ .answer = { .body = BUF_INIT(65536) } };
	o->ok = api_read(&request, &o->order, &o->answer);
	doc = yyjson_read(buf_str(&o->answer.body), o->answer.body.len, 0);
	if (!o->ok && !doc)
		fail_msg("\"%s\": a refusal without a message: %s", text, buf_str(&o->answer.body));
	str_copy(o->message, sizeof(o->message),
		 doc ? yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "message")) : "");
	yyjson_doc_free(doc);
	buf_fini(&o->answer.body);
}

static void expect_refusal(const char *text, int status, const char *part)
{
	struct outcome o;

	read_request(text, &o);
	if (o.ok)
		fail_msg("\"%s\" was taken", text);
	if (o.answer.status != status || !strstr(o.message, part))
		fail_msg("\"%s\": %d %s", text, o.answer.status, o.message);
}

static void expect_taken(const char *text, struct outcome *o)
{
	read_request(text, o);
	if (!o->ok)
		fail_msg("\"%s\": %d %s", text, o->answer.status, o->message);
}

static void every_row_is_reached_with_and_without_a_version(void **state)
{
	static const char *const prefixes[] = { "", "/v1.41", "/v1.24", "/v2" };
	size_t count;
	const struct api_route *routes = api_routes(&count);

	(void)state;
	assert_true(count >= 14);
	for (size_t i = 0; i < count * 4; i++) {
		const struct api_route *route = &routes[i / 4];
		const char *hole = strstr(route->pattern, "{}");
		char text[256];
		struct outcome o;

		snprintf(text, sizeof(text), "%s %s%.*s%s%s%s", route->method, prefixes[i % 4],
			 hole ? (int)(hole - route->pattern) : 255, route->pattern,
			 hole ? "some-name" : "", hole ? hole + 2 : "",
			 strstr(route->params, "stdout") ? "?stdout=1" :
			 strstr(route->params, "file")	 ? "?file=/a" :
							   "");
		expect_taken(text, &o);
		assert_ptr_equal(o.order.route, route);
		assert_non_null(route->run);
		assert_string_equal(o.order.name, hole ? "some-name" : "");
	}
}

static void names_are_one_decoded_segment(void **state)
{
	struct outcome o;
	char text[400] = "GET /containers/", longest[256];

	(void)state;
	expect_taken("GET /containers/a%20b%2dc/json", &o);
	assert_string_equal(o.order.name, "a b-c");
	expect_taken("GET /containers/json/json", &o);
	assert_string_equal(o.order.name, "json");
	memset(longest, 'n', 255);
	longest[255] = '\0';
	snprintf(text, sizeof(text), "GET /containers/%s/json", longest);
	expect_taken(text, &o);
	assert_string_equal(o.order.name, longest);
	snprintf(text, sizeof(text), "GET /containers/%sn/json", longest);
	expect_refusal(text, 404, "not supported");
}

static void unknown_paths_are_named(void **state)
{
	static const char *const texts[] = {
		"GET /",
		"GET /containers//json",
		"GET /containers/json/",
		"GET /v1.41",
		"GET /v1.41/",
		"GET /vx/_ping",
		"GET /images/json",
		"GET /_pingg",
		"GET /containers/a/stats",
		"POST /containers/create",
		"GET /containers",
		"POST /cleat/v1/units//reset-failed",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		expect_refusal(texts[i], 404, "not supported in this version");
	expect_refusal("GET /images/json", 404, "/images/json");
	/* a name is one segment: with more of them it is nobody's, and no handler sees it */
	expect_refusal("GET /containers/a/b/json", 404, "no container \"a/b\"");
	expect_refusal("POST /containers/a%2fb%2fc/stop", 404, "no container \"a/b/c\"");
}

static void wrong_methods_are_told_the_right_ones(void **state)
{
	struct outcome o;

	(void)state;
	expect_refusal("GET /containers/web/start", 405, "GET is not for /containers/web/start");
	read_request("POST /v1.41/_ping", &o);
	assert_int_equal(o.answer.status, 405);
	assert_string_equal(o.answer.extra, "Allow: GET, HEAD\r\n");
	expect_refusal("DELETE /containers/web/json", 405, "DELETE");
	expect_refusal("HEAD /version", 405, "HEAD");
}

static void parameters_that_would_be_left_out_are_refused(void **state)
{
	struct outcome o;

	(void)state;
	expect_refusal("GET /containers/json?filters=%7B%22name%22%3A%5B%22a%22%5D%7D", 400,
		       "\"filters\"");
	expect_refusal("GET /containers/json?all=1&limit=3", 400, "\"limit\"");
	expect_refusal("POST /containers/web/stop?signal=INT", 400, "\"signal\"");
	expect_refusal("POST /containers/web/start?t=1", 400, "\"t\"");
	expect_refusal("GET /version?x=%zz", 400, "\"x\"");
	expect_taken("GET /containers/json?size=0&filters=&limit=0", &o);
	expect_taken("GET /_ping?&&=&", &o);
	expect_taken("GET /containers/web/json?size=false", &o);
}

static void list_takes_dockers_idea_of_true(void **state)
{
	static const char *const yes[] = { "1", "true", "True", "yes", "x" }, *const no[] = {
		"", "0", "no", "FALSE", "none"
	};
	struct outcome o;
	char text[64];

	(void)state;
	expect_taken("GET /containers/json", &o);
	assert_false(o.order.all);
	for (size_t i = 0; i < 5; i++) {
		snprintf(text, sizeof(text), "GET /containers/json?all=%s", yes[i]);
		expect_taken(text, &o);
		assert_true(o.order.all);
		snprintf(text, sizeof(text), "GET /containers/json?all=%s", no[i]);
		expect_taken(text, &o);
		assert_false(o.order.all);
	}
	expect_refusal("GET /containers/json?all=11111111111111111111", 400, "all");
}

/* What a unit's own command line asks for must not wait for that unit. */
static void orders_say_who_must_not_wait(void **state)
{
	static const char *const paths[] = { "/containers/a/start", "/containers/a/stop",
					     "/containers/a/restart", "/cleat/v1/units/a/reload" };
	char text[128];
	struct outcome o;

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		snprintf(text, sizeof(text), "POST %s", paths[i]);
		expect_taken(text, &o);
		assert_false(o.order.no_wait);
		assert_string_equal(o.order.caller, "");
		snprintf(text, sizeof(text), "POST %s?nowait=1&caller=my%%20web", paths[i]);
		expect_taken(text, &o);
		assert_true(o.order.no_wait);
		assert_string_equal(o.order.caller, "my web");
	}
	snprintf(text, sizeof(text), "POST /containers/a/start?caller=%%zz");
	expect_refusal(text, 400, "caller");
	expect_refusal("POST /containers/a/kill?caller=b", 400, "caller");
}

static void stop_takes_seconds(void **state)
{
	struct outcome o;

	(void)state;
	expect_taken("POST /containers/web/stop", &o);
	assert_int_equal(o.order.stop_usec, USEC_NEVER);
	expect_taken("POST /containers/web/stop?t=", &o);
	assert_int_equal(o.order.stop_usec, USEC_NEVER);
	expect_taken("POST /containers/web/stop?t=-1", &o);
	assert_int_equal(o.order.stop_usec, USEC_NEVER);
	expect_taken("POST /containers/web/stop?t=0", &o);
	assert_int_equal(o.order.stop_usec, 0);
	expect_taken("POST /containers/web/restart?t=10", &o);
	assert_int_equal(o.order.stop_usec, 10 * USEC_SEC);
	expect_refusal("POST /containers/web/stop?t=x", 400, "t=x");
	expect_refusal("POST /containers/web/stop?t=1.5", 400, "seconds");
	expect_refusal("POST /containers/web/stop?t=-0", 400, "seconds");
	expect_refusal("POST /containers/web/stop?t=31536001", 400, "seconds");
	expect_refusal("POST /containers/web/stop?t=111111111111111111111111111", 400, "t:");
}

static void kill_never_falls_back_to_sigkill_for_a_signal_it_does_not_know(void **state)
{
	struct outcome o;

	(void)state;
	expect_taken("POST /containers/web/kill", &o);
	assert_int_equal(o.order.signal, 9);
	expect_taken("POST /containers/web/kill?signal=", &o);
	assert_int_equal(o.order.signal, 9);
	expect_taken("POST /containers/web/kill?signal=SIGTERM", &o);
	assert_int_equal(o.order.signal, 15);
	expect_taken("POST /containers/web/kill?signal=hup", &o);
	assert_int_equal(o.order.signal, 1);
	assert_false(o.order.all); /* podman's and docker's go to the first process */
	expect_taken("POST /containers/web/kill?signal=10&all=1", &o);
	assert_true(o.order.all);
	assert_int_equal(o.order.signal, 10);
	expect_refusal("POST /containers/web/kill?signal=FOO", 400, "signal FOO");
	expect_refusal("POST /containers/web/kill?signal=0", 400, "signal 0");
	expect_refusal("POST /containers/web/kill?signal=65", 400, "signal 65");
	expect_refusal("POST /containers/web/kill?signal=TERMTERMTERMTERMTERMTERMTERMTERM", 400,
		       "signal: the value");
	expect_refusal("POST /containers/web/kill?signal=%f", 400, "badly encoded");
}

static void expect_args(const char *query, const char *args)
{
	struct buf joined = BUF_INIT(1024);
	struct outcome o;
	char text[256];

	snprintf(text, sizeof(text), "GET /containers/web/logs?%s", query);
	expect_taken(text, &o);
	for (unsigned i = 0; i < o.order.log_args.count; i++)
		buf_printf(&joined, "%s%s", i ? " " : "", o.order.log_args.words[i]);
	assert_string_equal(buf_str(&joined), args);
	buf_fini(&joined);
}

static void log_queries_become_words(void **state)
{
	(void)state;
	expect_args("stdout=1&stderr=1", "--docker-frames");
	expect_args("stdout=1", "--docker-frames --no-stderr");
	expect_args("stderr=true", "--docker-frames --no-stdout");
	expect_args("stdout=1&stderr=1&follow=1&timestamps=1&tail=10",
		    "--docker-frames --follow --timestamps --tail=10");
	expect_args("stdout=1&stderr=1&tail=all&since=0&until=", "--docker-frames");
	expect_args("stdout=1&stderr=1&since=1700000000",
		    "--docker-frames --since=1700000000000000");
	expect_args("stdout=1&stderr=1&since=1700000000.5&until=1700000001.123456789",
		    "--docker-frames --since=1700000000500000 --until=1700000001123456");
	expect_args("stdout=1&stderr=1&since=0.000000000&tail=0", "--docker-frames --tail=0");
	expect_args(
		"stdout=1&follow=1&timestamps=1&tail=18446744073709551615&since=253402300799.999999999&until=253402300799",
		"--docker-frames --follow --timestamps --no-stderr --tail=18446744073709551615 "
		"--since=253402300799999999 --until=253402300799000000");
}

static void bad_log_queries_are_refused(void **state)
{
	(void)state;
	expect_refusal("GET /containers/web/logs", 400, "at least one stream");
	expect_refusal("GET /containers/web/logs?stdout=0", 400, "at least one stream");
	expect_refusal("GET /containers/web/logs?stdout=1&tail=x", 400, "tail=x");
	expect_refusal("GET /containers/web/logs?stdout=1&tail=-1", 400, "tail=-1");
	expect_refusal("GET /containers/web/logs?stdout=1&tail=18446744073709551616", 400, "tail=");
	expect_refusal("GET /containers/web/logs?stdout=1&since=yesterday", 400, "since=yesterday");
	expect_refusal("GET /containers/web/logs?stdout=1&since=1.", 400, "since=1.");
	expect_refusal("GET /containers/web/logs?stdout=1&since=1.1234567890", 400, "since");
	expect_refusal("GET /containers/web/logs?stdout=1&since=1.5x", 400, "since");
	expect_refusal("GET /containers/web/logs?stdout=1&until=253402300800", 400, "until");
	expect_refusal("GET /containers/web/logs?stdout=1&until=-5", 400, "until");
	expect_refusal("GET /containers/web/logs?stdout=1&details=1", 400, "\"details\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_reached_with_and_without_a_version),
		cmocka_unit_test(names_are_one_decoded_segment),
		cmocka_unit_test(unknown_paths_are_named),
		cmocka_unit_test(wrong_methods_are_told_the_right_ones),
		cmocka_unit_test(parameters_that_would_be_left_out_are_refused),
		cmocka_unit_test(list_takes_dockers_idea_of_true),
		cmocka_unit_test(orders_say_who_must_not_wait),
		cmocka_unit_test(stop_takes_seconds),
		cmocka_unit_test(kill_never_falls_back_to_sigkill_for_a_signal_it_does_not_know),
		cmocka_unit_test(log_queries_become_words),
		cmocka_unit_test(bad_log_queries_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
