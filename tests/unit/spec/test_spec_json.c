/* SPDX-License-Identifier: Apache-2.0 */
/* The spec as JSON, read back. */
#include "spec_test.h"

static void print_and_read(struct fixture *f)
{
	assert_good(f);
	spec_to_json(&f->spec, &f->json);
	f->doc = yyjson_read(f->json.data, f->json.len, 0);
	assert_non_null(f->doc);
}

static void defaults_are_written_out(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-d");
	print_and_read(&f);
	assert_string_equal(str_at(&f, "/image"), "localhost/app");
	assert_true(yyjson_is_null(at(&f, "/name")));
	assert_true(yyjson_is_null(at(&f, "/entrypoint")));
	assert_true(yyjson_is_null(at(&f, "/user")));
	assert_string_equal(str_at(&f, "/seccomp"), "default");
	assert_string_equal(str_at(&f, "/network"), "host");
	assert_string_equal(str_at(&f, "/userns"), "default");
	assert_string_equal(str_at(&f, "/health/kind"), "none");
	assert_int_equal(uint_at(&f, "/stop_timeout_usec"), 10000000);
	assert_true(yyjson_get_bool(at(&f, "/read_only_tmpfs")));
	teardown(&f);
}

static void every_part_is_there(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE(&f, "--network=none", "--name=web", "--user=1:2", "--entrypoint=[\"/a\",\"b\"]",
	      "-eA=1", "--env-file=/f", "-v/data/x:/x:ro", "--tmpfs=/tmp:size=1m,mode=700",
	      "--cap-add=kill", "--cap-drop=all", "-p", "127.0.0.1:80:81/udp",
	      "--ulimit=nofile=5:-1", "--sysctl=kernel.sem=1", "-la=b", "--annotation=c=d",
	      "--userns=keep-id:uid=5", "--health-cmd=http://127.0.0.1/",
	      "--health-on-failure=kill", "--sdnotify=healthy", "--pull=never", "--stop-signal=INT",
	      "--umask=7", "--memory=1m", "localhost/app", "run", "now");
	print_and_read(&f);
	assert_string_equal(str_at(&f, "/entrypoint/1"), "b");
	assert_string_equal(str_at(&f, "/command/1"), "now");
	assert_string_equal(str_at(&f, "/env/0/name"), "A");
	assert_string_equal(str_at(&f, "/env_files/0"), "/f");
	assert_string_equal(str_at(&f, "/mounts/0/source"), "/data/x");
	assert_true(yyjson_get_bool(at(&f, "/mounts/0/make_source")));
	assert_string_equal(str_at(&f, "/mounts/0/file"), "web.container");
	assert_int_equal(uint_at(&f, "/mounts/0/line"), 16);
	assert_string_equal(str_at(&f, "/mounts/1/mode"), "0700");
	assert_int_equal(uint_at(&f, "/mounts/1/size_bytes"), MIB);
	assert_string_equal(str_at(&f, "/cap_add/0"), "CAP_KILL");
	assert_string_equal(str_at(&f, "/cap_drop/0"), "ALL");
	assert_string_equal(str_at(&f, "/ports/0/protocol"), "udp");
	assert_int_equal(uint_at(&f, "/ports/0/container_port"), 81);
	assert_int_equal(uint_at(&f, "/ulimits/nofile/soft"), 5);
	assert_int_equal(yyjson_get_sint(at(&f, "/ulimits/nofile/hard")), -1);
	assert_string_equal(str_at(&f, "/sysctls/kernel.sem"), "1");
	assert_string_equal(str_at(&f, "/labels/a"), "b");
	assert_string_equal(str_at(&f, "/annotations/c"), "d");
	assert_int_equal(uint_at(&f, "/keep_uid"), 5);
	assert_null(at(&f, "/keep_gid"));
	assert_string_equal(str_at(&f, "/health/url"), "http://127.0.0.1/");
	assert_string_equal(str_at(&f, "/health/on_failure"), "kill");
	assert_string_equal(str_at(&f, "/notify"), "healthy");
	assert_string_equal(str_at(&f, "/pull"), "never");
	assert_string_equal(str_at(&f, "/stop_signal"), "INT");
	assert_int_equal(uint_at(&f, "/umask"), 7);
	assert_int_equal(uint_at(&f, "/memory_bytes"), MIB);
	teardown(&f);
}

static void probes_in_their_own_words(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--health-cmd=[\"/check\",\"-q\"]", "--health-on-failure=stop");
	print_and_read(&f);
	assert_string_equal(str_at(&f, "/health/kind"), "exec");
	assert_string_equal(str_at(&f, "/health/argv/1"), "-q");
	assert_string_equal(str_at(&f, "/health/on_failure"), "stop");
	assert_null(at(&f, "/health/url"));
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--health-cmd=tcp://127.0.0.1:1", "--health-on-failure=restart");
	print_and_read(&f);
	assert_string_equal(str_at(&f, "/health/kind"), "tcp");
	assert_string_equal(str_at(&f, "/health/on_failure"), "restart");
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_written_out),
		cmocka_unit_test(every_part_is_there),
		cmocka_unit_test(probes_in_their_own_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
