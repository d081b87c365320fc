/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine published, as ps and status show it: without an engine, with texts that would harm a terminal, by every name. */
#include "unit_test.h"

#include <unistd.h>
#include <yyjson.h>

#include "api/api.h"
#include "capture.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "util/loop.h"
#include "util/str.h"

struct place {
	char folder[64], socket[96], path[96];
	struct published *published;
};

static void put_unit(struct published *p, unsigned index, const char *name, const char *unit,
		     unsigned state, const char *detail)
{
	struct published_unit u = {
		.state = (uint8_t)state,
		.exit_code = -1,
		.wanted = state != PUBLISHED_DOWN,
		.pid = state == PUBLISHED_UP ? 42 : 0,
		.since_real_usec = clock_real_usec(),
		.health = state == PUBLISHED_UP ? PUBLISHED_HEALTHY : PUBLISHED_HEALTH_NONE,
	};

	str_copy(u.name, sizeof(u.name), name);
	str_copy(u.unit, sizeof(u.unit), unit);
	str_copy(u.detail, sizeof(u.detail), detail);
	snprintf(u.run_id, sizeof(u.run_id), "abcd%08x", index);
	str_copy(u.image, sizeof(u.image), "localhost/app:1");
	str_copy(u.notes, sizeof(u.notes), "AutoUpdate: noted\nPull: \033[2Jnoted");
	str_copy(u.addresses, sizeof(u.addresses), "10.88.0.5\033[2J");
	str_copy(u.pod, sizeof(u.pod), "pod\a");
	published_put_unit(p, index, &u);
}

static int setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	struct published_header header = { .settled = 1 };
	struct err err;

	snprintf(place->folder, sizeof(place->folder), "/tmp/cleat-unit-XXXXXX");
	if (!mkdtemp(place->folder))
		return -1;
	snprintf(place->socket, sizeof(place->socket), "%s/cleat.sock", place->folder);
	snprintf(place->path, sizeof(place->path), "%s/published", place->folder);
	place->published = published_create(place->path, &err);
	if (!place->published)
		return -1;
	str_copy(header.version, sizeof(header.version), "1.2.3");
	str_copy(header.hostname, sizeof(header.hostname), "box\a");
	header.note_count = 1;
	header.notes[0].level = 1;
	str_copy(header.notes[0].text, sizeof(header.notes[0].text), "no memory controller\033[0m");
	published_put_header(place->published, &header);
	published_heartbeat(place->published, clock_now_usec());
	put_unit(place->published, 0, "web", "web.container", PUBLISHED_UP, "running");
	put_unit(place->published, 1, "systemd-my.app", "my.app.container", PUBLISHED_BACKOFF,
		 "exited with code 1: \033]0;evil\a\302\233J");
	put_unit(place->published, 2, "quiet", "quiet.container", PUBLISHED_DOWN, "finished");
	put_unit(place->published, 3, "bad\033.container", "bad\033.container", PUBLISHED_INVALID,
		 "bad:3: error");
	cli_set_socket(place->socket);
	*state = place;
	return 0;
}

static int teardown(void **state)
{
	struct place *place = *state;

	published_close(place->published);
	unlink(place->path);
	rmdir(place->folder);
	free(place);
	return 0;
}

static void expect_no_control(const char *text)
{
	for (const char *p = text; *p; p++)
		if (((unsigned char)*p < ' ' && *p != '\n') || *p == 0x7f ||
		    ((unsigned char)*p == 0xc2 && (unsigned char)p[1] < 0xa0))
			fail_msg("byte %02x in \"%s\"", (unsigned char)*p, text);
}

static void ps_shows_what_is_wanted_and_with_all_the_rest(void **state)
{
	struct captured c;

	(void)state;
	capture(&c, cmd_ps, WORDS("ps"));
	assert_int_equal(c.result, CLI_OK);
	assert_true(str_starts(c.out, "NAME  "));
	assert_non_null(strstr(c.out, "\nweb  "));
	assert_non_null(strstr(c.out, "exited with code 1: ?]0;evil???J\n"));
	assert_null(strstr(c.out, "quiet"));
	assert_non_null(strstr(c.out, "bad?.container"));
	assert_null(strstr(c.out, "running")); /* beside "up" it says nothing */
	assert_non_null(
		strstr(c.err, "the engine does not answer; this is what it published last"));
	expect_no_control(c.out);
	capture(&c, cmd_ps, WORDS("ps", "-a"));
	assert_non_null(strstr(c.out, "quiet"));
}

