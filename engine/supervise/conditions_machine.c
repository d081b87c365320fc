/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions about the machine: kernel, processors, memory, what it runs in, its name. Read from procfs and sysfs; must never guess. */
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "supervise/conditions.h"
#include "util/cgroup.h"
#include "util/file.h"
#include "util/places.h"
#include "util/proc.h"
#include "util/str.h"

#define FILE_MAX_BYTES (256 * 1024)

/* A file's text without its last newline; false: it is not to be had. */
static bool read_text(const char *path, struct buf *out)
{
	struct err ignored;

	if (file_read_at(AT_FDCWD, path, FILE_MAX_BYTES, out, &ignored) < 0)
		return false;
	if (out->len && out->data[out->len - 1] == '\n')
		out->data[--out->len] = '\0';
	return true;
}

/* The value of NAME in PID 1's environment; NULL: it is not there. Points into text. */
static const char *init_variable(struct buf *text, const char *name)
{
	size_t len = strlen(name);

	if (!read_text("/proc/1/environ", text))
		return NULL;
	for (const char *p = buf_str(text); p < buf_str(text) + text->len; p += strlen(p) + 1)
		if (strncmp(p, name, len) == 0 && p[len] == '=')
			return p + len + 1;
	return NULL;
}

/* The appliance is replaced as a whole: nothing in /etc or /var waits for an update of /usr. */
int condition_needs_update(const char *text, struct err *err)
{
	(void)text;
	(void)err;
	return 0;
}

/* The boot in which /data was made ours. */
int condition_first_boot(const char *text, struct err *err)
{
	bool wanted;

	if (!condition_read_bool(text, &wanted))
		return err_set(err, ERR_INPUT, "'%s' is neither yes nor no", text);
	return (access(CLEAT_FIRST_BOOT, F_OK) == 0) == wanted;
}

int condition_architecture(const char *text, struct err *err)
{
	static const struct {
		const char *machine, *name; /* of uname(2), of systemd */
	} names[] = {
		{ "x86_64", "x86-64" },	  { "aarch64", "arm64" },
		{ "i686", "x86" },	  { "i586", "x86" },
		{ "armv7l", "arm" },	  { "armv6l", "arm" },
		{ "riscv64", "riscv64" }, { "ppc64le", "ppc64-le" },
		{ "s390x", "s390x" },	  { "loongarch64", "loongarch64" },
	};
	struct utsname name;

	if (str_eq(text, "native"))
		return 1;
	if (uname(&name) < 0)
		return err_sys(err, "uname");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (str_eq(names[i].machine, name.machine))
			return str_eq(text, names[i].name);
	return str_eq(text, name.machine);
}

/* Which kind of virtual machine, in systemd's word; "": none that shows itself. */
static const char *machine_kind(void)
{
	static const struct {
		const char *vendor, *name;
	} vendors[] = {
		{ "KVM", "kvm" },
		{ "QEMU", "qemu" },
		{ "VMware", "vmware" },
		{ "innotek GmbH", "oracle" },
		{ "Xen", "xen" },
		{ "Microsoft", "microsoft" },
		{ "Amazon EC2", "amazon" },
		{ "Parallels", "parallels" },
		{ "BHYVE", "bhyve" },
		{ "Google", "google" },
		{ "Apple Virtualization", "apple" },
	};
	static const char *const files[] = { "/sys/class/dmi/id/product_name",
					     "/sys/class/dmi/id/sys_vendor",
					     "/sys/class/dmi/id/board_vendor" };
	auto_buf info = BUF_INIT(FILE_MAX_BYTES);

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		auto_buf text = BUF_INIT(FILE_MAX_BYTES);

		for (size_t k = 0;
		     read_text(files[i], &text) && k < sizeof(vendors) / sizeof(vendors[0]); k++) {
			if (str_starts(buf_str(&text), vendors[k].vendor))
				return vendors[k].name;
			buf_clear(&text);
		}
	}
	if (read_text("/proc/cpuinfo", &info) && strstr(buf_str(&info), " hypervisor"))
		return "vm-other";
	return "";
}

