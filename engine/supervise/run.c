/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Run directories and the wire to their shims. Order of a start: run id, directory, unit record, listening
 * socket, shim, config.json, the word to go; so that whatever is cut off leaves an intent that the next engine recognises as a failed start. The shim
 * comes to life while config.json is made; without that word it ends, and has touched nothing.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "supervise/clear.h"
#include "supervise/files.h"
#include "supervise/internal.h"
#include "supervise/network.h"
#include "supervise/notify.h"
#include "supervise/pods.h"
#include "supervise/start_line.h"
#include "unit/zones.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/lock.h"
#include "util/pass_fd.h"
#include "util/path.h"
#include "util/str.h"

#define CONFIG_MAX_BYTES (1024 * 1024)
#define ENV_FILE_MAX_BYTES (256 * 1024)
#define REMARKS_MAX_BYTES 384
#define RECHECK_USEC (2 * USEC_MSEC)

static void run_path(const char *run_id, const char *file, char out[128])
{
	snprintf(out, 128, "%s/%s%s%s", CLEAT_CONTAINER_DIR, run_id, file[0] ? "/" : "", file);
}

static int new_run_id(char out[16], struct err *err)
{
	unsigned char bytes[CLEAT_RUNID_LEN / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return err_sys(err, "getrandom");
	str_hex(bytes, sizeof(bytes), out);
	return 0;
}

static int link_by_name(const char *name, const char *run_id, struct err *err)
{
	char target[64], path[256], temporary[280];

	snprintf(target, sizeof(target), "../c/%s", run_id);
	snprintf(path, sizeof(path), "%s/%s", CLEAT_BY_NAME_DIR, name);
	snprintf(temporary, sizeof(temporary), "%s.%s", path, run_id);
	if (symlink(target, temporary) < 0)
		return err_sys(err, "%s", temporary);
	if (rename(temporary, path) < 0)
		return err_sys(err, "%s", path);
	return 0;
}

static int read_env_files(const struct container_spec *spec, struct arena *arena, struct strv *out,
			  struct err *err)
{
	out->items = arena_alloc(arena, (spec->env_file_count + 1) * sizeof(*out->items));
	for (size_t i = 0; i < spec->env_file_count; i++) {
		auto_buf text = BUF_INIT(ENV_FILE_MAX_BYTES);
		const struct spec_env_file *file = &spec->env_files[i];

		if (file_read_at(AT_FDCWD, file->path, ENV_FILE_MAX_BYTES, &text, err) < 0)
			return err_wrap(err, "%s:%u: environment file", file->origin->file,
					file->origin->line);
		out->items[out->count++] = arena_strndup(arena, buf_str(&text), text.len);
	}
	return 0;
}

static struct strv strv_of(const char **items)
{
	struct strv v = { .items = items };

	while (items && items[v.count])
		v.count++;
	return v;
}

static void image_facts_of(const struct store_image *image, struct image_facts *out)
{
	*out = (struct image_facts){
		.digest = image->digest,
		.user = image->user,
		.workdir = image->workdir,
		.stop_signal = image->stop_signal,
		.env = strv_of(image->env),
		.entrypoint = strv_of(image->entrypoint),
		.command = strv_of(image->command),
		.volumes = strv_of(image->volumes),
		.layers = strv_of(image->layers),
	};
}

static int read_seccomp(const struct container_spec *spec, struct buf *out, struct err *err)
{
	if (!spec->seccomp || spec->seccomp[0] != '/')
		return 0;
	if (file_read_at(AT_FDCWD, spec->seccomp, SPEC_SECCOMP_MAX_BYTES, out, err) < 0)
		return err_wrap(err, "seccomp profile");
	return 0;
}

/* What the start could not do as asked is shown with the unit's notes. */
static void keep_remarks(struct engine_entry *entry, const struct spec_remarks *remarks)
{
	auto_buf text = BUF_INIT(REMARKS_MAX_BYTES);

	for (size_t i = 0; i < remarks->count; i++)
		buf_printf(&text, "%s%s", i ? "\n" : "", remarks->items[i]);
	str_keep(&entry->remarks, buf_str(&text));
}

static int write_pod_config(struct engine *e, struct engine_entry *entry, struct err *err)
{
	auto_buf text = BUF_INIT(CONFIG_MAX_BYTES);
	auto_arena arena = { 0 };
	struct spec_remarks remarks = { 0 };
	char path[128];

	if (pods_config(e, (unsigned)(entry - e->entries), &remarks, &arena, &text, err) < 0)
		return -1;
	keep_remarks(entry, &remarks);
	run_path(entry->run.id, "config.json", path);
	return file_write_atomic(AT_FDCWD, path, text.data, text.len, 0600, false, err);
}

/* The file of a zone that the container's unit names: few images have any. */
static int write_zone(const struct engine_entry *entry, struct arena *arena,
		      struct host_facts *host, struct err *err)
{
	char rule[ZONE_MAX_BYTES], bytes[ZONE_FILE_BYTES], path[128];
	const char *zone = entry->spec->timezone;

	if (!zone || str_eq(zone, "local") || !zone_rule(zone, rule, sizeof(rule)))
		return 0;
	run_path(entry->run.id, "localtime", path);
	host->zone_file = arena_strdup(arena, path);
	return file_write_atomic(AT_FDCWD, path, bytes, zone_file(rule, bytes, sizeof(bytes)), 0644,
				 false, err);
}

static int write_config(struct engine *e, struct engine_entry *entry, struct err *err)
{
	auto_buf text = BUF_INIT(CONFIG_MAX_BYTES);
	auto_buf profile = BUF_INIT(SPEC_SECCOMP_MAX_BYTES);
	auto_arena arena = { 0 };
	struct spec_remarks remarks = { 0 };
	struct host_facts host = e->host;
	struct image_facts facts;
	struct strv env_files = { 0 };
	char path[128];

	if (entry->spec->is_pod)
		return write_pod_config(e, entry, err);
	image_facts_of(&entry->image, &facts);
	if (read_env_files(entry->spec, &arena, &env_files, err) < 0 ||
	    read_seccomp(entry->spec, &profile, err) < 0 || secrets_check(entry->spec, err) < 0)
		return -1;
	if (volumes_prepare(e, entry, &arena, &host, err) < 0 ||
	    write_zone(entry, &arena, &host, err) < 0)
		return -1;
	if ((entry->pod ?
		     pods_describe(e, entry, &arena, &host, err) :
		     network_files_make(e, (unsigned)(entry - e->entries), &arena, &host, err)) < 0)
		return -1;
	host.seccomp_text = profile.len ? buf_str(&profile) : NULL;
	notify_facts(entry, &arena, &host);
	if (spec_to_oci(entry->spec, &facts, &host, entry->run.id, &env_files, &remarks, &arena,
			&text, err) < 0)
		return -1;
	keep_remarks(entry, &remarks);
	run_path(entry->run.id, "config.json", path);
	return file_write_atomic(AT_FDCWD, path, text.data, text.len, 0600, false, err);
}

static int ctl_address(const char *run_id, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return snprintf(out->sun_path, sizeof(out->sun_path), "%s/%s/ctl", CLEAT_CONTAINER_DIR,
			run_id);
}

static int ctl_listen(const char *run_id, struct err *err)
{
	auto_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;

	ctl_address(run_id, &address);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 4) < 0)
		return err_sys(err, "%s", address.sun_path);
	return take_fd(&fd);
}

