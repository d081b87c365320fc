/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Between the engine (or any other client) and the shim that stays with one container; and the
 * record that the shim leaves on disk. This only ever grows: types and fields are appended, never
 * changed; each message and record begins with version and length, so either side may be older.
 * Everything little: one SOCK_SEQPACKET message each.
 *
 * Run directory CLEAT_CONTAINER_DIR/RUNID/ (made by the engine before the shim is asked for):
 *   config.json   OCI runtime configuration as executed
 *   lock          fcntl write lock held by the shim from before its first side effect until it has nothing to say or do any more but to end
 *   ctl           listening SOCK_SEQPACKET socket (made by the engine, inherited by the shim); one
 *                 client at a time is served, a newer one replaces the older
 *   status        struct shim_status, replaced atomically; written before the first message about
 *                 the same fact
 *   exec-ID       struct shim_exec_record of an exec session, replaced atomically; written before
 *                 its client sees the end. The newest SHIM_EXEC_MAX_RECORDS of ended ones are kept
 *   notify-rest   what was said through NOTIFY_SOCKET and no engine has taken before the shim's end: records of struct
 *                 shim_notify_rest, the datagram behind each; the last one may be cut off. Read when the lock is free
 *   hosts, resolv.conf  what the engine wants the container to know, rewritten in place
 *   *.given       the same as the container was given it last: by the engine before the start, then by the shim. Only of
 *                 a container with a file of its own
 * by-name/NAME -> ../c/RUNID
 *
 * EOF on ctl with the lock free is the death event, for own and adopted shims alike: read status,
 * cgroup.kill, "cleat-runtime teardown RUNID". The shim is started as
 *   cleat-runtime shim --id RUNID [--log DIR --log-max-bytes N --log-max-files N] [--name NAME]
 *                      [--run-dir DIR] [--notify-fd 4|0] [--go-fd 4|5] [--passthrough NAME]
 * (--log-chosen DIR instead of --log: a place that a unit has named, which must not hold anything else)
 * fd 3: listening ctl socket, fds 0-2: /dev/null, /dev/null, engine's stderr; with --notify-fd 4
 * also that one: the socket of NOTIFY_SOCKET, which it only keeps for later engines; in the cgroup
 * CLEAT_CGROUP_SHIMS. Without --log output goes nowhere, with --passthrough to standard error, line by
 * line with that NAME in front. It starts the container at once, with --go-fd when a byte comes from that descriptor: until then config.json need not
 * be there, and nothing tells of the shim. NAME is the container's name for the record
 * (default: the last part of the log directory), --run-dir replaces CLEAT_CONTAINER_DIR/RUNID. Exit
 * code 0 once status says how the container ended or why it did not start; 2 wrong arguments; 3
 * another shim holds the lock; 4 --go-fd has ended without a byte; 1 anything else before the lock was held (the reason is on stderr,
 * status is untouched).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* 2: NOTIFY_ASK and its answer, https probes, of the record memory_max_bytes and what follows. */
#define SHIM_PROTOCOL_VERSION 2
#define SHIM_MESSAGE_MAX 16384
#define SHIM_PROBE_OUTPUT_MAX 500

struct shim_header {
	uint16_t version; /* of the sender */
	uint16_t type;	  /* enum shim_type; an unknown type is ignored */
	uint32_t length;  /* whole message, this header included */
};

enum shim_type {
	/* engine -> shim */
	SHIM_HELLO = 1,	 /* struct shim_header; answered by SHIM_STATE */
	SHIM_SIGNAL = 2, /* struct shim_signal: to the container's first process */
	SHIM_KILL = 3,	 /* cgroup.kill: SIGKILL to every process of the container */
	SHIM_PROBE = 4,	 /* struct shim_probe: run it; while one is running the result is BUSY */
	SHIM_PROBE_CANCEL = 5,
	SHIM_EXEC = 6,	      /* struct shim_exec, and with SCM_RIGHTS the client's connection */
	SHIM_EXEC_RESIZE = 7, /* struct shim_exec_resize */
	SHIM_NOTIFY_ASK = 8,  /* struct shim_header: for the socket of --notify-fd; NOTIFY_GIVEN */
	SHIM_FILES =
		9, /* struct shim_header: hosts or resolv.conf of the run directory has changed. HELLO asks for the same look */
	/* shim -> engine */
	SHIM_STATE = 64,	/* struct shim_state */
	SHIM_PROBE_RESULT = 65, /* struct shim_probe_result */
	SHIM_NOTIFY_GIVEN =
		66, /* struct shim_header, and the socket with SCM_RIGHTS if it has one */
};

