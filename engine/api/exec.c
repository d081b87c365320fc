/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exec: what a client wants to run in a container, as Docker says it, becomes an order for the
 * container's shim, and the client's connection goes along. What was created and not started yet
 * lives here, the newest API_MAX_EXECS, with a copy for the next engine (exec_created.c); the rest of a
 * session's life is the shim's, and its record says how it ended. Must never hand on a word that was not understood.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "api/internal.h"
#include "shim/protocol.h"
#include "util/json.h"
#include "util/places.h"
#include "util/str.h"
#include "yyjson.h"

#define API_MAX_EXECS 64
#define EXEC_MAX_SIZE 65535 /* rows, columns */

static struct created {
	char id[SHIM_EXEC_ID_LEN + 1]; /* "": free */
	struct buf message;	       /* struct shim_exec; owned */
	bool is_started;
} created[API_MAX_EXECS];
static unsigned next_created;

/* --- the request --- */

struct reading {
	struct buf *text;
	yyjson_val *words, *variables; /* lists; NULL: none */
	const char *user, *cwd;
	struct shim_exec head; /* ends in a text that is not used here */
};

/* A text without NUL; NULL, "": none. */
static int read_text(yyjson_val *value, const char **out, struct err *err)
{
	if (yyjson_is_null(value))
		return 0;
	if (!yyjson_is_str(value) || strlen(yyjson_get_str(value)) != yyjson_get_len(value))
		return err_set(err, ERR_INPUT, "not a text");
	*out = yyjson_get_str(value);
	return 0;
}

static int read_flag(yyjson_val *value, uint32_t flag, uint32_t *flags, struct err *err)
{
	if (!yyjson_is_bool(value) && !yyjson_is_null(value))
		return err_set(err, ERR_INPUT, "neither true nor false");
	*flags = yyjson_is_true(value) ? *flags | flag : *flags & ~flag;
	return 0;
}

static int read_words(struct reading *r, yyjson_val *value, struct err *err)
{
	(void)err;
	r->words = yyjson_is_null(value) ? NULL : value;
	return 0;
}

static int read_variables(struct reading *r, yyjson_val *value, struct err *err)
{
	(void)err;
	r->variables = yyjson_is_null(value) ? NULL : value;
	return 0;
}

static int read_user(struct reading *r, yyjson_val *value, struct err *err)
{
	return read_text(value, &r->user, err);
}

static int read_cwd(struct reading *r, yyjson_val *value, struct err *err)
{
	if (read_text(value, &r->cwd, err) < 0)
		return -1;
	if (r->cwd[0] && r->cwd[0] != '/')
		return err_set(err, ERR_INPUT, "not an absolute path");
	return 0;
}

static int read_tty(struct reading *r, yyjson_val *value, struct err *err)
{
	return read_flag(value, SHIM_EXEC_TTY, &r->head.flags, err);
}

static int read_stdin(struct reading *r, yyjson_val *value, struct err *err)
{
	return read_flag(value, SHIM_EXEC_STDIN, &r->head.flags, err);
}

static int read_detach(struct reading *r, yyjson_val *value, struct err *err)
{
	return read_flag(value, SHIM_EXEC_DETACH, &r->head.flags, err);
}

static int read_size(struct reading *r, yyjson_val *value, struct err *err)
{
	yyjson_val *rows = yyjson_arr_get(value, 0), *columns = yyjson_arr_get(value, 1);

	if (yyjson_is_null(value))
		return 0;
	if (yyjson_arr_size(value) != 2 || !yyjson_is_uint(rows) || !yyjson_is_uint(columns) ||
	    yyjson_get_uint(rows) > EXEC_MAX_SIZE || yyjson_get_uint(columns) > EXEC_MAX_SIZE)
		return err_set(err, ERR_INPUT, "not a height and a width");
	r->head.rows = (uint16_t)yyjson_get_uint(rows);
	r->head.columns = (uint16_t)yyjson_get_uint(columns);
	return 0;
}

/* One row a key; read NULL: nothing comes of it here (why stands beside it). */
struct exec_key {
	const char *name;
	int (*read)(struct reading *r, yyjson_val *value, struct err *err);
};

static const struct exec_key create_keys[] = {
	{ "AttachStdin", read_stdin },
	{ "AttachStdout", NULL }, /* both are sent to whoever starts it */
	{ "AttachStderr", NULL },
	{ "DetachKeys", NULL }, /* the client's business */
	{ "Tty", read_tty },
	{ "Cmd", read_words },
	{ "Env", read_variables },
	{ "User", read_user },
	{ "WorkingDir", read_cwd },
	{ "ConsoleSize", read_size },
	{ NULL, NULL },
};

