/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment of the container's first process: defaults, the image's, environment files,
 * --env; a later one of the same name takes the earlier one's place. Files are in podman's form:
 * NAME=VALUE a line, '#' comments, nothing unquoted, no continuation. The engine's own environment
 * never gets in.
 */
#include <string.h>

#include "spec/oci_internal.h"
#include "util/str.h"

#define VARIABLE_MAX_BYTES (128 * 1024 - 1) /* MAX_ARG_STRLEN: execve takes no longer string */
#define VARIABLES_MAX 4096

static int put(struct oci *o, const char *name, size_t name_len, const char *value, struct err *err)
{
	size_t value_len = strlen(value);
	char *text;

	if (name_len + 1 + value_len > VARIABLE_MAX_BYTES)
		return err_set(err, ERR_LIMIT,
			       "environment: %.*s: %zu bytes, at most %d are possible",
			       (int)(name_len > 60 ? 60 : name_len), name, name_len + 1 + value_len,
			       VARIABLE_MAX_BYTES);
	text = arena_alloc(o->arena, name_len + value_len + 2);
	memcpy(text, name, name_len);
	text[name_len] = '=';
	memcpy(text + name_len + 1, value, value_len);
	for (size_t i = 0; i < o->env.count; i++)
		if (strncmp(o->env.items[i], text, name_len + 1) == 0) {
			o->env.items[i] = text;
			return 0;
		}
	if (o->env.count >= VARIABLES_MAX)
		return err_set(err, ERR_LIMIT, "environment: more than %d variables",
			       VARIABLES_MAX);
	strv_push(o->arena, &o->env, text);
	return 0;
}

static bool is_unset(const struct oci *o, const char *name, size_t len)
{
	const struct strv *unset = &o->spec->unset_env;

	for (size_t i = 0; i < unset->count; i++)
		if (strlen(unset->items[i]) == len && strncmp(unset->items[i], name, len) == 0)
			return true;
	return o->spec->unset_env_all;
}

static bool is_set(const struct oci *o, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < o->env.count; i++)
		if (strncmp(o->env.items[i], name, len) == 0 && o->env.items[i][len] == '=')
			return true;
	return false;
}

/*
 * container=podman: programs and images test for exactly this word (systemd, dnf, installers), and
 * find here what they then expect.
 */
static int put_defaults(struct oci *o, struct err *err)
{
	static const char *const defaults[][2] = {
		{ "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
		{ "TERM", "xterm" },
		{ "container", "podman" },
	};

	for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
		size_t len = strlen(defaults[i][0]);

		if (!is_unset(o, defaults[i][0], len) &&
		    put(o, defaults[i][0], len, defaults[i][1], err) < 0)
			return -1;
	}
	return 0;
}

static bool is_good_name(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return false;
	return len > 0;
}

static int put_image(struct oci *o, struct err *err)
{
	for (size_t i = 0; i < o->image->env.count; i++) {
		const char *text = o->image->env.items[i];
		size_t len = strcspn(text, "=");

		if (!text[len] || !is_good_name(text, len)) {
			oci_remark(o,
				   "image: an environment entry is no NAME=VALUE, it is left out");
			continue;
		}
		if (!is_unset(o, text, len) && put(o, text, len, text + len + 1, err) < 0)
			return -1;
	}
	return 0;
}

/*
 * One line, without its end. podman takes a name alone from its own environment, where it is not
 * found either.
 */
static int put_line(struct oci *o, const char *path, unsigned number, const char *line,
		    struct err *err)
{
	size_t len;

	line += strspn(line, " \t");
	if (!*line || *line == '#')
		return 0;
	len = strcspn(line, "=");
	if (!is_good_name(line, len))
		return err_set(err, ERR_INPUT,
			       "environment file %s:%u: no variable's name before \"=\"", path,
			       number);
	if (!line[len]) {
		oci_remark(o, "environment file %s:%u: %.*s has no value: it is not set", path,
			   number, (int)(len > 60 ? 60 : len), line);
		return 0;
	}
	if (put(o, line, len, line + len + 1, err) < 0)
		return err_wrap(err, "environment file %s:%u", path, number);
	return 0;
}

static int put_file(struct oci *o, const char *path, const char *text, struct err *err)
{
	for (unsigned number = 1; *text; number++) {
		size_t len = strcspn(text, "\n");
		size_t kept = len && text[len - 1] == '\r' ? len - 1 : len;

		if (put_line(o, path, number, arena_strndup(o->arena, text, kept), err) < 0)
			return -1;
		text += len + (text[len] == '\n');
	}
	return 0;
}

/* Facts, not wishes: last, as podman has them. Without WATCHDOG_PID, for sd_watchdog_enabled(3) compares that with a
 * number that the program has out here, not inside. */
static int put_notify(struct oci *o, struct err *err)
{
	const struct host_facts *host = o->host;

	if (host->notify_dir && put(o, "NOTIFY_SOCKET", strlen("NOTIFY_SOCKET"),
				    OCI_NOTIFY_TARGET "/notify.sock", err) < 0)
		return -1;
	if (!host->watchdog_usec)
		return 0;
	return put(o, "WATCHDOG_USEC", strlen("WATCHDOG_USEC"),
		   arena_printf(o->arena, "%llu", (unsigned long long)host->watchdog_usec), err);
}

int environment_make(struct oci *o, const struct strv *env_file_text, struct err *err)
{
	const struct container_spec *spec = o->spec;
	size_t texts = env_file_text ? env_file_text->count : 0;

	if (texts != spec->env_file_count)
		return err_set(err, ERR_BUG, "%zu environment files, %zu texts",
			       spec->env_file_count, texts);
	if (put_defaults(o, err) < 0 || put_image(o, err) < 0)
		return -1;
	for (size_t i = 0; i < spec->env_file_count; i++)
		if (put_file(o, spec->env_files[i].path, env_file_text->items[i], err) < 0)
			return -1;
	for (size_t i = 0; i < spec->env_count; i++)
		if (put(o, spec->env[i].name, strlen(spec->env[i].name), spec->env[i].value, err) <
		    0)
			return -1;
	if (spec->timezone && !str_eq(spec->timezone, "local") && !is_set(o, "TZ") &&
	    put(o, "TZ", 2, spec->timezone, err) < 0)
		return -1;
	if (!is_set(o, "HOSTNAME") && !is_unset(o, "HOSTNAME", strlen("HOSTNAME")) &&
	    put(o, "HOSTNAME", strlen("HOSTNAME"), o->hostname, err) < 0)
		return -1;
	return put_notify(o, err);
}
