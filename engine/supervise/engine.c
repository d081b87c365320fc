/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "cleat engine": setting up, the loop, taking down. Read from engine_main() downwards like a boot log. Never does
 * anything in the loop that can wait for a disk, a registry or a container.
 */
#include "supervise/engine.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervise/boot.h"
#include "supervise/boot_settings.h"
#include "supervise/files.h"
#include "supervise/internal.h"
#include "supervise/machine.h"
#include "supervise/network.h"
#include "supervise/screen.h"
#include "supervise/sources.h"
#include "supervise/update.h"
#include "supervise/uplink.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/idle.h"
#include "util/lock.h"
#include "util/path.h"
#include "util/str.h"

#define EXIT_OTHER_ENGINE 75
#define FREEZE_USEC USEC_SEC
#define FIRST_STARTS_USEC USEC_SEC
#define REST_USEC (2 * USEC_SEC) /* after the last start: the rush is over */

struct loop *engine_loop(struct engine *e)
{
	return e->loop;
}

unsigned engine_unit_count(const struct engine *e)
{
	return e->count;
}

void engine_unit(struct engine *e, unsigned index, struct engine_unit *out)
{
	out->index = index;
	out->unit = e->entries[index].unit;
	out->spec = e->entries[index].spec;
	out->published = e->entries[index].published;
	out->attached = e->network ? network_slot(e, index)->attached : NULL;
	core_view(e->core, index, &out->view);
}

static bool matches_name(const struct engine_entry *entry, const char *name)
{
	const char *dot = strrchr(entry->unit->name, '.');
	size_t stem = dot ? (size_t)(dot - entry->unit->name) : strlen(entry->unit->name);

	return str_eq(entry->name, name) || str_eq(entry->unit->name, name) ||
	       str_eq(entry->unit->service_name, name) ||
	       (strlen(name) == stem && strncmp(entry->unit->name, name, stem) == 0);
}

/* An instance that no file asks for: systemd would make it now, here it stands in the configuration first. 0: it is none. */
static int no_such_instance(const struct engine *e, const char *name, struct err *err)
{
	char service[UNIT_MAX_NAME_BYTES + sizeof("@.service")];
	const char *at = strchr(name, '@'), *template, *kind, *mark;
	int length;

	if (!at || strlen(name) > UNIT_MAX_NAME_BYTES)
		return 0;
	snprintf(service, sizeof(service), "%.*s@.service", (int)(at - name), name);
	template = engine_template(e, service);
	if (!template)
		return 0;
	kind = strrchr(template, '.');
	mark = strstr(template, "@.");
	length = (int)strlen(at);
	if (str_ends(at, ".service"))
		length -= (int)strlen(".service");
	else if (str_ends(at, kind))
		length -= (int)strlen(kind);
	if (length < 2)
		return err_set(
			err, ERR_NOT_FOUND,
			"%s is a template, which never runs itself: its instances do, NAME@INSTANCE",
			template);
	snprintf(service, sizeof(service), "%.*s.service", (int)(at - name) + length, name);
	if (!mark)
		return err_set(
			err, ERR_NOT_FOUND,
			"no file asks for %s of the template %s: write Wants=%s in another unit",
			service, template, service);
	return err_set(
		err, ERR_NOT_FOUND,
		"no file asks for %s of the template %s: write Wants=%s in another unit, or \"ln -s %s %s/%.*s%.*s%s\"",
		service, template, service, template, CLEAT_UNIT_DIR, (int)(mark - template),
		template, length, at, kind);
}

static int nearest(const struct engine *e, const char *name, struct err *err)
{
	const char *best = NULL;
	unsigned best_distance = 4;

	if (e->is_safe_mode) /* what "ps" shows is what was known last */
		return err_set(
			err, ERR_BUSY,
			"%s: the engine is in safe mode, which knows no units; \"cleat reload\" tries again",
			name);
	if (no_such_instance(e, name, err) < 0)
		return -1;
	for (unsigned i = 0; i < e->count; i++) {
		unsigned distance = str_distance(name, e->entries[i].name, 4);

		if (distance < best_distance) {
			best_distance = distance;
			best = e->entries[i].name;
		}
	}
	if (best)
		return err_set(err, ERR_NOT_FOUND, "no container \"%s\"; did you mean \"%s\"?",
			       name, best);
	return err_set(err, ERR_NOT_FOUND, "no container \"%s\"", name);
}

