/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exec sessions as the shim sees them: a bounded number of children that each serve one client. The
 * shim forks and forgets; what it keeps is who has to be told of a new window size and whose record
 * grows old. Must never read from or wait for a session's client.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log/log.h"
#include "shim/internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

#define EXIT_NOT_STARTED 125
#define EXIT_KILLED 137

struct shim_exec_slot {
	int pidfd;     /* owned; -1: free */
	int resize_fd; /* owned; write end */
	char id[SHIM_EXEC_ID_LEN + 1];
};

struct shim_execs {
	struct shim_exec_slot slots[SHIM_EXEC_MAX_SESSIONS];
	char ended[SHIM_EXEC_MAX_RECORDS][SHIM_EXEC_ID_LEN + 1]; /* a ring */
	unsigned next;
};

const char *shim_exec_name(const char *id, char out[SHIM_EXEC_NAME_MAX])
{
	snprintf(out, SHIM_EXEC_NAME_MAX, "exec-%s", id);
	return out;
}

int shim_exec_pidfd(const struct shim *s, unsigned slot)
{
	return s->execs ? s->execs->slots[slot].pidfd : -1;
}

/* Most containers never see an exec. */
static int open_slots(struct shim *s, struct err *err)
{
	if (s->execs)
		return 0;
	s->execs = log_memory_map(sizeof(*s->execs), err);
	if (!s->execs)
		return -1;
	for (unsigned i = 0; i < SHIM_EXEC_MAX_SESSIONS; i++)
		s->execs->slots[i] = (struct shim_exec_slot){ .pidfd = -1, .resize_fd = -1 };
	return 0;
}

static struct shim_exec_slot *free_slot(struct shim *s)
{
	for (unsigned i = 0; i < SHIM_EXEC_MAX_SESSIONS; i++)
		if (s->execs->slots[i].pidfd < 0)
			return &s->execs->slots[i];
	return NULL;
}

static int launch(struct shim *s, struct shim_exec_slot *slot, const struct shim_order *order,
		  int client, struct err *err)
{
	auto_fd int theirs = -1;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(err, "pipe2");
	theirs = ends[0];
	slot->resize_fd = ends[1];
	pid = shim_fork(&slot->pidfd, err);
	if (pid == 0)
		shim_exec_session(s, order, client, theirs);
	if (pid > 0)
		return 0;
	close_fd(&slot->resize_fd);
	return -1;
}

void shim_exec_start(struct shim *s, const struct shim_order *order, int client)
{
	struct shim_exec_slot *slot;
	struct err err;

	if (client < 0)
		return;
	if (s->container.init.pidfd < 0 || s->is_ended) {
		shim_exec_refuse(client, 409, EXIT_NOT_STARTED, "the container is not running");
		return;
	}
	if (open_slots(s, &err) < 0) {
		shim_exec_refuse(client, 500, EXIT_NOT_STARTED, err.msg);
		return;
	}
	slot = free_slot(s);
	if (!slot) {
		snprintf(err.msg, sizeof(err.msg), "%d sessions are open in this container already",
			 SHIM_EXEC_MAX_SESSIONS);
		shim_exec_refuse(client, 503, EXIT_NOT_STARTED, err.msg);
		return;
	}
	str_copy(slot->id, sizeof(slot->id), order->id);
	if (launch(s, slot, order, client, &err) < 0)
		shim_exec_refuse(client, 500, EXIT_NOT_STARTED, err.msg);
}

void shim_exec_resize(struct shim *s, const struct shim_order *order)
{
	const uint16_t size[2] = { order->rows, order->columns };

	for (unsigned i = 0; s->execs && i < SHIM_EXEC_MAX_SESSIONS; i++) {
		struct shim_exec_slot *slot = &s->execs->slots[i];

		/* A full pipe holds newer sizes than nobody's; this one is lost. */
		if (slot->pidfd >= 0 && str_eq(slot->id, order->id) &&
		    write(slot->resize_fd, size, sizeof(size)) < 0)
			return;
	}
}

/* A session that was killed has not said how it ended. */
static void complete_record(struct shim *s, const char *id)
{
	struct shim_exec_record record = { .magic = SHIM_EXEC_MAGIC,
					   .version = SHIM_PROTOCOL_VERSION,
					   .length = sizeof(record) };
	auto_buf text = BUF_INIT(4096);
	char name[SHIM_EXEC_NAME_MAX];
	struct err ignored;

	shim_exec_name(id, name);
	if (file_read_at(s->run_dirfd, name, 4096, &text, &ignored) == 0 &&
	    text.len >= sizeof(record))
		memcpy(&record, text.data, sizeof(record));
	if (record.state == SHIM_EXEC_ENDED || record.state == SHIM_EXEC_FAILED)
		return;
	record.state = SHIM_EXEC_ENDED;
	record.exit_code = EXIT_KILLED;
	if (file_write_atomic(s->run_dirfd, name, &record, sizeof(record), 0600, false, &ignored) <
	    0)
		log_msg(LOG_WARN, "shim", "%s: %s", name, ignored.msg);
}

void shim_exec_ended(struct shim *s, unsigned index)
{
	struct shim_exec_slot *slot = &s->execs->slots[index];
	char *oldest = s->execs->ended[s->execs->next];
	char name[SHIM_EXEC_NAME_MAX];
	siginfo_t info;

	while (waitid(P_PIDFD, (id_t)slot->pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	complete_record(s, slot->id);
	if (oldest[0])
		unlinkat(s->run_dirfd, shim_exec_name(oldest, name), 0);
	memcpy(oldest, slot->id, sizeof(slot->id));
	s->execs->next = (s->execs->next + 1) % SHIM_EXEC_MAX_RECORDS;
	close_fd(&slot->pidfd);
	close_fd(&slot->resize_fd);
}
