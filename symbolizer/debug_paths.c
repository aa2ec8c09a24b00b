/* Where the files with a program's debug information may lie. */
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

static void add_by_build_id(struct paths *p, const uint8_t *id, uint32_t len)
{
	char hex[2 * SYMBOLIZER_BUILD_ID_MAX + 1];

	if (len < BUILD_ID_MIN || len > SYMBOLIZER_BUILD_ID_MAX)
		return;
	for (uint32_t i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", id[i]);
	add(p, "/usr/lib/debug/.build-id/%.2s/%s.debug", hex, hex + 2);
}

/* How long the path is without what the kernel adds to a file that is gone. */
static size_t len_of(const char *path)
{
	static const char deleted[] = " (deleted)";
	size_t len = strlen(path);

	if (len > sizeof(deleted) && !strcmp(path + len - (sizeof(deleted) - 1), deleted))
		len -= sizeof(deleted) - 1;
	return len;
}

static void add_by_link(struct paths *p, const char *link, const char *path)
{
	const char *slash;
	int folder;

	if (!*link || strchr(link, '/') || !strcmp(link, "..") || !strcmp(link, ".") ||
	    path[0] != '/')
		return;
	slash = memrchr(path, '/', len_of(path));
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

	if (identity->build_id_kind == SYMBOLIZER_BUILD_ID_GNU)
		add_by_build_id(&p, identity->build_id, identity->build_id_len);
	add_by_link(&p, identity->debuglink, path);
	return p.nr;
}

/* The path that name has, seen from the folder of the file at from. */
static void add_beside(struct paths *p, const char *from, const char *name)
{
	if (from[0] == '/' && strncmp(from, "/proc/", 6) != 0)
		add(p, "%.*s/%s", (int)((const char *)memrchr(from, '/', len_of(from)) - from),
		    from, name);
}

/* Takes "x/.." and "." out of the last path: its folder is as the kernel has it, without links. */
static void simplify_last(struct paths *p)
{
	char *path = p->at[p->nr - 1], *to = path;

	for (const char *from = path; *from;) {
		size_t len = strcspn(from + 1, "/") + 1; /* "/component" */

		if (len == 3 && !memcmp(from, "/..", 3)) {
			while (to > path && *--to != '/')
				;
		} else if (len > 1 && !(len == 2 && from[1] == '.')) {
			memmove(to, from, len);
			to += len;
		}
		from += len;
	}
	*to = '\0';
	if (to == path)
		p->nr--;
}

static void add_alt(struct paths *p, const struct symbolizer_want *want, const char *from)
{
	size_t before = p->nr;

	if (want->path[0] == '/')
		add(p, "%s", want->path);
	else
		add_beside(p, from, want->path);
	if (p->nr > before)
		simplify_last(p);
	add_by_build_id(p, want->id, want->id_len);
}

static void add_split(struct paths *p, const struct symbolizer_want *want, const char *program)
{
	const char *slash = strrchr(want->path, '/');

	if (want->path[0] == '/')
		add(p, "%s", want->path);
	else if (want->directory[0] == '/')
		add(p, "%s/%s", want->directory, want->path);
	/* What was built elsewhere, and brought here with its program. */
	if (want->path[0] != '/')
		add_beside(p, program, want->path);
	if (slash)
		add_beside(p, program, slash + 1);
}

size_t debug_paths_of_want(const struct symbolizer_want *want, const char *program,
			   const char *debug, char (*ret)[DEBUG_PATH_BYTES])
{
	struct paths p = { .at = ret };

	if (want->kind == SYMBOLIZER_SUPPLEMENT_ALT)
		add_alt(&p, want, *debug ? debug : program);
	else
		add_split(&p, want, program);
	return p.nr;
}

size_t debug_paths_of_package(const char *program, char (*ret)[DEBUG_PATH_BYTES])
{
	struct paths p = { .at = ret };
	int len = (int)len_of(program);

	if (program[0] != '/' || !strncmp(program, "/proc/", 6))
		return 0;
	add(&p, "%.*s.dwp", len, program);
	add(&p, "/usr/lib/debug%.*s.dwp", len, program);
	return p.nr;
}

bool debug_path_is_public(const char *path)
{
	static const char folder[] = "/usr/lib/debug/";
	size_t len = strlen(path);

	return !strncmp(path, folder, sizeof(folder) - 1) && !strstr(path, "/../") &&
	       !(len >= 3 && !strcmp(path + len - 3, "/.."));
}
