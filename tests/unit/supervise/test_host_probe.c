/* SPDX-License-Identifier: Apache-2.0 */
/* What the host withholds: facts of any origin, and what is judged of them. */
#include "unit_test.h"

#include <errno.h>
#include <unistd.h>

#include "supervise/host_probe.h"
#include "util/loop.h"
#include "util/str.h"

static struct host_record record;
static struct host_finding findings[HOST_MAX_FINDINGS];
static size_t count;

/* Everything is there. */
static int reset(void **state)
{
	size_t rows;
	const struct host_check *checks = host_checks(&rows);

	(void)state;
	host_record_init(&record);
	record.kind = HOST_LXC;
	for (size_t i = 0; i < rows; i++)
		host_record_yes(&record, checks[i].id);
	return 0;
}

static const struct host_finding *judge(const char *id)
{
	count = host_judge(&record, findings);
	for (size_t i = 0; i < count; i++)
		if (strcmp(findings[i].check->id, id) == 0)
			return &findings[i];
	fail_msg("no finding %s", id);
	return NULL;
}

static void a_host_that_withholds_nothing(void **state)
{
	size_t rows;

	(void)state;
	host_checks(&rows);
	assert_true(rows <= HOST_MAX_FINDINGS && rows <= HOST_MAX_FACTS);
	assert_int_equal(judge("kernel")->level, HOST_FINE);
	assert_int_equal(count, rows);
	assert_int_equal(host_worst(findings, count), HOST_FINE);
}

/* Each row by itself: its level, its evidence, a setting to change, and nothing else is blamed. */
static void each_lack_is_what_its_row_says(void **state)
{
	size_t rows;
	const struct host_check *checks = host_checks(&rows);

	for (size_t i = 0; i < rows; i++) {
		const struct host_finding *f;

		reset(state);
		host_record_no(&record, checks[i].id, EPERM, "call %zu: not permitted", i);
		f = judge(checks[i].id);
		assert_int_equal(f->level, checks[i].level);
		assert_non_null(strstr(f->evidence, "not permitted"));
		assert_true(f->remedy[0]);
		assert_ptr_equal(f, &findings[0]); /* worst first */
		assert_int_equal(findings[1].level, HOST_FINE);
		assert_int_equal(host_worst(findings, count), checks[i].level);
	}
}

static void what_follows_from_a_lack_is_not_listed_beside_it(void **state)
{
	static const char *const all[] = { "clone3", "user-namespace", "namespaces",
					   "tmpfs",  "overlay",	       "private-proc" };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		host_record_no(&record, all[i], ENOSYS, "clone3: Function not implemented");
	assert_int_equal(judge("clone3")->level, HOST_MISSING);
	for (size_t i = 1; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_int_equal(judge(all[i])->level, HOST_UNKNOWN);
		assert_string_equal(judge(all[i])->evidence, "hidden behind clone3");
		assert_string_equal(judge(all[i])->remedy, "");
	}
	/* one cause of two */
	reset(state);
	host_record_no(&record, "cgroup-tree", EROFS, "/sys/fs/cgroup: read-only");
	host_record_no(&record, "cgroup-birth", EROFS, "x");
	assert_string_equal(judge("cgroup-birth")->evidence, "hidden behind cgroup-tree");
}

static void a_lack_whose_cause_is_there_counts(void **state)
{
	(void)state;
	host_record_no(&record, "overlay-upper", EINVAL, "overlay: mount: Invalid argument");
	assert_int_equal(judge("overlay-upper")->level, HOST_LIMITED);
}

static void a_filter_is_told_from_an_old_kernel(void **state)
{
	(void)state;
	host_record_no(&record, "openat2", ENOSYS, "openat2: Function not implemented");
	assert_true(judge("openat2")->is_filtered);
	assert_non_null(strstr(judge("openat2")->remedy, "seccomp profile"));
	host_record_no(&record, "openat2", EPERM, "openat2: Operation not permitted");
	assert_false(judge("openat2")->is_filtered);
	host_record_no(&record, "kernel", 0, "it is 5.4.0");
	host_record_no(&record, "openat2", ENOSYS, "openat2: Function not implemented");
	assert_int_equal(judge("openat2")->level, HOST_UNKNOWN);
	host_record_no(&record, "cgroup-kill", ENOSYS, "cgroup.kill: Function not implemented");
	assert_false(judge("cgroup-kill")->is_filtered);
}

