/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decompression of layers, straight on ISA-L's igzip and zstd: the plain stream has to be hashed between decompression and
 * the tar reader, which libarchive's own filters do not allow. Must never give out more than max_bytes.
 */
#include "image/inflate.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>
#include <zstd_errors.h>

#define IN_BYTES (128 * 1024)
#define OUT_BYTES (256 * 1024)
#define GZIP_RESERVED_FLAGS 0xe0 /* RFC 1952: must be zero */
#define ZSTD_WINDOW_LOG_MAX 27	 /* what every zstd decoder takes by default: 128 MiB */
#define ZSTD_WINDOW_LOG_UNASKED 23
#define ZSTD_FRAME_HEADER_MAX 18 /* RFC 8878, 3.1.1 */
_Static_assert(INFLATE_WINDOW_BYTES == UINT64_C(1) << ZSTD_WINDOW_LOG_UNASKED, "one limit");

enum method { METHOD_UNKNOWN, METHOD_PLAIN, METHOD_GZIP, METHOD_ZSTD };

struct inflate {
	int fd;
	enum method method;
	bool fd_ended;	 /* read(2) gave 0 */
	bool frame_open; /* in the middle of a gzip member or zstd frame */
	bool ended;
	bool failed;
	struct err why;
	uint64_t max_bytes, total_bytes;
	struct sha256 sum;
	bool in_header; /* of a gzip member */
	struct isal_gzip_header header;
	struct inflate_state gzip;
	ZSTD_DStream *zstd;
	inflate_ask_fn *ask; /* NULL: nobody is to be asked, or somebody has been */
	void *ask_arg;
	size_t in_at, in_len;
	unsigned char in[IN_BYTES];
	unsigned char out[OUT_BYTES];
};

struct inflate *inflate_open(int fd, uint64_t max_bytes, struct err *err)
{
	struct inflate *in = calloc(1, sizeof(*in));

	if (!in) {
		err_errno(err, ENOMEM, "inflate");
		return NULL;
	}
	in->fd = fd;
	in->max_bytes = max_bytes;
	sha256_init(&in->sum);
	return in;
}

void inflate_ask_before_large_window(struct inflate *in, inflate_ask_fn *fn, void *arg)
{
	in->ask = fn;
	in->ask_arg = arg;
}

void inflate_close(struct inflate *in)
{
	if (!in)
		return;
	ZSTD_freeDStream(in->zstd);
	free(in);
}

