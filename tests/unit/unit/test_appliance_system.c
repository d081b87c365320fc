/* SPDX-License-Identifier: Apache-2.0 */
/* appliance.ini, [System]: names, zones, consoles and hashes that are taken, and those that are not. */
#include "appliance_fixture.h"

#define SHA512                 \
	"$6$saltsaltsaltsalt$" \
	"qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"
#define SHA256 "$5$rounds=10000$salt$3xv.VbSCBX41eDL9L3voZredBitBfyQDbtdg0Wkw8A7"
#define BCRYPT "$2y$12$abcdefghijklmnopqrstuuGNUZ4Wwz1nKcv2L5J3yEV0aA2VB0K2."

static void read_key(const char *key, const char *value)
{
	char text[512];

	reset(NULL);
	snprintf(text, sizeof(text), "[System]\n%s=%s\n", key, value);
	read_text(text);
}

static void expect_only_complaint(const char *text)
{
	assert_int_equal(diags.count, 1);
	expect_complaint(0, text);
}

static void host_names(void **state)
{
	static const char label[] =
		"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"; /* 63 */
	static const char *const good[] = { "a", "web-1", "WEB", "1", "web1.example.org", label };
	static const char *const bad[] = { "-web",  "web-",	 "web.",       ".web",
					   "we..b", "we-.b",	 "we b",       "we_b",
					   "wéb",   "localhost", "web;reboot", "%H" };
	char text[80];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		read_key("Hostname", good[i]);
		if (diags.count || !config.hostname || strcmp(config.hostname, good[i]) != 0)
			fail_msg("%s was refused", good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		read_key("Hostname", bad[i]);
		if (diags.count != 1 || config.hostname)
			fail_msg("%s was taken", bad[i]);
	}
	snprintf(text, sizeof(text), "%sx", label);
	assert_false(appliance_is_hostname(text));
	assert_false(appliance_is_hostname(""));
	read_key("Hostname", "");
	assert_int_equal(diags.count, 0);
	assert_null(config.hostname);
	read_key("Hostname", "we_b");
	expect_only_complaint(
		"appliance.ini:2:10: error: System.Hostname: 'we_b': a name of letters, digits, - and ., at most 63 bytes, not localhost, is expected");
}

static void time_zones(void **state)
{
	(void)state;
	read_key("TimeZone", "Europe/Berlin");
	assert_int_equal(diags.count, 0);
	assert_string_equal(config.time_zone, "Europe/Berlin");
	read_key("TimeZone", "CET-1CEST,M3.5.0,M10.5.0/3");
	assert_int_equal(diags.count, 0);
	assert_string_equal(config.time_zone, "CET-1CEST,M3.5.0,M10.5.0/3");
	read_key("TimeZone", "berlin");
	assert_null(config.time_zone);
	expect_only_complaint(
		"appliance.ini:2:10: error: System.TimeZone: 'berlin': a time zone (did you mean Europe/Berlin?) is expected");
	read_key("TimeZone", "/etc/localtime");
	expect_only_complaint(
		"appliance.ini:2:10: error: System.TimeZone: '/etc/localtime': a time zone such as Europe/Berlin, or a rule such as CET-1CEST,M3.5.0,M10.5.0/3, is expected");
}

static void consoles(void **state)
{
	static const char *const words[] = { "status", "log", "shell", "off" };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		read_key("Console", words[i]);
		assert_int_equal(diags.count, 0);
		assert_int_equal(config.console, i);
	}
	read_key("Console", "Shell");
	assert_int_equal(config.console, APPLIANCE_CONSOLE_STATUS);
	expect_only_complaint(
		"appliance.ini:2:9: error: System.Console: 'Shell': status, log, shell or off is expected");
}

static void hashes(void **state)
{
	static const char *const good[] = {
		SHA512, SHA256, BCRYPT,
		"$5$0123456789abcdef$LQh5dDdmCsGVrZVGQPc4VNXIxKJ2RY2Vv2aBr6RCKs6"
	};
	static const char *const bad[] = {
		"secret",
		"$1$salt$qFmFH.bQmmtXzyBY0s9v70", /* MD5 */
		"$6$salt$short",
		"$6$$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/",
		SHA512 "x",
		SHA512 ":",
		"$6$saltsaltsaltsaltx$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/",
		"$5$rounds=10$salt$3xv.VbSCBX41eDL9L3voZredBitBfyQDbtdg0Wkw8A7",
		"$5$rounds=99999999$salt$3xv.VbSCBX41eDL9L3voZredBitBfyQDbtdg0Wkw8A7",
		"$5$rounds=1000",
		"$2y$03$abcdefghijklmnopqrstuuGNUZ4Wwz1nKcv2L5J3yEV0aA2VB0K2.",
		"$2y$32$abcdefghijklmnopqrstuuGNUZ4Wwz1nKcv2L5J3yEV0aA2VB0K2.",
		"$2y$1x$abcdefghijklmnopqrstuuGNUZ4Wwz1nKcv2L5J3yEV0aA2VB0K2.",
		BCRYPT "a",
		"$2y$12",
		"$y$j9T$salt$hash",
		"*",
		"!",
		"$6$",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		read_key("RootPassword", good[i]);
		if (diags.count || !config.root_password ||
		    strcmp(config.root_password, good[i]) != 0)
			fail_msg("%s was refused", good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		read_key("RootPassword", bad[i]);
		if (diags.count != 1 || config.root_password)
			fail_msg("%s was taken", bad[i]);
	}
	read_key("RootPassword", "off");
	assert_int_equal(diags.count, 0);
	assert_string_equal(config.root_password, "");
	read_key("RootPassword", "");
	assert_null(config.root_password);
}

/* Notes are shown to everybody who asks for the status. */
static void a_password_is_never_repeated(void **state)
{
	(void)state;
	read_key("RootPassword", "correct horse");
	expect_only_complaint(
		"appliance.ini:2:14: error: System.RootPassword: the value (not shown here): off, or what \"cleat password\" or \"openssl passwd -6\" makes of a password, is expected");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(host_names, reset, reset),
		cmocka_unit_test_setup_teardown(time_zones, reset, reset),
		cmocka_unit_test_setup_teardown(consoles, reset, reset),
		cmocka_unit_test_setup_teardown(hashes, reset, reset),
		cmocka_unit_test_setup_teardown(a_password_is_never_repeated, reset, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
