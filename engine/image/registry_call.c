/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls: ask, log in where that is wanted, wait and ask again where that may help. Every way around is counted: two logins a try,
 * retries tries (counted anew when a megabyte came in between), one change from https to http. Must never send a password over
 * http to a host that is not marked insecure, nor a token to another host than it was given for.
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "image/document.h"
#include "image/registry_internal.h"
#include "image/transport_internal.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/loop.h"
#include "util/str.h"

#define LOGINS_A_TRY 2
#define DELAY_MAX_USEC (5 * 60 * USEC_SEC)
#define PROGRESS_BYTES (1024 * 1024)

struct call {
	struct call *next;
	struct registry *registry;
	struct call_request request;
	struct registry_site *site;
	struct arena arena;
	struct exchange *exchange; /* under way; NULL: waits for wake_usec */
	uint64_t wake_usec;
	unsigned tries, logins;
	bool is_plain;	/* https did not answer: this time http */
	uint64_t first; /* byte from which the last try asked */
	struct buf token_json;
	char token_site[TOKEN_SITE_SIZE];
};

static transport_done_fn on_answer, on_token;

static struct registry_site *find_site(struct registry *registry, const char *host)
{
	struct registry_site *site;

	for (site = registry->sites; site; site = site->next)
		if (str_eq(site->host, host))
			return site;
	site = arena_new(&registry->arena, struct registry_site);
	site->host = arena_strdup(&registry->arena, host);
	site->next = registry->sites;
	registry->sites = site;
	return site;
}

struct call *call_start(struct registry *registry, const struct call_request *request)
{
	struct arena arena = { 0 };
	struct call *c = arena_new(&arena, struct call);

	c->arena = arena;
	c->registry = registry;
	c->request = *request;
	c->request.path = arena_strdup(&c->arena, request->path);
	c->site = find_site(registry, request->endpoint->host);
	c->token_json.max = TOKEN_ANSWER_MAX_BYTES;
	c->next = registry->calls;
	registry->calls = c;
	return c;
}

static void unlink_call(struct call *c)
{
	for (struct call **at = &c->registry->calls; *at; at = &(*at)->next)
		if (*at == c) {
			*at = c->next;
			return;
		}
}

static void free_call(struct call *c)
{
	struct arena arena = c->arena;

	if (c->token_json.data)
		explicit_bzero(c->token_json.data, c->token_json.len);
	buf_fini(&c->token_json);
	arena_fini(&arena);
}

void call_cancel(struct call *call)
{
	unlink_call(call);
	if (call->exchange)
		transport_cancel(call->exchange);
	free_call(call);
}

void call_resume(struct call *call)
{
	if (call->exchange)
		transport_resume(call->exchange);
}

static void finish(struct call *c, const struct transport_response *response, const struct err *err)
{
	unlink_call(c);
	c->request.done(c->request.arg, response, err);
	free_call(c);
}

/* Doubled each time, a quarter more or less: a house full of appliances comes back after a power cut at the same second. */
static uint64_t delay_usec(const struct call *c, uint64_t retry_after_usec)
{
	uint64_t delay = c->registry->limits.retry_delay_usec;
	uint32_t random = 0;

	if (retry_after_usec)
		return retry_after_usec < DELAY_MAX_USEC ? retry_after_usec : DELAY_MAX_USEC;
	for (unsigned i = 1; i < c->tries && delay < DELAY_MAX_USEC; i++)
		delay *= 2;
	delay = delay < DELAY_MAX_USEC ? delay : DELAY_MAX_USEC;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		random = UINT32_MAX / 2;
	return delay - delay / 4 + (delay / 2 >> 16) * (random >> 16);
}

