/* SPDX-License-Identifier: Apache-2.0 */
/* Request heads: what is taken, what is refused and with which status, however the bytes arrive. */
#include "unit_test.h"

#include "util/http.h"
#include "util/str.h"

static struct http_request request;
static int status;
static struct err err;

static enum http_parse parse_n(const char *data, size_t len)
{
	status = 0;
	memset(&err, 0, sizeof(err));
	return http_parse(data, len, &request, &status, &err);
}

static enum http_parse parse(const char *text)
{
	return parse_n(text, strlen(text));
}

static void assert_refused_n(const char *data, size_t len, int wanted, const char *why)
{
	assert_int_equal(parse_n(data, len), HTTP_PARSE_BAD);
	assert_int_equal(status, wanted);
	assert_int_equal(err.code, ERR_INPUT);
	if (!strstr(err.msg, why))
		fail_msg("\"%s\" does not say \"%s\"", err.msg, why);
}

static void assert_refused(const char *text, int wanted, const char *why)
{
	assert_refused_n(text, strlen(text), wanted, why);
}

#define HOST "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST

static void a_whole_request(void **state)
{
	const char *text =
		"GET /status/a%20b?format=text&x HTTP/1.1\r\n"
		"Host: box:25328\r\nUser-Agent: curl/8\r\nX-Odd:\t two words \t\r\n\r\nNEXT";

	(void)state;
	assert_int_equal(parse(text), HTTP_PARSE_DONE);
	assert_string_equal(request.method, "GET");
	assert_string_equal(request.path, "/status/a b");
	assert_string_equal(request.query, "format=text&x");
	assert_int_equal(request.minor, 1);
	assert_true(request.keep_alive);
	assert_int_equal(request.header_count, 3);
	assert_string_equal(http_header(&request, "host"), "box:25328");
	assert_string_equal(http_header(&request, "x-odd"), "two words");
	assert_null(http_header(&request, "accept"));
	assert_int_equal(request.head_length, strlen(text) - 4);
	assert_int_equal(request.content_length, 0);
}

static void bare_line_feeds_end_lines_too(void **state)
{
	(void)state;
	assert_int_equal(parse("HEAD /livez HTTP/1.1\nHost: a\n\n"), HTTP_PARSE_DONE);
	assert_string_equal(request.method, "HEAD");
	assert_string_equal(http_header(&request, "host"), "a");
	assert_int_equal(request.head_length, 30);
}

static void one_empty_line_may_come_first(void **state)
{
	(void)state;
	assert_int_equal(parse("\r\n" GET "\r\n"), HTTP_PARSE_DONE);
	assert_int_equal(request.head_length, strlen("\r\n" GET "\r\n"));
	assert_int_equal(parse("\n" GET "\r\n"), HTTP_PARSE_DONE);
	assert_string_equal(request.path, "/");
	assert_refused("\r\n\r\n" GET "\r\n", 400, "no HTTP");
	assert_refused("\n\n", 400, "no HTTP");
}

static void the_input_is_left_alone_and_can_be_parsed_again(void **state)
{
	char text[] = "POST /x HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhel",
	     before[sizeof(text)];

	(void)state;
	memcpy(before, text, sizeof(text));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(parse(text), HTTP_PARSE_DONE);
		assert_int_equal(request.content_length, 5);
		assert_string_equal(request.method, "POST");
	}
	assert_memory_equal(text, before, sizeof(text));
}

static void whatever_drips_in_is_the_same(void **state)
{
	static const struct {
		const char *text;
		enum http_parse result;
		int status;
	} cases[] = {
		{ GET "Connection: close\r\n\r\n", HTTP_PARSE_DONE, 0 },
		{ "\r\n" GET "\r\n", HTTP_PARSE_DONE, 0 },
		{ "GET / HTTP/1.0\n\n", HTTP_PARSE_DONE, 0 },
		{ "GET / HTTP/3.0\r\n" HOST "\r\n", HTTP_PARSE_BAD, 505 },
		{ GET "No colon\r\n\r\n", HTTP_PARSE_BAD, 400 },
	};

	(void)state;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		size_t len = strlen(cases[c].text);

		for (size_t n = 0; n < len; n++) {
			memset(&request, 0x5a, sizeof(request));
			assert_int_equal(parse_n(cases[c].text, n), HTTP_PARSE_MORE);
			assert_int_equal(request.minor, 0x5a5a5a5a);
		}
		assert_int_equal(parse_n(cases[c].text, len), cases[c].result);
		assert_int_equal(status, cases[c].status);
	}
}

