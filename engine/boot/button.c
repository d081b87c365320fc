/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The power button, which is also what a hypervisor's "shut down" presses: the kernel tells it by the generic netlink family acpi_event, and where
 * there is no ACPI (gpio-keys) by an input device with a power key. What is heard becomes signal 38 to PID 1. Must never
 * wake without an event, nor keep a right but that of signalling.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/input.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "boot/boot.h"
#include "boot/button.h"
#include "boot/modules.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/netlink.h"
#include "util/path.h"
#include "util/proc.h"
#include "util/str.h"

#define SIGNAL_POWEROFF 38
#define MAX_INPUTS 16
#define EVENT_GROUP_BUFFER (64 * 1024)

/* drivers/acpi/event.c; no header of the kernel's says it */
#define ACPI_FAMILY "acpi_event"
#define ACPI_GROUP "acpi_mc_group"
#define ACPI_ATTR_EVENT 1
#define ACPI_CLASS_LEN 20
#define ACPI_BUTTON "button/power"

/* --- generic netlink ------------------------------------------------------------------------- */

static bool is_family(struct netlink_span attrs, const char *name)
{
	struct netlink_span value;
	char text[GENL_NAMSIZ];

	return netlink_find(attrs, CTRL_ATTR_FAMILY_NAME, &value) &&
	       netlink_text(value, text, sizeof(text)) && str_eq(text, name);
}

int button_find_group(const struct netlink_message *message, void *arg, struct err *err)
{
	struct netlink_span attrs = netlink_attrs(message, GENL_HDRLEN), groups, value;
	struct netlink_attr group;
	char name[GENL_NAMSIZ];
	uint32_t id;

	(void)err;
	if (!is_family(attrs, ACPI_FAMILY) || !netlink_find(attrs, CTRL_ATTR_MCAST_GROUPS, &groups))
		return 0;
	while (netlink_attr_next(&groups, &group))
		if (netlink_find(group.value, CTRL_ATTR_MCAST_GRP_NAME, &value) &&
		    netlink_text(value, name, sizeof(name)) && str_eq(name, ACPI_GROUP) &&
		    netlink_find(group.value, CTRL_ATTR_MCAST_GRP_ID, &value) &&
		    netlink_u32(value, &id) && id && id <= INT32_MAX)
			*(uint32_t *)arg = id;
	return 0;
}

bool button_is_pressed(const unsigned char *data, size_t len)
{
	struct netlink_span rest = { data, len }, value;
	struct netlink_message message;
	char class[ACPI_CLASS_LEN + 1] = "";

	while (netlink_next(&rest, &message)) {
		if (!netlink_find(netlink_attrs(&message, GENL_HDRLEN), ACPI_ATTR_EVENT, &value) ||
		    value.len < ACPI_CLASS_LEN)
			continue;
		memcpy(class, value.data, ACPI_CLASS_LEN);
		if (str_eq(class, ACPI_BUTTON))
			return true;
	}
	return false;
}

static void forget_group(void *arg)
{
	*(uint32_t *)arg = 0;
}

/* 1: heard from now on; 0: this kernel has no such family. */
static int open_acpi(struct netlink *nl, struct err *err)
{
	const struct genlmsghdr header = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 };
	uint32_t group = 0;
	const struct netlink_reader reader = { forget_group, button_find_group, &group };
	auto_buf request = BUF_INIT(256);

	if (netlink_open(nl, NETLINK_GENERIC, err) < 0)
		return -1;
	netlink_end(&request, netlink_begin(&request, GENL_ID_CTRL, 0, &header, sizeof(header)));
	if (netlink_dump(nl, &request, &reader, err) < 0)
		return -1;
	if (!group)
		return 0;
	return netlink_join(nl, (int)group, EVENT_GROUP_BUFFER, err) < 0 ? -1 : 1;
}

/* --- input devices ---------------------------------------------------------------------------- */

