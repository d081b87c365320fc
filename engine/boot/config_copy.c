/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of a disk into a made /config. The disk may be anybody's: nothing on it is followed, opened as something else than a plain file, or
 * read beyond its bound.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/boot.h"
#include "boot/config_internal.h"
#include "unit/unit.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/places.h"
#include "util/str.h"

#define MAX_ENTRIES 4096 /* of a folder */

void config_problems_add(struct config_problems *p, const char *origin, const struct err *err)
{
	auto_buf line = BUF_INIT(CONFIG_MAX_PROBLEMS_BYTES);

	buf_printf(&line, "%s%s%s%s", p->text.len ? "; " : "", origin, *origin ? ": " : "",
		   err->msg);
	if (line.failed || p->text.len + line.len > CONFIG_MAX_PROBLEMS_BYTES - 32)
		p->more++;
	else
		buf_add(&p->text, line.data, line.len);
}

void config_problems_end(struct config_problems *p)
{
	if (p->more)
		buf_printf(&p->text, "%s%u more", p->text.len ? "; " : "", p->more);
	p->more = 0;
}

void config_problems_note(struct config_problems *p, const char *step)
{
	auto_buf note = BUF_INIT(CONFIG_MAX_PROBLEMS_BYTES + 32);
	struct err err;

	config_problems_end(p);
	if (p->text.len)
		buf_printf(&note, CLEAT_CONFIG_DIR ": left out: %s", buf_str(&p->text));
	if (boot_note(step, 1, buf_str(&note), &err) < 0 || p->text.len)
		fprintf(stderr, "%s\n", p->text.len ? buf_str(&p->text) : err.msg);
}

/* A plain file, its bytes; ERR_LIMIT when it is too large. */
static int read_plain(int dir, const char *name, struct buf *out, struct err *err)
{
	auto_fd int fd =
		openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return err_sys(err, "%s", name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, ERR_INPUT, "%s: no plain file", name);
	if (file_read_fd(fd, CONFIG_MAX_FILE_BYTES, out, err) < 0)
		return err_wrap(err, "%s", name);
	return 0;
}

static void copy_file(struct config_tree *t, int dir, const char *name, const char *rel,
		      struct config_problems *problems)
{
	auto_buf text = BUF_INIT(CONFIG_MAX_FILE_BYTES);
	struct err err;

	if (read_plain(dir, name, &text, &err) < 0 ||
	    config_tree_put(t, rel, buf_str(&text), text.len, &err) < 0)
		config_problems_add(problems, "", &err);
}

typedef bool name_fn(const char *name);

static bool is_drop_ins(const char *name)
{
	return strlen(name) > 2 && str_ends(name, ".d");
}

static bool is_any(const char *name)
{
	return name[0] != '.';
}

static bool is_conf(const char *name)
{
	return str_ends(name, ".conf");
}

/* Files of src/folder that wanted() wants, to to/; folders that wanted_folder() wants with one level of their own. */
struct copying {
	const char *folder, *to;
	name_fn *wanted, *wanted_folder, *wanted_inside;
};

static void copy_folder(struct config_tree *t, int src, const struct copying *c,
			struct config_problems *problems)
{
	int fd = openat(src, c->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_dir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	unsigned entries = 0;
	struct dirent *entry;

	while (dir && entries++ < MAX_ENTRIES && (entry = readdir(dir))) {
		auto_buf rel = BUF_INIT(1024);
		struct stat st;

		if (entry->d_name[0] == '.' ||
		    fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		buf_printf(&rel, "%s/%s", c->to, entry->d_name);
		if (S_ISDIR(st.st_mode) && c->wanted_folder && c->wanted_folder(entry->d_name))
			copy_folder(t, fd,
				    &(struct copying){ .folder = entry->d_name,
						       .to = buf_str(&rel),
						       .wanted = c->wanted_inside },
				    problems);
		else if (!S_ISDIR(st.st_mode) && c->wanted(entry->d_name))
			copy_file(t, fd, entry->d_name, buf_str(&rel), problems);
	}
}

int config_copy(struct config_tree *t, int src, bool is_loose, struct config_problems *problems,
		struct err *err)
{
	static const char *const files[] = { "appliance.ini", "network-config", "auth.json",
					     "registries.conf", "policy.json" };
	static const struct copying folders[] = {
		{ "units", "units", unit_is_file_name, is_drop_ins, is_conf },
		{ "secrets", "secrets", is_any, NULL, NULL },
		{ "keys", "keys", is_any, NULL, NULL },
		{ "certs.d", "certs.d", is_any, is_any, is_any },
		{ "quadlets", "units", unit_is_file_name, is_drop_ins, is_conf },
		{ ".", "units", unit_is_file_name, is_drop_ins, is_conf },
	};
	size_t count = sizeof(folders) / sizeof(folders[0]) - (is_loose ? 0 : 2);

	if (src < 0)
		return err_set(err, ERR_BUG, "no folder to copy from");
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (faccessat(src, files[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			copy_file(t, src, files[i], files[i], problems);
	for (size_t i = 0; i < count; i++)
		copy_folder(t, src, &folders[i], problems);
	return 0;
}