/* Another try, or the end with err. */
static void try_again(struct call *c, const struct transport_response *response,
		      uint64_t retry_after_usec, const struct err *err)
{
	struct err unchecked;

	/* All bytes may be there although the answer did not end well; other bytes than those it promised are no such end. */
	if (err->code == ERR_BUSY && c->request.check) {
		if (c->request.check(c->request.arg, &unchecked) == 0) {
			finish(c, response, NULL);
			return;
		}
		if (unchecked.code != ERR_BUSY)
			err = &unchecked;
	}
	if (err->code != ERR_BUSY || c->tries >= c->request.retries) {
		finish(c, response, err);
		return;
	}
	c->tries++;
	c->logins = 0;
	c->is_plain = false;
	c->wake_usec = clock_now_usec() + delay_usec(c, retry_after_usec);
}

/* A password goes out unasked only where it was asked for before. */
static const char *find_authorization(struct call *c, struct arena *arena)
{
	const struct pull_endpoint *e = c->request.endpoint;

	if (c->site->takes_basic && e->user && e->password)
		return token_basic(arena, e->user, e->password);
	return token_cache_find(&c->registry->tokens, e->host, e->repository, e->user,
				clock_now_usec());
}

static int on_head(void *arg, const struct transport_response *response, struct err *err)
{
	struct call *c = arg;

	return c->request.head ? c->request.head(c->request.arg, response, err) : 0;
}

static ssize_t on_body(void *arg, const void *data, size_t length, struct err *err)
{
	struct call *c = arg;

	return c->request.body(c->request.arg, data, length, err);
}

static int ask(struct call *c, struct err *err)
{
	const struct pull_endpoint *e = c->request.endpoint;
	bool is_plain = c->site->scheme_is_known ? !c->site->is_secure : c->is_plain;
	auto_arena arena = { 0 };
	struct transport_request request = {
		.accept = c->request.accept,
		.head_only = c->request.head_only,
		.deadline_usec = c->request.deadline_usec,
		.endpoint = e,
		.head = on_head,
		.body = on_body,
		.done = on_answer,
		.arg = c,
	};

	request.url = arena_join(&arena, is_plain ? "http://" : "https://", e->host, "/v2/",
				 e->repository, "/", c->request.path);
	request.authorization = find_authorization(c, &arena);
	request.range_first = c->request.restart(c->request.arg);
	if (request.range_first >= c->first + PROGRESS_BYTES)
		c->tries = 0;
	c->first = request.range_first;
	c->exchange = transport_start(c->registry->transport, &request, err);
	return c->exchange ? 0 : -1;
}

static void ask_or_fail(struct call *c)
{
	struct err err;

	c->wake_usec = 0;
	if (ask(c, &err) < 0)
		finish(c, NULL, &err);
}

/* What the registry says about it: {"errors":[{"code":...,"message":...}]}. "" when it says nothing that can be read. */
static void read_complaint(const struct transport_response *r, char *out, size_t size)
{
	auto_document *doc =
		document_read(r->error_text, r->error_length, sizeof(r->error_text), "error", NULL);
	yyjson_val *first =
		yyjson_arr_get_first(yyjson_obj_get(yyjson_doc_get_root(doc), "errors"));
	const char *code = yyjson_get_str(yyjson_obj_get(first, "code"));
	const char *message = yyjson_get_str(yyjson_obj_get(first, "message"));

	out[0] = '\0';
	if (message && *message)
		snprintf(out, size, ": %.160s", message);
	else if (code && *code)
		snprintf(out, size, ": %.60s", code);
}

static int explain_login(const struct call *c, const struct transport_response *r, struct err *err)
{
	const struct pull_endpoint *e = c->request.endpoint;
	char complaint[200];

	read_complaint(r, complaint, sizeof(complaint));
	if (e->user || e->identity_token)
		return err_set(err, ERR_INPUT,
			       "HTTP %d: access is denied to user %.60s (login \"%.100s\")%s",
			       r->status, e->user ? e->user : "with identity token",
			       e->auth_key ? e->auth_key : "", complaint);
	return err_set(
		err, ERR_NOT_FOUND,
		"HTTP %d: access is denied without a login, or there is no such image: put a login into auth.json "
		"(podman login --authfile auth.json %.100s)%s%s%.100s",
		r->status, e->host, complaint, e->auth_note && *e->auth_note ? "; " : "",
		e->auth_note ? e->auth_note : "");
}

