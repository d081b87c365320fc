/* SPDX-License-Identifier: Apache-2.0 */
/* The files that a container is made by: which changes of them count. */
#include "unit_test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "../util/scratch.h"
#include "supervise/inputs.h"

struct box {
	char env[128], file[128], folder[128], config[128], store[128];
	struct secret_places places;
	struct spec_env_file env_file;
	struct spec_mount mounts[3];
	struct spec_secret secret;
	struct container_spec spec;
};

static struct box *make(const struct scratch *s)
{
	static struct box box;
	struct box *b = &box;

	memset(b, 0, sizeof(*b));
	snprintf(b->env, sizeof(b->env), "%s/env", s->path);
	snprintf(b->file, sizeof(b->file), "%s/file", s->path);
	snprintf(b->folder, sizeof(b->folder), "%s/folder", s->path);
	snprintf(b->config, sizeof(b->config), "%s/secrets", s->path);
	snprintf(b->store, sizeof(b->store), "%s/store", s->path);
	scratch_mkdir(s, "secrets");
	scratch_mkdir(s, "store");
	scratch_mkdir(s, "folder");
	scratch_write(s, "env", "A=1\n");
	scratch_write(s, "file", "one");
	scratch_write(s, "writable", "one");
	scratch_write(s, "secrets/word", "old");
	b->places = (struct secret_places){ b->config, b->store };
	b->env_file = (struct spec_env_file){ .path = b->env };
	b->mounts[0] = (struct spec_mount){ .kind = SPEC_MOUNT_BIND,
					    .source = b->file,
					    .read_only = true };
	b->mounts[1] = (struct spec_mount){ .kind = SPEC_MOUNT_BIND,
					    .source = b->folder,
					    .read_only = true };
	b->mounts[2] = (struct spec_mount){ .kind = SPEC_MOUNT_TMPFS };
	b->secret = (struct spec_secret){ .name = "word" };
	b->spec.env_files = &b->env_file;
	b->spec.env_file_count = 1;
	b->spec.mounts = b->mounts;
	b->spec.mount_count = 3;
	b->spec.secrets = &b->secret;
	b->spec.secret_count = 1;
	return b;
}

struct digest {
	uint8_t bytes[32];
};

static struct digest look(const struct box *b)
{
	struct digest d;

	inputs_digest(&b->spec, &b->places, d.bytes);
	return d;
}

static bool is_same(struct digest a, struct digest b)
{
	return memcmp(a.bytes, b.bytes, 32) == 0;
}

static void test_no_files_are_all_zero(void **state)
{
	static const uint8_t zero[32];
	struct container_spec spec = { .name = "x" };
	uint8_t out[32] = { 1 };

	(void)state;
	inputs_digest(&spec, &secret_places, out);
	assert_memory_equal(out, zero, 32);
}

static void test_contents_of_environment_and_mounted_files_count(void **state)
{
	const struct scratch *s = *state;
	struct box *b = make(s);
	struct digest before = look(b), after;

	scratch_write(s, "env", "A=2\n");
	after = look(b);
	assert_false(is_same(before, after));
	scratch_write(s, "file", "two");
	assert_false(is_same(after, look(b)));
}

static void test_touching_and_copying_are_no_change(void **state)
{
	const struct scratch *s = *state;
	struct box *b = make(s);
	struct digest before = look(b);

	scratch_write(s, "new", "A=1\n");
	assert_int_equal(renameat(s->fd, "new", s->fd, "env"), 0);
	assert_int_equal(utimensat(s->fd, "file", NULL, 0), 0);
	assert_true(is_same(before, look(b)));
}

static void test_a_file_that_goes_or_comes_counts(void **state)
{
	const struct scratch *s = *state;
	struct box *b = make(s);
	struct digest before = look(b);

	assert_int_equal(unlinkat(s->fd, "env", 0), 0);
	assert_false(is_same(before, look(b)));
	scratch_write(s, "env", "A=1\n");
	assert_true(is_same(before, look(b)));
	scratch_write(s, "store/word", "x");
	assert_false(is_same(before, look(b)));
}

