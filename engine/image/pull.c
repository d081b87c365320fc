/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request of an import as text, and the rules of Pull=. Pure. Must never put a password anywhere but into the request's
 * text.
 */
#include "image/pull.h"

#include <stdio.h>
#include <strings.h>

#include "image/flat.h"
#include "util/str.h"

static const char *const policy_names[] = {
	[PULL_MISSING] = "missing",
	[PULL_ALWAYS] = "always",
	[PULL_NEVER] = "never",
	[PULL_NEWER] = "newer",
};
#define POLICY_COUNT (sizeof(policy_names) / sizeof(policy_names[0]))

bool pull_policy_parse(const char *text, enum pull_policy *out)
{
	for (size_t i = 0; i < POLICY_COUNT; i++) {
		if (strcasecmp(text, policy_names[i]) == 0) {
			*out = (enum pull_policy)i;
			return true;
		}
	}
	return false;
}

/* What follows in the text belongs to the last "want". */
static const struct {
	const char *key;
	size_t offset;
} want_texts[] = {
	{ "from", offsetof(struct pull_want, from) },
	{ "auth-file", offsetof(struct pull_want, auth_file) },
	{ "creds", offsetof(struct pull_want, creds) },
	{ "cert-dir", offsetof(struct pull_want, cert_dir) },
};
static const struct {
	const char *key;
	size_t offset;
} request_texts[] = {
	{ "config-dir", offsetof(struct pull_request, config_dir) },
	{ "http-proxy", offsetof(struct pull_request, http_proxy) },
	{ "https-proxy", offsetof(struct pull_request, https_proxy) },
	{ "no-proxy", offsetof(struct pull_request, no_proxy) },
};
#define COUNT_OF(table) (sizeof(table) / sizeof((table)[0]))

static void put_want(const struct pull_want *want, struct buf *out)
{
	flat_put(out, "want", want->ref);
	flat_put(out, "policy", policy_names[want->policy]);
	flat_put_u64(out, "retries", want->retries);
	flat_put_u64(out, "retry-delay", want->retry_delay_usec);
	if (want->only_asks)
		flat_put(out, "only-asks", "yes");
	if (want->tls_verify_given)
		flat_put(out, "tls-verify", want->tls_verify ? "yes" : "no");
	for (size_t i = 0; i < COUNT_OF(want_texts); i++) {
		const char *value =
			*(const char *const *)((const char *)want + want_texts[i].offset);

		if (value)
			flat_put(out, want_texts[i].key, value);
	}
}

int pull_request_write(const struct pull_request *request, struct buf *out, struct err *err)
{
	if (request->want_count > PULL_MAX_WANTS || request->keep_count > PULL_MAX_KEEPS)
		return err_set(err, ERR_LIMIT, "%zu images at once, at most %d",
			       request->want_count, PULL_MAX_WANTS);
	for (size_t i = 0; i < COUNT_OF(request_texts); i++) {
		const char *value =
			*(const char *const *)((const char *)request + request_texts[i].offset);

		if (value)
			flat_put(out, request_texts[i].key, value);
	}
	for (size_t i = 0; i < request->keep_count; i++)
		flat_put(out, "keep", request->keeps[i]);
	for (size_t i = 0; i < request->want_count; i++)
		put_want(&request->wants[i], out);
	return buf_check(out, "image request", err);
}

struct reader {
	struct arena *arena;
	struct pull_request *out;
};

static bool read_request_text(struct reader *r, const struct flat_line *line)
{
	for (size_t i = 0; i < COUNT_OF(request_texts); i++) {
		if (!str_eq(line->key, request_texts[i].key))
			continue;
		*(const char **)((char *)r->out + request_texts[i].offset) =
			arena_strdup(r->arena, line->value);
		return true;
	}
	return false;
}

static bool read_want_text(struct reader *r, struct pull_want *want, const struct flat_line *line)
{
	for (size_t i = 0; i < COUNT_OF(want_texts); i++) {
		if (!str_eq(line->key, want_texts[i].key))
			continue;
		*(const char **)((char *)want + want_texts[i].offset) =
			arena_strdup(r->arena, line->value);
		return true;
	}
	return false;
}

