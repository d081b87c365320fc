/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the routes do, against a real engine whose images and containers are played by the test: who is found, what is answered at once,
 * what is held back and how each wait ends.
 */
#include "unit_test.h"

#include "engine_fixture.h"

static void ping_and_reload_need_no_unit(void **state)
{
	struct fixture *f = *state;
	struct api_answer a;

	ask_engine(f, "GET /_ping", &a);
	assert_string_equal(buf_str(&a.body), "OK");
	assert_string_equal(a.content_type, "text/plain; charset=utf-8");
	assert_non_null(strstr(a.extra, "API-Version: 1.41\r\n"));
	assert_non_null(strstr(a.extra, "OSType: linux\r\n"));
	expect_status(&a, 200);
	ask_engine(f, "POST /cleat/v1/images/changed", &a);
	expect_status(&a, 204);
	ask_engine(f, "POST /cleat/v1/reload", &a);
	assert_true(a.reload);
	expect_status(&a, 202);
}

static void containers_are_found_by_every_name_and_by_id(void **state)
{
	static const char *const names[] = { "systemd-db", "db", "db.service", "db.container" };
	struct fixture *f = *state;
	struct api_answer a;
	char id[API_ID_LEN + 1], text[128];

	bring_up(f, "db", 0xabcdef);
	for (size_t i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "POST /containers/%s/start", names[i]);
		ask_engine(f, text, &a);
		expect_status(&a, 304);
	}
	api_id("systemd-db", id);
	assert_int_equal(strlen(id), API_ID_LEN);
	snprintf(text, sizeof(text), "POST /containers/%s/start", id);
	ask_engine(f, text, &a);
	expect_status(&a, 304);
	snprintf(text, sizeof(text), "POST /containers/%.12s/start", id);
	ask_engine(f, text, &a);
	expect_status(&a, 304);
	ask_engine(f, "POST /containers/000000abcdef/start", &a); /* the run id */
	expect_status(&a, 304);
	snprintf(text, sizeof(text), "POST /containers/%.3s/start", id);
	ask_engine(f, text, &a);
	expect_message(&a, 404, "no container");
	ask_engine(f, "GET /containers/wbe/json", &a);
	expect_message(&a, 404, "did you mean \"web\"?");
}

static void a_start_is_held_back_until_it_has_an_outcome(void **state)
{
	struct fixture *f = *state;
	struct api_answer a;

	ask_engine(f, "POST /containers/lone/start", &a);
	assert_true(a.is_pending);
	assert_int_equal(a.status, 0);
	assert_int_equal(state_of(f, "lone"), CORE_PULLING);
	bring_up(f, "lone", 77);
	assert_true(api_settled(f->engine, &a));
	assert_false(a.is_pending);
	expect_status(&a, 204);
	ask_engine(f, "POST /containers/lone/start", &a);
	expect_status(&a, 304);
}

static void a_start_that_fails_says_why(void **state)
{
	struct fixture *f = *state;
	struct api_answer a;

	ask_engine(f, "POST /containers/lone/start", &a);
	feed(f, "lone", (struct core_event){ .type = CORE_EV_IMAGE_READY });
	assert_true(api_settled(f->engine, &a));
	expect_message(&a, 500,
		       "container systemd-lone is failed: the appliance cannot run containers");
	ask_engine(f, "POST /containers/lone/start", &a);
	feed(f, "lone",
	     (struct core_event){
		     .type = CORE_EV_IMAGE_FAILED, .text = "not there", .permanent = true });
	assert_true(api_settled(f->engine, &a));
	expect_message(&a, 500, "is failed: image: not there");
	ask_engine(f, "POST /containers/db/start", &a);
	feed(f, "db", (struct core_event){ .type = CORE_EV_IMAGE_FAILED, .text = "no network" });
	assert_true(api_settled(f->engine, &a));
	expect_message(&a, 500, "is backoff: image: no network; next try");
	ask_engine(f, "POST /containers/broken.container/start", &a);
	expect_message(&a, 400, "broken.container:5:");
	ask_engine(f, "POST /cleat/v1/units/lone/reset-failed", &a);
	expect_status(&a, 204);
	assert_int_equal(state_of(f, "lone"), CORE_DOWN);
}

static void a_health_check_by_hand_needs_one_and_something_that_runs(void **state)
{
	struct fixture *f = *state;
	struct api_answer a;

	ask_engine(f, "POST /cleat/v1/units/lone/healthcheck", &a);
	expect_message(&a, 400, "container systemd-lone has no health check");
	ask_engine(f, "POST /cleat/v1/units/broken.container/healthcheck", &a);
	expect_message(&a, 400, "broken.container:5:");
	ask_engine(f, "POST /cleat/v1/units/nobody/healthcheck", &a);
	expect_message(&a, 404, "no container");
}

