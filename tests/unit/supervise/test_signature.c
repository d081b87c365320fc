/* SPDX-License-Identifier: Apache-2.0 */
/* Which changes of a folder of units are seen, and which are none. */
#include "unit_test.h"

#include <unistd.h>

#include "../util/scratch.h"
#include "supervise/signature.h"
#include "util/str.h"

static const char *units(const struct scratch *s)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/units", s->path);
	return path;
}

struct seen {
	uint8_t bytes[32];
};

static struct seen look(const struct scratch *s)
{
	struct seen seen;

	signature_of_units(units(s), NULL, NULL, seen.bytes);
	return seen;
}

static bool is_same(struct seen a, struct seen b)
{
	return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

static void fill(const struct scratch *s)
{
	scratch_mkdir(s, "units");
	scratch_mkdir(s, "units/sub");
	scratch_mkdir(s, "units/web.container.d");
	scratch_write(s, "units/web.container", "[Container]\nImage=x\n");
	scratch_write(s, "units/sub/db.container", "[Container]\nImage=y\n");
	scratch_write(s, "units/web.container.d/a.conf", "[Container]\n");
}

static void test_nothing_changed_is_the_same(void **state)
{
	fill(*state);
	assert_true(is_same(look(*state), look(*state)));
}

static void test_files_that_come_change_and_go_are_seen(void **state)
{
	static const char *const paths[] = { "units/new.container", "units/sub/new.volume",
					     "units/web.container.d/b.conf", "units/a.quadlets",
					     "units/container.d/all.conf" };
	const struct scratch *s = *state;

	fill(s);
	scratch_mkdir(s, "units/container.d");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct seen before = look(s), there;

		scratch_write(s, paths[i], "[Container]\n");
		there = look(s);
		assert_false(is_same(before, there));
		scratch_write(s, paths[i], "[Container]\nImage=z\n");
		assert_false(is_same(there, look(s)));
		assert_int_equal(unlinkat(s->fd, paths[i], 0), 0);
		assert_true(is_same(before, look(s)));
	}
}

static void test_a_file_replaced_by_one_of_the_same_size_is_seen(void **state)
{
	const struct scratch *s = *state;
	struct seen before;

	fill(s);
	before = look(s);
	scratch_write(s, "new", "[Container]\nImage=X\n");
	assert_int_equal(renameat(s->fd, "new", s->fd, "units/web.container"), 0);
	assert_false(is_same(before, look(s)));
}

static void test_what_editors_leave_is_not_seen(void **state)
{
	static const char *const paths[] = { "units/.web.container.swp",
					     "units/web.container~",
					     "units/web.container.tmp",
					     "units/notes.txt",
					     "units/4913",
					     "units/web.container.d/a.conf.new" };
	const struct scratch *s = *state;
	struct seen before;

	fill(s);
	before = look(s);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		scratch_write(s, paths[i], "x");
	scratch_link(s, "somebody@host.1:2", "units/.#web.container");
	assert_true(is_same(before, look(s)));
}

static void test_a_link_shows_what_it_leads_to(void **state)
{
	const struct scratch *s = *state;
	struct seen before;

	fill(s);
	scratch_write(s, "elsewhere", "[Container]\n");
	scratch_link(s, "../elsewhere", "units/linked.container");
	before = look(s);
	scratch_write(s, "elsewhere", "[Container]\nImage=z\n");
	assert_false(is_same(before, look(s)));
}

static void test_a_circle_of_links_ends(void **state)
{
	const struct scratch *s = *state;
	struct seen before;

	fill(s);
	before = look(s);
	scratch_link(s, "..", "units/sub/up");
	assert_true(is_same(before, look(s)));
}

static void test_a_directory_that_is_not_there_differs_from_an_empty_one(void **state)
{
	const struct scratch *s = *state;
	struct seen before = look(s);

	scratch_mkdir(s, "units");
	assert_false(is_same(before, look(s)));
}

static void note(void *arg, const char *path)
{
	char *all = arg;

	strncat(all, strrchr(path, '/'), 200 - strlen(all));
}

static void test_places_of_events_are_folders_and_links(void **state)
{
	const struct scratch *s = *state;
	char all[256] = "";
	uint8_t out[32];

	fill(s);
	scratch_write(s, "elsewhere", "");
	scratch_link(s, "../elsewhere", "units/linked.container");
	signature_of_units(units(s), note, all, out);
	assert_non_null(strstr(all, "/units"));
	assert_non_null(strstr(all, "/sub"));
	assert_non_null(strstr(all, "/web.container.d"));
	assert_non_null(strstr(all, "/linked.container"));
	assert_null(strstr(all, "/db.container"));
}

