/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of an exchange: one easy handle, a hop at a time, under policy. Everything that the other side decides is bounded:
 * header lines, bodies of errors, speed, hops. Must never send Authorization or a client certificate to a host that the caller did
 * not mean, and never connect where address_may_follow says no.
 */
#include "image/transport.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "image/transport_internal.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/loop.h"
#include "util/str.h"

#define DRAIN_MAX_BYTES \
	65536 /* of a body that nobody wants, so that the connection can be used again */
#define READ_BUFFER_BYTES 131072L
#define MAX_CONNECTIONS 8L
#define MBEDTLS_FATAL_ALERT "-0x7780"
#define STALL_LOOK_USEC USEC_SEC

/* CA certificates of the system and of an endpoint as one text: curl takes a single one. */
struct bundle {
	struct bundle *next;
	const char *own; /* the endpoint's: the key */
	char *text;	 /* owned; NULL: the system's alone */
	struct curl_blob blob;
};

struct transport {
	CURLM *multi;
	const struct pull_config *config; /* borrowed */
	struct transport_policy policy;
	struct exchange *exchanges; /* owned */
	struct bundle *bundles;	    /* owned */
};

struct exchange {
	struct exchange *next;
	struct transport *transport;
	CURL *easy;
	CURLU *url; /* of this hop */
	struct curl_slist *headers;
	struct transport_request request; /* its strings are copies, in arena */
	struct arena arena;
	struct transport_response response;
	struct transport_site origin, site; /* asked first, asked now */
	unsigned hops;
	bool has_left_origin; /* for good: a host must not send our password back to a path of its choice */
	bool has_proxy; /* this hop's */
	bool is_connected, is_chunked, head_is_over, body_is_over;
	bool is_paused, wants_resume;
	size_t head_bytes, head_lines, drained_bytes;
	size_t again_bytes; /* taken before a pause, after which curl hands up the same bytes again */
	uint64_t window_start_usec, window_bytes, deadline_usec;
	struct err err; /* set: why we ended it ourselves */
	char curl_error[CURL_ERROR_SIZE];
};

struct transport *transport_open(const struct transport_policy *policy,
				 const struct pull_config *config, struct err *err)
{
	struct transport *t;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		err_set(err, ERR_SYS, "http library does not start");
		return NULL;
	}
	t = calloc(1, sizeof(*t));
	if (t)
		t->multi = curl_multi_init();
	if (!t || !t->multi) {
		free(t);
		curl_global_cleanup();
		err_set(err, ERR_SYS, "out of memory");
		return NULL;
	}
	t->policy = *policy;
	t->config = config;
	curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, MAX_CONNECTIONS);
	return t;
}

static void exchange_free(struct exchange *x)
{
	curl_multi_remove_handle(x->transport->multi, x->easy);
	curl_easy_cleanup(x->easy);
	curl_slist_free_all(x->headers);
	curl_url_cleanup(x->url);
	arena_fini(&x->arena);
	free(x);
}

void transport_cancel(struct exchange *exchange)
{
	for (struct exchange **at = &exchange->transport->exchanges; *at; at = &(*at)->next)
		if (*at == exchange) {
			*at = exchange->next;
			break;
		}
	exchange_free(exchange);
}

void transport_close(struct transport *transport)
{
	if (!transport)
		return;
	while (transport->exchanges)
		transport_cancel(transport->exchanges);
	for (struct bundle *b = transport->bundles, *next; b; b = next) {
		next = b->next;
		free(b->text);
		free(b);
	}
	curl_multi_cleanup(transport->multi);
	curl_global_cleanup();
	free(transport);
}

/* Callbacks of curl. */

static void touch_window(struct exchange *x)
{
	x->window_start_usec = clock_now_usec();
	x->window_bytes = 0;
}

/* Is the host of this hop one that somebody else named? */
static bool is_named(const struct exchange *x)
{
	return x->hops > 0 || x->request.named_by != ADDRESS_UNKNOWN;
}

