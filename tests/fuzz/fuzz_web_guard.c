/* Foreign bytes as the headers that decide who may ask the page. */
#include "agent/base/cleanup.h"
#include "agent/exporter/web_guard.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct web_hosts strict = { .nr_names = 0 };
	const struct web_hosts wide = { .any_address = true, .names = { "box" }, .nr_names = 1 };
	_cleanup_(freep) char *text = strndup((const char *)data, size);

	if (!text)
		return 0;
	/* what the strict rule lets in, the wide one does too, and it is one of three names */
	if (web_host_is_ours(&strict, text)) {
		assert(web_host_is_ours(&wide, text));
		assert(text[0] == '[' || !strncmp(text, "127.0.0.1", 9) ||
		       !strncasecmp(text, "localhost", 9));
	}
	web_origin_is_ours(text, "localhost:1");
	web_site_is_ours(text);
	web_accepts_gzip(text);
	assert(!web_token_fits(text, ""));
	assert(web_token_fits(text, "5ec2e7") <= (strlen(text) == 13));
	return 0;
}
