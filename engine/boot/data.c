/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /data of a machine: the partition or disk labelled cleat-data, grown to the end of its disk, checked, mounted; where that cannot be, memory and a
 * loud note, because an appliance that answers and says why is worth more than one that stands still. Must never format
 * anything: a disk without our label is somebody's.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/blkpg.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "boot/boot.h"
#include "boot/data.h"
#include "boot/disk_label.h"
#include "boot/gpt.h"
#include "util/buf.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/path.h"
#include "util/places.h"
#include "util/proc.h"
#include "util/str.h"

#define LABEL "cleat-data"
#define E2FSCK "/usr/sbin/e2fsck"
#define CHECK_MSEC (600 * 1000)
#define LOOK_MSEC 50
#define LOOKS 60 /* SCSI and NVMe disks appear while we look */
#define IN_MEMORY_WORD "cleat.data=memory"
#define CMDLINE_MAX_BYTES 4096u
#define EXT4_SUPERBLOCK 1024
#define EXT4_MAGIC 0xef53
/* fs/ext4/ext4.h: s_state, s_feature_incompat, s_feature_ro_compat */
#define EXT4_STATE_VALID 1u
#define EXT4_NEEDS_RECOVERY 0x4u
#define EXT4_HAS_ORPHANS 0x10000u
#define EXT4_RESIZE _IOW('f', 16, uint64_t) /* fs/ext4/ext4.h; no header of the kernel's says it */

/* What the engine will tell: the worst level, all texts. */
struct words {
	unsigned level;
	char text[400];
};

__attribute__((format(printf, 3, 4))) static void add_words(struct words *w, unsigned level,
							    const char *fmt, ...)
{
	size_t len = strlen(w->text);
	va_list ap;

	if (len && len + 2 < sizeof(w->text)) {
		memcpy(w->text + len, "; ", 3);
		len += 2;
	}
	va_start(ap, fmt);
	vsnprintf(w->text + len, sizeof(w->text) - len, fmt, ap);
	va_end(ap);
	if (level > w->level)
		w->level = level;
}

/* --- finding ---------------------------------------------------------------------------------- */

static bool has_entries(const char *path)
{
	auto_dir DIR *dir = opendir(path);

	for (struct dirent *e; dir && (e = readdir(dir));)
		if (e->d_name[0] != '.')
			return true;
	return false;
}

static int find(char *device, size_t size, struct err *err)
{
	const struct timespec pause = { .tv_nsec = LOOK_MSEC * 1000000L };

	for (unsigned i = 0;; i++) {
		if (disk_find(LABEL, device, size, err) == 0)
			return 0;
		/* virtio-blk is there as soon as its module is */
		if (err->code != ERR_NOT_FOUND || i == LOOKS ||
		    !(has_entries("/sys/class/scsi_host") || has_entries("/sys/class/nvme")))
			return -1;
		nanosleep(&pause, NULL);
	}
}

static bool wants_memory(void)
{
	auto_buf text = BUF_INIT(CMDLINE_MAX_BYTES);

	if (file_read_at(AT_FDCWD, "/proc/cmdline", CMDLINE_MAX_BYTES, &text, NULL) < 0)
		return false;
	return data_has_word(buf_str(&text), IN_MEMORY_WORD);
}

bool data_has_word(const char *line, const char *word)
{
	size_t want = strlen(word);

	while (*line) {
		size_t len = strcspn(line, " \n");

		if (len == want && memcmp(line, word, len) == 0)
			return true;
		line += len + (line[len] != '\0');
	}
	return false;
}

/* --- growing ---------------------------------------------------------------------------------- */

static bool read_number(const char *dir, const char *name, uint64_t *out)
{
	auto_buf text = BUF_INIT(64);
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (file_read_at(AT_FDCWD, path, 64, &text, NULL) < 0 || !text.len)
		return false;
	text.data[strcspn(text.data, "\n")] = '\0';
	return str_to_u64(text.data, INT64_MAX / 512, out);
}

static int tell_kernel(int disk, unsigned number, const struct gpt_partition *part, struct err *err)
{
	struct blkpg_partition data = {
		.start = (long long)part->start_bytes,
		.length = (long long)part->size_bytes,
		.pno = (int)number,
	};
	struct blkpg_ioctl_arg arg = { .op = BLKPG_RESIZE_PARTITION,
				       .datalen = sizeof(data),
				       .data = &data };

	if (syscall(SYS_ioctl, disk, (unsigned long)BLKPG, &arg) < 0)
		return err_sys(err, "resizing the partition");
	return 0;
}

