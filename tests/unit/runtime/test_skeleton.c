/* SPDX-License-Identifier: Apache-2.0 */
/* Mount points that an image lacks, and the filling of a tmpfs from an image; on plain
 * directories. */
#include "runtime_test.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "runtime/child.h"

static struct plan plan;
static struct child child = { .plan = &plan };
static struct plan_mount mounts[8];

static int image_setup(void **state)
{
	if (scratch_setup(state) < 0)
		return -1;
	make_directory("image", 0751);
	make_directory("skeleton", 0700);
	make_directory("image/usr", 0755);
	make_directory("image/usr/lib", 0711);
	make_directory("image/app", 01775);
	write_text("image/file", "");
	assert_int_equal(symlink("usr/lib", in_scratch("image/lib")), 0);
	assert_int_equal(symlink("/../../../usr", in_scratch("image/out")), 0);
	memset(mounts, 0, sizeof(mounts));
	plan.mounts = mounts;
	plan.mount_count = 0;
	return 0;
}

static void add(const char *target, bool directory)
{
	mounts[plan.mount_count++] =
		(struct plan_mount){ .target = target, .is_directory = directory };
}

static int fill(struct err *err)
{
	int view = open_directory("image"), skeleton = open_directory("skeleton");
	int rc = skeleton_fill(&child, view, skeleton, err);

	close(view);
	close(skeleton);
	return rc;
}

static bool is_needed(void)
{
	int view = open_directory("image");
	bool needed = skeleton_is_needed(&child, view);

	close(view);
	return needed;
}

static void assert_mode(const char *name, mode_t mode)
{
	struct stat st;

	if (lstat(in_scratch(name), &st) < 0)
		fail_msg("%s is missing", name);
	if (st.st_mode != mode)
		fail_msg("%s: mode %o, not %o", name, st.st_mode, mode);
}

static void assert_missing(const char *name)
{
	struct stat st;

	if (lstat(in_scratch(name), &st) == 0)
		fail_msg("%s is there", name);
}

static void nothing_is_needed_when_all_is_there(void **state)
{
	(void)state;
	add("/app", true);
	add("/lib", true);
	add("/file", false);
	/* Below another mount, so not the image's business. */
	add("/app/missing", true);
	assert_false(is_needed());
	add("/missing", true);
	assert_true(is_needed());
}

static void missing_points_are_made(void **state)
{
	struct err err;

	(void)state;
	add("/app/logs/deep", true);
	add("/app/logs/other", true);
	add("/etc/resolv.conf", false);
	add("/usr", true);
	if (fill(&err) < 0)
		fail_msg("%s", err.msg);
	assert_mode("skeleton", S_IFDIR | 0751);
	assert_mode("skeleton/app", S_IFDIR | 01775);
	assert_mode("skeleton/app/logs", S_IFDIR | 0755);
	assert_mode("skeleton/app/logs/deep", S_IFDIR | 0755);
	assert_mode("skeleton/app/logs/other", S_IFDIR | 0755);
	assert_mode("skeleton/etc", S_IFDIR | 0755);
	assert_mode("skeleton/etc/resolv.conf", S_IFREG | 0644);
	assert_missing("skeleton/usr");
}

static void links_of_the_image_are_followed_inside(void **state)
{
	struct err err;

	(void)state;
	add("/lib/modules", true);
	add("/out/x", false);
	if (fill(&err) < 0)
		fail_msg("%s", err.msg);
	assert_missing("skeleton/lib");
	assert_missing("skeleton/out");
	assert_mode("skeleton/usr/lib", S_IFDIR | 0711);
	assert_mode("skeleton/usr/lib/modules", S_IFDIR | 0755);
	assert_mode("skeleton/usr/x", S_IFREG | 0644);
	assert_missing("usr");
}

static void owners_are_copied(void **state)
{
	struct err err;
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chown(in_scratch("image/app"), 1001, 1002), 0);
	assert_int_equal(chmod(in_scratch("image/app"), 02750), 0);
	add("/app/logs", true);
	assert_int_equal(fill(&err), 0);
	assert_int_equal(stat(in_scratch("skeleton/app"), &st), 0);
	assert_int_equal(st.st_uid, 1001);
	assert_int_equal(st.st_gid, 1002);
	assert_mode("skeleton/app", S_IFDIR | 02750);
}

static void a_file_on_the_way_is_an_error(void **state)
{
	struct err err;

	(void)state;
	add("/file/x", true);
	assert_int_equal(fill(&err), -1);
	assert_non_null(strstr(err.msg, "mount point /file/x"));
}

/* --- tmpcopyup --- */

