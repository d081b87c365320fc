/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a name to an image: manifest or index, the one for this machine, its config. Nothing is believed but digests: sizes are
 * bounds, media types and headers are hints. Must never keep a byte beyond the limit of what it is reading.
 */
#include "image/registry.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "image/registry_internal.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/digest.h"
#include "util/loop.h"
#include "util/str.h"

#define MANIFEST_TYPES                                                \
	"application/vnd.oci.image.index.v1+json, "                   \
	"application/vnd.oci.image.manifest.v1+json, "                \
	"application/vnd.docker.distribution.manifest.list.v2+json, " \
	"application/vnd.docker.distribution.manifest.v2+json"
#define TURN_MS 1000

static const struct registry_limits default_limits = {
	.manifest_max_bytes = OCI_MANIFEST_MAX_BYTES,
	.redirect_max = 5,
	.retries = 3,
	.retry_delay_usec = USEC_SEC,
	.connect_timeout_usec = 30 * USEC_SEC,
	.stall_timeout_usec = 30 * USEC_SEC,
	.compare_timeout_usec = 10 * USEC_SEC,
	.stall_bytes_per_sec = 1024,
	.layer_max_bytes = UINT64_C(16) << 30,
	.parallel = 2,
};

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
	return value ? value : otherwise;
}

/* 0 means the default where 0 makes no sense. */
static void set_limits(struct registry_limits *out, const struct registry_limits *given)
{
	const struct registry_limits *d = &default_limits;

	*out = *d;
	if (!given)
		return;
	out->manifest_max_bytes = or_default(given->manifest_max_bytes, d->manifest_max_bytes);
	if (out->manifest_max_bytes > OCI_MANIFEST_MAX_BYTES)
		out->manifest_max_bytes = OCI_MANIFEST_MAX_BYTES;
	out->redirect_max = given->redirect_max;
	out->retries = given->retries;
	out->retry_delay_usec = given->retry_delay_usec;
	out->connect_timeout_usec =
		or_default(given->connect_timeout_usec, d->connect_timeout_usec);
	out->stall_timeout_usec = or_default(given->stall_timeout_usec, d->stall_timeout_usec);
	out->compare_timeout_usec =
		or_default(given->compare_timeout_usec, d->compare_timeout_usec);
	out->stall_bytes_per_sec = or_default(given->stall_bytes_per_sec, d->stall_bytes_per_sec);
	out->layer_max_bytes = or_default(given->layer_max_bytes, d->layer_max_bytes);
	out->parallel = (unsigned)or_default(given->parallel, d->parallel);
}

struct registry *registry_open(const struct pull_config *config,
			       const struct registry_limits *limits, struct err *err)
{
	struct registry *registry = calloc(1, sizeof(*registry));
	struct transport_policy policy;

	if (!registry) {
		err_set(err, ERR_SYS, "out of memory");
		return NULL;
	}
	set_limits(&registry->limits, limits);
	policy = (struct transport_policy){
		.redirect_max = registry->limits.redirect_max,
		.connect_timeout_usec = registry->limits.connect_timeout_usec,
		.stall_timeout_usec = registry->limits.stall_timeout_usec,
		.stall_bytes_per_sec = registry->limits.stall_bytes_per_sec
	};
	registry->transport = transport_open(&policy, config, err);
	if (!registry->transport) {
		free(registry);
		return NULL;
	}
	return registry;
}

void registry_close(struct registry *registry)
{
	if (!registry)
		return;
	while (registry->calls)
		call_cancel(registry->calls);
	transfers_free(registry);
	transport_close(registry->transport);
	token_cache_fini(&registry->tokens);
	arena_fini(&registry->arena);
	free(registry);
}

int registry_turn(struct registry *registry, struct pollfd *extra, unsigned extra_count,
		  int timeout_ms, unsigned *running_out, struct err *err)
{
	uint64_t next, now;

	transfers_start(registry);
	calls_wake(registry);
	next = calls_next_usec(registry);
	now = clock_now_usec();
	next = next > now ? next - now : 0;
	if (timeout_ms < 0 || next / 1000 + 1 < (uint64_t)timeout_ms)
		timeout_ms = next / 1000 + 1 < TURN_MS ? (int)(next / 1000 + 1) : TURN_MS;
	if (transport_turn(registry->transport, extra, extra_count, timeout_ms, err) < 0)
		return -1;
	*running_out = 0;
	for (const struct registry_transfer *t = registry->transfers; t; t = transfer_next(t))
		++*running_out;
	return 0;
}

/* One document, read while the caller waits. */
struct document_wait {
	struct buf *body;
	const char *what;
	size_t max;
	char digest[80]; /* Docker-Content-Digest: a hint */
	bool is_over, has_failed;
	struct err err;
};

