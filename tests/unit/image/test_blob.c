/* SPDX-License-Identifier: Apache-2.0 */
/* Layers on their way: whole, broken, resumed, paused, longer or shorter than promised, and other bytes than promised. */
#include "registry_test.h"

static struct world w;
static struct taken taken[MAX_LAYERS];

static int tear_down(void **state)
{
	(void)state;
	world_close(&w);
	for (size_t i = 0; i < MAX_LAYERS; i++)
		taken_free(&taken[i]);
	return 0;
}

static void open_with(serve_fn *serve, unsigned layers)
{
	world_open(&w, layers);
	world_serve(&w, serve);
	world_resolves(&w);
}

static const char *log_of(size_t server)
{
	return w.server[server].shared->log;
}

static void assert_taken(size_t layer)
{
	if (taken[layer].has_failed)
		fail_msg("%s", taken[layer].err.msg);
	assert_true(taken[layer].is_over);
	assert_int_equal(taken[layer].length, LAYER_BYTES);
	assert_memory_equal(taken[layer].data, w.fixture.layer[layer], LAYER_BYTES);
}

/* Every message names registry and digest; no byte is handed out beyond the layer's length. */
static void assert_refused(enum err_code code, const char *part)
{
	assert_true(taken[0].is_over && taken[0].has_failed);
	assert_says(&taken[0].err, code, part);
	assert_non_null(strstr(taken[0].err.msg, w.fixture.layer_digest[0]));
	assert_non_null(strstr(taken[0].err.msg, "127.0.0.1:"));
	assert_true(taken[0].length <= LAYER_BYTES);
}

static void fetch_first(serve_fn *serve)
{
	open_with(serve, 1);
	world_fetch(&w, 0, &taken[0]);
	world_run(&w);
}

static void serve_honestly(struct ask *ask)
{
	serve_fixture(ask, &w.fixture);
}

static void layers_arrive_as_they_are(void **state)
{
	(void)state;
	open_with(serve_honestly, 4);
	for (size_t i = 0; i < 4; i++)
		world_fetch(&w, i, &taken[i]);
	world_run(&w);
	for (size_t i = 0; i < 4; i++)
		assert_taken(i);
	assert_null(strstr(log_of(0), "Range:"));
}

static void a_sink_may_take_little_and_pause(void **state)
{
	struct registry_transfer *t;
	unsigned running;

	(void)state;
	open_with(serve_honestly, 1);
	taken[0].at_most = 1000;
	taken[0].pause_each = 7;
	t = world_fetch(&w, 0, &taken[0]);
	do {
		world_turn(&w, &running);
		if (running)
			registry_resume(t);
	} while (running);
	assert_taken(0);
	assert_true(taken[0].pauses > 40);
	assert_int_equal(count_in(log_of(0), "/blobs/sha256"), 2);
}

/* A pause is not a stall, however long. */
static void a_paused_transfer_is_not_late(void **state)
{
	struct registry_transfer *t;
	unsigned running = 1, asked;
	usec_t until;

	(void)state;
	open_with(serve_honestly, 1);
	world_hurry(&w);
	taken[0].pause_each = 1;
	t = world_fetch(&w, 0, &taken[0]);
	while (!taken[0].pauses)
		world_turn(&w, NULL);
	asked = count_in(log_of(0), "/blobs/sha256");
	until = clock_now_usec() + 2 * w.limits.stall_timeout_usec;
	while (clock_now_usec() < until)
		if (registry_turn(w.registry, NULL, 0, 50, &running, &w.err) < 0)
			fail_msg("%s", w.err.msg);
	assert_false(taken[0].is_over);
	assert_int_equal(count_in(log_of(0), "/blobs/sha256"), asked);
	taken[0].pause_each = 0;
	registry_resume(t);
	world_run(&w);
	assert_taken(0);
}

