/* SPDX-License-Identifier: Apache-2.0 */
/* Commands beside the container, by systemd.service(5). */
#include "unit_fixture.h"

static const struct service *load_lines(struct unit_set *set, const char *lines)
{
	char text[4096];

	snprintf(text, sizeof(text), FINE "[Service]\n%s", lines);
	return &load_text(set, text)->service;
}

/* "program|argv0|argv1.." of the only command of the line. */
static void assert_command(const char *value, const char *expected)
{
	struct unit_set set;
	char line[2048], got[2048];
	size_t len;
	const struct service *s;

	snprintf(line, sizeof(line), "Environment=A=1 \"B=x  'y z'\" E=\nExecStartPre=%s\n", value);
	s = load_lines(&set, line);
	for (size_t i = 0; i < set.diags.count; i++)
		if (set.diags.items[i].severity != DIAG_NOTE &&
		    !strstr(set.diags.items[i].text, "commands beside the container"))
			fail_msg("%s: %s", value, set.diags.items[i].text);
	assert_int_equal(s->exec_count, 1);
	len = (size_t)snprintf(got, sizeof(got), "%s", s->execs[0].program);
	for (size_t i = 0; i < s->execs[0].argv.count; i++)
		len += (size_t)snprintf(got + len, sizeof(got) - len, "|%s",
					s->execs[0].argv.items[i].text);
	assert_string_equal(got, expected);
	unit_set_fini(&set);
}

static void words_quotes_and_escapes(void **state)
{
	(void)state;
	assert_command("/bin/echo a  b", "/bin/echo|/bin/echo|a|b");
	assert_command("/bin/sh -c 'echo \"x y\" > /tmp/a'",
		       "/bin/sh|/bin/sh|-c|echo \"x y\" > /tmp/a");
	assert_command("/bin/echo \"a 'b' \\\"c\\\"\" '' \\x41\\n",
		       "/bin/echo|/bin/echo|a 'b' \"c\"||A\n");
	assert_command("\"/bin/with blank\" a", "/bin/with blank|/bin/with blank|a");
	assert_command("mkdir -p /x", "mkdir|mkdir|-p|/x");
}

static void specifiers_then_variables(void **state)
{
	(void)state;
	assert_command("/bin/%p %h %%h", "/bin/web|/bin/web|/data/home|%h");
	assert_command("/bin/echo $A ${A} x${A}y $B ${B} $E ${E} $$A a$A",
		       "/bin/echo|/bin/echo|1|1|x1y|x|y z|x  'y z'||$A|a$A");
	assert_command(":/bin/echo $A ${A} $$", "/bin/echo|/bin/echo|$A|${A}|$$");
	assert_command("@/bin/sh %N -c $A", "/bin/sh|web|-c|1");
	assert_command("/bin/echo ${HOME}", "/bin/echo|/bin/echo|/data/home");
}

static const struct service_exec *load_command(struct unit_set *set, const char *value)
{
	char line[512];

	snprintf(line, sizeof(line), "ExecStopPost=%s\n", value);

	const struct service *s = load_lines(set, line);

	assert_int_equal(s->exec_count, 1);
	return &s->execs[0];
}

