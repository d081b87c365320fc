/* SPDX-License-Identifier: Apache-2.0 */
/* Labels of file systems that the real tools made, of superblocks that lie, and the walk over devices. */
#include "unit_test.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot/disk_label.h"
#include "util/cleanup.h"
#include "util/scratch.h"

extern char **environ;

/* argv[0] is searched in PATH and where Debian has tools for root. */
static void run(const char *const *argv)
{
	posix_spawn_file_actions_t actions;
	int status;
	pid_t pid;

	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	assert_int_equal(posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv,
				      environ),
			 0);
	posix_spawn_file_actions_destroy(&actions);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static const char *image(const struct scratch *s, const char *name, off_t bytes)
{
	static char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", s->path, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, bytes), 0);
	close(fd);
	return path;
}

static void expect(const char *path, enum disk_fs fs, const char *label)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct disk_label found;

	assert_true(fd >= 0);
	disk_read_label(fd, &found);
	close(fd);
	assert_int_equal(found.fs, fs);
	assert_string_equal(found.text, label);
}

static void reads_ext4(void **state)
{
	const char *path = image(*state, "ext4", 4 * 1024 * 1024);

	run((const char *const[]){ "mke2fs", "-q", "-F", "-t", "ext4", "-L", "CLEAT", path, NULL });
	expect(path, DISK_FS_EXT4, "CLEAT");
	run((const char *const[]){ "mke2fs", "-q", "-F", "-t", "ext4", "-L", "sixteen-bytes-01",
				   path, NULL });
	expect(path, DISK_FS_EXT4, "sixteen-bytes-01");
	run((const char *const[]){ "mke2fs", "-q", "-F", "-t", "ext4", path, NULL });
	expect(path, DISK_FS_EXT4, "");
}

static void reads_vfat_of_each_width(void **state)
{
	static const struct {
		const char *bits;
		off_t bytes;
	} cases[] = { { "12", 1024 * 1024 },
		      { "16", 16 * 1024 * 1024 },
		      { "32", 64 * 1024 * 1024 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *path = image(*state, "vfat", cases[i].bytes);

		run((const char *const[]){ "mkfs.vfat", "-F", cases[i].bits, "-n", "CIDATA", path,
					   NULL });
		expect(path, DISK_FS_VFAT, "CIDATA");
		run((const char *const[]){ "mkfs.vfat", "-F", cases[i].bits, path, NULL });
		expect(path, DISK_FS_VFAT, "");
	}
}

/* mlabel changes both places; Windows and mtools' mren only the one in the root folder. */
static void the_root_folder_of_vfat_counts(void **state)
{
	const char *path = image(*state, "vfat", 1024 * 1024);
	unsigned char entry[11], sector[512];
	off_t root;
	int fd;

	run((const char *const[]){ "mkfs.vfat", "-F", "12", "-n", "OLD", path, NULL });
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, sector, sizeof(sector), 0), sizeof(sector));
	root = (off_t)(sector[14] + sector[16] * sector[22]) * 512;
	memcpy(entry, "CLEAT      ", 11);
	assert_int_equal(pwrite(fd, entry, 11, root), 11);
	expect(path, DISK_FS_VFAT, "CLEAT");
	/* removed there: what the boot sector says */
	assert_int_equal(pwrite(fd, "\xe5", 1, root), 1);
	expect(path, DISK_FS_VFAT, "OLD");
	close(fd);
}

static void reads_iso9660(void **state)
{
	const struct scratch *s = *state;
	char out[128], in[128];

	scratch_mkdir(s, "in");
	scratch_write(s, "in/meta-data", "instance-id: x\n");
	snprintf(out, sizeof(out), "%s/iso", s->path);
	snprintf(in, sizeof(in), "%s/in", s->path);
	run((const char *const[]){ "genisoimage", "-quiet", "-joliet", "-rock", "-volid", "cidata",
				   "-output", out, in, NULL });
	expect(out, DISK_FS_ISO9660, "cidata");
}

/* A hand-made superblock: the fields are those of fs/erofs/erofs_fs.h. */
static void reads_erofs(void **state)
{
	const char *path = image(*state, "erofs", 4096);
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_int_equal(pwrite(fd, "\xe2\xe1\xf5\xe0", 4, 1024), 4);
	assert_int_equal(pwrite(fd, "CLEAT", 5, 1024 + 64), 5);
	close(fd);
	expect(path, DISK_FS_EROFS, "CLEAT");
}

static void nothing_is_no_file_system(void **state)
{
	expect(image(*state, "empty", 0), DISK_FS_NONE, "");
	expect(image(*state, "short", 700), DISK_FS_NONE, "");
	expect(image(*state, "zeros", 128 * 1024), DISK_FS_NONE, "");
}

static void labels_are_printable(void **state)
{
	const char *path = image(*state, "ext4", 4096);
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_int_equal(pwrite(fd, "\x53\xef", 2, 1024 + 56), 2);
	assert_int_equal(pwrite(fd, "a\x1b[2J\xff b \x00zz", 11, 1024 + 120), 11);
	close(fd);
	expect(path, DISK_FS_EXT4, "a?[2J? b");
}

