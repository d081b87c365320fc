/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layers of one image, at most two at a time: for each a fetch that verifies the compressed bytes and an unpack that
 * writes files, joined by a pipe that this process never reads. A layer counts when both said so. On any error the
 * whole folder goes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "image/import_internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/ids.h"
#include "util/str.h"

#define RESERVE_BYTES (UINT64_C(16) * 1024 * 1024) /* of free space that no layer may eat */
#define DEFAULT_MAX_BYTES (UINT64_C(16) * 1024 * 1024 * 1024)

struct job {
	const struct import_layer *layer; /* NULL: free */
	struct worker fetch, unpack;
	struct store_work work;
	int go_fd;
	uint64_t bytes, entries, done_bytes;
	struct import_counts *counts;
};

struct run {
	struct import *imp;
	const char *ref;
	int archive_fd;
	struct import_counts *counts;
	struct job jobs[IMPORT_MAX_JOBS];
	uint64_t total_bytes, done_bytes, told_bytes;
};

static int write_map(pid_t pid, const char *file, struct err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, file);
	if (file_write_text_at(AT_FDCWD, path, ids_map_text(), err) < 0)
		return err_wrap(
			err,
			"id map (the appliance needs ids 0-%u; in LXC lxc.idmap with 65536 ids)",
			IDS_LAST);
	return 0;
}

static int let_go(struct job *job, struct err *err)
{
	if (job->go_fd < 0)
		return err_set(err, ERR_INTEGRITY, "unpack: ready twice");
	if (write_map(job->unpack.proc.pid, "gid_map", err) < 0 ||
	    write_map(job->unpack.proc.pid, "uid_map", err) < 0)
		return -1;
	if (file_write_all(job->go_fd, "g", 1, err) < 0)
		return -1;
	close_fd(&job->go_fd);
	return 0;
}

static int on_unpack_line(const struct flat_line *line, void *arg, struct err *err)
{
	struct job *job = arg;
	uint64_t value = 0;

	if (str_eq(line->key, "ready"))
		return let_go(job, err);
	if (!str_to_u64(line->value, UINT64_MAX, &value))
		return err_set(err, ERR_INTEGRITY, "unpack: bad number in its record");
	if (str_eq(line->key, "bytes"))
		job->bytes = value;
	else if (str_eq(line->key, "entries"))
		job->entries = value;
	else if (str_eq(line->key, "devices-left-out"))
		job->counts->devices += value;
	else if (str_eq(line->key, "sockets-left-out"))
		job->counts->sockets += value;
	else if (str_eq(line->key, "xattrs-left-out"))
		job->counts->xattrs += value;
	else if (str_eq(line->key, "aufs-left-out"))
		job->counts->aufs += value;
	return 0;
}

static int on_fetch_line(const struct flat_line *line, void *arg, struct err *err)
{
	struct job *job = arg;

	if (!str_eq(line->key, "progress") ||
	    !str_to_u64(line->value, job->layer->size, &job->done_bytes))
		return err_set(err, ERR_INTEGRITY, "fetch: unexpected record");
	return 0;
}

static uint64_t byte_limit(const struct import *imp)
{
	uint64_t space = store_free_bytes(imp->store);

	if (imp->max_bytes)
		return imp->max_bytes;
	space = space > RESERVE_BYTES ? space - RESERVE_BYTES : 0;
	return space < DEFAULT_MAX_BYTES ? space : DEFAULT_MAX_BYTES;
}

