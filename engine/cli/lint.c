/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of advice: one row each, with what it finds, why that matters and what to write instead. Must never print a value
 * that may be a secret, and never decide whether a unit is started.
 */
#include "cli/lint.h"

#include <fcntl.h>
#include <strings.h>

#include "util/file.h"
#include "util/str.h"

#define IGNORE_WORD "cleat:lint-ignore="

#define CONTAINER (1u << UNIT_CONTAINER)
#define POD (1u << UNIT_POD)
#define PULLED (1u << UNIT_IMAGE | 1u << UNIT_BUILD | 1u << UNIT_ARTIFACT)

struct lint;

struct rule {
	const char *name;
	enum diag_severity severity;
	unsigned kinds;
	void (*check)(const struct lint *l);
	const char *what, *why, *instead;
};

struct lint {
	const struct unit *unit;
	struct diags *diags;
	const struct rule *rule;
	uint64_t ignored; /* bit N: rule N */
};

static const struct origin nowhere = { .file = "", .key = "" };

/* What is missing has no line: the image's will do. */
static const struct origin *main_place(const struct unit *unit)
{
	for (size_t i = 0; i < unit->run_args.count; i++)
		if (str_ends(unit->run_args.items[i].origin->key, ".Image"))
			return unit->run_args.items[i].origin;
	return &nowhere;
}

/* detail stands before what the rule says; NULL: none. */
static void advise(const struct lint *l, const struct origin *origin, const char *key,
		   const char *detail)
{
	const struct diag place = {
		.severity = l->rule->severity,
		.file = origin->file[0] ? origin->file : l->unit->path,
		.line = origin->line ? origin->line : 1,
		.column = origin->line ? origin->column : 1,
		.key = key ? key : origin->key,
	};

	diag_add_advice(l->diags, &place, l->rule->name, "%s%s%s: %s", detail ? detail : "",
			detail ? ": " : "", l->rule->what, l->rule->instead);
}

static void advise_missing(const struct lint *l, const char *key)
{
	advise(l, main_place(l->unit), key, NULL);
}

/* Walks over the values of an option of podman's, in all its spellings; a flag without a value has "". */
struct walk {
	const struct lint *l;
	const char *flag;
	bool is_flag; /* takes no word of its own */
	size_t next;
};

static bool is_option(const struct arg *arg)
{
	return !str_ends(arg->origin->key, ".Image") && !str_ends(arg->origin->key, ".Exec");
}

static bool next_value(struct walk *walk, struct arg *out)
{
	const struct arg_list *words = &walk->l->unit->run_args;
	size_t len = strlen(walk->flag);

	while (walk->next < words->count) {
		*out = words->items[walk->next++];
		if (!is_option(out) || strncmp(out->text, walk->flag, len) != 0)
			continue;
		if (out->text[len] == '=') {
			out->text += len + 1;
			return true;
		}
		if (out->text[len])
			continue;
		out->text = "";
		if (!walk->is_flag && walk->next < words->count)
			*out = words->items[walk->next++];
		return true;
	}
	return false;
}

static bool last_value(const struct lint *l, const char *flag, struct arg *out)
{
	struct walk walk = { .l = l, .flag = flag };
	bool is_set = false;

	for (struct arg value; next_value(&walk, &value); is_set = true)
		*out = value;
	return is_set;
}

/* Whether a switch is on; out is its word. */
static bool is_on(const struct lint *l, const char *flag, struct arg *out)
{
	struct walk walk = { .l = l, .flag = flag, .is_flag = true };
	bool is_set = false;

	for (struct arg value; next_value(&walk, &value);) {
		is_set = !value.text[0] || str_eq(value.text, "true") || str_eq(value.text, "1");
		*out = value;
	}
	return is_set;
}

static bool has_value(const struct lint *l, const char *flag, const char *start)
{
	struct walk walk = { .l = l, .flag = flag };

	for (struct arg value; next_value(&walk, &value);)
		if (strncasecmp(value.text, start, strlen(start)) == 0)
			return true;
	return false;
}

static void advise_value(const struct lint *l, const char *flag, const char *unwanted)
{
	struct walk walk = { .l = l, .flag = flag };

	for (struct arg value; next_value(&walk, &value);)
		if (strcasecmp(value.text, unwanted) == 0)
			advise(l, value.origin, NULL, NULL);
}

