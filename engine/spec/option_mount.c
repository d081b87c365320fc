/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes, tmpfs, devices. Sources are absolute paths of the appliance; targets are cleaned
 * lexically here and resolved inside the container's root by the runtime, never outside. One
 * target, one mount: a second one names the first one's line.
 */
#include "spec/options.h"

#include <stdlib.h>

#include "util/path.h"
#include "util/places.h"
#include "util/str.h"

enum mount_word { /* what may be said only once */
		  WORD_ACCESS = 1 << 0,
		  WORD_EXEC = 1 << 1,
		  WORD_SUID = 1 << 2,
		  WORD_DEV = 1 << 3,
		  WORD_PROPAGATION = 1 << 4,
		  WORD_RECURSION = 1 << 5,
		  WORD_SIZE = 1 << 6,
		  WORD_MODE = 1 << 7,
		  WORD_COPY_UP = 1 << 8,
		  WORD_COPY = 1 << 9,
		  WORD_LABEL = 1 << 10,
};

struct mount_parse {
	struct spec_mount mount;
	unsigned seen; /* enum mount_word */
};

static void set_ro(struct spec_mount *m)
{
	m->read_only = true;
}

static void set_rw(struct spec_mount *m)
{
	m->read_only = false;
}

static void set_noexec(struct spec_mount *m)
{
	m->no_exec = true;
}

static void set_exec(struct spec_mount *m)
{
	m->no_exec = false;
}

static void set_nosuid(struct spec_mount *m)
{
	m->no_suid = true;
}

static void set_suid(struct spec_mount *m)
{
	m->no_suid = false;
}

static void set_nodev(struct spec_mount *m)
{
	m->no_dev = true;
}

static void set_dev(struct spec_mount *m)
{
	m->no_dev = false;
}

static void set_bind(struct spec_mount *m)
{
	m->recursive = false;
}

static void set_nocopyup(struct spec_mount *m)
{
	m->copy_up = false;
}

static void set_nocopy(struct spec_mount *m)
{
	m->no_copy = true;
}

enum mount_for { FOR_BIND = 1, FOR_TMPFS = 2, FOR_BOTH = 3 };

struct mount_flag {
	const char *name;
	enum mount_for valid;
	unsigned once; /* enum mount_word */
	void (*set)(struct spec_mount *m);
	const char *propagation;
	const char *note;    /* accepted with this note */
	const char *refusal; /* refused with this reason */
};

static const char no_selinux[] = "there is no SELinux here";
static const char no_shared[] = "mounts do not propagate out of a container: use slave or private";
static const char no_unbindable[] = "unbindable mounts are not supported";
static const char no_chown[] =
	"not supported in this version: a missing directory below " CLEAT_DATA_DIR
	" is made with the right owner, an existing one needs a chown by hand";
static const char no_idmap[] =
	"idmapped mounts are not supported in this version: all containers share one id map";

