/* SPDX-License-Identifier: Apache-2.0 */
/* Every key is acted on, noted or refused: the table's rows, their examples, and the values that decide. */
#include "unit_fixture.h"

#include "unit/keys.h"

/* The sections that a .container unit has. */
static bool is_container_key(const struct key *key)
{
	static const char *const sections[] = { "Container", "Quadlet", "Unit", "Service",
						"Install" };

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		if (str_eq(key->section, sections[i]))
			return true;
	return false;
}

/* What an example needs beside it. */
static const char *company(const struct key *key)
{
	if (str_eq(key->name, "Group"))
		return "User=1\n";
	if (str_eq(key->name, "HealthInterval") || str_eq(key->name, "HealthRetries"))
		return "HealthCmd=true\n";
	return "";
}

static void load_example(struct unit_set *set, const struct key *key)
{
	const char *before = "Image=localhost/web:1\nNetwork=host\n";
	char text[1024];

	if (str_eq(key->name, "Image"))
		before = "Network=host\n";
	else if (str_eq(key->name, "Network"))
		before = "Image=localhost/web:1\n";
	snprintf(text, sizeof(text), "[Container]\n%s%s[%s]\n%s=%s\n", before, company(key),
		 key->section, key->name, key->example);
	load_text(set, text);
}

static bool is_reference(const struct key *key)
{
	return strstr(key->example, ".service") || strstr(key->example, ".pod");
}

static void there_are_ninety_four_container_keys(void **state)
{
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < key_count(); i++)
		count += str_eq(key_at(i)->section, "Container");
	assert_int_equal(count, 94);
}

static void rows_are_complete_and_unique(void **state)
{
	(void)state;
	for (size_t i = 0; i < key_count(); i++) {
		const struct key *key = key_at(i);

		assert_ptr_equal(key_find(key->section, key->name), key);
		assert_true(key->help[0] && key->example[0]);
		assert_true(key->state == KEY_ACTED || key->reason[0]);
		assert_null(strchr(key->help, '\n'));
		assert_null(strchr(key->example, '\n'));
		assert_true(key->form == KEY_FORM_NONE || key->flag[0] ||
			    str_eq(key->name, "PodmanArgs"));
	}
}

static void examples_of_keys_that_are_acted_on_are_accepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < key_count(); i++) {
		const struct key *key = key_at(i);
		struct unit_set set;

		if (key->state != KEY_ACTED || !is_container_key(key) || is_reference(key) ||
		    str_eq(key->example, "unconfined") ||
		    str_eq(key->name, "StartLimitIntervalSec"))
			continue;
		load_example(&set, key);
		if (!set.units[0].is_valid)
			fail_msg("[%s] %s=%s: %s", key->section, key->name, key->example,
				 set.units[0].error_text);
		unit_set_fini(&set);
	}
}

static void examples_of_noted_keys_leave_the_unit_valid_and_a_note(void **state)
{
	(void)state;
	for (size_t i = 0; i < key_count(); i++) {
		const struct key *key = key_at(i);
		struct unit_set set;

		if (key->state != KEY_NOTED || !is_container_key(key) || is_reference(key) ||
		    (key->kind == KEY_BOOL && !str_eq(key->example, "true")))
			continue;
		load_example(&set, key);
		if (!set.units[0].is_valid || set.units[0].note_count != 1 ||
		    !str_eq(set.units[0].notes[0].text, key->reason))
			fail_msg("[%s] %s=%s: %zu notes, %s", key->section, key->name, key->example,
				 set.units[0].note_count, set.units[0].error_text);
		assert_diag(&set, DIAG_NOTE, set.units[0].notes[0].origin->line,
			    set.units[0].notes[0].origin->column, set.units[0].notes[0].key,
			    key->reason);
		unit_set_fini(&set);
	}
}

static void examples_of_refused_keys_are_errors_with_the_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < key_count(); i++) {
		const struct key *key = key_at(i);
		struct unit_set set;
		bool is_said = false;

		if ((key->state != KEY_REFUSED && key->state != KEY_NOT_YET) ||
		    !is_container_key(key) || str_eq(key->example, "false"))
			continue;
		load_example(&set, key);
		assert_false(set.units[0].is_valid);
		for (size_t j = 0; j < set.diags.count; j++)
			is_said |= set.diags.items[j].severity == DIAG_ERROR &&
				   set.diags.items[j].line &&
				   strstr(set.diags.items[j].text, key->reason);
		if (!is_said)
			fail_msg("[%s] %s=%s: the reason is not said", key->section, key->name,
				 key->example);
		unit_set_fini(&set);
	}
}