/* The last word on where we connect: names may mean one thing when they are checked and another when they are used. */
static int check_scope(struct exchange *x, enum address_scope scope)
{
	char site[TRANSPORT_SITE_SIZE];

	if (!is_named(x) || address_may_follow(x->response.scope, scope))
		return 0;
	transport_site_format(&x->site, site);
	return err_set(&x->err, ERR_INPUT, "%s leads to a %s address from a %s one: not followed",
		       site, address_scope_name(scope), address_scope_name(x->response.scope));
}

static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct exchange *x = arg;

	(void)purpose;
	if (!x->has_proxy && check_scope(x, address_scope_of(&address->addr)) < 0)
		return CURL_SOCKET_BAD;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Also for a connection that is used again, which on_socket does not see. */
static int on_connected(void *arg, char *address, char *own, int port, int own_port)
{
	struct exchange *x = arg;
	enum address_scope scope = x->has_proxy ? address_scope_of_host(x->site.host) :
						  address_scope_of_host(address);

	(void)own;
	(void)port;
	(void)own_port;
	/* An address that was refused before one that was not is forgotten. */
	x->err.code = ERR_NONE;
	if (check_scope(x, scope) < 0)
		return CURL_PREREQFUNC_ABORT;
	if (!is_named(x))
		x->response.scope = scope;
	x->is_connected = true;
	touch_window(x);
	return CURL_PREREQFUNC_OK;
}

static bool is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool is_success(const struct exchange *x)
{
	return x->response.status >= 200 && x->response.status < 300;
}

/* "HTTP/1.1 200 OK": a new head, interim or final. What stays is what belongs to the exchange. */
static void begin_head(struct exchange *x, const char *line, size_t length)
{
	struct transport_response *r = &x->response;
	enum address_scope scope = r->scope;
	bool is_secure = r->is_secure;
	const char *status = memchr(line, ' ', length);

	*r = (struct transport_response){ .scope = scope, .is_secure = is_secure };
	x->is_chunked = false;
	if (!status || (size_t)(line + length - status) < 4)
		return;
	for (int i = 1; i <= 3 && status[i] >= '0' && status[i] <= '9'; i++)
		r->status = r->status * 10 + (status[i] - '0');
}

static int end_head(struct exchange *x)
{
	if (x->response.status < 200)
		return 0;
	x->head_is_over = true;
	if (x->is_chunked)
		x->response.has_length = false;
	if (!is_success(x) || !x->request.head)
		return 0;
	return x->request.head(x->request.arg, &x->response, &x->err);
}

static size_t on_header(char *data, size_t one, size_t count, void *arg)
{
	struct exchange *x = arg;
	size_t length = one * count;

	x->head_bytes += length;
	x->window_bytes += length;
	if (x->head_bytes > TRANSPORT_HEAD_MAX_BYTES ||
	    ++x->head_lines > TRANSPORT_HEAD_MAX_LINES) {
		err_set(&x->err, ERR_LIMIT, "more than %d bytes or %d lines of headers",
			TRANSPORT_HEAD_MAX_BYTES, TRANSPORT_HEAD_MAX_LINES);
		return CURL_WRITEFUNC_ERROR;
	}
	if (x->head_is_over) /* trailers */
		return length;
	while (length && (data[length - 1] == '\n' || data[length - 1] == '\r'))
		length--;
	if (length >= 5 && strncasecmp(data, "HTTP/", 5) == 0)
		begin_head(x, data, length);
	else if (length)
		transport_read_header(&x->response, &x->is_chunked, data, length);
	else if (end_head(x) < 0)
		return CURL_WRITEFUNC_ERROR;
	return one * count;
}

/* The body of a redirect or an error: its beginning is kept, a little more is read for the connection's sake. */
static size_t drain(struct exchange *x, const char *data, size_t length)
{
	struct transport_response *r = &x->response;
	size_t room = sizeof(r->error_text) - r->error_length;

	if (r->status >= 400) {
		size_t n = length < room ? length : room;

		memcpy(r->error_text + r->error_length, data, n);
		r->error_length += n;
	}
	x->window_bytes += length;
	x->drained_bytes += length;
	if (x->drained_bytes <= DRAIN_MAX_BYTES)
		return length;
	x->body_is_over = true;
	return CURL_WRITEFUNC_ERROR;
}