/* clang-format off */
static const struct mount_flag mount_flags[] = {
	{ "ro", FOR_BOTH, WORD_ACCESS, set_ro, NULL, NULL, NULL },
	{ "rw", FOR_BOTH, WORD_ACCESS, set_rw, NULL, NULL, NULL },
	{ "exec", FOR_BOTH, WORD_EXEC, set_exec, NULL, NULL, NULL },
	{ "noexec", FOR_BOTH, WORD_EXEC, set_noexec, NULL, NULL, NULL },
	{ "suid", FOR_BOTH, WORD_SUID, set_suid, NULL, NULL, NULL },
	{ "nosuid", FOR_BOTH, WORD_SUID, set_nosuid, NULL, NULL, NULL },
	{ "dev", FOR_BOTH, WORD_DEV, set_dev, NULL, NULL, NULL },
	{ "nodev", FOR_BOTH, WORD_DEV, set_nodev, NULL, NULL, NULL },
	{ "rbind", FOR_BIND, WORD_RECURSION, NULL, NULL, NULL, NULL },
	{ "bind", FOR_BIND, WORD_RECURSION, set_bind, NULL, NULL, NULL },
	{ "private", FOR_BOTH, WORD_PROPAGATION, NULL, "private", NULL, NULL },
	{ "rprivate", FOR_BOTH, WORD_PROPAGATION, NULL, "rprivate", NULL, NULL },
	{ "slave", FOR_BIND, WORD_PROPAGATION, NULL, "slave", NULL, NULL },
	{ "rslave", FOR_BIND, WORD_PROPAGATION, NULL, "rslave", NULL, NULL },
	{ "shared", FOR_BOTH, 0, NULL, NULL, NULL, no_shared },
	{ "rshared", FOR_BOTH, 0, NULL, NULL, NULL, no_shared },
	{ "unbindable", FOR_BOTH, 0, NULL, NULL, NULL, no_unbindable },
	{ "runbindable", FOR_BOTH, 0, NULL, NULL, NULL, no_unbindable },
	{ "z", FOR_BIND, WORD_LABEL, NULL, NULL, no_selinux, NULL },
	{ "Z", FOR_BIND, WORD_LABEL, NULL, NULL, no_selinux, NULL },
	{ "consistency", FOR_BOTH, 0, NULL, NULL, "a word of other systems; podman ignores it too", NULL },
	{ "nocopy", FOR_BIND, WORD_COPY, set_nocopy, NULL, "nothing is ever copied into a directory of the appliance", NULL },
	{ "copy", FOR_BIND, WORD_COPY, NULL, NULL, NULL, "copying the image's content into a volume is not supported in this version" },
	{ "tmpcopyup", FOR_TMPFS, WORD_COPY_UP, NULL, NULL, NULL, NULL },
	{ "notmpcopyup", FOR_TMPFS, WORD_COPY_UP, set_nocopyup, NULL, NULL, NULL },
	{ "noatime", FOR_TMPFS, 0, NULL, NULL, "times of access cost nothing on a tmpfs", NULL },
	{ "noswap", FOR_TMPFS, 0, NULL, NULL, NULL, "the kernel takes it only outside of user namespaces" },
	{ "U", FOR_BOTH, 0, NULL, NULL, NULL, no_chown },
	{ "chown", FOR_BOTH, 0, NULL, NULL, NULL, no_chown },
	{ "idmap", FOR_BIND, 0, NULL, NULL, NULL, no_idmap },
	{ "O", FOR_BIND, 0, NULL, NULL, NULL, "overlay volumes are not supported in this version" },
	{ "upperdir", FOR_BIND, 0, NULL, NULL, NULL, "overlay volumes are not supported in this version" },
	{ "workdir", FOR_BIND, 0, NULL, NULL, NULL, "overlay volumes are not supported in this version" },
	{ "subpath", FOR_BIND, 0, NULL, NULL, NULL, "belongs to named volumes, which are not supported in this version" },
	{ "volume-opt", FOR_BIND, 0, NULL, NULL, NULL, "belongs to named volumes, which are not supported in this version" },
	{ "no-dereference", FOR_BIND, 0, NULL, NULL, NULL, "a source that is a link is followed" },
	{ "uid", FOR_TMPFS, 0, NULL, NULL, NULL, "not supported in this version: give mode=1777 or let the program make its own directory" },
	{ "gid", FOR_TMPFS, 0, NULL, NULL, NULL, "not supported in this version: give mode=1777 or let the program make its own directory" },
};
/* clang-format on */

static const struct mount_flag *flag_find(const char *option)
{
	size_t len = strcspn(option, "=");

	for (size_t i = 0; i < sizeof(mount_flags) / sizeof(mount_flags[0]); i++)
		if (mount_flags[i].name[0] == option[0] && strlen(mount_flags[i].name) == len &&
		    strncmp(mount_flags[i].name, option, len) == 0)
			return &mount_flags[i];
	return NULL;
}

static bool first_time(struct options *o, struct mount_parse *m, unsigned word, const char *option)
{
	if (word && (m->seen & word)) {
		option_error(o, "mount option %s contradicts or repeats an earlier one",
			     option_shown(o, option));
		return false;
	}
	m->seen |= word;
	return true;
}

static void set_size(struct options *o, struct mount_parse *m, const char *value)
{
	uint64_t bytes;

	if (!first_time(o, m, WORD_SIZE, "size"))
		return;
	if (!str_to_bytes(value, &bytes) || bytes > (UINT64_C(1) << 50) || bytes < 4096)
		option_error(o,
			     "size=%s is no size of 4096 or more bytes: a number with b, k, m or g",
			     option_shown(o, value));
	else
		m->mount.size_bytes = bytes;
}