static void what_is_no_http_is_said_at_the_first_byte(void **state)
{
	(void)state;
	assert_refused_n("\x16\x03\x01\x02", 4, 400, "https://");
	assert_refused_n("\0", 1, 400, "no HTTP");
	assert_refused_n("\rG", 2, 400, "no HTTP");
	assert_int_equal(parse_n("\r", 1), HTTP_PARSE_MORE);
	assert_int_equal(parse_n("", 0), HTTP_PARSE_MORE);
}

static void request_lines_that_are_none(void **state)
{
	(void)state;
	assert_refused("GET\r\n\r\n", 400, "METHOD TARGET VERSION");
	assert_refused("GET /\r\n\r\n", 400, "METHOD TARGET VERSION");
	assert_refused("GET / FTP/1.1\r\n\r\n", 400, "no HTTP version");
	assert_refused("GET  / HTTP/1.1\r\n\r\n", 400, "no HTTP version");
	assert_refused("GET / HTTP/1.1 \r\n\r\n", 505, "HTTP/1.1");
	assert_refused("GET / HTTP/2.0\r\n\r\n", 505, "HTTP/1.1");
	assert_refused("G(T / HTTP/1.1\r\n" HOST "\r\n", 400, "method");
	assert_refused("GET /\tx HTTP/1.1\r\n" HOST "\r\n", 400, "path");
}

static void control_bytes_are_refused(void **state)
{
	static const char nul[] = GET "X: a\0b\r\n\r\n";

	(void)state;
	assert_refused_n(nul, sizeof(nul) - 1, 400, "NUL");
	assert_refused(GET "X: a\rb\r\n\r\n", 400, "control byte");
	assert_refused(GET "X: a\r\r\n\r\n", 400, "control byte");
	assert_refused(GET "X: \x1b[2J\r\n\r\n", 400, "control byte");
	assert_refused(GET "X: \x7f\r\n\r\n", 400, "control byte");
}

static void headers_that_two_readers_could_understand_differently(void **state)
{
	(void)state;
	assert_refused(GET "X : a\r\n\r\n", 400, "token");
	assert_refused(GET ": a\r\n\r\n", 400, "token");
	assert_refused(GET "X: a\r\n folded\r\n\r\n", 400, "colon");
	assert_refused(GET "X: a\r\n fol:ded\r\n\r\n", 400, "token");
	assert_refused(GET "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400, "Content-Length");
	assert_refused(GET "Content-Length: 1, 1\r\n\r\n", 400, "Content-Length");
	assert_refused(GET "Content-Length: +1\r\n\r\n", 400, "Content-Length");
	assert_refused(GET "Content-Length:\r\n\r\n", 400, "Content-Length");
	assert_refused(GET "Content-Length: 99999999999999999999999\r\n\r\n", 400,
		       "Content-Length");
	assert_refused(GET "Transfer-Encoding: chunked\r\n\r\n", 501, "Content-Length");
	assert_refused(GET "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 501,
		       "transfer");
	assert_refused(GET "Host: b\r\n\r\n", 400, "more than one Host");
}

static void host_is_demanded_of_http_1_1_only(void **state)
{
	(void)state;
	assert_refused("GET / HTTP/1.1\r\n\r\n", 400, "without Host");
	assert_int_equal(parse("GET / HTTP/1.1\r\nHost:\r\n\r\n"), HTTP_PARSE_DONE);
	assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n"), HTTP_PARSE_DONE);
	assert_int_equal(request.minor, 0);
}

static void bodies_up_to_a_bound(void **state)
{
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), GET "Content-Length: %d\r\n\r\n", HTTP_MAX_BODY);
	assert_int_equal(parse(text), HTTP_PARSE_DONE);
	assert_int_equal(request.content_length, HTTP_MAX_BODY);
	snprintf(text, sizeof(text), GET "Content-Length: %d\r\n\r\n", HTTP_MAX_BODY + 1);
	assert_refused(text, 413, "too large");
	assert_refused(GET "Content-Length: 18446744073709551615\r\n\r\n", 413, "too large");
}

/* GET with one header that makes the head as long as wanted. */
static void head_of(char *out, size_t length)
{
	size_t used = (size_t)snprintf(out, length, GET "X: ");

	memset(out + used, 'x', length - used - 4);
	memcpy(out + length - 4, "\r\n\r\n", 4);
}

static void heads_up_to_a_bound(void **state)
{
	static char text[HTTP_MAX_HEAD + 64];

	(void)state;
	head_of(text, HTTP_MAX_HEAD);
	assert_int_equal(parse_n(text, HTTP_MAX_HEAD), HTTP_PARSE_DONE);
	assert_int_equal(request.head_length, HTTP_MAX_HEAD);
	assert_int_equal(parse_n(text, HTTP_MAX_HEAD - 1), HTTP_PARSE_MORE);
	head_of(text, HTTP_MAX_HEAD + 1);
	assert_refused_n(text, HTTP_MAX_HEAD + 1, 431, "too long");
	assert_refused_n(text, HTTP_MAX_HEAD, 431, "too long");
	assert_int_equal(parse_n(text, HTTP_MAX_HEAD - 1), HTTP_PARSE_MORE);
}

