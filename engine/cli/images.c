/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat images" and "cleat image inspect": what lies in the store, under podman's columns and names. Reads records; the images' own
 * documents are read by a confined worker. Whatever an image says of itself is cleaned before a terminal sees it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/image.h"
#include "cli/personality.h"
#include "image/inspect.h"
#include "image/ref.h"
#include "image/store_admin.h"
#include "util/json.h"
#include "util/loop.h"
#include "util/places.h"
#include "util/str.h"
#include "yyjson.h"

#define OUTPUT_MAX_BYTES (64 * 1024 * 1024)

bool cli_split_name(const char *name, char *repository, char *tag)
{
	struct image_ref ref;
	struct err ignored;

	if (ref_parse(name, &ref, &ignored) < 0 || ref.digest[0])
		return false;
	snprintf(repository, REF_MAX, "%s%s%s", ref.domain, ref.domain[0] ? "/" : "", ref.path);
	str_copy(tag, sizeof(ref.tag), ref.tag);
	return true;
}

/* As podman's table has it: a name with a digest has no tag. */
static bool split_row(const char *name, char *repository, char *tag)
{
	const char *at = strchr(name, '@');
	char plain[REF_MAX];

	if (!at)
		return cli_split_name(name, repository, tag);
	snprintf(plain, sizeof(plain), "%.*s", (int)(at - name), name);
	if (!cli_split_name(plain, repository, tag))
		return false;
	str_copy(tag, sizeof("<none>"), "<none>");
	return true;
}

struct row {
	const struct store_entry *image;
	const char *name; /* NULL: the image has none */
};

struct listing {
	const char *format, *store, *wanted; /* wanted NULL: all */
	bool quiet, digests, no_heading, no_trunc;
	struct arena arena;
	struct store_list list;
	struct row *rows;
	size_t count;
};

static bool created_usec(const struct store_entry *image, int64_t *usec)
{
	return image->created[0] && cli_parse_time(image->created, clock_real_usec(), usec);
}

/* Newest first, as podman; then by name. */
static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int64_t left = 0, right = 0;

	if (!created_usec(x->image, &left))
		left = 0;
	if (!created_usec(y->image, &right))
		right = 0;
	if (left != right)
		return left > right ? -1 : 1;
	if (x->image != y->image)
		return strcmp(x->image->digest, y->image->digest);
	return strcmp(x->name ? x->name : "", y->name ? y->name : "");
}

/* "app" is every tag of it, whatever registry; "app:1" is one. */
static bool is_wanted(const char *wanted, const char *name)
{
	char repository[REF_MAX], tag[129], asked_repository[REF_MAX], asked_tag[129];
	const char *slash = strrchr(wanted, '/');
	bool has_tag = strchr(slash ? slash : wanted, ':') != NULL;
	size_t len, asked;

	if (!name || !split_row(name, repository, tag) ||
	    !cli_split_name(wanted, asked_repository, asked_tag))
		return false;
	if (has_tag && !str_eq(tag, asked_tag))
		return false;
	len = strlen(repository);
	asked = strlen(asked_repository);
	if (len < asked || !str_eq(repository + len - asked, asked_repository))
		return false;
	return len == asked || repository[len - asked - 1] == '/';
}

/* Its tags; of one that has none the first repository that it was taken from by digest, as podman does. */
static void add_rows(struct listing *l, const struct store_entry *image)
{
	const char *by_digest = NULL;
	bool has_tag = false;

	for (size_t i = 0; i < image->name_count; i++) {
		const char *name = image->names[i];

		if (strchr(name, '@')) {
			by_digest = by_digest ? by_digest : name;
			continue;
		}
		has_tag = true;
		if (!l->wanted || is_wanted(l->wanted, name))
			*arena_push(&l->arena, l->rows, l->count) = (struct row){ image, name };
	}
	if (!has_tag && (!l->wanted || is_wanted(l->wanted, by_digest)))
		*arena_push(&l->arena, l->rows, l->count) = (struct row){ image, by_digest };
}

/* With its algorithm when it is whole, as podman has it. */
static int id_length(const struct listing *l)
{
	return l->no_trunc ? IMAGE_ID_LENGTH : IMAGE_SHORT_ID;
}

static const char *id_of(const struct listing *l, const struct store_entry *image)
{
	return image->id + (l->no_trunc ? 0 : strlen("sha256:"));
}

static void print_ids(const struct listing *l)
{
	for (size_t i = 0; i < l->count; i++) {
		bool again = false;

		for (size_t k = 0; k < i && !again; k++)
			again = l->rows[k].image == l->rows[i].image;
		if (!again)
			printf("%.*s\n", id_length(l), id_of(l, l->rows[i].image));
	}
}