static void set_mode(struct options *o, struct mount_parse *m, const char *value)
{
	if (!first_time(o, m, WORD_MODE, "mode"))
		return;
	if (!str_to_mode(value, &m->mount.mode))
		option_error(o, "mode=%s is no octal mode", option_shown(o, value));
}

static const char *kind_name(const struct spec_mount *m)
{
	return m->kind == SPEC_MOUNT_TMPFS ? "tmpfs" : "bind";
}

/* A word of the option list: flags by table, size and mode by their own. */
static void mount_option(struct options *o, struct mount_parse *m, const char *option)
{
	const struct mount_flag *flag = flag_find(option);
	enum mount_for mine = m->mount.kind == SPEC_MOUNT_TMPFS ? FOR_TMPFS : FOR_BIND;

	if (mine == FOR_TMPFS && str_starts(option, "size=")) {
		set_size(o, m, option + 5);
	} else if (mine == FOR_TMPFS && str_starts(option, "mode=")) {
		set_mode(o, m, option + 5);
	} else if (!flag || !(flag->valid & mine)) {
		option_error(o, "\"%s\" is no option of a %s mount", option_shown(o, option),
			     kind_name(&m->mount));
	} else if (flag->refusal) {
		option_error(o, "mount option %s: %s", flag->name, flag->refusal);
	} else if (strchr(option, '=') && !str_eq(flag->name, "consistency")) {
		option_error(o, "mount option %s takes no value", flag->name);
	} else if (first_time(o, m, flag->once, option)) {
		if (flag->set)
			flag->set(&m->mount);
		if (flag->propagation)
			m->mount.propagation = flag->propagation;
		if (flag->note)
			option_note(o, "noted: mount option %s: %s", flag->name, flag->note);
	}
}

static void mount_options(struct options *o, struct mount_parse *m, const char *list)
{
	struct strv words = strv_split(o->arena, list, ',');

	for (size_t i = 0; i < words.count; i++)
		if (words.items[i][0])
			mount_option(o, m, words.items[i]);
}

/*
 * The kernel's own trees cannot be replaced: a container that sees another /proc is not contained
 * (CVE-2019-16884).
 */
static bool target_is_allowed(struct options *o, const char *target)
{
	static const char *const whole[] = { "/", "/dev", "/proc", "/sys" };

	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		if (str_eq(target, whole[i])) {
			option_error(o, "nothing can be mounted over %s", target);
			return false;
		}
	if (str_starts(target, "/proc/")) {
		option_error(o, "nothing can be mounted below /proc");
		return false;
	}
	return true;
}

static bool target_is_free(struct options *o, const char *target)
{
	for (size_t i = 0; i < o->spec->mount_count; i++) {
		const struct spec_mount *other = &o->spec->mounts[i];

		if (!str_eq(other->target, target))
			continue;
		if (other->origin && other->origin->file && other->origin->file[0])
			option_error(o, "mount target %s is already used at %s:%u", target,
				     other->origin->file, other->origin->line);
		else
			option_error(o, "mount target %s is already used", target);
		return false;
	}
	for (size_t i = 0; i < o->spec->devices.count; i++)
		if (str_eq(strchr(o->spec->devices.items[i], ':') + 1, target)) {
			option_error(o, "mount target %s is already used by a device", target);
			return false;
		}
	return true;
}

static void finish(struct options *o, struct mount_parse *m, size_t errors_before)
{
	struct spec_mount *mount = &m->mount;

	if (o->diags->error_count != errors_before || !target_is_allowed(o, mount->target) ||
	    !target_is_free(o, mount->target))
		return;
	if (!mount->propagation)
		mount->propagation = mount->recursive || mount->kind == SPEC_MOUNT_TMPFS ?
					     "rprivate" :
					     "private";
	mount->origin = o->word->origin;
	if (mount->kind == SPEC_MOUNT_BIND)
		mount->make_source = mount->source && str_starts(mount->source, CLEAT_DATA_DIR "/");
	*arena_push(o->arena, o->spec->mounts, o->spec->mount_count) = *mount;
}