static void on_ctl(struct loop *loop, uint32_t events, usec_t now, void *arg);

/* Callbacks carry engine and index in one pointer-sized value. */
struct run_slot {
	struct engine *e;
	unsigned index;
};
static struct run_slot slots[CORE_MAX_UNITS];

static struct run_slot *slot_of(struct engine *e, unsigned index)
{
	slots[index] = (struct run_slot){ .e = e, .index = index };
	return &slots[index];
}

int run_connect(struct engine *e, unsigned index, struct err *err)
{
	struct run *run = &e->entries[index].run;
	auto_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct shim_header hello = { SHIM_PROTOCOL_VERSION, SHIM_HELLO, sizeof(hello) };
	struct sockaddr_un address;

	ctl_address(run->id, &address);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_sys(err, "connect %s", address.sun_path);
	if (send(fd, &hello, sizeof(hello), MSG_NOSIGNAL) < 0)
		return err_sys(err, "send to %s", address.sun_path);
	run->ctl_source = loop_add(e->loop, fd, EPOLLIN, on_ctl, slot_of(e, index), err);
	if (!run->ctl_source)
		return -1;
	run->ctl_fd = take_fd(&fd);
	return 0;
}

static void disconnect(struct engine *e, unsigned index)
{
	struct run *run = &e->entries[index].run;

	loop_remove(e->loop, run->ctl_source);
	run->ctl_source = NULL;
	close_fd(&run->ctl_fd);
	health_over(e, index);
}