static void test_a_secret_counts_by_its_file(void **state)
{
	const struct scratch *s = *state;
	struct box *b = make(s);
	struct digest before = look(b);

	scratch_write(s, "new", "old");
	assert_int_equal(renameat(s->fd, "new", s->fd, "secrets/word"), 0);
	assert_false(is_same(before, look(b)));
}

static void test_what_is_in_a_mounted_folder_does_not_count(void **state)
{
	const struct scratch *s = *state;
	struct box *b = make(s);
	struct digest before = look(b);

	scratch_write(s, "folder/x", "y");
	assert_true(is_same(before, look(b)));
}

static void test_a_folder_that_the_start_makes_is_no_change(void **state)
{
	struct box *b = make(*state);
	struct digest before;
	char path[128];

	snprintf(path, sizeof(path), "%s/made", ((const struct scratch *)*state)->path);
	b->mounts[1].source = path;
	before = look(b);
	scratch_mkdir(*state, "made");
	assert_false(is_same(look(b),
			     before)); /* somebody else's folder, without which nothing starts */
	assert_int_equal(rmdir(path), 0);
	b->mounts[1].make_source = true;
	before = look(b);
	scratch_mkdir(*state, "made");
	assert_true(is_same(look(b), before));
	assert_int_equal(rmdir(path), 0);
	scratch_write(*state, "made", "a file after all");
	assert_false(is_same(look(b), before));
}

static void test_a_large_file_counts_by_size_and_time(void **state)
{
	const struct scratch *s = *state;
	struct box *b = make(s);
	struct timespec past[2] = { { 1, 0 }, { 1, 0 } };
	struct digest before;

	assert_int_equal(truncate(b->file, INPUTS_MAX_READ_BYTES + 1), 0);
	assert_int_equal(utimensat(s->fd, "file", past, 0), 0);
	before = look(b);
	assert_true(is_same(before, look(b)));
	past[1].tv_sec = 2;
	assert_int_equal(utimensat(s->fd, "file", past, 0), 0);
	assert_false(is_same(before, look(b)));
}

static void count_paths(void *arg, const char *path)
{
	unsigned *count = arg;

	assert_int_equal(path[0], '/');
	(*count)++;
}

static void test_each_file_is_named_folders_are_not(void **state)
{
	struct box *b = make(*state);
	unsigned count = 0;

	inputs_each(&b->spec, &b->places, count_paths, &count);
	assert_int_equal(count, 4); /* env, file, and the secret's two places */
}

static void test_what_a_running_container_cannot_be_told_of(void **state)
{
	const struct scratch *s = *state;
	struct box *b = make(s);
	uint8_t before[32], after[32];

	inputs_digest_taken(&b->spec, &b->places, before);
	scratch_write(s, "file", "two");
	inputs_digest_taken(&b->spec, &b->places, after);
	assert_memory_equal(before, after, 32);
	scratch_write(s, "new", "two");
	assert_int_equal(renameat(s->fd, "new", s->fd, "file"), 0);
	inputs_digest_taken(&b->spec, &b->places, after);
	assert_memory_not_equal(before, after, 32);
	inputs_digest_taken(&b->spec, &b->places, before);
	scratch_write(s, "env", "A=2\n");
	inputs_digest_taken(&b->spec, &b->places, after);
	assert_memory_not_equal(before, after, 32);
	inputs_digest_taken(&b->spec, &b->places, before);
	scratch_write(s, "new", "old");
	assert_int_equal(renameat(s->fd, "new", s->fd, "secrets/word"), 0);
	inputs_digest_taken(&b->spec, &b->places, after);
	assert_memory_not_equal(before, after, 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_files_are_all_zero),
		scratch_test(test_contents_of_environment_and_mounted_files_count),
		scratch_test(test_touching_and_copying_are_no_change),
		scratch_test(test_a_file_that_goes_or_comes_counts),
		scratch_test(test_a_secret_counts_by_its_file),
		scratch_test(test_what_is_in_a_mounted_folder_does_not_count),
		scratch_test(test_a_folder_that_the_start_makes_is_no_change),
		scratch_test(test_a_large_file_counts_by_size_and_time),
		scratch_test(test_each_file_is_named_folders_are_not),
		scratch_test(test_what_a_running_container_cannot_be_told_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
