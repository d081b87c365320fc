/* SPDX-License-Identifier: Apache-2.0 */
/* Where an exchange may go: addresses, redirects, certificates; what its headers say. */
#include "registry_test.h"

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecp.h>
#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#include <net/if.h>
#include <psa/crypto.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "image/transport_internal.h"

static struct world w;

/* Pure parts. */

static void addresses_have_a_scope(void **state)
{
	static const struct {
		const char *host;
		enum address_scope scope;
	} rows[] = {
		{ "8.8.8.8", ADDRESS_PUBLIC },
		{ "172.32.0.1", ADDRESS_PUBLIC },
		{ "registry.example", ADDRESS_PUBLIC },
		{ "localhost.example", ADDRESS_PUBLIC },
		{ "2a00:1450::1", ADDRESS_PUBLIC },
		{ "[2a00:1450::1]", ADDRESS_PUBLIC },
		{ "64:ff9b::808:808", ADDRESS_PUBLIC },
		{ "10.1.2.3", ADDRESS_PRIVATE },
		{ "172.16.0.1", ADDRESS_PRIVATE },
		{ "172.31.255.255", ADDRESS_PRIVATE },
		{ "192.168.0.1", ADDRESS_PRIVATE },
		{ "100.64.0.1", ADDRESS_PRIVATE },
		{ "100.127.255.255", ADDRESS_PRIVATE },
		{ "100.128.0.1", ADDRESS_PUBLIC },
		{ "fd00::1", ADDRESS_PRIVATE },
		{ "fec0::1", ADDRESS_PRIVATE },
		{ "::ffff:10.0.0.1", ADDRESS_PRIVATE },
		{ "64:ff9b::a00:1", ADDRESS_PRIVATE },
		{ "2002:a00:1::1", ADDRESS_PRIVATE },
		{ "127.0.0.1", ADDRESS_LOOPBACK },
		{ "127.255.255.255", ADDRESS_LOOPBACK },
		{ "::1", ADDRESS_LOOPBACK },
		{ "[::1]", ADDRESS_LOOPBACK },
		{ "::ffff:127.0.0.1", ADDRESS_LOOPBACK },
		{ "LocalHost", ADDRESS_LOOPBACK },
		{ "a.localhost", ADDRESS_LOOPBACK },
		{ "169.254.169.254", ADDRESS_LINK_LOCAL },
		{ "fe80::1", ADDRESS_LINK_LOCAL },
		{ "[fe80::1%eth0]", ADDRESS_LINK_LOCAL },
		{ "febf::1", ADDRESS_LINK_LOCAL },
		{ "0.0.0.0", ADDRESS_NEVER },
		{ "224.0.0.1", ADDRESS_NEVER },
		{ "255.255.255.255", ADDRESS_NEVER },
		{ "240.0.0.1", ADDRESS_NEVER },
		{ "::", ADDRESS_NEVER },
		{ "ff02::1", ADDRESS_NEVER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (address_scope_of_host(rows[i].host) != rows[i].scope)
			fail_msg("%s is %s, wanted %s", rows[i].host,
				 address_scope_name(address_scope_of_host(rows[i].host)),
				 address_scope_name(rows[i].scope));
}

static void socket_addresses_have_the_same_scope(void **state)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_addr.s_addr = inet_addr("169.254.1.1") };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr unix_socket = { .sa_family = AF_UNIX };

	(void)state;
	assert_int_equal(address_scope_of((struct sockaddr *)&v4), ADDRESS_LINK_LOCAL);
	assert_int_equal(address_scope_of((struct sockaddr *)&v6), ADDRESS_LOOPBACK);
	assert_int_equal(address_scope_of(&unix_socket), ADDRESS_NEVER);
}

static void nobody_is_led_nearer_to_us(void **state)
{
	/* rows: from public, private, loopback, link-local, never; columns: to the same */
	static const bool may[5][5] = {
		{ true, false, false, false, false }, { true, true, false, false, false },
		{ true, true, true, false, false },   { true, false, false, true, false },
		{ true, false, false, false, false },
	};

	(void)state;
	for (int from = 0; from < 5; from++)
		for (int to = 0; to < 5; to++)
			assert_int_equal(
				address_may_follow((enum address_scope)(ADDRESS_PUBLIC + from),
						   (enum address_scope)(ADDRESS_PUBLIC + to)),
				may[from][to]);
	assert_false(address_may_follow(ADDRESS_PUBLIC, ADDRESS_UNKNOWN));
	assert_true(address_may_follow(ADDRESS_UNKNOWN, ADDRESS_PUBLIC));
}

