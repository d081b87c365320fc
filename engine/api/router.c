/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routes: one row each, and what a request says in their terms. Docker's clients put "/v1.41" in front; it is taken off, whatever
 * the number. Errors have Docker's shape, {"message": "..."}. Must never look at a unit or change anything: that is act.c's.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/internal.h"
#include "spec/spec.h"
#include "util/json.h"
#include "util/signals.h"
#include "util/str.h"

#define STOP_MAX_SEC 31536000u
#define LAST_SECOND 253402300799u /* of the year 9999 */

void api_fail(struct api_answer *answer, int status, const char *fmt, ...)
{
	struct json json = JSON_TO(&answer->body);
	char text[700];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_clear(&answer->body);
	json_object(&json, NULL);
	json_str(&json, "message", text);
	json_object_end(&json);
	buf_putc(&answer->body, '\n');
	answer->status = status;
	answer->content_type = NULL;
}

void api_refuse(struct api_answer *answer, const struct err *err)
{
	int status = err->code == ERR_BUSY	? 409 :
		     err->code == ERR_NOT_FOUND ? 404 :
		     err->code == ERR_INPUT	? 400 :
						  500;

	api_fail(answer, status, "%s", err->msg);
}

void api_accept(struct api_answer *answer)
{
	answer->status = 202;
	buf_puts(&answer->body, "{}\n");
}

/* Is this the name of one of the pairs of the query? */
static bool is_given(const struct http_request *request, const char *name)
{
	size_t length = strlen(name);

	for (const char *p = request->query; *p;) {
		size_t pair = strcspn(p, "&");

		if (strcspn(p, "=&") == length && strncmp(p, name, length) == 0)
			return true;
		p += pair;
		p += *p == '&';
	}
	return false;
}

/* "" when it is not given. False: given, but nothing that fits; that must not count as absent (kill would mean SIGKILL). */
static bool read_text(const struct http_request *request, const char *name, char *out, size_t size,
		      struct api_answer *answer)
{
	if (http_query(request, name, out, size))
		return true;
	out[0] = '\0';
	if (!is_given(request, name))
		return true;
	api_fail(answer, 400, "%s: the value is too long or badly encoded", name);
	return false;
}

/* Docker's idea of false; everything else is true. */
static bool is_false(const char *value)
{
	static const char *const words[] = { "", "0", "no", "false", "none" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(value, words[i]) == 0)
			return true;
	return false;
}

static bool read_flag(const struct http_request *request, const char *name, bool *out,
		      struct api_answer *answer)
{
	char value[16];

	if (!read_text(request, name, value, sizeof(value), answer))
		return false;
	*out = !is_false(value);
	return true;
}

static bool read_list(const struct http_request *request, struct api_order *order,
		      struct api_answer *answer)
{
	return read_flag(request, "all", &order->all, answer);
}

/* Whether the answer is held back, and for whom it must not be. */
static bool read_wait(const struct http_request *request, struct api_order *order,
		      struct api_answer *answer)
{
	return read_flag(request, "nowait", &order->no_wait, answer) &&
	       read_text(request, "caller", order->caller, sizeof(order->caller), answer);
}

/* Seconds; negative: no limit but the unit's own. */
static bool read_stop(const struct http_request *request, struct api_order *order,
		      struct api_answer *answer)
{
	char value[24];
	uint64_t seconds;

	if (!read_wait(request, order, answer) ||
	    !read_text(request, "t", value, sizeof(value), answer))
		return false;
	if (!value[0] ||
	    (value[0] == '-' && str_to_u64(value + 1, STOP_MAX_SEC, &seconds) && seconds))
		return true;
	if (!str_to_u64(value, STOP_MAX_SEC, &seconds)) {
		api_fail(answer, 400, "t=%s: a number of seconds is expected", value);
		return false;
	}
	order->stop_usec = seconds * USEC_SEC;
	return true;
}

static bool read_kill(const struct http_request *request, struct api_order *order,
		      struct api_answer *answer)
{
	char text[32];

