/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The old Remap... keys of [Container], [Pod] and [Kube], which podman still turns into its newer
 * options. They are converted for the dry run only; the engine wants UserNS=. Must never be mixed
 * with the newer keys: podman refuses that.
 */
#include "unit/kinds_internal.h"
#include "util/str.h"

static bool is_mapped(struct reading *r)
{
	struct arg value;

	return value_text(r, r->own, "UserNS", &value) ||
	       value_text(r, r->own, "SubUIDMap", &value) ||
	       value_text(r, r->own, "SubGIDMap", &value) ||
	       value_words(r, r->own, "UIDMap").count || value_words(r, r->own, "GIDMap").count;
}

static void push_maps(struct reading *r, struct arg_list *words, const char *flag,
		      const struct arg_list *maps)
{
	for (size_t i = 0; i < maps->count; i++) {
		arg_push(r->arena, words, flag, maps->items[i].origin);
		arg_push(r->arena, words, maps->items[i].text, maps->items[i].origin);
	}
}

static void add_options(struct buf *options, const char *name, const struct arg_list *maps)
{
	for (size_t i = 0; i < maps->count; i++)
		buf_printf(options, "%c%s=%s", options->len ? ',' : ':', name, maps->items[i].text);
}

static void push_userns(struct reading *r, struct arg_list *words, const struct arg *users,
			const struct arg_list *uids, const struct arg_list *gids)
{
	bool is_auto = str_eq(users->text, "auto");
	auto_buf options = BUF_INIT(4 * UNIT_MAX_LINE_BYTES);

	if (!is_auto && (uids->count > 1 || gids->count > 1))
		reading_fail(r, users->origin, "keep-id takes one user id and one group id");
	add_options(&options, is_auto ? "uidmapping" : "uid", uids);
	add_options(&options, is_auto ? "gidmapping" : "gid", gids);

	unsigned size = is_auto ? value_number(r, r->own, "RemapUidSize", 0) : 0;

	if (size)
		buf_printf(&options, "%csize=%u", options.len ? ',' : ':', size);
	arg_push(r->arena, words, "--userns", users->origin);
	arg_push(r->arena, words, arena_join(r->arena, users->text, buf_str(&options)),
		 users->origin);
}

/* The line that a complaint about old keys points at; NULL: there is none. */
static const struct origin *first_origin(struct reading *r)
{
	static const char *const keys[] = { "RemapUsers", "RemapUid", "RemapGid" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const struct syntax_entry *entry = syntax_last(r->own, keys[i]);

		if (entry)
			return entry->origin;
	}
	return NULL;
}

static void push_manual(struct reading *r, struct arg_list *words, const struct arg *users,
			const struct arg_list *uids, const struct arg_list *gids)
{
	if (r->kind->id == UNIT_KUBE)
		reading_fail(r, users->origin, "manual is not supported for .kube units");
	push_maps(r, words, "--uidmap", uids);
	push_maps(r, words, "--gidmap", gids);
}

/* RemapUsers= is read without taking quotes off, as podman does. */
void convert_user_mapping(struct reading *r, struct arg_list *words)
{
	struct arg_list uids = value_words(r, r->own, "RemapUid");
	struct arg_list gids = value_words(r, r->own, "RemapGid");
	const struct syntax_entry *entry = syntax_last(r->own, "RemapUsers");
	struct arg users = { .text = entry ? entry->value : "", .origin = first_origin(r) };

	if (!users.origin)
		return;
	if (is_mapped(r))
		reading_fail(r, users.origin,
			     "an old Remap key beside UserNS=, UIDMap= or their like");
	else if (!users.text[0] && (uids.count || gids.count))
		reading_fail(r, users.origin, "RemapUid= or RemapGid= without RemapUsers=");
	else if (str_eq(users.text, "manual"))
		push_manual(r, words, &users, &uids, &gids);
	else if (str_eq(users.text, "auto") || str_eq(users.text, "keep-id"))
		push_userns(r, words, &users, &uids, &gids);
	else if (users.text[0])
		reading_fail(r, users.origin, "'%s' is neither manual, auto nor keep-id",
			     users.text);
}