/* A status that is no success, as an error; ERR_BUSY: another try may help. */
static void explain_status(const struct call *c, const struct transport_response *r,
			   struct err *err)
{
	enum err_code code = ERR_INPUT;
	char complaint[200];

	if (*r->elsewhere) {
		/* A store of blobs: asking the registry again gives another signed address. */
		err_set(err, r->status == 404 || r->status == 410 ? ERR_NOT_FOUND : ERR_BUSY,
			"redirected to %s, which answers HTTP %d", r->elsewhere, r->status);
		return;
	}
	if (r->status == 401 || r->status == 403) {
		explain_login(c, r, err);
		return;
	}
	read_complaint(r, complaint, sizeof(complaint));
	if (r->status == 404 || r->status == 410)
		code = ERR_NOT_FOUND;
	else if (r->status == 408 || r->status == 425 || r->status == 429 || r->status >= 500)
		code = ERR_BUSY;
	else if (r->status == 416 || r->status < 400)
		code = ERR_INTEGRITY;
	err_set(err, code, "HTTP %d%s%s", r->status, r->status == 429 ? " (too many requests)" : "",
		complaint);
}

static ssize_t on_token_body(void *arg, const void *data, size_t length, struct err *err)
{
	struct call *c = arg;

	if (buf_add(&c->token_json, data, length) == 0)
		return (ssize_t)length;
	return err_set(err, ERR_LIMIT, "answer is larger than %d bytes", TOKEN_ANSWER_MAX_BYTES);
}

/* Asks the server that the challenge names; from there it goes on in on_token. */
static int ask_token(struct call *c, const struct auth_challenge *challenge,
		     const struct transport_response *r, struct err *err)
{
	const struct pull_endpoint *e = c->request.endpoint;
	auto_arena arena = { 0 };
	struct transport_request request = {
		.accept = "application/json",
		.deadline_usec = 4 * c->registry->limits.stall_timeout_usec,
		.endpoint = e,
		.body = on_token_body,
		.done = on_token,
		.arg = c,
	};
	const char *scope = arena_join(&arena, "repository:", e->repository, ":pull");
	bool is_own_host;

	/* Ours first: it asks for no more than is needed. The registry's own words when it says that this is too little. */
	if (c->logins > 1 && *challenge->scope)
		scope = challenge->scope;
	if (token_check_realm(challenge->realm, e->host, r->is_secure, &is_own_host, c->token_site,
			      err) < 0)
		return -1;
	if (!is_own_host)
		request.named_by = r->scope;
	if (e->identity_token) {
		request.url = challenge->realm;
		if (token_form(&arena, challenge, scope, e->identity_token, &request.form, err) < 0)
			return -1;
	} else {
		if (token_url(&arena, challenge, scope, e->user, &request.url, err) < 0)
			return -1;
		if (e->user && e->password)
			request.authorization = token_basic(&arena, e->user, e->password);
	}
	buf_clear(&c->token_json);
	c->exchange = transport_start(c->registry->transport, &request, err);
	return c->exchange ? 0 : err_wrap(err, "token server %s", c->token_site);
}

