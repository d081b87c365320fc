/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room for an image on a disk that runs full: what no unit names, no container uses and nobody is just importing goes, least recently
 * used first. Only the engine's imports know what units need; by hand, nothing is collected.
 */
#include <stdio.h>

#include "image/import_internal.h"
#include "image/store_admin.h"
#include "util/places.h"

static int keep_all(struct import *imp, struct store_keep *keep, const struct import_layer *layers,
		    size_t count, struct err *err)
{
	const struct pull_request *request = &imp->request;

	for (size_t i = 0; i < request->keep_count; i++)
		store_keep_name(keep, "a unit", request->keeps[i]);
	for (size_t i = 0; i < request->want_count; i++)
		store_keep_name(keep, "this import", request->wants[i].ref);
	for (size_t i = 0; i < count; i++)
		store_keep_layer(keep, "this import", layers[i].diff_id);
	return store_keep_running(keep, CLEAT_CONTAINER_DIR, err);
}

bool import_make_room(struct import *imp, const struct import_layer *layers, size_t count,
		      uint64_t want_free_bytes)
{
	struct store_removed removed = { 0 };
	struct store_keep keep = { 0 };
	char text[200];
	struct err err;
	int rc;

	if (!imp->request.keep_count || store_free_bytes(imp->store) >= want_free_bytes)
		return false;
	rc = keep_all(imp, &keep, layers, count, &err);
	if (rc == 0)
		rc = store_gc(imp->store, &keep, CLEAT_CONTAINER_DIR, want_free_bytes, &removed,
			      &err);
	store_keep_fini(&keep);
	if (rc < 0)
		fprintf(stderr, "cleat import: collecting images: %s\n", err.msg);
	if (!removed.layers)
		return false;
	snprintf(text, sizeof(text),
		 "%u images and %u layers that no unit needs were removed: space had run low",
		 removed.images, removed.layers);
	fprintf(stderr, "cleat import: %s\n", text);
	return true;
}

void import_give_back(struct import *imp)
{
	struct store_removed removed = { 0 };
	struct store_keep keep = { 0 };
	struct err err;

	if (store_keep_running(&keep, CLEAT_CONTAINER_DIR, &err) < 0 ||
	    store_remove_orphans(imp->store, &keep, CLEAT_CONTAINER_DIR, &removed, &err) < 0)
		fprintf(stderr, "cleat import: giving space back: %s\n", err.msg);
	store_keep_fini(&keep);
}
