/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies in the image folder. Archives are opened here and read elsewhere (cleat fetch); what one holds is remembered
 * in the store by name, size and mtime, so that an unchanged one is not opened again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/import_internal.h"
#include "util/cleanup.h"
#include "util/str.h"

/* Files that belong beside archives, or are one only when their copy is done. */
static const char *const other_suffixes[] = { "~",    ".part", ".partial", ".tmp",
					      ".swp", ".md",   ".txt",	   ".json",
					      ".asc", ".sig",  ".sha256",  ".sha512" };

static bool is_archive_name(const char *name)
{
	if (*name == '.')
		return false;
	for (size_t i = 0; i < sizeof(other_suffixes) / sizeof(other_suffixes[0]); i++)
		if (str_ends(name, other_suffixes[i]))
			return false;
	return true;
}

struct lines { /* of one archive, while they arrive */
	struct import *imp;
	struct import_archive *archive;
	struct buf *body;
};

static int add_image(struct lines *l, const char *digest, struct err *err)
{
	struct import_entry *entry;

	if (!digest_is_valid(digest))
		return err_set(err, ERR_INTEGRITY, "record: bad digest");
	if (l->archive->entry_count == IMPORT_MAX_ENTRIES)
		return err_set(err, ERR_LIMIT, "holds more than %d images", IMPORT_MAX_ENTRIES);
	entry = arena_push(&l->imp->arena, l->archive->entries, l->archive->entry_count);
	str_copy(entry->digest, sizeof(entry->digest), digest);
	return 0;
}

static int add_line(const struct flat_line *line, void *arg, struct err *err)
{
	struct lines *l = arg;
	struct import_archive *archive = l->archive;
	struct import_entry *entry =
		archive->entry_count ? &archive->entries[archive->entry_count - 1] : NULL;

	if (l->body)
		flat_putn(l->body, line->key, line->value, line->len);
	if (str_eq(line->key, "image"))
		return add_image(l, line->value, err);
	if (!entry)
		return err_set(err, ERR_INTEGRITY, "record: %s before image", line->key);
	if (str_eq(line->key, "index") && digest_is_valid(line->value))
		str_copy(entry->index, sizeof(entry->index), line->value);
	else if (str_eq(line->key, "size") && str_to_u64(line->value, INT64_MAX, &entry->size))
		return 0;
	else if (str_eq(line->key, "problem"))
		entry->problem = arena_strdup(&l->imp->arena, line->value);
	else if (str_eq(line->key, "name") && entry->name_count < IMPORT_MAX_NAMES)
		entry->names[entry->name_count++] = arena_strdup(&l->imp->arena, line->value);
	else
		return err_set(err, ERR_INTEGRITY, "record: unexpected %s", line->key);
	return 0;
}

static int recall(struct import *imp, struct import_archive *archive, struct err *err)
{
	auto_buf text = BUF_INIT(FLAT_ARCHIVE_MAX_BYTES);
	struct lines lines = { .imp = imp, .archive = archive };
	struct flat_reader reader;
	struct flat_line line;

	if (store_archive_read(imp->store, archive->file, archive->key, &text, err) < 0)
		return -1;
	buf_puts(&text, "");
	reader = (struct flat_reader){ text.data, text.data + text.len };
	for (;;) {
		if (flat_next(&reader, &line, err) < 0)
			return -1;
		if (!line.key)
			return 0;
		if (add_line(&line, &lines, err) < 0)
			return -1;
	}
}

int import_scan_archive(struct import *imp, struct import_archive *archive, int fd, struct err *err)
{
	static const char *const args[] = { "scan", NULL };
	auto_buf body = BUF_INIT(FLAT_ARCHIVE_MAX_BYTES / 2);
	struct lines lines = { .imp = imp, .archive = archive, .body = &body };
	struct worker worker = WORKER_INIT("fetch");
	const int fds[] = { fd, -1, STDERR_FILENO };
	struct err ignored;
	int rc;

	archive->entries = NULL;
	archive->entry_count = 0;
	rc = worker_start(&worker, args, fds, 3, err);
	if (rc == 0)
		rc = worker_run(&worker, add_line, &lines, err);
	worker_fini(&worker);
	/* only a help for the next time: without it the archive is scanned again */
	if (rc == 0 && archive->file && !imp->store->read_only &&
	    store_archive_write(imp->store, archive->file, archive->key, &body, &ignored) < 0)
		fprintf(stderr, "cleat import: %s\n", ignored.msg);
	return rc;
}

