/* SPDX-License-Identifier: Apache-2.0 */
/* Removing trees: nothing of them stays, nothing outside them goes, whatever their shape. */
#include "unit_test.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "scratch.h"
#include "util/cleanup.h"
#include "util/path.h"

static void removes_files_links_and_trees(void **state)
{
	struct scratch *s = *state;
	struct err err = { 0 };

	scratch_write(s, "file", "x");
	scratch_mkdir(s, "tree");
	scratch_mkdir(s, "tree/a");
	scratch_mkdir(s, "tree/a/b");
	scratch_mkdir(s, "tree/empty");
	scratch_write(s, "tree/a/b/f", "x");
	scratch_write(s, "tree/.hidden", "x");
	scratch_link(s, "nowhere", "tree/dangling");
	assert_int_equal(mkfifoat(s->fd, "tree/a/fifo", 0600), 0);
	assert_int_equal(path_remove_tree(s->fd, "file", &err), 0);
	assert_int_equal(path_remove_tree(s->fd, "tree/", &err), 0);
	assert_int_equal(scratch_count(s, "."), 0);
}

static void missing_is_no_error(void **state)
{
	struct scratch *s = *state;
	struct err err = { 0 };

	assert_int_equal(path_remove_tree(s->fd, "none", &err), 0);
	assert_int_equal(path_remove_tree(s->fd, "none/below", &err), 0);
}

static void links_are_removed_not_followed(void **state)
{
	struct scratch *s = *state;
	struct err err = { 0 };
	char outside[128];

	scratch_mkdir(s, "outside");
	scratch_write(s, "outside/precious", "x");
	scratch_mkdir(s, "tree");
	snprintf(outside, sizeof(outside), "%s/outside", s->path);
	scratch_link(s, outside, "tree/absolute");
	scratch_link(s, "../outside", "tree/relative");
	scratch_link(s, "../outside/precious", "tree/file");
	scratch_link(s, "outside", "link");
	assert_int_equal(path_remove_tree(s->fd, "tree", &err), 0);
	assert_int_equal(path_remove_tree(s->fd, "link", &err), 0);
	assert_true(scratch_exists(s, "outside/precious"));
	assert_int_equal(scratch_count(s, "."), 1);
}

static void links_in_the_way_are_refused(void **state)
{
	struct scratch *s = *state;
	struct err err = { 0 };

	scratch_mkdir(s, "outside");
	scratch_write(s, "outside/precious", "x");
	scratch_link(s, "outside", "link");
	assert_int_equal(path_remove_tree(s->fd, "link/precious", &err), -1);
	assert_int_equal(err.sys_errno, ELOOP);
	assert_true(scratch_exists(s, "outside/precious"));
}

static void ways_out_by_name_are_refused(void **state)
{
	struct scratch *s = *state;
	struct err err = { 0 };
	char outside[128];

	scratch_mkdir(s, "inner");
	scratch_write(s, "precious", "x");
	auto_fd int inner = openat(s->fd, "inner", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(path_remove_tree(inner, "../precious", &err), -1);
	assert_int_equal(err.sys_errno, EXDEV);
	snprintf(outside, sizeof(outside), "%s/precious", s->path);
	assert_int_equal(path_remove_tree(inner, outside, &err), -1);
	assert_int_equal(err.sys_errno, EXDEV);
	assert_true(scratch_exists(s, "precious"));
}

static void names_of_nothing_are_refused(void **state)
{
	static const char *const names[] = { "", "/", ".", "..", "a/..", "a/.", "//" };
	struct scratch *s = *state;
	struct err err = { 0 };

	scratch_mkdir(s, "a");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(path_remove_tree(s->fd, names[i], &err), -1);
		assert_int_equal(err.code, ERR_INPUT);
	}
	assert_true(scratch_exists(s, "a"));
}

/* Makes a chain of directories below top; every tenth holds a file. */
static void make_chain(const struct scratch *s, const char *top, unsigned levels)
{
	int fd;

	scratch_mkdir(s, top);
	fd = openat(s->fd, top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; i < levels; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		if (i % 10 == 0)
			close(openat(fd, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(fd);
}

static void trees_around_the_number_of_open_levels(void **state)
{
	struct scratch *s = *state;
	struct err err = { 0 };

	for (unsigned levels = 29; levels <= 67; levels++) {
		make_chain(s, "deep", levels);
		assert_int_equal(path_remove_tree(s->fd, "deep", &err), 0);
		assert_false(scratch_exists(s, "deep"));
	}
}

static int remove_deep(struct scratch *s)
{
	struct err err = { 0 };
	unsigned before = count_fds();

	make_chain(s, "deep", 100000);
	if (path_remove_tree(s->fd, "deep", &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	if (scratch_count(s, ".") != 0)
		return 2;
	return count_fds() == before ? 0 : 3;
}

static int in_child(struct scratch *s, int (*fn)(struct scratch *))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn(s));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Deeper than any stack and than PATH_MAX: what a hostile layer may hold. */
static void a_hundred_thousand_levels(void **state)
{
	assert_int_equal(in_child(*state, remove_deep), 0);
}

static void wide_directories(void **state)
{
	struct scratch *s = *state;
	struct err err = { 0 };
	char name[64];

	scratch_mkdir(s, "wide");
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "wide/%s%d", i % 3 ? "f" : "d", i);
		if (i % 3)
			scratch_write(s, name, "");
		else
			scratch_mkdir(s, name);
	}
	assert_int_equal(path_remove_tree(s->fd, "wide", &err), 0);
	assert_int_equal(scratch_count(s, "."), 0);
}

/* Names like those that the move to the top uses. */
static void a_tree_may_hold_our_own_temporary_names(void **state)
{
	struct scratch *s = *state;
	struct err err = { 0 };
	char name[128];

	make_chain(s, "deep", 100);
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "deep/.cleat-remove-%ld-%d", (long)getpid(), i);
		scratch_write(s, name, "");
	}
	assert_int_equal(path_remove_tree(s->fd, "deep", &err), 0);
	assert_false(scratch_exists(s, "deep"));
}

