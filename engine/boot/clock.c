/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock of a machine whose RTC is wrong or missing, and a pool that begins where the last boot's ended. Certificates are not yet valid
 * in 1970, and keys that two machines guess alike are none. Must never wait for entropy, nor count a seed that another
 * boot, or another copy of this disk, has used.
 */
#include "boot/clock.h"

#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "boot/boot.h"
#include "boot/identity.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/digest.h"
#include "util/file.h"
#include "util/path.h"
#include "util/places.h"
#include "util/str.h"

#define SEED CLEAT_IDENTITY_DIR "/seed"

int64_t clock_floor(int64_t now_sec, int64_t seed_sec)
{
	int64_t floor = seed_sec > CLOCK_RELEASE_SEC ? seed_sec : CLOCK_RELEASE_SEC;

	return now_sec < floor ? floor : 0;
}

int clock_save_seed(const char *dir, const unsigned char *old, struct err *err)
{
	unsigned char seed[CLOCK_SEED_BYTES];
	const struct identity_facts none = { 0 };
	struct sha256 hash;
	char path[512];

	identity_random(seed, sizeof(seed), &none);
	for (size_t half = 0; old && half < sizeof(seed); half += 32) {
		sha256_init(&hash);
		sha256_update(&hash, "next seed", 10);
		sha256_update(&hash, old, CLOCK_SEED_BYTES);
		sha256_update(&hash, seed + half, 32);
		sha256_final(&hash, seed + half);
	}
	snprintf(path, sizeof(path), "%s/seed", dir);
	if (path_mkdirs(dir, 0700, err) < 0)
		return -1;
	return file_write_atomic(AT_FDCWD, path, seed, sizeof(seed), 0600, true, err);
}

int clock_take_seed(const char *path, unsigned char out[CLOCK_SEED_BYTES], struct err *err)
{
	auto_buf text = BUF_INIT(CLOCK_SEED_BYTES);
	char dir[512];

	if (file_read_at(AT_FDCWD, path, CLOCK_SEED_BYTES, &text, err) < 0)
		return -1;
	if (text.len != CLOCK_SEED_BYTES)
		return err_set(err, ERR_NOT_FOUND, "%s: has %zu bytes", path, text.len);
	memcpy(out, text.data, CLOCK_SEED_BYTES);
	str_copy(dir, sizeof(dir), path);
	*strrchr(dir, '/') = '\0';
	return clock_save_seed(dir, out, err);
}

/* With RNDADDENTROPY, which needs CAP_SYS_ADMIN over the machine: half of it counts. */
static int credit(const unsigned char *seed, struct err *err)
{
	struct {
		struct rand_pool_info head;
		unsigned char bytes[CLOCK_SEED_BYTES];
	} pool = { .head = { .entropy_count = CLOCK_SEED_BYTES * 8 / 2,
			     .buf_size = CLOCK_SEED_BYTES } };
	auto_fd int fd = open("/dev/urandom", O_WRONLY | O_CLOEXEC);

	memcpy(pool.bytes, seed, sizeof(pool.bytes));
	if (fd < 0 || syscall(SYS_ioctl, fd, (unsigned long)RNDADDENTROPY, &pool) < 0)
		return err_sys(err, "/dev/urandom");
	return 0;
}

static bool data_is_writable(void)
{
	return access(CLEAT_DATA_DIR, W_OK) == 0 && identity_is_our_layout();
}

/* A clone's seed has been removed by the step before this one. */
static int feed_pool(struct err *err)
{
	unsigned char seed[CLOCK_SEED_BYTES];

	if (!data_is_writable())
		return 0;
	if (clock_take_seed(SEED, seed, err) == 0)
		return credit(seed, err);
	return clock_save_seed(CLEAT_IDENTITY_DIR, NULL, err);
}

static int set_clock(struct err *err)
{
	struct timespec now = { .tv_sec = time(NULL) };
	struct stat st = { 0 };
	int64_t floor;
	char text[160];

	if (stat(SEED, &st) < 0)
		st.st_mtime = 0;
	floor = clock_floor(now.tv_sec, st.st_mtime);
	if (!floor)
		return boot_note("clock", 0, "", err);
	now.tv_sec = (time_t)floor;
	if (clock_settime(CLOCK_REALTIME, &now) < 0)
		return err_sys(err, "clock_settime");
	snprintf(
		text, sizeof(text),
		"the machine's clock was wrong: it stood before %s; it has been set to that, and NTP sets it right",
		floor == CLOCK_RELEASE_SEC ? "this version was made" : "the end of the last boot");
	fprintf(stderr, "%s\n", text);
	return boot_note("clock", 1, text, err);
}

int boot_clock(int argc, char **argv)
{
	struct err err;
	int rc;

	(void)argc;
	(void)argv;
	/* the clock first: the new seed's time is the next boot's floor */
	rc = set_clock(&err);
	if (rc == 0)
		rc = feed_pool(&err);
	if (rc < 0)
		fprintf(stderr, "%s\n", err.msg);
	return rc < 0;
}

int boot_seed(int argc, char **argv)
{
	struct err err;

	(void)argc;
	(void)argv;
	if (!data_is_writable() || clock_save_seed(CLEAT_IDENTITY_DIR, NULL, &err) == 0)
		return 0;
	fprintf(stderr, "%s\n", err.msg);
	return 1;
}
