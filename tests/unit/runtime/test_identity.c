/* SPDX-License-Identifier: Apache-2.0 */
/* Users and groups as an image's passwd and group have them. */
#include "runtime_test.h"

#include "runtime/identity.h"
#include "util/buf.h"

static struct plan_id_range range = { .inside = 0, .outside = 0, .count = 65536 };
static struct plan plan = {
	.uid_map = &range, .gid_map = &range, .uid_map_count = 1, .gid_map_count = 1
};

static int image_setup(void **state)
{
	if (scratch_setup(state) < 0)
		return -1;
	make_directory("etc", 0755);
	write_text("etc/passwd",
		   "# comment\nroot:x:0:0:root:/root:/bin/sh\nbroken\n::::\n"
		   "bad:x:12a:1::/:\nmoe:x:1001:1002:Moe:/home/moe:/bin/sh\n"
		   "twin:x:1001:1003::/home/twin:\n123:x:77:78::/n:\nlast:x:5:6::/last:");
	write_text("etc/group", "root:x:0:\nmoe:x:1002:\nextra:x:1010:bob,moe\nother:x:1011:moex\n"
				"video:x:44:\n2000:x:2001:\n");
	plan.uid = plan.gid = 0;
	plan.group_count = 0;
	plan.user_text = NULL;
	range.count = 65536;
	return 0;
}