/* Swaps a directory of the tree with a link to the outside, as fast as it can, until killed. */
static pid_t start_swapper(const struct scratch *s)
{
	pid_t pid = fork();

	if (pid == 0) {
		/* a failed assertion must not leave it behind */
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		for (;;)
			syscall(SYS_renameat2, s->fd, "tree/x", s->fd, "tree/y", RENAME_EXCHANGE);
	}
	return pid;
}

/* Whatever the swaps do to the removal, what the link leads to stays. */
static void a_directory_swapped_for_a_link_is_no_way_out(void **state)
{
	struct scratch *s = *state;
	struct err err = { 0 };
	pid_t swapper;

	scratch_mkdir(s, "outside");
	scratch_mkdir(s, "outside/deeper");
	scratch_write(s, "outside/deeper/precious", "x");
	scratch_write(s, "outside/precious", "x");
	swapper = start_swapper(s);
	for (int round = 0; round < 1000; round++) {
		scratch_mkdir(s, "tree");
		scratch_mkdir(s, "tree/x");
		scratch_write(s, "tree/x/f", "");
		scratch_link(s, "../outside", "tree/y");
		/* an error is fine: one try with a swapper that stands still ends it */
		for (int tries = 0; scratch_exists(s, "tree") && tries < 100; tries++)
			if (path_remove_tree(s->fd, "tree", &err) == 0)
				break;
		if (scratch_exists(s, "tree")) {
			int status;

			assert_int_equal(kill(swapper, SIGSTOP), 0);
			assert_int_equal(waitpid(swapper, &status, WUNTRACED), swapper);
			assert_int_equal(path_remove_tree(s->fd, "tree", &err), 0);
			assert_int_equal(kill(swapper, SIGCONT), 0);
		}
		assert_true(scratch_exists(s, "outside/precious"));
		assert_true(scratch_exists(s, "outside/deeper/precious"));
	}
	kill(swapper, SIGKILL);
	assert_int_equal(waitpid(swapper, NULL, 0), swapper);
}

/* Mounts a tmpfs on PATH/tree/mnt in a private namespace and tries. Exit status: step that failed. */
static int remove_with_mount(struct scratch *s)
{
	struct err err = { 0 };
	char target[128];

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 10;
	snprintf(target, sizeof(target), "%s/tree/mnt", s->path);
	if (mount("tmpfs", target, "tmpfs", 0, "size=64k") < 0)
		return 11;
	/* the descriptor from before is one of the other namespace, where nothing is mounted */
	close(s->fd);
	s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scratch_write(s, "tree/mnt/precious", "x");
	if (path_remove_tree(s->fd, "tree", &err) != -1)
		return 1;
	if (!scratch_exists(s, "tree/mnt/precious"))
		return 2;
	if (err.code != ERR_BUSY && err.sys_errno != EBUSY)
		return 3;
	if (path_remove_tree(s->fd, "tree/mnt", &err) != -1 || err.code != ERR_BUSY)
		return 4;
	return scratch_exists(s, "tree/mnt/precious") ? 0 : 5;
}

static void mounts_are_not_entered(void **state)
{
	struct scratch *s = *state;

	scratch_mkdir(s, "tree");
	scratch_mkdir(s, "tree/mnt");
	assert_int_equal(in_child(s, remove_with_mount), 0);
}

/* As a user who may not write to one directory of the tree. */
static int remove_without_right(struct scratch *s)
{
	struct err err = { 0 };

	if (setgid(65534) < 0 || setuid(65534) < 0)
		return 10;
	if (path_remove_tree(s->fd, "tree", &err) != -1)
		return 1;
	if (err.sys_errno != EACCES)
		return 2;
	if (!strstr(err.msg, "remove tree: f: unlink: "))
		return 3;
	return scratch_exists(s, "tree/locked/f") ? 0 : 4;
}

static void errors_name_the_entry(void **state)
{
	struct scratch *s = *state;

	assert_int_equal(fchmod(s->fd, 0777), 0);
	scratch_mkdir(s, "tree");
	assert_int_equal(fchmodat(s->fd, "tree", 0777, 0), 0);
	scratch_mkdir(s, "tree/locked");
	scratch_write(s, "tree/locked/f", "x");
	assert_int_equal(in_child(s, remove_without_right), 0);
}

/* A /tmp of our own: a disk's file system takes seconds to make what these tests remove. */
static int private_tmp(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/tmp", "tmpfs", 0, NULL) < 0) {
		perror("private /tmp");
		return -1;
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(removes_files_links_and_trees),
		scratch_test(missing_is_no_error),
		scratch_test(links_are_removed_not_followed),
		scratch_test(links_in_the_way_are_refused),
		scratch_test(ways_out_by_name_are_refused),
		scratch_test(names_of_nothing_are_refused),
		scratch_test(trees_around_the_number_of_open_levels),
		scratch_test(a_hundred_thousand_levels),
		scratch_test(wide_directories),
		scratch_test(a_tree_may_hold_our_own_temporary_names),
		scratch_test(a_directory_swapped_for_a_link_is_no_way_out),
		scratch_test(mounts_are_not_entered),
		scratch_test(errors_name_the_entry),
	};

	return cmocka_run_group_tests(tests, private_tmp, NULL);
}
