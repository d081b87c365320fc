/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens: asking for them and keeping them. The registry chooses the token server and the server writes the token, so both are
 * checked before they are used: a realm could point anywhere, a token could hold a line break and with it a header of its own.
 */
#include "image/token.h"

#include <stdio.h>
#include <string.h>

#include "image/document.h"
#include "image/transport_internal.h"
#include "util/cleanup.h"
#include "util/str.h"

#define CACHE_MAX_ENTRIES 64
#define SLACK_USEC UINT64_C(5000000)
#define LIFETIME_DEFAULT_SEC 60
#define LIFETIME_MIN_SEC 10
#define LIFETIME_MAX_SEC 86400

static void free_url(CURLU **url)
{
	curl_url_cleanup(*url);
}
#define auto_url __attribute__((cleanup(free_url))) CURLU

char *token_basic(struct arena *arena, const char *user, const char *password)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *in = (const uint8_t *)arena_join(arena, user, ":", password);
	size_t length = strlen((const char *)in), at = 6;
	char *out = arena_alloc(arena, 6 + (length + 2) / 3 * 4 + 1);

	memcpy(out, "Basic ", 6);
	for (size_t i = 0; i < length; i += 3) {
		size_t left = length - i;
		uint32_t bits = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
				(left > 2 ? in[i + 2] : 0);

		out[at++] = letters[bits >> 18];
		out[at++] = letters[bits >> 12 & 63];
		out[at++] = left > 1 ? letters[bits >> 6 & 63] : '=';
		out[at++] = left > 2 ? letters[bits & 63] : '=';
	}
	return out;
}

