/* SPDX-License-Identifier: Apache-2.0 */
/* Removing names, images and layers; who keeps what; collecting by use; never what a container has mounted or another image needs. */
#include "store_test.h"

static void forget(struct fixture *f)
{
	struct buf *told = f->removed.told;

	buf_clear(told);
	f->removed = (struct store_removed){ .told = told };
}

static void set_use(struct fixture *f, const char *digest, time_t sec)
{
	const struct timespec times[2] = { { .tv_sec = sec }, { .tv_sec = sec } };
	char path[STORE_NAME_SIZE], file[STORE_NAME_SIZE + 16];

	store_object_path("images", digest, path);
	snprintf(file, sizeof(file), "%s/complete", path);
	assert_int_equal(utimensat(f->store->fd, file, times, 0), 0);
}

static void remove_image(struct fixture *f, const char *digest)
{
	read_list(f);
	must(f, store_remove_image(f->store, image_of(f, digest), &f->keep, f->containers,
				   &f->removed, &f->err));
}

static void removing_takes_the_layers_that_nobody_else_has(void **state)
{
	struct fixture *f = *state;
	char id[DIGEST_STR_LEN + 1], text[300];

	add_three_images(f);
	remove_image(f, M1);
	assert_false(exists(f, "images", M1));
	assert_false(exists(f, "layers", L2));
	assert_true(exists(f, "layers", L1));
	assert_int_equal(f->removed.names, 2);
	assert_int_equal(f->removed.images, 1);
	assert_int_equal(f->removed.layers, 1);
	assert_int_equal(f->removed.bytes, 20);
	digest_of("{\"c\":1}", 7, id);
	snprintf(text, sizeof(text),
		 "Untagged: example.org/team/app:2\nUntagged: localhost/app:1\nDeleted: %s\n", id);
	assert_string_equal(buf_str(&f->told), text);
	read_list(f);
	assert_int_equal(f->list.image_count, 2);
	assert_int_equal(f->list.torn, 0);
	assert_false(store_has_work_left(f->store));
	remove_image(f, M2);
	remove_image(f, M3);
	assert_false(exists(f, "layers", L1));
	read_list(f);
	assert_int_equal(f->list.layer_count, 0);
}

static void several_of_one_list_share_their_last_layer(void **state)
{
	struct fixture *f = *state;
	static const char *const all[] = { M1, M2, M3 };

	add_three_images(f);
	read_list(f);
	for (size_t i = 0; i < 3; i++)
		must(f, store_remove_image(f->store, image_of(f, all[i]), &f->keep, f->containers,
					   &f->removed, &f->err));
	assert_int_equal(f->removed.layers, 3);
	assert_int_equal(f->removed.bytes, 123);
}

static void untagging_takes_the_name_alone(void **state)
{
	struct fixture *f = *state;

	add_three_images(f);
	must(f, store_untag(f->store, "localhost/app:1", &f->removed, &f->err));
	must(f, store_untag(f->store, "localhost/never:1", &f->removed, &f->err));
	assert_string_equal(buf_str(&f->told), "Untagged: localhost/app:1\n");
	read_list(f);
	assert_int_equal(image_of(f, M1)->name_count, 1);
	assert_int_equal(f->list.image_count, 3);
}

static void the_lock_is_wanted(void **state)
{
	struct fixture *f = *state;
	struct store *other;

	add_three_images(f);
	read_list(f);
	store_close(f->store);
	f->store = store_open(f->path, NULL, &f->err);
	other = f->store;
	assert_int_equal(store_untag(other, "x", &f->removed, &f->err), -1);
	assert_says(&f->err, ERR_BUG, "without its lock");
	assert_int_equal(store_remove_image(other, image_of(f, M1), &f->keep, NULL, &f->removed,
					    &f->err),
			 -1);
	assert_int_equal(store_remove_orphans(other, &f->keep, NULL, &f->removed, &f->err), -1);
	assert_int_equal(store_gc(other, &f->keep, NULL, 1, &f->removed, &f->err), -1);
	assert_says(&f->err, ERR_BUG, "without its lock");
}