static struct mount_parse new_bind(void)
{
	return (struct mount_parse){ .mount = { .kind = SPEC_MOUNT_BIND, .recursive = true } };
}

/*
 * podman: a tmpfs is nosuid and nodev unless it says otherwise, and starts with what the image has
 * at that place.
 */
static struct mount_parse new_tmpfs(void)
{
	return (struct mount_parse){ .mount = { .kind = SPEC_MOUNT_TMPFS,
						.mode = 01777,
						.no_suid = true,
						.no_dev = true,
						.copy_up = true } };
}

/* podman's names of volumes; whatever else is no absolute path is a path written wrongly. */
static bool is_volume_name(const char *value)
{
	static const char bytes[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	return value[0] && !strchr("._-", value[0]) && strspn(value, bytes) == strlen(value);
}

static const char *bind_source(struct options *o, const char *value)
{
	if (is_volume_name(value)) {
		option_error(
			o,
			"named volume \"%s\": named volumes are not supported in this version: give an absolute path, for example %%h/%s",
			option_shown(o, value), option_shown(o, value));
		return NULL;
	}
	return option_path(o, "volume source", value);
}

/* /SOURCE:/TARGET[:OPTIONS] */
void parse_volume(struct options *o, const char *value)
{
	struct strv parts = strv_split(o->arena, value, ':');
	struct mount_parse m = new_bind();
	size_t errors_before = o->diags->error_count;

	if (!option_is_text(o, "the volume", value))
		return;
	if (parts.count == 1) {
		option_error(
			o,
			"\"%s\" has no source: anonymous volumes are not supported in this version; use Tmpfs= or /SOURCE:/TARGET",
			option_shown(o, value));
		return;
	}
	if (parts.count > 3) {
		option_error(o, "\"%s\" is no /SOURCE:/TARGET[:OPTIONS]", option_shown(o, value));
		return;
	}
	m.mount.source = bind_source(o, parts.items[0]);
	m.mount.target = m.mount.source ? option_path(o, "volume target", parts.items[1]) : NULL;
	if (!m.mount.target)
		return;
	if (parts.count == 3)
		mount_options(o, &m, parts.items[2]);
	finish(o, &m, errors_before);
}

/* DIR[:OPTIONS] */
void parse_tmpfs(struct options *o, const char *value)
{
	size_t len = strcspn(value, ":");
	struct mount_parse m = new_tmpfs();
	size_t errors_before = o->diags->error_count;

	if (!option_is_text(o, "the tmpfs", value))
		return;
	m.mount.target = option_path(o, "tmpfs target", arena_strndup(o->arena, value, len));
	if (!m.mount.target)
		return;
	if (value[len])
		mount_options(o, &m, value + len + 1);
	finish(o, &m, errors_before);
}

/* "true", "false" or nothing, as --mount has it for ro, readonly and rw. */
static void mount_access(struct options *o, struct mount_parse *m, const char *name,
			 const char *value)
{
	bool on = true;

	if (value && !option_to_bool(value, &on)) {
		option_error(o, "%s=%s is neither true nor false", name, option_shown(o, value));
		return;
	}
	mount_option(o, m, on == str_eq(name, "rw") ? "rw" : "ro");
}

static bool is_any(const char *name, const char *a, const char *b, const char *c)
{
	return str_eq(name, a) || str_eq(name, b) || str_eq(name, c);
}

/* One NAME[=VALUE] of --mount, type taken out before. */
static void mount_field(struct options *o, struct mount_parse *m, const char *field)
{
	size_t len = strcspn(field, "=");
	const char *name = arena_strndup(o->arena, field, len);
	const char *value = field[len] ? field + len + 1 : NULL;
	bool tmpfs = m->mount.kind == SPEC_MOUNT_TMPFS;

	if (is_any(name, "target", "dst", "destination")) {
		if (m->mount.target)
			option_error(o, "the target is given twice");
		m->mount.target = option_path(o, "mount target", value ? value : "");
	} else if (!tmpfs && is_any(name, "source", "src", "source")) {
		if (m->mount.source)
			option_error(o, "the source is given twice");
		m->mount.source = option_path(o, "mount source", value ? value : "");
	} else if (is_any(name, "ro", "readonly", "rw")) {
		mount_access(o, m, name, value);
	} else if (!tmpfs && str_eq(name, "bind-propagation")) {
		mount_option(o, m, value ? value : "");
	} else if (!tmpfs && str_eq(name, "bind-nonrecursive")) {
		mount_option(o, m, "bind");
	} else if (!tmpfs && str_eq(name, "relabel")) {
		mount_option(o, m, "z");
	} else if (tmpfs && str_eq(name, "tmpfs-size")) {
		set_size(o, m, value ? value : "");
	} else if (tmpfs && str_eq(name, "tmpfs-mode")) {
		set_mode(o, m, value ? value : "");
	} else {
		mount_option(o, m, field);
	}
}

static bool mount_kind(struct options *o, const struct strv *fields, struct mount_parse *m)
{
	const char *type = "volume"; /* podman's default */

	for (size_t i = 0; i < fields->count; i++)
		if (str_starts(fields->items[i], "type="))
			type = fields->items[i] + strlen("type=");
	if (str_eq(type, "bind")) {
		*m = new_bind();
	} else if (str_eq(type, "tmpfs")) {
		*m = new_tmpfs();
	} else {
		option_error(
			o,
			"mounts of type %s are not supported in this version, only bind and tmpfs",
			option_shown(o, type));
		return false;
	}
	return true;
}

/* type=bind|tmpfs,NAME[=VALUE],... */
void parse_mount(struct options *o, const char *value)
{
	struct strv fields = strv_split(o->arena, value, ',');
	struct mount_parse m;
	size_t errors_before = o->diags->error_count;

	if (!option_is_text(o, "the mount", value) || !mount_kind(o, &fields, &m))
		return;
	for (size_t i = 0; i < fields.count; i++)
		if (fields.items[i][0] && !str_starts(fields.items[i], "type="))
			mount_field(o, &m, fields.items[i]);
	if (o->diags->error_count != errors_before)
		return;
	if (!m.mount.target)
		option_error(o, "the mount has no target=");
	else if (m.mount.kind == SPEC_MOUNT_BIND && !m.mount.source)
		option_error(o, "the bind mount has no source=");
	finish(o, &m, errors_before);
}

/*
 * HOST[:CONTAINER][:PERMISSIONS]. In a user namespace a device is a bind of the appliance's node,
 * and there is no device cgroup: neither read-only nor write-only access can be enforced, so
 * nothing less than both may be asked for.
 */
void parse_device(struct options *o, const char *value)
{
	struct strv parts = strv_split(o->arena, value, ':');
	const char *permissions = "rwm";
	const char *host, *inside;
	size_t errors_before = o->diags->error_count;

	if (parts.count > 1 && parts.items[parts.count - 1][0] != '/')
		permissions = parts.items[--parts.count];
	if (parts.count > 2) {
		option_error(o, "\"%s\" is no HOST[:CONTAINER][:PERMISSIONS]",
			     option_shown(o, value));
		return;
	}
	host = option_path(o, "device", parts.items[0]);
	inside = parts.count == 2 ? option_path(o, "device", parts.items[1]) : host;
	if (!host || !inside)
		return;
	if (!str_starts(host, "/dev/"))
		option_error(o, "device %s is not below /dev", option_shown(o, host));
	if (strspn(permissions, "rwm") != strlen(permissions) || !strchr(permissions, 'r') ||
	    !strchr(permissions, 'w'))
		option_error(
			o,
			"permissions \"%s\": only rw and rwm can be given to a container in a user namespace",
			option_shown(o, permissions));
	if (o->diags->error_count == errors_before && target_is_allowed(o, inside) &&
	    target_is_free(o, inside))
		strv_push(o->arena, &o->spec->devices,
			  arena_printf(o->arena, "%s:%s", host, inside));
}

void parse_image_volume(struct options *o, const char *value)
{
	if (str_eq(value, "ignore"))
		o->spec->image_volumes = SPEC_IMAGE_VOLUME_IGNORE;
	else if (!value[0] || str_eq(value, "anonymous") || str_eq(value, "tmpfs"))
		o->spec->image_volumes = SPEC_IMAGE_VOLUME_TMPFS;
	else
		option_error(o, "\"%s\" is not supported: anonymous, tmpfs or ignore",
			     option_shown(o, value));
}
