/* SPDX-License-Identifier: Apache-2.0 */
/* [Unit], [Service] and [Install] as data. */
#include "unit_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

#include "unit/env_file_internal.h"
#include "util/loop.h"

/* The service of FINE with more behind it; the set has to be freed. */
static const struct service *load_service(struct unit_set *set, const char *more)
{
	char text[2048];

	snprintf(text, sizeof(text), FINE "%s", more);
	return &load_text(set, text)->service;
}

static void defaults_are_systemds(void **state)
{
	struct unit_set set;
	const struct service *s = load_service(&set, "");

	(void)state;
	assert_int_equal(s->type, SERVICE_NOTIFY);
	assert_int_equal(s->restart, SERVICE_RESTART_NO);
	assert_int_equal(s->restart_usec, 100 * USEC_MSEC);
	assert_true(s->restart_max_usec == USEC_NEVER);
	assert_int_equal(s->restart_steps, 0);
	assert_int_equal(s->start_limit_interval_usec, 10 * USEC_SEC);
	assert_int_equal(s->start_limit_burst, 5);
	assert_int_equal(s->timeout_start_usec, 90 * USEC_SEC);
	assert_int_equal(s->timeout_stop_usec, 90 * USEC_SEC);
	assert_true(s->runtime_max_usec == USEC_NEVER);
	assert_false(s->remain_after_exit);
	assert_false(s->boot);
	assert_string_equal(s->description, "");
	unit_set_fini(&set);
}

static void times_and_counts_are_taken_over(void **state)
{
	struct unit_set set;
	const struct service *s = load_service(
		&set, "[Unit]\nDescription=On %H\n[Service]\nRestartSec=10\nRestartSteps=4\n"
		      "RestartMaxDelaySec=5min\nTimeoutStartSec=900\nTimeoutStopSec=30s\n"
		      "RuntimeMaxSec=1d\nRemainAfterExit=yes\n");

	(void)state;
	assert_quiet(&set);
	assert_string_equal(s->description, "On box.example.com");
	assert_int_equal(s->restart_usec, 10 * USEC_SEC);
	assert_int_equal(s->restart_steps, 4);
	assert_int_equal(s->restart_max_usec, 300 * USEC_SEC);
	assert_int_equal(s->timeout_start_usec, 900 * USEC_SEC);
	assert_int_equal(s->timeout_stop_usec, 30 * USEC_SEC);
	assert_int_equal(s->runtime_max_usec, 86400 * USEC_SEC);
	assert_true(s->remain_after_exit);
	unit_set_fini(&set);
}

static void zero_is_no_limit_for_start_and_stop(void **state)
{
	struct unit_set set;
	const struct service *s =
		load_service(&set, "[Service]\nTimeoutStartSec=0\nTimeoutStopSec=0\n");

	(void)state;
	assert_true(s->timeout_start_usec == USEC_NEVER && s->timeout_stop_usec == USEC_NEVER);
	unit_set_fini(&set);
	s = load_service(&set, "[Service]\nTimeoutSec=5\nTimeoutStopSec=6\n");
	assert_int_equal(s->timeout_start_usec, 5 * USEC_SEC);
	assert_int_equal(s->timeout_stop_usec, 6 * USEC_SEC);
	unit_set_fini(&set);
	s = load_service(&set, "[Service]\nTimeoutSec=0\n");
	assert_true(s->timeout_start_usec == USEC_NEVER && s->timeout_stop_usec == USEC_NEVER);
	unit_set_fini(&set);
	assert_complaint("[Service]\nRuntimeMaxSec=0\n", DIAG_ERROR, 5, 15, "Service.RuntimeMaxSec",
			 "end the container at once");
}

static void a_oneshot_may_start_forever(void **state)
{
	struct unit_set set;
	const struct service *s = load_service(&set, "[Service]\nType=oneshot\n");

	(void)state;
	assert_int_equal(s->type, SERVICE_ONESHOT);
	assert_true(s->timeout_start_usec == USEC_NEVER);
	unit_set_fini(&set);
	s = load_service(&set, "[Service]\nType=oneshot\nTimeoutStartSec=5\n");
	assert_int_equal(s->timeout_start_usec, 5 * USEC_SEC);
	unit_set_fini(&set);
}

