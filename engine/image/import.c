/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat import: the command line of the coordinator, what it decides for each reference, and how it tells. It owns the
 * store while it writes; the archives' bytes never enter this process but as flat records.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "image/import_internal.h"
#include "image/layer.h"
#include "util/cleanup.h"
#include "util/json.h"
#include "util/loop.h"
#include "util/places.h"
#include "util/str.h"

#define LOCK_WAIT_SECONDS 120

static const char *const kind_names[] = {
	[IMPORT_PROGRESS] = "progress",	    [IMPORT_IMAGE] = "image",
	[IMPORT_MISSING] = "missing",	    [IMPORT_ERROR] = "error",
	[IMPORT_ARCHIVE_ERROR] = "archive", [IMPORT_DONE] = "done",
};

struct import_record import_record_new(enum import_kind kind, const char *ref, const char *digest,
				       const char *text)
{
	struct import_record record = { .version = IMPORT_RECORD_VERSION,
					.length = sizeof(record),
					.kind = kind };

	str_copy(record.ref, sizeof(record.ref), ref);
	str_copy(record.digest, sizeof(record.digest), digest);
	str_copy_text(record.text, sizeof(record.text), text);
	return record;
}

static void print_json(const struct import_record *record)
{
	auto_buf line = BUF_INIT(16 * 1024);
	struct json j = JSON_TO(&line);

	json_object(&j, NULL);
	json_str(&j, "kind", kind_names[record->kind]);
	json_str(&j, "ref", record->ref);
	json_str(&j, "digest", record->digest);
	json_uint(&j, "done_bytes", record->done_bytes);
	json_uint(&j, "total_bytes", record->total_bytes);
	json_str(&j, "text", record->text);
	json_object_end(&j);
	puts(buf_str(&line));
}

static void print_text(const struct import_record *record)
{
	printf("%s", kind_names[record->kind]);
	if (record->ref[0])
		printf(" %s", record->ref);
	if (record->digest[0])
		printf(" %s", record->digest);
	if (record->kind == IMPORT_PROGRESS)
		printf(" %llu of %llu bytes", (unsigned long long)record->done_bytes,
		       (unsigned long long)record->total_bytes);
	if (record->text[0])
		printf(": %s", record->text);
	putchar('\n');
}

void import_emit(struct import *imp, const struct import_record *record)
{
	int flags = MSG_NOSIGNAL | (record->kind == IMPORT_PROGRESS ? MSG_DONTWAIT : 0);

	if (record->kind == IMPORT_MISSING || record->kind == IMPORT_ERROR)
		imp->failed = true;
	if (imp->record_fd >= 0) {
		/* An engine that died is replaced by one that asks anew: the work goes on for it. */
		while (send(imp->record_fd, record, sizeof(*record), flags) < 0 && errno == EINTR)
			;
		return;
	}
	if (imp->json)
		print_json(record);
	else
		print_text(record);
	fflush(stdout);
}

static void tell(struct import *imp, enum import_kind kind, const char *ref, const char *digest,
		 const char *text)
{
	struct import_record record = import_record_new(kind, ref, digest, text);

	import_emit(imp, &record);
}

static void put_count(struct buf *out, uint64_t count, const char *what)
{
	if (count)
		buf_printf(out, "; left out: %llu %s", (unsigned long long)count, what);
}

static void tell_image(struct import *imp, const char *ref, const char *digest,
		       const struct import_archive *archive, const struct import_counts *counts)
{
	auto_buf text = BUF_INIT(4096);

	buf_printf(&text, "from %s", archive->path);
	put_count(&text, counts->devices, "device nodes (the container's /dev covers them)");
	put_count(&text, counts->sockets, "sockets");
	put_count(&text, counts->xattrs, "extended attributes");
	put_count(&text, counts->aufs, "AUFS files");
	tell(imp, IMPORT_IMAGE, ref, digest, buf_str(&text));
}

/* Is the image complete, layers and all? */
static bool is_complete(struct import *imp, const char *digest)
{
	struct image_ref by_digest = { .path = "x" };
	struct store_image image;
	auto_arena arena = { 0 };
	struct err ignored;

	str_copy(by_digest.digest, sizeof(by_digest.digest), digest);
	return store_find(imp->store, &by_digest, &arena, &image, NULL, &ignored) == 0;
}

