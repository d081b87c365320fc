/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may have been meant by a key that nobody knows: a slip of the pen, a key of another section or kind, a word of docker or
 * of a compose file. Must never name a key that is not in the table.
 */
#include <assert.h>
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>

#include "unit/kinds_internal.h"
#include "util/str.h"

#define MAX_NAME 64   /* longer ones resemble nothing */
#define MAX_SIMPLE 40 /* of a row's */
#define MAX_ROWS 2048
#define FAR 3

/* Words that people write, in small letters and without "_" and "-". */
static const struct wish {
	const char *section, *name, *hint;
} wishes[] = {
	{ "Build", "args", "write BuildArg=" },
	{ "Build", "containerfile", "write File=" },
	{ "Build", "context", "write SetWorkingDirectory=" },
	{ "Build", "dockerfile", "write File=" },
	{ "Build", "image", "write ImageTag=" },
	{ "Build", "tag", "write ImageTag=" },
	{ "Build", "tags", "write ImageTag=" },
	{ "Container", "addcap", "write AddCapability=" },
	{ "Container", "address", "write IP=" },
	{ "Container", "allowprivilegeescalation", "write NoNewPrivileges=" },
	{ "Container", "args", "write Exec=" },
	{ "Container", "arguments", "write Exec=" },
	{ "Container", "attach", "leave it out: the engine sees to it" },
	{ "Container", "autostart", "write WantedBy=default.target in [Install]" },
	{ "Container", "autoupdates", "write AutoUpdate=" },
	{ "Container", "bind", "write Volume=" },
	{ "Container", "bindmount", "write Volume=" },
	{ "Container", "bindmounts", "write Volume=" },
	{ "Container", "bindport", "write PublishPort=" },
	{ "Container", "binds", "write Volume=" },
	{ "Container", "boot", "write WantedBy=default.target in [Install]" },
	{ "Container", "build", "write Image=NAME.build, with a .build unit" },
	{ "Container", "capabilities", "write AddCapability= or DropCapability=" },
	{ "Container", "capadd", "write AddCapability=" },
	{ "Container", "capdrop", "write DropCapability=" },
	{ "Container", "cgroup", "write CgroupsMode=" },
	{ "Container", "cgroupns", "write CgroupsMode=" },
	{ "Container", "cgroupparent",
	  "leave it out: each container has a control group of its own" },
	{ "Container", "cgroups", "write CgroupsMode=" },
	{ "Container", "chdir", "write WorkingDir=" },
	{ "Container", "cidfile", "leave it out: the engine sees to it" },
	{ "Container", "cmd", "write Exec=" },
	{ "Container", "command", "write Exec=" },
	{ "Container", "config", "write Volume=FILE:/PATH:ro" },
	{ "Container", "configs", "write Volume=FILE:/PATH:ro" },
	{ "Container", "containerport", "write PublishPort=" },
	{ "Container", "containeruser", "write User=" },
	{ "Container", "cpu", "write PodmanArgs=--cpus=.." },
	{ "Container", "cpulimit", "write PodmanArgs=--cpus=.." },
	{ "Container", "cpus", "write PodmanArgs=--cpus=.." },
	{ "Container", "cpuset", "write AllowedCPUs= in [Service]" },
	{ "Container", "cpusetcpus", "write AllowedCPUs= in [Service]" },
	{ "Container", "cpushares",
	  "write PodmanArgs=--cpu-shares=.., or CPUWeight= in [Service]" },
	{ "Container", "cwd", "write WorkingDir=" },
	{ "Container", "data", "write Volume=" },
	{ "Container", "dependson", "write Requires= and After= in [Unit]" },
	{ "Container", "deploy", "write Memory=, PodmanArgs=--cpus=.. and Restart= in [Service]" },
	{ "Container", "detach", "leave it out: containers run in the background" },
	{ "Container", "device", "write AddDevice=" },
	{ "Container", "devices", "write AddDevice=" },
	{ "Container", "dir", "write WorkingDir=" },
	{ "Container", "directory", "write WorkingDir=" },
	{ "Container", "dnsservers", "write DNS=" },
	{ "Container", "domain", "write HostName=NAME.DOMAIN" },
	{ "Container", "domainname", "write HostName=NAME.DOMAIN" },
	{ "Container", "dropcap", "write DropCapability=" },
	{ "Container", "enable", "write WantedBy=default.target in [Install]" },
	{ "Container", "enabled", "write WantedBy=default.target in [Install]" },
	{ "Container", "entry", "write Entrypoint=" },
	{ "Container", "env", "write Environment=" },
	{ "Container", "envfile", "write EnvironmentFile=" },
	{ "Container", "envfiles", "write EnvironmentFile=" },
	{ "Container", "envhost",
	  "write Environment= or EnvironmentFile=: no variables of the host are handed on" },
	{ "Container", "environmentfiles", "write EnvironmentFile=" },
	{ "Container", "environments", "write Environment=" },
	{ "Container", "environmentvar", "write Environment=" },
	{ "Container", "environmentvariable", "write Environment=" },
	{ "Container", "environmentvariables", "write Environment=" },
	{ "Container", "environmentvars", "write Environment=" },
	{ "Container", "envs", "write Environment=" },
	{ "Container", "envvar", "write Environment=" },
	{ "Container", "envvars", "write Environment=" },
	{ "Container", "execstart", "write Exec=" },
	{ "Container", "expose",
	  "write PublishPort=, or leave it out: containers of a network reach every port of each other" },
	{ "Container", "exposedport",
	  "write PublishPort=, or leave it out: containers of a network reach every port of each other" },
	{ "Container", "exposedports",
	  "write PublishPort=, or leave it out: containers of a network reach every port of each other" },
	{ "Container", "exposeport",
	  "write PublishPort=, or leave it out: containers of a network reach every port of each other" },
	{ "Container", "exposeports",
	  "write PublishPort=, or leave it out: containers of a network reach every port of each other" },
	{ "Container", "exposes",
	  "write PublishPort=, or leave it out: containers of a network reach every port of each other" },
	{ "Container", "extrahosts", "write AddHost=" },
	{ "Container", "files", "write EnvironmentFile=" },
	{ "Container", "gid", "write Group=, beside User=" },
	{ "Container", "gpu", "write AddDevice=" },
	{ "Container", "gpus", "write AddDevice=" },
	{ "Container", "health", "write HealthCmd=" },
	{ "Container", "healthcheck", "write HealthCmd=" },
	{ "Container", "healthcheckcmd", "write HealthCmd=" },
	{ "Container", "healthcheckcommand", "write HealthCmd=" },
	{ "Container", "healthcheckinterval", "write HealthInterval=" },
	{ "Container", "healthcheckretries", "write HealthRetries=" },
	{ "Container", "healthcheckstartperiod", "write HealthStartPeriod=" },
	{ "Container", "healthchecktest", "write HealthCmd=" },
	{ "Container", "healthchecktimeout",
	  "write HealthTimeout=, or TimeoutStartSec= in [Service]" },
	{ "Container", "healthcommand", "write HealthCmd=" },
	{ "Container", "healthstart", "write HealthStartPeriod=" },
	{ "Container", "healthtest", "write HealthCmd=" },
	{ "Container", "host", "write HostName=, or Network=host" },
	{ "Container", "hostport", "write PublishPort=" },
	{ "Container", "hostports", "write PublishPort=" },
	{ "Container", "hosts", "write AddHost=" },
	{ "Container", "imagepullpolicy", "write Pull=" },
	{ "Container", "init", "write RunInit=" },
	{ "Container", "interactive", "write PodmanArgs=--interactive" },
	{ "Container", "interval", "write HealthInterval=" },
	{ "Container", "ipaddress", "write IP=" },
	{ "Container", "ipc", "write PodmanArgs=--ipc=.." },
	{ "Container", "ipv4", "write IP=" },
	{ "Container", "ipv4address", "write IP=" },
	{ "Container", "ipv6", "write IP6=" },
	{ "Container", "ipv6address", "write IP6=" },
	{ "Container", "isolation", "leave it out: the engine sees to it" },
	{ "Container", "killsignal", "write StopSignal=" },
	{ "Container", "limits", "write Memory=, and PodmanArgs=--cpus=.." },
	{ "Container", "links",
	  "write Network=NAME.network: its containers know each other by name" },
	{ "Container", "listen", "write PublishPort=" },
	{ "Container", "livenessprobe", "write HealthCmd=" },
	{ "Container", "log", "write LogDriver= and LogOpt=" },
	{ "Container", "logconfig", "write LogDriver= and LogOpt=" },
	{ "Container", "logging", "write LogDriver= and LogOpt=" },
	{ "Container", "loggingdriver", "write LogDriver= and LogOpt=" },
	{ "Container", "logs", "write LogDriver= and LogOpt=" },
	{ "Container", "mac", "write PodmanArgs=--mac-address=.." },
	{ "Container", "macaddress", "write PodmanArgs=--mac-address=.." },
	{ "Container", "mem", "write Memory=" },
	{ "Container", "memlimit", "write Memory=" },
	{ "Container", "memorylimit", "write Memory=" },
	{ "Container", "memoryreservation", "write PodmanArgs=--memory-reservation=.." },
	{ "Container", "memoryswap",
	  "write PodmanArgs=--memory-swap=.., or MemorySwapMax= in [Service]" },
	{ "Container", "memreservation", "write PodmanArgs=--memory-reservation=.." },
	{ "Container", "memswaplimit", "write PodmanArgs=--memory-swap=.." },
	{ "Container", "mountpoint", "write Volume=" },
	{ "Container", "mountpoints", "write Volume=" },
	{ "Container", "name", "write ContainerName=" },
	{ "Container", "nameserver", "write DNS=" },
	{ "Container", "nameservers", "write DNS=" },
	{ "Container", "net", "write Network=" },
	{ "Container", "networkmode", "write Network=" },
	{ "Container", "networks", "write Network=" },
	{ "Container", "nohealthcheck", "write HealthCmd=none" },
	{ "Container", "nonewprivs", "write NoNewPrivileges=" },
	{ "Container", "onboot", "write WantedBy=default.target in [Install]" },
	{ "Container", "oomkilldisable", "leave it out: the engine sees to it" },
	{ "Container", "oomscoreadj", "write PodmanArgs=--oom-score-adj=.." },
	{ "Container", "pgid", "write Group=, beside User=" },
	{ "Container", "pid", "write PodmanArgs=--pid=.." },
	{ "Container", "pidlimit", "write PidsLimit=" },
	{ "Container", "pids", "write PidsLimit=" },
	{ "Container", "platform", "write Image=NAME.image, and Arch= and OS= in that unit" },
	{ "Container", "port", "write PublishPort=" },
	{ "Container", "portmapping", "write PublishPort=" },
	{ "Container", "portmappings", "write PublishPort=" },
	{ "Container", "ports", "write PublishPort=" },
	{ "Container", "privileged", "name what it needs with AddCapability= and AddDevice=" },
	{ "Container", "profiles", "leave it out: [Install] says which units start by themselves" },
	{ "Container", "publish", "write PublishPort=" },
	{ "Container", "publishedport", "write PublishPort=" },
	{ "Container", "publishedports", "write PublishPort=" },
	{ "Container", "puid", "write User=" },
	{ "Container", "pullpolicy", "write Pull=" },
	{ "Container", "readinessprobe", "write HealthCmd=" },
	{ "Container", "readonlyrootfilesystem", "write ReadOnly=" },
	{ "Container", "readonlyrootfs", "write ReadOnly=" },
	{ "Container", "replace", "leave it out: containers are made anew at each start" },
	{ "Container", "replicas", "write a unit for each, or a template NAME@.container" },
	{ "Container", "reservations", "write Memory=, and PodmanArgs=--cpus=.." },
	{ "Container", "resources", "write Memory=, and PodmanArgs=--cpus=.." },
	{ "Container", "restartpolicy", "write Restart= in [Service]" },
	{ "Container", "retries", "write HealthRetries=" },
	{ "Container", "rm", "leave it out: containers are made anew at each start" },
	{ "Container", "rootro", "write ReadOnly=" },
	{ "Container", "run", "write Exec=" },
	{ "Container", "runas", "write User=" },
	{ "Container", "runasgroup", "write Group=, beside User=" },
	{ "Container", "runasuser", "write User=" },
	{ "Container", "runtime", "leave it out: the engine sees to it" },
	{ "Container", "scale", "write a unit for each, or a template NAME@.container" },
	{ "Container", "script", "write Exec=" },
	{ "Container", "securityopt", "write NoNewPrivileges=, SeccompProfile=, Mask= or Unmask=" },
	{ "Container", "shm", "write ShmSize=" },
	{ "Container", "start", "write Exec=" },
	{ "Container", "startonboot", "write WantedBy=default.target in [Install]" },
	{ "Container", "startperiod", "write HealthStartPeriod=" },
	{ "Container", "stdinopen", "write PodmanArgs=--interactive" },
	{ "Container", "stopgraceperiod", "write StopTimeout=" },
	{ "Container", "storage", "write Volume=" },
	{ "Container", "systemd", "write PodmanArgs=--systemd=.." },
	{ "Container", "temp", "write Tmpfs=" },
	{ "Container", "test", "write HealthCmd=" },
	{ "Container", "timeout", "write HealthTimeout=, or TimeoutStartSec= in [Service]" },
	{ "Container", "tmp", "write Tmpfs=" },
	{ "Container", "tmpdir", "write Tmpfs=" },
	{ "Container", "tty", "write PodmanArgs=--tty" },
	{ "Container", "tz", "write Timezone=" },
	{ "Container", "uid", "write User=" },
	{ "Container", "umask", "write PodmanArgs=--umask=.." },
	{ "Container", "updates", "write AutoUpdate=" },
	{ "Container", "usernamespace", "write UserNS=" },
	{ "Container", "usernsmode", "write UserNS=" },
	{ "Container", "var", "write Environment=" },
	{ "Container", "variable", "write Environment=" },
	{ "Container", "variables", "write Environment=" },
	{ "Container", "vars", "write Environment=" },
	{ "Container", "volumemount", "write Volume=" },
	{ "Container", "volumemounts", "write Volume=" },
	{ "Container", "volumesfrom", "write the same Volume= lines in both units" },
	{ "Container", "watchtower", "write AutoUpdate=" },
	{ "Container", "workdir", "write WorkingDir=" },
	{ "Container", "workingdirectory", "write WorkingDir=" },
	{ "Install", "autostart", "write WantedBy=default.target" },
	{ "Install", "boot", "write WantedBy=default.target" },
	{ "Install", "enable", "write WantedBy=default.target" },
	{ "Install", "enabled", "write WantedBy=default.target" },
	{ "Install", "start", "write WantedBy=default.target" },
	{ "Install", "startonboot", "write WantedBy=default.target" },
	{ "Kube", "file", "write Yaml=" },
	{ "Kube", "manifest", "write Yaml=" },
	{ "Network", "enableipv6", "write IPv6=" },
	{ "Network", "name", "write NetworkName=" },
	{ "Pod", "command", "write it in the unit of each container" },
	{ "Pod", "container", "write Pod=NAME.pod in the unit of each container" },
	{ "Pod", "containers", "write Pod=NAME.pod in the unit of each container" },
	{ "Pod", "env", "write it in the unit of each container" },
	{ "Pod", "environment", "write it in the unit of each container" },
	{ "Pod", "exec", "write it in the unit of each container" },
	{ "Pod", "image", "write it in the unit of each container" },
	{ "Pod", "name", "write PodName=" },
	{ "Pod", "net", "write Network=" },
	{ "Pod", "networks", "write Network=" },
	{ "Pod", "port", "write PublishPort=" },
	{ "Pod", "portmapping", "write PublishPort=" },
	{ "Pod", "ports", "write PublishPort=" },
	{ "Pod", "publish", "write PublishPort=" },
	{ "Pod", "publishedports", "write PublishPort=" },
	{ "Pod", "restart", "write Restart= in [Service]" },
	{ "Pod", "restartpolicy", "write Restart= in [Service]" },
	{ "Pod", "services", "write Pod=NAME.pod in the unit of each container" },
	{ "Pod", "user", "write it in the unit of each container" },
	{ "Service", "autorestart", "write Restart=always" },
	{ "Service", "cpu", "write CPUQuota=, 100% for each CPU" },
	{ "Service", "cpulimit", "write CPUQuota=, 100% for each CPU" },
	{ "Service", "cpus", "write CPUQuota=, 100% for each CPU" },
	{ "Service", "memlimit", "write MemoryMax=" },
	{ "Service", "memory", "write MemoryMax=" },
	{ "Service", "memorylimitmax", "write MemoryMax=" },
	{ "Service", "restartdelay", "write RestartSec=" },
	{ "Service", "restartinterval", "write RestartSec=" },
	{ "Service", "restartpolicy", "write Restart=" },
	{ "Service", "timeout", "write TimeoutStartSec= or TimeoutStopSec=" },
	{ "Unit", "depends", "write Requires= and After=" },
	{ "Unit", "dependson", "write Requires= and After=" },
	{ "Unit", "name", "leave it out: the file's name is the unit's" },
	{ "Unit", "summary", "write Description=" },
	{ "Unit", "title", "write Description=" },
	{ "Volume", "name", "write VolumeName=" },
};

