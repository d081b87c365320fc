/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Docker's framing of a log or attach stream: stream number, three zero bytes, length big-endian, bytes (Docker Engine API, "Attach to
 * a container"). Bytes are passed on as they come, so that no frame is too long.
 */
#include <string.h>

#include "cli/cli.h"
#include "util/bytes.h"
#include "util/file.h"

/* The head is complete. */
static int begin_frame(struct cli_frames *f, struct err *err)
{
	const unsigned char *h = f->head;

	if (h[0] > 2 || h[1] || h[2] || h[3])
		return err_set(
			err, ERR_INTEGRITY,
			"the log stream is out of step: no frame begins with %02x%02x%02x%02x",
			h[0], h[1], h[2], h[3]);
	f->left = get_be32(h + 4);
	f->head_length = 0;
	return 0;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

int cli_frames_feed(struct cli_frames *f, const void *data, size_t length, int out_fd, int err_fd,
		    struct err *err)
{
	const char *at = data, *end = at + length;

	while (at < end) {
		size_t there = (size_t)(end - at), n;

		if (f->left) {
			n = smaller(there, f->left);
			if (file_write_all(f->head[0] == 2 ? err_fd : out_fd, at, n, err) < 0)
				return -1;
			f->left -= n;
		} else {
			n = smaller(there, sizeof(f->head) - f->head_length);
			memcpy(f->head + f->head_length, at, n);
			f->head_length += n;
			if (f->head_length == sizeof(f->head) && begin_frame(f, err) < 0)
				return -1;
		}
		at += n;
	}
	return 0;
}

bool cli_frames_are_whole(const struct cli_frames *f)
{
	return !f->left && !f->head_length;
}
