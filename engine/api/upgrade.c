/* SPDX-License-Identifier: Apache-2.0 */
/* Routes of "cleat upgrade": the answer says that the file is looked at; what has come of it is asked for, of this engine or of the next. */
#include "api/internal.h"

void api_upgrade(struct api_call *call)
{
	struct err err;

	if (engine_upgrade(call->engine, call->order->file, &err) < 0) {
		api_refuse(call->answer, &err);
		return;
	}
	api_accept(call->answer);
}

void api_upgrade_report(struct api_call *call)
{
	call->answer->status = 200;
	engine_upgrade_report(call->engine, &call->answer->body);
}
