/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's shapes, read back with yyjson: list, inspect, version, info, our own status; Docker's words for time and states. */
#include "unit_test.h"

#include "engine_fixture.h"

static yyjson_val *at(yyjson_val *value, const char *pointer)
{
	yyjson_val *found = yyjson_ptr_get(value, pointer);

	if (!found)
		fail_msg("%s is missing", pointer);
	return found;
}

static const char *str_at(yyjson_val *value, const char *pointer)
{
	const char *text = yyjson_get_str(at(value, pointer));

	if (!text)
		fail_msg("%s is no text", pointer);
	return text;
}

static yyjson_doc *get(struct fixture *f, const char *text)
{
	struct api_answer a;
	yyjson_doc *doc;

	ask_engine(f, text, &a);
	if (a.status != 200)
		fail_msg("%s: %d %s", text, a.status, buf_str(&a.body));
	assert_int_equal(a.body.data[a.body.len - 1], '\n');
	doc = json_of(&a);
	buf_fini(&a.body);
	return doc;
}

static yyjson_val *find_name(yyjson_doc *doc, const char *name)
{
	size_t i, max;
	yyjson_val *entry;

	yyjson_arr_foreach(yyjson_doc_get_root(doc), i, max,
			   entry) if (strcmp(str_at(entry, "/Names/0"), name) == 0) return entry;
	return NULL;
}

/* How long ago depends on how fast the test runs. */
static bool is_ago(const char *text, const char *prefix)
{
	return str_starts(text, prefix) && str_ends(text, " ago");
}

static void list_shows_what_runs_and_with_all_everything(void **state)
{
	struct fixture *f = *state;
	yyjson_doc *doc = get(f, "GET /containers/json");
	yyjson_val *web;
	char id[API_ID_LEN + 1];

	assert_int_equal(yyjson_arr_size(yyjson_doc_get_root(doc)), 0);
	yyjson_doc_free(doc);
	bring_up(f, "db", 5);
	bring_up(f, "web", 6);
	doc = get(f, "GET /v1.41/containers/json");
	assert_int_equal(yyjson_arr_size(yyjson_doc_get_root(doc)), 2);
	web = find_name(doc, "/web");
	assert_non_null(web);
	api_id("web", id);
	assert_string_equal(str_at(web, "/Id"), id);
	assert_string_equal(str_at(web, "/Image"), "localhost/app:1");
	assert_string_equal(str_at(web, "/Command"), "serve --all");
	assert_string_equal(str_at(web, "/State"), "running");
	assert_string_equal(str_at(web, "/Status"), "Up About an hour");
	assert_string_equal(str_at(web, "/Labels/PODMAN_SYSTEMD_UNIT"), "web.service");
	assert_string_equal(str_at(web, "/Labels/org.cleat.run-id"), "000000000006");
	assert_string_equal(str_at(web, "/Labels/team"), "a");
	assert_string_equal(str_at(web, "/HostConfig/NetworkMode"), "none");
	assert_string_equal(str_at(web, "/Mounts/0/Destination"), "/in");
	assert_int_equal(yyjson_get_sint(at(web, "/Created")),
			 f->engine->entries[index_of(f, "web")].run.status.started_real_usec /
				 1000000);
	yyjson_doc_free(doc);
	doc = get(f, "GET /containers/json?all=1");
	assert_int_equal(yyjson_arr_size(yyjson_doc_get_root(doc)), f->engine->count);
	yyjson_doc_free(doc);
}

