/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a pod, what its containers may not say, what they get, and the two documents that come of it. */
#include "spec_test.h"

#include "spec/networks.h"
#include "spec/oci_internal.h"
#include "spec/pod.h"

struct pod {
	struct fixture member;
	struct container_spec spec;
	int result;
};

static void make_pod(struct pod *p, const char *const *words)
{
	struct arg_list list = { 0 };

	setup(&p->member);
	for (unsigned i = 0; words[i]; i++) {
		struct origin *origin = arena_new(&p->member.arena, struct origin);

		*origin =
			(struct origin){ .file = "web.pod", .line = 3 + i, .key = "command line" };
		arg_push(&p->member.arena, &list, words[i], origin);
	}
	p->result = spec_pod_from_args(&p->spec, &p->member.arena, &list, &p->member.diags);
}
#define POD(p, ...) make_pod((p), (const char *const[]){ "--name=web", __VA_ARGS__, NULL })

static void assert_pod(const struct pod *p)
{
	if (p->result < 0)
		dump_diags(&p->member);
	assert_int_equal(p->result, 0);
}

static void a_pod_has_defaults(void **state)
{
	struct pod p;

	(void)state;
	POD(&p, "--exit-policy", "stop");
	assert_pod(&p);
	assert_true(p.spec.is_pod);
	assert_string_equal(p.spec.name, "web");
	assert_string_equal(p.spec.hostname, "web");
	assert_string_equal(p.spec.image, "");
	assert_false(p.spec.pod_continues);
	assert_int_equal(p.spec.stop_timeout_usec, 10 * 1000000);
	assert_int_equal(p.spec.join_count, 1);
	assert_string_equal(p.spec.joins[0].network, "podman");
	teardown(&p.member);
}

static void words_of_a_pod_are_acted_on(void **state)
{
	struct pod p;

	(void)state;
	POD(&p, "--exit-policy=continue", "--publish=8000:80", "--network=a", "--network-alias=db",
	    "--ip=10.1.2.3", "--hostname=h", "--add-host=x:192.0.2.1", "--dns=192.0.2.53",
	    "--shm-size=1m", "--stop-timeout=3", "--userns=keep-id:uid=7,gid=8", "--label=a=b",
	    "-v", "/data/x:/x", "--share=ipc,net,uts", "--infra=true");
	assert_pod(&p);
	assert_true(p.spec.pod_continues);
	assert_int_equal(p.spec.port_count, 1);
	assert_string_equal(p.spec.joins[0].ip, "10.1.2.3");
	assert_string_equal(p.spec.joins[0].aliases.items[0], "db");
	assert_string_equal(p.spec.hostname, "h");
	assert_int_equal(p.spec.shm_bytes, MIB);
	assert_int_equal(p.spec.stop_timeout_usec, 3000000);
	assert_int_equal(p.spec.keep_uid, 7);
	assert_int_equal(p.spec.mount_count, 1);
	teardown(&p.member);
}

static void every_row_of_the_pods_table_does_what_it_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < options_of_pod.count; i++) {
		const struct option *row = &options_of_pod.rows[i];
		char word[256];
		struct pod p;

		if (i && strcmp(row[-1].name, row->name) >= 0)
			fail_msg("%s is out of order", row->name);
		snprintf(word, sizeof(word), "--%s=%s", row->name, row->example);
		POD(&p, word);
		if ((p.result == 0) != (row->state != OPTION_REFUSED))
			fail_msg("%s", word);
		if (row->state != OPTION_ACTED)
			assert_true(has_diag(&p.member,
					     row->state == OPTION_NOTED ? DIAG_NOTE : DIAG_ERROR,
					     row->text));
		teardown(&p.member);
		if (!row->bad)
			continue;
		snprintf(word, sizeof(word), "--%s=%s", row->name, row->bad);
		POD(&p, word);
		if (p.result == 0)
			fail_msg("%s was accepted", word);
		teardown(&p.member);
	}
}

