/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports that the kernel does not forward: all of them where there is no NAT, and those of the appliance's IPv6 addresses. One "cleat proxy"
 * for a container; it outlives the engine and is taken over by its successor. Must never end a process whose start time is not the one
 * that was written down.
 */
#include "supervise/network.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

#define RECORD "proxy"
#define WORDS_MAX_BYTES (512 * 1024)
#define WORDS_MAX (4 * NET_MAX_PROXIED + 8)
#define SERVES_USEC USEC_SEC /* who cannot listen has ended by then */

static void try_again(void *arg)
{
	struct network_slot *slot = arg;

	network_proxy_sync(slot->e->network, slot);
	publish_unit(slot->e, slot->index);
}

void network_proxy_init(struct network_slot *slot)
{
	static const struct respawn_policy policy = { try_again, USEC_SEC / 10, 6400 * USEC_MSEC,
						      60 * USEC_SEC };

	slot->proxy.pidfd = -1;
	respawn_init(&slot->proxy.respawn, &policy, slot->e->loop, slot);
}

static void drop_note(struct network_slot *slot)
{
	char about[NET_NAME_BYTES + 16];

	if (!slot->proxy.is_noted)
		return;
	slot->proxy.is_noted = false;
	snprintf(about, sizeof(about), "ports of %s: ", slot->e->entries[slot->index].name);
	publish_drop_notes(slot->e, about);
}

static void on_serves(struct loop *loop, usec_t now, void *arg)
{
	struct network_slot *slot = arg;

	(void)now;
	loop_remove(loop, slot->proxy.serves);
	slot->proxy.serves = NULL;
	drop_note(slot);
}

static void forget_process(struct network_slot *slot)
{
	struct network_proxy *p = &slot->proxy;

	loop_remove(slot->e->loop, p->serves);
	p->serves = NULL;
	loop_remove(slot->e->loop, p->source);
	p->source = NULL;
	close_fd(&p->pidfd);
	p->pid = 0;
	free(p->words);
	p->words = NULL;
}

static void ended(struct network_slot *slot)
{
	forget_process(slot);
	if (!slot->attached)
		return;
	log_msg(LOG_ERROR, "network", "%s: its port proxy ended: starting it again",
		slot->e->entries[slot->index].name);
	slot->proxy.is_noted = true;
	publish_note(
		slot->e, 1,
		"ports of %s: those that a proxy has are not served: the engine's log says why",
		slot->e->entries[slot->index].name);
	respawn_again(&slot->proxy.respawn);
	publish_unit(slot->e, slot->index);
}

static void on_reaped(void *arg, pid_t pid, int wait_status)
{
	struct network_slot *slot = arg;

	(void)wait_status; /* it said why on stderr */
	if (slot->proxy.pid == pid)
		ended(slot);
}

static void on_pidfd(struct loop *loop, uint32_t events, usec_t now, void *arg)
{
	(void)loop;
	(void)events;
	(void)now;
	ended(arg);
}

static int save_record(struct network_slot *slot, struct err *err)
{
	auto_buf text = BUF_INIT(WORDS_MAX_BYTES);
	char path[128];

	network_run_path(slot->e, slot->index, RECORD, path);
	buf_printf(&text, "%d %llu\n%s", (int)slot->proxy.pid,
		   (unsigned long long)slot->proxy.start_ticks, slot->proxy.words);
	return file_write_atomic(AT_FDCWD, path, buf_str(&text), text.len, 0600, false, err);
}

