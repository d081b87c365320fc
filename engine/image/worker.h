/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Getting an image from an OCI archive (as "skopeo copy ... oci-archive:FILE" writes it) or from a registry into the
 * store. Two kinds of confined processes that exec the cleat program:
 *
 *   cleat fetch    nobody, seccomp, no file system: reads the archive through a descriptor; tar, JSON and compressed digests; hands up
 *                  flat records and streams each layer's compressed bytes into a pipe. With a registry: sockets in place of the archive
 *   cleat unpack   one per layer, root of the id map's user namespace only, Landlock/chroot to one directory below tmp/: inflates, plain digest (diff id),
 *                  tar, files; reports a flat record
 *
 * and a coordinator (cleat import, spawned by the engine: it owns the store directory, does renames, fsyncs, completion
 * records; parses only the flat records). The engine talks to the coordinator through the descriptor of import_start.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "image/pull.h"
#include "image/ref.h"
#include "util/err.h"
#include "util/proc.h"

/* One line of progress or result from the coordinator, SOCK_SEQPACKET, fixed size. */
#define IMPORT_RECORD_VERSION 1
struct import_record {
	uint16_t version, length; /* of this struct */
	uint32_t kind;		  /* enum import_kind */
	uint64_t done_bytes, total_bytes;
	char ref[512]; /* IMPORT_IMAGE: canonical reference; IMPORT_MISSING: as asked */
	char digest[80];
	char text[480]; /* IMPORT_ERROR / IMPORT_ARCHIVE_ERROR: for people: archive file, digest, what to do */
};
enum import_kind {
	IMPORT_PROGRESS = 1,
	IMPORT_IMAGE,	      /* the reference is complete in the store now */
	IMPORT_MISSING,	      /* no archive has it and the store does not either */
	IMPORT_ERROR,	      /* an archive has it but it cannot be used */
	IMPORT_ARCHIVE_ERROR, /* an archive that nobody asked for is broken: a warning */
	IMPORT_DONE,	      /* last record */
	IMPORT_RETRY, /* as IMPORT_ERROR, but it may succeed later without anybody's doing: network, registry, memory */
	IMPORT_LAYER, /* a layer is complete: digest of the compressed one, its bytes; only after a request */
	IMPORT_NOTE, /* what a file of /config says that is not acted on, with its name; each once in a process */
	IMPORT_NEWER, /* pull_want.only_asks: an archive or the registry means this manifest by it, which is not what the store has */
};

/* Starts the coordinator for what the request wants, with the proxy variables of this process: looks through the archives in
 * image_dir (skipping those whose path, size and mtime the store knows), then in the store, then asks registries, as each
 * want's policy has it. Never blocks; records arrive on *fd_out (owned by the caller, non-blocking), their ref as the
 * want's; EOF without IMPORT_DONE means that the coordinator died. SIGTERM ends it, with nothing left behind. cgroup_fd as in
 * proc_spawn. */
int import_start(const char *store_path, const char *image_dir, const struct pull_request *request,
		 int cgroup_fd, struct proc *proc_out, int *fd_out, struct err *err) MUST_CHECK;

/* Entry points of the worker processes (called by the program's command table). */
int cmd_import(int argc, char **argv);
int cmd_fetch(int argc, char **argv);
int cmd_unpack(int argc, char **argv);