static size_t on_body(char *data, size_t one, size_t count, void *arg)
{
	struct exchange *x = arg;
	size_t length = one * count, at = length < x->again_bytes ? length : x->again_bytes;

	if (!is_success(x))
		return drain(x, data, length);
	x->again_bytes -= at;
	while (at < length) {
		ssize_t took = x->request.body(x->request.arg, data + at, length - at, &x->err);

		if (took < 0)
			return CURL_WRITEFUNC_ERROR;
		if (took == 0) {
			x->again_bytes = at;
			x->is_paused = true;
			return CURL_WRITEFUNC_PAUSE;
		}
		at += (size_t)took;
		x->window_bytes += (size_t)took;
	}
	return length;
}

/* Starting. */

static struct bundle *find_bundle(struct transport *t, const struct pull_endpoint *endpoint)
{
	size_t system_length = 0, own_length = endpoint->ca_pem ? endpoint->ca_pem_len : 0;
	const char *system = t->config ? pull_config_ca(t->config, &system_length) : NULL;
	struct bundle *b;

	for (b = t->bundles; b; b = b->next)
		if (b->own == endpoint->ca_pem)
			return b;
	b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	if (!system)
		system_length = 0;
	if (own_length) {
		b->text = malloc(system_length + own_length + 1);
		if (!b->text) {
			free(b);
			return NULL;
		}
		if (system_length)
			memcpy(b->text, system, system_length);
		b->text[system_length] = '\n';
		memcpy(b->text + system_length + 1, endpoint->ca_pem, own_length);
		system_length += own_length + 1;
	}
	b->blob = (struct curl_blob){ .data = b->text ? b->text : (void *)(uintptr_t)system,
				      .len = system_length,
				      .flags = CURL_BLOB_NOCOPY };
	b->own = endpoint->ca_pem;
	b->next = t->bundles;
	t->bundles = b;
	return b;
}

/* Is the host that we ask the endpoint's own, on whatever port? */
static bool is_own_host(const struct exchange *x)
{
	char text[300];
	struct transport_site own;
	CURLU *url = curl_url();
	bool same = false;

	snprintf(text, sizeof(text), "https://%.280s/", x->request.endpoint->host);
	if (url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
	    transport_site_of(url, &own, NULL) == 0)
		same = str_eq(own.host, x->site.host);
	curl_url_cleanup(url);
	return same;
}

static int set_trust(struct exchange *x, struct err *err)
{
	const struct pull_endpoint *e = x->request.endpoint;
	struct curl_blob cert = { .data = (void *)(uintptr_t)e->client_cert_pem,
				  .len = e->client_cert_pem_len };
	/* Mbed TLS wants the NUL of a PEM text counted; curl adds it to certificates, not to keys. */
	struct curl_blob key = { .data = (void *)(uintptr_t)e->client_key_pem,
				 .len = e->client_key_pem_len + 1 };
	bool has_cert = e->client_cert_pem && e->client_key_pem && is_own_host(x);
	struct bundle *bundle = find_bundle(x->transport, e);

	if (!bundle)
		return err_set(err, ERR_SYS, "out of memory");
	curl_easy_setopt(x->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(x->easy, CURLOPT_SSL_VERIFYPEER, e->insecure ? 0L : 1L);
	curl_easy_setopt(x->easy, CURLOPT_SSL_VERIFYHOST, e->insecure ? 0L : 2L);
	if (!e->insecure && bundle->blob.len)
		curl_easy_setopt(x->easy, CURLOPT_CAINFO_BLOB, &bundle->blob);
	curl_easy_setopt(x->easy, CURLOPT_SSLCERTTYPE, "PEM");
	curl_easy_setopt(x->easy, CURLOPT_SSLCERT_BLOB, has_cert ? &cert : NULL);
	curl_easy_setopt(x->easy, CURLOPT_SSLKEY_BLOB, has_cert ? &key : NULL);
	return 0;
}

static int add_header(struct exchange *x, const char *name, const char *value, struct err *err)
{
	struct curl_slist *list;
	char *line;

	if (!value)
		return 0;
	if (strpbrk(value, "\r\n"))
		return err_set(err, ERR_INPUT, "header %s: value holds a line break", name);
	line = arena_printf(&x->arena, "%s: %s", name, value);
	list = curl_slist_append(x->headers, line);
	if (!list)
		return err_set(err, ERR_SYS, "out of memory");
	x->headers = list;
	return 0;
}

static int set_headers(struct exchange *x, struct err *err)
{
	const struct transport_request *q = &x->request;
	char range[64];

	curl_slist_free_all(x->headers);
	x->headers = NULL;
	snprintf(range, sizeof(range), "bytes=%llu-", (unsigned long long)q->range_first);
	if (add_header(x, "Accept", q->accept, err) < 0 ||
	    add_header(x, "Authorization", x->has_left_origin ? NULL : q->authorization, err) < 0 ||
	    add_header(x, "Range", q->range_first ? range : NULL, err) < 0)
		return -1;
	curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, x->headers);
	return 0;
}

