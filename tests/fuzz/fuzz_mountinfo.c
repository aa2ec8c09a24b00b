/* A process's mountinfo, of which its container may have written every name: paths to ask the opener for. */
#include "agent/core/names.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first line is the container's id, the rest is the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) char *id = strndup((const char *)data, size);
	char paths[NAMES_PATHS_MAX][NAMES_PATH_MAX], *text;
	size_t max = size % (NAMES_PATHS_MAX + 1), nr;

	assert(id);
	text = id + strcspn(id, "\n");
	if (*text)
		*text++ = '\0';
	memset(paths, 0xff, sizeof(paths));
	nr = names_paths(text, id, paths, max);
	assert(nr <= max);
	for (size_t i = 0; i < nr; i++)
		assert(paths[i][0] == '/' && memchr(paths[i], '\0', NAMES_PATH_MAX));
	return 0;
}
