/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each line became: the words that came from it, and what spec and config.json have because of these words, found by leaving them
 * out and comparing. So nothing is known here of any key or option. Must never let out what came from an
 * environment file.
 */
#include "cli/explain_internal.h"

#include <yyjson.h>

#include "cli/cli.h"
#include "util/cgroup.h"
#include "util/str.h"

#define MAX_DOCUMENT_BYTES ((size_t)16 * 1024 * 1024)
#define MAX_SECRETS 256
#define EXPLAIN_MAX_WORK \
	((size_t)512 * 1024) /* words that are parsed for comparing, all lines together */
#define LEAST_SECRET_BYTES 4 /* a shorter one is no secret and stands everywhere */

const char *explain_clean(struct explain *e, const char *text)
{
	char *copy = arena_strdup(&e->arena, text);

	cli_clean(copy);
	return copy;
}

static const char *mask(struct explain *e, const char *text, size_t least)
{
	for (size_t i = 0; i < e->secret_count; i++) {
		const char *secret = e->secrets[i], *at;
		auto_buf out = BUF_INIT(EXPLAIN_MAX_OUTPUT_BYTES);

		if (strlen(secret) < least || !strstr(text, secret))
			continue;
		for (; (at = strstr(text, secret)) != NULL; text = at + strlen(secret)) {
			buf_add(&out, text, (size_t)(at - text));
			buf_puts(&out, "(not shown)");
		}
		buf_puts(&out, text);
		text = arena_strdup(&e->arena, buf_str(&out));
	}
	return text;
}

const char *explain_shown(struct explain *e, const char *text)
{
	return explain_clean(e, e->hides_all ? "(not shown)" : mask(e, text, LEAST_SECRET_BYTES));
}

static bool is_from_file(const struct arg *assignment)
{
	return assignment->origin && str_eq(assignment->origin->key, "Service.EnvironmentFile");
}

static int longer_first(const void *left, const void *right)
{
	size_t a = strlen(*(const char *const *)left), b = strlen(*(const char *const *)right);

	return a > b ? -1 : a < b;
}

static void find_secrets(struct explain *e)
{
	const struct arg_list *environment = &e->unit->service.environment;

	for (size_t i = 0; i < environment->count; i++) {
		const char *value = strchr(environment->items[i].text, '=');

		if (!is_from_file(&environment->items[i]) || !value || !value[1])
			continue;
		if (e->secret_count == MAX_SECRETS) {
			e->hides_all = true;
			return;
		}
		*arena_push(&e->arena, e->secrets, e->secret_count) = value + 1;
	}
	if (e->secret_count)
		qsort(e->secrets, e->secret_count, sizeof(e->secrets[0]), longer_first);
}

/* Of several assignments the last one counts. */
static bool is_hidden_variable(const struct explain *e, const char *name, size_t len)
{
	const struct arg_list *environment = &e->unit->service.environment;

	for (size_t i = environment->count; i > 0; i--) {
		const struct arg *assignment = &environment->items[i - 1];

		if (strncmp(assignment->text, name, len) == 0 && assignment->text[len] == '=')
			return is_from_file(assignment);
	}
	return false;
}

/* "$NAME" or "${NAME}" in the line's value, and the value comes from a file. */
static bool names_hidden_variable(const struct explain *e, const char *value)
{
	for (; *value; value++) {
		const char *name = value + 1 + (value[1] == '{');
		size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					  "0123456789_");

		if (value[0] == '$' && len && is_hidden_variable(e, name, len))
			return true;
	}
	return false;
}

static void write_word(struct buf *out, const char *word)
{
	if (word[0] && !word[strcspn(word, " \t\n\r\"'\\")]) {
		buf_puts(out, word);
		return;
	}
	buf_putc(out, '"');
	for (; *word; word++) {
		if (*word == '"' || *word == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *word);
	}
	buf_putc(out, '"');
}

static const char *words_of(struct explain *e, const struct arg_list *words,
			    const struct unit_line *line)
{
	auto_buf out = BUF_INIT(EXPLAIN_MAX_OUTPUT_BYTES);

	for (size_t i = 0; i < words->count; i++)
		if (unit_line_has(line, words->items[i].origin)) {
			if (out.len)
				buf_putc(&out, ' ');
			write_word(&out, words->items[i].text);
		}
	return arena_strdup(&e->arena, buf_str(&out));
}

/* JSON as pairs of path and value, sorted for comparing. */
struct flattening {
	struct arena *arena;
	struct explain_fields fields;
};

