/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors as values. Everything here works on the caller's fixed struct: no allocation, so an
 * error can be made when memory is what ran out, and crossed over a pipe as it is. Must never
 * change errno (callers build two messages from one failure) and never produce a second line.
 */
#include "util/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A truncated text must not end inside a UTF-8 sequence: it goes to JSON and terminals. */
static size_t trim_partial_utf8(const char *s, size_t len)
{
	size_t start = len;

	while (start > 0 && len - start < 3 && ((unsigned char)s[start - 1] & 0xc0) == 0x80)
		start--;
	if (start == 0)
		return len;

	unsigned char lead = (unsigned char)s[start - 1];
	size_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;

	return need > len - start + 1 ? start - 1 : len;
}

/* text may hold what err->msg held: it is always a separate buffer, so arguments may point into
 * the error that is being replaced. */
static void err_store(struct err *err, const char *text, bool cut)
{
	size_t len = strlen(text);

	if (cut)
		len = trim_partial_utf8(text, len);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		err->msg[i] = c < 0x20 || c == 0x7f ? '?' : text[i];
	}
	err->msg[len] = '\0';
	err->cut = cut;
}

/* Returns false when the text was cut. A format that cannot be printed counts as empty. */
static bool err_format(char *out, size_t size, const char *fmt, va_list ap) ERR_PRINTF(3, 0);
static bool err_format(char *out, size_t size, const char *fmt, va_list ap)
{
	int n = vsnprintf(out, size, fmt, ap);

	if (n < 0)
		out[0] = '\0';
	return n < 0 || (size_t)n < size;
}

/* Appends ": tail"; false when it was cut. */
static bool err_append(char *out, size_t size, const char *tail)
{
	size_t len = strlen(out);
	int n = snprintf(out + len, size - len, "%s%s", len ? ": " : "", tail);

	return n >= 0 && (size_t)n < size - len;
}

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
	char text[ERR_MAX_BYTES];
	int saved = errno;
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);

	bool whole = err_format(text, sizeof(text), fmt, ap);

	va_end(ap);
	if (text[0] == '\0')
		whole = err_append(text, sizeof(text), "no reason given");
	err->code = code;
	err->sys_errno = 0;
	err_store(err, text, !whole);
	errno = saved;
	return -1;
}

static int err_number(struct err *err, int number, const char *fmt, va_list ap) ERR_PRINTF(3, 0);
static int err_number(struct err *err, int number, const char *fmt, va_list ap)
{
	char text[ERR_MAX_BYTES];
	int saved = errno;

	if (!err)
		return -1;

	bool whole = err_format(text, sizeof(text), fmt, ap);

	if (whole)
		whole = err_append(text, sizeof(text), strerror(number));
	err->code = number == ENOENT ? ERR_NOT_FOUND : ERR_SYS;
	err->sys_errno = number;
	err_store(err, text, !whole);
	errno = saved;
	return -1;
}

int err_sys(struct err *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_number(err, errno, fmt, ap);
	va_end(ap);
	return -1;
}

int err_errno(struct err *err, int number, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	err_number(err, number, fmt, ap);
	va_end(ap);
	return -1;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	char text[ERR_MAX_BYTES];
	int saved = errno;
	va_list ap;

	if (!err)
		return -1;
	if (err->code == ERR_NONE)
		err_set(err, ERR_BUG, "no reason given");
	va_start(ap, fmt);

	bool whole = err_format(text, sizeof(text), fmt, ap);

	va_end(ap);
	if (whole)
		whole = err_append(text, sizeof(text), err->msg);
	err_store(err, text, !whole || err->cut);
	errno = saved;
	return -1;
}

const char *err_code_name(enum err_code code)
{
	switch (code) {
	case ERR_NONE:
		return "none";
	case ERR_SYS:
		return "system";
	case ERR_INPUT:
		return "input";
	case ERR_NOT_FOUND:
		return "not-found";
	case ERR_BUSY:
		return "busy";
	case ERR_LIMIT:
		return "limit";
	case ERR_UNSUPPORTED:
		return "unsupported";
	case ERR_INTEGRITY:
		return "integrity";
	case ERR_BUG:
		return "bug";
	}
	return "unknown";
}
