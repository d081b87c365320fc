/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Secrets: where they lie and how they are found. A file in the config directory is its value as it
 * is; the store has what was made by "cleat secret create", a record a file. Nothing here
 * holds a value longer than a call, and only who asks for it gets it; finding one reads none of it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/arena.h"
#include "util/err.h"

#define SECRET_MAX_BYTES 512000u /* podman's bound */
#define SECRET_NAME_MAX 253u	 /* podman's bound */
#define SECRET_ID_LEN 25u	 /* lower-case hex digits, as podman's */
#define SECRET_LABELS_MAX_BYTES 16384u
#define SECRET_MAX_COUNT 4096u /* of one place */

struct secret_places {
	const char *config_dir; /* wins; may be missing or read-only */
	const char *store_dir;	/* mode 0700; made by the first secret_put() */
};
extern const struct secret_places secret_places; /* the appliance's */

/* podman's grammar: 1 to SECRET_NAME_MAX bytes without '=', ',' and '/'; and because names are
 * files here: no control bytes, no dot in front. */
bool secret_name_is_valid(const char *name);

/* A value that has not been read. */
struct secret_file {
	int fd;		 /* owned by the caller; at any position */
	uint64_t offset; /* of the value in the file */
	uint64_t length; /* 1 to SECRET_MAX_BYTES */
	bool is_config;	 /* of the config directory */
};

/* ERR_NOT_FOUND names both places; ERR_INPUT, ERR_LIMIT: what is there is none (no regular file,
 * empty, too long); ERR_INTEGRITY: a damaged record. */
int secret_open(const struct secret_places *places, const char *name, struct secret_file *out,
		struct err *err) MUST_CHECK;
/* The whole value into out, which has room for file->length bytes. ERR_INTEGRITY: it has shrunk. */
int secret_read(const struct secret_file *file, void *out, struct err *err) MUST_CHECK;

/* What is known of a secret besides its value. Strings live in the arena. */
struct secret_info {
	const char *name, *id;
	int64_t created_real_usec, updated_real_usec;
	const char **labels; /* "NAME=VALUE", NULL-terminated; NULL: none */
	bool is_config;	     /* a file of the config directory */
};

/* Sorted by name; what is hidden by a file of the config directory is left out. A missing place is
 * empty. Names that secret_name_is_valid() refuses are left out; what is damaged is an error. */
int secret_list(const struct secret_places *places, struct arena *arena, struct secret_info **out,
		size_t *count, struct err *err) MUST_CHECK;

enum secret_put { SECRET_NEW, SECRET_REPLACE };
/* Keeps a value, atomically and durably. labels: "NAME=VALUE"s up to NULL, or NULL; id: the new
 * record's. Replacing keeps the time of creation; what is not there is made. ERR_BUSY: the name
 * is taken. ERR_INPUT, ERR_LIMIT: name, value or labels. */
int secret_put(const struct secret_places *places, const char *name, enum secret_put how,
	       const char *const *labels, const void *value, size_t length,
	       char id[SECRET_ID_LEN + 1], struct err *err) MUST_CHECK;
/* Removes it from the store. ERR_NOT_FOUND. */
int secret_remove(const struct secret_places *places, const char *name, struct err *err) MUST_CHECK;