static void a_security_module_is_named(void **state)
{
	(void)state;
	snprintf(record.label, sizeof(record.label), "lxc-101_</var/lib/lxc> (enforce)");
	host_record_no(&record, "overlay", EACCES, "overlay: mount: Permission denied");
	assert_string_equal(
		judge("overlay")->evidence,
		"overlay: mount: Permission denied (security profile lxc-101_</var/lib/lxc> (enforce))");
	host_record_no(&record, "overlay", EPERM, "overlay: mount: Operation not permitted");
	assert_string_equal(judge("overlay")->evidence, "overlay: mount: Operation not permitted");
}

static void an_allowed_loss_is_a_limit(void **state)
{
	(void)state;
	host_record_no(&record, "private-proc", EPERM, "proc: mount: Operation not permitted");
	record.allowed = HOST_LOSS_SYS;
	assert_int_equal(judge("private-proc")->level, HOST_MISSING);
	record.allowed = HOST_LOSS_PROC;
	assert_int_equal(judge("private-proc")->level, HOST_LIMITED);
	assert_non_null(strstr(host_loss_text(judge("private-proc")->check, record.allowed),
			       "appliance.ini"));
	/* nothing else becomes better by it */
	host_record_no(&record, "user-namespace", EPERM, "clone3: Operation not permitted");
	assert_int_equal(judge("user-namespace")->level, HOST_MISSING);
}

static void what_nobody_has_looked_at_is_unknown(void **state)
{
	struct host_record empty;

	(void)state;
	host_record_init(&empty);
	count = host_judge(&empty, findings);
	assert_int_equal(host_worst(findings, count), HOST_UNKNOWN);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(findings[i].level, HOST_UNKNOWN);
}

static void a_landlock_that_writers_cannot_use_is_told(void **state)
{
	(void)state;
	host_record_init(&record);
	host_look_landlock(&record, 0);
	assert_non_null(strstr(host_record_find(&record, "landlock")->text, "has none"));
	host_look_landlock(&record, 1);
	assert_int_equal(host_record_find(&record, "landlock")->answer, HOST_NO);
	assert_non_null(strstr(host_record_find(&record, "landlock")->text, "workers that write"));
	host_look_landlock(&record, 2);
	assert_int_equal(host_record_find(&record, "landlock")->answer, HOST_YES);
}

static void worst_come_first(void **state)
{
	(void)state;
	host_record_no(&record, "landlock", 0, "none");
	host_record_no(&record, "limits", 0, "no controller for: memory");
	host_record_no(&record, "seccomp", EPERM, "seccomp: Operation not permitted");
	host_record_no(&record, "kernel", 0, "it is 4.4");
	judge("kernel");
	assert_string_equal(findings[0].check->id, "kernel");
	assert_string_equal(findings[1].check->id, "seccomp");
	assert_string_equal(findings[2].check->id, "limits");
	assert_string_equal(findings[3].check->id, "landlock");
	assert_int_equal(findings[4].level, HOST_FINE);
}

static void answers_are_lines(void **state)
{
	const struct host_fact *fact;

	(void)state;
	host_record_init(&record);
	assert_int_equal(
		host_read_tries(
			&record,
			"openat2 yes\nprivate-proc no 1 proc: mount: Operation not permitted\n"),
		2);
	fact = host_record_find(&record, "openat2");
	assert_true(fact && fact->answer == HOST_YES && fact->is_tried);
	fact = host_record_find(&record, "private-proc");
	assert_true(fact && fact->answer == HOST_NO && fact->is_tried);
	assert_int_equal(fact->number, 1);
	assert_string_equal(fact->text, "proc: mount: Operation not permitted");
}

static void nonsense_is_no_answer(void **state)
{
	static const char *const lines[] = {
		"",
		"\n\n",
		"openat2\n",
		"openat2 maybe\n",
		"openat2 no\n",
		"openat2 no 1\n",
		"openat2 no x text\n",
		"openat2 no 4096 text\n",
		"openat2 no -1 text\n",
		"no-such-check yes\n",
		" yes\n",
		"openat2  yes\n",
		"openat2 yes \n",
	};
	char flood[3000];

	(void)state;
	host_record_init(&record);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(host_read_tries(&record, lines[i]), 0);
	memset(flood, 'x', sizeof(flood) - 1);
	memcpy(flood, "openat2 no 1 ", 13);
	flood[sizeof(flood) - 1] = '\0';
	assert_int_equal(host_read_tries(&record, flood), 0); /* longer than any answer */
	assert_int_equal(record.count, 0);
	assert_int_equal(host_read_tries(&record, "openat2 no 1 a\001b\n"), 1);
}

