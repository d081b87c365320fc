/* SPDX-License-Identifier: Apache-2.0 */
/* Paths that somebody else chose: every way out that is known, and what has to keep working. */
#include "unit_test.h"

#include <errno.h>
#include <limits.h>
#include <sys/wait.h>

#include "scratch.h"
#include "util/cleanup.h"
#include "util/path.h"

/* root/ is what may be reached; outside/secret is what may not. */
static int jail_setup(void **state)
{
	if (scratch_setup(state) < 0)
		return -1;

	struct scratch *s = *state;

	scratch_mkdir(s, "outside");
	scratch_write(s, "outside/secret", "secret");
	scratch_mkdir(s, "root");
	scratch_mkdir(s, "root/dir");
	scratch_write(s, "root/dir/file", "inside");
	scratch_write(s, "root/secret", "inside");
	return 0;
}

#define jail_test(fn) cmocka_unit_test_setup_teardown(fn, jail_setup, scratch_teardown)

static int open_root(const struct scratch *s)
{
	int fd = openat(s->fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* The text of the file that rel leads to, or the error's number as "errno N". */
static const char *content(int fd, const struct err *err)
{
	static char text[64];
	ssize_t n;

	if (fd < 0) {
		snprintf(text, sizeof(text), "errno %d", err->sys_errno);
		return text;
	}
	n = read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	close(fd);
	return text;
}

static const char *beneath(int root, const char *rel)
{
	struct err err = { 0 };

	return content(path_open_beneath(root, rel, O_RDONLY, 0, &err), &err);
}

static const char *in_root(int root, const char *rel)
{
	struct err err = { 0 };

	return content(path_open_in_root(root, rel, O_RDONLY, 0, &err), &err);
}

static const char *number(int value)
{
	static char text[32];

	snprintf(text, sizeof(text), "errno %d", value);
	return text;
}

static void plain_names_open(void **state)
{
	auto_fd int root = open_root(*state);

	assert_string_equal(beneath(root, "dir/file"), "inside");
	assert_string_equal(beneath(root, "dir/../dir/./file"), "inside");
	assert_string_equal(in_root(root, "dir/file"), "inside");
	assert_string_equal(in_root(root, "/dir/file"), "inside");
	assert_string_equal(beneath(root, "none"), number(ENOENT));
	assert_string_equal(in_root(root, "none"), number(ENOENT));
	assert_string_equal(beneath(root, ""), number(ENOENT));
}

static void dot_dot_does_not_leave(void **state)
{
	auto_fd int root = open_root(*state);

	assert_string_equal(beneath(root, "../outside/secret"), number(EXDEV));
	assert_string_equal(beneath(root, "dir/../../outside/secret"), number(EXDEV));
	/* ".." of "/" is "/" */
	assert_string_equal(in_root(root, "../secret"), "inside");
	assert_string_equal(in_root(root, "../../../../secret"), "inside");
	assert_string_equal(in_root(root, "dir/../../outside/secret"), number(ENOENT));
}

static void absolute_names_do_not_leave(void **state)
{
	struct scratch *s = *state;
	auto_fd int root = open_root(s);
	char outside[128];

	snprintf(outside, sizeof(outside), "%s/outside/secret", s->path);
	assert_string_equal(beneath(root, outside), number(EXDEV));
	assert_string_equal(beneath(root, "/dir/file"), number(EXDEV));
	assert_string_equal(in_root(root, outside), number(ENOENT));
}

static void links_do_not_leave(void **state)
{
	struct scratch *s = *state;
	auto_fd int root = open_root(s);
	char outside[128];

	snprintf(outside, sizeof(outside), "%s/outside", s->path);
	scratch_link(s, outside, "root/absolute");
	scratch_link(s, "../outside", "root/relative");
	scratch_link(s, "relative", "root/twice");
	scratch_link(s, "/secret", "root/rooted");
	scratch_link(s, "dir/file", "root/fine");
	assert_string_equal(beneath(root, "absolute/secret"), number(EXDEV));
	assert_string_equal(beneath(root, "relative/secret"), number(EXDEV));
	assert_string_equal(beneath(root, "twice/secret"), number(EXDEV));
	assert_string_equal(beneath(root, "rooted"), number(EXDEV));
	assert_string_equal(beneath(root, "fine"), "inside");
	assert_string_equal(in_root(root, "absolute/secret"), number(ENOENT));
	assert_string_equal(in_root(root, "relative/secret"), number(ENOENT));
	assert_string_equal(in_root(root, "twice/secret"), number(ENOENT));
	assert_string_equal(in_root(root, "rooted"), "inside");
	assert_string_equal(in_root(root, "fine"), "inside");
}

/* /proc/self/root, /proc/self/fd/N jump without a path: reached by a bind of /proc in a rootfs. */
static void magic_links_are_refused(void **state)
{
	auto_fd int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_string_equal(beneath(proc, "self/root/etc/passwd"), number(ELOOP));
	assert_string_equal(in_root(proc, "self/root/etc/passwd"), number(ELOOP));
	assert_string_equal(in_root(proc, "self/cwd"), number(ELOOP));
	assert_string_equal(in_root(proc, "self/fd/0"), number(ELOOP));
}

static void link_cycles_end(void **state)
{
	struct scratch *s = *state;
	auto_fd int root = open_root(s);

	scratch_link(s, "b", "root/a");
	scratch_link(s, "a", "root/b");
	assert_string_equal(beneath(root, "a"), number(ELOOP));
	assert_string_equal(in_root(root, "a"), number(ELOOP));
}

static void no_follow_is_the_callers_choice(void **state)
{
	struct scratch *s = *state;
	auto_fd int root = open_root(s);
	struct err err = { 0 };

	scratch_link(s, "dir", "root/link");
	assert_int_equal(path_open_in_root(root, "link", O_RDONLY | O_NOFOLLOW, 0, &err), -1);
	assert_int_equal(err.sys_errno, ELOOP);
	assert_string_equal(err.msg, "link: openat2: Too many levels of symbolic links");
}

static void creating_stays_inside(void **state)
{
	struct scratch *s = *state;
	auto_fd int root = open_root(s);
	struct err err = { 0 };
	struct stat st;
	mode_t mask = umask(0);
	auto_fd int fd =
		path_open_beneath(root, "dir/new", O_WRONLY | O_CREAT | O_EXCL, 0640, &err);

	umask(mask);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	scratch_link(s, "../outside/made", "root/escape");
	assert_int_equal(path_open_beneath(root, "escape", O_WRONLY | O_CREAT, 0600, &err), -1);
	assert_false(scratch_exists(s, "outside/made"));
	/* a mode without O_CREAT is no error, though openat2 makes it one */
	auto_fd int again = path_open_beneath(root, "dir/new", O_RDONLY, 0640, &err);
	assert_true(again >= 0);
}

static void mkdirs_makes_what_is_missing(void **state)
{
	struct scratch *s = *state;
	auto_fd int root = open_root(s);
	struct err err = { 0 };
	struct stat made, named;
	mode_t mask = umask(0);
	auto_fd int fd = path_mkdirs_in_root(root, "/dir//a/./b/", 0711, &err);

	umask(mask);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &made), 0);
	assert_int_equal(fstatat(s->fd, "root/dir/a/b", &named, 0), 0);
	assert_int_equal(made.st_ino, named.st_ino);
	assert_int_equal(named.st_mode & 07777, 0711);
	assert_true(fcntl(fd, F_GETFL) & O_PATH);
	/* again: all is there */
	auto_fd int again = path_mkdirs_in_root(root, "dir/a/b", 0700, &err);
	assert_true(again >= 0);
	/* the root itself */
	auto_fd int top = path_mkdirs_in_root(root, "", 0700, &err);
	auto_fd int slash = path_mkdirs_in_root(root, "/", 0700, &err);
	assert_true(top >= 0 && slash >= 0);
}

