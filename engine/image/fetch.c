/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat fetch: the only process that parses an archive's tar headers and JSON. It runs as nobody, without file
 * system, network or privilege, and hands up flat records; a layer's compressed bytes go into a pipe. The other half, which asks
 * registries, is in fetch_registry.c and has the network instead of the archive.
 * What it says is checked again where it can be: manifests by digest (coordinator), layers by diff id (unpack).
 */
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/fetch_internal.h"
#include "image/inspect.h"
#include "image/oci.h"
#include "image/oci_archive.h"
#include "image/oci_layout.h"
#include "image/spool.h"
#include "image/worker.h"
#include "image/worker_internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/ids.h"
#include "util/str.h"

#define FETCH_MEMORY_MAX_BYTES (256u * 1024 * 1024)

static bool is_folder(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* A layout that is a directory is all that its worker can open by name. */
static int confine(pid_t parent, struct err *err)
{
	static const int extra[] = { SCMP_SYS(prctl), SCMP_SYS(getppid), -1 };
	static const int extra_layout[] = { SCMP_SYS(prctl), SCMP_SYS(getppid), SCMP_SYS(openat2),
					    -1 };
	static const char *const root[] = { "/", NULL };
	bool is_layout = is_folder(WORKER_FD_IN);
	struct proc_confine c = {
		.uid = IDS_WORKER_FETCH,
		.gid = IDS_WORKER_FETCH,
		.read_paths = is_layout ? root : NULL,
		.syscalls = is_layout ? extra_layout : extra,
		.memory_max_bytes = FETCH_MEMORY_MAX_BYTES,
		.max_fds = 16,
	};

	if (is_layout && oci_layout_enter(WORKER_FD_IN, err) < 0)
		return -1;
	if (proc_confine(&c, err) < 0)
		return -1;
	return worker_die_with(parent, err);
}

/* Of an index's manifests the one that fits this machine best; NULL: none. */
static const struct oci_descriptor *choose(const struct oci_list *list)
{
	const struct oci_descriptor *best = NULL;
	unsigned best_rank = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct oci_descriptor *d = &list->items[i];
		unsigned rank = d->has_platform ? oci_platform_rank(&d->platform) : 0;

		if (d->kind == OCI_MANIFEST && rank > best_rank) {
			best = d;
			best_rank = rank;
		}
	}
	return best;
}

static void put_no_platform(const struct oci_list *list, struct buf *out)
{
	char ours[OCI_PLATFORM_SIZE], theirs[OCI_PLATFORM_SIZE];
	auto_buf text = BUF_INIT(400);

	oci_platform_format(oci_platform_here(), ours);
	buf_printf(&text, "image is not for %s but for", ours);
	for (size_t i = 0; i < list->count && i < 6; i++) {
		if (!list->items[i].has_platform)
			continue;
		oci_platform_format(&list->items[i].platform, theirs);
		buf_printf(&text, " %s", theirs);
	}
	buf_printf(&text, ": take the one for this machine, skopeo copy --override-arch %s",
		   oci_platform_here()->architecture);
	flat_put(out, "problem", buf_str(&text));
}

/* One nested index: the common shape of a multi-platform image. */
static void put_index(const struct oci_archive *archive, const struct oci_descriptor *index,
		      struct buf *out)
{
	auto_buf json = BUF_INIT(OCI_INDEX_MAX_BYTES);
	auto_arena arena = { 0 };
	const struct oci_descriptor *best;
	struct oci_list list;
	struct err err;

	if (oci_archive_read_blob(archive, index->digest, index->size, OCI_INDEX_MAX_BYTES, &json,
				  &err) < 0 ||
	    oci_index_parse(buf_str(&json), json.len, &arena, &list, &err) < 0) {
		flat_put(out, "image", index->digest);
		flat_put(out, "problem", err.msg);
		return;
	}
	best = choose(&list);
	flat_put(out, "image", best ? best->digest : index->digest);
	flat_put(out, "index", index->digest);
	if (best)
		flat_put_u64(out, "size", best->size);
	else
		put_no_platform(&list, out);
}

static void put_entry(const struct oci_archive *archive, const struct oci_descriptor *d,
		      struct buf *out)
{
	if (d->kind == OCI_INDEX) {
		put_index(archive, d, out);
	} else {
		flat_put(out, "image", d->digest);
		flat_put_u64(out, "size", d->size);
		if (d->kind != OCI_MANIFEST)
			flat_put(out, "problem",
				 "no container image: its media type is not supported");
		else if (d->has_platform && *d->platform.os && oci_platform_rank(&d->platform) == 0)
			put_no_platform(&(struct oci_list){ (struct oci_descriptor *)(uintptr_t)d,
							    1 },
					out);
	}
	for (size_t i = 0; i < d->name_count; i++)
		flat_put(out, "name", d->names[i]);
}

static int scan(const struct oci_archive *archive, struct buf *out, struct err *err)
{
	auto_buf json = BUF_INIT(OCI_INDEX_MAX_BYTES);
	auto_arena arena = { 0 };
	struct oci_list list;

	if (oci_archive_read_index(archive, &json, err) < 0)
		return -1;
	if (oci_index_parse(buf_str(&json), json.len, &arena, &list, err) < 0)
		return err_wrap(err, "index.json");
	if (list.count == 0)
		return err_set(err, ERR_INPUT, "index.json lists no image");
	for (size_t i = 0; i < list.count; i++)
		put_entry(archive, &list.items[i], out);
	return buf_check(out, "list of images", err);
}

