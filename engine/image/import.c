/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat import: the command line of the coordinator, what it decides for each reference, and how it tells. It owns the
 * store while it writes; the archives' bytes never enter this process but as flat records.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "image/import_internal.h"
#include "image/layer.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/json.h"
#include "util/loop.h"
#include "util/places.h"
#include "util/str.h"

#define LOCK_WAIT_SECONDS 120
#define REQUEST_WAIT_SECONDS \
	3600 /* the import before may pull for long, and SIGTERM ends the waiting */

static const char *const kind_names[] = {
	[IMPORT_PROGRESS] = "progress",
	[IMPORT_IMAGE] = "image",
	[IMPORT_MISSING] = "missing",
	[IMPORT_ERROR] = "error",
	[IMPORT_ARCHIVE_ERROR] = "archive",
	[IMPORT_DONE] = "done",
	[IMPORT_RETRY] = "retry",
	[IMPORT_LAYER] = "layer",
	[IMPORT_NOTE] = "note",
	[IMPORT_NEWER] = "newer",
};

/* Whoever asked is gone, an engine that was replaced or has crashed: its successor asks anew. What gets on is worth finishing for that; what
 * does not would only hold the store against it. */
#define ORPHAN_SILENCE_USEC (5 * USEC_SEC)
#define LOCK_LOOK_USEC (250 * USEC_MSEC)

static volatile sig_atomic_t stop_signal;
static int owner_fd = -1; /* import.record_fd */
static usec_t got_on_at;

static void on_stop(int number)
{
	stop_signal = number;
}

void import_got_on(void)
{
	got_on_at = clock_now_usec();
}

static bool is_orphan(void)
{
	struct pollfd owner = { .fd = owner_fd };

	return owner_fd >= 0 && poll(&owner, 1, 0) > 0 && (owner.revents & (POLLHUP | POLLERR));
}

int import_is_stopped(struct err *err)
{
	if (stop_signal)
		return err_set(err, ERR_BUSY, "interrupted");
	if (clock_now_usec() - got_on_at > ORPHAN_SILENCE_USEC && is_orphan())
		return err_set(err, ERR_BUSY, "whoever asked for it is gone, and nothing arrives");
	return 0;
}

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

	if (record->kind == IMPORT_MISSING || record->kind == IMPORT_ERROR ||
	    record->kind == IMPORT_RETRY)
		imp->failed = true;
	if (record->kind == IMPORT_IMAGE)
		store_image_used(imp->store, record->digest);
	if (imp->on_record) {
		imp->on_record(record, imp->on_record_arg);
		return;
	}
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

static void tell_image(struct import *imp, const char *ref, const char *digest, const char *from,
		       const struct import_counts *counts)
{
	auto_buf text = BUF_INIT(4096);

	buf_printf(&text, "from %s", from);
	put_count(&text, counts->devices, "device nodes (the container's /dev covers them)");
	put_count(&text, counts->sockets, "sockets");
	put_count(&text, counts->xattrs, "extended attributes");
	put_count(&text, counts->aufs, "AUFS files");
	tell(imp, IMPORT_IMAGE, ref, digest, buf_str(&text));
}

bool import_is_complete(struct import *imp, const char *digest)
{
	struct image_ref by_digest = { .path = "x" };
	struct store_image image;
	auto_arena arena = { 0 };
	struct err ignored;

	str_copy(by_digest.digest, sizeof(by_digest.digest), digest);
	return store_find(imp->store, &by_digest, &arena, &image, NULL, &ignored) == 0;
}

bool import_find(struct import *imp, const struct image_ref *ref, struct store_ref *out)
{
	struct store_image image;
	auto_arena arena = { 0 };
	char name[REF_MAX];
	struct err ignored;

	if (store_find(imp->store, ref, &arena, &image, NULL, &ignored) < 0)
		return false;
	ref_format(ref, name);
	if (store_ref_read(imp->store, name, out, &ignored) < 0 ||
	    !str_eq(out->digest, image.digest)) {
		*out = (struct store_ref){ 0 };
		str_copy(out->digest, sizeof(out->digest), image.digest);
	}
	return true;
}

