/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine id. Must never change what is on a /data of another layout, nor wait for entropy, nor take an address for the machine's
 * that the kernel has made up at this start.
 */
#include "boot/identity.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "boot/boot.h"
#include "util/cleanup.h"
#include "util/digest.h"
#include "util/file.h"
#include "util/path.h"
#include "util/places.h"
#include "util/str.h"

#ifndef GRND_INSECURE
#define GRND_INSECURE 0x0004 /* Linux 5.6 */
#endif

#define FACTS_MAX_BYTES 4096
#define MAC_LEN 17
#define MAX_LINKS 256 /* entries that are looked at */

/* The first line of a small file; "" when there is none. */
static void read_line(const char *path, char *out, size_t size)
{
	auto_buf text = BUF_INIT(4096);

	out[0] = '\0';
	if (file_read_at(AT_FDCWD, path, 4096, &text, NULL) < 0 || !text.len)
		return;
	text.data[strcspn(text.data, "\n")] = '\0';
	if (!str_copy(out, size, text.data))
		out[0] = '\0';
}

/* --- facts ----------------------------------------------------------------------------------- */

static bool is_mac(const char *text)
{
	bool is_zero = true;

	if (strlen(text) != MAC_LEN)
		return false;
	for (unsigned i = 0; i < MAC_LEN; i++) {
		if (i % 3 == 2 ? text[i] != ':' : str_hex_value(text[i]) < 0)
			return false;
		is_zero &= text[i] == '0' || text[i] == ':';
	}
	return !is_zero;
}

/* addr_assign_type (linux/netdevice.h): 0 is the hardware's, 3 was set; 1 was made up, 2 is another link's. */
static void read_link(const char *net, const char *name, struct identity_facts *out)
{
	char path[640], kind[8], mac[64];

	snprintf(path, sizeof(path), "%s/%s/addr_assign_type", net, name);
	read_line(path, kind, sizeof(kind));
	snprintf(path, sizeof(path), "%s/%s/address", net, name);
	read_line(path, mac, sizeof(mac));
	if ((str_eq(kind, "0") || str_eq(kind, "3")) && is_mac(mac) &&
	    out->mac_count < IDENTITY_MAX_MACS)
		str_copy(out->macs[out->mac_count++], sizeof(out->macs[0]), mac);
}

void identity_read_facts(const char *root, bool is_machine, const char *host_name,
			 struct identity_facts *out)
{
	char net[256], path[256];
	unsigned left = MAX_LINKS;

	*out = (struct identity_facts){ 0 };
	str_copy(out->host_name, sizeof(out->host_name), host_name);
	if (is_machine) {
		/* in a container this file is the host's */
		snprintf(path, sizeof(path), "%s/sys/class/dmi/id/product_uuid", root);
		read_line(path, out->uuid, sizeof(out->uuid));
	}
	snprintf(net, sizeof(net), "%s/sys/class/net", root);

	auto_dir DIR *dir = opendir(net);

	for (struct dirent *e; dir && left-- && (e = readdir(dir));)
		if (e->d_name[0] != '.' && !str_eq(e->d_name, "lo"))
			read_link(net, e->d_name, out);
}

void identity_parse(const char *text, struct identity_facts *out)
{
	*out = (struct identity_facts){ 0 };
	while (*text) {
		size_t len = strcspn(text, "\n");
		char line[96] = "";

		if (len < sizeof(line))
			memcpy(line, text, len);
		if (str_starts(line, "uuid "))
			str_copy(out->uuid, sizeof(out->uuid), line + 5);
		else if (str_starts(line, "host "))
			str_copy(out->host_name, sizeof(out->host_name), line + 5);
		else if (str_starts(line, "mac ") && is_mac(line + 4) &&
			 out->mac_count < IDENTITY_MAX_MACS)
			str_copy(out->macs[out->mac_count++], sizeof(out->macs[0]), line + 4);
		text += len + (text[len] == '\n');
	}
}

void identity_format(const struct identity_facts *facts, struct buf *out)
{
	if (facts->uuid[0])
		buf_printf(out, "uuid %s\n", facts->uuid);
	if (facts->host_name[0])
		buf_printf(out, "host %s\n", facts->host_name);
	for (unsigned i = 0; i < facts->mac_count; i++)
		buf_printf(out, "mac %s\n", facts->macs[i]);
}

