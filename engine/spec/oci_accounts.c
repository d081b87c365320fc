/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A user that is only a number has no name, home or shell inside, and what asks for them fails:
 * podman adds a line for it to the container's /etc/passwd, and one for a group that is a number to
 * /etc/group. Which lines the image has, the runtime sees; these are those that it adds if need be.
 */
#include "spec/oci_internal.h"

#include "util/str.h"

struct word {
	const char *name, *value; /* value NULL: left as it is */
};

/* NULL: it is a name. */
static const char *number(struct arena *arena, const char *text)
{
	uint64_t value;

	if (!str_to_u64(text, UINT32_MAX - 1, &value))
		return NULL;
	return arena_printf(arena, "%llu", (unsigned long long)value);
}

/* In one go: what comes in from a word is no word. */
static void write_line(struct oci *o, const char *annotation, const char *text,
		       const struct word *words, size_t count)
{
	auto_buf out = BUF_INIT(OCI_ACCOUNT_MAX_BYTES);

	while (*text) {
		size_t i = 0;

		while (i < count && (!words[i].value || !str_starts(text, words[i].name)))
			i++;
		if (i < count) {
			buf_puts(&out, words[i].value);
			text += strlen(words[i].name);
		} else {
			buf_add(&out, text++, 1);
		}
	}
	if (out.failed)
		oci_remark(o, "%s: longer than %d bytes, it is left out", annotation,
			   OCI_ACCOUNT_MAX_BYTES);
	else
		json_str(o->json, annotation, buf_str(&out));
}

/* A directory of the image's choice may not end the line or its field. */
static const char *home_of(const struct oci *o)
{
	const char *home = oci_workdir(o);

	for (const char *p = home; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == ':')
			return "/";
	return home;
}

/* gid NULL: the group has a name, which is looked up inside */
static void write_passwd(struct oci *o, const char *uid, const char *gid)
{
	const char *entry = o->spec->passwd_entry;
	const struct word words[] = { { "$USERNAME", uid },
				      { "$UID", uid },
				      { "$GID", gid },
				      { "$NAME", "container user" },
				      { "$HOME", home_of(o) } };

	write_line(o, "org.cleat.passwd",
		   entry ? entry : "$USERNAME:*:$UID:$GID:$NAME:$HOME:/bin/sh", words,
		   sizeof(words) / sizeof(words[0]));
}

static void write_group(struct oci *o, const char *gid, const char *user)
{
	const char *entry = o->spec->group_entry;
	const struct word words[] = { { "$GROUPNAME", gid },
				      { "$GID", gid },
				      { "$USERLIST", user } };

	write_line(o, "org.cleat.group", entry ? entry : "$GROUPNAME:x:$GID:$USERLIST", words,
		   sizeof(words) / sizeof(words[0]));
}

/* podman: nothing for a user that nobody has named; and without a group the number of the user is
 * looked for among the groups, although the process has group 0. */
void oci_write_accounts(struct oci *o)
{
	size_t len = strcspn(o->user, ":");
	const char *user = arena_strndup(o->arena, o->user, len);
	const char *group = o->user[len] && o->user[len + 1] ? o->user + len + 1 : NULL;
	const char *uid = number(o->arena, user), *gid = number(o->arena, group ? group : user);

	if (o->spec->no_passwd || !o->user_is_said)
		return;
	if (uid && !oci_user_mounts_over(o->spec, "/etc/passwd"))
		write_passwd(o, uid, group ? gid : "0");
	if (gid && !oci_user_mounts_over(o->spec, "/etc/group"))
		write_group(o, gid, user);
}
