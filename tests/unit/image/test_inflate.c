/* SPDX-License-Identifier: Apache-2.0 */
/* Decompression: every format gives the same bytes and digest, damage and bombs are told apart and stop. */
#include "image_test.h"

#include "image/inflate.h"

#define SIZE (700 * 1024)

static char *sample(void)
{
	char *data = malloc(SIZE);
	uint32_t x = 1;

	assert_non_null(data);
	for (size_t i = 0; i < SIZE; i++) {
		x = x * 1103515245 + 12345;
		data[i] = (char)(x >> 16 & 15);
	}
	return data;
}

static void check_same(const void *packed, size_t len, const char *plain, size_t plain_len)
{
	int fd = fd_of(packed, len);
	char found[DIGEST_STR_LEN + 1], wanted[DIGEST_STR_LEN + 1];
	struct inflate *in;
	struct err err;
	size_t done = 0;

	in = inflate_open(fd, plain_len, &err);
	assert_non_null(in);
	for (;;) {
		const void *piece;
		size_t n;

		if (inflate_read(in, &piece, &n, &err) < 0)
			fail_msg("%s", err.msg);
		if (n == 0)
			break;
		assert_true(n <= plain_len - done);
		assert_memory_equal(piece, plain + done, n);
		done += n;
	}
	assert_int_equal(done, plain_len);
	assert_int_equal(inflate_total_bytes(in), plain_len);
	inflate_digest(in, found);
	digest_of(plain, plain_len, wanted);
	assert_string_equal(found, wanted);
	inflate_close(in);
	close(fd);
}

static void drain_error(const void *packed, size_t len, uint64_t max, struct err *err)
{
	int fd = fd_of(packed, len);
	struct inflate *in = inflate_open(fd, max, err);
	struct err again;

	assert_non_null(in);
	assert_int_equal(inflate_drain(in, err), -1);
	/* errors stick */
	assert_int_equal(inflate_drain(in, &again), -1);
	assert_string_equal(again.msg, err->msg);
	inflate_close(in);
	close(fd);
}

static void all_formats_give_the_same_bytes(void **state)
{
	auto_buf packed = BUF_INIT(4 * SIZE);
	char *plain = sample();

	(void)state;
	check_same(plain, SIZE, plain, SIZE);
	gzip_of(plain, SIZE, &packed);
	check_same(packed.data, packed.len, plain, SIZE);
	buf_clear(&packed);
	zstd_of(plain, SIZE, &packed);
	check_same(packed.data, packed.len, plain, SIZE);
	check_same("", 0, "", 0);
	check_same("abc", 3, "abc", 3);
	free(plain);
}

static void several_members_and_frames_are_one_stream(void **state)
{
	static const char skippable[] = "\x50\x2a\x4d\x18\x03\x00\x00\x00xyz";
	auto_buf gzip = BUF_INIT(4 * SIZE);
	auto_buf zstd = BUF_INIT(4 * SIZE);
	char *plain = sample();

	(void)state;
	gzip_of(plain, 1000, &gzip);
	gzip_of(plain + 1000, 0, &gzip);
	gzip_of(plain + 1000, SIZE - 1000, &gzip);
	check_same(gzip.data, gzip.len, plain, SIZE);
	zstd_of(plain, 1000, &zstd);
	buf_add(&zstd, skippable, sizeof(skippable) - 1);
	zstd_of(plain + 1000, SIZE - 1000, &zstd);
	buf_add(&zstd, skippable, sizeof(skippable) - 1);
	check_same(zstd.data, zstd.len, plain, SIZE);
	free(plain);
}

static void a_cut_stream_is_an_error(void **state)
{
	auto_buf gzip = BUF_INIT(4 * SIZE);
	auto_buf zstd = BUF_INIT(4 * SIZE);
	char *plain = sample();
	struct err err;

	(void)state;
	gzip_of(plain, SIZE, &gzip);
	zstd_of(plain, SIZE, &zstd);
	for (size_t cut = 1; cut < 12; cut++) {
		drain_error(gzip.data, gzip.len - cut, SIZE, &err);
		assert_says(&err, ERR_INTEGRITY, "end too early");
		drain_error(zstd.data, zstd.len - cut, SIZE, &err);
		assert_says(&err, ERR_INTEGRITY, "end too early");
	}
	drain_error(gzip.data, 9, SIZE, &err);
	assert_says(&err, ERR_INTEGRITY, "end too early");
	free(plain);
}

static void damaged_bytes_are_an_error(void **state)
{
	auto_buf gzip = BUF_INIT(4 * SIZE);
	auto_buf zstd = BUF_INIT(4 * SIZE);
	char *plain = sample();
	struct err err;

	(void)state;
	gzip_of(plain, SIZE, &gzip);
	gzip.data[gzip.len - 6] ^= 1; /* in the check sum */
	drain_error(gzip.data, gzip.len, SIZE, &err);
	assert_says(&err, ERR_INTEGRITY, "gzip: ");
	buf_clear(&gzip);
	gzip_of(plain, 1000, &gzip);
	buf_puts(&gzip, "trailing garbage");
	drain_error(gzip.data, gzip.len, SIZE, &err);
	assert_says(&err, ERR_INTEGRITY, "gzip: ");
	zstd_of(plain, SIZE, &zstd);
	zstd.data[6] ^= 0x7f;
	zstd.data[100] ^= 0x7f;
	drain_error(zstd.data, zstd.len, SIZE, &err);
	assert_says(&err, ERR_INTEGRITY, "zstd: ");
	free(plain);
}

static void a_bomb_stops_at_the_limit(void **state)
{
	size_t big = 8 * 1024 * 1024;
	char *zeros = calloc(1, big);
	auto_buf gzip = BUF_INIT(big);
	struct err err;

	(void)state;
	assert_non_null(zeros);
	gzip_of(zeros, big, &gzip);
	assert_true(gzip.len < 20000);
	drain_error(gzip.data, gzip.len, big - 1, &err);
	assert_says(&err, ERR_LIMIT, "unpacks to more than");
	check_same(gzip.data, gzip.len, zeros, big);
	free(zeros);
}

static void a_read_error_is_told(void **state)
{
	int fd = open("/tmp", O_RDONLY | O_DIRECTORY);
	struct inflate *in;
	struct err err;

	(void)state;
	in = inflate_open(fd, 100, &err);
	assert_non_null(in);
	assert_int_equal(inflate_drain(in, &err), -1);
	assert_int_equal(err.code, ERR_SYS);
	inflate_close(in);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_formats_give_the_same_bytes),
		cmocka_unit_test(several_members_and_frames_are_one_stream),
		cmocka_unit_test(a_cut_stream_is_an_error),
		cmocka_unit_test(damaged_bytes_are_an_error),
		cmocka_unit_test(a_bomb_stops_at_the_limit),
		cmocka_unit_test(a_read_error_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