static void a_pod_that_cannot_be_made_says_why(void **state)
{
	static const struct {
		const char *word, *reason;
	} rows[] = {
		{ "second", "\"second\" is no option" },
		{ "--memory-swap=1m", "needs --memory as well" },
		{ "--share=net", "without ipc" },
		{ "--share=pid", "\"pid\": ipc, net, user and uts are shared, always" },
		{ "--infra=false", "would share nothing" },
		{ "--nonsense", "unknown option --nonsense" },
	};
	struct pod p;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		POD(&p, rows[i].word);
		p.member.result = p.result;
		assert_error(&p.member, rows[i].reason);
		assert_int_equal(p.member.diags.items[0].line, 4);
		teardown(&p.member);
	}
	make_pod(&p, (const char *const[]){ "--hostname=x", NULL });
	p.member.result = p.result;
	assert_error(&p.member, "a pod needs a name");
	teardown(&p.member);
}

static void a_long_name_is_a_host_name_as_far_as_the_kernel_takes_it(void **state)
{
	char name[] =
		"--name=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	struct pod p;

	(void)state;
	make_pod(&p, (const char *const[]){ name, NULL });
	assert_pod(&p);
	assert_int_equal(strlen(p.spec.hostname), 64);
	teardown(&p.member);
}

static void what_is_the_pods_no_container_of_it_may_say(void **state)
{
	static const char *const words[] = {
		"--publish=80:80",
		"--network=a",
		"--network=host",
		"--ip=10.0.0.9",
		"--network-alias=x",
		"--hostname=x",
		"--userns=keep-id",
		"--dns=192.0.2.1",
		"--dns-search=lan",
		"--dns-option=rotate",
		"--add-host=a:192.0.2.1",
		"--shm-size=1m",
		"--ipc=private",
		"--uts=private",
		"--mac-address=02:00:00:00:00:01",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct fixture f;

		setup(&f);
		PARSE(&f, "--pod=web", words[i], "localhost/app");
		assert_error(&f, "is the pod's, which its containers share");
		assert_int_equal(f.diags.items[f.diags.count - 1].line, 11);
		teardown(&f);
		/* whichever comes first */
		setup(&f);
		PARSE(&f, words[i], "--pod=web", "localhost/app");
		assert_error(&f, "is the pod's, which its containers share");
		teardown(&f);
	}
}

static void a_pod_is_joined_by_its_key_only(void **state)
{
	struct origin args = { .file = "w", .line = 4, .key = "Container.PodmanArgs" };
	struct arg words[] = { { "--pod=web", &args }, { "localhost/a", &args } };
	struct arg_list list = { words, 2 };
	struct fixture f;

	(void)state;
	setup(&f);
	f.result = spec_from_args(&f.spec, &f.arena, &list, &f.diags);
	assert_error(&f, "write Pod=NAME.pod");
	teardown(&f);
}

static void a_member_gets_what_the_pod_shares(void **state)
{
	struct pod p;
	struct fixture *f = &p.member;

	(void)state;
	POD(&p, "--hostname=h", "--userns=keep-id:uid=7", "--volume=/data/x:/x",
	    "--volume=/data/y:/y", "--no-hosts");
	assert_pod(&p);
	PARSE(f, "--name=app", "--pod=web", "--volume=/data/own:/y", "localhost/app");
	assert_good(f);
	spec_join_pod(&f->spec, &p.spec, &f->arena);
	assert_string_equal(f->spec.hostname, "h");
	assert_int_equal(f->spec.userns, SPEC_USERNS_KEEP_ID);
	assert_int_equal(f->spec.keep_uid, 7);
	assert_true(f->spec.no_hosts);
	assert_int_equal(f->spec.mount_count, 2);
	assert_string_equal(f->spec.mounts[0].source, "/data/own");
	assert_string_equal(f->spec.mounts[1].source, "/data/x");
	assert_int_equal(f->spec.join_count, 0);
	/* others of the pod's networks find the member */
	assert_true(strv_has(&p.spec.joins[0].aliases, "app"));
	teardown(f);
}

static void aliases_of_many_members_are_bounded(void **state)
{
	struct container_spec member = { .pod = "web" };
	struct pod p;

	(void)state;
	POD(&p, "--hostname=h");
	assert_pod(&p);
	for (int i = 0; i < 200; i++) {
		member.name = arena_printf(&p.member.arena, "m%d", i);
		spec_join_pod(&member, &p.spec, &p.member.arena);
	}
	assert_int_equal(p.spec.joins[0].aliases.count, NET_MAX_ALIASES);
	teardown(&p.member);
}