static const struct exec_key start_keys[] = {
	{ "Detach", read_detach },
	{ "Tty", NULL }, /* as it was created */
	{ "ConsoleSize", read_size },
	{ NULL, NULL },
};

/* What is switched off may stand there. */
static bool is_off(yyjson_val *value)
{
	return yyjson_is_null(value) || yyjson_is_false(value) ||
	       (yyjson_is_str(value) && yyjson_get_len(value) == 0) ||
	       (yyjson_is_ctn(value) && yyjson_get_len(value) == 0) ||
	       (yyjson_is_uint(value) && yyjson_get_uint(value) == 0);
}

static int read_keys(struct reading *r, yyjson_val *object, const struct exec_key *keys,
		     struct err *err)
{
	yyjson_obj_iter it;
	yyjson_val *key;

	if (!yyjson_is_obj(object))
		return err_set(err, ERR_INPUT, "the body is no JSON object");
	it = yyjson_obj_iter_with(object);
	while ((key = yyjson_obj_iter_next(&it))) {
		yyjson_val *value = yyjson_obj_iter_get_val(key);
		const struct exec_key *row = keys;

		while (row->name && !yyjson_equals_str(key, row->name))
			row++;
		if (!row->name && !is_off(value))
			return err_set(err, ERR_INPUT, "%.40s is not supported",
				       yyjson_get_str(key));
		if (row->name && row->read && row->read(r, value, err) < 0)
			return err_wrap(err, "%s", row->name);
	}
	return 0;
}

static int add_list(struct reading *r, yyjson_val *list, bool is_variables, uint32_t *count,
		    struct err *err)
{
	yyjson_arr_iter it;
	yyjson_val *item;

	if (list && !yyjson_is_arr(list))
		return err_set(err, ERR_INPUT, "not a list");
	it = yyjson_arr_iter_with(list);
	while ((item = yyjson_arr_iter_next(&it))) {
		const char *text = "";

		if (!yyjson_is_str(item) || read_text(item, &text, err) < 0)
			return err_set(err, ERR_INPUT, "not a list of texts");
		if (is_variables && (!strchr(text, '=') || text[0] == '='))
			return err_set(err, ERR_INPUT, "\"%.64s\" is not NAME=VALUE", text);
		buf_add(r->text, text, strlen(text) + 1);
		if (++*count > SHIM_EXEC_MAX_WORDS)
			return err_set(err, ERR_LIMIT, "more than %u", SHIM_EXEC_MAX_WORDS);
	}
	return 0;
}

static int add_texts(struct reading *r, struct err *err)
{
	buf_add(r->text, r->user, strlen(r->user) + 1);
	buf_add(r->text, r->cwd, strlen(r->cwd) + 1);
	if (add_list(r, r->words, false, &r->head.word_count, err) < 0)
		return err_wrap(err, "Cmd");
	if (!r->head.word_count || yyjson_get_len(yyjson_arr_get_first(r->words)) == 0)
		return err_set(err, ERR_INPUT, "No exec command specified");
	if (add_list(r, r->variables, true, &r->head.variable_count, err) < 0)
		return err_wrap(err, "Env");
	if (r->head.word_count + r->head.variable_count > SHIM_EXEC_MAX_WORDS)
		return err_set(err, ERR_LIMIT, "more than %u words and variables",
			       SHIM_EXEC_MAX_WORDS);
	return buf_check(r->text, "what is to be run", err);
}

int api_exec_read(const char *body, size_t length, struct buf *message, struct err *err)
{
	struct reading r = { .text = message, .user = "", .cwd = "" };
	yyjson_doc *doc = length ? yyjson_read(body, length, 0) : NULL;
	int rc;

	*message = (struct buf)BUF_INIT(SHIM_MESSAGE_MAX);
	buf_add(message, &r.head, sizeof(r.head));
	rc = doc ? read_keys(&r, yyjson_doc_get_root(doc), create_keys, err) :
		   err_set(err, ERR_INPUT, "the body is no JSON");
	if (rc == 0)
		rc = add_texts(&r, err);
	yyjson_doc_free(doc);
	if (rc < 0)
		return -1;
	r.head.header =
		(struct shim_header){ SHIM_PROTOCOL_VERSION, SHIM_EXEC, (uint32_t)message->len };
	r.head.text_length = (uint32_t)(message->len - sizeof(r.head));
	memcpy(message->data, &r.head, sizeof(r.head));
	return 0;
}