	if (!read_text(request, "signal", text, sizeof(text), answer))
		return false;
	if (!signal_parse(text[0] ? text : "KILL", SIGNAL_OF_PODMAN, &order->signal)) {
		api_fail(answer, 400,
			 "signal %s: unknown; a name like TERM or a number from 1 to 64", text);
		return false;
	}
	return read_flag(request, "all", &order->all, answer);
}

static void log_arg(struct api_order *order, const char *fmt, ...) ERR_PRINTF(2, 3);
static void log_arg(struct api_order *order, const char *fmt, ...)
{
	struct api_log_args *args = &order->log_args;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(args->words[args->count++], sizeof(args->words[0]), fmt, ap);
	va_end(ap);
}

/* Docker's "seconds[.nanoseconds]" since 1970 as microseconds. */
static bool parse_time(char *text, uint64_t *usec)
{
	char *dot = strchr(text, '.');
	char digits[] = "000000";
	uint64_t seconds, fraction;

	if (dot) {
		*dot++ = '\0';
		if (!*dot || strlen(dot) > 9 || strspn(dot, "0123456789") != strlen(dot))
			return false;
		memcpy(digits, dot, strlen(dot) < 6 ? strlen(dot) : 6);
	}
	if (!str_to_u64(text, LAST_SECOND, &seconds) || !str_to_u64(digits, 999999, &fraction))
		return false;
	*usec = seconds * USEC_SEC + fraction;
	return true;
}

static bool read_time(const struct http_request *request, const char *name, uint64_t *out,
		      struct api_answer *answer)
{
	char value[40], copy[40];
	uint64_t usec = 0;

	if (!read_text(request, name, value, sizeof(value), answer))
		return false;
	str_copy(copy, sizeof(copy), value);
	if (value[0] && !parse_time(copy, &usec)) {
		api_fail(answer, 400, "%s=%s: seconds since 1970 are expected", name, value);
		return false;
	}
	*out = usec;
	return true;
}

static bool read_log_time(const struct http_request *request, const char *name,
			  struct api_order *order, struct api_answer *answer)
{
	uint64_t usec;

	if (!read_time(request, name, &usec, answer))
		return false;
	if (usec)
		log_arg(order, "--%s=%" PRIu64, name, usec);
	return true;
}

static bool read_events(const struct http_request *request, struct api_order *order,
			struct api_answer *answer)
{
	return read_text(request, "filters", order->filters, sizeof(order->filters), answer) &&
	       read_time(request, "since", &order->since_usec, answer) &&
	       read_time(request, "until", &order->until_usec, answer);
}

static bool read_tail(const struct http_request *request, struct api_order *order,
		      struct api_answer *answer)
{
	char value[24];
	uint64_t lines;

	if (!read_text(request, "tail", value, sizeof(value), answer))
		return false;
	if (!value[0] || str_eq(value, "all"))
		return true;
	if (!str_to_u64(value, UINT64_MAX, &lines)) {
		api_fail(answer, 400, "tail=%s: a number or \"all\" is expected", value);
		return false;
	}
	log_arg(order, "--tail=%" PRIu64, lines);
	return true;
}

static bool read_logs(const struct http_request *request, struct api_order *order,
		      struct api_answer *answer)
{
	bool out, err, follow, timestamps;

	if (!read_flag(request, "stdout", &out, answer) ||
	    !read_flag(request, "stderr", &err, answer) ||
	    !read_flag(request, "follow", &follow, answer) ||
	    !read_flag(request, "timestamps", &timestamps, answer))
		return false;
	if (!out && !err) {
		api_fail(answer, 400, "Bad parameters: you must choose at least one stream");
		return false;
	}
	log_arg(order, "--docker-frames");
	order->log_args.is_following = follow;
	if (follow)
		log_arg(order, "--follow");
	if (timestamps)
		log_arg(order, "--timestamps");
	if (!out || !err)
		log_arg(order, out ? "--no-stderr" : "--no-stdout");
	return read_tail(request, order, answer) &&
	       read_log_time(request, "since", order, answer) &&
	       read_log_time(request, "until", order, answer);
}

/* 0: not given, which leaves the terminal as it is. */
static bool read_length(const struct http_request *request, const char *name, uint16_t *out,
			struct api_answer *answer)
{
	char value[16];
	uint64_t number = 0;