static bool read_want(struct reader *r, const struct flat_line *line)
{
	struct pull_want *want = r->out->want_count ? &r->out->wants[r->out->want_count - 1] : NULL;
	uint64_t number;

	if (!want)
		return false;
	if (str_eq(line->key, "policy"))
		return pull_policy_parse(line->value, &want->policy);
	if (str_eq(line->key, "only-asks")) {
		want->only_asks = true;
		return true;
	}
	if (str_eq(line->key, "tls-verify")) {
		want->tls_verify_given = true;
		want->tls_verify = str_eq(line->value, "yes");
		return true;
	}
	if (str_eq(line->key, "retries") && str_to_u64(line->value, PULL_MAX_RETRIES, &number)) {
		want->retries = (unsigned)number;
		return true;
	}
	if (str_eq(line->key, "retry-delay"))
		return str_to_u64(line->value, INT64_MAX, &want->retry_delay_usec);
	return read_want_text(r, want, line);
}

static int read_line(struct reader *r, const struct flat_line *line, struct err *err)
{
	struct pull_request *out = r->out;

	if (str_eq(line->key, "want") && out->want_count < PULL_MAX_WANTS) {
		*arena_push(r->arena, out->wants, out->want_count) =
			(struct pull_want)PULL_WANT_INIT(arena_strdup(r->arena, line->value));
		return 0;
	}
	if (str_eq(line->key, "keep") && out->keep_count < PULL_MAX_KEEPS) {
		*arena_push(r->arena, out->keeps, out->keep_count) =
			arena_strdup(r->arena, line->value);
		return 0;
	}
	if (read_request_text(r, line) || read_want(r, line))
		return 0;
	return err_set(err, ERR_INTEGRITY, "image request: unexpected %s", line->key);
}

int pull_request_read(char *text, size_t length, struct arena *arena, struct pull_request *out,
		      struct err *err)
{
	struct flat_reader flat = { text, text + length };
	struct reader r = { .arena = arena, .out = out };
	struct flat_line line;

	*out = (struct pull_request){ 0 };
	for (;;) {
		if (flat_next(&flat, &line, err) < 0)
			return err_wrap(err, "image request");
		if (!line.key)
			return 0;
		if (read_line(&r, &line, err) < 0)
			return -1;
	}
}

bool pull_is_local_name(const struct image_ref *ref)
{
	return str_eq(ref->domain, "localhost");
}

enum pull_step pull_decide(enum pull_policy policy, const struct image_ref *ref, bool in_store)
{
	bool may_ask = policy != PULL_NEVER && !pull_is_local_name(ref);

	if (!in_store)
		return may_ask ? PULL_STEP_ASK : PULL_STEP_NONE;
	if (!may_ask || policy == PULL_MISSING || ref->digest[0])
		return PULL_STEP_STORE;
	return PULL_STEP_COMPARE;
}

bool pull_falls_back(enum pull_policy policy, bool in_store)
{
	return in_store && policy == PULL_NEWER;
}

bool pull_is_worth_retry(enum err_code code)
{
	switch (code) {
	case ERR_SYS:
	case ERR_BUSY:
		return true;
	case ERR_NONE:
	case ERR_INPUT:
	case ERR_NOT_FOUND:
	case ERR_LIMIT:
	case ERR_UNSUPPORTED:
	case ERR_INTEGRITY:
	case ERR_BUG:
		break;
	}
	return false;
}

static void put_megabytes(struct buf *out, uint64_t bytes)
{
	uint64_t tenths = bytes / 100000;

	if (tenths >= 1000)
		buf_printf(out, "%llu", (unsigned long long)((tenths + 5) / 10));
	else
		buf_printf(out, "%llu.%llu", (unsigned long long)(tenths / 10),
			   (unsigned long long)(tenths % 10));
}

void pull_progress_text(const char *verb, uint64_t done_bytes, uint64_t total_bytes, unsigned layer,
			unsigned layers, uint64_t bytes_per_sec, char *out, size_t size)
{
	auto_buf text = BUF_INIT(256);

	buf_printf(&text, "%s ", verb);
	put_megabytes(&text, done_bytes);
	buf_putc(&text, '/');
	put_megabytes(&text, total_bytes);
	buf_puts(&text, " MB");
	if (layers)
		buf_printf(&text, ", layer %u of %u", layer, layers);
	if (bytes_per_sec) {
		buf_puts(&text, ", ");
		put_megabytes(&text, bytes_per_sec);
		buf_puts(&text, " MB/s");
	}
	str_copy(out, size, buf_str(&text));
}
