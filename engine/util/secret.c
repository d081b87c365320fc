/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding secrets and keeping those of the store. A record is one file, replaced whole by rename,
 * so that a value and what is said about it never come apart. Must never put a value into an error,
 * a buffer that outlives the call, or a file that others may read.
 */
#include "util/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/cleanup.h"
#include "util/digest.h"
#include "util/file.h"
#include "util/path.h"
#include "util/places.h"
#include "util/str.h"

#define RECORD_MAGIC 0x31534543u /* "CES1" */
#define RECORD_VERSION 1

/* In front of labels (each NUL-terminated) and value. Grows at its end only. */
struct record {
	uint32_t magic;
	uint16_t version, length; /* of this structure */
	uint32_t label_bytes, value_bytes;
	int64_t created_real_usec, updated_real_usec;
	char id[32];
};

const struct secret_places secret_places = { CLEAT_SECRET_DIR, CLEAT_SECRET_STORE };

bool secret_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > SECRET_NAME_MAX || name[0] == '.')
		return false;
	for (const unsigned char *p = (const unsigned char *)name; *p; p++)
		if (*p < ' ' || *p == 0x7f || strchr("=,/", *p))
			return false;
	return true;
}

static int check_name(const char *name, struct err *err)
{
	if (secret_name_is_valid(name))
		return 0;
	return err_set(err, ERR_INPUT,
		       "secret name \"%.64s\": 1 to %u characters without \"=\", \",\", \"/\", "
		       "control characters or a dot in front",
		       name, SECRET_NAME_MAX);
}

/* ERR_NOT_FOUND: no such file, or no such directory. O_NONBLOCK: a fifo would hold up the open. */
static int open_file(const char *dir, const char *name, struct stat *st, struct err *err)
{
	auto_fd int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_fd int fd = -1;

	if (at < 0)
		return err_sys(err, "%s", dir);
	fd = openat(at, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "%s/%s", dir, name);
	if (fstat(fd, st) < 0)
		return err_sys(err, "%s/%s", dir, name);
	if (!S_ISREG(st->st_mode))
		return err_set(err, ERR_INPUT, "%s/%s: not a regular file", dir, name);
	return take_fd(&fd);
}

static int check_length(uint64_t length, struct err *err)
{
	if (length == 0)
		return err_set(err, ERR_INPUT, "is empty: a secret has 1 to %u bytes",
			       SECRET_MAX_BYTES);
	if (length > SECRET_MAX_BYTES)
		return err_set(err, ERR_LIMIT, "has %llu bytes: a secret has 1 to %u",
			       (unsigned long long)length, SECRET_MAX_BYTES);
	return 0;
}

