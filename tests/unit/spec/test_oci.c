/* SPDX-License-Identifier: Apache-2.0 */
/* spec_to_oci as a whole: what is decided before writing, annotations, errors, determinism. */
#include "spec_test.h"

#include "util/digest.h"

static void the_frame(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--name=web", "--annotation=org.example.a=b");
	MAKE(&f);
	assert_string_equal(str_at(&f, "/ociVersion"), "1.1.0");
	assert_string_equal(str_at(&f, "/root/path"), "rootfs");
	assert_false(yyjson_get_bool(at(&f, "/root/readonly")));
	assert_string_equal(str_at(&f, "/annotations/org.example.a"), "b");
	assert_string_equal(str_at(&f, "/annotations/org.cleat.name"), "web");
	assert_string_equal(str_at(&f, "/annotations/org.cleat.layers"),
			    "/data/store/a/root:/data/store/b/root");
	assert_string_equal(str_at(&f, "/annotations/org.cleat.user"), "0");
	assert_null(at(&f, "/annotations/org.cleat.groups"));
	assert_int_equal(f.remarks.count, 0);
	teardown(&f);
}

static void equal_facts_give_equal_bytes(void **state)
{
	struct fixture a, b;

	(void)state;
	setup(&a);
	setup(&b);
	PARSE_OPTIONS(&a, "-v/data/x:/x", "--tmpfs=/tmp", "--cap-drop=all", "-eA=1");
	PARSE_OPTIONS(&b, "-v/data/x:/x", "--tmpfs=/tmp", "--cap-drop=all", "-eA=1");
	MAKE(&a);
	MAKE(&b);
	assert_string_equal(a.json.data, b.json.data);
	teardown(&a);
	teardown(&b);
}

static void the_root_is_read_only_or_a_sized_tmpfs(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--read-only");
	MAKE(&f);
	assert_true(yyjson_get_bool(at(&f, "/root/readonly")));
	assert_string_equal(str_at(&f, "/annotations/org.cleat.root"), "read-only");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--memory=100m");
	MAKE(&f);
	assert_string_equal(str_at(&f, "/annotations/org.cleat.root"), "tmpfs:26214400");
	teardown(&f);
}

