/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spec as JSON, for people and for tests: every field under its own name, times and sizes with
 * their unit.
 */
#include "spec/oci_internal.h"

#include <stdio.h>

#include "util/str.h"

static void write_strv(struct json *j, const char *key, const struct strv *v)
{
	json_array(j, key);
	for (size_t i = 0; i < v->count; i++)
		json_str(j, NULL, v->items[i]);
	json_array_end(j);
}

static void write_origin(struct json *j, const struct origin *origin)
{
	if (!origin || !origin->file || !origin->file[0])
		return;
	json_str(j, "file", origin->file);
	json_uint(j, "line", origin->line);
}

static void write_mounts(struct json *j, const struct container_spec *spec)
{
	char mode[16];

	json_array(j, "mounts");
	for (size_t i = 0; i < spec->mount_count; i++) {
		const struct spec_mount *m = &spec->mounts[i];
		bool bind = m->kind == SPEC_MOUNT_BIND, volume = m->kind == SPEC_MOUNT_VOLUME;

		json_object(j, NULL);
		json_str(j, "type", bind ? "bind" : volume ? "volume" : "tmpfs");
		if (bind)
			json_str(j, "source", m->source);
		if (volume) {
			json_str(j, "volume", m->volume);
			json_str(j, "subpath", m->subpath);
			json_bool(j, "no_copy", m->no_copy);
		}
		json_str(j, "target", m->target);
		json_bool(j, "read_only", m->read_only);
		json_bool(j, "no_exec", m->no_exec);
		json_bool(j, "no_suid", m->no_suid);
		json_bool(j, "no_dev", m->no_dev);
		json_str(j, "propagation", m->propagation);
		if (bind) {
			json_bool(j, "recursive", m->recursive);
			json_bool(j, "make_source", m->make_source);
		} else if (!volume) {
			snprintf(mode, sizeof(mode), "%04o", m->mode);
			json_uint(j, "size_bytes", m->size_bytes);
			if (m->size_percent)
				json_uint(j, "size_percent", m->size_percent);
			json_str(j, "mode", mode);
			json_bool(j, "copy_up", m->copy_up);
		}
		if (m->change_owner)
			json_bool(j, "change_owner", true);
		if (m->idmap)
			json_bool(j, "idmap", true);
		write_origin(j, m->origin);
		json_object_end(j);
	}
	json_array_end(j);
}

static void write_pairs(struct json *j, const char *key, const struct spec_pair *pairs,
			size_t count)
{
	json_object(j, key);
	for (size_t i = 0; i < count; i++)
		json_str(j, pairs[i].name, pairs[i].value);
	json_object_end(j);
}

static void write_environment(struct json *j, const struct container_spec *spec)
{
	json_array(j, "env");
	for (size_t i = 0; i < spec->env_count; i++) {
		json_object(j, NULL);
		json_str(j, "name", spec->env[i].name);
		json_str(j, "value", spec->env[i].value);
		json_object_end(j);
	}
	json_array_end(j);
	json_array(j, "env_files");
	for (size_t i = 0; i < spec->env_file_count; i++)
		json_str(j, NULL, spec->env_files[i].path);
	json_array_end(j);
	write_strv(j, "unset_env", &spec->unset_env);
	json_bool(j, "unset_env_all", spec->unset_env_all);
}

static void write_ports(struct json *j, const struct container_spec *spec)
{
	json_array(j, "ports");
	for (size_t i = 0; i < spec->port_count; i++) {
		const struct spec_port *p = &spec->ports[i];

		json_object(j, NULL);
		json_str(j, "host_ip", p->host_ip);
		json_uint(j, "host_port", p->host_port);
		json_uint(j, "container_port", p->container_port);
		json_uint(j, "count", p->count);
		json_str(j, "protocol", p->udp ? "udp" : "tcp");
		json_object_end(j);
	}
	json_array_end(j);
}

static void write_secrets(struct json *j, const struct container_spec *spec)
{
	char mode[16];

	json_array(j, "secrets");
	for (size_t i = 0; i < spec->secret_count; i++) {
		const struct spec_secret *s = &spec->secrets[i];

		json_object(j, NULL);
		json_str(j, "name", s->name);
		json_str(j, "type", s->is_env ? "env" : "mount");
		json_str(j, "target", s->target);
		if (!s->is_env) {
			snprintf(mode, sizeof(mode), "%04o", s->mode);
			json_uint(j, "uid", s->uid);
			json_uint(j, "gid", s->gid);
			json_str(j, "mode", mode);
		}
		write_origin(j, s->origin);
		json_object_end(j);
	}
	json_array_end(j);
}

/* Unlimited is -1, as it is written. */
static void write_limit(struct json *j, const char *key, uint64_t value)
{
	if (value == UINT64_MAX)
		json_int(j, key, -1);
	else
		json_uint(j, key, value);
}

