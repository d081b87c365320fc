/* SPDX-License-Identifier: Apache-2.0 */
/* .volume, .network, .image, .artifact and .build units: words, service text, names, judgement. */
#include "unit_fixture.h"

#include <fcntl.h>
#include <unistd.h>

#include "temp_folder.h"
#include "unit/keys.h"
#include "util/file.h"

/* What each kind cannot do without. */
static const struct {
	const char *section, *name, *base;
	size_t key_count; /* podman-systemd.unit(5), version 6 */
} kinds[] = {
	{ "Volume", "data.volume", "[Volume]\n", 16 },
	{ "Network", "back.network", "[Network]\n", 18 },
	{ "Image", "site.image", "[Image]\nImage=quay.io/e/site:1\n", 18 },
	{ "Build", "site.build", "[Build]\nImageTag=localhost/site:1\nFile=/src/Containerfile\n",
	  28 },
	{ "Artifact", "model.artifact", "[Artifact]\nArtifact=quay.io/e/model:1\n", 13 },
};

#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

static const char *base_of(const char *section)
{
	for (size_t i = 0; i < KIND_COUNT; i++)
		if (str_eq(kinds[i].section, section))
			return kinds[i].base;
	return NULL;
}

static const char *name_of(const char *section)
{
	for (size_t i = 0; i < KIND_COUNT; i++)
		if (str_eq(kinds[i].section, section))
			return kinds[i].name;
	fail_msg("no kind %s", section);
	return "";
}

static const struct diag *find_diag(const struct unit_set *set, enum diag_severity severity,
				    const char *key)
{
	for (size_t i = 0; i < set->diags.count; i++)
		if (set->diags.items[i].severity == severity &&
		    str_eq(set->diags.items[i].key, key))
			return &set->diags.items[i];
	return NULL;
}

/* Loads a kind's base with more behind it. */
static void load_kind(struct unit_set *set, const char *section, const char *more)
{
	char text[8192];

	snprintf(text, sizeof(text), "%s%s", base_of(section), more);
	*set = (struct unit_set){ 0 };
	load_named(set, name_of(section), text);
}

static void assert_words(const char *section, const char *more, const char *podman,
			 const char *engine)
{
	struct unit_set set;
	char words[8192];

	load_kind(&set, section, more);
	join_words(&set.units[0].run_args, words, sizeof(words));
	if (!strstr(words, podman))
		fail_msg("podman's words:%s; expected:%s", words, podman);
	if (!set.units[0].service_text[0])
		fail_msg("no service: %s", set.units[0].error_text);
	join_words(&set.units[0].spec_args, words, sizeof(words));
	if (!strstr(words, engine))
		fail_msg("engine's words:%s; expected:%s", words, engine);
	unit_set_fini(&set);
}

/* podman's generator refuses it. */
static void assert_failure(const char *section, const char *more, const char *key, const char *text)
{
	struct unit_set set;
	const struct diag *d = NULL;

	load_kind(&set, section, more);
	for (size_t i = set.units[0].podman_begin; i < set.units[0].podman_end; i++)
		if (str_eq(set.diags.items[i].key, key))
			d = &set.diags.items[i];
	if (!d || !strstr(d->text, text))
		fail_msg("%s: said: %s; expected: %s: %s", more, d ? d->text : "nothing", key,
			 text);
	assert_string_equal(set.units[0].service_text, "");
	assert_false(set.units[0].is_valid);
	unit_set_fini(&set);
}

/* Only the engine refuses it. */
static void assert_refusal(const char *section, const char *more, const char *key, const char *text)
{
	struct unit_set set;
	const struct diag *d;

	load_kind(&set, section, more);
	d = find_diag(&set, DIAG_ERROR, key);
	if (!d || !strstr(d->text, text))
		fail_msg("%s: said: %s; expected: %s: %s", more, d ? d->text : "nothing", key,
			 text);
	if (!set.units[0].service_text[0])
		fail_msg("%s: no service", more);
	unit_set_fini(&set);
}

/* Nothing but that the kind is not run in this version, and notes. */
static void assert_fine(const char *section, const char *more)
{
	struct unit_set set;

	load_kind(&set, section, more);
	for (size_t i = 0; i < set.diags.count; i++) {
		const struct diag *d = &set.diags.items[i];

		if (d->severity != DIAG_NOTE && !str_eq(d->key, section) &&
		    !strstr(d->text, "in this version"))
			fail_msg("%s: %s: %s", more, d->key, d->text);
	}
	assert_true(set.units[0].service_text[0]);
	unit_set_fini(&set);
}

static void every_key_of_podmans_manual_has_a_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < KIND_COUNT; i++) {
		size_t count = 0;

		for (size_t k = 0; k < key_count(); k++)
			count += str_eq(key_at(k)->section, kinds[i].section);
		if (count != kinds[i].key_count)
			fail_msg("[%s] has %zu rows", kinds[i].section, count);
	}
}

/* What an example needs beside it, and rows whose state alone refuses every value. */
static const char *company_of(const struct key *key)
{
	static const char *const needs[][3] = {
		{ "Volume", "Image", "Driver=image\n" },
		{ "Volume", "Type", "Device=/dev/sda1\n" },
		{ "Volume", "Options", "Device=/dev/sda1\n" },
		{ "Network", "Gateway", "Subnet=10.89.1.0/24\n" },
		{ "Network", "IPRange", "Subnet=10.89.1.0/24\n" },
	};

	for (size_t i = 0; i < sizeof(needs) / sizeof(needs[0]); i++)
		if (str_eq(key->section, needs[i][0]) && str_eq(key->name, needs[i][1]))
			return needs[i][2];
	return "";
}

