/* SPDX-License-Identifier: Apache-2.0 */
/* cleat quadlet: what is printed and written, where units are looked for, exit status as podman's generator has it. */
#include "unit_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture.h"
#include "cli/commands.h"
#include "temp_folder.h"
#include "util/file.h"
#include "util/path.h"
#include "util/str.h"

#define GOOD "[Container]\nImage=localhost/web:1\nNetwork=host\n"

static char root[] = "/tmp/cleat-quadlet-XXXXXX";
static struct captured c;

static const char *at(const char *rel)
{
	static char paths[8][512];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", root, rel);
	return path;
}

static void put(const char *rel, const char *text)
{
	struct err err;
	char folder[512];

	snprintf(folder, sizeof(folder), "%s", at(rel));
	*strrchr(folder, '/') = '\0';
	if (path_mkdirs(folder, 0755, &err) < 0 ||
	    file_write_atomic(AT_FDCWD, at(rel), text, strlen(text), 0644, false, &err) < 0)
		fail_msg("%s", err.msg);
}

static int make_root(void **state)
{
	(void)state;
	unsetenv("PODMAN");
	unsetenv("QUADLET_UNIT_DIRS");
	return mkdir(root, 0755);
}

static int remove_root(void **state)
{
	(void)state;
	unsetenv("QUADLET_UNIT_DIRS");
	return temp_folder_remove(root);
}

#define RUN(...) (capture(&c, cmd_quadlet, WORDS("quadlet", __VA_ARGS__)), c.result)

static void assert_out(const char *text)
{
	if (!strstr(c.out, text))
		fail_msg("printed:\n%s\nexpected: %s", c.out, text);
}

static void assert_err(const char *text)
{
	if (!strstr(c.err, text))
		fail_msg("complained:\n%s\nexpected: %s", c.err, text);
}

static void assert_file(const char *rel, const char *text)
{
	struct buf got = BUF_INIT(64 * 1024);
	struct err err;

	if (file_read_at(AT_FDCWD, at(rel), 64 * 1024, &got, &err) < 0)
		fail_msg("%s", err.msg);
	if (!strstr(buf_str(&got), text))
		fail_msg("%s:\n%s\nexpected: %s", rel, buf_str(&got), text);
	buf_fini(&got);
}

static void assert_link(const char *rel, const char *expected)
{
	char target[256] = "";

	if (readlink(at(rel), target, sizeof(target) - 1) < 0)
		fail_msg("%s: no link", rel);
	assert_string_equal(target, expected);
}

static bool is_there(const char *rel)
{
	struct stat st;

	return lstat(at(rel), &st) == 0;
}

static void a_dry_run_prints_links_first_then_services(void **state)
{
	(void)state;
	put("w.container", GOOD "[Install]\nWantedBy=default.target\n");
	put("v.container", "[Container]\nImage=localhost/v\n");
	assert_int_equal(RUN("--dryrun", root), 0);
	assert_true(str_starts(
		c.out,
		"---symlink default.target.wants/w.service -> ../w.service---\n---v.service---\n"));
	assert_out("\nExecStart=/usr/bin/podman run --name systemd-%N ");
	assert_out("\nWants=network-online.target\n");
	assert_string_equal(c.err, "");
	assert_int_equal(RUN("-dryrun", "--user", root), 0);
	assert_out("\nWants=podman-user-wait-network-online.service\n");
}

static void every_kind_is_converted(void **state)
{
	static const char *const services[] = { "v-volume", "n-network", "p-pod",     "i-image",
						"b-build",  "k",	 "a-artifact" };
	char header[64];

	(void)state;
	put("v.volume", "[Volume]\n");
	put("n.network", "[Network]\n");
	put("p.pod", "[Pod]\n");
	put("i.image", "[Image]\nImage=localhost/i\n");
	put("b.build", "[Build]\nImageTag=localhost/b\nSetWorkingDirectory=unit\n");
	put("k.kube", "[Kube]\nYaml=k.yaml\n");
	put("a.artifact", "[Artifact]\nArtifact=localhost/a\n");
	assert_int_equal(RUN("--dryrun", root), 0);
	assert_string_equal(c.err, "");
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		snprintf(header, sizeof(header), "---%s.service---\n", services[i]);
		assert_out(header);
	}
}

