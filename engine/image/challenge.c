/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WWW-Authenticate (RFC 9110 11.6.1): challenges of a scheme and parameters, in a list whose commas also separate the
 * parameters. The bytes come from whoever answers, so everything is bounded, and a header that can be read in two ways is
 * refused. Must never follow a realm: that is an address for others to judge.
 */
#include <string.h>
#include <strings.h>

#include "image/pull_config.h"
#include "util/str.h"

#define HEADER_MAX_BYTES (16 * 1024)
#define PARAMS_MAX 64 /* of a whole header */

struct challenge_reader {
	const char *at, *end;
	struct arena *arena;
	struct err *err;
	size_t params;
};

static int fail(struct challenge_reader *r, const char *reason)
{
	return err_set(r->err, ERR_INTEGRITY, "WWW-Authenticate: %s", reason);
}

static bool is_token(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static void skip_blanks(struct challenge_reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\t'))
		r->at++;
}

/* Empty elements of a list count for nothing. */
static void skip_commas(struct challenge_reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == ','))
		r->at++;
}

static size_t token_length(const struct challenge_reader *r)
{
	const char *p = r->at;

	while (p < r->end && is_token(*p))
		p++;
	return (size_t)(p - r->at);
}

/* "token =": what tells a parameter from the next challenge. "token ==" and "token=" at the end are token68 paddings. */
static bool at_param(const struct challenge_reader *r)
{
	const char *p = r->at + token_length(r);

	if (p == r->at)
		return false;
	while (p < r->end && (*p == ' ' || *p == '\t'))
		p++;
	if (p == r->end || *p++ != '=')
		return false;
	while (p < r->end && (*p == ' ' || *p == '\t'))
		p++;
	return p < r->end && *p != '=' && *p != ',';
}

static int read_quoted(struct challenge_reader *r, const char **out)
{
	char *text = arena_alloc(r->arena, (size_t)(r->end - r->at) + 1);
	size_t len = 0;

	for (r->at++; r->at < r->end && *r->at != '"'; r->at++) {
		if (*r->at == '\\' && ++r->at == r->end)
			break;
		text[len++] = *r->at;
	}
	if (r->at == r->end)
		return fail(r, "string without an end");
	r->at++;
	*out = text;
	return 0;
}

/* A token by the grammar; URLs without quotes are seen too, so whatever is visible but a comma. */
static int read_value(struct challenge_reader *r, const char **out)
{
	const char *start;

	skip_blanks(r);
	if (r->at < r->end && *r->at == '"')
		return read_quoted(r, out);
	start = r->at;
	while (r->at < r->end && !strchr(" \t,\"", *r->at))
		r->at++;
	*out = arena_strndup(r->arena, start, (size_t)(r->at - start));
	return 0;
}

static int read_param(struct challenge_reader *r, struct auth_challenge *out)
{
	const struct {
		const char *name;
		const char **to;
	} known[] = {
		{ "realm", &out->realm },
		{ "service", &out->service },
		{ "scope", &out->scope },
		{ "error", &out->error },
	};
	const char *name = r->at, *value = "";
	size_t len = token_length(r);

	if (++r->params > PARAMS_MAX)
		return fail(r, "too many parameters");
	r->at += len;
	skip_blanks(r);
	r->at++; /* at_param() has seen the equals sign */
	if (read_value(r, &value) < 0)
		return -1;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strlen(known[i].name) != len || strncasecmp(known[i].name, name, len) != 0)
			continue;
		if (*known[i].to)
			return fail(r, "a parameter stands there twice");
		*known[i].to = value;
	}
	skip_blanks(r);
	if (r->at < r->end && *r->at != ',')
		return fail(r, "no comma between parameters");
	return 0;
}

/* Negotiate's kind of argument: one word of base64. */
static int skip_token68(struct challenge_reader *r)
{
	while (r->at < r->end && *r->at != ',' && *r->at != ' ' && *r->at != '\t') {
		if (!is_token(*r->at) && *r->at != '/' && *r->at != '=')
			return fail(r, "neither parameters nor a word behind a scheme");
		r->at++;
	}
	skip_blanks(r);
	if (r->at < r->end && *r->at != ',')
		return fail(r, "no comma between challenges");
	return 0;
}

static int read_challenge(struct challenge_reader *r, struct auth_challenge *out)
{
	size_t len = token_length(r);

	*out = (struct auth_challenge){ .kind = AUTH_NONE };
	if (len == 0)
		return fail(r, "a scheme expected");
	out->scheme = arena_strndup(r->arena, r->at, len);
	if (strcasecmp(out->scheme, "basic") == 0)
		out->kind = AUTH_BASIC;
	else if (strcasecmp(out->scheme, "bearer") == 0)
		out->kind = AUTH_BEARER;
	r->at += len;
	if (r->at < r->end && *r->at != ' ' && *r->at != '\t' && *r->at != ',')
		return fail(r, "a blank expected behind the scheme");
	skip_blanks(r);
	if (r->at < r->end && *r->at != ',' && !at_param(r))
		return skip_token68(r);
	for (skip_commas(r); r->at < r->end && at_param(r); skip_commas(r))
		if (read_param(r, out) < 0)
			return -1;
	return 0;
}

static bool is_better(const struct auth_challenge *one, const struct auth_challenge *best)
{
	/* nobody can be asked for a token without an address */
	if (one->kind == AUTH_BEARER && (!one->realm || !one->realm[0]))
		return false;
	return one->kind > best->kind;
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

int auth_challenge_parse(const char *header, size_t length, struct arena *arena,
			 struct auth_challenge *out, struct err *err)
{
	struct challenge_reader r = {
		.at = header, .end = header + length, .arena = arena, .err = err
	};
	struct auth_challenge best = { .kind = AUTH_NONE }, one;

	if (length > HEADER_MAX_BYTES)
		return err_set(err, ERR_LIMIT, "WWW-Authenticate: longer than %d bytes",
			       HEADER_MAX_BYTES);
	for (size_t i = 0; i < length; i++)
		if (((unsigned char)header[i] < ' ' && header[i] != '\t') || header[i] == 0x7f)
			return fail(&r, "control character");
	for (skip_commas(&r); r.at < r.end; skip_commas(&r)) {
		if (read_challenge(&r, &one) < 0)
			return -1;
		if (is_better(&one, &best))
			best = one;
		else if (!best.scheme)
			best.scheme = one.scheme;
	}
	*out = (struct auth_challenge){ .kind = best.kind,
					.realm = or_empty(best.realm),
					.service = or_empty(best.service),
					.scope = or_empty(best.scope),
					.error = or_empty(best.error),
					.scheme = or_empty(best.scheme) };
	return 0;
}
