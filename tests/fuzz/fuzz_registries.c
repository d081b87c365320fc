/* SPDX-License-Identifier: Apache-2.0 */
/* registries.conf and a drop-in (behind a line "---"): whatever a name resolves to is a registry that can be asked. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "image/flat.h"
#include "image/pull_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_file(struct buf *body, const char *head, const char *text, size_t len)
{
	auto_buf value = BUF_INIT(PULL_CONFIG_MAX_BYTES);

	buf_puts(&value, head);
	buf_add(&value, text, len);
	flat_putn(body, "registries", buf_str(&value), value.len);
}

static void check_endpoint(const struct pull_endpoint *endpoint, bool last)
{
	struct image_ref ref;
	struct err err;
	char name[REF_MAX];

	assert(endpoint->is_mirror != last);
	assert(endpoint->host[0] && !strpbrk(endpoint->host, " /@?#\\\"'"));
	assert(strlen(endpoint->host) + strlen(endpoint->repository) + 1 < sizeof(name));
	strncpy(name, endpoint->host, sizeof(name) - 1);
	strncat(name, "/", 2);
	strncat(name, endpoint->repository, sizeof(name) - 1 - strlen(name));
	assert(ref_parse(name, &ref, &err) == 0);
	assert(strcmp(ref.domain, endpoint->host) == 0);
	assert(endpoint->auth_key[0] == '\0' && !endpoint->user && !endpoint->password);
}

static void resolve_name(const struct pull_config *config, const char *name, struct arena *arena)
{
	struct pull_candidate *candidates;
	struct image_ref ref;
	struct err err = { 0 };
	size_t count;

	assert(ref_parse(name, &ref, &err) == 0);
	if (pull_config_resolve(config, &ref, arena, &candidates, &count, &err) < 0) {
		assert(err.code != ERR_NONE && err.msg[0]);
		return;
	}
	assert(count > 0);
	for (size_t i = 0; i < count; i++) {
		assert(candidates[i].endpoint_count > 0 && candidates[i].ref.domain[0]);
		assert(strcmp(candidates[i].ref.tag, ref.tag) == 0);
		assert(strcmp(candidates[i].ref.digest, ref.digest) == 0);
		for (size_t j = 0; j < candidates[i].endpoint_count; j++)
			check_endpoint(&candidates[i].endpoints[j],
				       j + 1 == candidates[i].endpoint_count);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {
		"alpine",
		"team/app:1",
		"docker.io/alpine",
		"example.com/foo/app:1",
		"a.example.com/x",
		"localhost/app",
		"r.io:5000/a@sha256:"
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	};
	const char *text = (const char *)data;
	const char *second = memmem(text, size, "\n---\n", 5);
	size_t first_len = second ? (size_t)(second - text) : size;
	auto_buf body = BUF_INIT(PULL_CONFIG_MAX_BYTES);
	auto_buf bundle = BUF_INIT(PULL_CONFIG_MAX_BYTES);
	auto_arena arena = { 0 };
	struct pull_config *config;
	struct err err = { 0 };

	put_file(&body, "a.conf\n", text, first_len);
	if (second)
		put_file(&body, "b.conf\n", second + 5, size - first_len - 5);
	if (flat_seal("pullconfig", &body, &bundle, &err) < 0)
		return 0;
	if (pull_config_parse(bundle.data, bundle.len, &arena, &config, &err) < 0) {
		assert(err.code != ERR_NONE && err.msg[0]);
		return 0;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		resolve_name(config, names[i], &arena);
	return 0;
}
