/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the JSON documents of an image. Everything is checked before it is stored: kinds of values, bounds, digests,
 * NUL bytes inside strings. Must never follow a URL, and never trust a size or a media type beyond what the bytes prove.
 */
#include "image/oci.h"

#include <stdio.h>
#include <string.h>

#include "image/document.h"
#include "image/flat.h"
#include "util/str.h"

static yyjson_val *read_object(const char *json, size_t len, size_t max, yyjson_doc **doc,
			       const char *what, struct err *err)
{
	*doc = document_read(json, len, max, what, err);
	if (!*doc)
		return NULL;
	if (!yyjson_is_obj(yyjson_doc_get_root(*doc))) {
		err_set(err, ERR_INPUT, "%s is not a JSON object", what);
		return NULL;
	}
	return yyjson_doc_get_root(*doc);
}

/* Absent and null read as "". */
static int get_text(yyjson_val *value, const char *name, struct arena *arena, const char **out,
		    struct err *err)
{
	*out = "";
	if (!value || yyjson_is_null(value))
		return 0;
	if (!yyjson_is_str(value))
		return err_set(err, ERR_INPUT, "%s is not a string", name);
	if (strlen(yyjson_get_str(value)) != yyjson_get_len(value))
		return err_set(err, ERR_INPUT, "%s holds a NUL byte", name);
	*out = arena_strdup(arena, yyjson_get_str(value));
	return 0;
}

static int get_member(yyjson_val *object, const char *name, struct arena *arena, const char **out,
		      struct err *err)
{
	return get_text(yyjson_obj_get(object, name), name, arena, out, err);
}

static const struct {
	const char *media_type;
	enum oci_kind kind;
} media_types[] = {
	{ "application/vnd.oci.image.index.v1+json", OCI_INDEX },
	{ "application/vnd.docker.distribution.manifest.list.v2+json", OCI_INDEX },
	{ "application/vnd.oci.image.manifest.v1+json", OCI_MANIFEST },
	{ "application/vnd.docker.distribution.manifest.v2+json", OCI_MANIFEST },
	{ "application/vnd.oci.image.config.v1+json", OCI_CONFIG },
	{ "application/vnd.docker.container.image.v1+json", OCI_CONFIG },
	{ "application/vnd.oci.image.layer.v1.tar", OCI_LAYER },
	{ "application/vnd.oci.image.layer.v1.tar+gzip", OCI_LAYER },
	{ "application/vnd.oci.image.layer.v1.tar+zstd", OCI_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar", OCI_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar.gzip", OCI_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar.zstd", OCI_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar", OCI_LAYER_FOREIGN },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", OCI_LAYER_FOREIGN },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", OCI_LAYER_FOREIGN },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar", OCI_LAYER_FOREIGN },
	{ "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", OCI_LAYER_FOREIGN },
};

static enum oci_kind kind_of(const char *media_type)
{
	for (size_t i = 0; i < sizeof(media_types) / sizeof(media_types[0]); i++)
		if (str_eq(media_types[i].media_type, media_type))
			return media_types[i].kind;
	return str_ends(media_type, "+encrypted") ? OCI_LAYER_ENCRYPTED : OCI_OTHER;
}

static int parse_platform(yyjson_val *object, struct arena *arena, struct oci_platform *out,
			  struct err *err)
{
	if (get_member(object, "os", arena, &out->os, err) < 0 ||
	    get_member(object, "architecture", arena, &out->architecture, err) < 0)
		return -1;
	return get_member(object, "variant", arena, &out->variant, err);
}

static int parse_names(yyjson_val *annotations, struct arena *arena, struct oci_descriptor *out,
		       struct err *err)
{
	static const char *const keys[OCI_MAX_NAMES] = { "io.containerd.image.name",
							 "org.opencontainers.image.ref.name" };

