/* SPDX-License-Identifier: Apache-2.0 */
/* Names, words, environment, user, signals, log: good values, and each refusal. */
#include "spec_test.h"

static void names_and_host_names(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--name=web_1.a-b", "--hostname=web-1.example");
	assert_good(&f);
	assert_string_equal(f.spec.name, "web_1.a-b");
	assert_string_equal(f.spec.hostname, "web-1.example");
	teardown(&f);
	expect_refused("--name=", "letters, digits");
	expect_refused("--name=a/b", "letters, digits");
	expect_refused("--name=..", "letters, digits");
	expect_refused("--name=a\nb", "letters, digits");
	expect_refused("--hostname=a_\tb", "host name");
	expect_refused(
		"--hostname=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"host name");
}

static void entrypoint_is_a_word_or_an_array(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--entrypoint=/bin/my app");
	assert_good(&f);
	assert_true(f.spec.entrypoint_set);
	assert_int_equal(f.spec.entrypoint.count, 1);
	assert_string_equal(f.spec.entrypoint.items[0], "/bin/my app");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--entrypoint=[\"/bin/sh\",\"-c\",\"a \\u0022b\\u0022\"]");
	assert_good(&f);
	assert_int_equal(f.spec.entrypoint.count, 3);
	assert_string_equal(f.spec.entrypoint.items[2], "a \"b\"");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--entrypoint=");
	assert_good(&f);
	assert_true(f.spec.entrypoint_set);
	assert_int_equal(f.spec.entrypoint.count, 0);
	teardown(&f);
}

static void what_is_no_array_of_strings_is_one_word(void **state)
{
	struct fixture f;
	struct strv words;

	(void)state;
	setup(&f);
	assert_false(parse_json_strings(&f.arena, "[1]", &words));
	assert_false(parse_json_strings(&f.arena, "[\"a\",", &words));
	assert_false(parse_json_strings(&f.arena, "{\"a\":1}", &words));
	assert_false(parse_json_strings(&f.arena, "[\"a\\u0000b\"]", &words));
	assert_true(parse_json_strings(&f.arena, "[]", &words));
	assert_int_equal(words.count, 0);
	teardown(&f);
}

static void variables_need_a_name_and_a_value(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-e", "A=b=c", "-e", "EMPTY=", "-e", "TEXT=two\nlines");
	assert_good(&f);
	assert_string_equal(f.spec.env[0].value, "b=c");
	assert_string_equal(f.spec.env[1].value, "");
	assert_string_equal(f.spec.env[2].value, "two\nlines");
	assert_int_equal(f.spec.env[2].origin->line, 15);
	teardown(&f);
	expect_refused("--env=HOME", "\"HOME\" has no value: write HOME=VALUE");
	expect_refused("--env=*", "has no value");
	expect_refused("--env==x", "has no name");
	expect_refused("--env=A\nB=x", "control byte (0x0a)");
}

static void environment_files_are_absolute(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--env-file=/config/units//a.env,/config/b.env", "--unsetenv=TERM");
	assert_good(&f);
	assert_int_equal(f.spec.env_file_count, 2);
	assert_string_equal(f.spec.env_files[0].path, "/config/units/a.env");
	assert_string_equal(f.spec.unset_env.items[0], "TERM");
	teardown(&f);
	expect_refused("--env-file=a.env", "is no absolute path");
	expect_refused("--env-file=/a\x1b.env", "control byte");
	expect_refused("--unsetenv=", "no variable's name");
}

static void labels_replace_each_other_by_name(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-l", "a=1", "-l", "b", "-l", "a=2", "--annotation=x=y,z");
	assert_good(&f);
	assert_int_equal(f.spec.label_count, 2);
	assert_string_equal(f.spec.labels[0].value, "2");
	assert_string_equal(f.spec.labels[1].value, "");
	assert_string_equal(f.spec.annotations[0].value, "y,z");
	teardown(&f);
	expect_refused("--annotation=org.cleat.layers=/", "the engine's own");
	expect_refused("--label==1", "has no name");
	expect_refused("--label=a\x01=1", "control byte");
}

static void auto_update_says_what_it_cannot_follow(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--label=io.containers.autoupdate=registry");
	assert_good(&f);
	assert_string_equal(f.spec.auto_update, "registry");
	/* the image of the fixture is made here */
	assert_true(has_diag(&f, DIAG_WARNING, "ask no registry"));
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--label=io.containers.autoupdate=local");
	assert_good(&f);
	assert_int_equal(f.diags.count, 0);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--label=io.containers.autoupdate=sometimes");
	assert_good(&f);
	assert_true(has_diag(&f, DIAG_WARNING, "invalid auto-update policy \"sometimes\""));
	teardown(&f);
	assert_null(spec_update_unfit("registry.example/a/b:1"));
	assert_null(spec_update_unfit("127.0.0.1:5000/app"));
	assert_non_null(strstr(spec_update_unfit("alpine"), "fully-qualified image references"));
	assert_non_null(strstr(spec_update_unfit("localhost/a:1"), "localhost/"));
	assert_non_null(strstr(spec_update_unfit("Not A Name"), "invalid reference format"));
	assert_non_null(strstr(
		spec_update_unfit(
			"quay.io/a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
		"without digest"));
}

static void users_are_names_or_mapped_numbers(void **state)
{
	static const char *const good[] = { "1001", "1001:1001", "app",	  "app:audio",
					    "0",    "root",	 "64999", "65024:65535" };
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		setup(&f);
		PARSE_OPTIONS(&f, "-u", good[i]);
		assert_good(&f);
		assert_string_equal(f.spec.user, good[i]);
		teardown(&f);
	}
	setup(&f);
	PARSE_OPTIONS(&f, "--user=1", "--user=");
	assert_good(&f);
	assert_null(f.spec.user);
	teardown(&f);
	expect_refused("--user=65000",
		       "user 65000: ids of containers are 0 to 65535 without 65000 to 65023");
	expect_refused("--user=1:65023", "group 65023");
	expect_refused("--user=65536", "user 65536");
	expect_refused("--user=99999999999999999999", "ids of containers");
	expect_refused("--user=:1", "the user is empty");
	expect_refused("--user=1:", "the group is empty");
	expect_refused("--user=1:2:3", "is no group");
	expect_refused("--user=a b", "is no user");
	expect_refused("--group-add=65001", "group 65001");
}

static void keep_groups_is_noted(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--group-add=keep-groups,44");
	assert_good(&f);
	assert_int_equal(f.spec.group_add.count, 1);
	assert_note(&f, "keep-groups");
	teardown(&f);
}

static void stopping(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--init");
	assert_good(&f);
	assert_null(f.spec.stop_signal);
	assert_int_equal(f.spec.stop_timeout_usec, 10000000);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--stop-signal=SIGRTMIN+3", "--stop-timeout=0");
	assert_good(&f);
	assert_string_equal(f.spec.stop_signal, "SIGRTMIN+3");
	assert_int_equal(f.spec.stop_timeout_usec, 0);
	teardown(&f);
	expect_refused("--stop-timeout=-1", "number of seconds");
	expect_refused("--stop-timeout=99999999999", "number of seconds");
}

static void time_zones_are_names_only(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--tz=Etc/GMT+5");
	assert_good(&f);
	assert_int_equal(f.diags.count, 0);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--tz=berlin");
	assert_int_equal(f.result, 0);
	assert_int_equal(f.diags.count, 1);
	assert_int_equal(f.diags.items[0].severity, DIAG_WARNING);
	assert_non_null(
		strstr(f.diags.items[0].text, "known here: did you mean Europe/Berlin? Only"));
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--tz=Middle/Of_Nowhere_At_All");
	assert_int_equal(f.diags.count, 1);
	assert_non_null(strstr(f.diags.items[0].text, "Nowhere_At_All is known here: only"));
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--tz=local");
	assert_good(&f);
	assert_int_equal(f.diags.count, 0);
	teardown(&f);
	expect_refused("--tz=/etc/passwd", "no time zone");
	expect_refused("--tz=a b", "no time zone");
	expect_refused("--tz=", "no time zone");
}

static void lines_for_passwd_and_group(void **state)
{
	struct fixture f;
	char long_line[700] = "--passwd-entry=";

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--passwd-entry=a:$UID", "--group-entry=b:$GID");
	assert_good(&f);
	assert_false(f.spec.no_passwd);
	assert_string_equal(f.spec.passwd_entry, "a:$UID");
	assert_string_equal(f.spec.group_entry, "b:$GID");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--passwd=false", "--passwd-entry=");
	assert_good(&f);
	assert_true(f.spec.no_passwd);
	assert_null(f.spec.passwd_entry); /* podman: nothing was said */
	teardown(&f);
	expect_refused("--passwd-entry=a\nroot::0:0::/:", "no line of /etc/passwd");
	expect_refused("--group-entry=a\tb", "no line of /etc/group");
	memset(long_line + strlen(long_line), 'x', 600);
	expect_refused(long_line, "at most 512 bytes");
}

static void masks_are_octal(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--umask=0077");
	assert_good(&f);
	assert_int_equal(f.spec.umask, 0077);
	teardown(&f);
	expect_refused("--umask=1000", "octal");
	expect_refused("--umask=", "octal");
}

static void pull_policies(void **state)
{
	static const struct {
		const char *option;
		int pull;
	} others[] = { { "--pull=Always", SPEC_PULL_ALWAYS },
		       { "--pull=IfNotPresent", SPEC_PULL_MISSING },
		       { "--pull=ifnewer", SPEC_PULL_NEWER } };
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		setup(&f);
		f.spec.pull = SPEC_PULL_NEVER;
		PARSE_OPTIONS(&f, others[i].option);
		assert_good(&f);
		assert_int_equal(f.spec.pull, others[i].pull);
		teardown(&f);
	}
	expect_refused("--pull=sometimes", "none of always");
	expect_refused("--pull=allways", "did you mean always?");
	setup(&f);
	PARSE_OPTIONS(&f, "--pull=newer");
	assert_good(&f);
	assert_int_equal(f.spec.pull, SPEC_PULL_NEWER);
	assert_int_equal(f.diags.count, 0);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--pull=never");
	assert_good(&f);
	assert_int_equal(f.spec.pull, SPEC_PULL_NEVER);
	assert_int_equal(f.diags.count, 0);
	teardown(&f);
}