/* A whole disk has no table of ours, and nothing to be done. */
static int grow_partition(const char *device, struct err *err)
{
	const char *name = strrchr(device, '/') + 1;
	char link[128], sys[PATH_MAX], path[PATH_MAX];
	uint64_t number, sectors, block;
	struct gpt_partition part;
	int rc;

	snprintf(link, sizeof(link), DISK_SYS "/%s", name);
	if (!realpath(link, sys))
		return err_sys(err, "%s", link);
	if (!read_number(sys, "partition", &number))
		return 0;
	*strrchr(sys, '/') = '\0';
	snprintf(path, sizeof(path), DISK_DEV "%s", strrchr(sys, '/'));
	if (!read_number(sys, "size", &sectors) ||
	    !read_number(sys, "queue/logical_block_size", &block))
		return err_set(err, ERR_NOT_FOUND, "%s: its size is not known", path);

	auto_fd int disk = open(path, O_RDWR | O_CLOEXEC);

	if (disk < 0)
		return err_sys(err, "%s", path);
	rc = gpt_grow(disk, sectors * 512, (unsigned)block, (unsigned)number, &part, err);
	if (rc > 0)
		rc = tell_kernel(disk, (unsigned)number, &part, err);
	return rc < 0 ? err_wrap(err, "%s", path) : rc;
}

