/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * systemd's half of a unit as data: [Unit], [Service], [Install]. Defaults are systemd's for what
 * Quadlet generates (Type=notify, Restart=no, RestartSec=100ms, 5 starts in 10 s, TimeoutStartSec=90s,
 * TimeoutStopSec=90s, KillMode=mixed, NotifyAccess=all; systemd.service(5), systemd.unit(5), systemd.exec(5),
 * systemd.kill(5), systemd.resource-control(5)). Times are microseconds, USEC_NEVER is infinity. Everything is owned by
 * the set's arena. What the supervisor acts on of this is said by the key's row ("cleat keys"), not here.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unit/args.h"

enum service_type { SERVICE_NOTIFY, SERVICE_ONESHOT };
enum service_restart {
	SERVICE_RESTART_NO,
	SERVICE_RESTART_ON_SUCCESS,
	SERVICE_RESTART_ON_FAILURE,
	SERVICE_RESTART_ON_ABNORMAL,
	SERVICE_RESTART_ON_ABORT,
	SERVICE_RESTART_ON_WATCHDOG,
	SERVICE_RESTART_ALWAYS,
};

/* RestartMode=: "direct" goes from one run to the next without the failed or inactive state in between, so that
 * dependants notice nothing; "debug" is "normal" with more logging. */
enum service_restart_mode {
	SERVICE_RESTART_MODE_NORMAL,
	SERVICE_RESTART_MODE_DIRECT,
	SERVICE_RESTART_MODE_DEBUG,
};

struct exit_set {	   /* SuccessExitStatus= and its like */
	uint64_t codes[4]; /* bit set of exit codes 0-255 */
	uint64_t signals;  /* bit N: signal number N (1-63) */
};

/* One dependency of one unit, by the service name it was given ("db.service"). */
struct service_dep {
	enum service_dep_kind {
		SERVICE_DEP_AFTER,
		SERVICE_DEP_BEFORE,
		SERVICE_DEP_WANTS,
		SERVICE_DEP_REQUIRES,
		SERVICE_DEP_BINDS_TO,
		SERVICE_DEP_PART_OF,
		SERVICE_DEP_REQUISITE,
		SERVICE_DEP_UPHOLDS,
		SERVICE_DEP_CONFLICTS,
		SERVICE_DEP_ON_FAILURE,
		SERVICE_DEP_ON_SUCCESS,
		SERVICE_DEP_PROPAGATES_STOP_TO,
		SERVICE_DEP_STOP_PROPAGATED_FROM,
		SERVICE_DEP_PROPAGATES_RELOAD_TO,
		SERVICE_DEP_RELOAD_PROPAGATED_FROM,
	} kind;
	const char *target;
	const struct origin *origin;
};

/* A name that is no unit of the set: "webapp.target" in WantedBy= and its like, whoever starts it starts this unit
 * (WANTS, REQUIRES, UPHOLDS), and in [Unit] PartOf=, whoever stops or restarts it does so to this unit (PART_OF). */
struct service_group {
	const char *name;
	enum service_dep_kind kind;
	const struct origin *origin;
};

/* One command of ExecStartPre= and its like (systemd.service(5), "Command lines"). ExecStart= is none of them: Quadlet writes it. */
struct service_exec {
	enum service_exec_which {
		SERVICE_EXEC_CONDITION, /* ends with 1-254: the unit is skipped, not failed */
		SERVICE_EXEC_START_PRE,
		SERVICE_EXEC_START_POST,
		SERVICE_EXEC_RELOAD,
		SERVICE_EXEC_RELOAD_POST,
		SERVICE_EXEC_STOP,
		SERVICE_EXEC_STOP_POST,
	} which;
	enum service_exec_privileges {
		SERVICE_EXEC_AS_SERVICE,   /* User=, namespaces and all */
		SERVICE_EXEC_FULL,	   /* "+" */
		SERVICE_EXEC_ROOT,	   /* "!": User= and its like are left out */
		SERVICE_EXEC_ROOT_AMBIENT, /* "!!" */
	} privileges;
	bool ignores_failure;  /* "-" */
	bool has_no_variables; /* ":": $NAME is text */
	bool is_for_shell;     /* "|": the words are joined by blanks for the shell's -c */
	/* Words name variables that exist only when the command is run ($MAINPID, $SERVICE_RESULT, ..): then argv has its
	 * specifiers expanded, but $NAME, ${NAME} and $$ still stand in it. */
	bool is_late;
	const char *program; /* absolute, or a bare name to be found in PATH; never by a variable */
	struct arg_list argv; /* argv[0] first: the program, or what "@" put in its place */
	const struct origin *origin;
};

