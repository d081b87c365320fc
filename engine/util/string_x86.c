/* SPDX-License-Identifier: Apache-2.0 */
/*
 * musl's string functions for x86-64: its own go byte by byte or word by word, and reading units is little else than asking short
 * texts for their length, for a letter, or whether they are the same. What stands here takes the place of the C library's when the
 * programs are linked. Must never do so with glibc (tests, sanitizers), whose own are as good.
 */
#include <features.h>

#if defined(__x86_64__) && !defined(__GLIBC__)
#include "util/string_x86.h"

#include <string.h>

/* The C library calls some of them before there is a canary. */
#define EARLY __attribute__((no_stack_protector))

EARLY size_t strlen(const char *s)
{
	return x86_strlen(s);
}

EARLY char *strchrnul(const char *s, int c)
{
	return x86_strchrnul(s, c);
}

EARLY char *strchr(const char *s, int c)
{
	return x86_strchr(s, c);
}

EARLY void *memchr(const void *data, int c, size_t len)
{
	return x86_memchr(data, c, len);
}

EARLY int strcmp(const char *left, const char *right)
{
	return x86_strcmp(left, right);
}

EARLY int strncmp(const char *left, const char *right, size_t len)
{
	return x86_strncmp(left, right, len);
}

EARLY int memcmp(const void *left, const void *right, size_t len)
{
	return x86_memcmp(left, right, len);
}

EARLY char *strrchr(const char *s, int c)
{
	return x86_strrchr(s, c);
}

EARLY void *memcpy(void *restrict to, const void *restrict from, size_t len)
{
	return x86_copy(to, from, len);
}

EARLY void *memmove(void *to, const void *from, size_t len)
{
	return x86_move(to, from, len);
}
#endif
