/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routes: one row each; a row is dispatch and help. Must never do anything but read: there is no route that changes a thing.
 */
#include <stdio.h>
#include <string.h>

#include "status/internal.h"
#include "util/json.h"
#include "util/str.h"

struct call {
	struct status_server *server;
	const struct http_request *request;
	const char *name; /* what follows the path of a row that ends in "/" */
	usec_t now;
	struct status_answer *answer;
};

struct route {
	const char *path; /* one that ends in "/NAME" takes a name */
	void (*run)(struct call *call);
	const char *help;
};

static bool has_flag(const struct call *call, const char *name)
{
	char value[8];

	return http_query(call->request, name, value, sizeof(value)) && !str_eq(value, "0") &&
	       !str_eq(value, "false");
}

static void fail(struct call *call, int status, bool is_json, const char *message)
{
	struct status_answer *a = call->answer;
	struct json j = JSON_TO(a->body);

	a->status = status;
	a->is_json = is_json;
	a->page = NULL;
	buf_clear(a->body);
	if (is_json) {
		json_object(&j, NULL);
		json_str(&j, "message", message);
		json_object_end(&j);
	} else {
		status_put_clean(a->body, message);
	}
	buf_putc(a->body, '\n');
}

/* False: the query asks for a format that there is not, and that has been said. */
static bool choose_format(struct call *call)
{
	char format[8] = "";
	bool is_named = http_query(call->request, "format", format, sizeof(format));

	if (is_named && !str_eq(format, "json") && !str_eq(format, "text")) {
		fail(call, 400, false, "format is json or text");
		return false;
	}
	call->answer->is_json = is_named ? str_eq(format, "json") : !http_wants_text(call->request);
	return true;
}

static void run_livez(struct call *call)
{
	const struct status_server *s = call->server;
	struct status_answer *a = call->answer;
	char since[32];

	if (!s->engine_gone) {
		buf_puts(a->body, has_flag(call, "verbose") ? "[+]engine ok\nok\n" : "ok\n");
		return;
	}
	status_time((int64_t)s->engine_gone + s->real_offset_usec, false, since);
	if (call->now - s->engine_gone > STATUS_AWAY_USEC) {
		a->status = 503;
		a->retry_after = true;
	}
	buf_printf(a->body, "%s\nengine: away since %s\n", a->status == 200 ? "ok" : "not alive",
		   since);
}

static void run_readyz(struct call *call)
{
	bool is_verbose = has_flag(call, "verbose");
	struct status_answer *a = call->answer;

	a->page = status_page_get(call->server,
				  is_verbose ? STATUS_PAGE_CHECKS : STATUS_PAGE_FAILURES);
	if (!a->page) {
		fail(call, 500, false, "no memory for the answer");
		return;
	}
	a->status = a->page->ready ? 200 : 503;
	a->retry_after = !a->page->ready;
	if (a->page->ready && !is_verbose) {
		a->page = NULL;
		buf_puts(a->body, "ok\n");
	}
}

static usec_t uptime(const struct status_server *s, usec_t now)
{
	int64_t up = (int64_t)now - s->boot_offset_usec;

	return s->header.boot_real_usec > 0 && up > 0 ? (usec_t)up : 0;
}

/* The first member or line is made here, because it changes by the second; all else is a page. */
static void run_status(struct call *call)
{
	const struct status_server *s = call->server;
	struct status_answer *a = call->answer;
	char up[32];

	if (!choose_format(call))
		return;
	a->page = status_page_get(call->server, a->is_json ? STATUS_PAGE_JSON : STATUS_PAGE_TEXT);
	if (!a->page) {
		fail(call, 500, a->is_json, "no memory for the answer");
		return;
	}
	if (a->is_json) {
		struct json j = { .out = a->body, .pretty = true, .first = true };

		json_object(&j, NULL);
		json_uint(&j, "uptime_seconds", uptime(s, call->now) / USEC_SEC);
		return;
	}
	status_span(uptime(s, call->now), up);
	status_put_clean(a->body, s->header.hostname[0] ? s->header.hostname : "appliance");
	buf_puts(a->body, ": cleat ");
	status_put_clean(a->body, s->header.version);
	buf_printf(a->body, ", up %s, %s\n", up, a->page->ready ? "ready" : "not ready");
}

static void run_unit(struct call *call)
{
	struct published_unit unit;
	char message[256];

	if (!call->name[0]) {
		run_status(call);
		return;
	}
	if (!choose_format(call))
		return;
	if (!status_unit_find(call->server, call->name, &unit)) {
		snprintf(message, sizeof(message), "no unit \"%.128s\"; /status lists them",
			 call->name);
		fail(call, 404, call->answer->is_json, message);
	} else if (call->answer->is_json) {
		status_render_unit_json(call->server, &unit, call->answer->body);
	} else {
		status_render_unit_text(&unit, call->answer->body);
	}
}

static void run_index(struct call *call);

/* clang-format off */
static const struct route routes[] = {
	{ "/livez",	  run_livez,  "200 while this appliance's management answers" },
	{ "/readyz",	  run_readyz, "200 when everything that boots with the appliance is up and healthy, else 503 and why; ?verbose" },
	{ "/healthz",	  run_readyz, "the same as /readyz (deprecated name)" },
	{ "/status",	  run_status, "the appliance and all units as JSON; as text with Accept: text/plain or ?format=text" },
	{ "/status/NAME", run_unit,   "one unit, by container name or unit file" },
	{ "/",		  run_index,  "this list" },
};
/* clang-format on */
#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

static void put_routes(struct buf *out)
{
	for (size_t i = 0; i < ROUTE_COUNT; i++)
		buf_printf(out, "%-13s %s\n", routes[i].path, routes[i].help);
}

static void run_index(struct call *call)
{
	put_routes(call->answer->body);
}

/* NULL: it is not this route. Else the name, "" for a row without one. */
static const char *match(const struct route *route, const char *path)
{
	size_t stem = strlen(route->path) - strlen("NAME");

	if (!str_ends(route->path, "/NAME"))
		return str_eq(path, route->path) ? "" : NULL;
	return strncmp(path, route->path, stem) == 0 && !strchr(path + stem, '/') ? path + stem :
										    NULL;
}

static void run_route(struct call *call)
{
	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		call->name = match(&routes[i], call->request->path);
		if (call->name) {
			routes[i].run(call);
			return;
		}
	}
	fail(call, 404, false, "there is nothing here; this is what there is:");
	put_routes(call->answer->body);
}

void status_route(struct status_server *s, const struct http_request *request, usec_t now,
		  struct status_answer *answer)
{
	struct call call = { .server = s, .request = request, .now = now, .answer = answer };

	answer->status = 200;
	if (str_eq(request->method, "GET") || str_eq(request->method, "HEAD")) {
		run_route(&call);
	} else {
		fail(&call, 405, false,
		     "only GET and HEAD: nothing can be changed here; the control socket is for that");
		answer->allow = true;
	}
	if (answer->body->failed)
		fail(&call, 500, answer->is_json, "the answer is too large");
}

void status_refuse(int status, const char *why, struct status_answer *answer)
{
	struct call call = { .answer = answer };

	fail(&call, status, false, why);
}