static int read_at(int fd, void *out, size_t length, uint64_t offset, struct err *err)
{
	size_t got = 0;

	while (got < length) {
		ssize_t n = pread(fd, (char *)out + got, length - got, (off_t)(offset + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read");
		if (n == 0)
			return err_set(err, ERR_INTEGRITY, "the file has shrunk");
		got += (size_t)n;
	}
	return 0;
}

int secret_read(const struct secret_file *file, void *out, struct err *err)
{
	return read_at(file->fd, out, (size_t)file->length, file->offset, err);
}

static int read_record(int fd, const struct stat *st, struct record *out, struct err *err)
{
	*out = (struct record){ 0 };
	if (st->st_size < (off_t)sizeof(*out) || read_at(fd, out, sizeof(*out), 0, err) < 0 ||
	    out->magic != RECORD_MAGIC || out->length < sizeof(*out) ||
	    out->label_bytes > SECRET_LABELS_MAX_BYTES || out->value_bytes == 0 ||
	    out->value_bytes > SECRET_MAX_BYTES || !str_is_hex(out->id, SECRET_ID_LEN) ||
	    (uint64_t)st->st_size != (uint64_t)out->length + out->label_bytes + out->value_bytes)
		return err_set(err, ERR_INTEGRITY, "not a whole record of a secret");
	return 0;
}

static int open_config(const char *dir, const char *name, struct secret_file *out, struct err *err)
{
	struct stat st;
	auto_fd int fd = open_file(dir, name, &st, err);

	if (fd < 0)
		return -1;
	if (check_length((uint64_t)st.st_size, err) < 0)
		return err_wrap(err, "%s/%s", dir, name);
	*out = (struct secret_file){ .length = (uint64_t)st.st_size, .is_config = true };
	out->fd = take_fd(&fd);
	return 0;
}

static int open_store(const char *dir, const char *name, struct secret_file *out, struct err *err)
{
	struct stat st;
	struct record record;
	auto_fd int fd = open_file(dir, name, &st, err);

	if (fd < 0)
		return -1;
	if (read_record(fd, &st, &record, err) < 0)
		return err_wrap(err, "%s/%s", dir, name);
	*out = (struct secret_file){ .offset = record.length + record.label_bytes,
				     .length = record.value_bytes };
	out->fd = take_fd(&fd);
	return 0;
}

int secret_open(const struct secret_places *places, const char *name, struct secret_file *out,
		struct err *err)
{
	*out = (struct secret_file){ .fd = -1 };
	if (check_name(name, err) < 0)
		return -1;
	if (open_config(places->config_dir, name, out, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND)
		return err_wrap(err, "secret %s", name);
	if (open_store(places->store_dir, name, out, err) == 0)
		return 0;
	if (err->code != ERR_NOT_FOUND)
		return err_wrap(err, "secret %s", name);
	return err_set(
		err, ERR_NOT_FOUND,
		"secret %s is missing: there is neither a file %s/%s nor one made by \"cleat "
		"secret create\" (%s)",
		name, places->config_dir, name, places->store_dir);
}

/* --- the store --- */

static int64_t real_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int make_id(char id[SECRET_ID_LEN + 1], struct err *err)
{
	unsigned char bytes[(SECRET_ID_LEN + 1) / 2];
	char hex[2 * sizeof(bytes) + 1];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return err_sys(err, "getrandom");
	str_hex(bytes, sizeof(bytes), hex);
	memcpy(id, hex, SECRET_ID_LEN);
	id[SECRET_ID_LEN] = '\0';
	return 0;
}

static int add_labels(const char *const *labels, struct buf *out, struct err *err)
{
	for (size_t i = 0; labels && labels[i]; i++) {
		if (labels[i][0] == '=' || !strchr(labels[i], '='))
			return err_set(err, ERR_INPUT, "label \"%.64s\" is not NAME=VALUE",
				       labels[i]);
		buf_add(out, labels[i], strlen(labels[i]) + 1);
	}
	return buf_check(out, "labels", err);
}

/* The value is written from where it lies: no copy of it is made. */
static int write_parts(int fd, const struct record *record, const struct buf *labels,
		       const void *value, struct err *err)
{
	if (file_write_all(fd, record, sizeof(*record), err) < 0 ||
	    file_write_all(fd, labels->data, labels->len, err) < 0 ||
	    file_write_all(fd, value, record->value_bytes, err) < 0)
		return -1;
	return fsync(fd) < 0 ? err_sys(err, "fsync") : 0;
}

static int open_dir(const char *path, struct err *err)
{
	int fd;

	if (path_mkdirs(path, 0700, err) < 0)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "%s", path);
	return fd;
}

/* A dot in front: no secret's name, whatever becomes of us. */
static int write_record(int dir, const char *name, const struct record *record,
			const struct buf *labels, const void *value, bool replace, struct err *err)
{
	char temporary[32];
	auto_fd int fd = -1;
	int rc;

	snprintf(temporary, sizeof(temporary), ".new-%d", (int)getpid());
	unlinkat(dir, temporary, 0);
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, "%s", temporary);
	rc = write_parts(fd, record, labels, value, err);
	/* linkat(2) does not replace what came in between. */
	if (rc == 0 && replace)
		rc = renameat(dir, temporary, dir, name) < 0 ? err_sys(err, "rename") : 0;
	else if (rc == 0)
		rc = linkat(dir, temporary, dir, name, 0) < 0 ? err_sys(err, "link") : 0;
	if (rc < 0 || !replace)
		unlinkat(dir, temporary, 0);
	if (rc < 0 && err->sys_errno == EEXIST)
		return err_set(err, ERR_BUSY, "the name is in use");
	if (rc == 0 && fsync(dir) < 0)
		return err_sys(err, "fsync");
	return rc;
}

/* Replacing keeps when a secret was made. A damaged one may be replaced, too. */
static int64_t created_before(int dir, const char *name, int64_t otherwise)
{
	struct record record;
	struct stat st;
	auto_fd int fd = openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0 || read_record(fd, &st, &record, NULL) < 0)
		return otherwise;
	return record.created_real_usec;
}

int secret_put(const struct secret_places *places, const char *name, enum secret_put how,
	       const char *const *labels, const void *value, size_t length,
	       char id[SECRET_ID_LEN + 1], struct err *err)
{
	auto_buf text = BUF_INIT(SECRET_LABELS_MAX_BYTES);
	struct record record = { .magic = RECORD_MAGIC,
				 .version = RECORD_VERSION,
				 .length = sizeof(record),
				 .value_bytes = (uint32_t)length,
				 .updated_real_usec = real_usec() };
	auto_fd int dir = -1;

	if (check_name(name, err) < 0)
		return -1;
	if (check_length(length, err) < 0 || add_labels(labels, &text, err) < 0 ||
	    make_id(id, err) < 0)
		return err_wrap(err, "secret %s", name);
	dir = open_dir(places->store_dir, err);
	if (dir < 0)
		return -1;
	memcpy(record.id, id, SECRET_ID_LEN);
	record.label_bytes = (uint32_t)text.len;
	record.created_real_usec = record.updated_real_usec;
	if (how == SECRET_REPLACE)
		record.created_real_usec = created_before(dir, name, record.updated_real_usec);
	if (write_record(dir, name, &record, &text, value, how == SECRET_REPLACE, err) < 0)
		return err_wrap(err, "secret %s", name);
	return 0;
}

