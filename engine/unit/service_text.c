/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service that podman's generator would write for a unit, and the part of it that .container
 * units have: the unit's own groups, the quadlet group renamed, and the commands. For people who
 * compare, and for hosts that run podman; the engine itself never reads it.
 */
#include "unit/convert_internal.h"
#include "unit/kinds_internal.h"
#include "unit/words_internal.h"
#include "util/copy.h"
#include "util/path.h"
#include "util/str.h"

const char *const dependency_keys[DEPENDENCY_KEY_COUNT] = {
	"After",
	"Before",
	"BindsTo",
	"Conflicts",
	"OnFailure",
	"OnSuccess",
	"PartOf",
	"PropagatesReloadTo",
	"PropagatesStopTo",
	"ReloadPropagatedFrom",
	"Requires",
	"Requisite",
	"StopPropagatedFrom",
	"Upholds",
	"Wants",
};

static void remove_key(struct syntax_group *group, const char *key)
{
	size_t kept = 0;

	for (size_t i = 0; i < group->entry_count; i++)
		if (!group->entries[i].key || !str_eq(group->entries[i].key, key))
			group->entries[kept++] = group->entries[i];
	group->entry_count = kept;
}

static struct buf *start_text(struct reading *r, size_t max)
{
	r->text->max = max;
	buf_clear(r->text);
	return r->text;
}

static bool names_file(const struct arg_list *words)
{
	for (size_t i = 0; i < words->count; i++)
		if (kind_of(words->items[i].text))
			return true;
	return false;
}

/* "After=db.container" becomes "After=db.service"; lines are put together when one of them had
 * to be changed. */
static void translate(struct reading *r, const struct syntax_group *group, const char *key)
{
	struct arg_list words = value_words(r, group, key);
	struct buf *line = start_text(r, UNIT_MAX_FILE_BYTES);
	struct syntax_group *unit;

	if (!names_file(&words))
		return;
	for (size_t i = 0; i < words.count; i++) {
		const char *text = words.items[i].text;

		if (kind_of(text)) {
			const struct unit_name *name = unit_name_find(r->names, text);

			if (!name)
				reading_fail(r, words.items[i].origin, "there is no unit %s", text);
			text = name ? name->service : text;
		}
		buf_puts(line, i ? " " : "");
		buf_puts(line, text);
	}
	if (!r->service)
		return;
	unit = syntax_group(r->service, "Unit");
	syntax_own(unit, r->arena);
	remove_key(unit, key);
	convert_add(r, "Unit", key, arena_strdup(r->arena, buf_str(line)));
}

/* Whether a word of the line may be a unit file. Most lines name services, and are not even split then. A quote may stand within
 * a word. */
static bool may_name_file(const struct syntax_entry *entry)
{
	if (strchr(entry->value, '"') || strchr(entry->value, '\''))
		return true;
	for (const char *at = entry->value; (at = strchr(at, '.')) != NULL; at++)
		if (kind_suffix_is_at(at))
			return true;
	return false;
}

/* Its place in dependency_keys; DEPENDENCY_KEY_COUNT: it is none of them. */
static size_t dependency_key(const struct syntax_entry *entry)
{
	size_t k = 0;

	while (k < DEPENDENCY_KEY_COUNT && !syntax_is_same(entry->key, dependency_keys[k]))
		k++;
	return k;
}

static void translate_all(struct reading *r)
{
	const struct syntax_group *group = syntax_group(r->file, "Unit");
	bool is_wanted[DEPENDENCY_KEY_COUNT] = { false };

	for (size_t i = 0; group && i < group->entry_count; i++) {
		const struct syntax_entry *entry = &group->entries[i];
		size_t k = entry->key ? dependency_key(entry) : DEPENDENCY_KEY_COUNT;

		if (k < DEPENDENCY_KEY_COUNT && may_name_file(entry))
			is_wanted[k] = true;
	}
	for (size_t k = 0; k < DEPENDENCY_KEY_COUNT; k++)
		if (is_wanted[k])
			translate(r, group, dependency_keys[k]);
}

/* network-online.target or what stands for it comes before all else: Wants=, then After=. */
static void prepend_online(struct reading *r)
{
	const char *online = r->facts->is_user ? "podman-user-wait-network-online.service" :
						 "network-online.target";
	struct syntax_group *group = syntax_group_ensure(r->service, r->arena, "Unit");
	const struct syntax_assignment lines[] = { syntax_assignment("Wants", online),
						   syntax_assignment("After", online) };
	struct syntax_entry first[2];

	for (size_t i = 0; i < 2; i++)
		syntax_add(group, r->arena, &lines[i]);
	memcpy(first, group->entries + group->entry_count - 2, sizeof(first));
	memmove(group->entries + 2, group->entries,
		(group->entry_count - 2) * sizeof(group->entries[0]));
	memcpy(group->entries, first, sizeof(first));
}

