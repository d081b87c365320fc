/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The two halves of the table; keys.c joins them. */
#include "unit/keys.h"

extern const struct key keys_container[];
extern const size_t keys_container_count;
extern const struct key keys_systemd[];
extern const size_t keys_systemd_count;
