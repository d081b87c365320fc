/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outer tar of an OCI archive, by libarchive's reader with the tar format alone. Must never hand
 * on bytes of a blob as good whose size or SHA-256 differ from the descriptor's.
 */
#include "image/oci_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/docker_archive.h"
#include "image/oci.h"
#include "image/oci_archive_internal.h"
#include "image/oci_layout.h"
#include "util/digest.h"
#include "util/str.h"

#define READ_BLOCK_BYTES (128 * 1024)
#define TAR_BLOCK_BYTES 512

static int refuse_compressed(int fd, struct err *err)
{
	static const struct {
		const char *name, *magic, *command;
		size_t len;
	} formats[] = {
		{ "gzip", "\x1f\x8b", "gunzip", 2 },
		{ "zstd", "\x28\xb5\x2f\xfd", "unzstd", 4 },
		{ "xz",
		  "\xfd"
		  "7zXZ",
		  "unxz", 5 },
		{ "bzip2", "BZh", "bunzip2", 3 },
	};
	char head[8] = { 0 };

	if (pread(fd, head, sizeof(head), 0) < 0)
		return err_sys(err, "read");
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (memcmp(head, formats[i].magic, formats[i].len) == 0)
			return err_set(
				err, ERR_UNSUPPORTED,
				"is %s-compressed: an OCI archive is a plain tar (its layers are "
				"compressed already): run %s on it, or cleat load -i it, or write it "
				"with skopeo copy ... oci-archive:FILE",
				formats[i].name, formats[i].command);
	return 0;
}

int oci_archive_open(int fd, struct oci_archive *out, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "fstat");
	if (S_ISDIR(st.st_mode)) {
		*out = (struct oci_archive){ .fd = fd, .is_layout = true };
		return 0;
	}
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INPUT, "is not a regular file");
	if (st.st_size == 0)
		return err_set(err, ERR_INTEGRITY, "is empty: copy it again");
	*out = (struct oci_archive){ .fd = fd, .size_bytes = (uint64_t)st.st_size };
	return refuse_compressed(fd, err);
}

static int torn(struct archive *a, struct err *err)
{
	const char *why = archive_error_string(a);

	return err_set(err, ERR_INTEGRITY, "torn or not a tar archive (%s): copy it again",
		       why ? why : "unexpected end");
}

struct archive *tar_start(const struct oci_archive *archive, struct err *err)
{
	struct archive *a;

	if (lseek(archive->fd, 0, SEEK_SET) < 0) {
		err_sys(err, "lseek");
		return NULL;
	}
	a = archive_read_new();
	if (!a || archive_read_support_format_tar(a) != ARCHIVE_OK ||
	    archive_read_open_fd(a, archive->fd, READ_BLOCK_BYTES) != ARCHIVE_OK) {
		if (a)
			torn(a, err);
		else
			err_errno(err, ENOMEM, "tar reader");
		archive_read_free(a);
		return NULL;
	}
	return a;
}

/* libarchive seeks over data without a look: past the end of the file that would look like a clean end. */
static int check_extent(const struct oci_archive *archive, struct archive *a, const char *name,
			uint64_t size, struct err *err)
{
	int64_t header = archive_read_header_position(a);
	uint64_t data = (header < 0 ? 0 : (uint64_t)header) + TAR_BLOCK_BYTES;

	if (data > archive->size_bytes || size > archive->size_bytes - data)
		return err_set(
			err, ERR_INTEGRITY,
			"torn: %.120s needs %llu bytes and the file ends before: copy it again",
			name, (unsigned long long)size);
	return 0;
}

int tar_next(const struct oci_archive *archive, struct archive *a, unsigned *seen,
	     struct tar_member *out, struct err *err)
{
	struct archive_entry *entry;
	int rc = archive_read_next_header(a, &entry);