static void layers_of_a_running_container_stay(void **state)
{
	struct fixture *f = *state;
	char text[600];

	add_three_images(f);
	/* JSON may write "/" as "\/" or not; ours does not */
	snprintf(text, sizeof(text),
		 "{\"mounts\":[{\"options\":[\"lowerdir=%s/layers/sha256/%s/root:"
		 "%s/layers/sha256/%s/root\"]}],\"x\":\"/layers/sha256/short\"}",
		 f->path, &L2[7], f->path, &L1[7]);
	add_container(f, "0123456789ab", text);
	must(f, store_keep_running(&f->keep, f->containers, &f->err));
	remove_image(f, M1);
	assert_false(exists(f, "images", M1));
	assert_true(exists(f, "layers", L2));
	assert_int_equal(f->removed.layers, 0);
	/* an orphan until nobody mounts it */
	must(f, store_remove_orphans(f->store, &f->keep, f->containers, &f->removed, &f->err));
	assert_true(exists(f, "layers", L2));
	store_keep_fini(&f->keep);
	must(f, path_remove_tree(f->scratch.fd, "c", &f->err));
	must(f, store_remove_orphans(f->store, &f->keep, f->containers, &f->removed, &f->err));
	assert_false(exists(f, "layers", L2));
	assert_true(exists(f, "layers", L1));
}

static void a_layer_that_came_into_use_meanwhile_is_put_back(void **state)
{
	struct fixture *f = *state;
	char text[200];

	add_three_images(f);
	snprintf(text, sizeof(text), "\"/layers/sha256/%s/root\"", &L2[7]);
	add_container(f, "0123456789ab", text);
	/* keep was made before that container: it knows nothing of it */
	remove_image(f, M1);
	assert_true(exists(f, "layers", L2));
	assert_int_equal(store_check_layer(f->store, L2, &f->err), 0);
	assert_int_equal(f->removed.layers, 0);
	assert_false(store_has_work_left(f->store));
}

static void when_containers_cannot_be_listed_nothing_is_deleted(void **state)
{
	struct fixture *f = *state;

	add_three_images(f);
	close(open(f->containers, O_CREAT | O_WRONLY, 0600)); /* a file where a folder should be */
	assert_int_equal(store_keep_running(&f->keep, f->containers, &f->err), -1);
	read_list(f);
	assert_int_equal(store_remove_image(f->store, image_of(f, M1), &f->keep, f->containers,
					    &f->removed, &f->err),
			 -1);
	assert_true(exists(f, "layers", L2));
	assert_int_equal(store_check_layer(f->store, L2, &f->err), 0);
}

static void keepers_are_named(void **state)
{
	struct fixture *f = *state;
	char text[600];
	bool running = true;

	add_three_images(f);
	read_list(f);
	assert_null(store_keep_user(&f->keep, image_of(f, M1), &running));
	assert_false(running);
	store_keep_name(&f->keep, "web.container", "web"); /* docker.io/library/web:latest */
	assert_string_equal(store_keep_user(&f->keep, image_of(f, M2), &running), "web.container");
	assert_false(running);
	assert_null(store_keep_user(&f->keep, image_of(f, M1), NULL));
	store_keep_name(&f->keep, "app.container", "app:1");
	assert_string_equal(store_keep_user(&f->keep, image_of(f, M1), NULL), "app.container");
	store_keep_name(&f->keep, "pinned.container", "any/name:3@" M3);
	assert_string_equal(store_keep_user(&f->keep, image_of(f, M3), NULL), "pinned.container");
	store_keep_name(&f->keep, "bad.container", "NOT A NAME");
	store_keep_digest(&f->keep, "x", "no digest");
	store_keep_layer(&f->keep, "x", "no digest");
	assert_int_equal(f->keep.count, 3);
	/* runs from M1: its layers exactly, not M3, which is one of them */
	snprintf(text, sizeof(text), "/layers/sha256/%s/root:/layers/sha256/%s/root", &L2[7],
		 &L1[7]);
	add_container(f, "0123456789ab", text);
	must(f, store_keep_running(&f->keep, f->containers, &f->err));
	assert_string_equal(store_keep_user(&f->keep, image_of(f, M1), &running), "app.container");
	assert_true(running);
	assert_non_null(store_keep_user(&f->keep, image_of(f, M3), &running));
	assert_false(running);
}

static void a_name_of_another_registry_keeps_nothing(void **state)
{
	struct fixture *f = *state;

	add_three_images(f);
	read_list(f);
	store_keep_name(&f->keep, "a", "example.org/web");
	store_keep_name(&f->keep, "b", "localhost/app:2");
	store_keep_name(&f->keep, "c", "docker.io/library/web:3");
	for (size_t i = 0; i < f->list.image_count; i++)
		assert_null(store_keep_user(&f->keep, &f->list.images[i], NULL));
}

