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
	assert_complaint("Exec=a %c\n", DIAG_ERROR, 4, 8, "Container.Exec",
			 "%c is no specifier that is known here: write %%");
	assert_complaint("Label=a=%z\n", DIAG_ERROR, 4, 7, "Container.Label", "%z is no specifier");
}

/* One letter in a unit of this name, with facts that are no default. */
static void assert_letter(const char *name, bool is_user, char letter, const char *expected)
{
	struct unit_facts facts = test_facts;
	struct unit_set set = { 0 };
	struct err err;
	char text[128];

	facts.is_user = is_user;
	facts.pretty_hostname = is_user ? "" : "Box in the cellar";
	facts.os_id = "cleat";
	facts.os_version_id = "1.2";
	facts.os_variant_id = "lxc";
	facts.os_build_id = "b3";
	facts.os_image_id = "small";
	facts.os_image_version = is_user ? NULL : "7";
	snprintf(text, sizeof(text), FINE "Exec=<%%%c>\n", letter);
	assert_int_equal(unit_set_load_text(&set, name, "/units/x.container", text, strlen(text),
					    &facts, &err),
			 0);
	assert_quiet(&set);

	const struct arg_list *words = &set.units[0].spec_args;
	char wanted[256];

	snprintf(wanted, sizeof(wanted), "<%s>", expected);
	assert_string_equal(words->items[words->count - 1].text, wanted);
	unit_set_fini(&set);
}

static void every_letter_of_the_table(void **state)
{
	static const struct {
		char letter;
		const char *system, *user; /* NULL: the same */
	} rows[] = {
		{ 'a', "x86-64", NULL },
		{ 'A', "7", "" },
		{ 'b', "fedcba9876543210fedcba9876543210", NULL },
		{ 'B', "b3", NULL },
		{ 'C', "/var/cache", "/data/home/.cache" },
		{ 'd', "/run/credentials/a-b@x-y.service", NULL },
		{ 'D', "/usr/share", "/data/home/.local/share" },
		{ 'E', "/etc", "/data/home/.config" },
		{ 'f', "/x/y", NULL },
		{ 'g', "root", NULL },
		{ 'G', "0", NULL },
		{ 'h', "/data/home", NULL },
		{ 'H', "box.example.com", NULL },
		{ 'i', "x-y", NULL },
		{ 'I', "x/y", NULL },
		{ 'j', "b", NULL },
		{ 'J', "b", NULL },
		{ 'l', "box", NULL },
		{ 'L', "/var/log", "/data/home/.local/state/log" },
		{ 'm', "0123456789abcdef0123456789abcdef", NULL },
		{ 'M', "small", NULL },
		{ 'n', "a-b@x-y.service", NULL },
		{ 'N', "a-b@x-y", NULL },
		{ 'o', "cleat", NULL },
		{ 'p', "a-b", NULL },
		{ 'P', "a/b", NULL },
		{ 'q', "Box in the cellar", "box.example.com" },
		{ 's', "/bin/sh", NULL },
		{ 'S', "/var/lib", "/data/home/.local/state" },
		{ 't', "/run", NULL },
		{ 'T', "/tmp", NULL },
		{ 'u', "root", NULL },
		{ 'U', "0", NULL },
		{ 'v', "6.1.0", NULL },
		{ 'V', "/var/tmp", NULL },
		{ 'w', "1.2", NULL },
		{ 'W', "lxc", NULL },
		{ 'y', "/units/a-b@x-y.container", NULL },
		{ 'Y', "/units", NULL },
		{ '%', "%", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_letter("a-b@x-y.container", false, rows[i].letter, rows[i].system);
		assert_letter("a-b@x-y.container", true, rows[i].letter,
			      rows[i].user ? rows[i].user : rows[i].system);
	}
}

static void letters_that_systemd_refuses_are_errors(void **state)
{
	static const char known[] = "aAbBCdDEfgGhHiIjJlLmMnNopPqsStTuUvVwWyY";
	char text[64], message[64];

	(void)state;
	for (char c = '0'; c <= 'z'; c++) {
		bool is_letter = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c >= 'a';

		if (!is_letter || strchr(known, c))
			continue;
		snprintf(text, sizeof(text), "Exec=%%%c\n", c);
		snprintf(message, sizeof(message), "%%%c is no specifier", c);
		assert_complaint(text, DIAG_ERROR, 4, 6, "Container.Exec", message);
	}
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

static void unset_variables_are_gone(void **state)
{
	(void)state;
	assert_complaint("Exec=a${A}\n[Service]\nEnvironment=A=1\nUnsetEnvironment=A\n",
			 DIAG_WARNING, 4, 6, "Container.Exec", "${A} is set nowhere");
	assert_complaint("Exec=a${HOME}\n[Service]\nUnsetEnvironment=HOME\n", DIAG_WARNING, 4, 6,
			 "Container.Exec", "${HOME} is set nowhere");
	assert_engine_words(
		"Exec=${A} ${B}\n[Service]\nEnvironment=A=1 B=2\nUnsetEnvironment=A=2 B=3\n",
		" localhost/web:1 1 2 ");
	assert_engine_words("Exec=${A}\n[Service]\nEnvironment=A=1 A=2\nUnsetEnvironment=A=2\n",
			    " localhost/web:1 1 ");
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

/* No word of them is too long by itself. */
static void all_words_together_are_bounded(void **state)
{
	struct buf text = BUF_INIT(UNIT_MAX_FILE_BYTES);
	struct unit_set set;
	size_t bytes = 0;

	(void)state;
	buf_puts(&text, FINE "[Service]\nEnvironment=W=");
	for (int i = 0; i < 30000; i++)
		buf_putc(&text, 'w');
	buf_puts(&text, "\n[Container]\nExec=");
	for (int i = 0; i < 60; i++)
		buf_puts(&text, "${W} ");
	buf_putc(&text, '\n');
	load_text(&set, buf_str(&text));
	assert_non_null(strstr(only_diag(&set, DIAG_ERROR)->text, "1048576 bytes"));
	for (size_t i = 0; i < set.units[0].spec_args.count; i++)
		bytes += strlen(set.units[0].spec_args.items[i].text) + 1;
	assert_true(bytes <= UNIT_MAX_WORD_BYTES);
	unit_set_fini(&set);
	buf_fini(&text);
}

static void a_containers_name_is_bounded(void **state)
{
	char name[UNIT_MAX_NAME_BYTES + 1], text[512];
	struct unit_set set;

	(void)state;
	for (size_t len = UNIT_MAX_NAME_BYTES - 1; len <= UNIT_MAX_NAME_BYTES; len++) {
		memset(name, 'n', len);
		name[len] = '\0';
		snprintf(text, sizeof(text), FINE "ContainerName=%s\n", name);
		load_text(&set, text);
		assert_int_equal(set.units[0].is_valid, len < UNIT_MAX_NAME_BYTES);
		if (len == UNIT_MAX_NAME_BYTES)
			assert_non_null(strstr(only_diag(&set, DIAG_ERROR)->text,
					       "the name is longer than 127 bytes"));
		unit_set_fini(&set);
	}
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
		cmocka_unit_test(every_letter_of_the_table),
		cmocka_unit_test(letters_that_systemd_refuses_are_errors),
		cmocka_unit_test(unset_variables_are_gone),
		cmocka_unit_test(an_image_may_come_from_a_variable),
		cmocka_unit_test(all_words_together_are_bounded),
		cmocka_unit_test(a_containers_name_is_bounded),
		cmocka_unit_test(expansion_is_bounded_in_words_and_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