static int spawn(struct network_slot *slot, const char *words, struct err *err)
{
	auto_arena arena = { 0 };
	char **argv = arena_alloc(&arena, WORDS_MAX * sizeof(*argv)), *next;
	struct proc_spawn how = {
		.path = "/proc/self/exe",
		.argv = argv,
		.cgroup_fd = slot->e->work_cgroup,
		.fds = { -1, -1, STDERR_FILENO },
		.fd_count = 3,
		.new_session = true,
	};
	size_t count = 0;

	argv[count++] = "cleat";
	argv[count++] = "proxy";
	next = arena_strdup(&arena, words);
	while (*next && count + 1 < WORDS_MAX) {
		size_t len = strcspn(next, "\n");

		argv[count++] = next;
		next += len + (next[len] == '\n');
		next[-1] = '\0';
	}
	slot->proxy.words = strdup(words);
	if (!slot->proxy.words)
		return err_set(err, ERR_LIMIT, "out of memory");
	if (children_spawn(slot->e, &how, on_reaped, slot, &slot->proxy.pid, err) < 0)
		return -1;
	respawn_began(&slot->proxy.respawn);
	slot->proxy.serves =
		loop_timer(slot->e->loop, loop_now(slot->e->loop) + SERVES_USEC, on_serves, slot);
	slot->proxy.start_ticks = proc_start_ticks(slot->proxy.pid);
	return save_record(slot, err);
}

static void stop_process(struct network_slot *slot)
{
	struct network_proxy *p = &slot->proxy;

	respawn_stop(&p->respawn);
	respawn_well(&p->respawn);
	if (p->pid > 0 && proc_start_ticks(p->pid) == p->start_ticks)
		kill(p->pid, SIGTERM);
	forget_process(slot);
}

void network_proxy_stop(struct network_slot *slot)
{
	stop_process(slot);
	drop_note(slot);
}

void network_proxy_sync(struct network *n, struct network_slot *slot)
{
	auto_buf words = BUF_INIT(WORDS_MAX_BYTES);
	unsigned failures = slot->proxy.respawn.failures;
	struct err err;

	if (!n->has_report || slot->proxy.respawn.timer)
		return;
	if (slot->attached && !net_proxy_words(slot->attached, n->report.nat, n->has_ipv6, &words))
		log_msg(LOG_WARN, "network", "%s: only the first %d ports go through the proxy",
			slot->attached->owner, NET_MAX_PROXIED);
	if (slot->proxy.pid && str_eq(slot->proxy.words, buf_str(&words)))
		return;
	stop_process(slot);
	slot->proxy.respawn.failures = failures;
	if (!words.len)
		drop_note(slot);
	if (words.len && !words.failed && spawn(slot, buf_str(&words), &err) < 0) {
		log_msg(LOG_ERROR, "network", "%s: port proxy: %s",
			slot->e->entries[slot->index].name, err.msg);
		ended(slot);
	}
}

/* "PID TICKS" and its words. */
static bool parse_record(struct network_proxy *p, char *text)
{
	char *blank = strchr(text, ' '), *line = strchr(text, '\n');
	uint64_t pid, ticks;

	if (!blank || !line || blank > line)
		return false;
	*blank = *line = '\0';
	if (!str_to_u64(text, INT32_MAX, &pid) || !pid ||
	    !str_to_u64(blank + 1, UINT64_MAX, &ticks) || !ticks ||
	    proc_start_ticks((pid_t)pid) != ticks)
		return false;
	p->words = strdup(line + 1);
	p->pid = (pid_t)pid;
	p->start_ticks = ticks;
	return p->words != NULL;
}

void network_proxy_adopt(struct network_slot *slot)
{
	struct network_proxy *p = &slot->proxy;
	auto_buf text = BUF_INIT(WORDS_MAX_BYTES);
	char path[128];
	struct err err;

	network_run_path(slot->e, slot->index, RECORD, path);
	if (file_read_at(AT_FDCWD, path, WORDS_MAX_BYTES, &text, &err) < 0 || !text.len ||
	    !parse_record(p, text.data))
		return;
	/* After exec it is our child still, after a crash it is init's: its end shows on a descriptor in both. */
	p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	if (p->pidfd >= 0)
		p->source = loop_add(slot->e->loop, p->pidfd, EPOLLIN, on_pidfd, slot, &err);
	if (!p->source)
		network_proxy_stop(slot);
}
