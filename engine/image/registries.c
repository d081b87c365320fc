/* SPDX-License-Identifier: Apache-2.0 */
/*
 * registries.conf, version 2, as containers-registries.conf(5) has it and the image library of podman reads it: which prefix
 * means which place, mirrors, what is blocked, short names. A key that is not known is an error: it may be a misspelt
 * "blocked". Must never guess a registry.
 */
#include <stdio.h>
#include <string.h>

#include "image/pull_config_internal.h"
#include "image/toml.h"
#include "util/str.h"

struct registries_reader {
	const char *file;
	struct arena *arena;
	struct pull_notes *notes;
	struct err *err;
	struct registries *into;
	size_t before; /* rows of earlier files, which this one may replace */
};

typedef int registries_fn(struct registries_reader *r, const struct toml_value *value, void *to);

struct registries_key {
	const char *name;
	enum toml_kind kind;
	registries_fn *read;
};

static int fail_at(const struct registries_reader *r, unsigned line, const char *fmt, ...)
	ERR_PRINTF(3, 4);

static int fail_at(const struct registries_reader *r, unsigned line, const char *fmt, ...)
{
	char reason[384];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	return err_set(r->err, ERR_INPUT, "%s:%u: %s", r->file, line, reason);
}

static int fail_unknown(const struct registries_reader *r, const struct registries_key *keys,
			size_t count, const struct toml_entry *entry)
{
	const char *nearest = NULL;
	unsigned best = 4; /* differences; more is another word */

	for (size_t i = 0; i < count; i++) {
		unsigned distance = str_distance(entry->key, keys[i].name, best);

		if (distance < best) {
			best = distance;
			nearest = keys[i].name;
		}
	}
	if (nearest)
		return fail_at(r, entry->value.line, "%.64s: unknown key, did you mean %s",
			       entry->key, nearest);
	return fail_at(r, entry->value.line, "%.64s: unknown key", entry->key);
}

/* Every entry of a table by its row of keys. */
static int read_table(struct registries_reader *r, const struct registries_key *keys, size_t count,
		      const struct toml_table *table, void *to)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct toml_entry *entry = &table->entries[i];
		const struct registries_key *key = NULL;

		for (size_t j = 0; j < count && !key; j++)
			if (str_eq(entry->key, keys[j].name))
				key = &keys[j];
		if (!key)
			return fail_unknown(r, keys, count, entry);
		if (entry->value.kind != key->kind)
			return fail_at(
				r, entry->value.line, "%s is %s, not %s", key->name,
				toml_kind_name(&entry->value),
				toml_kind_name(&(struct toml_value){
					.kind = key->kind, .array = &(struct toml_array){ 0 } }));
		if (key->read(r, &entry->value, to) < 0)
			return -1;
	}
	return 0;
}

/* --- names --- */

/* Is it "HOST[:PORT][/PATH]" with a host that no path can be taken for? suffix: a tag or digest may follow. */
static bool is_place(const char *text, bool suffix)
{
	const char *slash = strrchr(text, '/');
	char name[REF_MAX];
	struct image_ref ref;
	struct err ignored;
	int n;

	if (!slash) /* a host alone: whatever name there */
		n = snprintf(name, sizeof(name), "%s/x", text);
	else
		n = snprintf(name, sizeof(name), "%s", text);
	if (n < 0 || (size_t)n >= sizeof(name) || ref_parse(name, &ref, &ignored) < 0)
		return false;
	if (!suffix && (strchr(text, '@') || (slash && strchr(slash, ':'))))
		return false;
	return ref.domain[0] != '\0';
}