static bool has_mac(const struct identity_facts *facts, const char *mac)
{
	for (unsigned i = 0; i < facts->mac_count; i++)
		if (str_eq(facts->macs[i], mac))
			return true;
	return false;
}

bool identity_is_clone(const struct identity_facts *then, const struct identity_facts *now)
{
	if (then->uuid[0] && now->uuid[0])
		return !str_eq(then->uuid, now->uuid);
	if (then->mac_count && now->mac_count) {
		for (unsigned i = 0; i < now->mac_count; i++)
			if (has_mac(then, now->macs[i]))
				return false;
		return true;
	}
	return then->host_name[0] && now->host_name[0] && !str_eq(then->host_name, now->host_name);
}

/* --- the id ---------------------------------------------------------------------------------- */

void identity_random(void *out, size_t len, const struct identity_facts *facts)
{
	unsigned char pool[64] = { 0 }, mixed[32];
	struct timespec now[2] = { 0 };
	struct sha256 hash;

	if (getrandom(out, len, GRND_NONBLOCK) == (ssize_t)len)
		return;
	/* seconds after power-on of a machine without a source: better than nothing, and not the same on two machines */
	if (getrandom(pool, sizeof(pool), GRND_INSECURE) < 0)
		memset(pool, 0, sizeof(pool));
	clock_gettime(CLOCK_REALTIME, &now[0]);
	clock_gettime(CLOCK_MONOTONIC, &now[1]);
	for (size_t at = 0; at < len; at += sizeof(mixed)) {
		size_t part = len - at < sizeof(mixed) ? len - at : sizeof(mixed);

		sha256_init(&hash);
		sha256_update(&hash, pool, sizeof(pool));
		sha256_update(&hash, now, sizeof(now));
		sha256_update(&hash, facts, sizeof(*facts));
		sha256_update(&hash, &at, sizeof(at));
		sha256_final(&hash, mixed);
		memcpy((char *)out + at, mixed, part);
	}
}

/* As machine-id(5) has it: a random UUID of version 4 without its dashes. */
static void make_id(const struct identity_facts *facts, char *out)
{
	unsigned char bytes[16];

	identity_random(bytes, sizeof(bytes), facts);
	bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
	bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
	str_hex(bytes, sizeof(bytes), out);
}

static bool read_id(const char *path, char *out)
{
	read_line(path, out, IDENTITY_ID_LEN + 1);
	return str_is_hex(out, IDENTITY_ID_LEN) && strspn(out, "0") != IDENTITY_ID_LEN;
}

static int write_id(const char *path, const char *id, bool durable, struct err *err)
{
	char old[IDENTITY_ID_LEN + 1], line[IDENTITY_ID_LEN + 2];

	if (read_id(path, old) && str_eq(old, id))
		return 0;
	snprintf(line, sizeof(line), "%s\n", id);
	return file_write_atomic(AT_FDCWD, path, line, strlen(line), 0444, durable, err);
}

static int write_facts(const char *dir, const struct identity_facts *then,
		       const struct identity_facts *now, struct err *err)
{
	auto_buf text = BUF_INIT(FACTS_MAX_BYTES);
	auto_buf old = BUF_INIT(FACTS_MAX_BYTES);
	struct identity_facts all = *now;
	char path[512];

	if (!all.mac_count) { /* links that come late are still ours */
		memcpy(all.macs, then->macs, sizeof(all.macs));
		all.mac_count = then->mac_count;
	}
	if (!all.uuid[0])
		str_copy(all.uuid, sizeof(all.uuid), then->uuid);
	identity_format(&all, &text);
	snprintf(path, sizeof(path), "%s/facts", dir);
	if (file_read_at(AT_FDCWD, path, FACTS_MAX_BYTES, &old, NULL) == 0 &&
	    str_eq(buf_str(&old), buf_str(&text)))
		return 0;
	return file_write_atomic(AT_FDCWD, path, buf_str(&text), text.len, 0600, true, err);
}

/* What hangs on the identity goes with it. */
static int renew(const char *dir, struct err *err)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/seed", dir);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(err, "%s", path);
	return 0;
}

