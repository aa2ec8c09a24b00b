/* Fuzzes the repair of UTF-8 and every escaping function against what each promises. */
#include "agent/base/text.h"

#include <stdlib.h>
#include <string.h>

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_clean(struct buf *out, const char *forbidden)
{
	size_t n;

	check(!out->error && text_is_valid(buf_str(out), out->len));
	for (size_t i = 0; i < out->len; i += n) {
		uint32_t cp = text_decode(out->data + i, out->len - i, &n);

		check(cp >= 0x20 && (cp < 0x7f || cp > 0x9f) && cp != 0x2028 && cp != 0x2029);
		check(!(cp >= 0x202a && cp <= 0x202e) && !(cp >= 0x2066 && cp <= 0x2069));
		check(cp > 0x7f || !strchr(forbidden, (int)cp));
	}
	buf_reset(out);
}

static void check_repair(const char *data, size_t len)
{
	size_t size = len * 3 + 1, used, cut_at = len ? (unsigned char)data[0] : 0;
	_cleanup_(freep) char *out = malloc(size), *cut = malloc(cut_at + 1), *again = malloc(size);

	check(out && cut && again);
	used = text_repair(data, len, out, size);
	check(used == strlen(out) && text_is_valid(out, used));
	check(text_repair(out, used, again, size) == used && !strcmp(out, again));
	check(text_repair(data, len, cut, cut_at) < MAX(cut_at, 1UL));
	if (cut_at)
		check(!strncmp(out, cut, strlen(cut)) && text_is_valid(cut, strlen(cut)));
	if (text_is_valid(data, len) && !memchr(data, 0, len))
		check(used == len && (!len || !memcmp(data, out, len)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(freep) char *s = malloc(len + 1);
	_cleanup_(buf_deinitp) struct buf out;

	check(s != NULL);
	if (len)
		memcpy(s, data, len);
	s[len] = '\0';
	check_repair(s, len);
	buf_init(&out, 12 * len + 2);
	text_for_html(&out, s);
	check_clean(&out, "<>\"'");
	text_for_json_in_script(&out, s);
	check_clean(&out, "<>&");
	text_for_folded(&out, s);
	check_clean(&out, ";");
	text_for_terminal(&out, s, TEXT_NO_LIMIT);
	check_clean(&out, "");
	text_for_terminal(&out, s, 40);
	check(out.len <= 40 * 4);
	check_clean(&out, "");
	return 0;
}