static void write_limits(struct json *j, const struct container_spec *spec)
{
	json_uint(j, "memory_bytes", spec->memory_bytes);
	json_int(j, "memory_swap_bytes", spec->memory_swap_bytes);
	json_uint(j, "cpu_quota_usec", spec->cpu_quota_usec);
	json_uint(j, "cpu_period_usec", spec->cpu_period_usec);
	json_int(j, "pids_limit", spec->pids_limit);
	json_array(j, "cgroup");
	for (size_t i = 0; i < spec->cgroup_count; i++) {
		json_object(j, NULL);
		json_str(j, "file", spec->cgroup[i].name);
		json_str(j, "value", spec->cgroup[i].value);
		json_object_end(j);
	}
	json_array_end(j);
	json_uint(j, "shm_bytes", spec->shm_bytes);
	json_object(j, "ulimits");
	for (size_t i = 0; i < spec->ulimit_count; i++) {
		json_object(j, spec->ulimits[i].name);
		write_limit(j, "soft", spec->ulimits[i].soft);
		write_limit(j, "hard", spec->ulimits[i].hard);
		json_object_end(j);
	}
	json_object_end(j);
	json_bool(j, "ulimit_host", spec->ulimit_host);
	write_pairs(j, "sysctls", spec->sysctls, spec->sysctl_count);
}

static const char *probe_name(enum spec_probe kind)
{
	switch (kind) {
	case SPEC_PROBE_NONE:
		return "none";
	case SPEC_PROBE_EXEC:
		return "exec";
	case SPEC_PROBE_HTTP:
		return "http";
	case SPEC_PROBE_HTTPS:
		return "https";
	case SPEC_PROBE_TCP:
		return "tcp";
	}
	return "";
}

static const char *on_failure_name(enum spec_on_failure action)
{
	switch (action) {
	case SPEC_ON_FAILURE_UNSET:
		return NULL;
	case SPEC_ON_FAILURE_NONE:
		return "none";
	case SPEC_ON_FAILURE_KILL:
		return "kill";
	case SPEC_ON_FAILURE_RESTART:
		return "restart";
	case SPEC_ON_FAILURE_STOP:
		return "stop";
	}
	return NULL;
}

static void write_check(struct json *j, const struct spec_check *check)
{
	json_str(j, "kind", probe_name(check->kind));
	if (check->kind == SPEC_PROBE_EXEC)
		write_strv(j, "argv", &check->argv);
	else if (check->kind != SPEC_PROBE_NONE)
		json_str(j, "url", check->url);
}

static void write_startup(struct json *j, const struct spec_startup *startup)
{
	if (startup->check.kind == SPEC_PROBE_NONE)
		return;
	json_object(j, "startup");
	write_check(j, &startup->check);
	json_uint(j, "interval_usec", startup->interval_usec);
	json_uint(j, "timeout_usec", startup->timeout_usec);
	json_uint(j, "retries", startup->retries);
	json_uint(j, "success", startup->success);
	json_object_end(j);
}

static void write_health(struct json *j, const struct spec_health *health)
{
	json_object(j, "health");
	write_check(j, &health->check);
	json_bool(j, "off", health->is_off);
	json_uint(j, "interval_usec", health->interval_usec);
	json_uint(j, "timeout_usec", health->timeout_usec);
	json_uint(j, "start_period_usec", health->start_period_usec);
	json_uint(j, "retries", health->retries);
	json_str(j, "on_failure", on_failure_name(health->on_failure));
	write_startup(j, &health->startup);
	json_uint(j, "log_count", health->log_count);
	json_uint(j, "log_bytes", health->log_bytes);
	json_str(j, "log_destination",
		 health->log_directory ? health->log_directory :
		 health->log_to_engine ? "events_logger" :
					 "local");
	json_object_end(j);
}

static const char *network_name(enum spec_network network)
{
	switch (network) {
	case SPEC_NETWORK_DEFAULT:
		return "bridge";
	case SPEC_NETWORK_HOST:
		return "host";
	case SPEC_NETWORK_NONE:
		return "none";
	}
	return "";
}

static void write_isolation(struct json *j, const struct container_spec *spec)
{
	json_str(j, "pod", spec->pod);
	write_strv(j, "cap_add", &spec->cap_add);
	write_strv(j, "cap_drop", &spec->cap_drop);
	write_strv(j, "devices", &spec->devices);
	json_bool(j, "no_new_privileges", spec->no_new_privileges);
	json_bool(j, "read_only", spec->read_only);
	json_bool(j, "read_only_tmpfs", spec->read_only_tmpfs);
	json_str(j, "seccomp", spec->seccomp ? spec->seccomp : "default");
	write_strv(j, "mask", &spec->mask);
	write_strv(j, "unmask", &spec->unmask);
	json_str(j, "network", network_name(spec->network));
	json_str(j, "userns", spec->userns == SPEC_USERNS_KEEP_ID ? "keep-id" : "default");
	if (spec->keep_uid != UINT32_MAX)
		json_uint(j, "keep_uid", spec->keep_uid);
	if (spec->keep_gid != UINT32_MAX)
		json_uint(j, "keep_gid", spec->keep_gid);
	json_str(j, "image_volumes",
		 spec->image_volumes == SPEC_IMAGE_VOLUME_IGNORE ? "ignore" : "tmpfs");
	json_bool(j, "no_hosts", spec->no_hosts);
	json_bool(j, "no_hostname", spec->no_hostname);
}

