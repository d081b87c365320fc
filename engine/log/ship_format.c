/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 5424. Header fields are ASCII without blanks, values of structured data are UTF-8 with three bytes escaped, and the text is the
 * container's own, whatever it is: control bytes in it are the server's business, as in any message that is not ours.
 */
#include <string.h>

#include "log/ship.h"
#include "log/stamp.h"
#include "util/str.h"

#define FACILITY 1 /* user-level messages */
#define SEVERITY_ERROR 3
#define SEVERITY_INFO 6
#define STAMP_MICROS 26 /* digits of a stamp that RFC 5424 allows: six of a second */

static void put_field(struct buf *out, const char *text, size_t max)
{
	size_t n = 0;

	buf_putc(out, ' ');
	for (const char *p = text; *p && n < max; p++, n++)
		buf_putc(out, *p > ' ' && *p <= '~' ? *p : '_');
	if (n == 0)
		buf_putc(out, '-');
}

static void put_param(struct buf *out, const char *name, const char *value)
{
	if (!value[0])
		return;
	buf_printf(out, " %s=\"", name);
	for (const char *p = value; *p;) {
		size_t n = str_utf8_len(p, strlen(p));

		if (*p == '"' || *p == '\\' || *p == ']')
			buf_putc(out, '\\');
		if (n > 0 && (unsigned char)*p >= ' ')
			buf_add(out, p, n);
		else
			buf_putc(out, '?');
		p += n > 0 ? n : 1;
	}
	buf_putc(out, '"');
}

void ship_format(const struct ship_message *m, size_t max, struct buf *out)
{
	unsigned severity = m->is_event	 ? m->severity :
			    m->is_stderr ? SEVERITY_ERROR :
					   SEVERITY_INFO;
	size_t begin = out->len, room, len = m->len;

	buf_printf(out, "<%u>1 %.*sZ", FACILITY * 8 + severity, STAMP_MICROS, m->stamp);
	put_field(out, m->hostname, 255);
	put_field(out, m->app, 48);
	put_field(out, m->run_id, 128);
	put_field(out, m->msgid, 32);
	buf_puts(out, " [cleat@" SHIP_PEN);
	put_param(out, "unit", m->unit);
	put_param(out, "container", m->container);
	put_param(out, "run", m->run_id);
	if (!m->is_event)
		put_param(out, "stream", m->is_stderr ? "stderr" : "stdout");
	if (m->is_partial)
		put_param(out, "partial", "true");
	buf_putc(out, ']');
	room = out->len - begin < max ? max - (out->len - begin) : 0;
	if (len + 1 > room)
		len = room > 0 ? room - 1 : 0;
	if (len == 0)
		return;
	buf_putc(out, ' ');
	buf_add(out, m->text, len);
}
