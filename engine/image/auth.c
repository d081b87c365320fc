/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth.json (containers-auth.json(5)) and Docker's config.json, which has the same "auths": who we are to which registry.
 * Programs that would answer (credHelpers, credsStore) are named in notes, not run. Must never put a value of the file into
 * a message: names of keys only.
 */
#include <mbedtls/base64.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

#include "image/pull_config_internal.h"
#include "util/str.h"

#define AUTH_MAX_BYTES (1024 * 1024)
#define AUTH_MAX_ENTRIES 4096
#define AUTH_TEXT_MAX_BYTES (64 * 1024) /* of one password or token */

static void free_doc(yyjson_doc **doc)
{
	yyjson_doc_free(*doc);
}
#define auto_doc __attribute__((cleanup(free_doc))) yyjson_doc

struct auth_reader {
	const char *path;
	struct arena *arena;
	struct pull_notes *notes;
	struct auth_file *out;
	struct err *err;
};

/* A key of the file, for messages: bounded, and never a value. */
#define KEY_FMT "%.128s"

static int read_text(struct auth_reader *r, const char *where, const char *name, yyjson_val *value,
		     const char **out)
{
	if (!yyjson_is_str(value))
		return err_set(r->err, ERR_INPUT, "%s: " KEY_FMT ": %s is not a string", r->path,
			       where, name);
	if (strlen(yyjson_get_str(value)) != yyjson_get_len(value))
		return err_set(r->err, ERR_INPUT, "%s: " KEY_FMT ": %s holds a NUL byte", r->path,
			       where, name);
	if (yyjson_get_len(value) > AUTH_TEXT_MAX_BYTES)
		return err_set(r->err, ERR_LIMIT, "%s: " KEY_FMT ": %s is longer than %d bytes",
			       r->path, where, name, AUTH_TEXT_MAX_BYTES);
	*out = arena_strdup(r->arena, yyjson_get_str(value));
	return 0;
}

static int read_key(struct auth_reader *r, const char *where, yyjson_val *key, const char **out)
{
	if (yyjson_get_len(key) == 0 || yyjson_get_len(key) > REF_MAX)
		return err_set(r->err, ERR_INPUT, "%s: %s: a name of %zu bytes", r->path, where,
			       yyjson_get_len(key));
	return read_text(r, where, "name", key, out);
}

static int read_entry(struct auth_reader *r, const char *key, yyjson_val *object)
{
	struct auth_entry *entry = arena_push(r->arena, r->out->entries, r->out->entry_count);
	yyjson_obj_iter iter = yyjson_obj_iter_with(object);
	const struct {
		const char *name;
		const char **to;
	} members[] = {
		{ "auth", &entry->auth },
		{ "username", &entry->user },
		{ "password", &entry->password },
		{ "identitytoken", &entry->identity_token },
	};
	yyjson_val *name;

	*entry = (struct auth_entry){
		.key = key, .auth = "", .user = "", .password = "", .identity_token = ""
	};
	while ((name = yyjson_obj_iter_next(&iter))) {
		size_t i = 0;

		while (i < sizeof(members) / sizeof(members[0]) &&
		       !yyjson_equals_str(name, members[i].name))
			i++;
		if (i < sizeof(members) / sizeof(members[0])) {
			if (read_text(r, key, members[i].name, yyjson_obj_iter_get_val(name),
				      members[i].to) < 0)
				return -1;
		} else if (!yyjson_equals_str(name, "email") &&
			   !yyjson_equals_str(name, "serveraddress")) {
			pull_note(r->notes, r->arena, "%s: " KEY_FMT ": %.64s is not used", r->path,
				  key, yyjson_get_str(name));
		}
	}
	return 0;
}

static int read_auths(struct auth_reader *r, yyjson_val *auths)
{
	yyjson_obj_iter iter = yyjson_obj_iter_with(auths);
	yyjson_val *name;

	if (!yyjson_is_obj(auths))
		return err_set(r->err, ERR_INPUT, "%s: auths is not an object", r->path);
	if (yyjson_obj_size(auths) > AUTH_MAX_ENTRIES)
		return err_set(r->err, ERR_LIMIT, "%s: auths has more than %d entries", r->path,
			       AUTH_MAX_ENTRIES);
	while ((name = yyjson_obj_iter_next(&iter))) {
		yyjson_val *value = yyjson_obj_iter_get_val(name);
		const char *key;

		if (read_key(r, "auths", name, &key) < 0)
			return -1;
		if (!yyjson_is_obj(value))
			return err_set(r->err, ERR_INPUT, "%s: auths: " KEY_FMT " is not an object",
				       r->path, key);
		for (size_t i = 0; i < r->out->entry_count; i++)
			if (str_eq(r->out->entries[i].key, key))
				return err_set(r->err, ERR_INPUT,
					       "%s: auths: " KEY_FMT " stands there twice", r->path,
					       key);
		if (read_entry(r, key, value) < 0)
			return -1;
	}
	return 0;
}

