/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The "mounts" array, in the order in which they are made: the kernel's trees first, then
 * everything else by depth, so that nothing is hidden by what comes later. A mount that a unit asks
 * for takes the place of one of ours.
 */
#include "spec/oci_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "spec/volume.h"
#include "util/host.h"
#include "util/path.h"
#include "util/places.h"
#include "util/str.h"

#define DEV_BYTES (512 * 1024) /* nodes and links; who wants room has /dev/shm */
#define MOUNTS_MAX 240

struct entry {
	const char *target, *type, *source;
	struct strv options;
	size_t order; /* keeps the sort stable */
};

struct entries {
	struct entry *items;
	size_t count;
};

bool oci_binds_sysfs(const struct container_spec *spec)
{
	return spec->network == SPEC_NETWORK_HOST;
}

static void write_entry(struct oci *o, const struct entry *entry)
{
	json_object(o->json, NULL);
	json_str(o->json, "destination", entry->target);
	json_str(o->json, "type", entry->type);
	json_str(o->json, "source", entry->source);
	json_array(o->json, "options");
	for (size_t i = 0; i < entry->options.count; i++)
		json_str(o->json, NULL, entry->options.items[i]);
	json_array_end(o->json);
	json_object_end(o->json);
}

static struct entry *add(struct oci *o, struct entries *list, const char *target, const char *type,
			 const char *source, const char *options)
{
	struct entry *entry = arena_push(o->arena, list->items, list->count);

	entry->target = target;
	entry->type = type;
	entry->source = source;
	entry->options = strv_split(o->arena, options, ',');
	entry->order = list->count;
	return entry;
}

static const char *number_option(struct oci *o, const char *name, uint64_t value)
{
	return arena_printf(o->arena, "%s=%llu", name, (unsigned long long)value);
}

static bool user_mounts_at(const struct container_spec *spec, const char *target)
{
	for (size_t i = 0; i < spec->mount_count; i++)
		if (str_eq(spec->mounts[i].target, target))
			return true;
	return false;
}

bool oci_user_mounts_over(const struct container_spec *spec, const char *target)
{
	for (size_t i = 0; i < spec->mount_count; i++) {
		const char *above = spec->mounts[i].target;
		size_t len = strlen(above);

		if (strncmp(target, above, len) == 0 && (!target[len] || target[len] == '/'))
			return true;
	}
	return false;
}

static void add_shm(struct oci *o, struct entries *list)
{
	const struct container_spec *spec = o->spec;
	bool read_only = spec->read_only && !spec->read_only_tmpfs;
	struct entry *shm;

	if (user_mounts_at(spec, "/dev/shm"))
		return;
	if (spec->pod) { /* it has flags and size already */
		add(o, list, "/dev/shm", "x-cleat-pod", "pod", read_only ? "ro" : "rw");
		return;
	}
	shm = add(o, list, "/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777");
	strv_push(o->arena, &shm->options,
		  number_option(o, "size",
				spec->shm_bytes ? spec->shm_bytes : sizes_shm(o->limit_bytes)));
	if (read_only) /* podman: --read-only-tmpfs=false means no scratch space at all */
		strv_push(o->arena, &shm->options, "ro");
}

/*
 * A fresh sysfs shows the interfaces of its network namespace, so the kernel wants that namespace
 * to belong to the user namespace that mounts it. With the host's network it does not: the
 * appliance's is bound read-only, as podman does.
 */
static void add_sysfs(struct oci *o, struct entries *list)
{
	bool writable = oci_is_unmasked(o->spec, "/sys/fs/cgroup");

	if (oci_binds_sysfs(o->spec))
		add(o, list, "/sys", "bind", "/sys", "bind,rprivate,nosuid,noexec,nodev,ro");
	else
		add(o, list, "/sys", "sysfs", "sysfs",
		    o->host->allowed_losses & HOST_LOSS_SYS ?
			    "nosuid,noexec,nodev,ro,x-cleat-share" :
			    "nosuid,noexec,nodev,ro");
	if (!user_mounts_at(o->spec, "/sys/fs/cgroup"))
		add(o, list, "/sys/fs/cgroup", "cgroup", "cgroup",
		    writable ? "rprivate,nosuid,noexec,nodev,relatime,rw" :
			       "rprivate,nosuid,noexec,nodev,relatime,ro");
}

