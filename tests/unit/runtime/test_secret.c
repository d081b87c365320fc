/* SPDX-License-Identifier: Apache-2.0 */
/* References to secrets in config.json, and finding what they mean. Placing them needs a
 * container: tests/system. */
#include "runtime_test.h"

#include "runtime/secret.h"
#include "util/str.h"

#define CONFIG                                                                                       \
	"{\"ociVersion\":\"1.1.0\",\"process\":{\"args\":[\"/bin/true\"],\"cwd\":\"/\"},"            \
	"\"root\":{\"path\":\"rootfs\"},\"mounts\":[{\"destination\":\"/run\",\"type\":\"tmpfs\"}]," \
	"\"annotations\":{\"org.cleat.secrets\":\"%s\"},\"linux\":{"                                 \
	"\"uidMappings\":[{\"containerID\":0,\"hostID\":65000,\"size\":1}],"                         \
	"\"gidMappings\":[{\"containerID\":0,\"hostID\":65000,\"size\":1}],"                         \
	"\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"user\"}]}}"

static int read_secrets(struct plan *plan, const char *lines, struct err *err)
{
	static char text[65536];

	assert_true(snprintf(text, sizeof(text), CONFIG, lines) < (int)sizeof(text));
	return read_plan_text(plan, text, err);
}

static void references_become_secrets_and_mounts(void **state)
{
	struct err err = { 0 };
	struct plan plan;

	(void)state;
	if (read_secrets(&plan,
			 "mount,a,7,8,400,/run/secrets/a, b\\nenv,b,WORD\\nmount,c,0,0,444,/c",
			 &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(plan.secret_count, 3);
	assert_string_equal(plan.secrets[0].name, "a");
	assert_string_equal(plan.secrets[0].target, "/run/secrets/a, b");
	assert_int_equal(plan.secrets[0].uid, 7);
	assert_int_equal(plan.secrets[0].gid, 8);
	assert_int_equal(plan.secrets[0].mode, 0400);
	assert_int_equal(plan.secrets[0].file.fd, -1);
	assert_true(plan.secrets[1].is_env);
	assert_string_equal(plan.secrets[1].target, "WORD");
	assert_int_equal(plan.mount_count, 3);
	assert_int_equal(plan.mounts[0].kind, PLAN_MOUNT_TMPFS);
	assert_int_equal(plan.mounts[1].kind, PLAN_MOUNT_SECRET);
	assert_string_equal(plan.mounts[2].target, "/c");
	assert_false(plan.mounts[2].is_directory);
	assert_int_equal(plan.secrets[0].mount, 1);
	assert_int_equal(plan.secrets[2].mount, 2);
	assert_int_equal(plan.secret_fs, -1);
	plan_fini(&plan);
}

static void refused_references(void **state)
{
	static const char *const lines[][2] = {
		{ "", "no name of a secret" },
		{ "env", "no name of a secret" },
		{ "env,", "no name of a secret" },
		{ "env,../a,A", "no name of a secret" },
		{ "env,a", "no target" },
		{ "env,a,", "no target" },
		{ "env,a,A\\n", "line 2" },
		{ "env,a,A=B", "is no variable's name" },
		{ "link,a,A", "\"link\" is neither env nor mount" },
		{ "mount,a", "owner or mode" },
		{ "mount,a,0,0", "owner or mode" },
		{ "mount,a,x,0,444,/a", "owner or mode" },
		{ "mount,a,0,4294967295,444,/a", "owner or mode" },
		{ "mount,a,0,0,1444,/a", "owner or mode" },
		{ "mount,a,0,0,444", "no target" },
		{ "mount,a,0,0,444,a", "not the absolute path" },
		{ "mount,a,0,0,444,/", "not the absolute path" },
		{ "mount,a,0,0,444,/a/../b", "not the absolute path" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct err err = { 0 };
		struct plan plan;

		if (read_secrets(&plan, lines[i][0], &err) == 0)
			fail_msg("accepted: %s", lines[i][0]);
		if (!strstr(err.msg, lines[i][1]))
			fail_msg("%s: \"%s\" is not in \"%s\"", lines[i][0], lines[i][1], err.msg);
		assert_non_null(strstr(err.msg, "org.cleat.secrets"));
		assert_int_equal(err.code, ERR_INPUT);
		plan_fini(&plan);
	}
}

static void there_are_at_most_64(void **state)
{
	char lines[PLAN_MAX_SECRETS * 32] = "";
	struct err err = { 0 };
	struct plan plan;
	size_t at = 0;

	(void)state;
	for (int i = 0; i <= PLAN_MAX_SECRETS; i++)
		at += (size_t)snprintf(lines + at, sizeof(lines) - at, "%senv,a,A%d",
				       i ? "\\n" : "", i);
	assert_int_equal(read_secrets(&plan, lines, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_non_null(strstr(err.msg, "65 secrets"));
	plan_fini(&plan);
}

static void finding_them(void **state)
{
	struct secret_places places;
	struct err err = { 0 };
	char config[128];
	struct plan plan;

	(void)state;
	make_directory("secrets", 0700);
	write_text("secrets/a", "value of a");
	snprintf(config, sizeof(config), "%s", in_scratch("secrets"));
	places = (struct secret_places){ config, "/nowhere" };
	assert_int_equal(
		read_secrets(&plan, "env,a,A\\nmount,missing,0,0,444,/x\\nenv,gone,G", &err), 0);
	/* An exec needs no files, and goes without a variable whose secret is gone. */
	assert_int_equal(secrets_open(&plan, &places, SECRETS_ENV, &err), 0);
	assert_true(plan.secrets[0].file.fd >= 0);
	assert_int_equal(plan.secrets[0].file.length, strlen("value of a"));
	assert_int_equal(plan.secrets[1].file.fd, -1);
	assert_int_equal(plan.secrets[2].file.fd, -1);
	assert_int_equal(plan.secret_fs, -1);
	secrets_close(&plan);
	assert_int_equal(plan.secrets[0].file.fd, -1);
	/* A start does, and nothing but somebody's hand cures it. */
	assert_int_equal(secrets_open(&plan, &places, SECRETS_ALL, &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
	assert_non_null(strstr(err.msg, "secret missing is missing"));
	secrets_close(&plan);
	plan_fini(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(references_become_secrets_and_mounts, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(refused_references, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(there_are_at_most_64, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(finding_them, scratch_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
