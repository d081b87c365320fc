/* SPDX-License-Identifier: Apache-2.0 */
/* The lists of commands: which a unit has, what they are told, how a list runs (the child itself, with real programs). */
#include "unit_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervise/commands.h"
#include "util/str.h"

#define RESULT_FD 3
#define MAX_WORDS 40

struct outcome {
	int status; /* of waitpid() */
	bool has_result;
	struct command_result result;
	char log[32768]; /* what was said on stderr */
};

/* Runs one of the two children's mains with descriptor 3 as the engine gives it; text behind "|" of the words parts them. */
static void run_child(int (*run)(int argc, char **argv), const char *const *words,
		      struct outcome *out, int kill_with)
{
	int ends[2], said[2];
	char *argv[MAX_WORDS];
	int argc = 0;
	size_t length = 0;
	ssize_t n;
	pid_t pid;

	for (; words[argc]; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc];
	argv[argc] = NULL;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(pipe(said), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		/* whatever it forks goes with it, should the test end early */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(said[1], STDERR_FILENO);
		dup2(ends[1], RESULT_FD);
		for (int fd = RESULT_FD + 1; fd < 40; fd++)
			close(fd);
		_exit(run(argc, argv));
	}
	close(ends[1]);
	close(said[1]);
	if (kill_with) { /* as soon as the command has said that it is there */
		n = read(said[0], out->log, sizeof(out->log) - 1);
		assert_true(n > 0);
		length = (size_t)n;
		kill(pid, kill_with);
	}
	while ((n = read(said[0], out->log + length, sizeof(out->log) - 1 - length)) > 0)
		length += (size_t)n;
	out->log[length] = '\0';
	assert_int_equal(waitpid(pid, &out->status, 0), pid);
	out->has_result = false;
	while (read(ends[0], &out->result, sizeof(out->result)) == (ssize_t)sizeof(out->result))
		out->has_result = true;
	close(ends[0]);
	close(said[0]);
}

#define RUN(out, ...)                                                                           \
	run_child(cmd_run_commands,                                                             \
		  (const char *const[]){ "run-commands", "web", "22", "/", __VA_ARGS__, NULL }, \
		  &(out), 0)
#define LINE(flags, ...) flags, "web.container:7: ExecStartPre=/bin/sh", "/bin/sh", __VA_ARGS__

static void a_list_runs_in_order_and_its_output_is_logged(void **state)
{
	static struct outcome o;

	(void)state;
	RUN(o, LINE(".", "3", "/bin/sh", "-c", "echo one; echo two >&2"),
	    LINE(".", "3", "/bin/sh", "-c", "echo three"));
	assert_int_equal(o.status, 0);
	assert_false(o.has_result);
	assert_non_null(strstr(o.log, "web: ExecStartPre: one\n"));
	assert_non_null(strstr(o.log, "web: ExecStartPre: two\n"));
	assert_true(strstr(o.log, "two\n") < strstr(o.log, "three\n"));
}

static void a_failure_ends_the_list_and_names_line_code_and_last_words(void **state)
{
	static struct outcome o;

	(void)state;
	RUN(o, LINE(".", "3", "/bin/sh", "-c", "echo first; echo no disk; exit 7"),
	    LINE(".", "3", "/bin/sh", "-c", "echo never"));
	assert_int_equal(WEXITSTATUS(o.status), 1);
	assert_true(o.has_result);
	assert_int_equal(o.result.magic, COMMAND_RESULT_MAGIC);
	assert_int_equal(o.result.code, 7);
	assert_int_equal(o.result.signal, 0);
	assert_string_equal(o.result.text,
			    "web.container:7: ExecStartPre=/bin/sh: exited with code 7: no disk");
	assert_null(strstr(o.log, "never"));
}

static void a_minus_makes_every_failure_no_matter(void **state)
{
	static struct outcome o;

	(void)state;
	RUN(o, LINE(".-", "3", "/bin/sh", "-c", "exit 7"), ".-",
	    "web.container:8: ExecStartPre=/no/such", "/no/such", "1", "/no/such",
	    LINE(".-", "3", "/bin/sh", "-c", "kill -9 $$"),
	    LINE(".", "3", "/bin/sh", "-c", "echo reached"));
	assert_int_equal(o.status, 0);
	assert_non_null(strstr(o.log, "exited with code 7: ignored"));
	assert_non_null(strstr(o.log, "no such program here"));
	assert_non_null(strstr(o.log, "reached"));
}

