/* SPDX-License-Identifier: Apache-2.0 */
/* From a name to an image, at registries that tell the truth and at those that do not. */
#include "registry_test.h"

static struct world w;

static int tear_down(void **state)
{
	(void)state;
	world_close(&w);
	return 0;
}

static void serve_honestly(struct ask *ask)
{
	serve_fixture(ask, &w.fixture);
}

static void a_name_becomes_a_manifest_a_config_and_layers(void **state)
{
	(void)state;
	world_open(&w, 2);
	world_serve(&w, serve_honestly);
	world_resolves(&w);
	assert_string_equal(w.image.manifest_digest, w.fixture.manifest_digest);
	assert_string_equal(w.image.index_digest, "");
	assert_string_equal(w.image.config_digest, w.fixture.config_digest);
	assert_int_equal(w.image.manifest_length, strlen(w.fixture.manifest));
	assert_memory_equal(w.image.manifest, w.fixture.manifest, w.image.manifest_length);
	assert_memory_equal(w.image.config, w.fixture.config, w.image.config_length);
	assert_int_equal(w.image.layer_count, 2);
	assert_string_equal(w.image.layers[1].digest, w.fixture.layer_digest[1]);
	assert_int_equal(w.image.layers[1].bytes, LAYER_BYTES);
	assert_string_equal(w.image.layers[1].media_type,
			    "application/vnd.oci.image.layer.v1.tar+gzip");
	assert_non_null(strstr(w.image.from, "/team/app"));
	assert_non_null(strstr(w.server[0].shared->log,
			       "application/vnd.docker.distribution.manifest.list.v2+json"));
	assert_non_null(strstr(w.server[0].shared->log, "User-Agent: cleat/"));
	assert_null(strstr(w.server[0].shared->log, "Accept-Encoding"));
	assert_null(strstr(w.server[0].shared->log, "Authorization"));
}

static void without_insecure_http_is_not_tried(void **state)
{
	(void)state;
	world_open(&w, 1);
	w.limits.retries = 0;
	world_serve(&w, serve_honestly);
	w.endpoints[0].insecure = false;
	world_refuses(&w, ERR_BUSY, "insecure = true");
	assert_int_equal(atomic_load(&w.server[0].shared->log_used), 0);
}

static void a_digest_is_asked_for_and_checked(void **state)
{
	(void)state;
	world_open(&w, 1);
	world_serve(&w, serve_honestly);
	snprintf(w.candidate.ref.digest, sizeof(w.candidate.ref.digest), "%s",
		 w.fixture.manifest_digest);
	world_resolves(&w);
	assert_non_null(strstr(w.server[0].shared->log, "/v2/team/app/manifests/sha256:"));
	assert_null(strstr(w.server[0].shared->log, "/manifests/1.0"));
}

static void serve_manifest_of_another_digest(struct ask *ask)
{
	if (strstr(ask->path, "/manifests/"))
		reply_text(ask, "200 OK", "", w.fixture.manifest);
	serve_honestly(ask);
}

static void a_manifest_with_another_digest_is_refused(void **state)
{
	(void)state;
	world_open(&w, 1);
	world_serve(&w, serve_manifest_of_another_digest);
	memset(w.candidate.ref.digest, 'a', 71);
	memcpy(w.candidate.ref.digest, "sha256:", 7);
	world_refuses(&w, ERR_INTEGRITY, w.fixture.manifest_digest);
	assert_non_null(strstr(w.err.msg, w.candidate.ref.digest));
	assert_non_null(strstr(w.err.msg, w.hosts[0]));
}

static void what_is_not_there_is_said(void **state)
{
	(void)state;
	world_open(&w, 1);
	world_serve(&w, serve_honestly);
	snprintf(w.candidate.ref.tag, sizeof(w.candidate.ref.tag), "2.0");
	world_refuses(&w, ERR_NOT_FOUND, "team/app: manifest 2.0: HTTP 404: manifest unknown");
}

/* What stands under the name, in place of the fixture's manifest. Set before the server starts. */
static char *document;
static size_t document_length;

