/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The config.json of a pod: no program and no root, namespaces that containers join (runtime/hold.c). And what those say of it. Must
 * never name a namespace by a number alone: the runtime is told which process is meant.
 */
#include "spec/oci_internal.h"
#include "spec/pod.h"

#include "util/places.h"
#include "util/str.h"

/* The file of a namespace below /proc/PID/ns; NULL: a container has its own. */
static const char *shared_file(const char *type)
{
	static const char *const files[][2] = {
		{ "user", "user" },
		{ "ipc", "ipc" },
		{ "uts", "uts" },
		{ "network", "net" },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (str_eq(files[i][0], type))
			return files[i][1];
	return NULL;
}

void oci_write_namespace(struct oci *o, const char *type)
{
	const char *file = o->spec->pod ? shared_file(type) : NULL;

	json_object(o->json, NULL);
	json_str(o->json, "type", type);
	if (file)
		json_str(o->json, "path",
			 arena_printf(o->arena, "/proc/%u/ns/%s", o->host->pod_pid, file));
	json_object_end(o->json);
}

void oci_write_pod(struct oci *o)
{
	if (o->spec->pod)
		json_str(o->json, "org.cleat.pod",
			 arena_printf(o->arena, "%u:%llu", o->host->pod_pid,
				      (unsigned long long)o->host->pod_start_ticks));
}

static void write_namespaces(struct oci *o)
{
	static const char *const names[] = { "user", "mount", "ipc", "uts", NULL };

	oci_write_namespaces(o, names);
}

static void write_annotations(struct oci *o)
{
	uint64_t bytes = o->spec->shm_bytes ? o->spec->shm_bytes : sizes_shm(o->limit_bytes);

	json_object(o->json, "annotations");
	json_str(o->json, "org.cleat.name", o->spec->name);
	json_str(o->json, "org.cleat.hold",
		 arena_printf(o->arena, "memory:%llu", (unsigned long long)bytes));
	oci_write_networks(o);
	json_object_end(o->json);
}

int spec_pod_to_oci(const struct container_spec *pod, const struct host_facts *host,
		    const char *run_id, struct spec_remarks *remarks, struct arena *arena,
		    struct buf *out, struct err *err)
{
	struct spec_remarks ignored = { 0 };
	struct json json = JSON_TO(out);
	struct oci o = { .spec = pod,
			 .host = host,
			 .run_id = run_id,
			 .remarks = remarks ? remarks : &ignored,
			 .arena = arena,
			 .json = &json,
			 .limit_bytes = sizes_limit(pod, host) };

	if (!run_id || !str_is_hex(run_id, CLEAT_RUNID_LEN))
		return err_set(err, ERR_BUG, "run id \"%.40s\" has not %d hex digits",
			       run_id ? run_id : "", CLEAT_RUNID_LEN);
	json_object(&json, NULL);
	json_str(&json, "ociVersion", "1.1.0");
	json_str(&json, "hostname", pod->hostname);
	json_object(&json, "linux");
	oci_write_maps(&o);
	write_namespaces(&o);
	oci_write_cgroup(&o);
	json_object_end(&json);
	write_annotations(&o);
	json_object_end(&json);
	return buf_check(out, "config.json", err);
}
