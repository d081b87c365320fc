# shellcheck shell=sh disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# Lines of unit files and of appliance.ini. Its defaults would misread unit files, so the options are fixed here, and in
# the installed ini.h too: INI_HANDLER_LINENO changes the type of the handler. The line stands on the stack: threads that ask
# malloc(3) for a kilobyte for each file wait for each other.
# needs: musl linux-headers
# variants: musl host
recipe_build()
{
	{
		echo '/* How this library was built; the rest is its own header. */'
		for option in HANDLER_LINENO=1 ALLOW_MULTILINE=0 ALLOW_INLINE_COMMENTS=0 ALLOW_BOM=0 USE_STACK=1 MAX_LINE=40960 \
			STOP_ON_FIRST_ERROR=0 CALL_HANDLER_ON_NEW_SECTION=1 ALLOW_NO_VALUE=0; do
			echo "#define INI_${option%%=*} ${option#*=}"
		done
		cat ini.h
	} >ini.h.new
	mv ini.h.new ini.h
	# Each letter of a key is looked up in a text of one or two. A call for each of them is a quarter of the library's time, a
	# loop a tenth: this is strchr(3) for such texts.
	cat >find.h <<-'END'
		#include <string.h>
		static inline __attribute__((always_inline)) char *find(const char *text, int c)
		{
			for (int i = 0; i < 2 && *text && *text != (char)c; i++)
				text++;
			return *text == (char)c ? (char *)text : NULL;
		}
		#define strchr find
	END
	# shellcheck disable=SC2086
	$CC $CFLAGS -O2 -include find.h -Wall -Werror -c ini.c -o ini.o
	$AR rcsD libinih.a ini.o
	install -D -m 644 -t "$stage$prefix/lib" libinih.a
	install -D -m 644 -t "$stage$prefix/include" ini.h
}