static void flatten(struct flattening *f, const char *path, yyjson_val *value);

static const char *scalar_text(struct arena *arena, yyjson_val *value)
{
	if (yyjson_is_str(value))
		return arena_strdup(arena, yyjson_get_str(value));

	char *text = yyjson_val_write(value, 0, NULL);
	const char *copy = arena_strdup(arena, text ? text : "");

	free(text);
	return copy;
}

/* An object in an array is one value: "type=bind source=/srv target=/data". */
static const char *member_text(struct arena *arena, yyjson_val *object)
{
	auto_buf out = BUF_INIT(MAX_DOCUMENT_BYTES);
	yyjson_obj_iter iter = yyjson_obj_iter_with(object);

	for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter)) != NULL;) {
		const char *name = yyjson_get_str(key);
		yyjson_val *value = yyjson_obj_iter_get_val(key);

		if (yyjson_is_null(value) || yyjson_is_false(value))
			continue;
		buf_printf(&out, "%s%s", out.len ? " " : "", name);
		if (!yyjson_is_true(value))
			buf_printf(&out, "=%s", scalar_text(arena, value));
	}
	return arena_strdup(arena, buf_str(&out));
}

static void add_field(struct flattening *f, const char *path, const char *value)
{
	struct explain_field *field = arena_push(f->arena, f->fields.items, f->fields.count);

	*field = (struct explain_field){ path, value, f->fields.count };
}

static void flatten_array(struct flattening *f, const char *path, yyjson_val *array)
{
	const char *member = arena_printf(f->arena, "%s[]", path);
	yyjson_arr_iter iter = yyjson_arr_iter_with(array);

	for (yyjson_val *value; (value = yyjson_arr_iter_next(&iter)) != NULL;)
		add_field(f, member,
			  yyjson_is_obj(value) ? member_text(f->arena, value) :
						 scalar_text(f->arena, value));
}

/* The depth is that of documents that we write ourselves. */
static void flatten(struct flattening *f, const char *path, yyjson_val *value)
{
	yyjson_obj_iter iter;

	if (yyjson_is_arr(value)) {
		flatten_array(f, path, value);
		return;
	}
	if (!yyjson_is_obj(value)) {
		if (!yyjson_is_null(value))
			add_field(f, path, scalar_text(f->arena, value));
		return;
	}
	iter = yyjson_obj_iter_with(value);
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter)) != NULL;)
		flatten(f,
			arena_printf(f->arena, "%s%s%s", path, *path ? "." : "",
				     yyjson_get_str(key)),
			yyjson_obj_iter_get_val(key));
}

static int compare_fields(const void *left, const void *right)
{
	const struct explain_field *a = left, *b = right;
	int order = strcmp(a->path, b->path);

	return order ? order : strcmp(a->value, b->value);
}

static struct explain_fields flatten_text(struct arena *arena, const struct buf *text)
{
	struct flattening f = { .arena = arena };
	yyjson_doc *doc = text->failed ? NULL : yyjson_read(buf_str(text), text->len, 0);

	if (doc)
		flatten(&f, "", yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
	if (f.fields.count)
		qsort(f.fields.items, f.fields.count, sizeof(f.fields.items[0]), compare_fields);
	return f.fields;
}

/* The two documents that a list of words makes. */
struct outcome {
	struct explain_fields spec, config;
};

static void make_config(struct explain_fields *out, struct container_spec *spec,
			struct arena *arena)
{
	/* An image that says nothing, and a machine with all controllers; the sizes of tmpfs follow its memory. */
	static const char *layers[] = { "/image" }, *command[] = { "(the image's own command)" };
	static const struct image_facts image = { .digest = "sha256:0",
						  .user = "",
						  .workdir = "",
						  .stop_signal = "",
						  .command = { command, 1 },
						  .layers = { layers, 1 } };
	struct host_facts host = { .nofile_hard = UINT64_MAX,
				   .nproc_hard = UINT64_MAX,
				   .has_memory_controller = true,
				   .has_cpu_controller = true,
				   .has_pids_controller = true,
				   .has_io_controller = true,
				   .has_cpuset_controller = true,
				   .home_uid = 1000,
				   .home_gid = 1000,
				   .can_make_data = true,
				   .resolv_conf = "/etc/resolv.conf",
				   .localtime_file = "/etc/localtime",
				   .zone_file = "(the zone's file)",
				   .seccomp_text = "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}" };
	struct strv env_files = { 0 };
	auto_buf text = BUF_INIT(MAX_DOCUMENT_BYTES);
	char mount[256];
	struct err err;

