/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat pull: images into the store by hand. Runs the same import process as the engine does (image/worker.h) and shows what it tells;
 * the store's lock decides between the two. Works without an engine. Ctrl-C ends the import, which clears away what is half done.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "image/store_admin.h"
#include "image/worker.h"
#include "spec/spec.h"
#include "util/cleanup.h"
#include "util/places.h"
#include "util/str.h"

#define PULL_FAILED 125 /* podman's */
#define BAR_CELLS 24
#define LONG_DIGEST 19 /* "sha256:" and twelve digits: what tells layers apart */

struct pull {
	const char *policy, *auth_file, *cert_dir, *creds, *tls_verify, *retry, *retry_delay;
	const char *store, *images, *config;
	bool quiet;
	struct arena arena;
	struct pull_request request;
	struct proc proc;
	int fd;
	bool is_terminal, bar_is_shown, is_done, is_stopping;
	int result;
};

static volatile sig_atomic_t stop_signal;

static void on_stop(int number)
{
	stop_signal = number;
}

static void clear_bar(struct pull *p)
{
	if (p->bar_is_shown)
		fputs("\r\033[K", stderr);
	p->bar_is_shown = false;
}

static void show_progress(struct pull *p, const struct import_record *record)
{
	char bar[BAR_CELLS + 1];
	uint64_t filled = 0;

	if (p->quiet || !p->is_terminal)
		return;
	if (record->total_bytes)
		filled = record->done_bytes >= record->total_bytes ?
				 BAR_CELLS :
				 record->done_bytes * BAR_CELLS / record->total_bytes;
	for (unsigned i = 0; i < BAR_CELLS; i++)
		bar[i] = i < filled ? '#' : '.';
	bar[BAR_CELLS] = '\0';
	fprintf(stderr, "\r\033[K[%s] %s", bar, record->text);
	fflush(stderr);
	p->bar_is_shown = true;
}

static void show_layer(struct pull *p, const struct import_record *record)
{
	if (p->quiet)
		return;
	clear_bar(p);
	fprintf(stderr, "layer %.*s %llu bytes: done\n", LONG_DIGEST, record->digest,
		(unsigned long long)record->total_bytes);
}

/* What podman prints: the digest of the image's config. */
static void print_id(struct pull *p, const struct import_record *record)
{
	const struct store_entry *image;
	struct store_list list;
	auto_arena arena = { 0 };
	struct store *store;
	struct err err;

	store = store_open(p->store, NULL, &err);
	image = store && store_list_read(store, &arena, &list, &err) == 0 ?
			store_list_find(&list, record->digest, NULL, &err) :
			NULL;
	if (image)
		puts(str_starts(image->id, "sha256:") ? image->id + strlen("sha256:") : image->id);
	else
		fprintf(stderr, "cleat: %s\n", err.msg);
	if (!image)
		p->result = PULL_FAILED;
	fflush(stdout);
	store_close(store);
}

static void show_failure(struct pull *p, const struct import_record *record)
{
	clear_bar(p);
	fprintf(stderr, "cleat: %s: %s\n", record->ref, record->text);
	p->result = PULL_FAILED;
}

static void on_record(struct pull *p, struct import_record *record)
{
	record->ref[sizeof(record->ref) - 1] = '\0';
	record->digest[sizeof(record->digest) - 1] = '\0';
	record->text[sizeof(record->text) - 1] = '\0';
	cli_clean(record->text);
	cli_clean(record->ref);
	switch ((enum import_kind)record->kind) {
	case IMPORT_PROGRESS:
		show_progress(p, record);
		break;
	case IMPORT_LAYER:
		show_layer(p, record);
		break;
	case IMPORT_IMAGE:
		clear_bar(p);
		if (!p->quiet)
			fprintf(stderr, "%s: %s\n", record->ref, record->text);
		print_id(p, record);
		break;
	case IMPORT_MISSING:
	case IMPORT_ERROR:
	case IMPORT_RETRY:
		show_failure(p, record);
		break;
	case IMPORT_ARCHIVE_ERROR:
		clear_bar(p);
		fprintf(stderr, "cleat: image archive: %s\n", record->text);
		break;
	case IMPORT_NOTE:
		clear_bar(p);
		fprintf(stderr, "cleat: note: %s\n", record->text);
		break;
	case IMPORT_NEWER: /* only answers what nobody asks here */
		break;
	case IMPORT_DONE:
		p->is_done = true;
		break;
	}
}

static void read_records(struct pull *p)
{
	struct import_record record = { 0 };
	ssize_t n;

	for (;;) {
		struct pollfd fd = { .fd = p->fd, .events = POLLIN };

		if (stop_signal && !p->is_stopping) {
			kill(p->proc.pid, SIGTERM);
			p->is_stopping = true; /* it needs its time to clear away */
		}
		if (poll(&fd, 1, 1000) <= 0)
			continue;
		n = recv(p->fd, &record, sizeof(record), MSG_DONTWAIT);
		if (n > 0)
			on_record(p, &record);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return;
	}
}