int condition_virtualization(const char *text, struct err *err)
{
	auto_buf environment = BUF_INIT(FILE_MAX_BYTES);
	const char *container = init_variable(&environment, "container");
	const char *machine = container ? "" : machine_kind();
	bool wanted;

	(void)err;
	if (condition_read_bool(text, &wanted))
		return (container || machine[0]) == wanted;
	if (str_eq(text, "container"))
		return container != NULL;
	if (str_eq(text, "vm"))
		return !container && machine[0];
	return container ? str_eq(text, container) : machine[0] && str_eq(text, machine);
}

int condition_host(const char *text, struct err *err)
{
	auto_buf id = BUF_INIT(FILE_MAX_BYTES);
	struct utsname name;

	if (strlen(text) == 32 && str_is_hex(text, 32))
		return read_text("/etc/machine-id", &id) && str_eq(buf_str(&id), text);
	if (uname(&name) < 0)
		return err_sys(err, "uname");
	return fnmatch(text, name.nodename, FNM_CASEFOLD) == 0;
}

/* In a container the kernel's own command line is the host's: that of PID 1 takes its place, as with systemd. */
int condition_kernel_command_line(const char *text, struct err *err)
{
	auto_buf environment = BUF_INIT(FILE_MAX_BYTES);
	auto_buf line = BUF_INIT(FILE_MAX_BYTES);
	bool is_container = init_variable(&environment, "container") != NULL;
	size_t len = strlen(text);
	const char *p;

	if (!read_text(is_container ? "/proc/1/cmdline" : "/proc/cmdline", &line))
		return err_set(err, ERR_NOT_FOUND, "the command line cannot be read");
	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] == '\0' || line.data[i] == '\n')
			line.data[i] = ' ';
	for (p = buf_str(&line); *(p += strspn(p, " ")); p += strcspn(p, " ")) {
		size_t word = strcspn(p, " ");

		/* "quiet" is there as itself or as quiet=..; "a=b" only as itself */
		if (strncmp(p, text, len) == 0 &&
		    (word == len || (!strchr(text, '=') && p[len] == '=')))
			return 1;
	}
	return 0;
}

/* Comparisons between blanks, all of which have to hold; a word without an operator is a pattern. */
static int compare_kernel(const char *text, struct err *err)
{
	struct utsname name;
	char word[256];

	if (uname(&name) < 0)
		return err_sys(err, "uname");
	for (const char *p = text; *(p += strspn(p, " \t"));) {
		enum condition_operator op = condition_take_operator(&p);
		size_t len = strcspn(p, " \t");
		bool fits;

		if (!len || len >= sizeof(word))
			return err_set(err, ERR_INPUT, "'%s' is no comparison of versions", text);
		memcpy(word, p, len);
		word[len] = '\0';
		p += len;
		fits = op == CONDITION_NONE || op == CONDITION_MATCH || op == CONDITION_NO_MATCH ?
			       (fnmatch(word, name.release, 0) == 0) != (op == CONDITION_NO_MATCH) :
			       condition_fits_order(op,
						    condition_compare_versions(name.release, word));
		if (!fits)
			return 0;
	}
	return 1;
}

int condition_kernel_version(const char *text, struct err *err)
{
	return compare_kernel(text, err);
}

int condition_version(const char *text, struct err *err)
{
	size_t len = strcspn(text, " \t<=>!$");

	if (strchr("<=>!$", text[0]))
		return compare_kernel(text, err);
	if (len == strlen("kernel") && str_starts(text, "kernel"))
		return compare_kernel(text + len, err);
	return err_set(err, ERR_UNSUPPORTED, "there is no %.*s here: kernel is what can be asked",
		       (int)len, text);
}

