/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A store with images made by its own writing half, for the tests of listing, removing and collecting. */
#include "image_test.h"

#include "image/flat.h"
#include "image/store_admin.h"
#include "image/store_internal.h"
#include "util/file.h"

/* "sha256:" and sixteen times the same four digits; without brackets, as texts are put together with it. */
#define D(c) "sha256:" c c c c c c c c c c c c c c c c
#define L1 D("1111")
#define L2 D("2222")
#define L3 D("3333")
#define M1 D("aaaa")
#define M2 D("bbbb")
#define M3 D("cccc")

struct fixture {
	struct scratch scratch;
	char path[128], containers[128];
	struct store *store;
	struct arena arena;
	struct store_list list;
	struct store_keep keep;
	struct store_removed removed;
	struct buf told;
	struct err err;
};

static inline void must(struct fixture *f, int rc)
{
	if (rc < 0)
		fail_msg("%s", f->err.msg);
}

static inline int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	scratch_open(&f->scratch);
	snprintf(f->path, sizeof(f->path), "%s/store", f->scratch.path);
	snprintf(f->containers, sizeof(f->containers), "%s/c", f->scratch.path);
	f->told = (struct buf)BUF_INIT(65536);
	f->removed.told = &f->told;
	f->store = store_open(f->path, NULL, &f->err);
	if (!f->store)
		fail_msg("%s", f->err.msg);
	must(f, store_take(f->store, 0, &f->err));
	*state = f;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;

	store_keep_fini(&f->keep);
	store_close(f->store);
	arena_fini(&f->arena);
	buf_fini(&f->told);
	scratch_close(&f->scratch);
	free(f);
	return 0;
}

static inline void add_layer(struct fixture *f, const char *diff_id, uint64_t bytes)
{
	struct store_work work;
	int root;

	must(f, store_layer_begin(f->store, diff_id, &work, &root, &f->err));
	close(openat(root, "file", O_CREAT | O_WRONLY, 0600));
	close(root);
	must(f, store_layer_commit(f->store, &work, diff_id, bytes, 1, &f->err));
}

/* layers: NULL-terminated */
static inline void add_image(struct fixture *f, const char *digest, const char *config_text,
			     const char *const *layers)
{
	struct buf manifest = BUF_INIT(100), config = BUF_INIT(10000), facts = BUF_INIT(10000);

	buf_puts(&manifest, "{}");
	buf_puts(&config, config_text);
	flat_put(&facts, "digest", digest);
	flat_put(&facts, "user", "");
	for (; *layers; layers++)
		flat_put(&facts, "layer", *layers);
	flat_put(&facts, "created", "2026-11-21T10:00:00Z");
	flat_put(&facts, "os", "linux");
	flat_put(&facts, "architecture", "amd64");
	flat_put(&facts, "variant", "");
	must(f, store_image_commit(f->store, digest, &manifest, &config, &facts, &f->err));
	buf_fini(&manifest);
	buf_fini(&config);
	buf_fini(&facts);
}

static inline void add_name(struct fixture *f, const char *name, const char *digest)
{
	struct store_ref ref = { 0 };

	snprintf(ref.digest, sizeof(ref.digest), "%s", digest);
	must(f, store_ref_write(f->store, name, &ref, &f->err));
}

/* Two images that share layer 1; the first has two names, a third image none. */
static inline void add_three_images(struct fixture *f)
{
	add_layer(f, L1, 100);
	add_layer(f, L2, 20);
	add_layer(f, L3, 3);
	add_image(f, M1, "{\"c\":1}", (const char *const[]){ L1, L2, NULL });
	add_image(f, M2, "{\"c\":2}", (const char *const[]){ L1, L3, NULL });
	add_image(f, M3, "{\"c\":3}", (const char *const[]){ L1, NULL });
	add_name(f, "localhost/app:1", M1);
	add_name(f, "example.org/team/app:2", M1);
	add_name(f, "docker.io/library/web:latest", M2);
}

/* config.json of a running container */
static inline void add_container(struct fixture *f, const char *run_id, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", f->containers, run_id);
	must(f, path_mkdirs(path, 0700, &f->err));
	snprintf(path, sizeof(path), "%s/%s/config.json", f->containers, run_id);
	must(f, file_write_atomic(AT_FDCWD, path, text, strlen(text), 0600, false, &f->err));
}

static inline void read_list(struct fixture *f)
{
	arena_fini(&f->arena);
	must(f, store_list_read(f->store, &f->arena, &f->list, &f->err));
}

static inline const struct store_entry *image_of(struct fixture *f, const char *digest)
{
	for (size_t i = 0; i < f->list.image_count; i++)
		if (strcmp(f->list.images[i].digest, digest) == 0)
			return &f->list.images[i];
	return NULL;
}

static inline const struct store_layer *layer_of(struct fixture *f, const char *diff_id)
{
	for (size_t i = 0; i < f->list.layer_count; i++)
		if (strcmp(f->list.layers[i].diff_id, diff_id) == 0)
			return &f->list.layers[i];
	return NULL;
}

static inline bool exists(struct fixture *f, const char *kind, const char *digest)
{
	char path[STORE_NAME_SIZE];

	store_object_path(kind, digest, path);
	return faccessat(f->store->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static inline void unlink_in(struct fixture *f, const char *kind, const char *digest,
			     const char *file)
{
	char path[STORE_NAME_SIZE], whole[STORE_NAME_SIZE + 32];

	store_object_path(kind, digest, path);
	snprintf(whole, sizeof(whole), "%s/%s", path, file);
	assert_int_equal(unlinkat(f->store->fd, whole, 0), 0);
}
