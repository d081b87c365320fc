/* SPDX-License-Identifier: Apache-2.0 */
/* The "mounts" array: what is there, with which options, in which order. */
#include "spec_test.h"

#include "spec/volume.h"
#include "util/host.h"

#define ASSERT_OPTIONS(f, target, ...) \
	assert_options((f), (target), (const char *const[]){ __VA_ARGS__, NULL })

/* Exactly these options, in any order. */
static void assert_options(const struct fixture *f, const char *target, const char *const *options)
{
	yyjson_val *mount = mount_at(f, target);
	size_t count = 0;

	assert_non_null(mount);
	for (; options[count]; count++)
		if (!mount_has(mount, options[count]))
			fail_msg("%s has no option %s", target, options[count]);
	assert_int_equal(yyjson_arr_size(yyjson_obj_get(mount, "options")), count);
}

static const char *field(const struct fixture *f, const char *target, const char *name)
{
	yyjson_val *mount = mount_at(f, target);

	assert_non_null(mount);
	return yyjson_get_str(yyjson_obj_get(mount, name));
}

static void the_kernels_trees(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE(&f, "--network=none", "localhost/app");
	MAKE(&f);
	assert_string_equal(field(&f, "/proc", "type"), "proc");
	ASSERT_OPTIONS(&f, "/proc", "nosuid", "noexec", "nodev");
	ASSERT_OPTIONS(&f, "/dev", "nosuid", "noexec", "strictatime", "mode=755", "size=524288");
	ASSERT_OPTIONS(&f, "/dev/pts", "nosuid", "noexec", "newinstance", "ptmxmode=0666",
		       "mode=0620", "gid=5");
	ASSERT_OPTIONS(&f, "/dev/mqueue", "nosuid", "noexec", "nodev");
	ASSERT_OPTIONS(&f, "/dev/shm", "nosuid", "noexec", "nodev", "mode=1777", "size=67108864");
	assert_string_equal(field(&f, "/sys", "type"), "sysfs");
	ASSERT_OPTIONS(&f, "/sys", "nosuid", "noexec", "nodev", "ro");
	assert_string_equal(field(&f, "/sys/fs/cgroup", "type"), "cgroup");
	ASSERT_OPTIONS(&f, "/sys/fs/cgroup", "rprivate", "nosuid", "noexec", "nodev", "relatime",
		       "ro");
	assert_int_equal(mount_index(&f, "/proc"), 0);
	assert_true(mount_index(&f, "/dev") < mount_index(&f, "/dev/pts"));
	assert_true(mount_index(&f, "/sys") < mount_index(&f, "/sys/fs/cgroup"));
	teardown(&f);
}

static void an_allowed_loss_is_a_word_of_its_mount_and_of_no_other(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	f.host.allowed_losses = HOST_LOSS_PROC;
	PARSE(&f, "--network=none", "localhost/app");
	MAKE(&f);
	ASSERT_OPTIONS(&f, "/proc", "nosuid", "noexec", "nodev", "x-cleat-share");
	ASSERT_OPTIONS(&f, "/sys", "nosuid", "noexec", "nodev", "ro");
	teardown(&f);
	setup(&f);
	f.host.allowed_losses = HOST_LOSS_SYS;
	PARSE(&f, "--network=none", "localhost/app");
	MAKE(&f);
	ASSERT_OPTIONS(&f, "/proc", "nosuid", "noexec", "nodev");
	ASSERT_OPTIONS(&f, "/sys", "nosuid", "noexec", "nodev", "ro", "x-cleat-share");
	teardown(&f);
}

static void with_the_hosts_network_sysfs_is_bound(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-d");
	MAKE(&f);
	assert_string_equal(field(&f, "/sys", "type"), "bind");
	assert_string_equal(field(&f, "/sys", "source"), "/sys");
	ASSERT_OPTIONS(&f, "/sys", "bind", "rprivate", "nosuid", "noexec", "nodev", "ro");
	teardown(&f);
}

