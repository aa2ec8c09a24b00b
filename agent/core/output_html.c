/*
 * A profile as one HTML file: the flame graph with its data, and nothing fetched from anywhere.
 *
 * The page's policy (CSP) allows the one script and the one style sheet by their digests, which are computed when
 * fleetprof is built; the data stand in an element that no browser runs.
 */
#include "agent/base/text.h"
#include "agent/core/output.h"
#include "proto/flamegraph.h"

#include "web_assets.h"

static const char head[] =
	"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-" WEB_FLAME_JS_SHA256
	"'; style-src 'sha256-" WEB_FLAME_CSS_SHA256 "'; base-uri 'none'; form-action 'none'\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<meta name=\"referrer\" content=\"no-referrer\">\n<title>";

int output_html(const struct profile *p, const char *title, struct buf *out)
{
	int r;

	buf_adds(out, head);
	text_for_html(out, title);
	buf_adds(out, "</title>\n<style>");
	buf_add(out, web_flame_css, sizeof(web_flame_css));
	buf_adds(out, "</style>\n</head>\n<body>\n<noscript>This flame graph is drawn by a script "
		      "within this file.</noscript>\n"
		      "<script type=\"application/json\" id=\"profile\">");
	r = flamegraph_json(p, PROFILE_ALL_OWNERS, title, out);
	if (r)
		return r;
	buf_adds(out, "</script>\n<script>");
	buf_add(out, web_flame_js, sizeof(web_flame_js));
	buf_adds(out, "</script>\n</body>\n</html>\n");
	return out->error;
}
