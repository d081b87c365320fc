/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What an image's own documents say, as JSON texts under podman's names; read by a confined worker. */
#include "image/store.h"
#include "util/arena.h"
#include "util/buf.h"
#include "util/err.h"

#define IMAGE_MAX_TEXTS 20
struct image_texts {
	struct arena *arena; /* borrowed */
	const char *values[IMAGE_MAX_TEXTS];
};
/* Starts the worker and waits for it. ERR_INTEGRITY: the documents are damaged. */
int image_inspect(const struct store *store, const char *digest, struct arena *arena,
		  struct image_texts *out, struct err *err) MUST_CHECK;
/* JSON, indented by two blanks a level, control bytes escaped (unless the worker was taken over: clean it before a terminal sees it).
 * Keys: Created Config Version Author Architecture Variant Os RootFSType RootFSLayers Labels User Annotations ManifestType History. */
const char *image_text(const struct image_texts *texts, const char *key);

/* The worker's part: the documents in, records (image/flat.h) out. Pure. */
int inspect_read(const struct buf *manifest, const struct buf *config, struct buf *out,
		 struct err *err) MUST_CHECK;