/* At least want bytes unless the stream ends before. */
static int refill(struct inflate *in, size_t want, struct err *err)
{
	if (in->in_len - in->in_at >= want)
		return 0;
	memmove(in->in, in->in + in->in_at, in->in_len - in->in_at);
	in->in_len -= in->in_at;
	in->in_at = 0;
	while (in->in_len < want && !in->fd_ended) {
		ssize_t n = read(in->fd, in->in + in->in_len, sizeof(in->in) - in->in_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read of the compressed layer");
		in->fd_ended = n == 0;
		in->in_len += (size_t)n;
	}
	return 0;
}

static bool is_gzip(const unsigned char *p)
{
	return p[0] == 0x1f && p[1] == 0x8b;
}

static int allow_window(struct inflate *in)
{
	int log = in->ask ? ZSTD_WINDOW_LOG_UNASKED : ZSTD_WINDOW_LOG_MAX;

	return ZSTD_isError(ZSTD_DCtx_setParameter(in->zstd, ZSTD_d_windowLogMax, log)) ? -1 : 0;
}

static int detect(struct inflate *in, struct err *err)
{
	const unsigned char *p = in->in;

	if (refill(in, 4, err) < 0)
		return -1;
	in->method = METHOD_PLAIN;
	if (in->in_len >= 2 && is_gzip(p)) {
		isal_inflate_init(&in->gzip);
		/* isal_inflate would lose its place in a header that comes in pieces */
		in->gzip.crc_flag = ISAL_GZIP_NO_HDR_VER;
		in->method = METHOD_GZIP;
	} else if (in->in_len >= 4 && p[1] == 0xb5 && p[2] == 0x2f && p[3] == 0xfd &&
		   p[0] == 0x28) {
		in->zstd = ZSTD_createDStream();
		if (!in->zstd || allow_window(in) < 0)
			return err_errno(err, ENOMEM, "zstd");
		in->method = METHOD_ZSTD;
	}
	return 0;
}

static int step_plain(struct inflate *in, size_t *made)
{
	size_t n = in->in_len - in->in_at;

	memcpy(in->out, in->in + in->in_at, n);
	in->in_at = in->in_len;
	*made = n;
	return 0;
}

static int begin_member(struct inflate *in, struct err *err)
{
	/* igzip asks for ten bytes before it looks at the first two: garbage behind the end would be a cut stream */
	if (in->in_len - in->in_at >= 2 && !is_gzip(in->in + in->in_at))
		return err_set(err, ERR_INTEGRITY, "gzip: incorrect header check");
	isal_inflate_reset(&in->gzip);
	in->header = (struct isal_gzip_header){ 0 };
	in->in_header = true;
	in->frame_open = true;
	return 0;
}

static const char *gzip_error(int rc)
{
	switch (rc) {
	case ISAL_INVALID_BLOCK:
		return "invalid block";
	case ISAL_INVALID_SYMBOL:
		return "invalid code";
	case ISAL_INVALID_LOOKBACK:
		return "invalid distance too far back";
	case ISAL_INVALID_WRAPPER:
		return "incorrect header check";
	case ISAL_UNSUPPORTED_METHOD:
		return "unknown compression method";
	case ISAL_INCORRECT_CHECKSUM:
		return "incorrect check sum or length";
	default:
		return "damaged data";
	}
}

static int step_gzip(struct inflate *in, size_t *made, struct err *err)
{
	struct inflate_state *z = &in->gzip;
	uint32_t given = (uint32_t)(in->in_len - in->in_at);
	int rc;

	if (!in->frame_open && begin_member(in, err) < 0)
		return -1;
	z->next_in = in->in + in->in_at;
	z->avail_in = given;
	z->next_out = in->out;
	z->avail_out = OUT_BYTES;
	rc = in->in_header ? isal_read_gzip_header(z, &in->header) : isal_inflate(z);
	/* with an error the counts may be wrong, below zero even */
	if (rc < 0 || z->avail_in > given || z->avail_out > OUT_BYTES)
		return err_set(err, ERR_INTEGRITY, "gzip: %s", gzip_error(rc));
	in->in_at = in->in_len - z->avail_in;
	*made = OUT_BYTES - z->avail_out;
	if (!in->in_header)
		in->frame_open = z->block_state != ISAL_BLOCK_FINISH;
	else if (rc == ISAL_DECOMP_OK && (in->header.flags & GZIP_RESERVED_FLAGS))
		return err_set(err, ERR_INTEGRITY, "gzip: unknown header flags set");
	else
		in->in_header = rc != ISAL_DECOMP_OK;
	return 0;
}

/* The frame's header was read and nothing behind it: the decoder begins the frame anew with a larger limit. */
static int ask_for_window(struct inflate *in, struct err *err)
{
	if (in->ask(in->ask_arg, err) < 0)
		return -1;
	in->ask = NULL;
	if (ZSTD_isError(ZSTD_DCtx_reset(in->zstd, ZSTD_reset_session_only)) ||
	    allow_window(in) < 0)
		return err_set(err, ERR_BUG, "zstd: the window's limit cannot be raised");
	return 0;
}

static int step_zstd(struct inflate *in, size_t *made, struct err *err)
{
	ZSTD_inBuffer source = { in->in + in->in_at, in->in_len - in->in_at, 0 };
	ZSTD_outBuffer target = { in->out, OUT_BYTES, 0 };
	size_t rc = ZSTD_decompressStream(in->zstd, &target, &source);

	if (in->ask && !in->frame_open &&
	    ZSTD_getErrorCode(rc) == ZSTD_error_frameParameter_windowTooLarge) {
		if (ask_for_window(in, err) < 0)
			return -1;
		source.pos = target.pos = 0;
		rc = ZSTD_decompressStream(in->zstd, &target, &source);
	}
	if (ZSTD_isError(rc))
		return err_set(err, ERR_INTEGRITY, "zstd: %s", ZSTD_getErrorName(rc));
	in->in_at += source.pos;
	*made = target.pos;
	in->frame_open = rc != 0;
	return 0;
}

/* One piece of plain bytes, or the end. */
static int produce(struct inflate *in, size_t *made, struct err *err)
{
	*made = 0;
	if (in->method == METHOD_UNKNOWN && detect(in, err) < 0)
		return -1;
	while (*made == 0) {
		size_t before;
		int rc;

		/* a frame's header in one piece: see ask_for_window() */
		if (refill(in, in->frame_open ? 1 : ZSTD_FRAME_HEADER_MAX, err) < 0)
			return -1;
		before = in->in_len - in->in_at;
		/* a decoder may still hold output when its input is used up */
		if (before == 0 && !in->frame_open) {
			in->ended = true;
			return 0;
		}
		if (in->method == METHOD_PLAIN)
			rc = step_plain(in, made);
		else if (in->method == METHOD_GZIP)
			rc = step_gzip(in, made, err);
		else
			rc = step_zstd(in, made, err);
		if (rc < 0)
			return -1;
		if (*made > 0 || !in->frame_open || in->in_len - in->in_at != before)
			continue;
		return err_set(err, ERR_INTEGRITY,
			       before ? "damaged data" : "compressed data end too early");
	}
	return 0;
}

static int check_limit(const struct inflate *in, size_t len, struct err *err)
{
	if (len <= in->max_bytes - in->total_bytes)
		return 0;
	return err_set(
		err, ERR_LIMIT,
		"layer unpacks to more than %llu bytes, which is what may be used of the store's free "
		"space (cleat import --max-bytes changes the limit)",
		(unsigned long long)in->max_bytes);
}

int inflate_read(struct inflate *in, const void **data, size_t *len, struct err *err)
{
	*data = in->out;
	*len = 0;
	if (in->failed) {
		*err = in->why;
		return -1;
	}
	if (in->ended)
		return 0;
	if (produce(in, len, err) < 0 || check_limit(in, *len, err) < 0) {
		*len = 0;
		in->failed = true;
		in->why = *err;
		return -1;
	}
	sha256_update(&in->sum, in->out, *len);
	in->total_bytes += *len;
	return 0;
}

int inflate_drain(struct inflate *in, struct err *err)
{
	const void *data;
	size_t len;

	do {
		if (inflate_read(in, &data, &len, err) < 0)
			return -1;
	} while (len > 0);
	return 0;
}

uint64_t inflate_total_bytes(const struct inflate *in)
{
	return in->total_bytes;
}

void inflate_digest(struct inflate *in, char *out)
{
	digest_final(&in->sum, out);
}