static void every_example_is_taken_and_reaches_podman(void **state)
{
	(void)state;
	for (size_t k = 0; k < key_count(); k++) {
		const struct key *key = key_at(k);
		char more[512], full[128];

		if (!base_of(key->section))
			continue;
		snprintf(more, sizeof(more), "%s%s=%s\n", company_of(key), key->name, key->example);
		if (key->state == KEY_REFUSED) {
			snprintf(full, sizeof(full), "%s.%s", key->section, key->name);
			assert_refusal(key->section, more, full, key->reason);
		} else {
			assert_fine(key->section, more);
		}
	}
}

/* Texts and lists: a value that is wrong, with what it needs before it, or NULL where any text may be right. */
static const struct {
	const char *key, *bad;
} bad_values[] = {
	{ "Volume.VolumeName", "VolumeName=/x" },
	{ "Volume.UID", "UID=-1" },
	{ "Volume.GID", "GID=x" },
	{ "Volume.Driver", "Driver=x" },
	{ "Volume.Image", "Driver=image\nImage=a b" },
	{ "Volume.Device", "Driver=image\nImage=a/b\nDevice=/x" },
	{ "Volume.Type", "Driver=image\nImage=a/b\nType=ext4" },
	{ "Volume.Options", "Driver=image\nImage=a/b\nOptions=ro" },
	{ "Network.NetworkName", "NetworkName=-x" },
	{ "Network.Subnet", "Subnet=x" },
	{ "Network.Gateway", "Subnet=10.0.0.0/8\nGateway=10.0.0.1/8" },
	{ "Network.IPRange", "Subnet=10.0.0.0/8\nIPRange=10.0.0.0/7" },
	{ "Network.Driver", "Driver=x" },
	{ "Network.IPAMDriver", "IPAMDriver=x" },
	{ "Network.InterfaceName", "InterfaceName=a:b" },
	{ "Network.DNS", "DNS=example.com" },
	{ "Image.Image", "Image=a/b c" },
	{ "Image.ImageTag", "ImageTag=a/b c" },
	{ "Image.Arch", NULL },
	{ "Image.AuthFile", NULL },
	{ "Image.CertDir", NULL },
	{ "Image.Creds", NULL },
	{ "Image.DecryptionKey", NULL },
	{ "Image.OS", NULL },
	{ "Image.Policy", "Policy=x" },
	{ "Image.Variant", NULL },
	{ "Image.Retry", "Retry=-1" },
	{ "Image.RetryDelay", "RetryDelay=1d" },
	{ "Artifact.Artifact", "Artifact=a/b c" },
	{ "Artifact.AuthFile", NULL },
	{ "Artifact.CertDir", NULL },
	{ "Artifact.Creds", NULL },
	{ "Artifact.DecryptionKey", NULL },
	{ "Artifact.Retry", "Retry=x" },
	{ "Artifact.RetryDelay", "RetryDelay=s" },
	{ "Build.ImageTag", "ImageTag=a b" },
	{ "Build.Pull", "Pull=x" },
	{ "Build.File", NULL },
	{ "Build.SetWorkingDirectory", NULL },
	{ "Build.Arch", NULL },
	{ "Build.AuthFile", NULL },
	{ "Build.IgnoreFile", NULL },
	{ "Build.Target", NULL },
	{ "Build.Variant", NULL },
	{ "Build.Retry", "Retry=1.5" },
	{ "Build.RetryDelay", "RetryDelay=1s2" },
	{ "Build.DNS", NULL },
	{ "Build.DNSOption", NULL },
	{ "Build.DNSSearch", NULL },
	{ "Build.GroupAdd", NULL },
	{ "Build.Network", NULL },
	{ "Build.Volume", NULL },
};

/* The wrong value of a row: its kind's, or its own. */
static const char *bad_value(const struct key *key, const char *full, char *more, size_t size)
{
	static const char *const by_kind[] = {
		[KEY_BOOL] = "maybe",
		[KEY_NUMBER] = "many",
		[KEY_ARGS] = "a\\qb",
		[KEY_PAIRS] = "a=\\q",
	};

	if (key->kind != KEY_STRING && key->kind != KEY_LIST) {
		snprintf(more, size, "%s=%s", key->name, by_kind[key->kind]);
		return more;
	}
	for (size_t i = 0; i < sizeof(bad_values) / sizeof(bad_values[0]); i++)
		if (str_eq(bad_values[i].key, full))
			return bad_values[i].bad;
	fail_msg("what is wrong for %s?", full);
	return NULL;
}

static void every_wrong_value_is_refused_at_its_line(void **state)
{
	(void)state;
	for (size_t k = 0; k < key_count(); k++) {
		const struct key *key = key_at(k);
		char more[512], full[128];

		/* ServiceName= is checked for all kinds together. */
		if (!base_of(key->section) || key->state == KEY_REFUSED ||
		    str_eq(key->name, "ServiceName"))
			continue;
		snprintf(full, sizeof(full), "%s.%s", key->section, key->name);

		const char *bad = bad_value(key, full, more, sizeof(more));

		if (bad)
			assert_refusal(key->section, bad, full, "");
	}
}

static const char header[] = "\n[Unit]\nWants=network-online.target\nAfter=network-online.target\n";

