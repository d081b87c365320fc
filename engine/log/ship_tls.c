/* SPDX-License-Identifier: Apache-2.0 */
/* Mbed TLS over a descriptor that does not block. Must never accept a certificate that was not checked. */
#include "log/ship_tls.h"

#include <errno.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>
#include <poll.h>
#include <psa/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "util/cleanup.h"

struct ship_tls {
	mbedtls_ssl_context ssl;
	mbedtls_ssl_config config;
	mbedtls_x509_crt ca;
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
	int fd;		/* borrowed */
	uint64_t *sent; /* borrowed */
};

static int fail(const char *what, int code, struct err *err)
{
	char text[128];

	mbedtls_strerror(code, text, sizeof(text));
	return err_set(err, ERR_SYS, "%s: %s", what, text);
}

static int do_send(void *arg, const unsigned char *data, size_t len)
{
	struct ship_tls *t = arg;
	ssize_t n = send(t->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_WRITE : -1;
	*t->sent += (uint64_t)n;
	return (int)n;
}

static int do_receive(void *arg, unsigned char *data, size_t len)
{
	struct ship_tls *t = arg;
	ssize_t n = recv(t->fd, data, len, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? MBEDTLS_ERR_SSL_WANT_READ : -1;
	return (int)n;
}

static int configure(struct ship_tls *t, const char *host, const char *ca_pem, size_t ca_len,
		     struct err *err)
{
	auto_free char *pem = malloc(ca_len + 1); /* the parser wants the terminator counted */
	int rc;

	if (!pem)
		return err_set(err, ERR_LIMIT, "out of memory");
	memcpy(pem, ca_pem, ca_len);
	pem[ca_len] = '\0';
	/* a positive number: some of the bundle have a form that the library does not know */
	rc = mbedtls_x509_crt_parse(&t->ca, (const unsigned char *)pem, ca_len + 1);
	if (rc < 0 || t->ca.version == 0)
		return fail("certificates", rc, err);
	if (psa_crypto_init() != PSA_SUCCESS)
		return err_set(err, ERR_SYS, "tls: psa_crypto_init");
	rc = mbedtls_ctr_drbg_seed(&t->random, mbedtls_entropy_func, &t->entropy, NULL, 0);
	if (rc == 0)
		rc = mbedtls_ssl_config_defaults(&t->config, MBEDTLS_SSL_IS_CLIENT,
						 MBEDTLS_SSL_TRANSPORT_STREAM,
						 MBEDTLS_SSL_PRESET_DEFAULT);
	if (rc != 0)
		return fail("tls", rc, err);
	mbedtls_ssl_conf_authmode(&t->config, MBEDTLS_SSL_VERIFY_REQUIRED);
	mbedtls_ssl_conf_ca_chain(&t->config, &t->ca, NULL);
	mbedtls_ssl_conf_rng(&t->config, mbedtls_ctr_drbg_random, &t->random);
	rc = mbedtls_ssl_setup(&t->ssl, &t->config);
	if (rc == 0)
		rc = mbedtls_ssl_set_hostname(&t->ssl, host);
	if (rc != 0)
		return fail("tls", rc, err);
	mbedtls_ssl_set_bio(&t->ssl, t, do_send, do_receive, NULL);
	return 0;
}

struct ship_tls *ship_tls_new(const char *host, const char *ca_pem, size_t ca_len, struct err *err)
{
	struct ship_tls *t = calloc(1, sizeof(*t));

	if (!t) {
		err_set(err, ERR_LIMIT, "out of memory");
		return NULL;
	}
	mbedtls_ssl_init(&t->ssl);
	mbedtls_ssl_config_init(&t->config);
	mbedtls_x509_crt_init(&t->ca);
	mbedtls_entropy_init(&t->entropy);
	mbedtls_ctr_drbg_init(&t->random);
	t->fd = -1;
	if (configure(t, host, ca_pem, ca_len, err) == 0)
		return t;
	ship_tls_free(t);
	return NULL;
}

void ship_tls_free(struct ship_tls *t)
{
	if (!t)
		return;
	mbedtls_ssl_free(&t->ssl);
	mbedtls_ssl_config_free(&t->config);
	mbedtls_x509_crt_free(&t->ca);
	mbedtls_ctr_drbg_free(&t->random);
	mbedtls_entropy_free(&t->entropy);
	free(t);
}

static bool wants(int rc, short *events)
{
	if (rc != MBEDTLS_ERR_SSL_WANT_READ && rc != MBEDTLS_ERR_SSL_WANT_WRITE)
		return false;
	*events = rc == MBEDTLS_ERR_SSL_WANT_READ ? POLLIN : POLLOUT;
	return true;
}

/* Why the server is not believed, rather than that it is not. */
static int fail_handshake(struct ship_tls *t, int rc, struct err *err)
{
	uint32_t flags = mbedtls_ssl_get_verify_result(&t->ssl);
	char text[256];

	if (rc != MBEDTLS_ERR_X509_CERT_VERIFY_FAILED || flags == 0 || flags == UINT32_MAX)
		return fail("tls", rc, err);
	if (mbedtls_x509_crt_verify_info(text, sizeof(text), "", flags) < 0)
		return fail("tls", rc, err);
	text[strcspn(text, "\n")] = '\0';
	return err_set(err, ERR_INTEGRITY, "tls: the server is not trusted: %s", text);
}

int ship_tls_handshake(struct ship_tls *t, int fd, uint64_t *sent, short *events, struct err *err)
{
	int rc;

	t->fd = fd;
	t->sent = sent;
	rc = mbedtls_ssl_handshake(&t->ssl);
	if (rc == 0)
		return 1;
	return wants(rc, events) ? 0 : fail_handshake(t, rc, err);
}

int ship_tls_write(struct ship_tls *t, const void *data, size_t len, short *events, struct err *err)
{
	int rc = mbedtls_ssl_write(&t->ssl, data, len);

	if (rc > 0)
		return rc;
	return wants(rc, events) ? 0 : fail("tls: write", rc, err);
}

int ship_tls_drain(struct ship_tls *t, struct err *err)
{
	unsigned char data[1024];
	short events;
	int rc;

	do {
		rc = mbedtls_ssl_read(&t->ssl, data, sizeof(data));
	} while (rc > 0 || rc == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET);
	if (rc == 0 || rc == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
		return err_set(err, ERR_SYS, "the server has closed the connection");
	return wants(rc, &events) ? 0 : fail("tls: read", rc, err);
}

void ship_tls_reset(struct ship_tls *t)
{
	if (t->fd < 0)
		return;
	mbedtls_ssl_close_notify(&t->ssl);
	mbedtls_ssl_session_reset(&t->ssl);
	t->fd = -1;
}