static void readiness(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--sdnotify=healthy");
	assert_good(&f);
	assert_int_equal(f.spec.notify, SPEC_NOTIFY_HEALTHY);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--sdnotify=conmon", "--sdnotify=container");
	assert_good(&f);
	assert_int_equal(f.spec.notify, SPEC_NOTIFY_CONTAINER);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--sdnotify=container", "--sdnotify=ignore");
	assert_good(&f);
	assert_int_equal(f.spec.notify, SPEC_NOTIFY_CONMON);
	teardown(&f);
	expect_refused("--sdnotify=maybe", "is none of");
}

static void restart_belongs_to_the_service(void **state)
{
	(void)state;
	expect_refused("--restart=on-failure:3", "belongs into [Service]: Restart=on-failure:3");
	expect_refused("--restart=unless-stopped", "Restart=always");
}

static void log_options(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--log-driver=json-file", "--log-opt=max-size=20m,max-file=5",
		      "--log-opt", "tag=x");
	assert_good(&f);
	assert_string_equal(f.spec.log_driver, "json-file");
	assert_int_equal(f.spec.log_max_bytes, 20 * MIB);
	assert_int_equal(f.spec.log_max_files, 5);
	assert_string_equal(f.spec.log_tag, "x");
	assert_null(f.spec.log_path);
	assert_note(&f, "rotated files");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--log-driver=none", "--log-opt=path=/data/a//b/../c",
		      "--log-opt=tag=app-{{.Name}}/{{.ImageName}}", "--log-opt=label=x");
	assert_good(&f);
	assert_string_equal(f.spec.log_driver, "none");
	assert_string_equal(f.spec.log_path, "/data/a/c");
	assert_string_equal(f.spec.log_tag, "app-{{.Name}}/{{.ImageName}}");
	assert_note(&f, "no labels");
	teardown(&f);
	expect_refused("--log-opt=path=/var/log/web", "below /data");
	expect_refused("--log-opt=path=/data", "below /data");
	expect_refused("--log-opt=path=/data/../etc/web", "below /data");
	expect_refused("--log-opt=path=logs", "below /data");
	expect_refused("--log-opt=path=/data/store/x", "own");
	expect_refused("--log-opt=path=/data/volumes/x", "own");
	expect_refused("--log-opt=path=/data/secrets", "own");
	expect_refused("--log-opt=path=/data/logs", "own");
	expect_refused("--log-opt=tag=", "1 to 48");
	expect_refused("--log-opt=tag={{.ID}}", "known are {{.Name}}");
	expect_refused("--log-opt=tag=a b", "printable ASCII");
	expect_refused("--log-opt=max-size=63k", "at least 65536 bytes");
	expect_refused("--log-opt=max-size=-1", "without a limit");
	expect_refused("--log-opt=max-file=0", "1 to 100");
	expect_refused("--log-opt=max-file=101", "1 to 100");
	expect_refused("--log-opt=compress=true", "no log option");
	expect_refused("--log-driver=passthrough-tty", "not supported");
	expect_refused("--log-driver=syslog", "no log driver");
}