static void mkdirs_resolves_links_inside_the_root(void **state)
{
	struct scratch *s = *state;
	auto_fd int root = open_root(s);
	struct err err = { 0 };

	scratch_mkdir(s, "root/run");
	scratch_mkdir(s, "root/var");
	scratch_link(s, "/run", "root/var/run");
	auto_fd int fd = path_mkdirs_in_root(root, "var/run/app", 0755, &err);
	assert_true(fd >= 0);
	assert_true(scratch_exists(s, "root/run/app"));
	/* out by link or by "..": inside all the same */
	scratch_link(s, "../../../outside", "root/out");
	auto_fd int out = path_mkdirs_in_root(root, "out/x", 0755, &err);
	assert_true(out >= 0);
	assert_false(scratch_exists(s, "outside/x"));
	assert_true(scratch_exists(s, "root/outside/x"));
	auto_fd int up = path_mkdirs_in_root(root, "../../up", 0755, &err);
	assert_true(up >= 0);
	assert_true(scratch_exists(s, "root/up"));
	assert_false(scratch_exists(s, "up"));
}

static void mkdirs_makes_the_target_of_a_dangling_link(void **state)
{
	struct scratch *s = *state;
	auto_fd int root = open_root(s);
	struct err err = { 0 };

	scratch_mkdir(s, "root/var");
	scratch_link(s, "/run/deep", "root/var/run");
	scratch_link(s, "sibling/one", "root/var/lock");
	auto_fd int fd = path_mkdirs_in_root(root, "var/run/app", 0755, &err);
	assert_true(fd >= 0);
	assert_true(scratch_exists(s, "root/run/deep/app"));
	auto_fd int lock = path_mkdirs_in_root(root, "var/lock/two", 0755, &err);
	assert_true(lock >= 0);
	assert_true(scratch_exists(s, "root/var/sibling/one/two"));
	assert_false(scratch_exists(s, "run"));
}

