/* SPDX-License-Identifier: Apache-2.0 */
/* The commands about images against a store of three: tables, JSON, who is asked before something goes, sizes as podman writes them. */
#include "image/store_test.h"

#include "capture.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/image.h"
#include "util/file.h"
#include "util/str.h"

static struct captured c;

static void sizes_are_written_as_podman_does(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{ 0, "0 B" },
		{ 999, "999 B" },
		{ 1000, "1 kB" },
		{ 77800000, "77.8 MB" },
		{ 175432100, "175 MB" },
		{ 999900, "999 kB" },
		{ 2500000000, "2.5 GB" },
		{ UINT64_MAX, "18.4 EB" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[24];

		cli_size(rows[i].bytes, text);
		assert_string_equal(text, rows[i].text);
	}
}

static void names_are_split(void **state)
{
	char repository[REF_MAX], tag[129];

	(void)state;
	assert_true(cli_split_name("example.org:5000/a/b:c", repository, tag));
	assert_string_equal(repository, "example.org:5000/a/b");
	assert_string_equal(tag, "c");
	assert_true(cli_split_name("app", repository, tag));
	assert_string_equal(tag, "latest");
	assert_false(cli_split_name("app@" M1, repository, tag));
	assert_false(cli_split_name("A B", repository, tag));
}

static void images_are_listed(void **state)
{
	struct fixture *f = *state;

	add_three_images(f);
	add_name(f, "localhost/pinned@" D("9999"), M3);
	capture(&c, cmd_images, WORDS("images", "--store", f->path));
	assert_int_equal(c.result, CLI_OK);
	assert_true(str_starts(c.out, "REPOSITORY"));
	assert_non_null(strstr(c.out, "\ndocker.io/library/web  latest"));
	assert_non_null(strstr(c.out, "\nlocalhost/app          1 "));
	assert_non_null(strstr(c.out, "\nlocalhost/pinned       <none>"));
	assert_non_null(strstr(c.out, "120 B\n"));
	assert_null(strstr(c.out, D("9999")));
	capture(&c, cmd_images, WORDS("images", "--store", f->path, "--digests", "web"));
	assert_non_null(strstr(c.out, M2));
	assert_null(strstr(c.out, "app"));
	capture(&c, cmd_images, WORDS("images", "--store", f->path, "-q"));
	assert_int_equal(strlen(c.out), 3 * (IMAGE_SHORT_ID + 1));
	capture(&c, cmd_images, WORDS("images", "--store", f->path, "--format=json"));
	assert_non_null(strstr(c.out, "\"localhost/pinned@" D("9999") "\""));
	assert_non_null(strstr(c.out, "\"CreatedAt\": \"2026-11-21T10:00:00Z\""));
	capture(&c, cmd_images, WORDS("images", "--store", f->path, "-q", "--no-trunc", "web"));
	assert_true(str_starts(c.out, "sha256:"));
	assert_int_equal(strlen(c.out), IMAGE_ID_LENGTH + 1);
	capture(&c, cmd_images, WORDS("images", "--store", f->path, "-n", "web"));
	assert_true(str_starts(c.out, "docker.io/library/web"));
	capture(&c, cmd_images,
		WORDS("images", "--store", f->path, "--format",
		      "{{.Repository}}:{{.Tag}} {{.Size}}", "app"));
	assert_string_equal(c.out, "example.org/team/app:2 120 B\nlocalhost/app:1 120 B\n");
	capture(&c, cmd_images,
		WORDS("images", "--store", f->path, "--format", "table {{.Tag}}", "web"));
	assert_string_equal(c.out, "TAG\nlatest\n");
	capture(&c, cmd_images, WORDS("images", "--store", f->path, "--format", "{{.Labels}}"));
	assert_int_equal(c.result, CLI_USAGE);
	assert_non_null(strstr(c.err, "{{.Labels}}: there is no such field here"));
	unlink_in(f, "layers", L3, "complete");
	capture(&c, cmd_images, WORDS("images", "--store", f->path));
	assert_non_null(strstr(c.out, "damaged"));
	capture(&c, cmd_images, WORDS("images", "--store", "/nowhere/store"));
	assert_int_equal(c.result, CLI_FAILED);
	assert_string_equal(
		c.err, "cleat images: image store /nowhere/store: No such file or directory\n");
}

static void rmi_asks_units_first(void **state)
{
	struct fixture *f = *state;
	const char *unit = "[Container]\nImage=web\n";
	char dir[256];

	add_three_images(f);
	snprintf(dir, sizeof(dir), "%s/units", f->scratch.path);
	must(f, path_mkdirs(dir, 0755, &f->err));
	must(f, file_write_atomic(f->scratch.fd, "units/web.container", unit, strlen(unit), 0644,
				  false, &f->err));
	capture(&c, cmd_rmi, WORDS("rmi", "--store", f->path, "--dir", dir, "web", "app:1"));
	assert_int_equal(c.result, CLI_FAILED);
	assert_non_null(strstr(c.err, "docker.io/library/web:latest: in use by web.container; -f"));
	assert_string_equal(c.out, "Untagged: localhost/app:1\n"); /* it has another name */
	capture(&c, cmd_image_prune, WORDS("image prune", "--store", f->path, "--dir", dir, "-af"));
	assert_int_equal(c.result, CLI_OK);
	assert_true(exists(f, "images", M2));
	assert_false(exists(f, "images", M1));
	assert_false(exists(f, "images", M3));
	assert_non_null(strstr(c.out, "2 images, 1 layers, 20 B"));
	capture(&c, cmd_rmi, WORDS("rmi", "--store", f->path, "--dir", dir, "-f", "web"));
	assert_int_equal(c.result, CLI_OK);
	assert_false(exists(f, "layers", L1));
}

static void a_name_that_a_unit_has_is_kept_even_if_the_image_has_others(void **state)
{
	struct fixture *f = *state;
	const char *unit = "[Container]\nImage=app:1\n";
	char dir[256];

	add_three_images(f);
	snprintf(dir, sizeof(dir), "%s/units", f->scratch.path);
	must(f, path_mkdirs(dir, 0755, &f->err));
	must(f, file_write_atomic(f->scratch.fd, "units/a.container", unit, strlen(unit), 0644,
				  false, &f->err));
	capture(&c, cmd_rmi, WORDS("rmi", "--store", f->path, "--dir", dir, "app:1"));
	assert_int_equal(c.result, CLI_FAILED);
	assert_non_null(strstr(c.err, "in use by a.container"));
	capture(&c, cmd_rmi,
		WORDS("rmi", "--store", f->path, "--dir", dir, "example.org/team/app:2"));
	assert_int_equal(c.result, CLI_OK);
	assert_string_equal(c.out, "Untagged: example.org/team/app:2\n");
	capture(&c, cmd_rmi, WORDS("rmi", "--store", f->path, "--dir", dir, "-f", "app:1"));
	assert_int_equal(c.result, CLI_OK);
	assert_false(exists(f, "images", M1));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_are_written_as_podman_does),
		cmocka_unit_test(names_are_split),
		T(images_are_listed),
		T(rmi_asks_units_first),
		T(a_name_that_a_unit_has_is_kept_even_if_the_image_has_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