static void assert_service(const char *section, const char *more, const char *name,
			   const char *unit_lines, const char *service_lines)
{
	struct unit_set set;
	char expected[16384];

	load_kind(&set, section, more);
	snprintf(
		expected, sizeof(expected),
		"[X-%s%s%s%sSourcePath=/units/%s\nRequiresMountsFor=%%t/containers\n%s\n[Service]\n%s",
		section, base_of(section) + 1 + strlen(section), more, header, name, unit_lines,
		service_lines);
	assert_string_equal(set.units[0].service_text, expected);
	unit_set_fini(&set);
}

#define REMAINS "SyslogIdentifier=%N\nType=oneshot\nRemainAfterExit=yes\n"

static void a_volume_is_made_as_podman_makes_it(void **state)
{
	(void)state;
	assert_service("Volume", "", "data.volume", "",
		       "ExecStart=/usr/bin/podman volume create --ignore systemd-data\n" REMAINS);
	assert_service(
		"Volume",
		"VolumeName=d\nUID=1\nGID=2\nDriver=local\nUser=3\nGroup=4\nCopy=yes\nDevice=/srv/a b\n"
		"Type=bind\nOptions=rw,nodev\nLabel=b=2 a=1\nPodmanArgs=--x\nGlobalArgs=-g\n"
		"ContainersConfModule=/m\nContainersConfModule=/n\n",
		"data.volume", "RequiresMountsFor=\"/srv/a\\x20b\"\n",
		"ExecStart=/usr/bin/podman --module=/m --module=/n -g volume create --ignore --uid 1 "
		"--gid 2 --driver local --opt copy --opt \"device=/srv/a\\x20b\" --opt type=bind "
		"--opt o=uid=3,gid=4,rw,nodev --label a=1 --label b=2 --x d\n" REMAINS);
	assert_service("Volume", "Driver=image\nImage=localhost/site:1\nOptions=ro\n",
		       "data.volume", "",
		       "ExecStart=/usr/bin/podman volume create --ignore --driver image "
		       "--opt image=localhost/site:1 systemd-data\n" REMAINS);
}

static void a_network_is_made_as_podman_makes_it(void **state)
{
	(void)state;
	assert_service(
		"Network",
		"Subnet=10.0.0.0/24\nSubnet=fd00::/64\nGateway=10.0.0.1\nIPRange=10.0.0.128/25\n"
		"IPRange=fd00::1-fd00::9\nDisableDNS=1\nInternal=no\nIPv6=yes\nDriver=bridge\n"
		"IPAMDriver=host-local\nInterfaceName=br0\nDNS=192.0.2.53\nDNS=192.0.2.54\n"
		"Options=mtu=1400 vlan=3\nLabel=a=1\nNetworkName=back\nNetworkDeleteOnStop=yes\n"
		"GlobalArgs=-g\nPodmanArgs=--x\n",
		"back.network", "",
		"ExecStopPost=/usr/bin/podman -g network rm back\n"
		"ExecStart=/usr/bin/podman -g network create --ignore --subnet 10.0.0.0/24 "
		"--gateway 10.0.0.1 --ip-range 10.0.0.128/25 --subnet fd00::/64 --ip-range "
		"fd00::1-fd00::9 --disable-dns --internal=false --ipv6 --driver bridge "
		"--ipam-driver host-local --interface-name br0 --dns 192.0.2.53 --dns 192.0.2.54 "
		"--opt mtu=1400 --opt vlan=3 --label a=1 --x back\n" REMAINS);
	assert_service("Network", "NetworkDeleteOnStop=no\n", "back.network", "",
		       "ExecStart=/usr/bin/podman network create --ignore systemd-back\n" REMAINS);
}

static void an_image_is_pulled_as_podman_pulls_it(void **state)
{
	(void)state;
	assert_service(
		"Image",
		"ImageTag=localhost/x:1\nAllTags=true\nTLSVerify=no\nArch=arm64\nOS=linux\nVariant=v8\n"
		"AuthFile=/a\nCertDir=/c\nCreds=u:p\nDecryptionKey=/k\nPolicy=newer\nRetry=3\n"
		"RetryDelay=5s\nPodmanArgs=-q\nGlobalArgs=-g\n",
		"site.image", "",
		"ExecStart=/usr/bin/podman -g image pull --arch arm64 --authfile /a --cert-dir /c "
		"--creds u:p --decryption-key /k --os linux --policy newer --variant v8 --retry 3 "
		"--retry-delay 5s --all-tags --tls-verify=false -q quay.io/e/site:1\n" REMAINS);
}

static void an_artifact_is_pulled_as_podman_pulls_it(void **state)
{
	(void)state;
	assert_service(
		"Artifact",
		"AuthFile=/a\nCertDir=/c\nCreds=u:p\nDecryptionKey=/k\nQuiet=yes\nTLSVerify=true\n"
		"Retry=1\nRetryDelay=2s\nPodmanArgs=-x\n",
		"model.artifact", "",
		"ExecStart=/usr/bin/podman artifact pull --authfile /a --cert-dir /c --creds u:p "
		"--decryption-key /k --retry 1 --retry-delay 2s --quiet --tls-verify -x "
		"quay.io/e/model:1\n" REMAINS);
}