static void add_kernel(struct oci *o, struct entries *list)
{
	struct entry *dev;

	add(o, list, "/proc", "proc", "proc",
	    o->host->allowed_losses & HOST_LOSS_PROC ? "nosuid,noexec,nodev,x-cleat-share" :
						       "nosuid,noexec,nodev");
	dev = add(o, list, "/dev", "tmpfs", "tmpfs", "nosuid,noexec,strictatime,mode=755");
	strv_push(o->arena, &dev->options, number_option(o, "size", DEV_BYTES));
	if (!user_mounts_at(o->spec, "/dev/pts"))
		add(o, list, "/dev/pts", "devpts", "devpts",
		    "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5");
	if (!user_mounts_at(o->spec, "/dev/mqueue"))
		add(o, list, "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev");
	add_shm(o, list);
	add_sysfs(o, list);
}

bool spec_owns_files(const struct container_spec *spec)
{
	return !spec->read_only && !spec->pod && !spec->is_pod;
}

static struct entry *add_file(struct oci *o, struct entries *list, const char *source,
			      const char *target)
{
	if (!source || !source[0] || oci_user_mounts_over(o->spec, target))
		return NULL;
	return add(o, list, target, "bind", source, "bind,rprivate,nosuid,noexec,nodev,ro");
}

/* The container's own where it can write at all, as with podman; those of a pod are one for all its containers. */
static void add_own_file(struct oci *o, struct entries *list, const char *source,
			 const char *target)
{
	struct entry *entry = add_file(o, list, source, target);

	if (entry && spec_owns_files(o->spec))
		strv_push(o->arena, &entry->options, "x-cleat-own");
}

/* libc reads /etc/localtime, and with TZ= (environment.c), which programs with zones of their own understand, a file of that name, which
 * few images have. */
static void add_zone(struct oci *o, struct entries *list)
{
	const char *zone = o->spec->timezone;
	const char *file = o->host->localtime_file, *target;

	if (!zone)
		return;
	if (!str_eq(zone, "local"))
		file = o->host->zone_file;
	add_file(o, list, file, "/etc/localtime");
	if (str_eq(zone, "local") || !file || !file[0])
		return;
	target = arena_printf(o->arena, "/usr/share/zoneinfo/%s", zone);
	if (!oci_user_mounts_over(o->spec, target))
		add(o, list, target, "bind", file,
		    "bind,rprivate,nosuid,noexec,nodev,ro,x-cleat-missing");
}

static void add_files(struct oci *o, struct entries *list)
{
	const struct host_facts *host = o->host;

	if (!o->spec->no_hosts)
		add_own_file(o, list, host->hosts ? host->hosts : "/etc/hosts", "/etc/hosts");
	if (!o->spec->no_hostname)
		add_own_file(o, list, host->hostname_file, "/etc/hostname");
	if (o->spec->network != SPEC_NETWORK_NONE && !o->spec->keeps_resolv_conf)
		add_own_file(o, list, host->resolv_conf, "/etc/resolv.conf");
	add_file(o, list, host->containerenv_file, "/run/.containerenv");
	add_zone(o, list);
}

/* A mount of the user's where ours has to be is refused. */
static int check_free(const struct oci *o, const char *target, const char *whose, struct err *err)
{
	size_t len = strlen(target);

	for (size_t i = 0; i < o->spec->mount_count; i++) {
		const struct spec_mount *mount = &o->spec->mounts[i];

		if (strncmp(mount->target, target, len) == 0 &&
		    (!mount->target[len] || mount->target[len] == '/'))
			return err_set(err, ERR_INPUT,
				       "%s:%u: %s belongs to %s: mount it elsewhere",
				       mount->origin ? mount->origin->file : "",
				       mount->origin ? mount->origin->line : 0, mount->target,
				       whose);
	}
	return 0;
}

