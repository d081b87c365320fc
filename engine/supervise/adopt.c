/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new engine takes over what an earlier one left: run directories are the truth, unit records say whose they are. Running
 * containers are adopted, ended ones reported with their code, everything that no unit claims is torn down. Nothing is started twice:
 * a unit starts only after its old run has been accounted for.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervise/commands.h"
#include "supervise/files.h"
#include "supervise/internal.h"
#include "supervise/network.h"
#include "supervise/notify.h"
#include "util/cleanup.h"
#include "util/str.h"

static void on_orphan_gone(void *arg, pid_t pid, int wait_status)
{
	(void)arg;
	if (!WIFEXITED(wait_status) || WEXITSTATUS(wait_status))
		log_msg(LOG_ERROR, "adopt", "teardown of an unclaimed run (pid %d) did not succeed",
			(int)pid);
}

void adopt_tear_down(struct engine *e, const char *run_id)
{
	char id[16];
	char *argv[] = { "cleat-runtime", "teardown", id, NULL };
	struct proc_spawn spawn = {
		.path = CLEAT_RUNTIME_PROGRAM,
		.argv = argv,
		.cgroup_fd = e->work_cgroup,
		.fds = { -1, -1, STDERR_FILENO },
		.fd_count = 3,
	};
	struct err err;

	str_copy(id, sizeof(id), run_id);
	log_msg(LOG_INFO, "adopt", "run %s belongs to no unit: ending it", id);
	if (children_spawn(e, &spawn, on_orphan_gone, NULL, NULL, &err) < 0)
		log_msg(LOG_ERROR, "adopt", "teardown of %s: %s", id, err.msg);
}

static bool is_claimed(const struct engine *e, const char *run_id)
{
	for (unsigned i = 0; i < e->count; i++)
		if (e->entries[i].found && str_eq(e->entries[i].found->run_id, run_id))
			return true;
	return false;
}

static void sweep_unclaimed(struct engine *e)
{
	auto_dir DIR *dir = opendir(CLEAT_CONTAINER_DIR);
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		if (str_is_hex(d->d_name, CLEAT_RUNID_LEN) && !is_claimed(e, d->d_name))
			adopt_tear_down(e, d->d_name);
}

/* "NAME.tmp-PID" of a process that is no more, waited for or not; of ours it is from before we were executed anew. */
static bool is_left_over(const char *name)
{
	const char *end = strstr(name, ".tmp-");
	uint64_t pid;

	return end && str_to_u64(end + strlen(".tmp-"), INT32_MAX, &pid) && pid > 0 &&
	       ((pid_t)pid == getpid() || !proc_start_ticks((pid_t)pid));
}

/* What file_write_atomic() of an engine or worker that was killed has left: nobody is about to rename it. A record of a container that
 * has such a name is none. */
static void sweep_temporary(struct engine *e, const char *path)
{
	auto_dir DIR *dir = opendir(path);
	struct dirent *d;

	while (dir && (d = readdir(dir))) {
		struct unit_record record;
		struct err err;

		if (!is_left_over(d->d_name))
			continue;
		if (record_load(d->d_name, e->boot_id, &record, &err) == 0 &&
		    str_eq(record.container_name, d->d_name))
			continue;
		if (unlinkat(dirfd(dir), d->d_name, 0) < 0 && errno != ENOENT)
			log_msg(LOG_WARN, "adopt", "%s/%s: %s", path, d->d_name, strerror(errno));
	}
}

static void feed_stop(struct engine *e, unsigned index)
{
	engine_feed(e, &(struct core_event){ .type = CORE_EV_STOP, .unit = index });
}

static void feed_restart(struct engine *e, unsigned index)
{
	engine_feed(e, &(struct core_event){ .type = CORE_EV_RESTART,
					     .unit = index,
					     .text = e->entries[index].found->reason });
}

/* A unit whose file is gone is to end, whatever an earlier engine was told. */
static bool is_wanted(const struct engine_entry *entry)
{
	return entry->found->want == CORE_WANT_UP && !entry->unit->is_removed;
}

/* It came to its end while no engine looked: the core hears of a run, or of a start, and of its end. */
static void report_ended(struct engine *e, unsigned index)
{
	struct run *run = &e->entries[index].run;

	run->phase = run->status.phase == SHIM_FAILED ? RUN_ASKED : RUN_RUNNING;
	run_adopted(e, index, CORE_HEALTH_NONE);
	if (!is_wanted(&e->entries[index]))
		feed_stop(e, index);
	else if (files_starts_again(&e->entries[index]))
		feed_restart(e, index);
	run_dead(e, index);
}

/* The core hears of it at once, also of a start that is still under way: what it does not know, it
 * would start again. */
static int adopt_living(struct engine *e, unsigned index, struct err *err)
{
	struct engine_entry *entry = &e->entries[index];
	struct run *run = &entry->run;
	bool has_run = run->status.phase == SHIM_RUNNING || run->status.phase == SHIM_EXITED;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", CLEAT_CONTAINER_DIR, run->id);
	sweep_temporary(e, path);
	if (run_connect(e, index, err) < 0)
		return -1;
	run->phase = has_run ? RUN_RUNNING : RUN_ASKED;
	notify_ask(e, index);
	entry->stop_pending = !is_wanted(entry);
	entry->restart_pending = files_starts_again(entry);
	run_adopted(e, index, (enum core_health)entry->found->health);
	return 0;
}