static void every_tmpfs_has_a_size(void **state)
{
	struct fixture f;
	size_t index, count, k, options, seen = 0;
	yyjson_val *mount, *option;
	static const char *volumes[] = { "/var/lib/x" };

	(void)state;
	setup(&f);
	f.image.volumes = (struct strv){ volumes, 1 };
	PARSE_OPTIONS(&f, "--read-only", "--tmpfs=/a", "--mount=type=tmpfs,dst=/b",
		      "--tmpfs=/c:size=1m");
	MAKE(&f);
	yyjson_arr_foreach(at(&f, "/mounts"), index, count, mount)
	{
		bool sized = false;

		if (!yyjson_equals_str(yyjson_obj_get(mount, "type"), "tmpfs"))
			continue;
		seen++;
		yyjson_arr_foreach(yyjson_obj_get(mount, "options"), k, options, option)
		{
			sized |= str_starts(yyjson_get_str(option), "size=");
		}
		if (!sized)
			fail_msg("%s has no size",
				 yyjson_get_str(yyjson_obj_get(mount, "destination")));
	}
	assert_int_equal(seen, 2 + 3 + 3 + 1);
	teardown(&f);
}

static void shared_memory_size(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--shm-size=1m");
	MAKE(&f);
	assert_true(mount_has(mount_at(&f, "/dev/shm"), "size=1048576"));
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--memory=64m");
	MAKE(&f);
	assert_true(mount_has(mount_at(&f, "/dev/shm"), "size=8388608"));
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--tmpfs=/dev/shm:size=2m");
	MAKE(&f);
	ASSERT_OPTIONS(&f, "/dev/shm", "rw", "rprivate", "tmpcopyup", "mode=1777", "size=2097152",
		       "nosuid", "nodev");
	teardown(&f);
}

static void read_only_roots_have_scratch_space(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--read-only");
	MAKE(&f);
	ASSERT_OPTIONS(&f, "/run", "rw", "rprivate", "nosuid", "nodev", "tmpcopyup", "mode=1777",
		       "size=67108864");
	ASSERT_OPTIONS(&f, "/tmp", "rw", "rprivate", "nosuid", "nodev", "noexec", "tmpcopyup",
		       "mode=1777", "size=268435456");
	ASSERT_OPTIONS(&f, "/var/tmp", "rw", "rprivate", "nosuid", "nodev", "noexec", "tmpcopyup",
		       "mode=1777", "size=67108864");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--read-only", "--tmpfs=/tmp:rw,size=64m", "-v/data/run:/run");
	MAKE(&f);
	ASSERT_OPTIONS(&f, "/tmp", "rw", "rprivate", "tmpcopyup", "mode=1777", "size=67108864",
		       "nosuid", "nodev");
	assert_string_equal(field(&f, "/run", "type"), "bind");
	teardown(&f);
}

static void without_scratch_space_even_shared_memory_is_read_only(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--read-only", "--read-only-tmpfs=false");
	MAKE(&f);
	assert_null(mount_at(&f, "/tmp"));
	assert_null(mount_at(&f, "/run"));
	assert_true(mount_has(mount_at(&f, "/dev/shm"), "ro"));
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--read-only-tmpfs=false");
	MAKE(&f);
	assert_null(mount_at(&f, "/tmp"));
	assert_false(mount_has(mount_at(&f, "/dev/shm"), "ro"));
	teardown(&f);
}

static void binds(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-v/data/logs:/app/logs:Z",
		      "-v/etc/x:/x:ro,bind,noexec,nosuid,nodev,slave");
	MAKE(&f);
	assert_string_equal(field(&f, "/app/logs", "source"), "/data/logs");
	ASSERT_OPTIONS(&f, "/app/logs", "rbind", "rprivate", "rw", "x-cleat-make");
	ASSERT_OPTIONS(&f, "/x", "bind", "slave", "ro", "nosuid", "nodev", "noexec");
	teardown(&f);
}

static void deeper_mounts_come_later(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-v/data/c:/a/b/c", "-v/data/a:/a", "--tmpfs=/a/b", "--device=/dev/fuse",
		      "-v/data/z:/z");
	MAKE(&f);
	assert_true(mount_index(&f, "/a") < mount_index(&f, "/a/b"));
	assert_true(mount_index(&f, "/a/b") < mount_index(&f, "/a/b/c"));
	assert_true(mount_index(&f, "/a") < mount_index(&f, "/z"));
	assert_true(mount_index(&f, "/dev") < mount_index(&f, "/dev/fuse"));
	assert_true(mount_index(&f, "/sys/fs/cgroup") < mount_index(&f, "/a"));
	teardown(&f);
}