/* "Mem_Limit" as "memlimit", without signs that are no key's; "" when it is too long to resemble anything. */
static void simplify(const char *name, char out[MAX_NAME])
{
	size_t len = 0;

	for (; *name; name++) {
		if (*name == '_' || *name == '-' || *name & 0x80)
			continue;
		if (len == MAX_NAME - 1) {
			len = 0;
			break;
		}
		out[len++] = (char)tolower((unsigned char)*name);
	}
	out[len] = '\0';
}

static uint32_t letters_of(const char *simple)
{
	uint32_t letters = 0;

	for (; *simple; simple++)
		letters |= 1u << (*simple & 31);
	return letters;
}

/* The names of all rows as simplify() has them, in the order of key_at(): hostile files hold thousands of unknown keys. */
static struct simple_name {
	char text[MAX_SIMPLE];
	uint32_t length, letters;
} simple_names[MAX_ROWS];

static void fill_simple_names(void)
{
	for (size_t i = 0; i < key_count(); i++) {
		char simple[MAX_NAME];

		assert(i < MAX_ROWS);
		simplify(key_at(i)->name, simple);
		assert(strlen(simple) < MAX_SIMPLE);
		memcpy(simple_names[i].text, simple, strlen(simple) + 1);
		simple_names[i].length = (uint32_t)strlen(simple);
		simple_names[i].letters = letters_of(simple);
	}
}