static bool has_host_network(const struct lint *l)
{
	struct arg value;

	return (last_value(l, "--network", &value) || last_value(l, "--net", &value)) &&
	       str_eq(value.text, "host");
}

static void check_user(const struct lint *l)
{
	struct arg user;
	size_t len;

	if (!last_value(l, "--user", &user) && !last_value(l, "-u", &user)) {
		if (!has_value(l, "--userns", "keep-id"))
			advise_missing(l, "Container.User");
		return;
	}
	len = strcspn(user.text, ":");
	if ((len == 1 && user.text[0] == '0') || (len == 4 && strncmp(user.text, "root", 4) == 0))
		advise(l, user.origin, NULL, NULL);
}

/* The image as it stands in the unit; false when it is made by another unit, or only known when it is started. */
static bool find_image(const struct lint *l, struct arg *image)
{
	const struct unit *unit = l->unit;

	for (size_t i = 0; i < unit->ref_count; i++)
		if (str_ends(unit->refs[i].origin->key, ".Image"))
			return false;
	for (size_t i = 0; i < unit->run_args.count; i++) {
		*image = unit->run_args.items[i];
		if (str_eq(image->origin->key, "Container.Image") ||
		    str_eq(image->origin->key, "Image.Image"))
			return !strpbrk(image->text, "$%") && !str_starts(image->text, "sha256:");
	}
	return false;
}

static const char *tag_of(const char *image)
{
	const char *slash = strrchr(image, '/');
	const char *colon = strchr(slash ? slash : image, ':');

	return colon ? colon + 1 : "";
}

static bool is_latest(const char *image)
{
	const char *tag = tag_of(image);

	return !tag[0] || str_eq(tag, "latest");
}

/* What is made here has the tag that was given here. */
static bool is_made_here(const char *image)
{
	return str_starts(image, "localhost/");
}

static void check_latest(const struct lint *l)
{
	struct arg image;

	if (find_image(l, &image) && !strchr(image.text, '@') && !is_made_here(image.text) &&
	    is_latest(image.text))
		advise(l, image.origin, NULL, NULL);
}

static void check_tag(const struct lint *l)
{
	struct arg image;

	if (find_image(l, &image) && !strchr(image.text, '@') && !is_made_here(image.text) &&
	    !is_latest(image.text))
		advise(l, image.origin, NULL, NULL);
}

static void check_update(const struct lint *l)
{
	struct arg image;
	struct walk labels = { .l = l, .flag = "--label" };

	if (!find_image(l, &image) || !strchr(image.text, '@'))
		return;
	for (struct arg label; next_value(&labels, &label);)
		if (str_starts(label.text, "io.containers.autoupdate="))
			advise(l, label.origin, NULL, NULL);
}

static void check_root(const struct lint *l)
{
	struct arg value;

	if (!is_on(l, "--read-only", &value))
		advise_missing(l, "Container.ReadOnly");
}

static void check_privileged(const struct lint *l)
{
	struct arg value;

	if (is_on(l, "--privileged", &value))
		advise(l, value.origin, NULL, NULL);
}

static void check_host_network(const struct lint *l)
{
	advise_value(l, "--network", "host");
	advise_value(l, "--net", "host");
}

static void check_host_spaces(const struct lint *l)
{
	static const char *const flags[] = { "--pid", "--ipc", "--uts", "--userns", "--cgroupns" };

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		advise_value(l, flags[i], "host");
}

static void check_capabilities(const struct lint *l)
{
	if (!has_value(l, "--cap-drop", "all"))
		advise_missing(l, "Container.DropCapability");
}

static void check_strong_capability(const struct lint *l)
{
	static const char *const strong[] = { "all",	   "bpf",	   "dac_read_search",
					      "mac_admin", "mac_override", "mknod",
					      "net_admin", "perfmon",	   "sys_admin",
					      "sys_boot",  "sys_module",   "sys_ptrace",
					      "sys_rawio", "sys_time",	   "syslog" };
	struct walk walk = { .l = l, .flag = "--cap-add" };

	for (struct arg value; next_value(&walk, &value);)
		for (size_t i = 0; i < sizeof(strong) / sizeof(strong[0]); i++) {
			bool has_prefix = strncasecmp(value.text, "cap_", 4) == 0;

			if (strcasecmp(value.text + (has_prefix ? 4 : 0), strong[i]) == 0)
				advise(l, value.origin, NULL, value.text);
		}
}