static void prefixes_in_any_order(void **state)
{
	static const struct {
		const char *value;
		bool ignores_failure, has_no_variables, is_for_shell;
		enum service_exec_privileges privileges;
	} rows[] = {
		{ "/x", false, false, false, SERVICE_EXEC_AS_SERVICE },
		{ "-/x", true, false, false, SERVICE_EXEC_AS_SERVICE },
		{ "-:/x", true, true, false, SERVICE_EXEC_AS_SERVICE },
		{ ":-+/x", true, true, false, SERVICE_EXEC_FULL },
		{ "!/x", false, false, false, SERVICE_EXEC_ROOT },
		{ "!!-/x", true, false, false, SERVICE_EXEC_ROOT_AMBIENT },
		{ "|/x", false, false, true, SERVICE_EXEC_AS_SERVICE },
		{ "+|-:/x", true, true, true, SERVICE_EXEC_FULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct unit_set set;
		const struct service_exec *exec = load_command(&set, rows[i].value);

		assert_int_equal(exec->which, SERVICE_EXEC_STOP_POST);
		assert_string_equal(exec->program, "/x");
		assert_int_equal(exec->ignores_failure, rows[i].ignores_failure);
		assert_int_equal(exec->has_no_variables, rows[i].has_no_variables);
		assert_int_equal(exec->is_for_shell, rows[i].is_for_shell);
		assert_int_equal(exec->privileges, rows[i].privileges);
		unit_set_fini(&set);
	}
}

static void variables_of_the_moment_are_left_for_later(void **state)
{
	struct unit_set set;
	const struct service_exec *exec = load_command(&set, "/bin/kill -HUP $MAINPID $$x %p");

	(void)state;
	assert_true(exec->is_late);
	assert_string_equal(exec->argv.items[2].text, "$MAINPID");
	assert_string_equal(exec->argv.items[3].text, "$$x");
	assert_string_equal(exec->argv.items[4].text, "web");
	unit_set_fini(&set);
	exec = load_command(&set, "/bin/echo x${SERVICE_RESULT}y");
	assert_true(exec->is_late);
	unit_set_fini(&set);
	exec = load_command(&set, ":/bin/echo $MAINPID");
	assert_false(exec->is_late);
	unit_set_fini(&set);
	exec = load_command(&set, "/bin/echo $$MAINPID $${MAINPID} a$MAINPID");
	assert_false(exec->is_late);
	assert_string_equal(exec->argv.items[1].text, "$MAINPID");
	assert_string_equal(exec->argv.items[2].text, "${MAINPID}");
	unit_set_fini(&set);
}

static void semicolons_part_commands(void **state)
{
	struct unit_set set;
	const struct service *s = load_lines(
		&set,
		"ExecStartPre=/a 1 ; -/b ';' \\; 2;3 ; /c\nExecStartPre=/d\nExecStop=/e ; ; /f;\n");

	(void)state;
	assert_int_equal(s->exec_count, 6);
	assert_string_equal(s->execs[0].program, "/a");
	assert_int_equal(s->execs[0].argv.count, 2);
	assert_string_equal(s->execs[1].program, "/b");
	assert_true(s->execs[1].ignores_failure);
	assert_int_equal(s->execs[1].argv.count, 4);
	assert_string_equal(s->execs[1].argv.items[1].text, ";");
	assert_string_equal(s->execs[1].argv.items[2].text, ";");
	assert_string_equal(s->execs[1].argv.items[3].text, "2;3");
	assert_string_equal(s->execs[2].program, "/c");
	assert_string_equal(s->execs[3].program, "/d");
	assert_int_equal(s->execs[4].which, SERVICE_EXEC_STOP);
	assert_string_equal(s->execs[5].program, "/f;");
	unit_set_fini(&set);
}

static void an_empty_line_clears_its_own_kind(void **state)
{
	struct unit_set set;
	const struct service *s = load_lines(
		&set,
		"ExecStartPre=/a\nExecStop=/b\nExecStartPre=/c\nExecStartPre=\nExecStartPre=/d\n");

	(void)state;
	assert_int_equal(s->exec_count, 2);
	assert_string_equal(s->execs[0].program, "/b");
	assert_string_equal(s->execs[1].program, "/d");
	unit_set_fini(&set);
}

static void every_kind_is_told_apart(void **state)
{
	static const char *const keys[] = { "ExecCondition", "ExecStartPre",   "ExecStartPost",
					    "ExecReload",    "ExecReloadPost", "ExecStop",
					    "ExecStopPost" };

	(void)state;
	for (unsigned i = 0; i < 7; i++) {
		struct unit_set set;
		char line[64];

		snprintf(line, sizeof(line), "%s=/x\n", keys[i]);
		assert_int_equal(load_lines(&set, line)->execs[0].which, i);
		unit_set_fini(&set);
	}
}

/* The message beside the one that commands are not run. */
static void assert_refused(const char *line, unsigned column, const char *message)
{
	struct unit_set set;
	bool is_said = false;

	load_lines(&set, line);
	for (size_t i = 0; i < set.diags.count; i++)
		is_said |= set.diags.items[i].severity == DIAG_ERROR &&
			   set.diags.items[i].column == column &&
			   strstr(set.diags.items[i].text, message);
	if (!is_said)
		fail_msg("%s: '%s' at column %u is not said", line, message, column);
	assert_false(set.units[0].is_valid);
	unit_set_fini(&set);
}

static void what_systemd_refuses_is_refused(void **state)
{
	(void)state;
	assert_refused("ExecStop=./x\n", 10, "'./x' is neither an absolute path");
	assert_refused("ExecStop=bin/x\n", 10, "neither an absolute path");
	assert_refused("ExecStop=/bin/\n", 10, "neither an absolute path");
	assert_refused("ExecStop=--/x\n", 10, "'-/x' is neither");
	assert_refused("ExecStop=+!/x\n", 10, "'!/x' is neither");
	assert_refused("ExecStop=!!!/x\n", 10, "'!/x' is neither");
	assert_refused("ExecStop=-\n", 10, "'' is neither");
	assert_refused("ExecStop=/a ; -\n", 15, "'' is neither");
	assert_refused("ExecStop=@/x\n", 10, "@ wants a name");
	assert_refused("ExecStop=/a 'b\n", 13, "the quote is not closed: systemd refuses the unit");
	assert_refused("ExecStop=/a \\y\n", 13,
		       "unsupported escape char: systemd refuses the unit");
	assert_refused("ExecStop=/a %c\n", 13, "%c is no specifier");
	assert_refused("ExecStop=$A\nEnvironment=A=/x\n", 10, "'$A' is neither");
	assert_refused("ExecStart=/x\n", 11, "Quadlet writes it");
}

/* "key: program|argv0|argv1.." of each command of a [Container] that begins so. */
static void assert_reload(const char *lines, const char *expected)
{
	struct unit_set set;
	char text[1024], got[2048] = "";
	size_t len = 0;
	const struct service *s;

	snprintf(text, sizeof(text), FINE "ContainerName=site\n%s", lines);
	s = &load_text(&set, text)->service;
	assert_true(set.units[0].is_valid);
	for (size_t i = 0; i < s->exec_count; i++) {
		assert_int_equal(s->execs[i].which, SERVICE_EXEC_RELOAD);
		len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%s: %s", i ? " " : "",
					s->execs[i].origin->key, s->execs[i].program);
		for (size_t k = 0; k < s->execs[i].argv.count; k++)
			len += (size_t)snprintf(got + len, sizeof(got) - len, "|%s",
						s->execs[i].argv.items[k].text);
	}
	assert_string_equal(got, expected);
	unit_set_fini(&set);
}

