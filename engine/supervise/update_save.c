/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of updates on the disk, by a process of their own: the disk may stall, and each has to be there before what relies on it is done.
 * One process at a time for all that are due. The engine must never wait here, and never count as written what was overtaken by a newer one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervise/update.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

#define RETRY_USEC (60 * USEC_SEC)
#define BATCH_MAX_BYTES (32u * 1024 * 1024)
#define CHECKED ".checked" /* no unit's name begins with a dot */

static void on_retry(struct loop *loop, usec_t now, void *arg)
{
	struct engine *e = arg;

	(void)now;
	loop_remove(loop, e->updates->retry_timer);
	e->updates->retry_timer = NULL;
	update_save_next(e);
}

/* What nobody waits for is written later. */
static void retry(struct engine *e)
{
	if (!e->updates->retry_timer)
		e->updates->retry_timer =
			loop_timer(e->loop, loop_now(e->loop) + RETRY_USEC, on_retry, e);
}

static void written(struct engine *e, const char *error)
{
	for (unsigned i = 0; i < e->count; i++) {
		struct update_unit *u = e->updates->units[i];

		if (!u || !u->is_saving)
			continue;
		u->is_saving = false;
		if (u->save_due)
			continue;
		if (!error) {
			update_feed(e, i, &(struct update_event){ .type = UPDATE_EV_SAVED });
			continue;
		}
		update_feed(e, i,
			    &(struct update_event){ .type = UPDATE_EV_NOT_SAVED, .text = error });
		u->save_due = true;
		retry(e);
	}
}

static void on_saved(void *arg, pid_t pid, int wait_status)
{
	struct engine *e = arg;
	const char *error = NULL;

	if (pid != e->updates->saver)
		return;
	e->updates->saver = 0;
	if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status))
		error = strerror(WEXITSTATUS(wait_status));
	else if (!WIFEXITED(wait_status))
		error = "the process that writes it was killed";
	written(e, error);
	if (!error)
		update_save_next(e);
}

static void put_file(struct buf *out, const char *name, const struct buf *text)
{
	buf_printf(out, "%s %zu\n", name, text->len);
	buf_add(out, buf_str(text), text->len);
}

static void make_batch(struct engine *e, struct buf *out)
{
	for (unsigned i = 0; i < e->count; i++) {
		struct update_unit *u = e->updates->units[i];
		auto_buf text = BUF_INIT(UPDATE_RECORD_MAX_BYTES);

		if (!u || !u->save_due)
			continue;
		u->save_due = false;
		u->is_saving = true;
		update_record_write(&u->state.kept, &text);
		put_file(out, e->entries[i].unit->name, &text);
	}
	if (e->updates->checked_due) {
		auto_buf text = BUF_INIT(64);

		e->updates->checked_due = false;
		buf_printf(&text, "%lld\n", (long long)e->updates->checked_real_usec);
		put_file(out, CHECKED, &text);
	}
}

void update_save_next(struct engine *e)
{
	char *argv[] = { "cleat", "history-keep", NULL };
	auto_buf batch = BUF_INIT(BATCH_MAX_BYTES);
	struct err err;

	if (e->updates->saver)
		return;
	make_batch(e, &batch);
	if (!batch.len)
		return;
	if (!e->data_present || !e->data_writable) {
		written(e, CLEAT_DATA_DIR " cannot be written");
		return;
	}
	if (children_spawn_fed(e, argv, &batch, on_saved, e, &e->updates->saver, &err) < 0)
		written(e, err.msg);
}

int64_t update_last_check(void)
{
	auto_buf text = BUF_INIT(64);
	struct err ignored;
	int64_t usec;

	if (file_read_at(AT_FDCWD, CLEAT_HISTORY_DIR "/" CHECKED, 64, &text, &ignored) < 0 ||
	    !text.len || text.data[text.len - 1] != '\n')
		return 0;
	text.data[text.len - 1] = '\0';
	return str_to_i64(text.data, 0, INT64_MAX, &usec) ? usec : 0;
}

/* --- the child --------------------------------------------------------------------------------------------------------------- */

static int write_all(int dir, char *at, const char *end, struct err *err)
{
	while (at < end) {
		char *line = memchr(at, '\n', (size_t)(end - at));
		char *blank = line ? memchr(at, ' ', (size_t)(line - at)) : NULL;
		uint64_t length;

		if (!blank)
			return err_set(err, ERR_BUG, "history-keep: bad order");
		*line++ = *blank = '\0';
		if (strchr(at, '/') || !str_to_u64(blank + 1, (uint64_t)(end - line), &length))
			return err_set(err, ERR_BUG, "history-keep: bad order");
		if (file_write_atomic(dir, at, line, length, 0600, true, err) < 0)
			return -1;
		at = line + length;
	}
	return 0;
}

static int open_dir(struct err *err)
{
	int dir;

	if ((mkdir(CLEAT_UNIT_STATE_DIR, 0700) < 0 && errno != EEXIST) ||
	    (mkdir(CLEAT_HISTORY_DIR, 0700) < 0 && errno != EEXIST))
		return err_sys(err, CLEAT_HISTORY_DIR);
	dir = open(CLEAT_HISTORY_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return dir < 0 ? err_sys(err, CLEAT_HISTORY_DIR) : dir;
}

/* Its exit code is an errno. */
int cmd_history_keep(int argc, char **argv)
{
	auto_buf batch = BUF_INIT(BATCH_MAX_BYTES);
	auto_fd int dir = -1;
	struct err err;

	(void)argv;
	if (argc > 1 || file_read_fd(STDIN_FILENO, BATCH_MAX_BYTES, &batch, &err) < 0)
		return EINVAL;
	errno = 0;
	dir = open_dir(&err);
	if (dir >= 0 &&
	    (!batch.len || write_all(dir, batch.data, batch.data + batch.len, &err) == 0))
		return 0;
	return errno > 0 && errno < 126 ? errno : EIO;
}