int condition_security(const char *text, struct err *err)
{
	static const struct {
		const char *name, *path;
		char first; /* byte of the file; 0: being there is enough */
	} kinds[] = {
		{ "apparmor", "/sys/module/apparmor/parameters/enabled", 'Y' },
		{ "selinux", "/sys/fs/selinux/enforce", 0 },
		{ "smack", "/sys/fs/smackfs", 0 },
		{ "tomoyo", "/sys/kernel/security/tomoyo/version", 0 },
		{ "ima", "/sys/kernel/security/ima", 0 },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		auto_buf content = BUF_INIT(FILE_MAX_BYTES);

		if (!str_eq(text, kinds[i].name))
			continue;
		if (!kinds[i].first)
			return access(kinds[i].path, F_OK) == 0;
		return read_text(kinds[i].path, &content) && buf_str(&content)[0] == kinds[i].first;
	}
	return err_set(err, ERR_UNSUPPORTED, "'%s' cannot be asked of an appliance", text);
}

int condition_capability(const char *text, struct err *err)
{
	cap_value_t number;

	if (cap_from_name(text, &number) < 0)
		return err_set(err, ERR_INPUT, "'%s' is no capability", text);
	return prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1;
}

/* A number behind an operator; none means "at least", as with systemd. */
static int compare_number(const char *text, uint64_t have, bool is_size, struct err *err)
{
	enum condition_operator op = condition_take_operator(&text);
	uint64_t number;
	bool ok = is_size ? str_to_bytes(text, &number) : str_to_u64(text, UINT64_MAX, &number);

	if (!ok || op == CONDITION_MATCH || op == CONDITION_NO_MATCH)
		return err_set(err, ERR_INPUT, "'%s' is no %s", text, is_size ? "size" : "number");
	return condition_fits_order(op == CONDITION_NONE ? CONDITION_GREATER_EQUAL : op,
				    have < number ? -1 : have > number);
}

int condition_memory(const char *text, struct err *err)
{
	char mount[256];
	struct err ignored;

	if (cgroup_find_mount(mount, sizeof(mount), &ignored) < 0)
		mount[0] = '\0';
	return compare_number(text, cgroup_memory_limit(mount), true, err);
}

int condition_cpus(const char *text, struct err *err)
{
	unsigned processors = proc_processors();

	if (!processors)
		return err_sys(err, "sched_getaffinity");
	return compare_number(text, processors, false, err);
}

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; *(p += strspn(p, " \t\n")); p += strcspn(p, " \t\n"))
		if (strncasecmp(p, word, len) == 0 && strcspn(p, " \t\n") == len)
			return true;
	return false;
}

/* "flags" on x86, "Features" on ARM, "isa" elsewhere: the line that lists them, of the first processor. */
int condition_cpu_feature(const char *text, struct err *err)
{
	static const char *const lines[] = { "\nflags", "\nFeatures", "\nisa" };
	auto_buf info = BUF_INIT(FILE_MAX_BYTES);
	struct err ignored;

	/* many processors make it longer than that; the first one is in front */
	if (file_read_at(AT_FDCWD, "/proc/cpuinfo", FILE_MAX_BYTES, &info, &ignored) < 0 &&
	    !info.len)
		return err_set(err, ERR_NOT_FOUND, "/proc/cpuinfo cannot be read");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char *line = strstr(info.data, lines[i]);

		if (!line)
			continue;
		line += strcspn(line, ":");
		line[strcspn(line, "\n")] = '\0';
		return has_word(line, text);
	}
	return 0;
}

/* That of PID 1, where "lxc.environment" and the kernel's command line end up. */
int condition_environment(const char *text, struct err *err)
{
	auto_buf environment = BUF_INIT(FILE_MAX_BYTES);
	size_t len = strcspn(text, "=");
	char name[256];
	const char *value;

	if (!len || len >= sizeof(name))
		return err_set(err, ERR_INPUT, "'%s' is no variable", text);
	memcpy(name, text, len);
	name[len] = '\0';
	value = init_variable(&environment, name);
	return value && (!text[len] || str_eq(value, text + len + 1));
}

