/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sd_notify's datagrams: bytes of a container into what they mean. The bytes may be anything: the
 * length is checked first, values are copied into fixed room, nothing is executed or opened. Must
 * never let a control byte or a broken character through to people.
 */
#include <string.h>

#include "supervise/notify.h"
#include "util/str.h"

#define ERRNO_MAX 4095

struct value {
	const char *text;
	size_t length;
};

static void note(struct notify_message *m, enum notify_noted which)
{
	m->noted |= 1u << which;
}

static bool value_is(const struct value *v, const char *word)
{
	return strlen(word) == v->length && memcmp(v->text, word, v->length) == 0;
}

static bool value_number(const struct value *v, uint64_t max, uint64_t *out)
{
	char text[24];

	if (v->length >= sizeof(text))
		return false;
	memcpy(text, v->text, v->length);
	text[v->length] = '\0';
	return str_to_u64(text, max, out);
}

static bool value_is_utf8(const struct value *v)
{
	for (size_t i = 0; i < v->length;) {
		size_t n = str_utf8_len(v->text + i, v->length - i);

		if (!n)
			return false;
		i += n;
	}
	return true;
}

/* One line for people: control bytes become blanks. */
static void value_copy(const struct value *v, char *out, size_t size)
{
	char text[NOTIFY_MESSAGE_MAX + 1];

	memcpy(text, v->text, v->length);
	text[v->length] = '\0';
	for (size_t i = 0; i < v->length; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = ' ';
	str_copy_text(out, size, text);
}

static void read_flag(const struct value *v, struct notify_message *m, bool *out)
{
	if (value_is(v, "1"))
		*out = true;
	else
		note(m, NOTIFY_NOTED_WORD);
}

static void read_ready(const struct value *v, struct notify_message *m)
{
	read_flag(v, m, &m->ready);
}

static void read_reloading(const struct value *v, struct notify_message *m)
{
	read_flag(v, m, &m->reloading);
}

static void read_stopping(const struct value *v, struct notify_message *m)
{
	read_flag(v, m, &m->stopping);
}

static void read_watchdog(const struct value *v, struct notify_message *m)
{
	if (value_is(v, "trigger"))
		m->watchdog_trigger = true;
	else
		read_flag(v, m, &m->watchdog);
}

static void read_status(const struct value *v, struct notify_message *m)
{
	if (!value_is_utf8(v)) {
		note(m, NOTIFY_NOTED_STATUS);
		return;
	}
	m->has_status = true;
	value_copy(v, m->status, sizeof(m->status));
}

static void read_error(const struct value *v, struct notify_message *m)
{
	uint64_t number;

	if (!value_number(v, ERRNO_MAX, &number)) {
		note(m, NOTIFY_NOTED_NUMBER);
		return;
	}
	m->has_error = true;
	m->error = (unsigned)number;
}

static void read_bus_error(const struct value *v, struct notify_message *m)
{
	if (!value_is_utf8(v)) {
		note(m, NOTIFY_NOTED_STATUS);
		return;
	}
	m->has_bus_error = true;
	value_copy(v, m->bus_error, sizeof(m->bus_error));
}

static bool read_span(const struct value *v, struct notify_message *m, uint64_t *out)
{
	if (!value_number(v, UINT64_MAX, out)) {
		note(m, NOTIFY_NOTED_NUMBER);
		return false;
	}
	if (*out > NOTIFY_SPAN_MAX_USEC)
		*out = NOTIFY_SPAN_MAX_USEC;
	return true;
}

static void read_extend(const struct value *v, struct notify_message *m)
{
	read_span(v, m, &m->extend_usec);
}

/* systemd: 0 switches the watchdog off. */
static void read_watchdog_usec(const struct value *v, struct notify_message *m)
{
	if (read_span(v, m, &m->watchdog_usec) && !m->watchdog_usec)
		m->watchdog_usec = NOTIFY_SPAN_MAX_USEC;
}

static void read_main_pid(const struct value *v, struct notify_message *m)
{
	(void)v;
	note(m, NOTIFY_NOTED_MAINPID);
}

static void read_fd_store(const struct value *v, struct notify_message *m)
{
	(void)v;
	note(m, NOTIFY_NOTED_FDSTORE);
}

static void read_exit_status(const struct value *v, struct notify_message *m)
{
	(void)v;
	note(m, NOTIFY_NOTED_EXIT_STATUS);
}

/* Descriptors that came along are closed by the time the message is taken: that is all a barrier waits for. */
static void read_barrier(const struct value *v, struct notify_message *m)
{
	if (!value_is(v, "1"))
		note(m, NOTIFY_NOTED_WORD);
}

/* When RELOADING=1 was said: systemd wants it with Type=notify-reload only, which Quadlet does not have. */
static void read_nothing(const struct value *v, struct notify_message *m)
{
	(void)v;
	(void)m;
}

static const struct field {
	const char *name;
	void (*read)(const struct value *v, struct notify_message *m);
} fields[] = {
	{ "READY", read_ready },
	{ "RELOADING", read_reloading },
	{ "STOPPING", read_stopping },
	{ "STATUS", read_status },
	{ "WATCHDOG", read_watchdog },
	{ "WATCHDOG_USEC", read_watchdog_usec },
	{ "EXTEND_TIMEOUT_USEC", read_extend },
	{ "ERRNO", read_error },
	{ "BUSERROR", read_bus_error },
	{ "VARLINKERROR", read_bus_error },
	{ "BARRIER", read_barrier },
	{ "MAINPID", read_main_pid },
	{ "MAINPIDFDID", read_main_pid },
	{ "MAINPIDFD", read_main_pid },
	{ "FDSTORE", read_fd_store },
	{ "FDSTOREREMOVE", read_fd_store },
	{ "FDNAME", read_fd_store },
	{ "FDPOLL", read_fd_store },
	{ "EXIT_STATUS", read_exit_status },
	{ "MONOTONIC_USEC", read_nothing },
};
#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))
_Static_assert(FIELD_COUNT <= 32, "the names that were read are a bit set");

static void note_unknown(const char *line, size_t length, struct notify_message *m)
{
	struct value name = { line, length };

	/* X_...: by sd_notify(3) for the program's own use */
	if (length >= 2 && memcmp(line, "X_", 2) == 0)
		return;
	note(m, NOTIFY_NOTED_UNKNOWN);
	if (!m->unknown[0])
		value_copy(&name, m->unknown, sizeof(m->unknown));
}

static void read_line(const char *line, size_t length, uint32_t *seen, struct notify_message *m)
{
	const char *equals = memchr(line, '=', length);
	size_t name = equals ? (size_t)(equals - line) : length;
	struct value v;

	if (!length)
		return;
	for (size_t i = 0; equals && i < FIELD_COUNT; i++) {
		if (strlen(fields[i].name) != name || memcmp(fields[i].name, line, name) != 0)
			continue;
		v = (struct value){ equals + 1, length - name - 1 };
		if (!(*seen & (1u << i)))
			fields[i].read(&v, m);
		*seen |= 1u << i;
		return;
	}
	note_unknown(line, name, m);
}

int notify_parse(const char *bytes, size_t length, struct notify_message *out, struct err *err)
{
	uint32_t seen = 0;

	*out = (struct notify_message){ 0 };
	if (length > NOTIFY_MESSAGE_MAX)
		return err_set(err, ERR_LIMIT, "a message of more than %d bytes",
			       NOTIFY_MESSAGE_MAX);
	/* some programs send the end of their string as well */
	if (length && !bytes[length - 1])
		length--;
	if (length && memchr(bytes, '\0', length))
		return err_set(err, ERR_INPUT, "a message with a NUL inside");
	while (length) {
		const char *end = memchr(bytes, '\n', length);
		size_t line = end ? (size_t)(end - bytes) : length;

		read_line(bytes, line, &seen, out);
		line += end != NULL;
		bytes += line;
		length -= line;
	}
	return 0;
}

const char *notify_noted_text(enum notify_noted which)
{
	static const char *const texts[NOTIFY_NOTED_COUNT] = {
		[NOTIFY_NOTED_MAINPID] =
			"MAINPID= is not used: the container's first process is its main process",
		[NOTIFY_NOTED_FDSTORE] =
			"FDSTORE= is not used: descriptors are closed, none is kept",
		[NOTIFY_NOTED_EXIT_STATUS] = "EXIT_STATUS= is not used: the exit code counts",
		[NOTIFY_NOTED_STATUS] = "a text that is not UTF-8 was left out",
		[NOTIFY_NOTED_NUMBER] = "a value that is no number in range was left out",
		[NOTIFY_NOTED_WORD] = "a value that is not \"1\" was left out",
		[NOTIFY_NOTED_UNKNOWN] = "unknown names were left out",
	};

	return texts[which];
}

bool notify_is_allowed(enum service_notify_access access, pid_t sender, pid_t main_pid)
{
	return access == SERVICE_NOTIFY_ALL || (sender > 0 && sender == main_pid);
}
