/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The coordinator's end of unpacking a tree: starts the worker, writes its id map, reads its record. Must never look into the archive.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "image/tree.h"
#include "image/worker_internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/ids.h"
#include "util/str.h"

struct unpacking {
	struct worker worker;
	int go_fd;
	struct layer_counts *counts;
};

static int write_map(pid_t pid, const char *file, struct err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, file);
	if (file_write_text_at(AT_FDCWD, path, ids_map_text(), err) < 0)
		return err_wrap(err, "id map");
	return 0;
}

static int let_go(struct unpacking *u, struct err *err)
{
	if (u->go_fd < 0)
		return err_set(err, ERR_INTEGRITY, "unpack: ready twice");
	if (write_map(u->worker.proc.pid, "gid_map", err) < 0 ||
	    write_map(u->worker.proc.pid, "uid_map", err) < 0 ||
	    file_write_all(u->go_fd, "g", 1, err) < 0)
		return -1;
	close_fd(&u->go_fd);
	return 0;
}

static int on_line(const struct flat_line *line, void *arg, struct err *err)
{
	struct unpacking *u = arg;
	const struct {
		const char *key;
		uint64_t *value;
	} rows[] = {
		{ "entries", &u->counts->entries },
		{ "bytes", &u->counts->data_bytes },
		{ "devices-left-out", &u->counts->devices_left_out },
		{ "sockets-left-out", &u->counts->sockets_left_out },
		{ "xattrs-left-out", &u->counts->xattrs_left_out },
	};

	if (str_eq(line->key, "ready"))
		return let_go(u, err);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_eq(line->key, rows[i].key) &&
		    !str_to_u64(line->value, UINT64_MAX, rows[i].value))
			return err_set(err, ERR_INTEGRITY, "unpack: bad number in its record");
	return 0;
}

int tree_unpack(int in_fd, int root_fd, uint64_t max_bytes, struct layer_counts *counts,
		struct err *err)
{
	struct unpacking u = { .worker = WORKER_INIT("unpack"), .go_fd = -1, .counts = counts };
	char bytes[24], entries[24];
	const char *args[] = { UNPACK_TREE, bytes, entries, NULL };
	int go[2], rc;

	*counts = (struct layer_counts){ 0 };
	if (pipe2(go, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	u.go_fd = go[1];

	auto_fd int go_read = go[0];
	const int fds[] = { in_fd, -1, STDERR_FILENO, root_fd, go_read };

	snprintf(bytes, sizeof(bytes), "%llu",
		 (unsigned long long)(max_bytes > INT64_MAX ? INT64_MAX : max_bytes));
	snprintf(entries, sizeof(entries), "%u", TREE_MAX_ENTRIES);
	rc = worker_start(&u.worker, args, fds, sizeof(fds) / sizeof(fds[0]), err);
	close_fd(&go_read); /* when the worker dies, the write to the other end has to fail */
	if (rc == 0)
		rc = worker_run(&u.worker, on_line, &u, err);
	worker_fini(&u.worker);
	close_fd(&u.go_fd);
	return rc;
}
