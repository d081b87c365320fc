/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes about unit files: what a reload has done, and what an operator chooses over their [Install]. A choice takes effect in a new
 * engine, which comes when the answer has gone out.
 */
#include "api/internal.h"
#include "unit/unit.h"

void api_reload_report(struct api_call *call)
{
	call->answer->status = 200;
	engine_reload_report(call->engine, &call->answer->body);
}

static void choose(struct api_call *call, enum choices_verb verb)
{
	const char *name = NULL;
	struct engine_unit unit;
	unsigned index;
	struct err err;

	if (verb == CHOICES_MASK || verb == CHOICES_UNMASK)
		name = engine_template(call->engine, call->order->name);
	if (!name) {
		if (!api_find(call, &index))
			return;
		engine_unit(call->engine, index, &unit);
		name = unit.unit->name;
	}
	if (engine_choose(call->engine, name, verb, &err) < 0) {
		api_fail(call->answer, err.code == ERR_BUSY ? 409 : 500, "%s", err.msg);
		return;
	}
	call->answer->status = 202;
	call->answer->applies_choices = true;
	buf_puts(&call->answer->body, "{}\n");
}

void api_enable(struct api_call *call)
{
	choose(call, CHOICES_ENABLE);
}

void api_disable(struct api_call *call)
{
	choose(call, CHOICES_DISABLE);
}

void api_mask(struct api_call *call)
{
	choose(call, CHOICES_MASK);
}

void api_unmask(struct api_call *call)
{
	choose(call, CHOICES_UNMASK);
}