static void rename_group(struct reading *r, const char *from, const char *to)
{
	struct syntax_group *group = syntax_group(r->service, from), *old;

	if (!group)
		return;
	old = syntax_group(r->service, to);
	if (!old) {
		group->name = to;
		return;
	}
	syntax_add_all(old, r->arena, group);

	size_t index = (size_t)(group - r->service->groups);

	r->service->group_count--;
	r->service->recent = 0;
	memmove(group, group + 1, (r->service->group_count - index) * sizeof(*group));
}

/* Of a unit in a .quadlets file not the unit's own. */
static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

void service_text_begin(struct reading *r, struct syntax_file *service)
{
	const struct syntax_group *quadlet;

	if (r->facts->is_generator || r->facts->wants_service_text) {
		syntax_borrow(service, r->arena, r->file);
		r->service = service;
	}
	translate_all(r);
	if (!r->service)
		return;
	quadlet = syntax_group(r->file, "Quadlet");
	if (value_bool(r, quadlet, "DefaultDependencies") != VALUE_FALSE)
		prepend_online(r);
	convert_add(r, "Unit", "SourcePath",
		    arena_join(r->arena, r->unit->folder, "/", file_name(r->unit->path)));
	convert_add(r, "Unit", "RequiresMountsFor", "%t/containers");
	if (r->own)
		rename_group(r, r->kind->section, r->kind->hidden_section);
	if (quadlet)
		rename_group(r, "Quadlet", "X-Quadlet");
}

void service_text_set_sized(struct reading *r, const struct syntax_assignment *line)
{
	struct syntax_group *group;
	struct syntax_entry *entry;

	if (!r->service)
		return;
	group = syntax_group_ensure(r->service, r->arena, "Service");
	syntax_own(group, r->arena);
	entry = syntax_may_have(group, line->hash) ?
			syntax_find_last(group, line->key, line->hash) :
			NULL;
	if (!entry) {
		syntax_add(group, r->arena, line);
		return;
	}
	entry->value = line->value;
	entry->value_bytes = line->value_bytes;
	entry->is_line = false;
}

static const char *copy_line(struct reading *r, const struct buf *line)
{
	char *copy = arena_alloc(r->arena, line->len + 1);

	copy_bytes(copy, buf_str(line), line->len);
	return copy;
}

/* "podman [--module=..] [global options] WORDS" as the value of an Exec key. */
static void add_command(struct reading *r, const char *key, const char *prefix, const char *verb,
			const struct arg_list *words)
{
	/* words_append() asks for four times the room that plain words take. */
	struct buf *line = start_text(r, 32 * UNIT_MAX_FILE_BYTES);
	struct arg_list modules, global;

	if (!r->service)
		return;
	modules = value_list(r, r->own, "ContainersConfModule");
	global = value_args(r, r->own, "GlobalArgs");

	buf_puts(line, prefix);
	words_escape(line, r->facts->podman ? r->facts->podman : "/usr/bin/podman");
	for (size_t i = 0; i < modules.count; i++) {
		buf_putc(line, ' ');
		words_escape(line, arena_join(r->arena, "--module=", modules.items[i].text));
	}
	words_append(line, &global);
	buf_puts(line, verb);
	words_append(line, words);
	convert_add_sized(r, "Service",
			  &(struct syntax_assignment){ .key = key,
						       .value = copy_line(r, line),
						       .hash = key_hash(key),
						       .key_bytes = (uint16_t)strlen(key),
						       .value_bytes = (uint32_t)line->len });
}

void service_text_command(struct reading *r, const char *key, const char *prefix,
			  const struct arg_list *words)
{
	add_command(r, key, prefix, "", words);
}

void service_text_push(struct reading *r, struct arg_list *words, const char *const *texts)
{
	for (; *texts; texts++)
		arg_push(r->arena, words, *texts, NULL);
}

void service_text_kill_mode(struct reading *r)
{
	struct arg mode;

	if (!value_string(r, syntax_group(r->file, "Service"), "KillMode", &mode))
		service_text_set(r, "KillMode", "mixed");
	else if (!str_eq(mode.text, "mixed") && !str_eq(mode.text, "control-group"))
		reading_fail(r, mode.origin, "'%s' is neither mixed nor control-group%s", mode.text,
			     str_hint((char[STR_HINT_BYTES]){ 0 }, mode.text,
				      (const char *const[]){ "mixed", "control-group", NULL }));
}

