/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --log-driver and --log-opt. Whatever podman's driver is called, lines are kept in rotated files of our own; "none" keeps nothing, and
 * "passthrough" hands lines to the engine's own standard error. Must never let a path leave /data, nor enter what the engine keeps there.
 */
#include <string.h>

#include "spec/options.h"
#include "util/path.h"
#include "util/places.h"
#include "util/str.h"

#define MIN_BYTES (64 * 1024) /* several of the longest lines: log/files.h */
#define MAX_FILES 100	      /* a rotation is a rename a file: log/files.h */
#define TAG_MAX 48	      /* RFC 5424, APP-NAME */
#define PATH_MAX_BYTES 240

void parse_log_driver(struct options *o, const char *value)
{
	static const char *const files[] = { "journald", "k8s-file", "json-file" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (!str_eq(value, files[i]))
			continue;
		o->spec->log_driver = files[i];
		option_note(
			o,
			"noted: output goes to the appliance's own rotated files (\"cleat logs\")");
		return;
	}
	if (str_eq(value, "none"))
		o->spec->log_driver = "none";
	else if (str_eq(value, "passthrough"))
		o->spec->log_driver = "passthrough";
	else if (str_eq(value, "passthrough-tty"))
		option_error(
			o,
			"log driver passthrough-tty is not supported: nobody's terminal is there; write passthrough");
	else
		option_error(
			o,
			"\"%s\" is no log driver; none and passthrough are known; journald, k8s-file, json-file are taken for our own files",
			option_shown(o, value));
}

static void log_max_size(struct options *o, const char *value)
{
	uint64_t bytes;

	if (str_eq(value, "-1"))
		option_error(
			o,
			"max-size=-1: a log without a limit is not supported; write the most that may be kept, e.g. max-size=1g");
	else if (!str_to_bytes(value, &bytes) || bytes > (UINT64_C(1) << 40))
		option_error(o, "max-size=%s is no size up to 1 TiB", option_shown(o, value));
	else if (bytes < MIN_BYTES)
		option_error(
			o,
			"max-size=%s: at least %d bytes are needed, several of the longest lines",
			option_shown(o, value), MIN_BYTES);
	else
		o->spec->log_max_bytes = bytes;
}

static void log_max_file(struct options *o, const char *value)
{
	uint64_t files;

	if (str_to_u64(value, MAX_FILES, &files) && files > 0)
		o->spec->log_max_files = (unsigned)files;
	else
		option_error(o, "max-file= takes a number from 1 to %d", MAX_FILES);
}

/* Go's templates of podman, as far as we know what they stand for. */
static bool is_known_template(const char *text, size_t *length)
{
	static const char *const known[] = { "{{.Name}}", "{{.ImageName}}" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		*length = strlen(known[i]);
		if (str_starts(text, known[i]))
			return true;
	}
	return false;
}

static void log_tag(struct options *o, const char *value)
{
	size_t length;

	if (!value[0] || strlen(value) > TAG_MAX) {
		option_error(o, "tag= takes 1 to %d characters", TAG_MAX);
		return;
	}
	for (const char *p = value; *p; p++) {
		if (str_starts(p, "{{")) {
			if (!is_known_template(p, &length)) {
				option_error(o, "tag=%s: known are {{.Name}} and {{.ImageName}}",
					     option_shown(o, value));
				return;
			}
			p += length - 1;
		} else if (*p <= ' ' || *p > '~') {
			option_error(o, "tag=%s: only printable ASCII without blanks",
				     option_shown(o, value));
			return;
		}
	}
	o->spec->log_tag = arena_strdup(o->arena, value);
}

/* What the engine keeps below /data is nobody else's. */
static bool is_kept_place(const char *path)
{
	static const char *const places[] = { CLEAT_STORE_DIR, CLEAT_VOLUME_DIR, CLEAT_SECRET_STORE,
					      CLEAT_LOG_DIR, CLEAT_HOME_DIR };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		size_t length = strlen(places[i]);

		if (strncmp(path, places[i], length) != 0)
			continue;
		if (path[length] == '\0')
			return true;
		/* below logs and home there is room for more */
		if (path[length] == '/' && i < 3)
			return true;
	}
	return false;
}

static void log_path(struct options *o, const char *value)
{
	char clean[PATH_MAX_BYTES];

	if (!path_clean(value, clean, sizeof(clean)) || !str_starts(clean, CLEAT_DATA_DIR "/")) {
		option_error(o, "path=%s: an absolute path below %s is needed, of at most %d bytes",
			     option_shown(o, value), CLEAT_DATA_DIR, PATH_MAX_BYTES - 1);
	} else if (is_kept_place(clean)) {
		option_error(o, "path=%s: that place is the appliance's own",
			     option_shown(o, value));
	} else {
		o->spec->log_path = arena_strdup(o->arena, clean);
		option_note(o,
			    "noted: %s becomes a folder with the rotated files current, 1, 2, ...",
			    option_shown(o, clean));
	}
}

void parse_log_opt(struct options *o, const char *value)
{
	static const struct {
		const char *name;
		void (*parse)(struct options *o, const char *value);
	} rows[] = {
		{ "max-size=", log_max_size },
		{ "max-file=", log_max_file },
		{ "tag=", log_tag },
		{ "path=", log_path },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!str_starts(value, rows[i].name))
			continue;
		rows[i].parse(o, value + strlen(rows[i].name));
		return;
	}
	if (str_starts(value, "label="))
		option_note(o, "noted: what is shipped carries unit and container, no labels");
	else
		option_error(
			o,
			"\"%s\" is no log option; known are max-size=, max-file=, tag=, label=, path=",
			option_shown(o, value));
}