static void a_start_waits_for_what_is_on_its_way(void **state)
{
	struct fixture *f = *state;
	struct api_answer a;

	ask_engine(f, "POST /containers/web/start", &a);
	feed(f, "web", (struct core_event){ .type = CORE_EV_IMAGE_READY });
	assert_int_equal(state_of(f, "web"), CORE_WAITING);
	assert_int_equal(state_of(f, "db"), CORE_PULLING);
	assert_false(api_settled(f->engine, &a));
	assert_true(api_concerns(f->engine, &a, index_of(f, "db")));
	bring_up(f, "db", 5); /* web is started at once, and fails for want of a machine */
	assert_true(api_settled(f->engine, &a));
	expect_message(&a, 500, "container web is");
}

static void a_start_does_not_wait_for_what_does_not_come(void **state)
{
	struct fixture *f = *state;
	struct api_answer a;

	ask_engine(f, "POST /containers/web/start", &a);
	feed(f, "web", (struct core_event){ .type = CORE_EV_IMAGE_READY });
	assert_false(api_settled(f->engine, &a));
	feed(f, "db",
	     (struct core_event){
		     .type = CORE_EV_IMAGE_FAILED, .text = "none", .permanent = true });
	assert_int_equal(state_of(f, "web"), CORE_WAITING);
	assert_true(api_settled(f->engine, &a));
	expect_message(&a, 409, "container web is waiting: waiting for systemd-db (failed)");
}

static void other_units_do_not_concern_an_answer_that_does_not_wait_for_them(void **state)
{
	struct fixture *f = *state;
	struct api_answer a;

	ask_engine(f, "POST /containers/lone/start", &a);
	assert_true(api_concerns(f->engine, &a, index_of(f, "lone")));
	assert_false(api_concerns(f->engine, &a, index_of(f, "db")));
	buf_fini(&a.body);
}

static void a_stop_is_held_back_until_it_is_down(void **state)
{
	struct fixture *f = *state;
	struct api_answer a;

	ask_engine(f, "POST /containers/lone/stop", &a);
	expect_status(&a, 304);
	bring_up(f, "lone", 9);
	ask_engine(f, "POST /containers/lone/stop", &a);
	assert_int_equal(state_of(f, "lone"), CORE_STOPPING);
	assert_true(a.is_pending);
	end_run(f, "lone", 143);
	assert_true(api_settled(f->engine, &a));
	expect_status(&a, 204);
}

static void contrary_orders_end_each_others_wait(void **state)
{
	struct fixture *f = *state;
	struct api_answer stop, start;

	bring_up(f, "lone", 9);
	ask_engine(f, "POST /containers/lone/stop", &stop);
	ask_engine(f, "POST /containers/lone/start",
		   &start); /* takes the stop back: it begins anew */
	assert_true(api_settled(f->engine, &stop));
	expect_message(&stop, 409, "asked to start meanwhile");
	assert_true(start.is_pending);
	ask_engine(f, "POST /containers/lone/stop", &stop);
	assert_true(api_settled(f->engine, &start));
	expect_message(&start, 409, "asked to stop meanwhile");
	end_run(f, "lone", 0);
	assert_true(api_settled(f->engine, &stop));
	expect_status(&stop, 204);
	/* the same before anything runs */
	ask_engine(f, "POST /containers/lone/start", &start);
	ask_engine(f, "POST /containers/lone/stop", &stop);
	expect_status(&stop, 204);
	assert_true(api_settled(f->engine, &start));
	expect_message(&start, 500, "is down");
}

static void a_restart_is_over_only_when_the_new_run_is_up(void **state)
{
	struct fixture *f = *state;
	struct api_answer a;

	bring_up(f, "lone", 9);
	turn(f);
	ask_engine(f, "POST /containers/lone/restart", &a);
	assert_true(a.is_pending);
	assert_int_equal(state_of(f, "lone"), CORE_STOPPING);
	end_run(f, "lone", 0);
	assert_false(api_settled(f->engine, &a));
	assert_int_equal(state_of(f, "lone"), CORE_PULLING);
	bring_up(f, "lone", 10);
	assert_true(api_settled(f->engine, &a));
	expect_status(&a, 204);
}

static void a_restart_waits_while_dependants_stop_first(void **state)
{
	struct fixture *f = *state;
	struct api_answer a;

	bring_up(f, "db", 5);
	bring_up(f, "web", 6);
	turn(f);
	ask_engine(f, "POST /containers/db/restart", &a);
	assert_int_equal(state_of(f, "db"), CORE_UP); /* still the old run */
	assert_int_equal(state_of(f, "web"), CORE_STOPPING);
	assert_false(api_settled(f->engine, &a));
	assert_true(a.is_pending);
	end_run(f, "web", 0);
	assert_int_equal(state_of(f, "db"), CORE_STOPPING);
	assert_false(api_settled(f->engine, &a));
	end_run(f, "db", 0);
	bring_up(f, "db", 7);
	assert_true(api_settled(f->engine, &a));
	expect_status(&a, 204);
}

/* Type=oneshot: started means finished. */
static void a_one_shot_that_has_finished_well_has_started(void **state)
{
	struct fixture *f = *state;
	struct api_answer a;

	ask_engine(f, "POST /containers/once/start", &a);
	feed(f, "once",
	     (struct core_event){ .type = CORE_EV_ADOPTED,
				  .started_at = loop_now(f->engine->loop) });
	assert_int_equal(state_of(f, "once"), CORE_STARTING);
	assert_false(api_settled(f->engine, &a));
	end_run(f, "once", 0);
	assert_int_equal(state_of(f, "once"), CORE_DOWN);
	assert_true(api_settled(f->engine, &a));
	expect_status(&a, 204);
}