static void what_is_done_anyway_is_silent(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-d", "--rm", "--replace", "--cgroups=split", "--sdnotify=conmon",
		      "--pull=missing");
	assert_good(&f);
	assert_int_equal(f.diags.count, 0);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--rm=false");
	assert_good(&f);
	assert_note(&f, "always removed");
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_host_names),
		cmocka_unit_test(entrypoint_is_a_word_or_an_array),
		cmocka_unit_test(what_is_no_array_of_strings_is_one_word),
		cmocka_unit_test(variables_need_a_name_and_a_value),
		cmocka_unit_test(environment_files_are_absolute),
		cmocka_unit_test(labels_replace_each_other_by_name),
		cmocka_unit_test(auto_update_says_what_it_cannot_follow),
		cmocka_unit_test(users_are_names_or_mapped_numbers),
		cmocka_unit_test(keep_groups_is_noted),
		cmocka_unit_test(stopping),
		cmocka_unit_test(time_zones_are_names_only),
		cmocka_unit_test(lines_for_passwd_and_group),
		cmocka_unit_test(masks_are_octal),
		cmocka_unit_test(pull_policies),
		cmocka_unit_test(readiness),
		cmocka_unit_test(restart_belongs_to_the_service),
		cmocka_unit_test(log_options),
		cmocka_unit_test(what_is_done_anyway_is_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
