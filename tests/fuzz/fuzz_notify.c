/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sd_notify's datagrams. Oracle beside the sanitizers: texts are clean UTF-8 of one line, numbers are in range, and what was understood
 * means the same when it is written again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervise/notify.h"
#include "tests/fuzz/fuzz.h"
#include "util/str.h"

static void check_text(const char *text, size_t size)
{
	size_t length = strnlen(text, size);

	check(length < size, "a text ends");
	for (size_t i = 0; i < length;) {
		size_t n = str_utf8_len(text + i, length - i);

		check(n > 0, "a text is UTF-8");
		check((unsigned char)text[i] >= ' ' && text[i] != 0x7f, "a text is one line");
		i += n;
	}
}

static void write_again(const struct notify_message *m, struct buf *out)
{
	buf_puts(out, m->ready ? "READY=1\n" : "");
	buf_puts(out, m->reloading ? "RELOADING=1\n" : "");
	buf_puts(out, m->stopping ? "STOPPING=1\n" : "");
	buf_puts(out, m->watchdog ? "WATCHDOG=1\n" : "");
	buf_puts(out, m->watchdog_trigger ? "WATCHDOG=trigger\n" : "");
	if (m->has_status)
		buf_printf(out, "STATUS=%s\n", m->status);
	if (m->has_bus_error)
		buf_printf(out, "BUSERROR=%s\n", m->bus_error);
	if (m->has_error)
		buf_printf(out, "ERRNO=%u\n", m->error);
	if (m->extend_usec)
		buf_printf(out, "EXTEND_TIMEOUT_USEC=%llu\n", (unsigned long long)m->extend_usec);
	if (m->watchdog_usec)
		buf_printf(out, "WATCHDOG_USEC=%llu\n", (unsigned long long)m->watchdog_usec);
}

static void compare(const struct notify_message *one, const struct notify_message *two)
{
	check(one->ready == two->ready && one->reloading == two->reloading &&
		      one->stopping == two->stopping && one->watchdog == two->watchdog &&
		      one->watchdog_trigger == two->watchdog_trigger,
	      "flags are the same again");
	check(one->extend_usec == two->extend_usec && one->watchdog_usec == two->watchdog_usec &&
		      one->error == two->error && one->has_error == two->has_error,
	      "numbers are the same again");
	check(str_eq(one->status, two->status) && str_eq(one->bus_error, two->bus_error),
	      "texts are the same again");
	check(!two->noted, "what was understood is understood again");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_buf text = BUF_INIT(64 * 1024);
	struct notify_message one, two;
	struct err err = { 0 };

	if (notify_parse((const char *)data, size, &one, &err) < 0) {
		check(err.code == ERR_LIMIT || err.code == ERR_INPUT, "a refusal has a reason");
		check(!one.ready && !one.has_status && !one.noted, "a refusal keeps nothing");
		return 0;
	}
	check_text(one.status, sizeof(one.status));
	check_text(one.bus_error, sizeof(one.bus_error));
	check_text(one.unknown, sizeof(one.unknown));
	check(one.extend_usec <= NOTIFY_SPAN_MAX_USEC &&
		      one.watchdog_usec <= NOTIFY_SPAN_MAX_USEC && one.error < 4096 &&
		      one.noted < 1u << NOTIFY_NOTED_COUNT,
	      "numbers are in range");
	/* READY=1 and READY=0 may both be there: the first counts, and the other is noted */
	write_again(&one, &text);
	check(notify_parse(buf_str(&text), text.len, &two, &err) == 0, "its text is accepted");
	compare(&one, &two);
	return 0;
}
