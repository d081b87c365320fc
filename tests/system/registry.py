# SPDX-License-Identifier: Apache-2.0
"""Registries for tests: Debian's docker-registry as it is, and one of our own whose answers a test can hold back at a byte."""
import contextlib
import ctypes
import hashlib
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import threading
import time
import warnings

from appliance import BOUND_SEC, free_port

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CLONE_NEWNET = 0x40000000


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class DockerRegistry:
    """docker-registry on loopback of this machine, or on an address of another network namespace (netns: a process id)."""

    def __init__(self, path, tls=None, users=None, netns=0, address="127.0.0.1"):
        self.path = str(path)
        self.netns = netns
        self.port = free_port()
        self.host = "%s:%d" % (address, self.port)
        self.log = os.path.join(self.path, "log")
        self.process = None
        lines = ["version: 0.1", "storage: {filesystem: {rootdirectory: %s/data}}" % self.path, "http:", "  addr: %s" % self.host]
        if tls:
            lines.append("  tls: {certificate: %s, key: %s}" % tls)
        if users:
            lines += ["auth:", "  htpasswd: {realm: test, path: %s/users}" % self.path]
            self.write_users(users)
        os.makedirs(self.path, exist_ok=True)
        with open(os.path.join(self.path, "config.yml"), "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
        self.scheme = "https" if tls else "http"

    def write_users(self, users):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            import crypt  # of Debian 12's python3, which these tests run with
        os.makedirs(self.path, exist_ok=True)
        with open(os.path.join(self.path, "users"), "w", encoding="utf-8") as f:
            for name, word in users.items():
                f.write("%s:%s\n" % (name, crypt.crypt(word, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)).replace("$2b$", "$2y$")))

    def wrap(self, *command):
        return (["nsenter", "-t", str(self.netns), "-n"] if self.netns else []) + list(command)

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.wrap("docker-registry", "serve", os.path.join(self.path, "config.yml")),
                                            stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + BOUND_SEC
        while "listening on" not in self.read_log():
            assert self.process.poll() is None, self.read_log()
            assert time.monotonic() < deadline, "docker-registry does not come up: " + self.read_log()
            time.sleep(0.02)
        return self

    def read_log(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def requests(self):
        """How many there were."""
        return len(re.findall(r'"(?:GET|HEAD|PUT|POST) /v2', self.read_log()))

    def stop(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        self.process = None

    def push(self, archive, name, creds=None, options=()):
        command = ["skopeo", "copy", "-q", "--insecure-policy", "--dest-tls-verify=false", *options]
        if creds:
            command += ["--dest-creds", creds]
        subprocess.run(self.wrap(*command, "oci-archive:" + archive, "docker://%s/%s" % (self.host, name)), check=True, timeout=60)


class HeldRegistry:
    """Serves images from memory by plain HTTP. hold(path, at) makes the answer to that path stop after so many bytes of its body
    until release(); stopped_at(path) waits until it has come to that."""

    def __init__(self, netns=0):
        self.blobs, self.tags = {}, {}
        self.holds, self.reached, self.go = {}, {}, {}
        self.seen = []
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_HEAD(self):
                self.answer(False)

            def do_GET(self):
                self.answer(True)

            def answer(self, with_body):
                registry.seen.append((self.command, self.path))
                kind, body = registry.find(self.path)
                if body is None:
                    body, kind, status = b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}', "application/json", 404
                else:
                    status = 200
                if self.path in registry.holds and registry.holds[self.path] == 0:
                    registry.wait_at(self.path)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                if status == 200:
                    self.send_header("Docker-Content-Digest", digest(body))
                self.end_headers()
                if not with_body:
                    return
                with contextlib.suppress(OSError):
                    at = registry.holds.get(self.path, 0)
                    if at:
                        self.wfile.write(body[:at])
                        self.wfile.flush()
                        registry.wait_at(self.path)
                    self.wfile.write(body[at:])

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request, client_address):
                pass

        def make():
            if netns:
                fd = os.open("/proc/%d/ns/net" % netns, os.O_RDONLY)
                assert ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET) == 0
                os.close(fd)
            made.append(Server(("127.0.0.1", 0), Handler))

        made = []  # a thread has a network namespace of its own
        maker = threading.Thread(target=make)
        maker.start()
        maker.join()
        self.server = made[0]
        self.port = self.server.server_address[1]
        self.host = "127.0.0.1:%d" % self.port
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def find(self, path):
        match = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/(.+)", path)
        if not match:
            return ("application/json", b"{}") if path == "/v2/" else (None, None)
        name = match.group(3)
        if match.group(2) == "manifests":
            name = self.tags.get(match.group(1) + ":" + name, name)
        return self.blobs.get(name, (None, None))

    def add(self, kind, body):
        self.blobs[digest(body)] = (kind, body)
        return digest(body)

    def add_archive(self, archive, repository, tag):
        """The only image of an OCI archive; returns its manifest's digest."""
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isreg() and "blobs/sha256/" in member.name:
                    self.add("application/octet-stream", tar.extractfile(member).read())
            index = json.load(tar.extractfile("index.json"))
        found = index["manifests"][0]["digest"]
        self.blobs[found] = (MANIFEST, self.blobs[found][1])
        self.tags["%s:%s" % (repository, tag)] = found
        return found

    def layers(self, manifest):
        return [layer["digest"] for layer in json.loads(self.blobs[manifest][1])["layers"]]

    def hold(self, path, at):
        self.holds[path] = at
        self.reached[path], self.go[path] = threading.Event(), threading.Event()

    def wait_at(self, path):
        self.reached[path].set()
        self.go[path].wait(300)

    def stopped_at(self, path):
        assert self.reached[path].wait(BOUND_SEC), "nobody asked for " + path

    def release(self, path):
        self.holds.pop(path, None)
        self.go[path].set()

    def stop(self):
        for path in list(self.holds):
            self.release(path)
        self.server.shutdown()
        self.server.server_close()


def make_certificates(path):
    """A CA and a certificate of 127.0.0.1 and localhost: (ca, certificate, key)."""
    path = str(path)
    os.makedirs(path, exist_ok=True)
    run = lambda *words: subprocess.run(["openssl", *words], cwd=path, check=True, stderr=subprocess.DEVNULL)  # noqa: E731
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30", "-subj", "/CN=test ca",
        "-keyout", "ca.key", "-out", "ca.crt")
    run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=registry", "-keyout", "server.key",
        "-out", "server.csr")
    with open(os.path.join(path, "names"), "w", encoding="utf-8") as f:
        f.write("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    run("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30", "-extfile", "names",
        "-out", "server.crt")
    return tuple(os.path.join(path, name) for name in ("ca.crt", "server.crt", "server.key"))


def has_docker_registry():
    return shutil.which("docker-registry") is not None and shutil.which("skopeo") is not None
