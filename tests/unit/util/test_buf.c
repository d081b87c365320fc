/* SPDX-License-Identifier: Apache-2.0 */
/* The bounded buffer: growth, the bound, what a failed append leaves. */
#include "unit_test.h"

#include "util/buf.h"

static void grows_and_terminates(void **state)
{
	auto_buf b = BUF_INIT(100000);

	(void)state;
	assert_string_equal(buf_str(&b), "");
	for (int i = 0; i < 5000; i++) {
		assert_int_equal(buf_printf(&b, "%d,", i % 10), 0);
		assert_int_equal(strlen(b.data), b.len);
	}
	assert_int_equal(b.len, 10000);
	assert_memory_equal(b.data, "0,1,2,3,", 8);
}

/* The array is behind the reach of the address sanitizer when it is outgrown. */
static void begins_in_an_array_that_is_lent(void **state)
{
	char first[8] = "garbage", small[16];
	struct buf b = BUF_IN(first, 100);
	auto_buf bounded = BUF_IN(small, 4);

	(void)state;
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(buf_puts(&b, "1234567"), 0);
	assert_ptr_equal(b.data, first);
	assert_int_equal(buf_putc(&b, '8'), 0);
	assert_ptr_not_equal(b.data, first);
	assert_string_equal(first, "1234567");
	assert_string_equal(buf_str(&b), "12345678");
	for (int i = 0; i < 92; i++)
		assert_int_equal(buf_putc(&b, 'x'), 0);
	assert_int_equal(buf_putc(&b, 'x'), -1);
	buf_fini(&b);
	assert_int_equal(buf_puts(&b, "again"), 0);
	assert_ptr_not_equal(b.data, first);
	buf_fini(&b);
	/* An array that is larger than the bound. */
	assert_int_equal(buf_puts(&bounded, "1234"), 0);
	assert_int_equal(buf_putc(&bounded, '5'), -1);
	assert_string_equal(buf_str(&bounded), "1234");
}

static void holds_exactly_its_maximum(void **state)
{
	auto_buf b = BUF_INIT(8);

	(void)state;
	assert_int_equal(buf_puts(&b, "1234567"), 0);
	assert_int_equal(buf_putc(&b, '8'), 0);
	assert_string_equal(buf_str(&b), "12345678");
	assert_int_equal(buf_putc(&b, '9'), -1);
	assert_string_equal(buf_str(&b), "12345678");
}

