/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes, mounts, tmpfs, devices. */
#include "spec_test.h"

#include "spec/volume.h"

static const struct spec_mount *only_mount(const struct fixture *f)
{
	assert_int_equal(f->spec.mount_count, 1);
	return &f->spec.mounts[0];
}

static void a_bind_has_podmans_defaults(void **state)
{
	const struct spec_mount *m;
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-v", "/data//home/./x/:/app/../logs/");
	assert_good(&f);
	m = only_mount(&f);
	assert_int_equal(m->kind, SPEC_MOUNT_BIND);
	assert_string_equal(m->source, "/data/home/x");
	assert_string_equal(m->target, "/logs");
	assert_string_equal(m->propagation, "rprivate");
	assert_true(m->recursive && m->make_source);
	assert_false(m->read_only || m->no_exec || m->no_suid || m->no_dev || m->no_copy);
	assert_int_equal(m->origin->line, 11);
	teardown(&f);
}

static void only_sources_below_data_are_made(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-v/etc/x:/a", "-v/database:/b", "-v/data:/c", "-v/data/../etc:/d");
	assert_good(&f);
	for (size_t i = 0; i < f.spec.mount_count; i++)
		assert_false(f.spec.mounts[i].make_source);
	teardown(&f);
}

static void bind_options(void **state)
{
	const struct spec_mount *m;
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-v", "/data/x:/x:ro,Z,noexec,nosuid,nodev,bind,rslave,nocopy");
	assert_good(&f);
	m = only_mount(&f);
	assert_true(m->read_only && m->no_exec && m->no_suid && m->no_dev && m->no_copy);
	assert_false(m->recursive);
	assert_string_equal(m->propagation, "rslave");
	assert_note(&f, "mount option Z: there is no SELinux here");
	assert_note(&f, "mount option nocopy");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "-v", "/data/x:/x:bind,,exec,suid,dev,rw,");
	assert_good(&f);
	assert_string_equal(only_mount(&f)->propagation, "private");
	teardown(&f);
}

static void bind_refusals(void **state)
{
	(void)state;
	expect_refused("-vname", "is no SOURCE:/TARGET[:OPTIONS]");
	expect_refused("-vname:x", "volume target \"x\" is no absolute path");
	expect_refused("-v-name:/x", "volume source \"-name\" is no absolute path");
	expect_refused("-v./x:/x", "volume source \"./x\" is no absolute path");
	expect_refused("-vdir/x:/x", "volume source \"dir/x\" is no absolute path");
	expect_refused("-v~/x:/x", "is no absolute path");
	expect_refused("-v:/x", "is no absolute path");
	expect_refused("-v/x:y", "volume target \"y\" is no absolute path");
	expect_refused("-v/x:/y:ro:rw", "no SOURCE:/TARGET[:OPTIONS]");
	expect_refused("-v~/x:/y", "no absolute path: no shell reads ~, write %h for the home");
	expect_refused("-v\"/x y:/z\"", "no absolute path: quotes are a part of the value");
	expect_refused("-v/x:/y:strange", "\"strange\" is no option of a bind mount");
	expect_refused("-v/x:/y:RO", "\"RO\" is no option of a bind mount: did you mean ro?");
	expect_refused("-v/x:/y,/a:/b",
		       "\"/b\" is no option of a bind mount: each mount has a line");
	expect_refused("--tmpfs=/x:Size=1m", "is no option of a tmpfs mount: did you mean size?");
	expect_refused("--mount=type=Bind,src=/a,dst=/b", "tmpfs are known: did you mean bind?");
	expect_refused("-v/x:/y:size=1m", "no option of a bind mount");
	expect_refused("-v/x:/y:ro,rw", "contradicts or repeats");
	expect_refused("-v/x:/y:private,slave", "contradicts or repeats");
	expect_refused("-v/x:/y:z,Z", "contradicts or repeats");
	expect_refused("-v/x:/y:ro=1", "takes no value");
	expect_refused("-v/x:/y:U,U", "contradicts or repeats");
	expect_refused("-v/x:/y:idmap=uids=0-1-10", "ranges of ids");
	expect_refused("-v/x:/y:idmap,idmap", "contradicts or repeats");
	expect_refused("-v/x:/y:O", "overlay volumes");
	expect_refused("-v/x:/y:copy", "use a named volume");
	expect_refused("-vname:/y:O", "overlay volumes");
	expect_refused("-vname:/y:size=1m", "no option of a volume mount");
	expect_refused("-vname:/y:rbind", "no option of a volume mount");
	expect_refused("-vname:/y:copy,nocopy", "contradicts or repeats");
	expect_refused("-v/x:/y:unbindable", "unbindable");
	expect_refused("-v/x:/y:rshared", "do not propagate out of a container");
	expect_refused("--mount=type=bind,src=/x,dst=/y,bind-propagation=shared",
		       "do not propagate");
	expect_refused("-v/x\n:/y", "control byte");
}

