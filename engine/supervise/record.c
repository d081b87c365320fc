/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The per-unit record that lets the next engine take over: want and run id, written before a
 * shim is asked for. On tmpfs, so no fsync; replaced atomically. A record of another boot or of unknown shape is as
 * good as none.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "supervise/internal.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

#define RECORD_DIR CLEAT_RUN_DIR "/units"

static void record_path(const char *name, char out[512])
{
	snprintf(out, 512, "%s/%s", RECORD_DIR, name);
}

void record_save(struct engine *e, unsigned index)
{
	struct engine_entry *entry = &e->entries[index];
	struct core_unit_view view;
	struct unit_record *record = &entry->record;
	char path[512];
	struct err err;

	if (e->layout_unknown || !entry->spec)
		return;
	core_view(e->core, index, &view);
	record->magic = UNIT_RECORD_MAGIC;
	record->version = 1;
	record->length = sizeof(*record);
	record->want = (uint32_t)view.want;
	record->restarts = entry->restarts_before + view.restarts;
	record->failed = view.state == CORE_FAILED;
	record->health = (uint32_t)view.health;
	record->public_state = entry->published.state;
	record->public_health = entry->published.health;
	record->since_real_usec = entry->published.since_real_usec;
	record->ended = view.state == CORE_UP && entry->run.phase == RUN_NONE;
	str_copy(record->run_id, sizeof(record->run_id), entry->run.id);
	str_copy(record->boot_id, sizeof(record->boot_id), e->boot_id);
	str_copy(record->container_name, sizeof(record->container_name), entry->name);
	str_copy(record->unit_name, sizeof(record->unit_name), entry->unit->name);
	record_path(entry->name, path);
	if (mkdir(RECORD_DIR, 0755) < 0 && errno != EEXIST)
		log_msg(LOG_ERROR, "supervise", "%s: %s", RECORD_DIR, strerror(errno));
	if (file_write_atomic(AT_FDCWD, path, record, sizeof(*record), 0600, false, &err) < 0)
		log_msg(LOG_ERROR, "supervise", "record of %s: %s", entry->name, err.msg);
}

int record_load(const char *name, const char *boot_id, struct unit_record *out, struct err *err)
{
	auto_buf text = BUF_INIT(4096);
	char path[512];

	record_path(name, path);
	memset(out, 0, sizeof(*out));
	if (file_read_at(AT_FDCWD, path, 4096, &text, err) < 0)
		return -1;
	if (text.len < sizeof(*out))
		return err_set(err, ERR_INTEGRITY, "%s: %zu bytes, expected %zu", path, text.len,
			       sizeof(*out));
	memcpy(out, text.data, sizeof(*out));
	out->run_id[sizeof(out->run_id) - 1] = '\0';
	out->boot_id[sizeof(out->boot_id) - 1] = '\0';
	out->container_name[sizeof(out->container_name) - 1] = '\0';
	out->unit_name[sizeof(out->unit_name) - 1] = '\0';
	if (out->magic != UNIT_RECORD_MAGIC ||
	    (out->run_id[0] && !str_is_hex(out->run_id, CLEAT_RUNID_LEN))) {
		memset(out, 0, sizeof(*out));
		return err_set(err, ERR_INTEGRITY, "%s: not a unit record", path);
	}
	if (!str_eq(out->boot_id, boot_id)) {
		memset(out, 0, sizeof(*out));
		return err_set(err, ERR_NOT_FOUND, "%s: of an earlier boot", path);
	}
	return 0;
}

int record_find_unit(const char *unit_name, const char *boot_id, struct unit_record *out,
		     struct err *err)
{
	auto_dir DIR *dir = opendir(RECORD_DIR);
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		if (d->d_name[0] != '.' && record_load(d->d_name, boot_id, out, err) == 0 &&
		    str_eq(out->unit_name, unit_name))
			return 0;
	memset(out, 0, sizeof(*out));
	return err_set(err, ERR_NOT_FOUND, "no record of %s", unit_name);
}
