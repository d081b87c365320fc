/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named volumes before and after a child has filled them. Runs with the appliance's rights, so it must never follow a link below
 * the data directory, and never open anything inside a volume but its top folder: all else in there is a container's.
 */
#include "runtime/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/kernel.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/path.h"
#include "util/str.h"

#define VOLUMES "/volumes/" /* CLEAT_VOLUME_DIR below the data directory */
#define RECORDS ".cleat"
#define STATE_MAX_BYTES 32

struct volume {
	const char *name;
	int volumes; /* DATA/volumes */
	int record;  /* DATA/volumes/.cleat/NAME */
	int content; /* DATA/volumes/NAME */
	char state[STATE_MAX_BYTES];
};

static void volume_fini(struct volume *v)
{
	close_fd(&v->volumes);
	close_fd(&v->record);
	close_fd(&v->content);
}

/* NULL: the source is no volume's folder. */
static const char *volume_name(const char *source, const char *data_dir)
{
	size_t len = strlen(data_dir);
	const char *name;

	if (strncmp(source, data_dir, len) != 0 || !str_starts(source + len, VOLUMES))
		return NULL;
	name = source + len + strlen(VOLUMES);
	return name[0] && name[0] != '.' && !strchr(name, '/') ? name : NULL;
}

static int enter(int parent, const char *name, bool make, struct err *err)
{
	int fd;

	if (make && mkdirat(parent, name, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "%s: mkdir", name);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_sys(err, "%s: open", name) : fd;
}

static int read_state(struct volume *v, struct err *err)
{
	auto_buf text = BUF_INIT(STATE_MAX_BYTES);

	v->state[0] = '\0';
	if (file_read_at(v->record, "state", STATE_MAX_BYTES, &text, err) < 0)
		return err->code == ERR_NOT_FOUND ? 0 : err_wrap(err, "state");
	str_copy(v->state, sizeof(v->state), buf_str(&text));
	v->state[strcspn(v->state, "\n")] = '\0';
	return 0;
}

/* What starts leave that are killed while they write: we hold the lock, so nobody is writing. */
static int sweep_state(const struct volume *v, struct err *err)
{
	auto_dir DIR *list = path_list(v->record, err);
	struct dirent *entry;

	if (!list)
		return -1;
	while ((entry = readdir(list)))
		if (str_starts(entry->d_name, "state.tmp-") &&
		    unlinkat(v->record, entry->d_name, 0) < 0)
			return err_sys(err, "%s: unlink", entry->d_name);
	return 0;
}

static int write_state(struct volume *v, const char *state, struct err *err)
{
	str_copy(v->state, sizeof(v->state), state);
	if (sweep_state(v, err) < 0 ||
	    file_write_atomic(v->record, "state", state, strlen(state), 0600, true, err) < 0)
		return err_wrap(err, "state");
	return 0;
}

static int open_volume(struct volume *v, const char *data_dir, struct err *err)
{
	auto_fd int data = open(data_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	v->volumes = data < 0 ? -1 :
				kernel_open_beneath_without_links(data, "volumes", O_DIRECTORY);
	if (v->volumes < 0)
		return err_sys(err, "%s" VOLUMES, data_dir);

	auto_fd int records = enter(v->volumes, RECORDS, true, err);

	if (records < 0)
		return -1;
	v->record = enter(records, v->name, true, err);
	if (v->record < 0)
		return -1;
	v->content = enter(v->volumes, v->name, false, err);
	return v->content < 0 ? -1 : 0;
}

/* Waits: whoever holds it is a start that fills the volume, and the kernel takes it back when that dies. */
static int lock_volume(const struct volume *v, struct err *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	auto_fd int fd = openat(v->record, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(err, "lock: open");
	while (fcntl(fd, F_OFD_SETLKW, &lock) < 0)
		if (errno != EINTR)
			return err_sys(err, "lock");
	return take_fd(&fd);
}

/* The child has a copy of the descriptor: closing ours would leave the lock with it. */
static void unlock(int *fd)
{
	struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	if (*fd >= 0)
		fcntl(*fd, F_OFD_SETLK, &lock);
	close_fd(fd);
}

/* 1, 0, or -1. */
static int is_empty(int dir, struct err *err)
{
	auto_dir DIR *list = path_list(dir, err);
	struct dirent *entry;

	if (!list)
		return -1;
	while ((entry = readdir(list)))
		if (!str_eq(entry->d_name, ".") && !str_eq(entry->d_name, ".."))
			return 0;
	return 1;
}

/* Owner and mode of the copy's top for the volume's. */
static int dress(const struct volume *v, int from, struct err *err)
{
	struct stat st;

	if (fstat(from, &st) < 0)
		return err_sys(err, "stat");
	if (fchown(v->content, st.st_uid, st.st_gid) < 0 ||
	    fchmod(v->content, st.st_mode & 07777) < 0)
		return err_sys(err, "owner and mode");
	return 0;
}

static int move_entries(const struct volume *v, int copied, struct err *err)
{
	auto_dir DIR *list = path_list(copied, err);
	struct dirent *entry;

	if (!list)
		return -1;
	while ((entry = readdir(list))) {
		if (str_eq(entry->d_name, ".") || str_eq(entry->d_name, ".."))
			continue;
		/* Somebody who has the volume already made that name meanwhile: theirs stays. */
		if (syscall(SYS_renameat2, copied, entry->d_name, v->content, entry->d_name,
			    1 /* RENAME_NOREPLACE */) < 0 &&
		    errno != EEXIST)
			return err_sys(err, "%s: rename", entry->d_name);
	}
	return 0;
}

/* Also what a crash has left half done: moving what is left of it is all the same. */
static int move_in(struct volume *v, struct err *err)
{
	auto_fd int copied = enter(v->record, "copied", false, err);

	if (copied < 0)
		return -1;
	if (!v->state[0] && dress(v, copied, err) < 0)
		return -1;
	if (move_entries(v, copied, err) < 0 || write_state(v, "copied", err) < 0)
		return -1;
	return path_remove_tree(v->record, "copied", err);
}

static int clean_up(struct volume *v, struct err *err)
{
	struct stat st;

	if (path_remove_tree(v->record, "copy", err) < 0)
		return -1;
	if (fstatat(v->record, "copied", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(err, "copied");
	return move_in(v, err);
}

static int make_staging(const struct volume *v, struct plan_mount *mount, uint32_t uid,
			uint32_t gid, struct err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					       MOUNT_ATTR_NOEXEC,
				   .propagation = MS_PRIVATE };
	auto_fd int dir = enter(v->record, "copy", true, err);

	if (dir < 0)
		return -1;
	/* An idmapped mount shows what belongs to root on disk as root's inside. */
	if (!mount->idmap && fchown(dir, uid, gid) < 0)
		return err_sys(err, "copy: owner");

	auto_fd int tree = kernel_open_tree(dir, "", AT_EMPTY_PATH);

	if (tree < 0)
		return err_sys(err, "open_tree");
	if (kernel_mount_setattr(tree, 0, &attr) < 0)
		return err_sys(err, "mount_setattr");
	mount->staging = take_fd(&tree);
	return 0;
}

/* Does the volume have to be filled? podman: the owner once, content as long as there never was any. */
static int judge(struct volume *v, const struct plan_mount *mount, bool *wanted, struct err *err)
{
	int empty;

	if (clean_up(v, err) < 0 || read_state(v, err) < 0)
		return -1;
	empty = is_empty(v->content, err);
	if (empty < 0)
		return -1;
	*wanted = empty && (!v->state[0] || (mount->copy_content && !str_eq(v->state, "copied")));
	return !empty && !v->state[0] ? write_state(v, "owned", err) : 0;
}

/* "volume rm" and "volume import" hold the lock: what was opened before it was ours may be another folder by now, which nobody would
 * ever see again. The container's config.json is there already, so whoever comes later sees a user. */
static int check_still_there(const struct volume *v, const struct plan_mount *mount,
			     struct err *err)
{
	struct stat named, opened, mounted;

	if (fstatat(v->volumes, v->name, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "%s", v->name);
	if (fstat(v->content, &opened) < 0)
		return err_sys(err, "fstat");
	mounted = opened;
	if (mount->tree >= 0 && fstat(mount->tree, &mounted) < 0)
		return err_sys(err, "fstat");
	if (named.st_ino == opened.st_ino && named.st_dev == opened.st_dev &&
	    named.st_ino == mounted.st_ino && named.st_dev == mounted.st_dev)
		return 0;
	return err_set(err, ERR_BUSY, "was replaced during the start");
}

static int open_locked(struct volume *v, struct plan_mount *mount, uint32_t uid, uint32_t gid,
		       struct err *err)
{
	int lock = lock_volume(v, err);
	bool wanted = false;
	int rc;

	if (lock < 0)
		return -1;
	/* A start that finished meanwhile has left another state. */
	rc = check_still_there(v, mount, err);
	if (rc == 0)
		rc = read_state(v, err);
	if (rc == 0)
		rc = judge(v, mount, &wanted, err);
	if (rc == 0 && wanted)
		rc = make_staging(v, mount, uid, gid, err);
	if (rc == 0 && wanted)
		mount->staging_lock = lock;
	else
		unlock(&lock);
	return rc;
}

static int open_one(struct plan_mount *mount, const char *data_dir, uint32_t uid, uint32_t gid,
		    struct err *err)
{
	struct volume v = { .volumes = -1, .record = -1, .content = -1 };
	int rc;

	v.name = volume_name(mount->source, data_dir);
	if (!v.name)
		return err_set(err, ERR_INPUT, "source %s: no volume below %s" VOLUMES,
			       mount->source, data_dir);
	rc = open_volume(&v, data_dir, err);
	if (rc == 0)
		rc = open_locked(&v, mount, uid, gid, err);
	volume_fini(&v);
	return rc < 0 ? err_wrap(err, "volume %s", v.name) : 0;
}

/* The first mount of the volume that comes next by name: two starts that take several locks must
 * take them in one order. */
static struct plan_mount *next_by_name(struct plan *plan, const char *after)
{
	struct plan_mount *next = NULL;

	for (size_t i = 0; i < plan->mount_count; i++) {
		struct plan_mount *mount = &plan->mounts[i];

		if (mount->volume && strcmp(mount->source, after) > 0 &&
		    (!next || strcmp(mount->source, next->source) < 0))
			next = mount;
	}
	return next;
}

int volume_open_all(struct plan *plan, const char *data_dir, uint32_t root_uid, uint32_t root_gid,
		    struct err *err)
{
	struct plan_mount *mount = next_by_name(plan, "");

	for (; mount; mount = next_by_name(plan, mount->source))
		if (open_one(mount, data_dir, root_uid, root_gid, err) < 0)
			return err_wrap(err, "mounts: %s", mount->target);
	return 0;
}

static int is_same_file_system(const struct volume *v, int copy, struct err *err)
{
	struct stat a, b;

	if (fstat(v->content, &a) < 0 || fstat(copy, &b) < 0)
		return err_sys(err, "stat");
	if (a.st_dev != b.st_dev)
		return err_set(
			err, ERR_UNSUPPORTED,
			"lies on a file system of its own, where the image's content cannot be moved to: mount it with nocopy");
	return 0;
}

static int settle(struct volume *v, struct err *err)
{
	auto_fd int copy = enter(v->record, "copy", false, err);
	int empty = copy < 0 ? -1 : is_empty(copy, err);

	if (empty < 0 || read_state(v, err) < 0)
		return -1;
	if (empty) {
		if (!v->state[0] && (dress(v, copy, err) < 0 || write_state(v, "owned", err) < 0))
			return -1;
		return path_remove_tree(v->record, "copy", err);
	}
	/* "copied" must not be there before its files are, whenever the power goes. */
	if (is_same_file_system(v, copy, err) < 0)
		return -1;
	if (syncfs(copy) < 0)
		return err_sys(err, "syncfs");
	if (renameat(v->record, "copy", v->record, "copied") < 0)
		return err_sys(err, "rename");
	return move_in(v, err);
}

int volume_settle(struct plan_mount *mount, const char *data_dir, struct err *err)
{
	struct volume v = { .volumes = -1, .record = -1, .content = -1 };
	int rc;

	if (!mount->volume || mount->staging < 0)
		return 0;
	v.name = volume_name(mount->source, data_dir);
	rc = open_volume(&v, data_dir, err);
	if (rc == 0)
		rc = settle(&v, err);
	volume_fini(&v);
	close_fd(&mount->staging);
	unlock(&mount->staging_lock);
	return rc < 0 ? err_wrap(err, "volume %s", v.name) : 0;
}

void volume_close_all(struct plan *plan)
{
	for (size_t i = 0; i < plan->mount_count; i++) {
		struct plan_mount *mount = &plan->mounts[i];

		if (!mount->volume)
			continue;
		close_fd(&mount->staging);
		unlock(&mount->staging_lock);
	}
}
