/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Has something changed in the unit directory? A digest of names, inodes, sizes and times of everything in it that loading units
 * would look at; nothing is opened but folders. The walk has the bounds of unit/unit.h. Blocks as long as the file system does.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each folder before its names are read, and each link to a file: where events would come from. */
typedef void signature_place_fn(void *arg, const char *path);
/* place_fn may be NULL. A folder that cannot be read has a signature, too. */
void signature_of_units(const char *dir, signature_place_fn *place_fn, void *arg, uint8_t out[32]);
/* Of a whole /config: its units, appliance.ini, network-config, and what tells of images: archives, registries.conf, auth.json, certs.d. */
void signature_of_config(const char *dir, signature_place_fn *place_fn, void *arg, uint8_t out[32]);
/* Of single files, whatever they are; order does not matter. */
void signature_of_paths(const char *const *paths, size_t count, uint8_t out[32]);
/* Could a file of this name be a unit, a drop-in, a folder, or the appliance's own? What editors leave beside a file is not. */
bool signature_is_relevant(const char *name);
