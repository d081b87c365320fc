/* SPDX-License-Identifier: Apache-2.0 */
/* The "process" object: who runs what, with which limits and capabilities. */
#include "spec/oci_internal.h"

#include <stdio.h>
#include <sys/resource.h>

#include "util/str.h"

#define NOBODY 65534

static void write_strv(struct json *j, const char *key, const struct strv *v)
{
	json_array(j, key);
	for (size_t i = 0; i < v->count; i++)
		json_str(j, NULL, v->items[i]);
	json_array_end(j);
}

/*
 * Numbers where they are known now; names are resolved by our runtime from org.cleat.user, inside.
 * A runtime that does not know that annotation runs a name as nobody, not as root.
 */
static void write_user(struct oci *o)
{
	const struct strv *groups = &o->spec->group_add;
	size_t len = strcspn(o->user, ":");
	uint64_t uid, gid = 0, extra;
	bool known = str_to_u64(arena_strndup(o->arena, o->user, len), UINT32_MAX, &uid);

	if (o->is_root) {
		uid = 0;
		known = true;
	}
	if (known && o->user[len])
		known = str_to_u64(o->user + len + 1, UINT32_MAX, &gid);
	json_object(o->json, "user");
	json_uint(o->json, "uid", known ? uid : NOBODY);
	json_uint(o->json, "gid", known ? gid : NOBODY);
	json_uint(o->json, "umask", o->spec->umask < 0 ? 0022 : (uint64_t)o->spec->umask);
	json_array(o->json, "additionalGids");
	for (size_t i = 0; i < groups->count; i++)
		if (str_to_u64(groups->items[i], UINT32_MAX, &extra))
			json_uint(o->json, NULL, extra);
	json_array_end(o->json);
	json_object_end(o->json);
}

static void write_capabilities(struct oci *o)
{
	static const struct strv none = { 0 };
	const struct strv *held = o->is_root ? &o->bounding : &o->ambient;

	json_object(o->json, "capabilities");
	write_strv(o->json, "bounding", &o->bounding);
	write_strv(o->json, "effective", held);
	write_strv(o->json, "permitted", held);
	/*
	 * Root needs none of both: what it executes gets its permitted set anyway (CVE-2022-27649:
	 * never more inheritable).
	 */
	write_strv(o->json, "inheritable", o->is_root ? &none : &o->ambient);
	write_strv(o->json, "ambient", o->is_root ? &none : &o->ambient);
	json_object_end(o->json);
}

static void write_rlimit(struct oci *o, const char *name, uint64_t soft, uint64_t hard)
{
	char type[32] = "RLIMIT_";
	size_t at = strlen(type);

	for (; *name && at < sizeof(type) - 1; name++)
		type[at++] = (char)(*name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name);
	json_object(o->json, NULL);
	json_str(o->json, "type", type);
	json_uint(o->json, "hard", hard);
	json_uint(o->json, "soft", soft);
	json_object_end(o->json);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * The appliance's own hard limit bounds what can be given; without CAP_SYS_RESOURCE on the host
 * nobody can raise it.
 */
static uint64_t ceiling(const struct oci *o, int resource)
{
	if (resource == RLIMIT_NOFILE)
		return o->host->nofile_hard;
	if (resource == RLIMIT_NPROC)
		return o->host->nproc_hard;
	return UINT64_MAX;
}

static bool has_ulimit(const struct container_spec *spec, int resource)
{
	for (size_t i = 0; i < spec->ulimit_count; i++)
		if (spec->ulimits[i].resource == resource)
			return true;
	return spec->ulimit_host;
}

static void write_rlimits(struct oci *o)
{
	const struct container_spec *spec = o->spec;

	json_array(o->json, "rlimits");
	for (size_t i = 0; i < spec->ulimit_count; i++) {
		const struct spec_ulimit *limit = &spec->ulimits[i];
		uint64_t most = ceiling(o, limit->resource);

		if (limit->hard > most)
			oci_remark(o, "Ulimit=%s: lowered to %llu, the hard limit of the appliance",
				   limit->name, (unsigned long long)most);
		write_rlimit(o, limit->name, least(limit->soft, most), least(limit->hard, most));
	}
	/* podman's defaults. */
	if (!has_ulimit(spec, RLIMIT_NOFILE)) {
		uint64_t files = least(1048576, o->host->nofile_hard);

		write_rlimit(o, "nofile", files, files);
	}
	if (!has_ulimit(spec, RLIMIT_NPROC)) {
		uint64_t processes = least(4194304, o->host->nproc_hard);

		write_rlimit(o, "nproc", processes, processes);
	}
	json_array_end(o->json);
}

const char *oci_workdir(const struct oci *o)
{
	const char *image_dir = o->image->workdir;
	const char *workdir = o->spec->workdir		? o->spec->workdir :
			      image_dir && image_dir[0] ? image_dir :
							  "/";

	return workdir[0] == '/' ? workdir : arena_printf(o->arena, "/%s", workdir);
}

void oci_write_process(struct oci *o)
{
	json_object(o->json, "process");
	json_bool(o->json, "terminal", false);
	write_user(o);
	write_strv(o->json, "args", &o->args);
	write_strv(o->json, "env", &o->env);
	json_str(o->json, "cwd", oci_workdir(o));
	write_capabilities(o);
	write_rlimits(o);
	json_bool(o->json, "noNewPrivileges", o->spec->no_new_privileges);
	json_object_end(o->json);
}
