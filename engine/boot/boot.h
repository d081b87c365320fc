/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * "cleat boot STEP": what PID 1 needs done and must not do itself, because it is more than a mount or a signal: it may parse, allocate, wait
 * for a disk, or crash. cleat-init has the table of steps (init/steps.c): which world they are for, in which order, how long each may
 * take; a step that does not end in time is left behind, and the boot goes on. Exit code 0: done or nothing to do; 1: said why on
 * descriptor 2, in one line that cleat-init prints with its time. The environment is PATH and CLEAT_WORLD (machine, container or
 * namespaces).
 *
 * What the engine has to tell about it (a data partition that could not be mounted) is a note: a file of lines "LEVEL TEXT" in
 * CLEAT_BOOT_DIR, which the engine reads when it starts and shows as publish_note(LEVEL) does: 0 told, 1 warning, 2 degraded.
 */
#include "util/err.h"

/* CLEAT_BOOT_DIR/STEP.note; an empty text takes it away. Makes the folder. */
int boot_note(const char *step, unsigned level, const char *text, struct err *err) MUST_CHECK;

/* One step. argv[0] is its name. */
int boot_root(int argc, char **argv); /* initramfs: the root file system, verified, at /newroot */
int boot_modules(int argc, char **argv); /* kernel modules that this machine needs */
int boot_data(
	int argc,
	char **argv); /* /data: found, checked, grown, mounted; else tmpfs and a note of level 2 */
int boot_clock(int argc, char **argv); /* not before the build's date; entropy: last boot's seed */
int boot_identity(int argc, char **argv); /* machine id and what hangs on it; anew in a clone */
int boot_config(int argc,
		char **argv);	      /* /config: the first source that has one (boot/README.md) */
int boot_seed(int argc, char **argv); /* at the end: a new seed for the next boot */
/* Stay, and are started again by cleat-init when they end with another code than 0 (nothing to do here). */
int boot_button(int argc, char **argv); /* power button: SIGNAL_POWEROFF to PID 1 */
int boot_ntp(int argc, char **argv);	/* becomes busybox ntpd; holds CAP_SYS_TIME */

/* "cleat boot". */
int cmd_boot(int argc, char **argv);
