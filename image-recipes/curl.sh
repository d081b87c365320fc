# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# HTTP and HTTPS for the registry client, nothing else. No content decoding: digests are over the bytes as they come. Names
# are looked up where they are asked for (musl gives up after five seconds): the process that uses this has one thread.
# needs: musl linux-headers mbedtls
# variants: musl host

# The files that what we call needs, in the order of its Makefile; most others are empty without their protocol. Where one is missing,
# nothing of ours links.
curl_files='bufq cf-h1-proxy cf-haproxy cf-https-connect cf-socket cfilters conncache connect content_encoding cshutdn curl_addrinfo
	curl_trc cw-out cw-pause dynhds easy escape getenv getinfo hash hmac hostip hostip6 http http1 http_chunks http_proxy
	idn llist mprintf multi multi_ev noproxy parsedate progress request select sendf setopt sha256 share slist socks
	speedcheck splay strcase strdup strequal strerror transfer uint-bset uint-spbset uint-table url urlapi vauth/vauth
	vtls/cipher_suite vtls/mbedtls vtls/vtls vtls/vtls_scache vtls/x509asn1 vquic/vquic curlx/base64 curlx/dynbuf
	curlx/nonblock curlx/strparse curlx/timediff curlx/timeval curlx/warnless'

recipe_build()
{
	CFLAGS="$CFLAGS -I$prefix/include" LDFLAGS="-L$prefix/lib" ./configure --host="$host" --prefix="$prefix" \
		--disable-shared --enable-static --disable-dependency-tracking --with-mbedtls="$prefix" \
		--disable-dict --disable-file --disable-ftp --disable-gopher --disable-imap --disable-ipfs --disable-ldap \
		--disable-ldaps --disable-mqtt --disable-pop3 --disable-rtsp --disable-smb --disable-smtp --disable-telnet \
		--disable-tftp --disable-websockets --without-brotli --without-zlib --without-zstd --without-libgsasl \
		--without-libidn2 --without-libpsl --without-librtmp --without-libssh --without-libssh2 --without-nghttp2 \
		--without-nghttp3 --without-ngtcp2 --disable-alt-svc --disable-ares --disable-aws --disable-bearer-auth \
		--disable-bindlocal --disable-cookies --disable-digest-auth --disable-dnsshuffle --disable-docs --disable-doh \
		--disable-form-api --disable-get-easy-options --disable-headers-api --disable-hsts --disable-kerberos-auth \
		--disable-libcurl-option --disable-manual --disable-mime --disable-negotiate-auth --disable-netrc --disable-ntlm \
		--disable-progress-meter --disable-sha512-256 --disable-socketpair --disable-sspi --disable-threaded-resolver \
		--disable-tls-srp --disable-unix-sockets --disable-verbose --enable-http --enable-ipv6 --enable-proxy \
		--without-ca-bundle --without-ca-path
	# libtool takes as long as the compiler, for a shared library that we do not want. It would say -fPIC as well.
	set --
	for file in $curl_files; do
		set -- "$@" "$file.o"
	done
	# shellcheck disable=SC2016 # make expands it: what the rule for libtool would add
	make "$jobs" -C lib "$@" CFLAGS="$CFLAGS -fPIC" AM_CFLAGS='$(libcurl_la_CPPFLAGS_EXTRA) $(libcurl_la_CFLAGS_EXTRA)' \
		ACLOCAL=: AUTOCONF=: AUTOHEADER=: AUTOMAKE=:
	(cd lib && $AR rcsD libcurl.a "$@")
	install -D -m 644 -t "$stage$prefix/lib" lib/libcurl.a
	install -D -m 644 -t "$stage$prefix/include/curl" include/curl/*.h
}
