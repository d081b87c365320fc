/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of units: what is copied is read back as the same unit, and stands in for a file with errors. */
#include "unit_test.h"

#include "../util/scratch.h"
#include "supervise/last_good.h"
#include "util/str.h"

struct loaded {
	struct unit_set set;
	struct arena arena;
};

static struct loaded load(const struct scratch *s, const struct unit_substitute *substitutes,
			  size_t count)
{
	struct loaded l = { .set.count = 0 };
	struct unit_facts facts = { 0 };
	char dir[128];
	struct err err;

	unit_facts_init(&facts, &l.arena, "/data/home");
	facts.keeps_sources = true;
	facts.substitutes = substitutes;
	facts.substitute_count = count;
	snprintf(dir, sizeof(dir), "%s/units", s->path);
	if (unit_set_load(&l.set, dir, &facts, &err) < 0 && !count)
		fail_msg("%s", err.msg);
	return l;
}

static void done(struct loaded *l)
{
	unit_set_fini(&l->set);
	arena_fini(&l->arena);
}

static const struct unit *find_or_null(const struct loaded *l, const char *name)
{
	for (size_t i = 0; i < l->set.count; i++)
		if (str_eq(l->set.units[i].name, name))
			return &l->set.units[i];
	return NULL;
}

static const struct unit *find(const struct loaded *l, const char *name)
{
	const struct unit *unit = find_or_null(l, name);

	if (!unit)
		fail_msg("no unit %s", name);
	return unit;
}

static const char *copies(const struct scratch *s)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/copies", s->path);
	return path;
}

static void fill(const struct scratch *s)
{
	scratch_mkdir(s, "copies");
	scratch_mkdir(s, "units");
	scratch_mkdir(s, "units/sub");
	scratch_mkdir(s, "units/web.container.d");
	scratch_write(
		s, "units/sub/web.container",
		"# why\n[Unit]\nAfter=db.service\n[Container]\nImage=localhost/a:1\nExec=sh -c \"a \\\n  b\"\n"
		"Volume=./data:/data\nEnvironment=A=1\nEnvironment=\nEnvironment=B=2 C=3\n[Service]\nRestart=always\n"
		"[Install]\nWantedBy=default.target\n");
	scratch_write(s, "units/web.container.d/x.conf", "[Container]\nEnvironment=D=4\n");
}

static void copy(const struct scratch *s, const struct loaded *l, const char *name)
{
	struct err err;

	if (last_good_write(copies(s), find(l, name), &err) < 0)
		fail_msg("%s", err.msg);
}

static void assert_same_words(const struct unit *a, const struct unit *b)
{
	assert_int_equal(a->spec_args.count, b->spec_args.count);
	for (size_t i = 0; i < a->spec_args.count; i++)
		assert_string_equal(a->spec_args.items[i].text, b->spec_args.items[i].text);
}

static void test_a_copy_stands_in_for_a_file_with_errors(void **state)
{
	const struct scratch *s = *state;
	struct loaded good, broken, mended;
	struct unit_substitute substitute;
	struct arena arena = { 0 };
	struct err err;

	fill(s);
	good = load(s, NULL, 0);
	copy(s, &good, "web.container");
	scratch_write(s, "units/sub/web.container", "[Container]\nImage=localhost/a:2\nNonsense\n");
	broken = load(s, NULL, 0);
	assert_false(find(&broken, "web.container")->is_valid);
	assert_int_equal(last_good_read(copies(s), "web.container", &arena, &substitute, &err), 0);
	mended = load(s, &substitute, 1);
	assert_true(find(&mended, "web.container")->is_valid);
	assert_true(find(&mended, "web.container")->is_substituted);
	assert_same_words(find(&good, "web.container"), find(&mended, "web.container"));
	assert_string_equal(find(&good, "web.container")->path,
			    find(&mended, "web.container")->path);
	assert_memory_equal(find(&good, "web.container")->source_digest,
			    find(&mended, "web.container")->source_digest, 32);
	assert_memory_equal(find(&good, "web.container")->service_digest,
			    find(&mended, "web.container")->service_digest, 32);
	assert_memory_not_equal(find(&good, "web.container")->source_digest,
				find(&broken, "web.container")->source_digest, 32);
	arena_fini(&arena);
	done(&good);
	done(&broken);
	done(&mended);
}

