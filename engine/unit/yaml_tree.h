/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A small YAML document as a tree that remembers its lines. Bounded: YAML_MAX_NODES nodes, YAML_MAX_DEPTH levels, one document. Anchors
 * and aliases are refused (they multiply), tags are ignored. Scalars are text as written.
 */
#include <stdbool.h>
#include <stddef.h>

#include "util/arena.h"
#include "util/diag.h"

#define YAML_MAX_NODES 4096
#define YAML_MAX_DEPTH 16

enum yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP };

struct yaml_node {
	enum yaml_kind kind;
	unsigned line, column;		/* 1-based */
	const char *key;		/* in a map; NULL in a list */
	unsigned key_line, key_column;	/* 0 in a list */
	const char *text;		/* of YAML_TEXT; no NUL inside */
	struct yaml_node *first, *next; /* children; the next sibling */
};

/* NULL: it is no such document, and why is in diags as one error; an empty one is an empty map. All in the arena. */
struct yaml_node *yaml_read(struct arena *arena, struct diags *diags, const char *path,
			    const char *text, size_t len);
/* The child of that key; NULL when there is none or node (may be NULL) is no map. */
const struct yaml_node *yaml_get(const struct yaml_node *node, const char *key);
/* Text of the child of that key; NULL when there is none or it is no text. */
const char *yaml_text(const struct yaml_node *node, const char *key);
