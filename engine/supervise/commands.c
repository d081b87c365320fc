/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's side of a unit's command lines and conditions: one child for a list, its cgroup, its end as an event. Must never wait for
 * any of it, and must never leave a process of a list that is over.
 */
#include "supervise/commands.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervise/internal.h"
#include "util/cleanup.h"
#include "util/str.h"

#define GRACE_USEC (2 * USEC_SEC)
#define BURY_USEC (50 * USEC_MSEC)
#define BURY_MAX_USEC (10 * USEC_SEC)
#define CGROUP_PREFIX "x-"

struct command_slot {
	struct engine *e;
	unsigned index;
	pid_t pid;     /* 0: nothing runs */
	int result_fd; /* -1 */
	bool is_conditions;
	enum core_command which;
	uint64_t order;
	bool has_invocation;
	char invocation_id[33];
	bool was_asked;		   /* SIGTERM was sent */
	char reload_error[480];	   /* of the last RELOAD list, "" */
	struct loop_source *timer; /* the grace of a kill */
	char cgroup[300];	   /* of the list that runs */
};

static struct command_slot *slot_of(struct engine *e, unsigned index)
{
	if (!e->commands) {
		e->commands = arena_alloc(&e->arena, (e->count + 1) * sizeof(*e->commands));
		for (unsigned i = 0; i < e->count; i++)
			e->commands[i] =
				(struct command_slot){ .e = e, .index = i, .result_fd = -1 };
	}
	return &e->commands[index];
}

static const char *name_of(const struct command_slot *slot)
{
	return slot->e->entries[slot->index].name;
}

unsigned commands_of(const struct service *service)
{
	static const enum core_command lists[] = {
		[SERVICE_EXEC_CONDITION] = CORE_COMMAND_CONDITION,
		[SERVICE_EXEC_START_PRE] = CORE_COMMAND_START_PRE,
		[SERVICE_EXEC_START_POST] = CORE_COMMAND_START_POST,
		[SERVICE_EXEC_RELOAD] = CORE_COMMAND_RELOAD,
		[SERVICE_EXEC_RELOAD_POST] = CORE_COMMAND_RELOAD,
		[SERVICE_EXEC_STOP] = CORE_COMMAND_STOP,
		[SERVICE_EXEC_STOP_POST] = CORE_COMMAND_STOP_POST,
	};
	unsigned set = 0;

	for (size_t i = 0; i < service->exec_count; i++)
		set |= 1u << lists[service->execs[i].which];
	return set;
}

bool commands_cannot_reload(const struct engine *e, unsigned index, struct err *err)
{
	const struct engine_entry *entry = &e->entries[index];

	if (commands_of(&entry->unit->service) & 1u << CORE_COMMAND_RELOAD)
		return false;
	err_set(err, ERR_UNSUPPORTED,
		"job type reload is not applicable for unit %s: write ExecReload= in [Service], or ReloadCmd= or ReloadSignal= in [Container]",
		entry->unit->service_name);
	return true;
}

/* --- cgroups ------------------------------------------------------------------------------------------------------------------ */

/* A cgroup that is on its way out. Each list has one of its own that is never used again: Linux 6.18 kills whatever is born (CLONE_INTO_CGROUP)
 * in a cgroup whose cgroup.kill was ever written, because the fork compares the count of kills with that of its parent's cgroup. */
struct dying_cgroup {
	struct engine *e;
	struct loop_source *timer;
	usec_t delay_usec; /* doubles: a process on a disk that stalls may stay for long */
	char rel[300];
};

static void bury_later(struct loop *loop, usec_t now, void *arg);

static bool bury(struct dying_cgroup *dying)
{
	char path[600];
	struct err err;
	auto_fd int fd = -1;

	snprintf(path, sizeof(path), "%s/%s", dying->e->cgroup_mount, dying->rel);
	if (rmdir(path) == 0 || errno != EBUSY)
		return true;
	fd = cgroup_open(dying->e->cgroup_mount, dying->rel, false, &err);
	if (fd < 0 || cgroup_kill(fd, &err) < 0)
		log_msg(LOG_WARN, "commands", "%s", err.msg);
	return false;
}

/* A killed process is gone a moment later; its cgroup can be removed then. */
static void bury_later(struct loop *loop, usec_t now, void *arg)
{
	struct dying_cgroup *dying = arg;

	if (bury(dying)) {
		loop_remove(loop, dying->timer);
		free(dying);
		return;
	}
	if (dying->delay_usec < BURY_MAX_USEC)
		dying->delay_usec *= 2;
	loop_timer_set(loop, dying->timer, now + dying->delay_usec);
}

