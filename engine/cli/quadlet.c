/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat quadlet: the services that podman's generator would write for a directory of units, printed or written into a
 * folder. Reads units, runs nothing. Must never write outside of the folder that it was given.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "unit/unit.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/path.h"
#include "util/str.h"

#define QUADLET_ERRORS 1
#define QUADLET_USAGE 2
#define QUADLET_MAX_DIRS 16

static const char usage[] =
	"usage: cleat quadlet --dryrun [--user] [DIR]\n"
	"       cleat quadlet [--user] OUTDIR\n"
	"\n"
	"Prints, or writes into OUTDIR, the services that podman's generator would make of the .container units of DIR.\n"
	"  --dryrun  print\n"
	"  --user    for a user's own systemd\n"
	"Without DIR: the folders of $QUADLET_UNIT_DIRS (colons between), or podman's own.\n";

struct request {
	bool is_dry_run, is_user;
	const char *positional;
	const char *dirs[QUADLET_MAX_DIRS];
	size_t dir_count;
	struct arena arena;
};

static bool parse_request(int argc, char **argv, struct request *r)
{
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];

		if (str_starts(word, "--"))
			word++; /* podman's generator takes one dash, people write two */
		if (str_eq(word, "-dryrun"))
			r->is_dry_run = true;
		else if (str_eq(word, "-user"))
			r->is_user = true;
		else if (word[0] == '-' || r->positional)
			return false;
		else
			r->positional = word;
	}
	return r->is_dry_run || r->positional;
}

static void add_dir(struct request *r, const char *dir)
{
	struct stat st;

	/* podman passes over folders that are not there. */
	if (stat(dir, &st) == 0 && r->dir_count < QUADLET_MAX_DIRS)
		r->dirs[r->dir_count++] = dir;
}

static void add_user_dirs(struct request *r)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *config = getenv("XDG_CONFIG_HOME"),
		   *home = getenv("HOME");
	unsigned uid = (unsigned)getuid();

	if (runtime && runtime[0] == '/')
		add_dir(r, arena_printf(&r->arena, "%s/containers/systemd", runtime));
	if (config && config[0] == '/')
		add_dir(r, arena_printf(&r->arena, "%s/containers/systemd", config));
	else if (home && home[0] == '/')
		add_dir(r, arena_printf(&r->arena, "%s/.config/containers/systemd", home));
	add_dir(r, arena_printf(&r->arena, "/etc/containers/systemd/users/%u", uid));
	add_dir(r, "/etc/containers/systemd/users");
	add_dir(r, arena_printf(&r->arena, "/usr/share/containers/systemd/users/%u", uid));
	add_dir(r, "/usr/share/containers/systemd/users");
}

/* -1 after a complaint. */
static int find_dirs(struct request *r)
{
	const char *list = getenv("QUADLET_UNIT_DIRS");
	struct stat st;

	if (r->is_dry_run && r->positional) {
		r->dirs[r->dir_count++] = r->positional;
		return 0;
	}
	if (!list || !list[0]) {
		if (r->is_user) {
			add_user_dirs(r);
			return 0;
		}
		add_dir(r, "/run/containers/systemd");
		add_dir(r, "/etc/containers/systemd");
		add_dir(r, "/usr/share/containers/systemd");
		return 0;
	}
	while (*list) {
		const char *dir = arena_strndup(&r->arena, list, strcspn(list, ":"));

		if (dir[0] != '/' || r->dir_count == QUADLET_MAX_DIRS) {
			fprintf(stderr, "cleat quadlet: QUADLET_UNIT_DIRS: %s\n",
				dir[0] == '/' ? "more than 16 folders" :
						"a path that is not absolute");
			return -1;
		}
		if (stat(dir, &st) == 0)
			r->dirs[r->dir_count++] = dir;
		list += strlen(dir);
		list += *list == ':';
	}
	return 0;
}

static void print_diag(const struct diag *diag)
{
	auto_buf line = BUF_INIT(64 * 1024);

	diag_format(diag, &line);
	fprintf(stderr, "cleat quadlet: %s\n", buf_str(&line));
}

/* Whether podman's generator would complain of it, too: of files that cannot be read, and by its own rules. */
static bool is_podmans(const struct unit_set *set, size_t index)
{
	if (set->diags.items[index].severity != DIAG_ERROR)
		return false;
	for (size_t i = 0; i < set->count; i++)
		if (index >= set->units[i].podman_begin && index < set->units[i].podman_end)
			return true;
	return index < set->load_diag_count;
}

/* In a dry run, what podman would print; when writing, what can be written. */
static bool is_written(const struct request *r, const struct unit *unit)
{
	return unit->service_text[0] && !(r->is_dry_run && unit->is_left_out);
}