static void a_signal_is_told_by_number_and_name(void **state)
{
	static struct outcome o;

	(void)state;
	RUN(o, LINE(".", "3", "/bin/sh", "-c", "kill -9 $$"));
	assert_int_equal(o.result.signal, 9);
	assert_int_equal(o.result.code, -1);
	assert_non_null(strstr(o.result.text, "ended by signal 9 (Killed)"));
}

static void a_missing_program_is_203_but_of_a_condition_255(void **state)
{
	static struct outcome o;

	(void)state;
	RUN(o, ".", "web.container:8: ExecStartPre=/no/such", "/no/such", "1", "/no/such");
	assert_int_equal(o.result.code, 203);
	RUN(o, ".c", "web.container:8: ExecCondition=nosuch", "nosuch", "1", "nosuch");
	assert_int_equal(o.result.code, 255);
	assert_non_null(strstr(o.result.text, "there is no such program here"));
}

static void a_bare_name_comes_from_path_and_at_gives_another_first_word(void **state)
{
	static struct outcome o;

	(void)state;
	RUN(o, ".", "web.container:8: ExecStartPre=sh", "sh", "3", "other-name", "-c", "echo $0");
	assert_int_equal(o.status, 0);
	assert_non_null(strstr(o.log, "ExecStartPre: other-name\n"));
}

/* Where units are written, /bin and /usr/bin are one; busybox's programs are in either. */
static void a_system_folder_stands_for_the_others(void **state)
{
	static const char *const folders[] = { "/bin", "/sbin", "/usr/bin", "/usr/sbin" };
	char program[64];
	static struct outcome o;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		snprintf(program, sizeof(program), "%s/sh", folders[i]);
		RUN(o, ".", "web.container:8: ExecStartPre=x", program, "3", program, "-c",
		    "echo $0");
		assert_int_equal(o.status, 0);
		assert_non_null(strstr(o.log, program)); /* argv[0] stays */
	}
	RUN(o, ".", "web.container:8: ExecStartPre=x", "/opt/sh", "1", "/opt/sh");
	assert_int_equal(o.result.code, 203);
	RUN(o, ".", "web.container:8: ExecStartPre=x", "/usr/bin/nosuch-bash", "1",
	    "/usr/bin/bash");
	assert_non_null(strstr(o.result.text, "write /bin/sh"));
}

static void words_for_the_shell_are_joined(void **state)
{
	static struct outcome o;

	(void)state;
	RUN(o, ".s", "web.container:8: ExecStartPre=echo", "echo", "3", "echo", "a;", "echo b");
	assert_int_equal(o.status, 0);
	assert_non_null(strstr(o.log, "ExecStartPre: a\n"));
	assert_non_null(strstr(o.log, "ExecStartPre: b\n"));
}

static void late_variables_are_put_in_when_it_runs(void **state)
{
	static struct outcome o;

	(void)state;
	setenv("MAINPID", "4711", 1);
	RUN(o, ".l", "web.container:8: ExecReload=/bin/echo", "/bin/echo", "4", "/bin/echo",
	    "a${MAINPID}b", "$MAINPID", "$$MAINPID");
	assert_non_null(strstr(o.log, "ExecReload: a4711b 4711 $MAINPID\n"));
	RUN(o, ".", "web.container:8: ExecReload=/bin/echo", "/bin/echo", "2", "/bin/echo",
	    "$MAINPID");
	assert_non_null(strstr(o.log, "ExecReload: $MAINPID\n"));
	unsetenv("MAINPID");
}

static void output_is_bounded_and_clean(void **state)
{
	static struct outcome o;

	(void)state;
	RUN(o,
	    LINE(".", "3", "/bin/sh", "-c",
		 "i=0; while [ $i -lt 150 ]; do echo line $i; i=$((i+1)); done; printf 'a\\033[31mb\\n'"));
	assert_int_equal(o.status, 0);
	assert_non_null(strstr(o.log, "line 99\n"));
	assert_null(strstr(o.log, "line 100\n"));
	assert_non_null(strstr(o.log, "51 more lines were left out"));
	RUN(o, LINE(".", "3", "/bin/sh", "-c", "printf 'a\\033[31mb\\n'"));
	assert_non_null(strstr(o.log, "ExecStartPre: a [31mb\n"));
}

static void who_keeps_the_output_open_is_not_waited_for(void **state)
{
	static struct outcome o;

	(void)state;
	/* the reader of this test's log would wait for the sleeper: it gets nowhere as its output */
	RUN(o, LINE(".", "3", "/bin/sh", "-c", "sleep 600 2>/dev/null & echo $!"));
	assert_int_equal(o.status, 0);

	const char *pid = strstr(o.log, "ExecStartPre: ");

	assert_non_null(pid);
	assert_int_equal(kill((pid_t)strtol(pid + strlen("ExecStartPre: "), NULL, 10), SIGKILL), 0);
}

