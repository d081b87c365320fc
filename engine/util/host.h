/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a host may withhold from an appliance, as words: one row a check, with what its lack costs and which setting of the host changes it; and
 * the losses of isolation that appliance.ini can allow. Texts only: supervise/host_probe.h looks and judges, the status server and the
 * command line render.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers are part of util/published.h's format. */
enum host_level {
	HOST_FINE,
	HOST_UNKNOWN, /* not looked at, or hidden behind another lack */
	HOST_NOTE,    /* works, in another way: nothing that a unit asks for is missing */
	HOST_LIMITED, /* something that a unit may ask for is not to be had */
	HOST_MISSING, /* no container can start */
};
#define HOST_LEVELS 5
const char *host_level_name(unsigned level); /* "ok", "unknown", "note", "limited", "missing" */

/* Whose settings they are. */
enum host_kind {
	HOST_MACHINE, /* a VM, a computer: its own kernel */
	HOST_PROXMOX,
	HOST_INCUS,
	HOST_LXD,
	HOST_LXC,	/* plain lxc */
	HOST_CONTAINER, /* some other manager of containers */
};
#define HOST_KINDS 6
const char *host_kind_name(unsigned kind);  /* "machine", "proxmox", ... */
const char *host_kind_title(unsigned kind); /* "a Proxmox VE container" */

/* Losses of isolation that appliance.ini may allow: bits of struct appliance's allowed_losses, shim_status and published_unit. */
enum host_loss {
	HOST_LOSS_PROC = 1, /* the appliance's /proc, read-only, in place of the container's own */
	HOST_LOSS_SYS = 2,  /* the same of /sys */
};
/* The bit of a name; 0: no such loss, and *why (a static text) says why it cannot be allowed; NULL: nobody has heard of it. */
uint32_t host_loss_find(const char *name, const char **why);
/* "private-proc private-sys", in the order of the bits; "" for none. */
#define HOST_LOSSES_SIZE 32
void host_loss_names(uint32_t losses, char out[HOST_LOSSES_SIZE]);

#define HOST_ID_SIZE 24
#define HOST_REMEDY_SIZE 256
struct host_check {
	const char *id;	       /* stable: monitors compare it */
	enum host_level level; /* what its lack is */
	const char *title;     /* what is looked for */
	const char *loss;      /* what its lack costs */
	const char *after; /* checks (with blanks between) whose lack explains this one's; NULL */
	uint32_t loss_bit; /* enum host_loss: allowed, it is only HOST_LIMITED */
	/* The setting to change; NULL: as in the column before. "incus" stands for lxc with LXD. */
	const char *proxmox, *incus, *lxc, *machine;
};
const struct host_check *host_checks(size_t *count);
const struct host_check *host_check_find(const char *id); /* NULL */
/* What to change on a host of this kind. is_filtered: the call is there, but a filter of the host hides it (ENOSYS). */
void host_remedy(const struct host_check *check, unsigned kind, bool is_filtered,
		 char out[HOST_REMEDY_SIZE]);
/* What its lack costs, where these losses are allowed. */
const char *host_loss_text(const struct host_check *check, uint32_t allowed);

struct published_header;
#define HOST_SENTENCE_SIZE 640
/* A finding that is published, in one line: "private-proc: no container can start: proc: mount: Operation not permitted; to change it: ...". */
void host_sentence(const struct published_header *header, unsigned index,
		   char out[HOST_SENTENCE_SIZE]);
