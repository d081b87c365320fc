/* SPDX-License-Identifier: Apache-2.0 */
/* First use of volumes, the half outside: what is asked of the child, what becomes of it, and what a crash leaves. */
#include "runtime/kernel.h"

#include "runtime_test.h"

#include <errno.h>
#include <sys/wait.h>

#include "runtime/volume.h"
#include "util/buf.h"
#include "util/file.h"
#include "util/str.h"

static struct plan_mount mounts[4];
static struct plan plan = { .mounts = mounts };

static int volumes_setup(void **state)
{
	if (geteuid() != 0) /* open_tree(2) with a copy of the mount needs CAP_SYS_ADMIN */
		return 0;
	if (scratch_setup(state) < 0)
		return -1;
	make_directory("volumes", 0711);
	make_directory("volumes/data", 0755);
	plan.mount_count = 0;
	return 0;
}

static int volumes_teardown(void **state)
{
	if (geteuid() != 0)
		return 0;
	volume_close_all(&plan);
	return scratch_teardown(state);
}

static struct plan_mount *mount_volume(const char *name, bool copy)
{
	char path[128];
	struct plan_mount *mount = &mounts[plan.mount_count++];

	snprintf(path, sizeof(path), "volumes/%s", name);
	*mount = (struct plan_mount){ .kind = PLAN_MOUNT_BIND,
				      .source = in_scratch(path),
				      .target = "/in",
				      .data = "",
				      .volume = true,
				      .copy_content = copy,
				      .tree = -1,
				      .staging = -1,
				      .staging_lock = -1 };
	return mount;
}

static void open_all(void)
{
	struct err err;

	if (volume_open_all(&plan, scratch, 0, 0, &err) < 0)
		fail_msg("%s", err.msg);
}

