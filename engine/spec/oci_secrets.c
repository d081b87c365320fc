/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References to secrets for the runtime, as text: a line each, fields separated by commas, which
 * names do not hold. Names, variables and paths hold neither, because options hold no control
 * bytes. Must never know a value.
 */
#include "spec/oci_internal.h"

const char *oci_secrets_text(struct oci *o)
{
	const struct container_spec *spec = o->spec;
	const char *text = "";

	for (size_t i = 0; i < spec->secret_count; i++) {
		const struct spec_secret *s = &spec->secrets[i];

		const char *gap = i ? "\n" : "";

		text = s->is_env ? arena_printf(o->arena, "%s%senv,%s,%s", text, gap, s->name,
						s->target) :
				   arena_printf(o->arena, "%s%smount,%s,%u,%u,%o,%s", text, gap,
						s->name, s->uid, s->gid, s->mode, s->target);
	}
	return text;
}
