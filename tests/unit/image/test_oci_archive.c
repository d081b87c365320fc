/* SPDX-License-Identifier: Apache-2.0 */
/* The outer archive: blobs are found in any order, and every kind of damage or other format is told by name. */
#include "image_test.h"

#include "image/oci_archive.h"

#define LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"

static struct err err;

static int open_bytes(const void *data, size_t len, struct oci_archive *archive)
{
	return oci_archive_open(fd_of(data, len), archive, &err);
}

/* "blobs/sha256/HEX" of the text. */
static void blob_name(const char *text, char out[96])
{
	char digest[DIGEST_STR_LEN + 1];

	digest_of(text, strlen(text), digest);
	snprintf(out, 96, "blobs/sha256/%s", digest + 7);
}

static void digest_text(const char *text, char out[DIGEST_STR_LEN + 1])
{
	digest_of(text, strlen(text), out);
}

static int open_members(const struct member *members, struct oci_archive *archive)
{
	struct tar tar;
	int rc;

	tar_of(&tar, members);
	rc = open_bytes(tar.out.data, tar.out.len, archive);
	buf_fini(&tar.out);
	return rc;
}

static void documents_are_found_in_any_order(void **state)
{
	char name[96], digest[DIGEST_STR_LEN + 1];
	const struct member orders[3][6] = {
		{ { name, .data = "the blob" },
		  { "index.json", .data = "{}" },
		  { "oci-layout", .data = LAYOUT } },
		{ { "./oci-layout", .data = LAYOUT },
		  { "./blobs", .type = AE_IFDIR },
		  { "./index.json", .data = "{}" },
		  { "./other", .data = "?" },
		  { name, .data = "the blob" } },
		/* as "docker save" writes since version 25: both formats in one */
		{ { "manifest.json", .data = "[]" },
		  { name, .data = "the blob" },
		  { "index.json", .data = "{}" },
		  { "oci-layout", .data = LAYOUT } },
	};

	(void)state;
	blob_name("the blob", name);
	digest_text("the blob", digest);
	for (size_t i = 0; i < 3; i++) {
		auto_buf out = BUF_INIT(1000);
		struct oci_archive archive;

		assert_int_equal(open_members(orders[i], &archive), 0);
		assert_int_equal(oci_archive_read_index(&archive, &out, &err), 0);
		assert_string_equal(out.data, "{}");
		assert_int_equal(oci_archive_read_blob(&archive, digest, 8, 100, &out, &err), 0);
		assert_string_equal(out.data, "the blob");
		close(archive.fd);
	}
}

static void other_formats_are_refused_with_what_to_do(void **state)
{
	static const struct {
		const char *bytes, *part;
		size_t len;
	} rows[] = {
		{ "\x1f\x8b\x08 more", "gzip-compressed", 8 },
		{ "\x28\xb5\x2f\xfd more", "zstd-compressed", 9 },
		{ "\xfd"
		  "7zXZ\0 more",
		  "xz-compressed", 10 },
		{ "BZh91AY", "bzip2-compressed", 7 },
		{ "", "is empty", 0 },
	};
	auto_buf out = BUF_INIT(1000);
	struct oci_archive archive;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(open_bytes(rows[i].bytes, rows[i].len, &archive), -1);
		if (!strstr(err.msg, rows[i].part))
			fail_msg("%s", err.msg);
	}
	assert_int_equal(open_members((struct member[]){ { "manifest.json", .data = "[]" },
							 { "abc/layer.tar", .data = "x" },
							 { 0 } },
				      &archive),
			 0);
	assert_int_equal(oci_archive_read_index(&archive, &out, &err), -1);
	assert_says(&err, ERR_INPUT, "docker-archive: manifest.json lists no image");
	close(archive.fd);
	assert_int_equal(open_bytes("just some text", 14, &archive), 0);
	assert_int_equal(oci_archive_read_index(&archive, &out, &err), -1);
	assert_says(&err, ERR_INTEGRITY, "not a tar archive");
	close(archive.fd);
	assert_int_equal(oci_archive_open(open("/dev/null", O_RDONLY), &archive, &err), -1);
	assert_says(&err, ERR_INPUT, "not a regular file");
}

