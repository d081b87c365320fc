/* SPDX-License-Identifier: Apache-2.0 */
/* What the routes answer: JSON read back, the text for people, what is not there. */
#include "unit_test.h"

#include <yyjson.h>

#include "status_test.h"

/* A unit with something in every field. */
static struct published_unit full_unit(void)
{
	struct published_unit u = fixture_unit("web");

	u.state = PUBLISHED_BACKOFF;
	u.health = PUBLISHED_UNHEALTHY;
	u.operator_fault = 1;
	u.exit_code = 137;
	u.exit_signal = 9;
	u.oom_killed = 1;
	u.restarts = 7;
	u.probe_failures = 3;
	u.log_dropped_lines = UINT64_C(1) << 40;
	u.next_monotonic_usec = clock_now_usec() + 5 * USEC_SEC;
	snprintf(u.detail, sizeof(u.detail), "said \"no\" \x1b[31m");
	snprintf(u.notes, sizeof(u.notes), "PublishPort: noted\nMemory: not enforced");
	snprintf(u.ports, sizeof(u.ports), "8000/tcp 53/udp");
	snprintf(u.probe_output, sizeof(u.probe_output), "curl: (7)");
	u.lost = 2;
	return u;
}

static struct published_header full_header(pid_t engine)
{
	struct published_header h = fixture_header(engine);

	h.boot_real_usec = clock_real_usec() - 90 * INT64_C(1000000);
	h.data_state = 1;
	h.note_count = 2;
	h.notes[0].level = 2;
	snprintf(h.notes[0].text, sizeof(h.notes[0].text), "/data is read-only");
	h.notes[1].level = 0;
	snprintf(h.notes[1].text, sizeof(h.notes[1].text), "no Landlock");
	h.finding_count = 2;
	h.host_kind = 1;
	h.host_tried = 1;
	h.allowed_losses = 1;
	h.findings[0].level = 3;
	snprintf(h.findings[0].id, sizeof(h.findings[0].id), "private-proc");
	snprintf(h.findings[0].evidence, sizeof(h.findings[0].evidence), "proc: mount: no");
	h.findings[1].level = 2;
	snprintf(h.findings[1].id, sizeof(h.findings[1].id), "of-a-newer-engine");
	snprintf(h.findings[1].evidence, sizeof(h.findings[1].evidence), "something else");
	return h;
}

static yyjson_doc *parse_body(struct answer *a)
{
	yyjson_read_err problem;
	yyjson_doc *doc = yyjson_read_opts(a->body.data, a->body.len, 0, NULL, &problem);

	if (!doc)
		fail_msg("%s at %zu in:\n%s", problem.msg, problem.pos, buf_str(&a->body));
	buf_fini(&a->body);
	return doc;
}

static yyjson_val *at(yyjson_doc *doc, const char *pointer)
{
	yyjson_val *value = yyjson_doc_ptr_get(doc, pointer);

	if (!value)
		fail_msg("no %s", pointer);
	return value;
}

static void assert_str(yyjson_doc *doc, const char *pointer, const char *wanted)
{
	yyjson_val *value = at(doc, pointer);

	if (!yyjson_equals_str(value, wanted))
		fail_msg("%s is \"%s\", not \"%s\"", pointer, yyjson_get_str(value), wanted);
}

static void assert_num(yyjson_doc *doc, const char *pointer, int64_t wanted)
{
	assert_true(yyjson_is_int(at(doc, pointer)));
	assert_int_equal(yyjson_get_sint(at(doc, pointer)), wanted);
}

static void assert_bool(yyjson_doc *doc, const char *pointer, bool wanted)
{
	assert_true(yyjson_is_bool(at(doc, pointer)));
	assert_int_equal(yyjson_get_bool(at(doc, pointer)), wanted);
}

static void assert_null_at(yyjson_doc *doc, const char *pointer)
{
	assert_true(yyjson_is_null(at(doc, pointer)));
}