/* Of the section's first row; the rows of sections follow each other in the order of key_section_at(). */
static const struct simple_name *simple_names_of(const char *section)
{
	size_t first = 0, count;

	static pthread_once_t once = PTHREAD_ONCE_INIT;

	/* Most units have no unknown key, so that nobody fills it before several threads read. */
	pthread_once(&once, fill_simple_names);
	for (size_t i = 0; key_section_at(i) && !str_eq(key_section_at(i), section); i++) {
		key_section(key_section_at(i), &count);
		first += count;
	}
	return &simple_names[first];
}

static bool is_for_all_kinds(const char *section)
{
	return str_eq(section, "Unit") || str_eq(section, "Service") ||
	       str_eq(section, "Install") || str_eq(section, "Quadlet");
}

/* What is looked for, and where it stood. */
struct riddle {
	const char *own;     /* [Container] in a .container unit; NULL: not known */
	const char *section; /* where the key stands; "" anywhere */
	const char *name;
	char simple[MAX_NAME];
	uint32_t length, letters; /* of simple */
};

/* May this section stand in the same file? */
static bool is_beside(const struct riddle *r, const char *section)
{
	return is_for_all_kinds(section) || (r->own && str_eq(section, r->own));
}

static const struct key *find_same(const struct riddle *r, const char *section)
{
	size_t count;
	const struct key *rows = key_section(section, &count);
	const struct simple_name *names = simple_names_of(section);

	for (size_t i = 0; i < count; i++)
		if (names[i].letters == r->letters && str_eq(names[i].text, r->simple))
			return &rows[i];
	return NULL;
}