/* Kills what is left in it, and takes it away. */
static void end_cgroup(struct engine *e, const char *rel)
{
	struct dying_cgroup first = { .e = e, .delay_usec = BURY_USEC }, *dying;

	str_copy(first.rel, sizeof(first.rel), rel);
	if (bury(&first))
		return;
	dying = malloc(sizeof(*dying));
	if (!dying) /* killed it is; the next engine takes it away */
		return;
	*dying = first;
	dying->timer = loop_timer(e->loop, loop_now(e->loop) + BURY_USEC, bury_later, dying);
}

static void kill_cgroup(struct command_slot *slot)
{
	struct err err;
	auto_fd int fd = cgroup_open(slot->e->cgroup_mount, slot->cgroup, false, &err);

	if (fd < 0 || cgroup_kill(fd, &err) < 0)
		log_msg(LOG_WARN, "commands", "%s: kill: %s", name_of(slot), err.msg);
}

static void name_cgroup(struct command_slot *slot)
{
	static unsigned count;

	snprintf(slot->cgroup, sizeof(slot->cgroup), "%s/" CGROUP_PREFIX "%s.%llx.%x",
		 CLEAT_CGROUP_WORK, name_of(slot), (unsigned long long)loop_now(slot->e->loop),
		 count++);
}

void commands_sweep(struct engine *e)
{
	char path[300], rel[300];
	auto_dir DIR *dir = NULL;
	struct dirent *d;

	if (!e->cgroup_mount[0])
		return;
	snprintf(path, sizeof(path), "%s/%s", e->cgroup_mount, CLEAT_CGROUP_WORK);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		if (!str_starts(d->d_name, CGROUP_PREFIX))
			continue;
		log_msg(LOG_WARN, "commands", "%s: what an earlier engine was running is ended",
			d->d_name + strlen(CGROUP_PREFIX));
		snprintf(rel, sizeof(rel), "%s/%s", CLEAT_CGROUP_WORK, d->d_name);
		end_cgroup(e, rel);
	}
}

static void stop_timer(struct command_slot *slot)
{
	loop_remove(slot->e->loop, slot->timer);
	slot->timer = NULL;
}

/* --- the end of a list -------------------------------------------------------------------------------------------------------- */

/* What the child has written before it ended: of two records the second; killed before anybody asked it to end, none. */
static void read_result(struct command_slot *slot, int wait_status, struct command_result *out)
{
	struct command_result record;
	bool is_known = false;

	for (int i = 0; i < 2; i++) {
		if (read(slot->result_fd, &record, sizeof(record)) != (ssize_t)sizeof(record) ||
		    record.magic != COMMAND_RESULT_MAGIC)
			break;
		*out = record;
		is_known = true;
	}
	close_fd(&slot->result_fd);
	out->text[sizeof(out->text) - 1] = '\0';
	if (is_known)
		return;
	*out = (struct command_result){ .code = 255 };
	if (WIFSIGNALED(wait_status)) {
		out->code = -1;
		out->signal = slot->was_asked ? SIGKILL : WTERMSIG(wait_status);
	}
	str_copy(out->text, sizeof(out->text),
		 slot->was_asked ? "the command had to be killed" : "the command was killed");
}

static void feed_conditions(struct command_slot *slot, bool pass,
			    const struct command_result *result)
{
	engine_feed(slot->e, &(struct core_event){ .type = CORE_EV_CONDITIONS,
						   .unit = slot->index,
						   .order = slot->order,
						   .pass = pass,
						   .permanent = result->permanent != 0,
						   .text = result->text });
}

const char *engine_reload_error(const struct engine *e, unsigned index)
{
	return e->commands ? e->commands[index].reload_error : "";
}

static void feed_command(struct command_slot *slot, bool pass, const struct command_result *result)
{
	if (slot->which == CORE_COMMAND_RELOAD)
		str_copy(slot->reload_error, sizeof(slot->reload_error), pass ? "" : result->text);
	engine_feed(slot->e, &(struct core_event){ .type = CORE_EV_COMMAND,
						   .unit = slot->index,
						   .order = slot->order,
						   .pass = pass,
						   .code = result->code,
						   .signal = result->signal,
						   .text = result->text });
}

