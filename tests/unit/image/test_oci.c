/* SPDX-License-Identifier: Apache-2.0 */
/* Index, manifest and config: what is taken from them, and a reason for everything that cannot be used. */
#include "image_test.h"

#include "image/flat.h"
#include "image/oci.h"

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define D3 "sha256:3333333333333333333333333333333333333333333333333333333333333333"
#define MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define CONFIG                                                                                    \
	"\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"" D1 \
	"\",\"size\":7}"
#define LAYER(type) "{\"mediaType\":\"" type "\",\"digest\":\"" D2 "\",\"size\":9}"
#define GZIP_LAYER "application/vnd.oci.image.layer.v1.tar+gzip"

static struct arena arena;
static struct err err;

static int tear_down(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

static int index_of(const char *json, struct oci_list *list)
{
	return oci_index_parse(json, strlen(json), &arena, list, &err);
}

static int manifest_of(const char *json, struct oci_manifest *manifest)
{
	return oci_manifest_parse(json, strlen(json), &arena, manifest, &err);
}

static int config_of(const char *json, struct oci_config *config)
{
	return oci_config_parse(json, strlen(json), &arena, config, &err);
}

static void an_index_gives_descriptors_names_and_platforms(void **state)
{
	struct oci_list list;

	(void)state;
	assert_int_equal(
		index_of("{\"schemaVersion\":2,\"manifests\":["
			 "{\"mediaType\":\"" MANIFEST "\",\"digest\":\"" D1 "\",\"size\":12,"
			 "\"annotations\":{\"org.opencontainers.image.ref.name\":\"1.0\","
			 "\"io.containerd.image.name\":\"quay.io/a:1.0\",\"other\":\"x\"}},"
			 "{\"mediaType\":\"application/vnd.docker.distribution.manifest.list.v2+json\","
			 "\"digest\":\"" D2
			 "\",\"size\":0,\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\","
			 "\"variant\":\"v8\"}},"
			 "{\"mediaType\":\"application/x-helm\",\"digest\":\"" D3
			 "\",\"size\":3,\"annotations\":null}]}",
			 &list),
		0);
	assert_int_equal(list.count, 3);
	assert_int_equal(list.items[0].kind, OCI_MANIFEST);
	assert_string_equal(list.items[0].digest, D1);
	assert_int_equal(list.items[0].size, 12);
	assert_int_equal(list.items[0].name_count, 2);
	assert_string_equal(list.items[0].names[0], "quay.io/a:1.0");
	assert_string_equal(list.items[0].names[1], "1.0");
	assert_false(list.items[0].has_platform);
	assert_int_equal(list.items[1].kind, OCI_INDEX);
	assert_true(list.items[1].has_platform);
	assert_string_equal(list.items[1].platform.variant, "v8");
	assert_int_equal(list.items[2].kind, OCI_OTHER);
}

static void bad_indexes_are_refused(void **state)
{
	static const struct {
		const char *json, *part;
	} rows[] = {
		{ "", "index: byte" },
		{ "{", "index: byte" },
		{ "[]", "not a JSON object" },
		{ "{}", "manifests is not an array" },
		{ "{\"manifests\":{}}", "manifests is not an array" },
		{ "{\"schemaVersion\":1,\"manifests\":[]}", "schemaVersion is not 2" },
		{ "{\"mediaType\":\"" MANIFEST "\",\"manifests\":[]}",
		  "media type " MANIFEST " is not supported" },
		{ "{\"mediaType\":7,\"manifests\":[]}", "mediaType is not a string" },
		{ "{\"manifests\":[7]}", "descriptor is not an object" },
		{ "{\"manifests\":[{}]}", "is not sha256" },
		{ "{\"manifests\":[{\"digest\":\"sha256:../../etc\"}]}", "is not sha256" },
		{ "{\"manifests\":[{\"digest\":\"sha512:11\"}]}", "is not sha256" },
		{ "{\"manifests\":[{\"digest\":\"" D1 "\"}]}", "size is not a number" },
		{ "{\"manifests\":[{\"digest\":\"" D1 "\",\"size\":-1}]}", "size is not a number" },
		{ "{\"manifests\":[{\"digest\":\"" D1 "\",\"size\":1.5}]}",
		  "size is not a number" },
		{ "{\"manifests\":[{\"digest\":\"" D1 "\",\"size\":9223372036854775808}]}",
		  "size is not a number" },
		{ "{\"manifests\":[{\"digest\":\"" D1 "\",\"size\":1,\"platform\":[]}]}",
		  "platform is not an object" },
		{ "{\"manifests\":[{\"digest\":\"" D1 "\",\"size\":1,\"annotations\":[]}]}",
		  "annotations is not" },
		{ "{\"manifests\":[{\"digest\":\"" D1 "\",\"size\":1,\"annotations\":"
		  "{\"org.opencontainers.image.ref.name\":\"a\\u0000b\"}}]}",
		  "holds a NUL byte" },
	};
	struct oci_list list;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (index_of(rows[i].json, &list) == 0)
			fail_msg("accepted: %s", rows[i].json);
		if (!strstr(err.msg, rows[i].part))
			fail_msg("%s: %s", rows[i].json, err.msg);
	}
}

