/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who needs, waits for and starts whom: the dependencies of [Unit], and [Install], which says the same from the other
 * side. A name is a unit of the set, something that an appliance always has, a group, or unknown here; must never
 * pass over an unknown one in silence.
 */
#include <stdlib.h>
#include <strings.h>

#include "unit/kinds_internal.h"
#include "unit/names_internal.h"
#include "unit/service_internal.h"
#include "util/str.h"

/* What is there from the first moment on an appliance: nothing to wait for, nothing to say. Sorted. */
static const char *const built_in[] = {
	"-.mount",
	"-.slice",
	"NetworkManager-wait-online.service",
	"basic.target",
	"boot-complete.target",
	"config.mount",
	"cryptsetup.target",
	"data.mount",
	"default.target",
	"emergency.target",
	"final.target",
	"first-boot-complete.target",
	"getty.target",
	"graphical.target",
	"halt.target",
	"integritysetup.target",
	"kexec.target",
	"local-fs-pre.target",
	"local-fs.target",
	"machine.slice",
	"machines.target",
	"multi-user.target",
	"network-online.target",
	"network-pre.target",
	"network.target",
	"nss-lookup.target",
	"nss-user-lookup.target",
	"paths.target",
	"podman-user-wait-network-online.service",
	"poweroff.target",
	"reboot.target",
	"remote-cryptsetup.target",
	"remote-fs-pre.target",
	"remote-fs.target",
	"rescue.target",
	"rpcbind.target",
	"run.mount",
	"shutdown.target",
	"sleep.target",
	"slices.target",
	"sockets.target",
	"soft-reboot.target",
	"swap.target",
	"sysinit.target",
	"system.slice",
	"systemd-networkd-wait-online.service",
	"time-set.target",
	"time-sync.target",
	"timers.target",
	"tmp.mount",
	"umount.target",
	"user.slice",
	"veritysetup.target",
};

static int compare_names(const void *key, const void *item)
{
	return strcmp(key, *(const char *const *)item);
}

static bool is_built_in(const char *target)
{
	return bsearch(target, built_in, sizeof(built_in) / sizeof(built_in[0]),
		       sizeof(built_in[0]), compare_names) != NULL;
}

/* Suffixes of systemd's units; the files of podman's kinds are none to systemd. */
static bool has_unit_suffix(const char *name)
{
	static const char *const suffixes[] = { ".service", ".target", ".socket",   ".mount",
						".timer",   ".path",   ".slice",    ".device",
						".swap",    ".scope",  ".automount" };

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (str_ends(name, suffixes[i]) && strlen(name) > strlen(suffixes[i]))
			return true;
	return false;
}

/* systemd.unit(5): the alphabet and the length of names. */
static bool is_unit_name(const char *name)
{
	return has_unit_suffix(name) && strlen(name) < 256 && name_is_spelled(name);
}

void service_add_dep(struct reading *r, struct unit *unit, enum service_dep_kind kind,
		     const char *target, const struct origin *origin)
{
	reading_add_dep(r, unit,
			&(struct service_dep){ .kind = kind, .target = target, .origin = origin });
}

static void add_group(struct reading *r, enum service_dep_kind kind, const char *name,
		      const struct origin *origin)
{
	struct service *service = &r->unit->service;
	struct service_group *group = arena_push(r->arena, service->groups, service->group_count);

	*group = (struct service_group){ name, kind, origin };
}

static bool is_required(enum service_dep_kind kind)
{
	return kind == SERVICE_DEP_REQUIRES || kind == SERVICE_DEP_BINDS_TO ||
	       kind == SERVICE_DEP_REQUISITE;
}

static const char *what_to_do(const char *target)
{
	if (str_ends(target, ".mount") || str_ends(target, ".automount"))
		return "mounts are the appliance's own: put what is needed below /data, and take the name out";
	if (str_ends(target, ".socket"))
		return "there is no socket activation: take the name out, or write Wants= if the unit can do without";
	if (str_ends(target, ".target"))
		return "a target that nobody reaches: write default.target in WantedBy=, or After=network-online.target";
	if (str_ends(target, ".service"))
		return "add a unit file for it, or write Wants= if this unit can do without";
	return "nothing here makes it: take the name out";
}

