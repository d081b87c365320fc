/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json -> struct plan: the mapping it lives in, typed values, and the top of the document.
 * Makes no change to the system; must never act on a key silently in another way than the OCI
 * runtime specification says, so what is not known is refused.
 */
#include "runtime/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/secret.h"
#include "util/cleanup.h"
#include "util/path.h"
#include "util/str.h"

/* Room for the plan itself beside the document: vectors are at most a few times the size of their
 * text, whose shortest element is three bytes. */
#define PLAN_ROOM_BYTES (256u << 10)
#define PLAN_ROOM_FACTOR 8

/* Of what yyjson may need at worst, a document with the usual mix of values touches this. */
#define POPULATE_FACTOR 4
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* musl 1.2.5 has no name for it */
#endif

static int pool_map(struct pool *pool, size_t size, struct err *err)
{
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return err_sys(err, "mmap");
	*pool = (struct pool){ .base = base, .size = size };
	return 0;
}

static void *pool_take(struct pool *pool, size_t size)
{
	char *p = pool->base + pool->used;
	size_t room = pool->size - pool->used;

	if (room < 15 || size > room - 15)
		return NULL;
	pool->used += (size + 15) & ~(size_t)15;
	return p;
}

void *plan_alloc(struct plan *plan, size_t count, size_t size, struct err *err)
{
	size_t bytes;
	void *p = NULL;

	if (!__builtin_mul_overflow(count, size, &bytes)) {
		p = pool_take(&plan->pool, bytes);
		if (!p && plan->pool.is_lent && pool_map(&plan->pool, PLAN_ROOM_BYTES, err) == 0)
			p = pool_take(&plan->pool, bytes);
	}
	if (!p)
		err_set(err, ERR_LIMIT, "configuration needs too much memory");
	return p;
}