static void test_a_copy_without_a_file_is_a_removed_unit(void **state)
{
	const struct scratch *s = *state;
	struct loaded good, gone;
	struct unit_substitute substitute;
	struct arena arena = { 0 };
	struct err err;

	fill(s);
	good = load(s, NULL, 0);
	copy(s, &good, "web.container");
	assert_int_equal(unlinkat(s->fd, "units/sub/web.container", 0), 0);
	/* the name of its container is somebody else's now */
	scratch_write(s, "units/site.container",
		      "[Container]\nImage=localhost/a:1\nContainerName=systemd-web\n");
	assert_int_equal(last_good_read(copies(s), "web.container", &arena, &substitute, &err), 0);
	substitute.is_removed = true;
	gone = load(s, &substitute, 1);
	assert_true(find(&gone, "web.container")->is_removed);
	assert_true(find(&gone, "web.container")->is_valid);
	assert_false(find(&gone, "web.container")->service.boot);
	assert_true(find(&gone, "site.container")->is_valid);
	arena_fini(&arena);
	done(&good);
	done(&gone);
}

static void test_copies_are_all_there_is_when_the_directory_is_not(void **state)
{
	const struct scratch *s = *state;
	struct loaded good, none;
	struct unit_substitute substitute;
	struct arena arena = { 0 };
	struct err err;

	fill(s);
	good = load(s, NULL, 0);
	copy(s, &good, "web.container");
	assert_int_equal(renameat(s->fd, "units", s->fd, "away"), 0);
	assert_int_equal(last_good_read(copies(s), "web.container", &arena, &substitute, &err), 0);
	none = load(s, &substitute, 1);
	assert_same_words(find(&good, "web.container"), find(&none, "web.container"));
	arena_fini(&arena);
	done(&good);
	done(&none);
}

