/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of exec sessions. The bytes are those of somebody who may speak to the control socket, yet
 * each length is bounded and each type known, because what follows a wrong one would be typed into
 * a terminal. Must never take a byte as input that is not.
 */
#include "shim/exec_frames.h"

#include <string.h>

#include "util/bytes.h"

void exec_frame_head(unsigned char out[SHIM_EXEC_FRAME_HEAD], enum shim_exec_frame type,
		     uint32_t length)
{
	memset(out, 0, SHIM_EXEC_FRAME_HEAD);
	out[0] = (unsigned char)type;
	for (int i = 0; i < 4; i++)
		out[4 + i] = (unsigned char)(length >> (24 - 8 * i));
}

static bool head_is_good(const struct exec_input *in)
{
	if (in->head[1] || in->head[2] || in->head[3])
		return false;
	switch (in->head[0]) {
	case SHIM_FRAME_STDIN:
		return in->left <= SHIM_EXEC_FRAME_MAX;
	case SHIM_FRAME_RESIZE:
		return in->left == 4;
	case SHIM_FRAME_EOF:
		return in->left == 0;
	default:
		return false;
	}
}

static size_t take_head(struct exec_input *in, const char *bytes, size_t length,
			struct exec_event *event)
{
	size_t missing = sizeof(in->head) - in->head_length;
	size_t n = length < missing ? length : missing;

	memcpy(in->head + in->head_length, bytes, n);
	in->head_length += n;
	if (in->head_length < sizeof(in->head))
		return n;
	in->left = get_be32(in->head + 4);
	in->small_length = 0;
	if (!head_is_good(in))
		event->kind = EXEC_BAD;
	else if (in->head[0] == SHIM_FRAME_EOF)
		event->kind = EXEC_EOF;
	if (in->left == 0)
		in->head_length = 0;
	return n;
}

static size_t take_body(struct exec_input *in, const char *bytes, size_t length,
			struct exec_event *event)
{
	size_t n = length < in->left ? length : in->left;

	in->left -= (uint32_t)n;
	if (in->left == 0)
		in->head_length = 0;
	if (in->head[0] == SHIM_FRAME_STDIN) {
		event->kind = EXEC_DATA;
		event->data = bytes;
		event->length = n;
		return n;
	}
	memcpy(in->small + in->small_length, bytes, n);
	in->small_length += n;
	if (in->left)
		return n;
	event->kind = EXEC_RESIZE;
	event->rows = (uint16_t)(in->small[0] << 8 | in->small[1]);
	event->columns = (uint16_t)(in->small[2] << 8 | in->small[3]);
	return n;
}

size_t exec_input_take(struct exec_input *in, const char *bytes, size_t length,
		       struct exec_event *event)
{
	size_t taken = 0;

	*event = (struct exec_event){ .kind = EXEC_MORE };
	if (in->is_raw && length) {
		*event = (struct exec_event){ .kind = EXEC_DATA, .data = bytes, .length = length };
		return length;
	}
	while (taken < length && event->kind == EXEC_MORE) {
		if (in->head_length < sizeof(in->head))
			taken += take_head(in, bytes + taken, length - taken, event);
		else
			taken += take_body(in, bytes + taken, length - taken, event);
	}
	return taken;
}