static int copy(const char *data, struct err *err)
{
	struct plan_mount mount = { .target = "/target", .data = data, .copy_up = true };
	int from = open(in_scratch("image"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	child.root = open(scratch, O_PATH | O_DIRECTORY | O_CLOEXEC);
	rc = copyup_fill(&child, &mount, from, err);
	close(from);
	close(child.root);
	return rc;
}

static void trees_are_copied_with_attributes(void **state)
{
	struct err err;
	struct stat st;
	char text[16];

	(void)state;
	make_directory("target", 0700);
	write_text("image/app/data", "hello");
	assert_int_equal(chmod(in_scratch("image/app/data"), 04711), 0);
	if (copy("size=1m", &err) < 0)
		fail_msg("%s", err.msg);
	assert_mode("target", S_IFDIR | 0751);
	assert_mode("target/app", S_IFDIR | 01775);
	assert_mode("target/app/data", S_IFREG | 04711);
	assert_mode("target/usr/lib", S_IFDIR | 0711);
	assert_int_equal(stat(in_scratch("target/app/data"), &st), 0);
	assert_int_equal(st.st_size, 5);
	assert_int_equal(readlink(in_scratch("target/lib"), text, sizeof(text)), 7);
	assert_memory_equal(text, "usr/lib", 7);
}

static void options_win_over_the_image(void **state)
{
	struct err err;

	(void)state;
	make_directory("target", 0700);
	assert_int_equal(copy("size=1m,mode=700", &err), 0);
	assert_mode("target", S_IFDIR | 0700);
}

static void a_device_cannot_be_copied(void **state)
{
	struct err err;

	(void)state;
	make_directory("target", 0700);
	/* Of all devices, only 0/0 may be made without the privilege for it. */
	assert_int_equal(mknod(in_scratch("image/app/null"), S_IFCHR | 0600, 0), 0);
	assert_int_equal(copy("", &err), -1);
	assert_string_equal(err.msg, "tmpcopyup: app: null: a device cannot be copied");
}

static void pipes_are_copied_and_sockets_left_out(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct err err;

	(void)state;
	make_directory("target", 0700);
	assert_int_equal(mkfifo(in_scratch("image/app/pipe"), 0640), 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", in_scratch("image/app/socket"));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(copy("", &err), 0);
	assert_mode("target/app/pipe", S_IFIFO | 0640);
	assert_int_equal(access(in_scratch("target/app/socket"), F_OK), -1);
}

static void attributes_of_users_are_copied(void **state)
{
	char value[16];
	struct err err;

	(void)state;
	make_directory("target", 0700);
	write_text("image/app/data", "hello");
	assert_int_equal(setxattr(in_scratch("image/app/data"), "user.origin", "here", 4, 0), 0);
	assert_int_equal(setxattr(in_scratch("image/app/data"), "user.overlay.opaque", "y", 1, 0),
			 0);
	assert_int_equal(copy("", &err), 0);
	assert_int_equal(getxattr(in_scratch("target/app/data"), "user.origin", value, 16), 4);
	assert_memory_equal(value, "here", 4);
	assert_int_equal(getxattr(in_scratch("target/app/data"), "user.overlay.opaque", value, 16),
			 -1);
}

static void start_hears_of_a_long_copy(void **state)
{
	struct sync_message message;
	char big[256];
	struct err err;
	int ends[2], fd;

	(void)state;
	make_directory("target", 0700);
	snprintf(big, sizeof(big), "%s", in_scratch("image/app/big"));
	fd = open(big, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, 20 << 20), 0);
	close(fd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	child.sync = ends[0];
	assert_int_equal(copy("", &err), 0);
	close(ends[0]);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(sync_receive(ends[1], &message, NULL, &err), 0);
		assert_int_equal(message.type, SYNC_BUSY);
	}
	assert_int_equal(sync_receive(ends[1], &message, NULL, &err), 0);
	assert_int_equal(message.type, SYNC_END);
	close(ends[1]);
}

static void a_mount_point_that_was_made_is_the_users(void **state)
{
	struct plan_mount mount = {
		.target = "/target", .data = "mode=1777", .own_missing = true, .is_missing = true
	};
	struct stat st;
	struct err err;
	int from = open(in_scratch("image"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	if (geteuid() != 0)
		skip();
	make_directory("target", 0700);
	child.root = open(scratch, O_PATH | O_DIRECTORY | O_CLOEXEC);
	child.id.uid = 1001;
	child.id.gid = 1002;
	assert_int_equal(copyup_fill(&child, &mount, from, &err), 0);
	assert_int_equal(stat(in_scratch("target"), &st), 0);
	assert_int_equal(st.st_uid, 1001);
	assert_int_equal(st.st_gid, 1002);
	close(from);
	close(child.root);
}

static void depth_is_bounded(void **state)
{
	struct err err;
	int dir = open_directory("image");

	(void)state;
	make_directory("target", 0700);
	for (int i = 0; i < 70; i++) {
		int next;

		assert_int_equal(mkdirat(dir, "d", 0700), 0);
		next = openat(dir, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(dir);
		dir = next;
	}
	close(dir);
	assert_int_equal(copy("", &err), -1);
	assert_non_null(strstr(err.msg, "nested deeper than 64"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_needed_when_all_is_there, image_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(missing_points_are_made, image_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(links_of_the_image_are_followed_inside, image_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(owners_are_copied, image_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(a_file_on_the_way_is_an_error, image_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(trees_are_copied_with_attributes, image_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(options_win_over_the_image, image_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(a_device_cannot_be_copied, image_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(pipes_are_copied_and_sockets_left_out, image_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(attributes_of_users_are_copied, image_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(start_hears_of_a_long_copy, image_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(a_mount_point_that_was_made_is_the_users,
						image_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(depth_is_bounded, image_setup, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