static void unknown_keys_come_with_a_hint(void **state)
{
	(void)state;
	assert_complaint("Imaeg=x\n", DIAG_ERROR, 4, 7, "Container.Imaeg", "did you mean Image=?");
	assert_complaint("hostname=x\n", DIAG_ERROR, 4, 10, "Container.hostname", "HostName=");
	assert_complaint("restart=x\n[Unit]\n", DIAG_ERROR, 4, 9, "Container.restart",
			 "unknown key");
	assert_complaint("Restart=always\n", DIAG_ERROR, 4, 9, "Container.Restart",
			 "belongs in [Service]");
	assert_complaint("CPUQuota=5%\n", DIAG_ERROR, 4, 10, "Container.CPUQuota",
			 "belongs in [Service]");
	assert_complaint("CPUs=5\n", DIAG_ERROR, 4, 6, "Container.CPUs", "PodmanArgs=--cpus");
	assert_complaint("[Service]\nRestartSecs=5\n", DIAG_ERROR, 5, 13, "Service.RestartSecs",
			 "did you mean RestartSec=?");
	assert_complaint("[Service]\nZzzzzz=5\n", DIAG_ERROR, 5, 8, "Service.Zzzzzz",
			 "unknown key");
	assert_complaint("[Servce]\nX=5\n", DIAG_ERROR, 4, 1, "Servce", "did you mean [Service]?");
}

static void what_begins_with_x_is_for_others(void **state)
{
	struct unit_set set;

	(void)state;
	load_text(&set, FINE "[X-Mine]\nA=b\n[Unit]\nX-Note=c\n");
	assert_int_equal(set.diags.count, 0);
	unit_set_fini(&set);
}

static void sections_of_other_kinds_are_refused(void **state)
{
	struct unit_set set;

	(void)state;
	assert_complaint("[Pod]\nPodName=x\n", DIAG_ERROR, 4, 1, "Pod", "belongs in a .pod unit");
	set = (struct unit_set){ 0 };
	load_named(&set, "v.volume", "[Volume]\n[Container]\nNope=x\n");
	assert_int_equal(set.diags.error_count, 1);
	assert_non_null(strstr(set.diags.items[0].text, "belongs in a .container unit"));
	/* podman passes it on. */
	assert_non_null(strstr(set.units[0].service_text, "[Container]\nNope=x\n"));
	unit_set_fini(&set);
}

static void keys_in_the_wrong_section_are_told_where_they_belong(void **state)
{
	(void)state;
	assert_complaint("RestartSec=5\n", DIAG_ERROR, 4, 12, "Container.RestartSec",
			 "belongs in [Service]");
	assert_complaint("After=x.service\n", DIAG_ERROR, 4, 7, "Container.After",
			 "belongs in [Unit]");
	assert_complaint("[Service]\nHostName=x\n", DIAG_ERROR, 5, 10, "Service.HostName",
			 "belongs in [Container]");
	assert_complaint("[Quadlet]\nRestart=x\n", DIAG_ERROR, 5, 9, "Quadlet.Restart",
			 "belongs in [Service]");
}

/* One error says that the kind is not run: its keys need none. */
static void keys_of_a_kind_that_is_not_run_are_not_refused_one_by_one(void **state)
{
	struct unit_set set = { 0 };

	(void)state;
	load_named(&set, "p.kube", "[Kube]\nYaml=/x.yaml\nUserNS=keep-id\nLogDriver=none\n");
	assert_int_equal(set.diags.error_count, 1);
	assert_diag(&set, DIAG_ERROR, 1, 1, "Kube", ".kube units are not supported yet");
	unit_set_fini(&set);
}