/* The appliance's only user and group. */
int condition_user(const char *text, struct err *err)
{
	(void)err;
	return str_eq(text, "root") || str_eq(text, "0") || str_eq(text, "@system");
}

int condition_control_group_controller(const char *text, struct err *err)
{
	auto_buf have = BUF_INIT(FILE_MAX_BYTES);
	char mount[256], path[300];

	if (cgroup_find_mount(mount, sizeof(mount), err) < 0)
		return -1;
	if (str_eq(text, "v2") || str_eq(text, "v1"))
		return str_eq(text, "v2");
	snprintf(path, sizeof(path), "%s/cgroup.controllers", mount);
	if (!read_text(path, &have))
		return err_set(err, ERR_NOT_FOUND, "%s cannot be read", path);
	for (const char *p = text; *(p += strspn(p, " \t"));) {
		size_t len = strcspn(p, " \t");
		char word[64];

		if (len >= sizeof(word))
			return 0;
		memcpy(word, p, len);
		word[len] = '\0';
		if (!has_word(buf_str(&have), word))
			return 0;
		p += len;
	}
	return 1;
}

/* The value of a field of os-release without its quotes; "" when it is not there. */
static void os_field(const char *text, const char *name, char *out, size_t size)
{
	size_t len = strlen(name);

	out[0] = '\0';
	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		size_t end;

		if (strncmp(p, name, len) != 0 || p[len] != '=')
			continue;
		p += len + 1;
		p += *p == '"' || *p == '\'';
		end = strcspn(p, "\"'\n");
		if (end < size) {
			memcpy(out, p, end);
			out[end] = '\0';
		}
		return;
	}
}

static int compare_field(const char *text, const char *word, struct err *err)
{
	size_t len = strcspn(word, "<=>!$");
	const char *p = word + len;
	char name[128], have[256];
	enum condition_operator op = condition_take_operator(&p);

	if (!len || len >= sizeof(name) || op == CONDITION_NONE)
		return err_set(err, ERR_INPUT, "'%s' is no comparison", word);
	memcpy(name, word, len);
	name[len] = '\0';
	os_field(text, name, have, sizeof(have));
	if (op == CONDITION_MATCH || op == CONDITION_NO_MATCH)
		return (fnmatch(p, have, 0) == 0) != (op == CONDITION_NO_MATCH);
	/* a single = compares texts, == versions */
	if (op == CONDITION_EQUAL && word[len + 1] != '=')
		return str_eq(have, p);
	if (op == CONDITION_UNEQUAL && word[len] == '!')
		return !str_eq(have, p);
	return condition_fits_order(op, condition_compare_versions(have, p));
}

int condition_os_release(const char *text, struct err *err)
{
	auto_buf release = BUF_INIT(FILE_MAX_BYTES);
	char word[256];

	if (!read_text("/etc/os-release", &release) && !read_text("/usr/lib/os-release", &release))
		return err_set(err, ERR_NOT_FOUND, "there is no os-release");
	for (const char *p = text; *(p += strspn(p, " \t"));) {
		size_t len = strcspn(p, " \t");
		int fits;

		if (len >= sizeof(word))
			return err_set(err, ERR_INPUT, "'%s' is too long", text);
		memcpy(word, p, len);
		word[len] = '\0';
		p += len;
		fits = compare_field(buf_str(&release), word, err);
		if (fits <= 0)
			return fits;
	}
	return 1;
}

int condition_kernel_module_loaded(const char *text, struct err *err)
{
	char path[300];

	if (strlen(text) > 128 || strchr(text, '/') || text[0] == '.')
		return err_set(err, ERR_INPUT, "'%s' is no name of a module", text);
	snprintf(path, sizeof(path), "/sys/module/%s", text);
	for (char *p = path + strlen("/sys/module/"); *p; p++)
		if (*p == '-')
			*p = '_';
	return access(path, F_OK) == 0;
}
