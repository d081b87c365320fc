/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a container's process is. Parts by a line "%%": User=, its groups, and the image's passwd and group. Oracle beside the
 * sanitizers: every id has a place in the container's map, a number is kept as it was asked for, and one that is said to lack its line
 * has it as soon as there is one.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/identity.h"
#include "tests/fuzz/fuzz.h"
#include "util/str.h"

#define RANGE 65536u
#define MAX_BYTES 65536

static char place[] = "/tmp/cleat-fuzz-accounts-XXXXXX";
static int root = -1;
static struct plan_id_range range = { .inside = 0, .outside = 100000, .count = RANGE };
static const struct plan plan = {
	.uid_map = &range, .gid_map = &range, .uid_map_count = 1, .gid_map_count = 1, .uid = 7
};

static void remove_place(void)
{
	unlinkat(root, "etc/passwd", 0);
	unlinkat(root, "etc/group", 0);
	unlinkat(root, "etc", AT_REMOVEDIR);
	rmdir(place);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	check(mkdtemp(place) != NULL, "a folder can be made");
	root = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
	check(root >= 0 && atexit(remove_place) == 0, "it can be removed");
	check(mkdirat(root, "etc", 0700) == 0, "a folder in it");
	return 0;
}

static void write_file(const char *name, const char *text, size_t len, int flags)
{
	int fd = openat(root, name, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);

	check(fd >= 0 && write(fd, text, len) == (ssize_t)len, "a file is written");
	close(fd);
}

static const char *next_part(const uint8_t **at, size_t *left, size_t *len)
{
	const uint8_t *begin = *at, *end = memmem(begin, *left, "%%\n", 3);
	size_t skip;

	*len = end ? (size_t)(end - begin) : *left;
	skip = end ? *len + 3 : *len;
	*at += skip;
	*left -= skip;
	return (const char *)begin;
}

static void word(char *out, size_t size, const char *text, size_t len)
{
	snprintf(out, size, "%.*s", (int)(len < size ? len : size - 1), text);
	out[strcspn(out, "\n")] = '\0';
}

static bool resolve(const char *user, const char *groups, struct identity *id)
{
	struct err err;

	if (identity_resolve(&plan, user, groups, root, id, &err) == 0)
		return true;
	check(err.msg[0] != '\0', "a refusal says why");
	return false;
}

static void look_at(const char *user, const struct identity *id)
{
	uint64_t number;
	char name[600];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(user, ":"), user);
	check(id->uid < RANGE && id->gid < RANGE, "the map has a place for both");
	check(id->group_count <= IDENTITY_MAX_GROUPS, "groups are bounded");
	for (size_t i = 0; i < id->group_count; i++)
		check(id->groups[i] < RANGE, "and for every group");
	check(!id->home[0] || id->home[0] == '/', "a home is a path");
	if (!user[0])
		check(id->uid == plan.uid && !id->lacks_user, "the plan's number");
	else if (str_to_u64(name[0] ? name : "0", UINT32_MAX - 1, &number))
		check(id->uid == number, "a number is kept");
	else
		check(!id->lacks_user, "a name has its line");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct identity id, again;
	char user[600], groups[600], line[64];
	const char *part;
	size_t len;
	bool is_text;

	if (size > MAX_BYTES)
		return 0;
	part = next_part(&data, &size, &len);
	word(user, sizeof(user), part, len);
	part = next_part(&data, &size, &len);
	word(groups, sizeof(groups), part, len);
	part = next_part(&data, &size, &len);
	write_file("etc/passwd", part, len, O_TRUNC);
	/* what follows a NUL is not read */
	is_text = !memchr(part, '\0', len);
	part = next_part(&data, &size, &len);
	write_file("etc/group", part, len, O_TRUNC);
	if (!resolve(user, groups[0] ? groups : NULL, &id))
		return 0;
	look_at(user, &id);
	if (!id.lacks_user || !is_text)
		return 0;
	snprintf(line, sizeof(line), "\nx:x:%u:0::/x:\n", id.uid);
	write_file("etc/passwd", line, strlen(line), O_APPEND);
	check(resolve(user, groups[0] ? groups : NULL, &again), "one line more does no harm");
	check(!again.lacks_user && again.uid == id.uid && str_eq(again.home, "/x"),
	      "the line is found");
	return 0;
}
