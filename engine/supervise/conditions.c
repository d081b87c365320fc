/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Condition*= and Assert*= asked of the appliance, and "cleat check-conditions", the child that does it: paths may lie on a disk that stalls.
 * What cannot be told (a value that means nothing) is said and does not hold. Must never change anything, nor ask anybody
 * on the network.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log/log.h"
#include "supervise/conditions.h"
#include "util/cleanup.h"
#include "util/path.h"
#include "util/str.h"

static int path_exists(const char *text, struct err *err)
{
	(void)err;
	return access(text, F_OK) == 0;
}

static int path_exists_glob(const char *text, struct err *err)
{
	glob_t found;
	int result = glob(text, GLOB_NOSORT, NULL, &found);

	if (result == 0)
		globfree(&found);
	if (result == GLOB_NOSPACE)
		return err_set(err, ERR_LIMIT, "too many files");
	return result == 0;
}

static int path_is_directory(const char *text, struct err *err)
{
	struct stat st;

	(void)err;
	return stat(text, &st) == 0 && S_ISDIR(st.st_mode);
}

static int path_is_symbolic_link(const char *text, struct err *err)
{
	struct stat st;

	(void)err;
	return lstat(text, &st) == 0 && S_ISLNK(st.st_mode);
}

static int is_mount_point(const char *text, struct err *err)
{
	(void)err;
	return path_is_mount(text, 0);
}

static int path_is_read_write(const char *text, struct err *err)
{
	struct statvfs st;

	(void)err;
	return statvfs(text, &st) == 0 && !(st.f_flag & ST_RDONLY);
}

static int directory_not_empty(const char *text, struct err *err)
{
	auto_dir DIR *dir = opendir(text);
	struct dirent *d;

	(void)err;
	while (dir && (d = readdir(dir)))
		if (!str_eq(d->d_name, ".") && !str_eq(d->d_name, ".."))
			return 1;
	return 0;
}

static int file_not_empty(const char *text, struct err *err)
{
	struct stat st;

	(void)err;
	return stat(text, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
}

static int file_is_executable(const char *text, struct err *err)
{
	struct stat st;

	(void)err;
	return stat(text, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

static const struct condition_kind {
	const char *name;
	int (*holds)(const char *text, struct err *err);
} kinds[] = {
	{ "PathExists", path_exists },
	{ "PathExistsGlob", path_exists_glob },
	{ "PathIsDirectory", path_is_directory },
	{ "PathIsSymbolicLink", path_is_symbolic_link },
	{ "PathIsMountPoint", is_mount_point },
	{ "PathIsReadWrite", path_is_read_write },
	{ "DirectoryNotEmpty", directory_not_empty },
	{ "FileNotEmpty", file_not_empty },
	{ "FileIsExecutable", file_is_executable },
	{ "NeedsUpdate", condition_needs_update },
	{ "FirstBoot", condition_first_boot },
	{ "Architecture", condition_architecture },
	{ "Virtualization", condition_virtualization },
	{ "Host", condition_host },
	{ "KernelCommandLine", condition_kernel_command_line },
	{ "KernelVersion", condition_kernel_version },
	{ "Version", condition_version },
	{ "Security", condition_security },
	{ "Capability", condition_capability },
	{ "Memory", condition_memory },
	{ "CPUs", condition_cpus },
	{ "CPUFeature", condition_cpu_feature },
	{ "Environment", condition_environment },
	{ "User", condition_user },
	{ "Group", condition_user },
	{ "ControlGroupController", condition_control_group_controller },
	{ "OSRelease", condition_os_release },
	{ "KernelModuleLoaded", condition_kernel_module_loaded },
};

static const struct condition_kind *find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (str_eq(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

int condition_holds(const char *name, const char *text, struct err *err)
{
	const struct condition_kind *kind = find_kind(name);

	if (!kind)
		return err_set(err, ERR_UNSUPPORTED, "this cannot be asked of an appliance");
	return kind->holds(text, err);
}

/* --- "cleat check-conditions" -------------------------------------------------------------------------------------------------- */

struct condition_words { /* FLAGS LABEL NAME TEXT */
	const char *flags, *label, *name, *text;
};

static struct condition_words words_at(char **words)
{
	return (struct condition_words){ words[0], words[1], words[2], words[3] };
}

/* True when it holds as it is written, "!" and all; why: "" or why nobody can tell. */
static bool is_met(const struct condition_words *c, char *why, size_t size)
{
	struct err err;
	int holds = condition_holds(c->name, c->text, &err);

	why[0] = '\0';
	if (holds < 0) {
		snprintf(why, size, ": %s", err.msg);
		return false;
	}
	return (holds != 0) != (strchr(c->flags, '!') != NULL);
}

/* systemd's rule (systemd.unit(5)): all that are no triggers, and of the triggers one. Of conditions or of assertions. */
static bool all_met(char **words, int count, bool asserts, struct command_result *result)
{
	const char *first_trigger = NULL;
	bool is_triggered = false;
	char why[500];

	for (int i = 0; i + 4 <= count; i += 4) {
		struct condition_words c = words_at(words + i);
		bool is_trigger = strchr(c.flags, '|');

		if ((strchr(c.flags, 'a') != NULL) != asserts || (is_trigger && is_triggered))
			continue;
		if (is_trigger && !first_trigger)
			first_trigger = c.label;
		if (is_met(&c, why, sizeof(why))) {
			is_triggered |= is_trigger;
		} else if (!is_trigger) {
			auto_buf text = BUF_INIT(2048);

			buf_printf(&text, "%s: does not hold%s", c.label, why);
			str_copy_text(result->text, sizeof(result->text), buf_str(&text));
			return false;
		}
	}
	if (!first_trigger || is_triggered)
		return true;
	auto_buf text = BUF_INIT(2048);

	buf_printf(&text, "%s: neither this nor any other with | holds", first_trigger);
	str_copy_text(result->text, sizeof(result->text), buf_str(&text));
	return false;
}

int cmd_check_conditions(int argc, char **argv)
{
	struct command_result result = { 0 };

	log_init("cleat", LOG_INFO);
	if (argc < 5 || (argc - 1) % 4) {
		fprintf(stderr, "usage: cleat check-conditions (FLAGS LABEL NAME TEXT)...\n");
		return 2;
	}
	if (!all_met(argv + 1, argc - 1, false, &result))
		return command_report(&result);
	result.permanent = !all_met(argv + 1, argc - 1, true, &result);
	return result.permanent ? command_report(&result) : 0;
}