/* The file system, mounted, to the size of what it lies on. */
static int grow_file_system(const char *device, const char *mount_point, struct err *err)
{
	auto_fd int block = open(device, O_RDONLY | O_CLOEXEC);
	auto_fd int dir = open(mount_point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t bytes = 0, have, want;
	unsigned block_bytes;
	unsigned char sb[1024];

	if (block < 0 || dir < 0 ||
	    syscall(SYS_ioctl, block, (unsigned long)BLKGETSIZE64, &bytes) < 0 ||
	    pread(block, sb, sizeof(sb), EXT4_SUPERBLOCK) != (ssize_t)sizeof(sb))
		return err_sys(err, "%s", device);
	if (data_ext4_blocks(sb, &have, &block_bytes) < 0)
		return err_set(err, ERR_INTEGRITY, "%s: not an ext4 superblock", device);
	want = bytes / block_bytes;
	if (want <= have)
		return 0;
	if (syscall(SYS_ioctl, dir, (unsigned long)EXT4_RESIZE, &want) < 0)
		return err_sys(err, "%s: growing the file system", device);
	return 1;
}

int data_ext4_blocks(const unsigned char sb[1024], uint64_t *blocks, unsigned *block_bytes)
{
	uint32_t shift = get_le32(sb + 0x18);
	bool is_64bit = get_le32(sb + 0x60) & 0x80;

	if (get_le16(sb + 0x38) != EXT4_MAGIC || shift > 6)
		return -1;
	*block_bytes = 1024u << shift;
	*blocks = get_le32(sb + 0x04) | (is_64bit ? (uint64_t)get_le32(sb + 0x150) << 32 : 0);
	return 0;
}

bool data_ext4_is_clean(const unsigned char sb[1024])
{
	unsigned mounts = get_le16(sb + 0x34), most = get_le16(sb + 0x36);
	bool is_counted = most > 0 && most < 0x8000; /* signed: 0 and -1 are never */

	return get_le16(sb + 0x38) == EXT4_MAGIC && get_le16(sb + 0x3a) == EXT4_STATE_VALID &&
	       !(get_le32(sb + 0x60) & EXT4_NEEDS_RECOVERY) &&
	       !(get_le32(sb + 0x64) & EXT4_HAS_ORPHANS) &&
	       get_le32(sb + 0xe8) == 0 /* last orphan */ &&
	       get_le32(sb + 0x194) == 0 /* errors */ &&
	       get_le32(sb + 0x44) == 0 /* interval between checks */ &&
	       !(is_counted && mounts >= most);
}

/* --- checking and mounting -------------------------------------------------------------------- */

static int wait_for(struct proc *proc, int msec, int *status, struct err *err)
{
	struct pollfd pfd = { .fd = proc->pidfd, .events = POLLIN };
	auto_fd int pidfd = proc->pidfd;

	if (poll(&pfd, 1, msec) <= 0) {
		kill(proc->pid, SIGKILL);
		return err_set(err, ERR_LIMIT, "has not ended within %d s", msec / 1000);
	}
	return waitpid(proc->pid, status, 0) < 0 ? err_sys(err, "waitpid") : 0;
}

/* e2fsck(8): 1 is "errors corrected", 4 and more "not so". */
static int check(const char *device, struct words *words, struct err *err)
{
	char *argv[] = { "e2fsck", "-p", (char *)device, NULL };
	const struct proc_spawn spawn = {
		.path = E2FSCK, .argv = argv, .cgroup_fd = -1, .fds = { -1, -1, -1 }, .fd_count = 3
	};
	struct proc proc;
	int status;

	if (proc_spawn(&spawn, &proc, err) < 0) {
		add_words(words, 1, "%s is not checked: %s", device, err->msg);
		return 0;
	}
	if (wait_for(&proc, CHECK_MSEC, &status, err) < 0)
		return err_wrap(err, "e2fsck");
	if (!WIFEXITED(status))
		return err_set(err, ERR_SYS, "e2fsck: ended by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) >= 4)
		return err_set(
			err, ERR_INTEGRITY,
			"e2fsck -p: code %d: there is damage that it does not mend without being told to",
			WEXITSTATUS(status));
	if (WEXITSTATUS(status))
		add_words(words, 0, "%s: errors of its file system were corrected", device);
	return 0;
}

static bool is_clean(const char *device)
{
	auto_fd int fd = open(device, O_RDONLY | O_CLOEXEC);
	unsigned char sb[1024];

	return fd >= 0 && pread(fd, sb, sizeof(sb), EXT4_SUPERBLOCK) == (ssize_t)sizeof(sb) &&
	       data_ext4_is_clean(sb);
}

static bool is_mountable(const char *device)
{
	return mount(device, CLEAT_DATA_DIR, "ext4", MS_NODEV | MS_NOATIME, "errors=remount-ro") ==
	       0;
}

static int mount_disk(const char *device, struct words *words, struct err *err)
{
	struct err minor;

	if (grow_partition(device, &minor) < 0)
		add_words(words, 1, "%s has not been grown: %s", device, minor.msg);
	/* one that says it is clean, and is not so, the kernel may still refuse */
	if (!is_clean(device) || !is_mountable(device)) {
		if (check(device, words, err) < 0)
			return err_wrap(err, "%s", device);
		if (!is_mountable(device))
			return err_sys(err, "%s: mount", device);
	}
	if (grow_file_system(device, CLEAT_DATA_DIR, &minor) < 0)
		add_words(words, 1, "not grown: %s", minor.msg);
	return 0;
}

/* A quarter of the memory, as containers' own tmpfs have it. */
static int mount_memory(struct err *err)
{
	struct sysinfo info;
	char options[64];

	if (sysinfo(&info) < 0)
		return err_sys(err, "sysinfo");
	snprintf(options, sizeof(options), "mode=0755,size=%llu",
		 (unsigned long long)info.totalram * info.mem_unit / 4);
	if (mount("cleat-data", CLEAT_DATA_DIR, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
		return err_sys(err, "%s: tmpfs", CLEAT_DATA_DIR);
	return 0;
}

/* In memory, and why; level 2 unless somebody has asked for it. */
static int fall_back(struct words *words, unsigned level, const char *why, struct err *err)
{
	add_words(words, level, "%s is in memory and lasts until the next boot: %s", CLEAT_DATA_DIR,
		  why);
	return mount_memory(err);
}

int boot_data(int argc, char **argv)
{
	struct words words = { 0 };
	char device[64];
	struct err err, why;
	int rc = 0;

	(void)argc;
	(void)argv;
	if (path_is_mount(CLEAT_DATA_DIR, 0))
		return 0;
	if (wants_memory())
		rc = fall_back(&words, 0, IN_MEMORY_WORD " on the kernel's command line", &err);
	else if (find(device, sizeof(device), &why) < 0)
		rc = fall_back(&words, 2,
			       "no disk or partition is labelled " LABEL
			       " (mke2fs -t ext4 -L " LABEL
			       " DISK makes one; none is ever formatted here)",
			       &err);
	else if (mount_disk(device, &words, &why) < 0)
		rc = fall_back(&words, 2, why.msg, &err);
	if (rc == 0)
		rc = boot_note("data", words.level, words.text, &err);
	if (words.text[0])
		fprintf(stderr, "%s\n", words.text);
	if (rc < 0)
		fprintf(stderr, "%s\n", err.msg);
	return rc < 0;
}
