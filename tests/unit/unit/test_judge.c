/* SPDX-License-Identifier: Apache-2.0 */
/* Every key is acted on, noted or refused: the table's rows, their examples, and the values that decide. */
#include "unit_fixture.h"

#include "unit/keys.h"

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
	return strstr(key->example, "db.service") || strstr(key->example, "web.service") ||
	       strstr(key->example, ".pod");
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

		if (key->state != KEY_ACTED || is_reference(key) ||
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

		if (key->state != KEY_NOTED ||
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
		    str_eq(key->example, "false"))
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
	assert_complaint("hostname=x\n", DIAG_ERROR, 4, 10, "Container.hostname",
			 "write HostName=");
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

static void only_host_and_none_are_networks_yet(void **state)
{
	struct unit_set set;

	(void)state;
	load_text(&set, "[Container]\nImage=localhost/a\n");
	assert_diag(&set, DIAG_ERROR, 2, 7, "Container.Network",
		    "no network named: write Network=host or Network=none");
	unit_set_fini(&set);
	load_text(&set, "[Container]\nImage=localhost/a\nNetwork=none\n");
	assert_int_equal(set.diags.count, 0);
	unit_set_fini(&set);
	load_text(&set,
		  "[Container]\nImage=localhost/a\nPodmanArgs=--network host\nPublishPort=1:1\n");
	assert_true(set.units[0].is_valid);
	unit_set_fini(&set);
	load_text(&set, "[Container]\nImage=localhost/a\nNetwork=bridge\n");
	assert_diag(&set, DIAG_ERROR, 3, 9, "Container.Network", "'bridge' is not supported yet");
	unit_set_fini(&set);
	assert_complaint("Network=none\n", DIAG_ERROR, 4, 9, "Container.Network",
			 "only one network");
}

static void ports_are_noted_with_the_hosts_network_only(void **state)
{
	struct unit_set set;

	(void)state;
	assert_complaint("PublishPort=80:80\n", DIAG_NOTE, 4, 13, "Container.PublishPort",
			 "open as it is");
	assert_engine_words("PublishPort=80:80\n", " --publish 80:80 ");
	load_text(&set, "[Container]\nImage=localhost/a\nNetwork=none\nPublishPort=80:80\n");
	assert_diag(&set, DIAG_ERROR, 4, 13, "Container.PublishPort",
		    "published ports need Network=host in this version");
	unit_set_fini(&set);
}

static void values_decide_for_some_keys(void **state)
{
	(void)state;
	assert_complaint("LogDriver=k8s-file\n", DIAG_NOTE, 4, 11, "Container.LogDriver",
			 "rotated files");
	assert_complaint("LogDriver=none\n", DIAG_ERROR, 4, 11, "Container.LogDriver",
			 "not supported yet");
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
	assert_complaint("AutoUpdate=registry\n", DIAG_NOTE, 4, 12, "Container.AutoUpdate",
			 "by hand");
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
		cmocka_unit_test(what_begins_with_x_is_for_others),
		cmocka_unit_test(a_switch_that_is_off_asks_for_nothing),
		cmocka_unit_test(only_host_and_none_are_networks_yet),
		cmocka_unit_test(ports_are_noted_with_the_hosts_network_only),
		cmocka_unit_test(values_decide_for_some_keys),
		cmocka_unit_test(full_image_names_are_not_warned_of),
		cmocka_unit_test(the_first_error_is_told_with_the_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
