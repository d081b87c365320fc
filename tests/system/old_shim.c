/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat-runtime as it was when the protocol had the number 1: frozen shapes, written down here anew, never taken from shim/protocol.h. "shim" keeps a
 * process in the container's cgroup and speaks the protocol; anything else is done by the program's neighbour "cleat-runtime.new".
 * Knows no namespaces: what is tested is the wire and the record.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct header {
	uint16_t version, type;
	uint32_t length;
};

struct status {
	uint32_t magic;
	uint16_t version, length;
	int32_t shim_pid, container_pid;
	uint64_t shim_start_ticks, container_start_ticks;
	uint32_t phase;
	int32_t exit_code, exit_signal;
	uint32_t oom_killed;
	int32_t error_errno;
	uint32_t error_code;
	int64_t started_real_usec, exited_real_usec;
	uint64_t started_monotonic_usec, log_dropped_lines, log_dropped_bytes;
	char run_id[16], boot_id[40], name[128], error[480], log_error[256], unenforced[128];
};

struct probe {
	struct header header;
	uint64_t order;
};

struct probe_result {
	struct header header;
	uint64_t order;
	uint32_t verdict;
	int32_t exit_code;
	uint64_t took_usec;
	uint32_t output_length;
	char output[500];
};

static char directory[128];
static struct status status = {
	.magic = 0x31534c43u, .version = 1, .length = sizeof(status), .phase = 1
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t usec_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void save(void)
{
	char path[160], temporary[170];
	int fd;

	snprintf(path, sizeof(path), "%s/status", directory);
	snprintf(temporary, sizeof(temporary), "%s.tmp", path);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write(fd, &status, sizeof(status)) != (ssize_t)sizeof(status) ||
	    rename(temporary, path) < 0)
		die(path);
	close(fd);
}

static void lock(void)
{
	struct flock all = { .l_type = F_WRLCK };
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/lock", directory);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || fcntl(fd, F_SETLK, &all) < 0)
		die(path);
}

static void cgroup_path(char *out, size_t size, const char *file)
{
	char line[1024], where[256] = "";
	FILE *f = fopen("/proc/self/mounts", "r");

	while (f && fgets(line, sizeof(line), f)) {
		char *point = strchr(line, ' ') + 1, *end = strchr(point, ' ');

		if (strncmp(end, " cgroup2 ", 9) == 0)
			snprintf(where, sizeof(where), "%.*s", (int)(end - point), point);
	}
	fclose(f);
	snprintf(out, size, "%s/cleat/c/%s%s", where, status.run_id, file);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die(path);
	close(fd);
}

static void start(void)
{
	char path[512];
	pid_t pid;

	cgroup_path(path, sizeof(path), "");
	mkdir(path, 0755);
	cgroup_path(path, sizeof(path), "/cgroup.procs");
	pid = fork();
	if (pid == 0) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		write_file(path, "0");
		execl("/bin/busybox", "sleep", "1000000", (char *)NULL);
		_exit(127);
	}
	status.container_pid = pid;
	status.phase = 2;
	status.started_real_usec = (int64_t)usec_of(CLOCK_REALTIME);
	status.started_monotonic_usec = usec_of(CLOCK_MONOTONIC);
	save();
}

static void say_state(int client)
{
	struct {
		struct header header;
		struct status status;
	} m = { { 1, 64, sizeof(m) }, status };

	if (client >= 0)
		send(client, &m, sizeof(m), MSG_NOSIGNAL);
}

/* What comes later than number 1 is not known, and is let go by. */
static void answer(int client, const char *data, size_t length)
{
	struct header header;
	char path[512];

	memcpy(&header, data, sizeof(header));
	if (length < sizeof(header) || header.length != length)
		return;
	if (header.type == 1) {
		say_state(client);
	} else if (header.type == 2) {
		int32_t number;

		memcpy(&number, data + sizeof(header), sizeof(number));
		kill(status.container_pid, number);
	} else if (header.type == 3) {
		cgroup_path(path, sizeof(path), "/cgroup.kill");
		write_file(path, "1");
	} else if (header.type == 4) {
		struct probe_result result = { .header = { 1, 65, sizeof(result) },
					       .verdict = 1,
					       .output_length = 10,
					       .output = "number one" };

		memcpy(&result.order, data + sizeof(header), sizeof(result.order));
		send(client, &result, sizeof(result), MSG_NOSIGNAL);
	}
}

static void ended(int wait_status)
{
	status.phase = 3;
	status.exit_signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
	status.exit_code = status.exit_signal ? 128 + status.exit_signal : WEXITSTATUS(wait_status);
	status.exited_real_usec = (int64_t)usec_of(CLOCK_REALTIME);
	save();
	exit(0);
}

static void serve(int signals)
{
	struct pollfd fds[3] = { { signals, POLLIN, 0 }, { 3, POLLIN, 0 }, { -1, POLLIN, 0 } };
	static char data[16384];
	int wait_status;

	for (;;) {
		poll(fds, 3, -1);
		if (waitpid(status.container_pid, &wait_status, WNOHANG) > 0)
			ended(wait_status);
		if (fds[0].revents)
			(void)!read(signals, data, sizeof(data));
		if (fds[2].fd >= 0 && fds[2].revents) {
			ssize_t n = recv(fds[2].fd, data, sizeof(data), 0);

			if (n > 0) {
				answer(fds[2].fd, data, (size_t)n);
			} else {
				close(fds[2].fd);
				fds[2].fd = -1;
			}
		}
		if (fds[1].revents) {
			int newer = accept4(3, NULL, NULL, SOCK_CLOEXEC);

			if (newer < 0)
				continue;
			if (fds[2].fd >= 0)
				close(fds[2].fd);
			fds[2].fd = newer;
			fds[2].revents = 0;
		}
	}
}

int main(int argc, char **argv)
{
	char self[PATH_MAX + 8];
	const char *id = "";
	sigset_t set;
	FILE *f;

	if (argc < 2 || strcmp(argv[1], "shim") != 0) {
		ssize_t n = readlink("/proc/self/exe", self, PATH_MAX);

		snprintf(self + (n > 0 ? n : 0), 8, ".new");
		execv(self, argv);
		die(self);
	}
	for (int i = 2; i + 1 < argc; i++)
		if (strcmp(argv[i], "--id") == 0)
			id = argv[i + 1];
	snprintf(status.run_id, sizeof(status.run_id), "%s", id);
	snprintf(directory, sizeof(directory), "/run/cleat/c/%s", id);
	f = fopen("/proc/sys/kernel/random/boot_id", "r");
	if (!f || !fgets(status.boot_id, 37, f))
		die("boot_id");
	fclose(f);
	status.shim_pid = getpid();
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	lock();
	save();
	start();
	serve(signalfd(-1, &set, SFD_CLOEXEC));
}
