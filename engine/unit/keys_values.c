/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of a key's values beyond its kind: the value that counts when nothing is said, and all words that have a
 * meaning where there are few. For people and programs that write units; reading asks elsewhere. Sources: podman-systemd.unit(5),
 * podman-run(1), systemd.service(5), systemd.kill(5), systemd.unit(5).
 */
#include "unit/keys.h"
#include "util/str.h"

/* clang-format off */
static const struct key_values rows[] = {
	{ "Container", "AutoUpdate", "", "registry local" },
	{ "Container", "CgroupsMode", "split", "split enabled disabled no-conmon" },
	{ "Container", "ContainerName", "systemd-%N", "" },
	{ "Container", "EnvironmentHost", "false", "" },
	{ "Container", "HealthInterval", "30s", "" },
	{ "Container", "HealthLogDestination", "local", "" },
	{ "Container", "HealthMaxLogCount", "5", "" },
	{ "Container", "HealthMaxLogSize", "500", "" },
	{ "Container", "HealthOnFailure", "", "none kill restart stop" },
	{ "Container", "HealthRetries", "3", "" },
	{ "Container", "HealthStartPeriod", "0s", "" },
	{ "Container", "HealthStartupInterval", "30s", "" },
	{ "Container", "HealthStartupRetries", "0", "" },
	{ "Container", "HealthStartupSuccess", "1", "" },
	{ "Container", "HealthStartupTimeout", "30s", "" },
	{ "Container", "HealthTimeout", "30s", "" },
	{ "Container", "HttpProxy", "true", "" },
	{ "Container", "LogDriver", "", "journald k8s-file json-file none passthrough passthrough-tty" },
	{ "Container", "NoNewPrivileges", "false", "" },
	{ "Container", "Notify", "false", "true false healthy" },
	{ "Container", "PidsLimit", "2048", "" },
	{ "Container", "Pull", "missing", "always missing never newer" },
	{ "Container", "ReadOnly", "false", "" },
	{ "Container", "ReadOnlyTmpfs", "true", "" },
	{ "Container", "RunInit", "false", "" },
	{ "Container", "SecurityLabelDisable", "false", "" },
	{ "Container", "SecurityLabelNested", "false", "" },
	{ "Container", "StartWithPod", "true", "" },
	{ "Container", "StopTimeout", "10", "" },
	{ "Container", "VolatileTmp", "false", "" },
	{ "Pod", "ExitPolicy", "stop", "stop continue" },
	{ "Pod", "PodName", "systemd-%N", "" },
	{ "Pod", "StopTimeout", "10", "" },
	{ "Volume", "Copy", "true", "" },
	{ "Volume", "Driver", "local", "" },
	{ "Volume", "VolumeName", "systemd-%N", "" },
	{ "Network", "DisableDNS", "false", "" },
	{ "Network", "Driver", "bridge", "" },
	{ "Network", "IPAMDriver", "", "host-local dhcp none" },
	{ "Network", "IPv6", "false", "" },
	{ "Network", "Internal", "false", "" },
	{ "Network", "NetworkDeleteOnStop", "false", "" },
	{ "Network", "NetworkName", "systemd-%N", "" },
	{ "Image", "AllTags", "false", "" },
	{ "Image", "Policy", "always", "always missing never newer" },
	{ "Image", "TLSVerify", "true", "" },
	{ "Build", "ForceRM", "true", "" },
	{ "Build", "Pull", "", "always missing never newer" },
	{ "Build", "TLSVerify", "true", "" },
	{ "Kube", "ExitCodePropagation", "none", "all any none" },
	{ "Kube", "KubeDownForce", "false", "" },
	{ "Artifact", "Quiet", "false", "" },
	{ "Artifact", "TLSVerify", "true", "" },
	{ "Quadlet", "DefaultDependencies", "true", "" },
	{ "Service", "FinalKillSignal", "SIGKILL", "" },
	{ "Service", "KillMode", "mixed", "mixed control-group" },
	{ "Service", "KillSignal", "SIGTERM", "" },
	{ "Service", "PrivateTmp", "", "yes no disconnected" },
	{ "Service", "ProtectHome", "", "yes no read-only tmpfs" },
	{ "Service", "ProtectSystem", "", "yes no full strict" },
	{ "Service", "RemainAfterExit", "false", "" },
	{ "Service", "Restart", "no", "no on-success on-failure on-abnormal on-abort on-watchdog always" },
	{ "Service", "RestartSec", "100ms", "" },
	{ "Service", "RuntimeMaxSec", "infinity", "" },
	{ "Service", "SendSIGKILL", "true", "" },
	{ "Service", "TimeoutStartSec", "90s", "" },
	{ "Service", "TimeoutStopSec", "90s", "" },
	{ "Service", "Type", "notify", "notify oneshot" },
	{ "Unit", "StartLimitBurst", "5", "" },
	{ "Unit", "StartLimitIntervalSec", "10s", "" },
};
/* clang-format on */

const struct key_values *key_values(const struct key *key)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_eq(rows[i].name, key->name) && str_eq(rows[i].section, key->section))
			return &rows[i];
	return NULL;
}

const struct key_values *key_values_at(size_t index)
{
	return index < sizeof(rows) / sizeof(rows[0]) ? &rows[index] : NULL;
}
