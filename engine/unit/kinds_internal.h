/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a unit's suffix says: one row per kind. The row leads to everything that differs between kinds; what
 * reads files, keys and values knows none of them.
 */
#include "unit/reading_internal.h"

struct kind {
	enum unit_kind id;
	const char *suffix, *section;
	const char *
		hidden_section; /* in the service text, where systemd is to pass over it: "X-Container" */
	const char *service_suffix; /* "-volume": web.volume is web-volume.service */
	unsigned order; /* podman converts small ones first: those that others refer to; pods gather members */
	/* What podman calls the thing that the unit makes, as other units name it; "": not to be told before it
	 * runs, or there is none. Said before any unit is converted. */
	const char *(*resource)(struct reading *r);
	/* The words of the unit's main podman command, without "podman" and the command's own name ("run", "volume create").
	 * image_index: of the image among them; left alone by other kinds than .container. */
	struct arg_list (*convert)(struct reading *r, size_t *image_index);
	/* The words of a row with KEY_FORM_SPECIAL whose rule is this kind's own; false: not one of them, the rule is in
	 * convert_special.c. NULL: the kind has none. */
	bool (*special)(struct reading *r, const struct key *key, struct arg_list *words);
	/* podman's pass: [Service] of the service text from these words. */
	void (*service)(struct reading *r, const struct arg_list *words);
	/* The engine's opinion on values of the kind's own keys; NULL: the table says all. */
	void (*judge)(struct reading *r);
	const char *not_yet; /* why the engine does not run such units; "": it does */
};

/* By the suffix of a file's name; NULL: no unit file. */
const struct kind *kind_of(const char *file);
const struct kind *kind_at(size_t index); /* NULL: no more */
/* Whether what begins at the dot begins with a suffix. */
bool kind_suffix_is_at(const char *dot);

/* "web" of "web.container". */
const char *kind_base_name(struct arena *arena, const char *file);

/* One function of each for each kind. convert.c, service_text.c, judge.c: */
struct arg_list convert_container(struct reading *r, size_t *image_index);
void service_container(struct reading *r, const struct arg_list *words);
void judge_container(struct reading *r);
/* judge.c: of a container or a pod. */
bool judge_has_host_network(struct reading *r);
/* judge_values.c: what no other rule reads. */
void judge_container_values(struct reading *r);
/* judge_slips.c: warns of a value of a known key that is nearly never what was meant. The engine's pass. */
void judge_slips(struct reading *r, const struct key *key, const struct syntax_entry *entry);
/* Appends which sign of printed text stands in the name of a key or section, if one does. */
void judge_describe_sign(const char *name, struct buf *out);
void judge_pod(struct reading *r);
void judge_kube(struct reading *r);
/* Image= names a registry, or a warning. */
void judge_image(struct reading *r);
const char *resource_container(struct reading *r);
/* kind_pod.c */
struct arg_list convert_pod_unit(struct reading *r, size_t *image_index);
bool special_pod(struct reading *r, const struct key *key, struct arg_list *words);
void service_pod(struct reading *r, const struct arg_list *words);
const char *resource_pod(struct reading *r);
/* kind_kube.c */
struct arg_list convert_kube(struct reading *r, size_t *image_index);
bool special_kube(struct reading *r, const struct key *key, struct arg_list *words);
void service_kube(struct reading *r, const struct arg_list *words);
const char *resource_none(struct reading *r);
/* kind_volume.c */
struct arg_list convert_volume_unit(struct reading *r, size_t *image_index);
void service_volume(struct reading *r, const struct arg_list *words);
const char *resource_volume(struct reading *r);
void judge_volume(struct reading *r);
/* kind_network.c */
struct arg_list convert_network_unit(struct reading *r, size_t *image_index);
void service_network(struct reading *r, const struct arg_list *words);
const char *resource_network(struct reading *r);
void judge_network_unit(struct reading *r);
/* kind_image.c: images and artifacts, which are pulled alike */
struct arg_list convert_image_unit(struct reading *r, size_t *image_index);
void service_image(struct reading *r, const struct arg_list *words);
const char *resource_image(struct reading *r);
void judge_image_unit(struct reading *r);
struct arg_list convert_artifact(struct reading *r, size_t *image_index);
void service_artifact(struct reading *r, const struct arg_list *words);
const char *resource_artifact(struct reading *r);
void judge_artifact(struct reading *r);
/* kind_build.c */
struct arg_list convert_build(struct reading *r, size_t *image_index);
void service_build(struct reading *r, const struct arg_list *words);
const char *resource_build(struct reading *r);
void judge_build(struct reading *r);
/* service_text.c: the keys of [Unit] that name units, in podman's order. */
#define DEPENDENCY_KEY_COUNT 15
extern const char *const dependency_keys[DEPENDENCY_KEY_COUNT];
