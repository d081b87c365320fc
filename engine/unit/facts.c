/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What specifiers expand to on an appliance. The only file of this module that asks the machine. Must never fail: what
 * cannot be told is "", and a unit that needs it says so.
 */
#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "unit/env_file_internal.h"
#include "unit/unit.h"
#include "util/file.h"
#include "util/places.h"
#include "util/str.h"

static const char *read_id(struct arena *arena, const char *path)
{
	auto_buf text = BUF_INIT(64);
	struct err err;
	char *out;

	if (file_read_at(AT_FDCWD, path, 64, &text, &err) < 0)
		return "";
	/* 128 bits in hexadecimal; the kernel writes dashes between, systemd's %b has none. */
	out = arena_alloc(arena, text.len + 1);
	for (size_t i = 0, n = 0; i < text.len; i++)
		if (text.data[i] != '-' && text.data[i] > ' ')
			out[n++] = text.data[i];
	return str_is_hex(out, 32) ? out : "";
}

/* systemd's names of architectures, where they differ from uname's. */
static const char *arch_name(struct arena *arena, const char *machine)
{
	if (str_eq(machine, "x86_64"))
		return "x86-64";
	if (str_eq(machine, "aarch64"))
		return "arm64";
	return arena_strdup(arena, machine);
}

/* Files of NAME=VALUE lines that describe the machine; one with a broken line says nothing. */
static struct arg_list read_fields(struct arena *arena, const char *path)
{
	struct arg_list fields = { 0 };

	if (env_file_read(arena, path, NULL, &fields, NULL) < 0)
		fields.count = 0;
	return fields;
}

static const char *field(const struct arg_list *fields, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = fields->count; i > 0; i--) {
		const char *text = fields->items[i - 1].text;

		if (strncmp(text, name, len) == 0 && text[len] == '=')
			return text + len + 1;
	}
	return "";
}

static void read_release(struct unit_facts *facts, struct arena *arena)
{
	struct arg_list fields = read_fields(arena, "/etc/os-release");
	struct arg_list info = read_fields(arena, "/etc/machine-info");

	if (!fields.count)
		fields = read_fields(arena, "/usr/lib/os-release");
	facts->os_id = field(&fields, "ID");
	facts->os_version_id = field(&fields, "VERSION_ID");
	facts->os_variant_id = field(&fields, "VARIANT_ID");
	facts->os_build_id = field(&fields, "BUILD_ID");
	facts->os_image_id = field(&fields, "IMAGE_ID");
	facts->os_image_version = field(&fields, "IMAGE_VERSION");
	facts->pretty_hostname = field(&info, "PRETTY_HOSTNAME");
}

void unit_facts_init(struct unit_facts *facts, struct arena *arena, const char *home)
{
	struct utsname uts = { 0 };
	char host[256] = "";

	uname(&uts);
	if (gethostname(host, sizeof(host) - 1) < 0)
		host[0] = '\0';
	*facts = (struct unit_facts){
		.home = home ? arena_strdup(arena, home) : CLEAT_HOME_DIR,
		.user = "root",
		.group = "root",
		.uid = "0",
		.gid = "0",
		.hostname = arena_strdup(arena, host),
		.runtime_dir = "/run",
		.machine_id = read_id(arena, "/etc/machine-id"),
		.boot_id = read_id(arena, "/proc/sys/kernel/random/boot_id"),
		.kernel_release = arena_strdup(arena, uts.release),
		.arch = arch_name(arena, uts.machine),
	};
	read_release(facts, arena);
}
