/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service that podman's generator would write for a .container unit: the unit's own groups, the quadlet group
 * renamed, and the commands. For people who compare, and for hosts that run podman; the engine itself never reads it.
 */
#include "unit/reading_internal.h"
#include "unit/words_internal.h"
#include "util/str.h"

static const char *const dependency_keys[] = {
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

static bool is_unit_file_name(const char *name)
{
	static const char *const suffixes[] = { ".container", ".volume", ".network", ".kube",
						".image",     ".build",	 ".pod",     ".artifact" };

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (str_ends(name, suffixes[i]))
			return true;
	return false;
}

static void remove_key(struct syntax_group *group, const char *key)
{
	size_t kept = 0;

	for (size_t i = 0; i < group->entry_count; i++)
		if (!group->entries[i].key || !str_eq(group->entries[i].key, key))
			group->entries[kept++] = group->entries[i];
	group->entry_count = kept;
}

/* "After=db.container" becomes "After=db.service"; lines are put together when one of them had to be changed. */
static void translate(struct reading *r, const char *key)
{
	struct syntax_group *group = syntax_group(r->service, "Unit");
	struct arg_list words = value_words(r, group, key);
	auto_buf line = BUF_INIT(UNIT_MAX_FILE_BYTES);
	bool has_changed = false;

	for (size_t i = 0; i < words.count; i++) {
		const char *text = words.items[i].text;

		if (is_unit_file_name(text)) {
			const struct unit_name *name = unit_name_find(r->names, text);

			if (!name)
				reading_fail(r, words.items[i].origin, "there is no unit %s", text);
			text = name ? name->service : text;
			has_changed = true;
		}
		buf_printf(&line, "%s%s", i ? " " : "", text);
	}
	if (!has_changed)
		return;
	remove_key(group, key);
	convert_add(r, "Unit", key, arena_strdup(r->arena, buf_str(&line)));
}

static void prepend(struct reading *r, const char *key, const char *value)
{
	struct syntax_group *group = syntax_group_ensure(r->service, r->arena, "Unit");

	(void)arena_push(r->arena, group->entries, group->entry_count);
	memmove(group->entries + 1, group->entries,
		(group->entry_count - 1) * sizeof(group->entries[0]));
	group->entries[0] = (struct syntax_entry){ .key = key, .value = value };
}

static void rename_group(struct reading *r, const char *from, const char *to)
{
	struct syntax_group *group = syntax_group(r->service, from),
			    *old = syntax_group(r->service, to);

	if (!group)
		return;
	if (!old) {
		group->name = to;
		return;
	}
	for (size_t i = 0; i < group->entry_count; i++)
		*arena_push(r->arena, old->entries, old->entry_count) = group->entries[i];

	size_t index = (size_t)(group - r->service->groups);

	r->service->group_count--;
	memmove(group, group + 1, (r->service->group_count - index) * sizeof(*group));
}

void service_text_begin(struct reading *r, struct syntax_file *service)
{
	const char *online = r->facts->is_user ? "podman-user-wait-network-online.service" :
						 "network-online.target";

	syntax_copy(service, r->arena, r->file);
	r->service = service;
	for (size_t i = 0; i < sizeof(dependency_keys) / sizeof(dependency_keys[0]); i++)
		translate(r, dependency_keys[i]);
	if (value_bool(r, syntax_group(r->file, "Quadlet"), "DefaultDependencies") != VALUE_FALSE) {
		prepend(r, "After", online);
		prepend(r, "Wants", online);
	}
	convert_add(r, "Unit", "SourcePath",
		    arena_printf(r->arena, "%s/%s", r->unit->folder, r->unit->name));
	convert_add(r, "Unit", "RequiresMountsFor", "%t/containers");
	rename_group(r, "Container", "X-Container");
	rename_group(r, "Quadlet", "X-Quadlet");
}

static void set(struct reading *r, const char *key, const char *value)
{
	struct syntax_entry *entry = syntax_last(syntax_group(r->service, "Service"), key);

	if (entry)
		entry->value = value;
	else
		convert_add(r, "Service", key, value);
}

/* "podman [--module=..] [global options] WORDS" as the value of an Exec key. */
static void add_command(struct reading *r, const char *key, const char *prefix,
			const struct arg_list *words)
{
	struct arg_list modules = value_list(r, r->container, "ContainersConfModule");
	struct arg_list global = value_args(r, r->container, "GlobalArgs");
	auto_buf line = BUF_INIT(8 * UNIT_MAX_FILE_BYTES);

	buf_puts(&line, prefix);
	words_escape(&line, r->facts->podman ? r->facts->podman : "/usr/bin/podman");
	for (size_t i = 0; i < modules.count; i++) {
		buf_putc(&line, ' ');
		words_escape(&line, arena_printf(r->arena, "--module=%s", modules.items[i].text));
	}
	for (size_t i = 0; i < global.count; i++) {
		buf_putc(&line, ' ');
		words_escape(&line, global.items[i].text);
	}
	for (size_t i = 0; i < words->count; i++) {
		buf_putc(&line, ' ');
		words_escape(&line, words->items[i].text);
	}
	convert_add(r, "Service", key, arena_strdup(r->arena, buf_str(&line)));
}

static void push_all(struct reading *r, struct arg_list *words, const char *const *texts)
{
	for (; *texts; texts++)
		arg_push(r->arena, words, *texts, NULL);
}

static void add_kill_mode(struct reading *r)
{
	struct arg mode;

	if (!value_string(r, syntax_group(r->file, "Service"), "KillMode", &mode))
		set(r, "KillMode", "mixed");
	else if (!str_eq(mode.text, "mixed") && !str_eq(mode.text, "control-group"))
		reading_fail(r, mode.origin, "'%s' is neither mixed nor control-group", mode.text);
}

static void add_reload(struct reading *r, const char *name)
{
	struct arg_list command = value_last_args(r, r->container, "ReloadCmd"), words = { 0 };
	struct arg signal;
	bool has_signal = value_text(r, r->container, "ReloadSignal", &signal);

	if (command.count && has_signal)
		reading_fail(r, signal.origin, "ReloadCmd and ReloadSignal exclude each other");
	if (command.count) {
		push_all(r, &words, (const char *const[]){ "exec", name, NULL });
		for (size_t i = 0; i < command.count; i++)
			arg_push(r->arena, &words, command.items[i].text, NULL);
	} else if (has_signal) {
		push_all(r, &words,
			 (const char *const[]){ "kill", "--signal", signal.text, name, NULL });
	} else {
		return;
	}
	add_command(r, "ExecReload", "", &words);
}

static void add_type(struct reading *r)
{
	struct arg type;
	bool is_set = value_string(r, syntax_group(r->file, "Service"), "Type", &type);

	if (is_set && !str_eq(type.text, "notify") && !str_eq(type.text, "oneshot"))
		reading_fail(r, type.origin, "'%s' is neither notify nor oneshot", type.text);
	if (!is_set || !str_eq(type.text, "oneshot")) {
		set(r, "Type", "notify");
		set(r, "NotifyAccess", "all");
	}
}

static void write_entries(struct buf *out, const struct syntax_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buf_printf(out, "%s%s%s\n", entries[i].key ? entries[i].key : "",
			   entries[i].key ? "=" : "", entries[i].value);
}

static const char *write_text(struct reading *r)
{
	auto_buf out = BUF_INIT(64 * UNIT_MAX_FILE_BYTES);

	for (size_t i = 0; i < r->service->group_count; i++) {
		const struct syntax_group *group = &r->service->groups[i];

		if (i)
			buf_putc(&out, '\n');
		write_entries(&out, group->comments, group->comment_count);
		buf_printf(&out, "[%s]\n", group->name);
		write_entries(&out, group->entries, group->entry_count);
	}
	return arena_strdup(r->arena, buf_str(&out));
}

/* The target of a link that lies depth folders down. */
static void write_link(struct reading *r, struct buf *out, const char *link)
{
	buf_printf(out, "---symlink %s -> ", link);
	for (const char *p = link; *p; p++)
		if (*p == '/')
			buf_puts(out, "../");
	buf_printf(out, "%s---\n", r->unit->service_name);
}

/* The name that [Install] starts: of a template its DefaultInstance=, or nothing. */
static const char *installed_name(struct reading *r)
{
	const char *name = r->unit->service_name, *at = strchr(name, '@');
	struct arg instance;

	if (!at || at[1] != '.')
		return name;
	if (!value_text(r, syntax_group(r->file, "Install"), "DefaultInstance", &instance))
		return NULL;
	return arena_printf(r->arena, "%.*s%s%s", (int)(at + 1 - name), name, instance.text,
			    at + 1);
}

static const char *write_links(struct reading *r)
{
	static const char *const keys[][2] = { { "WantedBy", "wants" },
					       { "RequiredBy", "requires" },
					       { "UpheldBy", "upholds" } };
	const struct syntax_group *install = syntax_group(r->file, "Install");
	struct arg_list aliases = value_words(r, install, "Alias");
	const char *name = installed_name(r);
	auto_buf out = BUF_INIT(4 * UNIT_MAX_FILE_BYTES);

	for (size_t i = 0; i < aliases.count; i++)
		write_link(r, &out, aliases.items[i].text);
	for (size_t i = 0; name && i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct arg_list words = value_words(r, install, keys[i][0]);

		for (size_t j = 0; j < words.count; j++)
			if (!strchr(words.items[j].text, '/'))
				write_link(r, &out,
					   arena_printf(r->arena, "%s.%s/%s", words.items[j].text,
							keys[i][1], name));
	}
	return arena_strdup(r->arena, buf_str(&out));
}

void service_text_end(struct reading *r, const struct arg_list *run_words)
{
	const char *name = run_words->items[1].text; /* "--name" NAME are the first words */
	struct arg_list run = { 0 }, rm = { 0 };

	convert_add(r, "Service", "Environment", "PODMAN_SYSTEMD_UNIT=%n");
	add_kill_mode(r);
	push_all(r, &rm, (const char *const[]){ "rm", "-v", "-f", "-i", name, NULL });
	add_command(r, "ExecStop", "", &rm);
	add_command(r, "ExecStopPost", "-", &rm);
	add_reload(r, name);
	convert_add(r, "Service", "Delegate", "yes");
	add_type(r);
	if (!syntax_last(syntax_group(r->file, "Service"), "SyslogIdentifier"))
		set(r, "SyslogIdentifier", "%N");
	push_all(r, &run, (const char *const[]){ "run", NULL });
	for (size_t i = 0; i < run_words->count; i++)
		arg_push(r->arena, &run, run_words->items[i].text, NULL);
	add_command(r, "ExecStart", "", &run);
	r->unit->service_text = r->has_failed ? "" : write_text(r);
	r->unit->symlink_text = r->has_failed ? "" : write_links(r);
}
