/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How PID 1 of an appliance is asked to end it: systemd's signals, by the kernel's numbers (musl's SIGRTMIN differs from glibc's). What
 * a signal alone cannot say is in the value of one that is sent with sigqueue(3); such a request counts only while nobody
 * has asked for anything.
 */
enum ending_signal {
	ENDING_HALT = 37,
	ENDING_POWEROFF = 38,
	ENDING_REBOOT = 39,
};
#define ENDING_FORCE 10 /* added to one: nobody waits for the containers */
/* In the value */
#define ENDING_AT_ONCE 0x200	/* nothing is ended, written or unmounted */
#define ENDING_HAS_STATUS 0x100 /* PID 1 of a container ends with the low eight bits */
#define ENDING_STATUS 0xff
