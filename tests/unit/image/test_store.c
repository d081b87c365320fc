/* SPDX-License-Identifier: Apache-2.0 */
/* The store: nothing counts without its completion record, whatever instant a crash chose; look-ups never write. */
#include "image_test.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "image/flat.h"
#include "image/store_internal.h"
#include "util/file.h"
#include "util/ids.h"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HEX_M "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define LAYER_A "sha256:" HEX_A
#define LAYER_B "sha256:" HEX_B
#define MANIFEST "sha256:" HEX_M

struct fixture {
	struct scratch scratch;
	char path[128];
	struct store *store;
	struct arena arena;
	struct err err;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	bool read_only = true;

	scratch_open(&f->scratch);
	snprintf(f->path, sizeof(f->path), "%s/data/store", f->scratch.path);
	f->store = store_open(f->path, &read_only, &f->err);
	if (!f->store)
		fail_msg("%s", f->err.msg);
	assert_false(read_only);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	store_close(f->store);
	arena_fini(&f->arena);
	scratch_close(&f->scratch);
	free(f);
	return 0;
}

static void write_file(struct fixture *f, const char *path, const char *text)
{
	if (file_write_atomic(f->store->fd, path, text, strlen(text), 0644, false, &f->err) < 0)
		fail_msg("%s", f->err.msg);
}

