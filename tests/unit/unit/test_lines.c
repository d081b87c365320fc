/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a unit's lines: which of several counts, and what would be missing without one. */
#include "unit_fixture.h"

#include "unit/lines.h"

static struct unit_set set;

static void keep_named(const char *name, const char *text)
{
	struct unit_facts facts = test_facts;
	struct err err;
	char path[256];

	set = (struct unit_set){ 0 };
	facts.lines_of = name;
	snprintf(path, sizeof(path), "/units/%s", name);
	if (unit_set_load_text(&set, name, path, text, strlen(text), &facts, &err) < 0)
		fail_msg("%s", err.msg);
}

/* FINE stands in lines 1-3. */
static void keep(const char *more)
{
	char text[8192];

	snprintf(text, sizeof(text), FINE "%s", more);
	keep_named("web.container", text);
}

static const struct unit_line *line_at(unsigned number)
{
	const struct unit *unit = &set.units[0];

	for (size_t i = 0; i < unit->line_count; i++)
		if (unit->lines[i].origin->line == number)
			return &unit->lines[i];
	fail_msg("no assignment in line %u", number);
	return NULL;
}

static void assert_fate(unsigned number, enum unit_line_fate fate, unsigned by)
{
	const struct unit_line *line = line_at(number);

	if (line->fate != fate || (line->by ? line->by->line : 0) != by)
		fail_msg("line %u: fate %d by %u, expected %d by %u", number, (int)line->fate,
			 line->by ? line->by->line : 0, (int)fate, by);
}

static void assert_change(const char *more, unsigned number, const char *change)
{
	keep(more);
	assert_string_equal(line_at(number)->change, change);
	unit_set_fini(&set);
}

static void lines_are_kept_only_of_the_unit_that_is_named(void **state)
{
	(void)state;
	load_text(&set, FINE);
	assert_null(set.units[0].lines);
	assert_int_equal(set.units[0].line_count, 0);
	unit_set_fini(&set);
	keep("");
	assert_int_equal(set.units[0].line_count, 2);
	unit_set_fini(&set);
}

static void a_line_has_its_text_place_and_row(void **state)
{
	const struct unit_line *line;

	(void)state;
	keep("# comment\n  Tmpfs = /a:size=1m,\\\n# between\n  mode=700\nNope=x\n");
	line = line_at(5);
	assert_string_equal(line->section, "Container");
	assert_string_equal(line->key, "Tmpfs");
	assert_string_equal(line->value, "/a:size=1m,mode=700");
	assert_int_equal(line->origin->column, 11);
	assert_int_equal(line->last_line, 7);
	assert_ptr_equal(line->row, key_find("Container", "Tmpfs"));
	assert_null(line_at(8)->row);
	unit_set_fini(&set);
}

static void words_belong_to_the_line_that_they_came_from(void **state)
{
	const struct unit *unit;
	unsigned count = 0;

	(void)state;
	keep("Environment=A=1 \\\n B=2\nEnvironment=C=3\n");
	unit = &set.units[0];
	for (size_t i = 0; i < unit->run_args.count; i++)
		if (unit_line_has(line_at(4), unit->run_args.items[i].origin)) {
			assert_null(strstr(unit->run_args.items[i].text, "C=3"));
			count++;
		}
	assert_int_equal(count, 4);
	assert_false(unit_line_has(line_at(4), line_at(6)->origin));
	assert_false(unit_line_has(line_at(4), NULL));
	unit_set_fini(&set);
}

static void of_single_values_the_last_counts(void **state)
{
	(void)state;
	keep("Memory=1g\nMemory=2g\nExec=a\nExec=b\nReadOnly=no\nReadOnly=yes\n");
	assert_fate(4, UNIT_LINE_OVERRIDDEN, 5);
	assert_fate(5, UNIT_LINE_STANDS, 0);
	assert_fate(6, UNIT_LINE_OVERRIDDEN, 7);
	assert_fate(8, UNIT_LINE_OVERRIDDEN, 9);
	unit_set_fini(&set);
}

static void lists_add_up_until_an_empty_assignment(void **state)
{
	(void)state;
	keep("Label=a=1\nLabel=b=2\nLabel=\nLabel=c=3\nMemory=1g\nMemory=\n");
	assert_fate(4, UNIT_LINE_CLEARED, 6);
	assert_fate(5, UNIT_LINE_CLEARED, 6);
	assert_fate(6, UNIT_LINE_CLEARS, 0);
	assert_fate(7, UNIT_LINE_STANDS, 0);
	assert_fate(8, UNIT_LINE_CLEARED, 9);
	unit_set_fini(&set);
}

static void keys_of_one_name_in_two_sections_are_two(void **state)
{
	(void)state;
	keep("Environment=A=1\n[Service]\nEnvironment=\n");
	assert_fate(4, UNIT_LINE_STANDS, 0);
	unit_set_fini(&set);
}