static void the_kernels_trees_cannot_be_covered(void **state)
{
	(void)state;
	expect_refused("-v/x:/", "nothing can be mounted over /");
	expect_refused("-v/x:/a/..", "nothing can be mounted over /");
	expect_refused("-v/x:/proc", "nothing can be mounted over /proc");
	expect_refused("-v/x:/proc/self/attr", "below /proc");
	expect_refused("--tmpfs=/dev", "nothing can be mounted over /dev");
	expect_refused("--mount=type=bind,src=/x,dst=/sys/", "nothing can be mounted over /sys");
	expect_refused("--device=/dev/null:/proc/sys", "below /proc");
}

static void a_target_is_used_once(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-v/data/a:/x", "--tmpfs=/x/");
	assert_error(&f, "mount target /x is already used at web.container:11");
	assert_int_equal(f.diags.items[0].line, 12);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--device=/dev/null:/x", "-v/data/a:/x");
	assert_error(&f, "already used by a device");
	teardown(&f);
}

static void tmpfs_options(void **state)
{
	const struct spec_mount *m;
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--tmpfs=/tmp");
	assert_good(&f);
	m = only_mount(&f);
	assert_int_equal(m->kind, SPEC_MOUNT_TMPFS);
	assert_int_equal(m->size_bytes, 0);
	assert_int_equal(m->mode, 01777);
	assert_true(m->no_suid && m->no_dev && m->copy_up);
	assert_false(m->no_exec || m->read_only);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--tmpfs=/tmp:rw,size=64m,mode=0700,noexec,suid,dev,notmpcopyup,noatime");
	assert_good(&f);
	m = only_mount(&f);
	assert_int_equal(m->size_bytes, 64 * MIB);
	assert_int_equal(m->mode, 0700);
	assert_true(m->no_exec);
	assert_false(m->no_suid || m->no_dev || m->copy_up);
	teardown(&f);
	expect_refused("--tmpfs=tmp", "no absolute path");
	expect_refused("--tmpfs=/tmp:size=1m,size=2m", "contradicts or repeats");
	setup(&f);
	PARSE_OPTIONS(&f, "--tmpfs=/tmp:size=10%", "--mount=type=tmpfs,dst=/x,tmpfs-size=100%");
	assert_good(&f);
	assert_int_equal(f.spec.mounts[0].size_percent, 10);
	assert_int_equal(f.spec.mounts[0].size_bytes, 0);
	assert_int_equal(f.spec.mounts[1].size_percent, 100);
	teardown(&f);
	expect_refused("--tmpfs=/tmp:size=0%", "1% to 100% of the memory");
	expect_refused("--tmpfs=/tmp:size=101%", "1% to 100%");
	expect_refused("--tmpfs=/tmp:size=1.5%", "1% to 100%");
	expect_refused("--tmpfs=/tmp:size=%", "1% to 100%");
	expect_refused("--tmpfs=/tmp:size=00000000010%", "1% to 100%");
	expect_refused("--tmpfs=/tmp:size=10%%", "1% to 100%");
	expect_refused("--tmpfs=/tmp:size=5%,size=1m", "contradicts or repeats");
	expect_refused("--tmpfs=/tmp:size=0", "4096 or more bytes");
	expect_refused("--tmpfs=/tmp:mode=999", "no octal mode");
	expect_refused("--tmpfs=/tmp:Z", "no option of a tmpfs mount");
	expect_refused("--tmpfs=/tmp:rbind", "no option of a tmpfs mount");
	expect_refused("--tmpfs=/tmp:uid=65000", "an id of the container");
	expect_refused("--tmpfs=/tmp:gid=staff", "an id of the container");
	expect_refused("--tmpfs=/tmp:uid=5,uid=5", "contradicts or repeats");
	expect_refused("--tmpfs=/tmp:idmap", "no option of a tmpfs mount");
	expect_refused("--tmpfs=/tmp:noswap", "outside of user namespaces");
	expect_refused("--tmpfs=/tmp:huge=always", "no option of a tmpfs mount");
}

