/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as a unit file: read, converted, and its words through the option table. Invariants: no crash; every complaint has a
 * line; a unit is valid exactly when nothing was refused; words stay within their bounds; what the service text
 * was written from can be read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "spec/spec.h"
#include "unit/unit.h"
#include "util/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct unit_facts facts = {
	.home = "/data/home",
	.user = "root",
	.group = "root",
	.uid = "0",
	.gid = "0",
	.hostname = "box.example.com",
	.runtime_dir = "/run",
	.machine_id = "0123456789abcdef0123456789abcdef",
	.boot_id = "fedcba9876543210fedcba9876543210",
	.kernel_release = "6.1.0",
	.arch = "x86-64",
};

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_diags(const struct diags *diags, bool needs_line)
{
	for (size_t i = 0; i < diags->count; i++) {
		must(diags->items[i].text[0] != '\0');
		must(!needs_line || diags->items[i].line > 0);
	}
}

static void check_words(const struct unit *unit)
{
	size_t bytes = 0;

	must(unit->spec_args.count <= UNIT_MAX_WORDS);
	for (size_t i = 0; i < unit->spec_args.count; i++) {
		must(unit->spec_args.items[i].origin != NULL);
		bytes += strlen(unit->spec_args.items[i].text) + 1;
	}
	must(bytes <= UNIT_MAX_WORD_BYTES);
	must(!unit->is_valid || unit->image_index < unit->spec_args.count);
}

static void check_spec(const struct unit *unit)
{
	struct container_spec spec;
	struct arena arena = { 0 };
	struct diags diags = { 0 };
	int rc = spec_from_args(&spec, &arena, &unit->spec_args, &diags);

	must((rc == 0) == (diags.error_count == 0));
	check_diags(&diags, false);
	diags_fini(&diags);
	arena_fini(&arena);
}

/* The generated text has [X-Container] for [Container], so it is no unit, but it has to be well-formed lines. */
static void check_service_text(const char *text)
{
	struct unit_set set = { 0 };
	struct err err;

	if (!text[0] || strlen(text) > UNIT_MAX_FILE_BYTES)
		return;
	must(unit_set_load_text(&set, "again.container", "/u/again.container", text, strlen(text),
				&facts, &err) == 0);
	for (size_t i = 0; i < set.diags.count; i++)
		must(!strstr(set.diags.items[i].text, "not a key=value line"));
	unit_set_fini(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unit_set set = { 0 };
	struct err err;

	must(unit_set_load_text(&set, "web@one.container", "/u/web@one.container",
				(const char *)data, size, &facts, &err) == 0);
	must(set.count == 1);
	check_diags(&set.diags, true);
	must(set.units[0].is_valid == (set.diags.error_count == 0));
	must(set.units[0].is_valid || set.units[0].first_error < set.diags.count);
	must(set.units[0].is_valid == str_eq(set.units[0].error_text, ""));
	check_words(&set.units[0]);
	if (set.units[0].is_valid)
		check_spec(&set.units[0]);
	check_service_text(set.units[0].service_text);
	unit_set_fini(&set);
	return 0;
}