static int read_cred_helpers(struct auth_reader *r, yyjson_val *helpers)
{
	yyjson_obj_iter iter = yyjson_obj_iter_with(helpers);
	yyjson_val *name;

	if (yyjson_is_null(helpers))
		return 0;
	if (!yyjson_is_obj(helpers))
		return err_set(r->err, ERR_INPUT, "%s: credHelpers is not an object", r->path);
	while ((name = yyjson_obj_iter_next(&iter))) {
		struct auth_helper *helper =
			arena_push(r->arena, r->out->helpers, r->out->helper_count);

		if (read_key(r, "credHelpers", name, &helper->host) < 0 ||
		    read_text(r, "credHelpers", helper->host, yyjson_obj_iter_get_val(name),
			      &helper->program) < 0)
			return -1;
		pull_note(r->notes, r->arena,
			  "%s: credHelpers: " KEY_FMT ": docker-credential-%.64s is not supported: "
			  "write user and password below auths",
			  r->path, helper->host, helper->program);
	}
	return 0;
}

static int read_creds_store(struct auth_reader *r, yyjson_val *store)
{
	const char *program;

	if (yyjson_is_null(store))
		return 0;
	if (read_text(r, "credsStore", "name", store, &program) < 0)
		return -1;
	if (program[0])
		pull_note(
			r->notes, r->arena,
			"%s: credsStore: docker-credential-%.64s is not supported: write user and "
			"password below auths",
			r->path, program);
	return 0;
}

/* What "docker login" of long ago wrote has no "auths" around the entries. */
static int read_other(struct auth_reader *r, const char *key, yyjson_val *value)
{
	if (yyjson_is_obj(value) &&
	    (yyjson_obj_get(value, "auth") || yyjson_obj_get(value, "identitytoken")))
		return err_set(r->err, ERR_INPUT,
			       "%s: " KEY_FMT ": entries stand below \"auths\": {\"auths\": "
			       "{\"HOST\": {\"auth\": \"...\"}}}",
			       r->path, key);
	pull_note(r->notes, r->arena, "%s: %.64s is not used", r->path, key);
	return 0;
}

static int read_root(struct auth_reader *r, yyjson_val *root)
{
	yyjson_obj_iter iter = yyjson_obj_iter_with(root);
	bool seen = false;
	yyjson_val *name;

	while ((name = yyjson_obj_iter_next(&iter))) {
		yyjson_val *value = yyjson_obj_iter_get_val(name);
		int rc;

		if (yyjson_equals_str(name, "auths")) {
			if (seen)
				return err_set(r->err, ERR_INPUT, "%s: auths stands there twice",
					       r->path);
			seen = true;
			rc = yyjson_is_null(value) ? 0 : read_auths(r, value);
		} else if (yyjson_equals_str(name, "credHelpers")) {
			rc = read_cred_helpers(r, value);
		} else if (yyjson_equals_str(name, "credsStore")) {
			rc = read_creds_store(r, value);
		} else {
			rc = read_other(r, yyjson_get_str(name), value);
		}
		if (rc < 0)
			return -1;
	}
	return 0;
}

int auth_parse(const char *path, const char *text, size_t length, struct arena *arena,
	       struct pull_notes *notes, struct auth_file *out, struct err *err)
{
	struct auth_reader r = {
		.path = path, .arena = arena, .notes = notes, .out = out, .err = err
	};
	yyjson_read_err why;
	auto_doc *doc = NULL;

	*out = (struct auth_file){ .path = path };
	if (length > AUTH_MAX_BYTES)
		return err_set(err, ERR_LIMIT, "%s: larger than %d bytes", path, AUTH_MAX_BYTES);
	/* without INSITU the input is not changed */
	doc = yyjson_read_opts((char *)(uintptr_t)text, length, YYJSON_READ_NOFLAG, NULL, &why);
	if (!doc) {
		size_t line = 1, column, position;

		yyjson_locate_pos(text, length, why.pos, &line, &column, &position);
		return err_set(err, ERR_INPUT, "%s:%zu: %s", path, line, why.msg);
	}
	if (!yyjson_is_obj(yyjson_doc_get_root(doc)))
		return err_set(err, ERR_INPUT, "%s: not a JSON object", path);
	return read_root(&r, yyjson_doc_get_root(doc));
}

/* --- looking up --- */

/* Docker Hub's registry, its API and its name in "docker login" are one. */
static const char *hub_name(const char *host)
{
	if (str_eq(host, "docker.io") || str_eq(host, "registry-1.docker.io"))
		return "index.docker.io";
	return host;
}

