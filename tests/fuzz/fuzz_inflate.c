/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip against zlib. The input is the blocks of a stream without header and trailer, so that its check sum is no wall: zlib says
 * what they hold, the trailer is made to fit, and our reader has to give the same, whatever pieces it comes in; where zlib finds
 * no end, it must not either. Where zlib finds damage it may find none (igzip takes incomplete codes), but what came before is
 * the same. Or the input is plain bytes: zlib packs them, in two members.
 */
#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "image/inflate.h"
#include "util/cleanup.h"

#define MAX_PLAIN_BYTES (1024 * 1024)
#define MAX_PACKED_BYTES (64 * 1024)
#define PIPE_BYTES (1024 * 1024) /* as many pages, one for each packet */
#define MAX_PIECES 250

enum verdict { SOUND, CUT, DAMAGED };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned char plain[MAX_PLAIN_BYTES], packed[MAX_PACKED_BYTES];
static size_t plain_len, packed_len;

static void put(const void *data, size_t len)
{
	assert(len <= sizeof(packed) - packed_len);
	memcpy(packed + packed_len, data, len);
	packed_len += len;
}

static void put_le32(uint32_t value)
{
	const unsigned char bytes[] = { value & 255, value >> 8 & 255, value >> 16 & 255,
					value >> 24 };

	put(bytes, sizeof(bytes));
}

/* What zlib says of them; plain is what they hold, up to the damage. */
static enum verdict put_blocks(const uint8_t *data, size_t size)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)data,
		       .avail_in = (uInt)size,
		       .next_out = plain,
		       .avail_out = sizeof(plain) };
	int rc;

	assert(inflateInit2(&z, -15) == Z_OK);
	rc = inflate(&z, Z_FINISH);
	put("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
	put(data, size - (rc == Z_STREAM_END ? z.avail_in : 0));
	plain_len = sizeof(plain) - z.avail_out;
	inflateEnd(&z);
	if (rc != Z_STREAM_END)
		return rc == Z_DATA_ERROR ? DAMAGED : CUT;
	put_le32((uint32_t)crc32(0, plain, (uInt)plain_len));
	put_le32((uint32_t)plain_len);
	return SOUND;
}

static void put_member(const uint8_t *data, size_t size, unsigned how)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size };

	assert(deflateInit2(&z, (int)(how % 10), Z_DEFLATED, 16 + 9 + (int)(how / 16 % 7),
			    1 + (int)(how / 8 % 9), (int)(how / 4 % 5)) == Z_OK);
	z.next_out = packed + packed_len;
	z.avail_out = (uInt)(sizeof(packed) - packed_len);
	assert(deflate(&z, Z_FINISH) == Z_STREAM_END);
	packed_len = sizeof(packed) - z.avail_out;
	deflateEnd(&z);
}

static void put_members(const uint8_t *data, size_t size, unsigned how)
{
	size_t half = size / 2;

	memcpy(plain, data, size);
	plain_len = size;
	put_member(data, half, how);
	put_member(data + half, size - half, how + 1);
}

static int open_packed(unsigned piece)
{
	int ends[2];

	if (piece == 0 || packed_len / piece >= MAX_PIECES) {
		ends[0] = memfd_create("packed", MFD_CLOEXEC);
		assert(ends[0] >= 0 && write(ends[0], packed, packed_len) == (ssize_t)packed_len);
		assert(lseek(ends[0], 0, SEEK_SET) == 0);
		return ends[0];
	}
	assert(pipe2(ends, O_DIRECT | O_CLOEXEC) == 0);
	assert(fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES) >= PIPE_BYTES);
	for (size_t at = 0; at < packed_len; at += piece) {
		size_t n = packed_len - at < piece ? packed_len - at : piece;

		assert(write(ends[1], packed + at, n) == (ssize_t)n);
	}
	close(ends[1]);
	return ends[0];
}

/* Nothing wrong may come out even before the end says that it was. */
static int read_all(int fd, enum verdict verdict, struct err *err)
{
	struct inflate *in = inflate_open(fd, MAX_PLAIN_BYTES, err);
	const void *piece;
	size_t n, done = 0;
	int rc;

	assert(in);
	while ((rc = inflate_read(in, &piece, &n, err)) == 0 && n > 0) {
		size_t same = done + n <= plain_len ? n : plain_len - done;

		assert(same == n || verdict == DAMAGED);
		assert(memcmp(piece, plain + done, same) == 0);
		done += same;
	}
	assert(rc < 0 || done == plain_len);
	inflate_close(in);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum verdict verdict = SOUND;
	struct err err = { 0 };
	int rc;

	if (size < 3 || size > MAX_PACKED_BYTES / 2)
		return 0;
	packed_len = 0;
	if (data[0] & 1)
		verdict = put_blocks(data + 3, size - 3);
	else
		put_members(data + 3, size - 3, data[2]);
	auto_fd int fd = open_packed(data[1]);

	rc = read_all(fd, verdict, &err);
	if (verdict != DAMAGED && (rc == 0) != (verdict == SOUND)) {
		dprintf(2, "zlib: %s, ours: %s\n", verdict == SOUND ? "sound" : "cut",
			rc < 0 ? err.msg : "sound");
		abort();
	}
	return 0;
}
