/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat quadlet: the services that podman's generator would write for a directory of units, printed or written into a
 * folder; also called by systemd as a generator. Reads units, runs nothing. Must never write outside of the folder that
 * it was given.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cli/commands.h"
#include "unit/load_paths.h"
#include "unit/unit.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/path.h"
#include "util/str.h"

#define QUADLET_ERRORS 1
#define QUADLET_USAGE 2
#define QUADLET_MAX_PATHS 1024
#define PRINT_PARTS 500 /* are written at once */

static const char usage[] =
	"usage: cleat quadlet --dryrun [--user] [-v] [DIR|FILE...]\n"
	"       cleat quadlet [--user] [-v] [--no-kmsg-log] OUTDIR [EARLYDIR LATEDIR]\n"
	"       cleat quadlet --version\n"
	"\n"
	"Prints, or writes into OUTDIR, the services and links that podman's generator would make of unit files.\n"
	"  --dryrun       print\n"
	"  --user         for a user's own systemd\n"
	"  -v, --verbose  say what is read and written\n"
	"  --no-kmsg-log  complain on standard error where a generator writes to the kernel's log\n"
	"Without DIR or FILE: the folders of $QUADLET_UNIT_DIRS (colons between), or podman's own.\n"
	"Exit status: 0 all converted, 1 units were left out, 2 it could not look.\n";

struct request {
	bool is_dry_run, is_user, is_verbose, is_quiet, is_version, wants_help;
	const char *paths[QUADLET_MAX_PATHS];
	size_t path_count;
	int kmsg_fd; /* -1: complaints go to standard error */
	struct arena arena;
};

__attribute__((format(printf, 2, 3))) static void say(const struct request *r, const char *fmt, ...)
{
	auto_buf line = BUF_INIT(64 * 1024);
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&line, fmt, ap);
	va_end(ap);
	if (r->kmsg_fd >= 0)
		dprintf(r->kmsg_fd, "<3>cleat quadlet[%d]: %s\n", (int)getpid(), buf_str(&line));
	else
		fprintf(stderr, "cleat quadlet: %s\n", buf_str(&line));
}

/* One dash or two, as podman's generator has it; "=true" and "=false" are understood, too. NULL: no such flag. */
static bool *find_flag(struct request *r, const char *word, bool *value)
{
	const struct {
		const char *name;
		bool *flag;
	} flags[] = {
		{ "dryrun", &r->is_dry_run },	 { "user", &r->is_user },
		{ "v", &r->is_verbose },	 { "verbose", &r->is_verbose },
		{ "no-kmsg-log", &r->is_quiet }, { "version", &r->is_version },
		{ "help", &r->wants_help },	 { "h", &r->wants_help },
	};
	size_t len;

	word += str_starts(word, "--") ? 2 : 1;
	len = strcspn(word, "=");
	*value = !word[len] || str_eq(word + len, "=true");
	if (!*value && !str_eq(word + len, "=false"))
		return NULL;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (strlen(flags[i].name) == len && strncmp(flags[i].name, word, len) == 0)
			return flags[i].flag;
	return NULL;
}

static bool parse_request(int argc, char **argv, struct request *r)
{
	bool is_over = false;

	for (int i = 1; i < argc; i++) {
		const char *word = argv[i];
		bool value, *flag;

		if (!is_over && str_eq(word, "--")) {
			is_over = true;
		} else if (!is_over && word[0] == '-' && word[1]) {
			flag = find_flag(r, word, &value);
			if (!flag)
				return false;
			*flag = value;
		} else if (r->path_count == QUADLET_MAX_PATHS) {
			return false;
		} else {
			r->paths[r->path_count++] = word;
		}
	}
	return true;
}

/* Whether podman's generator would complain of it, too: of files that cannot be read, and by its own rules. */
static bool *find_podmans(struct request *r, const struct unit_set *set)
{
	bool *is_podmans = arena_alloc(&r->arena, set->diags.count + 1);

	for (size_t i = 0; i < set->load_diag_count && i < set->diags.count; i++)
		is_podmans[i] = true;
	for (size_t i = 0; i < set->count; i++)
		for (size_t j = set->units[i].podman_begin; j < set->units[i].podman_end; j++)
			is_podmans[j] = true;
	return is_podmans;
}