static void redirect(const char *from, const char *location, bool insecure, const char *wanted,
		     const char *part)
{
	CURLU *url = curl_url(), *to;
	char *text = NULL;

	assert_int_equal(curl_url_set(url, CURLUPART_URL, from, 0), CURLUE_OK);
	to = transport_redirect(url, location, insecure, &w.err);
	if (part) {
		assert_null(to);
		assert_says(&w.err, ERR_INPUT, part);
	} else {
		if (!to)
			fail_msg("%s: %s", location, w.err.msg);
		assert_int_equal(curl_url_get(to, CURLUPART_URL, &text, 0), CURLUE_OK);
		assert_string_equal(text, wanted);
		curl_free(text);
	}
	curl_url_cleanup(to);
	curl_url_cleanup(url);
}

static void redirects_are_resolved_and_checked(void **state)
{
	(void)state;
	redirect("https://a/v2/x/blobs/y", "https://b:8443/z?s=1", false, "https://b:8443/z?s=1",
		 NULL);
	redirect("https://a/v2/x/blobs/y", "/z", false, "https://a/z", NULL);
	redirect("https://a/v2/x/blobs/y", "z#part", false, "https://a/v2/x/blobs/z", NULL);
	redirect("https://a/v2/x/blobs/y", "//b/z", false, "https://b/z", NULL);
	redirect("http://a/", "https://b/", false, "https://b/", NULL);
	redirect("http://a/", "http://b/", false, "http://b/", NULL);
	redirect("https://a/", "http://b/", true, "http://b/", NULL);
	redirect("https://a/", "http://b/?signature=secret", false, NULL, "https to http (b:80)");
	assert_null(strstr(w.err.msg, "secret"));
	redirect("https://a/", "javascript:alert(1)", false, NULL, "redirect");
	redirect("https://a/", "data:,x", false, NULL, "redirect");
	redirect("https://a/", "file:///etc/passwd", false, NULL, "scheme file");
	redirect("https://a/", "https://ann@b/", false, NULL, "user name");
	redirect("https://a/", "https://:pw@b/", false, NULL, "user name");
	redirect("https://a/", "https://b:0x50/", false, NULL, "no address");
	redirect("https://a/", "https://[::1/", false, NULL, "no address");
}

static void sites_are_told_apart_by_scheme_host_and_port(void **state)
{
	static const char *const urls[] = { "https://A.example/x", "https://a.example:443/y",
					    "https://a.example:444/", "http://a.example:443/",
					    "https://b.example/" };
	struct transport_site sites[5];
	char text[TRANSPORT_SITE_SIZE];

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		CURLU *url = curl_url();

		assert_int_equal(curl_url_set(url, CURLUPART_URL, urls[i], 0), CURLUE_OK);
		assert_int_equal(transport_site_of(url, &sites[i], &w.err), 0);
		curl_url_cleanup(url);
	}
	assert_true(transport_site_same(&sites[0], &sites[1]));
	for (size_t i = 2; i < 5; i++)
		assert_false(transport_site_same(&sites[0], &sites[i]));
	transport_site_format(&sites[2], text);
	assert_string_equal(text, "https://a.example:444");
}

static struct transport_response response;

static bool read_line(const char *line)
{
	bool chunked = false;

	transport_read_header(&response, &chunked, line, strlen(line));
	return chunked;
}

