/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleat probe-https SECONDS URL: one request over TLS for a shim, in the network of a container that may be hostile. Nobody's uid,
 * no capability, no file, seccomp, before it connects. The certificate is not judged: a container's own is its own, and the way
 * there is the container's loopback. Must never follow a redirect, resolve a name or read without a bound.
 */
#include <curl/curl.h>
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "shim/protocol.h"
#include "util/ids.h"
#include "util/proc.h"
#include "util/str.h"

#define TIMEOUT_MAX_SEC 86401u
#define BODY_MAX_BYTES 65536u
#define HEAD_MAX_BYTES 16384u

struct exchange {
	char status_line[SHIM_PROBE_OUTPUT_MAX - 64];
	size_t head_bytes, body_bytes;
	char error[CURL_ERROR_SIZE];
};

static void say(struct shim_probe_answer *answer, uint32_t verdict, const char *text)
{
	answer->verdict = verdict;
	answer->exit_code = verdict == SHIM_PROBE_PASS ? 0 : 1;
	str_copy_text(answer->output, sizeof(answer->output), text);
	answer->output_length = (uint32_t)strlen(answer->output);
}

static int confine(struct err *err)
{
	static const int extra[] = {
		SCMP_SYS(socket),      SCMP_SYS(connect),    SCMP_SYS(getsockname),
		SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
		SCMP_SYS(sendto),      SCMP_SYS(recvfrom),   SCMP_SYS(sendmsg),
		SCMP_SYS(recvmsg),     SCMP_SYS(shutdown),   SCMP_SYS(socketpair),
		SCMP_SYS(eventfd2),    SCMP_SYS(pipe2),	     -1
	};
	struct proc_confine c = {
		.uid = IDS_WORKER_PROBE,
		.gid = IDS_WORKER_PROBE,
		.syscalls = extra,
		.memory_max_bytes = 64u * 1024 * 1024,
		.max_fds = 16,
	};

	return proc_confine(&c, err);
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
	struct exchange *x = arg;
	size_t length = size * count, shown = length;

	x->head_bytes += length;
	if (x->head_bytes > HEAD_MAX_BYTES)
		return 0;
	if (length < 5 || memcmp(data, "HTTP/", 5) != 0)
		return length;
	while (shown > 0 && (data[shown - 1] == '\r' || data[shown - 1] == '\n'))
		shown--;
	if (shown >= sizeof(x->status_line))
		shown = sizeof(x->status_line) - 1;
	memcpy(x->status_line, data, shown);
	x->status_line[shown] = '\0';
	return length;
}

/* Read and forgotten, so that the server does not see a reset; up to a bound. */
static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct exchange *x = arg;

	(void)data;
	x->body_bytes += size * count;
	return x->body_bytes > BODY_MAX_BYTES ? 0 : size * count;
}

static void set_up(CURL *easy, struct exchange *x, const char *url, uint64_t seconds)
{
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)seconds);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "cleat-probe/1");
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, x->error);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, x);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
}

static void probe(CURL *easy, const char *url, uint64_t seconds, struct shim_probe_answer *answer)
{
	struct exchange x = { .status_line = "" };
	long status = 0;
	CURLcode code;

	set_up(easy, &x, url, seconds);
	code = curl_easy_perform(easy);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	/* What goes wrong behind the status line changes nothing, as with http:// */
	if (status >= 200 && x.status_line[0])
		say(answer, status <= 399 ? SHIM_PROBE_PASS : SHIM_PROBE_FAIL, x.status_line);
	else
		say(answer, SHIM_PROBE_FAIL, x.error[0] ? x.error : curl_easy_strerror(code));
}

int cmd_probe_https(int argc, char **argv)
{
	struct shim_probe_answer answer = { .verdict = SHIM_PROBE_ERROR, .exit_code = 1 };
	struct err err;
	uint64_t seconds;
	CURL *easy;

	if (argc != 3 || !str_to_u64(argv[1], TIMEOUT_MAX_SEC, &seconds) || seconds == 0 ||
	    !str_starts(argv[2], "https://"))
		return cli_usage("probe-https", "what is expected is SECONDS and an https:// URL");
	easy = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_easy_init() : NULL;
	if (!easy)
		say(&answer, SHIM_PROBE_ERROR, "TLS could not be set up");
	else if (confine(&err) < 0)
		say(&answer, SHIM_PROBE_ERROR, err.msg);
	else
		probe(easy, argv[2], seconds, &answer);
	/* Less than PIPE_BUF: whole or not at all. */
	return write(SHIM_PROBE_ANSWER_FD, &answer, sizeof(answer)) == (ssize_t)sizeof(answer) ?
		       CLI_OK :
		       CLI_FAILED;
}
