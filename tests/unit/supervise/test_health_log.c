/* SPDX-License-Identifier: Apache-2.0 */
/* The record of health check results: what is kept, what a torn or later one is, Docker's form. */
#include "unit_test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "supervise/health_log.h"
#include "util/file.h"
#include "util/str.h"

struct fixture {
	char folder[64], path[96];
	struct arena arena;
	struct err err;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	str_copy(f->folder, sizeof(f->folder), "/tmp/health-log-XXXXXX");
	if (!mkdtemp(f->folder))
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/health", f->folder);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	rmdir(f->folder);
	arena_fini(&f->arena);
	free(f);
	return 0;
}

static void add(struct fixture *f, int code, const char *output, unsigned max_count)
{
	struct health_result result = { .start_real_usec = 1000000 * (int64_t)code,
					.end_real_usec = 1000000 * (int64_t)code + 5,
					.exit_code = code,
					.startup = code == 1,
					.output = output };

	assert_int_equal(health_log_add(f->path, &result, max_count, &f->err), 0);
}

static struct health_log read_back(struct fixture *f)
{
	struct health_log log;

	assert_int_equal(health_log_read(f->path, &f->arena, &log, &f->err), 0);
	return log;
}

static void no_file_is_an_empty_log(void **state)
{
	assert_int_equal(read_back(*state).count, 0);
}

static void results_come_back_as_they_were(void **state)
{
	struct fixture *f = *state;
	struct health_log log;

	add(f, 1, "one", 5);
	add(f, -1, "", 5);
	log = read_back(f);
	assert_int_equal(log.count, 2);
	assert_string_equal(log.items[0].output, "one");
	assert_true(log.items[0].startup);
	assert_int_equal(log.items[0].start_real_usec, 1000000);
	assert_int_equal(log.items[0].end_real_usec, 1000005);
	assert_int_equal(log.items[1].exit_code, -1);
	assert_false(log.items[1].startup);
	assert_string_equal(log.items[1].output, "");
}

static void the_oldest_go_first(void **state)
{
	struct fixture *f = *state;
	struct health_log log;

	for (int i = 0; i < 9; i++)
		add(f, i, "x", 3);
	log = read_back(f);
	assert_int_equal(log.count, 3);
	assert_int_equal(log.items[0].exit_code, 6);
	assert_int_equal(log.items[2].exit_code, 8);
	add(f, 9, "x", 1); /* a unit that keeps fewer now */
	log = read_back(f);
	assert_int_equal(log.count, 1);
	assert_int_equal(log.items[0].exit_code, 9);
}