	if (!read_text(request, name, value, sizeof(value), answer))
		return false;
	if (value[0] && !str_to_u64(value, UINT16_MAX, &number)) {
		api_fail(answer, 400, "%s=%s: a number up to %d is expected", name, value,
			 UINT16_MAX);
		return false;
	}
	*out = (uint16_t)number;
	return true;
}

static bool read_size(const struct http_request *request, struct api_order *order,
		      struct api_answer *answer)
{
	return read_length(request, "h", &order->rows, answer) &&
	       read_length(request, "w", &order->columns, answer);
}

static bool read_file(const struct http_request *request, struct api_order *order,
		      struct api_answer *answer)
{
	if (!read_text(request, "file", order->file, sizeof(order->file), answer))
		return false;
	if (order->file[0] == '/')
		return true;
	api_fail(answer, 400, "file=%s: a path that begins with / is expected", order->file);
	return false;
}

static bool read_update(const struct http_request *request, struct api_order *order,
			struct api_answer *answer)
{
	return read_flag(request, "dry", &order->is_dry, answer) &&
	       read_flag(request, "keep", &order->keeps_failed, answer);
}

static bool read_digest(const struct http_request *request, struct api_order *order,
			struct api_answer *answer)
{
	return read_text(request, "digest", order->digest, sizeof(order->digest), answer);
}

static const struct api_route routes[] = {
	{ "GET", "/_ping", "", NULL, api_ping },
	{ "HEAD", "/_ping", "", NULL, api_ping },
	{ "GET", "/version", "", NULL, api_version },
	{ "GET", "/info", "", NULL, api_info },
	{ "GET", "/events", "since until filters", read_events, api_events },
	{ "GET", "/containers/json", "all", read_list, api_list },
	{ "GET", "/containers/{}/json", "", NULL, api_inspect },
	{ "GET", "/containers/{}/logs", "stdout stderr follow timestamps tail since until",
	  read_logs, api_logs },
	{ "POST", "/containers/{}/start", "nowait caller", read_wait, api_start },
	{ "POST", "/containers/{}/stop", "t nowait caller", read_stop, api_stop },
	{ "POST", "/containers/{}/restart", "t nowait caller", read_stop, api_restart },
	{ "POST", "/containers/{}/kill", "signal all", read_kill, api_kill },
	{ "POST", "/containers/{}/exec", "", NULL, api_exec_create },
	{ "POST", "/exec/{}/start", "", NULL, api_exec_start },
	{ "POST", "/exec/{}/resize", "h w", read_size, api_exec_resize },
	{ "GET", "/exec/{}/json", "", NULL, api_exec_inspect },
	{ "GET", "/cleat/v1/status", "", NULL, api_status },
	{ "POST", "/cleat/v1/units/{}/reset-failed", "", NULL, api_reset },
	{ "POST", "/cleat/v1/units/{}/reload", "nowait caller", read_wait, api_reload_unit },
	{ "POST", "/cleat/v1/units/{}/healthcheck", "", NULL, api_healthcheck },
	{ "POST", "/cleat/v1/reload", "", NULL, api_reload },
	{ "GET", "/cleat/v1/reload", "", NULL, api_reload_report },
	{ "POST", "/cleat/v1/units/{}/enable", "", NULL, api_enable },
	{ "POST", "/cleat/v1/units/{}/disable", "", NULL, api_disable },
	{ "POST", "/cleat/v1/units/{}/mask", "", NULL, api_mask },
	{ "POST", "/cleat/v1/units/{}/unmask", "", NULL, api_unmask },
	{ "POST", "/cleat/v1/updates", "dry keep", read_update, api_update_all },
	{ "GET", "/cleat/v1/updates", "", NULL, api_update_report },
	{ "POST", "/cleat/v1/units/{}/update", "dry keep", read_update, api_update },
	{ "POST", "/cleat/v1/units/{}/rollback", "digest", read_digest, api_rollback },
	{ "POST", "/cleat/v1/images/changed", "", NULL, api_images_changed },
	{ "POST", "/cleat/v1/upgrade", "file", read_file, api_upgrade },
	{ "GET", "/cleat/v1/upgrade", "", NULL, api_upgrade_report },
};
#define ROUTE_COUNT (sizeof(routes) / sizeof(routes[0]))