static void who_runs(void **state)
{
	static const struct {
		const char *option, *image_user, *user;
	} rows[] = {
		{ "-d", "", "0" },
		{ "-d", "app:audio", "app:audio" },
		{ "--user=5:6", "app", "5:6" },
		{ "--userns=keep-id", "", "1000:1001" },
		{ "--userns=keep-id", "7", "7" },
		{ "--userns=keep-id:uid=8", "", "8:1001" },
		{ "--userns=keep-id:uid=8,gid=9", "", "8:9" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture f;

		setup(&f);
		f.image.user = rows[i].image_user;
		PARSE_OPTIONS(&f, rows[i].option);
		MAKE(&f);
		assert_string_equal(str_at(&f, "/annotations/org.cleat.user"), rows[i].user);
		teardown(&f);
	}
}

struct accounts_case {
	const char *options[3];
	const char *image_user, *image_workdir, *passwd, *group; /* NULL: no annotation */
};

static void a_number_may_get_a_line_in_passwd_and_group(void **state)
{
	static const struct accounts_case cases[] = {
		{ { "-d" }, "", "", NULL, NULL },
		{ { "--user=app" }, "", "", NULL, NULL },
		{ { "--user=5" }, "", "", "5:*:5:0:container user:/:/bin/sh", "5:x:5:5" },
		{ { "-d" }, "005:6", "srv", "5:*:5:6:container user:/srv:/bin/sh", "6:x:6:005" },
		{ { "-d", "-w/x" }, "5:", "/y", "5:*:5:0:container user:/x:/bin/sh", "5:x:5:5" },
		{ { "--user=5:staff" }, "", "", "5:*:5:$GID:container user:/:/bin/sh", NULL },
		{ { "--user=app:6" }, "", "", NULL, "6:x:6:app" },
		{ { "--userns=keep-id" },
		  "",
		  "",
		  "1000:*:1000:1001:container user:/:/bin/sh",
		  "1001:x:1001:1000" },
		{ { "--user=5", "--passwd=false" }, "", "", NULL, NULL },
		{ { "--user=5", "-v/data/p:/etc/passwd" }, "", "", NULL, "5:x:5:5" },
		{ { "--user=5", "-v/data/g:/etc/group" },
		  "",
		  "",
		  "5:*:5:0:container user:/:/bin/sh",
		  NULL },
		{ { "--user=5", "--tmpfs=/etc" }, "", "", NULL, NULL },
		/* What comes in for a word is none, and ends neither line nor field. */
		{ { "--user=5:6", "--passwd-entry=$USERNAME$UID $GID $NAME $HOME $X" },
		  "",
		  "/$GID",
		  "55 6 container user /$GID $X",
		  "6:x:6:5" },
		{ { "--user=5", "--group-entry=$GROUPNAME-$GID-$USERLIST" },
		  "",
		  "",
		  "5:*:5:0:container user:/:/bin/sh",
		  "5-5-5" },
		{ { "--user=5" },
		  "",
		  "/a\nroot::0:0::/:",
		  "5:*:5:0:container user:/:/bin/sh",
		  "5:x:5:5" },
		{ { "--user=5" },
		  "",
		  "/a:/bin/evil",
		  "5:*:5:0:container user:/:/bin/sh",
		  "5:x:5:5" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct accounts_case *row = &cases[i];
		struct fixture f;

		setup(&f);
		f.image.user = row->image_user;
		f.image.workdir = row->image_workdir;
		PARSE_OPTIONS(&f, row->options[0], row->options[1] ? row->options[1] : "-d");
		MAKE(&f);
		if (!row->passwd != !at(&f, "/annotations/org.cleat.passwd") ||
		    !row->group != !at(&f, "/annotations/org.cleat.group"))
			fail_msg("%s: lines are there or not", row->options[0]);
		if (row->passwd)
			assert_string_equal(str_at(&f, "/annotations/org.cleat.passwd"),
					    row->passwd);
		if (row->group)
			assert_string_equal(str_at(&f, "/annotations/org.cleat.group"), row->group);
		teardown(&f);
	}
}

static void a_line_that_is_too_long_is_left_out(void **state)
{
	char home[4000] = "/";
	struct fixture f;

	(void)state;
	memset(home + 1, 'x', sizeof(home) - 2);
	setup(&f);
	f.image.workdir = home;
	PARSE_OPTIONS(&f, "--user=5", "--passwd-entry=$HOME$HOME");
	MAKE(&f);
	assert_null(at(&f, "/annotations/org.cleat.passwd"));
	assert_non_null(strstr(f.remarks.items[0], "org.cleat.passwd: longer than"));
	teardown(&f);
}

static void a_hostile_image_user_is_refused(void **state)
{
	static const char *const bad[] = { "a b", "a\nroot", "a:b:c", "a,b", "../x" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct fixture f;

		setup(&f);
		f.image.user = bad[i];
		PARSE_OPTIONS(&f, "-d");
		MAKE_FAILS(&f, "is no USER[:GROUP]");
		assert_int_equal(f.err.code, ERR_INPUT);
		teardown(&f);
	}
}

struct words_case {
	const char *entrypoint, *command;	      /* options; NULL: not given */
	const char *image_entrypoint, *image_command; /* NULL: none */
	const char *args;
};

static void what_runs(void **state)
{
	static const struct words_case cases[] = {
		{ NULL, NULL, NULL, "/cmd", "/cmd" },
		{ NULL, NULL, "/entry", "cmd", "/entry cmd" },
		{ NULL, "own", "/entry", "cmd", "/entry own" },
		{ "--entrypoint=/mine", NULL, "/entry", "cmd", "/mine" },
		{ "--entrypoint=/mine", "own", "/entry", "cmd", "/mine own" },
		{ "--entrypoint=", "/own", "/entry", "cmd", "/own" },
		{ "--entrypoint=[\"/a\",\"-b\"]", NULL, NULL, "cmd", "/a -b" },
		{ "--entrypoint=", NULL, "/entry", "cmd", NULL },
		{ NULL, NULL, NULL, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct words_case *c = &cases[i];
		const char *got = "";
		struct fixture f;
		size_t index, count;
		yyjson_val *item;

		setup(&f);
		f.image.command = f.image.entrypoint = (struct strv){ 0 };
		if (c->image_entrypoint)
			strv_push(&f.arena, &f.image.entrypoint, c->image_entrypoint);
		if (c->image_command)
			strv_push(&f.arena, &f.image.command, c->image_command);
		PARSE(&f, "--network=host", c->entrypoint ? c->entrypoint : "-d", "localhost/app",
		      c->command);
		if (!c->args) {
			MAKE_FAILS(
				&f,
				"nothing to run: neither the unit (Exec=, Entrypoint=) nor the image localhost/app");
			teardown(&f);
			continue;
		}
		MAKE(&f);
		yyjson_arr_foreach(at(&f, "/process/args"), index, count, item)
		{
			got = arena_printf(&f.arena, "%s%s%s", got, index ? " " : "",
					   yyjson_get_str(item));
		}
		assert_string_equal(got, c->args);
		teardown(&f);
	}
}

static void what_it_is_called(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-d");
	MAKE(&f);
	assert_string_equal(str_at(&f, "/hostname"), RUN_ID);
	teardown(&f);
	setup(&f);
	f.host.hostname = "box";
	PARSE_OPTIONS(&f, "-d");
	MAKE(&f);
	assert_string_equal(str_at(&f, "/hostname"), "box");
	teardown(&f);
	setup(&f);
	f.host.hostname = "box";
	PARSE(&f, "--network=none", "localhost/app");
	MAKE(&f);
	assert_string_equal(str_at(&f, "/hostname"), RUN_ID);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--hostname=web");
	MAKE(&f);
	assert_string_equal(str_at(&f, "/hostname"), "web");
	teardown(&f);
}

static void groups_are_handed_on(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--group-add=audio,44");
	MAKE(&f);
	assert_string_equal(str_at(&f, "/annotations/org.cleat.groups"), "audio,44");
	teardown(&f);
}

static void the_profile_is_named_by_its_digest(void **state)
{
	char digest[DIGEST_STR_LEN + 1];
	struct fixture f;
	const char *start, *end;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-d");
	MAKE(&f);
	start = strstr(f.json.data, "\"seccomp\":") + strlen("\"seccomp\":");
	end = strstr(start, ",\"maskedPaths\"");
	digest_of(start, (size_t)(end - start), digest);
	assert_string_equal(str_at(&f, "/annotations/org.cleat.seccomp"),
			    digest + strlen("sha256:"));
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--security-opt=seccomp=unconfined");
	MAKE(&f);
	assert_null(at(&f, "/linux/seccomp"));
	assert_null(at(&f, "/annotations/org.cleat.seccomp"));
	teardown(&f);
}

static void an_own_profile_needs_its_text(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--security-opt=seccomp=/config/s.json");
	MAKE_FAILS(&f, "seccomp profile /config/s.json: its text was not read");
	teardown(&f);
	setup(&f);
	f.host.seccomp_text = "{}";
	PARSE_OPTIONS(&f, "--security-opt=seccomp=/config/s.json");
	MAKE_FAILS(&f, "seccomp profile /config/s.json: no valid defaultAction");
	teardown(&f);
	setup(&f);
	f.host.seccomp_text = "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}";
	PARSE_OPTIONS(&f, "--security-opt=seccomp=/config/s.json");
	MAKE(&f);
	assert_string_equal(str_at(&f, "/linux/seccomp/defaultAction"), "SCMP_ACT_ALLOW");
	teardown(&f);
}

static void facts_are_checked(void **state)
{
	static const char *colon[] = { "/data/a:b" }, *relative[] = { "layers/a" };
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-d");
	f.image.layers = (struct strv){ colon, 1 };
	MAKE_FAILS(&f, "without a colon");
	f.image.layers = (struct strv){ relative, 1 };
	MAKE_FAILS(&f, "no absolute path");
	f.image.layers = (struct strv){ 0 };
	MAKE_FAILS(&f, "image localhost/app has no layers");
	assert_int_equal(spec_to_oci(&f.spec, &f.image, &f.host, "../escape", NULL, NULL, &f.arena,
				     &f.json, &f.err),
			 -1);
	assert_int_equal(f.err.code, ERR_BUG);
	teardown(&f);
}

static void a_small_buffer_is_an_error(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	f.json.max = 1000;
	PARSE_OPTIONS(&f, "-d");
	MAKE_FAILS(&f, "config.json");
	assert_int_equal(f.err.code, ERR_LIMIT);
	teardown(&f);
}

static void unknown_memory_is_said(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	f.host.memory_bytes = 0;
	PARSE_OPTIONS(&f, "-d");
	MAKE(&f);
	assert_true(has_remark(&f, "memory is not known"));
	assert_string_equal(str_at(&f, "/annotations/org.cleat.root"), "tmpfs:33554432");
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_frame),
		cmocka_unit_test(equal_facts_give_equal_bytes),
		cmocka_unit_test(the_root_is_read_only_or_a_sized_tmpfs),
		cmocka_unit_test(who_runs),
		cmocka_unit_test(a_number_may_get_a_line_in_passwd_and_group),
		cmocka_unit_test(a_line_that_is_too_long_is_left_out),
		cmocka_unit_test(a_hostile_image_user_is_refused),
		cmocka_unit_test(what_runs),
		cmocka_unit_test(what_it_is_called),
		cmocka_unit_test(groups_are_handed_on),
		cmocka_unit_test(the_profile_is_named_by_its_digest),
		cmocka_unit_test(an_own_profile_needs_its_text),
		cmocka_unit_test(facts_are_checked),
		cmocka_unit_test(a_small_buffer_is_an_error),
		cmocka_unit_test(unknown_memory_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