static void set_key(struct import_archive *archive, const struct stat *st)
{
	archive->mtime = st->st_mtim;
	snprintf(archive->key, sizeof(archive->key), "%lld %lld.%09ld", (long long)st->st_size,
		 (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

/* O_NONBLOCK: a FIFO in the folder must not stop everything. */
static int open_regular(const char *path, struct stat *st, struct err *err)
{
	auto_fd int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "open");
	if (fstat(fd, st) < 0)
		return err_sys(err, "stat");
	if (!S_ISREG(st->st_mode))
		return err_set(err, ERR_INPUT, "is not a regular file");
	return take_fd(&fd);
}

int import_open_archive(const struct import_archive *archive, int *fd, struct err *err)
{
	struct import_archive now = { 0 };
	struct stat st;

	*fd = open_regular(archive->path, &st, err);
	if (*fd < 0)
		return -1;
	set_key(&now, &st);
	if (str_eq(now.key, archive->key))
		return 0;
	close_fd(fd);
	return err_set(err, ERR_BUSY, "is being changed: it is read again at the next start");
}

static int learn(struct import *imp, struct import_archive *archive, struct err *err)
{
	struct stat st;
	auto_fd int fd = open_regular(archive->path, &st, err);

	if (fd < 0)
		return -1;
	set_key(archive, &st);
	if (recall(imp, archive, err) == 0)
		return 0;
	return import_scan_archive(imp, archive, fd, err);
}

/* "oci:" layouts are folders: people who used the wrong transport hear it; other folders are theirs. */
static bool is_layout_folder(const char *path)
{
	char layout[PATH_MAX];
	int n = snprintf(layout, sizeof(layout), "%s/oci-layout", path);

	return n > 0 && (size_t)n < sizeof(layout) && access(layout, F_OK) == 0;
}

static void add_archive(struct import *imp, const char *file)
{
	struct import_archive *archive = arena_push(&imp->arena, imp->archives, imp->archive_count);
	struct import_record record;
	char text[600];
	struct err err;

	archive->file = arena_strdup(&imp->arena, file);
	archive->path = arena_printf(&imp->arena, "%s/%s", imp->image_dir, file);
	if (is_layout_folder(archive->path))
		err_set(&err, ERR_UNSUPPORTED,
			"is a folder: load it (cleat load -i FOLDER), or make an archive of it: "
			"skopeo copy oci:FOLDER oci-archive:FILE");
	else if (learn(imp, archive, &err) == 0)
		return;
	archive->problem = arena_strdup(&imp->arena, err.msg);
	archive->entry_count = 0;
	snprintf(text, sizeof(text), "%s: %s", archive->path, err.msg);
	record = import_record_new(IMPORT_ARCHIVE_ERROR, "", "", text);
	import_emit(imp, &record);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool is_candidate(DIR *dir, const struct dirent *entry, const char *folder)
{
	char path[PATH_MAX];
	struct stat st;
	int n;

	if (!is_archive_name(entry->d_name))
		return false;
	if (fstatat(dirfd(dir), entry->d_name, &st, 0) < 0 || !S_ISDIR(st.st_mode))
		return true;
	n = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
	return n > 0 && (size_t)n < sizeof(path) && is_layout_folder(path);
}

int import_list_archives(struct import *imp, struct err *err)
{
	auto_dir DIR *dir = opendir(imp->image_dir);
	const char **names = NULL;
	struct dirent *entry;
	size_t count = 0;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, "%s: open", imp->image_dir);
	while ((entry = readdir(dir))) {
		if (!is_candidate(dir, entry, imp->image_dir))
			continue;
		if (count == IMPORT_MAX_ARCHIVES)
			return err_set(err, ERR_LIMIT, "%s holds more than %d files",
				       imp->image_dir, IMPORT_MAX_ARCHIVES);
		*arena_push(&imp->arena, names, count) = arena_strdup(&imp->arena, entry->d_name);
	}
	if (count)
		qsort(names, count, sizeof(*names), compare_names);
	for (size_t i = 0; i < count; i++)
		add_archive(imp, names[i]);
	return 0;
}

static bool entry_means(const struct import_archive *archive, const struct import_entry *entry,
			const struct image_ref *ref)
{
	if (ref->digest[0])
		return str_eq(entry->digest, ref->digest) || str_eq(entry->index, ref->digest);
	for (size_t i = 0; i < entry->name_count; i++)
		if (ref_matches_name(ref, entry->names[i]))
			return true;
	/* what follows takes the file's name for the image's: only where it holds nothing else */
	if (archive->entry_count != 1)
		return false;
	if (entry->name_count == 0)
		return ref_matches_file(ref, archive->file);
	for (size_t i = 0; i < entry->name_count; i++)
		if (ref_matches(ref, entry->names[i]) && (ref_file_names_path(ref, archive->file) ||
							  ref_matches_file(ref, archive->file)))
			return true;
	return false;
}

static bool is_newer(const struct import_archive *a, const struct import_archive *b)
{
	if (a->mtime.tv_sec != b->mtime.tv_sec)
		return a->mtime.tv_sec > b->mtime.tv_sec;
	return a->mtime.tv_nsec >= b->mtime.tv_nsec;
}

bool import_match(const struct import *imp, const struct image_ref *ref,
		  const struct import_archive **archive, const struct import_entry **entry)
{
	*archive = NULL;
	*entry = NULL;
	for (size_t i = 0; i < imp->archive_count; i++) {
		const struct import_archive *a = &imp->archives[i];

		for (size_t k = 0; k < a->entry_count; k++) {
			const struct import_entry *e = &a->entries[k];

			if (!entry_means(a, e, ref) || (*entry && e->problem && !(*entry)->problem))
				continue;
			if (*entry && !e->problem == !(*entry)->problem && !is_newer(a, *archive))
				continue;
			*archive = a;
			*entry = e;
		}
	}
	return *entry != NULL;
}

void import_describe_archives(const struct import *imp, struct buf *out)
{
	/* broken ones first: what is looked for may be in there */
	for (size_t i = 0; i < imp->archive_count; i++)
		if (imp->archives[i].problem)
			buf_printf(out, "; %s is unusable: %.200s", imp->archives[i].file,
				   imp->archives[i].problem);
	for (size_t i = 0; i < imp->archive_count; i++) {
		const struct import_archive *a = &imp->archives[i];

		for (size_t k = 0; k < a->entry_count; k++) {
			const struct import_entry *e = &a->entries[k];

			if (e->name_count)
				buf_printf(out, "; %s holds %s", a->file, e->names[0]);
			else
				buf_printf(out,
					   "; %s holds an image without a name (Image=NAME@%s)",
					   a->file, e->digest);
		}
	}
}
