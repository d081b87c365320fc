/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of an import, and the rules of Pull=. */
#include "image_test.h"

#include "image/pull.h"
#include "image/store_internal.h"
#include "util/str.h"

static struct image_ref ref_of(const char *text)
{
	struct image_ref ref;
	struct err err;

	if (ref_parse(text, &ref, &err) < 0)
		fail_msg("%s", err.msg);
	return ref;
}

#define PINNED \
	"registry.example/app@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* Rows: policy, name, is it in the store, what to do. */
static void every_policy_decides(void **state)
{
	static const struct {
		enum pull_policy policy;
		const char *name;
		bool in_store;
		enum pull_step step;
	} rows[] = {
		{ PULL_MISSING, "registry.example/app:1", false, PULL_STEP_ASK },
		{ PULL_MISSING, "registry.example/app:1", true, PULL_STEP_STORE },
		{ PULL_ALWAYS, "registry.example/app:1", false, PULL_STEP_ASK },
		{ PULL_ALWAYS, "registry.example/app:1", true, PULL_STEP_COMPARE },
		{ PULL_NEWER, "registry.example/app:1", false, PULL_STEP_ASK },
		{ PULL_NEWER, "registry.example/app:1", true, PULL_STEP_COMPARE },
		{ PULL_NEVER, "registry.example/app:1", false, PULL_STEP_NONE },
		{ PULL_NEVER, "registry.example/app:1", true, PULL_STEP_STORE },
		/* what a digest means cannot change */
		{ PULL_ALWAYS, PINNED, true, PULL_STEP_STORE },
		{ PULL_NEWER, PINNED, true, PULL_STEP_STORE },
		{ PULL_ALWAYS, PINNED, false, PULL_STEP_ASK },
		/* made here: nobody else has it */
		{ PULL_ALWAYS, "localhost/app:1", false, PULL_STEP_NONE },
		{ PULL_ALWAYS, "localhost/app:1", true, PULL_STEP_STORE },
		{ PULL_ALWAYS, "localhost:5000/app:1", true, PULL_STEP_COMPARE },
		{ PULL_MISSING, "app:1", false, PULL_STEP_ASK },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct image_ref ref = ref_of(rows[i].name);

		if (pull_decide(rows[i].policy, &ref, rows[i].in_store) != rows[i].step)
			fail_msg("row %zu: policy %d %s", i, (int)rows[i].policy, rows[i].name);
	}
}

static void only_newer_falls_back(void **state)
{
	(void)state;
	assert_true(pull_falls_back(PULL_NEWER, true));
	assert_false(pull_falls_back(PULL_NEWER, false));
	assert_false(pull_falls_back(PULL_ALWAYS, true));
	assert_false(pull_falls_back(PULL_MISSING, false));
}

static void what_nobody_has_to_mend_is_tried_again(void **state)
{
	(void)state;
	assert_true(pull_is_worth_retry(ERR_BUSY));
	assert_true(pull_is_worth_retry(ERR_SYS));
	assert_false(pull_is_worth_retry(ERR_NOT_FOUND));
	assert_false(pull_is_worth_retry(ERR_INPUT));
	assert_false(pull_is_worth_retry(ERR_INTEGRITY));
	assert_false(pull_is_worth_retry(ERR_UNSUPPORTED));
	assert_false(pull_is_worth_retry(ERR_LIMIT));
}

static void policies_have_names_in_any_case(void **state)
{
	static const char *const names[] = { "missing", "always", "never", "newer" };
	enum pull_policy policy;

	(void)state;
	for (int i = PULL_MISSING; i <= PULL_NEWER; i++) {
		assert_true(pull_policy_parse(names[i], &policy));
		assert_int_equal(policy, i);
	}
	assert_true(pull_policy_parse("Always", &policy));
	assert_int_equal(policy, PULL_ALWAYS);
	assert_false(pull_policy_parse("sometimes", &policy));
	assert_false(pull_policy_parse("", &policy));
}