static void what_systemd_passes_over_overrides_nothing(void **state)
{
	(void)state;
	keep("[Service]\nRestart=on-failure\nRestart=Always\nRestart=maybe\n"
	     "TimeoutStopSec=5\nTimeoutStopSec=soon\n");
	assert_fate(5, UNIT_LINE_STANDS, 0);
	assert_fate(6, UNIT_LINE_PASSED_OVER, 0);
	assert_fate(7, UNIT_LINE_PASSED_OVER, 0);
	assert_fate(8, UNIT_LINE_STANDS, 0);
	assert_fate(9, UNIT_LINE_PASSED_OVER, 0);
	assert_int_equal(set.units[0].service.restart, SERVICE_RESTART_ON_FAILURE);
	assert_int_equal(set.units[0].service.timeout_stop_usec, 5000000);
	unit_set_fini(&set);
}

static void what_is_read_as_it_was_meant_counts(void **state)
{
	(void)state;
	keep("[Service]\nRestart=on-failure\nRestart=unless-stopped\n");
	assert_fate(5, UNIT_LINE_OVERRIDDEN, 6);
	assert_fate(6, UNIT_LINE_STANDS, 0);
	unit_set_fini(&set);
	/* it is said that systemd ignores the quotes, and read all the same */
	keep("[Service]\nType=notify\nType=\"oneshot\"\n");
	assert_fate(5, UNIT_LINE_OVERRIDDEN, 6);
	assert_fate(6, UNIT_LINE_STANDS, 0);
	unit_set_fini(&set);
}

static void unknown_keys_stand_by_themselves(void **state)
{
	(void)state;
	keep("Nope=1\nNope=\n");
	assert_fate(4, UNIT_LINE_STANDS, 0);
	assert_fate(5, UNIT_LINE_STANDS, 0);
	unit_set_fini(&set);
}

static void lines_with_words_of_their_own_need_no_change_text(void **state)
{
	(void)state;
	assert_change("Memory=1g\n", 4, "");
}

static void a_line_whose_words_stand_elsewhere_says_what_changes(void **state)
{
	(void)state;
	assert_change("User=web\nGroup=staff\n", 5, "web:staff instead of web");
	assert_change("ReloadCmd=kill -HUP 1\n", 4,
		      "ExecReload=/usr/bin/podman exec systemd-%N kill -HUP 1");
	assert_change("[Quadlet]\nDefaultDependencies=no\n", 5,
		      "nothing instead of Wants=network-online.target After=network-online.target");
	assert_change("[Quadlet]\nDefaultDependencies=yes\n", 5, "");
}

static void words_of_several_lines_stand_at_the_first(void **state)
{
	(void)state;
	keep_named("a.volume", "[Volume]\nUser=5\nGroup=7\n");
	assert_string_equal(line_at(2)->change, "");
	assert_string_equal(line_at(3)->change, "o=uid=5,gid=7 instead of o=uid=5");
	unit_set_fini(&set);
}

static void looking_without_a_line_changes_nothing(void **state)
{
	struct unit_set other;
	const struct unit *unit, *same;

	(void)state;
	keep("User=web\nGroup=staff\nReloadCmd=a\nReloadSignal=HUP\n");
	unit = &set.units[0];
	load_text(&other, FINE "User=web\nGroup=staff\nReloadCmd=a\nReloadSignal=HUP\n");
	same = &other.units[0];
	assert_int_equal(set.diags.count, other.diags.count);
	assert_int_equal(unit->is_valid, same->is_valid);
	assert_string_equal(unit->service_text, same->service_text);
	assert_string_equal(unit->error_text, same->error_text);
	assert_int_equal(unit->service.dep_count, same->service.dep_count);
	unit_set_fini(&other);
	unit_set_fini(&set);
}

static void no_more_changes_are_looked_for_than_the_bound(void **state)
{
	char more[8192];
	unsigned said = 0;
	size_t len = 0;

	(void)state;
	for (unsigned i = 0; i < 2 * UNIT_LINES_MAX_CHANGES; i++)
		len += (size_t)snprintf(more + len, sizeof(more) - len, "ContainersConfModule=%u\n",
					i);
	keep(more);
	for (size_t i = 0; i < set.units[0].line_count; i++)
		said += set.units[0].lines[i].change[0] != '\0';
	assert_int_equal(said, UNIT_LINES_MAX_CHANGES);
	assert_int_equal(set.units[0].line_count, 2 + 2 * UNIT_LINES_MAX_CHANGES);
	unit_set_fini(&set);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_are_kept_only_of_the_unit_that_is_named),
		TEST(a_line_has_its_text_place_and_row),
		TEST(words_belong_to_the_line_that_they_came_from),
		TEST(of_single_values_the_last_counts),
		TEST(lists_add_up_until_an_empty_assignment),
		TEST(keys_of_one_name_in_two_sections_are_two),
		TEST(what_systemd_passes_over_overrides_nothing),
		TEST(what_is_read_as_it_was_meant_counts),
		TEST(unknown_keys_stand_by_themselves),
		TEST(lines_with_words_of_their_own_need_no_change_text),
		TEST(a_line_whose_words_stand_elsewhere_says_what_changes),
		TEST(words_of_several_lines_stand_at_the_first),
		TEST(looking_without_a_line_changes_nothing),
		TEST(no_more_changes_are_looked_for_than_the_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
