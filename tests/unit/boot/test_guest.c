/* SPDX-License-Identifier: Apache-2.0 */
/* What a container manager's guest socket says: answers and frames whole, in pieces, cut off and wrong; keys as files; a conversation with a server. */
#include "unit_test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot/config_watch.h"
#include "boot/guest.h"
#include "boot/guest_http.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/scratch.h"

static struct err err;

/* --- answers --------------------------------------------------------------------------------------------------------------------- */

static enum guest_parse parse(const char *text, size_t len, int *status, char *body, size_t size,
			      size_t *used)
{
	auto_buf out = BUF_INIT(GUEST_MAX_BODY_BYTES);
	enum guest_parse rc = guest_answer_parse(text, len, status, &out, used, &err);

	snprintf(body, size, "%s", buf_str(&out));
	return rc;
}

/* Whole, followed by the next answer, and cut off at every byte. */
static void expect_answer(const char *text, int status, const char *body)
{
	size_t len = strlen(text), used = 0;
	char longer[2048], found[1024];
	int got = 0;

	assert_int_equal(parse(text, len, &got, found, sizeof(found), &used), GUEST_DONE);
	assert_int_equal(got, status);
	assert_int_equal(used, len);
	assert_string_equal(found, body);
	snprintf(longer, sizeof(longer), "%sHTTP/1.1 500 x\r\n", text);
	assert_int_equal(parse(longer, strlen(longer), &got, found, sizeof(found), &used),
			 GUEST_DONE);
	assert_int_equal(used, len);
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(parse(text, i, &got, found, sizeof(found), &used), GUEST_MORE);
		assert_string_equal(found, "");
	}
}

static void answers(void **state)
{
	(void)state;
	expect_answer(
		"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\ncontent-length: 5 \r\n\r\nhello",
		200, "hello");
	expect_answer("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404, "");
	expect_answer("HTTP/1.1 204 No Content\r\n\r\n", 204, "");
	expect_answer("HTTP/1.0 200\r\nContent-Length: 2\r\n\r\n{}", 200, "{}");
	expect_answer("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", 101, "");
	expect_answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
		      "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
		      200, "abc0123456789");
}

static void answers_that_are_none(void **state)
{
	static const char *const cases[] = {
		"SSH-2.0-OpenSSH\r\n",
		"HTTP/2 200 OK\r\n",
		"HTTP/1.1 20 OK\r\n",
		"HTTP/1.1 2000 OK\r\n",
		"HTTP/1.1 099 OK\r\n",
		"HTTP/1.1 200 OK\n",
		"HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char body[64];
		size_t used;
		int status;

		err.msg[0] = '\0';
		if (parse(cases[i], strlen(cases[i]), &status, body, sizeof(body), &used) !=
			    GUEST_BAD ||
		    !err.msg[0])
			fail_msg("%s: %s", cases[i], err.msg);
	}
}

static void answers_have_bounds(void **state)
{
	auto_buf text = BUF_INIT(4 * 1024 * 1024), body = BUF_INIT(GUEST_MAX_BODY_BYTES);
	size_t used;
	int status;

	(void)state;
	buf_puts(&text, "HTTP/1.1 200 OK\r\n");
	while (text.len < GUEST_MAX_HEAD_BYTES)
		buf_puts(&text, "X-Header: and so on\r\n");
	assert_int_equal(guest_answer_parse(text.data, text.len, &status, &body, &used, &err),
			 GUEST_BAD);
	buf_clear(&text);
	buf_puts(&text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 17; i++) {
		buf_puts(&text, "10000\r\n");
		memset(buf_extend(&text, 65536), 'x', 65536);
		buf_puts(&text, "\r\n");
	}
	assert_int_equal(guest_answer_parse(text.data, text.len, &status, &body, &used, &err),
			 GUEST_BAD);
	assert_non_null(strstr(err.msg, "too large"));
}

/* --- frames ---------------------------------------------------------------------------------------------------------------------- */