static void unknown_keys_may_be_warnings(void **state)
{
	struct unit_facts facts = test_facts;
	const char *text = FINE "Nope=1\nHostName=a\n[Quadlet]\nNeither=1\n";
	struct unit_set set = { 0 };
	struct err err;
	char words[1024];

	(void)state;
	facts.unknown_keys_are_warnings = true;
	assert_int_equal(unit_set_load_text(&set, "w.container", "/w.container", text, strlen(text),
					    &facts, &err),
			 0);
	assert_true(set.units[0].is_valid);
	assert_int_equal(set.diags.error_count, 0);
	assert_int_equal(set.diags.count, 2);
	assert_int_equal(set.diags.items[0].severity, DIAG_WARNING);
	assert_non_null(strstr(set.diags.items[0].text, "unknown key"));
	assert_string_equal(set.diags.items[1].key, "Quadlet.Neither");
	assert_non_null(strstr(join_words(&set.units[0].spec_args, words, sizeof(words)),
			       " --hostname a "));
	assert_string_equal(set.units[0].service_text, ""); /* podman still refuses it */
	unit_set_fini(&set);
}

/* systemd goes on without a limit whose name is wrong: nobody may rely on that. */
static void unknown_keys_of_systemd_are_errors_all_the_same(void **state)
{
	struct unit_facts facts = test_facts;
	const char *text = FINE "[Service]\nMemoryMaxx=1\n";
	struct unit_set set = { 0 };
	struct err err;

	(void)state;
	facts.unknown_keys_are_warnings = true;
	assert_int_equal(unit_set_load_text(&set, "w.container", "/w.container", text, strlen(text),
					    &facts, &err),
			 0);
	assert_diag(&set, DIAG_ERROR, 5, 12, "Service.MemoryMaxx", "unknown key");
	unit_set_fini(&set);
}

static void a_switch_that_is_off_asks_for_nothing(void **state)
{
	struct unit_set set;

	(void)state;
	load_text(
		&set, FINE
		"EnvironmentHost=false\nSecurityLabelDisable=no\nDNS=\nSecret=\n[Service]\nDynamicUser=no\nExecStartPre=\n");
	assert_int_equal(set.diags.count, 0);
	unit_set_fini(&set);
}

static void networks_are_left_to_the_option_table(void **state)
{
	static const char *const lines[] = { "", "Network=none\n", "Network=bridge\n",
					     "Network=front\nNetwork=back:ip=10.0.0.5\n",
					     "PodmanArgs=--network host\nPublishPort=1:1\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct unit_set set;
		char text[256];

		snprintf(text, sizeof(text), "[Container]\nImage=localhost/a\n%s", lines[i]);
		load_text(&set, text);
		assert_true(set.units[0].is_valid);
		assert_int_equal(set.diags.error_count, 0);
		unit_set_fini(&set);
	}
}

static void a_misspelt_restriction_refuses_the_unit(void **state)
{
	static const struct {
		const char *line, *hint;
	} rows[] = {
		{ "DropCapabilty=ALL\n", "did you mean DropCapability=?" },
		{ "DropCapabilities=ALL\n", "" },
		{ "dropCapability=ALL\n", "did you mean DropCapability=?" },
		{ "ReadOnyl=true\n", "did you mean ReadOnly=?" },
		{ "NoNewPrivilege=true\n", "did you mean NoNewPrivileges=?" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct unit_set set;
		char text[256];
		const struct diag *d;

		snprintf(text, sizeof(text), FINE "%s", rows[i].line);
		load_text(&set, text);
		d = only_diag(&set, DIAG_ERROR);
		assert_false(set.units[0].is_valid);
		assert_string_equal(set.units[0].service_text, "");
		assert_int_equal(d->line, 4);
		assert_true(str_starts(d->text, "unknown key"));
		if (!strstr(d->text, rows[i].hint))
			fail_msg("%s: %s", rows[i].line, d->text);
		unit_set_fini(&set);
	}
}

static void a_member_of_a_pod_needs_no_network_of_its_own(void **state)
{
	struct unit_set set;

	(void)state;
	load_text(&set, "[Container]\nImage=localhost/a\nPod=x.pod\n");
	for (size_t i = 0; i < set.diags.count; i++)
		assert_string_equal(set.diags.items[i].key, "Container.Pod");
	assert_true(set.diags.count > 0);
	unit_set_fini(&set);
}

static void a_word_that_looks_like_a_comment_is_named(void **state)
{
	static const struct {
		const char *line;
		unsigned column;
		const char *key;
	} rows[] = {
		{ "Exec=serve # x\n", 12, "Container.Exec" },
		{ "Exec=serve\t#\n", 12, "Container.Exec" },
		{ "DropCapability=ALL # all\n", 20, "Container.DropCapability" },
		{ "AddCapability=KILL #all\n", 20, "Container.AddCapability" },
		{ "PodmanArgs=--init #c\n", 19, "Container.PodmanArgs" },
	};
	static const char *const fine[] = {
		"Exec=# x\n",	     "Exec=join #general\n", "Exec=sh -c \"a # b\"\n",
		"Exec=echo '#' x\n", "Label=a=b#c\n",	     "Exec=a \\# b\n"
	};
	struct unit_set set;
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_complaint(rows[i].line, DIAG_WARNING, 4, rows[i].column, rows[i].key,
				 "is part of the value: comments stand on lines of their own");
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		snprintf(text, sizeof(text), FINE "%s", fine[i]);
		load_text(&set, text);
		for (size_t k = 0; k < set.diags.count; k++)
			assert_null(strstr(set.diags.items[k].text, "part of the value"));
		unit_set_fini(&set);
	}
}