const char *plan_printf(struct plan *plan, struct err *err, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	p = plan_alloc(plan, (size_t)n + 1, 1, err);
	if (!p)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

int plan_str(yyjson_val *value, const char **out, struct err *err)
{
	const char *s = yyjson_get_str(value);

	if (!s)
		return err_set(err, ERR_INPUT, "not a string");
	if (strlen(s) != yyjson_get_len(value))
		return err_set(err, ERR_INPUT, "contains a NUL byte");
	*out = s;
	return 0;
}

int plan_bool(yyjson_val *value, bool *out, struct err *err)
{
	if (!yyjson_is_bool(value))
		return err_set(err, ERR_INPUT, "not true or false");
	*out = yyjson_get_bool(value);
	return 0;
}

int plan_u32(yyjson_val *value, uint32_t *out, struct err *err)
{
	if (!yyjson_is_uint(value) || yyjson_get_uint(value) > UINT32_MAX - 1)
		return err_set(err, ERR_INPUT, "not a number from 0 to 4294967294");
	*out = (uint32_t)yyjson_get_uint(value);
	return 0;
}

int plan_array(yyjson_val *value, size_t max, size_t *count, struct err *err)
{
	if (!yyjson_is_arr(value))
		return err_set(err, ERR_INPUT, "not a list");
	*count = yyjson_arr_size(value);
	if (*count > max)
		return err_set(err, ERR_LIMIT, "%zu entries, at most %zu are allowed", *count, max);
	return 0;
}

int plan_strings(struct plan *plan, yyjson_val *value, size_t max, struct strings *out,
		 struct err *err)
{
	yyjson_val *item;
	yyjson_arr_iter it;
	size_t n;

	if (plan_array(value, max, &n, err) < 0)
		return -1;
	out->items = plan_alloc(plan, n + 1, sizeof(*out->items), err);
	if (!out->items)
		return -1;
	out->count = 0;
	it = yyjson_arr_iter_with(value);
	while ((item = yyjson_arr_iter_next(&it))) {
		if (plan_str(item, &out->items[out->count], err) < 0)
			return err_wrap(err, "entry %zu", out->count + 1);
		out->count++;
	}
	return 0;
}

int plan_path(struct plan *plan, yyjson_val *value, const char **out, struct err *err)
{
	char clean[PATH_MAX];
	const char *text;

	if (plan_str(value, &text, err) < 0)
		return -1;
	if (text[0] != '/')
		return err_set(err, ERR_INPUT, "\"%s\" is not an absolute path", text);
	if (!path_clean(text, clean, sizeof(clean)))
		return err_set(err, ERR_LIMIT, "path is too long");
	*out = str_eq(text, clean) ? text : plan_printf(plan, err, "%s", clean);
	return *out ? 0 : -1;
}

int plan_walk(struct plan *plan, yyjson_val *object, const struct plan_key *keys, struct err *err)
{
	yyjson_obj_iter it;
	yyjson_val *key;

	if (!yyjson_is_obj(object))
		return err_set(err, ERR_INPUT, "not an object");
	it = yyjson_obj_iter_with(object);
	while ((key = yyjson_obj_iter_next(&it))) {
		const char *name = yyjson_get_str(key);
		const struct plan_key *row = keys;

		while (row->name && !str_eq(row->name, name))
			row++;
		if (!row->name)
			return err_set(err, ERR_UNSUPPORTED, "key \"%s\" is not supported", name);
		if (row->read && row->read(plan, yyjson_obj_iter_get_val(key), err) < 0)
			return err_wrap(err, "%s", name);
	}
	return 0;
}

bool plan_id_outside(const struct plan_id_range *map, size_t count, uint32_t inside, uint32_t *out)
{
	for (size_t i = 0; i < count; i++) {
		if (inside < map[i].inside || inside - map[i].inside >= map[i].count)
			continue;
		*out = map[i].outside + (inside - map[i].inside);
		return true;
	}
	return false;
}

static int read_version(struct plan *plan, yyjson_val *value, struct err *err)
{
	const char *version;

	(void)plan;
	if (plan_str(value, &version, err) < 0)
		return -1;
	if (!str_starts(version, "1."))
		return err_set(err, ERR_UNSUPPORTED, "version %s, this program knows 1.x", version);
	return 0;
}

static int read_root_path(struct plan *plan, yyjson_val *value, struct err *err)
{
	return plan_str(value, &plan->root_path, err);
}

static int read_root_read_only(struct plan *plan, yyjson_val *value, struct err *err)
{
	return plan_bool(value, &plan->root_read_only, err);
}

static int read_root(struct plan *plan, yyjson_val *value, struct err *err)
{
	static const struct plan_key keys[] = {
		{ "path", read_root_path },
		{ "readonly", read_root_read_only },
		{ NULL, NULL },
	};

	return plan_walk(plan, value, keys, err);
}

static int read_host_name(yyjson_val *value, const char **out, struct err *err)
{
	if (plan_str(value, out, err) < 0)
		return -1;
	if (strlen(*out) > 64)
		return err_set(err, ERR_LIMIT, "longer than 64 bytes");
	return 0;
}

static int read_hostname(struct plan *plan, yyjson_val *value, struct err *err)
{
	return read_host_name(value, &plan->hostname, err);
}

static int read_domainname(struct plan *plan, yyjson_val *value, struct err *err)
{
	return read_host_name(value, &plan->domainname, err);
}

static int read_hooks(struct plan *plan, yyjson_val *value, struct err *err)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(value);
	yyjson_val *key;

	(void)plan;
	while ((key = yyjson_obj_iter_next(&it)))
		if (yyjson_get_len(yyjson_obj_iter_get_val(key)) > 0)
			return err_set(err, ERR_UNSUPPORTED, "hooks are not run");
	return 0;
}

static const struct plan_key top_keys[] = {
	{ "ociVersion", read_version },
	{ "process", plan_process },
	{ "root", read_root },
	{ "hostname", read_hostname },
	{ "domainname", read_domainname },
	{ "mounts", plan_mounts },
	{ "annotations", plan_annotations },
	{ "linux", plan_linux },
	{ "hooks", read_hooks },
	{ NULL, NULL },
};