int token_check_realm(const char *realm, const char *registry_host, bool registry_is_secure,
		      bool *is_own_host, char site_out[TOKEN_SITE_SIZE], struct err *err)
{
	struct transport_site there, registry;
	char text[300];
	auto_url *url = curl_url(), *own = curl_url();

	if (!url || !own)
		return err_set(err, ERR_SYS, "out of memory");
	snprintf(text, sizeof(text), "http%s://%.280s/", registry_is_secure ? "s" : "",
		 registry_host);
	if (strlen(realm) >= TRANSPORT_URL_MAX_BYTES ||
	    curl_url_set(url, CURLUPART_URL, realm, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
		return err_set(err, ERR_INPUT, "token server: realm is no address");
	if (curl_url_set(own, CURLUPART_URL, text, 0) != CURLUE_OK)
		return err_set(err, ERR_INPUT, "\"%.200s\" is no host", registry_host);
	if (transport_site_of(url, &there, err) < 0)
		return err_wrap(err, "token server");
	if (transport_site_of(own, &registry, err) < 0)
		return -1;
	*is_own_host = str_eq(there.host, registry.host);
	transport_site_format(&there, site_out);
	if (there.is_secure || (!registry_is_secure && *is_own_host))
		return 0;
	return err_set(err, ERR_INPUT, "token server %s is not https: nothing is sent there",
		       site_out);
}

static int append_query(CURLU *url, struct arena *arena, const char *name, const char *value,
			struct err *err)
{
	CURLUcode code;

	if (!value || *value == '\0')
		return 0;
	code = curl_url_set(url, CURLUPART_QUERY, arena_join(arena, name, "=", value),
			    CURLU_APPENDQUERY | CURLU_URLENCODE);
	return code == CURLUE_OK ? 0 :
				   err_set(err, ERR_INPUT, "token server: %s: %s", name,
					   curl_url_strerror(code));
}

int token_url(struct arena *arena, const struct auth_challenge *challenge, const char *scope,
	      const char *user, const char **out, struct err *err)
{
	auto_url *url = curl_url();
	char *text = NULL;

	if (!url)
		return err_set(err, ERR_SYS, "out of memory");
	if (curl_url_set(url, CURLUPART_URL, challenge->realm, 0) != CURLUE_OK)
		return err_set(err, ERR_INPUT, "token server: realm is no address");
	curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
	if (append_query(url, arena, "account", user, err) < 0 ||
	    append_query(url, arena, "service", challenge->service, err) < 0 ||
	    append_query(url, arena, "scope", scope, err) < 0)
		return -1;
	if (curl_url_get(url, CURLUPART_URL, &text, 0) != CURLUE_OK)
		return err_set(err, ERR_INPUT, "token server: realm is no address");
	*out = arena_strdup(arena, text);
	curl_free(text);
	return 0;
}

static int append_field(struct arena *arena, const char **form, const char *name, const char *value,
			struct err *err)
{
	char *escaped;

	if (*value == '\0')
		return 0;
	escaped = curl_easy_escape(NULL, value, 0);
	if (!escaped)
		return err_set(err, ERR_SYS, "out of memory");
	*form = arena_join(arena, *form, "&", name, "=", escaped);
	curl_free(escaped);
	return 0;
}

int token_form(struct arena *arena, const struct auth_challenge *challenge, const char *scope,
	       const char *identity_token, const char **out, struct err *err)
{
	const char *form = "grant_type=refresh_token&client_id=cleat";

	if (append_field(arena, &form, "service", challenge->service, err) < 0 ||
	    append_field(arena, &form, "scope", scope, err) < 0 ||
	    append_field(arena, &form, "refresh_token", identity_token, err) < 0)
		return -1;
	*out = form;
	return 0;
}

/* It becomes a header: nothing that ends a line, no blank. */
static bool is_token(const char *text, size_t length)
{
	if (length == 0 || length > TOKEN_MAX_BYTES)
		return false;
	for (size_t i = 0; i < length; i++)
		if (text[i] <= 0x20 || text[i] >= 0x7f)
			return false;
	return true;
}

static uint64_t read_lifetime(yyjson_val *value)
{
	uint64_t seconds = LIFETIME_DEFAULT_SEC;

	if (yyjson_is_uint(value))
		seconds = yyjson_get_uint(value);
	else if (yyjson_is_real(value) && yyjson_get_real(value) >= 0)
		seconds = yyjson_get_real(value) < LIFETIME_MAX_SEC ?
				  (uint64_t)yyjson_get_real(value) :
				  LIFETIME_MAX_SEC;
	if (seconds < LIFETIME_MIN_SEC)
		return LIFETIME_MIN_SEC;
	return seconds < LIFETIME_MAX_SEC ? seconds : LIFETIME_MAX_SEC;
}

int token_answer_parse(const char *json, size_t length, struct arena *arena,
		       struct token_answer *out, struct err *err)
{
	auto_document *doc = document_read(json, length, TOKEN_ANSWER_MAX_BYTES,
					   "answer of the token server", err);
	yyjson_val *root = yyjson_doc_get_root(doc), *token;

	*out = (struct token_answer){ 0 };
	if (!doc)
		return -1;
	if (!yyjson_is_obj(root))
		return err_set(err, ERR_INPUT, "answer of the token server is not a JSON object");
	token = yyjson_obj_get(root, "token");
	if (!yyjson_is_str(token) || yyjson_get_len(token) == 0)
		token = yyjson_obj_get(root, "access_token");
	if (!yyjson_is_str(token) || yyjson_get_len(token) == 0)
		return err_set(err, ERR_INPUT,
			       "answer of the token server holds neither token nor access_token");
	if (!is_token(yyjson_get_str(token), yyjson_get_len(token)))
		return err_set(
			err, ERR_INPUT,
			"answer of the token server: the token is longer than %d bytes or no header value",
			TOKEN_MAX_BYTES);
	out->token = arena_strdup(arena, yyjson_get_str(token));
	out->lifetime_sec = read_lifetime(yyjson_obj_get(root, "expires_in"));
	return 0;
}

struct token_entry {
	struct token_entry *next;
	char *key, *value; /* owned */
	uint64_t until_usec;
};

static bool is_key(const char *key, const char *host, const char *repository, const char *user)
{
	const char *parts[] = { host, repository, user ? user : "" };

	for (size_t i = 0; i < 3; i++) {
		size_t n = strlen(parts[i]);

		if (strncmp(key, parts[i], n) != 0 || key[n] != (i < 2 ? '\n' : '\0'))
			return false;
		key += n + 1;
	}
	return true;
}

static void entry_free(struct token_entry *entry)
{
	free(entry->key);
	if (entry->value)
		explicit_bzero(entry->value, strlen(entry->value));
	free(entry->value);
	free(entry);
}

const char *token_cache_find(const struct token_cache *cache, const char *host,
			     const char *repository, const char *user, uint64_t now_usec)
{
	for (const struct token_entry *e = cache->entries; e; e = e->next)
		if (is_key(e->key, host, repository, user) && e->until_usec > now_usec + SLACK_USEC)
			return e->value;
	return NULL;
}

void token_cache_drop(struct token_cache *cache, const char *host, const char *repository,
		      const char *user)
{
	for (struct token_entry **at = &cache->entries; *at; at = &(*at)->next) {
		struct token_entry *e = *at;

		if (!is_key(e->key, host, repository, user))
			continue;
		*at = e->next;
		entry_free(e);
		cache->count--;
		return;
	}
}

void token_cache_fini(struct token_cache *cache)
{
	while (cache->entries) {
		struct token_entry *e = cache->entries;

		cache->entries = e->next;
		entry_free(e);
	}
	cache->count = 0;
}

int token_cache_put(struct token_cache *cache, const char *host, const char *repository,
		    const char *user, const char *value, uint64_t until_usec, struct err *err)
{
	size_t size = strlen(host) + strlen(repository) + strlen(user ? user : "") + 3;
	struct token_entry *e;

	token_cache_drop(cache, host, repository, user);
	/* Asking again costs a round trip; keeping everything has no bound. */
	if (cache->count >= CACHE_MAX_ENTRIES)
		token_cache_fini(cache);
	e = calloc(1, sizeof(*e));
	if (!e)
		return err_set(err, ERR_SYS, "out of memory");
	e->key = malloc(size);
	e->value = strdup(value);
	if (!e->key || !e->value) {
		entry_free(e);
		return err_set(err, ERR_SYS, "out of memory");
	}
	snprintf(e->key, size, "%s\n%s\n%s", host, repository, user ? user : "");
	e->until_usec = until_usec;
	e->next = cache->entries;
	cache->entries = e;
	cache->count++;
	return 0;
}
