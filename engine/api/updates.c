/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes about updates of images. They begin something and answer at once; what comes of it is in the report, which a client reads until
 * nothing is busy, because the engine may be another one by then.
 */
#include "api/internal.h"

static void begin(struct api_call *call, const unsigned *index)
{
	struct err err;

	if (engine_update(call->engine, index, call->order->is_dry, call->order->keeps_failed,
			  &err) < 0) {
		api_fail(call->answer, err.code == ERR_BUSY ? 409 : 400, "%s", err.msg);
		return;
	}
	call->answer->status = 202;
	buf_puts(&call->answer->body, "{}\n");
}

void api_update_all(struct api_call *call)
{
	begin(call, NULL);
}

void api_update(struct api_call *call)
{
	unsigned index;

	if (api_find(call, &index))
		begin(call, &index);
}

void api_update_report(struct api_call *call)
{
	call->answer->status = 200;
	engine_update_report(call->engine, &call->answer->body);
}

void api_rollback(struct api_call *call)
{
	struct err err;
	unsigned index;

	if (!api_find(call, &index))
		return;
	if (engine_rollback(call->engine, index, call->order->digest, &err) < 0) {
		api_refuse(call->answer, &err);
		return;
	}
	api_accept(call->answer);
}
