/* SPDX-License-Identifier: Apache-2.0 */
/* Value kinds: quotes, repeats, resets and quirks, as podman's words and as the engine's. */
#include "unit_fixture.h"

#include "unit/reading_internal.h"

#define BOTH(more, part)                         \
	do {                                     \
		assert_podman_words(more, part); \
		assert_engine_words(more, part); \
	} while (0)

static void a_string_is_the_last_one_without_its_double_quotes(void **state)
{
	(void)state;
	BOTH("WorkingDir=/a\nWorkingDir=/b\n", " --workdir /b ");
	BOTH("WorkingDir=\"/a b\"\n", " --workdir /a b ");
	BOTH("Timezone=\"\"\n", " --name systemd-");
	assert_podman_words("Timezone='UTC'\n", " --tz 'UTC' ");
	assert_podman_words("HostName=\"a\n", " --hostname \"a ");
}

static void an_empty_string_is_as_if_unset(void **state)
{
	struct unit_set set;
	char words[1024];

	(void)state;
	load_text(&set, FINE "WorkingDir=/a\nWorkingDir=\n");
	assert_null(strstr(join_words(&set.units[0].run_args, words, sizeof(words)), "workdir"));
	assert_null(strstr(join_words(&set.units[0].spec_args, words, sizeof(words)), "workdir"));
	unit_set_fini(&set);
}

static void booleans_are_true_in_four_words(void **state)
{
	static const char *const yes[] = { "1", "yes", "true", "on", "TRUE", "Yes", "\"true\"" };
	static const char *const no[] = { "0", "no", "false", "off", "n", "F" };
	char line[64];

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		snprintf(line, sizeof(line), "ReadOnly=%s\n", yes[i]);
		BOTH(line, " --read-only ");
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		snprintf(line, sizeof(line), "ReadOnly=%s\n", no[i]);
		BOTH(line, " --read-only=false ");
	}
	BOTH("ReadOnly=\n", " --read-only=false ");
}

static void other_words_are_false_to_podman_and_errors_to_us(void **state)
{
	(void)state;
	assert_podman_words("ReadOnly=true # x\n", " --read-only=false ");
	assert_complaint("ReadOnly=true # x\n", DIAG_ERROR, 4, 10, "Container.ReadOnly",
			 "neither true nor false");
	assert_complaint("NoNewPrivileges=y\n", DIAG_ERROR, 4, 17, "Container.NoNewPrivileges",
			 "neither true nor false");
}

static void flags_that_only_switch_on_are_left_out_when_false(void **state)
{
	struct unit_set set;
	char words[1024];

	(void)state;
	BOTH("NoNewPrivileges=on\n", " --security-opt=no-new-privileges ");
	assert_podman_words("SecurityLabelDisable=true\n", " --security-opt label=disable ");
	load_text(&set, FINE "NoNewPrivileges=false\nSecurityLabelDisable=no\n");
	assert_null(
		strstr(join_words(&set.units[0].run_args, words, sizeof(words)), "security-opt"));
	assert_int_equal(set.diags.count, 0);
	unit_set_fini(&set);
}

static void list_lines_are_taken_raw_and_cleared_by_an_empty_one(void **state)
{
	(void)state;
	BOTH("Tmpfs=/a\nTmpfs=/b c\n", " --tmpfs /a --tmpfs /b c ");
	BOTH("Tmpfs=\"/a\"\n", " --tmpfs \"/a\" ");
	assert_podman_words("Tmpfs=/a\nTmpfs=\nTmpfs=/b\n", "--cgroups=split --tmpfs /b ");
	assert_engine_words("Tmpfs=/a\nTmpfs=\nTmpfs=/b\n", " --name systemd-web --tmpfs /b ");
}

static void words_keep_backslashes_and_lose_quotes(void **state)
{
	(void)state;
	BOTH("DropCapability=CHOWN \"KILL\"\nDropCapability='setuid'\n",
	     " --cap-drop chown --cap-drop kill --cap-drop setuid ");
	BOTH("Sysctl=a=\\x41 b=c\n", " --sysctl a=\\x41 --sysctl b=c ");
	BOTH("DropCapability=ALL\nDropCapability=\nDropCapability=CHOWN\n", " --cap-drop chown ");
}

static void an_open_quote_in_words_is_dropped_by_podman_and_refused_by_us(void **state)
{
	struct unit_set set;
	char words[1024];

	(void)state;
	load_text(&set, FINE "DropCapability='ALL\n");
	assert_null(strstr(join_words(&set.units[0].run_args, words, sizeof(words)), "cap-drop"));
	assert_true(set.units[0].service_text[0] != '\0');
	assert_diag(&set, DIAG_ERROR, 4, 16, "Container.DropCapability", "quote is not closed");
	unit_set_fini(&set);
}

static void arguments_are_split_like_a_command_line(void **state)
{
	(void)state;
	BOTH("PodmanArgs=--cpus=2 \"--label=a b\" c\\x41\n", " --cpus=2 --label=a b cA ");
	BOTH("PodmanArgs=--a\nPodmanArgs=--b\n", " --a --b ");
	BOTH("PodmanArgs=--a\nPodmanArgs=\nPodmanArgs=--b\n", " --b localhost/web:1 ");
}

