/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Archives as "docker save" and "oci:" write them: the first byte chooses the text of manifest.json alone or a whole tar. What is accepted keeps
 * its promises: bounds held, an index that the index parser takes, manifests under the digests that it names.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/docker_archive.h"
#include "image/oci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_manifest(const char *json, size_t size)
{
	auto_arena arena = { 0 };
	struct docker_manifest manifest;
	struct err err = { 0 };

	if (docker_manifest_parse(json, size, &arena, &manifest, &err) < 0) {
		assert(err.code != ERR_NONE && err.msg[0]);
		return;
	}
	assert(manifest.count > 0 && manifest.count <= DOCKER_MAX_IMAGES);
	for (size_t i = 0; i < manifest.count; i++) {
		assert(manifest.images[i].config[0]);
		assert(manifest.images[i].tag_count <= DOCKER_MAX_TAGS);
		assert(manifest.images[i].layer_count <= OCI_MAX_LAYERS);
	}
}

static void check_blobs(const struct oci_archive *archive, const struct oci_list *list)
{
	for (size_t i = 0; i < list->count && i < 4; i++) {
		auto_buf blob = BUF_INIT(OCI_MANIFEST_MAX_BYTES);
		char digest[DIGEST_STR_LEN + 1];
		struct err err = { 0 };

		if (oci_archive_read_blob(archive, list->items[i].digest, list->items[i].size,
					  OCI_MANIFEST_MAX_BYTES, &blob, &err) < 0)
			continue;
		digest_of(blob.len ? blob.data : "", blob.len, digest);
		assert(strcmp(digest, list->items[i].digest) == 0);
	}
}

static void check_archive(const uint8_t *data, size_t size)
{
	auto_buf index = BUF_INIT(OCI_INDEX_MAX_BYTES);
	auto_arena arena = { 0 };
	struct oci_archive archive;
	struct oci_list list;
	struct err err = { 0 };
	int fd = memfd_create("fuzz", 0);

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	if (oci_archive_open(fd, &archive, &err) == 0 &&
	    docker_archive_read_index(&archive, &index, &err) == 0) {
		/* what we wrote ourselves has to be right, if it is not too much */
		if (oci_index_parse(index.data, index.len, &arena, &list, &err) < 0)
			assert(err.code == ERR_LIMIT);
		else
			check_blobs(&archive, &list);
	} else {
		assert(err.code != ERR_NONE && err.msg[0]);
	}
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] % 2)
		check_archive(data + 1, size - 1);
	else
		check_manifest((const char *)data + 1, size - 1);
	return 0;
}
