/* SPDX-License-Identifier: Apache-2.0 */
/* URLs of probes: what is taken, what is refused and with which words. */
#include "unit_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "shim/url.h"

static struct shim_url good(const char *text, bool is_http)
{
	struct shim_url url;
	struct err err = { 0 };

	if (shim_url_parse(text, is_http, &url, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return url;
}

static void bad(const char *text, bool is_http, const char *words)
{
	struct shim_url url;
	struct err err = { 0 };

	if (shim_url_parse(text, is_http, &url, &err) == 0)
		fail_msg("%s was taken", text);
	if (!strstr(err.msg, words))
		fail_msg("%s: \"%s\" does not say \"%s\"", text, err.msg, words);
}

static void check_v4(const struct shim_url *url, unsigned index, const char *ip, uint16_t port)
{
	const struct sockaddr_in *a = (const struct sockaddr_in *)&url->addresses[index];
	char text[INET_ADDRSTRLEN];

	assert_int_equal(a->sin_family, AF_INET);
	assert_int_equal(url->lengths[index], sizeof(*a));
	assert_int_equal(ntohs(a->sin_port), port);
	assert_string_equal(inet_ntop(AF_INET, &a->sin_addr, text, sizeof(text)), ip);
}

static void check_v6(const struct shim_url *url, unsigned index, const char *ip, uint16_t port)
{
	const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)&url->addresses[index];
	char text[INET6_ADDRSTRLEN];

	assert_int_equal(a->sin6_family, AF_INET6);
	assert_int_equal(ntohs(a->sin6_port), port);
	assert_string_equal(inet_ntop(AF_INET6, &a->sin6_addr, text, sizeof(text)), ip);
}

static void http_urls(void **state)
{
	struct shim_url url = good("http://127.0.0.1:8000/health?x=1", true);

	(void)state;
	assert_int_equal(url.count, 1);
	check_v4(&url, 0, "127.0.0.1", 8000);
	assert_string_equal(url.host, "127.0.0.1:8000");
	assert_string_equal(url.path, "/health?x=1");
	url = good("http://10.0.0.1", true);
	check_v4(&url, 0, "10.0.0.1", 80);
	assert_string_equal(url.path, "");
	url = good("http://[fd00::1]:65535/", true);
	check_v6(&url, 0, "fd00::1", 65535);
	assert_string_equal(url.host, "[fd00::1]:65535");
	url = good("http://[::1]/x", true);
	check_v6(&url, 0, "::1", 80);
}

static void tcp_urls(void **state)
{
	struct shim_url url = good("tcp://[::1]:5432", false);

	(void)state;
	check_v6(&url, 0, "::1", 5432);
	url = good("tcp://192.168.1.1:1", false);
	check_v4(&url, 0, "192.168.1.1", 1);
}

static void localhost_is_both_families(void **state)
{
	struct shim_url url = good("http://localhost:81/", true);

	(void)state;
	assert_int_equal(url.count, 2);
	check_v4(&url, 0, "127.0.0.1", 81);
	check_v6(&url, 1, "::1", 81);
}

static void what_is_refused(void **state)
{
	static char longer[SHIM_URL_MAX + 10];

	(void)state;
	memset(longer, 'a', sizeof(longer) - 1);
	memcpy(longer, "http://1.2.3.4/", 15);
	bad(longer, true, "longer than 2048 bytes");
	longer[SHIM_URL_MAX] = '\0';
	good(longer, true);
	bad("https://127.0.0.1/", true, "https:// is not supported");
	bad("ftp://127.0.0.1/", true, "begin with http://");
	bad("http://127.0.0.1/", false, "begin with tcp://");
	bad("http://example.com/", true, "example.com: only IPv4");
	bad("http://localhost.evil/", true, "only IPv4");
	bad("http://1.2.3/", true, "only IPv4");
	bad("http://user@127.0.0.1/", true, "user name");
	bad("http:///x", true, "host of 0 bytes");
	bad("http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/",
	    true, "host of 83 bytes");
	bad("http://127.0.0.1:/", true, "port");
	bad("http://127.0.0.1:0/", true, "port");
	bad("http://127.0.0.1:65536/", true, "port");
	bad("http://127.0.0.1:80x/", true, "port");
	bad("http://[::1/", true, "no ]");
	bad("http://[::1]80/", true, "port");
	bad("http://[127.0.0.1]/", true, "only IPv4");
	bad("http://127.0.0.1?x", true, "path that begins with /");
	bad("http://127.0.0.1/a#b", true, "no #");
	bad("tcp://127.0.0.1", false, "port");
	bad("tcp://127.0.0.1:1/", false, "no path");
	bad("http://127.0.0.1/a b", true, "byte 0x20");
	bad("http://127.0.0.1/\r\nX: y", true, "byte 0x0d");
	bad("http://127.0.0.1/\xc3\xa4", true, "byte 0xc3");
	bad("", true, "begin with");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(http_urls),
		cmocka_unit_test(tcp_urls),
		cmocka_unit_test(localhost_is_both_families),
		cmocka_unit_test(what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
