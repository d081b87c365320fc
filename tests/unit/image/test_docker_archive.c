/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's older archive as the OCI layout that it could have been: names, links, compressed layers, damage; and OCI layouts that are
 * directories. */
#include "image_test.h"

#include "image/docker_archive.h"
#include "image/inspect.h"
#include "image/oci.h"
#include "image/oci_layout.h"
#include "image/spool.h"
#include "util/file.h"

static struct err err;

struct made { /* an archive with one image of two layers */
	struct tar outer;
	struct tar layers[2];
	struct buf packed; /* the second layer, gzip */
	char diff_ids[2][DIGEST_STR_LEN + 1];
	char config[1024];
	struct oci_archive archive;
};

static void make_parts(struct made *m)
{
	*m = (struct made){ .packed.max = TAR_MAX_BYTES };
	tar_of(&m->layers[0],
	       (struct member[]){ { "bin", .type = AE_IFDIR }, { "bin/a", .data = "a" }, { 0 } });
	tar_of(&m->layers[1], (struct member[]){ { "bin/b", .data = "b" }, { 0 } });
	for (size_t i = 0; i < 2; i++)
		digest_of(m->layers[i].out.data, m->layers[i].out.len, m->diff_ids[i]);
	gzip_of(m->layers[1].out.data, m->layers[1].out.len, &m->packed);
	snprintf(m->config, sizeof(m->config),
		 "{\"os\":\"linux\",\"architecture\":\"%s\",\"created\":\"2026-01-02T03:04:05Z\","
		 "\"config\":{\"Cmd\":[\"/bin/a\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":"
		 "[\"%s\",\"%s\"]}}",
		 oci_platform_here()->architecture, m->diff_ids[0], m->diff_ids[1]);
}

static void put_bytes(struct tar *t, const char *name, const void *data, size_t len)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_size(e, (la_int64_t)len);
	assert_true(archive_write_header(t->archive, e) >= ARCHIVE_WARN);
	if (len)
		assert_int_equal(archive_write_data(t->archive, data, len), len);
	archive_entry_free(e);
}

static void open_made(struct made *m)
{
	tar_end(&m->outer);
	assert_int_equal(
		oci_archive_open(fd_of(m->outer.out.data, m->outer.out.len), &m->archive, &err), 0);
	buf_fini(&m->outer.out);
}

static void free_made(struct made *m)
{
	close(m->archive.fd);
	for (size_t i = 0; i < 2; i++)
		buf_fini(&m->layers[i].out);
	buf_fini(&m->packed);
}

/* As "docker save" wrote for years: folders with layer.tar, the config beside them. */
static void make_usual(struct made *m, const char *manifest)
{
	make_parts(m);
	tar_begin(&m->outer);
	tar_put(&m->outer, (struct member){ "one", .type = AE_IFDIR });
	put_bytes(&m->outer, "one/layer.tar", m->layers[0].out.data, m->layers[0].out.len);
	put_bytes(&m->outer, "two/layer.tar.gz", m->packed.data, m->packed.len);
	put_bytes(&m->outer, "config.json", m->config, strlen(m->config));
	tar_put(&m->outer, (struct member){ "manifest.json", .data = manifest });
	open_made(m);
}

#define USUAL                                                                            \
	"[{\"Config\":\"config.json\",\"RepoTags\":[\"app:1\",\"example.org/x/app:2\"]," \
	"\"Layers\":[\"one/layer.tar\",\"two/layer.tar.gz\"]}]"

static void read_index(const struct made *m, struct arena *arena, struct oci_list *list)
{
	auto_buf index = BUF_INIT(OCI_INDEX_MAX_BYTES);

	if (oci_archive_read_index(&m->archive, &index, &err) < 0 ||
	    oci_index_parse(buf_str(&index), index.len, arena, list, &err) < 0)
		fail_msg("%s", err.msg);
}

