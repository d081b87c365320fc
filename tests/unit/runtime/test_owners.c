/* SPDX-License-Identifier: Apache-2.0 */
/* "U": a tree is given to somebody, and nothing else is. */
#include "runtime_test.h"

#include "runtime/owners.h"

static void assert_owner(const char *name, uid_t uid, gid_t gid)
{
	struct stat st;

	assert_int_equal(lstat(in_scratch(name), &st), 0);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, gid);
}

static int tree_setup(void **state)
{
	if (scratch_setup(state) < 0)
		return -1;
	make_directory("tree", 0755);
	make_directory("tree/deep", 0700);
	write_text("tree/deep/file", "x");
	write_text("outside", "x");
	if (symlink(in_scratch("outside"), in_scratch("tree/link")) < 0)
		return -1;
	return mkfifo(in_scratch("tree/pipe"), 0600);
}

static int change(const char *name, uid_t uid, gid_t gid, struct err *err)
{
	int fd = open(in_scratch(name), O_PATH | O_CLOEXEC);
	int rc = owners_change(fd, uid, gid, err);

	close(fd);
	return rc;
}

static void everything_below_is_changed_and_no_link_followed(void **state)
{
	struct err err;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(change("tree", 1001, 1002, &err), 0);
	assert_owner("tree", 1001, 1002);
	assert_owner("tree/deep", 1001, 1002);
	assert_owner("tree/deep/file", 1001, 1002);
	assert_owner("tree/link", 1001, 1002);
	assert_owner("tree/pipe", 1001, 1002);
	assert_owner("outside", 0, 0);
}

static void a_single_file_is_changed(void **state)
{
	struct err err;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(change("outside", 7, 8, &err), 0);
	assert_owner("outside", 7, 8);
}

/* chown(2) clears set-id bits: of what has its owner they have to stay. */
static void what_has_its_owner_is_not_touched(void **state)
{
	struct stat st;
	struct err err;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(in_scratch("tree/deep/file"), 7, 8), 0);
	assert_int_equal(chmod(in_scratch("tree/deep/file"), 04755), 0);
	assert_int_equal(change("tree", 7, 8, &err), 0);
	assert_int_equal(stat(in_scratch("tree/deep/file"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 04755);
	assert_int_equal(chown(in_scratch("tree"), 0, 0), 0);
	assert_int_equal(change("tree", 9, 8, &err), 0);
	assert_int_equal(stat(in_scratch("tree/deep/file"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

static void depth_is_bounded(void **state)
{
	int dir = open_directory("tree");
	struct err err;

	(void)state;
	for (int i = 0; i < OWNERS_MAX_DEPTH + 2; i++) {
		int next;

		assert_int_equal(mkdirat(dir, "d", 0700), 0);
		next = openat(dir, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(dir);
		dir = next;
	}
	close(dir);
	assert_int_equal(change("tree", 7, 8, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_non_null(strstr(err.msg, "nested deeper than 512"));
	assert_owner("tree", 0, 0); /* the top comes last */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(everything_below_is_changed_and_no_link_followed,
						tree_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(a_single_file_is_changed, tree_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(what_has_its_owner_is_not_touched, tree_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(depth_is_bounded, tree_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
