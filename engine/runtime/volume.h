/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * First use of named volumes, the half outside. A volume is the folder DATA/volumes/NAME; what is known of it lies beside it in
 * DATA/volumes/.cleat/NAME, which no container sees:
 *
 *   lock     held while the volume is filled: a second container that wants it waits
 *   state    missing: never used; "owned": its top folder has its owner; "copied": the image's content was put in once
 *   copy/    what a child is just copying from its image; worthless after a crash
 *   copied/  a complete copy, on disk, of which entries are being moved into the volume; finished by the next start
 *
 * So a volume has either nothing of the image in it, or all of it by the time that a container runs.
 */
#include "runtime/plan.h"

/* For every mount that is a volume: finishes what a crash has left, and opens what has to be filled (mount->staging, with the
 * volume's lock held). Volumes are locked in the order of their names. Blocks while another start fills one of them. After
 * sources_open(). root_uid, root_gid: root of the container, outside. */
int volume_open_all(struct plan *plan, const char *data_dir, uint32_t root_uid, uint32_t root_gid,
		    struct err *err) MUST_CHECK;
/* What the child has made becomes the volume's. Syncs its file system if content was copied. */
int volume_settle(struct plan_mount *mount, const char *data_dir, struct err *err) MUST_CHECK;
/* Gives up what is still open. */
void volume_close_all(struct plan *plan);
