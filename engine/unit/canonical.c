/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A unit's lines as one text: what it and its drop-ins say, without comments, in the order in which they count. It is what a
 * copy of a unit is made from, and digests of it say whether a unit has changed. Read back, it gives the same unit; of a
 * unit for which that cannot be promised there is none. And the way back: texts that stand in for files.
 */
#include "unit/canonical_internal.h"

#include "unit/kinds_internal.h"
#include "util/digest.h"
#include "util/str.h"

/* What the supervisor looks up when the time comes: a running container is as it should be whatever they say. */
static const char *const applied_in_place[] = {
	"ExecReload",
	"ExecReloadPost",
	"ExecStop",
	"ExecStopPost",
	"FailureAction",
	"FinalKillSignal",
	"KillSignal",
	"RebootArgument",
	"RestartKillSignal",
	"RuntimeMaxSec",
	"RuntimeRandomizedExtraSec",
	"SendSIGHUP",
	"SendSIGKILL",
	"SuccessExitStatus",
	"WatchdogSignal",
};
static const char *const applied_in_place_prefixes[] = { "Restart", "StartLimit", "Timeout" };

static bool is_applied_in_place(const char *key)
{
	for (size_t i = 0; i < sizeof(applied_in_place) / sizeof(applied_in_place[0]); i++)
		if (str_eq(applied_in_place[i], key))
			return true;
	for (size_t i = 0;
	     i < sizeof(applied_in_place_prefixes) / sizeof(applied_in_place_prefixes[0]); i++)
		if (str_starts(key, applied_in_place_prefixes[i]))
			return true;
	return false;
}

static void hash(struct sha256 *sha, const char *text)
{
	sha256_update(sha, text, strlen(text) + 1);
}

/* [Unit] and [Install] say when a unit is started and stopped; the unit's own section is in its words already. */
static void digest_service(const struct syntax_file *file, uint8_t out[32])
{
	const struct syntax_group *group = syntax_group(file, "Service");
	struct sha256 sha;

	sha256_init(&sha);
	for (size_t i = 0; group && i < group->entry_count; i++) {
		const struct syntax_entry *entry = &group->entries[i];

		if (!entry->key || is_applied_in_place(entry->key))
			continue;
		hash(&sha, entry->key);
		hash(&sha, entry->value);
	}
	sha256_final(&sha, out);
}

static void digest_source(const struct load_file *file, uint8_t out[32])
{
	struct sha256 sha;

	sha256_init(&sha);
	hash(&sha, file->folder->resolved);
	hash(&sha, file->service ? file->service : "");
	for (size_t i = 0; i < file->text.group_count; i++) {
		const struct syntax_group *group = &file->text.groups[i];

		hash(&sha, "[");
		hash(&sha, group->name);
		for (size_t k = 0; k < group->entry_count; k++) {
			if (!group->entries[k].key)
				continue;
			hash(&sha, group->entries[k].key);
			hash(&sha, group->entries[k].value);
		}
	}
	sha256_final(&sha, out);
}

/* At the end of its file a value may end in a backslash, which in front of another line would join the two. */
static bool is_copyable(const char *value)
{
	return !str_ends(value, "\\") && !strchr(value, '\n') && !strchr(value, '\r');
}

static bool write_text(const struct load_file *file, struct buf *out)
{
	for (size_t i = 0; i < file->text.group_count; i++) {
		const struct syntax_group *group = &file->text.groups[i];

		buf_printf(out, "[%s]\n", group->name);
		for (size_t k = 0; k < group->entry_count; k++) {
			const struct syntax_entry *entry = &group->entries[k];

			if (!entry->key)
				continue;
			if (!is_copyable(entry->value))
				return false;
			buf_printf(out, "%s=%s\n", entry->key, entry->value);
		}
	}
	return !out->failed;
}

void canonical_note(struct unit *unit, const struct load_file *file, bool keeps_text,
		    struct arena *arena)
{
	auto_buf text = BUF_INIT(UNIT_MAX_FILE_BYTES);

	digest_service(&file->text, unit->service_digest);
	digest_source(file, unit->source_digest);
	unit->source_text = unit->source_service = "";
	if (!keeps_text || file->is_unreadable || !write_text(file, &text))
		return;
	unit->source_text = arena_strdup(arena, buf_str(&text));
	unit->source_service = file->service ? arena_strdup(arena, file->service) : "";
}

static struct load_file *find_file(struct load *load, const char *name)
{
	for (size_t i = 0; i < load->file_count; i++)
		if (str_eq(load->files[i].name, name))
			return &load->files[i];
	return NULL;
}

/* Nobody starts what has no file any more. */
static void drop_install(struct syntax_file *text)
{
	for (size_t i = 0; i < text->group_count; i++)
		if (str_eq(text->groups[i].name, "Install"))
			text->groups[i].entry_count = 0;
}

static void put_in(struct load *load, const struct unit_substitute *s)
{
	struct arena *arena = &load->scratch;
	struct load_folder *folder = arena_new(arena, struct load_folder);
	struct load_file *file = find_file(load, s->name);

	*folder = (struct load_folder){ .path = s->folder, .resolved = s->folder };
	if (!file) {
		file = load_new_file(load, s->name, folder, s->path, 1);
		if (!file)
			return;
		load_take(load, s->name, folder, s->path);
	}
	*file = (struct load_file){
		.name = s->name, .kind = kind_of(s->name), .folder = folder, .substitute = s
	};
	file->service = s->service && s->service[0] ? s->service : NULL;
	syntax_read(&file->text, arena, &load->set->diags, s->copy_path, s->text, s->length);
	if (file->text.error_count) {
		file->broken_path = s->copy_path;
		file->first_error = load_first_error(load, 0);
	}
	if (s->is_removed)
		drop_install(&file->text);
}

void canonical_substitute(struct load *load, const struct unit_facts *facts)
{
	for (size_t i = 0; i < facts->substitute_count; i++)
		if (kind_of(facts->substitutes[i].name))
			put_in(load, &facts->substitutes[i]);
	if (facts->substitute_count)
		load_sort(load);
}