static void a_dry_run_fails_where_podmans_fails(void **state)
{
	(void)state;
	put("good.container", GOOD);
	put("bad.container", GOOD "Nope=1\n");
	assert_int_equal(RUN("--dryrun", root), 1);
	assert_out("---good.service---");
	assert_null(strstr(c.out, "bad.service"));
	assert_err("bad.container:4:6: error: Container.Nope: unknown key");
}

static void a_broken_file_costs_its_folder(void **state)
{
	(void)state;
	put("good.container", GOOD);
	put("sub/syntax.container", "[Container\n");
	put("sub/sibling.container", GOOD);
	assert_int_equal(RUN("--dryrun", root), 1);
	assert_out("---good.service---");
	assert_err("sub/syntax.container:1:1: error: ");
	assert_err("sub/sibling.container:1:1: error: left out, as podman does it");
	assert_null(strstr(c.out, "sibling.service"));
}

static void a_mask_is_a_unit_without_an_image(void **state)
{
	(void)state;
	put("sub/w.container", GOOD);
	put("w.container", "");
	assert_int_equal(RUN("--dryrun", root), 1);
	assert_err("w.container:1:1: error: Container.Image: no Image");
	assert_string_equal(c.out, "");
}

static void what_only_the_engine_refuses_is_no_matter_for_podman(void **state)
{
	(void)state;
	put("w.container", GOOD "DNS=192.0.2.1\nUserNS=auto\n[Service]\nExecStartPre=/bin/true\n");
	assert_int_equal(RUN("--dryrun", root), 0);
	assert_string_equal(c.err, "");
	assert_out(" --dns 192.0.2.1 ");
}

static void unit_directories_come_from_the_environment(void **state)
{
	char dirs[1700];

	(void)state;
	put("a/w.container", GOOD "HostName=a\n");
	put("b/w.container", GOOD "HostName=b\n");
	put("b/v.container", GOOD);
	put("c/u.container", GOOD);
	snprintf(dirs, sizeof(dirs), "%s:%s:%s", at("a"), at("b"), at("missing"));
	setenv("QUADLET_UNIT_DIRS", dirs, 1);
	setenv("PODMAN", "/opt/my podman", 1);
	assert_int_equal(RUN("--dryrun"), 0);
	assert_out(" --hostname a ");
	assert_out("---v.service---");
	assert_out("\nExecStart=\"/opt/my\\x20podman\" run ");
	setenv("PODMAN", "", 1);
	snprintf(dirs, sizeof(dirs), "%s:relative:%s", at("b"), at("c"));
	setenv("QUADLET_UNIT_DIRS", dirs, 1);
	assert_int_equal(RUN("--dryrun"), 0);
	assert_err("'relative' is not a valid file path");
	assert_out("---v.service---");
	assert_out("\nExecStart=/usr/bin/podman run ");
	assert_null(strstr(c.out, "u.service"));
}

static void single_files_are_converted_among_those_beside_them(void **state)
{
	(void)state;
	put("w.container", "[Container]\nImage=localhost/w\nNetwork=n.network\n");
	put("n.network", "[Network]\nNetworkName=net\n");
	put("w.container.d/1.conf", "[Container]\nHostName=dropped\n");
	put("bad.container", "[Container]\nNope=1\n");
	put("sub/v.container", GOOD);
	assert_int_equal(RUN("--dryrun", at("w.container"), at("sub/v.container")), 0);
	assert_out("---w.service---");
	assert_out(" --network net ");
	assert_out(" --hostname dropped ");
	assert_out("---v.service---");
	assert_null(strstr(c.out, "n-network.service---"));
	assert_string_equal(c.err, "");
	assert_int_equal(RUN("--dryrun", at("bad.container")), 1);
	assert_err("bad.container:2:6: error: Container.Nope: unknown key");
	assert_string_equal(c.out, "");
}

