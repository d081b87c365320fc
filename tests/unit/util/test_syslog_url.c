/* SPDX-License-Identifier: Apache-2.0 */
/* Where to ship to: every form, and everything that is none. */
#include "unit_test.h"

#include <string.h>

#include "util/syslog_url.h"

static void expect(const char *text, enum syslog_transport transport, const char *host,
		   const char *port)
{
	struct syslog_url url;
	struct err err;

	assert_int_equal(syslog_url_parse(text, &url, &err), 0);
	assert_int_equal(url.transport, transport);
	assert_string_equal(url.host, host);
	assert_string_equal(url.port, port);
}

static void forms(void **state)
{
	(void)state;
	expect("udp://logs.example.com", SYSLOG_UDP, "logs.example.com", "514");
	expect("tcp://192.0.2.1", SYSLOG_TCP, "192.0.2.1", "601");
	expect("tls://logs", SYSLOG_TLS, "logs", "6514");
	expect("tls://logs:10514", SYSLOG_TLS, "logs", "10514");
	expect("tcp://[2001:db8::1]:99", SYSLOG_TCP, "2001:db8::1", "99");
	expect("udp://[::1]", SYSLOG_UDP, "::1", "514");
}

static void what_is_none_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"logs",
		"http://logs",
		"tls://",
		"tls://:6514",
		"tls://logs:",
		"tls://logs:0",
		"tls://logs:65536",
		"tls://logs:1x",
		"tls://logs/path",
		"tls://user@logs",
		"tls://[::1",
		"tls://[]",
		"tls://[logs]",
		"tls://[::1]6514",
		"tls://a b",
		"TLS://logs",
		"tls://2001:db8::1:5",
	};
	struct syslog_url url;
	char text[400] = "tls://";
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err.msg[0] = '\0';
		if (syslog_url_parse(bad[i], &url, &err) == 0)
			fail_msg("%s was taken", bad[i]);
		assert_true(err.msg[0]);
	}
	memset(text + 6, 'a', 300);
	assert_int_equal(syslog_url_parse(text, &url, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(what_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
