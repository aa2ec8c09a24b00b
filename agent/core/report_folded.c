/* Folded stacks (Brendan Gregg's stackcollapse format) read back. */
#include "agent/core/report_read.h"
#include "agent/base/sys.h"
#include "agent/base/text.h"

#include <errno.h>
#include <string.h>

#define COUNT_MAX 32 /* digits and a terminating NUL */

struct line {
	const char *frames, *end; /* root first, ';' between them */
	int64_t count;
};

/* "a;b c 12": the count stands behind the last space. */
static int split(const char *at, const char *end, struct line *ret)
{
	char digits[COUNT_MAX];
	const char *space;
	uint64_t count;

	while (end > at && (end[-1] == '\r' || end[-1] == ' '))
		end--;
	space = memrchr(at, ' ', (size_t)(end - at));
	if (!space || space == at || end - space - 1 >= COUNT_MAX)
		return -EINVAL;
	memcpy(digits, space + 1, (size_t)(end - space - 1));
	digits[end - space - 1] = '\0';
	if (sys_parse_u64(digits, 10, 0, INT64_MAX, &count) < 0)
		return -EINVAL;
	*ret = (struct line) { at, space, (int64_t)count };
	return 0;
}

/* stackcollapse-perf marks the kernel, JITs and inlined functions: "read_[k]". */
static enum stacks_kind take_mark(const char *name, size_t *len)
{
	enum stacks_kind kind = STACKS_USER;

	if (*len > 4 && !memcmp(name + *len - 4, "_[", 2) && name[*len - 1] == ']') {
		kind = name[*len - 2] == 'k' ? STACKS_KERNEL : STACKS_USER;
		*len -= strchr("kji", name[*len - 2]) ? 4 : 0;
	}
	return kind;
}

/* What text_for_folded() made of ';' and '\'. */
static size_t unescape(const char *from, size_t len, char *to)
{
	size_t nr = 0;

	for (size_t i = 0; i < len; i++) {
		bool escaped = len - i >= 4 &&
			       (!memcmp(from + i, "\\x3b", 4) || !memcmp(from + i, "\\x5c", 4));

		to[nr++] = !escaped ? from[i] : from[i + 2] == '3' ? ';' : '\\';
		i += escaped ? 3 : 0;
	}
	return nr;
}

static int add_frame(struct stacks *s, const char *name, size_t len, uint32_t *ret)
{
	_cleanup_(freep) char *copy = malloc(len + 1);
	enum stacks_kind kind = take_mark(name, &len);

	if (!copy)
		return -ENOMEM;
	return stacks_add_function(s, kind, copy, unescape(name, len, copy), ret);
}

/* Frames from the last to the first: leaf first, no more of them than a stack may have. */
static int add_stack(struct report_profile *p, const struct line *line)
{
	uint32_t functions[STACKS_DEPTH_MAX + 1], owner;
	const char *end = line->end;
	size_t nr = 0;
	int r = stacks_add_string(p->stacks, "", 0, &owner);

	while (!r && nr < ARRAY_SIZE(functions)) {
		const char *semicolon = memrchr(line->frames, ';', (size_t)(end - line->frames));
		const char *begin = semicolon ? semicolon + 1 : line->frames;

		r = add_frame(p->stacks, begin, (size_t)(end - begin), &functions[nr++]);
		if (!semicolon)
			break;
		end = semicolon;
	}
	return r ? r : stacks_add_sample(p->stacks, owner, line->count, functions, nr);
}

static bool is_wanted(const struct line *line, const char *owner)
{
	size_t len = owner ? strlen(owner) : 0;

	return !owner ||
	       ((size_t)(line->end - line->frames) >= len && !memcmp(line->frames, owner, len) &&
		(line->frames + len == line->end || line->frames[len] == ';'));
}

int report_read_folded(struct report_profile *p, const char *data, size_t len,
		       const struct report_wanted *wanted, struct err *err)
{
	const char *end = data + len;
	size_t nr = 0;
	int r = 0;

	if (wanted->type && strcmp(wanted->type, "samples"))
		return err_set(err, -EINVAL, "folded stacks have the type samples only");
	for (const char *at = data, *next; at < end && !r; at = next) {
		const char *eol = memchr(at, '\n', (size_t)(end - at));
		struct line line;

		nr++;
		eol = eol ? eol : end;
		next = eol + 1;
		if (eol == at || *at == '#')
			continue;
		if (!text_is_valid(at, (size_t)(eol - at)) || split(at, eol, &line) < 0)
			return err_set(err, -EINVAL,
				       "line %zu is not \"function;…;function COUNT\"", nr);
		if (!is_wanted(&line, wanted->owner))
			continue;
		p->owner_found = true;
		r = add_stack(p, &line);
	}
	return r ? err_errno(err, r, "cannot take it in") : 0;
}