/* Another import may have it for long, and who waits for nobody any more need not. */
static int wait_for_store(struct import *imp, const char *name, struct err *err)
{
	bool is_told = false;
	usec_t deadline = clock_now_usec() + imp->wait_usec;

	for (;;) {
		usec_t now = clock_now_usec(), left = deadline > now ? deadline - now : 0;

		if (store_lock(imp->store, left < LOCK_LOOK_USEC ? left : LOCK_LOOK_USEC, err) == 0)
			return 0;
		if (err->code != ERR_BUSY || left == 0)
			return -1;
		if (name && !is_told)
			tell(imp, IMPORT_PROGRESS, name, "", err->msg);
		is_told = true;
		if (stop_signal || is_orphan())
			return err_set(err, ERR_BUSY, "image store %s: stopped while waiting",
				       imp->store->path);
	}
}

int import_take_store(struct import *imp, const char *name, struct err *err)
{
	bool was_locked = imp->store->lock_fd >= 0;

	if (imp->store->read_only)
		return err_set(err, ERR_LIMIT, "image store %s cannot be written (read-only)",
			       imp->store->path);
	if (wait_for_store(imp, name, err) < 0)
		return -1;
	return was_locked ? 0 : store_sweep(imp->store, err);
}

int import_write_name(struct import *imp, const char *name, const struct store_ref *now,
		      struct err *err)
{
	struct store_ref before;
	struct err ignored;

	if (store_ref_read(imp->store, name, &before, &ignored) == 0 &&
	    str_eq(before.digest, now->digest) && str_eq(before.index, now->index) &&
	    str_eq(before.source, now->source))
		return 0;
	if (imp->store->read_only && str_eq(before.digest, now->digest))
		return 0;
	if (import_take_store(imp, name, err) < 0)
		return -1;
	return store_ref_write(imp->store, name, now, err);
}

/* A name is written down with its archive; a digest speaks for itself unless it is an index's. */
static int write_ref(struct import *imp, const struct image_ref *ref, const char *name,
		     const struct import_archive *archive, const struct import_entry *entry,
		     struct err *err)
{
	struct store_ref now = { 0 };

	if (ref->digest[0] && str_eq(ref->digest, entry->digest))
		return 0;
	str_copy(now.digest, sizeof(now.digest), entry->digest);
	str_copy(now.index, sizeof(now.index), entry->index);
	if (store_source_of(archive->path, now.source, sizeof(now.source), err) < 0)
		return -1;
	return import_write_name(imp, name, &now, err);
}

static int have_entry(struct import *imp, const struct image_ref *ref, const char *name,
		      const struct import_archive *archive, const struct import_entry *entry,
		      struct err *err)
{
	struct import_counts counts = { 0 };

	if (entry->problem)
		return err_set(err, ERR_UNSUPPORTED, "%s: image %s: %s", archive->path,
			       entry->digest, entry->problem);
	if (!import_is_complete(imp, entry->digest)) {
		if (import_take_store(imp, name, err) < 0)
			return -1;
		/* whoever had the lock may have done it */
		if (!import_is_complete(imp, entry->digest) &&
		    import_image(imp, archive, entry, name, &counts, err) < 0 &&
		    (!imp->try_again || import_image(imp, archive, entry, name, &counts, err) < 0))
			return -1;
	}
	if (write_ref(imp, ref, name, archive, entry, err) < 0)
		return -1;
	tell_image(imp, name, entry->digest, archive->path, &counts);
	return 0;
}

static void tell_missing(struct import *imp, const struct image_ref *ref, const char *name,
			 enum pull_policy policy)
{
	auto_buf text = BUF_INIT(16 * 1024);

	buf_printf(&text, "not in the image store, and no archive in %s has it; ", imp->image_dir);
	if (imp->has_request && policy == PULL_NEVER && !pull_is_local_name(ref))
		buf_puts(&text, "Pull=never keeps it from being pulled; ");
	if (ref->domain[0] && !pull_is_local_name(ref))
		buf_printf(&text, "make one: skopeo copy docker://%s oci-archive:FILE:%s", name,
			   name);
	else
		buf_printf(&text, "make one: podman save --format oci-archive -o FILE %s", name);
	import_describe_archives(imp, &text);
	tell(imp, IMPORT_MISSING, name, "", buf_str(&text));
}

/* No archive has it, or the one that has it is broken (why): what an earlier import left is still good. */
static void use_store(struct import *imp, const char *name, const struct store_ref *found,
		      const struct err *why)
{
	/* nothing is to be looked for again until the folder of archives changes */
	if (!why && found->source[0] && found->source[0] != '/') {
		struct store_ref now = *found;
		struct err err;

		if (store_source_of_registry(NULL, imp->image_dir, now.source, sizeof(now.source),
					     &err) < 0 ||
		    import_write_name(imp, name, &now, &err) < 0)
			fprintf(stderr, "cleat import: %s\n", err.msg);
	}
	if (why)
		tell(imp, IMPORT_ARCHIVE_ERROR, name, "", why->msg);
	tell(imp, IMPORT_IMAGE, name, found->digest,
	     why ? "from the store: its archive is unusable" : "from the store: no archive has it");
}

