/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets: names, the two places, records, and everything that a record or a file must not be. */
#include "unit_test.h"

#include "scratch.h"
#include "util/secret.h"
#include "util/str.h"

static struct secret_places places_in(const struct scratch *s)
{
	static char config[96], store[96];

	snprintf(config, sizeof(config), "%s/config", s->path);
	snprintf(store, sizeof(store), "%s/data/secrets", s->path);
	return (struct secret_places){ config, store };
}

static void assert_text(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void names(void **state)
{
	char longest[SECRET_NAME_MAX + 2];

	(void)state;
	memset(longest, 'n', sizeof(longest));
	longest[SECRET_NAME_MAX] = '\0';
	assert_true(secret_name_is_valid("a"));
	assert_true(secret_name_is_valid("db_password.v2-x"));
	assert_true(secret_name_is_valid("with blank@home"));
	assert_true(secret_name_is_valid(longest));
	longest[SECRET_NAME_MAX] = 'n';
	longest[SECRET_NAME_MAX + 1] = '\0';
	assert_false(secret_name_is_valid(longest));
	for (const char *const *name =
		     (const char *const[]){ "", ".", "..", ".x", "a/b", "a=b", "a,b", "a\nb",
					    "a\tb", "a\x7f", NULL };
	     *name; name++)
		if (secret_name_is_valid(*name))
			fail_msg("\"%s\" is valid", *name);
}

static void read_back(const struct secret_places *places, const char *name, const char *value,
		      bool is_config)
{
	struct secret_file file;
	struct err err = { 0 };
	char got[4096] = "";

	if (secret_open(places, name, &file, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(file.length, strlen(value));
	assert_true(file.is_config == is_config);
	assert_int_equal(secret_read(&file, got, &err), 0);
	assert_memory_equal(got, value, strlen(value));
	close(file.fd);
}

static int put(const struct secret_places *places, const char *name, const char *value,
	       enum secret_put how, char id[SECRET_ID_LEN + 1], struct err *err)
{
	return secret_put(places, name, how, NULL, value, strlen(value), id, err);
}

static void a_file_of_the_config_wins(void **state)
{
	struct secret_places places = places_in(*state);
	unsigned fds = count_fds();
	char id[SECRET_ID_LEN + 1];
	struct err err;

	scratch_mkdir(*state, "config");
	assert_int_equal(put(&places, "both", "of the store", SECRET_NEW, id, &err), 0);
	read_back(&places, "both", "of the store", false);
	scratch_write(*state, "config/both", "of the config");
	read_back(&places, "both", "of the config", true);
	assert_int_equal(count_fds(), fds);
}

static void a_missing_one_names_both_places(void **state)
{
	struct secret_places places = places_in(*state);
	struct secret_file file;
	struct err err;

	assert_int_equal(secret_open(&places, "db", &file, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(file.fd, -1);
	assert_text(err.msg, places.config_dir);
	assert_text(err.msg, places.store_dir);
	assert_text(err.msg, "cleat secret create");
	assert_int_equal(secret_open(&places, "../db", &file, &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
}

static void what_is_no_secret(void **state)
{
	static char large[SECRET_MAX_BYTES + 2];
	struct secret_places places = places_in(*state);
	struct secret_file file;
	struct err err;

	memset(large, 'x', SECRET_MAX_BYTES + 1);
	scratch_mkdir(*state, "config");
	scratch_mkdir(*state, "config/folder");
	scratch_write(*state, "config/empty", "");
	scratch_write(*state, "config/large", large);
	assert_int_equal(mkfifoat(((struct scratch *)*state)->fd, "config/fifo", 0600), 0);
	for (const char *const *row =
		     (const char *const[]){ "folder", "not a regular file", "fifo",
					    "not a regular file", "empty", "is empty", "large",
					    "has 512001 bytes", NULL };
	     *row; row += 2) {
		assert_int_equal(secret_open(&places, row[0], &file, &err), -1);
		assert_text(err.msg, row[1]);
		assert_text(err.msg, row[0]);
		assert_int_not_equal(err.code, ERR_NOT_FOUND);
	}
	large[SECRET_MAX_BYTES] = '\0';
	scratch_write(*state, "config/large", large);
	assert_int_equal(secret_open(&places, "large", &file, &err), 0);
	assert_int_equal(file.length, SECRET_MAX_BYTES);
	close(file.fd);
}

static void a_file_that_shrinks_is_noticed(void **state)
{
	struct secret_places places = places_in(*state);
	struct secret_file file;
	struct err err;
	char out[16];

	scratch_mkdir(*state, "config");
	scratch_write(*state, "config/a", "0123456789");
	assert_int_equal(secret_open(&places, "a", &file, &err), 0);
	scratch_write(*state, "config/a", "0");
	assert_int_equal(secret_read(&file, out, &err), -1);
	assert_int_equal(err.code, ERR_INTEGRITY);
	close(file.fd);
}

static void putting_and_replacing(void **state)
{
	struct secret_places places = places_in(*state);
	char first[SECRET_ID_LEN + 1], second[SECRET_ID_LEN + 1];
	struct secret_info *items;
	struct arena arena = { 0 };
	struct err err;
	struct stat st;
	size_t count;

	assert_int_equal(put(&places, "a", "one", SECRET_NEW, first, &err), 0);
	assert_true(str_is_hex(first, SECRET_ID_LEN));
	assert_int_equal(stat(places.store_dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(put(&places, "a", "two", SECRET_NEW, second, &err), -1);
	assert_int_equal(err.code, ERR_BUSY);
	read_back(&places, "a", "one", false);
	assert_int_equal(secret_list(&places, &arena, &items, &count, &err), 0);
	assert_int_equal(count, 1);
	assert_string_equal(items[0].id, first);

	int64_t created = items[0].created_real_usec;

	assert_int_equal(put(&places, "a", "two", SECRET_REPLACE, second, &err), 0);
	read_back(&places, "a", "two", false);
	assert_int_equal(secret_list(&places, &arena, &items, &count, &err), 0);
	assert_string_equal(items[0].id, second);
	assert_int_equal(items[0].created_real_usec, created);
	assert_true(items[0].updated_real_usec >= created);
	assert_int_equal(put(&places, "new", "x", SECRET_REPLACE, second, &err), 0);
	assert_int_equal(scratch_count(*state, "data/secrets"), 2);
	arena_fini(&arena);
}

static void what_cannot_be_put(void **state)
{
	static char large[SECRET_MAX_BYTES + 1], label[SECRET_LABELS_MAX_BYTES + 1];
	struct secret_places places = places_in(*state);
	char id[SECRET_ID_LEN + 1];
	const char *labels[] = { "no-value", NULL };
	struct err err;

	assert_int_equal(secret_put(&places, "a", SECRET_NEW, NULL, "", 0, id, &err), -1);
	assert_text(err.msg, "is empty");
	assert_int_equal(secret_put(&places, "a", SECRET_NEW, NULL, large, sizeof(large), id, &err),
			 -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_int_equal(put(&places, "a/b", "x", SECRET_NEW, id, &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
	assert_int_equal(secret_put(&places, "a", SECRET_NEW, labels, "x", 1, id, &err), -1);
	assert_text(err.msg, "is not NAME=VALUE");
	labels[0] = "=x";
	assert_int_equal(secret_put(&places, "a", SECRET_NEW, labels, "x", 1, id, &err), -1);
	memset(label, 'l', sizeof(label) - 1);
	label[1] = '=';
	labels[0] = label;
	assert_int_equal(secret_put(&places, "a", SECRET_NEW, labels, "x", 1, id, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_false(scratch_exists(*state, "data"));
}

static void listing(void **state)
{
	struct secret_places places = places_in(*state);
	const char *labels[] = { "tier=db", "a=b=c", NULL };
	char id[SECRET_ID_LEN + 1];
	struct secret_info *items;
	struct arena arena = { 0 };
	struct err err;
	size_t count = 7;

	assert_int_equal(secret_list(&places, &arena, &items, &count, &err), 0);
	assert_int_equal(count, 0);
	scratch_mkdir(*state, "config");
	scratch_mkdir(*state, "config/folder");
	scratch_write(*state, "config/.hidden", "x");
	scratch_write(*state, "config/both", "x");
	scratch_write(*state, "config/z", "x");
	assert_int_equal(put(&places, "both", "y", SECRET_NEW, id, &err), 0);
	assert_int_equal(secret_put(&places, "m", SECRET_NEW, labels, "y", 1, id, &err), 0);
	assert_int_equal(secret_list(&places, &arena, &items, &count, &err), 0);
	assert_int_equal(count, 3);
	assert_string_equal(items[0].name, "both");
	assert_true(items[0].is_config);
	assert_true(str_is_hex(items[0].id, SECRET_ID_LEN));
	assert_null(items[0].labels);
	assert_string_equal(items[1].name, "m");
	assert_string_equal(items[1].id, id);
	assert_string_equal(items[1].labels[0], "tier=db");
	assert_string_equal(items[1].labels[1], "a=b=c");
	assert_null(items[1].labels[2]);
	assert_string_equal(items[2].name, "z");
	arena_fini(&arena);
}

static void removing(void **state)
{
	struct secret_places places = places_in(*state);
	char id[SECRET_ID_LEN + 1];
	struct err err;

	assert_int_equal(secret_remove(&places, "a", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(put(&places, "a", "x", SECRET_NEW, id, &err), 0);
	assert_int_equal(secret_remove(&places, "b", &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(secret_remove(&places, "../secrets", &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
	assert_int_equal(secret_remove(&places, "a", &err), 0);
	assert_int_equal(scratch_count(*state, "data/secrets"), 0);
}

/* Every byte of the head changed, every length: an error or another secret, never more than the
 * file has. */
static void damaged_records(void **state)
{
	struct secret_places places = places_in(*state);
	char id[SECRET_ID_LEN + 1], whole[512], value[SECRET_MAX_BYTES];
	struct secret_info *items;
	struct secret_file file;
	struct err err;
	size_t count;

	assert_int_equal(put(&places, "a", "value", SECRET_NEW, id, &err), 0);

	int fd = openat(((struct scratch *)*state)->fd, "data/secrets/a", O_RDWR | O_CLOEXEC);
	ssize_t size = read(fd, whole, sizeof(whole));

	assert_true(size > 5 && size < (ssize_t)sizeof(whole));
	for (ssize_t length = 0; length < size; length++) {
		assert_int_equal(ftruncate(fd, length), 0);
		assert_int_equal(secret_open(&places, "a", &file, &err), -1);
		assert_int_equal(err.code, ERR_INTEGRITY);
		assert_int_equal(pwrite(fd, whole, (size_t)size, 0), size);
	}
	for (ssize_t i = 0; i < size; i++) {
		struct arena arena = { 0 };
		char byte = (char)~whole[i];

		assert_int_equal(pwrite(fd, &byte, 1, i), 1);
		if (secret_open(&places, "a", &file, &err) == 0) {
			assert_true(file.offset + file.length <= (uint64_t)size);
			assert_int_equal(secret_read(&file, value, &err), 0);
			close(file.fd);
		} else {
			assert_int_equal(err.code, ERR_INTEGRITY);
			assert_int_equal(secret_list(&places, &arena, &items, &count, &err), -1);
		}
		assert_int_equal(pwrite(fd, &whole[i], 1, i), 1);
		arena_fini(&arena);
	}
	close(fd);
	read_back(&places, "a", "value", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		scratch_test(a_file_of_the_config_wins),
		scratch_test(a_missing_one_names_both_places),
		scratch_test(what_is_no_secret),
		scratch_test(a_file_that_shrinks_is_noticed),
		scratch_test(putting_and_replacing),
		scratch_test(what_cannot_be_put),
		scratch_test(listing),
		scratch_test(removing),
		scratch_test(damaged_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
