/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* systemd's small value languages, with span_parse() of service.h. In all of these false means that systemd would ignore the text, too; nothing is set then. */
#include <stdbool.h>
#include <stdint.h>

#include "unit/service.h"
#include "util/buf.h"
#include "util/loop.h"

/* Adds an exit code (0-255, or a name like TEMPFAIL) or a signal (SIGTERM, TERM, SIGRTMIN+3 is 37). */
bool exit_set_add(struct exit_set *set, const char *word);
/* 1 yes y true t on, 0 no n false f off, in any case of letters. */
bool systemd_bool_parse(const char *text, bool *value);
/* "64K", "1.5G", "1G 512M", each suffix smaller than the one before; base 1024 or 1000. */
bool size_parse(const char *text, unsigned base, uint64_t *bytes);
/* "50%", "12.5%", and per mille and per ten thousand by their signs: in ten-thousandths, at most UINT32_MAX. */
bool share_parse(const char *text, uint64_t *permyriad);
/* Octal, at most 07777. */
bool mode_parse(const char *text, unsigned *mode);
/* "0-3 5,7" as "0-3,5,7", sorted, for cpuset.cpus; appended to out. */
#define CPU_LIST_MAX 8192
bool cpu_list_parse(const char *text, struct buf *out);