static void an_image_is_built_as_podman_builds_it(void **state)
{
	(void)state;
	assert_service(
		"Build",
		"ImageTag=b:2\nPull=newer\nArch=arm64\nAuthFile=/a\nIgnoreFile=/i\nTarget=t\nVariant=v8\n"
		"Retry=1\nRetryDelay=2s\nTLSVerify=yes\nForceRM=no\nDNS=192.0.2.53\nDNSOption=ndots:1\n"
		"DNSSearch=example.com\nGroupAdd=keep-groups\nBuildArg=V=1\nEnvironment=E=2\nLabel=L=3\n"
		"Annotation=A=4\nNetwork=none\nSecret=id=s\nVolume=./c:/c:Z\nPodmanArgs=--x\n"
		"SetWorkingDirectory=unit\n",
		"site.build", "RequiresMountsFor=/units/c\n",
		"WorkingDirectory=/units\n"
		"ExecStart=/usr/bin/podman build --pull=newer --file /src/Containerfile --tag "
		"localhost/site:1 --tag b:2 --arch arm64 --authfile /a --ignorefile /i --target t "
		"--variant v8 --retry 1 --retry-delay 2s --tls-verify --force-rm=false --dns 192.0.2.53 "
		"--dns-option ndots:1 --dns-search example.com --group-add keep-groups --build-arg V=1 "
		"--env E=2 --label L=3 --annotation A=4 --network none --secret id=s -v /units/c:/c:Z "
		"--x\n"
		"SyslogIdentifier=%N\nType=oneshot\n");
}

static void what_service_says_itself_is_kept(void **state)
{
	struct unit_set set;

	(void)state;
	load_kind(&set, "Volume",
		  "[Service]\nSyslogIdentifier=\nType=exec\nRemainAfterExit=no\nRestart=no\n");
	assert_non_null(strstr(set.units[0].service_text,
			       "[Service]\nSyslogIdentifier=\nType=exec\nRemainAfterExit=no\n"
			       "Restart=no\nExecStart="));
	assert_null(strstr(set.units[0].service_text, "oneshot"));
	assert_null(strstr(set.units[0].service_text, "RemainAfterExit=yes"));
	unit_set_fini(&set);
}

static void the_engines_words_are_without_podmans_own(void **state)
{
	(void)state;
	assert_words("Volume", "UID=\n", " --ignore --uid  systemd-data ", " systemd-data ");
	assert_words("Volume", "UID=7\nLabel=a=1\n", " --uid 7 --label a=1 systemd-data ",
		     " --uid 7 --label a=1 systemd-data ");
	assert_words("Network", "Subnet=10.0.0.0/8\nInternal=yes\n",
		     " --ignore --subnet 10.0.0.0/8 --internal systemd-back ",
		     " --subnet 10.0.0.0/8 --internal systemd-back ");
	assert_words("Image", "Retry=3\nPolicy=never\n", " --policy never --retry 3 quay",
		     " --policy never --retry 3 quay");
	assert_words("Artifact", "Quiet=yes\n", " --quiet quay", " --quiet quay");
}

static void ids_of_a_volume_are_numbers(void **state)
{
	(void)state;
	assert_words("Volume", "User=www-data\nGroup=0x10\n", " --opt o=uid=0,gid=16 ",
		     " o=uid=0,gid=16 ");
	assert_refusal("Volume", "User=www-data\n", "Volume.User", "'www-data' is no number");
	assert_refusal("Volume", "Group=-5\n", "Volume.Group", "'-5' is no number");
	assert_words("Volume", "Group=-5\nDevice=/x\nOptions=ro\n", " --opt o=gid=0,ro ",
		     " o=gid=0,ro ");
	/* podman counts an empty one as 0; nothing was asked for. */
	assert_words("Volume", "User=\n", " --opt o=uid=0 ", " systemd-data ");
	assert_fine("Volume", "User=\n");
	assert_refusal("Volume", "UID=root\n", "Volume.UID", "'root' is no number");
	assert_refusal("Volume", "GID=1.5\n", "Volume.GID", "'1.5' is no number");
}

static void a_volume_without_copy_says_so(void **state)
{
	(void)state;
	assert_words("Volume", "Copy=no\n", " --opt nocopy ", " --opt nocopy ");
	assert_words("Volume", "Copy=maybe\n", " --opt nocopy ", " --opt nocopy ");
	assert_refusal("Volume", "Copy=maybe\n", "Volume.Copy", "neither true nor false");
}

static void keys_of_a_volume_that_need_each_other(void **state)
{
	(void)state;
	assert_failure("Volume", "Type=tmpfs\n", "Volume.Type",
		       "key Type can't be used without Device");
	assert_failure("Volume", "User=1\nOptions=ro\n", "Volume.Options",
		       "key Options can't be used without Device");
	assert_failure("Volume", "Driver=image\n", "Volume.Driver",
		       "the key Image is mandatory when using the image driver");
	assert_refusal("Volume", "Driver=image\nImage=\n", "Volume.Image", "needs the name");
	assert_refusal("Volume", "Image=localhost/x:1\n", "Volume.Image", "needs Driver=image");
	assert_refusal("Volume", "Driver=image\nImage=localhost/x:1\nCopy=no\n", "Volume.Copy",
		       "means nothing with Driver=image");
	assert_refusal("Volume", "Driver=image\nImage=local host/x:1\n", "Volume.Image", "blank");
	assert_refusal("Volume", "Driver=nfs\n", "Volume.Driver", "'nfs' is none of local, image");
	assert_failure("Volume", "Copyy=no\n", "Volume.Copyy", "unknown key");
}

static void names_are_checked_before_they_are_used(void **state)
{
	char longest[256] = "VolumeName=";

	(void)state;
	assert_refusal("Volume", "VolumeName=a b\n", "Volume.VolumeName", "'a b' is no name");
	assert_refusal("Volume", "VolumeName=../x\n", "Volume.VolumeName", "is no name");
	assert_refusal("Network", "NetworkName=.x\n", "Network.NetworkName", "is no name");
	assert_refusal("Network", "NetworkName=host\n", "Network.NetworkName", "a kind of network");
	assert_fine("Volume", "VolumeName=data-%H_1.x\n");
	memset(longest + strlen(longest), 'x', UNIT_MAX_NAME_BYTES);
	assert_refusal("Volume", longest, "Volume.VolumeName", "longer than 127 bytes");
}

