/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One image from a registry into the store: gathers the files that say where and with which rights to ask, starts the process that
 * asks (cleat fetch registry) in a root folder of its own, and gives it a pipe for each layer that is missing. Parses nothing of
 * what came over the network but flat records. The store is locked from the moment that something is missing, not before: a
 * registry that hangs keeps nobody from using the store.
 */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/fetch_internal.h"
#include "image/import_internal.h"
#include "image/pull_config.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/pass_fd.h"
#include "util/path.h"
#include "util/places.h"
#include "util/proc.h"
#include "util/str.h"

#define RESOLVER_MAX_BYTES (1024 * 1024)
#define STOP_LOOK_MSEC 500

/* --- the worker's root folder ---------------------------------------------------------------------------------------------- */

/* What the C library's resolver reads, as it is now: a retry is a new process with new copies. */
static int copy_file(int root, const char *name, struct err *err)
{
	auto_buf text = BUF_INIT(RESOLVER_MAX_BYTES);
	char path[64];

	snprintf(path, sizeof(path), "/%s", name);
	/* without it there still are addresses, and names from the other one */
	if (file_read_at(AT_FDCWD, path, RESOLVER_MAX_BYTES, &text, err) < 0)
		buf_clear(&text);
	return file_write_atomic(root, name, buf_str(&text), text.len, 0644, false, err);
}

/* The process whose folder has this name, 0 if it is none of ours: PREFIX PID, or PREFIX PID.SOMETHING. */
static pid_t owner_of_root(const char *name, const char *prefix)
{
	char digits[16] = "";
	size_t n;
	uint64_t pid;

	if (!str_starts(name, prefix))
		return 0;
	name += strlen(prefix);
	n = strcspn(name, ".");
	if (n >= sizeof(digits))
		return 0;
	memcpy(digits, name, n);
	return str_to_u64(digits, INT32_MAX, &pid) && pid > 1 ? (pid_t)pid : 0;
}

/* Those of coordinators that were killed. In /tmp anybody can take such a name. */
static void sweep_roots(const char *base, const char *prefix)
{
	auto_dir DIR *dir = opendir(base);
	struct dirent *entry;
	struct stat st;
	struct err ignored;
	pid_t pid;

	while (dir && (entry = readdir(dir)))
		if ((pid = owner_of_root(entry->d_name, prefix)) > 0 && !proc_start_ticks(pid) &&
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_uid == geteuid() &&
		    path_remove_tree(dirfd(dir), entry->d_name, &ignored) < 0)
			fprintf(stderr, "cleat import: %s\n", ignored.msg);
}

/* Below /run/cleat where that is, which is the appliance; elsewhere a new folder of /tmp. */
static int make_root(struct import_remote *remote, struct err *err)
{
	static const char *const files[] = { "etc/resolv.conf", "etc/hosts" };

	if (access(CLEAT_RUN_DIR, W_OK) == 0) {
		sweep_roots(CLEAT_RUN_DIR, "fetch.");
		snprintf(remote->root, sizeof(remote->root), CLEAT_RUN_DIR "/fetch.%ld",
			 (long)getpid());
		if (mkdir(remote->root, 0755) < 0 && errno != EEXIST)
			return err_sys(err, "%s", remote->root);
	} else {
		sweep_roots("/tmp", "cleat-fetch.");
		snprintf(remote->root, sizeof(remote->root), "/tmp/cleat-fetch.%ld.XXXXXX",
			 (long)getpid());
		if (!mkdtemp(remote->root)) {
			remote->root[0] = '\0';
			return err_sys(err, "/tmp/cleat-fetch.%ld.XXXXXX", (long)getpid());
		}
	}
	auto_fd int root = open(remote->root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (root < 0)
		return err_sys(err, "%s: open", remote->root);
	if (fchmod(root, 0755) < 0 || (mkdirat(root, "etc", 0755) < 0 && errno != EEXIST) ||
	    fchmodat(root, "etc", 0755, 0) < 0)
		return err_sys(err, "%s/etc", remote->root);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (copy_file(root, files[i], err) < 0)
			return err_wrap(err, "%s", remote->root);
	return take_fd(&root);
}

static void remove_root(struct import_remote *remote)
{
	auto_fd int top = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err err;

	if (remote->root[0] && path_remove_tree(top, remote->root + 1, &err) < 0)
		fprintf(stderr, "cleat import: %s\n", err.msg);
	remote->root[0] = '\0';
}

/* --- what it may know ------------------------------------------------------------------------------------------------------ */

static const char *given(const char *text)
{
	return text && *text ? text : NULL;
}

static int gather(const struct import *imp, const struct pull_want *want, struct buf *bundle,
		  struct err *err)
{
	static const char *const system_dirs[] = { "/etc/containers", NULL };
	static const char *const ca_files[] = { "/etc/ssl/certs/ca-certificates.crt",
						"/etc/ssl/cert.pem",
						"/etc/pki/tls/certs/ca-bundle.crt", NULL };
	const struct pull_request *request = &imp->request;
	struct pull_places places = {
		.config_dir = request->config_dir ? request->config_dir : CLEAT_CONFIG_DIR,
		.system_dirs = system_dirs,
		.ca_files = ca_files,
		.auth_file = given(want->auth_file),
		.creds = given(want->creds),
		.cert_dir = given(want->cert_dir),
		.tls_verify_given = want->tls_verify_given,
		.tls_verify = want->tls_verify,
		.http_proxy = given(request->http_proxy),
		.https_proxy = given(request->https_proxy),
		.no_proxy = given(request->no_proxy),
	};

	return pull_config_gather(&places, bundle, err);
}

/* A file without a name: it holds passwords. */
static int bundle_fd(const struct import *imp, const struct pull_want *want, struct err *err)
{
	auto_buf bundle = BUF_INIT(PULL_CONFIG_MAX_BYTES);
	auto_fd int fd = memfd_create("pull-config", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "memfd_create");
	if (gather(imp, want, &bundle, err) < 0 ||
	    file_write_all(fd, buf_str(&bundle), bundle.len, err) < 0)
		return -1;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, "lseek");
	return take_fd(&fd);
}

