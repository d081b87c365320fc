/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas: zeroed, aligned, never moved; vectors; and the end of a program without memory. */
#include "unit_test.h"

#include <signal.h>
#include <stdalign.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/arena.h"

static void memory_is_zeroed_aligned_and_apart(void **state)
{
	auto_arena a = { 0 };
	unsigned char *seen[500];

	(void)state;
	for (size_t i = 0; i < 500; i++) {
		size_t size = 1 + i * 7 % 300;

		seen[i] = arena_alloc(&a, size);
		assert_int_equal((uintptr_t)seen[i] % ARENA_ALIGN, 0);
		for (size_t b = 0; b < size; b++)
			assert_int_equal(seen[i][b], 0);
		memset(seen[i], (int)(i & 0xff), size);
	}
	for (size_t i = 0; i < 500; i++)
		for (size_t b = 0; b < 1 + i * 7 % 300; b++)
			assert_int_equal(seen[i][b], i & 0xff);
	assert_true(a.total_bytes >= 500);
}

static void zero_bytes_are_a_place_of_their_own(void **state)
{
	auto_arena a = { 0 };

	(void)state;
	assert_ptr_not_equal(arena_alloc(&a, 0), arena_alloc(&a, 0));
}

static void large_pieces_leave_the_shared_block_in_use(void **state)
{
	auto_arena a = { 0 };
	char *before = arena_alloc(&a, 16);
	char *large = arena_alloc(&a, 1 << 20);
	char *after = arena_alloc(&a, 16);

	(void)state;
	memset(large, 'x', 1 << 20);
	assert_ptr_equal(after, before + 16);
}

static void large_piece_first(void **state)
{
	auto_arena a = { 0 };
	char *large = arena_alloc(&a, 1 << 20);
	char *small = arena_alloc(&a, 16);

	(void)state;
	memset(large, 'x', 1 << 20);
	assert_int_equal(small[0], 0);
}

static void strings_are_copied(void **state)
{
	auto_arena a = { 0 };
	char source[] = "hello world";
	char *all = arena_strdup(&a, source);
	char *part = arena_strndup(&a, source, 5);
	char *more = arena_strndup(&a, source, 500);

	(void)state;
	source[0] = 'J';
	assert_string_equal(all, "hello world");
	assert_string_equal(part, "hello");
	assert_string_equal(more, "hello world");
	assert_string_equal(arena_strndup(&a, source, 0), "");
	assert_string_equal(arena_printf(&a, "%s-%d", "x", 42), "x-42");
	assert_int_equal(strlen(arena_printf(&a, "%0*d", 100000, 1)), 100000);
}

static void strndup_reads_no_further_than_it_may(void **state)
{
	auto_arena a = { 0 };
	char raw[4] = { 'a', 'b', 'c', 'd' }; /* no terminator */

	(void)state;
	assert_string_equal(arena_strndup(&a, raw, sizeof(raw)), "abcd");
}

struct item {
	int number;
	char pad[20];
};

static void vector_grows_with_zeroed_elements(void **state)
{
	auto_arena a = { 0 };
	struct item *items = NULL;
	size_t count = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct item *item = arena_push(&a, items, count);

		assert_int_equal(item->number, 0);
		item->number = i;
		memset(item->pad, 0xff, sizeof(item->pad));
	}
	assert_int_equal(count, 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(items[i].number, i);
}

static void element_pushed_after_a_drop_is_zeroed_again(void **state)
{
	auto_arena a = { 0 };
	int *v = NULL;
	size_t count = 0;

	(void)state;
	*arena_push(&a, v, count) = 1;
	*arena_push(&a, v, count) = 2;
	*arena_push(&a, v, count) = 3;
	*arena_push(&a, v, count) = 4;
	/* room for four: the fourth place is used again, not grown into */
	count--;
	assert_int_equal(*arena_push(&a, v, count), 0);
	assert_int_equal(v[0], 1);
	assert_int_equal(v[1], 2);
}