static void subnets_gateways_and_ranges_are_paired(void **state)
{
	(void)state;
	assert_failure("Network", "Gateway=10.0.0.1\n", "Network.Gateway",
		       "cannot set gateway or range without subnet");
	assert_failure("Network", "IPRange=10.0.0.0/8\n", "Network.IPRange",
		       "cannot set gateway or range without subnet");
	assert_failure("Network", "Subnet=10.0.0.0/8\nGateway=10.0.0.1\nGateway=10.0.0.2\n",
		       "Network.Gateway", "cannot set more gateways than subnets");
	assert_failure("Network", "Subnet=10.0.0.0/8\nIPRange=10.0.0.0/9\nIPRange=10.0.0.0/9\n",
		       "Network.IPRange", "cannot set more ranges than subnets");
	assert_fine("Network", "Gateway=10.0.0.1\nGateway=\n");
}

static void addresses_of_a_network_are_checked(void **state)
{
	(void)state;
	assert_refusal("Network", "Subnet=10.0.0.0\n", "Network.Subnet", "is not ADDRESS/BITS");
	assert_refusal("Network", "Subnet=10.0.0/24\n", "Network.Subnet", "is not ADDRESS/BITS");
	assert_refusal("Network", "Subnet=10.0.0.0/33\n", "Network.Subnet", "is not ADDRESS/BITS");
	assert_refusal("Network", "Subnet=fd00::/129\n", "Network.Subnet", "is not ADDRESS/BITS");
	assert_refusal("Network", "Subnet=10.0.0.0/24\nGateway=gw\n", "Network.Gateway",
		       "'gw' is no address");
	assert_refusal("Network", "Subnet=10.0.0.0/25\nGateway=10.0.0.128\n", "Network.Gateway",
		       "outside of its Subnet=");
	assert_refusal("Network", "Subnet=10.0.0.0/24\nGateway=fd00::1\n", "Network.Gateway",
		       "outside of its Subnet=");
	assert_refusal("Network", "Subnet=10.0.0.0/25\nIPRange=10.0.0.0/24\n", "Network.IPRange",
		       "outside of its Subnet=");
	assert_refusal("Network", "Subnet=10.0.0.0/24\nIPRange=10.0.0.9-10.0.0.1\n",
		       "Network.IPRange", "ends before it begins");
	assert_refusal("Network", "Subnet=10.0.0.0/24\nIPRange=10.0.0.9-10.0.1.1\n",
		       "Network.IPRange", "outside of its Subnet=");
	assert_refusal("Network", "Subnet=10.0.0.0/24\nIPRange=10.0.0.9\n", "Network.IPRange",
		       "neither ADDRESS/BITS nor FIRST-LAST");
	assert_fine("Network", "Subnet=0.0.0.0/0\nGateway=10.0.0.1\nIPRange=10.0.0.1-10.0.0.1\n");
	assert_fine("Network", "Subnet=10.0.0.0/25\nSubnet=fd00::/63\nGateway=10.0.0.127\n"
			       "Gateway=fd00:0:0:1::1\nIPRange=10.0.0.64/26\n");
	assert_fine("Network", "Subnet=${NET}\nGateway=${GW}\nIPRange=%i/24\n"
			       "[Service]\nEnvironment=NET=10.0.0.0/24 GW=10.0.0.1\n");
}

static void drivers_and_interfaces_of_a_network_are_checked(void **state)
{
	(void)state;
	assert_refusal("Network", "Driver=host\n", "Network.Driver",
		       "'host' is none of bridge, macvlan, ipvlan");
	assert_refusal("Network", "IPAMDriver=static\n", "Network.IPAMDriver",
		       "'static' is none of host-local, dhcp, none");
	assert_refusal("Network", "InterfaceName=br0\n", "Network.InterfaceName",
		       "a name of our own");
	assert_refusal("Network", "DNS=192.0.2.53\n", "Network.DNS",
		       "write DNS= in each container");
	assert_refusal("Network", "Internal=ja\n", "Network.Internal", "neither true nor false");
}

static void pulls_are_checked(void **state)
{
	struct unit_set set;

	(void)state;
	assert_failure("Image", "Image=\n", "Image.Image", "no Image key specified");
	assert_failure("Artifact", "Artifact=\n", "Artifact.Artifact", "no Artifact key specified");
	assert_refusal("Image", "Policy=sometimes\n", "Image.Policy",
		       "'sometimes' is none of always, missing, never, newer");
	assert_refusal("Image", "Retry=often\n", "Image.Retry", "'often' is no number");
	assert_refusal("Image", "RetryDelay=5\n", "Image.RetryDelay", "'5' is no time");
	assert_refusal("Artifact", "RetryDelay=.s\n", "Artifact.RetryDelay", "is no time");
	assert_refusal("Image", "Image=quay.io/e/site: 1\n", "Image.Image", "has a blank inside");
	assert_refusal("Image", "ImageTag=a b\n", "Image.ImageTag", "has a blank inside");
	assert_refusal("Artifact", "Artifact=a b\n", "Artifact.Artifact", "has a blank inside");
	assert_refusal("Image", "TLSVerify=nope\n", "Image.TLSVerify", "neither true nor false");
	assert_fine("Image", "RetryDelay=1m30.5s\nPolicy=Always\n");
	assert_fine("Image", "Image=docker-archive:/data/x.tar\n");
	load_kind(&set, "Image", "Image=site\n");
	assert_non_null(
		strstr(find_diag(&set, DIAG_WARNING, "Image.Image")->text, "names no registry"));
	unit_set_fini(&set);
}