static void the_network_is_the_pods_alone(void **state)
{
	struct net_container container;
	struct pod p;

	(void)state;
	POD(&p, "--publish=8000:80");
	assert_pod(&p);
	PARSE(&p.member, "--name=app", "--pod=web", "localhost/app");
	spec_join_pod(&p.member.spec, &p.spec, &p.member.arena);
	assert_false(spec_to_net_container(&p.member.spec, "app", "a.container", true,
					   &p.member.arena, &container));
	assert_true(spec_to_net_container(&p.spec, "web", "web.pod", true, &p.member.arena,
					  &container));
	assert_int_equal(container.port_count, 1);
	teardown(&p.member);
}

static void a_pod_becomes_the_configuration_of_a_holder(void **state)
{
	struct pod p;
	struct fixture *f = &p.member;

	(void)state;
	POD(&p, "--hostname=h", "--shm-size=1m");
	assert_pod(&p);
	assert_int_equal(
		spec_pod_to_oci(&p.spec, &f->host, RUN_ID, NULL, &f->arena, &f->json, &f->err), 0);
	f->doc = yyjson_read(f->json.data, f->json.len, 0);
	assert_string_equal(str_at(f, "/hostname"), "h");
	assert_string_equal(str_at(f, "/annotations/org.cleat.hold"), "memory:1048576");
	assert_int_equal(yyjson_arr_size(at(f, "/linux/namespaces")), 5);
	assert_null(at(f, "/process"));
	assert_null(at(f, "/mounts"));
	assert_int_equal(uint_at(f, "/linux/uidMappings/0/hostID"), 65000);
	teardown(f);
	POD(&p, "--network=host");
	assert_int_equal(
		spec_pod_to_oci(&p.spec, &f->host, RUN_ID, NULL, &f->arena, &f->json, &f->err), 0);
	f->doc = yyjson_read(f->json.data, f->json.len, 0);
	assert_int_equal(yyjson_arr_size(at(f, "/linux/namespaces")), 4);
	/* L/8, at most 64 MiB */
	assert_string_equal(str_at(f, "/annotations/org.cleat.hold"), "memory:67108864");
	assert_int_equal(
		spec_pod_to_oci(&p.spec, &f->host, "x", NULL, &f->arena, &f->json, &f->err), -1);
	teardown(f);
}

static void limits_of_a_pod_are_those_of_a_cgroup_around_its_members(void **state)
{
	struct pod p;
	struct fixture *f = &p.member;
	struct spec_remarks remarks = { 0 };

	(void)state;
	POD(&p, "--memory=64m", "--cpus=0.5", "--cgroup-conf=memory.max=32000000",
	    "--cgroup-conf=pids.max=100");
	assert_pod(&p);
	f->host.has_memory_controller = f->host.has_pids_controller = true;
	f->host.has_cpu_controller = false;
	assert_int_equal(spec_pod_to_oci(&p.spec, &f->host, RUN_ID, &remarks, &f->arena, &f->json,
					 &f->err),
			 0);
	f->doc = yyjson_read(f->json.data, f->json.len, 0);
	assert_string_equal(str_at(f, "/linux/cgroupsPath"), "cleat/c/pod-web/" RUN_ID);
	assert_int_equal(uint_at(f, "/linux/resources/memory/limit"), 32000000);
	assert_int_equal(uint_at(f, "/linux/resources/pids/limit"), 100);
	assert_null(at(f, "/linux/resources/cpu"));
	assert_int_equal(remarks.count, 1);
	assert_non_null(strstr(remarks.items[0], "the processor limit is not enforced"));
	teardown(f);
	POD(&p, "--memory=64m", "--cgroup-conf=memory.max=32000000");
	/* what a member has is not beyond that, and the same place */
	PARSE(f, "--name=app", "--pod=web", "--memory=1g", "localhost/app");
	spec_join_pod(&f->spec, &p.spec, &f->arena);
	f->host.pod_pid = 77;
	f->host.has_memory_controller = f->host.has_pids_controller = true;
	MAKE(f);
	assert_string_equal(str_at(f, "/linux/cgroupsPath"), "cleat/c/pod-web/" RUN_ID);
	assert_int_equal(uint_at(f, "/linux/resources/memory/limit"), 1 << 30);
	assert_int_equal(uint_at(f, "/linux/resources/pids/limit"), 2048);
	assert_int_equal(sizes_limit(&f->spec, &f->host), 32000000);
	teardown(f);
	/* the default of a container is none of a pod, so that more than that is a limit, too */
	POD(&p, "--cgroup-conf=pids.max=4000");
	f->host.has_pids_controller = true;
	assert_int_equal(spec_pod_to_oci(&p.spec, &f->host, RUN_ID, &remarks, &f->arena, &f->json,
					 &f->err),
			 0);
	f->doc = yyjson_read(f->json.data, f->json.len, 0);
	assert_string_equal(str_at(f, "/linux/cgroupsPath"), "cleat/c/pod-web/" RUN_ID);
	assert_int_equal(uint_at(f, "/linux/resources/pids/limit"), 4000);
	teardown(f);
	/* nothing is said, nothing is limited, and all stays where it was */
	POD(&p, "--hostname=h");
	PARSE(f, "--name=app", "--pod=web", "localhost/app");
	spec_join_pod(&f->spec, &p.spec, &f->arena);
	f->host.pod_pid = 77;
	MAKE(f);
	assert_string_equal(str_at(f, "/linux/cgroupsPath"), "cleat/c/" RUN_ID);
	teardown(f);
}

