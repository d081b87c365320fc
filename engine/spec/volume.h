/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Named volumes: what "podman volume create" is told, by a .volume unit or on the command line. Pure;
 * what is on disk is supervise/volume_store.h. Strings live in the arena given at creation.
 */
#include "spec/spec.h"

struct unit_set;

#define VOLUME_NAME_MAX_BYTES 128
#define VOLUME_MAX_LABELS 256
#define VOLUME_MAX_OPTIONS 64

enum volume_kind {
	VOLUME_FOLDER, /* a folder below CLEAT_VOLUME_DIR */
	VOLUME_BIND, /* Type=none or bind, Device=/path: a folder of the appliance under another name */
	VOLUME_TMPFS, /* Type=tmpfs: memory, of one container only, gone when it stops */
};

struct volume_spec {
	const char *name; /* "": to be made up (cleat volume create) */
	enum volume_kind kind;
	struct spec_pair *labels;
	size_t label_count;
	struct spec_pair *options; /* --opt NAME=VALUE as given; value "" of a bare name */
	size_t option_count;
	bool no_copy;	       /* the image's content is not copied into it */
	uint32_t uid, gid;     /* of its top folder, inside; UINT32_MAX: not said */
	const char *device;    /* VOLUME_BIND: absolute, clean */
	uint64_t size_bytes;   /* VOLUME_TMPFS; 0: the default of DESIGN "Sizes" */
	unsigned size_percent; /* VOLUME_TMPFS: of the appliance's memory, instead of bytes; 0 */
	unsigned mode;	       /* VOLUME_TMPFS; 01777 unless given */
	bool read_only, no_exec, no_suid, no_dev;
	bool is_image; /* --driver=image, which is refused: image= needs no second complaint */
	bool ignore;   /* --ignore: one that exists is no error */
	const struct origin *origin; /* of the first word; NULL */
};

/* podman's names: a letter or digit, then those, '_', '.' and '-'. Does not judge the length. */
bool volume_name_is_valid(const char *name);

/* The words of "podman volume create" -> *out. Problems go to diags at the words' origins; -1 when there was an error. What is
 * accepted and not acted on is a DIAG_NOTE that begins with "noted: ". */
int volume_from_args(struct volume_spec *out, struct arena *arena, const struct arg_list *args,
		     struct diags *diags) MUST_CHECK;

/* A plain folder of that name. */
void volume_spec_init(struct volume_spec *out, const char *name);

/* Every valid .volume unit of the set, in the arena. One whose words have errors is left out: "cleat check" says them. */
void volumes_of_units(const struct unit_set *set, struct arena *arena, struct volume_spec **out,
		      size_t *count);

/* NULL: none of that name. */
const struct volume_spec *volume_find(const struct volume_spec *volumes, size_t count,
				      const char *name);
