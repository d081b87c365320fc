/* SPDX-License-Identifier: Apache-2.0 */
/* Templates, and where their instances come from: files, links, [Install] DefaultInstance=, other units, the caller. */
#include "load_fixture.h"

static void a_template_is_a_pattern_and_no_error(void **state)
{
	struct unit_set set;
	const struct unit *unit;

	(void)state;
	put("t@.container",
	    FINE "HostName=%i\nVolume=/data/%i:/x\n[Service]\n"
		 "EnvironmentFile=/nowhere/%i.env\n[Install]\nWantedBy=default.target\n");
	put("v@.volume", "[Volume]\n");
	set = load_dir("");
	assert_quiet(&set);
	assert_int_equal(set.count, 2);
	unit = find(&set, "t@.container");
	assert_true(unit->is_template && unit->is_valid);
	assert_string_equal(unit->service_name, "t@.service");
	assert_int_equal(unit->spec_args.count, 0);
	assert_int_equal(unit->service.dep_count, 0);
	assert_false(unit->service.boot);
	assert_non_null(strstr(unit->service_text, " --name systemd-%p_%i "));
	assert_string_equal(unit->symlink_text, "");
	assert_true(find(&set, "v@.volume")->is_template && find(&set, "v@.volume")->is_valid);
	unit_set_fini(&set);
}

static void keys_of_a_template_are_judged(void **state)
{
	struct unit_set set;

	(void)state;
	put("t@.container", FINE "Nope=1\n");
	set = load_dir("");
	assert_diag(&set, DIAG_ERROR, 4, 6, "Container.Nope", "unknown key");
	assert_false(set.units[0].is_valid);
	unit_set_fini(&set);
}

static void links_and_files_are_instances(void **state)
{
	struct unit_set set;

	(void)state;
	put("t@.container", FINE "HostName=%i\n[Install]\nWantedBy=default.target\n");
	put_link("t@one.container", "t@.container");
	put("t@two.container", FINE "HostName=own-%i\n");
	set = load_dir("");
	assert_quiet(&set);
	assert_int_equal(set.count, 3);
	assert_words(&set, "t@one.container", " --hostname one ");
	assert_words(&set, "t@two.container", " --hostname own-two ");
	assert_string_equal(find(&set, "t@one.container")->container_name, "systemd-t_one");
	assert_string_equal(find(&set, "t@one.container")->service_name, "t@one.service");
	assert_true(find(&set, "t@one.container")->service.boot);
	assert_false(find(&set, "t@one.container")->is_template);
	assert_true(find(&set, "t@one.container")->service_text[0] != '\0');
	unit_set_fini(&set);
}

static void the_default_instance_is_made_and_enabled(void **state)
{
	struct unit_set set;

	(void)state;
	put("t@.container",
	    FINE "HostName=%i\n[Install]\nDefaultInstance=main\nWantedBy=default.target\n");
	set = load_dir("");
	assert_quiet(&set);
	assert_int_equal(set.count, 2);
	assert_words(&set, "t@main.container", " --hostname main ");
	assert_string_equal(find(&set, "t@main.container")->path, at("t@.container"));
	assert_true(find(&set, "t@main.container")->service.boot);
	/* podman leaves instances to systemd. */
	assert_string_equal(find(&set, "t@main.container")->service_text, "");
	assert_string_equal(find(&set, "t@.container")->symlink_text,
			    "---symlink default.target.wants/t@main.service -> ../t@.service---\n");
	unit_set_fini(&set);
}

static void a_default_instance_that_nobody_wants_is_not_made(void **state)
{
	struct unit_set set;

	(void)state;
	put("t@.container", FINE "[Install]\nDefaultInstance=main\n");
	set = load_dir("");
	assert_int_equal(set.count, 1);
	unit_set_fini(&set);
}

static void a_default_instance_needs_a_name_that_systemd_takes(void **state)
{
	struct unit_set set;

	(void)state;
	put("t@.container", FINE "[Install]\nDefaultInstance=a b\nWantedBy=default.target\n");
	set = load_dir("");
	assert_diag(&set, DIAG_ERROR, 5, 17, "Install.DefaultInstance",
		    "'a b' is no name of an instance");
	assert_int_equal(set.count, 1);
	unit_set_fini(&set);
}

static void references_make_instances_that_are_not_enabled(void **state)
{
	struct unit_set set;

	(void)state;
	put("t@.container", FINE "HostName=%i\n[Install]\nWantedBy=default.target\n");
	put("web.container",
	    "[Unit]\nWants=t@one.service\nAfter=t@one.service t@two.service\n" FINE);
	set = load_dir("");
	assert_quiet(&set);
	assert_int_equal(set.count, 4);
	assert_words(&set, "t@one.container", " --hostname one ");
	assert_words(&set, "t@two.container", " --hostname two ");
	assert_false(find(&set, "t@one.container")->service.boot);
	assert_int_equal(find(&set, "web.container")->service.dep_count, 3);
	unit_set_fini(&set);
}

