/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of "cleat volume" share. */
#include "util/err.h"

/* Says the error, cleaned; returns CLI_FAILED. */
int volume_fail(const char *command, const struct err *err);
int volume_usage(const char *command, const char *text);
/* False, and said, when --socket points at an engine elsewhere. */
bool volume_is_here(const char *command);