static void what_systemd_ignores_keeps_the_default_with_a_warning(void **state)
{
	struct unit_set set;
	const struct service *s = load_service(&set, "[Service]\nTimeoutStartSec=five\n");

	(void)state;
	assert_diag(&set, DIAG_WARNING, 5, 17, "Service.TimeoutStartSec",
		    "ignored, as systemd does");
	assert_int_equal(s->timeout_start_usec, 90 * USEC_SEC);
	unit_set_fini(&set);
	assert_complaint("[Service]\nRestartSteps=-1\n", DIAG_WARNING, 5, 14,
			 "Service.RestartSteps", "no number");
	assert_complaint("[Unit]\nStartLimitBurst=many\n", DIAG_WARNING, 5, 17,
			 "Unit.StartLimitBurst", "no number");
	assert_complaint("[Service]\nSuccessExitStatus=1 SIGFOO\n", DIAG_WARNING, 5, 21,
			 "Service.SuccessExitStatus", "'SIGFOO'");
	assert_complaint("[Service]\nRestartSec=infinity\nRestart=always\n", DIAG_WARNING, 5, 12,
			 "Service.RestartSec", "never started again");
}

static void every_restart_word_is_known(void **state)
{
	static const struct {
		const char *word;
		enum service_restart restart;
	} rows[] = {
		{ "no", SERVICE_RESTART_NO },
		{ "on-success", SERVICE_RESTART_ON_SUCCESS },
		{ "on-failure", SERVICE_RESTART_ON_FAILURE },
		{ "on-abnormal", SERVICE_RESTART_ON_ABNORMAL },
		{ "on-abort", SERVICE_RESTART_ON_ABORT },
		{ "on-watchdog", SERVICE_RESTART_ON_WATCHDOG },
		{ "always", SERVICE_RESTART_ALWAYS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct unit_set set;
		char text[64];

		snprintf(text, sizeof(text), "[Service]\nRestart=%s\n", rows[i].word);
		assert_int_equal(load_service(&set, text)->restart, rows[i].restart);
		assert_quiet(&set);
		unit_set_fini(&set);
	}
}

static void assert_restart(const char *word, enum service_restart restart, const char *warning)
{
	struct unit_set set;
	char text[64];

	snprintf(text, sizeof(text), "[Service]\nRestart=%s\n", word);
	assert_int_equal(load_service(&set, text)->restart, restart);
	assert_diag(&set, DIAG_WARNING, 5, 9, "Service.Restart", warning);
	unit_set_fini(&set);
}

static void restart_words_that_systemd_ignores_are_named(void **state)
{
	(void)state;
	assert_restart("unless-stopped", SERVICE_RESTART_ALWAYS,
		       "'unless-stopped' is read as always");
	assert_restart("Always", SERVICE_RESTART_NO,
		       "so the unit is not restarted: write Restart=always");
	assert_complaint("[Service]\nRestart=on-failure\nRestart=Always\n", DIAG_WARNING, 6, 9,
			 "Service.Restart",
			 "so Restart=on-failure from before it counts: write Restart=always");
	assert_restart("always # yes", SERVICE_RESTART_NO, "comments stand on lines of their own");
	assert_restart("sometimes", SERVICE_RESTART_NO, "systemd ignores 'sometimes'");
}

static void start_limits_are_found_under_all_names(void **state)
{
	struct unit_set set;
	const struct service *s =
		load_service(&set, "[Unit]\nStartLimitIntervalSec=60\nStartLimitBurst=3\n");

	(void)state;
	assert_int_equal(s->start_limit_interval_usec, 60 * USEC_SEC);
	assert_int_equal(s->start_limit_burst, 3);
	unit_set_fini(&set);
	s = load_service(&set, "[Unit]\nStartLimitInterval=61\n[Service]\nStartLimitBurst=4\n");
	assert_int_equal(s->start_limit_interval_usec, 61 * USEC_SEC);
	assert_int_equal(s->start_limit_burst, 4);
	assert_quiet(&set);
	unit_set_fini(&set);
	s = load_service(&set, "[Service]\nStartLimitInterval=62\n");
	assert_int_equal(s->start_limit_interval_usec, 62 * USEC_SEC);
	unit_set_fini(&set);
	s = load_service(&set, "[Service]\nStartLimitIntervalSec=63\n");
	assert_int_equal(s->start_limit_interval_usec, 63 * USEC_SEC);
	assert_diag(&set, DIAG_WARNING, 5, 23, "Service.StartLimitIntervalSec",
		    "[Unit], where it belongs");
	unit_set_fini(&set);
	s = load_service(&set,
			 "[Unit]\nStartLimitIntervalSec=64\n[Service]\nStartLimitIntervalSec=65\n");
	assert_int_equal(s->start_limit_interval_usec, 64 * USEC_SEC);
	assert_diag(&set, DIAG_WARNING, 7, 23, "Service.StartLimitIntervalSec",
		    "it is said in [Unit]");
	unit_set_fini(&set);
	s = load_service(&set, "[Unit]\nStartLimitBurst=0\n");
	assert_int_equal(s->start_limit_interval_usec, 0);
	unit_set_fini(&set);
}

static void exit_sets_are_collected_and_reset(void **state)
{
	struct unit_set set;
	const struct service *s = load_service(
		&set,
		"[Service]\nSuccessExitStatus=1\nSuccessExitStatus=\nSuccessExitStatus=143 SIGKILL\n"
		"RestartPreventExitStatus=3\nRestartForceExitStatus=TEMPFAIL\n");

	(void)state;
	assert_quiet(&set);
	assert_true(s->success.codes[0] == 0 && s->success.codes[2] == UINT64_C(1) << (143 - 128));
	assert_true(s->success.signals == UINT64_C(1) << 9);
	assert_true(s->restart_prevent.codes[0] == UINT64_C(1) << 3);
	assert_true(s->restart_force.codes[1] == UINT64_C(1) << (75 - 64));
	unit_set_fini(&set);
}

static void boot_targets_start_at_boot_and_others_do_not(void **state)
{
	static const char *const targets[] = { "default.target", "multi-user.target",
					       "graphical.target" };
	struct unit_set set;
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		snprintf(text, sizeof(text), "[Install]\nWantedBy=%s\n", targets[i]);
		assert_true(load_service(&set, text)->boot);
		assert_quiet(&set);
		unit_set_fini(&set);
	}
	assert_true(load_service(&set, "[Install]\nRequiredBy=default.target\n")->boot);
	unit_set_fini(&set);
	assert_false(load_service(&set, "[Install]\nWantedBy=my.target\n")->boot);
	assert_diag(&set, DIAG_NOTE, 5, 10, "Install.WantedBy", "one of the group my.target");
	unit_set_fini(&set);
}