static void mounts_by_field(void **state)
{
	const struct spec_mount *m;
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(
		&f,
		"--mount=type=bind,source=/data/x,target=/x,readonly=true,bind-propagation=slave,relabel=shared");
	assert_good(&f);
	m = only_mount(&f);
	assert_string_equal(m->source, "/data/x");
	assert_true(m->read_only && m->make_source);
	assert_string_equal(m->propagation, "slave");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(
		&f,
		"--mount=dst=/x,src=/data/x,type=bind,rw=false,bind-nonrecursive,consistency=cached");
	assert_good(&f);
	m = only_mount(&f);
	assert_true(m->read_only);
	assert_false(m->recursive);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f,
		      "--mount=type=tmpfs,destination=/x,tmpfs-size=1m,tmpfs-mode=700,ro=false");
	assert_good(&f);
	m = only_mount(&f);
	assert_int_equal(m->size_bytes, MIB);
	assert_int_equal(m->mode, 0700);
	assert_false(m->read_only);
	teardown(&f);
}

static void mount_refusals(void **state)
{
	(void)state;
	expect_refused("--mount=src=/x,dst=/y", "a path needs type=bind");
	expect_refused("--mount=type=image,src=x,dst=/y", "mounts of type image are refused");
	expect_refused("--mount=type=glob,src=/x*,dst=/y", "changes between starts");
	expect_refused("--mount=type=devpts,dst=/y", "a /dev/pts of its own");
	expect_refused("--mount=type=ramfs,dst=/y", "has no bound");
	expect_refused("--mount=type=nfs,src=/x,dst=/y", "only bind, volume and tmpfs are known");
	expect_refused("--mount=type=volume,src=x,src=y,dst=/y", "given twice");
	expect_refused("--mount=type=volume,src=x,dst=/y,subpath=a/../../b", "climbs out");
	expect_refused("--mount=type=volume,src=x,dst=/y,subpath=a,subpath=b", "given twice");
	expect_refused("--mount=type=volume,dst=/y,subpath=a", "needs the name of a volume");
	expect_refused("--mount=type=volume,src=x,dst=/y,volume-opt=o=ro",
		       "write them into a .volume");
	expect_refused("--mount=type=bind,src=/x,dst=/y,subpath=a", "no option of a bind mount");
	expect_refused("--mount=type=bind,src=/x", "no target=");
	expect_refused("--mount=type=bind,dst=/x", "no source=");
	expect_refused("--mount=type=bind,src=/x,dst=/y,dst=/z", "given twice");
	expect_refused("--mount=type=bind,src=/x,src=/y,dst=/z", "given twice");
	expect_refused("--mount=type=bind,src=x,dst=/y", "no absolute path");
	expect_refused("--mount=type=bind,src,dst=/y", "no absolute path");
	expect_refused("--mount=type=tmpfs,src=/x,dst=/y", "no option of a tmpfs mount");
	expect_refused("--mount=type=bind,src=/x,dst=/y,tmpfs-size=1m",
		       "no option of a bind mount");
	expect_refused("--mount=type=bind,src=/x,dst=/y,ro=maybe", "neither true nor false");
	expect_refused("--mount=type=bind,src=/x,dst=/y,bind-propagation=up",
		       "private, rprivate, slave or rslave");
	expect_refused("--mount=type=bind,src=/x,dst=/y,bind-propagation=ro",
		       "private, rprivate, slave or rslave");
	expect_refused("--mount=type=bind,src=/x,dst=/y,chown=perhaps", "neither true nor false");
}

static void volumes_by_name(void **state)
{
	char long_name[160] = "-v";
	const struct spec_mount *m;
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-v", "systemd-data:/var//lib/x/:ro,nocopy,noexec,U,idmap,z,rslave");
	assert_good(&f);
	m = only_mount(&f);
	assert_int_equal(m->kind, SPEC_MOUNT_VOLUME);
	assert_string_equal(m->volume, "systemd-data");
	assert_null(m->source);
	assert_string_equal(m->target, "/var/lib/x");
	assert_string_equal(m->propagation, "rslave");
	assert_true(m->read_only && m->no_copy && m->no_exec && m->change_owner && m->idmap);
	assert_false(m->make_source);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(
		&f,
		"--mount=source=d,target=/x,subpath=/a//b/.,ro,U=true,volume-nocopy=false,copy=true");
	assert_good(&f);
	m = only_mount(&f);
	assert_int_equal(m->kind, SPEC_MOUNT_VOLUME);
	assert_string_equal(m->volume, "d");
	assert_string_equal(m->subpath, "a/b");
	assert_true(m->read_only && m->change_owner);
	assert_false(m->no_copy);
	assert_string_equal(m->propagation, "rprivate");
	teardown(&f);
	memset(long_name + 2, 'n', VOLUME_NAME_MAX_BYTES + 1);
	memcpy(long_name + 3 + VOLUME_NAME_MAX_BYTES, ":/x", 4);
	expect_refused(long_name, "longer than 128 bytes");
}

