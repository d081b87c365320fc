/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes on disk: made, read, listed, removed, replaced; records that a crash or a hand has damaged. */
#include "unit_test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervise/volume_store.h"
#include "util/buf.h"
#include "util/file.h"
#include "util/ids.h"
#include "util/str.h"

static char scratch[64];
static int store = -1;
static struct arena arena;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static int store_setup(void **state)
{
	struct err err;

	(void)state;
	snprintf(scratch, sizeof(scratch), "/tmp/cleat-unit-XXXXXX");
	if (!mkdtemp(scratch))
		return -1;
	store = volume_store_open(scratch, true, &err);
	return store < 0 ? -1 : 0;
}

static int store_teardown(void **state)
{
	(void)state;
	close(store);
	arena_fini(&arena);
	return nftw(scratch, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void need_root(void)
{
	if (geteuid() != 0) /* owners are set */
		skip();
}

static const char *in_store(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", scratch, name);
	return path;
}

static void put(const char *name, const char *text)
{
	FILE *file = fopen(in_store(name), "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void parse(struct volume_spec *out, const char *const *words)
{
	struct arg_list list = { 0 };
	struct diags diags = { 0 };

	for (unsigned i = 0; words[i]; i++)
		arg_push(&arena, &list, words[i], NULL);
	assert_int_equal(volume_from_args(out, &arena, &list, &diags), 0);
	diags_fini(&diags);
}
#define MAKE(...) make((const char *const[]){ __VA_ARGS__, NULL })

static bool make(const char *const *words)
{
	struct volume_spec spec;
	struct err err;
	bool made;

	parse(&spec, words);
	if (volume_store_make(store, &spec, 1700000000000000, &made, &err) < 0)
		fail_msg("%s", err.msg);
	return made;
}

static void a_volume_is_made_once_and_read_back(void **state)
{
	struct volume_record found;
	struct stat st;
	struct err err;

	(void)state;
	need_root();
	assert_true(
		MAKE("-l", "a=b", "-l", "bare", "-o", "o=uid=33,nodev", "-o", "nocopy", "data"));
	assert_int_equal(stat(in_store("data"), &st), 0);
	assert_int_equal(st.st_uid, 33);
	assert_int_equal(st.st_gid, IDS_ROOT);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(volume_store_read(store, "data", &arena, &found, &err), 0);
	assert_true(found.created_usec == 1700000000000000);
	assert_int_equal(found.spec.label_count, 2);
	assert_string_equal(found.spec.labels[0].value, "b");
	assert_int_equal(found.spec.uid, 33);
	assert_true(found.spec.no_copy && found.spec.no_dev);
	/* Made again, it stays what it is. */
	assert_int_equal(chown(in_store("data"), 5, 5), 0);
	assert_false(MAKE("-l", "other=1", "data"));
	assert_int_equal(volume_store_read(store, "data", &arena, &found, &err), 0);
	assert_string_equal(found.spec.labels[0].name, "a");
	assert_int_equal(stat(in_store("data"), &st), 0);
	assert_int_equal(st.st_uid, 5);
	/* Who said an owner has it for good: the first container does not change it. */
	assert_int_equal(access(in_store(".cleat/data/state"), F_OK), 0);
	assert_true(MAKE("plain"));
	assert_int_equal(access(in_store(".cleat/plain/state"), F_OK), -1);
}

static void a_volume_without_a_folder_has_a_record(void **state)
{
	struct volume_record found;
	struct err err;

	(void)state;
	need_root();
	assert_true(MAKE("-o", "type=tmpfs", "-o", "device=tmpfs", "-o", "o=size=1m", "memory"));
	assert_int_equal(access(in_store("memory"), F_OK), -1);
	assert_int_equal(volume_store_read(store, "memory", &arena, &found, &err), 0);
	assert_int_equal(found.spec.kind, VOLUME_TMPFS);
	assert_int_equal(found.spec.size_bytes, 1 << 20);
}

static void all_are_listed_by_name(void **state)
{
	struct volume_record *list;
	struct err err;
	size_t count;

	(void)state;
	need_root();
	MAKE("zeta");
	MAKE("-o", "type=tmpfs", "-o", "device=tmpfs", "memory");
	assert_int_equal(mkdir(in_store("by-hand"), 0755), 0);
	assert_int_equal(mkdir(in_store(".hidden"), 0755), 0);
	assert_int_equal(symlink("/etc", in_store("link")), 0);
	put("file", "");
	MAKE("damaged");
	put(".cleat/damaged/record.json", "{\"version\":1,");
	assert_int_equal(volume_store_list(store, &arena, &list, &count, &err), 0);
	assert_int_equal(count, 4);
	assert_string_equal(list[0].spec.name, "by-hand");
	assert_true(list[0].created_usec > 0);
	assert_string_equal(list[1].spec.name, "damaged");
	assert_string_equal(list[2].spec.name, "memory");
	assert_string_equal(list[3].spec.name, "zeta");
}

static void what_cannot_be_understood_is_said(void **state)
{
	static const char *const damaged[] = {
		"{",
		"[]",
		"{\"version\":2}",
		"{\"version\":1,\"created_usec\":1,\"labels\":[],\"options\":[[\"type\",\"nfs\"]]}",
	};
	struct volume_record found;
	struct volume_spec spec;
	struct err err;

	(void)state;
	need_root();
	MAKE("data");
	for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
		put(".cleat/data/record.json", damaged[i]);
		assert_int_equal(volume_store_read(store, "data", &arena, &found, &err), -1);
		assert_int_equal(err.code, ERR_INTEGRITY);
		assert_non_null(strstr(err.msg, "volume data: record"));
	}
	/* The power went before it reached the disk: a plain folder. */
	put(".cleat/data/record.json", "");
	assert_int_equal(volume_store_read(store, "data", &arena, &found, &err), 0);
	assert_true(found.created_usec != 1700000000000000);
	assert_int_equal(volume_store_read(store, "../data", &arena, &found, &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
	assert_int_equal(volume_store_read(store, "nowhere", &arena, &found, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	volume_spec_init(&spec, "a/b");
	assert_int_equal(volume_store_make(store, &spec, 0, NULL, &err), -1);
	volume_spec_init(&spec, "big");
	spec.uid = 65001;
	assert_int_equal(volume_store_make(store, &spec, 0, NULL, &err), -1);
	assert_non_null(strstr(err.msg, "no place in the id map"));
	assert_int_equal(access(in_store("big"), F_OK), -1);
}

static void removed_means_nothing_is_left(void **state)
{
	struct volume_record found;
	struct err err;

	(void)state;
	need_root();
	MAKE("data");
	assert_int_equal(mkdir(in_store("data/deep"), 0), 0);
	put("data/deep/file", "x");
	assert_int_equal(symlink("/etc", in_store("data/link")), 0);
	/* what an interrupted one has left goes with it */
	assert_int_equal(mkdir(in_store(".cleat/.removed"), 0700), 0);
	put(".cleat/.removed/left", "x");
	assert_int_equal(volume_store_remove(store, "data", &err), 0);
	assert_int_equal(volume_store_read(store, "data", &arena, &found, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(access(in_store(".cleat/data"), F_OK), -1);
	assert_int_equal(access(in_store(".cleat/.removed"), F_OK), -1);
	assert_int_equal(access("/etc/passwd", F_OK), 0);
	assert_int_equal(volume_store_remove(store, "data", &err), 0);
	assert_int_equal(volume_store_remove(store, "..", &err), -1);
}

static void a_volume_that_is_being_filled_is_busy(void **state)
{
	struct err err;
	int lock, status;
	pid_t pid;

	(void)state;
	need_root();
	MAKE("data");
	lock = volume_store_lock(store, "data", &err);
	assert_true(lock >= 0);
	pid = fork();
	if (pid == 0)
		_exit(volume_store_lock(store, "data", &err) < 0 && err.code == ERR_BUSY ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(lock);
	lock = volume_store_lock(store, "data", &err);
	assert_true(lock >= 0);
	close(lock);
}

static void staged_content_takes_the_place_at_once(void **state)
{
	auto_buf text = BUF_INIT(64);
	struct stat st;
	struct err err;
	int staged;

	(void)state;
	need_root();
	MAKE("--uid", "7", "data");
	assert_int_equal(chmod(in_store("data"), 0750), 0);
	put("data/old", "old");
	staged = volume_store_stage(store, "data", &err);
	assert_true(staged >= 0);
	assert_int_equal(fstat(staged, &st), 0);
	assert_int_equal(st.st_uid, 7);
	assert_int_equal(st.st_mode & 07777, 0750);
	put(".cleat/data/import/new", "new");
	volume_store_unstage(store, "data");
	assert_int_equal(access(in_store(".cleat/data/import"), F_OK), -1);
	assert_int_equal(access(in_store("data/old"), F_OK), 0);
	close(staged);
	staged = volume_store_stage(store, "data", &err);
	put(".cleat/data/import/new", "new");
	assert_int_equal(volume_store_commit(store, "data", staged, &err), 0);
	close(staged);
	assert_int_equal(access(in_store("data/old"), F_OK), -1);
	assert_int_equal(access(in_store("data/new"), F_OK), 0);
	assert_int_equal(access(in_store(".cleat/data/import"), F_OK), -1);
	assert_int_equal(file_read_at(store, ".cleat/data/state", 64, &text, &err), 0);
	assert_string_equal(buf_str(&text), "copied");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_volume_is_made_once_and_read_back, store_setup,
						store_teardown),
		cmocka_unit_test_setup_teardown(a_volume_without_a_folder_has_a_record, store_setup,
						store_teardown),
		cmocka_unit_test_setup_teardown(all_are_listed_by_name, store_setup,
						store_teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_understood_is_said, store_setup,
						store_teardown),
		cmocka_unit_test_setup_teardown(removed_means_nothing_is_left, store_setup,
						store_teardown),
		cmocka_unit_test_setup_teardown(a_volume_that_is_being_filled_is_busy, store_setup,
						store_teardown),
		cmocka_unit_test_setup_teardown(staged_content_takes_the_place_at_once, store_setup,
						store_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
