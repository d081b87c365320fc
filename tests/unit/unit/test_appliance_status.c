/* SPDX-License-Identifier: Apache-2.0 */
/* [Status] Address= and [Isolation] AllowLoss= of appliance.ini. */
#include "appliance_fixture.h"

#include "util/host.h"

static void read_key(const char *section, const char *value)
{
	char text[512];

	reset(NULL);
	snprintf(text, sizeof(text), "[%s]\n%s=%s\n", section,
		 strcmp(section, "Status") == 0 ? "Address" : "AllowLoss", value);
	read_text(text);
}

static void addresses_and_ports(void **state)
{
	static const struct {
		const char *value, *address;
		unsigned port;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1", 0 },
		{ "192.0.2.1:80", "192.0.2.1", 80 },
		{ "127.0.0.1:65535", "127.0.0.1", 65535 },
		{ "0.0.0.0:1", "0.0.0.0", 1 },
		{ "2001:db8::1", "2001:db8::1", 0 },
		{ "[2001:db8::1]", "2001:db8::1", 0 },
		{ "[::1]:8080", "::1", 8080 },
		{ "::", "::", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		read_key("Status", rows[i].value);
		assert_int_equal(diags.count, 0);
		assert_string_equal(config.status_address, rows[i].address);
		assert_int_equal(config.status_port, rows[i].port);
	}
}

static void what_nobody_can_listen_on_is_refused(void **state)
{
	static const char *const bad[] = {
		"web",
		"192.0.2",
		"192.0.2.1:",
		"192.0.2.1:0",
		"192.0.2.1:65536",
		"192.0.2.1:x",
		"192.0.2.1:80:1",
		"[192.0.2.1]:80",
		"[::1",
		"[::1]80",
		"[::1]:",
		"::1]:80",
		"224.0.0.1",
		"ff02::1",
		"fe80::1",
		"[fe80::1]:80",
		"255.255.255.255",
		"::ffff:192.0.2.1",
		":80",
		"*:80",
		"2001:db8::1:99999",
		"[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		read_key("Status", bad[i]);
		if (diags.count != 1 || config.status_address || config.status_port)
			fail_msg("%s was taken", bad[i]);
	}
}

static void losses_are_allowed_by_name(void **state)
{
	static const char twice[] = "[Isolation]\nAllowLoss=private-proc\nAllowLoss=private-sys\n";

	(void)state;
	read_key("Isolation", "private-proc");
	assert_int_equal(diags.count, 0);
	assert_int_equal(config.allowed_losses, HOST_LOSS_PROC);
	read_key("Isolation", "private-sys  private-proc");
	assert_int_equal(config.allowed_losses, HOST_LOSS_PROC | HOST_LOSS_SYS);
	appliance_read(&config, &arena, &diags, "appliance.ini", twice, strlen(twice));
	assert_int_equal(config.allowed_losses, HOST_LOSS_PROC | HOST_LOSS_SYS);
	appliance_read(&config, &arena, &diags, "appliance.ini", "", 0);
	assert_int_equal(config.allowed_losses, 0);
}

static void a_loss_that_cannot_be_allowed_says_why_and_allows_nothing(void **state)
{
	struct buf line = BUF_INIT(1024);

	(void)state;
	read_key("Isolation", "private-proc user-namespace");
	assert_int_equal(diags.count, 1);
	assert_int_equal(config.allowed_losses, 0);
	diag_format(&diags.items[0], &line);
	assert_string_equal(
		buf_str(&line),
		"appliance.ini:2:11: error: Isolation.AllowLoss: 'private-proc user-namespace': private-proc or private-sys, or both with a blank between, (user-namespace cannot be allowed: root of a container would be root of the appliance) is expected");
	buf_fini(&line);
	read_key("Isolation", "private-proc everything");
	assert_int_equal(diags.count, 1);
	assert_int_equal(config.allowed_losses, 0);
	read_key("Isolation", "private-proc,private-sys");
	assert_int_equal(diags.count, 1);
	assert_int_equal(config.allowed_losses, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_and_ports),
		cmocka_unit_test(what_nobody_can_listen_on_is_refused),
		cmocka_unit_test(losses_are_allowed_by_name),
		cmocka_unit_test(a_loss_that_cannot_be_allowed_says_why_and_allows_nothing),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	reset(NULL);
	return failed;
}
