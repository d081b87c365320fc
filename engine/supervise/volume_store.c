/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes and their records. Names are checked before they become part of a path, folders are entered without following a link: a
 * container owns what is below them. Content is never looked at here.
 */
#include "supervise/volume_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <yyjson.h>

#include "util/cleanup.h"
#include "util/file.h"
#include "util/ids.h"
#include "util/json.h"
#include "util/path.h"
#include "util/str.h"

#define RECORDS ".cleat"
#define RECORD "record.json"
#define GRAVE ".removed" /* in RECORDS: what is on its way out */
#define RENAME_EXCHANGE_FLAG 2

static int enter(int parent, const char *name, bool make, mode_t mode, struct err *err)
{
	int fd;

	if (make && mkdirat(parent, name, mode) < 0 && errno != EEXIST)
		return err_sys(err, "%s: mkdir", name);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_sys(err, "%s", name) : fd;
}

static int check_name(const char *name, struct err *err)
{
	if (volume_name_is_valid(name) && strlen(name) <= VOLUME_NAME_MAX_BYTES)
		return 0;
	return err_set(err, ERR_INPUT,
		       "\"%.80s\" is no name of a volume: letters, digits, '_', '.', '-'", name);
}

int volume_store_open(const char *dir, bool make, struct err *err)
{
	int fd;

	if (make && mkdir(dir, 0711) < 0 && errno != EEXIST)
		return err_sys(err, "%s: mkdir", dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_sys(err, "%s", dir) : fd;
}

static int open_record(int store, const char *name, bool make, struct err *err)
{
	auto_fd int records = enter(store, RECORDS, make, 0700, err);

	return records < 0 ? -1 : enter(records, name, make, 0700, err);
}

static void write_pairs(struct json *json, const char *key, const struct spec_pair *pairs,
			size_t count)
{
	json_array(json, key);
	for (size_t i = 0; i < count; i++) {
		json_array(json, NULL);
		json_str(json, NULL, pairs[i].name);
		json_str(json, NULL, pairs[i].value);
		json_array_end(json);
	}
	json_array_end(json);
}

static int write_record(int record, const struct volume_spec *spec, int64_t now_usec,
			struct err *err)
{
	auto_buf text = BUF_INIT(VOLUME_RECORD_MAX_BYTES);
	struct json json = JSON_TO(&text);

	json_object(&json, NULL);
	json_uint(&json, "version", 1);
	json_int(&json, "created_usec", now_usec);
	write_pairs(&json, "labels", spec->labels, spec->label_count);
	write_pairs(&json, "options", spec->options, spec->option_count);
	if (spec->uid != UINT32_MAX)
		json_uint(&json, "uid", spec->uid);
	if (spec->gid != UINT32_MAX)
		json_uint(&json, "gid", spec->gid);
	json_object_end(&json);
	if (buf_check(&text, "record of the volume", err) < 0)
		return -1;
	return file_write_atomic(record, RECORD, text.data, text.len, 0600, false, err);
}

static int owner_of(const struct volume_spec *spec, uint32_t *uid, uint32_t *gid, struct err *err)
{
	if (!ids_to_outside(spec->uid == UINT32_MAX ? 0 : spec->uid, uid) ||
	    !ids_to_outside(spec->gid == UINT32_MAX ? 0 : spec->gid, gid))
		return err_set(err, ERR_INPUT, "owner %u:%u has no place in the id map", spec->uid,
			       spec->gid);
	return 0;
}

/* Made beside its record and renamed: it has its owner or it is not there. */
static int make_folder(int store, int record, const struct volume_spec *spec, struct err *err)
{
	uint32_t uid, gid;

	if (owner_of(spec, &uid, &gid, err) < 0)
		return -1;
	if (unlinkat(record, "new", AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(err, "new");

	auto_fd int dir = enter(record, "new", true, 0700, err);

	if (dir < 0)
		return -1;
	if (fchown(dir, uid, gid) < 0 || fchmod(dir, 0755) < 0)
		return err_sys(err, "owner and mode");
	/* Whoever asks for an owner has one: the first container must not give another. */
	if ((spec->uid != UINT32_MAX || spec->gid != UINT32_MAX) &&
	    file_write_atomic(record, "state", "owned", 5, 0600, false, err) < 0)
		return -1;
	if (renameat(record, "new", store, spec->name) < 0)
		return err_sys(err, "rename");
	return 0;
}

int volume_store_make(int store, const struct volume_spec *spec, int64_t now_usec, bool *made,
		      struct err *err)
{
	struct stat st;
	bool is_new;

	if (made)
		*made = false;
	if (check_name(spec->name, err) < 0)
		return -1;
	is_new = spec->kind == VOLUME_FOLDER &&
		 fstatat(store, spec->name, &st, AT_SYMLINK_NOFOLLOW) < 0;

	auto_fd int record = open_record(store, spec->name, true, err);

	if (record < 0)
		return -1;
	if (fstatat(record, RECORD, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (write_record(record, spec, now_usec, err) < 0)
			return -1;
		if (made)
			*made = spec->kind != VOLUME_FOLDER;
	}
	if (!is_new)
		return 0;
	if (made)
		*made = true;
	return make_folder(store, record, spec, err);
}

static void word(struct arena *arena, struct arg_list *words, const char *flag, yyjson_val *pair)
{
	const char *name = yyjson_get_str(yyjson_arr_get(pair, 0));
	const char *value = yyjson_get_str(yyjson_arr_get(pair, 1));

	if (!name || !value)
		return;
	arg_push(arena, words, flag, NULL);
	arg_push(arena, words,
		 value[0] ? arena_join(arena, name, "=", value) : arena_strdup(arena, name), NULL);
}

static void words_of(struct arena *arena, struct arg_list *words, const char *flag,
		     yyjson_val *pairs)
{
	size_t i, n;
	yyjson_val *pair;

	yyjson_arr_foreach(pairs, i, n, pair) word(arena, words, flag, pair);
}

static void number_word(struct arena *arena, struct arg_list *words, const char *flag,
			yyjson_val *value)
{
	if (!yyjson_is_uint(value))
		return;
	arg_push(arena, words, flag, NULL);
	arg_push(arena, words,
		 arena_printf(arena, "%llu", (unsigned long long)yyjson_get_uint(value)), NULL);
}

/* A record is the words that made it: they are judged again, as those of a unit are. */
static int take_record(yyjson_val *root, struct arena *arena, struct volume_record *out,
		       struct err *err)
{
	struct diags diags = { 0 };
	struct arg_list words = { 0 };
	const char *name = out->spec.name;
	int rc;

	if (yyjson_get_uint(yyjson_obj_get(root, "version")) != 1)
		return err_set(err, ERR_INTEGRITY, "record is of another version");
	words_of(arena, &words, "--label", yyjson_obj_get(root, "labels"));
	words_of(arena, &words, "--opt", yyjson_obj_get(root, "options"));
	/* Of a folder; a tmpfs has them among its options. */
	number_word(arena, &words, "--uid", yyjson_obj_get(root, "uid"));
	number_word(arena, &words, "--gid", yyjson_obj_get(root, "gid"));
	out->created_usec = yyjson_get_sint(yyjson_obj_get(root, "created_usec"));
	rc = volume_from_args(&out->spec, arena, &words, &diags);
	out->spec.name = name;
	if (rc < 0)
		err_set(err, ERR_INTEGRITY, "record: %s",
			diags.count ? diags.items[0].text : "cannot be understood");
	diags_fini(&diags);
	return rc;
}

static int read_record(int record, struct arena *arena, struct volume_record *out, struct err *err)
{
	auto_buf text = BUF_INIT(VOLUME_RECORD_MAX_BYTES);
	yyjson_doc *doc;
	int rc;

	if (file_read_at(record, RECORD, VOLUME_RECORD_MAX_BYTES, &text, err) < 0)
		return -1;
	/* The power went before it reached the disk. */
	if (!text.len)
		return err_set(err, ERR_NOT_FOUND, "record is empty");
	doc = yyjson_read(text.data, text.len, 0);
	if (!doc)
		return err_set(err, ERR_INTEGRITY, "record is no JSON");
	rc = take_record(yyjson_doc_get_root(doc), arena, out, err);
	yyjson_doc_free(doc);
	return rc;
}

int volume_store_read(int store, const char *name, struct arena *arena, struct volume_record *out,
		      struct err *err)
{
	struct stat st;
	bool has_folder;

	*out = (struct volume_record){ 0 };
	if (check_name(name, err) < 0)
		return -1;
	volume_spec_init(&out->spec, arena_strdup(arena, name));
	has_folder = fstatat(store, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
	if (has_folder)
		out->created_usec =
			(int64_t)st.st_ctim.tv_sec * 1000000 + st.st_ctim.tv_nsec / 1000;

	auto_fd int record = open_record(store, name, false, err);

	if (record >= 0 && read_record(record, arena, out, err) == 0) {
		if (has_folder || out->spec.kind != VOLUME_FOLDER)
			return 0;
		/* A record is written first: a crash came between. */
		return err_set(err, ERR_NOT_FOUND, "no volume %s", name);
	}
	if (err->code != ERR_NOT_FOUND)
		return err_wrap(err, "volume %s", name);
	return has_folder ? 0 : err_set(err, ERR_NOT_FOUND, "no volume %s", name);
}

static int by_name(const void *a, const void *b)
{
	const struct volume_record *x = a, *y = b;

	return strcmp(x->spec.name, y->spec.name);
}

static bool is_listed(const struct volume_record *list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(list[i].spec.name, name))
			return true;
	return false;
}

static int list_one(int store, const char *name, struct arena *arena, struct volume_record **out,
		    size_t *count, struct err *err)
{
	struct volume_record found;

	if (volume_store_read(store, name, arena, &found, err) < 0) {
		if (err->code != ERR_INTEGRITY)
			return 0; /* no folder, or gone meanwhile */
		volume_spec_init(&found.spec, arena_strdup(arena, name));
	}
	if (*count >= VOLUME_STORE_MAX)
		return err_set(err, ERR_LIMIT, "more than %d volumes", VOLUME_STORE_MAX);
	*arena_push(arena, *out, *count) = found;
	return 0;
}

static int list_names(int store, int dir, struct arena *arena, struct volume_record **out,
		      size_t *count, struct err *err)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_dir DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	size_t before = *count;

	if (!list) {
		err_sys(err, "opendir");
		close_fd(&fd);
		return -1;
	}
	while ((entry = readdir(list))) {
		if (check_name(entry->d_name, err) < 0 || is_listed(*out, before, entry->d_name))
			continue;
		if (list_one(store, entry->d_name, arena, out, count, err) < 0)
			return -1;
	}
	return 0;
}

int volume_store_list(int store, struct arena *arena, struct volume_record **out, size_t *count,
		      struct err *err)
{
	*out = NULL;
	*count = 0;
	if (list_names(store, store, arena, out, count, err) < 0)
		return -1;

	auto_fd int records = enter(store, RECORDS, false, 0, err);

	if (records >= 0 && list_names(store, records, arena, out, count, err) < 0)
		return -1;
	if (*count)
		qsort(*out, *count, sizeof(**out), by_name);
	return 0;
}

int volume_store_lock(int store, const char *name, struct err *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (check_name(name, err) < 0)
		return -1;

	auto_fd int record = open_record(store, name, true, err);
	auto_fd int fd = record < 0 ? -1 :
				      openat(record, "lock",
					     O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (record < 0)
		return -1;
	if (fd < 0)
		return err_sys(err, "volume %s: lock", name);
	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return take_fd(&fd);
	if (errno == EAGAIN || errno == EACCES)
		return err_set(err, ERR_BUSY, "volume %s is just being filled: try again", name);
	return err_sys(err, "volume %s: lock", name);
}

/* Numbers that are not taken in the grave. */
static int bury(int from, const char *name, int grave, struct err *err)
{
	char hole[32];

	for (unsigned i = 0; i < 1024; i++) {
		snprintf(hole, sizeof(hole), "%d-%u", (int)getpid(), i);
		if (syscall(SYS_renameat2, from, name, grave, hole, 1 /* RENAME_NOREPLACE */) == 0)
			return 0;
		if (errno == ENOENT)
			return 0;
		if (errno != EEXIST)
			return err_sys(err, "%s: rename", name);
	}
	return err_set(err, ERR_LIMIT, "%s: too many leftovers", GRAVE);
}

int volume_store_remove(int store, const char *name, struct err *err)
{
	if (check_name(name, err) < 0)
		return -1;

	auto_fd int records = enter(store, RECORDS, true, 0700, err);
	auto_fd int grave = records < 0 ? -1 : enter(records, GRAVE, true, 0700, err);

	if (grave < 0)
		return -1;
	if (bury(store, name, grave, err) < 0 || bury(records, name, grave, err) < 0)
		return -1;
	return path_remove_tree(records, GRAVE, err);
}

/* Content on its way in; "import" cannot be another volume's: names beside it are its own. */
int volume_store_stage(int store, const char *name, struct err *err)
{
	if (check_name(name, err) < 0)
		return -1;

	auto_fd int record = open_record(store, name, true, err);

	if (record < 0 || path_remove_tree(record, "import", err) < 0)
		return -1;

	auto_fd int dir = enter(record, "import", true, 0700, err);
	struct stat st = { .st_uid = IDS_ROOT, .st_gid = IDS_ROOT, .st_mode = 0755 };
	uint32_t inside;

	if (dir < 0)
		return -1;
	if (fstatat(store, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
		return err_sys(err, "stat");
	/* Whoever fills it is root of the id map only. */
	if (!ids_to_inside(st.st_uid, &inside) || !ids_to_inside(st.st_gid, &inside))
		st.st_uid = st.st_gid = IDS_ROOT;
	if (fchown(dir, st.st_uid, st.st_gid) < 0 || fchmod(dir, st.st_mode & 07777) < 0)
		return err_sys(err, "owner and mode");
	return take_fd(&dir);
}

int volume_store_commit(int store, const char *name, int staged, struct err *err)
{
	auto_fd int record = open_record(store, name, false, err);

	if (record < 0)
		return -1;
	if (syncfs(staged) < 0)
		return err_sys(err, "syncfs");
	/* The image's content is not copied over what was imported, should that be nothing. */
	if (file_write_atomic(record, "state", "copied", 6, 0600, true, err) < 0)
		return -1;
	if (syscall(SYS_renameat2, record, "import", store, name, RENAME_EXCHANGE_FLAG) < 0)
		return err_sys(err, "rename");
	if (fsync(store) < 0)
		return err_sys(err, "fsync");
	return path_remove_tree(record, "import", err);
}

void volume_store_unstage(int store, const char *name)
{
	struct err ignored;
	auto_fd int record = open_record(store, name, false, &ignored);

	if (record >= 0 && path_remove_tree(record, "import", &ignored) < 0)
		return; /* the next import removes it */
}