/* A row in words. */
struct shown {
	char repository[REF_MAX], tag[129];
	char id[IMAGE_ID_LENGTH + 1];
	char created[32], created_at[64]; /* "": not known */
	char size[24];
};

static void show_row(const struct listing *l, const struct row *row, struct shown *out)
{
	char span[24];
	int64_t usec;

	*out = (struct shown){ .repository = "<none>", .tag = "<none>" };
	if (row->name && !split_row(row->name, out->repository, out->tag))
		str_copy(out->repository, sizeof(out->repository), "<none>");
	snprintf(out->id, sizeof(out->id), "%.*s", id_length(l), id_of(l, row->image));
	if (created_usec(row->image, &usec)) {
		cli_span(clock_real_usec() - usec, span);
		snprintf(out->created, sizeof(out->created), "%s ago", span);
		str_copy(out->created_at, sizeof(out->created_at), row->image->created);
		cli_clean(out->created_at);
	}
	cli_size(row->image->bytes, out->size);
}

static void print_row(struct cli_table *table, const struct listing *l, const struct row *row)
{
	struct shown s;

	show_row(l, row, &s);
	cli_table_cell(table, CLI_PLAIN, s.repository);
	cli_table_cell(table, CLI_PLAIN, s.tag);
	if (l->digests)
		cli_table_cell(table, CLI_PLAIN, row->image->digest);
	cli_table_cell(table, CLI_PLAIN, s.id);
	cli_table_cell(table, CLI_PLAIN, s.created);
	cli_table_cell(table, row->image->problem ? CLI_RED : CLI_PLAIN,
		       row->image->problem ? "damaged" : s.size);
}

static void print_table(const struct listing *l)
{
	static const char *const titles[] = { "REPOSITORY", "TAG",     "DIGEST",
					      "IMAGE ID",   "CREATED", "SIZE" };
	struct cli_table table = { .columns = l->digests ? 6 : 5 };

	for (size_t i = 0; !l->no_heading && i < sizeof(titles) / sizeof(titles[0]); i++)
		if (l->digests || i != 2)
			cli_table_cell(&table, CLI_PLAIN, titles[i]);
	for (size_t i = 0; i < l->count; i++)
		print_row(&table, l, &l->rows[i]);
	cli_table_print(&table, stdout, cli_wants_colours(stdout));
}

/* The fields that people ask podman's and docker's images for. */
static void json_row(struct json *json, const struct listing *l, const struct row *row)
{
	struct shown s;

	show_row(l, row, &s);
	json_object(json, NULL);
	json_str(json, "Repository", s.repository);
	json_str(json, "Tag", s.tag);
	json_str(json, "ID", s.id);
	json_str(json, "Id", row->image->id + strlen("sha256:"));
	json_str(json, "Digest", row->image->digest);
	json_str(json, "Created", s.created);
	json_str(json, "CreatedSince", s.created);
	json_str(json, "CreatedAt", s.created_at);
	json_str(json, "Size", s.size);
	json_object_end(json);
}

static int print_template(const struct listing *l, const char *command)
{
	const char *format = personality_heading(l->format, !l->no_heading);
	int result = CLI_OK;

	for (size_t i = 0; result == CLI_OK && i < l->count; i++) {
		auto_buf text = BUF_INIT(OUTPUT_MAX_BYTES);
		struct json json = JSON_TO(&text);
		yyjson_doc *doc;

		json_row(&json, l, &l->rows[i]);
		doc = yyjson_read(buf_str(&text), text.len, 0);
		if (personality_template(command, format, yyjson_doc_get_root(doc)) != 0)
			result = CLI_USAGE;
		yyjson_doc_free(doc);
	}
	return result;
}

/* "REPOSITORY@sha256:..." for each repository that the image is known by. */
static void json_digests(struct json *json, const struct store_entry *image)
{
	json_array(json, "RepoDigests");
	for (size_t i = 0; i < image->name_count; i++) {
		char repository[REF_MAX], tag[129], last[REF_MAX] = "", text[REF_MAX + 80];

		if (!cli_split_name(image->names[i], repository, tag)) {
			json_str(json, NULL, image->names[i]);
			continue;
		}
		if (i > 0 && cli_split_name(image->names[i - 1], last, tag) &&
		    str_eq(last, repository))
			continue;
		snprintf(text, sizeof(text), "%s@%s", repository, image->digest);
		json_str(json, NULL, text);
	}
	json_array_end(json);
}