static void on_shim_reaped(void *arg, pid_t pid, int wait_status)
{
	struct run_slot *slot = arg;
	struct run *run = &slot->e->entries[slot->index].run;

	(void)wait_status; /* the death event comes from ctl, the verdict from the status record */
	if (run->shim_pid == pid)
		run->shim_pid = 0;
}

static int spawn_shim(struct engine *e, unsigned index, int listen_fd, int go_fd, struct err *err)
{
	struct engine_entry *entry = &e->entries[index];
	struct log_words log;
	int notify_fd = notify_descriptor(e, index);
	char notify_option[] = { notify_fd >= 0 ? '4' : '0', '\0' };
	char go_option[] = { notify_fd >= 0 ? '5' : '4', '\0' };
	unsigned words = 4;
	char *argv[12 + LOG_WORDS_MAX] = { "cleat-runtime", "shim", "--id", entry->run.id };
	struct proc_spawn spawn = {
		.path = CLEAT_RUNTIME_PROGRAM,
		.argv = argv,
		.cgroup_fd = e->shims_cgroup,
		.fds = { -1, -1, STDERR_FILENO, listen_fd, notify_fd >= 0 ? notify_fd : go_fd,
			 go_fd },
		.fd_count = notify_fd >= 0 ? 6 : 5,
		.new_session = true,
	};

	if (entry->spec->is_pod) { /* a holder says nothing, so no words of a log name it */
		argv[words++] = (char *)(uintptr_t) "--name";
		argv[words++] = entry->name;
	}
	argv[words++] = "--notify-fd";
	argv[words++] = notify_option;
	argv[words++] = "--go-fd";
	argv[words++] = go_option;
	logs_shim_words(e, index, &log);
	for (unsigned i = 0; log.words[i]; i++)
		argv[words++] = log.words[i];
	return children_spawn(e, &spawn, on_shim_reaped, slot_of(e, index), &entry->run.shim_pid,
			      err);
}

static int prepare_directory(const char *run_id, struct err *err)
{
	char path[128];

	run_path(run_id, "", path);
	if (mkdir(path, 0711) < 0)
		return err_sys(err, "%s", path);
	return 0;
}

static int describe(struct engine *e, unsigned index, struct err *err)
{
	struct engine_entry *entry = &e->entries[index];

	if (write_config(e, entry, err) < 0)
		return -1;
	return link_by_name(entry->name, entry->run.id, err);
}

int run_launch(struct engine *e, unsigned index, struct err *err)
{
	auto_fd int listen_fd = -1, wait_fd = -1, go_fd = -1;
	int ends[2];

	if (logs_check_path(e, index, err) < 0 || notify_make(e, index, err) < 0)
		return -1;
	listen_fd = ctl_listen(e->entries[index].run.id, err);
	if (listen_fd < 0 || run_connect(e, index, err) < 0)
		return -1;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "pipe2");
	wait_fd = ends[0];
	go_fd = ends[1];
	if (spawn_shim(e, index, listen_fd, wait_fd, err) < 0 || describe(e, index, err) < 0)
		return -1;
	event_emit(e, EVENT_CREATE, index, NULL);
	/* one that has been killed is told of by its end of ctl */
	if (write(go_fd, "", 1) != 1 && errno != EPIPE)
		return err_sys(err, "the shim");
	return 0;
}

