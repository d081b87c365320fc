/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What specifiers expand to on an appliance. The only file of this module that asks the machine. Must never fail: what
 * cannot be told is "", and a unit that needs it says so.
 */
#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

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
}