	if (!annotations || yyjson_is_null(annotations))
		return 0;
	if (!yyjson_is_obj(annotations))
		return err_set(err, ERR_INPUT, "annotations is not an object");
	for (size_t i = 0; i < OCI_MAX_NAMES; i++) {
		const char *name;

		if (get_member(annotations, keys[i], arena, &name, err) < 0)
			return -1;
		if (*name)
			out->names[out->name_count++] = name;
	}
	return 0;
}

static int parse_descriptor(yyjson_val *object, struct arena *arena, struct oci_descriptor *out,
			    struct err *err)
{
	yyjson_val *size = yyjson_obj_get(object, "size"),
		   *platform = yyjson_obj_get(object, "platform");

	if (!yyjson_is_obj(object))
		return err_set(err, ERR_INPUT, "descriptor is not an object");
	if (get_member(object, "mediaType", arena, &out->media_type, err) < 0 ||
	    get_member(object, "digest", arena, &out->digest, err) < 0)
		return -1;
	if (!digest_is_valid(out->digest))
		return err_set(err, ERR_UNSUPPORTED,
			       "descriptor: digest \"%.80s\" is not sha256 with 64 "
			       "lower-case hex digits",
			       out->digest);
	if (!yyjson_is_uint(size) || yyjson_get_uint(size) > INT64_MAX)
		return err_set(err, ERR_INPUT, "descriptor %s: size is not a number of bytes",
			       out->digest);
	out->size = yyjson_get_uint(size);
	out->kind = kind_of(out->media_type);
	if (platform && !yyjson_is_null(platform)) {
		if (!yyjson_is_obj(platform))
			return err_set(err, ERR_INPUT, "descriptor %s: platform is not an object",
				       out->digest);
		out->has_platform = true;
		if (parse_platform(platform, arena, &out->platform, err) < 0)
			return -1;
	}
	return parse_names(yyjson_obj_get(object, "annotations"), arena, out, err);
}

static int parse_descriptors(yyjson_val *array, const char *name, size_t max, struct arena *arena,
			     struct oci_list *out, struct err *err)
{
	yyjson_arr_iter iter;
	yyjson_val *item;

	if (!yyjson_is_arr(array))
		return err_set(err, ERR_INPUT, "%s is not an array", name);
	if (yyjson_arr_size(array) > max)
		return err_set(err, ERR_LIMIT, "%s has more than %zu entries", name, max);
	yyjson_arr_iter_init(array, &iter);
	while ((item = yyjson_arr_iter_next(&iter)))
		if (parse_descriptor(item, arena, arena_push(arena, out->items, out->count), err) <
		    0)
			return err_wrap(err, "%s", name);
	return 0;
}

static int check_schema(yyjson_val *root, enum oci_kind kind, const char *what, struct arena *arena,
			struct err *err)
{
	yyjson_val *version = yyjson_obj_get(root, "schemaVersion");
	const char *media_type;

	if (version && (!yyjson_is_uint(version) || yyjson_get_uint(version) != 2))
		return err_set(err, ERR_UNSUPPORTED,
			       "%s: schemaVersion is not 2: convert it with skopeo copy "
			       "--format oci",
			       what);
	if (get_member(root, "mediaType", arena, &media_type, err) < 0)
		return err_wrap(err, "%s", what);
	if (*media_type && kind_of(media_type) != kind)
		return err_set(err, ERR_UNSUPPORTED, "%s: media type %.120s is not supported", what,
			       media_type);
	return 0;
}

int oci_layout_check(const char *json, size_t len, struct err *err)
{
	auto_document *doc = NULL;
	yyjson_val *root = read_object(json, len, OCI_LAYOUT_MAX_BYTES, &doc, "oci-layout", err);
	const char *version;

	if (!root)
		return -1;
	version = yyjson_get_str(yyjson_obj_get(root, "imageLayoutVersion"));
	if (!version || !str_starts(version, "1."))
		return err_set(err, ERR_UNSUPPORTED,
			       "oci-layout: version %.40s is not supported (known: 1.x)",
			       version ? version : "(none)");
	return 0;
}

