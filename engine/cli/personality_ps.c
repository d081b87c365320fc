/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "podman ps" with filters and templates, over the list that the control socket gives. Filters of one key are alternatives, but for labels,
 * which are all wanted; different keys are all wanted (podman-ps(1)). One that is not known here ends the call: scripts remove what ps names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/image.h"
#include "cli/personality.h"
#include "util/buf.h"
#include "util/str.h"
#include "yyjson.h"

#define PODMAN_FAILED 125
#define FILTERS_MAX 16u
#define SHORT_ID 12u
#define FULL_ID 64u

enum fit { FIT_UNKNOWN = -1, FIT_NO, FIT_YES };

struct filter_kind {
	const char *key;
	enum fit (*fits)(yyjson_val *row, const char *value);
	bool all_wanted;
};

struct filter {
	const struct filter_kind *kind;
	const char *value;
	char digest[80]; /* of the image whose id the value is; "" */
};

struct listing {
	bool all, quiet, no_trunc, no_heading;
	const char *format;
	struct filter filters[FILTERS_MAX];
	size_t filter_count;
};

/* --- filters ---------------------------------------------------------------------------------- */

static const char *text_of(yyjson_val *row, const char *field)
{
	const char *text = yyjson_get_str(yyjson_obj_get(row, field));

	return text ? text : "";
}

static const char *name_of(yyjson_val *row)
{
	const char *name = yyjson_get_str(yyjson_arr_get_first(yyjson_obj_get(row, "Names")));

	return !name ? "" : name + (name[0] == '/');
}

/* A regular expression to podman: plain text, "^" before it and "$" behind it are what is written. */
static enum fit fits_name(yyjson_val *row, const char *value)
{
	bool begins = value[0] == '^', ends;
	char plain[256];
	size_t length;

	if (!str_copy(plain, sizeof(plain), value + begins) || strpbrk(plain, ".*+?()[]|\\"))
		return FIT_UNKNOWN;
	length = strlen(plain);
	ends = length && plain[length - 1] == '$';
	if (ends)
		plain[length - 1] = '\0';
	if (begins && ends)
		return str_eq(name_of(row), plain) ? FIT_YES : FIT_NO;
	if (ends)
		return str_ends(name_of(row), plain) ? FIT_YES : FIT_NO;
	if (begins)
		return str_starts(name_of(row), plain) ? FIT_YES : FIT_NO;
	return strstr(name_of(row), plain) ? FIT_YES : FIT_NO;
}

static enum fit fits_id(yyjson_val *row, const char *value)
{
	return str_starts(text_of(row, "Id"), value) ? FIT_YES : FIT_NO;
}

static enum fit fits_status(yyjson_val *row, const char *value)
{
	return str_eq(text_of(row, "State"), value) ? FIT_YES : FIT_NO;
}

/* "tier" or "tier=web" */
static enum fit fits_label(yyjson_val *row, const char *value)
{
	size_t len = strcspn(value, "=");
	const char *label =
		yyjson_get_str(yyjson_obj_getn(yyjson_obj_get(row, "Labels"), value, len));

	return label && (!value[len] || str_eq(label, value + len + 1)) ? FIT_YES : FIT_NO;
}

/* The list has it as Docker's has: "Up 3 minutes (health: starting)", "(healthy)". */
static enum fit fits_health(yyjson_val *row, const char *value)
{
	const char *state = strchr(text_of(row, "Status"), '(');
	size_t len;

	if (!state || !str_starts(text_of(row, "Status"), "Up "))
		return str_eq(value, "none") ? FIT_YES : FIT_NO;
	state += str_starts(state, "(health: ") ? strlen("(health: ") : 1;
	len = strcspn(state, ")");
	return strlen(value) == len && strncmp(state, value, len) == 0 ? FIT_YES : FIT_NO;
}

static enum fit fits_network(yyjson_val *row, const char *value)
{
	yyjson_val *networks = yyjson_obj_get(yyjson_obj_get(row, "NetworkSettings"), "Networks");

	return yyjson_obj_get(networks, value) ? FIT_YES : FIT_NO;
}

