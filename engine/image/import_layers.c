/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layers of one image, at most two at a time: for each an unpack that writes files, at the end of a pipe that this process never
 * reads; at its other end a fetch that verifies the compressed bytes, one for each layer of an archive, one for all of a registry's.
 * A layer counts when both said so. On any error the whole folder goes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "image/import_internal.h"
#include "image/store_admin.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/ids.h"
#include "util/loop.h"
#include "util/str.h"

#define USUAL_RATIO 3 /* of plain bytes to compressed ones */
#define TELL_USEC (250 * USEC_MSEC)
#define LOOK_MSEC 250 /* at the clock and for a request to stop */
#define RATE_USEC (2 * USEC_SEC)
#define PIPE_BYTES (256 * 1024) /* a busy disk keeps the network going for so long */
#define RESERVE_BYTES (UINT64_C(16) * 1024 * 1024) /* of free space that no layer may eat */
#define DEFAULT_MAX_BYTES (UINT64_C(16) * 1024 * 1024 * 1024)

struct job {
	const struct import_layer *layer; /* NULL: free */
	struct worker fetch, unpack;	  /* of a registry's layer, fetch holds only the outcome */
	bool remote_pending;		  /* that has not come yet */
	bool unpack_knows;		  /* fetch saw unpack give up */
	struct store_work work;
	int go_fd;
	bool is_mapped;						     /* its id map is written */
	enum { WINDOW_USUAL, WINDOW_WANTED, WINDOW_GRANTED } window; /* of a zstd decoder */
	uint64_t bytes, entries, done_bytes;
	struct import_counts *counts;
};

struct run {
	struct import *imp;
	const char *ref;
	const struct import_source *source;
	const struct import_layer *layers;
	struct import_counts *counts;
	struct job jobs[IMPORT_MAX_JOBS];
	unsigned layer_count, layers_done;
	bool is_full; /* the disk */
	uint64_t total_bytes, done_bytes, told_bytes;
	usec_t told_at;
	/* of the rate: bytes at the beginning of the window before the last */
	usec_t window_at[2];
	uint64_t window_bytes[2];
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
	if (job->is_mapped)
		return err_set(err, ERR_INTEGRITY, "unpack: ready twice");
	job->is_mapped = true;
	if (write_map(job->unpack.proc.pid, "gid_map", err) < 0 ||
	    write_map(job->unpack.proc.pid, "uid_map", err) < 0)
		return -1;
	return file_write_all(job->go_fd, "g", 1, err);
}

static bool is_large(const struct job *job)
{
	return job->layer && job->window != WINDOW_USUAL;
}

/* A large window is for one at a time, and beside it nobody else unpacks: memory has a bound, whatever the layers ask for. */
static int grant_window(struct run *run, struct err *err)
{
	struct job *first = NULL;

	for (unsigned i = 0; i < IMPORT_MAX_JOBS; i++) {
		struct job *job = &run->jobs[i];

		if (job->layer && job->window != WINDOW_WANTED)
			return 0;
		if (job->layer && !first)
			first = job;
	}
	if (!first)
		return 0;
	first->window = WINDOW_GRANTED;
	if (file_write_all(first->go_fd, "w", 1, err) < 0) {
		if (err->code != ERR_SYS || err->sys_errno != EPIPE)
			return -1;
		close_fd(&first->go_fd); /* it is gone: its record says why */
	}
	return 0;
}

