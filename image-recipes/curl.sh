# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# HTTP and HTTPS for the registry client, nothing else. No content decoding: digests are over the bytes as they come. Names
# are looked up where they are asked for (musl gives up after five seconds): the process that uses this has one thread.
# needs: musl linux-headers mbedtls
# variants: musl host
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
	make "$jobs" -C lib libcurl.la ACLOCAL=: AUTOCONF=: AUTOHEADER=: AUTOMAKE=:
	install -D -m 644 -t "$stage$prefix/lib" lib/.libs/libcurl.a
	install -D -m 644 -t "$stage$prefix/include/curl" include/curl/*.h
}