static void test_the_same_copy_is_not_written_twice(void **state)
{
	const struct scratch *s = *state;
	struct loaded good;
	struct stat before, after;

	fill(s);
	good = load(s, NULL, 0);
	copy(s, &good, "web.container");
	assert_int_equal(fstatat(s->fd, "copies/web.container", &before, 0), 0);
	copy(s, &good, "web.container");
	assert_int_equal(fstatat(s->fd, "copies/web.container", &after, 0), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(after.st_mode & 0777, 0600);
	done(&good);
}

/* A file may be 256 KiB, and a drop-in as much again. */
static void test_what_would_not_be_read_back_is_not_copied(void **state)
{
	const struct scratch *s = *state;
	struct buf text = BUF_INIT(UNIT_MAX_FILE_BYTES);
	struct loaded l;
	struct err err;

	fill(s);
	buf_puts(&text, "[Container]\nImage=localhost/a:1\n");
	for (unsigned i = 0; text.len < 200 * 1024; i++)
		buf_printf(&text, "Label=a%u=%0900d\n", i, 7);
	scratch_write(s, "units/odd.container", buf_str(&text));
	scratch_mkdir(s, "units/odd.container.d");
	scratch_write(s, "units/odd.container.d/more.conf", buf_str(&text));
	buf_fini(&text);
	l = load(s, NULL, 0);
	assert_true(find(&l, "odd.container")->is_valid);
	assert_int_equal(last_good_write(copies(s), find(&l, "odd.container"), &err), -1);
	assert_int_equal(err.code, ERR_UNSUPPORTED);
	assert_false(scratch_exists(s, "copies/odd.container"));
	done(&l);
}

static void test_what_is_no_copy_is_refused(void **state)
{
	static const char *const texts[] = { "",
					     "[Container]\nImage=x\n",
					     "#cleat unit 1\n",
					     "#cleat unit 1\n#path /a\n#folder b\n#service \n",
					     "#cleat unit 1\n#path /a\n#folder /",
					     "#cleat unit 2\n#path /a\n#folder /b\n#service \n" };
	const struct scratch *s = *state;
	struct arena arena = { 0 };
	struct unit_substitute out;
	struct err err;

	scratch_mkdir(s, "copies");
	assert_int_equal(last_good_read(copies(s), "web.container", &arena, &out, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		scratch_write(s, "copies/web.container", texts[i]);
		assert_int_equal(last_good_read(copies(s), "web.container", &arena, &out, &err),
				 -1);
		assert_int_equal(err.code, ERR_INTEGRITY);
	}
	arena_fini(&arena);
}

static void test_copies_are_listed_and_removed(void **state)
{
	const struct scratch *s = *state;
	struct arena arena = { 0 };
	const char **names;
	struct err err;
	size_t count;

	assert_int_equal(last_good_list(copies(s), &arena, &names, &count, &err), 0);
	assert_int_equal(count, 0);
	scratch_mkdir(s, "copies");
	scratch_write(s, "copies/web.container", "");
	scratch_write(s, "copies/app.pod", "");
	scratch_write(s, "copies/web.container.tmp-7", "");
	assert_int_equal(last_good_list(copies(s), &arena, &names, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_string_equal(names[0], "app.pod");
	assert_int_equal(last_good_remove(copies(s), "web.container", &err), 0);
	assert_int_equal(last_good_remove(copies(s), "web.container", &err), 0);
	assert_false(scratch_exists(s, "copies/web.container"));
	assert_int_equal(last_good_remove(copies(s), "../units", &err), -1);
	arena_fini(&arena);
}

/* What "service_digest" is for: these lines restart nothing. */
static void test_lines_that_are_applied_in_place(void **state)
{
	static const struct {
		const char *line;
		bool counts;
	} cases[] = {
		{ "[Service]\nRestart=no\n", false },
		{ "[Service]\nRestartSec=9\n", false },
		{ "[Service]\nTimeoutStopSec=9\n", false },
		{ "[Service]\nSuccessExitStatus=3\n", false },
		{ "[Service]\nExecStop=/bin/true\n", false },
		{ "[Unit]\nDescription=other\n", false },
		{ "[Install]\nWantedBy=multi-user.target\n", false },
		{ "# a comment\n", false },
		{ "[Service]\nType=oneshot\n", true },
		{ "[Service]\nExecStartPre=/bin/true\n", true },
		{ "[Service]\nLimitNOFILE=7\n", true },
	};
	const struct scratch *s = *state;

	scratch_mkdir(s, "units");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct loaded before, after;
		char text[256];

		scratch_write(s, "units/a.container", "[Container]\nImage=localhost/a:1\n");
		before = load(s, NULL, 0);
		snprintf(text, sizeof(text), "[Container]\nImage=localhost/a:1\n%s", cases[i].line);
		scratch_write(s, "units/a.container", text);
		after = load(s, NULL, 0);
		assert_same_words(find(&before, "a.container"), find(&after, "a.container"));
		assert_int_equal(memcmp(find(&before, "a.container")->service_digest,
					find(&after, "a.container")->service_digest, 32) != 0,
				 cases[i].counts);
		done(&before);
		done(&after);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(test_a_copy_stands_in_for_a_file_with_errors),
		scratch_test(test_a_copy_without_a_file_is_a_removed_unit),
		scratch_test(test_copies_are_all_there_is_when_the_directory_is_not),
		scratch_test(test_the_same_copy_is_not_written_twice),
		scratch_test(test_what_would_not_be_read_back_is_not_copied),
		scratch_test(test_what_is_no_copy_is_refused),
		scratch_test(test_copies_are_listed_and_removed),
		scratch_test(test_lines_that_are_applied_in_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