static void check_new_privileges(const struct lint *l)
{
	if (!has_value(l, "--security-opt", "no-new-privileges"))
		advise_missing(l, "Container.NoNewPrivileges");
}

static void check_seccomp(const struct lint *l)
{
	advise_value(l, "--security-opt", "seccomp=unconfined");
}

static void check_unmask(const struct lint *l)
{
	advise_value(l, "--security-opt", "unmask=all");
}

/* "DB_PASSWORD", but not "DB_PASSWORD_FILE", which names a place. */
static bool is_secret_name(const char *name, size_t len)
{
	static const char *const words[] = { "PASSWORD",   "PASSWD",	 "PASSPHRASE", "SECRET",
					     "TOKEN",	   "APIKEY",	 "API_KEY",    "ACCESS_KEY",
					     "CREDENTIAL", "PRIVATE_KEY" };
	static const char *const places[] = { "_FILE", "_PATH", "_DIR", "_URL", "_NAME" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		size_t end = strlen(places[i]);

		if (len > end && strncasecmp(name + len - end, places[i], end) == 0)
			return false;
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (size_t at = 0; at + strlen(words[i]) <= len; at++)
			if (strncasecmp(name + at, words[i], strlen(words[i])) == 0)
				return true;
	return false;
}

static void check_variable(const struct lint *l, const struct arg *word)
{
	size_t len = strcspn(word->text, "=");
	const char *value = word->text[len] ? word->text + len + 1 : "";
	char name[128];

	/* A path, a variable or a switch is no secret. */
	if (!value[0] || strchr(value, '$') || value[0] == '/' || value[0] == '%' ||
	    strcasecmp(value, "true") == 0 || strcasecmp(value, "false") == 0 ||
	    len >= sizeof(name) || !is_secret_name(word->text, len))
		return;
	memcpy(name, word->text, len);
	name[len] = '\0';
	advise(l, word->origin, NULL, name);
}

static void check_secrets(const struct lint *l)
{
	static const char *const flags[] = { "--env", "-e" };
	const struct arg_list *variables = &l->unit->service.environment;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct walk walk = { .l = l, .flag = flags[i] };

		for (struct arg word; next_value(&walk, &word);)
			check_variable(l, &word);
	}
	for (size_t i = 0; i < variables->count; i++)
		if (str_eq(variables->items[i].origin->key, "Service.Environment"))
			check_variable(l, &variables->items[i]);
}

static void check_commands(const struct lint *l)
{
	const struct service *service = &l->unit->service;

	for (size_t i = 0; i < service->exec_count; i++)
		/* those of ReloadCmd= and ReloadSignal= reach the container only */
		if (!str_starts(service->execs[i].origin->key, "Container."))
			advise(l, service->execs[i].origin, NULL, service->execs[i].program);
}

static void check_memory(const struct lint *l)
{
	enum service_amount_form form = l->unit->service.resources.memory_max.form;
	struct arg value;

	if (form != SERVICE_AMOUNT_FIXED && form != SERVICE_AMOUNT_SHARE &&
	    !last_value(l, "--memory", &value) && !last_value(l, "-m", &value))
		advise_missing(l, "Container.Memory");
}

static void check_health(const struct lint *l)
{
	struct arg command;

	if (l->unit->service.type == SERVICE_ONESHOT)
		return;
	if (!last_value(l, "--health-cmd", &command) || strcasecmp(command.text, "none") == 0)
		advise_missing(l, "Container.HealthCmd");
}

static void check_restart(const struct lint *l)
{
	const struct service *service = &l->unit->service;

	if (service->type != SERVICE_ONESHOT && service->restart == SERVICE_RESTART_NO)
		advise_missing(l, "Service.Restart");
}

/* "8000:80", ":80", "0.0.0.0:8000:80", "[::]:8000:80" */
static bool is_for_all_addresses(const char *port)
{
	const char *first = strchr(port, ':');

	if (port[0] == '[')
		return str_starts(port, "[::]:");
	return !first || !strchr(first + 1, ':') || str_starts(port, "0.0.0.0:") || port[0] == ':';
}

static void check_ports(const struct lint *l)
{
	static const char *const flags[] = { "--publish", "-p" };

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]) && !has_host_network(l); i++) {
		struct walk walk = { .l = l, .flag = flags[i] };

		for (struct arg port; next_value(&walk, &port);)
			if (!strchr(port.text, '$') && is_for_all_addresses(port.text))
				advise(l, port.origin, NULL, NULL);
	}
}