/* By its name or by where it is mounted. */
static enum fit fits_volume(yyjson_val *row, const char *value)
{
	yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(row, "Mounts"));
	yyjson_val *mount;

	while ((mount = yyjson_arr_iter_next(&iter)))
		if (str_eq(text_of(mount, "Name"), value) ||
		    str_eq(text_of(mount, "Destination"), value))
			return FIT_YES;
	return FIT_NO;
}

/* Behind "sha256:" and behind "NAME@sha256:". */
static const char *id_digits(const char *value)
{
	const char *algorithm = strstr(value, "sha256:");

	return algorithm && (algorithm == value || algorithm[-1] == '@') ?
		       algorithm + strlen("sha256:") :
		       value;
}

/* What podman prints of an image's id, or more of it; a shorter word may be a name. */
static bool is_id(const char *value)
{
	const char *digits = id_digits(value);
	size_t len = strlen(digits);

	return len >= SHORT_ID && len <= FULL_ID && strspn(digits, "0123456789abcdef") == len;
}

/* By the name of its image, ":latest" left out or not, or by the beginning of its digest: ids have been looked up when the filter was read. */
static enum fit fits_ancestor(yyjson_val *row, const char *value)
{
	const char *image = text_of(row, "Image"), *digest = text_of(row, "ImageID");
	size_t len = strlen(value);

	digest += str_starts(digest, "sha256:") ? strlen("sha256:") : 0;
	if (is_id(value) && str_starts(digest, id_digits(value)))
		return FIT_YES;
	return str_eq(image, value) ||
			       (str_starts(image, value) && str_eq(image + len, ":latest")) ?
		       FIT_YES :
		       FIT_NO;
}

static const struct filter_kind kinds[] = {
	{ "name", fits_name, false },	  { "id", fits_id, false },
	{ "status", fits_status, false }, { "label", fits_label, true },
	{ "health", fits_health, false }, { "network", fits_network, false },
	{ "volume", fits_volume, false }, { "ancestor", fits_ancestor, false },
};

/* Containers have their image's digest; an id is another one, which only the store knows. */
static void look_up_image(struct filter *filter)
{
	struct err ignored;

	if (filter->kind->fits == fits_ancestor && is_id(filter->value) &&
	    cli_image_digest(id_digits(filter->value), filter->digest, &ignored) == 0)
		filter->value = filter->digest;
}

static bool add_filter(struct listing *listing, const char *program, const char *text)
{
	const char *value = strchr(text, '=');

	if (listing->filter_count == FILTERS_MAX) {
		fprintf(stderr, "%s ps: more than %u filters\n", program, FILTERS_MAX);
		return false;
	}
	for (size_t i = 0; value && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strlen(kinds[i].key) == (size_t)(value - text) &&
		    str_starts(text, kinds[i].key)) {
			listing->filters[listing->filter_count] =
				(struct filter){ .kind = &kinds[i], .value = value + 1 };
			look_up_image(&listing->filters[listing->filter_count++]);
			/* who asks for a state asks for those, too, that do not run */
			listing->all |= kinds[i].fits == fits_status;
			return true;
		}
	fprintf(stderr,
		"%s ps: the filter %s is not known here: ancestor=, health=, id=, label=, name=, network=, status= and volume= are\n",
		program, text);
	return false;
}

static enum fit fits_all(yyjson_val *row, const struct listing *listing)
{
	for (size_t i = 0; i < listing->filter_count; i++) {
		const struct filter_kind *kind = listing->filters[i].kind;
		enum fit any = FIT_NO;

		for (size_t k = 0; k < listing->filter_count; k++) {
			bool is_alternative = kind->all_wanted ? k == i :
								 listing->filters[k].kind == kind;
			enum fit one = is_alternative ? kind->fits(row, listing->filters[k].value) :
							FIT_NO;

			if (one == FIT_UNKNOWN)
				return FIT_UNKNOWN;
			any = one == FIT_YES ? FIT_YES : any;
		}
		if (any == FIT_NO)
			return FIT_NO;
	}
	return FIT_YES;
}

/* --- words ------------------------------------------------------------------------------------ */