static void settle(struct plan_mount *mount)
{
	struct err err;

	if (volume_settle(mount, scratch, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(mount->staging, -1);
	assert_int_equal(mount->staging_lock, -1);
}

static void assert_state(const char *wanted)
{
	auto_buf text = BUF_INIT(64);
	struct err err;

	if (file_read_at(AT_FDCWD, in_scratch("volumes/.cleat/data/state"), 64, &text, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(buf_str(&text), wanted);
	assert_int_equal(access(in_scratch("volumes/.cleat/data/copy"), F_OK), -1);
	assert_int_equal(access(in_scratch("volumes/.cleat/data/copied"), F_OK), -1);
}

static void child_makes(struct plan_mount *mount, const char *name)
{
	int fd = openat(mount->staging, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void an_empty_volume_gets_content_and_owner_at_once(void **state)
{
	struct plan_mount *mount;
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	mount = mount_volume("data", true);
	open_all();
	assert_true(mount->staging >= 0);
	child_makes(mount, "page");
	assert_int_equal(fchownat(mount->staging, "", 7, 8, AT_EMPTY_PATH), 0);
	assert_int_equal(fchmodat(mount->staging, ".", 02750, 0), 0);
	assert_int_equal(access(in_scratch("volumes/data/page"), F_OK), -1);
	settle(mount);
	assert_int_equal(access(in_scratch("volumes/data/page"), F_OK), 0);
	assert_int_equal(stat(in_scratch("volumes/data"), &st), 0);
	assert_int_equal(st.st_uid, 7);
	assert_int_equal(st.st_gid, 8);
	assert_int_equal(st.st_mode & 07777, 02750);
	assert_state("copied");
	/* Never again, not even when it is empty. */
	assert_int_equal(unlink(in_scratch("volumes/data/page")), 0);
	open_all();
	assert_int_equal(mount->staging, -1);
}

static void without_content_only_the_owner_is_set_and_content_may_come_later(void **state)
{
	struct plan_mount *mount;
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	mount = mount_volume("data", false);
	open_all();
	assert_true(mount->staging >= 0);
	assert_int_equal(fchownat(mount->staging, "", 7, 8, AT_EMPTY_PATH), 0);
	settle(mount);
	assert_state("owned");
	open_all();
	assert_int_equal(mount->staging, -1);
	/* podman: as long as there never was any. */
	mount->copy_content = true;
	open_all();
	assert_true(mount->staging >= 0);
	child_makes(mount, "page");
	assert_int_equal(fchownat(mount->staging, "", 9, 9, AT_EMPTY_PATH), 0);
	settle(mount);
	assert_state("copied");
	assert_int_equal(stat(in_scratch("volumes/data"), &st), 0);
	assert_int_equal(st.st_uid, 7); /* it had its owner */
}

static void what_is_in_a_volume_is_left_alone(void **state)
{
	struct plan_mount *mount;
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	write_text("volumes/data/mine", "mine");
	assert_int_equal(chown(in_scratch("volumes/data"), 5, 5), 0);
	mount = mount_volume("data", true);
	open_all();
	assert_int_equal(mount->staging, -1);
	assert_state("owned");
	assert_int_equal(stat(in_scratch("volumes/data"), &st), 0);
	assert_int_equal(st.st_uid, 5);
}

static void half_a_copy_is_thrown_away(void **state)
{
	struct plan_mount *mount;

	(void)state;
	if (geteuid() != 0)
		skip();
	make_directory("volumes/.cleat", 0700);
	make_directory("volumes/.cleat/data", 0700);
	make_directory("volumes/.cleat/data/copy", 0700);
	make_directory("volumes/.cleat/data/copy/deep", 0700);
	write_text("volumes/.cleat/data/copy/deep/half", "ha");
	mount = mount_volume("data", true);
	open_all();
	assert_true(mount->staging >= 0);
	assert_int_equal(faccessat(mount->staging, "deep", F_OK, 0), -1);
	settle(mount);
	assert_state("owned");
}

static void a_whole_copy_is_moved_in_by_the_next_start(void **state)
{
	struct plan_mount *mount;
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	make_directory("volumes/.cleat", 0700);
	make_directory("volumes/.cleat/data", 0700);
	make_directory("volumes/.cleat/data/copied", 0751);
	assert_int_equal(chown(in_scratch("volumes/.cleat/data/copied"), 7, 7), 0);
	write_text("volumes/.cleat/data/copied/second", "2");
	write_text("volumes/data/first", "1"); /* was moved before the power went */
	mount = mount_volume("data", true);
	open_all();
	assert_int_equal(mount->staging, -1);
	assert_int_equal(access(in_scratch("volumes/data/first"), F_OK), 0);
	assert_int_equal(access(in_scratch("volumes/data/second"), F_OK), 0);
	assert_state("copied");
	assert_int_equal(stat(in_scratch("volumes/data"), &st), 0);
	assert_int_equal(st.st_uid, 7);
	assert_int_equal(st.st_mode & 07777, 0751);
}

static void a_name_that_came_meanwhile_stays(void **state)
{
	struct plan_mount *mount;
	auto_buf text = BUF_INIT(64);
	struct err err;

	(void)state;
	if (geteuid() != 0)
		skip();
	mount = mount_volume("data", true);
	open_all();
	child_makes(mount, "both");
	child_makes(mount, "ours");
	write_text("volumes/data/both", "theirs");
	settle(mount);
	assert_int_equal(file_read_at(AT_FDCWD, in_scratch("volumes/data/both"), 64, &text, &err),
			 0);
	assert_string_equal(buf_str(&text), "theirs");
	assert_int_equal(access(in_scratch("volumes/data/ours"), F_OK), 0);
	assert_state("copied");
}

static void a_volume_that_is_mounted_twice_is_filled_once(void **state)
{
	struct plan_mount *first, *second;

	(void)state;
	if (geteuid() != 0)
		skip();
	first = mount_volume("data", true);
	second = mount_volume("data", true);
	open_all(); /* would wait for itself */
	assert_true(first->staging >= 0);
	assert_int_equal(second->staging, -1);
	settle(first);
	settle(second);
}

static void a_second_start_waits_for_the_first(void **state)
{
	struct plan_mount *mount;
	int ends[2], status;
	char byte;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	mount = mount_volume("data", true);
	open_all();
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		struct err err;

		/* This process got copies of the first one's descriptors: as a container's child does. */
		mounts[0].staging = mounts[0].staging_lock = -1;
		if (write(ends[1], "w", 1) != 1)
			_exit(3);
		if (volume_open_all(&plan, scratch, 0, 0, &err) < 0)
			_exit(2);
		_exit(mounts[0].staging < 0 ? 0 : 1); /* filled already: nothing is asked of it */
	}
	assert_int_equal(read(ends[0], &byte, 1), 1);
	child_makes(mount, "page");
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	settle(mount);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(ends[0]);
	close(ends[1]);
}

static void a_volume_that_was_replaced_meanwhile_is_not_mounted(void **state)
{
	struct plan_mount *mount;
	struct err err;

	(void)state;
	if (geteuid() != 0)
		skip();
	mount = mount_volume("data", true);
	mount->tree = open_directory("volumes/data"); /* opened before the lock was ours */
	make_directory("volumes/new", 0755);
	assert_int_equal(rename(in_scratch("volumes/data"), in_scratch("gone")), 0);
	assert_int_equal(rename(in_scratch("volumes/new"), in_scratch("volumes/data")), 0);
	assert_int_equal(volume_open_all(&plan, scratch, 0, 0, &err), -1);
	assert_int_equal(err.code, ERR_BUSY);
	assert_non_null(strstr(err.msg, "was replaced during the start"));
	close(mount->tree);
}

static void links_and_other_places_are_refused(void **state)
{
	struct plan_mount *mount;
	struct err err;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(symlink("/etc", in_scratch("volumes/link")), 0);
	mount = mount_volume("link", true);
	assert_int_equal(volume_open_all(&plan, scratch, 0, 0, &err), -1);
	assert_non_null(strstr(err.msg, "mounts: /in: volume link: link: open: "));
	mount->source = in_scratch("volumes/.cleat");
	assert_int_equal(volume_open_all(&plan, scratch, 0, 0, &err), -1);
	assert_non_null(strstr(err.msg, "no volume below"));
	mount->source = in_scratch("elsewhere");
	assert_int_equal(volume_open_all(&plan, scratch, 0, 0, &err), -1);
	mount->source = in_scratch("volumes/missing");
	assert_int_equal(volume_open_all(&plan, scratch, 0, 0, &err), -1);
	assert_non_null(strstr(err.msg, "No such file"));
	/* What lies beside it could be a link, too, if somebody else wrote there. */
	assert_int_equal(symlink(scratch, in_scratch("volumes/.cleat/data")), 0);
	mount->source = in_scratch("volumes/data");
	assert_int_equal(volume_open_all(&plan, scratch, 0, 0, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_empty_volume_gets_content_and_owner_at_once,
						volumes_setup, volumes_teardown),
		cmocka_unit_test_setup_teardown(
			without_content_only_the_owner_is_set_and_content_may_come_later,
			volumes_setup, volumes_teardown),
		cmocka_unit_test_setup_teardown(what_is_in_a_volume_is_left_alone, volumes_setup,
						volumes_teardown),
		cmocka_unit_test_setup_teardown(half_a_copy_is_thrown_away, volumes_setup,
						volumes_teardown),
		cmocka_unit_test_setup_teardown(a_whole_copy_is_moved_in_by_the_next_start,
						volumes_setup, volumes_teardown),
		cmocka_unit_test_setup_teardown(a_name_that_came_meanwhile_stays, volumes_setup,
						volumes_teardown),
		cmocka_unit_test_setup_teardown(a_volume_that_is_mounted_twice_is_filled_once,
						volumes_setup, volumes_teardown),
		cmocka_unit_test_setup_teardown(a_second_start_waits_for_the_first, volumes_setup,
						volumes_teardown),
		cmocka_unit_test_setup_teardown(a_volume_that_was_replaced_meanwhile_is_not_mounted,
						volumes_setup, volumes_teardown),
		cmocka_unit_test_setup_teardown(links_and_other_places_are_refused, volumes_setup,
						volumes_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