static void test_single_files_are_seen_in_any_order(void **state)
{
	const struct scratch *s = *state;
	char one[128], two[128];
	const char *there[] = { one, two }, *turned[] = { two, one };
	uint8_t before[32], other[32];

	snprintf(one, sizeof(one), "%s/one", s->path);
	snprintf(two, sizeof(two), "%s/two", s->path);
	scratch_write(s, "one", "1");
	signature_of_paths(there, 2, before);
	signature_of_paths(turned, 2, other);
	assert_memory_equal(before, other, 32);
	scratch_write(s, "two", "2");
	signature_of_paths(there, 2, other);
	assert_memory_not_equal(before, other, 32);
	scratch_write(s, "one", "11");
	signature_of_paths(there, 2, before);
	assert_memory_not_equal(before, other, 32);
}

/* Two units with one EnvironmentFile=, or one secret as a file and as a variable. */
static void test_of_a_path_that_is_named_twice_every_change_counts(void **state)
{
	const struct scratch *s = *state;
	const char *paths[4];
	uint8_t before[32], after[32];
	char one[4096];

	snprintf(one, sizeof(one), "%s/one", s->path);
	for (size_t count = 1; count <= 4; count++) {
		paths[count - 1] = one;
		scratch_write(s, "one", "1");
		signature_of_paths(paths, count, before);
		scratch_write(s, "one", "22");
		signature_of_paths(paths, count, after);
		assert_memory_not_equal(before, after, 32);
	}
}

static void test_of_a_configuration_its_own_files_count(void **state)
{
	static const char *const files[] = {
		"appliance.ini",  "network-config",  "registries.conf",		 "auth.json",
		"images/app.tar", "images/any name", "registries.conf.d/a.conf", "certs.d/host:5000"
	};
	const struct scratch *s = *state;
	uint8_t before[32], after[32];

	fill(s);
	scratch_write(s, "README.md", "no matter");
	scratch_mkdir(s, "images");
	scratch_mkdir(s, "registries.conf.d");
	scratch_mkdir(s, "certs.d");
	scratch_write(s, "images/.part", "no matter");
	signature_of_config(s->path, NULL, NULL, before);
	scratch_write(s, "README.md", "what stands here");
	scratch_write(s, "images/.part", "what stands here");
	signature_of_config(s->path, NULL, NULL, after);
	assert_memory_equal(before, after, 32);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		scratch_write(s, files[i], "1");
		signature_of_config(s->path, NULL, NULL, after);
		assert_memory_not_equal(before, after, 32);
		scratch_write(s, files[i], "12");
		signature_of_config(s->path, NULL, NULL, before);
		assert_memory_not_equal(before, after, 32);
	}
	scratch_write(s, "units/sub/new.container", "");
	signature_of_config(s->path, NULL, NULL, after);
	assert_memory_not_equal(before, after, 32);
}

static void test_names_that_are_worth_a_look(void **state)
{
	(void)state;
	assert_true(signature_is_relevant("web.container"));
	assert_true(signature_is_relevant("app.quadlets"));
	assert_true(signature_is_relevant("a.conf"));
	assert_true(signature_is_relevant("web.container.d"));
	assert_true(signature_is_relevant("appliance.ini"));
	assert_true(signature_is_relevant("network-config"));
	assert_true(signature_is_relevant("registries.conf"));
	assert_true(signature_is_relevant("auth.json"));
	assert_false(signature_is_relevant(".#web.container"));
	assert_false(signature_is_relevant("web.container~"));
	assert_false(signature_is_relevant(".web.container.swp"));
	assert_false(signature_is_relevant("web.container.tmp"));
	assert_false(signature_is_relevant(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(test_nothing_changed_is_the_same),
		scratch_test(test_files_that_come_change_and_go_are_seen),
		scratch_test(test_a_file_replaced_by_one_of_the_same_size_is_seen),
		scratch_test(test_what_editors_leave_is_not_seen),
		scratch_test(test_a_link_shows_what_it_leads_to),
		scratch_test(test_a_circle_of_links_ends),
		scratch_test(test_a_directory_that_is_not_there_differs_from_an_empty_one),
		scratch_test(test_places_of_events_are_folders_and_links),
		scratch_test(test_single_files_are_seen_in_any_order),
		scratch_test(test_of_a_path_that_is_named_twice_every_change_counts),
		scratch_test(test_of_a_configuration_its_own_files_count),
		cmocka_unit_test(test_names_that_are_worth_a_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
