/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of the appliance: asked for by a signal, over when its budget ([Stop] Budget=) is. The core stops what runs and kills what is
 * left when the units' part of the budget is over; here is what makes the rest of it hold: the loop ends although a container
 * does not, and the kernel ends an engine whose loop does not. Must never begin the budget anew in an engine that follows one
 * that crashed while it stopped.
 */
#include <stdlib.h>
#include <unistd.h>

#include "supervise/internal.h"
#include "util/str.h"

#define EXIT_SAFE_MODE 76
#define RESERVE_USEC APPLIANCE_STOP_RESERVE_USEC
#define NETWORK_USEC (3 * USEC_SEC) /* network.c waits so long for its worker */
#define ALARM_SEC 1		    /* how late an engine may be before it is ended */

/* PID 1 says it to an engine that it has started after the stop was asked for. */
static usec_t asked_at(usec_t now)
{
	const char *text = getenv("CLEAT_STOP_USEC");
	uint64_t value;

	return text && str_to_u64(text, now, &value) && value > 0 ? value : now;
}

/* When all has to be over; what an earlier engine has left of it is enough for killing and taking down. */
static usec_t budget_end(const struct engine *e, usec_t now)
{
	uint64_t budget = e->appliance.stop_budget_usec;
	usec_t end = asked_at(now) + (budget ? budget : APPLIANCE_STOP_BUDGET_USEC);

	return end > now + RESERVE_USEC ? end : now + RESERVE_USEC;
}

static bool is_left(enum core_state state)
{
	return state == CORE_STARTING || state == CORE_UP || state == CORE_STOPPING ||
	       state == CORE_CLEANING;
}

/* What neither SIGKILL nor a teardown could end: PID 1 has the next word. */
static void on_overdue(struct loop *loop, usec_t now, void *arg)
{
	struct engine *e = arg;
	struct core_unit_view view;

	(void)now;
	for (unsigned i = 0; i < e->count; i++) {
		core_view(e->core, i, &view);
		if (!is_left(view.state))
			continue;
		e->left_behind++;
		console_step(e, "%s: left behind while %s: %s", view.name,
			     core_state_name(view.state), view.reason);
		log_msg(LOG_ERROR, "supervise", "%s: left behind while %s: %s", view.name,
			core_state_name(view.state), view.reason);
	}
	loop_stop(loop);
}

void engine_shutdown(struct engine *e)
{
	usec_t now = loop_now(e->loop), end = budget_end(e, now);

	/* PID 1 starts one that knows the containers, to stop them in order */
	if (e->is_safe_mode)
		_exit(EXIT_SAFE_MODE);
	e->stop_wanted = true;
	if (e->stopping)
		return;
	e->stopping = true;
	console_step(e, "stopping, %llu s at most", (unsigned long long)((end - now) / USEC_SEC));
	event_emit(e, EVENT_ENGINE_STOP, EVENT_OF_APPLIANCE, NULL);
	publish_header(e);
	alarm((unsigned)((end - now) / USEC_SEC) + ALARM_SEC);
	loop_timer(e->loop, end - NETWORK_USEC, on_overdue, e);
	engine_feed(e,
		    &(struct core_event){ .type = CORE_EV_SHUTDOWN, .cut_at = end - RESERVE_USEC });
}
