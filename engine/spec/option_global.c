/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of podman itself, which stand before its command: podman(1) of version 6. None is acted on, because none
 * says what a container is; those that would put data elsewhere, weaken isolation or run elsewhere
 * are refused. A word that podman has and this table has not is a bug of the table.
 */
#include "spec/options.h"

#define NOTE(name, letter, arg, text, example)                                      \
	{                                                                           \
		name, letter, OPTION_##arg, OPTION_NOTED, NULL, text, example, NULL \
	}
#define REFUSE(name, letter, arg, text, example)                                      \
	{                                                                             \
		name, letter, OPTION_##arg, OPTION_REFUSED, NULL, text, example, NULL \
	}

/* clang-format off */
static const struct option rows[] = {
	REFUSE("cdi-spec-dir", 0, LIST, "devices are named one by one with AddDevice=", "/etc/cdi"),
	NOTE("cgroup-manager", 0, VALUE, "each container has a control group of the engine's own", "cgroupfs"),
	REFUSE("config", 0, VALUE, "settings of podman's clients are not read here", "/root/.docker"),
	NOTE("conmon", 0, VALUE, "each container has a shim of the engine's own", "/usr/bin/conmon"),
	REFUSE("connection", 'c', VALUE, "containers run here, on no other machine", "edge"),
	REFUSE("default-mounts-file", 0, VALUE, "mounts are named by Volume= and Mount=, one by one", "/etc/mounts.conf"),
	NOTE("events-backend", 0, VALUE, "events are in the engine's own log", "file"),
	REFUSE("help", 'h', BOOL, "asks podman for its help and runs nothing", "true"),
	REFUSE("hooks-dir", 0, LIST, "hooks of the runtime are not run: nothing but the unit decides what a container is", "/etc/hooks.d"),
	REFUSE("identity", 0, VALUE, "containers run here, on no other machine", "/root/.ssh/id"),
	NOTE("imagestore", 0, VALUE, "images are looked up in the appliance's own store", "/data/images"),
	NOTE("log-level", 0, VALUE, "it is podman's own log; the engine's is in \"cleat logs\"", "debug"),
	REFUSE("module", 0, LIST, "there is no containers.conf here: write the settings as keys", "/etc/nvd.conf"),
	NOTE("network-cmd-path", 0, VALUE, "networks are the engine's own work", "/usr/bin/slirp4netns"),
	REFUSE("network-config-dir", 0, VALUE, "networks are named by .network units", "/etc/networks"),
	NOTE("out", 0, VALUE, "output always goes to the container's log", "/run/out"),
	REFUSE("remote", 'r', BOOL, "containers run here, on no other machine", "true"),
	REFUSE("root", 0, VALUE, "what lasts is below /data: a unit cannot choose another place", "/data/storage"),
	REFUSE("runroot", 0, VALUE, "what a boot needs is below /run/cleat: a unit cannot choose another place", "/run/storage"),
	REFUSE("runtime", 0, VALUE, "containers are run by cleat-runtime: another runtime may isolate otherwise", "runsc"),
	REFUSE("runtime-flag", 0, LIST, "containers are run by cleat-runtime, which takes no flags of others", "debug"),
	REFUSE("ssh", 0, VALUE, "containers run here, on no other machine", "native"),
	NOTE("storage-driver", 0, VALUE, "layers are kept as the appliance's store keeps them", "overlay"),
	NOTE("storage-opt", 0, LIST, "images are looked up in the appliance's own store and in /config/images, nowhere else", "additionalimagestore=/usr/lib/images"),
	NOTE("syslog", 0, BOOL, "it is podman's own log; the engine's is in \"cleat logs\"", "true"),
	REFUSE("tls-ca", 0, VALUE, "containers run here, on no other machine", "/etc/ca.pem"),
	REFUSE("tls-cert", 0, VALUE, "containers run here, on no other machine", "/etc/cert.pem"),
	REFUSE("tls-key", 0, VALUE, "containers run here, on no other machine", "/etc/key.pem"),
	NOTE("tmpdir", 0, VALUE, "what a boot needs is below /run/cleat", "/run/libpod"),
	NOTE("transient-store", 0, BOOL, "containers never outlive a boot here, images always do", "true"),
	REFUSE("url", 0, VALUE, "containers run here, on no other machine", "unix:///run/podman.sock"),
	REFUSE("version", 'v', BOOL, "asks podman for its version and runs nothing", "true"),
	REFUSE("volumepath", 0, VALUE, "volumes are below /data/volumes: a unit cannot choose another place", "/data/volumes"),
};
/* clang-format on */

const struct option_table options_of_podman = { rows, sizeof(rows) / sizeof(rows[0]) };