static void expect_frame(const char *bytes, size_t len, unsigned opcode, const char *payload)
{
	struct guest_frame frame;
	size_t used;

	assert_int_equal(guest_frame_parse(bytes, len, &frame, &used, &err), GUEST_DONE);
	assert_int_equal(frame.opcode, opcode);
	assert_int_equal(frame.len, strlen(payload));
	assert_memory_equal(frame.payload, payload, frame.len);
	assert_int_equal(used, len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(guest_frame_parse(bytes, i, &frame, &used, &err), GUEST_MORE);
}

static void frames(void **state)
{
	auto_buf medium = BUF_INIT(1024);
	struct guest_frame frame;
	size_t used;
	char text[201];

	(void)state;
	expect_frame("\x81\x02{}", 4, GUEST_TEXT, "{}");
	expect_frame("\x89\x00", 2, GUEST_PING, "");
	expect_frame("\x00\x01x", 3, 0, "x");
	memset(text, 'y', 200);
	text[200] = '\0';
	buf_add(&medium, "\x82\x7e\x00\xc8", 4);
	buf_puts(&medium, text);
	expect_frame(medium.data, medium.len, GUEST_BINARY, text);
	buf_clear(&medium);
	buf_add(&medium, "\x82\x7f\x00\x00\x00\x00\x00\x00\x00\xc8", 10);
	buf_puts(&medium, text);
	expect_frame(medium.data, medium.len, GUEST_BINARY, text);

	assert_int_equal(guest_frame_parse("\x81\x82xxxx{}", 8, &frame, &used, &err), GUEST_BAD);
	assert_int_equal(guest_frame_parse("\xc1\x02{}", 4, &frame, &used, &err), GUEST_BAD);
	assert_int_equal(guest_frame_parse("\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x01", 10, &frame,
					   &used, &err),
			 GUEST_BAD);
	assert_int_equal(guest_frame_parse("\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10, &frame,
					   &used, &err),
			 GUEST_BAD);
}

static void what_is_sent(void **state)
{
	auto_buf out = BUF_INIT(1024);
	uint32_t mask;

	(void)state;
	memcpy(&mask, "\x01\x02\x03\x04", 4);
	guest_frame_write(&out, GUEST_PONG, "abcde", 5, mask);
	assert_int_equal(out.len, 11);
	assert_memory_equal(out.data, "\x8a\x85\x01\x02\x03\x04\x60\x60\x60\x60\x64", 11);
	buf_clear(&out);
	guest_path(&out, "user.quadlet.a b/%\xc3\xa4?.container");
	assert_string_equal(buf_str(&out),
			    "/1.0/config/user.quadlet.a%20b%2F%25%C3%A4%3F.container");
}

/* --- keys ------------------------------------------------------------------------------------------------------------------------ */

static void lists_of_keys(void **state)
{
	static const char list[] =
		"[\"/1.0/config/user.quadlet.web.container\",\"/1.0/config/user.other\",17,null,"
		"\"/1.0/config/user.cleat.System.Hostname\",\"/2.0/config/user.cleat.A.B\","
		"\"/1.0/config/user.network-config\",\"/1.0/config/user.cleat.a\\u0000b\"]";
	struct arena arena = { 0 };
	auto_buf many = BUF_INIT(1024 * 1024);
	struct guest_key *keys;
	size_t count;

	(void)state;
	assert_int_equal(guest_keys_parse(list, sizeof(list) - 1, &arena, &keys, &count, &err), 0);
	assert_int_equal(count, 3);
	assert_string_equal(keys[0].name, "user.quadlet.web.container");
	assert_string_equal(keys[1].name, "user.cleat.System.Hostname");
	assert_string_equal(keys[2].name, "user.network-config");
	assert_int_equal(guest_keys_parse("[]", 2, &arena, &keys, &count, &err), 0);
	assert_int_equal(count, 0);
	assert_int_equal(guest_keys_parse("{}", 2, &arena, &keys, &count, &err), -1);
	assert_int_equal(guest_keys_parse("[", 1, &arena, &keys, &count, &err), -1);
	assert_int_equal(guest_keys_parse("", 0, &arena, &keys, &count, &err), -1);
	buf_puts(&many, "[\"\"");
	for (unsigned i = 0; i <= GUEST_MAX_KEYS; i++)
		buf_printf(&many, ",\"/1.0/config/user.quadlet.%u.container\"", i);
	buf_puts(&many, "]");
	assert_int_equal(guest_keys_parse(many.data, many.len, &arena, &keys, &count, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	arena_fini(&arena);
}

#define KEY(name, value)                       \
	{                                      \
		name, value, sizeof(value) - 1 \
	}

static void keys_as_appliance_ini(void **state)
{
	static const struct guest_key keys[] = {
		KEY("user.cleat.System.Hostname", "web-1"),
		KEY("user.cleat.Link.eth0.100.Address", "192.0.2.1/24\n\n2001:db8::1/64\n"),
		KEY("user.cleat.System.TimeZone", "Europe/Berlin"),
		KEY("user.cleat.Log.Budget", ""),
		KEY("user.quadlet.web.container", "not here"),
		KEY("user.cleat.Hostname", "x"),
		KEY("user.cleat.System.", "x"),
		KEY("user.cleat.Sys]tem.Key", "x"),
		KEY("user.cleat.Link..Key", "x"),
		KEY("user.cleat.Link.a]b.Key", "x"),
		KEY("user.cleat.Link.a b.Key", "x"),
		KEY("user.cleat.System.A", "one\\\n[Log]"),
		KEY("user.cleat.System.B", "one\\"),
		KEY("user.cleat.System.C", "a\rb"),
		KEY("user.cleat.System.D", "a\0b"),
	};
	struct config_problems problems = { .text = BUF_INIT(CONFIG_MAX_PROBLEMS_BYTES) };
	auto_buf out = BUF_INIT(4096);
	unsigned refused;

	(void)state;
	guest_keys_appliance(keys, sizeof(keys) / sizeof(keys[0]), &out, &problems);
	assert_string_equal(buf_str(&out),
			    "[System]\n# user.cleat.System.Hostname\nHostname=web-1\n"
			    "[Link eth0.100]\n# user.cleat.Link.eth0.100.Address\n"
			    "Address=192.0.2.1/24\nAddress=2001:db8::1/64\n"
			    "[System]\n# user.cleat.System.TimeZone\n"
			    "TimeZone=Europe/Berlin\n"
			    "[Log]\n# user.cleat.Log.Budget\n");
	assert_non_null(strstr(buf_str(&problems.text),
			       "user.cleat.Hostname: user.cleat.SECTION.KEY is expected"));
	/* all ten of them, said or counted */
	refused = 1 + problems.more;
	for (const char *at = buf_str(&problems.text); (at = strstr(at, "; ")); at++)
		refused++;
	assert_int_equal(refused, 10);
	buf_fini(&problems.text);
}

static void keys_as_files(void **state)
{
	static const struct guest_key keys[] = {
		KEY("user.network-config", "version: 1\n"),
		KEY("user.quadlet.web.container", "[Container]\n"),
		KEY("cloud-init.network-config", "version: 2\n"),
		KEY("user.quadlet.../../etc/passwd", "x"),
		KEY("user.quadlet.web", "x"),
		KEY("user.cleat.Log.Budget", "10m"),
	};
	struct config_problems problems = { .text = BUF_INIT(CONFIG_MAX_PROBLEMS_BYTES) };
	const struct scratch *s = *state;
	auto_buf text = BUF_INIT(1024);
	struct config_tree t;
	char path[128];

	snprintf(path, sizeof(path), "%s/tree", s->path);
	assert_int_equal(config_tree_open(&t, path, 0, &err), 0);
	guest_keys_fill(&t, keys, sizeof(keys) / sizeof(keys[0]), &problems);
	assert_int_equal(t.count, 3);
	assert_true(scratch_exists(s, "tree/units/web.container"));
	assert_int_equal(file_read_at(s->fd, "tree/network-config", 1024, &text, &err), 0);
	assert_string_equal(buf_str(&text), "version: 2\n");
	buf_clear(&text);
	assert_int_equal(file_read_at(s->fd, "tree/appliance.ini", 1024, &text, &err), 0);
	assert_string_equal(buf_str(&text), "[Log]\n# user.cleat.Log.Budget\nBudget=10m\n");
	assert_non_null(strstr(buf_str(&problems.text), "user.quadlet.../../etc/passwd: "));
	assert_non_null(strstr(buf_str(&problems.text), "user.quadlet.web: "));
	buf_fini(&problems.text);
	config_tree_close(&t);
}

/* --- a conversation -------------------------------------------------------------------------------------------------------------- */

/* Reads one request's head and answers with the text; NULL: hangs up. */
static pid_t serve(const struct guest *g, int fd, const char *const *answers)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	close(g->fd); /* else it would never see the other end go */
	alarm(20);
	for (; *answers; answers++) {
		char request[4096];
		size_t len = 0;

		while (len < 4 || memcmp(request + len - 4, "\r\n\r\n", 4) != 0)
			if (read(fd, request + len, 1) != 1 || ++len == sizeof(request))
				_exit(2);
		/* in pieces, as a stream may come */
		for (const char *at = *answers; *at; at++)
			if (write(fd, at, 1) != 1)
				_exit(3);
	}
	_exit(0);
}

static void converse(struct guest *g, int *other)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	*g = (struct guest){ .fd = ends[0], .in = BUF_INIT(GUEST_MAX_ANSWER_BYTES) };
	*other = ends[1];
}

static void end(struct guest *g, int other, pid_t pid)
{
	int status;

	guest_close(g);
	close(other);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void keys_are_read_one_after_the_other(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 79\r\n\r\n"
		"[\"/1.0/config/user.quadlet.a.container\",\"/1.0/config/user.quadlet.b.container\"]",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
		"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found", /* removed meanwhile */
		NULL,
	};
	struct config_problems problems = { .text = BUF_INIT(CONFIG_MAX_PROBLEMS_BYTES) };
	const struct scratch *s = *state;
	auto_buf text = BUF_INIT(64);
	struct config_tree t;
	struct guest g;
	char path[128];
	pid_t pid;
	int other;

	converse(&g, &other);
	pid = serve(&g, other, answers);
	snprintf(path, sizeof(path), "%s/tree", s->path);
	assert_int_equal(config_tree_open(&t, path, 0, &err), 0);
	if (guest_sync(&g, &t, &problems, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(file_read_at(s->fd, "tree/units/a.container", 64, &text, &err), 0);
	assert_string_equal(buf_str(&text), "abc");
	assert_int_equal(problems.text.len, 0);
	config_tree_close(&t);
	end(&g, other, pid);
}

static void what_goes_wrong_is_said(void **state)
{
	static const struct {
		const char *answer, *said;
		enum err_code code;
	} cases[] = {
		{ "HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nno!", "status 401: no!",
		  ERR_UNSUPPORTED },
		{ "HTTP/1.1 503 Starting\r\nContent-Length: 0\r\n\r\n", "status 503", ERR_BUSY },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "no list of keys", ERR_INPUT },
		{ "banana\r\n", "no HTTP", ERR_INPUT },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n[", "it was closed", ERR_BUSY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const answers[] = { cases[i].answer, NULL };
		struct config_tree t = { .dir = -1 };
		struct guest g;
		pid_t pid;
		int other;

		converse(&g, &other);
		pid = serve(&g, other, answers);
		close(other); /* the server's own is the last one */
		assert_int_equal(guest_sync(&g, &t, NULL, &err), -1);
		if (!strstr(err.msg, cases[i].said) || err.code != cases[i].code)
			fail_msg("%s: %s", cases[i].answer, err.msg);
		end(&g, -1, pid);
	}
}

static void events_are_heard_and_pings_answered(void **state)
{
	struct guest g;
	char pong[32];
	int other;

	(void)state;
	converse(&g, &other);
	assert_int_equal(guest_hear(&g, &err), 0);
	assert_int_equal(write(other, "\x81\x02", 2), 2);
	assert_int_equal(guest_hear(&g, &err), 0); /* the rest is on its way */
	assert_int_equal(write(other, "{}\x89\x02hi", 6), 6);
	assert_int_equal(guest_hear(&g, &err), 1);
	assert_int_equal(read(other, pong, sizeof(pong)), 8);
	assert_memory_equal(pong, "\x8a\x82", 2);
	assert_int_equal(pong[6] ^ pong[2], 'h');
	assert_int_equal(write(other, "\x89\x00", 2), 2);
	assert_int_equal(guest_hear(&g, &err), 0);
	assert_int_equal(write(other, "\x88\x00", 2), 2);
	assert_int_equal(guest_hear(&g, &err), -1);
	assert_non_null(strstr(err.msg, "closed"));
	close(other);
	assert_int_equal(guest_hear(&g, &err), -1);
	guest_close(&g);
}

static void subscribing(void **state)
{
	static const char *const yes[] = { "HTTP/1.1 101 Switching Protocols\r\n\r\n", NULL };
	static const char *const no[] = { "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
					  NULL };
	struct guest g;
	pid_t pid;
	int other;

	(void)state;
	converse(&g, &other);
	pid = serve(&g, other, yes);
	assert_int_equal(guest_subscribe(&g, &err), 0);
	end(&g, other, pid);
	converse(&g, &other);
	pid = serve(&g, other, no);
	assert_int_equal(guest_subscribe(&g, &err), -1);
	assert_non_null(strstr(err.msg, "status 400"));
	end(&g, other, pid);
}

static void it_is_said_that_all_is_up(void **state)
{
	static const char wanted[] =
		"PATCH /1.0 HTTP/1.1\r\nHost: guest\r\nUser-Agent: cleat\r\nContent-Type: application/json\r\n"
		"Content-Length: 17\r\n\r\n{\"state\":\"Ready\"}";
	static const struct {
		const char *answer;
		int rc;
		enum err_code code;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, ERR_NONE },
		{ "HTTP/1.1 405 Not Allowed\r\nContent-Length: 2\r\n\r\nno", -1, ERR_UNSUPPORTED },
		{ "HTTP/1.1 500 Away\r\nContent-Length: 0\r\n\r\n", -1, ERR_BUSY },
		{ "nonsense\r\n\r\n", -1, ERR_INPUT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char request[512] = "";
		struct guest g;
		int other;

		converse(&g, &other);
		assert_true(write(other, cases[i].answer, strlen(cases[i].answer)) > 0);
		assert_int_equal(guest_say_ready(&g, &err), cases[i].rc);
		if (cases[i].rc < 0)
			assert_int_equal(err.code, cases[i].code);
		assert_true(read(other, request, sizeof(request) - 1) > 0);
		assert_string_equal(request, wanted);
		guest_close(&g);
		close(other);
	}
}

static void a_socket_that_is_not_there(void **state)
{
	const struct scratch *s = *state;
	struct guest g;
	char path[200];

	snprintf(path, sizeof(path), "%s/sock", s->path);
	assert_int_equal(guest_connect(&g, path, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	guest_close(&g);
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(guest_connect(&g, path, &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
	guest_close(&g);
}

/* --- the kernel's messages ------------------------------------------------------------------------------------------------------- */

static bool is_source(const char *message, size_t len)
{
	return config_watch_is_source(message, len);
}

static void messages_of_the_kernel(void **state)
{
	static const char block[] = "add@/devices/x/vdb\0ACTION=add\0DEVPATH=/x\0SUBSYSTEM=block";
	static const char bind[] = "bind@/devices/x\0ACTION=bind\0SUBSYSTEM=virtio";
	static const char gone[] = "remove@/devices/x\0ACTION=remove\0SUBSYSTEM=block";
	static const char net[] = "add@/devices/x\0ACTION=add\0SUBSYSTEM=net";

	(void)state;
	assert_true(is_source(block, sizeof(block)));
	assert_true(is_source(bind, sizeof(bind)));
	assert_false(is_source(gone, sizeof(gone)));
	assert_false(is_source(net, sizeof(net)));
	assert_false(is_source(block, sizeof(block) - 1)); /* cut off */
	assert_false(is_source("", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(answers_that_are_none),
		cmocka_unit_test(answers_have_bounds),
		cmocka_unit_test(frames),
		cmocka_unit_test(what_is_sent),
		cmocka_unit_test(lists_of_keys),
		cmocka_unit_test(keys_as_appliance_ini),
		scratch_test(keys_as_files),
		scratch_test(keys_are_read_one_after_the_other),
		cmocka_unit_test(what_goes_wrong_is_said),
		cmocka_unit_test(events_are_heard_and_pings_answered),
		cmocka_unit_test(subscribing),
		cmocka_unit_test(it_is_said_that_all_is_up),
		scratch_test(a_socket_that_is_not_there),
		cmocka_unit_test(messages_of_the_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
