/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A real engine without a machine: the supervisor's own code and core with units from files, in a root of its own (a tmpfs in a mount
 * namespace, so that records and socket touch nothing), where no image worker and no shim is ever started: an import is
 * said to be under way for good, and a start ends with "cannot run containers". What images and shims would report is fed by the test.
 */
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <yyjson.h>

#include "api/internal.h"
#include "supervise/files.h"
#include "supervise/history.h"
#include "supervise/internal.h"
#include "supervise/network.h"
#include "util/path.h"
#include "util/str.h"

struct fixture {
	struct engine *engine;
	struct loop_source *stop;
};

static inline void must(bool holds, const char *what)
{
	if (holds)
		return;
	perror(what);
	abort();
}

static inline void make_dir(const char *path)
{
	struct err err;

	must(path_mkdirs(path, 0755, &err) == 0, path);
}

/* Once a program. */
static inline int fixture_root(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		fputs("these tests need root: they make a root directory of their own\n", stderr);
		return -1;
	}
	must(unshare(CLONE_NEWNS) == 0, "unshare");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private mounts");
	must(mount("cleat-test", "/tmp", "tmpfs", 0, "size=64m,mode=755") == 0, "tmpfs");
	make_dir("/tmp/proc");
	must(mount("/proc", "/tmp/proc", NULL, MS_BIND | MS_REC, NULL) == 0, "proc");
	must(chroot("/tmp") == 0 && chdir("/") == 0, "chroot");
	make_dir(CLEAT_RUN_DIR);
	make_dir(CLEAT_DATA_DIR);
	make_dir("/dev");
	must(mknod("/dev/null", S_IFCHR | 0666, makedev(1, 3)) == 0, "/dev/null");
	log_init("test", LOG_ERROR);
	return 0;
}

static inline void write_unit(const char *name, const char *text)
{
	char path[256];
	FILE *file;

	make_dir(CLEAT_UNIT_DIR);
	snprintf(path, sizeof(path), "%s/%s", CLEAT_UNIT_DIR, name);
	file = fopen(path, "w");
	must(file != NULL, path);
	fputs(text, file);
	fclose(file);
}

#define UNIT(unit_lines, container_lines, service_lines)                                           \
	"[Unit]\n" unit_lines "[Container]\nImage=localhost/app:1\nNetwork=none\n" container_lines \
	"[Service]\n" service_lines

/* web needs db; front has ports; lone and once stand alone; broken is invalid. */
static inline void write_units(void)
{
	write_unit("db.container", UNIT("", "", "Restart=on-failure\n"));
	write_unit(
		"web.container",
		UNIT("Requires=db.service\nAfter=db.service\n",
		     "ContainerName=web\nEnvironment=COLOUR=blue\nVolume=/data/in:/in:ro\n"
		     "ReadOnly=true\nDropCapability=ALL\nLabel=team=a\nExec=serve --all\nStopTimeout=30\n",
		     ""));
	write_unit("broken.container", UNIT("", "Imag=x\n", ""));
	write_unit("front.container",
		   "[Container]\nImage=localhost/app:1\nNetwork=host\nPublishPort=8000:80\n"
		   "PublishPort=9000-9001:9000-9001/udp\nTmpfs=/tmp:size=1m\n");
	write_unit("once.container", UNIT("", "", "Type=oneshot\n"));
	write_unit("lone.container", UNIT("", "", "Restart=no\n"));
}

static inline void on_stop_turn(struct loop *loop, usec_t now, void *arg)
{
	(void)now;
	(void)arg;
	loop_stop(loop);
}

static inline int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct engine *e = calloc(1, sizeof(*e));
	struct err err;

	must(f && e, "memory");
	f->engine = e;
	write_units();
	e->loop = loop_new(&err);
	must(e->loop != NULL, "loop");
	e->deadline_timer = loop_timer(e->loop, USEC_NEVER, on_stop_turn, NULL);
	f->stop = loop_timer(e->loop, USEC_NEVER, on_stop_turn, NULL);
	e->shims_cgroup = e->work_cgroup = -1;
	for (size_t i = 0; i < ENGINE_MAX_IMPORTS; i++) /* busy: none is started */
		e->imports[i].proc.pid = 1;
	str_copy(e->log_root, sizeof(e->log_root), CLEAT_LOG_DIR);
	e->store = store_open(CLEAT_STORE_DIR, &e->store_read_only, &e->store_error);
	must(e->store != NULL, e->store_error.msg);
	unit_facts_init(&e->unit_facts, &e->arena, CLEAT_HOME_DIR);
	must(units_load(e, &err) == 0, "units");
	*state = f;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	struct engine *e = f->engine;

	for (unsigned i = 0; i < e->count; i++) {
		arena_fini(&e->entries[i].image_arena);
		run_clear(&e->entries[i].run);
		str_drop(&e->entries[i].remarks);
		str_drop(&e->entries[i].image_progress);
	}
	free(e->drafts);
	network_close(e);
	history_close(e->history);
	files_close(e);
	core_free(e->core);
	unit_set_fini(&e->units);
	store_close(e->store);
	loop_free(e->loop);
	arena_fini(&e->arena);
	free(e);
	free(f);
	return 0;
}