static void set_fixed_options(struct exchange *x)
{
	CURL *e = x->easy;

	curl_easy_setopt(e, CURLOPT_PRIVATE, x);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, x->curl_error);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_HTTP_CONTENT_DECODING, 0L);
	curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "cleat/" CLEAT_VERSION);
	curl_easy_setopt(e, CURLOPT_BUFFERSIZE, READ_BUFFER_BYTES);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)(x->transport->policy.connect_timeout_usec / 1000));
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, x);
	curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_connected);
	curl_easy_setopt(e, CURLOPT_PREREQDATA, x);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
	if (x->request.form) {
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)strlen(x->request.form));
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, x->request.form);
	} else if (x->request.head_only) {
		curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
	}
}

/* Behind a proxy nobody but the proxy sees the address: a literal is all that can be judged. */
static int set_proxy(struct exchange *x, struct err *err)
{
	const char *proxy = NULL;

	if (x->transport->config)
		proxy = pull_config_proxy(x->transport->config,
					  x->site.is_secure ? "https" : "http", x->site.host);
	x->has_proxy = proxy && *proxy;
	/* "" also keeps curl from looking into the environment */
	curl_easy_setopt(x->easy, CURLOPT_PROXY, x->has_proxy ? proxy : "");
	curl_easy_setopt(x->easy, CURLOPT_NOPROXY, "");
	if (x->has_proxy && check_scope(x, address_scope_of_host(x->site.host)) < 0) {
		*err = x->err;
		return -1;
	}
	return 0;
}

/* One request to x->url. */
static int begin_hop(struct exchange *x, struct err *err)
{
	CURLMcode code;

	if (transport_site_of(x->url, &x->site, err) < 0)
		return -1;
	if (x->hops == 0) {
		x->origin = x->site;
		x->response.is_secure = x->site.is_secure;
	}
	if (!transport_site_same(&x->origin, &x->site))
		x->has_left_origin = true;
	x->is_connected = x->head_is_over = x->body_is_over = x->is_chunked = x->is_paused =
		x->wants_resume = false;
	x->head_bytes = x->head_lines = x->drained_bytes = x->again_bytes = 0;
	x->curl_error[0] = '\0';
	if (set_proxy(x, err) < 0 || set_trust(x, err) < 0 || set_headers(x, err) < 0)
		return -1;
	curl_easy_setopt(x->easy, CURLOPT_CURLU, x->url);
	code = curl_multi_add_handle(x->transport->multi, x->easy);
	return code == CURLM_OK ?
		       0 :
		       err_set(err, ERR_SYS, "http library: %s", curl_multi_strerror(code));
}

