/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words -> struct container_spec. Finds the row of every option word, hands it its value, and
 * judges at the end what only the whole list can tell. Pure; must never drop a word silently: each
 * is acted on, noted or refused.
 */
#include "spec/options.h"

#include <stdio.h>
#include <stdlib.h>

#include "image/ref.h"
#include "util/path.h"
#include "util/str.h"

static const struct origin no_origin = { .file = "", .key = "" };

/* The option's name leads the text only where the origin does not tell which option it was. */
static bool origin_names_option(const struct origin *origin)
{
	return origin->key && origin->key[0] && !str_ends(origin->key, "PodmanArgs") &&
	       !str_ends(origin->key, "GlobalArgs") && !str_eq(origin->key, "command line");
}

static void say(struct options *o, enum diag_severity severity, const char *text)
{
	const struct arg arg = { .text = o->word->text,
				 .origin = o->word->origin ? o->word->origin : &no_origin };

	if (o->row && !origin_names_option(arg.origin))
		arg_diag(o->diags, severity, &arg, "--%s: %s", o->row->name, text);
	else
		arg_diag(o->diags, severity, &arg, "%s", text);
}

void option_error(struct options *o, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(o, DIAG_ERROR, arena_vprintf(o->arena, fmt, ap));
	va_end(ap);
}

void option_warn(struct options *o, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(o, DIAG_WARNING, arena_vprintf(o->arena, fmt, ap));
	va_end(ap);
}

void option_note(struct options *o, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(o, DIAG_NOTE, arena_vprintf(o->arena, fmt, ap));
	va_end(ap);
}

const char *option_shown(struct options *o, const char *value)
{
	const size_t limit = 80;

	if (strlen(value) <= limit)
		return value;
	return arena_printf(o->arena, "%.*s...", (int)limit, value);
}

bool option_is_text(struct options *o, const char *what, const char *value)
{
	const char *control = str_find_control(value);

	if (control)
		option_error(o, "%s has a control byte (0x%02x)", what, (unsigned char)*control);
	return !control;
}

void strv_push(struct arena *arena, struct strv *v, const char *item)
{
	*arena_push(arena, v->items, v->count) = item;
}

struct strv strv_split(struct arena *arena, const char *text, char separator)
{
	struct strv parts = { 0 };
	char *part = arena_strdup(arena, text);

	for (char *end; (end = strchr(part, separator)) != NULL; part = end + 1) {
		*end = '\0';
		strv_push(arena, &parts, part);
	}
	strv_push(arena, &parts, part);
	return parts;
}

bool strv_has(const struct strv *v, const char *item)
{
	for (size_t i = 0; i < v->count; i++)
		if (str_eq(v->items[i], item))
			return true;
	return false;
}

bool option_to_bool(const char *value, bool *out)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (str_eq(value, yes[i]) || str_eq(value, no[i])) {
			*out = str_eq(value, yes[i]);
			return true;
		}
	}
	return false;
}

struct time_unit {
	const char *name;
	uint64_t usec; /* 0: a nanosecond, rounded down */
};

