/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache of compiled filters, and loading one. What is found in the cache is used only if
 * nobody but us can have written it; a file that does not look right is compiled anew, never
 * half trusted.
 */
#include "runtime/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/seccomp_compile.h"
#include "runtime/seccomp_ready.h"
#include "util/cleanup.h"
#include "util/digest.h"
#include "util/file.h"
#include "util/path.h"
#include "util/str.h"

static int filter_path(const char *cache_dir, const char *key, char *out, size_t size,
		       struct err *err)
{
	int n = snprintf(out, size, "%s/seccomp-%s.bpf", cache_dir, key);

	if (n < 0 || (size_t)n >= size)
		return err_set(err, ERR_LIMIT, "%s: path is too long", cache_dir);
	return 0;
}

static bool filter_is_ours(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_uid == geteuid() && !(st->st_mode & 077) &&
	       st->st_size > 0 && st->st_size % (off_t)sizeof(struct sock_filter) == 0 &&
	       (size_t)st->st_size <= SECCOMP_MAX_INSNS * sizeof(struct sock_filter);
}

/* 1: loaded into the plan; 0: there is none, or none to be trusted. */
static int read_cached(struct plan *plan, const char *path, struct err *err)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	void *filter;

	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? 0 : err_sys(err, "%s: open", path);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "%s: fstat", path);
	if (!filter_is_ours(&st))
		return 0;
	filter = plan_alloc(plan, (size_t)st.st_size, 1, err);
	if (!filter)
		return -1;
	if (read(fd, filter, (size_t)st.st_size) != (ssize_t)st.st_size)
		return 0;
	plan->filter = filter;
	plan->filter_count = (size_t)st.st_size / sizeof(struct sock_filter);
	return 1;
}

/* A name of our own first, so that a reader sees the whole filter or none. */
static int compile_to(yyjson_val *profile, const char *cache_dir, const char *path, struct err *err)
{
	char temporary[PATH_MAX];
	int n = snprintf(temporary, sizeof(temporary), "%s.%d", path, (int)getpid());
	int rc;

	if (n < 0 || (size_t)n >= sizeof(temporary))
		return err_set(err, ERR_LIMIT, "%s: path is too long", path);
	if (path_mkdirs(cache_dir, 0700, err) < 0)
		return -1;

	auto_fd int fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys(err, "%s: open", temporary);
	rc = seccomp_compile(profile, fd, err);
	if (rc == 0 && rename(temporary, path) < 0)
		rc = err_sys(err, "%s: rename", path);
	if (rc < 0)
		unlink(temporary);
	return rc;
}

static _Noreturn void compiler_main(yyjson_val *profile, const char *cache_dir, const char *path,
				    int report)
{
	struct err failure = { 0 };

	if (compile_to(profile, cache_dir, path, &failure) == 0)
		_exit(0);
	/* Less than PIPE_BUF: whole or not at all. */
	if (write(report, &failure, sizeof(failure)) < 0)
		_exit(2);
	_exit(1);
}

/* In a child: libseccomp's megabytes are not to stay in a shim. */
static int compile_apart(yyjson_val *profile, const char *cache_dir, const char *path,
			 struct err *err)
{
	int ends[2], status = 0;
	struct err failure;
	ssize_t n;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "pipe");

	auto_fd int reader = ends[0];
	auto_fd int writer = ends[1];

	pid = fork();
	if (pid == 0)
		compiler_main(profile, cache_dir, path, writer);
	if (pid < 0)
		return err_sys(err, "fork");
	close_fd(&writer);
	do
		n = read(reader, &failure, sizeof(failure));
	while (n < 0 && errno == EINTR);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n == (ssize_t)sizeof(failure)) {
		*err = failure;
		return -1;
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_set(err, ERR_SYS, "the compiler ended with status %#x",
			       (unsigned)status);
	return 0;
}

