/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The end of a folder that mkdtemp() has made in /tmp, with all that the tests have left in it. */
#include "unit_test.h"

#include <fcntl.h>
#include <unistd.h>

#include "util/path.h"

/* 0, or -1 with the reason on stderr: what a tear-down of cmocka returns. */
static inline int temp_folder_remove(const char *path)
{
	int tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err err;
	int rc = path_remove_tree(tmp, path + strlen("/tmp/"), &err);

	if (rc < 0)
		print_error("%s: %s\n", path, err.msg);
	close(tmp);
	return rc;
}