/* What no single key can know. */
static int check_whole(const struct plan *plan, struct err *err)
{
	static const uint64_t needed = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER;

	if (plan->is_holder)
		return plan_check_holder(plan, err);
	if (plan->args.count == 0 || !plan->args.items[0][0])
		return err_set(err, ERR_INPUT, "process: args: there is no program to run");
	if (!plan->cwd || plan->cwd[0] != '/')
		return err_set(err, ERR_INPUT, "process: cwd: not an absolute path");
	if ((plan->namespaces & needed) != needed)
		return err_set(err, ERR_UNSUPPORTED,
			       "linux: namespaces: mount, pid and user are required");
	if (plan->uid_map_count == 0 || plan->gid_map_count == 0)
		return err_set(err, ERR_INPUT,
			       "linux: uidMappings and gidMappings are required with a user "
			       "namespace");
	if ((plan->hostname || plan->domainname) && !(plan->namespaces & CLONE_NEWUTS))
		return err_set(err, ERR_INPUT, "hostname: needs a uts namespace");
	if (plan->network_count && !(plan->namespaces & CLONE_NEWNET))
		return err_set(err, ERR_INPUT,
			       "annotations: org.cleat.network: needs a network namespace");
	for (size_t i = 0; i < plan->mount_count; i++)
		if (plan->mounts[i].kind == PLAN_MOUNT_CGROUP &&
		    !(plan->namespaces & CLONE_NEWCGROUP))
			return err_set(err, ERR_INPUT, "mounts: %s: needs a cgroup namespace",
				       plan->mounts[i].target);
	if (plan->layers.count == 0 && (!plan->root_path || !plan->root_path[0]))
		return err_set(err, ERR_INPUT, "root: neither root.path nor org.cleat.layers");
	if (plan->layers.count && !plan->root_read_only && plan->root_upper_bytes == 0)
		return err_set(err, ERR_INPUT, "org.cleat.root: a writable root needs tmpfs:BYTES");
	return plan_check_joined(plan, err);
}

static int open_config(const char *path, size_t *size, struct err *err)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return err_sys(err, "open");
	if (fstat(fd, &st) < 0)
		return err_sys(err, "fstat");
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INPUT, "not a regular file");
	if (st.st_size > (off_t)PLAN_CONFIG_MAX_BYTES)
		return err_set(err, ERR_LIMIT, "larger than %u bytes", PLAN_CONFIG_MAX_BYTES);
	*size = (size_t)st.st_size;
	return take_fd(&fd);
}

/* The text and the document that points into it, both in the pool. */
static int read_document(struct plan *plan, int fd, size_t size, struct err *err)
{
	size_t doc_bytes = yyjson_read_max_memory_usage(size, YYJSON_READ_INSITU);
	size_t total =
		size + YYJSON_PADDING_SIZE + doc_bytes + PLAN_ROOM_BYTES + size * PLAN_ROOM_FACTOR;
	yyjson_read_err json_err;
	yyjson_alc alc;
	char *text, *work;
	size_t got = 0;

	if (pool_map(&plan->pool, total, err) < 0)
		return -1;
	/* One call instead of a page fault for every page that a document of this size touches; no
	 * matter if the kernel (before 5.14) does not know it. */
	madvise(plan->pool.base, size * POPULATE_FACTOR, MADV_POPULATE_WRITE);
	text = plan_alloc(plan, size + YYJSON_PADDING_SIZE, 1, err);
	work = text ? plan_alloc(plan, doc_bytes, 1, err) : NULL;
	if (!work)
		return -1;
	while (got < size) {
		ssize_t n = read(fd, text + got, size - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? err_sys(err, "read") :
				       err_set(err, ERR_INPUT, "changed while it was read");
		got += (size_t)n;
	}
	if (!yyjson_alc_pool_init(&alc, work, doc_bytes))
		return err_set(err, ERR_BUG, "document pool");
	plan->doc = yyjson_read_opts(text, size, YYJSON_READ_INSITU, &alc, &json_err);
	if (!plan->doc)
		return err_set(err, ERR_INPUT, "byte %zu: %s", json_err.pos, json_err.msg);
	return 0;
}

static int read_plan(struct plan *plan, const char *path, struct err *err)
{
	size_t size = 0;
	auto_fd int fd = open_config(path, &size, err);

	if (fd < 0 || read_document(plan, fd, size, err) < 0)
		return -1;
	if (plan_walk(plan, yyjson_doc_get_root(plan->doc), top_keys, err) < 0)
		return -1;
	if (plan_accounts_mounts(plan, err) < 0 || plan_secrets_mounts(plan, err) < 0)
		return -1;
	return check_whole(plan, err);
}

int plan_read(struct plan *plan, const char *path, struct err *err)
{
	*plan = (struct plan){ .umask = -1, .secret_fs = -1 };
	if (read_plan(plan, path, err) < 0)
		return err_wrap(err, "%s", path);
	return 0;
}

void plan_from_kept(struct plan *plan, const struct plan *kept, void *room, size_t size)
{
	*plan = *kept;
	plan->pool = (struct pool){ .base = room, .size = size, .is_lent = true };
}

void plan_fini(struct plan *plan)
{
	if (plan->pool.base && !plan->pool.is_lent)
		munmap(plan->pool.base, plan->pool.size);
	plan->pool = (struct pool){ 0 };
	plan->doc = NULL;
}