static void adopt_one(struct engine *e, unsigned index)
{
	struct engine_entry *entry = &e->entries[index];
	struct run *run = &entry->run;
	bool is_alive, has_status;
	struct err err;

	str_copy(run->id, sizeof(run->id), entry->found->run_id);
	is_alive = run_is_alive(run->id);
	/* In this order: the last word of a shim that has ended is there by now. */
	has_status = run_read_status(run->id, &run->status, &err) == 0;
	/* From here on the policy decides what follows, even if the old run is cleared away before boot
	 * looks what there is to start. */
	entry->start_at_boot_pending = false;
	if (is_alive || (has_status && run->status.phase != SHIM_CREATING))
		network_adopt(e, index);
	if (is_alive && adopt_living(e, index, &err) == 0)
		return;
	if (is_alive)
		log_msg(LOG_WARN, "adopt", "%s: %s", entry->name, err.msg);
	if (has_status && run->status.phase != SHIM_CREATING) {
		entry->has_ended = true;
		return;
	}
	entry->start_at_boot_pending = is_wanted(entry);
	/* An intent that never came to life. Its shim may have died on the way, and nothing that it
	 * made may run beside the next one. */
	if (run_kill(e, index, &err) == 0)
		log_msg(LOG_WARN, "adopt", "%s: its start was cut off and is ended", entry->name);
	adopt_tear_down(e, run->id);
	network_detach(e, index);
	run_clear(run);
	/* or it has been torn down, and its end was written down before that */
	if (entry->found->core_state == CORE_CLEANING)
		files_restore(e, index);
}

/* A oneshot that has done its work: it must not do it again because the engine was replaced. */
static void adopt_ended(struct engine *e, unsigned index)
{
	struct engine_entry *entry = &e->entries[index];

	entry->start_at_boot_pending = false;
	entry->stop_pending = !is_wanted(entry);
	engine_feed(e,
		    &(struct core_event){ .type = CORE_EV_ADOPTED, .unit = index, .ended = true });
}

static void take_record(struct engine *e, struct engine_entry *entry)
{
	const struct unit_record *record = entry->found = files_take_record(e, entry);
	struct unit_kept *kept = &entry->record;

	if (!record)
		return;
	kept->said_ready = record->said_ready;
	kept->said_watchdog_usec = record->said_watchdog_usec;
	memcpy(kept->effect, record->effect, sizeof(kept->effect));
	memcpy(kept->inputs, record->inputs, sizeof(kept->inputs));
	memcpy(kept->copied, record->copied, sizeof(kept->copied));
	memcpy(kept->taken, record->taken, sizeof(kept->taken));
	str_copy(kept->image_digest, sizeof(kept->image_digest), record->image_digest);
	entry->restarts_before = record->restarts;
	entry->adopted_since = record->since_real_usec;
	entry->adopted_state = record->public_state;
	entry->adopted_health = record->public_health;
	/* a file that has errors now does not disturb what runs from its earlier version */
	if (!entry->spec || entry->unit->is_removed)
		str_copy(entry->name, sizeof(entry->name), record->container_name);
	else if (!str_eq(entry->name, record->container_name))
		record_forget(
			record->container_name); /* its own, under an earlier ContainerName= */
}

void adopt_ends(struct engine *e)
{
	for (unsigned i = 0; i < e->count; i++) {
		if (!e->entries[i].end_pending)
			continue;
		e->entries[i].end_pending = false;
		engine_feed(e, &(struct core_event){ .type = CORE_EV_CLEANED, .unit = i });
	}
}

/* What another version has made is left alone: its containers go on, and that version can take them
 * up again. */
void adopt_all(struct engine *e)
{
	static const struct {
		const char *path;
		bool on_data;
	} places[] = {
		{ CLEAT_RUN_DIR, false },      { CLEAT_RUN_DIR "/units", false },
		{ CLEAT_NETWORK_DIR, false },  { CLEAT_BOOT_DIR, false },
		{ CLEAT_LINKS_DIR, false },    { CLEAT_UNIT_STATE_DIR, true },
		{ CLEAT_LAST_GOOD_DIR, true }, { CLEAT_HISTORY_DIR, true },
	};

	if (e->run_layout_unknown)
		return;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (!places[i].on_data || e->data_writable)
			sweep_temporary(e, places[i].path);
	commands_sweep(e);
	for (unsigned i = 0; i < e->count; i++) {
		struct engine_entry *entry = &e->entries[i];

		take_record(e, entry);
		last_words_adopt(e, i);
		entry->start_at_boot_pending = entry->found ? entry->found->want == CORE_WANT_UP :
							      entry->unit->service.boot;
		files_adopt(e, i);
	}
	files_drop_records(e);
	sweep_unclaimed(e);
	for (unsigned i = 0; i < e->count; i++)
		if (e->entries[i].found && e->entries[i].found->run_id[0])
			adopt_one(e, i);
		else if (e->entries[i].found && e->entries[i].found->ended)
			adopt_ended(e, i);
	/* when the core knows of all that live: who is bound to what has ended goes with it, and dependants go first */
	for (unsigned i = 0; i < e->count; i++)
		if (e->entries[i].has_ended)
			report_ended(e, i);
	for (unsigned i = 0; i < e->count; i++)
		if (e->entries[i].stop_pending)
			feed_stop(e, i);
	for (unsigned i = 0; i < e->count; i++)
		if (e->entries[i].restart_pending)
			feed_restart(e, i);
	for (unsigned i = 0; i < e->count; i++)
		e->entries[i].found = NULL;
	files_forget_records(e);
}
