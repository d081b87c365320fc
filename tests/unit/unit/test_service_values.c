/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of [Unit], [Service] and [Install]: each has a row, each row's example is read, bad values change nothing. */
#include "unit_fixture.h"

#include <signal.h>
#include <sys/resource.h>

#include "unit/keys.h"
#include "unit/service_internal.h"

static const char *const sections[] = { "Unit", "Service", "Install" };

static const struct service *load_service(struct unit_set *set, const char *more)
{
	char text[4096];

	snprintf(text, sizeof(text), FINE "%s", more);
	return &load_text(set, text)->service;
}

static void every_rule_has_a_row_and_stands_in_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const struct service_rule *rules;
		size_t count = service_rules(sections[i], &rules);

		assert_true(count > 0);
		for (size_t k = 0; k < count; k++) {
			if (!key_find(sections[i], rules[k].key))
				fail_msg("[%s] %s has no row", sections[i], rules[k].key);
			if (k && strcmp(rules[k - 1].key, rules[k].key) >= 0)
				fail_msg("[%s] %s is out of order", sections[i], rules[k].key);
			assert_ptr_equal(service_rule_find(sections[i], rules[k].key), &rules[k]);
			assert_ptr_equal(service_rule_of(key_find(sections[i], rules[k].key)),
					 &rules[k]);
		}
	}
	assert_null(service_rule_find("Container", "Image"));
	assert_null(service_rule_find("Service", "Image"));
}

/* Kinds that need reading cannot do without a rule; texts, lists and words can. */
static void rows_with_a_form_have_a_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < key_count(); i++) {
		const struct key *key = key_at(i);
		const struct service_rule *rules;

		if (!service_rules(key->section, &rules) ||
		    service_rule_find(key->section, key->name) ||
		    str_eq(key->name, "SysVStartPriority"))
			continue;
		if (key->kind == KEY_BOOL || key->kind == KEY_SPAN || key->kind == KEY_NUMBER ||
		    key->kind == KEY_EXIT_SET || key->kind == KEY_PAIRS)
			fail_msg("[%s] %s is not read", key->section, key->name);
	}
}

static bool is_warned_by_design(const char *name)
{
	static const char *const names[] = { "User",	     "Group",
					     "DynamicUser",  "StartLimitIntervalSec",
					     "RestartSteps", "RestartMaxDelaySec" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq(names[i], name))
			return true;
	return false;
}

/* What a key's own state says, and that a unit is missing, is no complaint about the value. */
static void every_example_is_read_without_a_complaint(void **state)
{
	(void)state;
	for (size_t i = 0; i < key_count(); i++) {
		const struct key *key = key_at(i);
		const struct service_rule *rules;
		struct unit_set set;
		char text[512];

		if (!service_rules(key->section, &rules) ||
		    (str_eq(key->section, "Service") && is_warned_by_design(key->name)))
			continue;
		snprintf(text, sizeof(text), "[%s]\n%s=%s\n", key->section, key->name,
			 key->example);
		load_service(&set, text);
		for (size_t k = 0; k < set.diags.count; k++) {
			const struct diag *d = &set.diags.items[k];

			if (strstr(d->text, "depend on itself"))
				continue; /* the unit here is web.service, too */
			if (d->severity == DIAG_WARNING ||
			    (d->severity == DIAG_ERROR && !strstr(d->text, key->reason) &&
			     !strstr(d->text, "there is no unit")))
				fail_msg("%s%s: %s", text, d->key, d->text);
			if (d->severity == DIAG_ERROR && !key->reason[0] &&
			    !strstr(d->text, "there is no unit"))
				fail_msg("%s%s: %s", text, d->key, d->text);
		}
		unit_set_fini(&set);
	}
}