int api_exec_read_start(const char *body, size_t length, struct buf *message, struct err *err)
{
	struct reading r = { .user = "", .cwd = "" };
	yyjson_doc *doc;
	int rc;

	memcpy(&r.head, message->data, sizeof(r.head));
	if (!length)
		return 0;
	doc = yyjson_read(body, length, 0);
	rc = doc ? read_keys(&r, yyjson_doc_get_root(doc), start_keys, err) :
		   err_set(err, ERR_INPUT, "the body is no JSON");
	yyjson_doc_free(doc);
	memcpy(message->data, &r.head, sizeof(r.head));
	return rc;
}

/* --- the routes --- */

static size_t body_length(const struct api_call *call)
{
	return call->request->body ? call->request->content_length : 0;
}

static int new_id(const char *run_id, char out[SHIM_EXEC_ID_LEN + 1], struct err *err)
{
	unsigned char bytes[(SHIM_EXEC_ID_LEN - CLEAT_RUNID_LEN) / 2];

	if (!str_is_hex(run_id, CLEAT_RUNID_LEN))
		return err_set(err, ERR_BUG, "run id \"%.16s\"", run_id);
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return err_sys(err, "getrandom");
	memcpy(out, run_id, CLEAT_RUNID_LEN);
	str_hex(bytes, sizeof(bytes), out + CLEAT_RUNID_LEN);
	return 0;
}

/* Takes message over, in the place of the oldest. */
static struct created *add_created(const char *id, const struct buf *message)
{
	struct created *c = &created[next_created];

	if (c->id[0] && !c->is_started)
		api_exec_forget(c->id);
	buf_fini(&c->message);
	*c = (struct created){ .message = *message };
	memcpy(c->id, id, sizeof(c->id));
	next_created = (next_created + 1) % API_MAX_EXECS;
	return c;
}

static struct created *find_created(const char *id)
{
	struct buf message;
	struct err ignored;

	for (unsigned i = 0; i < API_MAX_EXECS; i++)
		if (created[i].id[0] && str_eq(created[i].id, id))
			return &created[i];
	if (api_exec_kept(id, &message, &ignored) == 0) /* by an earlier engine */
		return add_created(id, &message);
	buf_fini(&message);
	return NULL;
}

static void answer_id(struct api_call *call, const char *id)
{
	struct json json = JSON_TO(&call->answer->body);

	call->answer->status = 201;
	json_object(&json, NULL);
	json_str(&json, "Id", id);
	json_object_end(&json);
	buf_putc(&call->answer->body, '\n');
}

void api_exec_create(struct api_call *call)
{
	struct buf message = BUF_INIT(0);
	char id[SHIM_EXEC_ID_LEN + 1];
	struct err err;
	unsigned index;

	if (!api_find(call, &index))
		return;
	if (api_exec_read(call->request->body, body_length(call), &message, &err) < 0) {
		api_fail(call->answer, 400, "%s", err.msg);
	} else if (engine_exec_is_possible(call->engine, index, &err) < 0) {
		api_fail(call->answer, 409, "%s", err.msg);
	} else if (new_id(engine_run_id(call->engine, index), id, &err) < 0) {
		api_fail(call->answer, 500, "%s", err.msg);
	} else {
		memcpy(message.data + offsetof(struct shim_exec, id), id, SHIM_EXEC_ID_LEN);
		api_exec_keep(id, &message);
		add_created(id, &message);
		answer_id(call, id);
		return;
	}
	buf_fini(&message);
}

/* The container whose run the session belongs to. */
static bool find_run(struct api_call *call, unsigned *index)
{
	const char *id = call->order->name;
	char run_id[CLEAT_RUNID_LEN + 1] = "";

	if (str_is_hex(id, SHIM_EXEC_ID_LEN))
		memcpy(run_id, id, CLEAT_RUNID_LEN);
	for (unsigned i = 0; run_id[0] && i < engine_unit_count(call->engine); i++)
		if (str_eq(engine_run_id(call->engine, i), run_id)) {
			*index = i;
			return true;
		}
	api_fail(call->answer, 404, "No such exec instance: %s", id);
	return false;
}