/* Lengths and letters alone tell most names apart: one change of a name takes one letter away and brings one at most. */
static unsigned measure(const struct riddle *r, const struct simple_name *name, unsigned most)
{
	uint32_t a = name->length, b = r->length;

	if ((a > b ? a - b : b - a) > most ||
	    (unsigned)__builtin_popcount(name->letters ^ r->letters) > 2 * most)
		return FAR;
	return str_distance(name->text, r->simple, most);
}

/* Short names are near to everything. */
static unsigned most_of(const struct riddle *r)
{
	return r->length <= 4 ? 1 : FAR - 1;
}

static const struct key *find_near(const struct riddle *r, const char *section, unsigned *distance)
{
	size_t count;
	const struct key *rows = key_section(section, &count), *best = NULL;
	const struct simple_name *names = simple_names_of(section);
	unsigned most = most_of(r);

	for (size_t i = 0; i < count; i++) {
		unsigned d = measure(r, &names[i], most);

		if (d > most || d >= *distance)
			continue;
		best = &rows[i];
		*distance = d;
	}
	return best;
}

static bool suggest_wish(const struct riddle *r, struct buf *out)
{
	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++)
		if (str_eq(wishes[i].section, r->section) && str_eq(wishes[i].name, r->simple)) {
			buf_printf(out, ": %s", wishes[i].hint);
			return true;
		}
	return false;
}

