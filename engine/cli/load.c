/* SPDX-License-Identifier: Apache-2.0 */
/* "cleat load": images from an archive, a layout or standard input into the store (image/load.h), named as podman names them. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/image.h"
#include "image/load.h"
#include "util/cleanup.h"
#include "util/places.h"
#include "util/str.h"

struct loading {
	struct store *store;
	bool quiet, has_bar;
	bool has_loaded; /* something, whatever comes after it */
};

static void end_bar(struct loading *l)
{
	if (l->has_bar)
		fputs("\r\033[K", stderr);
	l->has_bar = false;
}

static void on_progress(uint64_t done_bytes, uint64_t total_bytes, void *arg)
{
	struct loading *l = arg;
	char done[24], total[24];

	if (l->quiet || !isatty(STDERR_FILENO))
		return;
	cli_size(done_bytes, done);
	cli_size(total_bytes, total);
	fprintf(stderr, "\r\033[K%s of %s", done, total);
	l->has_bar = true;
}

/* An image without a name is known by its id. */
static void on_loaded(const char *name, const char *manifest_digest, void *arg)
{
	struct loading *l = arg;
	auto_arena arena = { 0 };
	struct store_list list;
	struct err ignored;
	const char *shown = name ? name : manifest_digest;

	end_bar(l);
	l->has_loaded = true;
	if (!name && store_list_read(l->store, &arena, &list, &ignored) == 0)
		for (size_t i = 0; i < list.image_count; i++)
			if (str_eq(list.images[i].digest, manifest_digest))
				shown = list.images[i].id;
	printf("Loaded image: %s\n", shown);
	fflush(stdout);
}

static void on_passed_over(const char *image, const char *why, void *arg)
{
	char text[600];

	end_bar(arg);
	snprintf(text, sizeof(text), "%s: %s", image, why);
	cli_clean(text);
	fprintf(stderr, "cleat load: passed over: %s\n", text);
}

static int run(const char *command, const char *store_path, const char *what, int fd,
	       struct loading *l)
{
	struct image_load load = { .fd = fd,
				   .loaded = on_loaded,
				   .passed_over = on_passed_over,
				   .progress = on_progress,
				   .arg = l };
	bool read_only = false;
	struct err err;
	int rc;

	l->store = load.store = store_open(store_path, &read_only, &err);
	rc = load.store ? 0 : -1;
	if (rc == 0 && !read_only) /* image_load() says that */
		rc = cli_store_take(load.store, command, str_eq(store_path, CLEAT_STORE_DIR), &err);
	if (rc == 0)
		rc = image_load(&load, &err);
	end_bar(l);
	store_close(load.store);
	if (l->has_loaded)
		cli_images_changed(store_path);
	if (rc == 0)
		return CLI_OK;
	cli_clean(err.msg);
	fprintf(stderr, "cleat %s: %s: %s\n", command, what, err.msg);
	return CLI_FAILED;
}

int cmd_load(int argc, char **argv)
{
	const char *store_path = CLEAT_STORE_DIR, *input = "-";
	struct loading l = { 0 };
	const struct cli_option options[] = { { "-i", "--input", NULL, &input },
					      { "-q", "--quiet", &l.quiet, NULL },
					      { NULL, "--store", NULL, &store_path } };
	int words = cli_options(argc, argv, options, 3);

	if (words < 0)
		return CLI_USAGE;
	if (words > 0) {
		fprintf(stderr, "cleat %s: no word is expected: %s (the file is given by -i)\n",
			argv[0], argv[1]);
		return CLI_USAGE;
	}
	if (str_eq(input, "-") && isatty(STDIN_FILENO)) {
		fprintf(stderr, "cleat %s: which archive? -i FILE, or give it on standard input\n",
			argv[0]);
		return CLI_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	auto_fd int fd = str_eq(input, "-") ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) :
					      open(input, O_RDONLY | O_NOCTTY | O_CLOEXEC);

	if (fd < 0) {
		fprintf(stderr, "cleat %s: %s: %s\n", argv[0], input, strerror(errno));
		return CLI_FAILED;
	}
	return run(argv[0], store_path, str_eq(input, "-") ? "standard input" : input, fd, &l);
}