/* Behind the unit's own lines, as podman's generator appends it to [Service]. */
static void reload_of_a_container_is_podmans_command(void **state)
{
	(void)state;
	assert_reload(
		"ReloadCmd=/bin/reload 'a b' %n $A\n[Service]\nEnvironment=A=1\n",
		"Container.ReloadCmd: /usr/bin/podman|/usr/bin/podman|exec|site|/bin/reload|a b|web.service|1");
	assert_reload(
		"ReloadSignal=USR1\n",
		"Container.ReloadSignal: /usr/bin/podman|/usr/bin/podman|kill|--signal|USR1|site");
	assert_reload(
		"ReloadSignal=HUP\n[Service]\nExecReload=/bin/first\n",
		"Service.ExecReload: /bin/first|/bin/first Container.ReloadSignal: /usr/bin/podman|/usr/bin/podman|kill|--signal|HUP|site");
	assert_reload("", "");
}

/* Nothing of theirs is started that commands could stand beside. */
static void commands_of_what_is_not_started_are_refused(void **state)
{
	static const char *const texts[][2] = {
		{ "data.volume", "[Volume]\n[Service]\nExecStartPre=/bin/x\n" },
		{ "net.network", "[Network]\n[Service]\nExecStartPre=/bin/x\n" },
		{ "app.image", "[Image]\nImage=localhost/web:1\n[Service]\nExecStartPre=/bin/x\n" },
		{ "data.volume", "[Unit]\nConditionPathExists=/x\n[Volume]\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct unit_set set = { 0 };
		bool is_said = false;

		load_named(&set, texts[i][0], texts[i][1]);
		for (size_t k = 0; k < set.diags.count; k++)
			is_said |= set.diags.items[k].severity == DIAG_ERROR &&
				   strstr(set.diags.items[k].text,
					  "is made when a container needs it");
		if (!is_said || set.units[0].is_valid)
			fail_msg("%s: %s", texts[i][0], texts[i][1]);
		unit_set_fini(&set);
	}
}

static void bare_names_are_noted(void **state)
{
	struct unit_set set;
	bool is_said = false;

	(void)state;
	load_lines(&set, "ExecReload=/a ; -kill 1\n");
	assert_true(set.units[0].is_valid);
	for (size_t i = 0; i < set.diags.count; i++)
		is_said |= str_eq(set.diags.items[i].text, "kill is looked for in PATH") &&
			   set.diags.items[i].column == 17;
	assert_true(is_said);
	unit_set_fini(&set);
}

static void variables_that_are_not_set_are_said(void **state)
{
	struct unit_set set;

	(void)state;
	load_lines(&set, "ExecReload=/a x${NONE} b\n");
	assert_diag(&set, DIAG_WARNING, 5, 15, "Service.ExecReload",
		    "write $${NONE} for the shell's own");
	unit_set_fini(&set);
	load_lines(&set, "ExecReload=/a $NONE b\n");
	assert_int_equal(set.units[0].service.execs[0].argv.count, 2);
	assert_diag(&set, DIAG_WARNING, 5, 15, "Service.ExecReload", "the word vanishes");
	unit_set_fini(&set);
}

/* One word of 32 KiB less the key, quotes in quotes, thousands of commands. */
static void hostile_lines_stay_within_bounds(void **state)
{
	struct buf text = BUF_INIT(UNIT_MAX_FILE_BYTES);
	struct unit_set set;

	(void)state;
	buf_puts(&text, FINE "[Service]\nExecReload=/x '");
	for (int i = 0; i < 15000; i++)
		buf_puts(&text, "\"'\"'"[i % 4] == '"' ? "\"" : "a");
	buf_puts(&text, "'\nExecStop=");
	for (int i = 0; i < 8000; i++)
		buf_puts(&text, "/x ;");
	buf_puts(&text, "\nEnvironment=");
	for (int i = 0; i < 5000; i++)
		buf_puts(&text, "A=%h ");
	buf_puts(&text, "\n");
	load_text(&set, buf_str(&text));
	assert_int_equal(set.units[0].service.execs[0].argv.count, 2);
	assert_int_equal(strlen(set.units[0].service.execs[0].argv.items[1].text), 15000);
	assert_int_equal(set.units[0].service.environment.count, 5000);
	unit_set_fini(&set);

	buf_clear(&text);
	buf_puts(&text, FINE "[Service]\nEnvironment=W=");
	for (int i = 0; i < 30000; i++)
		buf_putc(&text, 'w');
	buf_puts(&text, "\nExecReload=/x ");
	for (int i = 0; i < 60; i++)
		buf_puts(&text, "${W}");
	buf_putc(&text, '\n');
	load_text(&set, buf_str(&text));
	assert_non_null(strstr(only_diag(&set, DIAG_ERROR)->text, "1048576 bytes"));
	unit_set_fini(&set);
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_quotes_and_escapes),
		cmocka_unit_test(specifiers_then_variables),
		cmocka_unit_test(prefixes_in_any_order),
		cmocka_unit_test(variables_of_the_moment_are_left_for_later),
		cmocka_unit_test(semicolons_part_commands),
		cmocka_unit_test(an_empty_line_clears_its_own_kind),
		cmocka_unit_test(every_kind_is_told_apart),
		cmocka_unit_test(what_systemd_refuses_is_refused),
		cmocka_unit_test(reload_of_a_container_is_podmans_command),
		cmocka_unit_test(commands_of_what_is_not_started_are_refused),
		cmocka_unit_test(bare_names_are_noted),
		cmocka_unit_test(variables_that_are_not_set_are_said),
		cmocka_unit_test(hostile_lines_stay_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
