/* SPDX-License-Identifier: Apache-2.0 */
/* What a shim keeps of config.json for its probes: all that a joining process is made of, nothing that points into the plan. */
#include "runtime/kernel.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/resource.h>

#include "runtime/identity.h"
#include "runtime_test.h"

#define DOCUMENT                                                                                                          \
	"{\"ociVersion\":\"1.1.0\",\"hostname\":\"box\",\"process\":{\"args\":[\"/bin/true\",\"x\"],\"cwd\":\"/srv\","    \
	"\"env\":[\"A=1\",\"PATH=/bin\"],\"noNewPrivileges\":true,\"oomScoreAdj\":7,"                                     \
	"\"user\":{\"uid\":5,\"gid\":6,\"umask\":63,\"additionalGids\":[7,8]},"                                           \
	"\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_KILL\"],\"permitted\":[\"CAP_KILL\"],"                       \
	"\"effective\":[\"CAP_KILL\"],\"inheritable\":[\"CAP_CHOWN\"],\"ambient\":[\"CAP_KILL\"]},"                       \
	"\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":1,\"hard\":2}]},\"root\":{\"path\":\"rootfs\"},"                 \
	"\"annotations\":{\"org.cleat.user\":\"web:staff\",\"org.cleat.groups\":\"a,b\"},\"linux\":{"                     \
	"\"uidMappings\":[{\"containerID\":0,\"hostID\":65000,\"size\":1},{\"containerID\":1,\"hostID\":1,\"size\":10}]," \
	"\"gidMappings\":[{\"containerID\":0,\"hostID\":65000,\"size\":1}],"                                              \
	"\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"user\"},{\"type\":\"uts\"}]%s}}"

static const struct sock_filter filter[] = { { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW } };

static _Alignas(max_align_t) char room[256];

static const struct identity who = {
	.uid = 5, .gid = 6, .home = "/srv/web", .group_count = 2, .groups = { 6, 9 }
};

static void read_document(struct plan *plan, const char *linux_part)
{
	static char text[65536];
	struct err err = { 0 };

	snprintf(text, sizeof(text), DOCUMENT, linux_part);
	if (read_plan_text(plan, text, &err) < 0)
		fail_msg("%s", err.msg);
}

static void assert_strings(const struct strings *got, const struct strings *expected)
{
	assert_int_equal(got->count, expected->count);
	for (size_t i = 0; i < got->count; i++)
		assert_string_equal(got->items[i], expected->items[i]);
}

static void a_joining_process_gets_the_same(void **state)
{
	struct plan plan, joining;
	const struct plan *kept;

	(void)state;
	read_document(
		&plan,
		",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\"]}");
	plan.filter = filter;
	plan.filter_count = 1;
	kept = plan_keep(&plan, &who);
	assert_non_null(kept);
	plan_from_kept(&joining, kept, room, sizeof(room));
	assert_strings(&joining.env, &plan.env);
	assert_string_equal(joining.cwd, "/srv");
	assert_string_equal(joining.user_text, "web:staff");
	assert_string_equal(joining.groups_text, "a,b");
	assert_int_equal(joining.uid, 5);
	assert_int_equal(joining.gid, 6);
	assert_int_equal(joining.umask, 63);
	assert_int_equal(joining.group_count, 2);
	assert_memory_equal(joining.groups, plan.groups, 2 * sizeof(*plan.groups));
	assert_memory_equal(joining.caps, plan.caps, sizeof(plan.caps));
	assert_true(joining.caps[CAPS_BOUNDING] && joining.caps[CAPS_AMBIENT] &&
		    joining.no_new_privs);
	assert_int_equal(joining.rlimit_count, 1);
	assert_int_equal(joining.rlimits[0].resource, RLIMIT_CORE);
	assert_int_equal(joining.rlimits[0].hard, 2);
	assert_int_equal(joining.namespaces, plan.namespaces);
	assert_int_equal(joining.uid_map_count, 2);
	assert_int_equal(joining.gid_map_count, 1);
	assert_memory_equal(joining.uid_map, plan.uid_map, 2 * sizeof(*plan.uid_map));
	assert_memory_equal(joining.gid_map, plan.gid_map, sizeof(*plan.gid_map));
	assert_int_equal(joining.seccomp_flags, plan.seccomp_flags);
	assert_int_equal(joining.filter_count, 1);
	assert_memory_equal(joining.filter, filter, sizeof(filter));
	assert_ptr_not_equal(joining.identity, &who);
	assert_memory_equal(joining.identity, &who, identity_size(&who));
	assert_int_equal(identity_size(&who),
			 sizeof(who) - sizeof(who.groups) + 2 * sizeof(who.groups[0]));
	plan_fini(&joining);
	plan_keep_end(kept);
	plan_fini(&plan);
}

