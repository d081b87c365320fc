/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of what lies in the store: names, ids, shared layers, what is torn and what is not known; finding by name, id, prefix. */
#include "store_test.h"

static void an_empty_store_has_nothing(void **state)
{
	struct fixture *f = *state;

	read_list(f);
	assert_int_equal(f->list.image_count, 0);
	assert_int_equal(f->list.layer_count, 0);
	assert_int_equal(f->list.torn, 0);
	assert_null(f->list.unsure);
	assert_null(store_list_find(&f->list, "app", NULL, &f->err));
	assert_says(&f->err, ERR_NOT_FOUND, "app: no such image");
}

static void images_have_names_ids_and_shared_layers(void **state)
{
	struct fixture *f = *state;
	const struct store_entry *image;
	char id[DIGEST_STR_LEN + 1];

	add_three_images(f);
	read_list(f);
	assert_int_equal(f->list.image_count, 3);
	assert_int_equal(f->list.layer_count, 3);
	image = image_of(f, M1);
	digest_of("{\"c\":1}", 7, id);
	assert_string_equal(image->id, id);
	assert_int_equal(image->name_count, 2);
	assert_string_equal(image->names[0], "example.org/team/app:2");
	assert_string_equal(image->names[1], "localhost/app:1");
	assert_string_equal(image->created, "2026-11-21T10:00:00Z");
	assert_string_equal(image->os, "linux");
	assert_string_equal(image->architecture, "amd64");
	assert_int_equal(image->layer_count, 2);
	assert_string_equal(image->layers[0]->diff_id, L1);
	assert_string_equal(image->layers[1]->diff_id, L2);
	assert_int_equal(image->bytes, 120);
	assert_true(image->used_sec > 0);
	assert_null(image->problem);
	assert_int_equal(layer_of(f, L1)->images, 3);
	assert_int_equal(layer_of(f, L2)->images, 1);
	assert_int_equal(image_of(f, M3)->name_count, 0);
	assert_int_equal(f->list.torn, 0);
}

static void what_a_crash_left_is_counted_and_not_listed(void **state)
{
	struct fixture *f = *state;

	add_three_images(f);
	unlink_in(f, "images", M2, "complete"); /* its name leads to nothing, too */
	unlink_in(f, "layers", L2, "complete");
	assert_int_equal(mkdirat(f->store->fd, "images/sha256/rubbish", 0700), 0);
	assert_int_equal(mkdirat(f->store->fd, "layers/sha256/rubbish", 0700), 0);
	must(f, file_write_atomic(f->store->fd, "refs/half", "cleat-ref 1 99\n", 15, 0600, false,
				  &f->err));
	read_list(f);
	assert_int_equal(f->list.image_count, 2);
	assert_null(image_of(f, M2));
	assert_int_equal(f->list.torn, 6);
	assert_null(f->list.unsure);
	assert_non_null(image_of(f, M1)->problem);
	assert_non_null(strstr(image_of(f, M1)->problem, "layer " L2 " is missing or torn"));
	assert_int_equal(image_of(f, M1)->bytes, 100);
	assert_int_equal(layer_of(f, L3)->images, 0);
}

static void a_layer_that_is_not_there_has_a_row_all_the_same(void **state)
{
	struct fixture *f = *state;

	add_layer(f, L1, 100);
	add_image(f, M1, "{}", (const char *const[]){ L1, L3, NULL });
	add_image(f, M2, "{} ", (const char *const[]){ L3, NULL });
	read_list(f);
	assert_int_equal(f->list.layer_count, 2);
	assert_false(layer_of(f, L3)->complete);
	assert_int_equal(layer_of(f, L3)->images, 2);
	assert_non_null(image_of(f, M2)->problem);
}

static void what_cannot_be_read_is_not_torn(void **state)
{
	struct fixture *f = *state;
	const char *later = "cleat-facts 9 0\n";

	add_three_images(f);
	must(f, file_write_atomic(f->store->fd,
				  "images/sha256/" /* M1 */
				  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
				  "/facts",
				  later, strlen(later), 0600, false, &f->err));
	read_list(f);
	assert_null(image_of(f, M1));
	assert_non_null(f->list.unsure);
	assert_non_null(strstr(f->list.unsure, "version 9 is not known"));
}