static void asked_to_end_it_tells_the_command_and_runs_no_other(void **state)
{
	static struct outcome o;

	(void)state;
	run_child(
		cmd_run_commands,
		(const char *const[]){
			"run-commands", "web", "22", "/",
			LINE(".-", "3", "/bin/sh", "-c",
			     "trap 'echo told; exit 5' TERM; echo there; while :; do sleep 0.05; done"),
			LINE(".", "3", "/bin/sh", "-c", "echo never"), NULL },
		&o, SIGTERM);
	assert_int_equal(WEXITSTATUS(o.status), 1);
	assert_non_null(strstr(o.log, "told"));
	assert_null(strstr(o.log, "never"));
	assert_true(o.has_result);
	assert_int_equal(o.result.code, 5);
}

/* The engine kills the child along with a command that does not listen: what the child has said by then counts. */
static void killed_after_it_was_asked_it_has_told_line_and_last_words(void **state)
{
	static struct outcome o;

	(void)state;
	run_child(
		cmd_run_commands,
		(const char *const[]){
			"run-commands", "web", "22", "/",
			LINE(".", "3", "/bin/sh", "-c",
			     "trap 'kill -9 $PPID; exit' TERM; echo there; while :; do sleep 0.05; done"),
			NULL },
		&o, SIGTERM);
	assert_true(WIFSIGNALED(o.status));
	assert_true(o.has_result);
	assert_int_equal(o.result.signal, SIGKILL);
	assert_string_equal(o.result.text,
			    "web.container:7: ExecStartPre=/bin/sh: had to be killed: there");
}

static void folder_and_umask_are_set_and_a_missing_folder_fails(void **state)
{
	static struct outcome o;

	(void)state;
	run_child(cmd_run_commands,
		  (const char *const[]){ "run-commands", "web", "27", "/tmp",
					 LINE(".", "3", "/bin/sh", "-c", "pwd; umask"), NULL },
		  &o, 0);
	assert_non_null(strstr(o.log, "ExecStartPre: /tmp\n"));
	assert_non_null(strstr(o.log, "ExecStartPre: 0027\n"));
	run_child(cmd_run_commands,
		  (const char *const[]){ "run-commands", "web", "22", "/no/such",
					 LINE(".", "3", "/bin/sh", "-c", "echo never"), NULL },
		  &o, 0);
	assert_int_equal(o.result.code, 200);
	assert_non_null(strstr(o.result.text, "WorkingDirectory=/no/such: No such file"));
	run_child(cmd_run_commands,
		  (const char *const[]){ "run-commands", "web", "22", "-/no/such",
					 LINE(".", "3", "/bin/sh", "-c", "pwd"), NULL },
		  &o, 0);
	assert_non_null(strstr(o.log, "ExecStartPre: /\n"));
}

static void words_that_are_no_list_are_refused(void **state)
{
	static struct outcome o;

	(void)state;
	RUN(o, ".", "label", "/bin/sh", "9", "/bin/sh");
	assert_non_null(strstr(o.result.text, "begins no command"));
	RUN(o, ".", "label", "/bin/sh", "0", "/bin/sh");
	assert_non_null(strstr(o.result.text, "begins no command"));
}

static void which_lists_a_unit_has(void **state)
{
	struct service_exec execs[] = {
		{ .which = SERVICE_EXEC_START_PRE },
		{ .which = SERVICE_EXEC_START_PRE },
		{ .which = SERVICE_EXEC_RELOAD_POST },
		{ .which = SERVICE_EXEC_STOP_POST },
	};
	struct service service = { .execs = execs, .exec_count = 4 };

	(void)state;
	assert_int_equal(commands_of(&service), 1u << CORE_COMMAND_START_PRE |
							1u << CORE_COMMAND_RELOAD |
							1u << CORE_COMMAND_STOP_POST);
	service.exec_count = 0;
	assert_int_equal(commands_of(&service), 0);
}

static const char *value_of(char **env, const char *name)
{
	size_t len = strlen(name);

	for (; *env; env++)
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env + len + 1;
	return NULL;
}