int fetch_describe(const char *digest, const char *manifest_json, size_t manifest_length,
		   const char *config_json, size_t config_length, struct buf *out, struct err *err)
{
	auto_arena arena = { 0 };
	struct oci_manifest manifest;
	struct oci_config config;

	if (oci_manifest_parse(manifest_json, manifest_length, &arena, &manifest, err) < 0)
		return err_wrap(err, "manifest %s", digest);
	if (oci_config_parse(config_json, config_length, &arena, &config, err) < 0)
		return err_wrap(err, "config %s", manifest.config.digest);
	if (oci_image_check(&manifest, &config, err) < 0)
		return -1;
	flat_putn(out, "manifest", manifest_json, manifest_length);
	flat_putn(out, "config", config_json, config_length);
	for (size_t i = 0; i < manifest.layers.count; i++) {
		flat_put(out, "blob", manifest.layers.items[i].digest);
		flat_put_u64(out, "blob-size", manifest.layers.items[i].size);
		flat_put(out, "diff-id", config.diff_ids.items[i]);
	}
	oci_facts_write(digest, &config, out);
	return buf_check(out, "image record", err);
}

static int describe(const struct oci_archive *archive, const char *digest, uint64_t size,
		    struct buf *out, struct err *err)
{
	auto_buf manifest_json = BUF_INIT(OCI_MANIFEST_MAX_BYTES);
	auto_buf config_json = BUF_INIT(OCI_CONFIG_MAX_BYTES);
	auto_arena arena = { 0 };
	struct oci_manifest manifest;

	if (oci_archive_read_blob(archive, digest, size, OCI_MANIFEST_MAX_BYTES, &manifest_json,
				  err) < 0 ||
	    oci_manifest_parse(buf_str(&manifest_json), manifest_json.len, &arena, &manifest, err) <
		    0)
		return err_wrap(err, "manifest %s", digest);
	if (oci_archive_read_blob(archive, manifest.config.digest, manifest.config.size,
				  OCI_CONFIG_MAX_BYTES, &config_json, err) < 0)
		return err_wrap(err, "config %s", manifest.config.digest);
	return fetch_describe(digest, buf_str(&manifest_json), manifest_json.len,
			      buf_str(&config_json), config_json.len, out, err);
}

struct stream {
	bool reader_gone;
	uint64_t done_bytes, told_bytes;
};

/* When unpack has given up, the digest is still worth knowing: a damaged blob is the better reason. */
static int send_block(const void *data, size_t len, void *arg, struct err *err)
{
	struct stream *s = arg;
	char text[64];
	int n;

	if (!s->reader_gone && file_write_all(WORKER_FD_DATA, data, len, err) < 0) {
		if (err->sys_errno != EPIPE)
			return err_wrap(err, "to unpack");
		s->reader_gone = true;
	}
	s->done_bytes += len;
	if (s->done_bytes - s->told_bytes < WORKER_PROGRESS_BYTES)
		return 0;
	s->told_bytes = s->done_bytes;
	n = snprintf(text, sizeof(text), "progress %llu\n", (unsigned long long)s->done_bytes);
	return file_write_all(WORKER_FD_RECORDS, text, (size_t)n, err);
}

static int inspect(struct buf *out, struct err *err)
{
	auto_buf manifest = BUF_INIT(OCI_MANIFEST_MAX_BYTES);
	auto_buf config = BUF_INIT(OCI_CONFIG_MAX_BYTES);

	if (file_read_fd(WORKER_FD_IN, OCI_CONFIG_MAX_BYTES, &config, err) < 0 ||
	    file_read_fd(WORKER_FD_DATA, OCI_MANIFEST_MAX_BYTES, &manifest, err) < 0)
		return -1;
	return inspect_read(&manifest, &config, out, err);
}

static int run(int argc, char **argv, struct buf *out, struct err *err)
{
	struct stream stream = { 0 };
	struct oci_archive archive;
	uint64_t size = 0;

	if (argc == 2 && str_eq(argv[1], "inspect"))
		return inspect(out, err);
	if (argc == 3 && str_eq(argv[1], "spool") && str_to_u64(argv[2], INT64_MAX, &size))
		return spool_copy(WORKER_FD_IN, WORKER_FD_DATA, size, err);
	if (oci_archive_open(WORKER_FD_IN, &archive, err) < 0)
		return -1;
	if (argc == 2 && str_eq(argv[1], "scan"))
		return scan(&archive, out, err);
	if (argc != 4 || !digest_is_valid(argv[2]) || !str_to_u64(argv[3], INT64_MAX, &size))
		return err_set(err, ERR_BUG,
			       "usage: cleat fetch scan | image DIGEST SIZE | layer DIGEST SIZE | "
			       "spool MAX-BYTES | inspect");
	if (str_eq(argv[1], "image"))
		return describe(&archive, argv[2], size, out, err);
	return oci_archive_stream_blob(&archive, argv[2], size, send_block, &stream, err);
}

int cmd_fetch(int argc, char **argv)
{
	auto_buf out = BUF_INIT(WORKER_RECORDS_MAX_BYTES);
	pid_t parent = getppid();
	struct err err;
	int rc;

	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && str_eq(argv[1], "registry")) {
		rc = fetch_registry(argc, argv, parent, &err);
		return worker_finish(NULL, rc, &err);
	}
	rc = confine(parent, &err);
	if (rc == 0)
		rc = run(argc, argv, &out, &err);
	return worker_finish(&out, rc, &err);
}