/* The plan's memory goes before the first probe comes: whatever still pointed there would be read after its end. */
static void nothing_points_into_the_plan(void **state)
{
	struct plan plan, joining;
	const struct plan *kept;
	struct err err = { 0 };
	char *begin, *end;

	(void)state;
	read_document(&plan, ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"}");
	plan.filter = plan_alloc(&plan, 1, sizeof(filter), &err);
	plan.filter_count = 1;
	kept = plan_keep(&plan, &who);
	assert_non_null(kept);
	begin = plan.pool.base;
	end = begin + plan.pool.size;
	for (size_t at = 0; at + sizeof(char *) <= sizeof(*kept); at += sizeof(char *)) {
		char *value;

		memcpy(&value, (const char *)kept + at, sizeof(value));
		if (value >= begin && value < end)
			fail_msg("byte %zu of struct plan", at);
	}
	for (size_t i = 0; i < kept->env.count; i++)
		assert_false(kept->env.items[i] >= begin && kept->env.items[i] < end);
	plan_fini(&plan);
	plan_from_kept(&joining, kept, room, sizeof(room));
	assert_non_null(plan_printf(&joining, &err, "HOME=%s", "/srv")); /* there is room */
	assert_int_equal(joining.args.count, 0);
	assert_int_equal(joining.mount_count, 0);
	assert_null(joining.root_path);
	plan_fini(&joining);
	assert_string_equal(kept->env.items[1], "PATH=/bin"); /* and is not the kept one's */
	plan_keep_end(kept);
}

/* The room given and then one of its own; each piece is whole, and nobody else's. */
static void more_than_the_room_given_fits(void **state)
{
	_Alignas(max_align_t) char few[64 + 16];
	char *pieces[20];
	const struct plan *kept;
	struct plan plan, joining;
	struct err err = { 0 };

	(void)state;
	memset(few, 'x', sizeof(few));
	read_document(&plan, "");
	kept = plan_keep(&plan, &who);
	assert_non_null(kept);
	plan_from_kept(&joining, kept, few, 64);
	for (size_t i = 0; i < 20; i++) {
		pieces[i] = plan_alloc(&joining, 1, 1, &err);
		assert_non_null(pieces[i]);
		assert_true(pieces[i] < few + 64 || pieces[i] >= few + sizeof(few) ||
			    pieces[i] < few);
		*pieces[i] = (char)('a' + i);
	}
	assert_ptr_equal(pieces[0], few);
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(*pieces[i], 'a' + i);
	for (size_t at = 64; at < sizeof(few); at++)
		assert_int_equal(few[at], 'x');
	assert_null(plan_alloc(&joining, 1u << 30, 1, &err)); /* has its limit all the same */
	plan_fini(&joining);
	plan_fini(&plan);
	plan_keep_end(kept);
}

static void what_cannot_be_kept_is_read_anew(void **state)
{
	static struct sock_filter long_filter[4096];
	struct plan plan;

	(void)state;
	plan_keep_end(NULL);
	read_document(&plan, ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\"}");
	assert_null(plan_keep(
		&plan,
		&who)); /* a profile that is no filter yet: without it more would be allowed */
	plan.filter = long_filter;
	plan.filter_count = 4096;
	assert_null(plan_keep(&plan, &who)); /* more than there is room for */
	plan.filter_count = 16;
	plan.secret_count = 1;
	assert_null(plan_keep(&plan, &who));
	plan.secret_count = 0;
	assert_null(plan_keep(&plan, &(struct identity){ .group_count = IDENTITY_MAX_GROUPS + 1 }));
	plan_keep_end(plan_keep(&plan, &who));
	plan_fini(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_than_the_room_given_fits),
		cmocka_unit_test_setup_teardown(a_joining_process_gets_the_same, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(nothing_points_into_the_plan, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_kept_is_read_anew, scratch_setup,
						scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
