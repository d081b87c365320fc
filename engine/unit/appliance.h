/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * appliance.ini: what concerns the whole appliance and no single unit. Same syntax as unit files. One row a key; a line that is wrong is an
 * error with file and line, all others count all the same. To add a key: a member below, a row in appliance.c.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/arena.h"
#include "util/diag.h"
#include "util/err.h"

#define APPLIANCE_MAX_BYTES (64u * 1024)
/* What the whole appliance has to stop in, and what of it is not the units' own: killing what is left and taking it down, then
 * the network. Hosts wait for 30 s (incus), 60 s (lxc-stop) or longer, and PID 1 needs up to 4 s more. */
#define APPLIANCE_STOP_BUDGET_USEC UINT64_C(25000000)
#define APPLIANCE_STOP_RESERVE_USEC UINT64_C(5000000)
#define APPLIANCE_STOP_MAX_USEC UINT64_C(3600000000)

#define APPLIANCE_UPDATE_NEVER UINT64_MAX /* update_interval_usec: off */

#define APPLIANCE_MAX_LINKS 8
#define APPLIANCE_MAX_TEXTS \
	8 /* values of a key that may be given several times, or that is a list */

/* What the console shows, and whether one can log in there. */
enum appliance_console {
	APPLIANCE_CONSOLE_STATUS, /* a screen of units, redrawn when something changes */
	APPLIANCE_CONSOLE_LOG,	  /* the lines of the boot and of the engine, nothing else */
	APPLIANCE_CONSOLE_SHELL, /* a shell of root, without a password: for whoever has the console */
	APPLIANCE_CONSOLE_OFF,
};

enum appliance_method {
	APPLIANCE_METHOD_DHCP,	 /* DHCPv4, and what router advertisements say */
	APPLIANCE_METHOD_STATIC, /* addresses and gateways of this section */
	APPLIANCE_METHOD_AUTO,	 /* router advertisements only (SLAAC) */
	APPLIANCE_METHOD_OFF,	 /* the link is left as it is */
};

struct appliance_texts {
	const char *text[APPLIANCE_MAX_TEXTS];
	unsigned count;
};

/* [Link NAME]: one interface of the appliance. Texts have been judged: addresses are ADDRESS/LENGTH of either family. */
struct appliance_link {
	const char *name; /* interface name, or a MAC address */
	bool has_method;
	enum appliance_method method;
	struct appliance_texts addresses, gateways;
	unsigned mtu; /* 0: not set */
	bool dhcp6;   /* an address by DHCPv6 besides */
};

struct appliance {
	uint64_t log_budget_bytes; /* [Log] Budget=; 0: not set, or in percent */
	unsigned log_budget_percent; /* of the file system; 0: not set. Neither: the lesser of 256 MiB and 10 % */
	uint64_t log_max_bytes; /* [Log] MaxSize=: of units without max-size=; 0: log.h's default */
	unsigned log_max_files; /* [Log] MaxFiles= */
	const char *log_ship;	/* [Log] Ship=: URL (util/syslog_url.h); NULL: lines stay here */
	const char *log_ship_ca;       /* [Log] ShipCA=: file; NULL: the appliance's certificates */
	uint64_t update_interval_usec; /* [Update] Interval=; 0: a day */
	uint64_t update_healthy_usec;  /* [Update] HealthyAfter=; 0: a minute */
	bool unknown_keys_are_warnings; /* [Units] UnknownKeys=warning */
	uint64_t stop_budget_usec;	/* [Stop] Budget=; 0: not set, APPLIANCE_STOP_BUDGET_USEC */
	/* [System], unit/appliance_system.c */
	const char *
		hostname; /* Hostname=; NULL: what the host has set, else one of the machine's identity */
	const char *time_zone; /* TimeZone=: what zone_rule() knows (unit/zones.h); NULL: UTC */
	const char *
		root_password; /* RootPassword=: a crypt(3) hash; "": off; NULL: not set, then that of /etc/shadow or /etc/passwd */
	enum appliance_console console; /* Console= */
	bool ntp_off;			/* NTP=off */
	struct appliance_texts
		ntp; /* NTP=: servers; none: those of DHCP, else pool.ntp.org. Machines only: a container has its host's clock */
	/* [Network] and [Link NAME], unit/appliance_network.c */
	struct appliance_texts dns, search; /* DNS=, Search=: beat what DHCP says */
	struct appliance_link links[APPLIANCE_MAX_LINKS];
	unsigned link_count;
	/* [Status], [Isolation], unit/appliance_status.c */
	const char *status_address; /* Address=: IPv4 or IPv6 to listen on; NULL: all */
	uint16_t status_port;	    /* Address=ADDR:PORT; 0: CLEAT_STATUS_PORT */
	uint32_t allowed_losses;    /* AllowLoss=: bits of the names in unit/appliance_status.c */
};

struct appliance_key {
	const char *section, *name;
	const char *help, *preset, *example;
	const char *bad; /* a value that is refused */
	/* NULL: taken; else what is expected */
	const char *(*set)(struct appliance *out, struct arena *arena, const char *value);
};
const struct appliance_key *appliance_keys(size_t *count);

/* A missing file is all defaults. Texts in the arena. -1: it cannot be read; what is wrong in it is in diags. */
int appliance_load(struct appliance *out, struct arena *arena, struct diags *diags,
		   const char *path, struct err *err) MUST_CHECK;
/* The same for text in memory. path is borrowed. */
void appliance_read(struct appliance *out, struct arena *arena, struct diags *diags,
		    const char *path, const char *text, size_t len);

/* appliance_system.c */
/* RFC 1123, at most 63 bytes, not "localhost". */
bool appliance_is_hostname(const char *name);
/* A hash of crypt(3) that is worth the name: SHA-512, SHA-256 or bcrypt. */
bool appliance_is_password_hash(const char *text);
