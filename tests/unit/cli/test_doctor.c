/* SPDX-License-Identifier: Apache-2.0 */
/* "cleat doctor" over a record that an engine left: the page, the exit status, JSON, and records that are none. */
#include "unit_test.h"

#include <errno.h>
#include <unistd.h>
#include <yyjson.h>

#include "capture.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "supervise/host_probe.h"

static char folder[64], socket_path[96], record_path[96];
static struct host_record record;
static struct captured got;

static int setup(void **state)
{
	size_t rows;
	const struct host_check *checks = host_checks(&rows);

	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/cleat-unit-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(socket_path, sizeof(socket_path), "%s/cleat.sock", folder);
	snprintf(record_path, sizeof(record_path), "%s/host", folder);
	cli_set_socket(socket_path);
	host_record_init(&record);
	snprintf(record.kernel, sizeof(record.kernel), "6.1.0");
	record.kind = HOST_PROXMOX;
	for (size_t i = 0; i < rows; i++)
		host_record_yes(&record, checks[i].id);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(record_path);
	return rmdir(folder);
}

static void save(void)
{
	struct err err;

	assert_int_equal(host_record_save(record_path, &record, &err), 0);
}

static void all_is_there(void **state)
{
	(void)state;
	save();
	capture(&got, cmd_doctor, WORDS("doctor"));
	assert_int_equal(got.result, 0);
	assert_ptr_equal(
		strstr(got.out,
		       "a Proxmox VE container, Linux 6.1.0: all that containers need is there\nok "),
		got.out);
	assert_non_null(strstr(got.out, " private-proc "));
}

static void a_note_is_no_failure(void **state)
{
	(void)state;
	host_record_no(&record, "landlock", 0, "this kernel has none");
	save();
	capture(&got, cmd_doctor, WORDS("doctor"));
	assert_int_equal(got.result, 0);
	assert_non_null(strstr(got.out, "note     landlock: Landlock\n"));
}

static void what_is_missing_comes_with_cost_cause_and_setting(void **state)
{
	(void)state;
	host_record_no(&record, "limits", 0, "cgroup v2 has no controller for: memory");
	save();
	capture(&got, cmd_doctor, WORDS("doctor"));
	assert_int_equal(got.result, 1);
	assert_non_null(strstr(got.out, ": containers run, with limits\n"));
	host_record_no(&record, "private-proc", EPERM, "proc: mount: \033[31mnot permitted");
	host_record_no(&record, "clone3", ENOSYS, "clone3: not implemented");
	host_record_no(&record, "tmpfs", ENOSYS, "clone3: not implemented");
	save();
	capture(&got, cmd_doctor, WORDS("doctor"));
	assert_int_equal(got.result, 2);
	assert_non_null(strstr(got.out, "\nunknown  tmpfs private-proc\n"));
	host_record_yes(&record, "clone3");
	host_record_yes(&record, "tmpfs");
	save();
	capture(&got, cmd_doctor, WORDS("doctor"));
	assert_non_null(strstr(got.out,
			       "missing  private-proc: a /proc of the container's own\n"
			       "         so   no container can start\n"
			       "         why  proc: mount: ?[31mnot permitted\n"
			       "         do   pct set ID --features nesting=1; pct reboot ID\n"
			       "limited  limits: controllers for memory, cpu and pids\n"));
}

static const char *text_at(yyjson_doc *doc, const char *pointer)
{
	const char *text = yyjson_get_str(yyjson_doc_ptr_get(doc, pointer));

	return text ? text : "(none)";
}

static void json_has_every_check(void **state)
{
	yyjson_doc *doc;
	size_t rows;

	(void)state;
	host_checks(&rows);
	record.allowed = HOST_LOSS_PROC;
	host_record_no(&record, "private-proc", EPERM, "proc: \033not permitted");
	save();
	capture(&got, cmd_doctor, WORDS("doctor", "--json"));
	assert_int_equal(got.result, 1);
	doc = yyjson_read(got.out, strlen(got.out), 0);
	assert_non_null(doc);
	assert_string_equal(text_at(doc, "/result"), "limited");
	assert_string_equal(text_at(doc, "/kind"), "proxmox");
	assert_string_equal(text_at(doc, "/allowed_losses"), "private-proc");
	assert_true(yyjson_get_bool(yyjson_doc_ptr_get(doc, "/of_the_engine")));
	assert_int_equal(yyjson_arr_size(yyjson_doc_ptr_get(doc, "/checks")), rows);
	assert_string_equal(text_at(doc, "/checks/0/id"), "private-proc");
	assert_string_equal(text_at(doc, "/checks/0/level"), "limited");
	assert_non_null(strstr(text_at(doc, "/checks/0/loss"), "as appliance.ini allows"));
	assert_string_equal(text_at(doc, "/checks/1/level"), "ok");
	assert_string_equal(text_at(doc, "/checks/1/loss"), "");
	yyjson_doc_free(doc);
}

static void without_a_record_the_engine_s_machine_is_not_guessed(void **state)
{
	(void)state;
	capture(&got, cmd_doctor, WORDS("doctor"));
	assert_int_equal(got.result, CLI_NO_ENGINE);
	assert_string_equal(got.out, "");
	assert_non_null(strstr(got.err, "/host: "));
	record.version++;
	save();
	capture(&got, cmd_doctor, WORDS("doctor"));
	assert_int_equal(got.result, CLI_NO_ENGINE);
	assert_non_null(strstr(got.err, "another version"));
}

static void words_that_are_wrong(void **state)
{
	(void)state;
	capture(&got, cmd_doctor, WORDS("doctor", "web"));
	assert_int_equal(got.result, CLI_USAGE);
	capture(&got, cmd_doctor, WORDS("doctor", "--yaml"));
	assert_int_equal(got.result, CLI_USAGE);
	capture(&got, cmd_doctor, WORDS("doctor", "--data-dir"));
	assert_int_equal(got.result, CLI_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_is_there, setup, teardown),
		cmocka_unit_test_setup_teardown(a_note_is_no_failure, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_missing_comes_with_cost_cause_and_setting,
						setup, teardown),
		cmocka_unit_test_setup_teardown(json_has_every_check, setup, teardown),
		cmocka_unit_test_setup_teardown(
			without_a_record_the_engine_s_machine_is_not_guessed, setup, teardown),
		cmocka_unit_test_setup_teardown(words_that_are_wrong, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