/* Longest name first where one is the beginning of another. */
static const struct time_unit *unit_at(const char **cursor)
{
	static const struct time_unit units[] = {
		{ "ns", 0 },	{ "us", 1 },	  { "\xc2\xb5s", 1 }, { "\xce\xbcs", 1 },
		{ "ms", 1000 }, { "s", 1000000 }, { "m", 60000000 },  { "h", 3600000000 },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (str_starts(*cursor, units[i].name)) {
			*cursor += strlen(units[i].name);
			return &units[i];
		}
	return NULL;
}

static const uint64_t year_usec = UINT64_C(366) * 24 * 3600 * 1000000;

/* One "1.5h" at *cursor; false when there is none or it is too large. */
static bool duration_part(const char **cursor, uint64_t *usec)
{
	uint64_t whole = 0, fraction = 0, scale = 1;
	const char *start = *cursor;

	for (; **cursor >= '0' && **cursor <= '9'; (*cursor)++) {
		whole = whole * 10 + (uint64_t)(**cursor - '0');
		if (whole > year_usec * 1000)
			return false;
	}
	if (**cursor == '.') {
		for ((*cursor)++; **cursor >= '0' && **cursor <= '9'; (*cursor)++) {
			if (scale >= 1000000)
				continue;
			fraction = fraction * 10 + (uint64_t)(**cursor - '0');
			scale *= 10;
		}
	}
	if (*cursor == start || (*cursor == start + 1 && *start == '.'))
		return false;

	const struct time_unit *unit = unit_at(cursor);

	if (!unit)
		return false;
	if (!unit->usec) {
		*usec = whole / 1000;
		return true;
	}
	if (whole > year_usec / unit->usec)
		return false;
	*usec = whole * unit->usec + fraction * unit->usec / scale;
	return true;
}

bool option_to_usec(const char *value, uint64_t *out_usec)
{
	uint64_t total = 0;

	if (*value == '+')
		value++;
	if (str_eq(value, "0")) {
		*out_usec = 0;
		return true;
	}
	if (!*value)
		return false;
	while (*value) {
		uint64_t part;

		if (!duration_part(&value, &part))
			return false;
		total += part;
		if (total > year_usec)
			return false;
	}
	*out_usec = total;
	return true;
}

const char *option_path(struct options *o, const char *what, const char *value)
{
	const size_t max = 4095;
	size_t len = strlen(value);
	char *clean;

	if (!option_is_text(o, what, value))
		return NULL;
	if (value[0] != '/') {
		option_error(o, "%s \"%s\" is no absolute path%s", what, option_shown(o, value),
			     value[0] == '~' ? ": no shell reads ~, write %h for the home folder" :
			     value[0] == '"' ? ": quotes are a part of the value here" :
					       "");
		return NULL;
	}
	/* A clean path is never longer, but by the slash of "/". */
	clean = arena_alloc(o->arena, len + 2);
	if (!path_clean(value, clean, len + 2) || strlen(clean) > max) {
		option_error(o, "%s is longer than %zu bytes", what, max);
		return NULL;
	}
	return clean;
}

static void apply_text(struct options *o, const char *value)
{
	switch (o->row->state) {
	case OPTION_ACTED:
		if (o->table == &options_of_run)
			pod_saw_option(o);
		o->row->parse(o, value);
		return;
	case OPTION_NOTED:
		option_note(o, "noted: %s", o->row->text);
		return;
	case OPTION_REFUSED:
		option_error(o, "refused: %s", o->row->text);
		return;
	}
}

static void apply_bool(struct options *o, const char *value)
{
	bool on = false;

	if (!option_to_bool(value, &on)) {
		option_error(o, "\"%s\" is neither true nor false", option_shown(o, value));
		return;
	}
	/* "false" of something that is not done anyway needs no word. */
	if (on || o->row->state == OPTION_ACTED)
		apply_text(o, on ? "true" : "false");
}

static void apply(struct options *o, const char *value)
{
	struct strv parts;

	switch (o->row->arg) {
	case OPTION_BOOL:
		apply_bool(o, value);
		return;
	case OPTION_VALUE:
		apply_text(o, value);
		return;
	case OPTION_LIST:
		if (o->row->state != OPTION_ACTED) {
			apply_text(o, value);
			return;
		}
		parts = strv_split(o->arena, value, ',');
		for (size_t i = 0; i < parts.count; i++)
			apply_text(o, parts.items[i]);
		return;
	}
}

static void unknown_option(struct options *o, const char *name, size_t len)
{
	const char *given = arena_strndup(o->arena, name, len > 60 ? 60 : len);
	const char *best = NULL;
	unsigned best_distance = 3;

	for (size_t i = 0; i < o->table->count; i++) {
		unsigned d = str_distance(given, o->table->rows[i].name, best_distance);

		if (d < best_distance) {
			best_distance = d;
			best = o->table->rows[i].name;
		}
	}
	o->row = NULL;
	if (best)
		option_error(o, "unknown option --%s: did you mean --%s?", given, best);
	else
		option_error(o, "unknown option --%s", given);
}

struct cursor {
	const struct arg_list *args;
	size_t next;
};

/* The value of an option that has none in its own word. */
static const char *next_word(struct options *o, struct cursor *c)
{
	if (c->next >= c->args->count) {
		option_error(o, "needs a value");
		return NULL;
	}
	return c->args->items[c->next++].text;
}

static void long_word(struct options *o, const char *body, size_t len, struct cursor *c)
{
	const char *equals = memchr(body, '=', len);
	const char *value = equals ? equals + 1 : NULL;

	if (equals)
		len = (size_t)(equals - body);
	o->row = option_find(o->table, body, len);
	if (!o->row) {
		unknown_option(o, body, len);
		return;
	}
	if (!value && o->row->arg == OPTION_BOOL)
		value = "true";
	if (!value)
		value = next_word(o, c);
	if (value)
		apply(o, value);
}

/* "-it", "-v x", "-vx", "-v=x": every letter up to the first that takes a value. */
static void short_word(struct options *o, const char *letters, struct cursor *c)
{
	for (; *letters; letters++) {
		o->row = option_find_letter(o->table, *letters);
		if (!o->row) {
			option_error(o, "unknown option -%c", *letters);
			return;
		}
		if (o->row->arg == OPTION_BOOL && letters[1] != '=') {
			apply(o, "true");
			continue;
		}
		if (letters[1]) {
			apply(o, letters[1] == '=' ? letters + 2 : letters + 1);
			return;
		}

		const char *value = next_word(o, c);

		if (value)
			apply(o, value);
		return;
	}
}

static void option_words(struct options *o, struct cursor *c)
{
	while (c->next < c->args->count) {
		const struct arg *arg = &c->args->items[c->next];
		size_t len;

		o->word = arg;
		o->row = NULL;
		if (arg->text[0] != '-' || !arg->text[1])
			return;
		c->next++;
		if (str_eq(arg->text, "--"))
			return;
		len = strlen(arg->text);
		if (len > OPTIONS_MAX_WORD_BYTES)
			option_error(o, "word of %zu bytes; at most %u are allowed", len,
				     (unsigned)OPTIONS_MAX_WORD_BYTES);
		else if (arg->text[1] == '-')
			long_word(o, arg->text + 2, len - 2, c);
		else
			short_word(o, arg->text + 1, c);
	}
}

size_t options_take(struct options *o, const struct arg_list *args, size_t from)
{
	struct cursor cursor = { .args = args, .next = from };

	option_words(o, &cursor);
	return cursor.next;
}

static void image_and_command(struct options *o, struct cursor *c)
{
	struct image_ref *ref = arena_new(o->arena, struct image_ref);
	struct err err;

	o->row = NULL;
	if (c->next >= c->args->count) {
		option_error(o, "no image: the first word that is no option names it");
		return;
	}
	o->word = o->image_word = &c->args->items[c->next++];
	if (ref_parse(o->word->text, ref, &err) == 0)
		o->image = ref;
	else
		option_error(o, "%s", err.msg);
	o->spec->image = arena_strdup(o->arena, o->word->text);
	for (; c->next < c->args->count; c->next++) {
		const struct arg *arg = &c->args->items[c->next];

		if (strlen(arg->text) > OPTIONS_MAX_WORD_BYTES) {
			o->word = arg;
			option_error(o, "word of %zu bytes; at most %u are allowed",
				     strlen(arg->text), (unsigned)OPTIONS_MAX_WORD_BYTES);
		}
		strv_push(o->arena, &o->spec->command, arena_strdup(o->arena, arg->text));
	}
}

void option_point_to(struct options *o, const struct arg *word, const char *option)
{
	o->word = word;
	o->row = option_find(o->table, option, strlen(option));
}

static void judge_network(struct options *o)
{
	struct container_spec *spec = o->spec;

	network_finish(o);
	if (o->net_sysctl_word && spec->network == SPEC_NETWORK_HOST) {
		option_point_to(o, o->net_sysctl_word, "sysctl");
		option_error(
			o,
			"net.* cannot be set with Network=host: it would change the appliance itself");
	}
	if (o->ports_word && spec->network != SPEC_NETWORK_DEFAULT) {
		option_point_to(o, o->ports_word, "publish");
		option_note(o, "noted: published ports have no effect with Network=%s",
			    spec->network == SPEC_NETWORK_HOST ?
				    "host: the program's ports are the appliance's" :
				    "none");
	}
}

static void judge_capabilities(struct options *o)
{
	struct strv set;
	struct err err;

	if (!o->capability_word)
		return;
	o->word = o->capability_word;
	o->row = NULL;
	if (capability_merge(&capability_defaults, &o->spec->cap_add, &o->spec->cap_drop, o->arena,
			     &set, &err) < 0)
		option_error(o, "%s", err.msg);
}

void options_judge_limits(struct options *o)
{
	struct container_spec *spec = o->spec;

	if (o->cpus_word && o->cpu_quota_word) {
		option_point_to(o, o->cpus_word, "cpus");
		option_error(o, "cannot be given together with --cpu-period or --cpu-quota");
	}
	cgroup_merge(o);
	if (o->swap_word && spec->memory_swap_bytes > 0) {
		option_point_to(o, o->swap_word, "memory-swap");
		if (!spec->memory_bytes)
			option_error(o, "needs --memory as well: it is memory plus swap");
		else if ((uint64_t)spec->memory_swap_bytes < spec->memory_bytes)
			option_error(o, "is memory plus swap: it cannot be less than --memory");
	}
}

void spec_defaults(struct container_spec *spec)
{
	*spec = (struct container_spec){
		.read_only_tmpfs = true,
		.keep_uid = UINT32_MAX,
		.keep_gid = UINT32_MAX,
		.umask = -1,
		.stop_timeout_usec = 10 * 1000000,
		.registry = { .retries = 3, .retry_delay_usec = 1000000 },
		.health = { .interval_usec = 30 * 1000000,
			    .timeout_usec = 30 * 1000000,
			    .retries = 3,
			    .startup = { .interval_usec = 30 * 1000000,
					 .timeout_usec = 30 * 1000000 },
			    .log_count = 5,
			    .log_bytes = 500 },
	};
}

static const struct arg no_word = { .text = "", .origin = &no_origin };

int options_begin(struct options *o, const struct arg_list *args)
{
	if (args->count > OPTIONS_MAX_WORDS) {
		option_error(o, "%zu words; at most %u are allowed", args->count,
			     (unsigned)OPTIONS_MAX_WORDS);
		return -1;
	}
	if (args->count)
		o->word = &args->items[0];
	return 0;
}

int spec_from_args(struct container_spec *spec, struct arena *arena, const struct arg_list *args,
		   struct diags *diags)
{
	struct options o = { .table = &options_of_run,
			     .spec = spec,
			     .arena = arena,
			     .diags = diags,
			     .word = &no_word };
	struct cursor cursor = { .args = args };
	size_t errors_before = diags->error_count;

	spec_defaults(spec);
	if (options_begin(&o, args) < 0)
		return -1;
	option_words(&o, &cursor);
	image_and_command(&o, &cursor);
	judge_network(&o);
	pod_judge(&o);
	judge_capabilities(&o);
	options_judge_limits(&o);
	health_judge(&o);
	secrets_judge(&o);
	update_judge(&o);
	return diags->error_count == errors_before ? 0 : -1;
}

int spec_check_global_args(const struct arg_list *args, struct diags *diags)
{
	auto_arena arena = { 0 };
	struct options o = {
		.table = &options_of_podman, .arena = &arena, .diags = diags, .word = &no_word
	};
	struct cursor cursor = { .args = args };
	size_t errors_before = diags->error_count;

	option_words(&o, &cursor);
	if (cursor.next < args->count) {
		o.word = &args->items[cursor.next];
		o.row = NULL;
		option_error(&o, "\"%s\" is no option: only options stand before podman's command",
			     option_shown(&o, o.word->text));
	}
	return diags->error_count == errors_before ? 0 : -1;
}

const char *spec_option_text(const char *word)
{
	const struct option *row = NULL;

	if (str_starts(word, "--"))
		row = option_find(&options_of_run, word + 2, strcspn(word + 2, "="));
	else if (word[0] == '-' && word[1])
		row = option_find_letter(&options_of_run, word[1]);
	return row ? row->text : NULL;
}
