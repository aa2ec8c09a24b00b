/* Where a program's separate debug file may lie. */
#include "symbolizer/debug_paths.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BUILD_ID_MIN 2 /* bytes: one names the folder */

struct paths {
	char (*at)[DEBUG_PATH_BYTES];
	size_t nr;
};

static void add(struct paths *p, const char *fmt, ...) _printf_(2, 3);

static void add(struct paths *p, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(p->at[p->nr], DEBUG_PATH_BYTES, fmt, ap);
	va_end(ap);
	if (n > 0 && n < DEBUG_PATH_BYTES)
		p->nr++;
}

static void add_by_build_id(struct paths *p, const struct symbolizer_identity *identity)
{
	char hex[2 * SYMBOLIZER_BUILD_ID_MAX + 1];

	if (identity->build_id_kind != SYMBOLIZER_BUILD_ID_GNU ||
	    identity->build_id_len < BUILD_ID_MIN ||
	    identity->build_id_len > SYMBOLIZER_BUILD_ID_MAX)
		return;
	for (uint32_t i = 0; i < identity->build_id_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", identity->build_id[i]);
	add(p, "/usr/lib/debug/.build-id/%.2s/%s.debug", hex, hex + 2);
}

static void add_by_link(struct paths *p, const char *link, const char *path)
{
	static const char deleted[] = " (deleted)";
	size_t len = strlen(path);
	const char *slash;
	int folder;

	if (!*link || strchr(link, '/') || !strcmp(link, "..") || !strcmp(link, ".") ||
	    path[0] != '/')
		return;
	if (len > sizeof(deleted) && !strcmp(path + len - (sizeof(deleted) - 1), deleted))
		len -= sizeof(deleted) - 1;
	slash = memrchr(path, '/', len);
	folder = (int)(slash - path);
	if (strncmp(path, "/proc/", 6) && strcmp(slash + 1, link)) /* not the program itself */
		add(p, "%.*s/%s", folder, path, link);
	add(p, "%.*s/.debug/%s", folder, path, link);
	add(p, "/usr/lib/debug%.*s/%s", folder, path, link);
}

size_t debug_paths(const struct symbolizer_identity *identity, const char *path,
		   char (*ret)[DEBUG_PATH_BYTES])
{
	struct paths p = { .at = ret };

	add_by_build_id(&p, identity);
	add_by_link(&p, identity->debuglink, path);
	return p.nr;
}
