/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages from a client into orders. The bytes may be anything: each length is checked against
 * what was received before a field is looked at. Must never point behind the message.
 */
#include "shim/decode.h"

#include <string.h>

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
	if (m->kind < SHIM_PROBE_EXEC || m->kind > SHIM_PROBE_TCP || m->timeout_usec == 0)
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
		return 1;
	case SHIM_SIGNAL:
		return decode_signal(message, length, out, err);
	case SHIM_PROBE:
		return decode_probe(message, length, out, err);
	default:
		return 0;
	}
}
