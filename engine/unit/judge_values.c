/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that are wrong for sure, of keys that nobody else reads: podman would hand them on and fail at the start.
 * Must never judge a value that still holds a variable or a specifier.
 */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "unit/oneshot_internal.h"
#include "unit/span_internal.h"
#include "util/signals.h"
#include "util/str.h"

/* The value of a key, if it says something that is known already. Inline, as the look-ups of values are. */
static inline __attribute__((always_inline)) bool is_known(struct reading *r, const char *key,
							   struct arg *value)
{
	return value_text(r, r->own, key, value) && !oneshot_is_open(value->text);
}

static bool is_address(const char *text, int family)
{
	unsigned char bytes[16];

	return inet_pton(family, text, bytes) == 1;
}

static void judge_addresses(struct reading *r)
{
	struct arg_list servers = value_list(r, r->own, "DNS");
	struct arg value;

	if (is_known(r, "IP", &value) && !is_address(value.text, AF_INET))
		reading_refuse(r, value.origin, "'%s' is no IPv4 address", value.text);
	if (is_known(r, "IP6", &value) && !is_address(value.text, AF_INET6))
		reading_refuse(r, value.origin, "'%s' is no IPv6 address", value.text);
	for (size_t i = 0; i < servers.count; i++) {
		const char *text = servers.items[i].text;

		if (!oneshot_is_open(text) && !str_eq(text, "none") && !is_address(text, AF_INET) &&
		    !is_address(text, AF_INET6))
			reading_refuse(r, servers.items[i].origin, "'%s' is no address", text);
	}
}

/* /etc/subuid parts its fields with colons. */
static void judge_sub_id_name(struct reading *r, const char *key)
{
	struct arg value;

	if (is_known(r, key, &value) && value.text[strcspn(value.text, " \t:/#")])
		reading_refuse(r, value.origin, "'%s' is no name of a user or group", value.text);
}

static void judge_number(struct reading *r, const char *key)
{
	struct arg value;
	uint64_t number;

	if (is_known(r, key, &value) && !str_to_u64(value.text, UINT32_MAX, &number))
		reading_refuse(r, value.origin, "'%s' is no number from 0 to %u", value.text,
			       UINT32_MAX);
}

static void judge_startup(struct reading *r)
{
	static const char *const times[] = { "HealthStartupInterval", "HealthStartupTimeout" };
	struct arg value;

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		if (is_known(r, times[i], &value) && !oneshot_is_duration(value.text) &&
		    (i || !str_eq(value.text, "disable")))
			reading_refuse(r, value.origin,
				       "'%s' is no time: a number with ms, s, m or h behind it",
				       value.text);
	judge_number(r, "HealthStartupRetries");
	judge_number(r, "HealthStartupSuccess");
}

static void judge_reload_signal(struct reading *r)
{
	struct arg value;
	int number;

	if (is_known(r, "ReloadSignal", &value) &&
	    !signal_parse(value.text, SIGNAL_OF_PODMAN, &number))
		reading_refuse(r, value.origin, "'%s' is no signal", value.text);
}

/* "8080" alone is the container's; most people mean 8080:8080. */
static void judge_free_ports(struct reading *r)
{
	struct arg_list ports = value_list(r, r->own, "PublishPort");

	if (ports.count && judge_has_host_network(r))
		return;
	for (size_t i = 0; i < ports.count; i++) {
		const char *text = ports.items[i].text;

		if (oneshot_is_open(text) || strchr(text, ':') || strchr(text, ','))
			continue;
		reading_note(
			r, ports.items[i].origin,
			arena_printf(
				r->arena,
				"a free port of the host is taken for the container's %s (\"cleat ps\" shows it): write %.*s:%s for the same number",
				text, (int)strcspn(text, "/"), text, text));
	}
}

void judge_container_values(struct reading *r)
{
	judge_addresses(r);
	judge_free_ports(r);
	judge_sub_id_name(r, "SubUIDMap");
	judge_sub_id_name(r, "SubGIDMap");
	judge_number(r, "HealthMaxLogCount");
	judge_number(r, "HealthMaxLogSize");
	judge_startup(r);
	judge_reload_signal(r);
	oneshot_judge_retry(r);
}

void judge_pod(struct reading *r)
{
	judge_addresses(r);
	judge_free_ports(r);
	judge_sub_id_name(r, "SubUIDMap");
	judge_sub_id_name(r, "SubGIDMap");
	judge_number(r, "StopTimeout");
	oneshot_judge_name(r, "PodName");
	oneshot_judge_choice(r, "ExitPolicy", (const char *const[]){ "stop", "continue", NULL });
}

void judge_kube(struct reading *r)
{
	oneshot_judge_choice(r, "ExitCodePropagation",
			     (const char *const[]){ "all", "any", "none", NULL });
}