static void ports_are_exposed_and_not_published(void **state)
{
	struct fixture *f = *state;
	yyjson_doc *doc = get(f, "GET /containers/json?all=1");
	yyjson_val *front = find_name(doc, "/systemd-front");

	assert_non_null(front);
	assert_int_equal(yyjson_arr_size(at(front, "/Ports")), 3);
	assert_int_equal(yyjson_get_uint(at(front, "/Ports/0/PrivatePort")), 80);
	assert_string_equal(str_at(front, "/Ports/0/Type"), "tcp");
	assert_null(yyjson_ptr_get(front, "/Ports/0/PublicPort"));
	assert_int_equal(yyjson_get_uint(at(front, "/Ports/2/PrivatePort")), 9001);
	assert_string_equal(str_at(front, "/Ports/2/Type"), "udp");
	assert_string_equal(str_at(front, "/HostConfig/NetworkMode"), "host");
	yyjson_doc_free(doc);
	doc = get(f, "GET /containers/front/json");
	assert_true(yyjson_is_null(at(yyjson_doc_get_root(doc), "/NetworkSettings/Ports/80~1tcp")));
	assert_true(
		yyjson_is_null(at(yyjson_doc_get_root(doc), "/NetworkSettings/Ports/9000~1udp")));
	yyjson_doc_free(doc);
}

/* What is in force counts, whatever the unit says by now. */
static void attached_networks_and_published_ports_are_shown(void **state)
{
	static const char record[] =
		"cleat-network 1\nowner systemd-front 0123456789ab\n"
		"end app v0 eth0 0a:58:0a:59:00:05 10.89.0.5 cleat-1 10.89.0.1 24 -s 0 www\n"
		"end vault v1 eth1 0a:58:0a:5a:00:05 10.90.0.5 cleat-2 10.90.0.1 24 -is 0\n"
		"target 10.89.0.5 cleat-1\n"
		"port tcp 0.0.0.0 8000 80 1\n"
		"port tcp 192.0.2.1 8001 80 1\n"
		"port udp fd00::1 53 5300 1\n";
	struct fixture *f = *state;
	struct net_attached *attached = calloc(1, sizeof(*attached));
	yyjson_val *front, *network;
	struct err err;
	yyjson_doc *doc;

	assert_non_null(attached);
	assert_int_equal(net_attached_parse(record, attached, &err), 0);
	network_slot(f->engine, index_of(f, "front"))->attached = attached;
	doc = get(f, "GET /containers/json?all=1");
	front = find_name(doc, "/systemd-front");
	assert_int_equal(yyjson_arr_size(at(front, "/Ports")), 3);
	assert_string_equal(str_at(front, "/Ports/1/IP"), "192.0.2.1");
	assert_int_equal(yyjson_get_uint(at(front, "/Ports/1/PublicPort")), 8001);
	assert_string_equal(str_at(front, "/Ports/2/IP"), "fd00::1");
	yyjson_doc_free(doc);
	doc = get(f, "GET /containers/front/json");
	network = at(yyjson_doc_get_root(doc), "/NetworkSettings");
	assert_string_equal(str_at(network, "/IPAddress"), "10.89.0.5");
	assert_int_equal(yyjson_get_uint(at(network, "/IPPrefixLen")), 24);
	assert_string_equal(str_at(network, "/Gateway"), "10.89.0.1");
	assert_string_equal(str_at(network, "/Networks/app/Aliases/0"), "www");
	assert_string_equal(str_at(network, "/Networks/vault/IPAddress"), "10.90.0.5");
	assert_string_equal(str_at(network, "/Networks/vault/Gateway"), "");
	assert_string_equal(str_at(network, "/Networks/vault/MacAddress"), "0a:58:0a:5a:00:05");
	/* two publish one port: one entry with both */
	assert_int_equal(yyjson_obj_size(at(network, "/Ports")), 2);
	assert_int_equal(yyjson_arr_size(at(network, "/Ports/80~1tcp")), 2);
	assert_string_equal(str_at(network, "/Ports/80~1tcp/0/HostPort"), "8000");
	assert_string_equal(str_at(network, "/Ports/80~1tcp/1/HostIp"), "192.0.2.1");
	assert_string_equal(str_at(network, "/Ports/5300~1udp/0/HostPort"), "53");
	yyjson_doc_free(doc);
}

