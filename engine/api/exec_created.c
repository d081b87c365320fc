/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An exec session between its creation and its start, in the run directory of its container: created-ID holds the order as it will
 * go to the shim. So "docker exec", which is a creation and a start, gets on when the engine is replaced between the two. Must never
 * keep one that was started: it would run twice.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/internal.h"
#include "log/log.h"
#include "shim/protocol.h"
#include "util/file.h"
#include "util/places.h"
#include "util/str.h"

static void path_of(const char *id, char out[256])
{
	snprintf(out, 256, "%s/%.*s/created-%.*s", CLEAT_CONTAINER_DIR, CLEAT_RUNID_LEN, id,
		 SHIM_EXEC_ID_LEN, id);
}

void api_exec_keep(const char *id, const struct buf *message)
{
	char path[256];
	struct err err;

	path_of(id, path);
	/* its variables are the client's secrets */
	if (file_write_atomic(AT_FDCWD, path, message->data, message->len, 0600, false, &err) < 0)
		log_msg(LOG_WARN, "api", "exec session %.12s: %s", id, err.msg);
}

void api_exec_forget(const char *id)
{
	char path[256];

	path_of(id, path);
	unlink(path);
}

int api_exec_check(const struct buf *message, const char *id, struct err *err)
{
	struct shim_exec head;
	uint64_t texts = 0;

	if (message->len <= sizeof(head))
		return err_set(err, ERR_INTEGRITY, "exec session %.12s: too short", id);
	memcpy(&head, message->data, sizeof(head));
	for (size_t i = sizeof(head); i < message->len; i++)
		texts += message->data[i] == '\0';
	if (head.header.type != SHIM_EXEC || head.header.length != message->len ||
	    head.text_length != message->len - sizeof(head) ||
	    memcmp(head.id, id, SHIM_EXEC_ID_LEN) != 0 || head.word_count == 0 ||
	    texts != UINT64_C(2) + head.word_count + head.variable_count ||
	    message->data[message->len - 1] != '\0')
		return err_set(err, ERR_INTEGRITY, "exec session %.12s: not an order", id);
	return 0;
}

int api_exec_kept(const char *id, struct buf *message, struct err *err)
{
	char path[256];

	*message = (struct buf)BUF_INIT(SHIM_MESSAGE_MAX);
	if (!str_is_hex(id, SHIM_EXEC_ID_LEN))
		return err_set(err, ERR_NOT_FOUND, "\"%.70s\" is no session's id", id);
	path_of(id, path);
	if (file_read_at(AT_FDCWD, path, SHIM_MESSAGE_MAX, message, err) < 0)
		return -1;
	return api_exec_check(message, id, err);
}