static uint64_t restart_document(void *arg)
{
	struct document_wait *w = arg;

	buf_clear(w->body);
	return 0;
}

static int check_document_head(void *arg, const struct transport_response *response,
			       struct err *err)
{
	struct document_wait *w = arg;

	if (response->has_length && response->length > w->max)
		return err_set(err, ERR_LIMIT,
			       "%s is said to have %llu bytes, at most %zu are read", w->what,
			       (unsigned long long)response->length, w->max);
	return 0;
}

static ssize_t take_document(void *arg, const void *data, size_t length, struct err *err)
{
	struct document_wait *w = arg;

	if (w->body->len + length > w->max)
		return err_set(err, ERR_LIMIT, "%s has more than %zu bytes", w->what, w->max);
	if (buf_add(w->body, data, length) < 0)
		return err_set(err, ERR_SYS, "%s: out of memory", w->what);
	return (ssize_t)length;
}

static void end_document(void *arg, const struct transport_response *response,
			 const struct err *err)
{
	struct document_wait *w = arg;

	w->is_over = true;
	w->has_failed = err != NULL;
	if (err)
		w->err = *err;
	else
		str_copy(w->digest, sizeof(w->digest), response->digest);
}

/* What a caller of registry_resolve waits with. */
struct patience {
	bool (*tick)(void *arg);
	void *arg;
};

struct document_request {
	const struct pull_endpoint *endpoint;
	const char *path, *accept, *what;
	size_t max;
	unsigned retries;
	bool head_only;
	uint64_t deadline_usec; /* 0: the usual one */
};

static int get_document(struct registry *registry, const struct document_request *request,
			const struct patience *patience, struct buf *body, char digest_out[80],
			struct err *err)
{
	struct document_wait wait = { .body = body, .what = request->what, .max = request->max };
	struct call *call = call_start(
		registry, &(struct call_request){
				  .endpoint = request->endpoint,
				  .path = request->path,
				  .accept = request->accept,
				  .head_only = request->head_only,
				  .retries = request->retries,
				  .deadline_usec = request->deadline_usec ?
							   request->deadline_usec :
							   4 * registry->limits.stall_timeout_usec,
				  .restart = restart_document,
				  .head = request->head_only ? NULL : check_document_head,
				  .body = take_document,
				  .done = end_document,
				  .arg = &wait });
	unsigned running;

	while (!wait.is_over) {
		bool goes_on = !patience || !patience->tick || patience->tick(patience->arg);

		if (goes_on && registry_turn(registry, NULL, 0, TURN_MS, &running, err) == 0)
			continue;
		if (!wait.is_over)
			call_cancel(call);
		return goes_on ? -1 : err_set(err, ERR_BUSY, "stopped");
	}
	if (wait.has_failed) {
		*err = wait.err;
		return -1;
	}
	if (digest_out)
		str_copy(digest_out, 80, wait.digest);
	return 0;
}

/* Not arena_strndup: hostile bytes may hold a NUL, and the length must stay true. */
static const char *keep(struct arena *arena, const struct buf *body)
{
	char *copy = arena_alloc(arena, body->len + 1);

	if (body->len)
		memcpy(copy, body->data, body->len);
	return copy;
}

/* A document that a digest names: its length and digest must be what was said. */
static int get_by_digest(struct registry *registry, const struct document_request *like,
			 const struct oci_descriptor *descriptor, const char *folder,
			 const struct patience *patience, struct arena *arena, const char **out,
			 size_t *length_out, struct err *err)
{
	struct document_request request = *like;
	char digest[DIGEST_STR_LEN + 1];
	auto_buf body = BUF_INIT(request.max);

	if (descriptor->size > request.max)
		return err_set(err, ERR_LIMIT,
			       "%s %s is said to have %llu bytes, at most %zu are read",
			       request.what, descriptor->digest,
			       (unsigned long long)descriptor->size, request.max);
	request.path = arena_join(arena, folder, "/", descriptor->digest);
	if (get_document(registry, &request, patience, &body, NULL, err) < 0)
		return err_wrap(err, "%s %s", request.what, descriptor->digest);
	if (body.len != descriptor->size)
		return err_set(err, ERR_INTEGRITY, "%s %s has %zu bytes, its descriptor says %llu",
			       request.what, descriptor->digest, body.len,
			       (unsigned long long)descriptor->size);
	digest_of(buf_str(&body), body.len, digest);
	if (!str_eq(digest, descriptor->digest))
		return err_set(err, ERR_INTEGRITY, "%s %s: its bytes have the digest %s",
			       request.what, descriptor->digest, digest);
	*out = keep(arena, &body);
	*length_out = body.len;
	return 0;
}