static int on_unpack_line(const struct flat_line *line, void *arg, struct err *err)
{
	struct job *job = arg;
	uint64_t value = 0;

	if (str_eq(line->key, "ready"))
		return let_go(job, err);
	if (str_eq(line->key, WORKER_WINDOW)) {
		if (!job->is_mapped || job->window != WINDOW_USUAL)
			return err_set(err, ERR_INTEGRITY, "unpack: unexpected " WORKER_WINDOW);
		job->window = WINDOW_WANTED;
		return 0;
	}
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

static struct job *job_of_layer(struct run *run, uint64_t layer)
{
	for (unsigned i = 0; i < IMPORT_MAX_JOBS; i++)
		if (run->jobs[i].layer && run->jobs[i].remote_pending &&
		    (uint64_t)(run->jobs[i].layer - run->layers) == layer)
			return &run->jobs[i];
	return NULL;
}

static void remote_failed(struct job *job, enum err_code code, const char *text)
{
	job->remote_pending = false;
	job->fetch.code = code;
	str_copy_text(job->fetch.error, sizeof(job->fetch.error), text);
}

/* "layer-bytes N BYTES", "layer-done N", "layer-left N", "layer-failed N CODE TEXT". */
static int on_remote_line(const struct flat_line *line, void *arg, struct err *err)
{
	struct run *run = arg;
	char number[16];
	size_t digits = strcspn(line->value, " ");
	const char *rest = line->value + digits + (line->value[digits] == ' ');
	uint64_t layer = 0;
	struct job *job;

	snprintf(number, sizeof(number), "%.*s", digits < 12 ? (int)digits : 12, line->value);
	job = str_to_u64(number, STORE_MAX_LAYERS, &layer) ? job_of_layer(run, layer) : NULL;
	if (!job)
		return err_set(err, ERR_INTEGRITY, "fetch: unexpected %s", line->key);
	if (str_eq(line->key, "layer-bytes"))
		return str_to_u64(rest, job->layer->size, &job->done_bytes) ?
			       0 :
			       err_set(err, ERR_INTEGRITY, "fetch: bad number of bytes");
	if (str_eq(line->key, "layer-done")) {
		job->remote_pending = false;
		job->fetch.ok = true;
	} else if (str_eq(line->key, "layer-left")) {
		job->unpack_knows = true;
		remote_failed(job, ERR_INTEGRITY, "unpack ended before the layer");
	} else if (str_eq(line->key, "layer-failed")) {
		size_t word = strcspn(rest, " ");
		char code[24];

		snprintf(code, sizeof(code), "%.*s", word < 20 ? (int)word : 20, rest);
		remote_failed(job, worker_code_of(code), rest + word + (rest[word] == ' '));
	} else {
		return err_set(err, ERR_INTEGRITY, "fetch: unexpected %s", line->key);
	}
	return 0;
}

/* The process is gone, and all that it had under way with it. */
static void remote_ended(struct run *run)
{
	const struct worker *worker = &run->source->remote->worker;

	for (unsigned i = 0; i < IMPORT_MAX_JOBS; i++)
		if (run->jobs[i].layer && run->jobs[i].remote_pending)
			remote_failed(&run->jobs[i], worker->ok ? ERR_INTEGRITY : worker->code,
				      worker->ok ? "fetch ended too early" : worker->error);
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
	snprintf(own, sizeof(own), "/proc/self/fd/%d", run->source->archive_fd);
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
	if (!run->source->remote)
		return start_fetch(run, job, write_end, err);
	/* a help only: it may be above what this user may have */
	(void)fcntl(write_end, F_SETPIPE_SZ, PIPE_BYTES);
	job->remote_pending = true;
	return import_remote_layer(run->source->remote, (size_t)(job->layer - run->layers),
				   write_end, err);
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
	const struct worker *failed = !job->fetch.ok && !(job->unpack_knows && !job->unpack.ok) ?
					      &job->fetch :
					      &job->unpack;

	if (job->fetch.ok && job->unpack.ok)
		return 0;
	err_set(err, failed->code, "%s", failed->error);
	/* a limit that came from the free space is the disk's, too */
	if (failed->code == ERR_LIMIT && !run->imp->max_bytes &&
	    strstr(failed->error, "unpacks to more than") &&
	    store_free_bytes(run->imp->store) < DEFAULT_MAX_BYTES) {
		run->is_full = true;
		err_set(err, ERR_LIMIT,
			"unpacks to more than there is room for: %llu MiB are free below %s (%llu MiB stay reserved): make room there, \"cleat image prune -a\" takes what no unit needs",
			(unsigned long long)(store_free_bytes(run->imp->store) >> 20),
			run->imp->store->path, (unsigned long long)(RESERVE_BYTES >> 20));
	}
	if (strstr(failed->error, strerror(ENOSPC))) {
		run->is_full = true;
		err_set(err, ERR_LIMIT,
			"%s (%llu MiB are free below %s: make room there, \"cleat image prune -a\" takes what no unit needs)",
			failed->error,
			(unsigned long long)(store_free_bytes(run->imp->store) >> 20),
			run->imp->store->path);
	}
	return err_wrap(err, "layer %s", job->layer->blob);
}

/* Whoever pulls by hand wants to see them. */
static void tell_layer(const struct run *run, const struct import_layer *layer)
{
	struct import_record record;

	if (!run->imp->has_request)
		return;
	record = import_record_new(IMPORT_LAYER, run->ref, layer->blob, "");
	record.done_bytes = record.total_bytes = layer->size;
	import_emit(run->imp, &record);
}

static int job_finish(struct run *run, struct job *job, struct err *err)
{
	if (job_outcome(run, job, err) < 0)
		return -1;
	if (store_layer_commit(run->imp->store, &job->work, job->layer->diff_id, job->bytes,
			       job->entries, err) < 0)
		return err_wrap(err, "layer %s", job->layer->blob);
	run->done_bytes += job->layer->size;
	run->layers_done++;
	import_got_on(); /* writing it down may have taken long */
	tell_layer(run, job->layer);
	job->work.name[0] = '\0';
	job_drop(run, job);
	return 0;
}

/* Bytes a second over the last two to four seconds; 0: not known yet. */
static uint64_t rate(struct run *run, uint64_t done_bytes, usec_t now)
{
	usec_t span;

	if (!run->window_at[1] || now - run->window_at[1] >= RATE_USEC) {
		run->window_at[0] = run->window_at[1] ? run->window_at[1] : now;
		run->window_bytes[0] = run->window_at[1] ? run->window_bytes[1] : done_bytes;
		run->window_at[1] = now;
		run->window_bytes[1] = done_bytes;
	}
	span = now - run->window_at[0];
	if (span < RATE_USEC / 4 || done_bytes < run->window_bytes[0])
		return 0;
	return (done_bytes - run->window_bytes[0]) * USEC_SEC / span;
}

static void tell_progress(struct run *run)
{
	struct import_record record = import_record_new(IMPORT_PROGRESS, run->ref, "", "");
	unsigned layer = run->layers_done < run->layer_count ? run->layers_done + 1 :
							       run->layer_count;
	usec_t now = clock_now_usec();

	record.done_bytes = run->done_bytes;
	for (unsigned i = 0; i < IMPORT_MAX_JOBS; i++)
		if (run->jobs[i].layer)
			record.done_bytes += run->jobs[i].done_bytes;
	record.total_bytes = run->total_bytes;
	if (record.done_bytes == run->told_bytes ||
	    (now - run->told_at < TELL_USEC && record.done_bytes != run->total_bytes))
		return;
	run->told_bytes = record.done_bytes;
	run->told_at = now;
	pull_progress_text(run->source->remote ? "pulling" : "unpacking", record.done_bytes,
			   record.total_bytes, layer, run->layer_count,
			   rate(run, record.done_bytes, now), record.text, sizeof(record.text));
	import_emit(run->imp, &record);
}

/* Waits for one event and takes what arrived. */
static int turn(struct run *run, struct err *err)
{
	struct import_remote *remote = run->source->remote;
	struct pollfd fds[2 * IMPORT_MAX_JOBS + 1];

	if (import_is_stopped(err))
		return -1;
	for (unsigned i = 0; i < IMPORT_MAX_JOBS; i++) {
		struct job *job = &run->jobs[i];

		/* poll() leaves negative descriptors alone */
		fds[2 * i] =
			(struct pollfd){ .fd = job->layer ? job->fetch.fd : -1, .events = POLLIN };
		fds[2 * i + 1] =
			(struct pollfd){ .fd = job->layer ? job->unpack.fd : -1, .events = POLLIN };
	}
	fds[2 * IMPORT_MAX_JOBS] =
		(struct pollfd){ .fd = remote ? remote->worker.fd : -1, .events = POLLIN };
	if (poll(fds, 2 * IMPORT_MAX_JOBS + 1, LOOK_MSEC) < 0)
		return errno == EINTR ? 0 : err_sys(err, "poll");
	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i].revents)
			import_got_on();
	if (fds[2 * IMPORT_MAX_JOBS].revents)
		worker_read(&remote->worker, on_remote_line, run);
	if (remote && remote->worker.fd < 0)
		remote_ended(run);
	for (unsigned i = 0; i < IMPORT_MAX_JOBS; i++) {
		struct job *job = &run->jobs[i];

		if (fds[2 * i].revents)
			worker_read(&job->fetch, on_fetch_line, job);
		if (fds[2 * i + 1].revents)
			worker_read(&job->unpack, on_unpack_line, job);
		if (job->layer && job->fetch.fd < 0 && !job->remote_pending && job->unpack.fd < 0 &&
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

static bool has_large_window(const struct run *run)
{
	for (unsigned i = 0; i < IMPORT_MAX_JOBS; i++)
		if (is_large(&run->jobs[i]))
			return true;
	return false;
}

static int run_jobs(struct run *run, const struct import_layer **wanted, size_t count,
		    struct err *err)
{
	size_t next = 0, running;

	do {
		running = 0;
		for (unsigned i = 0; i < IMPORT_MAX_JOBS; i++) {
			struct job *job = &run->jobs[i];

			if (!job->layer && next < count && !has_large_window(run) &&
			    job_start(run, job, wanted[next++], err) < 0)
				return -1;
			running += job->layer != NULL;
		}
		if (grant_window(run, err) < 0)
			return -1;
		if (running && turn(run, err) < 0)
			return -1;
	} while (running);
	return 0;
}

/* Known before the first byte: compressed layers are rarely larger than what is in them. */
static int check_space(const struct run *run, struct err *err)
{
	uint64_t space = store_free_bytes(run->imp->store);

	if (run->total_bytes <= (space > RESERVE_BYTES ? space - RESERVE_BYTES : 0))
		return 0;
	return err_set(
		err, ERR_LIMIT,
		"its layers have %llu MiB compressed, %llu MiB are free below %s (%llu MiB stay reserved): make room there, \"cleat image prune -a\" takes what no unit needs",
		(unsigned long long)(run->total_bytes >> 20), (unsigned long long)(space >> 20),
		run->imp->store->path, (unsigned long long)(RESERVE_BYTES >> 20));
}

int import_layers(struct import *imp, const struct import_source *source,
		  const struct import_layer *layers, size_t count, const char *ref,
		  struct import_counts *counts, struct err *err)
{
	struct run run = {
		.imp = imp, .ref = ref, .source = source, .layers = layers, .counts = counts
	};
	const struct import_layer *wanted[STORE_MAX_LAYERS];
	size_t wanted_count = 0;
	int rc = 0;

	for (size_t i = 0; i < count && wanted_count < STORE_MAX_LAYERS; i++) {
		if (!is_wanted(&run, layers, i))
			continue;
		wanted[wanted_count++] = &layers[i];
		run.total_bytes += layers[i].size;
	}
	run.layer_count = (unsigned)wanted_count;
	imp->try_again = false;
	if (wanted_count)
		import_make_room(imp, layers, count,
				 STORE_LOW_BYTES + USUAL_RATIO * run.total_bytes);
	if (source->remote)
		rc = check_space(&run, err);
	if (rc == 0)
		rc = run_jobs(&run, wanted, wanted_count, err);
	for (unsigned i = 0; i < IMPORT_MAX_JOBS; i++)
		job_drop(&run, &run.jobs[i]);
	if (rc < 0 && run.is_full)
		imp->try_again = import_make_room(imp, layers, count, UINT64_MAX);
	if (rc < 0 && run.is_full && !imp->try_again)
		import_give_back(imp);
	return rc;
}
