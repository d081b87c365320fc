/* SPDX-License-Identifier: Apache-2.0 */
/* A made /config: which names it takes, that it writes only what differs, what it removes, its bounds; and the folders that it is filled from. */
#include "unit_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/config_internal.h"
#include "boot/config_tree.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/scratch.h"

static struct err err;

static const char *content(const struct scratch *s, const char *rel)
{
	static char text[4096];
	auto_buf buf = BUF_INIT(sizeof(text) - 1);

	if (file_read_at(s->fd, rel, sizeof(text) - 1, &buf, &err) < 0)
		return NULL;
	snprintf(text, sizeof(text), "%s", buf_str(&buf));
	return text;
}

static void open_tree(const struct scratch *s, struct config_tree *t)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/tree", s->path);
	assert_int_equal(config_tree_open(t, path, 0, &err), 0);
}

static void put(struct config_tree *t, const char *rel, const char *text)
{
	if (config_tree_put(t, rel, text, strlen(text), &err) < 0)
		fail_msg("%s", err.msg);
}

static void names_that_are_taken(void **state)
{
	static const char *const names[] = {
		"appliance.ini",
		"network-config",
		"auth.json",
		"registries.conf",
		"policy.json",
		"units/web.container",
		"units/data.volume",
		"units/web@.container",
		"units/app.pod",
		"units/all.quadlets",
		"units/web.container.d/10.conf",
		"units/container.d/a.conf",
		"secrets/db_password",
		"keys/release.pub",
		"certs.d/ca.crt",
		"certs.d/registry.example:5000/ca.crt",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (config_tree_check(names[i], &err) < 0)
			fail_msg("%s", err.msg);
}

static void names_that_are_refused(void **state)
{
	static const struct {
		const char *name, *why;
	} cases[] = {
		{ "", "a name that does not begin with a dot" },
		{ "/etc/passwd", "a name that does not begin with a dot" },
		{ "../x", "a name that does not begin with a dot" },
		{ "units/../../etc/x.container", "a name that does not begin with a dot" },
		{ "units/.hidden.container", "a name that does not begin with a dot" },
		{ "units//x.container", "a name that does not begin with a dot" },
		{ "units/", "a name that does not begin with a dot" },
		{ "units", "no such place" },
		{ "units/readme.txt", "the name of a unit file is expected" },
		{ "units/sub/web.container", "UNIT.d/NAME.conf is expected" },
		{ "units/web.container.d/x.txt", "UNIT.d/NAME.conf is expected" },
		{ "units/a.d/b.d/c.conf", "no such place" },
		{ "images/a.tar", "no such place" },
		{ "units/a\nb.container", "a control character" },
		{ "units/a\x7f.container", "a control character" },
		{ "passwd", "no such place" },
		{ "secrets/a/b", "no such place" },
	};
	char longest[CONFIG_MAX_NAME + 32];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(config_tree_check(cases[i].name, &err), -1);
		if (!strstr(err.msg, cases[i].why))
			fail_msg("%s: %s", cases[i].name, err.msg);
	}
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "secrets/", 8);
	longest[8 + CONFIG_MAX_NAME] = '\0';
	assert_int_equal(config_tree_check(longest, &err), 0);
	longest[8 + CONFIG_MAX_NAME] = 'a';
	longest[9 + CONFIG_MAX_NAME] = '\0';
	assert_int_equal(config_tree_check(longest, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
}

static void writes_what_differs_and_removes_the_rest(void **state)
{
	const struct scratch *s = *state;
	struct config_tree t;
	struct stat before, after;

	open_tree(s, &t);
	assert_true(scratch_exists(s, "tree/units"));
	put(&t, "units/web.container", "[Container]\n");
	put(&t, "units/web.container.d/a.conf", "[Container]\n");
	put(&t, "secrets/word", "s3cret");
	put(&t, "appliance.ini", "");
	assert_int_equal(t.unit_count, 1);
	assert_int_equal(config_tree_finish(&t, &err), 0);
	assert_true(t.has_changed);
	assert_int_equal(stat(s->path, &before), 0);
	assert_int_equal(fstatat(s->fd, "tree/secrets/word", &before, 0), 0);
	assert_int_equal(before.st_mode & 0777, 0600);
	assert_int_equal(fstatat(s->fd, "tree/units/web.container", &before, 0), 0);
	assert_int_equal(before.st_mode & 0777, 0644);

	/* the same again: nothing is touched */
	config_tree_restart(&t);
	put(&t, "units/web.container", "[Container]\n");
	put(&t, "units/web.container.d/a.conf", "[Container]\n");
	put(&t, "secrets/word", "s3cret");
	put(&t, "appliance.ini", "");
	assert_int_equal(config_tree_finish(&t, &err), 0);
	assert_false(t.has_changed);
	assert_int_equal(fstatat(s->fd, "tree/units/web.container", &after, 0), 0);
	assert_int_equal(after.st_ino, before.st_ino);

	/* another text of the same length, and fewer files */
	config_tree_restart(&t);
	put(&t, "units/web.container", "[container]\n");
	assert_int_equal(config_tree_finish(&t, &err), 0);
	assert_true(t.has_changed);
	assert_string_equal(content(s, "tree/units/web.container"), "[container]\n");
	assert_int_equal(scratch_count(s, "tree"), 1);
	assert_int_equal(scratch_count(s, "tree/units"), 1);

	/* nothing at all: the folder of units stays */
	config_tree_restart(&t);
	assert_int_equal(config_tree_finish(&t, &err), 0);
	assert_int_equal(scratch_count(s, "tree/units"), 0);
	config_tree_close(&t);
}

static void links_lead_nowhere(void **state)
{
	const struct scratch *s = *state;
	struct config_tree t;

	scratch_mkdir(s, "outside");
	scratch_write(s, "outside/kept", "kept");
	open_tree(s, &t);
	scratch_link(s, "../outside", "tree/secrets");
	scratch_link(s, "../../outside/kept", "tree/units/web.container");
	/* a link that is in the way of a file is replaced; one in the way of a folder stops the file */
	put(&t, "units/web.container", "mine");
	assert_string_equal(content(s, "outside/kept"), "kept");
	assert_int_equal(config_tree_finish(&t, &err), 0);
	assert_true(scratch_exists(s, "outside/kept"));
	assert_false(scratch_exists(s, "tree/secrets"));
	assert_string_equal(content(s, "tree/units/web.container"), "mine");
	config_tree_close(&t);
}

static void bounds(void **state)
{
	const struct scratch *s = *state;
	auto_free char *large = calloc(1, CONFIG_MAX_FILE_BYTES + 1);
	struct config_tree t;
	char name[64];
	unsigned i;

	open_tree(s, &t);
	assert_int_equal(config_tree_put(&t, "secrets/a", large, CONFIG_MAX_FILE_BYTES + 1, &err),
			 -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_non_null(strstr(err.msg, "secrets/a"));
	for (i = 0; i < CONFIG_MAX_BYTES / CONFIG_MAX_FILE_BYTES; i++) {
		snprintf(name, sizeof(name), "secrets/%u", i);
		assert_int_equal(config_tree_put(&t, name, large, CONFIG_MAX_FILE_BYTES, &err), 0);
	}
	assert_int_equal(config_tree_put(&t, "secrets/more", "x", 1, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	config_tree_restart(&t);
	for (i = 0; i < CONFIG_MAX_FILES; i++) {
		snprintf(name, sizeof(name), "secrets/%u", i);
		assert_int_equal(config_tree_put(&t, name, "", 0, &err), 0);
	}
	assert_int_equal(config_tree_put(&t, "secrets/more", "", 0, &err), -1);
	config_tree_restart(&t);
	put(&t, "secrets/twice", "1");
	assert_int_equal(config_tree_put(&t, "secrets/twice", "2", 1, &err), -1);
	assert_non_null(strstr(err.msg, "twice"));
	config_tree_close(&t);
}

/* --- copying from a disk --------------------------------------------------------------------------------------------------------- */

static void fill_disk(const struct scratch *s)
{
	static const char *const folders[] = {
		"disk",		 "disk/units",	 "disk/units/web.container.d", "disk/quadlets",
		"disk/secrets",	 "disk/certs.d", "disk/certs.d/registry",      "disk/other",
		"disk/units/sub"
	};

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		scratch_mkdir(s, folders[i]);
	scratch_write(s, "disk/meta-data", "instance-id: x\n");
	scratch_write(s, "disk/appliance.ini", "[Log]\n");
	scratch_write(s, "disk/top.container", "top");
	scratch_write(s, "disk/top.txt", "no");
	scratch_write(s, "disk/units/web.container", "web");
	scratch_write(s, "disk/units/README.md", "no");
	scratch_write(s, "disk/units/web.container.d/a.conf", "drop-in");
	scratch_write(s, "disk/quadlets/below.container", "below");
	scratch_write(s, "disk/secrets/word", "s3cret");
	scratch_write(s, "disk/certs.d/registry/ca.crt", "ca");
	scratch_write(s, "disk/other/x.container", "no");
}

static void copy(const struct scratch *s, bool is_loose, struct config_problems *problems)
{
	auto_fd int disk = openat(s->fd, "disk", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct config_tree t;

	open_tree(s, &t);
	assert_int_equal(config_copy(&t, disk, is_loose, problems, &err), 0);
	assert_int_equal(config_tree_finish(&t, &err), 0);
	config_tree_close(&t);
}

static void copies_what_is_a_configuration(void **state)
{
	struct config_problems problems = { .text = BUF_INIT(CONFIG_MAX_PROBLEMS_BYTES) };
	const struct scratch *s = *state;

	fill_disk(s);
	copy(s, true, &problems);
	assert_int_equal(problems.text.len, 0);
	assert_string_equal(content(s, "tree/units/top.container"), "top");
	assert_string_equal(content(s, "tree/units/web.container"), "web");
	assert_string_equal(content(s, "tree/units/below.container"), "below");
	assert_string_equal(content(s, "tree/units/web.container.d/a.conf"), "drop-in");
	assert_string_equal(content(s, "tree/secrets/word"), "s3cret");
	assert_string_equal(content(s, "tree/certs.d/registry/ca.crt"), "ca");
	assert_string_equal(content(s, "tree/appliance.ini"), "[Log]\n");
	assert_int_equal(scratch_count(s, "tree"), 4);
	assert_int_equal(scratch_count(s, "tree/units"), 4);

	copy(s, false, &problems);
	assert_false(scratch_exists(s, "tree/units/top.container"));
	assert_false(scratch_exists(s, "tree/units/below.container"));
	assert_true(scratch_exists(s, "tree/units/web.container"));
}

static void of_a_hostile_disk_nothing_is_followed(void **state)
{
	struct config_problems problems = { .text = BUF_INIT(CONFIG_MAX_PROBLEMS_BYTES) };
	auto_free char *large = malloc(CONFIG_MAX_FILE_BYTES + 2);
	const struct scratch *s = *state;

	assert_non_null(large);
	memset(large, 'x', CONFIG_MAX_FILE_BYTES + 1);
	large[CONFIG_MAX_FILE_BYTES + 1] = '\0';
	scratch_write(s, "outside", "outside");
	scratch_mkdir(s, "elsewhere");
	scratch_write(s, "elsewhere/b.container", "elsewhere");
	scratch_mkdir(s, "disk");
	scratch_mkdir(s, "disk/units");
	scratch_link(s, "../../outside", "disk/units/link.container");
	scratch_link(s, "../elsewhere", "disk/quadlets");
	scratch_write(s, "disk/units/large.container", large);
	assert_int_equal(mkfifoat(s->fd, "disk/units/pipe.container", 0644), 0);
	scratch_write(s, "disk/units/good.container", "good");
	scratch_write(s, "disk/good.container", "the same name");
	copy(s, true, &problems);
	assert_int_equal(scratch_count(s, "tree/units"), 1);
	assert_string_equal(content(s, "tree/units/good.container"), "good");
	assert_non_null(strstr(buf_str(&problems.text), "link.container"));
	assert_non_null(strstr(buf_str(&problems.text), "large.container"));
	assert_non_null(strstr(buf_str(&problems.text), "pipe.container: no plain file"));
	assert_non_null(strstr(buf_str(&problems.text), "units/good.container: it is there twice"));
	buf_fini(&problems.text);
}

static void problems_are_cut_at_whole_ones(void **state)
{
	struct config_problems problems = { .text = BUF_INIT(CONFIG_MAX_PROBLEMS_BYTES) };

	(void)state;
	for (int i = 0; i < 100; i++) {
		err_set(&err, ERR_INPUT, "no. %d is not as it should be", i);
		config_problems_add(&problems, "key", &err);
	}
	assert_true(problems.text.len < CONFIG_MAX_PROBLEMS_BYTES && problems.more > 50);
	assert_true(strncmp(buf_str(&problems.text),
			    "key: no. 0 is not as it should be; key: no. 1", 44) == 0);
	assert_string_equal(buf_str(&problems.text) + problems.text.len - 15, "as it should be");
	buf_fini(&problems.text);
}

/* --- fw_cfg ---------------------------------------------------------------------------------------------------------------------- */

static void add_fw_cfg(const struct scratch *s, unsigned number, const char *name, const char *raw)
{
	char path[64];

	snprintf(path, sizeof(path), "fw/%u", number);
	scratch_mkdir(s, path);
	snprintf(path, sizeof(path), "fw/%u/name", number);
	scratch_write(s, path, name);
	snprintf(path, sizeof(path), "fw/%u/raw", number);
	scratch_write(s, path, raw);
}

static void takes_files_of_fw_cfg(void **state)
{
	struct config_problems problems = { .text = BUF_INIT(CONFIG_MAX_PROBLEMS_BYTES) };
	const struct scratch *s = *state;
	struct config_tree t;
	char path[128];

	scratch_mkdir(s, "fw");
	add_fw_cfg(s, 1, "etc/table-loader\n", "no");
	add_fw_cfg(s, 32, "opt/cleat/units/web.container\n", "[Container]\n");
	add_fw_cfg(s, 33, "opt/cleat/units/x.txt\n", "no unit");
	add_fw_cfg(s, 34, "opt/cleat/../../etc/passwd\n", "root");
	add_fw_cfg(s, 35, "opt/other/appliance.ini\n", "no");
	scratch_mkdir(s, "fw/36"); /* nothing in it */
	open_tree(s, &t);
	snprintf(path, sizeof(path), "%s/fw", s->path);
	assert_int_equal(fw_cfg_take(&t, path, &problems, &err), 3);
	assert_int_equal(t.count, 1);
	assert_string_equal(content(s, "tree/units/web.container"), "[Container]\n");
	assert_non_null(strstr(buf_str(&problems.text), "units/x.txt: the name of a unit file"));
	assert_non_null(strstr(buf_str(&problems.text), "../../etc/passwd: a name that"));
	buf_fini(&problems.text);
	snprintf(path, sizeof(path), "%s/none", s->path);
	assert_int_equal(fw_cfg_take(&t, path, &problems, &err), 0);
	config_tree_close(&t);
}

/* --- NoCloud --------------------------------------------------------------------------------------------------------------------- */

static const char *name_of(const char *meta, const char *user)
{
	static char name[64];

	nocloud_hostname(meta, strlen(meta), user, strlen(user), name, sizeof(name));
	return name;
}

static void names_of_a_machine(void **state)
{
	(void)state;
	assert_string_equal(name_of("instance-id: 1\nlocal-hostname: One.example.org\n", ""),
			    "one");
	assert_string_equal(name_of("{\"local-hostname\": \"json\"}", ""), "json");
	assert_string_equal(name_of("hostname: two\n", "#cloud-config\nhostname: three\n"), "two");
	assert_string_equal(name_of("instance-id: 1\n", "#cloud-config\nfqdn: three.example.org\n"),
			    "three");
	assert_string_equal(name_of("", "#!/bin/sh\nhostname: four\n"), "");
	assert_string_equal(name_of("", "#cloud-config"), "");
	assert_string_equal(name_of("local-hostname: localhost\n", ""), "");
	assert_string_equal(name_of("local-hostname: -a\n", ""), "");
	assert_string_equal(name_of("local-hostname: a-\n", ""), "");
	assert_string_equal(name_of("local-hostname: a_b\n", ""), "");
	assert_string_equal(name_of("local-hostname: [a]\n", ""), "");
	assert_string_equal(name_of("local-hostname: \"a\n", "\x01"), "");
	assert_string_equal(
		name_of("local-hostname: "
			"0123456789012345678901234567890123456789012345678901234567890123\n",
			""),
		"");
	assert_string_equal(
		name_of("local-hostname: "
			"012345678901234567890123456789012345678901234567890123456789012\n",
			""),
		"012345678901234567890123456789012345678901234567890123456789012");
}

static void facts_of_a_cidata_disk(void **state)
{
	struct config_problems problems = { .text = BUF_INIT(CONFIG_MAX_PROBLEMS_BYTES) };
	const struct scratch *s = *state;
	auto_fd int disk = -1;
	char out[128];

	scratch_mkdir(s, "disk");
	disk = openat(s->fd, "disk", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(out, sizeof(out), "%s/facts", s->path);
	scratch_write(s, "disk/meta-data", "local-hostname: one\n");
	scratch_write(s, "disk/network-config", "version: 2\n");
	assert_int_equal(nocloud_take_facts(disk, out, &problems, &err), 0);
	assert_string_equal(content(s, "facts/hostname"), "one\n");
	assert_string_equal(content(s, "facts/network-config"), "version: 2\n");
	/* another disk later says less */
	unlinkat(disk, "network-config", 0);
	unlinkat(disk, "meta-data", 0);
	scratch_link(s, "/etc/hostname", "disk/meta-data");
	assert_int_equal(nocloud_take_facts(disk, out, &problems, &err), 0);
	assert_int_equal(scratch_count(s, "facts"), 0);
	assert_int_equal(problems.text.len, 0);
	scratch_mkdir(s, "disk/user-data");
	assert_int_equal(nocloud_take_facts(disk, out, &problems, &err), 0);
	assert_string_equal(buf_str(&problems.text), "user-data: no plain file");
	buf_fini(&problems.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_that_are_taken),
		cmocka_unit_test(names_that_are_refused),
		scratch_test(writes_what_differs_and_removes_the_rest),
		scratch_test(links_lead_nowhere),
		scratch_test(bounds),
		scratch_test(copies_what_is_a_configuration),
		scratch_test(of_a_hostile_disk_nothing_is_followed),
		cmocka_unit_test(problems_are_cut_at_whole_ones),
		scratch_test(takes_files_of_fw_cfg),
		cmocka_unit_test(names_of_a_machine),
		scratch_test(facts_of_a_cidata_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