	*out = (struct tar_member){ 0 };
	if (rc == ARCHIVE_EOF)
		return 0;
	if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
		return torn(a, err);
	if (++*seen > OCI_ARCHIVE_MAX_ENTRIES)
		return err_set(err, ERR_LIMIT, "has more than %d members", OCI_ARCHIVE_MAX_ENTRIES);
	out->name = archive_entry_pathname(entry);
	if (!out->name)
		out->name = "";
	while (str_starts(out->name, "./"))
		out->name += 2;
	if (archive_entry_hardlink(entry))
		out->link = archive_entry_hardlink(entry);
	else if (archive_entry_filetype(entry) == AE_IFLNK)
		out->link = archive_entry_symlink(entry);
	out->is_symlink = out->link && !archive_entry_hardlink(entry);
	out->is_file = archive_entry_filetype(entry) == AE_IFREG &&
		       !archive_entry_hardlink(entry) && archive_entry_sparse_count(entry) == 0;
	if (archive_entry_size(entry) < 0)
		return err_set(err, ERR_INTEGRITY, "%.120s has a negative size", out->name);
	out->size = (uint64_t)archive_entry_size(entry);
	return out->is_file ? check_extent(archive, a, out->name, out->size, err) : 0;
}

/* Data of the current member through the sink; exactly size bytes without holes. */
int tar_read_data(struct archive *a, uint64_t size, oci_archive_sink *sink, void *arg,
		  struct err *err)
{
	uint64_t done = 0;

	for (;;) {
		const void *block;
		int64_t offset;
		size_t len;
		int rc = archive_read_data_block(a, &block, &len, &offset);

		if (rc == ARCHIVE_EOF)
			break;
		if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
			return torn(a, err);
		if ((uint64_t)offset != done || len > size - done)
			return err_set(err, ERR_INTEGRITY, "torn: a member with holes");
		if (len && sink(block, len, arg, err) < 0)
			return -1;
		done += len;
	}
	if (done != size)
		return err_set(err, ERR_INTEGRITY, "torn: %llu of %llu bytes: copy it again",
			       (unsigned long long)done, (unsigned long long)size);
	return 0;
}

int tar_sink_buf(const void *data, size_t len, void *arg, struct err *err)
{
	struct buf *out = arg;

	return buf_add(out, data, len) < 0 ? buf_check(out, "document", err) : 0;
}

int tar_read_small(struct archive *a, const struct tar_member *member, size_t max, struct buf *out,
		   struct err *err)
{
	if (!member->is_file)
		return err_set(err, ERR_INPUT, "%s is not a regular file", member->name);
	if (out->len)
		return err_set(err, ERR_INPUT, "%s is there twice", member->name);
	if (member->size == 0 || member->size > max)
		return err_set(err, ERR_LIMIT, "%s has %llu bytes: the limit is %zu", member->name,
			       (unsigned long long)member->size, max);
	buf_clear(out);
	out->max = max;
	return tar_read_data(a, member->size, tar_sink_buf, out, err);
}

static int explain_missing_index(bool has_layout, unsigned seen, struct err *err)
{
	if (has_layout)
		return err_set(err, ERR_INTEGRITY, "torn: it has no index.json: copy it again");
	if (seen == 0)
		return err_set(
			err, ERR_UNSUPPORTED,
			"is not a tar archive: write it with skopeo copy ... oci-archive:FILE");
	return err_set(
		err, ERR_INTEGRITY,
		"has no index.json: torn, or not an OCI archive: write it with skopeo copy ... "
		"oci-archive:FILE");
}

static int read_tar_index(const struct oci_archive *archive, struct buf *out, struct err *err)
{
	auto_reader *a = tar_start(archive, err);
	auto_buf layout = BUF_INIT(OCI_LAYOUT_MAX_BYTES);
	bool has_docker_manifest = false;
	struct tar_member member;
	unsigned seen = 0;

	if (!a)
		return -1;
	for (;;) {
		if (tar_next(archive, a, &seen, &member, err) < 0)
			return -1;
		if (!member.name)
			break;
		if (str_eq(member.name, "manifest.json"))
			has_docker_manifest = true;
		if (str_eq(member.name, "index.json") &&
		    tar_read_small(a, &member, OCI_INDEX_MAX_BYTES, out, err) < 0)
			return -1;
		if (str_eq(member.name, "oci-layout") &&
		    tar_read_small(a, &member, OCI_LAYOUT_MAX_BYTES, &layout, err) < 0)
			return -1;
	}
	if (out->len == 0)
		return has_docker_manifest && layout.len == 0 ?
			       docker_archive_read_index(archive, out, err) :
			       explain_missing_index(layout.len > 0, seen, err);
	if (layout.len == 0)
		return err_set(err, ERR_INTEGRITY, "torn: it has no oci-layout: copy it again");
	return oci_layout_check(buf_str(&layout), layout.len, err);
}

