/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/*
 * Writes a line to a console, for programs that must not wait for whoever reads it: fd is O_NONBLOCK, or is known to take a line.
 * A terminal refuses such a writer (EAGAIN) not only when it is full, but also while another process is writing to it
 * (tty_write_lock() of Linux; poll() says that it is ready): a patient caller's line is tried again for up to
 * PUT_LINE_PATIENCE_MSEC, and so is the rest of one that was taken in part. A caller is patient unless its line before was lost:
 * so a console that nobody reads delays one line and no other.
 * False when the line, or its end, is lost.
 */
#define PUT_LINE_PATIENCE_MSEC 20
bool put_line(int fd, const char *line, size_t len, bool is_patient);
