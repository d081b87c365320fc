/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tar stream of a layer: libarchive reads (tar only; decompression is ours, inflate.h), layer_member.c writes.
 * Names are taken as bytes: the process stays in the "C" locale on purpose, where libarchive's conversion of PAX names
 * fails with a warning and leaves the original, instead of normalising them to another spelling.
 */
#include "image/layer.h"

#include <errno.h>
#include <string.h>

#include "image/layer_internal.h"
#include "util/cleanup.h"
#include "util/str.h"

struct source {
	struct inflate *in;
	struct err err; /* code ERR_NONE: none yet */
};

static la_ssize_t read_piece(struct archive *archive, void *arg, const void **block)
{
	struct source *source = arg;
	size_t len;

	if (inflate_read(source->in, block, &len, &source->err) < 0) {
		archive_set_error(archive, EIO, "%s", source->err.msg);
		return ARCHIVE_FATAL;
	}
	return (la_ssize_t)len;
}

/* Any other warning means that a header says what libarchive cannot give: then the tree would not be what was built. */
static bool is_harmless(const char *warning)
{
	return warning && str_ends(warning, "to current locale.");
}

static int read_error(struct archive *archive, const struct source *source, struct err *err)
{
	const char *why = archive_error_string(archive);

	if (source->err.code != ERR_NONE) {
		*err = source->err;
		return -1;
	}
	return err_set(err, ERR_INTEGRITY, "layer is not a sound tar archive: %s",
		       why ? why : "unknown");
}

static int unpack_members(struct layer *layer, struct archive *archive, const struct source *source,
			  struct err *err)
{
	struct archive_entry *entry;

	for (;;) {
		int rc = archive_read_next_header(archive, &entry);

		if (rc == ARCHIVE_EOF)
			return 0;
		if (rc != ARCHIVE_OK &&
		    !(rc == ARCHIVE_WARN && is_harmless(archive_error_string(archive))))
			return read_error(archive, source, err);
		if (layer_add_member(layer, archive, entry, err) < 0) {
			/* a damaged stream is the reason behind a torn member */
			if (source->err.code != ERR_NONE)
				*err = source->err;
			return -1;
		}
	}
}

static int unpack(struct layer *layer, struct inflate *in, struct err *err)
{
	struct source source = { .in = in };
	struct archive *archive = archive_read_new();
	int rc;

	if (!archive)
		return err_errno(err, ENOMEM, "tar reader");
	if (archive_read_support_format_tar(archive) != ARCHIVE_OK ||
	    archive_read_support_format_empty(archive) != ARCHIVE_OK ||
	    archive_read_open(archive, &source, NULL, read_piece, NULL) != ARCHIVE_OK)
		rc = read_error(archive, &source, err);
	else
		rc = unpack_members(layer, archive, &source, err);
	archive_read_free(archive);
	if (rc == 0)
		rc = inflate_drain(in, err);
	return rc == 0 ? layer_finish(layer, err) : -1;
}

int layer_unpack(int root_fd, struct inflate *in, const struct layer_options *options,
		 struct layer_counts *counts, struct err *err)
{
	struct layer layer = {
		.root_fd = root_fd, .options = options, .counts = counts, .parent_fd = -1
	};
	int rc;

	*counts = (struct layer_counts){ 0 };
	rc = unpack(&layer, in, err);
	layer_forget_parent(&layer);
	arena_fini(&layer.arena);
	return rc;
}
