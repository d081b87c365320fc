/* SPDX-License-Identifier: Apache-2.0 */
/* Decompression: every format gives the same bytes and digest, damage and bombs are told apart and stop. */
#include "image_test.h"

#include <limits.h>

#include "image/inflate.h"

#define SIZE (700 * 1024)
#define PIPE_BYTES (1024 * 1024) /* as many pages, one for each packet */
#define MAX_PIECES 250

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

/* A pipe whose read(2)s give piece bytes each, and the last tail bytes by themselves. */
static int fd_in_pieces(const void *data, size_t len, size_t piece, size_t tail)
{
	int ends[2];

	assert_true(len / piece < MAX_PIECES && piece <= PIPE_BUF);
	assert_int_equal(pipe2(ends, O_DIRECT | O_CLOEXEC), 0);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES) >= PIPE_BYTES);
	for (size_t at = 0, n; at < len; at += n) {
		size_t left = at < len - tail ? len - tail - at : len - at;

		n = left < piece ? left : piece;
		assert_int_equal(write(ends[1], (const char *)data + at, n), n);
	}
	close(ends[1]);
	return ends[0];
}

/* Takes the descriptor. */
static void check_same_from(int fd, const char *plain, size_t plain_len)
{
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

static void check_same(const void *packed, size_t len, const char *plain, size_t plain_len)
{
	check_same_from(fd_of(packed, len), plain, plain_len);
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

static void gzip_with(const char *data, size_t len, int level, int strategy, int window,
		      gz_headerp header, struct buf *out)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)len };
	unsigned char packed[4096];
	int rc;

	assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, window + 16, 8, strategy), Z_OK);
	if (header)
		assert_int_equal(deflateSetHeader(&z, header), Z_OK);
	do {
		z.next_out = packed;
		z.avail_out = sizeof(packed);
		rc = deflate(&z, Z_FINISH);
		assert_int_equal(buf_add(out, packed, sizeof(packed) - z.avail_out), 0);
	} while (rc == Z_OK || rc == Z_BUF_ERROR);
	assert_int_equal(rc, Z_STREAM_END);
	deflateEnd(&z);
}

/* Stored, fixed and dynamic blocks, runs, small windows. */
static void every_kind_of_gzip_gives_the_same_bytes(void **state)
{
	static const struct {
		int level, strategy, window;
	} kinds[] = {
		{ 0, Z_DEFAULT_STRATEGY, 15 },
		{ 1, Z_DEFAULT_STRATEGY, 15 },
		{ 9, Z_DEFAULT_STRATEGY, 15 },
		{ 6, Z_DEFAULT_STRATEGY, 9 },
		{ 6, Z_FIXED, 15 },
		{ 6, Z_RLE, 15 },
		{ 6, Z_HUFFMAN_ONLY, 12 },
	};
	static const size_t pieces[] = { 4096, 3137 };
	auto_buf packed = BUF_INIT(4 * SIZE);
	char *plain = sample();

	(void)state;
	memset(plain + SIZE / 4, 'x', SIZE / 4);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		buf_clear(&packed);
		gzip_with(plain, SIZE, kinds[i].level, kinds[i].strategy, kinds[i].window, NULL,
			  &packed);
		check_same(packed.data, packed.len, plain, SIZE);
		for (size_t j = 0; j < sizeof(pieces) / sizeof(pieces[0]); j++)
			check_same_from(fd_in_pieces(packed.data, packed.len, pieces[j], 0), plain,
					SIZE);
	}
	free(plain);
}

static void a_gzip_header_with_everything_may_come_in_any_pieces(void **state)
{
	static unsigned char extra[] = "AB\x04\x00text", name[] = "layer.tar",
			     comment[] = "by hand";
	static const char plain[] = "plain bytes, plain bytes, plain bytes";
	gz_header header = { .time = 1,
			     .extra = extra,
			     .extra_len = sizeof(extra) - 1,
			     .name = name,
			     .comment = comment,
			     .hcrc = 1 };
	auto_buf packed = BUF_INIT(SIZE);
	struct err err;

	(void)state;
	/* two members, so that both the first and a later header are split */
	gzip_with(plain, 11, 6, Z_DEFAULT_STRATEGY, 15, &header, &packed);
	gzip_with(plain + 11, sizeof(plain) - 11, 6, Z_DEFAULT_STRATEGY, 15, &header, &packed);
	for (size_t piece = 1; piece <= packed.len; piece++)
		check_same_from(fd_in_pieces(packed.data, packed.len, piece, 0), plain,
				sizeof(plain));
	packed.data[5] ^= 1; /* the time: only the header's check sum knows */
	drain_error(packed.data, packed.len, SIZE, &err);
	assert_says(&err, ERR_INTEGRITY, "gzip: incorrect check sum");
}