static void complaints_of_single_files_are_theirs_only(void **state)
{
	(void)state;
	put("sub/w.container", GOOD);
	put("sub/w.container.d/1.conf", "nonsense\n");
	put("sub/v.container", GOOD);
	put("sub/v.container.d/1.conf", "[Container]\nNope=1\n");
	put("sub/u.container", GOOD);
	assert_int_equal(RUN("--dryrun", at("sub/u.container")), 0);
	assert_string_equal(c.err, "");
	assert_int_equal(RUN("--dryrun", at("sub/w.container")), 1);
	assert_err("w.container.d/1.conf:1:1: error: ");
	assert_null(strstr(c.err, "Nope"));
	assert_out("---w.service---");
	assert_int_equal(RUN("--dryrun", at("sub/v.container")), 1);
	assert_err("v.container.d/1.conf:2:6: error: ");
	assert_string_equal(c.out, "");
}

static void a_quadlets_file_is_converted_too(void **state)
{
	(void)state;
	put("app.quadlets", "# FileName=w\n" GOOD "---\n# FileName=d\n[Volume]\n");
	assert_int_equal(RUN("--dryrun", at("app.quadlets")), 0);
	assert_out("---w.service---");
	assert_out("---d-volume.service---");
	assert_int_equal(RUN("--dryrun", root), 0);
	assert_out("---w.service---");
}

static void services_and_links_are_written_into_a_folder(void **state)
{
	(void)state;
	put("units/w.container", GOOD "[Install]\nWantedBy=default.target\n"
				      "Alias=a/b.service ./c.service\nRequiredBy=r.target\n");
	put("units/t@.container", GOOD "[Install]\nWantedBy=w.service\nDefaultInstance=i\n");
	put("out/default.target.wants/w.service", "in the way\n");
	put("out/old.service", "left alone\n");
	setenv("QUADLET_UNIT_DIRS", at("units"), 1);
	assert_int_equal(RUN(at("out")), 0);
	assert_string_equal(c.err, "");
	assert_string_equal(c.out, "");
	assert_file("out/w.service",
		    "# Automatically generated by cleat quadlet\n#\n[X-Container]\n");
	assert_link("out/default.target.wants/w.service", "../w.service");
	assert_link("out/r.target.requires/w.service", "../w.service");
	assert_link("out/a/b.service", "../w.service");
	assert_link("out/c.service", "w.service");
	assert_link("out/w.service.wants/t@i.service", "../t@.service");
	assert_file("out/old.service", "left alone");
}

/* systemd calls a generator with three folders; the other two are for those that override or are overridden. */
static void only_the_first_of_three_folders_is_written(void **state)
{
	(void)state;
	put("units/w.container", GOOD);
	put("early/x", "");
	put("late/x", "");
	setenv("QUADLET_UNIT_DIRS", at("units"), 1);
	assert_int_equal(RUN("--no-kmsg-log", at("normal"), at("early"), at("late")), 0);
	assert_true(is_there("normal/w.service"));
	assert_false(is_there("early/w.service") || is_there("late/w.service"));
}

static void nothing_leaves_the_folder(void **state)
{
	(void)state;
	put("units/w.container", GOOD "[Install]\nAlias=../../escaped.service /tmp/cleat-escaped\n"
				      "WantedBy=../x.target linked.target\n");
	put("outside/x", "");
	put("a/out/x", "");
	assert_int_equal(symlink("../../outside", at("a/out/linked.target.wants")), 0);
	setenv("QUADLET_UNIT_DIRS", at("units"), 1);
	assert_int_equal(RUN(at("a/out")), 0);
	assert_true(is_there("a/out/w.service"));
	assert_false(is_there("escaped.service"));
	assert_false(is_there("outside/w.service"));
	assert_false(is_there("x.target.wants"));
	assert_int_equal(access("/tmp/cleat-escaped", F_OK), -1);
}

/* A link that stands where a service belongs is replaced, not followed. */
static void a_link_in_the_way_of_a_service_is_replaced(void **state)
{
	(void)state;
	put("units/w.container", GOOD);
	put("precious", "precious\n");
	put("out/x", "");
	assert_int_equal(symlink("../precious", at("out/w.service")), 0);
	setenv("QUADLET_UNIT_DIRS", at("units"), 1);
	assert_int_equal(RUN(at("out")), 0);
	assert_file("precious", "precious\n");
	assert_file("out/w.service", "[X-Container]");
}