/* One line of Condition*= or Assert*= (systemd.unit(5)). All that are no triggers have to hold, and of the triggers one. */
struct service_condition {
	const char *name; /* "PathExists": the key without Condition or Assert */
	const char *text; /* what it asks of, specifiers expanded, "!" and "|" taken off */
	bool is_assert;	  /* false fails the unit; of a condition false skips it */
	bool is_negated, is_trigger;
	const struct origin *origin;
};

struct service_kill { /* systemd.kill(5); signals by their numbers in the world, where SIGRTMIN is 34 */
	enum service_kill_mode { SERVICE_KILL_MIXED, SERVICE_KILL_CONTROL_GROUP } mode;
	unsigned signal;	  /* SIGTERM */
	unsigned restart_signal;  /* 0: as signal */
	unsigned final_signal;	  /* SIGKILL */
	unsigned watchdog_signal; /* SIGABRT */
	unsigned reload_signal;	  /* SIGHUP */
	bool sends_sighup;	  /* no */
	bool sends_sigkill;	  /* yes */
};

enum service_oom_policy { SERVICE_OOM_CONTINUE, SERVICE_OOM_STOP, SERVICE_OOM_KILL };
/* What happens to a unit at its time limits: TimeoutStartFailureMode=, TimeoutStopFailureMode=. */
enum service_timeout_mode {
	SERVICE_TIMEOUT_TERMINATE,
	SERVICE_TIMEOUT_ABORT,
	SERVICE_TIMEOUT_KILL
};
enum service_notify_access {
	SERVICE_NOTIFY_ALL,
	SERVICE_NOTIFY_EXEC,
	SERVICE_NOTIFY_MAIN,
	SERVICE_NOTIFY_NONE,
};

/* FailureAction= and its like: what is asked of the whole machine. */
enum service_action {
	SERVICE_ACTION_NONE,
	SERVICE_ACTION_REBOOT,
	SERVICE_ACTION_REBOOT_FORCE,
	SERVICE_ACTION_REBOOT_IMMEDIATE,
	SERVICE_ACTION_POWEROFF,
	SERVICE_ACTION_POWEROFF_FORCE,
	SERVICE_ACTION_POWEROFF_IMMEDIATE,
	SERVICE_ACTION_EXIT,
	SERVICE_ACTION_EXIT_FORCE,
	SERVICE_ACTION_SOFT_REBOOT,
	SERVICE_ACTION_SOFT_REBOOT_FORCE,
	SERVICE_ACTION_KEXEC,
	SERVICE_ACTION_KEXEC_FORCE,
	SERVICE_ACTION_HALT,
	SERVICE_ACTION_HALT_FORCE,
	SERVICE_ACTION_HALT_IMMEDIATE,
};

/* "reboot-force" */
const char *service_action_name(enum service_action action);

/* LimitNOFILE= and its like, of the last assignment. Bytes, counts, seconds (CPU) or microseconds (RTTIME), as
 * setrlimit(2) takes them; SERVICE_RLIMIT_INFINITY is no limit. */
#define SERVICE_RLIMIT_INFINITY UINT64_MAX
struct service_rlimit {
	int resource; /* RLIMIT_NOFILE.. */
	uint64_t soft, hard;
	const struct origin *origin;
};

/* A size or count that may also be a share of what the machine has, or no limit at all. */
struct service_amount {
	enum service_amount_form {
		SERVICE_AMOUNT_UNSET,
		SERVICE_AMOUNT_FIXED,	 /* value: bytes or a count */
		SERVICE_AMOUNT_SHARE,	 /* value: ten-thousandths */
		SERVICE_AMOUNT_INFINITY, /* value: 0 */
	} form;
	uint64_t value;
};

struct service_io_rule { /* IOReadBandwidthMax= and its like */
	enum service_io_which {
		SERVICE_IO_READ_BYTES, /* bytes per second, base 1000 */
		SERVICE_IO_WRITE_BYTES,
		SERVICE_IO_READ_OPERATIONS, /* per second */
		SERVICE_IO_WRITE_OPERATIONS,
		SERVICE_IO_WEIGHT, /* 1-10000 */
		SERVICE_IO_LATENCY_USEC,
	} which;
	const char *path; /* a device, or a file on it */
	uint64_t value;	  /* UINT64_MAX: no limit */
	const struct origin *origin;
};

