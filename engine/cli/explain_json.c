/* SPDX-License-Identifier: Apache-2.0 */
/* "cleat explain --json": the same facts, complete. Must never write a text that explain_shown() or explain_clean() has not seen. */
#include "cli/explain_internal.h"
#include "util/json.h"
#include "util/str.h"

static void write_place(struct json *j, struct explain *e, const struct origin *origin)
{
	json_str(j, "file", explain_clean(e, origin->file));
	json_uint(j, "line", origin->line);
}

static void write_fields(struct json *j, const char *key, const struct explain_fields *fields)
{
	json_array(j, key);
	for (size_t i = 0; i < fields->count; i++) {
		json_object(j, NULL);
		json_str(j, "path", fields->items[i].path);
		json_str(j, "value", fields->items[i].value);
		json_object_end(j);
	}
	json_array_end(j);
}

static void write_diags(struct json *j, struct explain *e, const struct unit_line *line)
{
	json_array(j, "problems");
	for (size_t i = 0; i < e->diags.count; i++) {
		const struct diag *diag = &e->diags.items[i];

		if (line && !explain_is_about(diag, line))
			continue;
		json_object(j, NULL);
		json_str(j, "severity", diag_severity_name(diag->severity));
		json_str(j, "file", explain_clean(e, diag->file));
		json_uint(j, "line", diag->line);
		json_uint(j, "column", diag->column);
		json_str(j, "key", explain_clean(e, diag->key));
		json_str(j, "text", explain_shown(e, diag->text));
		json_object_end(j);
	}
	json_array_end(j);
}

static const char *fate_name(enum unit_line_fate fate)
{
	switch (fate) {
	case UNIT_LINE_STANDS:
		return "stands";
	case UNIT_LINE_OVERRIDDEN:
		return "overridden";
	case UNIT_LINE_CLEARED:
		return "cleared";
	case UNIT_LINE_CLEARS:
		return "clears";
	case UNIT_LINE_PASSED_OVER:
		return "passed over";
	}
	return "";
}

static void write_line(struct json *j, struct explain *e, size_t index)
{
	const struct unit_line *line = &e->unit->lines[index];
	const struct explain_effect *effect = &e->effects[index];

	json_object(j, NULL);
	write_place(j, e, line->origin);
	json_uint(j, "column", line->origin->column);
	json_str(j, "section", explain_clean(e, line->section));
	json_str(j, "key", explain_clean(e, line->key));
	json_str(j, "value", explain_clean(e, line->value));
	json_str(j, "state", line->row ? key_state_name(line->row->state) : "unknown");
	if (line->row) {
		json_str(j, "kind", key_kind_text(line->row->kind));
		json_str(j, "help", line->row->help);
	}
	json_str(j, "fate", fate_name(line->fate));
	if (line->by) {
		json_object(j, "by");
		write_place(j, e, line->by);
		json_object_end(j);
	}
	if (line->fate == UNIT_LINE_STANDS)
		json_str(j, "means", explain_say(e, line));
	json_str(j, "podman", effect->podman);
	json_str(j, "here", effect->here);
	json_str(j, "change", explain_clean(e, line->change));
	json_bool(j, "values_hidden", effect->is_hidden);
	json_bool(j, "compared", !effect->is_skipped);
	write_fields(j, "spec", &effect->spec);
	write_fields(j, "spec_gone", &effect->spec_gone);
	write_fields(j, "config", &effect->config);
	write_fields(j, "config_gone", &effect->config_gone);
	write_diags(j, e, line);
	json_object_end(j);
}

static void write_pairs(struct json *j, const char *key, const struct explain_default *list,
			size_t count)
{
	json_array(j, key);
	for (size_t i = 0; i < count; i++) {
		json_object(j, NULL);
		json_str(j, "name", list[i].key);
		json_str(j, "text", list[i].text);
		json_object_end(j);
	}
	json_array_end(j);
}

static void write_graph(struct json *j, struct explain *e)
{
	size_t count;
	const struct explain_edge *edges = explain_edges(e, &count);

	json_array(j, "graph");
	for (size_t i = 0; i < count; i++) {
		json_object(j, NULL);
		json_str(j, "verb", edges[i].verb);
		json_str(j, "unit", edges[i].other);
		json_str(j, "through", edges[i].through);
		json_str(j, "reasons", edges[i].reasons);
		json_object_end(j);
	}
	json_array_end(j);
}

void explain_write_json(struct explain *e, struct buf *out)
{
	struct json j = JSON_TO(out);
	const struct explain_default *list;
	size_t count;

	j.pretty = true;
	json_object(&j, NULL);
	json_str(&j, "unit", explain_clean(e, e->unit->name));
	json_str(&j, "service", explain_clean(e, e->unit->service_name));
	json_str(&j, "file", explain_clean(e, e->unit->path));
	json_bool(&j, "valid", e->unit->is_valid && e->diags.error_count == 0);
	json_bool(&j, "template", e->unit->is_template);
	json_str(&j, "start", explain_start(e));
	json_array(&j, "lines");
	for (size_t i = 0; i < e->unit->line_count; i++)
		write_line(&j, e, i);
	json_array_end(&j);
	list = explain_defaults(e, &count);
	write_pairs(&j, "not_said", list, count);
	write_graph(&j, e);
	list = explain_names(e, &count);
	write_pairs(&j, "names", list, count);
	write_diags(&j, e, NULL);
	json_object_end(&j);
	buf_putc(out, '\n');
}
