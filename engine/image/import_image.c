/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One image from an archive into the store: what fetch says of it, its layers, its record, in this order, so that a
 * record never speaks of a layer that is not there. The manifest's digest is checked here once more: it is the image's name.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "image/import_internal.h"
#include "image/oci.h"
#include "util/cleanup.h"
#include "util/str.h"

struct import_description *import_description_new(struct import *imp)
{
	struct import_description *d = arena_new(&imp->arena, struct import_description);

	d->manifest.max = OCI_MANIFEST_MAX_BYTES;
	d->config.max = OCI_CONFIG_MAX_BYTES;
	d->facts.max = FLAT_FACTS_MAX_BYTES - 64;
	return d;
}

void import_description_fini(struct import_description *d)
{
	buf_fini(&d->manifest);
	buf_fini(&d->config);
	buf_fini(&d->facts);
}

static const char *const fact_keys[] = { "digest",
					 "user",
					 "workdir",
					 "stop-signal",
					 "env",
					 "entrypoint",
					 "command",
					 "volume",
					 "layer",
					 "created",
					 "os",
					 "architecture",
					 "variant",
					 "health-test",
					 "health-interval-usec",
					 "health-timeout-usec",
					 "health-start-period-usec",
					 "health-start-interval-usec",
					 "health-retries" };

static bool is_fact(const char *key)
{
	for (size_t i = 0; i < sizeof(fact_keys) / sizeof(fact_keys[0]); i++)
		if (str_eq(fact_keys[i], key))
			return true;
	return false;
}

static int add_layer_line(struct import_description *d, const struct flat_line *line,
			  struct err *err)
{
	struct import_layer *layer;

	if (str_eq(line->key, "blob")) {
		if (d->layer_count == STORE_MAX_LAYERS || d->layer_open ||
		    !digest_is_valid(line->value))
			return err_set(err, ERR_INTEGRITY, "fetch: bad list of layers");
		d->layer_open = true;
		str_copy(d->layers[d->layer_count].blob, sizeof(d->layers[0].blob), line->value);
		return 0;
	}
	if (!d->layer_open)
		return err_set(err, ERR_INTEGRITY, "fetch: unexpected %s", line->key);
	layer = &d->layers[d->layer_count];
	if (str_eq(line->key, "blob-size") && str_to_u64(line->value, INT64_MAX, &layer->size))
		return 0;
	if (!str_eq(line->key, "diff-id") || !digest_is_valid(line->value))
		return err_set(err, ERR_INTEGRITY, "fetch: unexpected %s", line->key);
	str_copy(layer->diff_id, sizeof(layer->diff_id), line->value);
	d->layer_count++;
	d->layer_open = false;
	return 0;
}

/* A layer that the facts name has to be one that we see to. */
static bool has_layer(const struct import_description *d, const char *diff_id)
{
	for (size_t i = 0; i < d->layer_count; i++)
		if (str_eq(d->layers[i].diff_id, diff_id))
			return true;
	return false;
}

int import_description_line(const struct flat_line *line, struct import_description *d,
			    struct err *err)
{
	if (str_eq(line->key, "manifest") && !d->manifest.len)
		buf_add(&d->manifest, line->value, line->len);
	else if (str_eq(line->key, "config") && !d->config.len)
		buf_add(&d->config, line->value, line->len);
	else if (str_eq(line->key, "layer") && !has_layer(d, line->value))
		return err_set(err, ERR_INTEGRITY, "fetch: facts name an unknown layer");
	else if (is_fact(line->key))
		flat_putn(&d->facts, line->key, line->value, line->len);
	else
		return add_layer_line(d, line, err);
	return 0;
}

static int on_line(const struct flat_line *line, void *arg, struct err *err)
{
	return import_description_line(line, arg, err);
}

int import_description_check(const struct import_description *d, const char *expected,
			     struct err *err)
{
	char digest[DIGEST_STR_LEN + 1];

	if (buf_check(&d->manifest, "manifest", err) < 0 ||
	    buf_check(&d->config, "config", err) < 0 || buf_check(&d->facts, "facts", err) < 0)
		return -1;
	digest_of(buf_str(&d->manifest), d->manifest.len, digest);
	if (!str_eq(digest, expected) || d->layer_count == 0 || d->layer_open)
		return err_set(err, ERR_INTEGRITY, "fetch: its record does not fit manifest %s",
			       expected);
	return 0;
}

static int fetch_description(int archive_fd, const struct import_entry *entry,
			     struct import_description *d, struct err *err)
{
	char size[24];
	const char *args[] = { "image", entry->digest, size, NULL };
	struct worker worker = WORKER_INIT("fetch");
	const int fds[] = { archive_fd, -1, STDERR_FILENO };
	int rc;

	snprintf(size, sizeof(size), "%llu", (unsigned long long)entry->size);
	rc = worker_start(&worker, args, fds, 3, err);
	if (rc == 0)
		rc = worker_run(&worker, on_line, d, err);
	worker_fini(&worker);
	return rc == 0 ? import_description_check(d, entry->digest, err) : -1;
}

static int import_described(struct import *imp, int archive_fd, const struct import_entry *entry,
			    const char *ref, struct import_description *d,
			    struct import_counts *counts, struct err *err)
{
	const struct import_source source = { .archive_fd = archive_fd };

	if (fetch_description(archive_fd, entry, d, err) < 0 ||
	    import_layers(imp, &source, d->layers, d->layer_count, ref, counts, err) < 0)
		return -1;
	return store_image_commit(imp->store, entry->digest, &d->manifest, &d->config, &d->facts,
				  err);
}

int import_image_fd(struct import *imp, int archive_fd, const struct import_entry *entry,
		    const char *ref, struct import_counts *counts, struct err *err)
{
	struct import_description *d = import_description_new(imp);
	int rc = import_described(imp, archive_fd, entry, ref, d, counts, err);

	import_description_fini(d);
	return rc;
}

int import_image(struct import *imp, const struct import_archive *archive,
		 const struct import_entry *entry, const char *ref, struct import_counts *counts,
		 struct err *err)
{
	int fd = -1, rc;

	rc = import_open_archive(archive, &fd, err);
	if (rc == 0)
		rc = import_image_fd(imp, fd, entry, ref, counts, err);
	close_fd(&fd);
	return rc < 0 ? err_wrap(err, "%s", archive->path) : 0;
}
