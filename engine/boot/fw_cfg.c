/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's fw_cfg: "-fw_cfg name=opt/cleat/units/web.container,file=...". The kernel shows each as a folder by_key/N with name, size and raw
 * (Documentation/ABI/testing/sysfs-firmware-qemu_fw_cfg). Whoever starts the machine writes these; a name is at most 55 bytes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "boot/config_internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

#define PREFIX "opt/cleat/"
#define MAX_ENTRIES 4096
#define NAME_BYTES 128

/* "opt/cleat/units/web.container\n" */
static int read_name(int dir, char *out, size_t size, struct err *err)
{
	auto_buf text = BUF_INIT(NAME_BYTES);

	if (file_read_at(dir, "name", NAME_BYTES, &text, err) < 0)
		return -1;
	if (text.len && text.data[text.len - 1] == '\n')
		text.data[--text.len] = '\0';
	if (strlen(buf_str(&text)) != text.len || !str_copy(out, size, buf_str(&text)))
		return err_set(err, ERR_INPUT, "a name that is none");
	return 0;
}

static int take(struct config_tree *t, int dir, const char *name, struct err *err)
{
	auto_buf data = BUF_INIT(CONFIG_MAX_FILE_BYTES);

	if (file_read_at(dir, "raw", CONFIG_MAX_FILE_BYTES, &data, err) < 0)
		return err_wrap(err, "%s", name + strlen(PREFIX));
	return config_tree_put(t, name + strlen(PREFIX), buf_str(&data), data.len, err);
}

int fw_cfg_take(struct config_tree *t, const char *path, struct config_problems *problems,
		struct err *err)
{
	auto_dir DIR *dir = opendir(path);
	unsigned entries = 0;
	struct dirent *entry;
	int count = 0;

	if (!dir)
		return errno == ENOENT ? 0 : err_sys(err, "%s", path);
	while (entries++ < MAX_ENTRIES && (entry = readdir(dir))) {
		auto_fd int one = -1;
		char name[NAME_BYTES];
		struct err why;

		if (entry->d_name[0] == '.')
			continue;
		one = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (one < 0 || read_name(one, name, sizeof(name), &why) < 0 ||
		    !str_starts(name, PREFIX))
			continue;
		count++;
		if (take(t, one, name, &why) < 0)
			config_problems_add(problems, "fw_cfg", &why);
	}
	return count;
}