#define SERVICE_WEIGHT_IDLE UINT32_MAX
struct service_resources { /* systemd.resource-control(5) */
	struct service_amount memory_min, memory_low, memory_high, memory_max;
	struct service_amount memory_swap_max, memory_zswap_max;
	struct service_amount tasks_max;
	uint64_t cpu_quota_permyriad;	/* of one processor, 10000 is one of them; 0: none */
	uint64_t cpu_quota_period_usec; /* 100 ms; 1 ms to 1 s */
	uint32_t cpu_weight, startup_cpu_weight; /* 1-10000 or SERVICE_WEIGHT_IDLE; 0: unset */
	uint32_t io_weight, startup_io_weight;	 /* 1-10000; 0: unset */
	const char *allowed_cpus,
		*startup_allowed_cpus; /* "0-3,5", as cpuset.cpus takes it; "": all */
	const char *allowed_memory_nodes, *startup_allowed_memory_nodes;
	const char *slice; /* "web.slice"; "": the manager's own choice */
	struct service_io_rule *io;
	size_t io_count;
};

struct service_directory { /* RuntimeDirectory= and its like */
	const char *path;  /* relative to the place of its kind, no . or .. in it */
	const char *link;  /* the symbolic link to it, relative, too; "": none */
	bool is_read_only; /* ":ro" */
	const struct origin *origin;
};
enum service_place {
	SERVICE_PLACE_RUNTIME,
	SERVICE_PLACE_STATE,
	SERVICE_PLACE_CACHE,
	SERVICE_PLACE_LOGS,
	SERVICE_PLACE_CONFIGURATION,
};
#define SERVICE_PLACE_COUNT 5
struct service_directories {
	struct service_directory *items;
	size_t count;
	unsigned mode; /* 0755 */
};

struct service {
	enum service_type type;
	enum service_restart restart;
	enum service_restart_mode restart_mode;
	uint64_t restart_usec;		    /* RestartSec= */
	uint64_t restart_max_usec;	    /* RestartMaxDelaySec=, USEC_NEVER: unset */
	unsigned restart_steps;		    /* RestartSteps= */
	uint64_t start_limit_interval_usec; /* 0: no limit */
	unsigned start_limit_burst;
	uint64_t timeout_start_usec, timeout_stop_usec, runtime_max_usec;
	uint64_t timeout_abort_usec; /* TimeoutAbortSec=; has_timeout_abort is false: as timeout_stop_usec */
	bool has_timeout_abort;
	uint64_t runtime_random_extra_usec;		     /* RuntimeRandomizedExtraSec=: 0 */
	uint64_t watchdog_usec;				     /* WatchdogSec=; 0: off */
	uint64_t job_timeout_usec, job_running_timeout_usec; /* USEC_NEVER */
	enum service_timeout_mode timeout_start_mode, timeout_stop_mode;
	enum service_action start_limit_action, failure_action, success_action, job_timeout_action;
	int failure_exit_status,
		success_exit_status; /* 0-255, what "exit" ends PID 1 with; -1: not said */
	const char *reboot_argument, *job_timeout_reboot_argument; /* of reboot(2), "" */
	bool remain_after_exit;
	struct exit_set success, restart_prevent, restart_force;
	struct service_kill kill;
	enum service_notify_access notify_access;
	unsigned file_descriptor_store_max; /* 0 */
	enum service_oom_policy oom_policy; /* stop */
	int oom_score_adjust; /* -1000 to 1000; has_oom_score_adjust is false: not said */
	int nice;	      /* -20 to 19: 0 */
	bool has_oom_score_adjust;
	unsigned umask;			/* 0022 */
	struct service_rlimit *rlimits; /* each resource once */
	size_t rlimit_count;
	struct service_resources resources;
	const char *working_directory;	 /* absolute, "~" for the home folder, "": not said */
	bool may_miss_working_directory; /* "-" */
	const char *standard_input, *standard_output,
		*standard_error; /* as written: "journal", "append:/x", ""; file names absolute */
	struct service_directories directories[SERVICE_PLACE_COUNT];
	const char *description;    /* "" */
	struct service_exec *execs; /* in the order of the lines; run in order within their kind */
	size_t exec_count;
	struct service_condition *conditions;
	size_t condition_count;
	struct service_dep *deps;
	size_t dep_count;
	struct service_group *groups;
	size_t group_count;
	bool boot; /* [Install] WantedBy=/RequiredBy=/UpheldBy= default, multi-user or graphical.target */
	struct arg_list aliases;      /* [Install] Alias=: further names of the service */
	const char *default_instance; /* [Install] DefaultInstance= of a template, "" */
	struct arg_list mounts_for;   /* RequiresMountsFor=, WantsMountsFor=: absolute paths */
	struct arg_list
		environment; /* [Service] Environment= words NAME=VALUE, the source of $VAR; files come behind */
	struct arg_list
		unset_environment; /* NAME or NAME=VALUE: taken away from environment already */
	struct arg_list pass_environment; /* names */
};

/* systemd.time(7): "5min 20s", "1.5h", "90" (seconds), "infinity" (USEC_NEVER). False, and nothing is set, where systemd would ignore it. */
bool span_parse(const char *text, uint64_t *usec);
