/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Shared by the tests of spec/: words -> spec, spec -> config.json read back. */
#include "unit_test.h"

#include <yyjson.h>

#include "spec/options.h"
#include "spec/spec.h"
#include "util/buf.h"
#include "util/str.h"

#define RUN_ID "0123456789ab"
#define MIB (UINT64_C(1024) * 1024)

struct fixture {
	struct arena arena;
	struct diags diags;
	struct container_spec spec;
	int result;
	struct image_facts image;
	struct host_facts host;
	struct strv env_texts;
	struct spec_remarks remarks;
	struct err err;
	struct buf json;
	yyjson_doc *doc;
};

static inline void setup(struct fixture *f)
{
	static const char *layers[] = { "/data/store/a/root", "/data/store/b/root" };
	static const char *command[] = { "/bin/app", "serve" };

	*f = (struct fixture){ .json = BUF_INIT(1024 * 1024) };
	f->image = (struct image_facts){
		.digest = "sha256:00", .user = "", .workdir = "", .stop_signal = ""
	};
	f->image.layers = (struct strv){ layers, 2 };
	f->image.command = (struct strv){ command, 2 };
	f->host = (struct host_facts){ .memory_bytes = 1024 * MIB,
				       .nofile_hard = UINT64_MAX,
				       .nproc_hard = UINT64_MAX,
				       .has_memory_controller = true,
				       .has_cpu_controller = true,
				       .has_pids_controller = true,
				       .home_uid = 1000,
				       .home_gid = 1001,
				       .resolv_conf = "/etc/resolv.conf" };
}

static inline void teardown(struct fixture *f)
{
	arena_fini(&f->arena);
	diags_fini(&f->diags);
	buf_fini(&f->json);
	yyjson_doc_free(f->doc);
}

/* Each word on a line of its own: word i is at web.container:10+i. */
static inline void parse_words(struct fixture *f, const char *const *words)
{
	struct arg_list list = { 0 };

	for (unsigned i = 0; words[i]; i++) {
		struct origin *origin = arena_new(&f->arena, struct origin);
		struct arg *arg = arena_push(&f->arena, list.items, list.count);

		*origin = (struct origin){
			.file = "web.container", .line = 10 + i, .column = 1, .key = "command line"
		};
		arg->text = words[i];
		arg->origin = origin;
	}
	f->result = spec_from_args(&f->spec, &f->arena, &list, &f->diags);
}
#define PARSE(f, ...) parse_words((f), (const char *const[]){ __VA_ARGS__, NULL })
/* Options only: a network and an image are put around them. */
#define PARSE_OPTIONS(f, ...) PARSE(f, "--network=host", __VA_ARGS__, "localhost/app")

static inline const char *text_of(const struct fixture *f, enum diag_severity severity)
{
	for (size_t i = 0; i < f->diags.count; i++)
		if (f->diags.items[i].severity == severity)
			return f->diags.items[i].text;
	return "";
}

static inline bool has_diag(const struct fixture *f, enum diag_severity severity, const char *part)
{
	for (size_t i = 0; i < f->diags.count; i++)
		if (f->diags.items[i].severity == severity && strstr(f->diags.items[i].text, part))
			return true;
	return false;
}

static inline void dump_diags(const struct fixture *f)
{
	for (size_t i = 0; i < f->diags.count; i++)
		fprintf(stderr, "  %s: line %u: %s\n",
			diag_severity_name(f->diags.items[i].severity), f->diags.items[i].line,
			f->diags.items[i].text);
}

#define assert_good(f)                            \
	do {                                      \
		if ((f)->result != 0)             \
			dump_diags(f);            \
		assert_int_equal((f)->result, 0); \
	} while (0)
#define assert_error(f, part)                                   \
	do {                                                    \
		assert_int_equal((f)->result, -1);              \
		if (!has_diag((f), DIAG_ERROR, (part)))         \
			dump_diags(f);                          \
		assert_true(has_diag((f), DIAG_ERROR, (part))); \
	} while (0)