/* Nobody may be asked for it. */
static void tell_none(struct import *imp, const struct pull_want *want, const struct image_ref *ref,
		      const char *name, const struct err *why)
{
	struct store_image image;
	auto_arena arena = { 0 };
	struct err err;

	if (why) {
		/* somebody else has the store, or the archive is just being written */
		tell(imp, why->code == ERR_BUSY ? IMPORT_RETRY : IMPORT_ERROR, name, "", why->msg);
		return;
	}
	if (store_find(imp->store, ref, &arena, &image, NULL, &err) < 0 &&
	    err.code == ERR_NOT_FOUND) {
		tell_missing(imp, ref, name, want->policy);
		return;
	}
	err_wrap(&err, "damaged and in no archive of %s: put one there", imp->image_dir);
	tell(imp, IMPORT_ERROR, name, "", err.msg);
}

static bool name_means(struct import *imp, const char *name, const char *digest)
{
	struct store_ref known;
	struct err ignored;

	return store_ref_read(imp->store, name, &known, &ignored) == 0 &&
	       str_eq(known.digest, digest);
}

/* What archives and store say. True: that is all; false: a registry has to be asked. */
static bool settle_here(struct import *imp, const struct pull_want *want)
{
	const struct import_archive *archive;
	const struct import_entry *entry;
	struct store_ref found = { 0 };
	struct image_ref ref;
	char name[REF_MAX];
	struct err err, *why = NULL;
	bool in_store;

	if (ref_parse(want->ref, &ref, &err) < 0) {
		tell(imp, IMPORT_ERROR, want->ref, "", err.msg);
		return true;
	}
	ref_format(&ref, name);
	if (import_match(imp, &ref, &archive, &entry)) {
		if (want->only_asks && !entry->problem && !name_means(imp, name, entry->digest)) {
			tell(imp, IMPORT_NEWER, name, entry->digest, archive->path);
			return true;
		}
		if (have_entry(imp, &ref, name, archive, entry, &err) == 0)
			return true;
		why = &err;
	}
	in_store = import_find(imp, &ref, &found);
	switch (pull_decide(want->policy, &ref, in_store)) {
	case PULL_STEP_STORE:
		use_store(imp, name, &found, why);
		return true;
	case PULL_STEP_NONE:
		tell_none(imp, want, &ref, name, why);
		return true;
	case PULL_STEP_ASK:
	case PULL_STEP_COMPARE:
		break;
	}
	if (why)
		tell(imp, IMPORT_ARCHIVE_ERROR, name, "", why->msg);
	return false;
}

static void tell_failed_pull(struct import *imp, const struct pull_want *want, const char *name,
			     const struct store_ref *known, const struct err *err)
{
	auto_buf text = BUF_INIT(1024);

	buf_puts(&text, err->msg);
	if (pull_falls_back(want->policy, known != NULL)) {
		buf_clear(&text);
		buf_printf(&text, "from the store; whether there is a newer one is not known: %s",
			   err->msg);
		tell(imp, IMPORT_IMAGE, name, known->digest, buf_str(&text));
		return;
	}
	if (known && !want->only_asks)
		buf_puts(&text,
			 "; the one in the store is not used with Pull=always (Pull=newer would)");
	tell(imp, pull_is_worth_retry(err->code) ? IMPORT_RETRY : IMPORT_ERROR, name, "",
	     buf_str(&text));
}