static void copy_request(struct exchange *x, const struct transport_request *request)
{
	struct transport_request *q = &x->request;

	*q = *request;
	q->url = arena_strdup(&x->arena, request->url);
	q->accept = request->accept ? arena_strdup(&x->arena, request->accept) : NULL;
	q->authorization =
		request->authorization ? arena_strdup(&x->arena, request->authorization) : NULL;
	q->form = request->form ? arena_strdup(&x->arena, request->form) : NULL;
}

struct exchange *transport_start(struct transport *transport,
				 const struct transport_request *request, struct err *err)
{
	struct exchange *x = calloc(1, sizeof(*x));
	CURLUcode code;

	if (!x || !(x->easy = curl_easy_init()) || !(x->url = curl_url())) {
		if (x)
			curl_easy_cleanup(x->easy);
		free(x);
		err_set(err, ERR_SYS, "out of memory");
		return NULL;
	}
	x->transport = transport;
	copy_request(x, request);
	x->response.scope = request->named_by;
	if (request->deadline_usec)
		x->deadline_usec = clock_now_usec() + request->deadline_usec;
	set_fixed_options(x);
	code = curl_url_set(x->url, CURLUPART_URL, request->url, CURLU_NON_SUPPORT_SCHEME);
	if (code != CURLUE_OK)
		err_set(err, ERR_INPUT, "no address: %s", curl_url_strerror(code));
	if (code != CURLUE_OK || begin_hop(x, err) < 0) {
		exchange_free(x);
		return NULL;
	}
	x->next = transport->exchanges;
	transport->exchanges = x;
	return x;
}

/* Ending. */

static void explain_certificate(const struct exchange *x, struct err *err)
{
	err_set(err, ERR_INPUT,
		"certificate is not accepted (%.120s): put its CA into certs.d/%.100s/ca.crt, or set "
		"the clock if it is wrong",
		*x->curl_error ? x->curl_error : "not trusted",
		is_own_host(x) ? x->request.endpoint->host : x->site.host);
}

static void explain_connection(const struct exchange *x, const char *why, struct err *err)
{
	char site[TRANSPORT_SITE_SIZE];
	long number = 0;

	if (curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &number) != CURLE_OK || number <= 0) {
		err_set(err, ERR_BUSY, "%.200s", why);
		return;
	}
	transport_site_format(&x->site, site);
	err_errno(err, (int)number, "connect to %s", site);
	err->code = ERR_BUSY;
}

/* What curl says, as something that a caller can decide by. */
static void explain(const struct exchange *x, CURLcode code, struct err *err)
{
	const char *why = *x->curl_error ? x->curl_error : curl_easy_strerror(code);

	if (x->err.code) {
		*err = x->err;
		return;
	}
	switch ((int)code) {
	case CURLE_PEER_FAILED_VERIFICATION:
		explain_certificate(x, err);
		return;
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		err_set(err, ERR_INPUT, "certificates of certs.d/%.100s: %.160s",
			x->request.endpoint->host, why);
		return;
	case CURLE_SSL_CONNECT_ERROR:
		err_set(err, ERR_BUSY, "TLS: %.160s (%s)", why,
			strstr(why, MBEDTLS_FATAL_ALERT) ?
				"a registry that wants a client certificate found none that it knows in certs.d" :
				"a registry without TLS needs insecure = true in registries.conf");
		return;
	case CURLE_TOO_LARGE:
		err_set(err, ERR_LIMIT, "headers are too large");
		return;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		err_set(err, ERR_INTEGRITY, "answer is not HTTP: %.160s", why);
		return;
	case CURLE_URL_MALFORMAT:
	case CURLE_COULDNT_RESOLVE_PROXY:
		err_set(err, ERR_INPUT, "%.200s", why);
		return;
	case CURLE_OUT_OF_MEMORY:
		err_set(err, ERR_SYS, "out of memory");
		return;
	case CURLE_COULDNT_CONNECT:
		explain_connection(x, why, err);
		return;
	default:
		/* The alert of TLS 1.3 for a client without certificate comes when we think that the handshake is over. */
		err_set(err, ERR_BUSY, "%.200s%s", why,
			strstr(why, MBEDTLS_FATAL_ALERT) ?
				" (a registry that wants a client certificate found none that it knows in certs.d)" :
				"");
	}
}

