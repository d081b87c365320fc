/* SPDX-License-Identifier: Apache-2.0 */
/* Specifiers and variables, in systemd's order, and their bounds. */
#include "unit_fixture.h"

/* The last word of "Exec=TEXT" in the unit of this name. */
static void assert_expands(const char *name, const char *text, const char *expected)
{
	struct unit_set set = { 0 };
	char all[512];

	snprintf(all, sizeof(all), FINE "Exec=%s\n", text);
	load_named(&set, name, all);

	const struct arg_list *words = &set.units[0].spec_args;

	assert_quiet(&set);
	if (words->count != set.units[0].image_index + 2)
		fail_msg("%s: %zu words", text, words->count);
	assert_string_equal(words->items[words->count - 1].text, expected);
	unit_set_fini(&set);
}

static void specifiers_of_plain_units(void **state)
{
	(void)state;
	assert_expands("my-web.container", "%n|%N|%p|%P|%j|%J|%i|%I|%f",
		       "my-web.service|my-web|my-web|my/web|web|web|||/my/web");
}

static void specifiers_of_instances(void **state)
{
	(void)state;
	assert_expands("a-b@x\\x2dy-z.container", "%n|%N|%p|%i|%I|%j|%f",
		       "a-b@x\\x2dy-z.service|a-b@x\\x2dy-z|a-b|x\\x2dy-z|x-y/z|b|/x-y/z");
	assert_expands("a@b@c.container", "%p|%i", "a|b@c");
}

static void specifiers_of_the_machine(void **state)
{
	(void)state;
	assert_expands("w.container", "%h|%u|%g|%U|%G|%H|%l|%q|%t|%s",
		       "/data/home|root|root|0|0|box.example.com|box|box.example.com|/run|/bin/sh");
	assert_expands(
		"w.container", "%m|%b|%v|%a",
		"0123456789abcdef0123456789abcdef|fedcba9876543210fedcba9876543210|6.1.0|x86-64");
	assert_expands(
		"w.container", "%S%C%L%E%D%T%V|%y|%Y",
		"/var/lib/var/cache/var/log/etc/usr/share/tmp/var/tmp|/units/w.container|/units");
}

static void percent_signs_that_are_none(void **state)
{
	(void)state;
	assert_expands("w.container", "100%%|%%h|%{x}|5%", "100%|%h|%{x}|5%");
}

static void unknown_specifiers_are_errors(void **state)
{
	(void)state;
	assert_complaint("Exec=a %d\n", DIAG_ERROR, 4, 8, "Container.Exec",
			 "%d is no specifier that is known here: write %%");
	assert_complaint("Label=a=%z\n", DIAG_ERROR, 4, 7, "Container.Label", "%z is no specifier");
}

static void facts_that_nobody_knows_are_errors(void **state)
{
	struct unit_facts facts = test_facts;
	struct unit_set set = { 0 };
	struct err err;

	(void)state;
	facts.machine_id = "";
	assert_int_equal(unit_set_load_text(&set, "w.container", "/w.container", FINE "Exec=%m\n",
					    strlen(FINE "Exec=%m\n"), &facts, &err),
			 0);
	assert_diag(&set, DIAG_ERROR, 4, 6, "Container.Exec", "nothing is known for %m");
	unit_set_fini(&set);
}

#define SERVICE "[Service]\nEnvironment=A=1 \"B=x  y 'z w'\" E= PORT=80\n"

static void a_variable_alone_is_split_into_words(void **state)
{
	(void)state;
	assert_engine_words("Exec=$A $B end\n" SERVICE, " localhost/web:1 1 x y z w end ");
	assert_engine_words("Exec=a $E b\n" SERVICE, " localhost/web:1 a b ");
}

static void a_variable_in_braces_is_put_in_whole(void **state)
{
	(void)state;
	assert_engine_words("Exec=${B} x${A}y${PORT}\n" SERVICE,
			    " localhost/web:1 x  y 'z w' x1y80 ");
	assert_engine_words("Environment=P=${PORT}\n" SERVICE, " --env P=80 ");
	assert_engine_words("Exec=a${E}b\n" SERVICE, " ab ");
}

static void dollar_signs_that_are_none(void **state)
{
	(void)state;
	assert_engine_words("Exec=$$A x$$y a$A ${ ${A $$$$\n" SERVICE,
			    " localhost/web:1 $A x$y a$A ${ ${A $$ ");
	assert_engine_words("HealthCmd=test -n $A\n" SERVICE, " --health-cmd test -n $A ");
}

static void specifiers_come_before_variables(void **state)
{
	(void)state;
	assert_engine_words("Exec=${%p}\n[Service]\nEnvironment=web=yes\n",
			    " localhost/web:1 yes ");
}

