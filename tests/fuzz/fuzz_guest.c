/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container manager's guest socket, the kernel's device messages and names of files from outside may be; the first byte chooses.
 * Names that a made configuration takes stay below it; a value never becomes more than assignments of its key.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "boot/config_watch.h"
#include "boot/guest.h"
#include "boot/guest_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct err err;

static void read_answer(const char *data, size_t size)
{
	struct buf body = BUF_INIT(GUEST_MAX_BODY_BYTES);
	size_t used = 0;
	int status = 0;
	enum guest_parse rc = guest_answer_parse(data, size, &status, &body, &used, &err);

	assert(rc != GUEST_DONE || (used <= size && used && status >= 100 && status <= 999));
	assert(rc != GUEST_BAD || err.msg[0]);
	assert(rc == GUEST_DONE || rc == GUEST_BAD || !body.len);
	buf_fini(&body);
}

static void read_frames(const char *data, size_t size)
{
	struct guest_frame frame;
	size_t used;

	while (guest_frame_parse(data, size, &frame, &used, &err) == GUEST_DONE) {
		assert(used >= 2 && used <= size && frame.len <= GUEST_MAX_FRAME_BYTES);
		assert(frame.payload + frame.len == data + used);
		data += used;
		size -= used;
	}
}

static void read_keys(const char *data, size_t size)
{
	struct arena arena = { 0 };
	struct guest_key *keys;
	size_t count;

	if (guest_keys_parse(data, size, &arena, &keys, &count, &err) == 0)
		for (size_t i = 0; i < count; i++)
			assert(strncmp(keys[i].name, "user.", 5) == 0 ||
			       strncmp(keys[i].name, "cloud-init.", 11) == 0);
	arena_fini(&arena);
}

/* A name, a NUL, its value. */
static void write_ini(const char *data, size_t size)
{
	struct config_problems problems = { .text = BUF_INIT(CONFIG_MAX_PROBLEMS_BYTES) };
	struct buf name = BUF_INIT(4096), out = BUF_INIT(256 * 1024);
	size_t len = strnlen(data, size);
	struct guest_key key = { .value = "" };

	buf_puts(&name, "user.cleat.");
	buf_add(&name, data, len < 1024 ? len : 1024);
	key.name = buf_str(&name);
	if (len < size) {
		key.value = data + len + 1;
		key.len = size - len - 1;
	}
	guest_keys_appliance(&key, 1, &out, &problems);
	for (const char *line = buf_str(&out); *line; line = strchr(line, '\n') + 1) {
		const char *end = strchr(line, '\n');

		assert(end && (end == line || end[-1] != '\\'));
		/* one section, a comment, then the key's own lines */
		assert(line == buf_str(&out) ? *line == '[' : *line != '[');
	}
	buf_fini(&problems.text);
	buf_fini(&name);
	buf_fini(&out);
}

static void check_name(const char *name)
{
	if (config_tree_check(name, &err) < 0) {
		assert(err.msg[0]);
		return;
	}
	assert(name[0] != '/' && name[0] != '.' && !strstr(name, "/.") && !strstr(name, "//"));
	assert(strlen(name) <= 3 * CONFIG_MAX_NAME + 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (!size)
		return 0;
	/* a copy of its own, so that a read past the end is seen */
	text = malloc(size);
	assert(text);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0] % 6) {
	case 0:
		read_answer(text, size - 1);
		break;
	case 1:
		read_frames(text, size - 1);
		break;
	case 2:
		read_keys(text, size - 1);
		break;
	case 3:
		write_ini(text, size - 1);
		break;
	case 4:
		check_name(text);
		break;
	default:
		config_watch_is_source(text, size - 1);
	}
	free(text);
	return 0;
}
