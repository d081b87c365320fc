/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of advice: each with a unit that it finds and one that it leaves alone,
 * and how rules are switched off. */
#include "unit_test.h"

#include <fcntl.h>
#include <unistd.h>

#include "cli/lint.h"
#include "util/file.h"
#include "util/str.h"

static char folder[] = "/tmp/cleat-lint-XXXXXX";
static struct unit_set set;
static struct diags diags;

static void lint_named(const char *name, const char *text)
{
	struct unit_facts facts;
	auto_arena arena = { 0 };
	struct err err;
	char path[256];

	diags_fini(&diags);
	unit_set_fini(&set);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (file_write_atomic(AT_FDCWD, path, text, strlen(text), 0644, false, &err) < 0)
		fail_msg("%s", err.msg);
	unit_facts_init(&facts, &arena, "/data/home");
	facts.wants_service_text = true;
	if (unit_set_load_text(&set, name, path, text, strlen(text), &facts, &err) < 0)
		fail_msg("%s", err.msg);
	lint_unit(&set.units[0], &diags);
	unlink(path);
}

static const struct diag *find_rule(const char *rule)
{
	for (size_t i = 0; i < diags.count; i++)
		if (str_eq(diags.items[i].rule, rule))
			return &diags.items[i];
	return NULL;
}

/* A unit that no rule has anything to say about. */
#define SAFE_IMAGE                              \
	"[Container]\n"                         \
	"Image=docker.io/library/caddy@sha256:" \
	"0000000000000000000000000000000000000000000000000000000000000000\n"
#define SAFE_BUT_IMAGE                                                 \
	"User=1001\nReadOnly=true\nNetwork=none\nDropCapability=ALL\n" \
	"NoNewPrivileges=true\nMemory=64m\nHealthCmd=/bin/"            \
	"check\nEnvironment=LANG=C\n"                                  \
	"Volume=%h/data:/data:Z\nTmpfs=/tmp\n"
#define SAFE_SERVICE "[Service]\nRestart=always\n"

static void a_hardened_unit_gets_no_advice(void **state)
{
	(void)state;
	lint_named("w.container", SAFE_IMAGE SAFE_BUT_IMAGE SAFE_SERVICE);
	if (diags.count)
		fail_msg("%s: %s", diags.items[0].rule, diags.items[0].text);
}

static void a_bare_unit_gets_all_hardening_advice(void **state)
{
	static const char *const expected[] = {
		"root-user",	  "image-latest",    "writable-root",	"capabilities",
		"new-privileges", "no-memory-limit", "no-health-check", "no-restart",
	};

	(void)state;
	lint_named("w.container", "[Container]\nImage=docker.io/library/caddy\n");
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		if (!find_rule(expected[i]))
			fail_msg("%s is missing", expected[i]);
	assert_int_equal(diags.count, sizeof(expected) / sizeof(expected[0]));
	assert_int_equal(diags.error_count, 0);
	/* What is missing is told at the image's line. */
	assert_int_equal(find_rule("root-user")->line, 2);
	assert_string_equal(find_rule("root-user")->key, "Container.User");
}