static void containers_without_a_config_mount_nothing(void **state)
{
	struct fixture *f = *state;
	char path[256];

	must(f, store_keep_running(&f->keep, f->containers, &f->err)); /* no folder at all */
	snprintf(path, sizeof(path), "%s/0123456789ab", f->containers);
	must(f, path_mkdirs(path, 0700, &f->err));
	must(f, store_keep_running(&f->keep, f->containers, &f->err));
	for (size_t i = 0; i < f->keep.count; i++)
		assert_int_equal(f->keep.keepers[i].layer_count, 0);
}

static void orphans_and_torn_things_go(void **state)
{
	struct fixture *f = *state;

	add_three_images(f);
	unlink_in(f, "images", M2, "complete");
	add_layer(f, D("4444"), 7);
	unlink_in(f, "layers", D("4444"), "complete");
	add_layer(f, D("5555"), 9);
	must(f, file_write_atomic(f->store->fd, "refs/half", "x", 1, 0600, false, &f->err));
	store_keep_layer(&f->keep, "an import", D("5555"));
	must(f, store_remove_orphans(f->store, &f->keep, f->containers, &f->removed, &f->err));
	assert_false(exists(f, "images", M2));
	assert_false(exists(f, "layers", L3));
	assert_false(exists(f, "layers", D("4444")));
	assert_true(exists(f, "layers", D("5555")));
	assert_true(exists(f, "layers", L1));
	read_list(f);
	assert_int_equal(f->list.torn, 0);
	assert_int_equal(f->list.image_count, 2);
	assert_int_equal(image_of(f, M1)->name_count, 2);
}

static void nothing_goes_while_a_record_cannot_be_read(void **state)
{
	struct fixture *f = *state;
	const char *later = "cleat-complete 9 0\n";

	add_three_images(f);
	must(f, file_write_atomic(f->store->fd,
				  "images/sha256/"
				  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
				  "/complete",
				  later, strlen(later), 0600, false, &f->err));
	assert_int_equal(store_remove_orphans(f->store, &f->keep, NULL, &f->removed, &f->err), -1);
	assert_says(&f->err, ERR_SYS, "nothing is removed");
	assert_int_equal(store_gc(f->store, &f->keep, NULL, UINT64_MAX, &f->removed, &f->err), -1);
	assert_true(exists(f, "layers", L2));
	assert_true(exists(f, "images", M1));
}

static void collecting_goes_by_use_and_stops_when_there_is_room(void **state)
{
	struct fixture *f = *state;

	add_three_images(f);
	set_use(f, M1, 3000);
	set_use(f, M2, 1000);
	set_use(f, M3, 2000);
	/* there is room: orphans alone */
	add_layer(f, D("4444"), 7);
	must(f, store_gc(f->store, &f->keep, f->containers, 1, &f->removed, &f->err));
	assert_int_equal(f->removed.layers, 1);
	assert_int_equal(f->removed.images, 0);
	forget(f);
	store_keep_name(&f->keep, "web.container", "docker.io/library/web");
	must(f, store_gc(f->store, &f->keep, f->containers, UINT64_MAX, &f->removed, &f->err));
	assert_true(exists(f, "images", M2));
	assert_true(exists(f, "layers", L1));
	assert_true(exists(f, "layers", L3));
	assert_false(exists(f, "images", M1));
	assert_false(exists(f, "images", M3));
	assert_false(exists(f, "layers", L2));
	assert_int_equal(f->removed.images, 2);
	/* the older one first */
	read_list(f);
	assert_true(strstr(buf_str(&f->told), "Deleted") < strstr(buf_str(&f->told), "Untagged"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(removing_takes_the_layers_that_nobody_else_has),
		T(several_of_one_list_share_their_last_layer),
		T(untagging_takes_the_name_alone),
		T(the_lock_is_wanted),
		T(layers_of_a_running_container_stay),
		T(a_layer_that_came_into_use_meanwhile_is_put_back),
		T(when_containers_cannot_be_listed_nothing_is_deleted),
		T(keepers_are_named),
		T(a_name_of_another_registry_keeps_nothing),
		T(containers_without_a_config_mount_nothing),
		T(orphans_and_torn_things_go),
		T(nothing_goes_while_a_record_cannot_be_read),
		T(collecting_goes_by_use_and_stops_when_there_is_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
