/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collects the files that decide about pulls, as bytes: the part that runs with privilege. It opens, counts and copies, and
 * looks into nothing. Links are followed: these folders are the operator's, and what is mounted into a container is often a
 * link. Must never wait for a FIFO or read a device.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "image/flat.h"
#include "image/pull_config_internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

struct gatherer {
	struct arena *arena; /* names of files */
	struct buf *body;
	size_t files;
	struct err *err;
};

struct names {
	const char **items;
	size_t count;
};

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_plain_name(const char *name)
{
	if (*name == '.')
		return false;
	for (; *name; name++)
		if ((unsigned char)*name < ' ')
			return false;
	return true;
}

/* Sorted; a folder that is not there has no names. Dot files are not looked at: editors and mounts keep their own there. */
static int list_folder(struct gatherer *g, const char *path, struct names *out)
{
	auto_dir DIR *dir = opendir(path);
	struct dirent *entry;

	*out = (struct names){ 0 };
	if (!dir)
		return errno == ENOENT ? 0 : err_sys(g->err, "%s: open", path);
	for (;;) {
		errno = 0;
		entry = readdir(dir);
		if (!entry)
			break;
		if (!is_plain_name(entry->d_name))
			continue;
		if (out->count == PULL_CONFIG_MAX_FILES)
			return err_set(g->err, ERR_LIMIT, "%s: more than %d entries", path,
				       PULL_CONFIG_MAX_FILES);
		*arena_push(g->arena, out->items, out->count) =
			arena_strdup(g->arena, entry->d_name);
	}
	if (errno)
		return err_sys(g->err, "%s: readdir", path);
	if (out->count)
		qsort(out->items, out->count, sizeof(*out->items), compare_names);
	return 0;
}

static int put_record(struct gatherer *g, const char *key, const struct buf *value,
		      const char *path)
{
	flat_putn(g->body, key, buf_str(value), value->len);
	if (g->body->failed || g->body->len > PULL_CONFIG_MAX_BYTES)
		return err_set(g->err, ERR_LIMIT,
			       "%s: with it, the files that decide about pulls are larger than %d "
			       "bytes",
			       path, PULL_CONFIG_MAX_BYTES);
	return 0;
}

/* "HEAD\n" and the bytes of the file. Records are text, so NUL bytes cannot be handed on. */
static int read_bytes(struct gatherer *g, const char *head, const char *path, struct buf *value,
		      struct err *err)
{
	size_t start;

	buf_printf(value, "%s\n", head);
	start = value->len;
	if (file_read_at(AT_FDCWD, path, PULL_CONFIG_MAX_BYTES, value, err) < 0)
		return -1;
	if (++g->files > PULL_CONFIG_MAX_FILES)
		return err_set(err, ERR_LIMIT, "%s: more than %d files", path,
			       PULL_CONFIG_MAX_FILES);
	if (memchr(value->data + start, '\0', value->len - start))
		return err_set(err, ERR_INPUT, "%s: not a text: NUL byte", path);
	return 0;
}

#define VALUE_MAX_BYTES (PULL_CONFIG_MAX_BYTES + 8192)

/* 1 when it was there, 0 when not. */
static int gather_file(struct gatherer *g, const char *key, const char *path, bool *found)
{
	auto_buf value = BUF_INIT(VALUE_MAX_BYTES);
	struct err why;

	*found = false;
	if (read_bytes(g, path, path, &value, &why) < 0) {
		if (why.code == ERR_NOT_FOUND)
			return 0;
		*g->err = why;
		return -1;
	}
	*found = true;
	return put_record(g, key, &value, path);
}

static int put_text(struct gatherer *g, const char *key, const char *text)
{
	struct buf value = { .data = (char *)(uintptr_t)text, .len = strlen(text) };

	return text[0] ? put_record(g, key, &value, key) : 0;
}

static int gather_dropins(struct gatherer *g, const char *folder)
{
	const char *path = arena_join(g->arena, folder, "/registries.conf.d");
	struct names names;
	bool found;

	if (list_folder(g, path, &names) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		const char *file = arena_join(g->arena, path, "/", names.items[i]);
		struct stat st;

		if (!str_ends(names.items[i], ".conf") ||
		    (stat(file, &st) == 0 && S_ISDIR(st.st_mode)))
			continue;
		if (gather_file(g, "registries", file, &found) < 0)
			return -1;
		if (!found) /* a link to nowhere: what it was to say may be "blocked" */
			return err_errno(g->err, ENOENT, "%s: open", file);
	}
	return 0;
}

/* As podman does with a user's and the system's: our own registries.conf replaces the system's with its drop-ins; without
 * one, the system's come first and our drop-ins after them. */
static int gather_registries(struct gatherer *g, const char *own, const char *const *system)
{
	bool found = false;

	if (own &&
	    gather_file(g, "registries", arena_join(g->arena, own, "/registries.conf"), &found) < 0)
		return -1;
	if (!found) {
		for (size_t i = 0; system && system[i] && !found; i++)
			if (gather_file(g, "registries",
					arena_join(g->arena, system[i], "/registries.conf"),
					&found) < 0)
				return -1;
		for (size_t i = 0; system && system[i]; i++)
			if (gather_dropins(g, system[i]) < 0)
				return -1;
	}
	return own ? gather_dropins(g, own) : 0;
}