static void the_trailer_may_come_in_any_pieces(void **state)
{
	auto_buf packed = BUF_INIT(4 * SIZE);
	char *plain = sample();

	(void)state;
	/* what fills the output exactly leaves the end for another call */
	for (size_t len = 256 * 1024 - 1; len <= 256 * 1024 + 1; len++) {
		buf_clear(&packed);
		gzip_with(plain, len, 6, Z_DEFAULT_STRATEGY, 15, NULL, &packed);
		for (size_t tail = 1; tail < 24; tail++)
			check_same_from(fd_in_pieces(packed.data, packed.len, PIPE_BUF, tail),
					plain, len);
	}
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

/* Without a trailer: the block itself is wrong. */
static void wrong_gzip_says_what_is_wrong(void **state)
{
	/* clang-format off */
	static const struct {
		const char *bytes;
		size_t len;
		const char *says;
	} wrong[] = {
#define HEADER "\x1f\x8b\x08\x00\0\0\0\0\x00\x03"
#define WRONG(bytes, says) { bytes, sizeof(bytes) - 1, says }
		WRONG("\x1f\x8b\x07\x00\0\0\0\0\x00\x03", "unknown compression method"),
		WRONG("\x1f\x8b\x08\x20\0\0\0\0\x00\x03" "\x03\0", "unknown header flags set"),
		WRONG(HEADER "\x07", "invalid block"),
		WRONG(HEADER "\x01\x01\x00\x00\x00", "invalid block"), /* length and its complement */
		WRONG(HEADER "\x4b\x04\x42\x00", "too far back"), /* "a", then what lies before it */
		WRONG(HEADER "\x03\x00" "\1\0\0\0" "\0\0\0\0", "incorrect check sum or length"),
		WRONG(HEADER "\x03\x00" "\0\0\0\0" "\1\0\0\0", "incorrect check sum or length"),
		WRONG(HEADER "\x03\x00" "\0\0\0\0" "\0\0\0\0" "xx", "incorrect header check"),
		WRONG(HEADER "\x03\x00" "\0\0\0\0" "\0\0\0\0" "\0\0", "incorrect header check"),
		WRONG(HEADER "\x03\x00" "\0\0\0\0" "\0\0\0\0" "x", "end too early"),
#undef WRONG
#undef HEADER
	};
	/* clang-format on */
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		drain_error(wrong[i].bytes, wrong[i].len, SIZE, &err);
		assert_says(&err, ERR_INTEGRITY, wrong[i].says);
	}
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

/* A frame that says no size of its own, so that its header names the window. */
static void zstd_with_window(const char *data, size_t len, int log, struct buf *out)
{
	ZSTD_CCtx *z = ZSTD_createCCtx();
	ZSTD_inBuffer source = { data, len, 0 };
	char packed[4096];
	bool ended;
	size_t left;

	assert_non_null(z);
	assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, log)));
	do {
		ZSTD_EndDirective how = source.pos < len ? ZSTD_e_continue : ZSTD_e_end;
		ZSTD_outBuffer target = { packed, sizeof(packed), 0 };

		left = ZSTD_compressStream2(z, &target, &source, how);
		assert_false(ZSTD_isError(left));
		buf_add(out, packed, target.pos);
		ended = how == ZSTD_e_end && left == 0;
	} while (!ended);
	ZSTD_freeCCtx(z);
}

struct asked {
	unsigned times;
	bool refuse;
};

static int note_asked(void *arg, struct err *err)
{
	struct asked *asked = arg;

	asked->times++;
	return asked->refuse ? err_set(err, ERR_LIMIT, "not now") : 0;
}

static int drain_asking(const struct buf *packed, struct asked *asked, struct err *err)
{
	int fd = fd_of(packed->data, packed->len), rc;
	struct inflate *in = inflate_open(fd, SIZE, err);

	assert_non_null(in);
	inflate_ask_before_large_window(in, note_asked, asked);
	rc = inflate_drain(in, err);
	if (rc == 0)
		assert_int_equal(inflate_total_bytes(in), SIZE);
	inflate_close(in);
	close(fd);
	return rc;
}

static void a_large_window_is_asked_for_once(void **state)
{
	auto_buf small = BUF_INIT(4 * SIZE);
	auto_buf large = BUF_INIT(4 * SIZE);
	char *plain = sample();
	struct asked asked = { 0 };
	struct err err;

	(void)state;
	zstd_with_window(plain, SIZE, 23, &small);
	assert_int_equal(drain_asking(&small, &asked, &err), 0);
	assert_int_equal(asked.times, 0);
	zstd_with_window(plain, 1000, 20, &large);
	zstd_with_window(plain + 1000, 1000, 24, &large);
	zstd_with_window(plain + 2000, SIZE - 2000, 27, &large);
	check_same(large.data, large.len, plain, SIZE); /* nobody to ask */
	assert_int_equal(drain_asking(&large, &asked, &err), 0);
	assert_int_equal(asked.times, 1);
	asked.refuse = true;
	assert_int_equal(drain_asking(&large, &asked, &err), -1);
	assert_says(&err, ERR_LIMIT, "not now");
	large.len = 0;
	zstd_with_window(plain, SIZE, 28, &large);
	asked.refuse = false;
	assert_int_equal(drain_asking(&large, &asked, &err), -1);
	assert_says(&err, ERR_INTEGRITY, "requires too much memory");
	free(plain);
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
		cmocka_unit_test(every_kind_of_gzip_gives_the_same_bytes),
		cmocka_unit_test(a_gzip_header_with_everything_may_come_in_any_pieces),
		cmocka_unit_test(the_trailer_may_come_in_any_pieces),
		cmocka_unit_test(a_cut_stream_is_an_error),
		cmocka_unit_test(damaged_bytes_are_an_error),
		cmocka_unit_test(wrong_gzip_says_what_is_wrong),
		cmocka_unit_test(a_bomb_stops_at_the_limit),
		cmocka_unit_test(a_large_window_is_asked_for_once),
		cmocka_unit_test(a_read_error_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
