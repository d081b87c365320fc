/* SPDX-License-Identifier: Apache-2.0 */
/* What one engine keeps for the safe mode of the next: written, read back, and read from a file that is none. */
#include "unit_test.h"

#include <stdio.h>
#include <string.h>

#include "supervise/boot_settings.h"
#include "util/str.h"

#define HASH           \
	"$6$saltsalt$" \
	"qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"

static struct boot_settings settings;

static void what_is_kept_is_read_back(void **state)
{
	static const struct boot_settings all[] = {
		{ 0 },
		{ .status_port = 8099, .console = APPLIANCE_CONSOLE_OFF },
		{ .status_port = 65535, .status_address = "192.0.2.7", .password = HASH },
		{ .status_address = "2001:db8::7", .console = APPLIANCE_CONSOLE_SHELL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		auto_buf text = BUF_INIT(BOOT_SETTINGS_MAX_BYTES);

		boot_settings_text(&all[i], &text);
		boot_settings_parse(buf_str(&text), &settings);
		assert_int_equal(settings.status_port, all[i].status_port);
		assert_string_equal(settings.status_address, all[i].status_address);
		assert_int_equal(settings.console, all[i].console);
		assert_string_equal(settings.password, all[i].password);
	}
}

static void what_makes_no_sense_is_not_there(void **state)
{
	static const char *const texts[] = {
		"",
		"status",
		"status 65536",
		"status x 192.0.2.7",
		"status 80 example.org",
		"status 80 192.0.2.7 ",
		"console 4",
		"console -1",
		"console",
		"password hunter2",
		"password $6$x",
		"passwords " HASH,
		"status 80 "
		"1111111111111111111111111111111111111111111111111111111111111111111111111",
		"\n\n\n",
	};
	char long_text[2 * BOOT_SETTINGS_MAX_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		boot_settings_parse(texts[i], &settings);
		assert_int_equal(settings.status_port, 0);
		assert_string_equal(settings.status_address, "");
		assert_int_equal(settings.console, APPLIANCE_CONSOLE_STATUS);
		assert_string_equal(settings.password, "");
	}
	snprintf(long_text, sizeof(long_text), "console 3\n%*s", BOOT_SETTINGS_MAX_BYTES, "x");
	boot_settings_parse(long_text, &settings);
	assert_int_equal(settings.console, APPLIANCE_CONSOLE_STATUS);
	/* one bad line takes nothing from the others */
	boot_settings_parse("status none\nconsole 2\n", &settings);
	assert_int_equal(settings.console, APPLIANCE_CONSOLE_SHELL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_kept_is_read_back),
		cmocka_unit_test(what_makes_no_sense_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