static void headers_are_read(void **state)
{
	static char long_line[TRANSPORT_URL_MAX_BYTES + 100];

	(void)state;
	response = (struct transport_response){ 0 };
	read_line("Content-Type: application/json; charset=utf-8");
	assert_string_equal(response.content_type, "application/json");
	read_line("content-LENGTH:  17 ");
	assert_true(response.has_length && response.length == 17);
	read_line("Content-Length: 17x");
	assert_false(response.has_length);
	read_line("Content-Length: 99999999999999999999");
	assert_false(response.has_length);
	assert_true(read_line("Transfer-Encoding: chunked"));
	read_line("Docker-Content-Digest: sha256:short");
	assert_string_equal(response.digest, "");
	read_line("WWW-Authenticate: Basic realm=\"a\"");
	read_line("WWW-Authenticate: Bearer realm=\"b\"");
	assert_string_equal(response.challenge, "Basic realm=\"a\", Bearer realm=\"b\"");
	read_line("Location: https://a/b");
	assert_string_equal(response.location, "https://a/b");
	read_line("Retry-After: 120");
	assert_true(response.retry_after_usec == 120 * USEC_SEC);
	read_line("Retry-After: 99999999999");
	assert_true(response.retry_after_usec == 86400 * USEC_SEC);
	read_line("Retry-After: Thu, 01 Jan 1970 00:00:00 GMT");
	assert_true(response.retry_after_usec == 0);
	read_line("Retry-After: Fri, 31 Dec 2100 23:59:59 GMT");
	assert_true(response.retry_after_usec == 86400 * USEC_SEC);
	read_line("no colon");
	read_line(": no name");
	read_line("A-Name-That-Is-Longer-Than-Any-That-We-Know: x");
	memset(long_line, 'x', sizeof(long_line) - 1);
	memcpy(long_line, "Location: ", 10);
	read_line(long_line);
	assert_string_equal(response.location, "https://a/b");
	memcpy(long_line, "WWW-Authenticate: ", 18);
	long_line[5000] = '\0';
	read_line(long_line);
	assert_string_equal(response.challenge, "Basic realm=\"a\", Bearer realm=\"b\"");
}

static void ranges_are_read(void **state)
{
	static const struct {
		const char *line;
		bool fine;
		uint64_t first, total;
	} rows[] = {
		{ "Content-Range: bytes 100-199/200", true, 100, 200 },
		{ "Content-Range: Bytes 0-0/*", true, 0, UINT64_MAX },
		{ "Content-Range: bytes */200", false, 0, 0 },
		{ "Content-Range: bytes -5/200", false, 0, 0 },
		{ "Content-Range: bytes 1-2", false, 0, 0 },
		{ "Content-Range: bytes 1-2/x", false, 0, 0 },
		{ "Content-Range: items 1-2/3", false, 0, 0 },
		{ "Content-Range: bytes 1111111111111111111111111-2/3", false, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		response = (struct transport_response){ 0 };
		read_line(rows[i].line);
		assert_int_equal(response.has_range, rows[i].fine);
		if (rows[i].fine)
			assert_true(response.range_first == rows[i].first &&
				    response.range_total == rows[i].total);
	}
}

/* From a public address to ourselves, in a network namespace of our own where 203.0.113.5 is us. */

static int store_port;

static void serve_honestly(struct ask *ask)
{
	serve_fixture(ask, &w.fixture);
}

static void serve_to_loopback(struct ask *ask)
{
	char headers[600];

	snprintf(headers, sizeof(headers), "Location: http://127.0.0.1:%d%s\r\n", store_port,
		 ask->path);
	reply_text(ask, "302 Found", headers, "");
}

static int bring_up(const char *name, const char *address)
{
	struct ifreq request = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = 0;
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(address) };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	memcpy(&request.ifr_addr, &in, sizeof(in));
	rc |= ioctl(fd, SIOCSIFADDR, &request);
	request.ifr_flags = IFF_UP;
	rc |= ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
	return rc;
}

/* In a child, whose network it becomes: 0 as wanted, 1 otherwise, 2 no namespaces to be had. */
static int pull_from_public_address(const char *store_address)
{
	struct server store;
	int rc = 1;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return 2;
	if (bring_up("lo", "127.0.0.1") < 0 || bring_up("lo:1", "203.0.113.5") < 0)
		return 2;
	world_open(&w, 1);
	server_start_at(&store, store_address, serve_honestly);
	store_port = store.port;
	server_start_at(&w.server[0], "203.0.113.5", serve_to_loopback);
	snprintf(w.hosts[0], sizeof(w.hosts[0]), "203.0.113.5:%d", w.server[0].port);
	w.endpoints[0] = (struct pull_endpoint){ .host = w.hosts[0],
						 .repository = "team/app",
						 .insecure = true };
	w.candidate.endpoint_count = 1;
	if (world_resolve(&w) < 0 &&
	    strstr(w.err.msg, "leads to a loopback address from a public one") &&
	    atomic_load(&store.shared->log_used) == 0)
		rc = 0;
	server_stop(&store);
	world_close(&w);
	return rc;
}