static void only_so_many_run_at_a_time(void **state)
{
	struct registry_transfer *t[4];

	(void)state;
	open_with(serve_honestly, 4);
	for (size_t i = 0; i < 4; i++) {
		taken[i].pause_each = 1;
		t[i] = world_fetch(&w, i, &taken[i]);
	}
	while (!taken[0].pauses || !taken[1].pauses)
		world_turn(&w, NULL);
	for (int i = 0; i < 5; i++)
		registry_turn(w.registry, NULL, 0, 10, &(unsigned){ 0 }, &w.err) == 0 ? (void)0 :
											fail();
	/* the config and two layers */
	assert_int_equal(count_in(log_of(0), "/blobs/sha256"), 3);
	assert_int_equal(taken[2].calls, 0);
	for (size_t i = 0; i < 4; i++)
		taken[i].pause_each = 0;
	registry_resume(t[0]);
	registry_resume(t[1]);
	world_run(&w);
	for (size_t i = 0; i < 4; i++)
		assert_taken(i);
}

static void a_sink_that_gives_up_ends_it(void **state)
{
	(void)state;
	open_with(serve_honestly, 1);
	taken[0].refuses = true;
	world_fetch(&w, 0, &taken[0]);
	world_run(&w);
	assert_refused(ERR_SYS, "nobody takes its bytes");
	assert_int_equal(count_in(log_of(0), "/blobs/sha256"), 2);
}

/* Cut once, after a third. */
static void serve_cut_once(struct ask *ask)
{
	const char *range = header_of(ask, "Range: bytes=");
	char headers[200];
	size_t first = range ? strtoul(range, NULL, 10) : 0;

	if (layer_asked(ask, &w.fixture) == MAX_LAYERS) {
		serve_honestly(ask);
		return;
	}
	if (!range) {
		snprintf(headers, sizeof(headers), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n",
			 LAYER_BYTES);
		send_text(ask, headers);
		send_all(ask->fd, w.fixture.layer[0], LAYER_BYTES / 3);
		hang_up(ask);
	}
	snprintf(headers, sizeof(headers), "Content-Range: bytes %zu-%u/%u\r\n", first,
		 LAYER_BYTES - 1, LAYER_BYTES);
	reply(ask, "206 Partial Content", headers, w.fixture.layer[0] + first, LAYER_BYTES - first);
}

static void a_cut_connection_goes_on_where_it_was(void **state)
{
	char range[64];

	(void)state;
	fetch_first(serve_cut_once);
	assert_taken(0);
	snprintf(range, sizeof(range), "Range: bytes=%u-", LAYER_BYTES / 3);
	assert_int_equal(count_in(log_of(0), range), 1);
}

/* Cuts each time after a few bytes more, and knows no ranges. */
static void serve_whole_or_cut(struct ask *ask)
{
	unsigned n;
	char headers[200];

	if (layer_asked(ask, &w.fixture) == MAX_LAYERS) {
		serve_honestly(ask);
		return;
	}
	n = atomic_fetch_add(&ask->shared->count[0], 1);
	if (n < 2) {
		snprintf(headers, sizeof(headers), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n",
			 LAYER_BYTES);
		send_text(ask, headers);
		send_all(ask->fd, w.fixture.layer[0], LAYER_BYTES / 3 * (n + 1));
		hang_up(ask);
	}
	serve_honestly(ask);
}

static void a_server_without_ranges_is_read_again_up_to_there(void **state)
{
	(void)state;
	fetch_first(serve_whole_or_cut);
	assert_taken(0);
	assert_int_equal(count_in(log_of(0), "Range: bytes="), 2);
}

/* A part that begins before what was asked for, as some caches cut it. */
static void serve_earlier_part(struct ask *ask)
{
	const char *range = header_of(ask, "Range: bytes=");
	char headers[200];

	if (!range) {
		serve_cut_once(ask);
		return;
	}
	snprintf(headers, sizeof(headers), "Content-Range: bytes 1000-%u/*\r\n", LAYER_BYTES - 1);
	reply(ask, "206 Partial Content", headers, w.fixture.layer[0] + 1000, LAYER_BYTES - 1000);
}

static void what_a_part_repeats_is_dropped(void **state)
{
	(void)state;
	fetch_first(serve_earlier_part);
	assert_taken(0);
}

