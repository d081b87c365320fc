/* SPDX-License-Identifier: Apache-2.0 */
/* Keys with a rule of their own, references between units, and what podman refuses, too. */
#include "unit_folder.h"

#include "unit/keys.h"

static void the_skeleton_is_podmans(void **state)
{
	struct unit_set set;
	char words[1024];

	(void)state;
	load_text(&set,
		  "[Container]\nImage=localhost/web:1\nExec=a b\nPodmanArgs=--x\nNetwork=host\n");
	assert_string_equal(
		join_words(&set.units[0].run_args, words, sizeof(words)),
		" --name systemd-%N --replace --rm --cgroups=split --network host --sdnotify=conmon -d --x localhost/web:1 a b ");
	assert_string_equal(join_words(&set.units[0].spec_args, words, sizeof(words)),
			    " --name systemd-web --network host --x localhost/web:1 a b ");
	assert_int_equal(set.units[0].image_index, 5);
	assert_string_equal(set.units[0].container_name, "systemd-web");
	assert_string_equal(set.units[0].service_name, "web.service");
	unit_set_fini(&set);
}

static void words_know_the_line_and_column_that_asked_for_them(void **state)
{
	struct unit_set set;
	const struct unit *unit = load_text(&set, FINE "DropCapability=CHOWN \\\n   KILL\n");

	(void)state;
	for (size_t i = 0; i < unit->spec_args.count; i++) {
		const struct arg *arg = &unit->spec_args.items[i];

		assert_non_null(arg->origin);
		if (!str_eq(arg->text, "kill"))
			continue;
		assert_int_equal(arg->origin->line, 5);
		assert_int_equal(arg->origin->column, 4);
		assert_string_equal(arg->origin->file, "/units/web.container");
		assert_string_equal(arg->origin->key, "Container.DropCapability");
		unit_set_fini(&set);
		return;
	}
	fail_msg("no word kill");
}

/* podman's generator writes over some lines of [Service]: the engine reads what the unit says. */
static void what_the_service_text_says_otherwise_stays_in_the_unit(void **state)
{
	struct unit_set set;
	const struct unit *unit = load_text(&set, FINE "[Service]\nNotifyAccess=main\nNice=3\n");

	(void)state;
	assert_non_null(strstr(unit->service_text, "\nNotifyAccess=all\nNice=3\n"));
	assert_null(strstr(unit->service_text, "NotifyAccess=main"));
	assert_int_equal(unit->service.notify_access, SERVICE_NOTIFY_MAIN);
	unit_set_fini(&set);
}