static bool has_power_key(int fd)
{
	unsigned char keys[KEY_MAX / 8 + 1] = { 0 };

	return syscall(SYS_ioctl, fd, (unsigned long)EVIOCGBIT(EV_KEY, sizeof(keys)), keys) >= 0 &&
	       (keys[KEY_POWER / 8] & (1u << (KEY_POWER % 8)));
}

static unsigned open_inputs(struct pollfd *out, unsigned max)
{
	auto_dir DIR *dir = opendir("/dev/input");
	unsigned n = 0;

	for (struct dirent *e; dir && n < max && (e = readdir(dir));) {
		if (!str_starts(e->d_name, "event"))
			continue;

		auto_fd int fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

		if (fd >= 0 && has_power_key(fd))
			out[n++] = (struct pollfd){ .fd = take_fd(&fd), .events = POLLIN };
	}
	return n;
}

/* False when the device is gone. */
static bool read_input(int fd, bool *is_pressed)
{
	struct input_event event;
	ssize_t n;

	while ((n = read(fd, &event, sizeof(event))) == (ssize_t)sizeof(event))
		*is_pressed |= event.type == EV_KEY && event.code == KEY_POWER && event.value == 1;
	return n < 0 && errno == EAGAIN;
}

/* --- the step --------------------------------------------------------------------------------- */

static int give_up_rights(struct err *err)
{
	static const int extra[] = { __NR_kill,	    __NR_recvmsg,
				     __NR_recvfrom,
#ifdef __NR_poll
				     __NR_poll,
#endif
				     __NR_ppoll,    -1 };
	/* still uid 0: the kernel lets that signal PID 1 without a capability */
	const struct proc_confine confine = { .syscalls = extra, .signals_others = true };

	return proc_confine(&confine, err);
}

static int read_acpi(struct netlink *nl, bool *is_pressed, struct err *err)
{
	const unsigned char *data;
	size_t len;
	int rc;

	while ((rc = netlink_heard(nl, &data, &len, err)) > 0)
		*is_pressed |= button_is_pressed(data, len);
	/* some were lost: one of them may have been ours, and the next press comes */
	return rc < 0 && err->code != ERR_LIMIT ? -1 : 0;
}

static int listen_for_ever(struct netlink *nl, struct pollfd *fds, unsigned count, struct err *err)
{
	for (;;) {
		bool is_pressed = false;

		if (poll(fds, count, -1) < 0 && errno != EINTR)
			return err_sys(err, "poll");
		for (unsigned i = 0; i < count; i++) {
			if (!fds[i].revents)
				continue;
			if (fds[i].fd == nl->fd) {
				if (read_acpi(nl, &is_pressed, err) < 0)
					return -1;
			} else if (!read_input(fds[i].fd, &is_pressed)) {
				close_fd(&fds[i].fd);
			}
		}
		if (is_pressed && kill(1, SIGNAL_POWEROFF) < 0)
			return err_sys(err, "kill 1");
	}
}

int boot_button(int argc, char **argv)
{
	struct pollfd fds[MAX_INPUTS + 1];
	auto_netlink nl = { .fd = -1 };
	static const char *const keys[] = { "evdev", NULL };
	unsigned count = 0;
	struct err err, minor;
	int acpi;

	(void)argc;
	(void)argv;
	acpi = open_acpi(&nl, &err);
	if (acpi <= 0 && modules_load_named(keys, &minor) < 0)
		fprintf(stderr, "button: %s\n", minor.msg);
	if (acpi > 0)
		fds[count++] = (struct pollfd){ .fd = nl.fd, .events = POLLIN };
	count += open_inputs(fds + count, MAX_INPUTS);
	if (acpi == 0 && !count)
		return 0; /* a machine without a button */
	if (!count || give_up_rights(&err) < 0 || listen_for_ever(&nl, fds, count, &err) < 0)
		fprintf(stderr, "button: %s\n", err.msg);
	return 1;
}
