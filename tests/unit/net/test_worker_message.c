/* SPDX-License-Identifier: Apache-2.0 */
/* Requests as bytes: there and back, and everything that is refused. */
#include "net_fixture.h"

#include "net/worker_message.h"

static struct wish wish;

static void make(void)
{
	wish_init(&wish);
	wish_bridge(&wish, "cleat0", "10.88.0.1", 16);
	wish_endpoint(&wish, "v1", "cleat0", "10.88.0.5");
	wish_port(&wish, 8000, "10.88.0.5", 80);
}

static void there_and_back(void **state)
{
	auto_buf out = BUF_INIT(NET_REQUEST_MAX);
	struct net_request head;
	struct net_wanted got;
	struct err err;

	(void)state;
	make();
	assert_int_equal(net_request_encode(NET_REQUEST_APPLY, 7, &wish.wanted, &out, &err), 0);
	assert_int_equal(net_request_decode(out.data, out.len, &head, &got, &err), 0);
	assert_int_equal(head.kind, NET_REQUEST_APPLY);
	assert_int_equal(head.generation, 7);
	assert_int_equal(got.bridge_count, 1);
	assert_memory_equal(got.bridges, wish.bridges, sizeof(wish.bridges[0]));
	assert_memory_equal(got.endpoints, wish.endpoints, sizeof(wish.endpoints[0]));
	assert_memory_equal(got.ports, wish.ports, sizeof(wish.ports[0]));
	net_wanted_fini(&got);
	assert_null(got.ports);
	buf_clear(&out);
	assert_int_equal(net_request_encode(NET_REQUEST_CLEAR, 8, NULL, &out, &err), 0);
	assert_int_equal(net_request_decode(out.data, out.len, &head, &got, &err), 0);
	assert_int_equal(head.kind, NET_REQUEST_CLEAR);
	net_wanted_fini(&got);
}

static void every_cut_is_refused(void **state)
{
	auto_buf out = BUF_INIT(NET_REQUEST_MAX);
	struct net_request head;
	struct net_wanted got;
	struct err err;

	(void)state;
	make();
	assert_int_equal(net_request_encode(NET_REQUEST_APPLY, 7, &wish.wanted, &out, &err), 0);
	for (size_t len = 0; len < out.len; len++) {
		unsigned char *copy = malloc(len ? len : 1);

		memcpy(copy, out.data, len);
		assert_int_equal(net_request_decode(copy, len, &head, &got, &err), -1);
		assert_int_equal(err.code, ERR_INTEGRITY);
		free(copy);
	}
	buf_putc(&out, 'x');
	assert_int_equal(net_request_decode(out.data, out.len, &head, &got, &err), -1);
	assert_string_equal(err.msg, "request: 1 bytes too many");
}

static void assert_refused(const char *reason)
{
	auto_buf out = BUF_INIT(NET_REQUEST_MAX);
	struct net_request head;
	struct net_wanted got;
	struct err err;

	assert_int_equal(net_request_encode(NET_REQUEST_APPLY, 9, &wish.wanted, &out, &err), 0);
	assert_int_equal(net_request_decode(out.data, out.len, &head, &got, &err), -1);
	assert_string_equal(err.msg, reason);
	assert_int_equal(head.generation, 9); /* so that it can be answered */
	assert_null(got.bridges);
	make();
}

static void what_cannot_be_is_refused(void **state)
{
	(void)state;
	make();
	snprintf(wish.bridges[0].name, NET_LINK_NAME, "eth0");
	assert_refused("request: bridge 0: not a name of ours");
	memset(wish.bridges[0].name, 'x', NET_LINK_NAME);
	assert_refused("request: bridge 0: not a name of ours");
	snprintf(wish.bridges[0].name, NET_LINK_NAME, "cleat-../a");
	assert_refused("request: bridge 0: not a name of ours");
	wish.bridges[0].prefix = 31;
	assert_refused("request: bridge cleat0: a number is out of range");
	wish.bridges[0].prefix = 0;
	assert_refused("request: bridge cleat0: a number is out of range");
	memset(&wish.bridges[0].internal, 2, 1);
	assert_refused("request: bridge cleat0: a number is out of range");
	memset(&wish.bridges[0].isolate, 0xff, 1);
	assert_refused("request: bridge cleat0: a number is out of range");
	memset(&wish.ports[0].udp, 2, 1);
	assert_refused("request: port 0: a number is out of range");
	wish.bridges[0].mtu = 67;
	assert_refused("request: bridge cleat0: a number is out of range");
	wish.bridges[0].address.s_addr = 0;
	assert_refused("request: bridge cleat0: a number is out of range");
	wish_bridge(&wish, "cleat0", "10.1.0.1", 16);
	assert_refused("request: bridge cleat0: twice");
	wish.endpoints[0].link[0] = '\0';
	assert_refused("request: interface 0: not a name of ours");
	snprintf(wish.endpoints[0].link, NET_LINK_NAME, "lo");
	assert_refused("request: interface 0: not a name of ours");
	snprintf(wish.endpoints[0].link, NET_LINK_NAME, "cleat-x");
	assert_refused("request: interface 0: not a name of ours");
	snprintf(wish.endpoints[0].bridge, NET_LINK_NAME, "cleat-x");
	assert_refused("request: interface v1: on a bridge that is not wanted");
	wish.endpoints[0].mac[0] = 1;
	assert_refused("request: interface v1: an address is out of range");
	wish_endpoint(&wish, "v1", "cleat0", "10.88.0.6");
	assert_refused("request: interface v1: twice");
	wish.ports[0].count = 0;
	assert_refused("request: port 0: a number is out of range");
	wish.ports[0].host_first = 0;
	assert_refused("request: port 0: a number is out of range");
	wish.ports[0].host_first = 65535;
	wish.ports[0].count = 2;
	assert_refused("request: port 0: a number is out of range");
	wish.ports[0].first = 65000;
	wish.ports[0].count = 1000;
	assert_refused("request: port 0: a number is out of range");
	wish.ports[0].address.s_addr = 0;
	assert_refused("request: port 8000: leads nowhere");
	snprintf(wish.ports[0].bridge, NET_LINK_NAME, "cleat-x");
	assert_refused("request: port 8000: leads nowhere");
}

static void too_many_are_not_sent(void **state)
{
	auto_buf out = BUF_INIT(NET_REQUEST_MAX);
	struct err err;

	(void)state;
	make();
	wish.wanted.bridge_count = NET_MAX_BRIDGES + 1;
	assert_int_equal(net_request_encode(NET_REQUEST_APPLY, 1, &wish.wanted, &out, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(too_many_are_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