int oci_archive_read_index(const struct oci_archive *archive, struct buf *out, struct err *err)
{
	buf_clear(out);
	return archive->is_layout ? oci_layout_read_index(archive->fd, out, err) :
				    read_tar_index(archive, out, err);
}

static int sink_hashed(const void *data, size_t len, void *arg, struct err *err)
{
	struct hashing *h = arg;

	sha256_update(&h->sum, data, len);
	return h->sink(data, len, h->arg, err);
}

oci_archive_sink *hashing_begin(struct hashing *h, oci_archive_sink *sink, void *arg)
{
	h->sink = sink;
	h->arg = arg;
	sha256_init(&h->sum);
	return sink_hashed;
}

int hashing_end(struct hashing *h, const char *digest, const char *again, struct err *err)
{
	char found[DIGEST_STR_LEN + 1];

	digest_final(&h->sum, found);
	if (str_eq(found, digest))
		return 0;
	return err_set(err, ERR_INTEGRITY,
		       "blob %s: wrong digest, its bytes have %s: damaged: copy %s again", digest,
		       found, again);
}

int tar_stream_member(struct archive *a, const struct tar_member *member, const char *digest,
		      uint64_t size_bytes, oci_archive_sink *sink, void *arg, struct err *err)
{
	struct hashing h;

	if (!member->is_file)
		return err_set(err, ERR_INTEGRITY, "blob %s is not a regular file", digest);
	if (member->size != size_bytes)
		return err_set(
			err, ERR_INTEGRITY,
			"blob %s has %llu bytes instead of %llu: damaged: copy the archive again",
			digest, (unsigned long long)member->size, (unsigned long long)size_bytes);
	if (tar_read_data(a, member->size, hashing_begin(&h, sink, arg), &h, err) < 0)
		return err_wrap(err, "blob %s", digest);
	return hashing_end(&h, digest, "the archive", err);
}

static int stream_tar_blob(const struct oci_archive *archive, const char *digest,
			   uint64_t size_bytes, oci_archive_sink *sink, void *arg, struct err *err)
{
	auto_reader *a = tar_start(archive, err);
	bool has_index = false, has_docker_manifest = false;
	char name[DIGEST_STR_LEN + 16];
	struct tar_member member;
	unsigned seen = 0;

	if (!a)
		return -1;
	snprintf(name, sizeof(name), "blobs/sha256/%.64s", digest + 7);
	for (;;) {
		if (tar_next(archive, a, &seen, &member, err) < 0)
			return -1;
		if (!member.name)
			break;
		if (str_eq(member.name, name))
			return tar_stream_member(a, &member, digest, size_bytes, sink, arg, err);
		has_index = has_index || str_eq(member.name, "index.json");
		has_docker_manifest = has_docker_manifest || str_eq(member.name, "manifest.json");
	}
	if (has_docker_manifest && !has_index)
		return docker_archive_stream_blob(archive, digest, size_bytes, sink, arg, err);
	return err_set(err, ERR_NOT_FOUND, "blob %s is missing: torn: copy the archive again",
		       digest);
}

int oci_archive_stream_blob(const struct oci_archive *archive, const char *digest,
			    uint64_t size_bytes, oci_archive_sink *sink, void *arg, struct err *err)
{
	if (archive->is_layout)
		return oci_layout_stream_blob(archive->fd, digest, size_bytes, sink, arg, err);
	return stream_tar_blob(archive, digest, size_bytes, sink, arg, err);
}

int oci_archive_read_blob(const struct oci_archive *archive, const char *digest,
			  uint64_t size_bytes, size_t max, struct buf *out, struct err *err)
{
	if (size_bytes > max)
		return err_set(err, ERR_LIMIT,
			       "blob %s has %llu bytes: the limit for this kind is %zu", digest,
			       (unsigned long long)size_bytes, max);
	buf_clear(out);
	out->max = max;
	return oci_archive_stream_blob(archive, digest, size_bytes, tar_sink_buf, out, err);
}