static void a_long_reason_is_cut(void **state)
{
	char text[600];

	(void)state;
	host_record_init(&record);
	memset(text, 'e', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	host_record_no(&record, "kernel", 0, "%s", text);
	assert_int_equal(strlen(record.facts[0].text), HOST_TEXT_SIZE - 1);
	assert_non_null(strstr(record.facts[0].text, "..."));
}

static void a_full_record_takes_no_more(void **state)
{
	char id[HOST_ID_SIZE];

	(void)state;
	host_record_init(&record);
	for (int i = 0; i < HOST_MAX_FACTS + 5; i++) {
		snprintf(id, sizeof(id), "fact-%d", i);
		host_record_no(&record, id, 0, "x");
	}
	assert_int_equal(record.count, HOST_MAX_FACTS);
	host_record_yes(&record, "fact-3"); /* one that is there changes */
	assert_int_equal(host_record_find(&record, "fact-3")->answer, HOST_YES);
}

static void own_facts_win_over_what_was_tried(void **state)
{
	struct host_record tried;

	(void)state;
	host_record_init(&tried);
	host_record_no(&tried, "limits", 0, "of the child");
	host_record_no(&tried, "private-proc", EPERM, "tried");
	host_record_set_tried(&tried, "private-proc");
	host_record_set_tried(&tried, "limits");
	host_record_no(&tried, "clock", 0, "not tried");
	host_record_init(&record);
	host_record_yes(&record, "limits");
	host_record_merge(&record, &tried);
	assert_int_equal(host_record_find(&record, "limits")->answer, HOST_YES);
	assert_string_equal(host_record_find(&record, "private-proc")->text, "tried");
	assert_null(host_record_find(&record, "clock"));
}

static void a_record_survives_a_file(void **state)
{
	char path[] = "/tmp/cleat-test-host-XXXXXX";
	struct host_record back;
	struct err err;

	(void)state;
	assert_non_null(mkdtemp(path));

	char file[64];

	snprintf(file, sizeof(file), "%s/host", path);
	assert_int_equal(host_record_load(file, &back, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_true(str_starts(err.msg, file));
	assert_null(strstr(err.msg + 1, file)); /* said once */
	assert_int_equal(host_record_save(file, &record, &err), 0);
	assert_int_equal(host_record_load(file, &back, &err), 0);
	assert_memory_equal(&back, &record, sizeof(back));
	assert_true(host_record_is_current(&back));
	back.init_ticks++;
	assert_false(host_record_is_current(&back));
	snprintf(back.boot_id, sizeof(back.boot_id), "another");
	assert_false(host_record_is_current(&back));
	unlink(file);
	rmdir(path);
}

static void expect_refused(const struct host_record *bad, size_t length, const char *why)
{
	static struct host_record out, zero;
	struct err err;

	assert_int_equal(host_record_parse(bad, length, &out, &err), -1);
	assert_int_equal(err.code, ERR_INTEGRITY);
	assert_non_null(strstr(err.msg, why));
	assert_memory_equal(&out, &zero, sizeof(out));
}

static void a_record_that_is_none_is_refused(void **state)
{
	static struct host_record bad, out;
	struct err err;

	(void)state;
	expect_refused(&record, sizeof(record) - 1, "another size");
	expect_refused(&record, 0, "another size");
	bad = record;
	bad.magic++;
	expect_refused(&bad, sizeof(bad), "another version");
	bad = record;
	bad.version++;
	expect_refused(&bad, sizeof(bad), "another version");
	bad = record;
	bad.count = HOST_MAX_FACTS + 1;
	expect_refused(&bad, sizeof(bad), "impossible numbers");
	bad = record;
	bad.kind = HOST_KINDS;
	expect_refused(&bad, sizeof(bad), "impossible numbers");
	bad = record;
	bad.facts[0].answer = HOST_NO + 1;
	expect_refused(&bad, sizeof(bad), "an impossible fact");
	bad = record;
	bad.facts[0].number = 4096;
	expect_refused(&bad, sizeof(bad), "an impossible fact");
	bad = record;
	memset(bad.facts[0].id, 'a', sizeof(bad.facts[0].id));
	expect_refused(&bad, sizeof(bad), "an impossible fact");
	bad = record;
	memcpy(bad.facts[0].id, "A\nB", 4);
	expect_refused(&bad, sizeof(bad), "an impossible fact");
	/* texts are made safe instead */
	bad = record;
	memset(bad.facts[0].text, 0xff, sizeof(bad.facts[0].text));
	memset(bad.kernel, 'k', sizeof(bad.kernel));
	memset(bad.label, 0x80, sizeof(bad.label));
	assert_int_equal(host_record_parse(&bad, sizeof(bad), &out, &err), 0);
	assert_int_equal(strlen(out.facts[0].text), sizeof(out.facts[0].text) - 1);
	assert_int_equal(out.facts[0].text[0], '?');
	assert_int_equal(strlen(out.kernel), sizeof(out.kernel) - 1);
	assert_int_equal(out.label[0], '?');
}

/* Whatever machine this runs on: every fact is a row of the table, and no row is both asked and empty. */
static void looking_here_answers_rows_of_the_table(void **state)
{
	char place[] = "/tmp/cleat-test-host-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(place));
	host_record_init(&record);
	host_look_here(&record, place);
	assert_true(record.count >= 10);
	for (uint32_t i = 0; i < record.count; i++) {
		assert_non_null(host_check_find(record.facts[i].id));
		assert_true(record.facts[i].answer == HOST_YES || record.facts[i].text[0]);
	}
	assert_int_equal(host_record_find(&record, "data")->answer, HOST_YES);
	assert_int_equal(host_record_find(&record, "clock")->answer, HOST_YES);
	rmdir(place);
	host_record_init(&record);
	host_look_here(&record, place);
	assert_string_equal(judge("data")->evidence + strlen(place), " is absent");
	host_record_init(&record);
	host_look_here(&record, NULL);
	assert_null(host_record_find(&record, "data"));
}

/* Not the time of the program's file: a copy is as new as its copying, and an old clock made it old. */
static void a_clock_before_the_release_is_a_lack(void **state)
{
	(void)state;
	host_record_init(&record);
	host_look_clock(&record, CLOCK_RELEASE_SEC - 1);
	assert_int_equal(host_record_find(&record, "clock")->answer, HOST_NO);
	assert_string_equal(judge("clock")->evidence,
			    "it says 1795305599 s since 1970, this version is of 1795305600 s");
	host_record_init(&record);
	host_look_clock(&record, CLOCK_RELEASE_SEC);
	assert_int_equal(host_record_find(&record, "clock")->answer, HOST_YES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_clock_before_the_release_is_a_lack, reset),
		cmocka_unit_test_setup(a_host_that_withholds_nothing, reset),
		cmocka_unit_test_setup(each_lack_is_what_its_row_says, reset),
		cmocka_unit_test_setup(what_follows_from_a_lack_is_not_listed_beside_it, reset),
		cmocka_unit_test_setup(a_lack_whose_cause_is_there_counts, reset),
		cmocka_unit_test_setup(a_filter_is_told_from_an_old_kernel, reset),
		cmocka_unit_test_setup(a_security_module_is_named, reset),
		cmocka_unit_test_setup(an_allowed_loss_is_a_limit, reset),
		cmocka_unit_test_setup(what_nobody_has_looked_at_is_unknown, reset),
		cmocka_unit_test_setup(a_landlock_that_writers_cannot_use_is_told, reset),
		cmocka_unit_test_setup(worst_come_first, reset),
		cmocka_unit_test_setup(answers_are_lines, reset),
		cmocka_unit_test_setup(nonsense_is_no_answer, reset),
		cmocka_unit_test_setup(a_long_reason_is_cut, reset),
		cmocka_unit_test_setup(a_full_record_takes_no_more, reset),
		cmocka_unit_test_setup(own_facts_win_over_what_was_tried, reset),
		cmocka_unit_test_setup(a_record_survives_a_file, reset),
		cmocka_unit_test_setup(a_record_that_is_none_is_refused, reset),
		cmocka_unit_test_setup(looking_here_answers_rows_of_the_table, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
