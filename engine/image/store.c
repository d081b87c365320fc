/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking things up in the image store. Runs in the engine's loop: reads small bounded files, never
 * writes but to make an empty layout, and believes nothing without its completion record.
 */
#include "image/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/flat.h"
#include "image/store_internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/path.h"
#include "util/str.h"

#define STORE_MAJOR 1

/* The runtime opens layers while it still is the appliance's root. What lies in them belongs to the
 * root of all containers, so nobody else may walk there: one that has /data for a volume could
 * change the image of all the others. */
static const struct {
	const char *path;
	mode_t mode;
} store_layout[] = {
	{ "layers", 0700 },	   { "layers/sha256", 0700 }, { "images", 0700 },
	{ "images/sha256", 0700 }, { "refs", 0700 },	      { "archives", 0700 },
	{ "tmp", 0700 },
};

static int check_version(const struct store *store, bool *missing, struct err *err)
{
	auto_buf text = BUF_INIT(64);
	uint64_t major;
	size_t digits;

	*missing = false;
	if (file_read_at(store->fd, "VERSION", text.max, &text, err) < 0) {
		*missing = err->code == ERR_NOT_FOUND;
		return *missing ? 0 : err_wrap(err, "VERSION");
	}
	digits = strspn(buf_str(&text), "0123456789");
	if (text.data && digits < text.len && strchr(".\n", text.data[digits]))
		text.data[digits] = '\0';
	if (!str_to_u64(buf_str(&text), UINT32_MAX, &major))
		return err_set(err, ERR_INTEGRITY, "VERSION is not a version number");
	if (major != STORE_MAJOR)
		return err_set(
			err, ERR_UNSUPPORTED,
			"layout version %llu is not known to this version (it knows %d): nothing was "
			"written",
			(unsigned long long)major, STORE_MAJOR);
	return 0;
}

/* The mode holds whatever the umask is, and for folders that are there already. */
static int make_layout_folder(int store, const char *path, mode_t mode, struct err *err)
{
	struct stat st;

	if (mkdirat(store, path, mode) < 0 && errno != EEXIST)
		return err_sys(err, "%s: mkdir", path);
	if (fstatat(store, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "%s: stat", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_INTEGRITY, "%s: not a directory", path);
	if ((st.st_mode & 07777) != mode && fchmodat(store, path, mode, 0) < 0)
		return err_sys(err, "%s: chmod", path);
	return 0;
}

static int make_layout(const struct store *store, bool write_version, struct err *err)
{
	for (size_t i = 0; i < sizeof(store_layout) / sizeof(store_layout[0]); i++)
		if (make_layout_folder(store->fd, store_layout[i].path, store_layout[i].mode, err) <
		    0)
			return -1;
	if (!write_version)
		return 0;
	return file_write_atomic(store->fd, "VERSION", "1\n", 2, 0644, true, err);
}

static int open_checked(struct store *store, const char *path, struct err *err)
{
	bool missing;

	store->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->fd < 0 && errno == ENOENT) {
		if (path_mkdirs(path, 0711, err) < 0)
			return -1;
		store->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (store->fd < 0)
		return err_sys(err, "open");
	if (!realpath(path, store->path))
		return err_sys(err, "realpath");
	if (faccessat(store->fd, ".", W_OK, 0) < 0)
		store->read_only = true;
	if (check_version(store, &missing, err) < 0)
		return -1;
	return store->read_only ? 0 : make_layout(store, missing, err);
}

static int absolute_path(const char *path, char out[PATH_MAX], struct err *err)
{
	char here[PATH_MAX] = "";
	int n;

	if (*path != '/' && !getcwd(here, sizeof(here)))
		return err_sys(err, "getcwd");
	n = snprintf(out, PATH_MAX, "%s%s%s", here, here[0] ? "/" : "", path);
	return n < 0 || n >= PATH_MAX ? err_errno(err, ENAMETOOLONG, "path") : 0;
}

struct store *store_open(const char *path, bool *read_only_out, struct err *err)
{
	struct store *store = calloc(1, sizeof(*store));
	char absolute[PATH_MAX];

	if (!store) {
		err_errno(err, ENOMEM, "image store");
		return NULL;
	}
	store->fd = store->lock_fd = -1;
	if (absolute_path(path, absolute, err) < 0 || open_checked(store, absolute, err) < 0) {
		err_wrap(err, "image store %s", path);
		store_close(store);
		return NULL;
	}
	if (read_only_out)
		*read_only_out = store->read_only;
	return store;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	close_fd(&store->lock_fd);
	close_fd(&store->fd);
	free(store);
}

void store_encode_name(const char *text, char out[STORE_NAME_SIZE])
{
	static const char digits[] = "0123456789ABCDEF";
	char digest[DIGEST_STR_LEN + 1];
	size_t len = 0;

	for (const char *p = text; *p && len < 200; p++) {
		unsigned char c = (unsigned char)*p;

		/* no dots: ".tmp-PID" behind a name is file_write_atomic()'s alone */
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '_' || c == '-') {
			out[len++] = (char)c;
		} else {
			out[len++] = '%';
			out[len++] = digits[c >> 4];
			out[len++] = digits[c & 15];
		}
	}
	out[len] = '\0';
	if (len < 200)
		return;
	/* NAME_MAX is 255: two long names must not meet in one file */
	digest_of(text, strlen(text), digest);
	snprintf(out + 150, STORE_NAME_SIZE - 150, "~%.40s", digest + 7);
}