static void header_lines_up_to_a_bound(void **state)
{
	char text[4096];
	size_t used = (size_t)snprintf(text, sizeof(text), GET);

	(void)state;
	for (int i = 1; i < HTTP_MAX_HEADERS; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "X%d: %d\r\n", i, i);
	snprintf(text + used, sizeof(text) - used, "\r\n");
	assert_int_equal(parse(text), HTTP_PARSE_DONE);
	assert_int_equal(request.header_count, HTTP_MAX_HEADERS);
	assert_string_equal(http_header(&request, "x63"), "63");
	snprintf(text + used, sizeof(text) - used, "Last: straw\r\n\r\n");
	assert_refused(text, 431, "too many");
}

static void parse_path(const char *target)
{
	char text[2048];

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HOST "\r\n", target);
	parse(text);
}

static void paths_are_decoded(void **state)
{
	(void)state;
	parse_path("/a%2Fb/%c3%a4+~");
	assert_string_equal(request.path, "/a/b/\xc3\xa4+~");
	parse_path("/a..b/..c/...");
	assert_string_equal(request.path, "/a..b/..c/...");
	assert_string_equal(request.query, "");
	parse_path("/?a?b");
	assert_string_equal(request.path, "/");
	assert_string_equal(request.query, "a?b");
}

static void an_authority_before_the_path_is_dropped(void **state)
{
	(void)state;
	parse_path("http://box:25328/livez?verbose");
	assert_string_equal(request.path, "/livez");
	assert_string_equal(request.query, "verbose");
	parse_path("HTTP://box");
	assert_string_equal(request.path, "/");
	parse_path("http://box?a=b");
	assert_string_equal(request.path, "/");
	assert_string_equal(request.query, "a=b");
	parse_path("http://");
	assert_string_equal(request.path, "/");
}

static void paths_that_are_refused(void **state)
{
	static const char *const bad[] = {
		"x",	   "*",	   "/a/../b",	"/..",	       "/%2e%2e/x", "/a%2f..",
		"/%",	   "/%4",  "/%zz",	"/%0g",	       "/a%00b",    "/a%0a",
		"/%1b[2J", "/%7f", "ftp://a/b", "https://a/b",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		parse_path(bad[i]);
		if (status != 400 || !strstr(err.msg, "path"))
			fail_msg("%s: status %d, %s", bad[i], status, err.msg);
	}
}

static void paths_up_to_a_bound(void **state)
{
	char target[1100];

	(void)state;
	memset(target, 'a', sizeof(target));
	target[0] = '/';
	target[1023] = '\0';
	parse_path(target);
	assert_int_equal(status, 0);
	assert_int_equal(strlen(request.path), 1023);
	target[1023] = 'a';
	target[1024] = '\0';
	parse_path(target);
	assert_int_equal(status, 414);
}

static bool keeps(const char *version, const char *lines)
{
	char text[512];

	snprintf(text, sizeof(text), "GET / HTTP/%s\r\n" HOST "%s\r\n", version, lines);
	assert_int_equal(parse(text), HTTP_PARSE_DONE);
	return request.keep_alive;
}

static void connections_are_kept_as_asked(void **state)
{
	(void)state;
	assert_true(keeps("1.1", ""));
	assert_false(keeps("1.0", ""));
	assert_false(keeps("1.1", "Connection: close\r\n"));
	assert_false(keeps("1.1", "Connection: TE , Close\r\nTE: trailers\r\n"));
	assert_false(keeps("1.1", "Connection: close\r\nConnection: keep-alive\r\n"));
	assert_true(keeps("1.1", "Connection: closed\r\n"));
	assert_true(keeps("1.0", "Connection: Keep-Alive\r\n"));
	assert_true(keeps("1.0", "Connection: te,keep-alive\r\n"));
	assert_false(keeps("1.0", "Connection: keep-alive, close\r\n"));
}

static void query_parameters(void **state)
{
	char out[8] = "before";

	(void)state;
	parse_path("/?verbose&name=a%20b+c&empty=&long=123456789&bad=%zz&vv=1");
	assert_true(http_query(&request, "verbose", out, sizeof(out)));
	assert_string_equal(out, "");
	assert_true(http_query(&request, "name", out, sizeof(out)));
	assert_string_equal(out, "a b c");
	assert_true(http_query(&request, "empty", out, sizeof(out)));
	assert_string_equal(out, "");
	assert_true(http_query(&request, "vv", out, sizeof(out)));
	assert_string_equal(out, "1");
	assert_false(http_query(&request, "long", out, sizeof(out)));
	assert_false(http_query(&request, "bad", out, sizeof(out)));
	assert_false(http_query(&request, "v", out, sizeof(out)));
	assert_false(http_query(&request, "absent", out, sizeof(out)));
	parse_path("/");
	assert_false(http_query(&request, "verbose", out, sizeof(out)));
}

