/* SPDX-License-Identifier: Apache-2.0 */
/* Mounting in a mount namespace of the test's own: what is attached and how, what fails, and what never answers. */
#include "unit_test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot/config_internal.h"
#include "util/loop.h"
#include "util/scratch.h"

static struct err err;

/* 0: it is as fn says; else the line that is not. In a child, so that the test's own mounts stay as they are. */
static int in_namespace(const struct scratch *s, int (*fn)(const struct scratch *))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(255);
		_exit(fn(s));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* A line number fits into an exit code for files as short as this one. */
#define EXPECT(what)                                                         \
	do {                                                                 \
		if (!(what)) {                                               \
			fprintf(stderr, "line %d: %s\n", __LINE__, err.msg); \
			return __LINE__;                                     \
		}                                                            \
	} while (0)

static const char *below(const struct scratch *s, const char *name)
{
	static char path[16][128];
	static unsigned next;
	char *out = path[next++ % 16];

	snprintf(out, sizeof(path[0]), "%s/%s", s->path, name);
	return out;
}

static int mounts_read_only(const struct scratch *s)
{
	struct config_mount m = { "tmpfs", "x", below(s, "target"), 0 };
	struct statvfs fs;

	EXPECT(config_mount_run(&m, &err) == 0);
	EXPECT(statvfs(m.target, &fs) == 0);
	EXPECT((fs.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV)) ==
	       (ST_RDONLY | ST_NOSUID | ST_NODEV));
	EXPECT(mkdir(below(s, "target/x"), 0755) < 0 && errno == EROFS);
	return 0;
}

static int says_what_fails(const struct scratch *s)
{
	struct config_mount none = { "no-such-fs", "x", below(s, "target"), 0 };
	struct config_mount no_target = { "tmpfs", "x", below(s, "none"), 0 };
	struct config_mount no_device = { "ext4", below(s, "none"), below(s, "target"), 0 };
	struct config_mount no_disk = { "ext4", below(s, "file"), below(s, "target"), 0 };

	EXPECT(config_mount_run(&none, &err) < 0 && err.code == ERR_UNSUPPORTED);
	EXPECT(strncmp(err.msg, "no-such-fs x: ", 14) == 0);
	EXPECT(config_mount_run(&no_target, &err) < 0 && err.code == ERR_NOT_FOUND);
	EXPECT(config_mount_run(&no_device, &err) < 0 && err.code == ERR_NOT_FOUND);
	EXPECT(config_mount_run(&no_disk, &err) < 0);
	EXPECT(rmdir(below(s, "target")) == 0); /* nothing is mounted on it */
	EXPECT(mkdir(below(s, "target"), 0755) == 0);
	return 0;
}

/* A server of FUSE that never answers, in the way of the target. */
static int does_not_wait_for_ever(const struct scratch *s)
{
	struct config_mount m = { "tmpfs", "x", below(s, "dead/target"), 200000 };
	usec_t began = clock_now_usec();
	char options[96];
	int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	EXPECT(fuse >= 0);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
	EXPECT(mount("dead", below(s, "dead"), "fuse", 0, options) == 0);
	EXPECT(config_mount_run(&m, &err) < 0 && err.code == ERR_BUSY);
	EXPECT(strstr(err.msg, "no answer within") != NULL);
	EXPECT(clock_now_usec() - began >= m.limit_usec);
	/* it dies of being killed, and nothing appears */
	EXPECT(waitpid(-1, NULL, 0) > 0);
	return 0;
}

/* / is shared in LXC: what comes over the target later must not come over the source. */
static int binds_for_itself(const struct scratch *s)
{
	struct statvfs fs;

	EXPECT(mount("all", s->path, "tmpfs", 0, "size=1m") == 0);
	EXPECT(mount(NULL, s->path, NULL, MS_SHARED, NULL) == 0);
	EXPECT(mkdir(below(s, "source"), 0755) == 0 && mkdir(below(s, "to"), 0755) == 0);
	EXPECT(mkdir(below(s, "source/units"), 0755) == 0);
	EXPECT(config_bind(below(s, "source"), below(s, "to"), &err) == 0);
	EXPECT(access(below(s, "to/units"), F_OK) == 0);
	EXPECT(statvfs(below(s, "to"), &fs) == 0 && (fs.f_flag & ST_RDONLY));
	EXPECT(mkdir(below(s, "source/more"), 0755) == 0); /* by its own path it can be written */
	EXPECT(mount("over", below(s, "to"), "tmpfs", 0, "size=1m") == 0);
	EXPECT(access(below(s, "to/units"), F_OK) < 0);
	EXPECT(access(below(s, "source/units"), F_OK) == 0);
	EXPECT(config_bind(below(s, "none"), below(s, "to"), &err) < 0 &&
	       err.code == ERR_NOT_FOUND);
	return 0;
}

static void run(void **state, int (*fn)(const struct scratch *))
{
	const struct scratch *s = *state;

	if (geteuid() != 0)
		skip();
	scratch_mkdir(s, "target");
	scratch_mkdir(s, "dead");
	scratch_write(s, "file", "no disk");
	assert_int_equal(in_namespace(s, fn), 0);
}

static void what_is_mounted_is_read_only(void **state)
{
	run(state, mounts_read_only);
}

static void what_fails_is_said(void **state)
{
	run(state, says_what_fails);
}

static void what_never_answers_is_left_behind(void **state)
{
	if (access("/dev/fuse", R_OK | W_OK) < 0)
		skip();
	run(state, does_not_wait_for_ever);
}

static void a_bind_is_private(void **state)
{
	run(state, binds_for_itself);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(what_is_mounted_is_read_only),
		scratch_test(what_fails_is_said),
		scratch_test(what_never_answers_is_left_behind),
		scratch_test(a_bind_is_private),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
