/* The still flame graph: every wide frame drawn where it belongs, nothing but text in what names become. */
#include "proto/flamegraph_svg.h"
#include "agent/base/text.h"
#include "tests/fixtures/evil_names.h"
#include "tests/fixtures/known_profile.h"
#include "tests/test.h"

#include <errno.h>
#include <math.h>

static const char *drawn(const struct profile *p, uint32_t owner, struct buf *out)
{
	buf_init(out, 64u << 20);
	CHECK_INT(flamegraph_svg(p, owner, "a <title>", out), 0);
	return buf_str(out);
}

/* The rectangle of the frame with this name: the first one, from the top. */
static void rectangle(const char *svg, const char *name, double *ret_x, double *ret_y,
		      double *ret_width)
{
	char key[128];
	const char *at;

	snprintf(key, sizeof(key), "<title>%s\n", name);
	at = strstr(svg, key);
	CHECK(at);
	at = strstr(at, "<rect ");
	CHECK(at);
	CHECK_INT(sscanf(at, "<rect x=\"%lf\" y=\"%lf\" width=\"%lf\"", ret_x, ret_y, ret_width),
		  3);
}

static void check_share(const char *svg, const char *name, double share)
{
	double x, y, width;

	rectangle(svg, name, &x, &y, &width);
	CHECK(fabs(width - share * FLAMEGRAPH_SVG_WIDTH) < 0.02);
}

static void test_known(void)
{
	_cleanup_(profile_freep) struct profile *p = known_profile();
	_cleanup_(buf_deinitp) struct buf out = BUF_NULL;
	const char *svg = drawn(p, PROFILE_ALL_OWNERS, &out);
	double x, y, width, child_x, child_y;

	check_share(svg, "all", 1);
	check_share(svg, "web", 0.95);
	check_share(svg, "ssh.service", 0.05);
	check_share(svg, "ns::hot(int)", 0.6);
	rectangle(svg, "web", &x, &y, &width);
	CHECK(x == 0); /* the heaviest first */
	rectangle(svg, "app", &child_x, &child_y, &width);
	CHECK(child_x == x && child_y > y);
	rectangle(svg, "ssh.service", &x, &y, &width);
	CHECK(x > 1139 && x < 1141);
	CHECK(strstr(svg, ">a &lt;title&gt;</text>"));
	CHECK(strstr(svg, "60.00 %, 60 samples"));
	CHECK(strstr(svg, "missed 3"));
	CHECK(!strstr(svg, "too narrow"));
}

static void test_one_owner(void)
{
	_cleanup_(profile_freep) struct profile *p = known_profile();
	_cleanup_(buf_deinitp) struct buf out = BUF_NULL;
	const char *svg = drawn(p, 1, &out);

	check_share(svg, "ssh.service", 1);
	CHECK(!strstr(svg, "<title>web\n"));
}

/* Of what stands in the file, only our own elements are elements. */
static void test_evil_names(void)
{
	static const char *const elements[] = { "?xml ",   "svg ",    "/svg>", "style>",
						"/style>", "g>",      "/g>",   "rect ",
						"title>",  "/title>", "text ", "/text>" };
	_cleanup_(profile_freep) struct profile *p =
		known_evil_profile(evil_names, ARRAY_SIZE(evil_names));
	_cleanup_(buf_deinitp) struct buf out = BUF_NULL;
	const char *svg = drawn(p, PROFILE_ALL_OWNERS, &out);
	size_t opened = 0, closed = 0;

	CHECK(text_is_valid(svg, out.len));
	for (const char *at = svg; (at = strchr(at, '<')); at++) {
		size_t i = 0;

		while (i < ARRAY_SIZE(elements) &&
		       strncmp(at + 1, elements[i], strlen(elements[i])))
			i++;
		CHECK(i < ARRAY_SIZE(elements));
		opened += !strncmp(at, "<g>", 3);
		closed += !strncmp(at, "</g>", 4);
	}
	CHECK(opened > ARRAY_SIZE(evil_names) && opened == closed);
}

static void test_narrow_frames_are_counted(void)
{
	_cleanup_(profile_freep) struct profile *p = known_big_profile(20000, 20);
	_cleanup_(buf_deinitp) struct buf out = BUF_NULL;

	CHECK(strstr(drawn(p, PROFILE_ALL_OWNERS, &out),
		     "frames are too narrow to be drawn</text>"));
	CHECK(out.len < 4u << 20);
}

static void test_empty_and_full(void)
{
	_cleanup_(profile_freep) struct profile *empty = NULL, *known = known_profile();
	_cleanup_(buf_deinitp) struct buf out = BUF_NULL, small = BUF_NULL;

	CHECK_INT(profile_new(&empty), 0);
	CHECK(strstr(drawn(empty, PROFILE_ALL_OWNERS, &out), "0 samples"));
	buf_init(&small, 100);
	CHECK_INT(flamegraph_svg(known, PROFILE_ALL_OWNERS, "t", &small), -ENOSPC);
}

int main(void)
{
	RUN(test_known);
	RUN(test_one_owner);
	RUN(test_evil_names);
	RUN(test_narrow_frames_are_counted);
	RUN(test_empty_and_full);
	return 0;
}
