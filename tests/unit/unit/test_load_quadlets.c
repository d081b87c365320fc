/* SPDX-License-Identifier: Apache-2.0 */
/* Several units in one ".quadlets" file: where it is cut, what each part is called, what is wrong with it and in which line. */
#include "load_fixture.h"

#define WEB "# FileName=web\n" FINE
#define DATA "# FileName=data\n[Volume]\nVolumeName=data\n"

static void a_file_holds_several_units(void **state)
{
	struct unit_set set;

	(void)state;
	put("app.quadlets", "# A whole application.\n" WEB "Environment=A=b\n---\n" DATA);
	set = load_dir("");
	assert_int_equal(set.count, 2);
	assert_words(&set, "web.container", " --env A=b ");
	assert_string_equal(find(&set, "web.container")->path, at("app.quadlets"));
	assert_string_equal(find(&set, "web.container")->folder, at(""));
	assert_string_equal(find(&set, "web.container")->service_name, "web.service");
	assert_true(find(&set, "web.container")->is_valid);
	assert_non_null(strstr(find(&set, "web.container")->service_text, "/app.quadlets\n"));
	assert_int_equal(find(&set, "data.volume")->kind, UNIT_VOLUME);
	assert_string_equal(find(&set, "data.volume")->resource_name, "data");
	unit_set_fini(&set);
}

static void parts_know_each_other_and_the_files_beside_them(void **state)
{
	struct unit_set set;

	(void)state;
	put("net.network", "[Network]\nNetworkName=net\n");
	put("app.quadlets",
	    "# FileName=web\n[Container]\nImage=localhost/a\nNetwork=net.network\nVolume=data.volume:/d\n---\n" DATA);
	set = load_dir("");
	assert_non_null(strstr(find(&set, "web.container")->service_text, " --network net "));
	assert_non_null(strstr(find(&set, "web.container")->service_text, " -v data:/d "));
	unit_set_fini(&set);
}

static void problems_are_said_at_the_lines_of_the_file(void **state)
{
	struct unit_set set;

	(void)state;
	put("app.quadlets", WEB "\n---\n"			  /* line 6 */
				"# FileName=db\n" FINE "Nope=1\n" /* 11 */
				"---\n" WEB);
	set = load_dir("");
	assert_int_equal(set.diags.error_count, 2);
	assert_int_equal(said(&set, DIAG_ERROR, "unknown key")->line, 11);
	assert_string_equal(said(&set, DIAG_ERROR, "unknown key")->file, at("app.quadlets"));
	assert_int_equal(said(&set, DIAG_ERROR, "web.container is in")->line, 13);
	assert_true(find(&set, "web.container")->is_valid);
	assert_false(find(&set, "db.container")->is_valid);
	assert_non_null(strstr(find(&set, "db.container")->error_text, "app.quadlets:11:6"));
	unit_set_fini(&set);
}

static void a_bad_line_makes_only_its_own_part_invalid(void **state)
{
	struct unit_set set;

	(void)state;
	put("app.quadlets", WEB "---\n# FileName=db\n" FINE "nonsense\n---\n# FileName=x\n" FINE);
	set = load_dir("");
	assert_int_equal(set.count, 3);
	assert_diag(&set, DIAG_ERROR, 10, 1, "", "not a key=value line");
	assert_non_null(strstr(find(&set, "db.container")->error_text, ":10:1: "));
	assert_true(find(&set, "web.container")->is_valid);
	assert_true(find(&set, "x.container")->is_valid);
	unit_set_fini(&set);
}

static void cuts_may_have_blanks_and_empty_parts_are_none(void **state)
{
	struct unit_set set;

	(void)state;
	put("app.quadlets", "---\n \n---\r\n" WEB " --- \t\n\n---");
	set = load_dir("");
	assert_quiet(&set);
	assert_int_equal(set.count, 1);
	unit_set_fini(&set);
	put("app.quadlets", "");
	set = load_dir("");
	assert_int_equal(set.count + set.diags.count, 0);
	unit_set_fini(&set);
}

