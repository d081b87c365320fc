/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Confinement of "cleat units-watch" (sees names, opens folders only), "cleat units-read" (reads, writes nothing) and "cleat units-keep"
 * (reads, writes below CLEAT_UNIT_STATE_DIR, which has to be there).
 */
#include "util/err.h"

enum units_work { UNITS_WATCH, UNITS_READ, UNITS_KEEP };

int units_confine(enum units_work work, struct err *err) MUST_CHECK;
