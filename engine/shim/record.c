/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status record. It is on disk (tmpfs) before anybody is told, so whoever hears of something
 * and looks finds it. A record that cannot be written does not end the container: the message still
 * goes out, the reason to stderr.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "log/log.h"
#include "shim/internal.h"
#include "util/cleanup.h"
#include "util/file.h"
#include "util/str.h"

static void read_boot_id(char *out, size_t size)
{
	auto_fd int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, size - 1) : 0;

	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

void shim_record_init(struct shim *s)
{
	struct shim_status *st = &s->status;

	*st = (struct shim_status){
		.magic = SHIM_STATUS_MAGIC,
		.version = SHIM_PROTOCOL_VERSION,
		.length = sizeof(*st),
		.shim_pid = getpid(),
		.shim_start_ticks = proc_start_ticks(getpid()),
		.phase = SHIM_CREATING,
	};
	str_copy(st->run_id, sizeof(st->run_id), s->args.run_id);
	str_copy(st->name, sizeof(st->name), s->args.name);
	read_boot_id(st->boot_id, sizeof(st->boot_id));
}

void shim_record_refresh(struct shim *s)
{
	if (s->output.is_open)
		shim_tail_text(s->output.tail, s->status.last_output,
			       sizeof(s->status.last_output));
}

void shim_record_publish(struct shim *s)
{
	struct err err;

	shim_record_refresh(s);
	if (file_write_atomic(s->run_dirfd, "status", &s->status, sizeof(s->status), 0600, false,
			      &err) < 0)
		log_msg(LOG_ERROR, "shim", "%s: %s", s->args.run_dir, err.msg);
	shim_control_send_state(s);
}
