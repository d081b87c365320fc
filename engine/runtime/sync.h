/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What start and the child it makes say to each other. Messages go over a socketpair of
 * SOCK_SEQPACKET; how far the child came stands in one shared page, because once the seccomp
 * filter is loaded a profile may forbid every system call that could tell. Both ends are the
 * same program: structures travel as they are.
 *
 *   start                          child
 *                        <-        SYNC_BORN + pidfd        only if a pod is joined: from the process between, uid is the pid
 *   SYNC_MAPPED          ->                        id maps are written
 *                        <-        SYNC_BUSY       now and then while a volume is filled
 *                        <-        SYNC_VOLUMES    only if a source has to be made, filled or given: to this user
 *   SYNC_VOLUME + mount  ->                        one for each that was made, in the order of the plan
 *   SYNC_READY           ->                        all volumes are as they have to be
 *                        <-        SYNC_TERMINAL + master   only if an exec wants one
 *                        <-        end of file     now look at the report
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/identity.h"
#include "util/err.h"

enum sync_type {
	SYNC_END = 0, /* end of file */
	SYNC_MAPPED,
	SYNC_VOLUMES,
	SYNC_VOLUME,
	SYNC_BUSY,
	SYNC_READY,
	SYNC_TERMINAL,
	SYNC_BORN,
};

struct sync_message {
	enum sync_type type;
	uint32_t uid, gid; /* SYNC_VOLUMES: outside ids */
	uint32_t inside_uid, inside_gid;
};

enum sync_state {
	SYNC_STEPS = 0, /* in the steps: a child that ends now was killed */
	SYNC_FAILED,	/* err says why */
	SYNC_EXECUTING, /* nothing left but execve: end of file means that it worked */
};

struct sync_report {
	enum sync_state state;
	char step[32]; /* the one that runs */
	uint32_t lost; /* enum host_loss: what came with less isolation than usual, as config.json allows */
	uint32_t own_files; /* enum runtime_own of runtime.h */
	struct err err;
	struct identity identity; /* who the first process became; not of an exec */
};

/* pass: descriptor to hand over, or -1. */
int sync_send(int fd, const struct sync_message *message, int pass, struct err *err) MUST_CHECK;
/* Waits for the next message; got (NULL: none is expected) receives a descriptor or -1. SYNC_END leaves
 * it as it is: that is no message. */
int sync_receive(int fd, struct sync_message *message, int *got, struct err *err) MUST_CHECK;
/* The page that a later child will share; NULL. */
struct sync_report *sync_report_map(struct err *err) MUST_CHECK;
void sync_report_unmap(struct sync_report *report);