static uint32_t upgrade_flags(const struct http_request *request)
{
	const char *upgrade = http_header(request, "upgrade");

	if (!upgrade)
		return 0;
	return SHIM_EXEC_UPGRADE | (strcasecmp(upgrade, "cleat-exec") == 0 ? SHIM_EXEC_FRAMES : 0);
}

void api_exec_start(struct api_call *call)
{
	struct created *c = find_created(call->order->name);
	struct shim_exec head;
	struct err err;
	unsigned index;

	if (!find_run(call, &index))
		return;
	if (!c) {
		api_fail(call->answer, 404, "No such exec instance: %s", call->order->name);
		return;
	}
	if (c->is_started) {
		api_fail(call->answer, 409, "exec session %s was started already", c->id);
		return;
	}
	if (api_exec_read_start(call->request->body, body_length(call), &c->message, &err) < 0) {
		api_fail(call->answer, 400, "%s", err.msg);
		return;
	}
	memcpy(&head, c->message.data, sizeof(head));
	head.flags |= upgrade_flags(call->request);
	memcpy(c->message.data, &head, sizeof(head));
	c->is_started = true;
	api_exec_forget(c->id);
	call->answer->is_exec = true;
	call->answer->index = index;
	call->answer->exec = &c->message;
}

void api_exec_resize(struct api_call *call)
{
	const struct api_order *order = call->order;
	struct shim_exec_resize message = {
		.header = { SHIM_PROTOCOL_VERSION, SHIM_EXEC_RESIZE, sizeof(message) },
		.rows = order->rows,
		.columns = order->columns,
	};
	struct err err;
	unsigned index;

	if (!find_run(call, &index))
		return;
	memcpy(message.id, order->name, sizeof(message.id));
	if (engine_exec(call->engine, index, &message, sizeof(message), -1, &err) < 0)
		api_fail(call->answer, err.code == ERR_BUSY ? 409 : 500, "%s", err.msg);
	else
		call->answer->status = 200;
}

static void render_process(struct json *json, const struct created *c, uint32_t flags)
{
	const char *text = c ? c->message.data + sizeof(struct shim_exec) : NULL;
	struct shim_exec head = { 0 };

	if (c)
		memcpy(&head, c->message.data, sizeof(head));
	json_object(json, "ProcessConfig");
	json_bool(json, "tty", flags & SHIM_EXEC_TTY);
	json_bool(json, "privileged", false);
	if (c) {
		json_str(json, "user", text);
		text += strlen(text) + 1;
		text += strlen(text) + 1;
		json_str(json, "entrypoint", text);
		json_array(json, "arguments");
		for (uint32_t i = 1; i < head.word_count; i++) {
			text += strlen(text) + 1;
			json_str(json, NULL, text);
		}
		json_array_end(json);
	}
	json_object_end(json);
}

void api_exec_inspect(struct api_call *call)
{
	const struct created *c = find_created(call->order->name);
	struct json json = JSON_TO(&call->answer->body);
	struct shim_exec_record record;
	struct shim_exec head = { 0 };
	char container[API_ID_LEN + 1];
	struct engine_unit unit;
	struct err err;
	unsigned index;
	bool is_known;

	if (!find_run(call, &index))
		return;
	is_known = engine_exec_record(call->engine, index, call->order->name, &record, &err) == 0;
	if (!is_known && !c) {
		api_fail(call->answer, 404, "No such exec instance: %s", call->order->name);
		return;
	}
	if (c)
		memcpy(&head, c->message.data, sizeof(head));
	engine_unit(call->engine, index, &unit);
	api_id(unit.published->name, container);
	call->answer->status = 200;
	json_object(&json, NULL);
	json_str(&json, "ID", call->order->name);
	json_bool(&json, "Running", is_known && record.state == SHIM_EXEC_RUNNING);
	if (is_known && record.state != SHIM_EXEC_RUNNING)
		json_int(&json, "ExitCode", record.exit_code);
	else
		json_null(&json, "ExitCode");
	json_int(&json, "Pid", is_known ? record.pid : 0);
	json_str(&json, "ContainerID", container);
	json_bool(&json, "OpenStdin", (is_known ? record.flags : head.flags) & SHIM_EXEC_STDIN);
	json_bool(&json, "OpenStdout", true);
	json_bool(&json, "OpenStderr", true);
	json_bool(&json, "CanRemove", is_known && record.state != SHIM_EXEC_RUNNING);
	json_str(&json, "DetachKeys", "");
	render_process(&json, c, is_known ? record.flags : head.flags);
	json_object_end(&json);
	buf_putc(&call->answer->body, '\n');
}