static void the_last_assignment_wins_and_the_manager_has_its_own(void **state)
{
	(void)state;
	assert_engine_words("Exec=${A}\n[Service]\nEnvironment=A=1\nEnvironment=A=2\n",
			    " localhost/web:1 2 ");
	assert_engine_words("Exec=${HOME}|${USER}|${XDG_RUNTIME_DIR}\n", " /data/home|root|/run ");
	assert_engine_words("Exec=${HOME}\n[Service]\nEnvironment=HOME=/x\n",
			    " localhost/web:1 /x ");
}

static void variables_that_are_not_set_are_said(void **state)
{
	(void)state;
	assert_complaint("Exec=a $NONE\n", DIAG_WARNING, 4, 8, "Container.Exec",
			 "so the word vanishes");
	assert_complaint("Exec=a${NONE}\n", DIAG_WARNING, 4, 6, "Container.Exec", "write $${NONE}");
	assert_complaint("HostName=$NONE\n", DIAG_ERROR, 4, 10, "Container.HostName",
			 "$NONE is set nowhere");
}

static void an_image_may_come_from_a_variable(void **state)
{
	struct unit_set set;
	struct unit *unit = load_text(
		&set,
		"[Container]\nImage=$IMAGE\nNetwork=host\nExec=x\n[Service]\nEnvironment=IMAGE=localhost/a:1\n");

	(void)state;
	assert_quiet(&set);
	assert_string_equal(unit->spec_args.items[unit->image_index].text, "localhost/a:1");
	unit_set_fini(&set);
	unit = load_text(
		&set,
		"[Container]\nImage=x.y/a:${TAG}\nNetwork=host\nPodmanArgs=$ARGS\n[Service]\nEnvironment=TAG=2 ARGS=\n");
	assert_quiet(&set);
	assert_string_equal(unit->spec_args.items[unit->image_index].text, "x.y/a:2");
	unit_set_fini(&set);
	load_text(&set,
		  "[Container]\nImage=${NOTHING}\nNetwork=host\n[Service]\nEnvironment=NOTHING=\n");
	assert_diag(&set, DIAG_ERROR, 2, 7, "Container.Image", "image's name is empty");
	unit_set_fini(&set);
}

static void expansion_is_bounded_in_words_and_bytes(void **state)
{
	struct buf text = BUF_INIT(UNIT_MAX_FILE_BYTES);
	struct unit_set set;

	(void)state;
	buf_puts(&text, FINE "[Service]\nEnvironment=\"W=");
	for (int i = 0; i < 3000; i++)
		buf_puts(&text, "w ");
	buf_puts(&text, "\"\n[Container]\nExec=$W $W $W $W\n");
	load_text(&set, buf_str(&text));
	assert_non_null(strstr(only_diag(&set, DIAG_ERROR)->text, "more than 8192 words"));
	assert_true(set.units[0].spec_args.count <= UNIT_MAX_WORDS);
	unit_set_fini(&set);

	buf_clear(&text);
	buf_puts(&text, FINE "[Service]\nEnvironment=W=");
	for (int i = 0; i < 30000; i++)
		buf_putc(&text, 'w');
	buf_puts(&text, "\n[Container]\nExec=");
	for (int i = 0; i < 60; i++)
		buf_puts(&text, "${W}");
	buf_putc(&text, '\n');
	load_text(&set, buf_str(&text));
	assert_non_null(strstr(only_diag(&set, DIAG_ERROR)->text, "1048576 bytes"));
	unit_set_fini(&set);

	buf_clear(&text);
	buf_puts(&text, FINE "ContainerName=w\nServiceName=");
	for (int i = 0; i < 120; i++)
		buf_putc(&text, 'n');
	buf_puts(&text, "\nExec=");
	for (int i = 0; i < 10000; i++)
		buf_puts(&text, "%N");
	buf_putc(&text, '\n');
	load_text(&set, buf_str(&text));
	assert_non_null(strstr(only_diag(&set, DIAG_ERROR)->text, "after its specifiers"));
	unit_set_fini(&set);
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(specifiers_of_plain_units),
		cmocka_unit_test(specifiers_of_instances),
		cmocka_unit_test(specifiers_of_the_machine),
		cmocka_unit_test(percent_signs_that_are_none),
		cmocka_unit_test(unknown_specifiers_are_errors),
		cmocka_unit_test(facts_that_nobody_knows_are_errors),
		cmocka_unit_test(a_variable_alone_is_split_into_words),
		cmocka_unit_test(a_variable_in_braces_is_put_in_whole),
		cmocka_unit_test(dollar_signs_that_are_none),
		cmocka_unit_test(specifiers_come_before_variables),
		cmocka_unit_test(the_last_assignment_wins_and_the_manager_has_its_own),
		cmocka_unit_test(variables_that_are_not_set_are_said),
		cmocka_unit_test(an_image_may_come_from_a_variable),
		cmocka_unit_test(expansion_is_bounded_in_words_and_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
