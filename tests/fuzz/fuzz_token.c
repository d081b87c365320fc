/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a registry and its token server decide: the first byte chooses a token answer, a realm, a Location or header lines. What is
 * accepted keeps its promises: tokens are header values, realms and redirects lead to http or https hosts only.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "image/token.h"
#include "image/transport_internal.h"
#include "util/digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct err err;

static void read_answer(const char *text, size_t length, struct arena *arena)
{
	struct token_answer answer;

	if (token_answer_parse(text, length, arena, &answer, &err) < 0) {
		assert(err.code != ERR_NONE && err.msg[0]);
		return;
	}
	assert(answer.token[0] && strlen(answer.token) <= TOKEN_MAX_BYTES);
	for (const char *at = answer.token; *at; at++)
		assert(*at > ' ' && *at < 0x7f);
	assert(answer.lifetime_sec >= 10 && answer.lifetime_sec <= 86400);
}

static void read_realm(const char *text, struct arena *arena)
{
	struct auth_challenge challenge = {
		.kind = AUTH_BEARER, .realm = text, .service = text, .scope = ""
	};
	char site[TOKEN_SITE_SIZE];
	const char *out;
	bool is_own;

	if (token_check_realm(text, "registry.example:5000", false, &is_own, site, &err) < 0) {
		assert(err.msg[0]);
		return;
	}
	assert(strncmp(site, "https://", 8) == 0 ||
	       (is_own && strncmp(site, "http://registry.example:", 24) == 0));
	if (token_url(arena, &challenge, "repository:a/b:pull", text, &out, &err) == 0)
		assert(strpbrk(out, "\r\n") == NULL);
	if (token_form(arena, &challenge, text, text, &out, &err) == 0)
		assert(strpbrk(out, "\r\n ") == NULL);
}

static void read_location(const char *text)
{
	CURLU *from = curl_url(), *to;
	struct transport_site site;

	assert(curl_url_set(from, CURLUPART_URL, "https://registry.example/v2/a/blobs/b", 0) ==
	       CURLUE_OK);
	to = transport_redirect(from, text, false, &err);
	if (to) {
		assert(transport_site_of(to, &site, &err) == 0);
		assert(site.is_secure && site.host[0] && site.port[0]);
		assert(address_scope_of_host(site.host) != ADDRESS_UNKNOWN);
	}
	curl_url_cleanup(to);
	curl_url_cleanup(from);
}

static void read_headers(const char *text, size_t length)
{
	static struct transport_response response;
	bool chunked = false;

	response = (struct transport_response){ 0 };
	while (length) {
		const char *end = memchr(text, '\n', length);
		size_t n = end ? (size_t)(end - text) : length;

		transport_read_header(&response, &chunked, text, n);
		text += n + (end ? 1 : 0);
		length -= n + (end ? 1 : 0);
	}
	assert(response.digest[0] == '\0' || digest_is_valid(response.digest));
	assert(memchr(response.challenge, '\0', sizeof(response.challenge)));
	assert(memchr(response.location, '\0', sizeof(response.location)));
	assert(memchr(response.content_type, '\0', sizeof(response.content_type)));
	assert(response.retry_after_usec <= UINT64_C(86400) * 1000000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_arena arena = { 0 };
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	assert(text);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0]) {
	case 'a':
		read_answer(text, size - 1, &arena);
		break;
	case 'r':
		read_realm(text, &arena);
		break;
	case 'l':
		read_location(text);
		break;
	default:
		read_headers(text, size - 1);
	}
	free(text);
	return 0;
}