static void the_appliance_as_json(void **state)
{
	struct fixture *f = *state;
	struct published_header h = full_header(f->engine);
	struct published_unit u = full_unit();
	struct answer a;
	char value[256];
	yyjson_doc *doc;
	int64_t up;

	published_put_header(f->writer, &h);
	fixture_put(f, 0, &u);
	a = get(f, "/status");
	assert_int_equal(a.status, 200);
	assert_string_equal(answer_header(&a, "Content-Type", value), "application/json");
	assert_string_equal(answer_header(&a, "Cache-Control", value), "no-store");
	assert_string_equal(answer_header(&a, "X-Content-Type-Options", value), "nosniff");
	assert_string_equal(answer_header(&a, "Vary", value), "Accept");
	assert_contains(answer_header(&a, "Date", value), " GMT");
	doc = parse_body(&a);
	assert_str(doc, "/version", "1.2.3");
	assert_str(doc, "/hostname", "box");
	assert_str(doc, "/boot_id", h.boot_id);
	assert_str(doc, "/data", "read-only");
	assert_bool(doc, "/settled", true);
	assert_bool(doc, "/draining", false);
	assert_bool(doc, "/ready", false);
	assert_num(doc, "/engine/pid", f->engine);
	assert_bool(doc, "/engine/alive", true);
	assert_str(doc, "/engine/started", "2026-03-01T09:08:07.654Z");
	assert_null_at(doc, "/engine/gone_since");
	assert_str(doc, "/notes/0/level", "error");
	assert_str(doc, "/notes/0/text", "/data is read-only");
	assert_str(doc, "/notes/1/level", "note");
	assert_str(doc, "/host/kind", "proxmox");
	assert_bool(doc, "/host/tried", true);
	assert_str(doc, "/host/allowed_losses/0", "private-proc");
	assert_int_equal(yyjson_arr_size(at(doc, "/host/findings")), 2);
	assert_str(doc, "/host/findings/0/id", "private-proc");
	assert_str(doc, "/host/findings/0/level", "limited");
	assert_str(doc, "/host/findings/0/evidence", "proc: mount: no");
	assert_str(doc, "/host/findings/0/loss",
		   "containers see the appliance's /proc, as appliance.ini allows");
	assert_str(doc, "/host/findings/0/remedy",
		   "pct set ID --features nesting=1; pct reboot ID");
	assert_str(doc, "/host/findings/1/id", "of-a-newer-engine");
	assert_str(doc, "/host/findings/1/remedy", "");
	assert_int_equal(yyjson_arr_size(at(doc, "/reasons")), 2);
	assert_str(doc, "/reasons/0", "appliance: /data is read-only");
	assert_str(doc, "/reasons/1", "unit web: backoff: said \"no\" \x1b[31m");
	/* the header was read when the server started: the boot of that header counts */
	up = yyjson_get_sint(at(doc, "/uptime_seconds"));
	assert_in_range(up, 3600, 3600 + PATIENCE_MSEC / 1000);
	yyjson_doc_free(doc);
}

static void check_unit(yyjson_doc *doc, const char *base)
{
	static const char *const strings[][2] = {
		{ "name", "web" },
		{ "unit", "web.container" },
		{ "source", "/config/units/web.container" },
		{ "state", "backoff" },
		{ "health", "unhealthy" },
		{ "detail", "said \"no\" \x1b[31m" },
		{ "since", "2026-03-01T09:08:08.654Z" },
		{ "started", "2026-03-01T09:08:08.154Z" },
		{ "run_id", "0123456789ab" },
		{ "image", "localhost/app:1" },
		{ "image_digest", "sha256:00" },
		{ "probe/output", "curl: (7)" },
		{ "ports/0", "8000/tcp" },
		{ "ports/1", "53/udp" },
		{ "lost_isolation/0", "private-sys" },
		{ "notes/0", "PublishPort: noted" },
		{ "notes/1", "Memory: not enforced" },
	};
	static const struct {
		const char *name;
		int64_t value;
	} numbers[] = {
		{ "pid", 4711 },	 { "exit/code", 137 },
		{ "exit/signal", 9 },	 { "restarts", 7 },
		{ "probe/failures", 3 }, { "log_dropped_lines", INT64_C(1) << 40 },
	};
	char pointer[64];

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		snprintf(pointer, sizeof(pointer), "%s/%s", base, strings[i][0]);
		assert_str(doc, pointer, strings[i][1]);
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		snprintf(pointer, sizeof(pointer), "%s/%s", base, numbers[i].name);
		assert_num(doc, pointer, numbers[i].value);
	}
}

