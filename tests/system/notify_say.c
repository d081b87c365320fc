/* SPDX-License-Identifier: Apache-2.0 */
/*
 * say TEXT...: sends each text as a datagram to NOTIFY_SOCKET, as programs with sd_notify(3) do. Words in front of or between them:
 *   --barrier    sd_notify_barrier(3): sends a descriptor and waits until whoever reads has closed it
 *   --store N    sends N descriptors to be kept
 *   --stay       waits for SIGTERM
 *   --flood      sends STATUS= without end
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int notify_socket = -1;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void open_socket(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (!path || snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) < 1) {
		fprintf(stderr, "say: NOTIFY_SOCKET is not set\n");
		exit(2);
	}
	notify_socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (notify_socket < 0 ||
	    connect(notify_socket, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail(path);
}

static void send_text(const char *text)
{
	if (send(notify_socket, text, strlen(text), MSG_NOSIGNAL) < 0)
		fail("send");
}

static void send_descriptor(const char *text, int fd)
{
	struct iovec iov = { .iov_base = (void *)text, .iov_len = strlen(text) };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.space,
			    .msg_controllen = sizeof(control.space) };

	CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
	CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
	CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &fd, sizeof(fd));
	if (sendmsg(notify_socket, &m, MSG_NOSIGNAL) < 0)
		fail("sendmsg");
}

static void barrier(void)
{
	int ends[2];
	struct pollfd p;

	if (pipe2(ends, O_CLOEXEC) < 0)
		fail("pipe2");
	send_descriptor("BARRIER=1", ends[1]);
	close(ends[1]);
	p = (struct pollfd){ .fd = ends[0], .events = POLLHUP };
	if (poll(&p, 1, 30000) != 1) {
		fprintf(stderr, "say: nobody closed the barrier\n");
		exit(3);
	}
	close(ends[0]);
}

static void store(int count)
{
	for (int i = 0; i < count; i++) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		send_descriptor("FDSTORE=1\nFDNAME=test", fd);
		close(fd);
	}
}

static void flood(void)
{
	char text[32];

	for (unsigned long i = 0;; i++) {
		snprintf(text, sizeof(text), "STATUS=%lu", i);
		send_text(text);
	}
}

static void stay(const sigset_t *wanted)
{
	int number;

	if (sigwait(wanted, &number) != 0)
		exit(1);
	exit(0);
}

int main(int argc, char **argv)
{
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	open_socket();
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--barrier") == 0)
			barrier();
		else if (strcmp(argv[i], "--store") == 0 && argv[i + 1])
			store((int)strtol(argv[++i], NULL, 10));
		else if (strcmp(argv[i], "--stay") == 0)
			stay(&term);
		else if (strcmp(argv[i], "--flood") == 0)
			flood();
		else
			send_text(argv[i]);
	}
	return 0;
}
