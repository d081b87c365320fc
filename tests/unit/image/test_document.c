/* SPDX-License-Identifier: Apache-2.0 */
/* JSON of others: bounds, depth, names that stand twice. */
#include "image_test.h"

#include "image/document.h"
#include "image/oci.h"

static struct err err;

static void accept_text(const char *json)
{
	auto_document *doc = document_read(json, strlen(json), 4096, "thing", &err);

	if (!doc)
		fail_msg("%s: %s", json, err.msg);
}

static void refuse_text(const char *json, enum err_code code, const char *part)
{
	assert_null(document_read(json, strlen(json), 4096, "thing", &err));
	assert_says(&err, code, part);
}

static void plain_documents_are_read(void **state)
{
	(void)state;
	accept_text("{}");
	accept_text("[]");
	accept_text("7");
	accept_text(
		"{\"a\":1,\"b\":{\"a\":2},\"c\":[{\"a\":3},{\"a\":4}],\"A\":5,\"ab\":6,\"\":7}");
	accept_text("{\"a\\u0000b\":1,\"a\\u0000c\":2}");
}

static void names_that_stand_twice_are_refused_at_every_level(void **state)
{
	(void)state;
	refuse_text("{\"a\":1,\"b\":2,\"a\":3}", ERR_INPUT, "thing: \"a\" stands twice");
	refuse_text("{\"x\":[0,{\"y\":{\"\":1,\"\":2}}]}", ERR_INPUT, "\"\" stands twice");
	refuse_text("{\"a\":1,\"\\u0061\":2}", ERR_INPUT, "\"a\" stands twice");
}

static void in_large_objects_too(void **state)
{
	auto_buf text = BUF_INIT(1024 * 1024);
	yyjson_doc *doc;

	(void)state;
	buf_puts(&text, "{\"n7\":0");
	for (int i = 100; i < 5000; i++)
		buf_printf(&text, ",\"n%d\":0", i);
	buf_puts(&text, "}");
	doc = document_read(text.data, text.len, 1024 * 1024, "thing", &err);
	assert_non_null(doc);
	yyjson_doc_free(doc);
	text.data[text.len - 1] = ',';
	buf_puts(&text, "\"n4321\":0}");
	assert_null(document_read(text.data, text.len, 1024 * 1024, "thing", &err));
	assert_says(&err, ERR_INPUT, "\"n4321\" stands twice");
}

static void depth_has_a_bound(void **state)
{
	char json[200];

	(void)state;
	memset(json, '[', DOCUMENT_MAX_DEPTH);
	memset(json + DOCUMENT_MAX_DEPTH, ']', DOCUMENT_MAX_DEPTH);
	json[2 * DOCUMENT_MAX_DEPTH] = '\0';
	accept_text(json);
	memset(json, '[', DOCUMENT_MAX_DEPTH + 1);
	memset(json + DOCUMENT_MAX_DEPTH + 1, ']', DOCUMENT_MAX_DEPTH + 1);
	json[2 * DOCUMENT_MAX_DEPTH + 2] = '\0';
	refuse_text(json, ERR_LIMIT, "thing is nested deeper than 32 levels");
}

static void what_is_no_json_is_refused(void **state)
{
	char json[5000];

	(void)state;
	refuse_text("", ERR_INPUT, "thing: byte 0");
	refuse_text("{", ERR_INPUT, "thing: byte");
	refuse_text("{} {}", ERR_INPUT, "thing: byte");
	refuse_text("{\"a\":\"\xff\"}", ERR_INPUT, "thing: byte");
	memset(json, ' ', sizeof(json));
	json[4097] = '\0';
	refuse_text(json, ERR_LIMIT, "larger than 4096");
}

static void a_kind_is_told_by_type_or_by_shape(void **state)
{
	static const struct {
		const char *json;
		enum oci_kind kind;
	} rows[] = {
		{ "{\"mediaType\":\"application/vnd.oci.image.index.v1+json\"}", OCI_INDEX },
		{ "{\"mediaType\":\"application/vnd.docker.distribution.manifest.list.v2+json\"}",
		  OCI_INDEX },
		{ "{\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\"}",
		  OCI_MANIFEST },
		{ "{\"schemaVersion\":2,\"manifests\":[]}", OCI_INDEX },
		{ "{\"schemaVersion\":2,\"layers\":[]}", OCI_MANIFEST },
		{ "{\"mediaType\":\"\",\"layers\":[]}", OCI_MANIFEST },
	};
	enum oci_kind kind;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(oci_document_kind(rows[i].json, strlen(rows[i].json), &kind, &err),
				 0);
		assert_int_equal(kind, rows[i].kind);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_documents_are_read),
		cmocka_unit_test(names_that_stand_twice_are_refused_at_every_level),
		cmocka_unit_test(in_large_objects_too),
		cmocka_unit_test(depth_has_a_bound),
		cmocka_unit_test(what_is_no_json_is_refused),
		cmocka_unit_test(a_kind_is_told_by_type_or_by_shape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