int engine_find(struct engine *e, const char *name, unsigned *index, struct err *err)
{
	unsigned hits = 0;

	for (unsigned i = 0; i < e->count; i++) {
		if (matches_name(&e->entries[i], name)) {
			*index = i;
			return 0;
		}
	}
	for (unsigned i = 0; strlen(name) >= 4 && i < e->count; i++) {
		if (e->entries[i].run.id[0] && str_starts(e->entries[i].run.id, name)) {
			*index = i;
			hits++;
		}
	}
	if (hits == 1)
		return 0;
	if (hits > 1)
		return err_set(err, ERR_INPUT, "\"%s\" is the beginning of several ids", name);
	return nearest(e, name, err);
}

int engine_work_cgroup(const struct engine *e)
{
	return e->work_cgroup;
}

void engine_watch(struct engine *e, engine_watch_fn *fn, void *arg)
{
	e->watch_fn = fn;
	e->watch_arg = arg;
}

static void on_signal(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct engine *e = arg;
	struct signalfd_siginfo info;

	(void)loop;
	(void)events;
	(void)now;
	while (read(e->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			children_reap(e);
		else if (info.ssi_signo == SIGHUP)
			engine_reload(e);
		else
			engine_shutdown(e);
	}
}

static void on_deadline(struct loop *loop, usec_t now, void *arg)
{
	(void)loop;
	(void)now;
	engine_feed(arg, &(struct core_event){ .type = CORE_EV_TIMER });
}

/* What reading units, adopting and starting needed of the program is not needed for watching over them. */
static void on_rest(struct loop *loop, usec_t now, void *arg)
{
	(void)loop;
	(void)now;
	(void)arg;
	idle_release();
}

void engine_not_at_rest(struct engine *e)
{
	if (e->rest_timer)
		loop_timer_set(e->loop, e->rest_timer, loop_now(e->loop) + REST_USEC);
}

bool engine_puts_off(const struct engine *e, struct respawn *k)
{
	bool is_busy = false;

	for (unsigned i = 0; i < e->count; i++)
		is_busy |= e->entries[i].run.phase == RUN_ASKED;
	return respawn_puts_off(k, is_busy, e->first_starts_usec);
}

/* A turn that begins much too late: the machine was frozen, suspended or overloaded. Said before anything that this turn brings: answers
 * of probes that ran out of time meanwhile, and deadlines. */
static void when_late(struct loop *loop, usec_t now, usec_t late_usec, void *arg)
{
	struct engine *e = arg;

	(void)loop;
	(void)now;
	if (late_usec <= FREEZE_USEC)
		return;
	log_msg(LOG_WARN, "engine", "the loop was late by %llu ms: frozen, suspended or overloaded",
		(unsigned long long)(late_usec / USEC_MSEC));
	engine_feed(e, &(struct core_event){ .type = CORE_EV_FREEZE, .gap_usec = late_usec });
}

static void before_sleep(struct loop *loop, usec_t now, usec_t late_usec, void *arg)
{
	struct engine *e = arg;

	(void)loop;
	(void)late_usec;
	record_save_due();
	run_remove_cleared(e);
	if (e->published)
		published_heartbeat(e->published, now);
	screen_wake(e);
	sources_wake(e);
}

static int open_signals(struct engine *e, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	/* init starts the engine with all signals blocked */
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return err_sys(err, "sigprocmask");
	e->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (e->signal_fd < 0)
		return err_sys(err, "signalfd");
	if (!loop_add(e->loop, e->signal_fd, EPOLLIN, on_signal, e, err))
		return -1;
	return 0;
}

/* "MAJOR\n"; missing: written. 1 when it is ours, 0 when it is unknown. */
static int check_version(const char *path, bool writable, struct err *err)
{
	auto_buf text = BUF_INIT(64);
	char mine[16];

	snprintf(mine, sizeof(mine), "%d\n", CLEAT_LAYOUT_MAJOR);
	if (file_read_at(AT_FDCWD, path, 64, &text, err) < 0) {
		if (err->code != ERR_NOT_FOUND)
			return -1;
		if (writable &&
		    file_write_atomic(AT_FDCWD, path, mine, strlen(mine), 0644, true, err) < 0)
			return -1;
		return 1;
	}
	return str_eq(buf_str(&text), mine);
}

static int open_run_dir(struct engine *e, struct err *err)
{
	static const char *const dirs[] = { CLEAT_RUN_DIR, CLEAT_CONTAINER_DIR, CLEAT_BY_NAME_DIR,
					    CLEAT_CACHE_DIR };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (path_mkdirs(dirs[i], 0755, err) < 0)
			return -1;
	e->lock_fd = open(CLEAT_ENGINE_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (e->lock_fd < 0)
		return err_sys(err, "%s", CLEAT_ENGINE_LOCK);
	return lock_take(e->lock_fd, err);
}

static void check_layouts(struct engine *e)
{
	struct err err;
	int run = check_version(CLEAT_RUN_VERSION_FILE, true, &err);
	bool is_first = access(CLEAT_DATA_VERSION_FILE, F_OK) < 0;
	int data = 1;

	if (run == 1)
		data = check_version(CLEAT_DATA_VERSION_FILE, e->data_writable, &err);
	if (is_first && data == 1 && access(CLEAT_DATA_VERSION_FILE, F_OK) == 0 &&
	    file_write_atomic(AT_FDCWD, CLEAT_FIRST_BOOT, "", 0, 0644, false, &err) < 0)
		publish_note(e, 1, "%s", err.msg);
	if (run == 1 && data == 1)
		return;
	if (run == 0 || data == 0) {
		e->layout_unknown = true;
		e->run_layout_unknown = run == 0;
		e->data_writable = false;
		publish_note(
			e, 2,
			"%s has a layout that this version does not know: nothing is written or started; run the version that made it",
			run == 0 ? CLEAT_RUN_DIR : CLEAT_DATA_DIR);
		return;
	}
	publish_note(e, 1, "%s", err.msg);
}

static void open_store(struct engine *e)
{
	if (e->layout_unknown) {
		err_set(&e->store_error, ERR_UNSUPPORTED, "%s has an unknown layout",
			CLEAT_DATA_DIR);
		return;
	}
	if (!e->data_present) { /* it must not come into being in the root file system */
		err_set(&e->store_error, ERR_NOT_FOUND, "%s is absent", CLEAT_DATA_DIR);
		return;
	}
	e->store = store_open(CLEAT_STORE_DIR, &e->store_read_only, &e->store_error);
	if (!e->store)
		publish_note(e, 2, "store: %s", e->store_error.msg);
}

/* All at once: nothing starts before the core has heard of the last one, so that order holds. */
static void start_wanted(struct engine *e)
{
	unsigned left = 0;

	for (unsigned i = 0; i < e->count; i++) {
		struct engine_entry *entry = &e->entries[i];

		if (entry->run.phase != RUN_NONE || !entry->spec)
			entry->start_at_boot_pending = false;
		left += entry->start_at_boot_pending;
	}
	for (unsigned i = 0; left && i < e->count; i++) {
		if (!e->entries[i].start_at_boot_pending)
			continue;
		e->entries[i].start_at_boot_pending = false;
		engine_feed(e, &(struct core_event){ .type = CORE_EV_START,
						     .unit = i,
						     .goes_on = e->entries[i].goes_on,
						     .more = --left > 0 });
	}
}

static usec_t boot_time(void)
{
	const char *text = getenv("CLEAT_BOOT_USEC");
	uint64_t value;

	if (text && str_to_u64(text, USEC_NEVER - 1, &value) && value < clock_now_usec())
		return value;
	return clock_now_usec();
}

static int set_up(struct engine *e, struct err *err)
{
	e->boot_usec = boot_time();
	e->status_listen_fd = -1;
	e->loop = loop_new(err);
	if (!e->loop || open_run_dir(e, err) < 0 || open_signals(e, err) < 0)
		return -1;
	e->deadline_timer = loop_timer(e->loop, USEC_NEVER, on_deadline, e);
	loop_before_sleep(e->loop, before_sleep, e);
	loop_when_late(e->loop, when_late, e);
	if (publish_open(e, err) < 0)
		return -1;
	boot_watchdog_start(e);
	e->is_safe_mode = boot_is_safe_mode();
	if (e->is_safe_mode)
		return boot_set_up_safe(e, err);
	boot_notes_read(e);
	facts_probe(e);
	check_layouts(e);
	events_open(e);
	machine_tell_last(e);
	open_store(e);
	unit_facts_init(&e->unit_facts, &e->arena, CLEAT_HOME_DIR);
	logs_configure(e);
	host_probe_open(e);
	system_apply(e);
	boot_settings_keep(e);
	if (units_load(e, err) < 0)
		return -1;
	update_open(e);
	boot_leave_mark(e);
	return 0;
}

static void tear_down(struct engine *e)
{
	record_save_due();
	run_remove_cleared(e);
	if (e->control)
		e->hooks->control_close(e->control);
	status_server_stop(e);
	screen_stop(e);
	host_probe_stop(e);
	sources_stop(e);
	logs_stop(e);
	uplink_close(e);
	network_close(e);
	machine_forget_last(e);
	publish_header(e);
	published_close(e->published);
	events_close(e);
	history_close(e->history);
	store_close(e->store);
	loop_free(e->loop);
}

static int run(struct engine *e, struct err *err)
{
	console_step(e, "engine %s: %u unit%s in %s", CLEAT_VERSION, e->count,
		     e->count == 1 ? "" : "s", CLEAT_UNIT_DIR);
	event_emit(e, EVENT_ENGINE_START, EVENT_OF_APPLIANCE,
		   &(struct event_details){ .text = CLEAT_VERSION });
	status_server_start(e);
	publish_begin(e);
	if (e->hooks->control_open(e, &e->control, err) < 0)
		publish_note(e, 2, "control socket: %s", err->msg);
	if (e->is_safe_mode) {
		e->settled = true;
		publish_header(e);
		uplink_open(e);
		screen_start(e);
		return loop_run(e->loop, err);
	}
	e->first_starts_usec = loop_now(e->loop) + FIRST_STARTS_USEC;
	adopt_all(e);
	publish_all(e);
	network_settle(e);
	on_signal(e->loop, EPOLLIN, loop_now(e->loop),
		  e); /* asked to stop meanwhile: nothing may start */
	if (!e->stopping)
		start_wanted(e);
	adopt_ends(e);
	if (!e->stopping)
		files_apply(e);
	engine_arm(e); /* what was put back may be all that there is to wait for */
	e->settled = true;
	uplink_open(e);
	update_start(e);
	logs_start(e);
	sources_start(e);
	host_probe_start(e);
	publish_header(e);
	screen_start(e);
	e->rest_timer = loop_timer(e->loop, loop_now(e->loop) + REST_USEC, on_rest, NULL);
	return loop_run(e->loop, err);
}

int engine_main(int argc, char **argv, const struct engine_hooks *hooks)
{
	struct engine *e = calloc(1, sizeof(*e));
	struct err err;

	(void)argv;
	log_init("cleat-engine", getenv("CLEAT_DEBUG") ? LOG_DEBUG : LOG_INFO);
	if (!e || argc > 1) {
		fprintf(stderr, "usage: cleat engine\n");
		return 2;
	}
	e->hooks = hooks;
	if (set_up(e, &err) < 0) {
		log_msg(LOG_ERROR, "engine", "%s", err.msg);
		return err.code == ERR_BUSY ? EXIT_OTHER_ENGINE : 1;
	}
	if (run(e, &err) < 0) {
		log_msg(LOG_ERROR, "engine", "%s", err.msg);
		return 1;
	}
	if (e->left_behind == 0)
		console_step(e, "all containers are down");
	tear_down(e);
	return 0;
}