/* Without blanks at its ends and slashes at the end; schemes are refused. */
static int read_place(struct registries_reader *r, const struct toml_value *value, const char *key,
		      bool suffix, const char **out)
{
	size_t len = value->length;
	char *text;

	if (strlen(value->text) != len)
		return fail_at(r, value->line, "%s: NUL byte", key);
	if (str_starts(value->text, "http://") || str_starts(value->text, "https://"))
		return fail_at(r, value->line,
			       "%s: \"%.128s\" has a scheme: write HOST[:PORT][/PATH]%s", key,
			       value->text,
			       value->text[4] == ':' ? " and insecure = true for plain HTTP" : "");
	while (len > 0 && value->text[len - 1] == '/')
		len--;
	*out = text = arena_strndup(r->arena, value->text, len);
	if (len > 0 && !str_starts(text, "*.") && !is_place(text, suffix))
		return fail_at(r, value->line,
			       "%s: \"%.128s\" is not HOST[:PORT][/PATH]: a host has a dot, a port "
			       "or is localhost, as in docker.io/library",
			       key, text);
	return 0;
}

/* --- [[registry]] and [[registry.mirror]] --- */

static int read_location(struct registries_reader *r, const struct toml_value *value, void *to)
{
	struct registries_place *place = to;

	if (read_place(r, value, "location", false, &place->location) < 0)
		return -1;
	if (place->location[0] == '*')
		return fail_at(r, value->line, "location: a wildcard is for prefix only");
	return 0;
}

static int read_insecure(struct registries_reader *r, const struct toml_value *value, void *to)
{
	(void)r;
	((struct registries_place *)to)->insecure = value->boolean;
	return 0;
}

static int read_mirror_use(struct registries_reader *r, const struct toml_value *value, void *to)
{
	static const char *const words[] = {
		[MIRROR_ALL] = "all",
		[MIRROR_DIGEST_ONLY] = "digest-only",
		[MIRROR_TAG_ONLY] = "tag-only",
	};
	struct registries_place *mirror = to;

	if (value->length == 0)
		return 0;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (str_eq(value->text, words[i])) {
			mirror->use = (enum mirror_use)i;
			return 0;
		}
	}
	return fail_at(r, value->line,
		       "pull-from-mirror: \"%.64s\" is not all, digest-only or tag-only",
		       value->text);
}

static const struct registries_key mirror_keys[] = {
	{ "location", TOML_STRING, read_location },
	{ "insecure", TOML_BOOL, read_insecure },
	{ "pull-from-mirror", TOML_STRING, read_mirror_use },
};

static int read_prefix(struct registries_reader *r, const struct toml_value *value, void *to)
{
	struct registries_row *row = to;

	if (read_place(r, value, "prefix", true, &row->prefix) < 0)
		return -1;
	if (row->prefix[0] == '*' && (strpbrk(row->prefix, "/@:") || row->prefix[2] == '\0'))
		return fail_at(r, value->line,
			       "prefix: \"%.128s\": a wildcard stands for subdomains only, as in "
			       "*.example.com",
			       row->prefix);
	return 0;
}

static int read_row_location(struct registries_reader *r, const struct toml_value *value, void *to)
{
	return read_location(r, value, &((struct registries_row *)to)->place);
}

static int read_row_insecure(struct registries_reader *r, const struct toml_value *value, void *to)
{
	return read_insecure(r, value, &((struct registries_row *)to)->place);
}

static int read_blocked(struct registries_reader *r, const struct toml_value *value, void *to)
{
	(void)r;
	((struct registries_row *)to)->blocked = value->boolean;
	return 0;
}

static int read_by_digest_only(struct registries_reader *r, const struct toml_value *value,
			       void *to)
{
	(void)r;
	((struct registries_row *)to)->mirror_by_digest_only = value->boolean;
	return 0;
}

static int read_misplaced_use(struct registries_reader *r, const struct toml_value *value, void *to)
{
	(void)to;
	if (value->length == 0)
		return 0;
	return fail_at(r, value->line, "pull-from-mirror belongs below [[registry.mirror]]");
}

/* [[x]] or x = [{...}]: the same to TOML. */
static int each_table(struct registries_reader *r, const struct toml_value *value, const char *key,
		      int (*fn)(struct registries_reader *r, const struct toml_value *item,
				void *to),
		      void *to)
{
	for (size_t i = 0; i < value->array->count; i++) {
		const struct toml_value *item = &value->array->items[i];

		if (item->kind != TOML_TABLE)
			return fail_at(r, item->line, "%s is %s, not a table: write [[%s]]", key,
				       toml_kind_name(item), key);
		if (fn(r, item, to) < 0)
			return -1;
	}
	return 0;
}

