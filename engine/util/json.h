/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Writing JSON: a small streaming writer over a bounded buffer; commas and escapes are its
 * business. (Reading is yyjson's.) Invalid UTF-8 becomes U+FFFD. key is NULL inside arrays. */
#include <stdbool.h>
#include <stdint.h>

#include "util/buf.h"

struct json {
	struct buf *out; /* borrowed */
	bool pretty;	 /* newline and two blanks a level */
	unsigned depth;
	bool first;
};

#define JSON_TO(buffer)                        \
	{                                      \
		.out = (buffer), .first = true \
	}

void json_object(struct json *j, const char *key);
void json_object_end(struct json *j);
void json_array(struct json *j, const char *key);
void json_array_end(struct json *j);
void json_str(struct json *j, const char *key, const char *value); /* NULL value: null */
void json_strn(struct json *j, const char *key, const char *value, size_t len);
void json_int(struct json *j, const char *key, int64_t value);
void json_uint(struct json *j, const char *key, uint64_t value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);
/* A value that is JSON already. */
void json_raw(struct json *j, const char *key, const char *value);
