/* SPDX-License-Identifier: Apache-2.0 */
/* What the driver tells the core between the steps: checks that images have, turns, probes on demand. */
#include "unit_test.h"

#include "core_fixture.h"

static const struct core_health_policy check = { .is_set = true,
						 .interval_usec = 10 * USEC_SEC,
						 .timeout_usec = 5 * USEC_SEC,
						 .retries = 1,
						 .action = CORE_ON_UNHEALTHY_NONE };
static const struct core_startup_policy no_startup;

static void add(struct fixture *f)
{
	struct core_policy policy = sim_policy("web");

	core_add(f->core, &policy);
}

static void add_probed(struct fixture *f)
{
	struct core_policy policy = sim_policy("web");

	policy.health = check;
	core_add(f->core, &policy);
	fixture_run(f, 0, 0);
}

static const char *answer(struct fixture *f, usec_t now, bool pass)
{
	return fixture_step(
		f, now,
		&(struct core_event){
			.type = CORE_EV_PROBE, .order = f->order, .pass = pass, .text = "t" });
}

static void an_image_s_check_counts_from_its_start_on(void **state)
{
	struct fixture *f = *state;

	add(f);
	fixture_do(f, 0, 0, CORE_EV_START);
	core_set_health(f->core, 0, &check, &no_startup);
	fixture_do(f, 0, 0, CORE_EV_IMAGE_READY);
	assert_string_equal(fixture_do(f, 0, 0, CORE_EV_RUNNING), "probe web");
	answer(f, 1, true);
	assert_int_equal(fixture_view(f, 0).health, CORE_HEALTHY);
}

static void a_check_does_not_change_under_a_container(void **state)
{
	struct fixture *f = *state;
	const struct core_health_policy none = { .is_set = false };

	add_probed(f);
	core_set_health(f->core, 0, &none, &no_startup);
	core_check(f->core);
	answer(f, 1, true);
	assert_int_equal(fixture_view(f, 0).health, CORE_HEALTHY);
}

static void waiting_for_its_turn_makes_nobody_sick(void **state)
{
	struct fixture *f = *state;

	add_probed(f);
	core_probe_waits(f->core, 0, f->order);
	core_check(f->core);
	assert_int_equal(core_deadline(f->core), USEC_NEVER);
	assert_string_equal(fixture_do(f, 3600 * USEC_SEC, 0, CORE_EV_TIMER), "");
	assert_int_equal(fixture_view(f, 0).health, CORE_HEALTH_STARTING);
	/* its own time begins with its turn */
	core_probe_begins(f->core, 0, f->order, 3600 * USEC_SEC);
	assert_int_equal(core_deadline(f->core), (3600 + 5 + 10) * USEC_SEC);
	answer(f, 3601 * USEC_SEC, true);
	assert_int_equal(fixture_view(f, 0).health, CORE_HEALTHY);
}

static void a_turn_of_another_order_changes_nothing(void **state)
{
	struct fixture *f = *state;
	usec_t before;

	add_probed(f);
	before = core_deadline(f->core);
	core_probe_waits(f->core, 0, f->order + 1);
	core_probe_waits(f->core, 0, 0);
	core_probe_begins(f->core, 0, f->order + 1, 100 * USEC_SEC);
	assert_int_equal(core_deadline(f->core), before);
}

/* Its answer would not count; the watch over the answer is the freeze's. */
static void a_probe_across_a_freeze_keeps_its_end(void **state)
{
	struct fixture *f = *state;
	usec_t before;

	add_probed(f);
	fixture_step(f, 60 * USEC_SEC,
		     &(struct core_event){ .type = CORE_EV_FREEZE, .gap_usec = 60 * USEC_SEC });
	before = core_deadline(f->core);
	core_probe_waits(f->core, 0, f->order);
	assert_int_equal(core_deadline(f->core), before);
}

