/* SPDX-License-Identifier: Apache-2.0 */
/* .pod and .kube units: names, words, service text, members, and what is refused. */
#include "unit_folder.h"

#include "unit/keys.h"

/* A unit of its own, whose service text has to hold the part. */
static void assert_text(const char *name, const char *text, const char *part)
{
	struct unit_set set = { 0 };

	load_named(&set, name, text);
	assert_has(set.units[0].service_text, part);
	unit_set_fini(&set);
}

/* podman refuses the unit, too, and says so. */
static void assert_refused(const char *name, const char *text, const char *message)
{
	struct unit_set set = { 0 };
	bool is_said = false;

	load_named(&set, name, text);
	assert_string_equal(set.units[0].service_text, "");
	for (size_t i = set.units[0].podman_begin; i < set.units[0].podman_end; i++)
		is_said |= strstr(set.diags.items[i].text, message) != NULL;
	if (!is_said)
		fail_msg("'%s' was not said of %s", message, text);
	unit_set_fini(&set);
}

static size_t count_rows(const char *section)
{
	size_t count = 0;

	for (size_t i = 0; i < key_count(); i++) {
		const struct key *key = key_at(i);

		if (!str_eq(key->section, section))
			continue;
		count++;
		if (!key->help[0] || !key->example[0] ||
		    (key->state != KEY_ACTED && !key->reason[0]))
			fail_msg("[%s] %s= lacks help, example or reason", section, key->name);
	}
	return count;
}

static void every_key_has_a_row(void **state)
{
	(void)state;
	assert_int_equal(count_rows("Container"), 94);
	assert_int_equal(count_rows("Pod"), 29);
	assert_int_equal(count_rows("Kube"), 19);
	assert_int_equal(count_rows("Quadlet"), 1);
}

static void a_pod_becomes_the_service_that_podman_writes(void **state)
{
	struct unit_set set = { 0 };

	(void)state;
	load_named(&set, "web.pod", "[Pod]\nPublishPort=80:80\n[Install]\nWantedBy=a.target\n");
	assert_string_equal(
		set.units[0].service_text,
		"[X-Pod]\nPublishPort=80:80\n\n[Install]\nWantedBy=a.target\n\n"
		"[Unit]\nWants=network-online.target\nAfter=network-online.target\n"
		"SourcePath=/units/web.pod\nRequiresMountsFor=%t/containers\n\n"
		"[Service]\nSyslogIdentifier=%N\nExecStart=/usr/bin/podman pod start systemd-web\n"
		"ExecStop=/usr/bin/podman pod stop --ignore --time=10 systemd-web\n"
		"ExecStopPost=/usr/bin/podman pod rm --ignore --force systemd-web\n"
		"ExecStartPre=/usr/bin/podman pod create --infra-conmon-pidfile=%t/%N.pid --replace "
		"--infra-name systemd-web-infra --name systemd-web --exit-policy stop --publish 80:80\n"
		"Environment=PODMAN_SYSTEMD_UNIT=%n\nType=forking\nRestart=on-failure\n"
		"PIDFile=%t/%N.pid\n");
	assert_string_equal(set.units[0].symlink_text,
			    "---symlink a.target.wants/web-pod.service -> ../web-pod.service---\n");
	assert_string_equal(set.units[0].service_name, "web-pod.service");
	assert_string_equal(set.units[0].resource_name, "systemd-web");
	unit_set_fini(&set);
}