static void there_is_always_a_limit(void **state)
{
	struct fixture *f = *state;
	char text[HEALTH_LOG_MAX_TEXT + 100];

	memset(text, 'y', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (unsigned i = 0; i < HEALTH_LOG_MAX_COUNT + 5; i++)
		add(f, (int)i, text, 0);
	assert_int_equal(read_back(f).count, HEALTH_LOG_MAX_COUNT);
	assert_int_equal(strlen(read_back(f).items[0].output), HEALTH_LOG_MAX_TEXT);
}

/* Every cut and every changed byte: an error or a log, never a read beyond the bytes. */
static void torn_records_are_told(void **state)
{
	auto_buf text = BUF_INIT(HEALTH_LOG_MAX_BYTES);
	struct fixture *f = *state;
	struct health_log log;

	add(f, 1, "one", 5);
	add(f, 2, "two", 5);
	assert_int_equal(file_read_at(-100, f->path, HEALTH_LOG_MAX_BYTES, &text, &f->err), 0);
	for (size_t cut = 0; cut < text.len; cut++) {
		char *copy = malloc(cut + 1);

		memcpy(copy, text.data, cut);
		assert_int_equal(health_log_parse(copy, cut, &f->arena, &log, &f->err), -1);
		free(copy);
	}
	for (size_t at = 0; at < text.len; at++)
		for (int bit = 0; bit < 8; bit++) {
			char *copy = malloc(text.len);
			int result;

			memcpy(copy, text.data, text.len);
			copy[at] = (char)(copy[at] ^ (1 << bit));
			result = health_log_parse(copy, text.len, &f->arena, &log, &f->err);
			assert_true(result == 0 || result == -1);
			free(copy);
		}
}

/* Half of one record and half of the next, as a reader may catch them: each byte counts. */
static void a_mixture_is_told_by_its_sum(void **state)
{
	auto_buf one = BUF_INIT(HEALTH_LOG_MAX_BYTES), two = BUF_INIT(HEALTH_LOG_MAX_BYTES);
	struct fixture *f = *state;
	struct health_log log;

	add(f, 1, "one", 1);
	assert_int_equal(file_read_at(-100, f->path, HEALTH_LOG_MAX_BYTES, &one, &f->err), 0);
	add(f, 2, "two", 1);
	assert_int_equal(file_read_at(-100, f->path, HEALTH_LOG_MAX_BYTES, &two, &f->err), 0);
	assert_int_equal(one.len, two.len);
	for (size_t cut = 0; cut <= one.len; cut++) {
		bool same = memcmp(one.data, two.data, cut) == 0 ||
			    memcmp(one.data + cut, two.data + cut, one.len - cut) == 0;
		char *mixed = malloc(one.len);

		memcpy(mixed, two.data, one.len);
		memcpy(mixed, one.data, cut);
		assert_int_equal(health_log_parse(mixed, one.len, &f->arena, &log, &f->err),
				 same ? 0 : -1);
		free(mixed);
	}
}

static void a_shorter_record_is_written_over_a_longer_one(void **state)
{
	struct fixture *f = *state;
	struct health_log log;
	struct stat before, after;

	add(f, 1, "a long text", 2);
	add(f, 2, "another long text", 2);
	assert_int_equal(stat(f->path, &before), 0);
	add(f, 3, "x", 1);
	assert_int_equal(stat(f->path, &after), 0);
	assert_true(before.st_ino == after.st_ino); /* no file is made for a result */
	log = read_back(f);
	assert_int_equal(log.count, 1);
	assert_string_equal(log.items[0].output, "x");
}

/* The file may be a link that somebody has put there: it is replaced, not followed. */
static void a_link_is_not_written_through(void **state)
{
	struct fixture *f = *state;
	char target[128];
	struct stat st;

	snprintf(target, sizeof(target), "%s/target", f->folder);
	assert_int_equal(file_write_atomic(-100, target, "kept", 4, 0600, false, &f->err), 0);
	assert_int_equal(symlink(target, f->path), 0);
	add(f, 1, "x", 5);
	assert_int_equal(lstat(f->path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_size, 4);
	unlink(target);
}

static void a_record_that_cannot_be_read_is_begun_anew(void **state)
{
	struct fixture *f = *state;
	struct health_log log;

	assert_int_equal(file_write_atomic(-100, f->path, "rubbish", 7, 0600, false, &f->err), 0);
	assert_int_equal(health_log_read(f->path, &f->arena, &log, &f->err), -1);
	add(f, 4, "new", 5);
	log = read_back(f);
	assert_int_equal(log.count, 1);
	assert_string_equal(log.items[0].output, "new");
}

/* Heads grow at their end: what a later version adds is passed over. */
static void a_later_version_s_record_is_understood(void **state)
{
	struct fixture *f = *state;
	unsigned char bytes[128] = { 0 };
	const uint32_t magic = 0x31484c43u, length = 16 + 8 + 32 + 8 + 2, count = 1;
	const uint16_t version = 9, head = 16 + 8;
	const uint32_t entry = 32 + 8 + 2, entry_head = 32 + 8;
	const int32_t code = 3;
	struct health_log log;

	memcpy(bytes, &magic, 4);
	memcpy(bytes + 4, &version, 2);
	memcpy(bytes + 6, &head, 2);
	memcpy(bytes + 8, &length, 4);
	memcpy(bytes + 12, &count, 4);
	memcpy(bytes + 24, &entry, 4);
	memcpy(bytes + 28, &entry_head, 4);
	memcpy(bytes + 48, &code, 4);
	memcpy(bytes + 64, "hi", 2);
	assert_int_equal(health_log_parse(bytes, length, &f->arena, &log, &f->err), 0);
	assert_int_equal(log.count, 1);
	assert_int_equal(log.items[0].exit_code, 3);
	assert_string_equal(log.items[0].output, "hi");
}

static void docker_s_form(void **state)
{
	struct fixture *f = *state;
	auto_buf text = BUF_INIT(4096);
	struct json json = JSON_TO(&text);
	struct health_log log;

	add(f, 1, "a \"b\"\n", 5);
	log = read_back(f);
	json_object(&json, NULL);
	health_log_json(&log, "unhealthy", 3, &json);
	json_object_end(&json);
	assert_string_equal(buf_str(&text),
			    "{\"Status\":\"unhealthy\",\"FailingStreak\":3,\"Log\":[{"
			    "\"Start\":\"1970-01-01T00:00:01.000000Z\","
			    "\"End\":\"1970-01-01T00:00:01.000005Z\",\"ExitCode\":1,"
			    "\"Output\":\"a \\\"b\\\"\\n\"}]}");
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
	struct fixture *f = *state;
	const struct health_result result = { .output = "" };

	assert_int_equal(health_log_add("/tmp/health-log-none/health", &result, 5, &f->err), -1);
	assert_non_null(strstr(f->err.msg, "No such file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_file_is_an_empty_log, set_up, tear_down),
		cmocka_unit_test_setup_teardown(results_come_back_as_they_were, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_oldest_go_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(there_is_always_a_limit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(torn_records_are_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_mixture_is_told_by_its_sum, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_shorter_record_is_written_over_a_longer_one,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_link_is_not_written_through, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_record_that_cannot_be_read_is_begun_anew, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_later_version_s_record_is_understood, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(docker_s_form, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_folder_that_is_not_there_is_an_error, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