static void a_request_comes_out_as_it_went_in(void **state)
{
	struct pull_want wants[] = { PULL_WANT_INIT("registry.example/a:1"), PULL_WANT_INIT("b") };
	const char *keeps[] = { "registry.example/a:1", "localhost/kept:2" };
	const struct pull_request in = { .wants = wants,
					 .want_count = 2,
					 .keeps = keeps,
					 .keep_count = 2,
					 .config_dir = "/config",
					 .https_proxy = "http://proxy:3128" };
	auto_buf text = BUF_INIT(PULL_REQUEST_MAX_BYTES);
	auto_arena arena = { 0 };
	struct pull_request out;
	struct err err;

	(void)state;
	wants[0].policy = PULL_NEWER;
	wants[0].creds = "ann:100% a \"word\"\nwith a line";
	wants[0].auth_file = "/config/auth other.json";
	wants[0].tls_verify_given = true;
	wants[0].tls_verify = false;
	wants[0].retries = 0;
	wants[1].from = "docker.io/library/b:latest";
	wants[1].retry_delay_usec = 5000000;
	if (pull_request_write(&in, &text, &err) < 0 ||
	    pull_request_read(text.data, text.len, &arena, &out, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(out.want_count, 2);
	assert_string_equal(out.wants[0].ref, wants[0].ref);
	assert_int_equal(out.wants[0].policy, PULL_NEWER);
	assert_string_equal(out.wants[0].creds, wants[0].creds);
	assert_string_equal(out.wants[0].auth_file, wants[0].auth_file);
	assert_null(out.wants[0].cert_dir);
	assert_null(out.wants[0].from);
	assert_true(out.wants[0].tls_verify_given);
	assert_false(out.wants[0].tls_verify);
	assert_int_equal(out.wants[0].retries, 0);
	assert_string_equal(out.wants[1].from, wants[1].from);
	assert_int_equal(out.wants[1].policy, PULL_MISSING);
	assert_false(out.wants[1].tls_verify_given);
	assert_true(out.wants[1].tls_verify);
	assert_int_equal(out.wants[1].retries, PULL_DEFAULT_RETRIES);
	assert_int_equal(out.wants[1].retry_delay_usec, 5000000);
	assert_int_equal(out.keep_count, 2);
	assert_string_equal(out.keeps[1], "localhost/kept:2");
	assert_string_equal(out.config_dir, "/config");
	assert_string_equal(out.https_proxy, "http://proxy:3128");
	assert_null(out.http_proxy);
	assert_null(out.no_proxy);
}

static void other_text_is_no_request(void **state)
{
	static const char *const texts[] = {
		"creds ann:word\n", /* of whom? */
		"want a\npolicy sometimes\n",
		"want a\nretries 101\n",
		"want a\nretries -1\n",
		"want a\nretry-delay soon\n",
		"want a\nnonsense\n",
		"want a",
		"Want a\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		auto_buf text = BUF_INIT(1024);
		auto_arena arena = { 0 };
		struct pull_request out;
		struct err err;

		buf_puts(&text, texts[i]);
		if (pull_request_read(text.data, text.len, &arena, &out, &err) == 0)
			fail_msg("taken: %s", texts[i]);
		assert_int_equal(err.code, ERR_INTEGRITY);
		assert_non_null(strstr(err.msg, "image request"));
	}
}

static void a_request_has_bounds(void **state)
{
	const struct pull_request too_many = { .want_count = PULL_MAX_WANTS + 1 };
	auto_buf text = BUF_INIT(PULL_REQUEST_MAX_BYTES);
	auto_arena arena = { 0 };
	struct pull_request out;
	struct err err;

	(void)state;
	assert_int_equal(pull_request_write(&too_many, &text, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	for (int i = 0; i <= PULL_MAX_WANTS; i++)
		buf_puts(&text, "want a\n");
	assert_int_equal(pull_request_read(text.data, text.len, &arena, &out, &err), -1);
	assert_non_null(strstr(err.msg, "unexpected want"));
}

static void progress_is_a_short_text(void **state)
{
	char text[160];

	(void)state;
	pull_progress_text("pulling", 34140000, 175400000, 2, 4, 12000000, text, sizeof(text));
	assert_string_equal(text, "pulling 34.1/175 MB, layer 2 of 4, 12.0 MB/s");
	pull_progress_text("unpacking", 0, 999, 0, 0, 0, text, sizeof(text));
	assert_string_equal(text, "unpacking 0.0/0.0 MB");
	pull_progress_text("pulling", UINT64_MAX, UINT64_MAX, 128, 128, UINT64_MAX, text,
			   sizeof(text));
	assert_non_null(strstr(text, "layer 128 of 128"));
	pull_progress_text("pulling", 1, 2, 3, 4, 5, text, 8);
	assert_string_equal(text, "pulling");
}

/* An archive that is put into the folder later would win, so the engine has to look again. */
static void a_registrys_image_is_current_until_the_folder_changes(void **state)
{
	struct scratch scratch;
	char folder[128], file[160], source[512], before[512];
	struct err err;
	struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

	(void)state;
	scratch_open(&scratch);
	snprintf(folder, sizeof(folder), "%s/images and more", scratch.path);
	assert_int_equal(store_source_of_registry("registry.example/app", folder, source,
						  sizeof(source), &err),
			 0);
	assert_true(store_source_is_current(source)); /* no folder, no archive */
	assert_int_equal(mkdir(folder, 0700), 0);
	assert_false(store_source_is_current(source));
	str_copy(before, sizeof(before), source);
	assert_int_equal(store_source_of_registry(NULL, folder, source, sizeof(source), &err), 0);
	assert_true(str_starts(source, "registry registry.example/app "));
	assert_true(store_source_is_current(source));
	assert_false(store_source_is_current(before));
	assert_int_equal(utimensat(AT_FDCWD, folder, times, 0), 0);
	assert_false(store_source_is_current(source));
	assert_int_equal(store_source_of_registry("registry.example/app", folder, source,
						  sizeof(source), &err),
			 0);
	assert_true(store_source_is_current(source));
	snprintf(file, sizeof(file), "%s/app.tar", folder);
	close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_false(store_source_is_current(source));
	assert_false(store_source_is_current("registry "));
	assert_false(store_source_is_current("registry registry.example/app"));
	assert_int_equal(
		store_source_of_registry("two words", folder, source, sizeof(source), &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	scratch_close(&scratch);
}

static void a_name_remembers_its_index(void **state)
{
	static const char manifest[] =
		"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
	static const char index[] =
		"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	struct store_ref in = { .source = "" }, out;
	struct scratch scratch;
	struct store *store;
	struct err err;

	(void)state;
	scratch_open(&scratch);
	store = store_open(scratch.path, NULL, &err);
	assert_non_null(store);
	str_copy(in.digest, sizeof(in.digest), manifest);
	str_copy(in.index, sizeof(in.index), index);
	assert_int_equal(store_ref_write(store, "registry.example/app:1", &in, &err), 0);
	assert_int_equal(store_ref_read(store, "registry.example/app:1", &out, &err), 0);
	assert_string_equal(out.digest, manifest);
	assert_string_equal(out.index, index);
	in.index[0] = '\0';
	assert_int_equal(store_ref_write(store, "registry.example/app:1", &in, &err), 0);
	assert_int_equal(store_ref_read(store, "registry.example/app:1", &out, &err), 0);
	assert_string_equal(out.index, "");
	store_close(store);
	scratch_close(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_policy_decides),
		cmocka_unit_test(only_newer_falls_back),
		cmocka_unit_test(what_nobody_has_to_mend_is_tried_again),
		cmocka_unit_test(policies_have_names_in_any_case),
		cmocka_unit_test(a_request_comes_out_as_it_went_in),
		cmocka_unit_test(other_text_is_no_request),
		cmocka_unit_test(a_request_has_bounds),
		cmocka_unit_test(progress_is_a_short_text),
		cmocka_unit_test(a_registrys_image_is_current_until_the_folder_changes),
		cmocka_unit_test(a_name_remembers_its_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
