/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes, tmpfs, devices. Sources are absolute paths of the appliance; targets are cleaned
 * lexically here and resolved inside the container's root by the runtime, never outside. One
 * target, one mount: a second one names the first one's line.
 */
#include "spec/options.h"

#include <stdlib.h>

#include "spec/volume.h"
#include "util/ids.h"
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
		  WORD_UID = 1 << 11,
		  WORD_GID = 1 << 12,
		  WORD_OWNER = 1 << 13,
		  WORD_IDMAP = 1 << 14,
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

static void set_change_owner(struct spec_mount *m)
{
	m->change_owner = true;
}

static void set_idmap(struct spec_mount *m)
{
	m->idmap = true;
}

enum mount_for {
	FOR_BIND = 1,
	FOR_TMPFS = 2,
	FOR_VOLUME = 4,
	FOR_FOLDERS = FOR_BIND | FOR_VOLUME,
	FOR_ALL = FOR_BIND | FOR_TMPFS | FOR_VOLUME
};

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
static const char no_ranges[] =
	"ranges of ids of one's own are not supported: idmap alone makes the ids on disk those of the container";
static const char no_overlay[] =
	"overlay volumes are not supported in this version: mount read-only, or give a tmpfs for what is written";

/* clang-format off */
static const struct mount_flag mount_flags[] = {
	{ "ro", FOR_ALL, WORD_ACCESS, set_ro, NULL, NULL, NULL },
	{ "rw", FOR_ALL, WORD_ACCESS, set_rw, NULL, NULL, NULL },
	{ "exec", FOR_ALL, WORD_EXEC, set_exec, NULL, NULL, NULL },
	{ "noexec", FOR_ALL, WORD_EXEC, set_noexec, NULL, NULL, NULL },
	{ "suid", FOR_ALL, WORD_SUID, set_suid, NULL, NULL, NULL },
	{ "nosuid", FOR_ALL, WORD_SUID, set_nosuid, NULL, NULL, NULL },
	{ "dev", FOR_ALL, WORD_DEV, set_dev, NULL, NULL, NULL },
	{ "nodev", FOR_ALL, WORD_DEV, set_nodev, NULL, NULL, NULL },
	{ "rbind", FOR_BIND, WORD_RECURSION, NULL, NULL, NULL, NULL },
	{ "bind", FOR_BIND, WORD_RECURSION, set_bind, NULL, NULL, NULL },
	{ "private", FOR_ALL, WORD_PROPAGATION, NULL, "private", NULL, NULL },
	{ "rprivate", FOR_ALL, WORD_PROPAGATION, NULL, "rprivate", NULL, NULL },
	{ "slave", FOR_FOLDERS, WORD_PROPAGATION, NULL, "slave", NULL, NULL },
	{ "rslave", FOR_FOLDERS, WORD_PROPAGATION, NULL, "rslave", NULL, NULL },
	{ "shared", FOR_ALL, 0, NULL, NULL, NULL, no_shared },
	{ "rshared", FOR_ALL, 0, NULL, NULL, NULL, no_shared },
	{ "unbindable", FOR_ALL, 0, NULL, NULL, NULL, no_unbindable },
	{ "runbindable", FOR_ALL, 0, NULL, NULL, NULL, no_unbindable },
	{ "z", FOR_FOLDERS, WORD_LABEL, NULL, NULL, no_selinux, NULL },
	{ "Z", FOR_FOLDERS, WORD_LABEL, NULL, NULL, no_selinux, NULL },
	{ "consistency", FOR_ALL, 0, NULL, NULL, "a word of other systems; podman ignores it too", NULL },
	{ "nocopy", FOR_BIND, WORD_COPY, set_nocopy, NULL, "nothing is ever copied into a directory of the appliance", NULL },
	{ "nocopy", FOR_VOLUME, WORD_COPY, set_nocopy, NULL, NULL, NULL },
	{ "copy", FOR_VOLUME, WORD_COPY, NULL, NULL, NULL, NULL },
	{ "copy", FOR_BIND, WORD_COPY, NULL, NULL, NULL, "nothing is ever copied into a directory of the appliance: use a named volume" },
	{ "tmpcopyup", FOR_TMPFS, WORD_COPY_UP, NULL, NULL, NULL, NULL },
	{ "notmpcopyup", FOR_TMPFS, WORD_COPY_UP, set_nocopyup, NULL, NULL, NULL },
	{ "noatime", FOR_TMPFS, 0, NULL, NULL, "times of access cost nothing on a tmpfs", NULL },
	{ "noswap", FOR_TMPFS, 0, NULL, NULL, NULL, "the kernel takes it only outside of user namespaces" },
	{ "U", FOR_ALL, WORD_OWNER, set_change_owner, NULL, NULL, NULL },
	{ "chown", FOR_ALL, WORD_OWNER, set_change_owner, NULL, NULL, NULL },
	{ "idmap", FOR_FOLDERS, WORD_IDMAP, set_idmap, NULL, NULL, NULL },
	{ "O", FOR_FOLDERS, 0, NULL, NULL, NULL, no_overlay },
	{ "upperdir", FOR_FOLDERS, 0, NULL, NULL, NULL, no_overlay },
	{ "workdir", FOR_FOLDERS, 0, NULL, NULL, NULL, no_overlay },
	{ "volume-opt", FOR_VOLUME, 0, NULL, NULL, NULL, "options make a volume, they do not mount it: write them into a .volume unit" },
	{ "no-dereference", FOR_BIND, 0, NULL, NULL, NULL, "a source that is a link is followed" },
};
/* clang-format on */