static void inspect_has_dockers_fields_with_real_values(void **state)
{
	struct fixture *f = *state;
	yyjson_doc *doc;
	yyjson_val *root;

	bring_up(f, "db", 5);
	bring_up(f, "web", 6);
	doc = get(f, "GET /containers/web/json");
	root = yyjson_doc_get_root(doc);
	assert_string_equal(str_at(root, "/Name"), "/web");
	assert_string_equal(str_at(root, "/State/Status"), "running");
	assert_true(yyjson_is_true(at(root, "/State/Running")));
	assert_int_equal(yyjson_get_sint(at(root, "/State/Pid")), 6);
	assert_int_equal(yyjson_get_sint(at(root, "/State/ExitCode")), 0);
	assert_string_equal(str_at(root, "/State/Error"), "");
	assert_string_equal(str_at(root, "/State/FinishedAt"), "0001-01-01T00:00:00Z");
	assert_int_equal(strlen(str_at(root, "/State/StartedAt")),
			 strlen("2026-11-21T10:00:00.000000Z"));
	assert_null(yyjson_ptr_get(root, "/State/Health"));
	assert_string_equal(str_at(root, "/Config/Env/0"), "COLOUR=blue");
	assert_string_equal(str_at(root, "/Config/Cmd/1"), "--all");
	assert_string_equal(str_at(root, "/Config/StopSignal"), "SIGTERM");
	assert_true(yyjson_is_true(at(root, "/HostConfig/ReadonlyRootfs")));
	assert_string_equal(str_at(root, "/HostConfig/CapDrop/0"), "ALL");
	assert_string_equal(str_at(root, "/HostConfig/RestartPolicy/Name"), "no");
	assert_string_equal(str_at(root, "/Mounts/0/Source"), "/data/in");
	assert_true(yyjson_is_false(at(root, "/Mounts/0/RW")));
	assert_string_equal(str_at(root, "/Cleat/Unit"), "web.container");
	assert_string_equal(str_at(root, "/Cleat/Source"), "/config/units/web.container");
	assert_string_equal(str_at(root, "/Cleat/State"), "up");
	assert_string_equal(str_at(root, "/Cleat/RunId"), "000000000006");
	yyjson_doc_free(doc);
}

static void inspect_of_what_has_ended_and_of_what_never_ran(void **state)
{
	struct fixture *f = *state;
	yyjson_doc *doc;
	yyjson_val *root;

	bring_up(f, "lone", 9);
	end_run(f, "lone", 3);
	doc = get(f, "GET /containers/lone/json");
	root = yyjson_doc_get_root(doc);
	assert_string_equal(str_at(root, "/State/Status"), "exited");
	assert_true(yyjson_is_false(at(root, "/State/Running")));
	assert_int_equal(yyjson_get_sint(at(root, "/State/ExitCode")), 3);
	assert_non_null(strstr(str_at(root, "/State/Error"), "code 3"));
	assert_true(strcmp(str_at(root, "/State/FinishedAt"), "2") > 0);
	yyjson_doc_free(doc);
	doc = get(f, "GET /containers/json?all=1");
	assert_true(is_ago(str_at(find_name(doc, "/systemd-lone"), "/Status"), "Exited (3) "));
	assert_string_equal(str_at(find_name(doc, "/systemd-db"), "/State"), "created");
	assert_string_equal(str_at(find_name(doc, "/systemd-db"), "/Status"),
			    "down: loaded (not started at boot)");
	yyjson_doc_free(doc);
	doc = get(f, "GET /containers/broken.container/json");
	root = yyjson_doc_get_root(doc);
	assert_string_equal(str_at(root, "/State/Status"), "created");
	assert_non_null(strstr(str_at(root, "/State/Error"), "broken.container:5"));
	assert_null(yyjson_ptr_get(root, "/Config/Env"));
	yyjson_doc_free(doc);
}

static void a_restarting_one_is_shown_as_that(void **state)
{
	struct fixture *f = *state;
	yyjson_doc *doc;

	bring_up(f, "db", 9);
	end_run(f, "db", 1);
	assert_int_equal(state_of(f, "db"), CORE_BACKOFF);
	doc = get(f, "GET /containers/json");
	assert_string_equal(str_at(find_name(doc, "/systemd-db"), "/State"), "restarting");
	assert_true(is_ago(str_at(find_name(doc, "/systemd-db"), "/Status"), "Restarting (1) "));
	yyjson_doc_free(doc);
	doc = get(f, "GET /containers/db/json");
	assert_true(yyjson_is_true(at(yyjson_doc_get_root(doc), "/State/Restarting")));
	assert_string_equal(str_at(yyjson_doc_get_root(doc), "/HostConfig/RestartPolicy/Name"),
			    "on-failure");
	yyjson_doc_free(doc);
}

