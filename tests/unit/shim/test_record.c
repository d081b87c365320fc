/* SPDX-License-Identifier: Apache-2.0 */
/* The status record: round trip, older and newer ones, torn ones, order of record and message. */
#include "unit_test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shim/internal.h"
#include "util/proc.h"

struct fixture {
	char dir[64];
	struct shim shim;
	int engine; /* the other end of the client's connection */
};

static void fixture_open(struct fixture *f)
{
	int ends[2];

	*f = (struct fixture){ .dir = "/tmp/cleat-test-shim-XXXXXX" };
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	f->shim.args =
		(struct shim_args){ .run_id = "0123456789ab", .name = "web", .run_dir = f->dir };
	f->shim.run_dirfd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->shim.client_fd = ends[0];
	f->shim.is_greeted = true;
	f->engine = ends[1];
	shim_record_init(&f->shim);
}

static void fixture_close(struct fixture *f)
{
	close(f->shim.client_fd);
	close(f->engine);
	unlinkat(f->shim.run_dirfd, "status", 0);
	close(f->shim.run_dirfd);
	assert_int_equal(rmdir(f->dir), 0);
}

static size_t read_record(const struct fixture *f, char *out, size_t size)
{
	int fd = openat(f->shim.run_dirfd, "status", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, out, size);

	close(fd);
	assert_true(n >= 0);
	return (size_t)n;
}

static void a_record_comes_back_as_it_was(void **state)
{
	char bytes[4096];
	struct fixture f;
	struct shim_status status;

	(void)state;
	fixture_open(&f);
	f.shim.status.phase = SHIM_FAILED;
	f.shim.status.error_errno = 2;
	snprintf(f.shim.status.error, sizeof(f.shim.status.error), "%s",
		 "mounts: /data: openat2: No such file or directory");
	shim_record_publish(&f.shim);
	assert_true(shim_status_parse(bytes, read_record(&f, bytes, sizeof(bytes)), &status));
	assert_memory_equal(&status, &f.shim.status, sizeof(status));
	assert_string_equal(status.run_id, "0123456789ab");
	assert_string_equal(status.name, "web");
	assert_int_equal(strlen(status.boot_id), 36);
	assert_int_equal(status.shim_pid, getpid());
	assert_int_equal(status.shim_start_ticks, proc_start_ticks(getpid()));
	fixture_close(&f);
}

static void the_record_is_there_before_the_message(void **state)
{
	char bytes[4096];
	struct shim_state message;
	struct shim_status status;
	struct fixture f;

	(void)state;
	fixture_open(&f);
	for (uint32_t phase = SHIM_CREATING; phase <= SHIM_EXITED; phase++) {
		f.shim.status.phase = phase;
		shim_record_publish(&f.shim);
		assert_int_equal(recv(f.engine, &message, sizeof(message), 0), sizeof(message));
		assert_int_equal(message.header.type, SHIM_STATE);
		assert_int_equal(message.header.length, sizeof(message));
		assert_int_equal(message.status.phase, phase);
		assert_true(
			shim_status_parse(bytes, read_record(&f, bytes, sizeof(bytes)), &status));
		assert_int_equal(status.phase, phase);
	}
	fixture_close(&f);
}

static void a_client_that_has_not_greeted_hears_nothing(void **state)
{
	struct fixture f;
	char byte;

	(void)state;
	fixture_open(&f);
	f.shim.is_greeted = false;
	shim_record_publish(&f.shim);
	assert_int_equal(recv(f.engine, &byte, 1, MSG_DONTWAIT), -1);
	fixture_close(&f);
}

static struct shim_status sample(void)
{
	struct shim_status s = {
		.magic = SHIM_STATUS_MAGIC, .version = 1, .length = sizeof(s), .phase = SHIM_RUNNING
	};

	memset(s.name, 'n', sizeof(s.name));
	memset(s.error, 'e', sizeof(s.error));
	memset(s.run_id, 'r', sizeof(s.run_id));
	memset(s.boot_id, 'b', sizeof(s.boot_id));
	memset(s.log_error, 'l', sizeof(s.log_error));
	memset(s.unenforced, 'u', sizeof(s.unenforced));
	return s;
}

/* A length that says less than there is, or more, is a torn record; one that says what is there is
 * an older or newer one. */
static void records_of_every_length(void **state)
{
	char bytes[sizeof(struct shim_status) + 64];
	struct shim_status status, s = sample();

	(void)state;
	for (size_t length = 0; length <= sizeof(bytes); length++) {
		char *exact = malloc(length ? length : 1); /* so that a read beyond it is seen */
		bool is_good;

		memset(bytes, 0x55, sizeof(bytes));
		s.length = (uint16_t)length;
		memcpy(bytes, &s, sizeof(s));
		memcpy(exact, bytes, length);
		is_good = shim_status_parse(exact, length, &status);
		assert_int_equal(is_good, length >= SHIM_STATUS_MIN);
		if (is_good) {
			assert_int_equal(status.phase, SHIM_RUNNING);
			assert_true(strnlen(status.name, sizeof(status.name)) <
				    sizeof(status.name));
			assert_true(strnlen(status.error, sizeof(status.error)) <
				    sizeof(status.error));
			assert_true(strnlen(status.unenforced, sizeof(status.unenforced)) <
				    sizeof(status.unenforced));
			if (length <= offsetof(struct shim_status, log_error))
				assert_int_equal(status.log_error[0], 0);
		} else {
			assert_int_equal(status.magic, 0);
		}
		free(exact);
	}
}

static void torn_and_foreign_records(void **state)
{
	struct shim_status status, s = sample();

	(void)state;
	assert_true(shim_status_parse(&s, sizeof(s), &status));
	assert_false(shim_status_parse(&s, sizeof(s) - 1, &status));
	s.length--;
	assert_false(shim_status_parse(&s, sizeof(s), &status));
	s.length++;
	s.magic++;
	assert_false(shim_status_parse(&s, sizeof(s), &status));
}

/* Without its directory the shim goes on: the message still comes. */
static void a_record_that_cannot_be_written(void **state)
{
	struct shim_state message;
	struct fixture f;
	int keep;

	(void)state;
	fixture_open(&f);
	keep = f.shim.run_dirfd;
	f.shim.run_dirfd = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	shim_record_publish(&f.shim);
	assert_int_equal(recv(f.engine, &message, sizeof(message), MSG_DONTWAIT), sizeof(message));
	close(f.shim.run_dirfd);
	f.shim.run_dirfd = keep;
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_comes_back_as_it_was),
		cmocka_unit_test(the_record_is_there_before_the_message),
		cmocka_unit_test(a_client_that_has_not_greeted_hears_nothing),
		cmocka_unit_test(records_of_every_length),
		cmocka_unit_test(torn_and_foreign_records),
		cmocka_unit_test(a_record_that_cannot_be_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