static void write_joins(struct json *j, const struct container_spec *spec)
{
	json_array(j, "networks");
	for (size_t i = 0; i < spec->join_count; i++) {
		const struct spec_join *join = &spec->joins[i];

		json_object(j, NULL);
		json_str(j, "name", join->network);
		json_str(j, "ip", join->ip);
		json_str(j, "mac", join->mac);
		json_str(j, "interface", join->interface);
		write_strv(j, "aliases", &join->aliases);
		json_object_end(j);
	}
	json_array_end(j);
}

static void write_names(struct json *j, const struct container_spec *spec)
{
	json_array(j, "add_hosts");
	for (size_t i = 0; i < spec->add_host_count; i++) {
		json_object(j, NULL);
		json_str(j, "name", spec->add_hosts[i].name);
		json_str(j, "address",
			 spec->add_hosts[i].address ? spec->add_hosts[i].address : "host-gateway");
		json_object_end(j);
	}
	json_array_end(j);
	write_strv(j, "dns", &spec->dns);
	write_strv(j, "dns_search", &spec->dns_search);
	write_strv(j, "dns_options", &spec->dns_options);
	json_bool(j, "keeps_resolv_conf", spec->keeps_resolv_conf);
}

static void write_program(struct json *j, const struct container_spec *spec)
{
	json_str(j, "name", spec->name);
	json_str(j, "hostname", spec->hostname);
	json_str(j, "image", spec->image);
	if (spec->entrypoint_set)
		write_strv(j, "entrypoint", &spec->entrypoint);
	else
		json_null(j, "entrypoint");
	write_strv(j, "command", &spec->command);
	json_str(j, "user", spec->user);
	write_strv(j, "group_add", &spec->group_add);
	json_bool(j, "no_passwd", spec->no_passwd);
	json_str(j, "passwd_entry", spec->passwd_entry);
	json_str(j, "group_entry", spec->group_entry);
	json_str(j, "workdir", spec->workdir);
	if (spec->umask >= 0)
		json_uint(j, "umask", (uint64_t)spec->umask);
	json_bool(j, "init", spec->init);
}

/* That there are credentials, not which. */
static void write_registry(struct json *j, const struct spec_registry *registry)
{
	json_object(j, "registry");
	json_str(j, "auth_file", registry->auth_file);
	json_bool(j, "has_creds", registry->creds != NULL);
	json_str(j, "cert_dir", registry->cert_dir);
	json_bool(j, "tls_verify", registry->tls_verify != SPEC_NO);
	json_uint(j, "retries", registry->retries);
	json_uint(j, "retry_delay_usec", registry->retry_delay_usec);
	json_object_end(j);
}

static void write_life(struct json *j, const struct container_spec *spec)
{
	static const char *const pulls[] = { "missing", "always", "never", "newer" };
	static const char *const notifies[] = { "conmon", "container", "healthy" };

	json_str(j, "stop_signal", spec->stop_signal);
	json_uint(j, "stop_timeout_usec", spec->stop_timeout_usec);
	write_health(j, &spec->health);
	json_str(j, "log_driver", spec->log_driver);
	json_uint(j, "log_max_bytes", spec->log_max_bytes);
	json_uint(j, "log_max_files", spec->log_max_files);
	json_str(j, "log_tag", spec->log_tag);
	json_str(j, "log_path", spec->log_path);
	json_str(j, "timezone", spec->timezone);
	json_str(j, "pull", pulls[spec->pull]);
	write_registry(j, &spec->registry);
	json_str(j, "auto_update", spec->auto_update);
	json_str(j, "notify", notifies[spec->notify]);
}

void spec_to_json(const struct container_spec *spec, struct buf *out)
{
	struct json j = JSON_TO(out);

	j.pretty = true;
	json_object(&j, NULL);
	write_program(&j, spec);
	write_environment(&j, spec);
	write_mounts(&j, spec);
	write_secrets(&j, spec);
	write_isolation(&j, spec);
	write_joins(&j, spec);
	write_names(&j, spec);
	write_ports(&j, spec);
	write_limits(&j, spec);
	write_pairs(&j, "labels", spec->labels, spec->label_count);
	write_pairs(&j, "annotations", spec->annotations, spec->annotation_count);
	write_life(&j, spec);
	json_object_end(&j);
}
