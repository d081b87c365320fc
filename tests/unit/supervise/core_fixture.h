/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A core, its trace and its actions as text: "start web, probe web 3", publishing left out. */
#include "supervise/core.h"
#include "tests/sim/sim_policy.h"
#include "util/str.h"

struct fixture {
	struct core *core;
	struct buf trace;   /* lines of the last step, each with a newline */
	struct buf actions; /* of the last step */
	unsigned published; /* records that the last step changed */
	uint64_t order;	    /* of the last PROBE */
	uint64_t command;   /* of the last COMMAND */
};

static void fixture_trace(void *arg, usec_t now, const char *line)
{
	struct fixture *f = arg;

	(void)now;
	buf_printf(&f->trace, "%s\n", line);
}

static int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->trace = (struct buf)BUF_INIT(1024 * 1024);
	f->actions = (struct buf)BUF_INIT(1024 * 1024);
	f->core = core_new(fixture_trace, f);
	*state = f;
	return 0;
}

static int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	core_free(f->core);
	buf_fini(&f->trace);
	buf_fini(&f->actions);
	free(f);
	return 0;
}

static inline const char *fixture_step(struct fixture *f, usec_t now,
				       const struct core_event *event)
{
	const struct core_action *actions;
	size_t count;

	buf_clear(&f->trace);
	buf_clear(&f->actions);
	f->published = 0;
	count = core_step(f->core, event, now, &actions);
	core_check(f->core);
	for (size_t i = 0; i < count; i++) {
		struct core_unit_view view;

		if (actions[i].type == CORE_ACT_PUBLISH) {
			f->published++;
			continue;
		}
		if (actions[i].type == CORE_ACT_ALL_DOWN) { /* about no unit */
			buf_printf(&f->actions, "%sall-down", f->actions.len ? ", " : "");
			continue;
		}
		core_view(f->core, actions[i].unit, &view);
		buf_printf(&f->actions, "%s%s %s%s%s%s%s", f->actions.len ? ", " : "",
			   sim_action_name(actions[i].type), view.name,
			   actions[i].which != CORE_COMMAND_NONE ? " " : "",
			   actions[i].which != CORE_COMMAND_NONE ?
				   sim_command_name(actions[i].which) :
				   "",
			   actions[i].startup ? " startup" : "",
			   actions[i].at_once ? " at-once" : "");
		if (actions[i].type == CORE_ACT_PROBE)
			f->order = actions[i].order;
		if (actions[i].type == CORE_ACT_COMMAND)
			f->command = actions[i].order;
	}
	return buf_str(&f->actions);
}

static inline const char *fixture_do(struct fixture *f, usec_t now, unsigned unit,
				     enum core_event_type type)
{
	return fixture_step(f, now, &(struct core_event){ .type = type, .unit = unit });
}

static inline struct core_unit_view fixture_view(const struct fixture *f, unsigned unit)
{
	struct core_unit_view view;

	core_view(f->core, unit, &view);
	return view;
}

/* The list in flight has ended. */
static inline const char *fixture_command(struct fixture *f, usec_t now, unsigned unit, bool pass)
{
	return fixture_step(f, now,
			    &(struct core_event){ .type = CORE_EV_COMMAND,
						  .unit = unit,
						  .order = f->command,
						  .pass = pass,
						  .code = pass ? 0 : 1 });
}

/* From DOWN to running at this time. */
static inline void fixture_run(struct fixture *f, usec_t now, unsigned unit)
{
	fixture_do(f, now, unit, CORE_EV_START);
	fixture_do(f, now, unit, CORE_EV_IMAGE_READY);
	fixture_do(f, now, unit, CORE_EV_RUNNING);
}
