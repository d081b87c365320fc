/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users of volumes, read from run directories and unit files. Reads only what the engine wrote and what the operator did; a run
 * directory that vanishes meanwhile is no error.
 */
#include "cli/volume_use.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "spec/pod.h"
#include "spec/spec.h"
#include "spec/volume.h"
#include "unit/unit.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

#define CONFIG_MAX_BYTES (4u << 20)
#define RUNS_MAX 4096

static void add(struct volume_use *use, const char *volume, size_t len, const char *who,
		bool is_running)
{
	struct volume_user *user = arena_push(&use->arena, use->users, use->count);

	user->volume = arena_strndup(&use->arena, volume, len);
	user->who = arena_strdup(&use->arena, who);
	user->is_running = is_running;
}

static void take_mounts(struct volume_use *use, yyjson_val *root, const char *run_id,
			const char *volume_dir)
{
	yyjson_val *name = yyjson_obj_get(yyjson_obj_get(root, "annotations"), "org.cleat.name");
	const char *who = yyjson_get_str(name);
	size_t i, n, len = strlen(volume_dir);
	yyjson_val *mount;

	yyjson_arr_foreach(yyjson_obj_get(root, "mounts"), i, n, mount)
	{
		const char *source = yyjson_get_str(yyjson_obj_get(mount, "source"));

		if (source && strncmp(source, volume_dir, len) == 0 && source[len] == '/')
			add(use, source + len + 1, strcspn(source + len + 1, "/"),
			    who ? who : run_id, true);
	}
}

static int take_run(struct volume_use *use, int dir, const char *run_id, const char *volume_dir,
		    struct err *err)
{
	auto_buf text = BUF_INIT(CONFIG_MAX_BYTES);
	auto_fd int run = openat(dir, run_id, O_PATH | O_DIRECTORY | O_CLOEXEC);
	yyjson_doc *doc;

	if (run < 0 || file_read_at(run, "config.json", CONFIG_MAX_BYTES, &text, err) < 0)
		return run < 0 || err->code == ERR_NOT_FOUND ? 0 : -1;
	doc = yyjson_read(text.data, text.len, 0);
	if (!doc)
		return err_set(err, ERR_INTEGRITY, "config.json is no JSON");
	take_mounts(use, yyjson_doc_get_root(doc), run_id, volume_dir);
	yyjson_doc_free(doc);
	return 0;
}

static int find_running(struct volume_use *use, const char *container_dir, const char *volume_dir,
			struct err *err)
{
	auto_dir DIR *list = opendir(container_dir);
	struct dirent *entry;
	unsigned runs = 0;

	if (!list)
		return errno == ENOENT ? 0 : err_sys(err, "%s", container_dir);
	while ((entry = readdir(list))) {
		if (entry->d_name[0] == '.')
			continue;
		if (++runs > RUNS_MAX)
			return err_set(err, ERR_LIMIT, "%s: more than %d containers", container_dir,
				       RUNS_MAX);
		if (take_run(use, dirfd(list), entry->d_name, volume_dir, err) < 0)
			return err_wrap(err, "%s/%s", container_dir, entry->d_name);
	}
	return 0;
}

static void take_container(struct volume_use *use, const struct unit *unit)
{
	struct container_spec spec;
	struct diags diags = { 0 };
	auto_arena arena = { 0 };
	bool is_fine = unit->is_valid &&
		       (unit->kind == UNIT_POD ?
				spec_pod_from_args(&spec, &arena, &unit->spec_args, &diags) :
				spec_from_args(&spec, &arena, &unit->spec_args, &diags)) == 0;

	for (size_t i = 0; is_fine && i < spec.mount_count; i++)
		if (spec.mounts[i].volume)
			add(use, spec.mounts[i].volume, strlen(spec.mounts[i].volume), unit->name,
			    false);
	if (!is_fine && !use->unsure)
		use->unsure = arena_strdup(&use->arena, unit->name);
	diags_fini(&diags);
}

static void find_units(struct volume_use *use, const char *unit_dir)
{
	struct unit_set set = { 0 };
	struct unit_facts facts;
	struct err ignored;

	unit_facts_init(&facts, &use->arena, NULL);
	if (access(unit_dir, F_OK) < 0)
		return;
	if (unit_set_load(&set, unit_dir, &facts, &ignored) < 0)
		use->unsure = arena_strdup(&use->arena, unit_dir);
	for (size_t i = 0; i < set.count; i++) {
		const struct unit *unit = &set.units[i];

		if (unit->is_template)
			continue;
		if (unit->kind == UNIT_CONTAINER || unit->kind == UNIT_POD)
			take_container(use, unit);
		else if (unit->kind == UNIT_VOLUME && unit->resource_name)
			add(use, unit->resource_name, strlen(unit->resource_name), unit->name,
			    false);
	}
	unit_set_fini(&set);
}

int volume_use_find(struct volume_use *use, const char *container_dir, const char *unit_dir,
		    const char *volume_dir, struct err *err)
{
	if (find_running(use, container_dir, volume_dir, err) < 0)
		return -1;
	find_units(use, unit_dir);
	return 0;
}

void volume_use_fini(struct volume_use *use)
{
	arena_fini(&use->arena);
	*use = (struct volume_use){ 0 };
}

bool volume_use_has(const struct volume_use *use, const char *volume, bool running_only)
{
	for (size_t i = 0; i < use->count; i++)
		if (str_eq(use->users[i].volume, volume) &&
		    (use->users[i].is_running || !running_only))
			return true;
	return false;
}

void volume_use_write(const struct volume_use *use, const char *volume, bool running_only,
		      struct buf *out)
{
	const char *between = "";

	for (size_t i = 0; i < use->count; i++) {
		const struct volume_user *user = &use->users[i];

		if (!str_eq(user->volume, volume) || (running_only && !user->is_running))
			continue;
		buf_printf(out, "%s%s%s", between, user->is_running ? "container " : "", user->who);
		between = ", ";
	}
}