#define assert_note(f, part)                                   \
	do {                                                   \
		if (!has_diag((f), DIAG_NOTE, (part)))         \
			dump_diags(f);                         \
		assert_true(has_diag((f), DIAG_NOTE, (part))); \
	} while (0)

/* One option that has to be refused with a text. */
static inline void expect_refused(const char *option, const char *part)
{
	struct fixture f;

	setup(&f);
	PARSE_OPTIONS(&f, option);
	if (f.result != -1 || !has_diag(&f, DIAG_ERROR, part)) {
		fprintf(stderr, "%s: expected an error with \"%s\"\n", option, part);
		dump_diags(&f);
		fail();
	}
	teardown(&f);
}

static inline int make_oci(struct fixture *f)
{
	int result = spec_to_oci(&f->spec, &f->image, &f->host, RUN_ID, &f->env_texts, &f->remarks,
				 &f->arena, &f->json, &f->err);

	if (result == 0) {
		f->doc = yyjson_read(f->json.data, f->json.len, 0);
		assert_non_null(f->doc);
	}
	return result;
}
#define MAKE(f)                                                    \
	do {                                                       \
		assert_good(f);                                    \
		if (make_oci(f) < 0)                               \
			fail_msg("spec_to_oci: %s", (f)->err.msg); \
	} while (0)
#define MAKE_FAILS(f, part)                                        \
	do {                                                       \
		assert_good(f);                                    \
		assert_int_equal(make_oci(f), -1);                 \
		if (!strstr((f)->err.msg, (part)))                 \
			fail_msg("error is \"%s\"", (f)->err.msg); \
	} while (0)

static inline yyjson_val *at(const struct fixture *f, const char *pointer)
{
	return yyjson_doc_ptr_get(f->doc, pointer);
}

static inline const char *str_at(const struct fixture *f, const char *pointer)
{
	const char *s = yyjson_get_str(at(f, pointer));

	return s ? s : "(none)";
}

static inline uint64_t uint_at(const struct fixture *f, const char *pointer)
{
	yyjson_val *v = at(f, pointer);

	if (!yyjson_is_int(v))
		fail_msg("%s is no number", pointer);
	return yyjson_get_uint(v);
}

static inline bool list_has_str(yyjson_val *list, const char *text)
{
	size_t index, count;
	yyjson_val *item;

	yyjson_arr_foreach(list, index, count, item)
	{
		if (yyjson_equals_str(item, text))
			return true;
	}
	return false;
}

/* The mount with this destination; NULL when there is none, a failure when there are two. */
static inline yyjson_val *mount_at(const struct fixture *f, const char *destination)
{
	size_t index, count;
	yyjson_val *item, *found = NULL;

	yyjson_arr_foreach(at(f, "/mounts"), index, count, item)
	{
		if (!yyjson_equals_str(yyjson_obj_get(item, "destination"), destination))
			continue;
		assert_null(found);
		found = item;
	}
	return found;
}

static inline bool mount_has(yyjson_val *mount, const char *option)
{
	return list_has_str(yyjson_obj_get(mount, "options"), option);
}

static inline size_t mount_index(const struct fixture *f, const char *destination)
{
	size_t index, count;
	yyjson_val *item;

	yyjson_arr_foreach(at(f, "/mounts"), index, count, item)
	{
		if (yyjson_equals_str(yyjson_obj_get(item, "destination"), destination))
			return index;
	}
	fail_msg("no mount at %s", destination);
	return 0;
}

static inline bool has_remark(const struct fixture *f, const char *part)
{
	for (size_t i = 0; i < f->remarks.count; i++)
		if (strstr(f->remarks.items[i], part))
			return true;
	return false;
}

/* The env entry of this name; NULL when there is none. */
static inline const char *env_of(const struct fixture *f, const char *name)
{
	size_t index, count, len = strlen(name);
	yyjson_val *item;

	yyjson_arr_foreach(at(f, "/process/env"), index, count, item)
	{
		const char *text = yyjson_get_str(item);

		if (strncmp(text, name, len) == 0 && text[len] == '=')
			return text + len + 1;
	}
	return NULL;
}