const struct api_route *api_routes(size_t *count)
{
	*count = ROUTE_COUNT;
	return routes;
}

/* "/v1.41/x" -> "/x" */
static const char *without_version(const char *path)
{
	size_t digits;

	if (!str_starts(path, "/v"))
		return path;
	digits = strspn(path + 2, "0123456789.");
	return digits && path[2 + digits] == '/' ? path + 2 + digits : path;
}

/* The name may hold slashes here, see find_route(). */
static bool matches(const char *pattern, const char *path, char *name, size_t size)
{
	const char *hole = strstr(pattern, "{}");
	size_t head = hole ? (size_t)(hole - pattern) : strlen(pattern);
	size_t length;

	if (strncmp(pattern, path, head) != 0)
		return false;
	if (!hole)
		return path[head] == '\0';
	length = strlen(path + head);
	if (length <= strlen(hole + 2) || !str_ends(path + head, hole + 2))
		return false;
	length -= strlen(hole + 2);
	if (length >= size)
		return false;
	memcpy(name, path + head, length);
	name[length] = '\0';
	return true;
}

static const struct api_route *find_route(const struct http_request *request,
					  struct api_order *order, struct api_answer *answer)
{
	const char *path = without_version(request->path);
	char several[sizeof(order->name)] = "";
	size_t used = 0;

	for (size_t i = 0; i < ROUTE_COUNT; i++) {
		if (!matches(routes[i].pattern, path, order->name, sizeof(order->name)))
			continue;
		/* Several segments, as images' names have: nobody else gets to see such a name. */
		if (strchr(order->name, '/')) {
			str_copy(several, sizeof(several), order->name);
			continue;
		}
		if (str_eq(routes[i].method, request->method)) {
			answer->extra[0] = '\0'; /* of rows with the same path */
			return &routes[i];
		}
		used += (size_t)snprintf(answer->extra + used, sizeof(answer->extra) - used, "%s%s",
					 used ? ", " : "Allow: ", routes[i].method);
	}
	if (used) {
		str_copy(answer->extra + used, sizeof(answer->extra) - used, "\r\n");
		api_fail(answer, 405, "%s is not for %s", request->method, path);
	} else if (several[0]) {
		api_fail(answer, 404, "no container \"%s\"", several);
	} else {
		api_fail(answer, 404, "page not found: %s is not supported in this version", path);
	}
	return NULL;
}

static bool is_word_of(const char *word, size_t length, const char *list)
{
	for (const char *p = list; *p;) {
		size_t n = strcspn(p, " ");

		if (n == length && strncmp(p, word, n) == 0)
			return true;
		p += n;
		p += *p == ' ';
	}
	return false;
}

/* What we would leave out silently (filters=, size=1, signal= of a stop) is refused; what is switched off anyway is not. */
static bool check_params(const struct http_request *request, const char *known,
			 struct api_answer *answer)
{
	for (const char *p = request->query; *p;) {
		size_t length = strcspn(p, "=&");
		char name[64], value[16];

		if (length && !is_word_of(p, length, known)) {
			snprintf(name, sizeof(name), "%.*s",
				 (int)(length < sizeof(name) ? length : sizeof(name) - 1), p);
			if (!http_query(request, name, value, sizeof(value)) || !is_false(value)) {
				api_fail(answer, 400,
					 "query parameter \"%s\" is not supported here", name);
				return false;
			}
		}
		p += strcspn(p, "&");
		p += *p == '&';
	}
	return true;
}

bool api_read(const struct http_request *request, struct api_order *order,
	      struct api_answer *answer)
{
	*order = (struct api_order){ .stop_usec = USEC_NEVER };
	order->route = find_route(request, order, answer);
	return order->route && check_params(request, order->route->params, answer) &&
	       (!order->route->read || order->route->read(request, order, answer));
}

void api_route(struct engine *engine, const struct http_request *request, struct api_answer *answer)
{
	struct api_order order;
	struct api_call call = {
		.engine = engine, .request = request, .order = &order, .answer = answer
	};

	if (api_read(request, &order, answer))
		order.route->run(&call);
}
