/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AutoUpdate= and the label that it stands for, against the image that they are about. Must never refuse a unit: what cannot be updated
 * runs all the same.
 */
#include "image/ref.h"
#include "spec/options.h"
#include "util/str.h"

/* NULL: an image's name that is not valid. */
static const char *find_unfit(const struct image_ref *ref)
{
	if (!ref)
		return "enforcing fully-qualified docker transport reference for auto updates: invalid reference format";
	if (ref->digest[0])
		return "auto updates require fully-qualified image references without digest";
	if (!ref->domain[0])
		return "auto updates require fully-qualified image references";
	if (str_eq(ref->domain, "localhost"))
		return "auto updates of localhost/ ask no registry; local looks at what is in the store";
	return NULL;
}

const char *spec_update_unfit(const char *image)
{
	struct image_ref ref;
	struct err ignored;

	return find_unfit(ref_parse(image, &ref, &ignored) == 0 ? &ref : NULL);
}

static bool is_known(const char *policy)
{
	return !policy[0] || str_eq(policy, "local") || str_eq(policy, "disabled");
}

/* The unit's own judges have said it then. */
static bool is_of_key(const struct arg *word)
{
	return word->origin && word->origin->key && str_ends(word->origin->key, "AutoUpdate");
}

void update_judge(struct options *o)
{
	const struct container_spec *spec = o->spec;
	const char *why;

	if (!spec->auto_update || !o->update_word || !spec->image)
		return;
	option_point_to(o, o->update_word, "label");
	if (str_eq(spec->auto_update, "registry") || str_eq(spec->auto_update, "image")) {
		why = find_unfit(o->image);
		if (why)
			option_warn(o, "%s: \"%s\"", why, option_shown(o, spec->image));
		else if (spec->pull == SPEC_PULL_NEVER)
			option_note(
				o,
				"Pull=never holds for starts; updates ask the registry all the same, as podman's do");
	} else if (!is_known(spec->auto_update) && !is_of_key(o->update_word)) {
		option_warn(
			o,
			"invalid auto-update policy \"%s\": valid policies are registry, local and disabled",
			option_shown(o, spec->auto_update));
	}
}