static void an_archive_is_shown_as_a_layout(void **state)
{
	auto_buf manifest = BUF_INIT(OCI_MANIFEST_MAX_BYTES), config = BUF_INIT(100000);
	auto_buf layer = BUF_INIT(TAR_MAX_BYTES);
	auto_arena arena = { 0 };
	char digest[DIGEST_STR_LEN + 1];
	struct oci_manifest parsed;
	struct oci_config facts;
	struct oci_list list;
	struct made m;

	(void)state;
	make_usual(&m, USUAL);
	read_index(&m, &arena, &list);
	assert_int_equal(list.count, 2); /* one image, two names */
	assert_string_equal(list.items[0].digest, list.items[1].digest);
	assert_string_equal(list.items[0].names[0], "docker.io/library/app:1");
	assert_string_equal(list.items[0].names[1], "app:1");
	assert_string_equal(list.items[1].names[0], "example.org/x/app:2");
	assert_int_equal(list.items[1].name_count, 1);
	assert_true(oci_platform_rank(&list.items[0].platform) > 0);
	assert_int_equal(oci_archive_read_blob(&m.archive, list.items[0].digest, list.items[0].size,
					       OCI_MANIFEST_MAX_BYTES, &manifest, &err),
			 0);
	digest_of(manifest.data, manifest.len, digest);
	assert_string_equal(digest, list.items[0].digest);
	assert_int_equal(
		oci_manifest_parse(buf_str(&manifest), manifest.len, &arena, &parsed, &err), 0);
	assert_int_equal(oci_archive_read_blob(&m.archive, parsed.config.digest, parsed.config.size,
					       100000, &config, &err),
			 0);
	assert_string_equal(buf_str(&config), m.config);
	assert_int_equal(oci_config_parse(buf_str(&config), config.len, &arena, &facts, &err), 0);
	assert_string_equal(facts.created, "2026-01-02T03:04:05Z");
	assert_int_equal(oci_image_check(&parsed, &facts, &err), 0);
	/* the plain layer by its diff id, the compressed one by its bytes */
	assert_string_equal(parsed.layers.items[0].digest, m.diff_ids[0]);
	digest_of(m.packed.data, m.packed.len, digest);
	assert_string_equal(parsed.layers.items[1].digest, digest);
	assert_true(strstr(parsed.layers.items[1].media_type, "gzip") != NULL);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(oci_archive_read_blob(&m.archive, parsed.layers.items[i].digest,
						       parsed.layers.items[i].size, TAR_MAX_BYTES,
						       &layer, &err),
				 0);
	assert_int_equal(layer.len, m.packed.len);
	assert_memory_equal(layer.data, m.packed.data, layer.len);
	free_made(&m);
}

static void names_of_layers_may_be_links(void **state)
{
	auto_buf layer = BUF_INIT(TAR_MAX_BYTES);
	auto_arena arena = { 0 };
	struct oci_list list;
	struct made m;

	(void)state;
	make_parts(&m);
	tar_begin(&m.outer);
	tar_put(&m.outer,
		(struct member){
			"manifest.json",
			.data = "[{\"Config\":\"./config.json\",\"RepoTags\":null,\"Layers\":"
				"[\"x/y/layer.tar\",\"hard\"]}]" });
	put_bytes(&m.outer, "./plain.tar", m.layers[0].out.data, m.layers[0].out.len);
	put_bytes(&m.outer, "second.tar", m.layers[1].out.data, m.layers[1].out.len);
	tar_put(&m.outer,
		(struct member){ "x/y/layer.tar", .type = AE_IFLNK, .link = "../.././/link" });
	tar_put(&m.outer, (struct member){ "link", .type = AE_IFLNK, .link = "plain.tar" });
	tar_put(&m.outer, (struct member){ "hard", .hardlink = "second.tar" });
	put_bytes(&m.outer, "config.json", m.config, strlen(m.config));
	open_made(&m);
	read_index(&m, &arena, &list);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.items[0].name_count, 0);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(oci_archive_read_blob(&m.archive, m.diff_ids[i],
						       m.layers[i].out.len, TAR_MAX_BYTES, &layer,
						       &err),
				 0);
	free_made(&m);
}

static void a_damaged_layer_is_not_handed_on(void **state)
{
	auto_buf layer = BUF_INIT(TAR_MAX_BYTES);
	struct made m;

	(void)state;
	make_parts(&m);
	m.layers[0].out.data[600] ^= 1;
	tar_begin(&m.outer);
	tar_put(&m.outer, (struct member){ "manifest.json", .data = USUAL });
	put_bytes(&m.outer, "one/layer.tar", m.layers[0].out.data, m.layers[0].out.len);
	put_bytes(&m.outer, "two/layer.tar.gz", m.packed.data, m.packed.len);
	put_bytes(&m.outer, "config.json", m.config, strlen(m.config));
	open_made(&m);
	assert_int_equal(oci_archive_read_blob(&m.archive, m.diff_ids[0], m.layers[0].out.len,
					       TAR_MAX_BYTES, &layer, &err),
			 -1);
	assert_says(&err, ERR_INTEGRITY, "wrong digest");
	assert_int_equal(oci_archive_read_blob(&m.archive, m.diff_ids[0], 5, TAR_MAX_BYTES, &layer,
					       &err),
			 -1);
	assert_says(&err, ERR_NOT_FOUND, "is missing");
	free_made(&m);
}