/* Calls done; x is gone afterwards. err NULL: complete. */
static void finish(struct exchange *x, bool unanswered, const struct err *err)
{
	for (struct exchange **at = &x->transport->exchanges; *at; at = &(*at)->next)
		if (*at == x) {
			*at = x->next;
			break;
		}
	curl_multi_remove_handle(x->transport->multi, x->easy);
	if (x->has_left_origin)
		transport_site_format(&x->site, x->response.elsewhere);
	x->request.done(x->request.arg, &x->response, unanswered, err);
	exchange_free(x);
}

static void fail(struct exchange *x, CURLcode code)
{
	char site[TRANSPORT_SITE_SIZE];
	bool unanswered = !x->is_connected || x->head_bytes == 0;
	struct err err;

	explain(x, code, &err);
	/* A host that somebody else named: the message of the caller begins with another one. */
	if (x->has_left_origin && !x->err.code) {
		transport_site_format(&x->site, site);
		err_wrap(&err, "%s", site);
	}
	x->response.status = 0;
	finish(x, unanswered && x->hops == 0, &err);
}

static int follow(struct exchange *x, struct err *err)
{
	CURLU *url;

	if (++x->hops > x->transport->policy.redirect_max)
		return err_set(err, ERR_LIMIT, "more than %u redirects",
			       x->transport->policy.redirect_max);
	if (x->request.form)
		return err_set(err, ERR_INPUT, "redirect of a form with a token is not followed");
	if (x->response.location[0] == '\0')
		return err_set(err, ERR_INTEGRITY,
			       "redirect without an address of at most %d bytes",
			       TRANSPORT_URL_MAX_BYTES - 1);
	url = transport_redirect(x->url, x->response.location, x->request.endpoint->insecure, err);
	if (!url)
		return -1;
	curl_multi_remove_handle(x->transport->multi, x->easy);
	curl_url_cleanup(x->url);
	x->url = url;
	return begin_hop(x, err);
}

static void end_hop(struct exchange *x, CURLcode code)
{
	struct err err;

	if (x->body_is_over && code == CURLE_WRITE_ERROR)
		code = CURLE_OK;
	if (code != CURLE_OK || x->err.code) {
		fail(x, code);
	} else if (is_redirect(x->response.status)) {
		if (follow(x, &err) < 0) {
			x->response.status = 0;
			finish(x, false, &err);
		}
	} else {
		finish(x, false, NULL);
	}
}

static void end_hops(struct transport *t)
{
	struct exchange *x;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(t->multi, &left))) {
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE ||
		    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &x) != CURLE_OK)
			continue;
		end_hop(x, code);
	}
}

/* Time. */

static bool has_stalled(struct exchange *x, uint64_t now)
{
	const struct transport_policy *p = &x->transport->policy;
	uint64_t window = now > x->window_start_usec ? now - x->window_start_usec : 0;

	if (!x->is_connected || x->is_paused || window < p->stall_timeout_usec)
		return false;
	if (x->window_bytes < p->stall_bytes_per_sec * (p->stall_timeout_usec / 1000) / 1000)
		return true;
	touch_window(x);
	return false;
}

/* Ends at most one, because done may change the list: true when it did. */
static bool end_one_late(struct transport *t)
{
	uint64_t now = clock_now_usec();

	for (struct exchange *x = t->exchanges; x; x = x->next) {
		if (x->deadline_usec && now >= x->deadline_usec)
			err_set(&x->err, ERR_BUSY, "no complete answer within the time for it");
		else if (has_stalled(x, now))
			err_set(&x->err, ERR_BUSY, "less than %llu bytes a second for %llu ms",
				(unsigned long long)t->policy.stall_bytes_per_sec,
				(unsigned long long)t->policy.stall_timeout_usec / 1000);
		else
			continue;
		fail(x, CURLE_OPERATION_TIMEDOUT);
		return true;
	}
	return false;
}

