/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Names and places, once. Everything of ours below /run/cleat is on tmpfs and dies with the
 * boot. */
#define CLEAT_RUN_DIR "/run/cleat"
#define CLEAT_RUN_VERSION_FILE CLEAT_RUN_DIR "/VERSION"
#define CLEAT_CONTAINER_DIR CLEAT_RUN_DIR "/c" /* c/RUNID/{config.json,status,lock,ctl} */
#define CLEAT_BY_NAME_DIR CLEAT_RUN_DIR "/by-name"
#define CLEAT_SOCKET CLEAT_RUN_DIR "/cleat.sock"
#define CLEAT_PUBLISHED CLEAT_RUN_DIR "/published" /* util/published.h */
#define CLEAT_EVENTS CLEAT_RUN_DIR "/events"	   /* util/events.h */
#define CLEAT_HISTORY CLEAT_RUN_DIR "/history"	   /* supervise/history.h */
#define CLEAT_ENGINE_LOCK CLEAT_RUN_DIR "/engine.lock"
#define CLEAT_FIRST_BOOT CLEAT_RUN_DIR "/first-boot" /* in this boot /data was made ours */
#define CLEAT_RUN_LOGS CLEAT_RUN_DIR "/logs" /* where logs go when /data/logs cannot be written */
#define CLEAT_CONTAINERENV CLEAT_RUN_DIR "/containerenv" /* empty; bound as /run/.containerenv */
#define CLEAT_NETWORK_DIR CLEAT_RUN_DIR "/network"	 /* who had which address */
#define CLEAT_BOOT_DIR CLEAT_RUN_DIR "/boot" /* notes of the steps of a boot: boot/boot.h */
#define CLEAT_REBOOT_ARGUMENT \
	CLEAT_RUN_DIR "/reboot-argument" /* what reboot(2) of a machine is given: PID 1 */
#define CLEAT_LINKS_DIR \
	CLEAT_RUN_DIR "/links" /* leases and state of the appliance's own links: net/uplink.h */
#define CLEAT_HOST_RECORD \
	CLEAT_RUN_DIR "/host" /* what the host withholds: supervise/host_probe.h */
#define CLEAT_CONFIG_MADE \
	CLEAT_RUN_DIR     \
	"/config" /* a /config made of keys and files that are no directory: boot/config_tree.h */
#define CLEAT_NOCLOUD_DIR \
	CLEAT_RUN_DIR     \
	"/nocloud" /* what a cidata disk says of this machine, wherever /config is from: boot/README.md */
#define CLEAT_CACHE_DIR CLEAT_RUN_DIR "/cache" /* compiled seccomp filters by digest */

#define CLEAT_CONFIG_DIR "/config"
#define CLEAT_UNIT_DIR CLEAT_CONFIG_DIR "/units"
#define CLEAT_IMAGE_DIR CLEAT_CONFIG_DIR "/images"
#define CLEAT_SECRET_DIR CLEAT_CONFIG_DIR "/secrets"
#define CLEAT_APPLIANCE_INI CLEAT_CONFIG_DIR "/appliance.ini"	/* unit/appliance.h */
#define CLEAT_NETWORK_CONFIG CLEAT_CONFIG_DIR "/network-config" /* unit/network_config.h */

#define CLEAT_DATA_DIR "/data"
#define CLEAT_DATA_VERSION_FILE CLEAT_DATA_DIR "/VERSION"
#define CLEAT_STORE_DIR CLEAT_DATA_DIR "/store"
#define CLEAT_LOG_DIR CLEAT_DATA_DIR "/logs"
#define CLEAT_HOME_DIR CLEAT_DATA_DIR "/home" /* %h */
#define CLEAT_UNIT_STATE_DIR CLEAT_DATA_DIR "/units"
#define CLEAT_LAST_GOOD_DIR CLEAT_UNIT_STATE_DIR "/last-good" /* supervise/last_good.h */
#define CLEAT_CHOICES \
	CLEAT_UNIT_STATE_DIR "/choices" /* enabled, disabled, masked: supervise/choices.h */
#define CLEAT_HISTORY_DIR CLEAT_UNIT_STATE_DIR "/history" /* of images: supervise/update_record.h */
#define CLEAT_LAST_ACTION CLEAT_UNIT_STATE_DIR "/last-action" /* supervise/machine.h */
#define CLEAT_VOLUME_DIR CLEAT_DATA_DIR "/volumes"
#define CLEAT_IDENTITY_DIR CLEAT_DATA_DIR "/identity" /* boot_identity() */
#define CLEAT_SECRET_STORE CLEAT_DATA_DIR "/secrets"  /* util/secret.h */

#define CLEAT_RUNTIME_PROGRAM "/usr/bin/cleat-runtime"
#define CLEAT_PROGRAM "/usr/bin/cleat"
#define CLEAT_CONTAINER_INIT \
	"/usr/libexec/cleat-container-init" /* bound into containers with RunInit= */

/* Where Incus and LXD let a container ask for its keys: boot/guest.h */
#define CLEAT_INCUS_SOCKET "/dev/incus/sock"
#define CLEAT_LXD_SOCKET "/dev/lxd/sock"

#define CLEAT_STATUS_PORT 25328

#define CLEAT_RUNID_LEN 12 /* lower-case hex digits */

/* Major number of what lies in /run/cleat and /data; an unknown major writes nothing. */
#define CLEAT_LAYOUT_MAJOR 1

/* cgroup v2 tree, relative to the appliance's own root (the mount point is found at run time). */
#define CLEAT_CGROUP_INIT "init"
#define CLEAT_CGROUP_ENGINE "cleat/engine"
#define CLEAT_CGROUP_WORK "cleat/work"
#define CLEAT_CGROUP_SHIMS "cleat/shims"
#define CLEAT_CGROUP_CONTAINERS "cleat/c"
/* Below that of the containers: those of a pod that has limits of its own, the holder's too. Behind it stands the pod's name. */
#define CLEAT_CGROUP_POD "pod-"
