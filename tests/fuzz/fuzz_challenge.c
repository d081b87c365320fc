/* SPDX-License-Identifier: Apache-2.0 */
/* WWW-Authenticate: what is understood is complete and printable, and means the same when written again. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/pull_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text)
{
	assert(text);
	for (; *text; text++)
		assert((unsigned char)*text >= ' ' || *text == '\t');
}

static void put_quoted(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *value);
	}
	buf_putc(out, '"');
}

static void write_again(const struct auth_challenge *first)
{
	auto_buf header = BUF_INIT(128 * 1024);
	auto_arena arena = { 0 };
	struct auth_challenge second;
	struct err err;

	buf_puts(&header, "Bearer ");
	put_quoted(&header, "realm", first->realm);
	buf_puts(&header, " , ");
	put_quoted(&header, "scope", first->scope);
	buf_puts(&header, ",,Basic x=1");
	if (header.len > 16 * 1024)
		return;
	assert(auth_challenge_parse(header.data, header.len, &arena, &second, &err) == 0);
	assert(second.kind == AUTH_BEARER && strcmp(second.realm, first->realm) == 0);
	assert(strcmp(second.scope, first->scope) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct auth_challenge out;
	auto_arena arena = { 0 };
	struct err err = { 0 };

	if (auth_challenge_parse((const char *)data, size, &arena, &out, &err) < 0) {
		assert(err.code != ERR_NONE && err.msg[0]);
		return 0;
	}
	check_text(out.realm);
	check_text(out.service);
	check_text(out.scope);
	check_text(out.error);
	check_text(out.scheme);
	assert(out.kind == AUTH_NONE || out.scheme[0]);
	if (out.kind == AUTH_BEARER) {
		assert(out.realm[0]);
		write_again(&out);
	}
	return 0;
}