static int take_store(struct import *imp, struct err *err)
{
	bool was_locked = imp->store->lock_fd >= 0;

	if (imp->store->read_only)
		return err_set(err, ERR_SYS, "image store %s cannot be written (read-only)",
			       imp->store->path);
	if (store_lock(imp->store, imp->wait_usec, err) < 0)
		return -1;
	return was_locked ? 0 : store_sweep(imp->store, err);
}

/* A name is written down with its archive; a digest speaks for itself unless it is an index's. */
static int write_ref(struct import *imp, const struct image_ref *ref, const char *name,
		     const struct import_archive *archive, const struct import_entry *entry,
		     struct err *err)
{
	struct store_ref before, now = { 0 };
	struct err ignored;

	if (ref->digest[0] && str_eq(ref->digest, entry->digest))
		return 0;
	str_copy(now.digest, sizeof(now.digest), entry->digest);
	if (store_source_of(archive->path, now.source, sizeof(now.source), err) < 0)
		return -1;
	if (store_ref_read(imp->store, name, &before, &ignored) == 0 &&
	    str_eq(before.digest, now.digest) && str_eq(before.source, now.source))
		return 0;
	if (imp->store->read_only && str_eq(before.digest, now.digest))
		return 0;
	if (take_store(imp, err) < 0)
		return -1;
	return store_ref_write(imp->store, name, &now, err);
}

static int have_entry(struct import *imp, const struct image_ref *ref, const char *name,
		      const struct import_archive *archive, const struct import_entry *entry,
		      struct err *err)
{
	struct import_counts counts = { 0 };

	if (entry->problem)
		return err_set(err, ERR_UNSUPPORTED, "%s: image %s: %s", archive->path,
			       entry->digest, entry->problem);
	if (!is_complete(imp, entry->digest)) {
		if (take_store(imp, err) < 0)
			return -1;
		/* whoever had the lock may have done it */
		if (!is_complete(imp, entry->digest) &&
		    import_image(imp, archive, entry, name, &counts, err) < 0)
			return -1;
	}
	if (write_ref(imp, ref, name, archive, entry, err) < 0)
		return -1;
	tell_image(imp, name, entry->digest, archive, &counts);
	return 0;
}

static void tell_missing(struct import *imp, const struct image_ref *ref, const char *name)
{
	auto_buf text = BUF_INIT(16 * 1024);

	buf_printf(&text, "not in the image store, and no archive in %s has it; ", imp->image_dir);
	if (ref->domain[0] && !str_eq(ref->domain, "localhost"))
		buf_printf(&text, "make one: skopeo copy docker://%s oci-archive:FILE:%s", name,
			   name);
	else
		buf_printf(&text, "make one: podman save --format oci-archive -o FILE %s", name);
	import_describe_archives(imp, &text);
	tell(imp, IMPORT_MISSING, name, "", buf_str(&text));
}

/* No archive has it, or the one that has it is broken (why): what an earlier import left is still good. */
static void use_store(struct import *imp, const struct image_ref *ref, const char *name,
		      const struct err *why)
{
	struct store_image image;
	auto_arena arena = { 0 };
	struct err err;

	if (store_find(imp->store, ref, &arena, &image, NULL, &err) == 0) {
		if (why)
			tell(imp, IMPORT_ARCHIVE_ERROR, name, "", why->msg);
		tell(imp, IMPORT_IMAGE, name, image.digest,
		     why ? "from the store: its archive is unusable" :
			   "from the store: no archive has it");
	} else if (why) {
		tell(imp, IMPORT_ERROR, name, "", why->msg);
	} else if (err.code == ERR_NOT_FOUND) {
		tell_missing(imp, ref, name);
	} else {
		err_wrap(&err, "damaged and in no archive of %s: put one there", imp->image_dir);
		tell(imp, IMPORT_ERROR, name, "", err.msg);
	}
}