static void four_dashes_are_no_cut(void **state)
{
	struct unit_set set;

	(void)state;
	put("app.quadlets", WEB "----\n");
	set = load_dir("");
	assert_diag(&set, DIAG_ERROR, 5, 1, "", "not a key=value line");
	unit_set_fini(&set);
}

static void assert_part(const char *text, unsigned line, const char *complaint)
{
	struct unit_set set;

	put("app.quadlets", text);
	set = load_dir("");
	assert_diag(&set, DIAG_ERROR, line, 1, "", complaint);
	assert_string_equal(only_diag(&set, DIAG_ERROR)->file, at("app.quadlets"));
	assert_int_equal(set.count, 0);
	unit_set_fini(&set);
}

static void a_part_needs_a_name_and_one_kind(void **state)
{
	(void)state;
	assert_part("\n" FINE, 1, "write a comment like '# FileName=web'");
	assert_part("---\n# File=a\n" FINE, 2, "the unit has no name");
	assert_part("# FileName=a\n[Unit]\nDescription=x\n", 1, "no section that names a kind");
	assert_part("# nothing but a comment\n", 1, "no section that names a kind");
	assert_part("# FileName=a\n" FINE "[Service]\n[Volume]\n", 6,
		    "[Container] and [Volume] in one part: put a line --- between units");
}

static void names_of_parts_are_plain(void **state)
{
	(void)state;
	assert_part("# FileName=\n" FINE, 1, "without a name");
	assert_part("# FileName=../a\n" FINE, 1, "path separators");
	assert_part("\n# FileName=a\\b\n" FINE, 2, "path separators");
	assert_part("# FileName=.hidden\n" FINE, 1, "begin with a dot");
	assert_part("#FileName=web.container\n" FINE, 1, "without its suffix");
	assert_part(
		"# FileName=nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
		"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\n" FINE,
		1, "longer than 127 bytes");
}

static void the_first_name_counts_and_the_case_of_a_header_is_judged_later(void **state)
{
	struct unit_set set;

	(void)state;
	put("app.quadlets", "#   FileName=  one  \n# FileName=two\n[container]\nImage=a\n");
	set = load_dir("");
	assert_int_equal(set.count, 1);
	assert_string_equal(set.units[0].name, "one.container");
	assert_non_null(said(&set, DIAG_ERROR, "unknown section: did you mean [Container]?"));
	unit_set_fini(&set);
}

static void a_file_of_its_own_beside_it_wins_loudly(void **state)
{
	struct unit_set set;

	(void)state;
	put("web.container", FINE "HostName=own\n");
	put("app.quadlets", "\n" WEB);
	set = load_dir("");
	assert_diag(&set, DIAG_ERROR, 2, 1, "", "web.container is in");
	assert_words(&set, "web.container", " --hostname own ");
	assert_true(set.units[0].is_valid);
	unit_set_fini(&set);
}

static void folders_have_their_usual_precedence(void **state)
{
	struct unit_set set;

	(void)state;
	put("web.container", FINE "HostName=upper\n");
	put("sub/app.quadlets", WEB "HostName=lower\n---\n" DATA);
	put("sub/deep/data.volume", "[Volume]\nVolumeName=lowest\n");
	put("sub/deep/app.quadlets", "# FileName=hidden\n" FINE);
	set = load_dir("");
	assert_null(said(&set, DIAG_ERROR, "web.container is in"));
	assert_int_equal(set.count, 2);
	assert_words(&set, "web.container", " --hostname upper ");
	assert_string_equal(find(&set, "data.volume")->resource_name, "data");
	unit_set_fini(&set);
}

static void parts_have_drop_ins_and_instances(void **state)
{
	struct unit_set set;

	(void)state;
	put("app.quadlets", "# FileName=t@\n" FINE
			    "HostName=%i\n---\n# FileName=web\n[Unit]\nWants=t@one.service\n" FINE);
	put("web.container.d/1.conf", "[Container]\nHostName=dropped\n");
	set = load_dir("");
	assert_quiet(&set);
	assert_int_equal(set.count, 3);
	assert_words(&set, "web.container", " --hostname dropped ");
	assert_words(&set, "t@one.container", " --hostname one ");
	unit_set_fini(&set);
}