static bool report(const struct request *r, const struct unit_set *set)
{
	bool has_errors = false;

	for (size_t i = 0; i < set->diags.count; i++)
		if (is_podmans(set, i)) {
			print_diag(&set->diags.items[i]);
			has_errors = true;
		}
	for (size_t i = 0; i < set->count; i++)
		if (!str_ends(set->units[i].name, ".container")) {
			fprintf(stderr,
				"cleat quadlet: %s: not converted: only .container units are supported yet\n",
				set->units[i].path);
			has_errors = true;
		} else if (set->units[i].service_text[0] && !is_written(r, &set->units[i])) {
			fprintf(stderr,
				"cleat quadlet: %s: podman leaves it out: a file of its folder cannot be read\n",
				set->units[i].path);
		}
	return has_errors;
}

/* Links stand before the first service: what follows a service's header is its text. */
static int print_all(const struct request *r, const struct unit_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		if (is_written(r, &set->units[i]))
			printf("%s", set->units[i].symlink_text);
	for (size_t i = 0; i < set->count; i++)
		if (is_written(r, &set->units[i]))
			printf("---%s---\n%s\n", set->units[i].service_name,
			       set->units[i].service_text);
	return fflush(stdout) == 0 ? 0 : -1;
}

static bool leads_out(const char *path)
{
	return path[0] == '/' || str_eq(path, "..") || str_starts(path, "../") ||
	       strstr(path, "/../") || str_ends(path, "/..");
}

/* One "---symlink LINK -> TARGET---" line. */
static int make_link(struct arena *arena, const char *out_dir, const char *line, struct err *err)
{
	const char *link = line + strlen("---symlink "), *arrow = strstr(line, " -> ");
	size_t len = strcspn(line, "\n");

	if (!arrow || arrow > line + len)
		return err_set(err, ERR_BUG, "no link: %.*s", (int)len, line);

	const char *name = arena_strndup(arena, link, (size_t)(arrow - link));
	const char *target =
		arena_strndup(arena, arrow + 4, (size_t)(line + len - 3 - (arrow + 4)));
	char *path = arena_printf(arena, "%s/%s", out_dir, name);
	char *slash = strrchr(path, '/');

	if (leads_out(name))
		return err_set(err, ERR_INPUT, "[Install]: %s: leads out of the folder", name);
	*slash = '\0';
	if (path_mkdirs(path, 0755, err) < 0)
		return -1;
	*slash = '/';
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(err, "%s: unlink", path);
	if (symlink(target, path) < 0)
		return err_sys(err, "%s: symlink", path);
	return 0;
}

static int write_unit(struct arena *arena, const char *out_dir, const struct unit *unit,
		      struct err *err)
{
	const char *path = arena_printf(arena, "%s/%s", out_dir, unit->service_name);
	const char *text = arena_printf(arena, "# Automatically generated by cleat quadlet\n#\n%s",
					unit->service_text);

	if (file_write_atomic(AT_FDCWD, path, text, strlen(text), 0644, false, err) < 0)
		return err_wrap(err, "%s", path);
	for (const char *line = unit->symlink_text; *line; line += strcspn(line, "\n") + 1)
		if (make_link(arena, out_dir, line, err) < 0)
			return err_wrap(err, "%s", unit->name);
	return 0;
}

static int write_all(struct request *r, const struct unit_set *set)
{
	struct err err;
	int rc = 0;

	if (path_mkdirs(r->positional, 0755, &err) < 0) {
		fprintf(stderr, "cleat quadlet: %s\n", err.msg);
		return -1;
	}
	for (size_t i = 0; i < set->count; i++)
		if (is_written(r, &set->units[i]) &&
		    write_unit(&r->arena, r->positional, &set->units[i], &err) < 0) {
			fprintf(stderr, "cleat quadlet: %s\n", err.msg);
			rc = -1;
		}
	return rc;
}

static int convert(struct request *r)
{
	struct unit_set set = { 0 };
	struct unit_facts facts;
	struct err err;

	unit_facts_init(&facts, &r->arena, NULL);
	facts.podman = getenv("PODMAN");
	facts.is_user = r->is_user;
	if (unit_set_load_dirs(&set, r->dirs, r->dir_count, &facts, &err) < 0) {
		fprintf(stderr, "cleat quadlet: %s\n", err.msg);
		unit_set_fini(&set);
		return QUADLET_USAGE;
	}

	bool has_errors = report(r, &set);
	int rc = r->is_dry_run ? print_all(r, &set) : write_all(r, &set);

	unit_set_fini(&set);
	return has_errors || rc < 0 ? QUADLET_ERRORS : 0;
}

int cmd_quadlet(int argc, char **argv)
{
	struct request r = { 0 };
	int rc = QUADLET_USAGE;

	if (argc == 2 && str_eq(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (!parse_request(argc, argv, &r))
		fputs(usage, stderr);
	else if (find_dirs(&r) == 0)
		rc = convert(&r);
	arena_fini(&r.arena);
	return rc;
}
