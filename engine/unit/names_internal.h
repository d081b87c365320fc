/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a unit, its service and the thing that it makes are called (podman-systemd.unit(5)). */
#include <stdbool.h>

#include "unit/reading_internal.h"

/* "web-volume.service" of "web.volume", or what ServiceName= says; a bad name is complained of. */
const char *name_service(struct reading *r);
/* systemd's alphabet of unit names, and not too long. */
/* Of systemd's alphabet of unit names only: letters, digits and :-_.\@ */
bool name_is_spelled(const char *name);
bool name_is_valid(const char *name);
/* "web@.service". */
bool name_is_template(const char *service);
/* The last value of KEY= in the unit's own section; "". */
const char *name_given(struct reading *r, const char *key);
/* "systemd-NAME", as volumes and networks have it; podman's pass: without the letter that podman cuts off instances. */
const char *name_default(struct reading *r);
/* %N in text becomes the service's name without .service; "" when other specifiers are left: only systemd could resolve them. */
const char *name_expand(struct reading *r, const char *text);
