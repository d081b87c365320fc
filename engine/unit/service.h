/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * systemd's half of a unit as data: [Unit], [Service], [Install]. Defaults are systemd's for what
 * Quadlet generates (Type=notify, Restart=no, RestartSec=100ms, 5 starts in 10 s, TimeoutStartSec=90s,
 * TimeoutStopSec=90s; systemd.service(5), systemd.unit(5)). Times are microseconds, USEC_NEVER is infinity.
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
	} kind;
	const char *target;
	const struct origin *origin;
};

struct service {
	enum service_type type;
	enum service_restart restart;
	uint64_t restart_usec;		    /* RestartSec= */
	uint64_t restart_max_usec;	    /* RestartMaxDelaySec=, USEC_NEVER: unset */
	unsigned restart_steps;		    /* RestartSteps= */
	uint64_t start_limit_interval_usec; /* 0: no limit */
	unsigned start_limit_burst;
	uint64_t timeout_start_usec, timeout_stop_usec, runtime_max_usec;
	bool remain_after_exit;
	struct exit_set success, restart_prevent, restart_force;
	const char *description; /* "" */
	struct service_dep *deps;
	size_t dep_count;
	bool boot; /* [Install] WantedBy=/RequiredBy= default, multi-user or graphical.target */
	struct arg_list environment; /* [Service] Environment= words NAME=VALUE, the source of $VAR */
};