enum shim_phase {
	SHIM_CREATING = 1, /* before execve */
	SHIM_RUNNING = 2,
	SHIM_EXITED = 3, /* ran and ended: exit_code, exit_signal */
	SHIM_FAILED = 4, /* never reached execve: error */
};

struct shim_status {
	uint32_t magic; /* SHIM_STATUS_MAGIC */
	uint16_t version, length;
	int32_t shim_pid, container_pid;
	uint64_t shim_start_ticks, container_start_ticks; /* field 22 of /proc/PID/stat */
	uint32_t phase;					  /* enum shim_phase */
	int32_t exit_code;   /* 0-255; 128 + signal when a signal ended it */
	int32_t exit_signal; /* 0: none */
	uint32_t oom_killed; /* 1: memory.events says oom_kill */
	int32_t error_errno; /* FAILED: errno behind it, 0 */
	uint32_t error_code; /* FAILED: enum err_code: ERR_INPUT etc. cannot be cured by a retry */
	int64_t started_real_usec, exited_real_usec;
	uint64_t started_monotonic_usec;
	uint64_t log_dropped_lines, log_dropped_bytes;
	char run_id[16];
	char boot_id[40]; /* /proc/sys/kernel/random/boot_id: an earlier boot's record is rubbish */
	char name[128];
	char error[480];      /* FAILED: "mounts: /data: openat2: No such file or directory" */
	char log_error[256];  /* why lines cannot be kept at present; "": all is well */
	char unenforced[128]; /* "memory.max, pids.max": asked for, but there is no controller */
	/* of the run's end; 0: not known (no memory controller) */
	uint64_t memory_max_bytes, memory_peak_bytes; /* of the container's cgroup */
	uint64_t max_rss_bytes; /* of the largest of its processes that the first one has waited for */
	uint32_t oom_kills;	/* processes that the kernel killed for want of memory */
	uint32_t reserved_tail;
	/* last lines of both streams: SHIM_TAIL_LINES at most, printable, newlines between them; renewed with every record */
	char last_output[1024];
	uint32_t lost; /* enum host_loss of util/host.h: with less isolation than usual, as appliance.ini allows */
	uint32_t reserved_lost;
};
#define SHIM_STATUS_MAGIC 0x31534c43u			     /* "CLS1" */
#define SHIM_STATUS_MIN offsetof(struct shim_status, run_id) /* a shorter record says nothing */

/* Bytes of a status record, of any version, into out: what an older shim did not know is zero, what
 * a newer one knows beyond us is left out, texts are terminated. False: not a status record. */
static inline bool shim_status_parse(const void *bytes, size_t length, struct shim_status *out)
{
	memset(out, 0, sizeof(*out));
	memcpy(out, bytes, length < sizeof(*out) ? length : sizeof(*out));
	if (length < SHIM_STATUS_MIN || out->magic != SHIM_STATUS_MAGIC || out->length != length) {
		memset(out, 0, sizeof(*out));
		return false;
	}
	out->run_id[sizeof(out->run_id) - 1] = out->boot_id[sizeof(out->boot_id) - 1] = '\0';
	out->name[sizeof(out->name) - 1] = out->error[sizeof(out->error) - 1] = '\0';
	out->log_error[sizeof(out->log_error) - 1] = out->unenforced[sizeof(out->unenforced) - 1] =
		'\0';
	out->last_output[sizeof(out->last_output) - 1] = '\0';
	return true;
}

struct shim_state {
	struct shim_header header;
	struct shim_status status;
};

struct shim_signal {
	struct shim_header header;
	int32_t number;
	uint32_t all; /* 1: every process of the container's cgroup */
};

enum shim_probe_kind {
	SHIM_PROBE_EXEC = 1,
	SHIM_PROBE_HTTP = 2,
	SHIM_PROBE_TCP = 3,
	SHIM_PROBE_HTTPS =
		4, /* as HTTP; TLS is done by CLEAT_PROGRAM, whose answer is struct shim_probe_answer */
};

/* text: EXEC: argv, each NUL-terminated; HTTP/TCP: the URL. HTTP and TCP run in the container's
 * network namespace in a child that dropped everything else; EXEC joins all namespaces and the
 * container's cgroup, user, capabilities, seccomp as the container's process has. */
struct shim_probe {
	struct shim_header header;
	uint64_t order;	       /* comes back in the result */
	uint64_t timeout_usec; /* the shim keeps it: then SIGKILL to the probe and result TIMEOUT */
	uint32_t kind;
	uint32_t text_length;
	char text[];
};

enum shim_probe_verdict {
	SHIM_PROBE_PASS = 1,
	SHIM_PROBE_FAIL = 2,
	SHIM_PROBE_TIMEOUT = 3,
	SHIM_PROBE_ERROR =
		4, /* could not be run at all (no such program, no /bin/sh in the image...); counts as FAIL */
	SHIM_PROBE_BUSY = 5,
	SHIM_PROBE_CANCELLED = 6,
};

