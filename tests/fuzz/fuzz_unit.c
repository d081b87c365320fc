/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as a folder of units, found, read, converted, and every list of words written and read again. A line
 * "=== NAME" begins the file NAME ("web.container", "web.container.d/x.conf"); "=== !generator", "=== !user", "=== !lenient" and "=== !lines" ask for another way to read; what
 * stands before the first such line is web@one.container. Invariants beside the sanitizers: every complaint has a
 * text and a place; a unit is valid exactly when nothing was refused; words come back from text as they were; podman's
 * command in the service text holds the words of run_args; memory stays within a multiple of what was read.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spec/pod.h"
#include "spec/spec.h"
#include "tests/fuzz/fuzz.h"
#include "unit/machine.h"
#include "unit/unit.h"
#include "unit/unit_memory.h"
#include "unit/words_internal.h"
#include "util/str.h"

#define MAX_FILES 24
#define MAX_NAME 80

static char place[] = "/tmp/cleat-fuzz-unit-XXXXXX";
static char names[MAX_FILES][MAX_NAME];
static size_t name_count;

struct written { /* the folder's files */
	size_t bytes, drop_in_bytes;
	bool may_expand;
};

static const struct unit_facts appliance = { TEST_MACHINE };

/* --- the folder --------------------------------------------------------------------------------------------------- */

static void remove_files(void)
{
	char path[PATH_MAX];

	for (size_t i = name_count; i-- > 0;) {
		snprintf(path, sizeof(path), "%s/%s", place, names[i]);
		if (unlink(path) < 0)
			rmdir(path);
		if (strchr(names[i], '/')) {
			*strrchr(path, '/') = '\0';
			rmdir(path);
		}
	}
	name_count = 0;
}

static void remove_place(void)
{
	remove_files();
	rmdir(place);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	check(mkdtemp(place) != NULL, "a folder can be made");
	check(atexit(remove_place) == 0, "it can be removed");
	return 0;
}

/* A plain name, or FOLDER.d/NAME, so that nothing is written elsewhere. */
static bool is_name(const char *s, size_t len)
{
	size_t slashes = 0;

	if (len == 0 || len >= MAX_NAME || s[0] == '.' || s[0] == '/' || s[len - 1] == '/')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '/' && (++slashes > 1 || i < 2 || s[i - 1] != 'd' || s[i - 2] != '.' ||
				    s[i + 1] == '.'))
			return false;
		if ((unsigned char)s[i] <= ' ' || s[i] == 0x7f)
			return false;
	}
	return true;
}

