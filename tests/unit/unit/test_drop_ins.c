/* SPDX-License-Identifier: Apache-2.0 */
/* Drop-ins: which folders are for a unit, which file of a name wins, in which order they are merged, what a broken one costs. */
#include "load_fixture.h"

static void drop_ins_are_merged_by_file_name_most_specific_first(void **state)
{
	struct unit_set set;

	(void)state;
	put("my-web.container", FINE "HostName=unit\nTmpfs=/unit\n");
	put("my-web.container.d/10-a.conf", "[Container]\nHostName=ten\nTmpfs=/ten\n");
	put("my-.container.d/10-a.conf", "[Container]\nHostName=hidden\n");
	put("my-.container.d/20-b.conf",
	    "[Container]\nTmpfs=/twenty\n[Install]\nWantedBy=default.target\n");
	put("container.d/05-c.conf", "[Container]\nTmpfs=/five\n");
	put("container.d/readme.txt", "not read\n");
	set = load_dir("");
	assert_quiet(&set);
	assert_int_equal(set.count, 1);
	assert_words(&set, "my-web.container", " --hostname ten ");
	assert_words(&set, "my-web.container",
		     " --tmpfs /unit --tmpfs /five --tmpfs /ten --tmpfs /twenty ");
	assert_true(set.units[0].service.boot);
	unit_set_fini(&set);
}

static void drop_ins_of_instances(void **state)
{
	struct unit_set set;

	(void)state;
	put("t-u@i.container", FINE);
	put("t-u@i.container.d/1.conf", "[Container]\nTmpfs=/1\n");
	put("t-u@.container.d/2.conf", "[Container]\nTmpfs=/2\n");
	put("t-@.container.d/3.conf", "[Container]\nTmpfs=/3\n");
	put("t-.container.d/4.conf", "[Container]\nTmpfs=/4\n");
	put("container.d/5.conf", "[Container]\nTmpfs=/5\n");
	put("t-u.container.d/6.conf", "[Container]\nTmpfs=/6\n");
	set = load_dir("");
	assert_quiet(&set);
	assert_words(&set, "t-u@i.container", " --name systemd-t-u_i ");
	assert_words(&set, "t-u@i.container",
		     " --tmpfs /1 --tmpfs /2 --tmpfs /3 --tmpfs /4 --tmpfs /5 ");
	assert_null(strstr(words_of(&set, "t-u@i.container"), "/6"));
	unit_set_fini(&set);
}

static void drop_ins_of_the_upper_folder_come_first(void **state)
{
	struct unit_set set;

	(void)state;
	put("a/w.container", FINE);
	put("a/w.container.d/x.conf", "[Container]\nHostName=lower\n");
	put("w.container.d/x.conf", "[Container]\nHostName=upper\n");
	set = load_dir("");
	assert_quiet(&set);
	assert_words(&set, "w.container", " --hostname upper ");
	unit_set_fini(&set);
}

static void a_broken_drop_in_is_left_out_by_podman_and_refused_by_us(void **state)
{
	struct unit_set set;

	(void)state;
	put("w.container", FINE "Tmpfs=/unit\n");
	put("w.container.d/a.conf", "[Container]\nTmpfs=/a\nnonsense\n");
	set = load_dir("");
	assert_false(set.units[0].is_valid);
	assert_non_null(strstr(set.units[0].error_text, "w.container.d/a.conf:3:1"));
	assert_non_null(strstr(set.units[0].service_text, "--tmpfs /unit"));
	assert_null(strstr(set.units[0].service_text, "/a "));
	unit_set_fini(&set);
}

static void errors_in_drop_ins_are_said_at_their_own_line(void **state)
{
	struct unit_set set;

	(void)state;
	put("w.container", FINE);
	put("w.container.d/a.conf", "# c\n[Container]\nNope=1\n");
	set = load_dir("");
	assert_diag(&set, DIAG_ERROR, 3, 6, "Container.Nope", "unknown key");
	assert_string_equal(only_diag(&set, DIAG_ERROR)->file, at("w.container.d/a.conf"));
	unit_set_fini(&set);
}

static void too_many_drop_ins_are_refused(void **state)
{
	struct unit_set set;

	(void)state;
	put("w.container", FINE);
	for (int i = 0; i <= UNIT_MAX_DROP_INS; i++) {
		char name[64];

		snprintf(name, sizeof(name), "w.container.d/%03d.conf", i);
		put(name, "[Unit]\n");
	}
	set = load_dir("");
	assert_diag(&set, DIAG_ERROR, 1, 1, "", "more than 64 drop-ins");
	unit_set_fini(&set);
}