static void images_are_found_by_name(void **state)
{
	static const struct {
		const char *text, *name, *digest;
	} rows[] = {
		{ "localhost/app:1", "localhost/app:1", M1 },
		{ "app:1", "localhost/app:1", M1 },
		{ "example.org/team/app:2", "example.org/team/app:2", M1 },
		{ "web", "docker.io/library/web:latest", M2 },
		{ "library/web:latest", "docker.io/library/web:latest", M2 },
		{ "docker.io/web", "docker.io/library/web:latest", M2 },
		{ "whatever@" M3, NULL, M3 },
	};
	struct fixture *f = *state;

	add_three_images(f);
	read_list(f);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *name = "unset";
		const struct store_entry *image =
			store_list_find(&f->list, rows[i].text, &name, &f->err);

		if (!image)
			fail_msg("%s", f->err.msg);
		assert_string_equal(image->digest, rows[i].digest);
		if (rows[i].name)
			assert_string_equal(name, rows[i].name);
		else
			assert_null(name);
	}
	assert_null(store_list_find(&f->list, "team/app:2", NULL, &f->err));
	assert_null(store_list_find(&f->list, "app:2", NULL, &f->err));
}

static void images_are_found_by_unique_prefix(void **state)
{
	struct fixture *f = *state;
	char id[DIGEST_STR_LEN + 1];
	const char *name = "";

	add_three_images(f);
	read_list(f);
	digest_of("{\"c\":2}", 7, id);
	assert_ptr_equal(store_list_find(&f->list, id, &name, &f->err), image_of(f, M2));
	assert_null(name);
	assert_ptr_equal(store_list_find(&f->list, id + 7, NULL, &f->err), image_of(f, M2));
	id[7 + 12] = '\0';
	assert_ptr_equal(store_list_find(&f->list, id + 7, NULL, &f->err), image_of(f, M2));
	assert_ptr_equal(store_list_find(&f->list, "cccc", NULL, &f->err), image_of(f, M3));
	assert_ptr_equal(store_list_find(&f->list, "sha256:cccc", NULL, &f->err), image_of(f, M3));
	assert_null(store_list_find(&f->list, "ccc", NULL, &f->err));
	assert_says(&f->err, ERR_NOT_FOUND, "ccc: no such image");
	assert_null(store_list_find(&f->list, "dddd", NULL, &f->err));
	assert_says(&f->err, ERR_NOT_FOUND, "dddd: no such image");
	assert_null(store_list_find(&f->list, "UPPER", NULL, &f->err));
	assert_says(&f->err, ERR_INPUT, "neither a name nor an id");
	assert_null(store_list_find(&f->list, "", NULL, &f->err));
	assert_null(store_list_find(&f->list, "sha256:xyz", NULL, &f->err));
	/* two that begin alike */
	add_image(f, "sha256:ccccdddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
		  "{}", (const char *const[]){ L1, NULL });
	read_list(f);
	assert_null(store_list_find(&f->list, "cccc", NULL, &f->err));
	assert_says(&f->err, ERR_INPUT, "the beginning of several ids");
	assert_ptr_equal(store_list_find(&f->list, "ccccc", NULL, &f->err), image_of(f, M3));
}

static void one_config_under_two_manifests_is_one_id(void **state)
{
	struct fixture *f = *state;
	char id[DIGEST_STR_LEN + 1];

	add_layer(f, L1, 1);
	add_image(f, M1, "{}", (const char *const[]){ L1, NULL });
	add_image(f, M2, "{}", (const char *const[]){ L1, NULL });
	read_list(f);
	digest_of("{}", 2, id);
	assert_non_null(store_list_find(&f->list, id, NULL, &f->err));
}

static void use_is_remembered(void **state)
{
	struct fixture *f = *state;
	const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	const char *path = "images/sha256/"
			   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			   "/complete";

	add_three_images(f);
	assert_int_equal(utimensat(f->store->fd, path, old, 0), 0);
	read_list(f);
	assert_int_equal(image_of(f, M1)->used_sec, 1000);
	store_image_used(f->store, M1);
	read_list(f);
	assert_true(image_of(f, M1)->used_sec > 1000);
	store_image_used(f->store, D("eeee")); /* not there: nothing happens */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(an_empty_store_has_nothing),
		T(images_have_names_ids_and_shared_layers),
		T(what_a_crash_left_is_counted_and_not_listed),
		T(a_layer_that_is_not_there_has_a_row_all_the_same),
		T(what_cannot_be_read_is_not_torn),
		T(images_are_found_by_name),
		T(images_are_found_by_unique_prefix),
		T(one_config_under_two_manifests_is_one_id),
		T(use_is_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