/* What the container starts with. */
static int add_init(struct oci *o, struct entries *list, struct err *err)
{
	if (!o->spec->init)
		return 0;
	if (check_free(o, OCI_INIT_TARGET, "RunInit=", err) < 0)
		return -1;
	add(o, list, OCI_INIT_TARGET, "bind", CLEAT_CONTAINER_INIT,
	    "bind,rprivate,nosuid,nodev,ro");
	return 0;
}

/* With a mount of the user's in its place nothing that the container says would arrive. */
static int add_notify(struct oci *o, struct entries *list, struct err *err)
{
	if (!o->host->notify_dir)
		return 0;
	if (check_free(o, OCI_NOTIFY_TARGET, "NOTIFY_SOCKET", err) < 0)
		return -1;
	add(o, list, OCI_NOTIFY_TARGET, "bind", o->host->notify_dir,
	    "bind,rprivate,nosuid,noexec,nodev,ro");
	return 0;
}

static void add_scratch(struct oci *o, struct entries *list, const char *target,
			const char *options, uint64_t bytes)
{
	struct entry *entry = add(o, list, target, "tmpfs", "tmpfs", options);

	strv_push(o->arena, &entry->options, number_option(o, "size", bytes));
}

/*
 * podman's --read-only-tmpfs: room to write where programs expect it, starting with what the image
 * has there.
 */
static void add_read_only_scratch(struct oci *o, struct entries *list)
{
	static const struct {
		const char *target, *options;
		uint64_t (*size)(uint64_t limit_bytes);
	} rows[] = {
		{ "/run", "rw,rprivate,nosuid,nodev,tmpcopyup,mode=1777", sizes_run },
		{ "/tmp", "rw,rprivate,nosuid,nodev,noexec,tmpcopyup,mode=1777", sizes_scratch },
		{ "/var/tmp", "rw,rprivate,nosuid,nodev,noexec,tmpcopyup,mode=1777", sizes_run },
	};

	if (!o->spec->read_only || !o->spec->read_only_tmpfs)
		return;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!user_mounts_at(o->spec, rows[i].target))
			add_scratch(o, list, rows[i].target, rows[i].options,
				    rows[i].size(o->limit_bytes));
}

static bool has_target(const struct entries *list, const char *target)
{
	for (size_t i = 0; i < list->count; i++)
		if (str_eq(list->items[i].target, target))
			return true;
	return false;
}