/* --- starting it and giving orders ----------------------------------------------------------------------------------------- */

static int start(struct import *imp, struct import_remote *remote, const struct pull_want *want,
		 const struct store_ref *known, struct err *err)
{
	char retries[24], compare_retries[24], delay[24];
	const char *args[7 + FETCH_MAX_KNOWN] = { "registry", want->from ? want->from : want->ref,
						  retries, compare_retries, delay };
	unsigned count = 5;
	int pair[2];

	snprintf(retries, sizeof(retries), "%u", want->retries);
	/* a unit whose image is here does not wait for a registry that is not */
	snprintf(compare_retries, sizeof(compare_retries), "%u",
		 pull_falls_back(want->policy, known != NULL) ? 0u : want->retries);
	snprintf(delay, sizeof(delay), "%llu", (unsigned long long)want->retry_delay_usec);
	if (known && known->digest[0])
		args[count++] = known->digest;
	if (known && known->index[0])
		args[count++] = known->index;

	auto_fd int bundle = bundle_fd(imp, want, err);
	auto_fd int root = bundle < 0 ? -1 : make_root(remote, err);

	if (root < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, "socketpair");
	remote->orders_fd = pair[0];
	auto_fd int theirs = pair[1];
	const int fds[] = { bundle, -1, STDERR_FILENO, theirs, root };

	return worker_start(&remote->worker, args, fds, 5, err);
}

static int send_order(const struct import_remote *remote, enum fetch_verb verb, uint32_t layer,
		      int fd, struct err *err)
{
	struct fetch_order order = { .verb = verb, .layer = layer };

	if (pass_fd_send(remote->orders_fd, &order, sizeof(order), fd, 0) < 0)
		return err_sys(err, "fetch: order");
	return 0;
}

int import_remote_layer(struct import_remote *remote, size_t layer, int fd, struct err *err)
{
	return send_order(remote, FETCH_ORDER_LAYER, (uint32_t)layer, fd, err);
}

/* --- hearing what it found ------------------------------------------------------------------------------------------------- */

static int on_candidate(struct import_remote *remote, const char *name, struct err *err)
{
	struct image_ref ref;

	if (remote->may_ask || remote->candidate_count == FETCH_MAX_CANDIDATES ||
	    ref_parse(name, &ref, err) < 0)
		return err_set(err, ERR_INTEGRITY, "fetch: bad candidate");
	str_copy(remote->candidates[remote->candidate_count++], REF_MAX, name);
	return 0;
}

/* The same files are read for each image: said once. */
static int on_note(struct import_remote *remote, const char *text, struct err *err)
{
	struct import_record record = import_record_new(IMPORT_NOTE, "", "", text);
	struct import *imp = remote->imp;

	if (remote->may_ask || remote->note_count++ == FETCH_MAX_NOTES)
		return err_set(err, ERR_INTEGRITY, "fetch: bad note");
	for (size_t i = 0; i < imp->note_count; i++)
		if (str_eq(imp->notes[i], record.text))
			return 0;
	*arena_push(&imp->arena, imp->notes, imp->note_count) =
		arena_strdup(&imp->arena, record.text);
	import_emit(imp, &record);
	return 0;
}