static void the_environment_is_systemds(void **state)
{
	struct arg words[] = { { .text = "HOME=/elsewhere" }, { .text = "COLOUR=blue" } };
	struct service service = { .environment = { words, 2 } };
	struct command_facts facts = {
		.name = "web",
		.service_name = "web.service",
		.invocation_id = "0123456789abcdef0123456789abcdef",
		.main_pid = 42,
		.has_result = true,
		.result = CORE_RESULT_SIGNAL,
		.exit_code = 137,
		.exit_signal = SIGKILL,
	};
	auto_arena arena = { 0 };
	char **env = commands_environment(&arena, &service, &facts);

	(void)state;
	assert_string_equal(value_of(env, "HOME"), "/elsewhere");
	assert_string_equal(value_of(env, "COLOUR"), "blue");
	assert_string_equal(value_of(env, "USER"), "root");
	assert_string_equal(value_of(env, "MAINPID"), "42");
	assert_string_equal(value_of(env, "INVOCATION_ID"), facts.invocation_id);
	assert_string_equal(value_of(env, "SERVICE_RESULT"), "signal");
	assert_string_equal(value_of(env, "EXIT_CODE"), "killed");
	assert_string_equal(value_of(env, "EXIT_STATUS"), "KILL");
	assert_string_equal(value_of(env, COMMANDS_OF_VARIABLE), "web");
	facts = (struct command_facts){
		.name = "web", .has_result = true, .exit_code = 3, .result = CORE_RESULT_EXIT_CODE
	};
	env = commands_environment(&arena, &service, &facts);
	assert_string_equal(value_of(env, "EXIT_CODE"), "exited");
	assert_string_equal(value_of(env, "EXIT_STATUS"), "3");
	assert_null(value_of(env, "MAINPID"));
	assert_null(value_of(env, "INVOCATION_ID"));
	facts = (struct command_facts){ .name = "web", .exit_code = 3 };
	env = commands_environment(&arena, &service, &facts);
	assert_null(value_of(env, "SERVICE_RESULT"));
}

static void every_result_has_systemds_word(void **state)
{
	static const char *const words[] = {
		[CORE_RESULT_NONE] = "success",
		[CORE_RESULT_SUCCESS] = "success",
		[CORE_RESULT_EXIT_CODE] = "exit-code",
		[CORE_RESULT_SIGNAL] = "signal",
		[CORE_RESULT_OOM] = "oom-kill",
		[CORE_RESULT_TIMEOUT] = "timeout",
		[CORE_RESULT_UNHEALTHY] = "watchdog",
		[CORE_RESULT_START_ERROR] = "exit-code",
		[CORE_RESULT_SHIM_LOST] = "signal",
		[CORE_RESULT_IMAGE] = "exit-code",
		[CORE_RESULT_START_LIMIT] = "start-limit-hit",
		[CORE_RESULT_DEPENDENCY] = "resources",
		[CORE_RESULT_INVALID] = "exit-code",
		[CORE_RESULT_WATCHDOG] = "watchdog",
		[CORE_RESULT_CONDITION] = "exec-condition",
		[CORE_RESULT_ASSERT] = "resources",
		[CORE_RESULT_PROTOCOL] = "protocol",
	};
	struct service service = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct command_facts facts = { .name = "web",
					       .has_result = true,
					       .exit_code = -1,
					       .result = (enum core_result)i };
		auto_arena arena = { 0 };
		char **env = commands_environment(&arena, &service, &facts);

		assert_string_equal(value_of(env, "SERVICE_RESULT"), words[i]);
		assert_null(value_of(env, "EXIT_CODE"));
	}
}