static void on_reaped(void *arg, pid_t pid, int wait_status)
{
	struct command_slot *slot = arg;
	bool pass = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0;
	struct command_result result = { 0 };

	if (slot->pid != pid) /* it was given up for another one */
		return;
	slot->pid = 0;
	stop_timer(slot);
	if (pass)
		close_fd(&slot->result_fd);
	else
		read_result(slot, wait_status, &result);
	end_cgroup(slot->e, slot->cgroup);
	if (slot->is_conditions)
		feed_conditions(slot, pass, &result);
	else
		feed_command(slot, pass, &result);
}

static void fail(struct command_slot *slot, const struct err *err)
{
	struct command_result result = { .code = 255 };

	close_fd(&slot->result_fd);
	end_cgroup(slot->e, slot->cgroup);
	str_copy(result.text, sizeof(result.text), err->msg);
	log_msg(LOG_ERROR, "commands", "%s: %s", name_of(slot), err->msg);
	if (slot->is_conditions)
		feed_conditions(slot, false, &result);
	else
		feed_command(slot, false, &result);
}

static void on_grace_over(struct loop *loop, usec_t now, void *arg)
{
	(void)loop;
	(void)now;
	kill_cgroup(arg);
}

void commands_kill(struct engine *e, unsigned index, uint64_t order)
{
	struct command_slot *slot = slot_of(e, index);

	if (slot->pid <= 0 || slot->is_conditions || slot->order != order)
		return;
	if (slot->was_asked) {
		kill_cgroup(slot);
		return;
	}
	slot->was_asked = true;
	kill(slot->pid, SIGTERM);
	slot->timer = loop_timer(e->loop, loop_now(e->loop) + GRACE_USEC, on_grace_over, slot);
}

/* --- the start of a list ------------------------------------------------------------------------------------------------------ */

static void give_up(struct command_slot *slot)
{
	if (slot->pid > 0) {
		if (!slot->is_conditions && slot->which == CORE_COMMAND_RELOAD)
			str_copy(slot->reload_error, sizeof(slot->reload_error), "it was cut off");
		end_cgroup(slot->e, slot->cgroup);
		slot->pid = 0;
	}
	close_fd(&slot->result_fd);
	stop_timer(slot);
	slot->was_asked = false;
}

/* Of this start and all that belongs to it, to the commands after its end. */
static const char *invocation_id(struct command_slot *slot, bool is_new)
{
	unsigned char bytes[16];

	if ((is_new || !slot->has_invocation) &&
	    getrandom(bytes, sizeof(bytes), GRND_NONBLOCK) == (ssize_t)sizeof(bytes)) {
		str_hex(bytes, sizeof(bytes), slot->invocation_id);
		slot->has_invocation = true;
	}
	return slot->invocation_id;
}

static char **environment(struct command_slot *slot, struct arena *arena, bool is_new)
{
	const struct engine_entry *entry = &slot->e->entries[slot->index];
	struct core_unit_view view;
	struct command_facts facts = {
		.name = entry->name,
		.service_name = entry->unit->service_name,
		.invocation_id = invocation_id(slot, is_new),
		.main_pid = entry->run.phase == RUN_RUNNING ? entry->run.status.container_pid : 0,
		.has_result = slot->which == CORE_COMMAND_STOP ||
			      slot->which == CORE_COMMAND_STOP_POST,
	};

	core_view(slot->e->core, slot->index, &view);
	facts.result = view.result;
	facts.exit_code = view.exit_code;
	facts.exit_signal = view.exit_signal;
	return commands_environment(arena, &entry->unit->service, &facts);
}

static int spawn(struct command_slot *slot, struct arena *arena, struct arg_list *words,
		 bool is_new, struct err *err)
{
	char **argv = arena_alloc(arena, (words->count + 1) * sizeof(*argv));
	int ends[2];
	auto_fd int cgroup = -1;

	name_cgroup(slot);
	cgroup = cgroup_open(slot->e->cgroup_mount, slot->cgroup, true, err);
	if (cgroup < 0)
		return -1;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(err, "pipe2");

	auto_fd int report = ends[1];

	slot->result_fd = ends[0];
	for (size_t i = 0; i < words->count; i++)
		argv[i] = (char *)(uintptr_t)words->items[i].text;

	struct proc_spawn spawn = {
		.path = "/proc/self/exe",
		.argv = argv,
		.envp = environment(slot, arena, is_new),
		.cgroup_fd = cgroup,
		.fds = { -1, -1, STDERR_FILENO, report },
		.fd_count = 4,
		.new_session = true,
		.signals_blocked = true,
	};

	return children_spawn(slot->e, &spawn, on_reaped, slot, &slot->pid, err);
}