/* Specific beats near: podman asks for all places of the most specific folder first. */
static void the_more_specific_folder_wins_wherever_it_lies(void **state)
{
	struct unit_set set;

	(void)state;
	put("a-b.container", FINE);
	put("container.d/1.conf", "[Container]\nHostName=general\n");
	put("a-.container.d/1.conf", "[Container]\nHostName=less\n");
	put("sub/a-b.container.d/1.conf", "[Container]\nHostName=specific\n");
	set = load_dir("");
	assert_quiet(&set);
	assert_words(&set, "a-b.container", " --hostname specific ");
	unit_set_fini(&set);
}

static void every_dash_makes_a_more_general_folder(void **state)
{
	struct unit_set set;

	(void)state;
	put("a-b-c.container", FINE);
	put("-x.container", FINE);
	put("a-b-.container.d/1.conf", "[Container]\nTmpfs=/two\n");
	put("a-.container.d/2.conf", "[Container]\nTmpfs=/one\n");
	put("a-b.container.d/3.conf", "[Container]\nTmpfs=/no\n");
	put("-.container.d/4.conf", "[Container]\nTmpfs=/dash\n");
	set = load_dir("");
	assert_quiet(&set);
	assert_words(&set, "a-b-c.container", " --tmpfs /two --tmpfs /one ");
	assert_null(strstr(words_of(&set, "a-b-c.container"), "/no"));
	assert_null(strstr(words_of(&set, "a-b-c.container"), "/dash"));
	assert_words(&set, "-x.container", " --tmpfs /dash ");
	unit_set_fini(&set);
}

static void folders_are_for_their_kind_only(void **state)
{
	struct unit_set set;

	(void)state;
	put("v.volume", "[Volume]\n");
	put("w.container", FINE);
	put("volume.d/1.conf", "[Volume]\nLabel=of=volume\n");
	put("container.d/1.conf", "[Container]\nLabel=of=container\n");
	set = load_dir("");
	assert_non_null(strstr(find(&set, "v.volume")->service_text, "--label of=volume"));
	assert_null(strstr(find(&set, "v.volume")->service_text, "of=container"));
	assert_words(&set, "w.container", " --label of=container ");
	unit_set_fini(&set);
}

static void a_drop_in_of_dev_null_or_without_text_hides_the_more_general_one(void **state)
{
	struct unit_set set;

	(void)state;
	put("w.container", FINE);
	put("v.container", FINE);
	put("container.d/1.conf", "[Container]\nTmpfs=/one\n");
	put_link("w.container.d/1.conf", "/dev/null");
	put("v.container.d/1.conf", "");
	set = load_dir("");
	assert_quiet(&set);
	assert_null(strstr(words_of(&set, "w.container"), "/one"));
	assert_null(strstr(words_of(&set, "v.container"), "/one"));
	unit_set_fini(&set);
}

static void an_empty_assignment_of_a_drop_in_clears_the_list(void **state)
{
	struct unit_set set;

	(void)state;
	put("w.container", FINE "Tmpfs=/a\nTmpfs=/b\n");
	put("w.container.d/1.conf", "[Container]\nTmpfs=\nTmpfs=/c\n");
	set = load_dir("");
	assert_quiet(&set);
	assert_words(&set, "w.container", " --tmpfs /c ");
	assert_null(strstr(words_of(&set, "w.container"), "/a"));
	unit_set_fini(&set);
}

/* What podman only complains of may be a lost restriction. */
static void a_folder_that_cannot_be_read_makes_its_units_invalid(void **state)
{
	struct unit_set set;

	(void)state;
	put("w.container", FINE);
	put("v.container", FINE);
	put("w.container.d", "a file where a folder should be\n");
	set = load_dir("");
	assert_diag(&set, DIAG_ERROR, 1, 1, "", "Not a directory");
	assert_false(find(&set, "w.container")->is_valid);
	assert_non_null(strstr(find(&set, "w.container")->error_text, "w.container.d:1:1"));
	assert_true(find(&set, "w.container")->service_text[0] != '\0');
	assert_true(find(&set, "v.container")->is_valid);
	unit_set_fini(&set);
}