static void an_open_quote_is_warned_of(void **state)
{
	static const struct {
		const char *line, *key;
		unsigned column;
	} rows[] = {
		{ "Exec=/bin/sh -c \"serve\n", "Container.Exec", 17 },
		{ "Exec=echo it's\n", "Container.Exec", 13 },
		{ "Exec=echo 'a' \"b\\\" c\n", "Container.Exec", 15 },
		{ "Environment=A=1 \"B=2\n", "Container.Environment", 17 },
		{ "PodmanArgs=--label 'a=b\n", "Container.PodmanArgs", 20 },
	};
	static const char *const fine[] = { "Exec=echo \"it's\"\n", "Exec=echo it\\'s\n",
					    "Exec=echo 'a\" b'\n", "Label=a=\"b\" 'c=d'\n",
					    "HealthCmd=echo it's\n" };
	struct unit_set set;
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_complaint(rows[i].line, DIAG_WARNING, 4, rows[i].column, rows[i].key,
				 "nothing closes this quote");
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
		snprintf(text, sizeof(text), FINE "%s", fine[i]);
		load_text(&set, text);
		assert_int_equal(set.diags.count, 0);
		unit_set_fini(&set);
	}
}

static void json_is_no_command_line(void **state)
{
	struct unit_set set;

	(void)state;
	assert_complaint("Exec=[\"/bin/a\", \"b\"]\n", DIAG_WARNING, 4, 6, "Container.Exec",
			 "a command line, not JSON");
	load_text(&set, FINE "Exec=[ -e \"/x\" ]\nEntrypoint=[\"/bin/a\"]\n");
	assert_int_equal(set.diags.count, 0);
	unit_set_fini(&set);
}

/* "User=app" that a backslash has eaten asks for nothing: the container would run as root. */
static void a_key_that_a_backslash_eats_is_warned_of(void **state)
{
	struct unit_set set;

	(void)state;
	load_text(&set, FINE "Environment=DIR=C:\\\nUser=app\n");
	assert_diag(&set, DIAG_WARNING, 5, 1, "",
		    "the backslash on line 4 makes this User= a part of that line");
	unit_set_fini(&set);
	load_text(&set, FINE "Environment=A=1 \\\n\n  DropCapability=ALL\n");
	assert_diag(&set, DIAG_WARNING, 6, 3, "", "makes this DropCapability= a part");
	unit_set_fini(&set);
	load_text(&set, FINE "Environment=A=1 \\\n  USER=app \\\n  B=2\nExec=sh \\\n --User=a\n");
	assert_int_equal(set.diags.count, 0);
	unit_set_fini(&set);
}

static size_t errors_of(const char *lines)
{
	struct unit_set set;
	char text[512];
	size_t count;

	snprintf(text, sizeof(text), FINE "%s", lines);
	load_text(&set, text);
	count = set.diags.error_count;
	unit_set_fini(&set);
	return count;
}