int run_start(struct engine *e, unsigned index, struct err *err)
{
	struct run *run = &e->entries[index].run;
	int waits;

	notify_forget(&e->entries[index].record);
	run_clear(run);
	run->phase = RUN_ASKED;
	if (new_run_id(run->id, err) < 0 || prepare_directory(run->id, err) < 0)
		return -1;
	files_started(e, index);
	str_copy(e->entries[index].record.image_digest,
		 sizeof(e->entries[index].record.image_digest),
		 e->entries[index].has_image ? e->entries[index].image.digest : "");
	record_save(e, index);
	waits = network_attach(e, index, err);
	if (waits < 0)
		return -1;
	return waits ? 0 : run_launch(e, index, err);
}

int run_send(struct engine *e, unsigned index, const void *message, size_t length, struct err *err)
{
	struct run *run = &e->entries[index].run;

	if (run->ctl_fd < 0)
		return err_set(err, ERR_NOT_FOUND, "no shim is connected");
	if (send(run->ctl_fd, message, length, MSG_NOSIGNAL) < 0)
		return err_sys(err, "send to the shim");
	return 0;
}

/* EXEC probes carry their words NUL-terminated, one after the other. */
static int probe_text(const struct spec_check *check, struct buf *out, struct err *err)
{
	if (check->kind == SPEC_PROBE_EXEC)
		for (size_t i = 0; i < check->argv.count; i++)
			buf_add(out, check->argv.items[i], strlen(check->argv.items[i]) + 1);
	else if (check->url)
		buf_add(out, check->url, strlen(check->url) + 1);
	return buf_check(out, "health check command", err);
}

int run_probe(struct engine *e, unsigned index, uint64_t order, const struct spec_check *check,
	      uint64_t timeout_usec, struct err *err)
{
	static const uint32_t kinds[] = {
		[SPEC_PROBE_NONE] = 0, /* the shim refuses it: our bug */
		[SPEC_PROBE_EXEC] = SHIM_PROBE_EXEC,
		[SPEC_PROBE_HTTP] = SHIM_PROBE_HTTP,
		[SPEC_PROBE_TCP] = SHIM_PROBE_TCP,
		[SPEC_PROBE_HTTPS] = SHIM_PROBE_HTTPS,
	};
	auto_buf text = BUF_INIT(SHIM_MESSAGE_MAX - sizeof(struct shim_probe));
	auto_buf message = BUF_INIT(SHIM_MESSAGE_MAX);
	struct shim_probe probe = { .header = { SHIM_PROTOCOL_VERSION, SHIM_PROBE, 0 } };

	if (probe_text(check, &text, err) < 0)
		return -1;
	probe.header.length = (uint32_t)(sizeof(probe) + text.len);
	probe.order = order;
	probe.timeout_usec = timeout_usec;
	probe.kind = kinds[check->kind];
	probe.text_length = (uint32_t)text.len;
	buf_add(&message, &probe, sizeof(probe));
	buf_add(&message, text.data, text.len);
	return run_send(e, index, message.data, message.len, err);
}

int run_kill(struct engine *e, unsigned index, struct err *err)
{
	const struct run *run = &e->entries[index].run;
	auto_fd int fd = -1;

	if (network_cancel(e, index)) {
		struct err stopped;

		err_set(&stopped, ERR_BUSY, "stopped before its network stood");
		engine_fail_start(e, index, &stopped);
		return 0;
	}
	/* a shim that hangs before its container lives would never report its end */
	if (run->phase == RUN_ASKED && run->shim_pid > 0)
		kill(run->shim_pid, SIGKILL);
	fd = cgroup_open_run(e->cgroup_mount, run->id, NULL, err);
	if (fd < 0 || cgroup_kill(fd, err) < 0)
		return -1;
	event_emit(e, EVENT_KILL, index, &(struct event_details){ .signal = SIGKILL });
	return 0;
}