static void import_reference(struct import *imp, const char *text)
{
	const struct import_archive *archive;
	const struct import_entry *entry;
	struct image_ref ref;
	char name[REF_MAX];
	struct err err;

	if (ref_parse(text, &ref, &err) < 0) {
		tell(imp, IMPORT_ERROR, text, "", err.msg);
		return;
	}
	ref_format(&ref, name);
	if (!import_match(imp, &ref, &archive, &entry))
		use_store(imp, &ref, name, NULL);
	else if (have_entry(imp, &ref, name, archive, entry, &err) < 0)
		use_store(imp, &ref, name, &err);
}

static void sweep_leftovers(struct import *imp)
{
	struct err err;

	if (imp->store->read_only || !store_has_work_left(imp->store))
		return;
	/* somebody at work now is no reason to wait: it is his */
	if (store_lock(imp->store, 0, &err) == 0 && store_sweep(imp->store, &err) == 0)
		return;
	if (err.code != ERR_BUSY)
		fprintf(stderr, "cleat import: %s\n", err.msg);
}

static int run(struct import *imp, const char *store_path, char **refs, int count)
{
	struct err err;

	imp->store = store_open(store_path, NULL, &err);
	if (imp->store) {
		sweep_leftovers(imp);
		if (import_list_archives(imp, &err) < 0)
			tell(imp, IMPORT_ARCHIVE_ERROR, "", "", err.msg);
	}
	for (int i = 0; i < count; i++) {
		if (imp->store)
			import_reference(imp, refs[i]);
		else
			tell(imp, IMPORT_ERROR, refs[i], "", err.msg);
	}
	tell(imp, IMPORT_DONE, "", "", "");
	store_close(imp->store);
	arena_fini(&imp->arena);
	return imp->failed ? 1 : 0;
}

static int usage(void)
{
	fputs("usage: cleat import [--store DIR] [--images DIR] [--json] [--max-bytes BYTES] [--wait SECONDS] REF...\n"
	      "Takes images from OCI archives (skopeo copy SOURCE oci-archive:FILE:NAME:TAG) into the image store.\n"
	      "  --store DIR        image store (" CLEAT_STORE_DIR ")\n"
	      "  --images DIR       folder with archives (" CLEAT_IMAGE_DIR ")\n"
	      "  --json             one JSON object a line\n"
	      "  --max-bytes BYTES  most that one layer may unpack to (default: free space less 16m, at most 16g)\n"
	      "  --wait SECONDS     for another import to end (default 120)\n"
	      "Exit status: 0 all are in the store, 1 some are not, 2 usage.\n",
	      stderr);
	return 2;
}

static int parse_options(int argc, char **argv, struct import *imp, const char **store_path,
			 const char **image_dir)
{
	static const struct option options[] = {
		{ "store", required_argument, NULL, 's' },
		{ "images", required_argument, NULL, 'i' },
		{ "json", no_argument, NULL, 'j' },
		{ "record-fd", required_argument, NULL, 'r' },
		{ "max-bytes", required_argument, NULL, 'm' },
		{ "wait", required_argument, NULL, 'w' },
		{ 0 },
	};
	uint64_t value;
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 's')
			*store_path = optarg;
		else if (option == 'i')
			*image_dir = optarg;
		else if (option == 'j')
			imp->json = true;
		else if (option == 'r' && str_to_u64(optarg, 1024, &value))
			imp->record_fd = (int)value;
		else if (option == 'm' && str_to_bytes(optarg, &value) && value > 0)
			imp->max_bytes = value;
		else if (option == 'w' && str_to_u64(optarg, 86400, &value))
			imp->wait_usec = value * USEC_SEC;
		else
			return -1;
	}
	return optind < argc ? 0 : -1;
}

int cmd_import(int argc, char **argv)
{
	const char *store_path = CLEAT_STORE_DIR, *image_dir = CLEAT_IMAGE_DIR;
	struct import imp = {
		.record_fd = -1,
		.max_entries = LAYER_DEFAULT_MAX_ENTRIES,
		.wait_usec = LOCK_WAIT_SECONDS * USEC_SEC,
	};
	char folder[PATH_MAX];

	if (parse_options(argc, argv, &imp, &store_path, &image_dir) < 0)
		return usage();
	if (geteuid() != 0) {
		fputs("cleat import: only root can write an image store\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	imp.image_dir = realpath(image_dir, folder) ? folder : image_dir;
	return run(&imp, store_path, argv + optind, argc - optind);
}