static void mkdirs_ends_on_link_cycles(void **state)
{
	struct scratch *s = *state;
	auto_fd int root = open_root(s);
	struct err err = { 0 };

	scratch_link(s, "b/x", "root/a");
	scratch_link(s, "a/x", "root/b");
	assert_int_equal(path_mkdirs_in_root(root, "a/c", 0755, &err), -1);
	assert_int_equal(err.sys_errno, ELOOP);
	/* a dangling link to itself below itself grows the path each time */
	scratch_link(s, "grow/more", "root/grow");
	assert_int_equal(path_mkdirs_in_root(root, "grow/c", 0755, &err), -1);
	assert_int_equal(err.sys_errno, ELOOP);
}

static void mkdirs_names_what_stands_in_the_way(void **state)
{
	struct scratch *s = *state;
	auto_fd int root = open_root(s);
	struct err err = { 0 };
	char *name = malloc(PATH_MAX + 10);

	assert_int_equal(path_mkdirs_in_root(root, "dir/file/x", 0755, &err), -1);
	assert_int_equal(err.sys_errno, ENOTDIR);
	assert_string_equal(err.msg, "dir/file/x: openat2: Not a directory");
	memset(name, 'a', PATH_MAX + 9);
	name[PATH_MAX + 9] = '\0';
	assert_int_equal(path_mkdirs_in_root(root, name, 0755, &err), -1);
	assert_int_equal(err.sys_errno, ENAMETOOLONG);
	name[NAME_MAX + 1] = '\0';
	assert_int_equal(path_mkdirs_in_root(root, name, 0755, &err), -1);
	assert_int_equal(err.sys_errno, ENAMETOOLONG);
	free(name);
}

static void mkdirs_leaves_no_descriptor(void **state)
{
	struct scratch *s = *state;
	auto_fd int root = open_root(s);
	unsigned before = count_fds();
	struct err err = { 0 };

	close(path_mkdirs_in_root(root, "a/b/c/d/e", 0755, &err));
	assert_int_equal(path_mkdirs_in_root(root, "dir/file/x/y", 0755, &err), -1);
	scratch_link(s, "nowhere/at/all", "root/dangling");
	close(path_mkdirs_in_root(root, "dangling/x", 0755, &err));
	assert_int_equal(count_fds(), before);
}

static void plain_mkdirs(void **state)
{
	struct scratch *s = *state;
	struct err err = { 0 };
	char path[256];

	snprintf(path, sizeof(path), "%s//one/two/three/", s->path);
	assert_int_equal(path_mkdirs(path, 0755, &err), 0);
	assert_int_equal(path_mkdirs(path, 0755, &err), 0);
	assert_true(scratch_exists(s, "one/two/three"));
	assert_int_equal(path_mkdirs("/", 0755, &err), 0);
	snprintf(path, sizeof(path), "%s/outside/secret", s->path);
	assert_int_equal(path_mkdirs(path, 0755, &err), -1);
	assert_int_equal(err.sys_errno, ENOTDIR);
	snprintf(path, sizeof(path), "%s/outside/secret/x", s->path);
	assert_int_equal(path_mkdirs(path, 0755, &err), -1);
	assert_int_equal(err.sys_errno, ENOTDIR);
	assert_int_equal(path_mkdirs("relative", 0755, &err), -1);
	assert_int_equal(err.code, ERR_BUG);
}

static void check_clean(const char *path, const char *expected)
{
	char out[64];

	assert_true(path_clean(path, out, sizeof(out)));
	assert_string_equal(out, expected);
}

static void lexical_clean_up(void **state)
{
	char out[8];

	(void)state;
	check_clean("/", "/");
	check_clean("///", "/");
	check_clean("/a//b/../c/.", "/a/c");
	check_clean("/a/b/c/../../..", "/");
	check_clean("/../../a", "/a");
	check_clean("/a/./././b/", "/a/b");
	check_clean("/...", "/...");
	check_clean("/..a/.b", "/..a/.b");
	assert_false(path_clean("a/b", out, sizeof(out)));
	assert_false(path_clean("", out, sizeof(out)));
	assert_true(path_clean("/abcdef", out, sizeof(out)));
	assert_false(path_clean("/abcdefg", out, sizeof(out)));
	assert_true(path_clean("/abc/../def", out, sizeof(out)));
	assert_true(path_clean("/", out, 2));
	assert_false(path_clean("/", out, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		jail_test(plain_names_open),
		jail_test(dot_dot_does_not_leave),
		jail_test(absolute_names_do_not_leave),
		jail_test(links_do_not_leave),
		cmocka_unit_test(magic_links_are_refused),
		jail_test(link_cycles_end),
		jail_test(no_follow_is_the_callers_choice),
		jail_test(creating_stays_inside),
		jail_test(mkdirs_makes_what_is_missing),
		jail_test(mkdirs_resolves_links_inside_the_root),
		jail_test(mkdirs_makes_the_target_of_a_dangling_link),
		jail_test(mkdirs_ends_on_link_cycles),
		jail_test(mkdirs_names_what_stands_in_the_way),
		jail_test(mkdirs_leaves_no_descriptor),
		jail_test(plain_mkdirs),
		cmocka_unit_test(lexical_clean_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
