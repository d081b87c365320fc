/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat fetch registry: the process that talks to the world. Nobody's uid, no capability, sockets but no file besides the two that the
 * resolver reads; TLS, HTTP, JSON and compressed digests end here. What it hands up is checked again where that can be: manifests by
 * digest (coordinator), layers by diff id (unpack). Must never write a byte to disk, nor a password to anywhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "image/fetch_internal.h"
#include "image/flat.h"
#include "image/pull.h"
#include "image/pull_config.h"
#include "image/registry.h"
#include "image/worker_internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/ids.h"
#include "util/loop.h"
#include "util/pass_fd.h"
#include "util/proc.h"
#include "util/str.h"

#define MEMORY_MAX_BYTES (256u * 1024 * 1024)
#define MAX_FDS 64
#define TURN_MSEC 200
#define TELL_USEC (200 * USEC_MSEC)
/* A damaged blob explains what unpack choked on: worth reading to its end, but not at any price. */
#define FINISH_MAX_BYTES (UINT64_C(16) * 1024 * 1024)

struct slot {
	bool is_used, is_paused, reader_gone, is_over;
	uint32_t layer;
	int fd;
	uint64_t size_bytes, done_bytes, told_bytes;
	usec_t told_at;
	struct registry_transfer *transfer;
	struct err outcome;
};

struct client {
	struct arena arena;
	const char *known[FETCH_MAX_KNOWN];
	size_t known_count;
	unsigned compare_retries;
	struct image_ref asked;
	struct pull_config *config;
	struct registry *registry;
	struct pull_candidate *candidates;
	size_t candidate_count;
	const struct pull_candidate *candidate; /* the one that has it */
	struct registry_image image;
	struct slot slots[FETCH_PARALLEL];
	bool orders_over;
};

/* --- becoming nobody ------------------------------------------------------------------------------------------------------- */

static int enter_root(struct err *err)
{
	if (fchdir(FETCH_FD_ROOT) < 0)
		return err_sys(err, "root folder: fchdir");
	if (chroot(".") < 0)
		return err_sys(err, "root folder: chroot");
	close(FETCH_FD_ROOT);
	return 0;
}

static int confine(pid_t parent, struct err *err)
{
	/* open, alarm and the like are no system calls of every machine: libseccomp passes over those */
	static const int extra[] = {
		SCMP_SYS(prctl),       SCMP_SYS(getppid),    SCMP_SYS(socket),
		SCMP_SYS(connect),     SCMP_SYS(bind),	     SCMP_SYS(getsockname),
		SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
		SCMP_SYS(sendto),      SCMP_SYS(recvfrom),   SCMP_SYS(sendmsg),
		SCMP_SYS(recvmsg),     SCMP_SYS(shutdown),   SCMP_SYS(open),
		SCMP_SYS(openat),      SCMP_SYS(eventfd2),   SCMP_SYS(pipe2),
		SCMP_SYS(socketpair),  SCMP_SYS(setitimer),  SCMP_SYS(sendmmsg),
		SCMP_SYS(recvmmsg),    SCMP_SYS(getdents64), -1,
	};
	static const char *const folder[] = { "/", NULL };
	struct proc_confine c = {
		.uid = IDS_WORKER_FETCH,
		.gid = IDS_WORKER_FETCH,
		.read_paths = folder,
		.syscalls = extra,
		.memory_max_bytes = MEMORY_MAX_BYTES,
		.max_fds = MAX_FDS,
	};

	if (enter_root(err) < 0 || proc_confine(&c, err) < 0)
		return -1;
	return worker_die_with(parent, err);
}

/* --- telling --------------------------------------------------------------------------------------------------------------- */

static int tell(const struct buf *lines, struct err *err)
{
	if (buf_check(lines, "image record", err) < 0)
		return -1;
	return file_write_all(WORKER_FD_RECORDS, lines->data, lines->len, err);
}

static int tell_layer(const char *key, uint32_t layer, const char *text, struct err *err)
{
	auto_buf value = BUF_INIT(1024);
	auto_buf line = BUF_INIT(4096);

	buf_printf(&value, "%u%s%s", layer, *text ? " " : "", text);
	flat_put(&line, key, buf_str(&value));
	return tell(&line, err);
}

