/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A unit and its copy. Bytes up to a line "%%" are web.container, what follows a drop-in of it. What has been read is written as a copy
 * (supervise/last_good.c), read back, and taken for the file. Oracle beside the sanitizers: a unit that is valid and has a copy comes
 * out of it as the same unit: words, digests, and a copy of the copy. One with no file is started by nobody.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervise/last_good.h"
#include "tests/fuzz/fuzz.h"
#include "unit/machine.h"
#include "util/str.h"

static char place[] = "/tmp/cleat-fuzz-copy-XXXXXX";

static const struct unit_facts facts = { TEST_MACHINE, .keeps_sources = true };

static const char *const names[] = { "/units/web.container.d/x.conf",
				     "/units/web.container",
				     "/units/web.container.d",
				     "/units",
				     "/nothing",
				     "/copies/web.container",
				     "/copies" };

static const char *in_place(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s", place, name);
	return path;
}

static void remove_place(void)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (unlink(in_place(names[i])) < 0)
			rmdir(in_place(names[i]));
	rmdir(place);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	check(mkdtemp(place) != NULL, "a folder can be made");
	check(atexit(remove_place) == 0, "it can be removed");
	check(mkdir(in_place("/units"), 0700) == 0 && mkdir(in_place("/nothing"), 0700) == 0 &&
		      mkdir(in_place("/copies"), 0700) == 0 &&
		      mkdir(in_place("/units/web.container.d"), 0700) == 0,
	      "folders can be made");
	return 0;
}

static void write_file(const char *name, const char *text, size_t len)
{
	int fd = open(in_place(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	check(fd >= 0 && write(fd, text, len) == (ssize_t)len, "a file is written");
	close(fd);
}

static void write_files(const char *text, size_t size)
{
	const char *end = text + size, *part = text;

	while (part && end - part >= 3 && memcmp(part, "%%\n", 3) != 0) {
		part = memchr(part, '\n', (size_t)(end - part));
		part = part ? part + 1 : NULL;
	}
	if (!part || end - part < 3)
		part = end;
	write_file("/units/web.container", text, (size_t)(part - text));
	if (part == end)
		unlink(in_place("/units/web.container.d/x.conf"));
	else
		write_file("/units/web.container.d/x.conf", part + 3, (size_t)(end - part - 3));
}

static const struct unit *find(const struct unit_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		if (str_eq(set->units[i].name, "web.container"))
			return &set->units[i];
	return NULL;
}

static void same_words(const struct arg_list *one, const struct arg_list *two, const char *what)
{
	check(one->count == two->count, what);
	for (size_t i = 0; i < one->count; i++)
		check(str_eq(one->items[i].text, two->items[i].text), what);
}

static void compare(const struct unit *one, const struct unit *two)
{
	check(two != NULL, "a copy is a unit");
	check(two->is_valid, "the copy of a valid unit is valid");
	check(two->is_substituted, "a copy is known for one");
	same_words(&one->spec_args, &two->spec_args, "the engine's words are the same");
	same_words(&one->run_args, &two->run_args, "podman's words are the same");
	check(memcmp(one->source_digest, two->source_digest, 32) == 0, "the version is the same");
	check(memcmp(one->service_digest, two->service_digest, 32) == 0,
	      "what the container is made by is the same");
	check(str_eq(one->source_text, two->source_text) &&
		      str_eq(one->source_service, two->source_service),
	      "a copy of the copy is the same");
	check(one->service.boot == two->service.boot, "a boot starts both or none");
}

static void try_copy(const struct unit *unit)
{
	struct unit_facts with_copy = facts;
	struct unit_set set = { 0 };
	struct arena arena = { 0 };
	struct unit_substitute s;
	char copies[PATH_MAX];
	struct err err;

	snprintf(copies, sizeof(copies), "%s/copies", place);
	if (last_good_write(copies, unit, &err) < 0) {
		check(err.code == ERR_UNSUPPORTED || err.code == ERR_LIMIT,
		      "a unit without a copy has a reason");
		return;
	}
	check(last_good_read(copies, unit->name, &arena, &s, &err) == 0, "a copy can be read");
	with_copy.substitutes = &s;
	with_copy.substitute_count = 1;
	check(unit_set_load(&set, in_place("/nothing"), &with_copy, &err) == 0, "it is loaded");
	compare(unit, find(&set));
	unit_set_fini(&set);
	s.is_removed = true;
	check(unit_set_load(&set, in_place("/nothing"), &with_copy, &err) == 0, "it is loaded");
	check(find(&set) && !find(&set)->service.boot, "nobody starts what has no file");
	unit_set_fini(&set);
	arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unit_set set = { 0 };
	const struct unit *unit;
	struct err err;

	write_files((const char *)data, size);
	check(unit_set_load(&set, in_place("/units"), &facts, &err) == 0, "the folder can be read");
	unit = find(&set);
	if (unit && unit->is_valid)
		try_copy(unit);
	unit_set_fini(&set);
	return 0;
}
