/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Paths below a directory descriptor that cannot leave it: openat2(2) with RESOLVE_BENEATH or
 * RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS (Linux 5.6). Used wherever a name comes from a unit,
 * an image or a container (CVE-2021-30465, CVE-2023-27561: targets that are links out of the root).
 */
#include <dirent.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/err.h"

/* The names in a directory, which stays as it is: a descriptor of its own, from the first name on. NULL: error; auto_dir, closedir(3). */
DIR *path_list(int dirfd, struct err *err) MUST_CHECK;
/* Opens rel beneath dirfd; a symlink or ".." that leaves dirfd is an error (EXDEV).
 * O_CLOEXEC is always added. Returns the descriptor or -1. */
int path_open_beneath(int dirfd, const char *rel, int flags, mode_t mode,
		      struct err *err) MUST_CHECK;
/* The same, but absolute links and ".." are resolved as if dirfd were "/". */
int path_open_in_root(int dirfd, const char *rel, int flags, mode_t mode,
		      struct err *err) MUST_CHECK;
/* Makes missing directories of rel (mode, no owner change) inside root as path_open_in_root
 * resolves it, returns an O_PATH|O_DIRECTORY descriptor of the last one. */
int path_mkdirs_in_root(int dirfd, const char *rel, mode_t mode, struct err *err) MUST_CHECK;
/* mkdir -p of an absolute path that we own (no hostile parents). */
int path_mkdirs(const char *path, mode_t mode, struct err *err) MUST_CHECK;
/* Removes rel below dirfd with everything in it, never following a link, never leaving the file
 * system. A missing rel is no error. */
int path_remove_tree(int dirfd, const char *rel, struct err *err) MUST_CHECK;
/* Something is mounted just there (statx(2), since Linux 5.8; false on older ones). flags: 0 or AT_SYMLINK_NOFOLLOW. Mounts nothing by itself. */
bool path_is_mount(const char *path, int flags);
/* Lexical clean-up of an absolute path into out ("/a//b/../c/." -> "/a/c"); false when it does not
 * fit or is not absolute. */
bool path_clean(const char *path, char *out, size_t size);