static int no_platform(const struct oci_list *list, struct err *err)
{
	char ours[OCI_PLATFORM_SIZE], theirs[OCI_PLATFORM_SIZE];
	auto_buf text = BUF_INIT(300);

	oci_platform_format(oci_platform_here(), ours);
	for (size_t i = 0; i < list->count && i < 8; i++) {
		if (!list->items[i].has_platform || list->items[i].kind != OCI_MANIFEST)
			continue;
		oci_platform_format(&list->items[i].platform, theirs);
		if (!text.len || !strstr(buf_str(&text), theirs))
			buf_printf(&text, " %s", theirs);
	}
	return err_set(err, ERR_UNSUPPORTED, "image is not for %s but for%s", ours,
		       text.len ? buf_str(&text) : " nothing that could run");
}

/* The name's document into body; its digest, said or computed, into digest_out. */
static int get_named(struct registry *registry, const struct document_request *like,
		     const struct image_ref *ref, const struct patience *patience, struct buf *body,
		     char digest_out[80], struct err *err)
{
	const char *name = *ref->digest ? ref->digest : ref->tag;
	char digest[DIGEST_STR_LEN + 1], path[300];
	struct document_request request = *like;

	snprintf(path, sizeof(path), "manifests/%s", name);
	request.path = path;
	if (get_document(registry, &request, patience, body, NULL, err) < 0)
		return err_wrap(err, "manifest %s", name);
	digest_of(buf_str(body), body->len, digest);
	if (*ref->digest && !str_eq(digest, ref->digest))
		return err_set(err, ERR_INTEGRITY, "manifest %s: its bytes have the digest %s",
			       ref->digest, digest);
	str_copy(digest_out, 80, digest);
	return 0;
}

/* From the name's document to the manifest for this machine. */
static int get_manifest(struct registry *registry, const struct document_request *request,
			const struct image_ref *ref, const struct patience *patience,
			struct arena *arena, struct registry_image *out, struct err *err)
{
	auto_buf body = BUF_INIT(request->max);
	const struct oci_descriptor *chosen;
	enum oci_kind kind;
	struct oci_list list;
	char digest[80];

	if (get_named(registry, request, ref, patience, &body, digest, err) < 0)
		return -1;
	if (oci_document_kind(buf_str(&body), body.len, &kind, err) < 0)
		return err_wrap(err, "manifest %s", digest);
	if (kind == OCI_MANIFEST) {
		str_copy(out->manifest_digest, sizeof(out->manifest_digest), digest);
		out->manifest = keep(arena, &body);
		out->manifest_length = body.len;
		return 0;
	}
	if (oci_index_parse(buf_str(&body), body.len, arena, &list, err) < 0)
		return err_wrap(err, "index %s", digest);
	chosen = oci_index_choose(&list);
	if (!chosen) {
		no_platform(&list, err);
		return err_wrap(err, "index %s", digest);
	}
	str_copy(out->index_digest, sizeof(out->index_digest), digest);
	str_copy(out->manifest_digest, sizeof(out->manifest_digest), chosen->digest);
	return get_by_digest(registry, request, chosen, "manifests", patience, arena,
			     &out->manifest, &out->manifest_length, err);
}

static void put_layers(const struct oci_manifest *manifest, struct arena *arena,
		       struct registry_image *out)
{
	out->layer_count = manifest->layers.count;
	out->layers = arena_alloc(arena, out->layer_count * sizeof(*out->layers));
	for (size_t i = 0; i < out->layer_count; i++) {
		const struct oci_descriptor *d = &manifest->layers.items[i];

		str_copy(out->layers[i].digest, sizeof(out->layers[i].digest), d->digest);
		str_copy(out->layers[i].media_type, sizeof(out->layers[i].media_type),
			 d->media_type);
		out->layers[i].bytes = d->size;
	}
}

static int resolve_at(struct registry *registry, const struct pull_endpoint *endpoint,
		      const struct image_ref *ref, unsigned retries,
		      const struct patience *patience, struct arena *arena,
		      struct registry_image *out, struct err *err)
{
	struct document_request request = { .endpoint = endpoint,
					    .accept = MANIFEST_TYPES,
					    .what = "manifest",
					    .max = (size_t)registry->limits.manifest_max_bytes,
					    .retries = retries };
	struct oci_manifest manifest;
	struct oci_config config;

