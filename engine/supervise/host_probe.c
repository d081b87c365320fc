/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host withholds, as the engine deals with it: its own facts at once, those that have to be tried by a child ("cleat doctor
 * --record") once a boot, when the first units are on their way. The child writes into a file in memory; its end is what the loop waits for.
 */
#include "supervise/host_probe.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervise/internal.h"
#include "util/cleanup.h"
#include "util/str.h"

/* Starting units comes first: on a small machine a look at everything costs as much as a container. */
#define START_USEC USEC_SEC
#define PATIENCE_USEC (30 * USEC_SEC)

struct host_probe {
	struct host_record *record; /* NULL: all is known and published */
	bool is_tried;
	pid_t pid; /* of the child, 0 */
	int fd;	   /* what it writes to; -1 */
	struct loop_source *timer;
};

/* Pages of their own, because the heap keeps what it once had and none of this is needed for long. NULL: there are none. */
static void *take_pages(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static void give_back(void *at, size_t size)
{
	if (at)
		munmap(at, size);
}

struct host_record *host_probe_record(struct engine *e)
{
	static struct host_record nowhere;
	struct host_probe *p = e->host_probe;

	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return &nowhere;
		p->fd = -1;
		p->record = take_pages(sizeof(*p->record));
		if (!p->record) {
			free(p);
			return &nowhere;
		}
		host_record_init(p->record);
		e->host_probe = p;
	}
	return p->record ? p->record : &nowhere;
}

static void say(const struct published_header *h, unsigned index)
{
	char text[HOST_SENTENCE_SIZE];
	unsigned level = h->findings[index].level;

	host_sentence(h, index, text);
	log_msg(level == HOST_MISSING ? LOG_ERROR :
		level == HOST_LIMITED ? LOG_WARN :
					LOG_DEBUG, /* nothing is wrong */
		"host", "%s", text);
}

static bool was_said(const struct published_finding *old, unsigned count,
		     const struct published_finding *finding)
{
	for (unsigned i = 0; i < count; i++)
		if (str_eq(old[i].id, finding->id) && old[i].level == finding->level)
			return true;
	return false;
}

/* What there is to say, worst first; what does not fit is the least of it. Returns how many. */
static unsigned put_findings(const struct host_record *record, struct published_finding *out)
{
	struct host_finding *all = take_pages(HOST_MAX_FINDINGS * sizeof(*all));
	size_t count = all ? host_judge(record, all) : 0;
	unsigned n = 0;

	for (size_t i = 0; i < count && n < PUBLISHED_MAX_FINDINGS; i++) {
		const struct host_finding *f = &all[i];

		if (f->level < HOST_NOTE)
			continue;
		out[n].level = (uint8_t)f->level;
		out[n].is_filtered = f->is_filtered;
		str_copy(out[n].id, sizeof(out->id), f->check->id);
		str_copy_text(out[n].evidence, sizeof(out->evidence), f->evidence);
		n++;
	}
	give_back(all, HOST_MAX_FINDINGS * sizeof(*all));
	return n;
}

static void publish(struct engine *e)
{
	struct host_probe *p = e->host_probe;
	struct published_header *h = &e->header;
	struct published_finding old[PUBLISHED_MAX_FINDINGS];
	unsigned old_count = h->finding_count, n;

	memcpy(old, h->findings, sizeof(old));
	memset(h->findings, 0, sizeof(h->findings));
	n = put_findings(p->record, h->findings);
	h->finding_count = n;
	h->host_kind = p->record->kind;
	h->allowed_losses = p->record->allowed;
	h->host_tried = p->is_tried;
	for (unsigned i = 0; i < n; i++)
		if (!was_said(old, old_count, &h->findings[i]))
			say(h, i);
	publish_header(e);
}

/* For everybody to read; the next engine and "cleat doctor" have the file. */
static void tell(struct engine *e)
{
	struct host_probe *p = e->host_probe;
	struct err err;

	publish(e);
	if (host_record_save(CLEAT_HOST_RECORD, p->record, &err) < 0)
		log_msg(LOG_WARN, "host", "%s", err.msg);
	if (!p->is_tried)
		return;
	give_back(p->record, sizeof(*p->record));
	p->record = NULL;
}

void host_probe_open(struct engine *e)
{
	struct host_record *record = host_probe_record(e);
	struct host_record *earlier;
	struct err err;

	e->host.allowed_losses = record->allowed = e->appliance.allowed_losses;
	if (!e->host_probe)
		return;
	earlier = take_pages(sizeof(*earlier));
	if (earlier && host_record_load(CLEAT_HOST_RECORD, earlier, &err) == 0 &&
	    host_record_is_current(earlier)) {
		host_record_merge(record, earlier);
		e->host_probe->is_tried = host_record_find(earlier, "host-probe") != NULL;
	}
	give_back(earlier, sizeof(*earlier));
	tell(e);
}

static void forget_child(struct host_probe *p)
{
	p->pid = 0;
	close_fd(&p->fd);
}

static int read_answers(struct host_probe *p, int wait_status, struct err *err)
{
	struct host_record *tried = take_pages(sizeof(*tried));
	ssize_t n = tried ? pread(p->fd, tried, sizeof(*tried), 0) : -1;
	int rc = 0;

	if (WIFSIGNALED(wait_status))
		rc = err_set(err, ERR_SYS, "killed by signal %d", WTERMSIG(wait_status));
	else if (n < 0)
		rc = err_sys(err, "its answers");
	else
		rc = host_record_parse(tried, (size_t)n, tried, err);
	if (rc == 0)
		host_record_merge(p->record, tried);
	give_back(tried, sizeof(*tried));
	return rc;
}

static void on_ended(void *arg, pid_t pid, int wait_status)
{
	struct engine *e = arg;
	struct host_probe *p = e->host_probe;
	struct err err;

	if (pid != p->pid)
		return;
	loop_remove(e->loop, p->timer);
	p->timer = NULL;
	if (read_answers(p, wait_status, &err) < 0) {
		host_record_no(p->record, "host-probe", 0, "cleat doctor --record: %s", err.msg);
		host_record_set_tried(p->record, "host-probe");
	}
	forget_child(p);
	p->is_tried = true;
	tell(e);
}

static void on_patience(struct loop *loop, usec_t now, void *arg)
{
	struct engine *e = arg;

	(void)loop;
	(void)now;
	if (e->host_probe->pid > 0)
		kill(e->host_probe->pid, SIGKILL);
}

static int spawn(struct engine *e, struct err *err)
{
	struct host_probe *p = e->host_probe;
	char *argv[] = { "cleat", "doctor", "--record", e->layout_unknown ? "--leave-data" : NULL,
			 NULL };
	struct proc_spawn child = {
		.path = "/proc/self/exe",
		.argv = argv,
		.cgroup_fd = e->work_cgroup,
		.fd_count = 3,
		.new_session = true,
	};

	p->fd = memfd_create("cleat-host", MFD_CLOEXEC);
	if (p->fd < 0)
		return err_sys(err, "memfd_create");
	child.fds[0] = -1;
	child.fds[1] = p->fd;
	child.fds[2] = STDERR_FILENO;
	return children_spawn(e, &child, on_ended, e, &p->pid, err);
}

static void try_now(struct loop *loop, usec_t now, void *arg)
{
	struct engine *e = arg;
	struct host_probe *p = e->host_probe;
	struct err err;

	loop_remove(loop, p->timer);
	p->timer = NULL;
	if (e->stop_wanted || e->stopping)
		return;
	if (spawn(e, &err) < 0) {
		host_record_no(p->record, "host-probe", 0, "cleat doctor --record: %s", err.msg);
		forget_child(p);
		tell(e);
		return;
	}
	p->timer = loop_timer(loop, now + PATIENCE_USEC, on_patience, e);
}

void host_probe_start(struct engine *e)
{
	struct host_probe *p = e->host_probe;

	if (!p || p->is_tried)
		return;
	p->timer = loop_timer(e->loop, loop_now(e->loop) + START_USEC, try_now, e);
}

void host_probe_stop(struct engine *e)
{
	struct host_probe *p = e->host_probe;

	if (p && p->pid > 0)
		kill(p->pid, SIGKILL);
}