static void devices_are_binds(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--device=/dev/fuse:/dev/own");
	MAKE(&f);
	assert_string_equal(field(&f, "/dev/own", "source"), "/dev/fuse");
	ASSERT_OPTIONS(&f, "/dev/own", "bind", "rprivate", "nosuid", "noexec", "rw");
	teardown(&f);
}

static void files_of_names_are_read_only_binds(void **state)
{
	static const char *const own[] = { "/etc/hosts", "/etc/hostname", "/etc/resolv.conf" };
	struct fixture f;

	(void)state;
	setup(&f);
	f.host.hostname_file = "/run/cleat/c/" RUN_ID "/hostname";
	f.host.containerenv_file = "/run/cleat/containerenv";
	PARSE_OPTIONS(&f, "-d");
	MAKE(&f);
	assert_string_equal(field(&f, "/etc/hosts", "source"), "/etc/hosts");
	assert_string_equal(field(&f, "/etc/resolv.conf", "source"), "/etc/resolv.conf");
	assert_string_equal(field(&f, "/etc/hostname", "source"),
			    "/run/cleat/c/" RUN_ID "/hostname");
	assert_string_equal(field(&f, "/run/.containerenv", "source"), "/run/cleat/containerenv");
	/* the container's own where it may write at all */
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		ASSERT_OPTIONS(&f, own[i], "bind", "rprivate", "nosuid", "noexec", "nodev", "ro",
			       "x-cleat-own");
	ASSERT_OPTIONS(&f, "/run/.containerenv", "bind", "rprivate", "nosuid", "noexec", "nodev",
		       "ro");
	teardown(&f);
	setup(&f);
	f.host.hostname_file = "/run/cleat/c/" RUN_ID "/hostname";
	PARSE_OPTIONS(&f, "--read-only");
	MAKE(&f);
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		ASSERT_OPTIONS(&f, own[i], "bind", "rprivate", "nosuid", "noexec", "nodev", "ro");
	teardown(&f);
}

static void the_local_zone_is_the_appliances_file(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	f.host.localtime_file = "/etc/localtime";
	PARSE_OPTIONS(&f, "--tz=local");
	MAKE(&f);
	assert_string_equal(field(&f, "/etc/localtime", "source"), "/etc/localtime");
	ASSERT_OPTIONS(&f, "/etc/localtime", "bind", "rprivate", "nosuid", "noexec", "nodev", "ro");
	teardown(&f);
	setup(&f);
	f.host.localtime_file = "/etc/localtime";
	PARSE_OPTIONS(&f, "--tz=Europe/Berlin"); /* another one */
	MAKE(&f);
	assert_null(mount_at(&f, "/etc/localtime"));
	teardown(&f);
	setup(&f);
	f.host.zone_file = "/run/zone";
	PARSE_OPTIONS(&f, "--tz=Europe/Berlin");
	MAKE(&f);
	assert_string_equal(field(&f, "/etc/localtime", "source"), "/run/zone");
	assert_string_equal(field(&f, "/usr/share/zoneinfo/Europe/Berlin", "source"), "/run/zone");
	ASSERT_OPTIONS(&f, "/usr/share/zoneinfo/Europe/Berlin", "bind", "rprivate", "nosuid",
		       "noexec", "nodev", "ro", "x-cleat-missing");
	teardown(&f);
	setup(&f);
	f.host.zone_file = "/run/zone";
	PARSE_OPTIONS(&f, "--tz=Europe/Berlin", "-v", "/zones:/usr/share/zoneinfo:ro");
	MAKE(&f);
	assert_null(mount_at(&f, "/usr/share/zoneinfo/Europe/Berlin"));
	teardown(&f);
	setup(&f);
	f.host.localtime_file = ""; /* the appliance has UTC */
	PARSE_OPTIONS(&f, "--tz=local");
	MAKE(&f);
	assert_null(mount_at(&f, "/etc/localtime"));
	teardown(&f);
}

static void files_of_names_can_be_left_out(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	f.host.hostname_file = "/x";
	PARSE(&f, "--network=none", "--no-hosts", "--no-hostname", "localhost/app");
	MAKE(&f);
	assert_null(mount_at(&f, "/etc/hosts"));
	assert_null(mount_at(&f, "/etc/hostname"));
	assert_null(mount_at(&f, "/etc/resolv.conf"));
	assert_null(mount_at(&f, "/run/.containerenv"));
	teardown(&f);
	setup(&f);
	f.host.hosts = "";
	f.host.resolv_conf = "";
	PARSE_OPTIONS(&f, "-d");
	MAKE(&f);
	assert_null(mount_at(&f, "/etc/hosts"));
	assert_null(mount_at(&f, "/etc/resolv.conf"));
	teardown(&f);
}