static void serve_bad_part(struct ask *ask)
{
	const char *range = header_of(ask, "Range: bytes=");
	char headers[200];
	unsigned long first = range ? strtoul(range, NULL, 10) : 0;

	if (!range) {
		serve_cut_once(ask);
		return;
	}
	switch (ask->shared->count[1]) {
	case 0: /* a hole */
		snprintf(headers, sizeof(headers), "Content-Range: bytes %lu-%u/%u\r\n", first + 1,
			 LAYER_BYTES - 1, LAYER_BYTES);
		break;
	case 1: /* another total */
		snprintf(headers, sizeof(headers), "Content-Range: bytes %lu-%u/%u\r\n", first,
			 LAYER_BYTES, LAYER_BYTES + 1);
		break;
	case 2: /* which part? */
		headers[0] = '\0';
		break;
	case 3:
		snprintf(headers, sizeof(headers), "Content-Range: bytes */%u\r\n", LAYER_BYTES);
		break;
	default: /* longer than what is missing */
		snprintf(headers, sizeof(headers), "Content-Range: bytes %lu-%u/%u\r\n", first,
			 LAYER_BYTES - 1, LAYER_BYTES);
		first -= 10;
	}
	reply(ask, "206 Partial Content", headers, w.fixture.layer[0] + first, LAYER_BYTES - first);
}

static void parts_that_do_not_fit_are_refused(void **state)
{
	static const char *const parts[] = { "does not begin at byte",
					     "registry serves 307201 bytes",
					     "does not begin at byte", "does not begin at byte",
					     "registry serves 307210 bytes" };

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		open_with(serve_bad_part, 1);
		w.server[0].shared->count[1] = i;
		world_fetch(&w, 0, &taken[0]);
		world_run(&w);
		assert_refused(ERR_INTEGRITY, parts[i]);
		tear_down(NULL);
	}
}

static void serve_unsatisfiable(struct ask *ask)
{
	if (header_of(ask, "Range: "))
		reply_text(ask, "416 Range Not Satisfiable", "", "");
	else
		serve_cut_once(ask);
}

static void a_range_that_is_not_there_ends_it(void **state)
{
	(void)state;
	fetch_first(serve_unsatisfiable);
	assert_refused(ERR_INTEGRITY, "HTTP 416");
}

static void serve_always_cut(struct ask *ask)
{
	if (header_of(ask, "Range: "))
		hang_up(ask);
	serve_cut_once(ask);
}

static void cuts_without_progress_have_an_end(void **state)
{
	(void)state;
	fetch_first(serve_always_cut);
	assert_refused(ERR_BUSY, "layer");
	assert_int_equal(taken[0].length, LAYER_BYTES / 3);
	/* one try and two more */
	assert_int_equal(count_in(log_of(0), "Range: bytes="), 2);
}

static void serve_other_length(struct ask *ask)
{
	if (layer_asked(ask, &w.fixture) == MAX_LAYERS)
		serve_honestly(ask);
	else
		reply(ask, "200 OK", "", w.fixture.layer[0], LAYER_BYTES - 1);
}

static void a_wrong_length_is_seen_before_the_first_byte(void **state)
{
	(void)state;
	fetch_first(serve_other_length);
	assert_refused(ERR_INTEGRITY, "registry serves 307199 bytes, the manifest says 307200");
	assert_int_equal(taken[0].length, 0);
	assert_int_equal(count_in(log_of(0), "/blobs/sha256"), 2);
}