static struct engine *publish_to(struct fixture *f, const char *path)
{
	struct err err = { 0 };

	f->engine->published = published_create(path, &err);
	if (!f->engine->published)
		fail_msg("%s", err.msg);
	publish_all(f->engine);
	return f->engine;
}

static void what_readers_see_is_what_the_engine_remembers(void **state)
{
	struct fixture *f = *state;
	unsigned lone = index_of(f, "lone");
	struct engine *e = publish_to(f, CLEAT_PUBLISHED);
	struct published_unit seen;
	struct err err;

	assert_null(e->drafts);
	assert_int_equal(published_get_unit(e->published, lone, &seen, &err), 0);
	assert_string_equal(seen.name, "systemd-lone");
	assert_string_equal(seen.unit, "lone.container");
	assert_int_equal(seen.state, PUBLISHED_DOWN);
	assert_ptr_equal(e->entries[lone].published, published_unit_at(e->published, lone));
	bring_up(f, "lone", 9);
	assert_int_equal(published_get_unit(e->published, lone, &seen, &err), 0);
	assert_int_equal(seen.state, PUBLISHED_UP);
	assert_int_equal(e->entries[lone].published->state, PUBLISHED_UP);
	published_close(e->published);
	e->published = NULL;
}

static bool has_note(const struct engine *e, const char *text)
{
	for (unsigned i = 0; i < e->header.note_count; i++)
		if (e->header.notes[i].level == 2 && strstr(e->header.notes[i].text, text))
			return true;
	return false;
}

/* The header has its pages, no record has. */
static void a_full_tmpfs_takes_nothing_from_the_engine(void **state)
{
	struct fixture *f = *state;
	unsigned lone = index_of(f, "lone");
	struct engine *e;
	yyjson_doc *doc;

	make_dir("/small");
	must(mount("tmpfs", "/small", "tmpfs", 0, "size=16k") == 0, "tmpfs");
	e = publish_to(f, "/small/published");
	assert_non_null(e->drafts);
	assert_null(published_unit_at(e->published, 0));
	/* which a monitor has to hear: it is blind for them */
	assert_true(has_note(e, "units are missing from /status"));
	bring_up(f, "lone", 9);
	assert_int_equal(e->entries[lone].published->state, PUBLISHED_UP);
	doc = get(f, "GET /containers/lone/json");
	assert_string_equal(str_at(yyjson_doc_get_root(doc), "/State/Status"), "running");
	yyjson_doc_free(doc);
	must(mount(NULL, "/small", NULL, MS_REMOUNT, "size=1m") == 0, "tmpfs");
	publish_all(e);
	assert_non_null(published_unit_at(e->published, e->count - 1));
	assert_false(has_note(e, "units are missing from /status"));
	published_close(e->published);
	e->published = NULL;
	must(umount2("/small", MNT_DETACH) == 0, "umount");
}

static void health_is_shown_with_its_streak(void **state)
{
	struct fixture *f = *state;
	struct published_unit *p;
	yyjson_doc *doc;

	bring_up(f, "lone", 9);
	p = &f->engine->drafts[index_of(f, "lone")];
	p->health = PUBLISHED_UNHEALTHY;
	p->probe_failures = 4;
	doc = get(f, "GET /containers/lone/json");
	assert_string_equal(str_at(yyjson_doc_get_root(doc), "/State/Health/Status"), "unhealthy");
	assert_int_equal(
		yyjson_get_uint(at(yyjson_doc_get_root(doc), "/State/Health/FailingStreak")), 4);
	/* results are in the run's own record, and nothing has run */
	assert_true(yyjson_is_arr(at(yyjson_doc_get_root(doc), "/State/Health/Log")));
	assert_int_equal(yyjson_arr_size(at(yyjson_doc_get_root(doc), "/State/Health/Log")), 0);
	yyjson_doc_free(doc);
	doc = get(f, "GET /containers/json");
	assert_string_equal(str_at(find_name(doc, "/systemd-lone"), "/Status"),
			    "Up About an hour (unhealthy)");
	yyjson_doc_free(doc);
	p->health = PUBLISHED_HEALTH_STARTING;
	doc = get(f, "GET /containers/json");
	assert_string_equal(str_at(find_name(doc, "/systemd-lone"), "/Status"),
			    "Up About an hour (health: starting)");
	yyjson_doc_free(doc);
}

