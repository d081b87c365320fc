/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of unit files. A new kind is a row here and its functions; must never be known anywhere
 * else by its name.
 */
#include "unit/kinds_internal.h"

#include "util/str.h"

/* Order: podman-systemd.unit(5) names none, the generator sorts so (cmd/quadlet, 2026-05). */
#define SECTION(name) .section = (name), .hidden_section = "X-" name
static const struct kind kinds[] = {
	{ .id = UNIT_CONTAINER,
	  .suffix = ".container",
	  SECTION("Container"),
	  .service_suffix = "",
	  .order = 4,
	  .resource = resource_container,
	  .convert = convert_container,
	  .service = service_container,
	  .judge = judge_container,
	  .not_yet = "" },
	{ .id = UNIT_VOLUME,
	  .suffix = ".volume",
	  SECTION("Volume"),
	  .service_suffix = "-volume",
	  .order = 2,
	  .resource = resource_volume,
	  .convert = convert_volume_unit,
	  .service = service_volume,
	  .judge = judge_volume,
	  .not_yet = "" },
	{ .id = UNIT_NETWORK,
	  .suffix = ".network",
	  SECTION("Network"),
	  .service_suffix = "-network",
	  .order = 2,
	  .resource = resource_network,
	  .convert = convert_network_unit,
	  .service = service_network,
	  .judge = judge_network_unit,
	  .not_yet = "" },
	{ .id = UNIT_KUBE,
	  .suffix = ".kube",
	  SECTION("Kube"),
	  .service_suffix = "",
	  .order = 4,
	  .resource = resource_none,
	  .convert = convert_kube,
	  .special = special_kube,
	  .service = service_kube,
	  .judge = judge_kube,
	  .not_yet =
		  "Kubernetes files are not run here: write a .container unit for each container" },
	{ .id = UNIT_IMAGE,
	  .suffix = ".image",
	  SECTION("Image"),
	  .service_suffix = "-image",
	  .order = 1,
	  .resource = resource_image,
	  .convert = convert_image_unit,
	  .service = service_image,
	  .judge = judge_image_unit,
	  .not_yet = "" },
	{ .id = UNIT_BUILD,
	  .suffix = ".build",
	  SECTION("Build"),
	  .service_suffix = "-build",
	  .order = 3,
	  .resource = resource_build,
	  .convert = convert_build,
	  .service = service_build,
	  .judge = judge_build,
	  .not_yet = "nothing is built here: build the image elsewhere and name it with Image=" },
	{ .id = UNIT_POD,
	  .suffix = ".pod",
	  SECTION("Pod"),
	  .service_suffix = "-pod",
	  .order = 5,
	  .resource = resource_pod,
	  .convert = convert_pod_unit,
	  .special = special_pod,
	  .service = service_pod,
	  .judge = judge_pod,
	  .not_yet = "" },
	{ .id = UNIT_ARTIFACT,
	  .suffix = ".artifact",
	  SECTION("Artifact"),
	  .service_suffix = "-artifact",
	  .order = 1,
	  .resource = resource_artifact,
	  .convert = convert_artifact,
	  .service = service_artifact,
	  .judge = judge_artifact,
	  .not_yet = "artifacts are not pulled in this version" },
};

const struct kind *kind_at(size_t index)
{
	return index < sizeof(kinds) / sizeof(kinds[0]) ? &kinds[index] : NULL;
}

/* Asked for each word that may name a unit, which few do. */
const struct kind *kind_of(const char *file)
{
	const char *dot = strrchr(file, '.');

	if (!dot || dot == file)
		return NULL;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (dot[1] == kinds[i].suffix[1] && str_eq(dot, kinds[i].suffix))
			return &kinds[i];
	return NULL;
}

bool kind_suffix_is_at(const char *dot)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (dot[1] == kinds[i].suffix[1] && str_starts(dot, kinds[i].suffix))
			return true;
	return false;
}

const char *kind_base_name(struct arena *arena, const char *file)
{
	const char *dot = strrchr(file, '.');

	return arena_strndup(arena, file, dot ? (size_t)(dot - file) : strlen(file));
}
