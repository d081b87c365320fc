/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of members and the way to their parents. The kernel resolves (openat2 RESOLVE_IN_ROOT beneath the layer's
 * root), we only decide what is made. Must never follow the last part of a name, nor cut a name short.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "image/layer_internal.h"
#include "util/cleanup.h"
#include "util/path.h"
#include "util/str.h"

int layer_clean_name(const char *name, char out[LAYER_NAME_MAX_BYTES + 1], struct err *err)
{
	size_t len = 0;
	unsigned depth = 0;

	for (;;) {
		size_t part;

		name += strspn(name, "/");
		part = strcspn(name, "/");
		if (part == 0)
			break;
		if (part == 2 && name[0] == '.' && name[1] == '.')
			return err_set(err, ERR_INPUT,
				       "\"..\" in a name: the layer climbs out of its root");
		if (part == 1 && name[0] == '.') {
			name++;
			continue;
		}
		if (part > NAME_MAX || len + part + 1 > LAYER_NAME_MAX_BYTES ||
		    ++depth > LAYER_MAX_DEPTH)
			return err_set(err, ERR_LIMIT, "name is too long or too deep");
		if (len)
			out[len++] = '/';
		memcpy(out + len, name, part);
		len += part;
		name += part;
	}
	out[len] = '\0';
	return 0;
}

int layer_count_entry(struct layer *layer, struct err *err)
{
	if (layer->counts->entries >= layer->options->max_entries)
		return err_set(err, ERR_LIMIT, "layer has more than %llu files and folders",
			       (unsigned long long)layer->options->max_entries);
	layer->counts->entries++;
	return 0;
}

void layer_forget_parent(struct layer *layer)
{
	close_fd(&layer->parent_fd);
}

int layer_set_opaque(int parent_fd, const char *last, struct err *err)
{
	auto_fd int fd = openat(parent_fd, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "open");
	if (fsetxattr(fd, "user.overlay.opaque", "y", 1, 0) < 0)
		return err_sys(err, "user.overlay.opaque: setxattr");
	return 0;
}

static int make_folder(struct layer *layer, int at, const char *part, bool opaque, struct err *err)
{
	if (layer_count_entry(layer, err) < 0)
		return -1;
	if (mkdirat(at, part, 0755) < 0)
		return err_sys(err, "mkdir of the parent %.100s", part);
	/* whatever the umask is */
	if (fchmodat(at, part, 0755, 0) < 0)
		return err_sys(err, "chmod of the parent %.100s", part);
	return opaque ? layer_set_opaque(at, part, err) : 0;
}

/* One part further: at is the folder so far, so_far the clean name up to and with part. */
static int step_into(struct layer *layer, int at, const char *part, const char *so_far, int *out,
		     struct err *err)
{
	struct stat st;

	if (fstatat(at, part, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno != ENOENT)
			return err_sys(err, "parent");
		if (make_folder(layer, at, part, false, err) < 0)
			return -1;
	} else if (S_ISLNK(st.st_mode)) {
		*out = path_open_in_root(layer->root_fd, so_far, O_PATH | O_DIRECTORY, 0, err);
		return *out < 0 ? err_wrap(err, "parent is a link") : 0;
	} else if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0)) {
		/* removed from the lower layers and made anew in this one */
		if (unlinkat(at, part, 0) < 0)
			return err_sys(err, "parent");
		if (make_folder(layer, at, part, true, err) < 0)
			return -1;
	}
	*out = openat(at, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *out < 0 ? err_sys(err, "parent") : 0;
}

static int make_parents(struct layer *layer, const char *parent, int *out, struct err *err)
{
	char so_far[LAYER_NAME_MAX_BYTES + 1];
	size_t len = strlen(parent), start = 0;
	auto_fd int at = -1;

	memcpy(so_far, parent, len + 1);
	while (start < len) {
		size_t part = strcspn(so_far + start, "/");
		int next = -1;

		so_far[start + part] = '\0';
		if (step_into(layer, at < 0 ? layer->root_fd : at, so_far + start, so_far, &next,
			      err) < 0)
			return -1;
		close_fd(&at);
		at = next;
		if (start + part < len)
			so_far[start + part] = '/';
		start += part + 1;
	}
	*out = take_fd(&at);
	return 0;
}

int layer_find_place(struct layer *layer, const char *name, struct layer_place *out,
		     struct err *err)
{
	const char *slash = strrchr(name, '/');
	char parent[LAYER_NAME_MAX_BYTES + 1];
	size_t len = slash ? (size_t)(slash - name) : 0;

	*out = (struct layer_place){ .parent_fd = layer->root_fd,
				     .last = slash ? slash + 1 : name };
	if (!slash)
		return 0;
	memcpy(parent, name, len);
	parent[len] = '\0';
	if (layer->parent_fd < 0 || !str_eq(parent, layer->parent)) {
		layer_forget_parent(layer);
		layer->parent_fd =
			path_open_in_root(layer->root_fd, parent, O_PATH | O_DIRECTORY, 0, err);
		if (layer->parent_fd < 0 && make_parents(layer, parent, &layer->parent_fd, err) < 0)
			return -1;
		memcpy(layer->parent, parent, len + 1);
	}
	out->parent_fd = layer->parent_fd;
	return 0;
}

int layer_open_parent(const struct layer *layer, const char *name, int *parent_fd,
		      const char **last, struct err *err)
{
	const char *slash = strrchr(name, '/');
	char parent[LAYER_NAME_MAX_BYTES + 1] = ".";

	if (slash) {
		memcpy(parent, name, (size_t)(slash - name));
		parent[slash - name] = '\0';
	}
	*last = slash ? slash + 1 : name;
	*parent_fd = path_open_in_root(layer->root_fd, parent, O_PATH | O_DIRECTORY, 0, err);
	return *parent_fd < 0 ? -1 : 0;
}