static void an_index_is_bounded(void **state)
{
	auto_buf json = BUF_INIT(4 * OCI_INDEX_MAX_BYTES);
	struct oci_list list;

	(void)state;
	buf_puts(&json, "{\"manifests\":[");
	for (int i = 0; i <= OCI_MAX_DESCRIPTORS; i++)
		buf_printf(&json, "%s{\"digest\":\"" D1 "\",\"size\":1}", i ? "," : "");
	buf_puts(&json, "]}");
	assert_int_equal(index_of(json.data, &list), -1);
	assert_says(&err, ERR_LIMIT, "more than 1000 entries");
	buf_clear(&json);
	while (json.len <= OCI_INDEX_MAX_BYTES)
		buf_puts(&json, "                                                                ");
	assert_int_equal(index_of(json.data, &list), -1);
	assert_says(&err, ERR_LIMIT, "larger than");
}

static void a_manifest_gives_config_and_layers(void **state)
{
	static const char *const types[] = {
		"application/vnd.oci.image.layer.v1.tar",
		"application/vnd.oci.image.layer.v1.tar+gzip",
		"application/vnd.oci.image.layer.v1.tar+zstd",
		"application/vnd.docker.image.rootfs.diff.tar.gzip",
	};
	struct oci_manifest manifest;

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		char json[1024];

		snprintf(json, sizeof(json),
			 "{\"schemaVersion\":2," CONFIG
			 ",\"layers\":[{\"mediaType\":\"%s\",\"digest\":\"" D2 "\",\"size\":9}]}",
			 types[i]);
		if (manifest_of(json, &manifest) < 0)
			fail_msg("%s: %s", types[i], err.msg);
		assert_string_equal(manifest.config.digest, D1);
		assert_int_equal(manifest.layers.count, 1);
		assert_string_equal(manifest.layers.items[0].digest, D2);
		assert_int_equal(manifest.layers.items[0].size, 9);
	}
}