static int start_unpack(struct run *run, struct job *job, int data_fd, int root_fd, struct err *err)
{
	char max_bytes[24], max_entries[24];
	const char *args[] = { job->layer->diff_id, max_bytes, max_entries, NULL };
	int go[2];

	if (pipe2(go, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	job->go_fd = go[1];

	auto_fd int go_read = go[0];
	const int fds[] = { data_fd, -1, STDERR_FILENO, root_fd, go_read };

	snprintf(max_bytes, sizeof(max_bytes), "%llu", (unsigned long long)byte_limit(run->imp));
	snprintf(max_entries, sizeof(max_entries), "%llu",
		 (unsigned long long)run->imp->max_entries);
	return worker_start(&job->unpack, args, fds, 5, err);
}

static int start_fetch(struct run *run, struct job *job, int data_fd, struct err *err)
{
	char size[24], own[40];
	const char *args[] = { "layer", job->layer->blob, size, NULL };

	/* Its own open file description: the offset of a duplicate is shared with the job beside. */
	snprintf(own, sizeof(own), "/proc/self/fd/%d", run->archive_fd);
	auto_fd int fd = open(own, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "%s: open", own);

	const int fds[] = { fd, -1, STDERR_FILENO, data_fd };

	snprintf(size, sizeof(size), "%llu", (unsigned long long)job->layer->size);
	return worker_start(&job->fetch, args, fds, 4, err);
}

static int start_workers(struct run *run, struct job *job, struct err *err)
{
	int data[2], root = -1;

	if (store_layer_begin(run->imp->store, job->layer->diff_id, &job->work, &root, err) < 0)
		return -1;
	auto_fd int root_fd = root;

	if (pipe2(data, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");
	auto_fd int read_end = data[0];
	auto_fd int write_end = data[1];

	if (start_unpack(run, job, read_end, root_fd, err) < 0)
		return -1;
	return start_fetch(run, job, write_end, err);
}

static int job_start(struct run *run, struct job *job, const struct import_layer *layer,
		     struct err *err)
{
	*job = (struct job){
		.layer = layer,
		.fetch = WORKER_INIT("fetch"),
		.unpack = WORKER_INIT("unpack"),
		.go_fd = -1,
		.counts = run->counts,
	};
	if (start_workers(run, job, err) < 0)
		return err_wrap(err, "layer %s", layer->blob);
	return 0;
}

/* Ends what still runs; the folder is gone afterwards, or in its place already. */
static void job_drop(struct run *run, struct job *job)
{
	struct err err;

	if (!job->layer)
		return;
	close_fd(&job->go_fd);
	worker_fini(&job->fetch);
	worker_fini(&job->unpack);
	if (job->work.name[0] && store_discard(run->imp->store, &job->work, &err) < 0)
		fprintf(stderr, "cleat import: %s (swept at the next import)\n", err.msg);
	job->layer = NULL;
}

/* A damaged blob explains everything that unpack may say about it, so fetch is heard first. */
static int job_outcome(struct run *run, const struct job *job, struct err *err)
{
	const struct worker *failed = !job->fetch.ok ? &job->fetch : &job->unpack;

	if (job->fetch.ok && job->unpack.ok)
		return 0;
	err_set(err, failed->code, "%s", failed->error);
	if (strstr(failed->error, strerror(ENOSPC)))
		err_set(err, ERR_SYS, "%s (%llu MiB are free below %s: make room there)",
			failed->error,
			(unsigned long long)(store_free_bytes(run->imp->store) >> 20),
			run->imp->store->path);
	return err_wrap(err, "layer %s", job->layer->blob);
}

static int job_finish(struct run *run, struct job *job, struct err *err)
{
	if (job_outcome(run, job, err) < 0)
		return -1;
	if (store_layer_commit(run->imp->store, &job->work, job->layer->diff_id, job->bytes,
			       job->entries, err) < 0)
		return err_wrap(err, "layer %s", job->layer->blob);
	run->done_bytes += job->layer->size;
	job->work.name[0] = '\0';
	job_drop(run, job);
	return 0;
}

static void tell_progress(struct run *run)
{
	struct import_record record = import_record_new(IMPORT_PROGRESS, run->ref, "", "");

	record.done_bytes = run->done_bytes;
	for (unsigned i = 0; i < IMPORT_MAX_JOBS; i++)
		if (run->jobs[i].layer)
			record.done_bytes += run->jobs[i].done_bytes;
	record.total_bytes = run->total_bytes;
	if (record.done_bytes == run->told_bytes)
		return;
	run->told_bytes = record.done_bytes;
	import_emit(run->imp, &record);
}

/* Waits for one event and takes what arrived. */
static int turn(struct run *run, struct err *err)
{
	struct pollfd fds[2 * IMPORT_MAX_JOBS];

	for (unsigned i = 0; i < IMPORT_MAX_JOBS; i++) {
		struct job *job = &run->jobs[i];

		/* poll() leaves negative descriptors alone */
		fds[2 * i] =
			(struct pollfd){ .fd = job->layer ? job->fetch.fd : -1, .events = POLLIN };
		fds[2 * i + 1] =
			(struct pollfd){ .fd = job->layer ? job->unpack.fd : -1, .events = POLLIN };
	}
	if (poll(fds, 2 * IMPORT_MAX_JOBS, -1) < 0)
		return errno == EINTR ? 0 : err_sys(err, "poll");
	for (unsigned i = 0; i < IMPORT_MAX_JOBS; i++) {
		struct job *job = &run->jobs[i];

		if (fds[2 * i].revents)
			worker_read(&job->fetch, on_fetch_line, job);
		if (fds[2 * i + 1].revents)
			worker_read(&job->unpack, on_unpack_line, job);
		if (job->layer && job->fetch.fd < 0 && job->unpack.fd < 0 &&
		    job_finish(run, job, err) < 0)
			return -1;
	}
	tell_progress(run);
	return 0;
}

static bool is_wanted(const struct run *run, const struct import_layer *layers, size_t index)
{
	struct err ignored;

	for (size_t i = 0; i < index; i++)
		if (str_eq(layers[i].diff_id, layers[index].diff_id))
			return false;
	return store_check_layer(run->imp->store, layers[index].diff_id, &ignored) < 0;
}

static int run_jobs(struct run *run, const struct import_layer **wanted, size_t count,
		    struct err *err)
{
	size_t next = 0, running;

	do {
		running = 0;
		for (unsigned i = 0; i < IMPORT_MAX_JOBS; i++) {
			struct job *job = &run->jobs[i];

			if (!job->layer && next < count &&
			    job_start(run, job, wanted[next++], err) < 0)
				return -1;
			running += job->layer != NULL;
		}
		if (running && turn(run, err) < 0)
			return -1;
	} while (running);
	return 0;
}

int import_layers(struct import *imp, int archive_fd, const struct import_layer *layers,
		  size_t count, const char *ref, struct import_counts *counts, struct err *err)
{
	struct run run = { .imp = imp, .ref = ref, .archive_fd = archive_fd, .counts = counts };
	const struct import_layer *wanted[STORE_MAX_LAYERS];
	size_t wanted_count = 0;
	int rc;

	for (size_t i = 0; i < count && wanted_count < STORE_MAX_LAYERS; i++) {
		if (!is_wanted(&run, layers, i))
			continue;
		wanted[wanted_count++] = &layers[i];
		run.total_bytes += layers[i].size;
	}
	rc = run_jobs(&run, wanted, wanted_count, err);
	for (unsigned i = 0; i < IMPORT_MAX_JOBS; i++)
		job_drop(&run, &run.jobs[i]);
	return rc;
}
