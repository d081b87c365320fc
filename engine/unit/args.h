/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A unit becomes an argument list in the vocabulary of "podman run": option words, then the image,
 * then the command. Every word remembers the line it came from, so that whatever goes wrong with it later can be
 * said as file:line:key. "--opt=value" is one word when the unit made it so; the option table in spec/ understands both forms.
 */
#include <stddef.h>

#include "util/arena.h"
#include "util/diag.h"

struct origin {
	const char *file; /* path as given by the user; "" for words that no line asked for */
	unsigned line;	  /* 1-based physical line */
	unsigned column;  /* 1-based, of the value */
	const char *key;  /* "Container.PublishPort"; "command line" for typed arguments */
};

struct arg {
	const char *text;
	const struct origin *origin;
};

struct arg_list {
	struct arg *items;
	size_t count;
};

static inline void arg_push(struct arena *arena, struct arg_list *list, const char *text,
			    const struct origin *origin)
{
	if (list->count == 0 ||
	    (list->count >= ARENA_FIRST_ELEMS && (list->count & (list->count - 1)) == 0))
		list->items = (struct arg *)arena_grow_vector(arena, list->items, list->count,
							      sizeof(list->items[0]));
	list->items[list->count++] = (struct arg){ text, origin };
}
/* Adds a diagnostic at the word's origin. */
void arg_diag(struct diags *diags, enum diag_severity severity, const struct arg *arg,
	      const char *fmt, ...) ERR_PRINTF(4, 5);
