/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the host withholds: looking (a child does what the runtime will do), remembering (a flat record) and judging (pure). util/host.h has
 * the table of checks; a fact is the answer to one of its rows. Used by the engine and by "cleat doctor".
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"
#include "util/host.h"

enum host_answer { HOST_UNASKED, HOST_YES, HOST_NO };

#define HOST_TEXT_SIZE 192
struct host_fact {
	char id[HOST_ID_SIZE];
	int32_t number;	  /* errno behind HOST_NO, 0 */
	uint8_t answer;	  /* enum host_answer */
	uint8_t is_tried; /* by the child: not known to the engine itself */
	uint8_t reserved[2];
	char text[HOST_TEXT_SIZE]; /* evidence: the call and its error, or what a file says */
};

#define HOST_MAX_FACTS 48
#define HOST_RECORD_MAGIC 0x31484c43u /* "CLH1" */
#define HOST_RECORD_VERSION 1
/* CLEAT_HOST_RECORD. A record of another size or version is none: the engine makes it anew. */
struct host_record {
	uint32_t magic;
	uint16_t version, reserved;
	uint32_t length; /* sizeof(struct host_record) */
	uint32_t count;
	uint32_t kind;	     /* enum host_kind */
	uint32_t allowed;    /* enum host_loss: what appliance.ini allows */
	uint64_t init_ticks; /* start of PID 1, with boot_id: which boot this is about */
	int64_t real_usec;   /* when it was made */
	char boot_id[40];
	char kernel[64]; /* release */
	char label[64];	 /* security label of the appliance's processes; "": none */
	struct host_fact facts[HOST_MAX_FACTS];
};

/* --- host_probe_record.c ------------------------------------------------------------------------------------------- */

/* Empty, of this boot. */
void host_record_init(struct host_record *record);
/* The fact of this id, in place of an earlier one; what does not fit is left out. number: an errno. */
void host_record_yes(struct host_record *record, const char *id);
void host_record_no(struct host_record *record, const char *id, int number, const char *fmt, ...)
	ERR_PRINTF(4, 5);
/* The child found it out. */
void host_record_set_tried(struct host_record *record, const char *id);
const struct host_fact *host_record_find(const struct host_record *record, const char *id);
/* Facts that the child found out come into a record that has its own already: those win. */
void host_record_merge(struct host_record *record, const struct host_record *tried);
/* Bytes of any origin: bounded, texts terminated, answers known, or ERR_INTEGRITY and *out is empty. */
int host_record_parse(const void *bytes, size_t length, struct host_record *out,
		      struct err *err) MUST_CHECK;
int host_record_load(const char *path, struct host_record *out, struct err *err) MUST_CHECK;
int host_record_save(const char *path, const struct host_record *record,
		     struct err *err) MUST_CHECK;
/* Of the boot that is now. */
bool host_record_is_current(const struct host_record *record);

/* --- host_probe_judge.c: pure -------------------------------------------------------------------------------------------- */

struct host_finding {
	const struct host_check *check;
	enum host_level level;
	bool is_filtered;		    /* a filter of the host hides the call */
	char evidence[HOST_TEXT_SIZE + 88]; /* "" when there is nothing to say */
	char remedy[HOST_REMEDY_SIZE];	    /* "" when nothing has to be changed */
};
#define HOST_MAX_FINDINGS HOST_MAX_FACTS
/* One for each row of the table, worst first, rows in the table's order within a level. Returns how many. */
size_t host_judge(const struct host_record *record, struct host_finding out[HOST_MAX_FINDINGS]);
/* The worst; HOST_FINE for none. HOST_UNKNOWN and HOST_NOTE are nothing bad. */
enum host_level host_worst(const struct host_finding *findings, size_t count);

/* --- host_probe_here.c: what can be read without trying anything out; never waits ----------------------------------------------- */

/* data_dir NULL: there is none to be looked at. */
void host_look_here(struct host_record *record, const char *data_dir);
/* Its row "clock", for that time. */
void host_look_clock(struct host_record *record, int64_t now_sec);
/* abi: proc_landlock_abi(). */
void host_look_landlock(struct host_record *record, int abi);

/* --- host_probe_try.c: blocking, at most some seconds ------------------------------------------------------------------------------ */

/* Does what starting a container does: in processes of their own whose namespaces end with them. By the runtime's program beside this one,
 * else by the appliance's. */
void host_try_all(struct host_record *record, const char *data_dir);
/* Lines "ID yes" and "ID no ERRNO REASON" as facts that were tried; others are passed over. Returns how many there were. */
unsigned host_read_tries(struct host_record *record, const char *text);

/* host_probe_net.c: what our networks are made of, in a network namespace that ends with this process. Writes such lines. */
void host_try_network(int fd);
