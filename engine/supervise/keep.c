/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Orders for the child that makes and removes the copies of units: what has come up well meanwhile is copied, what is gone is
 * dropped, one child at a time. Must never wait for the disk, and never drop the copy of a unit that still runs.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervise/files.h"
#include "util/cleanup.h"
#include "util/str.h"

#define ORDERS_MAX_BYTES (1024 * 1024)
#define RETRY_USEC (60 * USEC_SEC)

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

/* Tried again after a while only: what failed is a full or a broken disk. */
static void on_kept(void *arg, pid_t pid, int wait_status)
{
	struct engine *e = arg;
	bool done = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;

	if (pid != e->files->keep.pid)
		return;
	e->files->keep.pid = 0;
	for (unsigned i = 0; done && i < e->files->removed_begin; i++) {
		struct engine_entry *entry = &e->entries[i];

		if (!entry->is_copied ||
		    memcmp(entry->record.copied, entry->unit->source_digest, 32) == 0)
			continue;
		memcpy(entry->record.copied, entry->unit->source_digest, 32);
		record_save(e, i);
	}
	if (!done)
		log_msg(LOG_WARN, "units",
			"copies of units that came up well could not be kept in %s",
			CLEAT_LAST_GOOD_DIR);
	if (e->files->keep.is_wanted)
		files_keep(e, done ? 0 : RETRY_USEC);
}

static void take_orders(struct engine *e)
{
	for (unsigned i = 0; i < e->files->removed_begin; i++) {
		e->entries[i].is_copied |= e->entries[i].wants_copy;
		e->entries[i].wants_copy = false;
	}
	if (!has_removed(e))
		e->files->stale_count = 0;
	e->files->keep.is_wanted = e->files->keep.wants_sync = false;
}

static void start(struct engine *e)
{
	char *argv[] = { "cleat", "units-keep", NULL };
	auto_buf orders = BUF_INIT(ORDERS_MAX_BYTES);
	struct err err;

	write_orders(e, &orders);
	if (!orders.len)
		return;
	if (children_spawn_fed(e, argv, &orders, on_kept, e, &e->files->keep.pid, &err) < 0)
		log_msg(LOG_WARN, "units", "copies of units: %s", err.msg);
	else
		take_orders(e);
}

static void on_timer(struct loop *loop, usec_t now, void *arg)
{
	struct engine *e = arg;

	(void)now;
	loop_remove(loop, e->files->keep.timer);
	e->files->keep.timer = NULL;
	if (!e->files->keep.pid)
		start(e);
}

void files_keep(struct engine *e, usec_t delay)
{
	struct files_keep *keep = &e->files->keep;

	keep->is_wanted = true;
	if (!keep->timer && !keep->pid && e->data_present && e->data_writable)
		keep->timer = loop_timer(e->loop, loop_now(e->loop) + delay, on_timer, e);
}