/* Of a boot sector each number that the offsets are made of, at its worst. */
static void lies_of_a_boot_sector_lead_nowhere(void **state)
{
	static const struct {
		size_t offset, len;
		const char *bytes;
	} lies[] = {
		{ 11, 2, "\0\0" },			  /* sector size */
		{ 11, 2, "\xff\xff" },	 { 13, 1, "\0" }, /* sectors of a cluster */
		{ 13, 1, "\x03" },	 { 11, 2, "\0\x03" }, { 14, 2, "\0\0" }, /* reserved */
		{ 16, 1, "\xff" },						 /* copies */
		{ 36, 4, "\0\0\0\0" },	 /* length of the table */
		{ 44, 4, "\x01\0\0\0" }, /* root cluster */
		{ 510, 2, "\0\0" },
	};
	const char *path = image(*state, "vfat", 64 * 1024 * 1024);
	unsigned char good[512];
	int fd;

	run((const char *const[]){ "mkfs.vfat", "-F", "32", "-n", "CLEAT", path, NULL });
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, good, sizeof(good), 0), sizeof(good));
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		unsigned char bad[512];

		memcpy(bad, good, sizeof(bad));
		memcpy(bad + lies[i].offset, lies[i].bytes, lies[i].len);
		assert_int_equal(pwrite(fd, bad, sizeof(bad), 0), sizeof(bad));
		expect(path, DISK_FS_NONE, "");
	}
	/* beyond the end: the sector's own label is left */
	memcpy(good + 44, "\xff\xff\xff\x0f", 4);
	assert_int_equal(pwrite(fd, good, sizeof(good), 0), sizeof(good));
	expect(path, DISK_FS_VFAT, "CLEAT");
	close(fd);
}

/* --- devices -------------------------------------------------------------------------------------------------------------------- */

static void add_device(const struct scratch *s, const char *name, const char *label,
		       const char *uevent)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "sys/%s", name);
	scratch_mkdir(s, path);
	snprintf(path, sizeof(path), "sys/%s/uevent", name);
	scratch_write(s, path, uevent);
	snprintf(path, sizeof(path), "dev/%s", name);
	scratch_write(s, path, "");
	fd = openat(s->fd, path, O_RDWR | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(pwrite(fd, "\x53\xef", 2, 1024 + 56), 2);
	assert_int_equal(pwrite(fd, label, strlen(label), 1024 + 120), strlen(label));
	close(fd);
}

struct seen {
	char names[256];
	struct disk last;
	const char *stop_at;
};

static bool note(void *arg, const struct disk *disk)
{
	struct seen *seen = arg;

	snprintf(seen->names + strlen(seen->names), sizeof(seen->names) - strlen(seen->names),
		 "%s=%s ", disk->name, disk->label.text);
	seen->last = *disk;
	return seen->stop_at && strcmp(disk->name, seen->stop_at) == 0;
}

static void walks_over_disks_in_order(void **state)
{
	const struct scratch *s = *state;
	struct seen seen = { .names = "" };
	char sys[128], dev[128];
	struct err err;

	scratch_mkdir(s, "sys");
	scratch_mkdir(s, "dev");
	add_device(s, "vdb", "CLEAT", "MAJOR=254\n");
	add_device(s, "sda1", "one", "MAJOR=8\nPARTN=1\nPARTNAME=cleat-data\n");
	add_device(s, "loop0", "no", "");
	add_device(s, "dm-0", "no", "");
	add_device(s, "fd0", "no", "");
	add_device(s, "cciss!c0d0", "no", "");
	scratch_mkdir(s, "sys/sdz"); /* without a node */
	snprintf(sys, sizeof(sys), "%s/sys", s->path);
	snprintf(dev, sizeof(dev), "%s/dev", s->path);
	assert_int_equal(disk_each(sys, dev, note, &seen, &err), 0);
	assert_string_equal(seen.names, "sda1=one sdz= vdb=CLEAT ");

	seen = (struct seen){ .stop_at = "sda1" };
	assert_int_equal(disk_each(sys, dev, note, &seen, &err), 0);
	assert_string_equal(seen.names, "sda1=one ");
	assert_string_equal(seen.last.partition_name, "cleat-data");
}

static void a_machine_without_devices(void **state)
{
	const struct scratch *s = *state;
	struct seen seen = { .names = "" };
	char path[128], found[64];
	struct err err;

	snprintf(path, sizeof(path), "%s/none", s->path);
	assert_int_equal(disk_each(path, path, note, &seen, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(disk_find("no such label anywhere", found, sizeof(found), &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(reads_ext4),
		scratch_test(reads_vfat_of_each_width),
		scratch_test(the_root_folder_of_vfat_counts),
		scratch_test(reads_iso9660),
		scratch_test(reads_erofs),
		scratch_test(nothing_is_no_file_system),
		scratch_test(labels_are_printable),
		scratch_test(lies_of_a_boot_sector_lead_nowhere),
		scratch_test(walks_over_disks_in_order),
		scratch_test(a_machine_without_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
