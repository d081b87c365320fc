/* SPDX-License-Identifier: Apache-2.0 */
/* The table of kernel modules: what a machine's devices want, with what that needs and brings. */
#include "unit_test.h"

#include "boot/modules.h"
#include "util/buf.h"

static const char table_text[] = "kernel 6.12.1-cloud-amd64\n"
				 "module overlay always\n"
				 "alias fs-overlay\n"
				 "module llc asked\n"
				 "module stp asked llc\n"
				 "module bridge always stp llc\n"
				 "module scsi_common asked\n"
				 "module scsi_mod asked scsi_common\n"
				 "module virtio_scsi device scsi_mod\n"
				 "alias virtio:d00000008v*\n"
				 "module sd_mod after:scsi_mod scsi_mod scsi_common\n"
				 "alias scsi:t-0x00*\n"
				 "module cdrom asked\n"
				 "module sr_mod after:scsi_mod cdrom\n"
				 "module virtio_net device\n"
				 "alias virtio:d00000001v*\n"
				 "module erofs asked\n"
				 "alias fs-erofs\n"
				 "module nls_cp437 asked\n"
				 "module nfnetlink asked\n"
				 "module nf_tables soon nfnetlink\n";

static struct module_table *read_table(struct arena *arena, const char *text)
{
	struct module_table *table = arena_new(arena, struct module_table);
	struct err err;

	assert_int_equal(module_table_read(table, arena, text, &err), 0);
	return table;
}

/* Names of those that are wanted, in the order of loading. */
static const char *wanted(const struct module_table *table)
{
	static char names[512];

	names[0] = '\0';
	for (size_t i = 0; i < table->count; i++)
		if (table->modules[i].is_wanted) {
			size_t used = strlen(names);

			snprintf(names + used, sizeof(names) - used, "%s%s", used ? " " : "",
				 table->modules[i].name);
		}
	return names;
}

static void test_reads_names_needs_and_aliases(void **state)
{
	auto_arena arena = { 0 };
	const struct module_table *table = read_table(&arena, table_text);

	(void)state;
	assert_string_equal(table->release, "6.12.1-cloud-amd64");
	assert_int_equal(table->count, 15);
	assert_string_equal(table->modules[3].name, "bridge");
	assert_int_equal(table->modules[3].need_count, 2);
	assert_string_equal(table->modules[3].needs[0], "stp");
	assert_string_equal(table->modules[6].aliases[0], "virtio:d00000008v*");
	assert_int_equal(table->modules[7].when, MODULE_AFTER);
	assert_string_equal(table->modules[7].after, "scsi_mod");
}

static void test_always_brings_what_it_needs_and_nothing_else(void **state)
{
	auto_arena arena = { 0 };
	struct module_table *table = read_table(&arena, table_text);

	(void)state;
	module_table_want_when(table, MODULE_ALWAYS);
	assert_string_equal(wanted(table), "overlay llc stp bridge");
	module_table_want_when(table, MODULE_SOON);
	assert_string_equal(wanted(table), "overlay llc stp bridge nfnetlink nf_tables");
}

static void test_a_device_brings_its_driver_and_what_comes_after_it(void **state)
{
	auto_arena arena = { 0 };
	struct module_table *table = read_table(&arena, table_text);

	(void)state;
	assert_true(module_table_want_device(table, "virtio:d00000008v00001AF4"));
	assert_string_equal(wanted(table), "scsi_common scsi_mod virtio_scsi sd_mod cdrom sr_mod");
}

