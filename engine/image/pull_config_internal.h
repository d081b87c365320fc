/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Between pull_config.c and the readers of each kind of file: registries.c, auth.c, certs.c. All of them are pure and keep
 * everything in the arena of the configuration. A text is a file's bytes, NUL added, without NUL inside.
 */
#include <stdbool.h>
#include <stddef.h>

#include "image/pull_config.h"

#define PULL_NOTES_MAX 64

/* What was read but is not acted on. */
struct pull_notes {
	const char **items;
	size_t count;
};
void pull_note(struct pull_notes *notes, struct arena *arena, const char *fmt, ...)
	ERR_PRINTF(3, 4);

/* --- registries.conf --- */

enum mirror_use { MIRROR_ALL, MIRROR_DIGEST_ONLY, MIRROR_TAG_ONLY };

struct registries_place { /* where a prefix really is, or a copy of it */
	const char *
		location; /* "HOST[:PORT][/PATH]"; "" only for the place of a wildcard: as it was asked for */
	bool insecure;
	enum mirror_use use; /* of mirrors */
	unsigned line;
};

struct registries_row {
	const char *prefix; /* "HOST[:PORT][/PATH][:TAG|@DIGEST]" or "*.DOMAIN" */
	const char *file;
	unsigned line;
	bool blocked, mirror_by_digest_only;
	struct registries_place place;
	struct registries_place *mirrors; /* in the order to ask */
	size_t mirror_count;
};

struct registries_alias {
	const char *name;  /* "team/app" */
	const char *value; /* "registry.example/team/app"; NULL: taken back by a later file */
	const char *file;
	unsigned line;
};

enum short_name_mode { SHORT_NAMES_PERMISSIVE, SHORT_NAMES_ENFORCING, SHORT_NAMES_DISABLED };

struct registries {
	struct registries_row *rows; /* each prefix once */
	size_t row_count;
	struct registries_alias *aliases; /* each name once */
	size_t alias_count;
	const char **search; /* unqualified-search-registries */
	size_t search_count;
	const char *search_file; /* that said so; NULL: none did */
	enum short_name_mode mode;
};

/* Adds a file, read in the order of containers-registries.conf.d(5): what it says replaces what was said before. */
int registries_merge(struct registries *registries, const char *file, const char *text,
		     size_t length, struct arena *arena, struct pull_notes *notes,
		     struct err *err) MUST_CHECK;
/* The row with the longest prefix of a full reference's text; *matched: how many bytes of it the prefix covers. NULL: none. */
const struct registries_row *registries_find(const struct registries *registries,
					     const char *reference, size_t *matched);
const struct registries_alias *registries_alias(const struct registries *registries,
						const char *name);

/* --- auth.json --- */

struct auth_entry {
	const char *key;	     /* "registry.example/team", "https://index.docker.io/v1/" */
	const char *auth;	     /* base64 of USER:PASSWORD; "" */
	const char *user, *password; /* in plain words; "" */
	const char *identity_token;  /* "" */
};

struct auth_helper {
	const char *host, *program; /* credHelpers: a program that we do not have */
};

struct auth_file {
	const char *path;
	struct auth_entry *entries;
	size_t entry_count;
	struct auth_helper *helpers;
	size_t helper_count;
};

struct auth_found {
	const char *key;			      /* "" nothing found */
	const char *user, *password, *identity_token; /* NULL: none */
	const char *note;			      /* why what was found is of no use; "" */
};

/* Errors never hold a value of the file, only names of keys. */
int auth_parse(const char *path, const char *text, size_t length, struct arena *arena,
	       struct pull_notes *notes, struct auth_file *out, struct err *err) MUST_CHECK;
/* The first of the files that knows the repository ("registry.example:5000", "team/app"), by its longest key. */
int auth_find(const struct auth_file *files, size_t count, const char *host, const char *repository,
	      struct arena *arena, struct auth_found *out, struct err *err) MUST_CHECK;

/* --- certs.d --- */

struct certs_file {
	const char *name;
	const char *text; /* NULL: unread */
	size_t length;
	const char *unread; /* why */
};

struct certs_folder {
	const char *host; /* "registry.example:5000"; "" for whatever registry: CertDir= */
	const char *path;
	struct certs_file *files; /* by name */
	size_t file_count;
};

/* Fills CA, client certificate and key from the first folder of the host. Errors: ERR_INPUT naming the file. */
int certs_apply(const struct certs_folder *folders, size_t count, const char *host,
		struct arena *arena, struct pull_endpoint *endpoint, struct err *err) MUST_CHECK;
