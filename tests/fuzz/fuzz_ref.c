/* SPDX-License-Identifier: Apache-2.0 */
/* Image references: what is accepted is bounded, and its canonical text means itself. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1), canonical[REF_MAX], again[REF_MAX];
	struct image_ref ref, second;
	struct err err;

	if (!text)
		abort();
	memcpy(text, data, size);
	if (ref_parse(text, &ref, &err) == 0) {
		ref_format(&ref, canonical);
		assert(canonical[0] != '\0');
		assert(strpbrk(canonical, " \t\n\\\"'*?") == NULL);
		assert(strstr(canonical, "..") == NULL || strstr(ref.tag, "..") != NULL);
		assert(ref_parse(canonical, &second, &err) == 0);
		ref_format(&second, again);
		assert(strcmp(canonical, again) == 0);
		assert(ref.digest[0] || ref_matches_name(&ref, canonical));
		ref_matches_file(&ref, text);
		ref_file_names_path(&ref, text);
	} else {
		assert(err.code != ERR_NONE && err.msg[0]);
		assert(ref_parse("localhost/app:1", &ref, &err) == 0);
	}
	ref_matches(&ref, text);
	free(text);
	return 0;
}