static void version_info_and_status(void **state)
{
	struct fixture *f = *state;
	yyjson_doc *doc = get(f, "GET /version");
	size_t i, max;
	yyjson_val *unit;
	bool found = false;

	assert_string_equal(str_at(yyjson_doc_get_root(doc), "/ApiVersion"), API_VERSION);
	assert_string_equal(str_at(yyjson_doc_get_root(doc), "/Version"), CLEAT_VERSION);
	yyjson_doc_free(doc);
	bring_up(f, "lone", 9);
	doc = get(f, "GET /info");
	assert_int_equal(yyjson_get_uint(at(yyjson_doc_get_root(doc), "/Containers")),
			 f->engine->count);
	assert_int_equal(yyjson_get_uint(at(yyjson_doc_get_root(doc), "/ContainersRunning")), 1);
	assert_int_equal(yyjson_get_uint(at(yyjson_doc_get_root(doc), "/ContainersStopped")),
			 f->engine->count - 1);
	yyjson_doc_free(doc);
	doc = get(f, "GET /cleat/v1/status");
	yyjson_arr_foreach(at(yyjson_doc_get_root(doc), "/units"), i, max, unit)
	{
		if (strcmp(str_at(unit, "/name"), "systemd-lone") != 0)
			continue;
		found = true;
		assert_string_equal(str_at(unit, "/state"), "up");
		assert_int_equal(yyjson_get_sint(at(unit, "/pid")), 9);
		assert_true(yyjson_is_true(at(unit, "/wanted")));
	}
	assert_true(found);
	yyjson_doc_free(doc);
}

static void time_is_said_in_dockers_words(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {
		{ -5, "Less than a second" },
		{ 0, "Less than a second" },
		{ 1, "1 second" },
		{ 59, "59 seconds" },
		{ 60, "About a minute" },
		{ 119, "About a minute" },
		{ 120, "2 minutes" },
		{ 3599, "59 minutes" },
		{ 3600, "About an hour" },
		{ 5399, "About an hour" },
		{ 5400, "2 hours" },
		{ 47 * 3600, "47 hours" },
		{ 48 * 3600, "2 days" },
		{ 13 * 86400, "13 days" },
		{ 14 * 86400, "2 weeks" },
		{ 59 * 86400, "8 weeks" },
		{ 60 * 86400, "2 months" },
		{ 729 * 86400, "24 months" },
		{ 730 * 86400, "2 years" },
		{ INT64_MAX / 1000000, "292471 years" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[40];

		api_span(cases[i].seconds, text);
		assert_string_equal(text, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		engine_test(list_shows_what_runs_and_with_all_everything),
		engine_test(ports_are_exposed_and_not_published),
		engine_test(attached_networks_and_published_ports_are_shown),
		engine_test(inspect_has_dockers_fields_with_real_values),
		engine_test(inspect_of_what_has_ended_and_of_what_never_ran),
		engine_test(a_restarting_one_is_shown_as_that),
		engine_test(what_readers_see_is_what_the_engine_remembers),
		engine_test(a_full_tmpfs_takes_nothing_from_the_engine),
		engine_test(health_is_shown_with_its_streak),
		engine_test(version_info_and_status),
		cmocka_unit_test(time_is_said_in_dockers_words),
	};

	return cmocka_run_group_tests(tests, fixture_root, NULL);
}