static void the_generator_reads_them_too(void **state)
{
	struct unit_set set;

	(void)state;
	put("app.quadlets", WEB "---\n# FileName=db\n" FINE "nonsense\n");
	put("other.container", FINE);
	set = load_as_generator("");
	assert_int_equal(set.count, 3);
	assert_true(find(&set, "web.container")->service_text[0] != '\0');
	assert_string_equal(find(&set, "db.container")->service_text, "");
	/* podman would not have read the file: its folder stays. */
	assert_true(find(&set, "other.container")->service_text[0] != '\0');
	unit_set_fini(&set);
}

static void it_is_read_by_its_path(void **state)
{
	struct unit_set set = { 0 };
	char path[512];

	(void)state;
	put("app.quadlets", WEB "---\n" DATA);
	snprintf(path, sizeof(path), "%s", at("app.quadlets"));
	unit_set_load_files(&set, (const char *const[]){ path }, 1, &test_facts);
	assert_int_equal(set.count, 2);
	unit_set_fini(&set);
	assert_true(unit_is_file_name("a.quadlets") && unit_is_file_name("a.pod"));
	assert_false(unit_is_file_name(".quadlets") || unit_is_file_name("a.conf"));
}

static void a_file_that_cannot_be_read_is_said(void **state)
{
	struct unit_set set;

	(void)state;
	assert_int_equal(mkdir(at("app.quadlets"), 0755), 0);
	set = load_dir("");
	assert_diag(&set, DIAG_ERROR, 1, 1, "", "not a regular file");
	unit_set_fini(&set);
}

static void load_bytes(const char *text, size_t len)
{
	struct unit_set set = { 0 };
	struct err err;

	assert_int_equal(unit_set_load_text(&set, "app.quadlets", "/units/app.quadlets", text, len,
					    &test_facts, &err),
			 0);
	for (size_t i = 0; i < set.count; i++)
		assert_true(set.units[i].is_valid || set.units[i].first_error < set.diags.count);
	unit_set_fini(&set);
}

/* Cut short and bent at every byte: nothing crashes, and whatever is invalid has an error. */
static void no_bytes_do_harm(void **state)
{
	static const char text[] =
		"#FileName=a\n[Container]\nImage=x\n---\n# FileName=b\n[Volume]\n---";
	static const char bent[] = "\n\0#[-=";

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++)
		load_bytes(text, len);
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		for (size_t j = 0; j < sizeof(bent) - 1; j++) {
			char copy[sizeof(text)];

			memcpy(copy, text, sizeof(copy));
			copy[i] = bent[j];
			load_bytes(copy, sizeof(copy) - 1);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_ROOT(a_file_holds_several_units),
		IN_ROOT(parts_know_each_other_and_the_files_beside_them),
		IN_ROOT(problems_are_said_at_the_lines_of_the_file),
		IN_ROOT(a_bad_line_makes_only_its_own_part_invalid),
		IN_ROOT(cuts_may_have_blanks_and_empty_parts_are_none),
		IN_ROOT(four_dashes_are_no_cut),
		IN_ROOT(a_part_needs_a_name_and_one_kind),
		IN_ROOT(names_of_parts_are_plain),
		IN_ROOT(the_first_name_counts_and_the_case_of_a_header_is_judged_later),
		IN_ROOT(a_file_of_its_own_beside_it_wins_loudly),
		IN_ROOT(folders_have_their_usual_precedence),
		IN_ROOT(parts_have_drop_ins_and_instances),
		IN_ROOT(the_generator_reads_them_too),
		IN_ROOT(it_is_read_by_its_path),
		IN_ROOT(a_file_that_cannot_be_read_is_said),
		cmocka_unit_test(no_bytes_do_harm),
	};

	if (!name_root())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