/* Said before it had read a byte from the network: afterwards it cannot give its image another one's name. */
static int on_name(struct import_remote *remote, const char *name, struct err *err)
{
	for (size_t i = 0; i < remote->candidate_count; i++) {
		if (!str_eq(remote->candidates[i], name))
			continue;
		str_copy(remote->name, sizeof(remote->name), name);
		return 0;
	}
	return err_set(err, ERR_INTEGRITY, "fetch: a name that was not asked for");
}

static int on_line(const struct flat_line *line, void *arg, struct err *err)
{
	struct import_remote *remote = arg;

	if (str_eq(line->key, "candidate"))
		return on_candidate(remote, line->value, err);
	if (str_eq(line->key, "note"))
		return on_note(remote, line->value, err);
	if (str_eq(line->key, "may-ask")) {
		remote->may_ask = true;
	} else if (str_eq(line->key, "unchanged")) {
		remote->is_unchanged = true;
	} else if (str_eq(line->key, "name")) {
		return on_name(remote, line->value, err);
	} else if (str_eq(line->key, "from")) {
		str_copy_text(remote->from, sizeof(remote->from), line->value);
	} else if (str_eq(line->key, "index")) {
		if (!digest_is_valid(line->value))
			return err_set(err, ERR_INTEGRITY, "fetch: bad index");
		str_copy(remote->index, sizeof(remote->index), line->value);
	} else if (str_eq(line->key, "ready")) {
		if (remote->is_ready || !digest_is_valid(line->value))
			return err_set(err, ERR_INTEGRITY, "fetch: bad manifest");
		remote->is_ready = true;
		str_copy(remote->digest, sizeof(remote->digest), line->value);
	} else {
		return import_description_line(line, remote->description, err);
	}
	return 0;
}

/* Reads until *flag or the process's end. */
static int listen_until(struct import_remote *remote, const bool *flag, struct err *err)
{
	while (!*flag && remote->worker.fd >= 0) {
		struct pollfd fd = { .fd = remote->worker.fd, .events = POLLIN };

		if (import_is_stopped(err))
			return -1;
		if (poll(&fd, 1, STOP_LOOK_MSEC) < 0 && errno != EINTR)
			return err_sys(err, "poll");
		if (!fd.revents)
			continue;
		import_got_on();
		worker_read(&remote->worker, on_line, remote);
	}
	if (remote->worker.fd < 0 && !remote->worker.ok)
		return err_set(err, remote->worker.code, "%s", remote->worker.error);
	return 0;
}

/* A digest that was asked for is the manifest's own or its index's; the index's is the worker's word, as with an archive. */
static int check_pinned(const struct import_remote *remote, const struct image_ref *ref,
			struct err *err)
{
	if (!ref->digest[0] || str_eq(ref->digest, remote->digest) ||
	    str_eq(ref->digest, remote->index))
		return 0;
	return err_set(err, ERR_INTEGRITY, "%s answered %s with manifest %s", remote->from,
		       ref->digest, remote->digest);
}

/* --- one image ------------------------------------------------------------------------------------------------------------- */

static int fill_store(struct import *imp, struct import_remote *remote, const char *name,
		      struct import_counts *counts, struct err *err)
{
	const struct import_description *d = remote->description;
	const struct import_source source = { .archive_fd = -1, .remote = remote };

	if (import_take_store(imp, name, err) < 0)
		return -1;
	/* whoever had the lock may have done it */
	if (import_is_complete(imp, remote->digest))
		return 0;
	if (import_layers(imp, &source, d->layers, d->layer_count, name, counts, err) < 0)
		return -1;
	return store_image_commit(imp->store, remote->digest, &d->manifest, &d->config, &d->facts,
				  err);
}

/* The full name, as podman calls it, and the one that was asked for: a short one, or an .image unit's ImageTag=. */
static int write_names(struct import *imp, const struct import_remote *remote, const char *asked,
		       struct err *err)
{
	const char *names[] = { remote->name, asked };
	struct store_ref now = { 0 };

	str_copy(now.digest, sizeof(now.digest), remote->digest);
	str_copy(now.index, sizeof(now.index), remote->index);
	if (store_source_of_registry(remote->from, imp->image_dir, now.source, sizeof(now.source),
				     err) < 0)
		return -1;
	for (size_t i = 0; i < 2; i++)
		if (import_write_name(imp, names[i], &now, err) < 0)
			return -1;
	return 0;
}

