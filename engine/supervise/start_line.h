/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Which line of a unit asked for what a start failed with: the runtime knows of no files. */
#include "spec/spec.h"
#include "unit/args.h"

/* error: of the runtime, "mounts: /data: source /srv/data: ...". NULL: no line can be told. */
const struct origin *start_line_of(const struct arg_list *words, const struct container_spec *spec,
				   const char *error);