/* "https://index.docker.io/v1/" as older clients wrote it: the host. */
static bool key_means_host(const char *key, const char *host)
{
	const char *rest = key;
	char name[REF_MAX + 1];

	if (str_starts(rest, "http://"))
		rest += strlen("http://");
	if (str_starts(rest, "https://"))
		rest += strlen("https://");
	if (!str_copy(name, sizeof(name), rest))
		return false;
	if (rest != key)
		name[strcspn(name, "/")] = '\0';
	return str_eq(hub_name(name), hub_name(host));
}

/* HOST/a/b/c, HOST/a/b, HOST/a, HOST; then by host name whatever the spelling. */
static const struct auth_entry *find_entry(const struct auth_file *file, const char *host,
					   const char *repository)
{
	char key[2 * REF_MAX];
	char *slash;

	snprintf(key, sizeof(key), "%s/%s", host, repository);
	for (;;) {
		for (size_t i = 0; i < file->entry_count; i++)
			if (str_eq(file->entries[i].key, key))
				return &file->entries[i];
		slash = strrchr(key, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
	for (size_t i = 0; i < file->entry_count; i++)
		if (key_means_host(file->entries[i].key, host))
			return &file->entries[i];
	return NULL;
}

/* base64 of USER:PASSWORD; a password may hold colons and, as Docker pads it, end in NUL bytes. */
static int decode_auth(const struct auth_file *file, const struct auth_entry *entry,
		       struct arena *arena, struct auth_found *out, struct err *err)
{
	size_t length = strlen(entry->auth), decoded_len = 0;
	unsigned char *decoded = arena_alloc(arena, length + 1);
	char *colon;

	if (mbedtls_base64_decode(decoded, length, &decoded_len, (const unsigned char *)entry->auth,
				  length) != 0)
		return err_set(err, ERR_INPUT, "%s: auths: " KEY_FMT ": auth is not base64",
			       file->path, entry->key);
	while (decoded_len > 0 && decoded[decoded_len - 1] == '\0')
		decoded_len--;
	decoded[decoded_len] = '\0';
	if (memchr(decoded, '\0', decoded_len))
		return err_set(err, ERR_INPUT, "%s: auths: " KEY_FMT ": auth holds a NUL byte",
			       file->path, entry->key);
	colon = strchr((char *)decoded, ':');
	if (!colon) {
		out->note = arena_printf(arena,
					 "%s: auths: " KEY_FMT
					 ": auth is not the base64 of USER:PASSWORD",
					 file->path, entry->key);
		return 0;
	}
	*colon = '\0';
	out->user = (char *)decoded;
	out->password = colon + 1;
	return 0;
}

static int take_entry(const struct auth_file *file, const struct auth_entry *entry,
		      struct arena *arena, struct auth_found *out, struct err *err)
{
	if (entry->auth[0]) {
		if (decode_auth(file, entry, arena, out, err) < 0)
			return -1;
	} else if (strchr(entry->user, ':')) {
		/* Basic could not tell it from the password (RFC 7617) */
		out->note = arena_printf(arena, "%s: auths: " KEY_FMT ": username holds a colon",
					 file->path, entry->key);
	} else if (entry->user[0]) {
		out->user = entry->user;
		out->password = entry->password;
	}
	if (entry->identity_token[0])
		out->identity_token = entry->identity_token;
	/* Half of a pair says nothing; beside a token it is a placeholder. */
	if (!out->user || !out->user[0] || !out->password[0])
		out->user = out->password = NULL;
	if (out->user || out->identity_token)
		out->key = entry->key;
	else if (!out->note[0] && (entry->auth[0] || entry->user[0]))
		out->note = arena_printf(arena, "%s: auths: " KEY_FMT ": user or password is empty",
					 file->path, entry->key);
	return 0;
}

static void note_helper(const struct auth_file *file, const char *host, struct arena *arena,
			struct auth_found *out)
{
	for (size_t i = 0; i < file->helper_count; i++)
		if (str_eq(hub_name(file->helpers[i].host), hub_name(host)) && !out->note[0])
			out->note = arena_printf(arena,
						 "%s: credHelpers: " KEY_FMT
						 ": docker-credential-%.64s is not supported",
						 file->path, file->helpers[i].host,
						 file->helpers[i].program);
}

int auth_find(const struct auth_file *files, size_t count, const char *host, const char *repository,
	      struct arena *arena, struct auth_found *out, struct err *err)
{
	*out = (struct auth_found){ .key = "", .note = "" };
	for (size_t i = 0; i < count && !out->key[0]; i++) {
		const struct auth_entry *entry = find_entry(&files[i], host, repository);

		note_helper(&files[i], host, arena, out);
		if (entry && take_entry(&files[i], entry, arena, out, err) < 0)
			return -1;
	}
	if (out->key[0])
		out->note = "";
	return 0;
}
