/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three settings that outlive an engine, as text. Safe mode must not read appliance.ini, which may be what the engine crashed over; and must not
 * answer at another address, draw on another's console or let in another than the engine before it. Nothing may depend on the file.
 */
#include "supervise/boot_settings.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "supervise/internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

#define SETTINGS CLEAT_RUN_DIR "/settings"

void boot_settings_text(const struct boot_settings *s, struct buf *out)
{
	buf_printf(out, "status %u%s%s\n", s->status_port, s->status_address[0] ? " " : "",
		   s->status_address);
	buf_printf(out, "console %u\n", (unsigned)s->console);
	buf_printf(out, "password%s%s\n", s->password[0] ? " " : "", s->password);
}

static bool is_address(const char *text)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

/* "8080 192.0.2.1" */
static void take_status(struct boot_settings *s, char *value)
{
	char *address = value + strcspn(value, " ");
	uint64_t port;

	if (*address)
		*address++ = '\0';
	if (!str_to_u64(value, UINT16_MAX, &port) || (*address && !is_address(address)))
		return;
	if (str_copy(s->status_address, sizeof(s->status_address), address))
		s->status_port = (uint16_t)port;
	else
		s->status_address[0] = '\0';
}

static void take_line(struct boot_settings *s, char *line)
{
	char *value = line + strcspn(line, " ");
	uint64_t number;

	if (*value)
		*value++ = '\0';
	if (str_eq(line, "status"))
		take_status(s, value);
	else if (str_eq(line, "console") && str_to_u64(value, APPLIANCE_CONSOLE_OFF, &number))
		s->console = (enum appliance_console)number;
	else if (str_eq(line, "password") && appliance_is_password_hash(value) &&
		 !str_copy(s->password, sizeof(s->password), value))
		s->password[0] = '\0';
}

void boot_settings_parse(const char *text, struct boot_settings *out)
{
	char lines[BOOT_SETTINGS_MAX_BYTES];
	char *rest = lines, *line;

	*out = (struct boot_settings){ 0 };
	if (!str_copy(lines, sizeof(lines), text))
		return;
	while ((line = strsep(&rest, "\n")))
		take_line(out, line);
}

/* Anybody who greets, or tells a person where to ask. */
static void publish_place(struct engine *e)
{
	const struct appliance *a = &e->appliance;

	e->header.status_port = a->status_port ? a->status_port : CLEAT_STATUS_PORT;
	str_copy(e->header.status_address, sizeof(e->header.status_address),
		 a->status_address ? a->status_address : "");
	publish_header(e);
}

void boot_settings_keep(struct engine *e)
{
	const struct appliance *a = &e->appliance;
	struct boot_settings s = { .status_port = a->status_port, .console = a->console };
	auto_buf text = BUF_INIT(BOOT_SETTINGS_MAX_BYTES);
	struct err err;

	str_copy(s.status_address, sizeof(s.status_address),
		 a->status_address ? a->status_address : "");
	str_copy(s.password, sizeof(s.password), a->root_password ? a->root_password : "");
	publish_place(e);
	if (e->run_layout_unknown)
		return;
	boot_settings_text(&s, &text);
	if (buf_check(&text, SETTINGS, &err) < 0 ||
	    file_write_atomic(AT_FDCWD, SETTINGS, buf_str(&text), text.len, 0600, false, &err) < 0)
		log_msg(LOG_WARN, "boot", "%s", err.msg);
}

void boot_settings_take(struct engine *e)
{
	struct appliance *a = &e->appliance;
	auto_buf text = BUF_INIT(BOOT_SETTINGS_MAX_BYTES);
	struct boot_settings s = { 0 };
	struct err err;

	if (file_read_at(AT_FDCWD, SETTINGS, BOOT_SETTINGS_MAX_BYTES, &text, &err) == 0)
		boot_settings_parse(buf_str(&text), &s);
	a->status_port = s.status_port;
	a->status_address = s.status_address[0] ? arena_strdup(&e->arena, s.status_address) : NULL;
	a->console = s.console;
	a->root_password = arena_strdup(&e->arena, s.password);
	publish_place(e);
}
