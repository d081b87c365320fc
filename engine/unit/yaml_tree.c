/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libyaml's events -> a tree. Must never recurse into what somebody else wrote, and never build more than the bounds of the header.
 */
#include "unit/yaml_tree.h"

#include <stdint.h>
#include <string.h>
#include <yaml.h>

#include "util/str.h"

struct building {
	struct arena *arena;
	struct diags *diags;
	const char *path;
	yaml_parser_t parser;
	struct yaml_node *root;
	struct yaml_node *open[YAML_MAX_DEPTH], **tail[YAML_MAX_DEPTH];
	unsigned depth, count;
	/* of a map: the key whose value comes next; NULL: a key comes next */
	const char *key;
	yaml_mark_t key_mark;
};

static bool complain(struct building *b, yaml_mark_t at, const char *text)
{
	diag_add(b->diags, DIAG_ERROR, b->path, (unsigned)at.line + 1, (unsigned)at.column + 1, "",
		 "%s", text);
	return false;
}

static bool wants_key(const struct building *b)
{
	return b->depth && b->open[b->depth - 1]->kind == YAML_MAP && !b->key;
}

static bool has_key(const struct building *b, const char *key)
{
	return yaml_get(b->open[b->depth - 1], key) != NULL;
}

static struct yaml_node *add_node(struct building *b, enum yaml_kind kind, yaml_mark_t at)
{
	struct yaml_node *node;

	if (wants_key(b)) {
		complain(b, at, "a key that is no text is not supported");
		return NULL;
	}
	if (b->count++ == YAML_MAX_NODES) {
		complain(b, at, "more than 4096 values are not supported");
		return NULL;
	}
	node = arena_new(b->arena, struct yaml_node);
	node->kind = kind;
	node->line = (unsigned)at.line + 1;
	node->column = (unsigned)at.column + 1;
	if (b->key) {
		node->key = b->key;
		node->key_line = (unsigned)b->key_mark.line + 1;
		node->key_column = (unsigned)b->key_mark.column + 1;
		b->key = NULL;
	}
	if (b->depth) {
		*b->tail[b->depth - 1] = node;
		b->tail[b->depth - 1] = &node->next;
	} else {
		b->root = node;
	}
	return node;
}

static bool open_node(struct building *b, enum yaml_kind kind, yaml_mark_t at)
{
	struct yaml_node *node;

	if (b->depth == YAML_MAX_DEPTH)
		return complain(b, at, "more than 16 levels are not supported");
	node = add_node(b, kind, at);
	if (!node)
		return false;
	b->open[b->depth] = node;
	b->tail[b->depth++] = &node->first;
	return true;
}

static bool add_scalar(struct building *b, const yaml_event_t *event)
{
	const char *value = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	struct yaml_node *node;

	if (memchr(value, '\0', len))
		return complain(b, event->start_mark, "a NUL is not supported");
	if (wants_key(b)) {
		if (has_key(b, value))
			return complain(b, event->start_mark, "this key stands here twice");
		b->key = arena_strndup(b->arena, value, len);
		b->key_mark = event->start_mark;
		return true;
	}
	node = add_node(b, YAML_TEXT, event->start_mark);
	if (!node)
		return false;
	node->text = arena_strndup(b->arena, value, len);
	return true;
}

/* False: it ends here, and why is said. */
static bool take(struct building *b, const yaml_event_t *event)
{
	switch ((int)event->type) {
	case YAML_SCALAR_EVENT:
		if (event->data.scalar.anchor)
			break;
		return add_scalar(b, event);
	case YAML_SEQUENCE_START_EVENT:
		if (event->data.sequence_start.anchor)
			break;
		return open_node(b, YAML_LIST, event->start_mark);
	case YAML_MAPPING_START_EVENT:
		if (event->data.mapping_start.anchor)
			break;
		return open_node(b, YAML_MAP, event->start_mark);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		return true;
	case YAML_DOCUMENT_START_EVENT:
		return !b->root ||
		       complain(b, event->start_mark, "a second document is not supported");
	case YAML_ALIAS_EVENT:
		break;
	default:
		return true;
	}
	return complain(b, event->start_mark, "anchors and aliases are not supported");
}

static bool parse_error(struct building *b)
{
	const yaml_parser_t *p = &b->parser;
	const char *problem = p->problem ? p->problem : "out of memory";
	yaml_mark_t at = p->problem_mark;

	/* the reader knows bytes only */
	if (p->error == YAML_READER_ERROR)
		at = p->mark;
	return complain(b, at, problem);
}

static bool build(struct building *b)
{
	bool is_end = false, is_fine = true;

	while (is_fine && !is_end) {
		yaml_event_t event;

		if (!yaml_parser_parse(&b->parser, &event))
			return parse_error(b);
		is_end = event.type == YAML_STREAM_END_EVENT;
		is_fine = take(b, &event);
		yaml_event_delete(&event);
	}
	return is_fine;
}

struct yaml_node *yaml_read(struct arena *arena, struct diags *diags, const char *path,
			    const char *text, size_t len)
{
	struct building b = { .arena = arena, .diags = diags, .path = path };
	bool is_fine;

	if (!yaml_parser_initialize(&b.parser)) {
		complain(&b, (yaml_mark_t){ 0 }, "out of memory");
		return NULL;
	}
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, len);
	/* else a mark of bytes decides: UTF-16 is nobody's network-config */
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	is_fine = build(&b);
	yaml_parser_delete(&b.parser);
	if (!is_fine)
		return NULL;
	if (!b.root) {
		b.root = arena_new(arena, struct yaml_node);
		b.root->kind = YAML_MAP;
		b.root->line = b.root->column = 1;
	}
	return b.root;
}

const struct yaml_node *yaml_get(const struct yaml_node *node, const char *key)
{
	if (!node || node->kind != YAML_MAP)
		return NULL;
	for (const struct yaml_node *child = node->first; child; child = child->next)
		if (child->key && str_eq(child->key, key))
			return child;
	return NULL;
}

const char *yaml_text(const struct yaml_node *node, const char *key)
{
	const struct yaml_node *child = yaml_get(node, key);

	return child && child->kind == YAML_TEXT ? child->text : NULL;
}