static void a_public_registry_does_not_lead_to_loopback(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		_exit(pull_from_public_address("127.0.0.1"));
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	if (WEXITSTATUS(status) == 2)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Through a proxy. */

static void serve_as_proxy(struct ask *ask)
{
	static char path[8192];
	const char *rest = strstr(ask->path, "/v2/");

	if (!strcmp(ask->method, "CONNECT") || strncmp(ask->path, "http://", 7) != 0 || !rest) {
		reply_text(ask, "502 Bad Gateway", "", "");
		return;
	}
	if (strstr(ask->path, "/blobs/")) {
		reply_text(ask, "302 Found", "Location: http://127.0.0.1:9/v2/x\r\n", "");
		return;
	}
	snprintf(path, sizeof(path), "%s", rest);
	ask->path = path;
	serve_fixture(ask, &w.fixture);
}

static void open_proxied(const char *no_proxy)
{
	static const char *const none[] = { NULL };
	auto_buf bundle = BUF_INIT(PULL_CONFIG_MAX_BYTES);
	struct pull_places places = { .system_dirs = none, .ca_files = none, .no_proxy = no_proxy };
	struct pull_config *config;
	char proxy[80];

	world_open(&w, 1);
	w.limits.retries = 0;
	world_serve(&w, serve_as_proxy);
	snprintf(proxy, sizeof(proxy), "http://%s", w.hosts[0]);
	places.http_proxy = places.https_proxy = proxy;
	assert_int_equal(pull_config_gather(&places, &bundle, &w.err), 0);
	assert_int_equal(pull_config_parse(buf_str(&bundle), bundle.len, &w.arena, &config, &w.err),
			 0);
	w.registry = registry_open(config, &w.limits, &w.err);
	assert_non_null(w.registry);
}

/* Only the proxy resolves the registry's name; where a redirect goes is still looked at. */
static void a_proxy_is_asked_and_does_not_lead_to_us(void **state)
{
	(void)state;
	open_proxied("");
	w.endpoints[0].host = "registry.invalid:5000";
	world_refuses(&w, ERR_INPUT,
		      "http://127.0.0.1:9 leads to a loopback address from a public one");
	assert_non_null(strstr(w.server[0].shared->log, "CONNECT registry.invalid:5000"));
	assert_non_null(strstr(w.server[0].shared->log,
			       "GET http://registry.invalid:5000/v2/team/app/manifests/1.0"));
}

static void hosts_without_proxy_are_asked_themselves(void **state)
{
	(void)state;
	open_proxied("127.0.0.1");
	world_refuses(&w, ERR_BUSY, "HTTP 502");
	assert_non_null(strstr(w.server[0].shared->log, "GET /v2/team/app/manifests/1.0"));
}

/* TLS: a process before the server that ends it. */

struct identity {
	char cert[4096], key[4096];
};

struct random {
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context drbg;
};

static void random_open(struct random *r)
{
	mbedtls_entropy_init(&r->entropy);
	mbedtls_ctr_drbg_init(&r->drbg);
	assert_int_equal(
		mbedtls_ctr_drbg_seed(&r->drbg, mbedtls_entropy_func, &r->entropy, NULL, 0), 0);
	assert_int_equal(psa_crypto_init(), PSA_SUCCESS);
}

static void random_close(struct random *r)
{
	mbedtls_ctr_drbg_free(&r->drbg);
	mbedtls_entropy_free(&r->entropy);
}

/* Signed by itself, for an IPv4 address: its own CA. */
static void identity_make(struct identity *out, const char *address)
{
	struct in_addr in = { .s_addr = inet_addr(address) };
	mbedtls_x509_san_list san = { .node = { .type = MBEDTLS_X509_SAN_IP_ADDRESS,
						.san.unstructured_name = {
							.p = (unsigned char *)&in, .len = 4 } } };
	unsigned char serial[1] = { 1 };
	mbedtls_x509write_cert crt;
	mbedtls_pk_context key;
	struct random r;

	random_open(&r);
	mbedtls_pk_init(&key);
	mbedtls_x509write_crt_init(&crt);
	assert_int_equal(mbedtls_pk_setup(&key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)), 0);
	assert_int_equal(mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(key),
					     mbedtls_ctr_drbg_random, &r.drbg),
			 0);
	mbedtls_x509write_crt_set_version(&crt, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(&crt, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(&crt, &key);
	mbedtls_x509write_crt_set_issuer_key(&crt, &key);
	assert_int_equal(mbedtls_x509write_crt_set_subject_name(&crt, "CN=test"), 0);
	assert_int_equal(mbedtls_x509write_crt_set_issuer_name(&crt, "CN=test"), 0);
	assert_int_equal(
		mbedtls_x509write_crt_set_validity(&crt, "20200101000000", "21000101000000"), 0);
	assert_int_equal(mbedtls_x509write_crt_set_serial_raw(&crt, serial, 1), 0);
	assert_int_equal(mbedtls_x509write_crt_set_subject_alternative_name(&crt, &san), 0);
	assert_int_equal(mbedtls_x509write_crt_pem(&crt, (unsigned char *)out->cert,
						   sizeof(out->cert), mbedtls_ctr_drbg_random,
						   &r.drbg),
			 0);
	assert_int_equal(
		mbedtls_pk_write_key_pem(&key, (unsigned char *)out->key, sizeof(out->key)), 0);
	mbedtls_x509write_crt_free(&crt);
	mbedtls_pk_free(&key);
	random_close(&r);
}

static int bio_send(void *arg, const unsigned char *data, size_t length)
{
	ssize_t n = send(*(int *)arg, data, length, MSG_NOSIGNAL);

	return n < 0 ? MBEDTLS_ERR_SSL_INTERNAL_ERROR : (int)n;
}

static int bio_receive(void *arg, unsigned char *data, size_t length)
{
	ssize_t n = recv(*(int *)arg, data, length, 0);

	return n < 0 ? MBEDTLS_ERR_SSL_INTERNAL_ERROR : (int)n;
}

/* Between the client's TLS and the plain server, until one of them ends. */
static void relay(mbedtls_ssl_context *ssl, int client, int plain)
{
	static unsigned char data[16384];

	for (;;) {
		struct pollfd fds[2] = { { .fd = client, .events = POLLIN },
					 { .fd = plain, .events = POLLIN } };

		if (mbedtls_ssl_get_bytes_avail(ssl) == 0 && poll(fds, 2, -1) < 0)
			_exit(1);
		if (mbedtls_ssl_get_bytes_avail(ssl) || fds[0].revents) {
			int n = mbedtls_ssl_read(ssl, data, sizeof(data));

			if (n == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
				continue;
			if (n <= 0)
				_exit(0);
			send_all(plain, data, (size_t)n);
		}
		if (fds[1].revents) {
			ssize_t n = recv(plain, data, sizeof(data), 0);

			if (n <= 0) {
				mbedtls_ssl_close_notify(ssl);
				_exit(0);
			}
			for (ssize_t sent = 0; sent < n;) {
				int rc = mbedtls_ssl_write(ssl, data + sent, (size_t)(n - sent));

				if (rc <= 0)
					_exit(0);
				sent += rc;
			}
		}
	}
}

/* client_cert NULL: none is asked for. */
static _Noreturn void speak_tls(int client, int plain_port, const struct identity *own,
				const char *client_cert)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)plain_port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int plain = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	mbedtls_x509_crt crt, ca;
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config conf;
	mbedtls_pk_context key;
	struct random r;
	char data[4096];

	random_open(&r);
	mbedtls_x509_crt_init(&crt);
	mbedtls_x509_crt_init(&ca);
	mbedtls_pk_init(&key);
	mbedtls_ssl_init(&ssl);
	mbedtls_ssl_config_init(&conf);
	if (mbedtls_x509_crt_parse(&crt, (const unsigned char *)own->cert, strlen(own->cert) + 1) !=
		    0 ||
	    mbedtls_pk_parse_key(&key, (const unsigned char *)own->key, strlen(own->key) + 1, NULL,
				 0, mbedtls_ctr_drbg_random, &r.drbg) != 0 ||
	    mbedtls_ssl_config_defaults(&conf, MBEDTLS_SSL_IS_SERVER, MBEDTLS_SSL_TRANSPORT_STREAM,
					MBEDTLS_SSL_PRESET_DEFAULT) != 0)
		_exit(1);
	mbedtls_ssl_conf_rng(&conf, mbedtls_ctr_drbg_random, &r.drbg);
	mbedtls_ssl_conf_own_cert(&conf, &crt, &key);
	if (client_cert) {
		mbedtls_x509_crt_parse(&ca, (const unsigned char *)client_cert,
				       strlen(client_cert) + 1);
		mbedtls_ssl_conf_ca_chain(&conf, &ca, NULL);
		mbedtls_ssl_conf_authmode(&conf, MBEDTLS_SSL_VERIFY_REQUIRED);
	}
	mbedtls_ssl_setup(&ssl, &conf);
	mbedtls_ssl_set_bio(&ssl, &client, bio_send, bio_receive, NULL);
	if (mbedtls_ssl_handshake(&ssl) != 0 ||
	    connect(plain, (struct sockaddr *)&to, sizeof(to)) < 0) {
		/* the alert has to arrive: unread bytes would turn it into a reset */
		shutdown(client, SHUT_WR);
		while (recv(client, data, sizeof(data), 0) > 0)
			;
		_exit(0);
	}
	relay(&ssl, client, plain);
	_exit(0);
}

