/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words from bytes, one a line -> volume_from_args. Oracle beside the
 * sanitizers: every error stands at a word; a good volume has a name that can
 * be part of a path or none, a device that is a clean path, ids with a place in
 * the map; and its labels and options say the same once more, because a record
 * on disk is read that way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec/volume.h"
#include "tests/fuzz/fuzz.h"
#include "util/ids.h"
#include "util/path.h"
#include "util/str.h"

static void words_of(char *text, struct arena *arena, struct arg_list *list)
{
	for (unsigned line = 1; text; line++) {
		struct origin *origin = arena_new(arena, struct origin);
		char *end = strchr(text, '\n');

		if (end)
			*end = '\0';
		*origin = (struct origin){
			.file = "fuzz", .line = line, .column = 1, .key = "command line"
		};
		arg_push(arena, list, text, origin);
		text = end ? end + 1 : NULL;
	}
}

static void check_volume(const struct volume_spec *v)
{
	char clean[4096];
	uint32_t outside;

	check(!v->name[0] || (volume_name_is_valid(v->name) &&
			      strlen(v->name) <= VOLUME_NAME_MAX_BYTES && !strchr(v->name, '/')),
	      "a name is one part of a path");
	check(v->uid == UINT32_MAX || ids_to_outside(v->uid, &outside), "the user has a place");
	check(v->gid == UINT32_MAX || ids_to_outside(v->gid, &outside), "the group has a place");
	check((v->kind == VOLUME_BIND) == (v->device != NULL), "a bind has a device");
	check(!v->device ||
		      (path_clean(v->device, clean, sizeof(clean)) && str_eq(clean, v->device)),
	      "a device is a clean path");
	check(!v->size_bytes || v->kind == VOLUME_TMPFS, "only a tmpfs has a size");
}

static void push_pairs(struct arena *arena, struct arg_list *list, const char *flag,
		       const struct spec_pair *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		arg_push(arena, list, flag, NULL);
		arg_push(arena, list, arena_join(arena, pairs[i].name, "=", pairs[i].value), NULL);
	}
}

static void check_record(const struct volume_spec *v, struct arena *arena)
{
	struct arg_list list = { 0 };
	struct diags diags = { 0 };
	struct volume_spec again;

	push_pairs(arena, &list, "--label", v->labels, v->label_count);
	push_pairs(arena, &list, "--opt", v->options, v->option_count);
	check(volume_from_args(&again, arena, &list, &diags) == 0, "a record can be read");
	check(again.kind == v->kind && again.no_copy == v->no_copy &&
		      again.size_bytes == v->size_bytes && again.mode == v->mode &&
		      again.read_only == v->read_only && again.label_count == v->label_count,
	      "a record says the same");
	diags_fini(&diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = { 0 };
	struct diags diags = { 0 };
	struct arg_list list = { 0 };
	struct volume_spec volume;
	int result;

	words_of(arena_strndup(&arena, (const char *)data, size), &arena, &list);
	result = volume_from_args(&volume, &arena, &list, &diags);
	check((result == 0) == (diags.error_count == 0),
	      "the result says whether there were errors");
	for (size_t i = 0; i < diags.count; i++)
		check(diags.items[i].line > 0 && diags.items[i].text[0],
		      "a diagnostic has a place and a text");
	if (result == 0) {
		check_volume(&volume);
		check_record(&volume, &arena);
	}
	diags_fini(&diags);
	arena_fini(&arena);
	return 0;
}