static void builds_are_checked(void **state)
{
	(void)state;
	assert_failure("Build", "ImageTag=\n", "Build.ImageTag", "no ImageTag key specified");
	assert_failure("Build", "File=\n", "Build.File",
		       "neither SetWorkingDirectory, nor File key specified");
	assert_failure("Build", "File=Containerfile\n", "Build.File",
		       "relative path in File key requires SetWorkingDirectory key to be set");
	assert_failure("Build", "SetWorkingDirectory=Yaml\n", "Build.SetWorkingDirectory",
		       "SetWorkingDirectory=Yaml is only supported in .kube files");
	assert_refusal("Build", "Pull=often\n", "Build.Pull", "'often' is none of always");
	assert_refusal("Build", "Retry=x\n", "Build.Retry", "is no number");
	assert_refusal("Build", "ImageTag=a b\n", "Build.ImageTag", "has a blank inside");
	assert_words("Build", "Pull=\n", " --file /src/Containerfile --tag localhost/site:1 ",
		     " --file /src/Containerfile --tag localhost/site:1 ");
}

static void a_build_in_the_folder_of_a_file_needs_a_file(void **state)
{
	struct unit_set set = { 0 };

	(void)state;
	load_named(&set, "a.build", "[Build]\nImageTag=a\nSetWorkingDirectory=file\n");
	assert_string_equal(set.units[0].service_text, "");
	assert_string_equal(find_diag(&set, DIAG_ERROR, "Build.SetWorkingDirectory")->text,
			    "no File key specified");
	assert_null(find_diag(&set, DIAG_ERROR, "Build.File"));
	unit_set_fini(&set);
}

/* Expects the last words of both passes, and the folder that the service changes to ("": none). */
static void assert_place(const char *lines, const char *podman, const char *engine,
			 const char *folder)
{
	struct unit_set set = { 0 };
	char text[1024], words[1024], line[256];
	const char *text_of;

	snprintf(text, sizeof(text), "[Build]\nImageTag=t\n%s", lines);
	load_named(&set, "a.build", text);
	text_of = set.units[0].service_text;
	join_words(&set.units[0].run_args, words, sizeof(words));
	if (!str_eq(words, podman))
		fail_msg("%s: podman's words:%s; expected:%s", lines, words, podman);
	join_words(&set.units[0].spec_args, words, sizeof(words));
	if (!str_eq(words, engine))
		fail_msg("%s: engine's words:%s; expected:%s", lines, words, engine);
	snprintf(line, sizeof(line), "\nWorkingDirectory=%s\n", folder);
	if (!text_of[0] ||
	    (folder[0] ? !strstr(text_of, line) : strstr(text_of, "\nWorkingDirectory=") != NULL))
		fail_msg("%s: service text: %s", lines, text_of);
	unit_set_fini(&set);
}

static void a_build_happens_where_the_unit_says(void **state)
{
	(void)state;
	assert_place("SetWorkingDirectory=unit\n", " --tag t /units ", " --tag t /units ",
		     "/units");
	assert_place("SetWorkingDirectory=UNIT\nFile=sub/C\n", " --file sub/C --tag t /units ",
		     " --file /units/sub/C --tag t /units ", "/units");
	assert_place("SetWorkingDirectory=file\nFile=sub/../x/C\n",
		     " --file sub/../x/C --tag t /units/x ",
		     " --file /units/x/sub/../x/C --tag t /units/x ", "/units/x");
	assert_place("SetWorkingDirectory=file\nFile=/a//b/C\n", " --file /a//b/C --tag t ",
		     " --file /a//b/C --tag t ", "/a/b");
	assert_place("SetWorkingDirectory=file\nFile=%h/x/C\n", " --file %h/x/C --tag t ",
		     " --file /data/home/x/C --tag t ", "%h/x");
	assert_place("SetWorkingDirectory=/ctx\n", " --tag t /ctx ", " --tag t /ctx ", "");
	assert_place("SetWorkingDirectory=ctx\n", " --tag t ctx ", " --tag t /units/ctx ",
		     "/units");
	assert_place("SetWorkingDirectory=%h/ctx\n", " --tag t %h/ctx ", " --tag t /data/home/ctx ",
		     "/units");
	assert_place("SetWorkingDirectory=https://example.com/x.git\n",
		     " --tag t https://example.com/x.git ", " --tag t https://example.com/x.git ",
		     "");
	assert_place("SetWorkingDirectory=github.com/example/x\n", " --tag t github.com/example/x ",
		     " --tag t github.com/example/x ", "");
	assert_place("File=https://example.com/C\n", " --file https://example.com/C --tag t ",
		     " --file https://example.com/C --tag t ", "");
	/* podman's expression for URLs is open at its end. */
	assert_place("SetWorkingDirectory=httpd\n", " --tag t httpd ", " --tag t /units/httpd ",
		     "");
}

