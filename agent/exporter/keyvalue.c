/* Options with several parts. */
#include "agent/exporter/keyvalue.h"

#include <errno.h>
#include <string.h>

/* Copies one part without the doubling of commas; *text moves behind it and its comma. */
static int take_part(const char **text, char *part)
{
	const char *s = *text;
	size_t len = 0;

	for (; *s; s++) {
		if (*s == ',' && *++s != ',')
			break;
		if (len == KEYVALUE_MAX - 1)
			return -ENOSPC;
		part[len++] = *s;
	}
	part[len] = '\0';
	*text = s;
	return 0;
}

int keyvalue_parse(const char *text, keyvalue_fn fn, void *userdata, struct err *err)
{
	char part[KEYVALUE_MAX];
	int r = 0;

	while (*text && r == 0) {
		const char *begin = text;
		char *equals;

		if (take_part(&text, part) < 0)
			return err_set(err, -EINVAL, "a part is longer than %d bytes",
				       KEYVALUE_MAX - 1);
		equals = strchr(part, '=');
		if (!equals || equals == part)
			return err_set(err, -EINVAL, "\"%.60s\" is not KEY=VALUE", begin);
		*equals = '\0';
		r = fn(part, equals + 1, userdata, err);
	}
	return r;
}
