/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What parsers of the image module take from outside: the first byte chooses index, manifest, config, layout or a flat record. What
 * is accepted keeps its promises: digests valid, bounds held, facts readable as the store reads them.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "image/flat.h"
#include "image/oci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(const struct oci_list *list, size_t max)
{
	assert(list->count <= max);
	for (size_t i = 0; i < list->count; i++) {
		assert(digest_is_valid(list->items[i].digest));
		assert(list->items[i].size <= INT64_MAX);
		assert(list->items[i].name_count <= OCI_MAX_NAMES);
	}
}

static void check_facts(const struct oci_config *config)
{
	auto_buf facts = BUF_INIT(16 * 1024 * 1024);
	auto_buf sealed = BUF_INIT(17 * 1024 * 1024);
	struct flat_reader reader;
	struct flat_line line;
	size_t lines = 0;
	struct err err;

	oci_facts_write("sha256:0", config, &facts);
	assert(flat_seal("facts", &facts, &sealed, &err) == 0);
	assert(flat_open(sealed.data, sealed.len, "facts", &reader, &err) == 0);
	for (;; lines++) {
		assert(flat_next(&reader, &line, &err) == 0);
		if (!line.key)
			break;
		if (lines == 1)
			assert(strcmp(line.value, config->user) == 0);
	}
	assert(lines >= 4 + config->env.count + config->entrypoint.count + config->command.count);
}

static void read_record(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct flat_reader reader;
	struct flat_line line;
	struct err err;

	assert(text);
	memcpy(text, data, size);
	if (flat_open(text, size, "facts", &reader, &err) == 0)
		while (flat_next(&reader, &line, &err) == 0 && line.key)
			assert(strlen(line.value) == line.len && strlen(line.key) <= FLAT_KEY_MAX);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *json = (const char *)data + 1;
	auto_arena arena = { 0 };
	struct oci_manifest manifest;
	struct oci_config config;
	struct oci_list list;
	struct err err = { 0 };
	int rc = 0;

	if (size == 0)
		return 0;
	size--;
	switch (data[0] % 5) {
	case 0:
		rc = oci_index_parse(json, size, &arena, &list, &err);
		if (rc == 0)
			check_list(&list, OCI_MAX_DESCRIPTORS);
		break;
	case 1:
		rc = oci_manifest_parse(json, size, &arena, &manifest, &err);
		if (rc == 0) {
			check_list(&manifest.layers, OCI_MAX_LAYERS);
			assert(digest_is_valid(manifest.config.digest));
		}
		break;
	case 2:
		rc = oci_config_parse(json, size, &arena, &config, &err);
		if (rc == 0)
			check_facts(&config);
		break;
	case 3:
		rc = oci_layout_check(json, size, &err);
		break;
	default:
		read_record(data + 1, size);
		break;
	}
	assert(rc == 0 || (err.code != ERR_NONE && err.msg[0]));
	return 0;
}