static int tell_progress(struct slot *slot, usec_t now, struct err *err)
{
	char text[24];

	if (slot->done_bytes == slot->told_bytes ||
	    (slot->done_bytes - slot->told_bytes < WORKER_PROGRESS_BYTES &&
	     now - slot->told_at < TELL_USEC))
		return 0;
	slot->told_bytes = slot->done_bytes;
	slot->told_at = now;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)slot->done_bytes);
	return tell_layer("layer-bytes", slot->layer, text, err);
}

/* What a registry lacks today may be pushed tomorrow, or be there again under a tag that has moved meanwhile. */
static enum err_code code_of_failure(enum err_code code)
{
	return code == ERR_NOT_FOUND ? ERR_BUSY : code;
}

static int tell_outcome(struct slot *slot, struct err *err)
{
	auto_buf text = BUF_INIT(1024);

	if (slot->outcome.code == ERR_NONE)
		return tell_layer("layer-done", slot->layer, "", err);
	/* not the registry's fault: unpack has said what it is */
	if (slot->reader_gone)
		return tell_layer("layer-left", slot->layer, "", err);
	buf_printf(&text, "%s %s", err_code_name(code_of_failure(slot->outcome.code)),
		   slot->outcome.msg);
	return tell_layer("layer-failed", slot->layer, buf_str(&text), err);
}

/* --- layers ---------------------------------------------------------------------------------------------------------------- */

static ssize_t take_bytes(void *arg, const void *data, size_t length)
{
	struct slot *slot = arg;
	ssize_t n = (ssize_t)length;

	if (!slot->reader_gone) {
		do
			n = write(slot->fd, data, length);
		while (n < 0 && errno == EINTR);
		if (n < 0 && errno == EAGAIN) {
			slot->is_paused = true;
			return 0;
		}
		if (n < 0) {
			if (errno != EPIPE)
				return -1;
			slot->reader_gone = true;
			n = (ssize_t)length;
		}
	}
	if (slot->reader_gone && slot->size_bytes > FINISH_MAX_BYTES)
		return -1;
	slot->done_bytes += (uint64_t)n;
	return n;
}

static void on_done(void *arg, const struct err *err)
{
	struct slot *slot = arg;

	slot->is_over = true;
	if (err)
		slot->outcome = *err;
	/* unpack sees the end of the layer; it counts only with our word for it */
	close_fd(&slot->fd);
}