static void a_unit_as_json(void **state)
{
	static const char *const names[] = { "/status/web", "/status/web.container",
					     "/status/web.service", "/status/w%65b" };
	struct fixture *f = *state;
	struct published_unit u = full_unit();
	struct answer a;
	yyjson_doc *doc;

	fixture_put(f, 0, &u);
	a = get(f, "/status");
	doc = parse_body(&a);
	assert_int_equal(yyjson_arr_size(at(doc, "/units")), 1);
	check_unit(doc, "/units/0");
	yyjson_doc_free(doc);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		a = get(f, names[i]);
		assert_int_equal(a.status, 200);
		doc = parse_body(&a);
		check_unit(doc, "");
		assert_bool(doc, "/wanted", true);
		assert_bool(doc, "/boot", true);
		assert_bool(doc, "/operator_fault", true);
		assert_bool(doc, "/ready", false);
		assert_bool(doc, "/exit/oom_killed", true);
		assert_contains(yyjson_get_str(at(doc, "/next_start")), "T");
		yyjson_doc_free(doc);
	}
}

static void what_is_not_known_is_null(void **state)
{
	struct fixture *f = *state;
	struct published_unit u = { .exit_code = -1, .name = "idle" };
	struct answer a;
	yyjson_doc *doc;

	u.state = PUBLISHED_DOWN;
	fixture_put(f, 0, &u);
	a = get(f, "/status/idle");
	doc = parse_body(&a);
	assert_str(doc, "/health", "none");
	assert_str(doc, "/image", "");
	assert_null_at(doc, "/pid");
	assert_null_at(doc, "/since");
	assert_null_at(doc, "/started");
	assert_null_at(doc, "/next_start");
	assert_null_at(doc, "/exit/code");
	assert_null_at(doc, "/exit/signal");
	assert_bool(doc, "/exit/oom_killed", false);
	assert_bool(doc, "/ready", true);
	assert_int_equal(yyjson_arr_size(at(doc, "/ports")), 0);
	assert_int_equal(yyjson_arr_size(at(doc, "/notes")), 0);
	yyjson_doc_free(doc);
	fixture_end_engine(f);
	a = get(f, "/status");
	doc = parse_body(&a);
	assert_bool(doc, "/engine/alive", false);
	assert_null_at(doc, "/engine/pid");
	assert_contains(yyjson_get_str(at(doc, "/engine/gone_since")), "T");
	assert_contains(yyjson_get_str(at(doc, "/reasons/0")), "engine: ");
	yyjson_doc_free(doc);
}

