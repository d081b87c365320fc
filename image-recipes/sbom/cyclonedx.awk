# SPDX-License-Identifier: Apache-2.0
# Facts of scripts/make-sbom to CycloneDX 1.5 JSON. Order of members and components is that of the facts.

function text(s)
{
	gsub(/\\/, "\\\\", s)
	gsub(/"/, "\\\"", s)
	return "\"" s "\""
}

function sha256(digest)
{
	return "[{\"alg\": \"SHA-256\", \"content\": " text(digest) "}]"
}

# "CVE-2025-1632-25724.patch" stands for two of one year.
function resolves(patch,    out, year, rest)
{
	out = ""
	rest = patch
	while (match(rest, /CVE-[0-9][0-9][0-9][0-9]-[0-9]+/)) {
		year = substr(rest, RSTART, 9)
		out = out issue(substr(rest, RSTART, RLENGTH), out)
		rest = substr(rest, RSTART + RLENGTH)
		while (match(rest, /^-[0-9][0-9][0-9][0-9]+/)) {
			out = out issue(year substr(rest, 2, RLENGTH - 1), out)
			rest = substr(rest, RLENGTH + 1)
		}
	}
	return out == "" ? "" : ", \"resolves\": [" out "]"
}

function issue(id, before)
{
	return (before == "" ? "" : ", ") "{\"type\": \"security\", \"id\": " text(id) "}"
}

function property(name, value)
{
	return "{\"name\": " text(name) ", \"value\": " text(value) "}"
}

# A Debian version without what is Debian's: 6.12.57-1 is upstream's 6.12.57.
function upstream(version)
{
	sub(/^[0-9]+:/, "", version)
	sub(/[-+~].*/, "", version)
	return version
}

function component(name, version, purl, digest,    out, cpe, i)
{
	out = "    {\n      \"type\": " text(kind[name] == "" ? "library" : kind[name]) ",\n      \"bom-ref\": " text(name)
	out = out ",\n      \"name\": " text(name) ",\n      \"version\": " text(version)
	if (use[name] != "")
		out = out ",\n      \"description\": " text(use[name])
	if (digest != "")
		out = out ",\n      \"hashes\": " sha256(digest)
	if (licence[name] != "")
		out = out ",\n      \"licenses\": [{\"expression\": " text(licence[name]) "}]"
	if (cpe_of[name] != "" && cpe_of[name] != "-")
		out = out ",\n      \"cpe\": " text("cpe:2.3:" cpe_of[name] ":" upstream(version) ":*:*:*:*:*:*:*")
	out = out ",\n      \"purl\": " text(purl)
	if (patches[name] != "")
		out = out ",\n      \"pedigree\": {\"patches\": [\n" patches[name] "\n      ]}"
	if (name == "busybox")
		out = out ",\n      \"properties\": [\n        " property("cleat:busybox:config:sha256", busybox_config) \
			",\n        " property("cleat:busybox:applets", busybox_applets) "\n      ]"
	return out "\n    }"
}

# Is this component of the lock in this kind of appliance? The name of one that is for one machine only ends with the machine's.
function counts(name)
{
	if (where[name] == "machine")
		return kind_of_root == "machine" && (name !~ /-(x86_64|aarch64)$/ || name ~ ("-" arch "$"))
	return where[name] != "test"
}

function add(name, version, url, digest)
{
	order[++count] = name
	version_of[name] = version
	purl[name] = url
	digest_of[name] = digest
}

$1 == "product" { version = $2; arch = $3; time = $4; kind_of_root = $5 }
$1 == "artefact" {
	artefacts = artefacts (artefacts == "" ? "" : ",\n") "        {\"type\": \"distribution\", \"url\": " text($3) ", \"hashes\": " sha256($2) "}"
}
$1 == "known" { where[$2] = $3; kind[$2] = $4; licence[$2] = $5; cpe_of[$2] = $6; use[$2] = $7 }
$1 == "needs" { needs[$2] = $3 }
$1 == "fetched" { fetched[$2] = $3 }
$1 == "busybox" { busybox_config = $2; busybox_applets = $3 }
$1 == "suite" { suite = $2 }
$1 == "source" && counts($2) {
	add($2, $3, "pkg:generic/" $2 "@" $3 "?checksum=sha256:" $6, $6)
}
$1 ~ /package$|kernel$/ && counts($2) {
	if (!($2 in fetched)) {
		print "make-sbom: build/sources/" $2 ".deb is missing" >"/dev/stderr"
		exit failed = 1
	}
	add($2, fetched[$2], "pkg:deb/debian/" $4 "@" fetched[$2] "?" ($5 == "" ? "" : "arch=" $5 "&") "distro=" suite, "")
}
$1 == "patch" && counts($2) {
	patches[$2] = patches[$2] (patches[$2] == "" ? "" : ",\n") "        {\"type\": \"backport\", \"diff\": {\"url\": " \
		text("debian/patches/" $3) "}" resolves($3) "}"
}
$1 == "file" {
	files = files ",\n    {\"type\": \"file\", \"bom-ref\": " text("file:" $3) ", \"name\": " text($3) ", \"hashes\": " sha256($2) "}"
}

END {
	if (failed)
		exit 1
	print "{\n  \"bomFormat\": \"CycloneDX\",\n  \"specVersion\": \"1.5\",\n  \"serialNumber\": \"urn:uuid:@UUID@\",\n  \"version\": 1,"
	print "  \"metadata\": {\n    \"timestamp\": " text(time) ",\n    \"component\": {\n      \"type\": " text(kind_of_root == "machine" ? "operating-system" : "container") ","
	print "      \"bom-ref\": \"cleat\",\n      \"name\": \"cleat\",\n      \"version\": " text(version) ","
	print "      \"licenses\": [{\"license\": {\"id\": \"Apache-2.0\"}}],"
	print "      \"properties\": [" property("cleat:architecture", arch) "],"
	print "      \"externalReferences\": [\n" artefacts "\n      ]\n    }\n  },\n  \"components\": ["
	for (i = 1; i <= count; i++) {
		name = order[i]
		printf "%s%s", (i == 1 ? "" : ",\n"), component(name, version_of[name], purl[name], digest_of[name])
		all = all (i == 1 ? "" : ", ") text(name)
	}
	printf "%s\n  ],\n  \"dependencies\": [\n    {\"ref\": \"cleat\", \"dependsOn\": [%s]}", files, all
	for (i = 1; i <= count; i++) {
		list = ""
		n = split(needs[order[i]], word, " ")
		for (j = 1; j <= n; j++)
			if (word[j] in version_of)
				list = list (list == "" ? "" : ", ") text(word[j])
		printf ",\n    {\"ref\": %s, \"dependsOn\": [%s]}", text(order[i]), list
	}
	print "\n  ]\n}"
}