	if (cgroup_find_mount(mount, sizeof(mount), &err) < 0)
		mount[0] = '\0';
	host.memory_bytes = cgroup_memory_limit(mount);
	host.cgroup_mount = mount;
	for (size_t i = 0; i < spec->env_file_count; i++)
		*arena_push(arena, env_files.items, env_files.count) = "";
	if (spec_to_oci(spec, &image, &host, "000000000000", &env_files, NULL, arena, &text,
			&err) == 0)
		*out = flatten_text(arena, &text);
}

/* Without one of its lines a unit may lack something; that is no reason not to compare. */
static void make_outcome(struct outcome *out, const struct explain *e, const struct arg_list *words,
			 struct arena *arena)
{
	struct diags diags = { 0 };
	struct container_spec spec;
	auto_buf text = BUF_INIT(MAX_DOCUMENT_BYTES);
	bool is_whole = spec_from_args(&spec, arena, words, &diags) == 0;

	diags_fini(&diags);
	*out = (struct outcome){ 0 };
	for (size_t i = 0; i < spec.mount_count; i++)
		spec.mounts[i].origin = NULL; /* where a mount comes from is no part of it */
	spec_to_json(&spec, &text);
	out->spec = flatten_text(arena, &text);
	if (is_whole || words != &e->unit->spec_args)
		make_config(&out->config, &spec, arena);
}

static int by_place(const void *left, const void *right)
{
	const struct explain_field *a = left, *b = right;

	return a->place < b->place ? -1 : a->place > b->place;
}

/* What with has and without has not; of equal ones as many as are more. */
static struct explain_fields subtract(struct explain *e, const struct explain_fields *with,
				      const struct explain_fields *without, bool is_hidden)
{
	struct explain_fields out = { 0 };
	size_t j = 0;

	for (size_t i = 0; i < with->count; i++) {
		int order = 1;

		while (j < without->count &&
		       (order = compare_fields(&without->items[j], &with->items[i])) < 0)
			j++;
		if (j < without->count && order == 0) {
			j++;
			continue;
		}

		struct explain_field *field = arena_push(&e->arena, out.items, out.count);

		field->place = with->items[i].place;
		field->path = explain_shown(e, with->items[i].path);
		field->value = is_hidden ? "(not shown)" : explain_shown(e, with->items[i].value);
	}
	if (out.count)
		qsort(out.items, out.count, sizeof(out.items[0]), by_place);
	return out;
}

/* An image has to stand where it is: another one takes its place. */
static struct arg_list words_without(const struct explain *e, const struct unit_line *line,
				     struct arena *arena)
{
	const struct arg_list *words = &e->unit->spec_args;
	struct arg_list out = { 0 };