static void manifests_that_cannot_be_used_say_why(void **state)
{
	static const struct {
		const char *json, *part;
		enum err_code code;
	} rows[] = {
		{ "{" CONFIG ",\"layers\":[]}", "image without layers", ERR_UNSUPPORTED },
		{ "{\"layers\":[" LAYER(GZIP_LAYER) "]}", "manifest: config", ERR_INPUT },
		{ "{" CONFIG "}", "layers is not an array", ERR_INPUT },
		{ "{\"schemaVersion\":1," CONFIG ",\"layers\":[" LAYER(GZIP_LAYER) "]}",
		  "skopeo copy --format oci", ERR_UNSUPPORTED },
		{ "{" CONFIG ",\"layers\":[" LAYER(GZIP_LAYER "+encrypted") "]}",
		  "is encrypted: decrypt it first", ERR_UNSUPPORTED },
		{ "{" CONFIG ",\"layers\":[" LAYER(
			  "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip") "]}",
		  "non-distributable", ERR_UNSUPPORTED },
		{ "{" CONFIG ",\"layers\":[" LAYER(
			  "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip") "]}",
		  "non-distributable", ERR_UNSUPPORTED },
		{ "{" CONFIG ",\"layers\":[" LAYER("application/x-tar") "]}",
		  "layer " D2 ": media type application/x-tar is not supported", ERR_UNSUPPORTED },
		{ "{" CONFIG ",\"layers\":[" LAYER(MANIFEST) "]}", "is not supported",
		  ERR_UNSUPPORTED },
		{ "{\"config\":{\"mediaType\":\"application/vnd.cncf.helm.config.v1+json\",\"digest\":\"" D1
		  "\",\"size\":7},\"layers\":[" LAYER(GZIP_LAYER) "]}",
		  "no container image but application/vnd.cncf", ERR_UNSUPPORTED },
		{ "{\"mediaType\":\"application/vnd.oci.image.index.v1+json\"," CONFIG
		  ",\"layers\":[]}",
		  "is not supported", ERR_UNSUPPORTED },
	};
	struct oci_manifest manifest;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (manifest_of(rows[i].json, &manifest) == 0)
			fail_msg("accepted: %s", rows[i].json);
		assert_says(&err, rows[i].code, rows[i].part);
	}
}

static void a_manifest_has_at_most_128_layers(void **state)
{
	auto_buf json = BUF_INIT(OCI_MANIFEST_MAX_BYTES);
	struct oci_manifest manifest;

	(void)state;
	for (int count = 128; count <= 129; count++) {
		buf_clear(&json);
		buf_puts(&json, "{" CONFIG ",\"layers\":[");
		for (int i = 0; i < count; i++)
			buf_printf(&json, "%s" LAYER(GZIP_LAYER), i ? "," : "");
		buf_puts(&json, "]}");
		assert_int_equal(manifest_of(json.data, &manifest), count == 128 ? 0 : -1);
	}
	assert_says(&err, ERR_LIMIT, "more than 128 entries");
}

static void a_config_gives_the_facts_of_a_process(void **state)
{
	struct oci_config config;

	(void)state;
	assert_int_equal(
		config_of(
			"{\"os\":\"linux\",\"architecture\":\"amd64\",\"config\":{\"User\":\"1001:1001\","
			"\"WorkingDir\":\"/app\",\"StopSignal\":\"SIGQUIT\",\"Env\":[\"A=1\",\"B=\"],"
			"\"Entrypoint\":[\"/bin/x\",\"\"],\"Cmd\":null,\"Volumes\":{\"/data\":{},\"/logs\":{}}},"
			"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" D1 "\"]}}",
			&config),
		0);
	assert_string_equal(config.user, "1001:1001");
	assert_string_equal(config.workdir, "/app");
	assert_string_equal(config.stop_signal, "SIGQUIT");
	assert_int_equal(config.env.count, 2);
	assert_string_equal(config.env.items[1], "B=");
	assert_int_equal(config.entrypoint.count, 2);
	assert_string_equal(config.entrypoint.items[1], "");
	assert_int_equal(config.command.count, 0);
	assert_int_equal(config.volumes.count, 2);
	assert_string_equal(config.volumes.items[1], "/logs");
	assert_int_equal(config.diff_ids.count, 1);
	/* the part about the process may be missing */
	assert_int_equal(config_of("{\"rootfs\":{\"diff_ids\":[\"" D1 "\"]}}", &config), 0);
	assert_string_equal(config.user, "");
}

#define WITH_CHECK(text) \
	"{\"config\":{\"Healthcheck\":" text "},\"rootfs\":{\"diff_ids\":[\"" D1 "\"]}}"

