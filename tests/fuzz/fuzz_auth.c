/* SPDX-License-Identifier: Apache-2.0 */
/* auth.json: what is found is whole or nothing, and every message names the file. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/pull_config_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_up(const struct auth_file *file, const char *host, const char *repository)
{
	auto_arena arena = { 0 };
	struct auth_found found;
	struct err err = { 0 };

	if (auth_find(file, 1, host, repository, &arena, &found, &err) < 0) {
		assert(err.code == ERR_INPUT && err.msg[0]);
		return;
	}
	assert(!found.user == !found.password);
	assert(!found.user || (found.user[0] && found.password[0] && !strchr(found.user, ':')));
	assert((found.user || found.identity_token) == (found.key[0] != '\0'));
	assert(!found.key[0] || !found.note[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct pull_notes notes = { 0 };
	auto_arena arena = { 0 };
	struct auth_file file;
	struct err err = { 0 };

	assert(text);
	memcpy(text, data, size);
	text[size] = '\0';
	if (auth_parse("auth.json", text, size, &arena, &notes, &file, &err) < 0) {
		assert(err.code != ERR_NONE && strncmp(err.msg, "auth.json:", 10) == 0);
	} else {
		look_up(&file, "docker.io", "library/alpine");
		look_up(&file, "r.io", "team/app");
		look_up(&file, "r.io:5000", "app");
		for (size_t i = 0; i < file.entry_count; i++)
			look_up(&file, file.entries[i].key, "app");
	}
	assert(notes.count <= PULL_NOTES_MAX);
	for (size_t i = 0; i < notes.count; i++)
		assert(strncmp(notes.items[i], "auth.json:", 10) == 0);
	free(text);
	return 0;
}
