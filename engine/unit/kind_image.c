/* SPDX-License-Identifier: Apache-2.0 */
/*
 * .image and .artifact units: "podman image pull", "podman artifact pull". What others get as the
 * image's name is not always what is pulled: an archive's image has a name of its own. Must never
 * name a thing for a unit that does not say what to pull.
 */
#include "unit/oneshot_internal.h"
#include "util/str.h"

const char *resource_image(struct reading *r)
{
	struct arg name;

	/* Without Image= the unit is refused: it names nothing. */
	if (!value_text(r, r->own, "Image", &name))
		return "";
	(void)value_text(r, r->own, "ImageTag", &name);
	return oneshot_resolve(r, &name);
}

const char *resource_artifact(struct reading *r)
{
	struct arg name;

	return value_text(r, r->own, "Artifact", &name) ? oneshot_resolve(r, &name) : "";
}

/* The rows' words, then what is pulled: the value of key. */
static struct arg_list convert_pull(struct reading *r, const char *key)
{
	struct arg_list words = { 0 };
	struct arg name;

	convert_keys(r, &words);
	if (value_text(r, r->own, key, &name))
		arg_push(r->arena, &words, name.text, name.origin);
	else
		reading_fail(r, reading_place(r, arena_join(r->arena, key, ".", key)),
			     "no %s key specified", key);
	return words;
}

struct arg_list convert_image_unit(struct reading *r, size_t *image_index)
{
	(void)image_index;
	return convert_pull(r, "Image");
}

struct arg_list convert_artifact(struct reading *r, size_t *image_index)
{
	(void)image_index;
	return convert_pull(r, "Artifact");
}

void service_image(struct reading *r, const struct arg_list *words)
{
	oneshot_service(r, (const char *const[]){ "image", "pull", NULL }, words, true);
}

void service_artifact(struct reading *r, const struct arg_list *words)
{
	oneshot_service(r, (const char *const[]){ "artifact", "pull", NULL }, words, true);
}

void judge_image_unit(struct reading *r)
{
	struct arg name;

	if (value_text(r, r->own, "Image", &name))
		oneshot_judge_reference(r, &name);
	if (value_text(r, r->own, "ImageTag", &name))
		oneshot_judge_reference(r, &name);
	judge_image(r);
	oneshot_judge_choice(r, "Policy",
			     (const char *const[]){ "always", "missing", "never", "newer", NULL });
	oneshot_judge_retry(r);
}

void judge_artifact(struct reading *r)
{
	struct arg name;

	if (value_text(r, r->own, "Artifact", &name))
		oneshot_judge_reference(r, &name);
	oneshot_judge_retry(r);
}