/* A row for this kind of mount before one for others. */
static const struct mount_flag *flag_find(const char *option, enum mount_for mine)
{
	const struct mount_flag *found = NULL;
	size_t len = strcspn(option, "=");

	for (size_t i = 0; i < sizeof(mount_flags) / sizeof(mount_flags[0]); i++) {
		const struct mount_flag *flag = &mount_flags[i];

		if (flag->name[0] != option[0] || strlen(flag->name) != len ||
		    strncmp(flag->name, option, len) != 0)
			continue;
		if (flag->valid & mine)
			return flag;
		found = flag;
	}
	return found;
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

static bool to_percent(const char *value, uint64_t *out)
{
	size_t len = strlen(value);
	char digits[8];

	if (len < 2 || len > sizeof(digits) || value[len - 1] != '%')
		return false;
	memcpy(digits, value, len - 1);
	digits[len - 1] = '\0';
	return str_to_u64(digits, 100, out) && *out > 0;
}

void option_tmpfs_size(struct options *o, const char *value, uint64_t *bytes, unsigned *percent)
{
	uint64_t number;

	if (to_percent(value, &number))
		*percent = (unsigned)number;
	else if (str_to_bytes(value, &number) && number <= (UINT64_C(1) << 50) && number >= 4096)
		*bytes = number;
	else
		option_error(
			o,
			"size=%s is no size of 4096 or more bytes: a number with b, k, m or g, or 1%% to 100%% of the memory",
			option_shown(o, value));
}

static void set_size(struct options *o, struct mount_parse *m, const char *value)
{
	if (first_time(o, m, WORD_SIZE, "size"))
		option_tmpfs_size(o, value, &m->mount.size_bytes, &m->mount.size_percent);
}

static void set_mode(struct options *o, struct mount_parse *m, const char *value)
{
	if (!first_time(o, m, WORD_MODE, "mode"))
		return;
	if (!str_to_mode(value, &m->mount.mode))
		option_error(o, "mode=%s is no octal mode", option_shown(o, value));
}

static void set_id(struct options *o, struct mount_parse *m, const char *option)
{
	bool is_user = option[0] == 'u';
	uint64_t id;
	uint32_t outside;

	if (!first_time(o, m, is_user ? WORD_UID : WORD_GID, is_user ? "uid" : "gid"))
		return;
	if (!str_to_u64(option + 4, UINT32_MAX, &id) || !ids_to_outside((uint32_t)id, &outside))
		option_error(o, "%s: an id of the container from 0 to 64999 is needed",
			     option_shown(o, option));
	else if (is_user)
		m->mount.uid = (uint32_t)id;
	else
		m->mount.gid = (uint32_t)id;
}

static const char *kind_name(const struct spec_mount *m)
{
	static const char *const names[] = {
		[SPEC_MOUNT_BIND] = "bind", [SPEC_MOUNT_TMPFS] = "tmpfs", [SPEC_MOUNT_VOLUME] = "volume"
	};

	return names[m->kind];
}

static enum mount_for kind_bit(const struct spec_mount *m)
{
	static const enum mount_for bits[] = { [SPEC_MOUNT_BIND] = FOR_BIND,
					       [SPEC_MOUNT_TMPFS] = FOR_TMPFS,
					       [SPEC_MOUNT_VOLUME] = FOR_VOLUME };

	return bits[m->kind];
}

static void apply_flag(struct options *o, struct mount_parse *m, const struct mount_flag *flag,
		       const char *option)
{
	if (!first_time(o, m, flag->once, option))
		return;
	if (flag->set)
		flag->set(&m->mount);
	if (flag->propagation)
		m->mount.propagation = flag->propagation;
	if (flag->note)
		option_note(o, "noted: mount option %s: %s", flag->name, flag->note);
}

static void say_no_option(struct options *o, const struct mount_parse *m, const char *option)
{
	const char *words[sizeof(mount_flags) / sizeof(mount_flags[0]) + 4] = { NULL };
	enum mount_for mine = kind_bit(&m->mount);
	char hint[STR_HINT_BYTES];
	size_t count = 0;

	for (size_t i = 0; i < sizeof(mount_flags) / sizeof(mount_flags[0]); i++)
		if (mount_flags[i].valid & mine)
			words[count++] = mount_flags[i].name;
	if (mine == FOR_TMPFS && strchr(option, '=')) {
		words[count++] = "size";
		words[count++] = "mode";
	}
	str_hint(hint, arena_strndup(o->arena, option, strcspn(option, "=")), words);
	option_error(o, "\"%s\" is no option of a %s mount%s", option_shown(o, option),
		     kind_name(&m->mount),
		     option[0] == '/' ? ": each mount has a line of its own" : hint);
}

/* A word of the option list: flags by table, sizes and ids by their own. */
static void mount_option(struct options *o, struct mount_parse *m, const char *option)
{
	enum mount_for mine = kind_bit(&m->mount);
	const struct mount_flag *flag = flag_find(option, mine);

	if (mine == FOR_TMPFS && str_starts(option, "size=")) {
		set_size(o, m, option + 5);
	} else if (mine == FOR_TMPFS && str_starts(option, "mode=")) {
		set_mode(o, m, option + 5);
	} else if (mine == FOR_TMPFS &&
		   (str_starts(option, "uid=") || str_starts(option, "gid="))) {
		set_id(o, m, option);
	} else if (!flag || !(flag->valid & mine)) {
		say_no_option(o, m, option);
	} else if (flag->refusal) {
		option_error(o, "mount option %s: %s", flag->name, flag->refusal);
	} else if (str_starts(option, "idmap=")) {
		option_error(o, "mount option %s: %s", option_shown(o, option), no_ranges);
	} else if (strchr(option, '=') && !str_eq(flag->name, "consistency")) {
		option_error(o, "mount option %s takes no value", flag->name);
	} else {
		apply_flag(o, m, flag, option);
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

/* What "U" gives away is given for good. What podman refuses, and where the appliance's own is. */
static bool owner_may_change(struct options *o, const struct spec_mount *mount)
{
	static const char home[] = CLEAT_HOME_DIR, logs[] = CLEAT_LOG_DIR,
			  volumes[] = CLEAT_VOLUME_DIR, store[] = CLEAT_STORE_DIR;
	static const char *const whole[] = { "/",    "/home", "/mnt", "/media",	      "/opt",
					     "/srv", "/var",  "/tmp", CLEAT_DATA_DIR, home,
					     logs,   volumes };
	static const char *const below[] = { "/bin",   "/boot", "/dev",		  "/etc", "/lib",
					     "/lib64", "/proc", "/root",	  "/run", "/sbin",
					     "/sys",   "/usr",	CLEAT_CONFIG_DIR, store };
	bool is_refused = false;

	if (mount->kind != SPEC_MOUNT_BIND || !mount->source)
		return true;
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		is_refused |= str_eq(mount->source, whole[i]);
	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
		size_t len = strlen(below[i]);

		is_refused |= str_starts(mount->source, below[i]) &&
			      (!mount->source[len] || mount->source[len] == '/');
	}
	if (is_refused)
		option_error(o, "mount option U: %s is the appliance's own, its owner stays",
			     option_shown(o, mount->source));
	return !is_refused;
}

static void finish(struct options *o, struct mount_parse *m, size_t errors_before)
{
	struct spec_mount *mount = &m->mount;

	if (o->diags->error_count != errors_before || !target_is_allowed(o, mount->target) ||
	    !target_is_free(o, mount->target))
		return;
	if (mount->change_owner && !owner_may_change(o, mount))
		return;
	if (mount->kind == SPEC_MOUNT_VOLUME && !mount->volume)
		option_note(
			o,
			"noted: volume %s has no name: it is scratch space in memory, lost at every stop",
			mount->target);
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
						.uid = UINT32_MAX,
						.gid = UINT32_MAX,
						.no_suid = true,
						.no_dev = true,
						.copy_up = true } };
}