static void add_reload(struct reading *r, const char *name)
{
	struct arg_list command = value_last_args(r, r->own, "ReloadCmd"), words = { 0 };
	struct arg signal;
	bool has_signal = value_text(r, r->own, "ReloadSignal", &signal);

	if (command.count && has_signal)
		reading_fail(r, signal.origin, "ReloadCmd and ReloadSignal exclude each other");
	if (command.count) {
		service_text_push(r, &words, (const char *const[]){ "exec", name, NULL });
		for (size_t i = 0; i < command.count; i++)
			arg_push(r->arena, &words, command.items[i].text, NULL);
	} else if (has_signal) {
		service_text_push(r, &words,
				  (const char *const[]){ "kill", "--signal", signal.text, name,
							 NULL });
	} else {
		return;
	}
	service_text_command(r, "ExecReload", "", &words);
}

/* As people have it in their .service files. */
static bool is_of_other_service(const char *type)
{
	return str_eq(type, "simple") || str_eq(type, "exec") || str_eq(type, "forking") ||
	       str_eq(type, "idle") || str_eq(type, "notify-reload") || str_eq(type, "dbus");
}

void service_text_type(struct reading *r)
{
	struct arg type;
	bool is_set = value_string(r, syntax_group(r->file, "Service"), "Type", &type);

	if (is_set && !str_eq(type.text, "notify") && !str_eq(type.text, "oneshot"))
		reading_fail(r, type.origin, "'%s' is neither notify nor oneshot%s", type.text,
			     is_of_other_service(type.text) ?
				     ": leave it out, Quadlet writes Type=notify" :
				     str_hint((char[STR_HINT_BYTES]){ 0 }, type.text,
					      (const char *const[]){ "notify", "oneshot", NULL }));
	if (!is_set || !str_eq(type.text, "oneshot")) {
		service_text_set(r, "Type", "notify");
		service_text_set(r, "NotifyAccess", "all");
	}
}

/* Texts of this length are made where they are kept. */
static const char *keep_text(struct reading *r, const struct buf *text)
{
	char *copy = arena_alloc(r->kept, text->len + 1);

	memcpy(copy, buf_str(text), text->len);
	return copy;
}

static size_t text_bytes(const struct syntax_entry *entries, size_t count)
{
	size_t bytes = 0;

	for (size_t i = 0; i < count; i++)
		bytes += (size_t)entries[i].key_bytes + (entries[i].key != NULL) +
			 entries[i].value_bytes + 1;
	return bytes;
}

/* SYNTAX_PIECE_BYTES behind what it writes are free. */
static char *write_line(char *out, const struct syntax_entry *entry)
{
	const char *line = entry->value - entry->key_bytes - 1;
	size_t bytes = (size_t)entry->key_bytes + 1 + entry->value_bytes;

	for (size_t at = 0; at < bytes; at += SYNTAX_PIECE_BYTES)
		memcpy(out + at, line + at, SYNTAX_PIECE_BYTES);
	return out + bytes;
}

static char *write_entries(char *out, const struct syntax_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct syntax_entry *entry = &entries[i];

		if (entry->is_line) {
			out = write_line(out, entry);
			*out++ = '\n';
			continue;
		}
		if (entry->key) {
			copy_bytes(out, entry->key, entry->key_bytes);
			out += entry->key_bytes;
			*out++ = '=';
		}
		copy_bytes(out, entry->value, entry->value_bytes);
		out += entry->value_bytes;
		*out++ = '\n';
	}
	return out;
}

static char *write_word(char *out, const char *word)
{
	size_t len = strlen(word);

	copy_bytes(out, word, len);
	return out + len;
}

static void write_text(struct reading *r)
{
	const struct syntax_file *service = r->service;
	size_t bytes = 0;
	char *text, *out;

	for (size_t i = 0; i < service->group_count; i++) {
		const struct syntax_group *group = &service->groups[i];

		bytes += strlen("\n[]\n") + strlen(group->name) +
			 text_bytes(group->comments, group->comment_count) +
			 text_bytes(group->entries, group->entry_count);
	}
	out = text = arena_alloc(r->kept, bytes + SYNTAX_PIECE_BYTES);
	for (size_t i = 0; i < service->group_count; i++) {
		const struct syntax_group *group = &service->groups[i];

		if (i)
			*out++ = '\n';
		out = write_entries(out, group->comments, group->comment_count);
		*out++ = '[';
		out = write_word(out, group->name);
		*out++ = ']';
		*out++ = '\n';
		out = write_entries(out, group->entries, group->entry_count);
	}
	*out = '\0';
	r->unit->service_text = text;
	r->unit->service_text_bytes = (size_t)(out - text);
}

static size_t count_slashes(const char *text)
{
	size_t count = 0;

	for (; (text = strchr(text, '/')) != NULL; text++)
		count++;
	return count;
}