static void what_does_not_fit_together_is_said(void **state)
{
	static const struct {
		const char *manifest, *part;
	} rows[] = {
		{ "{}", "manifest.json lists no image" },
		{ "[1]", "image 1: is not an object" },
		{ "[{}]", "Config is not a string" },
		{ "[{\"Config\":\"config.json\",\"Layers\":[7]}]", "Layers is not a string" },
		{ "[{\"Config\":\"config.json\",\"Layers\":\"x\"}]", "Layers is not an array" },
		{ "[{\"Config\":\"config.json\",\"RepoTags\":{}}]", "RepoTags is not an array" },
		{ "[{\"Config\":\"\"}]", "Config is empty" },
		{ "[{\"Config\":\"a\\u0000b\"}]", "holds a NUL byte" },
		{ "[{\"Config\":\"nowhere\",\"Layers\":[]}]", "nowhere is missing" },
		{ "[{\"Config\":\"config.json\",\"Layers\":[\"one/\"]}]",
		  "layer 1: one/ is not a regular file" },
		{ "[{\"Config\":\"config.json\",\"Layers\":[\"../x\"]}]", "../x is missing" },
		{ "[{\"Config\":\"config.json\",\"Layers\":[\"one/layer.tar\"]}]",
		  "it has 1 layers, its config 2 diff ids" },
		{ "[{\"Config\":\"one/layer.tar\",\"Layers\":[]}]", "config" },
		{ "[{\"Config\":\"config.json\"", "manifest.json: byte" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		auto_buf index = BUF_INIT(OCI_INDEX_MAX_BYTES);
		struct made m;

		make_usual(&m, rows[i].manifest);
		assert_int_equal(oci_archive_read_index(&m.archive, &index, &err), -1);
		if (!strstr(err.msg, rows[i].part) || !strstr(err.msg, "docker-archive"))
			fail_msg("%s: %s", rows[i].manifest, err.msg);
		free_made(&m);
	}
}

static void bad_members_are_refused(void **state)
{
	static const struct {
		struct member member;
		const char *part;
	} rows[] = {
		{ { "one/layer.tar", .data = "again" }, "one/layer.tar is there twice" },
		{ { "one/layer.tar", .type = AE_IFLNK, .link = "/etc/passwd" },
		  "one/layer.tar is not a regular file" },
		{ { "one/layer.tar", .type = AE_IFLNK, .link = "../../x" },
		  "one/layer.tar is not a regular file" },
		{ { "one/layer.tar", .type = AE_IFLNK, .link = "layer.tar" },
		  "one/layer.tar is a link of links" },
		{ { "one/layer.tar", .type = AE_IFLNK, .link = "nothing" },
		  "one/nothing is missing" },
		{ { "one/layer.tar", .type = AE_IFIFO }, "one/layer.tar is not a regular file" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		auto_buf index = BUF_INIT(OCI_INDEX_MAX_BYTES);
		struct made m;

		make_parts(&m);
		tar_begin(&m.outer);
		tar_put(&m.outer, (struct member){ "manifest.json", .data = USUAL });
		if (i == 0)
			put_bytes(&m.outer, "one/layer.tar", "x", 1);
		tar_put(&m.outer, rows[i].member);
		put_bytes(&m.outer, "two/layer.tar.gz", m.packed.data, m.packed.len);
		put_bytes(&m.outer, "config.json", m.config, strlen(m.config));
		open_made(&m);
		assert_int_equal(oci_archive_read_index(&m.archive, &index, &err), -1);
		if (!strstr(err.msg, rows[i].part))
			fail_msg("%s: %s", rows[i].part, err.msg);
		free_made(&m);
	}
}

static void bounds_hold(void **state)
{
	auto_buf text = BUF_INIT(2 * 1024 * 1024);
	auto_arena arena = { 0 };
	struct docker_manifest manifest;

	(void)state;
	buf_puts(&text, "[");
	for (int i = 0; i <= DOCKER_MAX_IMAGES; i++)
		buf_printf(&text, "%s{\"Config\":\"c\"}", i ? "," : "");
	buf_puts(&text, "]");
	assert_int_equal(docker_manifest_parse(buf_str(&text), text.len, &arena, &manifest, &err),
			 -1);
	assert_says(&err, ERR_LIMIT, "more than 100 images");
	buf_clear(&text);
	buf_puts(&text, "[{\"Config\":\"c\",\"RepoTags\":[");
	for (int i = 0; i <= DOCKER_MAX_TAGS; i++)
		buf_printf(&text, "%s\"t\"", i ? "," : "");
	buf_puts(&text, "]}]");
	assert_int_equal(docker_manifest_parse(buf_str(&text), text.len, &arena, &manifest, &err),
			 -1);
	assert_says(&err, ERR_LIMIT, "RepoTags has more than 32 entries");
	buf_clear(&text);
	buf_puts(&text, "[{\"Config\":\"c\",\"Layers\":[");
	for (int i = 0; i <= OCI_MAX_LAYERS; i++)
		buf_printf(&text, "%s\"t\"", i ? "," : "");
	buf_puts(&text, "]}]");
	assert_int_equal(docker_manifest_parse(buf_str(&text), text.len, &arena, &manifest, &err),
			 -1);
	assert_says(&err, ERR_LIMIT, "Layers has more than 128 entries");
	buf_clear(&text);
	while (text.len <= OCI_INDEX_MAX_BYTES)
		buf_puts(&text, "                                                                ");
	assert_int_equal(docker_manifest_parse(buf_str(&text), text.len, &arena, &manifest, &err),
			 -1);
	assert_says(&err, ERR_LIMIT, "larger than");
}

/* --- a layout that is a directory ------------------------------------------------------------------------------------- */

static void write_in(const struct scratch *s, const char *name, const char *text)
{
	assert_int_equal(file_write_atomic(s->fd, name, text, strlen(text), 0644, false, &err), 0);
}

static void a_directory_is_read_like_an_archive(void **state)
{
	auto_buf out = BUF_INIT(1000);
	char digest[DIGEST_STR_LEN + 1], name[128];
	struct oci_archive archive;
	struct scratch s;

	(void)state;
	scratch_open(&s);
	digest_of("blob", 4, digest);
	assert_int_equal(mkdirat(s.fd, "blobs", 0755), 0);
	assert_int_equal(mkdirat(s.fd, "blobs/sha256", 0755), 0);
	snprintf(name, sizeof(name), "blobs/sha256/%s", digest + 7);
	assert_int_equal(oci_archive_open(s.fd, &archive, &err), 0);
	assert_true(archive.is_layout);
	assert_int_equal(oci_archive_read_index(&archive, &out, &err), -1);
	assert_says(&err, ERR_NOT_FOUND, "is not an OCI layout: oci-layout");
	write_in(&s, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
	assert_int_equal(oci_archive_read_index(&archive, &out, &err), -1);
	assert_says(&err, ERR_NOT_FOUND, "index.json");
	write_in(&s, "index.json", "{}");
	assert_int_equal(oci_archive_read_index(&archive, &out, &err), 0);
	assert_string_equal(buf_str(&out), "{}");
	assert_int_equal(oci_archive_read_blob(&archive, digest, 4, 1000, &out, &err), -1);
	assert_says(&err, ERR_NOT_FOUND, name);
	write_in(&s, name, "blob");
	assert_int_equal(oci_archive_read_blob(&archive, digest, 4, 1000, &out, &err), 0);
	assert_string_equal(buf_str(&out), "blob");
	assert_int_equal(oci_archive_read_blob(&archive, digest, 5, 1000, &out, &err), -1);
	assert_says(&err, ERR_INTEGRITY, "has 4 bytes instead of 5");
	write_in(&s, name, "blub");
	assert_int_equal(oci_archive_read_blob(&archive, digest, 4, 1000, &out, &err), -1);
	assert_says(&err, ERR_INTEGRITY, "wrong digest");
	write_in(&s, "oci-layout", "{\"imageLayoutVersion\":\"7\"}");
	assert_int_equal(oci_archive_read_index(&archive, &out, &err), -1);
	assert_says(&err, ERR_UNSUPPORTED, "version 7");
	scratch_close(&s);
}

static void only_regular_files_inside_are_opened(void **state)
{
	auto_buf out = BUF_INIT(1000);
	struct oci_archive archive;
	struct scratch s;

	(void)state;
	scratch_open(&s);
	assert_int_equal(oci_archive_open(s.fd, &archive, &err), 0);
	write_in(&s, "real", "{\"imageLayoutVersion\":\"1.0.0\"}");
	assert_int_equal(symlinkat("real", s.fd, "oci-layout"), 0);
	assert_int_equal(oci_archive_read_index(&archive, &out, &err), -1);
	assert_int_equal(unlinkat(s.fd, "oci-layout", 0), 0);
	assert_int_equal(mkfifoat(s.fd, "oci-layout", 0644), 0);
	assert_int_equal(oci_archive_read_index(&archive, &out, &err), -1);
	assert_says(&err, ERR_INPUT, "oci-layout is not a regular file");
	assert_int_equal(unlinkat(s.fd, "oci-layout", 0), 0);
	write_in(&s, "oci-layout", "");
	assert_int_equal(oci_archive_read_index(&archive, &out, &err), -1);
	assert_says(&err, ERR_LIMIT, "has 0 bytes");
	scratch_close(&s);
}

/* --- what else the worker does ---------------------------------------------------------------------------------------- */

static void what_documents_say_is_under_podmans_names(void **state)
{
	struct buf manifest = BUF_INIT(1000), config = BUF_INIT(1000), out = BUF_INIT(100000);

	(void)state;
	buf_puts(&manifest, "{\"mediaType\":\"M\",\"annotations\":{\"a\":\"b\"}}");
	buf_puts(&config, "{\"author\":\"me\\u001b[31m\",\"config\":{\"User\":\"7\"},"
			  "\"history\":[{\"created_by\":\"x\"}]}");
	assert_int_equal(inspect_read(&manifest, &config, &out, &err), 0);
	assert_non_null(strstr(buf_str(&out), "\"me\\u001B[31m\""));
	assert_non_null(strstr(buf_str(&out), "\"created_by\": \"x\""));
	buf_clear(&config);
	buf_puts(&config, "[]");
	assert_int_equal(inspect_read(&manifest, &config, &out, &err), -1);
	assert_says(&err, ERR_INTEGRITY, "config.json");
	buf_clear(&manifest);
	buf_puts(&manifest, "{");
	assert_int_equal(inspect_read(&manifest, &config, &out, &err), -1);
	assert_says(&err, ERR_INTEGRITY, "manifest.json: byte");
	buf_fini(&manifest);
	buf_fini(&config);
	buf_fini(&out);
}

static void spooling_inflates_and_is_bounded(void **state)
{
	static const char text[] = "an archive, or whatever came through the pipe";
	struct buf packed = BUF_INIT(100000), out = BUF_INIT(1000);
	int in, to;

	(void)state;
	gzip_of(text, sizeof(text), &packed);
	in = fd_of(packed.data, packed.len);
	to = fd_of("", 0);
	assert_int_equal(spool_copy(in, to, 1000, &err), 0);
	assert_int_equal(lseek(to, 0, SEEK_SET), 0);
	assert_int_equal(file_read_fd(to, 1000, &out, &err), 0);
	assert_int_equal(out.len, sizeof(text));
	assert_memory_equal(out.data, text, sizeof(text));
	assert_int_equal(lseek(in, 0, SEEK_SET), 0);
	assert_int_equal(spool_copy(in, to, 10, &err), -1);
	assert_says(&err, ERR_LIMIT, "archive");
	close(in);
	packed.data[packed.len - 6] ^= 1;
	in = fd_of(packed.data, packed.len);
	assert_int_equal(spool_copy(in, to, 1000, &err), -1);
	assert_says(&err, ERR_INTEGRITY, "gzip");
	close(in);
	close(to);
	buf_fini(&packed);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_archive_is_shown_as_a_layout),
		cmocka_unit_test(names_of_layers_may_be_links),
		cmocka_unit_test(a_damaged_layer_is_not_handed_on),
		cmocka_unit_test(what_does_not_fit_together_is_said),
		cmocka_unit_test(bad_members_are_refused),
		cmocka_unit_test(bounds_hold),
		cmocka_unit_test(a_directory_is_read_like_an_archive),
		cmocka_unit_test(only_regular_files_inside_are_opened),
		cmocka_unit_test(what_documents_say_is_under_podmans_names),
		cmocka_unit_test(spooling_inflates_and_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
