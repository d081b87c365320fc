/* SPDX-License-Identifier: Apache-2.0 */
/* Members find their pods, and start in the holder that runs now or not at all. */
#include "unit_test.h"

#include <stdlib.h>

#include "supervise/pods.h"
#include "util/str.h"

struct world {
	struct engine *e;
	struct container_spec specs[3];
	struct unit units[3];
	struct arena arena;
};

static const struct origin line = {
	.file = "a.container", .line = 3, .column = 5, .key = "Container.Pod"
};

/* A pod "web", its member "one", and "two", which names the pod that it is given. */
static void make(struct world *w, const char *second)
{
	*w = (struct world){ .e = calloc(1, sizeof(struct engine)) };
	assert_non_null(w->e);
	w->e->count = 3;
	w->e->entries = arena_alloc(&w->arena, 3 * sizeof(*w->e->entries));
	w->e->units.units = w->units;
	w->specs[0] = (struct container_spec){ .name = "web", .hostname = "h", .is_pod = true };
	w->specs[1] = (struct container_spec){ .name = "one", .pod = "web", .pod_origin = &line };
	w->specs[2] = (struct container_spec){ .name = "two", .pod = second, .pod_origin = &line };
	for (unsigned i = 0; i < 3; i++) {
		w->units[i] = (struct unit){ .is_valid = true };
		w->e->entries[i].unit = &w->units[i];
		w->e->entries[i].spec = &w->specs[i];
		str_copy(w->e->entries[i].name, sizeof(w->e->entries[i].name), w->specs[i].name);
	}
}

static void unmake(struct world *w)
{
	diags_fini(&w->e->units.diags);
	arena_fini(&w->e->arena);
	arena_fini(&w->arena);
	free(w->e);
}

static void members_find_their_pod(void **state)
{
	struct world w;

	(void)state;
	make(&w, "web");
	pods_link(w.e);
	assert_ptr_equal(pods_of(w.e, &w.e->entries[1]), &w.e->entries[0]);
	assert_ptr_equal(pods_of(w.e, &w.e->entries[2]), &w.e->entries[0]);
	assert_null(pods_of(w.e, &w.e->entries[0]));
	assert_string_equal(w.specs[1].hostname, "h");
	assert_int_equal(w.e->units.diags.count, 0);
	unmake(&w);
}

static void a_member_without_a_pod_is_invalid_and_nobody_else(void **state)
{
	struct world w;

	(void)state;
	make(&w, "other");
	pods_link(w.e);
	assert_null(w.e->entries[2].spec);
	assert_false(w.units[2].is_valid);
	assert_int_equal(w.e->units.diags.count, 1);
	assert_int_equal(w.e->units.diags.items[0].line, 3);
	assert_non_null(strstr(w.e->units.diags.items[0].text, "pod other cannot be made"));
	assert_true(w.units[0].is_valid && w.units[1].is_valid);
	unmake(&w);
}

static void a_container_of_the_pods_name_is_no_pod(void **state)
{
	struct world w;

	(void)state;
	make(&w, "one");
	pods_link(w.e);
	assert_null(w.e->entries[2].spec);
	unmake(&w);
}

static void a_member_starts_in_the_holder_that_runs(void **state)
{
	struct host_facts host = { 0 };
	struct engine_entry *pod;
	struct world w;
	struct err err;

	(void)state;
	make(&w, "web");
	pods_link(w.e);
	pod = &w.e->entries[0];
	assert_int_equal(pods_describe(w.e, &w.e->entries[1], &w.arena, &host, &err), -1);
	assert_int_equal(err.code, ERR_BUSY);
	assert_string_equal(err.msg, "pod web does not run");
	str_copy(pod->run.id, sizeof(pod->run.id), "0123456789ab");
	pod->run.status.container_pid = 77;
	pod->run.status.container_start_ticks = 5;
	/* asked for, or ended: the number may be that of the one before */
	pod->run.phase = RUN_ASKED;
	assert_int_equal(pods_describe(w.e, &w.e->entries[1], &w.arena, &host, &err), -1);
	pod->run.phase = RUN_ENDED;
	assert_int_equal(pods_describe(w.e, &w.e->entries[1], &w.arena, &host, &err), -1);
	pod->run.phase = RUN_RUNNING;
	assert_int_equal(pods_describe(w.e, &w.e->entries[1], &w.arena, &host, &err), 0);
	assert_int_equal(host.pod_pid, 77);
	assert_int_equal(host.pod_start_ticks, 5);
	assert_string_equal(host.hosts, CLEAT_CONTAINER_DIR "/0123456789ab/hosts");
	assert_string_equal(host.resolv_conf, CLEAT_CONTAINER_DIR "/0123456789ab/resolv.conf");
	unmake(&w);
}

static void the_policy_of_a_pod(void **state)
{
	struct container_spec pod = { .is_pod = true }, container = { .pod_continues = false };
	struct core_policy policy = { .type = SERVICE_ONESHOT,
				      .ready_by_notify = true,
				      .watchdog_usec = 1 };

	(void)state;
	pods_policy(&container, &policy);
	assert_int_equal(policy.type, SERVICE_ONESHOT);
	assert_false(policy.stops_when_alone);
	pods_policy(&pod, &policy);
	assert_int_equal(policy.type, SERVICE_NOTIFY);
	assert_true(policy.stops_when_alone);
	assert_false(policy.ready_by_notify);
	assert_int_equal(policy.watchdog_usec, 0);
	pod.pod_continues = true;
	pods_policy(&pod, &policy);
	assert_false(policy.stops_when_alone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_find_their_pod),
		cmocka_unit_test(a_member_without_a_pod_is_invalid_and_nobody_else),
		cmocka_unit_test(a_container_of_the_pods_name_is_no_pod),
		cmocka_unit_test(a_member_starts_in_the_holder_that_runs),
		cmocka_unit_test(the_policy_of_a_pod),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