/* Every byte of every text is one that JSON escapes to six, in as many units as there can be. */
static void the_largest_appliance_is_answered(void **state)
{
	struct fixture *f = *state;
	struct published_unit u = {
		.exit_code = -1, .wanted = 1, .boot_start = 1, .state = PUBLISHED_FAILED
	};
	struct answer a;
	yyjson_doc *doc;

	memset(u.unit, 1, sizeof(u.unit));
	memset(u.image, 1, sizeof(u.image));
	memset(u.detail, 1, sizeof(u.detail));
	memset(u.notes, 1, sizeof(u.notes));
	memset(u.ports, 1, sizeof(u.ports));
	memset(u.source, 1, sizeof(u.source));
	memset(u.probe_output, 1, sizeof(u.probe_output));
	for (unsigned i = 0; i < PUBLISHED_MAX_UNITS; i++) {
		snprintf(u.name, sizeof(u.name), "unit-%u", i);
		fixture_put(f, i, &u);
	}
	a = get(f, "/status");
	assert_int_equal(a.status, 200);
	assert_true(a.body.len > 10 * 1024 * 1024);
	doc = parse_body(&a);
	assert_int_equal(yyjson_arr_size(at(doc, "/units")), PUBLISHED_MAX_UNITS);
	assert_int_equal(yyjson_arr_size(at(doc, "/reasons")), PUBLISHED_MAX_UNITS);
	yyjson_doc_free(doc);
	a = get(f, "/status/unit-1023");
	assert_int_equal(a.status, 200);
	yyjson_doc_free(parse_body(&a));
	assert_get(f, "/status?format=text", 200, "unit-1023");
	assert_get(f, "/readyz?verbose", 503, "[-]unit unit-1023 failed");
}

static void a_rendering_is_made_once_a_generation(void **state)
{
	struct fixture *f = *state;
	struct published_unit u = fixture_unit("web");
	const char *made;

	fixture_put(f, 0, &u);
	assert_get(f, "/status", 200, "\"restarts\": 0");
	made = f->server->pages[STATUS_PAGE_JSON]->body.data;
	f->server->pages[STATUS_PAGE_JSON]->body.data[10] = 'Q';
	assert_get(f, "/status", 200, "Q");
	u.restarts = 1;
	fixture_put(f, 0, &u);
	assert_get(f, "/status", 200, "\"restarts\": 1");
	/* in the same memory */
	assert_ptr_equal(f->server->pages[STATUS_PAGE_JSON]->body.data, made);
	assert_int_equal(f->server->page_count, 1);
}

static void the_appliance_for_people(void **state)
{
	struct fixture *f = *state;
	struct published_header h = full_header(f->engine);
	struct published_unit u = full_unit(), plain = fixture_unit("a-much-longer-name");
	struct answer a;
	char value[256];

	published_put_header(f->writer, &h);
	fixture_put(f, 0, &u);
	plain.exit_code = 0;
	plain.image[0] = '\0';
	snprintf(plain.detail, sizeof(plain.detail), "running");
	fixture_put(f, 1, &plain);
	a = get_with(f, "/status", "Accept: text/plain\r\n");
	assert_string_equal(answer_header(&a, "Content-Type", value), "text/plain; charset=utf-8");
	assert_string_equal(
		buf_str(&a.body),
		"box: cleat 1.2.3, up 60 min, not ready\n"
		"not ready: appliance: /data is read-only\n"
		"not ready: unit web: backoff: said \"no\" \\x1b[31m\n"
		"error: /data is read-only\n"
		"note: no Landlock\n"
		"host: limited: private-proc: containers see the appliance's /proc, as appliance.ini allows: proc: mount: no; "
		"to change it: pct set ID --features nesting=1; pct reboot ID\n"
		"host: note: of-a-newer-engine: something else\n"
		"\n"
		"NAME                STATE    HEALTH     SINCE                 RESTARTS  IMAGE\n"
		"web                 backoff  unhealthy  2026-03-01T09:08:08Z  7         localhost/app:1\n"
		"a-much-longer-name  up       healthy    2026-03-01T09:08:08Z  0         -\n"
		"\n"
		"web\n"
		"  why       said \"no\" \\x1b[31m\n"
		"  probe     failed 3 times in a row: curl: (7)\n"
		"  last exit signal 9 (out of memory)\n"
		"  dropped   1099511627776 log lines\n"
		"  note      PublishPort: noted\n"
		"  note      Memory: not enforced\n");
	buf_fini(&a.body);
	assert_get(f, "/status?format=text", 200, "box: cleat 1.2.3, up");
	a = get_with(f, "/status?format=json", "Accept: text/html\r\n");
	assert_int_equal(a.body.data[0], '{');
	buf_fini(&a.body);
}

