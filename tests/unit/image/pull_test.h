/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the tests of the pull configuration share: a configuration from texts, and what it makes of a reference, as a text. */
#include "unit_test.h"

#include "image/flat.h"
#include "image/pull_config.h"
#include "util/arena.h"
#include "util/buf.h"

struct record {
	const char *key, *head, *text; /* "KEY HEAD\nTEXT"; text NULL: "KEY HEAD" */
};

#define RECORDS(...) ((const struct record[]){ __VA_ARGS__, { NULL, NULL, NULL } })
#define CONF(text)                                            \
	{                                                     \
		"registries", "/config/registries.conf", text \
	}
#define DROPIN(name, text)                                            \
	{                                                             \
		"registries", "/config/registries.conf.d/" name, text \
	}
#define AUTH(text)                                \
	{                                         \
		"auth", "/config/auth.json", text \
	}
#define CONFIG_FOLDER                            \
	{                                        \
		"config-folder", "/config", NULL \
	}

/* NULL and the reason in err when it is refused. */
static inline struct pull_config *config_of(struct arena *arena, const struct record *records,
					    struct err *err)
{
	auto_buf body = BUF_INIT(PULL_CONFIG_MAX_BYTES);
	auto_buf bundle = BUF_INIT(PULL_CONFIG_MAX_BYTES);
	struct pull_config *config = NULL;

	for (const struct record *r = records; r->key; r++)
		flat_put(&body, r->key,
			 r->text ? arena_join(arena, r->head, "\n", r->text) : r->head);
	assert_int_equal(flat_seal("pullconfig", &body, &bundle, err), 0);
	if (pull_config_parse(buf_str(&bundle), bundle.len, arena, &config, err) < 0)
		return NULL;
	return config;
}

static inline void describe_endpoint(struct buf *out, const struct pull_endpoint *e)
{
	buf_printf(out, " %s%s/%s%s", e->is_mirror ? "mirror:" : "", e->host, e->repository,
		   e->insecure ? "!" : "");
	if (e->auth_key[0])
		buf_printf(out, "[%s %s:%s%s%s]", e->auth_key, e->user ? e->user : "-",
			   e->password ? e->password : "-", e->identity_token ? " " : "",
			   e->identity_token ? e->identity_token : "");
	if (e->auth_note[0])
		buf_printf(out, "(%s)", e->auth_note);
}

/* "REF -> HOST/REPO! ...": candidates separated by "; ", an insecure endpoint ends in "!", or "error: ...". */
static inline const char *resolved(struct arena *arena, const struct pull_config *config,
				   const char *name)
{
	auto_buf out = BUF_INIT(64 * 1024);
	struct pull_candidate *candidates;
	struct image_ref ref;
	struct err err;
	size_t count;

	if (ref_parse(name, &ref, &err) < 0)
		fail_msg("%s", err.msg);
	if (pull_config_resolve(config, &ref, arena, &candidates, &count, &err) < 0)
		return arena_printf(arena, "error: %s", err.msg);
	assert_true(count > 0);
	for (size_t i = 0; i < count; i++) {
		char full[REF_MAX];

		ref_format(&candidates[i].ref, full);
		buf_printf(&out, "%s%s ->", i ? "; " : "", full);
		assert_true(candidates[i].endpoint_count > 0);
		assert_false(candidates[i].endpoints[candidates[i].endpoint_count - 1].is_mirror);
		for (size_t j = 0; j < candidates[i].endpoint_count; j++)
			describe_endpoint(&out, &candidates[i].endpoints[j]);
	}
	return arena_strdup(arena, buf_str(&out));
}

#define assert_resolves(records, name, expected)                                     \
	do {                                                                         \
		auto_arena arena_ = { 0 };                                           \
		struct err err_;                                                     \
		struct pull_config *config_ = config_of(&arena_, (records), &err_);  \
                                                                                     \
		if (!config_)                                                        \
			fail_msg("%s", err_.msg);                                    \
		assert_string_equal(resolved(&arena_, config_, (name)), (expected)); \
	} while (0)

#define assert_refused(records, wanted_code, expected)             \
	do {                                                       \
		auto_arena arena_ = { 0 };                         \
		struct err err_;                                   \
                                                                   \
		assert_null(config_of(&arena_, (records), &err_)); \
		assert_string_equal(err_.msg, (expected));         \
		assert_int_equal(err_.code, (wanted_code));        \
	} while (0)

/* All notes, a line each. */
static inline const char *notes_of(struct arena *arena, const struct pull_config *config)
{
	const char *const *notes;
	size_t count = pull_config_notes(config, &notes);
	const char *text = "";

	for (size_t i = 0; i < count; i++)
		text = arena_join(arena, text, notes[i], "\n");
	return text;
}

#define assert_notes(records, expected)                                             \
	do {                                                                        \
		auto_arena arena_ = { 0 };                                          \
		struct err err_;                                                    \
		struct pull_config *config_ = config_of(&arena_, (records), &err_); \
                                                                                    \
		if (!config_)                                                       \
			fail_msg("%s", err_.msg);                                   \
		assert_string_equal(notes_of(&arena_, config_), (expected));        \
	} while (0)
