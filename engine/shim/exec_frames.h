/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What an exec session's client sends, taken apart as the bytes come. Pure; zeroed at first. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/protocol.h"

struct exec_input {
	bool is_raw; /* set by the owner: all bytes are input */
	unsigned char head[SHIM_EXEC_FRAME_HEAD], small[4];
	size_t head_length, small_length;
	uint32_t left; /* of the frame's bytes */
};

enum exec_event_kind {
	EXEC_MORE, /* all bytes were taken and nothing came of them yet */
	EXEC_DATA,
	EXEC_RESIZE,
	EXEC_EOF,
	EXEC_BAD, /* no frame of this protocol: nothing that follows means anything */
};

struct exec_event {
	enum exec_event_kind kind;
	const char *data; /* DATA: points into the bytes, at least one */
	size_t length;
	uint16_t rows, columns; /* RESIZE */
};

/* Takes at most one event from the front of the bytes; returns how many bytes belong to it. */
size_t exec_input_take(struct exec_input *in, const char *bytes, size_t length,
		       struct exec_event *event);

/* The head of a frame. */
void exec_frame_head(unsigned char out[SHIM_EXEC_FRAME_HEAD], enum shim_exec_frame type,
		     uint32_t length);
