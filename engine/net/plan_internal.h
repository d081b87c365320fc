/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of the plan share; nobody outside this folder includes it. */
#include "net/plan.h"

/* Both have host ports, of one protocol, and some of them are the same at some address. */
bool net_publish_meets(const struct net_publish *a, const struct net_publish *b);