static void a_layout_without_its_parts_is_torn(void **state)
{
	static const struct {
		struct member members[3];
		const char *part;
	} rows[] = {
		{ { { "oci-layout", .data = LAYOUT } }, "it has no index.json" },
		{ { { "index.json", .data = "{}" } }, "it has no oci-layout" },
		{ { { "something", .data = "x" } },
		  "has no index.json: torn, or not an OCI archive" },
		{ { { "index.json", .data = "{}" },
		    { "oci-layout", .data = "{\"imageLayoutVersion\":\"9\"}" } },
		  "version 9 is not supported" },
		{ { { "index.json", .data = "{}" }, { "index.json", .data = "{}" } },
		  "index.json is there twice" },
		{ { { "index.json", AE_IFLNK, .link = "/etc/passwd" } },
		  "index.json is not a regular file" },
		{ { { "index.json", .data = "" } }, "index.json has 0 bytes" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		auto_buf out = BUF_INIT(1000);
		struct oci_archive archive;

		assert_int_equal(open_members(rows[i].members, &archive), 0);
		if (oci_archive_read_index(&archive, &out, &err) == 0)
			fail_msg("accepted: %s", rows[i].part);
		if (!strstr(err.msg, rows[i].part))
			fail_msg("%s instead of %s", err.msg, rows[i].part);
		close(archive.fd);
	}
}

static void blobs_are_checked_against_size_and_digest(void **state)
{
	char name[96], digest[DIGEST_STR_LEN + 1];
	auto_buf out = BUF_INIT(1000);
	struct oci_archive archive;

	(void)state;
	blob_name("promised", name);
	digest_text("promised", digest);
	assert_int_equal(open_members((struct member[]){ { name, .data = "deliverd" }, { 0 } },
				      &archive),
			 0);
	assert_int_equal(oci_archive_read_blob(&archive, digest, 8, 100, &out, &err), -1);
	assert_says(&err, ERR_INTEGRITY, "wrong digest");
	assert_non_null(strstr(err.msg, digest));
	assert_int_equal(oci_archive_read_blob(&archive, digest, 7, 100, &out, &err), -1);
	assert_says(&err, ERR_INTEGRITY, "has 8 bytes instead of 7");
	assert_int_equal(oci_archive_read_blob(&archive, digest, 101, 100, &out, &err), -1);
	assert_says(&err, ERR_LIMIT, "the limit for this kind is 100");
	digest_text("another", digest);
	assert_int_equal(oci_archive_read_blob(&archive, digest, 7, 100, &out, &err), -1);
	assert_says(&err, ERR_NOT_FOUND, "is missing");
	close(archive.fd);
}

static void a_blob_that_is_no_file_is_refused(void **state)
{
	char name[96], digest[DIGEST_STR_LEN + 1];
	auto_buf out = BUF_INIT(1000);
	struct oci_archive archive;

	(void)state;
	blob_name("x", name);
	digest_text("x", digest);
	assert_int_equal(open_members((struct member[]){ { "y", .data = "x" },
							 { name, .hardlink = "y" },
							 { 0 } },
				      &archive),
			 0);
	assert_int_equal(oci_archive_read_blob(&archive, digest, 1, 100, &out, &err), -1);
	assert_says(&err, ERR_INTEGRITY, "is not a regular file");
	close(archive.fd);
}

/* Wherever a copy stops, the answer is an error or the whole blob, never less of it. */
static void every_truncation_is_noticed(void **state)
{
	char name[96], digest[DIGEST_STR_LEN + 1], text[1500];
	struct tar tar;

	(void)state;
	memset(text, 'b', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	blob_name(text, name);
	digest_text(text, digest);
	tar_of(&tar, (struct member[]){ { name, .data = text },
					{ "index.json", .data = "{}" },
					{ "oci-layout", .data = LAYOUT },
					{ 0 } });
	/* blob: header and 3 blocks; the two documents: header and block each; then the end mark */
	for (size_t len = tar.out.len; len > 0; len -= len > 97 ? 97 : len) {
		auto_buf out = BUF_INIT(4000);
		struct oci_archive archive;
		bool is_whole_blob = len >= 512 + sizeof(text) - 1;
		bool has_layout = len >= 4 * 512 + 1024 + 512 + sizeof(LAYOUT) - 1;

		assert_int_equal(open_bytes(tar.out.data, len, &archive), 0);
		if (oci_archive_read_index(&archive, &out, &err) == 0)
			assert_true(has_layout);
		else
			assert_true(len < tar.out.len); /* a cut end mark is a cut copy too */
		buf_clear(&out);
		if (oci_archive_read_blob(&archive, digest, sizeof(text) - 1, 4000, &out, &err) ==
		    0)
			assert_true(is_whole_blob);
		else if (len >= 4 * 512)
			fail_msg("blob with %zu bytes: %s", len, err.msg);
		close(archive.fd);
	}
	buf_fini(&tar.out);
}

static int count_sink(const void *data, size_t len, void *arg, struct err *e)
{
	size_t *total = arg;

	(void)data;
	*total += len;
	if (*total > 100000)
		return err_set(e, ERR_LIMIT, "sink is full");
	return 0;
}

static void streaming_gives_all_bytes_and_stops_with_the_sink(void **state)
{
	size_t len = 1000000, total = 0;
	char *text = malloc(len + 1), name[96], digest[DIGEST_STR_LEN + 1];
	struct oci_archive archive;

	(void)state;
	memset(text, 's', len);
	text[50000] = '\0';
	blob_name(text, name);
	digest_text(text, digest);
	assert_int_equal(open_members((struct member[]){ { name, .data = text }, { 0 } }, &archive),
			 0);
	assert_int_equal(oci_archive_stream_blob(&archive, digest, 50000, count_sink, &total, &err),
			 0);
	assert_int_equal(total, 50000);
	close(archive.fd);
	text[50000] = 's';
	text[len] = '\0';
	blob_name(text, name);
	digest_text(text, digest);
	total = 0;
	assert_int_equal(open_members((struct member[]){ { name, .data = text }, { 0 } }, &archive),
			 0);
	assert_int_equal(oci_archive_stream_blob(&archive, digest, len, count_sink, &total, &err),
			 -1);
	assert_says(&err, ERR_LIMIT, "sink is full");
	close(archive.fd);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents_are_found_in_any_order),
		cmocka_unit_test(other_formats_are_refused_with_what_to_do),
		cmocka_unit_test(a_layout_without_its_parts_is_torn),
		cmocka_unit_test(blobs_are_checked_against_size_and_digest),
		cmocka_unit_test(a_blob_that_is_no_file_is_refused),
		cmocka_unit_test(every_truncation_is_noticed),
		cmocka_unit_test(streaming_gives_all_bytes_and_stops_with_the_sink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