static bool suggest_slip(const struct riddle *r, struct buf *out)
{
	const struct key *key = find_same(r, r->section);

	if (key)
		buf_printf(out, ": did you mean %s=?", key->name);
	return key != NULL;
}

static bool suggest_near(const struct riddle *r, struct buf *out)
{
	unsigned distance = FAR;
	const struct key *key = find_near(r, r->section, &distance);

	if (key)
		buf_printf(out, ": did you mean %s=?", key->name);
	return key != NULL;
}

static bool suggest_beside(const struct riddle *r, struct buf *out)
{
	for (size_t i = 0; key_section_at(i); i++) {
		const char *section = key_section_at(i);
		const struct key *key = is_beside(r, section) && !str_eq(section, r->section) ?
						find_same(r, section) :
						NULL;

		if (!key)
			continue;
		if (str_eq(key->name, r->name))
			buf_printf(out, ": it belongs in [%s]", section);
		else
			buf_printf(out, ": did you mean %s= in [%s]?", key->name, section);
		return true;
	}
	return false;
}

static const char *suffix_of(const char *section)
{
	for (size_t i = 0; kind_at(i); i++)
		if (str_eq(kind_at(i)->section, section))
			return kind_at(i)->suffix;
	return "";
}

/* Sections of other kinds: all of them, because nothing tells which kind was meant. */
static bool suggest_elsewhere(const struct riddle *r, struct buf *out)
{
	size_t found = 0;

	for (size_t i = 0; key_section_at(i); i++) {
		const char *section = key_section_at(i);

		if (is_beside(r, section) || str_eq(section, r->section) ||
		    !key_find(section, r->name))
			continue;
		buf_puts(out, found++ ? ", or" : ": it belongs in");
		buf_printf(out, " [%s] of a %s unit", section, suffix_of(section));
	}
	return found > 0;
}

