/* SPDX-License-Identifier: Apache-2.0 */
/* Which line of a unit is named for an error of the runtime, and when none is. */
#include "unit_test.h"

#include "supervise/start_line.h"
#include "util/str.h"

static const struct origin lines[] = {
	{ "web.container", 2, 7, "Container.Volume" },
	{ "web.container", 3, 7, "Container.User" },
	{ "web.container", 4, 7, "Container.PodmanArgs" },
	{ "web.container", 5, 7, "Container.WorkingDir" },
	{ "web.container", 6, 7, "Container.Exec" },
	{ "web.container", 7, 7, "Container.Entrypoint" },
	{ "web.container", 8, 7, "Container.Sysctl" },
	{ "", 0, 0, "" },
};

static struct arg all_words[] = {
	{ "--user", &lines[1] },      { "app", &lines[1] },
	{ "--user=bob", &lines[2] },  { "--username", &lines[0] },
	{ "--workdir", &lines[3] },   { "/x", &lines[3] },
	{ "-wy", &lines[0] },	      { "--entrypoint=a", &lines[5] },
	{ "localhost/b", &lines[0] }, { "b", &lines[4] },
	{ "c", &lines[4] },	      { "--user", &lines[4] },
	{ "-w", &lines[4] },
};
static const struct arg_list words = { all_words, sizeof(all_words) / sizeof(all_words[0]) };

static void the_line_of_what_failed_is_named(void **state)
{
	static struct spec_mount mounts[] = {
		{ .target = "/data", .origin = &lines[0] },
		{ .target = "/data/logs", .origin = &lines[1] },
		{ .target = "/shm", .origin = &lines[7] },
	};
	static struct spec_pair sysctls[] = {
		{ .name = "net.core.somaxconn", .origin = &lines[6] },
	};
	static const char *entrypoint[] = { "a" }, *command[] = { "b", "c" };
	static const struct {
		const char *error;
		bool has_entrypoint;
		unsigned line; /* 0: none */
	} rows[] = {
		{ "mounts: /data: source /srv: open: No such file or directory", true, 2 },
		{ "mounts: /data/logs: not a directory", true, 3 },
		{ "mounts: /dat: not a directory", true, 0 },
		{ "mounts: /shm: full", true, 0 },
		{ "mounts: /proc: refused", true, 0 },
		{ "user: user \"bob\" is not in the image's /etc/passwd", true, 4 },
		{ "workdir: y: No such file or directory", true, 2 },
		{ "sysctl: net.core.somaxconn: Invalid argument", true, 8 },
		{ "sysctl: net.core.other: Invalid argument", true, 0 },
		{ "exec: a: No such file or directory", true, 7 },
		{ "exec: not in PATH (/bin): a: No such file or directory", true, 7 },
		{ "exec: b: No such file or directory", true, 0 },
		{ "exec: b: No such file or directory", false, 6 },
		{ "exec: /bin/of-the-image: No such file or directory", false, 0 },
		{ "the shim was killed", true, 0 },
		{ "", true, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct container_spec spec = {
			.mounts = mounts,
			.mount_count = sizeof(mounts) / sizeof(mounts[0]),
			.sysctls = sysctls,
			.sysctl_count = 1,
			.entrypoint = { entrypoint, rows[i].has_entrypoint },
			.command = { command, 2 },
		};
		const struct origin *found = start_line_of(&words, &spec, rows[i].error);

		if ((found ? found->line : 0) != rows[i].line)
			fail_msg("%s: line %u", rows[i].error, found ? found->line : 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_line_of_what_failed_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
