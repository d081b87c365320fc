/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words from bytes -> spec_from_args -> spec_to_json and, when the words were good, spec_to_oci with
 * the rest of the bytes as an environment file and a seccomp profile. Words end with a newline; a
 * line "%%" ends them. Oracle beside the sanitizers: every error stands at a word, a good spec has
 * an image, a network and clean targets, and everything that is printed is JSON again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "spec/spec.h"
#include "spec/volume.h"
#include "tests/fuzz/fuzz.h"
#include "util/path.h"
#include "util/str.h"

/* Takes lines up to "%%" out of text; returns what follows. */
static char *words_of(char *text, struct arena *arena, struct arg_list *list)
{
	for (unsigned line = 1; text; line++) {
		struct origin *origin = arena_new(arena, struct origin);
		char *end = strchr(text, '\n');

		if (end)
			*end = '\0';
		if (str_eq(text, "%%"))
			return end ? end + 1 : NULL;
		*origin = (struct origin){
			.file = "fuzz", .line = line, .column = 1, .key = "command line"
		};
		arg_push(arena, list, text, origin);
		text = end ? end + 1 : NULL;
	}
	return NULL;
}

static void check_json(struct buf *text)
{
	yyjson_doc *doc;

	check(!text->failed, "the output fits");
	doc = yyjson_read(text->data, text->len, 0);
	check(yyjson_is_obj(yyjson_doc_get_root(doc)), "the output is a JSON object");
	yyjson_doc_free(doc);
	buf_fini(text);
}

static void check_diags(const struct diags *diags, int result)
{
	check((result == 0) == (diags->error_count == 0),
	      "the result says whether there were errors");
	for (size_t i = 0; i < diags->count; i++)
		check(diags->items[i].line > 0 && diags->items[i].text[0],
		      "a diagnostic has a place and a text");
}

static void check_spec(const struct container_spec *spec)
{
	char clean[4096];

	check(spec->image && (spec->network == SPEC_NETWORK_DEFAULT && !spec->pod) ==
				     (spec->join_count > 0),
	      "a good spec has an image and the networks of its mode");
	for (size_t i = 0; i < spec->mount_count; i++) {
		const char *target = spec->mounts[i].target;

		check(path_clean(target, clean, sizeof(clean)) && str_eq(clean, target),
		      "targets are clean");
		check(!str_eq(target, "/") && !str_starts(target, "/proc/"), "targets are allowed");
		check(!spec->mounts[i].volume || volume_name_is_valid(spec->mounts[i].volume),
		      "a volume's name is one part of a path");
		check(!spec->mounts[i].subpath ||
			      (spec->mounts[i].volume && spec->mounts[i].subpath[0] != '/'),
		      "a folder of a volume is relative");
	}
}

static void make_oci(const struct container_spec *spec, const char *text, struct arena *arena)
{
	static const char *layers[] = { "/layer" }, *command[] = { "/bin/app" };
	const struct image_facts image = { .digest = "",
					   .user = "",
					   .workdir = "",
					   .stop_signal = "",
					   .layers = { layers, 1 },
					   .command = { command, 1 } };
	const struct host_facts host = { .memory_bytes = 1 << 28,
					 .nofile_hard = 1024,
					 .nproc_hard = UINT64_MAX,
					 .has_memory_controller = true,
					 .resolv_conf = "",
					 .pod_pid = 7,
					 .pod_start_ticks = 1,
					 .seccomp_text = text };
	struct buf out = BUF_INIT(16 * 1024 * 1024);
	struct strv env_files = { 0 };
	struct err err;

	env_files.items = arena_alloc(arena, (spec->env_file_count + 1) * sizeof(*env_files.items));
	for (; env_files.count < spec->env_file_count; env_files.count++)
		env_files.items[env_files.count] = text;
	if (spec_to_oci(spec, &image, &host, "0123456789ab", &env_files, NULL, arena, &out, &err) ==
	    0) {
		check_json(&out);
		return;
	}
	check(err.msg[0] != '\0', "an error has a text");
	check(err.code != ERR_BUG, "no words make a bug");
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = { 0 };
	struct diags diags = { 0 };
	struct arg_list list = { 0 };
	struct container_spec spec;
	struct buf out = BUF_INIT(16 * 1024 * 1024);
	char *text = arena_strndup(&arena, (const char *)data, size);
	const char *rest = words_of(text, &arena, &list);
	int result = spec_from_args(&spec, &arena, &list, &diags);

	check_diags(&diags, result);
	if (result == 0) {
		check_spec(&spec);
		make_oci(&spec, rest ? rest : "", &arena);
	}
	spec_to_json(&spec, &out);
	check_json(&out);
	diags_fini(&diags);
	arena_fini(&arena);
	return 0;
}