static void a_one_shot_that_fails_has_not_started(void **state)
{
	struct fixture *f = *state;
	struct api_answer a;

	ask_engine(f, "POST /containers/once/start", &a);
	feed(f, "once",
	     (struct core_event){ .type = CORE_EV_ADOPTED,
				  .started_at = loop_now(f->engine->loop) });
	end_run(f, "once", 4);
	assert_true(api_settled(f->engine, &a));
	expect_message(&a, 500, "container systemd-once is failed: exited with code 4");
}

static void the_clients_own_limit_counts_from_the_stop_signal(void **state)
{
	struct fixture *f = *state;
	struct api_answer a;
	struct engine_unit unit;

	bring_up(f, "db", 5);
	bring_up(f, "web", 6);
	turn(f);
	ask_engine(f, "POST /containers/db/stop?t=7", &a);
	assert_int_equal(a.stop_usec, 7 * USEC_SEC);
	/* web stops first: db has not been asked yet */
	assert_int_equal(state_of(f, "db"), CORE_UP);
	assert_int_equal(api_hurry(f->engine, &a, a.asked_at + 7 * USEC_SEC),
			 a.asked_at + 14 * USEC_SEC);
	end_run(f, "web", 0);
	engine_unit(f->engine, index_of(f, "db"), &unit);
	assert_int_equal(unit.view.state, CORE_STOPPING);
	assert_int_equal(api_hurry(f->engine, &a, unit.view.since + 1),
			 unit.view.since + 7 * USEC_SEC);
	assert_int_equal(api_hurry(f->engine, &a, unit.view.since + 7 * USEC_SEC),
			 USEC_NEVER); /* killed */
	a.stop_usec = USEC_NEVER;
	assert_int_equal(api_hurry(f->engine, &a, 0), USEC_NEVER);
	end_run(f, "db", 137);
	assert_true(api_settled(f->engine, &a));
	expect_status(&a, 204);
	/* over: whatever runs now is not its business */
	a.stop_usec = 0;
	bring_up(f, "db", 8);
	assert_int_equal(api_hurry(f->engine, &a, USEC_NEVER - 1), USEC_NEVER);
}

static void signals_are_for_what_runs(void **state)
{
	struct fixture *f = *state;
	struct api_answer a;

	ask_engine(f, "POST /containers/lone/kill", &a);
	expect_message(&a, 409, "container systemd-lone is not running");
	ask_engine(f, "POST /containers/nobody/kill", &a);
	expect_message(&a, 404, "no container \"nobody\"");
	bring_up(f, "lone", 9);
	ask_engine(f, "POST /containers/lone/kill?signal=TERM", &a); /* there is no shim to tell */
	expect_message(&a, 500, "");
}

static void a_stopping_appliance_takes_no_orders(void **state)
{
	struct fixture *f = *state;
	struct api_answer a;

	f->engine->stop_wanted = true;
	ask_engine(f, "POST /containers/lone/start", &a);
	expect_message(&a, 409, "the appliance is stopping");
}

static void logs_name_the_unit_and_the_words(void **state)
{
	struct fixture *f = *state;
	struct api_answer a;

	ask_engine(f, "GET /containers/web/logs?stdout=1&tail=5", &a);
	assert_true(a.is_stream);
	assert_int_equal(a.index, index_of(f, "web"));
	assert_int_equal(a.log_args.count, 3);
	assert_string_equal(a.log_args.words[2], "--tail=5");
	buf_fini(&a.body);
	ask_engine(f, "GET /containers/none/logs?stdout=1", &a);
	assert_false(a.is_stream);
	expect_message(&a, 404, "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		engine_test(ping_and_reload_need_no_unit),
		engine_test(containers_are_found_by_every_name_and_by_id),
		engine_test(a_start_is_held_back_until_it_has_an_outcome),
		engine_test(a_start_that_fails_says_why),
		engine_test(a_health_check_by_hand_needs_one_and_something_that_runs),
		engine_test(a_start_waits_for_what_is_on_its_way),
		engine_test(a_start_does_not_wait_for_what_does_not_come),
		engine_test(other_units_do_not_concern_an_answer_that_does_not_wait_for_them),
		engine_test(a_stop_is_held_back_until_it_is_down),
		engine_test(contrary_orders_end_each_others_wait),
		engine_test(a_restart_is_over_only_when_the_new_run_is_up),
		engine_test(a_restart_waits_while_dependants_stop_first),
		engine_test(a_one_shot_that_has_finished_well_has_started),
		engine_test(a_one_shot_that_fails_has_not_started),
		engine_test(the_clients_own_limit_counts_from_the_stop_signal),
		engine_test(signals_are_for_what_runs),
		engine_test(a_stopping_appliance_takes_no_orders),
		engine_test(logs_name_the_unit_and_the_words),
	};

	return cmocka_run_group_tests(tests, fixture_root, NULL);
}