static void arena_may_be_used_again_after_its_end(void **state)
{
	struct arena a = { 0 };

	(void)state;
	arena_strdup(&a, "x");
	arena_fini(&a);
	assert_int_equal(a.total_bytes, 0);
	assert_string_equal(arena_strdup(&a, "y"), "y");
	arena_fini(&a);
	arena_fini(&a);
}

/* Runs fn in a child; its stderr goes to out. Returns the wait status. */
static int run_child(void (*fn)(void), char *out, size_t size)
{
	int ends[2], status;
	pid_t pid;
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		/* the sanitizer's own handler would turn the abort into an exit */
		signal(SIGABRT, SIG_DFL);
		dup2(ends[1], 2);
		fn();
		_exit(0);
	}
	close(ends[1]);
	n = read(ends[0], out, size - 1);
	out[n > 0 ? n : 0] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void allocate_too_much(void)
{
	struct arena a = { 0 };

	arena_alloc(&a, SIZE_MAX - 64);
}

static void grow_too_much(void)
{
	struct arena a = { 0 };

	arena_grow(&a, NULL, SIZE_MAX / 2 + 1, 16);
}

static void joined_texts_stand_behind_each_other(void **state)
{
	auto_arena a = { 0 };

	(void)state;
	assert_string_equal(arena_join(&a, "a", "", "bc"), "abc");
	assert_string_equal(arena_join(&a, ""), "");
}

static void reset_arena_is_empty_and_zeroed(void **state)
{
	auto_arena a = { 0 };

	(void)state;
	arena_reset(&a);
	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < 40; i++) {
			unsigned char *piece = arena_alloc(&a, 100 + i);

			for (size_t b = 0; b < 100 + i; b++)
				assert_int_equal(piece[b], 0);
			memset(piece, 'x', 100 + i);
		}
		arena_reset(&a);
		assert_int_equal(a.total_bytes, 0);
	}
	memset(arena_alloc(&a, 1 << 20), 'x', 1 << 20);
	arena_reset(&a);
	assert_int_equal(*(char *)arena_alloc(&a, 1 << 20), 0);
}

/* Beyond the first few, blocks come from the kernel by themselves. */
static void many_blocks_are_zeroed_apart_and_emptied(void **state)
{
	enum { PIECES = 2000, BYTES = 500 };
	static char *pieces[PIECES];
	struct arena a = { 0 };

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (size_t i = 0; i < PIECES; i++) {
			pieces[i] = arena_alloc(&a, BYTES);
			for (size_t k = 0; k < BYTES; k++)
				assert_int_equal(pieces[i][k], 0);
			memset(pieces[i], (int)(i % 100 + 1), BYTES);
		}
		for (size_t i = 0; i < PIECES; i++)
			for (size_t k = 0; k < BYTES; k++)
				assert_int_equal(pieces[i][k], (int)(i % 100 + 1));
		assert_true(a.total_bytes >= (size_t)PIECES * BYTES);
		if (round == 1)
			arena_fini(&a);
		else
			arena_reset(&a);
		assert_int_equal(a.total_bytes, 0);
	}
	arena_fini(&a);
}

static void texts_of_every_length_are_written(void **state)
{
	struct arena a = { 0 };
	char long_text[600];

	(void)state;
	for (size_t len = 0; len < sizeof(long_text) - 1; len++) {
		const char *text;

		memset(long_text, 'x', len);
		long_text[len] = '\0';
		text = arena_printf(&a, "%s%d", long_text, 7);
		assert_int_equal(strlen(text), len + 1);
		assert_memory_equal(text, long_text, len);
		assert_int_equal(text[len], '7');
	}
	arena_fini(&a);
}

