/* SPDX-License-Identifier: Apache-2.0 */
/* The watchdog is fed while the engine's loop turns, and only then. In a mount namespace whose /dev and /run are the test's own. */
#include "unit_test.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../init/init.h"
#include "util/places.h"
#include "util/published.h"

#define DEVICE "/dev/watchdog"
#define SEC UINT64_C(1000000)

static int own_places(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/dev", "tmpfs", 0, "size=1m") < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, "size=1m") < 0)
		return -1;
	return mkdir(CLEAT_RUN_DIR, 0755);
}

static int fresh(void **state)
{
	(void)state;
	unsetenv("CLEAT_WATCHDOG_SEC");
	unlink(DEVICE);
	unlink(CLEAT_PUBLISHED);
	return 0;
}

static void put_device(void)
{
	int fd = open(DEVICE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* How often it has been fed: a byte each. */
static long meals(void)
{
	struct stat st;

	assert_int_equal(stat(DEVICE, &st), 0);
	return (long)st.st_size;
}

static void turn_of_engine(uint64_t usec)
{
	struct published_header header = { .heartbeat_monotonic_usec = usec };
	int fd = open(CLEAT_PUBLISHED, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_int_equal(write(fd, &header, sizeof(header)), sizeof(header));
	close(fd);
}

static void without_a_device_nobody_looks(void **state)
{
	struct watchdog dog;

	(void)state;
	watchdog_find(&dog, WORLD_MACHINE);
	assert_int_equal(dog.period_usec, 0);
	watchdog_turn(&dog, 1000 * SEC);
	assert_int_equal(dog.next_usec, UINT64_MAX);
	watchdog_last_feed(&dog, 60);
}

static void it_is_armed_at_the_first_turn_of_the_loop(void **state)
{
	struct watchdog dog;

	(void)state;
	put_device();
	watchdog_find(&dog, WORLD_MACHINE);
	assert_int_equal(dog.period_usec, 10 * SEC);
	watchdog_turn(&dog, 100 * SEC);
	assert_int_equal(dog.fd, -1);
	turn_of_engine(0); /* the file is there, the loop has not begun */
	watchdog_turn(&dog, 110 * SEC);
	assert_int_equal(dog.fd, -1);
	turn_of_engine(119 * SEC);
	watchdog_turn(&dog, 120 * SEC);
	assert_true(dog.fd >= 0);
	assert_int_equal(meals(), 1);
	close(dog.fd);
}

static void it_is_fed_while_the_loop_turns_and_not_when_it_stands(void **state)
{
	struct watchdog dog;

	(void)state;
	put_device();
	turn_of_engine(100 * SEC);
	watchdog_find(&dog, WORLD_MACHINE);
	watchdog_turn(&dog, 100 * SEC);
	watchdog_turn(&dog, 105 * SEC); /* too early to look again */
	assert_int_equal(meals(), 1);
	watchdog_turn(&dog, 110 * SEC);
	watchdog_turn(&dog, 120 * SEC);
	watchdog_turn(&dog, 130 * SEC); /* 30 s: still no longer than it may be silent */
	assert_int_equal(meals(), 4);
	watchdog_turn(&dog, 140 * SEC);
	watchdog_turn(&dog, 150 * SEC);
	assert_int_equal(meals(), 4);
	turn_of_engine(159 * SEC);
	watchdog_turn(&dog, 160 * SEC);
	assert_int_equal(meals(), 5);
	/* the state is gone: nobody lives who could say so */
	unlink(CLEAT_PUBLISHED);
	watchdog_turn(&dog, 200 * SEC);
	assert_int_equal(meals(), 5);
	watchdog_last_feed(&dog, 60);
	assert_int_equal(meals(), 6);
	close(dog.fd);
}

static void its_time_can_be_set_and_it_can_be_off(void **state)
{
	struct watchdog dog;

	(void)state;
	put_device();
	setenv("CLEAT_WATCHDOG_SEC", "6", 1);
	watchdog_find(&dog, WORLD_MACHINE);
	assert_int_equal(dog.period_usec, SEC);
	setenv("CLEAT_WATCHDOG_SEC", "0", 1);
	watchdog_find(&dog, WORLD_MACHINE);
	assert_int_equal(dog.period_usec, 0);
	setenv("CLEAT_WATCHDOG_SEC", "soon", 1);
	watchdog_find(&dog, WORLD_MACHINE);
	assert_int_equal(dog.period_usec, 10 * SEC);
}

static void a_container_has_one_only_if_it_is_told(void **state)
{
	struct watchdog dog;

	(void)state;
	put_device();
	watchdog_find(&dog, WORLD_CONTAINER);
	assert_int_equal(dog.period_usec, 0);
	setenv("CLEAT_WATCHDOG_SEC", "12", 1);
	watchdog_find(&dog, WORLD_CONTAINER);
	assert_int_equal(dog.period_usec, 2 * SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(without_a_device_nobody_looks, fresh),
		cmocka_unit_test_setup(it_is_armed_at_the_first_turn_of_the_loop, fresh),
		cmocka_unit_test_setup(it_is_fed_while_the_loop_turns_and_not_when_it_stands,
				       fresh),
		cmocka_unit_test_setup(its_time_can_be_set_and_it_can_be_off, fresh),
		cmocka_unit_test_setup(a_container_has_one_only_if_it_is_told, fresh),
	};

	return cmocka_run_group_tests(tests, own_places, NULL);
}
