/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What reading unit files costs, without the rest of the program.
 *
 *   units read DIR    reads every file of DIR and throws it away: what no reader of units can be faster than
 *   units keep DIR    loads DIR as the engine does and prints "UNITS BYTES": memory that the loaded set keeps
 *
 * Reading is open, fstat, read, close for each name that readdir gives: no more, and no less, than a reader needs.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/unit.h"

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static size_t read_one(int dir, const char *name)
{
	static char text[256 * 1024];
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t total = 0;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		die(name);
	while ((n = read(fd, text, sizeof(text))) > 0)
		total += (size_t)n;
	if (n < 0)
		die(name);
	close(fd);
	return total;
}

static int read_all(const char *path)
{
	DIR *dir = opendir(path);
	size_t files = 0, bytes = 0;

	if (!dir)
		die(path);
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		if (entry->d_name[0] != '.') {
			bytes += read_one(dirfd(dir), entry->d_name);
			files++;
		}
	closedir(dir);
	printf("%zu %zu\n", files, bytes);
	return 0;
}

/* Private memory of this process, in bytes: what it has written to. */
static size_t private_bytes(void)
{
	char line[256];
	unsigned long kib, total = 0;
	FILE *f = fopen("/proc/self/smaps_rollup", "re");

	if (!f)
		die("/proc/self/smaps_rollup");
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, "Private_", 8) == 0 && strchr(line, ':') &&
		    (kib = strtoul(strchr(line, ':') + 1, NULL, 10)) > 0)
			total += kib;
	fclose(f);
	return (size_t)total * 1024;
}

static int keep(const char *path)
{
	struct unit_set set = { 0 };
	struct unit_facts facts;
	struct arena arena = { 0 };
	struct err err;
	size_t before;

	unit_facts_init(&facts, &arena, NULL);
	before = private_bytes();
	if (unit_set_load(&set, path, &facts, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	printf("%zu %zu\n", set.count, private_bytes() - before);
	unit_set_fini(&set);
	arena_fini(&arena);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "read") == 0)
		return read_all(argv[2]);
	if (argc == 3 && strcmp(argv[1], "keep") == 0)
		return keep(argv[2]);
	fprintf(stderr, "usage: units read|keep DIR\n");
	return 2;
}