static void missing_dep(struct reading *r, enum service_dep_kind kind, const char *target,
			const struct origin *origin)
{
	char hint[STR_HINT_BYTES];

	reading_name_hint(r, target, hint);
	if (is_required(kind)) {
		reading_refuse(r, origin, "there is no unit %s, and it is required%s: %s", target,
			       hint, what_to_do(target));
		return;
	}
	/* Other units may name it in WantedBy=; what it is to this one the graph knows when all are read. */
	bool may_be_group = str_ends(target, ".target");

	if (may_be_group)
		service_add_dep(r, r->unit, kind, target, origin);
	reading_note(
		r, origin,
		arena_printf(
			r->arena,
			may_be_group ?
				"there is no unit %s: it stands for the units that say WantedBy=%s, if any" :
				"there is no unit %s: ignored%s",
			target, may_be_group ? target : hint));
}

/* "db@.service" in the instance web@a means db@a.service; in a unit without an instance its prefix takes the place. */
static const char *fill_template(struct reading *r, const char *target)
{
	const char *at = strchr(target, '@'), *own = r->unit->service_name;

	if (!at || at[1] != '.')
		return target;

	const char *own_at = strchr(own, '@');
	const char *instance = own_at && own_at[1] != '.' ? own_at + 1 : own;
	size_t len = own_at && own_at[1] != '.' ? strlen(instance) - strlen(".service") :
						  strcspn(own, own_at ? "@" : ".");

	return arena_printf(r->arena, "%.*s%.*s%s", (int)(at + 1 - target), target, (int)len,
			    instance, at + 1);
}

static const char *const boot_targets[] = { "default.target", "multi-user.target",
					    "graphical.target", NULL };

static bool is_boot(const char *target)
{
	for (const char *const *boot = boot_targets; *boot; boot++)
		if (str_eq(target, *boot))
			return true;
	return false;
}

/* What was meant by a name that is none: in brackets, or "". */
static const char *name_hint(struct reading *r, const char *name, bool is_install)
{
	static const char *const suffixes[] = { ".service", ".target", NULL };
	static const char *const boots[] = { "boot", "always", "default", "startup", "enabled",
					     "true", "yes",    "on",	  "1",	     NULL };
	const char *dot = strrchr(name, '.'), *target = arena_join(r->arena, name, ".target");
	char hint[STR_HINT_BYTES];

	if (strchr(name, ','))
		return " (blanks part names, commas do not)";
	for (size_t i = 0; is_install && boots[i]; i++)
		if (strcasecmp(name, boots[i]) == 0)
			return " (write default.target)";
	if (!dot && is_install && str_hint(hint, target, boot_targets)[0])
		return arena_printf(r->arena, " (%s)", hint + strlen(": "));
	if (!dot && name_is_spelled(name))
		return arena_printf(r->arena, " (write %s%s)", name,
				    is_built_in(target) || is_boot(target) ? ".target" :
									     ".service");
	if (!dot || has_unit_suffix(name) || !name_is_spelled(name) ||
	    !str_hint(hint, dot, suffixes)[0])
		return "";
	return arena_printf(r->arena, " (write %.*s%s)", (int)(dot - name), name,
			    str_starts(hint, ": did you mean .s") ? ".service" : ".target");
}

static void read_dep(struct reading *r, const struct service_rule *rule, const struct arg *word)
{
	enum service_dep_kind kind = (enum service_dep_kind)rule->low;
	const char *target = expand_specifiers(r, word->text, word->origin);
	const struct unit_name *name;

	if (!target)
		return;
	name = unit_name_find(r->names, target);
	target = fill_template(r, name ? name->service : target);
	name = unit_name_find_service(r->names, target);
	if (name)
		service_add_dep(r, r->unit, kind, name->service, word->origin);
	else if (kind_of(target) || is_built_in(target))
		return; /* podman's pass said that there is no such file */
	else if (!strchr(target, '.'))
		service_reject(r, rule, word->origin, "'%s' has no suffix like .service%s", target,
			       name_hint(r, target, false));
	else if (!is_unit_name(target))
		service_reject(r, rule, word->origin, "'%s' is no name of a unit%s", target,
			       name_hint(r, target, false));
	else
		missing_dep(r, kind, target, word->origin);
}