static void names_that_are_built_in_need_no_unit(void **state)
{
	struct unit_set set;

	(void)state;
	load_service(
		&set,
		"[Unit]\nAfter=network-online.target local-fs.target\nWants=network-online.target\nRequires=network.target\n");
	assert_int_equal(set.diags.count, 0);
	assert_int_equal(set.units[0].service.dep_count, 0);
	unit_set_fini(&set);
}

static void names_without_a_unit_are_noted_or_refused(void **state)
{
	(void)state;
	assert_complaint("[Unit]\nAfter=podman.socket\n", DIAG_NOTE, 5, 7, "Unit.After",
			 "there is no unit podman.socket: ignored");
	assert_complaint("[Unit]\nWants=x.service\n", DIAG_NOTE, 5, 7, "Unit.Wants", "ignored");
	assert_complaint("[Unit]\nRequires=a.mount\n", DIAG_ERROR, 5, 10, "Unit.Requires",
			 "it is required");
	assert_complaint("[Unit]\nBindsTo=a.service\n", DIAG_ERROR, 5, 9, "Unit.BindsTo",
			 "it is required");
	assert_complaint("[Unit]\nAfter=db\n", DIAG_WARNING, 5, 7, "Unit.After", "no suffix");
	assert_complaint("[Unit]\nAfter=%c.service\n", DIAG_ERROR, 5, 7, "Unit.After",
			 "%c is no specifier");
}

static void environment_is_read_for_variables(void **state)
{
	struct unit_set set;
	const struct service *s = load_service(
		&set, "[Service]\nEnvironment=A=1 \"B=x y\" C=%h\\x41\nEnvironment=A=2\n");

	(void)state;
	assert_quiet(&set);
	assert_int_equal(s->environment.count, 4);
	assert_string_equal(s->environment.items[1].text, "B=x y");
	assert_string_equal(s->environment.items[2].text, "C=/data/homeA");
	assert_string_equal(s->environment.items[3].text, "A=2");
	unit_set_fini(&set);
	assert_complaint("[Service]\nEnvironment=1A=2\n", DIAG_WARNING, 5, 13,
			 "Service.Environment", "no NAME=VALUE");
	assert_complaint("[Service]\nEnvironment=A\n", DIAG_WARNING, 5, 13, "Service.Environment",
			 "no NAME=VALUE");
	assert_complaint("[Service]\nEnvironment=A=%c\n", DIAG_ERROR, 5, 13, "Service.Environment",
			 "no specifier");
}