static bool write_file(const char *name, size_t len, const char *text, size_t text_len)
{
	char path[PATH_MAX], *slash;
	int fd;

	if (!is_name(name, len) || name_count == MAX_FILES)
		return false;
	memcpy(names[name_count], name, len);
	names[name_count][len] = '\0';
	snprintf(path, sizeof(path), "%s/%s", place, names[name_count]);
	slash = strrchr(path, '/');
	if (strchr(names[name_count], '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return false; /* a file where a folder should be, or the other way round */
	name_count++;
	check(write(fd, text, text_len) == (ssize_t)text_len, "the folder takes what is written");
	close(fd);
	return true;
}

static const char *next_header(const char *text, const char *end)
{
	for (const char *at = text; at < end; at++) {
		if ((at == text || at[-1] == '\n') && end - at >= 4 && memcmp(at, "=== ", 4) == 0)
			return at;
		at = memchr(at, '\n', (size_t)(end - at));
		if (!at)
			break;
	}
	return NULL;
}

static void take_option(const char *s, size_t len, struct unit_facts *facts)
{
	if (len == 9 && memcmp(s, "generator", len) == 0)
		facts->is_generator = true;
	else if (len == 4 && memcmp(s, "user", len) == 0)
		facts->is_user = true;
	else if (len == 7 && memcmp(s, "lenient", len) == 0)
		facts->unknown_keys_are_warnings = true;
	else if (len == 5 && memcmp(s, "lines", len) == 0)
		facts->lines_of = "web@one.container";
}

static void write_part(struct written *written, const char *name, size_t len, const char *text,
		       size_t text_len)
{
	if (!write_file(name, len, text, text_len))
		return;
	written->bytes += text_len + len;
	if (memchr(name, '/', len))
		written->drop_in_bytes += text_len + len;
	if (memchr(text, '$', text_len) || memchr(text, '%', text_len))
		written->may_expand = true;
}

static struct written write_files(const char *text, const char *end, struct unit_facts *facts)
{
	const char *header = next_header(text, end);
	struct written written = { 0 };

	if (header != text)
		write_part(&written, "web@one.container", strlen("web@one.container"), text,
			   (size_t)((header ? header : end) - text));
	while (header) {
		const char *name = header + 4;
		const char *line_end = memchr(name, '\n', (size_t)(end - name));
		const char *body = line_end ? line_end + 1 : end;
		size_t name_len = (size_t)((line_end ? line_end : end) - name);

		header = next_header(body, end);
		if (name_len && name[0] == '!')
			take_option(name + 1, name_len - 1, facts);
		else
			write_part(&written, name, name_len, body,
				   (size_t)((header ? header : end) - body));
	}
	return written;
}

/* --- what has to hold --------------------------------------------------------------------------------------------- */

static void check_diags(const struct diags *diags, bool needs_line)
{
	for (size_t i = 0; i < diags->count; i++) {
		check(diags->items[i].text[0] != '\0', "a complaint has a text");
		check(!needs_line || diags->items[i].line > 0, "a complaint has a line");
	}
}

/* Words written as one line are the same words when that is read: but for empty ones, which are written as nothing. */
static void check_written(const struct arg_list *list, const char *what)
{
	struct buf line = BUF_INIT((size_t)16 * 1024 * 1024);
	struct arena arena = { 0 };
	struct words words;
	size_t at = 0;

	for (size_t i = 0; i < list->count; i++) {
		words_escape(&line, list->items[i].text);
		buf_putc(&line, ' ');
	}
	check(!line.failed, "a line of words fits");
	words = words_split(&arena, buf_str(&line), WORDS_ESCAPES);
	check(!words.problem, "what was written can be split");
	for (size_t i = 0; i < list->count; i++) {
		if (!list->items[i].text[0])
			continue;
		check(at < words.count && str_eq(words.items[at].text, list->items[i].text), what);
		at++;
	}
	check(at == words.count, what);
	arena_fini(&arena);
	buf_fini(&line);
}

static void check_words(const struct unit *unit)
{
	size_t bytes = 0;

	check(unit->spec_args.count <= UNIT_MAX_WORDS, "the words are counted");
	for (size_t i = 0; i < unit->spec_args.count; i++) {
		check(unit->spec_args.items[i].origin != NULL, "a word has an origin");
		bytes += strlen(unit->spec_args.items[i].text) + 1;
	}
	check(bytes <= UNIT_MAX_WORD_BYTES, "the words are bounded");
	check_written(&unit->run_args, "podman's words come back");
	check_written(&unit->spec_args, "the engine's words come back");
}

/* Does the line end with the words of the list? */
static bool ends_with(const char *line, const struct arg_list *list)
{
	struct arena arena = { 0 };
	struct words words = words_split(&arena, line, WORDS_ESCAPES);
	size_t left = words.count;
	bool same = !words.problem;

	for (size_t i = list->count; same && i-- > 0;) {
		if (!list->items[i].text[0])
			continue;
		same = left > 0 && str_eq(words.items[left - 1].text, list->items[i].text);
		left -= same;
	}
	arena_fini(&arena);
	return same;
}

/* One of the commands that podman's generator writes is podman with the words of run_args. */
static void check_command(const struct unit *unit)
{
	char *text = strdup(unit->service_text), *rest = text, *line;
	bool found = false;

	check(text != NULL, "memory");
	while (!found && (line = strsep(&rest, "\n")) != NULL) {
		char *value = strncmp(line, "Exec", 4) == 0 ? strchr(line, '=') : NULL;

		found = value && ends_with(value + 1, &unit->run_args);
	}
	check(found, "the service text has the words of run_args");
	free(text);
}

static void check_spec(const struct unit *unit)
{
	struct container_spec spec;
	struct arena arena = { 0 };
	struct diags diags = { 0 };
	int rc;

	check(unit->kind == UNIT_POD || unit->image_index < unit->spec_args.count,
	      "a container has an image");
	rc = unit->kind == UNIT_POD ? spec_pod_from_args(&spec, &arena, &unit->spec_args, &diags) :
				      spec_from_args(&spec, &arena, &unit->spec_args, &diags);

	check((rc == 0) == (diags.error_count == 0), "a spec is refused with a reason");
	check_diags(&diags, false);
	diags_fini(&diags);
	arena_fini(&arena);
}

/* The generated text has [X-Container] for [Container], so it is no unit, but it has to be well-formed lines. */
static void check_service_text(const char *text)
{
	struct unit_set set = { 0 };
	struct err err;

	if (!text[0] || strlen(text) > UNIT_MAX_FILE_BYTES)
		return;
	check(unit_set_load_text(&set, "again.container", "/u/again.container", text, strlen(text),
				 &appliance, &err) == 0,
	      "text can be loaded");
	for (size_t i = 0; i < set.diags.count; i++)
		check(!str_starts(set.diags.items[i].text, "not a key=value line"),
		      "a service text is lines of a unit file");
	unit_set_fini(&set);
}

static void check_unit(const struct unit_set *set, const struct unit *unit, bool is_generator)
{
	check(unit->is_valid || unit->first_error < set->diags.count || set->diags.dropped > 0,
	      "an invalid unit has an error");
	check(unit->is_valid == str_eq(unit->error_text, ""), "an invalid unit says why");
	check_words(unit);
	if (!is_generator && unit->is_valid && !unit->is_template &&
	    (unit->kind == UNIT_CONTAINER || unit->kind == UNIT_POD))
		check_spec(unit);
	if (unit->service_text[0])
		check_command(unit);
	check_service_text(unit->service_text);
}

static bool is_any_invalid(const struct unit_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		if (!set->units[i].is_valid)
			return true;
	return false;
}

static void check_memory(const struct unit_set *set, const struct written *written)
{
	size_t bytes = written->bytes + written->drop_in_bytes * set->count;

	if (memory_of(set) <= memory_limit(bytes, set->count, written->may_expand))
		return;
	fprintf(stderr, "%zu bytes of input, %zu units, %zu bytes\n", bytes, set->count,
		memory_of(set));
	check(false, "memory is bounded by what was read");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unit_facts facts = appliance;
	struct unit_set set = { 0 };
	const char *text = (const char *)data;
	struct written written = write_files(text, text + size, &facts);
	struct err err;

	check(unit_set_load(&set, place, &facts, &err) == 0, "the folder can be read");
	check_diags(&set.diags, true);
	check(!is_any_invalid(&set) || set.diags.error_count > 0,
	      "what is refused is complained of");
	for (size_t i = 0; i < set.count; i++)
		check_unit(&set, &set.units[i], facts.is_generator);
	check_memory(&set, &written);
	unit_set_fini(&set);
	remove_files();
	return 0;
}