static void test_wildcards_of_an_alias_may_stand_anywhere(void **state)
{
	static const struct {
		const char *alias, *device;
		bool is_match;
	} rows[] = {
		{ "*:PNP0C0C:*", "acpi:PNP0C0C:", true },
		{ "of:N*T*Cgpio-keys", "of:NkeysT(null)Cgpio-keys", true },
		{ "pci:v00008086d0000[12]*", "pci:v00008086d00001237", true },
		{ "pci:v00008086d0000[12]*", "pci:v00008086d00003237", false },
		{ "pci:v0000?086", "pci:v00008086", true },
		{ "a\\*b", "a*b", true },
		{ "a\\*b", "axb", false },
		{ "virtio:d00000002v*", "virtio:d0000000", false },
		{ "plain", "plain", true },
		{ "plain", "plainer", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		auto_arena arena = { 0 };
		char text[128];

		snprintf(text, sizeof(text), "module m device\nalias %s\n", rows[i].alias);
		assert_int_equal(module_table_want_device(read_table(&arena, text), rows[i].device),
				 rows[i].is_match);
	}
}

static void test_a_device_that_nothing_is_for_wants_nothing(void **state)
{
	auto_arena arena = { 0 };
	struct module_table *table = read_table(&arena, table_text);

	(void)state;
	assert_false(module_table_want_device(table, "pci:v00008086d00001237sv00001AF4"));
	/* "asked" ones are for who asks, not for a device */
	assert_false(module_table_want_device(table, "fs-erofs"));
	assert_string_equal(wanted(table), "");
}

static void test_a_name_is_asked_for_in_either_spelling_or_by_alias(void **state)
{
	auto_arena arena = { 0 };
	struct module_table *table = read_table(&arena, table_text);

	(void)state;
	assert_true(module_table_want(table, "nls-cp437"));
	assert_true(module_table_want(table, "fs-erofs"));
	assert_true(module_table_want(table, "fs-overlay"));
	assert_false(module_table_want(table, "fs-btrfs"));
	assert_false(module_table_want(table, "../erofs"));
	assert_string_equal(wanted(table), "overlay erofs nls_cp437");
}

static void test_a_name_longer_than_any_module_is_not_cut_to_one(void **state)
{
	auto_arena arena = { 0 };
	struct module_table *table =
		read_table(&arena, "kernel 1\nmodule "
				   "a23456789012345678901234567890123456789012345678901234567890123"
				   " asked\n");

	(void)state;
	assert_false(module_table_want(
		table, "a234567890123456789012345678901234567890123456789012345678901234"));
}

static void refused(const char *text, const char *reason)
{
	auto_arena arena = { 0 };
	struct module_table table;
	struct err err;

	assert_int_equal(module_table_read(&table, &arena, text, &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
	assert_string_equal(err.msg, reason);
}

static void test_what_is_no_table_is_refused_with_its_line(void **state)
{
	(void)state;
	refused("kernel 1\nmodule ../evil asked\n", "line 2 is none of a table of modules");
	refused("kernel 1\nmodule a/b asked\n", "line 2 is none of a table of modules");
	refused("module a\n", "line 1 is none of a table of modules");
	refused("module  asked\n", "line 1 is none of a table of modules");
	refused("module a sometimes\n", "line 1 is none of a table of modules");
	refused("module a after:\n", "line 1 is none of a table of modules");
	refused("alias x\n", "line 1 is none of a table of modules");
	refused("module a asked\nsomething else\n", "line 2 is none of a table of modules");
}

static void test_more_modules_than_the_bound_are_refused(void **state)
{
	auto_buf text = BUF_INIT(64 * 1024);

	(void)state;
	for (unsigned i = 0; i <= MODULES_MAX; i++)
		buf_printf(&text, "module m%u asked\n", i);
	refused(buf_str(&text), "line 257 is none of a table of modules");
}

static void test_a_circle_of_afters_ends(void **state)
{
	auto_arena arena = { 0 };
	struct module_table *table =
		read_table(&arena, "kernel 1\nmodule a after:b b\nmodule b after:a a\n");

	(void)state;
	assert_true(module_table_want(table, "a"));
	assert_string_equal(wanted(table), "a b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_names_needs_and_aliases),
		cmocka_unit_test(test_always_brings_what_it_needs_and_nothing_else),
		cmocka_unit_test(test_a_device_brings_its_driver_and_what_comes_after_it),
		cmocka_unit_test(test_wildcards_of_an_alias_may_stand_anywhere),
		cmocka_unit_test(test_a_device_that_nothing_is_for_wants_nothing),
		cmocka_unit_test(test_a_name_is_asked_for_in_either_spelling_or_by_alias),
		cmocka_unit_test(test_a_name_longer_than_any_module_is_not_cut_to_one),
		cmocka_unit_test(test_what_is_no_table_is_refused_with_its_line),
		cmocka_unit_test(test_more_modules_than_the_bound_are_refused),
		cmocka_unit_test(test_a_circle_of_afters_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