static void a_unit_that_mounts_etc_brings_its_own_names(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-v/data/etc:/etc");
	MAKE(&f);
	assert_null(mount_at(&f, "/etc/hosts"));
	assert_null(mount_at(&f, "/etc/resolv.conf"));
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "-v/data/hosts:/etc/hosts", "-v/data/e:/etc2");
	MAKE(&f);
	assert_string_equal(field(&f, "/etc/hosts", "source"), "/data/hosts");
	assert_non_null(mount_at(&f, "/etc/resolv.conf"));
	teardown(&f);
}

static void volumes_of_the_image(void **state)
{
	static const char *volumes[] = { "/var/lib/db/", "/logs", "/logs", "relative",
					 "/proc/x",	 "/a\nb", "/" };
	struct fixture f;

	(void)state;
	setup(&f);
	f.image.volumes = (struct strv){ volumes, 7 };
	PARSE_OPTIONS(&f, "--read-only", "-v/data/logs:/logs");
	MAKE(&f);
	ASSERT_OPTIONS(&f, "/var/lib/db", "rw", "rprivate", "nodev", "tmpcopyup", "x-cleat-owner",
		       "size=268435456");
	assert_string_equal(field(&f, "/logs", "type"), "bind");
	assert_true(has_remark(&f, "volume /var/lib/db is scratch space, lost at every stop"));
	assert_true(has_remark(&f, "volume \"relative\" is no place for a volume"));
	assert_int_equal(f.remarks.count, 5);
	teardown(&f);

	setup(&f);
	f.image.volumes = (struct strv){ volumes, 1 };
	PARSE_OPTIONS(&f, "-d");
	MAKE(&f);
	assert_null(mount_at(&f, "/var/lib/db"));
	assert_true(has_remark(&f, "scratch space"));
	teardown(&f);

	setup(&f);
	f.image.volumes = (struct strv){ volumes, 2 };
	PARSE_OPTIONS(&f, "--read-only", "--image-volume=ignore");
	MAKE(&f);
	assert_null(mount_at(&f, "/var/lib/db"));
	assert_int_equal(f.remarks.count, 0);
	teardown(&f);

	setup(&f);
	f.image.volumes = (struct strv){ volumes, 1 };
	PARSE_OPTIONS(&f, "--read-only", "-v/data/lib:/var/lib");
	MAKE(&f);
	assert_null(mount_at(&f, "/var/lib/db"));
	teardown(&f);
}

static void an_unmasked_cgroup_is_writable(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--security-opt=unmask=/sys/fs/cgroup");
	MAKE(&f);
	assert_true(mount_has(mount_at(&f, "/sys/fs/cgroup"), "rw"));
	teardown(&f);
}

static void volumes_are_folders_unless_something_else_is_known(void **state)
{
	struct volume_spec known[3];
	struct fixture f;

	(void)state;
	setup(&f);
	volume_spec_init(&known[0], "memory");
	known[0].kind = VOLUME_TMPFS;
	known[0].size_bytes = MIB;
	known[0].mode = 0750;
	known[0].uid = 7;
	known[0].no_exec = true;
	volume_spec_init(&known[1], "elsewhere");
	known[1].kind = VOLUME_BIND;
	known[1].device = "/data/home/x";
	known[1].read_only = true;
	volume_spec_init(&known[2], "bare");
	known[2].no_copy = true;
	f.host.volumes = known;
	f.host.volume_count = 3;
	PARSE_OPTIONS(&f, "-vdata:/a", "-vdata:/b:nocopy,ro,U", "-vmemory:/c:nosuid",
		      "-velsewhere:/d", "-vbare:/e:idmap",
		      "--mount=type=volume,src=data,dst=/f,subpath=g/h",
		      "--mount=type=volume,src=elsewhere,dst=/i,subpath=k");
	MAKE(&f);
	assert_string_equal(field(&f, "/a", "type"), "bind");
	assert_string_equal(field(&f, "/a", "source"), "/data/volumes/data");
	ASSERT_OPTIONS(&f, "/a", "rbind", "rprivate", "rw", "x-cleat-volume", "x-cleat-copy");
	ASSERT_OPTIONS(&f, "/b", "rbind", "rprivate", "ro", "x-cleat-volume", "x-cleat-chown");
	assert_string_equal(field(&f, "/c", "type"), "tmpfs");
	ASSERT_OPTIONS(&f, "/c", "rw", "rprivate", "tmpcopyup", "mode=750", "size=1048576", "uid=7",
		       "noexec", "nosuid");
	assert_string_equal(field(&f, "/d", "source"), "/data/home/x");
	ASSERT_OPTIONS(&f, "/d", "rbind", "rprivate", "ro", "x-cleat-make");
	ASSERT_OPTIONS(&f, "/e", "rbind", "rprivate", "rw", "x-cleat-volume", "idmap");
	assert_string_equal(field(&f, "/f", "source"), "/data/volumes/data/g/h");
	ASSERT_OPTIONS(&f, "/f", "rbind", "rprivate", "rw");
	assert_string_equal(field(&f, "/i", "source"), "/data/home/x/k");
	ASSERT_OPTIONS(&f, "/i", "rbind", "rprivate", "ro");
	teardown(&f);
}

