/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of the shim share; nobody outside this folder includes it. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "log/framer.h"
#include "log/memory.h"
#include "log/ring.h"
#include "runtime/runtime.h"
#include "shim/decode.h"
#include "shim/protocol.h"
#include "shim/tail.h"
#include "util/buf.h"
#include "util/err.h"

#define SHIM_NEVER UINT64_MAX
#define SHIM_SEC UINT64_C(1000000)

struct shim_args {
	const char *run_id;
	const char *name;
	const char *run_dir;	 /* absolute */
	const char *log_dir;	 /* NULL: output goes nowhere */
	bool log_is_chosen;	 /* log_dir is the unit's word */
	const char *passthrough; /* name in front of lines that go to standard error; NULL */
	uint64_t log_max_bytes;
	unsigned log_max_files;
	int notify_fd; /* 0: none */
	int go_fd;     /* 0: none */
};

/* output.c */
struct shim_stream {
	int fd;		 /* owned; read end, -1: ended or never open */
	bool at_end;	 /* end of file seen, the last line may still wait for room */
	bool is_stalled; /* waits for room in the ring */
	struct log_framer framer;
};

struct shim_output {
	bool is_open;
	const struct shim_args *args; /* borrowed */
	int writer_pidfd;	      /* owned; -1: it was killed, the next one is due */
	uint64_t writer_due_usec;
	struct log_ring ring;
	struct shim_stream streams[2];
	char *memory;		   /* owned mapping: both framers' buffers, then the tail */
	struct shim_tail *tail;	   /* in memory */
	bool is_dropping;	   /* the ring stayed full: lines are dropped without waiting */
	uint64_t stall_until_usec; /* when waiting turns into dropping, unless the writer got ahead */
	uint64_t writer_seen;	   /* how far it was at the last look */
};

/* Opens ring and pipes; write_fds are the container's stdout and stderr (owned by the caller). */
int shim_output_open(struct shim_output *out, const struct shim_args *args, int write_fds[2],
		     struct err *err) MUST_CHECK;
/* Forks the writer, if there is output to write; without success it is tried again. The caller has
 * closed the container's ends. */
void shim_output_start_writer(struct shim_output *out, uint64_t now_usec);
/* One of the two streams is readable. */
void shim_output_read(struct shim_output *out, unsigned stream, uint64_t now_usec);
/* The ring has room again, or the writer has something to say. */
void shim_output_room(struct shim_output *out);
/* Somebody has killed the writer. */
void shim_output_writer_ended(struct shim_output *out, uint64_t now_usec);
/* A deadline may have passed. */
void shim_output_tick(struct shim_output *out, uint64_t now_usec);
uint64_t shim_output_deadline(const struct shim_output *out);
/* Gives back what idle streams and the empty ring hold; false: the ring is not empty, try later. */
bool shim_output_release(struct shim_output *out);
/* A stream waits for the writer, which is given up when it makes no progress. */
bool shim_output_is_waiting(const struct shim_output *out);
/* Both streams have ended and everything is in the ring. */
bool shim_output_is_done(const struct shim_output *out);
/* No more waiting: what does not fit is dropped and counted, what lies in the pipes included. */
void shim_output_finish(struct shim_output *out);
/* Takes the counters into the record; true when something changed. */
bool shim_output_report(const struct shim_output *out, struct shim_status *status);

/* probe.c */
struct shim_probe_run {
	bool is_active; /* a result is owed */
	bool is_dying;	/* killed, but not gone yet */
	uint64_t order, started_usec, deadline_usec;
	uint32_t kind;
	int pidfd;	     /* owned; of the child that runs it, or is it (EXEC) */
	int result_fd;	     /* owned; not EXEC */
	int output_fd;	     /* owned; EXEC only; a pipe for all of them, made at the first one */
	int output_write_fd; /* owned; its other end, so that the end of the program alone wakes us */
	int cgroup_fd;	     /* owned; child cgroup for EXEC, made at the first one */
	int events_fd;	     /* owned; of that cgroup: whether somebody is left in it */
	uint32_t group_number; /* of that cgroup: one that was killed is not used again */
	uint32_t output_length;
	char output[SHIM_PROBE_OUTPUT_MAX];
	struct runtime_joiner joiner; /* EXEC */
};

struct shim_execs;

/* files.c */
struct shim_files {
	int pidfd;     /* owned; of the child that writes, -1 */
	bool is_due;   /* once it has ended */
	uint32_t lost; /* enum runtime_own: what the container has changed, as was said */
};

struct shim {
	struct shim_args args;
	int run_dirfd, lock_fd, null_fd; /* owned */
	int listen_fd, client_fd;	 /* owned */
	int notify_fd;			 /* owned; -1: the container has no NOTIFY_SOCKET */
	bool has_terminal;		 /* a controlling one, or that is unknown */
	int mounts_fd;			 /* owned; the container's mount namespace, -1 */
	bool is_greeted;		 /* the client has said HELLO */
	bool is_ended;			 /* the container is gone, its output is being drained */
	uint64_t drain_until_usec, drain_limit_usec;
	uint64_t report_at_usec;	    /* when changed counters are told, SHIM_NEVER */
	uint64_t settle_at_usec;	    /* when idle memory is given back, SHIM_NEVER */
	bool is_restless;		    /* the last sleep without memory was a short one */
	uint64_t now_usec;		    /* CLOCK_MONOTONIC of this turn */
	char *message;			    /* owned mapping of SHIM_MESSAGE_MAX + 1 bytes */
	struct runtime_container container; /* pidfd -1: none */
	struct shim_output output;
	struct shim_probe_run probe;
	struct shim_files files;
	struct shim_execs *execs; /* owned mapping; NULL: there was none yet */
	struct shim_status status;
};