/* One document that is both would be an image to one reader and another image to the next (CVE-2021-41190). */
static int check_not_both(yyjson_val *root, const char *what, struct err *err)
{
	if (yyjson_obj_get(root, "manifests") &&
	    (yyjson_obj_get(root, "layers") || yyjson_obj_get(root, "config") ||
	     yyjson_obj_get(root, "fsLayers")))
		return err_set(err, ERR_INPUT, "%s is an index and a manifest at the same time",
			       what);
	return 0;
}

int oci_document_kind(const char *json, size_t len, enum oci_kind *out, struct err *err)
{
	auto_document *doc = NULL;
	yyjson_val *root = read_object(json, len, OCI_MANIFEST_MAX_BYTES, &doc, "manifest", err),
		   *version, *type;

	*out = OCI_OTHER;
	if (!root || check_not_both(root, "manifest", err) < 0)
		return -1;
	version = yyjson_obj_get(root, "schemaVersion");
	if (yyjson_is_uint(version) && yyjson_get_uint(version) == 1)
		return err_set(
			err, ERR_UNSUPPORTED,
			"manifest is of Docker's schema 1, which is not supported: push the image again with a "
			"present tool, or convert it with skopeo copy --format oci");
	type = yyjson_obj_get(root, "mediaType");
	if (yyjson_is_str(type) && yyjson_get_len(type)) {
		*out = kind_of(yyjson_get_str(type));
		if (*out == OCI_INDEX || *out == OCI_MANIFEST)
			return 0;
		return err_set(err, ERR_UNSUPPORTED, "manifest: media type %.120s is not supported",
			       yyjson_get_str(type));
	}
	*out = yyjson_obj_get(root, "manifests") ? OCI_INDEX : OCI_MANIFEST;
	return 0;
}

const struct oci_descriptor *oci_index_choose(const struct oci_list *list)
{
	const struct oci_descriptor *best = NULL, *plain = NULL;
	unsigned best_rank = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct oci_descriptor *d = &list->items[i];
		unsigned rank = d->has_platform ? oci_platform_rank(&d->platform) : 0;

		if (d->kind != OCI_MANIFEST)
			continue;
		if (rank > best_rank) {
			best = d;
			best_rank = rank;
		}
		/* its config says for what it is */
		if (!d->has_platform && !plain)
			plain = d;
	}
	return best ? best : plain;
}

int oci_index_parse(const char *json, size_t len, struct arena *arena, struct oci_list *out,
		    struct err *err)
{
	auto_document *doc = NULL;
	yyjson_val *root = read_object(json, len, OCI_INDEX_MAX_BYTES, &doc, "index", err);

	*out = (struct oci_list){ 0 };
	if (!root || check_not_both(root, "index", err) < 0 ||
	    check_schema(root, OCI_INDEX, "index", arena, err) < 0)
		return -1;
	if (parse_descriptors(yyjson_obj_get(root, "manifests"), "manifests", OCI_MAX_DESCRIPTORS,
			      arena, out, err) < 0)
		return err_wrap(err, "index");
	return 0;
}

static int check_layer(const struct oci_descriptor *layer, struct err *err)
{
	switch (layer->kind) {
	case OCI_LAYER:
		return 0;
	case OCI_LAYER_FOREIGN:
		return err_set(
			err, ERR_UNSUPPORTED,
			"layer %s is non-distributable (its bytes are elsewhere): such images are not "
			"supported",
			layer->digest);
	case OCI_LAYER_ENCRYPTED:
		return err_set(
			err, ERR_UNSUPPORTED,
			"layer %s is encrypted: decrypt it first, skopeo copy --decryption-key KEY",
			layer->digest);
	case OCI_OTHER:
	case OCI_INDEX:
	case OCI_MANIFEST:
	case OCI_CONFIG:
		break;
	}
	return err_set(err, ERR_UNSUPPORTED, "layer %s: media type %.100s is not supported",
		       layer->digest, layer->media_type);
}