struct front {
	pid_t pid;
	int port;
};

static struct front front;

static void front_start(int plain_port, const struct identity *own, const char *client_cert)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof(any);

	assert_int_equal(bind(listener, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(listener, 64), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&any, &length), 0);
	front.port = ntohs(any.sin_port);
	front.pid = fork();
	assert_true(front.pid >= 0);
	if (front.pid > 0) {
		setpgid(front.pid, front.pid);
		close(listener);
		return;
	}
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			_exit(1);
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			speak_tls(fd, plain_port, own, client_cert);
		}
		close(fd);
	}
}

static int tear_down(void **state)
{
	(void)state;
	if (front.pid > 0) {
		kill(-front.pid, SIGKILL);
		waitpid(front.pid, NULL, 0);
	}
	front = (struct front){ 0 };
	world_close(&w);
	mbedtls_psa_crypto_free();
	return 0;
}

/* A registry behind TLS, with a certificate for an address. */
static void open_tls(serve_fn *serve, const char *address, struct identity *own,
		     const char *client_cert)
{
	identity_make(own, address);
	world_open(&w, 1);
	w.limits.retries = 0;
	world_serve(&w, serve);
	front_start(w.server[0].port, own, client_cert);
	snprintf(w.hosts[0], sizeof(w.hosts[0]), "127.0.0.1:%d", front.port);
	w.endpoints[0].insecure = false;
}