/* child.c: 0 in the child; else its number, and *pidfd (the caller's). -1: there is no child. */
pid_t shim_fork(int *pidfd, struct err *err) MUST_CHECK;

/* What the engine has written for the container may have changed; nothing is waited for. */
void shim_files_check(struct shim *shim);
void shim_files_ended(struct shim *shim);
/* In its child. fd: the container's file, -1 is none. False: it is the container's own from now on. */
bool shim_files_bring_in(int fd, const struct buf *before, const struct buf *next, bool is_whole);

void shim_probe_start(struct shim *shim, const struct shim_order *order);
/* The child has ended. */
void shim_probe_ended(struct shim *shim);
/* Its output can be read; the descriptor, -1: no program runs. */
void shim_probe_output(struct shim *shim);
int shim_probe_output_fd(const struct shim *shim);
/* Ends it; the client gets verdict unless it is 0. */
void shim_probe_stop(struct shim *shim, uint32_t verdict);
void shim_probe_tick(struct shim *shim);
/* The container has ended, and with it all probing: takes the empty cgroups of its probes out of the way of whoever clears up. */
void shim_probe_leave(struct shim *shim);

/* probe_child.c: out_fd is borrowed; pidfd and joiner of the probe are set. */
int shim_probe_exec(struct shim *shim, const struct shim_order *order, int out_fd,
		    struct err *err) MUST_CHECK;
/* The descriptors of a child that runs no program, after the first three. */
enum {
	SHIM_CHILD_ANSWER = SHIM_PROBE_ANSWER_FD,
	SHIM_CHILD_PIDFD,
	SHIM_CHILD_CGROUP,
	SHIM_CHILD_COUNT
};
/* probe_net.c, probe_https.c: in the child; they fill the answer and return. */
void shim_probe_net(const struct shim *shim, uint32_t kind, const char *url, uint64_t timeout_usec,
		    struct shim_probe_answer *answer);
void shim_probe_https(const struct shim *shim, const char *url, uint64_t timeout_usec,
		      struct shim_probe_answer *answer);
int shim_probe_join_network(const struct shim *shim, struct err *err) MUST_CHECK;
void shim_probe_say(struct shim_probe_answer *answer, uint32_t verdict, const char *fmt, ...)
	ERR_PRINTF(3, 4);

/* exec.c: sessions; client is borrowed */
void shim_exec_start(struct shim *shim, const struct shim_order *order, int client);
void shim_exec_resize(struct shim *shim, const struct shim_order *order);
/* Of a slot (0 to SHIM_EXEC_MAX_SESSIONS - 1), -1: free. */
int shim_exec_pidfd(const struct shim *shim, unsigned slot);
void shim_exec_ended(struct shim *shim, unsigned slot);
#define SHIM_EXEC_NAME_MAX (5 + SHIM_EXEC_ID_LEN + 1)
/* Of the record in the run directory. */
const char *shim_exec_name(const char *id, char out[SHIM_EXEC_NAME_MAX]);

/* exec_session.c: in the child */
_Noreturn void shim_exec_session(const struct shim *shim, const struct shim_order *order,
				 int client, int resize);
/* An HTTP answer, as far as the client's empty socket takes it. */
void shim_exec_refuse(int client, int status, int exit_code, const char *reason);

/* control.c */
void shim_control_accept(struct shim *shim);
void shim_control_receive(struct shim *shim);
void shim_control_send_state(struct shim *shim);
void shim_control_send(struct shim *shim, const void *message, size_t length);
void shim_control_close(struct shim *shim);

/* notify.c */
/* Takes fd over, if it is such a socket. */
int shim_notify_hold(struct shim *shim, int fd, struct err *err) MUST_CHECK;
/* The container has ended and nobody is connected: what lies in the socket goes into the run directory, unread. */
void shim_notify_keep(struct shim *shim);
/* Answers NOTIFY_ASK. */
void shim_notify_give(struct shim *shim);

/* record.c */
void shim_record_init(struct shim *shim);
/* Takes the last lines of output into the record. */
void shim_record_refresh(struct shim *shim);
/* Writes the record, then tells the client. */
void shim_record_publish(struct shim *shim);

/* group.c: the container's cgroup */
void shim_group_kill(int cgroup_fd);
void shim_group_signal(int cgroup_fd, int number);
/* memory.events' oom_kill; 0 without a memory controller. */
uint32_t shim_group_oom_kills(int cgroup_fd);
/* One number of a file of the cgroup, e.g. "memory.peak"; 0: no such file, or "max". */
uint64_t shim_group_number(int cgroup_fd, const char *file);