static int pull_all(struct pull *p)
{
	struct sigaction stop = { .sa_handler = on_stop };
	struct err err;

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	if (import_start(p->store, p->images, &p->request, -1, &p->proc, &p->fd, &err) < 0) {
		fprintf(stderr, "cleat: %s\n", err.msg);
		return PULL_FAILED;
	}
	read_records(p);
	clear_bar(p);
	close_fd(&p->fd);
	close_fd(&p->proc.pidfd);
	while (waitpid(p->proc.pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (!p->is_done) {
		fputs("cleat: the import process ended without an answer\n", stderr);
		p->result = PULL_FAILED;
	}
	if (p->result == CLI_OK)
		cli_images_changed(p->store);
	return p->result;
}

/* The words of "podman image pull" are read as those of an .image unit are, by the same table. */
static bool read_words(struct pull *p, const char *ref, struct container_spec *spec)
{
	const struct {
		const char *name, *value;
	} words[] = {
		{ "--policy=", p->policy },	      { "--authfile=", p->auth_file },
		{ "--cert-dir=", p->cert_dir },	      { "--creds=", p->creds },
		{ "--tls-verify=", p->tls_verify },   { "--retry=", p->retry },
		{ "--retry-delay=", p->retry_delay },
	};
	static const struct origin typed = { .file = "", .key = "command line" };
	struct diags diags = { 0 };
	struct arg_list args = { 0 };
	int rc;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].value)
			arg_push(&p->arena, &args,
				 arena_join(&p->arena, words[i].name, words[i].value), &typed);
	arg_push(&p->arena, &args, "--", &typed);
	arg_push(&p->arena, &args, ref, &typed);
	rc = spec_image_from_args(spec, &p->arena, &args, &diags);
	for (size_t i = 0; i < diags.count; i++)
		fprintf(stderr, "cleat pull: %s\n", diags.items[i].text);
	diags_fini(&diags);
	return rc == 0;
}

static bool add_want(struct pull *p, const char *ref)
{
	static const enum pull_policy policies[] = {
		[SPEC_PULL_MISSING] = PULL_MISSING,
		[SPEC_PULL_ALWAYS] = PULL_ALWAYS,
		[SPEC_PULL_NEVER] = PULL_NEVER,
		[SPEC_PULL_NEWER] = PULL_NEWER,
	};
	struct container_spec *spec = arena_new(&p->arena, struct container_spec);
	struct pull_want *want;

	if (!read_words(p, ref, spec))
		return false;
	want = arena_push(&p->arena, p->request.wants, p->request.want_count);
	*want = (struct pull_want)PULL_WANT_INIT(spec->image);
	want->policy = p->policy ? policies[spec->pull] : PULL_ALWAYS;
	want->auth_file = spec->registry.auth_file;
	want->cert_dir = spec->registry.cert_dir;
	want->creds = spec->registry.creds;
	want->tls_verify_given = spec->registry.tls_verify != SPEC_UNSET;
	want->tls_verify = spec->registry.tls_verify != SPEC_NO;
	want->retries = spec->registry.retries;
	want->retry_delay_usec = spec->registry.retry_delay_usec;
	return true;
}

/* A unit's path is absolute; what is typed may begin here. NULL stays NULL, what is not there stays as it is. */
static const char *whole_path(struct pull *p, const char *path)
{
	char *whole = path ? realpath(path, NULL) : NULL;
	const char *copy = whole ? arena_strdup(&p->arena, whole) : path;

	free(whole);
	return copy;
}

static int usage(const char *problem)
{
	fprintf(stderr, "cleat pull: %s; see \"cleat help pull\"\n", problem);
	return CLI_USAGE;
}

int cmd_pull(int argc, char **argv)
{
	struct pull p = { .store = CLEAT_STORE_DIR,
			  .images = CLEAT_IMAGE_DIR,
			  .fd = -1,
			  .is_terminal = isatty(STDERR_FILENO) };
	const struct cli_option options[] = {
		{ "-q", "--quiet", &p.quiet, NULL },
		{ NULL, "--policy", NULL, &p.policy },
		{ NULL, "--authfile", NULL, &p.auth_file },
		{ NULL, "--cert-dir", NULL, &p.cert_dir },
		{ NULL, "--creds", NULL, &p.creds },
		{ NULL, "--tls-verify", NULL, &p.tls_verify },
		{ NULL, "--retry", NULL, &p.retry },
		{ NULL, "--retry-delay", NULL, &p.retry_delay },
		{ NULL, "--store", NULL, &p.store },
		{ NULL, "--images", NULL, &p.images },
		{ NULL, "--config", NULL, &p.config },
	};
	int names = cli_options(argc, argv, options, sizeof(options) / sizeof(options[0]));
	int result = CLI_OK;

	if (names < 0)
		return CLI_USAGE;
	if (!names || names > PULL_MAX_WANTS)
		return usage("which image?");
	if (!cli_is_inside() && str_eq(p.store, CLEAT_STORE_DIR))
		return usage("--socket is another appliance's: its store is not here");
	if (geteuid() != 0) {
		fputs("cleat pull: only root can write an image store\n", stderr);
		return PULL_FAILED;
	}
	p.request.config_dir = p.config;
	p.auth_file = whole_path(&p, p.auth_file);
	p.cert_dir = whole_path(&p, p.cert_dir);
	for (int i = 1; i <= names && result == CLI_OK; i++)
		if (!add_want(&p, argv[i]))
			result = CLI_USAGE;
	if (result == CLI_OK)
		result = pull_all(&p);
	arena_fini(&p.arena);
	return result;
}