/* Of several units each knows its own. */
static void what_podman_refuses_too_is_known_of_each_unit(void **state)
{
	static const char text[] =
		"# FileName=fine\n" FINE "---\n# FileName=odd\n[Container]\nGroup=1\n"
		"Image=localhost/web:1\n---\n# FileName=other\n[Container]\nUser=1\n";
	struct unit_set set = { 0 };
	struct err err;

	(void)state;
	if (unit_set_load_text(&set, "x.quadlets", "/units/x.quadlets", text, strlen(text),
			       &test_facts, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(set.count, 3);
	assert_int_equal(set.units[0].podman_begin, set.units[0].podman_end);
	for (size_t i = 1; i < 3; i++) {
		const struct unit *unit = &set.units[i];

		assert_int_equal(unit->podman_end, unit->podman_begin + 1);
		assert_string_equal(set.diags.items[unit->podman_begin].text,
				    i == 1 ? "Group without User" : "no Image named: write Image=");
	}
	unit_set_fini(&set);
}

static void an_empty_entry_point_counts(void **state)
{
	(void)state;
	assert_podman_words("Entrypoint=\n", " --entrypoint= ");
	assert_engine_words("Entrypoint=\n", " --entrypoint= ");
	assert_engine_words("Entrypoint=[\"/a\", \"b\"]\n", " --entrypoint=[\"/a\", \"b\"] ");
}

static void user_and_group_are_one_word(void **state)
{
	(void)state;
	assert_engine_words("User=1001\n", " --user 1001 ");
	assert_engine_words("User=1001\nGroup=7\n", " --user 1001:7 ");
	assert_complaint("Group=7\n", DIAG_ERROR, 4, 7, "Container.Group", "without User");
}

static void volumes_keep_their_words_and_relative_ones_start_at_the_unit(void **state)
{
	(void)state;
	assert_podman_words("Volume=%h/a:/b:Z\n", " -v %h/a:/b:Z ");
	assert_engine_words("Volume=%h/a:/b:Z\n", " -v /data/home/a:/b:Z ");
	assert_podman_words("Volume=./a/../c:/b\n", " -v /units/c:/b ");
	assert_podman_words("Volume=/b\n", " -v /b ");
	assert_podman_words("Volume=:/b\n", " -v /b ");
	assert_podman_words("Volume=a:/b:ro:x\n", " -v a:/b:ro:x ");
}

static void mounts_are_rewritten_with_their_type_first(void **state)
{
	(void)state;
	assert_podman_words("Mount=source=./a,type=bind,target=/b\n",
			    " --mount type=bind,source=/units/a,target=/b ");
	assert_podman_words("Mount=type=tmpfs,destination=/b\n",
			    " --mount type=tmpfs,destination=/b ");
	assert_podman_words("Mount=target=/b\n", " --mount type=volume,target=/b ");
	assert_podman_words("Mount='type=bind,src=/a,\"target=/b,c\"'\n",
			    " --mount type=bind,source=/a,\"target=/b,c\" ");
	assert_complaint("Mount=type=bind,target=/b\n", DIAG_ERROR, 4, 7, "Container.Mount",
			 "needs source=");
	assert_complaint("Mount=type=bind,source,target=/b\n", DIAG_ERROR, 4, 7, "Container.Mount",
			 "source without a value");
}

static void a_bad_mount_is_said_once_for_each_reason(void **state)
{
	struct unit_set set;

	(void)state;
	load_text(&set, FINE "Mount='type=bind,source=/a,\"x'\n");
	assert_diag(&set, DIAG_ERROR, 4, 7, "Container.Mount", "quote");
	assert_string_equal(set.units[0].service_text, "");
	unit_set_fini(&set);
}

static void notify_decides_the_readiness_words(void **state)
{
	(void)state;
	assert_podman_words("Notify=Healthy\n", " --sdnotify=healthy -d ");
	assert_engine_words("Notify=healthy\n", " --sdnotify=healthy ");
	assert_podman_words("Notify=yes\n", " --sdnotify=container -d ");
	assert_engine_words("Notify=yes\n", " --sdnotify=container ");
	assert_podman_words("[Service]\nType=oneshot\n", " --network host localhost/web:1 ");
}

static void devices_that_are_missing_are_skipped_when_marked(void **state)
{
	(void)state;
	assert_podman_words("AddDevice=/dev/null -/dev/zero:/dev/x -/dev/no-such-device\n",
			    " --device /dev/null --device /dev/zero:/dev/x ");
}

static void environment_files_are_found_beside_the_unit(void **state)
{
	(void)state;
	assert_engine_words("EnvironmentFile=a.env /b.env %t/c.env\n",
			    " --env-file /units/a.env --env-file /b.env --env-file /run/c.env ");
	assert_complaint("EnvironmentFile=-a.env\n", DIAG_ERROR, 4, 17, "Container.EnvironmentFile",
			 "leading -");
}

static void exposed_ports_have_to_end_in_a_port(void **state)
{
	(void)state;
	assert_podman_words("ExposeHostPort=80/tcp\nExposeHostPort=1-2\n",
			    " --expose 80/tcp --expose 1-2 ");
	assert_complaint("ExposeHostPort=http\n", DIAG_ERROR, 4, 16, "Container.ExposeHostPort",
			 "PORT");
}

static void old_remap_keys_become_newer_options_for_podman_only(void **state)
{
	(void)state;
	assert_podman_words("RemapUsers=manual\nRemapUid=0:1:2 3:4:5\nRemapGid=6:7:8\n",
			    " --uidmap 0:1:2 --uidmap 3:4:5 --gidmap 6:7:8 ");
	assert_podman_words("RemapUsers=keep-id\nRemapUid=5\n", " --userns keep-id:uid=5 ");
	assert_podman_words("RemapUsers=auto\nRemapUid=1:2:3\nRemapUidSize=9\n",
			    " --userns auto:uidmapping=1:2:3,size=9 ");
	assert_complaint("RemapUsers=keep-id\n", DIAG_ERROR, 4, 12, "Container.RemapUsers",
			 "UserNS=");
	assert_podman_words("VolatileTmp=true\n", " --tmpfs /tmp:rw,size=512M,mode=1777 ");
}

static void assert_refused_by_podman(const char *more, const char *message)
{
	struct unit_set set;
	char text[1024];
	bool is_said = false;

	snprintf(text, sizeof(text), FINE "%s", more);
	load_text(&set, text);
	assert_string_equal(set.units[0].service_text, "");
	assert_false(set.units[0].is_valid);
	for (size_t i = set.units[0].podman_begin; i < set.units[0].podman_end; i++)
		is_said |= strstr(set.diags.items[i].text, message) != NULL;
	if (!is_said)
		fail_msg("'%s' was not said of %s", message, more);
	unit_set_fini(&set);
}

static void what_podman_refuses_has_no_service(void **state)
{
	(void)state;
	assert_refused_by_podman("Imag=x\n", "unknown key: did you mean Image=?");
	assert_refused_by_podman("[Quadlet]\nX=y\n", "unknown key");
	assert_refused_by_podman("Rootfs=/x\n", "exclude each other");
	assert_refused_by_podman("Network=a.network\n", "there is no unit a.network");
	assert_refused_by_podman("Network=a.container:x\n", "takes no options");
	assert_refused_by_podman("Volume=a.volume:/x\n", "there is no unit a.volume");
	assert_refused_by_podman("Mount=type=image,source=a.image,target=/x\n",
				 "there is no unit a.image");
	assert_refused_by_podman("Image=a.build\n", "there is no unit a.build");
	assert_refused_by_podman("Pod=a\n", "no .pod unit");
	assert_refused_by_podman("Pod=a.pod\n", "there is no unit a.pod");
	assert_refused_by_podman("ReloadCmd=a\nReloadSignal=HUP\n", "exclude each other");
	assert_refused_by_podman("RemapUid=1:2:3\n", "without RemapUsers=");
	assert_refused_by_podman("RemapUsers=keep-id\nUserNS=host\n", "old Remap key");
	assert_refused_by_podman("RemapUsers=never\n", "neither manual");
	assert_refused_by_podman("RemapUsers=keep-id\nRemapUid=1 2\n", "one user id");
	assert_refused_by_podman("[Service]\nType=forking\n", "neither notify nor oneshot");
	assert_refused_by_podman("[Service]\nKillMode=process\n",
				 "neither mixed nor control-group");
	assert_refused_by_podman("[Unit]\nAfter=a.container\n", "there is no unit a.container");
	assert_refused_by_podman("[Unit]\nAfter=a.conta\"iner\"\n", "there is no unit a.container");
	assert_refused_by_podman("[Unit]\nWants=b.service x.y.a'.'volume\n",
				 "there is no unit x.y.a.volume");
}

static void a_service_name_that_is_none_writes_nothing(void **state)
{
	static const char *const bad[] = { "a b", "../a", "a/b", "\xc3\xa4" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct unit_set set;
		char text[256];

		snprintf(text, sizeof(text), FINE "ServiceName=%s\n", bad[i]);
		load_text(&set, text);
		assert_diag(&set, DIAG_ERROR, 4, 13, "Container.ServiceName",
			    "no name of a service");
		assert_string_equal(set.units[0].service_text, "");
		assert_string_equal(set.units[0].service_name, "web.service");
		unit_set_fini(&set);
	}
}

static void a_unit_without_an_image_points_at_its_section(void **state)
{
	struct unit_set set;

	(void)state;
	load_text(&set, "[Unit]\nDescription=x\n[Container]\nNetwork=host\n");
	assert_diag(&set, DIAG_ERROR, 3, 1, "Container.Image", "no Image named");
	unit_set_fini(&set);
	load_text(&set, "[Unit]\nDescription=x\n");
	assert_diag(&set, DIAG_ERROR, 1, 1, "Container.Image", "no Image named");
	unit_set_fini(&set);
}

static void assert_text(const char *text, const char *part)
{
	struct unit_set set;

	assert_has(load_text(&set, text)->service_text, part);
	unit_set_fini(&set);
}

static void empty_values_that_podman_passes_on(void **state)
{
	(void)state;
	assert_podman_words("LogDriver=\n", " --log-driver  ");
	assert_podman_words("SeccompProfile=\"\"\n", " --security-opt seccomp= ");
	assert_podman_words("HostName=\nTimezone=\"\"\n", " --cgroups=split --network ");
	assert_engine_words("LogDriver=\nSeccompProfile=\n", " systemd-web --network host local");
}

static void what_is_not_done_yet_has_words_all_the_same(void **state)
{
	struct unit_set set;
	char words[1024];

	(void)state;
	load_text(&set,
		  FINE "Secret=a,type=env\nDNS=192.0.2.1\nHttpProxy=false\nEnvironmentHost=1\n");
	assert_false(set.units[0].is_valid);
	join_words(&set.units[0].spec_args, words, sizeof(words));
	assert_has(words, " --secret a,type=env ");
	assert_has(words, " --dns 192.0.2.1 ");
	/* Noted and refused ones have none. */
	assert_has_not(words, "--http-proxy");
	assert_has_not(words, "--env-host");
	unit_set_fini(&set);
}

static void mounts_are_read_as_one_line_of_fields(void **state)
{
	(void)state;
	assert_podman_words("Mount='type=bind,source=/a,\"x\"\"y\",target=/b'\n",
			    " --mount type=bind,source=/a,\"x\"\"y\",target=/b ");
	assert_podman_words("Mount='type=bind, source=/a,source=/c,target=/b'\n",
			    " --mount type=bind,\" source=/a\",source=/c,target=/b ");
	assert_podman_words("Mount=type=devpts,source=./a,destination=/b\n",
			    " --mount type=devpts,source=./a,destination=/b ");
	assert_complaint("Mount='type=bind,source=/a,x\"y'\n", DIAG_ERROR, 4, 7, "Container.Mount",
			 "a quote");
	assert_complaint("Mount='type=bind,source=/a,\"x\"y'\n", DIAG_ERROR, 4, 7,
			 "Container.Mount", "a quote");
	assert_complaint("Mount='type=bind,source=/a,\"xy'\n", DIAG_ERROR, 4, 7, "Container.Mount",
			 "a quote");
	assert_complaint("Mount=type=bind\\nx,source=/a\n", DIAG_ERROR, 4, 7, "Container.Mount",
			 "a new line");
}

static void thousands_of_fields_take_no_square_of_memory(void **state)
{
	struct unit_set set;
	static char text[32 * 1024];
	size_t len = (size_t)snprintf(text, sizeof(text), FINE "Mount=type=bind,source=/a");

	(void)state;
	memset(text + len, ',', sizeof(text) - len - 2);
	text[sizeof(text) - 2] = '\n';
	load_text(&set, text);
	/* Two passes, a list of fields in each, which doubles while it grows. */
	if (set.work_bytes + set.arena.total_bytes > 256 * sizeof(text))
		fail_msg("%zu bytes for %zu", set.work_bytes, sizeof(text));
	unit_set_fini(&set);
}

static void global_options_stand_in_every_command(void **state)
{
	static const char *const starts[] = {
		"\nExecStart=/usr/bin/podman --module=/m --g x run ",
		"\nExecStop=/usr/bin/podman --module=/m --g x rm ",
		"\nExecStopPost=-/usr/bin/podman --module=/m --g x rm ",
		"\nExecReload=/usr/bin/podman --module=/m --g x exec "
	};

	(void)state;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		assert_text(FINE "ContainersConfModule=/m\nGlobalArgs=--g x\nReloadCmd=a \"b c\"\n",
			    starts[i]);
	assert_text(FINE "ReloadCmd=a \"b c\"\n",
		    "\nExecReload=/usr/bin/podman exec systemd-%N a \"b\\x20c\"\n");
	assert_text(FINE "ReloadSignal=HUP\nContainerName=x\n",
		    "\nExecReload=/usr/bin/podman kill --signal HUP x\n");
}

static void references_become_names_and_dependencies(void **state)
{
	struct unit_set set =
		LOAD({ "v.volume", "[Volume]\n" }, { "n.network", "[Network]\n" },
		     { "i.image", "[Image]\nImage=localhost/i\n" },
		     { "b.build", "[Build]\nImageTag=localhost/b\nFile=/x\n" },
		     { "c.build", "[Build]\nImageTag=i.image\nFile=/x\n" },
		     { "a.artifact", "[Artifact]\nArtifact=localhost/a\n" },
		     { "db.container", "[Container]\nImage=i.image\nContainerName=%N-1\n" },
		     { "web.container",
		       "[Container]\nImage=b.build\nNetwork=n.network:mac=1\nNetwork=db.container\n"
		       "Volume=v.volume:/v:ro,z\nVolume=a.artifact:/a\nVolume=i.image:/i\n"
		       "Mount=type=image,source=i.image,target=/m\n" },
		     { "x.container", "[Container]\nImage=c.build\n" });
	const char *text = find(&set, "web.container")->service_text;

	(void)state;
	assert_has(text, " --network systemd-n:mac=1 --network container:db-1 ");
	assert_has(text, " -v systemd-v:/v:ro,z -v localhost/a:/a -v i.image:/i ");
	assert_has(text, " --mount type=image,source=localhost/i,target=/m localhost/b\n");
	assert_has(text, "\nRequires=b-build.service\nAfter=b-build.service\n"
			 "Requires=n-network.service\nAfter=n-network.service\n"
			 "Requires=db.service\nAfter=db.service\n"
			 "Requires=v-volume.service\nAfter=v-volume.service\n"
			 "Requires=a-artifact.service\nAfter=a-artifact.service\n"
			 "Requires=i-image.service\nAfter=i-image.service\n");
	assert_has(find(&set, "db.container")->service_text, " -d localhost/i\n");
	/* A tag that looks like a unit is looked up, too. */
	assert_has(find(&set, "x.container")->service_text, " -d localhost/i\n");
	assert_has(find(&set, "x.container")->service_text, "\nRequires=i-image.service\n");
	assert_int_equal(find(&set, "web.container")->ref_count, 6);
	unit_set_fini(&set);
}

static void a_refused_unit_has_no_name_but_some_are_known_before(void **state)
{
	struct unit_set set =
		LOAD({ "v.volume", "[Volume]\nX=\n" }, { "n.network", "[Network]\nX=\n" },
		     { "i.image", "[Image]\nImage=a\nX=\n" },
		     { "db.container", "[Container]\nImage=localhost/a\nX=\n" },
		     { "t@.container", "[Container]\nImage=localhost/a\n" },
		     { "a.container", "[Container]\nImage=localhost/a\nVolume=v.volume:/v:ro\n" },
		     { "b.container", "[Container]\nImage=localhost/a\nNetwork=n.network\n" },
		     { "c.container", "[Container]\nImage=i.image\n" },
		     { "d.container", "[Container]\nImage=localhost/a\nNetwork=db.container\n" },
		     { "e.container", "[Container]\nImage=localhost/a\nNetwork=t@.container\n" });

	(void)state;
	assert_has(find(&set, "a.container")->service_text, " -v /v localhost/a\n");
	assert_string_equal(find(&set, "b.container")->service_text, "");
	assert_has(find(&set, "c.container")->service_text, " --rootfs \n");
	assert_has(find(&set, "d.container")->service_text, " --network container:systemd-db ");
	assert_string_equal(find(&set, "e.container")->service_text, "");
	for (size_t i = 0; i < set.count; i++)
		assert_true(!set.units[i].is_valid || set.units[i].is_template);
	assert_has(find(&set, "a.container")->error_text, "v.volume has errors");
	unit_set_fini(&set);
}

static void assert_links(const char *name, const char *install, const char *links)
{
	struct unit_set set = { 0 };
	struct err err;
	char text[256];

	snprintf(text, sizeof(text), FINE "[Install]\n%s", install);
	assert_int_equal(unit_set_load_text(&set, name, "/units/web", text, strlen(text),
					    &test_facts, &err),
			 0);
	assert_string_equal(find(&set, name)->symlink_text, links);
	unit_set_fini(&set);
}

static void links_stay_below_their_folder(void **state)
{
	(void)state;
	assert_links("web.container", "Alias=a.service ./b.service c//d.service e/../f.service\n",
		     "---symlink a.service -> web.service---\n"
		     "---symlink b.service -> web.service---\n"
		     "---symlink c/d.service -> ../web.service---\n"
		     "---symlink f.service -> web.service---\n");
	assert_links("web.container", "Alias=/a ../a a/../../b .. . a/..\n", "");
	assert_links("web.container", "WantedBy=../a a/b\nRequiredBy=c\nUpheldBy=d\n",
		     "---symlink c.requires/web.service -> ../web.service---\n"
		     "---symlink d.upholds/web.service -> ../web.service---\n");
	assert_links("web@.container", "WantedBy=a\n", "");
	assert_links("web@.container", "WantedBy=a\nDefaultInstance=\n",
		     "---symlink a.wants/web@.service -> ../web@.service---\n");
	assert_links("web@.container", "WantedBy=a\nDefaultInstance=i\n",
		     "---symlink a.wants/web@i.service -> ../web@.service---\n");
}

static void a_group_that_the_service_has_already_is_added_to(void **state)
{
	(void)state;
	assert_text("[X-Container]\nA=b\n" FINE, "[X-Container]\nA=b\nImage=localhost/web:1\n");
	assert_text("[Quadlet]\nDefaultDependencies=off\n" FINE "[Unit]\nDescription=x\n",
		    "[Unit]\nDescription=x\nSourcePath=");
	assert_text("[Quadlet]\nDefaultDependencies=nonsense\n" FINE,
		    "[X-Quadlet]\nDefaultDependencies=nonsense\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_skeleton_is_podmans),
		cmocka_unit_test(words_know_the_line_and_column_that_asked_for_them),
		cmocka_unit_test(what_the_service_text_says_otherwise_stays_in_the_unit),
		cmocka_unit_test(what_podman_refuses_too_is_known_of_each_unit),
		cmocka_unit_test(an_empty_entry_point_counts),
		cmocka_unit_test(user_and_group_are_one_word),
		cmocka_unit_test(volumes_keep_their_words_and_relative_ones_start_at_the_unit),
		cmocka_unit_test(mounts_are_rewritten_with_their_type_first),
		cmocka_unit_test(a_bad_mount_is_said_once_for_each_reason),
		cmocka_unit_test(notify_decides_the_readiness_words),
		cmocka_unit_test(devices_that_are_missing_are_skipped_when_marked),
		cmocka_unit_test(environment_files_are_found_beside_the_unit),
		cmocka_unit_test(exposed_ports_have_to_end_in_a_port),
		cmocka_unit_test(old_remap_keys_become_newer_options_for_podman_only),
		cmocka_unit_test(what_podman_refuses_has_no_service),
		cmocka_unit_test(a_unit_without_an_image_points_at_its_section),
		cmocka_unit_test(a_service_name_that_is_none_writes_nothing),
		cmocka_unit_test(empty_values_that_podman_passes_on),
		cmocka_unit_test(what_is_not_done_yet_has_words_all_the_same),
		cmocka_unit_test(mounts_are_read_as_one_line_of_fields),
		cmocka_unit_test(thousands_of_fields_take_no_square_of_memory),
		cmocka_unit_test(global_options_stand_in_every_command),
		cmocka_unit_test(references_become_names_and_dependencies),
		cmocka_unit_test(a_refused_unit_has_no_name_but_some_are_known_before),
		cmocka_unit_test(links_stay_below_their_folder),
		cmocka_unit_test(a_group_that_the_service_has_already_is_added_to),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