static bool suggest_near_beside(const struct riddle *r, bool is_anywhere, struct buf *out)
{
	const struct key *best = NULL;
	unsigned distance = FAR;

	for (size_t i = 0; key_section_at(i); i++) {
		const char *section = key_section_at(i);
		const struct key *key = is_anywhere || is_beside(r, section) ?
						find_near(r, section, &distance) :
						NULL;

		best = key ? key : best;
	}
	if (best)
		buf_printf(out, ": did you mean %s= in [%s]?", best->name, best->section);
	return best != NULL;
}

void key_suggest_in(const char *own, const char *section, const char *name, struct buf *out)
{
	struct riddle r = { .own = own, .section = section, .name = name };

	simplify(name, r.simple);
	if (!r.simple[0])
		return;
	r.length = (uint32_t)strlen(r.simple);
	r.letters = letters_of(r.simple);
	if (!section[0]) {
		suggest_near_beside(&r, true, out);
		return;
	}
	if (!suggest_slip(&r, out) && !suggest_wish(&r, out) && !suggest_beside(&r, out) &&
	    !suggest_near(&r, out) && !suggest_elsewhere(&r, out))
		suggest_near_beside(&r, false, out);
}

void key_suggest(const char *section, const char *name, struct buf *out)
{
	key_suggest_in(is_for_all_kinds(section) ? NULL : section, section, name, out);
}