static void serve_document(struct ask *ask)
{
	if (strstr(ask->path, "/manifests/1.0"))
		reply(ask, "200 OK", "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n",
		      document, document_length);
	else
		serve_honestly(ask);
}

static void refuse_document(const char *text, enum err_code code, const char *part)
{
	world_open(&w, 1);
	document = (char *)(uintptr_t)text;
	document_length = strlen(text);
	world_serve(&w, serve_document);
	world_refuses(&w, code, part);
	assert_non_null(strstr(w.err.msg, "127.0.0.1"));
	world_close(&w);
}

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define ONE_CONFIG                                                                                \
	"\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"" D1 \
	"\",\"size\":7}"
#define ONE_LAYER(type) "{\"mediaType\":\"" type "\",\"digest\":\"" D1 "\",\"size\":9}"
#define TAR "application/vnd.oci.image.layer.v1.tar"

static void documents_that_are_no_image_are_refused_by_name(void **state)
{
	static const struct {
		const char *text;
		enum err_code code;
		const char *part;
	} rows[] = {
		{ "", ERR_INPUT, "manifest" },
		{ "<html>login</html>", ERR_INPUT, "byte 0" },
		{ "[]", ERR_INPUT, "not a JSON object" },
		{ "{\"schemaVersion\":1,\"fsLayers\":[]}", ERR_UNSUPPORTED, "schema 1" },
		{ "{\"schemaVersion\":2,\"mediaType\":\"application/x-cat\"}", ERR_UNSUPPORTED,
		  "application/x-cat" },
		{ "{\"schemaVersion\":2,\"manifests\":[],\"layers\":[]}", ERR_INPUT,
		  "at the same time" },
		{ "{\"schemaVersion\":2," ONE_CONFIG "," ONE_CONFIG ",\"layers\":[]}", ERR_INPUT,
		  "\"config\" stands twice" },
		{ "{\"schemaVersion\":2," ONE_CONFIG ",\"layers\":[{\"digest\":\"" D1
		  "\",\"digest\":\"" D1 "\",\"size\":1}]}",
		  ERR_INPUT, "\"digest\" stands twice" },
		{ "{\"schemaVersion\":2," ONE_CONFIG
		  ",\"layers\":[" ONE_LAYER(TAR "+encrypted") "]}",
		  ERR_UNSUPPORTED, "is encrypted" },
		{ "{\"schemaVersion\":2," ONE_CONFIG ",\"layers\":[" ONE_LAYER(
			  "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip") "]}",
		  ERR_UNSUPPORTED, "non-distributable" },
		{ "{\"schemaVersion\":2," ONE_CONFIG ",\"layers\":[" ONE_LAYER("text/x-layer") "]}",
		  ERR_UNSUPPORTED, "text/x-layer" },
		{ "{\"schemaVersion\":2,\"manifests\":[" ONE_LAYER(TAR) "]}", ERR_UNSUPPORTED,
		  "for nothing that could run" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		refuse_document(rows[i].text, rows[i].code, rows[i].part);
}

static void a_hundred_thousand_layers_are_refused(void **state)
{
	auto_buf text = BUF_INIT(16 * 1024 * 1024);

	(void)state;
	buf_puts(&text, "{\"schemaVersion\":2," ONE_CONFIG ",\"layers\":[{}");
	for (int i = 1; i < 100000; i++)
		buf_puts(&text, ",{}");
	buf_puts(&text, "]}");
	refuse_document(buf_str(&text), ERR_LIMIT, "layers has more than 128");
}

static void deep_documents_are_refused(void **state)
{
	auto_buf text = BUF_INIT(16 * 1024 * 1024);

	(void)state;
	buf_puts(&text, "{\"schemaVersion\":2,\"x\":");
	for (int i = 0; i < 100000; i++)
		buf_putc(&text, '[');
	for (int i = 0; i < 100000; i++)
		buf_putc(&text, ']');
	buf_putc(&text, '}');
	refuse_document(buf_str(&text), ERR_LIMIT, "nested deeper");
}

static void serve_gigabyte(struct ask *ask)
{
	send_text(ask, "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n");
	for (;;)
		send_all(ask->fd, w.fixture.layer[0], LAYER_BYTES);
}

static void a_manifest_of_a_gigabyte_is_not_read(void **state)
{
	(void)state;
	world_open(&w, 1);
	world_serve(&w, serve_gigabyte);
	world_refuses(&w, ERR_LIMIT, "1073741824 bytes");
}

static void serve_endless_chunks(struct ask *ask)
{
	send_text(ask, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (;;) {
		send_text(ask, "10000\r\n");
		send_all(ask->fd, w.fixture.layer[0], 0x10000);
		send_text(ask, "\r\n");
	}
}

static void a_manifest_without_end_is_not_read_to_the_end(void **state)
{
	(void)state;
	world_open(&w, 1);
	world_serve(&w, serve_endless_chunks);
	world_refuses(&w, ERR_LIMIT, "more than 4194304 bytes");
}

static void serve_endless_headers(struct ask *ask)
{
	send_text(ask, "HTTP/1.1 200 OK\r\n");
	for (;;)
		send_text(ask, "X-More: yes\r\n");
}

static void serve_endless_interim_answers(struct ask *ask)
{
	for (;;)
		send_text(ask, "HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n");
}

static void headers_without_end_are_refused(void **state)
{
	(void)state;
	world_open(&w, 1);
	world_serve(&w, serve_endless_headers);
	world_refuses(&w, ERR_LIMIT, "headers");
	world_close(&w);
	world_open(&w, 1);
	world_serve(&w, serve_endless_interim_answers);
	world_refuses(&w, ERR_LIMIT, "headers");
}

static void serve_drip(struct ask *ask)
{
	send_text(ask, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
	for (;;) {
		send_text(ask, " ");
		poll(NULL, 0, 20);
	}
}

static void serve_nothing(struct ask *ask)
{
	wait_for_end(ask);
}

static void drips_and_silence_end(void **state)
{
	(void)state;
	world_open(&w, 1);
	w.limits.retries = 1;
	world_serve(&w, serve_drip);
	world_hurry(&w);
	world_refuses(&w, ERR_BUSY, "less than 1000 bytes a second");
	assert_int_equal(count_in(w.server[0].shared->log, "GET "), 2);
	world_close(&w);
	world_open(&w, 1);
	w.limits.retries = 0;
	world_serve(&w, serve_nothing);
	world_hurry(&w);
	world_refuses(&w, ERR_BUSY, "less than 1000 bytes a second");
}

static void serve_slowly_for_ever(struct ask *ask)
{
	send_text(ask, "HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n");
	for (;;) {
		send_all(ask->fd, w.fixture.layer[0], 1000);
		poll(NULL, 0, 20);
	}
}

static void a_document_has_a_time_of_its_own(void **state)
{
	(void)state;
	world_open(&w, 1);
	w.limits.retries = 0;
	w.limits.stall_bytes_per_sec = 1; /* it is not too slow, there is too much */
	world_serve(&w, serve_slowly_for_ever);
	world_hurry(&w);
	world_refuses(&w, ERR_BUSY, "no complete answer");
}

static void serve_wrong_config(struct ask *ask)
{
	if (strstr(ask->path, "/blobs/")) {
		char config[2048];

		snprintf(config, sizeof(config), "%s", w.fixture.config);
		config[2] = 'X';
		reply_text(ask, "200 OK", "", config);
	}
	serve_honestly(ask);
}

static void serve_short_config(struct ask *ask)
{
	if (strstr(ask->path, "/blobs/"))
		reply(ask, "200 OK", "", w.fixture.config, 10);
	serve_honestly(ask);
}

static void a_config_that_is_not_what_was_promised_is_refused(void **state)
{
	(void)state;
	world_open(&w, 1);
	world_serve(&w, serve_wrong_config);
	world_refuses(&w, ERR_INTEGRITY, "its bytes have the digest");
	assert_non_null(strstr(w.err.msg, w.fixture.config_digest));
	world_close(&w);
	world_open(&w, 1);
	world_serve(&w, serve_short_config);
	world_refuses(&w, ERR_INTEGRITY, "has 10 bytes, its descriptor says");
}

static void a_layer_larger_than_the_limit_is_refused_before_it_is_asked_for(void **state)
{
	(void)state;
	world_open(&w, 1);
	w.limits.layer_max_bytes = LAYER_BYTES - 1;
	world_serve(&w, serve_honestly);
	world_refuses(&w, ERR_LIMIT, w.fixture.layer_digest[0]);
	assert_int_equal(count_in(w.server[0].shared->log, "/blobs/"), 0);
}

/* An index that holds the fixture's manifest beside others. */
static void make_index(char *out, size_t size, const char *architecture)
{
	snprintf(
		out, size,
		"{\"schemaVersion\":2,\"manifests\":["
		"{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"" D1
		"\",\"size\":9,\"platform\":{\"os\":\"windows\",\"architecture\":\"amd64\"}},"
		"{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"%s\",\"size\":%zu,"
		"\"platform\":{\"os\":\"linux\",\"architecture\":\"%s\"}}]}",
		w.fixture.manifest_digest, strlen(w.fixture.manifest), architecture);
}

static void an_index_leads_to_the_manifest_for_this_machine(void **state)
{
	char index[2048], digest[80];

	(void)state;
	world_open(&w, 1);
	make_index(index, sizeof(index), oci_platform_here()->architecture);
	document = index;
	document_length = strlen(index);
	digest_of(index, strlen(index), digest);
	world_serve(&w, serve_document);
	world_resolves(&w);
	assert_string_equal(w.image.index_digest, digest);
	assert_string_equal(w.image.manifest_digest, w.fixture.manifest_digest);
	assert_int_equal(w.image.layer_count, 1);
}

static void an_index_without_this_machine_names_what_it_has(void **state)
{
	char index[2048];

	(void)state;
	world_open(&w, 1);
	make_index(index, sizeof(index), "s390x");
	world_close(&w);
	refuse_document(index, ERR_UNSUPPORTED, "windows/amd64 linux/s390x");
}

static void a_manifest_whose_size_the_index_got_wrong_is_refused(void **state)
{
	char index[2048], *size;

	(void)state;
	world_open(&w, 1);
	make_index(index, sizeof(index), oci_platform_here()->architecture);
	size = strstr(strstr(index, w.fixture.manifest_digest), "\"size\":") + 7;
	*size = *size == '9' ? '8' : '9';
	world_close(&w);
	refuse_document(index, ERR_INTEGRITY, "its descriptor says");
}

/* Redirects. */

static char redirect_to[512];

static void serve_redirect(struct ask *ask)
{
	char headers[600];

	snprintf(headers, sizeof(headers), "Location: %s\r\n", redirect_to);
	reply_text(ask, "307 Temporary Redirect", headers, "elsewhere");
}

static void refuse_redirect(const char *location, enum err_code code, const char *part)
{
	world_open(&w, 1);
	snprintf(redirect_to, sizeof(redirect_to), "%s", location);
	world_serve(&w, serve_redirect);
	world_refuses(&w, code, part);
	world_close(&w);
}

static void redirects_that_lead_astray_are_not_followed(void **state)
{
	static const struct {
		const char *location;
		enum err_code code;
		const char *part;
	} rows[] = {
		{ "/v2/again", ERR_LIMIT, "more than 5 redirects" },
		{ "file:///etc/passwd", ERR_INPUT, "scheme file is not followed" },
		{ "ftp://127.0.0.1/x", ERR_INPUT, "scheme ftp" },
		{ "gopher://127.0.0.1/x", ERR_INPUT, "scheme gopher" },
		{ "http://169.254.169.254/latest/meta-data/", ERR_INPUT,
		  "link-local address from a loopback one" },
		{ "http://[fe80::1]/x", ERR_INPUT, "link-local" },
		{ "http://[::ffff:169.254.169.254]/x", ERR_INPUT, "link-local" },
		{ "http://0.0.0.0/x", ERR_INPUT, "reserved" },
		{ "http://224.0.0.1/x", ERR_INPUT, "reserved" },
		{ "http://user:secret@127.0.0.1/x", ERR_INPUT, "with a user name" },
		{ "http://127.0.0.1:99999/x", ERR_INPUT, "no address" },
		{ "", ERR_INTEGRITY, "without an address" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		refuse_redirect(rows[i].location, rows[i].code, rows[i].part);
	assert_null(strstr(w.err.msg, "secret"));
}

/* The first server sends everything to the second, which is honest, or back again. */
static int second_port;

static void serve_to_second(struct ask *ask)
{
	char headers[600];

	if (strstr(ask->path, "/returned/")) {
		serve_honestly(ask);
		return;
	}
	snprintf(headers, sizeof(headers), "Location: http://127.0.0.1:%d%s\r\n", second_port,
		 ask->path);
	reply_text(ask, "302 Found", headers, "");
}

static void serve_if_without_password(struct ask *ask)
{
	if (header_of(ask, "Authorization: "))
		reply_text(ask, "400 Bad Request", "", "a password");
	else
		serve_honestly(ask);
}

/* Basic towards the first server, which then redirects. */
static void serve_basic_to_second(struct ask *ask)
{
	if (!header_of(ask, "Authorization: "))
		reply_text(ask, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", "");
	else
		serve_to_second(ask);
}

static void open_two(serve_fn *first, serve_fn *second)
{
	world_open(&w, 1);
	server_start(&w.server[1], second);
	second_port = w.server[1].port;
	world_serve(&w, first);
	w.endpoints[0].user = "ann";
	w.endpoints[0].password = "secret";
}

static void a_redirect_does_not_take_the_password_along(void **state)
{
	(void)state;
	open_two(serve_basic_to_second, serve_if_without_password);
	world_resolves(&w);
	assert_non_null(strstr(w.server[0].shared->log, "Authorization: Basic YW5uOnNlY3JldA=="));
	assert_true(count_in(w.server[1].shared->log, "GET ") == 2);
	assert_null(strstr(w.server[1].shared->log, "Authorization"));
}

/* A path that the second server chose at the first must not get the password that the first was given. */
static void serve_first_of_circle(struct ask *ask)
{
	char headers[600];

	if (!strncmp(ask->path, "/chosen/", 8)) {
		serve_if_without_password(ask);
		return;
	}
	if (!header_of(ask, "Authorization: ")) {
		reply_text(ask, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", "");
		return;
	}
	snprintf(headers, sizeof(headers), "Location: http://127.0.0.1:%d/%d%s\r\n", second_port,
		 ask->port, ask->path);
	reply_text(ask, "302 Found", headers, "");
}

static void serve_second_of_circle(struct ask *ask)
{
	char headers[600];
	int port = (int)strtoul(ask->path + 1, NULL, 10);

	snprintf(headers, sizeof(headers), "Location: http://127.0.0.1:%d/chosen%s\r\n", port,
		 strchr(ask->path + 1, '/'));
	reply_text(ask, "302 Found", headers, "");
}

static void a_redirect_back_does_not_bring_the_password_back(void **state)
{
	(void)state;
	open_two(serve_first_of_circle, serve_second_of_circle);
	world_refuses(&w, ERR_NOT_FOUND, "HTTP 404");
	assert_int_equal(count_in(w.server[0].shared->log, "GET /chosen/"), 1);
	assert_int_equal(count_in(w.server[0].shared->log, "Authorization: Basic"), 1);
}

static void serve_relative_redirect(struct ask *ask)
{
	if (!strcmp(ask->path, "/v2/team/app/manifests/1.0"))
		reply_text(ask, "301 Moved Permanently",
			   "Location: ../../../../elsewhere/manifests/1.0?a=b#c\r\n", "");
	else if (!strcmp(ask->path, "/elsewhere/manifests/1.0?a=b"))
		reply_text(ask, "200 OK", "", w.fixture.manifest);
	else
		serve_honestly(ask);
}

static void a_relative_redirect_is_followed(void **state)
{
	(void)state;
	world_open(&w, 1);
	world_serve(&w, serve_relative_redirect);
	world_resolves(&w);
}

/* Errors that pass. */

static void serve_late(struct ask *ask)
{
	if (atomic_fetch_add(&ask->shared->count[0], 1) < 2)
		reply_text(ask, "503 Service Unavailable", "", "");
	else
		serve_honestly(ask);
}

static void a_server_that_is_tired_is_asked_again(void **state)
{
	(void)state;
	world_open(&w, 1);
	world_serve(&w, serve_late);
	world_resolves(&w);
	assert_int_equal(count_in(w.server[0].shared->log, "/manifests/"), 3);
}

static void serve_503(struct ask *ask)
{
	reply_text(ask, "503 Service Unavailable", "",
		   "{\"errors\":[{\"code\":\"UNAVAILABLE\",\"message\":\"the store\\nis away\"}]}");
}

static void retries_have_an_end(void **state)
{
	(void)state;
	world_open(&w, 1);
	world_serve(&w, serve_503);
	world_refuses(&w, ERR_BUSY, "HTTP 503: the store?is away");
	assert_int_equal(count_in(w.server[0].shared->log, "GET "), 3);
}

static void serve_too_many(struct ask *ask)
{
	if (atomic_fetch_add(&ask->shared->count[0], 1) == 0)
		reply_text(ask, "429 Too Many Requests", "Retry-After: 1\r\n", "");
	else
		serve_honestly(ask);
}

static void retry_after_is_obeyed(void **state)
{
	usec_t before;

	(void)state;
	world_open(&w, 1);
	world_serve(&w, serve_too_many);
	before = clock_now_usec();
	world_resolves(&w);
	assert_true(clock_now_usec() - before >= USEC_SEC);
}

static void serve_hang_up(struct ask *ask)
{
	hang_up(ask);
}

static void serve_nonsense(struct ask *ask)
{
	send_text(ask, "SSH-2.0-OpenSSH_9.2\r\n");
	hang_up(ask);
}

static void answers_that_are_no_http_are_refused(void **state)
{
	(void)state;
	world_open(&w, 1);
	w.limits.retries = 0;
	world_serve(&w, serve_hang_up);
	world_refuses(&w, ERR_BUSY, "manifest 1.0");
	world_close(&w);
	world_open(&w, 1);
	world_serve(&w, serve_nonsense);
	world_refuses(&w, ERR_INTEGRITY, "not HTTP");
}

static bool not_any_more(void *arg)
{
	return --*(int *)arg >= 0;
}

static void whoever_waits_can_stop(void **state)
{
	int patience = 1;

	(void)state;
	world_open(&w, 1);
	w.limits.stall_timeout_usec = 600 * USEC_SEC;
	world_serve(&w, serve_nothing);
	world_connect(&w);
	assert_int_equal(registry_resolve(w.registry, &w.candidate, not_any_more, &patience,
					  &w.arena, &w.image, &w.err),
			 -1);
	assert_says(&w.err, ERR_BUSY, "stopped");
}

/* Mirrors. */

static void serve_404(struct ask *ask)
{
	reply_text(ask, "404 Not Found", "", "");
}

static void a_mirror_that_lacks_it_is_passed_over(void **state)
{
	(void)state;
	world_open(&w, 1);
	world_serve(&w, serve_404);
	world_serve(&w, serve_honestly);
	w.endpoints[0].is_mirror = true;
	world_resolves(&w);
	assert_int_equal(w.image.endpoint, 1);
	assert_string_equal(w.image.layers[0].digest, w.fixture.layer_digest[0]);
}

static void a_mirror_that_is_down_costs_one_try(void **state)
{
	(void)state;
	world_open(&w, 1);
	world_serve(&w, serve_503);
	world_serve(&w, serve_honestly);
	world_resolves(&w);
	assert_int_equal(count_in(w.server[0].shared->log, "GET "), 1);
	assert_int_equal(w.image.endpoint, 1);
}

static void when_all_fail_the_registrys_reason_comes_first(void **state)
{
	(void)state;
	world_open(&w, 1);
	world_serve(&w, serve_503);
	world_serve(&w, serve_404);
	world_refuses(&w, ERR_NOT_FOUND, "HTTP 404");
	assert_int_equal(strncmp(w.err.msg, w.hosts[1], strlen(w.hosts[1])), 0);
	assert_non_null(strstr(w.err.msg, "; mirror 127.0.0.1:"));
	assert_non_null(strstr(w.err.msg, "HTTP 503"));
}

/* HEAD. */

static void head_tells_the_digest_of_a_tag(void **state)
{
	char digest[80];

	(void)state;
	world_open(&w, 1);
	world_serve(&w, serve_honestly);
	world_connect(&w);
	assert_int_equal(registry_head(w.registry, &w.candidate, 0, digest, &w.err), 0);
	assert_string_equal(digest, w.fixture.manifest_digest);
	assert_int_equal(count_in(w.server[0].shared->log, "HEAD "), 1);
	assert_int_equal(count_in(w.server[0].shared->log, "GET "), 0);
}

static void serve_without_head(struct ask *ask)
{
	if (!strcmp(ask->method, "HEAD"))
		reply_text(ask, "405 Method Not Allowed", "", "");
	else
		reply_text(ask, "200 OK", "Docker-Content-Digest: sha512:1234\r\n",
			   w.fixture.manifest);
}

static void without_head_the_digest_is_computed(void **state)
{
	char digest[80];

	(void)state;
	world_open(&w, 1);
	world_serve(&w, serve_without_head);
	world_connect(&w);
	assert_int_equal(registry_head(w.registry, &w.candidate, 0, digest, &w.err), 0);
	assert_string_equal(digest, w.fixture.manifest_digest);
}

static void a_pinned_digest_needs_no_network(void **state)
{
	char digest[80];

	(void)state;
	world_open(&w, 1);
	world_serve(&w, serve_honestly);
	world_connect(&w);
	snprintf(w.candidate.ref.digest, sizeof(w.candidate.ref.digest), "%s", D1);
	assert_int_equal(registry_head(w.registry, &w.candidate, 0, digest, &w.err), 0);
	assert_string_equal(digest, D1);
	assert_int_equal(atomic_load(&w.server[0].shared->log_used), 0);
}

static void serve_nothing_now(struct ask *ask)
{
	reply_text(ask, "503 Service Unavailable", "", "");
}

static void head_is_asked_as_often_as_its_caller_says(void **state)
{
	char digest[80];

	(void)state;
	world_open(&w, 1);
	world_serve(&w, serve_nothing_now);
	world_connect(&w);
	assert_int_equal(registry_head(w.registry, &w.candidate, 0, digest, &w.err), -1);
	assert_int_equal(w.err.code, ERR_BUSY);
	assert_int_equal(count_in(w.server[0].shared->log, "HEAD "), 1);
	assert_int_equal(registry_head(w.registry, &w.candidate, 2, digest, &w.err), -1);
	assert_int_equal(count_in(w.server[0].shared->log, "HEAD "), 4);
}

static void serve_never(struct ask *ask)
{
	(void)ask;
	pause();
}

/* Who compares has an image to go on with: a registry that says nothing must not hold him up as long as a pull may take. */
static void a_silent_registry_is_compared_with_for_a_short_time_only(void **state)
{
	char digest[80];

	(void)state;
	world_open(&w, 1);
	world_serve(&w, serve_never);
	w.limits.stall_timeout_usec = w.limits.connect_timeout_usec = 600 * USEC_SEC;
	w.limits.compare_timeout_usec = 200 * USEC_MSEC;
	world_connect(&w);
	assert_int_equal(registry_head(w.registry, &w.candidate, 0, digest, &w.err), -1);
	assert_int_equal(w.err.code, ERR_BUSY);
	assert_int_equal(count_in(w.server[0].shared->log, "GET "), 0);
}

static void head_says_what_is_wrong(void **state)
{
	char digest[80];

	(void)state;
	world_open(&w, 1);
	world_serve(&w, serve_honestly);
	world_connect(&w);
	snprintf(w.candidate.ref.tag, sizeof(w.candidate.ref.tag), "2.0");
	assert_int_equal(registry_head(w.registry, &w.candidate, 0, digest, &w.err), -1);
	assert_says(&w.err, ERR_NOT_FOUND, "manifest unknown");
	w.candidate.endpoint_count = 0;
	assert_int_equal(registry_head(w.registry, &w.candidate, 0, digest, &w.err), -1);
	assert_says(&w.err, ERR_INPUT, "no registry");
	world_refuses(&w, ERR_INPUT, "no registry");
	w.candidate.endpoint_count = 1;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_name_becomes_a_manifest_a_config_and_layers, tear_down),
		cmocka_unit_test_teardown(without_insecure_http_is_not_tried, tear_down),
		cmocka_unit_test_teardown(a_digest_is_asked_for_and_checked, tear_down),
		cmocka_unit_test_teardown(a_manifest_with_another_digest_is_refused, tear_down),
		cmocka_unit_test_teardown(what_is_not_there_is_said, tear_down),
		cmocka_unit_test_teardown(documents_that_are_no_image_are_refused_by_name,
					  tear_down),
		cmocka_unit_test_teardown(a_hundred_thousand_layers_are_refused, tear_down),
		cmocka_unit_test_teardown(deep_documents_are_refused, tear_down),
		cmocka_unit_test_teardown(a_manifest_of_a_gigabyte_is_not_read, tear_down),
		cmocka_unit_test_teardown(a_manifest_without_end_is_not_read_to_the_end, tear_down),
		cmocka_unit_test_teardown(headers_without_end_are_refused, tear_down),
		cmocka_unit_test_teardown(drips_and_silence_end, tear_down),
		cmocka_unit_test_teardown(a_document_has_a_time_of_its_own, tear_down),
		cmocka_unit_test_teardown(a_config_that_is_not_what_was_promised_is_refused,
					  tear_down),
		cmocka_unit_test_teardown(
			a_layer_larger_than_the_limit_is_refused_before_it_is_asked_for, tear_down),
		cmocka_unit_test_teardown(an_index_leads_to_the_manifest_for_this_machine,
					  tear_down),
		cmocka_unit_test_teardown(an_index_without_this_machine_names_what_it_has,
					  tear_down),
		cmocka_unit_test_teardown(a_manifest_whose_size_the_index_got_wrong_is_refused,
					  tear_down),
		cmocka_unit_test_teardown(redirects_that_lead_astray_are_not_followed, tear_down),
		cmocka_unit_test_teardown(a_redirect_does_not_take_the_password_along, tear_down),
		cmocka_unit_test_teardown(a_redirect_back_does_not_bring_the_password_back,
					  tear_down),
		cmocka_unit_test_teardown(a_relative_redirect_is_followed, tear_down),
		cmocka_unit_test_teardown(a_server_that_is_tired_is_asked_again, tear_down),
		cmocka_unit_test_teardown(retries_have_an_end, tear_down),
		cmocka_unit_test_teardown(retry_after_is_obeyed, tear_down),
		cmocka_unit_test_teardown(answers_that_are_no_http_are_refused, tear_down),
		cmocka_unit_test_teardown(whoever_waits_can_stop, tear_down),
		cmocka_unit_test_teardown(a_mirror_that_lacks_it_is_passed_over, tear_down),
		cmocka_unit_test_teardown(a_mirror_that_is_down_costs_one_try, tear_down),
		cmocka_unit_test_teardown(when_all_fail_the_registrys_reason_comes_first,
					  tear_down),
		cmocka_unit_test_teardown(head_tells_the_digest_of_a_tag, tear_down),
		cmocka_unit_test_teardown(without_head_the_digest_is_computed, tear_down),
		cmocka_unit_test_teardown(a_pinned_digest_needs_no_network, tear_down),
		cmocka_unit_test_teardown(a_silent_registry_is_compared_with_for_a_short_time_only,
					  tear_down),
		cmocka_unit_test_teardown(head_is_asked_as_often_as_its_caller_says, tear_down),
		cmocka_unit_test_teardown(head_says_what_is_wrong, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