static void drop_ins_of_the_unit_whose_lines_are_kept_are_listed(void **state)
{
	struct unit_facts facts = test_facts;
	struct unit_set set;

	(void)state;
	put("w.container", FINE);
	put("w.container.d/20.conf", "[Service]\nRestart=always\n");
	put("w.container.d/30.conf", "this is no line\n");
	put("container.d/10.conf", "# nothing yet\n");
	facts.lines_of = "w.container";
	set = load_with("", &facts);
	assert_int_equal(set.count, 1);
	assert_int_equal(set.units[0].drop_in_count, 3);
	assert_string_equal(set.units[0].drop_ins[0], at("container.d/10.conf"));
	assert_string_equal(set.units[0].drop_ins[1], at("w.container.d/20.conf"));
	assert_string_equal(set.units[0].drop_ins[2], at("w.container.d/30.conf"));
	unit_set_fini(&set);
	set = load_dir("");
	assert_int_equal(set.units[0].drop_in_count, 0);
	unit_set_fini(&set);
}

static void a_dangling_drop_in_is_an_error(void **state)
{
	struct unit_set set;

	(void)state;
	put("w.container", FINE);
	put_link("w.container.d/1.conf", "nowhere");
	set = load_dir("");
	assert_diag(&set, DIAG_ERROR, 1, 1, "", "No such file");
	assert_false(set.units[0].is_valid);
	unit_set_fini(&set);
}

/* Read once and said once, but every unit that it was for is refused. */
static void a_shared_drop_in_with_an_error_makes_each_of_its_units_invalid(void **state)
{
	struct unit_set set;

	(void)state;
	put("a.container", FINE);
	put("b.container", FINE);
	put("container.d/1.conf", "[Container]\nNope=1\n");
	set = load_dir("");
	assert_diag(&set, DIAG_ERROR, 2, 6, "Container.Nope", "unknown key");
	for (size_t i = 0; i < 2; i++) {
		assert_false(set.units[i].is_valid);
		assert_int_equal(set.units[i].first_error, 0);
		assert_non_null(strstr(set.units[i].error_text, "container.d/1.conf:2:6"));
		assert_string_equal(set.units[i].service_text, "");
	}
	unit_set_fini(&set);
	put("container.d/1.conf", "nonsense\n");
	set = load_dir("");
	assert_int_equal(set.diags.count, 1);
	assert_false(set.units[0].is_valid || set.units[1].is_valid);
	assert_true(set.units[0].service_text[0] && set.units[1].service_text[0]);
	unit_set_fini(&set);
}

static void a_unit_and_its_drop_ins_have_a_bound_together(void **state)
{
	struct buf text = BUF_INIT(UNIT_MAX_FILE_BYTES);
	struct unit_set set;

	(void)state;
	buf_puts(&text, "[Container]\n");
	for (int i = 0; i < UNIT_MAX_ENTRIES - 1; i++)
		buf_puts(&text, "DNS=1.1.1.1\n");
	put("w.container", FINE);
	put("w.container.d/1.conf", buf_str(&text));
	set = load_dir("");
	assert_non_null(said(&set, DIAG_ERROR, "more than 8192 assignments"));
	assert_false(set.units[0].is_valid);
	assert_null(strstr(set.units[0].service_text, "1.1.1.1"));
	unit_set_fini(&set);
	buf_fini(&text);
}

/* A drop-in that is for many units is the cheapest way to ask for a lot of work. */
static void all_units_and_their_drop_ins_have_a_bound_together(void **state)
{
	struct buf text = BUF_INIT(UNIT_MAX_FILE_BYTES);
	const int count = UNIT_MAX_SET_ENTRIES / (UNIT_MAX_ENTRIES / 2) + 1;
	struct unit_set set;

	(void)state;
	buf_puts(&text, "[Volume]\n");
	for (int i = 0; i < UNIT_MAX_ENTRIES / 2; i++)
		buf_puts(&text, "Label=a=b\n");
	put("volume.d/1.conf", buf_str(&text));
	for (int i = 0; i < count; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%03d.volume", i);
		put(name, "[Volume]\nVolumeName=a\n");
	}
	set = load_as_generator("");
	assert_int_equal(set.count, count);
	assert_non_null(said(&set, DIAG_ERROR, "more than 262144 assignments"));
	assert_true(set.units[0].is_valid);
	assert_false(set.units[count - 1].is_valid);
	assert_non_null(strstr(set.units[count - 1].error_text, "volume.d/1.conf"));
	unit_set_fini(&set);
	buf_fini(&text);
}