/* A folder of the appliance that a container gets to see. */
struct share {
	char source[256]; /* "" when it is longer: no folder of the system has such a name */
	bool is_read_only;
};

static void take_source(struct share *share, const char *text, size_t len)
{
	while (len > 1 && text[len - 1] == '/')
		len--;
	if (len < sizeof(share->source)) {
		memcpy(share->source, text, len);
		share->source[len] = '\0';
	}
}

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
		if (strncmp(p, word, len) == 0 &&
		    (p[len] == ',' || !p[len] || str_eq(p + len, "=true")))
			return true;
	return false;
}

/* SOURCE:TARGET[:OPTIONS] */
static void read_volume(const char *text, struct share *share)
{
	size_t len = strcspn(text, ":");
	const char *options = text[len] ? strchr(text + len + 1, ':') : NULL;

	take_source(share, text, text[len] ? len : 0);
	share->is_read_only = options && has_word(options + 1, "ro");
}

/* type=bind,source=/x,target=/y,ro */
static void read_mount(const char *text, struct share *share)
{
	static const char *const names[] = { "source=", "src=" };

	for (const char *p = text; *p; p += strcspn(p, ","), p += *p == ',')
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (str_starts(p, names[i])) {
				p += strlen(names[i]);
				take_source(share, p, strcspn(p, ","));
			}
	share->is_read_only = has_word(text, "ro") || has_word(text, "readonly");
}

static bool next_share(struct walk *walk, struct share *share, struct arg *word)
{
	*share = (struct share){ 0 };
	if (!next_value(walk, word))
		return false;
	if (str_eq(walk->flag, "--mount"))
		read_mount(word->text, share);
	else
		read_volume(word->text, share);
	return true;
}

static bool is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(path, folder, len) == 0 && path[len] == '/';
}

/* Reading a file of /etc harms nobody; seeing all of it, or writing to it, may. */
static bool is_of_the_system(const struct share *share)
{
	static const char *const whole[] = { "/",     "/bin",  "/boot",	  "/config", "/data",
					     "/dev",  "/etc",  "/home",	  "/lib",    "/opt",
					     "/proc", "/root", "/run",	  "/sbin",   "/sys",
					     "/usr",  "/var",  "/var/run" };
	static const char *const below[] = { "/boot", "/config", "/etc", "/proc", "/sys", "/usr" };

	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		if (str_eq(share->source, whole[i]))
			return true;
	for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++)
		if (!share->is_read_only && is_below(share->source, below[i]))
			return true;
	return false;
}

static bool is_engine_socket(const char *source)
{
	static const char *const sockets[] = { "docker.sock",	  "podman.sock", "cleat.sock",
					       "containerd.sock", "crio.sock",	 "init.sock" };
	static const char *const folders[] = { "/run/podman", "/run/cleat", "/run/docker",
					       "/var/run/podman", "%t/podman" };
	const char *slash = strrchr(source, '/');

	for (size_t i = 0; slash && i < sizeof(sockets) / sizeof(sockets[0]); i++)
		if (str_eq(slash + 1, sockets[i]))
			return true;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (str_eq(source, folders[i]))
			return true;
	return false;
}

static void check_shares(const struct lint *l, bool (*is_bad)(const struct share *share))
{
	static const char *const flags[] = { "-v", "--volume", "--mount" };

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct walk walk = { .l = l, .flag = flags[i] };
		struct share share;

		for (struct arg word; next_share(&walk, &share, &word);)
			if (is_bad(&share))
				advise(l, word.origin, NULL, share.source);
	}
}

static bool shares_system(const struct share *share)
{
	return is_of_the_system(share) && !is_engine_socket(share->source);
}

static bool shares_engine(const struct share *share)
{
	return is_engine_socket(share->source);
}

static void check_folders(const struct lint *l)
{
	check_shares(l, shares_system);
}

static void check_sockets(const struct lint *l)
{
	check_shares(l, shares_engine);
}

static void check_tls(const struct lint *l)
{
	struct walk walk = { .l = l, .flag = "--tls-verify", .is_flag = true };

	for (struct arg value; next_value(&walk, &value);)
		if (str_eq(value.text, "false"))
			advise(l, value.origin, NULL, NULL);
}

static void check_credentials(const struct lint *l)
{
	struct arg value;

	if (last_value(l, "--creds", &value) && !strpbrk(value.text, "$%"))
		advise(l, value.origin, NULL, NULL);
}