static void an_unknown_escape_drops_the_line_for_podman_and_is_refused_by_us(void **state)
{
	(void)state;
	assert_podman_words("PodmanArgs=--a\nPodmanArgs=--c \\q\nPodmanArgs=--b\n", " --a --b ");
	assert_complaint("PodmanArgs=--c \\q\n", DIAG_ERROR, 4, 16, "Container.PodmanArgs",
			 "unsupported escape char");
	assert_podman_words("Exec=a \\q\n", " localhost/web:1 ");
	assert_complaint("Exec=a \\q\n", DIAG_ERROR, 4, 8, "Container.Exec",
			 "unsupported escape char");
	assert_podman_words("Environment=A=1 B=\\q\nEnvironment=C=2\n", " --env C=2 ");
	assert_complaint("Environment=B=\\q\n", DIAG_ERROR, 4, 15, "Container.Environment",
			 "unsupported escape char");
}

static void only_the_last_command_counts(void **state)
{
	(void)state;
	BOTH("Exec=a b\nExec=c \"d e\"\n", " localhost/web:1 c d e ");
	assert_podman_words("Exec=[\"a\",\"b\"]\n", " localhost/web:1 [a,b] ");
	assert_podman_words("Exec=a\nExec=\n", " localhost/web:1 ");
}

static void an_empty_word_ends_the_line_for_podman_only(void **state)
{
	struct unit_set set;
	char words[1024];

	(void)state;
	load_text(&set, FINE "Exec=a \"\" b\n");
	assert_string_equal(strstr(join_words(&set.units[0].run_args, words, sizeof(words)),
				   "web:1"),
			    "web:1 a ");
	assert_string_equal(strstr(join_words(&set.units[0].spec_args, words, sizeof(words)),
				   "web:1"),
			    "web:1 a  b ");
	unit_set_fini(&set);
}

static void pairs_are_sorted_and_later_names_replace_earlier(void **state)
{
	(void)state;
	BOTH("Environment=B=1 A=2\nEnvironment=\"B=x y\"\n", " --env A=2 --env B=x y ");
	BOTH("Environment=AB=1 A=2 ABC=3\n", " --env A=2 --env AB=1 --env ABC=3 ");
	BOTH("Label=a=1\nLabel=\nLabel=b=2\n", " --label b=2 ");
	BOTH("Label=flag\n", " --label flag ");
	BOTH("Annotation=a=b=c\n", " --annotation a=b=c ");
}

static void a_bare_name_behind_an_assignment_is_warned_of(void **state)
{
	(void)state;
	assert_complaint("Environment=A=b c\n", DIAG_WARNING, 4, 17, "Container.Environment",
			 "double quotes");
}

static void many_pairs_keep_the_last_of_each_name(void **state)
{
	struct buf text = BUF_INIT(UNIT_MAX_FILE_BYTES);
	struct unit_set set;
	char words[64 * 1024];

	(void)state;
	buf_puts(&text, FINE);
	for (int i = 0; i < 3000; i++)
		buf_printf(&text, "Environment=N%d=%d\n", i * 7919 % 101, i);
	load_text(&set, buf_str(&text));
	assert_quiet(&set);
	join_words(&set.units[0].spec_args, words, sizeof(words));

	int count = 0;

	for (const char *p = words; (p = strstr(p, " --env ")) != NULL; p++)
		count++;
	assert_int_equal(count, 101);
	for (int i = 3000 - 101; i < 3000; i++) {
		char part[64];

		snprintf(part, sizeof(part), " N%d=%d ", i * 7919 % 101, i);
		assert_non_null(strstr(words, part));
	}
	unit_set_fini(&set);
	buf_fini(&text);
}

static void numbers_are_read_as_in_c(void **state)
{
	(void)state;
	assert_podman_words("RemapUsers=auto\nRemapUidSize=0x10\n", " --userns auto:size=16 ");
	assert_podman_words("RemapUsers=auto\nRemapUidSize=010\n", " --userns auto:size=8 ");
	assert_podman_words("RemapUsers=auto\nRemapUidSize=+7\n", " --userns auto:size=7 ");
	assert_podman_words("RemapUsers=auto\nRemapUidSize=-5\n", " --userns auto ");
	assert_podman_words("RemapUsers=auto\nRemapUidSize=99999999999\n", " --userns auto ");
	assert_podman_words("RemapUsers=auto\nRemapUidSize=5x\n", " --userns auto ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_string_is_the_last_one_without_its_double_quotes),
		cmocka_unit_test(an_empty_string_is_as_if_unset),
		cmocka_unit_test(booleans_are_true_in_four_words),
		cmocka_unit_test(other_words_are_false_to_podman_and_errors_to_us),
		cmocka_unit_test(flags_that_only_switch_on_are_left_out_when_false),
		cmocka_unit_test(list_lines_are_taken_raw_and_cleared_by_an_empty_one),
		cmocka_unit_test(words_keep_backslashes_and_lose_quotes),
		cmocka_unit_test(an_open_quote_in_words_is_dropped_by_podman_and_refused_by_us),
		cmocka_unit_test(arguments_are_split_like_a_command_line),
		cmocka_unit_test(an_unknown_escape_drops_the_line_for_podman_and_is_refused_by_us),
		cmocka_unit_test(only_the_last_command_counts),
		cmocka_unit_test(an_empty_word_ends_the_line_for_podman_only),
		cmocka_unit_test(pairs_are_sorted_and_later_names_replace_earlier),
		cmocka_unit_test(a_bare_name_behind_an_assignment_is_warned_of),
		cmocka_unit_test(many_pairs_keep_the_last_of_each_name),
		cmocka_unit_test(numbers_are_read_as_in_c),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
