# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# NoCloud's network-config. Only what reads: no emitter, no loader.
# needs: musl linux-headers
# variants: musl host
recipe_build()
{
	for file in api reader scanner parser; do
		# shellcheck disable=SC2086
		$CC $CFLAGS -Iinclude -DYAML_DECLARE_STATIC -DYAML_VERSION_MAJOR=0 -DYAML_VERSION_MINOR=2 \
			-DYAML_VERSION_PATCH=5 -DYAML_VERSION_STRING='"0.2.5"' -c "src/$file.c" -o "$file.o"
	done
	$AR rcsD libyaml.a api.o reader.o scanner.o parser.o
	install -D -m 644 -t "$stage$prefix/lib" libyaml.a
	install -D -m 644 -t "$stage$prefix/include" include/yaml.h
}