static void a_volume_without_a_name_is_noted(void **state)
{
	const struct spec_mount *m;
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "-v/cache");
	assert_good(&f);
	m = only_mount(&f);
	assert_int_equal(m->kind, SPEC_MOUNT_VOLUME);
	assert_null(m->volume);
	assert_string_equal(m->target, "/cache");
	assert_note(&f, "noted: volume /cache has no name");
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--mount=type=volume,dst=/cache,nocopy");
	assert_good(&f);
	m = only_mount(&f);
	assert_null(m->volume);
	assert_true(m->no_copy);
	teardown(&f);
}

static void owners_are_changed_below_data_only(void **state)
{
	static const char *const refused[] = { "/",	  "/data",  "/data/home", "/data/store/x",
					       "/usr",	  "/etc/x", "/config/x",  "/data/volumes",
					       "/dev/dri" };
	char option[64];
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		snprintf(option, sizeof(option), "-v%s:/x:U", refused[i]);
		expect_refused(option, "is the appliance's own, its owner stays");
	}
	setup(&f);
	PARSE_OPTIONS(&f, "-v/data/x:/x:U", "-v/mnt/media:/m:U", "-v/etcetera:/e:U");
	assert_good(&f);
	for (size_t i = 0; i < f.spec.mount_count; i++)
		assert_true(f.spec.mounts[i].change_owner);
	teardown(&f);
}

static void a_tmpfs_has_an_owner(void **state)
{
	const struct spec_mount *m;
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--tmpfs=/x:uid=1001,gid=2002");
	assert_good(&f);
	m = only_mount(&f);
	assert_int_equal(m->uid, 1001);
	assert_int_equal(m->gid, 2002);
	teardown(&f);
	setup(&f);
	PARSE_OPTIONS(&f, "--mount=type=tmpfs,dst=/x,chown,notmpcopyup=true");
	assert_good(&f);
	m = only_mount(&f);
	assert_int_equal(m->uid, UINT32_MAX);
	assert_true(m->change_owner);
	assert_false(m->copy_up);
	teardown(&f);
}

static void devices_are_read_and_written(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--device=/dev/fuse", "--device=/dev/dri/card0:/dev/card:rw",
		      "--device=/dev/ttyS0:rwm");
	assert_good(&f);
	assert_string_equal(f.spec.devices.items[0], "/dev/fuse:/dev/fuse");
	assert_string_equal(f.spec.devices.items[1], "/dev/dri/card0:/dev/card");
	assert_string_equal(f.spec.devices.items[2], "/dev/ttyS0:/dev/ttyS0");
	teardown(&f);
	expect_refused("--device=/dev/../etc/passwd", "not below /dev");
	expect_refused("--device=fuse", "no absolute path");
	expect_refused("--device=/dev/a:/dev/b:w", "only rw and rwm");
	expect_refused("--device=/dev/a:/dev/b:/dev/c:rw", "no HOST[:CONTAINER]");
	expect_refused("--device=/dev/a:x", "only rw and rwm");
}

static void image_volumes(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	PARSE_OPTIONS(&f, "--image-volume=ignore", "--image-volume=anonymous");
	assert_good(&f);
	assert_int_equal(f.spec.image_volumes, SPEC_IMAGE_VOLUME_TMPFS);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bind_has_podmans_defaults),
		cmocka_unit_test(only_sources_below_data_are_made),
		cmocka_unit_test(bind_options),
		cmocka_unit_test(bind_refusals),
		cmocka_unit_test(the_kernels_trees_cannot_be_covered),
		cmocka_unit_test(a_target_is_used_once),
		cmocka_unit_test(tmpfs_options),
		cmocka_unit_test(mounts_by_field),
		cmocka_unit_test(mount_refusals),
		cmocka_unit_test(volumes_by_name),
		cmocka_unit_test(a_volume_without_a_name_is_noted),
		cmocka_unit_test(owners_are_changed_below_data_only),
		cmocka_unit_test(a_tmpfs_has_an_owner),
		cmocka_unit_test(devices_are_read_and_written),
		cmocka_unit_test(image_volumes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
