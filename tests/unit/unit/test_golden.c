/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole units as text: tests/golden/NAME.container and what is said of it in NAME.expected. To write the expectations
 * anew after a change that was meant: GOLDEN_WRITE=1 with this program, then read the difference.
 */
#include "unit_fixture.h"

#include <dirent.h>
#include <fcntl.h>

#include "unit/words_internal.h"
#include "util/file.h"

#define FOLDER "tests/golden"
#define MAX_TEXT ((size_t)4 * 1024 * 1024)
#define MAX_FILES 256

static char names[MAX_FILES][128];
static size_t name_count;

static void read_file(const char *path, struct buf *out)
{
	struct err err;

	if (file_read_at(AT_FDCWD, path, MAX_TEXT, out, &err) < 0)
		fail_msg("%s", err.msg);
}

static void describe_args(const struct unit *unit, struct buf *out)
{
	for (size_t i = 0; i < unit->spec_args.count; i++) {
		const struct arg *arg = &unit->spec_args.items[i];

		if (arg->origin->line)
			buf_printf(out, "%s %u:%u ", i == unit->image_index ? "image" : "arg",
				   arg->origin->line, arg->origin->column);
		else
			buf_printf(out, "arg - ");
		words_escape(out, arg->text);
		buf_putc(out, '\n');
	}
}

static void describe_usec(struct buf *out, const char *name, uint64_t usec)
{
	if (usec == UINT64_MAX)
		buf_printf(out, " %s=never", name);
	else
		buf_printf(out, " %s=%juus", name, (uintmax_t)usec);
}

static void describe_service(const struct service *s, struct buf *out)
{
	buf_printf(out, "service type=%d restart=%d boot=%d steps=%u burst=%u remain=%d",
		   (int)s->type, (int)s->restart, s->boot, s->restart_steps, s->start_limit_burst,
		   s->remain_after_exit);
	describe_usec(out, "restart", s->restart_usec);
	describe_usec(out, "restart-max", s->restart_max_usec);
	describe_usec(out, "interval", s->start_limit_interval_usec);
	describe_usec(out, "start", s->timeout_start_usec);
	describe_usec(out, "stop", s->timeout_stop_usec);
	describe_usec(out, "run", s->runtime_max_usec);
	buf_printf(out, " description=%s\n", s->description);
	for (size_t i = 0; i < s->dep_count; i++)
		buf_printf(out, "dep %d %s\n", (int)s->deps[i].kind, s->deps[i].target);
	for (size_t i = 0; i < s->environment.count; i++)
		buf_printf(out, "environment %s\n", s->environment.items[i].text);
}

static void describe(const struct unit_set *set, struct buf *out)
{
	const struct unit *unit = &set->units[0];

	buf_printf(out, "%s %s %s\n", unit->is_valid ? "valid" : "invalid", unit->container_name,
		   unit->service_name);
	for (size_t i = 0; i < set->diags.count; i++) {
		diag_format(&set->diags.items[i], out);
		buf_putc(out, '\n');
	}
	describe_args(unit, out);
	describe_service(&unit->service, out);
	buf_printf(out, "%s---\n%s", unit->symlink_text, unit->service_text);
}

static void compare_text(const char *path, const char *expected, const char *got)
{
	unsigned line = 1;

	if (str_eq(expected, got))
		return;
	while (*expected && *expected == *got) {
		line += *expected == '\n';
		expected++;
		got++;
	}
	fail_msg("%s:%u: expected '%.60s', got '%.60s'", path, line, expected, got);
}

static void a_golden_unit_is_read_as_expected(void **state)
{
	const char *name = *state;
	char path[256];
	struct buf text = BUF_INIT(MAX_TEXT), expected = BUF_INIT(MAX_TEXT),
		   got = BUF_INIT(MAX_TEXT);
	struct unit_set set = { 0 };
	struct err err;

	snprintf(path, sizeof(path), FOLDER "/%s.container", name);
	read_file(path, &text);
	snprintf(path, sizeof(path), "/units/%s.container", name);
	if (unit_set_load_text(&set, path + strlen("/units/"), path, buf_str(&text), text.len,
			       &test_facts, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(set.count, 1);
	describe(&set, &got);
	assert_int_equal(buf_check(&got, "description", &err), 0);
	snprintf(path, sizeof(path), FOLDER "/%s.expected", name);
	if (getenv("GOLDEN_WRITE")) {
		assert_int_equal(
			file_write_atomic(AT_FDCWD, path, got.data, got.len, 0644, false, &err), 0);
	} else {
		read_file(path, &expected);
		compare_text(path, buf_str(&expected), buf_str(&got));
	}
	unit_set_fini(&set);
	buf_fini(&text);
	buf_fini(&expected);
	buf_fini(&got);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Every file of the folder, so that a golden unit cannot be forgotten. */
static bool find_units(void)
{
	DIR *dir = opendir(FOLDER);

	if (!dir)
		return false;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		size_t len = strlen(entry->d_name);

		if (name_count < MAX_FILES && len > 10 && len < sizeof(names[0]) &&
		    str_ends(entry->d_name, ".container")) {
			memcpy(names[name_count], entry->d_name, len - 10);
			names[name_count++][len - 10] = '\0';
		}
	}
	closedir(dir);
	qsort(names, name_count, sizeof(names[0]), compare_names);
	return name_count > 0;
}

int main(void)
{
	static struct CMUnitTest tests[MAX_FILES];

	if (!find_units()) {
		fprintf(stderr,
			"no units in " FOLDER ": run this from the top of the source tree\n");
		return 1;
	}
	for (size_t i = 0; i < name_count; i++) {
		tests[i].name = names[i];
		tests[i].test_func = a_golden_unit_is_read_as_expected;
		tests[i].initial_state = names[i];
	}
	return _cmocka_run_group_tests("golden", tests, name_count, NULL, NULL);
}