static int read_mirror(struct registries_reader *r, const struct toml_value *item, void *to)
{
	struct registries_row *row = to;
	struct registries_place *mirror = arena_push(r->arena, row->mirrors, row->mirror_count);

	mirror->line = item->line;
	if (read_table(r, mirror_keys, sizeof(mirror_keys) / sizeof(mirror_keys[0]), item->table,
		       mirror) < 0)
		return -1;
	if (!mirror->location || !mirror->location[0])
		return fail_at(r, item->line, "[[registry.mirror]] without location");
	return 0;
}

static int read_mirrors(struct registries_reader *r, const struct toml_value *value, void *to)
{
	return each_table(r, value, "registry.mirror", read_mirror, to);
}

static const struct registries_key row_keys[] = {
	{ "prefix", TOML_STRING, read_prefix },
	{ "location", TOML_STRING, read_row_location },
	{ "insecure", TOML_BOOL, read_row_insecure },
	{ "blocked", TOML_BOOL, read_blocked },
	{ "mirror-by-digest-only", TOML_BOOL, read_by_digest_only },
	{ "mirror", TOML_ARRAY, read_mirrors },
	{ "pull-from-mirror", TOML_STRING, read_misplaced_use },
};

/* Either names the other; only a wildcard needs no location. */
static int complete_row(struct registries_reader *r, struct registries_row *row)
{
	struct registries_place *place = &row->place;

	if (!place->location)
		place->location = "";
	if (!row->prefix || !row->prefix[0])
		row->prefix = place->location;
	if (!row->prefix[0])
		return fail_at(r, row->line, "[[registry]] without prefix and location");
	if (!place->location[0] && row->prefix[0] != '*')
		return fail_at(r, row->line,
			       "[[registry]] without location: only a wildcard prefix as "
			       "*.example.com needs none: write location = \"%.128s\"",
			       row->prefix);
	for (size_t i = 0; i < row->mirror_count && row->mirror_by_digest_only; i++)
		if (row->mirrors[i].use != MIRROR_ALL)
			return fail_at(r, row->mirrors[i].line,
				       "pull-from-mirror and the registry's mirror-by-digest-only "
				       "cannot both be set");
	return 0;
}

/* Two rows of one file for one place must agree in what protects from it. */
static int check_conflict(struct registries_reader *r, const struct registries_row *row)
{
	const char *key = row->place.location[0] ? row->place.location : row->prefix;

	for (size_t i = 0; i < r->into->row_count; i++) {
		const struct registries_row *other = &r->into->rows[i];

		if (other->file != r->file ||
		    !str_eq(key, other->place.location[0] ? other->place.location : other->prefix))
			continue;
		if (row->place.insecure != other->place.insecure || row->blocked != other->blocked)
			return fail_at(r, row->line, "%.128s: \"%s\" differs from that of line %u",
				       key, row->blocked != other->blocked ? "blocked" : "insecure",
				       other->line);
	}
	return 0;
}

static struct registries_row *find_prefix(struct registries *registries, const char *prefix)
{
	for (size_t i = 0; i < registries->row_count; i++)
		if (str_eq(registries->rows[i].prefix, prefix))
			return &registries->rows[i];
	return NULL;
}

static int read_row(struct registries_reader *r, const struct toml_value *item, void *to)
{
	struct registries_row row = { .file = r->file, .line = item->line };
	struct registries_row *found;

	(void)to;
	if (read_table(r, row_keys, sizeof(row_keys) / sizeof(row_keys[0]), item->table, &row) <
		    0 ||
	    complete_row(r, &row) < 0 || check_conflict(r, &row) < 0)
		return -1;
	found = find_prefix(r->into, row.prefix);
	if (!found) {
		*arena_push(r->arena, r->into->rows, r->into->row_count) = row;
	} else if (found->file == r->file) {
		/* the first one counts, as in podman */
		pull_note(r->notes, r->arena,
			  "%s:%u: prefix %s is there already, since line %u: left out", r->file,
			  row.line, row.prefix, found->line);
	} else {
		*found = row;
	}
	return 0;
}

