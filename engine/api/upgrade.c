/* SPDX-License-Identifier: Apache-2.0 */
/* Routes of "cleat upgrade": the answer says that the file is looked at; what has come of it is asked for, of this engine or of the next. */
#include "api/internal.h"

void api_upgrade(struct api_call *call)
{
	struct err err;

	if (engine_upgrade(call->engine, call->order->file, &err) < 0) {
		api_fail(call->answer,
			 err.code == ERR_BUSY  ? 409 :
			 err.code == ERR_INPUT ? 400 :
						 500,
			 "%s", err.msg);
		return;
	}
	call->answer->status = 202;
	buf_puts(&call->answer->body, "{}\n");
}

void api_upgrade_report(struct api_call *call)
{
	call->answer->status = 200;
	engine_upgrade_report(call->engine, &call->answer->body);
}
