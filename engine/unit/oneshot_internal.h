/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What .volume, .network, .image, .artifact and .build units have in common: a service that runs
 * one command to its end, and values that more than one of them has.
 */
#include "unit/kinds_internal.h"

/* What others call the thing that the unit makes: the last value of key, else name_default. */
const char *oneshot_name(struct reading *r, const char *key);
/* The same of a name that was read. The engine's pass: with the unit's own specifiers put in,
 * because those of the unit that refers to it would say something else; "" after a complaint. */
const char *oneshot_resolve(struct reading *r, const struct arg *name);
/* Appends the name as the command's last word, specifiers as they are, with the origin of key. */
void oneshot_push_name(struct reading *r, struct arg_list *words, const char *key);
/* "FLAG" "VALUE" of a text that is set; podman's pass: also of one that is set to nothing. */
void oneshot_push_set(struct reading *r, struct arg_list *words, const char *key, const char *flag);
/* podman's pass: ExecStart= of command (up to NULL) and words, then what [Service] leaves open.
 * remains: RemainAfterExit=yes. */
void oneshot_service(struct reading *r, const char *const *command, const struct arg_list *words,
		     bool remains);

/* The engine's opinion on values; texts with $ or % are not known yet and pass. choices ends with
 * NULL. */
bool oneshot_is_open(const char *text);
/* As Go reads it: "1m30s"; only 0 needs no unit. */
bool oneshot_is_duration(const char *text);
void oneshot_judge_choice(struct reading *r, const char *key, const char *const *choices);
/* Names of volumes and networks: [a-zA-Z0-9][a-zA-Z0-9_.-]* */
void oneshot_judge_name(struct reading *r, const char *key);
/* Names of images and artifacts have no blanks. */
void oneshot_judge_reference(struct reading *r, const struct arg *value);
/* Retry= and RetryDelay=. */
void oneshot_judge_retry(struct reading *r);
