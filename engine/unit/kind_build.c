/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .build units: "podman build". What is built from is the last word: a context, else the working
 * directory when File= is relative to it. podman's pass keeps relative paths, because systemd
 * changes the folder; the engine's words must never depend on a folder of its own.
 */
#include "unit/oneshot_internal.h"

#include <strings.h>

#include "util/path.h"
#include "util/str.h"

/* The first tag is the name; podman knows it before it converts anything. */
const char *resource_build(struct reading *r)
{
	struct arg_list tags = value_list(r, r->own, "ImageTag");

	return tags.count ? oneshot_resolve(r, &tags.items[0]) : "";
}

/* Where a build happens. Texts "" when not given. */
struct place {
	struct arg context;   /* what SetWorkingDirectory= says, if it is a path or a URL */
	struct arg directory; /* where the command runs */
	struct arg file;      /* the Containerfile */
};

/* podman's rule, an unanchored expression, takes more: "http/x", "a/github.com/b". */
static bool is_url(struct reading *r, const char *text)
{
	const char *hub = strstr(text, "github.com/");

	if (r->is_podman)
		return str_starts(text, "http") || str_starts(text, "git://") ||
		       (hub && hub[strlen("github.com/")]);
	return str_starts(text, "http://") || str_starts(text, "https://") ||
	       str_starts(text, "git://") || (hub == text && hub[strlen("github.com/")]);
}

static bool is_specifier(const char *path)
{
	return path[0] == '%' && path[1] != '%';
}

static const char *folder_of(struct reading *r, const char *path)
{
	char clean[4096];

	if (path_clean(path, clean, sizeof(clean)))
		path = arena_strdup(r->arena, clean);

	const char *slash = strrchr(path, '/');

	if (!slash)
		return ".";
	return slash == path ? "/" : arena_strndup(r->arena, path, (size_t)(slash - path));
}

/* [Service] WorkingDirectory= wins over a folder that follows from the unit's or the file's place. */
static void set_directory(struct reading *r, struct place *place, const char *folder,
			  const struct origin *origin)
{
	if (place->directory.text[0]) {
		reading_warn(r, origin, "not used: WorkingDirectory= in [Service] comes first");
		place->context.text = "";
		return;
	}
	convert_add(r, "Service", "WorkingDirectory", folder);
	place->directory = (struct arg){ .text = folder, .origin = origin };
}

/* false after a complaint. */
static bool read_context(struct reading *r, struct place *place, const struct arg *given)
{
	const char *text = given->text;

	if (strcasecmp(text, "yaml") == 0) {
		reading_fail(r, given->origin,
			     "SetWorkingDirectory=%s is only supported in .kube files", text);
		return false;
	}
	if (strcasecmp(text, "unit") == 0) {
		set_directory(r, place, r->unit->folder, given->origin);
	} else if (strcasecmp(text, "file") == 0) {
		if (!syntax_last(r->own, "File")) {
			reading_fail(r, given->origin, "no File key specified");
			return false;
		}
		if (place->file.text[0])
			set_directory(
				r, place,
				folder_of(r, convert_path(r, place->file.text, place->file.origin)),
				given->origin);
	} else {
		place->context = *given;
		if (text[0] != '/' && !is_url(r, text))
			set_directory(r, place, r->unit->folder, given->origin);
	}
	return true;
}

/* systemd.exec(5): a - says that the folder may be missing, ~ is the home folder. podman takes both
 * for names. */
static const char *plain_folder(struct reading *r, const char *folder)
{
	if (r->is_podman)
		return folder;
	folder += folder[0] == '-';
	return str_eq(folder, "~") ? "%h" : folder;
}

static struct place read_place(struct reading *r)
{
	const struct syntax_group *service = syntax_group(r->file, "Service");
	struct place place = { { .text = "" }, { .text = "" }, { .text = "" } };
	struct arg value;

	if (value_text(r, service, "WorkingDirectory", &value)) {
		place.directory = value;
		place.directory.text = plain_folder(r, value.text);
	}
	if (value_text(r, r->own, "File", &value))
		place.file = value;
	if (value_text(r, r->own, "SetWorkingDirectory", &value) &&
	    !read_context(r, &place, &value))
		return place;
	if (!place.context.text[0] && !place.directory.text[0] && !place.file.text[0])
		reading_fail(r, reading_place(r, "Build.File"),
			     "neither SetWorkingDirectory, nor File key specified");
	return place;
}

static bool is_relative(struct reading *r, const char *path)
{
	return path[0] != '/' && !is_specifier(path) && !is_url(r, path);
}

/* The engine runs in no folder of the unit's: its paths are whole. */
static const char *beneath(struct reading *r, const char *folder, const char *path)
{
	if (r->is_podman || !folder[0] || !is_relative(r, path))
		return path;
	return arena_join(r->arena, folder, "/", path);
}

static void push_head(struct reading *r, struct arg_list *words, const struct place *place)
{
	struct arg pull, file = place->file;

	/* "--pull newer" would be two words to podman, the second a context. */
	if (value_text(r, r->own, "Pull", &pull))
		arg_push(r->arena, words, arena_join(r->arena, "--pull=", pull.text), pull.origin);
	if (file.text[0]) {
		file.text = beneath(r, place->directory.text, file.text);
		convert_push_pair(r, words, "--file", &file);
	}
}

static void push_context(struct reading *r, struct arg_list *words, const struct place *place)
{
	struct arg context = place->context;

	if (context.text[0]) {
		context.text = beneath(r, place->directory.text, context.text);
		arg_push(r->arena, words, context.text, context.origin);
	} else if (is_relative(r, place->file.text)) {
		if (place->directory.text[0])
			arg_push(r->arena, words, place->directory.text, place->directory.origin);
		else if (place->file.text[0])
			reading_fail(
				r, place->file.origin,
				"relative path in File key requires SetWorkingDirectory key to be set");
	}
}

struct arg_list convert_build(struct reading *r, size_t *image_index)
{
	struct place place = read_place(r);
	struct arg_list words = { 0 };

	(void)image_index;
	if (!value_list(r, r->own, "ImageTag").count)
		reading_fail(r, reading_place(r, "Build.ImageTag"), "no ImageTag key specified");
	push_head(r, &words, &place);
	convert_keys(r, &words);
	push_context(r, &words, &place);
	return words;
}

void service_build(struct reading *r, const struct arg_list *words)
{
	oneshot_service(r, (const char *const[]){ "build", NULL }, words, false);
}

void judge_build(struct reading *r)
{
	struct arg_list tags = value_list(r, r->own, "ImageTag");

	for (size_t i = 0; i < tags.count; i++)
		oneshot_judge_reference(r, &tags.items[i]);
	oneshot_judge_choice(r, "Pull",
			     (const char *const[]){ "always", "missing", "never", "newer", "true",
						    "false", NULL });
	oneshot_judge_retry(r);
}