static void a_link_that_cannot_be_made_costs_no_service(void **state)
{
	(void)state;
	put("units/w.container", GOOD "[Install]\nAlias=x.service/y.service z.service\n");
	put("out/x.service", "a file where a folder should be\n");
	setenv("QUADLET_UNIT_DIRS", at("units"), 1);
	assert_int_equal(RUN(at("out")), 0);
	assert_err("w.container: ");
	assert_err("x.service");
	assert_link("out/z.service", "w.service");
	assert_true(is_there("out/w.service"));
}

static void what_cannot_be_written_is_an_error(void **state)
{
	(void)state;
	put("units/w.container", GOOD);
	put("file", "");
	setenv("QUADLET_UNIT_DIRS", at("units"), 1);
	assert_int_equal(RUN(at("file")), 1);
	assert_err("file");
	put("out/w.service/x", "");
	assert_int_equal(RUN(at("out")), 1);
	assert_err("w.service");
}

static void no_units_make_no_folder(void **state)
{
	(void)state;
	setenv("QUADLET_UNIT_DIRS", at("missing"), 1);
	assert_int_equal(RUN(at("out")), 0);
	assert_false(is_there("out"));
}

static void it_says_what_it_does_when_asked(void **state)
{
	(void)state;
	put("units/w.container", GOOD);
	put("units/bad.container", "[Container]\n");
	setenv("QUADLET_UNIT_DIRS", at("units"), 1);
	assert_int_equal(RUN("-v", at("out")), 1);
	assert_err("/units: searched\n");
	assert_err("w.container: w.service\n");
	assert_err("bad.container: no service\n");
	assert_int_equal(RUN("--verbose=false", "--dryrun=true"), 1);
	assert_null(strstr(c.err, "searched"));
}

static void it_wants_to_know_what_to_do(void **state)
{
	(void)state;
	capture(&c, cmd_quadlet, WORDS("quadlet"));
	assert_int_equal(c.result, 1); /* podman's status for a missing folder */
	assert_err("usage: cleat quadlet");
	assert_int_equal(RUN("--nonsense"), 2);
	assert_int_equal(RUN("--dryrun=maybe"), 2);
	assert_int_equal(RUN("--dryrun", at("nowhere")), 2);
	assert_err("No such file or directory");
	put("notes.txt", "");
	assert_int_equal(RUN("--dryrun", at("notes.txt")), 2);
	assert_err("not a unit file");
	assert_int_equal(RUN("--help"), 0);
	assert_out("usage: cleat quadlet");
	assert_int_equal(RUN("-version"), 0);
	assert_string_equal(c.out, CLEAT_VERSION "\n");
}

#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_ROOT(a_dry_run_prints_links_first_then_services),
		IN_ROOT(every_kind_is_converted),
		IN_ROOT(a_dry_run_fails_where_podmans_fails),
		IN_ROOT(a_broken_file_costs_its_folder),
		IN_ROOT(a_mask_is_a_unit_without_an_image),
		IN_ROOT(what_only_the_engine_refuses_is_no_matter_for_podman),
		IN_ROOT(unit_directories_come_from_the_environment),
		IN_ROOT(single_files_are_converted_among_those_beside_them),
		IN_ROOT(complaints_of_single_files_are_theirs_only),
		IN_ROOT(a_quadlets_file_is_converted_too),
		IN_ROOT(services_and_links_are_written_into_a_folder),
		IN_ROOT(only_the_first_of_three_folders_is_written),
		IN_ROOT(nothing_leaves_the_folder),
		IN_ROOT(a_link_in_the_way_of_a_service_is_replaced),
		IN_ROOT(a_link_that_cannot_be_made_costs_no_service),
		IN_ROOT(what_cannot_be_written_is_an_error),
		IN_ROOT(no_units_make_no_folder),
		IN_ROOT(it_says_what_it_does_when_asked),
		IN_ROOT(it_wants_to_know_what_to_do),
	};

	if (!mkdtemp(root) || rmdir(root) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
