/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of [Unit], [Service] and [Install]: what reads each key's value, and which value asks for nothing. Sorted by
 * name, so that a line costs a binary search. Keys whose value is text that nothing here can judge have none. Must
 * never hold a key that has no row in keys_systemd.c and its like.
 */
#include <assert.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "unit/keys_internal.h"
#include "unit/service_internal.h"
#include "util/str.h"

/* clang-format off */
/* In the order of their enums. */
static const char *const restarts[] = { "no", "on-success", "on-failure", "on-abnormal", "on-abort", "on-watchdog", "always", NULL };
static const char *const restart_modes[] = { "normal", "direct", "debug", NULL };
static const char *const timeout_modes[] = { "terminate", "abort", "kill", NULL };
static const char *const kill_modes[] = { "mixed", "control-group", NULL };
static const char *const notify_accesses[] = { "all", "exec", "main", "none", NULL };
static const char *const oom_policies[] = { "continue", "stop", "kill", NULL };
/* Only checked. */
static const char *const collect_modes[] = { "inactive", "inactive-or-failed", NULL };
static const char *const job_modes[] = { "fail", "replace", "replace-irreversibly", "isolate", "flush", "ignore-dependencies",
	"ignore-requirements", "restart-dependencies", NULL };
static const char *const exit_types[] = { "main", "cgroup", NULL };
static const char *const preserve_modes[] = { "restart", NULL };
static const char *const private_tmps[] = { "disconnected", NULL };
static const char *const protect_systems[] = { "full", "strict", NULL };
static const char *const protect_homes[] = { "read-only", "tmpfs", NULL };
static const char *const protect_cgroups[] = { "private", "strict", NULL };
static const char *const private_users[] = { "self", "identity", "full", "managed", NULL };
static const char *const protect_procs[] = { "default", "noaccess", "invisible", "ptraceable", NULL };
static const char *const proc_subsets[] = { "all", "pid", NULL };
static const char *const keyring_modes[] = { "inherit", "private", "shared", NULL };
static const char *const device_policies[] = { "auto", "closed", "strict", NULL };
static const char *const managed_ooms[] = { "auto", "kill", NULL };
static const char *const oom_preferences[] = { "none", "avoid", "omit", NULL };
static const char *const cpu_policies[] = { "other", "batch", "idle", "fifo", "rr", "ext", NULL };
static const char *const io_classes[] = { "none", "realtime", "best-effort", "idle", "0", "1", "2", "3", NULL };
static const char *const utmp_modes[] = { "init", "login", "user", NULL };
static const char *const numa_policies[] = { "default", "preferred", "bind", "interleave", "local", NULL };
static const char *const pressure_watches[] = { "auto", "on", "off", "skip", NULL };
static const char *const affinities[] = { "numa", NULL };
static const char *const masks[] = { "all", NULL };
static const char *const log_levels[] = { "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
	"0", "1", "2", "3", "4", "5", "6", "7", NULL };
