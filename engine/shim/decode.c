/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages from a client into orders. The bytes may be anything: each length is checked against
 * what was received before a field is looked at. Must never point behind the message.
 */
#include "shim/decode.h"

#include <string.h>

#include "util/str.h"

#define SIGNAL_MAX 64

static int decode_signal(const void *message, size_t length, struct shim_order *out,
			 struct err *err)
{
	struct shim_signal m = { 0 };

	if (length < offsetof(struct shim_signal, all))
		return err_set(err, ERR_INTEGRITY, "signal message of %zu bytes", length);
	memcpy(&m, message, length < sizeof(m) ? length : sizeof(m));
	if (m.number < 1 || m.number > SIGNAL_MAX)
		return err_set(err, ERR_INTEGRITY, "signal %d is none", (int)m.number);
	out->signal = m.number;
	out->all = m.all != 0;
	return 1;
}

static size_t count_words(const char *text, size_t length)
{
	size_t words = 0;

	for (const char *end; length > 0 && (end = memchr(text, '\0', length)); words++) {
		length -= (size_t)(end - text) + 1;
		text = end + 1;
	}
	return words;
}

static bool can_be_run(const struct shim_probe *m, const char *text)
{
	if (m->kind < SHIM_PROBE_EXEC || m->kind > SHIM_PROBE_HTTPS || m->timeout_usec == 0)
		return false;
	if (m->text_length == 0 || text[0] == '\0' || text[m->text_length - 1] != '\0')
		return false;
	if (m->kind == SHIM_PROBE_EXEC)
		return count_words(text, m->text_length) <= SHIM_PROBE_MAX_WORDS;
	return strlen(text) == m->text_length - 1;
}

static int decode_probe(const void *message, size_t length, struct shim_order *out, struct err *err)
{
	const char *text = (const char *)message + sizeof(struct shim_probe);
	struct shim_probe m;

	if (length < sizeof(m))
		return err_set(err, ERR_INTEGRITY, "probe message of %zu bytes", length);
	memcpy(&m, message, sizeof(m));
	if (m.text_length > length - sizeof(m))
		return err_set(err, ERR_INTEGRITY, "probe text of %u bytes in a message of %zu",
			       m.text_length, length);
	out->probe = m.order;
	if (!can_be_run(&m, text))
		return 1;
	out->kind = m.kind;
	out->timeout_usec = m.timeout_usec < SHIM_PROBE_TIMEOUT_MAX_USEC ?
				    m.timeout_usec :
				    SHIM_PROBE_TIMEOUT_MAX_USEC;
	out->text = text;
	out->text_length = m.text_length;
	return 1;
}

static int take_id(const char id[SHIM_EXEC_ID_LEN], struct shim_order *out, struct err *err)
{
	memcpy(out->id, id, SHIM_EXEC_ID_LEN);
	out->id[SHIM_EXEC_ID_LEN] = '\0';
	if (!str_is_hex(out->id, SHIM_EXEC_ID_LEN))
		return err_set(err, ERR_INTEGRITY, "the session's id is not %d hex digits",
			       SHIM_EXEC_ID_LEN);
	return 0;
}

/* The next text of the order; what is counted is there, because check_exec() looked. */
static const char *next_text(struct shim_order *order)
{
	const char *text = order->text;
	size_t size = strlen(text) + 1;

	order->text += size;
	order->text_length -= size;
	return text;
}

static int check_exec(const struct shim_exec *m, const char *text, struct err *err)
{
	const uint32_t known = SHIM_EXEC_TTY | SHIM_EXEC_STDIN | SHIM_EXEC_DETACH |
			       SHIM_EXEC_FRAMES | SHIM_EXEC_UPGRADE;

	if (m->flags & ~known)
		return err_set(err, ERR_INTEGRITY, "exec with unknown flags %x", m->flags);
	if (m->word_count == 0 || m->word_count > SHIM_EXEC_MAX_WORDS ||
	    m->variable_count > SHIM_EXEC_MAX_WORDS - m->word_count)
		return err_set(err, ERR_INTEGRITY, "exec with %u words and %u variables",
			       m->word_count, m->variable_count);
	if (m->text_length == 0 || text[m->text_length - 1] != '\0' ||
	    count_words(text, m->text_length) != 2u + m->word_count + m->variable_count)
		return err_set(err, ERR_INTEGRITY, "exec whose text is not what it says");
	return 0;
}

static int decode_exec(const void *message, size_t length, struct shim_order *out, struct err *err)
{
	const char *text = (const char *)message + sizeof(struct shim_exec);
	struct shim_exec m;

	if (length < sizeof(m))
		return err_set(err, ERR_INTEGRITY, "exec message of %zu bytes", length);
	memcpy(&m, message, sizeof(m));
	if (m.text_length > length - sizeof(m))
		return err_set(err, ERR_INTEGRITY, "exec text of %u bytes in a message of %zu",
			       m.text_length, length);
	if (take_id(m.id, out, err) < 0 || check_exec(&m, text, err) < 0)
		return -1;
	out->flags = m.flags;
	out->rows = m.rows;
	out->columns = m.columns;
	out->word_count = m.word_count;
	out->variable_count = m.variable_count;
	out->text = text;
	out->text_length = m.text_length;
	out->user = next_text(out);
	out->cwd = next_text(out);
	return out->text[0] ? 1 : err_set(err, ERR_INTEGRITY, "exec of a program without a name");
}

static int decode_resize(const void *message, size_t length, struct shim_order *out,
			 struct err *err)
{
	struct shim_exec_resize m;

	if (length < sizeof(m))
		return err_set(err, ERR_INTEGRITY, "resize message of %zu bytes", length);
	memcpy(&m, message, sizeof(m));
	out->rows = m.rows;
	out->columns = m.columns;
	return take_id(m.id, out, err) < 0 ? -1 : 1;
}

int shim_decode(const void *message, size_t length, struct shim_order *out, struct err *err)
{
	struct shim_header header;

	*out = (struct shim_order){ 0 };
	if (length < sizeof(header))
		return err_set(err, ERR_INTEGRITY, "message of %zu bytes", length);
	memcpy(&header, message, sizeof(header));
	if (header.length != length)
		return err_set(err, ERR_INTEGRITY, "message of %zu bytes says %u", length,
			       header.length);
	out->type = header.type;
	switch (header.type) {
	case SHIM_HELLO:
	case SHIM_KILL:
	case SHIM_PROBE_CANCEL:
	case SHIM_NOTIFY_ASK:
	case SHIM_FILES:
		return 1;
	case SHIM_SIGNAL:
		return decode_signal(message, length, out, err);
	case SHIM_PROBE:
		return decode_probe(message, length, out, err);
	case SHIM_EXEC:
		return decode_exec(message, length, out, err);
	case SHIM_EXEC_RESIZE:
		return decode_resize(message, length, out, err);
	default:
		return 0;
	}
}
