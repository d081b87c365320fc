/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Docker's clients read, out of what the engine knows. Field names and shapes are those of the Docker Engine API 1.41; what Cleat
 * has no notion of is left out rather than invented. Values of secrets and of environment files are not known here.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "api/internal.h"
#include "spec/spec.h"
#include "supervise/health_log.h"
#include "util/digest.h"
#include "util/json.h"
#include "util/str.h"

/* Stable over restarts and engines: clients keep ids. The run id of the moment is in Config.Labels. */
void api_id(const char *name, char out[API_ID_LEN + 1])
{
	char digest[DIGEST_STR_LEN + 1];

	digest_of(name, strlen(name), digest);
	str_copy(out, API_ID_LEN + 1, digest + strlen("sha256:"));
}

static void rfc3339(int64_t real_usec, char out[40])
{
	time_t seconds = (time_t)(real_usec / 1000000);
	struct tm tm;
	char date[24];

	if (real_usec <= 0 || !gmtime_r(&seconds, &tm)) {
		str_copy(out, 40, "0001-01-01T00:00:00Z");
		return;
	}
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, 40, "%s.%06dZ", date, (int)(real_usec % 1000000));
}

static bool is_running(const struct published_unit *p)
{
	return p->pid != 0;
}

/* Docker's words for what a container does. What never ran is "created", whatever keeps it from running: State.Error says that. */
static const char *docker_state(const struct published_unit *p)
{
	if (is_running(p))
		return "running";
	if (p->state == PUBLISHED_BACKOFF)
		return "restarting";
	return p->exit_code >= 0 ? "exited" : "created";
}

/* The words of Docker's HumanDuration, which people's scripts look for. */
void api_span(int64_t seconds, char out[40])
{
	int64_t hours = (seconds + 1800) / 3600;

	if (seconds < 1)
		str_copy(out, 40, "Less than a second");
	else if (seconds == 1)
		str_copy(out, 40, "1 second");
	else if (seconds < 60)
		snprintf(out, 40, "%" PRId64 " seconds", seconds);
	else if (seconds < 120)
		str_copy(out, 40, "About a minute");
	else if (seconds < 3600)
		snprintf(out, 40, "%" PRId64 " minutes", seconds / 60);
	else if (hours == 1)
		str_copy(out, 40, "About an hour");
	else if (hours < 48)
		snprintf(out, 40, "%" PRId64 " hours", hours);
	else if (hours < 24 * 14)
		snprintf(out, 40, "%" PRId64 " days", hours / 24);
	else if (hours < 24 * 60)
		snprintf(out, 40, "%" PRId64 " weeks", hours / 24 / 7);
	else if (hours < 24 * 730)
		snprintf(out, 40, "%" PRId64 " months", hours / 24 / 30);
	else
		snprintf(out, 40, "%" PRId64 " years", hours / 24 / 365);
}

/* "Up 5 minutes (healthy)", "Exited (1) 3 hours ago", or our own word with the reason. */
static void status_text(const struct published_unit *p, char out[700])
{
	char span[40];

	api_span((clock_real_usec() - (is_running(p) ? p->started_real_usec : p->since_real_usec)) /
			 1000000,
		 span);
	if (is_running(p) && p->health != PUBLISHED_HEALTH_NONE)
		snprintf(out, 700, "Up %s (%s%s)", span,
			 p->health == PUBLISHED_HEALTH_STARTING ? "health: " : "",
			 published_health_name(p->health));
	else if (is_running(p))
		snprintf(out, 700, "Up %s", span);
	else if (p->state == PUBLISHED_BACKOFF)
		snprintf(out, 700, "Restarting (%d) %s ago", p->exit_code, span);
	else if (p->exit_code >= 0)
		snprintf(out, 700, "Exited (%d) %s ago", p->exit_code, span);
	else
		snprintf(out, 700, "%s%s%s", published_state_name(p->state),
			 p->detail[0] ? ": " : "", p->detail);
}

static void json_labels(struct json *json, const struct engine_unit *unit)
{
	json_object(json, "Labels");
	json_str(json, "PODMAN_SYSTEMD_UNIT", unit->unit->service_name);
	json_str(json, "org.cleat.run-id", unit->published->run_id);
	for (size_t i = 0; unit->spec && i < unit->spec->label_count; i++)
		json_str(json, unit->spec->labels[i].name, unit->spec->labels[i].value);
	json_object_end(json);
}

static void command_text(const struct container_spec *spec, struct buf *out)
{
	for (size_t i = 0; spec && i < spec->command.count; i++)
		buf_printf(out, "%s%s", i ? " " : "", spec->command.items[i]);
}