struct shim_probe_result {
	struct shim_header header;
	uint64_t order;
	uint32_t verdict;
	int32_t exit_code;
	uint64_t took_usec;
	uint32_t output_length;
	/* first bytes of stdout and stderr, or the HTTP status line; not terminated */
	char output[SHIM_PROBE_OUTPUT_MAX];
};

/* What the process that probes tells the shim, in one write to its descriptor SHIM_PROBE_ANSWER_FD. */
#define SHIM_PROBE_ANSWER_FD 3
struct shim_probe_answer {
	uint32_t verdict; /* PASS, FAIL or ERROR */
	int32_t exit_code;
	uint32_t output_length;
	char output[SHIM_PROBE_OUTPUT_MAX];
};

#define SHIM_NOTIFY_REST_FILE "notify-rest"
#define SHIM_NOTIFY_REST_MAX 64	   /* messages */
#define SHIM_NOTIFY_REST_TEXT 4097 /* of each: one byte more than a message may have */
struct shim_notify_rest {
	int32_t pid;	 /* of the sender, as the shim sees it; 0: not told */
	uint32_t length; /* of what follows */
};

/*
 * Exec sessions. The connection that comes with the order is the client's, at the point where an
 * answer to its HTTP request is due: a child of the shim writes that answer and serves the
 * connection until the program has ended, whatever becomes of the engine.
 *
 * Started: "101 UPGRADED"; 200 without SHIM_EXEC_UPGRADE; 200 and the end with SHIM_EXEC_DETACH.
 * Not started: 400, 409, 500 or 503 and {"message": "...", "exitCode": 125 to 127}; but to Docker's
 * clients, who upgrade without frames of ours, 101 and the reason as output.
 *
 * Then, with SHIM_EXEC_FRAMES, frames in both directions, of which the exit code is the last.
 * Without, as Docker has it: input is raw bytes and ends with the connection's half; output is raw
 * bytes with SHIM_EXEC_TTY, else frames of 1 (stdout) and 2 (stderr). A frame is a type, three
 * zeros, a length (big endian), and that many bytes.
 */
#define SHIM_EXEC_ID_LEN 64 /* hex digits; the first twelve are the run id */
#define SHIM_EXEC_MAX_SESSIONS 16
#define SHIM_EXEC_MAX_RECORDS 32
#define SHIM_EXEC_MAX_WORDS 1024u /* words and variables together */
#define SHIM_EXEC_FRAME_HEAD 8
#define SHIM_EXEC_FRAME_MAX 65536u

enum shim_exec_frame {
	SHIM_FRAME_STDIN = 0,
	SHIM_FRAME_STDOUT = 1,
	SHIM_FRAME_STDERR = 2,
	SHIM_FRAME_EXIT = 3,   /* from the shim: exit code, 4 bytes */
	SHIM_FRAME_RESIZE = 4, /* to the shim: rows and columns, 2 bytes each */
	SHIM_FRAME_EOF = 5,    /* to the shim: end of input, 0 bytes */
};

enum shim_exec_flags {
	SHIM_EXEC_TTY = 1,
	SHIM_EXEC_STDIN = 2, /* else input is /dev/null */
	SHIM_EXEC_DETACH = 4,
	SHIM_EXEC_FRAMES = 8,
	SHIM_EXEC_UPGRADE = 16,
};

struct shim_exec {
	struct shim_header header;
	char id[SHIM_EXEC_ID_LEN]; /* not terminated */
	uint32_t flags;		   /* enum shim_exec_flags; unknown ones are refused */
	uint16_t rows, columns;	   /* of the terminal; 0: unknown */
	uint32_t word_count, variable_count;
	uint32_t text_length;
	/* user, working directory ("": the container's), words, variables ("NAME=VALUE"); each
	 * NUL-terminated */
	char text[];
};

struct shim_exec_resize {
	struct shim_header header;
	char id[SHIM_EXEC_ID_LEN];
	uint16_t rows, columns;
};

enum shim_exec_state {
	SHIM_EXEC_RUNNING = 1,
	SHIM_EXEC_ENDED = 2,  /* exit_code */
	SHIM_EXEC_FAILED = 3, /* never reached execve: exit_code 125 to 127 */
};

struct shim_exec_record {
	uint32_t magic; /* SHIM_EXEC_MAGIC */
	uint16_t version, length;
	uint32_t state; /* enum shim_exec_state */
	int32_t exit_code;
	int32_t pid; /* of the program, as the shim sees it; 0: none */
	uint32_t flags;
};
#define SHIM_EXEC_MAGIC 0x31454c43u /* "CLE1" */