/* One conversion: of everything that was found, or of single files among what stands beside them. */
struct job {
	struct request *r;
	struct unit_set set;
	const char **files; /* base names; NULL: all */
	size_t file_count;
};

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_meant(const struct job *job, const char *path)
{
	for (size_t i = 0; i < job->file_count; i++)
		if (str_eq(job->files[i], base_of(path)))
			return true;
	return !job->files;
}

static bool is_written(const struct job *job, const struct unit *unit)
{
	return unit->service_text_bytes && is_meant(job, unit->path);
}

static void say_diag(const struct job *job, size_t index)
{
	auto_buf line = BUF_INIT(64 * 1024);

	diag_format(&job->set.diags.items[index], &line);
	say(job->r, "%s", buf_str(&line));
}

/* Of single files: what stands in them, and what their units are listed with. */
static void find_meant(const struct job *job, bool *is_said)
{
	const struct unit_set *set = &job->set;
	bool *is_ours = arena_alloc(&job->r->arena, set->diags.count + 1);

	for (size_t i = 0; i < set->diags.count; i++)
		is_ours[i] = is_meant(job, set->diags.items[i].file);
	for (size_t i = 0; i < set->count; i++) {
		const struct unit *unit = &set->units[i];

		if (!is_meant(job, unit->path))
			continue;
		if (!unit->is_valid)
			is_ours[unit->first_error] = true;
		for (size_t j = unit->podman_begin; j < unit->podman_end; j++)
			is_ours[j] = true;
	}
	for (size_t i = 0; i < set->diags.count; i++)
		is_said[i] = is_said[i] && is_ours[i];
}

static bool report(const struct job *job)
{
	const struct unit_set *set = &job->set;
	bool *is_said = NULL, has_errors = false;

	if (set->diags.count) {
		is_said = find_podmans(job->r, set);
		find_meant(job, is_said);
	}
	for (size_t i = 0; i < set->diags.count; i++) {
		bool is_error = set->diags.items[i].severity == DIAG_ERROR;

		/* podman warns of a value that it drops; what is odd about a file is for "cleat check". */
		if (!is_said[i] || (!is_error && i < set->load_diag_count))
			continue;
		say_diag(job, i);
		has_errors = has_errors || is_error;
	}
	for (size_t i = 0; job->r->is_verbose && i < set->count; i++)
		if (is_meant(job, set->units[i].path))
			say(job->r, "%s: %s", set->units[i].path,
			    is_written(job, &set->units[i]) ? set->units[i].service_name :
							      "no service");
	return has_errors;
}

/* What is to be printed: texts of others, which are written from where they lie. */
struct output {
	struct iovec parts[PRINT_PARTS];
	size_t count;
	bool has_failed;
	struct err err; /* when has_failed */
};

static void print_gathered(struct output *out)
{
	if (!out->has_failed)
		out->has_failed =
			file_writev_all(STDOUT_FILENO, out->parts, out->count, &out->err) < 0;
	out->count = 0;
}

static void print_bytes(struct output *out, const char *text, size_t bytes)
{
	if (out->count == PRINT_PARTS)
		print_gathered(out);
	out->parts[out->count++] =
		(struct iovec){ .iov_base = (char *)(uintptr_t)text, .iov_len = bytes };
}

static void print_text(struct output *out, const char *text)
{
	print_bytes(out, text, strlen(text));
}

static void print_service(struct output *out, const struct unit *unit)
{
	print_text(out, "---");
	print_text(out, unit->service_name);
	print_text(out, "---\n");
	print_bytes(out, unit->service_text, unit->service_text_bytes);
	print_text(out, "\n");
}

/* Links stand before the first service: what follows a service's header is its text. */
static int print_all(const struct job *job)
{
	const struct unit_set *set = &job->set;
	struct output out;

	out.count = 0;
	out.has_failed = false;
	for (size_t pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < set->count && !out.has_failed; i++) {
			const struct unit *unit = &set->units[i];

			if (!is_written(job, unit))
				continue;
			if (pass == 0)
				print_text(&out, unit->symlink_text);
			else
				print_service(&out, unit);
		}
	print_gathered(&out);
	if (out.has_failed)
		say(job->r, "standard output: %s", out.err.msg);
	return out.has_failed ? -1 : 0;
}

