/* SPDX-License-Identifier: Apache-2.0 */
/* Resource control, rlimits, conditions, folders. */
#include "unit_fixture.h"

#include <sys/resource.h>

#include "unit/service_internal.h"

static const struct service *load_lines(struct unit_set *set, const char *lines)
{
	char text[4096];

	snprintf(text, sizeof(text), FINE "[Service]\n%s", lines);
	return &load_text(set, text)->service;
}

static bool has_said(const struct unit_set *set, enum diag_severity severity, const char *text)
{
	for (size_t i = 0; i < set->diags.count; i++)
		if (set->diags.items[i].severity == severity &&
		    strstr(set->diags.items[i].text, text))
			return true;
	return false;
}

static void amounts_of_memory(void **state)
{
	static const struct {
		const char *text;
		enum service_amount_form form;
		uint64_t value;
	} rows[] = { { "256M", SERVICE_AMOUNT_FIXED, 268435456 },
		     { "1.5G", SERVICE_AMOUNT_FIXED, 1610612736 },
		     { "1", SERVICE_AMOUNT_FIXED, 1 },
		     { "20%", SERVICE_AMOUNT_SHARE, 2000 },
		     { "100%", SERVICE_AMOUNT_SHARE, 10000 },
		     { "infinity", SERVICE_AMOUNT_INFINITY, 0 },
		     { "5G\nMemoryMax=", SERVICE_AMOUNT_UNSET, 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct unit_set set;
		char line[64];

		snprintf(line, sizeof(line), "MemoryMax=%s\n", rows[i].text);

		const struct service *s = load_lines(&set, line);

		assert_int_equal(s->resources.memory_max.form, rows[i].form);
		assert_int_equal(s->resources.memory_max.value, rows[i].value);
		unit_set_fini(&set);
	}
}

static void every_amount_has_its_place(void **state)
{
	struct unit_set set;
	const struct service_resources *r =
		&load_lines(
			 &set,
			 "MemoryMin=1K\nMemoryLow=2K\nMemoryHigh=3K\nMemoryLimit=4K\nMemorySwapMax=0\n"
			 "MemoryZSwapMax=6K\nTasksMax=50%\nCPUQuota=150%\nCPUQuotaPeriodSec=1us\nCPUWeight=idle\n"
			 "StartupCPUWeight=10000\nIOWeight=1\nStartupIOWeight=2\nAllowedCPUs=4 0-1\nAllowedCPUs=2\n"
			 "StartupAllowedCPUs=1\nAllowedMemoryNodes=0\nStartupAllowedMemoryNodes=0,1\nSlice=a-b.slice\n")
			 ->resources;

	(void)state;
	assert_int_equal(r->memory_min.value, 1024);
	assert_int_equal(r->memory_low.value, 2048);
	assert_int_equal(r->memory_high.value, 3072);
	assert_int_equal(r->memory_max.value, 4096);
	assert_true(r->memory_swap_max.form == SERVICE_AMOUNT_FIXED &&
		    r->memory_swap_max.value == 0);
	assert_int_equal(r->memory_zswap_max.value, 6144);
	assert_true(r->tasks_max.form == SERVICE_AMOUNT_SHARE && r->tasks_max.value == 5000);
	assert_int_equal(r->cpu_quota_permyriad, 15000);
	assert_int_equal(r->cpu_quota_period_usec, USEC_MSEC);
	assert_int_equal(r->cpu_weight, SERVICE_WEIGHT_IDLE);
	assert_int_equal(r->startup_cpu_weight, 10000);
	assert_int_equal(r->io_weight, 1);
	assert_int_equal(r->startup_io_weight, 2);
	assert_string_equal(r->allowed_cpus, "0-2,4");
	assert_string_equal(r->startup_allowed_cpus, "1");
	assert_string_equal(r->allowed_memory_nodes, "0");
	assert_string_equal(r->startup_allowed_memory_nodes, "0-1");
	assert_string_equal(r->slice, "a-b.slice");
	assert_false(has_said(&set, DIAG_WARNING, ""));
	unit_set_fini(&set);
}

/* Each would be ignored by systemd, and the limit with it. */
static void misspelt_limits_refuse_the_unit(void **state)
{
	static const char *const lines[] = {
		"MemoryMax=256m",
		"MemoryMax=0",
		"MemoryMax=0%",
		"MemoryMax=101%",
		"MemoryMax=-1",
		"MemoryMax=16E",
		"MemoryMax=1G # x",
		"MemoryHigh=all",
		"MemorySwapMax=no",
		"MemoryLimit=x",
		"TasksMax=0",
		"TasksMax=-5",
		"TasksMax=ten",
		"TasksMax=18446744073709551615",
		"CPUQuota=50",
		"CPUQuota=0%",
		"CPUQuota=half",
		"AllowedCPUs=a",
		"AllowedCPUs=3-1",
		"AllowedMemoryNodes=9999",
		"CPUAffinity=x",
		"IOReadBandwidthMax=/dev/sda",
		"IOReadBandwidthMax=sda 1M",
		"IOWriteIOPSMax=/dev/sda 0",
		"DevicePolicy=open",
		"NoNewPrivileges=ja",
		"PrivateNetwork=maybe",
		"MemoryDenyWriteExecute=2",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct unit_set set;

		load_lines(&set, lines[i]);
		if (!has_said(&set, DIAG_ERROR,
			      "systemd would ignore the line, and what it guards against"))
			fail_msg("%s: not refused", lines[i]);
		assert_false(set.units[0].is_valid);
		unit_set_fini(&set);
	}
}

static void misspelt_wishes_are_warned_of(void **state)
{
	static const char *const lines[] = {
		"MemoryLow=x",
		"CPUWeight=0",
		"CPUWeight=10001",
		"CPUWeight=much",
		"IOWeight=idle",
		"CPUQuotaPeriodSec=x",
		"Slice=web",
		"Slice=-a.slice",
		"Slice=a-.slice",
		"Slice=a--b.slice",
		"Slice=a@b.slice",
		"Slice=.slice",
		"Nice=20",
		"Nice=-21",
		"Nice=low",
		"OOMScoreAdjust=1001",
		"UMask=9",
		"LimitNOFILE=many",
		"LimitNOFILE=2:1",
		"LimitNOFILE=:",
		"LimitNICE=+20",
		"LimitNICE=41",
		"LimitSTACK=-1",
		"LimitCPU=soon",
		"IODeviceWeight=/dev/sda 0",
		"KillMode=mixed # x",
		"RestartMode=Direct",
		"OOMPolicy=die",
		"KillSignal=sigterm",
		"StandardOutput=file:a",
		"StandardOutput=append:",
		"StandardOutput=/x",
		"StandardInput=append:/x",
		"StandardError=fd:",
		"WorkingDirectory=a/b",
		"NUMAMask=x",
		"CPUSchedulingPriority=100",
		"LogRateLimitBurst=-1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct unit_set set;

		load_lines(&set, lines[i]);
		if (!has_said(&set, DIAG_WARNING, "ignored, as systemd does"))
			fail_msg("%s: not warned of", lines[i]);
		unit_set_fini(&set);
	}
}

static void root_and_nested_slices(void **state)
{
	static const char *const names[] = { "-.slice", "web.slice", "a-b-c.slice" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct unit_set set;
		char line[64];

		snprintf(line, sizeof(line), "Slice=%s\n", names[i]);
		assert_string_equal(load_lines(&set, line)->resources.slice, names[i]);
		assert_quiet(&set);
		unit_set_fini(&set);
	}
}

static void rlimits_in_their_units(void **state)
{
	static const struct {
		const char *line;
		int resource;
		uint64_t soft, hard;
	} rows[] = {
		{ "LimitNOFILE=65536", RLIMIT_NOFILE, 65536, 65536 },
		{ "LimitNOFILE=1024:infinity", RLIMIT_NOFILE, 1024, SERVICE_RLIMIT_INFINITY },
		{ "LimitSTACK=8M", RLIMIT_STACK, 8388608, 8388608 },
		{ "LimitCORE=0:1G", RLIMIT_CORE, 0, 1073741824 },
		{ "LimitCPU=90", RLIMIT_CPU, 90, 90 },
		{ "LimitCPU=1500ms", RLIMIT_CPU, 2, 2 },
		{ "LimitRTTIME=500", RLIMIT_RTTIME, 500, 500 },
		{ "LimitRTTIME=5ms", RLIMIT_RTTIME, 5000, 5000 },
		{ "LimitNICE=-5", RLIMIT_NICE, 25, 25 },
		{ "LimitNICE=+5", RLIMIT_NICE, 15, 15 },
		{ "LimitNICE=30", RLIMIT_NICE, 30, 30 },
		{ "LimitMEMLOCK=infinity", RLIMIT_MEMLOCK, SERVICE_RLIMIT_INFINITY,
		  SERVICE_RLIMIT_INFINITY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct unit_set set;
		const struct service *s = load_lines(&set, rows[i].line);

		assert_quiet(&set);
		assert_int_equal(s->rlimit_count, 1);
		assert_int_equal(s->rlimits[0].resource, rows[i].resource);
		if (s->rlimits[0].soft != rows[i].soft || s->rlimits[0].hard != rows[i].hard)
			fail_msg("%s: %ju:%ju", rows[i].line, (uintmax_t)s->rlimits[0].soft,
				 (uintmax_t)s->rlimits[0].hard);
		unit_set_fini(&set);
	}
}

static void each_rlimit_is_there_once(void **state)
{
	struct unit_set set;
	const struct service *s = load_lines(
		&set,
		"LimitNOFILE=1\nLimitCORE=2\nLimitNOFILE=3\nLimitCORE=\nLimitNPROC=4\nLimitRSS=\n");

	(void)state;
	assert_int_equal(s->rlimit_count, 2);
	assert_int_equal(s->rlimits[0].soft, 3);
	assert_int_equal(s->rlimits[1].resource, RLIMIT_NPROC);
	unit_set_fini(&set);
}

static void rules_for_disks(void **state)
{
	struct unit_set set;
	const struct service_resources *r =
		&load_lines(
			 &set,
			 "IOReadBandwidthMax=/dev/sda 10M\nIOReadBandwidthMax=/x\nIOWriteBandwidthMax=/dev/sda infinity\n"
			 "IOReadIOPSMax=/dev/sda 100\nIOWriteIOPSMax=/dev/sda 2K\nIOWriteIOPSMax=\n"
			 "IODeviceWeight=/dev/sda 200\nIODeviceLatencyTargetSec=/dev/sda 25ms\n")
			 ->resources;

	(void)state;
	assert_int_equal(r->io_count, 5);
	assert_int_equal(r->io[0].value, 10000000);
	assert_true(r->io[1].which == SERVICE_IO_WRITE_BYTES && r->io[1].value == UINT64_MAX);
	assert_int_equal(r->io[2].value, 100);
	assert_int_equal(r->io[3].value, 200);
	assert_int_equal(r->io[4].value, 25000);
	assert_string_equal(r->io[4].path, "/dev/sda");
	unit_set_fini(&set);
}

static const struct service *load_conditions(struct unit_set *set, const char *lines)
{
	char text[2048];

	snprintf(text, sizeof(text), FINE "[Unit]\n%s", lines);
	return &load_text(set, text)->service;
}

static void conditions_with_their_signs(void **state)
{
	struct unit_set set;
	const struct service *s = load_conditions(
		&set,
		"ConditionPathExists=/a\nConditionPathExists=!%h/b\nConditionHost=|!x\nAssertPathIsDirectory=| /c\n"
		"ConditionKernelVersion=>=6.1\n");

	(void)state;
	assert_int_equal(s->condition_count, 5);
	assert_string_equal(s->conditions[0].name, "PathExists");
	assert_false(s->conditions[0].is_negated || s->conditions[0].is_trigger ||
		     s->conditions[0].is_assert);
	assert_string_equal(s->conditions[1].text, "/data/home/b");
	assert_true(s->conditions[1].is_negated && !s->conditions[1].is_trigger);
	assert_true(s->conditions[2].is_negated && s->conditions[2].is_trigger);
	assert_string_equal(s->conditions[2].text, "x");
	assert_string_equal(s->conditions[3].name, "PathIsDirectory");
	assert_string_equal(s->conditions[3].text, "/c");
	assert_true(s->conditions[3].is_assert && s->conditions[3].is_trigger);
	assert_string_equal(s->conditions[4].text, ">=6.1");
	unit_set_fini(&set);
}

static void an_empty_line_clears_all_conditions_but_no_assertions(void **state)
{
	struct unit_set set;
	const struct service *s = load_conditions(
		&set, "ConditionPathExists=/a\nAssertHost=x\nConditionHost=\nConditionUser=root\n");

	(void)state;
	assert_int_equal(s->condition_count, 2);
	assert_string_equal(s->conditions[0].name, "Host");
	assert_string_equal(s->conditions[1].name, "User");
	unit_set_fini(&set);
	s = load_conditions(&set, "ConditionPathExists=/a\nAssertHost=x\nAssertPathExists=\n");
	assert_int_equal(s->condition_count, 1);
	unit_set_fini(&set);
}

static void conditions_that_systemd_ignores_refuse_the_unit(void **state)
{
	static const char *const lines[] = { "ConditionPathExists=a\n", "ConditionPathExists=!\n",
					     "ConditionHost=!\n", "AssertPathExists=|!b\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct unit_set set;

		assert_int_equal(load_conditions(&set, lines[i])->condition_count, 0);
		if (!has_said(&set, DIAG_ERROR, "systemd would ignore the line"))
			fail_msg("%s", lines[i]);
		unit_set_fini(&set);
	}
}

static void folders_of_the_five_kinds(void **state)
{
	struct unit_set set;
	const struct service *s = load_lines(
		&set,
		"RuntimeDirectory=web a/b:c %p\nRuntimeDirectoryMode=0700\nStateDirectory=x\nStateDirectory=\n"
		"StateDirectory=y:z:ro\nCacheDirectory=\"a b\"\nLogsDirectory=l\nConfigurationDirectory=e\n");
	const struct service_directories *run = &s->directories[SERVICE_PLACE_RUNTIME];

	(void)state;
	assert_false(has_said(&set, DIAG_WARNING, ""));
	assert_int_equal(run->count, 3);
	assert_int_equal(run->mode, 0700);
	assert_string_equal(run->items[1].path, "a/b");
	assert_string_equal(run->items[1].link, "c");
	assert_string_equal(run->items[2].path, "web");
	assert_int_equal(s->directories[SERVICE_PLACE_STATE].count, 1);
	assert_true(s->directories[SERVICE_PLACE_STATE].items[0].is_read_only);
	assert_string_equal(s->directories[SERVICE_PLACE_CACHE].items[0].path, "a b");
	unit_set_fini(&set);
}

static void folders_are_variables(void **state)
{
	struct unit_set set;

	(void)state;
	load_text(
		&set, FINE
		"Exec=${RUNTIME_DIRECTORY} ${STATE_DIRECTORY} ${CACHE_DIRECTORY}\n[Service]\n"
		"RuntimeDirectory=a b\nStateDirectory=s\nEnvironment=CACHE_DIRECTORY=own\nCacheDirectory=c\n");

	const struct arg_list *words = &set.units[0].spec_args;

	assert_string_equal(words->items[words->count - 3].text, "/run/a:/run/b");
	assert_string_equal(words->items[words->count - 2].text, "/var/lib/s");
	assert_string_equal(words->items[words->count - 1].text, "own");
	unit_set_fini(&set);
}

static void folders_do_not_leave_their_place(void **state)
{
	static const char *const paths[] = { "/x",     "../x",	   "a/../b",  "a//b",	   "a/",
					     ".",      "a/.",	   "private", "private/x", "a:../b",
					     "a:b:rw", "a:b:ro:c", ":" };

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct unit_set set;
		char line[64];

		snprintf(line, sizeof(line), "RuntimeDirectory=%s\n", paths[i]);
		assert_int_equal(load_lines(&set, line)->directories[SERVICE_PLACE_RUNTIME].count,
				 0);
		if (!has_said(&set, DIAG_WARNING, "no relative path"))
			fail_msg("%s", paths[i]);
		unit_set_fini(&set);
	}
	struct unit_set set;

	assert_int_equal(load_lines(&set, "ConfigurationDirectory=a:b\n")
				 ->directories[SERVICE_PLACE_CONFIGURATION]
				 .count,
			 0);
	unit_set_fini(&set);
}

static void places_of_input_and_output(void **state)
{
	struct unit_set set;
	const struct service *s = load_lines(
		&set,
		"StandardInput=file:/a\nStandardOutput=append:%h/x.log\nStandardError=fd:web\nWorkingDirectory=-%h/w\n");

	(void)state;
	assert_quiet(&set);
	assert_string_equal(s->standard_input, "file:/a");
	assert_string_equal(s->standard_output, "append:/data/home/x.log");
	assert_string_equal(s->standard_error, "fd:web");
	assert_string_equal(s->working_directory, "/data/home/w");
	assert_true(s->may_miss_working_directory);
	unit_set_fini(&set);
	s = load_lines(&set,
		       "WorkingDirectory=/a\nWorkingDirectory=~\nStandardOutput=syslog+console\n");
	assert_string_equal(s->working_directory, "~");
	assert_false(s->may_miss_working_directory);
	unit_set_fini(&set);
	s = load_lines(&set, "WorkingDirectory=/a\nWorkingDirectory=\n");
	assert_string_equal(s->working_directory, "");
	unit_set_fini(&set);
}

/* What the container gets of them, in podman's words. */
static void limits_become_words_of_the_container(void **state)
{
	static const struct {
		const char *line, *word;
	} rows[] = {
		{ "MemoryMax=64M", "memory.max=67108864" },
		{ "MemoryLimit=64M", "memory.max=67108864" },
		{ "MemoryHigh=12.5%", "memory.high=12%" },
		{ "MemoryHigh=0.5%", "memory.high=1%" },
		{ "MemorySwapMax=0", "memory.swap.max=0" },
		{ "MemoryMax=infinity", NULL },
		{ "MemoryLow=1M", NULL },
		{ "CPUQuota=150%", "cpu.max=150000 100000" },
		{ "CPUQuota=0.5%", "cpu.max=1000 200000" },
		{ "CPUQuota=20%\nCPUQuotaPeriodSec=10ms", "cpu.max=2000 10000" },
		{ "CPUWeight=idle", "cpu.idle=1" },
		{ "CPUWeight=200", "cpu.weight=200" },
		{ "TasksMax=20", "pids.max=20" },
		{ "TasksMax=infinity", NULL },
		{ "AllowedCPUs=4 0-1", "cpuset.cpus=0-1,4" },
		{ "IOReadBandwidthMax=/dev/sda 5M", "io.max=/dev/sda rbps=5000000" },
		{ "IOWriteIOPSMax=/data 100", "io.max=/data wiops=100" },
		{ "IOWriteIOPSMax=/data infinity", NULL },
		{ "IOWeight=7", "io.weight=7" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct unit *unit;
		const char *found = NULL;
		struct unit_set set;
		char text[256];

		snprintf(text, sizeof(text), FINE "[Service]\n%s\n", rows[i].line);
		unit = load_text(&set, text);
		for (size_t k = 0; k + 1 < unit->spec_args.count; k++)
			if (str_eq(unit->spec_args.items[k].text, "--cgroup-conf"))
				found = unit->spec_args.items[k + 1].text;
		if (rows[i].word ? !found || !str_eq(found, rows[i].word) : found != NULL)
			fail_msg("%s: %s", rows[i].line, found ? found : "nothing");
		assert_true(unit->is_valid);
		unit_set_fini(&set);
	}
}

static void limits_that_nobody_has_are_said(void **state)
{
	struct unit_set set = { 0 };

	(void)state;
	load_named(&set, "data.volume", "[Volume]\n[Service]\nTasksMax=6\n");
	assert_true(has_said(&set, DIAG_NOTE, "no process of its own"));
	unit_set_fini(&set);
	load_lines(&set, "TasksMax=50%\n");
	assert_true(has_said(&set, DIAG_ERROR, "write a number"));
	unit_set_fini(&set);
	load_lines(&set, "CPUQuota=102401%\n");
	assert_true(has_said(&set, DIAG_ERROR, "more than 1024 processors"));
	unit_set_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(amounts_of_memory),
		cmocka_unit_test(every_amount_has_its_place),
		cmocka_unit_test(limits_become_words_of_the_container),
		cmocka_unit_test(limits_that_nobody_has_are_said),
		cmocka_unit_test(misspelt_limits_refuse_the_unit),
		cmocka_unit_test(misspelt_wishes_are_warned_of),
		cmocka_unit_test(root_and_nested_slices),
		cmocka_unit_test(rlimits_in_their_units),
		cmocka_unit_test(each_rlimit_is_there_once),
		cmocka_unit_test(rules_for_disks),
		cmocka_unit_test(conditions_with_their_signs),
		cmocka_unit_test(an_empty_line_clears_all_conditions_but_no_assertions),
		cmocka_unit_test(conditions_that_systemd_ignores_refuse_the_unit),
		cmocka_unit_test(folders_of_the_five_kinds),
		cmocka_unit_test(folders_are_variables),
		cmocka_unit_test(folders_do_not_leave_their_place),
		cmocka_unit_test(places_of_input_and_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
