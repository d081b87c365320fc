/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Put before every file that an analyzer reads (make check), never before one that is compiled for use. Analyzers look at one
 * file at a time: they do not see that the functions of util/err.h return -1 always, and follow paths after an error that
 * do not exist.
 */
#include "util/err.h"

#define err_set(...) ((void)(err_set)(__VA_ARGS__), -1)
#define err_sys(...) ((void)(err_sys)(__VA_ARGS__), -1)
#define err_errno(...) ((void)(err_errno)(__VA_ARGS__), -1)
#define err_wrap(...) ((void)(err_wrap)(__VA_ARGS__), -1)

/* An arena ends the process rather than return NULL. */
#include "util/arena.h"

void *arena_alloc(struct arena *a, size_t size) __attribute__((returns_nonnull));
char *arena_strndup(struct arena *a, const char *s, size_t n) __attribute__((returns_nonnull));
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((returns_nonnull));
void *arena_grow(struct arena *a, void *vec, size_t count, size_t elem_size)
	__attribute__((returns_nonnull));
