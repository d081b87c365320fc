/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A text of ours inside a file that somebody else writes to as well. Pure. */
#include <stdbool.h>

#include "util/buf.h"

/* now with what was given before replaced by next; all else stays. is_whole: only if nothing else stands there. False: what was
 * given is not there any more, as whole lines, and the file is left to whoever has changed it. */
bool shim_merge(const struct buf *now, const struct buf *before, const struct buf *next,
		bool is_whole, struct buf *out);