/* 0: on the way. */
static int log_in(struct call *c, const struct transport_response *r, struct err *err)
{
	const struct pull_endpoint *e = c->request.endpoint;
	struct auth_challenge challenge;
	auto_arena arena = { 0 };

	if (c->logins++ >= LOGINS_A_TRY || *r->challenge == '\0')
		return explain_login(c, r, err);
	if (auth_challenge_parse(r->challenge, strlen(r->challenge), &arena, &challenge, err) < 0)
		return err_wrap(err, "WWW-Authenticate");
	switch (challenge.kind) {
	case AUTH_BEARER:
		token_cache_drop(&c->registry->tokens, e->host, e->repository, e->user);
		return ask_token(c, &challenge, r, err);
	case AUTH_BASIC:
		if (!e->user || !e->password || c->site->takes_basic)
			return explain_login(c, r, err);
		c->site->takes_basic = true;
		return ask(c, err);
	case AUTH_NONE:
		break;
	}
	return err_set(err, ERR_UNSUPPORTED,
		       "wants a login of the kind \"%.40s\": known are Basic and Bearer",
		       challenge.scheme ? challenge.scheme : "");
}

static void on_answer(void *arg, const struct transport_response *r, bool unanswered,
		      const struct err *err)
{
	struct call *c = arg;
	struct err why;

	c->exchange = NULL;
	if (err) {
		if (unanswered && err->code == ERR_BUSY && c->request.endpoint->insecure &&
		    !c->site->scheme_is_known && !c->is_plain) {
			c->is_plain = true;
			ask_or_fail(c);
			return;
		}
		try_again(c, r, 0, err);
		return;
	}
	c->site->scheme_is_known = true;
	c->site->is_secure = r->is_secure;
	if (r->status >= 200 && r->status < 300) {
		if (!c->request.check || c->request.check(c->request.arg, &why) == 0)
			finish(c, r, NULL);
		else
			try_again(c, r, 0, &why);
		return;
	}
	/* Who was only redirected to may not say where a password should go. */
	if (r->status == 401 && !*r->elsewhere) {
		if (log_in(c, r, &why) < 0)
			finish(c, r, &why);
		return;
	}
	explain_status(c, r, &why);
	try_again(c, r, r->retry_after_usec, &why);
}

static int take_token(struct call *c, const struct transport_response *r, struct err *err)
{
	const struct pull_endpoint *e = c->request.endpoint;
	struct token_answer answer;
	auto_arena arena = { 0 };

	/* 400 is how OAuth servers say that a refresh token is no good */
	if (r->status == 401 || r->status == 403 || (r->status == 400 && e->identity_token))
		return explain_login(c, r, err);
	if (r->status != 200) {
		explain_status(c, r, err);
		if (err->code == ERR_NOT_FOUND)
			err->code = ERR_INPUT;
		return -1;
	}
	if (token_answer_parse(buf_str(&c->token_json), c->token_json.len, &arena, &answer, err) <
	    0)
		return -1;
	return token_cache_put(&c->registry->tokens, e->host, e->repository, e->user,
			       arena_join(&arena, "Bearer ", answer.token),
			       clock_now_usec() + answer.lifetime_sec * USEC_SEC, err);
}

static void on_token(void *arg, const struct transport_response *r, bool unanswered,
		     const struct err *err)
{
	struct call *c = arg;
	struct err why;

	(void)unanswered;
	c->exchange = NULL;
	if (err) {
		why = *err;
	} else if (take_token(c, r, &why) == 0) {
		ask_or_fail(c);
		return;
	}
	err_wrap(&why, "token server %s", c->token_site);
	try_again(c, r, err ? 0 : r->retry_after_usec, &why);
}

void calls_wake(struct registry *registry)
{
	uint64_t now = clock_now_usec();
	struct call *c = registry->calls;

	while (c) {
		if (c->exchange || c->wake_usec > now) {
			c = c->next;
			continue;
		}
		ask_or_fail(c);
		/* it may be gone, and others with it */
		c = registry->calls;
		now = clock_now_usec();
	}
}

uint64_t calls_next_usec(const struct registry *registry)
{
	uint64_t next = UINT64_MAX;

	for (const struct call *c = registry->calls; c; c = c->next)
		if (!c->exchange && c->wake_usec < next)
			next = c->wake_usec;
	return next;
}