static void trust(const struct identity *identity)
{
	w.endpoints[0].ca_pem = identity->cert;
	w.endpoints[0].ca_pem_len = strlen(identity->cert);
}

static void a_certificate_of_a_known_ca_is_accepted(void **state)
{
	struct identity own;

	(void)state;
	open_tls(serve_honestly, "127.0.0.1", &own, NULL);
	trust(&own);
	world_resolves(&w);
}

static void a_certificate_of_nobody_is_refused_and_not_retried(void **state)
{
	struct identity own, other;

	(void)state;
	open_tls(serve_honestly, "127.0.0.1", &own, NULL);
	w.limits.retries = 3;
	w.limits.retry_delay_usec = 60 * USEC_SEC;
	world_refuses(&w, ERR_INPUT, "certificate is not accepted");
	assert_non_null(strstr(w.err.msg, "certs.d/127.0.0.1:"));
	identity_make(&other, "127.0.0.1");
	trust(&other);
	world_refuses(&w, ERR_INPUT, "certificate is not accepted");
	assert_int_equal(atomic_load(&w.server[0].shared->log_used), 0);
}

static void a_certificate_for_another_host_is_refused(void **state)
{
	struct identity own;

	(void)state;
	open_tls(serve_honestly, "127.0.0.2", &own, NULL);
	trust(&own);
	world_refuses(&w, ERR_INPUT, "certificate is not accepted");
}

static void insecure_accepts_every_certificate(void **state)
{
	struct identity own;

	(void)state;
	open_tls(serve_honestly, "127.0.0.2", &own, NULL);
	w.endpoints[0].insecure = true;
	world_resolves(&w);
}