static void all_units_together_have_a_bound_without_drop_ins(void **state)
{
	struct buf text = BUF_INIT(UNIT_MAX_FILE_BYTES);
	const int count = UNIT_MAX_SET_ENTRIES / UNIT_MAX_ENTRIES + 1;
	struct unit_set set;

	(void)state;
	buf_puts(&text, "[Volume]\n");
	for (int i = 0; i < UNIT_MAX_ENTRIES; i++)
		buf_puts(&text, "Label=a=b\n");
	for (int i = 0; i < count; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%03d.volume", i);
		put(name, buf_str(&text));
	}
	set = load_as_generator("");
	assert_int_equal(set.count, count);
	assert_non_null(said(&set, DIAG_ERROR, "more than 262144 assignments"));
	assert_true(set.units[count - 2].is_valid);
	assert_false(set.units[count - 1].is_valid);
	unit_set_fini(&set);
	buf_fini(&text);
}

static void too_many_folders_of_drop_ins_are_complained_of(void **state)
{
	struct unit_set set;

	(void)state;
	put("a.volume", "[Volume]\n");
	for (int i = 0; i <= UNIT_MAX_DROP_IN_FOLDERS; i++) {
		char name[64];

		snprintf(name, sizeof(name), "b%05d.volume.d/x", i);
		put(name, "");
	}
	set = load_as_generator("");
	assert_int_equal(set.count, 1);
	assert_non_null(said(&set, DIAG_ERROR, "more than 4096 folders of drop-ins"));
	unit_set_fini(&set);
}

/* Beyond the bound of complaints they are only counted, but each unit has its own. */
static void every_unit_has_its_error_when_complaints_are_full(void **state)
{
	struct buf text = BUF_INIT(UNIT_MAX_FILE_BYTES);
	struct unit_set set;

	(void)state;
	buf_puts(&text, "[Container]\n");
	for (int i = 0; i < DIAG_MAX + 10; i++)
		buf_printf(&text, "Nope%d=\n", i);
	put("container.d/1.conf", buf_str(&text));
	for (int i = 0; i < 20; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%02d.container", i);
		put(name, FINE);
	}
	set = load_dir("");
	assert_int_equal(set.diags.severity_count[DIAG_ERROR], set.diags.error_count);
	assert_true(set.diags.count <= 2 * DIAG_MAX && set.diags.dropped >= 10);
	for (size_t i = 0; i < set.count; i++) {
		assert_false(set.units[i].is_valid);
		assert_non_null(strstr(set.units[i].error_text, "unknown key"));
		assert_string_equal(set.units[i].service_text, "");
	}
	unit_set_fini(&set);
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_ROOT(drop_ins_are_merged_by_file_name_most_specific_first),
		IN_ROOT(drop_ins_of_instances),
		IN_ROOT(drop_ins_of_the_upper_folder_come_first),
		IN_ROOT(a_broken_drop_in_is_left_out_by_podman_and_refused_by_us),
		IN_ROOT(errors_in_drop_ins_are_said_at_their_own_line),
		IN_ROOT(too_many_drop_ins_are_refused),
		IN_ROOT(the_more_specific_folder_wins_wherever_it_lies),
		IN_ROOT(every_dash_makes_a_more_general_folder),
		IN_ROOT(folders_are_for_their_kind_only),
		IN_ROOT(a_drop_in_of_dev_null_or_without_text_hides_the_more_general_one),
		IN_ROOT(an_empty_assignment_of_a_drop_in_clears_the_list),
		IN_ROOT(a_folder_that_cannot_be_read_makes_its_units_invalid),
		IN_ROOT(drop_ins_of_the_unit_whose_lines_are_kept_are_listed),
		IN_ROOT(a_dangling_drop_in_is_an_error),
		IN_ROOT(a_shared_drop_in_with_an_error_makes_each_of_its_units_invalid),
		IN_ROOT(a_unit_and_its_drop_ins_have_a_bound_together),
		IN_ROOT(all_units_and_their_drop_ins_have_a_bound_together),
		IN_ROOT(all_units_together_have_a_bound_without_drop_ins),
		IN_ROOT(too_many_folders_of_drop_ins_are_complained_of),
		IN_ROOT(every_unit_has_its_error_when_complaints_are_full),
	};

	if (!name_root())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