int oci_manifest_parse(const char *json, size_t len, struct arena *arena, struct oci_manifest *out,
		       struct err *err)
{
	auto_document *doc = NULL;
	yyjson_val *root = read_object(json, len, OCI_MANIFEST_MAX_BYTES, &doc, "manifest", err);

	*out = (struct oci_manifest){ 0 };
	if (!root || check_not_both(root, "manifest", err) < 0 ||
	    check_schema(root, OCI_MANIFEST, "manifest", arena, err) < 0)
		return -1;
	if (parse_descriptor(yyjson_obj_get(root, "config"), arena, &out->config, err) < 0)
		return err_wrap(err, "manifest: config");
	if (out->config.kind != OCI_CONFIG)
		return err_set(err, ERR_UNSUPPORTED,
			       "manifest: this is no container image but %.120s",
			       out->config.media_type);
	if (parse_descriptors(yyjson_obj_get(root, "layers"), "layers", OCI_MAX_LAYERS, arena,
			      &out->layers, err) < 0)
		return err_wrap(err, "manifest");
	if (out->layers.count == 0)
		return err_set(err, ERR_UNSUPPORTED,
			       "manifest: an image without layers holds no program");
	for (size_t i = 0; i < out->layers.count; i++)
		if (check_layer(&out->layers.items[i], err) < 0)
			return err_wrap(err, "manifest");
	return 0;
}

static int parse_strings(yyjson_val *array, const char *name, struct arena *arena,
			 struct oci_strings *out, struct err *err)
{
	yyjson_arr_iter iter;
	yyjson_val *item;

	if (!array || yyjson_is_null(array))
		return 0;
	if (!yyjson_is_arr(array))
		return err_set(err, ERR_INPUT, "%s is not an array of strings", name);
	if (yyjson_arr_size(array) > OCI_MAX_STRINGS)
		return err_set(err, ERR_LIMIT, "%s has more than %d entries", name,
			       OCI_MAX_STRINGS);
	yyjson_arr_iter_init(array, &iter);
	while ((item = yyjson_arr_iter_next(&iter))) {
		if (!yyjson_is_str(item))
			return err_set(err, ERR_INPUT, "%s is not an array of strings", name);
		if (get_text(item, name, arena, arena_push(arena, out->items, out->count), err) < 0)
			return -1;
	}
	return 0;
}

/* Volumes is an object whose keys are the paths. */
static int parse_volumes(yyjson_val *object, struct arena *arena, struct oci_strings *out,
			 struct err *err)
{
	yyjson_obj_iter iter;
	yyjson_val *key;

	if (!object || yyjson_is_null(object))
		return 0;
	if (!yyjson_is_obj(object) || yyjson_obj_size(object) > OCI_MAX_STRINGS)
		return err_set(err, ERR_INPUT, "Volumes is not an object of at most %d paths",
			       OCI_MAX_STRINGS);
	yyjson_obj_iter_init(object, &iter);
	while ((key = yyjson_obj_iter_next(&iter)))
		if (get_text(key, "Volumes", arena, arena_push(arena, out->items, out->count),
			     err) < 0)
			return -1;
	return 0;
}

/* Nanoseconds as Docker writes them. What is no positive number is as if it were not said, as in Docker. */
static uint64_t health_number(yyjson_val *object, const char *name, uint64_t unit)
{
	yyjson_val *value = yyjson_obj_get(object, name);
	uint64_t number = yyjson_is_uint(value) ? yyjson_get_uint(value) : 0;

	return number > INT64_MAX ? 0 : (number + unit - 1) / unit;
}