int secret_remove(const struct secret_places *places, const char *name, struct err *err)
{
	auto_fd int dir = -1;

	if (check_name(name, err) < 0)
		return -1;
	dir = open(places->store_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || unlinkat(dir, name, 0) < 0) {
		err_sys(err, "%s/%s", places->store_dir, name);
		if (err->code == ERR_NOT_FOUND)
			err_set(err, ERR_NOT_FOUND, "no such secret");
		return err_wrap(err, "secret %s", name);
	}
	return fsync(dir) < 0 ? err_sys(err, "%s: fsync", places->store_dir) : 0;
}

/* --- listing --- */

struct listing {
	struct arena *arena;
	struct secret_info *items;
	size_t count;
};

static int read_labels(struct listing *l, struct secret_info *info, int fd,
		       const struct record *record, struct err *err)
{
	char *text = arena_alloc(l->arena, record->label_bytes + 1);
	size_t count = 0;

	if (read_at(fd, text, record->label_bytes, record->length, err) < 0)
		return -1;
	for (size_t at = 0; at < record->label_bytes; at += strlen(text + at) + 1)
		*arena_push(l->arena, info->labels, count) = text + at;
	if (count)
		*arena_push(l->arena, info->labels, count) = NULL;
	return 0;
}

static int describe_stored(struct listing *l, struct secret_info *info, int fd,
			   const struct stat *st, struct err *err)
{
	struct record record;

	if (read_record(fd, st, &record, err) < 0)
		return -1;
	info->id = arena_strndup(l->arena, record.id, SECRET_ID_LEN);
	info->created_real_usec = record.created_real_usec;
	info->updated_real_usec = record.updated_real_usec;
	return read_labels(l, info, fd, &record, err);
}

/* A file has no number of its own: one that depends on the name only, so that it stays. */
static void describe_config(struct listing *l, struct secret_info *info, const struct stat *st)
{
	const char *text = arena_printf(l->arena, "file %s", info->name);
	char digest[DIGEST_STR_LEN + 1];

	digest_of(text, strlen(text), digest);
	info->id = arena_strndup(l->arena, digest + strlen("sha256:"), SECRET_ID_LEN);
	info->created_real_usec =
		(int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
	info->updated_real_usec = info->created_real_usec;
	info->is_config = true;
}

static bool is_listed(const struct listing *l, const char *name)
{
	for (size_t i = 0; i < l->count; i++)
		if (str_eq(l->items[i].name, name))
			return true;
	return false;
}

static int add_entry(struct listing *l, const char *dir, const char *name, bool is_config,
		     struct err *err)
{
	struct secret_info *info;
	struct stat st;
	auto_fd int fd = open_file(dir, name, &st, err);

	/* Gone meanwhile; a directory is no secret, and nobody says it is. */
	if (fd < 0)
		return err->code == ERR_NOT_FOUND || err->code == ERR_INPUT ? 0 : -1;
	if (l->count == 2 * SECRET_MAX_COUNT)
		return err_set(err, ERR_LIMIT, "%s: more than %u secrets", dir, SECRET_MAX_COUNT);
	info = arena_push(l->arena, l->items, l->count);
	info->name = arena_strdup(l->arena, name);
	if (is_config)
		describe_config(l, info, &st);
	else if (describe_stored(l, info, fd, &st, err) < 0)
		return err_wrap(err, "%s/%s", dir, name);
	return 0;
}

static int list_dir(struct listing *l, const char *path, bool is_config, struct err *err)
{
	auto_dir DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, "%s", path);
	while ((errno = 0, entry = readdir(dir)))
		if (secret_name_is_valid(entry->d_name) &&
		    (is_config || !is_listed(l, entry->d_name)) &&
		    add_entry(l, path, entry->d_name, is_config, err) < 0)
			return -1;
	return errno ? err_sys(err, "%s", path) : 0;
}

static int by_name(const void *a, const void *b)
{
	const struct secret_info *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int secret_list(const struct secret_places *places, struct arena *arena, struct secret_info **out,
		size_t *count, struct err *err)
{
	struct listing l = { .arena = arena };

	if (list_dir(&l, places->config_dir, true, err) < 0 ||
	    list_dir(&l, places->store_dir, false, err) < 0)
		return -1;
	if (l.count)
		qsort(l.items, l.count, sizeof(*l.items), by_name);
	*out = l.items;
	*count = l.count;
	return 0;
}