static void a_health_check_is_read_in_docker_s_form(void **state)
{
	auto_buf facts = BUF_INIT(10000);
	struct oci_config config;

	(void)state;
	assert_int_equal(config_of(WITH_CHECK("{\"Test\":[\"CMD-SHELL\",\"a\\nb\"],"
					      "\"Interval\":5000000001,\"Timeout\":1000,"
					      "\"StartPeriod\":2000000,\"StartInterval\":1,"
					      "\"Retries\":4}"),
				   &config),
			 0);
	assert_int_equal(config.health_test.count, 2);
	assert_string_equal(config.health_test.items[1], "a\nb");
	assert_int_equal(config.health_interval_usec, 5000001);
	assert_int_equal(config.health_timeout_usec, 1);
	assert_int_equal(config.health_start_period_usec, 2000);
	assert_int_equal(config.health_start_interval_usec, 1);
	assert_int_equal(config.health_retries, 4);
	oci_facts_write(D3, &config, &facts);
	assert_non_null(strstr(buf_str(&facts),
			       "health-test CMD-SHELL\nhealth-test a%0Ab\n"
			       "health-interval-usec 5000001\nhealth-timeout-usec 1\n"
			       "health-start-period-usec 2000\nhealth-start-interval-usec 1\n"
			       "health-retries 4\n"));
}

/* An image whose check is strange is an image without one. */
static void strange_health_checks_are_none(void **state)
{
	static const char *const texts[] = {
		WITH_CHECK("null"),
		WITH_CHECK("[]"),
		WITH_CHECK("{}"),
		WITH_CHECK("{\"Test\":\"true\"}"),
		WITH_CHECK("{\"Test\":[1]}"),
		WITH_CHECK("{\"Test\":null,\"Interval\":1}"),
	};
	struct oci_config config;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		auto_buf facts = BUF_INIT(10000);

		assert_int_equal(config_of(texts[i], &config), 0);
		assert_int_equal(config.health_test.count, 0);
		oci_facts_write(D3, &config, &facts);
		assert_null(strstr(buf_str(&facts), "health"));
	}
	assert_int_equal(config_of(WITH_CHECK("{\"Test\":[\"CMD\",\"x\"],\"Interval\":-5,"
					      "\"Timeout\":1.5,\"Retries\":\"3\","
					      "\"StartPeriod\":18446744073709551615}"),
				   &config),
			 0);
	assert_int_equal(config.health_interval_usec, 0);
	assert_int_equal(config.health_timeout_usec, 0);
	assert_int_equal(config.health_start_period_usec, 0);
	assert_int_equal(config.health_retries, 0);
}

static void bad_configs_are_refused(void **state)
{
	static const struct {
		const char *json, *part;
	} rows[] = {
		{ "{}", "rootfs is missing" },
		{ "{\"rootfs\":{\"type\":\"plan9\",\"diff_ids\":[]}}",
		  "type plan9 is not supported" },
		{ "{\"rootfs\":{\"diff_ids\":\"x\"}}", "diff_ids is not an array" },
		{ "{\"rootfs\":{\"diff_ids\":[\"x\"]}}", "is not sha256" },
		{ "{\"config\":[],\"rootfs\":{}}", "config: not an object" },
		{ "{\"config\":{\"Entrypoint\":\"/bin/sh\"},\"rootfs\":{}}",
		  "Entrypoint is not an array of strings" },
		{ "{\"config\":{\"Cmd\":[1]},\"rootfs\":{}}", "Cmd is not an array of strings" },
		{ "{\"config\":{\"Env\":[null]},\"rootfs\":{}}", "Env is not an array of strings" },
		{ "{\"config\":{\"Env\":[\"A=\\u0000\"]},\"rootfs\":{}}", "holds a NUL byte" },
		{ "{\"config\":{\"Volumes\":[]},\"rootfs\":{}}", "Volumes is not an object" },
		{ "{\"config\":{\"User\":1001},\"rootfs\":{}}", "User is not a string" },
	};
	struct oci_config config;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (config_of(rows[i].json, &config) == 0)
			fail_msg("accepted: %s", rows[i].json);
		if (!strstr(err.msg, rows[i].part))
			fail_msg("%s: %s", rows[i].json, err.msg);
	}
}