static void only_the_line_that_counts_is_refused(void **state)
{
	(void)state;
	assert_int_equal(errors_of("IP6=fd00::1\n"), 1);
	assert_int_equal(errors_of("IP6=fd00::1\nIP6=fd00::2\n"), 1);
	assert_int_equal(errors_of("IP6=fd00::1\nIP6=\n"), 0);
	assert_int_equal(errors_of("IP6=\nIP6=fd00::1\n"), 1);
	assert_int_equal(errors_of("UIDMap=0:1:1\nUIDMap=\n"), 0);
	assert_int_equal(errors_of("UIDMap=0:1:1\nUIDMap=1:2:1\n"), 2);
	assert_int_equal(errors_of("UIDMap=\nUIDMap=0:1:1\n"), 1);
	assert_complaint("IP6=fd00::1\nIP6=fd00::2\n", DIAG_ERROR, 5, 5, "Container.IP6",
			 "no IPv6 addresses");
	assert_int_equal(errors_of("[Service]\nNoNewPrivileges=yes\nNoNewPrivileges=no\n"), 0);
	/* systemd ignores an empty switch: what was said before it counts. */
	assert_true(errors_of("[Service]\nNoNewPrivileges=yes\nNoNewPrivileges=\n") > 0);
}

/* Perhaps besides what is said of the key itself. */
static void assert_said(const char *line, unsigned column, const char *key, const char *said)
{
	struct unit_set set;
	char text[512];
	bool is_said = false;

	snprintf(text, sizeof(text), FINE "%s", line);
	load_text(&set, text);
	for (size_t i = 0; i < set.diags.count; i++) {
		const struct diag *d = &set.diags.items[i];

		is_said |= d->severity == DIAG_ERROR && d->line == 4 && d->column == column &&
			   str_eq(d->key, key) && strstr(d->text, said);
	}
	if (!is_said)
		fail_msg("not said of %s: %s", line, said);
	unit_set_fini(&set);
}

