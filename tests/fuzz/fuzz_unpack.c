/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers from bytes into a folder, without privilege. The oracle: whatever a layer says, nothing outside its root comes, goes or
 * changes. The mutator mends the check sums of tar headers, so that mutations get behind them.
 */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/layer.h"
#include "util/path.h"

#define MAX_BYTES (4u * 1024 * 1024)
#define VICTIM "the victim's content"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

static char outer[64];
static int outer_fd = -1;

static void remove_outer(void)
{
	char victim[96], root[96];

	snprintf(victim, sizeof(victim), "%s/victim", outer);
	snprintf(root, sizeof(root), "%s/root", outer);
	unlink(victim);
	rmdir(root);
	rmdir(outer);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	int fd;

	(void)argc;
	(void)argv;
	snprintf(outer, sizeof(outer), "%s/cleat-fuzz-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert(mkdtemp(outer));
	/* a layer that got out would find doors closed that were open to root: but it must not get out at all */
	if (geteuid() == 0) {
		assert(chown(outer, 65534, 65534) == 0);
		assert(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
	}
	atexit(remove_outer);
	outer_fd = open(outer, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd = openat(outer_fd, "victim", O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert(fd >= 0 && write(fd, VICTIM, strlen(VICTIM)) == (ssize_t)strlen(VICTIM));
	close(fd);
	umask(0);
	return 0;
}

/* Folders without rights keep their owner out too; capabilities would not ask. */
static void open_up(int parent, const char *name)
{
	struct dirent *entry;
	struct stat st;
	DIR *dir;
	int fd;

	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return;
	fchmodat(parent, name, 0700, 0);
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	if (fd < 0)
		return;
	dir = fdopendir(fd);
	assert(dir);
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			open_up(fd, entry->d_name);
	closedir(dir);
}

static void check_outside(void)
{
	char found[64] = "";
	unsigned names = 0;
	struct dirent *entry;
	struct stat st;
	DIR *dir;
	int fd = openat(outer_fd, "victim", O_RDONLY | O_NOFOLLOW);

	assert(fd >= 0 && read(fd, found, sizeof(found) - 1) == (ssize_t)strlen(VICTIM));
	assert(strcmp(found, VICTIM) == 0);
	assert(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0600 && st.st_nlink == 1);
	close(fd);
	dir = fdopendir(openat(outer_fd, ".", O_RDONLY | O_DIRECTORY));
	assert(dir);
	while ((entry = readdir(dir)))
		names++;
	closedir(dir);
	assert(names == 4); /* . .. root victim */
	assert(fstat(outer_fd, &st) == 0 && (st.st_mode & 07777) == 0700);
}

static int unpack(int root, int data)
{
	const struct layer_options options = { .max_entries = 200 };
	struct layer_counts counts;
	struct inflate *in;
	struct err err = { 0 };
	int rc;

	in = inflate_open(data, MAX_BYTES, &err);
	assert(in);
	rc = layer_unpack(root, in, &options, &counts, &err);
	assert(rc == 0 || (err.code != ERR_NONE && err.msg[0]));
	assert(counts.entries <= options.max_entries && inflate_total_bytes(in) <= MAX_BYTES);
	inflate_close(in);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int root, bytes = memfd_create("layer", MFD_CLOEXEC);
	struct err err;

	assert(bytes >= 0 && write(bytes, data, size) == (ssize_t)size &&
	       lseek(bytes, 0, SEEK_SET) == 0);
	assert(mkdirat(outer_fd, "root", 0755) == 0);
	root = openat(outer_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(root >= 0);
	unpack(root, bytes);
	close(root);
	close(bytes);
	check_outside();
	open_up(outer_fd, "root");
	assert(path_remove_tree(outer_fd, "root", &err) == 0);
	return 0;
}

static void mend_check_sums(uint8_t *data, size_t size)
{
	for (size_t at = 0; at + 512 <= size; at += 512) {
		unsigned sum = 8 * ' ';
		char text[8];

		if (memcmp(data + at + 257, "ustar", 5) != 0)
			continue;
		for (size_t i = 0; i < 512; i++)
			sum += i >= 148 && i < 156 ? 0 : data[at + i];
		snprintf(text, sizeof(text), "%06o", sum);
		memcpy(data + at + 148, text, 7);
		data[at + 155] = ' ';
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	size = LLVMFuzzerMutate(data, size, max_size);
	if (seed % 16)
		mend_check_sums(data, size);
	return size;
}