static void ask_registry(struct import *imp, const struct pull_want *want)
{
	struct import_outcome outcome = { 0 };
	struct store_ref known;
	struct image_ref ref;
	char name[REF_MAX];
	bool in_store;
	struct err err;

	if (ref_parse(want->ref, &ref, &err) < 0)
		return; /* said already */
	ref_format(&ref, name);
	in_store = import_find(imp, &ref, &known);
	tell(imp, IMPORT_PROGRESS, name, "", "asking the registry");
	if (import_is_stopped(&err) < 0 ||
	    import_from_registry(imp, want, in_store ? &known : NULL, &outcome, &err) < 0) {
		tell_failed_pull(imp, want, name, in_store ? &known : NULL, &err);
		return;
	}
	if (outcome.is_newer)
		tell(imp, IMPORT_NEWER, name, outcome.digest, outcome.from);
	else if (outcome.is_unchanged)
		tell(imp, IMPORT_IMAGE, name, outcome.digest,
		     "from the store: the registry has no other");
	else if (outcome.is_here)
		tell(imp, IMPORT_IMAGE, name, outcome.digest,
		     "from the store, under its full name");
	else
		tell_image(imp, name, outcome.digest, outcome.from, &outcome.counts);
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

/* A registry may take long to say that it is not there: what is here goes first. */
static void take_all(struct import *imp)
{
	const struct pull_request *request = &imp->request;
	bool *left = arena_alloc(&imp->arena, request->want_count * sizeof(*left));

	for (size_t i = 0; i < request->want_count; i++)
		left[i] = !settle_here(imp, &request->wants[i]);
	for (size_t i = 0; i < request->want_count; i++)
		if (left[i])
			ask_registry(imp, &request->wants[i]);
}

static int run(struct import *imp, const char *store_path)
{
	struct err err;

	imp->store = store_open(store_path, NULL, &err);
	if (imp->store) {
		sweep_leftovers(imp);
		if (import_list_archives(imp, &err) < 0)
			tell(imp, IMPORT_ARCHIVE_ERROR, "", "", err.msg);
		take_all(imp);
	} else {
		for (size_t i = 0; i < imp->request.want_count; i++)
			tell(imp, IMPORT_ERROR, imp->request.wants[i].ref, "", err.msg);
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

/* Read once, from the file that import_start() made. */
static int read_request(struct import *imp, int fd, struct err *err)
{
	auto_buf text = BUF_INIT(PULL_REQUEST_MAX_BYTES);
	int rc = file_read_fd(fd, PULL_REQUEST_MAX_BYTES, &text, err);

	close(fd);
	if (rc < 0)
		return -1;
	buf_puts(&text, "");
	imp->has_request = true;
	imp->wait_usec = REQUEST_WAIT_SECONDS * USEC_SEC;
	return pull_request_read(text.data, text.len, &imp->arena, &imp->request, err);
}

/* Typed by hand: archives and store only. */
static void request_of_words(struct import *imp, char **refs, int count)
{
	for (int i = 0; i < count; i++) {
		struct pull_want *want =
			arena_push(&imp->arena, imp->request.wants, imp->request.want_count);

		*want = (struct pull_want)PULL_WANT_INIT(refs[i]);
		want->policy = PULL_NEVER;
	}
}

static int parse_options(int argc, char **argv, struct import *imp, const char **store_path,
			 const char **image_dir, int *request_fd)
{
	static const struct option options[] = {
		{ "store", required_argument, NULL, 's' },
		{ "images", required_argument, NULL, 'i' },
		{ "json", no_argument, NULL, 'j' },
		{ "record-fd", required_argument, NULL, 'r' },
		{ "request-fd", required_argument, NULL, 'q' },
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
		else if (option == 'q' && str_to_u64(optarg, 1024, &value))
			*request_fd = (int)value;
		else if (option == 'm' && str_to_bytes(optarg, &value) && value > 0)
			imp->max_bytes = value;
		else if (option == 'w' && str_to_u64(optarg, 86400, &value))
			imp->wait_usec = value * USEC_SEC;
		else
			return -1;
	}
	return (optind < argc) != (*request_fd >= 0) ? 0 : -1;
}

int cmd_import(int argc, char **argv)
{
	const char *store_path = CLEAT_STORE_DIR, *image_dir = CLEAT_IMAGE_DIR;
	struct import imp = {
		.record_fd = -1,
		.max_entries = LAYER_DEFAULT_MAX_ENTRIES,
		.wait_usec = LOCK_WAIT_SECONDS * USEC_SEC,
	};
	struct sigaction stop = { .sa_handler = on_stop };
	static char folder[PATH_MAX];
	int request_fd = -1;
	struct err err;

	if (parse_options(argc, argv, &imp, &store_path, &image_dir, &request_fd) < 0)
		return usage();
	if (geteuid() != 0) {
		fputs("cleat import: only root can write an image store\n", stderr);
		return 2;
	}
	if (request_fd < 0) {
		request_of_words(&imp, argv + optind, argc - optind);
	} else if (read_request(&imp, request_fd, &err) < 0) {
		fprintf(stderr, "cleat import: %s\n", err.msg);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	/* no SA_RESTART: whoever waits has to look */
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	owner_fd = imp.record_fd;
	import_got_on();
	imp.image_dir = realpath(image_dir, folder) ? folder : image_dir;
	return run(&imp, store_path);
}
