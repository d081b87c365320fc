/* SPDX-License-Identifier: Apache-2.0 */
/* Which units "cleat check" says may take longer to stop than the appliance has for it. */
#include "unit_test.h"

#include <fcntl.h>
#include <stdio.h>

#include "../util/scratch.h"
#include "cli/findings.h"
#include "unit/appliance.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/loop.h"
#include "util/str.h"

static void put(const struct scratch *s, const char *name, const char *unit, const char *rest)
{
	char text[1024];
	struct err err;

	snprintf(text, sizeof(text),
		 "[Unit]\nDescription=x\n%s\n[Container]\nImage=localhost/x:1\n%s", unit, rest);
	assert_int_equal(file_write_atomic(s->fd, name, text, strlen(text), 0644, false, &err), 0);
}

/* All complaints as check would print them, without folders. */
static const char *judge(const struct scratch *s, uint64_t stop_timeout_sec, uint64_t budget_sec)
{
	static char out[16384];
	struct unit_set set = { 0 };
	struct check_stop stops[16];
	struct diags diags = { 0 };
	auto_arena arena = { 0 };
	struct unit_facts facts;
	struct err err;

	unit_facts_init(&facts, &arena, NULL);
	facts.keeps_graph = true;
	if (unit_set_load(&set, s->path, &facts, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(set.count <= 16);
	for (size_t i = 0; i < 16; i++)
		stops[i].stop_timeout_usec = stop_timeout_sec * USEC_SEC;
	check_stop_judge(&set, stops, budget_sec * USEC_SEC, &diags);
	out[0] = '\0';
	for (size_t i = 0; i < diags.count; i++) {
		auto_buf line = BUF_INIT(8192);

		diag_format(&diags.items[i], &line);
		assert_true(str_starts(buf_str(&line), s->path));
		snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s\n",
			 buf_str(&line) + strlen(s->path) + 1);
	}
	diags_fini(&diags);
	unit_set_fini(&set);
	return out;
}

static void what_fits_is_not_named(void **state)
{
	const struct scratch *s = *state;

	put(s, "web.container", "After=app.service", "");
	put(s, "app.container", "", "");
	put(s, "alone.container", "", "");
	assert_string_equal(judge(s, 10, 25), "");
	assert_string_equal(judge(s, 0, 10), "");
}

static void a_chain_of_defaults_is_a_note_at_the_first_that_is_too_late(void **state)
{
	const struct scratch *s = *state;
	const char *said;

	put(s, "web.container", "After=app.service", "");
	put(s, "app.container", "", "");
	put(s, "db.container", "Before=app.service", "");
	put(s, "disk.container", "Before=db.service", "");
	said = judge(s, 10, 25);
	assert_true(str_starts(
		said,
		"db.container: note: db.service may take 30s to stop (stop signal 10s), after web.service (stop signal 10s), app.service (stop signal 10s); when the appliance stops, 20s are there for all and what is left is killed: [Stop] Budget=35s in appliance.ini is enough, where the host waits longer than that (lxc-stop -t, "));
	assert_null(strstr(said, "disk")); /* it is too late because of db, which is named */
	assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
	assert_string_equal(judge(s, 10, 60), "");
}

static void what_is_written_is_a_warning_at_its_line(void **state)
{
	const struct scratch *s = *state;
	const char *said;

	put(s, "web.container", "", "StopTimeout=40\n[Service]\nTimeoutStopSec=30\n");
	said = judge(s, 40, 25); /* the lesser of both */
	assert_true(str_starts(
		said,
		"web.container:6:13: warning: Container.StopTimeout: web.service may take 30s to stop (stop signal 30s); "));
	put(s, "web.container", "", "[Service]\nExecStop=/bin/a\nExecStopPost=/bin/b\n");
	said = judge(s, 10, 25);
	assert_true(str_starts(
		said,
		"web.container:7:10: warning: Service.ExecStop: web.service may take 190s to stop (ExecStop= 90s, stop signal 10s, ExecStopPost= 90s); "));
	assert_non_null(strstr(said, "Budget=195s"));
	put(s, "web.container", "", "[Service]\nExecStopPost=/bin/b\nTimeoutStopSec=infinity\n");
	said = judge(s, 10, 25);
	assert_true(str_starts(
		said,
		"web.container:7:14: warning: Service.ExecStopPost: web.service may take forever to stop"));
	assert_non_null(strstr(said, "goes up to 1h"));
}

static void a_chain_with_something_written_is_a_warning(void **state)
{
	const struct scratch *s = *state;

	put(s, "web.container", "After=app.service", "StopTimeout=15\n");
	put(s, "app.container", "", "");
	assert_true(str_starts(
		judge(s, 15, 25),
		"app.container: warning: app.service may take 30s to stop (stop signal 15s), after web.service (stop signal 15s); "));
}

static void groups_pass_on_the_order_and_circles_end(void **state)
{
	const struct scratch *s = *state;

	put(s, "web.container", "After=all.target", "");
	put(s, "app.container", "", "[Install]\nWantedBy=all.target\n");
	assert_true(str_starts(judge(s, 15, 25), "app.container: note: app.service may take 30s"));
	put(s, "app.container", "After=web.service", "[Install]\nWantedBy=all.target\n");
	judge(s, 15, 25);
}

static void pods_and_templates_take_no_time_of_their_own(void **state)
{
	const struct scratch *s = *state;
	static const char pod[] = "[Pod]\n";
	struct err err;

	assert_int_equal(file_write_atomic(s->fd, "p.pod", pod, strlen(pod), 0644, false, &err), 0);
	put(s, "member.container", "", "Pod=p.pod\n");
	put(s, "many@.container", "", "[Service]\nExecStop=/bin/a\n");
	assert_string_equal(judge(s, 20, 25), "");
	assert_true(str_starts(judge(s, 21, 25), "member.container: note: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_fits_is_not_named, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(
			a_chain_of_defaults_is_a_note_at_the_first_that_is_too_late, scratch_setup,
			scratch_teardown),
		cmocka_unit_test_setup_teardown(what_is_written_is_a_warning_at_its_line,
						scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(a_chain_with_something_written_is_a_warning,
						scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(groups_pass_on_the_order_and_circles_end,
						scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(pods_and_templates_take_no_time_of_their_own,
						scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