static bool is_image_volume_target(const char *path, char *clean, size_t size)
{
	for (const char *p = path; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return path_clean(path, clean, size) && !str_eq(clean, "/") && !str_eq(clean, "/dev") &&
	       !str_eq(clean, "/sys") && !str_eq(clean, "/proc") && !str_starts(clean, "/proc/");
}

/*
 * podman gives a volume of the image an anonymous volume, which Quadlet's --rm deletes at every
 * stop. With a throw-away root the root itself is that; with a read-only root it is a bounded
 * tmpfs. Either way the user is told that nothing is kept.
 */
static void add_image_volumes(struct oci *o, struct entries *list)
{
	for (size_t i = 0; i < o->image->volumes.count; i++) {
		const char *volume = o->image->volumes.items[i];
		char clean[4096];

		if (!is_image_volume_target(volume, clean, sizeof(clean))) {
			oci_remark(
				o,
				"image: volume \"%.80s\" is no place for a volume, it is left out",
				volume);
			continue;
		}
		if (oci_user_mounts_over(o->spec, clean) || has_target(list, clean))
			continue;
		if (o->spec->image_volumes == SPEC_IMAGE_VOLUME_IGNORE)
			continue;
		oci_remark(
			o,
			"image: volume %s is scratch space, lost at every stop; mount something there to keep it",
			clean);
		if (o->spec->read_only)
			add_scratch(o, list, arena_strdup(o->arena, clean),
				    "rw,rprivate,nodev,tmpcopyup,x-cleat-owner",
				    sizes_scratch(o->limit_bytes));
	}
}

static void add_flags(struct oci *o, struct entry *entry, bool no_suid, bool no_dev, bool no_exec)
{
	if (no_suid)
		strv_push(o->arena, &entry->options, "nosuid");
	if (no_dev)
		strv_push(o->arena, &entry->options, "nodev");
	if (no_exec)
		strv_push(o->arena, &entry->options, "noexec");
}

static void add_user_tmpfs(struct oci *o, struct entries *list, const struct spec_mount *mount)
{
	struct entry *entry =
		add(o, list, mount->target, "tmpfs", "tmpfs", mount->read_only ? "ro" : "rw");

	strv_push(o->arena, &entry->options, mount->propagation);
	if (mount->copy_up)
		strv_push(o->arena, &entry->options, "tmpcopyup");
	strv_push(o->arena, &entry->options, arena_printf(o->arena, "mode=%o", mount->mode));
	strv_push(o->arena, &entry->options,
		  number_option(o, "size",
				mount->size_percent ? sizes_percent(o->host, mount->size_percent) :
				mount->size_bytes   ? mount->size_bytes :
						      sizes_scratch(o->limit_bytes)));
	if (mount->uid != UINT32_MAX)
		strv_push(o->arena, &entry->options, number_option(o, "uid", mount->uid));
	if (mount->gid != UINT32_MAX)
		strv_push(o->arena, &entry->options, number_option(o, "gid", mount->gid));
}

static void add_user_bind(struct oci *o, struct entries *list, const struct spec_mount *mount)
{
	struct entry *entry = add(o, list, mount->target, "bind", mount->source,
				  mount->recursive ? "rbind" : "bind");

	strv_push(o->arena, &entry->options, mount->propagation);
	strv_push(o->arena, &entry->options, mount->read_only ? "ro" : "rw");
	if (mount->make_source)
		strv_push(o->arena, &entry->options, "x-cleat-make");
}

/* podman's anonymous volume, which Quadlet's --rm deletes at every stop: room in memory, starting with what the image has. */
static void add_anonymous(struct oci *o, struct entries *list, const struct spec_mount *mount)
{
	add_scratch(o, list, mount->target,
		    mount->no_copy ? "rprivate,x-cleat-owner" : "rprivate,tmpcopyup,x-cleat-owner",
		    sizes_scratch(o->limit_bytes));
	strv_push(o->arena, &list->items[list->count - 1].options, mount->read_only ? "ro" : "rw");
}

/* A tmpfs that a .volume unit describes. */
static void add_volume_tmpfs(struct oci *o, struct entries *list, const struct spec_mount *mount,
			     const struct volume_spec *volume)
{
	struct spec_mount tmpfs = *mount;

	tmpfs.read_only |= volume->read_only;
	tmpfs.copy_up = !volume->no_copy && !mount->no_copy;
	tmpfs.mode = volume->mode;
	tmpfs.size_bytes = volume->size_bytes;
	tmpfs.size_percent = volume->size_percent;
	tmpfs.uid = volume->uid;
	tmpfs.gid = volume->gid;
	add_user_tmpfs(o, list, &tmpfs);
}

/* Its content is the runtime's business: only inside the container's root is to be seen what the image has at that place. */
static void add_volume_folder(struct oci *o, struct entries *list, const struct spec_mount *mount,
			      const struct volume_spec *volume)
{
	static const char folder[] = CLEAT_VOLUME_DIR "/";
	const char *source = arena_join(o->arena, folder, mount->volume, mount->subpath ? "/" : "",
					mount->subpath ? mount->subpath : "");
	struct entry *entry = add(o, list, mount->target, "bind", source, "rbind");

	strv_push(o->arena, &entry->options, mount->propagation);
	strv_push(o->arena, &entry->options, mount->read_only || volume->read_only ? "ro" : "rw");
	if (mount->subpath)
		return;
	strv_push(o->arena, &entry->options, "x-cleat-volume");
	if (!mount->no_copy && !volume->no_copy)
		strv_push(o->arena, &entry->options, "x-cleat-copy");
}

static void add_user_volume(struct oci *o, struct entries *list, const struct spec_mount *mount)
{
	const struct volume_spec *volume =
		mount->volume ?
			volume_find(o->host->volumes, o->host->volume_count, mount->volume) :
			NULL;
	struct volume_spec plain;
	struct spec_mount bind = *mount;

	volume_spec_init(&plain, mount->volume);
	volume = volume ? volume : &plain;
	if (!mount->volume) {
		add_anonymous(o, list, mount);
	} else if (volume->kind == VOLUME_TMPFS) {
		add_volume_tmpfs(o, list, mount, volume);
	} else if (volume->kind == VOLUME_FOLDER) {
		add_volume_folder(o, list, mount, volume);
	} else {
		bind.source = mount->subpath ?
				      arena_join(o->arena, volume->device, "/", mount->subpath) :
				      volume->device;
		bind.read_only |= volume->read_only;
		bind.make_source = !mount->subpath && str_starts(bind.source, CLEAT_DATA_DIR "/");
		add_user_bind(o, list, &bind);
	}
	add_flags(o, &list->items[list->count - 1], volume->no_suid, volume->no_dev,
		  volume->no_exec);
}

static void add_user_mounts(struct oci *o, struct entries *list)
{
	for (size_t i = 0; i < o->spec->mount_count; i++) {
		const struct spec_mount *mount = &o->spec->mounts[i];
		struct entry *entry;

		if (mount->kind == SPEC_MOUNT_TMPFS)
			add_user_tmpfs(o, list, mount);
		else if (mount->kind == SPEC_MOUNT_VOLUME)
			add_user_volume(o, list, mount);
		else
			add_user_bind(o, list, mount);
		entry = &list->items[list->count - 1];
		add_flags(o, entry, mount->no_suid, mount->no_dev, mount->no_exec);
		if (mount->change_owner)
			strv_push(o->arena, &entry->options, "x-cleat-chown");
		if (mount->idmap)
			strv_push(o->arena, &entry->options, "idmap");
	}
}

static void add_devices(struct oci *o, struct entries *list)
{
	for (size_t i = 0; i < o->spec->devices.count; i++) {
		const char *device = o->spec->devices.items[i];
		size_t len = strcspn(device, ":");

		add(o, list, device + len + 1, "bind", arena_strndup(o->arena, device, len),
		    "bind,rprivate,nosuid,noexec,rw");
	}
}

static size_t depth(const char *path)
{
	size_t slashes = 0;

	for (; *path; path++)
		slashes += *path == '/' && path[1];
	return slashes;
}

static int by_depth(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	size_t dx = depth(x->target), dy = depth(y->target);

	if (dx != dy)
		return dx < dy ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

int oci_write_mounts(struct oci *o, struct err *err)
{
	struct entries kernel = { 0 }, others = { 0 };

	add_kernel(o, &kernel);
	add_files(o, &others);
	if (add_notify(o, &others, err) < 0 || add_init(o, &others, err) < 0)
		return -1;
	add_read_only_scratch(o, &others);
	add_image_volumes(o, &others);
	add_user_mounts(o, &others);
	add_devices(o, &others);
	if (others.count > MOUNTS_MAX)
		return err_set(err, ERR_LIMIT, "%zu mounts, at most %d are possible", others.count,
			       MOUNTS_MAX);
	if (others.count)
		qsort(others.items, others.count, sizeof(*others.items), by_depth);
	json_array(o->json, "mounts");
	for (size_t i = 0; i < kernel.count; i++)
		write_entry(o, &kernel.items[i]);
	for (size_t i = 0; i < others.count; i++)
		write_entry(o, &others.items[i]);
	json_array_end(o->json);
	return 0;
}
