/* SPDX-License-Identifier: Apache-2.0 */
/* What config.json says of pods: holders, members, and everything that is neither. */
#include <sched.h>

#include "runtime_test.h"

#include "runtime/join.h"
#include "util/proc.h"

#define IDS                                                                  \
	"\"uidMappings\":[{\"containerID\":0,\"hostID\":65000,\"size\":1}]," \
	"\"gidMappings\":[{\"containerID\":0,\"hostID\":65000,\"size\":1}]"
#define HELD "{\"type\":\"user\"},{\"type\":\"mount\"},{\"type\":\"ipc\"},{\"type\":\"uts\"}"
#define OF(type, pid, file) "{\"type\":\"" type "\",\"path\":\"/proc/" pid "/ns/" file "\"}"
#define OWN "{\"type\":\"mount\"},{\"type\":\"pid\"}"
#define JOINED                   \
	OF("user", "77", "user") \
	"," OF("ipc", "77", "ipc") "," OF("uts", "77", "uts") "," OF("network", "77", "net")

static const char *holder(const char *hold, const char *namespaces, const char *top)
{
	static char text[8192];

	snprintf(text, sizeof(text),
		 "{\"ociVersion\":\"1.1.0\",\"hostname\":\"pod\"%s,"
		 "\"annotations\":{\"org.cleat.hold\":\"%s\"},\"linux\":{" IDS
		 ",\"namespaces\":[%s]}}",
		 top, hold, namespaces);
	return text;
}

static const char *member(const char *pod, const char *namespaces, const char *top)
{
	static char text[8192];

	snprintf(text, sizeof(text),
		 "{\"ociVersion\":\"1.1.0\",\"process\":{\"args\":[\"/bin/true\"],\"cwd\":\"/\"},"
		 "\"root\":{\"path\":\"rootfs\"}%s,\"annotations\":{\"org.cleat.pod\":\"%s\"},"
		 "\"linux\":{" IDS ",\"namespaces\":[%s]}}",
		 top, pod, namespaces);
	return text;
}

static void assert_plan(struct plan *plan, const char *text)
{
	struct err err = { 0 };

	if (read_plan_text(plan, text, &err) < 0)
		fail_msg("refused: %s", err.msg);
}

static void assert_refused(const char *text, const char *reason)
{
	struct plan plan;
	struct err err = { 0 };

	if (read_plan_text(&plan, text, &err) == 0)
		fail_msg("accepted, expected: %s", reason);
	plan_fini(&plan);
	if (!strstr(err.msg, reason))
		fail_msg("\"%s\" is not in \"%s\"", reason, err.msg);
}

static void a_holder_needs_neither_program_nor_root(void **state)
{
	struct plan plan;

	(void)state;
	assert_plan(&plan, holder("memory:65536", HELD ",{\"type\":\"network\"}", ""));
	assert_true(plan.is_holder);
	assert_int_equal(plan.hold_bytes, 65536);
	assert_string_equal(plan.hostname, "pod");
	assert_true(plan.namespaces & CLONE_NEWNET);
	assert_int_equal(plan.joined, 0);
	plan_fini(&plan);
	assert_plan(&plan, holder("memory:1", HELD, ""));
	assert_false(plan.namespaces & CLONE_NEWNET);
	plan_fini(&plan);
}

static void a_holder_that_is_more_or_less_is_refused(void **state)
{
	(void)state;
	assert_refused(holder("", HELD, ""), "\"\" is not memory:BYTES");
	assert_refused(holder("memory:0", HELD, ""), "is not memory:BYTES");
	assert_refused(holder("memory:9999999999999999999", HELD, ""), "is not memory:BYTES");
	assert_refused(holder("memory:1", HELD ",{\"type\":\"pid\"}", ""), "a holder has user");
	assert_refused(holder("memory:1", HELD ",{\"type\":\"cgroup\"}", ""), "a holder has user");
	assert_refused(holder("memory:1", "{\"type\":\"user\"}", ""), "a holder has user");
	assert_refused(holder("memory:1", JOINED ",{\"type\":\"mount\"}", ""), "a holder has user");
	assert_refused(holder("memory:1", HELD,
			      ",\"process\":{\"args\":[\"/bin/true\"],\"cwd\":\"/\"}"),
		       "a holder has no program");
	assert_refused(holder("memory:1", HELD, ",\"root\":{\"path\":\"rootfs\"}"),
		       "a holder has no program");
	assert_refused(holder("memory:1", HELD,
			      ",\"mounts\":[{\"destination\":\"/x\",\"type\":\"tmpfs\"}]"),
		       "a holder has no program");
}

