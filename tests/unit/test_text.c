/* Escaping: what each sink must never see, what it shows instead, and the repair of UTF-8. */
#include "agent/base/text.h"

#include "tests/fixtures/evil_names.h"
#include "tests/test.h"

#include <errno.h>

typedef int (*sink_fn)(struct buf *out, const char *s);

static int terminal(struct buf *out, const char *s)
{
	return text_for_terminal(out, s, TEXT_NO_LIMIT);
}

static const char *through(sink_fn fn, const char *s)
{
	static struct buf out;

	if (!out.max)
		buf_init(&out, 1 << 20);
	buf_reset(&out);
	CHECK_INT(fn(&out, s), 0);
	return buf_str(&out);
}

static const char *cut(const char *s, size_t columns)
{
	static char out[256];
	_cleanup_(buf_deinitp) struct buf b;

	buf_init(&b, sizeof(out) - 1);
	CHECK_INT(text_for_terminal(&b, s, columns), 0);
	snprintf(out, sizeof(out), "%s", buf_str(&b));
	return out;
}

static const char *repair(const char *s, size_t size)
{
	static char out[256];

	CHECK(size <= sizeof(out));
	CHECK_INT(text_repair(s, strlen(s), out, size), strlen(out));
	return out;
}

static void test_decode(void)
{
	size_t n;

	CHECK_INT(text_decode("a", 1, &n), 'a');
	CHECK_INT(text_decode("\xc3\xa9", 2, &n), 0xe9);
	CHECK_INT(n, 2);
	CHECK_INT(text_decode("\xe2\x82\xac", 3, &n), 0x20ac);
	CHECK_INT(text_decode("\xf4\x8f\xbf\xbf", 4, &n), 0x10ffff);
	CHECK_INT(n, 4);
	CHECK_INT(text_decode("\xf4\x90\x80\x80", 4, &n), TEXT_INVALID);
	CHECK_INT(n, 1);
	CHECK_INT(text_decode("\xed\xa0\x80", 3, &n), TEXT_INVALID);
	CHECK_INT(text_decode("\xe0\x9f\xbf", 3, &n), TEXT_INVALID);
	CHECK_INT(text_decode("\xe2\x82\xac", 2, &n), TEXT_INVALID); /* the rest lies outside */
}

static void test_repair(void)
{
	CHECK_STR(repair("plain \xc3\xa9", 64), "plain \xc3\xa9");
	CHECK_STR(repair("\xff\xfe", 64), "\xef\xbf\xbd\xef\xbf\xbd");
	CHECK_STR(repair("a\xe2\x82z", 64), "a\xef\xbf\xbd\xef\xbf\xbdz");
	CHECK_STR(repair("\xed\xa0\x80", 64), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
	CHECK_STR(repair("ab\xe2\x82\xac", 5), "ab"); /* never half a character */
	CHECK_STR(repair("ab\xe2\x82\xac", 6), "ab\xe2\x82\xac");
	CHECK_STR(repair("ab", 1), "");
	CHECK(text_is_valid("0123456789\xe2\x82\xac", 13));
	CHECK(!text_is_valid("0123456\xff", 8));
}

static void test_html(void)
{
	CHECK_STR(through(text_for_html, "a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
	CHECK_STR(through(text_for_html, "x\033\xe2\x80\xae\xff"), "x\\x1b\\u202e\xef\xbf\xbd");
}

static void test_svg(void)
{
	CHECK_STR(through(text_for_svg, "a<b>&\"'\xef\xbf\xbf\b"),
		  "a&lt;b&gt;&amp;&quot;&#39;\\uffff\\x08");
}

static void test_json(void)
{
	CHECK_STR(through(text_for_json_in_script, "a\"\\\n</b>&"),
		  "\"a\\\"\\\\\\u000a\\u003c/b\\u003e\\u0026\"");
	CHECK_STR(through(text_for_json_in_script, "\xe2\x80\xa8\xc3\xa9\xf0\x9f\x94\xa5"),
		  "\"\\u2028\xc3\xa9\xf0\x9f\x94\xa5\"");
	CHECK_STR(through(text_for_json_in_script, ""), "\"\"");
}

static void test_folded(void)
{
	CHECK_STR(through(text_for_folded, "a;b\\c\nd e"), "a\\x3bb\\x5cc\\x0ad e");
}

static void test_terminal(void)
{
	CHECK_STR(through(terminal, "\033[2J\x9b\xc2\x9b"), "\\x1b[2J\xef\xbf\xbd\\u009b");
	CHECK_STR(through(terminal, "e\xcc\x81"), "e\\u0301");
	CHECK_STR(through(terminal, "\xf3\xa0\x81\xa8"), "\\U000e0068");
	CHECK_STR(cut("0123456789", 10), "0123456789");
	CHECK_STR(cut("0123456789", 9), "012345…89");
	CHECK_STR(cut("0123456789", 1), "…");
	CHECK_STR(cut("0123456789", 0), "");
	CHECK_STR(cut("\033\033\033\033", 7), "\\x1b…"); /* never half an escape */
}

static void test_terminal_counts_wide_characters_twice(void)
{
	if (!strcmp(through(terminal, "\xc3\xa9"), "\\u00e9"))
		SKIP("no C.UTF-8 locale on this machine");
	CHECK_STR(cut("\xe6\xbc\xa2\xe5\xad\x97", 4), "\xe6\xbc\xa2\xe5\xad\x97");
	CHECK_STR(cut("\xe6\xbc\xa2\xe5\xad\x97", 3), "\xe6\xbc\xa2…");
	CHECK_STR(cut("\xe6\xbc\xa2\xe5\xad\x97", 2), "…");
}

static void check_clean(const char *s, const char *forbidden)
{
	size_t len = strlen(s), n;

	CHECK(text_is_valid(s, len));
	for (size_t i = 0; i < len; i += n) {
		uint32_t cp = text_decode(s + i, len - i, &n);

		CHECK(cp >= 0x20 && (cp < 0x7f || cp > 0x9f));
		CHECK(cp != 0x2028 && cp != 0x2029);
		CHECK(!(cp >= 0x202a && cp <= 0x202e) && !(cp >= 0x2066 && cp <= 0x2069));
		CHECK(cp > 0x7f || !strchr(forbidden, (int)cp));
	}
}

static void test_evil_names(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(evil_names); i++) {
		check_clean(through(terminal, evil_names[i]), "");
		check_clean(through(text_for_html, evil_names[i]), "<>\"'");
		check_clean(through(text_for_svg, evil_names[i]), "<>\"'");
		check_clean(through(text_for_json_in_script, evil_names[i]), "<>&");
		check_clean(through(text_for_folded, evil_names[i]), ";");
		check_clean(cut(evil_names[i], 40), "");
	}
}

static void test_full_buffer(void)
{
	_cleanup_(buf_deinitp) struct buf b;

	buf_init(&b, 4);
	CHECK_INT(text_for_html(&b, "<<<<"), -ENOSPC);
	CHECK(b.len <= 4);
}

int main(void)
{
	RUN(test_decode);
	RUN(test_repair);
	RUN(test_html);
	RUN(test_svg);
	RUN(test_json);
	RUN(test_folded);
	RUN(test_terminal);
	RUN(test_evil_names);
	RUN(test_full_buffer);
	RUN(test_terminal_counts_wide_characters_twice);
	return 0;
}
