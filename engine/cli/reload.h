/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Waiting for the engine that comes of reading the unit files again. */
#include <stdbool.h>
#include <stdint.h>

#include "util/buf.h"

/* When the engine that answers now began; 0: none does. */
int64_t reload_engine_began(void);
/* Until an engine that began at another time has settled and, with until_rest, what it started, restarted and stopped has come to
 * rest; bounded. report (NULL: unwanted) is the last one that was had, JSON as engine_reload_report() writes it.
 * CLI_FAILED: no new engine will come, the report says why. */
int reload_wait(int64_t before, bool until_rest, struct buf *report);
/* "cleat reload", its report printed. *is_read: the files have been read, whatever some of them may lack. */
int cli_reload_files(bool is_json, bool *is_read);