static void instances_ask_for_instances(void **state)
{
	struct unit_set set;

	(void)state;
	put("db@.container", FINE "HostName=db-%i\n");
	put("app@.container", "[Unit]\nRequires=db@%i.service\n" FINE);
	put("web.container", "[Unit]\nRequires=app@x.service\n" FINE);
	set = load_dir("");
	assert_quiet(&set);
	assert_int_equal(set.count, 5);
	assert_words(&set, "db@x.container", " --hostname db-x ");
	assert_string_equal(find(&set, "app@x.container")->service.deps[0].target, "db@x.service");
	unit_set_fini(&set);
}

static void an_endless_chain_ends_with_a_message(void **state)
{
	struct unit_set set;

	(void)state;
	put("t@.container", "[Unit]\nWants=t@%ix.service\n" FINE);
	put("web.container", "[Unit]\nWants=t@x.service\n" FINE);
	set = load_dir("");
	assert_non_null(said(&set, DIAG_ERROR, "longer than 127 bytes"));
	assert_int_equal(said(&set, DIAG_ERROR, "longer than 127 bytes")->line, 2);
	assert_true(set.count > 50 && set.count < 200);
	unit_set_fini(&set);
}

static void wide_chains_end_at_the_bound_of_files(void **state)
{
	struct unit_set set;

	(void)state;
	put("t@.container", "[Unit]\nWants=t@%ia.service t@%ib.service\n" FINE);
	put("web.container", "[Unit]\nWants=t@x.service\n" FINE);
	set = load_dir("");
	assert_int_equal(set.count, UNIT_MAX_FILES);
	assert_non_null(said(&set, DIAG_ERROR, "more than 1024 unit files"));
	unit_set_fini(&set);
}

static void other_kinds_have_instances_by_their_services_name(void **state)
{
	struct unit_set set;

	(void)state;
	put("v@.volume", "[Volume]\n");
	put("web.container", "[Unit]\nAfter=v-volume@x.service\n" FINE);
	set = load_dir("");
	assert_int_equal(find(&set, "v@x.volume")->kind, UNIT_VOLUME);
	assert_string_equal(find(&set, "v@x.volume")->service_name, "v-volume@x.service");
	unit_set_fini(&set);
}

/* podman knows files only. */
static void an_instance_is_not_referred_to_by_a_file_that_is_not_there(void **state)
{
	struct unit_set set;

	(void)state;
	put("t@.container", FINE);
	put("web.container", "[Unit]\nAfter=t@one.container\n" FINE);
	set = load_dir("");
	assert_int_equal(set.count, 2);
	assert_false(find(&set, "web.container")->is_valid);
	unit_set_fini(&set);
}

static void a_template_may_be_one_by_its_service_name_only(void **state)
{
	struct unit_set set;

	(void)state;
	put("tpl.container", FINE "ServiceName=job@\nHostName=%i\n");
	put("tpl.container.d/1.conf", "[Container]\nTmpfs=/tpl\n");
	put("container.d/2.conf", "[Container]\nTmpfs=/all\n");
	put("web.container", "[Unit]\nWants=job@a.service\n" FINE);
	set = load_dir("");
	assert_quiet(&set);
	assert_true(find(&set, "tpl.container")->is_template);
	assert_string_equal(find(&set, "tpl@a.container")->service_name, "job@a.service");
	assert_words(&set, "tpl@a.container", " --hostname a ");
	assert_words(&set, "tpl@a.container", " --tmpfs /all ");
	assert_null(strstr(words_of(&set, "tpl@a.container"), "/tpl"));
	unit_set_fini(&set);
}

static void drop_ins_of_made_instances_are_merged(void **state)
{
	struct unit_set set;

	(void)state;
	put("t@.container", FINE "Tmpfs=/unit\n");
	put("t@.container.d/1.conf", "[Container]\nTmpfs=/template\n");
	put("t@.container.d/2.conf", "[Container]\nTmpfs=/hidden\n");
	put("t@a.container.d/2.conf", "[Container]\nTmpfs=/instance\n");
	put("container.d/3.conf", "[Container]\nTmpfs=/all\n");
	put("web.container", "[Unit]\nWants=t@a.service t@b.service\n" FINE);
	set = load_dir("");
	assert_quiet(&set);
	assert_words(&set, "t@a.container",
		     " --tmpfs /unit --tmpfs /template --tmpfs /instance --tmpfs /all ");
	assert_words(&set, "t@b.container",
		     " --tmpfs /unit --tmpfs /template --tmpfs /hidden --tmpfs /all ");
	unit_set_fini(&set);
}

static void errors_of_a_template_are_said_once_and_count_for_each(void **state)
{
	struct unit_set set;

	(void)state;
	put("t@.container", "[Container]\nNetwork=host\n");
	put("web.container", "[Unit]\nWants=t@a.service t@b.service\n" FINE);
	set = load_dir("");
	assert_int_equal(set.count, 4);
	assert_diag(&set, DIAG_ERROR, 1, 1, "Container.Image", "mage");
	assert_false(find(&set, "t@.container")->is_valid);
	assert_false(find(&set, "t@a.container")->is_valid);
	assert_false(find(&set, "t@b.container")->is_valid);
	assert_int_equal(find(&set, "t@b.container")->first_error,
			 find(&set, "t@.container")->first_error);
	assert_true(find(&set, "web.container")->is_valid);
	unit_set_fini(&set);
}