/* Until when poll may sleep at most: the next time that a stall or a deadline could be seen. */
static int limit_wait(const struct transport *t, int timeout_ms)
{
	uint64_t now = clock_now_usec(), wait = UINT64_MAX;
	long curl_ms = -1;

	for (const struct exchange *x = t->exchanges; x; x = x->next) {
		uint64_t stall = x->window_start_usec + t->policy.stall_timeout_usec;
		uint64_t next = x->is_connected && !x->is_paused ? stall : now + STALL_LOOK_USEC;

		if (x->wants_resume)
			return 0;
		if (x->deadline_usec && x->deadline_usec < next)
			next = x->deadline_usec;
		next = next > now ? next - now : 0;
		wait = next < wait ? next : wait;
	}
	if (wait != UINT64_MAX && wait / 1000 + 1 < (uint64_t)timeout_ms)
		timeout_ms = (int)(wait / 1000 + 1);
	if (curl_multi_timeout(t->multi, &curl_ms) == CURLM_OK && curl_ms >= 0 &&
	    curl_ms < timeout_ms)
		timeout_ms = (int)curl_ms;
	return timeout_ms;
}

void transport_resume(struct exchange *exchange)
{
	exchange->wants_resume = true;
}

/* curl may hand up bytes at once; then one at a time, as a callback may end it. */
static bool resume_one(struct transport *t)
{
	for (struct exchange *x = t->exchanges; x; x = x->next) {
		CURLcode code;

		if (!x->wants_resume)
			continue;
		x->wants_resume = false;
		if (!x->is_paused)
			continue;
		x->is_paused = false;
		touch_window(x);
		code = curl_easy_pause(x->easy, CURLPAUSE_CONT);
		if (code == CURLE_OK)
			continue;
		end_hop(x, code);
		return true;
	}
	return false;
}

/* curl_multi_poll would hide from the caller that the other end of a pipe is gone (POLLERR). */
static int wait_for(struct transport *t, struct pollfd *extra, unsigned extra_count, int timeout_ms,
		    struct err *err)
{
	struct curl_waitfd ours[TRANSPORT_MAX_DESCRIPTORS];
	struct pollfd all[2 * TRANSPORT_MAX_DESCRIPTORS];
	unsigned count = 0;
	int rc;

	if (curl_multi_waitfds(t->multi, ours, TRANSPORT_MAX_DESCRIPTORS, &count) != CURLM_OK)
		return err_set(err, ERR_BUG, "more than %d connections", TRANSPORT_MAX_DESCRIPTORS);
	for (unsigned i = 0; i < extra_count; i++)
		all[i] = (struct pollfd){ .fd = extra[i].fd, .events = extra[i].events };
	for (unsigned i = 0; i < count; i++) {
		short events = 0;

		if (ours[i].events & CURL_WAIT_POLLIN)
			events |= POLLIN;
		if (ours[i].events & CURL_WAIT_POLLOUT)
			events |= POLLOUT;
		all[extra_count + i] = (struct pollfd){ .fd = ours[i].fd, .events = events };
	}
	rc = poll(all, extra_count + count, timeout_ms);
	if (rc < 0 && errno != EINTR)
		return err_sys(err, "poll");
	for (unsigned i = 0; i < extra_count; i++)
		extra[i].revents = rc > 0 ? all[i].revents : 0;
	return 0;
}

int transport_turn(struct transport *transport, struct pollfd *extra, unsigned extra_count,
		   int timeout_ms, struct err *err)
{
	CURLMcode code;
	int running;

	if (extra_count > TRANSPORT_MAX_DESCRIPTORS)
		return err_set(err, ERR_BUG, "more than %d descriptors to wait for",
			       TRANSPORT_MAX_DESCRIPTORS);
	if (wait_for(transport, extra, extra_count, limit_wait(transport, timeout_ms), err) < 0)
		return -1;
	while (resume_one(transport))
		;
	code = curl_multi_perform(transport->multi, &running);
	if (code != CURLM_OK)
		return err_set(err, ERR_SYS, "http library: %s", curl_multi_strerror(code));
	end_hops(transport);
	while (end_one_late(transport))
		;
	return 0;
}