/* No rule may crash on it, and each that knows what it wants has to say so. */
static void nonsense_changes_nothing_and_is_said(void **state)
{
	static const char nonsense[] = "%%b\\x/../&#;'";

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const struct service_rule *rules;
		size_t count = service_rules(sections[i], &rules);

		for (size_t k = 0; k < count; k++) {
			static const char *const texts[] = { "Description", "DefaultInstance" };
			bool is_text =
				str_eq(rules[k].key, texts[0]) || str_eq(rules[k].key, texts[1]) ||
				strstr(rules[k].key, "RebootArgument") ||
				(strstr(rules[k].key, "Condition") == rules[k].key &&
				 !rules[k].low) ||
				(strstr(rules[k].key, "Assert") == rules[k].key && !rules[k].low);
			struct unit_set set;
			char text[512];
			bool is_said = false;

			if (str_eq(rules[k].key, "ExecCondition"))
				is_text = false;
			snprintf(text, sizeof(text), "[%s]\n%s=%s\n", sections[i], rules[k].key,
				 nonsense);
			load_service(&set, text);
			for (size_t d = 0; d < set.diags.count; d++)
				is_said |= strstr(set.diags.items[d].key, rules[k].key) &&
					   set.diags.items[d].severity != DIAG_NOTE;
			if (!is_said && !is_text)
				fail_msg("[%s] %s takes nonsense", sections[i], rules[k].key);
			unit_set_fini(&set);
		}
	}
}

static void words_of_enums_are_taken_over(void **state)
{
	struct unit_set set;
	const struct service *s = load_service(
		&set,
		"[Service]\nRestartMode=direct\nKillMode=control-group\nNotifyAccess=main\nOOMPolicy=kill\n"
		"TimeoutStartFailureMode=kill\nTimeoutStopFailureMode=abort\n"
		"[Unit]\nStartLimitAction=reboot-force\nFailureAction=halt-immediate\nSuccessAction=exit\n"
		"JobTimeoutAction=poweroff\n");

	(void)state;
	assert_quiet(&set);
	assert_int_equal(s->restart_mode, SERVICE_RESTART_MODE_DIRECT);
	assert_int_equal(s->kill.mode, SERVICE_KILL_CONTROL_GROUP);
	assert_int_equal(s->notify_access, SERVICE_NOTIFY_MAIN);
	assert_int_equal(s->oom_policy, SERVICE_OOM_KILL);
	assert_int_equal(s->timeout_start_mode, SERVICE_TIMEOUT_KILL);
	assert_int_equal(s->timeout_stop_mode, SERVICE_TIMEOUT_ABORT);
	assert_int_equal(s->start_limit_action, SERVICE_ACTION_REBOOT_FORCE);
	assert_int_equal(s->failure_action, SERVICE_ACTION_HALT_IMMEDIATE);
	assert_int_equal(s->success_action, SERVICE_ACTION_EXIT);
	assert_int_equal(s->job_timeout_action, SERVICE_ACTION_POWEROFF);
	unit_set_fini(&set);
}

/* A complaint about this key, louder than a note. */
static bool said(const struct unit_set *set, const char *key, const char *words)
{
	for (size_t i = 0; i < set->diags.count; i++)
		if (set->diags.items[i].severity != DIAG_NOTE &&
		    strstr(set->diags.items[i].key, key) && strstr(set->diags.items[i].text, words))
			return true;
	return false;
}

static void what_actions_hand_on(void **state)
{
	char text[1024];
	struct unit_set set;
	const struct service *s = load_service(
		&set,
		"[Unit]\nFailureAction=exit\nFailureActionExitStatus=7\nSuccessActionExitStatus=255\n"
		"SuccessActionExitStatus=\nRebootArgument=%N recovery\nJobTimeoutRebootArgument=slow\n");

	(void)state;
	assert_quiet(&set);
	assert_int_equal(s->failure_exit_status, 7);
	assert_int_equal(s->success_exit_status, -1);
	assert_string_equal(s->reboot_argument, "web recovery");
	assert_string_equal(s->job_timeout_reboot_argument, "slow");
	unit_set_fini(&set);
	s = load_service(&set, "");
	assert_int_equal(s->failure_exit_status, -1);
	assert_string_equal(s->reboot_argument, "");
	unit_set_fini(&set);
	for (int length = 255; length <= 256; length++) {
		snprintf(text, sizeof(text), "[Service]\nRebootArgument=%0*d\n", length, 1);
		s = load_service(&set, text);
		assert_int_equal(strlen(s->reboot_argument), length == 255 ? 255 : 0);
		assert_int_equal(said(&set, "RebootArgument", "longer than the 255 bytes"),
				 length == 256);
		unit_set_fini(&set);
	}
}