static void a_probe_on_demand_comes_at_once_and_only_once(void **state)
{
	struct fixture *f = *state;

	add_probed(f);
	/* one is in flight: its answer is the one */
	assert_true(core_probe_now(f->core, 0));
	assert_string_equal(fixture_do(f, 1, 0, CORE_EV_TIMER), "");
	answer(f, 1, true);
	assert_true(core_probe_now(f->core, 0));
	assert_string_equal(fixture_do(f, 2, 0, CORE_EV_TIMER), "probe web");
	assert_true(core_probe_now(f->core, 0));
	assert_string_equal(fixture_do(f, 3, 0, CORE_EV_TIMER), "");
	answer(f, 4, true);
	/* the schedule goes on from its answer, on the second that is nearest */
	assert_int_equal(core_deadline(f->core), 10 * USEC_SEC);
}

static void who_is_not_probed_cannot_be_asked(void **state)
{
	struct fixture *f = *state;

	add(f);
	assert_false(core_probe_now(f->core, 0));
	fixture_run(f, 0, 0);
	assert_false(core_probe_now(f->core, 0));
	core_check(f->core);
}

/* Asked on a second, or on a tenth of the interval where that is less: the nearest. */
static void probes_come_together(void **state)
{
	static const struct {
		usec_t interval, answered, next;
	} cases[] = {
		{ 10 * USEC_SEC, 7, 10 * USEC_SEC },
		{ 10 * USEC_SEC, 499999, 10 * USEC_SEC },
		{ 10 * USEC_SEC, 500000, 11 * USEC_SEC },
		{ 10 * USEC_SEC, 3 * USEC_SEC, 13 * USEC_SEC },
		{ 3600 * USEC_SEC, 1400000, 3601 * USEC_SEC },
		{ 1 * USEC_SEC, 49999, 1000000 },
		{ 1 * USEC_SEC, 50001, 1100000 },
		{ 100 * USEC_MSEC, 5001, 110000 },
		{ USEC_NEVER, 1, USEC_NEVER },
	};
	struct fixture *f = *state;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct core_policy policy = sim_policy("web");

		policy.health = check;
		policy.health.interval_usec = cases[i].interval;
		core_add(f->core, &policy);
		fixture_run(f, 0, 0);
		answer(f, cases[i].answered, true);
		assert_int_equal(core_deadline(f->core), cases[i].next);
		fixture_teardown(state);
		fixture_setup(state);
		f = *state;
	}
}

/* Fifty units that became well in the same instant: each second has its part of them. */
static void units_of_one_boot_are_probed_apart(void **state)
{
	struct fixture *f = *state;
	unsigned per_slot[10] = { 0 }, most = 0;
	usec_t now = 0;

	for (unsigned i = 0; i < 50; i++) {
		struct core_policy policy = sim_policy("web");

		policy.health = check;
		core_add(f->core, &policy);
		fixture_run(f, 0, i);
		fixture_step(f, 0,
			     &(struct core_event){ .type = CORE_EV_PROBE,
						   .unit = i,
						   .order = f->order,
						   .pass = true });
	}
	for (unsigned probed = 0; probed < 50; probed += per_slot[now / USEC_SEC % 10]) {
		now = core_deadline(f->core);
		assert_in_range(now, 10 * USEC_SEC / 4, 10 * USEC_SEC);
		assert_int_equal(now % USEC_SEC, 0);
		for (const char *p = fixture_do(f, now, 0, CORE_EV_TIMER);
		     (p = strstr(p, "probe web")); p++)
			per_slot[now / USEC_SEC % 10]++;
	}
	for (unsigned i = 0; i < 10; i++)
		most = per_slot[i] > most ? per_slot[i] : most;
	assert_in_range(most, 7, 8);
	assert_int_equal(now, 10 * USEC_SEC); /* the first one's first interval is whole */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_image_s_check_counts_from_its_start_on,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_check_does_not_change_under_a_container,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(waiting_for_its_turn_makes_nobody_sick,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_turn_of_another_order_changes_nothing,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_probe_across_a_freeze_keeps_its_end,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(a_probe_on_demand_comes_at_once_and_only_once,
						fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(who_is_not_probed_cannot_be_asked, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(probes_come_together, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(units_of_one_boot_are_probed_apart, fixture_setup,
						fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