static int read_rows(struct registries_reader *r, const struct toml_value *value, void *to)
{
	return each_table(r, value, "registry", read_row, to);
}

/* --- what concerns all --- */

static int read_search(struct registries_reader *r, const struct toml_value *value, void *to)
{
	(void)to;
	r->into->search = NULL;
	r->into->search_count = 0;
	r->into->search_file = r->file;
	for (size_t i = 0; i < value->array->count; i++) {
		const struct toml_value *item = &value->array->items[i];
		const char *host = "";

		if (item->kind != TOML_STRING)
			return fail_at(r, item->line,
				       "unqualified-search-registries holds %s, not strings",
				       toml_kind_name(item));
		if (read_place(r, item, "unqualified-search-registries", false, &host) < 0)
			return -1;
		if (!host[0] || host[0] == '*' || strchr(host, '/'))
			return fail_at(
				r, item->line,
				"unqualified-search-registries: \"%.128s\" is not HOST[:PORT]",
				host);
		*arena_push(r->arena, r->into->search, r->into->search_count) = host;
	}
	return 0;
}

static int read_mode(struct registries_reader *r, const struct toml_value *value, void *to)
{
	static const char *const words[] = {
		[SHORT_NAMES_PERMISSIVE] = "permissive",
		[SHORT_NAMES_ENFORCING] = "enforcing",
		[SHORT_NAMES_DISABLED] = "disabled",
	};

	(void)to;
	if (value->length == 0)
		return 0;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (str_eq(value->text, words[i])) {
			r->into->mode = (enum short_name_mode)i;
			return 0;
		}
	}
	return fail_at(r, value->line,
		       "short-name-mode: \"%.64s\" is not permissive, enforcing or disabled",
		       value->text);
}

/* The part of a reference that a tag or digest would follow must be the last. */
static bool has_suffix(const char *name)
{
	const char *slash = strrchr(name, '/');

	return strchr(name, '@') || strchr(slash ? slash : name, ':');
}

static int read_alias(struct registries_reader *r, const struct toml_entry *entry,
		      struct registries_alias *alias)
{
	const struct toml_value *value = &entry->value;
	char full[REF_MAX];
	struct image_ref ref;
	struct err why;

	if (value->kind != TOML_STRING)
		return fail_at(r, value->line, "alias %.64s is %s, not a string", entry->key,
			       toml_kind_name(value));
	if (has_suffix(entry->key) || ref_parse(entry->key, &ref, &why) < 0 || ref.domain[0])
		return fail_at(r, value->line,
			       "alias %.128s is not a short name: no registry, tag or digest",
			       entry->key);
	*alias = (struct registries_alias){ entry->key, NULL, r->file, value->line };
	if (value->length == 0)
		return 0;
	if (strlen(value->text) != value->length || has_suffix(value->text) ||
	    ref_parse(value->text, &ref, &why) < 0 || !ref.domain[0])
		return fail_at(
			r, value->line,
			"alias %.64s = \"%.128s\" is not REGISTRY/NAME without tag and digest",
			entry->key, value->text);
	ref.tag[0] = '\0';
	ref_format(&ref, full);
	alias->value = arena_strdup(r->arena, full);
	return 0;
}

static int read_aliases(struct registries_reader *r, const struct toml_value *value, void *to)
{
	struct registries *into = r->into;

	(void)to;
	for (size_t i = 0; i < value->table->count; i++) {
		struct registries_alias alias = { .name = "" };
		struct registries_alias *found = NULL;

		if (read_alias(r, &value->table->entries[i], &alias) < 0)
			return -1;
		for (size_t j = 0; j < into->alias_count && !found; j++)
			if (str_eq(into->aliases[j].name, alias.name))
				found = &into->aliases[j];
		if (!found)
			found = arena_push(r->arena, into->aliases, into->alias_count);
		*found = alias;
	}
	return 0;
}