/* What needs no printf(3) reads the same. */
static void joined_formats_say_what_printf_says(void **state)
{
	struct arena a = { 0 };
	const char *volatile none = NULL;

	(void)state;
	assert_string_equal(arena_printf(&a, "%s", ""), "");
	assert_string_equal(arena_printf(&a, "plain"), "plain");
	assert_string_equal(arena_printf(&a, "%s: %s", "left", "right"), "left: right");
	assert_string_equal(arena_printf(&a, "<%s%s>", "", "x"), "<x>");
	assert_string_equal(arena_printf(&a, "%s 100%%", "x"), "x 100%");
	assert_string_equal(arena_printf(&a, "%s %.*s|%5s", "x", 2, "long", "y"), "x lo|    y");
	assert_string_equal(arena_printf(&a, "a %s b %u", "x", 3u), "a x b 3");
	assert_string_equal(arena_printf(&a, "%s and %s", "x", none), "x and (null)");
	arena_fini(&a);
}

/* Across the sizes at which an arena takes large pages: zeroed, apart, and so again after its end. */
static void brief_arena_is_like_any_other(void **state)
{
	static unsigned char *pieces[300];
	struct arena a = { .is_brief = true };

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		for (size_t i = 0; i < 300; i++) {
			size_t size = i % 50 == 49 ? (size_t)i * 9000 : 15000;

			pieces[i] = arena_alloc(&a, size);
			for (size_t k = 0; k < size; k += 509)
				assert_int_equal(pieces[i][k], 0);
			assert_int_equal(pieces[i][size - 1], 0);
			memset(pieces[i], (int)(i % 255) + 1, size);
		}
		for (size_t i = 0; i < 300; i++)
			assert_int_equal(pieces[i][i % 50 == 49 ? i * 9000 - 1 : 14999],
					 i % 255 + 1);
		if (round == 0)
			arena_reset(&a);
		assert_true(a.is_brief);
	}
	arena_fini(&a);
	assert_true(a.is_brief);
}

/* What is said of the future changes nothing else: too much, too little, of an arena in use, of one that is not brief. */
static void expecting_changes_no_memory(void **state)
{
	static const size_t expected[] = { 0, 4096, 300 * 1000, 1500 * 1000, 64 * 1000 * 1000 };

	(void)state;
	for (unsigned brief = 0; brief < 2; brief++)
		for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
			struct arena a = { .is_brief = brief };
			unsigned char *first = arena_alloc(&a, 40), *piece;
			size_t before = a.total_bytes;

			memset(first, 7, 40);
			arena_expect(&a, expected[i]);
			arena_expect(&a, expected[i]);
			assert_int_equal(a.total_bytes, before);
			for (size_t k = 0; k < 400; k++) {
				piece = arena_alloc(&a, 7000);
				assert_int_equal(piece[0] | piece[6999], 0);
				memset(piece, 9, 7000);
			}
			assert_int_equal(first[0] + first[39], 14);
			arena_fini(&a);
		}
}

static void expecting_much_of_a_brief_arena_takes_it_at_once(void **state)
{
	struct arena brief = { .is_brief = true }, lasting = { 0 };

	(void)state;
	arena_expect(&lasting, 1000 * 1000);
	assert_int_equal(lasting.free_bytes, 0);
	arena_expect(&brief, 1000);
	assert_int_equal(brief.free_bytes, 0);
	arena_expect(&brief, 1000 * 1000);
	assert_true(brief.free_bytes >= 1000 * 1000);
	assert_int_equal(brief.total_bytes, 0);
	arena_fini(&brief);
}

/* A piece that the page has no room for left begins the next one: the arena will need that, too. */
static void a_large_brief_arena_grows_by_large_pages(void **state)
{
	struct arena a = { .is_brief = true };

	(void)state;
	arena_expect(&a, 1000 * 1000);
	arena_alloc(&a, a.free_bytes - 1000);
	arena_alloc(&a, 100 * 1000);
	assert_true(a.free_bytes >= 1000 * 1000);
	arena_fini(&a);
}

