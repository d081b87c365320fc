/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders for the child that makes and removes the copies of units: what has come up well meanwhile is copied, what is gone is
 * dropped, one child at a time, which is tried again until it has done so. Must never wait for the disk, and never drop the copy of a
 * unit that still runs.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervise/files.h"
#include "util/cleanup.h"
#include "util/str.h"

#define ORDERS_MAX_BYTES (1024 * 1024)

static bool has_removed(const struct engine *e)
{
	return e->count > e->files->removed_begin;
}

static void write_orders(struct engine *e, struct buf *out)
{
	struct files *f = e->files;

	for (unsigned i = 0; i < f->removed_begin; i++) {
		char hex[65];

		if (!e->entries[i].wants_copy)
			continue;
		str_hex(e->entries[i].unit->source_digest, 32, hex);
		buf_printf(out, "keep %s %s\n", hex, e->entries[i].unit->name);
	}
	for (size_t i = 0; i < f->stale_count && !has_removed(e); i++)
		buf_printf(out, "drop %s\n", f->stale[i]);
	if (f->keep.wants_sync)
		buf_puts(out, "sync " CLEAT_CHOICES "\n");
}

/* Of entries that were ordered: it is written down, or ordered again. */
static void end_copies(struct engine *e, bool done)
{
	for (unsigned i = 0; i < e->files->removed_begin; i++) {
		struct engine_entry *entry = &e->entries[i];

		if (!entry->is_copied ||
		    memcmp(entry->record.copied, entry->unit->source_digest, 32) == 0)
			continue;
		if (done) {
			memcpy(entry->record.copied, entry->unit->source_digest, 32);
			record_save(e, i);
		} else {
			entry->is_copied = false;
			entry->wants_copy = true;
		}
	}
}

/* Said once: what failed is a full or a broken disk, which stays so for a while. */
static void failed(struct engine *e, const char *why)
{
	struct files_keep *keep = &e->files->keep;

	if (!keep->respawn.failures)
		log_msg(LOG_WARN, "units",
			"copies of units that came up well could not be kept in %s: %s; it is tried again",
			CLEAT_LAST_GOOD_DIR, why);
	keep->is_wanted = true;
	respawn_again(&keep->respawn);
}

static void succeeded(struct engine *e)
{
	struct files_keep *keep = &e->files->keep;

	if (keep->respawn.failures)
		log_msg(LOG_INFO, "units", "copies of units are kept in %s again",
			CLEAT_LAST_GOOD_DIR);
	respawn_well(&keep->respawn);
	if (keep->is_wanted)
		respawn_later(&keep->respawn, 0);
}

static void on_kept(void *arg, pid_t pid, int wait_status)
{
	struct engine *e = arg;
	struct files_keep *keep = &e->files->keep;
	bool done = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;

	if (pid != keep->pid)
		return;
	keep->pid = 0;
	end_copies(e, done);
	if (done && keep->is_dropping)
		e->files->stale_count = 0;
	keep->wants_sync |= !done && keep->is_syncing;
	if (done)
		succeeded(e);
	else
		failed(e, "the lines before say why");
}

static void take_orders(struct engine *e)
{
	struct files_keep *keep = &e->files->keep;

	for (unsigned i = 0; i < e->files->removed_begin; i++) {
		e->entries[i].is_copied |= e->entries[i].wants_copy;
		e->entries[i].wants_copy = false;
	}
	keep->is_dropping = !has_removed(e);
	keep->is_syncing = keep->wants_sync;
	keep->is_wanted = keep->has_news = keep->wants_sync = false;
}

static void start(void *arg)
{
	struct engine *e = arg;
	struct files_keep *keep = &e->files->keep;
	char *quiet = keep->has_news ? NULL : "--quiet"; /* what failed has been said */
	char *argv[] = { "cleat", "units-keep", quiet, NULL };
	auto_buf orders = BUF_INIT(ORDERS_MAX_BYTES);
	struct err err;

	if (keep->pid || e->stopping)
		return;
	write_orders(e, &orders);
	if (!orders.len)
		return;
	if (children_spawn_fed(e, argv, &orders, on_kept, e, &keep->pid, &err) < 0)
		failed(e, err.msg);
	else
		take_orders(e);
}

void files_keep_open(struct engine *e)
{
	static const struct respawn_policy policy = { start, USEC_SEC, 64 * USEC_SEC, USEC_NEVER };

	respawn_init(&e->files->keep.respawn, &policy, e->loop, e);
}

void files_keep(struct engine *e, usec_t delay)
{
	struct files_keep *keep = &e->files->keep;

	keep->is_wanted = keep->has_news = true;
	if (!keep->pid && e->data_present && e->data_writable)
		respawn_later(&keep->respawn, delay);
}