static struct mount_parse new_volume(void)
{
	return (struct mount_parse){ .mount = { .kind = SPEC_MOUNT_VOLUME, .recursive = true } };
}

/* A name or a path; whatever is neither is a path written wrongly. */
static bool set_source(struct options *o, struct mount_parse *m, const char *value)
{
	if (m->mount.kind == SPEC_MOUNT_BIND) {
		m->mount.source = option_path(o, "volume source", value);
		return m->mount.source != NULL;
	}
	if (strlen(value) > VOLUME_NAME_MAX_BYTES) {
		option_error(o, "volume name \"%s\" is longer than %d bytes",
			     option_shown(o, value), VOLUME_NAME_MAX_BYTES);
		return false;
	}
	m->mount.volume = arena_strdup(o->arena, value);
	return true;
}

/* SOURCE:/TARGET[:OPTIONS], SOURCE a path or a volume's name; /TARGET alone is an anonymous volume. */
void parse_volume(struct options *o, const char *value)
{
	struct strv parts = strv_split(o->arena, value, ':');
	struct mount_parse m = volume_name_is_valid(parts.items[0]) ? new_volume() : new_bind();
	size_t errors_before = o->diags->error_count;
	bool is_anonymous = parts.count == 1 && value[0] == '/';

	if (!option_is_text(o, "the volume", value))
		return;
	if (parts.count > 3 || (parts.count == 1 && !is_anonymous)) {
		option_error(o, "\"%s\" is no SOURCE:/TARGET[:OPTIONS]", option_shown(o, value));
		return;
	}
	if (is_anonymous)
		m = new_volume();
	else if (!set_source(o, &m, parts.items[0]))
		return;
	m.mount.target = option_path(o, "volume target", parts.items[is_anonymous ? 0 : 1]);
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

static bool is_one_of(const char *name, const char *const *words)
{
	while (*words && !str_eq(name, *words))
		words++;
	return *words != NULL;
}

/* A word of the option list that --mount may switch on and off: U=true. */
static void mount_switch(struct options *o, struct mount_parse *m, const char *name,
			 const char *value)
{
	bool on = true;

	if (value && !option_to_bool(value, &on))
		option_error(o, "%s=%s is neither true nor false", name, option_shown(o, value));
	else if (on)
		mount_option(o, m, name);
}

/* podman: anything but a way of propagation would be taken for a mount option. */
static void mount_propagation(struct options *o, struct mount_parse *m, const char *value)
{
	static const char *const words[] = { "private",	   "rprivate",	  "slave",
					     "rslave",	   "shared",	  "rshared",
					     "unbindable", "runbindable", NULL };

	if (value && is_one_of(value, words))
		mount_option(o, m, value);
	else
		option_error(o, "bind-propagation=%s: private, rprivate, slave or rslave",
			     value ? option_shown(o, value) : "");
}

static void mount_source(struct options *o, struct mount_parse *m, const char *value)
{
	if (m->mount.source || m->mount.volume)
		option_error(o, "the source is given twice");
	else if (m->mount.kind == SPEC_MOUNT_VOLUME && !volume_name_is_valid(value))
		option_error(
			o,
			"source \"%s\" is no name of a volume (letters, digits, '_', '.', '-'): a path needs type=bind",
			option_shown(o, value));
	else
		set_source(o, m, value);
}

/* A folder of a volume. That no link in it leads out is the runtime's business. */
static void mount_subpath(struct options *o, struct mount_parse *m, const char *value)
{
	const char *clean;

	if (m->mount.subpath) {
		option_error(o, "the subpath is given twice");
		return;
	}
	for (const char *p = value; *p; p += strspn(p, "/")) {
		size_t len = strcspn(p, "/");

		if (len == 2 && p[0] == '.' && p[1] == '.') {
			option_error(o, "subpath \"%s\" climbs out of its volume",
				     option_shown(o, value));
			return;
		}
		p += len;
	}
	clean = option_path(o, "subpath", arena_join(o->arena, "/", value));
	if (clean && clean[1])
		m->mount.subpath = clean + 1;
}

/* One NAME[=VALUE] of --mount, type taken out before. */
static void mount_field(struct options *o, struct mount_parse *m, const char *field)
{
	static const char *const switches[] = { "U",	   "chown",	     "nocopy",
						"copy",	   "noexec",	     "nosuid",
						"nodev",   "exec",	     "suid",
						"dev",	   "notmpcopyup",    "tmpcopyup",
						"noatime", "no-dereference", NULL };
	static const char *const targets[] = { "target", "dst", "destination", NULL };
	static const char *const accesses[] = { "ro", "readonly", "rw", NULL };
	size_t len = strcspn(field, "=");
	const char *name = arena_strndup(o->arena, field, len);
	const char *value = field[len] ? field + len + 1 : NULL;
	bool tmpfs = m->mount.kind == SPEC_MOUNT_TMPFS;
	bool volume = m->mount.kind == SPEC_MOUNT_VOLUME;

	if (is_one_of(name, targets)) {
		if (m->mount.target)
			option_error(o, "the target is given twice");
		m->mount.target = option_path(o, "mount target", value ? value : "");
	} else if (!tmpfs && (str_eq(name, "source") || str_eq(name, "src"))) {
		mount_source(o, m, value ? value : "");
	} else if (is_one_of(name, accesses)) {
		mount_access(o, m, name, value);
	} else if (volume && (str_eq(name, "subpath") || str_eq(name, "volume-subpath"))) {
		mount_subpath(o, m, value ? value : "");
	} else if (volume && str_eq(name, "volume-nocopy")) {
		mount_switch(o, m, "nocopy", value);
	} else if (is_one_of(name, switches)) {
		mount_switch(o, m, name, value);
	} else if (!tmpfs && str_eq(name, "bind-propagation")) {
		mount_propagation(o, m, value);
	} else if (m->mount.kind == SPEC_MOUNT_BIND && str_eq(name, "bind-nonrecursive")) {
		mount_switch(o, m, "bind", value);
	} else if (m->mount.kind == SPEC_MOUNT_BIND && str_eq(name, "relabel")) {
		mount_option(o, m, "z");
	} else if (tmpfs && str_eq(name, "tmpfs-size")) {
		set_size(o, m, value ? value : "");
	} else if (tmpfs && str_eq(name, "tmpfs-mode")) {
		set_mode(o, m, value ? value : "");
	} else {
		mount_option(o, m, field);
	}
}

static const char *type_refusal(const char *type)
{
	static const struct {
		const char *type, *why;
	} rows[] = {
		{ "glob",
		  "each path needs a mount of its own here: what a pattern finds changes between starts" },
		{ "image",
		  "an image is mounted as a container's root only; copy what is needed into a volume" },
		{ "artifact", "artifacts are not pulled in this version" },
		{ "devpts", "every container has a /dev/pts of its own" },
		{ "ramfs", "it has no bound and would take the whole memory: use type=tmpfs" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (str_eq(type, rows[i].type))
			return rows[i].why;
	return "only bind, volume and tmpfs are known";
}

static bool mount_kind(struct options *o, const struct strv *fields, struct mount_parse *m)
{
	const char *type = "volume"; /* podman's default */

	for (size_t i = 0; i < fields->count; i++)
		if (str_starts(fields->items[i], "type="))
			type = fields->items[i] + strlen("type=");
	if (str_eq(type, "bind"))
		*m = new_bind();
	else if (str_eq(type, "volume"))
		*m = new_volume();
	else if (str_eq(type, "tmpfs"))
		*m = new_tmpfs();
	else
		option_error(o, "mounts of type %s are refused: %s%s", option_shown(o, type),
			     type_refusal(type),
			     str_hint((char[STR_HINT_BYTES]){ 0 }, type,
				      (const char *const[]){ "bind", "volume", "tmpfs", NULL }));
	return str_eq(type, "bind") || str_eq(type, "volume") || str_eq(type, "tmpfs");
}

/* type=bind|volume|tmpfs,NAME[=VALUE],... */
void parse_mount(struct options *o, const char *value)
{
	struct strv fields = strv_split(o->arena, value, ',');
	struct mount_parse m = new_bind(); /* until the type is known */
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
	else if (m.mount.subpath && !m.mount.volume)
		option_error(o, "subpath= needs the name of a volume in source=");
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
