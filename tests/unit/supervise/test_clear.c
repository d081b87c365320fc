/* SPDX-License-Identifier: Apache-2.0 */
/* What goes with a run that ended in order, and what makes it the teardown's. Ordinary folders stand for the cgroups: rmdir(2) refuses both alike. */
#include "unit_test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervise/clear.h"
#include "util/path.h"

#define RUN "0123456789ab"
#define OTHER "ba9876543210"

struct fixture {
	char path[32];
	int top, cgroups, names, runs;
};

static int make(int at, const char *name)
{
	assert_int_equal(mkdirat(at, name, 0755), 0);

	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void put(int at, const char *name)
{
	int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static bool is_there(int at, const char *name)
{
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	assert_int_equal(errno, ENOENT);
	return false;
}

/* A run as a shim leaves it, under the name "web". */
static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int run;

	assert_non_null(f);
	snprintf(f->path, sizeof(f->path), "/tmp/cleat-clear-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->top = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->cgroups = make(f->top, "cgroups");
	f->names = make(f->top, "names");
	f->runs = make(f->top, "runs");
	close(make(f->cgroups, RUN));
	assert_int_equal(symlinkat("../c/" RUN, f->names, "web"), 0);
	run = make(f->runs, RUN);
	put(run, "status");
	put(run, "lock");
	put(run, "config.json");
	close(run);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	static const char *const folders[] = { "cgroups", "names", "runs" };
	struct err err;

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		assert_int_equal(path_remove_tree(f->top, folders[i], &err), 0);
	close(f->cgroups);
	close(f->names);
	close(f->runs);
	close(f->top);
	assert_int_equal(rmdir(f->path), 0);
	free(f);
	return 0;
}

static bool clear(const struct fixture *f)
{
	return clear_run(f->cgroups, f->names, "web", RUN);
}

static void nothing_is_left_but_the_directory(void **state)
{
	struct fixture *f = *state;

	assert_true(clear(f));
	assert_false(is_there(f->cgroups, RUN));
	assert_false(is_there(f->names, "web"));
	assert_true(is_there(f->runs, RUN "/status"));
}

static void a_cgroup_that_does_not_go_leaves_everything_to_the_teardown(void **state)
{
	struct fixture *f = *state;
	int group = openat(f->cgroups, RUN, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	close(make(group, "probe-1"));
	close(group);
	assert_false(clear(f));
	assert_true(is_there(f->cgroups, RUN));
	assert_true(is_there(f->names, "web"));
	assert_true(is_there(f->runs, RUN "/status"));
}

/* Its own may be any other: the teardown looks at all. */
static void a_name_that_is_another_runs_leaves_everything_to_the_teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(unlinkat(f->names, "web", 0), 0);
	assert_int_equal(symlinkat("../c/" OTHER, f->names, "web"), 0);
	close(make(f->runs, OTHER));
	assert_false(clear(f));
	assert_true(is_there(f->names, "web"));
	assert_true(is_there(f->runs, OTHER));
	assert_true(is_there(f->cgroups, RUN));
	assert_true(is_there(f->runs, RUN "/status"));
}

static void a_name_that_is_not_there_leaves_everything_to_the_teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(renameat(f->names, "web", f->names, "before"), 0);
	assert_false(clear(f));
	assert_true(is_there(f->names, "before"));
	assert_true(is_there(f->cgroups, RUN));
	assert_true(is_there(f->runs, RUN "/status"));
}

static void what_is_no_link_of_ours_stops_it_with_the_directory_still_there(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(unlinkat(f->names, "web", 0), 0);
	put(f->names, "web");
	assert_false(clear(f));
	assert_true(is_there(f->runs, RUN "/status"));
}

/* It may be a pod's, or a teardown was cut off. */
static void a_cgroup_that_is_elsewhere_leaves_everything_to_the_teardown(void **state)
{
	struct fixture *f = *state;
	int pod = make(f->cgroups, "pod-p");

	assert_int_equal(renameat(f->cgroups, RUN, pod, RUN), 0);
	assert_false(clear(f));
	assert_true(is_there(pod, RUN));
	assert_true(is_there(f->names, "web"));
	assert_true(is_there(f->runs, RUN "/status"));
	close(pod);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_left_but_the_directory),
		TEST(a_cgroup_that_does_not_go_leaves_everything_to_the_teardown),
		TEST(a_name_that_is_another_runs_leaves_everything_to_the_teardown),
		TEST(a_name_that_is_not_there_leaves_everything_to_the_teardown),
		TEST(what_is_no_link_of_ours_stops_it_with_the_directory_still_there),
		TEST(a_cgroup_that_is_elsewhere_leaves_everything_to_the_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