static void absorbed_memory_is_kept_and_its_room_used(void **state)
{
	for (unsigned brief = 0; brief < 2; brief++) {
		struct arena to = { .is_brief = brief }, from = { .is_brief = brief };
		char *own = arena_strdup(&to, "own"), *others;
		size_t bytes;

		(void)state;
		arena_absorb(&to, &from);
		assert_ptr_equal(arena_strdup(&to, "next"), own + ARENA_ALIGN);
		arena_alloc(&from, 500 * 1000);
		others = arena_strdup(&from, "others");
		bytes = to.total_bytes + from.total_bytes;
		arena_absorb(&to, &from);
		assert_int_equal(to.total_bytes, bytes);
		assert_null(from.head);
		assert_int_equal(from.free_bytes, 0);
		assert_int_equal(from.is_brief, brief);
		assert_ptr_equal(arena_strdup(&to, "next"), others + ARENA_ALIGN);
		arena_fini(&from);
		assert_string_equal(own, "own");
		assert_string_equal(others, "others");
		arena_fini(&to);
	}
}

/* It is the lender's: nobody else gives it back, and nobody else has it meanwhile. */
static void lent_memory_is_used_first_and_stays_the_lenders(void **state)
{
	struct arena lender = { .is_brief = true }, a = { 0 };
	char *before = arena_strdup(&lender, "before"), *first, *next;
	size_t bytes = lender.total_bytes;

	(void)state;
	arena_lend(&a, &lender, 1003);
	assert_int_equal(a.free_bytes, 1000);
	assert_true(lender.total_bytes >= bytes + 1000);
	next = arena_strdup(&lender, "next");
	first = arena_alloc(&a, 1000);
	assert_true(first > before && first + 1000 <= next);
	assert_int_equal(first[0] | first[999], 0);
	memset(first, 7, 1000);
	arena_reset(&a);
	assert_ptr_equal(arena_alloc(&a, 8), first);
	assert_int_equal(first[0] | first[999], 0);
	memset(arena_alloc(&a, 100 * 1000), 9, 100 * 1000);
	memset(arena_alloc(&a, 2000), 9, 2000);
	arena_fini(&a);
	assert_string_equal(before, "before");
	assert_string_equal(next, "next");
	arena_fini(&lender);
}

static void no_memory_ends_with_a_line(void **state)
{
	char out[256];
	int status = run_child(allocate_too_much, out, sizeof(out));

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_memory_equal(out, "out of memory: arena: ", 22);
	assert_ptr_equal(strchr(out, '\n'), out + strlen(out) - 1);
	status = run_child(grow_too_much, out, sizeof(out));
	assert_true(WIFSIGNALED(status));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
		cmocka_unit_test(zero_bytes_are_a_place_of_their_own),
		cmocka_unit_test(large_pieces_leave_the_shared_block_in_use),
		cmocka_unit_test(large_piece_first),
		cmocka_unit_test(strings_are_copied),
		cmocka_unit_test(strndup_reads_no_further_than_it_may),
		cmocka_unit_test(vector_grows_with_zeroed_elements),
		cmocka_unit_test(element_pushed_after_a_drop_is_zeroed_again),
		cmocka_unit_test(arena_may_be_used_again_after_its_end),
		cmocka_unit_test(joined_texts_stand_behind_each_other),
		cmocka_unit_test(reset_arena_is_empty_and_zeroed),
		cmocka_unit_test(many_blocks_are_zeroed_apart_and_emptied),
		cmocka_unit_test(texts_of_every_length_are_written),
		cmocka_unit_test(joined_formats_say_what_printf_says),
		cmocka_unit_test(brief_arena_is_like_any_other),
		cmocka_unit_test(expecting_changes_no_memory),
		cmocka_unit_test(expecting_much_of_a_brief_arena_takes_it_at_once),
		cmocka_unit_test(absorbed_memory_is_kept_and_its_room_used),
		cmocka_unit_test(a_large_brief_arena_grows_by_large_pages),
		cmocka_unit_test(lent_memory_is_used_first_and_stays_the_lenders),
		cmocka_unit_test(no_memory_ends_with_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
