/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers: bytes from a registry into the caller's sink, hashed on their way, going on where they stopped. What the sink has taken
 * cannot be taken back, so a server that begins anew is read up to there again. Must never hand out a byte beyond the length that
 * the manifest states, and never call a layer complete whose digest was not computed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/registry_internal.h"
#include "util/digest.h"
#include "util/str.h"

struct registry_transfer {
	struct registry_transfer *next;
	struct registry *registry;
	const struct pull_candidate *candidate; /* borrowed */
	char digest[80];
	uint64_t bytes;	 /* as the manifest says */
	size_t endpoint; /* asked now */
	registry_sink_fn *sink;
	registry_done_fn *done;
	void *arg;
	struct call *call; /* NULL: in the queue */
	struct sha256 sha;
	uint64_t received, skip; /* taken by the sink; of this answer still to be dropped */
	bool is_hashed;
	char actual[DIGEST_STR_LEN + 1];
};

struct registry_transfer *transfer_next(const struct registry_transfer *transfer)
{
	return transfer->next;
}

struct registry_transfer *registry_fetch(struct registry *registry,
					 const struct pull_candidate *candidate,
					 const struct registry_image *image, size_t layer,
					 registry_sink_fn *sink, registry_done_fn *done, void *arg,
					 struct err *err)
{
	struct registry_transfer *t, **at = &registry->transfers;

	if (layer >= image->layer_count || image->endpoint >= candidate->endpoint_count) {
		err_set(err, ERR_BUG, "no layer %zu", layer);
		return NULL;
	}
	if (image->layers[layer].bytes > registry->limits.layer_max_bytes) {
		err_set(err, ERR_LIMIT,
			"layer %s is said to have %llu bytes, at most %llu are taken",
			image->layers[layer].digest, (unsigned long long)image->layers[layer].bytes,
			(unsigned long long)registry->limits.layer_max_bytes);
		return NULL;
	}
	t = calloc(1, sizeof(*t));
	if (!t) {
		err_set(err, ERR_SYS, "out of memory");
		return NULL;
	}
	t->registry = registry;
	t->candidate = candidate;
	str_copy(t->digest, sizeof(t->digest), image->layers[layer].digest);
	t->bytes = image->layers[layer].bytes;
	t->endpoint = image->endpoint;
	t->sink = sink;
	t->done = done;
	t->arg = arg;
	sha256_init(&t->sha);
	while (*at)
		at = &(*at)->next;
	*at = t;
	return t;
}

void registry_resume(struct registry_transfer *transfer)
{
	if (transfer->call)
		call_resume(transfer->call);
}

static uint64_t restart(void *arg)
{
	struct registry_transfer *t = arg;

	return t->received;
}

static int wrong_length(const struct registry_transfer *t, uint64_t length, struct err *err)
{
	return err_set(err, ERR_INTEGRITY, "registry serves %llu bytes, the manifest says %llu",
		       (unsigned long long)length, (unsigned long long)t->bytes);
}

static int check_head(void *arg, const struct transport_response *r, struct err *err)
{
	struct registry_transfer *t = arg;
	uint64_t first = 0;

	if (r->status != 200 && r->status != 206)
		return err_set(err, ERR_INTEGRITY, "HTTP %d in answer to a GET", r->status);
	if (r->status == 206) {
		if (!r->has_range || r->range_first > t->received)
			return err_set(err, ERR_INTEGRITY,
				       "answer does not begin at byte %llu as asked",
				       (unsigned long long)t->received);
		if (r->range_total != UINT64_MAX && r->range_total != t->bytes)
			return wrong_length(t, r->range_total, err);
		first = r->range_first;
	}
	/* a part may be shorter than what is missing, a whole may not */
	if (r->has_length &&
	    (r->length > t->bytes - first || (r->status == 200 && r->length != t->bytes)))
		return wrong_length(t, first + r->length, err);
	t->skip = t->received - first;
	return 0;
}

static ssize_t take(void *arg, const void *data, size_t length, struct err *err)
{
	struct registry_transfer *t = arg;
	ssize_t took;

	if (t->skip) {
		size_t n = length < t->skip ? length : (size_t)t->skip;

		t->skip -= n;
		return (ssize_t)n;
	}
	if (length > t->bytes - t->received)
		return err_set(err, ERR_INTEGRITY,
			       "registry serves more than the %llu bytes that the manifest says",
			       (unsigned long long)t->bytes);
	took = t->sink(t->arg, data, length);
	if (took < 0 || (size_t)took > length)
		return err_set(err, ERR_SYS, "nobody takes its bytes any more");
	sha256_update(&t->sha, data, (size_t)took);
	t->received += (uint64_t)took;
	return took;
}

static int check_end(void *arg, struct err *err)
{
	struct registry_transfer *t = arg;

	if (t->received < t->bytes)
		return err_set(err, ERR_BUSY, "ended after %llu of %llu bytes",
			       (unsigned long long)t->received, (unsigned long long)t->bytes);
	if (!t->is_hashed)
		digest_final(&t->sha, t->actual);
	t->is_hashed = true;
	if (!str_eq(t->actual, t->digest))
		return err_set(err, ERR_INTEGRITY, "its bytes have the digest %s", t->actual);
	return 0;
}

static void end(struct registry_transfer *t, const struct err *err)
{
	for (struct registry_transfer **at = &t->registry->transfers; *at; at = &(*at)->next)
		if (*at == t) {
			*at = t->next;
			break;
		}
	t->done(t->arg, err);
	free(t);
}

static void begin(struct registry_transfer *t);

static void on_done(void *arg, const struct transport_response *response, const struct err *err)
{
	struct registry_transfer *t = arg;
	const struct pull_endpoint *e = &t->candidate->endpoints[t->endpoint];
	struct err why;

	(void)response;
	t->call = NULL;
	t->registry->active--;
	if (!err) {
		end(t, NULL);
		return;
	}
	/* A mirror may lack what it names. Wrong bytes and a gone reader are final. */
	if (t->endpoint + 1 < t->candidate->endpoint_count &&
	    (err->code == ERR_BUSY || err->code == ERR_NOT_FOUND || err->code == ERR_INPUT)) {
		t->endpoint++;
		begin(t);
		return;
	}
	why = *err;
	err_wrap(&why, "%s/%s: layer %s", e->host, e->repository, t->digest);
	end(t, &why);
}

static void begin(struct registry_transfer *t)
{
	char path[100];

	snprintf(path, sizeof(path), "blobs/%s", t->digest);
	t->registry->active++;
	t->call = call_start(t->registry, &(struct call_request){
						  .endpoint = &t->candidate->endpoints[t->endpoint],
						  .path = path,
						  .retries = t->registry->limits.retries,
						  .restart = restart,
						  .head = check_head,
						  .body = take,
						  .check = check_end,
						  .done = on_done,
						  .arg = t,
					  });
}

void transfers_start(struct registry *registry)
{
	for (struct registry_transfer *t = registry->transfers;
	     t && registry->active < registry->limits.parallel; t = t->next)
		if (!t->call)
			begin(t);
}

void transfers_free(struct registry *registry)
{
	while (registry->transfers) {
		struct registry_transfer *t = registry->transfers;

		registry->transfers = t->next;
		free(t);
	}
}
