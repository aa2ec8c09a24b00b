/* Foreign names on their way out: one escaping function per sink, and the repair of UTF-8. */
#include "agent/base/text.h"

#include <errno.h>
#include <locale.h>
#include <string.h>
#include <wchar.h>

#define ESCAPE_MAX 16 /* bytes of the longest replacement of one code point */

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

static bool is_continuation(const char *s, size_t len, size_t i)
{
	return i < len && ((unsigned char)s[i] & 0xc0) == 0x80;
}

uint32_t text_decode(const char *s, size_t len, size_t *ret_len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c = (unsigned char)s[0];
	uint32_t cp;
	size_t n;

	*ret_len = 1;
	if (c < 0x80)
		return c;
	if (c < 0xc2 || c > 0xf4)
		return TEXT_INVALID;
	n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	cp = c & (0x7f >> n);
	for (size_t i = 1; i < n; i++) {
		if (!is_continuation(s, len, i))
			return TEXT_INVALID;
		cp = cp << 6 | ((unsigned char)s[i] & 0x3f);
	}
	if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return TEXT_INVALID;
	*ret_len = n;
	return cp;
}

bool text_is_valid(const char *s, size_t len)
{
	size_t i = 0, n;

	while (i < len) {
		uint64_t word;

		if (len - i >= sizeof(word)) { /* nearly every name is ASCII */
			memcpy(&word, s + i, sizeof(word));
			if (!(word & 0x8080808080808080ULL)) {
				i += sizeof(word);
				continue;
			}
		}
		if (text_decode(s + i, len - i, &n) == TEXT_INVALID)
			return false;
		i += n;
	}
	return true;
}

size_t text_repair(const char *s, size_t len, char *out, size_t size)
{
	size_t i = 0, n, used = 0;

	if (!size)
		return 0;
	for (; i < len; i += n) {
		bool bad = text_decode(s + i, len - i, &n) == TEXT_INVALID || !s[i];
		const char *from = bad ? replacement : s + i;
		size_t add = bad ? sizeof(replacement) - 1 : n;

		if (used + add > size - 1)
			break;
		memcpy(out + used, from, add);
		used += add;
	}
	out[used] = '\0';
	return used;
}

static bool is_control(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x2028 || cp == 0x2029;
}

static bool is_deceptive(uint32_t cp)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0xad, 0xad }, /* soft hyphen */
		{ 0x61c, 0x61c }, /* Arabic letter mark */
		{ 0x115f, 0x1160 }, /* Hangul fillers */
		{ 0x180e, 0x180e }, /* Mongolian vowel separator */
		{ 0x200b, 0x200f }, /* zero width, left-to-right and right-to-left marks */
		{ 0x202a, 0x202e }, /* embeddings and overrides */
		{ 0x2060, 0x206f }, /* word joiner, isolates, deprecated controls */
		{ 0x3164, 0x3164 }, /* Hangul filler */
		{ 0xfe00, 0xfe0f }, /* variation selectors */
		{ 0xfeff, 0xfeff }, /* byte order mark */
		{ 0xffa0, 0xffa0 }, /* halfwidth Hangul filler */
		{ 0xfff9, 0xfffb }, /* interlinear annotation */
		{ 0xe0000, 0xe0fff }, /* tags, more variation selectors */
	};

	for (size_t i = 0; cp >= ranges[0].first && i < ARRAY_SIZE(ranges); i++) {
		if (cp >= ranges[i].first && cp <= ranges[i].last)
			return true;
	}
	return false;
}

static size_t by_number(uint32_t cp, char *out)
{
	const char *fmt = cp < 0x80 ? "\\x%02x" : cp < 0x10000 ? "\\u%04x" : "\\U%08x";

	return (size_t)snprintf(out, ESCAPE_MAX, fmt, cp);
}

static size_t put(const char *s, char *out)
{
	size_t len = strlen(s);

	memcpy(out, s, len);
	return len;
}

/* What stands for a code point: its length in out, or 0: itself. */
typedef size_t (*escape_fn)(uint32_t cp, char *out);

