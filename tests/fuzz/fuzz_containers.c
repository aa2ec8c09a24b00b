/* A runtime's metadata file, hostile: refused, or an answer that the core takes. */
#include "proto/symwire.h"
#include "symbolizer/codec.h"
#include "symbolizer/containers.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(freep) struct symclient_container *list = NULL;
	_cleanup_(freep) char *json = strndup((const char *)data, size);
	_cleanup_(buf_deinitp) struct buf b = BUF_NULL;
	size_t nr;

	assert(json);
	buf_init(&b, SYMWIRE_ANSWER_MAX);
	if (containers_parse(json, strlen(json), &b) < 0)
		return 0;
	assert(!codec_decode_containers(b.data, b.len, &list, &nr));
	for (size_t i = 0; i < nr; i++)
		assert(*list[i].name);
	return 0;
}
