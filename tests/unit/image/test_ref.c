/* SPDX-License-Identifier: Apache-2.0 */
/* Image references: what is accepted, how it is written out, which names of archives mean it. */
#include "unit_test.h"

#include "image/ref.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void names_are_written_out_like_podman(void **state)
{
	static const struct {
		const char *text, *canonical;
	} rows[] = {
		{ "alpine", "alpine:latest" },
		{ "alpine:3", "alpine:3" },
		{ "localhost/app", "localhost/app:latest" },
		{ "localhost/app:V1.0_x-y", "localhost/app:V1.0_x-y" },
		{ "docker.io/alpine", "docker.io/library/alpine:latest" },
		{ "index.docker.io/alpine:3", "docker.io/library/alpine:3" },
		{ "docker.io/library/alpine", "docker.io/library/alpine:latest" },
		{ "docker.io/user/app", "docker.io/user/app:latest" },
		{ "quay.io/a/b/c:1", "quay.io/a/b/c:1" },
		{ "library/alpine", "library/alpine:latest" },
		{ "docker:dind", "docker:dind" },
		{ "dir", "dir:latest" },
		{ "oci:1", "oci:1" },
		{ "host:5000/app", "host:5000/app:latest" },
		{ "Host/app", "Host/app:latest" },
		{ "[::1]:5000/app:1", "[::1]:5000/app:1" },
		{ "[fe80::1]/app:1", "[fe80::1]/app:1" },
		{ "app@sha256:" HEX, "app@sha256:" HEX },
		{ "quay.io/app:1@sha256:" HEX, "quay.io/app:1@sha256:" HEX },
		{ "a.b/c__d/e--f.g:t", "a.b/c__d/e--f.g:t" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct image_ref ref, again;
		char text[REF_MAX], twice[REF_MAX];
		struct err err;

		if (ref_parse(rows[i].text, &ref, &err) < 0)
			fail_msg("%s: %s", rows[i].text, err.msg);
		ref_format(&ref, text);
		assert_string_equal(text, rows[i].canonical);
		assert_int_equal(ref_parse(text, &again, &err), 0);
		ref_format(&again, twice);
		assert_string_equal(twice, text);
	}
}

static void what_is_no_reference_is_refused_with_the_reason(void **state)
{
	static const struct {
		const char *text, *part;
	} rows[] = {
		{ "", "empty" },
		{ "Alpine", "lower-case" },
		{ "localhost/App", "lower-case" },
		{ "a//b", "lower-case" },
		{ "/a", "lower-case" },
		{ "a/", "lower-case" },
		{ "a..b", "lower-case" },
		{ "a___b", "lower-case" },
		{ "-a", "lower-case" },
		{ "a-", "lower-case" },
		{ "a b", "lower-case" },
		{ "a\nb", "lower-case" },
		{ "a:", "the tag is not valid" },
		{ "a:.x", "the tag is not valid" },
		{ "a:-x", "the tag is not valid" },
		{ "a:x y", "the tag is not valid" },
		{ "a:b:c", "the tag is not valid" },
		{ "a@sha256:12", "64 lower-case hex" },
		{ "a@md5:" HEX, "64 lower-case hex" },
		{ "a@", "64 lower-case hex" },
		{ "a@sha256:" HEX "@sha256:" HEX, "64 lower-case hex" },
		{ "-bad.io/app", "domain is not valid" },
		{ "bad-.io/app", "domain is not valid" },
		{ "a..b/app", "domain is not valid" },
		{ "host:0/app", "domain is not valid" },
		{ "host:65536/app", "domain is not valid" },
		{ "host:/app", "domain is not valid" },
		{ "[::1/app:1", "domain is not valid" },
		{ "[]:1/app:1", "domain is not valid" },
		{ "[..]/app:1", "domain is not valid" },
		{ "[1.2.3.4]/app:1", "domain is not valid" },
		{ "[::1]x/app:1", "domain is not valid" },
		{ "docker://alpine", "transport docker:" },
		{ "dir:./x", "transport dir:" },
		{ "oci-archive:/x.tar", "transport oci-archive:" },
		{ HEX, "a digest needs a name" },
		{ "sha256:" HEX, "a digest needs a name" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct image_ref ref;
		struct err err;

		if (ref_parse(rows[i].text, &ref, &err) == 0)
			fail_msg("accepted: %s", rows[i].text);
		if (!strstr(err.msg, rows[i].part))
			fail_msg("%s: %s", rows[i].text, err.msg);
	}
}

static void lengths_are_bounded(void **state)
{
	char text[REF_MAX * 2], out[REF_MAX];
	struct image_ref ref;
	struct err err;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[255] = '\0';
	assert_int_equal(ref_parse(text, &ref, &err), 0);
	text[255] = 'a';
	text[256] = '\0';
	assert_int_equal(ref_parse(text, &ref, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	text[256] = 'a';
	text[REF_MAX * 2 - 1] = '\0';
	assert_int_equal(ref_parse(text, &ref, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	/* the longest of everything is not cut */
	memset(text, 'a', 255);
	text[255] = ':';
	memset(text + 256, 't', 128);
	memcpy(text + 256 + 128, "@sha256:" HEX, sizeof("@sha256:" HEX));
	assert_int_equal(ref_parse(text, &ref, &err), 0);
	ref_format(&ref, out);
	assert_string_equal(out, text);
	memset(text + 256, 't', 129);
	text[256 + 129] = '\0';
	assert_int_equal(ref_parse(text, &ref, &err), -1);
}

static bool matches(const char *wanted, const char *annotation)
{
	struct image_ref ref;
	struct err err;

	assert_int_equal(ref_parse(wanted, &ref, &err), 0);
	return ref_matches(&ref, annotation);
}

static void full_names_match_exactly(void **state)
{
	(void)state;
	assert_true(matches("quay.io/app:1", "quay.io/app:1"));
	assert_true(matches("docker.io/alpine:3", "docker.io/library/alpine:3"));
	assert_false(matches("quay.io/app:1", "quay.io/app:2"));
	assert_false(matches("quay.io/app:1", "ghcr.io/app:1"));
	assert_false(matches("quay.io/app:1", "quay.io/other:1"));
	assert_false(matches("quay.io/app:1", "not a reference"));
	assert_true(matches("quay.io/app", "quay.io/app"));
}

static void short_names_match_only_local_ones(void **state)
{
	(void)state;
	assert_true(matches("app:1", "app:1"));
	assert_true(matches("app:1", "localhost/app:1"));
	assert_true(matches("localhost/app:1", "app:1"));
	assert_false(matches("app:1", "quay.io/app:1"));
	assert_false(matches("quay.io/app:1", "app:1"));
	assert_false(matches("docker.io/library/app:1", "app:1"));
	assert_false(matches("quay.io/app:1", "localhost/app:1"));
}

static void a_bare_tag_matches_the_tag_but_not_as_a_name(void **state)
{
	struct image_ref ref;
	struct err err;

	(void)state;
	assert_true(matches("quay.io/app:V1", "V1"));
	assert_true(matches("quay.io/app", "latest"));
	assert_false(matches("quay.io/app:1", "latest"));
	assert_int_equal(ref_parse("quay.io/app", &ref, &err), 0);
	assert_false(ref_matches_name(&ref, "latest"));
}

static void a_digest_matches_no_name(void **state)
{
	(void)state;
	assert_false(matches("app@sha256:" HEX, "app"));
	assert_false(matches("app:1@sha256:" HEX, "app:1"));
	assert_false(matches("app:1@sha256:" HEX, "1"));
	assert_false(matches("app:1", "app:1@sha256:" HEX));
}

static void file_names_stand_in_for_missing_names(void **state)
{
	static const struct {
		const char *wanted, *file;
		bool is_match;
	} rows[] = {
		{ "quay.io/x/app:latest", "app.tar", true },
		{ "app", "app", true },
		{ "app:1.0", "app.tar", false },
		{ "app:1.0", "app-1.0.tar", true },
		{ "app:1.0", "app_1.0.tar", true },
		{ "app:1.0", "app:1.0.tar", true },
		{ "app:1.0", "app@1.0.tar", true },
		{ "app:1.0", "app-1.0", true },
		{ "app:1.0", "app-1.01.tar", false },
		{ "app:1.0", "appx1.0.tar", false },
		{ "app:1.0", "xapp-1.0.tar", false },
		{ "app:1.0", "ap.tar", false },
		{ "app@sha256:" HEX, "app.tar", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct image_ref ref;
		struct err err;

		assert_int_equal(ref_parse(rows[i].wanted, &ref, &err), 0);
		if (ref_matches_file(&ref, rows[i].file) != rows[i].is_match)
			fail_msg("%s and %s", rows[i].wanted, rows[i].file);
	}
}

static void a_file_can_name_the_path_alone(void **state)
{
	struct image_ref ref;
	struct err err;

	(void)state;
	assert_int_equal(ref_parse("quay.io/x/app:1.0", &ref, &err), 0);
	assert_true(ref_file_names_path(&ref, "app.tar"));
	assert_true(ref_file_names_path(&ref, "app"));
	assert_false(ref_file_names_path(&ref, "app-1.0.tar"));
	assert_false(ref_file_names_path(&ref, "x.tar"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_written_out_like_podman),
		cmocka_unit_test(what_is_no_reference_is_refused_with_the_reason),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(full_names_match_exactly),
		cmocka_unit_test(short_names_match_only_local_ones),
		cmocka_unit_test(a_bare_tag_matches_the_tag_but_not_as_a_name),
		cmocka_unit_test(a_digest_matches_no_name),
		cmocka_unit_test(file_names_stand_in_for_missing_names),
		cmocka_unit_test(a_file_can_name_the_path_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