/* Cuts a "---symlink LINK -> TARGET---" line in two. From its end, because a link may hold anything but a newline. */
static int split_link(struct arena *arena, const struct unit *unit, const char *line, char **link,
		      const char **target, struct err *err)
{
	size_t begin = strlen("---symlink "), len = strcspn(line, "\n");
	char *text = arena_strndup(arena, line, len);

	if (len > begin + 3 && str_ends(text, "---"))
		text[len - 3] = '\0';
	for (size_t i = strlen(text) - strlen(unit->service_name);
	     i > begin + 4 && i < len && str_ends(text + i, unit->service_name); i -= 3) {
		if (strncmp(text + i - 4, " -> ", 4) == 0) {
			text[i - 4] = '\0';
			*link = text + begin;
			*target = text + i;
			return 0;
		}
		if (strncmp(text + i - 3, "../", 3) != 0)
			break;
	}
	return err_set(err, ERR_BUG, "no link: %.*s", (int)len, line);
}

/* The link's folder is made and opened without following a link out of the output folder. */
static int make_link(struct arena *arena, int out_fd, const struct unit *unit, const char *line,
		     struct err *err)
{
	auto_fd int folder_fd = -1;
	const char *target = NULL;
	char *link = NULL, *slash;

	if (split_link(arena, unit, line, &link, &target, err) < 0)
		return -1;
	slash = strrchr(link, '/');
	if (slash) {
		*slash = '\0';
		folder_fd = path_mkdirs_in_root(out_fd, link, 0755, err);
		*slash = '/';
		if (folder_fd < 0)
			return err_wrap(err, "%s", link);
	}

	int fd = slash ? folder_fd : out_fd;
	const char *name = slash ? slash + 1 : link;

	if (unlinkat(fd, name, 0) < 0 && errno != ENOENT)
		return err_sys(err, "%s: unlink", link);
	if (symlinkat(target, fd, name) < 0)
		return err_sys(err, "%s: symlink", link);
	return 0;
}

/* A link that cannot be made costs no service, as with podman. */
static int write_unit(const struct job *job, int out_fd, const struct unit *unit, struct err *err)
{
	struct arena *arena = &job->r->arena;
	const char *text = arena_printf(arena, "# Automatically generated by cleat quadlet\n#\n%s",
					unit->service_text);

	if (file_write_atomic(out_fd, unit->service_name, text, strlen(text), 0644, false, err) < 0)
		return err_wrap(err, "%s", unit->service_name);
	for (const char *line = unit->symlink_text; *line; line += strcspn(line, "\n") + 1)
		if (make_link(arena, out_fd, unit, line, err) < 0)
			say(job->r, "%s: %s", unit->path, err->msg);
	return 0;
}