static bool is_repeated(struct reading *r, const char *key)
{
	const struct syntax_group *group = syntax_group(r->file, "Unit");
	size_t count = 0;

	for (size_t i = 0; i < group->entry_count; i++)
		count += group->entries[i].key && str_eq(group->entries[i].key, key);
	return count > 1;
}

void service_read_deps(struct reading *r, const struct service_rule *rule,
		       const struct syntax_entry *entry)
{
	struct arg_list words;

	if (!entry->value[0]) {
		if (is_repeated(r, rule->key))
			reading_warn(
				r, entry->origin,
				"dependencies cannot be taken back: systemd ignores an empty line here");
		return;
	}
	words = service_words(r, entry, WORDS_PLAIN);
	for (size_t i = 0; i < words.count; i++)
		read_dep(r, rule, &words.items[i]);
}

static struct unit *find_unit(struct reading *r, const char *service)
{
	const struct unit_name *name = unit_name_find_service(r->names, service);

	/* Names and units stand in the same order. */
	return name ? &r->set->units[name - r->names->items] : NULL;
}

/* WantedBy=web.service makes web.service want this unit: the dependency belongs to the other. */
static void read_install_word(struct reading *r, const struct service_rule *rule,
			      const struct arg *word)
{
	enum service_dep_kind kind = (enum service_dep_kind)rule->low;
	const char *target = expand_specifiers(r, word->text, word->origin);
	struct unit *other;
	char hint[STR_HINT_BYTES];

	if (!target)
		return;
	if (kind_of(target) || !is_unit_name(target)) {
		const struct unit_name *name = unit_name_find(r->names, target);

		service_reject(r, rule, word->origin,
			       name ? "'%s' means nothing in [Install] (write %s)" :
				      "'%s' is no name of a unit%s",
			       target, name ? name->service : name_hint(r, target, true));
		return;
	}
	other = find_unit(r, target);
	if (other) {
		service_add_dep(r, other, kind, r->unit->service_name, word->origin);
		return;
	}
	add_group(r, kind, target, word->origin);
	if (is_boot(target))
		r->unit->service.boot = true;
	else if (str_hint(hint, target, boot_targets)[0])
		reading_warn(r, word->origin, "nothing starts %s at boot, nor this unit with it%s",
			     target, hint);
	else
		reading_note(
			r, word->origin,
			arena_printf(
				r->arena,
				"%s is no unit here: this unit is one of the group %s, which nothing starts at boot; write default.target for that",
				target, target));
}

/* An empty line takes back the names before it, so the whole is read at the last line. */
void service_read_install(struct reading *r, const struct service_rule *rule,
			  const struct syntax_entry *entry)
{
	const struct syntax_group *install = syntax_group(r->file, "Install");
	struct arg_list words;

	if (syntax_last(install, rule->key) != entry)
		return;
	words = value_words(r, install, rule->key);
	for (size_t i = 0; i < words.count; i++)
		read_install_word(r, rule, &words.items[i]);
}

void service_read_aliases(struct reading *r, const struct service_rule *rule,
			  const struct syntax_entry *entry)
{
	const struct syntax_group *install = syntax_group(r->file, "Install");
	struct arg_list words;

	if (syntax_last(install, rule->key) != entry)
		return;
	words = value_words(r, install, rule->key);
	for (size_t i = 0; i < words.count; i++) {
		const char *name = expand_specifiers(r, words.items[i].text, words.items[i].origin);

		if (name && (!str_ends(name, ".service") || !is_unit_name(name)))
			service_reject(r, rule, words.items[i].origin,
				       "'%s' is no name of a service", name);
		else if (name)
			arg_push(r->arena, &r->unit->service.aliases, name, words.items[i].origin);
	}
}

void service_read_mounts_for(struct reading *r, const struct service_rule *rule,
			     const struct syntax_entry *entry)
{
	struct arg_list words = service_words(r, entry, WORDS_PLAIN);

	for (size_t i = 0; i < words.count; i++) {
		const char *path = expand_specifiers(r, words.items[i].text, words.items[i].origin);

		if (path && path[0] != '/')
			service_reject(r, rule, words.items[i].origin, "'%s' is no absolute path",
				       path);
		else if (path)
			arg_push(r->arena, &r->unit->service.mounts_for, path,
				 words.items[i].origin);
	}
}
