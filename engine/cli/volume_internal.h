/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of "cleat volume" share. */
#include <stdbool.h>

/* False, and said, when --socket points at an engine elsewhere. */
bool volume_is_here(const char *command);