/* Lines added to the hardened unit; NULL: the rule says nothing. */
static const struct {
	const char *lines, *rule;
	unsigned line;
} cases[] = {
	{ "User=0\n", "root-user", 13 },
	{ "User=root:root\n", "root-user", 13 },
	{ "User=rootless\n", NULL, 0 },
	{ "PodmanArgs=--user=0\n", "root-user", 13 },
	{ "AutoUpdate=registry\n", "update-of-digest", 13 },
	{ "ReadOnly=false\n", "writable-root", 2 },
	{ "PodmanArgs=--read-only=false\n", "writable-root", 2 },
	{ "PodmanArgs=--privileged\n", "privileged", 13 },
	{ "PodmanArgs=--privileged=true\n", "privileged", 13 },
	{ "PodmanArgs=--privileged=false\n", NULL, 0 },
	{ "Exec=/bin/app --privileged --pid=host\n", NULL, 0 },
	{ "Network=\nNetwork=host\n", "host-network", 14 },
	{ "PodmanArgs=--net host\n", "host-network", 13 },
	{ "PodmanArgs=--pid=host\n", "host-namespace", 13 },
	{ "PodmanArgs=--ipc host\n", "host-namespace", 13 },
	{ "UserNS=host\n", "host-namespace", 13 },
	{ "UserNS=keep-id\n", NULL, 0 },
	{ "AddCapability=CAP_SYS_ADMIN\n", "strong-capability", 13 },
	{ "AddCapability=net_admin chown\n", "strong-capability", 13 },
	{ "AddCapability=NET_BIND_SERVICE\n", NULL, 0 },
	{ "SeccompProfile=unconfined\n", "seccomp-unconfined", 13 },
	{ "SeccompProfile=/config/web.json\n", NULL, 0 },
	{ "Unmask=ALL\n", "unmask-all", 13 },
	{ "Unmask=/proc/acpi\n", NULL, 0 },
	{ "Environment=DB_PASSWORD=abc\n", "secret-in-environment", 13 },
	{ "PodmanArgs=-e API_KEY=abc\n", "secret-in-environment", 13 },
	{ "Environment=DB_PASSWORD=$PW\n", NULL, 0 },
	{ "Environment=DB_PASSWORD\n", NULL, 0 },
	{ "Environment=DB_PASSWORD=\n", NULL, 0 },
	{ "Environment=DB_PASSWORD_FILE=/run/secrets/db\n", NULL, 0 },
	{ "Environment=ALLOW_EMPTY_PASSWORD=true\n", NULL, 0 },
	{ "Environment=TOKEN_URL=https://example.com\n", NULL, 0 },
	{ "[Service]\nEnvironment=TOKEN=abc\n", "secret-in-environment", 14 },
	{ "[Service]\nExecStartPre=/bin/mkdir -p /data/x\n", "host-command", 14 },
	{ "[Service]\nExecStopPost=+/bin/rm -r /data/x\n", "host-command", 14 },
	{ "Memory=\n", "no-memory-limit", 2 },
	{ "Memory=\n[Service]\nMemoryMax=64M\n", NULL, 0 },
	{ "Memory=\n[Service]\nMemoryMax=infinity\n", "no-memory-limit", 2 },
	{ "Memory=\nPodmanArgs=--memory 64m\n", NULL, 0 },
	{ "HealthCmd=none\n", "no-health-check", 2 },
	{ "HealthCmd=\n[Service]\nType=oneshot\n", NULL, 0 },
	{ "[Service]\nRestart=no\n", "no-restart", 2 },
	{ "[Service]\nRestart=no\nType=oneshot\n", NULL, 0 },
	{ "PublishPort=8000:80\n", "open-port", 13 },
	{ "PublishPort=80\n", "open-port", 13 },
	{ "PublishPort=0.0.0.0:80:80\n", "open-port", 13 },
	{ "PublishPort=[::]:80:80\n", "open-port", 13 },
	{ "PublishPort=127.0.0.1:80:80\n", NULL, 0 },
	{ "PublishPort=[::1]:80:80\n", NULL, 0 },
	{ "Volume=/:/host:ro\n", "host-folder", 13 },
	{ "Volume=/etc:/x\n", "host-folder", 13 },
	{ "Volume=/etc/:/x:ro\n", "host-folder", 13 },
	{ "Volume=/etc/hosts:/x\n", "host-folder", 13 },
	{ "Volume=/etc/hosts:/x:ro,Z\n", NULL, 0 },
	{ "Volume=/data/web:/x\n", NULL, 0 },
	{ "Mount=type=bind,source=/sys,target=/x\n", "host-folder", 13 },
	{ "Mount=type=bind,src=/etc/hosts,dst=/x,ro\n", NULL, 0 },
	{ "Volume=/var/run/docker.sock:/x\n", "engine-socket", 13 },
	{ "Volume=%t/podman/podman.sock:/x:ro\n", "engine-socket", 13 },
	{ "Volume=/run/cleat:/x\n", "engine-socket", 13 },
	{ "PodmanArgs=--tls-verify=false\n", "no-tls", 13 },
	{ "PodmanArgs=--tls-verify=true\n", NULL, 0 },
	{ "PodmanArgs=--creds=user:word\n", "credentials", 13 },
};

static void each_rule_finds_what_it_is_for(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[4096];

		snprintf(text, sizeof(text), "%s%s%s", SAFE_IMAGE SAFE_BUT_IMAGE, cases[i].lines,
			 "[Service]\n");
		/* The unit restarts, unless the case says otherwise. */
		if (!strstr(cases[i].lines, "Restart="))
			snprintf(text, sizeof(text), "%s%s%s", SAFE_IMAGE SAFE_BUT_IMAGE,
				 cases[i].lines, SAFE_SERVICE);
		lint_named("w.container", text);
		if (!cases[i].rule && diags.count)
			fail_msg("%s: %s", cases[i].lines, diags.items[0].text);
		if (!cases[i].rule)
			continue;
		if (!find_rule(cases[i].rule))
			fail_msg("%s: no %s", cases[i].lines, cases[i].rule);
		if (diags.count != 1 || diags.items[0].line != cases[i].line)
			fail_msg("%s: %zu at line %u: %s", cases[i].lines, diags.count,
				 diags.items[0].line, diags.items[diags.count - 1].text);
	}
}

static const char *rule_of_image(const char *image)
{
	char text[1024];

	snprintf(text, sizeof(text), "[Container]\nImage=%s\n%s", image,
		 SAFE_BUT_IMAGE SAFE_SERVICE);
	lint_named("w.container", text);
	if (diags.count > 1)
		fail_msg("%s: %s", image, diags.items[1].text);
	return diags.count ? diags.items[0].rule : "";
}

