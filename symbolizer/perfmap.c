/* Perf maps: a line for each piece of generated code. */
#include "symbolizer/jit.h"

#include <stdlib.h>
#include <string.h>

#define PYTHON "py::"

/* "1f" or "0x1F", as runtimes have it; false without a digit, or beyond 64 bits. */
static bool parse_hex(const char **at, const char *end, uint64_t *ret)
{
	const char *p = *at;
	uint64_t v = 0;
	int digits = 0;

	if (end - p > 2 && p[0] == '0' && (p[1] | 0x20) == 'x')
		p += 2;
	for (; p < end; p++, digits++) {
		char c = *p | 0x20;
		int digit = *p >= '0' && *p <= '9' ? *p - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
						   : -1;

		if (digit < 0)
			break;
		if (v >> 60)
			return false;
		v = v << 4 | (unsigned int)digit;
	}
	*at = p;
	*ret = v;
	return digits > 0;
}

/* Over the blanks between two fields; false without one. */
static bool skip_blanks(const char **at, const char *end)
{
	const char *p = *at;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	if (p == *at)
		return false;
	*at = p;
	return true;
}

static bool parse_line(const char *line, const char *end, struct jit_hit *ret)
{
	*ret = (struct jit_hit) { .source = SYMBOLIZER_PERF_MAP };
	if (!parse_hex(&line, end, &ret->start) || !skip_blanks(&line, end) ||
	    !parse_hex(&line, end, &ret->size) || !skip_blanks(&line, end))
		return false;
	if (end > line && end[-1] == '\r')
		end--;
	ret->name = line;
	ret->name_len = (size_t)(end - line);
	return line < end && !memchr(line, '\0', ret->name_len);
}

void perfmap_read(struct jit_names *names, const char *text, size_t size)
{
	const char *end = text + size, *line = text, *newline;
	struct jit_hit hit;

	while (line < end && (newline = memchr(line, '\n', (size_t)(end - line)))) {
		if (parse_line(line, newline, &hit))
			jit_names_offer(names, &hit);
		line = newline + 1;
	}
}

/* ":LINE:COLUMN" at the end of text is cut off; false if there is none. */
static bool cut_number(char *text, uint32_t *ret)
{
	char *colon = strrchr(text, ':'), *end;
	unsigned long v;

	if (!colon || colon[1] < '0' || colon[1] > '9')
		return false;
	v = strtoul(colon + 1, &end, 10);
	if (*end || v > UINT32_MAX)
		return false;
	*colon = '\0';
	*ret = (uint32_t)v;
	return true;
}

/* Behind the name: what begins like a path or a URL; else the last word. */
static char *find_place(char *name)
{
	char *place = strstr(name, " /");
	char *scheme = strstr(name, "://");

	if (scheme) {
		while (scheme > name && *scheme != ' ')
			scheme--;
		if (!place || scheme < place)
			place = scheme;
	}
	return place ? place : strrchr(name, ' ');
}

/* "py::Cart.add:/srv/app.py", of CPython since 3.12; a name in it has no colon. */
static void split_python(char *text, struct symbolizer_frame *ret)
{
	char *name = text + strlen(PYTHON), *colon = strchr(name, ':');

	if (!colon || colon == name || !colon[1])
		return;
	*colon = '\0';
	ret->name = name;
	ret->file = colon + 1;
}

void perfmap_split_name(char *text, struct symbolizer_frame *ret)
{
	static const char *const kinds[] = { "JS:", "LazyCompile:", "Function:", "Eval:",
					     "Script:" };
	char *name = NULL, *place;
	uint32_t line, column;

	for (size_t i = 0; i < ARRAY_SIZE(kinds) && !name; i++) {
		if (!strncmp(text, kinds[i], strlen(kinds[i])))
			name = text + strlen(kinds[i]);
	}
	if (!strncmp(text, PYTHON, strlen(PYTHON)))
		split_python(text, ret);
	if (!name)
		return;
	place = find_place(name);
	if (!place || !cut_number(place, &column))
		return;
	if (!cut_number(place, &line)) {
		line = column;
		column = 0;
	}
	*place++ = '\0';
	name += strspn(name, "*~^+'"); /* optimized, interpreted, by which compiler */
	ret->name = *name ? name : "(anonymous)";
	ret->file = place;
	ret->line = line;
	ret->start_line = line;
	ret->column = column;
}