static void serve_endless_layer(struct ask *ask)
{
	if (layer_asked(ask, &w.fixture) == MAX_LAYERS) {
		serve_honestly(ask);
		return;
	}
	send_text(ask, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (;;) {
		send_text(ask, "4b000\r\n");
		send_all(ask->fd, w.fixture.layer[0], LAYER_BYTES);
		send_text(ask, "\r\n");
	}
}

static void a_layer_without_end_is_cut_at_its_length(void **state)
{
	(void)state;
	fetch_first(serve_endless_layer);
	assert_refused(ERR_INTEGRITY, "serves more than the 307200 bytes");
}

static void serve_other_bytes(struct ask *ask)
{
	unsigned char *other;

	if (layer_asked(ask, &w.fixture) == MAX_LAYERS) {
		serve_honestly(ask);
		return;
	}
	other = malloc(LAYER_BYTES);
	memcpy(other, w.fixture.layer[0], LAYER_BYTES);
	other[LAYER_BYTES - 1] ^= 1;
	reply(ask, "200 OK", "", other, LAYER_BYTES);
	free(other);
}

static void other_bytes_of_the_same_length_are_refused(void **state)
{
	(void)state;
	fetch_first(serve_other_bytes);
	assert_refused(ERR_INTEGRITY, "its bytes have the digest sha256:");
}

/* Everything comes, but the answer never ends. */
static void serve_without_end_mark(struct ask *ask)
{
	if (layer_asked(ask, &w.fixture) == MAX_LAYERS) {
		serve_honestly(ask);
		return;
	}
	send_text(ask, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4b000\r\n");
	send_all(ask->fd, w.fixture.layer[0], LAYER_BYTES);
	wait_for_end(ask);
}

static void all_bytes_are_enough(void **state)
{
	(void)state;
	open_with(serve_without_end_mark, 1);
	world_hurry(&w);
	world_fetch(&w, 0, &taken[0]);
	world_run(&w);
	assert_taken(0);
}

static void serve_dripping_layer(struct ask *ask)
{
	char text[100];

	if (layer_asked(ask, &w.fixture) == MAX_LAYERS) {
		serve_honestly(ask);
		return;
	}
	snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", LAYER_BYTES);
	send_text(ask, text);
	for (size_t i = 0; i < LAYER_BYTES; i++) {
		send_all(ask->fd, w.fixture.layer[0] + i, 1);
		poll(NULL, 0, 20);
	}
}

static void a_drip_is_not_a_transfer(void **state)
{
	(void)state;
	world_open(&w, 1);
	w.limits.retries = 1;
	world_serve(&w, serve_dripping_layer);
	world_resolves(&w);
	world_hurry(&w);
	world_fetch(&w, 0, &taken[0]);
	world_run(&w);
	assert_refused(ERR_BUSY, "less than 1000 bytes a second");
	assert_int_equal(count_in(log_of(0), "/blobs/sha256"), 3);
}

static void serve_without_blob(struct ask *ask)
{
	if (layer_asked(ask, &w.fixture) == MAX_LAYERS)
		serve_honestly(ask);
	else
		reply_text(ask, "404 Not Found", "", "");
}

static void a_layer_that_is_missing_is_named(void **state)
{
	(void)state;
	fetch_first(serve_without_blob);
	assert_refused(ERR_NOT_FOUND, "HTTP 404");
}

static void a_mirror_without_the_layer_is_passed_over(void **state)
{
	(void)state;
	world_open(&w, 1);
	world_serve(&w, serve_without_blob);
	world_serve(&w, serve_honestly);
	world_resolves(&w);
	assert_int_equal(w.image.endpoint, 0);
	world_fetch(&w, 0, &taken[0]);
	world_run(&w);
	assert_taken(0);
	assert_int_equal(count_in(log_of(1), "/blobs/sha256"), 1);
}

/* A blob store beside the registry, as the large ones have it. */
static int store_port;

static void serve_redirect_to_store(struct ask *ask)
{
	char headers[8000];

	if (layer_asked(ask, &w.fixture) == MAX_LAYERS) {
		serve_honestly(ask);
		return;
	}
	snprintf(headers, sizeof(headers), "Location: http://127.0.0.1:%d%s?signature=%03000d\r\n",
		 store_port, ask->path, 1);
	reply_text(ask, "307 Temporary Redirect", headers, "<a href=elsewhere>");
}

static void a_layer_in_a_blob_store_is_resumed_through_the_registry(void **state)
{
	(void)state;
	world_open(&w, 1);
	server_start(&w.server[1], serve_cut_once);
	store_port = w.server[1].port;
	world_serve(&w, serve_redirect_to_store);
	world_resolves(&w);
	world_fetch(&w, 0, &taken[0]);
	world_run(&w);
	assert_taken(0);
	assert_int_equal(count_in(log_of(1), "Range: bytes="), 1);
	/* the config, and the layer twice */
	assert_int_equal(count_in(log_of(0), "/blobs/sha256"), 3);
}

static void layers_that_cannot_be_are_refused_at_once(void **state)
{
	(void)state;
	open_with(serve_honestly, 1);
	assert_null(registry_fetch(w.registry, &w.candidate, &w.image, 1, take_bytes, take_end,
				   &taken[0], &w.err));
	assert_says(&w.err, ERR_BUG, "no layer 1");
	w.image.layers[0].bytes = UINT64_MAX;
	assert_null(registry_fetch(w.registry, &w.candidate, &w.image, 0, take_bytes, take_end,
				   &taken[0], &w.err));
	assert_says(&w.err, ERR_LIMIT, w.fixture.layer_digest[0]);
}

static void closing_ends_what_is_under_way(void **state)
{
	(void)state;
	open_with(serve_honestly, 4);
	for (size_t i = 0; i < 4; i++) {
		taken[i].pause_each = 1;
		world_fetch(&w, i, &taken[i]);
	}
	while (!taken[0].pauses)
		world_turn(&w, NULL);
	registry_close(w.registry);
	w.registry = NULL;
	assert_false(taken[0].is_over);
}

/* The other end of a pipe is gone: only an error to see, and it has to be seen. */
static void the_callers_descriptors_are_waited_for_too(void **state)
{
	struct pollfd pipe_end;
	unsigned running;
	char full[65536] = { 0 };
	int fds[2];

	(void)state;
	open_with(serve_honestly, 1);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], full, sizeof(full)), sizeof(full));
	close(fds[0]);
	pipe_end = (struct pollfd){ .fd = fds[1], .events = POLLOUT };
	assert_int_equal(registry_turn(w.registry, &pipe_end, 1, 60000, &running, &w.err), 0);
	assert_true(pipe_end.revents & POLLERR);
	assert_int_equal(running, 0);
	close(fds[1]);
	assert_int_equal(registry_turn(w.registry, &pipe_end, 65, 0, &running, &w.err), -1);
	assert_says(&w.err, ERR_BUG, "more than 64 descriptors");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(layers_arrive_as_they_are, tear_down),
		cmocka_unit_test_teardown(a_sink_may_take_little_and_pause, tear_down),
		cmocka_unit_test_teardown(a_paused_transfer_is_not_late, tear_down),
		cmocka_unit_test_teardown(only_so_many_run_at_a_time, tear_down),
		cmocka_unit_test_teardown(a_sink_that_gives_up_ends_it, tear_down),
		cmocka_unit_test_teardown(a_cut_connection_goes_on_where_it_was, tear_down),
		cmocka_unit_test_teardown(a_server_without_ranges_is_read_again_up_to_there,
					  tear_down),
		cmocka_unit_test_teardown(what_a_part_repeats_is_dropped, tear_down),
		cmocka_unit_test_teardown(parts_that_do_not_fit_are_refused, tear_down),
		cmocka_unit_test_teardown(a_range_that_is_not_there_ends_it, tear_down),
		cmocka_unit_test_teardown(cuts_without_progress_have_an_end, tear_down),
		cmocka_unit_test_teardown(a_wrong_length_is_seen_before_the_first_byte, tear_down),
		cmocka_unit_test_teardown(a_layer_without_end_is_cut_at_its_length, tear_down),
		cmocka_unit_test_teardown(other_bytes_of_the_same_length_are_refused, tear_down),
		cmocka_unit_test_teardown(all_bytes_are_enough, tear_down),
		cmocka_unit_test_teardown(a_drip_is_not_a_transfer, tear_down),
		cmocka_unit_test_teardown(a_layer_that_is_missing_is_named, tear_down),
		cmocka_unit_test_teardown(a_mirror_without_the_layer_is_passed_over, tear_down),
		cmocka_unit_test_teardown(a_layer_in_a_blob_store_is_resumed_through_the_registry,
					  tear_down),
		cmocka_unit_test_teardown(layers_that_cannot_be_are_refused_at_once, tear_down),
		cmocka_unit_test_teardown(closing_ends_what_is_under_way, tear_down),
		cmocka_unit_test_teardown(the_callers_descriptors_are_waited_for_too, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