/* The link's path comes in parts, up to NULL. */
static void write_link(struct reading *r, struct buf *out, const char *const *parts)
{
	static const char begin[] = "---symlink ", arrow[] = " -> ", end[] = "---\n", up[] = "../";
	size_t path_bytes = 0, depth = 0;
	char *at;

	for (size_t i = 0; parts[i]; i++) {
		path_bytes += strlen(parts[i]);
		depth += count_slashes(parts[i]);
	}
	at = buf_extend(out, strlen(begin) + path_bytes + strlen(arrow) + depth * strlen(up) +
				     strlen(r->unit->service_name) + strlen(end));
	if (!at)
		return;
	at = mempcpy(at, begin, sizeof(begin) - 1);
	for (size_t i = 0; parts[i]; i++)
		at = write_word(at, parts[i]);
	at = mempcpy(at, arrow, sizeof(arrow) - 1);
	for (; depth; depth--)
		at = mempcpy(at, up, sizeof(up) - 1);
	at = write_word(at, r->unit->service_name);
	memcpy(at, end, sizeof(end) - 1);
}

/* Without "." and ".."; NULL when it is no name below the folder that the links are made in: the
 * generator makes none then. */
static const char *clean_alias(struct reading *r, const char *alias)
{
	char clean[4096];
	auto_buf rooted = BUF_INIT(sizeof(clean));
	size_t depth = 0;

	if (alias[0] == '/')
		return NULL;
	for (const char *p = alias; *p; p += strspn(p, "/")) {
		size_t len = strcspn(p, "/");

		if (len == 2 && p[0] == '.' && p[1] == '.' && depth-- == 0)
			return NULL;
		depth += !(len == 1 && p[0] == '.') && !(len == 2 && p[0] == '.' && p[1] == '.');
		p += len;
	}
	buf_printf(&rooted, "/%s", alias);
	if (!depth || rooted.failed || !path_clean(buf_str(&rooted), clean, sizeof(clean)))
		return NULL;
	return arena_strdup(r->arena, clean + 1);
}

/* The name that [Install] starts: of a template its DefaultInstance=, or nothing. */
static const char *installed_name(struct reading *r)
{
	const char *name = r->unit->service_name, *at = strchr(name, '@');
	struct arg instance;

	if (!at || at[1] != '.')
		return name;
	if (!value_string(r, syntax_group(r->file, "Install"), "DefaultInstance", &instance))
		return NULL;
	return arena_printf(r->arena, "%.*s%s%s", (int)(at + 1 - name), name, instance.text,
			    at + 1);
}

static const char *write_links(struct reading *r)
{
	static const char *const keys[][2] = { { "WantedBy", ".wants/" },
					       { "RequiredBy", ".requires/" },
					       { "UpheldBy", ".upholds/" } };
	const struct syntax_group *install = syntax_group(r->file, "Install");
	struct arg_list aliases = value_words(r, install, "Alias");
	const char *name = installed_name(r);
	struct buf *out = start_text(r, 4 * UNIT_MAX_FILE_BYTES);

	for (size_t i = 0; i < aliases.count; i++) {
		const char *alias = clean_alias(r, aliases.items[i].text);

		if (alias)
			write_link(r, out, (const char *const[]){ alias, NULL });
	}
	for (size_t i = 0; name && i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct arg_list words = value_words(r, install, keys[i][0]);

		for (size_t j = 0; j < words.count; j++)
			if (!strchr(words.items[j].text, '/'))
				write_link(r, out,
					   (const char *const[]){ words.items[j].text, keys[i][1],
								  name, NULL });
	}
	return keep_text(r, out);
}

void service_container(struct reading *r, const struct arg_list *run_words)
{
	const char *name = run_words->items[1].text; /* "--name" NAME are the first words */
	struct arg_list rm = { 0 };

	convert_add(r, "Service", "Environment", "PODMAN_SYSTEMD_UNIT=%n");
	service_text_kill_mode(r);
	service_text_push(r, &rm, (const char *const[]){ "rm", "-v", "-f", "-i", name, NULL });
	service_text_command(r, "ExecStop", "", &rm);
	service_text_command(r, "ExecStopPost", "-", &rm);
	add_reload(r, name);
	convert_add(r, "Service", "Delegate", "yes");
	service_text_type(r);
	if (!syntax_last(syntax_group(r->file, "Service"), "SyslogIdentifier"))
		service_text_set(r, "SyslogIdentifier", "%N");
	add_command(r, "ExecStart", "", " run", run_words);
	convert_join_pod(r);
}

void service_text_end(struct reading *r)
{
	r->unit->service_text = r->unit->symlink_text = "";
	r->unit->service_text_bytes = 0;
	if (!r->service || r->has_failed)
		return;
	write_text(r);
	r->unit->symlink_text = write_links(r);
}
