/* SPDX-License-Identifier: Apache-2.0 */
/* /readyz and /livez: one cause at a time turns them, and says its name. */
#include "unit_test.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "status_test.h"

#include "util/host.h"

static void put_header(struct fixture *f, void (*change)(struct published_header *))
{
	struct published_header h = fixture_header(f->engine);

	change(&h);
	published_put_header(f->writer, &h);
}

static void put_one(struct fixture *f, void (*change)(struct published_unit *))
{
	struct published_unit u = fixture_unit("web");

	if (change)
		change(&u);
	fixture_put(f, 0, &u);
}

static void everything_is_well(void **state)
{
	struct fixture *f = *state;
	struct answer a;
	char value[256];

	put_one(f, NULL);
	a = get(f, "/readyz");
	assert_int_equal(a.status, 200);
	assert_string_equal(a.body.data, "ok\n");
	assert_string_equal(answer_header(&a, "Retry-After", value), "");
	buf_fini(&a.body);
	a = get(f, "/readyz?verbose");
	assert_int_equal(a.status, 200);
	assert_string_equal(a.body.data,
			    "[+]engine ok\n[+]published ok\n[+]settled ok\n[+]staying ok\n"
			    "[+]appliance ok\n[+]host ok\n[+]unit web ok\nready\n");
	buf_fini(&a.body);
	assert_get(f, "/readyz?verbose=0", 200, "ok");
	assert_get(f, "/livez", 200, "ok");
	assert_get(f, "/livez?verbose", 200, "[+]engine ok");
}

static void without_units_an_appliance_is_ready(void **state)
{
	assert_get(*state, "/readyz", 200, "ok");
}

static void healthz_is_the_same(void **state)
{
	struct fixture *f = *state;

	assert_get(f, "/healthz", 200, "ok");
	fixture_end_engine(f);
	assert_get(f, "/healthz", 503, "[-]engine failed");
}

static void drain(struct published_header *h)
{
	h->draining = 1;
}

static void unsettle(struct published_header *h)
{
	h->settled = 0;
}

static void warn(struct published_header *h)
{
	h->note_count = 2;
	h->notes[0].level = 1;
	snprintf(h->notes[0].text, sizeof(h->notes[0].text), "no memory controller");
}

static void complain(struct published_header *h)
{
	warn(h);
	h->notes[1].level = 2;
	snprintf(h->notes[1].text, sizeof(h->notes[1].text), "store: /data: I/O error");
}

static void facts_about_the_appliance(void **state)
{
	struct fixture *f = *state;
	struct answer a;
	char value[256];

	put_one(f, NULL);
	put_header(f, drain);
	a = get(f, "/readyz");
	assert_int_equal(a.status, 503);
	assert_string_equal(a.body.data,
			    "[-]staying failed: the appliance is stopping\nnot ready\n");
	assert_string_equal(answer_header(&a, "Retry-After", value), "5");
	buf_fini(&a.body);
	assert_get(f, "/livez", 200, "ok");
	put_header(f, unsettle);
	assert_get(f, "/readyz", 503, "[-]settled failed");
	put_header(f, warn);
	assert_get(f, "/readyz", 200, "ok");
	put_header(f, complain);
	assert_get(f, "/readyz", 503, "[-]appliance failed: store: /data: I/O error\n");
	assert_get(f, "/readyz?verbose", 503, "[+]unit web ok\nnot ready\n");
}

static void limit(struct published_header *h)
{
	h->finding_count = 1;
	h->findings[0].level = HOST_LIMITED;
	snprintf(h->findings[0].id, sizeof(h->findings[0].id), "limits");
	snprintf(h->findings[0].evidence, sizeof(h->findings[0].evidence), "no memory controller");
}

static void withhold(struct published_header *h)
{
	limit(h);
	h->finding_count = 2;
	h->host_kind = HOST_LXC;
	h->findings[1].level = HOST_MISSING;
	snprintf(h->findings[1].id, sizeof(h->findings[1].id), "private-proc");
	snprintf(h->findings[1].evidence, sizeof(h->findings[1].evidence), "proc: \x1b[31m");
}