static void failed_append_keeps_contents_and_fails_on(void **state)
{
	auto_buf b = BUF_INIT(8);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(buf_puts(&b, "abc"), 0);
	assert_int_equal(buf_check(&b, "document", &err), 0);
	assert_int_equal(buf_puts(&b, "123456"), -1);
	assert_string_equal(buf_str(&b), "abc");
	assert_int_equal(buf_putc(&b, 'd'), -1);
	assert_int_equal(buf_printf(&b, "%s", "d"), -1);
	assert_int_equal(buf_add(&b, "", 0), -1);
	assert_string_equal(buf_str(&b), "abc");
	assert_int_equal(buf_check(&b, "document", &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_non_null(strstr(err.msg, "document: "));
	assert_non_null(strstr(err.msg, "8 bytes"));
}

static void room_counts_when_it_is_taken(void **state)
{
	auto_buf b = BUF_INIT(8);
	char *room;

	(void)state;
	assert_int_equal(buf_puts(&b, "abc"), 0);
	room = buf_room(&b, 5);
	assert_non_null(room);
	memset(room, 'x', 5);
	buf_took(&b, 2);
	assert_string_equal(buf_str(&b), "abcxx");
	assert_null(buf_room(&b, 4));
	assert_true(b.failed);
	assert_string_equal(buf_str(&b), "abcxx");
}

static void failed_printf_leaves_no_half(void **state)
{
	auto_buf b = BUF_INIT(10);

	(void)state;
	assert_int_equal(buf_puts(&b, "abc"), 0);
	assert_int_equal(buf_printf(&b, "%s", "12345678"), -1);
	assert_string_equal(buf_str(&b), "abc");
	assert_int_equal(b.len, 3);
	assert_true(b.failed);
}

static void printf_that_fits_the_bound_but_not_the_memory_yet(void **state)
{
	auto_buf b = BUF_INIT(1000);
	char longer[901];

	(void)state;
	memset(longer, 'y', 900);
	longer[900] = '\0';
	assert_int_equal(buf_printf(&b, "<%s>", longer), 0);
	assert_int_equal(b.len, 902);
	assert_int_equal(b.data[901], '>');
	assert_int_equal(b.data[902], '\0');
}

static void bound_holds_for_printf_within_allocated_memory(void **state)
{
	/* the first allocation is larger than the maximum leaves room for */
	auto_buf b = BUF_INIT(4);

	(void)state;
	assert_int_equal(buf_printf(&b, "%s", "12345"), -1);
	assert_string_equal(buf_str(&b), "");
	buf_clear(&b);
	assert_int_equal(buf_printf(&b, "%s", "1234"), 0);
	assert_string_equal(buf_str(&b), "1234");
}

static void maximum_of_zero_takes_nothing(void **state)
{
	auto_buf b = BUF_INIT(0);

	(void)state;
	assert_int_equal(buf_puts(&b, ""), 0);
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(buf_putc(&b, 'a'), -1);
}

static void huge_length_is_refused(void **state)
{
	auto_buf b = BUF_INIT(SIZE_MAX);

	(void)state;
	assert_int_equal(buf_puts(&b, "abc"), 0);
	assert_int_equal(buf_add(&b, "x", SIZE_MAX - 2), -1);
	assert_string_equal(buf_str(&b), "abc");
}

static void clear_forgives_and_keeps_memory(void **state)
{
	auto_buf b = BUF_INIT(4);

	(void)state;
	assert_int_equal(buf_puts(&b, "12345"), -1);
	buf_clear(&b);
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(buf_puts(&b, "1234"), 0);

	size_t cap = b.cap;

	buf_clear(&b);
	assert_int_equal(b.cap, cap);
	assert_string_equal(buf_str(&b), "");
}

static void consume_drops_the_front(void **state)
{
	auto_buf b = BUF_INIT(16);

	(void)state;
	buf_consume(&b, 0);
	assert_int_equal(buf_puts(&b, "abcdef"), 0);
	buf_consume(&b, 2);
	assert_string_equal(buf_str(&b), "cdef");
	buf_consume(&b, 4);
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(b.len, 0);
}

static void binary_data_is_kept(void **state)
{
	auto_buf b = BUF_INIT(16);

	(void)state;
	assert_int_equal(buf_add(&b, "a\0b", 3), 0);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "a\0b", 4);
}

static void room_is_given_to_be_filled_in(void **state)
{
	auto_buf b = BUF_INIT(8);
	char *at;

	(void)state;
	assert_int_equal(buf_puts(&b, "ab"), 0);
	at = buf_extend(&b, 6);
	assert_non_null(at);
	memcpy(at, "cdefgh", 6);
	assert_string_equal(buf_str(&b), "abcdefgh");
	assert_null(buf_extend(&b, 1));
	assert_string_equal(buf_str(&b), "abcdefgh");
	assert_true(b.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_terminates),
		cmocka_unit_test(begins_in_an_array_that_is_lent),
		cmocka_unit_test(holds_exactly_its_maximum),
		cmocka_unit_test(failed_append_keeps_contents_and_fails_on),
		cmocka_unit_test(room_counts_when_it_is_taken),
		cmocka_unit_test(failed_printf_leaves_no_half),
		cmocka_unit_test(printf_that_fits_the_bound_but_not_the_memory_yet),
		cmocka_unit_test(bound_holds_for_printf_within_allocated_memory),
		cmocka_unit_test(maximum_of_zero_takes_nothing),
		cmocka_unit_test(huge_length_is_refused),
		cmocka_unit_test(clear_forgives_and_keeps_memory),
		cmocka_unit_test(consume_drops_the_front),
		cmocka_unit_test(binary_data_is_kept),
		cmocka_unit_test(room_is_given_to_be_filled_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