static void ps_in_json(void **state)
{
	struct captured c;
	yyjson_doc *doc;

	(void)state;
	capture(&c, cmd_ps, WORDS("ps", "--format", "json"));
	doc = yyjson_read(c.out, strlen(c.out), 0);
	assert_non_null(doc);
	assert_int_equal(yyjson_arr_size(yyjson_doc_get_root(doc)), 3);
	assert_string_equal(yyjson_get_str(yyjson_ptr_get(yyjson_doc_get_root(doc), "/0/name")),
			    "web");
	assert_string_equal(yyjson_get_str(yyjson_ptr_get(yyjson_doc_get_root(doc), "/0/health")),
			    "healthy");
	assert_string_equal(yyjson_get_str(yyjson_ptr_get(yyjson_doc_get_root(doc), "/1/state")),
			    "backoff");
	yyjson_doc_free(doc);
	capture(&c, cmd_ps, WORDS("ps", "-a", "--format=json"));
	doc = yyjson_read(c.out, strlen(c.out), 0);
	assert_int_equal(yyjson_arr_size(yyjson_doc_get_root(doc)), 4);
	yyjson_doc_free(doc);
}

static void status_says_everything_cleanly(void **state)
{
	struct captured c;

	(void)state;
	capture(&c, cmd_status, WORDS("status"));
	assert_int_equal(c.result, CLI_OK);
	assert_true(
		str_starts(c.out, "cleat 1.2.3 on box?\n  warning    no memory controller?[0m\n"));
	assert_non_null(strstr(c.out, "\nweb: up, healthy for "));
	assert_non_null(
		strstr(c.out, "  note       AutoUpdate: noted\n  note       Pull: ?[2Jnoted\n"));
	expect_no_control(c.out);
	capture(&c, cmd_status, WORDS("status", "quiet.service", "wbe"));
	assert_int_equal(c.result, CLI_FAILED);
	assert_true(str_starts(c.out, "quiet: down for "));
	assert_non_null(strstr(c.err, "cleat: no container \"wbe\"; did you mean \"web\"?\n"));
}

static void units_are_found_by_every_name(void **state)
{
	static const char *const names[] = { "systemd-my.app", "my.app", "my.app.container",
					     "my.app.service", "abcd00000001" };
	struct published_header header;
	struct published_unit *units;
	char id[API_ID_LEN + 1];
	unsigned count;
	struct err err;

	(void)state;
	assert_int_equal(cli_read_published(&header, &units, &count, &err), 0);
	assert_int_equal(count, 4);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_ptr_equal(cli_find_unit(units, count, names[i], &err), &units[1]);
	api_id("web", id);
	id[12] = '\0';
	assert_ptr_equal(cli_find_unit(units, count, id, &err), &units[0]);
	assert_null(cli_find_unit(units, count, "abcd", &err));
	assert_string_equal(err.msg, "\"abcd\" is the beginning of several ids");
	assert_null(cli_find_unit(units, count, "my", &err));
	assert_int_equal(err.code, ERR_NOT_FOUND);
	free(units);
}

static void nothing_published_is_no_engine(void **state)
{
	struct captured c;

	(void)state;
	cli_set_socket("/nowhere/cleat.sock");
	capture(&c, cmd_ps, WORDS("ps"));
	assert_int_equal(c.result, CLI_NO_ENGINE);
	assert_non_null(strstr(c.err, "/nowhere/published"));
	capture(&c, cmd_status, WORDS("status", "web"));
	assert_int_equal(c.result, CLI_NO_ENGINE);
}

#define place_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		place_test(ps_shows_what_is_wanted_and_with_all_the_rest),
		place_test(ps_in_json),
		place_test(status_says_everything_cleanly),
		place_test(units_are_found_by_every_name),
		place_test(nothing_published_is_no_engine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