static int escape(struct buf *out, const char *s, escape_fn fn)
{
	size_t len = strlen(s), run = 0, n;

	for (size_t i = 0; i < len; i += n) {
		uint32_t cp = text_decode(s + i, len - i, &n);
		char tmp[ESCAPE_MAX];
		size_t nr_tmp = cp == TEXT_INVALID ? put(replacement, tmp) : fn(cp, tmp);

		if (!nr_tmp)
			continue;
		buf_add(out, s + run, i - run);
		buf_add(out, tmp, nr_tmp);
		run = i + n;
	}
	buf_add(out, s + run, len - run);
	return out->error;
}

static size_t html(uint32_t cp, char *out)
{
	switch (cp) {
	case '&':
		return put("&amp;", out);
	case '<':
		return put("&lt;", out);
	case '>':
		return put("&gt;", out);
	case '"':
		return put("&quot;", out);
	case '\'':
		return put("&#39;", out);
	}
	return is_control(cp) || is_deceptive(cp) ? by_number(cp, out) : 0;
}

int text_for_html(struct buf *out, const char *s)
{
	return escape(out, s, html);
}

static size_t svg(uint32_t cp, char *out)
{
	return cp == 0xfffe || cp == 0xffff ? by_number(cp, out) : html(cp, out);
}

int text_for_svg(struct buf *out, const char *s)
{
	return escape(out, s, svg);
}

static size_t json(uint32_t cp, char *out)
{
	switch (cp) {
	case '"':
		return put("\\\"", out);
	case '\\':
		return put("\\\\", out);
	}
	if (cp > 0xffff || !(is_control(cp) || is_deceptive(cp) || strchr("<>&", (int)cp)))
		return 0;
	return (size_t)snprintf(out, ESCAPE_MAX, "\\u%04x", cp);
}

int text_for_json_in_script(struct buf *out, const char *s)
{
	buf_addc(out, '"');
	escape(out, s, json);
	return buf_addc(out, '"');
}

static size_t folded(uint32_t cp, char *out)
{
	if (cp == ';' || cp == '\\' || is_control(cp) || is_deceptive(cp))
		return by_number(cp, out);
	return 0;
}

int text_for_folded(struct buf *out, const char *s)
{
	return escape(out, s, folded);
}

/* A locale for wcwidth(), whatever the user's is; where there is none, only ASCII is drawn as it is. */
static locale_t utf8_locale(void)
{
	static locale_t locale;
	static bool tried;

	if (!tried)
		locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	tried = true;
	return locale;
}

/* One code point as drawn: its bytes in out, and its columns. */
static size_t draw(const char *s, uint32_t cp, size_t n, char *out, size_t *ret_columns)
{
	int columns;

	if (cp == TEXT_INVALID) {
		*ret_columns = 1;
		return put(replacement, out);
	}
	columns = cp < 0x80 ? 1 : utf8_locale() ? wcwidth((wchar_t)cp) : -1;
	if (columns <= 0 || is_control(cp) || is_deceptive(cp)) {
		n = by_number(cp, out);
		*ret_columns = n;
		return n;
	}
	memcpy(out, s, n);
	*ret_columns = (size_t)columns;
	return n;
}

/* Draws s; of `total` columns, those from `head` on that leave more than `tail` behind become "…". */
static size_t draw_all(struct buf *out, const char *s, size_t total, size_t head, size_t tail)
{
	size_t len = strlen(s), column = 0, n;
	bool cut = false;

	for (size_t i = 0; i < len; i += n) {
		uint32_t cp = text_decode(s + i, len - i, &n);
		char tmp[ESCAPE_MAX];
		size_t columns, nr_tmp = draw(s + i, cp, n, tmp, &columns);
		bool keep = (!cut && column + columns <= head) || total - column <= tail;

		if (!keep && !cut && out)
			buf_adds(out, "…");
		cut |= !keep;
		if (keep && out)
			buf_add(out, tmp, nr_tmp);
		column += columns;
	}
	return column;
}

int text_for_terminal(struct buf *out, const char *s, size_t columns)
{
	locale_t utf8 = utf8_locale(), before = (locale_t)0;
	size_t total, tail;

	if (!columns)
		return 0;
	if (utf8)
		before = uselocale(utf8);
	total = draw_all(NULL, s, SIZE_MAX, SIZE_MAX, 0);
	tail = (columns - 1) / 3;
	if (total <= columns)
		draw_all(out, s, total, total, 0);
	else
		draw_all(out, s, total, columns - 1 - tail, tail);
	if (utf8)
		uselocale(before);
	return out->error;
}