static int write_all(const struct job *job)
{
	const char *out_dir = job->r->paths[0];
	auto_fd int out_fd = -1;
	struct err err;
	int rc = 0;

	if (!job->set.count)
		return 0; /* podman makes no folder for nothing either */
	if (path_mkdirs(out_dir, 0755, &err) < 0) {
		say(job->r, "%s", err.msg);
		return -1;
	}
	out_fd = open(out_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (out_fd < 0) {
		err_sys(&err, "%s", out_dir);
		say(job->r, "%s", err.msg);
		return -1;
	}
	for (size_t i = 0; i < job->set.count; i++)
		if (is_written(job, &job->set.units[i]) &&
		    write_unit(job, out_fd, &job->set.units[i], &err) < 0) {
			say(job->r, "%s: %s", out_dir, err.msg);
			rc = -1;
		}
	return rc;
}

static int finish(struct job *job)
{
	bool has_errors = report(job);
	int rc = job->r->is_dry_run ? print_all(job) : write_all(job);

	unit_set_fini(&job->set);
	return has_errors || rc < 0 ? QUADLET_ERRORS : 0;
}

/* What specifiers expand to is asked of the machine that runs the services, by its systemd. */
static struct unit_facts facts_of(const struct request *r)
{
	const char *podman = getenv("PODMAN");

	return (struct unit_facts){
		.podman = podman && podman[0] ? podman : NULL,
		.is_user = r->is_user,
		.is_generator = true,
		.is_brief = true,
	};
}

static int convert_dirs(struct request *r, const struct unit_dirs *dirs)
{
	struct unit_facts facts = facts_of(r);
	struct job job = { .r = r };

	for (size_t i = 0; r->is_verbose && i < dirs->count; i++)
		say(r, "%s: searched", dirs->items[i].path);
	unit_set_load_search(&job.set, dirs, &facts);
	return finish(&job);
}

/* Files of one folder: the others beside them are read for what these refer to. */
static int convert_files(struct request *r, const char *folder, const char **files, size_t count)
{
	struct unit_facts facts = facts_of(r);
	struct job job = { .r = r, .files = files, .file_count = count };
	struct err err;

	if (unit_set_load_folder(&job.set, folder, &facts, &err) == 0)
		return finish(&job);
	say(r, "%s", err.msg);
	unit_set_fini(&job.set);
	return QUADLET_USAGE;
}

static const char *folder_of(struct request *r, const char *path)
{
	return dirname(arena_strdup(&r->arena, path));
}

/* Each folder once, with all files of it that were named. */
static int convert_all_files(struct request *r, const char **paths, size_t count)
{
	const char **files = arena_alloc(&r->arena, (count + 1) * sizeof(files[0]));
	int worst = 0;

	for (size_t i = 0; i < count; i++) {
		const char *folder = paths[i] ? folder_of(r, paths[i]) : NULL;
		size_t file_count = 0;

		for (size_t j = i; folder && j < count; j++)
			if (paths[j] && str_eq(folder_of(r, paths[j]), folder)) {
				files[file_count++] = base_of(paths[j]);
				paths[j] = NULL;
			}

		int rc = folder ? convert_files(r, folder, files, file_count) : 0;

		worst = rc > worst ? rc : worst;
	}
	return worst;
}

static int convert_paths(struct request *r)
{
	struct unit_dirs dirs = { .problem = "" };
	const char **files = NULL;
	size_t file_count = 0;
	int rc = 0, worst;

	for (size_t i = 0; i < r->path_count; i++) {
		struct stat st;
		struct err err;

		if (stat(r->paths[i], &st) < 0) {
			err_sys(&err, "%s", r->paths[i]);
			say(r, "%s", err.msg);
			return QUADLET_USAGE;
		}
		if (S_ISDIR(st.st_mode)) {
			*arena_push(&r->arena, dirs.items, dirs.count) =
				(struct unit_dir){ .path = r->paths[i], .users = "" };
		} else if (!unit_is_file_name(base_of(r->paths[i]))) {
			say(r, "%s: not a unit file by its name", r->paths[i]);
			return QUADLET_USAGE;
		} else {
			*arena_push(&r->arena, files, file_count) = r->paths[i];
		}
	}
	if (dirs.count)
		rc = convert_dirs(r, &dirs);
	worst = file_count ? convert_all_files(r, files, file_count) : 0;
	return worst > rc ? worst : rc;
}

static int convert_found(struct request *r)
{
	const struct unit_search search = {
		.is_user = r->is_user,
		.is_podman = true,
		.unit_dirs = getenv("QUADLET_UNIT_DIRS"),
		.runtime_dir = getenv("XDG_RUNTIME_DIR"),
		.config_home = getenv("XDG_CONFIG_HOME"),
		.home = getenv("HOME"),
		.uid = (unsigned)getuid(),
	};
	struct unit_dirs dirs = unit_search_dirs(&r->arena, &search);

	if (dirs.problem[0])
		say(r, "%s", dirs.problem);
	return convert_dirs(r, &dirs);
}

static int run(struct request *r)
{
	auto_fd int kmsg_fd = -1;

	if (r->is_dry_run)
		return r->path_count ? convert_paths(r) : convert_found(r);
	/* systemd calls generators with three folders, and nobody reads their standard error. */
	if (r->path_count == 3 && !r->is_quiet)
		kmsg_fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
	r->kmsg_fd = kmsg_fd;
	return convert_found(r);
}

int cmd_quadlet(int argc, char **argv)
{
	struct request r = { .kmsg_fd = -1 };
	int rc = QUADLET_USAGE;

	if (!parse_request(argc, argv, &r)) {
		fputs(usage, stderr);
	} else if (r.wants_help || r.is_version) {
		fputs(r.wants_help ? usage : CLEAT_VERSION "\n", stdout);
		rc = 0;
	} else if (!r.is_dry_run && !r.path_count) {
		fputs(usage, stderr);
		rc = QUADLET_ERRORS; /* podman's own status for it */
	} else {
		rc = run(&r);
	}
	arena_fini(&r.arena);
	return rc;
}