static int profile_key(yyjson_val *profile, char *out, size_t size, struct err *err)
{
	size_t len = 0;
	auto_free char *text = yyjson_val_write(profile, YYJSON_WRITE_NOFLAG, &len);
	char digest[DIGEST_STR_LEN + 1];

	if (!text)
		return err_set(err, ERR_INPUT, "profile cannot be written as text");
	digest_of(text, len, digest);
	str_copy(out, size, digest + strlen("sha256:"));
	return 0;
}

/* A bundle that puts somebody else's number on a profile would leave its filter in the cache for
 * all who have the right one. What is cached already was checked when it came there. */
static int check_key(const struct plan *plan, struct err *err)
{
	char computed[SHA256_HEX_LEN + 1];

	if (!plan->seccomp_key)
		return 0;
	if (profile_key(plan->seccomp, computed, sizeof(computed), err) < 0)
		return -1;
	if (!str_eq(computed, plan->seccomp_key))
		return err_set(err, ERR_INPUT, "org.cleat.seccomp is not the profile's sha256 (%s)",
			       computed);
	return 0;
}

static int prepare(struct plan *plan, const char *cache_dir, struct err *err)
{
	char computed[SHA256_HEX_LEN + 1], path[PATH_MAX];
	const char *key = plan->seccomp_key;
	int rc;

	if (!key) {
		if (profile_key(plan->seccomp, computed, sizeof(computed), err) < 0)
			return -1;
		key = computed;
	}
	if (seccomp_ready(key, &plan->filter, &plan->filter_count))
		return 0;
	if (filter_path(cache_dir, key, path, sizeof(path), err) < 0)
		return -1;
	rc = read_cached(plan, path, err);
	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (check_key(plan, err) < 0 || compile_apart(plan->seccomp, cache_dir, path, err) < 0)
		return -1;
	rc = read_cached(plan, path, err);
	if (rc == 0)
		return err_set(err, ERR_INTEGRITY, "%s: somebody else changes it", path);
	return rc < 0 ? -1 : 0;
}

int seccomp_prepare(struct plan *plan, const char *cache_dir, struct err *err)
{
	if (!plan->seccomp)
		return 0;
	if (prepare(plan, cache_dir, err) < 0)
		return err_wrap(err, "seccomp");
	return 0;
}

int seccomp_load_filter(const struct plan *plan, struct err *err)
{
	struct sock_fprog program = {
		.len = (unsigned short)plan->filter_count,
		.filter = (struct sock_filter *)(uintptr_t)plan->filter,
	};

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, plan->seccomp_flags, &program) < 0)
		return err_sys(err, "filter of %zu instructions", plan->filter_count);
	return 0;
}

/* The profile in a document that is one, or is a config.json. */
static yyjson_val *find_profile(yyjson_doc *doc)
{
	yyjson_val *root = yyjson_doc_get_root(doc);
	yyjson_val *inner = yyjson_obj_get(yyjson_obj_get(root, "linux"), "seccomp");

	return inner ? inner : root;
}

static void doc_cleanup(yyjson_doc **doc)
{
	yyjson_doc_free(*doc);
}

int seccomp_compile_file(const char *path, const char *cache_dir, char *out, size_t size,
			 struct err *err)
{
	auto_buf text = BUF_INIT(PLAN_CONFIG_MAX_BYTES);
	__attribute__((cleanup(doc_cleanup))) yyjson_doc *doc = NULL;
	char key[SHA256_HEX_LEN + 1];
	yyjson_val *profile;

	if (file_read_at(AT_FDCWD, path, PLAN_CONFIG_MAX_BYTES, &text, err) < 0)
		return -1;
	doc = yyjson_read(buf_str(&text), text.len, YYJSON_READ_NOFLAG);
	profile = doc ? find_profile(doc) : NULL;
	if (!yyjson_get_str(yyjson_obj_get(profile, "defaultAction")))
		return err_set(err, ERR_INPUT, "%s: no seccomp profile in it", path);
	if (profile_key(profile, key, sizeof(key), err) < 0 ||
	    filter_path(cache_dir, key, out, size, err) < 0)
		return -1;
	if (compile_to(profile, cache_dir, out, err) < 0)
		return err_wrap(err, "%s", path);
	return 0;
}
