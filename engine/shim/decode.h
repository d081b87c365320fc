/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A message from a client, checked. Only sizes decide, never the version number: a shorter message
 * of an older client leaves the rest zero, what a newer one appends is not looked at. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/protocol.h"
#include "util/err.h"

#define SHIM_PROBE_MAX_WORDS 256u
#define SHIM_PROBE_TIMEOUT_MAX_USEC UINT64_C(86400000000) /* a day */

struct shim_order {
	uint32_t type;	/* enum shim_type */
	int32_t signal; /* SIGNAL: 1 to 64 */
	bool all;
	uint64_t probe;	       /* PROBE: the order's number */
	uint64_t timeout_usec; /* 1 to SHIM_PROBE_TIMEOUT_MAX_USEC */
	uint32_t kind;	       /* enum shim_probe_kind */
	const char *text;      /* borrowed from the message; ends with a NUL */
	size_t text_length;    /* the NUL counted */
	/* EXEC, EXEC_RESIZE */
	char id[SHIM_EXEC_ID_LEN + 1];
	uint32_t flags;
	uint16_t rows, columns;
	const char *user,
		*cwd; /* borrowed like text, which has the words and behind them the variables */
	uint32_t word_count, variable_count; /* at least one word, which is not empty */
};

/* 1: an order; 0: a type that we do not know, to be ignored; -1: not a message of this protocol. A
 * probe that is well-formed as a message but cannot be run (no words, no timeout) is an order with
 * kind 0: its sender is owed a result. */
int shim_decode(const void *message, size_t length, struct shim_order *out, struct err *err);