/* Programs that would answer for credentials: only the files themselves are read here. */
static int read_helpers(struct registries_reader *r, const struct toml_value *value, void *to)
{
	(void)to;
	for (size_t i = 0; i < value->array->count; i++) {
		const struct toml_value *item = &value->array->items[i];

		if (item->kind != TOML_STRING)
			return fail_at(r, item->line, "credential-helpers holds %s, not strings",
				       toml_kind_name(item));
		if (!str_eq(item->text, "containers-auth.json"))
			pull_note(r->notes, r->arena,
				  "%s:%u: credential-helpers: %.64s is not supported: write the "
				  "credentials to auth.json",
				  r->file, item->line, item->text);
	}
	return 0;
}

static int note_layer_store(struct registries_reader *r, const struct toml_value *value, void *to)
{
	(void)to;
	pull_note(r->notes, r->arena,
		  "%s:%u: additional-layer-store-auth-helper: there are no additional layer stores",
		  r->file, value->line);
	return 0;
}

/* Version 1: [registries.search], [registries.insecure], [registries.block]. */
static int refuse_version1(struct registries_reader *r, const struct toml_value *value, void *to)
{
	(void)to;
	return fail_at(
		r, value->line,
		"[registries] is version 1 of this file: write unqualified-search-registries "
		"= [\"HOST\"] at the top, and [[registry]] with location = \"HOST\" and "
		"insecure = true or blocked = true");
}

static const struct registries_key top_keys[] = {
	{ "registry", TOML_ARRAY, read_rows },
	{ "unqualified-search-registries", TOML_ARRAY, read_search },
	{ "short-name-mode", TOML_STRING, read_mode },
	{ "aliases", TOML_TABLE, read_aliases },
	{ "credential-helpers", TOML_ARRAY, read_helpers },
	{ "additional-layer-store-auth-helper", TOML_STRING, note_layer_store },
	{ "registries", TOML_TABLE, refuse_version1 },
};

int registries_merge(struct registries *registries, const char *file, const char *text,
		     size_t length, struct arena *arena, struct pull_notes *notes, struct err *err)
{
	struct registries_reader r = {
		.file = file, .arena = arena, .notes = notes, .err = err, .into = registries
	};
	struct toml_table *root;

	if (toml_parse(file, text, length, arena, &root, err) < 0)
		return -1;
	return read_table(&r, top_keys, sizeof(top_keys) / sizeof(top_keys[0]), root, NULL);
}

/* --- looking up --- */

/* The prefix and a separator. That "example.com" means "example.com:5000" as well is how podman reads it. */
static bool ends_well(const char *rest)
{
	return *rest == '\0' || *rest == ':' || *rest == '/' || *rest == '@';
}

/* "*.example.com": the host, its port not counted, ends in ".example.com". */
static size_t match_wildcard(const char *reference, const char *suffix)
{
	size_t host = strcspn(reference, "/:@"), len = strlen(suffix);

	if (host <= len || strncmp(reference + host - len, suffix, len) != 0)
		return 0;
	return host;
}

const struct registries_row *registries_find(const struct registries *registries,
					     const char *reference, size_t *matched)
{
	const struct registries_row *best = NULL;
	size_t best_len = 0;

	*matched = 0;
	for (size_t i = 0; i < registries->row_count; i++) {
		const struct registries_row *row = &registries->rows[i];
		size_t len = strlen(row->prefix), covered = 0;

		if (row->prefix[0] == '*')
			covered = match_wildcard(reference, row->prefix + 1);
		else if (str_starts(reference, row->prefix) && ends_well(reference + len))
			covered = len;
		if (covered == 0 || len <= best_len)
			continue;
		best = row;
		best_len = len;
		*matched = covered;
	}
	return best;
}

const struct registries_alias *registries_alias(const struct registries *registries,
						const char *name)
{
	for (size_t i = 0; i < registries->alias_count; i++)
		if (str_eq(registries->aliases[i].name, name))
			return &registries->aliases[i];
	return NULL;
}
