/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints the config.json that the engine would write for a fully configured
 * container, with the root in one directory: the default seccomp profile, all
 * capabilities dropped, read-only, two tmpfs, a volume, keep-id.
 *
 *   config ROOTFS VOLUME PROGRAM [WORD...]
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "spec/spec.h"

static void push(struct arena *arena, struct arg_list *list, const char *text)
{
	static const struct origin origin = { .file = "", .key = "bench" };

	arg_push(arena, list, text, &origin);
}

static void add_words(struct arena *arena, struct arg_list *list, char **argv)
{
	static const char *const words[] = {
		"--name=bench",		 "--network=none",
		"--read-only",		 "--cap-drop=all",
		"--userns=keep-id",	 "--security-opt=no-new-privileges",
		"--user=1001:1001",	 "--tmpfs=/tmp:size=64m",
		"--tmpfs=/run:size=16m", "--read-only-tmpfs=false",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		push(arena, list, words[i]);
	push(arena, list, arena_printf(arena, "--volume=%s:/data", argv[2]));
	push(arena, list, "localhost/bench:1");
	for (char **word = argv + 3; *word; word++)
		push(arena, list, *word);
}

static void report(const struct diags *diags)
{
	for (size_t i = 0; i < diags->count; i++)
		fprintf(stderr, "config: %s\n", diags->items[i].text);
}

int main(int argc, char **argv)
{
	struct arena arena = { 0 };
	struct container_spec spec = { 0 };
	struct arg_list args = { 0 };
	struct diags diags = { 0 };
	struct image_facts image = { .digest = "", .user = "", .workdir = "/", .stop_signal = "" };
	struct rlimit files = { 0 }, processes = { 0 };
	struct spec_remarks remarks = { 0 };
	struct strv no_files = { 0 };
	struct buf out = BUF_INIT(4u << 20);
	struct err err;

	if (argc < 4)
		return 64;
	getrlimit(RLIMIT_NOFILE, &files);
	getrlimit(RLIMIT_NPROC, &processes);

	const char *layer = argv[1];
	struct host_facts host = {
		.memory_bytes = 1u << 30,
		.nofile_hard = files.rlim_max,
		.nproc_hard = processes.rlim_max,
		.home_uid = 1000,
		.home_gid = 1000,
		.resolv_conf = "",
	};

	image.layers = (struct strv){ .items = &layer, .count = 1 };
	add_words(&arena, &args, argv);
	if (spec_from_args(&spec, &arena, &args, &diags) < 0) {
		report(&diags);
		return 1;
	}
	if (spec_to_oci(&spec, &image, &host, "0123456789ab", &no_files, &remarks, &arena, &out,
			&err) < 0) {
		fprintf(stderr, "config: %s\n", err.msg);
		return 1;
	}
	puts(buf_str(&out));
	return 0;
}
