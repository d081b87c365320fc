/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files made to be expensive: many of whatever a file can have many of, up to the bounds. Each is read to its end, in memory
 * that is a stated multiple of its size.
 */
#include "unit_fixture.h"

#include "unit/unit_memory.h"

#define HEAD "[Container]\nImage=registry.example/web:1\nNetwork=none\n"

static const struct load {
	const char *name, *before, *each, *after;
	size_t times;
	bool may_expand;
} loads[] = {
	{ "empty lines", HEAD, "\n", "", 200000, false },
	{ "comments", HEAD, "#\n", "", 100000, false },
	{ "comments before a header", "", ";\n", HEAD, 100000, false },
	{ "sections", "", "[Container]\n", HEAD, 20000, false },
	{ "unknown keys", HEAD, "x=\n", "", UNIT_MAX_ENTRIES - 2, false },
	{ "empty assignments", HEAD, "DNS=\n", "", UNIT_MAX_ENTRIES - 2, false },
	{ "continuation lines", HEAD "Exec=", "\\\n", "a\n", 15000, false },
	{ "comments in a continued line", HEAD "Exec=a\\\n", "#\n", "a\n", 100000, false },
	{ "words of a command", HEAD "Exec=", "a ", "\n", 8000, false },
	{ "words of a command past a doubling", HEAD "Exec=", "a ", "\n", 4098, false },
	{ "words of a set past a doubling", HEAD "AddCapability=", "a ", "\n", 4098, false },
	{ "quoted words", HEAD "Exec=", "\"\" ", "\n", 8000, false },
	{ "words of a set", HEAD "AddCapability=", "a ", "\n", 8000, false },
	{ "escapes", HEAD "PodmanArgs=--label ", "\\x41", "\n", 7000, false },
	{ "one variable again", HEAD "Environment=", "a=1 ", "\n", 8000, false },
	{ "lists", HEAD, "DNS=1\n", "", UNIT_MAX_ENTRIES - 2, false },
	{ "volumes", HEAD, "Volume=./a:/b\n", "", UNIT_MAX_ENTRIES - 2, false },
	{ "units that are not there", HEAD, "Volume=a.volume:/b\n", "", UNIT_MAX_ENTRIES - 2,
	  false },
	{ "mounts", HEAD, "Mount=type=bind,source=a,destination=/b\n", "", 6000, false },
	{ "dependencies of a line", "[Unit]\nAfter=", "a ", "\n" HEAD, 8000, false },
	{ "lines of dependencies", "[Unit]\n", "After=a b\n", HEAD, UNIT_MAX_ENTRIES - 2, false },
	{ "targets", HEAD "[Install]\nWantedBy=", "a ", "\n", 8000, false },
	{ "aliases", HEAD "[Install]\n", "Alias=a.service\n", "", UNIT_MAX_ENTRIES - 2, false },
	{ "conditions", "[Unit]\n", "ConditionHost=a\n", HEAD, UNIT_MAX_ENTRIES - 2, false },
	{ "commands", HEAD "[Service]\n", "ExecStop=/a\n", "", UNIT_MAX_ENTRIES - 2, false },
	{ "words of a hook", HEAD "[Service]\nExecStop=/a", " b", "\n", 8000, false },
	{ "variables of the service", HEAD "[Service]\n", "Environment=a\n", "",
	  UNIT_MAX_ENTRIES - 2, false },
	{ "specifiers", HEAD "Exec=", "%m", "\n", 8000, true },
	{ "a long variable",
	  HEAD "[Service]\nEnvironment=A=0123456789012345678901234567890123456789\n"
	       "[Container]\nExec=/a ",
	  "${A}", "\n", 7000, true },
	{ "a variable of words",
	  HEAD "[Service]\nEnvironment=\"A=a b c d e f g h i j k l m n o p\"\n"
	       "[Container]\nExec=/a",
	  " $A", "\n", 7000, true },
};

static void memory_is_bounded_by_what_was_read(void **state)
{
	const struct load *load = *state;
	struct buf text = BUF_INIT(UNIT_MAX_FILE_BYTES);
	struct unit_facts facts = test_facts;
	struct unit_set set = { 0 };
	struct err err;
	size_t limit;

	facts.wants_service_text = true;

	buf_puts(&text, load->before);
	for (size_t i = 0; i < load->times; i++)
		buf_puts(&text, load->each);
	buf_puts(&text, load->after);
	assert_false(text.failed);
	assert_int_equal(unit_set_load_text(&set, "web.container", "/u/web.container", text.data,
					    text.len, &facts, &err),
			 0);
	assert_int_equal(set.count, 1);
	limit = memory_limit(text.len, set.count, load->may_expand);
	if (memory_of(&set) > limit)
		fail_msg("%s: %zu bytes of input take %zu bytes, more than %zu", load->name,
			 text.len, memory_of(&set), limit);
	unit_set_fini(&set);
	buf_fini(&text);
}

/* The bound of words holds for what a variable makes of them, too. */
static void a_word_that_grows_without_end_is_refused(void **state)
{
	struct buf text = BUF_INIT(UNIT_MAX_FILE_BYTES);
	struct unit_set set = { 0 };
	struct err err;

	(void)state;
	buf_puts(&text, HEAD "[Service]\nEnvironment=A=");
	for (size_t i = 0; i < 2000; i++)
		buf_puts(&text, "0123456789");
	buf_puts(&text, "\n[Container]\nExec=/a ");
	for (size_t i = 0; i < 1000; i++)
		buf_puts(&text, "${A}");
	assert_int_equal(unit_set_load_text(&set, "web.container", "/u/web.container", text.data,
					    text.len, &test_facts, &err),
			 0);
	assert_false(set.units[0].is_valid);
	assert_non_null(strstr(set.units[0].error_text, "Container.Exec"));
	assert_true(memory_of(&set) <= memory_limit(text.len, 1, true));
	unit_set_fini(&set);
	buf_fini(&text);
}

int main(void)
{
	enum { LOADS = sizeof(loads) / sizeof(loads[0]) };
	static struct CMUnitTest tests[LOADS + 1];

	for (size_t i = 0; i < LOADS; i++)
		tests[i] = (struct CMUnitTest){ .name = loads[i].name,
						.test_func = memory_is_bounded_by_what_was_read,
						.initial_state = (void *)&loads[i] };
	tests[LOADS] =
		(struct CMUnitTest)cmocka_unit_test(a_word_that_grows_without_end_is_refused);
	return _cmocka_run_group_tests("bounds", tests, LOADS + 1, NULL, NULL);
}
