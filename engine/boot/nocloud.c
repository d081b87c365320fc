/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a NoCloud disk says of the machine itself: its name and its network, wherever /config is from. Proxmox makes such a disk for each
 * machine with a cloud-init drive. Must never run or fetch anything that a #cloud-config asks for.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/config_internal.h"
#include "unit/yaml_tree.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/path.h"
#include "util/str.h"

#define MAX_BYTES (64u * 1024)

/* The first label, lower case; false when it is no name. */
static bool take_name(const char *text, char *out, size_t size)
{
	size_t len = text ? strcspn(text, ".") : 0;

	if (!len || len > 63 || len >= size || text[0] == '-' || text[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)text[i]) && text[i] != '-')
			return false;
		out[i] = (char)tolower((unsigned char)text[i]);
	}
	out[len] = '\0';
	return !str_eq(out, "localhost");
}

static bool name_in(const char *text, size_t len, const char *const *keys, char *out, size_t size)
{
	auto_arena arena = { 0 };
	struct diags diags = { 0 };
	const struct yaml_node *root = yaml_read(&arena, &diags, "", text, len);
	bool is_found = false;

	for (; *keys && !is_found; keys++)
		is_found = take_name(yaml_text(root, *keys), out, size);
	diags_fini(&diags);
	return is_found;
}

void nocloud_hostname(const char *meta_data, size_t meta_len, const char *user_data,
		      size_t user_len, char *out, size_t size)
{
	static const char *const meta_keys[] = { "local-hostname", "hostname", NULL };
	static const char *const user_keys[] = { "hostname", "fqdn", NULL };
	static const char head[] = "#cloud-config";
	bool is_cloud_config = user_len >= sizeof(head) &&
			       memcmp(user_data, head, sizeof(head) - 1) == 0;

	if (name_in(meta_data, meta_len, meta_keys, out, size) ||
	    (is_cloud_config && name_in(user_data, user_len, user_keys, out, size)))
		return;
	out[0] = '\0';
}

/* Empty when there is none. */
static void read_file(int src, const char *name, struct buf *out, struct config_problems *problems)
{
	auto_fd int fd =
		openat(src, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	struct err err;

	if (fd < 0)
		return;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		err_set(&err, ERR_INPUT, "no plain file");
	else if (file_read_fd(fd, MAX_BYTES, out, &err) == 0)
		return;
	config_problems_add(problems, name, &err);
	buf_clear(out);
}

/* Replaced, or removed when there is nothing to write. */
static int write_fact(int dir, const char *name, const struct buf *text, struct err *err)
{
	if (text->len)
		return file_write_atomic(dir, name, text->data, text->len, 0644, false, err);
	unlinkat(dir, name, 0);
	return 0;
}

int nocloud_take_facts(int src, const char *out, struct config_problems *problems, struct err *err)
{
	auto_buf meta = BUF_INIT(MAX_BYTES), user = BUF_INIT(MAX_BYTES);
	auto_buf network = BUF_INIT(MAX_BYTES), name = BUF_INIT(128);
	auto_fd int dir = -1;
	char hostname[64];

	if (path_mkdirs(out, 0755, err) < 0)
		return -1;
	dir = open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(err, "%s", out);
	read_file(src, "meta-data", &meta, problems);
	read_file(src, "user-data", &user, problems);
	read_file(src, "network-config", &network, problems);
	nocloud_hostname(buf_str(&meta), meta.len, buf_str(&user), user.len, hostname,
			 sizeof(hostname));
	if (hostname[0])
		buf_printf(&name, "%s\n", hostname);
	if (write_fact(dir, "hostname", &name, err) < 0)
		return -1;
	return write_fact(dir, "network-config", &network, err);
}