static void environment_files_are_read(void **state)
{
	char path[] = "/tmp/cleat-env-XXXXXX", text[256];
	int fd = mkstemp(path);
	struct unit_set set;
	const struct service *s;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "# c\nTAG=v2\n", 11), 11);
	snprintf(
		text, sizeof(text),
		"[Service]\nEnvironment=TAG=v1\nEnvironmentFile=%s\nEnvironmentFile=-/no/such/file\n",
		path);
	s = load_service(&set, text);
	assert_quiet(&set);
	assert_int_equal(s->environment.count, 2);
	assert_string_equal(s->environment.items[1].text, "TAG=v2");
	unit_set_fini(&set);

	assert_int_equal(pwrite(fd, "TAG v2\n    ", 11, 0), 11);
	load_service(&set, text);
	assert_diag(&set, DIAG_ERROR, 6, 17, "Service.EnvironmentFile", "line 1: not NAME=VALUE");
	unit_set_fini(&set);
	assert_int_equal(pwrite(fd, "A=\0\n       ", 11, 0), 11);
	load_service(&set, text);
	assert_diag(&set, DIAG_ERROR, 6, 17, "Service.EnvironmentFile", "a NUL byte");
	unit_set_fini(&set);
	assert_int_equal(ftruncate(fd, ENV_FILE_MAX_BYTES + 1), 0);
	load_service(&set, text);
	assert_diag(&set, DIAG_ERROR, 6, 17, "Service.EnvironmentFile", "larger than");
	unit_set_fini(&set);
	close(fd);
	unlink(path);
}

static void environment_files_that_cannot_be_read_are_said(void **state)
{
	(void)state;
	assert_complaint("[Service]\nEnvironmentFile=/no/such/file\n", DIAG_ERROR, 5, 17,
			 "Service.EnvironmentFile", "/no/such/file");
	assert_complaint("[Service]\nEnvironmentFile=a.env\n", DIAG_WARNING, 5, 17,
			 "Service.EnvironmentFile", "no absolute path");
	assert_complaint("[Service]\nEnvironmentFile=/proc/self/no-such-*.env\n", DIAG_ERROR, 5, 17,
			 "Service.EnvironmentFile", "no file of such a name");
	assert_complaint("[Service]\nEnvironmentFile=/no/such/folder/*.env\n", DIAG_ERROR, 5, 17,
			 "Service.EnvironmentFile", "/no/such/folder/");
	assert_complaint("[Service]\nEnvironmentFile=/*/a.env\n", DIAG_ERROR, 5, 17,
			 "Service.EnvironmentFile", "not for folders");
	assert_complaint("[Service]\nEnvironmentFile=-/p[a/*.env\n", DIAG_ERROR, 5, 17,
			 "Service.EnvironmentFile", "not for folders");
	assert_complaint("[Service]\nEnvironmentFile=-/\n", DIAG_ERROR, 5, 17,
			 "Service.EnvironmentFile", "regular file");
}

static void write_file(const char *folder, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	fclose(file);
}

