/* SPDX-License-Identifier: Apache-2.0 */
#include "unit_test.h"

#include "core_fixture.h"

#define UNITS 200

/* A simple generator: the order must not depend on luck, but be the same in every run. */
static unsigned next(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 16;
}

static void add_units(struct fixture *f, unsigned *seed)
{
	struct core_policy policy = sim_policy("web");

	for (unsigned i = 0; i < UNITS; i++) {
		policy.timeout_start_usec = (1 + next(seed) % 5000) * USEC_MSEC;
		core_add(f->core, &policy);
	}
	for (unsigned i = 0; i < UNITS; i++) {
		fixture_do(f, 0, i, CORE_EV_START);
		fixture_do(f, 0, i, CORE_EV_IMAGE_READY);
	}
}

static usec_t earliest(const struct fixture *f)
{
	usec_t best = USEC_NEVER;

	for (unsigned i = 0; i < UNITS; i++)
		if (fixture_view(f, i).deadline < best)
			best = fixture_view(f, i).deadline;
	return best;
}

static void deadlines_come_in_order_while_units_come_and_go(void **state)
{
	struct fixture *f = *state;
	unsigned seed = 42;

	add_units(f, &seed);
	for (unsigned i = 0; i < 150; i++) {
		assert_int_equal(core_deadline(f->core), earliest(f));
		fixture_do(f, 0, next(&seed) % UNITS, CORE_EV_RUNNING); /* takes a deadline away */
	}
	for (usec_t at = core_deadline(f->core); at < 5 * USEC_SEC; at = core_deadline(f->core)) {
		fixture_do(f, at, 0, CORE_EV_TIMER);
		assert_true(core_deadline(f->core) > at);
		assert_int_equal(core_deadline(f->core), earliest(f));
	}
}

static void a_freeze_moves_start_and_stop_deadlines_but_not_the_next_start(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("web");

	policy.restart = SERVICE_RESTART_ALWAYS;
	for (unsigned i = 0; i < 3; i++)
		core_add(f->core, &policy);
	fixture_do(f, 0, 0, CORE_EV_START);
	fixture_do(f, 0, 0, CORE_EV_IMAGE_READY);
	fixture_run(f, 0, 1);
	fixture_do(f, 0, 1, CORE_EV_STOP);
	fixture_run(f, 0, 2);
	fixture_step(f, 0, &(struct core_event){ .type = CORE_EV_EXITED, .unit = 2, .code = 1 });
	fixture_do(f, 0, 2, CORE_EV_CLEANED);
	fixture_step(f, 60 * USEC_SEC,
		     &(struct core_event){ .type = CORE_EV_FREEZE, .gap_usec = 60 * USEC_SEC });
	assert_string_equal(buf_str(&f->trace),
			    "all: frozen for 60s: deadlines moved, probes in flight discarded\n");
	assert_int_equal(fixture_view(f, 0).deadline, 150 * USEC_SEC);
	assert_int_equal(fixture_view(f, 1).deadline, 70 * USEC_SEC);
	assert_int_equal(fixture_view(f, 2).deadline, 100 * USEC_MSEC);
	assert_string_equal(fixture_do(f, 60 * USEC_SEC, 0, CORE_EV_TIMER), "image web");
}

static void a_freeze_of_absurd_length_does_not_overflow(void **state)
{
	struct fixture *f = *state;
	struct core_policy policy = sim_policy("web");

	policy.health.is_set = true;
	core_add(f->core, &policy);
	fixture_run(f, 1, 0);
	fixture_step(f, 2,
		     &(struct core_event){ .type = CORE_EV_FREEZE, .gap_usec = UINT64_MAX - 1 });
	/* the answer to the cancelled probe is waited for, but not for ever */
	assert_int_equal(core_deadline(f->core), 10 * USEC_SEC + 2);
	assert_string_equal(fixture_do(f, 11 * USEC_SEC, 0, CORE_EV_TIMER), "probe web");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(deadlines_come_in_order_while_units_come_and_go,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			a_freeze_moves_start_and_stop_deadlines_but_not_the_next_start,
			fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_freeze_of_absurd_length_does_not_overflow,
						fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