static void a_working_directory_of_the_service_comes_first(void **state)
{
	struct unit_set set = { 0 };

	(void)state;
	assert_place("File=C\n[Service]\nWorkingDirectory=/wd\n", " --file C --tag t /wd ",
		     " --file /wd/C --tag t /wd ", "/wd");
	assert_place("SetWorkingDirectory=unit\n[Service]\nWorkingDirectory=/wd\n", " --tag t /wd ",
		     " --tag t /wd ", "/wd");
	/* The context is lost: podman does so, and it is said. */
	assert_place("SetWorkingDirectory=ctx\n[Service]\nWorkingDirectory=/wd\n", " --tag t /wd ",
		     " --tag t /wd ", "/wd");
	assert_place("SetWorkingDirectory=/ctx\n[Service]\nWorkingDirectory=/wd\n",
		     " --tag t /ctx ", " --tag t /ctx ", "/wd");
	assert_place("File=C\n[Service]\nWorkingDirectory=~\n", " --file C --tag t ~ ",
		     " --file /data/home/C --tag t /data/home ", "~");
	assert_place("File=C\n[Service]\nWorkingDirectory=-/wd\n", " --file C --tag t -/wd ",
		     " --file /wd/C --tag t /wd ", "-/wd");
	load_named(
		&set, "a.build",
		"[Build]\nImageTag=t\nSetWorkingDirectory=ctx\n[Service]\nWorkingDirectory=/wd\n");
	assert_non_null(strstr(find_diag(&set, DIAG_WARNING, "Build.SetWorkingDirectory")->text,
			       "not used"));
	unit_set_fini(&set);
}

static void assert_resource(const char *name, const char *text, const char *service,
			    const char *podman_word)
{
	struct unit_set set = { 0 };
	const struct unit *unit;

	load_named(&set, name, text);
	unit = &set.units[0];
	assert_string_equal(unit->service_name, service);
	assert_string_equal(unit->run_args.items[unit->run_args.count - 1].text, podman_word);
	unit_set_fini(&set);
}

static void templates_and_instances_have_podmans_names(void **state)
{
	struct unit_set set = { 0 };

	(void)state;
	assert_resource("d.volume", "[Volume]\n", "d-volume.service", "systemd-d");
	assert_resource("d@.volume", "[Volume]\n", "d-volume@.service", "systemd-d-%i");
	assert_resource("d@.network", "[Network]\n", "d-network@.service", "systemd-d-%i");
	assert_resource("i@.image", "[Image]\nImage=x/y:%i\n", "i-image@.service", "x/y:%i");
	assert_resource("a@.artifact", "[Artifact]\nArtifact=x/y:%i\n", "a-artifact@.service",
			"x/y:%i");
	assert_resource("b@.build", "[Build]\nImageTag=x:%i\nSetWorkingDirectory=unit\n",
			"b-build@.service", "/units");
	assert_resource("d.volume", "[Volume]\nServiceName=other\nVolumeName=\n", "other.service",
			"systemd-d");
	/* podman cuts a letter off an instance's name; the engine does not. */
	assert_resource("d@bar.volume", "[Volume]\n", "d@bar-volume.service", "systemd-d@ba-%i");
	load_named(&set, "d@bar.volume", "[Volume]\n");
	assert_string_equal(set.units[0].spec_args.items[0].text, "systemd-d-bar");
	assert_string_equal(set.units[0].resource_name, "systemd-d-bar");
	unit_set_fini(&set);
}

