/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where output goes, and the two workers around it: "cleat log-budget" runs for a moment every minute, "cleat log-ship" stays as long as the
 * engine does (it ends with the socket between them, also when the engine becomes another by exec). Must never touch a log itself.
 */
#include "supervise/logs.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log/files.h"
#include "log/log.h"
#include "log/ship.h"
#include "supervise/internal.h"
#include "unit/appliance.h"
#include "util/cleanup.h"
#include "util/str.h"

#define BUDGET_USEC (60 * USEC_SEC)
#define BUDGET_FIRST_USEC (10 * USEC_SEC)
#define MAX_WORDS (16 + 2 * 64)

struct logs {
	struct engine *e;
	struct loop_source *budget_timer, *ship_source;
	pid_t budget_pid, ship_pid;
	int ship_fd; /* -1 */
	struct respawn ship;
};

static const struct container_spec *spec_of(const struct engine *e, unsigned index)
{
	return e->entries[index].spec;
}

static bool has_driver(const struct container_spec *spec, const char *driver)
{
	return spec && spec->log_driver && str_eq(spec->log_driver, driver);
}

void engine_log_dir(const struct engine *e, unsigned index, char *out, size_t size)
{
	const struct container_spec *spec = spec_of(e, index);

	if (spec && spec->log_path)
		str_copy(out, size, spec->log_path);
	else
		snprintf(out, size, "%s/%s", e->log_root, e->entries[index].name);
}

bool engine_log_make_word(const struct engine *e, unsigned index, char *out, size_t size)
{
	const struct container_spec *spec = spec_of(e, index);
	char dir[256];

	if (!spec || spec->is_pod || e->layout_unknown)
		return false;
	engine_log_dir(e, index, dir, sizeof(dir));
	snprintf(out, size, "%s=%s", spec->log_path ? "--make-chosen" : "--make", dir);
	return true;
}

int engine_log_is_kept(const struct engine *e, unsigned index, struct err *err)
{
	const struct container_spec *spec = spec_of(e, index);

	if (spec && spec->is_pod)
		return err_set(err, ERR_UNSUPPORTED,
			       "%s is a pod and says nothing: name one of its containers",
			       e->entries[index].name);
	if (has_driver(spec, "none") || has_driver(spec, "passthrough"))
		return err_set(err, ERR_UNSUPPORTED,
			       "logs of %s are not kept: its unit says LogDriver=%s",
			       e->entries[index].name, spec->log_driver);
	return 0;
}

/* A template's values are names: what is too long is cut. */
void logs_tag(const struct engine *e, unsigned index, char *out, size_t size)
{
	const struct container_spec *spec = spec_of(e, index);
	auto_buf text = BUF_INIT(512);

	out[0] = '\0';
	if (!spec || !spec->log_tag)
		return;
	for (const char *p = spec->log_tag; *p;) {
		if (str_starts(p, "{{.Name}}")) {
			buf_puts(&text, e->entries[index].name);
			p += strlen("{{.Name}}");
		} else if (str_starts(p, "{{.ImageName}}")) {
			buf_puts(&text, spec->image);
			p += strlen("{{.ImageName}}");
		} else {
			buf_putc(&text, *p++);
		}
	}
	str_copy(out, size, buf_str(&text));
}

static void push(struct log_words *w, unsigned *count, const char *option, char *value)
{
	w->words[(*count)++] = (char *)(uintptr_t)option;
	w->words[(*count)++] = value;
	w->words[*count] = NULL;
}

void logs_shim_words(const struct engine *e, unsigned index, struct log_words *w)
{
	const struct container_spec *spec = spec_of(e, index);
	uint64_t bytes = spec->log_max_bytes ? spec->log_max_bytes : e->appliance.log_max_bytes;
	unsigned files = spec->log_max_files ? spec->log_max_files : e->appliance.log_max_files;
	unsigned count = 0;

	w->words[0] = NULL;
	push(w, &count, "--name", (char *)(uintptr_t)e->entries[index].name);
	if (has_driver(spec, "none"))
		return;
	if (has_driver(spec, "passthrough")) {
		logs_tag(e, index, w->tag, sizeof(w->tag));
		if (!w->tag[0])
			str_copy(w->tag, sizeof(w->tag), e->entries[index].name);
		push(w, &count, "--passthrough", w->tag);
		return;
	}
	engine_log_dir(e, index, w->dir, sizeof(w->dir));
	snprintf(w->max_bytes, sizeof(w->max_bytes), "%" PRIu64,
		 bytes ? bytes : LOG_DEFAULT_MAX_BYTES);
	snprintf(w->max_files, sizeof(w->max_files), "%u", files ? files : LOG_DEFAULT_MAX_FILES);
	push(w, &count, spec->log_path ? "--log-chosen" : "--log", w->dir);
	push(w, &count, "--log-max-bytes", w->max_bytes);
	push(w, &count, "--log-max-files", w->max_files);
}

