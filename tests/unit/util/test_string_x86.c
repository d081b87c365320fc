/* SPDX-License-Identifier: Apache-2.0 */
/* The string functions that the programs have in place of musl's, against those of this C library: at every alignment, and at the
 * edge of what is mapped. */
#include "unit_test.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "util/string_x86.h"

#ifdef __x86_64__
#define PAGE ((size_t)4096)
#define LONGEST ((size_t)80)

/* Two pages, and nothing behind them. */
static char *edge_make(void)
{
	char *pages =
		mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(pages, MAP_FAILED);
	assert_int_equal(mprotect(pages + 2 * PAGE, PAGE, PROT_NONE), 0);
	memset(pages, 'x', 2 * PAGE);
	return pages + 2 * PAGE;
}

static void edge_free(char *edge)
{
	assert_int_equal(munmap(edge - 2 * PAGE, 3 * PAGE), 0);
}

static int sign(int order)
{
	return (order > 0) - (order < 0);
}

static void text_is_measured_and_searched(const char *s, size_t len)
{
	assert_int_equal(x86_strlen(s), len);
	for (size_t i = 0; i <= len; i++) {
		assert_ptr_equal(x86_strchr(s, s[i]), strchr(s, s[i]));
		assert_ptr_equal(x86_strrchr(s, s[i]), strrchr(s, s[i]));
		assert_ptr_equal(x86_strchrnul(s, s[i]), strchrnul(s, s[i]));
		assert_ptr_equal(x86_memchr(s, s[i], len + 1), memchr(s, s[i], len + 1));
		assert_ptr_equal(x86_memchr(s, s[i], i), memchr(s, s[i], i));
	}
	assert_null(x86_strchr(s, '#'));
	assert_null(x86_strrchr(s, '#'));
	assert_ptr_equal(x86_strchrnul(s, '#'), s + len);
	assert_null(x86_memchr(s, '#', len + 1));
	assert_null(x86_memchr(s, '#', 0));
}

/* Bytes above 127 among them, and a # before the text, which must not be found. */
static void fill(char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		s[i] = (char)(0x80 + i % 0x7f);
	s[len] = '\0';
	s[-1] = '#';
}

static void texts_at_every_alignment(void **state)
{
	char *edge = edge_make();

	(void)state;
	for (size_t len = 0; len < LONGEST; len++)
		for (size_t gap = 0; gap < 20; gap++) {
			char *s = edge - 1 - len - gap;

			memset(s, '#', len + gap + 1);
			fill(s, len);
			text_is_measured_and_searched(s, len);
		}
	edge_free(edge);
}

static void the_last_of_several_is_found(void **state)
{
	char *edge = edge_make();

	(void)state;
	for (size_t len = 2; len < LONGEST; len++)
		for (size_t at = 0; at < len; at++) {
			char *s = edge - 1 - len;

			fill(s, len);
			s[0] = s[at] = 'y';
			assert_ptr_equal(x86_strrchr(s, 'y'), s + at);
		}
	edge_free(edge);
}

static void memchr_takes_a_length_without_end(void **state)
{
	const char text[] = "0123456789abcdefghijklmnop";

	(void)state;
	assert_ptr_equal(x86_memchr(text, 'k', SIZE_MAX), text + 20);
	assert_ptr_equal(x86_memchr(text, 'k', SIZE_MAX - (uintptr_t)text), text + 20);
}

static void compare(const char *a, const char *b)
{
	size_t least = strlen(a) < strlen(b) ? strlen(a) : strlen(b);

	/* those around the step are met as least + 1, too */
	for (size_t len = 0; len <= least + 1; len += least < 8 ? 1 : least / 8) {
		assert_int_equal(sign(x86_memcmp(a, b, len)), sign(memcmp(a, b, len)));
		assert_int_equal(sign(x86_strncmp(a, b, len)), sign(strncmp(a, b, len)));
	}
	assert_int_equal(sign(x86_memcmp(a, b, least + 1)), sign(memcmp(a, b, least + 1)));
	assert_int_equal(sign(x86_strncmp(a, b, least)), sign(strncmp(a, b, least)));
	assert_int_equal(sign(x86_strncmp(a, b, SIZE_MAX)), sign(strcmp(a, b)));
	assert_int_equal(sign(x86_strcmp(a, b)), sign(strcmp(a, b)));
	assert_int_equal(sign(x86_strcmp(b, a)), sign(strcmp(b, a)));
}

static void texts_are_compared_as_unsigned_bytes(void **state)
{
	char *left = edge_make(), *right = edge_make();

	(void)state;
	for (size_t len = 0; len < LONGEST; len++)
		for (size_t gap = 0; gap < 20; gap++) {
			char *a = left - 1 - len, *b = right - 1 - len - gap;

			fill(a, len);
			fill(b, len);
			compare(a, b);
			for (size_t i = 0; i < len; i += 3) {
				char kept = b[i];

				b[i] = 'a';
				compare(a, b);
				b[i] = '\0';
				compare(a, b);
				b[i] = kept;
			}
		}
	edge_free(left);
	edge_free(right);
}

static const size_t lengths[] = { 0,  1,  2,  3,  4,  5,  7,   8,   9,	  15,	16,   17,
				  31, 32, 33, 63, 64, 65, 127, 200, 1023, 1024, 1025, 2000 };

static void pieces_are_copied_and_nothing_beside_them(void **state)
{
	static char from[2100], to[2100], wanted[2100];

	(void)state;
	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (char)(i * 7 + 1);
	for (size_t k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++)
		for (size_t shift = 0; shift < 33; shift++) {
			memset(to, 0, sizeof(to));
			memset(wanted, 0, sizeof(wanted));
			memcpy(wanted + shift, from + shift / 2, lengths[k]);
			assert_ptr_equal(x86_copy(to + shift, from + shift / 2, lengths[k]),
					 to + shift);
			assert_memory_equal(to, wanted, sizeof(to));
		}
}

static void move(size_t to, size_t from, size_t len)
{
	static char moved[2200], wanted[2200];

	for (size_t i = 0; i < sizeof(moved); i++)
		moved[i] = wanted[i] = (char)(i * 11 + 3);
	memmove(wanted + to, wanted + from, len);
	assert_ptr_equal(x86_move(moved + to, moved + from, len), moved + to);
	assert_memory_equal(moved, wanted, sizeof(moved));
}

static void pieces_that_overlap_are_moved_either_way(void **state)
{
	(void)state;
	for (size_t k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++)
		for (size_t shift = 0; shift < 67; shift++) {
			move(100, 100 - shift, lengths[k]);
			move(100, 100 + shift, lengths[k]);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_at_every_alignment),
		cmocka_unit_test(the_last_of_several_is_found),
		cmocka_unit_test(memchr_takes_a_length_without_end),
		cmocka_unit_test(texts_are_compared_as_unsigned_bytes),
		cmocka_unit_test(pieces_are_copied_and_nothing_beside_them),
		cmocka_unit_test(pieces_that_overlap_are_moved_either_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
/* Every other machine has the C library's own. */
int main(void)
{
	return 0;
}
#endif