static int gather_auth(struct gatherer *g, const struct pull_places *places, const char *own)
{
	bool found;

	if (places->auth_file && places->auth_file[0]) {
		if (gather_file(g, "auth", places->auth_file, &found) < 0)
			return err_wrap(g->err, "AuthFile");
		if (!found)
			return err_errno(g->err, ENOENT, "AuthFile: %s: open", places->auth_file);
		return 0;
	}
	if (own && gather_file(g, "auth", arena_join(g->arena, own, "/auth.json"), &found) < 0)
		return -1;
	for (size_t i = 0; places->system_dirs && places->system_dirs[i]; i++)
		if (gather_file(g, "auth",
				arena_join(g->arena, places->system_dirs[i], "/auth.json"),
				&found) < 0)
			return -1;
	return 0;
}

/* One registry's folder. What cannot be read there concerns that registry alone, so the reason is handed on instead. */
static int gather_certs_folder(struct gatherer *g, const char *host, const char *path)
{
	auto_buf head = BUF_INIT(VALUE_MAX_BYTES);
	struct names names;

	if (list_folder(g, path, &names) < 0)
		return -1;
	buf_printf(&head, "%s\n%s", host, path);
	if (put_record(g, "certs", &head, path) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		const char *file = arena_join(g->arena, path, "/", names.items[i]);
		auto_buf value = BUF_INIT(VALUE_MAX_BYTES);
		const char *key = "cert";
		struct err why;

		if (!str_ends(file, ".crt") && !str_ends(file, ".cert") &&
		    !str_ends(file, ".key")) {
			buf_printf(&value, "%s", names.items[i]);
			key = "cert-other";
		} else if (read_bytes(g, names.items[i], file, &value, &why) < 0) {
			if (why.code == ERR_LIMIT) {
				*g->err = why;
				return -1;
			}
			buf_clear(&value);
			buf_printf(&value, "%s\n%s", names.items[i], why.msg);
			key = "cert-unread";
		}
		if (put_record(g, key, &value, file) < 0)
			return -1;
	}
	return 0;
}

static int gather_certs(struct gatherer *g, const char *folder)
{
	const char *path = arena_join(g->arena, folder, "/certs.d");
	struct names names;

	if (list_folder(g, path, &names) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		const char *host = arena_join(g->arena, path, "/", names.items[i]);
		struct stat st;

		if (stat(host, &st) < 0 || !S_ISDIR(st.st_mode))
			continue;
		if (gather_certs_folder(g, names.items[i], host) < 0)
			return -1;
	}
	return 0;
}

static int gather_all_certs(struct gatherer *g, const struct pull_places *places, const char *own)
{
	struct stat st;

	if (places->cert_dir && places->cert_dir[0]) {
		if (stat(places->cert_dir, &st) < 0)
			return err_sys(g->err, "CertDir: %s: stat", places->cert_dir);
		return gather_certs_folder(g, "", places->cert_dir);
	}
	if (own && gather_certs(g, own) < 0)
		return -1;
	for (size_t i = 0; places->system_dirs && places->system_dirs[i]; i++)
		if (gather_certs(g, places->system_dirs[i]) < 0)
			return -1;
	return 0;
}

static int gather_ca(struct gatherer *g, const char *const *files)
{
	bool found = false;

	for (size_t i = 0; files && files[i] && !found; i++)
		if (gather_file(g, "ca", files[i], &found) < 0)
			return -1;
	return 0;
}

static int gather_settings(struct gatherer *g, const struct pull_places *places)
{
	const struct {
		const char *key, *value;
	} settings[] = {
		{ "config-folder", places->config_dir },
		{ "creds", places->creds },
		{ "tls-verify", !places->tls_verify_given ? NULL :
				places->tls_verify	  ? "1" :
							    "0" },
		{ "http-proxy", places->http_proxy },
		{ "https-proxy", places->https_proxy },
		{ "no-proxy", places->no_proxy },
	};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (settings[i].value && put_text(g, settings[i].key, settings[i].value) < 0)
			return -1;
	return 0;
}

int pull_config_gather(const struct pull_places *places, struct buf *bundle, struct err *err)
{
	const char *own = places->config_dir && places->config_dir[0] ? places->config_dir : NULL;
	auto_buf body = BUF_INIT(PULL_CONFIG_MAX_BYTES);
	auto_arena names = { 0 };
	struct err ignored;
	struct gatherer g = { .arena = &names, .body = &body, .err = err ? err : &ignored };

	if (gather_settings(&g, places) < 0 ||
	    gather_registries(&g, own, places->system_dirs) < 0 ||
	    gather_auth(&g, places, own) < 0 || gather_all_certs(&g, places, own) < 0 ||
	    gather_ca(&g, places->ca_files) < 0)
		return -1;
	return flat_seal("pullconfig", &body, bundle, err);
}