static int take_image(struct import *imp, struct import_remote *remote,
		      const struct pull_want *want, struct import_counts *counts, struct err *err)
{
	struct image_ref ref;

	if (!remote->name[0])
		return err_set(err, ERR_INTEGRITY, "fetch: an image without a name");
	if (ref_parse(want->from ? want->from : want->ref, &ref, err) < 0 ||
	    import_description_check(remote->description, remote->digest, err) < 0 ||
	    check_pinned(remote, &ref, err) < 0)
		return -1;
	if (!import_is_complete(imp, remote->digest) &&
	    fill_store(imp, remote, want->ref, counts, err) < 0)
		return -1;
	return write_names(imp, remote, want->ref, err);
}

/* A short name whose full one is here needs no network. */
static bool find_candidate(struct import *imp, struct import_remote *remote,
			   const struct pull_want *want)
{
	if (want->policy != PULL_MISSING)
		return false;
	for (size_t i = 0; i < remote->candidate_count; i++) {
		struct image_ref ref;
		struct store_ref found;
		struct err ignored;

		if (ref_parse(remote->candidates[i], &ref, &ignored) < 0 ||
		    !import_find(imp, &ref, &found))
			continue;
		str_copy(remote->name, sizeof(remote->name), remote->candidates[i]);
		str_copy(remote->digest, sizeof(remote->digest), found.digest);
		str_copy(remote->index, sizeof(remote->index), found.index);
		str_copy_text(remote->from, sizeof(remote->from), remote->candidates[i]);
		remote->is_here = true;
		return true;
	}
	return false;
}

static int run(struct import *imp, struct import_remote *remote, const struct pull_want *want,
	       const struct store_ref *known, struct import_counts *counts, struct err *err)
{
	static const bool never;

	if (start(imp, remote, want, known, err) < 0 ||
	    listen_until(remote, &remote->may_ask, err) < 0)
		return -1;
	if (!remote->may_ask)
		return err_set(err, ERR_INTEGRITY, "fetch: no candidates");
	if (find_candidate(imp, remote, want))
		return write_names(imp, remote, want->ref, err);
	if (send_order(remote, FETCH_ORDER_GO, 0, -1, err) < 0 ||
	    listen_until(remote, &remote->is_ready, err) < 0)
		return -1;
	if (!remote->is_ready) {
		if (!remote->is_unchanged || !known)
			return err_set(err, ERR_INTEGRITY, "fetch: it found nothing");
		str_copy(remote->digest, sizeof(remote->digest), known->digest);
		return 0;
	}
	if (want->only_asks) {
		remote->is_newer = !known || !str_eq(known->digest, remote->digest);
		remote->is_unchanged = !remote->is_newer;
		return 0;
	}
	if (take_image(imp, remote, want, counts, err) < 0)
		return -1;
	close_fd(&remote->orders_fd);
	return listen_until(remote, &never, err);
}

/* Is any link up that leads further than this machine? */
static bool has_network(void)
{
	struct ifaddrs *list = NULL;
	bool found = false;

	if (getifaddrs(&list) < 0)
		return true;
	for (const struct ifaddrs *i = list; i && !found; i = i->ifa_next) {
		const struct sockaddr_in6 *six = (const void *)i->ifa_addr;

		if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) || (i->ifa_flags & IFF_LOOPBACK))
			continue;
		found = i->ifa_addr->sa_family == AF_INET ||
			(i->ifa_addr->sa_family == AF_INET6 &&
			 !IN6_IS_ADDR_LINKLOCAL(&six->sin6_addr));
	}
	freeifaddrs(list);
	return found;
}

static int once(struct import *imp, const struct pull_want *want, const struct store_ref *known,
		struct import_outcome *out, struct err *err)
{
	struct import_remote *remote = arena_new(&imp->arena, struct import_remote);
	struct import_counts counts = { 0 };
	int rc;

	*remote = (struct import_remote){ .imp = imp,
					  .worker = WORKER_INIT("fetch"),
					  .orders_fd = -1 };
	remote->description = import_description_new(imp);
	rc = run(imp, remote, want, known, &counts, err);
	close_fd(&remote->orders_fd);
	worker_fini(&remote->worker);
	remove_root(remote);
	import_description_fini(remote->description);
	if (rc < 0)
		return err->code == ERR_BUSY && !has_network() ?
			       err_wrap(err, "waiting for the network: no address yet") :
			       -1;
	str_copy(out->digest, sizeof(out->digest), remote->digest);
	str_copy(out->from, sizeof(out->from), remote->from);
	out->is_unchanged = remote->is_unchanged;
	out->is_here = remote->is_here;
	out->is_newer = remote->is_newer;
	out->counts = counts;
	return 0;
}

int import_from_registry(struct import *imp, const struct pull_want *want,
			 const struct store_ref *known, struct import_outcome *out, struct err *err)
{
	imp->try_again = false;
	if (once(imp, want, known, out, err) == 0)
		return 0;
	return imp->try_again ? once(imp, want, known, out, err) : -1;
}
