/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The two questions of a login on the console. */
#include <stdbool.h>
#include <stddef.h>

/* Whether crypt(3) makes that hash of the password. A hash that appliance_is_password_hash() does not know fits nothing. */
bool console_password_fits(const char *password, const char *hash);
/* A line from a terminal without its end. 1: it is whole; 0: it did not fit, and out is its front; -1: nothing came within so many seconds, or
 * the terminal is gone. Blocks. */
int console_read_line(int fd, char *out, size_t size, unsigned seconds);
