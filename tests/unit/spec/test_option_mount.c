/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes, mounts, tmpfs, devices. */
#include "spec_test.h"

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
	expect_refused("-vname:/x", "named volume \"name\": named volumes are not supported");
	expect_refused("-v/x", "anonymous volumes are not supported");
	expect_refused("-v./x:/x", "volume source \"./x\" is no absolute path");
	expect_refused("-vdir/x:/x", "volume source \"dir/x\" is no absolute path");
	expect_refused("-v~/x:/x", "is no absolute path");
	expect_refused("-v:/x", "is no absolute path");
	expect_refused("-v/x:y", "volume target \"y\" is no absolute path");
	expect_refused("-v/x:/y:ro:rw", "/SOURCE:/TARGET[:OPTIONS]");
	expect_refused("-v/x:/y:strange", "\"strange\" is no option of a bind mount");
	expect_refused("-v/x:/y:size=1m", "no option of a bind mount");
	expect_refused("-v/x:/y:ro,rw", "contradicts or repeats");
	expect_refused("-v/x:/y:private,slave", "contradicts or repeats");
	expect_refused("-v/x:/y:z,Z", "contradicts or repeats");
	expect_refused("-v/x:/y:ro=1", "takes no value");
	expect_refused("-v/x:/y:U", "is made with the right owner");
	expect_refused("-v/x:/y:idmap=uids=0-1-10", "idmapped mounts");
	expect_refused("-v/x:/y:O", "overlay volumes");
	expect_refused("-v/x:/y:copy", "copying");
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
	expect_refused("--tmpfs=/tmp:size=0", "4096 or more bytes");
	expect_refused("--tmpfs=/tmp:mode=999", "no octal mode");
	expect_refused("--tmpfs=/tmp:Z", "no option of a tmpfs mount");
	expect_refused("--tmpfs=/tmp:rbind", "no option of a tmpfs mount");
	expect_refused("--tmpfs=/tmp:uid=5", "mount option uid");
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
	expect_refused("--mount=src=/x,dst=/y", "mounts of type volume are not supported");
	expect_refused("--mount=type=image,src=x,dst=/y", "mounts of type image");
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
	expect_refused("--mount=type=bind,src=/x,dst=/y,bind-propagation=up", "no option");
	expect_refused("--mount=type=bind,src=/x,dst=/y,chown=true", "right owner");
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
		cmocka_unit_test(devices_are_read_and_written),
		cmocka_unit_test(image_volumes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
