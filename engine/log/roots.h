/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The folder that holds the log directories, one a container. */
#include "util/err.h"

/* Opens it, making it when it is missing, and lets the group of IDS_WORKER_LOG look into it: workers without privileges read what lies
 * there. For root; any other user opens what is there. Returns the descriptor or -1. */
/* As many open files as the limit allows: a directory each. */
void log_raise_descriptors(void);
int log_root_open(const char *path, struct err *err) MUST_CHECK;
