/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The volumes that a container is about to mount: what they are (a .volume unit, a record, or nothing but a name), made where they
 * are missing. Runs in the engine's loop: mkdir, a record and a rename, never a walk and never a sync. Content is the runtime's business.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/time.h>

#include "supervise/internal.h"
#include "supervise/volume_store.h"
#include "util/cleanup.h"
#include "util/str.h"

static int64_t real_usec(void)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return (int64_t)now.tv_sec * 1000000 + now.tv_usec;
}

static bool mounts_volume(const struct container_spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->mount_count; i++)
		if (spec->mounts[i].volume && str_eq(spec->mounts[i].volume, name))
			return true;
	return false;
}

/* podman has one tmpfs for all containers, in its own mount namespace. */
static int check_tmpfs(const struct engine *e, const struct engine_entry *entry, const char *name,
		       struct err *err)
{
	for (unsigned i = 0; i < e->count; i++)
		if (&e->entries[i] != entry && e->entries[i].spec && !e->entries[i].spec->is_pod &&
		    mounts_volume(e->entries[i].spec, name))
			return err_set(
				err, ERR_UNSUPPORTED,
				"volume %s is a tmpfs, which every container has for itself, but %s mounts it too: take a volume without Type=tmpfs",
				name, e->entries[i].name);
	return 0;
}

static int find(const char *name, struct arena *arena, const struct host_facts *host,
		struct volume_spec *out, struct err *err)
{
	const struct volume_spec *unit = volume_find(host->volumes, host->volume_count, name);
	auto_fd int store = volume_store_open(CLEAT_VOLUME_DIR, false, err);
	struct volume_record record;

	volume_spec_init(out, arena_strdup(arena, name));
	if (unit) {
		*out = *unit;
		return 0;
	}
	if (store < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	if (volume_store_read(store, name, arena, &record, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : -1;
	*out = record.spec;
	return 0;
}

static int make(const struct engine *e, const struct volume_spec *volume, struct err *err)
{
	auto_fd int store = -1;
	bool made;

	if (volume->kind != VOLUME_FOLDER)
		return 0;
	if (!e->data_writable)
		return err_set(
			err, ERR_UNSUPPORTED,
			"volume %s: %s, so nothing would be kept; mount something writable at " CLEAT_DATA_DIR
			" or give the container a tmpfs",
			volume->name,
			e->data_present ? CLEAT_DATA_DIR " cannot be written" :
					  CLEAT_DATA_DIR " is absent");
	store = volume_store_open(CLEAT_VOLUME_DIR, true, err);
	if (store < 0 || volume_store_make(store, volume, real_usec(), &made, err) < 0)
		return err_wrap(err, "volume %s", volume->name);
	if (made)
		log_msg(LOG_INFO, "supervise", "volume %s: made", volume->name);
	return 0;
}

int volumes_prepare(struct engine *e, const struct engine_entry *entry, struct arena *arena,
		    struct host_facts *host, struct err *err)
{
	struct volume_spec *volumes = NULL;
	size_t count = 0;

	volumes_of_units(&e->units, arena, &volumes, &count);
	host->volumes = volumes;
	host->volume_count = count;
	for (size_t i = 0; i < entry->spec->mount_count; i++) {
		const char *name = entry->spec->mounts[i].volume;
		struct volume_spec volume;

		if (!name)
			continue;
		if (find(name, arena, host, &volume, err) < 0 ||
		    (volume.kind == VOLUME_TMPFS && check_tmpfs(e, entry, name, err) < 0) ||
		    make(e, &volume, err) < 0)
			return -1;
		if (!volume_find(volumes, count, name))
			*arena_push(arena, volumes, count) = volume;
		host->volumes = volumes;
		host->volume_count = count;
	}
	return 0;
}
