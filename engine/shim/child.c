/* SPDX-License-Identifier: Apache-2.0 */
/* Children of the shim that are the shim's own program: each is waited for by its descriptor, in the loop. */
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/internal.h"

pid_t shim_fork(int *pidfd, struct err *err)
{
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(err, "fork");
	if (pid == 0)
		return 0;
	*pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (*pidfd >= 0)
		return pid;
	err_sys(err, "pidfd_open");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return -1;
}
