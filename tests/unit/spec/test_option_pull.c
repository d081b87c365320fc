/* SPDX-License-Identifier: Apache-2.0 */
/* How the image is had: options of "podman run", and the words of .image units. */
#include "spec_test.h"

static void defaults_are_podmans(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--init=false");
	assert_good(&f);
	assert_int_equal(f.spec.pull, SPEC_PULL_MISSING);
	assert_int_equal(f.spec.registry.retries, 3);
	assert_int_equal(f.spec.registry.retry_delay_usec, 1000000);
	assert_int_equal(f.spec.registry.tls_verify, SPEC_UNSET);
	assert_null(f.spec.registry.auth_file);
	assert_null(f.spec.registry.creds);
	assert_null(f.spec.registry.cert_dir);
	teardown(&f);
}

static void a_container_says_how_its_image_is_had(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--authfile=/config/other//auth.json", "--cert-dir", "/config/certs.d/x",
		      "--creds=ann:a:word", "--tls-verify=false", "--retry=0",
		      "--retry-delay=1m30s");
	assert_good(&f);
	assert_int_equal(f.diags.count, 0);
	assert_string_equal(f.spec.registry.auth_file, "/config/other/auth.json");
	assert_string_equal(f.spec.registry.cert_dir, "/config/certs.d/x");
	assert_string_equal(f.spec.registry.creds, "ann:a:word");
	assert_int_equal(f.spec.registry.tls_verify, SPEC_NO);
	assert_int_equal(f.spec.registry.retries, 0);
	assert_int_equal(f.spec.registry.retry_delay_usec, 90000000);
	teardown(&f);
}

static void wrong_values_are_refused(void **state)
{
	(void)state;
	expect_refused("--authfile=auth.json", "absolute");
	expect_refused("--cert-dir=certs", "absolute");
	expect_refused("--creds=ann", "USER:PASSWORD");
	expect_refused("--creds=:word", "USER:PASSWORD");
	expect_refused("--tls-verify=maybe", "neither true nor false");
	expect_refused("--retry=often", "no number");
	expect_refused("--retry=-1", "no number");
	expect_refused("--retry=101", "more than 100");
	expect_refused("--retry-delay=5", "no time");
	expect_refused("--pull=sometimes", "none of always");
}

/* What stands behind the colon is nobody's business. */
static void credentials_are_in_no_message(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--creds=secretwordwithoutcolon");
	assert_int_equal(f.result, -1);
	for (size_t i = 0; i < f.diags.count; i++)
		assert_null(strstr(f.diags.items[i].text, "secretword"));
	teardown(&f);
}

static void a_printed_spec_has_no_credentials(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--creds=ann:secretword", "--retry=7");
	assert_good(&f);
	spec_to_json(&f.spec, &f.json);
	assert_null(strstr(buf_str(&f.json), "secretword"));
	assert_non_null(strstr(buf_str(&f.json), "\"has_creds\": true"));
	assert_non_null(strstr(buf_str(&f.json), "\"retries\": 7"));
	teardown(&f);
}

static int parse_image(struct fixture *f, const char *const *words)
{
	struct arg_list list = { 0 };

	for (unsigned i = 0; words[i]; i++) {
		struct origin *origin = arena_new(&f->arena, struct origin);

		*origin = (struct origin){ .file = "x.image", .line = 10 + i, .key = "Image.X" };
		arg_push(&f->arena, &list, words[i], origin);
	}
	return spec_image_from_args(&f->spec, &f->arena, &list, &f->diags);
}
#define PARSE_IMAGE(f, ...) parse_image((f), (const char *const[]){ __VA_ARGS__, NULL })

static void an_image_unit_says_the_same_and_its_policy(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(PARSE_IMAGE(&f, "--creds", "ann:word", "--policy=always", "--tls-verify",
				     "registry.example/app:1"),
			 0);
	assert_string_equal(f.spec.image, "registry.example/app:1");
	assert_string_equal(f.spec.registry.creds, "ann:word");
	assert_int_equal(f.spec.registry.tls_verify, SPEC_YES);
	assert_int_equal(f.spec.pull, SPEC_PULL_ALWAYS);
	teardown(&f);
	setup(&f);
	assert_int_equal(PARSE_IMAGE(&f, "registry.example/app:1"), 0);
	assert_int_equal(f.spec.pull, SPEC_PULL_NEWER);
	teardown(&f);
}

static void expect_image_refused(const char *word, const char *text)
{
	struct fixture f;

	setup(&f);
	assert_int_equal(PARSE_IMAGE(&f, word, "registry.example/app:1"), -1);
	assert_int_equal(f.diags.error_count, 1);
	assert_non_null(strstr(f.diags.items[0].text, text));
	assert_int_equal(f.diags.items[0].line, 10);
	teardown(&f);
}

static void what_an_image_unit_cannot_is_refused(void **state)
{
	struct fixture f;

	(void)state;
	expect_image_refused("--arch=arm64", "this machine's platform");
	expect_image_refused("--platform=linux/arm64", "this machine's platform");
	expect_image_refused("--all-tags", "name its tag");
	expect_image_refused("--network=host", "unknown option");
	setup(&f);
	assert_int_equal(PARSE_IMAGE(&f, "--policy=never"), -1);
	assert_non_null(strstr(f.diags.items[0].text, "one image is expected"));
	teardown(&f);
	setup(&f);
	assert_int_equal(PARSE_IMAGE(&f, "a", "b"), -1);
	teardown(&f);
	setup(&f);
	assert_int_equal(PARSE_IMAGE(&f, "Not A Name"), -1);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_podmans),
		cmocka_unit_test(a_container_says_how_its_image_is_had),
		cmocka_unit_test(wrong_values_are_refused),
		cmocka_unit_test(credentials_are_in_no_message),
		cmocka_unit_test(a_printed_spec_has_no_credentials),
		cmocka_unit_test(an_image_unit_says_the_same_and_its_policy),
		cmocka_unit_test(what_an_image_unit_cannot_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
