/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spec, image and host -> config.json. Everything is decided first (user, capabilities, words,
 * environment, profile), then written from top to bottom. Pure: the same facts give the same bytes.
 * Nothing secret may come in here: the text is readable for all.
 */
#include "spec/oci_internal.h"

#include "util/digest.h"
#include "util/places.h"
#include "util/str.h"

void oci_remark(struct oci *o, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	*arena_push(o->arena, o->remarks->items, o->remarks->count) =
		arena_vprintf(o->arena, fmt, ap);
	va_end(ap);
}

/*
 * --user, else the image's, else with keep-id the owner of the home directory, else root. The
 * released podman lets the image's USER win over keep-id, its documentation says otherwise; units
 * are written against what runs.
 */
static void decide_user(struct oci *o)
{
	const struct container_spec *spec = o->spec;
	const char *first;

	o->user_is_said = true;
	if (spec->user) {
		o->user = spec->user;
	} else if (o->image->user && o->image->user[0]) {
		o->user = arena_strdup(o->arena, o->image->user);
	} else if (spec->userns == SPEC_USERNS_KEEP_ID) {
		uint32_t uid = spec->keep_uid != UINT32_MAX ? spec->keep_uid : o->host->home_uid;
		uint32_t gid = spec->keep_gid != UINT32_MAX ? spec->keep_gid : o->host->home_gid;

		o->user = arena_printf(o->arena, "%u:%u", uid, gid);
	} else {
		o->user = "0";
		o->user_is_said = false;
	}
	first = arena_strndup(o->arena, o->user, strcspn(o->user, ":"));
	o->is_root = !first[0] || str_eq(first, "0") || str_eq(first, "root");
}

/*
 * Names from an image are hostile: the runtime looks them up in the image's passwd, lines and
 * colons must not get that far.
 */
static int check_user(const struct oci *o, struct err *err)
{
	size_t colons = 0;

	for (const char *p = o->user; *p; p++) {
		colons += *p == ':';
		if ((unsigned char)*p <= 0x20 || *p == 0x7f || *p == ',' || *p == '/')
			return err_set(err, ERR_INPUT, "image: user \"%.80s\" is no USER[:GROUP]",
				       o->user);
	}
	if (colons > 1 || strlen(o->user) > 256)
		return err_set(err, ERR_INPUT, "image: user \"%.80s\" is no USER[:GROUP]", o->user);
	return 0;
}

/*
 * podman: root has the whole set; anybody else has nothing but what was added by name, and that as
 * ambient capabilities.
 */
static int decide_capabilities(struct oci *o, struct err *err)
{
	static const struct strv none = { 0 };
	const struct container_spec *spec = o->spec;

	if (capability_merge(&capability_defaults, &spec->cap_add, &spec->cap_drop, o->arena,
			     &o->bounding, err) < 0)
		return -1;
	if (o->is_root || !spec->cap_add.count)
		return 0;
	return capability_merge(&none, &spec->cap_add, &none, o->arena, &o->ambient, err);
}

static void append(struct oci *o, const struct strv *words)
{
	for (size_t i = 0; i < words->count; i++)
		strv_push(o->arena, &o->args, words->items[i]);
}

#define WORDS_MAX 4096

/*
 * podman: the image's command belongs to the image's entrypoint; another entrypoint comes without
 * it.
 */
static int decide_args(struct oci *o, struct err *err)
{
	const struct container_spec *spec = o->spec;
	size_t before;

	if (spec->init) {
		strv_push(o->arena, &o->args, OCI_INIT_TARGET);
		strv_push(o->arena, &o->args, "--");
	}
	before = o->args.count;
	append(o, spec->entrypoint_set ? &spec->entrypoint : &o->image->entrypoint);
	if (spec->command.count)
		append(o, &spec->command);
	else if (!spec->entrypoint_set)
		append(o, &o->image->command);
	if (o->args.count == before || !o->args.items[before][0])
		return err_set(
			err, ERR_INPUT,
			"nothing to run: neither the unit (Exec=, Entrypoint=) nor the image %s names a program",
			spec->image ? spec->image : "");
	if (o->args.count > WORDS_MAX)
		return err_set(err, ERR_LIMIT, "the command has %zu words, at most %d are possible",
			       o->args.count, WORDS_MAX);
	return 0;
}

static void decide_hostname(struct oci *o)
{
	if (o->spec->hostname)
		o->hostname = o->spec->hostname;
	else if (o->spec->network == SPEC_NETWORK_HOST && o->host->hostname && o->host->hostname[0])
		o->hostname = o->host->hostname;
	else
		o->hostname = o->run_id;
}

static int decide_seccomp(struct oci *o, struct err *err)
{
	const char *profile = o->spec->seccomp;

	if (!profile)
		return seccomp_default_text(&o->bounding, o->arena, &o->seccomp, err);
	if (str_eq(profile, "unconfined"))
		return 0;
	if (!o->host->seccomp_text)
		return err_set(err, ERR_UNSUPPORTED, "seccomp profile %s: its text was not read",
			       profile);
	if (seccomp_file_text(o->host->seccomp_text, &o->bounding, o->arena, &o->seccomp, err) < 0)
		return err_wrap(err, "seccomp profile %s", profile);
	return 0;
}

