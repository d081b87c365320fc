/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Errors as values: a fixed-size struct owned by the caller, last argument of every fallible
 * function. Functions return 0 or -1 (or a pointer or NULL), nothing else. The text goes from
 * the outermost name to the cause: "container web: mounts: /data: openat2: No such file".
 */
#include <stdarg.h>
#include <stdbool.h>

/* What a caller may decide by; the text is for people. */
enum err_code {
	ERR_NONE = 0,
	ERR_SYS,	 /* a system call failed; sys_errno holds the number */
	ERR_INPUT,	 /* somebody's file, message or argument is wrong: retrying cannot help */
	ERR_NOT_FOUND,	 /* the named thing does not exist */
	ERR_BUSY,	 /* somebody else holds it; trying later may help */
	ERR_LIMIT,	 /* a stated bound was exceeded */
	ERR_UNSUPPORTED, /* understood, but refused */
	ERR_INTEGRITY,	 /* digest, record or protocol does not fit what was promised */
	ERR_BUG,	 /* our own mistake */
};

#define ERR_MAX_BYTES 480

struct err {
	enum err_code code;
	int sys_errno;		 /* errno behind ERR_SYS, else 0 */
	bool cut;		 /* the text did not fit */
	char msg[ERR_MAX_BYTES]; /* never empty when code is set; no newline */
};

#define ERR_PRINTF(a, b) __attribute__((format(printf, a, b)))

/* In all of these err may be NULL where the reason is of no interest, arguments may point into
 * err->msg, and errno is left alone. */
/* Sets the error; returns -1. Newlines and control bytes in the result become '?'. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...) ERR_PRINTF(3, 4);
/* Sets ERR_SYS (ERR_NOT_FOUND for ENOENT) from errno, text "FMT: STRERROR"; returns -1. */
int err_sys(struct err *err, const char *fmt, ...) ERR_PRINTF(2, 3);
/* The same with an error number given as a positive number. */
int err_errno(struct err *err, int number, const char *fmt, ...) ERR_PRINTF(3, 4);
/* Puts "FMT: " before the text, keeps code and errno; returns -1. */
int err_wrap(struct err *err, const char *fmt, ...) ERR_PRINTF(2, 3);
/* Short lower-case word of a code, e.g. "input"; for JSON and logs. */
const char *err_code_name(enum err_code code);

#define MUST_CHECK __attribute__((warn_unused_result))
