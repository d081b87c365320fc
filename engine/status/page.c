/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renderings, one of each kind, made anew when the engine has published something. A client that takes its answer slowly keeps the
 * page that it began with; how many pages live at a time is bounded, and so is what slow clients can hold.
 */
#include <stdlib.h>

#include "status/internal.h"

/* What goes into a page besides what the generation counts. */
static unsigned facts_of(const struct status_server *s)
{
	return (s->engine_gone ? 1u : 0) | (s->is_torn ? 2u : 0) | (s->has_header ? 4u : 0) |
	       (s->engine_started_usec ? 8u : 0);
}

struct status_page *status_page_hold(struct status_page *page)
{
	page->users++;
	return page;
}

void status_page_release(struct status_server *s, struct status_page *page)
{
	if (!page || --page->users)
		return;
	buf_fini(&page->body);
	free(page);
	s->page_count--;
}

/* The client that has been taking an old page for the longest. */
static struct status_connection *slowest_reader(struct status_server *s)
{
	struct status_connection *slowest = NULL;

	for (unsigned i = 0; i < STATUS_MAX_CONNECTIONS; i++) {
		struct status_connection *c = &s->connections[i];

		if (c->fd >= 0 && c->page && (!slowest || c->deadline < slowest->deadline))
			slowest = c;
	}
	return slowest;
}

static struct status_page *page_new(struct status_server *s)
{
	struct status_connection *slow;
	struct status_page *page;

	while (s->page_count >= STATUS_MAX_PAGES && (slow = slowest_reader(s)))
		status_connection_close(slow);
	page = calloc(1, sizeof(*page));
	if (!page)
		return NULL;
	page->body = (struct buf)BUF_INIT(STATUS_MAX_PAGE_BYTES);
	page->users = 1;
	s->page_count++;
	return page;
}

static bool render(const struct status_server *s, enum status_page_kind kind, struct buf *out)
{
	switch (kind) {
	case STATUS_PAGE_JSON:
		return status_render_json(s, out);
	case STATUS_PAGE_TEXT:
		return status_render_text(s, out);
	case STATUS_PAGE_CHECKS:
		return status_render_checks(s, false, out);
	case STATUS_PAGE_FAILURES:
		return status_render_checks(s, true, out);
	}
	return false;
}

/* Nobody else uses the cached page: its memory is used again. */
static struct status_page *page_to_fill(struct status_server *s, enum status_page_kind kind)
{
	if (s->pages[kind] && s->pages[kind]->users > 1) {
		status_page_release(s, s->pages[kind]);
		s->pages[kind] = NULL;
	}
	if (!s->pages[kind])
		s->pages[kind] = page_new(s);
	if (s->pages[kind])
		buf_clear(&s->pages[kind]->body);
	return s->pages[kind];
}

struct status_page *status_page_get(struct status_server *s, enum status_page_kind kind)
{
	struct status_page *page = s->pages[kind];

	if (!page || page->generation != s->generation || page->facts != facts_of(s)) {
		page = page_to_fill(s, kind);
		if (!page)
			return NULL;
		page->generation = s->generation;
		page->facts = facts_of(s);
		page->ready = render(s, kind, &page->body);
	}
	return page->body.failed ? NULL : page;
}