/* clang-format off */
static const struct rule rules[] = {
	{ "root-user", DIAG_NOTE, CONTAINER, check_user,
	  "runs as the image's user, which is root in most images",
	  "a hole in the program is a hole with the rights of root inside",
	  "write User=NUMBER, or UserNS=keep-id" },
	{ "image-latest", DIAG_WARNING, CONTAINER | 1u << UNIT_IMAGE, check_latest,
	  "the image is whatever is newest when it is fetched",
	  "two devices, or one before and after a repair, run different programs",
	  "write a version as the tag, or NAME@sha256:DIGEST" },
	{ "image-tag", DIAG_NOTE, CONTAINER | 1u << UNIT_IMAGE, check_tag,
	  "a tag can come to mean another image",
	  "whoever can write to the registry decides what runs here",
	  "write NAME@sha256:DIGEST where that matters" },
	{ "update-of-digest", DIAG_WARNING, CONTAINER, check_update,
	  "an image by digest never changes, so there is nothing to update",
	  "AutoUpdate= looks for a new image of the same name",
	  "write a tag, or take AutoUpdate= out" },
	{ "writable-root", DIAG_NOTE, CONTAINER, check_root,
	  "the root file system can be written",
	  "an intruder can change the program until the next start",
	  "write ReadOnly=true, and Tmpfs= or Volume= where the program writes" },
	{ "privileged", DIAG_WARNING, CONTAINER, check_privileged,
	  "a privileged container has every right there is",
	  "nothing is left between the program and the appliance",
	  "name what it needs with AddCapability= and AddDevice=" },
	{ "host-network", DIAG_NOTE, CONTAINER | POD, check_host_network,
	  "it shares the appliance's network",
	  "it reaches what listens on 127.0.0.1, and every port that it opens is open to all",
	  "write Network=none where none is needed, or listen on 127.0.0.1" },
	{ "host-namespace", DIAG_WARNING, CONTAINER | POD, check_host_spaces,
	  "it shares processes, memory or names with the appliance",
	  "it sees, and may signal, what runs outside",
	  "leave the option out" },
	{ "capabilities", DIAG_NOTE, CONTAINER, check_capabilities,
	  "it keeps the usual capabilities",
	  "few programs need any of them",
	  "write DropCapability=all, and AddCapability= for what is needed" },
	{ "strong-capability", DIAG_WARNING, CONTAINER, check_strong_capability,
	  "this capability is close to being root",
	  "it reaches kernel interfaces that know no container",
	  "find a narrower one, or let another program do it" },
	{ "new-privileges", DIAG_NOTE, CONTAINER, check_new_privileges,
	  "programs inside may gain rights by set-user-id files",
	  "an image holds such files that nobody knows of",
	  "write NoNewPrivileges=true" },
	{ "seccomp-unconfined", DIAG_WARNING, CONTAINER, check_seccomp,
	  "no system call is filtered",
	  "most holes of the kernel are behind calls that no program needs",
	  "leave SeccompProfile= out, or write a profile of its own" },
	{ "unmask-all", DIAG_WARNING, CONTAINER, check_unmask,
	  "kernel files that are hidden from containers are shown",
	  "they tell about the appliance, and some can be written",
	  "name the one path that is needed" },
	{ "secret-in-environment", DIAG_WARNING, CONTAINER | POD, check_secrets,
	  "a secret stands in the unit file",
	  "it is in backups, in inspect, and in the environment of every process inside",
	  "write Secret=NAME,type=env,target=VARIABLE, or an EnvironmentFile= that only root reads" },
	{ "host-command", DIAG_WARNING, ~0u, check_commands,
	  "runs as the appliance's root, outside any container",
	  "whoever can change the program or its arguments owns the appliance",
	  "do it in the image, or in a oneshot container that this one comes After=" },
	{ "no-memory-limit", DIAG_NOTE, CONTAINER, check_memory,
	  "it may take all memory",
	  "one leak ends its neighbours",
	  "write Memory=256m or what it needs" },
	{ "no-health-check", DIAG_NOTE, CONTAINER, check_health,
	  "nobody notices when it hangs",
	  "a process that runs is not a program that answers",
	  "write HealthCmd=; http://127.0.0.1:PORT/PATH and tcp://127.0.0.1:PORT need no shell in the image" },
	{ "no-restart", DIAG_NOTE, CONTAINER, check_restart,
	  "it stays down when it ends",
	  "a power cut or one bug stops it for good",
	  "write Restart=on-failure or always in [Service]" },
	{ "open-port", DIAG_NOTE, CONTAINER | POD, check_ports,
	  "the port is open on every address",
	  "databases and consoles end up on the Internet that way",
	  "write ADDRESS:HOST:CONTAINER, 127.0.0.1:8000:8000 for this machine only" },
	{ "host-folder", DIAG_WARNING, CONTAINER | POD, check_folders,
	  "a folder of the appliance itself is inside",
	  "writing there changes the appliance, and reading it tells its secrets",
	  "share a folder of its own below %h, with :ro where it only reads" },
	{ "engine-socket", DIAG_WARNING, CONTAINER | POD, check_sockets,
	  "who holds the engine's socket is root outside",
	  "one request starts a container that may do anything",
	  "poll the status port, or put a filter in front of the socket" },
	{ "no-tls", DIAG_WARNING, CONTAINER | PULLED, check_tls,
	  "the registry's certificate is not checked",
	  "anybody on the way can hand over another image",
	  "put the registry's authority into the certificate folder (CertDir=)" },
	{ "credentials", DIAG_WARNING, CONTAINER | PULLED, check_credentials,
	  "a password stands in the unit file",
	  "it is in backups and in the list of processes",
	  "write AuthFile=" },
};
/* clang-format on */

