/* SPDX-License-Identifier: Apache-2.0 */
/* The table of what a host may withhold: each row has every word that somebody will read, and no more than there is room for. */
#include "unit_test.h"

#include "util/host.h"
#include "util/published.h"
#include "util/str.h"

static const struct host_check *row(const char *id)
{
	const struct host_check *check = host_check_find(id);

	assert_non_null(check);
	return check;
}

static void each_row_is_whole(void **state)
{
	size_t count;
	const struct host_check *checks = host_checks(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const struct host_check *c = &checks[i];

		assert_true(strlen(c->id) < HOST_ID_SIZE);
		assert_int_equal(strspn(c->id, "abcdefghijklmnopqrstuvwxyz0123456789-"),
				 strlen(c->id));
		assert_true(c->level >= HOST_NOTE && c->level < HOST_LEVELS);
		assert_true(c->title[0] && c->loss[0] && c->proxmox[0]);
		assert_ptr_equal(host_check_find(c->id), c); /* no id twice */
		for (unsigned kind = 0; kind < HOST_KINDS; kind++) {
			char remedy[HOST_REMEDY_SIZE];

			host_remedy(c, kind, false, remedy);
			assert_true(remedy[0] && strlen(remedy) < HOST_REMEDY_SIZE - 1);
			assert_true(kind != HOST_LXD || !strstr(remedy, "incus "));
		}
	}
	assert_null(host_check_find("private"));
	assert_null(host_check_find(""));
}

/* A cause is a row above: so the chain of causes comes to an end. */
static void causes_are_rows_above(void **state)
{
	size_t count;
	const struct host_check *checks = host_checks(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const char *names = checks[i].after ? checks[i].after : "";

		while (*names) {
			size_t len = strcspn(names, " ");
			char id[HOST_ID_SIZE];

			snprintf(id, sizeof(id), "%.*s", (int)len, names);
			assert_true(row(id) < &checks[i]);
			names += len + strspn(names + len, " ");
		}
	}
}

static void expect_remedy(const char *id, unsigned kind, bool is_filtered, const char *text)
{
	char remedy[HOST_REMEDY_SIZE];

	host_remedy(row(id), kind, is_filtered, remedy);
	assert_string_equal(remedy, text);
}

static void a_setting_is_in_the_words_of_its_host(void **state)
{
	(void)state;
	expect_remedy("private-proc", HOST_PROXMOX, false,
		      "pct set ID --features nesting=1; pct reboot ID");
	expect_remedy("private-proc", HOST_INCUS, false,
		      "incus config set NAME security.nesting=true; incus restart NAME");
	expect_remedy("private-proc", HOST_LXD, false,
		      "lxc config set NAME security.nesting=true; lxc restart NAME");
	expect_remedy("private-proc", HOST_LXC, false,
		      "lxc.include = /usr/share/lxc/config/nesting.conf");
	expect_remedy("private-proc", HOST_CONTAINER, false,
		      "lxc.include = /usr/share/lxc/config/nesting.conf");
	expect_remedy("private-proc", HOST_MACHINE, false, "nothing mounted over parts of /proc");
	expect_remedy("openat2", HOST_LXC, true,
		      "the host's seccomp profile has to pass this call");
	expect_remedy("landlock", 99, false,
		      "Linux 5.19 or newer with lsm=landlock,... on the kernel's command line");
}

static void losses_have_names_and_refusals_reasons(void **state)
{
	static const char *const refused[] = { "user-namespace", "seccomp", "capabilities",
					       "limits",	 "overlay", "cgroup-tree" };
	char names[HOST_LOSSES_SIZE];
	const char *why;

	(void)state;
	assert_int_equal(host_loss_find("private-proc", &why), HOST_LOSS_PROC);
	assert_null(why);
	assert_int_equal(host_loss_find("private-sys", &why), HOST_LOSS_SYS);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		assert_int_equal(host_loss_find(refused[i], &why), 0);
		assert_true(why && why[0]);
	}
	assert_int_equal(host_loss_find("everything", &why), 0);
	assert_null(why);
	host_loss_names(HOST_LOSS_SYS | HOST_LOSS_PROC, names);
	assert_string_equal(names, "private-proc private-sys");
	host_loss_names(HOST_LOSS_SYS, names);
	assert_string_equal(names, "private-sys");
	host_loss_names(0, names);
	assert_string_equal(names, "");
	host_loss_names(UINT32_MAX, names); /* of a newer engine: what is not known has no name */
	assert_string_equal(names, "private-proc private-sys");
}

static void a_sentence_says_it_all(void **state)
{
	static struct published_header h;
	char text[HOST_SENTENCE_SIZE];

	(void)state;
	h.host_kind = HOST_PROXMOX;
	str_copy(h.findings[0].id, sizeof(h.findings[0].id), "private-proc");
	str_copy(h.findings[0].evidence, sizeof(h.findings[0].evidence),
		 "proc: mount: Operation not permitted");
	host_sentence(&h, 0, text);
	assert_string_equal(
		text,
		"private-proc: no container can start: proc: mount: Operation not permitted; to change it: pct set ID --features nesting=1; pct reboot ID");
	h.allowed_losses = HOST_LOSS_PROC;
	host_sentence(&h, 0, text);
	assert_non_null(strstr(text, "as appliance.ini allows"));
	str_copy(h.findings[0].id, sizeof(h.findings[0].id), "of-a-newer-engine");
	host_sentence(&h, 0, text);
	assert_string_equal(text, "of-a-newer-engine: proc: mount: Operation not permitted");
}

static void numbers_of_a_newer_engine_have_names(void **state)
{
	(void)state;
	assert_string_equal(host_level_name(HOST_MISSING), "missing");
	assert_string_equal(host_level_name(HOST_FINE), "ok");
	assert_string_equal(host_level_name(HOST_LEVELS), "unknown");
	assert_string_equal(host_kind_name(HOST_LXD), "lxd");
	assert_string_equal(host_kind_name(HOST_KINDS), "unknown");
	assert_string_equal(host_kind_title(HOST_KINDS), "a host of an unknown kind");
	assert_string_equal(host_kind_title(HOST_PROXMOX), "a Proxmox VE container");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_is_whole),
		cmocka_unit_test(causes_are_rows_above),
		cmocka_unit_test(a_setting_is_in_the_words_of_its_host),
		cmocka_unit_test(losses_have_names_and_refusals_reasons),
		cmocka_unit_test(a_sentence_says_it_all),
		cmocka_unit_test(numbers_of_a_newer_engine_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