static void json_tags(struct json *json, const char *key, const struct store_entry *image)
{
	json_array(json, key);
	for (size_t i = 0; i < image->name_count; i++) {
		char repository[REF_MAX], tag[129];

		if (cli_split_name(image->names[i], repository, tag))
			json_str(json, NULL, image->names[i]);
	}
	json_array_end(json);
}

static void json_image(struct json *json, const struct store_entry *image)
{
	int64_t usec = 0;

	if (!created_usec(image, &usec))
		usec = 0;
	json_object(json, NULL);
	json_str(json, "Id", image->id + 7);
	json_str(json, "Digest", image->digest);
	json_tags(json, "RepoTags", image);
	json_tags(json, "Names", image);
	json_digests(json, image);
	json_uint(json, "Size", image->bytes);
	json_uint(json, "VirtualSize", image->bytes);
	json_int(json, "Created", usec / 1000000);
	json_str(json, "CreatedAt", image->created);
	json_str(json, "Os", image->os);
	json_str(json, "Arch", image->architecture);
	json_str(json, "Problem", image->problem ? image->problem : "");
	json_object_end(json);
}

static int print_json(const struct listing *l)
{
	auto_buf out = BUF_INIT(OUTPUT_MAX_BYTES);
	struct json json = { .out = &out, .pretty = true, .first = true };
	struct err err;

	json_array(&json, NULL);
	for (size_t i = 0; i < l->count; i++) {
		bool again = false;

		for (size_t k = 0; k < i && !again; k++)
			again = l->rows[k].image == l->rows[i].image;
		if (!again)
			json_image(&json, l->rows[i].image);
	}
	json_array_end(&json);
	if (buf_check(&out, "list of images", &err) < 0) {
		fprintf(stderr, "cleat images: %s\n", err.msg);
		return CLI_FAILED;
	}
	cli_print_lines(out.data);
	return CLI_OK;
}

static int print(struct listing *l, const char *command)
{
	struct err err;
	struct store *store = cli_store_open(command, l->store, false);
	int rc, result = CLI_OK;

	if (!store)
		return CLI_FAILED;
	rc = store_list_read(store, &l->arena, &l->list, &err);
	store_close(store);
	if (rc < 0) {
		fprintf(stderr, "cleat %s: %s\n", command, err.msg);
		return CLI_FAILED;
	}
	for (size_t i = 0; i < l->list.image_count; i++)
		add_rows(l, &l->list.images[i]);
	if (l->count)
		qsort(l->rows, l->count, sizeof(*l->rows), compare_rows);
	if (str_eq(l->format, "json"))
		result = print_json(l);
	else if (l->quiet)
		print_ids(l);
	else if (str_eq(l->format, "table"))
		print_table(l);
	else
		result = print_template(l, command);
	if (l->list.unsure)
		fprintf(stderr, "cleat %s: not all could be read: %s\n", command, l->list.unsure);
	return result;
}

int cmd_images(int argc, char **argv)
{
	struct listing l = { .format = "table", .store = CLEAT_STORE_DIR };
	const struct cli_option options[] = { { "-q", "--quiet", &l.quiet, NULL },
					      { "-n", "--noheading", &l.no_heading, NULL },
					      { NULL, "--no-trunc", &l.no_trunc, NULL },
					      { NULL, "--digests", &l.digests, NULL },
					      { NULL, "--format", NULL, &l.format },
					      { NULL, "--store", NULL, &l.store } };
	int words = cli_options(argc, argv, options, 6), result;
	char repository[REF_MAX], tag[129];

	if (words < 0)
		return CLI_USAGE;
	if (words > 1 ||
	    (!str_eq(l.format, "table") && !str_eq(l.format, "json") && !strstr(l.format, "{{"))) {
		fprintf(stderr, "cleat %s: \"%s\" is not understood; see \"cleat help %s\"\n",
			argv[0], words > 1 ? argv[2] : l.format, argv[0]);
		return CLI_USAGE;
	}
	l.wanted = words == 1 ? argv[1] : NULL;
	if (l.wanted && !cli_split_name(l.wanted, repository, tag)) {
		fprintf(stderr, "cleat %s: \"%s\" is no image's name\n", argv[0], l.wanted);
		return CLI_USAGE;
	}
	result = print(&l, argv[0]);
	arena_fini(&l.arena);
	return result;
}