static void keep_status(const struct shim_status *told, struct run_status *out)
{
	const struct run_status before = *out;

	*out = (struct run_status){
		.phase = told->phase,
		.container_pid = told->container_pid,
		.container_start_ticks = told->container_start_ticks,
		.exit_code = told->exit_code,
		.exit_signal = told->exit_signal,
		.oom_killed = told->oom_killed,
		.error_code = told->error_code,
		.started_real_usec = told->started_real_usec,
		.exited_real_usec = told->exited_real_usec,
		.started_monotonic_usec = told->started_monotonic_usec,
		.log_dropped_lines = told->log_dropped_lines,
		.memory_max_bytes = told->memory_max_bytes,
		.memory_peak_bytes = told->memory_peak_bytes,
		.max_rss_bytes = told->max_rss_bytes,
		.oom_kills = told->oom_kills,
		.lost = told->lost,
		.error = before.error,
		.log_error = before.log_error,
		.unenforced = before.unenforced,
		.last_output = before.last_output,
	};
	str_keep(&out->error, told->error);
	str_keep(&out->log_error, told->log_error);
	str_keep(&out->unenforced, told->unenforced);
	str_keep(&out->last_output, told->last_output);
}

void run_clear(struct run *run)
{
	str_drop(&run->status.error);
	str_drop(&run->status.log_error);
	str_drop(&run->status.unenforced);
	str_drop(&run->status.last_output);
	*run = (struct run){
		.ctl_fd = -1,
		.status = { .error = "", .log_error = "", .unenforced = "", .last_output = "" },
	};
}

int run_read_status(const char *run_id, struct run_status *out, struct err *err)
{
	auto_buf text = BUF_INIT(65536);
	struct shim_status status;
	char path[128];

	run_path(run_id, "status", path);
	if (file_read_at(AT_FDCWD, path, 65536, &text, err) < 0)
		return -1;
	if (!shim_status_parse(buf_str(&text), text.len, &status))
		return err_set(err, ERR_INTEGRITY, "%s: not a shim's status record", path);
	keep_status(&status, out);
	return 0;
}