static void render_mounts(struct json *json, const struct container_spec *spec)
{
	json_array(json, "Mounts");
	for (size_t i = 0; spec && i < spec->mount_count; i++) {
		const struct spec_mount *m = &spec->mounts[i];

		json_object(json, NULL);
		json_str(json, "Type",
			 m->kind == SPEC_MOUNT_BIND  ? "bind" :
			 m->kind == SPEC_MOUNT_TMPFS ? "tmpfs" :
						       "volume");
		if (m->volume)
			json_str(json, "Name", m->volume);
		json_str(json, "Source", m->source ? m->source : "");
		json_str(json, "Destination", m->target);
		json_bool(json, "RW", !m->read_only);
		json_object_end(json);
	}
	json_array_end(json);
}

static void render_entry(struct json *json, const struct engine_unit *unit)
{
	const struct published_unit *p = unit->published;
	char id[API_ID_LEN + 1], status[700], name[140];
	auto_buf command = BUF_INIT(4096);

	api_id(p->name, id);
	status_text(p, status);
	snprintf(name, sizeof(name), "/%s", p->name);
	command_text(unit->spec, &command);
	json_object(json, NULL);
	json_str(json, "Id", id);
	json_array(json, "Names");
	json_str(json, NULL, name);
	json_array_end(json);
	json_str(json, "Image", p->image);
	json_str(json, "ImageID", p->image_digest);
	json_str(json, "Command", buf_str(&command));
	json_int(json, "Created",
		 (p->started_real_usec ? p->started_real_usec : p->since_real_usec) / 1000000);
	api_render_ports(json, unit);
	json_labels(json, unit);
	json_str(json, "State", docker_state(p));
	json_str(json, "Status", status);
	json_object(json, "HostConfig");
	json_str(json, "NetworkMode", api_network_mode(unit->spec));
	json_object_end(json);
	api_render_network(json, unit);
	render_mounts(json, unit->spec);
	json_object_end(json);
}

void api_render_list(struct engine *engine, bool all, struct buf *out)
{
	struct json json = JSON_TO(out);

	json_array(&json, NULL);
	for (unsigned i = 0; i < engine_unit_count(engine); i++) {
		struct engine_unit unit;

		engine_unit(engine, i, &unit);
		if (unit.spec && unit.spec->is_pod)
			continue; /* Docker's clients know containers */
		if (all || is_running(unit.published) || unit.published->state == PUBLISHED_BACKOFF)
			render_entry(&json, &unit);
	}
	json_array_end(&json);
	buf_putc(out, '\n');
}

/* The record on tmpfs is the only memory of results. */
static void read_results(const struct published_unit *p, struct arena *arena,
			 struct health_log *out)
{
	char path[128];
	struct err err;

	*out = (struct health_log){ 0 };
	health_log_path(p->run_id, path);
	if (p->run_id[0] && health_log_read(path, arena, out, &err) < 0) {
		log_msg(LOG_WARN, "api", "%s: %s", p->name, err.msg);
		out->count = 0;
	}
}

static void render_health(struct json *json, const struct published_unit *p)
{
	auto_arena arena = { 0 };
	struct health_log log;

	if (p->health == PUBLISHED_HEALTH_NONE)
		return;
	read_results(p, &arena, &log);
	json_object(json, "Health");
	health_log_json(&log, published_health_name(p->health), p->probe_failures, json);
	json_object_end(json);
}

void api_render_health(struct engine *engine, unsigned index, struct buf *out)
{
	struct json json = JSON_TO(out);
	auto_arena arena = { 0 };
	struct engine_unit unit;
	struct health_log log;

	engine_unit(engine, index, &unit);
	read_results(unit.published, &arena, &log);
	json_object(&json, NULL);
	json_str(&json, "Status", core_health_name(unit.view.health));
	if (log.count) {
		json_bool(&json, "Startup", log.items[log.count - 1].startup);
		json_int(&json, "ExitCode", log.items[log.count - 1].exit_code);
		json_str(&json, "Output", log.items[log.count - 1].output);
	}
	json_object_end(&json);
	buf_putc(out, '\n');
}

