/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the kernel about its families and its buttons. */
#include "unit_test.h"

#include <linux/genetlink.h>

#include "boot/button.h"

static struct buf out = BUF_INIT(65536);

static int fresh(void **state)
{
	(void)state;
	buf_clear(&out);
	return 0;
}

static int done(void **state)
{
	(void)state;
	buf_fini(&out);
	return 0;
}

static void put_family(const char *name, const char *group, uint32_t id)
{
	const struct genlmsghdr header = { .cmd = CTRL_CMD_NEWFAMILY, .version = 2 };
	size_t begin = netlink_begin(&out, GENL_ID_CTRL, 0, &header, sizeof(header)), groups, one;

	netlink_put_text(&out, CTRL_ATTR_FAMILY_NAME, name);
	groups = netlink_nest(&out, CTRL_ATTR_MCAST_GROUPS);
	one = netlink_nest(&out, 1);
	netlink_put_u32(&out, CTRL_ATTR_MCAST_GRP_ID, id);
	netlink_put_text(&out, CTRL_ATTR_MCAST_GRP_NAME, group);
	netlink_nest_end(&out, one);
	netlink_nest_end(&out, groups);
	netlink_end(&out, begin);
}

static uint32_t group_found(void)
{
	struct netlink_span rest = { (const unsigned char *)out.data, out.len };
	struct netlink_message message;
	uint32_t group = 0;
	struct err err;

	while (netlink_next(&rest, &message))
		assert_int_equal(button_find_group(&message, &group, &err), 0);
	return group;
}

static void the_group_is_found_among_families(void **state)
{
	(void)state;
	put_family("nlctrl", "notify", 16);
	put_family("acpi_event", "acpi_mc_group", 5);
	put_family("thermal", "event", 7);
	assert_int_equal(group_found(), 5);
}

static void other_families_and_groups_are_none(void **state)
{
	(void)state;
	put_family("acpi_event", "other", 5);
	put_family("acpi", "acpi_mc_group", 5);
	put_family("acpi_event", "acpi_mc_group", 0xffffffff);
	assert_int_equal(group_found(), 0);
}

static void put_event(const char *class, size_t len)
{
	const struct genlmsghdr header = { .cmd = 1, .version = 1 };
	char event[44] = "";
	size_t begin = netlink_begin(&out, 25, 0, &header, sizeof(header));

	memcpy(event, class, strlen(class));
	netlink_put(&out, 1, event, len);
	netlink_end(&out, begin);
}

static bool is_pressed(void)
{
	unsigned char *copy = malloc(out.len); /* exactly, so that a read beyond it is seen */
	bool answer;

	memcpy(copy, out.data, out.len);
	answer = button_is_pressed(copy, out.len);
	free(copy);
	return answer;
}

static void the_power_button_is_told_from_others(void **state)
{
	(void)state;
	put_event("button/sleep", 44);
	assert_false(is_pressed());
	put_event("button/powerful", 44);
	assert_false(is_pressed());
	put_event("button/power", 44);
	assert_true(is_pressed());
}

static void a_short_event_is_none(void **state)
{
	(void)state;
	put_event("button/power", 12);
	assert_false(is_pressed());
	put_event("button/power", 20);
	assert_true(is_pressed());
}

static void a_class_without_an_end_is_none(void **state)
{
	(void)state;
	put_event("button/powerbutton/power", 44);
	assert_false(is_pressed());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_group_is_found_among_families, fresh, done),
		cmocka_unit_test_setup_teardown(other_families_and_groups_are_none, fresh, done),
		cmocka_unit_test_setup_teardown(the_power_button_is_told_from_others, fresh, done),
		cmocka_unit_test_setup_teardown(a_short_event_is_none, fresh, done),
		cmocka_unit_test_setup_teardown(a_class_without_an_end_is_none, fresh, done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