static void other_machines_images_are_refused_by_name(void **state)
{
	struct oci_descriptor layer = { .kind = OCI_LAYER };
	struct oci_manifest manifest = { .layers = { &layer, 1 } };
	const char *diff_id = D1;
	struct oci_config config = { .platform = *oci_platform_here(),
				     .diff_ids = { &diff_id, 1 } };

	(void)state;
	assert_int_equal(oci_image_check(&manifest, &config, &err), 0);
	config.platform.architecture = "s390x";
	assert_int_equal(oci_image_check(&manifest, &config, &err), -1);
	assert_says(&err, ERR_UNSUPPORTED, "image is for linux/s390x, this machine is linux/");
	config.platform = (struct oci_platform){ "windows", oci_platform_here()->architecture, "" };
	assert_int_equal(oci_image_check(&manifest, &config, &err), -1);
	assert_says(&err, ERR_UNSUPPORTED, "image is for windows/");
	config.platform = *oci_platform_here();
	config.diff_ids.count = 0;
	assert_int_equal(oci_image_check(&manifest, &config, &err), -1);
	assert_says(&err, ERR_INTEGRITY, "1 layers, config has 0 diff ids");
}

static void the_base_level_of_an_architecture_is_preferred(void **state)
{
	struct oci_platform p = *oci_platform_here();
	unsigned plain = oci_platform_rank(&p);

	(void)state;
	p.variant = "v1";
	assert_true(oci_platform_rank(&p) > 0);
	assert_true(oci_platform_rank(&p) < plain);
	p.variant = "v4";
	assert_int_equal(oci_platform_rank(&p), 0);
	p = (struct oci_platform){ "linux", "mips", "" };
	assert_int_equal(oci_platform_rank(&p), 0);
}

static void facts_list_a_repeated_layer_once_where_it_was_last(void **state)
{
	const char *ids[] = { D1, D2, D1, D3 };
	const char *env[] = { "A=b\nc" };
	struct oci_config config = { .platform = { "linux", "amd64", "v1" },
				     .created = "2026-01-02T03:04:05Z",
				     .user = "u",
				     .workdir = "",
				     .stop_signal = "",
				     .env = { env, 1 },
				     .diff_ids = { ids, 4 } };
	auto_buf facts = BUF_INIT(10000);

	(void)state;
	oci_facts_write(D3, &config, &facts);
	assert_string_equal(facts.data,
			    "digest " D3 "\nuser u\nworkdir \nstop-signal \nenv A=b%0Ac\n"
			    "layer " D2 "\nlayer " D1 "\nlayer " D3 "\n"
			    "created 2026-01-02T03:04:05Z\nos linux\narchitecture amd64\n"
			    "variant v1\n");
}

static void only_layout_version_1_is_known(void **state)
{
	(void)state;
	assert_int_equal(oci_layout_check("{\"imageLayoutVersion\":\"1.0.0\"}", 30, &err), 0);
	assert_int_equal(oci_layout_check("{\"imageLayoutVersion\":\"2.0.0\"}", 30, &err), -1);
	assert_says(&err, ERR_UNSUPPORTED, "version 2.0.0 is not supported");
	assert_int_equal(oci_layout_check("{}", 2, &err), -1);
	assert_int_equal(oci_layout_check("{\"imageLayoutVersion\":1}", 24, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(an_index_gives_descriptors_names_and_platforms,
					  tear_down),
		cmocka_unit_test_teardown(bad_indexes_are_refused, tear_down),
		cmocka_unit_test_teardown(an_index_is_bounded, tear_down),
		cmocka_unit_test_teardown(a_manifest_gives_config_and_layers, tear_down),
		cmocka_unit_test_teardown(manifests_that_cannot_be_used_say_why, tear_down),
		cmocka_unit_test_teardown(a_manifest_has_at_most_128_layers, tear_down),
		cmocka_unit_test_teardown(a_config_gives_the_facts_of_a_process, tear_down),
		cmocka_unit_test_teardown(bad_configs_are_refused, tear_down),
		cmocka_unit_test_teardown(a_health_check_is_read_in_docker_s_form, tear_down),
		cmocka_unit_test_teardown(strange_health_checks_are_none, tear_down),
		cmocka_unit_test_teardown(other_machines_images_are_refused_by_name, tear_down),
		cmocka_unit_test_teardown(the_base_level_of_an_architecture_is_preferred,
					  tear_down),
		cmocka_unit_test_teardown(facts_list_a_repeated_layer_once_where_it_was_last,
					  tear_down),
		cmocka_unit_test_teardown(only_layout_version_1_is_known, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