static int begin_layer(struct client *c, uint32_t layer, int pipe_fd, struct err *err)
{
	struct slot *slot = NULL;

	for (unsigned i = 0; i < FETCH_PARALLEL && !slot; i++)
		if (!c->slots[i].is_used)
			slot = &c->slots[i];
	if (!slot || layer >= c->image.layer_count)
		return err_set(err, ERR_BUG, "layer %u cannot be begun", layer);
	*slot = (struct slot){ .is_used = true,
			       .layer = layer,
			       .fd = pipe_fd,
			       .size_bytes = c->image.layers[layer].bytes };
	if (fcntl(slot->fd, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(err, "pipe: fcntl");
	slot->transfer = registry_fetch(c->registry, c->candidate, &c->image, layer, take_bytes,
					on_done, slot, err);
	return slot->transfer ? 0 : -1;
}

/* --- orders ---------------------------------------------------------------------------------------------------------------- */

/* One order; verb 0: there are no more. Blocks when there is none yet. */
static int next_order(struct fetch_order *order, int *fd, struct err *err)
{
	ssize_t n;

	*fd = -1;
	do
		n = pass_fd_receive(FETCH_FD_ORDERS, order, sizeof(*order), fd, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, "orders");
	if (n == 0)
		order->verb = 0;
	else if (n != sizeof(*order))
		return err_set(err, ERR_BUG, "an order of %zd bytes", n);
	return 0;
}

static int take_order(struct client *c, struct err *err)
{
	struct fetch_order order = { 0 };
	int fd = -1;

	if (next_order(&order, &fd, err) < 0)
		return -1;
	if (order.verb == 0) {
		c->orders_over = true;
		return 0;
	}
	if (order.verb != FETCH_ORDER_LAYER || fd < 0)
		return err_set(err, ERR_BUG, "unknown order %u", order.verb);
	return begin_layer(c, order.layer, fd, err);
}

static int wait_for_go(struct client *c, struct err *err)
{
	struct fetch_order order = { 0 };
	int fd = -1;

	if (next_order(&order, &fd, err) < 0)
		return -1;
	c->orders_over = order.verb == 0;
	if (order.verb > FETCH_ORDER_GO)
		return err_set(err, ERR_BUG, "unknown order %u", order.verb);
	return 0;
}

/* --- serving --------------------------------------------------------------------------------------------------------------- */

static bool is_busy(const struct client *c)
{
	for (unsigned i = 0; i < FETCH_PARALLEL; i++)
		if (c->slots[i].is_used)
			return true;
	return false;
}

static int look_after(struct client *c, const struct pollfd *pipes, struct err *err)
{
	usec_t now = clock_now_usec();

	for (unsigned i = 0; i < FETCH_PARALLEL; i++) {
		struct slot *slot = &c->slots[i];

		if (!slot->is_used)
			continue;
		if (slot->is_over) {
			slot->is_used = false;
			if (tell_outcome(slot, err) < 0)
				return -1;
			continue;
		}
		if (slot->is_paused && pipes[i].fd >= 0 && pipes[i].revents) {
			slot->is_paused = false;
			registry_resume(slot->transfer);
		}
		if (tell_progress(slot, now, err) < 0)
			return -1;
	}
	return 0;
}

static int serve(struct client *c, struct err *err)
{
	while (!c->orders_over || is_busy(c)) {
		struct pollfd fds[FETCH_PARALLEL + 1];
		unsigned running;

		for (unsigned i = 0; i < FETCH_PARALLEL; i++)
			fds[i] = (struct pollfd){
				.fd = c->slots[i].is_paused ? c->slots[i].fd : -1,
				.events = POLLOUT,
			};
		fds[FETCH_PARALLEL] = (struct pollfd){ .fd = c->orders_over ? -1 : FETCH_FD_ORDERS,
						       .events = POLLIN };
		if (registry_turn(c->registry, fds, FETCH_PARALLEL + 1, TURN_MSEC, &running, err) <
		    0)
			return -1;
		if (fds[FETCH_PARALLEL].revents && !c->orders_over && take_order(c, err) < 0)
			return -1;
		if (look_after(c, fds, err) < 0)
			return -1;
	}
	return 0;
}

/* --- which image ----------------------------------------------------------------------------------------------------------- */

/* Before a byte came from the network: afterwards they might be anybody's words. */
static int tell_notes(const struct client *c, struct err *err)
{
	auto_buf lines = BUF_INIT(64 * 1024);
	const char *const *notes;
	size_t count = pull_config_notes(c->config, &notes);
	size_t shown = count <= FETCH_MAX_NOTES ? count : FETCH_MAX_NOTES - 1;
	char more[64];

	for (size_t i = 0; i < shown; i++)
		flat_put(&lines, "note", notes[i]);
	snprintf(more, sizeof(more), "registries.conf, auth.json, certs.d: %zu more",
		 count - shown);
	if (shown < count)
		flat_put(&lines, "note", more);
	return tell(&lines, err);
}

static int tell_candidates(const struct client *c, struct err *err)
{
	auto_buf lines = BUF_INIT(64 * 1024);
	char name[REF_MAX];

	for (size_t i = 0; i < c->candidate_count; i++) {
		ref_format(&c->candidates[i].ref, name);
		flat_put(&lines, "candidate", name);
	}
	flat_put(&lines, "may-ask", "");
	return tell(&lines, err);
}

/* Is what the name means now known to the caller? Asked for with HEAD, which no registry counts as a pull. */
static int compare(struct client *c, const struct pull_candidate *candidate, bool *is_known,
		   struct err *err)
{
	auto_buf line = BUF_INIT(1024);
	char digest[80];

	*is_known = false;
	if (!c->known_count)
		return 0;
	if (registry_head(c->registry, candidate, c->compare_retries, digest, err) < 0)
		return -1;
	for (size_t i = 0; i < c->known_count && !*is_known; i++)
		*is_known = str_eq(c->known[i], digest);
	if (!*is_known)
		return 0;
	flat_put(&line, "unchanged", digest);
	return tell(&line, err);
}

/* Every candidate in turn, as podman: the first that has it. The reasons of all are told when none has. */
static int find_image(struct client *c, bool *is_known, struct err *err)
{
	auto_buf reasons = BUF_INIT(1600);
	enum err_code code = ERR_NOT_FOUND;

	for (size_t i = 0; i < c->candidate_count; i++) {
		const struct pull_candidate *candidate = &c->candidates[i];

		c->candidate = candidate;
		if (compare(c, candidate, is_known, err) == 0 &&
		    (*is_known || registry_resolve(c->registry, candidate, NULL, NULL, &c->arena,
						   &c->image, err) == 0))
			return 0;
		buf_printf(&reasons, "%s%.380s", i ? "; " : "", err->msg);
		if (code != ERR_BUSY && err->code != ERR_NOT_FOUND)
			code = err->code;
	}
	return err_set(err, code_of_failure(code), "%s", buf_str(&reasons));
}

static int tell_image(const struct client *c, struct err *err)
{
	const struct registry_image *image = &c->image;
	auto_buf lines = BUF_INIT(WORKER_RECORDS_MAX_BYTES);
	char name[REF_MAX];

	ref_format(&image->ref, name);
	flat_put(&lines, "name", name);
	flat_put(&lines, "from", image->from);
	if (image->index_digest[0])
		flat_put(&lines, "index", image->index_digest);
	if (fetch_describe(image->manifest_digest, image->manifest, image->manifest_length,
			   image->config, image->config_length, &lines, err) < 0)
		return err_wrap(err, "%s", image->from);
	flat_put(&lines, "ready", image->manifest_digest);
	return tell(&lines, err);
}

static int run(struct client *c, const struct registry_limits *limits, struct err *err)
{
	bool is_known = false;

	/* first: why nothing is found may be just that */
	if (tell_notes(c, err) < 0 ||
	    pull_config_resolve(c->config, &c->asked, &c->arena, &c->candidates,
				&c->candidate_count, err) < 0)
		return -1;
	if (c->candidate_count > FETCH_MAX_CANDIDATES)
		return err_set(err, ERR_LIMIT, "%zu registries may be meant, at most %d",
			       c->candidate_count, FETCH_MAX_CANDIDATES);
	if (tell_candidates(c, err) < 0 || wait_for_go(c, err) < 0)
		return -1;
	if (c->orders_over)
		return 0;
	c->registry = registry_open(c->config, limits, err);
	if (!c->registry || find_image(c, &is_known, err) < 0)
		return -1;
	if (is_known)
		return 0;
	return tell_image(c, err) < 0 ? -1 : serve(c, err);
}

static int parse_args(int argc, char **argv, struct client *c, struct registry_limits *limits,
		      struct err *err)
{
	uint64_t retries, compare_retries;

	if (argc < 6 || argc > 6 + FETCH_MAX_KNOWN || ref_parse(argv[2], &c->asked, err) < 0 ||
	    !str_to_u64(argv[3], PULL_MAX_RETRIES, &retries) ||
	    !str_to_u64(argv[4], PULL_MAX_RETRIES, &compare_retries) ||
	    !str_to_u64(argv[5], INT64_MAX, &limits->retry_delay_usec))
		return err_set(err, ERR_BUG,
			       "usage: cleat fetch registry REF RETRIES COMPARE-RETRIES DELAY-USEC "
			       "[DIGEST...]");
	limits->retries = (unsigned)retries;
	c->compare_retries = (unsigned)compare_retries;
	for (int i = 6; i < argc; i++)
		c->known[c->known_count++] = argv[i];
	return 0;
}

int fetch_registry(int argc, char **argv, pid_t parent, struct err *err)
{
	struct registry_limits limits = { .redirect_max = 5, .parallel = FETCH_PARALLEL };
	auto_buf bundle = BUF_INIT(PULL_CONFIG_MAX_BYTES);
	auto_arena arena = { 0 };
	struct client *c;
	int rc;

	c = arena_new(&arena, struct client);
	if (parse_args(argc, argv, c, &limits, err) < 0 || confine(parent, err) < 0 ||
	    file_read_fd(WORKER_FD_IN, PULL_CONFIG_MAX_BYTES, &bundle, err) < 0)
		return -1;
	rc = pull_config_parse(buf_str(&bundle), bundle.len, &c->arena, &c->config, err);
	if (rc == 0)
		rc = run(c, &limits, err);
	if (c->registry)
		registry_close(c->registry);
	arena_fini(&c->arena);
	return rc;
}
