/* SPDX-License-Identifier: Apache-2.0 */
/* config.json -> struct plan: every section, every refusal. */
#include "runtime/kernel.h"

#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/resource.h>

#include "runtime_test.h"

#include "util/buf.h"

#define IDS                                                                                                               \
	"\"uidMappings\":[{\"containerID\":0,\"hostID\":65000,\"size\":1},{\"containerID\":1,\"hostID\":1,\"size\":10}]," \
	"\"gidMappings\":[{\"containerID\":0,\"hostID\":65000,\"size\":1}]"
#define NAMESPACES \
	"\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"user\"},{\"type\":\"uts\"}]"

/* A small complete document with the pieces that a test wants to add. */
static const char *document(const char *process, const char *top, const char *linux_part)
{
	static char text[65536];

	snprintf(text, sizeof(text),
		 "{\"ociVersion\":\"1.1.0\",\"process\":{\"args\":[\"/bin/true\"],\"cwd\":\"/\"%s},"
		 "\"root\":{\"path\":\"rootfs\"}%s,\"linux\":{" IDS "," NAMESPACES "%s}}",
		 process, top, linux_part);
	return text;
}

static void assert_plan(struct plan *plan, const char *text)
{
	struct err err = { 0 };

	if (read_plan_text(plan, text, &err) < 0)
		fail_msg("refused: %s", err.msg);
}

static void assert_refused(const char *text, enum err_code code, const char *reason)
{
	struct plan plan;
	struct err err = { 0 };

	if (read_plan_text(&plan, text, &err) == 0)
		fail_msg("accepted, expected: %s", reason);
	plan_fini(&plan);
	if (!strstr(err.msg, reason))
		fail_msg("\"%s\" is not in \"%s\"", reason, err.msg);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.msg, "config.json"));
}

static void smallest_document_is_read(void **state)
{
	struct plan plan;

	(void)state;
	assert_plan(&plan, document("", "", ""));
	assert_int_equal(plan.args.count, 1);
	assert_string_equal(plan.args.items[0], "/bin/true");
	assert_null(plan.args.items[1]);
	assert_string_equal(plan.cwd, "/");
	assert_string_equal(plan.root_path, "rootfs");
	assert_int_equal(plan.uid_map_count, 2);
	assert_int_equal(plan.umask, -1);
	assert_int_equal(plan.caps[CAPS_BOUNDING], 0);
	assert_null(plan.filter);
	assert_int_equal(plan.namespaces,
			 CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWUTS);
	plan_fini(&plan);
	assert_null(plan.pool.base);
	plan_fini(&plan);
}

static void process_is_read(void **state)
{
	struct plan plan;

	(void)state;
	assert_plan(
		&plan,
		document(",\"terminal\":false,\"consoleSize\":{},"
			 "\"user\":{\"uid\":7,\"gid\":8,\"umask\":18,\"additionalGids\":[9,10]},"
			 "\"env\":[\"A=1\",\"B=\"],\"noNewPrivileges\":true,\"oomScoreAdj\":-5,"
			 "\"apparmorProfile\":\"\",\"selinuxLabel\":\"\","
			 "\"capabilities\":{\"bounding\":[\"CAP_CHOWN\",\"CAP_BPF\"],"
			 "\"permitted\":[\"CAP_CHOWN\"],\"effective\":[],"
			 "\"inheritable\":[\"CAP_KILL\"],\"ambient\":[\"CAP_KILL\"]},"
			 "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":10,\"hard\":20},"
			 "{\"type\":\"RLIMIT_CORE\",\"soft\":-1,\"hard\":18446744073709551615}]",
			 "", ""));
	assert_int_equal(plan.uid, 7);
	assert_int_equal(plan.gid, 8);
	assert_int_equal(plan.umask, 022);
	assert_int_equal(plan.group_count, 2);
	assert_int_equal(plan.groups[1], 10);
	assert_int_equal(plan.env.count, 2);
	assert_true(plan.no_new_privs);
	assert_true(plan.has_oom_score);
	assert_int_equal(plan.oom_score_adj, -5);
	assert_true(plan.caps[CAPS_BOUNDING] ==
		    (UINT64_C(1) << CAP_CHOWN | UINT64_C(1) << CAP_BPF));
	assert_true(plan.caps[CAPS_AMBIENT] == UINT64_C(1) << CAP_KILL);
	assert_int_equal(plan.rlimit_count, 2);
	assert_int_equal(plan.rlimits[0].resource, RLIMIT_NOFILE);
	assert_int_equal(plan.rlimits[0].hard, 20);
	assert_true(plan.rlimits[1].soft == UINT64_MAX);
	plan_fini(&plan);
}