/* A check is no reason to refuse an image: one that is no array of strings counts as none. */
static void parse_health(yyjson_val *object, struct arena *arena, struct oci_config *out)
{
	struct err ignored;

	if (!yyjson_is_obj(object))
		return;
	if (parse_strings(yyjson_obj_get(object, "Test"), "Healthcheck: Test", arena,
			  &out->health_test, &ignored) < 0) {
		out->health_test = (struct oci_strings){ 0 };
		return;
	}
	out->health_interval_usec = health_number(object, "Interval", 1000);
	out->health_timeout_usec = health_number(object, "Timeout", 1000);
	out->health_start_period_usec = health_number(object, "StartPeriod", 1000);
	out->health_start_interval_usec = health_number(object, "StartInterval", 1000);
	out->health_retries = health_number(object, "Retries", 1);
}

static int parse_process(yyjson_val *object, struct arena *arena, struct oci_config *out,
			 struct err *err)
{
	out->user = out->workdir = out->stop_signal = "";
	if (!object || yyjson_is_null(object))
		return 0;
	if (!yyjson_is_obj(object))
		return err_set(err, ERR_INPUT, "not an object");
	if (get_member(object, "User", arena, &out->user, err) < 0 ||
	    get_member(object, "WorkingDir", arena, &out->workdir, err) < 0 ||
	    get_member(object, "StopSignal", arena, &out->stop_signal, err) < 0 ||
	    parse_strings(yyjson_obj_get(object, "Env"), "Env", arena, &out->env, err) < 0 ||
	    parse_strings(yyjson_obj_get(object, "Entrypoint"), "Entrypoint", arena,
			  &out->entrypoint, err) < 0 ||
	    parse_strings(yyjson_obj_get(object, "Cmd"), "Cmd", arena, &out->command, err) < 0)
		return -1;
	parse_health(yyjson_obj_get(object, "Healthcheck"), arena, out);
	return parse_volumes(yyjson_obj_get(object, "Volumes"), arena, &out->volumes, err);
}

static int parse_rootfs(yyjson_val *rootfs, struct arena *arena, struct oci_config *out,
			struct err *err)
{
	const char *type;

	if (!yyjson_is_obj(rootfs))
		return err_set(err, ERR_INPUT, "config: rootfs is missing");
	if (get_member(rootfs, "type", arena, &type, err) < 0 ||
	    parse_strings(yyjson_obj_get(rootfs, "diff_ids"), "diff_ids", arena, &out->diff_ids,
			  err) < 0)
		return err_wrap(err, "config: rootfs");
	if (*type && !str_eq(type, "layers"))
		return err_set(err, ERR_UNSUPPORTED, "config: rootfs: type %.40s is not supported",
			       type);
	for (size_t i = 0; i < out->diff_ids.count; i++)
		if (!digest_is_valid(out->diff_ids.items[i]))
			return err_set(err, ERR_UNSUPPORTED,
				       "config: rootfs: diff id \"%.80s\" is not sha256",
				       out->diff_ids.items[i]);
	return 0;
}

int oci_config_parse(const char *json, size_t len, struct arena *arena, struct oci_config *out,
		     struct err *err)
{
	auto_document *doc = NULL;
	yyjson_val *root = read_object(json, len, OCI_CONFIG_MAX_BYTES, &doc, "config", err);

	*out = (struct oci_config){ 0 };
	if (!root)
		return -1;
	if (parse_platform(root, arena, &out->platform, err) < 0 ||
	    get_member(root, "created", arena, &out->created, err) < 0 ||
	    parse_process(yyjson_obj_get(root, "config"), arena, out, err) < 0)
		return err_wrap(err, "config");
	return parse_rootfs(yyjson_obj_get(root, "rootfs"), arena, out, err);
}

int oci_image_check(const struct oci_manifest *manifest, const struct oci_config *config,
		    struct err *err)
{
	char theirs[OCI_PLATFORM_SIZE], ours[OCI_PLATFORM_SIZE];