static bool wants_text(const char *lines)
{
	char text[512];

	snprintf(text, sizeof(text), GET "%s\r\n", lines);
	assert_int_equal(parse(text), HTTP_PARSE_DONE);
	return http_wants_text(&request);
}

static void the_accepted_format(void **state)
{
	(void)state;
	assert_false(wants_text(""));
	assert_false(wants_text("Accept: */*\r\n"));
	assert_false(wants_text("Accept:\r\n"));
	assert_false(wants_text("Accept: application/json\r\n"));
	assert_false(wants_text("Accept: text/csv\r\n"));
	assert_false(wants_text("Accept: image/png, application/*\r\n"));
	assert_true(wants_text("Accept: text/plain\r\n"));
	assert_true(wants_text("Accept: TEXT/Plain ; charset=utf-8\r\n"));
	assert_true(wants_text("Accept: text/*\r\n"));
	assert_true(wants_text(
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"));
	assert_true(wants_text("Accept: */*, text/plain\r\n"));
	assert_true(wants_text("Accept: text/plain, application/json\r\n"));
	assert_true(wants_text("Accept: text/plain\r\nAccept: application/json\r\n"));
	assert_true(wants_text("Accept: application/json;q=0.5, text/plain\r\n"));
	assert_true(wants_text("Accept: application/json;q=0, text/plain; q=0.001\r\n"));
	assert_false(wants_text("Accept: application/json, text/plain, */*\r\n"));
	assert_false(wants_text("Accept: text/plain;q=0.4, application/json;q=0.5\r\n"));
	assert_false(wants_text("Accept: text/plain;q=0.1, */*;q=0.9\r\n"));
	assert_false(wants_text("Accept: text/plain;q=0\r\n"));
	assert_true(wants_text("Accept: text/plain;q=1.0;x=y, application/json;q=0.999\r\n"));
	assert_false(wants_text("Accept: text/plain;q=nonsense, application/json;q=0.9\r\n"));
}

static void heads_of_responses(void **state)
{
	struct buf out = BUF_INIT(1024);

	(void)state;
	http_response_head(&out, 200, "text/plain", 3, true, "Allow: GET\r\n");
	assert_string_equal(out.data,
			    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n"
			    "Connection: keep-alive\r\nAllow: GET\r\n\r\n");
	buf_clear(&out);
	http_response_head(&out, 503, "text/plain", SIZE_MAX, false, "");
	assert_string_equal(
		out.data,
		"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n");
	buf_clear(&out);
	http_response_head(&out, 204, "text/plain", 0, true, "");
	assert_string_equal(out.data, "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n");
	buf_fini(&out);
}

static void every_refusal_has_a_name(void **state)
{
	static const int used[] = { 200, 204, 304, 400, 404, 405, 408, 409,
				    413, 414, 431, 500, 501, 503, 505 };

	(void)state;
	for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++)
		assert_string_not_equal(http_status_text(used[i]), "Unknown");
	assert_string_equal(http_status_text(299), "Unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_request),
		cmocka_unit_test(bare_line_feeds_end_lines_too),
		cmocka_unit_test(one_empty_line_may_come_first),
		cmocka_unit_test(the_input_is_left_alone_and_can_be_parsed_again),
		cmocka_unit_test(whatever_drips_in_is_the_same),
		cmocka_unit_test(what_is_no_http_is_said_at_the_first_byte),
		cmocka_unit_test(request_lines_that_are_none),
		cmocka_unit_test(control_bytes_are_refused),
		cmocka_unit_test(headers_that_two_readers_could_understand_differently),
		cmocka_unit_test(host_is_demanded_of_http_1_1_only),
		cmocka_unit_test(bodies_up_to_a_bound),
		cmocka_unit_test(heads_up_to_a_bound),
		cmocka_unit_test(header_lines_up_to_a_bound),
		cmocka_unit_test(paths_are_decoded),
		cmocka_unit_test(an_authority_before_the_path_is_dropped),
		cmocka_unit_test(paths_that_are_refused),
		cmocka_unit_test(paths_up_to_a_bound),
		cmocka_unit_test(connections_are_kept_as_asked),
		cmocka_unit_test(query_parameters),
		cmocka_unit_test(the_accepted_format),
		cmocka_unit_test(heads_of_responses),
		cmocka_unit_test(every_refusal_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