static void render_state(struct json *json, const struct published_unit *p)
{
	char started[40], finished[40];

	rfc3339(p->started_real_usec, started);
	rfc3339(!is_running(p) && p->exit_code >= 0 ? p->since_real_usec : 0, finished);
	json_object(json, "State");
	json_str(json, "Status", docker_state(p));
	json_bool(json, "Running", is_running(p));
	json_bool(json, "Paused", false);
	json_bool(json, "Restarting", p->state == PUBLISHED_BACKOFF);
	json_bool(json, "OOMKilled", p->oom_killed);
	json_bool(json, "Dead", false);
	json_int(json, "Pid", p->pid);
	json_int(json, "ExitCode", p->exit_code < 0 ? 0 : p->exit_code);
	json_str(json, "Error", is_running(p) ? "" : p->detail);
	json_str(json, "StartedAt", started);
	json_str(json, "FinishedAt", finished);
	render_health(json, p);
	json_object_end(json);
}

static void json_strings(struct json *json, const char *key, const struct strv *v)
{
	json_array(json, key);
	for (size_t i = 0; i < v->count; i++)
		json_str(json, NULL, v->items[i]);
	json_array_end(json);
}

/* Docker's Healthcheck: the check in force, times in nanoseconds. Our own kinds of probes are their URL. */
static void render_check(struct json *json, const struct spec_health *health)
{
	const struct strv *argv = &health->check.argv;
	bool is_shell = argv->count == 3 && str_eq(argv->items[0], "/bin/sh") &&
			str_eq(argv->items[1], "-c");

	if (health->check.kind == SPEC_PROBE_NONE)
		return;
	json_object(json, "Healthcheck");
	json_array(json, "Test");
	json_str(json, NULL, is_shell ? "CMD-SHELL" : "CMD");
	if (health->check.kind != SPEC_PROBE_EXEC)
		json_str(json, NULL, health->check.url);
	else
		for (size_t i = is_shell ? 2 : 0; i < argv->count; i++)
			json_str(json, NULL, argv->items[i]);
	json_array_end(json);
	json_uint(json, "Interval", health->interval_usec * 1000);
	json_uint(json, "Timeout", health->timeout_usec * 1000);
	json_uint(json, "StartPeriod", health->start_period_usec * 1000);
	json_uint(json, "Retries", health->retries);
	json_object_end(json);
}

static void render_config(struct json *json, const struct engine_unit *unit,
			  const struct spec_health *health)
{
	const struct container_spec *spec = unit->spec;

	json_object(json, "Config");
	json_str(json, "Image", unit->published->image);
	if (spec) {
		json_str(json, "Hostname", spec->hostname ? spec->hostname : "");
		json_str(json, "User", spec->user ? spec->user : "");
		json_array(json, "Env");
		for (size_t i = 0; i < spec->env_count; i++) {
			auto_buf pair = BUF_INIT(256 * 1024);

			buf_printf(&pair, "%s=%s", spec->env[i].name, spec->env[i].value);
			json_strn(json, NULL, buf_str(&pair), pair.len);
		}
		json_array_end(json);
		json_strings(json, "Cmd", &spec->command);
		if (spec->entrypoint_set)
			json_strings(json, "Entrypoint", &spec->entrypoint);
		json_str(json, "WorkingDir", spec->workdir ? spec->workdir : "");
		json_str(json, "StopSignal", spec->stop_signal ? spec->stop_signal : "SIGTERM");
		render_check(json, health);
	}
	json_labels(json, unit);
	json_object_end(json);
}

static const char *restart_policy(enum service_restart restart)
{
	switch (restart) {
	case SERVICE_RESTART_NO:
		return "no";
	case SERVICE_RESTART_ALWAYS:
		return "always";
	case SERVICE_RESTART_ON_SUCCESS:
	case SERVICE_RESTART_ON_FAILURE:
	case SERVICE_RESTART_ON_ABNORMAL:
	case SERVICE_RESTART_ON_ABORT:
	case SERVICE_RESTART_ON_WATCHDOG:
		break;
	}
	return "on-failure"; /* Docker has no finer words */
}

static void render_host_config(struct json *json, const struct engine_unit *unit)
{
	const struct container_spec *spec = unit->spec;

	json_object(json, "HostConfig");
	json_object(json, "RestartPolicy");
	json_str(json, "Name", restart_policy(unit->unit->service.restart));
	json_uint(json, "MaximumRetryCount", 0);
	json_object_end(json);
	if (spec) {
		json_str(json, "NetworkMode", api_network_mode(spec));
		json_bool(json, "ReadonlyRootfs", spec->read_only);
		json_bool(json, "Privileged", spec->privileged);
		json_strings(json, "CapAdd", &spec->cap_add);
		json_strings(json, "CapDrop", &spec->cap_drop);
		json_uint(json, "Memory", spec->memory_bytes);
		json_int(json, "PidsLimit", spec->pids_limit);
	}
	json_object_end(json);
}