static bool read_listing(const struct personality_call *call, struct listing *out)
{
	*out = (struct listing){ 0 };
	for (int i = 1; i < call->argc; i++) {
		const char *word = call->argv[i], *value;

		if ((value = personality_value(call, &i, "--format", NULL))) {
			out->format = value;
		} else if ((value = personality_value(call, &i, "--filter", "-f"))) {
			if (!add_filter(out, call->program, value))
				return false;
		} else if (str_eq(word, "--all")) {
			out->all = true;
		} else if (str_eq(word, "--quiet")) {
			out->quiet = true;
		} else if (str_eq(word, "--no-trunc")) {
			out->no_trunc = true;
		} else if (str_eq(word, "--noheading")) {
			out->no_heading = true;
		} else if (word[0] == '-' && word[1] &&
			   strspn(word + 1, "aq") + 1 == strlen(word)) {
			out->all |= strchr(word, 'a') != NULL;
			out->quiet |= strchr(word, 'q') != NULL;
		} else {
			fprintf(stderr,
				"%s ps: %s: not known here; \"cleat ps\" lists containers\n",
				call->program, word);
			return false;
		}
	}
	return true;
}

/* --- rows ------------------------------------------------------------------------------------- */

/* "0.0.0.0:8080->80/tcp" */
static void put_port(yyjson_val *port, struct buf *out)
{
	yyjson_val *host = yyjson_obj_get(port, "PublicPort");
	const char *address = text_of(port, "IP");
	bool is_v6 = strchr(address, ':') != NULL;

	buf_puts(out, out->len ? ", " : "");
	if (host)
		buf_printf(out, "%s%s%s:%u->", is_v6 ? "[" : "", address, is_v6 ? "]" : "",
			   (unsigned)yyjson_get_uint(host));
	buf_printf(out, "%u/%s", (unsigned)yyjson_get_uint(yyjson_obj_get(port, "PrivatePort")),
		   text_of(port, "Type"));
}

static void put_ports(yyjson_val *row, struct buf *out)
{
	yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(row, "Ports"));
	yyjson_val *port;

	while ((port = yyjson_arr_iter_next(&iter)))
		put_port(port, out);
}

static void put_labels(yyjson_val *row, struct buf *out)
{
	yyjson_obj_iter iter = yyjson_obj_iter_with(yyjson_obj_get(row, "Labels"));
	yyjson_val *key;

	while ((key = yyjson_obj_iter_next(&iter)))
		buf_printf(out, "%s%s=%s", out->len ? "," : "", yyjson_get_str(key),
			   yyjson_get_str(yyjson_obj_iter_get_val(key)));
}

static void put_mounts(yyjson_val *row, struct buf *out)
{
	yyjson_arr_iter iter = yyjson_arr_iter_with(yyjson_obj_get(row, "Mounts"));
	yyjson_val *mount;

	while ((mount = yyjson_arr_iter_next(&iter)))
		buf_printf(out, "%s%s", out->len ? "," : "", text_of(mount, "Destination"));
}

static void put_networks(yyjson_val *row, struct buf *out)
{
	yyjson_obj_iter iter = yyjson_obj_iter_with(
		yyjson_obj_get(yyjson_obj_get(row, "NetworkSettings"), "Networks"));
	yyjson_val *key;

	while ((key = yyjson_obj_iter_next(&iter)))
		buf_printf(out, "%s%s", out->len ? "," : "", yyjson_get_str(key));
}

