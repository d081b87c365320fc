/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Authorization towards a registry (distribution's token specification, RFC 7617): what to send to a token server, what its answer
 * holds, and which answers are still good. No network here. Passwords and tokens never stand in a message.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/pull_config.h"
#include "util/arena.h"
#include "util/err.h"

#define TOKEN_ANSWER_MAX_BYTES 65536
#define TOKEN_MAX_BYTES 16384 /* the largest seen are 5 KiB */
#define TOKEN_SITE_SIZE 280   /* as TRANSPORT_SITE_SIZE */

/* "Basic ..." */
char *token_basic(struct arena *arena, const char *user, const char *password);
/*
 * Where a registry sends us for a token: https, or http on the registry's own host when that answered over http itself.
 * registry_host as in a Host header. is_own_host: on whatever port; site_out: for messages. ERR_INPUT says where it points.
 */
int token_check_realm(const char *realm, const char *registry_host, bool registry_is_secure,
		      bool *is_own_host, char site_out[TOKEN_SITE_SIZE],
		      struct err *err) MUST_CHECK;
/* The address to GET: realm with service, scope and (where there is one) account. */
int token_url(struct arena *arena, const struct auth_challenge *challenge, const char *scope,
	      const char *user, const char **out, struct err *err) MUST_CHECK;
/* The form to POST to the realm for an identity token (OAuth 2 refresh). */
int token_form(struct arena *arena, const struct auth_challenge *challenge, const char *scope,
	       const char *identity_token, const char **out, struct err *err) MUST_CHECK;

struct token_answer {
	const char *token;     /* visible ASCII, at most TOKEN_MAX_BYTES */
	uint64_t lifetime_sec; /* 10 to 86400; 60 when it says nothing */
};
int token_answer_parse(const char *json, size_t length, struct arena *arena,
		       struct token_answer *out, struct err *err) MUST_CHECK;

/* Authorization values by registry, repository and user. Zeroed: empty. */
struct token_entry;
struct token_cache {
	struct token_entry *entries;
	unsigned count;
};
/* NULL: none, or none that lasts five seconds more. Valid until the next token_cache_put or _drop. */
const char *token_cache_find(const struct token_cache *cache, const char *host,
			     const char *repository, const char *user, uint64_t now_usec);
int token_cache_put(struct token_cache *cache, const char *host, const char *repository,
		    const char *user, const char *value, uint64_t until_usec,
		    struct err *err) MUST_CHECK;
void token_cache_drop(struct token_cache *cache, const char *host, const char *repository,
		      const char *user);
void token_cache_fini(struct token_cache *cache);