static void others_get_a_name_with_the_units_own_specifiers(void **state)
{
	static const char *const units[][3] = {
		{ "d.volume", "[Volume]\nVolumeName=data-%H\n", "data-box.example.com" },
		{ "d.network", "[Network]\nNetworkName=%N-x\n", "d-network-x" },
		{ "i.image", "[Image]\nImage=x/y:%p\n", "x/y:i-image" },
		{ "i.image", "[Image]\nImage=x/y\nImageTag=localhost/%l\n", "localhost/box" },
		{ "b.build", "[Build]\nFile=/C\nImageTag=b:%u\nImageTag=c\n", "b:root" },
		{ "a.artifact", "[Artifact]\nArtifact=a/b:50%%\n", "a/b:50%" },
		{ "d@.volume", "[Volume]\nVolumeName=data-%i\n", "data-%i" },
		{ "d.volume", "[Volume]\nVolumeName=data-%X\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		struct unit_set set = { 0 };

		load_named(&set, units[i][0], units[i][1]);
		assert_string_equal(set.units[0].resource_name, units[i][2]);
		unit_set_fini(&set);
	}
}

/* --- units that name each other: files of a folder --- */

static char root[] = "/tmp/cleat-resources-XXXXXX";

static int make_root(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
	(void)state;
	return temp_folder_remove(root);
}

static void put(const char *name, const char *text)
{
	struct err err;
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	if (file_write_atomic(AT_FDCWD, path, text, strlen(text), 0644, false, &err) < 0)
		fail_msg("%s", err.msg);
}

static void load_root(struct unit_set *set)
{
	struct err err;

	*set = (struct unit_set){ 0 };
	if (unit_set_load(set, root, &test_facts, &err) < 0)
		fail_msg("%s", err.msg);
}

static const struct unit *unit_of(const struct unit_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (str_eq(set->units[i].name, name))
			return &set->units[i];
	fail_msg("no unit %s", name);
	return NULL;
}

static void assert_text_has(const struct unit_set *set, const char *name, const char *part)
{
	const char *text = unit_of(set, name)->service_text;

	if (!strstr(text, part))
		fail_msg("%s: no '%s' in: %s", name, part, text);
}

static void assert_ref(const struct unit_set *set, const char *name, const char *file,
		       const char *service, const char *resource)
{
	const struct unit *unit = unit_of(set, name);

	for (size_t i = 0; i < unit->ref_count; i++)
		if (str_eq(unit->refs[i].file, file)) {
			assert_string_equal(unit->refs[i].service, service);
			assert_string_equal(unit->refs[i].resource, resource);
			return;
		}
	fail_msg("%s does not refer to %s", name, file);
}

static void units_that_name_each_other_depend_on_each_other(void **state)
{
	struct unit_set set;

	(void)state;
	put("base.image", "[Image]\nImage=docker-archive:/x.tar\nImageTag=localhost/base:1\n");
	put("site.build",
	    "[Build]\nImageTag=localhost/site:1\nImageTag=localhost/site:2\nFile=/src/C\n"
	    "Network=back.network:mac=1\nVolume=cache.volume:/c:Z\n");
	put("back.network", "[Network]\nNetworkName=back\n");
	put("cache.volume", "[Volume]\nServiceName=cache\n");
	put("a.volume", "[Volume]\nDriver=image\nImage=base.image\n");
	put("b.volume", "[Volume]\nDriver=image\nImage=site.build\n");
	put("c.volume", "[Volume]\nDriver=image\nImage=none.image\n");
	put("d.volume", "[Volume]\n[Unit]\nAfter=base.image x.service\n");
	load_root(&set);
	assert_text_has(&set, "a.volume",
			"\nRequires=base-image.service\nAfter=base-image.service\n");
	assert_text_has(&set, "a.volume", " --opt image=localhost/base:1 systemd-a\n");
	assert_text_has(&set, "b.volume",
			"\nRequires=site-build.service\nAfter=site-build.service\n");
	assert_text_has(&set, "b.volume", " --opt image=localhost/site:1 systemd-b\n");
	assert_text_has(&set, "site.build",
			"\nRequires=back-network.service\nAfter=back-network.service\n"
			"Requires=cache.service\nAfter=cache.service\n");
	assert_text_has(&set, "site.build", " --network back:mac=1 -v systemd-cache:/c:Z\n");
	assert_text_has(&set, "d.volume", "\nAfter=base-image.service x.service\n");
	assert_string_equal(unit_of(&set, "c.volume")->service_text, "");
	assert_non_null(strstr(unit_of(&set, "c.volume")->error_text, "no unit none.image"));
	assert_ref(&set, "a.volume", "base.image", "base-image.service", "localhost/base:1");
	assert_ref(&set, "site.build", "back.network", "back-network.service", "back");
	assert_ref(&set, "site.build", "cache.volume", "cache.service", "systemd-cache");
	unit_set_fini(&set);
}

/* podman asks for the name of networks only: it has none for what it refused to make, and goes on. */
static void what_refers_to_a_refused_unit_is_podmans(void **state)
{
	struct unit_set set;

	(void)state;
	put("refused.image", "[Image]\nOS=linux\n");
	put("refused.volume", "[Volume]\nType=ext4\n");
	put("refused.network", "[Network]\nGateway=10.0.0.1\n");
	put("e.volume", "[Volume]\nDriver=image\nImage=refused.image\n");
	put("v.build", "[Build]\nImageTag=v\nFile=/C\nVolume=refused.volume:/c:Z\n");
	put("n.build", "[Build]\nImageTag=n\nFile=/C\nNetwork=refused.network\n");
	load_root(&set);
	assert_text_has(&set, "e.volume", " --opt image= systemd-e\n");
	assert_text_has(&set, "v.build", " -v /c\n");
	assert_string_equal(unit_of(&set, "n.build")->service_text, "");
	assert_false(unit_of(&set, "n.build")->is_valid);
	unit_set_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_of_podmans_manual_has_a_row),
		cmocka_unit_test(every_example_is_taken_and_reaches_podman),
		cmocka_unit_test(every_wrong_value_is_refused_at_its_line),
		cmocka_unit_test(a_volume_is_made_as_podman_makes_it),
		cmocka_unit_test(a_network_is_made_as_podman_makes_it),
		cmocka_unit_test(an_image_is_pulled_as_podman_pulls_it),
		cmocka_unit_test(an_artifact_is_pulled_as_podman_pulls_it),
		cmocka_unit_test(an_image_is_built_as_podman_builds_it),
		cmocka_unit_test(what_service_says_itself_is_kept),
		cmocka_unit_test(the_engines_words_are_without_podmans_own),
		cmocka_unit_test(ids_of_a_volume_are_numbers),
		cmocka_unit_test(a_volume_without_copy_says_so),
		cmocka_unit_test(keys_of_a_volume_that_need_each_other),
		cmocka_unit_test(names_are_checked_before_they_are_used),
		cmocka_unit_test(subnets_gateways_and_ranges_are_paired),
		cmocka_unit_test(addresses_of_a_network_are_checked),
		cmocka_unit_test(drivers_and_interfaces_of_a_network_are_checked),
		cmocka_unit_test(pulls_are_checked),
		cmocka_unit_test(builds_are_checked),
		cmocka_unit_test(a_build_in_the_folder_of_a_file_needs_a_file),
		cmocka_unit_test(a_build_happens_where_the_unit_says),
		cmocka_unit_test(a_working_directory_of_the_service_comes_first),
		cmocka_unit_test(templates_and_instances_have_podmans_names),
		cmocka_unit_test(others_get_a_name_with_the_units_own_specifiers),
		cmocka_unit_test(units_that_name_each_other_depend_on_each_other),
		cmocka_unit_test(what_refers_to_a_refused_unit_is_podmans),
	};

	return _cmocka_run_group_tests("resources", tests, sizeof(tests) / sizeof(tests[0]),
				       make_root, remove_root);
}
