/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The records of the DHCP clients, as they come, are renewed and taken back. Must never count a lease from anew because another process
 * reads the same record.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/uplink_internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

#define PATH_BYTES (sizeof(UPLINK_LEASES6_DIR) + UPLINK_NAME + 1)

static const char *const folders[UPLINK_FAMILIES] = { UPLINK_LEASES_DIR, UPLINK_LEASES6_DIR };
static const int families[UPLINK_FAMILIES] = { AF_INET, AF_INET6 };

static int open_record(const char *name, enum uplink_family family, char stamp[48], struct err *err)
{
	char path[PATH_BYTES];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", folders[family], name);

	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INPUT, "%s: no file", path);
	snprintf(stamp, 48, "%" PRIu64 "-%" PRIu64 "-%ld", (uint64_t)st.st_ino,
		 (uint64_t)st.st_mtim.tv_sec, (long)st.st_mtim.tv_nsec);
	return take_fd(&fd);
}

static void forget(struct uplink_held *held)
{
	held->is_there = false;
	held->until = 0;
}

static int take_record(struct uplink_held *held, int family, int fd, const char *stamp,
		       uint64_t now_sec, struct err *err)
{
	auto_buf text = BUF_INIT(LEASE_MAX_BYTES);
	bool is_new = !str_eq(stamp, held->stamp);

	str_copy(held->stamp, sizeof(held->stamp), stamp);
	if (file_read_fd(fd, LEASE_MAX_BYTES, &text, err) < 0 ||
	    lease_parse(buf_str(&text), family, &held->lease, err) < 0) {
		forget(held);
		return -1;
	}
	held->is_there = !held->lease.is_lost;
	if (held->lease.is_lost)
		forget(held);
	else if (is_new)
		held->until = held->lease.lease_sec == LEASE_FOREVER ?
				      UPLINK_FOREVER :
				      now_sec + held->lease.lease_sec;
	held->is_new = is_new;
	return 0;
}

int uplink_lease_read(struct uplink_own *own, enum uplink_family family, uint64_t now_sec,
		      struct err *err)
{
	struct uplink_held *held = &own->held[family];
	char stamp[48];
	auto_fd int fd = open_record(own->name, family, stamp, err);

	if (fd < 0) {
		if (err->code != ERR_NOT_FOUND)
			return -1;
		forget(held);
		return 0;
	}
	if (held->is_there && str_eq(stamp, held->stamp))
		return 0;
	return take_record(held, families[family], fd, stamp, now_sec, err);
}

void uplink_lease_forget(const char *name)
{
	char path[PATH_BYTES];

	for (unsigned i = 0; i < UPLINK_FAMILIES; i++) {
		snprintf(path, sizeof(path), "%s/%s", folders[i], name);
		unlink(path);
	}
}