#define RULE_COUNT (sizeof(rules) / sizeof(rules[0]))
_Static_assert(RULE_COUNT <= 64, "lint.ignored has a bit for each rule");

static void complain(const struct lint *l, unsigned line, const char *name, size_t len)
{
	const struct diag place = {
		.severity = DIAG_WARNING, .file = l->unit->path, .line = line, .column = 1
	};

	diag_add_advice(l->diags, &place, "lint-ignore",
			"there is no rule '%.*s': \"cleat check --lint-rules\" lists them",
			(int)(len < 64 ? len : 64), name);
}

static void ignore(struct lint *l, unsigned line, const char *name, size_t len)
{
	for (size_t i = 0; i < RULE_COUNT; i++)
		if (strlen(rules[i].name) == len && strncmp(rules[i].name, name, len) == 0) {
			l->ignored |= (uint64_t)1 << i;
			return;
		}
	complain(l, line, name, len);
}

/* "# cleat:lint-ignore=RULE,RULE because .." */
static void read_comment(struct lint *l, unsigned line, const char *text)
{
	text += strspn(text, " \t");
	if (*text != '#' && *text != ';')
		return;
	text += 1 + strspn(text + 1, " \t");
	if (!str_starts(text, IGNORE_WORD))
		return;
	text += strlen(IGNORE_WORD);
	for (size_t len; (len = strcspn(text, ", \t\r\n")) > 0; text += len + (text[len] == ','))
		ignore(l, line, text, len);
}

static void read_comments(struct lint *l)
{
	auto_buf text = BUF_INIT(UNIT_MAX_FILE_BYTES);
	struct err err;
	unsigned line = 0;

	if (file_read_at(AT_FDCWD, l->unit->path, UNIT_MAX_FILE_BYTES, &text, &err) < 0)
		return;
	for (const char *p = buf_str(&text); *p; p += strcspn(p, "\n"), p += *p == '\n')
		read_comment(l, ++line, p);
}

void lint_unit(const struct unit *unit, struct diags *diags)
{
	struct lint l = { .unit = unit, .diags = diags };

	read_comments(&l);
	for (size_t i = 0; i < RULE_COUNT; i++) {
		l.rule = &rules[i];
		if ((rules[i].kinds & 1u << unit->kind) && !(l.ignored & (uint64_t)1 << i))
			rules[i].check(&l);
	}
}

void lint_write_rules(struct buf *out)
{
	buf_puts(
		out,
		"<!-- written by \"cleat check --lint-rules\": change the table, not this file -->\n"
		"# Rules of advice\n\n"
		"`cleat check --lint` gives advice on units that are right and could be safer. A comment in the unit file switches rules "
		"off:\n`# " IGNORE_WORD "RULE,RULE reason`.\n\n"
		"| rule | severity | finds | because | write instead |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < RULE_COUNT; i++)
		buf_printf(out, "| `%s` | %s | %s | %s | %s |\n", rules[i].name,
			   diag_severity_name(rules[i].severity), rules[i].what, rules[i].why,
			   rules[i].instead);
}