static void patterns_of_environment_files_are_read_in_the_order_of_names(void **state)
{
	static const char *const names[] = { "2.env", "1.env", "10.env", "b.conf", ".hidden.env" };
	char folder[] = "/tmp/cleat-env-XXXXXX", text[256], path[128];
	struct unit_set set;
	const struct service *s;

	(void)state;
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < 5; i++) {
		snprintf(text, sizeof(text), "N=%zu\n", i);
		write_file(folder, names[i], text);
	}
	snprintf(text, sizeof(text),
		 "[Service]\nEnvironmentFile=%s/*.env\nEnvironmentFile=-%s/?.none\n", folder,
		 folder);
	s = load_service(&set, text);
	assert_quiet(&set);
	assert_int_equal(s->environment.count, 3);
	assert_string_equal(s->environment.items[0].text, "N=1"); /* 1.env */
	assert_string_equal(s->environment.items[1].text, "N=2"); /* 10.env */
	assert_string_equal(s->environment.items[2].text, "N=0"); /* 2.env */
	unit_set_fini(&set);
	write_file(folder, "3.env", "broken\n");
	load_service(&set, text);
	assert_diag(&set, DIAG_ERROR, 5, 17, "Service.EnvironmentFile",
		    "3.env: line 1: not NAME=VALUE");
	unit_set_fini(&set);
	for (int i = 0; i <= ENV_FILE_MAX_MATCHES; i++) {
		snprintf(path, sizeof(path), "m%d.env", i);
		write_file(folder, path, "A=1\n");
	}
	load_service(&set, text);
	assert_diag(&set, DIAG_ERROR, 5, 17, "Service.EnvironmentFile", "more than 64 files");
	unit_set_fini(&set);
	for (int i = 0; i <= ENV_FILE_MAX_MATCHES; i++) {
		snprintf(path, sizeof(path), "%s/m%d.env", folder, i);
		assert_int_equal(unlink(path), 0);
	}
	for (size_t i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		assert_int_equal(unlink(path), 0);
	}
	snprintf(path, sizeof(path), "%s/3.env", folder);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

/* Parses text; expected holds the words with | between. */
static void assert_env(const char *text, const char *expected)
{
	struct arena arena = { 0 };
	struct arg_list list = { 0 };
	char got[512] = "";
	size_t len = 0;
	struct err err;

	if (env_file_parse(&arena, text, NULL, &list, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	for (size_t i = 0; i < list.count; i++)
		len += (size_t)snprintf(got + len, sizeof(got) - len, "%s%s", i ? "|" : "",
					list.items[i].text);
	assert_string_equal(got, expected);
	arena_fini(&arena);
}

static void environment_files_have_a_shells_quotes(void **state)
{
	(void)state;
	assert_env("A=1\n\n# c\n ; d\n B = 2 3 \r\n", "A=1|B=2 3");
	assert_env("A='x \\ y' B\nC=\"a\\\"b\\nc\"", "A=x \\ y B|C=a\"b\\nc");
	assert_env("A=a\\\nb\\ \nB=\"l1\nl2\"", "A=ab |B=l1\nl2");
	assert_env("A=\nB=#x\n", "A=|B=#x");
	assert_env("A=x\\", "A=x");
}

static void environment_files_that_are_wrong_name_the_line(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{ "A=1\nB\n", "line 2: not NAME=VALUE" },
		{ "A=\"x\ny\nz", "line 1: the quote is not closed" },
		{ "A='x", "line 1: the quote is not closed" },
		{ "export A=1\n", "line 1: not NAME=VALUE" },
		{ "A=\"x\ny\"\n1=2", "line 3: not NAME=VALUE" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena arena = { 0 };
		struct arg_list list = { 0 };
		struct err err;

		assert_int_equal(env_file_parse(&arena, rows[i].text, NULL, &list, &err), -1);
		assert_int_equal(err.code, ERR_INPUT);
		assert_string_equal(err.msg, rows[i].message);
		arena_fini(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_systemds),
		cmocka_unit_test(times_and_counts_are_taken_over),
		cmocka_unit_test(zero_is_no_limit_for_start_and_stop),
		cmocka_unit_test(a_oneshot_may_start_forever),
		cmocka_unit_test(what_systemd_ignores_keeps_the_default_with_a_warning),
		cmocka_unit_test(every_restart_word_is_known),
		cmocka_unit_test(restart_words_that_systemd_ignores_are_named),
		cmocka_unit_test(start_limits_are_found_under_all_names),
		cmocka_unit_test(exit_sets_are_collected_and_reset),
		cmocka_unit_test(boot_targets_start_at_boot_and_others_do_not),
		cmocka_unit_test(names_that_are_built_in_need_no_unit),
		cmocka_unit_test(names_without_a_unit_are_noted_or_refused),
		cmocka_unit_test(environment_is_read_for_variables),
		cmocka_unit_test(environment_files_are_read),
		cmocka_unit_test(environment_files_that_cannot_be_read_are_said),
		cmocka_unit_test(patterns_of_environment_files_are_read_in_the_order_of_names),
		cmocka_unit_test(environment_files_have_a_shells_quotes),
		cmocka_unit_test(environment_files_that_are_wrong_name_the_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
