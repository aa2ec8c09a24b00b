/*
 * The page: one HTML document with its script and style sheet inside.
 *
 * Its policy (CSP) allows these two by their digests, computed when fleetprof is built, and connections to where it came
 * from; the document holds no data and no secret.
 */
#include "agent/base/hashmap.h"
#include "agent/exporter/web_internal.h"
#include "proto/gzip.h"

#include "web_assets.h"

#include <errno.h>
#include <inttypes.h>

#define ETAG_SEED 0x66707067 /* any: the same for every run, so that a browser's copy stays good */

const char web_page_policy[] =
	"default-src 'none'; connect-src 'self'; img-src data:; script-src 'sha256-" WEB_PAGE_JS_SHA256
	"'; style-src 'sha256-" WEB_PAGE_CSS_SHA256
	"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static const char head[] =
	"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"color-scheme\" content=\"light dark\">\n"
	"<title>fleetprof</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>";

int web_make_page(struct web *web)
{
	struct buf *b = &web->page;
	int r;

	buf_init(b, 4u << 20);
	buf_adds(b, head);
	buf_add(b, web_page_css, sizeof(web_page_css));
	buf_adds(
		b,
		"</style>\n</head>\n<body>\n<noscript>This page is drawn by its script: please allow it.</noscript>\n"
		"<script>");
	buf_add(b, web_page_js, sizeof(web_page_js));
	buf_adds(b, "</script>\n</body>\n</html>\n");
	if (b->error)
		return b->error;
	buf_init(&web->page_gzip, 4u << 20);
	r = gzip_compress(b->data, b->len, &web->page_gzip);
	snprintf(web->etag, sizeof(web->etag), "\"%016" PRIx64 "\"",
		 hash_bytes(b->data, b->len, ETAG_SEED));
	return r;
}