/* Only what keeps every container from starting makes an appliance not ready. */
static void what_the_host_withholds(void **state)
{
	struct fixture *f = *state;

	put_one(f, NULL);
	put_header(f, limit);
	assert_get(f, "/readyz", 200, "ok");
	assert_get(f, "/status", 200, "\"level\": \"limited\"");
	put_header(f, withhold);
	assert_get(
		f, "/readyz", 503,
		"[-]host failed: private-proc: no container can start: proc: \\x1b[31m; to change it: lxc.include = /usr/share/lxc/config/nesting.conf\n");
	assert_get(f, "/readyz?verbose", 503, "[+]appliance ok\n[-]host failed: private-proc");
	assert_get(f, "/status", 200, "\"kind\": \"lxc\"");
	assert_get(f, "/status", 200,
		   "\"remedy\": \"lxc.include = /usr/share/lxc/config/nesting.conf\"");
}

static void fault(struct published_unit *u)
{
	u->state = PUBLISHED_INVALID;
	u->operator_fault = 1;
	u->wanted = u->boot_start = 0;
	snprintf(u->detail, sizeof(u->detail), "web.container:3: unknown key Imgae");
}

static void starting(struct published_unit *u)
{
	u->state = PUBLISHED_STARTING;
}

static void in_start_period(struct published_unit *u)
{
	u->health = PUBLISHED_HEALTH_STARTING;
}

static void unhealthy(struct published_unit *u)
{
	u->health = PUBLISHED_UNHEALTHY;
	snprintf(u->probe_output, sizeof(u->probe_output), "HTTP 500");
}

static void without_probe(struct published_unit *u)
{
	u->health = PUBLISHED_HEALTH_NONE;
}

static void stopped_by_hand(struct published_unit *u)
{
	u->state = PUBLISHED_DOWN;
	u->wanted = 0;
}

static void failed_but_not_of_the_boot(struct published_unit *u)
{
	u->state = PUBLISHED_FAILED;
	u->boot_start = 0;
}

static void unhealthy_and_running(struct published_unit *u)
{
	unhealthy(u);
	u->probe_failures = 4;
	snprintf(u->detail, sizeof(u->detail), "running");
}

static void startup_probe_fails(struct published_unit *u)
{
	u->health = PUBLISHED_HEALTH_STARTING;
	u->startup_probe = 1;
	u->probe_failures = 4;
	snprintf(u->detail, sizeof(u->detail), "running");
	snprintf(u->probe_output, sizeof(u->probe_output), "no migration yet");
}

static void units_that_count(void **state)
{
	struct fixture *f = *state;

	put_one(f, fault);
	assert_get(f, "/readyz", 503,
		   "[-]unit web failed: invalid: web.container:3: unknown key Imgae\n");
	put_one(f, starting);
	assert_get(f, "/readyz", 503, "[-]unit web failed: starting\n");
	put_one(f, in_start_period);
	assert_get(f, "/readyz", 503, "[-]unit web failed: not healthy yet\n");
	put_one(f, unhealthy);
	assert_get(f, "/readyz", 503, "[-]unit web failed: unhealthy: HTTP 500\n");
	put_one(f, unhealthy_and_running);
	assert_get(f, "/readyz", 503, "[-]unit web failed: unhealthy: HTTP 500\n");
	put_one(f, startup_probe_fails);
	assert_get(f, "/readyz", 503, "[-]unit web failed: not healthy yet: no migration yet\n");
	assert_get(f, "/status?format=text", 200,
		   "probe     startup probe failed 4 times in a row: no migration yet\n");
	put_one(f, without_probe);
	assert_get(f, "/readyz", 200, "ok");
	put_one(f, stopped_by_hand);
	assert_get(f, "/readyz", 200, "ok");
	put_one(f, failed_but_not_of_the_boot);
	assert_get(f, "/readyz", 200, "ok");
}

static void every_state_but_up_counts(void **state)
{
	struct fixture *f = *state;
	struct published_unit u = fixture_unit("web");

	for (uint8_t s = PUBLISHED_INVALID; s <= PUBLISHED_START_LIMIT; s++) {
		u.state = s;
		fixture_put(f, 0, &u);
		assert_get(f, "/readyz", s == PUBLISHED_UP ? 200 : 503,
			   s == PUBLISHED_UP ? "ok" : published_state_name(s));
	}
}

static void a_unit_that_says_control_bytes(void **state)
{
	struct fixture *f = *state;
	struct published_unit u = fixture_unit("web");

	u.health = PUBLISHED_UNHEALTHY;
	snprintf(u.detail, sizeof(u.detail), "probe: \x1b]0;owned\x07");
	fixture_put(f, 0, &u);
	assert_get(f, "/readyz", 503, "unhealthy: probe: \\x1b]0;owned\\x07\n");
}

