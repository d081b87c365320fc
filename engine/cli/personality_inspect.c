/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "podman inspect", and the part of Go's templates that people write for it and for "podman ps", over the JSON that the control socket
 * gives. What it does not understand is refused with its place.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/image.h"
#include "cli/personality.h"
#include "util/str.h"
#include "yyjson.h"

#define PODMAN_FAILED 125
#define IMAGE_TEXT_MAX (4u * 1024 * 1024)

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* ".A.B" from value; NULL: no such field. *end: behind the path. */
static yyjson_val *follow(yyjson_val *value, const char *path, const char **end)
{
	*end = path;
	while (**end == '.' && is_letter((*end)[1])) {
		size_t len = 0;

		(*end)++;
		while (is_letter((*end)[len]))
			len++;
		value = yyjson_obj_getn(value, *end, len);
		*end += len;
	}
	if (**end == '.' && *end == path) /* "." alone is the whole */
		(*end)++;
	return value;
}

static void print_value(yyjson_val *value, bool as_json)
{
	char *text;

	if (!as_json && yyjson_is_str(value)) {
		fputs(yyjson_get_str(value), stdout);
	} else if (!as_json && !value) {
		fputs("<no value>", stdout);
	} else {
		text = value ? yyjson_val_write(value, 0, NULL) : NULL;
		fputs(text ? text : "null", stdout);
		free(text);
	}
}

static int refuse(const char *program, const char *action)
{
	fflush(stdout);
	fprintf(stderr,
		"%s: --format: {{%.*s}} is not understood here: {{.Name}}, {{.A.B}}, {{json .A}} and {{index .A 0}} are\n",
		program, (int)strcspn(action, "}"), action);
	return PODMAN_FAILED;
}

/* theirs fails, too, at a field that there is not; deeper ones may be keys of a map, which are empty then */
static bool has_field(const char *program, yyjson_val *value, const char *path)
{
	size_t len = 0;

	while (path[0] == '.' && is_letter(path[1 + len]))
		len++;
	if (!len || yyjson_obj_getn(value, path + 1, len))
		return true;
	fflush(stdout);
	fprintf(stderr,
		"%s: --format: {{.%.*s}}: there is no such field here; \"--format json\" shows all\n",
		program, (int)len, path + 1);
	return false;
}

/* One "{{ ... }}"; text: behind the braces. */
static int print_action(const char *program, const char *text, yyjson_val *value)
{
	const char *p = text + strspn(text, " "), *end;
	bool as_json = str_starts(p, "json ");
	bool is_index = str_starts(p, "index ");
	uint64_t number;
	char digits[12];

	p += as_json ? 5 : is_index ? 6 : 0;
	p += strspn(p, " ");
	if (*p == '(') /* {{index (index .A "b") 0}} and its like */
		return refuse(program, text);
	if (!has_field(program, value, p))
		return PODMAN_FAILED;
	value = follow(value, p, &end);
	if (end == p)
		return refuse(program, text);
	p = end + strspn(end, " ");
	if (is_index) {
		size_t len = strcspn(p, " }");
		char key[256];

		if (*p == '"' && len > 2 && len - 2 < sizeof(key)) {
			memcpy(key, p + 1, len - 2);
			key[len - 2] = '\0';
			value = yyjson_obj_get(value, key);
		} else {
			if (len >= sizeof(digits))
				return refuse(program, text);
			memcpy(digits, p, len);
			digits[len] = '\0';
			if (!str_to_u64(digits, 1000000, &number))
				return refuse(program, text);
			value = yyjson_arr_get(value, (size_t)number);
		}
		p += len + strspn(p + len, " ");
	}
	if (!str_starts(p, "}}"))
		return refuse(program, text);
	print_value(value, as_json);
	return 0;
}

/* What stands between the braces; "\\t" and "\\n" are what a shell leaves as they are. */
static void print_text(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool is_escape = text[i] == '\\' && i + 1 < len &&
				 (text[i + 1] == 't' || text[i + 1] == 'n');

		if (is_escape)
			i++;
		putchar(!is_escape ? text[i] : text[i] == 't' ? '\t' : '\n');
	}
}

int personality_template(const char *program, const char *text, yyjson_val *value)
{
	for (const char *p = text; *p;) {
		const char *open = strstr(p, "{{"), *close;
		int result;

		print_text(p, open ? (size_t)(open - p) : strlen(p));
		if (!open)
			break;
		close = strstr(open, "}}");
		if (!close)
			return refuse(program, open + 2);
		result = print_action(program, open + 2, value);
		if (result)
			return result;
		p = close + 2;
	}
	putchar('\n');
	return 0;
}

/* The fields' names in capitals where they stand. */
static void print_names(const char *format)
{
	for (const char *p = format; *p; p++) {
		if (str_starts(p, "{{") && strstr(p, "}}")) {
			for (p += 2; !str_starts(p, "}}"); p++)
				if (*p >= 'a' && *p <= 'z')
					putchar(*p - 'a' + 'A');
				else if (*p != ' ' && *p != '.')
					putchar(*p);
			p++;
		} else if (str_starts(p, "\\t")) {
			putchar('\t');
			p++;
		} else {
			putchar(*p);
		}
	}
	putchar('\n');
}

const char *personality_heading(const char *format, bool is_wanted)
{
	const char *row = str_starts(format, "table ") ? format + strlen("table ") : format;

	if (row != format && is_wanted)
		print_names(row);
	return row;
}

