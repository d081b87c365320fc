/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "podman inspect" and "podman ps" with --format: the part of Go's templates that people write for them, over the JSON that the control
 * socket gives. What it does not understand is refused with its place, never printed half.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/personality.h"
#include "util/str.h"
#include "yyjson.h"

#define PODMAN_FAILED 125

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

/* GET as JSON; NULL after saying why. */
static yyjson_doc *ask(const char *prefix, const char *name, const char *suffix)
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

/* "-f X", "-fX", "--format X", "--format=X" at argv[*i]; NULL: another word. */
static const char *format_at(const struct personality_call *call, int *i)
{
	const char *word = call->argv[*i];

	if (str_starts(word, "--format="))
		return word + strlen("--format=");
	if ((str_eq(word, "--format") || str_eq(word, "-f")) && *i + 1 < call->argc &&
	    call->argv[*i + 1])
		return call->argv[++*i];
	return NULL;
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

static int inspect_one(const struct personality_call *call, const char *format, char *name)
{
	char *arguments[] = { name, NULL };
	yyjson_doc *doc;
	int result;

	if (!is_container(name) && personality_quietly("image inspect", arguments) == CLI_OK) {
		if (!format || str_eq(format, "json"))
			return personality_cleat("image inspect", arguments) == CLI_OK ?
				       0 :
				       PODMAN_FAILED;
		fprintf(stderr, "%s inspect: %s: --format is for containers here\n", call->program,
			name);
		return PODMAN_FAILED;
	}
	if (!format || str_eq(format, "json"))
		return personality_cleat("inspect", arguments) == CLI_OK ? 0 : PODMAN_FAILED;
	doc = ask("/containers/", name, "/json");
	if (!doc)
		return PODMAN_FAILED;
	result = personality_template(call->program, format, yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
	return result;
}

int personality_inspect(const struct personality_call *call)
{
	const char *format = NULL;
	int result = 0, names = 0;

	for (int i = 1; i < call->argc; i++) {
		const char *found = format_at(call, &i);

		if (found) {
			format = found;
		} else if (str_eq(call->argv[i], "--type=container")) {
			continue;
		} else if (str_eq(call->argv[i], "--type") && i + 1 < call->argc &&
			   str_eq(call->argv[i + 1], "container")) {
			i++;
		} else if (call->argv[i][0] == '-') {
			fprintf(stderr,
				"%s inspect: %s: not known here; \"image inspect\" and \"volume inspect\" look at the others\n",
				call->program, call->argv[i]);
			return PODMAN_FAILED;
		} else {
			call->argv[++names] = call->argv[i];
		}
	}
	for (int i = 1; i <= names; i++) {
		int one = inspect_one(call, format, call->argv[i]);

		result = one ? one : result;
	}
	if (!names)
		fprintf(stderr, "%s inspect: which container?\n", call->program);
	return names ? result : PODMAN_FAILED;
}

/* --- ps ----------------------------------------------------------------------------------------------------------------------- */

struct listing {
	bool all, quiet;
	const char *format;
	const char *filters[8];
	size_t filter_count;
};

static bool read_listing(const struct personality_call *call, struct listing *out)
{
	*out = (struct listing){ 0 };
	for (int i = 1; i < call->argc; i++) {
		const char *word = call->argv[i], *value;

		if ((value = personality_value(call, &i, "--format", NULL))) {
			out->format = value;
		} else if ((value = personality_value(call, &i, "--filter", "-f"))) {
			if (out->filter_count == sizeof(out->filters) / sizeof(out->filters[0]))
				return false;
			out->filters[out->filter_count++] = value;
			/* who asks for a state asks for those, too, that do not run */
			out->all |= str_starts(value, "status=");
		} else if (str_eq(word, "--all")) {
			out->all = true;
		} else if (str_eq(word, "--quiet")) {
			out->quiet = true;
		} else if (word[0] == '-' && word[1] &&
			   strspn(word + 1, "aq") + 1 == strlen(word)) {
			out->all |= strchr(word, 'a') != NULL;
			out->quiet |= strchr(word, 'q') != NULL;
		} else if (!str_eq(word, "--no-trunc") && !str_eq(word, "--noheading")) {
			fprintf(stderr,
				"%s ps: %s: not known here; \"cleat ps\" lists containers\n",
				call->program, word);
			return false;
		}
	}
	return true;
}

static const char *name_of(yyjson_val *row)
{
	const char *name = yyjson_get_str(yyjson_arr_get_first(yyjson_obj_get(row, "Names")));

	return !name ? "" : name + (name[0] == '/');
}

/* "tier" or "tier=web" */
static bool has_label(yyjson_val *labels, const char *wanted)
{
	size_t len = strcspn(wanted, "=");
	const char *value = yyjson_get_str(yyjson_obj_getn(labels, wanted, len));

	return value && (!wanted[len] || str_eq(value, wanted + len + 1));
}

/* -1: no such filter. */
static int fits(yyjson_val *row, const char *filter)
{
	const char *value = strchr(filter, '=');
	size_t len = value ? (size_t)(value - filter) : 0;
	const char *state = yyjson_get_str(yyjson_obj_get(row, "State"));
	const char *id = yyjson_get_str(yyjson_obj_get(row, "Id"));

	if (!value)
		return -1;
	value++;
	if (len == 4 && strncmp(filter, "name", 4) == 0) {
		bool begins = value[0] == '^';
		size_t length;
		char plain[256];

		str_copy(plain, sizeof(plain), value + begins);
		length = strlen(plain);
		if (length &&
		    plain[length - 1] == '$') { /* ^name$ is how an exact name is asked for */
			plain[length - 1] = '\0';
			return begins ? str_eq(name_of(row), plain) : str_ends(name_of(row), plain);
		}
		if (strpbrk(plain, ".*+?()[]|\\"))
			return -1;
		return begins ? str_starts(name_of(row), plain) :
				strstr(name_of(row), plain) != NULL;
	}
	if (len == 2 && strncmp(filter, "id", 2) == 0)
		return id && str_starts(id, value);
	if (len == 6 && strncmp(filter, "status", 6) == 0)
		return state && str_eq(state, value);
	if (len == 5 && strncmp(filter, "label", 5) == 0)
		return has_label(yyjson_obj_get(row, "Labels"), value);
	return -1;
}

/* Fields of ps that Docker's list has in another form are put beside them. */
static int print_row(const struct personality_call *call, const struct listing *listing,
		     yyjson_val *row)
{
	yyjson_mut_doc *copy;
	yyjson_doc *flat;
	yyjson_mut_val *root;
	const char *id = yyjson_get_str(yyjson_obj_get(row, "Id"));
	int result;

	if (listing->quiet) {
		printf("%.12s\n", id ? id : "");
		return 0;
	}
	copy = yyjson_mut_doc_new(NULL);
	root = yyjson_val_mut_copy(copy, row);
	yyjson_mut_doc_set_root(copy, root);
	yyjson_mut_obj_put(root, yyjson_mut_str(copy, "ID"),
			   yyjson_mut_strncpy(copy, id ? id : "", id ? strnlen(id, 12) : 0));
	yyjson_mut_obj_put(root, yyjson_mut_str(copy, "Names"),
			   yyjson_mut_strcpy(copy, name_of(row)));
	flat = yyjson_mut_doc_imut_copy(copy, NULL);
	result = personality_template(call->program, listing->format, yyjson_doc_get_root(flat));
	yyjson_doc_free(flat);
	yyjson_mut_doc_free(copy);
	return result;
}

static int print_rows(const struct personality_call *call, const struct listing *listing,
		      yyjson_val *rows)
{
	yyjson_arr_iter iter = yyjson_arr_iter_with(rows);
	yyjson_val *row;
	int result = 0;

	while (!result && (row = yyjson_arr_iter_next(&iter))) {
		int fit = 1;

		for (size_t i = 0; fit == 1 && i < listing->filter_count; i++)
			fit = fits(row, listing->filters[i]);
		if (fit < 0) {
			fprintf(stderr,
				"%s ps: a filter is not known here: name=TEXT, id=TEXT, label=NAME[=VALUE] and status=STATE are\n",
				call->program);
			return PODMAN_FAILED;
		}
		if (fit)
			result = print_row(call, listing, row);
	}
	return result;
}

int personality_ps(const struct personality_call *call)
{
	char *table[] = { NULL, NULL, NULL, NULL };
	struct listing listing;
	size_t words = 0;
	yyjson_doc *doc;
	int result;

	if (!read_listing(call, &listing))
		return PODMAN_FAILED;
	if (!listing.quiet && !listing.filter_count &&
	    (!listing.format || str_eq(listing.format, "json"))) {
		if (listing.all)
			table[words++] = (char *)(uintptr_t) "-a";
		if (listing.format) {
			table[words++] = (char *)(uintptr_t) "--format";
			table[words++] = (char *)(uintptr_t) "json";
		}
		return personality_cleat("ps", table) == CLI_OK ? 0 : PODMAN_FAILED;
	}
	if (!listing.format)
		listing.format = "{{.ID}}  {{.Image}}  {{.Status}}  {{.Names}}";
	doc = ask("/containers/json", "", listing.all ? "?all=1" : "");
	if (!doc)
		return PODMAN_FAILED;
	result = print_rows(call, &listing, yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
	return result;
}
