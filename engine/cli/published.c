/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the engine published, as the commands see it: copied, and cleaned in this one place, so that no command can forget it. Never
 * writes.
 */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "cli/cli.h"
#include "util/str.h"

#define PREFIX_MIN 4

static void clean_lines(char *text)
{
	for (char *line = text; line;) {
		char *newline = strchr(line, '\n');

		if (newline)
			*newline = '\0';
		cli_clean(line);
		if (newline)
			*newline++ = '\n';
		line = newline;
	}
}

static void clean_unit(struct published_unit *u)
{
	cli_clean(u->name);
	cli_clean(u->unit);
	cli_clean(u->run_id);
	cli_clean(u->image);
	cli_clean(u->image_digest);
	cli_clean(u->detail);
	clean_lines(u->notes);
	cli_clean(u->ports);
	cli_clean(u->source);
	cli_clean(u->probe_output);
	cli_clean(u->addresses);
	cli_clean(u->log_tag);
	cli_clean(u->status_text);
	cli_clean(u->pod);
	cli_clean(u->update);
	clean_lines(u->last_output);
}

static void clean_header(struct published_header *h)
{
	cli_clean(h->version);
	cli_clean(h->boot_id);
	cli_clean(h->hostname);
	cli_clean(h->status_address);
	cli_clean(h->ship_url);
	cli_clean(h->ship_error);
	if (h->note_count > PUBLISHED_MAX_NOTES)
		h->note_count = PUBLISHED_MAX_NOTES;
	for (unsigned i = 0; i < h->note_count; i++)
		cli_clean(h->notes[i].text);
	for (unsigned i = 0; i < h->finding_count; i++) {
		cli_clean(h->findings[i].id);
		cli_clean(h->findings[i].evidence);
	}
	clean_lines(h->links);
}

int cli_read_published(struct published_header *header, struct published_unit **units,
		       unsigned *count, struct err *err)
{
	char path[512];
	struct published *p;
	int rc = -1;

	*units = NULL;
	*count = 0;
	cli_published_path(path, sizeof(path));
	p = published_open(path, err);
	if (!p)
		return -1;
	if (published_get_header(p, header, err) == 0) {
		clean_header(header);
		*units = calloc((size_t)header->unit_count + 1, sizeof(**units));
		rc = *units ? 0 : err_set(err, ERR_LIMIT, "out of memory");
	}
	for (unsigned i = 0; rc == 0 && i < header->unit_count; i++) {
		/* a record in the middle of a change stays out of this look */
		if (published_get_unit(p, i, &(*units)[*count], NULL) == 0)
			clean_unit(&(*units)[(*count)++]);
	}
	published_close(p);
	return rc;
}

static bool has_name(const struct published_unit *u, const char *name)
{
	const char *dot = strrchr(u->unit, '.');
	size_t stem = dot ? (size_t)(dot - u->unit) : strlen(u->unit);

	return str_eq(u->name, name) || str_eq(u->unit, name) ||
	       (strncmp(u->unit, name, stem) == 0 &&
		(!name[stem] || str_eq(name + stem, ".service")));
}

static bool has_id(const struct published_unit *u, const char *prefix)
{
	char id[API_ID_LEN + 1];

	if (strlen(prefix) < PREFIX_MIN)
		return false;
	api_id(u->name, id);
	return (u->run_id[0] && str_starts(u->run_id, prefix)) || str_starts(id, prefix);
}

static const struct published_unit *nearest(const struct published_unit *units, unsigned count,
					    const char *name, struct err *err)
{
	const char *best = NULL;
	unsigned best_distance = 4;

	for (unsigned i = 0; i < count; i++) {
		unsigned distance = str_distance(name, units[i].name, 4);

		if (distance < best_distance) {
			best_distance = distance;
			best = units[i].name;
		}
	}
	err_set(err, ERR_NOT_FOUND, "no container \"%s\"%s%s%s", name,
		best ? "; did you mean \"" : "", best ? best : "", best ? "\"?" : "");
	return NULL;
}

const struct published_unit *cli_find_unit(const struct published_unit *units, unsigned count,
					   const char *name, struct err *err)
{
	const struct published_unit *found = NULL;

	for (unsigned i = 0; i < count; i++)
		if (has_name(&units[i], name))
			return &units[i];
	for (unsigned i = 0; i < count; i++) {
		if (!has_id(&units[i], name))
			continue;
		if (found) {
			err_set(err, ERR_INPUT, "\"%s\" is the beginning of several ids", name);
			return NULL;
		}
		found = &units[i];
	}
	return found ? found : nearest(units, count, name, err);
}