void store_object_path(const char *kind, const char *digest, char out[STORE_NAME_SIZE])
{
	snprintf(out, STORE_NAME_SIZE, "%s/sha256/%.64s", kind, digest + 7);
}

int store_read_file(const struct store *store, const char *path, size_t max, struct buf *out,
		    struct err *err)
{
	buf_clear(out);
	out->max = max;
	if (file_read_at(store->fd, path, max, out, err) < 0)
		return -1;
	/* a crash between creation and write leaves an empty file on some file systems */
	if (out->len == 0)
		return err_set(err, ERR_INTEGRITY, "%s is empty", path);
	return 0;
}

static int check_completion(const struct store *store, const char *kind, const char *digest,
			    struct err *err)
{
	auto_buf text = BUF_INIT(FLAT_SMALL_MAX_BYTES);
	char path[STORE_NAME_SIZE], file[STORE_NAME_SIZE + 16];
	struct flat_reader reader;
	struct flat_line line;
	struct stat st;

	store_object_path(kind, digest, path);
	snprintf(file, sizeof(file), "%s/complete", path);
	if (store_read_file(store, file, FLAT_SMALL_MAX_BYTES, &text, err) < 0) {
		if (err->code == ERR_NOT_FOUND &&
		    fstatat(store->fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return err_set(err, ERR_INTEGRITY, "%s: no completion record", path);
		return -1;
	}
	if (flat_open(text.data, text.len, "complete", &reader, err) < 0)
		return err_wrap(err, "%s", file);
	for (;;) {
		if (flat_next(&reader, &line, err) < 0)
			return err_wrap(err, "%s", file);
		if (!line.key)
			return err_set(err, ERR_INTEGRITY, "%s: no digest", file);
		if (str_eq(line.key, "digest"))
			break;
	}
	if (!str_eq(line.value, digest))
		return err_set(err, ERR_INTEGRITY, "%s: record of another digest", file);
	return 0;
}

int store_check_layer(const struct store *store, const char *diff_id, struct err *err)
{
	return check_completion(store, "layers", diff_id, err);
}

int store_check_image(const struct store *store, const char *digest, struct err *err)
{
	return check_completion(store, "images", digest, err);
}

int store_ref_read(const struct store *store, const char *name, struct store_ref *out,
		   struct err *err)
{
	auto_buf text = BUF_INIT(FLAT_SMALL_MAX_BYTES);
	char encoded[STORE_NAME_SIZE], path[STORE_NAME_SIZE + 8];
	struct flat_reader reader;
	struct flat_line line;
	bool is_this = false;

	memset(out, 0, sizeof(*out));
	store_encode_name(name, encoded);
	snprintf(path, sizeof(path), "refs/%s", encoded);
	if (store_read_file(store, path, FLAT_SMALL_MAX_BYTES, &text, err) < 0)
		return -1;
	if (flat_open(text.data, text.len, "ref", &reader, err) < 0)
		return err_wrap(err, "%s", path);
	for (;;) {
		if (flat_next(&reader, &line, err) < 0)
			return err_wrap(err, "%s", path);
		if (!line.key)
			break;
		if (str_eq(line.key, "name"))
			is_this = str_eq(line.value, name);
		else if (str_eq(line.key, "digest"))
			str_copy(out->digest, sizeof(out->digest), line.value);
		else if (str_eq(line.key, "index") && digest_is_valid(line.value))
			str_copy(out->index, sizeof(out->index), line.value);
		else if (str_eq(line.key, "source"))
			str_copy(out->source, sizeof(out->source), line.value);
	}
	if (!is_this || !digest_is_valid(out->digest))
		return err_set(err, ERR_INTEGRITY, "%s: torn reference record", path);
	return 0;
}

struct facts {
	struct arena *arena;
	const struct store *store;
	struct store_image *image;
	size_t env_count, entrypoint_count, command_count, volume_count, layer_count;
	size_t health_count;
};

static void push_text(struct facts *f, const char ***list, size_t *count, const char *value)
{
	*arena_push(f->arena, *list, *count) = arena_strdup(f->arena, value);
}

static int add_layer(struct facts *f, const char *digest, struct err *err)
{
	char path[STORE_NAME_SIZE];

	if (!digest_is_valid(digest))
		return err_set(err, ERR_INTEGRITY, "facts: a layer without digest");
	if (f->layer_count == STORE_MAX_LAYERS)
		return err_set(err, ERR_LIMIT, "facts: more than %d layers", STORE_MAX_LAYERS);
	if (store_check_layer(f->store, digest, err) < 0) {
		err->code = ERR_INTEGRITY;
		return err_wrap(err, "layer %s", digest);
	}
	store_object_path("layers", digest, path);
	*arena_push(f->arena, f->image->layers, f->layer_count) =
		arena_printf(f->arena, "%s/%s/root", f->store->path, path);
	return 0;
}

/* False: another key. A number that is none was never written by us: as if it were not there. */
static bool add_health(struct facts *f, const struct flat_line *line)
{
	struct store_image *image = f->image;
	const struct {
		const char *key;
		uint64_t *value;
	} numbers[] = {
		{ "health-interval-usec", &image->health_interval_usec },
		{ "health-timeout-usec", &image->health_timeout_usec },
		{ "health-start-period-usec", &image->health_start_period_usec },
		{ "health-start-interval-usec", &image->health_start_interval_usec },
		{ "health-retries", &image->health_retries },
	};

	if (str_eq(line->key, "health-test")) {
		push_text(f, &image->health_test, &f->health_count, line->value);
		return true;
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (str_eq(line->key, numbers[i].key)) {
			if (!str_to_u64(line->value, INT64_MAX, numbers[i].value))
				*numbers[i].value = 0;
			return true;
		}
	return false;
}

static int add_fact(struct facts *f, const struct flat_line *line, struct err *err)
{
	struct store_image *image = f->image;

	if (str_eq(line->key, "user"))
		image->user = arena_strdup(f->arena, line->value);
	else if (str_eq(line->key, "workdir"))
		image->workdir = arena_strdup(f->arena, line->value);
	else if (str_eq(line->key, "stop-signal"))
		image->stop_signal = arena_strdup(f->arena, line->value);
	else if (str_eq(line->key, "env"))
		push_text(f, &image->env, &f->env_count, line->value);
	else if (str_eq(line->key, "entrypoint"))
		push_text(f, &image->entrypoint, &f->entrypoint_count, line->value);
	else if (str_eq(line->key, "command"))
		push_text(f, &image->command, &f->command_count, line->value);
	else if (str_eq(line->key, "volume"))
		push_text(f, &image->volumes, &f->volume_count, line->value);
	else if (str_eq(line->key, "layer"))
		return add_layer(f, line->value, err);
	else if (add_health(f, line))
		return 0;
	/* other keys come from a later version and add to what is known here */
	return 0;
}

static void terminate_lists(struct facts *f)
{
	*arena_push(f->arena, f->image->env, f->env_count) = NULL;
	*arena_push(f->arena, f->image->entrypoint, f->entrypoint_count) = NULL;
	*arena_push(f->arena, f->image->command, f->command_count) = NULL;
	*arena_push(f->arena, f->image->volumes, f->volume_count) = NULL;
	*arena_push(f->arena, f->image->layers, f->layer_count) = NULL;
	*arena_push(f->arena, f->image->health_test, f->health_count) = NULL;
}

static int read_facts(const struct store *store, const char *digest, struct arena *arena,
		      struct store_image *out, struct err *err)
{
	auto_buf text = BUF_INIT(FLAT_FACTS_MAX_BYTES);
	struct facts facts = { .arena = arena, .store = store, .image = out };
	char path[STORE_NAME_SIZE], file[STORE_NAME_SIZE + 16];
	struct flat_reader reader;
	struct flat_line line;

	*out = (struct store_image){ .user = "", .workdir = "", .stop_signal = "" };
	str_copy(out->digest, sizeof(out->digest), digest);
	store_object_path("images", digest, path);
	snprintf(file, sizeof(file), "%s/facts", path);
	if (store_read_file(store, file, FLAT_FACTS_MAX_BYTES, &text, err) < 0) {
		err->code = ERR_INTEGRITY;
		return -1;
	}
	if (flat_open(text.data, text.len, "facts", &reader, err) < 0)
		return err_wrap(err, "%s", file);
	for (;;) {
		if (flat_next(&reader, &line, err) < 0)
			return err_wrap(err, "%s", file);
		if (!line.key)
			break;
		if (add_fact(&facts, &line, err) < 0)
			return -1;
	}
	if (facts.layer_count == 0)
		return err_set(err, ERR_INTEGRITY, "%s: no layers", file);
	terminate_lists(&facts);
	return 0;
}

/* A name leads to a digest by its record; a digest also stands for itself. */
static int find_digest(const struct store *store, const struct image_ref *ref, const char *name,
		       struct store_ref *out, struct err *err)
{
	if (ref->digest[0] && store_check_image(store, ref->digest, err) == 0) {
		memset(out, 0, sizeof(*out));
		str_copy(out->digest, sizeof(out->digest), ref->digest);
		return 0;
	}
	if (store_ref_read(store, name, out, err) < 0) {
		if (err->code != ERR_NOT_FOUND)
			return -1;
		return err_set(err, ERR_NOT_FOUND, "not in the image store %s", store->path);
	}
	/* what a digest means cannot change, wherever it came from */
	if (ref->digest[0])
		out->source[0] = '\0';
	if (store_check_image(store, out->digest, err) < 0) {
		err->code = ERR_INTEGRITY;
		return -1;
	}
	return 0;
}

int store_find(struct store *store, const struct image_ref *ref, struct arena *arena,
	       struct store_image *out, const char **source_out, struct err *err)
{
	struct store_ref found;
	char name[REF_MAX];

	ref_format(ref, name);
	if (find_digest(store, ref, name, &found, err) < 0 ||
	    read_facts(store, found.digest, arena, out, err) < 0)
		return err_wrap(err, "image %s", name);
	if (source_out)
		*source_out = arena_strdup(arena, found.source);
	return 0;
}

int store_source_of(const char *path, char *out, size_t size, struct err *err)
{
	char folder[PATH_MAX];
	struct stat file, dir;
	char *slash;
	int n;

	if (!str_copy(folder, sizeof(folder), path) || !(slash = strrchr(folder, '/')))
		return err_set(err, ERR_LIMIT, "%.200s: path is not absolute or too long", path);
	slash[slash == folder ? 1 : 0] = '\0';
	if (stat(path, &file) < 0)
		return err_sys(err, "%s: stat", path);
	if (stat(folder, &dir) < 0)
		return err_sys(err, "%s: stat", folder);
	n = snprintf(out, size, "%s %lld %lld.%09ld %lld.%09ld", path, (long long)file.st_size,
		     (long long)file.st_mtim.tv_sec, file.st_mtim.tv_nsec,
		     (long long)dir.st_mtim.tv_sec, dir.st_mtim.tv_nsec);
	if (n < 0 || (size_t)n >= size)
		return err_set(err, ERR_LIMIT, "%.200s: path is too long", path);
	return 0;
}

#define REGISTRY_SOURCE "registry "

/* FROM is a host and a path, without blanks; a folder that is not there has no time. */
int store_source_of_registry(const char *from, const char *image_dir, char *out, size_t size,
			     struct err *err)
{
	struct stat dir = { 0 };
	char host[512];
	int n;

	if (!from) {
		const char *begin =
			str_starts(out, REGISTRY_SOURCE) ? out + strlen(REGISTRY_SOURCE) : out;

		n = snprintf(host, sizeof(host), "%.*s", (int)strcspn(begin, " "), begin);
		if (n < 0 || (size_t)n >= sizeof(host))
			return err_set(err, ERR_INTEGRITY, "torn source of an image");
	} else if (!str_copy(host, sizeof(host), from) || strchr(host, ' ')) {
		return err_set(err, ERR_LIMIT, "%.200s: no registry's name", from);
	}
	if (stat(image_dir, &dir) < 0 && errno != ENOENT)
		return err_sys(err, "%s: stat", image_dir);
	n = snprintf(out, size, REGISTRY_SOURCE "%s %s %lld.%09ld", host, image_dir,
		     (long long)dir.st_mtim.tv_sec, dir.st_mtim.tv_nsec);
	if (n < 0 || (size_t)n >= size)
		return err_set(err, ERR_LIMIT, "%.200s: path is too long", image_dir);
	return 0;
}

static bool registry_is_current(const char *source)
{
	struct stat dir = { 0 };
	char folder[PATH_MAX], now[48];
	const char *path = source + strlen(REGISTRY_SOURCE);
	const char *time = strrchr(path, ' ');

	path += strcspn(path, " ");
	if (!time || time <= path || (size_t)(time - path) > sizeof(folder))
		return false;
	snprintf(folder, sizeof(folder), "%.*s", (int)(time - path - 1), path + 1);
	if (stat(folder, &dir) < 0 && errno != ENOENT)
		return false;
	snprintf(now, sizeof(now), "%lld.%09ld", (long long)dir.st_mtim.tv_sec,
		 dir.st_mtim.tv_nsec);
	return str_eq(now, time + 1);
}

bool store_source_is_current(const char *source)
{
	char path[PATH_MAX], now[PATH_MAX + 128];
	struct err ignored;
	size_t len;

	if (*source == '\0')
		return true;
	if (str_starts(source, REGISTRY_SOURCE))
		return registry_is_current(source);
	/* a path may hold blanks; the three numbers after it do not */
	if (!str_copy(now, sizeof(now), source))
		return false;
	for (int i = 0; i < 3; i++) {
		char *blank = strrchr(now, ' ');

		if (!blank)
			return false;
		*blank = '\0';
	}
	len = strlen(now);
	if (len >= sizeof(path))
		return false;
	memcpy(path, now, len + 1);
	return store_source_of(path, now, sizeof(now), &ignored) == 0 && str_eq(now, source);
}