static void volumes_without_a_name_are_memory(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-v/cache", "--mount=type=volume,dst=/bare,nocopy,ro");
	MAKE(&f);
	assert_string_equal(field(&f, "/cache", "type"), "tmpfs");
	ASSERT_OPTIONS(&f, "/cache", "rprivate", "tmpcopyup", "x-cleat-owner", "rw",
		       "size=268435456");
	ASSERT_OPTIONS(&f, "/bare", "rprivate", "x-cleat-owner", "ro", "size=268435456");
	teardown(&f);
}

static void the_folder_of_the_notify_socket(void **state)
{
	static const char folder[] = "/run/cleat/c/" RUN_ID "/notify/in";
	struct fixture f;

	(void)state;
	setup(&f);
	f.host.notify_dir = folder;
	PARSE_OPTIONS(&f, "--tmpfs=/run");
	MAKE(&f);
	assert_string_equal(field(&f, "/run/notify", "source"), folder);
	ASSERT_OPTIONS(&f, "/run/notify", "bind", "rprivate", "nosuid", "noexec", "nodev", "ro");
	assert_true(mount_index(&f, "/run") < mount_index(&f, "/run/notify"));
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--sdnotify=container");
	MAKE(&f);
	assert_null(mount_at(&f, "/run/notify"));
	teardown(&f);
}

static void nothing_may_hide_the_notify_socket(void **state)
{
	static const char *const words[] = { "--tmpfs=/run/notify",
					     "--tmpfs=/run/notify/notify.sock" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fixture f;

		setup(&f);
		f.host.notify_dir = "/run/cleat/c/" RUN_ID "/notify/in";
		PARSE_OPTIONS(&f, words[i]);
		MAKE_FAILS(&f, "web.container:11: /run/notify");
		assert_int_equal(f.err.code, ERR_INPUT);
		teardown(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernels_trees),
		cmocka_unit_test(an_allowed_loss_is_a_word_of_its_mount_and_of_no_other),
		cmocka_unit_test(with_the_hosts_network_sysfs_is_bound),
		cmocka_unit_test(every_tmpfs_has_a_size),
		cmocka_unit_test(shared_memory_size),
		cmocka_unit_test(read_only_roots_have_scratch_space),
		cmocka_unit_test(without_scratch_space_even_shared_memory_is_read_only),
		cmocka_unit_test(binds),
		cmocka_unit_test(deeper_mounts_come_later),
		cmocka_unit_test(devices_are_binds),
		cmocka_unit_test(files_of_names_are_read_only_binds),
		cmocka_unit_test(the_local_zone_is_the_appliances_file),
		cmocka_unit_test(files_of_names_can_be_left_out),
		cmocka_unit_test(a_unit_that_mounts_etc_brings_its_own_names),
		cmocka_unit_test(volumes_of_the_image),
		cmocka_unit_test(volumes_are_folders_unless_something_else_is_known),
		cmocka_unit_test(volumes_without_a_name_are_memory),
		cmocka_unit_test(an_unmasked_cgroup_is_writable),
		cmocka_unit_test(the_folder_of_the_notify_socket),
		cmocka_unit_test(nothing_may_hide_the_notify_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
