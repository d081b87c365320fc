/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The parts of the table; keys.c joins them. The order of a section's rows is the order of the words for podman. */
#include "unit/keys.h"

/* clang-format off */
#define ROW(section_, name_, kind_, state_, form_, passed_, flag_, reason_, help_, example_) \
	{ .section = section_, .name = name_, .name_bytes = sizeof(name_) - 1, .full = section_ "." name_, .kind = KEY_##kind_, .state = KEY_##state_, .form = KEY_FORM_##form_, \
	  .is_passed_on = passed_, .flag = flag_, .reason = reason_, .help = help_, .example = example_ }
/* clang-format on */

extern const struct key keys_container[]; /* [Container], [Quadlet] */
extern const size_t keys_container_count;
extern const struct key keys_resources[]; /* [Volume], [Network], [Image], [Build], [Artifact] */
extern const size_t keys_resources_count;
extern const struct key keys_groups[]; /* [Pod], [Kube] */
extern const size_t keys_groups_count;
extern const struct key keys_systemd[]; /* [Unit], [Service], [Install] */
extern const size_t keys_systemd_count;