int run_is_alive(const char *run_id)
{
	char path[128];
	auto_fd int fd = -1;
	struct err err;

	run_path(run_id, "lock", path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd >= 0 && lock_holder(fd, &err) != 0;
}

void run_forget(struct engine *e, unsigned index)
{
	struct run *run = &e->entries[index].run;

	disconnect(e, index);
	notify_close(e, index);
	network_detach(e, index);
	run_clear(run);
	record_later(e, index); /* whoever forgets a run feeds its end */
}

/* The core takes what is adopted for wanted; a stop that an earlier engine had begun goes on.
 * RUN_ASKED: it has not come to execve yet. */
void run_adopted(struct engine *e, unsigned index, enum core_health health)
{
	const struct engine_entry *entry = &e->entries[index];
	const struct unit_record *before = entry->found;

	health_adopt_image(e, index);
	events_adopted(e, index, health);
	engine_feed(e, &(struct core_event){
			       .type = CORE_EV_ADOPTED,
			       .unit = index,
			       .starting = entry->run.phase == RUN_ASKED,
			       .started_at = entry->run.status.started_monotonic_usec,
			       .was_up = before->was_up,
			       .startup_passed = before->startup_passed,
			       .had_member = before->had_member,
			       .text = before->core_state == CORE_UP ? before->reason : NULL,
			       .adopted_health = health });
	notify_adopted(e, index, before);
}

static void emit_end(struct engine *e, unsigned index, bool was_running,
		     const struct core_event *end)
{
	bool failed = end->type == CORE_EV_START_FAILED;
	bool lost = end->type == CORE_EV_SHIM_LOST;
	const struct event_details details = { .code = lost	   ? -1 :
						       end->signal ? 128 + end->signal :
								     end->code,
					       .signal = end->signal,
					       .text = end->text };

	/* so short a life that nobody heard of its beginning */
	if (end->type == CORE_EV_EXITED && !was_running)
		event_emit(e, EVENT_START, index, NULL);
	if (end->oom)
		event_emit(e, EVENT_OOM, index, &(struct event_details){ .text = end->text });
	event_emit(e, failed ? EVENT_START_FAILED : EVENT_DIE, index, &details);
}

/* "FILE:LINE: " before an error of the runtime, where a line of the unit asked for what it is about. */
static const char *name_line(const struct engine_entry *entry, const char *error, char *out,
			     size_t size)
{
	const struct origin *at =
		entry->spec ? start_line_of(&entry->unit->spec_args, entry->spec, error) : NULL;

	if (!at)
		return error;
	snprintf(out, size, "%s:%u: %s", at->file, at->line, error);
	return out;
}

/* Reports the end of a run to the core; the record on disk is the only witness. */
void run_dead(struct engine *e, unsigned index)
{
	struct run *run = &e->entries[index].run;
	struct core_event event = { .type = CORE_EV_SHIM_LOST,
				    .unit = index,
				    .text = "the shim was killed" };
	bool was_running = run->phase == RUN_RUNNING;
	char oom[160], failed[1024];
	struct err err;

	disconnect(e, index);
	if (run->phase == RUN_ENDED || run->phase == RUN_NONE)
		return;
	notify_drain(e, index);
	notify_close(e, index);
	run->phase = RUN_ENDED;
	if (run_read_status(run->id, &run->status, &err) == 0) {
		last_words_ended(e, index);
		if (run->status.phase == SHIM_EXITED) {
			event.type = CORE_EV_EXITED;
			event.code = run->status.exit_code;
			event.signal = run->status.exit_signal;
			event.oom = run->status.oom_killed;
			event.text = "";
			if (event.oom) {
				last_words_oom(&run->status, oom, sizeof(oom));
				event.text = oom;
			}
		} else if (run->status.phase == SHIM_FAILED) {
			event.type = CORE_EV_START_FAILED;
			event.text = name_line(&e->entries[index], run->status.error, failed,
					       sizeof(failed));
			event.permanent = run->status.error_code == ERR_INPUT ||
					  run->status.error_code == ERR_UNSUPPORTED;
		}
	}
	emit_end(e, index, was_running, &event);
	/* the unit's file has errors now, so the core knows nothing of the run that went on meanwhile */
	if (!e->entries[index].spec) {
		if (run_teardown(e, index, &err) < 0)
			log_msg(LOG_ERROR, "supervise", "%s: teardown: %s", e->entries[index].name,
				err.msg);
		return;
	}
	engine_feed(e, &event);
}

static void recheck(struct loop *loop, usec_t now, void *arg);

/* The wire is gone. With the lock held the shim lives: it is about to release it, or it took another client. */
static void on_hangup(struct engine *e, unsigned index)
{
	struct run *run = &e->entries[index].run;
	struct err err;

	disconnect(e, index);
	if (!run_is_alive(run->id)) {
		run_dead(e, index);
		return;
	}
	if (run_connect(e, index, &err) == 0) {
		notify_ask(e, index);
		return;
	}
	run->ctl_source =
		loop_timer(e->loop, loop_now(e->loop) + RECHECK_USEC, recheck, slot_of(e, index));
}

static void recheck(struct loop *loop, usec_t now, void *arg)
{
	struct run_slot *slot = arg;

	(void)loop;
	(void)now;
	on_hangup(slot->e, slot->index);
}

static void on_state(struct engine *e, unsigned index, const void *data, size_t length)
{
	struct engine_entry *entry = &e->entries[index];
	struct run *run = &entry->run;
	struct shim_status status;

	/* the record on disk is whole, whatever this was meant to be */
	if (!shim_status_parse((const char *)data + sizeof(struct shim_header),
			       length - sizeof(struct shim_header), &status))
		return;
	keep_status(&status, &run->status);
	if (run->status.phase != SHIM_RUNNING || run->phase != RUN_ASKED) {
		publish_unit(e, index);
		return;
	}
	run->phase = RUN_RUNNING;
	event_emit(e, EVENT_START, index, NULL);
	engine_feed(e, &(struct core_event){ .type = CORE_EV_RUNNING,
					     .unit = index,
					     .started_at = run->status.started_monotonic_usec });
	notify_begin(e, index);
}

static void on_message(struct engine *e, unsigned index, const char *data, size_t length,
		       int passed)
{
	auto_fd int fd = passed;
	struct shim_header header;
	struct shim_probe_result result = { .order = 0 };

	if (length < sizeof(header))
		return;
	memcpy(&header, data, sizeof(header));
	if (header.length != length)
		return;
	if (header.type == SHIM_STATE) {
		on_state(e, index, data, length);
	} else if (header.type == SHIM_PROBE_RESULT) {
		memcpy(&result, data, length < sizeof(result) ? length : sizeof(result));
		health_on_result(e, index, &result);
	} else if (header.type == SHIM_NOTIFY_GIVEN) {
		notify_given(e, index, take_fd(&fd));
	}
}

static void on_ctl(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	struct run_slot *slot = arg;
	struct run *run = &slot->e->entries[slot->index].run;
	static char data[SHIM_MESSAGE_MAX];
	int passed = -1;
	ssize_t n = pass_fd_receive(run->ctl_fd, data, sizeof(data), &passed, 0);

	(void)loop;
	(void)events;
	(void)now;
	if (n > 0)
		on_message(slot->e, slot->index, data, (size_t)n, passed);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		on_hangup(slot->e, slot->index);
}

static void retry_teardown(struct loop *loop, usec_t now, void *arg)
{
	struct run_slot *slot = arg;
	struct err err;

	(void)now;
	loop_remove(loop, slot->e->entries[slot->index].run.ctl_source);
	slot->e->entries[slot->index].run.ctl_source = NULL;
	if (run_teardown(slot->e, slot->index, &err) < 0)
		log_msg(LOG_ERROR, "supervise", "%s: teardown: %s",
			slot->e->entries[slot->index].name, err.msg);
}

static void cleaned(struct engine *e, unsigned index)
{
	run_forget(e, index);
	engine_feed(e, &(struct core_event){ .type = CORE_EV_CLEANED, .unit = index });
}

/* The run whose directory is still to be removed, in which nobody looks any more: that is done after the next start has been asked for. "" none. */
static char cleared[sizeof(((struct run *)0)->id)];

void run_remove_cleared(struct engine *e)
{
	struct err err;

	if (!cleared[0])
		return;

	auto_fd int runs = open(CLEAT_CONTAINER_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (runs < 0 || path_remove_tree(runs, cleared, &err) < 0)
		adopt_tear_down(e, cleared);
	cleared[0] = '\0';
}

/* The shim's last record says that the container has ended; only one shim is ever asked for, so none comes after it. */
static bool clear_at_once(struct engine *e, unsigned index)
{
	const struct engine_entry *entry = &e->entries[index];
	struct err err;

	if (entry->run.status.phase != SHIM_EXITED || run_is_alive(entry->run.id))
		return false;

	auto_fd int cgroups = cgroup_open(e->cgroup_mount, CLEAT_CGROUP_CONTAINERS, false, &err);
	auto_fd int names = open(CLEAT_BY_NAME_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (cgroups < 0 || names < 0 || !clear_run(cgroups, names, entry->name, entry->run.id))
		return false;
	run_remove_cleared(e); /* one before it in this turn */
	str_copy(cleared, sizeof(cleared), entry->run.id);
	return true;
}

static void on_torn_down(void *arg, pid_t pid, int wait_status)
{
	struct run_slot *slot = arg;
	struct engine *e = slot->e;
	struct run *run = &e->entries[slot->index].run;

	(void)pid;
	if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0) {
		cleaned(e, slot->index);
		return;
	}
	/* it said why on stderr; nothing new is started over what is left */
	run->ctl_source = loop_timer(e->loop, loop_now(e->loop) + USEC_SEC, retry_teardown, slot);
}

int run_teardown(struct engine *e, unsigned index, struct err *err)
{
	struct run *run = &e->entries[index].run;
	char *argv[] = { "cleat-runtime", "teardown", run->id, NULL };
	struct proc_spawn spawn = {
		.path = CLEAT_RUNTIME_PROGRAM,
		.argv = argv,
		.cgroup_fd = e->work_cgroup,
		.fds = { -1, -1, STDERR_FILENO },
		.fd_count = 3,
	};

	disconnect(e, index);
	notify_close(e, index);
	run->phase = RUN_ENDED;
	if (clear_at_once(e, index)) {
		cleaned(e, index);
		return 0;
	}
	if (children_spawn(e, &spawn, on_torn_down, slot_of(e, index), NULL, err) < 0) {
		run->ctl_source = loop_timer(e->loop, loop_now(e->loop) + USEC_SEC, retry_teardown,
					     slot_of(e, index));
		return -1;
	}
	return 0;
}