	if (get_manifest(registry, &request, ref, patience, arena, out, err) < 0)
		return -1;
	if (oci_manifest_parse(out->manifest, out->manifest_length, arena, &manifest, err) < 0)
		return err_wrap(err, "manifest %s", out->manifest_digest);
	for (size_t i = 0; i < manifest.layers.count; i++)
		if (manifest.layers.items[i].size > registry->limits.layer_max_bytes)
			return err_set(
				err, ERR_LIMIT,
				"layer %s is said to have %llu bytes, at most %llu are taken",
				manifest.layers.items[i].digest,
				(unsigned long long)manifest.layers.items[i].size,
				(unsigned long long)registry->limits.layer_max_bytes);
	request.accept = NULL;
	request.what = "config";
	request.max = OCI_CONFIG_MAX_BYTES;
	if (get_by_digest(registry, &request, &manifest.config, "blobs", patience, arena,
			  &out->config, &out->config_length, err) < 0)
		return -1;
	if (oci_config_parse(out->config, out->config_length, arena, &config, err) < 0)
		return err_wrap(err, "config %s", manifest.config.digest);
	if (oci_image_check(&manifest, &config, err) < 0)
		return err_wrap(err, "manifest %s", out->manifest_digest);
	str_copy(out->config_digest, sizeof(out->config_digest), manifest.config.digest);
	put_layers(&manifest, arena, out);
	return 0;
}

/* The last endpoint's reason counts; the first mirror's is added, because it is where an operator looks. */
static int combine(const struct err *last, const struct err *first, struct err *err)
{
	if (first->code == ERR_NONE)
		*err = *last;
	else
		err_set(err, last->code, "%.300s; mirror %.150s", last->msg, first->msg);
	return -1;
}

static const char *describe(const struct pull_endpoint *endpoint, struct arena *arena)
{
	return arena_join(arena, endpoint->host, "/", endpoint->repository);
}

int registry_resolve(struct registry *registry, const struct pull_candidate *candidate,
		     bool (*tick)(void *arg), void *arg, struct arena *arena,
		     struct registry_image *out, struct err *err)
{
	struct patience patience = { tick, arg };
	struct err first = { 0 }, last = { 0 };

	err_set(&last, ERR_INPUT, "no registry to ask");
	for (size_t i = 0; i < candidate->endpoint_count; i++) {
		const struct pull_endpoint *e = &candidate->endpoints[i];
		bool is_last = i + 1 == candidate->endpoint_count;

		*out = (struct registry_image){ .ref = candidate->ref,
						.endpoint = i,
						.from = describe(e, arena) };
		/* a mirror that does not answer costs one try */
		if (resolve_at(registry, e, &candidate->ref, is_last ? registry->limits.retries : 0,
			       &patience, arena, out, &last) == 0)
			return 0;
		err_wrap(&last, "%s", out->from);
		if (tick && !tick(arg))
			break;
		if (!is_last && first.code == ERR_NONE)
			first = last;
	}
	return combine(&last, &first, err);
}

static int head_at(struct registry *registry, const struct pull_endpoint *endpoint,
		   const struct image_ref *ref, unsigned retries, char digest_out[80],
		   struct err *err)
{
	struct document_request request = { .endpoint = endpoint,
					    .accept = MANIFEST_TYPES,
					    .what = "manifest",
					    .max = (size_t)registry->limits.manifest_max_bytes,
					    .retries = retries,
					    .deadline_usec = registry->limits.compare_timeout_usec,
					    .head_only = true };
	auto_buf body = BUF_INIT(request.max);
	char path[300];

	snprintf(path, sizeof(path), "manifests/%s", ref->tag);
	request.path = path;
	if (get_document(registry, &request, NULL, &body, digest_out, err) == 0) {
		if (*digest_out)
			return 0;
	} else if (err->code == ERR_BUSY) {
		return err_wrap(err, "manifest %s", ref->tag);
	}
	/* HEAD has no body that would say why, and not every registry serves it. */
	request.head_only = false;
	return get_named(registry, &request, ref, NULL, &body, digest_out, err);
}

int registry_head(struct registry *registry, const struct pull_candidate *candidate,
		  unsigned retries, char digest_out[80], struct err *err)
{
	struct err first = { 0 }, last = { 0 };

	if (*candidate->ref.digest) {
		str_copy(digest_out, 80, candidate->ref.digest);
		return 0;
	}
	err_set(&last, ERR_INPUT, "no registry to ask");
	for (size_t i = 0; i < candidate->endpoint_count; i++) {
		const struct pull_endpoint *e = &candidate->endpoints[i];
		bool is_last = i + 1 == candidate->endpoint_count;

		if (head_at(registry, e, &candidate->ref, is_last ? retries : 0, digest_out,
			    &last) == 0)
			return 0;
		err_wrap(&last, "%s/%s", e->host, e->repository);
		if (!is_last && first.code == ERR_NONE)
			first = last;
	}
	return combine(&last, &first, err);
}