/* In a child that ends without a look at its heap: curl 8.14.1 leaves 216 bytes behind when it cannot begin to speak TLS. */
static void a_ca_that_is_none_is_refused(void **state)
{
	struct identity own;
	int status;
	pid_t pid;

	(void)state;
	open_tls(serve_honestly, "127.0.0.1", &own, NULL);
	w.endpoints[0].ca_pem =
		"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n";
	w.endpoints[0].ca_pem_len = strlen(w.endpoints[0].ca_pem);
	pid = fork();
	if (pid == 0)
		_exit(world_resolve(&w) < 0 && w.err.code == ERR_INPUT &&
				      strstr(w.err.msg, "certificates of certs.d/127.0.0.1:") ?
			      0 :
			      1);
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_client_certificate_is_shown(void **state)
{
	struct identity own, client, other;
	size_t asked;

	(void)state;
	identity_make(&client, "127.0.0.9");
	open_tls(serve_honestly, "127.0.0.1", &own, client.cert);
	trust(&own);
	asked = 0;
	world_refuses(&w, ERR_BUSY, "manifest 1.0");
	assert_int_equal(asked, atomic_load(&w.server[0].shared->log_used));
	w.endpoints[0].client_cert_pem = client.cert;
	w.endpoints[0].client_cert_pem_len = strlen(client.cert);
	w.endpoints[0].client_key_pem = client.key;
	w.endpoints[0].client_key_pem_len = strlen(client.key);
	world_resolves(&w);
	asked = atomic_load(&w.server[0].shared->log_used);
	identity_make(&other, "127.0.0.9");
	w.endpoints[0].client_cert_pem = other.cert;
	w.endpoints[0].client_cert_pem_len = strlen(other.cert);
	w.endpoints[0].client_key_pem = other.key;
	w.endpoints[0].client_key_pem_len = strlen(other.key);
	world_connect(&w);
	world_refuses(&w, ERR_BUSY, "manifest 1.0");
	assert_int_equal(asked, atomic_load(&w.server[0].shared->log_used));
}

static void https_is_not_left_for_http(void **state)
{
	struct identity own;

	(void)state;
	store_port = 1;
	open_tls(serve_to_loopback, "127.0.0.1", &own, NULL);
	trust(&own);
	world_refuses(&w, ERR_INPUT, "redirect from https to http (127.0.0.1:1)");
}

static void serve_plain_realm(struct ask *ask)
{
	char headers[300];

	snprintf(headers, sizeof(headers),
		 "WWW-Authenticate: Bearer realm=\"http://127.0.0.1:%d/token\"\r\n", ask->port);
	reply_text(ask, "401 Unauthorized", headers, "");
}

static void a_password_does_not_leave_https(void **state)
{
	struct identity own;

	(void)state;
	open_tls(serve_plain_realm, "127.0.0.1", &own, NULL);
	trust(&own);
	w.endpoints[0].user = "ann";
	w.endpoints[0].password = "secret";
	world_refuses(&w, ERR_INPUT, "is not https: nothing is sent there");
	assert_int_equal(count_in(w.server[0].shared->log, "GET "), 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(addresses_have_a_scope, tear_down),
		cmocka_unit_test_teardown(socket_addresses_have_the_same_scope, tear_down),
		cmocka_unit_test_teardown(nobody_is_led_nearer_to_us, tear_down),
		cmocka_unit_test_teardown(redirects_are_resolved_and_checked, tear_down),
		cmocka_unit_test_teardown(sites_are_told_apart_by_scheme_host_and_port, tear_down),
		cmocka_unit_test_teardown(headers_are_read, tear_down),
		cmocka_unit_test_teardown(ranges_are_read, tear_down),
		cmocka_unit_test_teardown(a_public_registry_does_not_lead_to_loopback, tear_down),
		cmocka_unit_test_teardown(a_proxy_is_asked_and_does_not_lead_to_us, tear_down),
		cmocka_unit_test_teardown(hosts_without_proxy_are_asked_themselves, tear_down),
		cmocka_unit_test_teardown(a_certificate_of_a_known_ca_is_accepted, tear_down),
		cmocka_unit_test_teardown(a_certificate_of_nobody_is_refused_and_not_retried,
					  tear_down),
		cmocka_unit_test_teardown(a_certificate_for_another_host_is_refused, tear_down),
		cmocka_unit_test_teardown(insecure_accepts_every_certificate, tear_down),
		cmocka_unit_test_teardown(a_ca_that_is_none_is_refused, tear_down),
		cmocka_unit_test_teardown(a_client_certificate_is_shown, tear_down),
		cmocka_unit_test_teardown(https_is_not_left_for_http, tear_down),
		cmocka_unit_test_teardown(a_password_does_not_leave_https, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