static void a_member_names_the_holder(void **state)
{
	struct pod p;
	struct fixture *f = &p.member;

	(void)state;
	POD(&p, "--hostname=h");
	PARSE(f, "--name=app", "--pod=web", "localhost/app");
	spec_join_pod(&f->spec, &p.spec, &f->arena);
	MAKE_FAILS(f, "pod web does not run");
	buf_clear(&f->json);
	f->host.pod_pid = 77;
	f->host.pod_start_ticks = 123;
	MAKE(f);
	assert_string_equal(str_at(f, "/annotations/org.cleat.pod"), "77:123");
	assert_null(at(f, "/hostname"));
	assert_true(list_has_str(at(f, "/process/env"), "HOSTNAME=h"));
	assert_string_equal(yyjson_get_str(yyjson_obj_get(mount_at(f, "/dev/shm"), "type")),
			    "x-cleat-pod");
	for (size_t i = 0; i < yyjson_arr_size(at(f, "/linux/namespaces")); i++) {
		yyjson_val *item = yyjson_arr_get(at(f, "/linux/namespaces"), i);
		const char *type = yyjson_get_str(yyjson_obj_get(item, "type"));
		const char *path = yyjson_get_str(yyjson_obj_get(item, "path"));

		if (str_eq(type, "pid") || str_eq(type, "mount") || str_eq(type, "cgroup"))
			assert_null(path);
		else if (str_eq(type, "network"))
			assert_string_equal(path, "/proc/77/ns/net");
		else
			assert_true(path && str_starts(path, "/proc/77/ns/") &&
				    str_ends(path, type));
	}
	teardown(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pod_has_defaults),
		cmocka_unit_test(words_of_a_pod_are_acted_on),
		cmocka_unit_test(every_row_of_the_pods_table_does_what_it_says),
		cmocka_unit_test(a_pod_that_cannot_be_made_says_why),
		cmocka_unit_test(a_long_name_is_a_host_name_as_far_as_the_kernel_takes_it),
		cmocka_unit_test(what_is_the_pods_no_container_of_it_may_say),
		cmocka_unit_test(a_pod_is_joined_by_its_key_only),
		cmocka_unit_test(a_member_gets_what_the_pod_shares),
		cmocka_unit_test(aliases_of_many_members_are_bounded),
		cmocka_unit_test(the_network_is_the_pods_alone),
		cmocka_unit_test(a_pod_becomes_the_configuration_of_a_holder),
		cmocka_unit_test(limits_of_a_pod_are_those_of_a_cgroup_around_its_members),
		cmocka_unit_test(a_member_names_the_holder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
