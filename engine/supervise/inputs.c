/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container is made by besides its unit. Contents are compared where they are small, so that a file that was only
 * touched, or a configuration that was mounted anew, restarts nothing. Must never read a secret's value: a digest of a short
 * password is as good as the password.
 */
#include "supervise/inputs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "util/buf.h"
#include "util/digest.h"
#include "util/file.h"

/* INPUT_MADE_MOUNT: where there is nothing the start makes a folder. */
enum input_kind { INPUT_TEXT, INPUT_SECRET, INPUT_MOUNT, INPUT_MADE_MOUNT };

typedef void input_fn(void *arg, enum input_kind kind, const char *path);

static void each_secret_place(const struct secret_places *places, const char *name, input_fn *fn,
			      void *arg)
{
	const char *const dirs[] = { places->config_dir, places->store_dir };
	char path[1024];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dirs[i], name);
		fn(arg, INPUT_SECRET, path);
	}
}

static void each(const struct container_spec *spec, const struct secret_places *places,
		 input_fn *fn, void *arg)
{
	for (size_t i = 0; i < spec->env_file_count; i++)
		fn(arg, INPUT_TEXT, spec->env_files[i].path);
	for (size_t i = 0; i < spec->secret_count; i++)
		each_secret_place(places, spec->secrets[i].name, fn, arg);
	for (size_t i = 0; i < spec->mount_count; i++)
		if (spec->mounts[i].kind == SPEC_MOUNT_BIND && spec->mounts[i].read_only)
			fn(arg, spec->mounts[i].make_source ? INPUT_MADE_MOUNT : INPUT_MOUNT,
			   spec->mounts[i].source);
}

static bool is_mount(enum input_kind kind)
{
	return kind == INPUT_MOUNT || kind == INPUT_MADE_MOUNT;
}

struct path_call {
	inputs_path_fn *fn;
	void *arg;
};

static void pass_path(void *arg, enum input_kind kind, const char *path)
{
	const struct path_call *call = arg;
	struct stat st;

	/* What is below a mounted folder is the container's own business. */
	if (is_mount(kind) && stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return;
	call->fn(call->arg, path);
}

void inputs_each(const struct container_spec *spec, const struct secret_places *places,
		 inputs_path_fn *fn, void *arg)
{
	struct path_call call = { fn, arg };

	each(spec, places, pass_path, &call);
}

struct digesting {
	struct sha256 sha;
	bool has_any, is_taken;
};

static void add_contents(struct sha256 *sha, const char *path)
{
	auto_buf text = BUF_INIT(INPUTS_MAX_READ_BYTES);
	struct err err;

	if (file_read_at(AT_FDCWD, path, INPUTS_MAX_READ_BYTES, &text, &err) == 0)
		sha256_update(sha, buf_str(&text), text.len);
	else
		sha256_update(sha, err.msg, strlen(err.msg));
}

static void add_file(struct sha256 *sha, const struct stat *st)
{
	uint64_t facts[] = { (uint64_t)st->st_ino, (uint64_t)st->st_size,
			     (uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec };

	sha256_update(sha, facts, sizeof(facts));
}

static void digest_one(void *arg, enum input_kind kind, const char *path)
{
	struct digesting *d = arg;
	struct stat st;
	bool is_there = stat(path, &st) == 0;

	if (is_mount(kind) && is_there ? !S_ISREG(st.st_mode) :
					 kind == INPUT_MADE_MOUNT && !is_there)
		return;
	d->has_any = true;
	sha256_update(&d->sha, path, strlen(path) + 1);
	sha256_update(&d->sha, is_there ? "+" : "-", 1);
	if (!is_there)
		return;
	if (is_mount(kind) && d->is_taken)
		sha256_update(&d->sha, &st.st_ino, sizeof(st.st_ino));
	else if (kind == INPUT_SECRET || st.st_size > INPUTS_MAX_READ_BYTES)
		add_file(&d->sha, &st);
	else
		add_contents(&d->sha, path);
}

static void digest_all(const struct container_spec *spec, const struct secret_places *places,
		       bool is_taken, uint8_t out[32])
{
	struct digesting d = { .is_taken = is_taken };

	sha256_init(&d.sha);
	each(spec, places, digest_one, &d);
	sha256_final(&d.sha, out);
	if (!d.has_any)
		memset(out, 0, 32);
}

void inputs_digest(const struct container_spec *spec, const struct secret_places *places,
		   uint8_t out[32])
{
	digest_all(spec, places, false, out);
}

void inputs_digest_taken(const struct container_spec *spec, const struct secret_places *places,
			 uint8_t out[32])
{
	digest_all(spec, places, true, out);
}
