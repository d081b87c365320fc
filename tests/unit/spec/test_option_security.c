/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities, security options, namespaces. */
#include "spec_test.h"

static void capabilities_are_kept_by_their_canonical_name(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--cap-add=net_admin,CAP_SYS_TIME", "--cap-add=NET_ADMIN",
		      "--cap-drop=all");
	assert_good(&f);
	assert_int_equal(f.spec.cap_add.count, 2);
	assert_string_equal(f.spec.cap_add.items[0], "CAP_NET_ADMIN");
	assert_string_equal(f.spec.cap_drop.items[0], "ALL");
	teardown(&f);
	expect_refused("--cap-add=", "no capability");
	expect_refused("--cap-drop=CAP_", "no capability");
}

static void no_new_privileges_in_its_forms(void **state)
{
	static const char *const yes[] = { "--security-opt=no-new-privileges",
					   "--security-opt=no-new-privileges=true",
					   "--security-opt=no-new-privileges:true" };
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		setup(&f);
		PARSE_OPTIONS(&f, yes[i]);
		assert_good(&f);
		assert_true(f.spec.no_new_privileges);
		teardown(&f);
	}
	setup(&f);
	PARSE_OPTIONS(&f, "--security-opt=no-new-privileges",
		      "--security-opt=no-new-privileges=false");
	assert_good(&f);
	assert_false(f.spec.no_new_privileges);
	teardown(&f);
	expect_refused("--security-opt=no-new-privileges=perhaps", "true or false");
}

static void masks_are_split_at_colons(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--security-opt=mask=/proc/a:/sys//b/",
		      "--security-opt=unmask=/proc/*:all");
	assert_good(&f);
	assert_int_equal(f.spec.mask.count, 2);
	assert_string_equal(f.spec.mask.items[1], "/sys/b");
	assert_string_equal(f.spec.unmask.items[0], "/proc/*");
	assert_string_equal(f.spec.unmask.items[1], "ALL");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--security-opt=systempaths=unconfined");
	assert_good(&f);
	assert_string_equal(f.spec.unmask.items[0], "ALL");
	teardown(&f);
	expect_refused("--security-opt=mask=proc", "no absolute path");
	expect_refused("--security-opt=mask", "needs a value");
	expect_refused("--security-opt=systempaths=all", "only unconfined");
}

static void profiles(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--security-opt=seccomp=/config/s.json");
	assert_good(&f);
	assert_string_equal(f.spec.seccomp, "/config/s.json");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--security-opt=seccomp=unconfined", "--security-opt=label=disable",
		      "--security-opt=label:type:spc_t", "--security-opt=apparmor=unconfined");
	assert_good(&f);
	assert_string_equal(f.spec.seccomp, "unconfined");
	assert_note(&f, "no SELinux");
	assert_note(&f, "no AppArmor");
	teardown(&f);
	expect_refused("--security-opt=seccomp=profile.json", "no absolute path");
	expect_refused("--security-opt=apparmor=docker-default", "AppArmor profile docker-default");
	expect_refused("--security-opt=proc-opts=hidepid=2", "proc-opts=hidepid=2");
	expect_refused("--security-opt=strange=1", "no security option");
}

static void read_only_and_init(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--read-only", "--init=false");
	assert_good(&f);
	assert_true(f.spec.read_only && f.spec.read_only_tmpfs);
	assert_false(f.spec.init);
	assert_int_equal(f.diags.count, 0);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--read-only-tmpfs=false", "--init");
	assert_good(&f);
	assert_false(f.spec.read_only_tmpfs);
	assert_true(f.spec.init);
	assert_int_equal(f.diags.count, 0);
	teardown(&f);
}

static void user_namespaces(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--userns=keep-id");
	assert_good(&f);
	assert_int_equal(f.spec.userns, SPEC_USERNS_KEEP_ID);
	assert_true(f.spec.keep_uid == UINT32_MAX && f.spec.keep_gid == UINT32_MAX);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--userns=keep-id:uid=5,gid=6");
	assert_good(&f);
	assert_true(f.spec.keep_uid == 5 && f.spec.keep_gid == 6);
	teardown(&f);
	expect_refused("--userns=keep-id:uid=65010", "keep-id: uid=65010");
	expect_refused("--userns=keep-id:size=10", "only uid= and gid=");
	expect_refused("--userns=auto", "use keep-id or nothing");
	expect_refused("--userns=host", "root inside is never root outside");
	expect_refused("--userns=nomap", "not supported");
}

static void namespaces_are_private(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--pid=private", "--ipc=shareable", "--uts=", "--cgroupns=private",
		      "--cgroups=no-conmon");
	assert_good(&f);
	assert_int_equal(f.diags.count, 0);
	teardown(&f);
	expect_refused("--pid=container:db", "every container has its own");
	expect_refused("--ipc=host", "every container has its own");
	expect_refused("--cgroups=disabled", "every container has a cgroup");
	expect_refused("--privileged", "name the capabilities");
}

static void systemd_inside(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--systemd=true");
	assert_good(&f);
	assert_note(&f, "nothing is prepared for systemd");
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capabilities_are_kept_by_their_canonical_name),
		cmocka_unit_test(no_new_privileges_in_its_forms),
		cmocka_unit_test(masks_are_split_at_colons),
		cmocka_unit_test(profiles),
		cmocka_unit_test(read_only_and_init),
		cmocka_unit_test(user_namespaces),
		cmocka_unit_test(namespaces_are_private),
		cmocka_unit_test(systemd_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