/* A text of several lines, as deep as it stands: no string of JSON has a newline of its own. */
static void put_text(struct json *json, const char *key, const struct image_texts *texts,
		     const char *name)
{
	auto_buf out = BUF_INIT(OUTPUT_MAX_BYTES);

	for (const char *at = image_text(texts, name); *at; at++) {
		buf_putc(&out, *at);
		if (*at == '\n')
			buf_printf(&out, "%*s", (int)(2 * json->depth), "");
	}
	json_raw(json, key, buf_str(&out));
}

static void inspect_image(struct json *json, const struct store_entry *image,
			  const struct image_texts *texts)
{
	static const char *const plain[] = { "Created",	     "Config",	"Version", "Author",
					     "Architecture", "Variant", "Os" };
	static const char *const last[] = { "Labels", "Annotations", "ManifestType", "User",
					    "History" };

	json_object(json, NULL);
	json_str(json, "Id", image->id + 7);
	json_str(json, "Digest", image->digest);
	json_tags(json, "RepoTags", image);
	json_digests(json, image);
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		put_text(json, plain[i], texts, plain[i]);
	json_uint(json, "Size", image->bytes);
	json_uint(json, "VirtualSize", image->bytes);
	json_object(json, "RootFS");
	put_text(json, "Type", texts, "RootFSType");
	put_text(json, "Layers", texts, "RootFSLayers");
	json_object_end(json);
	for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++)
		put_text(json, last[i], texts, last[i]);
	json_object_end(json);
}

static int inspect_word(const struct store *store, const struct store_list *list, const char *word,
			struct json *json, struct err *err)
{
	const struct store_entry *image = store_list_find(list, word, NULL, err);
	auto_arena arena = { 0 };
	struct image_texts texts;

	if (!image || image_inspect(store, image->digest, &arena, &texts, err) < 0)
		return -1;
	inspect_image(json, image, &texts);
	return 0;
}

static int inspect_words(const char *command, const struct store *store, char **words, int count)
{
	auto_buf out = BUF_INIT(OUTPUT_MAX_BYTES);
	struct json json = { .out = &out, .pretty = true, .first = true };
	auto_arena arena = { 0 };
	struct store_list list;
	int result = CLI_OK;
	struct err err;

	if (store_list_read(store, &arena, &list, &err) < 0) {
		fprintf(stderr, "cleat %s: %s\n", command, err.msg);
		return CLI_FAILED;
	}
	json_array(&json, NULL);
	for (int i = 0; i < count; i++)
		if (inspect_word(store, &list, words[i], &json, &err) < 0) {
			cli_clean(err.msg);
			fprintf(stderr, "cleat %s: %s\n", command, err.msg);
			result = CLI_FAILED;
		}
	json_array_end(&json);
	if (buf_check(&out, "what the images say", &err) < 0) {
		fprintf(stderr, "cleat %s: %s\n", command, err.msg);
		return CLI_FAILED;
	}
	cli_print_lines(out.data);
	return result;
}

int cli_image_json(const char *word, struct buf *out, struct err *err)
{
	struct json json = { .out = out, .first = true };
	bool read_only;
	struct store *store = cli_store_look(CLEAT_STORE_DIR, &read_only, err);
	auto_arena arena = { 0 };
	struct store_list list;
	int rc = -1;

	if (!store)
		return -1;
	if (store_list_read(store, &arena, &list, err) == 0 &&
	    inspect_word(store, &list, word, &json, err) == 0)
		rc = buf_check(out, "what the image says", err);
	store_close(store);
	return rc;
}

int cli_image_digest(const char *word, char digest[80], struct err *err)
{
	bool read_only;
	struct store *store = cli_store_look(CLEAT_STORE_DIR, &read_only, err);
	const struct store_entry *image = NULL;
	auto_arena arena = { 0 };
	struct store_list list;

	if (!store)
		return -1;
	if (store_list_read(store, &arena, &list, err) == 0)
		image = store_list_find(&list, word, NULL, err);
	if (image)
		str_copy(digest, 80, image->digest);
	store_close(store);
	return image ? 0 : -1;
}

int cmd_image_inspect(int argc, char **argv)
{
	const char *path = CLEAT_STORE_DIR;
	const struct cli_option options[] = { { NULL, "--store", NULL, &path } };
	int words = cli_options(argc, argv, options, 1), result;
	struct store *store;

	if (words < 0)
		return CLI_USAGE;
	if (words == 0) {
		fprintf(stderr, "cleat %s: which image?\n", argv[0]);
		return CLI_USAGE;
	}
	store = cli_store_open(argv[0], path, false);
	if (!store)
		return CLI_FAILED;
	result = inspect_words(argv[0], store, argv + 1, words);
	store_close(store);
	return result;
}