static const char *const log_facilities[] = { "daemon", "kern", "user", "mail", "auth", "syslog", "lpr", "news", "uucp", "cron",
	"authpriv", "ftp", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7", NULL };
static const char *const outputs[] = { "journal", "inherit", "null", "tty", "kmsg", "journal+console", "kmsg+console", "socket",
	"syslog", "syslog+console", NULL };
static const char *const inputs[] = { "null", "tty", "tty-force", "tty-fail", "data", "socket", NULL };

static const struct service_rule unit_rules[] = {
	{ .key = "After", .read = service_read_deps, .low = SERVICE_DEP_AFTER },
	{ .key = "AllowIsolate", .read = service_check_bool, .idle = "no" },
	{ .key = "AssertACPower", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertArchitecture", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertCPUFeature", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertCPUPressure", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertCPUs", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertCapability", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertControlGroupController", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertCredential", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertDirectoryNotEmpty", .read = service_read_condition, .low = 1, .high = 1, .is_strict = true },
	{ .key = "AssertEnvironment", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertFileIsExecutable", .read = service_read_condition, .low = 1, .high = 1, .is_strict = true },
	{ .key = "AssertFileNotEmpty", .read = service_read_condition, .low = 1, .high = 1, .is_strict = true },
	{ .key = "AssertFirmware", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertFirstBoot", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertGroup", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertHost", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertIOPressure", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertKernelCommandLine", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertKernelModuleLoaded", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertKernelVersion", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertMemory", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertMemoryPressure", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertNeedsUpdate", .read = service_read_condition, .low = 1, .high = 1, .is_strict = true },
	{ .key = "AssertOSRelease", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertPathExists", .read = service_read_condition, .low = 1, .high = 1, .is_strict = true },
	{ .key = "AssertPathExistsGlob", .read = service_read_condition, .low = 1, .high = 1, .is_strict = true },
	{ .key = "AssertPathIsDirectory", .read = service_read_condition, .low = 1, .high = 1, .is_strict = true },
	{ .key = "AssertPathIsEncrypted", .read = service_read_condition, .low = 1, .high = 1, .is_strict = true },
	{ .key = "AssertPathIsMountPoint", .read = service_read_condition, .low = 1, .high = 1, .is_strict = true },
	{ .key = "AssertPathIsReadWrite", .read = service_read_condition, .low = 1, .high = 1, .is_strict = true },
	{ .key = "AssertPathIsSymbolicLink", .read = service_read_condition, .low = 1, .high = 1, .is_strict = true },
	{ .key = "AssertSecurity", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertUser", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertVersion", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "AssertVirtualization", .read = service_read_condition, .high = 1, .is_strict = true },
	{ .key = "Before", .read = service_read_deps, .low = SERVICE_DEP_BEFORE },
	{ .key = "BindTo", .read = service_read_deps, .low = SERVICE_DEP_BINDS_TO },
	{ .key = "BindsTo", .read = service_read_deps, .low = SERVICE_DEP_BINDS_TO },
	{ .key = "CollectMode", .read = service_check_word, .words = collect_modes, .idle = "inactive" },
	{ .key = "ConditionACPower", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionArchitecture", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionCPUFeature", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionCPUPressure", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionCPUs", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionCapability", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionControlGroupController", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionCredential", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionDirectoryNotEmpty", .read = service_read_condition, .low = 1, .is_strict = true },
	{ .key = "ConditionEnvironment", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionFileIsExecutable", .read = service_read_condition, .low = 1, .is_strict = true },
	{ .key = "ConditionFileNotEmpty", .read = service_read_condition, .low = 1, .is_strict = true },
	{ .key = "ConditionFirmware", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionFirstBoot", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionGroup", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionHost", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionIOPressure", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionKernelCommandLine", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionKernelModuleLoaded", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionKernelVersion", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionMemory", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionMemoryPressure", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionNeedsUpdate", .read = service_read_condition, .low = 1, .is_strict = true },
	{ .key = "ConditionOSRelease", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionPathExists", .read = service_read_condition, .low = 1, .is_strict = true },
	{ .key = "ConditionPathExistsGlob", .read = service_read_condition, .low = 1, .is_strict = true },
	{ .key = "ConditionPathIsDirectory", .read = service_read_condition, .low = 1, .is_strict = true },
	{ .key = "ConditionPathIsEncrypted", .read = service_read_condition, .low = 1, .is_strict = true },
	{ .key = "ConditionPathIsMountPoint", .read = service_read_condition, .low = 1, .is_strict = true },
	{ .key = "ConditionPathIsReadWrite", .read = service_read_condition, .low = 1, .is_strict = true },
	{ .key = "ConditionPathIsSymbolicLink", .read = service_read_condition, .low = 1, .is_strict = true },
	{ .key = "ConditionSecurity", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionUser", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionVersion", .read = service_read_condition, .is_strict = true },
	{ .key = "ConditionVirtualization", .read = service_read_condition, .is_strict = true },
	{ .key = "Conflicts", .read = service_read_deps, .low = SERVICE_DEP_CONFLICTS },
	{ .key = "DefaultDependencies", .read = service_check_bool, .idle = "yes" },
	{ .key = "Description", .read = service_read_text, .offset = offsetof(struct service, description) },
	{ .key = "Documentation", .read = service_check_documentation },
	{ .key = "FailureAction", .read = service_read_word, .offset = offsetof(struct service, failure_action), .words = service_actions, .idle = "none" },
	{ .key = "FailureActionExitStatus", .read = service_read_int, .offset = offsetof(struct service, failure_exit_status), .low = 0, .high = 255 },
	{ .key = "IgnoreOnIsolate", .read = service_check_bool, .idle = "no" },
	{ .key = "IgnoreOnSnapshot", .read = service_check_bool, .idle = "no" },
	{ .key = "JobRunningTimeoutSec", .read = service_read_limit_span, .offset = offsetof(struct service, job_running_timeout_usec), .idle = "infinity" },
	{ .key = "JobTimeoutAction", .read = service_read_word, .offset = offsetof(struct service, job_timeout_action), .words = service_actions, .idle = "none" },
	{ .key = "JobTimeoutRebootArgument", .read = service_read_text, .offset = offsetof(struct service, job_timeout_reboot_argument) },
	{ .key = "JobTimeoutSec", .read = service_read_job_timeout, .idle = "infinity" },
	{ .key = "OnFailure", .read = service_read_deps, .low = SERVICE_DEP_ON_FAILURE },
	{ .key = "OnFailureIsolate", .read = service_check_bool, .idle = "no" },
	{ .key = "OnFailureJobMode", .read = service_check_word, .words = job_modes, .idle = "replace" },
	{ .key = "OnSuccess", .read = service_read_deps, .low = SERVICE_DEP_ON_SUCCESS },
	{ .key = "OnSuccessJobMode", .read = service_check_word, .words = job_modes, .idle = "fail" },
	{ .key = "PartOf", .read = service_read_deps, .low = SERVICE_DEP_PART_OF },
	{ .key = "PropagateReloadFrom", .read = service_read_deps, .low = SERVICE_DEP_RELOAD_PROPAGATED_FROM },
	{ .key = "PropagateReloadTo", .read = service_read_deps, .low = SERVICE_DEP_PROPAGATES_RELOAD_TO },
	{ .key = "PropagatesReloadTo", .read = service_read_deps, .low = SERVICE_DEP_PROPAGATES_RELOAD_TO },
	{ .key = "PropagatesStopTo", .read = service_read_deps, .low = SERVICE_DEP_PROPAGATES_STOP_TO },
	{ .key = "RebootArgument", .read = service_read_text, .offset = offsetof(struct service, reboot_argument) },
	{ .key = "RefuseManualStart", .read = service_check_bool, .idle = "no" },
	{ .key = "RefuseManualStop", .read = service_check_bool, .idle = "no" },
	{ .key = "ReloadPropagatedFrom", .read = service_read_deps, .low = SERVICE_DEP_RELOAD_PROPAGATED_FROM },
	{ .key = "Requires", .read = service_read_deps, .low = SERVICE_DEP_REQUIRES },
	{ .key = "RequiresMountsFor", .read = service_read_mounts_for },
	{ .key = "RequiresOverridable", .read = service_read_deps, .low = SERVICE_DEP_REQUIRES },
	{ .key = "Requisite", .read = service_read_deps, .low = SERVICE_DEP_REQUISITE },
	{ .key = "RequisiteOverridable", .read = service_read_deps, .low = SERVICE_DEP_REQUISITE },
	{ .key = "StartLimitAction", .read = service_read_word, .offset = offsetof(struct service, start_limit_action), .words = service_actions, .idle = "none" },
	{ .key = "StartLimitBurst", .read = service_read_unsigned, .offset = offsetof(struct service, start_limit_burst), .low = 0, .high = UINT32_MAX },
	{ .key = "StartLimitInterval", .read = service_read_span, .offset = offsetof(struct service, start_limit_interval_usec) },
	{ .key = "StartLimitIntervalSec", .read = service_read_span, .offset = offsetof(struct service, start_limit_interval_usec) },
	{ .key = "StopPropagatedFrom", .read = service_read_deps, .low = SERVICE_DEP_STOP_PROPAGATED_FROM },
	{ .key = "StopWhenUnneeded", .read = service_check_bool, .idle = "no" },
	{ .key = "SuccessAction", .read = service_read_word, .offset = offsetof(struct service, success_action), .words = service_actions, .idle = "none" },
	{ .key = "SuccessActionExitStatus", .read = service_read_int, .offset = offsetof(struct service, success_exit_status), .low = 0, .high = 255 },
	{ .key = "SurviveFinalKillSignal", .read = service_check_bool, .idle = "no" },
	{ .key = "Upholds", .read = service_read_deps, .low = SERVICE_DEP_UPHOLDS },
	{ .key = "Wants", .read = service_read_deps, .low = SERVICE_DEP_WANTS },
	{ .key = "WantsMountsFor", .read = service_read_mounts_for },
};

static const struct service_rule service_section_rules[] = {
	{ .key = "AllowedCPUs", .read = service_read_cpu_list, .offset = offsetof(struct service, resources.allowed_cpus), .is_strict = true },
	{ .key = "AllowedMemoryNodes", .read = service_read_cpu_list, .offset = offsetof(struct service, resources.allowed_memory_nodes), .is_strict = true },
	{ .key = "BindLogSockets", .read = service_check_bool, .idle = "no" },
	{ .key = "BlockIOAccounting", .read = service_check_bool, .idle = "no" },
	{ .key = "CPUAccounting", .read = service_check_bool, .idle = "no" },
	{ .key = "CPUAffinity", .read = service_check_cpu_list, .words = affinities, .is_strict = true },
	{ .key = "CPUQuota", .read = service_read_cpu_quota, .offset = offsetof(struct service, resources.cpu_quota_permyriad), .is_strict = true },
	{ .key = "CPUQuotaPeriodSec", .read = service_read_cpu_period, .offset = offsetof(struct service, resources.cpu_quota_period_usec) },
	{ .key = "CPUSchedulingPolicy", .read = service_check_word, .words = cpu_policies, .idle = "other" },
	{ .key = "CPUSchedulingPriority", .read = service_check_number, .low = 0, .high = 99 },
	{ .key = "CPUSchedulingResetOnFork", .read = service_check_bool, .idle = "no" },
	{ .key = "CPUWeight", .read = service_read_weight, .offset = offsetof(struct service, resources.cpu_weight), .high = 1, .idle = "100" },
	{ .key = "CacheDirectory", .read = service_read_directories, .low = SERVICE_PLACE_CACHE },
	{ .key = "CacheDirectoryAccounting", .read = service_check_bool, .idle = "no" },
	{ .key = "CacheDirectoryMode", .read = service_read_mode, .offset = offsetof(struct service, directories[SERVICE_PLACE_CACHE].mode), .idle = "0755" },
	{ .key = "ConfigurationDirectory", .read = service_read_directories, .low = SERVICE_PLACE_CONFIGURATION },
	{ .key = "ConfigurationDirectoryMode", .read = service_read_mode, .offset = offsetof(struct service, directories[SERVICE_PLACE_CONFIGURATION].mode), .idle = "0755" },
	{ .key = "CoredumpReceive", .read = service_check_bool, .idle = "no" },
	{ .key = "DevicePolicy", .read = service_check_word, .words = device_policies, .is_strict = true, .idle = "auto" },
	{ .key = "DynamicUser", .read = service_warn_user, .idle = "no" },
	{ .key = "Environment", .read = service_read_environment },
	{ .key = "ExecCondition", .read = service_read_exec, .low = SERVICE_EXEC_CONDITION },
	{ .key = "ExecReload", .read = service_read_exec, .low = SERVICE_EXEC_RELOAD },
	{ .key = "ExecReloadPost", .read = service_read_exec, .low = SERVICE_EXEC_RELOAD_POST },
	{ .key = "ExecStartPost", .read = service_read_exec, .low = SERVICE_EXEC_START_POST },
	{ .key = "ExecStartPre", .read = service_read_exec, .low = SERVICE_EXEC_START_PRE },
	{ .key = "ExecStop", .read = service_read_exec, .low = SERVICE_EXEC_STOP },
	{ .key = "ExecStopPost", .read = service_read_exec, .low = SERVICE_EXEC_STOP_POST },
	{ .key = "ExitType", .read = service_check_word, .words = exit_types, .idle = "main" },
	{ .key = "FailureAction", .read = service_read_word, .offset = offsetof(struct service, failure_action), .words = service_actions, .idle = "none" },
	{ .key = "FileDescriptorStoreMax", .read = service_read_unsigned, .offset = offsetof(struct service, file_descriptor_store_max), .low = 0, .high = UINT32_MAX, .idle = "0" },
	{ .key = "FileDescriptorStorePreserve", .read = service_check_bool_or_word, .words = preserve_modes, .idle = "no" },
	{ .key = "FinalKillSignal", .read = service_read_signal, .offset = offsetof(struct service, kill.final_signal) },
	{ .key = "Group", .read = service_warn_user },
	{ .key = "GuessMainPID", .read = service_check_bool, .idle = "yes" },
	{ .key = "IOAccounting", .read = service_check_bool, .idle = "no" },
	{ .key = "IODeviceLatencyTargetSec", .read = service_read_io, .low = SERVICE_IO_LATENCY_USEC },
	{ .key = "IODeviceWeight", .read = service_read_io, .low = SERVICE_IO_WEIGHT },
	{ .key = "IOReadBandwidthMax", .read = service_read_io, .low = SERVICE_IO_READ_BYTES, .is_strict = true },
	{ .key = "IOReadIOPSMax", .read = service_read_io, .low = SERVICE_IO_READ_OPERATIONS, .is_strict = true },
	{ .key = "IOSchedulingClass", .read = service_check_word, .words = io_classes, .idle = "best-effort" },
	{ .key = "IOSchedulingPriority", .read = service_check_number, .low = 0, .high = 7 },
	{ .key = "IOWeight", .read = service_read_weight, .offset = offsetof(struct service, resources.io_weight), .high = 0, .idle = "100" },
	{ .key = "IOWriteBandwidthMax", .read = service_read_io, .low = SERVICE_IO_WRITE_BYTES, .is_strict = true },
	{ .key = "IOWriteIOPSMax", .read = service_read_io, .low = SERVICE_IO_WRITE_OPERATIONS, .is_strict = true },
	{ .key = "IPAccounting", .read = service_check_bool, .idle = "no" },
	{ .key = "IgnoreSIGPIPE", .read = service_check_bool, .idle = "yes" },
	{ .key = "KeyringMode", .read = service_check_word, .words = keyring_modes, .idle = "private" },
	{ .key = "KillMode", .read = service_read_word, .offset = offsetof(struct service, kill.mode), .words = kill_modes },
	{ .key = "KillSignal", .read = service_read_signal, .offset = offsetof(struct service, kill.signal) },
	{ .key = "LimitAS", .read = service_read_rlimit, .low = RLIMIT_AS, .high = RLIMIT_BYTES },
	{ .key = "LimitCORE", .read = service_read_rlimit, .low = RLIMIT_CORE, .high = RLIMIT_BYTES },
	{ .key = "LimitCPU", .read = service_read_rlimit, .low = RLIMIT_CPU, .high = RLIMIT_SECONDS },
	{ .key = "LimitDATA", .read = service_read_rlimit, .low = RLIMIT_DATA, .high = RLIMIT_BYTES },
	{ .key = "LimitFSIZE", .read = service_read_rlimit, .low = RLIMIT_FSIZE, .high = RLIMIT_BYTES },
	{ .key = "LimitLOCKS", .read = service_read_rlimit, .low = RLIMIT_LOCKS, .high = RLIMIT_COUNTS },
	{ .key = "LimitMEMLOCK", .read = service_read_rlimit, .low = RLIMIT_MEMLOCK, .high = RLIMIT_BYTES },
	{ .key = "LimitMSGQUEUE", .read = service_read_rlimit, .low = RLIMIT_MSGQUEUE, .high = RLIMIT_BYTES },
	{ .key = "LimitNICE", .read = service_read_rlimit, .low = RLIMIT_NICE, .high = RLIMIT_NICENESS },
	{ .key = "LimitNOFILE", .read = service_read_rlimit, .low = RLIMIT_NOFILE, .high = RLIMIT_COUNTS },
	{ .key = "LimitNPROC", .read = service_read_rlimit, .low = RLIMIT_NPROC, .high = RLIMIT_COUNTS },
	{ .key = "LimitRSS", .read = service_read_rlimit, .low = RLIMIT_RSS, .high = RLIMIT_BYTES },
	{ .key = "LimitRTPRIO", .read = service_read_rlimit, .low = RLIMIT_RTPRIO, .high = RLIMIT_COUNTS },
	{ .key = "LimitRTTIME", .read = service_read_rlimit, .low = RLIMIT_RTTIME, .high = RLIMIT_USEC },
	{ .key = "LimitSIGPENDING", .read = service_read_rlimit, .low = RLIMIT_SIGPENDING, .high = RLIMIT_COUNTS },
	{ .key = "LimitSTACK", .read = service_read_rlimit, .low = RLIMIT_STACK, .high = RLIMIT_BYTES },
	{ .key = "LockPersonality", .read = service_check_bool, .is_strict = true, .idle = "no" },
	{ .key = "LogLevelMax", .read = service_check_word, .words = log_levels },
	{ .key = "LogRateLimitBurst", .read = service_check_number, .low = 0, .high = UINT32_MAX },
	{ .key = "LogRateLimitIntervalSec", .read = service_check_span },
	{ .key = "LogsDirectory", .read = service_read_directories, .low = SERVICE_PLACE_LOGS },
	{ .key = "LogsDirectoryAccounting", .read = service_check_bool, .idle = "no" },
	{ .key = "LogsDirectoryMode", .read = service_read_mode, .offset = offsetof(struct service, directories[SERVICE_PLACE_LOGS].mode), .idle = "0755" },
	{ .key = "ManagedOOMMemoryPressure", .read = service_check_word, .words = managed_ooms, .idle = "auto" },
	{ .key = "ManagedOOMMemoryPressureDurationSec", .read = service_check_span },
	{ .key = "ManagedOOMPreference", .read = service_check_word, .words = oom_preferences, .idle = "none" },
	{ .key = "ManagedOOMSwap", .read = service_check_word, .words = managed_ooms, .idle = "auto" },
	{ .key = "MemoryAccounting", .read = service_check_bool, .idle = "no" },
	{ .key = "MemoryDenyWriteExecute", .read = service_check_bool, .is_strict = true, .idle = "no" },
	{ .key = "MemoryHigh", .read = service_read_amount, .offset = offsetof(struct service, resources.memory_high), .low = 1, .is_strict = true, .idle = "infinity" },
	{ .key = "MemoryKSM", .read = service_check_bool, .idle = "no" },
	{ .key = "MemoryLimit", .read = service_read_amount, .offset = offsetof(struct service, resources.memory_max), .low = 1, .is_strict = true, .idle = "infinity" },
	{ .key = "MemoryLow", .read = service_read_amount, .offset = offsetof(struct service, resources.memory_low), .low = 0, .idle = "0" },
	{ .key = "MemoryMax", .read = service_read_amount, .offset = offsetof(struct service, resources.memory_max), .low = 1, .is_strict = true, .idle = "infinity" },
	{ .key = "MemoryMin", .read = service_read_amount, .offset = offsetof(struct service, resources.memory_min), .low = 0, .idle = "0" },
	{ .key = "MemoryPressureThresholdSec", .read = service_check_span },
	{ .key = "MemoryPressureWatch", .read = service_check_word, .words = pressure_watches, .idle = "auto" },
	{ .key = "MemorySwapMax", .read = service_read_amount, .offset = offsetof(struct service, resources.memory_swap_max), .low = 0, .is_strict = true, .idle = "infinity" },
	{ .key = "MemoryZSwapMax", .read = service_read_amount, .offset = offsetof(struct service, resources.memory_zswap_max), .low = 0, .is_strict = true, .idle = "infinity" },
	{ .key = "MemoryZSwapWriteback", .read = service_check_bool, .idle = "yes" },
	{ .key = "MountAPIVFS", .read = service_check_bool, .idle = "no" },
	{ .key = "NUMAMask", .read = service_check_cpu_list, .words = masks },
	{ .key = "NUMAPolicy", .read = service_check_word, .words = numa_policies, .idle = "default" },
	{ .key = "Nice", .read = service_read_int, .offset = offsetof(struct service, nice), .low = -20, .high = 19, .idle = "0" },
	{ .key = "NoNewPrivileges", .read = service_check_bool, .is_strict = true, .idle = "no" },
	{ .key = "NonBlocking", .read = service_check_bool, .idle = "no" },
	{ .key = "NotifyAccess", .read = service_read_word, .offset = offsetof(struct service, notify_access), .words = notify_accesses },
	{ .key = "OOMPolicy", .read = service_read_word, .offset = offsetof(struct service, oom_policy), .words = oom_policies },
	{ .key = "OOMScoreAdjust", .read = service_read_oom_score, .offset = offsetof(struct service, oom_score_adjust), .low = -1000, .high = 1000 },
	{ .key = "PassEnvironment", .read = service_read_variable_names, .offset = offsetof(struct service, pass_environment) },
	{ .key = "PermissionsStartOnly", .read = service_check_bool, .idle = "no" },
	{ .key = "PrivateBPF", .read = service_check_bool, .idle = "no" },
	{ .key = "PrivateDevices", .read = service_check_bool, .idle = "no" },
	{ .key = "PrivateIPC", .read = service_check_bool, .idle = "no" },
	{ .key = "PrivateMounts", .read = service_check_bool, .idle = "no" },
	{ .key = "PrivateNetwork", .read = service_check_bool, .is_strict = true, .idle = "no" },
	{ .key = "PrivatePIDs", .read = service_check_bool, .idle = "no" },
	{ .key = "PrivateTmp", .read = service_check_bool_or_word, .words = private_tmps, .idle = "no" },
	{ .key = "PrivateUsers", .read = service_check_bool_or_word, .words = private_users, .idle = "no" },
	{ .key = "ProcSubset", .read = service_check_word, .words = proc_subsets, .idle = "all" },
	{ .key = "ProtectClock", .read = service_check_bool, .idle = "no" },
	{ .key = "ProtectControlGroups", .read = service_check_bool_or_word, .words = protect_cgroups, .idle = "no" },
	{ .key = "ProtectHome", .read = service_check_bool_or_word, .words = protect_homes, .idle = "no" },
	{ .key = "ProtectKernelLogs", .read = service_check_bool, .idle = "no" },
	{ .key = "ProtectKernelModules", .read = service_check_bool, .idle = "no" },
	{ .key = "ProtectKernelTunables", .read = service_check_bool, .idle = "no" },
	{ .key = "ProtectProc", .read = service_check_word, .words = protect_procs, .idle = "default" },
	{ .key = "ProtectSystem", .read = service_check_bool_or_word, .words = protect_systems, .idle = "no" },
	{ .key = "RebootArgument", .read = service_read_text, .offset = offsetof(struct service, reboot_argument) },
	{ .key = "ReloadSignal", .read = service_read_signal, .offset = offsetof(struct service, kill.reload_signal) },
	{ .key = "RemainAfterExit", .read = service_read_bool, .offset = offsetof(struct service, remain_after_exit), .idle = "no" },
	{ .key = "RemoveIPC", .read = service_check_bool, .idle = "no" },
	{ .key = "Restart", .read = service_read_restart, .words = restarts, .idle = "no" },
	{ .key = "RestartForceExitStatus", .read = service_read_exit_set, .offset = offsetof(struct service, restart_force) },
	{ .key = "RestartKillSignal", .read = service_read_signal, .offset = offsetof(struct service, kill.restart_signal) },
	{ .key = "RestartMaxDelaySec", .read = service_read_span, .offset = offsetof(struct service, restart_max_usec) },
	{ .key = "RestartMode", .read = service_read_word, .offset = offsetof(struct service, restart_mode), .words = restart_modes, .idle = "normal" },
	{ .key = "RestartPreventExitStatus", .read = service_read_exit_set, .offset = offsetof(struct service, restart_prevent) },
	{ .key = "RestartSec", .read = service_read_span, .offset = offsetof(struct service, restart_usec) },
	{ .key = "RestartSteps", .read = service_read_unsigned, .offset = offsetof(struct service, restart_steps), .low = 0, .high = UINT32_MAX },
	{ .key = "RestrictRealtime", .read = service_check_bool, .is_strict = true, .idle = "no" },
	{ .key = "RestrictSUIDSGID", .read = service_check_bool, .is_strict = true, .idle = "no" },
	{ .key = "RootDirectoryStartOnly", .read = service_check_bool, .idle = "no" },
	{ .key = "RootEphemeral", .read = service_check_bool, .idle = "no" },
	{ .key = "RuntimeDirectory", .read = service_read_directories, .low = SERVICE_PLACE_RUNTIME },
	{ .key = "RuntimeDirectoryMode", .read = service_read_mode, .offset = offsetof(struct service, directories[SERVICE_PLACE_RUNTIME].mode), .idle = "0755" },
	{ .key = "RuntimeDirectoryPreserve", .read = service_check_bool_or_word, .words = preserve_modes, .idle = "no" },
	{ .key = "RuntimeMaxSec", .read = service_read_span, .offset = offsetof(struct service, runtime_max_usec) },
	{ .key = "RuntimeRandomizedExtraSec", .read = service_read_span, .offset = offsetof(struct service, runtime_random_extra_usec), .idle = "0" },
	{ .key = "SendSIGHUP", .read = service_read_bool, .offset = offsetof(struct service, kill.sends_sighup), .idle = "no" },
	{ .key = "SendSIGKILL", .read = service_read_bool, .offset = offsetof(struct service, kill.sends_sigkill), .idle = "yes" },
	{ .key = "SetLoginEnvironment", .read = service_check_bool, .idle = "no" },
	{ .key = "Slice", .read = service_read_slice, .offset = offsetof(struct service, resources.slice) },
	{ .key = "StandardError", .read = service_read_stdio, .offset = offsetof(struct service, standard_error), .words = outputs, .idle = "inherit" },
	{ .key = "StandardInput", .read = service_read_stdio, .offset = offsetof(struct service, standard_input), .words = inputs, .low = 1, .idle = "null" },
	{ .key = "StandardOutput", .read = service_read_stdio, .offset = offsetof(struct service, standard_output), .words = outputs, .idle = "journal" },
	{ .key = "StartLimitAction", .read = service_read_word, .offset = offsetof(struct service, start_limit_action), .words = service_actions, .idle = "none" },
	{ .key = "StartLimitBurst", .read = service_read_unsigned, .offset = offsetof(struct service, start_limit_burst), .low = 0, .high = UINT32_MAX },
	{ .key = "StartLimitInterval", .read = service_read_span, .offset = offsetof(struct service, start_limit_interval_usec) },
	{ .key = "StartLimitIntervalSec", .read = service_read_start_limit, .offset = offsetof(struct service, start_limit_interval_usec) },
	{ .key = "StartupAllowedCPUs", .read = service_read_cpu_list, .offset = offsetof(struct service, resources.startup_allowed_cpus), .is_strict = true },
	{ .key = "StartupAllowedMemoryNodes", .read = service_read_cpu_list, .offset = offsetof(struct service, resources.startup_allowed_memory_nodes), .is_strict = true },
	{ .key = "StartupCPUWeight", .read = service_read_weight, .offset = offsetof(struct service, resources.startup_cpu_weight), .high = 1, .idle = "100" },
	{ .key = "StartupIOWeight", .read = service_read_weight, .offset = offsetof(struct service, resources.startup_io_weight), .high = 0, .idle = "100" },
	{ .key = "StateDirectory", .read = service_read_directories, .low = SERVICE_PLACE_STATE },
	{ .key = "StateDirectoryAccounting", .read = service_check_bool, .idle = "no" },
	{ .key = "StateDirectoryMode", .read = service_read_mode, .offset = offsetof(struct service, directories[SERVICE_PLACE_STATE].mode), .idle = "0755" },
	{ .key = "SuccessAction", .read = service_check_word, .words = service_actions, .idle = "none" },
	{ .key = "SuccessExitStatus", .read = service_read_exit_set, .offset = offsetof(struct service, success) },
	{ .key = "SyslogFacility", .read = service_check_word, .words = log_facilities, .idle = "daemon" },
	{ .key = "SyslogLevel", .read = service_check_word, .words = log_levels },
	{ .key = "SyslogLevelPrefix", .read = service_check_bool, .idle = "yes" },
	{ .key = "TTYColumns", .read = service_check_number, .low = 0, .high = UINT16_MAX },
	{ .key = "TTYReset", .read = service_check_bool, .idle = "no" },
	{ .key = "TTYRows", .read = service_check_number, .low = 0, .high = UINT16_MAX },
	{ .key = "TTYVHangup", .read = service_check_bool, .idle = "no" },
	{ .key = "TTYVTDisallocate", .read = service_check_bool, .idle = "no" },
	{ .key = "TasksAccounting", .read = service_check_bool, .idle = "no" },
	{ .key = "TasksMax", .read = service_read_tasks, .offset = offsetof(struct service, resources.tasks_max), .low = 1, .is_strict = true, .idle = "infinity" },
	{ .key = "TimeoutAbortSec", .read = service_read_timeout_abort },
	{ .key = "TimeoutCleanSec", .read = service_check_span },
	{ .key = "TimeoutSec", .read = service_read_timeout_sec },
	{ .key = "TimeoutStartFailureMode", .read = service_read_word, .offset = offsetof(struct service, timeout_start_mode), .words = timeout_modes, .idle = "terminate" },
	{ .key = "TimeoutStartSec", .read = service_read_limit_span, .offset = offsetof(struct service, timeout_start_usec) },
	{ .key = "TimeoutStopFailureMode", .read = service_read_word, .offset = offsetof(struct service, timeout_stop_mode), .words = timeout_modes, .idle = "terminate" },
	{ .key = "TimeoutStopSec", .read = service_read_limit_span, .offset = offsetof(struct service, timeout_stop_usec) },
	{ .key = "Type", .read = service_read_type },
	{ .key = "UMask", .read = service_read_mode, .offset = offsetof(struct service, umask) },
	{ .key = "UnsetEnvironment", .read = service_read_variable_names, .offset = offsetof(struct service, unset_environment), .low = 1 },
	{ .key = "User", .read = service_warn_user },
	{ .key = "UtmpMode", .read = service_check_word, .words = utmp_modes, .idle = "init" },
	{ .key = "WatchdogSec", .read = service_read_span, .offset = offsetof(struct service, watchdog_usec), .idle = "0" },
	{ .key = "WatchdogSignal", .read = service_read_signal, .offset = offsetof(struct service, kill.watchdog_signal) },
	{ .key = "WorkingDirectory", .read = service_read_working_directory },
};

static const struct service_rule install_rules[] = {
	{ .key = "Alias", .read = service_read_aliases },
	{ .key = "DefaultInstance", .read = service_read_text, .offset = offsetof(struct service, default_instance) },
	{ .key = "RequiredBy", .read = service_read_install, .low = SERVICE_DEP_REQUIRES },
	{ .key = "UpheldBy", .read = service_read_install, .low = SERVICE_DEP_UPHOLDS },
	{ .key = "WantedBy", .read = service_read_install, .low = SERVICE_DEP_WANTS },
};

/* clang-format on */

static const struct {
	const char *section;
	const struct service_rule *rules;
	size_t count;
} sections[] = {
	{ "Unit", unit_rules, sizeof(unit_rules) / sizeof(unit_rules[0]) },
	{ "Service", service_section_rules,
	  sizeof(service_section_rules) / sizeof(service_section_rules[0]) },
	{ "Install", install_rules, sizeof(install_rules) / sizeof(install_rules[0]) },
};

size_t service_rules(const char *section, const struct service_rule **rules)
{
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		if (str_eq(sections[i].section, section)) {
			*rules = sections[i].rules;
			return sections[i].count;
		}
	*rules = NULL;
	return 0;
}

static int compare_key(const void *key, const void *rule)
{
	return strcmp(key, ((const struct service_rule *)rule)->key);
}

const struct service_rule *service_rule_find(const char *section, const char *key)
{
	const struct service_rule *rules;
	size_t count = service_rules(section, &rules);

	return count ? bsearch(key, rules, count, sizeof(*rules), compare_key) : NULL;
}

#define MAX_ROWS 512

static const struct service_rule *rules_of_rows[MAX_ROWS];
static bool has_rules_of_rows;

void service_rules_prepare(void)
{
	assert(keys_systemd_count <= MAX_ROWS);
	for (size_t i = 0; !has_rules_of_rows && i < keys_systemd_count; i++)
		rules_of_rows[i] = service_rule_find(keys_systemd[i].section, keys_systemd[i].name);
	has_rules_of_rows = true;
}

const struct service_rule *service_rule_of(const struct key *row)
{
	size_t index = (size_t)(row - keys_systemd);

	if (!has_rules_of_rows)
		service_rules_prepare();
	assert(index < keys_systemd_count);
	return rules_of_rows[index];
}

bool service_asks_for_nothing(const char *section, const struct key *key, const char *value)
{
	const struct service_rule *rule = service_rule_find(section, key->name);
	const char *idle = rule && rule->idle ? rule->idle : "";
	bool is_on, is_idle_on = false;

	if (!value[0] || str_eq(value, idle))
		return true;
	if (key->kind != KEY_BOOL || !systemd_bool_parse(value, &is_on))
		return false;
	(void)systemd_bool_parse(idle, &is_idle_on);
	return is_on == is_idle_on;
}