static void a_line_is_named_by_file_number_and_key(void **state)
{
	static const struct {
		const char *file, *label;
	} rows[] = {
		{ "/config/units/web.container", "web.container:3: ExecStop=/bin/x" },
		{ "/config/units/web.container.d/10-a.conf",
		  "web.container.d/10-a.conf:3: ExecStop=/bin/x" },
		{ "web.container", "web.container:3: ExecStop=/bin/x" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct origin origin = { rows[i].file, 3, 1, "Service.ExecStop" };
		auto_buf out = BUF_INIT(512);

		commands_write_label(&origin, "/bin/x", &out);
		assert_string_equal(buf_str(&out), rows[i].label);
	}
}

static void variables_become_words_as_systemd_makes_them(void **state)
{
	static const char *const words[] = { "$LIST",	"$LIST",  "x${LIST}", "$NONE",
					     "${NONE}", "$$LIST", "a$b" };
	auto_arena arena = { 0 };
	char **out;

	(void)state;
	setenv("LIST", "one 'two words'  \"three\"", 1);
	unsetenv("NONE");
	out = commands_expand(&arena, (char *const *)(uintptr_t)words, 7);
	assert_string_equal(out[0], "$LIST");
	assert_string_equal(out[1], "one");
	assert_string_equal(out[2], "two words");
	assert_string_equal(out[3], "three");
	assert_string_equal(out[4], "xone 'two words'  \"three\"");
	assert_string_equal(out[5], "");
	assert_string_equal(out[6], "$LIST");
	assert_string_equal(out[7], "a$b");
	assert_null(out[8]);
	unsetenv("LIST");
}

#define CHECK(out, ...)                 \
	run_child(cmd_check_conditions, \
		  (const char *const[]){ "check-conditions", __VA_ARGS__, NULL }, &(out), 0)

static void conditions_have_to_hold_all_and_of_triggers_one(void **state)
{
	static struct outcome o;

	(void)state;
	CHECK(o, ".", "web.container:2: ConditionPathExists=/", "PathExists", "/");
	assert_int_equal(o.status, 0);
	CHECK(o, ".", "web.container:2: ConditionPathExists=/", "PathExists", "/", ".",
	      "web.container:3: ConditionPathExists=/no", "PathExists", "/no/such");
	assert_int_equal(WEXITSTATUS(o.status), 1);
	assert_int_equal(o.result.permanent, 0);
	assert_string_equal(o.result.text,
			    "web.container:3: ConditionPathExists=/no: does not hold");
	CHECK(o, ".!", "label", "PathExists", "/no/such");
	assert_int_equal(o.status, 0);
	CHECK(o, ".|", "first", "PathExists", "/no/such", ".|", "second", "PathExists", "/");
	assert_int_equal(o.status, 0);
	CHECK(o, ".|", "first", "PathExists", "/no/such", ".|", "second", "PathExists", "/no");
	assert_string_equal(o.result.text, "first: neither this nor any other with | holds");
	CHECK(o, ".|", "first", "PathExists", "/", ".", "second", "PathExists", "/no/such");
	assert_string_equal(o.result.text, "second: does not hold");
}

static void an_assertion_is_permanent_and_comes_after_conditions(void **state)
{
	static struct outcome o;

	(void)state;
	CHECK(o, ".a", "web.container:2: AssertPathExists=/no", "PathExists", "/no/such");
	assert_int_equal(o.result.permanent, 1);
	assert_string_equal(o.result.text, "web.container:2: AssertPathExists=/no: does not hold");
	CHECK(o, ".a", "assert", "PathExists", "/no/such", ".", "condition", "PathExists", "/no");
	assert_int_equal(o.result.permanent, 0);
	assert_string_equal(o.result.text, "condition: does not hold");
	/* a trigger among the conditions does not stand in for one among the assertions */
	CHECK(o, ".|", "condition", "PathExists", "/", ".a|", "assert", "PathExists", "/no");
	assert_int_equal(o.result.permanent, 1);
}

static void what_nobody_can_tell_does_not_hold_negated_or_not(void **state)
{
	static struct outcome o;

	(void)state;
	CHECK(o, ".", "label", "Memory", "much");
	assert_string_equal(o.result.text, "label: does not hold: 'much' is no size");
	CHECK(o, ".!", "label", "Memory", "much");
	assert_string_equal(o.result.text, "label: does not hold: 'much' is no size");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_runs_in_order_and_its_output_is_logged),
		cmocka_unit_test(a_failure_ends_the_list_and_names_line_code_and_last_words),
		cmocka_unit_test(a_minus_makes_every_failure_no_matter),
		cmocka_unit_test(a_signal_is_told_by_number_and_name),
		cmocka_unit_test(a_missing_program_is_203_but_of_a_condition_255),
		cmocka_unit_test(a_bare_name_comes_from_path_and_at_gives_another_first_word),
		cmocka_unit_test(a_system_folder_stands_for_the_others),
		cmocka_unit_test(words_for_the_shell_are_joined),
		cmocka_unit_test(late_variables_are_put_in_when_it_runs),
		cmocka_unit_test(output_is_bounded_and_clean),
		cmocka_unit_test(who_keeps_the_output_open_is_not_waited_for),
		cmocka_unit_test(asked_to_end_it_tells_the_command_and_runs_no_other),
		cmocka_unit_test(killed_after_it_was_asked_it_has_told_line_and_last_words),
		cmocka_unit_test(folder_and_umask_are_set_and_a_missing_folder_fails),
		cmocka_unit_test(words_that_are_no_list_are_refused),
		cmocka_unit_test(which_lists_a_unit_has),
		cmocka_unit_test(the_environment_is_systemds),
		cmocka_unit_test(every_result_has_systemds_word),
		cmocka_unit_test(a_line_is_named_by_file_number_and_key),
		cmocka_unit_test(variables_become_words_as_systemd_makes_them),
		cmocka_unit_test(conditions_have_to_hold_all_and_of_triggers_one),
		cmocka_unit_test(an_assertion_is_permanent_and_comes_after_conditions),
		cmocka_unit_test(what_nobody_can_tell_does_not_hold_negated_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