/* What surprises is said before the appliance is gone. */
static void actions_that_do_more_than_they_seem_to(void **state)
{
	static const struct {
		const char *lines, *key, *words; /* NULL: nothing is said */
	} cases[] = {
		{ "[Unit]\nFailureAction=reboot\n", NULL, NULL },
		{ "[Unit]\nFailureAction=reboot\n[Service]\nRestart=on-failure\n", "FailureAction",
		  "acts on the first failure, before Restart= does" },
		{ "[Service]\nFailureAction=reboot\nRestart=always\n", "FailureAction",
		  "acts on the first failure, before Restart= does" },
		{ "[Unit]\nFailureAction=reboot\n[Service]\nRestart=on-failure\nRestartMode=direct\n",
		  NULL, NULL },
		{ "[Unit]\nFailureAction=reboot\n[Service]\nRestart=on-success\n", NULL, NULL },
		{ "[Unit]\nSuccessAction=poweroff\n[Service]\nRestart=always\n", "SuccessAction",
		  "acts on the first end" },
		{ "[Unit]\nSuccessAction=poweroff\n[Service]\nRestart=on-failure\n", NULL, NULL },
		{ "[Unit]\nStartLimitAction=kexec-force\n", "StartLimitAction",
		  "kexec-force: the appliance has no counterpart" },
		{ "[Unit]\nJobTimeoutAction=soft-reboot\nJobTimeoutSec=5\n", "JobTimeoutAction",
		  "soft-reboot: the appliance has no counterpart" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct unit_set set;

		load_service(&set, cases[i].lines);
		if (cases[i].key && !said(&set, cases[i].key, cases[i].words))
			fail_msg("not said of %s", cases[i].lines);
		if (!cases[i].key)
			assert_quiet(&set);
		unit_set_fini(&set);
	}
}

static void defaults_beside_the_times(void **state)
{
	struct unit_set set;
	const struct service *s = load_service(&set, "");

	(void)state;
	assert_int_equal(s->kill.mode, SERVICE_KILL_MIXED);
	assert_int_equal(s->kill.signal, SIGTERM);
	assert_int_equal(s->kill.restart_signal, 0);
	assert_int_equal(s->kill.final_signal, SIGKILL);
	assert_int_equal(s->kill.watchdog_signal, SIGABRT);
	assert_true(s->kill.sends_sigkill && !s->kill.sends_sighup);
	assert_int_equal(s->notify_access, SERVICE_NOTIFY_ALL);
	assert_int_equal(s->oom_policy, SERVICE_OOM_STOP);
	assert_int_equal(s->umask, 0022);
	assert_false(s->has_oom_score_adjust || s->has_timeout_abort);
	assert_int_equal(s->watchdog_usec, 0);
	assert_int_equal(s->resources.cpu_quota_period_usec, 100 * USEC_MSEC);
	assert_int_equal(s->resources.memory_max.form, SERVICE_AMOUNT_UNSET);
	assert_string_equal(s->resources.allowed_cpus, "");
	for (unsigned i = 0; i < SERVICE_PLACE_COUNT; i++)
		assert_int_equal(s->directories[i].mode, 0755);
	assert_int_equal(s->exec_count + s->condition_count + s->group_count + s->rlimit_count, 0);
	unit_set_fini(&set);
}

static void signals_numbers_and_modes_are_taken_over(void **state)
{
	struct unit_set set;
	const struct service *s = load_service(
		&set,
		"[Service]\nKillSignal=SIGINT\nRestartKillSignal=USR1\nFinalKillSignal=3\nWatchdogSignal=SIGRTMIN+1\n"
		"ReloadSignal=HUP\nSendSIGHUP=y\nSendSIGKILL=off\nNice=-20\nOOMScoreAdjust=+500\nUMask=0027\n"
		"FileDescriptorStoreMax=16\nTimeoutAbortSec=0\nRuntimeRandomizedExtraSec=1min\n"
		"[Unit]\nJobTimeoutSec=1min\nJobRunningTimeoutSec=30\n");

	(void)state;
	assert_quiet(&set);
	assert_int_equal(s->kill.signal, 2);
	assert_int_equal(s->kill.restart_signal, SIGUSR1);
	assert_int_equal(s->kill.final_signal, 3);
	assert_int_equal(s->kill.watchdog_signal, 35);
	assert_true(s->kill.sends_sighup && !s->kill.sends_sigkill);
	assert_int_equal(s->nice, -20);
	assert_true(s->has_oom_score_adjust);
	assert_int_equal(s->oom_score_adjust, 500);
	assert_int_equal(s->umask, 0027);
	assert_int_equal(s->file_descriptor_store_max, 16);
	assert_true(s->has_timeout_abort && s->timeout_abort_usec == USEC_NEVER);
	assert_int_equal(s->runtime_random_extra_usec, 60 * USEC_SEC);
	assert_int_equal(s->job_timeout_usec, 60 * USEC_SEC);
	assert_int_equal(s->job_running_timeout_usec, 30 * USEC_SEC);
	unit_set_fini(&set);
	s = load_service(&set, "[Unit]\nJobRunningTimeoutSec=30\nJobTimeoutSec=1min\n");
	assert_int_equal(s->job_running_timeout_usec, 30 * USEC_SEC);
	unit_set_fini(&set);
	s = load_service(&set, "[Unit]\nJobTimeoutSec=1min\n");
	assert_int_equal(s->job_running_timeout_usec, 60 * USEC_SEC);
	unit_set_fini(&set);
	s = load_service(
		&set,
		"[Service]\nNice=5\nNice=\nOOMScoreAdjust=5\nOOMScoreAdjust=\nTimeoutAbortSec=5\nTimeoutAbortSec=\n");
	assert_quiet(&set);
	assert_false(s->nice || s->has_oom_score_adjust || s->oom_score_adjust ||
		     s->has_timeout_abort);
	unit_set_fini(&set);
}

static void a_bad_value_leaves_the_good_one_before_it(void **state)
{
	struct unit_set set;
	const struct service *s =
		load_service(&set, "[Service]\nTimeoutStopSec=30\nTimeoutStopSec=soon\n");

	(void)state;
	assert_int_equal(s->timeout_stop_usec, 30 * USEC_SEC);
	assert_diag(&set, DIAG_WARNING, 6, 16, "Service.TimeoutStopSec",
		    "ignored, as systemd does");
	unit_set_fini(&set);
	s = load_service(&set, "[Service]\nKillSignal=SIGINT\nKillSignal=SIGFOO\n");
	assert_int_equal(s->kill.signal, SIGINT);
	unit_set_fini(&set);
	s = load_service(&set, "[Service]\nTimeoutStartSec=5\nTimeoutSec=7\n");
	assert_int_equal(s->timeout_start_usec, 7 * USEC_SEC);
	unit_set_fini(&set);
	s = load_service(&set, "[Service]\nRestart=always\nRestart=Never\n");
	assert_int_equal(s->restart, SERVICE_RESTART_ALWAYS);
	unit_set_fini(&set);
}

static void a_comment_behind_a_value_is_named(void **state)
{
	(void)state;
	assert_complaint("[Service]\nTimeoutStopSec=30 # seconds\n", DIAG_WARNING, 5, 16,
			 "Service.TimeoutStopSec", "comments stand on lines of their own");
	assert_complaint("[Service]\nRemainAfterExit=yes # please\n", DIAG_WARNING, 5, 17,
			 "Service.RemainAfterExit", "comments stand on lines of their own");
	assert_complaint("[Service]\nRemainAfterExit=perhaps\n", DIAG_WARNING, 5, 17,
			 "Service.RemainAfterExit",
			 "'perhaps' is neither yes nor no: ignored, as systemd does");
}

static void delays_that_do_not_grow_are_said(void **state)
{
	(void)state;
	assert_complaint("[Service]\nRestartSteps=5\n", DIAG_WARNING, 5, 14, "Service.RestartSteps",
			 "without RestartMaxDelaySec=");
	assert_complaint("[Service]\nRestartMaxDelaySec=5\n", DIAG_WARNING, 5, 20,
			 "Service.RestartMaxDelaySec", "without RestartSteps=");
	assert_complaint("[Service]\nRestartSec=9\nRestartMaxDelaySec=5\nRestartSteps=2\n",
			 DIAG_WARNING, 6, 20, "Service.RestartMaxDelaySec",
			 "shorter than RestartSec=");
}

static void a_oneshot_that_is_started_again_after_a_success_is_said(void **state)
{
	(void)state;
	assert_complaint("[Service]\nType=oneshot\nRestart=always\n", DIAG_WARNING, 6, 9,
			 "Service.Restart", "systemd refuses a oneshot");
	assert_complaint("[Service]\nType=\"oneshot\"\n", DIAG_WARNING, 5, 6, "Service.Type",
			 "write Type=oneshot");
}

static void the_user_of_podman_is_warned_of(void **state)
{
	(void)state;
	assert_complaint("[Service]\nUser=web\n", DIAG_WARNING, 5, 6, "Service.User",
			 "podman's generator");
	assert_complaint("[Service]\nGroup=web\n", DIAG_WARNING, 5, 7, "Service.Group",
			 "podman's generator");
	assert_complaint("[Service]\nDynamicUser=yes\n", DIAG_WARNING, 5, 13, "Service.DynamicUser",
			 "podman's generator");
}

static void what_asks_for_nothing_is_passed_over(void **state)
{
	struct unit_set set;
	const struct service *s = load_service(
		&set,
		"[Service]\nMemoryMax=infinity\nMemorySwapMax=infinity\nTasksMax=infinity\nWatchdogSec=0\n"
		"NoNewPrivileges=no\nPrivateNetwork=off\nCPUQuota=\nSendSIGKILL=yes\nPrivatePIDs=no\n"
		"DevicePolicy=auto\nMemoryHigh=infinity\n"
		"[Unit]\nDefaultDependencies=yes\nFailureAction=none\nRefuseManualStop=no\n");

	(void)state;
	assert_int_equal(set.diags.count, 0);
	assert_int_equal(s->resources.memory_max.form, SERVICE_AMOUNT_INFINITY);
	assert_int_equal(s->resources.tasks_max.form, SERVICE_AMOUNT_INFINITY);
	unit_set_fini(&set);
	assert_complaint("[Service]\nPrivatePIDs=yes\n", DIAG_NOTE, 5, 13, "Service.PrivatePIDs",
			 "its own processes");
}

static void documentation_has_a_scheme(void **state)
{
	struct unit_set set;

	(void)state;
	load_service(&set,
		     "[Unit]\nDocumentation=https://a.b man:web(8) file:/a info:web http://a\n");
	assert_quiet(&set);
	unit_set_fini(&set);
	assert_complaint("[Unit]\nDocumentation=a.b.c\n", DIAG_WARNING, 5, 15, "Unit.Documentation",
			 "'a.b.c' does not begin with https://");
}

static void words_of_environments_are_checked(void **state)
{
	struct unit_set set;
	const struct service *s = load_service(
		&set, "[Service]\nUnsetEnvironment=A\nUnsetEnvironment=\nUnsetEnvironment=B C=1\n");

	(void)state;
	assert_quiet(&set);
	assert_int_equal(s->unset_environment.count, 2);
	assert_string_equal(s->unset_environment.items[1].text, "C=1");
	unit_set_fini(&set);
	assert_complaint("[Service]\nUnsetEnvironment=1A\n", DIAG_WARNING, 5, 18,
			 "Service.UnsetEnvironment", "no name of a variable");
	assert_complaint("[Service]\nEnvironment=A=1 B=\\y\n", DIAG_ERROR, 5, 19,
			 "Service.Environment",
			 "unsupported escape char (systemd ignores the rest of the line)");
	load_service(&set, "[Service]\nPassEnvironment=HOME A=1\n");
	assert_int_equal(set.units[0].service.pass_environment.count, 1);
	assert_diag(&set, DIAG_WARNING, 5, 22, "Service.PassEnvironment", "no name of a variable");
	unit_set_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rule_has_a_row_and_stands_in_order),
		cmocka_unit_test(rows_with_a_form_have_a_rule),
		cmocka_unit_test(every_example_is_read_without_a_complaint),
		cmocka_unit_test(nonsense_changes_nothing_and_is_said),
		cmocka_unit_test(words_of_enums_are_taken_over),
		cmocka_unit_test(what_actions_hand_on),
		cmocka_unit_test(actions_that_do_more_than_they_seem_to),
		cmocka_unit_test(defaults_beside_the_times),
		cmocka_unit_test(signals_numbers_and_modes_are_taken_over),
		cmocka_unit_test(a_bad_value_leaves_the_good_one_before_it),
		cmocka_unit_test(a_comment_behind_a_value_is_named),
		cmocka_unit_test(delays_that_do_not_grow_are_said),
		cmocka_unit_test(a_oneshot_that_is_started_again_after_a_success_is_said),
		cmocka_unit_test(the_user_of_podman_is_warned_of),
		cmocka_unit_test(what_asks_for_nothing_is_passed_over),
		cmocka_unit_test(documentation_has_a_scheme),
		cmocka_unit_test(words_of_environments_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