static void push(struct arena *arena, struct arg_list *words, const char *text)
{
	arg_push(arena, words, text, NULL);
}

static bool belongs_to(enum service_exec_which which, enum core_command list)
{
	struct service_exec exec = { .which = which };
	struct service one = { .execs = &exec, .exec_count = 1 };

	return commands_of(&one) == 1u << list;
}

static void push_flags(struct arena *arena, struct arg_list *words, const struct service_exec *exec)
{
	push(arena, words,
	     arena_printf(arena, ".%s%s%s%s", exec->ignores_failure ? "-" : "",
			  exec->is_late ? "l" : "", exec->is_for_shell ? "s" : "",
			  exec->which == SERVICE_EXEC_CONDITION ? "c" : ""));
}

static void push_line(struct arena *arena, struct arg_list *words, const struct service_exec *exec)
{
	auto_buf label = BUF_INIT(1024);

	push_flags(arena, words, exec);
	commands_write_label(exec->origin, exec->program, &label);
	push(arena, words, arena_strdup(arena, buf_str(&label)));
	push(arena, words, exec->program);
	push(arena, words, arena_printf(arena, "%zu", exec->argv.count));
	for (size_t i = 0; i < exec->argv.count; i++)
		push(arena, words, exec->argv.items[i].text);
}

void commands_run(struct engine *e, unsigned index, enum core_command which, uint64_t order)
{
	const struct service *service = &e->entries[index].unit->service;
	struct command_slot *slot = slot_of(e, index);
	const char *folder = service->working_directory;
	bool is_new = which == CORE_COMMAND_CONDITION ||
		      (which == CORE_COMMAND_START_PRE &&
		       !(commands_of(service) & 1u << CORE_COMMAND_CONDITION));
	auto_arena arena = { 0 };
	struct arg_list words = { 0 };
	struct err err;

	give_up(slot);
	slot->is_conditions = false;
	slot->which = which;
	slot->order = order;
	push(&arena, &words, "cleat");
	push(&arena, &words, "run-commands");
	push(&arena, &words, name_of(slot));
	push(&arena, &words, arena_printf(&arena, "%o", service->umask));
	push(&arena, &words,
	     !folder[0] ?
		     "/" :
		     arena_printf(&arena, "%s%s", service->may_miss_working_directory ? "-" : "",
				  str_eq(folder, "~") ? "/root" : folder));
	/* ExecReloadPost= comes last, wherever it stands in the file */
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < service->exec_count; i++)
			if (belongs_to(service->execs[i].which, which) &&
			    (service->execs[i].which == SERVICE_EXEC_RELOAD_POST) == (pass == 1))
				push_line(&arena, &words, &service->execs[i]);
	if (spawn(slot, &arena, &words, is_new, &err) < 0)
		fail(slot, &err);
}

void commands_check_conditions(struct engine *e, unsigned index, uint64_t order)
{
	const struct service *service = &e->entries[index].unit->service;
	struct command_slot *slot = slot_of(e, index);
	auto_arena arena = { 0 };
	struct arg_list words = { 0 };
	struct err err;

	give_up(slot);
	slot->is_conditions = true;
	slot->order = order;
	push(&arena, &words, "cleat");
	push(&arena, &words, "check-conditions");
	for (size_t i = 0; i < service->condition_count; i++) {
		const struct service_condition *condition = &service->conditions[i];
		auto_buf label = BUF_INIT(1024);

		commands_write_label(
			condition->origin,
			arena_printf(&arena, "%s%s%s", condition->is_trigger ? "|" : "",
				     condition->is_negated ? "!" : "", condition->text),
			&label);
		push(&arena, &words,
		     arena_printf(&arena, ".%s%s%s", condition->is_assert ? "a" : "",
				  condition->is_negated ? "!" : "",
				  condition->is_trigger ? "|" : ""));
		push(&arena, &words, arena_strdup(&arena, buf_str(&label)));
		push(&arena, &words, condition->name);
		push(&arena, &words, condition->text);
	}
	if (spawn(slot, &arena, &words, true, &err) < 0)
		fail(slot, &err);
}
