/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Giving a tree to somebody, "U" of a mount: what is there already is not touched when it has that owner. Runs with
 * the appliance's rights over folders that containers write to at the same time, so everything goes by descriptor and no link is followed.
 */
#include <stdint.h>

#include "util/err.h"

#define OWNERS_MAX_DEPTH 512
#define OWNERS_MAX_ENTRIES 4000000u

/* Top: a file or directory (O_PATH will do). Stays on its file system; the top itself comes last, so that one that was cut off
 * shows. Set-id bits and file capabilities go with the owner, as the kernel has it. Blocks as long as the tree is large. ERR_LIMIT. */
int owners_change(int top, uint32_t uid, uint32_t gid, struct err *err) MUST_CHECK;
