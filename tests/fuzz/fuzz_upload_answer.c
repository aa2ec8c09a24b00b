/* A back end's answers: any status, header and body give a class, a bounded wait, and a message fit for a log. */
#include "agent/base/text.h"
#include "agent/exporter/upload_answer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Input: status (2 bytes), then content type, Retry-After and body, each ended by a newline but the last. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct uploadanswer a;
	char *text, *type, *retry, *body;
	long status;

	if (size < 2)
		return 0;
	status = data[0] | data[1] << 8;
	text = strndup((const char *)data + 2, size - 2);
	body = text;
	type = strsep(&body, "\n");
	retry = body ? strsep(&body, "\n") : NULL;
	memset(&a, 0xff, sizeof(a));
	uploadanswer_classify(&a, status, type, retry ? retry : "", body ? body : "",
			      body ? strlen(body) : 0, 1700000000);
	assert(a.class < UPLOADANSWER_NR);
	assert((a.class == UPLOADANSWER_STORED) <= (status == 200));
	assert(a.retry_after_ns <= UPLOADANSWER_RETRY_MAX_NS);
	assert(memchr(a.message, '\0', sizeof(a.message)));
	assert(text_is_valid(a.message, strlen(a.message)));
	for (const char *c = a.message; *c; c++)
		assert((unsigned char)*c >= ' ' && *c != 0x7f);
	free(text);
	return 0;
}