static void notes_of_a_template_are_said_once_and_kept_by_each(void **state)
{
	struct unit_set set;
	size_t notes = 0;

	(void)state;
	put("t@.container", FINE "ExposeHostPort=80\n");
	put("web.container", "[Unit]\nWants=t@a.service t@b.service\n" FINE);
	set = load_dir("");
	for (size_t i = 0; i < set.diags.count; i++)
		notes += set.diags.items[i].severity == DIAG_NOTE;
	assert_int_equal(notes, 1);
	assert_int_equal(find(&set, "t@a.container")->note_count, 1);
	assert_int_equal(find(&set, "t@b.container")->note_count, 1);
	unit_set_fini(&set);
}

static void a_template_with_a_bad_line_has_bad_instances(void **state)
{
	struct unit_set set;

	(void)state;
	put("t@.container", FINE "nonsense\n");
	put("web.container", "[Unit]\nWants=t@a.service\n" FINE);
	set = load_dir("");
	assert_diag(&set, DIAG_ERROR, 4, 1, "", "not a key=value line");
	assert_false(find(&set, "t@a.container")->is_valid);
	assert_non_null(strstr(find(&set, "t@a.container")->error_text, "t@.container:4:1"));
	unit_set_fini(&set);
}

static void masked_instances_are_not_made(void **state)
{
	struct unit_set set;

	(void)state;
	put("t@.container", FINE);
	put_link("t@a.container", "/dev/null");
	put("web.container", "[Unit]\nWants=t@a.service\n" FINE);
	set = load_dir("");
	assert_int_equal(set.count, 2);
	unit_set_fini(&set);
}

static void what_is_no_instance_of_a_template_here_makes_none(void **state)
{
	struct unit_set set;

	(void)state;
	put("t@.container", FINE);
	put("plain.container", FINE);
	put("web.container",
	    "[Unit]\nAfter=t@.service u@a.service plain@a.service t@a.target t@a\n" FINE);
	set = load_dir("");
	assert_int_equal(set.count, 3);
	unit_set_fini(&set);
}

static void the_caller_may_ask_for_instances(void **state)
{
	static const char *const wanted[] = { "t@a.service", "t@b.service", "none@a.service" };
	struct unit_facts facts = test_facts;
	struct unit_set set;

	(void)state;
	facts.instances = wanted;
	facts.instance_count = 2;
	put("t@.container", FINE "HostName=%i\n");
	put_link("t@b.container", "t@.container");
	set = load_with("", &facts);
	assert_quiet(&set);
	assert_int_equal(set.count, 3);
	assert_words(&set, "t@a.container", " --hostname a ");
	unit_set_fini(&set);
	facts.instance_count = 3;
	set = load_with("", &facts);
	assert_diag(&set, DIAG_ERROR, 0, 0, "", "none@a.service: there is no template for it");
	assert_int_equal(set.count, 3);
	unit_set_fini(&set);
}

static void the_generator_makes_none(void **state)
{
	struct unit_set set;

	(void)state;
	put("t@.container", FINE "[Install]\nDefaultInstance=main\nWantedBy=default.target\n");
	put("web.container", "[Unit]\nWants=t@a.service\n" FINE);
	set = load_as_generator("");
	assert_int_equal(set.count, 2);
	unit_set_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_ROOT(a_template_is_a_pattern_and_no_error),
		IN_ROOT(keys_of_a_template_are_judged),
		IN_ROOT(links_and_files_are_instances),
		IN_ROOT(the_default_instance_is_made_and_enabled),
		IN_ROOT(a_default_instance_that_nobody_wants_is_not_made),
		IN_ROOT(a_default_instance_needs_a_name_that_systemd_takes),
		IN_ROOT(references_make_instances_that_are_not_enabled),
		IN_ROOT(instances_ask_for_instances),
		IN_ROOT(an_endless_chain_ends_with_a_message),
		IN_ROOT(wide_chains_end_at_the_bound_of_files),
		IN_ROOT(other_kinds_have_instances_by_their_services_name),
		IN_ROOT(an_instance_is_not_referred_to_by_a_file_that_is_not_there),
		IN_ROOT(a_template_may_be_one_by_its_service_name_only),
		IN_ROOT(drop_ins_of_made_instances_are_merged),
		IN_ROOT(errors_of_a_template_are_said_once_and_count_for_each),
		IN_ROOT(notes_of_a_template_are_said_once_and_kept_by_each),
		IN_ROOT(a_template_with_a_bad_line_has_bad_instances),
		IN_ROOT(masked_instances_are_not_made),
		IN_ROOT(what_is_no_instance_of_a_template_here_makes_none),
		IN_ROOT(the_caller_may_ask_for_instances),
		IN_ROOT(the_generator_makes_none),
	};

	if (!name_root())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
