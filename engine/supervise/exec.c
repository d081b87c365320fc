/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exec sessions: a client's connection goes to the shim of the container, with the order that says
 * what to run. Nothing about a session is kept here: it goes on when the engine does not. Must
 * never read from the connection.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "supervise/internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/pass_fd.h"

static struct run *running(struct engine *e, unsigned index, struct err *err)
{
	struct run *run = &e->entries[index].run;

	if (e->entries[index].spec && e->entries[index].spec->is_pod) {
		err_set(err, ERR_BUSY, "%s is a pod: name one of its containers",
			e->entries[index].name);
		return NULL;
	}
	if (run->phase == RUN_RUNNING && run->ctl_fd >= 0)
		return run;
	err_set(err, ERR_BUSY, "container %s is not running", e->entries[index].name);
	return NULL;
}

int engine_exec_is_possible(struct engine *e, unsigned index, struct err *err)
{
	return running(e, index, err) ? 0 : -1;
}

int engine_exec(struct engine *e, unsigned index, const void *message, size_t length, int client,
		struct err *err)
{
	struct run *run = running(e, index, err);

	if (!run)
		return -1;
	if (pass_fd_send(run->ctl_fd, message, length, client, MSG_DONTWAIT) < 0)
		return err_sys(err, "send to the shim");
	event_emit(e, EVENT_EXEC_CREATE, index, NULL);
	return 0;
}

int engine_exec_record(struct engine *e, unsigned index, const char *id,
		       struct shim_exec_record *out, struct err *err)
{
	auto_buf text = BUF_INIT(4096);
	char path[256];

	*out = (struct shim_exec_record){ 0 };
	snprintf(path, sizeof(path), "%s/%s/exec-%.*s", CLEAT_CONTAINER_DIR,
		 e->entries[index].run.id, SHIM_EXEC_ID_LEN, id);
	if (file_read_at(AT_FDCWD, path, 4096, &text, err) < 0)
		return -1;
	if (text.len < sizeof(*out))
		return err_set(err, ERR_INTEGRITY, "%s: not a record of a session", path);
	memcpy(out, text.data, sizeof(*out));
	if (out->magic != SHIM_EXEC_MAGIC || out->length != text.len)
		return err_set(err, ERR_INTEGRITY, "%s: not a record of a session", path);
	return 0;
}

const char *engine_run_id(const struct engine *e, unsigned index)
{
	return e->entries[index].run.id;
}