static void values_that_are_wrong_for_sure_are_refused(void **state)
{
	static const struct {
		const char *line;
		unsigned column;
		const char *key, *said;
	} rows[] = {
		{ "IP=10.89.0\n", 4, "Container.IP", "'10.89.0' is no IPv4 address" },
		{ "IP=fd00::5\n", 4, "Container.IP", "is no IPv4 address" },
		{ "IP6=10.89.0.5\n", 5, "Container.IP6", "is no IPv6 address" },
		{ "DNS=dns.example\n", 5, "Container.DNS", "is no address" },
		{ "SubUIDMap=a:b\n", 11, "Container.SubUIDMap", "is no name of a user" },
		{ "SubGIDMap=a b\n", 11, "Container.SubGIDMap", "is no name of a user" },
		{ "HealthMaxLogCount=few\n", 19, "Container.HealthMaxLogCount", "is no number" },
		{ "HealthMaxLogSize=-1\n", 18, "Container.HealthMaxLogSize", "is no number" },
		{ "HealthStartupInterval=5\n", 23, "Container.HealthStartupInterval",
		  "is no time" },
		{ "HealthStartupTimeout=disable\n", 22, "Container.HealthStartupTimeout",
		  "is no time" },
		{ "HealthStartupRetries=x\n", 22, "Container.HealthStartupRetries",
		  "is no number" },
		{ "HealthStartupSuccess=x\n", 22, "Container.HealthStartupSuccess",
		  "is no number" },
		{ "Retry=often\n", 7, "Container.Retry", "is no number" },
		{ "RetryDelay=5\n", 12, "Container.RetryDelay", "is no time" },
		{ "ReloadSignal=SIGNOTHING\n", 14, "Container.ReloadSignal", "is no signal" },
	};
	static const char *const fine[] = { "HealthMaxLogCount=0\n", "Retry=3\nRetryDelay=1m30s\n",
					    "ReloadSignal=hup\n", "ReloadSignal=10\n",
					    "HealthMaxLogSize=500\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_said(rows[i].line, rows[i].column, rows[i].key, rows[i].said);
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		assert_int_equal(errors_of(fine[i]), 0);
	/* What is not known yet is not judged: one error only, that of the key. */
	assert_int_equal(errors_of("IP6=${ADDRESS}\n[Service]\nEnvironment=ADDRESS=x\n"), 1);
}

static void a_oneshot_has_neither_a_notify_socket_nor_a_watchdog(void **state)
{
	struct unit_set set;

	(void)state;
	assert_complaint("Notify=true\n[Service]\nType=oneshot\n", DIAG_NOTE, 4, 8,
			 "Container.Notify", "there is no NOTIFY_SOCKET");
	assert_complaint("[Service]\nType=oneshot\nWatchdogSec=5\n", DIAG_NOTE, 6, 13,
			 "Service.WatchdogSec", "a oneshot has no watchdog");
	load_text(&set, FINE "Notify=healthy\n[Service]\nType=oneshot\n");
	assert_int_equal(set.diags.count, 0);
	unit_set_fini(&set);
	load_text(&set, FINE "Notify=true\n[Service]\nWatchdogSec=5\nNotifyAccess=main\n"
			     "WatchdogSignal=SIGUSR1\nTimeoutAbortSec=5\n");
	assert_true(set.units[0].is_valid);
	assert_int_equal(set.units[0].note_count, 0);
	assert_int_equal(set.diags.error_count, 0);
	unit_set_fini(&set);
}

static void ports_are_noted_with_the_hosts_network_only(void **state)
{
	struct unit_set set;

	(void)state;
	assert_complaint("PublishPort=80:80\n", DIAG_NOTE, 4, 13, "Container.PublishPort",
			 "open as it is");
	assert_engine_words("PublishPort=80:80\n", " --publish 80:80 ");
	load_text(&set, "[Container]\nImage=localhost/a\nNetwork=none\nPublishPort=80:80\n");
	assert_int_equal(set.diags.count, 0);
	unit_set_fini(&set);
}

static void values_decide_for_some_keys(void **state)
{
	(void)state;
	assert_complaint("LogDriver=k8s-file\n", DIAG_NOTE, 4, 11, "Container.LogDriver",
			 "rotated files");
	assert_complaint("LogDriver=passthrough-tty\n", DIAG_ERROR, 4, 11, "Container.LogDriver",
			 "not supported");
	assert_complaint("LogDriver=jornald\n", DIAG_ERROR, 4, 11, "Container.LogDriver",
			 "no log driver");
	assert_complaint("UserNS=auto\n", DIAG_ERROR, 4, 8, "Container.UserNS",
			 "not supported yet");
	assert_complaint("AppArmor=unconfined\n", DIAG_NOTE, 4, 10, "Container.AppArmor",
			 "AppArmor");
	assert_complaint("AppArmor=mine\n", DIAG_ERROR, 4, 10, "Container.AppArmor", "profiles");
	assert_complaint("CgroupsMode=enabled\n", DIAG_NOTE, 4, 13, "Container.CgroupsMode",
			 "control group");
	assert_complaint("CgroupsMode=disabled\n", DIAG_ERROR, 4, 13, "Container.CgroupsMode",
			 "'disabled'");
	assert_complaint("AutoUpdate=registy\n", DIAG_WARNING, 4, 12, "Container.AutoUpdate",
			 "neither registry nor local");
	assert_engine_words("AutoUpdate=registry\n", " --label io.containers.autoupdate=registry ");
	assert_complaint("ContainerName=a # main\n", DIAG_WARNING, 4, 17, "Container.ContainerName",
			 "part of the value");
	assert_complaint("Image=nginx\n", DIAG_WARNING, 4, 7, "Container.Image",
			 "names no registry");
	assert_complaint("Image=library/nginx\n", DIAG_WARNING, 4, 7, "Container.Image",
			 "names no registry");
}

static void a_word_in_other_letters_gets_a_hint(void **state)
{
	static const struct {
		const char *line;
		enum diag_severity severity;
		unsigned column;
		const char *key, *said;
	} rows[] = {
		{ "LogDriver=Journald\n", DIAG_ERROR, 11, "Container.LogDriver",
		  "there is no log driver 'Journald': did you mean journald?" },
		{ "UserNS=Keep-ID\n", DIAG_ERROR, 8, "Container.UserNS", "did you mean keep-id?" },
		{ "AppArmor=Unconfined\n", DIAG_ERROR, 10, "Container.AppArmor",
		  "did you mean unconfined?" },
		{ "CgroupsMode=Split\n", DIAG_ERROR, 13, "Container.CgroupsMode",
		  "did you mean split?" },
		{ "AutoUpdate=Registry\n", DIAG_WARNING, 12, "Container.AutoUpdate",
		  "so nothing is updated: did you mean registry?" },
		{ "AutoUpdate=yes\n", DIAG_WARNING, 12, "Container.AutoUpdate", "write registry" },
	};
	static const struct {
		const char *line, *key, *said;
	} service[] = {
		{ "Restart=on_failure\n", "Service.Restart", "did you mean on-failure?" },
		{ "Restart=on-failure:5\n", "Service.Restart", "the number as StartLimitBurst=" },
		{ "Restart=true\n", "Service.Restart", "write Restart=always or on-failure" },
		{ "Restart=false\n", "Service.Restart", "write Restart=no" },
		{ "RestartMode=Direct\n", "Service.RestartMode", "did you mean direct?" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_complaint(rows[i].line, rows[i].severity, 4, rows[i].column, rows[i].key,
				 rows[i].said);
	for (size_t i = 0; i < sizeof(service) / sizeof(service[0]); i++) {
		char text[128];

		snprintf(text, sizeof(text), "[Service]\n%s", service[i].line);
		assert_complaint(text, DIAG_WARNING, 5, (unsigned)strcspn(service[i].line, "=") + 2,
				 service[i].key, service[i].said);
	}
	assert_complaint("[Service]\nType=OneShot\n", DIAG_ERROR, 5, 6, "Service.Type",
			 "did you mean oneshot?");
	assert_complaint("[Service]\nType=forking\n", DIAG_ERROR, 5, 6, "Service.Type",
			 "leave it out, Quadlet writes Type=notify");
}

static void full_image_names_are_not_warned_of(void **state)
{
	static const char *const names[] = {
		"docker.io/library/a", "localhost/a", "box:5000/a",
		"sha256:abc",	       "$IMAGE",      "docker.io/a@sha256:0123"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct unit_set set;
		char text[256];

		snprintf(
			text, sizeof(text),
			"[Container]\nImage=%s\nNetwork=host\n[Service]\nEnvironment=IMAGE=x.y/z\n",
			names[i]);
		load_text(&set, text);
		assert_quiet(&set);
		unit_set_fini(&set);
	}
}

static void the_first_error_is_told_with_the_unit(void **state)
{
	struct unit_set set;
	const struct unit *unit = load_text(&set, FINE "UserNS=auto\nPod=x.pod\n");

	(void)state;
	assert_false(unit->is_valid);
	assert_int_equal(unit->first_error, 0);
	assert_string_equal(unit->error_text,
			    "/units/web.container:5:5: Container.Pod: there is no unit x.pod");
	unit_set_fini(&set);
	unit = load_text(&set, FINE);
	assert_string_equal(unit->error_text, "");
	unit_set_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_are_ninety_four_container_keys),
		cmocka_unit_test(rows_are_complete_and_unique),
		cmocka_unit_test(examples_of_keys_that_are_acted_on_are_accepted),
		cmocka_unit_test(examples_of_noted_keys_leave_the_unit_valid_and_a_note),
		cmocka_unit_test(examples_of_refused_keys_are_errors_with_the_reason),
		cmocka_unit_test(unknown_keys_come_with_a_hint),
		cmocka_unit_test(an_open_quote_is_warned_of),
		cmocka_unit_test(json_is_no_command_line),
		cmocka_unit_test(a_key_that_a_backslash_eats_is_warned_of),
		cmocka_unit_test(what_begins_with_x_is_for_others),
		cmocka_unit_test(sections_of_other_kinds_are_refused),
		cmocka_unit_test(keys_in_the_wrong_section_are_told_where_they_belong),
		cmocka_unit_test(keys_of_a_kind_that_is_not_run_are_not_refused_one_by_one),
		cmocka_unit_test(unknown_keys_may_be_warnings),
		cmocka_unit_test(unknown_keys_of_systemd_are_errors_all_the_same),
		cmocka_unit_test(a_switch_that_is_off_asks_for_nothing),
		cmocka_unit_test(networks_are_left_to_the_option_table),
		cmocka_unit_test(a_misspelt_restriction_refuses_the_unit),
		cmocka_unit_test(a_member_of_a_pod_needs_no_network_of_its_own),
		cmocka_unit_test(a_word_that_looks_like_a_comment_is_named),
		cmocka_unit_test(only_the_line_that_counts_is_refused),
		cmocka_unit_test(values_that_are_wrong_for_sure_are_refused),
		cmocka_unit_test(a_oneshot_has_neither_a_notify_socket_nor_a_watchdog),
		cmocka_unit_test(ports_are_noted_with_the_hosts_network_only),
		cmocka_unit_test(values_decide_for_some_keys),
		cmocka_unit_test(a_word_in_other_letters_gets_a_hint),
		cmocka_unit_test(full_image_names_are_not_warned_of),
		cmocka_unit_test(the_first_error_is_told_with_the_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
