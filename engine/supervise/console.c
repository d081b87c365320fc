/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console: one line a boot step and one a change of a container's condition, each with the time since
 * PID 1 began. Written to stderr (the console of PID 1), which is waited for no longer than put_line() says: a line that does not
 * fit into a pty that nobody reads is lost.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "supervise/internal.h"
#include "util/put_line.h"

static void console_line(const struct engine *e, const char *text)
{
	static bool is_heard = true;
	usec_t since = clock_now_usec() - e->boot_usec;
	char line[700];
	int n;

	if (e->appliance.console == APPLIANCE_CONSOLE_OFF)
		return;
	n = snprintf(line, sizeof(line), "[%4llu.%03llu] %s\n",
		     (unsigned long long)(since / USEC_SEC),
		     (unsigned long long)(since % USEC_SEC / USEC_MSEC), text);

	if (n < 0)
		return;
	if ((size_t)n >= sizeof(line)) {
		n = (int)sizeof(line) - 1;
		line[n - 1] = '\n';
	}
	is_heard = put_line(STDERR_FILENO, line, (size_t)n, is_heard);
}

void console_step(struct engine *e, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	console_line(e, text);
}

/* What people call it: running and health in one word. */
static const char *condition(enum core_state state, enum core_health health)
{
	if (state != CORE_UP)
		return state == CORE_CLEANING ? "stopping" : core_state_name(state);
	switch (health) {
	case CORE_HEALTH_STARTING:
		return "starting";
	case CORE_HEALTHY:
		return "healthy";
	case CORE_UNHEALTHY:
		return "unhealthy";
	case CORE_HEALTH_NONE:
		break;
	}
	return "up";
}

static void say_change(struct engine *e, const struct engine_entry *entry,
		       const struct core_unit_view *view, const char *before, const char *after)
{
	/* "running" after "healthy" says nothing; why something is not up does */
	if (view->state != CORE_UP && view->state != CORE_STARTING && view->reason &&
	    view->reason[0])
		console_step(e, "%s  %s → %s: %s", entry->name, before, after, view->reason);
	else
		console_step(e, "%s  %s → %s", entry->name, before, after);
}

void console_state(struct engine *e, unsigned index)
{
	struct engine_entry *entry = &e->entries[index];
	struct core_unit_view view;
	const char *before = condition(entry->shown_state, entry->shown_health);
	const char *after;

	core_view(e->core, index, &view);
	after = condition(view.state, view.health);
	entry->shown_state = view.state;
	entry->shown_health = view.health;
	if (strcmp(before, after) == 0)
		return;
	say_change(e, entry, &view, before, after);
	last_words_console(e, index, &view);
}