static void put_created(yyjson_val *row, struct buf *out)
{
	time_t seconds = (time_t)yyjson_get_sint(yyjson_obj_get(row, "Created"));
	char text[64];
	struct tm tm;

	if (gmtime_r(&seconds, &tm) &&
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S +0000 UTC", &tm))
		buf_puts(out, text);
}

static void put_name(yyjson_val *row, struct buf *out)
{
	buf_puts(out, name_of(row));
}

/* Fields of podman's ps that the list has in Docker's other form, or not at all. */
static const struct {
	const char *field;
	void (*put)(yyjson_val *row, struct buf *out);
} fields[] = {
	{ "Names", put_name },	  { "Ports", put_ports },	{ "Labels", put_labels },
	{ "Mounts", put_mounts }, { "Networks", put_networks }, { "CreatedAt", put_created },
};

static int print_row(const char *program, const struct listing *listing, const char *format,
		     yyjson_val *row)
{
	yyjson_mut_doc *copy = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *root = yyjson_val_mut_copy(copy, row);
	const char *id = text_of(row, "Id");
	yyjson_doc *flat;
	int result;

	yyjson_mut_doc_set_root(copy, root);
	yyjson_mut_obj_put(root, yyjson_mut_str(copy, "ID"),
			   yyjson_mut_strncpy(copy, id,
					      strnlen(id, listing->no_trunc ? FULL_ID : SHORT_ID)));
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		auto_buf text = BUF_INIT(65536);

		fields[i].put(row, &text);
		yyjson_mut_obj_put(root, yyjson_mut_str(copy, fields[i].field),
				   yyjson_mut_strcpy(copy, buf_str(&text)));
	}
	flat = yyjson_mut_doc_imut_copy(copy, NULL);
	result = personality_template(program, format, yyjson_doc_get_root(flat));
	yyjson_doc_free(flat);
	yyjson_mut_doc_free(copy);
	return result;
}

/* The rows that fit, as they came. */
static int print_json(yyjson_val *const *rows, size_t count)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *list = yyjson_mut_arr(doc);
	char *text;

	for (size_t i = 0; i < count; i++)
		yyjson_mut_arr_append(list, yyjson_val_mut_copy(doc, rows[i]));
	yyjson_mut_doc_set_root(doc, list);
	text = yyjson_mut_write(doc, YYJSON_WRITE_PRETTY, NULL);
	puts(text ? text : "[]");
	free(text);
	yyjson_mut_doc_free(doc);
	return 0;
}

static int print_rows(const char *program, const struct listing *listing, yyjson_val *const *rows,
		      size_t count)
{
	const char *format = listing->format ? listing->format :
					       "{{.ID}}  {{.Image}}  {{.Status}}  {{.Names}}";
	int result = 0;

	if (listing->quiet)
		format = "{{.ID}}";
	else if (str_eq(format, "json"))
		return print_json(rows, count);
	format = personality_heading(format, !listing->no_heading);
	for (size_t i = 0; !result && i < count; i++)
		result = print_row(program, listing, format, rows[i]);
	return result;
}

/* All are held against the filters before the first is printed. */
static int print_list(const char *program, const struct listing *listing, yyjson_val *list)
{
	yyjson_arr_iter iter = yyjson_arr_iter_with(list);
	yyjson_val *row, **rows = calloc(yyjson_arr_size(list) + 1, sizeof(*rows));
	size_t count = 0;
	int result = rows ? 0 : PODMAN_FAILED;

	while (!result && (row = yyjson_arr_iter_next(&iter))) {
		enum fit fit = fits_all(row, listing);

		if (fit == FIT_UNKNOWN) {
			fprintf(stderr,
				"%s ps: the filter name= takes plain text here, with ^ before it and $ behind it\n",
				program);
			result = PODMAN_FAILED;
		} else if (fit == FIT_YES) {
			rows[count++] = row;
		}
	}
	if (!result)
		result = print_rows(program, listing, rows, count);
	free(rows);
	return result;
}

int personality_ps(const struct personality_call *call)
{
	struct listing listing;
	char *words[4] = { 0 };
	size_t count = 0;
	yyjson_doc *doc;
	int result;

	if (!read_listing(call, &listing))
		return PODMAN_FAILED;
	if (!listing.quiet && !listing.filter_count && !listing.no_heading &&
	    (!listing.format || str_eq(listing.format, "json"))) {
		if (listing.all)
			words[count++] = (char *)(uintptr_t) "-a";
		if (listing.format) {
			words[count++] = (char *)(uintptr_t) "--format";
			words[count++] = (char *)(uintptr_t) "json";
		}
		return personality_cleat("ps", words) == CLI_OK ? 0 : PODMAN_FAILED;
	}
	doc = personality_ask("/containers/json", "", listing.all ? "?all=1" : "");
	if (!doc)
		return PODMAN_FAILED;
	result = print_list(call->program, &listing, yyjson_doc_get_root(doc));
	yyjson_doc_free(doc);
	return result;
}