static void an_engine_that_is_gone(void **state)
{
	struct fixture *f = *state;

	put_one(f, NULL);
	assert_get(f, "/readyz", 200, "ok");
	fixture_end_engine(f);
	assert_get(f, "/livez", 200, "ok\nengine: away since 20");
	assert_get(f, "/readyz", 503, "[-]engine failed");
	f->server->engine_gone -= STATUS_AWAY_USEC - 5 * USEC_SEC;
	assert_get(f, "/livez", 200, "away since");
	f->server->engine_gone -= 6 * USEC_SEC;
	assert_get(f, "/livez", 503, "not alive\nengine: away since 20");
}

static void a_server_that_starts_when_its_engine_is_gone(void **state)
{
	struct fixture *f = fixture_world();
	struct published_header h = fixture_header(f->engine);
	pid_t gone = f->engine;

	published_put_header(f->writer, &h);
	fixture_end_engine(f);
	f->engine = gone;
	fixture_serve(f);
	f->engine = 0;
	*state = f;
	assert_get(f, "/livez", 200, "away since");
	assert_get(f, "/readyz", 503, "[-]engine failed");
	fixture_teardown(state);
}

/* The mapping as a hostile or crashed writer leaves it. */
static unsigned char *map_writable(struct fixture *f, size_t *size)
{
	int fd = open(f->path, O_RDWR | O_CLOEXEC);
	struct stat st;
	void *map;

	must(fd >= 0 && fstat(fd, &st) == 0, "open");
	*size = (size_t)st.st_size;
	map = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(map != MAP_FAILED, "mmap");
	close(fd);
	return map;
}

static void a_record_torn_by_a_crash(void **state)
{
	struct fixture *f = *state;
	size_t size;
	unsigned char *map = map_writable(f, &size);
	uint32_t *sequence = (uint32_t *)(void *)(map + sizeof(struct published_header));

	put_one(f, NULL);
	assert_get(f, "/readyz", 200, "ok");
	*sequence |= 1;
	/* what was rendered before the crash stays good */
	assert_get(f, "/readyz", 200, "ok");
	put_header(f, warn);
	assert_get(f, "/readyz", 503, "[-]unit record-0 failed: unknown: published state: torn");
	assert_get(f, "/status", 200, "\"name\": \"record-0\"");
	/* a new writer mends it */
	put_one(f, without_probe);
	assert_get(f, "/readyz", 200, "ok");
	munmap(map, size);
}

static void a_header_torn_by_a_crash(void **state)
{
	struct fixture *f = *state;
	size_t size;
	unsigned char *map = map_writable(f, &size);
	struct published_header *h = (struct published_header *)(void *)map;

	put_one(f, NULL);
	assert_get(f, "/readyz", 200, "ok");
	h->sequence |= 1;
	h->generation++;
	memset(h->hostname, 'x', sizeof(h->hostname));
	assert_get(f, "/readyz", 503, "[-]published failed: the engine ended while it wrote");
	/* the last good one is still shown */
	assert_get(f, "/status", 200, "\"hostname\": \"box\"");
	munmap(map, size);
}

static void nothing_published_yet(void **state)
{
	struct fixture *f = fixture_world();

	fixture_serve(f);
	*state = f;
	assert_get(f, "/livez", 200, "ok");
	assert_get(f, "/readyz", 503, "[-]published failed: the engine has published nothing yet");
	assert_get(f, "/status", 200, "\"booted\": null");
	put_header(f, warn);
	assert_get(f, "/readyz", 200, "ok");
	assert_int_equal(f->server->leave_at, 0);
	fixture_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		status_test(everything_is_well),
		status_test(without_units_an_appliance_is_ready),
		status_test(healthz_is_the_same),
		status_test(facts_about_the_appliance),
		status_test(what_the_host_withholds),
		status_test(units_that_count),
		status_test(every_state_but_up_counts),
		status_test(a_unit_that_says_control_bytes),
		status_test(an_engine_that_is_gone),
		cmocka_unit_test(a_server_that_starts_when_its_engine_is_gone),
		status_test(a_record_torn_by_a_crash),
		status_test(a_header_torn_by_a_crash),
		cmocka_unit_test(nothing_published_yet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