	if (manifest->layers.count != config->diff_ids.count)
		return err_set(err, ERR_INTEGRITY,
			       "manifest has %zu layers, config has %zu diff ids",
			       manifest->layers.count, config->diff_ids.count);
	if (oci_platform_rank(&config->platform) == 0) {
		oci_platform_format(&config->platform, theirs);
		oci_platform_format(oci_platform_here(), ours);
		return err_set(
			err, ERR_UNSUPPORTED,
			"image is for %s, this machine is %s: take the image for this machine, skopeo copy "
			"--override-arch %s",
			theirs, ours, oci_platform_here()->architecture);
	}
	return 0;
}

static void put_strings(struct buf *out, const char *key, const struct oci_strings *strings)
{
	for (size_t i = 0; i < strings->count; i++)
		flat_put(out, key, strings->items[i]);
}

/* Nothing for an image without one, so that records stay what they were. */
static void put_health(const struct oci_config *config, struct buf *out)
{
	if (!config->health_test.count)
		return;
	put_strings(out, "health-test", &config->health_test);
	flat_put_u64(out, "health-interval-usec", config->health_interval_usec);
	flat_put_u64(out, "health-timeout-usec", config->health_timeout_usec);
	flat_put_u64(out, "health-start-period-usec", config->health_start_period_usec);
	flat_put_u64(out, "health-start-interval-usec", config->health_start_interval_usec);
	flat_put_u64(out, "health-retries", config->health_retries);
}

void oci_facts_write(const char *digest, const struct oci_config *config, struct buf *out)
{
	flat_put(out, "digest", digest);
	flat_put(out, "user", config->user);
	flat_put(out, "workdir", config->workdir);
	flat_put(out, "stop-signal", config->stop_signal);
	put_strings(out, "env", &config->env);
	put_strings(out, "entrypoint", &config->entrypoint);
	put_strings(out, "command", &config->command);
	put_strings(out, "volume", &config->volumes);
	for (size_t i = 0; i < config->diff_ids.count; i++) {
		bool again = false;

		/* overlayfs refuses one directory twice (ELOOP); only the uppermost can be seen */
		for (size_t k = i + 1; k < config->diff_ids.count && !again; k++)
			again = str_eq(config->diff_ids.items[i], config->diff_ids.items[k]);
		if (!again)
			flat_put(out, "layer", config->diff_ids.items[i]);
	}
	/* for lists of images */
	put_health(config, out);
	flat_put(out, "created", config->created);
	flat_put(out, "os", config->platform.os);
	flat_put(out, "architecture", config->platform.architecture);
	flat_put(out, "variant", config->platform.variant);
}

#if defined(__x86_64__)
#define HERE_ARCHITECTURE "amd64"
#elif defined(__aarch64__)
#define HERE_ARCHITECTURE "arm64"
#elif defined(__riscv) && __riscv_xlen == 64
#define HERE_ARCHITECTURE "riscv64"
#else
#error "name this architecture as Go does (GOARCH)"
#endif

const struct oci_platform *oci_platform_here(void)
{
	static const struct oci_platform here = { "linux", HERE_ARCHITECTURE, "" };

	return &here;
}

unsigned oci_platform_rank(const struct oci_platform *platform)
{
	const struct oci_platform *here = oci_platform_here();

	if (!str_eq(platform->os, here->os) || !str_eq(platform->architecture, here->architecture))
		return 0;
	if (*platform->variant == '\0')
		return 2;
	/* v1 and v8 are the base of amd64 and arm64; higher levels would end in SIGILL on the machines that we promise to run on */
	return str_eq(platform->variant, "v1") || str_eq(platform->variant, "v8") ? 1 : 0;
}

void oci_platform_format(const struct oci_platform *platform, char *out)
{
	char variant[24];

	snprintf(variant, sizeof(variant), "%s%.20s", *platform->variant ? "/" : "",
		 platform->variant);
	snprintf(out, OCI_PLATFORM_SIZE, "%.30s/%.30s%s", *platform->os ? platform->os : "?",
		 *platform->architecture ? platform->architecture : "?", variant);
}
