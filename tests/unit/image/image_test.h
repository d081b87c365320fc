/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the tests of the image module share: scratch folders, tar streams and OCI archives made in memory. */
#include "unit_test.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "temp_folder.h"
#include "util/buf.h"
#include "util/digest.h"
#include "util/err.h"

#define TAR_MAX_BYTES (64u * 1024 * 1024)

struct scratch {
	char path[64];
	int fd;
};

static inline void scratch_open(struct scratch *s)
{
	snprintf(s->path, sizeof(s->path), "/tmp/cleat-test-XXXXXX");
	assert_non_null(mkdtemp(s->path));
	s->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(s->fd >= 0);
}

static inline void scratch_close(struct scratch *s)
{
	close(s->fd);
	assert_int_equal(temp_folder_remove(s->path), 0);
}

/* A descriptor to read data from, at its start. */
static inline int fd_of(const void *data, size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

struct tar {
	struct archive *archive;
	struct buf out;
};

static inline la_ssize_t tar_write_block(struct archive *a, void *arg, const void *data, size_t len)
{
	(void)a;
	assert_int_equal(buf_add(arg, data, len), 0);
	return (la_ssize_t)len;
}

static inline void tar_begin(struct tar *t)
{
	*t = (struct tar){ .out.max = TAR_MAX_BYTES, .archive = archive_write_new() };
	assert_int_equal(archive_write_set_format_pax_restricted(t->archive), ARCHIVE_OK);
	/* as Go and GNU tar write them; the default is each one twice */
	assert_int_equal(archive_write_set_format_option(t->archive, NULL, "xattrheader", "SCHILY"),
			 ARCHIVE_OK);
	archive_write_set_bytes_per_block(t->archive, 512);
	assert_int_equal(archive_write_open(t->archive, &t->out, NULL, tar_write_block, NULL),
			 ARCHIVE_OK);
}

static inline void tar_end(struct tar *t)
{
	assert_int_equal(archive_write_close(t->archive), ARCHIVE_OK);
	archive_write_free(t->archive);
	t->archive = NULL;
}

/* A member; zeros are defaults: regular file, mode 0644 (0755 for a folder), owner 0:0, time 1000. */
struct member {
	const char *name;
	unsigned type; /* AE_IF... */
	const char *data, *link, *hardlink;
	unsigned mode;
	int64_t uid, gid, mtime;
	const char *xattr, *xattr_value;
};

static inline void tar_put(struct tar *t, struct member m)
{
	struct archive_entry *e = archive_entry_new();
	size_t len = m.data ? strlen(m.data) : 0;

	archive_entry_set_pathname(e, m.name);
	archive_entry_set_filetype(e, m.type ? m.type : AE_IFREG);
	archive_entry_set_perm(e, (__LA_MODE_T)(m.mode		   ? m.mode :
						m.type == AE_IFDIR ? 0755 :
								     0644));
	archive_entry_set_uid(e, m.uid);
	archive_entry_set_gid(e, m.gid);
	archive_entry_set_mtime(e, m.mtime ? m.mtime : 1000, 0);
	archive_entry_set_size(e, (la_int64_t)len);
	if (m.link)
		archive_entry_set_symlink(e, m.link);
	if (m.hardlink)
		archive_entry_set_hardlink(e, m.hardlink);
	if (m.xattr)
		archive_entry_xattr_add_entry(e, m.xattr, m.xattr_value, strlen(m.xattr_value));
	/* it warns of names that the C locale cannot spell, and writes them as they are */
	assert_true(archive_write_header(t->archive, e) >= ARCHIVE_WARN);
	if (len)
		assert_int_equal(archive_write_data(t->archive, m.data, len), len);
	archive_entry_free(e);
}

/* The tar of a list that ends with a member without name. */
static inline void tar_of(struct tar *t, const struct member *members)
{
	tar_begin(t);
	for (; members->name; members++)
		tar_put(t, *members);
	tar_end(t);
}

static inline void gzip_of(const void *data, size_t len, struct buf *out)
{
	z_stream z = { 0 };
	size_t room = len + len / 100 + 1000;
	char *packed = malloc(room);

	assert_non_null(packed);
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)data;
	z.avail_in = (uInt)len;
	z.next_out = (Bytef *)packed;
	z.avail_out = (uInt)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(buf_add(out, packed, room - z.avail_out), 0);
	deflateEnd(&z);
	free(packed);
}

static inline void zstd_of(const void *data, size_t len, struct buf *out)
{
	size_t room = ZSTD_compressBound(len);
	char *packed = malloc(room);
	size_t n;

	assert_non_null(packed);
	n = ZSTD_compress(packed, room, data, len, 3);
	assert_false(ZSTD_isError(n));
	assert_int_equal(buf_add(out, packed, n), 0);
	free(packed);
}

/* Error texts are part of the behaviour: shows both when they differ. */
static inline void assert_says(const struct err *err, enum err_code code, const char *part)
{
	if (err->code != code || !strstr(err->msg, part))
		fail_msg("error is %s: \"%s\", wanted %s with \"%s\"", err_code_name(err->code),
			 err->msg, err_code_name(code), part);
}