static void process_refusals(void **state)
{
	static const struct {
		const char *process;
		enum err_code code;
		const char *reason;
	} cases[] = {
		{ ",\"terminal\":true", ERR_UNSUPPORTED, "terminal" },
		{ ",\"user\":{\"uid\":-1}", ERR_INPUT, "uid: not a number" },
		{ ",\"user\":{\"uid\":4294967295}", ERR_INPUT, "uid: not a number" },
		{ ",\"user\":{\"gid\":\"x\"}", ERR_INPUT, "gid: not a number" },
		{ ",\"user\":{\"umask\":512}", ERR_INPUT, "umask: 512" },
		{ ",\"user\":{\"name\":\"x\"}", ERR_UNSUPPORTED, "\"name\" is not supported" },
		{ ",\"user\":{\"additionalGids\":[\"x\"]}", ERR_INPUT, "additionalGids" },
		{ ",\"env\":[\"A\"]", ERR_INPUT, "has no \"=\"" },
		{ ",\"env\":[1]", ERR_INPUT, "entry 1: not a string" },
		{ ",\"env\":[\"A=\\u0000\"]", ERR_INPUT, "NUL" },
		{ ",\"capabilities\":{\"bounding\":[\"CAP_FLY\"]}", ERR_INPUT, "CAP_FLY" },
		{ ",\"capabilities\":{\"other\":[]}", ERR_UNSUPPORTED, "\"other\"" },
		{ ",\"rlimits\":[{\"type\":\"RLIMIT_X\",\"soft\":1,\"hard\":1}]", ERR_INPUT,
		  "RLIMIT_X" },
		{ ",\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":2,\"hard\":1}]", ERR_INPUT,
		  "soft is above hard" },
		{ ",\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":2}]", ERR_INPUT, "hard" },
		{ ",\"oomScoreAdj\":1001", ERR_INPUT, "oomScoreAdj" },
		{ ",\"apparmorProfile\":\"x\"", ERR_UNSUPPORTED, "apparmorProfile" },
		{ ",\"selinuxLabel\":\"x\"", ERR_UNSUPPORTED, "selinuxLabel" },
		{ ",\"scheduler\":{}", ERR_UNSUPPORTED, "scheduler" },
		{ ",\"noNewPrivileges\":1", ERR_INPUT, "not true or false" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_refused(document(cases[i].process, "", ""), cases[i].code, cases[i].reason);
}

static void mounts_are_read(void **state)
{
	struct plan plan;
	const struct plan_mount *m;

	(void)state;
	assert_plan(
		&plan,
		document(
			"",
			",\"mounts\":["
			"{\"destination\":\"/data//x/../y/\",\"type\":\"bind\",\"source\":\"/src\","
			"\"options\":[\"rbind\",\"ro\",\"nosuid\",\"rslave\",\"x-cleat-make\"]},"
			"{\"destination\":\"/tmp\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
			"\"options\":[\"ro\",\"rw\",\"size=1m\",\"mode=700\",\"noexec\",\"tmpcopyup\"]},"
			"{\"destination\":\"/proc\",\"type\":\"proc\"},"
			"{\"destination\":\"/n\",\"type\":\"none\",\"source\":\"/n\","
			"\"options\":[\"bind\",\"noatime\",\"strictatime\"]},"
			"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"options\":[\"ro\",\"x-cleat-share\"]}]",
			""));
	assert_int_equal(plan.mount_count, 5);
	assert_true(plan.mounts[4].share);
	assert_false(plan.mounts[2].share);
	m = &plan.mounts[0];
	assert_int_equal(m->kind, PLAN_MOUNT_BIND);
	assert_string_equal(m->target, "/data/y");
	assert_true(m->recursive);
	assert_true(m->make);
	assert_int_equal(m->propagation, MS_SLAVE);
	assert_int_equal(m->attributes, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID);
	assert_int_equal(m->tree, -1);
	m = &plan.mounts[1];
	assert_int_equal(m->kind, PLAN_MOUNT_TMPFS);
	assert_string_equal(m->data, "size=1m,mode=700");
	assert_int_equal(m->attributes, MOUNT_ATTR_NOEXEC);
	assert_true(m->copy_up);
	assert_int_equal(m->propagation, MS_PRIVATE);
	assert_int_equal(plan.mounts[2].kind, PLAN_MOUNT_PROC);
	assert_int_equal(plan.mounts[3].attributes, MOUNT_ATTR_STRICTATIME);
	assert_false(plan.mounts[3].recursive);
	plan_fini(&plan);
}

static void mount_refusals(void **state)
{
	static const struct {
		const char *mount;
		enum err_code code;
		const char *reason;
	} cases[] = {
		{ "{\"destination\":\"/x\",\"type\":\"nfs\"}", ERR_UNSUPPORTED, "\"nfs\"" },
		{ "{\"destination\":\"x\",\"type\":\"proc\"}", ERR_INPUT, "not an absolute path" },
		{ "{\"destination\":\"/a/..\",\"type\":\"proc\"}", ERR_INPUT, "hide" },
		{ "{\"type\":\"proc\"}", ERR_INPUT, "destination" },
		{ "{\"destination\":\"/x\",\"type\":\"bind\"}", ERR_INPUT, "source" },
		{ "{\"destination\":\"/x\",\"type\":\"bind\",\"source\":\"rel\"}", ERR_INPUT,
		  "not an absolute path" },
		{ "{\"destination\":\"/x\",\"source\":\"/y\",\"options\":[\"fly\"]}",
		  ERR_UNSUPPORTED, "\"fly\"" },
		{ "{\"destination\":\"/x\",\"source\":\"/y\",\"options\":[\"size=1\"]}",
		  ERR_UNSUPPORTED, "size=1" },
		{ "{\"destination\":\"/x\",\"source\":\"/y\",\"options\":[\"rshared\"]}",
		  ERR_UNSUPPORTED, "do not propagate" },
		{ "{\"destination\":\"/x\",\"type\":\"tmpfs\",\"options\":[\"x-cleat-make\"]}",
		  ERR_UNSUPPORTED, "x-cleat-make" },
		{ "{\"destination\":\"/x\",\"type\":\"tmpfs\",\"options\":[\"size=1,uid=0\"]}",
		  ERR_INPUT, "comma" },
		{ "{\"destination\":\"/x\",\"type\":\"tmpfs\",\"options\":[\"x-cleat-share\"]}",
		  ERR_UNSUPPORTED, "x-cleat-share" },
		{ "{\"destination\":\"/x\",\"source\":\"/y\",\"options\":[\"x-cleat-share\"]}",
		  ERR_UNSUPPORTED, "x-cleat-share" },
		{ "{\"destination\":\"/x\",\"type\":\"proc\",\"options\":[\"tmpcopyup\"]}",
		  ERR_UNSUPPORTED, "tmpcopyup" },
		{ "{\"destination\":\"/x\",\"type\":\"proc\",\"uidMappings\":[]}", ERR_UNSUPPORTED,
		  "uidMappings" },
		{ "{\"destination\":\"/x\",\"type\":\"cgroup\"}", ERR_INPUT, "cgroup namespace" },
		{ "7", ERR_INPUT, "not an object" },
	};
	char top[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(top, sizeof(top), ",\"mounts\":[%s]", cases[i].mount);
		assert_refused(document("", top, ""), cases[i].code, cases[i].reason);
	}
}

static void limits_are_in_words_of_cgroup2(void **state)
{
	struct plan plan;

	(void)state;
	assert_plan(&plan, document("", "",
				    ",\"resources\":{\"devices\":[{\"allow\":false}],"
				    "\"memory\":{\"limit\":1000,\"swap\":1500,\"reservation\":10},"
				    "\"cpu\":{\"quota\":50000,\"period\":100000,\"shares\":1024},"
				    "\"pids\":{\"limit\":7}}"));
	assert_int_equal(plan.limits.memory_bytes, 1000);
	assert_true(plan.limits.has_swap);
	assert_int_equal(plan.limits.swap_bytes, 500);
	assert_int_equal(plan.limits.memory_low_bytes, 10);
	assert_int_equal(plan.limits.cpu_quota_usec, 50000);
	assert_int_equal(plan.limits.cpu_weight, 39);
	assert_int_equal(plan.limits.pids, 7);
	plan_fini(&plan);

	assert_plan(&plan,
		    document("", "",
			     ",\"resources\":{\"memory\":{\"limit\":-1,\"swap\":-1},"
			     "\"cpu\":{\"quota\":-1,\"shares\":0},\"pids\":{\"limit\":-1}}"));
	assert_true(plan.limits.memory_bytes == UINT64_MAX);
	assert_true(plan.limits.swap_bytes == UINT64_MAX);
	assert_int_equal(plan.limits.cpu_quota_usec, 0);
	assert_int_equal(plan.limits.cpu_weight, 0);
	assert_true(plan.limits.pids == UINT64_MAX);
	plan_fini(&plan);
}

static void further_files_of_the_cgroup(void **state)
{
	struct plan plan;

	(void)state;
	assert_plan(&plan, document("", "",
				    ",\"resources\":{\"unified\":{\"memory.high\":\"1000\","
				    "\"io.max\":\"8:0 rbps=1\"}}"));
	assert_int_equal(plan.limits.setting_count, 2);
	assert_string_equal(plan.limits.settings[0].file, "memory.high");
	assert_string_equal(plan.limits.settings[0].value, "1000");
	assert_string_equal(plan.limits.settings[1].file, "io.max");
	plan_fini(&plan);
	assert_refused(document("", "", ",\"resources\":{\"unified\":{\"cgroup.kill\":\"1\"}}"),
		       ERR_UNSUPPORTED, "no limit of a controller");
	assert_refused(document("", "", ",\"resources\":{\"unified\":{\"../x.max\":\"1\"}}"),
		       ERR_UNSUPPORTED, "no limit of a controller");
	assert_refused(document("", "", ",\"resources\":{\"unified\":{\"x.max\":1}}"), ERR_INPUT,
		       "x.max");
	assert_refused(document("", "", ",\"resources\":{\"unified\":[]}"), ERR_INPUT, "unified");
}

static void linux_is_read(void **state)
{
	struct plan plan;
	uint32_t outside;

	(void)state;
	assert_plan(
		&plan,
		document(
			"",
			",\"hostname\":\"web\",\"domainname\":\"example\",\"hooks\":{\"poststop\":[]},"
			"\"annotations\":{\"other\":\"x\",\"org.cleat.layers\":\"/a:/b\","
			"\"org.cleat.root\":\"tmpfs:4096\",\"org.cleat.user\":\"moe\","
			"\"org.cleat.groups\":\"x,y\"}",
			",\"cgroupsPath\":\"x\",\"maskedPaths\":[\"/proc/kcore\"],"
			"\"readonlyPaths\":[\"/proc/sys\",\"/proc//bus\"],"
			"\"rootfsPropagation\":\"rslave\",\"mountLabel\":\"\","
			"\"sysctl\":{\"net.ipv4.ip_forward\":\"1\"},"
			"\"devices\":[{\"path\":\"/dev/fuse\",\"type\":\"c\",\"major\":10,\"minor\":229}],"
			"\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\","
			"\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\",\"SECCOMP_FILTER_FLAG_TSYNC\"]}"));
	assert_string_equal(plan.hostname, "web");
	assert_string_equal(plan.domainname, "example");
	assert_int_equal(plan.layers.count, 2);
	assert_string_equal(plan.layers.items[1], "/b");
	assert_int_equal(plan.root_upper_bytes, 4096);
	assert_string_equal(plan.user_text, "moe");
	assert_string_equal(plan.groups_text, "x,y");
	assert_string_equal(plan.read_only_paths.items[1], "/proc/bus");
	assert_string_equal(plan.sysctls[0].value, "1");
	assert_int_equal(plan.devices[0].minor, 229);
	assert_int_equal(plan.seccomp_flags, SECCOMP_FILTER_FLAG_LOG);
	assert_non_null(plan.seccomp);
	assert_true(plan_id_outside(plan.uid_map, plan.uid_map_count, 0, &outside));
	assert_int_equal(outside, 65000);
	assert_true(plan_id_outside(plan.uid_map, plan.uid_map_count, 10, &outside));
	assert_int_equal(outside, 10);
	assert_false(plan_id_outside(plan.uid_map, plan.uid_map_count, 11, &outside));
	plan_fini(&plan);
}

static void linux_refusals(void **state)
{
	static const struct {
		const char *part;
		enum err_code code;
		const char *reason;
	} cases[] = {
		{ ",\"maskedPaths\":[\"x\"]", ERR_INPUT, "not an absolute path" },
		{ ",\"sysctl\":{\"../x\":\"1\"}", ERR_INPUT, "is not a name" },
		{ ",\"sysctl\":{\"a b\":\"1\"}", ERR_INPUT, "is not a name" },
		{ ",\"sysctl\":{\"net.a\":1}", ERR_INPUT, "not a string" },
		{ ",\"sysctl\":[]", ERR_INPUT, "not an object" },
		{ ",\"devices\":[{\"path\":\"/x\",\"type\":\"c\",\"major\":1,\"minor\":1}]",
		  ERR_UNSUPPORTED, "not below /dev" },
		{ ",\"devices\":[{\"path\":\"/dev/x\",\"type\":\"b\",\"major\":1,\"minor\":1}]",
		  ERR_UNSUPPORTED, "character devices" },
		{ ",\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\"}]", ERR_INPUT, "major" },
		{ ",\"rootfsPropagation\":\"shared\"", ERR_UNSUPPORTED, "do not propagate" },
		{ ",\"mountLabel\":\"x\"", ERR_UNSUPPORTED, "labels" },
		{ ",\"intelRdt\":{}", ERR_UNSUPPORTED, "intelRdt" },
		{ ",\"resources\":{\"blockIO\":{}}", ERR_UNSUPPORTED, "blockIO" },
		{ ",\"resources\":{\"memory\":{\"swap\":5}}", ERR_INPUT, "swap counts memory" },
		{ ",\"resources\":{\"memory\":{\"limit\":9,\"swap\":5}}", ERR_INPUT, "swap" },
		{ ",\"resources\":{\"memory\":{\"limit\":\"5\"}}", ERR_INPUT, "not a number" },
		{ ",\"resources\":{\"memory\":{\"kernel\":5}}", ERR_UNSUPPORTED, "kernel" },
		{ ",\"resources\":{\"cpu\":{\"period\":2000000}}", ERR_INPUT, "one second" },
		{ ",\"seccomp\":7", ERR_INPUT, "not an object" },
		{ ",\"seccomp\":{\"flags\":[\"X\"]}", ERR_UNSUPPORTED, "flag \"X\"" },
		{ ",\"namespaces\":[{\"type\":\"time\"}]", ERR_UNSUPPORTED, "\"time\"" },
		{ ",\"namespaces\":[{\"type\":\"pid\",\"path\":\"/proc/1/ns/pid\"}]",
		  ERR_UNSUPPORTED, "cannot be joined" },
		{ ",\"uidMappings\":[{\"containerID\":0,\"hostID\":0,\"size\":0}]", ERR_INPUT,
		  "range 1" },
		{ ",\"uidMappings\":[{\"containerID\":4294967290,\"hostID\":0,\"size\":9}]",
		  ERR_INPUT, "too large" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_refused(document("", "", cases[i].part), cases[i].code, cases[i].reason);
}

static void whole_document_refusals(void **state)
{
	static const struct {
		const char *text;
		enum err_code code;
		const char *reason;
	} cases[] = {
		{ "", ERR_INPUT, "byte 0" },
		{ "{\"a\":", ERR_INPUT, "byte" },
		{ "[]", ERR_INPUT, "not an object" },
		{ "{\"ociVersion\":\"2.0\"}", ERR_UNSUPPORTED, "version 2.0" },
		{ "{\"vm\":{}}", ERR_UNSUPPORTED, "\"vm\"" },
		{ "{\"ociVersion\":\"1.0.0\"}", ERR_INPUT, "no program" },
		{ "{\"process\":{\"args\":[\"\"]}}", ERR_INPUT, "no program" },
		{ "{\"process\":{\"args\":[\"x\"]}}", ERR_INPUT, "cwd" },
		{ "{\"process\":{\"args\":[\"x\"],\"cwd\":\"/\"}}", ERR_UNSUPPORTED,
		  "mount, pid and user are required" },
		{ "{\"process\":{\"args\":[\"x\"],\"cwd\":\"/\"},\"linux\":{" NAMESPACES "}}",
		  ERR_INPUT, "uidMappings" },
		{ "{\"process\":{\"args\":[\"x\"],\"cwd\":\"/\"},\"linux\":{" IDS "," NAMESPACES
		  "}}",
		  ERR_INPUT, "root:" },
		{ "{\"process\":{\"args\":[\"x\"],\"cwd\":\"/\"},\"hostname\":\"h\",\"root\":{\"path\":\"r\"},"
		  "\"linux\":{" IDS
		  ",\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"user\"}]}}",
		  ERR_INPUT, "uts namespace" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_refused(cases[i].text, cases[i].code, cases[i].reason);
	assert_refused(document("", ",\"hooks\":{\"prestart\":[{}]}", ""), ERR_UNSUPPORTED,
		       "hooks");
	assert_refused(document("", ",\"annotations\":{\"org.cleat.layers\":\"/a:b\"}", ""),
		       ERR_INPUT, "layer \"b\"");
	assert_refused(document("", ",\"annotations\":{\"org.cleat.layers\":\"/a\"}", ""),
		       ERR_INPUT, "tmpfs:BYTES");
	assert_refused(document("", ",\"annotations\":{\"org.cleat.root\":\"tmpfs:0\"}", ""),
		       ERR_INPUT, "neither");
	assert_refused(document("", ",\"annotations\":{\"org.cleat.seccomp\":\"xyz\"}", ""),
		       ERR_INPUT, "sha256");
	assert_refused(document("", ",\"annotations\":{\"org.cleat.passwd\":\"a\\nb\"}", ""),
		       ERR_INPUT, "org.cleat.passwd: no line");
	assert_refused(document("", ",\"annotations\":[]", ""), ERR_INPUT, "not an object");
}

static void bounds_are_kept(void **state)
{
	struct buf text = BUF_INIT(8u << 20);
	struct plan plan;
	struct err err;

	(void)state;
	buf_puts(&text, ",\"mounts\":[");
	for (int i = 0; i <= PLAN_MAX_MOUNTS; i++)
		buf_printf(&text, "%s{}", i ? "," : "");
	buf_puts(&text, "]");
	assert_refused(document("", buf_str(&text), ""), ERR_LIMIT, "at most 256");
	buf_clear(&text);
	buf_puts(&text, ",\"env\":[\"A=1\"");
	for (int i = 0; i < PLAN_MAX_WORDS; i++)
		buf_puts(&text, ",\"A=1\"");
	buf_puts(&text, "]");
	assert_refused(document(buf_str(&text), "", ""), ERR_LIMIT, "at most 4096");
	buf_clear(&text);
	while (text.len <= PLAN_CONFIG_MAX_BYTES)
		buf_puts(&text, "                                                                ");
	write_text("config.json", buf_str(&text));
	assert_int_equal(plan_read(&plan, in_scratch("config.json"), &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	plan_fini(&plan);
	buf_fini(&text);
}

static void other_things_than_files_are_refused(void **state)
{
	struct plan plan;
	struct err err;

	(void)state;
	assert_int_equal(plan_read(&plan, in_scratch("missing"), &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	plan_fini(&plan);
	assert_int_equal(mkfifo(in_scratch("fifo"), 0600), 0);
	assert_int_equal(plan_read(&plan, in_scratch("fifo"), &err), -1);
	assert_int_equal(err.code, ERR_INPUT);
	plan_fini(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(smallest_document_is_read, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(process_is_read, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(process_refusals, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(mounts_are_read, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(mount_refusals, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(further_files_of_the_cgroup, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(limits_are_in_words_of_cgroup2, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(linux_is_read, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(linux_refusals, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(whole_document_refusals, scratch_setup,
						scratch_teardown),
		cmocka_unit_test_setup_teardown(bounds_are_kept, scratch_setup, scratch_teardown),
		cmocka_unit_test_setup_teardown(other_things_than_files_are_refused, scratch_setup,
						scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