void api_render_inspect(struct engine *engine, unsigned index, struct buf *out)
{
	struct json json = JSON_TO(out);
	struct engine_unit unit;
	char id[API_ID_LEN + 1], name[140], created[40];

	engine_unit(engine, index, &unit);
	api_id(unit.published->name, id);
	snprintf(name, sizeof(name), "/%s", unit.published->name);
	rfc3339(unit.published->started_real_usec ? unit.published->started_real_usec :
						    unit.published->since_real_usec,
		created);
	json_object(&json, NULL);
	json_str(&json, "Id", id);
	json_str(&json, "Name", name);
	json_str(&json, "Created", created);
	render_state(&json, unit.published);
	json_str(&json, "Image", unit.published->image_digest);
	json_uint(&json, "RestartCount", unit.published->restarts);
	render_config(&json, &unit, engine_health(engine, index));
	render_host_config(&json, &unit);
	render_mounts(&json, unit.spec);
	api_render_network(&json, &unit);
	json_object(&json, "Cleat");
	json_str(&json, "Unit", unit.published->unit);
	json_str(&json, "Source", unit.published->source);
	json_str(&json, "RunId", unit.published->run_id);
	json_str(&json, "State", published_state_name(unit.published->state));
	json_str(&json, "Detail", unit.published->detail);
	json_bool(&json, "LastGood", unit.published->last_good);
	json_bool(&json, "Masked", unit.published->masked);
	json_str(&json, "Choice",
		 unit.published->choice == 1 ? "enabled" :
		 unit.published->choice == 2 ? "disabled" :
					       "");
	json_str(&json, "StatusText", unit.published->status_text);
	json_object_end(&json);
	json_object_end(&json);
	buf_putc(out, '\n');
}

void api_render_version(struct buf *out)
{
	struct json json = JSON_TO(out);
	struct utsname uts = { 0 };

	uname(&uts);
	json_object(&json, NULL);
	json_object(&json, "Platform");
	json_str(&json, "Name", "Cleat");
	json_object_end(&json);
	json_str(&json, "Version", CLEAT_VERSION);
	json_str(&json, "ApiVersion", API_VERSION);
	json_str(&json, "MinAPIVersion", "1.24");
	json_str(&json, "Os", "linux");
	json_str(&json, "Arch",
		 str_eq(uts.machine, "x86_64")	? "amd64" :
		 str_eq(uts.machine, "aarch64") ? "arm64" :
						  uts.machine);
	json_str(&json, "KernelVersion", uts.release);
	json_object_end(&json);
	buf_putc(out, '\n');
}

void api_render_info(struct engine *engine, struct buf *out)
{
	struct json json = JSON_TO(out);
	unsigned running = 0, count = engine_unit_count(engine);

	for (unsigned i = 0; i < count; i++) {
		struct engine_unit unit;

		engine_unit(engine, i, &unit);
		running += is_running(unit.published);
	}
	json_object(&json, NULL);
	json_str(&json, "ServerVersion", CLEAT_VERSION);
	json_uint(&json, "Containers", count);
	json_uint(&json, "ContainersRunning", running);
	json_uint(&json, "ContainersPaused", 0);
	json_uint(&json, "ContainersStopped", count - running);
	json_str(&json, "OSType", "linux");
	json_str(&json, "OperatingSystem", "Cleat");
	json_str(&json, "CgroupVersion", "2");
	json_object_end(&json);
	buf_putc(out, '\n');
}

void api_render_status(struct engine *engine, struct buf *out)
{
	struct json json = JSON_TO(out);

	json_object(&json, NULL);
	json_array(&json, "units");
	for (unsigned i = 0; i < engine_unit_count(engine); i++) {
		struct engine_unit unit;
		const struct published_unit *p;

		engine_unit(engine, i, &unit);
		p = unit.published;
		json_object(&json, NULL);
		json_str(&json, "name", p->name);
		json_str(&json, "unit", p->unit);
		json_str(&json, "state", published_state_name(p->state));
		json_str(&json, "health", published_health_name(p->health));
		json_str(&json, "result", core_result_name(unit.view.result));
		json_bool(&json, "wanted", p->wanted);
		json_int(&json, "pid", p->pid);
		json_uint(&json, "restarts", p->restarts);
		json_str(&json, "detail", p->detail);
		json_str(&json, "status_text", p->status_text);
		json_object_end(&json);
	}
	json_array_end(&json);
	json_object_end(&json);
	buf_putc(out, '\n');
}