static void read_facts(const char *dir, struct identity_facts *out)
{
	auto_buf text = BUF_INIT(FACTS_MAX_BYTES);
	char path[512];

	snprintf(path, sizeof(path), "%s/facts", dir);
	if (file_read_at(AT_FDCWD, path, FACTS_MAX_BYTES, &text, NULL) < 0)
		buf_clear(&text);
	identity_parse(buf_str(&text), out);
}

/* The facts come last: after a crash before them a clone is found once more. */
static int keep(const char *dir, const char *id, bool is_new, const struct identity_facts *then,
		const struct identity_facts *now, struct err *err)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/machine-id", dir);
	if (is_new && (path_mkdirs(dir, 0700, err) < 0 || renew(dir, err) < 0 ||
		       write_id(path, id, true, err) < 0))
		return -1;
	return write_facts(dir, then, now, err);
}

static int keep_for_this_boot(const char *dir, const char *id, struct err *err)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/machine-id", dir);
	return path_mkdirs(dir, 0755, err) < 0 ? -1 : write_id(path, id, false, err);
}

int identity_settle(const struct identity_places *p, const struct identity_facts *now, char *why,
		    size_t why_size, unsigned *level, struct err *err)
{
	char id[IDENTITY_ID_LEN + 1], kept[512] = "", this_boot[512];
	struct identity_facts then = { 0 };
	bool is_known, is_clone;

	why[0] = '\0';
	*level = 0;
	if (path_is_mount(p->etc, 0) && read_id(p->etc, id))
		return 0; /* the host has decided */
	if (p->data) {
		snprintf(kept, sizeof(kept), "%s/machine-id", p->data);
		read_facts(p->data, &then);
	}
	snprintf(this_boot, sizeof(this_boot), "%s/machine-id", p->run);
	is_clone = identity_is_clone(&then, now);
	is_known = p->data && read_id(kept, id);
	if (is_known && is_clone)
		snprintf(
			why, why_size,
			"%s is a copy of another appliance's: this one has a machine id of its own now",
			CLEAT_DATA_DIR);
	if ((!is_known || is_clone) && !read_id(this_boot, id))
		make_id(now, id);
	if (p->data && !p->is_read_only) {
		struct err reason;

		if (keep(p->data, id, !is_known || is_clone, &then, now, &reason) == 0)
			return write_id(p->etc, id, false, err);
		snprintf(why, why_size, "the machine id lasts for this boot only: %s", reason.msg);
		*level = 1;
	}
	if ((!is_known || is_clone) && keep_for_this_boot(p->run, id, err) < 0)
		return -1;
	return write_id(p->etc, id, false, err);
}

/* --- the step -------------------------------------------------------------------------------- */

/* What an unknown version has laid out is not touched. */
bool identity_is_our_layout(void)
{
	char have[16], ours[16];

	if (access(CLEAT_DATA_VERSION_FILE, F_OK) < 0)
		return true;
	snprintf(ours, sizeof(ours), "%d", CLEAT_LAYOUT_MAJOR);
	read_line(CLEAT_DATA_VERSION_FILE, have, sizeof(have));
	return str_eq(have, ours);
}

bool identity_is_machine(void)
{
	const char *world = getenv("CLEAT_WORLD");

	return world && str_eq(world, "machine");
}

int boot_identity(int argc, char **argv)
{
	struct identity_places places = { .run = CLEAT_RUN_DIR "/identity",
					  .etc = "/etc/machine-id" };
	struct identity_facts now;
	struct utsname uts = { 0 };
	char why[400];
	unsigned level;
	struct err err;

	(void)argc;
	(void)argv;
	uname(&uts);
	identity_read_facts("", identity_is_machine(), identity_is_machine() ? "" : uts.nodename,
			    &now);
	if (access(CLEAT_DATA_DIR, F_OK) == 0) {
		places.data = CLEAT_IDENTITY_DIR;
		places.is_read_only = access(CLEAT_DATA_DIR, W_OK) < 0 || !identity_is_our_layout();
	}
	if (identity_settle(&places, &now, why, sizeof(why), &level, &err) < 0 ||
	    boot_note("identity", level, why, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	if (why[0])
		fprintf(stderr, "%s\n", why);
	return 0;
}