#define engine_test(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

/* One turn of the loop; the clock has moved on afterwards. */
static inline void turn(struct fixture *f)
{
	struct loop *loop = f->engine->loop;
	usec_t before = loop_now(loop);
	struct err err;

	do {
		loop_timer_set(loop, f->stop, before);
		assert_int_equal(loop_run(loop, &err), 0);
	} while (loop_now(loop) <= before);
}

static inline void turns(struct fixture *f, int count)
{
	while (count-- > 0)
		turn(f);
}

static inline unsigned index_of(struct fixture *f, const char *name)
{
	unsigned index = 0;
	struct err err;

	assert_int_equal(engine_find(f->engine, name, &index, &err), 0);
	return index;
}

static inline enum core_state state_of(struct fixture *f, const char *name)
{
	struct engine_unit unit;

	engine_unit(f->engine, index_of(f, name), &unit);
	return unit.view.state;
}

static inline void feed(struct fixture *f, const char *name, struct core_event event)
{
	event.unit = index_of(f, name);
	turn(f);
	engine_feed(f->engine, &event);
}

/* As a running container that is found at start: up, with pid and run id. */
static inline void bring_up(struct fixture *f, const char *name, int pid)
{
	struct run *run = &f->engine->entries[index_of(f, name)].run;

	run->phase = RUN_RUNNING;
	run->status.container_pid = pid;
	run->status.started_real_usec =
		clock_real_usec() -
		INT64_C(4000) * 1000000; /* "About an hour", however slow the test */
	snprintf(run->id, sizeof(run->id), "%012x", pid);
	feed(f, name,
	     (struct core_event){ .type = CORE_EV_ADOPTED,
				  .started_at = loop_now(f->engine->loop) });
	assert_int_equal(state_of(f, name), CORE_UP);
}

/* The container has ended; its run directory, which was never there, is gone. */
static inline void end_run(struct fixture *f, const char *name, int code)
{
	struct run *run = &f->engine->entries[index_of(f, name)].run;

	run->phase = RUN_NONE;
	run->id[0] = '\0';
	run->status.container_pid = 0;
	feed(f, name, (struct core_event){ .type = CORE_EV_EXITED, .code = code });
}

/* A request as it comes over the socket, through the real parser. */
static inline void make_request(const char *text, struct http_request *request)
{
	static char copy[HTTP_MAX_HEAD];
	int status = 0;
	struct err err = { 0 };

	snprintf(copy, sizeof(copy), "%s HTTP/1.1\r\nHost: x\r\n\r\n", text);
	if (http_parse(copy, strlen(copy), request, &status, &err) != HTTP_PARSE_DONE)
		fail_msg("\"%s\": %s", text, err.msg);
}

static inline void answer_begin(struct api_answer *answer)
{
	*answer = (struct api_answer){ .body = BUF_INIT(API_MAX_ANSWER), .stop_usec = USEC_NEVER };
}

/* Asks and settles what settles at once, as the server does. */
static inline void ask_engine(struct fixture *f, const char *text, struct api_answer *answer)
{
	struct http_request request;

	make_request(text, &request);
	answer_begin(answer);
	api_route(f->engine, &request, answer);
	if (answer->is_pending)
		api_settled(f->engine, answer);
}

static inline yyjson_doc *json_of(const struct api_answer *answer)
{
	yyjson_doc *doc = yyjson_read(buf_str(&answer->body), answer->body.len, 0);

	if (!doc)
		fail_msg("no JSON: %s", buf_str(&answer->body));
	return doc;
}

static inline void expect_message(struct api_answer *answer, int status, const char *part)
{
	yyjson_doc *doc;
	const char *message;

	assert_int_equal(answer->status, status);
	doc = json_of(answer);
	message = yyjson_get_str(yyjson_obj_get(yyjson_doc_get_root(doc), "message"));
	if (!message || !strstr(message, part))
		fail_msg("message \"%s\" does not have \"%s\"", message ? message : "(none)", part);
	yyjson_doc_free(doc);
	buf_fini(&answer->body);
}

static inline void expect_status(struct api_answer *answer, int status)
{
	if (answer->status != status)
		fail_msg("status %d, not %d: %s", answer->status, status, buf_str(&answer->body));
	buf_fini(&answer->body);
}
