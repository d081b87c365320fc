/* SPDX-License-Identifier: Apache-2.0 */
/* Which image of which archive a reference means, when several could be meant. */
#include "image_test.h"

#include "image/import_internal.h"
#include "util/str.h"

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define D3 "sha256:3333333333333333333333333333333333333333333333333333333333333333"

static struct import_entry entry_of(const char *digest, const char *name)
{
	struct import_entry entry = { .size = 1 };

	str_copy(entry.digest, sizeof(entry.digest), digest);
	if (name)
		entry.names[entry.name_count++] = name;
	return entry;
}

static struct import_archive archive_of(const char *file, time_t mtime,
					struct import_entry *entries, size_t count)
{
	return (struct import_archive){ .file = file,
					.path = file,
					.mtime = { .tv_sec = mtime },
					.entries = entries,
					.entry_count = count };
}

/* Digest of what is meant, "" for nothing. */
static const char *meant(struct import_archive *archives, size_t count, const char *text)
{
	struct import imp = { .archives = archives, .archive_count = count };
	const struct import_archive *archive;
	const struct import_entry *entry;
	struct image_ref ref;
	struct err err;

	assert_int_equal(ref_parse(text, &ref, &err), 0);
	return import_match(&imp, &ref, &archive, &entry) ? entry->digest : "";
}

static void names_and_digests_are_looked_up_in_all_archives(void **state)
{
	struct import_entry a[] = { entry_of(D1, "quay.io/a:1"), entry_of(D2, "quay.io/b:1") };
	struct import_entry b[] = { entry_of(D3, "c") };
	struct import_archive archives[] = { archive_of("x.tar", 1, a, 2),
					     archive_of("y.tar", 2, b, 1) };

	(void)state;
	str_copy(a[1].index, sizeof(a[1].index),
		 "sha256:4444444444444444444444444444444444444444444444444444444444444444");
	assert_string_equal(meant(archives, 2, "quay.io/b:1"), D2);
	assert_string_equal(meant(archives, 2, "c"), D3);
	assert_string_equal(meant(archives, 2, "localhost/c"), D3);
	assert_string_equal(meant(archives, 2, "d"), "");
	assert_string_equal(meant(archives, 2, "any@" D1), D1);
	assert_string_equal(
		meant(archives, 2,
		      "any@sha256:4444444444444444444444444444444444444444444444444444444444444444"),
		D2);
	assert_string_equal(meant(archives, 2, "quay.io/a:1@" D3), D3); /* the digest decides */
	assert_string_equal(meant(archives, 0, "c"), "");
}

static void of_two_archives_the_newer_one_wins_then_the_later_name(void **state)
{
	struct import_entry a = entry_of(D1, "app:1"), b = entry_of(D2, "app:1");
	struct import_archive archives[] = { archive_of("a.tar", 5, &a, 1),
					     archive_of("b.tar", 4, &b, 1) };

	(void)state;
	assert_string_equal(meant(archives, 2, "app:1"), D1);
	archives[1].mtime.tv_sec = 5;
	assert_string_equal(meant(archives, 2, "app:1"), D2);
	archives[0].mtime.tv_nsec = 1;
	assert_string_equal(meant(archives, 2, "app:1"), D1);
}

static void a_usable_image_is_preferred_to_a_newer_unusable_one(void **state)
{
	struct import_entry a[] = { entry_of(D1, "app:1"), entry_of(D2, "app:1") };
	struct import_entry b = entry_of(D3, "app:1");
	struct import_archive archives[] = { archive_of("a.tar", 1, a, 2),
					     archive_of("b.tar", 9, &b, 1) };

	(void)state;
	b.problem = "for another machine";
	a[0].problem = "for another machine";
	assert_string_equal(meant(archives, 2, "app:1"), D2);
	a[1].problem = "for another machine";
	assert_string_equal(meant(archives, 2, "app:1"), D3); /* so that the reason can be told */
}

static void a_file_name_stands_in_only_where_nothing_else_names_the_image(void **state)
{
	struct import_entry nameless = entry_of(D1, NULL), tagged = entry_of(D2, "V2");
	struct import_entry two[] = { entry_of(D1, NULL), entry_of(D2, NULL) };
	struct import_archive archives[] = { archive_of("app.tar", 1, &nameless, 1) };

	(void)state;
	assert_string_equal(meant(archives, 1, "quay.io/x/app"), D1);
	assert_string_equal(meant(archives, 1, "app:1"), "");
	archives[0].file = "app-1.tar";
	assert_string_equal(meant(archives, 1, "app:1"), D1);
	archives[0] = archive_of("app.tar", 1, &tagged, 1);
	assert_string_equal(meant(archives, 1, "quay.io/x/app:V2"), D2);
	assert_string_equal(meant(archives, 1, "quay.io/x/app"), "");
	assert_string_equal(meant(archives, 1, "quay.io/x/other:V2"), "");
	archives[0] = archive_of("app.tar", 1, two, 2);
	assert_string_equal(meant(archives, 1, "app"), "");
}

static void what_there_is_gets_described(void **state)
{
	struct import_entry a[] = { entry_of(D1, "quay.io/a:1"), entry_of(D2, NULL) };
	struct import_archive archives[] = { archive_of("x.tar", 1, a, 2),
					     archive_of("y.tar", 2, NULL, 0) };
	struct import imp = { .archives = archives, .archive_count = 2 };
	auto_buf text = BUF_INIT(4096);

	(void)state;
	archives[1].problem = "torn";
	import_describe_archives(&imp, &text);
	assert_non_null(strstr(text.data, "x.tar holds quay.io/a:1"));
	assert_non_null(strstr(text.data, "an image without a name (Image=NAME@" D2 ")"));
	assert_non_null(strstr(text.data, "y.tar is unusable: torn"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_digests_are_looked_up_in_all_archives),
		cmocka_unit_test(of_two_archives_the_newer_one_wins_then_the_later_name),
		cmocka_unit_test(a_usable_image_is_preferred_to_a_newer_unusable_one),
		cmocka_unit_test(a_file_name_stands_in_only_where_nothing_else_names_the_image),
		cmocka_unit_test(what_there_is_gets_described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