static int check_facts(const struct oci *o, struct err *err)
{
	if (!o->run_id || !str_is_hex(o->run_id, CLEAT_RUNID_LEN))
		return err_set(err, ERR_BUG, "run id \"%.40s\" has not %d hex digits",
			       o->run_id ? o->run_id : "", CLEAT_RUNID_LEN);
	if (o->spec->pod && !o->host->pod_pid)
		return err_set(err, ERR_BUSY, "pod %s does not run", o->spec->pod);
	if (!o->image->layers.count)
		return err_set(err, ERR_INTEGRITY, "image %s has no layers",
			       o->spec->image ? o->spec->image : "");
	for (size_t i = 0; i < o->image->layers.count; i++) {
		const char *layer = o->image->layers.items[i];

		if (layer[0] != '/' || strchr(layer, ':'))
			return err_set(err, ERR_BUG,
				       "layer \"%.120s\" is no absolute path without a colon",
				       layer);
	}
	return 0;
}

static const char *join(struct arena *arena, const struct strv *v, char separator)
{
	size_t len = 0, at = 0;
	char *out;

	for (size_t i = 0; i < v->count; i++)
		len += strlen(v->items[i]) + 1;
	out = arena_alloc(arena, len + 1);
	for (size_t i = 0; i < v->count; i++) {
		size_t item = strlen(v->items[i]);

		if (i)
			out[at++] = separator;
		memcpy(out + at, v->items[i], item);
		at += item;
	}
	return out;
}

static void write_annotations(struct oci *o)
{
	const struct container_spec *spec = o->spec;
	char digest[DIGEST_STR_LEN + 1];

	json_object(o->json, "annotations");
	for (size_t i = 0; i < spec->annotation_count; i++)
		json_str(o->json, spec->annotations[i].name, spec->annotations[i].value);
	if (spec->name)
		json_str(o->json, "org.cleat.name", spec->name);
	json_str(o->json, "org.cleat.layers", join(o->arena, &o->image->layers, ':'));
	json_str(o->json, "org.cleat.root",
		 spec->read_only ? "read-only" :
				   arena_printf(o->arena, "tmpfs:%llu",
						(unsigned long long)sizes_root(o->limit_bytes)));
	json_str(o->json, "org.cleat.user", o->user);
	oci_write_accounts(o);
	if (spec->group_add.count)
		json_str(o->json, "org.cleat.groups", join(o->arena, &spec->group_add, ','));
	if (spec->secret_count)
		json_str(o->json, "org.cleat.secrets", oci_secrets_text(o));
	oci_write_networks(o);
	oci_write_pod(o);
	if (o->seccomp) {
		digest_of(o->seccomp, strlen(o->seccomp), digest);
		json_str(o->json, "org.cleat.seccomp", digest + strlen("sha256:"));
	}
	json_object_end(o->json);
}

static int write_config(struct oci *o, struct err *err)
{
	json_object(o->json, NULL);
	json_str(o->json, "ociVersion", "1.1.0");
	oci_write_process(o);
	json_object(o->json, "root");
	json_str(o->json, "path", "rootfs");
	json_bool(o->json, "readonly", o->spec->read_only);
	json_object_end(o->json);
	if (!o->spec->pod) /* that of the pod stands */
		json_str(o->json, "hostname", o->hostname);
	if (oci_write_mounts(o, err) < 0)
		return -1;
	oci_write_linux(o);
	write_annotations(o);
	json_object_end(o->json);
	return 0;
}

int spec_to_oci(const struct container_spec *spec, const struct image_facts *image,
		const struct host_facts *host, const char *run_id, const struct strv *env_file_text,
		struct spec_remarks *remarks, struct arena *arena, struct buf *out, struct err *err)
{
	struct spec_remarks ignored = { 0 };
	struct json json = JSON_TO(out);
	struct oci o = { .spec = spec,
			 .image = image,
			 .host = host,
			 .run_id = run_id,
			 .arena = arena,
			 .remarks = remarks ? remarks : &ignored,
			 .json = &json,
			 .limit_bytes = sizes_limit(spec, host) };

	if (check_facts(&o, err) < 0)
		return -1;
	decide_user(&o);
	decide_hostname(&o);
	if (check_user(&o, err) < 0 || decide_capabilities(&o, err) < 0 ||
	    decide_args(&o, err) < 0 || environment_make(&o, env_file_text, err) < 0 ||
	    decide_seccomp(&o, err) < 0)
		return -1;
	if (!host->memory_bytes)
		oci_remark(&o,
			   "the machine's memory is not known: scratch space is sized for 128 MiB");
	if (write_config(&o, err) < 0)
		return -1;
	return buf_check(out, "config.json", err);
}
