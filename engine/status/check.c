/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What "ready" means, in one place, over what the engine published. Must never change anything, and must answer for records that a
 * dead writer left half-written.
 */
#include <stdio.h>
#include <string.h>

#include "status/internal.h"
#include "util/host.h"
#include "util/str.h"

#define UNREADABLE_STATE 0xff /* has no name: "unknown" */

bool status_unit_get(const struct status_server *s, unsigned index, struct published_unit *out)
{
	struct err err;

	if (published_get_unit(s->published, index, out, &err) == 0)
		return true;
	if (err.code == ERR_NOT_FOUND)
		return false;
	memset(out, 0, sizeof(*out));
	snprintf(out->name, sizeof(out->name), "record-%u", index);
	str_copy_text(out->detail, sizeof(out->detail), err.msg);
	out->state = UNREADABLE_STATE;
	out->wanted = out->boot_start = 1;
	out->exit_code = -1;
	return true;
}

static bool unit_is(const struct published_unit *u, const char *name)
{
	size_t stem = strcspn(u->unit, ".");

	if (str_eq(u->name, name) || str_eq(u->unit, name))
		return true;
	return stem && strncmp(u->unit, name, stem) == 0 &&
	       (!name[stem] || str_eq(name + stem, ".service"));
}

bool status_unit_find(const struct status_server *s, const char *name, struct published_unit *out)
{
	for (unsigned i = 0; status_unit_get(s, i, out); i++)
		if (unit_is(out, name))
			return true;
	return false;
}

struct pass {
	status_check_fn *fn;
	void *arg;
	bool all;
};

static void tell(struct pass *p, const char *name, const char *reason)
{
	p->all &= reason == NULL;
	p->fn(name, !reason, reason ? reason : "", p->arg);
}

static void check_notes(const struct status_server *s, struct pass *p)
{
	bool found = false;

	for (unsigned i = 0; i < s->header.note_count; i++) {
		if (s->header.notes[i].level < 2)
			continue;
		tell(p, "appliance", s->header.notes[i].text);
		found = true;
	}
	if (!found)
		tell(p, "appliance", NULL);
}

static void check_host(const struct status_server *s, struct pass *p)
{
	char text[HOST_SENTENCE_SIZE];
	bool found = false;

	for (unsigned i = 0; i < s->header.finding_count; i++) {
		if (s->header.findings[i].level < HOST_MISSING)
			continue;
		host_sentence(&s->header, i, text);
		tell(p, "host", text);
		found = true;
	}
	if (!found)
		tell(p, "host", NULL);
}

static void check_units(const struct status_server *s, struct pass *p)
{
	struct published_unit u;

	for (unsigned i = 0; status_unit_get(s, i, &u); i++) {
		const char *fault = published_unit_fault(&u);
		/* that it is running is not why it is not ready */
		bool is_up = u.state == PUBLISHED_UP && u.health != PUBLISHED_HEALTH_NONE;
		const char *said = is_up && (u.probe_output[0] || u.probe_failures) ?
					   u.probe_output :
					   u.detail;
		char name[sizeof(u.name) + 8], reason[sizeof(u.detail) + 64];

		snprintf(name, sizeof(name), "unit %s", u.name);
		if (fault)
			snprintf(reason, sizeof(reason), "%s%s%s", fault, said[0] ? ": " : "",
				 said);
		tell(p, name, fault ? reason : NULL);
	}
}

bool status_check(const struct status_server *s, status_check_fn *fn, void *arg)
{
	struct pass p = { .fn = fn, .arg = arg, .all = true };

	tell(&p, "engine",
	     s->engine_gone ? "its process has ended, a new one is awaited; containers run on" :
			      NULL);
	tell(&p, "published",
	     s->is_torn	    ? "the engine ended while it wrote the appliance's state" :
	     !s->has_header ? "the engine has published nothing yet" :
			      NULL);
	tell(&p, "settled",
	     s->header.settled ? NULL : "the first pass over units and images is not over");
	tell(&p, "staying", s->header.draining ? "the appliance is stopping" : NULL);
	check_notes(s, &p);
	check_host(s, &p);
	check_units(s, &p);
	return p.all;
}