/* Sections that people make of what a compose file nests, or know from systemd. */
static const struct {
	const char *name, *hint; /* as of wishes */
} section_wishes[] = {
	{ "deploy",
	  "write Restart= in [Service], Memory= and PodmanArgs=--cpus=.. in [Container]" },
	{ "env", "write Environment= in [Container]" },
	{ "environment", "write Environment= in [Container]" },
	{ "health", "write HealthCmd= and its like in [Container]" },
	{ "healthcheck", "write HealthCmd= and its like in [Container]" },
	{ "labels", "write Label= in [Container]" },
	{ "logging", "write LogDriver= and LogOpt= in [Container]" },
	{ "mount", "there are no mount units: write Volume= in [Container]" },
	{ "networks", "write Network= in [Container]" },
	{ "path", "there are no path units" },
	{ "ports", "write PublishPort= in [Container]" },
	{ "secrets", "write Secret= in [Container]" },
	{ "socket", "there is no socket activation" },
	{ "timer", "there are no timers" },
	{ "volumes", "write Volume= in [Container]" },
};

void key_suggest_section(const char *section, struct buf *out)
{
	char simple[MAX_NAME];

	simplify(section, simple);
	for (size_t i = 0; i < sizeof(section_wishes) / sizeof(section_wishes[0]); i++)
		if (str_eq(section_wishes[i].name, simple)) {
			buf_printf(out, ": %s", section_wishes[i].hint);
			return;
		}
	for (size_t i = 0; simple[0] && key_section_at(i); i++) {
		char other[MAX_NAME];
		unsigned distance;

		simplify(key_section_at(i), other);
		distance = str_distance(simple, other, FAR - 1);
		/* Short names are near to each other by chance: "foo" is no "pod". */
		if (distance < FAR && 3 * distance <= strlen(simple)) {
			buf_printf(out, ": did you mean [%s]?", key_section_at(i));
			return;
		}
	}
}