static void an_appliance_without_units_for_people(void **state)
{
	assert_get(*state, "/status?format=text", 200, "RESTARTS  IMAGE\nno units\n");
}

static void a_unit_for_people(void **state)
{
	struct fixture *f = *state;
	struct published_unit u = full_unit();

	u.exit_signal = 0;
	u.oom_killed = 0;
	fixture_put(f, 0, &u);
	assert_get(f, "/status/web?format=text", 200,
		   "web\n"
		   "  state     backoff\n"
		   "  health    unhealthy\n"
		   "  since     2026-03-01T09:08:08Z\n"
		   "  restarts  7\n"
		   "  image     localhost/app:1\n"
		   "  digest    sha256:00\n"
		   "  unit      /config/units/web.container\n"
		   "  ports     8000/tcp 53/udp\n"
		   "  pid       4711\n"
		   "  why       said \"no\" \\x1b[31m\n"
		   "  probe     failed 3 times in a row: curl: (7)\n"
		   "  last exit code 137\n");
}

static void the_list_of_routes(void **state)
{
	struct fixture *f = *state;

	assert_get(f, "/", 200, "/livez  ");
	assert_get(f, "/", 200, "/status/NAME  ");
	assert_get(f, "/nothing", 404, "/readyz  ");
	assert_get(f, "/livez/", 404, "there is nothing here");
	assert_get(f, "/status/a/b", 404, "/status/NAME  ");
	assert_get(f, "/status/", 200, "\"units\"");
}

static void a_unit_that_is_not_there(void **state)
{
	struct fixture *f = *state;
	struct published_unit u = fixture_unit("web");

	fixture_put(f, 0, &u);
	u.unit[0] = '\0';
	snprintf(u.name, sizeof(u.name), "without-file");
	fixture_put(f, 1, &u);
	assert_get(f, "/status/wob", 404,
		   "{\"message\":\"no unit \\\"wob\\\"; /status lists them\"}\n");
	assert_get(f, "/status/we", 404, NULL);
	assert_get(f, "/status/.service", 404, NULL);
	assert_get(f, "/status/w%C2%9B?format=text", 404,
		   "no unit \"w\\xc2\\x9b\"; /status lists them\n");
}

static void a_format_that_is_not_there(void **state)
{
	struct fixture *f = *state;

	assert_get(f, "/status?format=xml", 400, "format is json or text");
	assert_get(f, "/status/web?format=yaml", 400, "format is json or text");
}

static void only_reading(void **state)
{
	static const char *const methods[] = { "POST", "PUT", "DELETE", "OPTIONS", "get", "TRACE" };
	struct fixture *f = *state;
	char text[128], value[256];

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		struct answer a;

		snprintf(text, sizeof(text), "%s /status HTTP/1.1\r\nHost: box\r\n\r\n",
			 methods[i]);
		a = ask(f, text);
		assert_int_equal(a.status, 405);
		assert_string_equal(answer_header(&a, "Allow", value), "GET, HEAD");
		assert_contains(a.body.data, "only GET and HEAD");
		buf_fini(&a.body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		status_test(the_appliance_as_json),
		status_test(a_unit_as_json),
		status_test(what_is_not_known_is_null),
		status_test(the_largest_appliance_is_answered),
		status_test(a_rendering_is_made_once_a_generation),
		status_test(the_appliance_for_people),
		status_test(an_appliance_without_units_for_people),
		status_test(a_unit_for_people),
		status_test(the_list_of_routes),
		status_test(a_unit_that_is_not_there),
		status_test(a_format_that_is_not_there),
		status_test(only_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
