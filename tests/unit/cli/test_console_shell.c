/* SPDX-License-Identifier: Apache-2.0 */
/* A login on the console: which password fits which hash, and the line that is typed. */
#include "unit_test.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/console_login.h"

/* of "correct horse", by "openssl passwd" and by libxcrypt */
#define SHA512 \
	"$6$saltsaltsaltsalt$GkzgkzVbauGAKXpOTbypQEKy/9yJWVjcvXvDw7CxoJjnJ1.w.g1rV8bhCVTpHrRrO/h6b3DAwPN3y5qmHXZ1R1"
#define SHA256 "$5$salt$VceWD7himthAFDjAznpLECWSsOgDma/ItrVvf6K05b4"
#define BCRYPT "$2y$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e"

static void the_right_password_fits(void **state)
{
	(void)state;
	assert_true(console_password_fits("correct horse", SHA512));
	assert_true(console_password_fits("correct horse", SHA256));
	assert_true(console_password_fits("correct horse", BCRYPT));
}

static void no_other_does(void **state)
{
	static const char *const bad[] = {
		"", "correct hors", "correct horsf", "Correct horse", "correct horse ", SHA512
	};
	static const char *const hashes[] = { SHA512, SHA256, BCRYPT };

	(void)state;
	for (unsigned h = 0; h < 3; h++)
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
			assert_false(console_password_fits(bad[i], hashes[h]));
}

/* What crypt(3) answers to what it does not know must not be taken for a hash. */
static void what_is_no_hash_fits_nothing(void **state)
{
	static const char *const bad[] = { "",
					   "*",
					   "*0",
					   "*1",
					   "x",
					   "!",
					   "correct horse",
					   "$6$",
					   "$6$salt$",
					   "$1$salt$qFmFH.bQmmtXzyBY0s9v70" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(console_password_fits(bad[i], bad[i]));
		assert_false(console_password_fits("", bad[i]));
		assert_false(console_password_fits("correct horse", bad[i]));
	}
}

static int read_of(const char *typed, bool is_open, char *out, size_t size)
{
	int ends[2], rc;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], typed, strlen(typed)), strlen(typed));
	if (!is_open)
		close(ends[1]);
	rc = console_read_line(ends[0], out, size, is_open ? 0 : 5);
	close(ends[0]);
	if (is_open)
		close(ends[1]);
	return rc;
}

static void a_line_is_read(void **state)
{
	char line[8];

	(void)state;
	assert_int_equal(read_of("abc\nrest", false, line, sizeof(line)), 1);
	assert_string_equal(line, "abc");
	assert_int_equal(read_of("abc\r", false, line, sizeof(line)), 1);
	assert_string_equal(line, "abc");
	assert_int_equal(read_of("\n", false, line, sizeof(line)), 1);
	assert_string_equal(line, "");
	assert_int_equal(read_of("1234567\n", false, line, sizeof(line)), 1);
	assert_int_equal(read_of("12345678\n", false, line, sizeof(line)), 0);
	assert_string_equal(line, "1234567");
	assert_int_equal(read_of("abc", false, line, sizeof(line)), -1); /* the terminal is gone */
	assert_int_equal(read_of("", true, line, sizeof(line)), -1);	 /* nobody types */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_right_password_fits),
		cmocka_unit_test(no_other_does),
		cmocka_unit_test(what_is_no_hash_fits_nothing),
		cmocka_unit_test(a_line_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
