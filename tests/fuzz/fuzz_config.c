/* The settings: any bytes as a file, or as the text of a flag, are taken whole or refused with a sentence. */
#include "agent/core/config_internal.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct config *defaults(void)
{
	struct config *c = calloc(1, sizeof(*c));

	assert(c && config_defaults(&config_table, c) == 0);
	return c;
}

static int apply(struct config *c, const uint8_t *data, size_t size, struct err *err)
{
	_cleanup_(freep) char *text = NULL;

	if (!size || data[0] >= config_table.nr) /* no row: a file */
		return config_apply_file(c, "f", (const char *)data, size, err);
	text = strndup((const char *)data + 1, size - 1);
	assert(text);
	return config_apply_text(c, &config_table.rows[data[0]], "f", text, false, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(config_freep) struct config *c = defaults(), *d = defaults();
	_cleanup_(config_argv_freep) char **argv = NULL;
	struct err err = ERR_NULL;
	int r = apply(c, data, size, &err);

	assert(r == 0 || r == -EINVAL);
	assert((r == 0) == (err.text[0] == '\0'));
	if (r) {
		assert(!strncmp(err.text, "f:", 2));
		return 0;
	}
	assert(config_diff(c, c, NULL) == 0);
	config_diff(c, d, NULL);
	if (config_check(c, &err) == 0) {
		r = config_exporter_argv(c, "exporter", &argv);
		assert(r == 0 || r == -ENOSPC);
	}
	return 0;
}