static bool exists(struct fixture *f, const char *path)
{
	return faccessat(f->store->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void add_layer(struct fixture *f, const char *diff_id)
{
	struct store_work work;
	int root;

	if (store_layer_begin(f->store, diff_id, &work, &root, &f->err) < 0)
		fail_msg("%s", f->err.msg);
	close(openat(root, "file", O_CREAT | O_WRONLY, 0600));
	close(root);
	if (store_layer_commit(f->store, &work, diff_id, 10, 1, &f->err) < 0)
		fail_msg("%s", f->err.msg);
}

static void add_image(struct fixture *f)
{
	struct buf manifest = BUF_INIT(100), config = BUF_INIT(100), facts = BUF_INIT(10000);

	buf_puts(&manifest, "{\"m\":1}");
	buf_puts(&config, "{\"c\":1}");
	flat_put(&facts, "digest", MANIFEST);
	flat_put(&facts, "user", "1001:1001");
	flat_put(&facts, "workdir", "/app");
	flat_put(&facts, "stop-signal", "");
	flat_put(&facts, "env", "A=1\n2");
	flat_put(&facts, "env", "B=");
	flat_put(&facts, "entrypoint", "/bin/x");
	flat_put(&facts, "command", "-v");
	flat_put(&facts, "volume", "/data");
	flat_put(&facts, "health-test", "CMD");
	flat_put(&facts, "health-test", "/bin/check");
	flat_put(&facts, "health-interval-usec", "5000000");
	flat_put(&facts, "health-retries", "many");
	flat_put(&facts, "later-key", "ignored");
	flat_put(&facts, "layer", LAYER_A);
	flat_put(&facts, "layer", LAYER_B);
	if (store_image_commit(f->store, MANIFEST, &manifest, &config, &facts, &f->err) < 0)
		fail_msg("%s", f->err.msg);
	buf_fini(&manifest);
	buf_fini(&config);
	buf_fini(&facts);
}

static void add_ref(struct fixture *f, const char *name, const char *source)
{
	struct store_ref ref = { .digest = MANIFEST };

	snprintf(ref.source, sizeof(ref.source), "%s", source);
	if (store_ref_write(f->store, name, &ref, &f->err) < 0)
		fail_msg("%s", f->err.msg);
}

static void add_everything(struct fixture *f)
{
	add_layer(f, LAYER_A);
	add_layer(f, LAYER_B);
	add_image(f);
	add_ref(f, "localhost/app:1", "/config/images/app.tar 1 2.0 3.0");
}

static int find(struct fixture *f, const char *text, struct store_image *image, const char **source)
{
	struct image_ref ref;

	assert_int_equal(ref_parse(text, &ref, &f->err), 0);
	return store_find(f->store, &ref, &f->arena, image, source, &f->err);
}

static void assert_cannot_find(struct fixture *f, const char *text, enum err_code code,
			       const char *part)
{
	struct store_image image;

	assert_int_equal(find(f, text, &image, NULL), -1);
	assert_says(&f->err, code, part);
}

static void an_image_is_found_by_name_and_by_digest(void **state)
{
	struct fixture *f = *state;
	struct store_image image;
	const char *source = NULL;
	char root[256];

	add_everything(f);
	assert_int_equal(find(f, "localhost/app:1", &image, &source), 0);
	assert_string_equal(image.digest, MANIFEST);
	assert_string_equal(image.user, "1001:1001");
	assert_string_equal(image.workdir, "/app");
	assert_string_equal(image.stop_signal, "");
	assert_string_equal(image.env[0], "A=1\n2");
	assert_string_equal(image.env[1], "B=");
	assert_null(image.env[2]);
	assert_string_equal(image.entrypoint[0], "/bin/x");
	assert_null(image.entrypoint[1]);
	assert_string_equal(image.command[0], "-v");
	assert_string_equal(image.volumes[0], "/data");
	assert_string_equal(image.health_test[1], "/bin/check");
	assert_null(image.health_test[2]);
	assert_int_equal(image.health_interval_usec, 5000000);
	assert_int_equal(image.health_retries, 0);
	snprintf(root, sizeof(root), "%s/layers/sha256/" HEX_A "/root", f->path);
	assert_string_equal(image.layers[0], root);
	assert_int_equal(access(image.layers[1], F_OK), 0);
	assert_null(image.layers[2]);
	assert_string_equal(source, "/config/images/app.tar 1 2.0 3.0");
	assert_int_equal(find(f, "other/name@" MANIFEST, &image, &source), 0);
	assert_string_equal(source, "");
}

static void the_name_of_an_index_leads_to_its_manifest(void **state)
{
	struct fixture *f = *state;
	struct store_image image;
	const char *source;

	add_everything(f);
	add_ref(f, "app@sha256:" HEX_B, "/x 1 2 3");
	assert_int_equal(find(f, "app@sha256:" HEX_B, &image, &source), 0);
	assert_string_equal(image.digest, MANIFEST);
	assert_string_equal(source, ""); /* what a digest means cannot change */
}

static void what_is_not_there_is_not_found(void **state)
{
	struct fixture *f = *state;

	assert_cannot_find(f, "localhost/app:1", ERR_NOT_FOUND,
			   "image localhost/app:1: not in the image store");
	add_everything(f);
	assert_cannot_find(f, "localhost/app:2", ERR_NOT_FOUND, "not in the image store");
	assert_cannot_find(f, "app@" LAYER_A, ERR_NOT_FOUND, "not in the image store");
}

static void a_missing_or_torn_layer_is_named(void **state)
{
	struct fixture *f = *state;

	add_everything(f);
	assert_int_equal(unlinkat(f->store->fd, "layers/sha256/" HEX_B "/complete", 0), 0);
	assert_cannot_find(f, "localhost/app:1", ERR_INTEGRITY,
			   "layer " LAYER_B ": layers/sha256/" HEX_B);
	write_file(f, "layers/sha256/" HEX_B "/complete", "");
	assert_cannot_find(f, "localhost/app:1", ERR_INTEGRITY, "is empty");
	write_file(f, "layers/sha256/" HEX_B "/complete", "cleat-complete 1 999\ndigest x\n");
	assert_cannot_find(f, "localhost/app:1", ERR_INTEGRITY, "torn");
	write_file(f, "layers/sha256/" HEX_B "/complete", "cleat-complete 1 7\nother \n");
	assert_cannot_find(f, "localhost/app:1", ERR_INTEGRITY, "no digest");
	write_file(f, "layers/sha256/" HEX_B "/complete",
		   "cleat-complete 1 79\ndigest " LAYER_A "\n");
	assert_cannot_find(f, "localhost/app:1", ERR_INTEGRITY, "record of another digest");
	write_file(f, "layers/sha256/" HEX_B "/complete",
		   "cleat-complete 7 79\ndigest " LAYER_B "\n");
	assert_cannot_find(f, "localhost/app:1", ERR_INTEGRITY, "version 7 is not known");
	assert_int_equal(path_remove_tree(f->store->fd, "layers/sha256/" HEX_B, &f->err), 0);
	assert_cannot_find(f, "localhost/app:1", ERR_INTEGRITY, "layer " LAYER_B);
}

static void torn_records_of_images_and_names_are_told(void **state)
{
	struct fixture *f = *state;

	add_everything(f);
	write_file(f, "refs/localhost%2Fapp%3A1", "cleat-ref 1 17\nname other:latest\n");
	assert_cannot_find(f, "localhost/app:1", ERR_INTEGRITY, "torn");
	add_ref(f, "localhost/app:1", "");
	write_file(f, "images/sha256/" HEX_M "/facts", "cleat-facts 1 3\na b");
	assert_cannot_find(f, "localhost/app:1", ERR_INTEGRITY, "torn line");
	write_file(f, "images/sha256/" HEX_M "/facts", "cleat-facts 1 7\nuser u\n");
	assert_cannot_find(f, "localhost/app:1", ERR_INTEGRITY, "no layers");
	write_file(f, "images/sha256/" HEX_M "/facts", "cleat-facts 1 13\nlayer ../../x\n");
	assert_cannot_find(f, "localhost/app:1", ERR_INTEGRITY, "torn");
	write_file(f, "images/sha256/" HEX_M "/facts", "cleat-facts 1 14\nlayer ../../x\n");
	assert_cannot_find(f, "localhost/app:1", ERR_INTEGRITY, "a layer without digest");
	assert_int_equal(unlinkat(f->store->fd, "images/sha256/" HEX_M "/facts", 0), 0);
	assert_cannot_find(f, "localhost/app:1", ERR_INTEGRITY, "facts");
	assert_int_equal(unlinkat(f->store->fd, "images/sha256/" HEX_M "/complete", 0), 0);
	assert_cannot_find(f, "localhost/app:1", ERR_INTEGRITY, "no completion record");
}

static void a_torn_object_is_replaced_by_a_whole_one(void **state)
{
	struct fixture *f = *state;
	struct store_image image;

	/* as a crash between rename and completion record leaves it */
	add_everything(f);
	assert_int_equal(unlinkat(f->store->fd, "layers/sha256/" HEX_A "/complete", 0), 0);
	write_file(f, "layers/sha256/" HEX_A "/root/stale", "x");
	assert_int_equal(unlinkat(f->store->fd, "images/sha256/" HEX_M "/complete", 0), 0);
	add_layer(f, LAYER_A);
	add_image(f);
	assert_int_equal(find(f, "localhost/app:1", &image, NULL), 0);
	assert_false(exists(f, "layers/sha256/" HEX_A "/root/stale"));
	assert_false(store_has_work_left(f->store));
}

static void a_layer_root_belongs_to_container_root(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	add_layer(f, LAYER_A);
	assert_int_equal(fstatat(f->store->fd, "layers/sha256/" HEX_A "/root", &st, 0), 0);
	assert_int_equal(st.st_uid, IDS_ROOT);
	assert_int_equal(st.st_gid, IDS_ROOT);
	assert_int_equal(st.st_mode & 07777, 0755);
	/* the way there can be walked by container root, not listed */
	assert_int_equal(fstatat(f->store->fd, "layers/sha256/" HEX_A, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_int_equal(fstatat(f->store->fd, "tmp", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void work_in_progress_counts_for_nothing_and_is_swept(void **state)
{
	struct fixture *f = *state;
	struct store_work work;
	int root;

	assert_false(store_has_work_left(f->store));
	assert_int_equal(store_layer_begin(f->store, LAYER_A, &work, &root, &f->err), 0);
	close(root);
	assert_true(store_has_work_left(f->store));
	assert_int_equal(store_check_layer(f->store, LAYER_A, &f->err), -1);
	assert_int_equal(f->err.code, ERR_NOT_FOUND);
	assert_int_equal(store_lock(f->store, 0, &f->err), 0);
	assert_int_equal(store_sweep(f->store, &f->err), 0);
	assert_false(store_has_work_left(f->store));
	assert_int_equal(store_layer_begin(f->store, LAYER_A, &work, &root, &f->err), 0);
	close(root);
	assert_int_equal(store_discard(f->store, &work, &f->err), 0);
	assert_false(store_has_work_left(f->store));
}

static void temporary_files_of_records_are_swept_and_records_are_not(void **state)
{
	struct fixture *f = *state;
	struct store_image image;

	add_everything(f);
	/* a tag that looks like one */
	add_ref(f, "localhost/app:1.tmp-7", "");
	write_file(f, "refs/localhost%2Fapp%3A1.tmp-77", "torn");
	write_file(f, "archives/a%2Etar.tmp-77", "torn");
	write_file(f, "VERSION.tmp-77", "torn");
	assert_int_equal(store_sweep(f->store, &f->err), 0);
	assert_false(exists(f, "refs/localhost%2Fapp%3A1.tmp-77"));
	assert_false(exists(f, "archives/a%2Etar.tmp-77"));
	assert_false(exists(f, "VERSION.tmp-77"));
	assert_int_equal(find(f, "localhost/app:1.tmp-7", &image, NULL), 0);
	assert_int_equal(find(f, "localhost/app:1", &image, NULL), 0);
}

/* Another process: fcntl locks are no obstacle to their owner. */
static void a_second_writer_waits_no_longer_than_told(void **state)
{
	struct fixture *f = *state;
	int ready[2], status;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct store *other = store_open(f->path, NULL, &f->err);

		if (!other || store_lock(other, 0, &f->err) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(store_lock(f->store, 0, &f->err), -1);
	assert_says(&f->err, ERR_BUSY, "in use by process");
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(store_lock(f->store, 0, &f->err), 0);
	close(ready[0]);
	close(ready[1]);
}

static void a_store_of_an_unknown_version_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct stat before, after;

	write_file(f, "VERSION", "2\n");
	assert_int_equal(unlinkat(f->store->fd, "refs", AT_REMOVEDIR), 0);
	assert_int_equal(fstat(f->store->fd, &before), 0);
	assert_null(store_open(f->path, NULL, &f->err));
	assert_says(&f->err, ERR_UNSUPPORTED, "layout version 2 is not known");
	assert_int_equal(fstat(f->store->fd, &after), 0);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	assert_false(exists(f, "refs"));
	write_file(f, "VERSION", "one\n");
	assert_null(store_open(f->path, NULL, &f->err));
	assert_says(&f->err, ERR_INTEGRITY, "VERSION is not a version number");
}

static void an_incomplete_layout_is_completed(void **state)
{
	struct fixture *f = *state;
	struct store *again;

	assert_int_equal(unlinkat(f->store->fd, "refs", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(f->store->fd, "VERSION", 0), 0);
	again = store_open(f->path, NULL, &f->err);
	assert_non_null(again);
	assert_true(exists(f, "refs"));
	assert_true(exists(f, "VERSION"));
	store_close(again);
}

static void what_cannot_be_a_store_is_refused(void **state)
{
	struct fixture *f = *state;
	char path[160];

	write_file(f, "file", "x");
	snprintf(path, sizeof(path), "%s/file", f->path);
	assert_null(store_open(path, NULL, &f->err));
	assert_says(&f->err, ERR_SYS, "image store ");
	snprintf(path, sizeof(path), "%s/file/below", f->path);
	assert_null(store_open(path, NULL, &f->err));
	assert_null(store_open("/proc/cleat-no-such-store", NULL, &f->err));
}

static void a_read_only_store_is_used_but_not_written(void **state)
{
	struct fixture *f = *state;
	struct store_image image;
	struct store *again;
	bool read_only = false;
	int status;
	pid_t pid;

	add_everything(f);
	/* in a mount namespace of a child's own */
	pid = fork();
	if (pid == 0) {
		struct image_ref ref;

		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount(f->path, f->path, NULL, MS_BIND, NULL) < 0 ||
		    mount(NULL, f->path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
			_exit(10);
		again = store_open(f->path, &read_only, &f->err);
		if (!again || !read_only)
			_exit(11);
		if (ref_parse("localhost/app:1", &ref, &f->err) < 0 ||
		    store_find(again, &ref, &f->arena, &image, NULL, &f->err) < 0)
			_exit(12);
		if (store_lock(again, 0, &f->err) == 0)
			_exit(13);
		store_close(again);
		arena_fini(&f->arena);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void file_names_of_references_are_plain_and_distinct(void **state)
{
	char a[STORE_NAME_SIZE], b[STORE_NAME_SIZE], longer[600];

	(void)state;
	store_encode_name("localhost/app:1@sha256:x", a);
	assert_string_equal(a, "localhost%2Fapp%3A1%40sha256%3Ax");
	store_encode_name("..", a);
	assert_string_equal(a, "%2E%2E");
	store_encode_name("a\n\xff", a);
	assert_string_equal(a, "a%0A%FF");
	memset(longer, 'n', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	store_encode_name(longer, a);
	longer[sizeof(longer) - 2] = 'm';
	store_encode_name(longer, b);
	assert_true(strlen(a) < 230);
	assert_string_not_equal(a, b);
}

static void a_source_is_current_until_anything_changes(void **state)
{
	struct fixture *f = *state;
	struct timespec times[2] = { { .tv_sec = 5 }, { .tv_sec = 5 } };
	char path[256], source[PATH_MAX + 128];

	snprintf(path, sizeof(path), "%s/an archive.tar", f->path);
	write_file(f, "an archive.tar", "12345");
	assert_int_equal(store_source_of(path, source, sizeof(source), &f->err), 0);
	assert_true(store_source_is_current(source));
	assert_true(store_source_is_current(""));
	assert_false(store_source_is_current("no numbers"));
	assert_false(store_source_is_current("/no/such/file 1 2.0 3.0"));
	/* something new beside it may mean the same name */
	assert_int_equal(utimensat(AT_FDCWD, f->path, times, 0), 0);
	assert_false(store_source_is_current(source));
	assert_int_equal(store_source_of(path, source, sizeof(source), &f->err), 0);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_false(store_source_is_current(source));
	assert_int_equal(store_source_of(path, source, sizeof(source), &f->err), 0);
	assert_int_equal(truncate(path, 4), 0);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, f->path, times, 0), 0);
	assert_false(store_source_is_current(source));
	assert_int_equal(store_source_of("/no/such/file", source, sizeof(source), &f->err), -1);
}

static void what_an_archive_holds_is_remembered_by_size_and_time(void **state)
{
	struct fixture *f = *state;
	auto_buf body = BUF_INIT(1000);
	auto_buf out = BUF_INIT(FLAT_ARCHIVE_MAX_BYTES);

	flat_put(&body, "image", MANIFEST);
	assert_int_equal(store_archive_read(f->store, "a.tar", "5 1.0", &out, &f->err), -1);
	assert_int_equal(f->err.code, ERR_NOT_FOUND);
	assert_int_equal(store_archive_write(f->store, "a.tar", "5 1.0", &body, &f->err), 0);
	assert_int_equal(store_archive_read(f->store, "a.tar", "5 1.0", &out, &f->err), 0);
	assert_string_equal(out.data, "image " MANIFEST "\n");
	assert_int_equal(store_archive_read(f->store, "a.tar", "6 1.0", &out, &f->err), -1);
	assert_says(&f->err, ERR_NOT_FOUND, "the archive has changed");
	write_file(f, "archives/a%2Etar", "cleat-archive 1 11\nfile b.tar\n");
	assert_int_equal(store_archive_read(f->store, "a.tar", "5 1.0", &out, &f->err), -1);
	write_file(f, "archives/a%2Etar", "nonsense");
	assert_int_equal(store_archive_read(f->store, "a.tar", "5 1.0", &out, &f->err), -1);
	assert_int_equal(f->err.code, ERR_INTEGRITY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_image_is_found_by_name_and_by_digest, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_name_of_an_index_leads_to_its_manifest, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_there_is_not_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_missing_or_torn_layer_is_named, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(torn_records_of_images_and_names_are_told, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_torn_object_is_replaced_by_a_whole_one, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_layer_root_belongs_to_container_root, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(work_in_progress_counts_for_nothing_and_is_swept,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			temporary_files_of_records_are_swept_and_records_are_not, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(a_second_writer_waits_no_longer_than_told, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_store_of_an_unknown_version_is_left_alone, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(an_incomplete_layout_is_completed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_a_store_is_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_read_only_store_is_used_but_not_written, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(file_names_of_references_are_plain_and_distinct,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_source_is_current_until_anything_changes, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			what_an_archive_holds_is_remembered_by_size_and_time, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