	for (size_t i = 0; i < words->count; i++) {
		bool is_left_out = unit_line_has(line, words->items[i].origin);

		if (!is_left_out || i == e->unit->image_index)
			arg_push(arena, &out,
				 is_left_out ? "localhost/other" : words->items[i].text,
				 words->items[i].origin);
	}
	return out;
}

static bool has_path(const struct explain_fields *fields, const char *path)
{
	size_t low = 0, high = fields->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(fields->items[middle].path, path);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* Members of an array that are objects are told apart by their first value: "destination=/run". */
static bool has_successor(const struct explain_fields *fields, const struct explain_field *gone)
{
	size_t len = strcspn(gone->value, " ");

	if (!gone->value[len] || !memchr(gone->value, '=', len))
		return false;
	for (size_t i = 0; i < fields->count; i++)
		if (str_eq(fields->items[i].path, gone->path) &&
		    strncmp(fields->items[i].value, gone->value, len + 1) == 0)
			return true;
	return false;
}

/* What only without has, and with has nothing in its place. */
static struct explain_fields find_gone(struct explain *e, const struct explain_fields *with,
				       const struct explain_fields *without,
				       const struct explain_fields *added, bool is_hidden)
{
	struct explain_fields gone = subtract(e, without, with, is_hidden), out = { 0 };

	for (size_t i = 0; i < gone.count; i++) {
		const struct explain_field *field = &gone.items[i];

		if (str_ends(field->path, "[]") ? !has_successor(added, field) :
						  !has_path(with, field->path))
			*arena_push(&e->arena, out.items, out.count) = *field;
	}
	return out;
}

static void find_fields(struct explain *e, const struct unit_line *line, const struct outcome *with,
			struct explain_effect *effect)
{
	auto_arena scratch = { 0 };
	const struct arg_list words = words_without(e, line, &scratch);
	bool is_hidden = effect->is_hidden;
	struct outcome without;

	make_outcome(&without, e, &words, &scratch);
	effect->spec = subtract(e, &with->spec, &without.spec, is_hidden);
	effect->spec_gone = find_gone(e, &with->spec, &without.spec, &effect->spec, is_hidden);
	if (!with->config.count || !without.config.count)
		return;
	effect->config = subtract(e, &with->config, &without.config, is_hidden);
	effect->config_gone =
		find_gone(e, &with->config, &without.config, &effect->config, is_hidden);
}

static void find_effect(struct explain *e, const struct unit_line *line,
			struct explain_effect *effect)
{
	effect->podman = explain_clean(e, words_of(e, &e->unit->run_args, line));
	effect->here = words_of(e, &e->unit->spec_args, line);
	if (e->hides_all || names_hidden_variable(e, line->value)) {
		effect->is_hidden = true;
		effect->here = "";
	}
	effect->here = effect->here[0] ? explain_shown(e, effect->here) : "";
}

static bool is_in_diags(const struct diags *diags, const struct diag *diag)
{
	for (size_t i = 0; i < diags->count; i++) {
		const struct diag *d = &diags->items[i];

		if (d->severity == diag->severity && d->line == diag->line &&
		    d->column == diag->column && str_eq(d->file, diag->file))
			return true;
	}
	return false;
}

static bool is_ours(const struct explain *e, const struct diag *diag)
{
	if (str_eq(diag->file, e->unit->path))
		return true;
	for (size_t i = 0; i < e->unit->line_count; i++)
		if (str_eq(diag->file, e->unit->lines[i].origin->file))
			return true;
	return false;
}

/* A line that takes values from a file may not show them in complaints either, however short they are. */
static void take_diag(struct explain *e, const struct diag *diag)
{
	size_t least = LEAST_SECRET_BYTES;

	for (size_t i = 0; i < e->unit->line_count; i++)
		if (e->effects[i].is_hidden && explain_is_about(diag, &e->unit->lines[i]))
			least = 1;
	diag_add(&e->diags, diag->severity, diag->file, diag->line, diag->column, diag->key, "%s",
		 e->hides_all && least == 1 ? "(not shown)" : mask(e, diag->text, least));
}

static void take_diags(struct explain *e, const struct diags *diags, bool is_opinion)
{
	for (size_t i = 0; i < diags->count; i++)
		if (is_ours(e, &diags->items[i]) &&
		    !(is_opinion && is_in_diags(&e->diags, &diags->items[i])))
			take_diag(e, &diags->items[i]);
}

bool explain_is_about(const struct diag *diag, const struct unit_line *line)
{
	const struct origin origin = { .file = diag->file, .line = diag->line, .key = diag->key };

	return unit_line_has(line, &origin);
}

static void find_spec(struct explain *e)
{
	struct outcome with;
	struct diags diags = { 0 };
	size_t count = 0, most = EXPLAIN_MAX_WORK / (e->unit->spec_args.count + 64);

	if (most > EXPLAIN_MAX_EFFECTS)
		most = EXPLAIN_MAX_EFFECTS;
	e->has_spec = spec_from_args(&e->spec, &e->arena, &e->unit->spec_args, &diags) == 0;
	e->has_spec &= spec_check_global_args(&e->unit->global_args, &diags) == 0;
	take_diags(e, &diags, true);
	diags_fini(&diags);
	make_outcome(&with, e, &e->unit->spec_args, &e->arena);
	for (size_t i = 0; i < e->unit->line_count; i++) {
		struct explain_effect *effect = &e->effects[i];

		if (!effect->here[0] && !effect->is_hidden)
			continue;
		if (count++ < most)
			find_fields(e, &e->unit->lines[i], &with, effect);
		else
			effect->is_skipped = true;
	}
}

void explain_find_effects(struct explain *e)
{
	const struct unit *unit = e->unit;

	e->effects = arena_alloc(&e->arena, (unit->line_count + 1) * sizeof(e->effects[0]));
	find_secrets(e);
	for (size_t i = 0; i < unit->line_count; i++)
		find_effect(e, &unit->lines[i], &e->effects[i]);
	take_diags(e, &e->set.diags, false);
	if (unit->kind == UNIT_CONTAINER && !unit->is_template)
		find_spec(e);
}