/* One inside the other counts, too: "current" of one would be a folder of the other. */
static bool is_inside(const char *path, const char *other)
{
	size_t len = strlen(other);

	return strncmp(path, other, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

int logs_check_path(const struct engine *e, unsigned index, struct err *err)
{
	char mine[256], other[256];
	const struct container_spec *spec = spec_of(e, index);

	if (!spec || !spec->log_path)
		return 0;
	engine_log_dir(e, index, mine, sizeof(mine));
	for (unsigned i = 0; i < e->count; i++) {
		if (i == index || !spec_of(e, i))
			continue;
		engine_log_dir(e, i, other, sizeof(other));
		if (is_inside(mine, other) || is_inside(other, mine))
			return err_set(
				err, ERR_INPUT,
				"LogOpt=path=%s: %s has its log there (%s); name another folder",
				mine, e->entries[i].unit->name, other);
	}
	return 0;
}

void logs_configure(struct engine *e)
{
	struct diags diags = { 0 };
	struct err err;

	if (appliance_load(&e->appliance, &e->arena, &diags, CLEAT_APPLIANCE_INI, &err) < 0)
		publish_note(e, 1, "%s", err.msg);
	for (size_t i = 0; i < diags.count; i++) {
		auto_buf line = BUF_INIT(1024);

		diag_format(&diags.items[i], &line);
		publish_note(e, 1, "%s", buf_str(&line));
	}
	diags_fini(&diags);
	e->unit_facts.unknown_keys_are_warnings = e->appliance.unknown_keys_are_warnings;
}

/* --- workers ------------------------------------------------------------------------------------------------------------------ */

/* "--root" and "--dir" of all logs; buffers for the latter. */
struct worker_words {
	char *argv[MAX_WORDS + 1];
	unsigned count;
	char dirs[64][256 + 130];
	unsigned dir_count;
};

static void push_word(struct worker_words *w, const char *word)
{
	if (w->count < MAX_WORDS)
		w->argv[w->count++] = (char *)(uintptr_t)word;
	w->argv[w->count] = NULL;
}

static void push_places(const struct engine *e, struct worker_words *w)
{
	push_word(w, "--root");
	push_word(w, e->log_root);
	for (unsigned i = 0; i < e->count; i++) {
		const struct container_spec *spec = spec_of(e, i);

		if (!spec || !spec->log_path || w->dir_count == 64)
			continue;
		snprintf(w->dirs[w->dir_count], sizeof(w->dirs[0]), "%s=%s", e->entries[i].name,
			 spec->log_path);
		push_word(w, "--dir");
		push_word(w, w->dirs[w->dir_count++]);
	}
}

static void on_budget_ended(void *arg, pid_t pid, int wait_status)
{
	struct logs *l = arg;

	(void)wait_status; /* it said what went wrong; in a minute it tries again */
	if (l->budget_pid == pid)
		l->budget_pid = 0;
}

static void start_budget(struct logs *l)
{
	struct engine *e = l->e;
	static struct worker_words w;
	char bytes[24], percent[12];
	struct proc_spawn spawn = {
		.path = "/proc/self/exe",
		.argv = w.argv,
		.cgroup_fd = e->work_cgroup,
		.fds = { -1, -1, STDERR_FILENO },
		.fd_count = 3,
	};
	struct err err;

	w = (struct worker_words){ 0 };
	push_word(&w, "cleat");
	push_word(&w, "log-budget");
	snprintf(bytes, sizeof(bytes), "%" PRIu64, e->appliance.log_budget_bytes);
	snprintf(percent, sizeof(percent), "%u", e->appliance.log_budget_percent);
	if (e->appliance.log_budget_bytes) {
		push_word(&w, "--bytes");
		push_word(&w, bytes);
	} else if (e->appliance.log_budget_percent) {
		push_word(&w, "--percent");
		push_word(&w, percent);
	}
	push_places(e, &w);
	if (children_spawn(e, &spawn, on_budget_ended, l, &l->budget_pid, &err) < 0)
		log_msg(LOG_WARN, "log", "log budget: %s", err.msg);
}

static void on_budget_timer(struct loop *loop, usec_t now, void *arg)
{
	struct logs *l = arg;

	/* one that hangs on a disk is not joined by others */
	if (!l->budget_pid && !l->e->stopping)
		start_budget(l);
	loop_timer_set(loop, l->budget_timer, now + BUDGET_USEC);
}

static void ship_close(struct logs *l)
{
	loop_remove(l->e->loop, l->ship_source);
	l->ship_source = NULL;
	close_fd(&l->ship_fd);
}

static void publish_report(struct engine *e, const struct ship_report *report)
{
	struct published_header *h = &e->header;

	h->ship_connected = report->is_connected != 0;
	h->ship_sent = e->ship_sent_before + report->sent;
	h->ship_dropped = e->ship_dropped_before + report->dropped;
	str_copy_text(h->ship_error, sizeof(h->ship_error), report->error);
	publish_header(e);
}

static void on_report(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct logs *l = arg;
	struct ship_report report = { 0 };
	ssize_t n = recv(l->ship_fd, &report, sizeof(report), MSG_DONTWAIT);

	(void)loop;
	(void)events;
	(void)now;
	if (n == 0) {
		ship_close(l); /* its end is told by its reaping */
		return;
	}
	if (n < (ssize_t)offsetof(struct ship_report, error) || report.magic != SHIP_REPORT_MAGIC)
		return;
	report.error[sizeof(report.error) - 1] = '\0';
	if (report.is_connected)
		respawn_well(&l->ship);
	publish_report(l->e, &report);
}

static void on_ship_ended(void *arg, pid_t pid, int wait_status)
{
	struct logs *l = arg;
	struct engine *e = l->e;

	if (l->ship_pid != pid)
		return;
	l->ship_pid = 0;
	e->ship_sent_before = e->header.ship_sent;
	e->ship_dropped_before = e->header.ship_dropped;
	e->header.ship_connected = 0;
	publish_header(e);
	if (e->stopping)
		return;
	log_msg(LOG_WARN, "log", "log shipping ended (wait status %d): starting it again",
		wait_status);
	respawn_again(&l->ship);
}

static int spawn_ship(struct logs *l, const int ends[2], struct err *err)
{
	struct engine *e = l->e;
	static struct worker_words w;
	auto_fd int published = open(CLEAT_PUBLISHED, O_RDONLY | O_CLOEXEC);
	auto_fd int events = open(CLEAT_EVENTS, O_RDONLY | O_CLOEXEC);
	struct proc_spawn spawn = {
		.path = "/proc/self/exe",
		.argv = w.argv,
		.cgroup_fd = e->work_cgroup,
		.fds = { ends[1], ends[1], STDERR_FILENO, published, events },
		.fd_count = 5,
		.new_session = true,
	};

	w = (struct worker_words){ 0 };
	push_word(&w, "cleat");
	push_word(&w, "log-ship");
	push_word(&w, "--url");
	push_word(&w, e->appliance.log_ship);
	if (e->appliance.log_ship_ca) {
		push_word(&w, "--ca");
		push_word(&w, e->appliance.log_ship_ca);
	}
	push_places(e, &w);
	return children_spawn(e, &spawn, on_ship_ended, l, &l->ship_pid, err);
}

static int start_ship(struct logs *l, struct err *err)
{
	int ends[2], rc;

	ship_close(l);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_sys(err, "socketpair");
	rc = spawn_ship(l, ends, err);
	close(ends[1]);
	l->ship_fd = ends[0];
	if (rc == 0)
		l->ship_source = loop_add(l->e->loop, l->ship_fd, EPOLLIN, on_report, l, err);
	if (l->ship_source)
		return 0;
	ship_close(l);
	return -1;
}

static void ship(void *arg)
{
	struct logs *l = arg;
	struct err err;

	if (l->ship_pid || l->e->stopping || start_ship(l, &err) == 0)
		return;
	log_msg(LOG_ERROR, "log", "log shipping: %s", err.msg);
	if (!l->ship_pid)
		respawn_again(&l->ship);
}

void logs_start(struct engine *e)
{
	static const struct respawn_policy policy = { ship, USEC_SEC, 64 * USEC_SEC,
						      60 * USEC_SEC };
	struct logs *l = arena_new(&e->arena, struct logs);

	*l = (struct logs){ .e = e, .ship_fd = -1 };
	respawn_init(&l->ship, &policy, e->loop, l);
	e->logs = l;
	if (e->layout_unknown)
		return;
	l->budget_timer =
		loop_timer(e->loop, loop_now(e->loop) + BUDGET_FIRST_USEC, on_budget_timer, l);
	if (!e->appliance.log_ship)
		return;
	str_copy_text(e->header.ship_url, sizeof(e->header.ship_url), e->appliance.log_ship);
	publish_header(e);
	respawn_later(&l->ship, 0);
}

void logs_stop(struct engine *e)
{
	if (!e->logs)
		return;
	loop_remove(e->loop, e->logs->budget_timer);
	respawn_stop(&e->logs->ship);
	e->logs->budget_timer = NULL;
	ship_close(e->logs);
}