static void images_by_tag(void **state)
{
	(void)state;
	assert_string_equal(rule_of_image("docker.io/library/caddy:2"), "image-tag");
	assert_string_equal(rule_of_image("docker.io/library/caddy"), "image-latest");
	assert_string_equal(rule_of_image("docker.io/library/caddy:latest"), "image-latest");
	assert_string_equal(rule_of_image("example.com:5000/caddy"), "image-latest");
	assert_string_equal(rule_of_image("example.com:5000/caddy:1"), "image-tag");
	assert_string_equal(rule_of_image("localhost/web:1"), "");
	assert_string_equal(rule_of_image("localhost/web"), "");
	assert_string_equal(rule_of_image("docker.io/library/caddy:${TAG}"), "");
}

static void other_kinds_get_what_concerns_them(void **state)
{
	(void)state;
	lint_named("w.pod", "[Pod]\nPublishPort=80:80\nVolume=/etc:/x\n");
	assert_int_equal(diags.count, 2);
	assert_non_null(find_rule("open-port"));
	assert_non_null(find_rule("host-folder"));
	lint_named("w.image",
		   "[Image]\nImage=docker.io/library/caddy\nTLSVerify=false\nCreds=a:b\n");
	assert_int_equal(diags.count, 3);
	assert_non_null(find_rule("image-latest"));
	assert_non_null(find_rule("no-tls"));
	assert_non_null(find_rule("credentials"));
	lint_named("w.volume", "[Volume]\n[Service]\nExecStartPre=/bin/true\n");
	assert_int_equal(diags.count, 1);
	assert_non_null(find_rule("host-command"));
}

static void secrets_are_not_repeated(void **state)
{
	(void)state;
	lint_named("w.container",
		   SAFE_IMAGE SAFE_BUT_IMAGE "Environment=DB_PASSWORD=hunter2\n" SAFE_SERVICE);
	assert_int_equal(diags.count, 1);
	assert_null(strstr(diags.items[0].text, "hunter2"));
	assert_non_null(strstr(diags.items[0].text, "DB_PASSWORD: "));
}

static void a_comment_switches_rules_off(void **state)
{
	(void)state;
	lint_named("w.container", "# cleat:lint-ignore=no-restart,writable-root it is a job\n"
				  "[Container]\nImage=docker.io/library/caddy\n ; "
				  "cleat:lint-ignore=root-user\n");
	assert_null(find_rule("no-restart"));
	assert_null(find_rule("writable-root"));
	assert_null(find_rule("root-user"));
	assert_null(find_rule("lint-ignore"));
	assert_non_null(find_rule("no-memory-limit"));
}

static void an_unknown_rule_is_said(void **state)
{
	(void)state;
	lint_named("w.container",
		   SAFE_IMAGE SAFE_BUT_IMAGE SAFE_SERVICE "#cleat:lint-ignore=no-such-rule\n");
	assert_int_equal(diags.count, 1);
	assert_string_equal(diags.items[0].rule, "lint-ignore");
	assert_non_null(strstr(diags.items[0].text, "'no-such-rule'"));
	assert_int_equal(diags.items[0].line, 15);
}

static void advice_without_the_file_switches_nothing_off(void **state)
{
	(void)state;
	lint_named("w.container",
		   "# cleat:lint-ignore=no-restart\n[Container]\nImage=a.example/b\n");
	assert_null(find_rule("no-restart"));
	diags_fini(&diags);
	lint_unit(&set.units[0], &diags); /* the file is gone by now */
	assert_non_null(find_rule("no-restart"));
}

static void every_rule_is_on_the_page(void **state)
{
	auto_buf page = BUF_INIT(64 * 1024);
	size_t found = 0;

	(void)state;
	lint_write_rules(&page);
	assert_false(page.failed);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char cell[64];

		if (!cases[i].rule)
			continue;
		snprintf(cell, sizeof(cell), "\n| `%s` | ", cases[i].rule);
		assert_non_null(strstr(buf_str(&page), cell));
	}
	for (const char *p = buf_str(&page); (p = strstr(p, "\n| `")) != NULL; p++)
		found++;
	assert_int_equal(found, 23);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	diags_fini(&diags);
	unit_set_fini(&set);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hardened_unit_gets_no_advice),
		cmocka_unit_test(a_bare_unit_gets_all_hardening_advice),
		cmocka_unit_test(each_rule_finds_what_it_is_for),
		cmocka_unit_test(images_by_tag),
		cmocka_unit_test(other_kinds_get_what_concerns_them),
		cmocka_unit_test(secrets_are_not_repeated),
		cmocka_unit_test(a_comment_switches_rules_off),
		cmocka_unit_test(an_unknown_rule_is_said),
		cmocka_unit_test(advice_without_the_file_switches_nothing_off),
		cmocka_unit_test(every_rule_is_on_the_page),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