yyjson_doc *personality_ask(const char *prefix, const char *name, const char *suffix)
{
	struct cli_response response = { 0 };
	auto_buf path = BUF_INIT(2048);
	yyjson_doc *doc = NULL;
	char message[700];
	struct err err;

	buf_puts(&path, prefix);
	cli_encode(name, &path);
	buf_puts(&path, suffix);
	if (cli_request("GET", buf_str(&path), &response, &err) < 0) {
		fprintf(stderr, "cleat: %s\n", err.msg);
	} else if (response.status != 200) {
		cli_message(&response, message, sizeof(message));
		fprintf(stderr, "cleat: %s\n", message);
	} else {
		doc = yyjson_read(buf_str(&response.body), response.body.len, 0);
	}
	buf_fini(&response.body);
	return doc;
}

/* A container's name goes before an image's. */
static bool is_container(const char *name)
{
	struct published_header header;
	struct published_unit *units = NULL;
	unsigned count;
	struct err err;
	bool is_it = cli_read_published(&header, &units, &count, &err) < 0 ||
		     cli_find_unit(units, count, name, &err) != NULL;

	free(units);
	return is_it;
}

static yyjson_doc *ask_image(const char *name, struct err *err)
{
	auto_buf text = BUF_INIT(IMAGE_TEXT_MAX);
	yyjson_doc *doc;

	if (cli_image_json(name, &text, err) < 0)
		return NULL;
	doc = yyjson_read(buf_str(&text), text.len, 0);
	if (!doc)
		err_set(err, ERR_LIMIT, "%s: out of memory", name);
	return doc;
}

/* What is asked for by --type, or by the words "image inspect". */
enum thing { ANYTHING, CONTAINER, IMAGE };

static yyjson_doc *ask_thing(enum thing thing, const char *name)
{
	yyjson_doc *doc = NULL;
	struct err err;

	if (thing == IMAGE || (thing == ANYTHING && !is_container(name)))
		doc = ask_image(name, &err);
	if (!doc && thing == IMAGE) {
		cli_clean(err.msg);
		fprintf(stderr, "cleat: %s\n", err.msg);
	}
	return doc || thing == IMAGE ? doc : personality_ask("/containers/", name, "/json");
}

/* What is not printed by a template becomes a part of one array, as podman has it, also of a single container. */
struct inspected {
	enum thing thing;
	yyjson_mut_doc *all;
};

static int inspect_one(const struct personality_call *call, const char *format, const char *name,
		       struct inspected *out)
{
	yyjson_doc *doc = ask_thing(out->thing, name);
	int result = 0;

	if (!doc)
		return personality_failure(call);
	if (format)
		result = personality_template(call->program, format, yyjson_doc_get_root(doc));
	else
		yyjson_mut_arr_append(yyjson_mut_doc_get_root(out->all),
				      yyjson_val_mut_copy(out->all, yyjson_doc_get_root(doc)));
	yyjson_doc_free(doc);
	return result;
}

static bool print_all(const struct inspected *out)
{
	size_t len;
	char *text = yyjson_mut_write(
		out->all, YYJSON_WRITE_PRETTY_TWO_SPACES | YYJSON_WRITE_NEWLINE_AT_END, &len);

	if (!text)
		return false;
	cli_print_json(text, len);
	free(text);
	return true;
}

/* "inspect", "image inspect", "container inspect" */
static enum thing thing_of(const char *words)
{
	return str_starts(words, "image ")     ? IMAGE :
	       str_starts(words, "container ") ? CONTAINER :
						 ANYTHING;
}

static bool read_type(const struct personality_call *call, const char *word, enum thing *out)
{
	static const char *const names[] = { "all", "container", "image" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq(word, names[i])) {
			*out = (enum thing)i;
			return true;
		}
	fprintf(stderr,
		"%s inspect: --type=%s: container and image are known here; \"volume inspect\" and \"pod inspect\" look at the others\n",
		call->program, word);
	return false;
}

int personality_inspect(const struct personality_call *call)
{
	struct inspected out = { .thing = thing_of(call->row->words) };
	const char *format = NULL;
	int result = 0, names = 0;

	for (int i = 1; i < call->argc; i++) {
		const char *found;

		if ((found = personality_value(call, &i, "--format", "-f"))) {
			format = found;
		} else if ((found = personality_value(call, &i, "--type", NULL))) {
			if (!read_type(call, found, &out.thing))
				return PODMAN_FAILED;
		} else if (call->argv[i][0] == '-') {
			fprintf(stderr,
				"%s inspect: %s: not known here; \"image inspect\" and \"volume inspect\" look at the others\n",
				call->program, call->argv[i]);
			return PODMAN_FAILED;
		} else {
			call->argv[++names] = call->argv[i];
		}
	}
	if (format && str_eq(format, "json"))
		format = NULL;
	out.all = yyjson_mut_doc_new(NULL);
	yyjson_mut_doc_set_root(out.all, yyjson_mut_arr(out.all));
	for (int i = 1; i <= names; i++) {
		int one = inspect_one(call, format, call->argv[i], &out);

		result = one ? one : result;
	}
	if (names && !format && !print_all(&out)) {
		fprintf(stderr, "%s inspect: out of memory\n", call->program);
		result = PODMAN_FAILED;
	}
	yyjson_mut_doc_free(out.all);
	if (!names)
		fprintf(stderr, "%s inspect: which container or image?\n", call->program);
	return names ? result : PODMAN_FAILED;
}
