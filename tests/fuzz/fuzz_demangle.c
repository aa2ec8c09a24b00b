/* A linker's name, hostile: C++, Rust and D. Its text has a bound, and so has the time, which the fuzzer watches. */
#include "symbolizer/demangle.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *name = strndup((const char *)data, size);
	_cleanup_(freep) char *full = demangle(name, SYMBOLIZER_DEMANGLE_FULL);
	_cleanup_(freep) char *cut = demangle(name, SYMBOLIZER_DEMANGLE_SHORT);
	_cleanup_(freep) char *plain = demangle_plain(name, SYMBOLIZER_DEMANGLE_SHORT);

	assert(!full || strlen(full) < 256u << 10);
	assert(!cut || strlen(cut) < 256u << 10);
	assert(!plain || strlen(plain) <= strlen(name));
	return 0;
}