static void pods_are_named_after_their_file_at_sign_included(void **state)
{
	static const struct {
		const char *file, *text, *resource, *service;
	} rows[] = {
		{ "foo@.pod", "[Pod]\n", "systemd-foo@", "foo-pod@.service" },
		{ "foo@bar.pod", "[Pod]\n", "systemd-foo@bar", "foo@bar-pod.service" },
		{ "a.b.pod", "[Pod]\n", "systemd-a.b", "a.b-pod.service" },
		{ "x.pod", "[Pod]\nPodName=y z\n", "y z", "x-pod.service" },
		{ "x.pod", "[Pod]\nPodName=\"\"\nServiceName=s\n", "systemd-x", "s.service" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct unit_set set = { 0 };

		load_named(&set, rows[i].file, rows[i].text);
		assert_string_equal(set.units[0].resource_name, rows[i].resource);
		assert_string_equal(set.units[0].service_name, rows[i].service);
		unit_set_fini(&set);
	}
	assert_text("x.pod", "[Pod]\nPodName=y z\n",
		    "--infra-name \"y\\x20z-infra\" --name \"y\\x20z\"");
	assert_text("x.pod", "[Pod]\nPodName=y z\n", "pod start \"y\\x20z\"\n");
}

static void keys_of_pods_become_words_for_both(void **state)
{
	static const struct {
		const char *lines, *words;
	} rows[] = {
		{ "ExitPolicy=continue", " --exit-policy continue " },
		{ "UserNS=keep-id", " --userns keep-id " },
		{ "UIDMap=0:1:2 3:4:5", " --uidmap 0:1:2 --uidmap 3:4:5 " },
		{ "GIDMap=0:1:2", " --gidmap 0:1:2 " },
		{ "SubUIDMap=a\nSubGIDMap=b", " --subuidname a --subgidname b " },
		{ "Label=b=1 a", " --label a --label b=1 " },
		{ "Network=host\nNetwork=x:y", " --network host --network x:y " },
		{ "IP=192.0.2.1\nIP6=fd00::1", " --ip 192.0.2.1 --ip6 fd00::1 " },
		{ "ShmSize=1m", " --shm-size 1m " },
		{ "NetworkAlias=a\nDNS=b", " --network-alias a --dns b " },
		{ "DNSOption=a\nDNSSearch=b", " --dns-option a --dns-search b " },
		{ "AddHost=a:1", " --add-host a:1 " },
		{ "HostName=a\nHostName=b", " --hostname a --hostname b " },
		{ "Volume=/a:/b:ro\nVolume=./c:/d", " -v /a:/b:ro -v /units/c:/d " },
		{ "PodmanArgs=--x \"a b\"", " --x a b " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct unit_set set = { 0 };
		char text[256], words[1024];

		snprintf(text, sizeof(text), "[Pod]\n%s\n", rows[i].lines);
		load_named(&set, "web.pod", text);
		assert_has(join_words(&set.units[0].run_args, words, sizeof(words)), rows[i].words);
		assert_has(join_words(&set.units[0].spec_args, words, sizeof(words)),
			   rows[i].words);
		unit_set_fini(&set);
	}
}

static void the_engine_gets_no_words_that_only_podman_needs(void **state)
{
	struct unit_set set = { 0 };
	char words[1024];

	(void)state;
	load_named(&set, "web.pod", "[Pod]\nExitPolicy=\n");
	assert_string_equal(join_words(&set.units[0].spec_args, words, sizeof(words)),
			    " --name systemd-web ");
	unit_set_fini(&set);
}

static void the_engine_has_words_and_a_policy_for_a_pod(void **state)
{
	struct unit_set set = { 0 };
	char words[1024];

	(void)state;
	load_named(&set, "web.pod",
		   "[Pod]\nPublishPort=80:80\nNetwork=host\nStopTimeout=7\nExitPolicy=continue\n");
	assert_true(set.units[0].is_valid);
	assert_int_equal(set.diags.count, 0);
	/* podman has the time in ExecStop= */
	assert_string_equal(
		join_words(&set.units[0].spec_args, words, sizeof(words)),
		" --name systemd-web --exit-policy continue --publish 80:80 --network host --stop-timeout 7 ");
	assert_has_not(set.units[0].service_text, "--stop-timeout");
	assert_int_equal(set.units[0].service.restart, SERVICE_RESTART_ON_FAILURE);
	unit_set_fini(&set);
	load_named(&set, "web.pod", "[Pod]\n[Service]\nRestart=no\n");
	assert_int_equal(set.units[0].service.restart, SERVICE_RESTART_NO);
	unit_set_fini(&set);
	load_named(&set, "web.pod", "[Pod]\nUIDMap=0:1:2\n");
	assert_diag(&set, DIAG_ERROR, 2, 8, "Pod.UIDMap", "only the appliance's own id map");
	unit_set_fini(&set);
}

/* The container's name comes before that of its pod, the pod's before that of its volume. */
static void what_a_pod_cannot_have_its_containers_cannot_have(void **state)
{
	struct unit_set set =
		LOAD({ "web.pod", "[Pod]\nVolume=z.volume:/x\n" },
		     { "a.container", "[Container]\nImage=localhost/a\nPod=web.pod\n" },
		     { "z.volume", "[Volume]\nNoSuchKey=1\n" });

	(void)state;
	assert_false(find(&set, "web.pod")->is_valid);
	assert_false(find(&set, "a.container")->is_valid);
	assert_has(find(&set, "a.container")->error_text, "Container.Pod: web.pod has errors");
	unit_set_fini(&set);
}

static void empty_policies_and_times_go_to_podman_as_they_are(void **state)
{
	(void)state;
	assert_text("a.pod", "[Pod]\nExitPolicy=\nLabel=x\n", " --exit-policy  --label x");
	assert_text("a.pod", "[Pod]\nStopTimeout=5\n", "pod stop --ignore --time=5 systemd-a\n");
	assert_text("a.pod", "[Pod]\nStopTimeout=\n", "pod stop --ignore --time= systemd-a\n");
	assert_text("a.pod", "[Pod]\nStopTimeout=a b\n", " \"--time=a\\x20b\" ");
}

static void what_service_says_of_a_pod_stays(void **state)
{
	struct unit_set set = { 0 };
	const char *text;

	(void)state;
	load_named(&set, "a.pod",
		   "[Pod]\n[Service]\nRestart=no\nEnvironment=A=b\nType=oneshot\nPIDFile=/x\n"
		   "SyslogIdentifier=s\nExecStartPre=/bin/true\n");
	text = set.units[0].service_text;
	assert_has(text, "\nRestart=no\n");
	assert_has_not(text, "on-failure");
	assert_has(text, "\nEnvironment=A=b\n");
	assert_has(text, "\nEnvironment=PODMAN_SYSTEMD_UNIT=%n\n");
	assert_has(text, "\nSyslogIdentifier=s\n");
	assert_has(text, "\nExecStartPre=/bin/true\n");
	/* These two podman needs. */
	assert_has(text, "\nType=forking\n");
	assert_has(text, "\nPIDFile=%t/%N.pid\n");
	assert_has_not(text, "oneshot");
	unit_set_fini(&set);
}

static void global_options_stand_in_every_command_of_a_pod(void **state)
{
	static const char *const commands[] = { "start", "stop", "rm", "create" };

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		char part[64];

		snprintf(part, sizeof(part), "=/usr/bin/podman --module=/m --g \"a\\x20b\" pod %s ",
			 commands[i]);
		assert_text("a.pod", "[Pod]\nContainersConfModule=/m\nGlobalArgs=--g \"a b\"\n",
			    part);
	}
}

static void a_pod_wants_its_containers_and_comes_before_them(void **state)
{
	struct unit_set set = LOAD(
		{ "web.pod", "[Pod]\n" },
		{ "a.container", "[Container]\nImage=localhost/a\nPod=web.pod\n" },
		{ "b.container", "[Container]\nImage=localhost/a\nPod=web.pod\nStartWithPod=no\n" },
		{ "c.container", "[Container]\nImage=localhost/a\nPod=web.pod\nServiceName=d\n" },
		{ "t@.container", "[Container]\nImage=localhost/a\nPod=web.pod\n" },
		{ "x.container", "[Container]\nImage=localhost/a\nPod=web.pod\nNoSuchKey=1\n" },
		{ "y.container",
		  "[Container]\nImage=localhost/a\nPod=web.pod\n[Service]\nKillMode=none\n" });
	const char *text = find(&set, "web.pod")->service_text;

	(void)state;
	assert_has(text,
		   "\nWants=a.service\nBefore=a.service\nWants=d.service\nBefore=d.service\n");
	assert_has_not(text, "b.service");
	assert_has_not(text, "t@");
	assert_has_not(text, "x.service");
	assert_has_not(text, "y.service");
	for (size_t i = 0; i < set.count; i++) {
		text = set.units[i].service_text;
		if (!text[0] || set.units[i].kind != UNIT_CONTAINER)
			continue;
		assert_has(text, "\nBindsTo=web-pod.service\nAfter=web-pod.service\n");
		assert_has(text, " --pod systemd-web ");
	}
	unit_set_fini(&set);
}

static void assert_dep(const struct unit *unit, enum service_dep_kind kind, const char *target,
		       const char *file, unsigned line)
{
	for (size_t i = 0; i < unit->service.dep_count; i++) {
		const struct service_dep *dep = &unit->service.deps[i];

		if (dep->kind == kind && str_eq(dep->target, target)) {
			if (dep->origin->line != line || !str_ends(dep->origin->file, file))
				fail_msg("%s comes from %s:%u", target, dep->origin->file,
					 dep->origin->line);
			return;
		}
	}
	fail_msg("%s has no dependency %d on %s", unit->name, (int)kind, target);
}

static bool has_dep_on(const struct unit *unit, const char *target)
{
	for (size_t i = 0; i < unit->service.dep_count; i++)
		if (str_eq(unit->service.deps[i].target, target))
			return true;
	return false;
}

static void the_engine_knows_both_ends_of_a_membership(void **state)
{
	struct unit_set set = LOAD(
		{ "web.pod", "[Pod]\nNetwork=n.network\nVolume=v.volume:/x\n" },
		{ "a.container", "[Container]\nImage=localhost/a\nNetwork=host\nPod=web.pod\n" },
		{ "z.container", "[Container]\nImage=localhost/a\nPod=web.pod\nStartWithPod=0\n" },
		{ "n.network", "[Network]\n" }, { "v.volume", "[Volume]\n" });
	const struct unit *a = find(&set, "a.container"), *pod = find(&set, "web.pod");

	(void)state;
	assert_dep(a, SERVICE_DEP_BINDS_TO, "web-pod.service", "/a.container", 4);
	assert_dep(a, SERVICE_DEP_AFTER, "web-pod.service", "/a.container", 4);
	assert_dep(pod, SERVICE_DEP_WANTS, "a.service", "/a.container", 4);
	assert_dep(pod, SERVICE_DEP_BEFORE, "a.service", "/a.container", 4);
	assert_true(has_dep_on(find(&set, "z.container"), "web-pod.service"));
	assert_false(has_dep_on(pod, "z.service"));
	assert_int_equal(a->ref_count, 1);
	assert_int_equal(a->refs[0].kind, UNIT_POD);
	assert_string_equal(a->refs[0].file, "web.pod");
	assert_string_equal(a->refs[0].resource, "systemd-web");
	assert_dep(pod, SERVICE_DEP_REQUIRES, "n-network.service", "/web.pod", 2);
	assert_dep(pod, SERVICE_DEP_AFTER, "v-volume.service", "/web.pod", 3);
	assert_int_equal(pod->ref_count, 2);
	unit_set_fini(&set);
}

static void a_pod_can_have_the_name_of_its_container(void **state)
{
	struct unit_set set =
		LOAD({ "web.pod", "[Pod]\n" },
		     { "web.container", "[Container]\nImage=localhost/a\nPod=%N.pod\n" },
		     { "b.container", "[Container]\nImage=localhost/a\nPod=%n.pod\n" });

	(void)state;
	assert_has(find(&set, "web.container")->service_text, " --pod systemd-web ");
	assert_has(find(&set, "web.pod")->service_text, "\nWants=web.service\n");
	assert_string_equal(find(&set, "b.container")->service_text, "");
	unit_set_fini(&set);
}

static void a_pod_that_podman_refuses_still_has_its_name(void **state)
{
	struct unit_set set =
		LOAD({ "web.pod", "[Pod]\nNoSuchKey=1\n" },
		     { "a.container", "[Container]\nImage=localhost/a\nPod=web.pod\n" });

	(void)state;
	assert_string_equal(find(&set, "web.pod")->service_text, "");
	assert_has(find(&set, "a.container")->service_text, " --pod systemd-web ");
	unit_set_fini(&set);
}

static void what_podman_refuses_of_a_pod(void **state)
{
	(void)state;
	assert_refused("a.pod", "[Pod]\nImage=x\n", "unknown key");
	assert_refused("a.pod", "[Pod]\nNetwork=n.network\n", "there is no unit n.network");
	assert_refused("a.pod", "[Pod]\nVolume=v.volume:/x\n", "there is no unit v.volume");
	assert_refused("a.pod", "[Pod]\nUserNS=host\nRemapUsers=keep-id\n", "old Remap key");
	assert_refused("a.pod", "[Pod]\nUIDMap=1:2:3\nRemapUid=\n", "old Remap key");
	assert_refused("a.pod", "[Pod]\nRemapGid=1\n", "without RemapUsers=");
	assert_refused("a.pod", "[Pod]\nRemapUsers=\"auto\"\n", "neither manual");
	assert_refused("a.pod", "[Unit]\nAfter=b.kube\n", "there is no unit b.kube");
}

static void a_kube_unit_becomes_the_service_that_podman_writes(void **state)
{
	struct unit_set set = { 0 };

	(void)state;
	load_named(&set, "k.kube", "[Kube]\nYaml=a.yaml\nSetWorkingDirectory=yaml\n");
	assert_string_equal(
		set.units[0].service_text,
		"[X-Kube]\nYaml=a.yaml\nSetWorkingDirectory=yaml\n\n"
		"[Unit]\nWants=network-online.target\nAfter=network-online.target\n"
		"SourcePath=/units/k.kube\nRequiresMountsFor=%t/containers\n\n"
		"[Service]\nKillMode=mixed\nEnvironment=PODMAN_SYSTEMD_UNIT=%n\n"
		"Type=notify\nNotifyAccess=all\nSyslogIdentifier=%N\n"
		"ExecStart=/usr/bin/podman kube play --replace --service-container=true /units/a.yaml\n"
		"ExecStopPost=/usr/bin/podman kube down /units/a.yaml\n"
		"WorkingDirectory=/units\n");
	assert_string_equal(set.units[0].service_name, "k.service");
	assert_string_equal(set.units[0].resource_name, "");
	assert_false(set.units[0].is_valid);
	unit_set_fini(&set);
}

static void keys_of_kube_units_become_words(void **state)
{
	static const struct {
		const char *lines, *part;
	} rows[] = {
		{ "Yaml=/b %h/c \"d e\"", " /units/a /b %h/c \"/units/d\\x20e\"\n" },
		{ "ExitCodePropagation=all", " --service-exit-code-propagation=all " },
		{ "LogDriver=x\nLogOpt=a b", " --log-driver x --log-opt a --log-opt b " },
		{ "UserNS=keep-id:uid=5", " --userns keep-id:uid=5 " },
		{ "RemapUsers=auto\nRemapUid=1:2:3\nRemapUidSize=0x10",
		  " --userns auto:uidmapping=1:2:3,size=16 " },
		{ "Network=host", " --network host " },
		{ "AutoUpdate=registry a/local b/c/d",
		  " --annotation=io.containers.autoupdate=registry "
		  "--annotation=io.containers.autoupdate/a=local "
		  "--annotation=io.containers.autoupdate/b=c/d " },
		{ "ConfigMap=/a ../b %h/c", " --configmap /a --configmap /b --configmap %h/c " },
		{ "PublishPort=80:80", " --publish 80:80 " },
		{ "PodmanArgs=--x y", " --x y /units/a\n" },
		{ "KubeDownForce=true", "kube down --force /units/a\n" },
		{ "KubeDownForce=0", "kube down --force=false /units/a\n" },
		{ "ContainersConfModule=/m\nGlobalArgs=--g", "podman --module=/m --g kube down " },
		{ "ContainersConfModule=/m\nGlobalArgs=--g", "podman --module=/m --g kube play " },
		{ "[Service]\nType=oneshot", "\nType=oneshot\n" },
		{ "[Service]\nKillMode=control-group", "\nKillMode=control-group\n" },
		{ "[Service]\nSyslogIdentifier=x", "\nSyslogIdentifier=x\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[256];

		snprintf(text, sizeof(text), "[Kube]\nYaml=a\n%s\n", rows[i].lines);
		assert_text("k.kube", text, rows[i].part);
	}
	assert_text("k.kube", "[Kube]\nYaml=a\nYaml=\nYaml=b\n", "=true /units/b\n");
}

static void kube_units_run_where_they_say(void **state)
{
	static const struct {
		const char *lines, *folder;
	} rows[] = {
		{ "Yaml=sub/a\nSetWorkingDirectory=YAML", "/units/sub" },
		{ "Yaml=%h/a\nSetWorkingDirectory=yaml", "%h" },
		{ "Yaml=/a\nSetWorkingDirectory=yaml", "/" },
		{ "Yaml=/a/../b//c\nSetWorkingDirectory=yaml", "/b" },
		{ "Yaml=%h/a/../b\nSetWorkingDirectory=yaml", "%h" },
		{ "Yaml=%h/../b\nSetWorkingDirectory=yaml", "." },
		{ "Yaml=%t\nSetWorkingDirectory=yaml", "." },
		{ "Yaml=/a/b\nSetWorkingDirectory=Unit", "/units" },
		{ "Yaml=a b\nSetWorkingDirectory=unit", "/units" },
		{ "Yaml=a\nSetWorkingDirectory=unit\n[Service]\nWorkingDirectory=/w", "/w" },
		{ "Yaml=a\nSetWorkingDirectory=unit\n[Service]\nWorkingDirectory=", "/units" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct unit_set set = { 0 };
		char text[256], line[64];

		snprintf(text, sizeof(text), "[Kube]\n%s\n", rows[i].lines);
		snprintf(line, sizeof(line), "\nWorkingDirectory=%s\n", rows[i].folder);
		load_named(&set, "k.kube", text);
		assert_has(set.units[0].service_text, line);
		unit_set_fini(&set);
	}
}

static void what_podman_refuses_of_a_kube_unit(void **state)
{
	(void)state;
	assert_refused("k.kube", "[Kube]\n", "no Yaml file named");
	assert_refused("k.kube", "[Kube]\nYaml=\"\" a\n", "no Yaml file named");
	assert_refused("k.kube", "[Kube]\nYaml=a\nSetWorkingDirectory=/x\n",
		       "neither yaml nor unit");
	assert_refused("k.kube", "[Kube]\nYaml=a\nSetWorkingDirectory=file\n",
		       "neither yaml nor unit");
	assert_refused("k.kube", "[Kube]\nYaml=a b\nSetWorkingDirectory=yaml\n",
		       "one Yaml file: there are 2");
	assert_refused("k.kube", "[Kube]\nYaml=a\nRemapUsers=manual\n", "manual is not supported");
	assert_refused("k.kube", "[Kube]\nYaml=a\nNetwork=n.network\n",
		       "there is no unit n.network");
	assert_refused("k.kube", "[Kube]\nYaml=a\nVolume=/a:/b\n", "unknown key");
	assert_refused("k.kube", "[Kube]\nYaml=a\n[Service]\nType=simple\n",
		       "neither notify nor oneshot");
	assert_refused("k.kube", "[Kube]\nYaml=a\n[Service]\nKillMode=none\n",
		       "neither mixed nor control-group");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_has_a_row),
		cmocka_unit_test(a_pod_becomes_the_service_that_podman_writes),
		cmocka_unit_test(pods_are_named_after_their_file_at_sign_included),
		cmocka_unit_test(keys_of_pods_become_words_for_both),
		cmocka_unit_test(the_engine_gets_no_words_that_only_podman_needs),
		cmocka_unit_test(the_engine_has_words_and_a_policy_for_a_pod),
		cmocka_unit_test(what_a_pod_cannot_have_its_containers_cannot_have),
		cmocka_unit_test(empty_policies_and_times_go_to_podman_as_they_are),
		cmocka_unit_test(what_service_says_of_a_pod_stays),
		cmocka_unit_test(global_options_stand_in_every_command_of_a_pod),
		cmocka_unit_test(a_pod_wants_its_containers_and_comes_before_them),
		cmocka_unit_test(the_engine_knows_both_ends_of_a_membership),
		cmocka_unit_test(a_pod_can_have_the_name_of_its_container),
		cmocka_unit_test(a_pod_that_podman_refuses_still_has_its_name),
		cmocka_unit_test(what_podman_refuses_of_a_pod),
		cmocka_unit_test(a_kube_unit_becomes_the_service_that_podman_writes),
		cmocka_unit_test(keys_of_kube_units_become_words),
		cmocka_unit_test(kube_units_run_where_they_say),
		cmocka_unit_test(what_podman_refuses_of_a_kube_unit),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
