/* SPDX-License-Identifier: Apache-2.0 */
/* Where units are looked for, by an environment. */
#include "unit_test.h"

#include "unit/load_paths.h"
#include "util/buf.h"
#include "util/str.h"

/* "PATH[!USERS|#USERS] ..": ! for UNIT_DIR_NOT_USERS, # for UNIT_DIR_NOT_NUMBERS. */
static void assert_dirs(const struct unit_search *search, const char *expected, const char *problem)
{
	struct arena arena = { 0 };
	struct unit_dirs dirs = unit_search_dirs(&arena, search);
	struct buf got = BUF_INIT(64 * 1024);

	for (size_t i = 0; i < dirs.count; i++) {
		const struct unit_dir *dir = &dirs.items[i];

		buf_printf(&got, "%s%s%s%s", i ? " " : "", dir->path,
			   dir->rule == UNIT_DIR_ALL	   ? "" :
			   dir->rule == UNIT_DIR_NOT_USERS ? "!" :
							     "#",
			   dir->users);
	}
	assert_string_equal(buf_str(&got), expected);
	if (problem)
		assert_non_null(strstr(dirs.problem, problem));
	else
		assert_string_equal(dirs.problem, "");
	buf_fini(&got);
	arena_fini(&arena);
}

static void the_system_has_three_folders(void **state)
{
	(void)state;
	assert_dirs(&(struct unit_search){ .home = "/root", .runtime_dir = "/run/user/0" },
		    "/run/containers/systemd!/etc/containers/systemd/users "
		    "/etc/containers/systemd!/etc/containers/systemd/users "
		    "/usr/share/containers/systemd!/usr/share/containers/systemd/users",
		    NULL);
}

static void podmans_rule_forgets_the_users_below_usr(void **state)
{
	(void)state;
	assert_dirs(&(struct unit_search){ .is_podman = true },
		    "/run/containers/systemd!/etc/containers/systemd/users "
		    "/etc/containers/systemd!/etc/containers/systemd/users "
		    "/usr/share/containers/systemd",
		    NULL);
	assert_dirs(
		&(struct unit_search){
			.is_podman = true, .is_user = true, .home = "/home/a", .uid = 7 },
		"/home/a/.config/containers/systemd "
		"/etc/containers/systemd/users#/etc/containers/systemd/users "
		"/etc/containers/systemd/users/7 "
		"/usr/share/containers/systemd/users#/etc/containers/systemd/users "
		"/usr/share/containers/systemd/users/7",
		NULL);
}

static void a_user_has_their_own_before_the_systems(void **state)
{
	struct unit_search search = { .is_user = true,
				      .runtime_dir = "/run/user/1000",
				      .config_home = "/cfg",
				      .home = "/home/a",
				      .uid = 1000 };

	(void)state;
	assert_dirs(&search,
		    "/run/user/1000/containers/systemd /cfg/containers/systemd "
		    "/etc/containers/systemd/users#/etc/containers/systemd/users "
		    "/etc/containers/systemd/users/1000 "
		    "/usr/share/containers/systemd/users#/usr/share/containers/systemd/users "
		    "/usr/share/containers/systemd/users/1000",
		    NULL);
	search.runtime_dir = "";
	search.config_home = "";
	assert_dirs(&search,
		    "/home/a/.config/containers/systemd "
		    "/etc/containers/systemd/users#/etc/containers/systemd/users "
		    "/etc/containers/systemd/users/1000 "
		    "/usr/share/containers/systemd/users#/usr/share/containers/systemd/users "
		    "/usr/share/containers/systemd/users/1000",
		    NULL);
}

static void a_user_without_a_home_has_the_runtime_folder_only(void **state)
{
	(void)state;
	assert_dirs(&(struct unit_search){ .is_user = true }, "", "nor $HOME are defined");
	assert_dirs(&(struct unit_search){ .is_user = true, .runtime_dir = "/r", .home = "" },
		    "/r/containers/systemd", "nor $HOME are defined");
	assert_dirs(&(struct unit_search){ .is_user = true, .config_home = "rel", .home = "/h" },
		    "", "$XDG_CONFIG_HOME is not absolute");
}

static void a_list_replaces_all_of_them(void **state)
{
	(void)state;
	assert_dirs(&(struct unit_search){ .unit_dirs = "/a:/b c:/a", .home = "/h" }, "/a /b c /a",
		    NULL);
	assert_dirs(&(struct unit_search){ .unit_dirs = "/a", .is_user = true }, "/a", NULL);
	assert_dirs(&(struct unit_search){ .unit_dirs = "", .is_user = true, .home = "" }, "",
		    "$HOME");
}

static void a_list_ends_at_the_first_path_that_is_not_absolute(void **state)
{
	(void)state;
	assert_dirs(&(struct unit_search){ .unit_dirs = "/a:rel:/b" }, "/a",
		    "'rel' is not a valid file path");
	assert_dirs(&(struct unit_search){ .unit_dirs = "/a:" }, "/a",
		    "'' is not a valid file path");
	assert_dirs(&(struct unit_search){ .unit_dirs = ":/a" }, "", "'' is not a valid");
}

static void a_list_is_bounded(void **state)
{
	struct buf list = BUF_INIT(1024);
	struct arena arena = { 0 };
	struct unit_dirs dirs;

	(void)state;
	for (int i = 0; i <= UNIT_DIRS_MAX; i++)
		buf_puts(&list, i ? ":/x" : "/x");
	dirs = unit_search_dirs(&arena, &(struct unit_search){ .unit_dirs = buf_str(&list) });
	assert_int_equal(dirs.count, UNIT_DIRS_MAX);
	assert_non_null(strstr(dirs.problem, "more than 64"));
	arena_fini(&arena);
	buf_fini(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_system_has_three_folders),
		cmocka_unit_test(podmans_rule_forgets_the_users_below_usr),
		cmocka_unit_test(a_user_has_their_own_before_the_systems),
		cmocka_unit_test(a_user_without_a_home_has_the_runtime_folder_only),
		cmocka_unit_test(a_list_replaces_all_of_them),
		cmocka_unit_test(a_list_ends_at_the_first_path_that_is_not_absolute),
		cmocka_unit_test(a_list_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