static void a_member_joins_what_it_names(void **state)
{
	struct plan plan;

	(void)state;
	assert_plan(&plan, member("77:123456", OWN "," JOINED, ""));
	assert_int_equal(plan.joined, CLONE_NEWUSER | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET);
	assert_int_equal(plan.namespaces, plan.joined | CLONE_NEWNS | CLONE_NEWPID);
	assert_int_equal(plan.holder_pid, 77);
	assert_int_equal(plan.holder_ticks, 123456);
	plan_fini(&plan);
	/* with the host's network there is none to join */
	assert_plan(&plan, member("77:1",
				  OWN "," OF("user", "77", "user") "," OF("uts", "77", "uts"), ""));
	assert_int_equal(plan.joined, CLONE_NEWUSER | CLONE_NEWUTS);
	plan_fini(&plan);
}

static void the_pods_memory_is_a_mount_of_members_only(void **state)
{
	static const char mount[] =
		",\"mounts\":[{\"destination\":\"/dev/shm\",\"type\":\"x-cleat-pod\",\"options\":[\"ro\"]}]";
	struct plan plan;

	(void)state;
	assert_plan(&plan, member("77:1", OWN "," JOINED, mount));
	assert_int_equal(plan.mounts[0].kind, PLAN_MOUNT_POD_MEMORY);
	assert_int_equal(plan.mounts[0].tree, -1);
	assert_true(plan.mounts[0].attributes != 0);
	plan_fini(&plan);
	assert_refused(member("77:1", OWN ",{\"type\":\"user\"}", ""), "have to name one process");
	assert_refused(holder("memory:1", HELD, mount), "a holder has no program");
}

static void only_a_holders_namespaces_are_joined(void **state)
{
	static const struct {
		const char *pod, *namespaces, *reason;
	} rows[] = {
		{ "77:1", OWN "," OF("user", "78", "user"), "have to name one process" },
		{ "77:1", OWN "," OF("user", "77", "user") "," OF("ipc", "78", "ipc"),
		  "ipc: \"/proc/78/ns/ipc\": the others are those of process 77" },
		{ "77:1", OWN "," OF("user", "77", "net"), "only those of a pod's holder" },
		{ "77:1", OWN "," OF("user", "0", "user"), "only those of a pod's holder" },
		{ "77:1", OWN "," OF("user", "self", "user"), "only those of a pod's holder" },
		{ "77:1", OWN "," OF("user", "77/task/1", "user"), "only those of a pod's holder" },
		{ "77:1", OWN "," OF("user", "99999999999", "user"),
		  "only those of a pod's holder" },
		{ "77:1", OWN ",{\"type\":\"user\",\"path\":\"/run/ns/user\"}",
		  "only those of a pod's holder" },
		{ "77:1", "{\"type\":\"mount\"}," OF("pid", "77", "pid"),
		  "an existing one cannot be joined" },
		{ "77:1", "{\"type\":\"pid\"}," OF("mount", "77", "mnt"),
		  "an existing one cannot be joined" },
		{ "77:1", OWN ",{\"type\":\"user\"}," OF("uts", "77", "uts"),
		  "who joins a pod joins its user namespace" },
		{ "77", OWN "," JOINED, "\"77\" is not PID:TICKS" },
		{ ":1", OWN "," JOINED, "is not PID:TICKS" },
		{ "0:1", OWN "," JOINED, "is not PID:TICKS" },
		{ "77:x", OWN "," JOINED, "is not PID:TICKS" },
		{ "123456789012:1", OWN "," JOINED, "is not PID:TICKS" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_refused(member(rows[i].pod, rows[i].namespaces, ""), rows[i].reason);
}

static void what_the_pod_has_no_member_has(void **state)
{
	(void)state;
	assert_refused(member("77:1", OWN "," JOINED, ",\"hostname\":\"own\""),
		       "hostname: is that of the pod");
}

static void a_process_is_the_holder_by_its_time_of_start(void **state)
{
	struct plan plan = { .holder_pid = (uint32_t)getpid(),
			     .holder_ticks = proc_start_ticks(getpid()) };
	struct err err;
	int fd = join_open_holder(&plan, &err);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	plan.holder_ticks++;
	assert_int_equal(join_open_holder(&plan, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	plan.holder_pid = INT32_MAX; /* above the kernel's greatest */
	assert_int_equal(join_open_holder(&plan, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, "is gone"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_holder_needs_neither_program_nor_root),
		TEST(a_holder_that_is_more_or_less_is_refused),
		TEST(a_member_joins_what_it_names),
		TEST(the_pods_memory_is_a_mount_of_members_only),
		TEST(only_a_holders_namespaces_are_joined),
		TEST(what_the_pod_has_no_member_has),
		TEST(a_process_is_the_holder_by_its_time_of_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
