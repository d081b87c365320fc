/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat load: all images of one archive into the store, under the names that it gives them. Owns the store while it writes; the archive's
 * bytes never enter this process but as flat records. Must never write a name before its image is complete.
 */
#include "image/load.h"

#include <string.h>
#include <unistd.h>

#include "image/import_internal.h"
#include "image/layer.h"
#include "image/spool.h"
#include "util/cleanup.h"
#include "util/str.h"

static void on_record(const struct import_record *record, void *arg)
{
	const struct image_load *load = arg;

	if (record->kind == IMPORT_PROGRESS && load->progress)
		load->progress(record->done_bytes, record->total_bytes, load->arg);
}

/* As podman names them: a full name as it is, a short one is local, a bare tag counts as a name. */
static bool choose_name(const struct import_entry *entry, char out[REF_MAX])
{
	struct image_ref ref;
	struct err ignored;

	for (size_t i = 0; i < entry->name_count; i++)
		if (ref_parse(entry->names[i], &ref, &ignored) == 0 && ref.domain[0] &&
		    !ref.digest[0]) {
			ref_format(&ref, out);
			return true;
		}
	for (size_t i = 0; i < entry->name_count; i++)
		if (ref_parse(entry->names[i], &ref, &ignored) == 0 && !ref.digest[0]) {
			str_copy(ref.domain, sizeof(ref.domain), "localhost");
			ref_format(&ref, out);
			return out[0] != '\0';
		}
	return false;
}

static int load_entry(struct import *imp, const struct image_load *load, int fd,
		      const struct import_entry *entry, struct err *err)
{
	struct import_counts counts = { 0 };
	struct store_ref now = { 0 };
	char name[REF_MAX];
	bool has_name = choose_name(entry, name);

	if (entry->name_count && !has_name && load->passed_over)
		load->passed_over(entry->names[0], "is no name for an image: it is loaded without",
				  load->arg);
	if (!import_is_complete(imp, entry->digest) &&
	    import_image_fd(imp, fd, entry, has_name ? name : entry->digest, &counts, err) < 0)
		return -1;
	str_copy(now.digest, sizeof(now.digest), entry->digest);
	str_copy(now.index, sizeof(now.index), entry->index);
	if (has_name && import_write_name(imp, name, &now, err) < 0)
		return -1;
	store_image_used(imp->store, entry->digest);
	load->loaded(has_name ? name : NULL, entry->digest, load->arg);
	return 0;
}

static int load_entries(struct import *imp, const struct image_load *load, int fd,
			const struct import_archive *archive, struct err *err)
{
	size_t done = 0;

	for (size_t i = 0; i < archive->entry_count; i++) {
		const struct import_entry *entry = &archive->entries[i];

		if (entry->problem) {
			err_set(err, ERR_UNSUPPORTED, "image %s: %s", entry->digest,
				entry->problem);
			if (load->passed_over && archive->entry_count > 1)
				load->passed_over(entry->name_count ? entry->names[0] :
								      entry->digest,
						  entry->problem, load->arg);
			continue;
		}
		if (load_entry(imp, load, fd, entry, err) < 0)
			return -1;
		done++;
	}
	return done ? 0 : -1;
}

int image_load(const struct image_load *load, struct err *err)
{
	struct image_load copy = *load;
	struct import imp = {
		.store = load->store,
		.image_dir = "",
		.record_fd = -1,
		.max_entries = LAYER_DEFAULT_MAX_ENTRIES,
		.on_record = on_record,
		.on_record_arg = &copy,
	};
	struct import_archive archive = { .path = "" };
	int spooled = -1, rc;

	rc = import_take_store(&imp, NULL, err);
	if (rc == 0)
		rc = spool_open(load->store, load->fd, &spooled, err);
	auto_fd int own = spooled;
	int fd = own >= 0 ? own : load->fd;

	if (rc == 0)
		rc = import_scan_archive(&imp, &archive, fd, err);
	if (rc == 0 && archive.entry_count == 0)
		rc = err_set(err, ERR_INPUT, "holds no image");
	if (rc == 0)
		rc = load_entries(&imp, load, fd, &archive, err);
	arena_fini(&imp.arena);
	return rc;
}
