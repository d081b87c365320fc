/* SPDX-License-Identifier: Apache-2.0 */
/* Whose /data this is: facts of the machine, clones, and what is written where. */
#include "unit_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/identity.h"
#include "util/file.h"
#include "util/scratch.h"
#include "util/str.h"

#define MAC_A "52:54:00:00:00:0a"
#define MAC_B "52:54:00:00:00:0b"

static void put_link(const struct scratch *s, const char *name, const char *kind, const char *mac)
{
	char path[128];

	snprintf(path, sizeof(path), "sys/class/net/%s", name);
	scratch_mkdir(s, path);
	snprintf(path, sizeof(path), "sys/class/net/%s/addr_assign_type", name);
	scratch_write(s, path, kind);
	snprintf(path, sizeof(path), "sys/class/net/%s/address", name);
	scratch_write(s, path, mac);
}

static void make_sys(const struct scratch *s)
{
	static const char *const dirs[] = { "sys", "sys/class", "sys/class/net", "sys/class/dmi",
					    "sys/class/dmi/id" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		scratch_mkdir(s, dirs[i]);
	scratch_write(s, "sys/class/dmi/id/product_uuid", "aaaa-1\n");
}

static void only_addresses_that_the_host_has_given_count(void **state)
{
	const struct scratch *s = *state;
	struct identity_facts facts;

	make_sys(s);
	put_link(s, "eth0", "3\n", MAC_A "\n");
	put_link(s, "eth1", "1\n", "52:54:00:00:00:0c\n"); /* made up by the kernel at this start */
	put_link(s, "lo", "0\n", MAC_B "\n");
	put_link(s, "tun0", "0\n", "\n");
	put_link(s, "sit0", "0\n", "00:00:00:00:00:00\n");
	put_link(s, "odd", "0\n", "52:54:00:00:00:0g\n");
	identity_read_facts(s->path, true, "", &facts);
	assert_string_equal(facts.uuid, "aaaa-1");
	assert_int_equal(facts.mac_count, 1);
	assert_string_equal(facts.macs[0], MAC_A);
	/* in a container the UUID is the host's */
	identity_read_facts(s->path, false, "web", &facts);
	assert_string_equal(facts.uuid, "");
	assert_string_equal(facts.host_name, "web");
}

static void a_machine_without_any_fact_is_one_too(void **state)
{
	const struct scratch *s = *state;
	struct identity_facts facts;

	identity_read_facts(s->path, true, "", &facts);
	assert_int_equal(facts.mac_count, 0);
	assert_string_equal(facts.uuid, "");
}

static struct identity_facts facts_of(const char *text)
{
	struct identity_facts facts;

	identity_parse(text, &facts);
	return facts;
}

static bool is_clone(const char *then, const char *now)
{
	struct identity_facts a = facts_of(then), b = facts_of(now);

	return identity_is_clone(&a, &b);
}

static void clones_are_told_from_changes(void **state)
{
	(void)state;
	assert_false(is_clone("", ""));
	assert_false(is_clone("", "uuid a\nmac " MAC_A "\n")); /* the first boot */
	assert_true(is_clone("uuid a\nmac " MAC_A "\n", "uuid b\nmac " MAC_A "\n"));
	assert_false(is_clone("uuid a\nmac " MAC_A "\n", "uuid a\nmac " MAC_B "\n"));
	assert_true(is_clone("mac " MAC_A "\n", "mac " MAC_B "\n"));
	assert_false(is_clone("mac " MAC_A "\nmac " MAC_B "\n", "mac " MAC_B "\n"));
	/* renamed, with its address: the same; without addresses the name decides */
	assert_false(is_clone("host a\nmac " MAC_A "\n", "host b\nmac " MAC_A "\n"));
	assert_true(is_clone("host a\nmac " MAC_A "\n", "host a\nmac " MAC_B "\n"));
	assert_true(is_clone("host a\n", "host b\nmac " MAC_B "\n"));
	assert_false(is_clone("host a\n", "mac " MAC_B "\n"));
}

static void facts_are_written_and_read_alike(void **state)
{
	struct identity_facts facts = facts_of("uuid x\nhost h\nmac " MAC_A
					       "\nmac nonsense\nwhat\n\n"
					       "mac " MAC_B); /* no newline at the end */
	struct buf out = BUF_INIT(4096);

	(void)state;
	assert_int_equal(facts.mac_count, 2);
	identity_format(&facts, &out);
	assert_string_equal(buf_str(&out), "uuid x\nhost h\nmac " MAC_A "\nmac " MAC_B "\n");
	buf_fini(&out);
}

static void too_much_is_left_out(void **state)
{
	struct buf text = BUF_INIT(65536);
	struct identity_facts facts;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		buf_printf(&text, "mac 52:54:00:00:00:%02x\n", i);
	buf_puts(&text, "uuid ");
	for (unsigned i = 0; i < 1000; i++)
		buf_putc(&text, 'u');
	buf_puts(&text, "\n");
	identity_parse(buf_str(&text), &facts);
	assert_int_equal(facts.mac_count, IDENTITY_MAX_MACS);
	assert_string_equal(facts.uuid, "");
	buf_fini(&text);
}

/* --- settling ---------------------------------------------------------------------------------- */

struct place {
	char data[128], run[128], etc[128], why[400];
	unsigned level;
};

static struct place place_of(const struct scratch *s)
{
	struct place p = { .level = 9 };

	snprintf(p.data, sizeof(p.data), "%s/data/identity", s->path);
	snprintf(p.run, sizeof(p.run), "%s/run", s->path);
	snprintf(p.etc, sizeof(p.etc), "%s/machine-id", s->path);
	return p;
}

static int settle(struct place *p, const char *facts, bool with_data, bool is_read_only,
		  struct err *err)
{
	struct identity_facts now = facts_of(facts);
	const struct identity_places places = { .data = with_data ? p->data : NULL,
						.run = p->run,
						.etc = p->etc,
						.is_read_only = is_read_only };

	return identity_settle(&places, &now, p->why, sizeof(p->why), &p->level, err);
}

static void read_text(const char *path, char *out)
{
	struct buf text = BUF_INIT(100);
	struct err err;

	if (file_read_at(AT_FDCWD, path, 100, &text, &err) < 0)
		fail_msg("%s: %s", path, err.msg);
	str_copy(out, 100, buf_str(&text));
	buf_fini(&text);
}

static void expect_id(const char *path, char *out)
{
	read_text(path, out);
	assert_int_equal(strlen(out), 33);
	assert_int_equal(out[32], '\n');
	out[32] = '\0';
	assert_true(str_is_hex(out, 32));
	assert_int_equal(out[12], '4'); /* a random UUID says so */
}

static void the_id_is_made_once_and_kept(void **state)
{
	const struct scratch *s = *state;
	struct place p = place_of(s);
	char first[100], second[100], path[160];
	struct stat st;
	struct err err;

	assert_int_equal(settle(&p, "mac " MAC_A "\n", true, false, &err), 0);
	expect_id(p.etc, first);
	assert_string_equal(p.why, "");
	assert_int_equal(stat(p.etc, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0444);
	assert_int_equal(stat(p.data, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	/* a new root file system with the old /data, as after "pct create": the id comes back */
	assert_int_equal(unlink(p.etc), 0);
	assert_int_equal(settle(&p, "mac " MAC_A "\nmac " MAC_B "\n", true, false, &err), 0);
	expect_id(p.etc, second);
	assert_string_equal(first, second);
	/* and the facts have followed: the other link alone is still this machine */
	assert_int_equal(settle(&p, "mac " MAC_B "\n", true, false, &err), 0);
	expect_id(p.etc, second);
	assert_string_equal(first, second);
	/* a link that is missing once does not make the machine a stranger */
	assert_int_equal(settle(&p, "", true, false, &err), 0);
	snprintf(path, sizeof(path), "%s/facts", p.data);
	read_text(path, second);
	assert_string_equal(second, "mac " MAC_B "\n");
	assert_false(scratch_exists(s, "run"));
}

static void what_has_not_changed_is_not_written(void **state)
{
	struct place p = place_of(*state);
	struct stat before, after;
	char path[160];
	struct err err;

	assert_int_equal(settle(&p, "uuid a\n", true, false, &err), 0);
	snprintf(path, sizeof(path), "%s/facts", p.data);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(settle(&p, "uuid a\n", true, false, &err), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void a_clone_gets_its_own(void **state)
{
	const struct scratch *s = *state;
	struct place p = place_of(s);
	char first[100], second[100], third[100];
	struct err err;

	assert_int_equal(settle(&p, "uuid a\n", true, false, &err), 0);
	expect_id(p.etc, first);
	scratch_write(s, "data/identity/seed", "of the other one");
	assert_int_equal(settle(&p, "uuid b\n", true, false, &err), 0);
	expect_id(p.etc, second);
	assert_string_not_equal(first, second);
	assert_false(scratch_exists(s, "data/identity/seed"));
	assert_non_null(strstr(p.why, "copy of another appliance"));
	assert_int_equal(p.level, 0);
	assert_int_equal(settle(&p, "uuid b\n", true, false, &err), 0);
	expect_id(p.etc, third);
	assert_string_equal(second, third);
	assert_string_equal(p.why, "");
}

static void without_data_it_lasts_for_the_boot(void **state)
{
	const struct scratch *s = *state;
	struct place p = place_of(s);
	char first[100], second[100];
	struct err err;

	assert_int_equal(settle(&p, "uuid a\n", false, false, &err), 0);
	expect_id(p.etc, first);
	assert_int_equal(settle(&p, "uuid a\n", false, false, &err), 0);
	expect_id(p.etc, second);
	assert_string_equal(first, second);
	assert_false(scratch_exists(s, "data"));
}

static void read_only_data_is_not_written(void **state)
{
	const struct scratch *s = *state;
	struct place p = place_of(s);
	char first[100], second[100], kept[100], path[160];
	struct err err;

	assert_int_equal(settle(&p, "uuid a\n", true, true, &err), 0);
	expect_id(p.etc, first);
	assert_false(scratch_exists(s, "data"));
	assert_int_equal(settle(&p, "uuid a\n", true, true, &err), 0);
	expect_id(p.etc, second);
	assert_string_equal(first, second);
	/* once it can be, what this boot has become stays */
	assert_int_equal(settle(&p, "uuid a\n", true, false, &err), 0);
	snprintf(path, sizeof(path), "%s/machine-id", p.data);
	expect_id(path, kept);
	assert_string_equal(first, kept);
	/* a read-only clone is one too, for this boot */
	snprintf(path, sizeof(path), "%s/machine-id", p.run);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(settle(&p, "uuid b\n", true, true, &err), 0);
	expect_id(p.etc, second);
	assert_string_not_equal(first, second);
}

static void data_that_cannot_be_written_is_said(void **state)
{
	const struct scratch *s = *state;
	struct place p = place_of(s);
	char id[100];
	struct err err;

	scratch_write(s, "data", "not a folder");
	assert_int_equal(settle(&p, "uuid a\n", true, false, &err), 0);
	expect_id(p.etc, id);
	assert_int_equal(p.level, 1);
	assert_non_null(strstr(p.why, "lasts for this boot only: "));
	assert_non_null(strstr(p.why, "Not a directory"));
}

static void a_damaged_id_is_made_anew(void **state)
{
	const struct scratch *s = *state;
	struct place p = place_of(s);
	char id[100];
	struct err err;

	scratch_mkdir(s, "data");
	scratch_mkdir(s, "data/identity");
	scratch_write(s, "data/identity/machine-id", "00000000000000000000000000000000\n");
	assert_int_equal(settle(&p, "uuid a\n", true, false, &err), 0);
	expect_id(p.etc, id);
	scratch_write(s, "data/identity/facts", "uuid a\n");
	assert_int_equal(unlinkat(s->fd, "data/identity/machine-id", 0), 0);
	assert_int_equal(mkdirat(s->fd, "data/identity/machine-id", 0755), 0);
	assert_int_equal(settle(&p, "uuid a\n", true, false, &err), 0);
	expect_id(p.etc, id);
	assert_int_equal(p.level, 1);
}

static void etc_that_cannot_be_written_is_an_error(void **state)
{
	struct place p = place_of(*state);
	struct err err;

	snprintf(p.etc, sizeof(p.etc), "%s/nowhere/machine-id", ((struct scratch *)*state)->path);
	assert_int_equal(settle(&p, "uuid a\n", true, false, &err), -1);
	assert_non_null(strstr(err.msg, "nowhere/machine-id: "));
}

static void random_bytes_differ(void **state)
{
	const struct identity_facts none = { 0 };
	unsigned char a[100] = { 0 }, b[100] = { 0 };

	(void)state;
	identity_random(a, sizeof(a), &none);
	identity_random(b, sizeof(b), &none);
	assert_memory_not_equal(a, b, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(only_addresses_that_the_host_has_given_count),
		scratch_test(a_machine_without_any_fact_is_one_too),
		cmocka_unit_test(clones_are_told_from_changes),
		cmocka_unit_test(facts_are_written_and_read_alike),
		cmocka_unit_test(too_much_is_left_out),
		scratch_test(the_id_is_made_once_and_kept),
		scratch_test(what_has_not_changed_is_not_written),
		scratch_test(a_clone_gets_its_own),
		scratch_test(without_data_it_lasts_for_the_boot),
		scratch_test(read_only_data_is_not_written),
		scratch_test(data_that_cannot_be_written_is_said),
		scratch_test(a_damaged_id_is_made_anew),
		scratch_test(etc_that_cannot_be_written_is_an_error),
		cmocka_unit_test(random_bytes_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