static int resolve(const char *user, const char *groups, struct identity *id, struct err *err)
{
	int root = open(scratch, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int rc = identity_resolve(&plan, user, groups, root, id, err);

	close(root);
	return rc;
}

static void assert_identity(const char *user, const char *groups, uint32_t uid, uint32_t gid,
			    const char *home, const char *all)
{
	struct identity id;
	struct err err;
	char text[256] = "";

	if (resolve(user, groups, &id, &err) < 0)
		fail_msg("%s: %s", user, err.msg);
	for (size_t i = 0; i < id.group_count; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%u ", id.groups[i]);
	assert_int_equal(id.uid, uid);
	assert_int_equal(id.gid, gid);
	assert_string_equal(id.home, home);
	assert_string_equal(text, all);
}

static void names_and_numbers(void **state)
{
	(void)state;
	assert_identity("moe", NULL, 1001, 1002, "/home/moe", "1010 1002 ");
	assert_identity("1001", NULL, 1001, 1002, "/home/moe", "1010 1002 ");
	assert_identity("moe:video", NULL, 1001, 44, "/home/moe", "44 ");
	assert_identity("moe:44", NULL, 1001, 44, "/home/moe", "44 ");
	assert_identity("4242", NULL, 4242, 0, "", "0 ");
	assert_identity("4242:4243", NULL, 4242, 4243, "", "4243 ");
	assert_identity("last", NULL, 5, 6, "/last", "6 ");
	/* An empty user means root, an empty group none. */
	assert_identity(":44", NULL, 0, 44, "/root", "44 ");
	assert_identity("moe:", NULL, 1001, 1002, "/home/moe", "1010 1002 ");
	/* A number is a number even when somebody has it for a name. */
	assert_identity("123", NULL, 123, 0, "", "0 ");
	assert_identity("0:2000", NULL, 0, 2000, "/root", "2000 ");
}

static void numbers_of_the_plan(void **state)
{
	uint32_t groups[] = { 7, 8 };

	(void)state;
	plan.uid = 1001;
	plan.gid = 9;
	plan.groups = groups;
	plan.group_count = 2;
	assert_identity(NULL, NULL, 1001, 9, "/home/moe", "7 8 9 ");
	assert_identity("", "video", 1001, 9, "/home/moe", "7 8 44 9 ");
	assert_identity("moe", "video,2222", 1001, 1002, "/home/moe", "1010 7 8 44 2222 1002 ");
}

static void assert_refused(const char *user, const char *groups, const char *reason)
{
	struct identity id;
	struct err err;

	assert_int_equal(resolve(user, groups, &id, &err), -1);
	if (!strstr(err.msg, reason))
		fail_msg("\"%s\" is not in \"%s\"", reason, err.msg);
}

static void unknown_names_are_refused(void **state)
{
	(void)state;
	assert_refused("nobody", NULL, "user \"nobody\" is not in the image's /etc/passwd");
	assert_refused("moe:nogroup", NULL, "group \"nogroup\" is not in the image's /etc/group");
	assert_refused("moe", "video,,moe", "empty or too long");
	assert_refused("4294967295", NULL, "not in the image");
	range.count = 1001;
	assert_refused("moe", NULL, "uid 1001 has no place");
	assert_refused("0:1001", NULL, "gid 1001 has no place");
}

static void assert_lacks(const char *user, bool lacks_user, bool lacks_group)
{
	struct identity id;
	struct err err;

	if (resolve(user, NULL, &id, &err) < 0)
		fail_msg("%s: %s", user, err.msg);
	if (id.lacks_user != lacks_user || id.lacks_group != lacks_group)
		fail_msg("%s: lacks user %d, group %d", user, id.lacks_user, id.lacks_group);
}

static void numbers_that_the_image_has_no_line_for(void **state)
{
	(void)state;
	assert_lacks("moe", false, false);
	assert_lacks("1001", false, true); /* podman looks for a group of the user's number */
	assert_lacks("1001:1002", false, false);
	assert_lacks("moe:4243", false, true);
	assert_lacks("4242", true, true);
	assert_lacks("4242:44", true, false);
	assert_lacks("4242:video", true, false);
	assert_lacks("0042:0044", true, false);
	/* somebody's name, but nobody's number */
	assert_lacks("123:2000", true, true);
}

static void the_home_is_that_of_the_line(void **state)
{
	static const struct {
		const char *passwd, *home;
	} rows[] = {
		{ "root:x:0:0::/root:\n7:*:7:0::/srv:/bin/sh\n", "/srv" },
		{ "7:*:7:0::srv:/bin/sh\n", "" },
		{ "7:*:7:0\n", "" },
		{ "7:*:8:0::/srv:\n", "" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct identity id = { .uid = 7, .gid = 9, .home = "/before" };
		struct buf text = BUF_INIT(4096);

		buf_puts(&text, rows[i].passwd);
		identity_take_home(&text, &id);
		assert_string_equal(id.home, rows[i].home);
		assert_int_equal(id.gid, 9); /* who it is was said, not what it is in the line */
		buf_fini(&text);
	}
}

static void images_without_databases(void **state)
{
	(void)state;
	assert_int_equal(unlink(in_scratch("etc/passwd")), 0);
	assert_int_equal(unlink(in_scratch("etc/group")), 0);
	assert_identity("7:8", NULL, 7, 8, "", "8 ");
	assert_lacks("7:8", true, true);
	assert_identity(NULL, NULL, 0, 0, "", "0 ");
	assert_refused("moe", NULL, "user \"moe\"");
}

static void hostile_databases(void **state)
{
	struct buf text = BUF_INIT(4u << 20);

	(void)state;
	/* A link out of the image leads to nothing, or to the image's own file. */
	assert_int_equal(unlink(in_scratch("etc/passwd")), 0);
	assert_int_equal(symlink("../../../../../../../../etc/shadow", in_scratch("etc/passwd")),
			 0);
	assert_refused("root", NULL, "user \"root\" is not in");
	/* Waiting for a writer would hang the start. */
	assert_int_equal(unlink(in_scratch("etc/passwd")), 0);
	assert_int_equal(mkfifo(in_scratch("etc/passwd"), 0600), 0);
	assert_refused("root", NULL, "not a regular file");
	assert_int_equal(unlink(in_scratch("etc/passwd")), 0);
	while (text.len <= IDENTITY_FILE_MAX_BYTES)
		buf_puts(&text, "a:x:1:1::/:\n");
	write_text("etc/passwd", buf_str(&text));
	assert_refused("root", NULL, "/etc/passwd in the image: larger than");
	buf_fini(&text);
}

static void too_many_groups_are_refused(void **state)
{
	struct buf text = BUF_INIT(1u << 20);

	(void)state;
	for (int i = 0; i <= IDENTITY_MAX_GROUPS; i++)
		buf_printf(&text, "g%d:x:%d:moe\n", i, 10000 + i);
	write_text("etc/group", buf_str(&text));
	assert_refused("moe", NULL, "more than 512 supplementary groups");
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_and_numbers, image_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(numbers_of_the_plan, image_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(unknown_names_are_refused, image_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(numbers_that_the_image_has_no_line_for, image_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(the_home_is_that_of_the_line, image_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(images_without_databases, image_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(hostile_databases, image_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(too_many_groups_are_refused, image_setup,
						scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
